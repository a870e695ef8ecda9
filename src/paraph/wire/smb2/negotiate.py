"""NEGOTIATE, [MS-SMB2] 2.2.3 and 2.2.4. What the contexts hold is in `negotiate_contexts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from paraph.errors import DecodeError
from paraph.wire.record import HEADER_SIZE, fixed, unpack, window


class Dialect:
    """Dialect revision numbers, [MS-SMB2] 2.2.3 and 2.2.4."""

    SMB_2_0_2 = 0x0202
    SMB_2_1 = 0x0210
    SMB_3_0 = 0x0300
    SMB_3_0_2 = 0x0302
    SMB_3_1_1 = 0x0311
    WILDCARD = 0x02FF


class SecurityMode:
    """SMB2_NEGOTIATE_SIGNING_*, [MS-SMB2] 2.2.3."""

    SIGNING_ENABLED = 0x0001
    SIGNING_REQUIRED = 0x0002


class Capabilities:
    """SMB2_GLOBAL_CAP_*, [MS-SMB2] 2.2.3."""

    DFS = 0x00000001
    LEASING = 0x00000002
    LARGE_MTU = 0x00000004
    MULTI_CHANNEL = 0x00000008
    PERSISTENT_HANDLES = 0x00000010
    DIRECTORY_LEASING = 0x00000020
    ENCRYPTION = 0x00000040
    NOTIFICATIONS = 0x00000080


class ContextType:
    """[MS-SMB2] 2.2.3.1."""

    PREAUTH_INTEGRITY_CAPABILITIES = 0x0001
    ENCRYPTION_CAPABILITIES = 0x0002
    COMPRESSION_CAPABILITIES = 0x0003
    NETNAME_NEGOTIATE_CONTEXT_ID = 0x0005
    TRANSPORT_CAPABILITIES = 0x0006
    RDMA_TRANSFORM_CAPABILITIES = 0x0007
    SIGNING_CAPABILITIES = 0x0008
    CONTEXTTYPE_RESERVED = 0x0100


_CONTEXT = Struct("<HH4x")  # ContextType, DataLength, Reserved
_MAX_CONTEXTS = 64  # 8 types are known; more than this is no client's doing


@dataclass(slots=True)
class NegotiateContext:
    """SMB2_NEGOTIATE_CONTEXT, [MS-SMB2] 2.2.3.1."""

    type: int
    data: memoryview | bytes = b""


def _decode_contexts(
    message: memoryview, offset: int, count: int, minimum: int
) -> list[NegotiateContext]:
    """`count` contexts, the first at `offset`, the others at the next multiple of 8 from there: a
    first one that is not aligned, as some clients have it, does no harm.

    Raises DecodeError if one lies outside the message or before `minimum`, or there are more than
    64.
    """
    if count > _MAX_CONTEXTS:
        raise DecodeError(f"{count} negotiate contexts")
    contexts: list[NegotiateContext] = []
    first = offset
    for _ in range(count):
        head = window(message, offset, _CONTEXT.size, minimum, "negotiate context")
        kind, length = _CONTEXT.unpack(head)
        start = offset + _CONTEXT.size
        data = window(message, start, length, start, "negotiate context data")
        contexts.append(NegotiateContext(kind, data))
        offset = start + length
        offset += (first - offset) % 8
    return contexts


def _encode_contexts(contexts: Sequence[NegotiateContext]) -> bytes:
    """The contexts, each at a multiple of 8, the last one not padded."""
    out = bytearray()
    for context in contexts:
        out += bytes(-len(out) % 8)
        out += _CONTEXT.pack(context.type, len(context.data))
        out += context.data
    return bytes(out)


def find_context(contexts: Sequence[NegotiateContext], kind: int) -> memoryview | bytes | None:
    """The data of the first context of that ContextType, or None."""
    for context in contexts:
        if context.type == kind:
            return context.data
    return None


# StructureSize, DialectCount, SecurityMode, Reserved, Capabilities, ClientGuid,
# NegotiateContextOffset, NegotiateContextCount, Reserved2 (the last three: ClientStartTime)
_REQUEST = Struct("<HHH2xI16sIH2x")
_REQUEST_SIZE = 36
_REQUEST_END = HEADER_SIZE + _REQUEST.size
# StructureSize, SecurityMode, DialectRevision, NegotiateContextCount, ServerGuid, Capabilities,
# MaxTransactSize, MaxReadSize, MaxWriteSize, SystemTime, ServerStartTime, SecurityBufferOffset,
# SecurityBufferLength, NegotiateContextOffset
_RESPONSE = Struct("<HHHH16sIIIIQQHHI")
_RESPONSE_SIZE = 65
_RESPONSE_END = HEADER_SIZE + _RESPONSE.size


@dataclass(slots=True)
class NegotiateRequest:
    """SMB2 NEGOTIATE Request, [MS-SMB2] 2.2.3.

    `dialects` may be empty here: the server refuses that. `negotiate_contexts` are read and sent
    only with dialect 0x0311 among them; without it the field is the ClientStartTime that nobody
    uses.
    """

    security_mode: int = 0
    capabilities: int = 0
    client_guid: bytes = bytes(16)
    dialects: list[int] = field(default_factory=list)
    negotiate_contexts: list[NegotiateContext] = field(default_factory=list)

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong, a dialect lies outside or the
        context list is malformed."""
        count, mode, capabilities, guid, context_offset, context_count = fixed(
            _REQUEST, _REQUEST_SIZE, message, "NEGOTIATE request"
        )
        raw = window(message, _REQUEST_END, 2 * count, _REQUEST_END, "Dialects")
        dialects = list(unpack(Struct(f"<{count}H"), raw, 0, "Dialects"))
        contexts: list[NegotiateContext] = []
        if Dialect.SMB_3_1_1 in dialects:
            end = _REQUEST_END + len(raw)
            contexts = _decode_contexts(message, context_offset, context_count, end)
        return cls(mode, capabilities, guid, dialects, contexts)

    def encode(self) -> bytes:
        count = len(self.dialects)
        dialects = Struct(f"<{count}H").pack(*self.dialects)
        sent = self.negotiate_contexts if Dialect.SMB_3_1_1 in self.dialects else []
        end = _REQUEST_END + len(dialects)
        padding = bytes(-end % 8) if sent else b""
        body = _REQUEST.pack(
            _REQUEST_SIZE,
            count,
            self.security_mode,
            self.capabilities,
            self.client_guid,
            end + len(padding) if sent else 0,
            len(sent),
        )
        return b"".join((body, dialects, padding, _encode_contexts(sent)))


