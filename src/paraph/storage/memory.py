"""A share that lives in memory, with the semantics of `PosixBackend`: for tests and small uses."""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time
from collections.abc import Iterator, Mapping

from paraph.errors import NTStatusError
from paraph.storage.attributes import (
    CLUSTER,
    SETTABLE,
    clusters,
    default_attributes,
    shown_attributes,
)
from paraph.storage.base import Backend, DirectoryEntry, FileInfo, Handle, VolumeInfo
from paraph.storage.names import MAXIMUM_COMPONENT, fold
from paraph.wire.filetime import filetime_from_ns
from paraph.wire.fscc_file import FileAttributes
from paraph.wire.fscc_volume import FileSystemAttributes
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask

_GIB = 1 << 30
_devices = itertools.count(1)

_READ_ONLY_ACCESS = AccessMask.FILE_GENERIC_READ | AccessMask.FILE_GENERIC_EXECUTE


def _now() -> int:
    return filetime_from_ns(time.time_ns())


class _Node:
    """A file or directory apart from its names."""

    def __init__(self, number: int, *, is_directory: bool) -> None:
        self.number = number
        self.is_directory = is_directory
        self.content = bytearray()
        self.reserved = 0
        #: folded name -> (name, node), in the order of creation
        self.children: dict[str, tuple[str, _Node]] = {}
        self.attributes = default_attributes(is_directory)
        self.created = self.accessed = self.written = self.changed = _now()
        self.links = 1
        self.handles = 0

    @property
    def space(self) -> int:
        """Bytes of the capacity that the file takes."""
        return max(len(self.content), self.reserved)

    def touch(self) -> None:
        """Note that the content has changed."""
        self.written = self.changed = _now()
        if not self.is_directory:
            self.attributes |= FileAttributes.ARCHIVE

    def info(self) -> FileInfo:
        size = len(self.content)
        return FileInfo(
            self.created,
            self.accessed,
            self.written,
            self.changed,
            shown_attributes(self.attributes, self.is_directory),
            size,
            clusters(self.space),
            self.links,
            self.number,
            self.is_directory,
        )


