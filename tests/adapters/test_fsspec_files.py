"""Files and folders through fsspec, against both servers."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.callbacks import Callback

from paraph.adapters.fsspec_ import ParaphFileSystem, register
from paraph.client.errors import refused, smb_error
from paraph.wire.ntstatus import NTStatus
from tests.adapters.conftest import Place
from tests.client.samba import free_port

BIG = bytes(range(251)) * 20_000  # 5 MB: several READs and WRITEs


# What there is


def test_shares(fs: ParaphFileSystem, place: Place) -> None:
    assert sorted(fs.ls("/", detail=False)) == ["/data", f"/{place.other}"]
    assert fs.ls("/")[0] == {"name": fs.ls("", detail=False)[0], "size": 0, "type": "directory"}
    assert fs.isdir("/")
    assert fs.isdir("/data")
    assert fs.info("/data")["name"] == "/data"


def test_shares_before_any_other_use(place: Place) -> None:
    system = place.system()
    assert "/data" in system.ls("/", detail=False)
    assert system.exists("/data")
    system.close()


def test_listing_and_info(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    (local / "file").write_bytes(b"12345")
    (local / "folder").mkdir()
    entries = {one["name"]: one for one in fs.ls(fs_path)}
    assert entries.keys() == {f"{fs_path}/file", f"{fs_path}/folder"}
    assert fs.ls(fs_path + "/", detail=False) == list(entries)
    for name, entry in entries.items():
        info = fs.info(name)
        assert {**info, "time": 0} == {**entry, "time": 0}
    file = entries[f"{fs_path}/file"]
    assert (file["size"], file["type"]) == (5, "file")
    assert file["mtime"] == pytest.approx((local / "file").stat().st_mtime, abs=1e-6)
    folder = entries[f"{fs_path}/folder"]
    assert (folder["size"], folder["type"]) == (0, "directory")
    assert fs.ls(f"{fs_path}/file", detail=False) == [f"{fs_path}/file"]
    assert fs.ls(f"{fs_path}/folder") == []
    with pytest.raises(FileNotFoundError):
        fs.ls(f"{fs_path}/nothing")


def test_what_exists(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    (local / "file").touch()
    rows = {
        fs_path: (True, True, False),
        f"{fs_path}/file": (True, False, True),
        f"{fs_path}/FILE": (True, False, True),
        f"{fs_path}/nothing": (False, False, False),
        f"{fs_path}/nothing/at/all": (False, False, False),
        f"{fs_path}/file/below": (False, False, False),
        f"{fs_path}/what*ever": (False, False, False),
        f"{fs_path}/../../../x": (False, False, False),
        "/no-such-share": (False, False, False),
        "/no-such-share/file": (False, False, False),
    }
    for path, expected in rows.items():
        assert (fs.exists(path), fs.isdir(path), fs.isfile(path)) == expected, path


def test_nobody_there_is_not_nothing_there(place: Place) -> None:
    silent = place.system(port=free_port(), register_session_retries=0)
    for question in (silent.exists, silent.isdir, silent.isfile, silent.info):
        with pytest.raises(ConnectionRefusedError):
            question("/data")
    with pytest.raises(PermissionError, match="password is wrong"):
        place.system(password="wrong").exists("/data")


def test_find_walk_glob(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    for name in ("a.csv", "b.txt", "sub/c.csv", "sub/deep/d.csv"):
        (local / name).parent.mkdir(exist_ok=True)
        (local / name).write_bytes(name.encode())

    def names(found: Any) -> list[str]:
        return [one.removeprefix(fs_path + "/") for one in found]

    assert names(fs.find(fs_path)) == ["a.csv", "b.txt", "sub/c.csv", "sub/deep/d.csv"]
    assert names(fs.glob(f"{fs_path}/*.csv")) == ["a.csv"]
    assert names(fs.glob(f"{fs_path}/**/*.csv")) == ["a.csv", "sub/c.csv", "sub/deep/d.csv"]
    assert names(fs.glob(f"{fs_path}/sub/?.csv")) == ["sub/c.csv"]
    assert [(sorted(d), sorted(f)) for _, d, f in fs.walk(fs_path)] == [
        (["sub"], ["a.csv", "b.txt"]), (["deep"], ["c.csv"]), ([], ["d.csv"]),
    ]  # fmt: skip
    assert fs.du(fs_path) == 5 + 5 + 9 + 14
    assert fs.cat(f"{fs_path}/*.csv") == {f"{fs_path}/a.csv": b"a.csv"}


def test_a_failure_is_no_empty_folder(
    place: Place, fs_path: str, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (local / name).mkdir()
        (local / name / "file").touch()
    failure: OSError = smb_error(NTStatus.ACCESS_DENIED)

    class Failing(ParaphFileSystem):
        def _listing(self, path: str) -> list[dict[str, Any]]:
            if path.endswith("/b"):
                raise failure
            return super()._listing(path)

    system = Failing(**place.options, skip_instance_cache=True)
    assert system.find(fs_path) == [f"{fs_path}/a/file", f"{fs_path}/c/file"]
    failure = FileNotFoundError()
    assert len(system.glob(f"{fs_path}/*/file")) == 2
    for failure in (
        ConnectionResetError(),
        TimeoutError(),
        smb_error(NTStatus.LOGON_FAILURE),
        refused("no"),
    ):
        for question in (system.find, system.du, lambda path: list(system.walk(path))):
            with pytest.raises(type(failure)):
                question(fs_path)
        with pytest.raises(type(failure)):
            system.get(fs_path, str(local / "copy"), recursive=True)
        with pytest.raises(type(failure)):
            system.mv(fs_path, f"/{place.other}/{local.name}-moved")
    seen: list[OSError] = []
    failure = smb_error(NTStatus.ACCESS_DENIED)
    assert list(system.walk(f"{fs_path}/b", on_error=seen.append)) == []
    assert seen == [failure]
    with pytest.raises(PermissionError):
        list(system.walk(f"{fs_path}/b", on_error="raise"))
    system.close()


def test_times(fs: ParaphFileSystem, fs_path: str) -> None:
    path = f"{fs_path}/file"
    fs.touch(path)
    now = datetime.now(UTC)
    for moment in (fs.created(path), fs.modified(path)):
        assert abs(moment - now) < timedelta(seconds=30)
    before = fs.ukey(path)
    assert fs.ukey(path) == before
    time.sleep(0.02)
    fs.touch(path, truncate=False)
    assert fs.ukey(path) != before
    assert fs.checksum(path) == int(fs.ukey(path), 16)
    assert fs.modified(path) > fs.created(path)


def test_touch_keeps_or_empties(fs: ParaphFileSystem, fs_path: str) -> None:
    path = f"{fs_path}/new/file"
    fs.touch(path, truncate=False)
    fs.pipe_file(path, b"content")
    fs.touch(path, truncate=False)
    assert fs.cat_file(path) == b"content"
    fs.touch(path)
    assert fs.cat_file(path) == b""


# Files


@pytest.mark.parametrize("block_size", [None, 0, 7, 1 << 20])
def test_modes(fs: ParaphFileSystem, fs_path: str, local: Path, block_size: int | None) -> None:
    path = f"{fs_path}/file"

    def opened(mode: str) -> Any:
        return fs.open(path, mode, block_size=block_size)

    with pytest.raises(FileNotFoundError):
        opened("rb")
    with opened("wb") as file:
        assert file.write(b"0123456789") == 10
        assert file.tell() == 10
        assert not file.readable()
    with opened("ab") as file:
        file.write(b"ab")
    assert (local / "file").read_bytes() == b"0123456789ab"
    with opened("rb") as file:
        assert (file.size, file.path, file.fs) == (12, path, fs)
        assert file.info()["size"] == 12
        assert not file.writable()
        assert file.seek(-4, 2) == 8
        assert file.read(2) == b"89"
        assert file.read() == b"ab"
        assert file.read() == b""
    with opened("r+b") as file:
        file.seek(2)
        file.write(b"--")
        file.seek(0)
        assert file.read(6) == b"01--45"
        file.truncate(8)
    assert (local / "file").read_bytes() == b"01--4567"
    with opened("w+b") as file:
        file.write(b"new")
        file.seek(0)
        assert file.read() == b"new"
    with pytest.raises(FileExistsError):
        opened("xb")
    with pytest.raises(ValueError):
        opened("zb")


def test_text(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    path = f"{fs_path}/text"
    with fs.open(path, "w", encoding="utf-8", newline="\r\n") as file:
        file.write("Grüße\nan alle\n")
    assert (local / "text").read_bytes() == "Grüße\r\nan alle\r\n".encode()
    with fs.open(path, "r", encoding="utf-8") as file:
        assert list(file) == ["Grüße\n", "an alle\n"]
    with fs.open(path, "at", encoding="utf-8") as file:
        file.write("Ende")
    assert fs.read_text(path, encoding="utf-8").endswith("Ende")


def test_compression(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    with fs.open(f"{fs_path}/file.gz", "wb", compression="infer") as file:
        file.write(BIG)
    assert (local / "file.gz").stat().st_size < len(BIG) // 10
    with fs.open(f"{fs_path}/file.gz", "rb", compression="gzip") as file:
        assert file.read() == BIG


def test_big_files(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    path = f"{fs_path}/big"
    with fs.open(path, "wb") as file:
        for start in range(0, len(BIG), 300_001):
            file.write(BIG[start : start + 300_001])
    assert (local / "big").read_bytes() == BIG
    with fs.open(path, "rb") as file:
        assert file.read() == BIG
        file.seek(1_000_000)
        assert file.read(2_000_000) == BIG[1_000_000:3_000_000]
    assert fs.head(path, 10) == BIG[:10]
    assert fs.tail(path, 10) == BIG[-10:]
    assert fs.read_block(path, 0, 100, b"\x05") == BIG[: 251 + 6]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, None), (0, 10), (10, 10), (10, 5), (5, None), (None, 5), (-5, None), (None, -5),
        (-10, -5), (999_000, 2_000_000), (2_000_000, 3_000_000), (0, 65_536), (0, 65_537),
        (100, 900_000), (-2_000_000, 10), (999_990, 1_000_010),
    ],
)  # fmt: skip
def test_ranges(
    fs: ParaphFileSystem, fs_path: str, local: Path, start: int | None, end: int | None
) -> None:
    content = BIG[:1_000_000]
    (local / "file").write_bytes(content)
    assert fs.cat_file(f"{fs_path}/file", start, end) == content[start:end]


def test_ranges_of_what_is_not_there(fs: ParaphFileSystem, fs_path: str) -> None:
    for start, end in ((0, 10), (0, 0), (-3, None)):
        with pytest.raises(FileNotFoundError):
            fs.cat_file(f"{fs_path}/nothing", start, end)
        with pytest.raises(IsADirectoryError):
            fs.cat_file(fs_path, start, end)
    found = fs.cat_ranges([f"{fs_path}/nothing"], 0, 10)
    assert isinstance(found[0], FileNotFoundError)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, len(BIG)])
@pytest.mark.parametrize("mode", ["overwrite", "create"])
def test_pipe_file(fs: ParaphFileSystem, fs_path: str, local: Path, size: int, mode: str) -> None:
    fs.pipe_file(f"{fs_path}/new/file", memoryview(BIG)[:size], mode=mode)
    assert (local / "new" / "file").read_bytes() == BIG[:size]
    if mode == "create":
        with pytest.raises(FileExistsError):
            fs.pipe_file(f"{fs_path}/new/file", b"other", mode="create")
    else:
        fs.pipe_file(f"{fs_path}/new/file", b"other")
        assert (local / "new" / "file").read_bytes() == b"other"


def test_folders_are_made_only_when_asked(place: Place, fs_path: str) -> None:
    system = place.system()
    for attempt in (
        lambda: system.pipe_file(f"{fs_path}/new/file", b"x"),
        lambda: system.open(f"{fs_path}/new/file", "wb"),
        lambda: system.touch(f"{fs_path}/new/file"),
    ):
        with pytest.raises(FileNotFoundError):
            attempt()
    assert system.ls(fs_path) == []
    system.close()


def test_others_are_shut_out_when_asked(place: Place, fs_path: str) -> None:
    system = place.system(share_access="r")
    path = f"{fs_path}/file"
    system.pipe_file(path, b"content")
    with system.open(path, "rb"), system.open(path, "rb") as second:
        assert second.read() == b"content"
        with pytest.raises(OSError, match="somebody else"):
            system.open(path, "r+b")
    with system.open(path, "rb", share_access=""), pytest.raises(OSError, match="somebody else"):
        system.open(path, "rb", share_access="rwd")
    system.close()


# Making, moving, removing


def test_folders(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    fs.mkdir(f"{fs_path}/a/b/c")
    assert (local / "a" / "b" / "c").is_dir()
    with pytest.raises(FileExistsError):
        fs.mkdir(f"{fs_path}/a/b/c")
    with pytest.raises(FileExistsError):
        fs.makedirs(f"{fs_path}/a")
    fs.makedirs(f"{fs_path}/a", exist_ok=True)
    fs.makedirs("/data", exist_ok=True)
    fs.makedirs("/", exist_ok=True)
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{fs_path}/x/y", create_parents=False)
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(f"{fs_path}/a/b")
    fs.rmdir(f"{fs_path}/a/b/c")
    fs.mkdir(f"{fs_path}/d", create_parents=False)
    assert sorted(os.listdir(local)) == ["a", "d"]


def test_rm(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    for name in ("f1", "f2", "a/b/f3", "c/f4"):
        fs.pipe_file(f"{fs_path}/{name}", b"x")
    fs.rm(f"{fs_path}/f1")
    fs.rm_file(f"{fs_path}/f2")
    with pytest.raises(OSError, match="not empty"):
        fs.rm(f"{fs_path}/a")
    fs.rm([f"{fs_path}/a", f"{fs_path}/c/f4"], recursive=True)
    assert os.listdir(local) == ["c"]
    fs.rm(f"{fs_path}/*", recursive=True)
    assert os.listdir(local) == []
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{fs_path}/nothing", recursive=True)


def test_shares_are_not_removed(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    (local / "file").touch()
    for path in ("/data", "/"):
        with pytest.raises(PermissionError):
            fs.rm(path, recursive=True)
        with pytest.raises(PermissionError):
            fs.rmdir(path)
        with pytest.raises(PermissionError):
            fs.rm_file(path)
    assert (local / "file").exists()


def test_mv(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    fs.pipe({f"{fs_path}/a": b"A", f"{fs_path}/b": b"B", f"{fs_path}/dir/c": b"C"})
    fs.mv(f"{fs_path}/a", f"{fs_path}/b")
    assert (local / "b").read_bytes() == b"A"
    fs.mv(f"{fs_path}/b", f"{fs_path}/dir")
    assert (local / "dir" / "b").read_bytes() == b"A"
    fs.mv(f"{fs_path}/dir", f"{fs_path}/moved/dir")
    assert sorted(os.listdir(local / "moved" / "dir")) == ["b", "c"]
    fs.mv(f"{fs_path}/moved/dir/b", f"{fs_path}/moved/dir/B")
    assert sorted(os.listdir(local / "moved" / "dir")) == ["B", "c"]
    fs.mv(f"{fs_path}/moved/dir/c", f"{fs_path}/moved/dir/c")
    fs.mv(f"{fs_path}/moved/dir/*", f"{fs_path}/all/")
    assert sorted(os.listdir(local / "all")) == ["B", "c"]
    assert os.listdir(local / "moved" / "dir") == []
    with pytest.raises(FileNotFoundError):
        fs.mv(f"{fs_path}/nothing", f"{fs_path}/b")


def test_copies(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    fs.pipe_file(f"{fs_path}/a", BIG)
    fs.cp_file(f"{fs_path}/a", f"{fs_path}/new/b")
    assert (local / "new" / "b").read_bytes() == BIG
    (local / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        fs.cp_file(f"{fs_path}/a", f"{fs_path}/folder")
    for same in (f"{fs_path}/a", f"{fs_path}/A"):
        with pytest.raises(shutil.SameFileError):
            fs.cp_file(f"{fs_path}/a", same)
    assert (local / "a").read_bytes() == BIG
    with pytest.raises(FileNotFoundError):
        fs.cp_file(f"{fs_path}/nothing", f"{fs_path}/b")


def test_between_shares(fs: ParaphFileSystem, fs_path: str, place: Place) -> None:
    other = f"/{place.other}/{fs_path.removeprefix('/data/')}-copy"
    fs.pipe({f"{fs_path}/a": BIG, f"{fs_path}/b/c": b"C"})
    fs.copy(fs_path, other, recursive=True)
    assert fs.cat_file(f"{other}/a") == BIG
    assert fs.cat_file(f"{other}/b/c") == b"C"
    fs.mv(f"{other}/b/c", f"{fs_path}/c")
    assert fs.cat_file(f"{fs_path}/c") == b"C"
    assert not fs.exists(f"{other}/b/c")
    fs.mkdir(f"{fs_path}/empty")
    fs.mv(f"{fs_path}/empty", f"{other}/moved")
    assert fs.isdir(f"{other}/moved")
    assert not fs.exists(f"{fs_path}/empty")
    fs.rm(other, recursive=True)


# To and from local files


class Counted(Callback):  # type: ignore[misc]
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int | None, int]] = []

    def call(self, *_: Any, **__: Any) -> None:
        self.seen.append((self.size, self.value))


@pytest.mark.parametrize("size", [0, 1000, len(BIG)])
def test_get_and_put(fs: ParaphFileSystem, fs_path: str, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(BIG[:size])
    up, down = Counted(), Counted()
    fs.put_file(source, f"{fs_path}/deep/below/file", callback=up)
    assert fs.size(f"{fs_path}/deep/below/file") == size
    fs.get_file(f"{fs_path}/deep/below/file", tmp_path / "new" / "target", callback=down)
    assert (tmp_path / "new" / "target").read_bytes() == BIG[:size]
    for callback in (up, down):
        assert callback.seen[-1] == (size, size)
        values = [value for _, value in callback.seen]
        assert values == sorted(values)
    if size > 2 << 20:
        assert len(set(values)) > 3
    with pytest.raises(FileExistsError):
        fs.put_file(source, f"{fs_path}/deep/below/file", mode="create")
    fs.put_file(source, f"{fs_path}/created", mode="create")
    assert fs.cat_file(f"{fs_path}/created") == BIG[:size]


def test_get_into_an_open_file(fs: ParaphFileSystem, fs_path: str, tmp_path: Path) -> None:
    fs.pipe_file(f"{fs_path}/file", BIG)
    with (tmp_path / "target").open("wb") as file:
        file.write(b"before ")
        fs.get_file(f"{fs_path}/file", file)
    assert (tmp_path / "target").read_bytes() == b"before " + BIG


def test_get_of_nothing_makes_nothing(fs: ParaphFileSystem, fs_path: str, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    with pytest.raises(FileNotFoundError):
        fs.get_file(f"{fs_path}/nothing", tmp_path / "kept")
    with pytest.raises(FileNotFoundError):
        fs.get_file(f"{fs_path}/nothing", tmp_path / "new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("kept", b"kept")]


@pytest.mark.parametrize("size", [10, len(BIG)])
def test_a_file_that_can_not_be_opened_costs_nothing(
    fs: ParaphFileSystem, place: Place, fs_path: str, tmp_path: Path, size: int
) -> None:
    path = f"{fs_path}/file"
    fs.pipe_file(path, BIG[:size])
    (tmp_path / "kept").write_bytes(b"kept")
    shut = place.system()
    with (
        shut.open(path, "rb", share_access=""),
        pytest.raises(OSError, match="somebody else"),
    ):
        fs.get_file(path, tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"kept"
    shut.close()


def test_what_was_not_got_whole_is_removed(
    fs: ParaphFileSystem, fs_path: str, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    class Stopping(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            raise Stop

    fs.pipe_file(f"{fs_path}/file", BIG)
    with pytest.raises(Stop):
        fs.get_file(f"{fs_path}/file", tmp_path / "target", callback=Stopping())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Stop):
        fs.put_file(Path(__file__), f"{fs_path}/up", callback=Stopping())
    assert fs.cat_file(f"{fs_path}/file") == BIG


# Transactions


def test_a_transaction_that_ends(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    fs.pipe({f"{fs_path}/a": b"old", f"{fs_path}/b": b"first "})
    source = local.parent / f"{local.name}-source"
    source.write_bytes(b"put")
    with fs.transaction:
        with fs.open(f"{fs_path}/a", "wb") as file:
            file.write(b"new")
        with fs.open(f"{fs_path}/b", "ab") as file:
            file.write(b"second")
        with fs.open(f"{fs_path}/sub/c", "xb") as file:
            file.write(b"C")
        fs.pipe_file(f"{fs_path}/d", b"D")
        fs.put_file(source, f"{fs_path}/e")
        with pytest.raises(FileExistsError):
            fs.open(f"{fs_path}/a", "xb")
        assert (local / "a").read_bytes() == b"old"
        assert (local / "b").read_bytes() == b"first "
        assert not any((local / name).exists() for name in ("sub/c", "d", "e"))
    found = {one.name: one.read_bytes() for one in local.rglob("*") if one.is_file()}
    assert found == {"a": b"new", "b": b"first second", "c": b"C", "d": b"D", "e": b"put"}


def test_a_transaction_that_fails(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    fs.pipe({f"{fs_path}/a": b"old"})
    with pytest.raises(ZeroDivisionError), fs.transaction:
        fs.pipe_file(f"{fs_path}/a", b"new")
        fs.open(f"{fs_path}/b", "wb").write(b"not closed")
        raise ZeroDivisionError
    assert [(one.name, one.read_bytes()) for one in local.iterdir()] == [("a", b"old")]
    fs.pipe_file(f"{fs_path}/b", b"after")
    assert (local / "b").read_bytes() == b"after"


def test_an_exclusive_file_that_somebody_made(
    fs: ParaphFileSystem, fs_path: str, local: Path
) -> None:
    with pytest.raises(FileExistsError), fs.transaction:
        fs.open(f"{fs_path}/a", "xb").write(b"ours")
        (local / "a").write_bytes(b"theirs")
    assert [(one.name, one.read_bytes()) for one in local.iterdir()] == [("a", b"theirs")]


def test_where_a_transaction_writes(place: Place, fs_path: str, local: Path) -> None:
    system = place.system(temppath=f"{local.name}/tmp", auto_mkdir=True)
    with system.transaction:
        system.pipe_file(f"{fs_path}/a", b"A")
        assert len(os.listdir(local / "tmp")) == 1
    assert (local / "a").read_bytes() == b"A"
    assert os.listdir(local / "tmp") == []
    system.close()


# Listings that are remembered


def test_listings_are_fresh_by_default(fs: ParaphFileSystem, fs_path: str, local: Path) -> None:
    assert fs.ls(fs_path) == []
    (local / "file").touch()
    assert len(fs.ls(fs_path)) == 1


CHANGES: list[Callable[[ParaphFileSystem, str], object]] = [
    lambda fs, path: fs.pipe_file(f"{path}/new", b"x"),
    lambda fs, path: fs.touch(f"{path}/new"),
    lambda fs, path: fs.put_file(__file__, f"{path}/new"),
    lambda fs, path: fs.open(f"{path}/new", "wb").close(),
    lambda fs, path: fs.mkdir(f"{path}/new"),
    lambda fs, path: fs.makedirs(f"{path}/new/deep"),
    lambda fs, path: fs.rm(f"{path}/file"),
    lambda fs, path: fs.rm(f"{path}/dir", recursive=True),
    lambda fs, path: fs.rmdir(f"{path}/dir"),
    lambda fs, path: fs.mv(f"{path}/file", f"{path}/new"),
    lambda fs, path: fs.cp_file(f"{path}/file", f"{path}/new"),
    lambda fs, path: fs.pipe_file(f"{path}/file", b"longer"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_listings_are_kept_until_we_change_something(
    place: Place, fs_path: str, local: Path, change: Callable[[ParaphFileSystem, str], object]
) -> None:
    system = place.system(use_listings_cache=True)
    (local / "file").write_bytes(b"12")
    (local / "dir").mkdir()
    before = system.ls(fs_path)
    (local / "unseen").touch()
    assert system.ls(fs_path) == before
    assert system.info(f"{fs_path}/file")["size"] == 2
    assert system.exists(f"{fs_path}/unseen")
    assert len(system.ls(fs_path, refresh=True)) == 3
    (local / "unseen").unlink()
    change(system, fs_path)
    fresh = {name: one["size"] for one in place.system().ls(fs_path) for name in [one["name"]]}
    assert {one["name"]: one["size"] for one in system.ls(fs_path)} == fresh
    system.close()


def test_what_is_remembered_is_forgotten(place: Place, fs_path: str, local: Path) -> None:
    system = place.system(use_listings_cache=True, listings_expiry_time=0.05)
    assert system.ls(fs_path) == []
    (local / "file").touch()
    time.sleep(0.06)
    assert len(system.ls(fs_path)) == 1
    system.ls(fs_path).clear()
    assert len(system.ls(fs_path)) == 1
    system.invalidate_cache()
    assert not system.dircache
    system.close()


# Through fsspec's own doors


def test_urls(place: Place, fs_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    register(["paraph"])
    url = place.url(f"{fs_path}/file")
    with fsspec.open(url, "w", password=place.password) as file:
        file.write("hello")
    with fsspec.open(f"simplecache::{url}", "r", paraph={"password": place.password}) as file:
        assert file.read() == "hello"
    system, path = fsspec.url_to_fs(url, password=place.password)
    assert (type(system), path) == (ParaphFileSystem, f"{fs_path}/file")
    mapper = fsspec.get_mapper(place.url(fs_path), password=place.password)
    mapper["key"] = b"value"
    assert dict(mapper) == {"file": b"hello", "key": b"value"}
    system.close()
    ParaphFileSystem.clear_instance_cache()
