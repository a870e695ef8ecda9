"""NDR 2.0, the transfer syntax of DCE/RPC ([C706] chapter 14, [MS-RPCE] 2.2.4), little-endian.

A type of the interface definition is an `NdrType` object: `U32`, `Pointer(STRING)`,
`Structure(name=..., type=...)`, `Array(U32)`. It carries no data: it reads a value from an
`NdrReader` and writes one to an `NdrWriter`.

Pointers embedded in a construct are deferred: the construct holds only the referent identifiers,
and the referents follow it, left to right, depth first ([C706] 14.3.12.3). So every type has two
halves: `read`/`write` for what stands in place, `read_referents`/`write_referents` for what its
pointers lead to. A parameter is both, one after the other: `read_parameter`, `write_parameter`.

The maximum count of a conformant array stands before the outermost structure that ends in it
([C706] 14.3.7.2). A type with `conformant` set therefore also has `read_body`/`write_body`, which
take the count that was read, or leave it to have been written, by the structure around.

Values: int; str; bytes; list for an array; dict by field name for a structure (one that is written
may have more keys, or attributes, than the structure has fields); None for a null pointer; for a
union the pair (tag, value of the arm).

Readers raise DecodeError for whatever does not fit, the strict checks of [MS-RPCE] 3.1.1.5.3
included. No count is believed before the bytes for it are known to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Any

from paraph.errors import DecodeError
from paraph.wire.record import unpack
from paraph.wire.text import decode_utf16, encode_utf16

_U32 = Struct("<I")
_FIRST_REFERENT = 0x0002_0000
"""What Windows begins its referent identifiers with; any value but 0 will do."""
MAX_ELEMENTS = 32768
"""Array elements that one request may hold, so that a few bytes do not become many objects."""


class NdrReader:
    """A position in stub data."""

    __slots__ = ("_data", "_elements", "_offset")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._offset = 0
        self._elements = MAX_ELEMENTS  # that may still come

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return max(0, len(self._data) - self._offset)

    def align(self, alignment: int) -> None:
        """Skip to a multiple of `alignment` (a power of two); gaps are ignored on receipt."""
        self._offset = (self._offset + alignment - 1) & -alignment

    def integer(self, layout: Struct) -> int:
        """One aligned primitive."""
        self.align(layout.size)
        value = unpack(layout, self._data, self._offset, "NDR integer")[0]
        self._offset += layout.size
        return value

    def take(self, size: int) -> memoryview:
        """The next `size` bytes."""
        if size > self.remaining:
            raise DecodeError(f"NDR data ends {size - self.remaining} bytes early")
        start = self._offset
        self._offset += size
        return self._data[start : self._offset]

    def count(self) -> int:
        """A maximum, offset or actual count; a claim that nothing is allocated on."""
        return self.integer(_U32)

    def room(self, count: int, minimum: int) -> None:
        """Raise DecodeError unless `count` elements of at least `minimum` bytes can follow."""
        if count * minimum > self.remaining:
            raise DecodeError(f"NDR array of {count} elements in {self.remaining} bytes")
        self._elements -= count
        if self._elements < 0:
            raise DecodeError(f"NDR arrays of more than {MAX_ELEMENTS} elements")


class NdrWriter:
    """Stub data under construction."""

    __slots__ = ("_referent", "data")

    def __init__(self) -> None:
        self.data = bytearray()
        self._referent = _FIRST_REFERENT

    def align(self, alignment: int) -> None:
        """Pad with zeros to a multiple of `alignment`."""
        self.data += bytes(-len(self.data) % alignment)

    def integer(self, layout: Struct, value: int) -> None:
        """One aligned primitive."""
        self.align(layout.size)
        self.data += layout.pack(value)

    def count(self, value: int) -> None:
        """A maximum, offset or actual count."""
        self.integer(_U32, value)

    def referent(self) -> int:
        """A referent identifier that was not used yet."""
        identifier = self._referent
        self._referent += 4
        return identifier


class NdrType:
    """What a value looks like in stub data."""

    alignment: int = 1
    minimum: int = 1  #: bytes the shortest value takes in place, at least 1
    conformant: bool = False
    has_pointers: bool = False

    def read(self, reader: NdrReader) -> Any:
        """The value, its pointers unresolved (True for one that leads somewhere)."""
        return self.read_body(reader, reader.count())

    def read_referents(self, reader: NdrReader, value: Any) -> Any:
        """`value` with its pointers resolved."""
        return value

    def write(self, writer: NdrWriter, value: Any) -> None:
        """Append what stands in place."""
        writer.count(self.maximum_count(value))
        self.write_body(writer, value)

    def write_referents(self, writer: NdrWriter, value: Any) -> None:
        """Append what the pointers in `value` lead to."""

    def read_body(self, reader: NdrReader, maximum: int) -> Any:
        """Conformant types: the value after its maximum count."""
        raise NotImplementedError

    def write_body(self, writer: NdrWriter, value: Any) -> None:
        """Conformant types: append the value without its maximum count."""
        raise NotImplementedError

    def maximum_count(self, value: Any) -> int:
        """Conformant types: the maximum count to send for `value`."""
        raise NotImplementedError


def read_parameter(kind: NdrType, reader: NdrReader) -> Any:
    """One parameter of an operation. A reference pointer is read as what it points to."""
    return kind.read_referents(reader, kind.read(reader))


def write_parameter(kind: NdrType, writer: NdrWriter, value: Any) -> None:
    """One parameter of an operation. A reference pointer is written as what it points to."""
    kind.write(writer, value)
    kind.write_referents(writer, value)


class Integer(NdrType):
    """A primitive of 1, 2, 4 or 8 bytes, aligned to its size ([C706] 14.2.2)."""

    def __init__(self, layout: str) -> None:
        self._layout = Struct(layout)
        self.alignment = self.minimum = self._layout.size

    def read(self, reader: NdrReader) -> int:
        return reader.integer(self._layout)

    def write(self, writer: NdrWriter, value: int) -> None:
        writer.integer(self._layout, value)


U8 = Integer("<B")
U16 = Integer("<H")
U32 = Integer("<I")
I32 = Integer("<i")
U64 = Integer("<Q")
ENUM = U16  #: an enumeration; one that is marked [v1_enum] is a U32 ([MS-RPCE] 2.2.4.6)


class Opaque(NdrType):
    """A fixed number of bytes that are not looked into."""

    def __init__(self, size: int, alignment: int) -> None:
        self.minimum = size
        self.alignment = alignment

    def read(self, reader: NdrReader) -> bytes:
        reader.align(self.alignment)
        return bytes(reader.take(self.minimum))

    def write(self, writer: NdrWriter, value: bytes) -> None:
        writer.align(self.alignment)
        writer.data += value


UUID = Opaque(16, 4)
CONTEXT_HANDLE = Opaque(20, 4)
"""Attributes (u32) and a UUID, all zero for the null handle ([C706] 14.3.12.2, A.2.2)."""


class ConformantBytes(NdrType):
    """`[size_is(n)] unsigned char x[]`, as bytes."""

    alignment = 1
    minimum = 4
    conformant = True

    def read_body(self, reader: NdrReader, maximum: int) -> bytes:
        return bytes(reader.take(maximum))

    def write_body(self, writer: NdrWriter, value: bytes) -> None:
        writer.data += value

    def maximum_count(self, value: bytes) -> int:
        return len(value)


BYTES = ConformantBytes()


class String(NdrType):
    """`[string] wchar_t x[]`: conformant, varying, with a terminating NUL ([C706] 14.3.4)."""

    alignment = 4
    minimum = 12
    conformant = True

    def read_body(self, reader: NdrReader, maximum: int) -> str:
        actual = _actual_count(reader, maximum)
        text = decode_utf16(reader.take(2 * actual))
        if not text.endswith("\0"):
            raise DecodeError("NDR string without its NUL")
        return text.partition("\0")[0]

    def write_body(self, writer: NdrWriter, value: str) -> None:
        writer.count(0)
        writer.count(self.maximum_count(value))
        writer.align(2)
        writer.data += encode_utf16(value + "\0")

    def maximum_count(self, value: str) -> int:
        return len(encode_utf16(value)) // 2 + 1


STRING = String()


def _actual_count(reader: NdrReader, maximum: int) -> int:
    """The offset and actual count of a varying array ([MS-RPCE] 3.1.1.5.3.2.1: the offset is 0,
    the actual count not above the maximum)."""
    offset, actual = reader.count(), reader.count()
    if offset != 0 or actual > maximum:
        raise DecodeError(f"NDR varying array: {offset}+{actual} of {maximum}")
    return actual


class Array(NdrType):
    """`[size_is(n)] T x[]`, and with `varying` `[size_is(n), length_is(m)] T x[]`."""

    conformant = True
    minimum = 4

    def __init__(self, element: NdrType, *, varying: bool = False) -> None:
        self._element = element
        self._varying = varying
        self.has_pointers = element.has_pointers
        self.alignment = max(4, element.alignment) if varying else element.alignment

    def read_body(self, reader: NdrReader, maximum: int) -> list[Any]:
        count = _actual_count(reader, maximum) if self._varying else maximum
        reader.room(count, self._element.minimum)
        return [self._element.read(reader) for _ in range(count)]

    def read_referents(self, reader: NdrReader, value: list[Any]) -> list[Any]:
        if not self.has_pointers:
            return value
        return [self._element.read_referents(reader, item) for item in value]

    def write_body(self, writer: NdrWriter, value: list[Any]) -> None:
        if self._varying:
            writer.count(0)
            writer.count(len(value))
        for item in value:
            self._element.write(writer, item)

    def write_referents(self, writer: NdrWriter, value: list[Any]) -> None:
        if self.has_pointers:
            for item in value:
                self._element.write_referents(writer, item)

    def maximum_count(self, value: list[Any]) -> int:
        return len(value)


class VaryingArray(NdrType):
    """`[length_is(n)] T x[maximum]`: the bound is in the definition, not in the stream."""

    alignment = 4
    minimum = 8

    def __init__(self, element: NdrType, maximum: int) -> None:
        self._array = Array(element, varying=True)
        self._maximum = maximum
        self.has_pointers = element.has_pointers

    def read(self, reader: NdrReader) -> list[Any]:
        return self._array.read_body(reader, self._maximum)

    def read_referents(self, reader: NdrReader, value: list[Any]) -> list[Any]:
        return self._array.read_referents(reader, value)

    def write(self, writer: NdrWriter, value: list[Any]) -> None:
        self._array.write_body(writer, value)

    def write_referents(self, writer: NdrWriter, value: list[Any]) -> None:
        self._array.write_referents(writer, value)


class Pointer(NdrType):
    """`[unique] T*`: a referent identifier, 0 for null ([C706] 14.3.10, 14.3.11)."""

    alignment = 4
    minimum = 4
    has_pointers = True

    def __init__(self, target: NdrType) -> None:
        self._target = target

    def read(self, reader: NdrReader) -> bool | None:
        return True if reader.integer(_U32) else None

    def read_referents(self, reader: NdrReader, value: bool | None) -> Any:
        return read_parameter(self._target, reader) if value else None

    def write(self, writer: NdrWriter, value: Any) -> None:
        writer.integer(_U32, 0 if value is None else writer.referent())

    def write_referents(self, writer: NdrWriter, value: Any) -> None:
        if value is not None:
            write_parameter(self._target, writer, value)


UNIQUE_STRING = Pointer(STRING)


class Structure(NdrType):
    """A structure; the keywords are its fields in order. Only the last may be conformant."""

    def __init__(self, **fields: NdrType) -> None:
        self._fields = tuple(fields.items())
        last = self._fields[-1][1]
        self.conformant = last.conformant
        self.has_pointers = any(kind.has_pointers for _, kind in self._fields)
        self.alignment = max(kind.alignment for _, kind in self._fields)
        self.minimum = sum(kind.minimum for _, kind in self._fields)

    def read(self, reader: NdrReader) -> dict[str, Any]:
        return self.read_body(reader, reader.count() if self.conformant else 0)

    def read_body(self, reader: NdrReader, maximum: int) -> dict[str, Any]:
        reader.align(self.alignment)
        return {
            name: kind.read_body(reader, maximum) if kind.conformant else kind.read(reader)
            for name, kind in self._fields
        }

    def read_referents(self, reader: NdrReader, value: dict[str, Any]) -> dict[str, Any]:
        if not self.has_pointers:
            return value
        return {name: kind.read_referents(reader, value[name]) for name, kind in self._fields}

    def write(self, writer: NdrWriter, value: Any) -> None:
        if self.conformant:
            writer.count(self.maximum_count(value))
        self.write_body(writer, value)

    def write_body(self, writer: NdrWriter, value: Any) -> None:
        writer.align(self.alignment)
        for name, kind in self._fields:
            if kind.conformant:
                kind.write_body(writer, _field(value, name))
            else:
                kind.write(writer, _field(value, name))

    def write_referents(self, writer: NdrWriter, value: Any) -> None:
        if self.has_pointers:
            for name, kind in self._fields:
                kind.write_referents(writer, _field(value, name))

    def maximum_count(self, value: Any) -> int:
        name, kind = self._fields[-1]
        return kind.maximum_count(_field(value, name))


def _field(value: Any, name: str) -> Any:
    return value[name] if isinstance(value, Mapping) else getattr(value, name)


class Counted(NdrType):
    """`DWORD n; [size_is(n)] T* buffer`: the container of every list of Microsoft's interfaces.

    The value is that of `array` (a list, or bytes for BYTES), or None where the pointer is null;
    a null buffer with a count other than 0 is refused ([MS-RPCE] 3.1.1.5.3.3.1.2).
    """

    alignment = 4
    minimum = 8
    has_pointers = True

    def __init__(self, array: NdrType) -> None:
        self._array = array
        self._pointer = Pointer(array)

    def read(self, reader: NdrReader) -> int | None:
        reader.align(4)
        count = reader.count()
        if self._pointer.read(reader):
            return count
        if count:
            raise DecodeError(f"NDR array of {count} elements behind a null pointer")
        return None

    def read_referents(self, reader: NdrReader, value: int | None) -> Any:
        if value is None:
            return None
        array = read_parameter(self._array, reader)
        if len(array) != value:
            raise DecodeError(f"NDR array of {len(array)} elements where {value} were announced")
        return array

    def write(self, writer: NdrWriter, value: Any) -> None:
        writer.count(0 if value is None else len(value))
        self._pointer.write(writer, value)

    def write_referents(self, writer: NdrWriter, value: Any) -> None:
        self._pointer.write_referents(writer, value)


class Union(NdrType):
    """A union that is not encapsulated: its tag and one arm ([C706] 14.3.8). Tags without an arm
    of their own take the default arm, which is empty; its value is None."""

    def __init__(self, arms: Mapping[int, NdrType], tag: Integer = U32) -> None:
        self._arms = arms
        self._tag = tag
        self._arm_alignment = max(arm.alignment for arm in arms.values())
        self.alignment = max(tag.alignment, self._arm_alignment)
        self.minimum = tag.minimum
        self.has_pointers = any(arm.has_pointers for arm in arms.values())

    def read(self, reader: NdrReader) -> tuple[int, Any]:
        tag = self._tag.read(reader)
        arm = self._arms.get(tag)
        if arm is None:
            return tag, None
        reader.align(self._arm_alignment)
        return tag, arm.read(reader)

    def read_referents(self, reader: NdrReader, value: tuple[int, Any]) -> tuple[int, Any]:
        tag, content = value
        arm = self._arms.get(tag)
        return tag, None if arm is None else arm.read_referents(reader, content)

    def write(self, writer: NdrWriter, value: tuple[int, Any]) -> None:
        tag, content = value
        self._tag.write(writer, tag)
        arm = self._arms.get(tag)
        if arm is not None:
            writer.align(self._arm_alignment)
            arm.write(writer, content)

    def write_referents(self, writer: NdrWriter, value: tuple[int, Any]) -> None:
        tag, content = value
        arm = self._arms.get(tag)
        if arm is not None:
            arm.write_referents(writer, content)


class Switched(Union):
    """`DWORD level; [switch_is(level)] union`: the level is sent twice and must agree."""

    def __init__(self, arms: Mapping[int, NdrType]) -> None:
        super().__init__(arms)
        self.minimum += U32.minimum

    def read(self, reader: NdrReader) -> tuple[int, Any]:
        reader.align(self.alignment)
        level = U32.read(reader)
        value = super().read(reader)
        if value[0] != level:
            raise DecodeError(f"NDR union with tag {value[0]} where {level} was announced")
        return value

    def write(self, writer: NdrWriter, value: tuple[int, Any]) -> None:
        writer.align(self.alignment)
        U32.write(writer, value[0])
        super().write(writer, value)
