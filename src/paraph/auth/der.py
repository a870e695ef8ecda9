"""The little of DER ([X.690]) that SPNEGO needs: definite lengths, one-byte tags, no recursion.

A `Reader` walks the values at one level; a constructed value is entered by making a `Reader` of
its content, so the depth is what the calling code spells out, never what the peer sends.
"""

from __future__ import annotations

from paraph.errors import DecodeError


class Tag:
    """Identifier octets, [X.690] 8.1.2."""

    OCTET_STRING = 0x04
    OID = 0x06
    ENUMERATED = 0x0A
    GENERAL_STRING = 0x1B
    SEQUENCE = 0x30
    APPLICATION_0 = 0x60
    CONTEXT_0 = 0xA0  #: [0] constructed; [n] is this plus n


_LONG_FORM = 0x80
_MAX_LENGTH_OCTETS = 4


class Reader:
    """Reads the values of `data` one after the other."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._offset = 0

    @property
    def at_end(self) -> bool:
        return self._offset == len(self._data)

    def value(self, what: str) -> tuple[int, memoryview]:
        """The next (tag, content). Raises DecodeError."""
        header = self._data[self._offset : self._offset + 2]
        if len(header) < 2:
            raise DecodeError(f"{what}: no value at {self._offset}")
        tag, length = header
        if tag & 0x1F == 0x1F:
            raise DecodeError(f"{what}: a tag of more than one byte at {self._offset}")
        start = self._offset + 2
        if length & _LONG_FORM:
            octets = length & 0x7F
            if not 1 <= octets <= _MAX_LENGTH_OCTETS:
                raise DecodeError(f"{what}: unusable length at {self._offset}")
            length = int.from_bytes(self._data[start : start + octets], "big")
            start += octets
        if length > len(self._data) - start:
            raise DecodeError(f"{what}: {length} bytes at {start}, there are {len(self._data)}")
        self._offset = start + length
        return tag, self._data[start : self._offset]

    def read(self, tag: int, what: str) -> memoryview:
        """The content of the next value, which must have this tag. Raises DecodeError."""
        found, content = self.value(what)
        if found != tag:
            raise DecodeError(f"{what}: tag 0x{found:02X}, expected 0x{tag:02X}")
        return content

    def end(self, what: str) -> None:
        """Raises DecodeError when there is more."""
        if not self.at_end:
            raise DecodeError(f"{what}: {len(self._data) - self._offset} bytes too many")


def only(tag: int, data: memoryview, what: str) -> memoryview:
    """The content of the one value that `data` is. Raises DecodeError."""
    reader = Reader(data)
    content = reader.read(tag, what)
    reader.end(what)
    return content


def context_fields(data: memoryview, what: str) -> dict[int, memoryview]:
    """The content of a SEQUENCE whose elements are all [n] EXPLICIT: n -> content.

    Elements that the caller does not know are its to ignore (the "..." of the definition).
    Raises DecodeError for another tag, and for numbers that do not ascend.
    """
    reader = Reader(data)
    fields: dict[int, memoryview] = {}
    last = -1
    while not reader.at_end:
        tag, content = reader.value(what)
        number = tag - Tag.CONTEXT_0
        if not last < number < 0x1F:
            raise DecodeError(f"{what}: tag 0x{tag:02X} out of place")
        fields[number] = content
        last = number
    return fields


def encode(tag: int, *parts: bytes) -> bytes:
    """One value whose content is the concatenation of `parts`."""
    content = b"".join(parts)
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def encode_oid(dotted: str) -> bytes:
    """The content octets of an OBJECT IDENTIFIER, [X.690] 8.19, for our own constants."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = bytearray()
    for number in (first * 40 + second, *rest):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(number & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return bytes(content)
