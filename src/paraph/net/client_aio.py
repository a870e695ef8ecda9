"""The client for event loops: the same operations, many at once on one connection.

    async with connect("smb://anna@server/data", password="...") as share:
        async for entry in share.scandir("letters"):
            print(entry.name, entry.stat().st_size)

An operation that is cancelled sends CANCEL, its late answer is dropped, and what it had opened is
closed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import wraps
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypeVar,
    cast,
)

from paraph.client import copy, listing, operations, rpc, transfer, watching
from paraph.client.connection import Connection
from paraph.client.errors import connect_error, timed_out
from paraph.client.files import Mode, check_text_arguments
from paraph.client.logon import log_off
from paraph.client.operation import Operation
from paraph.client.records import Change
from paraph.client.steps import Emit, Items, Step, Steps
from paraph.client.target import TIMEOUT, Target, make_target
from paraph.client.tree import ConnectionInfo, Tree, describe
from paraph.core.framing import FrameBuffer
from paraph.errors import Disconnect, SMBError
from paraph.net.aio_file import AsyncFile
from paraph.net.local_file import Destination, fill_from, local_file

if TYPE_CHECKING:
    from paraph.net.aio_paths import AsyncSMBPath

P = ParamSpec("P")
T = TypeVar("T")

_LOOKS = 8
"""Looks at the clock within one timeout: one timer serves all operations of a connection."""


@dataclass(slots=True)
class _Patience:
    """How long an operation may go without an answer, and since when it has."""

    timeout: float
    progress: int
    since: float


class ClientProtocol(asyncio.BufferedProtocol):
    """Carries bytes between a connection and its transport, and wakes who waits."""

    def __init__(self, connection: Connection, timeout: float | None) -> None:
        self.connection = connection
        self.timeout = timeout
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._buffer = FrameBuffer(connection.maximum_frame)
        self._patience: dict[Operation[Any], _Patience] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._interval = 0.0
        connection.run_elsewhere = self._run_elsewhere

    # Operations

    async def run(self, steps: Generator[Step | Emit[Any], Any, T]) -> T:
        """Run an operation to its end. Raises what it raises, and SMBTimeout."""
        operation = Operation(self.connection, steps)
        await self._until_settled(operation, self.timeout, operation.start)
        return operation.result()

    async def iterate(self, steps: Items[T], timeout: float | None) -> AsyncIterator[T]:
        """The items of an operation, one at a time."""
        operation = Operation(self.connection, steps)
        try:
            await self._until_settled(operation, timeout, operation.start)
            while operation.item is not None:
                yield operation.item.item
                await self._until_settled(operation, timeout, operation.resume)
            operation.result()
        finally:
            operation.cancel()
            self.flush()

    async def _until_settled(
        self, operation: Operation[Any], timeout: float | None, go_on: Callable[[], None]
    ) -> None:
        """Let an operation go on, and wait until it is done or has an item."""
        go_on()
        self.flush()
        if operation.settled:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settled() -> None:
            if not waiter.done():
                waiter.set_result(None)

        operation.on_settled = settled
        self._watch(operation, timeout)
        try:
            await waiter
        except BaseException:
            operation.cancel()
            self.flush()
            raise
        finally:
            operation.on_settled = None
            self._patience.pop(operation, None)
        if not operation.settled:
            operation.cancel()
            self.flush()
            raise timed_out(timeout or 0)

    def _run_elsewhere(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> None:
        future = asyncio.get_running_loop().run_in_executor(None, function)

        def finished(result: asyncio.Future[Any]) -> None:
            if result.cancelled():
                return
            error = result.exception()
            done(None if error is not None else result.result(), error)
            self.flush()

        future.add_done_callback(finished)

    # Time

    def _watch(self, operation: Operation[Any], timeout: float | None) -> None:
        if timeout is None:
            return
        loop = asyncio.get_running_loop()
        self._patience[operation] = _Patience(timeout, operation.progress, loop.time())
        interval = timeout / _LOOKS
        if self._timer is not None and interval < self._interval:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._interval = interval
            self._timer = loop.call_later(interval, self._look)

    def _look(self) -> None:
        """Wake those whose operation had no answer for too long; they cancel it."""
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        for operation, patience in list(self._patience.items()):
            if operation.progress != patience.progress:
                patience.progress, patience.since = operation.progress, now
            elif now - patience.since >= patience.timeout and operation.on_settled is not None:
                operation.on_settled()
        if self._patience:
            self._timer = loop.call_later(self._interval, self._look)

    # Bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.connection.lose(
            f"the connection broke: {error}" if error else "the server closed the connection"
        )
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.lost.done():
            self.lost.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer.writable()

    def buffer_updated(self, nbytes: int) -> None:
        connection, buffer = self.connection, self._buffer
        buffer.advance(nbytes)
        try:
            while connection.failure is None and (frame := buffer.next_frame()) is not None:
                connection.receive(*frame)
                buffer.maximum = connection.maximum_frame
        except Disconnect as error:
            connection.lose(f"the server sent what it must not: {error}")
        self.flush()

    def flush(self) -> None:
        """Send what there is to send; close when the connection has ended."""
        transport = self._transport
        if transport is None:
            return
        if self.connection.failure is not None:
            transport.abort()
        elif self.connection.has_outgoing:
            frames = self.connection.take_outgoing()
            if len(frames) == 1:
                transport.write(frames[0])
            elif sum(map(len, frames)) <= _JOIN_BELOW:
                transport.write(b"".join(frames))
            else:
                for frame in frames:
                    transport.write(frame)

    async def close(self) -> None:
        """End the connection; what is under way fails."""
        self.connection.lose("the connection is closed")
        self.flush()
        if self._transport is not None:
            await self.lost


_JOIN_BELOW = 64 << 10


# The share


def _awaiting(
    function: Callable[Concatenate[Tree, P], Steps[T]],
) -> Callable[Concatenate[AsyncShare, P], Coroutine[Any, Any, T]]:
    """The method of `AsyncShare` that runs an operation."""

    @wraps(function)
    async def method(self: AsyncShare, /, *arguments: P.args, **named: P.kwargs) -> T:
        return await self._protocol.run(function(self._tree, *arguments, **named))

    return method


def _iterating(
    function: Callable[Concatenate[Tree, P], Items[T]],
) -> Callable[Concatenate[AsyncShare, P], AsyncIteration[T]]:
    """The method of `AsyncShare` that hands out what an operation emits."""

    @wraps(function)
    def method(self: AsyncShare, /, *arguments: P.args, **named: P.kwargs) -> AsyncIteration[T]:
        steps = function(self._tree, *arguments, **named)
        return AsyncIteration(self._protocol.iterate(steps, self._protocol.timeout))

    return method


class AsyncIteration(Generic[T]):
    """An iterator that can be left early: `async with share.scandir() as entries: ...`."""

    def __init__(self, items: AsyncIterator[T]) -> None:
        self._items = items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def aclose(self) -> None:
        """End the operation behind it."""
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.aclose()


class AsyncShare:
    """`paraph.net.client_sync.Share` with awaitable methods: same names, same behaviour."""

    def __init__(self, protocol: ClientProtocol, tree: Tree) -> None:
        self._protocol = protocol
        self._tree = tree

    # Written once, in paraph.client: see there for what they do
    stat = _awaiting(operations.stat)
    exists = _awaiting(operations.exists)
    is_dir = _awaiting(operations.is_dir)
    is_file = _awaiting(operations.is_file)
    mkdir = _awaiting(operations.mkdir)
    makedirs = _awaiting(operations.makedirs)
    remove = _awaiting(operations.remove)
    unlink = _awaiting(operations.remove)
    rmdir = _awaiting(operations.rmdir)
    rmtree = _awaiting(operations.rmtree)
    rename = _awaiting(operations.rename)
    replace = _awaiting(operations.replace)
    copy = _awaiting(copy.copy)
    symlink = _awaiting(operations.symlink)
    readlink = _awaiting(operations.readlink)
    set_times = _awaiting(operations.set_times)
    attributes = _awaiting(operations.attributes)
    set_attributes = _awaiting(operations.set_attributes)
    security = _awaiting(operations.security)
    set_security = _awaiting(operations.set_security)
    disk_usage = _awaiting(operations.disk_usage)
    listdir = _awaiting(listing.listdir)
    read_bytes = _awaiting(transfer.read_bytes)
    write_bytes = _awaiting(transfer.write_bytes)
    read_text = _awaiting(transfer.read_text)
    write_text = _awaiting(transfer.write_text)
    shares = _awaiting(rpc.shares)
    echo = _awaiting(operations.echo)
    scandir = _iterating(listing.scandir)
    walk = _iterating(listing.walk)
    glob = _iterating(listing.glob)

    def watch(
        self, path: object = "", *, recursive: bool = True, timeout: float | None = None
    ) -> AsyncIteration[Change]:
        """See `Share.watch`."""
        steps = watching.watch(self._tree, path, recursive=recursive)
        return AsyncIteration(self._protocol.iterate(steps, timeout))

    def open(
        self,
        path: object,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening:
        """As `Share.open`: `async with share.open("a.txt") as file`, or `await share.open(...)`."""
        parsed = Mode.parse(mode)
        check_text_arguments(parsed, buffering, encoding, errors, newline)
        return Opening(self._open(path, parsed, buffering, encoding, errors, newline))

    async def _open(
        self,
        path: object,
        mode: Mode,
        buffering: int,
        encoding: str | None,
        errors: str | None,
        newline: str | None,
    ) -> AsyncFile:
        request = mode.request(self._tree, path)
        handle = await self._protocol.run(operations.open_handle(self._tree, request))
        return AsyncFile(handle, mode, self._protocol.run, buffering, encoding, errors, newline)

    async def download(
        self,
        path: object,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        offset: int = 0,
        progress: transfer.Progress | None = None,
    ) -> int:
        """See `Share.download`. The local file is written on the loop's thread."""
        with closing(Destination(target)) as local:
            steps = transfer.download(self._tree, path, local.put, offset=offset, progress=progress)
            size = await self._protocol.run(steps)
            local.finish(size)
            return size

    async def upload(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        path: object,
        *,
        offset: int = 0,
        progress: transfer.Progress | None = None,
    ) -> int:
        """See `Share.upload`. The local file is read on the loop's thread."""
        with local_file(source, "rb") as file:
            fill = fill_from(file.fileno())
            steps = transfer.upload(self._tree, path, fill, offset=offset, progress=progress)
            return await self._protocol.run(steps)

    def path(self, *parts: object) -> AsyncSMBPath:
        """A path object."""
        from paraph.net.aio_paths import AsyncSMBPath

        return AsyncSMBPath(self, *parts)

    def __truediv__(self, part: object) -> AsyncSMBPath:
        return self.path(part)

    # The connection

    @property
    def info(self) -> ConnectionInfo:
        """What was agreed with the server, whether it is signed, and why."""
        return describe(self._tree)

    @property
    def timeout(self) -> float | None:
        """Seconds without an answer after which an operation fails; None for never."""
        return self._protocol.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._protocol.timeout = seconds

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, for whatever reason."""
        return self._protocol.connection.failure is not None

    async def close(self) -> None:
        """Log off and disconnect; open files are closed by the server. Idempotent."""
        if not self.closed:
            with suppress(SMBError):
                await self._protocol.run(log_off(self._tree))
        await self._protocol.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncShare {self._tree.name!r} of {self._tree.connection.server}>"


class _Pending(Generic[T]):
    """Something that is awaited, or entered with `async with`."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._value: Any = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> T:
        self._value = await self._coroutine
        return cast(T, self._value)

    async def __aexit__(self, *details: object) -> None:
        await self._value.close()


class Opening(_Pending[AsyncFile]):
    """An `AsyncFile` to be."""


class Connecting(_Pending[AsyncShare]):
    """An `AsyncShare` to be."""


def connect(url: str, *, timeout: float | None = TIMEOUT, **options: Any) -> Connecting:
    """See `paraph.net.client_sync.connect`; `async with connect(...) as share`, or `await`."""
    return Connecting(connect_to(make_target(url, **options), timeout))


async def connect_to(target: Target, timeout: float | None) -> AsyncShare:
    """`connect`, once the target is made."""
    connection = target.connection()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            _, protocol = await loop.create_connection(
                lambda: ClientProtocol(connection, timeout), *target.address
            )
    except TimeoutError:
        raise timed_out(timeout or 0, str(target.location)) from None
    except OSError as error:
        raise connect_error(error, target.location.host) from error
    try:
        return AsyncShare(protocol, await protocol.run(target.establish(connection)))
    except BaseException:
        await protocol.close()
        raise
