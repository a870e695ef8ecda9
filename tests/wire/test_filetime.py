"""FILETIME and Unix nanoseconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paraph.wire.filetime import MAXIMUM, UNIX_EPOCH, filetime_from_ns, filetime_to_ns


@pytest.mark.parametrize(
    ("ns", "filetime"),
    [
        (0, 116444736000000000),
        (100, 116444736000000001),
        (99, 116444736000000000),
        (-1, 116444735999999999),
        (1_234_567_890_123_456_700, 128790414901234567),
        (-11_644_473_600_000_000_000, 0),  # 1601
        (-11_644_473_600_000_000_001, 0),
        (-(2**70), 0),
        (2**80, MAXIMUM),
    ],
)
def test_from_ns(ns: int, filetime: int) -> None:
    assert filetime_from_ns(ns) == filetime


@pytest.mark.parametrize(
    ("filetime", "ns"),
    [
        (UNIX_EPOCH, 0),
        (0, -11_644_473_600_000_000_000),
        (-2, -11_644_473_600_000_000_000),
        (MAXIMUM, (MAXIMUM - UNIX_EPOCH) * 100),
        (2**64, (MAXIMUM - UNIX_EPOCH) * 100),
    ],
)
def test_to_ns(filetime: int, ns: int) -> None:
    assert filetime_to_ns(filetime) == ns


@given(st.integers(0, MAXIMUM))
def test_round_trip(filetime: int) -> None:
    assert filetime_from_ns(filetime_to_ns(filetime)) == filetime
