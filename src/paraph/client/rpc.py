"""A call over a named pipe: enough of DCE/RPC's client side to ask a server for its shares
([C706] 12.6, [MS-RPCE] 3.3.2, [MS-SRVS] 3.1.4.8)."""

from __future__ import annotations

import errno
from struct import Struct
from typing import Any

from paraph.client import requests
from paraph.client.logon import IPC, post_tree_disconnect, tree_connect
from paraph.client.operations import open_handle, using
from paraph.client.records import ShareEntry
from paraph.client.steps import Steps
from paraph.client.tree import Handle, Tree
from paraph.errors import DecodeError, SMBError
from paraph.rpc.ndr import (
    U32,
    UNIQUE_STRING,
    NdrReader,
    NdrType,
    NdrWriter,
    Pointer,
    read_parameter,
    write_parameter,
)
from paraph.rpc.pdu import HEADER_SIZE, NDR, Header, PduFlags, PduType, Syntax
from paraph.rpc.service import UNLIMITED, enumeration
from paraph.rpc.srvsvc import SHARE_LEVELS, SRVSVC
from paraph.wire.fsctl import Fsctl
from paraph.wire.ntstatus import NTStatus
from paraph.wire.record import unpack
from paraph.wire.smb2.create import AccessMask

_MAX_FRAGMENT = 4280
_MAX_ANSWER = 16 << 20
_HEADER = Struct("<BBBB4sHHI")
_LITTLE_ENDIAN = b"\x10\0\0\0"
_BIND = Struct("<HHIB3xHBx")  # fragment sizes, group; one context: its id, one transfer syntax
_BIND_ACK = Struct("<HHIH")  # fragment sizes, group, length of the secondary address
_REQUEST = Struct("<IHH")  # alloc_hint, p_cont_id, opnum
_U16 = Struct("<H")
_U32 = Struct("<I")
_RESPONSE = 24  # bytes before the stub data of a response
_WHOLE = PduFlags.FIRST_FRAG | PduFlags.LAST_FRAG
_ACCESS = AccessMask.FILE_READ_DATA | AccessMask.FILE_WRITE_DATA | AccessMask.FILE_READ_ATTRIBUTES

_SHARE_ENUM = enumeration(SHARE_LEVELS)
_SHARE_ENUM_OPNUM = 15
_KINDS = {0: "disk", 1: "printer", 2: "device", 3: "pipe"}
_SPECIAL = 0x8000_0000


def shares(tree: Tree) -> Steps[list[ShareEntry]]:
    """The shares that the server tells of."""
    pipes = yield from tree_connect(tree.connection, IPC)
    try:
        pipe = yield from open_handle(pipes, requests.create(pipes, "srvsvc", _ACCESS))
        return (yield from using(pipe, _share_enum(pipe)))
    finally:
        post_tree_disconnect(pipes)


def _share_enum(pipe: Handle) -> Steps[list[ShareEntry]]:
    """NetrShareEnum, level 1."""
    yield from _bind(pipe, SRVSVC.syntax)
    writer = NdrWriter()
    host = f"\\\\{pipe.tree.connection.server}"
    arguments: tuple[tuple[NdrType, Any], ...] = (
        (UNIQUE_STRING, host),
        (_SHARE_ENUM, (1, [])),
        (U32, UNLIMITED),
        (Pointer(U32), 0),
    )
    for kind, value in arguments:
        write_parameter(kind, writer, value)
    reader = NdrReader((yield from _call(pipe, _SHARE_ENUM_OPNUM, bytes(writer.data))))
    try:
        _, entries = read_parameter(_SHARE_ENUM, reader)
        read_parameter(U32, reader)
        read_parameter(Pointer(U32), reader)
        status: int = read_parameter(U32, reader)
    except DecodeError as error:
        raise _broken(str(error)) from error
    if status:
        raise SMBError(errno.EACCES if status == 5 else errno.EIO, f"NetrShareEnum: error {status}")
    return [_entry(one) for one in entries or ()]


