"""`Server`: the SMB server with its sockets, for programs, tests and the command line.

It runs in the caller's event loop (`async with`) or in a thread with a loop of its own (`with`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Any, Self

from paraph.auth.accounts import MemoryAccounts
from paraph.auth.base import AccountStore
from paraph.auth.spnego import NTLMAuthenticator
from paraph.errors import NTStatusError, UserError
from paraph.net.clock import filetime_now
from paraph.net.control import ControlledSession, serve_control
from paraph.net.listening import bind
from paraph.net.platform import LoopPlatform, new_event_loop
from paraph.net.tcp import ServerProtocol
from paraph.policy.settings import Policy
from paraph.server.compliance import complaint
from paraph.server.events import ConnectionRefused, Event
from paraph.server.server import SMBServer
from paraph.server.settings import ServerSettings
from paraph.server.share import Share, check_share_name
from paraph.storage.base import Backend, Handle
from paraph.storage.posix import PosixBackend

Shares = Mapping[str, "str | os.PathLike[str] | Backend"] | Sequence[Share]

_HOUSEKEEPING = 1.0  # seconds between looks at half-open connections and idle buffers
_FAREWELL = 10.0  # seconds that a dropped peer has to take its last replies
_IDLE_BUFFER = 5.0  # seconds after which a connection that is silent gives its buffer back


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One session, as `Server.sessions` tells of it."""

    session_id: int
    client: str
    user: str
    dialect: str
    signing_required: bool
    encrypted: bool
    opens: int


