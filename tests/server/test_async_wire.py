"""Requests that wait: interim responses, CANCEL, and what ends the waiting from outside
([MS-SMB2] 3.3.4.2, 3.3.5.14, 3.3.5.16). The one that waits here is a byte-range lock.
"""

from __future__ import annotations

from typing import Any

import pytest

from paraph.policy.settings import Policy
from paraph.server.events import RequestRefused
from paraph.server.settings import Limits
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.close import CloseRequest
from paraph.wire.smb2.header import SIGNATURE_OFFSET, Command, Flags
from paraph.wire.smb2.io import FlushRequest, ReadResponse
from paraph.wire.smb2.lock import LockElement, LockFlags, LockRequest
from paraph.wire.smb2.simple import CancelRequest
from tests.support.link import NoReply
from tests.support.peer import Reply, read_body
from tests.support.variants import GMAC, Variant, each_algorithm, every_variant
from tests.support.world import OTHER_PASSWORD, OTHER_USER, World

EXCLUSIVE = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK)
AT_ONCE = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)
UNLOCK = LockElement(0, 10, LockFlags.UNLOCK)
CANCEL = CancelRequest().encode()


class Queue:
    """Two opens of one file: the first holds a lock, the second has asked for it and waits."""

    def __init__(
        self, variant: Variant | None = None, *, required: bool = True, **settings: Any
    ) -> None:
        self.world = World(policy=Policy(server_always=required), **settings)
        self.peer = self.world.ready(**(variant.offer if variant else {}))
        self.logon = self.peer.logon()
        self.tree = self.peer.tree(self.logon)
        self.holder = self.peer.create(self.logon, self.tree, "hello.txt")
        self.other = self.peer.create(self.logon, self.tree, "hello.txt")
        assert self.lock(self.holder, EXCLUSIVE).status == NTStatus.SUCCESS
        self.calls: list[tuple[str, int]] = []  #: of the store's handle, in the fixture `slow`

    def lock(self, file: tuple[int, int], *elements: LockElement) -> Reply:
        self.peer.post_lock(self.logon, self.tree, file, *elements)
        return self.peer.receive()

    def wait(self) -> Reply:
        """Ask for the lock that is taken; the interim response."""
        interim = self.lock(self.other, EXCLUSIVE)
        assert interim.is_interim
        return interim

    def unlock(self) -> dict[int, Reply]:
        """Give it back; the replies by MessageId."""
        message_id = self.peer.post_lock(self.logon, self.tree, self.holder, UNLOCK)
        replies = self.drain()
        assert replies.pop(message_id).status == NTStatus.SUCCESS
        return replies

    def drain(self) -> dict[int, Reply]:
        replies: dict[int, Reply] = {}
        while True:
            try:
                reply = self.peer.receive()
            except NoReply:
                return replies
            assert reply.header.message_id not in replies
            replies[reply.header.message_id] = reply

    def cancel(self, interim: Reply, *, by_async_id: bool, **fields: Any) -> None:
        fields.setdefault("message_id", interim.header.message_id)
        self.peer.post(
            Command.CANCEL,
            CANCEL,
            self.logon,
            async_id=interim.async_id if by_async_id else None,
            **fields,
        )

    @property
    def still_waiting(self) -> bool:
        with pytest.raises(NoReply):
            self.peer.receive()
        return bool(self.peer.link.connection.requests)  # type: ignore[attr-defined]


@every_variant
@pytest.mark.parametrize("required", [True, False])
def test_interim_and_final(variant: Variant, required: bool) -> None:
    """STATUS_PENDING is never signed; the final response is if the request was, with the request's
    MessageId and the interim's AsyncId."""
    queue = Queue(variant, required=required)
    interim = queue.wait()
    signed = queue.logon.sign
    assert (interim.signed, interim.header.credits > 0) == (False, True)
    assert interim.async_id
    ((message_id, final),) = queue.unlock().items()
    assert (final.status, final.signed) == (NTStatus.SUCCESS, signed)
    assert message_id == interim.header.message_id
    assert (final.async_id, final.header.credits) == (interim.async_id, 0)
    assert queue.lock(queue.holder, AT_ONCE).status == NTStatus.LOCK_NOT_GRANTED


