"""`paraph.Server`: how it starts, what it says of itself, how it stops."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from paraph.auth.accounts import MemoryAccounts
from paraph.errors import UserError
from paraph.net.listening import bind, parse_listen
from paraph.net.server import Server
from paraph.server.events import (
    ConnectionRefused,
    Event,
    LogonRefused,
    SessionClosed,
    SessionEstablished,
)
from paraph.server.settings import Limits, ServerSettings
from paraph.server.share import Share
from paraph.storage.memory import MemoryBackend, MemoryHandle
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.lock import LockElement, LockFlags
from tests.net.net_tools import (
    ACCOUNTS,
    MIB,
    UNPROTECTED,
    Caller,
    SlowBackend,
    SlowHandle,
    calling,
    eventually,
    has_ipv6,
    make_server,
    nothing_leaks,
    protocol_of,
    slow_disk,
)
from tests.support.link import Dropped, SocketLink
from tests.support.peer import Offer, Peer
from tests.support.world import PASSWORD, USER


def works(server: Server) -> bool:
    with calling(server) as caller:
        return caller.read(caller.open(), 100) == b"content"


# ---------------------------------------------------------------- start and stop


def test_in_a_thread(loop_kind: str) -> None:
    with nothing_leaks():
        with make_server() as server:
            assert server.addresses == [("127.0.0.1", server.port)]
            assert server.port > 0
            assert works(server)
            assert works(server)
        with pytest.raises(ConnectionRefusedError):
            SocketLink("127.0.0.1", server.port)


def test_in_a_running_loop(loop_kind: str) -> None:
    async def main() -> None:
        async with make_server() as server:
            assert await asyncio.to_thread(works, server)
        await server.astop()

    with nothing_leaks():
        if loop_kind == "asyncio":
            asyncio.run(main())
        else:
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(main())


def test_start_and_stop_by_hand() -> None:
    with nothing_leaks():
        server = make_server()
        server.stop()
        assert server.addresses == []
        assert server.sessions() == []
        server.start()
        with pytest.raises(RuntimeError, match="is running"):
            server.start()
        assert works(server)
        server.stop()
        server.stop()
        assert server.sessions() == []
        with pytest.raises(RuntimeError, match="only once"):
            server.start()


def test_an_exception_in_the_block_stops_the_server() -> None:
    with nothing_leaks(), pytest.raises(ZeroDivisionError), make_server():
        raise ZeroDivisionError


def test_two_servers_at_once(loop_kind: str) -> None:
    with nothing_leaks(), make_server() as first, make_server({"other": b"2"}) as second:
        assert first.port != second.port
        with calling(first) as one, calling(second) as two:
            assert one.read(one.open("file"), 9) == b"content"
            assert two.read(two.open("other"), 9) == b"2"


def test_two_servers_in_one_loop() -> None:
    async def main() -> None:
        async with make_server() as first, make_server() as second:
            assert await asyncio.to_thread(works, first)
            assert await asyncio.to_thread(works, second)

    with nothing_leaks():
        asyncio.run(main())


def test_a_share_of_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with nothing_leaks(), make_server(shares={"data": tmp_path}) as server:
        assert works(server)


# ---------------------------------------------------------------- addresses


def test_several_addresses() -> None:
    listen = ["127.0.0.1:0", "127.0.0.2:0"]
    if has_ipv6():
        listen.append("[::1]:0")
    with nothing_leaks(), make_server(listen=listen) as server:
        hosts = [host for host, _ in server.addresses]
        assert hosts == [text.rpartition(":")[0].strip("[]") for text in listen]
        for host, port in server.addresses:
            with calling(server, link=SocketLink(host, port)) as caller:
                assert caller.read(caller.open(), 9) == b"content"
                (session,) = server.sessions()
                assert session.client.startswith(f"[{host}]:" if ":" in host else "127.0.0.1:")
            eventually(lambda: not server.sessions())


def test_sockets_that_are_given() -> None:
    with nothing_leaks():
        given = bind(["127.0.0.1:0", "127.0.0.1:0"])
        ports = [sock.getsockname()[1] for sock in given]
        with make_server(sockets=given, listen="192.0.2.1:1") as server:
            assert [port for _, port in server.addresses] == ports
            assert works(server)
        assert all(sock.fileno() < 0 for sock in given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:445", ("127.0.0.1", 445)),
        ("[::1]:445", ("::1", 445)),
        (":0", ("", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "host:x", "host:65536", "host:-1", "1.2.3.4:+5"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UserError, match="is no address to listen at; write HOST:PORT"):
        parse_listen(text)
    with nothing_leaks():
        server = make_server(listen=["127.0.0.1:0", text])
        with pytest.raises(UserError, match="no address"):
            server.start()


# ---------------------------------------------------------------- what goes wrong at the start


@pytest.fixture
def taken() -> Any:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.parametrize("first", [True, False])
def test_an_address_in_use(loop_kind: str, taken: str, first: bool, tmp_path: Path) -> None:
    listen = [taken, "127.0.0.1:0"] if first else ["127.0.0.1:0", taken]
    with nothing_leaks():
        server = make_server(shares={"data": tmp_path}, listen=listen)
        with pytest.raises(OSError) as caught, server:
            pass
        assert caught.value.errno == errno.EADDRINUSE
        server.stop()
        assert server.sessions() == []


def test_an_address_in_use_in_a_running_loop(taken: str) -> None:
    async def main() -> None:
        server = make_server(listen=["127.0.0.1:0", taken])
        with pytest.raises(OSError) as caught:
            await server.astart()
        assert caught.value.errno == errno.EADDRINUSE
        await server.astop()

    with nothing_leaks():
        asyncio.run(main())


def test_an_address_that_is_not_ours() -> None:
    with nothing_leaks(), pytest.raises(OSError), make_server(listen="192.0.2.1:0"):
        pass


def test_a_socket_that_can_not_listen_again() -> None:
    with nothing_leaks():
        closed = bind(["127.0.0.1:0"])
        closed[0].close()
        fine = bind(["127.0.0.1:0"])
        server = make_server(sockets=[*fine, *closed])
        with pytest.raises(OSError):
            server.start()
        assert fine[0].fileno() < 0


def test_no_event_loop_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> asyncio.AbstractEventLoop:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr("paraph.net.server.new_event_loop", fail)
    with nothing_leaks(), pytest.raises(OSError, match="too many"), make_server():
        pass


def test_shares_that_can_not_be(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "file").write_bytes(b"")
    store = MemoryBackend()
    rows: list[tuple[Any, str]] = [
        ({"good": folder, "bad/name": folder}, "is no name for a share"),
        ({"good": folder, "IPC$": store}, "Windows reserves"),
        ({"good": folder, "GOOD": store}, "Two shares have the name 'GOOD'"),
        ({"good": folder, "missing": tmp_path / "missing"}, "can not be shared: No such file"),
        ({"good": folder, "file": str(tmp_path / "file")}, "can not be shared: Not a directory"),
        ([Share("a", store), Share("A", store)], "Two shares have the name 'A'"),
    ]
    for shares, words in rows:
        with nothing_leaks(), pytest.raises(UserError, match=words):
            Server(shares, ACCOUNTS)


def test_settings_that_can_not_be(tmp_path: Path) -> None:
    with nothing_leaks():
        with pytest.raises(
            UserError, match=r"There is no setting 'encrypt'\. There are: allow_anonymous, "
        ):
            Server({"data": tmp_path}, encrypt=True)
        with pytest.raises(UserError, match="The setting encryption can not be 'yes'"):
            Server({"data": tmp_path}, encryption="yes")
        with pytest.raises(UserError, match="The setting name"):
            Server({"data": tmp_path}, settings=ServerSettings(), name="a name that is too long")
    server = Server({}, settings=ServerSettings(name="FIRST"), allow_guest=True)
    assert (server.settings.name, server.settings.allow_guest) == ("FIRST", True)


def test_accounts() -> None:
    with Server({}, MemoryAccounts(ACCOUNTS)) as server:
        peer = Peer(SocketLink("127.0.0.1", server.port), Offer())
        peer.negotiate()
        assert peer.logon().signer is not None
        peer.link.close()
    with Server({}, failed_logon_delay=0) as server:
        peer = Peer(SocketLink("127.0.0.1", server.port), Offer())
        peer.negotiate()
        assert peer.try_logon()[1].status == NTStatus.LOGON_FAILURE
        peer.link.close()


# ---------------------------------------------------------------- events and status


def test_events_and_sessions() -> None:
    events: list[Event] = []
    threads = set()

    def listen(event: Event) -> None:
        events.append(event)
        threads.add(threading.current_thread().name)

    with make_server(on_event=listen, failed_logon_delay=0) as server:
        assert server.sessions() == []
        with calling(server) as caller:
            caller.open()
            (session,) = server.sessions()
            host, port = caller.link.socket.getsockname()
            assert session.client == f"{host}:{port}"
            assert session.user.endswith(USER)
            assert (session.dialect, session.opens) == ("3.0.2", 1)
            assert not session.signing_required
            assert not session.encrypted
            assert session.session_id == caller.logon.session_id
            _, reply = caller.peer.try_logon(USER, "wrong " + PASSWORD)
            assert reply.status == NTStatus.LOGON_FAILURE
        eventually(lambda: not server.sessions())
        link = SocketLink("127.0.0.1", server.port)
        link.write(b"GET / HTTP/1.1\r\n\r\n")
        assert link.closed
        link.close()
    kinds = [type(event) for event in events]
    assert kinds == [SessionEstablished, LogonRefused, SessionClosed, ConnectionRefused]
    assert threads == {"paraph-server"}


def test_a_listener_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def listen(event: Event) -> None:
        raise ZeroDivisionError("in the listener")

    with make_server(on_event=listen) as server:
        assert works(server)
        assert works(server)
        eventually(lambda: not server._protocols)
    messages = [record.getMessage() for record in caplog.records]
    assert messages
    assert all("on_event of a paraph.Server failed" in message for message in messages)
    caplog.clear()


# ---------------------------------------------------------------- stop, whatever goes on


def test_stop_while_clients_are_connected(loop_kind: str) -> None:
    with nothing_leaks():
        with make_server() as server:
            idle = SocketLink("127.0.0.1", server.port)
            busy = Caller(server)
            busy.open()
            eventually(lambda: len(server._protocols) == 2)
        assert idle.closed
        assert busy.link.closed
        idle.close()
        busy.close()


def test_stop_while_a_lock_waits(loop_kind: str) -> None:
    element = LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK)
    with nothing_leaks():
        with make_server() as server:
            first, second = Caller(server), Caller(server)
            mine, theirs = first.open(), second.open()
            first.peer.post_lock(first.logon, first.tree, mine, element)
            assert first.peer.receive().status == NTStatus.SUCCESS
            second.peer.post_lock(second.logon, second.tree, theirs, element)
            assert second.peer.receive().is_interim
        # The last words come before the end.
        assert second.peer.receive().status == NTStatus.CANCELLED
        with pytest.raises(Dropped):
            second.peer.receive()
        first.close()
        second.close()


def test_stop_lets_the_replies_that_are_ready_go_out(loop_kind: str) -> None:
    data = bytes(range(256)) * (4 * MIB // 256)
    with nothing_leaks():
        server = make_server({"file": data}, limits=Limits(queued_reply_bytes=64 * MIB))
        server.start()
        caller = Caller(server, credits=400)
        file = caller.open()
        for _ in range(5):
            caller.post_read(file, 4 * MIB)
        eventually(lambda: bool(protocol_of(server).transport.get_write_buffer_size()))  # type: ignore[union-attr]
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        for _ in range(5):
            assert caller.peer.receive().data.endswith(data)
        with pytest.raises(Dropped):
            caller.peer.receive()
        stopping.join()
        caller.close()


def test_stop_does_not_wait_for_ever(loop_kind: str) -> None:
    data = bytes(4 * MIB)

    async def main() -> None:
        server = make_server({"file": data}, limits=Limits(queued_reply_bytes=64 * MIB))
        await server.astart()

        def ask() -> Caller:
            caller = Caller(server, credits=800)
            file = caller.open()
            for _ in range(10):
                caller.post_read(file, 4 * MIB)
            return caller

        caller = await asyncio.to_thread(ask)
        while not protocol_of(server).transport.get_write_buffer_size():  # type: ignore[union-attr]
            await asyncio.sleep(0.005)
        begin = time.monotonic()
        await server.astop(grace=0.1)
        assert time.monotonic() - begin < 3
        caller.close()

    with nothing_leaks():
        asyncio.run(main())


def test_stop_waits_for_a_read_on_another_thread(loop_kind: str) -> None:
    with nothing_leaks(), slow_disk():
        store = SlowBackend({"file": b"content"})
        server = make_server(shares={"data": store})
        server.start()
        caller = Caller(server)
        caller.post_read(caller.open(), 100)
        assert SlowHandle.begun.wait(10)
        assert caller.peer.echo(caller.logon).status == NTStatus.SUCCESS  # nobody else waits
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(0.2)
        assert stopping.is_alive()
        SlowHandle.gate.set()
        stopping.join(10)
        assert not stopping.is_alive()
        assert store.handles_at_close == 0
        caller.close()


def test_a_client_that_goes_during_a_read_on_another_thread(loop_kind: str) -> None:
    with nothing_leaks():
        store = SlowBackend({"file": b"content"})
        with make_server(shares={"data": store}) as server, slow_disk():
            caller = Caller(server)
            caller.post_read(caller.open(), 100)
            assert SlowHandle.begun.wait(10)
            caller.close()
            eventually(lambda: not server._protocols)
            (node,) = (entry[1] for entry in store.root.children.values())
            assert node.handles == 1  # not closed under the read
            SlowHandle.gate.set()
            eventually(lambda: node.handles == 0)


def test_what_was_written_is_flushed_at_the_stop() -> None:
    flushed = []

    class Handle(MemoryHandle):
        def flush(self) -> None:
            flushed.append(self.path)
            if self.path == "file":
                raise OSError(errno.EIO, "told so")

    class Backend(MemoryBackend):
        def open(self, path: str, *, read: bool = False, write: bool = False) -> Handle:
            stored, node = self._node(path)
            return Handle(self, node, stored, read=read, write=write)

    with make_server(shares={"data": Backend({"file": b"", "other": b""})}) as server:
        caller = Caller(server)
        caller.open("file")
        caller.open("other")
    assert sorted(flushed) == ["file", "other"]
    caller.close()


def test_settings_reach_the_server() -> None:
    with Server(
        {"data": MemoryBackend()}, ACCOUNTS, policy=UNPROTECTED, max_dialect=0x0210
    ) as server:
        peer = Peer(SocketLink("127.0.0.1", server.port), Offer())
        assert peer.negotiate().dialect_revision == 0x0210
        peer.link.close()
