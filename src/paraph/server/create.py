"""CREATE, [MS-SMB2] 3.3.5.9 with the open of [MS-FSA] 2.1.5.1: names become opens here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.errors import NTStatusError
from paraph.rpc.pipe import open_pipe
from paraph.server.create_contexts import Contexts, parse_contexts, response_contexts
from paraph.server.open import Open
from paraph.storage import names
from paraph.storage.base import Backend, FileInfo, Handle
from paraph.wire.fscc_file import FileAttributes
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import (
    AccessMask,
    CreateAction,
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)

if TYPE_CHECKING:
    from paraph.server.request import Request

_GENERIC = (
    (AccessMask.GENERIC_ALL, 0x001F01FF),
    (AccessMask.GENERIC_EXECUTE, 0x001200A0),
    (AccessMask.GENERIC_WRITE, 0x00120116),
    (AccessMask.GENERIC_READ, 0x00120089),
)
"""Generic rights of a file, [MS-SMB2] 2.2.13.1.1 and [MS-DTYP] 2.4.3."""

_VALID_ACCESS = 0xF31F01FF
_READING = AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE
_WRITING = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA
_OVERWRITES = (
    CreateDisposition.OVERWRITE,
    CreateDisposition.OVERWRITE_IF,
    CreateDisposition.SUPERSEDE,
)
_CREATES = (
    CreateDisposition.CREATE,
    CreateDisposition.OPEN_IF,
    CreateDisposition.OVERWRITE_IF,
    CreateDisposition.SUPERSEDE,
)
_SETTABLE = (
    FileAttributes.READONLY
    | FileAttributes.HIDDEN
    | FileAttributes.SYSTEM
    | FileAttributes.ARCHIVE
    | FileAttributes.TEMPORARY
    | FileAttributes.OFFLINE
    | FileAttributes.NOT_CONTENT_INDEXED
)
_KNOWN_ATTRIBUTES = 0x00007FFF
_KNOWN_OPTIONS = 0x00FFFFFF
_DIRECTORY_OPTIONS = (
    CreateOptions.DIRECTORY_FILE
    | CreateOptions.SYNCHRONOUS_IO_ALERT
    | CreateOptions.SYNCHRONOUS_IO_NONALERT
    | CreateOptions.WRITE_THROUGH
    | CreateOptions.OPEN_REMOTE_INSTANCE
    | CreateOptions.COMPLETE_IF_OPLOCKED
    | CreateOptions.OPEN_FOR_BACKUP_INTENT
    | CreateOptions.DELETE_ON_CLOSE
    | CreateOptions.OPEN_FOR_FREE_SPACE_QUERY
    | CreateOptions.NO_COMPRESSION
    | CreateOptions.OPEN_REPARSE_POINT
    | CreateOptions.OPEN_REQUIRING_OPLOCK
)
"""What may stand beside DIRECTORY_FILE, [MS-FSA] 2.1.5.1 phase 1."""
_ATTEMPTS = 8
"""How often a name may appear or vanish under our hands before we give up."""


async def create(request: Request, message: CreateRequest) -> bytes:
    """Open or create a file, a directory or a named pipe."""
    if message.create_options & CreateOptions.NO_INTERMEDIATE_BUFFERING:
        message.desired_access &= ~AccessMask.FILE_APPEND_DATA
    _check_access(message)
    limit = request.connection.server.settings.limits.opens_per_session
    if len(request.session.opens) >= limit:
        raise NTStatusError(NTStatus.TOO_MANY_OPENED_FILES, "too many opens in this session")
    if request.tree.share is None:
        return _open_pipe(request, message)
    _check_parameters(message)
    contexts = parse_contexts(message.create_contexts)
    path = names.parse(message.name)
    desired = _map_generic(message.desired_access)
    if message.create_options & CreateOptions.DELETE_ON_CLOSE and not desired & (
        AccessMask.DELETE | AccessMask.MAXIMUM_ALLOWED
    ):
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "delete on close without DELETE access")
    opened, action, known = _open_disk(request, message, contexts, path, desired)
    request.connection.server.register_open(opened)
    request.open = opened
    handle = opened.disk()
    try:
        if action != CreateAction.OPENED and contexts.allocation_size and not handle.is_directory:
            handle.set_allocation_size(contexts.allocation_size)
        info = known or handle.info()
        opened.file_attributes = info.attributes
        return _response(opened, action, info, contexts)
    except (NTStatusError, OSError):
        # What failed has not happened: a file that it made goes again.
        opened.delete_on_close |= action == CreateAction.CREATED
        request.connection.server.close_open(opened)
        raise


def _check_access(message: CreateRequest) -> None:
    """[MS-SMB2] 2.2.13 and [MS-FSA] 2.1.5.1, what holds for pipes too."""
    if message.impersonation_level > ImpersonationLevel.DELEGATE:
        raise NTStatusError(NTStatus.BAD_IMPERSONATION_LEVEL, "no such impersonation level")
    if message.desired_access == 0 or message.desired_access & ~_VALID_ACCESS:
        raise NTStatusError(NTStatus.ACCESS_DENIED, f"access mask {message.desired_access:#x}")


def _check_parameters(message: CreateRequest) -> None:
    """[MS-SMB2] 2.2.13 and [MS-FSA] 2.1.5.1, what needs no look at the file."""
    options, disposition = message.create_options, message.create_disposition
    if disposition > CreateDisposition.OVERWRITE_IF:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"create disposition {disposition}")
    if options & ~_KNOWN_OPTIONS or message.share_access & ~(
        ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE
    ):
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "unknown create options or share access")
    if message.file_attributes & ~_KNOWN_ATTRIBUTES:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "unknown file attributes")
    if options & (CreateOptions.OPEN_BY_FILE_ID | CreateOptions.RESERVE_OPFILTER):
        raise NTStatusError(NTStatus.NOT_SUPPORTED, "open by file id is not built")
    if options & CreateOptions.DIRECTORY_FILE:
        if options & CreateOptions.NON_DIRECTORY_FILE:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "both directory and not")
        if disposition in _OVERWRITES or options & ~_DIRECTORY_OPTIONS:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "not for a directory")
    elif options & CreateOptions.NON_DIRECTORY_FILE:
        _check_no_trailing_backslash(message)


def _check_no_trailing_backslash(message: CreateRequest) -> None:
    """[MS-FSA] 2.1.5.1 phases 1 and 7: a name that ends so is a directory's."""
    if message.name.endswith("\\"):
        raise NTStatusError(NTStatus.OBJECT_NAME_INVALID, "a file's name ends in a backslash")


