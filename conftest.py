"""What holds for every test: real peers are asked for by module, not by script."""

from __future__ import annotations

import sys
from pathlib import Path

# impacket installs scripts, one of them `smbclient.py`; where the folder of scripts is on the
# import path (`pytest` instead of `python -m pytest`), that hides smbprotocol's `smbclient`.
_scripts = str(Path(sys.executable).parent)
sys.path[:] = [entry for entry in sys.path if entry != _scripts]
