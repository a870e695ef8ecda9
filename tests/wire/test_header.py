"""The SMB2 header, [MS-SMB2] 2.2.1."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire.smb2.header import (
    COMMAND_NAMES,
    FLAGS_OFFSET,
    NEXT_COMMAND_OFFSET,
    SIGNATURE_OFFSET,
    Command,
    Flags,
    Header,
)

SIGNATURE = bytes(range(16))
SYNC = Header(
    credit_charge=1,
    status=0xC0000022,
    command=Command.READ,
    credits=31,
    flags=Flags.SERVER_TO_REDIR | Flags.SIGNED,
    next_command=0x78,
    message_id=0x1122334455667788,
    async_or_tree=(7 << 32) | 0xFEFF,
    session_id=0x0004040104000001,
    signature=SIGNATURE,
)
SYNC_HEX = (
    "fe534d42 4000 0100 220000c0 0800 1f00 09000000 78000000 8877665544332211"
    f"fffe0000 07000000 0100000401040400 {SIGNATURE.hex()}"
)
ASYNC = Header(
    credit_charge=0,
    status=0x103,
    command=Command.CHANGE_NOTIFY,
    credits=0,
    flags=Flags.SERVER_TO_REDIR | Flags.ASYNC_COMMAND,
    next_command=0,
    message_id=5,
    async_or_tree=0x0102030405060708,
    session_id=1,
)
ASYNC_HEX = (
    "fe534d42 4000 0000 03010000 0f00 0000 03000000 00000000 0500000000000000"
    "0807060504030201 0100000000000000" + "00" * 16
)


@pytest.mark.parametrize(("header", "text"), [(SYNC, SYNC_HEX), (ASYNC, ASYNC_HEX)])
def test_both_ways(header: Header, text: str) -> None:
    data = bytes.fromhex(text)
    assert header.encode().hex() == data.hex()
    assert Header.decode(memoryview(data + b"body")) == header


def test_pack_into() -> None:
    buffer = bytearray(70)
    SYNC.pack_into(buffer, 4)
    assert buffer == bytes(4) + bytes.fromhex(SYNC_HEX) + bytes(2)


def test_tree_id_is_the_upper_half() -> None:
    assert SYNC.tree_id == 7


def test_offsets() -> None:
    data = bytes.fromhex(SYNC_HEX)
    assert data[SIGNATURE_OFFSET:] == SIGNATURE
    assert data[FLAGS_OFFSET] == 9
    assert data[NEXT_COMMAND_OFFSET] == 0x78


def test_truncated() -> None:
    data = bytes.fromhex(SYNC_HEX)
    for length in range(64):
        with pytest.raises(DecodeError):
            Header.decode(memoryview(data[:length]))


@pytest.mark.parametrize(("at", "value"), [(0, 0xFD), (0, 0xFF), (3, 0x43), (4, 0x41), (5, 1)])
def test_wrong_protocol_or_size(at: int, value: int) -> None:
    data = bytearray.fromhex(SYNC_HEX)
    data[at] = value
    with pytest.raises(DecodeError):
        Header.decode(memoryview(data))


def test_command_names_are_in_order() -> None:
    assert len(COMMAND_NAMES) == 20
    assert COMMAND_NAMES[Command.NEGOTIATE] == "NEGOTIATE"
    assert COMMAND_NAMES[Command.OPLOCK_BREAK] == "OPLOCK_BREAK"
    assert COMMAND_NAMES[-1] == "SERVER_TO_CLIENT_NOTIFICATION"


U16, U32, U64 = (st.integers(0, (1 << bits) - 1) for bits in (16, 32, 64))


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.builds(
        Header, U16, U32, U16, U16, U32, U32, U64, U64, U64, st.binary(min_size=16, max_size=16)
    )
)
def test_round_trip(header: Header) -> None:
    assert Header.decode(memoryview(header.encode())) == header