def _map_generic(access: int) -> int:
    """Generic rights replaced by what they mean for a file; ACCESS_SYSTEM_SECURITY is a privilege
    that nobody has here."""
    for generic, specific in _GENERIC:
        if access & generic:
            access = access & ~generic | specific
    if access & AccessMask.ACCESS_SYSTEM_SECURITY:
        raise NTStatusError(NTStatus.PRIVILEGE_NOT_HELD, "access to the SACL")
    return access


def _open_disk(
    request: Request, message: CreateRequest, contexts: Contexts, path: str, desired: int
) -> tuple[Open, int, FileInfo | None]:
    """The open, joined to its file's other opens, the CreateAction, and the metadata if they have
    not changed since they were looked at."""
    if contexts.timewarp:
        raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND, "there are no previous versions")
    if contexts.reconnect:
        raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND, "there are no durable handles")
    tree = request.tree
    backend = tree.disk_share().backend
    disposition = message.create_disposition
    # What must be new is not looked for first; what is in its way then says what the error is.
    writable = bool(tree.maximal_access & AccessMask.FILE_WRITE_DATA)
    new = disposition == CreateDisposition.CREATE and writable
    for _ in range(_ATTEMPTS):
        if not new:
            try:
                return _open_existing(request, message, contexts, backend, path, desired)
            except NTStatusError as error:
                if error.status != NTStatus.OBJECT_NAME_NOT_FOUND or disposition not in _CREATES:
                    raise
        try:
            return *_create_new(request, message, contexts, backend, path, desired), None
        except NTStatusError as error:
            if error.status != NTStatus.OBJECT_NAME_COLLISION:
                raise
        new = False
    raise NTStatusError(NTStatus.SHARING_VIOLATION, "the name comes and goes")


def _check_extended_attributes(contexts: Contexts) -> None:
    """3.3.5.9.1: of no interest where an existing file is just opened."""
    if contexts.extended_attributes:
        raise NTStatusError(NTStatus.EAS_NOT_SUPPORTED, "extended attributes are not built yet")


