"""File system information records against bytes built from [MS-FSCC] 2.5."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire import fscc_volume as v


def q(*values: int) -> str:
    return "".join(value.to_bytes(8, "little", signed=value < 0).hex() for value in values)


def d(*values: int) -> str:
    return "".join(value.to_bytes(4, "little").hex() for value in values)


LABEL = "Data".encode("utf-16-le").hex()
NTFS = "NTFS".encode("utf-16-le").hex()

RECORDS: list[tuple[Any, str]] = [
    (
        v.FileFsVolumeInformation(0x01D0000000000000, 0xCAFEBABE, "Data"),
        q(0x01D0000000000000) + "bebafeca" + d(8) + "0000" + LABEL,
    ),
    (v.FileFsVolumeInformation(1, 2, "", True), q(1) + d(2, 0) + "0100"),
    (v.FileFsLabelInformation("Data"), d(8) + LABEL),
    (v.FileFsSizeInformation(1 << 40, 1 << 39, 8, 512), q(1 << 40, 1 << 39) + d(8, 512)),
    (v.FileFsDeviceInformation(7, 0x20), d(7, 0x20)),
    (
        v.FileFsAttributeInformation(
            v.FileSystemAttributes.CASE_PRESERVED_NAMES | v.FileSystemAttributes.NAMED_STREAMS,
            255,
            "NTFS",
        ),
        "02000400" + "ff000000" + d(8) + NTFS,
    ),
    (
        v.FileFsControlInformation(0, 0, -1, v.NO_QUOTA, 5, 3),
        q(0, 0, -1) + "ff" * 8 + q(5) + d(3, 0),
    ),
    (v.FileFsFullSizeInformation(3, 2, 1, 8, 512), q(3, 2, 1) + d(8, 512)),
    (v.FileFsObjectIdInformation(bytes(range(16))), bytes(range(16)).hex() + "00" * 48),
    (
        v.FileFsObjectIdInformation(bytes(16), bytes(range(48))),
        "00" * 16 + bytes(range(48)).hex(),
    ),
    (
        v.FileFsSectorSizeInformation(512, 4096, 4096, 4096, 3, 0, v.SECTOR_OFFSET_UNKNOWN),
        d(512, 4096, 4096, 4096, 3, 0) + "ffffffff",
    ),
]
IDS = [type(record).__name__ for record, _ in RECORDS]


@pytest.mark.parametrize(("record", "encoded"), RECORDS, ids=IDS)
def test_record(record: Any, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert record.encode() == data
    assert type(record).decode(memoryview(data + b"\xff")) == record
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            type(record).decode(memoryview(data)[:length])


@pytest.mark.parametrize("cls", sorted({type(r) for r, _ in RECORDS}, key=repr))
@settings(deadline=None, max_examples=40)
@given(data=st.binary(max_size=80))
def test_any_bytes(cls: Any, data: bytes) -> None:
    try:
        record = cls.decode(memoryview(data))
    except DecodeError:
        return
    assert cls.decode(memoryview(record.encode())) == record


@pytest.mark.parametrize(
    ("level", "size"), [(1, 24), (3, 24), (4, 8), (5, 12), (6, 48), (7, 32), (8, 64), (11, 28)]
)
def test_minimum_output(level: int, size: int) -> None:
    assert v.MINIMUM_OUTPUT[level] == size


def test_name_beyond_the_data() -> None:
    with pytest.raises(DecodeError):
        v.FileFsLabelInformation.decode(memoryview(bytes.fromhex("ffffffff" + LABEL)))
    with pytest.raises(DecodeError):
        v.FileFsLabelInformation.decode(memoryview(bytes.fromhex("03000000" + LABEL)))
