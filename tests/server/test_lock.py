"""Byte-range locks ([MS-SMB2] 3.3.5.14, [MS-FSA] 2.1.4.10, 2.1.5.8, 2.1.5.9)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import NTStatusError
from paraph.server.events import HandlerCrashed
from paraph.server.locks import LockTable
from paraph.server.open import Open
from paraph.server.settings import Limits
from paraph.wire.ntstatus import NTStatus, name
from paraph.wire.smb2.close import CloseRequest
from paraph.wire.smb2.create import AccessMask
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.simple import LogoffRequest, TreeDisconnectRequest
from tests.server.file_client import (
    APPEND,
    EXCLUSIVE,
    NOW,
    READ,
    SHARED,
    UNLOCK,
    WRITE,
    Client,
    make_world,
    refused,
)
from tests.support.world import World

INVALID = NTStatus.INVALID_PARAMETER
NOT_GRANTED = NTStatus.LOCK_NOT_GRANTED
NOT_LOCKED = NTStatus.RANGE_NOT_LOCKED
END = 1 << 64


@pytest.fixture
def world() -> World:
    return make_world({"file": b"0123456789", "folder\\x": b""})


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def owners(count: int) -> list[Open]:
    return [cast(Open, SimpleNamespace(number=number)) for number in range(count)]


# ---------------------------------------------------------------- the table alone


def fsa_conflict(
    offset: int,
    length: int,
    exclusive: bool,
    lock_intent: bool,
    same: bool,
    held: tuple[int, int, bool],
) -> bool:
    """[MS-FSA] 2.1.4.10, line by line."""
    held_offset, held_length, held_exclusive = held
    if (offset, length) == (0, 0) or (held_offset, held_length) == (0, 0):
        return False
    last, held_last = offset + length - 1, held_offset + held_length - 1
    if not (offset <= held_last and last >= held_offset):
        return False
    if held_exclusive:
        return not same or (exclusive and lock_intent)
    return exclusive


def failure(action: Callable[[], None]) -> int | None:
    """The status that `action` fails with."""
    try:
        action()
    except NTStatusError as error:
        return error.status
    return None


RANGES = [(o, n) for o in (0, 1, 2, 4, 5) for n in (0, 1, 2, 4)] + [(END - 1, 1), (END - 1, 0)]


def test_the_conflict_matrix() -> None:
    mine, other = owners(2)
    for (offset, length), held in itertools.product(RANGES, RANGES):
        for exclusive, held_exclusive, same in itertools.product((True, False), repeat=3):
            table = LockTable()
            holder = mine if same else other
            assert table.acquire(holder, *held, exclusive=held_exclusive)
            lock = (*held, held_exclusive)
            row = (offset, length, exclusive, same, lock)
            expected = fsa_conflict(offset, length, exclusive, True, same, lock)
            assert (row, table.acquire(mine, offset, length, exclusive=exclusive)) == (
                row,
                not expected,
            )
            if length:
                table = LockTable()
                table.acquire(holder, *held, exclusive=held_exclusive)
                expected = fsa_conflict(offset, length, exclusive, False, same, lock)
                status = failure(lambda: table.check(mine, offset, length, write=exclusive))  # noqa: B023
                found = status == NTStatus.FILE_LOCK_CONFLICT
                assert (row, found) == (row, expected)


@pytest.mark.parametrize(
    ("offset", "length", "fits"),
    [
        (END - 1, 1, True),
        (END - 1, 0, True),
        (0, END - 1, True),
        (1, END - 1, True),
        (END - 1, 2, False),
        (2, END - 1, False),
        (END - 1, END - 1, False),
        (1 << 63, 1 << 63, True),
    ],
)
def test_ranges_that_end_beyond_64_bits(
    client: Client, offset: int, length: int, fits: bool
) -> None:
    file = client.open("file")
    if fits:
        client.lock(file, (offset, length, EXCLUSIVE | NOW))
        client.lock(file, (offset, length, UNLOCK))
        return
    for flags in (EXCLUSIVE, SHARED | NOW, UNLOCK):
        with refused(NTStatus.INVALID_LOCK_RANGE):
            client.lock(file, (offset, length, flags))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 8), st.integers(0, 4), st.sampled_from("sxu")),
        max_size=40,
    )
)
def test_the_table_against_a_model(steps: list[tuple[int, int, int, str]]) -> None:
    """A list of (owner, offset, length, exclusive), and the specification's own words."""
    table, opens = LockTable(), owners(3)
    model: list[tuple[int, int, int, bool]] = []
    for owner, offset, length, kind in steps:
        if kind == "u":
            matching = [m for m in model if m[:3] == (owner, offset, length)]
            status = failure(lambda: table.unlock(opens[owner], offset, length))  # noqa: B023
            assert status == (None if matching else NOT_LOCKED)
            if matching:
                model.remove(next((m for m in matching if m[3]), matching[-1]))
        else:
            exclusive = kind == "x"
            blocked = any(
                fsa_conflict(offset, length, exclusive, True, m[0] == owner, (m[1], m[2], m[3]))
                for m in model
            )
            assert table.acquire(opens[owner], offset, length, exclusive=exclusive) is not blocked
            if not blocked:
                model.append((owner, offset, length, exclusive))
    for number, owned in enumerate(opens):
        assert table.count(owned) == sum(m[0] == number for m in model)
        table.release(owned)
        assert table.count(owned) == 0
    assert not table


