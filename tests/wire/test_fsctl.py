"""FSCTL codes and buffers against [MS-FSCC] 2.1.2, 2.3 and [MS-DFSC] 2.2."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire import fsctl as c


def q(*values: int) -> str:
    return "".join(value.to_bytes(8, "little", signed=value < 0).hex() for value in values)


def d(*values: int) -> str:
    return "".join(value.to_bytes(4, "little").hex() for value in values)


def utf16(text: str) -> str:
    return text.encode("utf-16-le").hex()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0x0011C017, "FSCTL_PIPE_TRANSCEIVE"),
        (0x00140204, "FSCTL_VALIDATE_NEGOTIATE_INFO"),
        (0x000900A8, "FSCTL_GET_REPARSE_POINT"),
        (0x001440F2, "FSCTL_SRV_COPYCHUNK"),
        (0x12345678, "0x12345678"),
        (0, "0x00000000"),
    ],
)
def test_name(code: int, name: str) -> None:
    assert c.name(code) == name


def test_codes_are_distinct() -> None:
    codes = [value for value in vars(c.Fsctl).values() if isinstance(value, int)]
    assert len(set(codes)) == len(codes) == 60


GUID = bytes(range(16))

RECORDS: list[tuple[Any, str]] = [
    (c.ReparseDataBuffer(c.ReparseTag.NFS, b"abc"), "14000080" + "0300" + "0000" + "616263"),
    (
        c.SymbolicLinkReparse("..\\t", "t", c.SYMLINK_FLAG_RELATIVE),
        "0c0000a0" + "1600" + "0000"
        + "0000" + "0800" + "0800" + "0200" + "01000000"
        + utf16("..\\t") + utf16("t"),
    ),
    (c.FileObjectIdBuffer(GUID), GUID.hex() + "00" * 48),
    (c.PipeWait(50, True, "srvsvc"), q(50) + d(12) + "0100" + utf16("srvsvc")),
    (c.PipeWait(-1, False, ""), q(-1) + d(0) + "0000"),
    (c.FileSetSparseBuffer(True), "01"),
    (c.FileZeroDataInformation(5, 10), q(5, 10)),
    (c.FileAllocatedRange(0, -1), q(0, -1)),
    (c.CompressionState(2), "0200"),
    (c.GetIntegrityInformation(2, 1, 65536, 4096), "0200" + "0000" + d(1, 65536, 4096)),
    (c.SetIntegrityInformation(0xFFFF, 1), "ffff" + "0000" + d(1)),
    (c.Smb2DuplicateExtentsData(1, 2, 3, 4, 5), q(1, 2, 3, 4, 5)),
    (
        c.Smb2DuplicateExtentsDataEx(c.DUPLICATE_EXTENTS_EX_SIZE, 1, 2, 3, 4, 5, 1),
        q(0x30, 1, 2, 3, 4, 5) + d(1, 0),
    ),
    (c.FileLevelTrim(9, [(0, 4096), (1 << 63, 1)]), d(9, 2) + q(0, 4096) + q(1 << 63, 1)),
    (c.FileLevelTrim(9), d(9, 0)),
    (c.FileLevelTrimOutput(2), d(2)),
    (c.FileRegion(1, 2, 1), q(1, 2) + d(1, 0)),
    (
        c.FileRegionOutput(3, [c.FileRegion(1, 2, 1), c.FileRegion(3, 4, 0)]),
        d(0, 3, 2, 0) + q(1, 2) + d(1, 0) + q(3, 4) + d(0, 0),
    ),
    (c.DfsReferralHeader(22, 1, c.ReferralHeaderFlags.STORAGE_SERVERS), "1600" + "0100" + d(2)),
]  # fmt: skip
IDS = [type(record).__name__ for record, _ in RECORDS]


@pytest.mark.parametrize(("record", "encoded"), RECORDS, ids=IDS)
def test_record(record: Any, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert record.encode() == data
    assert type(record).decode(memoryview(data + b"\xff\xff")) == record
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            type(record).decode(memoryview(data)[:length])


ALL = sorted({type(r) for r, _ in RECORDS} | {c.PipePeek, c.ReqGetDfsReferral}, key=repr)


@pytest.mark.parametrize("cls", ALL)
@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=80))
def test_any_bytes(cls: Any, data: bytes) -> None:
    try:
        record = cls.decode(memoryview(data))
    except DecodeError:
        return
    assert cls.decode(memoryview(record.encode())) == record


def test_pipe_peek() -> None:
    data = bytes.fromhex(d(3, 10, 1, 10) + "616263")
    peek = c.PipePeek(3, 10, 1, 10, b"abc")
    assert peek.encode() == data
    assert c.PipePeek.decode(memoryview(data)) == peek
    assert c.PipePeek(3, 10, 1, 10, memoryview(b"abc")).encode() == data
    for length in range(16):
        with pytest.raises(DecodeError):
            c.PipePeek.decode(memoryview(data)[:length])


def test_allocated_ranges() -> None:
    ranges = [c.FileAllocatedRange(0, 65536), c.FileAllocatedRange(1 << 32, 1)]
    data = b"".join(item.encode() for item in ranges)
    assert c.FileAllocatedRange.decode_list(memoryview(data)) == ranges
    assert c.FileAllocatedRange.decode_list(memoryview(b"")) == []
    with pytest.raises(DecodeError):
        c.FileAllocatedRange.decode_list(memoryview(data)[:-1])


def test_symbolic_link_names_in_any_order() -> None:
    # PrintName "P" first, then SubstituteName "\??\C:" with NULs between and after
    path = utf16("P\0\\??\\C:\0")
    body = "0400" + "0c00" + "0000" + "0200" + "00000000" + path
    data = "0c0000a0" + (len(body) // 2).to_bytes(2, "little").hex() + "0000" + body
    assert c.SymbolicLinkReparse.decode(memoryview(bytes.fromhex(data))) == c.SymbolicLinkReparse(
        "\\??\\C:", "P"
    )


@pytest.mark.parametrize(
    "data",
    [
        "030000a0" + "1000" + "0000" + "00" * 16,  # mount point
        "0c0000a0" + "0b00" + "0000" + "00" * 11,  # no room for the fixed part
        "0c0000a0" + "0e00" + "0000" + "0200" + "0200" + "00" * 8 + "6100",  # name beyond the path
        "0c0000a0" + "0e00" + "0000" + "0000" + "0100" + "00" * 8 + "6100",  # odd length
        "0c0000a0" + "0e00" + "0000" + "00" * 4 + "ffff" + "ffff" + "00" * 4 + "6100",
        "0c0000a0" + "ffff" + "0000" + "00" * 14,  # ReparseDataLength beyond the data
    ],
)
def test_symbolic_link_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        c.SymbolicLinkReparse.decode(memoryview(bytes.fromhex(data)))


def test_trim_count_is_bounded_by_the_data() -> None:
    with pytest.raises(DecodeError):
        c.FileLevelTrim.decode(memoryview(bytes.fromhex(d(0, 0xFFFFFFFF) + q(1, 2))))


def test_dfs_request() -> None:
    data = bytes.fromhex("0400" + utf16("\\server\\share\0"))
    request = c.ReqGetDfsReferral(4, "\\server\\share")
    assert request.encode() == data
    assert c.ReqGetDfsReferral.decode(memoryview(data)) == request
    assert c.ReqGetDfsReferral.decode(memoryview(data)[:-2]) == request
    assert c.ReqGetDfsReferral.decode(memoryview(data + b"x\0")) == request
    for length in (0, 1, 3, len(data) - 1):
        with pytest.raises(DecodeError):
            c.ReqGetDfsReferral.decode(memoryview(data)[:length])
