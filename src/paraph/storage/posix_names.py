"""What changes names on the host: delete, rename and hard link ([MS-FSA] 2.1.5.15.3, .7, .12).

All three act on the name itself: where it is a symbolic link, on the link and not on its target. A
name is changed only while it still names the file that the handle is open on.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from paraph.errors import NTStatusError
from paraph.storage.posix_tree import Place, Tree, denied, path_of, shown_path
from paraph.storage.syscalls import Stat, rename_no_replace, statx
from paraph.wire.fscc_file import FileAttributes
from paraph.wire.ntstatus import NTStatus

_Key = tuple[int, int]
_NO_FLAGS = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_LINKS = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
_NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})


def remove(tree: Tree, path: str, key: _Key) -> None:
    """Remove the name `path` of the file `key`; nothing if it has gone or is another file's.

    Raises NTStatusError DIRECTORY_NOT_EMPTY, CANNOT_DELETE (the root)."""
    if not path:
        raise NTStatusError(NTStatus.CANNOT_DELETE, "the root of the share")
    try:
        place = tree.place(path)
    except NTStatusError as error:
        if error.status == NTStatus.OBJECT_PATH_NOT_FOUND:
            return
        raise
    with place:
        found = _own_entry(tree, place, key)
        if found is None or place.found is None:
            return
        change = tree.index.begin(place.directory)
        try:
            if found.is_directory:
                os.rmdir(place.found, dir_fd=place.directory)
            else:
                os.unlink(place.found, dir_fd=place.directory)
        except FileNotFoundError:
            return
        except OSError as error:
            if found.is_directory and error.errno in _NOT_EMPTY:
                raise NTStatusError(NTStatus.DIRECTORY_NOT_EMPTY) from None
            raise
        tree.index.finish(place.directory, change, removed=place.found)


def _own_entry(tree: Tree, place: Place, key: _Key) -> Stat | None:
    """The entry at `place`, if it is the file `key` or a symbolic link to it."""
    if place.found is None:
        return None
    try:
        found = statx(place.directory, place.found)
        if not found.is_link:
            return found if found.key == key else None
        target = tree.jail.open(place.host(place.found))
    except OSError:
        return None
    try:
        return found if statx(target).key == key else None
    finally:
        os.close(target)


def rename(tree: Tree, path: str, key: _Key, target: str, *, replace: bool) -> str:
    """Rename the file `key` from `path` to `target`; its new path.

    Raises NTStatusError as `Handle.rename`, and ACCESS_DENIED for the root, for a name that is no
    longer this file's, and for a directory that would move into itself."""
    if not path or not target:
        raise denied("the root of the share can be neither renamed nor replaced")
    with tree.place(path) as source, tree.place(target) as destination:
        own = _own_entry(tree, source, key)
        if own is None or source.found is None:
            raise denied("the name is no longer this file's")
        there, wanted = destination.found, destination.wanted
        if there is None or _same_entry(source, destination):
            if there != wanted:
                _move(tree, source, source.found, destination, wanted, own)
        elif own.key == statx(destination.directory, there).key:
            # Another link to the same file takes over; rename(2) would do nothing.
            _unlink(tree, source, source.found)
            _respell(tree, destination, there)
        else:
            _check_replaceable(tree, destination, there, replace=replace)
            if own.is_directory:
                _unlink(tree, destination, there)
                _move(tree, source, source.found, destination, wanted, own)
            else:
                _replace(tree, source, source.found, destination, there)
                _respell(tree, destination, there)
        return shown_path(destination.host(wanted))


def link(tree: Tree, descriptor: int, key: _Key, target: str, *, replace: bool) -> None:
    """Make `target` another name of the open file `descriptor`. Raises NTStatusError as
    `Handle.link`."""
    if not target:
        raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION, "the root of the share")
    with tree.place(target) as place:
        if place.found is None:
            _link(tree, descriptor, place, place.wanted)
            return
        if statx(place.directory, place.found).key != key:
            _check_replaceable(tree, place, place.found, replace=replace)
            temporary = f".paraph-{secrets.token_hex(12)}"
            _link(tree, descriptor, place, temporary)
            _replace(tree, place, temporary, place, place.found)
        elif not replace:
            raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
        _respell(tree, place, place.found)


def _same_entry(one: Place, other: Place) -> bool:
    return one.found == other.found and statx(one.directory).key == statx(other.directory).key


def _check_replaceable(tree: Tree, place: Place, name: str, *, replace: bool) -> None:
    if not replace:
        raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
    info = tree.entry(place.directory, place.folder, name)
    if info is None or info.is_directory or info.attributes & FileAttributes.READONLY:
        raise denied("what has that name can not be replaced")


def _link(tree: Tree, descriptor: int, place: Place, name: str) -> None:
    change = tree.index.begin(place.directory)
    try:
        os.link(path_of(descriptor), name, dst_dir_fd=place.directory, follow_symlinks=True)
    except FileExistsError:
        raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION) from None
    except FileNotFoundError:
        raise denied("the file has no name any more") from None
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise NTStatusError(NTStatus.INVALID_DEVICE_REQUEST, "no hard links here") from None
        raise
    tree.index.finish(place.directory, change, added=name)


def _unlink(tree: Tree, place: Place, name: str) -> None:
    change = tree.index.begin(place.directory)
    os.unlink(name, dir_fd=place.directory)
    tree.index.finish(place.directory, change, removed=name)


def _respell(tree: Tree, place: Place, name: str) -> None:
    """Give what is called `name` the case that was asked for."""
    if name != place.wanted:
        found = statx(place.directory, name)
        _move(tree, place, name, place, place.wanted, found)


@contextmanager
def _noted(tree: Tree, source: Place, old: str, target: Place, new: str) -> Iterator[None]:
    """Keeps the index right about a rename made within."""
    first, second = tree.index.begin(source.directory), tree.index.begin(target.directory)
    yield
    if first.key == second.key:
        tree.index.finish(source.directory, first, removed=old, added=new)
    else:
        tree.index.finish(source.directory, first, removed=old)
        tree.index.finish(target.directory, second, added=new)


def _replace(tree: Tree, source: Place, old: str, target: Place, new: str) -> None:
    with _noted(tree, source, old, target, new):
        os.rename(old, new, src_dir_fd=source.directory, dst_dir_fd=target.directory)


def _move(tree: Tree, source: Place, old: str, target: Place, new: str, moved: Stat) -> None:
    """Rename to a name that does not exist, or is the same entry on a host that ignores case."""
    try:
        with _noted(tree, source, old, target, new):
            try:
                rename_no_replace(source.directory, old, target.directory, new)
            except OSError as error:
                if error.errno not in _NO_FLAGS and error.errno != errno.EEXIST:
                    raise
                # The system can not promise not to replace, or it has the same entry there.
                _check_absent(target, new, moved)
                os.rename(old, new, src_dir_fd=source.directory, dst_dir_fd=target.directory)
    except OSError as error:
        if error.errno == errno.EINVAL and moved.is_directory:
            raise denied("a directory can not move into itself") from None
        raise


def _check_absent(place: Place, name: str, moved: Stat) -> None:
    try:
        found = statx(place.directory, name)
    except FileNotFoundError:
        return
    if found.key != moved.key:
        raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
