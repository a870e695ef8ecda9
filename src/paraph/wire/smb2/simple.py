"""Bodies that several commands share: the empty ones and the one that is a single buffer."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import HEADER_SIZE, fixed, window

_EMPTY = Struct("<H2x")  # StructureSize, Reserved
_EMPTY_SIZE = 4
_EMPTY_BODY = _EMPTY.pack(_EMPTY_SIZE)


@dataclass(slots=True)
class EmptyBody:
    """StructureSize 4 and a reserved field, nothing else."""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        fixed(_EMPTY, _EMPTY_SIZE, message, cls.__name__)
        return cls()

    def encode(self) -> bytes:
        return _EMPTY_BODY


class LogoffRequest(EmptyBody):
    """SMB2 LOGOFF Request, [MS-SMB2] 2.2.7."""

    __slots__ = ()


class LogoffResponse(EmptyBody):
    """SMB2 LOGOFF Response, [MS-SMB2] 2.2.8."""

    __slots__ = ()


class TreeDisconnectRequest(EmptyBody):
    """SMB2 TREE_DISCONNECT Request, [MS-SMB2] 2.2.11."""

    __slots__ = ()


class TreeDisconnectResponse(EmptyBody):
    """SMB2 TREE_DISCONNECT Response, [MS-SMB2] 2.2.12."""

    __slots__ = ()


class FlushResponse(EmptyBody):
    """SMB2 FLUSH Response, [MS-SMB2] 2.2.18."""

    __slots__ = ()


class LockResponse(EmptyBody):
    """SMB2 LOCK Response, [MS-SMB2] 2.2.27."""

    __slots__ = ()


class EchoRequest(EmptyBody):
    """SMB2 ECHO Request, [MS-SMB2] 2.2.28."""

    __slots__ = ()


class EchoResponse(EmptyBody):
    """SMB2 ECHO Response, [MS-SMB2] 2.2.29."""

    __slots__ = ()


class CancelRequest(EmptyBody):
    """SMB2 CANCEL Request, [MS-SMB2] 2.2.30. There is no response."""

    __slots__ = ()


_OUTPUT = Struct("<HHI")  # StructureSize, OutputBufferOffset, OutputBufferLength
_OUTPUT_SIZE = 9
_OUTPUT_END = HEADER_SIZE + _OUTPUT.size
OUTPUT_BUFFER_FIXED = _OUTPUT.size
"""Bytes in front of the buffer in the body of an `OutputBuffer` response."""


@dataclass(slots=True)
class OutputBuffer:
    """StructureSize 9 and one buffer, the form of three responses."""

    buffer: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or the buffer lies outside."""
        offset, length = fixed(_OUTPUT, _OUTPUT_SIZE, message, cls.__name__)
        return cls(window(message, offset, length, _OUTPUT_END, "OutputBuffer"))

    def encode(self) -> bytes:
        size = len(self.buffer)
        return b"".join((_OUTPUT.pack(_OUTPUT_SIZE, _OUTPUT_END, size), self.buffer))

    @staticmethod
    def pack_into(reply: bytearray | memoryview, offset: int, length: int) -> None:
        """Write the fixed part alone, OUTPUT_BUFFER_FIXED bytes, at `offset` of `reply`, which is
        the end of the header. The `length` bytes of the buffer belong right behind it."""
        _OUTPUT.pack_into(reply, offset, _OUTPUT_SIZE, _OUTPUT_END, length)
