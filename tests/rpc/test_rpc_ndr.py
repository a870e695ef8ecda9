"""NDR 2.0 against bytes laid out by hand after [C706] chapter 14."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.rpc.ndr import (
    BYTES,
    CONTEXT_HANDLE,
    ENUM,
    I32,
    MAX_ELEMENTS,
    STRING,
    U8,
    U16,
    U32,
    U64,
    UNIQUE_STRING,
    UUID,
    Array,
    Counted,
    NdrReader,
    NdrType,
    NdrWriter,
    Opaque,
    Pointer,
    Structure,
    Switched,
    Union,
    VaryingArray,
    read_parameter,
    write_parameter,
)


def marshalled(*parameters: tuple[NdrType, Any]) -> bytes:
    writer = NdrWriter()
    for kind, value in parameters:
        write_parameter(kind, writer, value)
    return bytes(writer.data)


SHARE_1 = Structure(netname=UNIQUE_STRING, type=U32, remark=UNIQUE_STRING)
SID = Structure(revision=U8, count=U8, authority=Opaque(6, 1), sub_authority=Array(U32))
# RPC_UNICODE_STRING: [size_is(maximum / 2), length_is(length / 2)] wchar_t* buffer
UNICODE_STRING = Structure(length=U16, maximum=U16, buffer=Pointer(Array(U16, varying=True)))

S = "00000200"  # the first referent identifiers
T = "04000200"
V = "08000200"

VECTORS: list[tuple[NdrType, Any, str]] = [
    (U8, 7, "07"),
    (U16, 0x0102, "0201"),
    (U32, 0x01020304, "04030201"),
    (I32, -2, "feffffff"),
    (U64, 1, "0100000000000000"),
    (ENUM, 3, "0300"),
    (UUID, bytes(range(16)), bytes(range(16)).hex()),
    (CONTEXT_HANDLE, bytes(20), "00" * 20),
    (BYTES, b"abc", "03000000 616263"),
    (STRING, "", "01000000 00000000 01000000 0000"),
    (STRING, "ab", "03000000 00000000 03000000 610062000000"),
    (STRING, "中", "02000000 00000000 02000000 2d4e0000"),
    (STRING, "\U0001f4c1", "03000000 00000000 03000000 3dd8c1dc0000"),
    (STRING, "\ud800", "02000000 00000000 02000000 00d80000"),
    (UNIQUE_STRING, None, "00000000"),
    (UNIQUE_STRING, "a", S + "02000000 00000000 02000000 61000000"),
    (Pointer(U32), 9, S + "09000000"),
    (Pointer(Pointer(U16)), 9, S + T + "0900"),
    (Array(U16), [1, 2, 3], "03000000 010002000300"),
    (Array(U64), [1], "01000000 00000000 0100000000000000"),
    (Array(U16, varying=True), [5], "01000000 00000000 01000000 0500"),
    (VaryingArray(U16, 4), [5, 6], "00000000 02000000 05000600"),
    # the referents of an array of pointers follow the array
    (
        Array(UNIQUE_STRING),
        ["a", None, "b"],
        "03000000" + S + "00000000" + T + "02000000 00000000 02000000 61000000"
        "02000000 00000000 02000000 62000000",
    ),
    # the referents of a structure follow the structure, each aligned anew
    (
        SHARE_1,
        {"netname": "ab", "type": 3, "remark": "c"},
        S + "03000000" + T + "03000000 00000000 03000000 610062000000 0000"
        "02000000 00000000 02000000 63000000",
    ),
    # depth first: what the first referent points to comes before the second referent
    (
        Structure(a=Pointer(Structure(b=Pointer(U32))), c=Pointer(U32)),
        {"a": {"b": 1}, "c": 2},
        S + T + V + "01000000" + "02000000",
    ),
    (
        Structure(small=U8, large=U64, last=U16),
        {"small": 1, "large": 2, "last": 3},
        "01 00000000000000 0200000000000000 0300",
    ),
    # S-1-5-32-544: the maximum count stands before the structure
    (
        SID,
        {
            "revision": 1,
            "count": 2,
            "authority": b"\0\0\0\0\0\x05",
            "sub_authority": [32, 544],
        },
        "02000000 01 02 000000000005 20000000 20020000",
    ),
    # and before the one around it
    (
        Structure(attributes=U32, sid=SID),
        {
            "attributes": 7,
            "sid": {"revision": 1, "count": 0, "authority": bytes(6), "sub_authority": []},
        },
        "00000000 07000000 01 00 000000000000",
    ),
    (
        UNICODE_STRING,
        {"length": 2, "maximum": 2, "buffer": [0x61]},
        "0200 0200" + S + "01000000 00000000 01000000 6100",
    ),
    (Counted(Array(U32)), None, "00000000 00000000"),
    (Counted(Array(U32)), [], "00000000" + S + "00000000"),
    (Counted(Array(U32)), [8, 9], "02000000" + S + "02000000 08000000 09000000"),
    (Counted(BYTES), b"xy", "02000000" + S + "02000000 7879"),
    (Union({1: U32, 2: UNIQUE_STRING}), (1, 5), "01000000 05000000"),
    (Union({1: U32, 2: UNIQUE_STRING}), (2, None), "02000000 00000000"),
    (Union({1: U32, 2: UNIQUE_STRING}), (99, None), "63000000"),
    # a short tag, and an arm at the alignment of the widest
    (Union({1: U16, 2: U32}, tag=U16), (1, 5), "0100 0000 0500"),
    (Switched({1: Pointer(U32)}), (1, 5), "01000000 01000000" + S + "05000000"),
]


@pytest.mark.parametrize(("kind", "value", "data"), VECTORS)
def test_vectors(kind: NdrType, value: Any, data: str) -> None:
    expected = bytes.fromhex(data)
    assert marshalled((kind, value)) == expected
    reader = NdrReader(expected)
    assert read_parameter(kind, reader) == value
    assert reader.remaining == 0


@pytest.mark.parametrize(("kind", "value", "data"), VECTORS)
def test_every_truncation_is_refused(kind: NdrType, value: Any, data: str) -> None:
    whole = bytes.fromhex(data)
    for length in range(len(whole)):
        with pytest.raises(DecodeError):
            read_parameter(kind, NdrReader(whole[:length]))


def test_parameters_are_aligned_one_by_one() -> None:
    data = marshalled((STRING, "a"), (U16, 1), (U32, 2), (U8, 3), (UNIQUE_STRING, None))
    assert data == bytes.fromhex(
        "02000000 00000000 02000000 61000000 0100 0000 02000000 03 000000 00000000"
    )


def test_gaps_are_ignored() -> None:
    reader = NdrReader(bytes.fromhex("01 ffffff 02000000"))
    assert (read_parameter(U8, reader), read_parameter(U32, reader)) == (1, 2)


def test_structures_are_written_from_attributes_too() -> None:
    class Share:
        netname = "ab"
        type = 3
        remark = "c"
        more = "unused"

    assert marshalled((SHARE_1, Share())) == marshalled(
        (SHARE_1, {"netname": "ab", "type": 3, "remark": "c"})
    )


def test_text_ends_at_its_first_nul() -> None:
    data = bytes.fromhex("04000000 00000000 04000000 6100 0000 6200 0000")
    assert read_parameter(STRING, NdrReader(data)) == "a"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (STRING, "02000000 00000000 02000000 61006200"),  # no NUL
        (STRING, "02000000 00000000 00000000"),  # not even room for one
        (STRING, "02000000 01000000 01000000 0000"),  # an offset
        (STRING, "01000000 00000000 02000000 61000000"),  # more than the maximum
        (STRING, "ffffffff 00000000 ffffffff 61000000"),
        (Array(U32), "ffffffff 00000000"),
        (Array(U32, varying=True), "01000000 00000000 02000000 0000000000000000"),
        (VaryingArray(U8, 1), "00000000 02000000 0000"),
        (BYTES, "05000000 61"),
        (Counted(Array(U32)), "01000000 00000000"),  # one behind a null pointer
        (Counted(Array(U32)), "01000000 01000000 02000000 00000000 00000000"),
        (Counted(BYTES), "01000000 01000000 02000000 0000"),
        (Switched({1: U32}), "01000000 02000000 00000000"),  # level and tag differ
    ],
)
def test_inconsistent_data_is_refused(kind: NdrType, data: str) -> None:
    with pytest.raises(DecodeError):
        read_parameter(kind, NdrReader(bytes.fromhex(data)))


def test_the_number_of_elements_is_bounded() -> None:
    kind = Array(U8)
    most = MAX_ELEMENTS.to_bytes(4, "little") + bytes(MAX_ELEMENTS)
    assert len(read_parameter(kind, NdrReader(most))) == MAX_ELEMENTS
    reader = NdrReader(most + b"\1\0\0\0\0")  # and one more in a second array
    read_parameter(kind, reader)
    with pytest.raises(DecodeError, match="elements"):
        read_parameter(kind, reader)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([kind for kind, _, _ in VECTORS]), st.binary(max_size=80))
def test_arbitrary_data(kind: NdrType, data: bytes) -> None:
    try:
        value = read_parameter(kind, NdrReader(data))
    except DecodeError:
        return
    again = marshalled((kind, value))
    assert read_parameter(kind, NdrReader(again)) == value


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.text(), st.integers(0, 2**32 - 1), st.none() | st.text())))
def test_round_trip(rows: list[tuple[str, int, str | None]]) -> None:
    kind = Switched({1: Pointer(Counted(Array(SHARE_1)))})
    records = [
        {
            "netname": name.partition("\0")[0],
            "type": number,
            "remark": remark and remark.partition("\0")[0],
        }
        for name, number, remark in rows
    ]
    data = marshalled((kind, (1, records)))
    assert read_parameter(kind, NdrReader(data)) == (1, records)
