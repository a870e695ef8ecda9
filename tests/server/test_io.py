"""READ, WRITE, FLUSH and CLOSE ([MS-SMB2] 3.3.5.10 to 3.3.5.13, [MS-FSA] 2.1.5.3, 2.1.5.4)."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from paraph.server.settings import Limits
from paraph.storage.memory import MemoryBackend, MemoryHandle
from paraph.storage.posix import PosixBackend
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.close import CloseFlags
from paraph.wire.smb2.create import AccessMask, CreateDisposition, CreateOptions
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.io import Channel, FlushRequest, ReadFlags, ReadRequest, WriteFlags
from tests.server.file_client import (
    APPEND,
    EXCLUSIVE,
    NOW,
    READ,
    SHARED,
    WRITE,
    Client,
    make_world,
    refused,
)
from tests.support.world import World

INVALID = NTStatus.INVALID_PARAMETER
DENIED = NTStatus.ACCESS_DENIED
EOF = NTStatus.END_OF_FILE
CONFLICT = NTStatus.FILE_LOCK_CONFLICT
LARGEST = (1 << 63) - 1
AT_END = (1 << 64) - 1
MIB = 1 << 20


class TestHandle(MemoryHandle):
    """Keeps count, and fails on demand."""

    __test__ = False
    now = True  #: whether data is "in the page cache"
    flushed = 0
    closed = False
    error: OSError | None = None

    def read_now(self, buffer: memoryview, offset: int) -> int:
        if not self.now:
            buffer[:] = b"?" * len(buffer)  # what a partial attempt left behind
            return -1
        return super().read_now(buffer, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        assert not self.closed
        if self.error is not None:
            raise self.error
        return super().read_into(buffer, offset)

    def write(self, data: memoryview, offset: int) -> int:
        if self.error is not None:
            raise self.error
        return super().write(data, offset)

    def flush(self) -> None:
        assert not self.closed
        self.flushed += 1
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True
        super().close()


class TestBackend(MemoryBackend):
    """Its handles are `TestHandle`, the last one opened is `last`."""

    __test__ = False
    last: TestHandle

    def open(self, path: str, *, read: bool = False, write: bool = False) -> TestHandle:
        stored, node = self._node(path)
        self.last = TestHandle(self, node, stored, read=read, write=write)
        return self.last


@pytest.fixture
def store() -> TestBackend:
    return TestBackend({"file": b"0123456789", "folder\\x": b"", "empty": b""})


@pytest.fixture
def world(store: TestBackend) -> World:
    return make_world(backend=store)


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


# ---------------------------------------------------------------- READ


@pytest.mark.parametrize(
    ("offset", "length", "minimum", "expected"),
    [
        (0, 10, 0, b"0123456789"),
        (0, 4, 0, b"0123"),
        (3, 4, 4, b"3456"),
        (8, 10, 0, b"89"),
        (8, 10, 2, b"89"),
        (8, 10, 3, EOF),
        (9, 1, 0, b"9"),
        (10, 1, 0, EOF),
        (11, 1, 0, EOF),
        (0, 0, 0, b""),
        (10, 0, 0, b""),
        (100, 0, 0, b""),
        (0, 0, 1, EOF),
        (0, 10, 11, EOF),
        (LARGEST - 1, 1, 0, EOF),
        (LARGEST, 0, 0, b""),
        (LARGEST, 1, 0, INVALID),
        (LARGEST - 65535, 65536, 0, INVALID),
        (1 << 63, 0, 0, INVALID),
        (AT_END, 1, 0, INVALID),
    ],
)
@pytest.mark.parametrize("now", [True, False])
def test_read(
    client: Client,
    store: TestBackend,
    offset: int,
    length: int,
    minimum: int,
    expected: bytes | int,
    now: bool,
) -> None:
    file = client.open("file", READ)
    store.last.now = now
    if isinstance(expected, bytes):
        assert client.read(file, length, offset, minimum_count=minimum) == expected
    else:
        with refused(expected):
            client.read(file, length, offset, minimum_count=minimum)


def test_the_largest_read_and_write() -> None:
    world = make_world({"file": b""}, max_read_size=MIB, max_write_size=2 * MIB)
    client = Client(world)
    file = client.open("file")
    data = bytes(range(256)) * (2 * MIB // 256)
    while client.peer.credits < 200:
        client.flush(file)
    assert client.write(file, data) == 2 * MIB
    assert client.read(file, MIB, MIB) == data[MIB:]
    with refused(INVALID):
        client.read(file, MIB + 1)
    with refused(INVALID):
        client.write(file, data + b"x")
    assert world.backend.read_bytes("file") == data


def test_read_needs_the_right_to_read(client: Client) -> None:
    with refused(DENIED):
        client.read(client.open("file", WRITE), 1)
    with refused(DENIED):
        client.read(client.open("file", AccessMask.FILE_READ_ATTRIBUTES), 0)
    assert client.read(client.open("file", AccessMask.FILE_EXECUTE), 1) == b"0"


def test_directories_have_no_data(client: Client) -> None:
    file = client.open("folder", READ | WRITE)
    with refused(NTStatus.INVALID_DEVICE_REQUEST):
        client.read(file, 1)
    with refused(NTStatus.INVALID_DEVICE_REQUEST):
        client.write(file, b"x")


@pytest.mark.parametrize("channel", [Channel.RDMA_V1, Channel.RDMA_V1_INVALIDATE, 9])
def test_there_is_no_rdma(client: Client, channel: int) -> None:
    file = client.open("file")
    with refused(INVALID):
        client.read(file, 1, channel=channel)
    with refused(INVALID):
        client.write(file, b"x", channel=channel)


def test_an_unbuffered_read_is_a_read(client: Client) -> None:
    file = client.open("file", READ, options=CreateOptions.NO_INTERMEDIATE_BUFFERING)
    assert client.read(file, 3, 1, flags=ReadFlags.READ_UNBUFFERED) == b"123"


def test_opens_that_are_not_there(client: Client) -> None:
    file = client.open("file")
    client.close(file)
    for wrong in (file, (0, 0), (file[0], AT_END), (file[1], file[0])):
        with refused(NTStatus.FILE_CLOSED):
            client.read(wrong, 1)
        with refused(NTStatus.FILE_CLOSED):
            client.write(wrong, b"x")
        with refused(NTStatus.FILE_CLOSED):
            client.flush(wrong)
        with refused(NTStatus.FILE_CLOSED):
            client.close(wrong)
    live = client.open("file")
    with refused(NTStatus.FILE_CLOSED):
        client.read((live[0] ^ 1, live[1]), 1)


# ---------------------------------------------------------------- waiting for a disk


def start_read(client: Client, file: tuple[int, int], length: int) -> None:
    body = ReadRequest(length=length, persistent_id=file[0], volatile_id=file[1]).encode()
    client.peer.post(Command.READ, body, client.logon, client.tree, credits=16)


def test_a_read_that_must_wait_lets_others_pass(
    world: World, client: Client, store: TestBackend
) -> None:
    cold, handle = client.open("file", READ), store.last
    handle.now = False
    warm = client.open("file", READ)
    world.platform.queueing = True
    start_read(client, cold, 10)
    assert client.waits()
    assert client.read(warm, 2) == b"01"
    world.platform.run_queued()
    reply = client.peer.receive()
    assert reply.status == NTStatus.SUCCESS
    assert reply.data.endswith(b"0123456789")
    assert not reply.header.flags & 2  # no interim response, so no AsyncId


def test_close_during_a_read_that_waits(world: World, client: Client, store: TestBackend) -> None:
    file, handle = client.open("file", READ), store.last
    handle.now = False
    world.platform.queueing = True
    start_read(client, file, 10)
    client.close(file)
    assert not handle.closed
    world.platform.run_queued()
    assert client.peer.receive().data.endswith(b"0123456789")
    assert handle.closed


def test_disconnect_during_a_read_that_waits(
    world: World, client: Client, store: TestBackend
) -> None:
    file, handle = client.open("file", READ), store.last
    handle.now = False
    world.platform.queueing = True
    start_read(client, file, 10)
    client.peer.link.close()
    assert not handle.closed
    world.platform.run_queued()
    assert handle.closed
    assert len(world.server.files) == 0


def test_calls_elsewhere_are_bounded(world: World, client: Client, store: TestBackend) -> None:
    file = client.open("file", READ)
    store.last.now = False
    world.platform.queueing = True
    connection = client.peer.link.connection  # type: ignore[attr-defined]
    count = 0
    while not connection.throttled:
        start_read(client, file, 1)
        count += 1
        assert count <= 64
    world.platform.run_queued()
    assert not connection.throttled
    for _ in range(count):
        assert client.peer.receive().status == NTStatus.SUCCESS


# ---------------------------------------------------------------- failures of the store

ERRORS = [
    (errno.EIO, NTStatus.UNEXPECTED_IO_ERROR),
    (errno.ENOSPC, NTStatus.DISK_FULL),
    (errno.EDQUOT, NTStatus.DISK_FULL),
    (errno.EACCES, DENIED),
    (errno.EROFS, NTStatus.MEDIA_WRITE_PROTECTED),
    (errno.EBADF, NTStatus.INVALID_HANDLE),
]


@pytest.mark.parametrize(("number", "status"), ERRORS)
@pytest.mark.parametrize("now", [True, False])
def test_errors_of_the_store(
    client: Client, store: TestBackend, number: int, status: int, now: bool
) -> None:
    file = client.open("file")
    store.last.now = now
    store.last.error = OSError(number, "told so")
    with refused(status):
        client.read(file, 4)
    with refused(status):
        client.write(file, b"x")
    with refused(status):
        client.flush(file)
    store.last.error = None
    assert client.read(file, 4) == b"0123"


def test_a_full_disk() -> None:
    client = Client(make_world(backend=MemoryBackend({"file": b"12345"}, capacity=10)))
    file = client.open("file")
    with refused(NTStatus.DISK_FULL):
        client.write(file, b"x" * 6, 5)
    assert client.read(file, 100) == b"12345"
    assert client.write(file, b"x" * 5, 5) == 5
    assert client.read(file, 100) == b"12345xxxxx"


# ---------------------------------------------------------------- WRITE


def content(world: World) -> bytes:
    return world.backend.read_bytes("file")


@pytest.mark.parametrize(
    ("access", "offset", "data", "expected"),
    [
        (WRITE, 0, b"ab", b"ab23456789"),
        (WRITE, 9, b"ab", b"012345678ab"),
        (WRITE, 10, b"ab", b"0123456789ab"),
        (WRITE, 12, b"ab", b"0123456789\0\0ab"),
        (WRITE, AT_END, b"ab", b"0123456789ab"),
        (WRITE, 0, b"", b"0123456789"),
        (WRITE, 50, b"", b"0123456789"),
        (WRITE, AT_END, b"", b"0123456789"),
        (APPEND, 10, b"ab", b"0123456789ab"),
        (APPEND, 12, b"ab", b"0123456789\0\0ab"),
        (APPEND, AT_END, b"ab", b"0123456789ab"),
        (APPEND, 9, b"ab", DENIED),
        (APPEND, 0, b"ab", DENIED),
        (APPEND, 0, b"", b"0123456789"),
        (READ, 0, b"ab", DENIED),
        (READ, 0, b"", DENIED),
        (AccessMask.FILE_WRITE_ATTRIBUTES, 0, b"ab", DENIED),
        (WRITE, LARGEST, b"a", INVALID),
        (WRITE, 1 << 63, b"", INVALID),
        (WRITE, AT_END - 1, b"a", INVALID),
        (APPEND, 1 << 63, b"a", INVALID),
    ],
)
def test_write(
    world: World, client: Client, access: int, offset: int, data: bytes, expected: bytes | int
) -> None:
    file = client.open("file", access)
    if isinstance(expected, bytes):
        assert client.write(file, data, offset) == len(data)
        assert content(world) == expected
    else:
        with refused(expected):
            client.write(file, data, offset)
        assert content(world) == b"0123456789"


def test_write_through(client: Client, store: TestBackend) -> None:
    file, handle = client.open("file", WRITE), store.last
    client.write(file, b"a")
    assert handle.flushed == 0
    client.write(file, b"a", flags=WriteFlags.WRITE_THROUGH)
    assert handle.flushed == 1
    client.write(file, b"", flags=WriteFlags.WRITE_THROUGH)
    assert handle.flushed == 1
    file = client.open("file", WRITE, options=CreateOptions.WRITE_THROUGH)
    client.write(file, b"a")
    assert store.last.flushed == 1
    client.write(file, b"a", flags=WriteFlags.WRITE_UNBUFFERED | 0x80000000)


def test_write_through_that_fails(client: Client, store: TestBackend) -> None:
    file = client.open("file", WRITE)

    def fail() -> None:
        raise OSError(errno.EIO, "told so")

    store.last.flush = fail  # type: ignore[method-assign]
    with refused(NTStatus.UNEXPECTED_IO_ERROR):
        client.write(file, b"a", flags=WriteFlags.WRITE_THROUGH)


def test_a_write_is_seen_by_other_opens_at_once(world: World) -> None:
    first, second = Client(world), Client(world)
    one, two = first.open("file"), second.open("file")
    first.write(one, b"new", 20)
    assert second.read(two, 100, 18) == b"\0\0new"


# ---------------------------------------------------------------- byte-range locks in the way


@pytest.mark.parametrize(
    ("flags", "own", "read", "write"),
    [
        (EXCLUSIVE, True, True, True),
        (EXCLUSIVE, False, False, False),
        (SHARED, True, True, False),
        (SHARED, False, True, False),
    ],
)
def test_locks(world: World, flags: int, own: bool, read: bool, write: bool) -> None:
    """[MS-FSA] 2.1.4.10: a shared lock stops its owner's writes too."""
    owner, other = Client(world), Client(world)
    held = owner.open("file")
    owner.lock(held, (4, 2, flags | NOW))
    client = owner if own else other
    file = held if own else other.open("file")
    for offset, length, meets in ((0, 4, False), (6, 4, False), (5, 1, True), (0, 10, True)):
        if read or not meets:
            assert len(client.read(file, length, offset)) == length
        else:
            with refused(CONFLICT):
                client.read(file, length, offset)
        if write or not meets:
            client.write(file, b"x" * length, offset)
        else:
            with refused(CONFLICT):
                client.write(file, b"x" * length, offset)
    assert client.read(file, 0, 5) == b""
    assert client.write(file, b"", 5) == 0


