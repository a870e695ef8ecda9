"""The files of a file system of fsspec: Python's own buffers around a raw file of the client, with
what fsspec wants to find on a file besides. And the transfers that need no such file.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from paraph.client import requests
from paraph.client.files import BUFFER, Mode, RawFile
from paraph.client.operations import open_handle, using
from paraph.client.steps import Compound, Steps
from paraph.client.transfer import (
    FILE,
    READ_ACCESS,
    WRITE_ACCESS,
    Fill,
    Progress,
    read_into,
    read_pieces,
    write_pieces,
)
from paraph.client.tree import Handle, Tree
from paraph.errors import SMBError
from paraph.net.client_sync import Share
from paraph.net.local_file import put_into
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import CreateDisposition, CreateResponse, ShareAccess

if TYPE_CHECKING:
    from paraph.adapters.fsspec_ import ParaphFileSystem

_ONE_TRIP = 64 << 10
"""Bytes that are read in the round trip that opens and closes the file."""

_SHARING = {"r": ShareAccess.READ, "w": ShareAccess.WRITE, "d": ShareAccess.DELETE}


def sharing(letters: str | None) -> int:
    """ShareAccess of [MS-SMB2] 2.2.13: what others may do with a file while it is open, as letters
    of "rwd"; None for everything. Raises ValueError."""
    if letters is None:
        return requests.SHARED
    if set(letters) - _SHARING.keys():
        raise ValueError(f"share_access is made of the letters r, w and d: {letters!r}")
    return sum(_SHARING[letter] for letter in set(letters))


class _File(io.IOBase):
    """What each file has: its file system, its path there, its size when it was opened, and, within
    a transaction, the path that it gets in the end."""

    fs: ParaphFileSystem
    path: str
    size: int
    final_path: str | None = None
    exclusive = False

    def info(self) -> dict[str, Any]:
        """What the server says of it now."""
        return self.fs.info(self.path, refresh=True)

    def commit(self) -> None:
        """End of a transaction: the file gets its name, whatever had it before; opened with "x" it
        raises FileExistsError."""
        if self.final_path is not None:
            self.close()
            self.fs.put_in_place(self.path, self.final_path, replace=not self.exclusive)
            self.path, self.final_path = self.final_path, None

    def discard(self) -> None:
        """End of a transaction that failed: as if nothing had been written."""
        if self.final_path is not None:
            with suppress(OSError):
                self.close()
            with suppress(FileNotFoundError):
                self.fs.rm_file(self.path)
            self.final_path = None

    def close(self) -> None:
        """Flush and close."""
        if not self.closed:
            try:
                super().close()
            finally:
                self.fs.forget(self.path)


class ReadFile(_File, io.BufferedReader):
    """rb"""


class WriteFile(_File, io.BufferedWriter):
    """wb, ab, xb"""


class UpdateFile(_File, io.BufferedRandom):
    """r+b, w+b, a+b, x+b"""


class UnbufferedFile(_File, RawFile):
    """Any mode, with a block size of 0."""


AnyFile: TypeAlias = ReadFile | WriteFile | UpdateFile | UnbufferedFile


def open_file(
    fs: ParaphFileSystem, path: str, share: Share, name: str, mode: Mode, block: int, others: int
) -> AnyFile:
    """Open `name` on a share, which is `path` of the file system. `block`: bytes of the buffer, 0
    for none, below 0 for the usual. `others`: ShareAccess."""
    access = (READ_ACCESS if mode.readable else 0) | (WRITE_ACCESS if mode.writable else 0)
    tree, run = share._tree, share._driver.run
    request = requests.create(tree, name, access, mode.disposition, FILE, share=others)
    handle = run(open_handle(tree, request))
    file: AnyFile
    if block == 0:
        file = UnbufferedFile(handle, mode, run)
    else:
        kind = ReadFile if not mode.writable else UpdateFile if mode.readable else WriteFile
        file = kind(RawFile(handle, mode, run), block if block > 0 else BUFFER)
    file.fs, file.path, file.size = fs, path, handle.end_of_file
    file.exclusive = mode.disposition == CreateDisposition.CREATE
    return file


def read_range(tree: Tree, path: str, start: int | None, end: int | None) -> Steps[bytes]:
    """The bytes of a file that the slice start:end names. A few whose place is known take one round
    trip."""
    if start is not None and end is not None and 0 <= start < end <= start + _ONE_TRIP:
        answers = yield Compound(
            [
                requests.create(tree, path, READ_ACCESS, options=FILE),
                requests.read(tree, requests.SAME_FILE, start, end - start, bytes, path),
                requests.close(tree),
            ]
        )
        opened: CreateResponse = answers[0]
        data: bytes = answers[1] or b""
        if len(data) >= min(end, opened.end_of_file) - start:
            return data
    handle = yield from open_handle(tree, requests.create(tree, path, READ_ACCESS, options=FILE))
    return (yield from using(handle, _read_slice(handle, start, end)))


def _read_slice(handle: Handle, start: int | None, end: int | None) -> Steps[bytes]:
    first, last, _ = slice(start, end).indices(handle.end_of_file)
    data = bytearray(max(0, last - first))
    with memoryview(data) as view:
        count = yield from read_into(handle, first, view)
    del data[count:]
    return bytes(data)


def write_new(tree: Tree, path: str, fill: Fill, progress: Progress | None = None) -> Steps[int]:
    """Write what `fill` gives to a file that is not there yet: raises FileExistsError."""
    disposition = CreateDisposition.CREATE
    request = requests.create(tree, path, WRITE_ACCESS, disposition, FILE)
    handle = yield from open_handle(tree, request)
    return (yield from using(handle, write_pieces(handle, 0, fill, progress)))


def download(share: Share, name: str, local: Path, size: int, callback: Any) -> None:
    """Copy a file, of which its folder says that it has `size` bytes, to a local one, which is not
    touched before there is something to write to it. One that does not become whole is removed."""
    callback.absolute_update(0)
    if size > _ONE_TRIP:
        share._driver.run(_download(share._tree, name, local, callback.relative_update))
        return
    data = share.read_bytes(name)
    with _whole_or_removed(local) as file:
        file.write(data)
    callback.relative_update(len(data))


def _download(tree: Tree, name: str, local: Path, progress: Progress) -> Steps[None]:
    handle = yield from open_handle(tree, requests.create(tree, name, READ_ACCESS, options=FILE))
    yield from using(handle, _receive(handle, local, progress))


def _receive(handle: Handle, local: Path, progress: Progress) -> Steps[None]:
    size = handle.end_of_file
    with _whole_or_removed(local) as file:
        count = yield from read_pieces(handle, 0, size, put_into(file.fileno()), progress)
        if count < size:
            said = f"the file ends after {count} bytes, it had {size}"
            raise SMBError(errno.EIO, said, handle.path, NTStatus.END_OF_FILE)


@contextmanager
def _whole_or_removed(local: Path) -> Iterator[BinaryIO]:
    """A local file, emptied; removed when an exception says that it is not what it should be."""
    with local.open("wb") as file:
        try:
            yield file
            file.flush()
        except BaseException:
            if local.is_file():
                local.unlink()
            raise
