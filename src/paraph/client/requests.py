"""The requests that operations send, one function each, and what becomes of their answers."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Sequence
from typing import Any

from paraph.client.steps import Request
from paraph.client.tree import FileId, Handle, Tree
from paraph.core.message import BODY
from paraph.errors import DecodeError, SMBError
from paraph.wire.fscc_dir import DirRecord, decode_entries
from paraph.wire.fscc_file import FileInformationClass
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.change_notify import (
    ChangeNotifyFlags,
    ChangeNotifyRequest,
    ChangeNotifyResponse,
)
from paraph.wire.smb2.close import CloseFlags, CloseRequest, CloseResponse
from paraph.wire.smb2.create import (
    CreateContext,
    CreateDisposition,
    CreateRequest,
    CreateResponse,
    ShareAccess,
)
from paraph.wire.smb2.header import NO_FILE_ID, Command
from paraph.wire.smb2.info import (
    InfoType,
    QueryInfoRequest,
    QueryInfoResponse,
    SetInfoRequest,
)
from paraph.wire.smb2.io import (
    WRITE_REQUEST_SIZE,
    FlushRequest,
    ReadRequest,
    ReadResponse,
    WriteRequest,
    WriteResponse,
)
from paraph.wire.smb2.ioctl import IoctlRequest, IoctlResponse
from paraph.wire.smb2.lock import LockElement, LockRequest
from paraph.wire.smb2.query_directory import (
    QueryDirectoryFlags,
    QueryDirectoryRequest,
    QueryDirectoryResponse,
)

SAME_FILE: FileId = (NO_FILE_ID, NO_FILE_ID)
"""In a compound: what the request before has opened."""

SHARED = ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE
"""As on a POSIX system, nobody is locked out by an open file."""

DIRECTORY_LEVEL = FileInformationClass.ID_FULL_DIRECTORY
"""The richest level without short names, which cost a server much."""

_Done = Callable[[memoryview], Any]


def credit_charge(size: int) -> int:
    """[MS-SMB2] 3.1.5.2: a credit for each 64 KiB of payload begun."""
    return 1 + (size - 1) // 65536 if size > 0 else 1


def create(
    tree: Tree,
    path: object,
    access: int,
    disposition: int = CreateDisposition.OPEN,
    options: int = 0,
    *,
    attributes: int = 0,
    share: int = SHARED,
    contexts: Sequence[CreateContext] = (),
    accepts: Collection[int] = (),
) -> Request:
    """CREATE; answers a CreateResponse. Raises ValueError for a name that can not be."""
    body = CreateRequest(
        desired_access=access,
        file_attributes=attributes,
        share_access=share,
        create_disposition=disposition,
        create_options=options,
        name=tree.wire(path),
        create_contexts=list(contexts),
    ).encode()
    return Request(Command.CREATE, body, _created, tree=tree, path=str(path), accepts=accepts)


def _created(message: memoryview) -> CreateResponse:
    response = CreateResponse.decode(message)
    for context in response.create_contexts:
        context.data = bytes(context.data)
    return response


def close(tree: Tree, file_id: FileId = SAME_FILE, path: str | None = None) -> Request:
    """CLOSE."""
    return Request(Command.CLOSE, CloseRequest(0, *file_id).encode(), tree=tree, path=path)


def close_and_query(tree: Tree, file_id: FileId = SAME_FILE, path: str | None = None) -> Request:
    """CLOSE; answers a CloseResponse with the attributes that the file ended with."""
    body = CloseRequest(CloseFlags.POSTQUERY_ATTRIB, *file_id).encode()
    return Request(Command.CLOSE, body, CloseResponse.decode, tree=tree, path=path)


def close_handle(handle: Handle) -> Request:
    """CLOSE of a handle, which counts as closed from now on."""
    handle.closed = True
    return close(handle.tree, handle.file_id, handle.path)


def flush(handle: Handle) -> Request:
    """FLUSH: what was written is on stable storage when it is answered."""
    body = FlushRequest(*handle.file_id).encode()
    return Request(Command.FLUSH, body, tree=handle.tree, path=handle.path)


def read(
    tree: Tree,
    file_id: FileId,
    offset: int,
    length: int,
    sink: Callable[[memoryview], Any],
    path: str | None = None,
) -> Request:
    """READ; its data, at most `length` bytes, goes to `sink` as a view that is only valid during
    the call; answers what that returns. None at the end of the file."""
    body = ReadRequest(
        length=length, offset=offset, persistent_id=file_id[0], volatile_id=file_id[1]
    ).encode()

    def received(message: memoryview) -> Any:
        data = ReadResponse.decode(message).data
        if len(data) > length:
            raise DecodeError(f"READ of {length} bytes was answered with {len(data)}")
        return sink(memoryview(data))

    return Request(
        Command.READ,
        body,
        received,
        tree=tree,
        charge=_charge(tree, length),
        path=path,
        accepts=_END_OF_FILE,
        size=length,
    )


_END_OF_FILE = (NTStatus.END_OF_FILE,)


def write(
    tree: Tree, file_id: FileId, offset: int, data: bytes | memoryview, path: str | None = None
) -> Request:
    """WRITE; answers the number of bytes written."""
    frame = write_frame(len(data))
    write_room(frame)[:] = data
    return write_framed(tree, file_id, offset, frame, path)


def write_frame(size: int) -> bytearray:
    """A frame with room for `size` bytes of data; see `write_room`, then `write_framed`."""
    return bytearray(BODY + WRITE_REQUEST_SIZE + size)


def write_room(frame: bytearray) -> memoryview:
    """Where the data of a frame goes."""
    return memoryview(frame)[BODY + WRITE_REQUEST_SIZE :]


def write_framed(
    tree: Tree,
    file_id: FileId,
    offset: int,
    frame: bytearray,
    path: str | None = None,
    done: Callable[[], object] | None = None,
) -> Request:
    """WRITE of a frame whose data is in place; `done` is called when it was written. Fails when the
    server does not write all of it."""
    size = len(frame) - BODY - WRITE_REQUEST_SIZE
    WriteRequest.pack_into(frame, BODY, offset, *file_id, size)

    def written(message: memoryview) -> int:
        count = WriteResponse.decode(message).count
        if count != size:
            said = f"the server wrote {count} of {size} bytes"
            raise SMBError(errno.EIO, said, path, NTStatus.UNEXPECTED_IO_ERROR)
        if done is not None:
            done()
        return count

    return Request(
        Command.WRITE,
        frame,
        written,
        tree=tree,
        charge=_charge(tree, size),
        path=path,
        size=size,
    )


def query_info(
    tree: Tree,
    info_class: int,
    decode: Callable[[memoryview], Any],
    *,
    file_id: FileId = SAME_FILE,
    info_type: int = InfoType.FILE,
    room: int = 4096,
    additional: int = 0,
    path: str | None = None,
    accepts: Collection[int] = (),
) -> Request:
    """QUERY_INFO; answers what `decode` makes of the buffer."""
    body = QueryInfoRequest(
        info_type=info_type,
        file_info_class=info_class,
        output_buffer_length=room,
        additional_information=additional,
        persistent_id=file_id[0],
        volatile_id=file_id[1],
    ).encode()

    def received(message: memoryview) -> Any:
        return decode(memoryview(QueryInfoResponse.decode(message).buffer))

    return Request(
        Command.QUERY_INFO,
        body,
        received,
        tree=tree,
        charge=_charge(tree, room),
        path=path,
        accepts=accepts,
    )


def set_info(
    tree: Tree,
    info_class: int,
    buffer: bytes,
    *,
    file_id: FileId = SAME_FILE,
    info_type: int = InfoType.FILE,
    additional: int = 0,
    path: str | None = None,
) -> Request:
    """SET_INFO."""
    body = SetInfoRequest(info_type, info_class, additional, *file_id, buffer).encode()
    return Request(Command.SET_INFO, body, tree=tree, charge=_charge(tree, len(buffer)), path=path)


def query_directory(
    tree: Tree,
    room: int,
    *,
    file_id: FileId = SAME_FILE,
    pattern: str = "*",
    restart: bool = False,
    path: str | None = None,
) -> Request:
    """QUERY_DIRECTORY; answers a list of DirRecord, None when there are no more."""
    body = QueryDirectoryRequest(
        DIRECTORY_LEVEL,
        QueryDirectoryFlags.RESTART_SCANS if restart else 0,
        0,
        *file_id,
        room,
        pattern,
    ).encode()
    return Request(
        Command.QUERY_DIRECTORY,
        body,
        _listed,
        tree=tree,
        charge=_charge(tree, room),
        path=path,
        accepts=_NO_MORE,
    )


_NO_MORE = (NTStatus.NO_MORE_FILES, NTStatus.NO_SUCH_FILE)


def _listed(message: memoryview) -> list[DirRecord]:
    return decode_entries(
        DIRECTORY_LEVEL, memoryview(QueryDirectoryResponse.decode(message).buffer)
    )


def ioctl(
    tree: Tree,
    code: int,
    data: bytes = b"",
    *,
    file_id: FileId = SAME_FILE,
    room: int = 0,
    path: str | None = None,
    accepts: Collection[int] = (),
    sign: bool = False,
) -> Request:
    """IOCTL with an FSCTL; answers its output, as bytes."""
    body = IoctlRequest(code, *file_id, max_output_response=room, input_buffer=data).encode()
    return Request(
        Command.IOCTL,
        body,
        lambda message: bytes(IoctlResponse.decode(message).output_buffer),
        tree=tree,
        charge=_charge(tree, max(len(data), room)),
        path=path,
        accepts=accepts,
        sign=sign,
    )


def lock(handle: Handle, elements: Sequence[LockElement]) -> Request:
    """LOCK."""
    body = LockRequest(0, *handle.file_id, list(elements)).encode()
    return Request(Command.LOCK, body, tree=handle.tree, path=handle.path)


def change_notify(handle: Handle, completion_filter: int, *, recursive: bool, room: int) -> Request:
    """CHANGE_NOTIFY; answers the buffer as bytes, empty when more has happened than fits."""
    flags = ChangeNotifyFlags.WATCH_TREE if recursive else 0
    body = ChangeNotifyRequest(flags, room, *handle.file_id, completion_filter).encode()
    return Request(
        Command.CHANGE_NOTIFY,
        body,
        lambda message: bytes(ChangeNotifyResponse.decode(message).buffer),
        tree=handle.tree,
        charge=_charge(handle.tree, room),
        path=handle.path,
        accepts=(NTStatus.NOTIFY_ENUM_DIR,),
    )


def _charge(tree: Tree, payload: int) -> int:
    """What a payload costs where the connection counts: one credit for each request elsewhere."""
    return credit_charge(payload) if tree.connection.multi_credit else 1