def test_locks_and_appending(world: World) -> None:
    owner, other = Client(world), Client(world)
    owner.lock(owner.open("file"), (10, 100, EXCLUSIVE | NOW))
    file = other.open("file", APPEND)
    with refused(CONFLICT):
        other.write(file, b"x", AT_END)


def test_locks_of_one_open_stop_another_of_the_same_session(client: Client) -> None:
    client.lock(client.open("file"), (0, 5, EXCLUSIVE | NOW))
    with refused(CONFLICT):
        client.read(client.open("file"), 1)


# ---------------------------------------------------------------- FLUSH, CLOSE


def test_flush(client: Client, store: TestBackend) -> None:
    for path, access, allowed in (
        ("file", WRITE, True),
        ("file", APPEND, True),
        ("file", READ, False),
        ("folder", AccessMask.FILE_ADD_FILE, True),
        ("folder", AccessMask.FILE_ADD_SUBDIRECTORY, True),
        ("folder", AccessMask.FILE_LIST_DIRECTORY, False),
    ):
        file = client.open(path, access)
        if allowed:
            client.flush(file)
        else:
            with refused(DENIED):
                client.flush(file)
        assert store.last.flushed == allowed


def test_flush_waits_elsewhere(world: World, client: Client, store: TestBackend) -> None:
    file = client.open("file", WRITE)
    world.platform.queueing = True
    client.peer.post(
        Command.FLUSH, FlushRequest(*file).encode(), client.logon, client.tree, credits=8
    )
    assert client.waits()
    world.platform.run_queued()
    assert client.status() == NTStatus.SUCCESS
    assert store.last.flushed == 1


