"""What create contexts hold, [MS-SMB2] 2.2.13.2.1 to .15 (requests) and 2.2.14.2.1 to .15
(responses). `decode` reads the data of a CreateContext and raises DecodeError unless it has exactly
the length of the record; `encode` gives the data.

Contexts without a record here are raw bytes: ExtA is FILE_FULL_EA_INFORMATION ([MS-FSCC] 2.4.16),
SecD a self-relative SECURITY_DESCRIPTOR ([MS-DTYP] 2.4.6), a QFid request is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any, Self

from paraph.errors import DecodeError


class ContextName:
    """The names, [MS-SMB2] 2.2.13.2 and 2.2.14.2: bytes in the order of the wire."""

    EA_BUFFER = b"ExtA"
    SD_BUFFER = b"SecD"
    DURABLE_HANDLE_REQUEST = b"DHnQ"
    DURABLE_HANDLE_RECONNECT = b"DHnC"
    ALLOCATION_SIZE = b"AlSi"
    QUERY_MAXIMAL_ACCESS = b"MxAc"
    TIMEWARP_TOKEN = b"TWrp"
    QUERY_ON_DISK_ID = b"QFid"
    LEASE = b"RqLs"
    DURABLE_HANDLE_REQUEST_V2 = b"DH2Q"
    DURABLE_HANDLE_RECONNECT_V2 = b"DH2C"
    APP_INSTANCE_ID = bytes.fromhex("45BCA66AEFA7F74A9008FA462E144D74")
    APP_INSTANCE_VERSION = bytes.fromhex("B982D0B73B56074FA07B524A8116A010")
    SVHDX_OPEN_DEVICE = bytes.fromhex("9CCBCF9E04C1E643980E158DA1F6EC83")
    RESERVED = bytes.fromhex("93AD25509CB411E7B42383DE968BCD7C")


class LeaseState:
    """[MS-SMB2] 2.2.13.2.8."""

    NONE = 0x00
    READ_CACHING = 0x01
    HANDLE_CACHING = 0x02
    WRITE_CACHING = 0x04


class LeaseFlags:
    """[MS-SMB2] 2.2.13.2.10 and 2.2.14.2.11."""

    BREAK_IN_PROGRESS = 0x00000002
    PARENT_LEASE_KEY_SET = 0x00000004


class DurableHandleFlags:
    """SMB2_DHANDLE_FLAG_*, [MS-SMB2] 2.2.13.2.11."""

    PERSISTENT = 0x00000002


_EIGHT = Struct("<Q")
_DURABLE = Struct("<16x")
_DURABLE_RESPONSE = Struct("<8x")
_FILE_ID = Struct("<QQ")
_MAXIMAL_ACCESS = Struct("<II")
_ON_DISK_ID = Struct("<QQ16x")
_LEASE = Struct("<16sII8x")
_LEASE_V2 = Struct("<16sII8x16sH2x")
_DURABLE_V2 = Struct("<II8x16s")
_DURABLE_V2_RESPONSE = Struct("<II")
_RECONNECT_V2 = Struct("<QQ16sI")
_APP_INSTANCE_ID = Struct("<H2x16s")
_APP_INSTANCE_VERSION = Struct("<H6xQQ")


def _exact(layout: Struct, data: memoryview | bytes, what: str) -> tuple[Any, ...]:
    if len(data) != layout.size:
        raise DecodeError(f"{what} has {len(data)} bytes, expected {layout.size}")
    return layout.unpack(data)


@dataclass(slots=True)
class MaximalAccessRequest:
    """MxAc, [MS-SMB2] 2.2.13.2.5. `timestamp` is a FILETIME, or None if the data is empty."""

    timestamp: int | None = None

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_EIGHT, data, "MxAc request")) if data else cls()

    def encode(self) -> bytes:
        return b"" if self.timestamp is None else _EIGHT.pack(self.timestamp)


@dataclass(slots=True)
class MaximalAccessResponse:
    """MxAc, [MS-SMB2] 2.2.14.2.5: an NT status and, if that is SUCCESS, an AccessMask."""

    query_status: int = 0
    maximal_access: int = 0

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_MAXIMAL_ACCESS, data, "MxAc response"))

    def encode(self) -> bytes:
        return _MAXIMAL_ACCESS.pack(self.query_status, self.maximal_access)


@dataclass(slots=True)
class OnDiskIdResponse:
    """QFid, [MS-SMB2] 2.2.14.2.9."""

    disk_file_id: int = 0
    volume_id: int = 0

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_ON_DISK_ID, data, "QFid response"))

    def encode(self) -> bytes:
        return _ON_DISK_ID.pack(self.disk_file_id, self.volume_id)


@dataclass(slots=True)
class AllocationSize:
    """AlSi, [MS-SMB2] 2.2.13.2.6, in bytes."""

    allocation_size: int = 0

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_EIGHT, data, "AlSi"))

    def encode(self) -> bytes:
        return _EIGHT.pack(self.allocation_size)


@dataclass(slots=True)
class TimewarpToken:
    """TWrp, [MS-SMB2] 2.2.13.2.7, a FILETIME."""

    timestamp: int = 0

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_EIGHT, data, "TWrp"))

    def encode(self) -> bytes:
        return _EIGHT.pack(self.timestamp)


@dataclass(slots=True)
class DurableHandleRequest:
    """DHnQ, [MS-SMB2] 2.2.13.2.3: 16 reserved bytes."""

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_DURABLE, data, "DHnQ request"))

    def encode(self) -> bytes:
        return _DURABLE.pack()


@dataclass(slots=True)
class DurableHandleResponse:
    """DHnQ, [MS-SMB2] 2.2.14.2.3: 8 reserved bytes."""

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_DURABLE_RESPONSE, data, "DHnQ response"))

    def encode(self) -> bytes:
        return _DURABLE_RESPONSE.pack()


@dataclass(slots=True)
class DurableHandleReconnect:
    """DHnC, [MS-SMB2] 2.2.13.2.4."""

    persistent_id: int = 0
    volatile_id: int = 0

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_FILE_ID, data, "DHnC"))

    def encode(self) -> bytes:
        return _FILE_ID.pack(self.persistent_id, self.volatile_id)


@dataclass(slots=True)
class DurableHandleRequestV2:
    """DH2Q, [MS-SMB2] 2.2.13.2.11. `timeout` is milliseconds, 0 for the server's own choice."""

    timeout: int = 0
    flags: int = 0
    create_guid: bytes = bytes(16)

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_DURABLE_V2, data, "DH2Q request"))

    def encode(self) -> bytes:
        return _DURABLE_V2.pack(self.timeout, self.flags, self.create_guid)