def test_one_interim_only() -> None:
    """Woken in vain (somebody else took the range), a request goes on waiting under the AsyncId
    that it has."""
    queue = Queue()
    third = queue.peer.create(queue.logon, queue.tree, "hello.txt")
    first = queue.wait()
    second = queue.lock(third, EXCLUSIVE)
    assert second.is_interim
    ((message_id, final),) = queue.unlock().items()  # both are woken, one gets it
    assert (message_id, final.status) == (first.header.message_id, NTStatus.SUCCESS)
    queue.cancel(second, by_async_id=True)
    (last,) = queue.drain().values()
    assert (last.status, last.async_id) == (NTStatus.CANCELLED, second.async_id)


def test_async_ids_differ() -> None:
    queue = Queue()
    assert len({queue.wait().async_id for _ in range(5)}) == 5


def test_encrypted_wait() -> None:
    queue = Queue(Variant(0x0311, GMAC), encryption="required")
    interim = queue.wait()
    assert interim.sealed
    (final,) = queue.unlock().values()
    assert (final.status, final.sealed, final.signed) == (NTStatus.SUCCESS, True, False)


def test_fail_immediately() -> None:
    queue = Queue()
    reply = queue.lock(queue.other, AT_ONCE)
    assert (reply.status, reply.signed) == (NTStatus.LOCK_NOT_GRANTED, True)


# CANCEL


@every_variant
@pytest.mark.parametrize("by_async_id", [True, False])
def test_cancel(variant: Variant, by_async_id: bool) -> None:
    queue = Queue(variant)
    interim = queue.wait()
    if by_async_id and variant.signing != GMAC:
        queue.cancel(interim, by_async_id=True, message_id=0)  # as Samba's clients have it
    else:
        queue.cancel(interim, by_async_id=by_async_id)
    final = queue.peer.receive()
    assert (final.status, final.signed) == (NTStatus.CANCELLED, True)
    assert final.header.message_id == interim.header.message_id
    with pytest.raises(NoReply):
        queue.peer.receive()
    assert not queue.unlock()


@each_algorithm
def test_cancel_uses_no_message_id(variant: Variant) -> None:
    """It stands outside the sequence window (3.3.5.16), as often as it comes."""
    queue = Queue(variant)
    interim = queue.wait()
    for _ in range(3):
        queue.cancel(interim, by_async_id=True)
    assert queue.peer.receive().status == NTStatus.CANCELLED
    assert queue.peer.echo(queue.logon).status == NTStatus.SUCCESS


@each_algorithm
@pytest.mark.parametrize("by_async_id", [True, False])
@pytest.mark.parametrize("fault", ["unsigned", "flipped", "zero", "other session"])
def test_cancel_that_is_not_the_sessions(variant: Variant, by_async_id: bool, fault: str) -> None:
    """No answer and no effect; the administrator hears of a wrong signature."""
    queue = Queue(variant)
    interim = queue.wait()
    peer = queue.peer
    message = peer.message(
        Command.CANCEL,
        CANCEL,
        queue.logon,
        message_id=interim.header.message_id,
        async_id=interim.async_id if by_async_id else None,
    )
    if fault == "other session":
        other = peer.logon(OTHER_USER, OTHER_PASSWORD)
        message[40:48] = other.session_id.to_bytes(8, "little")
        peer.sign(message, other)
    elif fault != "unsigned":
        peer.sign(message, queue.logon)
        if fault == "flipped":
            message[SIGNATURE_OFFSET + 3] ^= 1
        else:
            message[SIGNATURE_OFFSET : SIGNATURE_OFFSET + 16] = bytes(16)
    peer.send(message)
    assert queue.still_waiting
    if fault != "other session":
        assert [event.command for event in queue.world.told(RequestRefused)] == ["CANCEL"]
    (final,) = queue.unlock().values()
    assert final.status == NTStatus.SUCCESS


