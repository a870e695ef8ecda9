"""The PDUs of connection-oriented DCE/RPC, [C706] 12.6 and [MS-RPCE] 2.2.2.

What a server needs: it decodes bind, alter_context and request, and encodes bind_ack,
alter_context_resp, bind_nak, response and fault. Everything is sent little-endian. A big-endian
header is understood as far as its lengths and call_id, so that it can be refused in good form.
No PDU is sent with an authentication verifier, and one that is received is not looked into
(`Header.auth_length` tells that it is there).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from paraph.errors import DecodeError
from paraph.wire.dtyp import guid_from_text
from paraph.wire.record import unpack

HEADER_SIZE = 16
MAX_FRAGMENT = 0xFFFF
"""The longest that frag_length can say, in bytes."""
MUST_RECEIVE_FRAGMENT = 1432
"""MustRecvFragSize of [C706] 12.6.2: every implementation takes fragments of this many bytes."""


class PduType:
    """PTYPE, [C706] 12.6.1 and [MS-RPCE] 2.2.2.10."""

    REQUEST = 0
    RESPONSE = 2
    FAULT = 3
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13
    ALTER_CONTEXT = 14
    ALTER_CONTEXT_RESP = 15
    AUTH_3 = 16
    SHUTDOWN = 17
    CO_CANCEL = 18
    ORPHANED = 19


class PduFlags:
    """pfc_flags, [C706] 12.6.3.1."""

    FIRST_FRAG = 0x01
    LAST_FRAG = 0x02
    DID_NOT_EXECUTE = 0x20
    OBJECT_UUID = 0x80


class Nca:
    """Status codes of a fault, [C706] appendix E, [MS-RPCE] 3.1.1.5.5; 5 and 0x6F7 are Win32."""

    ACCESS_DENIED = 0x0000_0005
    BAD_STUB_DATA = 0x0000_06F7
    CONTEXT_MISMATCH = 0x1C00_001A
    OP_RNG_ERROR = 0x1C01_0002
    UNK_IF = 0x1C01_0003
    PROTO_ERROR = 0x1C01_000B
    OUT_ARGS_TOO_BIG = 0x1C01_0013


class RejectReason:
    """provider_reject_reason of a bind_nak, [MS-RPCE] 2.2.2.5."""

    REASON_NOT_SPECIFIED = 0
    LOCAL_LIMIT_EXCEEDED = 2
    PROTOCOL_ERROR = 4
    AUTHENTICATION_TYPE_NOT_RECOGNIZED = 8


class ContextResult:
    """p_cont_def_result_t, [C706] 12.6.3.1 and [MS-RPCE] 2.2.2.4."""

    ACCEPTANCE = 0
    PROVIDER_REJECTION = 2
    NEGOTIATE_ACK = 3


class ProviderReason:
    """p_provider_reason_t: why a context was rejected, [C706] 12.6.3.1."""

    NOT_SPECIFIED = 0
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 1
    PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED = 2


# rpc_vers, rpc_vers_minor, PTYPE, pfc_flags, packed_drep, frag_length, auth_length, call_id
_HEADER = Struct("<BBBB4sHHI")
_HEADER_BIG_ENDIAN = Struct(">BBBB4sHHI")
_LITTLE_ENDIAN = b"\x10\0\0\0"  # [C706] 14.1: ASCII, little-endian, IEEE
_BIND = Struct("<HHIB3x")  # max_xmit_frag, max_recv_frag, assoc_group_id, n_context_elem
_CONTEXT = Struct("<HBx")  # p_cont_id, n_transfer_syn
_SYNTAX = Struct("<16sHH")  # if_uuid, major and minor version
_BIND_ACK = Struct("<HHIH")  # max_xmit_frag, max_recv_frag, assoc_group_id, length of sec_addr
_RESULT = Struct("<HH")  # result, reason
_REQUEST = Struct("<IHH")  # alloc_hint, p_cont_id, opnum
_RESPONSE = Struct("<IHBx")  # alloc_hint, p_cont_id, cancel_count
_FAULT = Struct("<IHBxI4x")  # alloc_hint, p_cont_id, cancel_count, status
_BIND_NAK = Struct("<HBBB3x")  # provider_reject_reason, one version: 5.0
_UUID_SIZE = 16

RESPONSE_OVERHEAD = HEADER_SIZE + _RESPONSE.size


@dataclass(slots=True)
class Header:
    """The common header, [C706] 12.6.3.1."""

    version: int
    version_minor: int
    ptype: int
    flags: int
    little_endian: bool  #: with ASCII and IEEE floats, the one data representation that is taken
    fragment_length: int
    auth_length: int
    call_id: int

    @classmethod
    def decode(cls, data: memoryview) -> Header:
        """Raises DecodeError when there are less than 16 bytes, or frag_length has no room for the
        header and the authentication verifier that auth_length announces."""
        fields = _HEADER.unpack_from(data) if len(data) >= HEADER_SIZE else ()
        if not fields:
            raise DecodeError(f"PDU header needs 16 bytes, there are {len(data)}")
        if fields[4][0] & 0xF0 == 0:
            fields = _HEADER_BIG_ENDIAN.unpack_from(data)
        version, minor, ptype, flags, representation, length, auth_length, call_id = fields
        if length < HEADER_SIZE + (auth_length + 8 if auth_length else 0):
            raise DecodeError(
                f"PDU of {length} bytes with an authentication token of {auth_length}"
            )
        little_endian = representation[:2] == _LITTLE_ENDIAN[:2]
        return cls(version, minor, ptype, flags, little_endian, length, auth_length, call_id)


def _encode(ptype: int, flags: int, call_id: int, body: bytes | bytearray) -> bytes:
    header = _HEADER.pack(5, 0, ptype, flags, _LITTLE_ENDIAN, HEADER_SIZE + len(body), 0, call_id)
    return header + body


@dataclass(frozen=True, slots=True)
class Syntax:
    """An interface or a transfer syntax: p_syntax_id_t, [C706] 12.6.3.1."""

    uuid: bytes  #: 16 bytes, as on the wire
    version: int
    version_minor: int

    def encode(self) -> bytes:
        return _SYNTAX.pack(self.uuid, self.version, self.version_minor)


NDR = Syntax(guid_from_text("8a885d04-1ceb-11c9-9fe8-08002b104860"), 2, 0)
NO_SYNTAX = Syntax(bytes(16), 0, 0)
_FEATURES = guid_from_text("6cb71c2c-9812-4540-0000-000000000000")[:8]


@dataclass(slots=True)
class ContextElement:
    """One presentation context that is proposed: p_cont_elem_t, [C706] 12.6.3.1."""

    context_id: int
    abstract: Syntax
    transfers: list[Syntax]

    def features(self) -> int | None:
        """The first octet of BindTimeFeatureNegotiationBitmask ([MS-RPCE] 2.2.2.14) if this is no
        context but a feature negotiation, else None."""
        if len(self.transfers) != 1:
            return None
        syntax = self.transfers[0]
        if syntax.uuid[:8] != _FEATURES or (syntax.version, syntax.version_minor) != (1, 0):
            return None
        return syntax.uuid[8]


@dataclass(slots=True)
class Bind:
    """bind and alter_context, [C706] 12.6.4.3 and 12.6.4.1."""

    max_xmit_frag: int
    max_recv_frag: int
    assoc_group_id: int
    contexts: list[ContextElement]

    @classmethod
    def decode(cls, pdu: memoryview) -> Bind:
        """From the whole PDU. Raises DecodeError when it is truncated."""
        max_xmit, max_recv, group, count = unpack(_BIND, pdu, HEADER_SIZE, "bind")
        offset = HEADER_SIZE + _BIND.size
        contexts = []
        for _ in range(count):
            context_id, transfers = unpack(_CONTEXT, pdu, offset, "presentation context")
            offset += _CONTEXT.size
            syntaxes = [
                _syntax(pdu, offset + index * _SYNTAX.size) for index in range(1 + transfers)
            ]
            offset += len(syntaxes) * _SYNTAX.size
            contexts.append(ContextElement(context_id, syntaxes[0], syntaxes[1:]))
        return cls(max_xmit, max_recv, group, contexts)


def _syntax(pdu: memoryview, offset: int) -> Syntax:
    if offset + _SYNTAX.size > len(pdu):
        raise DecodeError(f"syntax identifier at {offset} lies outside the PDU of {len(pdu)} bytes")
    return Syntax(*_SYNTAX.unpack_from(pdu, offset))


@dataclass(slots=True)
class Result:
    """The answer to one proposed context: p_result_t, [C706] 12.6.3.1."""

    result: int
    reason: int
    transfer: Syntax = NO_SYNTAX


@dataclass(slots=True)
class BindAck:
    """bind_ack and alter_context_resp, [C706] 12.6.4.4 and 12.6.4.2."""

    max_xmit_frag: int
    max_recv_frag: int
    assoc_group_id: int
    secondary_address: str  #: the pipe's name in ASCII; empty in alter_context_resp
    results: list[Result]

    def encode(self, ptype: int, call_id: int) -> bytes:
        """The whole PDU; `ptype` is BIND_ACK or ALTER_CONTEXT_RESP."""
        address = self.secondary_address.encode() + b"\0" if self.secondary_address else b""
        body = bytearray(
            _BIND_ACK.pack(
                self.max_xmit_frag, self.max_recv_frag, self.assoc_group_id, len(address)
            )
        )
        body += address
        body += bytes(-len(body) % 4)  # the header has 16 bytes, so this aligns in the PDU too
        body += bytes((len(self.results), 0, 0, 0))
        for result in self.results:
            body += _RESULT.pack(result.result, result.reason)
            body += result.transfer.encode()
        return _encode(ptype, PduFlags.FIRST_FRAG | PduFlags.LAST_FRAG, call_id, body)


def bind_nak(call_id: int, reason: int) -> bytes:
    """bind_nak, [MS-RPCE] 2.2.2.9, without extended error information; 5.0 is what we speak."""
    body = _BIND_NAK.pack(reason, 1, 5, 0)
    return _encode(PduType.BIND_NAK, PduFlags.FIRST_FRAG | PduFlags.LAST_FRAG, call_id, body)


@dataclass(slots=True)
class Request:
    """One fragment of a request, [C706] 12.6.4.9. alloc_hint and the object UUID are skipped."""

    context_id: int
    opnum: int
    stub: memoryview  #: of the PDU that was decoded

    @classmethod
    def decode(cls, pdu: memoryview, flags: int) -> Request:
        """From the whole PDU. Raises DecodeError when it is truncated."""
        _, context_id, opnum = unpack(_REQUEST, pdu, HEADER_SIZE, "request")
        start = HEADER_SIZE + _REQUEST.size
        if flags & PduFlags.OBJECT_UUID:
            start += _UUID_SIZE
            if start > len(pdu):
                raise DecodeError("request without the object UUID that it announces")
        return cls(context_id, opnum, pdu[start:])


def responses(call_id: int, context_id: int, stub: bytes, max_fragment: int) -> list[bytes]:
    """The fragments of one response, [C706] 12.6.4.10, none longer than `max_fragment` bytes.

    alloc_hint is what is left of the stub data ([MS-RPCE] 2.2.2.6).
    """
    step = (max_fragment - RESPONSE_OVERHEAD) & ~7
    fragments = []
    for start in range(0, max(1, len(stub)), step):
        flags = PduFlags.FIRST_FRAG if start == 0 else 0
        if start + step >= len(stub):
            flags |= PduFlags.LAST_FRAG
        body = _RESPONSE.pack(len(stub) - start, context_id, 0) + stub[start : start + step]
        fragments.append(_encode(PduType.RESPONSE, flags, call_id, body))
    return fragments


def fault(call_id: int, context_id: int, status: int, executed: bool) -> bytes:
    """fault, [C706] 12.6.4.7. `executed` false promises that the call had no effect."""
    flags = PduFlags.FIRST_FRAG | PduFlags.LAST_FRAG
    if not executed:
        flags |= PduFlags.DID_NOT_EXECUTE
    body = _FAULT.pack(0, context_id, 0, status)
    return _encode(PduType.FAULT, flags, call_id, body)
