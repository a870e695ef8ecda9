"""The buffers of IOCTL, [MS-SMB2] 2.2.31.1 to .4 and 2.2.32.1 to .6."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from paraph.errors import DecodeError
from paraph.wire.smb2.ioctl import (
    InterfaceCapability,
    NetworkInterfaceInfo,
    NetworkResiliencyRequest,
    SrvCopychunk,
    SrvCopychunkCopy,
    SrvCopychunkResponse,
    SrvRequestResumeKeyResponse,
    SrvSnapshotArray,
    ValidateNegotiateInfoRequest,
    ValidateNegotiateInfoResponse,
    decode_interfaces,
    encode_interfaces,
)

GUID = bytes(range(16))
KEY = bytes(range(24))
GMT = "@GMT-2026.01.02-03.04.05"

ROWS: list[tuple[Any, str]] = [
    (
        SrvCopychunkCopy(KEY, [SrvCopychunk(1, 2, 3), SrvCopychunk(0x100000000, 5, 6)]),
        f"{KEY.hex()} 02000000 00000000 0100000000000000 0200000000000000 03000000 00000000"
        "0000000001000000 0500000000000000 06000000 00000000",
    ),
    (SrvCopychunkCopy(KEY), f"{KEY.hex()} 00000000 00000000"),
    (SrvCopychunkResponse(256, 0x100000, 0x1000000), "00010000 00001000 00000001"),
    (NetworkResiliencyRequest(120000), "c0d40100 00000000"),
    # the client's side of section 4.10
    (
        ValidateNegotiateInfoRequest(0x7F, GUID, 1, [0x202, 0x210, 0x300]),
        f"7f000000 {GUID.hex()} 0100 0300 0202 1002 0003",
    ),
    (
        ValidateNegotiateInfoResponse(0x7F, GUID, 1, 0x300),
        f"7f000000 {GUID.hex()} 0100 0003",
    ),
    (SrvSnapshotArray(3, [], 152), "03000000 00000000 98000000"),
]


@pytest.mark.parametrize(("record", "text"), ROWS)
def test_both_ways(record: Any, text: str) -> None:
    data = bytes.fromhex(text)
    assert record.encode().hex() == data.hex()
    assert type(record).decode(memoryview(data)) == record
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            type(record).decode(memoryview(data[:length]))


def test_resume_key() -> None:
    data = KEY + bytes(8)
    assert SrvRequestResumeKeyResponse(KEY).encode() == data
    for length in (28, 32):
        decoded = SrvRequestResumeKeyResponse.decode(memoryview(data[:length]))
        assert decoded == SrvRequestResumeKeyResponse(KEY)
    with pytest.raises(DecodeError):
        SrvRequestResumeKeyResponse.decode(memoryview(data[:27]))


@pytest.mark.parametrize("count", [3, 0xFFFFFFFF])
def test_more_chunks_than_there_are(count: int) -> None:
    data = bytearray(ROWS[0][0].encode())
    struct.pack_into("<I", data, 24, count)
    with pytest.raises(DecodeError):
        SrvCopychunkCopy.decode(memoryview(data))


def test_snapshots_that_fit() -> None:
    names = [GMT, GMT]
    size = 2 * (2 * (len(GMT) + 1) + 1)
    array = SrvSnapshotArray.of(names, 12 + size)
    assert array == SrvSnapshotArray(2, names, size)
    data = array.encode()
    assert data == struct.pack("<III", 2, 2, size) + f"{GMT}\0{GMT}\0\0".encode("utf-16-le")
    assert SrvSnapshotArray.decode(memoryview(data)) == array
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            SrvSnapshotArray.decode(memoryview(data[:length]))


def test_snapshots_that_do_not_fit() -> None:
    array = SrvSnapshotArray.of([GMT], 12)
    assert array == SrvSnapshotArray(1, [], 52)
    assert array.encode() == struct.pack("<III", 1, 0, 52)


def test_no_snapshots() -> None:
    assert SrvSnapshotArray.of([], 16).encode() == struct.pack("<III", 0, 0, 2)


def test_snapshots_are_counted() -> None:
    data = bytearray(SrvSnapshotArray.of([GMT], 100).encode())
    struct.pack_into("<I", data, 4, 2)
    with pytest.raises(DecodeError):
        SrvSnapshotArray.decode(memoryview(data))


INTERFACES = [
    NetworkInterfaceInfo(1, InterfaceCapability.RSS_CAPABLE, 10**10, bytes((192, 0, 2, 1))),
    NetworkInterfaceInfo(2, InterfaceCapability.RDMA_CAPABLE, 10**9, bytes(range(16))),
]
INTERFACES_HEX = (
    "98000000 01000000 01000000 00000000 00e40b5402000000 0200 0000 c0000201"
    + "00" * 120
    + "00000000 02000000 02000000 00000000 00ca9a3b00000000 1700 0000 00000000"
    + bytes(range(16)).hex()
    + "00" * 104
)


def test_interfaces_both_ways() -> None:
    data = bytes.fromhex(INTERFACES_HEX)
    assert encode_interfaces(INTERFACES).hex() == data.hex()
    assert decode_interfaces(memoryview(data)) == INTERFACES
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            decode_interfaces(memoryview(data[:length]))


@pytest.mark.parametrize("following", [1, 8, 151, 153, 0xFFFFFFFF])
def test_interfaces_out_of_step(following: int) -> None:
    data = bytearray.fromhex(INTERFACES_HEX)
    struct.pack_into("<I", data, 0, following)
    with pytest.raises(DecodeError):
        decode_interfaces(memoryview(data))


def test_other_address_families_are_skipped() -> None:
    data = bytearray.fromhex(INTERFACES_HEX)
    data[24] = 1
    assert decode_interfaces(memoryview(data)) == INTERFACES[1:]


def test_number_of_interfaces_is_bounded() -> None:
    data = encode_interfaces(INTERFACES[:1] * 1025)
    with pytest.raises(DecodeError):
        decode_interfaces(memoryview(data))
    assert len(decode_interfaces(memoryview(encode_interfaces(INTERFACES[:1] * 1024)))) == 1024
