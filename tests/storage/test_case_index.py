from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from paraph.storage import case_index
from paraph.storage.case_index import CaseIndex

LONG_AGO = 1_500_000_000_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def settle(path: Path) -> None:
    """Give a directory times long past, as if nothing had happened there lately."""
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


class Clock:
    """Stands for the `time` of the index."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0
        monkeypatch.setattr(case_index, "time", self)

    def time_ns(self) -> int:
        import time

        return time.time_ns() + self.ahead

    def monotonic_ns(self) -> int:
        import time

        return time.monotonic_ns() + self.ahead


def test_finds_in_any_case(tmp_path: Path, folder: int) -> None:
    (tmp_path / "File").touch()
    (tmp_path / "a:b").touch()
    index = CaseIndex()
    assert index.find(folder, "FILE") == "File"
    assert index.find(folder, "A\uf022B") == "a:b"
    assert index.find(folder, "other") is None
    assert index.readings == 1


def test_private_use_name_of_the_host_itself(tmp_path: Path, folder: int) -> None:
    (tmp_path / "a\uf022b").touch()
    assert CaseIndex().find(folder, "a\uf022b") == "a\uf022b"


def test_undecodable_names(tmp_path: Path, folder: int) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9", os.O_CREAT))
    (tmp_path / "x").touch()
    assert CaseIndex().find(folder, "X") == "x"


def test_external_changes_are_seen(tmp_path: Path, folder: int) -> None:
    index = CaseIndex()
    for number in range(20):
        assert index.find(folder, f"FILE{number}") is None
        (tmp_path / f"file{number}").touch()
        # However coarse the clock of the file system, the directory's times move in the end.
        os.utime(tmp_path, ns=(LONG_AGO, LONG_AGO + number))
        assert index.find(folder, f"FILE{number}") == f"file{number}"
    (tmp_path / "file3").rename(tmp_path / "other")
    os.utime(tmp_path, ns=(LONG_AGO, LONG_AGO + 100))
    assert index.find(folder, "FILE3") is None
    assert index.find(folder, "OTHER") == "other"


def test_own_changes_need_no_reading(tmp_path: Path, folder: int) -> None:
    index = CaseIndex()
    assert index.find(folder, "x") is None
    for number in range(200):
        change = index.begin(folder)
        (tmp_path / f"File{number}").touch()
        index.finish(folder, change, added=f"File{number}")
        assert index.find(folder, f"FILE{number}") == f"File{number}"
        if number % 2:
            change = index.begin(folder)
            (tmp_path / f"File{number}").unlink()
            index.finish(folder, change, removed=f"File{number}")
            assert index.find(folder, f"FILE{number}") is None
    assert index.readings == 1


def test_a_change_missed_within_one_tick_is_found_later(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    index = CaseIndex()
    assert index.find(folder, "x") is None
    stamp = os.stat(tmp_path)
    (tmp_path / "Missed").touch()
    # As if the clock had not moved between the reading and the change.
    key = (stamp.st_dev, stamp.st_ino)
    index._indexes[key].stamp = index.begin(folder).stamp
    assert index.find(folder, "missed") is None
    clock.ahead = 10_000_000_000
    assert index.find(folder, "missed") == "Missed"
    assert index.readings == 2
    assert index.find(folder, "nothing") is None
    assert index.readings == 2


def test_settled_index_is_trusted(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    clock.ahead = 10_000_000_000
    index = CaseIndex()
    for _ in range(5):
        assert index.find(folder, "x") is None
        clock.ahead += 10_000_000_000
    assert index.readings == 1


def test_foreign_change_before_ours_drops_the_index(tmp_path: Path, folder: int) -> None:
    index = CaseIndex()
    settle(tmp_path)
    assert index.find(folder, "x") is None
    (tmp_path / "Foreign").touch()
    change = index.begin(folder)
    (tmp_path / "Own").touch()
    index.finish(folder, change, added="Own")
    assert index.find(folder, "FOREIGN") == "Foreign"
    assert index.find(folder, "OWN") == "Own"


def test_names_that_differ_in_case(tmp_path: Path, folder: int) -> None:
    for name in ("foo", "Foo", "FOO"):
        (tmp_path / name).touch()
    index = CaseIndex()
    assert index.find(folder, "fOO") == "FOO"
    change = index.begin(folder)
    (tmp_path / "FOO").unlink()
    index.finish(folder, change, removed="FOO")
    assert index.find(folder, "fOO") == "Foo"
    assert index.readings == 2


def test_bounds(tmp_path: Path) -> None:
    index = CaseIndex(directories=3, names=10)
    descriptors = []
    for number in range(6):
        folder = tmp_path / str(number)
        folder.mkdir()
        for file in range(number):
            (folder / f"f{file}").touch()
        settle(folder)
        descriptors.append(os.open(folder, os.O_PATH))
    for _ in range(2):
        for descriptor in descriptors:
            index.find(descriptor, "x")
            assert len(index._indexes) <= 3
            assert index._total <= 10
            assert index._total == sum(len(i.names) for i in index._indexes.values())
    readings = index.readings
    index.find(descriptors[-1], "x")
    assert index.readings == readings
    index.find(descriptors[0], "x")
    assert index.readings == readings + 1
    big = tmp_path / "big"
    big.mkdir()
    for file in range(20):
        (big / f"f{file}").touch()
    descriptors.append(os.open(big, os.O_PATH))
    assert index.find(descriptors[-1], "F7") == "f7"
    assert len(index._indexes) == 1
    index.forget(descriptors[-1])
    assert index._total == 0
    for descriptor in descriptors:
        os.close(descriptor)
