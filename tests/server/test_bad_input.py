"""Whatever bytes come, at whatever point: the server answers with an error or ends that connection,
nothing of it crashes, and the other connections go on.

A crash of a handler fails a test where it happens (`World` raises it), so "no crash" needs no line
of its own below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from struct import Struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paraph.policy.settings import Policy
from paraph.server import commands
from paraph.server.events import ConnectionRefused, HandlerCrashed
from paraph.server.share import Share
from paraph.storage.posix import PosixBackend
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import CreateOptions
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.simple import EchoRequest
from tests.support.link import Dropped, NoReply
from tests.support.peer import Logon, Peer, Reply, create_body
from tests.support.requests import KINDS, Kind, Place, settle
from tests.support.variants import every_dialect
from tests.support.world import World

ECHO = EchoRequest().encode()
OPTIONAL = Policy(server_always=False)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])


class Town:
    """A server with a neighbour on it, who must not notice anything, and a place to do harm from,
    replaced by a new one when its connection is gone."""

    def __init__(self) -> None:
        self.world = World(policy=OPTIONAL, failed_logon_delay=0)
        self.neighbour: Peer = self.world.ready()
        self.logon: Logon = self.neighbour.logon()
        self._place: Place | None = None

    @property
    def place(self) -> Place:
        """A place in which all is still as `settle` made it."""
        old = self._place
        if old is not None:
            session = self.world.server.sessions.get(old.logon.session_id)
            if session is not None and len(session.trees) >= 2 and len(session.opens) >= 3:
                return old
            old.peer.link.close()
        self.world.backend.write_bytes("hello.txt", b"Hello, world.\n")
        self._place = settle(self.world)
        return self._place

    def give_up(self) -> None:
        """Something else came of it than a refusal: start afresh."""
        if self._place is not None:
            self._place.peer.link.close()
            self._place = None

    def throw(self, payload: bytes | bytearray) -> list[Reply] | None:
        """Send a frame; what comes back, or None for the end of the connection."""
        return self.listen(lambda peer: peer.send(payload))

    def listen(self, act: Callable[[Peer], None]) -> list[Reply] | None:
        place = self.place
        act(place.peer)
        replies: list[Reply] = []
        try:
            while True:
                replies += place.peer.receive_frame()
        except NoReply:
            return replies
        except Dropped:
            return None
        finally:
            self.check()

    def check(self) -> None:
        assert self.neighbour.echo(self.logon).status == NTStatus.SUCCESS


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def failed(replies: list[Reply] | None) -> bool:
    """Refused, or dropped."""
    return replies is None or all(reply.status & 0x80000000 for reply in replies)


# Messages cut short, and their fields spoilt


@every_kind
def test_cut_at_every_length(town: Town, kind: Kind) -> None:
    """Below 64 bytes there is no header: dropped. Behind it, INVALID_PARAMETER, unless what is
    missing was not needed."""
    length = len(kind.message(town.place))
    town.give_up()
    for end in (*range(0, 64, 9), 63, *range(64, length)):
        message = kind.message(town.place)[:end]
        replies = town.throw(message)
        if end < 64:
            assert replies is None
        elif end < 64 + 2:
            assert replies is None or [r.status for r in replies] == [NTStatus.INVALID_PARAMETER]
        if replies is not None and not failed(replies):
            town.give_up()


@every_kind
def test_structure_size(town: Town, kind: Kind) -> None:
    for size in (0, 1, 3, 0x7FFF, 0xFFFF):
        message = kind.message(town.place)
        message[64:66] = size.to_bytes(2, "little")
        replies = town.throw(message)
        assert replies is not None
        assert [reply.status for reply in replies] == [NTStatus.INVALID_PARAMETER]


@every_kind
def test_extreme_fields(town: Town, kind: Kind) -> None:
    """Every 16-bit, 32-bit and 64-bit place of the body in turn at its ends: offsets that overlap
    or lie outside, lengths beyond everything, ids of nobody."""
    length = len(kind.message(town.place))
    for size in (2, 4, 8):
        top = (1 << 8 * size) - 1
        for at in range(64, min(length, 64 + 60) - size, size):
            for value in (0, 1, top >> 1, top - 7, top):
                message = kind.message(town.place)
                message[at : at + size] = value.to_bytes(size, "little")
                if not failed(town.throw(message)):
                    town.give_up()


@every_kind
def test_header_fields(town: Town, kind: Kind) -> None:
    """The same for the header."""
    for layout, at in (("<H", 6), ("<I", 8), ("<H", 14), ("<I", 16), ("<I", 20), ("<Q", 24)):
        field = Struct(layout)
        top = (1 << 8 * field.size) - 1
        for value in (0, 1, 2, 4, 8, 0x10, 0x20000000 & top, top >> 1, top):
            message = kind.message(town.place)
            field.pack_into(message, at, value)
            town.throw(message)
            town.give_up()


@pytest.mark.parametrize("command", [19, 20, 0x72, 0xFF, 0x100, 0xFFFF])
def test_unknown_command(town: Town, command: int) -> None:
    assert town.throw(town.place.peer.message(command, ECHO, town.place.logon)) is None


@pytest.mark.parametrize("at", range(6))
def test_not_an_smb2_header(town: Town, at: int) -> None:
    """ProtocolId and StructureSize."""
    message = town.place.peer.message(Command.ECHO, ECHO, town.place.logon)
    message[at] ^= 0x20
    assert town.throw(message) is None


# Frames


@pytest.mark.parametrize("length", [0xFFFFFF, (8 << 20) + 400, 1 << 23 | 1 << 22])
def test_oversized_frame(town: Town, length: int) -> None:
    """Refused when its length is read, before any of it has come, or been made room for."""
    frame = length.to_bytes(4, "big")
    assert town.listen(lambda peer: peer.link.write(frame)) is None


@pytest.mark.parametrize("length", [129 << 10, 0xFFFFFF])
def test_large_frame_before_logon(length: int) -> None:
    """Who has not logged on gets little room."""
    world = World()
    peer = world.ready()
    peer.link.write(length.to_bytes(4, "big"))
    assert peer.link.closed
    assert world.told(ConnectionRefused)


@pytest.mark.parametrize("kind", [0x01, 0x7F, 0x81, 0x82, 0x83, 0x84, 0xFF])
def test_other_frame_types(town: Town, kind: int) -> None:
    payload = town.place.peer.message(Command.ECHO, ECHO, town.place.logon)
    assert town.listen(lambda peer: peer.link.write(peer.frame(payload, kind))) is None


def test_keepalive_and_session_request() -> None:
    """What clients of port 139 begin with ([RFC1002] 4.3)."""
    peer = World().peer()
    peer.link.write(b"\x85\0\0\0")
    name = b"\x20" + b"EFFDEMEJEFEOFEDBCACACACACACACACA" + b"\0"
    peer.link.write(peer.frame(name + name, 0x81))
    assert peer.link.read() == b"\x82\0\0\0"
    peer.negotiate()
    peer.link.write(b"\x85\0\0\0")
    assert peer.logon()


@pytest.mark.parametrize("payload", [b"", b"\xfe", b"\xfeSM", b"GET / HTTP/1.1\r\n\r\n", bytes(64)])
def test_not_smb(town: Town, payload: bytes) -> None:
    assert town.throw(payload) is None
    peer = town.world.peer()
    peer.send(payload)
    assert peer.link.closed


@pytest.mark.parametrize(
    "command", [c for c in range(19) if c not in (8, 9, 11, 12, 14, 15, 16, 17)]
)
def test_large_request_of_a_small_command(town: Town, command: int) -> None:
    """More than 68 KiB for a command that carries no data ([MS-SMB2] 3.3.5.2)."""
    message = town.place.peer.message(command, bytes(69 * 1024), town.place.logon)
    assert town.throw(message) is None


def test_bytes_in_crumbs() -> None:
    """One byte at a time is as good as all at once."""
    world = World()
    peer = world.ready()
    logon = peer.logon()
    frame = peer.frame(peer.sign(peer.message(Command.ECHO, ECHO, logon), logon))
    for byte in frame[:-1]:
        peer.link.write(bytes((byte,)))
        with pytest.raises(NoReply):
            peer.receive()
    peer.link.write(frame[-1:])
    assert peer.receive().status == NTStatus.SUCCESS


# Names


@pytest.fixture
def jail(tmp_path: Path) -> Iterator[tuple[Town, Path]]:
    """A share in a folder that has a neighbour nobody may reach."""
    (tmp_path / "share").mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    town = Town()
    backend = PosixBackend(str(tmp_path / "share"))
    backend_share = Share("data", backend)
    town.world.server.shares["DATA"] = backend_share
    (tmp_path / "share" / "hello.txt").write_text("Hello, world.\n")
    yield town, tmp_path
    town.give_up()
    backend.close()


BAD_NAMES = (
    "..",
    "..\\outside.txt",
    "..\\..\\etc\\passwd",
    "folder\\..\\..\\outside.txt",
    "folder\\..",
    ".\\x",
    "../outside.txt",
    "folder/../../outside.txt",
    "/etc/passwd",
    "\\outside.txt",
    "\\\\server\\data\\x",
    "C:\\x",
    "a\0b",
    "\0",
    "x" * 256,
    "x" * 30000,
    "a\\" * 16000 + "a",
    "a\\\\b",
    "hello.txt\\x",
    "*",
    "a?b",
    'a"b',
    "a<b",
    "a>b",
    "a|b",
    "a\x01b",
    "hello.txt:stream",
    "hello.txt:stream:$DATA",
    "hello.txt::$INDEX_ALLOCATION",
    "hello.txt:a:b:c",
    ":x",
    "\ud800",
    "x\udc00y",
    "\udfff\ud800",
)


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
@pytest.mark.parametrize("options", [0, CreateOptions.DIRECTORY_FILE])
def test_names(jail: tuple[Town, Path], name: str, options: int) -> None:
    """None of these is a file of the share; nothing appears outside, and little inside."""
    town, path = jail
    raw = name.encode("utf-16-le", "surrogatepass")
    body = bytearray(create_body("", options=options)[:56])
    body[44:48] = (64 + 56).to_bytes(2, "little") + len(raw).to_bytes(2, "little")
    place = town.place
    replies = town.throw(
        place.peer.message(Command.CREATE, bytes(body) + raw, place.logon, place.tree)
    )
    assert sorted(p.name for p in path.iterdir()) == ["outside.txt", "share"]
    assert (path / "outside.txt").read_text() == "secret"
    assert replies is not None
    if not name.startswith(("\ud800", "x\udc00", "\udfff")):
        assert failed(replies)
    inside = {p.name for p in (path / "share").iterdir()}
    assert len(inside - {"hello.txt", "folder"}) <= 1


@pytest.mark.parametrize("length", [1, 3, 7])
def test_odd_name_length(town: Town, length: int) -> None:
    place = town.place
    body = bytearray(create_body("abcd"))
    body[46:48] = length.to_bytes(2, "little")
    replies = town.throw(place.peer.message(Command.CREATE, bytes(body), place.logon, place.tree))
    assert replies is not None
    assert [reply.status for reply in replies] == [NTStatus.INVALID_PARAMETER]


# Mutations

_QUICK = settings(
    deadline=None,
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

_mutation = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 400), st.integers(0, 255)),
    st.tuples(st.just("flip"), st.integers(0, 400), st.integers(0, 7)),
    st.tuples(st.just("word"), st.integers(64, 200), st.sampled_from([0, 0xFFFF, 0x8000, 64, 65])),
    st.tuples(st.just("long"), st.integers(64, 200), st.integers(0, 0xFFFFFFFF)),
    st.tuples(st.just("cut"), st.integers(0, 400), st.just(0)),
    st.tuples(st.just("grow"), st.integers(0, 300), st.integers(0, 255)),
)


def mutate(message: bytearray, mutations: list[tuple[str, int, int]]) -> None:
    for how, at, value in mutations:
        at = at % max(1, len(message))
        if how == "set" and message:
            message[at] = value
        elif how == "flip" and message:
            message[at] ^= 1 << value
        elif how == "word":
            message[at : at + 2] = value.to_bytes(2, "little")
        elif how == "long":
            message[at : at + 4] = value.to_bytes(4, "little")
        elif how == "cut":
            del message[at:]
        elif how == "grow":
            message += bytes((value,)) * at


@every_kind
def test_mutated(town: Town, kind: Kind) -> None:
    """Each request spoilt in a few places at once; signed afterwards now and then, so that it also
    gets through the doors of a session that signs."""

    @_QUICK
    @given(st.lists(_mutation, min_size=1, max_size=4), st.booleans())
    def run(mutations: list[tuple[str, int, int]], sign: bool) -> None:
        place = town.place
        message = kind.message(place)
        mutate(message, mutations)
        if sign and len(message) >= 64 and message[24:32] not in (bytes(8), b"\xff" * 8):
            place.peer.sign(message, place.logon)
        place.peer.verifying = False
        if not failed(town.throw(message)):
            town.give_up()

    run()


@every_dialect
def test_mutated_negotiate(dialect: int) -> None:
    town = Town()

    @_QUICK
    @given(st.lists(_mutation, min_size=1, max_size=4))
    def run(mutations: list[tuple[str, int, int]]) -> None:
        peer = town.world.peer(dialects=[dialect], guid=bytes(16))
        message = peer.message(Command.NEGOTIATE, peer.offer.request().encode())
        mutate(message, mutations)
        peer.send(message)
        try:
            peer.receive_frame()
        except (Dropped, NoReply):
            pass
        peer.link.close()
        town.check()

    run()


@_QUICK
@given(st.binary(max_size=300))
def test_random_tokens(token: bytes) -> None:
    world = World(failed_logon_delay=0)
    peer = world.ready()
    reply = peer.setup(token)
    assert reply.status != NTStatus.SUCCESS
    assert peer.setup(token, reply.header.session_id).status != NTStatus.SUCCESS


@_QUICK
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_frames(payloads: list[bytes]) -> None:
    world = World(failed_logon_delay=0)
    peer = world.peer()
    for payload in payloads:
        peer.send(payload)
    other = world.ready()
    assert other.echo(other.logon()).status == NTStatus.SUCCESS


@_QUICK
@given(st.binary(max_size=2000))
def test_random_stream(data: bytes) -> None:
    world = World()
    peer = world.ready()
    peer.logon()
    peer.link.write(data)
    other = world.ready()
    assert other.echo(other.logon()).status == NTStatus.SUCCESS


@_QUICK
@given(st.binary(max_size=600))
def test_random_rpc(data: bytes) -> None:
    """Bytes into a named pipe, and out of it."""
    world = World(policy=OPTIONAL)
    place = settle(world)
    place.peer.write(place.logon, place.ipc, place.pipe, data)
    kind = next(k for k in KINDS if k.name == "IOCTL transceive")
    place.peer.send(kind.message(place))
    assert place.peer.receive().header.command == Command.IOCTL


# A bug of ours


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a bug"), RuntimeError("a bug"), AssertionError("a bug")]
)
@pytest.mark.parametrize("where", ["handler", "decoder"])
def test_crash_of_a_handler(monkeypatch: pytest.MonkeyPatch, error: Exception, where: str) -> None:
    """The peer is told INTERNAL_ERROR (signed, as its request was), the listener gets the trace,
    and everybody goes on, the peer too."""

    async def crash(request: object, message: object) -> bytes:
        raise error

    def decode(message: memoryview) -> object:
        raise error

    table = list(commands.COMMANDS)
    row = table[Command.FLUSH]
    assert row is not None
    row = replace(row, handler=crash) if where == "handler" else replace(row, decode=decode)
    table[Command.FLUSH] = row
    monkeypatch.setattr(commands, "COMMANDS", tuple(table))
    world = World()
    world.crashes_allowed = True
    place = settle(world)
    place.peer.send(
        place.peer.sign(next(k for k in KINDS if k.name == "FLUSH").message(place), place.logon)
    )
    reply = place.peer.receive()
    assert (reply.status, reply.signed) == (NTStatus.INTERNAL_ERROR, True)
    (event,) = world.told(HandlerCrashed)
    assert event.command == "FLUSH"
    assert "a bug" in event.trace
    assert "Traceback" in event.trace
    assert place.peer.echo(place.logon).status == NTStatus.SUCCESS


def test_town_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above see a crash: with a decoder that raises something unforeseen they fail."""
    table = list(commands.COMMANDS)
    row = table[Command.READ]
    assert row is not None

    def decode(message: memoryview) -> object:
        return memoryview(b"")[3]

    table[Command.READ] = replace(row, decode=decode)
    monkeypatch.setattr(commands, "COMMANDS", tuple(table))
    kind = next(k for k in KINDS if k.name == "READ")
    with pytest.raises(AssertionError, match="READ crashed"):
        test_structure_size(Town(), kind)
