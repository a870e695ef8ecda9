"""Operations on names: what there is, making it, moving it, taking it away.

Every function here is a generator that `Operation` runs; see `steps`. Where two or three requests
belong together they are one compound: one round trip.
"""

from __future__ import annotations

from typing import TypeVar

from paraph.client import requests
from paraph.client.errors import smb_error
from paraph.client.listing import folder_entries
from paraph.client.names import wire_name
from paraph.client.records import DiskUsage, FileStat
from paraph.client.steps import Compound, Request, Steps
from paraph.client.tree import Handle, Tree
from paraph.errors import SMBError
from paraph.wire.dtyp import SecurityDescriptor
from paraph.wire.filetime import filetime_from_ns
from paraph.wire.fscc_file import (
    FileAttributes,
    FileBasicInformation,
    FileDispositionInformation,
    FileInformationClass,
    FileRenameInformation,
)
from paraph.wire.fscc_volume import FileFsFullSizeInformation, FsInformationClass
from paraph.wire.fsctl import SYMLINK_FLAG_RELATIVE, Fsctl, SymbolicLinkReparse
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import (
    AccessMask,
    CreateContext,
    CreateDisposition,
    CreateOptions,
    CreateResponse,
    find_context,
)
from paraph.wire.smb2.create_contexts import ContextName, OnDiskIdResponse
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.info import InfoType, SecurityInformation
from paraph.wire.smb2.simple import EchoRequest

T = TypeVar("T")

_DIRECTORY = CreateOptions.DIRECTORY_FILE
_NOT_DIRECTORY = CreateOptions.NON_DIRECTORY_FILE
_ITSELF = CreateOptions.OPEN_REPARSE_POINT
_READ_ATTRIBUTES = AccessMask.FILE_READ_ATTRIBUTES
_WRITE_ATTRIBUTES = AccessMask.FILE_WRITE_ATTRIBUTES
_LARGEST_DESCRIPTOR = 1 << 16
_LARGEST_REPARSE = 16 << 10


def open_handle(tree: Tree, request: Request) -> Steps[Handle]:
    """CREATE, as a handle that has to be closed."""
    opened: CreateResponse = yield request
    file_id = (opened.persistent_id, opened.volatile_id)
    return Handle(tree, file_id, request.path or "", opened.end_of_file, opened.file_attributes)


def using(handle: Handle, steps: Steps[T]) -> Steps[T]:
    """`steps`, then CLOSE. When they fail, or are cancelled, CLOSE goes out all the same."""
    try:
        result = yield from steps
    except BaseException:
        handle.discard()
        raise
    yield requests.close_handle(handle)
    return result


def close(handle: Handle) -> Steps[None]:
    """Close a handle; again is no error."""
    if not handle.closed:
        yield requests.close_handle(handle)


def stat(tree: Tree, path: object) -> Steps[FileStat]:
    """The status of a file or folder: one round trip."""
    answers = yield Compound(
        [
            requests.create(tree, path, _READ_ATTRIBUTES, contexts=_ASK_FILE_ID),
            requests.close(tree),
        ]
    )
    return _stat_of(answers[0])


_ASK_FILE_ID = (CreateContext(ContextName.QUERY_ON_DISK_ID),)


def _stat_of(opened: CreateResponse) -> FileStat:
    data = find_context(opened.create_contexts, ContextName.QUERY_ON_DISK_ID)
    where = OnDiskIdResponse.decode(data) if data is not None else OnDiskIdResponse()
    found = FileStat.of_times(
        opened.creation_time,
        opened.last_access_time,
        opened.last_write_time,
        opened.change_time,
        opened.allocation_size,
        opened.end_of_file,
        opened.file_attributes,
    )
    return FileStat(
        found.st_size,
        found.st_mtime_ns,
        found.st_atime_ns,
        found.st_ctime_ns,
        found.st_birthtime_ns,
        found.st_file_attributes,
        where.disk_file_id,
        where.volume_id,
        found.st_allocated,
    )


def exists(tree: Tree, path: object) -> Steps[bool]:
    """Whether there is anything of that name."""
    return (yield from _stat_or_none(tree, path)) is not None


def is_dir(tree: Tree, path: object) -> Steps[bool]:
    """Whether it is a folder; False also when there is nothing."""
    found = yield from _stat_or_none(tree, path)
    return found is not None and found.is_dir()


def is_file(tree: Tree, path: object) -> Steps[bool]:
    """Whether it is a file; False also when there is nothing."""
    found = yield from _stat_or_none(tree, path)
    return found is not None and found.is_file()


