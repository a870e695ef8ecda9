"""Connection.CommandSequenceWindow, [MS-SMB2] 3.3.1.1 and 3.3.1.2."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.core.credits import SequenceWindow


def test_it_begins_with_message_id_zero_alone() -> None:
    window = SequenceWindow(100)
    assert window.available == 1
    assert not window.consume(1, 1)
    assert window.consume(0, 1)
    assert not window.consume(0, 1), "an id is good once"


def opened(credits: int, maximum: int = 100) -> SequenceWindow:
    window = SequenceWindow(maximum)
    window.consume(0, 1)
    assert window.grant(credits, 1) == credits
    return window


def test_ids_come_in_any_order_and_once() -> None:
    window = opened(5)
    for message_id in (3, 1, 5, 2, 4):
        assert window.consume(message_id, 1)
        assert not window.consume(message_id, 1)
    assert window.available == 0
    assert window.low == window.high


@pytest.mark.parametrize(
    ("message_id", "charge", "allowed"),
    [(1, 5, True), (1, 6, False), (3, 3, True), (5, 1, True), (5, 2, False), (6, 1, False)],
)
def test_a_charge_takes_consecutive_ids(message_id: int, charge: int, allowed: bool) -> None:
    assert opened(5).consume(message_id, charge) is allowed


def test_a_charge_that_covers_a_used_id_is_refused_and_changes_nothing() -> None:
    window = opened(5)
    assert window.consume(3, 1)
    assert not window.consume(2, 2)
    assert not window.consume(1, 3)
    assert window.available == 4
    assert window.consume(1, 2)


def test_the_client_is_never_left_without_a_credit() -> None:
    window = SequenceWindow(100)
    window.consume(0, 1)
    assert window.grant(0, 1) == 1


def test_a_withheld_id_bounds_what_is_granted() -> None:
    window = opened(50, maximum=64)
    for message_id in range(2, 51):
        assert window.consume(message_id, 1)
        window.grant(64, 1)
    assert window.high - window.low == 64
    assert window.grant(64, 1) == 0, "no room until the withheld id comes"
    assert window.consume(1, 1)
    assert window.grant(64, 1) > 0


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(0, 10))))
def test_against_a_plain_set(steps: list[tuple[int, int, int]]) -> None:
    window, valid, top = SequenceWindow(32), {0}, 1
    for message_id, charge, asked in steps:
        wanted = set(range(message_id, message_id + charge))
        expected = wanted <= valid
        assert window.consume(message_id, charge) is expected
        if expected:
            valid -= wanted
            granted = window.grant(asked, charge)
            assert granted <= max(asked, 1)
            valid |= set(range(top, top + granted))
            top += granted
        assert window.available == len(valid)
        assert window.high - window.low <= 32
