"""CLOSE, [MS-SMB2] 3.3.5.10."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.wire.smb2.close import CloseFlags, CloseRequest, CloseResponse

if TYPE_CHECKING:
    from paraph.server.request import Request


async def close(request: Request, message: CloseRequest) -> bytes:
    """Close the open; with POSTQUERY_ATTRIB, tell its attributes as they were just before."""
    opened = request.open
    response = CloseResponse()
    if message.flags & CloseFlags.POSTQUERY_ATTRIB and opened.handle is not None:
        info = opened.handle.info()
        response = CloseResponse(
            flags=CloseFlags.POSTQUERY_ATTRIB,
            creation_time=info.creation_time,
            last_access_time=info.last_access_time,
            last_write_time=info.last_write_time,
            change_time=info.change_time,
            allocation_size=info.allocation_size,
            end_of_file=info.end_of_file,
            file_attributes=info.attributes,
        )
    request.connection.server.close_open(opened)
    return response.encode()
