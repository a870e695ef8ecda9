"""Moving bytes: reading, writing, copying. Large transfers keep many requests under way, each as
large as was negotiated, and data goes from the socket's buffer to where it belongs in one copy.

Nothing is taken for granted: a READ that comes back short is asked again for the rest, a WRITE that
was not done whole is an error.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from paraph.client import requests
from paraph.client.operations import open_handle, using
from paraph.client.steps import Compound, Request, Steps, Stream
from paraph.client.tree import Handle, Tree
from paraph.errors import SMBError
from paraph.wire.fscc_file import (
    FileEndOfFileInformation,
    FileInformationClass,
    FileStandardInformation,
)
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, CreateDisposition, CreateOptions, CreateResponse
from paraph.wire.smb2.lock import LockElement, LockFlags

READ_ACCESS = AccessMask.FILE_GENERIC_READ
WRITE_ACCESS = AccessMask.FILE_GENERIC_WRITE | AccessMask.FILE_READ_ATTRIBUTES
FILE = CreateOptions.NON_DIRECTORY_FILE

_ONE_TRIP = 64 << 10
"""Bytes of a file that are read or written in the round trip that opens and closes it."""
WHOLE_FILE = 0x7FFF_FFFF_FFFF_FFFF

Put = Callable[[int, memoryview], object]
"""put(at, data): takes data that belongs `at` bytes after the beginning; data is only borrowed."""
Fill = Callable[[int, memoryview], int]
"""fill(at, room): puts data from `at` on into room; how many bytes, less only at the end."""
Progress = Callable[[int], object]
"""progress(count): so many more bytes were moved."""


# Reading


def read_pieces(
    handle: Handle, offset: int, size: int, put: Put, progress: Progress | None = None
) -> Steps[int]:
    """Read `size` bytes from `offset` on, many READs at a time, in whatever order they come.
    Returns how many there are without a gap: fewer only where the file ends."""
    connection = handle.tree.connection
    step = connection.largest(connection.max_read_size)
    if size <= step:
        return (yield from _read_on(handle, offset, size, put, progress))
    received = bytearray(-(-size // step))  # 1 for each piece that came whole

    def pieces() -> Iterator[Request]:
        for number in range(len(received)):
            yield ask(number, number * step, min(step, size - number * step))

    def ask(number: int, at: int, length: int) -> Request:
        def sink(data: memoryview) -> None:
            put(at, data)
            received[number] = len(data) == length
            if progress is not None:
                progress(len(data))

        return requests.read(handle.tree, handle.file_id, offset + at, length, sink, handle.path)

    yield Stream(pieces(), connection.settings.io_window)
    return (yield from _mend(handle, offset, size, step, received, put))


def _mend(
    handle: Handle, offset: int, size: int, step: int, received: bytearray, put: Put
) -> Steps[int]:
    """Ask again for pieces that came short, one after the other, up to where the file ends."""
    number = received.find(0)
    while number >= 0:
        at = number * step
        length = min(step, size - at)
        count = yield from _read_on(handle, offset + at, length, _moved(put, at), None)
        if count < length:
            return at + count
        number = received.find(0, number + 1)
    return size


def _moved(put: Put, by: int) -> Put:
    return lambda at, data: put(by + at, data)


def _read_on(
    handle: Handle, offset: int, size: int, put: Put, progress: Progress | None
) -> Steps[int]:
    """READ after READ until there are `size` bytes or the file ends."""
    done = 0
    while done < size:
        sink = _counted(put, done, progress)
        count: int | None = yield requests.read(
            handle.tree, handle.file_id, offset + done, size - done, sink, handle.path
        )
        if not count:
            break
        done += count
        if done < size and offset + done == handle.end_of_file:
            break  # as long as it was when it was opened: no need to ask
    return done


def _counted(put: Put, at: int, progress: Progress | None) -> Callable[[memoryview], int]:
    def sink(data: memoryview) -> int:
        put(at, data)
        if progress is not None:
            progress(len(data))
        return len(data)

    return sink


def read_into(handle: Handle, offset: int, target: memoryview) -> Steps[int]:
    """Fill `target` from `offset` on; how many bytes, fewer only at the end of the file."""

    def put(at: int, data: memoryview) -> None:
        target[at : at + len(data)] = data

    return (yield from read_pieces(handle, offset, len(target), put))


def read_all(handle: Handle, offset: int) -> Steps[bytes]:
    """Everything from `offset` to the end of the file."""
    size = yield from file_size(handle)
    data = bytearray(max(0, size - offset))
    with memoryview(data) as view:
        count = yield from read_into(handle, offset, view)
    del data[count:]
    return bytes(data)


def read_bytes(tree: Tree, path: object) -> Steps[bytes]:
    """A whole file. A small one takes one round trip."""
    name = str(path)
    answers = yield Compound(
        [
            requests.create(tree, path, READ_ACCESS, options=FILE),
            requests.read(tree, requests.SAME_FILE, 0, _ONE_TRIP, bytes, name),
            requests.close(tree),
        ]
    )
    opened: CreateResponse = answers[0]
    data: bytes = answers[1] or b""
    if opened.end_of_file <= len(data):
        return data
    handle = yield from open_handle(tree, requests.create(tree, path, READ_ACCESS, options=FILE))
    return (yield from using(handle, read_all(handle, 0)))


def download(
    tree: Tree, path: object, put: Put, *, offset: int = 0, progress: Progress | None = None
) -> Steps[int]:
    """A whole file from `offset` on, to `put`, whose positions count from the beginning of the
    file; its size. Raises SMBError when the file becomes shorter in the meantime: what was put is
    then not to be used."""
    handle = yield from open_handle(tree, requests.create(tree, path, READ_ACCESS, options=FILE))
    return (yield from using(handle, _download(handle, put, offset, progress)))


def _download(handle: Handle, put: Put, offset: int, progress: Progress | None) -> Steps[int]:
    size = max(0, handle.end_of_file - offset)
    count = yield from read_pieces(handle, offset, size, _moved(put, offset), progress)
    if count < size:
        raise SMBError(
            errno.EIO,
            f"the file ends after {offset + count} bytes, it had {handle.end_of_file}",
            handle.path,
            NTStatus.END_OF_FILE,
        )
    return offset + count


# Writing


def write_pieces(
    handle: Handle, offset: int, fill: Fill, progress: Progress | None = None
) -> Steps[int]:
    """Write what `fill` gives from `offset` on, many WRITEs at a time, until it gives nothing more;
    how many bytes."""
    connection = handle.tree.connection
    step = connection.largest(connection.max_write_size)
    total = 0
    free: list[bytearray] = []  # frames that were answered: new ones would cost page faults

    def pieces() -> Iterator[Request]:
        nonlocal total
        count = step
        while count == step:
            frame = free.pop() if free else requests.write_frame(step)
            with requests.write_room(frame) as room:
                count = fill(total, room)
                if count < step:
                    frame = requests.write_frame(count)
                    requests.write_room(frame)[:] = room[:count]
            if count:
                yield piece(frame, total, count)
                total += count

    def piece(frame: bytearray, at: int, count: int) -> Request:
        def done() -> None:
            if count == step:
                free.append(frame)
            if progress is not None:
                progress(count)

        return requests.write_framed(
            handle.tree, handle.file_id, offset + at, frame, handle.path, done
        )

    yield Stream(pieces(), connection.settings.io_window)
    return total


def write(handle: Handle, offset: int, data: memoryview) -> Steps[int]:
    """Write all of `data` at `offset`; its length."""
    connection = handle.tree.connection
    step = connection.largest(connection.max_write_size)
    if len(data) <= step:
        if len(data):
            yield requests.write(handle.tree, handle.file_id, offset, data, handle.path)
        return len(data)

    def fill(at: int, room: memoryview) -> int:
        piece = data[at : at + len(room)]
        room[: len(piece)] = piece
        return len(piece)

    return (yield from write_pieces(handle, offset, fill))


def write_bytes(tree: Tree, path: object, data: bytes | bytearray | memoryview) -> Steps[int]:
    """Make `data` the content of a file, which is created or emptied first. A little data takes one
    round trip."""
    name = str(path)
    create = requests.create(tree, path, WRITE_ACCESS, CreateDisposition.OVERWRITE_IF, FILE)
    view = memoryview(data).cast("B")
    if 0 < len(view) <= _ONE_TRIP:
        write_it = requests.write(tree, requests.SAME_FILE, 0, view, name)
        yield Compound([create, write_it, requests.close(tree, path=name)])
        return len(view)
    handle = yield from open_handle(tree, create)
    return (yield from using(handle, write(handle, 0, view)))


def upload(
    tree: Tree, path: object, fill: Fill, *, offset: int = 0, progress: Progress | None = None
) -> Steps[int]:
    """Write what `fill` gives, whose positions count from the beginning of the file, from `offset`
    on; the size of the file then. With an offset of 0 the file is created or emptied first,
    otherwise it must be there, and is cut off at what was written."""
    disposition = CreateDisposition.OPEN if offset else CreateDisposition.OVERWRITE_IF
    handle = yield from open_handle(
        tree, requests.create(tree, path, WRITE_ACCESS, disposition, FILE)
    )
    return (yield from using(handle, _upload(handle, fill, offset, progress)))


def _upload(handle: Handle, fill: Fill, offset: int, progress: Progress | None) -> Steps[int]:
    count = yield from write_pieces(
        handle, offset, lambda at, room: fill(offset + at, room), progress
    )
    if offset:
        yield from truncate(handle, offset + count)
    return offset + count


def read_text(
    tree: Tree, path: object, encoding: str = "utf-8", errors: str = "strict"
) -> Steps[str]:
    """A whole file as text; line ends become \n."""
    data = yield from read_bytes(tree, path)
    return data.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def write_text(
    tree: Tree, path: object, text: str, encoding: str = "utf-8", errors: str = "strict"
) -> Steps[int]:
    """Make `text` the content of a file, line ends as they are; how many characters."""
    yield from write_bytes(tree, path, text.encode(encoding, errors))
    return len(text)


# The file itself


def file_size(handle: Handle) -> Steps[int]:
    """How many bytes it has now."""
    found: FileStandardInformation = yield requests.query_info(
        handle.tree,
        FileInformationClass.STANDARD,
        FileStandardInformation.decode,
        file_id=handle.file_id,
        path=handle.path,
    )
    handle.end_of_file = found.end_of_file
    return found.end_of_file


def truncate(handle: Handle, size: int) -> Steps[int]:
    """Make it `size` bytes long, cut off or filled up with zeros."""
    yield requests.set_info(
        handle.tree,
        FileInformationClass.END_OF_FILE,
        FileEndOfFileInformation(size).encode(),
        file_id=handle.file_id,
        path=handle.path,
    )
    handle.end_of_file = size
    return size


def flush(handle: Handle) -> Steps[None]:
    """Have the server put on stable storage what was written."""
    yield requests.flush(handle)


def lock(
    handle: Handle,
    offset: int = 0,
    length: int = WHOLE_FILE,
    *,
    exclusive: bool = True,
    wait: bool = False,
) -> Steps[None]:
    """Lock bytes for this handle. Raises BlockingIOError when somebody else has locked some of
    them and `wait` is false."""
    flags = LockFlags.EXCLUSIVE_LOCK if exclusive else LockFlags.SHARED_LOCK
    if not wait:
        flags |= LockFlags.FAIL_IMMEDIATELY
    yield requests.lock(handle, [LockElement(offset, length, flags)])


def unlock(handle: Handle, offset: int = 0, length: int = WHOLE_FILE) -> Steps[None]:
    """Give back a lock, with the offset and length that it was taken with."""
    yield requests.lock(handle, [LockElement(offset, length, LockFlags.UNLOCK)])
