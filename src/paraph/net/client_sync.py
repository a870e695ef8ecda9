"""The client for programs that wait: a blocking socket under a `Connection`.

    with connect("smb://anna@server/data", password="...") as share:
        for entry in share.scandir("letters"):
            print(entry.name, entry.stat().st_size)

A share may be used by several threads; one operation runs at a time.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from functools import wraps
from types import TracebackType
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypeVar,
)

from paraph.client import copy, listing, operations, rpc, transfer, watching
from paraph.client.connection import Connection
from paraph.client.errors import connect_error, timed_out
from paraph.client.files import Mode, RawFile, check_text_arguments, wrap
from paraph.client.logon import log_off
from paraph.client.operation import Operation
from paraph.client.records import Change
from paraph.client.steps import Emit, Items, Step, Steps
from paraph.client.target import TIMEOUT, Target, make_target
from paraph.client.tree import ConnectionInfo, Tree, describe
from paraph.core.framing import FrameBuffer
from paraph.errors import Disconnect, SMBError
from paraph.net.local_file import Destination, fill_from, local_file

if TYPE_CHECKING:
    from paraph.net.paths import SMBPath

P = ParamSpec("P")
T = TypeVar("T")

_NO_WAIT = getattr(socket, "MSG_DONTWAIT", 0)


class Driver:
    """Carries bytes between a connection and its socket while an operation waits."""

    def __init__(self, sock: socket.socket, connection: Connection, timeout: float | None) -> None:
        self.connection = connection
        self.timeout = timeout  #: seconds without an answer; None: wait for ever
        self._socket = sock
        self._buffer = FrameBuffer(connection.maximum_frame)
        self._lock = threading.RLock()
        self._set_timeout: float | None = -1.0

    def run(self, steps: Generator[Step | Emit[Any], Any, T]) -> T:
        """Run an operation to its end. Raises what it raises, and SMBTimeout."""
        with self._lock:
            operation = Operation(self.connection, steps)
            operation.start()
            self._carry(operation, self.timeout)
            return operation.result()

    def iterate(self, steps: Items[T], timeout: float | None) -> Iterator[T]:
        """The items of an operation, one at a time; other operations may run in between."""
        operation = Operation(self.connection, steps)
        try:
            with self._lock:
                operation.start()
            while True:
                with self._lock:
                    self._carry(operation, timeout)
                    if operation.item is None:
                        operation.result()
                        return
                yield operation.item.item
                with self._lock:
                    operation.resume()
        finally:
            with self._lock:
                operation.cancel()
                self._flush()

    def close(self) -> None:
        """Close the socket; what is under way fails."""
        with self._lock:
            self.connection.lose("the connection is closed")
            self._socket.close()

    # Bytes

    def _carry(self, operation: Operation[Any], timeout: float | None) -> None:
        """Send and receive until there is something to say about `operation`."""
        try:
            self._flush()
            if operation.settled:
                return
            self._apply(timeout)
            limit = None if timeout is None else time.monotonic() + timeout
            progress = operation.progress
            while not operation.settled:
                arrived = self._receive()
                self._flush()
                if operation.settled or timeout is None:
                    continue
                if operation.progress != progress:
                    progress = operation.progress
                    limit = time.monotonic() + timeout
                elif not arrived or (limit is not None and time.monotonic() > limit):
                    operation.cancel()
                    self._flush()
                    raise timed_out(timeout)
        except Exception:
            operation.cancel()
            raise
        except BaseException:  # such as Ctrl-C, perhaps in the middle of a frame
            self.connection.lose("the client was interrupted")
            raise
        finally:
            if self.connection.failure is not None:
                self._socket.close()

    def _apply(self, timeout: float | None) -> None:
        """Let the kernel end a receive that takes too long: cheaper than polling before each."""
        if timeout == self._set_timeout:
            return
        seconds = timeout or 0.0
        if sys.platform == "win32":
            value = struct.pack("I", int(seconds * 1000))
        else:
            value = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._set_timeout = timeout

    def _receive(self, flags: int = 0) -> bool:
        """Take what has come, or wait for it; False when nothing came in time."""
        connection, buffer = self.connection, self._buffer
        try:
            count = self._socket.recv_into(buffer.writable(), 0, flags)
        except (BlockingIOError, TimeoutError):
            return False
        except InterruptedError:
            return True
        except OSError as error:
            connection.lose(f"the connection broke: {error.strerror or error}")
            return True
        if not count:
            connection.lose("the server closed the connection")
            return True
        buffer.advance(count)
        try:
            while connection.failure is None and (frame := buffer.next_frame()) is not None:
                connection.receive(*frame)
                buffer.maximum = connection.maximum_frame
        except Disconnect as error:
            connection.lose(f"the server sent what it must not: {error}")
        return True

    def _flush(self) -> None:
        """Send everything. While the server does not take it, take what the server sends: it may
        be waiting for just that."""
        while self.connection.has_outgoing and self.connection.failure is None:
            frames = self.connection.take_outgoing()
            data = frames[0] if len(frames) == 1 else _joined(frames)
            for frame in [data] if not isinstance(data, list) else data:
                if not self._send(frame):
                    return

    def _send(self, frame: bytearray) -> bool:
        view = memoryview(frame)
        while view:
            try:
                view = view[self._socket.send(view, _NO_WAIT) :]
            except BlockingIOError:
                if not self._wait_for_room():
                    return False
            except InterruptedError:
                continue
            except OSError as error:
                # What the server said last may still be readable, and says more than this error.
                while self.connection.failure is None and self._receive(_NO_WAIT):
                    pass
                self.connection.lose(f"the connection broke: {error.strerror or error}")
                return False
        return True

    def _wait_for_room(self) -> bool:
        """Until the socket takes more, receiving meanwhile; False when the connection ended."""
        events = _ready(self._socket, self.timeout)
        if events & _READABLE:
            self._receive(_NO_WAIT)
        elif not events:
            self.connection.lose("the server does not take what is sent to it")
        return self.connection.failure is None


_READABLE, _WRITABLE = 1, 2


def _ready(sock: socket.socket, timeout: float | None) -> int:
    """Wait until the socket can be read or written; 0 when neither comes in time."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLOUT)
        found = poll.poll(None if timeout is None else timeout * 1000)
        events = found[0][1] if found else 0
        other = events & ~(select.POLLIN | select.POLLOUT)  # an error: reading will tell
        return (_READABLE if events & select.POLLIN or other else 0) | (
            _WRITABLE if events & select.POLLOUT else 0
        )
    readable, writable, _ = select.select([sock], [sock], [], timeout)
    return (_READABLE if readable else 0) | (_WRITABLE if writable else 0)


