"""Chains of extended attributes, streams and quotas against bytes built from [MS-FSCC] 2.4."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire.dtyp import Sid
from paraph.wire.fscc_list import (
    NEED_EA,
    FileFullEaInformation,
    FileGetEaInformation,
    FileGetQuotaInformation,
    FileQuotaInformation,
    FileStreamInformation,
)

EVERYONE = Sid(1, (0,))
EVERYONE_HEX = "010100000000000100000000"


def utf16(text: str) -> str:
    return text.encode("utf-16-le").hex()


CHAINS: list[tuple[list[Any], str]] = [
    (
        [FileFullEaInformation(b"AB", b"12345"), FileFullEaInformation(b"C", b"", NEED_EA)],
        # 8 + "AB\0" + 5 = 16 bytes, no padding needed
        "10000000" + "00" + "02" + "0500" + "414200" + "3132333435"
        + "00000000" + "80" + "01" + "0000" + "4300",
    ),
    (
        [FileFullEaInformation(b"AB", b"1"), FileFullEaInformation(b"C", b"x")],
        # 12 bytes
        "0c000000" + "00" + "02" + "0100" + "414200" + "31"
        + "00000000" + "00" + "01" + "0100" + "4300" + "78",
    ),
    (
        [FileGetEaInformation(b"AB"), FileGetEaInformation(b"")],
        "08000000" + "02" + "414200" + "00000000" + "00" + "00",
    ),
    (
        [
            FileStreamInformation("::$DATA", 5, 4096),
            FileStreamInformation(":s:$DATA", 1 << 33, 0),
        ],
        # 24 + 14 = 38, padded to 40
        "28000000" + "0e000000" + "0500000000000000" + "0010000000000000" + utf16("::$DATA")
        + "0000"
        + "00000000" + "10000000" + "0000000002000000" + "00" * 8 + utf16(":s:$DATA"),
    ),
    (
        [FileQuotaInformation(1, 2, 3, -1, EVERYONE), FileQuotaInformation(5, 6, 7, 8, EVERYONE)],
        # 40 + 12 = 52, padded to 56
        "38000000" + "0c000000" + "0100000000000000" + "0200000000000000" + "0300000000000000"
        + "ff" * 8 + EVERYONE_HEX + "00000000"
        + "00000000" + "0c000000" + "0500000000000000" + "0600000000000000" + "0700000000000000"
        + "0800000000000000" + EVERYONE_HEX,
    ),
    (
        [FileGetQuotaInformation(EVERYONE), FileGetQuotaInformation(Sid(5, (18,)))],
        "14000000" + "0c000000" + EVERYONE_HEX
        + "00000000" + "0c000000" + "010100000000000512000000",
    ),
]  # fmt: skip
IDS = [type(records[0]).__name__ for records, _ in CHAINS]


@pytest.mark.parametrize(("records", "encoded"), CHAINS, ids=IDS)
def test_chain(records: list[Any], encoded: str) -> None:
    cls = type(records[0])
    data = bytes.fromhex(encoded)
    assert cls.encode_list(records) == data
    assert cls.decode_list(memoryview(data)) == records
    assert cls.decode_list(memoryview(data + b"\0\0\0\0")) == records
    assert cls.decode(memoryview(data)) == records[0]


@pytest.mark.parametrize(("records", "encoded"), CHAINS, ids=IDS)
def test_truncated(records: list[Any], encoded: str) -> None:
    cls = type(records[0])
    data = memoryview(bytes.fromhex(encoded))
    assert cls.decode_list(data[:0]) == []
    for length in range(1, len(data)):
        with pytest.raises(DecodeError):
            cls.decode_list(data[:length])


@pytest.mark.parametrize(("records", "encoded"), CHAINS, ids=IDS)
def test_only_whole_entries_fit(records: list[Any], encoded: str) -> None:
    cls = type(records[0])
    whole = len(encoded) // 2
    first = len(records[0].encode())
    assert cls.encode_fitting(records, whole) == (bytes.fromhex(encoded), 2)
    assert cls.encode_fitting(records, whole - 1) == (records[0].encode(), 1)
    assert cls.encode_fitting(records, first) == (records[0].encode(), 1)
    assert cls.encode_fitting(records, first - 1) == (b"", 0)
    assert cls.encode_list([]) == b""


@pytest.mark.parametrize(
    ("cls", "encoded"),
    [
        (FileFullEaInformation, "00000000" + "00" + "02" + "0000" + "414243"),  # no NUL
        (FileFullEaInformation, "00000000" + "00" + "ff" + "0000" + "4100"),  # name too long
        (FileFullEaInformation, "00000000" + "00" + "01" + "0200" + "4100" + "31"),
        (FileFullEaInformation, "04000000" + "00" + "01" + "0000" + "4100" + "00" * 8),  # overlap
        (FileFullEaInformation, "ffffffff" + "00" + "01" + "0000" + "4100"),
        (FileFullEaInformation, "0a000000" + "00" + "01" + "0000" + "4100"),  # next at the end
        # the value runs into the next entry
        (FileFullEaInformation, "0c000000" + "00010400" + "4100" + "0000" + "00" * 12),
        (FileGetEaInformation, "00000000" + "01" + "4141"),
        (FileStreamInformation, "00000000" + "03000000" + "00" * 16 + "610062"),  # odd name
        (FileStreamInformation, "00000000" + "ffffffff" + "00" * 16 + "6100"),
        (FileQuotaInformation, "00000000" + "0b000000" + "00" * 32 + EVERYONE_HEX),
        (FileGetQuotaInformation, "00000000" + "00000000" + EVERYONE_HEX),
    ],
)
def test_refused(cls: Any, encoded: str) -> None:
    with pytest.raises(DecodeError):
        cls.decode_list(memoryview(bytes.fromhex(encoded)))


@pytest.mark.parametrize(("records", "encoded"), CHAINS, ids=IDS)
@settings(deadline=None, max_examples=60)
@given(draw=st.data())
def test_damaged(records: list[Any], encoded: str, draw: st.DataObject) -> None:
    cls = type(records[0])
    data = bytearray.fromhex(encoded)
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        decoded = cls.decode_list(memoryview(data))
    except DecodeError:
        return
    assert cls.decode_list(memoryview(cls.encode_list(decoded))) == decoded


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.builds(
            FileFullEaInformation,
            st.binary(max_size=20),
            st.binary(max_size=20),
            st.sampled_from([0, NEED_EA]),
        ),
        max_size=6,
    )
)
def test_attributes_round_trip(records: list[FileFullEaInformation]) -> None:
    data = FileFullEaInformation.encode_list(records)
    assert FileFullEaInformation.decode_list(memoryview(data)) == records


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.builds(
            FileStreamInformation,
            st.text(max_size=12),
            st.integers(-(2**63), 2**63 - 1),
            st.integers(0, 2**63 - 1),
        ),
        max_size=6,
    )
)
def test_streams_round_trip(records: list[FileStreamInformation]) -> None:
    data = FileStreamInformation.encode_list(records)
    assert FileStreamInformation.decode_list(memoryview(data)) == records
