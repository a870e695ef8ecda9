"""Oplock and lease breaks, [MS-SMB2] 2.2.23 to 2.2.25: all of them are command OPLOCK_BREAK, and
StructureSize tells a lease from an oplock."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import HEADER_SIZE, fixed, unpack


class LeaseBreakFlags:
    """Flags of the lease break notification, [MS-SMB2] 2.2.23.2."""

    ACK_REQUIRED = 0x01


_OPLOCK = Struct("<HB5xQQ")  # StructureSize, OplockLevel, Reserved, Reserved2, FileId
_OPLOCK_SIZE = 24
# StructureSize, NewEpoch, Flags, LeaseKey, CurrentLeaseState, NewLeaseState, BreakReason,
# AccessMaskHint, ShareMaskHint
_NOTIFICATION = Struct("<HHI16sII12x")
_NOTIFICATION_SIZE = 44
# StructureSize, Reserved, Flags, LeaseKey, LeaseState, LeaseDuration
_LEASE = Struct("<H6x16sI8x")
_LEASE_SIZE = 36
_STRUCTURE_SIZE = Struct("<H")


@dataclass(slots=True)
class OplockBreak:
    """The form that notification, acknowledgment and response of an oplock break share.
    `oplock_level` is of OplockLevel (`create`)."""

    oplock_level: int = 0
    persistent_id: int = 0
    volatile_id: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_OPLOCK, _OPLOCK_SIZE, message, cls.__name__))

    def encode(self) -> bytes:
        return _OPLOCK.pack(_OPLOCK_SIZE, self.oplock_level, self.persistent_id, self.volatile_id)


class OplockBreakNotification(OplockBreak):
    """Oplock Break Notification, [MS-SMB2] 2.2.23.1, from the server."""

    __slots__ = ()


class OplockBreakAcknowledgment(OplockBreak):
    """Oplock Break Acknowledgment, [MS-SMB2] 2.2.24.1, from the client."""

    __slots__ = ()


class OplockBreakResponse(OplockBreak):
    """Oplock Break Response, [MS-SMB2] 2.2.25.1, from the server."""

    __slots__ = ()


@dataclass(slots=True)
class LeaseBreakNotification:
    """Lease Break Notification, [MS-SMB2] 2.2.23.2, from the server. The states are of LeaseState
    (`create_contexts`)."""

    new_epoch: int = 0
    flags: int = 0
    lease_key: bytes = bytes(16)
    current_lease_state: int = 0
    new_lease_state: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_NOTIFICATION, _NOTIFICATION_SIZE, message, cls.__name__))

    def encode(self) -> bytes:
        return _NOTIFICATION.pack(
            _NOTIFICATION_SIZE,
            self.new_epoch,
            self.flags,
            self.lease_key,
            self.current_lease_state,
            self.new_lease_state,
        )


@dataclass(slots=True)
class LeaseBreak:
    """The form that acknowledgment and response of a lease break share."""

    lease_key: bytes = bytes(16)
    lease_state: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_LEASE, _LEASE_SIZE, message, cls.__name__))

    def encode(self) -> bytes:
        return _LEASE.pack(_LEASE_SIZE, self.lease_key, self.lease_state)


class LeaseBreakAcknowledgment(LeaseBreak):
    """Lease Break Acknowledgment, [MS-SMB2] 2.2.24.2, from the client."""

    __slots__ = ()


class LeaseBreakResponse(LeaseBreak):
    """Lease Break Response, [MS-SMB2] 2.2.25.2, from the server."""

    __slots__ = ()


def _structure_size(message: memoryview) -> int:
    return unpack(_STRUCTURE_SIZE, message, HEADER_SIZE, "OPLOCK_BREAK")[0]


def decode_notification(message: memoryview) -> OplockBreakNotification | LeaseBreakNotification:
    """What the server sent unasked. Raises DecodeError if it is neither."""
    if _structure_size(message) == _NOTIFICATION_SIZE:
        return LeaseBreakNotification.decode(message)
    return OplockBreakNotification.decode(message)


def decode_acknowledgment(
    message: memoryview,
) -> OplockBreakAcknowledgment | LeaseBreakAcknowledgment:
    """What the client sent. Raises DecodeError if it is neither."""
    if _structure_size(message) == _LEASE_SIZE:
        return LeaseBreakAcknowledgment.decode(message)
    return OplockBreakAcknowledgment.decode(message)


def decode_response(message: memoryview) -> OplockBreakResponse | LeaseBreakResponse:
    """What the server answered. Raises DecodeError if it is neither."""
    if _structure_size(message) == _LEASE_SIZE:
        return LeaseBreakResponse.decode(message)
    return OplockBreakResponse.decode(message)
