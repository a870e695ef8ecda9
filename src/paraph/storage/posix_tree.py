"""A directory tree of the host as a share sees it: names found ignoring case, metadata read.

`Tree` is what a `PosixBackend` and its handles have in common. It turns paths into descriptors (by
way of the `Jail` alone), names into `FileInfo`, and hides what a client must not touch: special
files, links that lead nowhere or out of the share, names that are not UTF-8.
"""

from __future__ import annotations

import errno
import os
from types import TracebackType

from paraph.errors import NTStatusError
from paraph.storage.attributes import XATTR, file_info
from paraph.storage.base import FileInfo, VolumeInfo
from paraph.storage.case_index import CaseIndex
from paraph.storage.jail import Jail
from paraph.storage.names import MAXIMUM_COMPONENT, from_host, to_host
from paraph.storage.syscalls import Stat, getxattrat, statx
from paraph.wire.fscc_volume import FileSystemAttributes
from paraph.wire.ntstatus import NTStatus

_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_STATUS = {
    errno.EXDEV: NTStatus.ACCESS_DENIED,
    errno.ELOOP: NTStatus.ACCESS_DENIED,
    errno.EACCES: NTStatus.ACCESS_DENIED,
    errno.EPERM: NTStatus.ACCESS_DENIED,
    errno.EROFS: NTStatus.MEDIA_WRITE_PROTECTED,
    errno.ENAMETOOLONG: NTStatus.OBJECT_NAME_INVALID,
}
_NO_XATTR = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP})

_UNIT = 4096
_SECTOR = 512
_PATH_MAX = 4096  # bytes, with the final NUL


def denied(reason: str) -> NTStatusError:
    """ACCESS_DENIED."""
    return NTStatusError(NTStatus.ACCESS_DENIED, reason)


def translated(error: OSError) -> Exception:
    """What a failure to open or create means: ACCESS_DENIED for a path that leaves the share or a
    permission that is missing, and so on; an error of no special meaning stays what it is."""
    status = _STATUS.get(error.errno or 0)
    return error if status is None else NTStatusError(status, error.strerror or "")


def path_of(descriptor: int) -> str:
    """A path to what a descriptor is open on, for calls that take no O_PATH descriptor."""
    return f"/proc/self/fd/{descriptor}"


class Place:
    """Where a name is, or could be: an open directory and a name in it. A context manager."""

    __slots__ = ("directory", "folder", "found", "wanted")

    def __init__(self, directory: int, folder: str, wanted: str, found: str | None) -> None:
        self.directory = directory  #: O_PATH descriptor
        self.folder = folder  #: its path, as the host spells it
        self.wanted = wanted  #: the last component as asked for, as the host spells it
        self.found = found  #: what exists there under that name in any case

    def host(self, name: str) -> str:
        """The host's path of a name in this directory."""
        return f"{self.folder}/{name}" if self.folder else name

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.directory)


