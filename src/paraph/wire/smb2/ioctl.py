"""IOCTL, [MS-SMB2] 2.2.31 and 2.2.32, and the buffers that are described there. Those of [MS-FSCC]
2.3 and the control codes are with the file system controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from paraph.errors import DecodeError
from paraph.wire.record import HEADER_SIZE, fixed, unpack, window
from paraph.wire.text import decode_utf16, encode_utf16


class IoctlFlags:
    """SMB2_0_IOCTL_IS_FSCTL, [MS-SMB2] 2.2.31."""

    IS_FSCTL = 0x00000001


class InterfaceCapability:
    """[MS-SMB2] 2.2.32.5."""

    RSS_CAPABLE = 0x00000001
    RDMA_CAPABLE = 0x00000002


# StructureSize, Reserved, CtlCode, FileId, InputOffset, InputCount, MaxInputResponse, OutputOffset,
# OutputCount, MaxOutputResponse, Flags, Reserved2
_REQUEST = Struct("<H2xIQQIIIIIII4x")
_REQUEST_SIZE = 57
_REQUEST_END = HEADER_SIZE + _REQUEST.size
# StructureSize, Reserved, CtlCode, FileId, InputOffset, InputCount, OutputOffset, OutputCount,
# Flags, Reserved2
_RESPONSE = Struct("<H2xIQQIIIII4x")
_RESPONSE_SIZE = 49
_RESPONSE_END = HEADER_SIZE + _RESPONSE.size

_COPYCHUNK_COPY = Struct("<24sI4x")  # SourceKey, ChunkCount, Reserved
_COPYCHUNK = Struct("<QQI4x")  # SourceOffset, TargetOffset, Length, Reserved
_COPYCHUNK_RESPONSE = Struct("<III")
_RESUME_KEY = Struct("<24sI")  # ResumeKey, ContextLength
_RESILIENCY = Struct("<I4x")  # Timeout, Reserved
_VALIDATE = Struct("<I16sHH")  # Capabilities, Guid, SecurityMode, DialectCount or Dialect
_SNAPSHOTS = Struct("<III")  # NumberOfSnapShots, NumberOfSnapShotsReturned, SnapShotArraySize
# Next, IfIndex, Capability, Reserved, LinkSpeed, Family, 126 bytes of address and reserved
_INTERFACE = Struct("<III4xQH126s")
_FAMILY_IPV4 = 0x0002
_FAMILY_IPV6 = 0x0017
_IPV4 = slice(2, 6)  # after Port, within the 126 bytes
_IPV6 = slice(6, 22)  # after Port and FlowInfo
_MAX_INTERFACES = 1024


@dataclass(slots=True)
class IoctlRequest:
    """SMB2 IOCTL Request, [MS-SMB2] 2.2.31. The max_*_response are bytes. What OutputOffset points
    to is not read (3.3.5.15); `output_count` is kept for the credit charge."""

    ctl_code: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    max_input_response: int = 0
    output_count: int = 0
    max_output_response: int = 0
    flags: int = IoctlFlags.IS_FSCTL
    input_buffer: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong, or the input buffer lies outside
        or not at a multiple of 8."""
        (
            ctl_code,
            persistent_id,
            volatile_id,
            offset,
            count,
            max_input,
            _,
            output_count,
            max_output,
            flags,
        ) = fixed(_REQUEST, _REQUEST_SIZE, message, "IOCTL request")
        data = window(message, offset, count, _REQUEST_END, "Input")
        if count and offset % 8:
            raise DecodeError(f"IOCTL request: InputOffset {offset}")
        return cls(
            ctl_code, persistent_id, volatile_id, max_input, output_count, max_output, flags, data
        )

    def encode(self) -> bytes:
        body = _REQUEST.pack(
            _REQUEST_SIZE,
            self.ctl_code,
            self.persistent_id,
            self.volatile_id,
            _REQUEST_END,
            len(self.input_buffer),
            self.max_input_response,
            _REQUEST_END,
            self.output_count,
            self.max_output_response,
            self.flags,
        )
        return b"".join((body, self.input_buffer or b"\0"))


