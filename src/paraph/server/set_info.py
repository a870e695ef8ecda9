"""SET_INFO, [MS-SMB2] 3.3.5.21, with [MS-FSA] 2.1.5.15 behind it: one row per class.

Nothing here asks whether the share is read-only, except where a class needs no access right: what
an open was granted on such a share lacks every right to write, so the rows' access refuses it
(ACCESS_DENIED). A store that is itself read-only answers MEDIA_WRITE_PROTECTED.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paraph.errors import DecodeError, NTStatusError
from paraph.server.file_info import DISK, MESSAGE_MODE, PIPE, mode
from paraph.server.open import File, Open
from paraph.server.security import set_security
from paraph.storage import names
from paraph.storage.attributes import SETTABLE
from paraph.wire.fscc_file import (
    DispositionFlags,
    FileAllocationInformation,
    FileAttributes,
    FileBasicInformation,
    FileDispositionInformation,
    FileDispositionInformationEx,
    FileEndOfFileInformation,
    FileInformationClass,
    FileLinkInformation,
    FileModeInformation,
    FilePipeInformation,
    FilePositionInformation,
    FileRenameInformation,
    FileRenameInformationEx,
    FileValidDataLengthInformation,
    RenameFlags,
)
from paraph.wire.fscc_list import FileFullEaInformation
from paraph.wire.fscc_volume import FsInformationClass
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, CreateOptions
from paraph.wire.smb2.info import InfoType, SetInfoRequest, SetInfoResponse

if TYPE_CHECKING:
    from paraph.server.request import Request

_LARGEST_SIZE = (1 << 63) - 1
_UNCHANGED = (0, -1, -2)
"""Times that mean: leave it alone ([MS-FSCC] 2.4.7)."""

_KEPT_ON_ROOT = FileAttributes.HIDDEN | FileAttributes.SYSTEM

_DISPOSITION_FLAGS = (
    DispositionFlags.DELETE
    | DispositionFlags.POSIX_SEMANTICS
    | DispositionFlags.FORCE_IMAGE_SECTION_CHECK
    | DispositionFlags.ON_CLOSE
    | DispositionFlags.IGNORE_READONLY_ATTRIBUTE
)
_RENAME_FLAGS = (RenameFlags.FORCE_RESIZE_SOURCE_SR << 1) - 1

_SYNCHRONOUS = CreateOptions.SYNCHRONOUS_IO_ALERT | CreateOptions.SYNCHRONOUS_IO_NONALERT
_SETTABLE_MODE = CreateOptions.WRITE_THROUGH | CreateOptions.SEQUENTIAL_ONLY | _SYNCHRONOUS


async def set_info(request: Request, message: SetInfoRequest) -> bytes:
    """Look up InfoType and apply the buffer."""
    length = len(message.buffer)
    if not 0 < length <= request.connection.max_transact_size:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"BufferLength {length}")
    apply = _INFO_TYPES.get(message.info_type)
    if apply is None:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"InfoType {message.info_type}")
    apply(request, message)
    return SetInfoResponse().encode()


def _set_file(request: Request, message: SetInfoRequest) -> None:
    """3.3.5.21.1."""
    number, opened = message.file_info_class, request.open
    row = _CLASSES.get(number)
    if row is None:
        unsupported = number == FileInformationClass.QUOTA
        status = NTStatus.NOT_SUPPORTED if unsupported else NTStatus.INVALID_INFO_CLASS
        raise NTStatusError(status, f"setting of file information class {number}")
    if row.where != (DISK if opened.pipe is None else PIPE):
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"class {number} of the wrong kind of open")
    if len(message.buffer) < row.minimum:
        raise NTStatusError(NTStatus.INFO_LENGTH_MISMATCH, f"the class needs {row.minimum} bytes")
    opened.require(row.access)
    row.apply(request, memoryview(message.buffer))


def _set_volume(request: Request, message: SetInfoRequest) -> None:
    """3.3.5.21.2. Nothing of a volume can be set over the network, as on Windows (note <423>)."""
    status = _VOLUME_REFUSALS.get(message.file_info_class, NTStatus.INVALID_INFO_CLASS)
    number = message.file_info_class
    raise NTStatusError(status, f"setting of volume information class {number}")


def _set_quota(request: Request, message: SetInfoRequest) -> None:
    """3.3.5.21.4."""
    raise NTStatusError(NTStatus.NOT_SUPPORTED, "there are no quotas")


# Times and attributes


def _basic(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.2. -1 and -2 turn the times' automatic updates off and on for one handle on
    Windows; here the store goes on updating them."""
    opened, wanted = request.open, FileBasicInformation.decode(data)
    handle, attributes = opened.disk(), wanted.file_attributes
    creation, access = wanted.creation_time, wanted.last_access_time
    write, change = wanted.last_write_time, wanted.change_time
    if min(creation, access, write, change) < -2:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "a time before 1601")
    wrong = FileAttributes.TEMPORARY if handle.is_directory else FileAttributes.DIRECTORY
    if attributes & wrong:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"attributes {attributes:#x}")
    settable: int | None = None
    if attributes:
        settable = attributes & SETTABLE
        if not opened.path:
            settable &= ~_KEPT_ON_ROOT
            settable |= handle.info().attributes & _KEPT_ON_ROOT
    times = [None if time in _UNCHANGED else time for time in (creation, access, write, change)]
    if settable is None and not any(times):
        return
    handle.set_basic_info(
        creation_time=times[0],
        last_access_time=times[1],
        last_write_time=times[2],
        change_time=times[3],
        attributes=settable,
    )


