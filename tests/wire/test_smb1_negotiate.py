"""SMB_COM_NEGOTIATE, [MS-CIFS] 2.2.3.1 and 2.2.4.52."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire.smb1.negotiate import (
    COM_NEGOTIATE,
    DialectString,
    Flags,
    Flags2,
    Header,
    NegotiateRequest,
    NegotiateResponse,
    refusal,
)

HEADER = Header(
    COM_NEGOTIATE,
    0xC0000022,
    Flags.CASE_INSENSITIVE | Flags.CANONICALIZED_PATHS,
    Flags2.UNICODE | Flags2.NT_STATUS | Flags2.LONG_NAMES,
    pid_high=0x0102,
    security_features=b"12345678",
    tid=0x0304,
    pid_low=0x0506,
    uid=0x0708,
    mid=0x090A,
)
HEADER_HEX = "ff534d42 72 220000c0 18 01c0 0201 3132333435363738 0000 0403 0605 0807 0a09"
REQUEST = NegotiateRequest(
    [DialectString.NT_LM_0_12, DialectString.SMB_2_002, DialectString.SMB_2_WILDCARD]
)
REQUEST_BODY = b"\0\x22\0\x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0"


def test_header_both_ways() -> None:
    data = bytes.fromhex(HEADER_HEX)
    assert len(data) == 32
    assert HEADER.encode().hex() == data.hex()
    assert Header.decode(memoryview(data + b"body")) == HEADER


def test_malformed_header() -> None:
    data = bytes.fromhex(HEADER_HEX)
    for bad in [data[:length] for length in range(32)] + [b"\xfe" + data[1:]]:
        with pytest.raises(DecodeError):
            Header.decode(memoryview(bad))


def test_request_both_ways() -> None:
    assert REQUEST.encode() == REQUEST_BODY
    message = bytes(32) + REQUEST_BODY
    assert NegotiateRequest.decode(memoryview(message)) == REQUEST
    for length in range(len(message)):
        with pytest.raises(DecodeError):
            NegotiateRequest.decode(memoryview(message[:length]))


@pytest.mark.parametrize(
    "body",
    [
        b"\x01\0\0\0\0",  # WordCount
        b"\0\x04\0\x02ab",  # ByteCount beyond the message
        b"\0\x03\0\x02ab",  # no end of string
        b"\0\x04\0\x02ab\0"[:-1] + b"c",
        b"\0\x04\0\x03ab\0",  # BufferFormat
        b"\0\x06\0\x02a\0ab\0",
        b"\0\x01\0\x02",
        b"\0\xc3\0" + b"\x02a\0" * 65,  # too many
    ],
)
def test_malformed_request(body: bytes) -> None:
    with pytest.raises(DecodeError):
        NegotiateRequest.decode(memoryview(bytes(32) + body))


def test_no_dialect_at_all() -> None:
    assert NegotiateRequest.decode(memoryview(bytes(35))) == NegotiateRequest([])


def test_sixty_four_dialects() -> None:
    request = NegotiateRequest(["a"] * 64)
    assert NegotiateRequest.decode(memoryview(bytes(32) + request.encode())) == request


def test_bytes_behind_the_dialects_are_ignored() -> None:
    assert NegotiateRequest.decode(memoryview(bytes(32) + REQUEST_BODY + b"x")) == REQUEST


def test_response_both_ways() -> None:
    assert NegotiateResponse().encode() == bytes.fromhex("01 ffff 0000")
    message = bytes(32) + bytes.fromhex("01 0500 0000")
    assert NegotiateResponse.decode(memoryview(message)) == NegotiateResponse(5)
    for length in range(len(message)):
        with pytest.raises(DecodeError):
            NegotiateResponse.decode(memoryview(message[:length]))
    with pytest.raises(DecodeError):
        NegotiateResponse.decode(memoryview(bytes(32) + bytes.fromhex("11 0500 0000")))


def test_refusal() -> None:
    asked = Header.decode(memoryview(bytes.fromhex(HEADER_HEX)))
    asked.flags2 |= Flags2.SECURITY_SIGNATURE_REQUIRED
    message = refusal(asked)
    assert message == bytes.fromhex(
        "ff534d42 72 00000000 98 01c0 0201 0000000000000000 0000 0403 0605 0807 0a09 01 ffff 0000"
    )


@pytest.mark.parametrize("kind", [Header, NegotiateRequest, NegotiateResponse])
def test_arbitrary_bytes(kind: Any) -> None:
    @settings(max_examples=60, deadline=None, database=None)
    @given(st.binary(max_size=80), st.booleans())
    def check(data: bytes, header: bool) -> None:
        message = bytes(32) + bytes((0, len(data), 0)) + data if header else data
        try:
            kind.decode(memoryview(message))
        except DecodeError:
            pass

    check()


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=9), max_size=9))
def test_round_trip(dialects: list[str]) -> None:
    request = NegotiateRequest(dialects)
    assert NegotiateRequest.decode(memoryview(bytes(32) + request.encode())) == request