class MemoryBackend(Backend):
    """Files in memory. `files` maps paths (with backslashes or slashes) to contents; their folders
    come to be as needed. `capacity` bounds the sum of all contents in bytes, None for no bound."""

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        capacity: int | None = _GIB,
        read_only: bool = False,
    ) -> None:
        self.device = next(_devices)
        self.capacity = capacity
        self.used = 0
        self.read_only = read_only
        self.lock = threading.Lock()  #: of contents: reads and writes come from any thread
        self._numbers = itertools.count(1)
        self.root = self._new_node(is_directory=True)
        for path, data in (files or {}).items():
            self.write_bytes(path, data)

    def _new_node(self, *, is_directory: bool) -> _Node:
        return _Node(next(self._numbers), is_directory=is_directory)

    # ------------------------------------------------------------------------------- for tests

    def read_bytes(self, path: str) -> bytes:
        """The content of a file. Raises NTStatusError."""
        return bytes(self._node(path.replace("/", "\\"))[1].content)

    def write_bytes(self, path: str, data: bytes) -> None:
        """Make or overwrite a file, and its folders, even in a read-only backend."""
        *folders, name = path.replace("/", "\\").split("\\")
        node = self.root
        for folder in folders:
            node = self._child(node, folder, is_directory=True)
        file = self._child(node, name, is_directory=False)
        self.resize(file, len(data), 0)
        file.content[:] = data

    def _child(self, parent: _Node, name: str, *, is_directory: bool) -> _Node:
        found = parent.children.get(fold(name))
        if found is not None:
            return found[1]
        node = self._new_node(is_directory=is_directory)
        parent.children[fold(name)] = (name, node)
        return node

    def paths(self) -> list[str]:
        """The paths of all files and folders, sorted."""
        result: list[str] = []
        pending = [("", self.root)]
        while pending:
            prefix, node = pending.pop()
            for name, child in node.children.values():
                result.append(prefix + name)
                pending.append((f"{prefix}{name}\\", child))
        return sorted(result)

    # ------------------------------------------------------------------------------------ names

    def _node(self, path: str) -> tuple[str, _Node]:
        """The path as stored and the node. Raises NTStatusError as `open`."""
        if not path:
            return "", self.root
        parent, stored, name = self.parent(path)
        found = parent.children.get(fold(name))
        if found is None:
            raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND)
        return stored + found[0], found[1]

    def parent(self, path: str) -> tuple[_Node, str, str]:
        """The folder of `path`, the stored path of that folder with a backslash at its end, and the
        last component."""
        *folders, name = path.split("\\")
        node, stored = self.root, ""
        for folder in folders:
            found = node.children.get(fold(folder))
            if found is None or not found[1].is_directory:
                raise NTStatusError(NTStatus.OBJECT_PATH_NOT_FOUND)
            stored += found[0] + "\\"
            node = found[1]
        if not node.is_directory:
            raise NTStatusError(NTStatus.OBJECT_PATH_NOT_FOUND)
        return node, stored, name

    def open(self, path: str, *, read: bool = False, write: bool = False) -> Handle:
        stored, node = self._node(path)
        if write and self.read_only and not node.is_directory:
            raise NTStatusError(NTStatus.MEDIA_WRITE_PROTECTED)
        return MemoryHandle(self, node, stored, read=read, write=write)

    def create(
        self, path: str, *, directory: bool, attributes: int, read: bool = True, write: bool = True
    ) -> Handle:
        self.check_writable()
        if not path:
            raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
        parent, stored, name = self.parent(path)
        if fold(name) in parent.children:
            raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
        if len(name.encode()) > MAXIMUM_COMPONENT:
            raise NTStatusError(NTStatus.OBJECT_NAME_INVALID, "name too long")
        node = self._child(parent, name, is_directory=directory)
        node.attributes |= attributes & SETTABLE
        parent.touch()
        return MemoryHandle(self, node, stored + name, read=read, write=write)

    def check_writable(self) -> None:
        """Raises NTStatusError MEDIA_WRITE_PROTECTED."""
        if self.read_only:
            raise NTStatusError(NTStatus.MEDIA_WRITE_PROTECTED)

    # ------------------------------------------------------------------------------------ space

    def resize(self, node: _Node, size: int, reserved: int) -> None:
        """Give a file the length `size`, filled with zeros, and a reservation. Raises
        OSError(ENOSPC), having changed nothing."""
        growth = max(size, reserved) - node.space
        if growth > 0 and self.capacity is not None and self.used + growth > self.capacity:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content = node.content
        if size > len(content):
            try:
                content.extend(bytes(size - len(content)))
            except (MemoryError, OverflowError):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        else:
            del content[size:]
        node.reserved = reserved
        self.used += growth

    def release(self, node: _Node) -> None:
        """Free the space of a file that has neither names nor handles."""
        if not node.links and not node.handles:
            self.resize(node, 0, 0)

    def volume(self) -> VolumeInfo:
        capacity = _GIB * 1024 if self.capacity is None else self.capacity
        free = max(capacity - self.used, 0) // CLUSTER
        attributes = (
            FileSystemAttributes.CASE_PRESERVED_NAMES
            | FileSystemAttributes.UNICODE_ON_DISK
            | FileSystemAttributes.SUPPORTS_HARD_LINKS
        )
        if self.read_only:
            attributes |= FileSystemAttributes.READ_ONLY_VOLUME
        return VolumeInfo(
            total_units=capacity // CLUSTER,
            free_units=free,
            available_units=free,
            sectors_per_unit=8,
            bytes_per_sector=512,
            serial_number=self.device,
            label="memory",
            creation_time=self.root.created,
            file_system_name="NTFS",
            maximum_component_length=MAXIMUM_COMPONENT,
            attributes=attributes,
            read_only=self.read_only,
        )


