"""What the structures of [MS-FSCC] share: the two kinds of record, chains of entries, UTF-16 names.

A record is a slotted dataclass whose fields bear the names of the specification. `encode()` gives
its bytes, `decode(data)` reads it from the start of `data`, ignores what follows, and raises
`DecodeError` if it does not fit. Reserved fields are written as zero and ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from struct import Struct
from typing import Any, ClassVar, Self

from paraph.errors import DecodeError
from paraph.wire.record import unpack, window

U32 = Struct("<I")
NO_LIMIT = 0x7FFF_FFFF


def encode_utf16(text: str) -> bytes:
    """UTF-16LE; a lone surrogate is kept, because names of files may hold one."""
    return text.encode("utf-16-le", "surrogatepass")


def decode_utf16(data: memoryview, what: str) -> str:
    """The inverse of `encode_utf16`. Raises DecodeError if the number of bytes is odd."""
    if len(data) % 2:
        raise DecodeError(f"{what} has an odd length, {len(data)} bytes")
    return str(data, "utf-16-le", "surrogatepass")


def read_name(data: memoryview, offset: int, length: int) -> str:
    """The UTF-16 string of `length` bytes at `offset`. Raises DecodeError."""
    return decode_utf16(window(data, offset, length, offset, "name"), "name")


class FixedRecord:
    """A record of fixed size: a subclass names its `LAYOUT` and annotates its fields in that order;
    reserved bytes are padding in the layout. Booleans are `?`: any value but 0 is true
    ([MS-FSCC] 2.1.8)."""

    __slots__ = ()
    LAYOUT: ClassVar[Struct]
    _values: ClassVar[Callable[[Any], tuple[Any, ...]]]

    def __init_subclass__(cls) -> None:
        names = tuple(cls.__annotations__)
        if len(names) == 1:
            (name,) = names
            cls._values = lambda record: (getattr(record, name),)
        else:
            cls._values = attrgetter(*names)

    def encode(self) -> bytes:
        return self.LAYOUT.pack(*type(self)._values(self))

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """Raises DecodeError if `data` is too short."""
        return cls(*unpack(cls.LAYOUT, data, 0, cls.__name__))


class ListRecord:
    """A record that comes in chains linked by NextEntryOffset, its first field."""

    __slots__ = ()
    MINIMUM: ClassVar[int]  #: size of the fixed part
    ALIGNMENT: ClassVar[int]  #: of each entry but the first, in bytes

    def encode(self) -> bytes:
        """One entry, unpadded, with a NextEntryOffset of 0."""
        raise NotImplementedError

    @classmethod
    def decode(cls, data: memoryview) -> Self:
        """One entry from the start of `data`. Raises DecodeError."""
        raise NotImplementedError

    @classmethod
    def decode_list(cls, data: memoryview) -> list[Self]:
        """All entries; none if `data` is empty. Raises DecodeError."""
        return [cls.decode(entry) for entry in split_entries(data, cls.MINIMUM, cls.__name__)]

    @classmethod
    def encode_list(cls, records: Iterable[Self]) -> bytes:
        """All entries, linked and aligned, without padding after the last."""
        return cls.encode_fitting(records, NO_LIMIT)[0]

    @classmethod
    def encode_fitting(cls, records: Iterable[Self], limit: int) -> tuple[bytes, int]:
        """As many whole entries as fit in `limit` bytes, and how many they are."""
        return join_entries((record.encode() for record in records), cls.ALIGNMENT, limit)


def join_entries(entries: Iterable[bytes], alignment: int, limit: int) -> tuple[bytes, int]:
    """Chain encoded entries by their NextEntryOffset, stopping before the first that would pass
    `limit` bytes; the buffer and the number of entries in it."""
    buffer = bytearray()
    previous = count = 0
    for entry in entries:
        padding = -len(buffer) % alignment
        start = len(buffer) + padding
        if start + len(entry) > limit:
            break
        buffer += bytes(padding)
        buffer += entry
        if count:
            U32.pack_into(buffer, previous, start - previous)
        previous = start
        count += 1
    return bytes(buffer), count


def split_entries(data: memoryview, minimum: int, what: str) -> Iterator[memoryview]:
    """The entries of a chain, each cut where the next begins. Every entry has at least `minimum`
    bytes, so the chain ends. Raises DecodeError."""
    offset = 0
    total = len(data)
    while offset < total:
        if total - offset < minimum:
            raise DecodeError(f"{what} needs {minimum} bytes at {offset} of {total}")
        (next_offset,) = U32.unpack_from(data, offset)
        if next_offset == 0:
            yield data[offset:]
            return
        if next_offset < minimum or offset + next_offset >= total:
            raise DecodeError(f"{what}: NextEntryOffset {next_offset} at {offset} of {total}")
        yield data[offset : offset + next_offset]
        offset += next_offset
