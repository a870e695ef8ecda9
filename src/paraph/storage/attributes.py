"""DOS attributes and creation times, which POSIX does not have: where they are kept, and the
`FileInfo` that comes of them.

They live in the extended attribute `user.paraph.dos`, written only when they differ from what a
file has anyway: files are ARCHIVE and were created when the file system says they were born. A file
that nobody may write to (no write bit in its mode) is READONLY, too.
"""

from __future__ import annotations

from struct import Struct

from paraph.storage.base import FileInfo
from paraph.storage.syscalls import Stat
from paraph.wire.fscc_file import FileAttributes

XATTR = "user.paraph.dos"

CLUSTER = 4096
"""Bytes; allocation sizes are multiples of it."""

SETTABLE = (
    FileAttributes.READONLY
    | FileAttributes.HIDDEN
    | FileAttributes.SYSTEM
    | FileAttributes.ARCHIVE
    | FileAttributes.TEMPORARY
    | FileAttributes.OFFLINE
    | FileAttributes.NOT_CONTENT_INDEXED
)
"""What a client may set ([MS-FSCC] 2.6); the rest follows from what the file is."""

WRITE_BITS = 0o222

_VERSION = 1
_LAYOUT = Struct("<B3xIQ")  # version, attributes, creation time as FILETIME or 0


def pack_dos(attributes: int, creation_time: int) -> bytes:
    """The value of the extended attribute. `creation_time` 0: when the file was born."""
    return _LAYOUT.pack(_VERSION, attributes & SETTABLE, creation_time)


def unpack_dos(value: bytes | None) -> tuple[int, int] | None:
    """(attributes, creation time or 0); None for a value that is missing or not ours."""
    if value is None or len(value) != _LAYOUT.size or value[0] != _VERSION:
        return None
    _, attributes, creation_time = _LAYOUT.unpack(value)
    return attributes & SETTABLE, creation_time


def default_attributes(is_directory: bool) -> int:
    """Settable attributes of what has no extended attribute."""
    return 0 if is_directory else FileAttributes.ARCHIVE


def clusters(size: int) -> int:
    """`size` rounded up to the cluster ([MS-FSA] 2.1.4.5)."""
    return (size + CLUSTER - 1) & -CLUSTER


def shown_attributes(settable: int, is_directory: bool) -> int:
    """The FileAttributes of a file with these settable attributes; never 0."""
    if is_directory:
        return settable | FileAttributes.DIRECTORY
    return settable or FileAttributes.NORMAL


def file_info(found: Stat, dos: bytes | None, volume_device: int) -> FileInfo:
    """The metadata of a file from its `Stat` and the value of its extended attribute."""
    is_directory = found.is_directory
    known = unpack_dos(dos)
    if known is None:
        settable, creation = default_attributes(is_directory), 0
    else:
        settable, creation = known
    if not found.mode & WRITE_BITS:
        settable |= FileAttributes.READONLY
    size = 0 if is_directory else found.size
    return FileInfo(
        creation or found.birth or min(found.write, found.change),
        found.access,
        found.write,
        found.change,
        shown_attributes(settable, is_directory),
        size,
        clusters(size),
        1 if is_directory else found.links,
        file_id(found, volume_device),
        is_directory,
    )


def file_id(found: Stat, volume_device: int) -> int:
    """The inode number, mixed with the device where another file system is mounted in the share."""
    if found.device == volume_device:
        return found.inode
    return (found.inode ^ (found.device * 0x9E37_79B9_7F4A_7C15)) & 0xFFFF_FFFF_FFFF_FFFF
