"""Folders and names of a file system of fsspec: what there is, making, moving, removing it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from fsspec.spec import AbstractFileSystem

from paraph.adapters.fsspec_names import (
    Info,
    entry_info,
    file_info,
    folder_info,
    plain_path,
    same_path,
    split_path,
)
from paraph.adapters.fsspec_server import ServerConnection
from paraph.client.errors import smb_error
from paraph.client.listing import folder_entries
from paraph.errors import PolicyRefused, SMBError
from paraph.net.client_sync import Share
from paraph.wire.ntstatus import NTStatus

T = TypeVar("T")

_BLOCK = 8 << 20


class Folders(AbstractFileSystem):  # type: ignore[misc]
    """The half of `ParaphFileSystem` that does not open files."""

    _server: ServerConnection
    auto_mkdir: bool

    def _run(self, path: str, action: Callable[[Share, str], T]) -> T:
        """What `action` makes of a share and a path within it."""
        share, name = split_path(path)
        if not share:
            raise smb_error(NTStatus.ACCESS_DENIED, path, "the list of shares")
        return self._server.run(share, lambda found: action(found, name))

    def _run_in_folder(
        self, path: str, action: Callable[[Share, str], T], make: bool | None = None
    ) -> T:
        """The same, for what writes to `path`; the folders above are made if `make`."""
        try:
            return self._run(path, action)
        except FileNotFoundError:
            if not (self.auto_mkdir if make is None else make):
                raise
        self.makedirs(self._parent(path), exist_ok=True)
        return self._run(path, action)

    # What there is

    def ls(self, path: str, detail: bool = True, refresh: bool = False, **_: Any) -> list[Any]:
        """The shares of the server, the entries of a folder, or the one of a file."""
        path = plain_path(path)
        listing: list[Info] | None = None if refresh else self.dircache.get(path)
        if listing is None:
            listing = self._listing(path)
        return [dict(one) for one in listing] if detail else [one["name"] for one in listing]

    def _listing(self, path: str) -> list[Info]:
        if path == "/":
            listing = [folder_info(f"/{name}") for name in self._server.shares()]
        else:
            try:
                entries = self._run(path, lambda share, name: list(share.scandir(name)))
            except NotADirectoryError:
                return [self.info(path)]
            listing = [entry_info(path, entry) for entry in entries]
        self.dircache[path] = listing
        return listing

    def info(self, path: str, refresh: bool = False, **_: Any) -> Info:
        """name, size, type ("file", "directory" or "link") and, where the server tells, created,
        mtime, time (of the last access), ino and attributes."""
        path = plain_path(path)
        for one in () if refresh else self.dircache.get(self._parent(path), ()):
            if one["name"] == path:
                return dict(one)
        if path == "/":
            return folder_info(path)
        try:
            return file_info(path, self._run(path, Share.stat))
        except SMBError as error:
            if error.status != NTStatus.STOPPED_ON_SYMLINK:
                raise
            return self._info_of_link(path, error)

    def _info_of_link(self, path: str, stopped: SMBError) -> Info:
        """Of a symbolic link, which the server leaves to us: what its folder says of it."""
        folder, _, wanted = path.rpartition("/")
        found = self._run(
            folder,
            lambda share, name: share._driver.run(folder_entries(share._tree, name, wanted)),
        )
        for entry in found:
            if entry.is_symlink() and entry.name.casefold() == wanted.casefold():
                return entry_info(folder, entry)
        raise stopped

    def _type(self, path: str) -> str | None:
        """None when there is nothing. Other failures are raised: they do not say that."""
        try:
            return str(self.info(path)["type"])
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except SMBError as error:
            if error.status == NTStatus.OBJECT_NAME_INVALID:
                return None
            raise

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is something. Raises OSError when that can not be found out."""
        return self._type(path) is not None

    def isdir(self, path: str) -> bool:
        """Whether it is a folder or a share. Raises OSError as `exists` does."""
        return self._type(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Whether it is a file. Raises OSError as `exists` does."""
        return self._type(path) == "file"

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], Any] = "omit",
        **options: Any,
    ) -> Iterator[tuple[str, Any, Any]]:
        """As os.walk. What `on_error` says goes for folders that are gone or forbidden; any other
        failure is raised, so that what `find`, `get` and `copy` go through is never silently less
        than there is."""

        def judge(error: OSError) -> None:
            if on_error == "raise" or not _may_be_passed_over(error):
                raise error
            if callable(on_error):
                on_error(error)

        return super().walk(path, maxdepth, topdown, judge, **options)  # type: ignore[no-any-return]

    def created(self, path: str) -> datetime:
        """When it was made, in UTC."""
        found = self._run(path, Share.stat)
        return datetime.fromtimestamp(found.st_birthtime, UTC)

    def modified(self, path: str) -> datetime:
        """When it was last written to, in UTC."""
        return self._run(path, Share.stat).modified

    def ukey(self, path: str) -> str:
        """Another one when the file has changed; not when it was only read."""
        found = self._run(path, Share.stat)
        known = (found.st_size, found.st_mtime_ns, found.st_birthtime_ns, found.st_ino)
        return hashlib.sha256(repr(known).encode()).hexdigest()

    def checksum(self, path: str) -> int:
        """`ukey` as a number."""
        return int(self.ukey(path), 16)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget the listings of `path`, of what is below it and of the folder above it; of
        everything if None."""
        if path is None:
            self.dircache.clear()
        else:
            self.forget(path)
        super().invalidate_cache(path)

    def forget(self, path: str) -> None:
        """`invalidate_cache` after a change of our own."""
        path = plain_path(path)
        for known in list(self.dircache):
            if known in (path, self._parent(path)) or known.startswith(f"{path}/"):
                self.dircache.pop(known, None)

    # Making, moving and removing

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Make a folder, and those above it that lack. Raises FileExistsError."""
        if create_parents:
            self.makedirs(path)
        else:
            self._run(path, lambda share, name: share.mkdir(name))
            self.forget(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder and those above it that lack."""
        if exist_ok and plain_path(path) == "/":
            return
        self._run(path, lambda share, name: share.makedirs(name, exist_ok=exist_ok))
        self.dircache.clear()

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        self._run(path, Share.rmdir)
        self.forget(path)

    def rm_file(self, path: str) -> None:
        """Remove a file, or an empty folder."""
        try:
            self._run(path, Share.remove)
        except IsADirectoryError:
            self._run(path, Share.rmdir)
        self.forget(path)

    _rm = rm_file

    def rm(
        self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None
    ) -> None:
        """Remove files, with `recursive` also folders and what is in them. A share itself can not
        be removed, and is not emptied: raises PermissionError."""
        if not recursive or maxdepth is not None:
            super().rm(path, recursive=recursive, maxdepth=maxdepth)
            return
        for one in self.expand_path(path):
            self._run(one, _remove_tree)
            self.forget(one)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file; by the server within a share. Of a folder, only the folder itself."""
        (share1, name1), (share2, name2) = split_path(path1), split_path(path2)
        if same_path(path1, path2):
            raise shutil.SameFileError(f"{path1!r} and {path2!r} are the same file")
        try:
            if share1.casefold() == share2.casefold():
                self._run_in_folder(path2, lambda share, _: share.copy(name1, name2))
            else:
                self._copy_by_hand(path1, path2)
        except IsADirectoryError:
            if not self.isdir(path1):  # it was path2 that is a folder
                raise
            self.makedirs(path2, exist_ok=True)
        self.forget(path2)

    def _copy_by_hand(self, path1: str, path2: str) -> None:
        with (
            self.open(path1, "rb", autocommit=True) as source,
            self.open(path2, "wb", autocommit=True) as target,
        ):
            shutil.copyfileobj(source, target, _BLOCK)

    def mv(
        self,
        path1: str | list[str],
        path2: str | list[str],
        recursive: bool = False,
        maxdepth: int | None = None,
        **options: Any,
    ) -> None:
        """Move files and folders. What has the name of `path2` is replaced, or moved into if it is
        a folder. Within a share it is one rename, otherwise a copy and a removal."""
        if not self._is_rename(path1, path2):
            recursive = recursive or (isinstance(path1, str) and self.isdir(path1))
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **options)
            return
        source, target = plain_path(path1), plain_path(path2)
        if str(path2).endswith("/") or (not same_path(source, target) and self.isdir(target)):
            target = f"{target}/{source.rpartition('/')[2]}"
        if source != target:
            self.put_in_place(source, target, replace=True)

    def _is_rename(self, path1: str | list[str], path2: str | list[str]) -> bool:
        if not isinstance(path1, str) or not isinstance(path2, str):
            return False
        if any(letter in path1 for letter in "*?["):
            return False
        return split_path(path1)[0].casefold() == split_path(path2)[0].casefold()

    def put_in_place(self, path: str, final_path: str, *, replace: bool) -> None:
        """Rename within a share, over a file that has the name already if `replace`."""
        _, final_name = split_path(final_path)
        move = Share.replace if replace else Share.rename
        self._run_in_folder(
            final_path, lambda share, _: move(share, split_path(path)[1], final_name)
        )
        self.forget(path)
        self.forget(final_path)


def _may_be_passed_over(error: OSError) -> bool:
    """Whether a folder can not be listed for reasons of its own."""
    if isinstance(error, PermissionError):
        denied = getattr(error, "status", 0) == NTStatus.ACCESS_DENIED
        return denied and not isinstance(error, PolicyRefused)
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def _remove_tree(share: Share, name: str) -> None:
    if not name:
        raise smb_error(NTStatus.CANNOT_DELETE, None, "a share")
    try:
        share.rmtree(name)
    except NotADirectoryError:
        share.remove(name)
