"""Several requests in one frame ([MS-SMB2] 3.3.5.2.7, 3.3.4.1.3), each signed on its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from paraph.policy.settings import Policy
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.close import CloseRequest
from paraph.wire.smb2.create import CreateDisposition
from paraph.wire.smb2.header import FLAGS_OFFSET, NEXT_COMMAND_OFFSET, Command, Flags
from paraph.wire.smb2.io import ReadResponse, WriteRequest
from paraph.wire.smb2.lock import LockElement, LockFlags, LockRequest
from paraph.wire.smb2.simple import EchoRequest
from paraph.wire.smb2.tree import TreeConnectRequest
from tests.support.link import Dropped, NoReply
from tests.support.peer import NO_ID, Logon, Peer, Reply, create_body, read_body
from tests.support.variants import Variant, each_algorithm, every_cipher
from tests.support.world import World

ECHO = EchoRequest().encode()
SAME = (NO_ID, NO_ID)
NO_SUCH = NTStatus.OBJECT_NAME_NOT_FOUND


class Desk:
    """A signing session with a tree connect."""

    def __init__(self, variant: Variant | None = None, *, required: bool = True) -> None:
        self.world = World(policy=Policy(server_always=required))
        self.peer: Peer = self.world.ready(**(variant.offer if variant else {}))
        self.logon: Logon = self.peer.logon()
        self.tree = self.peer.tree(self.logon)
        self.peer.echo(self.logon)

    def message(self, command: int, body: bytes, **fields: int) -> bytearray:
        return self.peer.message(command, body, self.logon, self.tree, **fields)

    def create(self, name: str, disposition: int = CreateDisposition.OPEN_IF) -> bytearray:
        return self.message(Command.CREATE, create_body(name, disposition=disposition))

    def run(self, members: Sequence[bytearray], *, related: bool = False) -> list[Reply]:
        """Send them signed; the replies, which must come in one frame, each right."""
        self.peer.send(self.peer.compound(members, self.logon, related=related))
        replies = self.peer.receive_frame()
        self.check_chain(replies, len(members), related=related)
        return replies

    def check_chain(self, replies: list[Reply], count: int, *, related: bool) -> None:
        assert len(replies) == count
        for index, reply in enumerate(replies):
            last = index == count - 1
            assert len(reply.data) % 8 == 0 or last
            assert (reply.header.next_command == 0) == last
            assert bool(reply.header.flags & Flags.RELATED_OPERATIONS) == (related and index > 0)

    def names(self) -> list[str]:
        return self.world.backend.paths()


@each_algorithm
@pytest.mark.parametrize("count", range(2, 9))
def test_unrelated(variant: Variant, count: int) -> None:
    """Names of different lengths: bodies of odd lengths, with and without padding."""
    desk = Desk(variant)
    names = ["x" * (i + 1) for i in range(count)]
    replies = desk.run([desk.create(name) for name in names])
    assert all(reply.status == NTStatus.SUCCESS and reply.signed for reply in replies)
    assert set(names) <= set(desk.names())


@each_algorithm
@pytest.mark.parametrize("count", range(2, 9))
def test_related(variant: Variant, count: int) -> None:
    """CREATE, READs of odd lengths, CLOSE: the FileId is handed on."""
    desk = Desk(variant)
    members = [desk.create("hello.txt")]
    for i in range(count - 2):
        members.append(desk.message(Command.READ, read_body(SAME, 3 + 2 * i)))
    members.append(desk.message(Command.CLOSE, CloseRequest(0, *SAME).encode()))
    replies = desk.run(members, related=True)
    assert all(reply.status == NTStatus.SUCCESS and reply.signed for reply in replies)
    for i, reply in enumerate(replies[1:-1]):
        assert bytes(ReadResponse.decode(reply.view).data) == b"Hello, world.\n"[: 3 + 2 * i]
    assert not desk.world.server.sessions[desk.logon.session_id].opens


@each_algorithm
@pytest.mark.parametrize("victim", range(5))
def test_one_element_tampered(variant: Variant, victim: int) -> None:
    """That one is refused, unsigned; its neighbours are done, and signed."""
    desk = Desk(variant)
    names = ["x" * (i + 1) for i in range(5)]
    frame = bytearray(desk.peer.compound([desk.create(n) for n in names], desk.logon))
    start = 0
    for _ in range(victim):
        start += int.from_bytes(frame[start + 20 : start + 24], "little")
    frame[start + 64 + 24] ^= 4  # DesiredAccess
    desk.peer.send(frame)
    replies = desk.peer.receive_frame()
    for index, (name, reply) in enumerate(zip(names, replies, strict=True)):
        spoilt = index == victim
        assert reply.status == (NTStatus.ACCESS_DENIED if spoilt else NTStatus.SUCCESS)
        assert reply.signed != spoilt
        assert (name in desk.names()) != spoilt


@each_algorithm
def test_tampered_padding(variant: Variant) -> None:
    """What NextCommand spans belongs to the signature, down to the last byte of padding."""
    desk = Desk(variant)
    first, second = desk.create("odd"), desk.create("other")
    length = len(first)
    frame = bytearray(desk.peer.compound([first, second], desk.logon))
    step = int.from_bytes(frame[20:24], "little")
    assert length < step
    frame[step - 1] ^= 0x55
    desk.peer.send(frame)
    replies = desk.peer.receive_frame()
    assert [r.status for r in replies] == [NTStatus.ACCESS_DENIED, NTStatus.SUCCESS]
    assert "odd" not in desk.names()


@each_algorithm
def test_padding_behind_the_last(variant: Variant) -> None:
    """Signed over, it is fine; added behind the signature, it is not."""
    desk = Desk(variant)
    frame = desk.peer.compound([desk.create("a"), desk.create("b")], desk.logon, pad_last=True)
    desk.peer.send(frame)
    assert [r.status for r in desk.peer.receive_frame()] == [NTStatus.SUCCESS] * 2
    frame = desk.peer.compound([desk.create("c"), desk.create("d")], desk.logon)
    desk.peer.send(frame + bytes(8))
    assert [r.status for r in desk.peer.receive_frame()] == [
        NTStatus.SUCCESS,
        NTStatus.ACCESS_DENIED,
    ]
    assert "d" not in desk.names()


@each_algorithm
@pytest.mark.parametrize("mend", [True, False])
def test_swapped_members(variant: Variant, mend: bool) -> None:
    """First and second change places; NextCommand is put right afterwards, or not."""
    desk = Desk(variant)
    frame = desk.peer.compound([desk.create("aaaa"), desk.create("bbbb")], desk.logon)
    step = int.from_bytes(frame[20:24], "little")
    assert len(frame) == 2 * step
    swapped = bytearray(frame[step:] + frame[:step])
    if mend:
        swapped[20:24], swapped[step + 20 : step + 24] = step.to_bytes(4, "little"), bytes(4)
    desk.peer.send(swapped)
    for reply in desk.peer.receive_frame():
        assert (reply.status, reply.signed) == (NTStatus.ACCESS_DENIED, False)
    assert not {"aaaa", "bbbb"} & set(desk.names())


@each_algorithm
def test_swapped_related_members(variant: Variant) -> None:
    """CREATE and CLOSE change places: NextCommand is part of what each one signs."""
    desk = Desk(variant)
    members = [desk.create("aaaa"), desk.message(Command.CLOSE, CloseRequest(0, *SAME).encode())]
    frame = desk.peer.compound(members, desk.logon, related=True)
    step = int.from_bytes(frame[20:24], "little")
    desk.peer.send(frame[step:] + frame[:step])
    (reply,) = desk.peer.receive_frame()
    assert reply.status in (NTStatus.INVALID_PARAMETER, NTStatus.ACCESS_DENIED)
    assert "aaaa" not in desk.names()


def test_one_member_unsigned() -> None:
    """A signed neighbour vouches for nobody."""
    desk = Desk()
    first, second = desk.create("one"), desk.create("two")
    first.extend(bytes(-len(first) % 8))
    first[NEXT_COMMAND_OFFSET : NEXT_COMMAND_OFFSET + 4] = len(first).to_bytes(4, "little")
    desk.peer.send(desk.peer.sign(first, desk.logon) + second)
    replies = desk.peer.receive_frame()
    assert [r.status for r in replies] == [NTStatus.SUCCESS, NTStatus.ACCESS_DENIED]
    assert [r.signed for r in replies] == [True, False]
    assert "two" not in desk.names()


def test_mixed_signing_where_it_is_optional() -> None:
    """Each reply is signed if its own request was."""
    desk = Desk(Variant(0x0311, 2), required=False)
    first, second = desk.message(Command.ECHO, ECHO), desk.message(Command.ECHO, ECHO)
    first.extend(bytes(-len(first) % 8))
    first[NEXT_COMMAND_OFFSET : NEXT_COMMAND_OFFSET + 4] = len(first).to_bytes(4, "little")
    desk.peer.send(first + desk.peer.sign(second, desk.logon))
    assert [r.signed for r in desk.peer.receive_frame()] == [False, True]


def test_related_errors_are_handed_on() -> None:
    """What needs the FileId of a CREATE that failed fails like it (3.3.5.2.7.2)."""
    desk = Desk()
    replies = desk.run(
        [
            desk.create("missing", CreateDisposition.OPEN),
            desk.message(Command.READ, read_body(SAME, 8)),
            desk.message(Command.CLOSE, CloseRequest(0, *SAME).encode()),
        ],
        related=True,
    )
    assert [reply.status for reply in replies] == [NO_SUCH] * 3


def test_error_in_the_middle() -> None:
    """A READ behind the end fails; the CLOSE behind it has its FileId and goes on."""
    desk = Desk()
    replies = desk.run(
        [
            desk.create("hello.txt"),
            desk.message(Command.READ, read_body(SAME, 8, 1000)),
            desk.message(Command.CLOSE, CloseRequest(0, *SAME).encode()),
        ],
        related=True,
    )
    assert [reply.status for reply in replies] == [
        NTStatus.SUCCESS,
        NTStatus.END_OF_FILE,
        NTStatus.SUCCESS,
    ]


def test_related_without_file_id() -> None:
    """Nothing before it has one: INVALID_HANDLE."""
    desk = Desk()
    replies = desk.run(
        [desk.message(Command.ECHO, ECHO), desk.message(Command.READ, read_body(SAME, 8))],
        related=True,
    )
    assert [r.status for r in replies] == [NTStatus.SUCCESS, NTStatus.INVALID_HANDLE]


def test_related_takes_session_and_tree_from_the_one_before() -> None:
    """Whatever the later headers say; Windows has -1 there."""
    desk = Desk(required=False)
    peer = desk.peer
    members = [
        desk.create("hello.txt"),
        peer.message(Command.READ, read_body(SAME, 5), session_id=NO_ID, tree=0xFFFFFFFF),
    ]
    peer.send(peer.compound(members, related=True))
    replies = peer.receive_frame()
    assert [r.status for r in replies] == [NTStatus.SUCCESS] * 2
    assert replies[1].header.session_id == desk.logon.session_id
    assert replies[1].header.tree_id == desk.tree


def test_tree_connect_and_create_in_one() -> None:
    """The TreeId that the first one makes is the second one's."""
    desk = Desk()
    body = TreeConnectRequest(0, r"\\server\data").encode()
    members = [
        desk.peer.message(Command.TREE_CONNECT, body, desk.logon),
        desk.peer.message(Command.CREATE, create_body("hello.txt"), desk.logon, NO_ID >> 32),
    ]
    replies = desk.run(members, related=True)
    assert [r.status for r in replies] == [NTStatus.SUCCESS] * 2
    assert replies[0].header.tree_id == replies[1].header.tree_id != desk.tree


