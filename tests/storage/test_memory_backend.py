from __future__ import annotations

import errno
import threading

import pytest

from paraph.errors import NTStatusError
from paraph.storage.memory import MemoryBackend


def test_helpers() -> None:
    store = MemoryBackend({"a.txt": b"1", "d/e/f": b"23", "d\\G": b""})
    assert store.paths() == ["a.txt", "d", "d\\G", "d\\e", "d\\e\\f"]
    assert store.read_bytes("D/E/F") == b"23"
    store.write_bytes("A.TXT", b"longer")
    assert store.read_bytes("a.txt") == b"longer"
    store.write_bytes("a.txt", b"s")
    assert store.read_bytes("a.txt") == b"s"
    with pytest.raises(NTStatusError):
        store.read_bytes("nothing")
    assert store.used == 3


def test_capacity() -> None:
    store = MemoryBackend({"a": b"x" * 60}, capacity=100)
    handle = store.open("a", read=True, write=True)
    with pytest.raises(OSError) as caught:
        handle.write(memoryview(bytes(50)), 60)
    assert caught.value.errno == errno.ENOSPC
    assert handle.info().end_of_file == 60
    assert handle.write(memoryview(bytes(40)), 60) == 40
    assert handle.write(memoryview(bytes(100)), 0) == 100
    with pytest.raises(OSError):
        handle.set_allocation_size(101)
    handle.set_end_of_file(10)
    other = store.create("b", directory=False, attributes=0)
    other.set_allocation_size(90)
    with pytest.raises(OSError):
        handle.set_end_of_file(11)
    other.set_end_of_file(0)
    handle.set_end_of_file(11)
    handle.close()
    other.close()


def test_space_of_a_deleted_file_is_free_after_the_last_close() -> None:
    store = MemoryBackend({"a": bytes(80)}, capacity=100)
    first, second = store.open("a"), store.open("a", read=True)
    first.delete()
    first.close()
    assert store.used == 80
    second.close()
    second.close()
    assert store.used == 0


def test_space_of_a_replaced_file_is_free() -> None:
    store = MemoryBackend({"a": bytes(30), "b": bytes(50)})
    handle = store.open("a")
    handle.rename("b", replace=True)
    handle.close()
    assert store.used == 30
    assert store.volume().total_units > store.volume().free_units > 0


def test_huge_offset_without_a_capacity() -> None:
    store = MemoryBackend(capacity=None)
    handle = store.create("a", directory=False, attributes=0)
    with pytest.raises(OSError) as caught:
        handle.write(memoryview(b"x"), 1 << 62)
    assert caught.value.errno == errno.ENOSPC
    assert handle.info().end_of_file == 0
    handle.close()


def test_threads() -> None:
    store = MemoryBackend({"a": b""})
    handle = store.open("a", read=True, write=True)
    wrong: list[bytes] = []

    def work(letter: bytes, offset: int) -> None:
        buffer = memoryview(bytearray(100))
        for step in range(300):
            handle.write(memoryview(letter * 100), offset + step % 7 * 1000)
            handle.read_into(buffer, offset + step % 7 * 1000)
            if bytes(buffer) != letter * 100:
                wrong.append(bytes(buffer))

    threads = [threading.Thread(target=work, args=(bytes([65 + n]), n * 100_000)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    handle.close()
    assert store.used == 300_000 + 6100