# ---------------------------------------------------------------- requests


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [(0, 1, 0)],
        [(0, 1, NOW)],
        [(0, 1, SHARED | EXCLUSIVE)],
        [(0, 1, EXCLUSIVE | 8)],
        [(0, 1, EXCLUSIVE | 0x80000000)],
        [(0, 1, UNLOCK | SHARED)],
        [(0, 1, UNLOCK | EXCLUSIVE)],
        [(0, 1, EXCLUSIVE | NOW), (2, 1, EXCLUSIVE)],
        [(0, 1, EXCLUSIVE), (2, 1, EXCLUSIVE | NOW)],
        [(0, 1, EXCLUSIVE | NOW), (2, 1, UNLOCK)],
    ],
)
def test_requests_that_make_no_sense(client: Client, elements: list[tuple[int, int, int]]) -> None:
    file = client.open("file")
    with refused(INVALID):
        client.lock(file, *elements)
    client.lock(client.open("file"), (0, 10, EXCLUSIVE | NOW))  # nothing was left behind


def test_what_can_be_locked(client: Client) -> None:
    for access in (READ, WRITE):
        client.lock(client.open("file", access), (0, 1, SHARED | NOW))
    for access in (APPEND, AccessMask.FILE_READ_ATTRIBUTES, AccessMask.DELETE):
        with refused(NTStatus.ACCESS_DENIED):
            client.lock(client.open("file", access), (0, 1, SHARED | NOW))
    with refused(INVALID):
        client.lock(client.open("folder", READ), (0, 1, SHARED | NOW))
    client.connect("IPC$")
    with refused(NTStatus.INVALID_DEVICE_REQUEST):
        client.lock(client.open("srvsvc", READ), (0, 1, SHARED | NOW))


def test_a_list_is_taken_as_a_whole(world: World) -> None:
    first, second = Client(world), Client(world)
    mine, theirs = first.open("file"), second.open("file")
    second.lock(theirs, (20, 5, EXCLUSIVE | NOW))
    with refused(NOT_GRANTED):
        first.lock(mine, (0, 5, EXCLUSIVE | NOW), (10, 5, SHARED | NOW), (22, 1, SHARED | NOW))
    second.lock(theirs, (0, 5, EXCLUSIVE | NOW), (10, 5, EXCLUSIVE | NOW))
    with refused(NOT_LOCKED):
        first.lock(mine, (0, 5, UNLOCK))


def test_a_list_that_fails_gives_back_its_own_locks_only(world: World) -> None:
    first, second = Client(world), Client(world)
    mine, theirs = first.open("file"), second.open("file")
    first.lock(mine, (0, 5, EXCLUSIVE | NOW))
    second.lock(theirs, (20, 5, EXCLUSIVE | NOW))
    with refused(NOT_GRANTED):
        first.lock(mine, (0, 5, SHARED | NOW), (20, 1, SHARED | NOW))
    with refused(NTStatus.FILE_LOCK_CONFLICT):  # the exclusive lock is what is left
        second.read(theirs, 1)
    first.lock(mine, (0, 5, UNLOCK))
    with refused(NOT_LOCKED):
        first.lock(mine, (0, 5, UNLOCK))


