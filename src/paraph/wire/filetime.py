"""FILETIME: 100-nanosecond intervals since 1601-01-01 UTC, [MS-DTYP] 2.3.3, [MS-FSCC] 2.1.1.

Integers only: a float of seconds can not hold 100 ns.
"""

from __future__ import annotations

UNIX_EPOCH = 116_444_736_000_000_000
"""1970-01-01 UTC as a FILETIME."""
MAXIMUM = 0x7FFF_FFFF_FFFF_FFFF
"""The latest FILETIME: the field is a signed 64-bit integer."""


def filetime_from_ns(ns: int) -> int:
    """The FILETIME of `ns` nanoseconds since 1970, rounded down and clamped to 0..MAXIMUM."""
    value = ns // 100 + UNIX_EPOCH
    if value < 0:
        return 0
    return value if value <= MAXIMUM else MAXIMUM


def filetime_to_ns(ft: int) -> int:
    """Nanoseconds since 1970 (negative before) of a FILETIME, which is clamped to 0..MAXIMUM.

    The special values 0, -1 and -2 of [MS-FSCC] 2.4.7 mean something else: test for them first.
    """
    if ft < 0:
        ft = 0
    elif ft > MAXIMUM:
        ft = MAXIMUM
    return (ft - UNIX_EPOCH) * 100
