"""QUERY_DIRECTORY, [MS-SMB2] 3.3.5.18 with the search of [MS-FSA] 2.1.5.6.3.

An open keeps its search between requests: the pattern, an iterator over what is left, and the one
entry that did not fit any more. So each page costs what it returns, however large the directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paraph.core.message import BODY
from paraph.errors import NTStatusError
from paraph.server.open import Open
from paraph.storage.base import DirectoryEntry, FileInfo
from paraph.storage.names import check_pattern, compile_pattern, has_wildcards
from paraph.wire.fscc_dir import SUPPORTED, pack_entry, patch_next
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask
from paraph.wire.smb2.query_directory import (
    QueryDirectoryFlags,
    QueryDirectoryRequest,
    QueryDirectoryResponse,
)
from paraph.wire.smb2.simple import OUTPUT_BUFFER_FIXED
from paraph.wire.text import encode_utf16

if TYPE_CHECKING:
    from paraph.server.request import Request

_START = BODY + OUTPUT_BUFFER_FIXED
"""Where the entries begin in the reply buffer."""

_FIRST_PIECE = 16 << 10
"""Bytes with which the reply buffer begins: clients ask for up to 8 MiB and mostly need little."""

_RESTART = QueryDirectoryFlags.RESTART_SCANS | QueryDirectoryFlags.REOPEN


class Search:
    """Open.QueryPattern and what is left of the enumeration ([MS-FSA] 2.1.1.6)."""

    __slots__ = ("entries", "held", "pattern")

    def __init__(self, opened: Open, pattern: str) -> None:
        self.pattern = pattern
        self.entries = _entries(opened, pattern)
        self.held: DirectoryEntry | None = None  #: taken from `entries`, not yet returned


async def query_directory(request: Request, message: QueryDirectoryRequest) -> bytearray:
    """The next page of the search. SMB2_INDEX_SPECIFIED is ignored, as Windows does (note <410>).

    Raises NTStatusError NO_SUCH_FILE when a first query matches nothing, NO_MORE_FILES at the end.
    An entry whose name alone is too long for the buffer comes cut, with BUFFER_OVERFLOW, and comes
    again at the next query.
    """
    opened, length = request.open, message.output_buffer_length
    _check(request, message)
    first = opened.search is None or bool(message.flags & QueryDirectoryFlags.REOPEN)
    search = _search(opened, message)
    reply = bytearray(_START + min(length, _FIRST_PIECE))
    try:
        end = _fill(reply, search, message)
    except BaseException:
        opened.search = None  # its iterator is at an end: begin anew rather than feign one
        raise
    if end == _START:
        if search.held is None:
            status = NTStatus.NO_SUCH_FILE if first else NTStatus.NO_MORE_FILES
            raise NTStatusError(status, f"no more names match {search.pattern!r}")
        end = _cut_entry(reply, search.held, message)
        request.status = NTStatus.BUFFER_OVERFLOW
    del reply[end:]
    QueryDirectoryResponse.pack_into(reply, BODY, end - _START)
    return reply


def _check(request: Request, message: QueryDirectoryRequest) -> None:
    """What 3.3.5.18 checks, in its order."""
    opened, length = request.open, message.output_buffer_length
    if not opened.is_directory:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "a search in what is no directory")
    if length > request.connection.max_transact_size:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"OutputBufferLength {length}")
    opened.require(AccessMask.FILE_LIST_DIRECTORY)
    smallest = SUPPORTED.get(message.file_information_class)
    if smallest is None:
        level = message.file_information_class
        raise NTStatusError(NTStatus.INVALID_INFO_CLASS, f"directory information class {level}")
    if length < smallest:
        raise NTStatusError(NTStatus.INFO_LENGTH_MISMATCH, f"{length} bytes hold no entry")


def _search(opened: Open, message: QueryDirectoryRequest) -> Search:
    """The search to go on with. Its pattern stays until a restart brings another one.
    Raises NTStatusError OBJECT_NAME_INVALID."""
    search: Search | None = opened.search
    if search is not None and not message.flags & _RESTART:
        return search
    if message.file_name:
        pattern = check_pattern(message.file_name)
    else:
        pattern = "*" if search is None else search.pattern
    opened.search = search = Search(opened, pattern)
    return search


def _entries(opened: Open, pattern: str) -> Iterator[DirectoryEntry]:
    """What `pattern` matches: `.` and `..` first, then what the directory holds. A pattern without
    wildcards is looked up instead of searched for."""
    handle = opened.disk()
    accepts = compile_pattern(pattern)
    if accepts is None or accepts("."):
        yield DirectoryEntry(".", handle.info())
    if accepts is None or accepts(".."):
        yield DirectoryEntry("..", _parent_info(opened))
    if accepts is None:
        yield from handle.scan()
    elif has_wildcards(pattern):
        for entry in handle.scan():
            if accepts(entry.name):
                yield entry
    elif pattern not in (".", ".."):
        found = handle.find(pattern)
        if found is not None:
            yield found


def _parent_info(opened: Open) -> FileInfo:
    """What `..` is. Above the root of the share there is nothing that a client may see, so there,
    and where the parent can not be reached, it looks like the directory itself."""
    path = opened.path
    if path:
        try:
            parent = opened.tree.disk_share().backend.open(path.rpartition("\\")[0])
        except (NTStatusError, OSError):
            return opened.disk().info()
        try:
            return parent.info()
        finally:
            parent.close()
    return opened.disk().info()


def _pack(level: int, buffer: bytearray, offset: int, limit: int, entry: DirectoryEntry) -> int:
    """`pack_entry` of a `DirectoryEntry`."""
    info = entry.info
    return pack_entry(
        level,
        buffer,
        offset,
        limit,
        encode_utf16(entry.name),
        0,  # FileIndex: there is no order that a client could come back to
        info.creation_time,
        info.last_access_time,
        info.last_write_time,
        info.change_time,
        info.end_of_file,
        info.allocation_size,
        info.attributes,
        info.ea_size,
        info.file_id,
        b"",
        info.reparse_tag,
    )


def _fill(reply: bytearray, search: Search, message: QueryDirectoryRequest) -> int:
    """Pack entries until the buffer is full, the search at its end, or the one entry asked for is
    there; the end of the last one in `reply`, which grows as needed."""
    level = message.file_information_class
    single = message.flags & QueryDirectoryFlags.RETURN_SINGLE_ENTRY
    limit = _START + message.output_buffer_length
    room = len(reply)
    entries = search.entries
    end = offset = _START
    previous = -1
    entry = search.held or next(entries, None)
    while entry is not None:
        packed = _pack(level, reply, offset, room, entry)
        if packed < 0:
            if room == limit:
                break
            reply.extend(bytes(min(room, limit - room)))
            room = len(reply)
            continue
        if previous >= 0:
            patch_next(reply, previous, offset)
        previous, end = offset, packed
        offset = packed + (_START - packed & 7)
        if single:
            entry = None
            break
        entry = next(entries, None)
    search.held = entry
    return end


def _cut_entry(reply: bytearray, entry: DirectoryEntry, message: QueryDirectoryRequest) -> int:
    """The fixed part of an entry and as much of its name as fits, at the place of the first one;
    FileNameLength tells the whole length."""
    level = message.file_information_class
    fixed = SUPPORTED[level]
    whole = bytearray(fixed + len(encode_utf16(entry.name)))
    _pack(level, whole, 0, len(whole), entry)
    end = _START + fixed + (message.output_buffer_length - fixed & ~1)
    reply[_START:end] = whole[: end - _START]
    return end
