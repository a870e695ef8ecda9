"""The ERROR response, [MS-SMB2] 2.2.2, and what its data can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from paraph.errors import DecodeError
from paraph.wire.record import HEADER_SIZE, fixed, unpack, window
from paraph.wire.text import decode_utf16, encode_utf16


class ErrorId:
    """ErrorId of an error context, [MS-SMB2] 2.2.2.1."""

    DEFAULT = 0x00000000
    SHARE_REDIRECT = 0x72645253


class SymlinkFlags:
    """Flags of SymbolicLinkError, [MS-SMB2] 2.2.2.2.1."""

    ABSOLUTE = 0x00000000
    RELATIVE = 0x00000001


_ERROR = Struct("<HBxI")  # StructureSize, ErrorContextCount, Reserved, ByteCount
_ERROR_SIZE = 9
_ERROR_END = HEADER_SIZE + _ERROR.size
_CONTEXT = Struct("<II")  # ErrorDataLength, ErrorId
# SymLinkLength, SymLinkErrorTag, ReparseTag, ReparseDataLength, UnparsedPathLength,
# SubstituteNameOffset, SubstituteNameLength, PrintNameOffset, PrintNameLength, Flags
_SYMLINK = Struct("<IIIHHHHHHI")
_SYMLINK_TAG = 0x4C4D5953
_REPARSE_TAG_SYMLINK = 0xA000000C
_SYMLINK_REPARSE_PART = 12  # the four offsets and lengths, and Flags
# StructureSize, NotificationType, ResourceNameOffset, ResourceNameLength, Reserved, TargetType,
# IPAddrCount
_REDIRECT = Struct("<IIII2xHI")
_REDIRECT_SIZE = 48
_SHARE_MOVE_NOTIFICATION = 3
_ADDRESS = Struct("<I4x16s")  # Type, Reserved, address
_ADDRESS_V4 = 1
_ADDRESS_V6 = 2


@dataclass(slots=True)
class ErrorContext:
    """SMB2 ERROR Context, [MS-SMB2] 2.2.2.1 (3.1.1)."""

    error_id: int = ErrorId.DEFAULT
    data: memoryview | bytes = b""


@dataclass(slots=True)
class ErrorResponse:
    """SMB2 ERROR Response, [MS-SMB2] 2.2.2. If `error_context_count` is not 0, `error_data` is a
    list of error contexts: see `contexts` and `of_contexts`."""

    error_data: memoryview | bytes = b""
    error_context_count: int = 0

    @classmethod
    def of_contexts(cls, contexts: Sequence[ErrorContext]) -> Self:
        """The response of 3.1.1 that holds these contexts."""
        out = bytearray()
        for context in contexts:
            out += bytes(-len(out) % 8)
            out += _CONTEXT.pack(len(context.data), context.error_id)
            out += context.data
        return cls(bytes(out), len(contexts))

    def contexts(self) -> list[ErrorContext]:
        """The error contexts in `error_data`. Raises DecodeError if one lies outside."""
        data = memoryview(self.error_data)
        contexts: list[ErrorContext] = []
        offset = 0
        for _ in range(self.error_context_count):
            length, error_id = unpack(_CONTEXT, data, offset, "error context")
            offset += _CONTEXT.size
            payload = window(data, offset, length, offset, "error context data")
            contexts.append(ErrorContext(error_id, payload))
            offset += length
            offset += -offset % 8
        return contexts

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or the data lies outside."""
        count, length = fixed(_ERROR, _ERROR_SIZE, message, "ERROR response")
        return cls(window(message, _ERROR_END, length, _ERROR_END, "ErrorData"), count)

    def encode(self) -> bytes:
        data = self.error_data
        body = _ERROR.pack(_ERROR_SIZE, self.error_context_count, len(data))
        # Old clients want the byte that StructureSize counts, as old servers sent it (note <5>).
        return b"".join((body, data or b"\0"))


@dataclass(slots=True)
class SymbolicLinkError:
    """Symbolic Link Error Response, [MS-SMB2] 2.2.2.2.1: the data of STOPPED_ON_SYMLINK.
    `unparsed_path_length` is bytes of the name's UTF-16, counted from its end."""

    unparsed_path_length: int = 0
    substitute_name: str = ""
    print_name: str = ""
    flags: int = SymlinkFlags.ABSOLUTE

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short, a tag is wrong or a name lies outside."""
        _, tag, reparse_tag, _, unparsed, *names, flags = unpack(
            _SYMLINK, data, 0, "symbolic link error"
        )
        if tag != _SYMLINK_TAG or reparse_tag != _REPARSE_TAG_SYMLINK:
            raise DecodeError("symbolic link error: wrong tag")
        path_buffer = data[_SYMLINK.size :]
        substitute = window(path_buffer, names[0], names[1], 0, "SubstituteName")
        printed = window(path_buffer, names[2], names[3], 0, "PrintName")
        return cls(unparsed, decode_utf16(substitute), decode_utf16(printed), flags)

    def encode(self) -> bytes:
        substitute, printed = encode_utf16(self.substitute_name), encode_utf16(self.print_name)
        path_buffer = substitute + printed
        head = _SYMLINK.pack(
            _SYMLINK.size - 4 + len(path_buffer),
            _SYMLINK_TAG,
            _REPARSE_TAG_SYMLINK,
            _SYMLINK_REPARSE_PART + len(path_buffer),
            self.unparsed_path_length,
            0,
            len(substitute),
            len(substitute),
            len(printed),
            self.flags,
        )
        return head + path_buffer


@dataclass(slots=True)
class ShareRedirectError:
    """Share Redirect Error Context Response, [MS-SMB2] 2.2.2.2.2. Each address is 4 bytes (IPv4) or
    16 (IPv6) in network order."""

    resource_name: str = ""
    addresses: list[bytes] = field(default_factory=list)

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize or a type is wrong, or a part lies
        outside."""
        size, _, name_offset, name_length, _, count = unpack(_REDIRECT, data, 0, "share redirect")
        if size != _REDIRECT_SIZE:
            raise DecodeError(f"share redirect: StructureSize {size}")
        minimum = _REDIRECT.size
        entries = window(data, minimum, count * _ADDRESS.size, minimum, "IPAddrMoveList")
        addresses = []
        for kind, address in _ADDRESS.iter_unpack(entries):
            if kind not in (_ADDRESS_V4, _ADDRESS_V6):
                raise DecodeError(f"share redirect: address type {kind}")
            addresses.append(address[:4] if kind == _ADDRESS_V4 else address)
        name = window(data, name_offset, name_length, minimum, "ResourceName")
        return cls(decode_utf16(name), addresses)

    def encode(self) -> bytes:
        name = encode_utf16(self.resource_name)
        entries = b"".join(
            _ADDRESS.pack(_ADDRESS_V4 if len(address) == 4 else _ADDRESS_V6, address)
            for address in self.addresses
        )
        head = _REDIRECT.pack(
            _REDIRECT_SIZE,
            _SHARE_MOVE_NOTIFICATION,
            _REDIRECT.size + len(entries),
            len(name),
            0,
            len(self.addresses),
        )
        return head + entries + name