def _entry(record: dict[str, Any]) -> ShareEntry:
    kind = _KINDS.get(record["type"] & 0xFF, "disk")
    special = bool(record["type"] & _SPECIAL)
    return ShareEntry(record["netname"] or "", kind, record["remark"] or "", special)


def _bind(pipe: Handle, interface: Syntax) -> Steps[None]:
    """bind, [C706] 12.6.4.3. Raises SMBError when the server does not take it."""
    body = _BIND.pack(_MAX_FRAGMENT, _MAX_FRAGMENT, 0, 1, 0, 1) + interface.encode() + NDR.encode()
    answer = yield from _transact(pipe, _pdu(PduType.BIND, 1, body))
    try:
        if Header.decode(answer).ptype != PduType.BIND_ACK:
            raise _broken("the server does not take the bind")
        length = unpack(_BIND_ACK, answer, HEADER_SIZE, "bind_ack")[3]
        results = HEADER_SIZE + _BIND_ACK.size + length
        results += -results % 4 + 4
        (result,) = unpack(_U16, answer, results, "bind_ack")
    except DecodeError as error:
        raise _broken(str(error)) from error
    if result:
        raise _broken("the server does not know the interface")


def _call(pipe: Handle, opnum: int, stub: bytes) -> Steps[bytes]:
    """A request in one fragment, and its response, whose fragments are joined."""
    body = _REQUEST.pack(len(stub), 0, opnum) + stub
    data = yield from _transact(pipe, _pdu(PduType.REQUEST, 2, body))
    parts = bytearray()
    while True:
        try:
            header = Header.decode(data)
        except DecodeError as error:
            raise _broken(str(error)) from error
        if header.ptype == PduType.FAULT:
            (code,) = _U32.unpack_from(bytes(data[_RESPONSE:]).ljust(4, b"\0"))
            raise _broken(f"the call failed with fault 0x{code:08X}")
        if header.ptype != PduType.RESPONSE or header.fragment_length != len(data):
            raise _broken("not a response to the call")
        parts += data[_RESPONSE:]
        if len(parts) > _MAX_ANSWER:
            raise _broken("the response is too long")
        if header.flags & PduFlags.LAST_FRAG:
            return bytes(parts)
        data = memoryview((yield from _read_fragment(pipe)))


def _transact(pipe: Handle, pdu: bytes) -> Steps[memoryview]:
    """Write a PDU and read the first fragment of the answer: FSCTL_PIPE_TRANSCEIVE."""
    request = requests.ioctl(
        pipe.tree,
        Fsctl.PIPE_TRANSCEIVE,
        pdu,
        file_id=pipe.file_id,
        room=_MAX_FRAGMENT,
        path=pipe.path,
        accepts=(NTStatus.BUFFER_OVERFLOW,),
    )
    data: bytes = yield request
    if request.status == NTStatus.BUFFER_OVERFLOW and len(data) < _fragment_length(data):
        data += yield from _read(pipe, _fragment_length(data) - len(data))
    return memoryview(data)


def _read_fragment(pipe: Handle) -> Steps[bytes]:
    """The next fragment of an answer."""
    data = yield from _read(pipe, _MAX_FRAGMENT)
    while len(data) < _fragment_length(data):
        data += yield from _read(pipe, _fragment_length(data) - len(data))
    return data


def _read(pipe: Handle, length: int) -> Steps[bytes]:
    request = requests.read(pipe.tree, pipe.file_id, 0, length, bytes, pipe.path)
    request.accepts = (NTStatus.BUFFER_OVERFLOW,)
    data: bytes = yield request
    if not data:
        raise _broken("the pipe is empty")
    return data


def _fragment_length(data: bytes) -> int:
    return int.from_bytes(data[8:10], "little") if len(data) >= 10 else HEADER_SIZE


def _pdu(kind: int, call_id: int, body: bytes) -> bytes:
    length = HEADER_SIZE + len(body)
    return _HEADER.pack(5, 0, kind, _WHOLE, _LITTLE_ENDIAN, length, 0, call_id) + body


def _broken(reason: str) -> SMBError:
    said = f"the remote procedure call failed: {reason}"
    return SMBError(errno.EPROTO, said, None, NTStatus.INVALID_NETWORK_RESPONSE)
