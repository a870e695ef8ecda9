"""QUERY_DIRECTORY over the memory store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.server.open import Open
from paraph.storage.base import DirectoryEntry
from paraph.wire.fscc_dir import SUPPORTED, decode_entries
from paraph.wire.fscc_file import FileAttributes, FileInformationClass
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask
from paraph.wire.smb2.query_directory import QueryDirectoryFlags
from tests.server.handler_env import FULL, World, refuses

SINGLE = QueryDirectoryFlags.RETURN_SINGLE_ENTRY
RESTART = QueryDirectoryFlags.RESTART_SCANS
REOPEN = QueryDirectoryFlags.REOPEN
NAMES = FileInformationClass.NAMES
FILES = {"docs\\Read Me.txt": b"hello", "docs\\b.TXT": b"", "docs\\c.pdf": b"x", "docs\\d\\e": b""}
ALL = [".", "..", "Read Me.txt", "b.TXT", "c.pdf", "d"]


@pytest.fixture
def world() -> World:
    return World(FILES)


@pytest.fixture
def docs(world: World) -> Open:
    return world.open("docs")


def names(world: World, opened: Open, *args: Any, **options: Any) -> list[str]:
    return [record.file_name for record in world.entries(opened, *args, **options)]


@pytest.mark.parametrize("level", SUPPORTED)
def test_every_level_lists_everything(world: World, docs: Open, level: int) -> None:
    records = world.entries(docs, level=level)
    assert [record.file_name for record in records] == ALL
    assert {record.file_index for record in records} == {0}
    if level != NAMES:
        handle = docs.disk()
        expected = handle.find("read me.txt")
        assert expected is not None
        assert records[2].end_of_file == 5
        assert records[2].allocation_size == 4096
        assert records[2].file_attributes == FileAttributes.ARCHIVE
        assert records[2].last_write_time == expected.info.last_write_time
        assert records[0].creation_time == handle.info().creation_time
        assert records[5].file_attributes == FileAttributes.DIRECTORY
    with refuses(NTStatus.NO_MORE_FILES):
        world.page(docs, level=level)


def test_dot_names_are_the_directory_and_its_parent(world: World) -> None:
    deep = world.open("docs\\d")
    own, parent = world.entries(deep)[:2]
    assert own.file_id == deep.disk().info().file_id
    assert parent.file_id == world.open("docs").disk().info().file_id


def test_above_the_root_of_the_share_there_is_only_itself(world: World) -> None:
    root = world.open("")
    own, parent, docs = world.entries(root)
    assert (own.file_name, parent.file_name, docs.file_name) == (".", "..", "docs")
    assert own.file_id == parent.file_id == root.disk().info().file_id


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ALL),
        ("*.*", ALL),
        ("", ALL),
        ("*.txt", ["Read Me.txt", "b.TXT"]),
        ("?.*", ["b.TXT", "c.pdf"]),
        ("??????", []),
        ("READ ME.TXT", ["Read Me.txt"]),
        ("c.pdf", ["c.pdf"]),
        (".", ["."]),
        ("..", [".."]),
        ("missing", []),
    ],
)
def test_pattern(world: World, docs: Open, pattern: str, found: list[str]) -> None:
    if found:
        listed = names(world, docs, pattern)
        assert [name for name in listed if name in found] == found
        if pattern not in ("?.*",):  # whether that matches the dot names is for names.match
            assert listed == found
    else:
        with refuses(NTStatus.NO_SUCH_FILE):
            world.page(docs, pattern)
    with refuses(NTStatus.NO_MORE_FILES):
        world.page(docs, pattern)


def test_a_name_without_wildcards_is_not_searched_for(
    world: World, docs: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan() -> Iterator[DirectoryEntry]:
        raise AssertionError("scanned")

    monkeypatch.setattr(docs.disk(), "scan", scan)
    assert names(world, docs, "B.txt") == ["b.TXT"]


def test_the_pattern_stays_until_a_restart(world: World, docs: Open) -> None:
    assert names(world, docs, "*.txt", flags=SINGLE) == ["Read Me.txt"]
    assert names(world, docs, "*.pdf", flags=SINGLE) == ["b.TXT"]
    assert names(world, docs, "", flags=RESTART) == ["Read Me.txt", "b.TXT"]
    assert names(world, docs, "*.pdf", flags=RESTART) == ["c.pdf"]
    assert names(world, docs, "*.txt", flags=REOPEN | SINGLE) == ["Read Me.txt"]


def test_a_restart_that_finds_nothing(world: World, docs: Open) -> None:
    world.page(docs)
    with refuses(NTStatus.NO_MORE_FILES):
        world.page(docs, "*.zip", flags=RESTART)
    with refuses(NTStatus.NO_SUCH_FILE):
        world.page(docs, "*.zip", flags=REOPEN)


def test_single_entries_come_one_by_one(world: World, docs: Open) -> None:
    listed = []
    for _ in ALL:
        listed += names(world, docs, flags=SINGLE)
    assert listed == ALL
    with refuses(NTStatus.NO_MORE_FILES):
        world.page(docs, flags=SINGLE)


def test_an_index_is_ignored(world: World, docs: Open) -> None:
    assert names(world, docs, flags=QueryDirectoryFlags.INDEX_SPECIFIED) == ALL


@pytest.mark.parametrize("level", SUPPORTED)
def test_entries_are_aligned_and_the_last_has_no_successor(
    world: World, docs: Open, level: int
) -> None:
    data, offset, steps = world.page(docs, level=level), 0, 0
    while step := int.from_bytes(data[offset : offset + 4], "little"):
        assert step % 8 == 0
        offset += step
        steps += 1
    assert steps == len(ALL) - 1
    assert len(data) == offset + SUPPORTED[level] + 2 * len("d")  # unpadded at the end


@given(
    lengths=st.lists(st.integers(1, 60), max_size=40),
    room=st.integers(0, 600),
    level=st.sampled_from(sorted(SUPPORTED)),
)
@settings(deadline=None, max_examples=60)
def test_pages_of_any_size_lose_and_repeat_nothing(
    lengths: list[int], room: int, level: int
) -> None:
    expected = [f"{index:03}" + "n" * length for index, length in enumerate(lengths)]
    world = World({f"d\\{name}": b"" for name in expected} | {"d\\zz": b""})
    opened = world.open("d")
    length = SUPPORTED[level] + 2 * 63 + room
    listed: list[str] = []
    while len(listed) < len(expected) + 3:
        page = [record.file_name for record in world.entries(opened, "*", level, length)]
        assert page
        listed += page
    assert listed == [".", "..", *expected, "zz"]
    with refuses(NTStatus.NO_MORE_FILES):
        world.page(opened, "*", level, length)


def test_a_reply_grows_to_the_length_that_was_asked_for() -> None:
    world = World({f"d\\{number:05}": b"" for number in range(2000)})
    opened = world.open("d")
    first = world.page(opened, length=100_000)
    assert 100_000 - 128 < len(first) <= 100_000
    rest = world.page(opened, length=1 << 20)
    level = FileInformationClass.ID_BOTH_DIRECTORY
    listed = [record.file_name for record in decode_entries(level, first)]
    listed += [record.file_name for record in decode_entries(level, rest)]
    assert listed[2:] == [f"{number:05}" for number in range(2000)]


@pytest.mark.parametrize("room", [0, 1, 2, 5, 21])
def test_a_name_that_alone_is_too_long_comes_cut(world: World, docs: Open, room: int) -> None:
    level = FileInformationClass.DIRECTORY
    fixed = SUPPORTED[level]
    for _ in range(2):  # it is not used up
        data = world.page(docs, "read me.txt", level, fixed + room, status=NTStatus.BUFFER_OVERFLOW)
        assert len(data) == fixed + (room & ~1)
        assert int.from_bytes(data[60:64], "little") == 22
        assert bytes(data[fixed:]) == "Read Me.txt".encode("utf-16-le")[: room & ~1]
    assert names(world, docs, level=level) == ["Read Me.txt"]


@pytest.mark.parametrize("level", SUPPORTED)
def test_too_small_for_any_entry(world: World, docs: Open, level: int) -> None:
    for length in (0, SUPPORTED[level] - 1):
        with refuses(NTStatus.INFO_LENGTH_MISMATCH):
            world.page(docs, level=level, length=length)
    assert docs.search is None


def test_refusals(world: World, docs: Open) -> None:
    with refuses(NTStatus.INVALID_PARAMETER):
        world.page(world.open("docs\\c.pdf"))
    with refuses(NTStatus.INVALID_PARAMETER):
        world.page(docs, length=world.max_transact_size + 1)
    with refuses(NTStatus.ACCESS_DENIED):
        world.page(world.open("docs", FULL & ~AccessMask.FILE_LIST_DIRECTORY))
    for level in (0, 4, 5, 18, 29, 32, 33, 50, 255):
        with refuses(NTStatus.INVALID_INFO_CLASS):
            world.page(docs, level=level)
    for pattern in ("a\\b", "d/e", "a:b", "\0"):
        with refuses(NTStatus.OBJECT_NAME_INVALID):
            world.page(docs, pattern)
    assert names(world, docs) == ALL


def test_an_error_of_the_store_is_told_and_ends_the_search(
    world: World, docs: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = docs.disk().scan

    def scan() -> Iterator[DirectoryEntry]:
        yield next(whole())
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(docs.disk(), "scan", scan)
    with pytest.raises(OSError, match="broken"):
        world.page(docs)
    monkeypatch.setattr(docs.disk(), "scan", whole)
    assert names(world, docs) == ALL


def test_names_that_vanish_between_pages_are_skipped(world: World, docs: Open) -> None:
    assert names(world, docs, flags=SINGLE) == ["."]
    world.open("docs\\c.pdf").disk().delete()
    assert names(world, docs) == ["..", "Read Me.txt", "b.TXT", "d"]
