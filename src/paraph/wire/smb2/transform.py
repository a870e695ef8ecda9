"""The headers that replace the SMB2 header of a sealed or compressed message: [MS-SMB2] 2.2.41 and
2.2.42. Records only: keys and algorithms are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from paraph.errors import DecodeError
from paraph.wire.record import unpack, window
from paraph.wire.smb2.negotiate_contexts import CompressionAlgorithm

TRANSFORM_PROTOCOL_ID = b"\xfdSMB"
COMPRESSION_PROTOCOL_ID = b"\xfcSMB"

TRANSFORM_HEADER_SIZE = 52
TRANSFORM_SIGNATURE_OFFSET = 4
TRANSFORM_AAD_OFFSET = 20
"""From here to the end of the header is what the cipher authenticates beside the message."""


class TransformFlags:
    """Flags in 3.1.1 and EncryptionAlgorithm in 3.0, [MS-SMB2] 2.2.41: the same number."""

    ENCRYPTED = 0x0001
    ENCRYPTION_AES128_CCM = 0x0001


class CompressionTransformFlags:
    """SMB2_COMPRESSION_FLAG_*, [MS-SMB2] 2.2.42."""

    NONE = 0x0000
    CHAINED = 0x0001


# ProtocolId, Signature, Nonce, OriginalMessageSize, Reserved, Flags, SessionId
_TRANSFORM = Struct("<4s16s16sI2xHQ")
# ProtocolId, OriginalCompressedSegmentSize, CompressionAlgorithm, Flags, Offset
_UNCHAINED = Struct("<4sIHHI")
_CHAINED = Struct("<4sI")  # ProtocolId, OriginalCompressedSegmentSize
_PAYLOAD = Struct("<HHI")  # CompressionAlgorithm, Flags, Length
_ORIGINAL_SIZE = Struct("<I")
_PATTERN = Struct("<B3xI")  # Pattern, Reserved1, Reserved2, Repetitions
_MAX_PAYLOADS = 1024  # a compressor makes 3 of a message; bounds the work on a hostile one

_HAS_ORIGINAL_SIZE = frozenset(
    (
        CompressionAlgorithm.LZNT1,
        CompressionAlgorithm.LZ77,
        CompressionAlgorithm.LZ77_HUFFMAN,
        CompressionAlgorithm.LZ4,
    )
)


@dataclass(slots=True)
class TransformHeader:
    """SMB2 TRANSFORM_HEADER, [MS-SMB2] 2.2.41. `original_message_size` is bytes; the cipher uses
    the first 11 (CCM) or 12 (GCM) bytes of `nonce`."""

    signature: bytes
    nonce: bytes
    original_message_size: int
    flags: int
    session_id: int

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if shorter than 52 bytes or ProtocolId is wrong."""
        if len(message) < TRANSFORM_HEADER_SIZE or message[:4] != TRANSFORM_PROTOCOL_ID:
            raise DecodeError("not an SMB2 TRANSFORM_HEADER")
        return cls(*_TRANSFORM.unpack_from(message)[1:])

    def pack_into(self, buffer: bytearray | memoryview, offset: int = 0) -> None:
        """Write the 52 bytes at `offset`."""
        _TRANSFORM.pack_into(
            buffer,
            offset,
            TRANSFORM_PROTOCOL_ID,
            self.signature,
            self.nonce,
            self.original_message_size,
            self.flags,
            self.session_id,
        )

    def encode(self) -> bytes:
        """The 52 bytes."""
        data = bytearray(TRANSFORM_HEADER_SIZE)
        self.pack_into(data)
        return bytes(data)


