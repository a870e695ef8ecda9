"""TRANSFORM_HEADER and the compression headers, [MS-SMB2] 2.2.41 and 2.2.42."""

from __future__ import annotations

from typing import Any

import pytest

from paraph.errors import DecodeError
from paraph.wire.smb2.negotiate_contexts import CompressionAlgorithm
from paraph.wire.smb2.transform import (
    TRANSFORM_AAD_OFFSET,
    TRANSFORM_HEADER_SIZE,
    TRANSFORM_SIGNATURE_OFFSET,
    CompressionPayload,
    CompressionTransformChained,
    CompressionTransformUnchained,
    PatternPayload,
    TransformFlags,
    TransformHeader,
    decode_compression,
)

SIGNATURE, NONCE = bytes(range(16)), bytes(range(16, 32))
HEADER = TransformHeader(SIGNATURE, NONCE, 0x1234, TransformFlags.ENCRYPTED, 0x1122334455667788)
HEADER_HEX = f"fd534d42 {SIGNATURE.hex()} {NONCE.hex()} 34120000 0000 0100 8877665544332211"


def test_transform_header_both_ways() -> None:
    data = bytes.fromhex(HEADER_HEX)
    assert HEADER.encode() == data
    assert TransformHeader.decode(memoryview(data + b"sealed")) == HEADER
    assert len(data) == TRANSFORM_HEADER_SIZE
    assert data[TRANSFORM_SIGNATURE_OFFSET:TRANSFORM_AAD_OFFSET] == SIGNATURE
    assert data[TRANSFORM_AAD_OFFSET:].startswith(NONCE)


def test_transform_header_in_place() -> None:
    buffer = bytearray(60)
    HEADER.pack_into(buffer, 4)
    assert buffer == bytes(4) + bytes.fromhex(HEADER_HEX) + bytes(4)


def test_malformed_transform_header() -> None:
    data = bytes.fromhex(HEADER_HEX)
    for bad in [data[:length] for length in range(52)] + [b"\xfe" + data[1:]]:
        with pytest.raises(DecodeError):
            TransformHeader.decode(memoryview(bad))


COMPRESSED: list[tuple[Any, str]] = [
    (
        CompressionTransformUnchained(0x100, CompressionAlgorithm.LZ77, b"head", b"packed"),
        "fc534d42 00010000 0200 0000 04000000 68656164 7061636b6564",
    ),
    (
        CompressionTransformChained(
            0x100,
            [
                CompressionPayload(CompressionAlgorithm.NONE, 1, b"raw"),
                CompressionPayload(CompressionAlgorithm.LZ4, 0, b"xy", 0x80),
                CompressionPayload(CompressionAlgorithm.PATTERN_V1, 0, bytes(8)),
            ],
        ),
        "fc534d42 00010000 0000 0100 03000000 726177 0500 0000 06000000 80000000 7879"
        "0400 0000 08000000 0000000000000000",
    ),
]


@pytest.mark.parametrize(("record", "text"), COMPRESSED)
def test_compressed_both_ways(record: Any, text: str) -> None:
    data = bytes.fromhex(text)
    assert record.encode().hex() == data.hex()
    decoded = decode_compression(memoryview(data))
    assert type(decoded) is type(record)
    assert decoded == record


def test_short_unchained() -> None:
    data = bytes.fromhex(COMPRESSED[0][1])
    for length in range(20):
        with pytest.raises(DecodeError):
            decode_compression(memoryview(data[:length]))


def test_short_chained() -> None:
    data = bytes.fromhex(COMPRESSED[1][1])
    whole = {8 + 8 + 3, 8 + 8 + 3 + 8 + 6}  # what ends with a payload is a shorter chain
    for length in set(range(len(data))) - whole:
        with pytest.raises(DecodeError):
            decode_compression(memoryview(data[:length]))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CompressionTransformUnchained, COMPRESSED[1][1]),
        (CompressionTransformChained, COMPRESSED[0][1]),
        (CompressionTransformUnchained, "fd" + COMPRESSED[0][1][2:]),
        (CompressionTransformChained, "fd" + COMPRESSED[1][1][2:]),
        # the payload is too short for OriginalPayloadSize
        (CompressionTransformChained, "fc534d42 00010000 0100 0100 03000000 000000"),
        (CompressionTransformChained, "fc534d42 00010000 0000 0100 ffffffff 00"),
        (CompressionTransformUnchained, "fc534d42 00010000 0200 0000 ffffffff 00"),
    ],
)
def test_malformed_compression(kind: Any, text: str) -> None:
    with pytest.raises(DecodeError):
        kind.decode(memoryview(bytes.fromhex(text)))


def test_number_of_payloads_is_bounded() -> None:
    payloads = [CompressionPayload(0, 1, b"")] * 1024
    chain = CompressionTransformChained(0, payloads)
    assert decode_compression(memoryview(chain.encode())) == chain
    chain.payloads = [*payloads, payloads[0]]
    with pytest.raises(DecodeError):
        decode_compression(memoryview(chain.encode()))


def test_pattern_payload() -> None:
    data = bytes.fromhex("2a 00 0000 00010000")
    assert PatternPayload(0x2A, 256).encode() == data
    assert PatternPayload.decode(memoryview(data)) == PatternPayload(0x2A, 256)
    with pytest.raises(DecodeError):
        PatternPayload.decode(memoryview(data[:7]))