@pytest.mark.parametrize("by_async_id", [True, False])
def test_cancel_of_nothing(by_async_id: bool) -> None:
    queue = Queue()
    interim = queue.wait()
    for delta in (1, 1000):
        peer = queue.peer
        message = peer.message(
            Command.CANCEL,
            CANCEL,
            queue.logon,
            message_id=interim.header.message_id + delta,
            async_id=interim.async_id + delta if by_async_id else None,
        )
        peer.send(peer.sign(message, queue.logon))
    assert queue.still_waiting


def test_cancel_from_another_connection() -> None:
    """Even with the right AsyncId, and a session of the same user."""
    queue = Queue()
    interim = queue.wait()
    other = queue.world.ready()
    logon = other.logon()
    other.post(
        Command.CANCEL,
        CANCEL,
        logon,
        message_id=interim.header.message_id,
        async_id=interim.async_id,
    )
    assert queue.still_waiting


@pytest.mark.parametrize("related", [True, False])
def test_encrypted_cancel_of_another_session(related: bool) -> None:
    """The keys of one session do not speak for another one of the same connection."""
    queue = Queue(Variant(0x0311, GMAC), encryption="required")
    interim = queue.wait()
    peer = queue.peer
    other = peer.logon(OTHER_USER, OTHER_PASSWORD)
    echo = peer.message(Command.ECHO, CANCEL, other)  # the bodies are the same
    cancel = peer.message(Command.CANCEL, CANCEL, queue.logon, message_id=interim.header.message_id)
    if related:
        peer.send(peer.compound([echo, cancel], other, related=True, sign=False), other)
        assert peer.receive().status == NTStatus.SUCCESS
        assert queue.still_waiting
    else:
        peer.send(cancel, other)
        assert peer.link.closed


def test_open_cancel_on_an_encrypted_session() -> None:
    """Neither encrypted nor signed: anybody on the way could have sent it."""
    queue = Queue(Variant(0x0311, GMAC), encryption="required")
    interim = queue.wait()
    queue.cancel(interim, by_async_id=True, seal=False)
    assert queue.still_waiting


# What else ends the waiting


def test_close_while_waiting() -> None:
    queue = Queue()
    waiting = queue.wait().header.message_id
    queue.peer.post(Command.CLOSE, CloseRequest(0, *queue.other).encode(), queue.logon, queue.tree)
    replies = queue.drain()
    final = replies.pop(waiting)
    assert (final.status, final.signed) == (NTStatus.RANGE_NOT_LOCKED, True)
    assert [reply.status for reply in replies.values()] == [NTStatus.SUCCESS]
    assert not queue.unlock()


@pytest.mark.parametrize("command", [Command.TREE_DISCONNECT, Command.LOGOFF])
def test_everything_goes_while_waiting(command: int) -> None:
    """Opens are closed one after the other, the oldest first: the holder's lock goes over to the
    one that waits, which then goes too. So Windows has it."""
    queue = Queue()
    waiting = queue.wait().header.message_id
    queue.peer.post(command, CANCEL, queue.logon, queue.tree)
    replies = queue.drain()
    final = replies.pop(waiting)
    assert (final.status, final.signed) == (NTStatus.SUCCESS, True)
    (reply,) = replies.values()
    assert (reply.status, reply.signed) == (NTStatus.SUCCESS, True)
    assert not queue.world.server.files


@pytest.mark.parametrize("command", [Command.TREE_DISCONNECT, Command.LOGOFF])
def test_tree_or_session_goes_while_another_one_holds(command: int) -> None:
    queue = Queue()
    peer = queue.world.ready()
    logon = peer.logon()
    tree = peer.tree(logon)
    file = peer.create(logon, tree, "hello.txt")
    waiting = peer.post_lock(logon, tree, file, EXCLUSIVE)
    assert peer.receive().is_interim
    peer.post(command, CANCEL, logon, tree)
    final, reply = peer.receive(), peer.receive()
    assert (final.header.message_id, final.header.command) == (waiting, Command.LOCK)
    assert (final.status, final.signed) == (NTStatus.RANGE_NOT_LOCKED, True)
    assert (reply.status, reply.signed) == (NTStatus.SUCCESS, True)
    assert queue.lock(queue.holder, UNLOCK).status == NTStatus.SUCCESS


