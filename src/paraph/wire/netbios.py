"""What surrounds a message on TCP: the direct transport (port 445, [MS-SMB2] 2.1) and the NetBIOS
session service (port 139, RFC 1002 4.3) with its names (RFC 1001 14.1, RFC 1002 4.1).

Both begin with 4 bytes: a type and a length in network order. The direct transport has type 0
and 24 bits of length; NetBIOS has 7 reserved bits, which must be 0, and 17 bits of length.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.errors import DecodeError

FRAME_HEADER_SIZE = 4
MAX_FRAME_LENGTH = 0xFFFFFF
"""Bytes that a frame of the direct transport can hold."""
MAX_SESSION_LENGTH = 0x1FFFF
"""Bytes that a NetBIOS session packet can hold."""


class SessionPacketType:
    """RFC 1002 4.3.1."""

    MESSAGE = 0x00
    REQUEST = 0x81
    POSITIVE_RESPONSE = 0x82
    NEGATIVE_RESPONSE = 0x83
    RETARGET_RESPONSE = 0x84
    KEEPALIVE = 0x85


class SessionError:
    """Error codes of the negative response, RFC 1002 4.3.4."""

    NOT_LISTENING_ON_CALLED_NAME = 0x80
    NOT_LISTENING_FOR_CALLING_NAME = 0x81
    CALLED_NAME_NOT_PRESENT = 0x82
    INSUFFICIENT_RESOURCES = 0x83
    UNSPECIFIED = 0x8F


class NameSuffix:
    """The 16th byte of a NetBIOS name, as Windows uses it."""

    WORKSTATION = 0x00
    SERVER = 0x20


SMB_SERVER = "*SMBSERVER"
"""The called name of a client that does not know the server's NetBIOS name."""

KEEPALIVE = bytes((SessionPacketType.KEEPALIVE, 0, 0, 0))
POSITIVE_SESSION_RESPONSE = bytes((SessionPacketType.POSITIVE_RESPONSE, 0, 0, 0))

_HEADER = Struct(">I")
_RETARGET = Struct(">4sH")
_NAME_LENGTH = 16
_MAX_LABEL = 63
_MAX_NAME = 255  # encoded, RFC 1002 4.1 and RFC 883


def decode_frame_header(header: bytes | bytearray | memoryview) -> int:
    """The length in bytes of the message that follows a direct-TCP header.

    Raises DecodeError if there are fewer than 4 bytes or the first is not 0.
    """
    kind, length = decode_packet_header(header)
    if kind:
        raise DecodeError(f"frame begins with 0x{kind:02x}")
    return length


def decode_packet_header(header: bytes | bytearray | memoryview) -> tuple[int, int]:
    """(type, length in bytes of what follows), for either transport: the reserved bits of NetBIOS
    come out as a length above MAX_SESSION_LENGTH. Raises DecodeError below 4 bytes."""
    if len(header) < FRAME_HEADER_SIZE:
        raise DecodeError(f"frame header needs 4 bytes, not {len(header)}")
    (word,) = _HEADER.unpack_from(header)
    return word >> 24, word & 0xFFFFFF


def pack_frame_header(buffer: bytearray | memoryview, length: int, offset: int = 0) -> None:
    """Write the header of a message of `length` bytes at `offset`; it serves both transports.
    Raises ValueError for more than MAX_FRAME_LENGTH."""
    if not 0 <= length <= MAX_FRAME_LENGTH:
        raise ValueError(f"a frame can not hold {length} bytes")
    _HEADER.pack_into(buffer, offset, length)


def encode_frame(message: bytes | bytearray | memoryview) -> bytes:
    """`message` with its header."""
    header = bytearray(FRAME_HEADER_SIZE)
    pack_frame_header(header, len(message))
    return b"".join((header, message))


