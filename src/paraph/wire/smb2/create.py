"""CREATE, [MS-SMB2] 2.2.13 and 2.2.14. What the create contexts hold is in `create_contexts`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from paraph.errors import DecodeError
from paraph.wire.record import HEADER_SIZE, fixed, unpack, window
from paraph.wire.text import decode_utf16, encode_utf16


class OplockLevel:
    """[MS-SMB2] 2.2.13 and 2.2.14."""

    NONE = 0x00
    II = 0x01
    EXCLUSIVE = 0x08
    BATCH = 0x09
    LEASE = 0xFF


class ImpersonationLevel:
    """[MS-SMB2] 2.2.13."""

    ANONYMOUS = 0x00000000
    IDENTIFICATION = 0x00000001
    IMPERSONATION = 0x00000002
    DELEGATE = 0x00000003


class AccessMask:
    """[MS-SMB2] 2.2.13.1.1 (file, pipe, printer) and 2.2.13.1.2 (directory)."""

    FILE_READ_DATA = 0x00000001
    FILE_LIST_DIRECTORY = 0x00000001
    FILE_WRITE_DATA = 0x00000002
    FILE_ADD_FILE = 0x00000002
    FILE_APPEND_DATA = 0x00000004
    FILE_ADD_SUBDIRECTORY = 0x00000004
    FILE_READ_EA = 0x00000008
    FILE_WRITE_EA = 0x00000010
    FILE_EXECUTE = 0x00000020
    FILE_TRAVERSE = 0x00000020
    FILE_DELETE_CHILD = 0x00000040
    FILE_READ_ATTRIBUTES = 0x00000080
    FILE_WRITE_ATTRIBUTES = 0x00000100
    DELETE = 0x00010000
    READ_CONTROL = 0x00020000
    WRITE_DAC = 0x00040000
    WRITE_OWNER = 0x00080000
    SYNCHRONIZE = 0x00100000
    ACCESS_SYSTEM_SECURITY = 0x01000000
    MAXIMUM_ALLOWED = 0x02000000
    GENERIC_ALL = 0x10000000
    GENERIC_EXECUTE = 0x20000000
    GENERIC_WRITE = 0x40000000
    GENERIC_READ = 0x80000000

    # what the generic rights stand for, in the tables of the same sections
    FILE_ALL_ACCESS = 0x001F01FF
    FILE_GENERIC_EXECUTE = 0x001200A0
    FILE_GENERIC_WRITE = 0x00120116
    FILE_GENERIC_READ = 0x00120089


class ShareAccess:
    """FILE_SHARE_*, [MS-SMB2] 2.2.13."""

    READ = 0x00000001
    WRITE = 0x00000002
    DELETE = 0x00000004


class CreateDisposition:
    """FILE_SUPERSEDE and so on, [MS-SMB2] 2.2.13."""

    SUPERSEDE = 0x00000000
    OPEN = 0x00000001
    CREATE = 0x00000002
    OPEN_IF = 0x00000003
    OVERWRITE = 0x00000004
    OVERWRITE_IF = 0x00000005


class CreateOptions:
    """FILE_DIRECTORY_FILE and so on, [MS-SMB2] 2.2.13."""

    DIRECTORY_FILE = 0x00000001
    WRITE_THROUGH = 0x00000002
    SEQUENTIAL_ONLY = 0x00000004
    NO_INTERMEDIATE_BUFFERING = 0x00000008
    SYNCHRONOUS_IO_ALERT = 0x00000010
    SYNCHRONOUS_IO_NONALERT = 0x00000020
    NON_DIRECTORY_FILE = 0x00000040
    COMPLETE_IF_OPLOCKED = 0x00000100
    NO_EA_KNOWLEDGE = 0x00000200
    OPEN_REMOTE_INSTANCE = 0x00000400
    RANDOM_ACCESS = 0x00000800
    DELETE_ON_CLOSE = 0x00001000
    OPEN_BY_FILE_ID = 0x00002000
    OPEN_FOR_BACKUP_INTENT = 0x00004000
    NO_COMPRESSION = 0x00008000
    OPEN_REQUIRING_OPLOCK = 0x00010000
    DISALLOW_EXCLUSIVE = 0x00020000
    RESERVE_OPFILTER = 0x00100000
    OPEN_REPARSE_POINT = 0x00200000
    OPEN_NO_RECALL = 0x00400000
    OPEN_FOR_FREE_SPACE_QUERY = 0x00800000


class CreateFlags:
    """Flags of the response, [MS-SMB2] 2.2.14."""

    REPARSEPOINT = 0x01


class CreateAction:
    """FILE_SUPERSEDED and so on, [MS-SMB2] 2.2.14."""

    SUPERSEDED = 0x00000000
    OPENED = 0x00000001
    CREATED = 0x00000002
    OVERWRITTEN = 0x00000003


# Next, NameOffset, NameLength, Reserved, DataOffset, DataLength
_CONTEXT = Struct("<IHH2xHI")
_MAX_CONTEXTS = 64  # 16 names are known; more than this is no client's doing
_SHORTEST_NAME = 4


@dataclass(slots=True)
class CreateContext:
    """SMB2_CREATE_CONTEXT, [MS-SMB2] 2.2.13.2. `name` is one of ContextName (`create_contexts`)."""

    name: bytes
    data: memoryview | bytes = b""


def decode_contexts(blob: memoryview) -> list[CreateContext]:
    """The chain of create contexts in `blob`.

    Raises DecodeError if one of them, or a name or data in it, lies outside, a name has fewer than
    4 bytes, or there are more than 64.
    """
    contexts: list[CreateContext] = []
    while blob:
        following, name_offset, name_length, data_offset, data_length = unpack(
            _CONTEXT, blob, 0, "create context"
        )
        if following:
            if following < _CONTEXT.size or following > len(blob):
                raise DecodeError(f"create context: Next {following} of {len(blob)} bytes")
            this, blob = blob[:following], blob[following:]
        else:
            this, blob = blob, blob[:0]
        if name_length < _SHORTEST_NAME or len(contexts) == _MAX_CONTEXTS:
            raise DecodeError("create context: name too short, or too many contexts")
        name = bytes(window(this, name_offset, name_length, _CONTEXT.size, "context name"))
        data = window(this, data_offset, data_length, name_offset + name_length, "context data")
        contexts.append(CreateContext(name, data))
    return contexts


def encode_contexts(contexts: Iterable[CreateContext]) -> bytes:
    """The chain of create contexts, each at a multiple of 8, the last one not padded."""
    chain = bytearray()
    start = 0
    for context in contexts:
        if chain:
            chain += bytes(-len(chain) % 8)
            chain[start : start + 4] = (len(chain) - start).to_bytes(4, "little")
            start = len(chain)
        name, data = context.name, context.data
        padding = -len(name) % 8 if data else 0
        data_offset = _CONTEXT.size + len(name) + padding if data else 0
        chain += _CONTEXT.pack(0, _CONTEXT.size, len(name), data_offset, len(data))
        chain += name + bytes(padding)
        chain += data
    return bytes(chain)


def find_context(contexts: Iterable[CreateContext], name: bytes) -> memoryview | bytes | None:
    """The data of the first context of that name, or None."""
    for context in contexts:
        if context.name == name:
            return context.data
    return None


# StructureSize, SecurityFlags, RequestedOplockLevel, ImpersonationLevel, SmbCreateFlags, Reserved,
# DesiredAccess, FileAttributes, ShareAccess, CreateDisposition, CreateOptions, NameOffset,
# NameLength, CreateContextsOffset, CreateContextsLength
_REQUEST = Struct("<HxBI16xIIIIIHHII")
_REQUEST_SIZE = 57
_REQUEST_END = HEADER_SIZE + _REQUEST.size
# StructureSize, OplockLevel, Flags, CreateAction, four times, AllocationSize, EndofFile,
# FileAttributes, Reserved2, FileId, CreateContextsOffset, CreateContextsLength
_RESPONSE = Struct("<HBBIQQQQQQI4xQQII")
_RESPONSE_SIZE = 89
_RESPONSE_END = HEADER_SIZE + _RESPONSE.size


@dataclass(slots=True)
class CreateRequest:
    """SMB2 CREATE Request, [MS-SMB2] 2.2.13. `name` is as sent: relative to the share, not yet
    checked, and with a DFS prefix if the header says so. `file_attributes` are of [MS-FSCC] 2.6.
    """

    requested_oplock_level: int = OplockLevel.NONE
    impersonation_level: int = ImpersonationLevel.IMPERSONATION
    desired_access: int = 0
    file_attributes: int = 0
    share_access: int = 0
    create_disposition: int = CreateDisposition.OPEN
    create_options: int = 0
    name: str = ""
    create_contexts: list[CreateContext] = field(default_factory=list)

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong, the name lies outside or has an
        odd length, or the create contexts are malformed."""
        (
            oplock_level,
            impersonation_level,
            desired_access,
            file_attributes,
            share_access,
            disposition,
            options,
            name_offset,
            name_length,
            offset,
            length,
        ) = fixed(_REQUEST, _REQUEST_SIZE, message, "CREATE request")
        name = decode_utf16(window(message, name_offset, name_length, _REQUEST_END, "Name"))
        contexts: list[CreateContext] = []
        if length:
            contexts = decode_contexts(
                window(message, offset, length, _REQUEST_END, "CreateContexts")
            )
        return cls(
            oplock_level,
            impersonation_level,
            desired_access,
            file_attributes,
            share_access,
            disposition,
            options,
            name,
            contexts,
        )

    def encode(self) -> bytes:
        name = encode_utf16(self.name)
        contexts = encode_contexts(self.create_contexts)
        padding = bytes(-len(name) % 8) if contexts else b""
        body = _REQUEST.pack(
            _REQUEST_SIZE,
            self.requested_oplock_level,
            self.impersonation_level,
            self.desired_access,
            self.file_attributes,
            self.share_access,
            self.create_disposition,
            self.create_options,
            _REQUEST_END,
            len(name),
            _REQUEST_END + len(name) + len(padding) if contexts else 0,
            len(contexts),
        )
        # "In the request, the Buffer field MUST be at least one byte in length."
        return b"".join((body, name, padding, contexts)) if name or contexts else body + b"\0"


@dataclass(slots=True)
class CreateResponse:
    """SMB2 CREATE Response, [MS-SMB2] 2.2.14. Times are FILETIMEs, sizes bytes,
    `file_attributes` of [MS-FSCC] 2.6."""

    oplock_level: int = OplockLevel.NONE
    flags: int = 0
    create_action: int = CreateAction.OPENED
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    allocation_size: int = 0
    end_of_file: int = 0
    file_attributes: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    create_contexts: list[CreateContext] = field(default_factory=list)

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong, or the create contexts are
        malformed."""
        *fields, offset, length = fixed(_RESPONSE, _RESPONSE_SIZE, message, "CREATE response")
        response = cls(*fields)
        chain = window(message, offset, length, _RESPONSE_END, "CreateContexts")
        response.create_contexts = decode_contexts(chain)
        return response

    def encode(self) -> bytes:
        contexts = encode_contexts(self.create_contexts)
        body = _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.oplock_level,
            self.flags,
            self.create_action,
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.allocation_size,
            self.end_of_file,
            self.file_attributes,
            self.persistent_id,
            self.volatile_id,
            _RESPONSE_END if contexts else 0,
            len(contexts),
        )
        return body + contexts
