"""The ends of a copy: files of this machine and of a share, and their parts."""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import suppress
from typing import Any

from paraph.cli.client_remote import Remote, failure
from paraph.cli.client_transfer import MOST, TAIL, Facts, Sink, Source
from paraph.errors import SMBError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LONGEST_NAME = 200  # bytes of the name that a part keeps, of 255 that file systems allow
_NANO_OF_FILETIME = 100
_NO_LOCKS = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def part_name(name: str, facts: Facts) -> str:
    """The name of the part of a file, beside which it lies."""
    kept = os.fsencode(name)[:_LONGEST_NAME].decode(errors="ignore")
    return f"{kept}.{facts.fingerprint}.part"


# This machine


class LocalSource(Source):
    """A file of this machine."""

    def __init__(self, path: str) -> None:
        self.label = path
        self._file: io.FileIO | None = None

    def facts(self) -> Facts:
        found = os.stat(self.label)
        if not stat.S_ISREG(found.st_mode):
            raise failure(errno.EINVAL, "is not a file", self.label)
        return Facts(os.path.realpath(self.label), found.st_size, found.st_mtime_ns)

    def read(self, at: int, room: memoryview) -> int:
        if self._file is None:
            self._file = io.FileIO(self.label, "rb")
        return _read_local(self._file, at, room)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _read_local(file: io.FileIO, at: int, room: memoryview) -> int:
    file.seek(at)
    done = 0
    while done < len(room):
        count = file.readinto(room[done:])
        if not count:
            break
        done += count
    return done


class LocalSink(Sink):
    """A file of this machine, and its part. Two processes never write the same part."""

    def __init__(self, path: str) -> None:
        self.label = path
        self._part = ""
        self._file: io.FileIO | None = None

    def begin(self, facts: Facts, resume: bool) -> int:
        folder, name = os.path.split(self.label)
        self._part = os.path.join(folder, part_name(name, facts))
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file = io.FileIO(os.open(self._part, flags, 0o666), "r+b")
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            raise failure(errno.EINVAL, "is not a file", self._part)
        self._lock(self._file)
        done = self._file.seek(0, os.SEEK_END)
        if not resume or done > facts.size:
            self._file.truncate(0)
            return 0
        return done

    def _lock(self, file: io.FileIO) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise failure(
                    errno.EBUSY, "another process is writing it right now", self._part
                ) from None
        # Whoever had the lock may have put the file in the target's place in the meantime.
        if not os.path.samestat(os.fstat(file.fileno()), os.stat(self._part)):
            raise failure(errno.EBUSY, "another process has just written it", self._part)

    def read(self, at: int, room: memoryview) -> int:
        return _read_local(self._open(), at, room)

    def write(self, at: int, data: memoryview) -> None:
        file = self._open()
        file.seek(at)
        while data:
            data = data[file.write(data) :]

    def cut(self, size: int) -> None:
        self._open().truncate(size)

    def finish(self, facts: Facts) -> None:
        file = self._open()
        size = os.fstat(file.fileno()).st_size
        if size != facts.size:
            raise failure(errno.EIO, f"has {size} bytes instead of {facts.size}", self._part)
        with suppress(OSError, OverflowError):  # a time that the file system has not
            os.utime(file.fileno(), ns=(facts.mtime_ns, facts.mtime_ns))
        with suppress(OSError):
            os.fchmod(file.fileno(), stat.S_IMODE(os.stat(self.label).st_mode))

    def commit(self, *, replace: bool) -> None:
        if not replace and os.path.lexists(self.label):
            raise failure(errno.EEXIST, "is there already", self.label)
        os.replace(self._part, self.label)

    def committed(self, facts: Facts) -> bool:
        return False  # a rename on this machine is done or fails

    def discard(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._part)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> io.FileIO:
        assert self._file is not None, "begin comes first"
        return self._file


# A share


