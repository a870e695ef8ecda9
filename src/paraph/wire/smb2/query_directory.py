"""QUERY_DIRECTORY, [MS-SMB2] 2.2.33 and 2.2.34."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import HEADER_SIZE, fixed, window
from paraph.wire.smb2.simple import OutputBuffer
from paraph.wire.text import decode_utf16, encode_utf16


class QueryDirectoryFlags:
    """[MS-SMB2] 2.2.33."""

    RESTART_SCANS = 0x01
    RETURN_SINGLE_ENTRY = 0x02
    INDEX_SPECIFIED = 0x04
    REOPEN = 0x10


# StructureSize, FileInformationClass, Flags, FileIndex, FileId, FileNameOffset, FileNameLength,
# OutputBufferLength
_REQUEST = Struct("<HBBIQQHHI")
_REQUEST_SIZE = 33
_REQUEST_END = HEADER_SIZE + _REQUEST.size


@dataclass(slots=True)
class QueryDirectoryRequest:
    """SMB2 QUERY_DIRECTORY Request, [MS-SMB2] 2.2.33. `file_name` is the search pattern,
    `output_buffer_length` the most bytes that may be returned."""

    file_information_class: int = 0
    flags: int = 0
    file_index: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    output_buffer_length: int = 0
    file_name: str = ""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or the name lies outside."""
        info_class, flags, index, persistent_id, volatile_id, offset, length, limit = fixed(
            _REQUEST, _REQUEST_SIZE, message, "QUERY_DIRECTORY request"
        )
        name = decode_utf16(window(message, offset, length, _REQUEST_END, "FileName"))
        return cls(info_class, flags, index, persistent_id, volatile_id, limit, name)

    def encode(self) -> bytes:
        name = encode_utf16(self.file_name)
        body = _REQUEST.pack(
            _REQUEST_SIZE,
            self.file_information_class,
            self.flags,
            self.file_index,
            self.persistent_id,
            self.volatile_id,
            _REQUEST_END if name else 0,
            len(name),
            self.output_buffer_length,
        )
        return body + (name or b"\0")


class QueryDirectoryResponse(OutputBuffer):
    """SMB2 QUERY_DIRECTORY Response, [MS-SMB2] 2.2.34: the entries of [MS-FSCC] 2.4."""

    __slots__ = ()