class Server:
    """An SMB 2/3 file server.

    Args:
        shares: name -> folder or `Backend`, or a sequence of `Share`.
        accounts: name -> password, or an `AccountStore`. None: nobody may enter but guests, if they
            are allowed.
        policy: the four signing policies; default: signing is required.
        listen: "host:port" or several; port 0 takes a free one. IPv6 as "[::1]:445".
        sockets: listening sockets that exist already, instead of `listen`.
        on_event: called with every `paraph.server.events.Event`, on the server's thread.
        settings: everything else; `overrides` are fields of `ServerSettings` by name.
        live: asked for the settings at each NEGOTIATE and each logon, instead of `settings`
            (`paraph.net.live.LiveSettings` follows a registry).
        control: a listening Unix socket for `paraph.net.control`.

    Raises UserError for what can not be served, OSError when an address can not be bound.
    """

    def __init__(
        self,
        shares: Shares,
        accounts: Mapping[str, str] | AccountStore | None = None,
        *,
        policy: Policy | None = None,
        listen: str | Sequence[str] = "127.0.0.1:0",
        sockets: Sequence[socket.socket] = (),
        on_event: Callable[[Event], None] | None = None,
        settings: ServerSettings | None = None,
        live: Callable[[], ServerSettings] | None = None,
        control: socket.socket | None = None,
        **overrides: Any,
    ) -> None:
        if policy is not None:
            overrides["policy"] = policy
        self.settings = _make_settings(settings or ServerSettings(), overrides)
        self.accounts = _make_accounts(accounts)
        self.shares = _make_shares(shares)
        self.on_event = on_event
        self.smb: SMBServer
        self._live = live
        self._control = control
        self._listen = [listen] if isinstance(listen, str) else list(listen)
        self._given = list(sockets)
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._protocols: set[ServerProtocol] = set()
        self._half_open: Counter[str] = Counter()  #: connections without a session, by address
        self._loop: asyncio.AbstractEventLoop | None = None
        self._platform: LoopPlatform | None = None
        self._housekeeper: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._addresses: list[tuple[str, int]] = []
        self._used = False
        self._stopping = False

    # Life

    async def astart(self) -> None:
        """Listen, in the running event loop.

        Raises OSError when an address can not be bound, and RuntimeError the second time: a server
        runs once, and closes its shares at the end.
        """
        if self._used:
            raise RuntimeError("a server runs only once; make another one")
        self._used = True
        try:
            await self._listen_everywhere(asyncio.get_running_loop())
        except BaseException:
            for sock in self._sockets:
                sock.close()
            await self._close_everything()
            raise

    async def _listen_everywhere(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sockets = self._given or bind(self._listen)
        self._addresses = [sock.getsockname()[:2] for sock in self._sockets]
        self._loop = loop
        self._platform = platform = LoopPlatform(loop)
        settings = self.settings
        authenticator = NTLMAuthenticator(
            self.accounts,
            server_name=settings.name,
            allow_guest=settings.allow_guest,
            allow_anonymous=settings.allow_anonymous,
            require_mic=settings.require_mic,
            clock=filetime_now,
        )
        self.smb = platform.smb = SMBServer(
            settings, self.shares, authenticator, platform, self._tell, self._live
        )
        if self._control is not None:
            self._servers.append(await serve_control(self, self._control))
        for sock in self._sockets:
            server = await loop.create_server(lambda: ServerProtocol(self), sock=sock, backlog=512)
            self._servers.append(server)
        self._housekeeper = loop.call_later(_HOUSEKEEPING, self._housekeep)

    async def astop(self, grace: float = 5.0) -> None:
        """Stop listening, let replies go out for at most `grace` seconds, close everything."""
        if self._loop is None or self._stopping:
            return
        self._stopping = True
        for server in self._servers:
            server.close()
        await self._finish_requests()
        deadline = self._loop.time() + grace
        while self._protocols and self._loop.time() < deadline:
            await asyncio.sleep(0.01)
        for protocol in list(self._protocols):
            if protocol.transport is not None:
                protocol.transport.abort()
        while self._protocols:
            await asyncio.sleep(0)
        await self._close_everything()

    async def _close_everything(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._housekeeper is not None:
            self._housekeeper.cancel()
        if self._platform is not None:
            await self._platform.close()
        for share in self.shares:
            share.backend.close()
        self._loop = None

    async def _finish_requests(self) -> None:
        """Refuse what waits, bring written files to stable storage, let the last replies out."""
        assert self._loop is not None
        for protocol in list(self._protocols):
            if protocol.connection is not None:
                protocol.connection.cancel_all()
        written = self.smb.written_opens()
        for opened in written:
            opened.begin_call()
        if written and self._platform is not None:
            handles = [opened.disk() for opened in written]
            await self._loop.run_in_executor(self._platform.threads, flush_all, handles)
        for opened in written:
            opened.end_call()
        for protocol in list(self._protocols):
            if protocol.connection is not None:
                protocol.connection.drop("")
            protocol.flush()

    def start(self) -> None:
        """Listen, in a thread with an event loop of its own; returns once that is done."""
        if self._thread is not None:
            raise RuntimeError("the server is running")
        ready: list[BaseException | None] = []
        signal = threading.Event()
        self._thread = threading.Thread(
            target=self._run_thread, args=(ready, signal), name="paraph-server", daemon=True
        )
        self._thread.start()
        signal.wait()
        if ready[0] is not None:
            self._thread.join()
            self._thread = None
            raise ready[0]

    def stop(self) -> None:
        """End what `start` began; idempotent."""
        if self._thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    def _run_thread(self, ready: list[BaseException | None], signal: threading.Event) -> None:
        async def main() -> None:
            self._stop = asyncio.Event()
            try:
                await self.astart()
            except BaseException as error:
                ready.append(error)
                signal.set()
                return
            ready.append(None)
            signal.set()
            await self._stop.wait()
            await self.astop()

        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except BaseException as error:
            if ready:
                raise
            ready.append(error)  # there was no event loop to be had
            signal.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await self.astart()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.astop()

    # What it is

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """(host, port) of every listening socket."""
        return list(self._addresses)

    @property
    def port(self) -> int:
        """The port of the first listening socket."""
        return self.addresses[0][1]

    def sessions(self) -> list[SessionStatus]:
        """The valid sessions at this moment; callable from any thread."""
        if self._loop is None:
            return []
        return [
            SessionStatus(
                session.session_id,
                session.connection.client,
                str(session.identity),
                session.connection.dialect.name,
                session.signing_required,
                session.encrypt_data,
                len(session.opens),
            )
            for session in list(self.smb.sessions.values())
            if session.identity is not None
        ]

    def controlled_sessions(self) -> list[ControlledSession]:
        """The sessions as the control socket shows them. On the server's thread."""
        settings = self.smb.refresh()
        return [
            ControlledSession(
                session.session_id,
                session.connection.client,
                str(session.identity),
                session.connection.dialect.name,
                session.signing_required,
                session.encrypt_data,
                len(session.opens),
                complaint(session, settings),
            )
            for session in self.smb.sessions.values()
            if session.identity is not None
        ]

    def end_sessions(self, session_ids: set[int]) -> int:
        """End these sessions with their connections; how many there were. On the server's thread.

        The connection goes too: the client then negotiates anew, and hears what is required now.
        """
        ended = [self.smb.sessions[one] for one in session_ids if one in self.smb.sessions]
        for session in ended:
            connection = session.connection
            self.smb.close_session(session, "ended by the administrator")
            connection.drop("its session was ended by the administrator")
        return len(ended)

    # For the connections

    def monotonic(self) -> float:
        assert self._loop is not None
        return self._loop.time()

    def call_soon(self, function: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_soon(function)

    def admit(self, protocol: ServerProtocol) -> str:
        """Why a new connection is not taken; empty when it is, and it counts from now on as one
        that has not logged on."""
        limits = self.settings.limits
        if self._stopping:
            return "the server is stopping"
        if len(self._protocols) >= limits.connections:
            return f"{limits.connections} connections are open"
        if self._half_open.total() >= limits.half_open:
            return f"{limits.half_open} connections have not logged on"
        if self._half_open[protocol.address] >= limits.half_open_per_address:
            return f"{limits.half_open_per_address} connections from there have not logged on"
        self._protocols.add(protocol)
        self._half_open[protocol.address] += 1
        protocol.half_open = True
        return ""

    def logged_on(self, protocol: ServerProtocol) -> None:
        """The connection has its first valid session."""
        if protocol.half_open:
            protocol.half_open = False
            self._half_open[protocol.address] -= 1
            if not self._half_open[protocol.address]:
                del self._half_open[protocol.address]

    def forget(self, protocol: ServerProtocol) -> None:
        """The connection is gone."""
        self.logged_on(protocol)
        self._protocols.discard(protocol)

    def _tell(self, event: Event) -> None:
        """Pass an event on. What goes wrong in the listener is no concern of the connection."""
        if self.on_event is None:
            return
        try:
            self.on_event(event)
        except Exception as error:
            if self._loop is not None:
                said = {"message": "on_event of a paraph.Server failed", "exception": error}
                self._loop.call_exception_handler(said)

    def refuse(self, client: str, reason: str) -> None:
        self.smb.emit(ConnectionRefused(client, reason))

    def _housekeep(self) -> None:
        """Drop who does not log on, take back the buffers of who is silent."""
        if self._loop is None:
            return
        now = self._loop.time()
        limit = self.settings.limits.logon_time
        for protocol in list(self._protocols):
            connection = protocol.connection
            if connection is None:
                continue
            if protocol.closing_since and now - protocol.closing_since > _FAREWELL:
                protocol.abort()
            elif protocol.half_open and now - protocol.connected_at > limit:
                connection.drop(f"no logon within {limit:g} seconds")
                protocol.flush()
            elif now - protocol.last_activity > _IDLE_BUFFER:
                protocol.buffer.shrink()
        self._housekeeper = self._loop.call_later(_HOUSEKEEPING, self._housekeep)


def flush_all(handles: Sequence[Handle]) -> None:
    """Flush each; one that can not be is no reason to leave out the others."""
    for handle in handles:
        with contextlib.suppress(OSError, NTStatusError):
            handle.flush()


def _make_shares(shares: Shares) -> list[Share]:
    if not isinstance(shares, Mapping):
        _check_names(shares)
        return list(shares)
    made: list[Share] = []
    opened: list[Backend] = []
    try:
        for name, target in shares.items():
            check_share_name(name)
            if not isinstance(target, Backend):
                target = PosixBackend(os.fspath(target))
                opened.append(target)
            made.append(Share(name, target))
        _check_names(made)
    except BaseException:
        for backend in opened:
            backend.close()
        raise
    return made


def _check_names(shares: Sequence[Share]) -> None:
    seen: set[str] = set()
    for share in shares:
        if share.name.upper() in seen:
            raise UserError(f"Two shares have the name {share.name!r}.")
        seen.add(share.name.upper())


def _make_settings(settings: ServerSettings, overrides: dict[str, Any]) -> ServerSettings:
    known = {field.name for field in fields(ServerSettings)}
    for name in overrides:
        if name not in known:
            raise UserError(f"There is no setting {name!r}. There are: {', '.join(sorted(known))}.")
    return replace(settings, **overrides)


def _make_accounts(accounts: Mapping[str, str] | AccountStore | None) -> AccountStore:
    if accounts is None:
        return MemoryAccounts({})
    return MemoryAccounts(accounts) if isinstance(accounts, Mapping) else accounts