def test_related_after_a_tree_connect_that_failed() -> None:
    desk = Desk()
    body = TreeConnectRequest(0, r"\\server\nowhere").encode()
    members = [
        desk.peer.message(Command.TREE_CONNECT, body, desk.logon),
        desk.peer.message(Command.CREATE, create_body("new"), desk.logon, NO_ID >> 32),
    ]
    replies = desk.run(members, related=True)
    assert [r.status for r in replies] == [
        NTStatus.BAD_NETWORK_NAME,
        NTStatus.INVALID_PARAMETER,
    ]
    assert "new" not in desk.names()


def test_first_marked_related() -> None:
    desk = Desk()
    message = desk.create("new")
    message[FLAGS_OFFSET] |= Flags.RELATED_OPERATIONS
    desk.peer.send(desk.peer.sign(message, desk.logon))
    assert desk.peer.receive().status == NTStatus.INVALID_PARAMETER
    assert "new" not in desk.names()


def test_a_related_request_can_not_borrow_another_session() -> None:
    """An unsigned member may not ride on the signed one before it."""
    desk = Desk()
    first = desk.create("hello.txt")
    second = desk.message(Command.WRITE, WriteRequest(0, *SAME, data=b"evil").encode())
    first.extend(bytes(-len(first) % 8))
    first[NEXT_COMMAND_OFFSET : NEXT_COMMAND_OFFSET + 4] = len(first).to_bytes(4, "little")
    second[FLAGS_OFFSET] |= Flags.RELATED_OPERATIONS
    second[40:48] = NO_ID.to_bytes(8, "little")  # SessionId, which is not looked at here
    desk.peer.send(desk.peer.sign(first, desk.logon) + second)
    replies = desk.peer.receive_frame()
    assert [r.status for r in replies] == [NTStatus.SUCCESS, NTStatus.ACCESS_DENIED]
    assert desk.world.backend.read_bytes("hello.txt") == b"Hello, world.\n"


