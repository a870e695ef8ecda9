"""The stream of a TCP connection as frames: a 4-byte header, then a message ([MS-SMB2] 2.1).

`FrameBuffer` owns the bytes. The socket writes into `writable()`, `advance()` counts them, and
`next_frame()` hands out views. A view is valid until the next call of `writable()`; who needs the
bytes longer copies them. That one rule gives zero copy without ownership code.
"""

from __future__ import annotations

from paraph.errors import Disconnect

HEADER = 4
_SMALLEST = 4096
_USUAL = 64 << 10
_ROOM = 2048


class FrameBuffer:
    """A receive buffer that grows to the largest frame in hand and can be shrunk when idle.

    `maximum`: the largest frame accepted, in bytes without its header. A larger one raises
    Disconnect before anything is allocated for it.
    """

    __slots__ = ("_data", "_end", "_start", "_view", "maximum")

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self._data = bytearray(_SMALLEST)
        self._view = memoryview(self._data)
        self._start = 0  # of the first frame not yet handed out
        self._end = 0  # of what has been received

    def writable(self) -> memoryview:
        """Where the next received bytes go; never empty.

        Within a large frame this ends where the frame ends, so that nothing behind it has to be
        moved to the front afterwards.
        """
        start, end = self._start, self._end
        if start == end:
            self._start = self._end = start = end = 0
        needed = self._needed()
        if needed > _USUAL:
            if len(self._data) - start < needed:
                self._move(needed)
                start, end = 0, self._end
            return self._view[end : start + needed]
        if len(self._data) - end < max(_ROOM, needed - (end - start)):
            # A full buffer says the peer sends faster than 4 KiB at a time: grow once, to 64 KiB.
            self._move(_USUAL)
            end = self._end
        return self._view[end:]

    def advance(self, count: int) -> None:
        """`count` bytes were written into `writable()`."""
        self._end += count

    def next_frame(self) -> tuple[int, memoryview] | None:
        """(type byte, payload) of the next complete frame, or None.

        Raises Disconnect when its length is beyond `maximum`.
        """
        needed = self._needed()
        if self._end - self._start < needed:
            return None
        begin = self._start
        self._start += needed
        return self._data[begin], self._view[begin + HEADER : self._start]

    def shrink(self) -> None:
        """Give memory back; a no-op while bytes are pending."""
        if self._start == self._end and len(self._data) > _SMALLEST:
            self._start = self._end = 0
            self._data = bytearray(_SMALLEST)
            self._view = memoryview(self._data)

    @property
    def capacity(self) -> int:
        """Bytes held."""
        return len(self._data)

    def _needed(self) -> int:
        """Length of the current frame with its header, or 4 while that is not there."""
        start = self._start
        if self._end - start < HEADER:
            return HEADER
        data = self._data
        length = data[start + 1] << 16 | data[start + 2] << 8 | data[start + 3]
        if length > self.maximum:
            raise Disconnect(f"a frame of {length} bytes, at most {self.maximum} are allowed")
        return HEADER + length

    def _move(self, capacity: int) -> None:
        """Bring the pending bytes to the front of a buffer of at least `capacity` bytes."""
        pending = self._view[self._start : self._end]
        # Always a new buffer: a handler may still hold views of the old one.
        data = bytearray(max(capacity, len(pending) + _ROOM))
        data[: len(pending)] = pending
        self._start, self._end = 0, len(pending)
        self._data = data
        self._view = memoryview(data)
