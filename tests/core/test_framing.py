"""Frames out of a stream, whatever the pieces it comes in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.core.framing import FrameBuffer
from paraph.errors import Disconnect


def frame(payload: bytes, kind: int = 0) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(3, "big") + payload


def feed(buffer: FrameBuffer, data: bytes) -> list[tuple[int, bytes]]:
    """Write `data` as a socket would, and collect the frames that get complete."""
    frames = []
    while data:
        space = buffer.writable()
        assert len(space) > 0
        count = min(len(space), len(data))
        space[:count] = data[:count]
        buffer.advance(count)
        data = data[count:]
        while (found := buffer.next_frame()) is not None:
            frames.append((found[0], bytes(found[1])))
    return frames


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 200_000)), max_size=6),
    st.lists(st.integers(1, 90_000), min_size=1, max_size=20),
)
def test_frames_come_out_as_they_went_in(shapes: list[tuple[int, int]], pieces: list[int]) -> None:
    sent = [(kind, bytes([kind]) * size) for kind, size in shapes]
    stream = b"".join(frame(payload, kind) for kind, payload in sent)
    buffer = FrameBuffer(1 << 20)
    received = []
    position = turn = 0
    while position < len(stream):
        size = pieces[turn % len(pieces)]
        received += feed(buffer, stream[position : position + size])
        position += size
        turn += 1
    assert received == sent


def test_a_frame_beyond_the_maximum_is_refused_before_memory_is_taken() -> None:
    buffer = FrameBuffer(1000)
    space = buffer.writable()
    space[:4] = b"\x00\xff\xff\xff"
    buffer.advance(4)
    with pytest.raises(Disconnect, match="16777215"):
        buffer.next_frame()
    assert buffer.capacity <= 4096


def test_the_largest_frame_is_accepted() -> None:
    buffer = FrameBuffer(1000)
    assert feed(buffer, frame(b"x" * 1000)) == [(0, b"x" * 1000)]


def test_a_large_frame_leaves_nothing_of_the_next_one_in_the_buffer() -> None:
    buffer = FrameBuffer(8 << 20)
    data = frame(b"x" * 500_000) + frame(b"y")
    space = buffer.writable()
    space[: len(space)] = data[: len(space)]
    taken = len(space)
    buffer.advance(taken)
    assert buffer.next_frame() is None
    space = buffer.writable()
    assert taken + len(space) == 4 + 500_000


def test_memory_is_given_back_when_idle() -> None:
    buffer = FrameBuffer(8 << 20)
    feed(buffer, frame(b"x" * 3_000_000))
    assert buffer.capacity > 3_000_000
    buffer.shrink()
    assert buffer.capacity <= 4096
    assert feed(buffer, frame(b"again")) == [(0, b"again")]


def test_pending_bytes_survive_a_shrink() -> None:
    buffer = FrameBuffer(8 << 20)
    assert feed(buffer, frame(b"whole") + frame(b"cut in the middle")[:9]) == [(0, b"whole")]
    buffer.shrink()
    assert feed(buffer, frame(b"cut in the middle")[9:]) == [(0, b"cut in the middle")]


def test_a_view_stays_good_until_the_next_write() -> None:
    buffer = FrameBuffer(8 << 20)
    space = buffer.writable()
    data = frame(b"first") + frame(b"second")
    space[: len(data)] = data
    buffer.advance(len(data))
    first, second = buffer.next_frame(), buffer.next_frame()
    assert first is not None
    assert second is not None
    assert (bytes(first[1]), bytes(second[1])) == (b"first", b"second")
