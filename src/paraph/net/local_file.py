"""Files of this machine as source and destination of transfers."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

if hasattr(os, "pwrite"):

    def put_into(descriptor: int) -> Callable[[int, memoryview], None]:
        """A `Put` of `paraph.client.transfer` that writes to an open file."""

        def put(at: int, data: memoryview) -> None:
            while data:
                count = os.pwrite(descriptor, data, at)
                at += count
                data = data[count:]

        return put

else:

    def put_into(descriptor: int) -> Callable[[int, memoryview], None]:
        """A `Put` of `paraph.client.transfer` that writes to an open file."""

        def put(at: int, data: memoryview) -> None:
            os.lseek(descriptor, at, os.SEEK_SET)
            while data:
                data = data[os.write(descriptor, data) :]

        return put


class Destination:
    """The local end of a download: a path or an open file. A path is opened at the first bytes, or
    at the end, so that a remote file that is not there leaves an existing local one alone."""

    def __init__(self, target: str | os.PathLike[str] | BinaryIO) -> None:
        self._target = target
        self._file: BinaryIO | None = None
        self._put: Callable[[int, memoryview], None] | None = None

    def put(self, at: int, data: memoryview) -> None:
        """Write `data` at an offset: a `Put` of `paraph.client.transfer`."""
        if self._put is None:
            self._put = put_into(self._open().fileno())
        self._put(at, data)

    def finish(self, size: int) -> None:
        """The file has this size now, whatever it was before."""
        self._open().truncate(size)

    def close(self) -> None:
        """Close what was opened here."""
        if self._file is not None and isinstance(self._target, str | os.PathLike):
            self._file.close()

    def _open(self) -> BinaryIO:
        if self._file is None:
            if isinstance(self._target, str | os.PathLike):
                self._file = open(self._target, "r+b", opener=_create)  # noqa: SIM115
            else:
                self._file = self._target
        return self._file


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)


def fill_from(descriptor: int) -> Callable[[int, memoryview], int]:
    """A `Fill` of `paraph.client.transfer` that reads from an open file."""
    with_offset = hasattr(os, "preadv")

    def fill(at: int, room: memoryview) -> int:
        done = 0
        while done < len(room):
            if with_offset:
                count = os.preadv(descriptor, [room[done:]], at + done)
            else:
                os.lseek(descriptor, at + done, os.SEEK_SET)
                data = os.read(descriptor, len(room) - done)
                count = len(data)
                room[done : done + count] = data
            if not count:
                break
            done += count
        return done

    return fill


def local_file(
    file: str | os.PathLike[str] | BinaryIO, mode: str
) -> AbstractContextManager[BinaryIO]:
    """A path opened, to be closed; an open file as it is."""
    if isinstance(file, str | os.PathLike):
        return open(file, mode)  # type: ignore[return-value]
    return nullcontext(file)