@dataclass(slots=True)
class IoctlResponse:
    """SMB2 IOCTL Response, [MS-SMB2] 2.2.32. `input_buffer` is empty but for a few controls that
    are passed through (3.3.5.15.8)."""

    ctl_code: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    flags: int = 0
    output_buffer: memoryview | bytes = b""
    input_buffer: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or a buffer lies outside."""
        ctl_code, persistent_id, volatile_id, in_offset, in_count, out_offset, out_count, flags = (
            fixed(_RESPONSE, _RESPONSE_SIZE, message, "IOCTL response")
        )
        return cls(
            ctl_code,
            persistent_id,
            volatile_id,
            flags,
            window(message, out_offset, out_count, _RESPONSE_END, "Output"),
            window(message, in_offset, in_count, _RESPONSE_END, "Input"),
        )

    def encode(self) -> bytes:
        padding = bytes(-len(self.input_buffer) % 8)
        body = _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.ctl_code,
            self.persistent_id,
            self.volatile_id,
            _RESPONSE_END,
            len(self.input_buffer),
            _RESPONSE_END + len(self.input_buffer) + len(padding),
            len(self.output_buffer),
            self.flags,
        )
        return b"".join((body, self.input_buffer, padding, self.output_buffer))


@dataclass(slots=True)
class SrvCopychunk:
    """SRV_COPYCHUNK, [MS-SMB2] 2.2.31.1.1, in bytes."""

    source_offset: int
    target_offset: int
    length: int


@dataclass(slots=True)
class SrvCopychunkCopy:
    """SRV_COPYCHUNK_COPY, [MS-SMB2] 2.2.31.1, input of FSCTL_SRV_COPYCHUNK and
    FSCTL_SRV_COPYCHUNK_WRITE."""

    source_key: bytes = bytes(24)
    chunks: list[SrvCopychunk] = field(default_factory=list)

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short for the chunks it counts."""
        key, count = unpack(_COPYCHUNK_COPY, data, 0, "SRV_COPYCHUNK_COPY")
        start = _COPYCHUNK_COPY.size
        raw = window(data, start, count * _COPYCHUNK.size, start, "Chunks")
        chunks = [SrvCopychunk(*fields) for fields in _COPYCHUNK.iter_unpack(raw)]
        return cls(bytes(key), chunks)

    def encode(self) -> bytes:
        chunks = (
            _COPYCHUNK.pack(chunk.source_offset, chunk.target_offset, chunk.length)
            for chunk in self.chunks
        )
        return b"".join((_COPYCHUNK_COPY.pack(self.source_key, len(self.chunks)), *chunks))


@dataclass(slots=True)
class SrvCopychunkResponse:
    """SRV_COPYCHUNK_RESPONSE, [MS-SMB2] 2.2.32.1. With INVALID_PARAMETER the fields are the
    server's limits: chunks, bytes of one chunk, bytes of all."""

    chunks_written: int = 0
    chunk_bytes_written: int = 0
    total_bytes_written: int = 0

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short."""
        return cls(*unpack(_COPYCHUNK_RESPONSE, data, 0, "SRV_COPYCHUNK_RESPONSE"))

    def encode(self) -> bytes:
        return _COPYCHUNK_RESPONSE.pack(
            self.chunks_written, self.chunk_bytes_written, self.total_bytes_written
        )


@dataclass(slots=True)
class SrvRequestResumeKeyResponse:
    """SRV_REQUEST_RESUME_KEY Response, [MS-SMB2] 2.2.32.3. The 24 bytes are opaque."""

    resume_key: bytes = bytes(24)

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short."""
        key, _ = unpack(_RESUME_KEY, data, 0, "SRV_REQUEST_RESUME_KEY")
        return cls(bytes(key))

    def encode(self) -> bytes:
        # Context is empty, yet Windows sends 4 bytes of zero for it (note <69>)
        return _RESUME_KEY.pack(self.resume_key, 0) + bytes(4)


@dataclass(slots=True)
class SrvSnapshotArray:
    """SRV_SNAPSHOT_ARRAY, [MS-SMB2] 2.2.32.2. Snapshots are @GMT tokens. When they do not fit the
    caller's buffer, `snapshots` is empty while `number_of_snapshots` counts them and `array_size`
    says how many bytes they take; `of` fills in all three."""

    number_of_snapshots: int = 0
    snapshots: list[str] = field(default_factory=list)
    array_size: int = 0

    @classmethod
    def of(cls, snapshots: Sequence[str], limit: int) -> Self:
        """The array of these, or the count alone if it is longer than `limit` bytes."""
        size = len(cls._pack_names(snapshots))
        fits = _SNAPSHOTS.size + size <= limit
        return cls(len(snapshots), list(snapshots) if fits else [], size)

    @staticmethod
    def _pack_names(snapshots: Sequence[str]) -> bytes:
        """Each name with a NUL, and one NUL more at the end."""
        return encode_utf16("".join(f"{name}\0" for name in snapshots) + "\0")

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short or the names are not the number that is said."""
        number, returned, size = unpack(_SNAPSHOTS, data, 0, "SRV_SNAPSHOT_ARRAY")
        if not returned:
            return cls(number, [], size)
        start = _SNAPSHOTS.size
        text = decode_utf16(window(data, start, size, start, "SnapShots"))
        names = text.rstrip("\0").split("\0")
        if len(names) != returned:
            raise DecodeError(f"SRV_SNAPSHOT_ARRAY: {len(names)} names, {returned} announced")
        return cls(number, names, size)

    def encode(self) -> bytes:
        names = self._pack_names(self.snapshots) if self.snapshots else b""
        head = _SNAPSHOTS.pack(self.number_of_snapshots, len(self.snapshots), self.array_size)
        return head + names


@dataclass(slots=True)
class NetworkResiliencyRequest:
    """NETWORK_RESILIENCY_REQUEST, [MS-SMB2] 2.2.31.3. `timeout` is milliseconds."""

    timeout: int = 0

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short."""
        return cls(*unpack(_RESILIENCY, data, 0, "NETWORK_RESILIENCY_REQUEST"))

    def encode(self) -> bytes:
        return _RESILIENCY.pack(self.timeout)