_JOIN_BELOW = 64 << 10


def _joined(frames: list[bytearray]) -> bytearray | list[bytearray]:
    """Small frames as one, to be sent by one call."""
    if sum(map(len, frames)) > _JOIN_BELOW:
        return frames
    whole = bytearray()
    for frame in frames:
        whole += frame
    return whole


# The share


def _blocking(
    function: Callable[Concatenate[Tree, P], Steps[T]],
) -> Callable[Concatenate[Share, P], T]:
    """The method of `Share` that runs an operation and waits for its end."""

    @wraps(function)
    def method(self: Share, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self._driver.run(function(self._tree, *arguments, **named))

    return method


def _iterating(
    function: Callable[Concatenate[Tree, P], Items[T]],
) -> Callable[Concatenate[Share, P], Iteration[T]]:
    """The method of `Share` that hands out what an operation emits."""

    @wraps(function)
    def method(self: Share, /, *arguments: P.args, **named: P.kwargs) -> Iteration[T]:
        steps = function(self._tree, *arguments, **named)
        return Iteration(self._driver.iterate(steps, self._driver.timeout))

    return method


class Iteration(Generic[T]):
    """An iterator that can be left early: `with share.scandir() as entries: ...`, or `close()`."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return next(self._items)

    def close(self) -> None:
        """End the operation behind it."""
        if isinstance(self._items, Generator):
            self._items.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


class Share:
    """A share of a server, on a connection of its own. Paths are relative to it (or to the folder
    that the URL named); they are text, pathlib paths or `SMBPath`s, and slashes separate.

    Everything raises SMBError, which is an OSError with errno, path and NT status.
    """

    def __init__(self, driver: Driver, tree: Tree) -> None:
        self._driver = driver
        self._tree = tree

    # Written once, in paraph.client: see there for what they do
    stat = _blocking(operations.stat)
    exists = _blocking(operations.exists)
    is_dir = _blocking(operations.is_dir)
    is_file = _blocking(operations.is_file)
    mkdir = _blocking(operations.mkdir)
    makedirs = _blocking(operations.makedirs)
    remove = _blocking(operations.remove)
    unlink = _blocking(operations.remove)
    rmdir = _blocking(operations.rmdir)
    rmtree = _blocking(operations.rmtree)
    rename = _blocking(operations.rename)
    replace = _blocking(operations.replace)
    copy = _blocking(copy.copy)
    symlink = _blocking(operations.symlink)
    readlink = _blocking(operations.readlink)
    set_times = _blocking(operations.set_times)
    attributes = _blocking(operations.attributes)
    set_attributes = _blocking(operations.set_attributes)
    security = _blocking(operations.security)
    set_security = _blocking(operations.set_security)
    disk_usage = _blocking(operations.disk_usage)
    listdir = _blocking(listing.listdir)
    read_bytes = _blocking(transfer.read_bytes)
    write_bytes = _blocking(transfer.write_bytes)
    read_text = _blocking(transfer.read_text)
    write_text = _blocking(transfer.write_text)
    shares = _blocking(rpc.shares)
    echo = _blocking(operations.echo)
    scandir = _iterating(listing.scandir)
    walk = _iterating(listing.walk)
    glob = _iterating(listing.glob)

    def watch(
        self, path: object = "", *, recursive: bool = True, timeout: float | None = None
    ) -> Iteration[Change]:
        """Changes in a folder as they happen, without end; SMBTimeout when none comes for `timeout`
        seconds. Raises OSError (EOPNOTSUPP) when the server does not tell."""
        steps = watching.watch(self._tree, path, recursive=recursive)
        return Iteration(self._driver.iterate(steps, timeout))

    def open(
        self,
        path: object,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """As the built-in `open`: a raw, buffered or text file (UTF-8 if nothing is said)."""
        parsed = Mode.parse(mode)
        check_text_arguments(parsed, buffering, encoding, errors, newline)
        request = parsed.request(self._tree, path)
        handle = self._driver.run(operations.open_handle(self._tree, request))
        raw = RawFile(handle, parsed, self._driver.run)
        return wrap(raw, parsed, buffering, encoding, errors, newline)

    def download(
        self,
        path: object,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        offset: int = 0,
        progress: transfer.Progress | None = None,
    ) -> int:
        """Copy a file of the share to a local one (a path, or an open binary file with a file
        descriptor), from `offset` on; its size. `progress` is called with each number of bytes that
        came. After an exception the local file holds no more than a part."""
        with closing(Destination(target)) as local:
            steps = transfer.download(self._tree, path, local.put, offset=offset, progress=progress)
            size = self._driver.run(steps)
            local.finish(size)
            return size

    def upload(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        path: object,
        *,
        offset: int = 0,
        progress: transfer.Progress | None = None,
    ) -> int:
        """Copy a local file to the share, from `offset` on; its size."""
        with local_file(source, "rb") as file:
            fill = fill_from(file.fileno())
            steps = transfer.upload(self._tree, path, fill, offset=offset, progress=progress)
            return self._driver.run(steps)

    def path(self, *parts: object) -> SMBPath:
        """A path object."""
        from paraph.net.paths import SMBPath

        return SMBPath(self, *parts)

    def __truediv__(self, part: object) -> SMBPath:
        return self.path(part)

    # The connection

    @property
    def info(self) -> ConnectionInfo:
        """What was agreed with the server, whether it is signed, and why."""
        return describe(self._tree)

    @property
    def timeout(self) -> float | None:
        """Seconds without an answer after which an operation fails; None for never."""
        return self._driver.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._driver.timeout = seconds

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, for whatever reason."""
        return self._driver.connection.failure is not None

    def close(self) -> None:
        """Log off and disconnect; open files are closed by the server. Idempotent."""
        if not self.closed:
            with suppress(SMBError):
                self._driver.run(log_off(self._tree))
            self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Share {self._tree.name!r} of {self._tree.connection.server}>"


def connect(
    url: str, *, timeout: float | None = TIMEOUT, sock: socket.socket | None = None, **options: Any
) -> Share:
    r"""Connect to a share: smb://[domain;][user@]host[:port]/share[/folder] or \\host\share.

    Without a share in it only `shares` and `info` are of use. `timeout`: seconds that the server
    may take for an answer (a long transfer takes as long as it takes). `sock`: a connected socket
    to use. `options`: user, password, domain, nt_hash, ccache, keytab, kerberos, policy, settings,
    and the fields of `ClientSettings`: see `paraph.client.target.make_target`.

    Raises SMBError: of it PolicyRefused when our own policy says no, SecurityViolation when the
    server, or somebody on the way, breaks a rule; UserError for arguments that make no sense.
    """
    return connect_to(make_target(url, **options), timeout, sock)


def connect_to(target: Target, timeout: float | None, sock: socket.socket | None = None) -> Share:
    """`connect`, once the target is made."""
    if sock is None:
        sock = _open_socket(target, timeout)
    sock.settimeout(None)
    connection = target.connection()
    driver = Driver(sock, connection, timeout)
    try:
        return Share(driver, driver.run(target.establish(connection)))
    except BaseException:
        driver.close()
        raise


def _open_socket(target: Target, timeout: float | None) -> socket.socket:
    try:
        sock = socket.create_connection(target.address, timeout)
    except TimeoutError:
        raise timed_out(timeout or 0, str(target.location)) from None
    except OSError as error:
        raise connect_error(error, target.location.host) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
