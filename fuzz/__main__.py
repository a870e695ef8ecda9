"""`python -m fuzz [--seconds N] [--seed S]`: the decoders for a quarter of the time, then whole
connections."""

from __future__ import annotations

import argparse
import sys
import time

from fuzz import connection, decoders


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="in all; default: 60")
    parser.add_argument("--seed", type=int, default=None, help="of the first; default: the clock")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(time.time()) * 1000
    failures = decoders.run(seed, seconds=options.seconds / 4)
    failures += connection.run(seed, seconds=options.seconds * 3 / 4)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
