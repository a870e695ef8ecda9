"""What `storage.base` promises, asked of every backend."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paraph.errors import NTStatusError
from paraph.storage.base import Backend, FileInfo, Handle
from paraph.storage.memory import MemoryBackend
from paraph.storage.posix import PosixBackend
from paraph.wire.fscc_file import FileAttributes as Attr
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask

EPOCH_2020 = 132_223_104_000_000_000
KINDS = ("memory", "openat2", "walk")
Make = Callable[..., Backend]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes backends of one kind; calls with `read_only=True` see the files of earlier ones."""
    made: list[Backend] = []
    descriptors = len(os.listdir("/proc/self/fd"))

    def factory(*, read_only: bool = False) -> Backend:
        backend: Backend
        if request.param != "memory":
            root = tmp_path / "share"
            root.mkdir(exist_ok=True)
            use = request.param == "openat2"
            backend = PosixBackend(str(root), read_only=read_only, use_openat2=use)
        elif made and isinstance(made[0], MemoryBackend):
            backend = made[0]
            backend.read_only = read_only
        else:
            backend = MemoryBackend(read_only=read_only)
        made.append(backend)
        return backend

    yield factory
    for backend in made:
        backend.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.fixture
def store(make: Make) -> Backend:
    return make()


def put(store: Backend, path: str, data: bytes = b"", attributes: int = 0) -> None:
    handle = store.create(path, directory=False, attributes=attributes)
    assert handle.write(memoryview(data), 0) == len(data)
    handle.close()


def folder(store: Backend, path: str) -> None:
    store.create(path, directory=True, attributes=0).close()


def get(store: Backend, path: str) -> bytes:
    handle = store.open(path, read=True)
    try:
        return content(handle)
    finally:
        handle.close()


def content(handle: Handle) -> bytes:
    buffer = bytearray(handle.info().end_of_file + 10)
    count = handle.read_into(memoryview(buffer), 0)
    return bytes(buffer[:count])


def names(store: Backend, path: str = "") -> list[str]:
    handle = store.open(path, read=True)
    try:
        return sorted(entry.name for entry in handle.scan())
    finally:
        handle.close()


def status(action: Callable[..., object], *arguments: object, **options: object) -> int:
    with pytest.raises(NTStatusError) as caught:
        action(*arguments, **options)
    return caught.value.status


def rename(store: Backend, path: str, target: str, *, replace: bool = False) -> str:
    handle = store.open(path)
    try:
        handle.rename(target, replace=replace)
        return handle.path
    finally:
        handle.close()


def delete(store: Backend, path: str) -> None:
    handle = store.open(path)
    try:
        handle.delete()
    finally:
        handle.close()


# ------------------------------------------------------------------------------- open and create


def test_root(store: Backend) -> None:
    root = store.open("", read=True)
    assert root.path == ""
    assert root.is_directory
    assert not root.readable
    assert not root.writable
    assert root.info().is_directory
    assert root.info().end_of_file == 0
    assert root.info().attributes == Attr.DIRECTORY
    assert root.is_empty()
    assert list(root.scan()) == []
    root.close()
    root.close()


def test_create_and_open(store: Backend) -> None:
    made = store.create("A.txt", directory=False, attributes=0)
    assert made.readable
    assert made.writable
    assert made.path == "A.txt"
    assert made.write(memoryview(b"hello"), 0) == 5
    opened = store.open("a.TXT", read=True)
    assert opened.path == "A.txt"
    assert opened.key == made.key
    assert opened.readable
    assert not opened.writable
    assert content(opened) == b"hello"
    made.close()
    opened.close()


@pytest.mark.parametrize("case", ["dir\\file", "DIR\\FILE", "Dir\\fiLE", "dIR\\file"])
def test_any_case_in_every_component(store: Backend, case: str) -> None:
    folder(store, "Dir")
    put(store, "Dir\\File", b"x")
    handle = store.open(case)
    assert handle.path == "Dir\\File"
    handle.close()
    assert status(lambda: store.create(case, directory=False, attributes=0)) == (
        NTStatus.OBJECT_NAME_COLLISION
    )
    assert status(lambda: store.create(case, directory=True, attributes=0)) == (
        NTStatus.OBJECT_NAME_COLLISION
    )


