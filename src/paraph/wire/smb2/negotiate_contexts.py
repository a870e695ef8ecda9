"""What negotiate contexts hold, [MS-SMB2] 2.2.3.1.1 to .7; the responses (2.2.4.1.*) have the same
form. `decode` reads the data of a NegotiateContext and raises DecodeError if it is too short for
what it counts; bytes beyond that are ignored. `encode` gives the data.

An empty list of algorithms is legal here: whether that is an error, and which, is for the server
and the client to say ([MS-SMB2] 3.3.5.4, 3.2.5.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from paraph.wire.record import unpack, window
from paraph.wire.text import decode_utf16, encode_utf16


class HashAlgorithm:
    """[MS-SMB2] 2.2.3.1.1."""

    SHA_512 = 0x0001


class Cipher:
    """[MS-SMB2] 2.2.3.1.2."""

    AES_128_CCM = 0x0001
    AES_128_GCM = 0x0002
    AES_256_CCM = 0x0003
    AES_256_GCM = 0x0004


class CompressionAlgorithm:
    """[MS-SMB2] 2.2.3.1.3."""

    NONE = 0x0000
    LZNT1 = 0x0001
    LZ77 = 0x0002
    LZ77_HUFFMAN = 0x0003
    PATTERN_V1 = 0x0004
    LZ4 = 0x0005


class CompressionFlags:
    """SMB2_COMPRESSION_CAPABILITIES_FLAG_*, [MS-SMB2] 2.2.3.1.3."""

    NONE = 0x00000000
    CHAINED = 0x00000001


class TransportFlags:
    """[MS-SMB2] 2.2.3.1.5."""

    ACCEPT_TRANSPORT_LEVEL_SECURITY = 0x00000001


class RdmaTransform:
    """[MS-SMB2] 2.2.3.1.6."""

    NONE = 0x0000
    ENCRYPTION = 0x0001
    SIGNING = 0x0002


class SigningAlgorithm:
    """[MS-SMB2] 2.2.3.1.7."""

    HMAC_SHA256 = 0x0000
    AES_CMAC = 0x0001
    AES_GMAC = 0x0002


_COUNT = Struct("<H")
_PREAUTH = Struct("<HH")  # HashAlgorithmCount, SaltLength
_COMPRESSION = Struct("<H2xI")  # CompressionAlgorithmCount, Padding, Flags
_RDMA = Struct("<H6x")  # TransformCount, Reserved1, Reserved2
_FLAGS = Struct("<I")


def _ids(data: memoryview, offset: int, count: int, what: str) -> list[int]:
    """`count` 16-bit numbers at `offset`."""
    return list(unpack(Struct(f"<{count}H"), data, offset, what))


def _pack_ids(ids: list[int]) -> bytes:
    return Struct(f"<{len(ids)}H").pack(*ids)


@dataclass(slots=True)
class PreauthIntegrityCapabilities:
    """SMB2_PREAUTH_INTEGRITY_CAPABILITIES, [MS-SMB2] 2.2.3.1.1."""

    hash_algorithms: list[int] = field(default_factory=lambda: [HashAlgorithm.SHA_512])
    salt: memoryview | bytes = b""

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        count, salt_length = unpack(_PREAUTH, data, 0, "PREAUTH_INTEGRITY_CAPABILITIES")
        algorithms = _ids(data, _PREAUTH.size, count, "HashAlgorithms")
        start = _PREAUTH.size + 2 * count
        return cls(algorithms, window(data, start, salt_length, start, "Salt"))

    def encode(self) -> bytes:
        head = _PREAUTH.pack(len(self.hash_algorithms), len(self.salt))
        return b"".join((head, _pack_ids(self.hash_algorithms), self.salt))


@dataclass(slots=True)
class EncryptionCapabilities:
    """SMB2_ENCRYPTION_CAPABILITIES, [MS-SMB2] 2.2.3.1.2, the preferred cipher first."""

    ciphers: list[int] = field(default_factory=list)

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        (count,) = unpack(_COUNT, data, 0, "ENCRYPTION_CAPABILITIES")
        return cls(_ids(data, _COUNT.size, count, "Ciphers"))

    def encode(self) -> bytes:
        return _COUNT.pack(len(self.ciphers)) + _pack_ids(self.ciphers)


@dataclass(slots=True)
class CompressionCapabilities:
    """SMB2_COMPRESSION_CAPABILITIES, [MS-SMB2] 2.2.3.1.3, the preferred algorithm first."""

    flags: int = CompressionFlags.NONE
    compression_algorithms: list[int] = field(default_factory=list)

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        count, flags = unpack(_COMPRESSION, data, 0, "COMPRESSION_CAPABILITIES")
        return cls(flags, _ids(data, _COMPRESSION.size, count, "CompressionAlgorithms"))

    def encode(self) -> bytes:
        head = _COMPRESSION.pack(len(self.compression_algorithms), self.flags)
        return head + _pack_ids(self.compression_algorithms)


@dataclass(slots=True)
class NetnameNegotiateContextId:
    """SMB2_NETNAME_NEGOTIATE_CONTEXT_ID, [MS-SMB2] 2.2.3.1.4: the name the client connects to."""

    net_name: str = ""

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        return cls(decode_utf16(data))

    def encode(self) -> bytes:
        return encode_utf16(self.net_name)


@dataclass(slots=True)
class TransportCapabilities:
    """SMB2_TRANSPORT_CAPABILITIES, [MS-SMB2] 2.2.3.1.5. `flags` is of TransportFlags."""

    flags: int = 0

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        return cls(*unpack(_FLAGS, data, 0, "TRANSPORT_CAPABILITIES"))

    def encode(self) -> bytes:
        return _FLAGS.pack(self.flags)


@dataclass(slots=True)
class RdmaTransformCapabilities:
    """SMB2_RDMA_TRANSFORM_CAPABILITIES, [MS-SMB2] 2.2.3.1.6."""

    rdma_transform_ids: list[int] = field(default_factory=list)

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        (count,) = unpack(_RDMA, data, 0, "RDMA_TRANSFORM_CAPABILITIES")
        return cls(_ids(data, _RDMA.size, count, "RDMATransformIds"))

    def encode(self) -> bytes:
        return _RDMA.pack(len(self.rdma_transform_ids)) + _pack_ids(self.rdma_transform_ids)


@dataclass(slots=True)
class SigningCapabilities:
    """SMB2_SIGNING_CAPABILITIES, [MS-SMB2] 2.2.3.1.7, the preferred algorithm first."""

    signing_algorithms: list[int] = field(default_factory=list)

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        (count,) = unpack(_COUNT, data, 0, "SIGNING_CAPABILITIES")
        return cls(_ids(data, _COUNT.size, count, "SigningAlgorithms"))

    def encode(self) -> bytes:
        return _COUNT.pack(len(self.signing_algorithms)) + _pack_ids(self.signing_algorithms)