class RemoteSource(Source):
    """A file of a share."""

    def __init__(self, remote: Remote, path: str) -> None:
        self.label = remote.url(path)
        self._remote = remote
        self._path = path
        self._file: Any = None

    def facts(self) -> Facts:
        found = self._remote.share.stat(self._path)
        return Facts(self.label, found.st_size, found.st_mtime_ns)

    def read(self, at: int, room: memoryview) -> int:
        if self._file is None:
            self._file = self._remote.share.open(self._path, "rb", buffering=0)
        return _read_remote(self._file, at, room)

    def close(self) -> None:
        _let_go(self._file)
        self._file = None

    def reset(self) -> None:
        self._file = None
        self._remote.drop()


def _read_remote(file: Any, at: int, room: memoryview) -> int:
    file.seek(at)
    count: int = file.readinto(room)
    return count


def _let_go(file: Any) -> None:
    """Close a file that was only read, or that has failed already."""
    if file is not None:
        with suppress(OSError):
            file.close()


class RemoteSink(Sink):
    """A file of a share, and its part.

    WRITEs of one segment may arrive in any order, so the last segment of a part that was broken off
    may have holes: what was not acknowledged to this object is written again.
    """

    def __init__(self, remote: Remote, path: str) -> None:
        self.label = remote.url(path)
        self._remote = remote
        self._path = path
        self._part = ""
        self._file: Any = None
        self._acknowledged = 0  #: bytes of the part that the server has confirmed

    def begin(self, facts: Facts, resume: bool) -> int:
        folder, slash, name = self._path.rpartition("/")
        part = f"{folder}{slash}{part_name(name, facts)}"
        if part != self._part:
            self._part, self._acknowledged = part, 0
        share = self._remote.share
        if facts.size <= TAIL:
            self._file = share.open(self._part, "w+b", buffering=0)
            return 0
        try:
            self._file = share.open(self._part, "r+b", buffering=0)
        except FileNotFoundError:
            self._file = share.open(self._part, "w+b", buffering=0)
        self._lock()
        size = self._file.seek(0, os.SEEK_END)
        sure = 0
        if resume and size <= facts.size:
            sure = max(0, size - MOST, min(size, self._acknowledged))
        if size:
            self.cut(sure)
        return sure

    def _lock(self) -> None:
        """Until the server has closed the handle of a connection that broke, WRITEs that it has
        received may still come into effect; the lock of that handle tells."""
        try:
            self._file.lock()
        except BlockingIOError as error:
            words = "another connection is still writing it"
            raise TimeoutError(errno.EBUSY, words, self._remote.url(self._part)) from error
        except SMBError as error:
            if error.errno not in _NO_LOCKS:
                raise

    def read(self, at: int, room: memoryview) -> int:
        if self._file is None:
            self._file = self._remote.share.open(self._part, "rb", buffering=0)
        return _read_remote(self._file, at, room)

    def write(self, at: int, data: memoryview) -> None:
        self._file.seek(at)
        while data:
            count = self._file.write(data)
            at += count
            data = data[count:]
        self._acknowledged = at

    def cut(self, size: int) -> None:
        self._acknowledged = size
        self._file.truncate(size)

    def finish(self, facts: Facts) -> None:
        self._file.close()  # a server may tell only here that it could not write
        self._file = None
        size = self._remote.share.stat(self._part).st_size
        if size != facts.size:
            words = f"has {size} bytes instead of {facts.size}"
            raise failure(errno.EIO, words, self._remote.url(self._part))
        self._remote.share.set_times(self._part, modified_ns=facts.mtime_ns)

    def commit(self, *, replace: bool) -> None:
        self.close()
        rename = self._remote.share.replace if replace else self._remote.share.rename
        try:
            rename(self._part, self._path)
        except FileExistsError:
            self.discard()
            raise

    def committed(self, facts: Facts) -> bool:
        share = self._remote.share
        if share.exists(self._part) or not share.exists(self._path):
            return False
        found = share.stat(self._path)
        return found.st_size == facts.size and same_time(found.st_mtime_ns, facts.mtime_ns)

    def discard(self) -> None:
        self.close()
        with suppress(FileNotFoundError):
            self._remote.share.remove(self._part)

    def close(self) -> None:
        _let_go(self._file)
        self._file = None

    def reset(self) -> None:
        self._file = None
        self._remote.drop()


def same_time(one: int, other: int) -> bool:
    """Whether times are the same to a server, which counts in units of 100 ns."""
    return abs(one - other) < _NANO_OF_FILETIME