@dataclass(slots=True)
class DurableHandleResponseV2:
    """DH2Q, [MS-SMB2] 2.2.14.2.12. `timeout` is milliseconds."""

    timeout: int = 0
    flags: int = 0

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_DURABLE_V2_RESPONSE, data, "DH2Q response"))

    def encode(self) -> bytes:
        return _DURABLE_V2_RESPONSE.pack(self.timeout, self.flags)


@dataclass(slots=True)
class DurableHandleReconnectV2:
    """DH2C, [MS-SMB2] 2.2.13.2.12."""

    persistent_id: int = 0
    volatile_id: int = 0
    create_guid: bytes = bytes(16)
    flags: int = 0

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        return cls(*_exact(_RECONNECT_V2, data, "DH2C"))

    def encode(self) -> bytes:
        return _RECONNECT_V2.pack(
            self.persistent_id, self.volatile_id, self.create_guid, self.flags
        )


@dataclass(slots=True)
class Lease:
    """RqLs, the same form in requests and responses: version 1 is [MS-SMB2] 2.2.13.2.8 and
    2.2.14.2.10, version 2 is 2.2.13.2.10 and 2.2.14.2.11. `decode` tells them by their length.
    `parent_lease_key` counts only if `flags` has PARENT_LEASE_KEY_SET; it and `epoch` are sent in
    version 2 alone.
    """

    lease_key: bytes = bytes(16)
    lease_state: int = LeaseState.NONE
    flags: int = 0
    parent_lease_key: bytes = bytes(16)
    epoch: int = 0
    version: int = 2

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        if len(data) == _LEASE.size:
            key, state, flags = _LEASE.unpack(data)
            return cls(key, state, flags, version=1)
        key, state, flags, parent, epoch = _exact(_LEASE_V2, data, "RqLs")
        return cls(key, state, flags, parent, epoch, version=2)

    def encode(self) -> bytes:
        if self.version == 1:
            return _LEASE.pack(self.lease_key, self.lease_state, self.flags)
        return _LEASE_V2.pack(
            self.lease_key, self.lease_state, self.flags, self.parent_lease_key, self.epoch
        )


@dataclass(slots=True)
class AppInstanceId:
    """SMB2_CREATE_APP_INSTANCE_ID, [MS-SMB2] 2.2.13.2.13."""

    app_instance_id: bytes = bytes(16)

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        size, value = _exact(_APP_INSTANCE_ID, data, "APP_INSTANCE_ID")
        if size != _APP_INSTANCE_ID.size:
            raise DecodeError(f"APP_INSTANCE_ID: StructureSize {size}")
        return cls(value)

    def encode(self) -> bytes:
        return _APP_INSTANCE_ID.pack(_APP_INSTANCE_ID.size, self.app_instance_id)


@dataclass(slots=True)
class AppInstanceVersion:
    """SMB2_CREATE_APP_INSTANCE_VERSION, [MS-SMB2] 2.2.13.2.15."""

    high: int = 0
    low: int = 0

    @classmethod
    def decode(cls, data: memoryview | bytes) -> Self:
        size, high, low = _exact(_APP_INSTANCE_VERSION, data, "APP_INSTANCE_VERSION")
        if size != _APP_INSTANCE_VERSION.size:
            raise DecodeError(f"APP_INSTANCE_VERSION: StructureSize {size}")
        return cls(high, low)

    def encode(self) -> bytes:
        return _APP_INSTANCE_VERSION.pack(_APP_INSTANCE_VERSION.size, self.high, self.low)
