"""Bounds on what peers can make the server keep: `server.settings.Limits`, each answered with the
right status, or with the end of the connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

import paraph
from paraph.policy.settings import Policy
from paraph.server.events import ConnectionRefused, Event
from paraph.server.settings import Limits
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.lock import LockElement, LockFlags
from tests.support.link import Dropped, NoReply, SocketLink
from tests.support.peer import Offer, Peer, create_body, read_body
from tests.support.world import PASSWORD, USER, World

# Within a session


def test_sessions_of_a_connection() -> None:
    world = World(limits=Limits(sessions_per_connection=3))
    peer = world.ready()
    logons = [peer.logon() for _ in range(3)]
    assert peer.try_logon()[1].status == NTStatus.INSUFFICIENT_RESOURCES
    assert peer.logoff(logons[0]).status == NTStatus.SUCCESS
    assert peer.logon()


def test_sessions_in_progress_count() -> None:
    """Else half a logon would be a way around it."""
    world = World(limits=Limits(sessions_per_connection=3))
    peer = world.ready()
    token = b"NTLMSSP\0\1\0\0\0" + (0x62088215).to_bytes(4, "little") + bytes(16)
    statuses = [peer.setup(token).status for _ in range(4)]
    assert statuses == [NTStatus.MORE_PROCESSING_REQUIRED] * 3 + [NTStatus.INSUFFICIENT_RESOURCES]


def test_failed_logons_leave_nothing() -> None:
    world = World(limits=Limits(sessions_per_connection=3), failed_logon_delay=0)
    peer = world.ready()
    for _ in range(10):
        assert peer.try_logon(USER, "wrong")[1].status == NTStatus.LOGON_FAILURE
    assert not world.server.sessions
    assert not peer.link.connection.sessions  # type: ignore[attr-defined]


def test_trees_of_a_session() -> None:
    world = World(limits=Limits(trees_per_session=3))
    peer = world.ready()
    logon = peer.logon()
    trees = [peer.tree(logon) for _ in range(3)]
    assert peer.try_tree(logon).status == NTStatus.INSUFFICIENT_RESOURCES
    assert peer.tree_disconnect(logon, trees[1]).status == NTStatus.SUCCESS
    assert peer.tree(logon)


def test_opens_of_a_session() -> None:
    world = World(limits=Limits(opens_per_session=3))
    peer = world.ready()
    logon = peer.logon()
    tree = peer.tree(logon)
    opens = [peer.create(logon, tree, "hello.txt") for _ in range(3)]
    for name in ("hello.txt", "new"):
        reply = peer.try_create(logon, tree, name)
        assert reply.status == NTStatus.TOO_MANY_OPENED_FILES
    assert "new" not in world.backend.paths()
    assert peer.close(logon, tree, opens[0]).status == NTStatus.SUCCESS
    assert peer.create(logon, tree, "new")


def test_locks_of_an_open() -> None:
    world = World(limits=Limits(locks_per_open=3))
    peer = world.ready()
    logon = peer.logon()
    tree = peer.tree(logon)
    file = peer.create(logon, tree, "hello.txt")

    def lock(*offsets: int) -> int:
        flags = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY
        peer.post_lock(logon, tree, file, *(LockElement(o, 1, flags) for o in offsets))
        return peer.receive().status

    assert lock(0, 1, 2, 3) == NTStatus.INSUFFICIENT_RESOURCES
    assert lock(0, 1, 2) == NTStatus.SUCCESS
    assert lock(3) == NTStatus.INSUFFICIENT_RESOURCES


def test_failed_lock_list_takes_none() -> None:
    """All elements or none (3.3.5.14.2)."""
    world = World()
    peer = world.ready()
    logon = peer.logon()
    tree = peer.tree(logon)
    first, second = (peer.create(logon, tree, "hello.txt") for _ in range(2))
    flags = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY
    peer.post_lock(logon, tree, first, LockElement(5, 1, flags))
    assert peer.receive().status == NTStatus.SUCCESS
    peer.post_lock(logon, tree, second, LockElement(0, 1, flags), LockElement(5, 1, flags))
    assert peer.receive().status == NTStatus.LOCK_NOT_GRANTED
    peer.post_lock(logon, tree, first, LockElement(0, 1, flags))
    assert peer.receive().status == NTStatus.SUCCESS


def test_everything_of_a_session_goes_with_it() -> None:
    """Nothing stays behind after a thousand rounds."""
    world = World()
    for round_ in range(50):
        peer = world.ready()
        logon = peer.logon()
        tree = peer.tree(logon)
        for _ in range(20):
            peer.create(logon, tree, "hello.txt")
        if round_ % 2:
            peer.logoff(logon)
        peer.link.close()
    server = world.server
    assert (len(server.sessions), len(server.connections), len(server.files)) == (0, 0, 0)
    assert server.next_deadline() is None


# Real connections


class Served:
    """A server with sockets, and clients of it."""

    def __init__(self, **settings: Any) -> None:
        self.events: list[Event] = []
        self.links: list[SocketLink] = []
        backend = paraph.MemoryBackend()
        backend.write_bytes("hello.txt", b"Hello, world.\n")
        backend.write_bytes("large.bin", bytes(8 << 20))
        self.server = paraph.Server(
            {"data": backend}, {USER: PASSWORD}, on_event=self.events.append, **settings
        )

    def __enter__(self) -> Served:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for link in self.links:
            link.close()
        self.server.stop()

    def link(self) -> SocketLink:
        link = SocketLink("127.0.0.1", self.server.port)
        self.links.append(link)
        return link

    def ready(self, **offer: Any) -> Peer:
        peer = Peer(self.link(), Offer(**offer))
        peer.negotiate()
        return peer

    def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.events
            time.sleep(0.005)

    def refusals(self) -> list[str]:
        return [e.reason for e in self.events if isinstance(e, ConnectionRefused)]


def test_over_a_socket() -> None:
    """The same client, through the real thing: large replies, several requests at once."""
    with Served() as served:
        peer = served.ready()
        logon = peer.logon()
        tree = peer.tree(logon)
        peer.echo(logon, credits=512)
        file = peer.create(logon, tree, "large.bin")
        assert peer.read(logon, tree, file, 8 << 20) == bytes(8 << 20)
        data = bytes(range(256)) * 4096
        assert peer.write(logon, tree, file, data).status == NTStatus.SUCCESS
        assert peer.read(logon, tree, file, len(data)) == data
        messages = [
            peer.sign(peer.message(Command.READ, read_body(file, 999), logon, tree), logon)
            for _ in range(50)
        ]
        peer.link.write(b"".join(peer.frame(message) for message in messages))
        for _ in messages:
            assert peer.receive().status == NTStatus.SUCCESS
        assert peer.logoff(logon).status == NTStatus.SUCCESS


def test_half_open_connections_of_one_address() -> None:
    """Beyond the limit they are closed at once; who has logged on does not count."""
    with Served(limits=Limits(half_open_per_address=3)) as served:
        peers = [served.ready() for _ in range(3)]
        assert served.link().closed
        served.until(lambda: bool(served.refusals()))
        assert "not logged on" in served.refusals()[0]
        logon = peers[0].logon()
        fourth = served.ready()
        assert served.link().closed
        fourth.link.close()
        served.until(lambda: sum(served.server._half_open.values()) == 2)
        fifth = served.ready()
        assert fifth.logon()
        assert peers[0].echo(logon).status == NTStatus.SUCCESS


@pytest.mark.parametrize("limit", ["half_open", "connections"])
def test_connections_of_all(limit: str) -> None:
    with Served(limits=Limits(**{limit: 3})) as served:
        peers = [served.ready() for _ in range(3)]
        assert served.link().closed
        logon = peers[0].logon()
        if limit == "half_open":
            assert served.ready().logon()
        else:
            assert served.link().closed
            peers[1].link.close()
            served.until(lambda: len(served.server._protocols) < 3)
            assert served.ready().logon()
        assert peers[0].echo(logon).status == NTStatus.SUCCESS


def test_time_to_log_on() -> None:
    """Silent, half through, or busy without a logon: gone in time. Logged on: left alone."""
    with Served(limits=Limits(logon_time=0.3), failed_logon_delay=0) as served:
        silent, negotiated = served.link(), served.ready()
        user = served.ready()
        logon = user.logon()
        peer = served.ready()
        start = time.monotonic()
        with pytest.raises(Dropped):
            while time.monotonic() < start + 10:
                peer.try_logon(USER, "wrong")
                time.sleep(0.02)
        assert silent.closed
        assert negotiated.link.closed
        assert time.monotonic() < start + 5
        assert user.echo(logon).status == NTStatus.SUCCESS
        assert any("0.3 seconds" in reason for reason in served.refusals())


def test_wrong_password_keeps_nobody_waiting() -> None:
    with Served(failed_logon_delay=1.0) as served:
        guesser, user = served.ready(), served.ready()
        logon = user.logon()
        guesser.link.socket.settimeout(0.1)  # type: ignore[attr-defined]
        start = time.monotonic()
        with pytest.raises(NoReply):
            guesser.try_logon(USER, "wrong")
        for _ in range(50):
            assert user.echo(logon).status == NTStatus.SUCCESS
        assert time.monotonic() - start < 0.9
        guesser.link.socket.settimeout(10)  # type: ignore[attr-defined]
        assert guesser.receive().status == NTStatus.LOGON_FAILURE
        assert time.monotonic() - start >= 0.95


def test_client_that_does_not_take_its_replies() -> None:
    """64 READs of 8 MiB in one write, and nothing read: the server holds a few of the replies, not
    half a gigabyte, and serves others; all come, in order, once the client reads."""
    with Served(policy=Policy(server_always=False)) as served:
        peer, other = served.ready(), served.ready()
        logon, others = peer.logon(), other.logon()
        tree = peer.tree(logon)
        peer.echo(logon, credits=8000)
        peer.echo(logon, credits=8000)
        file = peer.create(logon, tree, "large.bin")
        count = 40
        messages = [
            peer.message(Command.READ, read_body(file, 8 << 20), logon, tree, charge=128)
            for _ in range(count)
        ]
        before = resident()
        peer.link.write(b"".join(peer.frame(message) for message in messages))
        time.sleep(0.3)
        assert resident() - before < 100 << 20
        assert other.echo(others).status == NTStatus.SUCCESS
        for _ in range(count):
            assert len(peer.receive().data) == 64 + 16 + (8 << 20)


def resident() -> int:
    """Bytes of memory that this process, with the server's thread in it, has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_sudden_ends() -> None:
    """Reset at any point; the server forgets it."""
    with Served() as served:
        for step in range(5):
            peer = Peer(served.link(), Offer())
            if step > 0:
                peer.negotiate()
            if step > 1:
                logon = peer.logon()
            if step > 2:
                tree = peer.tree(logon)
            if step > 3:
                peer.post(Command.CREATE, create_body("x"), logon, tree)
            link = peer.link
            assert isinstance(link, SocketLink)
            link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            link.close()
        served.until(lambda: not served.server._protocols)
        assert not served.server.smb.sessions
        assert not served.server.smb.connections
        assert served.ready().logon()
