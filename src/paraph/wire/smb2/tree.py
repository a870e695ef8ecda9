"""TREE_CONNECT, [MS-SMB2] 2.2.9 and 2.2.10. TREE_DISCONNECT has empty bodies, in `simple`."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import HEADER_SIZE, fixed, window
from paraph.wire.text import decode_utf16, encode_utf16


class TreeConnectFlags:
    """Flags of the request in 3.1.1, [MS-SMB2] 2.2.9."""

    CLUSTER_RECONNECT = 0x0001
    REDIRECT_TO_OWNER = 0x0002
    EXTENSION_PRESENT = 0x0004


class ShareType:
    """[MS-SMB2] 2.2.10."""

    DISK = 0x01
    PIPE = 0x02
    PRINT = 0x03


class ShareFlags:
    """[MS-SMB2] 2.2.10. The four *_CACHING values are an enumeration in the bits 0x30."""

    MANUAL_CACHING = 0x00000000
    DFS = 0x00000001
    DFS_ROOT = 0x00000002
    AUTO_CACHING = 0x00000010
    VDO_CACHING = 0x00000020
    NO_CACHING = 0x00000030
    RESTRICT_EXCLUSIVE_OPENS = 0x00000100
    FORCE_SHARED_DELETE = 0x00000200
    ALLOW_NAMESPACE_CACHING = 0x00000400
    ACCESS_BASED_DIRECTORY_ENUM = 0x00000800
    FORCE_LEVELII_OPLOCK = 0x00001000
    ENABLE_HASH_V1 = 0x00002000
    ENABLE_HASH_V2 = 0x00004000
    ENCRYPT_DATA = 0x00008000
    IDENTITY_REMOTING = 0x00040000
    COMPRESS_DATA = 0x00100000
    ISOLATED_TRANSPORT = 0x00200000


class ShareCapabilities:
    """[MS-SMB2] 2.2.10."""

    DFS = 0x00000008
    CONTINUOUS_AVAILABILITY = 0x00000010
    SCALEOUT = 0x00000020
    CLUSTER = 0x00000040
    ASYMMETRIC = 0x00000080
    REDIRECT_TO_OWNER = 0x00000100


# StructureSize, Flags, PathOffset, PathLength
_REQUEST = Struct("<HHHH")
_REQUEST_SIZE = 9
_REQUEST_END = HEADER_SIZE + _REQUEST.size
# StructureSize, ShareType, Reserved, ShareFlags, Capabilities, MaximalAccess
_RESPONSE = Struct("<HBxIII")
_RESPONSE_SIZE = 16


@dataclass(slots=True)
class TreeConnectRequest:
    r"""SMB2 TREE_CONNECT Request, [MS-SMB2] 2.2.9. `path` is `\\server\share`.

    The extension of 2.2.9.1 (`flags` has EXTENSION_PRESENT) only moves the path, which PathOffset
    finds all the same; its contexts are not read.
    """

    flags: int = 0
    path: str = ""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or the path lies outside."""
        flags, offset, length = fixed(_REQUEST, _REQUEST_SIZE, message, "TREE_CONNECT request")
        return cls(flags, decode_utf16(window(message, offset, length, _REQUEST_END, "Path")))

    def encode(self) -> bytes:
        path = encode_utf16(self.path)
        body = _REQUEST.pack(_REQUEST_SIZE, self.flags, _REQUEST_END, len(path))
        return body + (path or b"\0")


@dataclass(slots=True)
class TreeConnectResponse:
    """SMB2 TREE_CONNECT Response, [MS-SMB2] 2.2.10. The fields are of ShareType, ShareFlags,
    ShareCapabilities and AccessMask (`create`)."""

    share_type: int = ShareType.DISK
    share_flags: int = 0
    capabilities: int = 0
    maximal_access: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_RESPONSE, _RESPONSE_SIZE, message, "TREE_CONNECT response"))

    def encode(self) -> bytes:
        return _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.share_type,
            self.share_flags,
            self.capabilities,
            self.maximal_access,
        )
