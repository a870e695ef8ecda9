"""OPLOCK_BREAK acknowledgments, [MS-SMB2] 3.3.5.22. No oplock or lease is ever granted yet, so
there is none that could be acknowledged: each gets the status for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.errors import NTStatusError
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.oplock import LeaseBreakAcknowledgment, OplockBreakAcknowledgment

if TYPE_CHECKING:
    from paraph.server.request import Request


async def oplock_break(
    request: Request, message: OplockBreakAcknowledgment | LeaseBreakAcknowledgment
) -> bytes:
    """INVALID_DEVICE_STATE for an open (3.3.5.22.1), OBJECT_NAME_NOT_FOUND for a lease (.2)."""
    if isinstance(message, LeaseBreakAcknowledgment):
        raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND, "there is no such lease")
    request.session.find_open(message.persistent_id, message.volatile_id)
    raise NTStatusError(NTStatus.INVALID_DEVICE_STATE, "no oplock is being broken")