# Sizes


def _data_file(opened: Open) -> None:
    if opened.is_directory:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "a directory has no size")


def _resize(change: Callable[[int], None], size: int, unit: int = 1) -> None:
    """`change` to `size` rounded up to `unit`. Raises INVALID_PARAMETER for what no file of the
    store can be as long as."""
    impossible = NTStatusError(NTStatus.INVALID_PARAMETER, f"a size of {size}")
    if not 0 <= size <= _LARGEST_SIZE - unit:
        raise impossible
    try:
        change(size + -size % unit)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise impossible from None
        raise


def _end_of_file(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.5. DISK_FULL comes from the store."""
    opened = request.open
    _data_file(opened)
    _resize(opened.disk().set_end_of_file, FileEndOfFileInformation.decode(data).end_of_file)


def _allocation(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.1: whole clusters, and a file that is longer than that is cut."""
    opened = request.open
    _data_file(opened)
    handle = opened.disk()
    volume = handle.volume()
    cluster = volume.sectors_per_unit * volume.bytes_per_sector
    size = FileAllocationInformation.decode(data).allocation_size
    _resize(handle.set_allocation_size, size, cluster)


def _valid_data_length(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.15. All bytes up to the end of file are valid here (zero until written), so
    there is one length that can be set. It discloses nothing and needs no privilege."""
    opened = request.open
    _data_file(opened)
    length = FileValidDataLengthInformation.decode(data).valid_data_length
    if length != opened.disk().info().end_of_file:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"a valid data length of {length}")


# State of the open


def _position(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.10: kept for queries; READ and WRITE name their offsets."""
    opened = request.open
    offset = FilePositionInformation.decode(data).current_byte_offset
    if offset < 0 or (
        mode(opened) & CreateOptions.NO_INTERMEDIATE_BUFFERING
        and offset % opened.disk().volume().bytes_per_sector
    ):
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"position {offset}")
    opened.position = offset


def _mode(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.8."""
    opened = request.open
    now, wanted = mode(opened), FileModeInformation.decode(data).mode
    synchronous = wanted & _SYNCHRONOUS
    if (
        wanted & ~_SETTABLE_MODE
        or synchronous == _SYNCHRONOUS
        or bool(synchronous) != bool(now & _SYNCHRONOUS)
    ):
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"mode {wanted:#x}")
    changed = _SETTABLE_MODE
    if now & CreateOptions.NO_INTERMEDIATE_BUFFERING:
        changed &= ~CreateOptions.WRITE_THROUGH
    opened.create_options = opened.create_options & ~changed | wanted & changed


def _pipe(request: Request, data: memoryview) -> None:
    """[MS-FSCC] 2.4.37. Pipes are read by message; whether a read may block makes no difference,
    because an answer is there as soon as its request was written."""
    wanted = FilePipeInformation.decode(data)
    if wanted.read_mode != MESSAGE_MODE or wanted.completion_mode > 1:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "pipes are read by message")


# Deletion


def _file(opened: Open) -> File:
    if opened.file is None:
        raise NTStatusError(NTStatus.FILE_CLOSED, "the open is being closed")
    return opened.file


def _disposition(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.3."""
    opened = request.open
    wanted = FileDispositionInformation.decode(data).delete_pending
    if wanted:
        _check_deletable(opened, ignore_readonly=False)
    _set_pending(opened, wanted)


def _disposition_ex(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.4.

    POSIX_SEMANTICS is a wish ("SHOULD" in [MS-FSCC] 2.4.12) that is not granted: the name goes with
    the last handle and not with this one, so nobody else's open loses its name, and volumes do not
    claim FILE_SUPPORTS_POSIX_UNLINK_RENAME. ON_CLOSE is about the handle's own delete-on-close."""
    opened = request.open
    flags = FileDispositionInformationEx.decode(data).flags
    if flags & ~_DISPOSITION_FLAGS:
        raise NTStatusError(NTStatus.NOT_SUPPORTED, f"disposition flags {flags:#x}")
    wanted = bool(flags & DispositionFlags.DELETE)
    on_close = bool(flags & DispositionFlags.ON_CLOSE)
    if on_close and not opened.create_options & CreateOptions.DELETE_ON_CLOSE:
        raise NTStatusError(NTStatus.NOT_SUPPORTED, "not opened to be deleted on close")
    if wanted:
        ignore = bool(flags & DispositionFlags.IGNORE_READONLY_ATTRIBUTE)
        may_ignore = bool(opened.granted_access & AccessMask.FILE_WRITE_ATTRIBUTES)
        _check_deletable(opened, ignore_readonly=ignore and may_ignore)
    if on_close:
        opened.delete_on_close = wanted
    else:
        _set_pending(opened, wanted)


def _set_pending(opened: Open, wanted: bool) -> None:
    if wanted:
        _file(opened).doom(opened.path)
    else:
        _file(opened).delete_pending = False


def _check_deletable(opened: Open, *, ignore_readonly: bool) -> None:
    """Whether the deletion would succeed: at the last close it is too late to say no."""
    handle = opened.disk()
    if not opened.path:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "the root of a share stays")
    if handle.volume().read_only:
        raise NTStatusError(NTStatus.MEDIA_WRITE_PROTECTED, "the store is read-only")
    if not ignore_readonly and handle.info().attributes & FileAttributes.READONLY:
        raise NTStatusError(NTStatus.CANNOT_DELETE, "the file is marked read-only")
    if not handle.maximal_access() & AccessMask.DELETE:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "the store does not let the file be deleted")
    if handle.is_directory and not handle.is_empty():
        raise NTStatusError(NTStatus.DIRECTORY_NOT_EMPTY, "the directory holds names")


# Names


def _rename(request: Request, data: memoryview) -> None:
    wanted = FileRenameInformation.decode(data)
    target = _target(wanted.file_name, wanted.root_directory)
    _rename_to(request, target, replace=wanted.replace_if_exists)


def _rename_ex(request: Request, data: memoryview) -> None:
    """[MS-FSCC] 2.4.43. The flags beside REPLACE_IF_EXISTS are wishes that are not granted: a
    target that is open or read-only is refused as in a plain rename."""
    wanted = FileRenameInformationEx.decode(data)
    if wanted.flags & ~_RENAME_FLAGS:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"rename flags {wanted.flags:#x}")
    target = _target(wanted.file_name, wanted.root_directory)
    _rename_to(request, target, replace=bool(wanted.flags & RenameFlags.REPLACE_IF_EXISTS))


