"""The time of day, for everything that stands on the net layer."""

from __future__ import annotations

import time

from paraph.wire.filetime import filetime_from_ns


def filetime_now() -> int:
    """Now, as FILETIME."""
    return filetime_from_ns(time.time_ns())
