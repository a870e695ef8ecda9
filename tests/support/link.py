"""How a test's client reaches a server: in memory (`world.MemoryLink`) or through a socket."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod


class Dropped(Exception):
    """The server ended the connection. The message is its reason, where the test can know it."""


class NoReply(Exception):
    """The server has nothing more to say for now."""


class Link(ABC):
    """A byte stream of frames."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Raw bytes, of the transport's header too. Raises nothing when the server has gone."""

    @abstractmethod
    def read(self) -> bytes:
        """The next whole frame, with its header. Raises Dropped or NoReply."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether the server has ended the connection, and nothing of it is left to be read."""

    @abstractmethod
    def close(self) -> None:
        """End it from this side."""


class SocketLink(Link):
    """A TCP connection, blocking; `read` waits for `patience` seconds."""

    def __init__(self, host: str, port: int, patience: float = 10.0) -> None:
        self.socket = socket.create_connection((host, port), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._closed = False

    def write(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self._closed = True

    def read(self) -> bytes:
        self._need(4)
        length = 4 + int.from_bytes(self._buffer[1:4], "big")
        self._need(length)
        frame = bytes(self._buffer[:length])
        del self._buffer[:length]
        return frame

    def _need(self, count: int) -> None:
        while len(self._buffer) < count:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            except TimeoutError:
                raise NoReply from None
            if not data:
                self._closed = True
                raise Dropped
            self._buffer += data

    @property
    def closed(self) -> bool:
        if not self._closed and not self._buffer:
            try:
                self._need(1)
            except (Dropped, NoReply):
                pass
        return self._closed and not self._buffer

    def close(self) -> None:
        self.socket.close()
