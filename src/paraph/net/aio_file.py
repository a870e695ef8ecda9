"""Files of the asynchronous client: the interface of Python's files with awaitable methods.

Binary and text files are one class. A file has a buffer for reading or one for writing, never both
at once; what is written is on the server after `flush`, `seek`, `truncate`, a read or `close`.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from paraph.client import operations, transfer
from paraph.client.files import BUFFER, Mode
from paraph.client.steps import Step
from paraph.client.tree import Handle

T = TypeVar("T")


class Run(Protocol):
    """How the driver runs an operation."""

    def __call__(self, steps: Generator[Step, Any, T], /) -> Coroutine[Any, Any, T]: ...


class AsyncFile:
    """An open file. One task at a time may use it."""

    def __init__(
        self,
        handle: Handle,
        mode: Mode,
        run: Run,
        buffering: int,
        encoding: str | None,
        errors: str | None,
        newline: str | None,
    ) -> None:
        self._handle = handle
        self._mode = mode
        self._run = run
        self._size = BUFFER if buffering in (-1, 1) else buffering
        self._position = handle.end_of_file if mode.appending else 0  # of the buffer's end
        self._ahead = b""  # read from the server, and not yet handed out
        self._behind = bytearray()  # handed in, and not yet written
        self._line_buffering = buffering == 1
        self._newline = newline
        self.encoding = None if mode.binary else encoding or "utf-8"
        self.errors = None if mode.binary else errors or "strict"
        if self.encoding is not None:
            codecs.lookup(self.encoding)
        self.closed = False

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

    # Bytes

    async def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the file goes; how many bytes."""
        self._check(self._mode.readable, "readable")
        self._check_binary()
        with memoryview(buffer) as view, view.cast("B") as target:
            return await self._readinto(target)

    async def _readinto(self, target: memoryview) -> int:
        await self._write_behind()
        taken = min(len(target), len(self._ahead))
        target[:taken] = self._ahead[:taken]
        self._ahead = self._ahead[taken:]
        if taken < len(target):
            steps = transfer.read_into(self._handle, self._position, target[taken:])
            count = await self._run(steps)
            self._position += count
            taken += count
        return taken

    async def _read_bytes(self, size: int) -> bytes:
        if size < 0:
            await self._write_behind()
            rest = await self._run(transfer.read_all(self._handle, self._position))
            self._position += len(rest)
            data, self._ahead = self._ahead + rest, b""
            return data
        if size < self._size and len(self._ahead) < size:
            await self._fill()
        block = bytearray(size)
        with memoryview(block) as view:
            count = await self._readinto(view)
        del block[count:]
        return bytes(block)

    async def _fill(self) -> bool:
        """One more buffer full behind what is there; False at the end of the file."""
        await self._write_behind()
        block = bytearray(max(self._size, 1))
        with memoryview(block) as view:
            count = await self._run(transfer.read_into(self._handle, self._position, view))
        self._position += count
        self._ahead += block[:count]
        return count > 0

    async def _line(self) -> bytes:
        """Up to and with the next line feed."""
        self._check(self._mode.readable, "readable")
        start = 0
        while (end := self._ahead.find(b"\n", start)) < 0:
            start = len(self._ahead)
            if not await self._fill():
                end = len(self._ahead) - 1
                break
        line, self._ahead = self._ahead[: end + 1], self._ahead[end + 1 :]
        return line

    async def _write_bytes(self, data: bytes | bytearray | memoryview) -> None:
        self._check(self._mode.writable, "writable")
        self._drop_ahead()
        self._behind += data
        if len(self._behind) >= self._size:
            await self._write_behind()

    async def _write_behind(self) -> None:
        if self._behind:
            data, self._behind = self._behind, bytearray()
            if self._mode.appending:
                self._position = await self._run(transfer.file_size(self._handle))
            with memoryview(data) as view:
                await self._run(transfer.write(self._handle, self._position, view))
            self._position += len(data)

    def _drop_ahead(self) -> None:
        self._position -= len(self._ahead)
        self._ahead = b""

    # The interface of files

    async def read(self, size: int = -1) -> Any:
        """Bytes, or text of a text file: `size` bytes or characters, fewer only at the end."""
        self._check(self._mode.readable, "readable")
        if self.encoding is None:
            return await self._read_bytes(size)
        if size < 0:
            return self._text(await self._read_bytes(-1))
        return await self._read_characters(size)

    async def _read_characters(self, size: int) -> str:
        assert self.encoding is not None
        decoder = codecs.getincrementaldecoder(self.encoding)(self.errors or "strict")
        text = ""
        while len(text) < size:
            # One byte at a time at the end of a character that is longer than it looks.
            data = await self._read_bytes(max(1, size - len(text)))
            text += self._universal(decoder.decode(data, not data))
            if not data:
                break
        return text

    async def readline(self) -> Any:
        """The next line with its end; empty at the end of the file."""
        line = await self._line()
        return line if self.encoding is None else self._text(line)

    async def readlines(self) -> list[Any]:
        """All lines from here on."""
        return [line async for line in self]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def write(self, data: Any) -> int:
        """Bytes, or text of a text file; how many of them: always all."""
        if self.encoding is None:
            with memoryview(data) as view, view.cast("B") as raw:
                await self._write_bytes(raw)
                return len(raw)
        if not isinstance(data, str):
            raise TypeError(f"write() argument must be str, not {type(data).__name__}")
        text = data
        if self._newline not in (None, "", "\n"):
            text = text.replace("\n", self._newline or "\n")
        await self._write_bytes(text.encode(self.encoding, self.errors or "strict"))
        if self._line_buffering and "\n" in data:
            await self._write_behind()
        return len(data)

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte; its position."""
        self._check(True, "")
        await self._write_behind()
        self._drop_ahead()
        base = 0
        if whence == os.SEEK_CUR:
            base = self._position
        elif whence == os.SEEK_END:
            base = await self._run(transfer.file_size(self._handle))
        elif whence != os.SEEK_SET:
            raise ValueError(f"invalid whence: {whence}")
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Where the next byte is read or written."""
        self._check(True, "")
        return self._position - len(self._ahead) + len(self._behind)

    async def truncate(self, size: int | None = None) -> int:
        """Make the file `size` bytes long, or as long as the position says."""
        self._check(self._mode.writable, "writable")
        await self._write_behind()
        wanted = self.tell() if size is None else size
        self._drop_ahead()
        return await self._run(transfer.truncate(self._handle, wanted))

    async def flush(self) -> None:
        """Send what was written."""
        self._check(True, "")
        await self._write_behind()

    async def sync(self) -> None:
        """`flush`, and have the server put it on stable storage."""
        await self.flush()
        await self._run(transfer.flush(self._handle))

    async def lock(
        self,
        offset: int = 0,
        length: int = transfer.WHOLE_FILE,
        *,
        exclusive: bool = True,
        wait: bool = False,
    ) -> None:
        """See `RawFile.lock`."""
        self._check(True, "")
        await self._run(transfer.lock(self._handle, offset, length, exclusive=exclusive, wait=wait))

    async def unlock(self, offset: int = 0, length: int = transfer.WHOLE_FILE) -> None:
        """See `RawFile.unlock`."""
        self._check(True, "")
        await self._run(transfer.unlock(self._handle, offset, length))

    async def close(self) -> None:
        """Write what is left, and close. Idempotent."""
        if self.closed:
            return
        self.closed = True
        try:
            await self._write_behind()
        except BaseException:
            self._handle.discard()
            raise
        await self._run(operations.close(self._handle))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # Text

    def _text(self, data: bytes) -> str:
        assert self.encoding is not None
        return self._universal(data.decode(self.encoding, self.errors or "strict"))

    def _universal(self, text: str) -> str:
        """Line ends as \\n, unless `newline` says to leave them alone."""
        if self._newline is None:
            return text.replace("\r\n", "\n").replace("\r", "\n")
        return text

    def _check(self, allowed: bool, what: str) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if not allowed:
            raise io.UnsupportedOperation(f"not {what}")

    def _check_binary(self) -> None:
        if self.encoding is not None:
            raise io.UnsupportedOperation("a text file has no readinto")
