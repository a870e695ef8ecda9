"""READ, WRITE and FLUSH, [MS-SMB2] 2.2.17 to 2.2.22."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.errors import DecodeError
from paraph.wire.record import HEADER_SIZE, fixed, window


class Channel:
    """The Channel field of READ and WRITE, [MS-SMB2] 2.2.19 and 2.2.21."""

    NONE = 0x00000000
    RDMA_V1 = 0x00000001
    RDMA_V1_INVALIDATE = 0x00000002
    RDMA_TRANSFORM = 0x00000003


class ReadFlags:
    """Flags of the READ request, [MS-SMB2] 2.2.19."""

    READ_UNBUFFERED = 0x01
    REQUEST_COMPRESSED = 0x02


class ReadResponseFlags:
    """Flags of the READ response in 3.1.1, [MS-SMB2] 2.2.20."""

    NONE = 0x00000000
    RDMA_TRANSFORM = 0x00000001


class WriteFlags:
    """Flags of the WRITE request, [MS-SMB2] 2.2.21."""

    WRITE_THROUGH = 0x00000001
    WRITE_UNBUFFERED = 0x00000002


_FLUSH = Struct("<H6xQQ")  # StructureSize, Reserved1, Reserved2, FileId
_FLUSH_SIZE = 24
# StructureSize, Padding, Flags, Length, Offset, FileId, MinimumCount, Channel, RemainingBytes,
# ReadChannelInfoOffset, ReadChannelInfoLength
_READ = Struct("<HBBIQQQIIIHH")
_READ_SIZE = 49
_READ_END = HEADER_SIZE + _READ.size
# StructureSize, DataOffset, Reserved, DataLength, DataRemaining, Flags
_READ_RESPONSE = Struct("<HBxIII")
_READ_RESPONSE_SIZE = 17
_READ_RESPONSE_END = HEADER_SIZE + _READ_RESPONSE.size
# StructureSize, DataOffset, Length, Offset, FileId, Channel, RemainingBytes,
# WriteChannelInfoOffset, WriteChannelInfoLength, Flags
_WRITE = Struct("<HHIQQQIIHHI")
_WRITE_SIZE = 49
_WRITE_END = HEADER_SIZE + _WRITE.size
_MAX_DATA_OFFSET = 0x100
# StructureSize, Reserved, Count, and 8 more bytes that are reserved
_WRITE_RESPONSE = Struct("<H2xI8x")
_WRITE_RESPONSE_SIZE = 17

READ_RESPONSE_SIZE = _READ_RESPONSE.size
"""Bytes from the end of the header to the data of a READ response that we send."""
WRITE_REQUEST_SIZE = _WRITE.size
"""Bytes from the end of the header to the data of a WRITE request that we send."""


@dataclass(slots=True)
class FlushRequest:
    """SMB2 FLUSH Request, [MS-SMB2] 2.2.17."""

    persistent_id: int = 0
    volatile_id: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_FLUSH, _FLUSH_SIZE, message, "FLUSH request"))

    def encode(self) -> bytes:
        return _FLUSH.pack(_FLUSH_SIZE, self.persistent_id, self.volatile_id)


@dataclass(slots=True)
class ReadRequest:
    """SMB2 READ Request, [MS-SMB2] 2.2.19. `length`, `offset`, `minimum_count` and
    `remaining_bytes` are bytes; `padding` is where the client would like the data, counted from
    the header. `read_channel_info` is empty when `channel` is NONE, whatever was sent.
    """

    padding: int = _READ_RESPONSE_END
    flags: int = 0
    length: int = 0
    offset: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    minimum_count: int = 0
    channel: int = Channel.NONE
    remaining_bytes: int = 0
    read_channel_info: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong, or a buffer lies outside."""
        (
            padding,
            flags,
            length,
            offset,
            persistent_id,
            volatile_id,
            minimum,
            channel,
            remaining,
            info_offset,
            info_length,
        ) = fixed(_READ, _READ_SIZE, message, "READ request")
        info: memoryview | bytes = b""
        if channel != Channel.NONE:
            info = window(message, info_offset, info_length, _READ_END, "ReadChannelInfo")
        return cls(
            padding,
            flags,
            length,
            offset,
            persistent_id,
            volatile_id,
            minimum,
            channel,
            remaining,
            info,
        )

    def encode(self) -> bytes:
        info = self.read_channel_info
        body = _READ.pack(
            _READ_SIZE,
            self.padding,
            self.flags,
            self.length,
            self.offset,
            self.persistent_id,
            self.volatile_id,
            self.minimum_count,
            self.channel,
            self.remaining_bytes,
            _READ_END if info else 0,
            len(info),
        )
        return b"".join((body, info or b"\0"))


