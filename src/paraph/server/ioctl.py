"""IOCTL, [MS-SMB2] 3.3.5.15: a table of control codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from paraph.errors import DecodeError, Disconnect, NTStatusError
from paraph.rpc.pipe import PIPES, Pipe
from paraph.server.lookup import resolve_open
from paraph.wire.fscc_file import PipeState
from paraph.wire.fsctl import Fsctl, PipePeek, PipeWait
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import NO_FILE_ID
from paraph.wire.smb2.ioctl import (
    IoctlFlags,
    IoctlRequest,
    IoctlResponse,
    ValidateNegotiateInfoRequest,
    ValidateNegotiateInfoResponse,
)

if TYPE_CHECKING:
    from paraph.server.request import Request

_WITHOUT_OPEN = frozenset(
    (
        Fsctl.DFS_GET_REFERRALS,
        Fsctl.DFS_GET_REFERRALS_EX,
        Fsctl.QUERY_NETWORK_INTERFACE_INFO,
        Fsctl.VALIDATE_NEGOTIATE_INFO,
        Fsctl.PIPE_WAIT,
    )
)
_NO_OPEN = (NO_FILE_ID, NO_FILE_ID)
_VALIDATE_SIZE = 24
_PEEK_HEADER = 16
_KNOWN = frozenset(code for code in vars(Fsctl).values() if isinstance(code, int))

_NOT_HERE = frozenset(
    (
        Fsctl.SRV_REQUEST_RESUME_KEY,
        Fsctl.SRV_COPYCHUNK,
        Fsctl.SRV_COPYCHUNK_WRITE,
        Fsctl.SRV_ENUMERATE_SNAPSHOTS,
        Fsctl.SRV_READ_HASH,
        Fsctl.LMR_REQUEST_RESILIENCY,
        Fsctl.QUERY_NETWORK_INTERFACE_INFO,
        Fsctl.OFFLOAD_READ,
        Fsctl.OFFLOAD_WRITE,
    )
)
"""Controls of the server itself that are not built: NOT_SUPPORTED, and clients copy by READ and
WRITE, do without previous versions, and use one channel."""


async def ioctl(request: Request, message: IoctlRequest) -> bytes:
    """Check what holds for every control code, then look it up."""
    connection = request.connection
    if message.flags != IoctlFlags.IS_FSCTL:
        raise NTStatusError(NTStatus.NOT_SUPPORTED, "an IOCTL that is no FSCTL")
    without = message.ctl_code in _WITHOUT_OPEN
    if without and (message.persistent_id, message.volatile_id) != _NO_OPEN:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "an FSCTL without open that names one")
    if not without:
        resolve_open(request, message.persistent_id, message.volatile_id)
    largest = max(
        len(message.input_buffer), message.max_input_response, message.max_output_response
    )
    if largest > connection.max_transact_size:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"a buffer of {largest} bytes")
    if message.ctl_code in _NOT_HERE:
        raise NTStatusError(NTStatus.NOT_SUPPORTED, f"FSCTL {message.ctl_code:#x} is not built")
    handler = _HANDLERS.get(message.ctl_code)
    if handler is None:
        known = message.ctl_code in _KNOWN
        status = NTStatus.INVALID_DEVICE_REQUEST if known else NTStatus.NOT_SUPPORTED
        raise NTStatusError(status, f"FSCTL {message.ctl_code:#x}")
    output = await handler(request, message)
    if len(output) > message.max_output_response:
        raise NTStatusError(NTStatus.BUFFER_TOO_SMALL, "the answer does not fit")
    persistent, volatile = _NO_OPEN if without else request.file_id or _NO_OPEN
    return IoctlResponse(
        ctl_code=message.ctl_code,
        persistent_id=persistent,
        volatile_id=volatile,
        output_buffer=output,
    ).encode()


async def _validate_negotiate_info(request: Request, message: IoctlRequest) -> bytes:
    """3.3.5.15.12: anything that differs from what the server saw means that somebody in the middle
    changed it, and the connection ends without an answer."""
    connection = request.connection
    if connection.dialect.contexts:
        raise Disconnect("VALIDATE_NEGOTIATE_INFO in 3.1.1")
    if message.max_output_response < _VALIDATE_SIZE:
        raise Disconnect("VALIDATE_NEGOTIATE_INFO without room for its answer")
    try:
        info = ValidateNegotiateInfoRequest.decode(memoryview(message.input_buffer))
    except DecodeError as error:
        raise Disconnect(f"VALIDATE_NEGOTIATE_INFO: {error}") from None
    told = (info.dialects, info.guid, info.security_mode, info.capabilities)
    seen = (
        connection.client_dialects,
        connection.client_guid,
        connection.client_security_mode,
        connection.client_capabilities,
    )
    for name, left, right in zip(
        ("dialects", "client GUID", "security mode", "capabilities"), told, seen, strict=True
    ):
        if left != right:
            raise Disconnect(f"NEGOTIATE was altered on its way: the client sent other {name}")
    return ValidateNegotiateInfoResponse(
        connection.server_capabilities,
        connection.server.guid,
        connection.server_security_mode,
        connection.dialect.revision,
    ).encode()


async def _dfs_get_referrals(request: Request, message: IoctlRequest) -> bytes:
    """3.3.5.15.2: there is no DFS namespace here, so no path has a referral: NOT_FOUND, which
    clients are used to from Samba, rather than FS_DRIVER_REQUIRED."""
    raise NTStatusError(NTStatus.NOT_FOUND, "no DFS namespace")


def _pipe(request: Request) -> Pipe:
    pipe = request.open.pipe
    if pipe is None:
        raise NTStatusError(NTStatus.INVALID_DEVICE_REQUEST, "no named pipe")
    return pipe


async def _pipe_transceive(request: Request, message: IoctlRequest) -> bytes:
    """3.3.5.15.10 with [MS-FSCC] 2.3.49: a WRITE and a READ in one."""
    pipe = _pipe(request)
    if pipe.available:
        raise NTStatusError(NTStatus.PIPE_BUSY, "the last answer was not read")
    pipe.write(bytes(message.input_buffer))
    data, more = pipe.read(message.max_output_response)
    if more:
        request.status = NTStatus.BUFFER_OVERFLOW
    return data


async def _pipe_peek(request: Request, message: IoctlRequest) -> bytes:
    """3.3.5.15.4 with [MS-FSCC] 2.3.46: as much of the first message as there is room for. A client
    without any room learns that the pipe is there."""
    pipe, room = _pipe(request), message.max_output_response
    if not room:
        return b""
    data, messages, length = pipe.peek(max(room - _PEEK_HEADER, 0))
    if len(data) < length:
        request.status = NTStatus.BUFFER_OVERFLOW
    return PipePeek(PipeState.CONNECTED, pipe.available, messages, length, data).encode()


async def _pipe_wait(request: Request, message: IoctlRequest) -> bytes:
    """3.3.5.15.11: every pipe of ours always has an instance free."""
    try:
        name = PipeWait.decode(memoryview(message.input_buffer)).name
    except DecodeError as error:
        raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND, str(error)) from None
    if name.lower() not in PIPES:
        raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND, f"no pipe {name!r}")
    return b""


async def _get_reparse_point(request: Request, message: IoctlRequest) -> bytes:
    """Links are followed on this side; clients see what they lead to."""
    request.open.disk()
    raise NTStatusError(NTStatus.NOT_A_REPARSE_POINT, "no reparse point")


_HANDLERS: dict[int, Callable[[Request, IoctlRequest], Awaitable[bytes]]] = {
    Fsctl.VALIDATE_NEGOTIATE_INFO: _validate_negotiate_info,
    Fsctl.DFS_GET_REFERRALS: _dfs_get_referrals,
    Fsctl.DFS_GET_REFERRALS_EX: _dfs_get_referrals,
    Fsctl.PIPE_TRANSCEIVE: _pipe_transceive,
    Fsctl.PIPE_PEEK: _pipe_peek,
    Fsctl.PIPE_WAIT: _pipe_wait,
    Fsctl.GET_REPARSE_POINT: _get_reparse_point,
}