def _target(name: str, root_directory: int) -> str:
    """The path that a new name means; it counts from the root of the share."""
    if not name or root_directory:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "a rename without name, or relative to one")
    if name.startswith(":"):
        raise NTStatusError(NTStatus.NOT_SUPPORTED, "named streams are not built")
    target = names.parse(name)
    if not target:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "the root of the share as a new name")
    return target


def _rename_to(request: Request, target: str, *, replace: bool) -> None:
    """[MS-FSA] 2.1.5.15.12. Raises NTStatusError ACCESS_DENIED for the root, a file that is being
    deleted and a directory with open files in it; otherwise as `_check_target` and the store."""
    opened = request.open
    handle, file, old = opened.disk(), _file(opened), opened.path
    files = request.connection.server.files
    if not old or file.delete_pending:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "the root, or a file that is being deleted")
    if handle.is_directory and any(True for _ in files.below(file.backend, old)):
        raise NTStatusError(NTStatus.ACCESS_DENIED, "files in the directory are open")
    if target == old:
        return
    _check_target(request, target, replace=replace)
    handle.rename(target, replace=replace)
    files.moved(file.backend, old, handle.path)


def _check_target(request: Request, target: str, *, replace: bool) -> bool:
    """Whether `target` is another name of this very file; if it names another one, that must be
    replaceable and not open, which only the server knows.

    Raises NTStatusError OBJECT_NAME_COLLISION, ACCESS_DENIED, DELETE_PENDING."""
    opened = request.open
    backend = _file(opened).backend
    try:
        there = backend.open(target)
    except NTStatusError as error:
        if error.status == NTStatus.OBJECT_NAME_NOT_FOUND:
            return False
        raise
    try:
        if there.key == opened.disk().key:
            return True
        if not replace:
            raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION, "the new name exists")
        if there.is_directory or there.info().attributes & FileAttributes.READONLY:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "a directory or read-only file stays")
        file = request.connection.server.files.find(backend, there.key)
        if file is not None:
            pending = file.delete_pending
            status = NTStatus.DELETE_PENDING if pending else NTStatus.ACCESS_DENIED
            raise NTStatusError(status, "the file that has the new name is open")
    finally:
        there.close()
    return False