@dataclass(slots=True)
class ReadResponse:
    """SMB2 READ Response, [MS-SMB2] 2.2.20. `data_remaining` is bytes; `flags` is of
    ReadResponseFlags (3.1.1)."""

    data_remaining: int = 0
    flags: int = 0
    data: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong, or the data lies outside."""
        offset, length, remaining, flags = fixed(
            _READ_RESPONSE, _READ_RESPONSE_SIZE, message, "READ response"
        )
        return cls(remaining, flags, window(message, offset, length, _READ_RESPONSE_END, "Data"))

    def encode(self) -> bytes:
        body = _READ_RESPONSE.pack(
            _READ_RESPONSE_SIZE,
            _READ_RESPONSE_END,
            len(self.data),
            self.data_remaining,
            self.flags,
        )
        return b"".join((body, self.data))

    @staticmethod
    def pack_into(
        buffer: bytearray | memoryview, offset: int, data_length: int, data_remaining: int = 0
    ) -> None:
        """Write the fixed part alone, READ_RESPONSE_SIZE bytes, at `offset` of `buffer`, which is
        the end of the header. The `data_length` bytes of data belong right behind it: a server
        reads the file straight into that place."""
        _READ_RESPONSE.pack_into(
            buffer, offset, _READ_RESPONSE_SIZE, _READ_RESPONSE_END, data_length, data_remaining, 0
        )


@dataclass(slots=True)
class WriteRequest:
    """SMB2 WRITE Request, [MS-SMB2] 2.2.21. `offset` and `remaining_bytes` are bytes.
    `write_channel_info` is empty when `channel` is NONE, whatever was sent.
    """

    offset: int = 0
    persistent_id: int = 0
    volatile_id: int = 0
    channel: int = Channel.NONE
    remaining_bytes: int = 0
    flags: int = 0
    data: memoryview | bytes = b""
    write_channel_info: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong, a buffer lies outside, or the
        data begins after 0x100 ([MS-SMB2] 3.3.5.13)."""
        (
            data_offset,
            length,
            offset,
            persistent_id,
            volatile_id,
            channel,
            remaining,
            info_offset,
            info_length,
            flags,
        ) = fixed(_WRITE, _WRITE_SIZE, message, "WRITE request")
        data = window(message, data_offset, length, _WRITE_END, "Data")
        if channel == Channel.NONE:
            if data_offset > _MAX_DATA_OFFSET:
                raise DecodeError(f"WRITE request: DataOffset {data_offset}")
            return cls(offset, persistent_id, volatile_id, channel, remaining, flags, data)
        info = window(message, info_offset, info_length, _WRITE_END, "WriteChannelInfo")
        return cls(offset, persistent_id, volatile_id, channel, remaining, flags, data, info)

    def encode(self) -> bytes:
        info, data = self.write_channel_info, self.data
        data_offset = _WRITE_END + len(info) if self.channel == Channel.NONE or data else 0
        body = _WRITE.pack(
            _WRITE_SIZE,
            data_offset,
            len(data),
            self.offset,
            self.persistent_id,
            self.volatile_id,
            self.channel,
            self.remaining_bytes,
            _WRITE_END if info else 0,
            len(info),
            self.flags,
        )
        return b"".join((body, info, data if data or info else b"\0"))

    @staticmethod
    def pack_into(
        buffer: bytearray | memoryview,
        at: int,
        offset: int,
        persistent_id: int,
        volatile_id: int,
        data_length: int,
        flags: int = 0,
    ) -> None:
        """Write the fixed part alone, WRITE_REQUEST_SIZE bytes, at `at` of `buffer`, which is the
        end of the header. The `data_length` bytes that go to `offset` of the file belong right
        behind it: a client puts them straight into that place."""
        _WRITE.pack_into(
            buffer,
            at,
            _WRITE_SIZE,
            _WRITE_END,
            data_length,
            offset,
            persistent_id,
            volatile_id,
            Channel.NONE,
            0,
            0,
            0,
            flags,
        )


@dataclass(slots=True)
class WriteResponse:
    """SMB2 WRITE Response, [MS-SMB2] 2.2.22. `count` is bytes."""

    count: int = 0

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short or StructureSize is wrong."""
        return cls(*fixed(_WRITE_RESPONSE, _WRITE_RESPONSE_SIZE, message, "WRITE response"))

    def encode(self) -> bytes:
        return _WRITE_RESPONSE.pack(_WRITE_RESPONSE_SIZE, self.count)
