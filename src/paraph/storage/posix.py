"""A share that is a directory of a POSIX host.

The share's root can not be left (`storage.jail`). Symbolic links that stay beneath it are followed,
others are hidden and refused, as are FIFOs, sockets and devices. Names are found in any case
(`storage.case_index`) and spelled as `storage.names` says. Files belong to the user that the
process runs as, with the permissions that its umask leaves; DOS attributes and creation times are
kept as `storage.attributes` says.
"""

from __future__ import annotations

import os
import stat
import sys

from paraph.errors import NTStatusError, UserError
from paraph.storage.attributes import SETTABLE, default_attributes
from paraph.storage.base import Backend, VolumeInfo
from paraph.storage.posix_handle import PosixHandle
from paraph.storage.posix_tree import Place, Tree, denied, path_of, shown_path, translated
from paraph.storage.syscalls import statx
from paraph.wire.ntstatus import NTStatus


class PosixBackend(Backend):
    """The files beneath the directory `root`.

    Raises UserError if that can not be used. `use_openat2=False` walks paths by hand even where the
    kernel has openat2; the answers are the same.
    """

    def __init__(self, root: str, *, read_only: bool = False, use_openat2: bool = True) -> None:
        if sys.getfilesystemencoding() != "utf-8":
            raise UserError("File names must be UTF-8: run in a UTF-8 locale or set PYTHONUTF8=1.")
        try:
            self._tree = Tree(root, read_only=read_only, use_openat2=use_openat2)
        except OSError as error:
            raise UserError(f"The folder {root} can not be shared: {error.strerror}.") from error
        if not os.path.exists(path_of(self._tree.jail.root)):
            self._tree.close()
            raise UserError("Sharing a folder needs /proc to be mounted.")
        self._birth_is_kept = statx(self._tree.jail.root).birth != 0

    def open(self, path: str, *, read: bool = False, write: bool = False) -> PosixHandle:
        descriptor, stored = self._tree.open(path)
        try:
            found = os.fstat(descriptor)
            is_directory = stat.S_ISDIR(found.st_mode)
            if not is_directory and not stat.S_ISREG(found.st_mode):
                raise denied("neither a file nor a directory")
            key = (found.st_dev, found.st_ino)
            if not read and not (write and not is_directory):
                return PosixHandle(
                    self._tree, descriptor, stored, key, is_directory=is_directory, only_path=True
                )
            opened = self._reopen(descriptor, is_directory=is_directory, read=read, write=write)
        except OSError as error:
            os.close(descriptor)
            raise translated(error) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return PosixHandle(
            self._tree,
            opened,
            stored,
            key,
            is_directory=is_directory,
            only_path=False,
            readable=read and not is_directory,
            writable=write and not is_directory,
        )

    def _reopen(self, descriptor: int, *, is_directory: bool, read: bool, write: bool) -> int:
        """A descriptor for data of the very file that an O_PATH descriptor is open on."""
        if is_directory:
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
        if write and self._tree.read_only:
            raise NTStatusError(NTStatus.MEDIA_WRITE_PROTECTED)
        # O_NONBLOCK: not even another program's lease on the file makes us wait.
        return os.open(path_of(descriptor), _access_mode(read, write) | os.O_NONBLOCK)

    def create(
        self, path: str, *, directory: bool, attributes: int, read: bool = True, write: bool = True
    ) -> PosixHandle:
        if self._tree.read_only:
            raise NTStatusError(NTStatus.MEDIA_WRITE_PROTECTED)
        if not path:
            raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION, "the root of the share")
        with self._tree.place(path) as place:
            if place.found is not None:
                raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
            change = self._tree.index.begin(place.directory)
            try:
                if directory:
                    descriptor = _make_directory(place)
                else:
                    flags = _access_mode(read, write) | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                    descriptor = os.open(place.wanted, flags, 0o666, dir_fd=place.directory)
            except FileExistsError:
                raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION) from None
            except FileNotFoundError:
                raise NTStatusError(NTStatus.OBJECT_PATH_NOT_FOUND, "just removed") from None
            except OSError as error:
                raise translated(error) from None
            self._tree.index.finish(place.directory, change, added=place.wanted)
            found = os.fstat(descriptor)
            handle = PosixHandle(
                self._tree,
                descriptor,
                shown_path(place.host(place.wanted)),
                (found.st_dev, found.st_ino),
                is_directory=directory,
                only_path=False,
                readable=read and not directory,
                writable=write and not directory,
            )
        self._set_first_attributes(handle, attributes & SETTABLE)
        return handle

    def _set_first_attributes(self, handle: PosixHandle, attributes: int) -> None:
        """ARCHIVE for a new file whatever is asked for, as Windows does. The creation time is
        stored where the file system does not keep it."""
        usual = default_attributes(handle.is_directory)
        attributes |= usual
        if attributes == usual and self._birth_is_kept:
            return
        try:
            now = None if self._birth_is_kept else handle.info().last_write_time
            handle.set_basic_info(attributes=attributes, creation_time=now)
        except BaseException:
            handle.delete()
            handle.close()
            raise

    def volume(self) -> VolumeInfo:
        return self._tree.volume(self._tree.jail.root)

    def close(self) -> None:
        self._tree.close()


def _access_mode(read: bool, write: bool) -> int:
    if write:
        return os.O_RDWR if read else os.O_WRONLY
    return os.O_RDONLY


def _make_directory(place: Place) -> int:
    os.mkdir(place.wanted, dir_fd=place.directory)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    return os.open(place.wanted, flags, dir_fd=place.directory)
