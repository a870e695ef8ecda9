"""File information that comes in chains of entries, [MS-FSCC] 2.4: extended attributes, streams,
quotas. Each record has `encode_list` and `decode_list` for the chain; see `fscc`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

from paraph.errors import DecodeError
from paraph.wire.dtyp import Sid
from paraph.wire.fscc import ListRecord, encode_utf16, read_name
from paraph.wire.record import unpack, window

NEED_EA = 0x80
"""FILE_NEED_EA in the Flags of FileFullEaInformation."""

_FULL_EA = Struct("<IBBH")


@dataclass(slots=True)
class FileFullEaInformation(ListRecord):
    """Class 15, [MS-FSCC] 2.4.16: one extended attribute; an empty value deletes it."""

    MINIMUM = _FULL_EA.size
    ALIGNMENT = 4
    ea_name: bytes  #: ASCII, without its terminating NUL
    ea_value: bytes
    flags: int = 0

    def encode(self) -> bytes:
        fixed = _FULL_EA.pack(0, self.flags, len(self.ea_name), len(self.ea_value))
        return fixed + self.ea_name + b"\0" + self.ea_value

    @classmethod
    def decode(cls, data: memoryview) -> FileFullEaInformation:
        _, flags, name_length, value_length = unpack(_FULL_EA, data, 0, "FileFullEaInformation")
        name = _terminated(data, _FULL_EA.size, name_length)
        start = _FULL_EA.size + name_length + 1
        return cls(name, bytes(window(data, start, value_length, start, "EaValue")), flags)


_GET_EA = Struct("<IB")


@dataclass(slots=True)
class FileGetEaInformation(ListRecord):
    """FILE_GET_EA_INFORMATION, [MS-FSCC] 2.4.16.1: the name of an attribute to query."""

    MINIMUM = _GET_EA.size
    ALIGNMENT = 4
    ea_name: bytes  #: ASCII, without its terminating NUL

    def encode(self) -> bytes:
        return _GET_EA.pack(0, len(self.ea_name)) + self.ea_name + b"\0"

    @classmethod
    def decode(cls, data: memoryview) -> FileGetEaInformation:
        _, length = unpack(_GET_EA, data, 0, "FileGetEaInformation")
        return cls(_terminated(data, _GET_EA.size, length))


def _terminated(data: memoryview, offset: int, length: int) -> bytes:
    name = bytes(window(data, offset, length + 1, offset, "EaName"))
    if name[-1]:
        raise DecodeError("EaName does not end in NUL")
    return name[:-1]


_STREAM = Struct("<IIqq")


@dataclass(slots=True)
class FileStreamInformation(ListRecord):
    """Class 22, [MS-FSCC] 2.4.49: one data stream; the name is ":name:$DATA" or "::$DATA"."""

    MINIMUM = _STREAM.size
    ALIGNMENT = 8
    stream_name: str
    stream_size: int
    stream_allocation_size: int

    def encode(self) -> bytes:
        name = encode_utf16(self.stream_name)
        return _STREAM.pack(0, len(name), self.stream_size, self.stream_allocation_size) + name

    @classmethod
    def decode(cls, data: memoryview) -> FileStreamInformation:
        _, length, size, allocation = unpack(_STREAM, data, 0, "FileStreamInformation")
        return cls(read_name(data, _STREAM.size, length), size, allocation)


_QUOTA = Struct("<IIqqqq")


@dataclass(slots=True)
class FileQuotaInformation(ListRecord):
    """Class 32, [MS-FSCC] 2.4.41: the quota of one user; a limit of -1 is none."""

    MINIMUM = _QUOTA.size
    ALIGNMENT = 8
    change_time: int
    quota_used: int
    quota_threshold: int
    quota_limit: int
    sid: Sid

    def encode(self) -> bytes:
        sid = self.sid.encode()
        return (
            _QUOTA.pack(
                0,
                len(sid),
                self.change_time,
                self.quota_used,
                self.quota_threshold,
                self.quota_limit,
            )
            + sid
        )

    @classmethod
    def decode(cls, data: memoryview) -> FileQuotaInformation:
        _, length, *fields = unpack(_QUOTA, data, 0, "FileQuotaInformation")
        values: tuple[Any, ...] = (*fields, _sid(data, _QUOTA.size, length))
        return cls(*values)


_GET_QUOTA = Struct("<II")


@dataclass(slots=True)
class FileGetQuotaInformation(ListRecord):
    """FILE_GET_QUOTA_INFORMATION, [MS-FSCC] 2.4.41.1: a user whose quota is asked for."""

    MINIMUM = _GET_QUOTA.size
    ALIGNMENT = 4
    sid: Sid

    def encode(self) -> bytes:
        sid = self.sid.encode()
        return _GET_QUOTA.pack(0, len(sid)) + sid

    @classmethod
    def decode(cls, data: memoryview) -> FileGetQuotaInformation:
        _, length = unpack(_GET_QUOTA, data, 0, "FileGetQuotaInformation")
        return cls(_sid(data, _GET_QUOTA.size, length))


def _sid(data: memoryview, offset: int, length: int) -> Sid:
    return Sid.decode(window(data, offset, length, offset, "Sid"))