def _link(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.7. It needs no right to this file, but one to add to a directory. Unlike a
    rename's, the name may begin with a backslash, as that of smbclient does."""
    opened = request.open
    wanted = FileLinkInformation.decode(data)
    target = _target(wanted.file_name.removeprefix("\\"), wanted.root_directory)
    if opened.is_directory:
        raise NTStatusError(NTStatus.FILE_IS_A_DIRECTORY, "no hard links to directories")
    if not opened.tree.maximal_access & AccessMask.FILE_ADD_FILE:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "the share is read-only")
    if _file(opened).delete_pending:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "the file is being deleted")
    same = _check_target(request, target, replace=wanted.replace_if_exists)
    if same and not wanted.replace_if_exists:
        raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION, "the file has this name already")
    opened.disk().link(target, replace=wanted.replace_if_exists)


# What is not stored


def _full_ea(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.6."""
    try:
        FileFullEaInformation.decode_list(data)
    except DecodeError as error:
        raise NTStatusError(NTStatus.EA_LIST_INCONSISTENT, str(error)) from None
    raise NTStatusError(NTStatus.EAS_NOT_SUPPORTED, "extended attributes are not stored")


def _short_name(request: Request, data: memoryview) -> None:
    """[MS-FSA] 2.1.5.15.14."""
    raise NTStatusError(NTStatus.SHORT_NAMES_NOT_ENABLED_ON_VOLUME, "there are no short names")


@dataclass(frozen=True, slots=True)
class _Row:
    """How one class is set: `minimum` bytes of buffer, `access` that must have been granted,
    `apply(request, buffer)`; `where` is DISK or PIPE."""

    minimum: int
    access: int
    apply: Callable[[Request, memoryview], None]
    where: int = DISK


_CLASSES: dict[int, _Row] = {
    FileInformationClass.BASIC: _Row(40, AccessMask.FILE_WRITE_ATTRIBUTES, _basic),
    FileInformationClass.RENAME: _Row(24, AccessMask.DELETE, _rename),
    FileInformationClass.LINK: _Row(20, 0, _link),
    FileInformationClass.DISPOSITION: _Row(1, AccessMask.DELETE, _disposition),
    FileInformationClass.POSITION: _Row(8, 0, _position),
    FileInformationClass.FULL_EA: _Row(1, AccessMask.FILE_WRITE_EA, _full_ea),
    FileInformationClass.MODE: _Row(4, 0, _mode),
    FileInformationClass.ALLOCATION: _Row(8, AccessMask.FILE_WRITE_DATA, _allocation),
    FileInformationClass.END_OF_FILE: _Row(8, AccessMask.FILE_WRITE_DATA, _end_of_file),
    FileInformationClass.PIPE: _Row(8, AccessMask.FILE_WRITE_ATTRIBUTES, _pipe, PIPE),
    FileInformationClass.VALID_DATA_LENGTH: _Row(8, AccessMask.FILE_WRITE_DATA, _valid_data_length),
    FileInformationClass.SHORT_NAME: _Row(4, AccessMask.DELETE, _short_name),
    FileInformationClass.DISPOSITION_EX: _Row(4, AccessMask.DELETE, _disposition_ex),
    FileInformationClass.RENAME_EX: _Row(24, AccessMask.DELETE, _rename_ex),
}
"""The classes that can be set, with the sizes of [MS-FSCC] 2.4."""

_VOLUME_REFUSALS = {
    FsInformationClass.CONTROL: NTStatus.ACCESS_DENIED,
    FsInformationClass.OBJECT_ID: NTStatus.ACCESS_DENIED,
    FsInformationClass.LABEL: NTStatus.NOT_SUPPORTED,
    FsInformationClass.DRIVER_PATH: NTStatus.NOT_SUPPORTED,
    FsInformationClass.VOLUME_FLAGS: NTStatus.NOT_SUPPORTED,
}

_INFO_TYPES: dict[int, Callable[[Request, SetInfoRequest], None]] = {
    InfoType.FILE: _set_file,
    InfoType.FILESYSTEM: _set_volume,
    InfoType.SECURITY: set_security,
    InfoType.QUOTA: _set_quota,
}
