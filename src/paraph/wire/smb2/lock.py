"""LOCK, [MS-SMB2] 2.2.26. The response has an empty body and is in `simple`."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from paraph.wire.record import HEADER_SIZE, fixed, window


class LockFlags:
    """Flags of an SMB2_LOCK_ELEMENT, [MS-SMB2] 2.2.26.1."""

    SHARED_LOCK = 0x00000001
    EXCLUSIVE_LOCK = 0x00000002
    UNLOCK = 0x00000004
    FAIL_IMMEDIATELY = 0x00000010


# StructureSize, LockCount, LockSequenceNumber and LockSequenceIndex, FileId
_REQUEST = Struct("<HHIQQ")
_REQUEST_SIZE = 48  # counts one lock
_REQUEST_END = HEADER_SIZE + _REQUEST.size
_ELEMENT = Struct("<QQI4x")  # Offset, Length, Flags, Reserved


@dataclass(slots=True)
class LockElement:
    """SMB2_LOCK_ELEMENT, [MS-SMB2] 2.2.26.1: the bytes from `offset` on, `length` of them."""

    offset: int
    length: int
    flags: int


@dataclass(slots=True)
class LockRequest:
    """SMB2 LOCK Request, [MS-SMB2] 2.2.26. An empty list of locks is legal here and refused by
    the server ([MS-SMB2] 3.3.5.14)."""

    lock_sequence: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    locks: list[LockElement] = field(default_factory=list)

    @property
    def lock_sequence_number(self) -> int:
        """The low 4 bits."""
        return self.lock_sequence & 0xF

    @property
    def lock_sequence_index(self) -> int:
        """The high 28 bits."""
        return self.lock_sequence >> 4

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or a lock lies outside."""
        count, sequence, persistent_id, volatile_id = fixed(
            _REQUEST, _REQUEST_SIZE, message, "LOCK request"
        )
        data = window(message, _REQUEST_END, count * _ELEMENT.size, _REQUEST_END, "Locks")
        locks = [LockElement(*fields) for fields in _ELEMENT.iter_unpack(data)]
        return cls(sequence, persistent_id, volatile_id, locks)

    def encode(self) -> bytes:
        body = _REQUEST.pack(
            _REQUEST_SIZE,
            len(self.locks),
            self.lock_sequence,
            self.persistent_id,
            self.volatile_id,
        )
        locks = (_ELEMENT.pack(lock.offset, lock.length, lock.flags) for lock in self.locks)
        return b"".join((body, *locks))