def _stat_or_none(tree: Tree, path: object) -> Steps[FileStat | None]:
    try:
        return (yield from stat(tree, path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def mkdir(tree: Tree, path: object, *, exist_ok: bool = False) -> Steps[None]:
    """Make a folder. Raises FileExistsError, unless `exist_ok` and it is a folder."""
    try:
        yield _make_directory(tree, path)
    except FileExistsError:
        if not exist_ok or not (yield from is_dir(tree, path)):
            raise


def _make_directory(tree: Tree, path: object) -> Compound:
    options = _DIRECTORY
    create = requests.create(tree, path, _READ_ATTRIBUTES, CreateDisposition.CREATE, options)
    return Compound([create, requests.close(tree)])


def makedirs(tree: Tree, path: object, *, exist_ok: bool = False) -> Steps[None]:
    """Make a folder and those above it that lack."""
    try:
        yield from mkdir(tree, path, exist_ok=exist_ok)
    except FileNotFoundError:
        above = _parent(path)
        if above is None:
            raise
        yield from makedirs(tree, above, exist_ok=True)
        yield from mkdir(tree, path, exist_ok=exist_ok)


def _parent(path: object) -> str | None:
    """The folder above, relative to where paths begin; None when that is the share itself."""
    above, separator, _ = wire_name(path).rpartition("\\")
    return above if separator else None


def remove(tree: Tree, path: object) -> Steps[None]:
    """Delete a file (or a link itself): one round trip."""
    yield from _delete(tree, path, _NOT_DIRECTORY)


def rmdir(tree: Tree, path: object) -> Steps[None]:
    """Delete an empty folder: one round trip."""
    yield from _delete(tree, path, _DIRECTORY)


def _delete(tree: Tree, path: object, options: int) -> Steps[None]:
    """Mark for deletion and close. Not DELETE_ON_CLOSE, which could not say that a folder is not
    empty."""
    name = str(path)
    if not tree.wire(path):
        raise smb_error(NTStatus.CANNOT_DELETE, name)
    disposition = FileDispositionInformation(True).encode()
    change = requests.set_info(tree, FileInformationClass.DISPOSITION, disposition, path=name)
    yield _open_set_close(tree, path, AccessMask.DELETE, change, options | _ITSELF)


def _open_set_close(
    tree: Tree, path: object, access: int, change: Request, options: int = 0
) -> Compound:
    return Compound(
        [
            requests.create(tree, path, access, options=options),
            change,
            requests.close(tree, path=str(path)),
        ]
    )


def rmtree(tree: Tree, path: object, *, ignore_missing: bool = False) -> Steps[None]:
    """Delete a folder with all that is in it. Links are deleted, not followed."""
    try:
        entries = yield from folder_entries(tree, path)
    except FileNotFoundError:
        if ignore_missing:
            return
        raise
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from rmtree(tree, entry.path)
        elif entry.is_dir():
            yield from rmdir(tree, entry.path)
        else:
            yield from remove(tree, entry.path)
    yield from rmdir(tree, path)


def rename(tree: Tree, source: object, target: object) -> Steps[None]:
    """Rename within the share. Raises FileExistsError when `target` exists: one round trip."""
    yield from _rename(tree, source, target, replace=False)


def replace(tree: Tree, source: object, target: object) -> Steps[None]:
    """Rename within the share; a file that has the name already is replaced: one round trip."""
    yield from _rename(tree, source, target, replace=True)


def _rename(tree: Tree, source: object, target: object, *, replace: bool) -> Steps[None]:
    name = str(source)
    information = FileRenameInformation(replace, tree.wire(target)).encode()
    change = requests.set_info(tree, FileInformationClass.RENAME, information, path=name)
    access = AccessMask.DELETE | _READ_ATTRIBUTES
    yield _open_set_close(tree, source, access, change, _ITSELF)


def set_times(
    tree: Tree,
    path: object,
    *,
    modified_ns: int | None = None,
    accessed_ns: int | None = None,
    created_ns: int | None = None,
) -> Steps[None]:
    """Set times, in nanoseconds since 1970; what is None stays. One round trip."""
    yield from _set_basic(tree, path, created_ns, accessed_ns, modified_ns, 0)


def attributes(tree: Tree, path: object) -> Steps[int]:
    """FILE_ATTRIBUTE_*, [MS-FSCC] 2.6."""
    return (yield from stat(tree, path)).st_file_attributes


def set_attributes(tree: Tree, path: object, attributes: int) -> Steps[None]:
    """Set FILE_ATTRIBUTE_READONLY, HIDDEN, SYSTEM, ARCHIVE and so on: one round trip."""
    wanted = attributes & ~FileAttributes.DIRECTORY or FileAttributes.NORMAL
    yield from _set_basic(tree, path, None, None, None, wanted)


def _set_basic(
    tree: Tree,
    path: object,
    created: int | None,
    accessed: int | None,
    modified: int | None,
    attributes: int,
) -> Steps[None]:
    times = [0 if ns is None else filetime_from_ns(ns) for ns in (created, accessed, modified)]
    information = FileBasicInformation(times[0], times[1], times[2], 0, attributes).encode()
    change = requests.set_info(tree, FileInformationClass.BASIC, information, path=str(path))
    yield _open_set_close(tree, path, _WRITE_ATTRIBUTES, change)


def disk_usage(tree: Tree, path: object = "") -> Steps[DiskUsage]:
    """Bytes of the volume that `path` is on: one round trip."""
    answers = yield Compound(
        [
            requests.create(tree, path, _READ_ATTRIBUTES),
            requests.query_info(
                tree,
                FsInformationClass.FULL_SIZE,
                FileFsFullSizeInformation.decode,
                info_type=InfoType.FILESYSTEM,
                path=str(path),
            ),
            requests.close(tree),
        ]
    )
    sizes: FileFsFullSizeInformation = answers[1]
    unit = sizes.sectors_per_allocation_unit * sizes.bytes_per_sector
    total = sizes.total_allocation_units * unit
    used = total - sizes.actual_available_allocation_units * unit
    return DiskUsage(total, used, sizes.caller_available_allocation_units * unit)


def security(
    tree: Tree,
    path: object,
    information: int = SecurityInformation.OWNER
    | SecurityInformation.GROUP
    | SecurityInformation.DACL,
) -> Steps[SecurityDescriptor]:
    """The security descriptor: owner, group and access control list. One round trip."""
    access = AccessMask.READ_CONTROL
    if information & SecurityInformation.SACL:
        access |= AccessMask.ACCESS_SYSTEM_SECURITY
    answers = yield Compound(
        [
            requests.create(tree, path, access),
            requests.query_info(
                tree,
                0,
                SecurityDescriptor.decode,
                info_type=InfoType.SECURITY,
                room=_LARGEST_DESCRIPTOR,
                additional=information,
                path=str(path),
            ),
            requests.close(tree),
        ]
    )
    descriptor: SecurityDescriptor = answers[1]
    return descriptor


def set_security(
    tree: Tree,
    path: object,
    descriptor: SecurityDescriptor,
    information: int = SecurityInformation.DACL,
) -> Steps[None]:
    """Write the parts of a security descriptor that `information` names: one round trip."""
    access = 0
    if information & (SecurityInformation.OWNER | SecurityInformation.GROUP):
        access |= AccessMask.WRITE_OWNER
    if information & SecurityInformation.DACL:
        access |= AccessMask.WRITE_DAC
    if information & SecurityInformation.SACL:
        access |= AccessMask.ACCESS_SYSTEM_SECURITY
    change = requests.set_info(
        tree,
        0,
        descriptor.encode(information),
        info_type=InfoType.SECURITY,
        additional=information,
        path=str(path),
    )
    yield _open_set_close(tree, path, access, change)


def readlink(tree: Tree, path: object) -> Steps[str]:
    """What a symbolic link says, with slashes. Raises OSError (EINVAL) when it is no link, or the
    server has none."""
    name = str(path)
    answers = yield Compound(
        [
            requests.create(tree, path, _READ_ATTRIBUTES, options=_ITSELF),
            requests.ioctl(tree, Fsctl.GET_REPARSE_POINT, room=_LARGEST_REPARSE, path=name),
            requests.close(tree),
        ]
    )
    link = SymbolicLinkReparse.decode(memoryview(answers[1]))
    return (link.print_name or link.substitute_name).replace("\\", "/")


def symlink(
    tree: Tree, target: str, path: object, *, target_is_directory: bool = False
) -> Steps[None]:
    """Make `path` a symbolic link to `target`, as seen from the folder that it is in. Raises
    OSError (EOPNOTSUPP, or EACCES where links are a privilege) and leaves nothing behind when the
    server can not."""
    name = str(path)
    wire_target = target.replace("/", "\\")
    flags = 0 if wire_target.startswith("\\") else SYMLINK_FLAG_RELATIVE
    data = SymbolicLinkReparse(wire_target, wire_target, flags).encode()
    options = _ITSELF | (_DIRECTORY if target_is_directory else _NOT_DIRECTORY)
    access = AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.FILE_WRITE_DATA | AccessMask.DELETE
    handle = yield from open_handle(
        tree, requests.create(tree, path, access, CreateDisposition.CREATE, options)
    )
    yield from using(handle, _become_link(handle, data, name))


def _become_link(handle: Handle, data: bytes, name: str) -> Steps[None]:
    tree, file_id = handle.tree, handle.file_id
    try:
        yield requests.ioctl(tree, Fsctl.SET_REPARSE_POINT, data, file_id=file_id, path=name)
    except SMBError:
        gone = FileDispositionInformation(True).encode()
        yield requests.set_info(tree, FileInformationClass.DISPOSITION, gone, file_id=file_id)
        raise


def echo(tree: Tree) -> Steps[None]:
    """Whether the server is still there: raises SMBError if not."""
    yield Request(Command.ECHO, EchoRequest().encode())