class Tree:
    """The tree beneath one directory."""

    def __init__(self, root: str, *, read_only: bool, use_openat2: bool) -> None:
        self.jail = Jail(root, use_openat2=use_openat2)
        self.index = CaseIndex()
        self.read_only = read_only
        self.device = os.fstat(self.jail.root).st_dev
        self.label = os.path.basename(os.path.abspath(root))[:32]
        self._without_xattrs: set[int] = set()

    def close(self) -> None:
        self.jail.close()

    # ------------------------------------------------------------------------------------ names

    def open(self, path: str) -> tuple[int, str]:
        """An O_PATH descriptor of `path`, and the path with the case that is stored.

        Raises NTStatusError as `Backend.open`."""
        host = _host_path(path)
        try:
            try:
                return self.jail.open(host), shown_path(host)
            except OSError as error:
                if error.errno not in _MISSING:
                    raise
            with self.place(path) as place:
                if place.found is None:
                    raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND)
                host = place.host(place.found)
            return self.jail.open(host), shown_path(host)
        except OSError as error:
            if error.errno == errno.ENOENT:
                reason = "dangling link, or just removed"
                raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND, reason) from None
            raise translated(error) from None

    def place(self, path: str) -> Place:
        """The place of `path`, which is not the root and need not exist; its folder must.

        Raises NTStatusError OBJECT_PATH_NOT_FOUND, ACCESS_DENIED, OBJECT_NAME_INVALID."""
        wanted = _host_path(path).rpartition("/")[2]
        if not wanted:
            raise NTStatusError(NTStatus.OBJECT_NAME_INVALID, "no name")
        folder, _, name = path.rpartition("\\")
        directory, host = self._open_folder(folder)
        try:
            return Place(directory, host, wanted, self.lookup(directory, name))
        except BaseException:
            os.close(directory)
            raise

    def lookup(self, directory: int, name: str) -> str | None:
        """What a directory calls the entry that clients see as `name` in any case; None if there is
        none. An entry of just that case comes before others."""
        wanted = to_host(name)
        if _exists(directory, wanted):
            return wanted
        for _ in range(2):
            try:
                found = self.index.find(directory, name)
            except PermissionError:  # a directory that may be searched but not read
                return None
            if found is None or _exists(directory, found):
                return found
            self.index.forget(directory)
        return None

    def _open_folder(self, path: str) -> tuple[int, str]:
        host = _host_path(path)
        try:
            return self.jail.open(host, directory=True), host
        except OSError as error:
            if error.errno not in _MISSING:
                raise translated(error) from None
        return self._search_folder(path)

    def _search_folder(self, path: str) -> tuple[int, str]:
        """Component by component, each in any case."""
        directory, host = self.jail.open("", directory=True), ""
        try:
            for name in path.split("\\"):
                found = self.lookup(directory, name)
                if found is None:
                    raise NTStatusError(NTStatus.OBJECT_PATH_NOT_FOUND)
                host = f"{host}/{found}" if host else found
                deeper = self.jail.open(host, directory=True)
                os.close(directory)
                directory = deeper
        except OSError as error:
            os.close(directory)
            if error.errno in _MISSING:
                raise NTStatusError(NTStatus.OBJECT_PATH_NOT_FOUND) from None
            raise translated(error) from None
        except BaseException:
            os.close(directory)
            raise
        return directory, host

    # --------------------------------------------------------------------------------- metadata

    def entry(self, directory: int, folder: str, name: str) -> FileInfo | None:
        """The metadata of one name (host spelling) in the directory with the host path `folder`,
        of its target if it is a link; None if it is hidden or has vanished."""
        try:
            found = statx(directory, name)
            if found.is_regular or found.is_directory:
                return file_info(found, self._dos_of_entry(directory, name, found), self.device)
            if not found.is_link:
                return None
            target = self.jail.open(f"{folder}/{name}" if folder else name)
        except OSError:
            return None
        try:
            found = statx(target)
            if found.is_regular or found.is_directory:
                return self.info(target, found, only_path=True)
            return None
        finally:
            os.close(target)

    def info(self, descriptor: int, found: Stat, *, only_path: bool) -> FileInfo:
        """The metadata of an open file, `only_path` if the descriptor is O_PATH."""
        return file_info(found, self.dos(descriptor, found, only_path=only_path), self.device)

    def dos(self, descriptor: int, found: Stat, *, only_path: bool) -> bytes | None:
        """The DOS attributes of an open file as stored."""
        if found.device in self._without_xattrs:
            return None
        try:
            return os.getxattr(path_of(descriptor) if only_path else descriptor, XATTR)
        except OSError as error:
            self._note(error, found)
            return None

    def _dos_of_entry(self, directory: int, name: str, found: Stat) -> bytes | None:
        if found.device in self._without_xattrs:
            return None
        try:
            return getxattrat(directory, name, XATTR)
        except OSError as error:
            self._note(error, found)
            return None

    def _note(self, error: OSError, found: Stat) -> None:
        # Missing, vanished or not readable for us: the file has the usual attributes.
        if error.errno in _NO_XATTR:
            self._without_xattrs.add(found.device)

    def volume(self, descriptor: int) -> VolumeInfo:
        """The volume that a file lives on, in units of 4096 bytes."""
        system = os.statvfs(descriptor)
        read_only = self.read_only or bool(system.f_flag & os.ST_RDONLY)
        attributes = (
            FileSystemAttributes.CASE_PRESERVED_NAMES
            | FileSystemAttributes.UNICODE_ON_DISK
            | FileSystemAttributes.SUPPORTS_HARD_LINKS
        )
        if read_only:
            attributes |= FileSystemAttributes.READ_ONLY_VOLUME
        serial = system.f_fsid or self.device
        return VolumeInfo(
            total_units=system.f_blocks * system.f_frsize // _UNIT,
            free_units=system.f_bfree * system.f_frsize // _UNIT,
            available_units=system.f_bavail * system.f_frsize // _UNIT,
            sectors_per_unit=_UNIT // _SECTOR,
            bytes_per_sector=_SECTOR,
            serial_number=(serial ^ serial >> 32) & 0xFFFF_FFFF,
            label=self.label,
            creation_time=file_info(statx(self.jail.root), None, self.device).creation_time,
            file_system_name="NTFS",
            maximum_component_length=MAXIMUM_COMPONENT,
            attributes=attributes,
            read_only=read_only,
        )


def _host_path(path: str) -> str:
    host = to_host(path)
    if len(host) >= _PATH_MAX // 4 and len(host.encode()) >= _PATH_MAX:
        raise NTStatusError(NTStatus.OBJECT_NAME_INVALID, "path too long for the host")
    return host


def shown_path(host: str) -> str:
    """The path that clients see for a host path that `to_host` made."""
    shown = from_host(host)
    if shown is None:
        raise NTStatusError(NTStatus.OBJECT_NAME_INVALID)
    return shown


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno in _MISSING:
            return False
        raise translated(error) from None
    return True