@dataclass(frozen=True, slots=True)
class NetBIOSName:
    """A name of at most 15 bytes (each character one byte, as in Latin-1), its suffix, and its
    scope, dotted labels, usually empty. Trailing blanks are padding and not part of the name."""

    name: str
    suffix: int = NameSuffix.WORKSTATION
    scope: str = ""

    @classmethod
    def decode(cls, data: memoryview, offset: int = 0) -> tuple[Self, int]:
        """The name at `offset` and the offset behind it (RFC 1002 4.1).

        Raises DecodeError if it ends outside `data`, is longer than 255 bytes, does not begin with
        a label of 32 half-bytes `A` to `P`, or has a pointer.
        """
        labels, end = _read_labels(data, offset)
        if not labels or len(labels[0]) != 2 * _NAME_LENGTH:
            raise DecodeError("NetBIOS name: no first label of 32 bytes")
        nibbles = [byte - 0x41 for byte in labels[0]]
        if any(not 0 <= nibble < 16 for nibble in nibbles):
            raise DecodeError("NetBIOS name: not A to P")
        raw = bytes(high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True))
        scope = b".".join(labels[1:]).decode("latin-1")
        return cls(raw[:15].decode("latin-1").rstrip(" "), raw[15], scope), end

    def encode(self) -> bytes:
        """First-level encoding, RFC 1001 14.1. Raises ValueError if the name does not fit."""
        name = self.name.encode("latin-1")
        if len(name) >= _NAME_LENGTH:
            raise ValueError(f"NetBIOS name {self.name!r} is longer than 15 bytes")
        raw = name.ljust(_NAME_LENGTH - 1) + bytes((self.suffix,))
        labels = [bytes(0x41 + half for byte in raw for half in (byte >> 4, byte & 15))]
        labels += [part.encode("latin-1") for part in self.scope.split(".") if part]
        out = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
        if len(out) > _MAX_NAME or any(len(label) > _MAX_LABEL for label in labels):
            raise ValueError(f"NetBIOS scope {self.scope!r} is too long")
        return out


def _read_labels(data: memoryview, offset: int) -> tuple[list[bytes], int]:
    """The labels of an encoded name up to its zero byte, and the offset behind that."""
    labels: list[bytes] = []
    limit = min(len(data), offset + _MAX_NAME)
    while offset < limit:
        length = data[offset]
        offset += 1
        if length == 0:
            return labels, offset
        if length > _MAX_LABEL:
            raise DecodeError(f"NetBIOS name: label of {length} bytes, or a pointer")
        labels.append(bytes(data[offset : offset + length]))
        offset += length
    raise DecodeError("NetBIOS name: no end")


def _packet(kind: int, body: bytes) -> bytes:
    return _HEADER.pack(kind << 24 | len(body)) + body


def _body(packet: memoryview, kind: int, what: str) -> memoryview:
    """What follows the 4 bytes of a whole packet of that type."""
    found, length = decode_packet_header(packet)
    body = packet[FRAME_HEADER_SIZE:]
    if found != kind or length != len(body):
        raise DecodeError(f"not a {what}: type 0x{found:02x}, {len(body)} bytes of {length}")
    return body


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """SESSION REQUEST, RFC 1002 4.3.2: `calling` would like to talk to `called`."""

    called: NetBIOSName
    calling: NetBIOSName

    @classmethod
    def decode(cls, packet: memoryview) -> Self:
        """Raises DecodeError unless `packet` is a whole SESSION REQUEST with two names."""
        body = _body(packet, SessionPacketType.REQUEST, "SESSION REQUEST")
        called, offset = NetBIOSName.decode(body)
        calling, offset = NetBIOSName.decode(body, offset)
        if offset != len(body):
            raise DecodeError("SESSION REQUEST: bytes behind the names")
        return cls(called, calling)

    def encode(self) -> bytes:
        return _packet(SessionPacketType.REQUEST, self.called.encode() + self.calling.encode())


@dataclass(frozen=True, slots=True)
class NegativeSessionResponse:
    """NEGATIVE SESSION RESPONSE, RFC 1002 4.3.4. `error_code` is of SessionError."""

    error_code: int

    @classmethod
    def decode(cls, packet: memoryview) -> Self:
        """Raises DecodeError unless `packet` is a whole NEGATIVE SESSION RESPONSE."""
        body = _body(packet, SessionPacketType.NEGATIVE_RESPONSE, "NEGATIVE SESSION RESPONSE")
        if len(body) != 1:
            raise DecodeError(f"NEGATIVE SESSION RESPONSE of {len(body)} bytes")
        return cls(body[0])

    def encode(self) -> bytes:
        return _packet(SessionPacketType.NEGATIVE_RESPONSE, bytes((self.error_code,)))


@dataclass(frozen=True, slots=True)
class RetargetSessionResponse:
    """SESSION RETARGET RESPONSE, RFC 1002 4.3.5: try this IPv4 address (4 bytes) and port."""

    address: bytes
    port: int

    @classmethod
    def decode(cls, packet: memoryview) -> Self:
        """Raises DecodeError unless `packet` is a whole SESSION RETARGET RESPONSE."""
        body = _body(packet, SessionPacketType.RETARGET_RESPONSE, "SESSION RETARGET RESPONSE")
        if len(body) != _RETARGET.size:
            raise DecodeError(f"SESSION RETARGET RESPONSE of {len(body)} bytes")
        return cls(*_RETARGET.unpack(body))

    def encode(self) -> bytes:
        return _packet(SessionPacketType.RETARGET_RESPONSE, _RETARGET.pack(self.address, self.port))
