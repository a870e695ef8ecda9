"""One TCP connection between an event loop and a `Connection` of the server.

An `asyncio.BufferedProtocol`: the kernel writes into the connection's own buffer, requests run at
once without a task, and all replies to what one wake-up brought go out together.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from paraph.core.framing import FrameBuffer
from paraph.errors import Disconnect

if TYPE_CHECKING:
    from paraph.net.server import Server
    from paraph.server.connection import Connection

_JOIN_BELOW = 16 << 10
"""Replies up to this many bytes are joined into one write."""

_FLUSH_AT = 1 << 20
"""Bytes of replies that are handed to the transport before the next request runs, so that it can
say stop: a peer that does not take its replies does not make us hold them."""


class ServerProtocol(asyncio.BufferedProtocol):
    """The glue; one per connection."""

    def __init__(self, owner: Server) -> None:
        self.owner = owner
        self.transport: asyncio.Transport | None = None
        self.connection: Connection | None = None
        self.buffer = FrameBuffer(0)
        self.address = ""  #: without the port
        self.connected_at = 0.0
        self.last_activity = 0.0
        self.half_open = False  #: counted by the owner as not logged on
        self.closing_since = 0.0  #: when the connection was dropped
        self._planned = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername") or ("?", 0)
        self.address = str(name[0])
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(sock)
        refusal = self.owner.admit(self)
        if refusal:
            self.owner.refuse(format_address(self.address, name[1]), refusal)
            self.transport.abort()
            return
        self.transport.set_write_buffer_limits(self.owner.settings.limits.queued_reply_bytes)
        self.connection = self.owner.smb.connect(format_address(self.address, name[1]))
        self.connection.wake = self._plan
        self.buffer.maximum = self.connection.maximum_frame
        self.connected_at = self.last_activity = self.owner.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        self.owner.forget(self)
        if self.connection is not None:
            self.owner.smb.disconnect(self.connection)
            self.connection.wake = lambda: None
            self.connection = None
        self.transport = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer.writable()

    def buffer_updated(self, nbytes: int) -> None:
        self.buffer.advance(nbytes)
        self.process()

    def process(self) -> None:
        """Run every complete request in the buffer, then send the replies."""
        connection, buffer = self.connection, self.buffer
        if connection is None:
            return
        self.last_activity = self.owner.monotonic()
        try:
            while connection.dropped is None and not self._held:
                frame = buffer.next_frame()
                if frame is None:
                    break
                connection.receive(*frame)
                buffer.maximum = connection.maximum_frame
                if connection.queued >= _FLUSH_AT:
                    self.flush()
        except Disconnect as error:
            connection.drop(str(error))
        if self.half_open and connection.authenticated:
            self.owner.logged_on(self)
        self.flush()
        self._read_or_wait()

    @property
    def _held(self) -> bool:
        """No further request is to be run now."""
        return self._paused or (self.connection is not None and self.connection.throttled)

    def _read_or_wait(self) -> None:
        """While requests are held, the peer's bytes stay in the kernel and slow the peer down."""
        transport = self.transport
        if transport is None or transport.is_closing() or transport.is_reading() is not self._held:
            return
        if self._held:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def pause_writing(self) -> None:
        """The peer takes its replies too slowly: stop reading requests."""
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._plan()

    def _plan(self) -> None:
        """Something came up outside `process`: look at it at the end of this turn of the loop."""
        if not self._planned:
            self._planned = True
            self.owner.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._planned = False
        self.process()

    def flush(self) -> None:
        """Write what the connection has to say, and close it if that was the end."""
        connection, transport = self.connection, self.transport
        if connection is None or transport is None:
            return
        frames = connection.outgoing
        if frames and not transport.is_closing():
            connection.outgoing = []
            connection.queued = 0
            if len(frames) == 1:
                transport.write(frames[0])
            else:
                self._write_many(transport, frames)
        if connection.dropped is not None and not transport.is_closing():
            self.closing_since = self.owner.monotonic()
            transport.close()

    def abort(self) -> None:
        """Close without waiting for the peer to take what is left."""
        if self.transport is not None:
            self.transport.abort()

    @staticmethod
    def _write_many(transport: asyncio.Transport, frames: list[bytearray]) -> None:
        small = bytearray()
        for frame in frames:
            if len(frame) <= _JOIN_BELOW:
                small += frame
                continue
            if small:
                transport.write(small)
                small = bytearray()
            transport.write(frame)
        if small:
            transport.write(small)


def keep_alive(sock: socket.socket) -> None:
    """Find out within minutes that the peer's machine is gone, whose opens and locks stay until
    then."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def format_address(host: str, port: int) -> str:
    """host:port, with brackets around IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
