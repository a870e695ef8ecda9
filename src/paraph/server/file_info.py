"""What QUERY_INFO tells of a file, directory or pipe: one row per class of [MS-FSCC] 2.4.

[MS-SMB2] 3.3.5.20.1 and [MS-FSA] 2.1.5.12. A reader gives the whole record; `query_info` checks
lengths and access before, and cuts what does not fit after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paraph.errors import NTStatusError
from paraph.server.open import Open
from paraph.storage.base import FileInfo
from paraph.storage.names import is_8dot3
from paraph.wire.fscc_file import (
    COMPRESSION_FORMAT_NONE,
    MINIMUM_OUTPUT,
    FileAccessInformation,
    FileAlignmentInformation,
    FileAllInformation,
    FileAttributes,
    FileAttributeTagInformation,
    FileBasicInformation,
    FileCompressionInformation,
    FileEaInformation,
    FileIdInformation,
    FileInformationClass,
    FileInternalInformation,
    FileModeInformation,
    FileNameInformation,
    FileNetworkOpenInformation,
    FilePipeInformation,
    FilePipeLocalInformation,
    FilePositionInformation,
    FileStandardInformation,
    PipeState,
)
from paraph.wire.fscc_list import FileStreamInformation
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, CreateOptions
from paraph.wire.smb2.info import QueryInfoRequest

if TYPE_CHECKING:
    from paraph.server.request import Request

MODE_BITS = (
    CreateOptions.WRITE_THROUGH
    | CreateOptions.SEQUENTIAL_ONLY
    | CreateOptions.NO_INTERMEDIATE_BUFFERING
    | CreateOptions.SYNCHRONOUS_IO_ALERT
    | CreateOptions.SYNCHRONOUS_IO_NONALERT
    | CreateOptions.DELETE_ON_CLOSE
)
"""Create options that are also bits of FileModeInformation, [MS-FSCC] 2.4.31."""

MESSAGE_MODE = 1
"""Pipes are of this type and read in this mode."""
_DUPLEX = 2
_UNLIMITED_INSTANCES = 0xFFFF_FFFF
_PIPE_QUOTA = 4096
_BYTE_ALIGNED = 0

DISK = 1
PIPE = 2


@dataclass(frozen=True, slots=True)
class FileClass:
    """How one class is queried: `read(request, message)` gives its bytes; `minimum` is the least
    output buffer; `access` must have been granted; `where` is DISK, PIPE or both."""

    minimum: int
    read: Callable[[Request, QueryInfoRequest], bytes]
    access: int
    where: int


def describe(opened: Open) -> FileInfo:
    """The metadata as they are now. A pipe has no times; its size is what waits to be read."""
    if opened.pipe is not None:
        return FileInfo(
            creation_time=0,
            last_access_time=0,
            last_write_time=0,
            change_time=0,
            attributes=FileAttributes.NORMAL,
            end_of_file=opened.pipe.available,
            allocation_size=_PIPE_QUOTA,
            number_of_links=1,
            file_id=opened.file_id,
            is_directory=False,
        )
    return opened.disk().info()


def mode(opened: Open) -> int:
    """Open.Mode."""
    return opened.create_options & MODE_BITS


def _links(opened: Open, info: FileInfo) -> tuple[int, bool]:
    """NumberOfLinks, of which the one that is to be deleted is none, and DeletePending."""
    pending = opened.file is not None and opened.file.delete_pending
    links = max(info.number_of_links - pending, 0)
    return links, pending or not links


def _ea_size(info: FileInfo) -> int:
    """With the 4 bytes that head a list of extended attributes."""
    return info.ea_size + 4 if info.ea_size else 0


def _basic(request: Request, message: QueryInfoRequest) -> bytes:
    info = describe(request.open)
    return FileBasicInformation(
        info.creation_time,
        info.last_access_time,
        info.last_write_time,
        info.change_time,
        info.attributes,
    ).encode()


def _standard(request: Request, message: QueryInfoRequest) -> bytes:
    info = describe(request.open)
    links, pending = _links(request.open, info)
    return FileStandardInformation(
        info.allocation_size, info.end_of_file, links, pending, info.is_directory
    ).encode()


def _internal(request: Request, message: QueryInfoRequest) -> bytes:
    return FileInternalInformation(describe(request.open).file_id).encode()


def _ea(request: Request, message: QueryInfoRequest) -> bytes:
    return FileEaInformation(_ea_size(describe(request.open))).encode()


def _access(request: Request, message: QueryInfoRequest) -> bytes:
    return FileAccessInformation(request.open.granted_access).encode()


def _position(request: Request, message: QueryInfoRequest) -> bytes:
    return FilePositionInformation(request.open.position).encode()


def _mode(request: Request, message: QueryInfoRequest) -> bytes:
    return FileModeInformation(mode(request.open)).encode()


def _alignment(request: Request, message: QueryInfoRequest) -> bytes:
    return FileAlignmentInformation(_BYTE_ALIGNED).encode()


def _all(request: Request, message: QueryInfoRequest) -> bytes:
    """The name is relative to the share, with a leading backslash; 3.3.5.20.1 would have it empty,
    but clients of Windows before 10 use it."""
    opened = request.open
    info = describe(opened)
    links, pending = _links(opened, info)
    return FileAllInformation(
        creation_time=info.creation_time,
        last_access_time=info.last_access_time,
        last_write_time=info.last_write_time,
        change_time=info.change_time,
        file_attributes=info.attributes,
        allocation_size=info.allocation_size,
        end_of_file=info.end_of_file,
        number_of_links=links,
        delete_pending=pending,
        directory=info.is_directory,
        index_number=info.file_id,
        ea_size=_ea_size(info),
        access_flags=opened.granted_access,
        current_byte_offset=opened.position,
        mode=mode(opened),
        alignment_requirement=_BYTE_ALIGNED,
        file_name="\\" + opened.path,
    ).encode()


def _alternate_name(request: Request, message: QueryInfoRequest) -> bytes:
    """Short names are not made up, but one that is short enough is its own."""
    name = request.open.path.rpartition("\\")[2]
    if not is_8dot3(name):
        raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND, "there is no short name")
    return FileNameInformation(name).encode()


def _streams(request: Request, message: QueryInfoRequest) -> bytes:
    """Whole entries only: a file's one stream, and none of a directory."""
    info = describe(request.open)
    streams = []
    if not info.is_directory:
        streams.append(FileStreamInformation("::$DATA", info.end_of_file, info.allocation_size))
    data, count = FileStreamInformation.encode_fitting(streams, message.output_buffer_length)
    if count < len(streams):
        request.status = NTStatus.BUFFER_OVERFLOW
    return data


