"""Strings on the wire: UTF-16LE, without a terminating NUL ([MS-SMB2] 2.2)."""

from __future__ import annotations

from paraph.errors import DecodeError


def decode_utf16(data: memoryview | bytes) -> str:
    """The text of UTF-16LE bytes.

    Lone surrogates are legal in NTFS names: they are kept, so that the rules for names decide
    about them and not the codec. Raises DecodeError for an odd number of bytes.
    """
    if len(data) & 1:
        raise DecodeError(f"UTF-16 string of {len(data)} bytes")
    return str(data, "utf-16-le", "surrogatepass")


def encode_utf16(text: str) -> bytes:
    """The UTF-16LE bytes of `text`, lone surrogates included."""
    return text.encode("utf-16-le", "surrogatepass")
