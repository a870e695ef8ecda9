"""What the tests of sockets and event loops share."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from paraph.net.platform import new_event_loop
from paraph.net.server import Server
from paraph.net.tcp import ServerProtocol
from paraph.policy.settings import Policy
from paraph.storage.memory import MemoryBackend, MemoryHandle
from paraph.wire.smb2.header import Command
from tests.support.link import SocketLink
from tests.support.peer import Logon, Offer, Peer, read_body
from tests.support.world import PASSWORD, USER

UNPROTECTED = Policy(server_always=False, server_if_client_agrees=False)
ACCOUNTS = {USER: PASSWORD}
MIB = 1 << 20

new_event_loop().close()  # libuv's first loop opens two descriptors for good


def make_server(files: dict[str, bytes] | None = None, shares: Any = None, **fields: Any) -> Server:
    """A server of one share in memory, which asks for no signatures."""
    fields.setdefault("policy", UNPROTECTED)
    if shares is None:
        shares = {"data": MemoryBackend({"file": b"content"} if files is None else files)}
    return Server(shares, ACCOUNTS, **fields)


class Caller:
    """A client that is logged on, over TCP."""

    def __init__(
        self, server: Server, link: SocketLink | None = None, credits: int = 64, **offer: Any
    ) -> None:
        offer.setdefault("dialects", [0x0302])
        self.link = link or SocketLink("127.0.0.1", server.port)
        self.peer = Peer(self.link, Offer(**offer))
        self.peer.negotiate()
        self.logon: Logon = self.peer.logon()
        self.tree = self.peer.tree(self.logon)
        while self.peer.credits < credits:
            self.peer.echo(self.logon, credits=512)

    def open(self, path: str = "file") -> tuple[int, int]:
        return self.peer.create(self.logon, self.tree, path)

    def read(self, file: tuple[int, int], length: int, offset: int = 0) -> bytes:
        return self.peer.read(self.logon, self.tree, file, length, offset)

    def post_read(self, file: tuple[int, int], length: int, offset: int = 0) -> None:
        """READ without waiting for its reply."""
        charge = max(1, -(-length // 65536))
        body = read_body(file, length, offset)
        self.peer.post(Command.READ, body, self.logon, self.tree, charge=charge)

    def close(self) -> None:
        self.link.close()


@contextmanager
def calling(server: Server, **fields: Any) -> Iterator[Caller]:
    caller = Caller(server, **fields)
    try:
        yield caller
    finally:
        caller.close()


class SlowHandle(MemoryHandle):
    """Its reads need a disk, and that takes until `gate` is opened; see `slow_disk`."""

    gate = threading.Event()
    begun = threading.Event()

    def read_now(self, buffer: memoryview, offset: int) -> int:
        return -1

    def read_into(self, buffer: memoryview, offset: int) -> int:
        self.begun.set()
        assert self.gate.wait(20)
        return super().read_into(buffer, offset)


class SlowBackend(MemoryBackend):
    """A share of `SlowHandle`."""

    handles_at_close: int | None = None

    def close(self) -> None:
        self.handles_at_close = sum(node.handles for _, node in self.root.children.values())

    def open(self, path: str, *, read: bool = False, write: bool = False) -> SlowHandle:
        stored, node = self._node(path)
        return SlowHandle(self, node, stored, read=read, write=write)


@contextmanager
def slow_disk() -> Iterator[None]:
    """The gate is shut at first, and open at the end whatever happens."""
    SlowHandle.gate.clear()
    SlowHandle.begun.clear()
    try:
        yield
    finally:
        SlowHandle.gate.set()


def protocol_of(server: Server) -> ServerProtocol:
    """The server's side of its only connection."""
    (protocol,) = server._protocols
    return protocol


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until `condition`; fail if that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def descriptors() -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            pass
    return found


@contextmanager
def nothing_leaks() -> Iterator[None]:
    """Threads and file descriptors are afterwards what they were before."""
    gc.collect()
    threads, before = set(threading.enumerate()), descriptors()
    yield
    gc.collect()
    assert set(threading.enumerate()) <= threads
    left = {number: what for number, what in descriptors().items() if number not in before}
    assert not left


def set_loop(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Which event loop the servers in threads run."""
    if kind == "asyncio":
        monkeypatch.setattr("paraph.net.server.new_event_loop", asyncio.new_event_loop)
    else:
        uvloop = pytest.importorskip("uvloop")
        monkeypatch.setattr("paraph.net.server.new_event_loop", uvloop.new_event_loop)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True
