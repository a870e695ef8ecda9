"""What operations return: the status of a file, an entry of a folder, and the like."""

from __future__ import annotations

import stat as _stat
from dataclasses import dataclass
from datetime import UTC, datetime

from paraph.wire.filetime import filetime_to_ns
from paraph.wire.fscc_dir import DirRecord
from paraph.wire.fscc_file import FileAttributes
from paraph.wire.fsctl import ReparseTag

_DIRECTORY = FileAttributes.DIRECTORY
_REPARSE_POINT = FileAttributes.REPARSE_POINT
_READONLY = FileAttributes.READONLY
_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FileStat:
    """The status of a file, with the names of os.stat_result. `st_ctime` is the time of the last
    change of the file or its attributes, `st_birthtime` that of its creation."""

    st_size: int
    st_mtime_ns: int
    st_atime_ns: int
    st_ctime_ns: int
    st_birthtime_ns: int
    st_file_attributes: int  #: FILE_ATTRIBUTE_*, [MS-FSCC] 2.6
    st_ino: int = 0  #: 0 when the server does not tell
    st_dev: int = 0
    st_allocated: int = 0  #: bytes
    st_reparse_tag: int = 0
    st_nlink: int = 1

    @classmethod
    def of_times(
        cls,
        creation: int,
        access: int,
        write: int,
        change: int,
        allocated: int,
        size: int,
        attributes: int,
    ) -> FileStat:
        """From the fields that CREATE and CLOSE answer with, times as FILETIMEs."""
        return cls(
            size,
            filetime_to_ns(write),
            filetime_to_ns(access),
            filetime_to_ns(change),
            filetime_to_ns(creation),
            attributes,
            st_allocated=allocated,
        )

    @property
    def st_mode(self) -> int:
        """File type and permission bits, as Windows' Python makes them of the attributes."""
        attributes = self.st_file_attributes
        if attributes & _REPARSE_POINT and self.st_reparse_tag == ReparseTag.SYMLINK:
            return _stat.S_IFLNK | 0o777
        permissions = 0o444 if attributes & _READONLY else 0o666
        if attributes & _DIRECTORY:
            return _stat.S_IFDIR | permissions | 0o111
        return _stat.S_IFREG | permissions

    @property
    def st_mtime(self) -> float:
        return self.st_mtime_ns / _NANO

    @property
    def st_atime(self) -> float:
        return self.st_atime_ns / _NANO

    @property
    def st_ctime(self) -> float:
        return self.st_ctime_ns / _NANO

    @property
    def st_birthtime(self) -> float:
        return self.st_birthtime_ns / _NANO

    @property
    def modified(self) -> datetime:
        """The time of the last write, in UTC."""
        return datetime.fromtimestamp(self.st_mtime, UTC)

    def is_dir(self) -> bool:
        return bool(self.st_file_attributes & _DIRECTORY)

    def is_file(self) -> bool:
        return not self.st_file_attributes & _DIRECTORY

    def is_symlink(self) -> bool:
        return _stat.S_ISLNK(self.st_mode)


class DirEntry:
    """An entry of a folder, with the methods of os.DirEntry. None of them asks the server: the
    listing has told everything."""

    __slots__ = ("_folder", "_record")

    def __init__(self, folder: str, record: DirRecord) -> None:
        self._folder = folder
        self._record = record

    @property
    def name(self) -> str:
        return self._record.file_name

    @property
    def path(self) -> str:
        """The folder as it was given, and the name."""
        folder = self._folder
        return f"{folder.rstrip('/')}/{self.name}" if folder not in ("", ".") else self.name

    @property
    def attributes(self) -> int:
        """FILE_ATTRIBUTE_*, [MS-FSCC] 2.6."""
        return self._record.file_attributes

    @property
    def size(self) -> int:
        return self._record.end_of_file

    def inode(self) -> int:
        return self._record.file_id

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return bool(self._record.file_attributes & _DIRECTORY)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return not self._record.file_attributes & _DIRECTORY

    def is_symlink(self) -> bool:
        return self._record.reparse_tag == ReparseTag.SYMLINK

    def stat(self, *, follow_symlinks: bool = True) -> FileStat:
        record = self._record
        return FileStat(
            record.end_of_file,
            filetime_to_ns(record.last_write_time),
            filetime_to_ns(record.last_access_time),
            filetime_to_ns(record.change_time),
            filetime_to_ns(record.creation_time),
            record.file_attributes,
            record.file_id,
            st_allocated=record.allocation_size,
            st_reparse_tag=record.reparse_tag,
        )

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Bytes, as shutil.disk_usage has them; `free` is what the user may still use."""

    total: int
    used: int
    free: int


@dataclass(frozen=True, slots=True)
class ShareEntry:
    """One share of a server."""

    name: str
    kind: str  #: "disk", "printer", "device" or "pipe"
    comment: str
    special: bool  #: administrative, such as C$ and IPC$


@dataclass(frozen=True, slots=True)
class Change:
    """One event of `watch`. `action` is "added", "removed", "modified", "renamed from", "renamed
    to", or "overflow": more has happened than the server remembers, look for yourself."""

    action: str
    path: str  #: relative to the folder that is watched, with slashes
