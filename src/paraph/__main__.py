"""`python -m paraph` is the `paraph` command."""

import sys

from paraph.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