@pytest.mark.parametrize("step", [1, 8, 63, 65, 68, 71, 0x7FFFFFF8, 0xFFFFFFFF])
def test_next_command_that_does_not_add_up(step: int) -> None:
    desk = Desk()
    message = desk.message(Command.ECHO, ECHO, next_command=step)
    desk.peer.send(desk.peer.sign(message, desk.logon))
    with pytest.raises(Dropped):
        desk.peer.receive()


def test_endless_compound() -> None:
    desk = Desk()
    members = [desk.message(Command.ECHO, ECHO) for _ in range(65)]
    desk.peer.send(desk.peer.compound(members, desk.logon))
    with pytest.raises(Dropped, match="compound"):
        desk.peer.receive()


def test_lock_that_waits_in_the_middle() -> None:
    """The chain stops at it, and goes on when the lock is there: one frame with all replies, no
    interim response for a member that others follow."""
    desk = Desk()
    peer, logon, tree = desk.peer, desk.logon, desk.tree
    holder, other = (peer.create(logon, tree, "hello.txt") for _ in range(2))
    element = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK)
    peer.post_lock(logon, tree, holder, element)
    assert peer.receive().status == NTStatus.SUCCESS
    lock = desk.message(Command.LOCK, LockRequest(0, *other, locks=[element]).encode())
    echo = desk.message(Command.ECHO, ECHO)
    peer.send(peer.compound([lock, echo], logon))
    with pytest.raises(NoReply):
        peer.receive_frame()
    peer.post(Command.CLOSE, CloseRequest(0, *holder).encode(), logon, tree)
    frames = [peer.receive_frame(), peer.receive_frame()]
    (replies,) = (frame for frame in frames if len(frame) > 1)
    desk.check_chain(replies, 2, related=False)
    assert [r.status for r in replies] == [NTStatus.SUCCESS] * 2
    assert all(r.signed for r in replies)


