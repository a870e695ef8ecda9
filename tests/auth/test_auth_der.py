"""The DER reader and writer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.auth.der import Reader, Tag, context_fields, encode, encode_oid, only
from paraph.errors import DecodeError


@pytest.mark.parametrize(
    ("dotted", "content"),
    [
        ("1.3.6.1.5.5.2", "2b0601050502"),
        ("1.3.6.1.4.1.311.2.2.10", "2b06010401823702020a"),
        ("1.3.6.1.4.1.311.2.2.30", "2b06010401823702021e"),
        ("1.2.840.113554.1.2.2", "2a864886f712010202"),
        ("1.2.840.48018.1.2.2", "2a864882f712010202"),
        ("1.2.840.113554.1.2.2.3", "2a864886f71201020203"),
        ("2.5.4.128.0", "5504810000"),
    ],
)
def test_oid(dotted: str, content: str) -> None:
    assert encode_oid(dotted).hex() == content


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, "0400"),
        (127, "047f"),
        (128, "048180"),
        (255, "0481ff"),
        (256, "04820100"),
        (0x10000, "0483010000"),
    ],
)
def test_lengths(length: int, header: str) -> None:
    data = encode(Tag.OCTET_STRING, bytes(length))
    assert data[: len(data) - length].hex() == header
    assert len(only(Tag.OCTET_STRING, memoryview(data), "x")) == length


def test_long_form_of_a_short_length_is_read() -> None:
    """Some Windows encoders always write four octets."""
    assert bytes(only(Tag.OCTET_STRING, memoryview(b"\x04\x84\0\0\0\2hi"), "x")) == b"hi"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "04",
        "0401",
        "040500",
        "0480",  # indefinite length
        "04800000",
        "0485000000000168",  # more than four octets
        "0481",
        "048201",
        "0484ffffffff",
        "1f0100",  # a tag of several bytes
        "04016878",  # trailing byte
        "050168",  # another tag
    ],
)
def test_errors(data: str) -> None:
    with pytest.raises(DecodeError):
        only(Tag.OCTET_STRING, memoryview(bytes.fromhex(data)), "x")


@pytest.mark.parametrize("data", ["0402ff", "1f0100", "bf8101"])
def test_first_value_errors(data: str) -> None:
    with pytest.raises(DecodeError):
        Reader(bytes.fromhex(data)).value("x")


def test_context_fields() -> None:
    data = encode(0xA0, b"a") + encode(0xA2, b"c") + encode(0xA7)
    fields = {n: bytes(v) for n, v in context_fields(memoryview(data), "x").items()}
    assert fields == {0: b"a", 2: b"c", 7: b""}


@pytest.mark.parametrize(
    "data",
    [
        encode(0xA1) + encode(0xA0),
        encode(0xA1) + encode(0xA1),
        encode(Tag.OCTET_STRING),
        encode(0xA0) + b"\xa1",
        encode(0xE0),
    ],
)
def test_context_field_errors(data: bytes) -> None:
    with pytest.raises(DecodeError):
        context_fields(memoryview(data), "x")


def test_deep_nesting_is_not_followed() -> None:
    data = b""
    for _ in range(3000):
        data = encode(Tag.SEQUENCE, data)
    assert len(only(Tag.SEQUENCE, memoryview(data), "x")) > 6000


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60))
def test_arbitrary_bytes(data: bytes) -> None:
    reader = Reader(data)
    try:
        while not reader.at_end:
            reader.value("x")
        context_fields(memoryview(data), "x")
    except DecodeError:
        pass