def _compression(request: Request, message: QueryInfoRequest) -> bytes:
    info = describe(request.open)
    size = 0 if info.is_directory else info.allocation_size
    return FileCompressionInformation(size, COMPRESSION_FORMAT_NONE, 0, 0, 0).encode()


def _network_open(request: Request, message: QueryInfoRequest) -> bytes:
    info = describe(request.open)
    return FileNetworkOpenInformation(
        info.creation_time,
        info.last_access_time,
        info.last_write_time,
        info.change_time,
        info.allocation_size,
        info.end_of_file,
        info.attributes,
    ).encode()


def _attribute_tag(request: Request, message: QueryInfoRequest) -> bytes:
    info = describe(request.open)
    return FileAttributeTagInformation(info.attributes, info.reparse_tag).encode()


def _normalized_name(request: Request, message: QueryInfoRequest) -> bytes:
    """The path relative to the share, in the case of the store; for 3.1.1 only."""
    if not request.connection.dialect.contexts:
        raise NTStatusError(NTStatus.NOT_SUPPORTED, "normalized names came with 3.1.1")
    return FileNameInformation(request.open.path).encode()


def _id(request: Request, message: QueryInfoRequest) -> bytes:
    if not request.connection.dialect.encryption:
        raise NTStatusError(NTStatus.NOT_SUPPORTED, "FileIdInformation came with SMB 3")
    handle = request.open.disk()
    return FileIdInformation(handle.volume().serial_number, handle.info().file_id).encode()


def _full_ea(request: Request, message: QueryInfoRequest) -> bytes:
    """No file has extended attributes, whichever are asked for."""
    raise NTStatusError(NTStatus.NO_EAS_ON_FILE, "extended attributes are not stored")


