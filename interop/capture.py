"""See the bytes between a client and the server, and write them for tshark to read."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct

CLIENT, SERVER = 0, 1
"""Who sent something."""

_PORTS = (49152, 445)
_ADDRESSES = (bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))
_MACS = (b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02")
_SEGMENT = 60_000
_FIN, _SYN, _PSH, _ACK = 1, 2, 8, 16


@dataclass
class Capture:
    """What one connection carried: (who, bytes) in the order in which it passed."""

    pieces: list[tuple[int, bytes]] = field(default_factory=list)

    def frames(self) -> list[tuple[int, bytes]]:
        """The messages inside the transport's framing ([MS-SMB2] 2.1), in order of completion."""
        waiting = [bytearray(), bytearray()]
        frames: list[tuple[int, bytes]] = []
        for who, piece in self.pieces:
            stream = waiting[who]
            stream += piece
            while len(stream) >= 4 and len(stream) >= 4 + int.from_bytes(stream[1:4], "big"):
                end = 4 + int.from_bytes(stream[1:4], "big")
                assert stream[0] == 0
                frames.append((who, bytes(stream[4:end])))
                del stream[:end]
        assert not waiting[CLIENT]
        assert not waiting[SERVER]
        return frames

    def write_pcap(self, path: Path) -> None:
        """As Ethernet, IPv4 and TCP headers that were never on a wire: port 445, where tshark
        expects SMB."""
        packets = _Packets()
        packets.add(CLIENT, _SYN)
        packets.add(SERVER, _SYN | _ACK)
        packets.add(CLIENT, _ACK)
        for who, piece in self.pieces:
            for at in range(0, len(piece), _SEGMENT):
                packets.add(who, _PSH | _ACK, piece[at : at + _SEGMENT])
        packets.add(CLIENT, _FIN | _ACK)
        packets.add(SERVER, _FIN | _ACK)
        packets.add(CLIENT, _ACK)
        path.write_bytes(packets.file)


class _Packets:
    """A pcap file under construction."""

    _FILE = Struct("<IHHiIII")
    _RECORD = Struct("<IIII")
    _IP = Struct(">BBHHHBBH4s4s")
    _TCP = Struct(">HHIIBBHHH")

    def __init__(self) -> None:
        self.file = bytearray(self._FILE.pack(0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1))
        self._sequence = [1000, 2000]
        self._count = 0

    def add(self, who: int, flags: int, data: bytes = b"") -> None:
        other = 1 - who
        acknowledged = self._sequence[other] if flags & _ACK else 0
        ports = _PORTS[who], _PORTS[other]
        addresses = _ADDRESSES[who], _ADDRESSES[other]
        tcp = [*ports, self._sequence[who], acknowledged, 5 << 4, flags, 65535, 0, 0]
        pseudo = b"".join(addresses) + b"\0\x06" + (20 + len(data)).to_bytes(2, "big")
        tcp[7] = _checksum(pseudo + self._TCP.pack(*tcp) + data)
        ip = [0x45, 0, 40 + len(data), self._count, 0x4000, 64, 6, 0, *addresses]
        ip[7] = _checksum(self._IP.pack(*ip))
        packet = _MACS[other] + _MACS[who] + b"\x08\0"
        packet += self._IP.pack(*ip) + self._TCP.pack(*tcp) + data
        # A millisecond apart: the order is what matters.
        seconds, thousandths = divmod(self._count, 1000)
        self.file += self._RECORD.pack(seconds, thousandths * 1000, len(packet), len(packet))
        self.file += packet
        self._count += 1
        self._sequence[who] += len(data) + bool(flags & (_SYN | _FIN))


def _checksum(data: bytes) -> int:
    """The Internet checksum, RFC 1071."""
    # Sixteen-bit words add up modulo 65535, and so does the whole as one number.
    number = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return 0xFFFF - (number % 0xFFFF or 0xFFFF)


class Recorder:
    """A TCP proxy in front of a port that keeps what passes, connection by connection."""

    def __init__(self, port: int) -> None:
        self.captures: list[Capture] = []
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = [self._listener]
        self._start(self._accept)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            capture = Capture()
            self.captures.append(capture)
            self._start(self._pass_on, client, server, CLIENT, capture)
            self._start(self._pass_on, server, client, SERVER, capture)

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, who: int, capture: Capture) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 18):
                capture.pieces.append((who, piece))
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> list[Capture]:
        """End all connections; what they carried."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()
        return self.captures
