"""The `paraph` command. Importing this is quick: each command imports what it needs.

Exit codes: 0 done; 1 a bug, or a failure of the system, or `policy diff` found a difference; 2 what
the user can put right; 130 ended by a second Ctrl-C.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from paraph import __version__
from paraph.cli import client_app, policy, registry, user
from paraph.errors import UserError

_HELP = {"help_option_names": ["-h", "--help"]}

# Without typer's own traces: they could show the values of variables, passwords among them.
app = typer.Typer(
    name="paraph",
    help="Serve folders to Windows, macOS and Linux over SMB, signed, and use those of others.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
    context_settings=_HELP,
)
app.add_typer(user.app, name="user")
app.add_typer(policy.app, name="policy")
app.add_typer(registry.app, name="registry")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"paraph {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


_SERVE_HELP = """Share folders until Ctrl-C.

Every client must log on with an account and sign, unless you say otherwise.

\b
Examples:
  paraph serve ~/photos
      One folder. The first start makes an account and shows its password.
  paraph serve ~/photos --read-only --listen 192.168.1.5:4450
      Nobody can change anything, and through one network interface only.
  paraph serve ~/photos --share music=/srv/music --user anna --user ben
      Two shares; of the accounts, only these two may enter.
  sudo paraph serve /srv/files --run-as files --encrypt required
      Port 445 needs root, which is given up as soon as the port is bound.
  paraph serve ~/old --policy server-always=disabled
      For clients that can not sign.
  paraph serve --config /etc/paraph.toml --log-format json
      Settings from a file, under the names of the options: read-only = true
"""


def _option(name: str, metavar: str, help_: str) -> Any:
    return typer.Option(name, metavar=metavar, help=help_, show_default=False)


@app.command(help=_SERVE_HELP)
def serve(
    path: Annotated[
        str | None, typer.Argument(help="The folder to share.", show_default=False)
    ] = None,
    share: Annotated[
        list[str] | None,
        _option(
            "--share",
            "NAME[=PATH]",
            "The share's name (the folder's, if not given). With "
            "=PATH: one more share. Repeatable.",
        ),
    ] = None,
    listen: Annotated[
        list[str] | None,
        _option(
            "--listen",
            "HOST:PORT",
            "Where to listen. If not given: on all interfaces, on port "
            "445 where permitted, else 4450. Repeatable.",
        ),
    ] = None,
    user: Annotated[
        list[str] | None,
        _option(
            "--user",
            "NAME[:PASSWORD]",
            "Who may enter; if not given, every account (see "
            "`paraph user`). Without PASSWORD: the account's, or PARAPH_PASSWORD, or it is asked "
            "for. PASSWORD is for tests: others can see it in `ps`. Repeatable.",
        ),
    ] = None,
    read_only: Annotated[
        bool | None,
        typer.Option(
            "--read-only/--read-write", help="Clients can change nothing, or can (default)."
        ),
    ] = None,
    min_dialect: Annotated[
        str | None, _option("--min-dialect", "DIALECT", "Oldest dialect to speak: 2.0.2 (default).")
    ] = None,
    max_dialect: Annotated[
        str | None,
        _option(
            "--max-dialect",
            "DIALECT",
            "Newest dialect: 2.0.2, 2.1, 3.0, 3.0.2 or 3.1.1 "
            "(default). SMB2_02, SMB3_11 and the like are understood too.",
        ),
    ] = None,
    encrypt: Annotated[
        str | None,
        _option(
            "--encrypt",
            "WHEN",
            "offered (default): sealed if the client asks; desired: clients that can seal do; "
            "required: others are refused; off: never.",
        ),
    ] = None,
    guest: Annotated[
        bool | None,
        typer.Option(
            "--guest/--no-guest",
            help="Let unknown users in as guests (default: no). Guests "
            "can not sign, so this needs --policy server-always=disabled.",
        ),
    ] = None,
    policy: Annotated[
        list[str] | None,
        _option(
            "--policy",
            "KEY=VALUE",
            "A signing policy. KEY: server-always, "
            "server-if-client-agrees, client-always, client-if-server-agrees. VALUE: enabled "
            "(default), disabled. Repeatable.",
        ),
    ] = None,
    state: Annotated[
        str | None,
        _option(
            "--state",
            "DIR",
            "Where accounts are kept: ~/.local/state/paraph, or "
            "/var/lib/paraph for root, if not given.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        _option("--config", "FILE", "A TOML file of these settings. The command line wins."),
    ] = None,
    run_as: Annotated[
        str | None,
        _option(
            "--run-as",
            "USER",
            "Started as root: the user to become (the owner of the first folder, if not given).",
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        _option("--log-format", "FORMAT", "The log on standard error: text (default) or json."),
    ] = None,
    verbose: Annotated[
        bool | None,
        typer.Option(
            "--verbose",
            "-v",
            help="Log ends of sessions too; show the trace of a bug.",
            show_default=False,
        ),
    ] = None,
) -> None:
    from paraph.cli import config as settings
    from paraph.cli.serve import serve as run

    given = {
        "path": path,
        "share": share,
        "listen": listen,
        "user": user,
        "read-only": read_only,
        "min-dialect": min_dialect,
        "max-dialect": max_dialect,
        "encrypt": encrypt,
        "guest": guest,
        "policy": policy,
        "state": state,
        "run-as": run_as,
        "log-format": log_format,
        "verbose": verbose,
    }
    file = settings.load(config.expanduser()) if config is not None else {}
    raise typer.Exit(run(settings.merge(given, file)))


client_app.register(app)


def main() -> int:
    """Run the command line; the exit code. Never shows a trace unless asked with -v."""
    try:
        app(prog_name="paraph")  # also as `python -m paraph`
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except UserError as error:
        print(f"paraph: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _failed(error)
    return 0


def _failed(error: Exception) -> int:
    if any(word in ("-v", "--verbose") for word in sys.argv[1:]):
        import traceback

        traceback.print_exc()
    else:
        print(
            f"paraph: unexpected {type(error).__name__}: {error} (-v shows where)", file=sys.stderr
        )
    return 1