def test_disconnect_while_waiting() -> None:
    """The lock of the one that went is free for others, and nothing is left behind."""
    queue = Queue()
    queue.wait()
    queue.peer.link.close()
    world = queue.world
    assert not world.server.connections
    assert not world.server.sessions
    assert not world.server.files
    peer = world.ready()
    logon = peer.logon()
    tree = peer.tree(logon)
    peer.post_lock(logon, tree, peer.create(logon, tree, "hello.txt"), AT_ONCE)
    assert peer.receive().status == NTStatus.SUCCESS


def test_disconnect_of_the_holder_wakes_the_waiting() -> None:
    world = World()
    holder, waiting = world.ready(), world.ready()
    for peer in (holder, waiting):
        logon = peer.logon()
        tree = peer.tree(logon)
        peer.post_lock(logon, tree, peer.create(logon, tree, "hello.txt"), EXCLUSIVE)
    assert holder.receive().status == NTStatus.SUCCESS
    assert waiting.receive().is_interim
    holder.link.close()
    assert waiting.receive().status == NTStatus.SUCCESS


def test_requests_in_flight_are_bounded() -> None:
    queue = Queue(limits=Limits(requests_in_flight=4))
    for _ in range(4):
        queue.wait()
    reply = queue.lock(queue.other, EXCLUSIVE)
    assert (reply.status, reply.signed) == (NTStatus.INSUFFICIENT_RESOURCES, True)
    assert not reply.header.flags & Flags.ASYNC_COMMAND
    assert queue.peer.echo(queue.logon).status == NTStatus.SUCCESS


# Work on other threads


def test_flush_on_another_thread() -> None:
    """It has no interim response, and others go first."""
    queue = Queue()
    peer, logon, tree = queue.peer, queue.logon, queue.tree
    queue.world.platform.queueing = True
    peer.post(Command.FLUSH, FlushRequest(*queue.holder).encode(), logon, tree)
    with pytest.raises(NoReply):
        peer.receive()
    assert peer.echo(logon).status == NTStatus.SUCCESS
    queue.world.platform.run_queued()
    reply = peer.receive()
    assert (reply.header.command, reply.status, reply.signed) == (Command.FLUSH, 0, True)
    assert not reply.header.flags & Flags.ASYNC_COMMAND


def test_disconnect_before_the_other_thread_is_done() -> None:
    queue = Queue()
    queue.world.platform.queueing = True
    queue.peer.post(Command.FLUSH, FlushRequest(*queue.holder).encode(), queue.logon, queue.tree)
    queue.peer.link.close()
    queue.world.platform.run_queued()
    assert not queue.world.server.connections


