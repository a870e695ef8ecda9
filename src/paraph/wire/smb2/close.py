"""CLOSE, [MS-SMB2] 2.2.15 and 2.2.16."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import fixed


class CloseFlags:
    """[MS-SMB2] 2.2.15."""

    POSTQUERY_ATTRIB = 0x0001


_REQUEST = Struct("<HH4xQQ")  # StructureSize, Flags, Reserved, FileId
_REQUEST_SIZE = 24
# StructureSize, Flags, Reserved, four times, AllocationSize, EndofFile, FileAttributes
_RESPONSE = Struct("<HH4xQQQQQQI")
_RESPONSE_SIZE = 60


@dataclass(slots=True)
class CloseRequest:
    """SMB2 CLOSE Request, [MS-SMB2] 2.2.15."""

    flags: int = 0
    persistent_id: int = 0
    volatile_id: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_REQUEST, _REQUEST_SIZE, message, "CLOSE request"))

    def encode(self) -> bytes:
        return _REQUEST.pack(_REQUEST_SIZE, self.flags, self.persistent_id, self.volatile_id)


@dataclass(slots=True)
class CloseResponse:
    """SMB2 CLOSE Response, [MS-SMB2] 2.2.16. Times are FILETIMEs, sizes bytes; all of them are 0
    unless `flags` has POSTQUERY_ATTRIB."""

    flags: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    allocation_size: int = 0
    end_of_file: int = 0
    file_attributes: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_RESPONSE, _RESPONSE_SIZE, message, "CLOSE response"))

    def encode(self) -> bytes:
        return _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.flags,
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.allocation_size,
            self.end_of_file,
            self.file_attributes,
        )