def _pipe(request: Request, message: QueryInfoRequest) -> bytes:
    return FilePipeInformation(MESSAGE_MODE, 0).encode()


def _pipe_local(request: Request, message: QueryInfoRequest) -> bytes:
    return FilePipeLocalInformation(
        named_pipe_type=MESSAGE_MODE,
        named_pipe_configuration=_DUPLEX,
        maximum_instances=_UNLIMITED_INSTANCES,
        current_instances=1,
        inbound_quota=_PIPE_QUOTA,
        read_data_available=describe(request.open).end_of_file,
        outbound_quota=_PIPE_QUOTA,
        write_quota_available=_PIPE_QUOTA,
        named_pipe_state=PipeState.CONNECTED,
        named_pipe_end=0,
    ).encode()


_READ_ATTRIBUTES = AccessMask.FILE_READ_ATTRIBUTES

CLASSES: dict[int, FileClass] = {
    number: FileClass(MINIMUM_OUTPUT.get(number, 0), read, access, where)
    for number, read, access, where in (
        (FileInformationClass.BASIC, _basic, _READ_ATTRIBUTES, DISK | PIPE),
        (FileInformationClass.STANDARD, _standard, 0, DISK | PIPE),
        (FileInformationClass.INTERNAL, _internal, 0, DISK | PIPE),
        (FileInformationClass.EA, _ea, 0, DISK | PIPE),
        (FileInformationClass.ACCESS, _access, 0, DISK | PIPE),
        (FileInformationClass.POSITION, _position, 0, DISK | PIPE),
        (FileInformationClass.FULL_EA, _full_ea, AccessMask.FILE_READ_EA, DISK),
        (FileInformationClass.MODE, _mode, 0, DISK | PIPE),
        (FileInformationClass.ALIGNMENT, _alignment, 0, DISK | PIPE),
        (FileInformationClass.ALL, _all, _READ_ATTRIBUTES, DISK | PIPE),
        (FileInformationClass.ALTERNATE_NAME, _alternate_name, 0, DISK),
        (FileInformationClass.STREAM, _streams, 0, DISK),
        (FileInformationClass.PIPE, _pipe, _READ_ATTRIBUTES, PIPE),
        (FileInformationClass.PIPE_LOCAL, _pipe_local, _READ_ATTRIBUTES, PIPE),
        (FileInformationClass.COMPRESSION, _compression, 0, DISK),
        (FileInformationClass.NETWORK_OPEN, _network_open, _READ_ATTRIBUTES, DISK | PIPE),
        (FileInformationClass.ATTRIBUTE_TAG, _attribute_tag, _READ_ATTRIBUTES, DISK),
        (FileInformationClass.NORMALIZED_NAME, _normalized_name, 0, DISK),
        (FileInformationClass.ID, _id, 0, DISK),
    )
}
"""The classes that can be queried."""

NOT_SUPPORTED = frozenset(
    (
        FileInformationClass.NAME,
        FileInformationClass.PIPE_REMOTE,
        FileInformationClass.MAILSLOT_QUERY,
        FileInformationClass.OBJECT_ID,
        FileInformationClass.QUOTA,
        FileInformationClass.REPARSE_POINT,
        FileInformationClass.SFIO_RESERVE,
        FileInformationClass.SFIO_VOLUME,
        FileInformationClass.HARD_LINK,
        FileInformationClass.STANDARD_LINK,
        FileInformationClass.ID_EXTD_DIRECTORY,
        FileInformationClass.DISPOSITION_EX,
        FileInformationClass.RENAME_EX,
        FileInformationClass.ID_64_EXTD_DIRECTORY,
        FileInformationClass.ID_64_EXTD_BOTH_DIRECTORY,
        FileInformationClass.ID_ALL_EXTD_DIRECTORY,
        FileInformationClass.ID_ALL_EXTD_BOTH_DIRECTORY,
    )
)
"""Classes that are documented and not for SMB2 queries: NOT_SUPPORTED (3.3.5.20.1). Those that
Windows answers with INVALID_INFO_CLASS instead (note <415>) are not among them."""