def test_close(client: Client) -> None:
    file = client.open("file")
    client.write(file, b"x", 4999)
    response = client.close(file, CloseFlags.POSTQUERY_ATTRIB)
    assert (response.end_of_file, response.allocation_size) == (5000, 8192)
    assert response.flags == CloseFlags.POSTQUERY_ATTRIB
    assert response.file_attributes == 0x20
    assert response.last_write_time >= response.creation_time > 0
    response = client.close(client.open("file"))
    assert (response.flags, response.end_of_file, response.file_attributes) == (0, 0, 0)
    client.connect("IPC$")
    response = client.close(client.open("srvsvc", READ), CloseFlags.POSTQUERY_ATTRIB)
    assert response.flags == 0


# ---------------------------------------------------------------- pipes


def test_reads_and_writes_of_pipes(client: Client) -> None:
    client.connect("IPC$")
    file = client.open("srvsvc", READ | WRITE)
    with refused(NTStatus.PIPE_EMPTY):
        client.read(file, 100)
    with refused(INVALID):
        client.read(file, 100, flags=ReadFlags.READ_UNBUFFERED)
    for flag in (WriteFlags.WRITE_THROUGH, WriteFlags.WRITE_UNBUFFERED):
        with refused(INVALID):
            client.write(file, b"x", flags=flag)
    client.flush(file)
    with refused(NTStatus.PIPE_DISCONNECTED):
        client.write(file, b"this is no DCE/RPC")
    with refused(NTStatus.PIPE_DISCONNECTED):
        client.read(file, 1)


def test_pipes_respect_the_access_of_the_open(client: Client) -> None:
    client.connect("IPC$")
    with refused(DENIED):
        client.write(client.open("srvsvc", READ), b"x")
    with refused(DENIED):
        client.read(client.open("srvsvc", WRITE), 1)


# ---------------------------------------------------------------- files of the host


def test_files_of_the_host(tmp_path: Any) -> None:
    backend = PosixBackend(str(tmp_path))
    client = Client(make_world(backend=backend, limits=Limits(credits=2048)))
    created = client.create("new", disposition=CreateDisposition.CREATE)
    data = bytes(range(251)) * 1000
    assert client.write(created.id, data) == len(data)
    assert client.write(created.id, b"end", AT_END, flags=WriteFlags.WRITE_THROUGH) == 3
    assert client.read(created.id, 65536, 200_000) == (data + b"end")[200_000:]
    with refused(EOF):
        client.read(created.id, 1, len(data) + 3)
    with refused(INVALID):
        client.write(created.id, b"x", LARGEST)
    client.close(created.id)
    assert (tmp_path / "new").read_bytes() == data + b"end"
    client.peer.link.close()
    backend.close()
