"""Directory listings: the levels of SMB2 QUERY_DIRECTORY, [MS-FSCC] 2.4.

The server packs entries straight into its reply, one call each:

    previous, offset = -1, start
    for entry in entries:
        end = pack_entry(level, buffer, offset, limit, *entry)
        if end < 0: break                                  # does not fit
        if previous >= 0: patch_next(buffer, previous, offset)
        previous, offset = offset, end + (start - end & 7)   # 8-byte boundaries count from start
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

from paraph.errors import DecodeError
from paraph.wire.fscc import U32, decode_utf16, read_name, split_entries
from paraph.wire.fscc_file import FileAttributes, FileInformationClass

# NextEntryOffset, FileIndex, four times, EndOfFile, AllocationSize, FileAttributes, FileNameLength
_COMMON = "<IIqqqqqqII"

_LAYOUTS: dict[int, Struct] = {
    FileInformationClass.DIRECTORY: Struct(_COMMON),
    FileInformationClass.FULL_DIRECTORY: Struct(_COMMON + "I"),
    FileInformationClass.BOTH_DIRECTORY: Struct(_COMMON + "IBx24s"),
    FileInformationClass.NAMES: Struct("<III"),
    FileInformationClass.ID_BOTH_DIRECTORY: Struct(_COMMON + "IBx24s2xQ"),
    FileInformationClass.ID_FULL_DIRECTORY: Struct(_COMMON + "I4xQ"),
    FileInformationClass.ID_EXTD_DIRECTORY: Struct(_COMMON + "IIQQ"),
    FileInformationClass.ID_64_EXTD_DIRECTORY: Struct(_COMMON + "IIQ"),
    FileInformationClass.ID_64_EXTD_BOTH_DIRECTORY: Struct(_COMMON + "IIQBx24s"),
    FileInformationClass.ID_ALL_EXTD_DIRECTORY: Struct(_COMMON + "IIQQQ"),
    FileInformationClass.ID_ALL_EXTD_BOTH_DIRECTORY: Struct(_COMMON + "IIQQQBx24s"),
}

SUPPORTED: dict[int, int] = {level: layout.size for level, layout in _LAYOUTS.items()}
"""The levels, with the size of the fixed part of an entry. A smaller output buffer fails with
STATUS_INFO_LENGTH_MISMATCH ([MS-FSA] 2.1.5.6.3)."""

ENTRY_ALIGNMENT = 8
MAX_SHORT_NAME = 24
"""Bytes of UTF-16 in ShortName."""

_PACK = {level: (layout.size, layout.pack_into) for level, layout in _LAYOUTS.items()}
# Globals, because they are compared on the fast path.
_REPARSE_POINT = FileAttributes.REPARSE_POINT
_FULL = FileInformationClass.FULL_DIRECTORY
_BOTH = FileInformationClass.BOTH_DIRECTORY
_NAMES = FileInformationClass.NAMES
_ID_BOTH = FileInformationClass.ID_BOTH_DIRECTORY
_ID_FULL = FileInformationClass.ID_FULL_DIRECTORY
_ID_EXTD = FileInformationClass.ID_EXTD_DIRECTORY
_ID_64_EXTD = FileInformationClass.ID_64_EXTD_DIRECTORY
_ID_64_EXTD_BOTH = FileInformationClass.ID_64_EXTD_BOTH_DIRECTORY
_ID_ALL_EXTD = FileInformationClass.ID_ALL_EXTD_DIRECTORY


@dataclass(slots=True)
class DirRecord:
    """One entry, as a client reads it; fields that its level lacks are 0 or empty.

    `ea_size` and `reparse_tag` are apart whatever the level: the older levels carry one or the
    other in the same field. `file_id` is the 64-bit file ID, or the low half of `file_id_128` where
    the level has only that.
    """

    file_name: str
    file_index: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    end_of_file: int = 0
    allocation_size: int = 0
    file_attributes: int = 0
    ea_size: int = 0
    file_id: int = 0
    file_id_128: int = 0
    short_name: str = ""
    reparse_tag: int = 0


def pack_entry(
    info_class: int,
    buffer: bytearray | memoryview,
    offset: int,
    limit: int,
    name: bytes,
    file_index: int,
    creation_time: int,
    last_access_time: int,
    last_write_time: int,
    change_time: int,
    end_of_file: int,
    allocation_size: int,
    file_attributes: int,
    ea_size: int,
    file_id: int,
    short_name: bytes = b"",
    reparse_tag: int = 0,
) -> int:
    """Write one entry at `offset` with a NextEntryOffset of 0; the offset of its end, unpadded, or
    -1, with nothing written, if that would pass `limit` (which must be within `buffer`).

    `info_class` is one of SUPPORTED (KeyError otherwise); `name` and `short_name` (at most 24
    bytes) are UTF-16LE; `file_id` has 64 bits. `ea_size` gives way to `reparse_tag` where the level
    has one field for both and the file is a reparse point.
    """
    size, pack = _PACK[info_class]
    name_length = len(name)
    start = offset + size
    end = start + name_length
    if end > limit:
        return -1
    if info_class == _NAMES:
        pack(buffer, offset, 0, file_index, name_length)
        buffer[start:end] = name
        return end
    tail: tuple[int | bytes, ...]
    if info_class < _ID_EXTD:
        if file_attributes & _REPARSE_POINT:
            ea_size = reparse_tag
        if info_class == _ID_BOTH:
            tail = (ea_size, len(short_name), short_name, file_id)
        elif info_class == _ID_FULL:
            tail = (ea_size, file_id)
        elif info_class == _BOTH:
            tail = (ea_size, len(short_name), short_name)
        elif info_class == _FULL:
            tail = (ea_size,)
        else:
            tail = ()
    elif info_class == _ID_EXTD:
        tail = (ea_size, reparse_tag, file_id, 0)
    elif info_class == _ID_64_EXTD:
        tail = (ea_size, reparse_tag, file_id)
    elif info_class == _ID_64_EXTD_BOTH:
        tail = (ea_size, reparse_tag, file_id, len(short_name), short_name)
    elif info_class == _ID_ALL_EXTD:
        tail = (ea_size, reparse_tag, file_id, file_id, 0)
    else:
        tail = (ea_size, reparse_tag, file_id, file_id, 0, len(short_name), short_name)
    pack(
        buffer,
        offset,
        0,
        file_index,
        creation_time,
        last_access_time,
        last_write_time,
        change_time,
        end_of_file,
        allocation_size,
        file_attributes,
        name_length,
        *tail,
    )
    buffer[start:end] = name
    return end


def patch_next(buffer: bytearray | memoryview, previous: int, offset: int) -> None:
    """Link the entry at `previous` to the one at `offset`."""
    U32.pack_into(buffer, previous, offset - previous)


def decode_entries(info_class: int, data: memoryview) -> list[DirRecord]:
    """The entries of a QUERY_DIRECTORY response; none if `data` is empty. `info_class` is one of
    SUPPORTED (KeyError otherwise). Raises DecodeError."""
    layout = _LAYOUTS[info_class]
    records = []
    for entry in split_entries(data, layout.size, "directory entry"):
        fields = layout.unpack_from(entry)
        if info_class == _NAMES:
            records.append(DirRecord(read_name(entry, layout.size, fields[2]), fields[1]))
            continue
        record = DirRecord(read_name(entry, layout.size, fields[9]), *fields[1:9])
        _read_tail(info_class, fields[10:], record)
        records.append(record)
    return records


def _read_tail(info_class: int, tail: tuple[Any, ...], record: DirRecord) -> None:
    """What follows FileNameLength in the fixed part."""
    if info_class < _ID_EXTD:
        if tail and record.file_attributes & _REPARSE_POINT:
            record.reparse_tag = tail[0]
        elif tail:
            record.ea_size = tail[0]
        if info_class in (_BOTH, _ID_BOTH):
            record.short_name = _short_name(tail[1], tail[2])
        if info_class in (_ID_FULL, _ID_BOTH):
            record.file_id = tail[-1]
        return
    record.ea_size, record.reparse_tag, record.file_id = tail[:3]
    if info_class == _ID_EXTD:
        record.file_id_128 = tail[3] << 64 | tail[2]
    elif info_class == _ID_64_EXTD_BOTH:
        record.short_name = _short_name(tail[3], tail[4])
    elif info_class != _ID_64_EXTD:
        record.file_id_128 = tail[4] << 64 | tail[3]
        if info_class != _ID_ALL_EXTD:
            record.short_name = _short_name(tail[5], tail[6])


def _short_name(length: int, data: bytes) -> str:
    if length > MAX_SHORT_NAME:
        raise DecodeError(f"ShortNameLength {length}")
    return decode_utf16(memoryview(data)[:length], "ShortName")