@dataclass(slots=True)
class CompressionTransformUnchained:
    """SMB2_COMPRESSION_TRANSFORM_HEADER_UNCHAINED, [MS-SMB2] 2.2.42.1. `uncompressed` is what
    stands between the header and the compressed segment (its length is Offset)."""

    original_compressed_segment_size: int
    compression_algorithm: int
    uncompressed: memoryview | bytes
    compressed: memoryview | bytes

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, ProtocolId or Flags is wrong, or Offset lies outside."""
        size, algorithm, flags, offset = unpack(
            _UNCHAINED, message, 0, "COMPRESSION_TRANSFORM_HEADER"
        )[1:]
        if message[:4] != COMPRESSION_PROTOCOL_ID or flags != CompressionTransformFlags.NONE:
            raise DecodeError("not an unchained COMPRESSION_TRANSFORM_HEADER")
        start = _UNCHAINED.size
        uncompressed = window(message, start, offset, start, "uncompressed part")
        return cls(size, algorithm, uncompressed, message[start + offset :])

    def encode(self) -> bytes:
        """The whole message."""
        head = _UNCHAINED.pack(
            COMPRESSION_PROTOCOL_ID,
            self.original_compressed_segment_size,
            self.compression_algorithm,
            CompressionTransformFlags.NONE,
            len(self.uncompressed),
        )
        return b"".join((head, self.uncompressed, self.compressed))


@dataclass(slots=True)
class CompressionPayload:
    """SMB2_COMPRESSION_CHAINED_PAYLOAD_HEADER, [MS-SMB2] 2.2.42.2.1, and the payload behind it.
    `original_payload_size` is bytes, sent for LZNT1, LZ77, LZ77+Huffman and LZ4 alone."""

    compression_algorithm: int
    flags: int
    data: memoryview | bytes
    original_payload_size: int = 0

    def encode(self) -> bytes:
        length, original = len(self.data), b""
        if self.compression_algorithm in _HAS_ORIGINAL_SIZE:
            original = _ORIGINAL_SIZE.pack(self.original_payload_size)
            length += _ORIGINAL_SIZE.size
        head = _PAYLOAD.pack(self.compression_algorithm, self.flags, length)
        return b"".join((head, original, self.data))


@dataclass(slots=True)
class CompressionTransformChained:
    """SMB2_COMPRESSION_TRANSFORM_HEADER_CHAINED, [MS-SMB2] 2.2.42.2, with its payloads. The first
    payload has the flag CHAINED, the others none."""

    original_compressed_segment_size: int
    payloads: list[CompressionPayload] = field(default_factory=list)

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, ProtocolId or the first Flags is wrong, a payload lies
        outside, or there are more than 1024."""
        _, size = unpack(_CHAINED, message, 0, "COMPRESSION_TRANSFORM_HEADER")
        payloads: list[CompressionPayload] = []
        offset = _CHAINED.size
        while offset < len(message) or not payloads:
            algorithm, flags, length = unpack(_PAYLOAD, message, offset, "compressed payload")
            offset += _PAYLOAD.size
            data = window(message, offset, length, offset, "compressed payload")
            offset += length
            original = 0
            if algorithm in _HAS_ORIGINAL_SIZE:
                (original,) = unpack(_ORIGINAL_SIZE, data, 0, "OriginalPayloadSize")
                data = data[_ORIGINAL_SIZE.size :]
            payloads.append(CompressionPayload(algorithm, flags, data, original))
            if len(payloads) > _MAX_PAYLOADS:
                raise DecodeError("too many compressed payloads")
        if message[:4] != COMPRESSION_PROTOCOL_ID or not (
            payloads[0].flags & CompressionTransformFlags.CHAINED
        ):
            raise DecodeError("not a chained COMPRESSION_TRANSFORM_HEADER")
        return cls(size, payloads)

    def encode(self) -> bytes:
        """The whole message."""
        head = _CHAINED.pack(COMPRESSION_PROTOCOL_ID, self.original_compressed_segment_size)
        return b"".join((head, *(payload.encode() for payload in self.payloads)))


@dataclass(slots=True)
class PatternPayload:
    """SMB2_COMPRESSION_PATTERN_PAYLOAD_V1, [MS-SMB2] 2.2.42.2.2: one byte, so many times."""

    pattern: int
    repetitions: int

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if too short."""
        return cls(*unpack(_PATTERN, data, 0, "pattern payload"))

    def encode(self) -> bytes:
        return _PATTERN.pack(self.pattern, self.repetitions)


def decode_compression(
    message: memoryview,
) -> CompressionTransformUnchained | CompressionTransformChained:
    """Either form, told apart by Flags, which both have at the same place ([MS-SMB2] 2.2.42).
    Raises DecodeError as their `decode` does."""
    flags = unpack(_UNCHAINED, message, 0, "COMPRESSION_TRANSFORM_HEADER")[3]
    if flags & CompressionTransformFlags.CHAINED:
        return CompressionTransformChained.decode(message)
    return CompressionTransformUnchained.decode(message)