def _open_existing(
    request: Request,
    message: CreateRequest,
    contexts: Contexts,
    backend: Backend,
    path: str,
    desired: int,
) -> tuple[Open, int, FileInfo | None]:
    """[MS-FSA] 2.1.5.1.2. Nothing is changed before every check has passed."""
    tree = request.tree
    if message.create_disposition == CreateDisposition.CREATE:
        # Only to see what is in the way: that its data may not be opened is not the answer.
        granted, reading, writing = desired, False, False
    elif desired & AccessMask.MAXIMUM_ALLOWED:
        granted, reading, writing = _maximum(request, backend, path, desired)
    else:
        granted, reading, writing = desired, bool(desired & _READING), bool(desired & _WRITING)
    overwrite = message.create_disposition in _OVERWRITES
    handle = backend.open(path, read=reading, write=writing or overwrite)
    try:
        info = handle.info()
        _check_kind(message, handle)
        if granted & ~tree.maximal_access:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "the share is read-only")
        _check_readonly(message, info, granted)
        _check_delete_on_close(message, granted)
        # Overwriting takes part in share modes as if WRITE_DATA had been asked for, superseding as
        # DELETE ([MS-FSA] 2.1.5.1.2).
        wanted = granted
        if overwrite:
            supersede = message.create_disposition == CreateDisposition.SUPERSEDE
            wanted |= AccessMask.DELETE if supersede else AccessMask.FILE_WRITE_DATA
            _check_overwrite(tree.maximal_access, message, info)
            _check_extended_attributes(contexts)
        files = request.connection.server.files
        if not tree.maximal_access & AccessMask.FILE_WRITE_DATA:
            # Who may not write can not lock readers out ([MS-FSA] 2.1.5.1.2.2).
            message.share_access |= ShareAccess.READ
        files.check(files.find(backend, handle.key), wanted, message.share_access)
        if overwrite:
            _overwrite(handle, message, info)
        opened = _new_open(request, message, handle, granted)
        files.add(backend, opened)
    except BaseException:
        handle.close()
        raise
    if not overwrite:
        return opened, CreateAction.OPENED, info
    superseded = message.create_disposition == CreateDisposition.SUPERSEDE
    return opened, CreateAction.SUPERSEDED if superseded else CreateAction.OVERWRITTEN, None


def _maximum(request: Request, backend: Backend, path: str, desired: int) -> tuple[int, bool, bool]:
    """MAXIMUM_ALLOWED: everything that the store, the share and the attributes permit."""
    probe = backend.open(path)
    try:
        maximal = probe.maximal_access() & request.tree.maximal_access
        if probe.info().attributes & FileAttributes.READONLY and not probe.is_directory:
            maximal &= ~(_WRITING | AccessMask.FILE_DELETE_CHILD)
    finally:
        probe.close()
    granted = maximal | desired & ~AccessMask.MAXIMUM_ALLOWED
    return granted, bool(granted & _READING), bool(granted & _WRITING)


def _check_kind(message: CreateRequest, handle: Handle) -> None:
    """Directory or not, as asked for ([MS-FSA] 2.1.5.1 phase 7); and names that exist and must
    not, which holds for directories that would be overwritten (2.1.5.1.2)."""
    options, disposition = message.create_options, message.create_disposition
    if handle.is_directory:
        if options & CreateOptions.NON_DIRECTORY_FILE:
            raise NTStatusError(NTStatus.FILE_IS_A_DIRECTORY, "it is a directory")
        if disposition in _OVERWRITES:
            raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION, "it is a directory")
    if disposition == CreateDisposition.CREATE:
        raise NTStatusError(NTStatus.OBJECT_NAME_COLLISION, "the name exists")
    if not handle.is_directory:
        if options & CreateOptions.DIRECTORY_FILE:
            raise NTStatusError(NTStatus.NOT_A_DIRECTORY, "it is no directory")
        _check_no_trailing_backslash(message)


def _check_readonly(message: CreateRequest, info: FileInfo, granted: int) -> None:
    """FILE_ATTRIBUTE_READONLY ([MS-FSA] 2.1.5.1.2.1); on a directory it protects nothing."""
    if not info.attributes & FileAttributes.READONLY:
        return
    if not info.is_directory and granted & _WRITING:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "the file is marked read-only")
    if message.create_options & CreateOptions.DELETE_ON_CLOSE:
        raise NTStatusError(NTStatus.CANNOT_DELETE, "the file is marked read-only")


def _check_delete_on_close(message: CreateRequest, granted: int) -> None:
    """3.3.5.9: what MAXIMUM_ALLOWED came to need not be enough for it."""
    if message.create_options & CreateOptions.DELETE_ON_CLOSE and not granted & AccessMask.DELETE:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "delete on close, and DELETE is not granted")


def _check_overwrite(maximal: int, message: CreateRequest, info: FileInfo) -> None:
    """[MS-FSA] 2.1.5.1.2: hidden and system files are only overwritten by who names these
    attributes, read-only ones never."""
    if not maximal & AccessMask.FILE_WRITE_DATA or info.attributes & FileAttributes.READONLY:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "the file or the share is read-only")
    for bit in (FileAttributes.HIDDEN, FileAttributes.SYSTEM):
        if info.attributes & bit and not message.file_attributes & bit:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "a hidden or system file")


