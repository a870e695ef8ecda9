"""LOCK, [MS-SMB2] 3.3.5.14: byte-range locks, granted at once, refused, or waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.errors import NTStatusError
from paraph.server.locks import LockTable
from paraph.server.open import Open
from paraph.server.waiting import until
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask
from paraph.wire.smb2.lock import LockElement, LockFlags, LockRequest
from paraph.wire.smb2.simple import LockResponse

if TYPE_CHECKING:
    from paraph.server.request import Request

_KINDS = (
    LockFlags.SHARED_LOCK,
    LockFlags.EXCLUSIVE_LOCK,
    LockFlags.SHARED_LOCK | LockFlags.FAIL_IMMEDIATELY,
    LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY,
)


async def lock(request: Request, message: LockRequest) -> bytes:
    """A list of locks or a list of unlocks, as its first element says."""
    opened = request.open
    handle = opened.disk()
    if handle.is_directory:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "a directory has no byte ranges")
    if not message.locks:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "a LOCK without elements")
    opened.require_any(AccessMask.FILE_READ_DATA | AccessMask.FILE_WRITE_DATA)
    file = opened.file
    if file is None:
        raise NTStatusError(NTStatus.FILE_CLOSED, "the open is being closed")
    if message.locks[0].flags & LockFlags.UNLOCK:
        _unlock(file.locks, opened, message.locks)
    else:
        await _lock(request, file.locks, message.locks)
    return LockResponse().encode()


def _unlock(table: LockTable, opened: Open, elements: list[LockElement]) -> None:
    """3.3.5.14.1. What was unlocked before an element fails stays unlocked."""
    for element in elements:
        if element.flags & ~LockFlags.FAIL_IMMEDIATELY != LockFlags.UNLOCK:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "an unlock with flags of a lock")
        table.unlock(opened, element.offset, element.length)


async def _lock(request: Request, table: LockTable, elements: list[LockElement]) -> None:
    """3.3.5.14.2. All elements or none."""
    opened = request.open
    for element in elements:
        if element.flags not in _KINDS:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, f"lock flags {element.flags:#x}")
        if len(elements) > 1 and not element.flags & LockFlags.FAIL_IMMEDIATELY:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "several locks, and one that may wait")
    limit = request.connection.server.settings.limits.locks_per_open
    if table.count(opened) + len(elements) > limit:
        raise NTStatusError(NTStatus.INSUFFICIENT_RESOURCES, "too many byte-range locks")
    taken = 0
    try:
        for element in elements:
            await _take(table, opened, element)
            taken += 1
    except NTStatusError:
        table.give_back(taken)  # where there are several, none has waited
        raise


async def _take(table: LockTable, opened: Open, element: LockElement) -> None:
    exclusive = bool(element.flags & LockFlags.EXCLUSIVE_LOCK)
    while not table.acquire(opened, element.offset, element.length, exclusive=exclusive):
        if element.flags & LockFlags.FAIL_IMMEDIATELY:
            raise NTStatusError(NTStatus.LOCK_NOT_GRANTED, "the range is locked")
        waiter = table.wait()
        try:
            await until(waiter)
        finally:
            table.forget(waiter)
