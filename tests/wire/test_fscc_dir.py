"""Directory entries of every level against bytes built from [MS-FSCC] 2.4."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire.fscc_dir import (
    SUPPORTED,
    DirRecord,
    decode_entries,
    pack_entry,
    patch_next,
)
from paraph.wire.fscc_file import FileAttributes

NAME = "n\u00e4me.txt"
NAME_BYTES = NAME.encode("utf-16-le")
SHORT = "NAME~1.TXT"
SHORT_BYTES = SHORT.encode("utf-16-le")
TAG = 0xA000000C

# What every level but NAMES begins with, for a plain file.
COMMON = (
    "00000000" + "09000000"
    + "0100000000000000" + "0200000000000000" + "0300000000000000" + "0400000000000000"
    + "0500000000000000" + "0010000000000000"
    + "20000000" + "10000000"
)  # fmt: skip
EA = "0b000000"
NO_TAG = "00000000"
FILE_ID = "8877665544332211"
ID_128 = FILE_ID + "00" * 8
SHORT_FIELD = "14" + "00" + SHORT_BYTES.hex() + "00000000"

LEVELS = {
    1: COMMON,
    2: COMMON + EA,
    3: COMMON + EA + SHORT_FIELD,
    12: "00000000" + "09000000" + "10000000",
    37: COMMON + EA + SHORT_FIELD + "0000" + FILE_ID,
    38: COMMON + EA + "00000000" + FILE_ID,
    60: COMMON + EA + NO_TAG + ID_128,
    78: COMMON + EA + NO_TAG + FILE_ID,
    79: COMMON + EA + NO_TAG + FILE_ID + SHORT_FIELD,
    80: COMMON + EA + NO_TAG + FILE_ID + ID_128,
    81: COMMON + EA + NO_TAG + FILE_ID + ID_128 + SHORT_FIELD,
}
SIZES = {1: 64, 2: 68, 3: 94, 12: 12, 37: 104, 38: 80, 60: 88, 78: 80, 79: 106, 80: 96, 81: 122}
WITH_SHORT_NAME = (3, 37, 79, 81)
WITH_ID = (37, 38, 60, 78, 79, 80, 81)
WITH_128 = (60, 80, 81)


def put(level: int, buffer: bytearray, offset: int, limit: int, attributes: int = 0x20) -> int:
    return pack_entry(
        level, buffer, offset, limit, NAME_BYTES, 9, 1, 2, 3, 4, 5, 4096, attributes, 11,
        0x1122334455667788, SHORT_BYTES, TAG if attributes & 0x400 else 0,
    )  # fmt: skip


def expected(level: int) -> DirRecord:
    """The record that comes back: only what the level carries."""
    if level == 12:
        return DirRecord(NAME, 9)
    record = DirRecord(NAME, 9, 1, 2, 3, 4, 5, 4096, 0x20)
    if level != 1:
        record.ea_size = 11
    if level in WITH_ID:
        record.file_id = 0x1122334455667788
    if level in WITH_128:
        record.file_id_128 = 0x1122334455667788
    if level in WITH_SHORT_NAME:
        record.short_name = SHORT
    return record


def test_levels() -> None:
    assert SUPPORTED == SIZES
    assert set(LEVELS) == set(SIZES)


@pytest.mark.parametrize("level", SIZES)
def test_entry(level: int) -> None:
    data = bytes.fromhex(LEVELS[level]) + NAME_BYTES
    assert len(data) == SIZES[level] + 16
    buffer = bytearray(b"\xee" * 300)
    end = put(level, buffer, 5, 300)
    assert end == 5 + len(data)
    assert buffer == b"\xee" * 5 + data + b"\xee" * (295 - len(data))
    assert decode_entries(level, memoryview(data)) == [expected(level)]


@pytest.mark.parametrize("level", SIZES)
def test_limit(level: int) -> None:
    size = SIZES[level] + len(NAME_BYTES)
    buffer = bytearray(300)
    assert put(level, buffer, 8, 8 + size - 1) == -1
    assert buffer == bytes(300)
    assert put(level, buffer, 8, 8 + size) == 8 + size
    assert len(buffer) == 300


@pytest.mark.parametrize("level", SIZES)
def test_truncated(level: int) -> None:
    data = memoryview(bytes.fromhex(LEVELS[level]) + NAME_BYTES)
    assert decode_entries(level, data[:0]) == []
    for length in range(1, len(data)):
        with pytest.raises(DecodeError):
            decode_entries(level, data[:length])


@pytest.mark.parametrize("level", [level for level in SIZES if level not in (1, 12)])
def test_reparse_point(level: int) -> None:
    attributes = FileAttributes.REPARSE_POINT | FileAttributes.ARCHIVE
    buffer = bytearray(200)
    end = put(level, buffer, 0, 200, attributes)
    assert buffer[56:60].hex() == "20040000"
    if level < 60:
        assert buffer[64:68].hex() == "0c0000a0"  # in the place of EaSize
    else:
        assert buffer[64:72].hex() == EA + "0c0000a0"
    (record,) = decode_entries(level, memoryview(buffer)[:end])
    assert record.reparse_tag == TAG
    assert record.ea_size == (0 if level < 60 else 11)


@pytest.mark.parametrize("level", SIZES)
def test_listing(level: int) -> None:
    """As the server writes it: entries aligned to 8 from the first, linked, the last unpadded."""
    names = ["a", "bcd", "e" * 40, "f"]
    buffer = bytearray(2000)
    start = 76
    previous, offset, end = -1, start, 0
    for index, name in enumerate(names):
        end = pack_entry(
            level, buffer, offset, 2000, name.encode("utf-16-le"), index, 1, 2, 3, 4, 5, 6, 7, 8, 9
        )
        assert end > 0
        if previous >= 0:
            patch_next(buffer, previous, offset)
        previous, offset = offset, end + (start - end & 7)
        assert (offset - start) % 8 == 0
        assert 0 <= offset - end < 8
    records = decode_entries(level, memoryview(buffer)[start:end])
    assert [record.file_name for record in records] == names
    assert [record.file_index for record in records] == [0, 1, 2, 3]
    with pytest.raises(DecodeError):
        decode_entries(level, memoryview(buffer)[start : previous + 3])


def test_unknown_file_id_and_large_128() -> None:
    data = bytearray.fromhex(LEVELS[60]) + NAME_BYTES
    data[72:88] = b"\xff" * 16
    (record,) = decode_entries(60, memoryview(data))
    assert record.file_id == 2**64 - 1
    assert record.file_id_128 == 2**128 - 1
    data = bytearray.fromhex(LEVELS[81]) + NAME_BYTES
    data[80:96] = bytes(range(16))
    (record,) = decode_entries(81, memoryview(data))
    assert record == replace(expected(81), file_id_128=int.from_bytes(bytes(range(16)), "little"))


@pytest.mark.parametrize(
    ("level", "at", "value"),
    [
        (37, 68, 25),  # ShortNameLength beyond its field
        (37, 68, 3),  # odd
        (3, 68, 255),
        (37, 60, 17),  # FileNameLength odd, and beyond the entry
        (37, 60, 15),
        (1, 60, 18),
        (12, 8, 18),
        (37, 0, 8),  # NextEntryOffset into the entry itself
        (37, 0, 120),  # and to the end of the data
    ],
)
def test_refused(level: int, at: int, value: int) -> None:
    data = bytearray.fromhex(LEVELS[level]) + NAME_BYTES
    data[at] = value
    with pytest.raises(DecodeError):
        decode_entries(level, memoryview(data))


@pytest.mark.parametrize("level", SIZES)
@settings(deadline=None, max_examples=40)
@given(draw=st.data())
def test_damaged(level: int, draw: st.DataObject) -> None:
    buffer = bytearray(600)
    end = put(level, buffer, 0, 600)
    second = (end + 7) & ~7
    end = put(level, buffer, second, 600)
    patch_next(buffer, 0, second)
    data = buffer[: draw.draw(st.integers(0, end))]
    for _ in range(draw.draw(st.integers(0, 3))):
        if data:
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        assert len(decode_entries(level, memoryview(data))) <= 2 + len(data) // SIZES[level]
    except DecodeError:
        pass


def test_unknown_level() -> None:
    with pytest.raises(KeyError):
        put(4, bytearray(200), 0, 200)
    with pytest.raises(KeyError):
        decode_entries(4, memoryview(b""))