class MemoryHandle(Handle):
    """An open file or directory of a `MemoryBackend`."""

    def __init__(
        self, backend: MemoryBackend, node: _Node, path: str, *, read: bool, write: bool
    ) -> None:
        self.path = path
        self.is_directory = node.is_directory
        self.key = (backend.device, node.number)
        self.readable = read and not node.is_directory
        self.writable = write and not node.is_directory
        self._backend = backend
        self._node = node
        self._closed = False
        node.handles += 1

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._node.handles -= 1
            self._backend.release(self._node)

    # ------------------------------------------------------------------------------------- data

    def _check(self, allowed: bool) -> None:
        if self._closed or not allowed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def read_into(self, buffer: memoryview, offset: int) -> int:
        self._check(self.readable)
        with self._backend.lock:
            data = self._node.content[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: memoryview, offset: int) -> int:
        self._check(self.writable)
        node, size = self._node, len(data)
        if not size:
            return 0
        with self._backend.lock:
            if offset + size > len(node.content):
                self._backend.resize(node, offset + size, node.reserved)
            node.content[offset : offset + size] = data
            node.touch()
        return size

    def flush(self) -> None:
        """Nothing to do: memory is as stable as it gets."""

    def set_end_of_file(self, size: int) -> None:
        self._check(self.writable)
        with self._backend.lock:
            self._backend.resize(self._node, size, 0)
            self._node.touch()

    def set_allocation_size(self, size: int) -> None:
        self._check(self.writable)
        with self._backend.lock:
            length = len(self._node.content)
            self._backend.resize(self._node, min(size, length), size if size > length else 0)
            if size < length:
                self._node.touch()

    # --------------------------------------------------------------------------------- metadata

    def info(self) -> FileInfo:
        return self._node.info()

    def set_basic_info(
        self,
        *,
        creation_time: int | None = None,
        last_access_time: int | None = None,
        last_write_time: int | None = None,
        change_time: int | None = None,
        attributes: int | None = None,
    ) -> None:
        self._backend.check_writable()
        node = self._node
        node.changed = _now() if change_time is None else change_time
        if creation_time is not None:
            node.created = creation_time
        if last_access_time is not None:
            node.accessed = last_access_time
        if last_write_time is not None:
            node.written = last_write_time
        if attributes is not None:
            node.attributes = attributes & SETTABLE

    def volume(self) -> VolumeInfo:
        return self._backend.volume()

    def maximal_access(self) -> int:
        return _READ_ONLY_ACCESS if self._backend.read_only else AccessMask.FILE_ALL_ACCESS

    # ------------------------------------------------------------------------------------ names

    def _own_entry(self) -> tuple[_Node, str] | None:
        """The folder and folded name of this handle's path, if it still names this file."""
        if not self.path:
            return None
        try:
            parent, _, name = self._backend.parent(self.path)
        except NTStatusError:
            return None
        found = parent.children.get(fold(name))
        return None if found is None or found[1] is not self._node else (parent, fold(name))

    def delete(self) -> None:
        self._backend.check_writable()
        if not self.path:
            raise NTStatusError(NTStatus.CANNOT_DELETE, "the root of the share")
        own = self._own_entry()
        if own is None:
            return
        if self._node.children:
            raise NTStatusError(NTStatus.DIRECTORY_NOT_EMPTY)
        self._remove(*own)

    def _remove(self, parent: _Node, folded: str) -> None:
        _, node = parent.children.pop(folded)
        node.links -= 1
        node.changed = _now()
        parent.touch()
        self._backend.release(node)

    def rename(self, target: str, *, replace: bool) -> None:
        self._backend.check_writable()
        own = self._own_entry()
        if own is None or not target:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "the name is no longer this file's")
        parent, stored, name = self._backend.parent(target)
        if self._is_beneath(target):
            raise NTStatusError(NTStatus.ACCESS_DENIED, "a directory can not move into itself")
        if own != (parent, fold(name)):
            self._make_way(parent, name, replace=replace)
        own[0].children.pop(own[1])
        parent.children[fold(name)] = (name, self._node)
        own[0].touch()
        parent.touch()
        self._node.changed = _now()
        self.path = stored + name

    def _is_beneath(self, target: str) -> bool:
        """Whether one of the folders of `target` is this directory."""
        node = self._backend.root
        for folder in target.split("\\")[:-1]:
            node = node.children[fold(folder)][1]
            if node is self._node:
                return True
        return False

    def _make_way(self, parent: _Node, name: str, *, replace: bool) -> None:
        found = parent.children.get(fold(name))
        if found is None:
            if len(name.encode()) > MAXIMUM_COMPONENT:
                raise NTStatusError(NTStatus.OBJECT_NAME_INVALID, "name too long")
            return
        node = found[1]
        if node is not self._node:
            if not replace:
                raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
            if node.is_directory or node.attributes & FileAttributes.READONLY:
                raise NTStatusError(NTStatus.ACCESS_DENIED, "can not be replaced")
        self._remove(parent, fold(name))

    def link(self, target: str, *, replace: bool) -> None:
        self._backend.check_writable()
        if self.is_directory:
            raise NTStatusError(NTStatus.FILE_IS_A_DIRECTORY)
        if not self._node.links:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "the file has no name any more")
        if not target:
            raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
        parent, _, name = self._backend.parent(target)
        found = parent.children.get(fold(name))
        if found is not None and found[1] is self._node and not replace:
            raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION)
        self._make_way(parent, name, replace=replace)
        parent.children[fold(name)] = (name, self._node)
        self._node.links += 1
        self._node.changed = _now()
        parent.touch()

    # -------------------------------------------------------------------------------- directory

    def is_empty(self) -> bool:
        return not self._node.children

    def scan(self) -> Iterator[DirectoryEntry]:
        return self._entries(list(self._node.children))

    def _entries(self, folded_names: list[str]) -> Iterator[DirectoryEntry]:
        for folded in folded_names:
            found = self._node.children.get(folded)
            if found is not None:
                yield DirectoryEntry(found[0], found[1].info())

    def find(self, name: str) -> DirectoryEntry | None:
        found = self._node.children.get(fold(name))
        return None if found is None else DirectoryEntry(found[0], found[1].info())
