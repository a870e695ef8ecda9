"""CHANGE_NOTIFY, [MS-SMB2] 2.2.35 and 2.2.36."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import fixed
from paraph.wire.smb2.simple import OutputBuffer


class ChangeNotifyFlags:
    """[MS-SMB2] 2.2.35."""

    WATCH_TREE = 0x0001


class CompletionFilter:
    """FILE_NOTIFY_CHANGE_* of [MS-SMB2] 2.2.35."""

    FILE_NAME = 0x00000001
    DIR_NAME = 0x00000002
    ATTRIBUTES = 0x00000004
    SIZE = 0x00000008
    LAST_WRITE = 0x00000010
    LAST_ACCESS = 0x00000020
    CREATION = 0x00000040
    EA = 0x00000080
    SECURITY = 0x00000100
    STREAM_NAME = 0x00000200
    STREAM_SIZE = 0x00000400
    STREAM_WRITE = 0x00000800


# StructureSize, Flags, OutputBufferLength, FileId, CompletionFilter, Reserved
_REQUEST = Struct("<HHIQQI4x")
_REQUEST_SIZE = 32


@dataclass(slots=True)
class ChangeNotifyRequest:
    """SMB2 CHANGE_NOTIFY Request, [MS-SMB2] 2.2.35. `output_buffer_length` is the most bytes that
    may be returned."""

    flags: int = 0
    output_buffer_length: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    completion_filter: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_REQUEST, _REQUEST_SIZE, message, "CHANGE_NOTIFY request"))

    def encode(self) -> bytes:
        return _REQUEST.pack(
            _REQUEST_SIZE,
            self.flags,
            self.output_buffer_length,
            self.persistent_id,
            self.volatile_id,
            self.completion_filter,
        )


class ChangeNotifyResponse(OutputBuffer):
    """SMB2 CHANGE_NOTIFY Response, [MS-SMB2] 2.2.36: FILE_NOTIFY_INFORMATION of [MS-FSCC] 2.7.1."""

    __slots__ = ()