@dataclass(slots=True)
class ValidateNegotiateInfoRequest:
    """VALIDATE_NEGOTIATE_INFO Request, [MS-SMB2] 2.2.31.4: what the client sent in NEGOTIATE."""

    capabilities: int = 0
    guid: bytes = bytes(16)
    security_mode: int = 0
    dialects: list[int] = field(default_factory=list)

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short for the dialects it counts."""
        capabilities, guid, mode, count = unpack(_VALIDATE, data, 0, "VALIDATE_NEGOTIATE_INFO")
        dialects = unpack(Struct(f"<{count}H"), data, _VALIDATE.size, "Dialects")
        return cls(capabilities, bytes(guid), mode, list(dialects))

    def encode(self) -> bytes:
        count = len(self.dialects)
        head = _VALIDATE.pack(self.capabilities, self.guid, self.security_mode, count)
        return head + Struct(f"<{count}H").pack(*self.dialects)


@dataclass(slots=True)
class ValidateNegotiateInfoResponse:
    """VALIDATE_NEGOTIATE_INFO Response, [MS-SMB2] 2.2.32.6: what the server sent in NEGOTIATE."""

    capabilities: int = 0
    guid: bytes = bytes(16)
    security_mode: int = 0
    dialect: int = 0

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short."""
        capabilities, guid, mode, dialect = unpack(_VALIDATE, data, 0, "VALIDATE_NEGOTIATE_INFO")
        return cls(capabilities, bytes(guid), mode, dialect)

    def encode(self) -> bytes:
        return _VALIDATE.pack(self.capabilities, self.guid, self.security_mode, self.dialect)


@dataclass(slots=True)
class NetworkInterfaceInfo:
    """NETWORK_INTERFACE_INFO, [MS-SMB2] 2.2.32.5. `link_speed` is bits per second; `address` is 4
    bytes (IPv4) or 16 (IPv6) in network order."""

    if_index: int
    capability: int
    link_speed: int
    address: bytes


def decode_interfaces(data: memoryview) -> list[NetworkInterfaceInfo]:
    """The output of FSCTL_QUERY_NETWORK_INTERFACE_INFO; families other than IPv4 and IPv6 are
    skipped. Raises DecodeError if an entry lies outside or there are more than 1024."""
    interfaces: list[NetworkInterfaceInfo] = []
    offset = 0
    for _ in range(_MAX_INTERFACES):
        entry = window(data, offset, _INTERFACE.size, 0, "NETWORK_INTERFACE_INFO")
        following, index, capability, speed, family, raw = _INTERFACE.unpack(entry)
        if family in (_FAMILY_IPV4, _FAMILY_IPV6):
            address = raw[_IPV4 if family == _FAMILY_IPV4 else _IPV6]
            interfaces.append(NetworkInterfaceInfo(index, capability, speed, address))
        if not following:
            return interfaces
        if following < _INTERFACE.size:
            raise DecodeError(f"NETWORK_INTERFACE_INFO: Next {following}")
        offset += following
    raise DecodeError("too many network interfaces")


def encode_interfaces(interfaces: Sequence[NetworkInterfaceInfo]) -> bytes:
    """The output of FSCTL_QUERY_NETWORK_INTERFACE_INFO; the entries need no padding."""
    out = bytearray()
    for number, interface in enumerate(interfaces, 1):
        raw = bytearray(126)
        ipv4 = len(interface.address) == 4
        raw[_IPV4 if ipv4 else _IPV6] = interface.address
        out += _INTERFACE.pack(
            _INTERFACE.size if number < len(interfaces) else 0,
            interface.if_index,
            interface.capability,
            interface.link_speed,
            _FAMILY_IPV4 if ipv4 else _FAMILY_IPV6,
            bytes(raw),
        )
    return bytes(out)
