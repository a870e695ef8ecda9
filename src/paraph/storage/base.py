"""What a share is made of: the seam between the server and any store of files.

A `Backend` opens names; a `Handle` is one opened file or directory. Both speak in NT terms
([MS-FSA], [MS-FSCC]): FILETIMEs, DOS attributes, NT statuses. They know nothing of sessions, share
modes, locks or messages: the server keeps those. All methods are called from the thread that owns
the protocol state, except those marked *any thread*, which touch only a file descriptor or take
their own lock.

A path is a string of components joined by a backslash, relative to the share root, without a
leading or trailing backslash; the empty string is the root. The server has already refused what
[MS-FSCC] 2.1.5 forbids (`storage.names.parse`), so a backend never sees `..`, NUL or a slash.
Lookups ignore case and preserve it.

Errors: a method raises `NTStatusError` where it knows the NT status, and otherwise lets the
`OSError` of the system out: the server translates errno (`wire.ntstatus.from_errno`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class FileInfo:
    """The metadata of one file ([MS-FSCC] 2.4). Times are FILETIMEs: 100 ns since 1601 UTC."""

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    attributes: int  #: FILE_ATTRIBUTE_* of [MS-FSCC] 2.6; DIRECTORY set for a directory; never 0
    end_of_file: int  #: bytes; 0 for a directory
    allocation_size: int  #: bytes: end_of_file rounded up to the cluster, or what was reserved
    number_of_links: int
    file_id: int  #: 64-bit, stable and unique within the volume
    is_directory: bool
    ea_size: int = 0
    reparse_tag: int = 0


@dataclass(slots=True)
class DirectoryEntry:
    """One name in a directory and what it names."""

    name: str
    info: FileInfo


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    """What a file system says of itself ([MS-FSCC] 2.5). Units are clusters of
    `sectors_per_unit * bytes_per_sector` bytes."""

    total_units: int
    free_units: int  #: free on the volume
    available_units: int  #: free for the caller (quota)
    sectors_per_unit: int
    bytes_per_sector: int
    serial_number: int  #: 32-bit
    label: str
    creation_time: int  #: FILETIME
    file_system_name: str  #: what Windows is told, "NTFS" for full function
    maximum_component_length: int  #: in UTF-16 code units
    attributes: int  #: FILE_*_ of FileFsAttributeInformation, [MS-FSCC] 2.5.1
    read_only: bool = False


class Handle(ABC):
    """One opened file or directory. Offsets and sizes are bytes and may exceed 32 bits."""

    #: Relative path with the case that the store holds, as `Backend.open` found it. After a rename
    #: through another handle, of this file or of a folder above it, the server sets it anew.
    path: str
    is_directory: bool
    #: Same for all handles of one file, whatever its name: (device, inode) or the like.
    key: tuple[int, int]
    #: True when the handle can carry READ / WRITE (opened with that intent and permitted).
    readable: bool
    writable: bool

    @abstractmethod
    def info(self) -> FileInfo:
        """The current metadata, from the store (not a cached copy)."""

    @abstractmethod
    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset`; the number of bytes read, short only at end of file.
        *Any thread.*"""

    def read_now(self, buffer: memoryview, offset: int) -> int:
        """Like `read_into` without waiting for a disk; -1 if that would be needed."""
        return self.read_into(buffer, offset)

    @abstractmethod
    def write(self, data: memoryview, offset: int) -> int:
        """Write all of `data` at `offset` (extending the file); the number of bytes written, all
        of them. Raises OSError(ENOSPC) when the disk is full. *Any thread.*"""

    @abstractmethod
    def flush(self) -> None:
        """Return once everything written is on stable storage. *Any thread.*"""

    @abstractmethod
    def set_end_of_file(self, size: int) -> None:
        """Truncate or extend with zeros ([MS-FSCC] 2.4.14)."""

    @abstractmethod
    def set_allocation_size(self, size: int) -> None:
        """Reserve `size` bytes, or truncate if the file is longer ([MS-FSCC] 2.4.4).
        Raises OSError(ENOSPC) when they are not there."""

    @abstractmethod
    def set_basic_info(
        self,
        *,
        creation_time: int | None = None,
        last_access_time: int | None = None,
        last_write_time: int | None = None,
        change_time: int | None = None,
        attributes: int | None = None,
    ) -> None:
        """Set what is not None ([MS-FSCC] 2.4.7). The server has resolved the special values 0, -1
        and -2 already. `attributes` carries only settable bits; 0 means FILE_ATTRIBUTE_NORMAL."""

    @abstractmethod
    def rename(self, target: str, *, replace: bool) -> None:
        """Give the file the path `target` and set `self.path`. A change of case alone is a rename.

        Raises NTStatusError OBJECT_NAME_COLLISION if the target exists (as another file) and not
        `replace`, ACCESS_DENIED if `replace` hits a directory or a read-only file,
        OBJECT_PATH_NOT_FOUND if its folder is missing."""

    @abstractmethod
    def link(self, target: str, *, replace: bool) -> None:
        """Make the hard link `target`; same errors as `rename`; INVALID_DEVICE_REQUEST if the store
        has no hard links."""

    @abstractmethod
    def delete(self) -> None:
        """Remove the name. The handle stays usable until closed. Raises NTStatusError
        DIRECTORY_NOT_EMPTY. Deleting a name that has gone already is no error; a name that now
        belongs to another file is left alone."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Of a directory: whether it holds no visible name."""

    @abstractmethod
    def scan(self) -> Iterator[DirectoryEntry]:
        """The entries of a directory, without `.` and `..`, each name once, in a stable order, from
        one consistent reading: names created or removed meanwhile may or may not appear, all others
        do. Lazy: a directory of 100,000 names is not held as entries in memory (a list of bare
        names may be). An entry that vanished is skipped."""

    @abstractmethod
    def find(self, name: str) -> DirectoryEntry | None:
        """The entry of a directory by one name without wildcards, ignoring case: no scan."""

    @abstractmethod
    def volume(self) -> VolumeInfo:
        """The volume this handle lives on."""

    @abstractmethod
    def maximal_access(self) -> int:
        """The access mask that the store itself would let this process have ([MS-DTYP] 2.4.3
        specific and standard rights of a file), before the share's own limits."""

    @abstractmethod
    def close(self) -> None:
        """Release everything. Idempotent."""


class Backend(ABC):
    """One store of files, the target of a share."""

    @abstractmethod
    def open(self, path: str, *, read: bool = False, write: bool = False) -> Handle:
        """Open what exists, changing nothing. With neither flag the handle serves metadata, rename
        and delete only. Raises NTStatusError OBJECT_NAME_NOT_FOUND (last component missing),
        OBJECT_PATH_NOT_FOUND (an earlier one missing or no directory), ACCESS_DENIED (permission, a
        link that leaves the share, a special file)."""

    @abstractmethod
    def create(
        self, path: str, *, directory: bool, attributes: int, read: bool = True, write: bool = True
    ) -> Handle:
        """Create what does not exist, and open it. `attributes` holds the settable DOS attributes
        (0: none). Raises NTStatusError OBJECT_NAME_COLLISION (any case of the name exists),
        OBJECT_PATH_NOT_FOUND, ACCESS_DENIED, MEDIA_WRITE_PROTECTED, OBJECT_NAME_INVALID (too
        long)."""

    @abstractmethod
    def volume(self) -> VolumeInfo:
        """The volume of the root."""

    def close(self) -> None:  # noqa: B027 - a store that holds nothing has nothing to do
        """Release what the backend holds."""