@dataclass(slots=True)
class NegotiateResponse:
    """SMB2 NEGOTIATE Response, [MS-SMB2] 2.2.4. The max_*_size are bytes, the times FILETIMEs.
    `negotiate_contexts` are read and sent only in dialect 0x0311."""

    security_mode: int = 0
    dialect_revision: int = Dialect.SMB_2_0_2
    server_guid: bytes = bytes(16)
    capabilities: int = 0
    max_transact_size: int = 0
    max_read_size: int = 0
    max_write_size: int = 0
    system_time: int = 0
    server_start_time: int = 0
    security_buffer: memoryview | bytes = b""
    negotiate_contexts: list[NegotiateContext] = field(default_factory=list)

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong, the buffer lies outside or the
        context list is malformed."""
        (
            mode,
            dialect,
            context_count,
            guid,
            capabilities,
            max_transact,
            max_read,
            max_write,
            system_time,
            start_time,
            offset,
            length,
            context_offset,
        ) = fixed(_RESPONSE, _RESPONSE_SIZE, message, "NEGOTIATE response")
        token = window(message, offset, length, _RESPONSE_END, "SecurityBuffer")
        contexts: list[NegotiateContext] = []
        if dialect == Dialect.SMB_3_1_1:
            contexts = _decode_contexts(message, context_offset, context_count, _RESPONSE_END)
        return cls(
            mode,
            dialect,
            guid,
            capabilities,
            max_transact,
            max_read,
            max_write,
            system_time,
            start_time,
            token,
            contexts,
        )

    def encode(self) -> bytes:
        sent = self.negotiate_contexts if self.dialect_revision == Dialect.SMB_3_1_1 else []
        end = _RESPONSE_END + len(self.security_buffer)
        padding = bytes(-end % 8) if sent else b""
        body = _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.security_mode,
            self.dialect_revision,
            len(sent),
            self.server_guid,
            self.capabilities,
            self.max_transact_size,
            self.max_read_size,
            self.max_write_size,
            self.system_time,
            self.server_start_time,
            _RESPONSE_END,
            len(self.security_buffer),
            end + len(padding) if sent else 0,
        )
        return b"".join((body, self.security_buffer, padding, _encode_contexts(sent)))
