"""The server without its sockets: the global tables of [MS-SMB2] 3.3.1.5, and the clock.

`net.server` owns the sockets and calls in here; tests do the same by hand.
"""

from __future__ import annotations

import contextlib
import heapq
import secrets
from collections.abc import Callable, Container, Iterable
from typing import Any, Protocol

from paraph.auth.base import Authenticator
from paraph.errors import NTStatusError, UserError
from paraph.rpc.service import Environment, ShareInfo, ShareType
from paraph.server.connection import Connection
from paraph.server.events import Event, SessionClosed
from paraph.server.open import FileTable, Open
from paraph.server.request import Request
from paraph.server.session import Session, SessionState
from paraph.server.settings import ServerSettings
from paraph.server.share import Share
from paraph.server.tree import TreeConnect
from paraph.wire.filetime import filetime_to_ns
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import Command

Done = Callable[[Any, BaseException | None], None]


class Platform(Protocol):
    """What the world below gives the server: two clocks and other threads."""

    def monotonic(self) -> float:
        """Seconds, never going back; deadlines are in these."""
        ...

    def filetime(self) -> int:
        """The time of day as FILETIME."""
        ...

    def run_elsewhere(self, function: Callable[[], Any], done: Done) -> None:
        """Run `function` on another thread, then `done(result, exception)` on this one."""
        ...

    def deadline_changed(self) -> None:
        """`SMBServer.next_deadline()` became earlier."""
        ...


