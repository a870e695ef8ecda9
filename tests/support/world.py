"""A server in memory, with its clock in the test's hand: no socket, no thread, no sleep.

    world = World(policy=Policy(server_always=False))
    peer = world.peer()
    peer.negotiate()
    session = peer.logon()

A crash of a handler fails the test where it happens, unless `world.crashes_allowed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from paraph.auth.accounts import MemoryAccounts
from paraph.auth.base import Authenticator
from paraph.auth.spnego import NTLMAuthenticator
from paraph.core.framing import FrameBuffer
from paraph.errors import Disconnect
from paraph.server.connection import Connection
from paraph.server.events import Event, HandlerCrashed
from paraph.server.server import Done, SMBServer
from paraph.server.settings import ServerSettings
from paraph.server.share import Share
from paraph.storage.memory import MemoryBackend
from paraph.wire.filetime import filetime_from_ns
from tests.support.link import Dropped, Link, NoReply
from tests.support.peer import Offer, Peer

USER, PASSWORD = "alice", "Wonderland 1"
OTHER_USER, OTHER_PASSWORD = "bob", "Builder 2"
NAME = "PARAPH"

_AnyEvent = TypeVar("_AnyEvent", bound=Event)

_EPOCH = 1_750_000_000 * 10**9


class FakePlatform:
    """A clock that only `advance` moves, and worker threads that are a list."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.queued: list[tuple[Callable[[], Any], Done]] = []
        self.queueing = False  #: keep calls for `run_queued` instead of making them at once

    def monotonic(self) -> float:
        return self.now

    def filetime(self) -> int:
        return filetime_from_ns(_EPOCH + int(self.now * 1e9))

    def run_elsewhere(self, function: Callable[[], Any], done: Done) -> None:
        self.queued.append((function, done))
        if not self.queueing:
            self.run_queued()

    def run_queued(self) -> None:
        """Do what other threads would have done by now."""
        while self.queued:
            function, done = self.queued.pop(0)
            try:
                result = function()
            except Exception as error:
                done(None, error)
            else:
                done(result, None)

    def deadline_changed(self) -> None:
        pass


class MemoryLink(Link):
    """Bytes to a `Connection` and back, treated as `paraph.net.tcp` treats them."""

    def __init__(self, server: SMBServer, client: str) -> None:
        self.server = server
        self.connection: Connection = server.connect(client)
        self.connection.wake = self._collect
        self._buffer = FrameBuffer(self.connection.maximum_frame)
        self._inbox: list[bytes] = []
        self._closed = False

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._closed:
            room = self._buffer.writable()
            count = min(len(room), len(view))
            room[:count] = view[:count]
            self._buffer.advance(count)
            view = view[count:]
            self._process()

    def _process(self) -> None:
        connection = self.connection
        try:
            while connection.dropped is None:
                frame = self._buffer.next_frame()
                if frame is None:
                    break
                connection.receive(*frame)
                self._buffer.maximum = connection.maximum_frame
        except Disconnect as error:
            connection.drop(str(error))
        self._collect()

    def _collect(self) -> None:
        frames, self.connection.outgoing = self.connection.outgoing, []
        self._inbox += [bytes(frame) for frame in frames]
        if self.connection.dropped is not None:
            self.close()

    def read(self) -> bytes:
        if self._inbox:
            return self._inbox.pop(0)
        raise Dropped(self.connection.dropped or "") if self._closed else NoReply

    @property
    def closed(self) -> bool:
        return self._closed and not self._inbox

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.server.disconnect(self.connection)


class World:
    """One server, its shares and accounts, and everything it told."""

    def __init__(
        self,
        *,
        shares: Iterable[Share] | None = None,
        accounts: dict[str, str] | None = None,
        settings: ServerSettings | None = None,
        authenticator: Authenticator | None = None,
        **overrides: Any,
    ) -> None:
        self.platform = FakePlatform()
        self.events: list[Event] = []
        self.backend = MemoryBackend()
        self.backend.write_bytes("hello.txt", b"Hello, world.\n")
        self.settings = replace(settings or ServerSettings(name=NAME), **overrides)
        store = MemoryAccounts(accounts or {USER: PASSWORD, OTHER_USER: OTHER_PASSWORD})
        self.server = SMBServer(
            self.settings,
            [Share("data", self.backend)] if shares is None else shares,
            authenticator
            or NTLMAuthenticator(
                store,
                server_name=self.settings.name,
                allow_guest=self.settings.allow_guest,
                allow_anonymous=self.settings.allow_anonymous,
                require_mic=self.settings.require_mic,
                clock=self.platform.filetime,
            ),
            self.platform,
            self._listen,
        )
        self._peers = 0
        self.crashes_allowed = False

    def _listen(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, HandlerCrashed) and not self.crashes_allowed:
            raise AssertionError(f"{event.command} crashed:\n{event.trace}")

    def link(self) -> MemoryLink:
        self._peers += 1
        return MemoryLink(self.server, f"192.0.2.1:{40000 + self._peers}")

    def peer(self, offer: Offer | None = None, **fields: Any) -> Peer:
        """A client on a new connection; `fields` are those of `Offer`."""
        return Peer(self.link(), replace(offer or Offer(), **fields))

    def ready(self, offer: Offer | None = None, **fields: Any) -> Peer:
        """A client that has negotiated."""
        peer = self.peer(offer, **fields)
        peer.negotiate()
        return peer

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping at each deadline as an event loop's timer would."""
        end = self.platform.now + seconds
        while (deadline := self.server.next_deadline()) is not None and deadline <= end:
            self.platform.now = max(self.platform.now, deadline)
            self.server.expire()
        self.platform.now = end
        self.server.expire()

    def told(self, kind: type[_AnyEvent]) -> list[_AnyEvent]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]
