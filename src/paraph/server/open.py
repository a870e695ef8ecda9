"""Opens and the files they share: Per Open ([MS-SMB2] 3.3.1.10), File and Open of [MS-FSA] 2.1.1.

`FileTable` is the one table that says which opens a file has. Handlers reach share modes, pending
deletes and byte-range locks through it only, so that a table shared by several processes can stand
behind it one day.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from paraph.errors import NTStatusError
from paraph.rpc.pipe import Pipe
from paraph.server.locks import LockTable
from paraph.storage.base import Backend, Handle
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, ShareAccess

if TYPE_CHECKING:
    from paraph.server.session import Session
    from paraph.server.tree import TreeConnect

_READERS = AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE
_WRITERS = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA
_SHARED = _READERS | _WRITERS | AccessMask.DELETE
"""Access that takes part in share modes; opens without any of it never conflict."""


class File:
    """One file that is open at least once, whatever its names ([MS-FSA] 2.1.1.3, 2.1.1.5)."""

    __slots__ = ("backend", "delete_pending", "doomed", "key", "locks", "opens")

    def __init__(self, backend: Backend, key: tuple[int, int]) -> None:
        self.backend = backend
        self.key = key
        self.opens: list[Open] = []
        self.delete_pending = False
        self.doomed = ""  #: the name that goes at the last close: Link.IsDeleted
        self.locks = LockTable()

    def doom(self, path: str) -> None:
        """The last close removes this name; other hard links of the file stay."""
        self.delete_pending = True
        self.doomed = path


class Open:
    """One opened file, directory or named pipe.

    `granted_access` and `share_access` are what [MS-SMB2] 3.3.5.9 decided; `path` is relative to
    the share root; `search` belongs to QUERY_DIRECTORY.
    """

    __slots__ = (
        "_calls",
        "_handle_is_to_close",
        "channel_sequence",
        "create_options",
        "delete_on_close",
        "durable_id",
        "file",
        "file_attributes",
        "file_id",
        "granted_access",
        "handle",
        "path",
        "pipe",
        "position",
        "search",
        "session",
        "share_access",
        "tree",
    )

    def __init__(
        self,
        session: Session,
        tree: TreeConnect,
        *,
        path: str,
        granted_access: int,
        share_access: int = 0,
        create_options: int = 0,
        handle: Handle | None = None,
        pipe: Pipe | None = None,
    ) -> None:
        self.session = session
        self.tree = tree
        self.path = path
        self.granted_access = granted_access
        self.share_access = share_access
        self.create_options = create_options
        self.handle = handle
        self.pipe = pipe
        self.file: File | None = None
        self.file_id: int = 0  #: Open.FileId, the volatile half
        self.durable_id: int = 0  #: Open.DurableFileId, the persistent half
        self.delete_on_close = False
        self.position = 0  #: FilePositionInformation, kept but never used by READ and WRITE
        self.channel_sequence = 0
        self.file_attributes = 0
        self.search: Any = None
        self._calls = 0  #: calls on the handle that run on other threads
        self._handle_is_to_close = False

    @property
    def is_directory(self) -> bool:
        return self.handle is not None and self.handle.is_directory

    def begin_call(self) -> None:
        """Another thread is about to use the handle: it stays open until `end_call`. (A descriptor
        closed under a running read could be another file's by the time the read begins.)"""
        self._calls += 1

    def end_call(self) -> None:
        """The other thread is done."""
        self._calls -= 1
        if self._handle_is_to_close and not self._calls and self.handle is not None:
            self.handle.close()

    def close_handle(self) -> None:
        """Close the handle, now or when the last call on another thread has returned."""
        self._handle_is_to_close = True
        if not self._calls and self.handle is not None:
            self.handle.close()

    def disk(self) -> Handle:
        """The handle of a file or directory. Raises INVALID_DEVICE_REQUEST for a pipe."""
        if self.handle is None:
            raise NTStatusError(NTStatus.INVALID_DEVICE_REQUEST, "a named pipe has no such thing")
        return self.handle

    def require(self, access: int) -> None:
        """Raises ACCESS_DENIED unless all bits of `access` were granted at the open."""
        if access & ~self.granted_access:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "the handle was not opened for that")

    def require_any(self, access: int) -> None:
        """Raises ACCESS_DENIED unless at least one bit of `access` was granted at the open."""
        if not access & self.granted_access:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "the handle was not opened for that")


def conflicts(access: int, share: int, other_access: int, other_share: int) -> bool:
    """Whether an open with `access` and `share` can not stand beside another one
    ([MS-FSA] 2.1.5.1.2.2, both directions)."""
    if not (access & _SHARED and other_access & _SHARED):
        return False
    for mine, theirs in ((access, other_share), (other_access, share)):
        if mine & _READERS and not theirs & ShareAccess.READ:
            return True
        if mine & _WRITERS and not theirs & ShareAccess.WRITE:
            return True
        if mine & AccessMask.DELETE and not theirs & ShareAccess.DELETE:
            return True
    return False


class FileTable:
    """All files that are open, by backend and file key (GlobalOpenTable of [MS-SMB2] 3.3.1.5)."""

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: dict[tuple[int, tuple[int, int]], File] = {}

    def find(self, backend: Backend, key: tuple[int, int]) -> File | None:
        return self._files.get((id(backend), key))

    def check(self, file: File | None, access: int, share: int) -> None:
        """Raises DELETE_PENDING or SHARING_VIOLATION if a new open can not join the others."""
        if file is None:
            return
        if file.delete_pending:
            raise NTStatusError(NTStatus.DELETE_PENDING, "the file is being deleted")
        for other in file.opens:
            if conflicts(access, share, other.granted_access, other.share_access):
                raise NTStatusError(
                    NTStatus.SHARING_VIOLATION, "another open does not share that access"
                )

    def add(self, backend: Backend, opened: Open) -> None:
        """Join `opened` (already checked) to its file."""
        handle = opened.disk()
        place = (id(backend), handle.key)
        file = self._files.get(place)
        if file is None:
            file = self._files[place] = File(backend, handle.key)
        file.opens.append(opened)
        opened.file = file

    def remove(self, opened: Open) -> bool:
        """Take `opened` out; True when it was the last of its file."""
        file = opened.file
        if file is None:
            return False
        opened.file = None
        file.opens.remove(opened)
        file.locks.release(opened)
        if file.opens:
            return False
        del self._files[(id(file.backend), file.key)]
        return True

    def below(self, backend: Backend, directory: str) -> Iterator[Open]:
        """The opens of files inside `directory`, at any depth."""
        prefix = directory + "\\" if directory else ""
        for file in self._files.values():
            if file.backend is backend:
                for opened in file.opens:
                    if opened.path.startswith(prefix) and opened.path != directory:
                        yield opened

    def moved(self, backend: Backend, old: str, new: str) -> None:
        """A file or directory changed its path: follow it in the opens of it and below it."""
        prefix = old + "\\"
        for file in self._files.values():
            if file.backend is not backend:
                continue
            for opened in file.opens:
                if opened.path == old:
                    changed = new
                elif opened.path.startswith(prefix):
                    changed = new + opened.path[len(old) :]
                else:
                    continue
                opened.path = changed
                if opened.handle is not None:
                    opened.handle.path = changed

    def __len__(self) -> int:
        return sum(len(file.opens) for file in self._files.values())
