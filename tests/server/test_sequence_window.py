"""MessageIds and credits on the wire ([MS-SMB2] 3.3.1.1, 3.3.1.2, 3.3.5.2.3, 3.3.5.2.5)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from paraph.policy.settings import Policy
from paraph.server.settings import Limits
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.io import WriteRequest
from paraph.wire.smb2.ioctl import IoctlRequest
from paraph.wire.smb2.simple import EchoRequest
from tests.support.link import Dropped
from tests.support.peer import NO_ID, Logon, Peer, read_body
from tests.support.variants import every_dialect
from tests.support.world import World

ECHO = EchoRequest().encode()
OPTIONAL = Policy(server_always=False)


def opened(dialect: int = 0x0311, **settings: Any) -> tuple[World, Peer, Logon]:
    world = World(policy=OPTIONAL, **settings)
    peer = world.ready(dialects=[dialect])
    return world, peer, peer.logon()


def echo(peer: Peer, logon: Logon, **fields: Any) -> int:
    """Credits granted to an ECHO."""
    reply = peer.call(Command.ECHO, ECHO, logon, **fields)
    assert reply.status == NTStatus.SUCCESS
    return reply.header.credits


def dropped(peer: Peer, logon: Logon, **fields: Any) -> bool:
    with pytest.raises(Dropped, match="sequence window"):
        peer.call(Command.ECHO, ECHO, logon, **fields)
    return peer.link.closed


@every_dialect
def test_ids_in_any_order(dialect: int) -> None:
    _, peer, logon = opened(dialect)
    echo(peer, logon, credits=64)
    ids = list(range(peer.next_id, peer.next_id + 60))
    random.Random(7).shuffle(ids)
    for message_id in ids:
        echo(peer, logon, message_id=message_id, credits=1)


@every_dialect
@pytest.mark.parametrize("which", ["used", "first", "beyond", "huge", "last"])
def test_id_outside_the_window(dialect: int, which: str) -> None:
    world, peer, logon = opened(dialect)
    used = peer.next_id
    echo(peer, logon)
    window = peer.link.connection.window  # type: ignore[attr-defined]
    ids = {
        "used": used,
        "first": 0,
        "beyond": window.high,
        "huge": 1 << 40,
        "last": NO_ID,
    }
    assert dropped(peer, logon, message_id=ids[which])
    other = world.ready()
    assert echo(other, other.logon()) > 0


def test_out_of_order_id_is_used_once() -> None:
    _, peer, logon = opened()
    echo(peer, logon, credits=64)
    later = peer.next_id + 10
    echo(peer, logon, message_id=later)
    assert dropped(peer, logon, message_id=later)


@every_dialect
def test_credits_granted_are_credits_usable(dialect: int) -> None:
    """All that were granted can be used at once, and not one more."""
    _, peer, logon = opened(dialect)
    echo(peer, logon, credits=100)
    held = peer.credits - peer.next_id  # 1 at the start, one used with each request
    last = peer.next_id + held - 1
    echo(peer, logon, message_id=last, credits=0)
    assert dropped(peer, logon, message_id=last + 1)


def test_never_without_a_credit() -> None:
    """A client that asks for none, and has used its last, gets one (3.3.1.2)."""
    _, peer, logon = opened()
    for _ in range(200):
        echo(peer, logon, credits=0)


def test_grants_end_at_the_limit() -> None:
    world, peer, logon = opened(limits=Limits(credits=128))
    for _ in range(20):
        echo(peer, logon, credits=65535)
    window = peer.link.connection.window  # type: ignore[attr-defined]
    assert window.available == 128
    assert window.high - window.low == 128
    assert world.server.connections


def test_withheld_id_bounds_the_window() -> None:
    """A client that never uses one id gets no further than the limit from it."""
    _, peer, logon = opened(limits=Limits(credits=64))
    echo(peer, logon, credits=65535)
    peer.take_id()  # held back
    with pytest.raises(Dropped):
        for _ in range(100):
            echo(peer, logon, credits=65535)
    assert peer.next_id < 100


# Charges


@pytest.mark.parametrize("charge", [2, 5, 128])
def test_charge_uses_that_many(charge: int) -> None:
    _, peer, logon = opened()
    echo(peer, logon, credits=512)
    start = peer.next_id
    echo(peer, logon, charge=charge)
    assert peer.next_id == start + charge
    assert dropped(peer, logon, message_id=start + charge - 1)


def test_charge_beyond_what_was_granted() -> None:
    _, peer, logon = opened()
    window = peer.link.connection.window  # type: ignore[attr-defined]
    assert dropped(peer, logon, charge=window.available + 1)


def test_charge_over_ids_that_are_used() -> None:
    _, peer, logon = opened()
    echo(peer, logon, credits=512)
    echo(peer, logon, message_id=peer.next_id + 3)
    assert dropped(peer, logon, charge=4, message_id=peer.next_id)


@pytest.mark.parametrize(
    ("length", "charge", "expected"),
    [
        (65536, 1, NTStatus.SUCCESS),
        (65537, 1, NTStatus.INVALID_PARAMETER),
        (65537, 2, NTStatus.SUCCESS),
        (1 << 20, 15, NTStatus.INVALID_PARAMETER),
        (1 << 20, 16, NTStatus.SUCCESS),
        (8 << 20, 128, NTStatus.SUCCESS),
        ((8 << 20) + 1, 129, NTStatus.INVALID_PARAMETER),  # beyond MaxReadSize
    ],
)
def test_charge_of_a_read(length: int, charge: int, expected: int) -> None:
    _, peer, logon = opened()
    echo(peer, logon, credits=512)
    tree = peer.tree(logon)
    file = peer.create(logon, tree, "hello.txt")
    body = read_body(file, length)
    assert peer.call(Command.READ, body, logon, tree, charge=charge).status == expected


@pytest.mark.parametrize(("charge", "expected"), [(1, NTStatus.INVALID_PARAMETER), (2, 0)])
def test_charge_of_a_write(charge: int, expected: int) -> None:
    world, peer, logon = opened()
    echo(peer, logon, credits=512)
    tree = peer.tree(logon)
    file = peer.create(logon, tree, "new")
    body = WriteRequest(0, *file, data=bytes(65537)).encode()
    assert peer.call(Command.WRITE, body, logon, tree, charge=charge).status == expected
    assert len(world.backend.read_bytes("new")) == (0 if expected else 65537)


def test_charge_of_an_ioctl() -> None:
    _, peer, logon = opened()
    tree = peer.tree(logon)
    body = IoctlRequest(0x00060194, NO_ID, NO_ID, max_output_response=65537).encode()
    assert peer.call(Command.IOCTL, body, logon, tree).status == NTStatus.INVALID_PARAMETER


def test_charge_zero_is_one() -> None:
    """Old clients leave it 0 ([MS-SMB2] 2.2.1.2)."""
    _, peer, logon = opened()
    message_id = peer.take_id()
    message = peer.message(Command.ECHO, ECHO, logon, charge=0, message_id=message_id)
    peer.send(message)
    assert peer.receive().status == NTStatus.SUCCESS
    echo(peer, logon)


def test_no_charges_in_2_0_2() -> None:
    """The field is reserved there: one request, one id, whatever it says."""
    _, peer, logon = opened(0x0202)
    echo(peer, logon, credits=16)
    message = peer.message(Command.ECHO, ECHO, logon)
    message[6:8] = b"\xff\xff"
    peer.send(message)
    assert peer.receive().status == NTStatus.SUCCESS
    echo(peer, logon)
