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
