"""QUERY_INFO and SET_INFO, [MS-SMB2] 2.2.37 to 2.2.40."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import HEADER_SIZE, fixed, unpack, window
from paraph.wire.smb2.simple import OutputBuffer


class InfoType:
    """SMB2_0_INFO_*, [MS-SMB2] 2.2.37."""

    FILE = 0x01
    FILESYSTEM = 0x02
    SECURITY = 0x03
    QUOTA = 0x04


class SecurityInformation:
    """AdditionalInformation of security queries and settings, [MS-SMB2] 2.2.37 and 2.2.39."""

    OWNER = 0x00000001
    GROUP = 0x00000002
    DACL = 0x00000004
    SACL = 0x00000008
    LABEL = 0x00000010
    ATTRIBUTE = 0x00000020
    SCOPE = 0x00000040
    BACKUP = 0x00010000


class QueryInfoFlags:
    """Flags of a FileFullEaInformation query, [MS-SMB2] 2.2.37."""

    RESTART_SCAN = 0x00000001
    RETURN_SINGLE_ENTRY = 0x00000002
    INDEX_SPECIFIED = 0x00000004


# StructureSize, InfoType, FileInfoClass, OutputBufferLength, InputBufferOffset, Reserved,
# InputBufferLength, AdditionalInformation, Flags, FileId
_QUERY = Struct("<HBBIH2xIIIQQ")
_QUERY_SIZE = 41
_QUERY_END = HEADER_SIZE + _QUERY.size
# StructureSize, InfoType, FileInfoClass, BufferLength, BufferOffset, Reserved,
# AdditionalInformation, FileId
_SET = Struct("<HBBIH2xIQQ")
_SET_SIZE = 33
_SET_END = HEADER_SIZE + _SET.size
_SET_RESPONSE = Struct("<H")
_SET_RESPONSE_SIZE = 2
# ReturnSingle, RestartScan, Reserved, SidListLength, StartSidLength, StartSidOffset
_QUOTA = Struct("<BB2xIII")


@dataclass(slots=True)
class QueryInfoRequest:
    """SMB2 QUERY_INFO Request, [MS-SMB2] 2.2.37. `output_buffer_length` is the most bytes that may
    be returned; `additional_information` is of SecurityInformation or an EA index."""

    info_type: int = 0
    file_info_class: int = 0
    output_buffer_length: int = 0
    additional_information: int = 0
    flags: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    input_buffer: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or the buffer lies outside."""
        info_type, info_class, limit, offset, length, additional, flags, persistent, volatile = (
            fixed(_QUERY, _QUERY_SIZE, message, "QUERY_INFO request")
        )
        buffer = window(message, offset, length, _QUERY_END, "InputBuffer")
        return cls(info_type, info_class, limit, additional, flags, persistent, volatile, buffer)

    def encode(self) -> bytes:
        buffer = self.input_buffer
        body = _QUERY.pack(
            _QUERY_SIZE,
            self.info_type,
            self.file_info_class,
            self.output_buffer_length,
            _QUERY_END if buffer else 0,
            len(buffer),
            self.additional_information,
            self.flags,
            self.persistent_id,
            self.volatile_id,
        )
        return b"".join((body, buffer or b"\0"))


class QueryInfoResponse(OutputBuffer):
    """SMB2 QUERY_INFO Response, [MS-SMB2] 2.2.38: what [MS-FSCC] 2.4 and 2.5 or [MS-DTYP] 2.4.6
    say."""

    __slots__ = ()


@dataclass(slots=True)
class QueryQuotaInfo:
    """SMB2_QUERY_QUOTA_INFO, [MS-SMB2] 2.2.37.1, the input buffer of a quota query."""

    return_single: bool
    restart_scan: bool
    sid_list_length: int
    start_sid_length: int
    start_sid_offset: int
    sid_buffer: memoryview | bytes = b""

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short or a length lies outside the buffer."""
        single, restart, list_length, sid_length, sid_offset = unpack(
            _QUOTA, data, 0, "QUERY_QUOTA_INFO"
        )
        sids = data[_QUOTA.size :]
        window(sids, 0, list_length, 0, "SidList")
        window(sids, sid_offset, sid_length, 0, "StartSid")
        return cls(bool(single), bool(restart), list_length, sid_length, sid_offset, sids)

    def encode(self) -> bytes:
        fixed_part = _QUOTA.pack(
            self.return_single,
            self.restart_scan,
            self.sid_list_length,
            self.start_sid_length,
            self.start_sid_offset,
        )
        return b"".join((fixed_part, self.sid_buffer))


@dataclass(slots=True)
class SetInfoRequest:
    """SMB2 SET_INFO Request, [MS-SMB2] 2.2.39."""

    info_type: int = 0
    file_info_class: int = 0
    additional_information: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    buffer: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or the buffer lies outside."""
        info_type, info_class, length, offset, additional, persistent_id, volatile_id = fixed(
            _SET, _SET_SIZE, message, "SET_INFO request"
        )
        buffer = window(message, offset, length, _SET_END, "Buffer")
        return cls(info_type, info_class, additional, persistent_id, volatile_id, buffer)

    def encode(self) -> bytes:
        body = _SET.pack(
            _SET_SIZE,
            self.info_type,
            self.file_info_class,
            len(self.buffer),
            _SET_END,
            self.additional_information,
            self.persistent_id,
            self.volatile_id,
        )
        return b"".join((body, self.buffer or b"\0"))


@dataclass(slots=True)
class SetInfoResponse:
    """SMB2 SET_INFO Response, [MS-SMB2] 2.2.40: nothing but StructureSize."""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        fixed(_SET_RESPONSE, _SET_RESPONSE_SIZE, message, "SET_INFO response")
        return cls()

    def encode(self) -> bytes:
        return _SET_RESPONSE.pack(_SET_RESPONSE_SIZE)