def test_new_file_in_a_folder_of_another_case_gets_the_stored_path(store: Backend) -> None:
    folder(store, "Dir")
    made = store.create("DIR\\New", directory=False, attributes=0)
    assert made.path == "Dir\\New"
    made.close()
    assert names(store, "dir") == ["New"]


def test_case_beyond_ascii(store: Backend) -> None:
    put(store, "Ärger-Ÿ-ς.txt")
    handle = store.open("äRGER-ÿ-Σ.TXT")
    assert handle.path == "Ärger-Ÿ-ς.txt"
    handle.close()
    put(store, "straße")
    put(store, "STRASSE")
    assert names(store) == ["STRASSE", "straße", "Ärger-Ÿ-ς.txt"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("nothing", NTStatus.OBJECT_NAME_NOT_FOUND),
        ("dir\\nothing", NTStatus.OBJECT_NAME_NOT_FOUND),
        ("DIR\\nothing", NTStatus.OBJECT_NAME_NOT_FOUND),
        ("nothing\\file", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("nothing\\dir\\file", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("dir\\nothing\\file", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("file\\x", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("FILE\\x", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("file\\x\\y", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("x" * 255, NTStatus.OBJECT_NAME_NOT_FOUND),
        ("ü" * 255, NTStatus.OBJECT_NAME_NOT_FOUND),
    ],
)
def test_open_what_is_not_there(store: Backend, path: str, expected: int) -> None:
    folder(store, "dir")
    put(store, "file")
    assert status(lambda: store.open(path)) == expected
    assert status(lambda: store.open(path, read=True, write=True)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", NTStatus.OBJECT_NAME_COLLISION),
        ("file", NTStatus.OBJECT_NAME_COLLISION),
        ("nothing\\file", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("file\\x", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("ü" * 200, NTStatus.OBJECT_NAME_INVALID),
    ],
)
@pytest.mark.parametrize("directory", [False, True])
def test_create_failures(store: Backend, path: str, expected: int, directory: bool) -> None:
    put(store, "file")
    before = names(store)
    assert status(lambda: store.create(path, directory=directory, attributes=0).close()) == expected
    assert names(store) == before


def test_create_without_data_access(store: Backend) -> None:
    handle = store.create("f", directory=False, attributes=0, read=False, write=False)
    assert not handle.readable
    assert not handle.writable
    handle.close()
    handle = store.create("g", directory=False, attributes=0, read=False, write=True)
    assert handle.writable
    handle.write(memoryview(b"abc"), 0)
    handle.close()
    assert get(store, "g") == b"abc"


def test_a_directory_handle(store: Backend) -> None:
    handle = store.create("d", directory=True, attributes=0)
    assert handle.is_directory
    assert handle.info().attributes == Attr.DIRECTORY
    assert handle.info().number_of_links == 1
    handle.close()
    again = store.open("d", read=True, write=True)
    assert again.is_directory
    assert not again.writable
    again.flush()
    again.close()


# ------------------------------------------------------------------------------------------- data


def test_read_at_and_beyond_the_end(store: Backend) -> None:
    put(store, "f", b"0123456789")
    handle = store.open("f", read=True)
    buffer = bytearray(b"-" * 8)
    assert handle.read_into(memoryview(buffer), 6) == 4
    assert buffer == b"6789----"
    assert handle.read_into(memoryview(buffer), 10) == 0
    assert handle.read_into(memoryview(buffer), 1 << 62) == 0
    assert handle.read_into(memoryview(buffer), (1 << 63) + 5) == 0
    assert handle.read_into(memoryview(buffer)[:0], 0) == 0
    assert handle.read_now(memoryview(buffer), 6) in (4, -1)
    assert handle.read_now(memoryview(buffer), (1 << 64) - 1) in (0, -1)
    handle.close()


def test_write_leaves_a_hole_of_zeros(store: Backend) -> None:
    handle = store.create("f", directory=False, attributes=0)
    assert handle.write(memoryview(b"end"), 5000) == 3
    assert content(handle) == bytes(5000) + b"end"
    assert handle.write(memoryview(b"XY"), 4999) == 2
    assert content(handle)[-5:] == b"\0XYnd"
    assert handle.write(memoryview(b""), 9000) == 0
    assert handle.info().end_of_file == 5003
    handle.flush()
    handle.close()


@pytest.mark.parametrize("offset", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_write_beyond_what_a_file_can_be(store: Backend, offset: int) -> None:
    handle = store.create("f", directory=False, attributes=0)
    with pytest.raises(OSError) as caught:
        handle.write(memoryview(b"xx"), offset)
    assert caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    with pytest.raises(OSError) as caught:
        handle.set_end_of_file(offset + 1)
    assert caught.value.errno in (errno.EFBIG, errno.ENOSPC, errno.EINVAL)
    assert handle.info().end_of_file == 0
    handle.close()


def test_a_buffer_is_not_kept(store: Backend) -> None:
    handle = store.create("f", directory=False, attributes=0)
    source = bytearray(b"0123")
    with memoryview(source) as view:
        handle.write(view, 0)
    source += b"resized"
    target = bytearray(4)
    with memoryview(target) as view:
        assert handle.read_into(view, 0) == 4
    target += b"resized"
    assert target == b"0123resized"
    handle.set_end_of_file(2)
    handle.set_end_of_file(4)
    assert content(handle) == b"01\0\0"
    handle.close()


def test_wrong_access_fails(store: Backend) -> None:
    put(store, "f", b"abc")
    reader = store.open("f", read=True)
    with pytest.raises(OSError):
        reader.write(memoryview(b"x"), 0)
    with pytest.raises(OSError):
        reader.set_end_of_file(0)
    reader.close()
    writer = store.open("f", write=True)
    with pytest.raises(OSError):
        writer.read_into(memoryview(bytearray(1)), 0)
    writer.close()
    nothing = store.open("f")
    with pytest.raises(OSError):
        nothing.read_into(memoryview(bytearray(1)), 0)
    nothing.flush()
    nothing.close()
    assert get(store, "f") == b"abc"


def test_closed_handle(store: Backend) -> None:
    handle = store.create("f", directory=False, attributes=0)
    handle.close()
    with pytest.raises(OSError):
        handle.write(memoryview(b"x"), 0)
    with pytest.raises(OSError):
        handle.read_into(memoryview(bytearray(1)), 0)


def test_set_end_of_file(store: Backend) -> None:
    handle = store.create("f", directory=False, attributes=0)
    handle.write(memoryview(b"0123456789"), 0)
    handle.set_end_of_file(4)
    assert content(handle) == b"0123"
    handle.set_end_of_file(8)
    assert content(handle) == b"0123\0\0\0\0"
    assert handle.info().allocation_size == 4096
    handle.set_end_of_file(4097)
    assert handle.info().allocation_size == 8192
    handle.set_end_of_file(0)
    assert handle.info().allocation_size == 0
    handle.close()


def test_set_allocation_size(store: Backend) -> None:
    handle = store.create("f", directory=False, attributes=0)
    handle.write(memoryview(b"0123456789"), 0)
    handle.set_allocation_size(100_000)
    info = handle.info()
    assert (info.end_of_file, info.allocation_size) == (10, 102_400)
    handle.set_allocation_size(4)
    info = handle.info()
    assert (info.end_of_file, info.allocation_size) == (4, 4096)
    assert content(handle) == b"0123"
    with pytest.raises(OSError) as caught:
        handle.set_allocation_size(1 << 50)
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert handle.info().end_of_file == 4
    handle.close()


# --------------------------------------------------------------------------------------- metadata


def test_new_file_is_archive(store: Backend) -> None:
    put(store, "f")
    put(store, "hidden", attributes=Attr.HIDDEN | Attr.READONLY)
    assert info_of(store, "f").attributes == Attr.ARCHIVE
    expected = Attr.ARCHIVE | Attr.HIDDEN | Attr.READONLY
    assert info_of(store, "hidden").attributes == expected
    store.create("d", directory=True, attributes=Attr.HIDDEN).close()
    assert info_of(store, "d").attributes == Attr.DIRECTORY | Attr.HIDDEN


def info_of(store: Backend, path: str) -> FileInfo:
    handle = store.open(path)
    try:
        return handle.info()
    finally:
        handle.close()


def test_attributes_persist_and_normal_stands_for_none(store: Backend) -> None:
    put(store, "f")
    for attributes, expected in [
        (Attr.READONLY | Attr.SYSTEM, Attr.READONLY | Attr.SYSTEM),
        (0, Attr.NORMAL),
        (Attr.NORMAL, Attr.NORMAL),
        (Attr.TEMPORARY, Attr.TEMPORARY),
        (Attr.DIRECTORY | Attr.HIDDEN, Attr.HIDDEN),
        (0xFFFF_FFFF & ~0xFFF, Attr.OFFLINE | Attr.NOT_CONTENT_INDEXED),
    ]:
        handle = store.open("f")
        handle.set_basic_info(attributes=attributes)
        assert handle.info().attributes == expected
        handle.close()
        assert info_of(store, "f").attributes == expected
        found = store.open("")
        entry = found.find("F")
        assert entry is not None
        assert entry.info.attributes == expected
        assert [e.info.attributes for e in found.scan()] == [expected]
        found.close()


def test_writing_sets_archive(store: Backend) -> None:
    put(store, "f")
    handle = store.open("f", read=True, write=True)
    handle.set_basic_info(attributes=Attr.HIDDEN)
    assert handle.info().attributes == Attr.HIDDEN
    handle.write(memoryview(b"x"), 0)
    assert handle.info().attributes == Attr.HIDDEN | Attr.ARCHIVE
    handle.close()
    assert info_of(store, "f").attributes == Attr.HIDDEN | Attr.ARCHIVE
    handle = store.open("f", read=True, write=True)
    handle.write(memoryview(b"x"), 0)
    handle.set_basic_info(attributes=0)
    assert handle.info().attributes in (Attr.NORMAL, Attr.ARCHIVE)
    handle.close()


def test_times(store: Backend) -> None:
    put(store, "f", b"x")
    created = info_of(store, "f").creation_time
    handle = store.open("f")
    handle.set_basic_info(last_write_time=EPOCH_2020 + 1)
    info = handle.info()
    assert info.last_write_time == EPOCH_2020 + 1
    assert info.creation_time == created
    handle.set_basic_info(last_access_time=EPOCH_2020 + 2)
    handle.set_basic_info(creation_time=EPOCH_2020 + 3, change_time=EPOCH_2020 + 4)
    handle.close()
    info = info_of(store, "f")
    assert info.last_write_time == EPOCH_2020 + 1
    assert info.last_access_time == EPOCH_2020 + 2
    assert info.creation_time == EPOCH_2020 + 3
    assert info.attributes == Attr.ARCHIVE


def test_creation_time_stays_and_write_time_moves(store: Backend) -> None:
    put(store, "f", b"x")
    handle = store.open("f", read=True, write=True)
    handle.set_basic_info(last_write_time=EPOCH_2020)
    before = handle.info()
    handle.write(memoryview(b"more"), 0)
    after = handle.info()
    assert after.creation_time == before.creation_time
    assert after.last_write_time > before.last_write_time
    handle.close()


def test_times_of_a_directory(store: Backend) -> None:
    folder(store, "d")
    handle = store.open("d", read=True)
    handle.set_basic_info(last_write_time=EPOCH_2020, creation_time=EPOCH_2020)
    assert handle.info().last_write_time == EPOCH_2020
    put(store, "d\\f")
    assert handle.info().last_write_time > EPOCH_2020
    assert handle.info().creation_time == EPOCH_2020
    handle.close()


def test_ids_and_keys(store: Backend) -> None:
    for name in ("a", "b"):
        put(store, name)
    first, second = store.open("a"), store.open("b")
    assert first.key != second.key
    assert first.info().file_id != second.info().file_id
    file_id = first.info().file_id
    first.rename("c", replace=False)
    assert first.info().file_id == file_id
    first.close()
    second.close()
    again = store.open("C")
    assert again.info().file_id == file_id
    again.close()


def test_volume(store: Backend) -> None:
    put(store, "f", b"x")
    handle = store.open("f")
    for volume in (store.volume(), handle.volume()):
        assert volume.sectors_per_unit * volume.bytes_per_sector == 4096
        assert 0 < volume.available_units <= volume.free_units <= volume.total_units
        assert 0 <= volume.serial_number < 1 << 32
        assert volume.maximum_component_length == 255
        assert not volume.read_only
    handle.close()


def test_maximal_access(store: Backend) -> None:
    put(store, "f")
    handle = store.open("f")
    assert handle.maximal_access() & AccessMask.FILE_GENERIC_READ == AccessMask.FILE_GENERIC_READ
    assert handle.maximal_access() & AccessMask.FILE_WRITE_DATA
    assert handle.maximal_access() & AccessMask.DELETE
    handle.close()


# ------------------------------------------------------------------------------------------ names


def test_delete(store: Backend) -> None:
    put(store, "f")
    folder(store, "d")
    delete(store, "F")
    delete(store, "D")
    assert names(store) == []


def test_delete_of_the_root(store: Backend) -> None:
    assert status(lambda: delete(store, "")) == NTStatus.CANNOT_DELETE


def test_delete_a_full_directory(store: Backend) -> None:
    folder(store, "d")
    put(store, "d\\f")
    handle = store.open("d")
    assert not handle.is_empty()
    assert status(handle.delete) == NTStatus.DIRECTORY_NOT_EMPTY
    delete(store, "d\\f")
    assert handle.is_empty()
    handle.delete()
    handle.close()
    assert names(store) == []


def test_deleted_file_stays_usable(store: Backend) -> None:
    put(store, "f", b"data")
    handle = store.open("f", read=True, write=True)
    handle.delete()
    assert status(lambda: store.open("f")) == NTStatus.OBJECT_NAME_NOT_FOUND
    assert content(handle) == b"data"
    handle.write(memoryview(b"more"), 4)
    assert content(handle) == b"datamore"
    assert handle.info().number_of_links == 0
    put(store, "f", b"another")
    handle.delete()
    assert get(store, "f") == b"another"
    handle.close()
    assert get(store, "f") == b"another"


def test_delete_twice_and_after_the_folder_went(store: Backend) -> None:
    folder(store, "d")
    put(store, "d\\f")
    first, second = store.open("d\\f"), store.open("d\\f")
    first.delete()
    delete(store, "d")
    second.delete()
    first.close()
    second.close()
    assert names(store) == []


def test_rename(store: Backend) -> None:
    folder(store, "Dir")
    put(store, "f", b"1")
    assert rename(store, "F", "New") == "New"
    assert rename(store, "new", "DIR\\Deep") == "Dir\\Deep"
    assert names(store) == ["Dir"]
    assert names(store, "dir") == ["Deep"]
    assert get(store, "dir\\deep") == b"1"


def test_rename_while_open_for_data(store: Backend) -> None:
    handle = store.create("f", directory=False, attributes=0)
    handle.rename("g", replace=False)
    assert handle.path == "g"
    handle.write(memoryview(b"x"), 0)
    handle.close()
    assert get(store, "g") == b"x"


@pytest.mark.parametrize("target", ["FILE", "fILE"])
def test_rename_of_case_alone(store: Backend, target: str) -> None:
    put(store, "File", b"1")
    assert rename(store, "file", target) == target
    assert names(store) == [target]
    assert rename(store, target, target) == target
    folder(store, "Folder")
    put(store, "Folder\\x")
    assert rename(store, "folder", "FOLDER") == "FOLDER"
    assert names(store) == sorted([target, "FOLDER"])
    assert names(store, "folder") == ["x"]


@pytest.mark.parametrize("target", ["b", "B"])
def test_rename_onto_another_file(store: Backend, target: str) -> None:
    put(store, "a", b"new")
    put(store, "b", b"old")
    victim = store.open("b", read=True)
    assert status(lambda: rename(store, "a", target)) == NTStatus.OBJECT_NAME_COLLISION
    assert names(store) == ["a", "b"]
    assert rename(store, "a", target, replace=True) == target
    assert names(store) == [target]
    assert get(store, "b") == b"new"
    assert content(victim) == b"old"
    victim.close()


def test_rename_never_replaces_a_directory_or_a_read_only_file(store: Backend) -> None:
    put(store, "a", b"new")
    folder(store, "d")
    put(store, "ro", b"old", attributes=Attr.READONLY)
    folder(store, "e")
    for source, target in [("a", "D"), ("e", "d"), ("a", "RO"), ("e", "ro")]:
        assert status(rename, store, source, target) == NTStatus.OBJECT_NAME_COLLISION
        assert status(rename, store, source, target, replace=True) == NTStatus.ACCESS_DENIED
    assert names(store) == ["a", "d", "e", "ro"]
    assert get(store, "ro") == b"old"


def test_rename_a_directory_over_a_file(store: Backend) -> None:
    folder(store, "d")
    put(store, "d\\x")
    put(store, "f")
    assert rename(store, "d", "F", replace=True) == "F"
    assert names(store) == ["F"]
    assert names(store, "f") == ["x"]


def test_rename_failures(store: Backend) -> None:
    folder(store, "d")
    folder(store, "d\\e")
    put(store, "f")
    assert status(lambda: rename(store, "f", "no\\f")) == NTStatus.OBJECT_PATH_NOT_FOUND
    assert status(lambda: rename(store, "d", "f\\d")) == NTStatus.OBJECT_PATH_NOT_FOUND
    assert status(lambda: rename(store, "d", "D\\e\\x")) == NTStatus.ACCESS_DENIED
    assert status(lambda: rename(store, "d", "d\\x")) == NTStatus.ACCESS_DENIED
    assert status(lambda: rename(store, "", "x")) == NTStatus.ACCESS_DENIED
    assert status(lambda: rename(store, "f", "", replace=True)) == NTStatus.ACCESS_DENIED
    assert names(store) == ["d", "f"]


def test_rename_of_what_is_gone(store: Backend) -> None:
    put(store, "f", b"mine")
    handle = store.open("f")
    delete(store, "f")
    put(store, "f", b"other")
    assert status(lambda: handle.rename("g", replace=False)) == NTStatus.ACCESS_DENIED
    assert handle.path == "f"
    handle.close()
    assert names(store) == ["f"]


def test_link(store: Backend) -> None:
    put(store, "a", b"shared")
    handle = store.open("a")
    handle.link("B", replace=False)
    assert handle.path == "a"
    assert handle.info().number_of_links == 2
    other = store.open("b", read=True, write=True)
    assert other.key == handle.key
    other.write(memoryview(b"SHARED"), 0)
    other.close()
    handle.delete()
    handle.close()
    assert get(store, "b") == b"SHARED"
    assert info_of(store, "b").number_of_links == 1


def test_link_onto_something(store: Backend) -> None:
    put(store, "a", b"new")
    put(store, "b", b"old")
    folder(store, "d")
    handle = store.open("a")
    assert status(lambda: handle.link("B", replace=False)) == NTStatus.OBJECT_NAME_COLLISION
    assert status(lambda: handle.link("A", replace=False)) == NTStatus.OBJECT_NAME_COLLISION
    assert status(lambda: handle.link("d", replace=True)) == NTStatus.ACCESS_DENIED
    assert status(lambda: handle.link("no\\x", replace=True)) == NTStatus.OBJECT_PATH_NOT_FOUND
    handle.link("B", replace=True)
    assert names(store) == ["B", "a", "d"]
    assert get(store, "b") == b"new"
    handle.link("b", replace=True)
    assert names(store) == ["a", "b", "d"]
    handle.close()
    directory = store.open("d")
    assert status(lambda: directory.link("x", replace=False)) == NTStatus.FILE_IS_A_DIRECTORY
    directory.close()


def test_link_of_a_deleted_file(store: Backend) -> None:
    put(store, "a")
    handle = store.open("a", read=True)
    handle.delete()
    assert status(lambda: handle.link("b", replace=False)) == NTStatus.ACCESS_DENIED
    handle.close()
    assert names(store) == []


def test_rename_onto_another_link_of_the_same_file(store: Backend) -> None:
    put(store, "a", b"1")
    handle = store.open("a")
    handle.link("b", replace=False)
    handle.rename("B", replace=False)
    assert handle.path == "B"
    assert handle.info().number_of_links == 1
    handle.close()
    assert names(store) == ["B"]
    assert get(store, "b") == b"1"


# -------------------------------------------------------------------------------------- directory


def test_scan_and_find(store: Backend) -> None:
    folder(store, "d")
    for index in range(50):
        put(store, f"d\\File{index}", bytes(index))
    folder(store, "d\\sub")
    handle = store.open("d", read=True)
    entries = {entry.name: entry.info for entry in handle.scan()}
    assert set(entries) == {f"File{index}" for index in range(50)} | {"sub"}
    assert entries["File7"].end_of_file == 7
    assert entries["File7"].allocation_size == 4096
    assert entries["sub"].attributes == Attr.DIRECTORY
    assert [e.name for e in handle.scan()] == list(entries)
    found = handle.find("FILE7")
    assert found is not None
    assert found.name == "File7"
    assert found.info == entries["File7"]
    for missing in ("nothing", "", ".", "..", "d\\File7", "a/b", "\0"):
        assert handle.find(missing) is None
    handle.close()


def test_scan_is_lazy_and_skips_what_vanished(store: Backend) -> None:
    for index in range(10):
        put(store, f"f{index}")
    handle = store.open("", read=True)
    scan = handle.scan()
    first = next(scan).name
    victims = [f"f{index}" for index in range(10) if f"f{index}" != first][:4]
    for name in victims:
        delete(store, name)
    put(store, "new")
    rest = [entry.name for entry in scan]
    assert set(rest) - {"new"} == {f"f{index}" for index in range(10)} - {first, *victims}
    handle.close()


def test_scan_of_a_renamed_directory(store: Backend) -> None:
    folder(store, "d")
    put(store, "d\\f")
    handle = store.open("d", read=True)
    handle.rename("e", replace=False)
    assert [entry.name for entry in handle.scan()] == ["f"]
    found = handle.find("F")
    assert found is not None
    handle.close()


# -------------------------------------------------------------------------------------- read-only


def test_read_only(make: Make) -> None:
    store = make()
    put(store, "f", b"data")
    store = make(read_only=True)
    assert get(store, "f") == b"data"
    assert store.volume().read_only
    for action in (
        lambda: store.open("f", write=True),
        lambda: store.create("g", directory=False, attributes=0),
        lambda: store.create("g", directory=True, attributes=0),
        lambda: rename(store, "f", "g"),
        lambda: delete(store, "f"),
    ):
        assert status(action) == NTStatus.MEDIA_WRITE_PROTECTED
    handle = store.open("f")
    assert status(lambda: handle.link("g", replace=False)) == NTStatus.MEDIA_WRITE_PROTECTED
    assert status(lambda: handle.set_basic_info(attributes=1)) == NTStatus.MEDIA_WRITE_PROTECTED
    assert not handle.maximal_access() & (
        AccessMask.FILE_WRITE_DATA | AccessMask.DELETE | AccessMask.WRITE_DAC
    )
    handle.close()
    assert names(store) == ["f"]
