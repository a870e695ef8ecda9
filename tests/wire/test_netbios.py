"""Framing and the NetBIOS session service: [MS-SMB2] 2.1, RFC 1001 14.1, RFC 1002 4.1 and 4.3."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire.netbios import (
    KEEPALIVE,
    MAX_FRAME_LENGTH,
    POSITIVE_SESSION_RESPONSE,
    SMB_SERVER,
    NameSuffix,
    NegativeSessionResponse,
    NetBIOSName,
    RetargetSessionResponse,
    SessionError,
    SessionPacketType,
    SessionRequest,
    decode_frame_header,
    decode_packet_header,
    encode_frame,
    pack_frame_header,
)

# RFC 1001 14.1 encodes "FRED            " in the scope NETBIOS.COM
FRED = "EGFCEFEECACACACACACACACACACACACA"


@pytest.mark.parametrize(
    ("text", "length"),
    [("00000000", 0), ("00000040", 64), ("00010203", 0x010203), ("00ffffff", 0xFFFFFF)],
)
def test_frame_header(text: str, length: int) -> None:
    header = bytes.fromhex(text)
    assert decode_frame_header(header) == length
    buffer = bytearray(b"\xaa" * 6)
    pack_frame_header(buffer, length, 1)
    assert buffer == b"\xaa" + header + b"\xaa"


@pytest.mark.parametrize("text", ["", "00", "000000", "01000000", "85000000", "ff534d42"])
def test_malformed_frame_header(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_frame_header(bytes.fromhex(text))


@pytest.mark.parametrize("length", [-1, MAX_FRAME_LENGTH + 1])
def test_frame_too_long(length: int) -> None:
    with pytest.raises(ValueError):
        pack_frame_header(bytearray(4), length)


def test_frame() -> None:
    assert encode_frame(b"message") == b"\0\0\0\x07message"


def test_packet_header() -> None:
    assert decode_packet_header(KEEPALIVE) == (SessionPacketType.KEEPALIVE, 0)
    assert decode_packet_header(POSITIVE_SESSION_RESPONSE) == (
        SessionPacketType.POSITIVE_RESPONSE,
        0,
    )
    assert decode_packet_header(bytes.fromhex("00010000")) == (SessionPacketType.MESSAGE, 0x10000)
    with pytest.raises(DecodeError):
        decode_packet_header(b"\x85\0\0")


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        # blank as 16th byte, as in the RFC
        (
            NetBIOSName("FRED", 0x20, "NETBIOS.COM"),
            b"\x20" + FRED.encode() + b"\x07NETBIOS\x03COM\0",
        ),
        (NetBIOSName("FRED", 0x20), b"\x20" + FRED.encode() + b"\0"),
        (
            NetBIOSName(SMB_SERVER, NameSuffix.SERVER),
            b"\x20CKFDENECFDEFFCFGEFFCCACACACACACA\0",
        ),
        (NetBIOSName("", 0xFF), b"\x20" + b"CA" * 15 + b"PP\0"),
    ],
)
def test_name(name: NetBIOSName, encoded: bytes) -> None:
    assert name.encode() == encoded
    assert NetBIOSName.decode(memoryview(b"xx" + encoded + b"yy"), 2) == (name, 2 + len(encoded))
    for length in range(len(encoded)):
        with pytest.raises(DecodeError):
            NetBIOSName.decode(memoryview(encoded[:length]))


@pytest.mark.parametrize(
    "encoded",
    [
        b"\0",
        b"\x1f" + b"A" * 31 + b"\0",
        b"\x21" + b"A" * 33 + b"\0",
        b"\x20" + b"A" * 31 + b"Q\0",
        b"\x20" + b"A" * 31 + b"@\0",
        b"\xc0\x0c",  # pointers belong to the name service
        b"\x20" + b"A" * 32 + b"\xc0\x0c",
        b"\x20" + b"A" * 32 + b"\x40" + b"x" * 64 + b"\0",
        b"\x20" + b"A" * 32 + b"\x01x" * 111 + b"\0",  # 256 bytes
    ],
)
def test_malformed_name(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        NetBIOSName.decode(memoryview(encoded))


def test_longest_scope() -> None:
    name = NetBIOSName("A", 0, ".".join(["x"] * 110))
    assert len(name.encode()) == 254
    assert NetBIOSName.decode(memoryview(name.encode())) == (name, 254)


@pytest.mark.parametrize(
    "name",
    [
        NetBIOSName("SIXTEEN-LETTERS!"),
        NetBIOSName("A", 0, "x" * 64),
        NetBIOSName("A", 0, ".".join(["x"] * 111)),
    ],
)
def test_name_that_does_not_fit(name: NetBIOSName) -> None:
    with pytest.raises(ValueError):
        name.encode()


SERVER, CLIENT = NetBIOSName(SMB_SERVER, NameSuffix.SERVER), NetBIOSName("FRED", 0x20)
PACKETS: list[tuple[Any, bytes]] = [
    (
        SessionRequest(SERVER, CLIENT),
        b"\x81\0\0\x44\x20CKFDENECFDEFFCFGEFFCCACACACACACA\0\x20" + FRED.encode() + b"\0",
    ),
    (NegativeSessionResponse(SessionError.CALLED_NAME_NOT_PRESENT), b"\x83\0\0\x01\x82"),
    (
        RetargetSessionResponse(bytes((192, 0, 2, 1)), 139),
        b"\x84\0\0\x06\xc0\x00\x02\x01\x00\x8b",
    ),
]


@pytest.mark.parametrize(("packet", "data"), PACKETS)
def test_packets(packet: Any, data: bytes) -> None:
    assert packet.encode() == data
    assert type(packet).decode(memoryview(data)) == packet
    bad = [data[:length] for length in range(len(data))]
    bad += [data + b"\0", b"\x85" + data[1:], data[:3] + bytes((data[3] + 1,)) + data[4:] + b"\0"]
    for each in bad:
        with pytest.raises(DecodeError):
            type(packet).decode(memoryview(each))


@pytest.mark.parametrize("kind", [type(packet) for packet, _ in PACKETS])
def test_arbitrary_packets(kind: Any) -> None:
    @settings(max_examples=60, deadline=None, database=None)
    @given(st.binary(max_size=100))
    def check(data: bytes) -> None:
        first = PACKETS[[type(p) for p, _ in PACKETS].index(kind)][1][:1]
        framed = first + len(data).to_bytes(3, "big") + data
        for each in (data, framed):
            try:
                kind.decode(memoryview(each))
            except DecodeError:
                pass

    check()


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.text(st.characters(max_codepoint=255), max_size=15).map(lambda text: text.rstrip(" ")),
    st.integers(0, 255),
    st.lists(st.text("abc", min_size=1, max_size=9), max_size=5).map(".".join),
)
def test_name_round_trip(name: str, suffix: int, scope: str) -> None:
    value = NetBIOSName(name, suffix, scope)
    encoded = value.encode()
    assert NetBIOSName.decode(memoryview(encoded)) == (value, len(encoded))
