"""An open file or directory of a `PosixBackend`."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from paraph.errors import NTStatusError
from paraph.storage import posix_names, syscalls
from paraph.storage.attributes import (
    WRITE_BITS,
    XATTR,
    clusters,
    default_attributes,
    pack_dos,
    unpack_dos,
)
from paraph.storage.base import DirectoryEntry, FileInfo, Handle, VolumeInfo
from paraph.storage.names import from_host, from_host_names, to_host
from paraph.storage.posix_tree import Tree, path_of
from paraph.wire.filetime import filetime_to_ns
from paraph.wire.fscc_file import FileAttributes
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask

_LARGEST_OFFSET = (1 << 63) - 1
_RWF_NOWAIT = getattr(os, "RWF_NOWAIT", None)
_WOULD_BLOCK = frozenset({errno.EAGAIN, errno.EWOULDBLOCK})
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})

_METADATA_ACCESS = (
    AccessMask.FILE_READ_ATTRIBUTES | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE
)
_READ_ACCESS = AccessMask.FILE_READ_DATA | AccessMask.FILE_READ_EA
_WRITE_ACCESS = (
    AccessMask.FILE_WRITE_DATA
    | AccessMask.FILE_APPEND_DATA
    | AccessMask.FILE_WRITE_EA
    | AccessMask.FILE_WRITE_ATTRIBUTES
)


class PosixHandle(Handle):
    """Holds one descriptor: O_PATH for metadata only and for directories opened so, else a real
    one. It must not be closed while another thread reads, writes or flushes through it."""

    def __init__(
        self,
        tree: Tree,
        descriptor: int,
        path: str,
        key: tuple[int, int],
        *,
        is_directory: bool,
        only_path: bool,
        readable: bool = False,
        writable: bool = False,
    ) -> None:
        self.path = path
        self.is_directory = is_directory
        self.key = key
        self.readable = readable
        self.writable = writable
        self._tree = tree
        self._descriptor = descriptor
        self._only_path = only_path
        self._may_read_now = _RWF_NOWAIT is not None
        self._reserved = 0
        self._modified = False

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            if self._modified:
                self._set_archive(descriptor)
        finally:
            os.close(descriptor)

    # -------------------------------------------------------------------------------------- data

    def read_into(self, buffer: memoryview, offset: int) -> int:
        done, size = 0, min(len(buffer), _LARGEST_OFFSET - offset)
        while done < size:
            count = os.preadv(self._descriptor, [buffer[done:size]], offset + done)
            if not count:
                break
            done += count
        return max(done, 0)

    def read_now(self, buffer: memoryview, offset: int) -> int:
        if not self._may_read_now or _RWF_NOWAIT is None:
            return -1
        done, size = 0, min(len(buffer), _LARGEST_OFFSET - offset)
        try:
            # A short count may mean that the rest is not in memory: only 0 is the end of the file.
            while done < size:
                count = os.preadv(self._descriptor, [buffer[done:size]], offset + done, _RWF_NOWAIT)
                if not count:
                    break
                done += count
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                self._may_read_now = False
            elif error.errno not in _WOULD_BLOCK:
                raise
            return -1
        return max(done, 0)

    def write(self, data: memoryview, offset: int) -> int:
        size = len(data)
        _check_offset(offset + size)
        self._modified = True
        done = 0
        while done < size:
            done += os.pwrite(self._descriptor, data[done:] if done else data, offset + done)
        return done

    def flush(self) -> None:
        if not self._only_path:
            os.fsync(self._descriptor)

    def set_end_of_file(self, size: int) -> None:
        _check_offset(size)
        self._modified = True
        os.ftruncate(self._descriptor, size)
        self._reserved = 0

    def set_allocation_size(self, size: int) -> None:
        _check_offset(size)
        length = os.fstat(self._descriptor).st_size
        if size < length:
            self.set_end_of_file(size)
            return
        if size > length:
            try:
                syscalls.reserve(self._descriptor, size)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                system = os.statvfs(self._descriptor)
                if size - length > system.f_bavail * system.f_frsize:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        self._reserved = clusters(size)

    # ---------------------------------------------------------------------------------- metadata

    def info(self) -> FileInfo:
        found = syscalls.statx(self._descriptor)
        info = self._tree.info(self._descriptor, found, only_path=self._only_path)
        if self._reserved > info.allocation_size:
            info.allocation_size = self._reserved
        if self._modified and not info.attributes & FileAttributes.ARCHIVE:
            info.attributes = (info.attributes | FileAttributes.ARCHIVE) & ~FileAttributes.NORMAL
        return info

    def set_basic_info(
        self,
        *,
        creation_time: int | None = None,
        last_access_time: int | None = None,
        last_write_time: int | None = None,
        change_time: int | None = None,
        attributes: int | None = None,
    ) -> None:
        # POSIX has no way to set the change time.
        self._check_writable_share()
        if attributes is not None or creation_time is not None:
            self._set_dos(attributes, creation_time)
        if last_access_time is not None or last_write_time is not None:
            target = self._target(self._descriptor)
            found = os.stat(target)
            access, write = found.st_atime_ns, found.st_mtime_ns
            if last_access_time is not None:
                access = filetime_to_ns(last_access_time)
            if last_write_time is not None:
                write = filetime_to_ns(last_write_time)
            os.utime(target, ns=(access, write))

    def _target(self, descriptor: int) -> int | str:
        return path_of(descriptor) if self._only_path else descriptor

    def _set_dos(self, attributes: int | None, creation_time: int | None) -> None:
        target = self._target(self._descriptor)
        found = syscalls.statx(self._descriptor)
        stored = unpack_dos(self._tree.dos(self._descriptor, found, only_path=self._only_path)) or (
            default_attributes(self.is_directory),
            0,
        )
        if attributes is None:
            attributes = stored[0]
        elif not attributes & FileAttributes.READONLY and not found.mode & WRITE_BITS:
            # READONLY came from the mode, and must be cleared there.
            os.chmod(target, found.mode & 0o7777 | 0o200)
        if attributes & FileAttributes.ARCHIVE and not self.is_directory:
            self._modified = False
        value = pack_dos(attributes, stored[1] if creation_time is None else creation_time)
        try:
            os.setxattr(target, XATTR, value)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            if attributes & FileAttributes.READONLY and not self.is_directory:
                os.chmod(target, found.mode & 0o7777 & ~WRITE_BITS)

    def _set_archive(self, descriptor: int) -> None:
        """A file that was written to is to be archived ([MS-FSA] 2.1.4.17); one without stored
        attributes is anyway."""
        found = syscalls.statx(descriptor)
        stored = unpack_dos(self._tree.dos(descriptor, found, only_path=self._only_path))
        if stored is None or stored[0] & FileAttributes.ARCHIVE:
            return
        try:
            value = pack_dos(stored[0] | FileAttributes.ARCHIVE, stored[1])
            os.setxattr(self._target(descriptor), XATTR, value)
        except OSError:
            pass  # the data are written; a close does not fail for a flag

    def volume(self) -> VolumeInfo:
        return self._tree.volume(self._descriptor)

    def maximal_access(self) -> int:
        path = path_of(self._descriptor)
        access = _METADATA_ACCESS
        if _permits(path, os.R_OK):
            access |= _READ_ACCESS
        # Who may read a program may run it on his own machine: the x bit speaks of this host.
        if _permits(path, os.X_OK if self.is_directory else os.R_OK):
            access |= AccessMask.FILE_EXECUTE
        if self._tree.read_only:
            return access
        if _permits(path, os.W_OK):
            access |= _WRITE_ACCESS
            if self.is_directory:
                access |= AccessMask.FILE_DELETE_CHILD
        user = os.geteuid()
        if user in (0, syscalls.statx(self._descriptor).owner):
            access |= AccessMask.WRITE_DAC | AccessMask.FILE_WRITE_ATTRIBUTES
        if user == 0:
            access |= AccessMask.WRITE_OWNER
        if self.path and self._folder_is_writable():
            access |= AccessMask.DELETE
        return access

    def _folder_is_writable(self) -> bool:
        try:
            with self._tree.place(self.path) as place:
                return _permits(path_of(place.directory), os.W_OK | os.X_OK)
        except (OSError, NTStatusError):
            return False

    # ------------------------------------------------------------------------------------- names

    def rename(self, target: str, *, replace: bool) -> None:
        self._check_writable_share()
        self.path = posix_names.rename(self._tree, self.path, self.key, target, replace=replace)

    def link(self, target: str, *, replace: bool) -> None:
        self._check_writable_share()
        if self.is_directory:
            raise NTStatusError(NTStatus.FILE_IS_A_DIRECTORY, "no hard links to directories")
        posix_names.link(self._tree, self._descriptor, self.key, target, replace=replace)

    def delete(self) -> None:
        self._check_writable_share()
        posix_names.remove(self._tree, self.path, self.key)

    def _check_writable_share(self) -> None:
        if self._tree.read_only:
            raise NTStatusError(NTStatus.MEDIA_WRITE_PROTECTED)

    # --------------------------------------------------------------------------------- directory

    def is_empty(self) -> bool:
        folder = to_host(self.path)
        descriptor = self._open_for_reading()
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if from_host(entry.name) is None:
                        continue
                    if self._tree.entry(descriptor, folder, entry.name) is not None:
                        return False
            return True
        finally:
            os.close(descriptor)

    def scan(self) -> Iterator[DirectoryEntry]:
        descriptor = self._open_for_reading()
        try:
            names = from_host_names(os.listdir(descriptor))
        finally:
            os.close(descriptor)
        return self._entries(names)

    def _entries(self, names: list[tuple[str, str]]) -> Iterator[DirectoryEntry]:
        entry = self._tree.entry
        for shown, name in names:
            # Looked up each time: the handle may be renamed or closed between two entries.
            info = entry(self._descriptor, to_host(self.path), name)
            if info is not None:
                yield DirectoryEntry(shown, info)

    def find(self, name: str) -> DirectoryEntry | None:
        if "\\" in name:
            return None
        try:
            found = self._tree.lookup(self._descriptor, name)
        except NTStatusError:  # not a name
            return None
        if found is None:
            return None
        shown = from_host(found)
        info = self._tree.entry(self._descriptor, to_host(self.path), found)
        return None if shown is None or info is None else DirectoryEntry(shown, info)

    def _open_for_reading(self) -> int:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._descriptor)


def _check_offset(end: int) -> None:
    if end > _LARGEST_OFFSET:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _permits(path: str, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)
