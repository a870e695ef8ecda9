"""Byte-range locks of one file ([MS-FSA] 2.1.1.10, 2.1.4.10, 2.1.5.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paraph.errors import NTStatusError
from paraph.server.waiting import Waiter
from paraph.wire.ntstatus import NTStatus

if TYPE_CHECKING:
    from paraph.server.open import Open

_END = 1 << 64


def _check_range(offset: int, length: int) -> None:
    if offset + length > _END:
        raise NTStatusError(NTStatus.INVALID_LOCK_RANGE, "the range ends beyond 2^64")


@dataclass(slots=True)
class ByteRangeLock:
    """`length` bytes from `offset`; a length of 0 locks nothing but a point between two bytes."""

    offset: int
    length: int
    exclusive: bool
    owner: Open

    def overlaps(self, offset: int, length: int) -> bool:
        """[MS-FSA] 2.1.4.10: two empty ranges never meet; an empty one meets a range that it lies
        strictly inside of."""
        if self.length == 0 and length == 0:
            return False
        if self.length == 0:
            return offset < self.offset < offset + length
        if length == 0:
            return self.offset < offset < self.offset + self.length
        return offset < self.offset + self.length and self.offset < offset + length


class LockTable:
    """The locks held on one file and the requests that wait for one.

    The empty table, nearly every file's, costs two empty lists and one truth test per READ.
    """

    __slots__ = ("_held", "_waiters")

    def __init__(self) -> None:
        self._held: list[ByteRangeLock] = []
        self._waiters: list[Waiter] = []

    def __bool__(self) -> bool:
        return bool(self._held)

    def count(self, owner: Open) -> int:
        """How many locks `owner` holds."""
        return sum(lock.owner is owner for lock in self._held)

    def acquire(self, owner: Open, offset: int, length: int, *, exclusive: bool) -> bool:
        """Take the lock; False if another one is in the way. An exclusive lock conflicts with every
        lock, the owner's own included; shared ones stand beside each other.

        Raises INVALID_LOCK_RANGE when it would end beyond 2**64.
        """
        _check_range(offset, length)
        for lock in self._held:
            if (exclusive or lock.exclusive) and lock.overlaps(offset, length):
                # Within one open a shared lock may lie upon its own exclusive one.
                if lock.owner is owner and not exclusive:
                    continue
                return False
        self._held.append(ByteRangeLock(offset, length, exclusive, owner))
        return True

    def unlock(self, owner: Open, offset: int, length: int) -> None:
        """Drop the lock of exactly this range, the exclusive one first ([MS-FSA] 2.1.5.9: it is
        always the older). Raises RANGE_NOT_LOCKED, or INVALID_LOCK_RANGE as `acquire`."""
        _check_range(offset, length)
        for index, lock in enumerate(self._held):
            if lock.owner is owner and lock.offset == offset and lock.length == length:
                del self._held[index]
                self._wake()
                return
        raise NTStatusError(NTStatus.RANGE_NOT_LOCKED, "no such lock")

    def give_back(self, count: int) -> None:
        """Drop the `count` locks that were taken last, which nobody has met yet."""
        if count:
            del self._held[-count:]

    def release(self, owner: Open) -> None:
        """Drop all locks of an open that goes away."""
        if any(lock.owner is owner for lock in self._held):
            self._held = [lock for lock in self._held if lock.owner is not owner]
            self._wake()

    def check(self, owner: Open, offset: int, length: int, *, write: bool) -> None:
        """Raises FILE_LOCK_CONFLICT if a READ or WRITE of the range would meet a lock: a read meets
        the exclusive locks of others, a write those and every shared one (2.1.4.10)."""
        if length == 0:
            return
        for lock in self._held:
            if lock.overlaps(offset, length):
                if lock.exclusive and lock.owner is owner:
                    continue
                if write or lock.exclusive:
                    raise NTStatusError(NTStatus.FILE_LOCK_CONFLICT, "the range is locked")

    def wait(self) -> Waiter:
        """Woken at the next release of a lock."""
        waiter = Waiter()
        self._waiters.append(waiter)
        return waiter

    def forget(self, waiter: Waiter) -> None:
        """The request stopped waiting."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.wake()
