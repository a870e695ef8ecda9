"""How a command of the client ends: its exit code, and one sentence for what went wrong.

0: all done. 1: something failed. 2: what was asked for makes no sense. 130: Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from paraph.cli.client_options import Options
from paraph.cli.client_output import Output
from paraph.errors import ParaphError, SMBError, UserError

DONE, FAILED, USAGE, STOPPED = 0, 1, 2, 130


def run_command(options: Options, function: Callable[[], int]) -> int:
    """Run it; its exit code. What is no failure of the world (a bug) goes through."""
    out = Output(json=options.json)
    try:
        code = function()
        sys.stdout.flush()
        return code
    except UserError as error:
        out.problem(error)
        return USAGE
    except KeyboardInterrupt:
        print("\nparaph: stopped.", file=sys.stderr)
        return STOPPED
    except SMBError as error:
        out.problem(error)
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ParaphError) as error:
        out.problem(error)
    return FAILED
