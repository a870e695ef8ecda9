"""READ, WRITE and FLUSH, [MS-SMB2] 3.3.5.11 to 3.3.5.13."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.core.message import BODY
from paraph.errors import NTStatusError
from paraph.server.open import Open
from paraph.server.waiting import offload
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, CreateOptions
from paraph.wire.smb2.io import (
    Channel,
    FlushRequest,
    ReadFlags,
    ReadRequest,
    ReadResponse,
    WriteFlags,
    WriteRequest,
    WriteResponse,
)
from paraph.wire.smb2.simple import FlushResponse

if TYPE_CHECKING:
    from paraph.server.request import Request

_DATA = BODY + 16
"""Where file data begins in the reply buffer of a READ."""

_READ = AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE
_WRITE = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA
_NOT_FOR_PIPES = WriteFlags.WRITE_THROUGH | WriteFlags.WRITE_UNBUFFERED
_LARGEST_OFFSET = (1 << 63) - 1
_AT_END = (1 << 64) - 1
"""Offset of a WRITE that appends, [MS-FSA] 2.1.5.4."""


async def read(request: Request, message: ReadRequest) -> bytes | bytearray:
    """[MS-SMB2] 3.3.5.12. File data goes straight to its place in the reply."""
    opened, length, offset = request.open, message.length, message.offset
    if length > request.connection.max_read_size:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"a READ of {length} bytes")
    if message.channel != Channel.NONE:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "RDMA on a TCP connection")
    opened.require_any(_READ)
    if opened.pipe is not None:
        if message.flags & ReadFlags.READ_UNBUFFERED:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "an unbuffered READ of a pipe")
        return _read_pipe(request, length)
    handle = opened.disk()
    if handle.is_directory:
        raise NTStatusError(NTStatus.INVALID_DEVICE_REQUEST, "a READ of a directory")
    if offset > _LARGEST_OFFSET - length:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"a READ at {offset}")
    if opened.file is not None and opened.file.locks:
        opened.file.locks.check(opened, offset, length, write=False)
    reply = bytearray(_DATA + length)
    target = memoryview(reply)[_DATA:]
    count = handle.read_now(target, offset)
    if count < 0:
        count = await offload(lambda: handle.read_into(target, offset))
    target.release()
    if (count == 0 and length) or count < message.minimum_count:
        raise NTStatusError(NTStatus.END_OF_FILE, "nothing there to read")
    if count < length:
        del reply[_DATA + count :]
    ReadResponse.pack_into(reply, BODY, count)
    return reply


def _read_pipe(request: Request, length: int) -> bytes:
    pipe = request.open.pipe
    assert pipe is not None
    data, more = pipe.read(length)
    if not data:
        # A client that asks before it has written would wait for ever: nobody else writes here.
        raise NTStatusError(NTStatus.PIPE_EMPTY, "the pipe holds no answer")
    if more:
        request.status = NTStatus.BUFFER_OVERFLOW
    return ReadResponse(data=data).encode()


async def write(request: Request, message: WriteRequest) -> bytes:
    """[MS-SMB2] 3.3.5.13. The data is written from the receive buffer, without a copy."""
    opened, data, offset = request.open, message.data, message.offset
    if len(data) > request.connection.max_write_size:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"a WRITE of {len(data)} bytes")
    if message.channel != Channel.NONE:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "RDMA on a TCP connection")
    opened.require_any(_WRITE)
    if opened.pipe is not None:
        if message.flags & _NOT_FOR_PIPES:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "an unbuffered WRITE to a pipe")
        opened.pipe.write(bytes(data))
        return WriteResponse(len(data)).encode()
    handle = opened.disk()
    if handle.is_directory:
        raise NTStatusError(NTStatus.INVALID_DEVICE_REQUEST, "a WRITE to a directory")
    offset = _place(opened, offset, len(data))
    if opened.file is not None and opened.file.locks:
        opened.file.locks.check(opened, offset, len(data), write=True)
    count = handle.write(memoryview(data), offset) if len(data) else 0
    through = message.flags & WriteFlags.WRITE_THROUGH
    if count and (through or opened.create_options & CreateOptions.WRITE_THROUGH):
        await offload(handle.flush)
    return WriteResponse(count).encode()


def _place(opened: Open, offset: int, length: int) -> int:
    """Where a WRITE goes: at the end if it says so. Who may only append can not change what is
    there."""
    append_only = not opened.granted_access & AccessMask.FILE_WRITE_DATA
    if offset == _AT_END or append_only:
        end = opened.disk().info().end_of_file
        if offset == _AT_END:
            offset = end
        elif offset < end and length:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "the handle may only append")
    if offset > _LARGEST_OFFSET - length:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"a WRITE at {offset}")
    return offset


async def flush(request: Request, message: FlushRequest) -> bytes:
    """[MS-SMB2] 3.3.5.11: done when the data is on stable storage, waited for elsewhere."""
    opened = request.open
    if opened.pipe is None:
        handle = opened.disk()
        opened.require_any(_WRITE)
        await offload(handle.flush)
    return FlushResponse().encode()