def test_malformed_locks() -> None:
    queue = Queue()
    peer, logon, tree = queue.peer, queue.logon, queue.tree
    for elements in (
        [],
        [EXCLUSIVE, EXCLUSIVE],  # several, and one that may wait
        [LockElement(0, 1, 0)],
        [LockElement(0, 1, LockFlags.SHARED_LOCK | LockFlags.EXCLUSIVE_LOCK)],
        [UNLOCK, EXCLUSIVE],
    ):
        body = LockRequest(0, *queue.other, locks=elements).encode()
        reply = peer.call(Command.LOCK, body, logon, tree)
        assert reply.status in (NTStatus.INVALID_PARAMETER, NTStatus.RANGE_NOT_LOCKED), elements
    spoilt = bytearray(LockRequest(0, *queue.other, locks=[EXCLUSIVE]).encode())
    spoilt[2:4] = b"\xff\xff"  # LockCount
    assert peer.call(Command.LOCK, bytes(spoilt), logon, tree).status == NTStatus.INVALID_PARAMETER


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A store whose files always have to be waited for."""
    queue = Queue()
    assert queue.lock(queue.holder, UNLOCK).status == NTStatus.SUCCESS
    handle = queue.world.backend.open("hello.txt")
    kind: Any = type(handle)
    read, close = kind.read_into, kind.close

    def noted_read(self: Any, buffer: memoryview, offset: int) -> int:
        queue.calls.append(("read", id(self)))
        return int(read(self, buffer, offset))

    def noted_close(self: Any) -> None:
        queue.calls.append(("close", id(self)))
        close(self)

    monkeypatch.setattr(kind, "read_now", lambda self, buffer, offset: -1, raising=False)
    monkeypatch.setattr(kind, "read_into", noted_read)
    monkeypatch.setattr(kind, "close", noted_close)
    queue.world.platform.queueing = True
    return queue


def test_reads_on_another_thread(slow: Queue) -> None:
    """Their replies come when they are ready; requests behind them do not wait."""
    peer, logon, tree = slow.peer, slow.logon, slow.tree
    ids = []
    for offset in (0, 7):
        ids.append(peer.next_id)
        peer.post(Command.READ, read_body(slow.holder, 5, offset), logon, tree)
    assert peer.echo(logon).status == NTStatus.SUCCESS
    slow.world.platform.run_queued()
    replies = slow.drain()
    assert [bytes(ReadResponse.decode(replies[i].view).data) for i in ids] == [b"Hello", b"world"]
    assert all(replies[i].signed for i in ids)


def test_close_while_another_thread_reads(slow: Queue) -> None:
    """The store's handle stays until the READ has done: its number could be another file's by
    then."""
    peer, logon, tree = slow.peer, slow.logon, slow.tree
    read_id = peer.next_id
    peer.post(Command.READ, read_body(slow.holder, 5), logon, tree)
    peer.post(Command.CLOSE, CloseRequest(0, *slow.holder).encode(), logon, tree)
    slow.world.platform.run_queued()
    replies = slow.drain()
    read = replies.pop(read_id)
    assert read.status == NTStatus.SUCCESS
    assert bytes(ReadResponse.decode(read.view).data) == b"Hello"
    assert [what for what, _ in slow.calls] == ["read", "close"]
    assert [reply.status for reply in replies.values()] == [NTStatus.SUCCESS]
    reply = peer.call(Command.READ, read_body(slow.holder, 5), logon, tree)
    assert reply.status == NTStatus.FILE_CLOSED


def _closed_after_reading(slow: Queue) -> None:
    """Both handles were closed, the one that was read through after that."""
    (reader,) = (handle for what, handle in slow.calls if what == "read")
    closed = [handle for what, handle in slow.calls if what == "close"]
    assert len(set(closed)) == 2
    assert slow.calls.index(("close", reader)) > slow.calls.index(("read", reader))


@pytest.mark.parametrize("command", [Command.TREE_DISCONNECT, Command.LOGOFF])
def test_everything_goes_while_another_thread_reads(slow: Queue, command: int) -> None:
    peer, logon, tree = slow.peer, slow.logon, slow.tree
    peer.post(Command.READ, read_body(slow.holder, 5), logon, tree)
    peer.post(command, CANCEL, logon, tree)
    slow.world.platform.run_queued()
    assert len(slow.drain()) == 2
    _closed_after_reading(slow)
    assert not slow.world.server.files


def test_connection_goes_while_another_thread_reads(slow: Queue) -> None:
    slow.peer.post(Command.READ, read_body(slow.holder, 5), slow.logon, slow.tree)
    slow.peer.link.close()
    slow.world.platform.run_queued()
    _closed_after_reading(slow)
    assert not slow.world.server.files


def test_cancel_of_what_another_thread_does(slow: Queue) -> None:
    """It can not be called back; its own answer comes."""
    peer = slow.peer
    read_id = peer.next_id
    peer.post(Command.READ, read_body(slow.holder, 5), slow.logon, slow.tree)
    peer.post(Command.CANCEL, CANCEL, slow.logon, message_id=read_id)
    slow.world.platform.run_queued()
    assert peer.receive().status == NTStatus.SUCCESS