def test_lock_that_waits_at_the_end() -> None:
    """The replies before it go out with its interim response; the final one comes alone."""
    desk = Desk()
    peer, logon, tree = desk.peer, desk.logon, desk.tree
    holder, other = (peer.create(logon, tree, "hello.txt") for _ in range(2))
    element = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK)
    peer.post_lock(logon, tree, holder, element)
    assert peer.receive().status == NTStatus.SUCCESS
    echo = desk.message(Command.ECHO, ECHO)
    lock = desk.message(Command.LOCK, LockRequest(0, *other, locks=[element]).encode())
    peer.send(peer.compound([echo, lock], logon))
    assert peer.receive().header.command == Command.ECHO
    interim = peer.receive()
    assert interim.is_interim
    assert not interim.signed
    message_id = interim.header.message_id
    peer.post(Command.CLOSE, CloseRequest(0, *holder).encode(), logon, tree)
    by_command = {reply.header.command: reply for reply in (peer.receive(), peer.receive())}
    final = by_command[Command.LOCK]
    assert (final.status, final.signed, final.header.message_id) == (0, True, message_id)


@every_cipher
def test_encrypted_compound(dialect: int, cipher: int) -> None:
    """One TRANSFORM_HEADER around all of it, both ways."""
    world = World(encryption="required")
    peer = world.ready(dialects=[dialect], ciphers=[cipher])
    logon = peer.logon()
    tree = peer.tree(logon)
    peer.echo(logon)
    members = [
        peer.message(Command.CREATE, create_body("hello.txt"), logon, tree),
        peer.message(Command.READ, read_body(SAME, 5), logon, tree),
        peer.message(Command.CLOSE, CloseRequest(0, *SAME).encode(), logon, tree),
    ]
    peer.send(peer.compound(members, logon, related=True, sign=False), logon)
    replies = peer.receive_frame()
    assert [(r.status, r.sealed, r.signed) for r in replies] == [(0, True, False)] * 3
