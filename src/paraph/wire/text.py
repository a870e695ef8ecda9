"""Strings on the wire: UTF-16LE, without a terminating NUL ([MS-SMB2] 2.2), and the upper case that
Windows compares names in."""

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


def upcase(text: str) -> str:
    """Upper case one UTF-16 unit at a time, as Windows does it: nothing grows ("ß" stays "ß")."""
    if text.isascii():
        return text.upper()
    return "".join(map(_upcase_one, text))


def _upcase_one(char: str) -> str:
    upper = char.upper()
    return upper if len(upper) == 1 and char <= "\uffff" else char