class SMBServer:
    """All protocol state; owned by one thread."""

    def __init__(
        self,
        settings: ServerSettings,
        shares: Iterable[Share],
        authenticator: Authenticator,
        platform: Platform,
        on_event: Callable[[Event], None] | None = None,
        live: Callable[[], ServerSettings] | None = None,
    ) -> None:
        self.settings = settings
        self._live = live
        self.authenticator = authenticator
        self.platform = platform
        self.on_event = on_event
        self.guid = secrets.token_bytes(16)
        self.shares: dict[str, Share] = {}  #: by name in upper case
        for share in shares:
            if share.name.upper() in self.shares:
                raise UserError(f"Two shares have the name {share.name!r}.")
            self.shares[share.name.upper()] = share
        self.connections: set[Connection] = set()
        self.sessions: dict[int, Session] = {}
        self.files = FileTable()
        self._open_count = 0
        self._async_id = 0
        self._deadlines: list[tuple[float, int, Request]] = []
        self._order = 0

    def refresh(self) -> ServerSettings:
        """The settings of this moment: asked for at each NEGOTIATE and each logon."""
        if self._live is not None:
            self.settings = self._live()
        return self.settings

    # Connections

    def connect(self, client: str) -> Connection:
        """A new transport connection."""
        connection = Connection(self, client)
        self.connections.add(connection)
        return connection

    def disconnect(self, connection: Connection) -> None:
        """The transport is gone ([MS-SMB2] 3.3.7.1)."""
        self.connections.discard(connection)
        connection.abandon()
        for session in list(connection.sessions.values()):
            self.close_session(session, "the connection ended")
        connection.sessions.clear()

    # Sessions, trees, opens

    def close_session(self, session: Session, reason: str) -> None:
        """[MS-SMB2] 3.3.4.12: everything under the session is closed."""
        if self.sessions.pop(session.session_id, None) is None:
            return
        was_valid = session.state is not SessionState.IN_PROGRESS
        session.connection.sessions.pop(session.session_id, None)
        for connection in session.channels:
            connection.sessions.pop(session.session_id, None)
        self._close_opens(list(session.opens.values()))
        self._cancel_requests(session.connection, session)
        session.trees.clear()
        session.acceptor = None
        if was_valid:
            client = session.connection.client
            self.emit(SessionClosed(client, str(session.identity), session.session_id, reason))

    def _cancel_requests(self, connection: Connection, session: Session) -> None:
        for request in list(connection.requests.values()):
            if request.waiter is not None and request.session_id == session.session_id:
                connection.cancel(request, NTStatus.USER_SESSION_DELETED)

    def check_expiry(self, session: Session) -> None:
        """Session Expiration Timer, 3.3.6.3, looked at when a request comes."""
        if session.expires and self.platform.filetime() >= session.expires:
            session.state = SessionState.EXPIRED

    def close_tree(self, tree: TreeConnect) -> None:
        """Close the opens of a tree connect and forget it."""
        session = tree.session
        self._close_opens([o for o in session.opens.values() if o.tree is tree])
        session.trees.pop(tree.tree_id, None)

    def register_open(self, opened: Open) -> None:
        """Give an open its FileId and enter it into the tables."""
        self._open_count += 1
        # Predictable halves would let one client name another one's handles after a mix-up of
        # sessions; the random half makes such a bug harmless.
        opened.file_id = secrets.randbits(32) << 32 | (self._open_count & 0xFFFFFFFF)
        opened.durable_id = opened.file_id ^ 0x5555555555555555
        opened.session.opens[opened.file_id] = opened
        opened.tree.opens += 1

    def close_open(self, opened: Open) -> None:
        """[MS-SMB2] 3.3.4.17, [MS-FSA] 2.1.5.4: locks go, and so does the file if its deletion was
        pending and this was the last open."""
        if opened.session.opens.pop(opened.file_id, None) is None:
            return
        opened.tree.opens -= 1
        for request in list(opened.session.connection.requests.values()):
            if request.waiter is not None and request.has_open and request.open is opened:
                self._end_waiting(request)
        if opened.pipe is not None:
            opened.pipe = None
            return
        handle, file = opened.disk(), opened.file
        opened.search = None
        try:
            if file is not None:
                if opened.delete_on_close and not (handle.is_directory and not handle.is_empty()):
                    file.doom(opened.path)
                last = self.files.remove(opened)
                if last and file.delete_pending:
                    handle.path = file.doomed
                    handle.delete()
        finally:
            self.files.remove(opened)
            opened.close_handle()

    @staticmethod
    def _end_waiting(request: Request) -> None:
        """Its open goes away: a CHANGE_NOTIFY ends well, a LOCK does not."""
        notify = request.header.command == Command.CHANGE_NOTIFY
        status = NTStatus.NOTIFY_CLEANUP if notify else NTStatus.RANGE_NOT_LOCKED
        request.connection.cancel(request, status)

    def _close_opens(self, opens: Iterable[Open]) -> None:
        """Close each; one whose file can not be deleted does not keep the others open."""
        for opened in opens:
            with contextlib.suppress(NTStatusError, OSError):
                self.close_open(opened)

    def written_opens(self) -> list[Open]:
        """All opens that could have written."""
        return [
            opened
            for session in self.sessions.values()
            for opened in session.opens.values()
            if opened.handle is not None and opened.handle.writable
        ]

    # Numbers

    @staticmethod
    def next_id(taken: Container[int], bits: int) -> int:
        """A random id that is free, neither 0 nor -1."""
        while True:
            number = secrets.randbits(bits)
            if number not in (0, (1 << bits) - 1) and number not in taken:
                return number

    def next_async_id(self) -> int:
        """AsyncId: unique in the server's life."""
        self._async_id += 1
        return self._async_id

    # Time

    def schedule(self, deadline: float, request: Request) -> None:
        """Wake `request` at `deadline` unless it has moved on by then."""
        self._order += 1
        heapq.heappush(self._deadlines, (deadline, self._order, request))
        if self._deadlines[0][2] is request:
            self.platform.deadline_changed()

    def next_deadline(self) -> float | None:
        """When `expire` wants to be called, in monotonic seconds."""
        heap = self._deadlines
        while heap and heap[0][2].deadline != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def expire(self) -> None:
        """Wake every request whose deadline has passed."""
        now = self.platform.monotonic()
        heap = self._deadlines
        while heap and heap[0][0] <= now:
            deadline, _, request = heapq.heappop(heap)
            if request.deadline == deadline:
                request.connection.expire(request)

    def run_elsewhere(self, function: Callable[[], Any], done: Done) -> None:
        self.platform.run_elsewhere(function, done)

    # What others are told

    def emit(self, event: Event) -> None:
        """Tell the listener."""
        if self.on_event is not None:
            self.on_event(event)

    def environment(self, session: Session) -> Environment:
        """What named pipes may know of the server."""
        return Environment(
            server_name=self.settings.name,
            domain="WORKGROUP",
            comment="Paraph",
            user=session.identity.user if session.identity else "",
            shares=self._share_list,
            local_time=lambda: filetime_to_ns(self.platform.filetime()) // 1_000_000_000,
        )

    def _share_list(self) -> list[ShareInfo]:
        listed = [ShareInfo(s.name, ShareType.DISKTREE, s.comment) for s in self.shares.values()]
        return [*listed, ShareInfo("IPC$", ShareType.IPC, "Remote IPC")]