def _overwrite(handle: Handle, message: CreateRequest, info: FileInfo) -> None:
    """Empty the file; its attributes become those of the request."""
    handle.set_end_of_file(0)
    attributes = message.file_attributes & _SETTABLE & ~FileAttributes.NOT_CONTENT_INDEXED
    attributes |= FileAttributes.ARCHIVE
    if attributes != info.attributes & _SETTABLE:
        handle.set_basic_info(attributes=attributes)


def _create_new(
    request: Request,
    message: CreateRequest,
    contexts: Contexts,
    backend: Backend,
    path: str,
    desired: int,
) -> tuple[Open, int]:
    """[MS-FSA] 2.1.5.1.1."""
    tree = request.tree
    _check_extended_attributes(contexts)
    granted = desired
    if desired & AccessMask.MAXIMUM_ALLOWED:
        granted = desired & ~AccessMask.MAXIMUM_ALLOWED | tree.maximal_access
    if not tree.maximal_access & AccessMask.FILE_WRITE_DATA or granted & ~tree.maximal_access:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "the share is read-only")
    directory = bool(message.create_options & CreateOptions.DIRECTORY_FILE)
    attributes = message.file_attributes & _SETTABLE
    if directory:
        if attributes & FileAttributes.TEMPORARY:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "a temporary directory")
    else:
        _check_no_trailing_backslash(message)
        attributes |= FileAttributes.ARCHIVE
    if attributes & FileAttributes.READONLY and (
        message.create_options & CreateOptions.DELETE_ON_CLOSE
    ):
        raise NTStatusError(NTStatus.CANNOT_DELETE, "a read-only file to delete on close")
    _check_delete_on_close(message, granted)
    handle = backend.create(path, directory=directory, attributes=attributes)
    try:
        opened = _new_open(request, message, handle, granted)
        request.connection.server.files.add(backend, opened)
    except BaseException:
        handle.close()
        raise
    return opened, CreateAction.CREATED


def _new_open(request: Request, message: CreateRequest, handle: Handle, granted: int) -> Open:
    opened = Open(
        request.session,
        request.tree,
        path=handle.path,
        granted_access=granted,
        share_access=message.share_access,
        create_options=message.create_options,
        handle=handle,
    )
    if message.create_options & CreateOptions.DELETE_ON_CLOSE:
        if not handle.path:
            raise NTStatusError(NTStatus.ACCESS_DENIED, "the root of a share stays")
        opened.delete_on_close = True
    return opened


def _open_pipe(request: Request, message: CreateRequest) -> bytes:
    """A named pipe of IPC$: the services of `paraph.rpc` ([MS-FSA] 2.1.5.2)."""
    if message.impersonation_level == ImpersonationLevel.DELEGATE:
        raise NTStatusError(NTStatus.BAD_IMPERSONATION_LEVEL, "delegation to a named pipe")
    if request.session.is_anonymous:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "no pipe is open to anonymous users")
    server = request.connection.server
    name = message.name.lstrip("\\")
    pipe = open_pipe(name, server.environment(request.session))
    opened = Open(
        request.session,
        request.tree,
        path=name,
        granted_access=_map_generic(message.desired_access) & 0x001F01FF,
        share_access=message.share_access,
        pipe=pipe,
    )
    if message.desired_access & AccessMask.MAXIMUM_ALLOWED:
        opened.granted_access = 0x001F01FF
    server.register_open(opened)
    request.open = opened
    return CreateResponse(
        oplock_level=OplockLevel.NONE,
        create_action=CreateAction.OPENED,
        allocation_size=4096,
        file_attributes=FileAttributes.NORMAL,
        persistent_id=opened.durable_id,
        volatile_id=opened.file_id,
    ).encode()


def _response(opened: Open, action: int, info: FileInfo, contexts: Contexts) -> bytes:
    return CreateResponse(
        oplock_level=OplockLevel.NONE,
        create_action=action,
        creation_time=info.creation_time,
        last_access_time=info.last_access_time,
        last_write_time=info.last_write_time,
        change_time=info.change_time,
        allocation_size=info.allocation_size,
        end_of_file=info.end_of_file,
        file_attributes=info.attributes,
        persistent_id=opened.durable_id,
        volatile_id=opened.file_id,
        create_contexts=response_contexts(opened, info, contexts),
    ).encode()
