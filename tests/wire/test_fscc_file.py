"""File information records against bytes built from [MS-FSCC] 2.4."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire import fscc_file as f
from paraph.wire.fscc import FixedRecord


def q(*values: int) -> str:
    return "".join(value.to_bytes(8, "little", signed=value < 0).hex() for value in values)


def d(*values: int) -> str:
    return "".join(value.to_bytes(4, "little").hex() for value in values)


def utf16(text: str) -> str:
    return text.encode("utf-16-le").hex()


RECORDS: list[tuple[Any, str]] = [
    (f.FileBasicInformation(1, 0, -1, -2, 0x21), q(1, 0, -1, -2) + d(0x21, 0)),
    (f.FileStandardInformation(4096, 5, 2, True, False), q(4096, 5) + d(2) + "01000000"),
    (f.FileStandardInformation(0, -5, 1, False, True), q(0, -5) + d(1) + "00010000"),
    (f.FileInternalInformation(2**64 - 1), "ff" * 8),
    (f.FileEaInformation(0x12345678), "78563412"),
    (f.FileAccessInformation(0x1F01FF), "ff011f00"),
    (f.FileDispositionInformation(True), "01"),
    (f.FileDispositionInformationEx(3), d(3)),
    (f.FilePositionInformation(1 << 40), q(1 << 40)),
    (f.FileModeInformation(0x20), d(0x20)),
    (f.FileAlignmentInformation(7), d(7)),
    (f.FileAllocationInformation(65536), q(65536)),
    (f.FileEndOfFileInformation(-1), q(-1)),
    (f.FileValidDataLengthInformation(9), q(9)),
    (f.FilePipeInformation(1, 0), d(1, 0)),
    (f.FilePipeLocalInformation(*range(10)), d(*range(10))),
    (f.FileCompressionInformation(77, 2, 16, 12, 11), q(77) + "0200" + "100c0b" + "000000"),
    (f.FileNetworkOpenInformation(1, 2, 3, 4, 8, 7, 0x20), q(1, 2, 3, 4, 8, 7) + d(0x20, 0)),
    (f.FileAttributeTagInformation(0x400, 0xA000000C), d(0x400, 0xA000000C)),
    (f.FileIdInformation(0x1122, 0x99 << 120 | 5), q(0x1122, 5) + "00" * 7 + "99"),
    (f.FileNameInformation("a\u20ac"), d(4) + "6100ac20"),
    (f.FileNameInformation(""), d(0)),
    (
        f.FileAllInformation(
            1, 2, 3, 4, 0x20, 4096, 5, 1, False, True, 77, 8, 0x12019F, 9, 0x20, 1, "\\a"
        ),
        q(1, 2, 3, 4) + d(0x20, 0)
        + q(4096, 5) + d(1) + "00010000"
        + q(77) + d(8) + d(0x12019F) + q(9) + d(0x20) + d(1)
        + d(4) + utf16("\\a"),
    ),
    (
        f.FileRenameInformation(True, "dir\\new"),
        "01" + "00" * 7 + q(0) + d(14) + utf16("dir\\new"),
    ),
    (f.FileRenameInformation(False, "ab", 7), "00" * 8 + q(7) + d(4) + utf16("ab")),
    (f.FileLinkInformation(True, "link"), "01" + "00" * 7 + q(0) + d(8) + utf16("link")),
    (f.FileRenameInformationEx(0x41, "new"), d(0x41, 0) + q(0) + d(6) + utf16("new")),
]  # fmt: skip
IDS = [type(record).__name__ for record, _ in RECORDS]


@pytest.mark.parametrize(("record", "encoded"), RECORDS, ids=IDS)
def test_record(record: Any, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert record.encode() == data
    decoded = type(record).decode(memoryview(data + b"\xff\xff"))
    assert decoded == record
    assert type(decoded) is type(record)


@pytest.mark.parametrize(("record", "encoded"), RECORDS, ids=IDS)
def test_truncated(record: Any, encoded: str) -> None:
    data = memoryview(bytes.fromhex(encoded))
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            type(record).decode(data[:length])


@pytest.mark.parametrize("cls", sorted({type(r) for r, _ in RECORDS}, key=repr))
@settings(deadline=None, max_examples=40)
@given(data=st.binary(max_size=140))
def test_any_bytes(cls: Any, data: bytes) -> None:
    try:
        record = cls.decode(memoryview(data))
    except DecodeError:
        return
    assert cls.decode(memoryview(record.encode())) == record


def test_any_nonzero_boolean_is_true() -> None:
    assert f.FileDispositionInformation.decode(memoryview(b"\x80")).delete_pending is True
    assert f.FileDispositionInformation.decode(memoryview(b"\x00")).delete_pending is False
    data = bytearray(f.FileRenameInformation(False, "x").encode())
    data[0] = 2
    assert f.FileRenameInformation.decode(memoryview(data)).replace_if_exists is True


def test_reserved_is_ignored() -> None:
    data = bytes.fromhex(q(1, 2, 3, 4) + d(0x20) + "deadbeef")
    assert f.FileBasicInformation.decode(memoryview(data)) == f.FileBasicInformation(
        1, 2, 3, 4, 0x20
    )


@pytest.mark.parametrize(
    "record", [f.FileRenameInformation(False, "x"), f.FileRenameInformationEx(0, "x")]
)
def test_rename_is_padded_to_24_but_need_not_be(record: Any) -> None:
    data = record.encode()
    assert len(data) == 24
    assert data[20:] == b"x\0\0\0"
    assert type(record).decode(memoryview(data)[:22]) == record


def test_rename_of_smb1() -> None:
    record = f.FileRenameInformation(True, "new", 5)
    data = bytes.fromhex("01000000" + d(5) + d(6) + utf16("new"))
    assert record.encode_smb1() == data
    assert f.FileRenameInformation.decode_smb1(memoryview(data)) == record
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            f.FileRenameInformation.decode_smb1(memoryview(data)[:length])
    assert type(f.FileLinkInformation.decode_smb1(memoryview(data))) is f.FileLinkInformation


def test_names() -> None:
    lone = f.FileNameInformation("a\ud800")
    assert f.FileNameInformation.decode(memoryview(lone.encode())) == lone
    for encoded in (d(3) + "610062", d(0xFFFFFFFF) + "6100", d(1) + "61"):
        with pytest.raises(DecodeError):
            f.FileNameInformation.decode(memoryview(bytes.fromhex(encoded)))


def test_minimum_output_of_a_fixed_record_is_its_size() -> None:
    sizes: dict[int, type[FixedRecord]] = {
        f.FileInformationClass.BASIC: f.FileBasicInformation,
        f.FileInformationClass.STANDARD: f.FileStandardInformation,
        f.FileInformationClass.INTERNAL: f.FileInternalInformation,
        f.FileInformationClass.EA: f.FileEaInformation,
        f.FileInformationClass.ACCESS: f.FileAccessInformation,
        f.FileInformationClass.POSITION: f.FilePositionInformation,
        f.FileInformationClass.MODE: f.FileModeInformation,
        f.FileInformationClass.ALIGNMENT: f.FileAlignmentInformation,
        f.FileInformationClass.PIPE: f.FilePipeInformation,
        f.FileInformationClass.PIPE_LOCAL: f.FilePipeLocalInformation,
        f.FileInformationClass.COMPRESSION: f.FileCompressionInformation,
        f.FileInformationClass.NETWORK_OPEN: f.FileNetworkOpenInformation,
        f.FileInformationClass.ATTRIBUTE_TAG: f.FileAttributeTagInformation,
    }
    for level, cls in sizes.items():
        assert f.MINIMUM_OUTPUT[level] == cls.LAYOUT.size