def test_unlock(client: Client) -> None:
    file, other = client.open("file"), client.open("file")
    client.lock(file, (0, 4, SHARED | NOW), (4, 4, SHARED | NOW), (8, 4, SHARED | NOW))
    for offset, length in ((0, 8), (1, 3), (0, 3), (4, 5)):
        with refused(NOT_LOCKED):
            client.lock(file, (offset, length, UNLOCK))
    with refused(NOT_LOCKED):
        client.lock(other, (0, 4, UNLOCK))
    # What came before the element that fails stays unlocked (3.3.5.14.1).
    with refused(NOT_LOCKED):
        client.lock(file, (0, 4, UNLOCK), (99, 1, UNLOCK), (4, 4, UNLOCK))
    with refused(NOT_LOCKED):
        client.lock(file, (0, 4, UNLOCK))
    client.lock(file, (4, 4, UNLOCK | NOW), (8, 4, UNLOCK))
    client.lock(other, (0, 100, EXCLUSIVE | NOW))


def test_an_element_that_locks_ends_a_list_of_unlocks(client: Client) -> None:
    file = client.open("file")
    client.lock(file, (0, 1, SHARED | NOW), (2, 1, SHARED | NOW))
    with refused(INVALID):
        client.lock(file, (0, 1, UNLOCK), (2, 1, UNLOCK | SHARED))
    with refused(NOT_LOCKED):
        client.lock(file, (0, 1, UNLOCK))
    client.lock(file, (2, 1, UNLOCK))


def test_the_same_range_twice(client: Client) -> None:
    """An exclusive lock goes before a shared one that lies upon it."""
    file, other = client.open("file"), client.open("file")
    client.lock(file, (0, 4, EXCLUSIVE | NOW))
    client.lock(file, (0, 4, SHARED | NOW))
    with refused(NOT_GRANTED):
        client.lock(file, (0, 4, EXCLUSIVE | NOW))
    client.lock(file, (0, 4, UNLOCK))
    client.lock(other, (0, 4, SHARED | NOW))
    with refused(NOT_GRANTED):
        client.lock(other, (0, 4, EXCLUSIVE | NOW))


def test_the_limit_of_locks() -> None:
    client = Client(make_world({"file": b""}, limits=Limits(locks_per_open=3)))
    file = client.open("file")
    client.lock(file, (0, 1, SHARED | NOW), (1, 1, SHARED | NOW))
    with refused(NTStatus.INSUFFICIENT_RESOURCES):
        client.lock(file, (2, 1, SHARED | NOW), (3, 1, SHARED | NOW))
    client.lock(file, (2, 1, SHARED | NOW))
    with refused(NTStatus.INSUFFICIENT_RESOURCES):
        client.lock(file, (3, 1, SHARED | NOW))
    client.lock(client.open("file"), (3, 1, EXCLUSIVE | NOW))
    client.lock(file, (0, 1, UNLOCK))
    client.lock(file, (0, 1, SHARED | NOW))


# ---------------------------------------------------------------- waiting


def three(world: World) -> tuple[list[Client], list[tuple[int, int]]]:
    clients = [Client(world) for _ in range(3)]
    return clients, [client.open("file") for client in clients]


def test_a_lock_waits_until_it_can_be_had(world: World) -> None:
    (first, second, _), (mine, theirs, _) = three(world)
    first.lock(mine, (0, 4, EXCLUSIVE | NOW), (8, 4, EXCLUSIVE | NOW))
    second.post_lock(theirs, (2, 8, EXCLUSIVE))
    assert second.waits()
    first.lock(mine, (0, 4, UNLOCK))
    assert second.waits()  # the other one is still in the way
    first.lock(mine, (8, 4, UNLOCK))
    assert second.status() == NTStatus.SUCCESS
    with refused(NOT_GRANTED):
        first.lock(mine, (2, 1, SHARED | NOW))


def test_who_waits_longest_comes_first(world: World) -> None:
    (first, second, third), (mine, theirs, others) = three(world)
    first.lock(mine, (0, 4, EXCLUSIVE))
    second.post_lock(theirs, (0, 4, EXCLUSIVE))
    third.post_lock(others, (0, 4, EXCLUSIVE))
    first.lock(mine, (0, 4, UNLOCK))
    assert second.status() == NTStatus.SUCCESS
    assert third.waits()
    second.lock(theirs, (0, 4, UNLOCK))
    assert third.status() == NTStatus.SUCCESS


def test_all_who_can_go_on_do(world: World) -> None:
    (first, second, third), (mine, theirs, others) = three(world)
    first.lock(mine, (0, 4, EXCLUSIVE))
    second.post_lock(theirs, (0, 4, SHARED))
    third.post_lock(others, (0, 4, SHARED))
    first.lock(mine, (0, 4, UNLOCK))
    assert second.status() == third.status() == NTStatus.SUCCESS


