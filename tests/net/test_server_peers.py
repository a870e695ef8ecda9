"""Peers that are slow, silent, many, or gone: what they can make the server hold."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import pytest

from paraph.net import tcp
from paraph.net.server import Server
from paraph.net.tcp import format_address
from paraph.server.events import ConnectionRefused, Event
from paraph.server.settings import Limits
from paraph.wire.ntstatus import NTStatus
from tests.net.net_tools import (
    MIB,
    Caller,
    SlowBackend,
    SlowHandle,
    calling,
    eventually,
    make_server,
    nothing_leaks,
    protocol_of,
    slow_disk,
)
from tests.support.link import SocketLink
from tests.support.peer import Offer, Peer

DATA = b"".join(struct.pack(">I", number) for number in range(MIB))  # 4 MiB, each word another


def held(server: Server) -> int:
    """Bytes of replies that the server keeps for its only connection."""
    protocol = protocol_of(server)
    assert protocol.transport is not None
    assert protocol.connection is not None
    return protocol.transport.get_write_buffer_size() + protocol.connection.queued


def settled(server: Server) -> int:
    """`held` once it no longer changes."""
    last = -1

    def unchanged() -> bool:
        nonlocal last
        before, last = last, held(server)
        threading.Event().wait(0.05)
        return last == before

    eventually(unchanged)
    return last


# ---------------------------------------------------------------- flow


@pytest.mark.parametrize("bound", [128 << 10, 2 * MIB])
def test_a_peer_that_does_not_take_its_replies(loop_kind: str, bound: int) -> None:
    """What it asks for is not read from the disk before there is room, and comes right later."""
    count, size = 40, 1 << 20
    with make_server({"file": DATA}, limits=Limits(queued_reply_bytes=bound)) as server:
        link = SocketLink("127.0.0.1", server.port)
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        with calling(server, link=link, credits=count * 16 + 8) as caller:
            file = caller.open()
            for number in range(count):
                caller.post_read(file, size, number % 4 * size)
            most = settled(server)
            assert 0 < most <= bound + tcp._FLUSH_AT + size + 4096
            protocol = protocol_of(server)
            assert protocol.transport is not None
            assert not protocol.transport.is_reading()
            for number in range(count):
                reply = caller.peer.receive()
                assert reply.status == NTStatus.SUCCESS
                start = number % 4 * size
                assert reply.data[80:] == DATA[start : start + size]
            eventually(protocol.transport.is_reading)
            assert caller.peer.echo(caller.logon).status == NTStatus.SUCCESS
            assert held(server) == 0


def test_requests_behind_a_stall_are_not_lost(loop_kind: str) -> None:
    """Many small requests that lie in the receive buffer while the server holds back."""
    with make_server({"file": DATA}, limits=Limits(queued_reply_bytes=64 << 10)) as server:
        link = SocketLink("127.0.0.1", server.port)
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        with calling(server, link=link, credits=1000) as caller:
            file = caller.open()
            for number in range(10):
                caller.post_read(file, MIB, number % 4 * MIB)
            for number in range(600):
                caller.post_read(file, 4, number * 4)
            for number in range(10):
                start = number % 4 * MIB
                assert caller.peer.receive().data[80:] == DATA[start : start + MIB]
            for number in range(600):
                assert caller.peer.receive().data[80:] == struct.pack(">I", number)


def test_reads_on_other_threads_are_bounded(loop_kind: str) -> None:
    store = SlowBackend({"file": DATA})
    with (
        nothing_leaks(),
        make_server(shares={"data": store}) as server,
        calling(server, credits=200) as caller,
        slow_disk(),
    ):
        file = caller.open()
        for number in range(100):
            caller.post_read(file, 4, number * 4)
        assert SlowHandle.begun.wait(10)
        connection = protocol_of(server).connection
        assert connection is not None
        eventually(lambda: connection.throttled)
        assert len(connection.requests) == connection.offloaded < 64
        SlowHandle.gate.set()
        answers = sorted(caller.peer.receive().data[80:] for _ in range(100))
        assert answers == [struct.pack(">I", number) for number in range(100)]


class DrippingLink(SocketLink):
    """Sends each byte in a packet of its own."""

    def write(self, data: bytes) -> None:
        for number in range(len(data)):
            super().write(data[number : number + 1])


def test_one_byte_at_a_time(loop_kind: str) -> None:
    with make_server() as server:
        link = DrippingLink("127.0.0.1", server.port)
        with calling(server, link=link, credits=1) as caller:
            assert caller.read(caller.open(), 100) == b"content"


class BunchingLink(SocketLink):
    """Keeps what is written until `flush`."""

    kept = b""
    bunching = False

    def write(self, data: bytes) -> None:
        if self.bunching:
            self.kept += data
        else:
            super().write(data)

    def flush(self) -> None:
        self.bunching = False
        self.write(self.kept)


def test_many_requests_in_one_packet(loop_kind: str) -> None:
    with make_server() as server:
        link = BunchingLink("127.0.0.1", server.port)
        with calling(server, link=link, credits=600) as caller:
            file = caller.open()
            link.bunching = True
            for _ in range(500):
                caller.post_read(file, 7)
            link.flush()
            for _ in range(500):
                assert caller.peer.receive().data.endswith(b"content")


def test_large_writes(loop_kind: str) -> None:
    with make_server({"file": b""}) as server, calling(server, credits=200) as caller:
        file = caller.open()
        for number in range(4):
            reply = caller.peer.write(caller.logon, caller.tree, file, DATA, number * len(DATA))
            assert reply.status == NTStatus.SUCCESS
        assert caller.read(file, len(DATA), 3 * len(DATA)) == DATA
        assert caller.read(file, 8, len(DATA) - 4) == DATA[-4:] + DATA[:4]


# ---------------------------------------------------------------- limits


def refusals(events: list[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, ConnectionRefused)]


def connect(server: Server, source: str = "127.0.0.1") -> SocketLink:
    """A connection from `source` on which nobody has logged on."""
    link = SocketLink.__new__(SocketLink)
    link.socket = socket.create_connection(
        ("127.0.0.1", server.port), timeout=10, source_address=(source, 0)
    )
    link._buffer, link._closed = bytearray(), False
    return link


def test_the_limit_of_half_open_connections(loop_kind: str) -> None:
    events: list[Event] = []
    limits = Limits(half_open=3, half_open_per_address=2)
    with make_server(on_event=events.append, limits=limits) as server:
        links = [connect(server), connect(server)]
        eventually(lambda: len(server._protocols) == 2)
        links.append(connect(server))
        assert links[-1].closed
        links.append(connect(server, "127.0.0.2"))
        eventually(lambda: len(server._protocols) == 3)
        links.append(connect(server, "127.0.0.3"))
        assert links[-1].closed
        assert refusals(events) == [
            "2 connections from there have not logged on",
            "3 connections have not logged on",
        ]
        links[0].close()
        eventually(lambda: len(server._protocols) == 2)
        with calling(server) as caller, calling(server) as other:
            # Who has logged on does not count any more.
            assert caller.read(caller.open(), 9) == other.read(other.open(), 9) == b"content"
        for link in links:
            link.close()
        eventually(lambda: not server._protocols)
        assert not server._half_open


def test_the_limit_of_connections(loop_kind: str) -> None:
    events: list[Event] = []
    with make_server(on_event=events.append, limits=Limits(connections=2)) as server:
        with calling(server), calling(server):
            link = connect(server)
            assert link.closed
            link.close()
        eventually(lambda: not server._protocols)
        with calling(server) as caller:
            caller.open()
        assert refusals(events) == ["2 connections are open"]


def test_the_time_to_log_on(loop_kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paraph.net.server._HOUSEKEEPING", 0.02)
    events: list[Event] = []
    with make_server(on_event=events.append, limits=Limits(logon_time=0.3)) as server:
        caller = Caller(server)
        silent = connect(server)
        peer = Peer(connect(server), Offer())
        peer.negotiate()
        assert silent.closed
        assert peer.link.closed
        assert refusals(events) == ["no logon within 0.3 seconds"] * 2
        assert caller.read(caller.open(), 9) == b"content"
        for link in (silent, peer.link, caller.link):
            link.close()


def test_idle_connections_give_their_buffers_back(
    loop_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paraph.net.server._HOUSEKEEPING", 0.02)
    monkeypatch.setattr("paraph.net.server._IDLE_BUFFER", 0.2)
    with make_server({"file": b""}) as server, calling(server) as caller:
        file = caller.open()
        caller.peer.write(caller.logon, caller.tree, file, bytes(MIB))
        buffer = protocol_of(server).buffer
        assert buffer.capacity >= MIB
        eventually(lambda: buffer.capacity == 4096)
        caller.peer.write(caller.logon, caller.tree, file, DATA[:MIB])
        assert caller.read(file, MIB) == DATA[:MIB]


def test_a_dropped_peer_that_does_not_take_its_last_replies(
    loop_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paraph.net.server._HOUSEKEEPING", 0.02)
    monkeypatch.setattr("paraph.net.server._FAREWELL", 0.1)
    limits = Limits(queued_reply_bytes=256 * MIB)
    with make_server({"file": DATA}, limits=limits) as server:
        caller = Caller(server, credits=800)
        file = caller.open()
        for _ in range(12):
            caller.post_read(file, 4 * MIB)
        caller.link.write(b"\0\0\0\4spam")
        eventually(lambda: not server._protocols)
        caller.close()


def test_a_frame_that_is_too_long(loop_kind: str) -> None:
    events: list[Event] = []
    with make_server(on_event=events.append) as server:
        link = connect(server)
        link.write(b"\0\xff\xff\xff")
        assert link.closed
        link.close()
        with calling(server) as caller:
            caller.link.write(b"\0\xff\xff\xff")
            assert caller.link.closed
    assert all("a frame of 16777215 bytes" in reason for reason in refusals(events))
    assert len(refusals(events)) == 2


def test_a_peer_that_resets(loop_kind: str) -> None:
    with make_server({"file": DATA}) as server:
        caller = Caller(server, credits=200)
        file = caller.open()
        caller.post_read(file, 4 * MIB)
        caller.link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()
        eventually(lambda: not server._protocols)
        assert server.sessions() == []


def test_peers_that_close_their_sending_half(loop_kind: str) -> None:
    with make_server() as server:
        caller = Caller(server)
        caller.link.socket.shutdown(socket.SHUT_WR)
        eventually(lambda: not server._protocols)
        caller.close()


def test_dead_peers_are_found(loop_kind: str) -> None:
    with make_server() as server, calling(server):
        transport = protocol_of(server).transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        idle = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        assert idle <= 300


@pytest.mark.parametrize(
    ("address", "text"), [(("1.2.3.4", 5), "1.2.3.4:5"), (("::1", 5), "[::1]:5")]
)
def test_addresses_of_clients(address: tuple[str, int], text: str) -> None:
    assert format_address(*address) == text


def test_many_connections(loop_kind: str) -> None:
    callers: list[Any] = []
    with nothing_leaks():
        with make_server() as server:
            callers += [Caller(server, credits=1) for _ in range(40)]
            assert len(server.sessions()) == 40
            for caller in callers:
                assert caller.read(caller.open(), 9) == b"content"
        for caller in callers:
            caller.close()
