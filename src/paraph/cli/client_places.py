"""Trees of files on either side of a copy, behind one face: this machine's, and a share's."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
from abc import ABC, abstractmethod
from dataclasses import dataclass

from paraph.cli.client_remote import Remote, failure
from paraph.cli.client_transfer import Sink, Source
from paraph.client.records import DirEntry, FileStat


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder; `size` is bytes."""

    name: str
    is_dir: bool
    is_link: bool
    size: int
    mtime_ns: int


def safe_name(name: str, folder: str) -> str:
    """A name that came from elsewhere, if it is one name. Raises OSError for what would lead out of
    the folder that it is put into: a server must not choose where we write."""
    if name in ("", ".", "..") or set(name) & set("/\\\0"):
        words = f"the server lists {name!r}, which is no name; it is not touched"
        raise failure(errno.EINVAL, words, folder)
    return name


class Place(ABC):
    """One side: where paths are, and what can be done with them. Everything raises OSError."""

    @abstractmethod
    def label(self, path: str) -> str:
        """The path for people."""

    @abstractmethod
    def join(self, folder: str, name: str) -> str:
        """A name within a folder."""

    @abstractmethod
    def name(self, path: str) -> str:
        """The last part of a path; "" of a share or of the root."""

    def fold(self, name: str) -> str:
        """What names that this place can not tell apart have in common."""
        return name

    @abstractmethod
    def stat(self, path: str) -> Entry | None:
        """What is there, None when there is nothing."""

    @abstractmethod
    def entries(self, folder: str) -> list[Entry]:
        """What is in a folder, sorted."""

    @abstractmethod
    def make_folder(self, path: str) -> None:
        """Make it, and those above that lack; no error when it is there."""

    @abstractmethod
    def remove(self, path: str, entry: Entry) -> None:
        """Delete a file, or a folder with all that is in it."""

    @abstractmethod
    def source(self, path: str) -> Source:
        """A file to be read."""

    @abstractmethod
    def sink(self, path: str) -> Sink:
        """A file to be written."""


class LocalPlace(Place):
    """The files of this machine."""

    def label(self, path: str) -> str:
        return path

    def join(self, folder: str, name: str) -> str:
        return os.path.join(folder, safe_name(name, folder))

    def name(self, path: str) -> str:
        return os.path.basename(os.path.abspath(path))

    def stat(self, path: str) -> Entry | None:
        try:
            return _local_entry(self.name(path), path, os.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def entries(self, folder: str) -> list[Entry]:
        with os.scandir(folder) as found:
            entries = [
                _local_entry(one.name, one.path, one.stat(follow_symlinks=False)) for one in found
            ]
        return sorted(entries, key=lambda entry: entry.name)

    def make_folder(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def remove(self, path: str, entry: Entry) -> None:
        if entry.is_dir and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def source(self, path: str) -> Source:
        from paraph.cli.client_ends import LocalSource

        return LocalSource(path)

    def sink(self, path: str) -> Sink:
        from paraph.cli.client_ends import LocalSink

        return LocalSink(path)


def _local_entry(name: str, path: str, found: os.stat_result) -> Entry:
    """A link counts as the file it leads to; one to a folder, or to nothing, as a link."""
    linked = stat.S_ISLNK(found.st_mode)
    if linked:
        try:
            followed = os.stat(path)
        except OSError:
            followed = found
        if stat.S_ISREG(followed.st_mode):
            found, linked = followed, False
    return Entry(
        name,
        stat.S_ISDIR(found.st_mode),
        linked or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)),
        found.st_size,
        found.st_mtime_ns,
    )


class RemotePlace(Place):
    """The files of a share."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote

    def label(self, path: str) -> str:
        return self.remote.url(path)

    def join(self, folder: str, name: str) -> str:
        return posixpath.join(folder, safe_name(name, self.label(folder)))

    def name(self, path: str) -> str:
        return posixpath.basename(path)

    def fold(self, name: str) -> str:
        return name.casefold()

    def stat(self, path: str) -> Entry | None:
        try:
            return _of_stat(self.name(path), self.remote.share.stat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def entries(self, folder: str) -> list[Entry]:
        found = [_of_listing(one) for one in self.remote.share.scandir(folder)]
        return sorted(found, key=lambda entry: entry.name)

    def make_folder(self, path: str) -> None:
        if path:
            self.remote.share.makedirs(path, exist_ok=True)

    def remove(self, path: str, entry: Entry) -> None:
        if entry.is_dir and entry.is_link:
            self.remote.share.rmdir(path)
        elif entry.is_dir:
            self.remote.share.rmtree(path)
        else:
            self.remote.share.remove(path)

    def source(self, path: str) -> Source:
        from paraph.cli.client_ends import RemoteSource

        return RemoteSource(self.remote, path)

    def sink(self, path: str) -> Sink:
        from paraph.cli.client_ends import RemoteSink

        return RemoteSink(self.remote, path)


def _of_stat(name: str, found: FileStat) -> Entry:
    return Entry(name, found.is_dir(), found.is_symlink(), found.st_size, found.st_mtime_ns)


def _of_listing(found: DirEntry) -> Entry:
    return Entry(
        found.name, found.is_dir(), found.is_symlink(), found.size, found.stat().st_mtime_ns
    )
