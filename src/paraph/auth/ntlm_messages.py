"""The three NTLM messages and what they carry, [MS-NLMP] 2.2.

Each record has `decode(data)`, which raises DecodeError, and `encode()`. Strings are UTF-16LE, the
only character set spoken here; payloads are copies. What could be attacked offline (responses,
keys) is left out of `repr`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct

from paraph.errors import DecodeError
from paraph.wire.record import unpack, window

SIGNATURE = b"NTLMSSP\0"

_HEADER = Struct("<8sI")
_FIELD = Struct("<HHI")
_FLAGS = Struct("<I")
_AV_PAIR = Struct("<HH")
_CLIENT_CHALLENGE = Struct("<BBHIQ8sI")

_NEGOTIATE_FIXED = 16
_NEGOTIATE_FULL = 40
_CHALLENGE_FIXED = 48
_CHALLENGE_FULL = 56
_AUTHENTICATE_FIXED = 64
_AUTHENTICATE_FULL = 88
MIC_OFFSET = 72
MIC_SIZE = 16

NO_VERSION = bytes(8)
OUR_VERSION = bytes((10, 0, 0, 0, 0, 0, 0, 15))
"""VERSION, [MS-NLMP] 2.2.2.10: nobody acts on it; NTLMRevisionCurrent is 15."""


class MessageType:
    """[MS-NLMP] 2.2.1."""

    NEGOTIATE = 1
    CHALLENGE = 2
    AUTHENTICATE = 3


class NegotiateFlags:
    """The NEGOTIATE structure, [MS-NLMP] 2.2.2.5."""

    UNICODE = 0x0000_0001
    OEM = 0x0000_0002
    REQUEST_TARGET = 0x0000_0004
    SIGN = 0x0000_0010
    SEAL = 0x0000_0020
    DATAGRAM = 0x0000_0040
    LM_KEY = 0x0000_0080
    NTLM = 0x0000_0200
    ANONYMOUS = 0x0000_0800
    OEM_DOMAIN_SUPPLIED = 0x0000_1000
    OEM_WORKSTATION_SUPPLIED = 0x0000_2000
    ALWAYS_SIGN = 0x0000_8000
    TARGET_TYPE_DOMAIN = 0x0001_0000
    TARGET_TYPE_SERVER = 0x0002_0000
    EXTENDED_SESSIONSECURITY = 0x0008_0000
    IDENTIFY = 0x0010_0000
    REQUEST_NON_NT_SESSION_KEY = 0x0040_0000
    TARGET_INFO = 0x0080_0000
    VERSION = 0x0200_0000
    NEGOTIATE_128 = 0x2000_0000
    KEY_EXCH = 0x4000_0000
    NEGOTIATE_56 = 0x8000_0000


class AvId:
    """[MS-NLMP] 2.2.2.1."""

    EOL = 0
    NB_COMPUTER_NAME = 1
    NB_DOMAIN_NAME = 2
    DNS_COMPUTER_NAME = 3
    DNS_DOMAIN_NAME = 4
    DNS_TREE_NAME = 5
    FLAGS = 6
    TIMESTAMP = 7
    SINGLE_HOST = 8
    TARGET_NAME = 9
    CHANNEL_BINDINGS = 10


class AvFlags:
    """The value of MsvAvFlags, [MS-NLMP] 2.2.2.1."""

    CONSTRAINED = 0x1
    MIC_PRESENT = 0x2
    UNTRUSTED_TARGET = 0x4


AvPairs = list[tuple[int, bytes]]


def decode_av_pairs(data: memoryview) -> AvPairs:
    """The pairs before MsvAvEOL; what follows it is padding. Raises DecodeError."""
    pairs: AvPairs = []
    offset = 0
    while offset < len(data):
        av_id, length = unpack(_AV_PAIR, data, offset, "AV_PAIR")
        offset += _AV_PAIR.size
        if av_id == AvId.EOL:
            break
        pairs.append((av_id, bytes(window(data, offset, length, 0, "AV_PAIR value"))))
        offset += length
    return pairs


def encode_av_pairs(pairs: Iterable[tuple[int, bytes]]) -> bytes:
    """The pairs, closed by MsvAvEOL."""
    return b"".join(
        _AV_PAIR.pack(av_id, len(value)) + value for av_id, value in (*pairs, (AvId.EOL, b""))
    )


def av_flags(pairs: AvPairs) -> int:
    """MsvAvFlags, 0 without one. Raises DecodeError when it is not 4 bytes long."""
    flags = 0
    for av_id, value in pairs:
        if av_id == AvId.FLAGS:
            if len(value) != _FLAGS.size:
                raise DecodeError(f"MsvAvFlags of {len(value)} bytes")
            flags |= _FLAGS.unpack(value)[0]
    return flags


def av_text(pairs: AvPairs, av_id: int) -> str:
    """The text of the first pair with this id, "" without one. Raises DecodeError."""
    for found, value in pairs:
        if found == av_id:
            return _text(memoryview(value), "AV_PAIR value")
    return ""


def message_type(data: bytes | memoryview) -> int:
    """MessageType. Raises DecodeError when `data` is no NTLM message."""
    if len(data) < _HEADER.size or data[: len(SIGNATURE)] != SIGNATURE:
        raise DecodeError("not an NTLM message")
    kind: int = _HEADER.unpack_from(data)[1]
    return kind


def _open(data: bytes | memoryview, kind: int, fixed: int, what: str) -> memoryview:
    """Check signature, type and the length of the fixed part."""
    found = message_type(data)
    if found != kind:
        raise DecodeError(f"NTLM message of type {found}, expected {what}")
    if len(data) < fixed:
        raise DecodeError(f"{what} needs {fixed} bytes, there are {len(data)}")
    return memoryview(data)


def _payload(data: memoryview, at: int, fixed: int, what: str) -> memoryview:
    """The payload that the Len, MaxLen, BufferOffset triple at `at` names."""
    length, _, offset = unpack(_FIELD, data, at, what)
    return window(data, offset, length, fixed, what)


def _text(data: memoryview, what: str) -> str:
    try:
        return str(data, "utf-16-le")
    except UnicodeDecodeError:
        raise DecodeError(f"{what} is not UTF-16") from None


def _pack(kind: int, layout: tuple[bytes | int, ...], payloads: tuple[bytes, ...]) -> bytes:
    """A message: an int in `layout` is the index of a payload, bytes are taken as they are."""
    fixed = _HEADER.size + sum(
        _FIELD.size if isinstance(part, int) else len(part) for part in layout
    )
    offsets = []
    end = fixed
    for payload in payloads:
        offsets.append(end)
        end += len(payload)
    head = b"".join(
        _FIELD.pack(len(payloads[part]), len(payloads[part]), offsets[part])
        if isinstance(part, int)
        else part
        for part in layout
    )
    return _HEADER.pack(SIGNATURE, kind) + head + b"".join(payloads)


@dataclass(slots=True)
class NegotiateMessage:
    """NEGOTIATE_MESSAGE, [MS-NLMP] 2.2.1.1. The names are in an OEM character set.

    Only the flags must be there: some clients send no more than 16 bytes.
    """

    flags: int
    domain: bytes = b""
    workstation: bytes = b""
    version: bytes = NO_VERSION

    @classmethod
    def decode(cls, data: bytes | memoryview) -> NegotiateMessage:
        """Raises DecodeError."""
        view = _open(data, MessageType.NEGOTIATE, _NEGOTIATE_FIXED, "NEGOTIATE_MESSAGE")
        flags = _FLAGS.unpack_from(view, 12)[0]
        message = cls(flags)
        if flags & NegotiateFlags.OEM_DOMAIN_SUPPLIED:
            message.domain = bytes(_payload(view, 16, 32, "DomainName"))
        if flags & NegotiateFlags.OEM_WORKSTATION_SUPPLIED:
            message.workstation = bytes(_payload(view, 24, 32, "WorkstationName"))
        if flags & NegotiateFlags.VERSION and len(view) >= _NEGOTIATE_FULL:
            message.version = bytes(view[32:40])
        return message

    def encode(self) -> bytes:
        """The whole message."""
        layout = (_FLAGS.pack(self.flags), 0, 1, self.version)
        return _pack(MessageType.NEGOTIATE, layout, (self.domain, self.workstation))


@dataclass(slots=True)
class ChallengeMessage:
    """CHALLENGE_MESSAGE, [MS-NLMP] 2.2.1.2; `target_info` is encoded AV pairs."""

    flags: int
    server_challenge: bytes
    target_name: str = ""
    target_info: bytes = b""
    version: bytes = NO_VERSION

    @classmethod
    def decode(cls, data: bytes | memoryview) -> ChallengeMessage:
        """Raises DecodeError."""
        view = _open(data, MessageType.CHALLENGE, _CHALLENGE_FIXED, "CHALLENGE_MESSAGE")
        flags = _FLAGS.unpack_from(view, 20)[0]
        message = cls(flags, bytes(view[24:32]))
        if flags & NegotiateFlags.REQUEST_TARGET:
            name = _payload(view, 12, _CHALLENGE_FIXED, "TargetName")
            message.target_name = _text(name, "TargetName")
        if flags & NegotiateFlags.TARGET_INFO:
            message.target_info = bytes(_payload(view, 40, _CHALLENGE_FIXED, "TargetInfo"))
        if flags & NegotiateFlags.VERSION and len(view) >= _CHALLENGE_FULL:
            message.version = bytes(view[48:56])
        return message

    def encode(self) -> bytes:
        """The whole message."""
        fixed = _FLAGS.pack(self.flags) + self.server_challenge + bytes(8)
        name = self.target_name.encode("utf-16-le")
        return _pack(MessageType.CHALLENGE, (0, fixed, 1, self.version), (name, self.target_info))


@dataclass(slots=True)
class AuthenticateMessage:
    """AUTHENTICATE_MESSAGE, [MS-NLMP] 2.2.1.3.

    `mic` is empty when the payload begins before the end of that field, as in clients that know
    no MIC; whether it counts is for MsvAvFlags to say. Encoding leaves room for it unless it is
    empty.
    """

    flags: int
    domain: str = ""
    user: str = ""
    workstation: str = ""
    lm_response: bytes = field(default=b"", repr=False)
    nt_response: bytes = field(default=b"", repr=False)
    encrypted_key: bytes = field(default=b"", repr=False)
    version: bytes = NO_VERSION
    mic: bytes = field(default=b"", repr=False)

    @classmethod
    def decode(cls, data: bytes | memoryview) -> AuthenticateMessage:
        """Raises DecodeError."""
        fixed = _AUTHENTICATE_FIXED
        view = _open(data, MessageType.AUTHENTICATE, fixed, "AUTHENTICATE_MESSAGE")
        message = cls(
            flags=_FLAGS.unpack_from(view, 60)[0],
            lm_response=bytes(_payload(view, 12, fixed, "LmChallengeResponse")),
            nt_response=bytes(_payload(view, 20, fixed, "NtChallengeResponse")),
            domain=_text(_payload(view, 28, fixed, "DomainName"), "DomainName"),
            user=_text(_payload(view, 36, fixed, "UserName"), "UserName"),
            workstation=_text(_payload(view, 44, fixed, "Workstation"), "Workstation"),
            encrypted_key=bytes(_payload(view, 52, fixed, "EncryptedRandomSessionKey")),
        )
        payload = _first_payload(view)
        if payload >= MIC_OFFSET:
            message.version = bytes(view[64:72])
        if payload >= _AUTHENTICATE_FULL:
            message.mic = bytes(view[MIC_OFFSET:_AUTHENTICATE_FULL])
        return message

    def encode(self) -> bytes:
        """The whole message."""
        texts = (self.domain, self.user, self.workstation)
        domain, user, workstation = (text.encode("utf-16-le") for text in texts)
        layout = (3, 4, 0, 1, 2, 5, _FLAGS.pack(self.flags) + self.version + self.mic)
        payloads = (
            domain,
            user,
            workstation,
            self.lm_response,
            self.nt_response,
            self.encrypted_key,
        )
        return _pack(MessageType.AUTHENTICATE, layout, payloads)


def _first_payload(view: memoryview) -> int:
    """Where the payload of an AUTHENTICATE_MESSAGE begins."""
    first = len(view)
    for at in range(12, 60, _FIELD.size):
        length, _, offset = _FIELD.unpack_from(view, at)
        if length:
            first = min(first, offset)
    return first


@dataclass(slots=True)
class ClientChallenge:
    """NTLMv2_CLIENT_CHALLENGE, [MS-NLMP] 2.2.2.7; `timestamp` is a FILETIME."""

    timestamp: int
    challenge: bytes = field(repr=False)
    pairs: AvPairs = field(default_factory=list, repr=False)

    @classmethod
    def decode(cls, data: memoryview) -> ClientChallenge:
        """Raises DecodeError."""
        fields = unpack(_CLIENT_CHALLENGE, data, 0, "NTLMv2_CLIENT_CHALLENGE")
        if fields[0] != 1 or fields[1] != 1:
            raise DecodeError("NTLMv2_CLIENT_CHALLENGE of unknown version")
        pairs = decode_av_pairs(data[_CLIENT_CHALLENGE.size :])
        return cls(fields[4], bytes(data[16:24]), pairs)

    def encode(self) -> bytes:
        """The structure, with the four zero bytes that [MS-NLMP] 3.3.2 puts after the pairs."""
        fixed = _CLIENT_CHALLENGE.pack(1, 1, 0, 0, self.timestamp, self.challenge, 0)
        return fixed + encode_av_pairs(self.pairs) + bytes(4)
