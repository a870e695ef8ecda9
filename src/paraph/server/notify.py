"""CHANGE_NOTIFY, [MS-SMB2] 3.3.5.19. Not built yet: it says so, and clients go on without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.errors import NTStatusError
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.change_notify import ChangeNotifyRequest
from paraph.wire.smb2.create import AccessMask

if TYPE_CHECKING:
    from paraph.server.request import Request


async def change_notify(request: Request, message: ChangeNotifyRequest) -> bytes:
    """NOT_SUPPORTED, after the checks that come first in any case."""
    opened = request.open
    if message.output_buffer_length > request.connection.max_transact_size:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "a larger answer than was negotiated")
    if not opened.is_directory:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "CHANGE_NOTIFY on something else")
    opened.require(AccessMask.FILE_LIST_DIRECTORY)
    raise NTStatusError(NTStatus.NOT_SUPPORTED, "change notification is not built yet")