def test_cancel(world: World) -> None:
    (first, second, third), (mine, theirs, others) = three(world)
    first.lock(mine, (0, 4, EXCLUSIVE))
    header = second.post_lock(theirs, (0, 4, EXCLUSIVE))
    third.post_lock(others, (0, 4, EXCLUSIVE))
    second.cancel(header)
    assert second.status() == NTStatus.CANCELLED
    second.cancel(header)  # too late, and no harm
    first.lock(mine, (0, 4, UNLOCK))
    assert third.status() == NTStatus.SUCCESS
    assert second.waits()


@pytest.mark.parametrize("how", ["close", "tree disconnect", "logoff", "disconnect"])
def test_the_end_of_the_owner_wakes_who_waits(world: World, how: str) -> None:
    (first, second, _), (mine, theirs, _) = three(world)
    first.lock(mine, (0, 4, EXCLUSIVE))
    second.post_lock(theirs, (0, 4, EXCLUSIVE))
    end(first, mine, how)
    assert second.status() == NTStatus.SUCCESS
    assert second.read(theirs, 1) == b"0"


def end(client: Client, file: tuple[int, int], how: str) -> None:
    if how == "close":
        client.close(file)
    elif how == "tree disconnect":
        client.peer.tree_disconnect(client.logon, client.tree)
    elif how == "logoff":
        client.peer.logoff(client.logon)
    else:
        client.peer.link.close()


@pytest.mark.parametrize("how", ["close", "tree disconnect", "logoff"])
def test_the_end_of_who_waits(world: World, how: str) -> None:
    (first, second, third), (mine, theirs, others) = three(world)
    first.lock(mine, (0, 4, EXCLUSIVE))
    second.post_lock(theirs, (0, 4, EXCLUSIVE))
    command, body = {
        "close": (Command.CLOSE, CloseRequest(0, *theirs).encode()),
        "tree disconnect": (Command.TREE_DISCONNECT, TreeDisconnectRequest().encode()),
        "logoff": (Command.LOGOFF, LogoffRequest().encode()),
    }[how]
    second.peer.post(command, body, second.logon, second.tree)
    replies = {}
    for _ in range(2):
        reply = second.peer.receive()
        replies[reply.header.command] = name(reply.status)
    assert replies == {command: name(NTStatus.SUCCESS), Command.LOCK: name(NOT_LOCKED)}
    first.lock(mine, (0, 4, UNLOCK))
    third.lock(others, (0, 4, EXCLUSIVE | NOW))


def test_a_peer_that_vanishes_while_it_waits(world: World) -> None:
    (first, second, third), (mine, theirs, others) = three(world)
    first.lock(mine, (0, 4, EXCLUSIVE))
    second.post_lock(theirs, (0, 4, EXCLUSIVE))
    second.peer.link.close()
    first.lock(mine, (0, 4, UNLOCK))
    third.lock(others, (0, 4, EXCLUSIVE | NOW))
    assert not world.told(HandlerCrashed)


def test_the_limit_of_requests_that_wait() -> None:
    world = make_world({"file": b""}, limits=Limits(requests_in_flight=2))
    first, second = Client(world), Client(world)
    first.lock(first.open("file"), (0, 4, EXCLUSIVE))
    file = second.open("file")
    for _ in range(2):
        second.post_lock(file, (0, 4, EXCLUSIVE))
    with refused(NTStatus.INSUFFICIENT_RESOURCES):
        second.lock(file, (0, 4, EXCLUSIVE))


def test_a_deadlock_of_two_can_be_cancelled(world: World) -> None:
    (first, second, _), (mine, theirs, _) = three(world)
    first.lock(mine, (0, 1, EXCLUSIVE))
    second.lock(theirs, (1, 1, EXCLUSIVE))
    header = first.post_lock(mine, (1, 1, EXCLUSIVE))
    second.post_lock(theirs, (0, 1, EXCLUSIVE))
    first.cancel(header)
    assert first.status() == NTStatus.CANCELLED
    first.lock(mine, (0, 1, UNLOCK))
    assert second.status() == NTStatus.SUCCESS


def test_who_waits_for_itself_can_be_cancelled(client: Client) -> None:
    file = client.open("file")
    client.lock(file, (0, 1, EXCLUSIVE))
    header = client.post_lock(file, (0, 1, EXCLUSIVE))
    client.cancel(header)
    assert client.status() == NTStatus.CANCELLED
