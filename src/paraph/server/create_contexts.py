"""Create contexts of CREATE, [MS-SMB2] 3.3.5.9.1 to .15: what is asked, and what is answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paraph.server.open import Open
from paraph.storage.base import FileInfo
from paraph.wire.fscc_file import FileAttributes
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, CreateContext
from paraph.wire.smb2.create_contexts import (
    AllocationSize,
    ContextName,
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
    Lease,
    MaximalAccessRequest,
    MaximalAccessResponse,
    OnDiskIdResponse,
    TimewarpToken,
)


@dataclass(slots=True)
class Contexts:
    """What the known contexts ask for. Unknown ones are ignored, as 3.3.5.9 says."""

    maximal_access: MaximalAccessRequest | None = None
    on_disk_id: bool = False
    allocation_size: int = 0
    timewarp: int = 0
    reconnect: bool = False
    extended_attributes: bool = False


def parse_contexts(contexts: Iterable[CreateContext]) -> Contexts:
    """Raises DecodeError for a known context of the wrong form.

    Requests for leases and durable handles are checked and not granted: the answer then carries no
    such context, which is how a server says no (3.3.5.9.8). A security descriptor is ignored, as on
    a file system without access control lists.
    """
    asked = Contexts()
    for context in contexts:
        name, data = context.name, context.data
        if name == ContextName.QUERY_MAXIMAL_ACCESS:
            asked.maximal_access = MaximalAccessRequest.decode(data)
        elif name == ContextName.QUERY_ON_DISK_ID:
            asked.on_disk_id = True
        elif name == ContextName.ALLOCATION_SIZE:
            asked.allocation_size = AllocationSize.decode(data).allocation_size
        elif name == ContextName.TIMEWARP_TOKEN:
            asked.timewarp = TimewarpToken.decode(data).timestamp
        elif name == ContextName.EA_BUFFER:
            asked.extended_attributes = bool(data)
        elif name == ContextName.LEASE:
            Lease.decode(data)
        elif name == ContextName.DURABLE_HANDLE_REQUEST:
            DurableHandleRequest.decode(data)
        elif name == ContextName.DURABLE_HANDLE_REQUEST_V2:
            DurableHandleRequestV2.decode(data)
        elif name == ContextName.DURABLE_HANDLE_RECONNECT:
            DurableHandleReconnect.decode(data)
            asked.reconnect = True
        elif name == ContextName.DURABLE_HANDLE_RECONNECT_V2:
            DurableHandleReconnectV2.decode(data)
            asked.reconnect = True
    return asked


def response_contexts(opened: Open, info: FileInfo, asked: Contexts) -> list[CreateContext]:
    """The contexts of the response."""
    answers = []
    if asked.maximal_access is not None:
        answer = maximal_access(opened, info, asked.maximal_access.timestamp or 0)
        answers.append(CreateContext(ContextName.QUERY_MAXIMAL_ACCESS, answer.encode()))
    if asked.on_disk_id:
        serial = opened.disk().volume().serial_number
        data = OnDiskIdResponse(info.file_id, serial).encode()
        answers.append(CreateContext(ContextName.QUERY_ON_DISK_ID, data))
    return answers


def maximal_access(opened: Open, info: FileInfo, timestamp: int) -> MaximalAccessResponse:
    """3.3.5.9.5: what the client could open the file with; NONE_MAPPED if it knows already, since
    the file has not changed after `timestamp`."""
    if timestamp and timestamp == info.last_write_time:
        return MaximalAccessResponse(NTStatus.NONE_MAPPED, 0)
    maximal = opened.disk().maximal_access() & opened.tree.maximal_access
    if info.attributes & FileAttributes.READONLY and not info.is_directory:
        maximal &= ~(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
        maximal &= ~AccessMask.FILE_DELETE_CHILD
    return MaximalAccessResponse(NTStatus.SUCCESS, maximal)
