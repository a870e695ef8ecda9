"""How records are read and written.

Every message is a slotted dataclass with its section of the specification as docstring, a
precompiled `Struct` for its fixed part, and two methods:

* `decode(message)` reads it from a whole SMB2 message (header included, because offsets in
  [MS-SMB2] count from there) and raises `DecodeError` for anything that does not fit;
* `encode()` returns the body that follows the 64-byte header.

Decoded integers and strings are copies; buffers are memoryviews into the message, valid as long as
it is. Every offset and length that came from the peer goes through `window`.
"""

from __future__ import annotations

from struct import Struct, error
from typing import Any

from paraph.errors import DecodeError

HEADER_SIZE = 64
"""Length of the SMB2 header in bytes ([MS-SMB2] 2.2.1)."""


def unpack(layout: Struct, data: memoryview, offset: int, what: str) -> tuple[int, ...]:
    """`layout.unpack_from` that raises DecodeError when `data` is too short."""
    try:
        return layout.unpack_from(data, offset)
    except error:
        raise DecodeError(
            f"{what} needs {layout.size} bytes at {offset}, message has {len(data)}"
        ) from None


def fixed(layout: Struct, structure_size: int, data: memoryview, what: str) -> tuple[Any, ...]:
    """The fields of a message body whose first field is StructureSize, without that field.

    `layout` begins with the u16 StructureSize and is read at offset 64.
    Raises DecodeError when it is too short or StructureSize is wrong.
    """
    fields = unpack(layout, data, HEADER_SIZE, what)
    if fields[0] != structure_size:
        raise DecodeError(f"{what}: StructureSize {fields[0]}, expected {structure_size}")
    return fields[1:]


def window(data: memoryview, offset: int, length: int, minimum: int, what: str) -> memoryview:
    """`data[offset:offset + length]`, checked; `minimum` is the lowest offset that is allowed
    (the end of the fixed part, so that buffers can not overlap it). A length of 0 is an empty
    view whatever the offset says, as Windows reads it.
    """
    if length == 0:
        return data[:0]
    if offset < minimum or offset + length > len(data):
        raise DecodeError(
            f"{what} at {offset}+{length} lies outside the message ({minimum}..{len(data)})"
        )
    return data[offset : offset + length]
