"""Files as Python has them: what `open` makes of a mode, and the raw file under its buffers."""

from __future__ import annotations

import io
import os
from collections.abc import Generator
from dataclasses import dataclass
from typing import IO, Any, Protocol, TypeVar

from paraph.client import operations, requests, transfer
from paraph.client.steps import Request, Step
from paraph.client.tree import Handle, Tree
from paraph.wire.smb2.create import CreateDisposition

T = TypeVar("T")

BUFFER = 256 << 10
"""Bytes of a buffered file's buffer, if the caller does not say."""

_DISPOSITIONS = {
    "r": CreateDisposition.OPEN,
    "w": CreateDisposition.OVERWRITE_IF,
    "a": CreateDisposition.OPEN_IF,
    "x": CreateDisposition.CREATE,
}


class Run(Protocol):
    """How a driver runs an operation to its end."""

    def __call__(self, steps: Generator[Step, Any, T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode of `open`, understood."""

    text: str
    readable: bool
    writable: bool
    appending: bool
    binary: bool
    disposition: int

    @classmethod
    def parse(cls, text: str) -> Mode:
        """Raises ValueError for what `open` does not know either."""
        letters = set(text)
        actions = letters & _DISPOSITIONS.keys()
        if len(letters) != len(text) or letters - set("rwaxbt+") or len(actions) != 1:
            raise ValueError(f"invalid mode: {text!r}")
        if letters >= {"b", "t"}:
            raise ValueError("can't have text and binary mode at once")
        (action,) = actions
        both = "+" in letters
        return cls(
            text,
            both or action == "r",
            both or action != "r",
            action == "a",
            "b" in letters,
            _DISPOSITIONS[action],
        )

    def request(self, tree: Tree, path: object) -> Request:
        """The CREATE."""
        access = transfer.READ_ACCESS if self.readable else 0
        if self.writable:
            access |= transfer.WRITE_ACCESS
        return requests.create(tree, path, access, self.disposition, transfer.FILE)


def check_text_arguments(
    mode: Mode, buffering: int, encoding: str | None, errors: str | None, newline: str | None
) -> None:
    """What the built-in `open` refuses, too. Raises ValueError."""
    if mode.binary:
        for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError(f"binary mode doesn't take an {name} argument")
        if buffering == 1:
            raise ValueError("line buffering is for text mode")
    elif buffering == 0:
        raise ValueError("can't have unbuffered text I/O")


class RawFile(io.RawIOBase):
    """An open file on a share, unbuffered; positions and sizes are bytes. It belongs to the share
    that opened it, and to one thread at a time."""

    def __init__(self, handle: Handle, mode: Mode, run: Run) -> None:
        self._handle = handle
        self._mode = mode
        self._run = run
        self._position = handle.end_of_file if mode.appending else 0

    @property
    def name(self) -> str:
        return self._handle.path

    @property
    def mode(self) -> str:
        return self._mode.text

    def readable(self) -> bool:
        return self._mode.readable

    def writable(self) -> bool:
        return self._mode.writable

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._check(self._mode.readable, "readable")
        with memoryview(buffer) as view, view.cast("B") as target:
            count = self._run(transfer.read_into(self._handle, self._position, target))
        self._position += count
        return count

    def readall(self) -> bytes:
        self._check(self._mode.readable, "readable")
        data = self._run(transfer.read_all(self._handle, self._position))
        self._position += len(data)
        return data

    def write(self, buffer: Any, /) -> int:
        self._check(self._mode.writable, "writable")
        if self._mode.appending:
            self._position = self._run(transfer.file_size(self._handle))
        with memoryview(buffer) as view, view.cast("B") as data:
            count = self._run(transfer.write(self._handle, self._position, data))
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._check(True, "")
        base = 0
        if whence == os.SEEK_CUR:
            base = self._position
        elif whence == os.SEEK_END:
            base = self._run(transfer.file_size(self._handle))
        elif whence != os.SEEK_SET:
            raise ValueError(f"invalid whence: {whence}")
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        self._check(True, "")
        return self._position

    def truncate(self, size: int | None = None, /) -> int:
        self._check(self._mode.writable, "writable")
        return self._run(transfer.truncate(self._handle, self._position if size is None else size))

    def sync(self) -> None:
        """Have the server put on stable storage what was written (os.fsync). Flush first."""
        self._check(True, "")
        self._run(transfer.flush(self._handle))

    def lock(
        self,
        offset: int = 0,
        length: int = transfer.WHOLE_FILE,
        *,
        exclusive: bool = True,
        wait: bool = False,
    ) -> None:
        """Lock bytes against other handles; BlockingIOError when some are and not `wait`."""
        self._check(True, "")
        self._run(transfer.lock(self._handle, offset, length, exclusive=exclusive, wait=wait))

    def unlock(self, offset: int = 0, length: int = transfer.WHOLE_FILE) -> None:
        """Give back a lock, named exactly as it was taken."""
        self._check(True, "")
        self._run(transfer.unlock(self._handle, offset, length))

    def close(self) -> None:
        if not self.closed:
            try:
                self._run(operations.close(self._handle))
            finally:
                super().close()

    def _check(self, allowed: bool, what: str) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if not allowed:
            raise io.UnsupportedOperation(f"not {what}")


def wrap(
    raw: RawFile,
    mode: Mode,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> IO[Any]:
    """The buffers that the built-in `open` would put around a raw file."""
    if buffering == 0:
        return raw  # type: ignore[return-value]
    size = BUFFER if buffering in (-1, 1) else buffering
    buffered: io.BufferedReader | io.BufferedWriter | io.BufferedRandom
    if mode.readable and mode.writable:
        buffered = io.BufferedRandom(raw, size)
    elif mode.writable:
        buffered = io.BufferedWriter(raw, size)
    else:
        buffered = io.BufferedReader(raw, size)
    if mode.binary:
        return buffered
    return io.TextIOWrapper(
        buffered, encoding or "utf-8", errors, newline, line_buffering=buffering == 1
    )
