"""SMB_COM_NEGOTIATE, the one message of SMB 1 that a server of SMB 2 must understand: [MS-CIFS]
2.2.3.1 (header) and 2.2.4.52, [MS-SMB2] 3.3.5.3 (what it means for SMB 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from paraph.errors import DecodeError
from paraph.wire.record import unpack, window

PROTOCOL_ID = b"\xffSMB"
HEADER_SIZE = 32
COM_NEGOTIATE = 0x72


class DialectString:
    """The dialects that matter today, [MS-SMB2] 3.3.5.3 and [MS-CIFS] 1.7."""

    NT_LM_0_12 = "NT LM 0.12"
    SMB_2_002 = "SMB 2.002"
    SMB_2_WILDCARD = "SMB 2.???"


class Flags:
    """[MS-CIFS] 2.2.3.1."""

    CASE_INSENSITIVE = 0x08
    CANONICALIZED_PATHS = 0x10
    REPLY = 0x80


class Flags2:
    """[MS-CIFS] 2.2.3.1 and [MS-SMB] 2.2.3.1."""

    LONG_NAMES = 0x0001
    SECURITY_SIGNATURE = 0x0004
    SECURITY_SIGNATURE_REQUIRED = 0x0010
    EXTENDED_SECURITY = 0x0800
    NT_STATUS = 0x4000
    UNICODE = 0x8000


NO_DIALECT = 0xFFFF
"""DialectIndex that says: none of these."""

# Protocol, Command, Status, Flags, Flags2, PIDHigh, SecurityFeatures, Reserved, TID, PIDLow, UID,
# MID
_HEADER = Struct("<4sBIBHH8s2xHHHH")
_COUNTS = Struct("<BH")  # WordCount, ByteCount
_RESPONSE = Struct("<BHH")  # WordCount, DialectIndex, ByteCount
_DIALECT_FORMAT = 0x02
_MAX_DIALECTS = 64


@dataclass(slots=True)
class Header:
    """The SMB header, [MS-CIFS] 2.2.3.1."""

    command: int = COM_NEGOTIATE
    status: int = 0
    flags: int = Flags.CASE_INSENSITIVE | Flags.CANONICALIZED_PATHS
    flags2: int = Flags2.LONG_NAMES | Flags2.NT_STATUS | Flags2.UNICODE
    pid_high: int = 0
    security_features: bytes = bytes(8)
    tid: int = 0
    pid_low: int = 0
    uid: int = 0
    mid: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if shorter than 32 bytes or Protocol is wrong."""
        if len(message) < HEADER_SIZE or message[:4] != PROTOCOL_ID:
            raise DecodeError("not an SMB header")
        return cls(*_HEADER.unpack_from(message)[1:])

    def encode(self) -> bytes:
        """The 32 bytes."""
        return _HEADER.pack(
            PROTOCOL_ID,
            self.command,
            self.status,
            self.flags,
            self.flags2,
            self.pid_high,
            self.security_features,
            self.tid,
            self.pid_low,
            self.uid,
            self.mid,
        )


@dataclass(slots=True)
class NegotiateRequest:
    """SMB_COM_NEGOTIATE request, [MS-CIFS] 2.2.4.52.1: dialect strings, Latin-1."""

    dialects: list[str] = field(default_factory=list)

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Reads the body behind the header. Raises DecodeError if it is too short, WordCount is not
        0, a dialect string has no end or the wrong format, or there are more than 64."""
        words, count = unpack(_COUNTS, message, HEADER_SIZE, "SMB_COM_NEGOTIATE")
        if words:
            raise DecodeError(f"SMB_COM_NEGOTIATE: WordCount {words}")
        start = HEADER_SIZE + _COUNTS.size
        rest = bytes(window(message, start, count, start, "Dialects"))
        dialects: list[str] = []
        while rest:
            name, end, following = rest[1:].partition(b"\0")
            if rest[0] != _DIALECT_FORMAT or not end or len(dialects) == _MAX_DIALECTS:
                raise DecodeError("SMB_COM_NEGOTIATE: malformed list of dialects")
            dialects.append(name.decode("latin-1"))
            rest = following
        return cls(dialects)

    def encode(self) -> bytes:
        """The body that follows the header."""
        data = b"".join(b"\x02" + name.encode("latin-1") + b"\0" for name in self.dialects)
        return _COUNTS.pack(0, len(data)) + data


@dataclass(slots=True)
class NegotiateResponse:
    """SMB_COM_NEGOTIATE response of a server that takes none of the dialects ([MS-CIFS] 2.2.4.52.2,
    WordCount 1): a client of SMB 1 alone then knows."""

    dialect_index: int = NO_DIALECT

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or WordCount is not 1."""
        words, index, _ = unpack(_RESPONSE, message, HEADER_SIZE, "SMB_COM_NEGOTIATE response")
        if words != 1:
            raise DecodeError(f"SMB_COM_NEGOTIATE response: WordCount {words}")
        return cls(index)

    def encode(self) -> bytes:
        """The body that follows the header."""
        return _RESPONSE.pack(1, self.dialect_index, 0)


def refusal(request: Header) -> bytes:
    """The whole SMB message that answers a NEGOTIATE with "no dialect"."""
    reply = Header(
        flags=request.flags | Flags.REPLY,
        flags2=request.flags2 & ~(Flags2.SECURITY_SIGNATURE | Flags2.SECURITY_SIGNATURE_REQUIRED),
        pid_high=request.pid_high,
        tid=request.tid,
        pid_low=request.pid_low,
        uid=request.uid,
        mid=request.mid,
    )
    return reply.encode() + NegotiateResponse().encode()
