"""`paraph get`, `put`, `cp` and `sync`: what goes where, what is told, what is refused."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import paraph
from paraph.cli import client_places
from paraph.cli.client_copy import Copying, Wishes
from paraph.cli.client_output import Output
from paraph.cli.client_places import Entry, LocalPlace, safe_name
from paraph.cli.client_transfer import Copier
from paraph.errors import UserError
from tests.cli.client_tools import PASSWORD, Cli, Served

COPIED_KEYS = [
    "action",
    "source",
    "target",
    "size",
    "resumed_at",
    "sha256",
    "by_server",
    "seconds",
]


def files(folder: Path) -> dict[str, str]:
    """Everything below a folder, by path; folders end in a slash."""
    return {
        str(path.relative_to(folder)) + ("/" if path.is_dir() else ""): (
            "" if path.is_dir() else path.read_text()
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def letters(served: Served) -> Served:
    served.write(letters__first_txt="hello\n", letters__deep__z_txt="zed\n", a_txt="12345")
    return served


LETTERS = {"first.txt": "hello\n", "deep/": "", "deep/z.txt": "zed\n"}


def test_get_one(letters: Served, cli: Cli) -> None:
    os.utime(letters.folder / "a.txt", ns=(0, 1_600_000_000_123_456_700))
    assert cli.ok("get", letters.url("a.txt")).lines == ["1 file copied, 5 bytes."]
    assert files(Path()) == {"a.txt": "12345"}
    assert Path("a.txt").stat().st_mtime_ns == 1_600_000_000_123_456_700
    cli.ok("get", letters.url("a.txt"), "other")
    cli.ok("get", letters.url("a.txt"), "sub/")
    assert files(Path()) == {"a.txt": "12345", "other": "12345", "sub/": "", "sub/a.txt": "12345"}


def test_get_many(letters: Served, cli: Cli) -> None:
    cli.ok("get", letters.url("**/*.txt"), "all")
    assert files(Path("all")) == {"a.txt": "12345", "first.txt": "hello\n", "z.txt": "zed\n"}


def test_get_a_folder(letters: Served, cli: Cli) -> None:
    result = cli("get", letters.url("letters"))
    assert result.code == 1
    assert "letters: is a folder; --recursive copies folders" in result.err
    cli.ok("get", "-r", letters.url("letters"))
    assert files(Path("letters")) == LETTERS
    cli.ok("get", "-r", letters.url("letters"), "new")
    assert files(Path("new")) == LETTERS
    cli.ok("get", "-r", letters.url("letters"), "new")
    assert files(Path("new/letters")) == LETTERS


def test_get_a_share(letters: Served, cli: Cli) -> None:
    cli.ok("get", "-r", letters.url(), "all")
    assert set(files(Path("all"))) == {"a.txt", "letters/", *(f"letters/{n}" for n in LETTERS)}


def test_put(letters: Served, cli: Cli) -> None:
    Path("one").write_text("1")
    os.utime("one", ns=(0, 1_600_000_000_123_456_700))
    cli.ok("put", "one", letters.url())
    cli.ok("put", "one", letters.url("two"))
    cli.ok("put", "one", letters.url("three") + "/")
    found = files(letters.folder)
    assert (found["one"], found["two"], found["three/one"]) == ("1", "1", "1")
    assert (letters.folder / "one").stat().st_mtime_ns == 1_600_000_000_123_456_700


def test_put_a_folder(served: Served, cli: Cli) -> None:
    Path("letters/deep").mkdir(parents=True)
    Path("letters/first.txt").write_text("hello\n")
    Path("letters/deep/z.txt").write_text("zed\n")
    Path("letters/folder").symlink_to("deep")
    Path("letters/file").symlink_to("first.txt")
    Path("letters/nothing").symlink_to("none")
    result = cli("put", "-r", "letters", served.url())
    assert result.code == 0
    assert result.err.splitlines() == [
        "paraph: letters/folder: a link, not followed",
        "paraph: letters/nothing: a link, not followed",
    ]
    assert result.lines == ["3 files copied, 16 bytes; 2 left as they are."]
    assert files(served.folder / "letters") == {**LETTERS, "file": "hello\n"}


def test_cp_by_the_server(letters: Served, cli: Cli) -> None:
    (record,) = cli.ok("cp", "--json", letters.url("a.txt"), letters.url("b.txt")).records
    assert list(record) == COPIED_KEYS
    assert record["by_server"] is True
    cli.ok("cp", "-r", letters.url("letters"), letters.url("copy"))
    assert files(letters.folder / "copy") == LETTERS
    assert (letters.folder / "b.txt").read_text() == "12345"
    one, two = (letters.folder / name for name in ("a.txt", "b.txt"))
    assert one.stat().st_mtime_ns // 100 == two.stat().st_mtime_ns // 100
    assert not list(letters.folder.rglob("*.part"))


def test_cp_from_share_to_share(tmp_path: Path, cli: Cli) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "a.txt").write_text("a")
    with paraph.Server({"one": one, "two": two}, {"anna": PASSWORD}) as server:
        base = f"smb://anna@127.0.0.1:{server.port}"
        (record,) = cli.ok("cp", "--json", f"{base}/one/a.txt", f"{base}/two").records
    assert record["by_server"] is False
    assert files(two) == {"a.txt": "a"}


def test_json_and_verification(letters: Served, cli: Cli) -> None:
    made, *_ = cli.ok("get", "-r", "--json", "--verify", letters.url("letters")).records
    assert made == {"action": "made", "source": None, "target": "./letters"}
    (record,) = cli.ok("get", "--json", "--verify", letters.url("a.txt")).records
    assert list(record) == COPIED_KEYS
    assert record["sha256"] == hashlib.sha256(b"12345").hexdigest()
    (record,) = cli.ok("get", "--json", "--keep", letters.url("a.txt")).records
    assert list(record) == ["action", "source", "target", "size"]
    assert (record["action"], record["size"]) == ("skipped", 5)


def test_keep(letters: Served, cli: Cli) -> None:
    Path("a.txt").write_text("mine")
    assert cli.ok("get", "-n", letters.url("a.txt")).lines == [
        "0 files copied, 0 bytes; 1 left as it is."
    ]
    assert Path("a.txt").read_text() == "mine"
    cli.ok("get", letters.url("a.txt"))
    assert Path("a.txt").read_text() == "12345"


def test_what_fails_does_not_stop_the_rest(letters: Served, cli: Cli) -> None:
    Path("out/first.txt").mkdir(parents=True)
    result = cli("get", letters.url("letters/first.txt"), letters.url("a.txt"), "out")
    assert result.code == 1
    assert result.err == "paraph: out/first.txt: is a folder, and a file goes there\n"
    assert result.lines == ["1 file copied, 5 bytes; 1 failed."]
    assert Path("out/a.txt").read_text() == "12345"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("get", "a.txt", "b"), "is no address of a share; `paraph put` sends files"),
        (("get", "a.txt"), "get needs the address of what to fetch"),
        (("put", "a.txt"), "put needs an address as its last argument"),
        (("put", "{}"), "put needs files to send"),
        (("put", "{}/a.txt", "{}/b"), "`paraph cp` copies from share to share"),
        (("cp", "{}/a.txt"), "cp needs two addresses"),
        (("cp", "{}/a.txt", "b"), "b is no address of a share; `paraph get` fetches"),
        (("cp", "-r", "{}/letters", "{}/letters/deep/x"), "can not be copied into itself"),
        (("cp", "-r", "{}", "{}/x"), "can not be copied into itself"),
        (("get", "{}/a.txt", "{}/letters/first.txt", "here.txt"), "several things can not become"),
        (("sync", "a", "b"), "One of the two must be the address of a share"),
    ],
)
def test_what_makes_no_sense(
    words: tuple[str, ...], sentence: str, letters: Served, cli: Cli
) -> None:
    Path("here.txt").write_text("")
    result = cli(*(word.format(letters.url()) for word in words))
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err


def test_onto_itself(letters: Served, cli: Cli) -> None:
    result = cli("cp", letters.url("a.txt"), letters.url("A.TXT"))
    assert result.code == 1
    assert "can not be copied onto itself" in result.err
    assert (letters.folder / "a.txt").read_text() == "12345"


def test_names_that_differ_in_case_only(served: Served, cli: Cli) -> None:
    Path("x").mkdir()
    Path("x/a.txt").write_text("small")
    Path("x/A.txt").write_text("large")
    result = cli("put", "-r", "x", served.url())
    assert result.code == 1
    assert "two of the files have this name, if case does not count" in result.err
    assert len(files(served.folder / "x")) == 1


def test_a_bar_on_a_terminal_only(letters: Served, tmp_path: Path) -> None:
    (letters.folder / "big.bin").write_bytes(bytes(9 << 20))
    command = [sys.executable, "-m", "paraph", "get", letters.url("big.bin"), str(tmp_path)]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PARAPH_PASSWORD": PASSWORD, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # EIO: the other side is closed
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"1 file copied, 9.0 MiB.\n")
    assert b"big.bin" in shown
    assert b"/9.0 MiB" in shown
    assert b"copied" not in shown


# What a server may not do


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "/etc/passwd", "a/b", "a\\b", "a\0b"])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(OSError, match="which is no name; it is not touched"):
        safe_name(name, "folder")


def test_a_server_does_not_choose_where_we_write(tmp_path: Path) -> None:
    class Hostile(LocalPlace):
        def entries(self, folder: str) -> list[Entry]:
            return [
                Entry("../escaped", False, False, 1, 0),
                Entry("..", True, False, 0, 0),
                Entry("good", False, False, 1, 0),
            ]

    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "good").write_text("g")
    (tmp_path / "escaped").write_text("e")
    out = Output()
    copying = Copying(out, Copier(), Wishes(recursive=True))
    target = tmp_path / "inner" / "target"
    copying.plan([(Hostile(), str(tmp_path / "source"))], (LocalPlace(), str(target)), into=False)
    assert copying.run() == 1
    assert out.failures == 2
    assert files(tmp_path / "inner") == {"target/": "", "target/good": "g"}


def test_folders_without_end(tmp_path: Path) -> None:
    class Endless(LocalPlace):
        def stat(self, path: str) -> Entry:
            return Entry("x", True, False, 0, 0)

        def entries(self, folder: str) -> list[Entry]:
            return [Entry("x", True, False, 0, 0)]

    out = Output()
    copying = Copying(out, Copier(), Wishes(recursive=True, dry_run=True))
    copying.plan([(Endless(), "/none")], (LocalPlace(), str(tmp_path / "t")), into=False)
    assert out.failures == 1


# sync


def test_sync_from_a_share(letters: Served, cli: Cli) -> None:
    assert cli.ok("sync", letters.url("letters"), "mirror").lines == ["2 files copied, 10 bytes."]
    assert files(Path("mirror")) == LETTERS
    assert cli.ok("sync", letters.url("letters"), "mirror").lines == [
        "0 files copied, 0 bytes; 2 left as they are."
    ]
    letters.write(letters__first_txt="hullo\n", letters__new_txt="new")
    Path("mirror/mine.txt").write_text("mine")
    cli.ok("sync", letters.url("letters"), "mirror")
    assert files(Path("mirror")) == {
        **LETTERS,
        "first.txt": "hullo\n",
        "new.txt": "new",
        "mine.txt": "mine",
    }


def test_sync_to_a_share(served: Served, cli: Cli) -> None:
    Path("x/deep").mkdir(parents=True)
    Path("x/a").write_text("a")
    Path("x/deep/b").write_text("b")
    cli.ok("sync", "x", served.url("y"))
    assert files(served.folder / "y") == files(Path("x"))
    cli.ok("sync", served.url("y"), "z")
    assert [record["action"] for record in cli.ok("sync", "--json", "x", served.url("y")).records]
    assert cli.ok("sync", "z", served.url("y")).lines[0].startswith("0 files copied")


def test_sync_deletes_when_told(letters: Served, cli: Cli) -> None:
    Path("x/old").mkdir(parents=True)
    Path("x/old/a").write_text("a")
    Path("x/first.txt").mkdir()
    Path("x/big.0123456789ab.part").write_text("half")
    dry = cli.ok("sync", "--delete", "--dry-run", letters.url("letters"), "x")
    assert dry.lines == [
        "would delete  x/first.txt",
        "would make  x/deep",
        "would delete  x/old",
        "would copy  x/deep/z.txt",
        "would copy  x/first.txt",
        "2 files would be copied, 10 bytes; 2 would be deleted.",
    ] or set(dry.lines) >= {"would delete  x/old", "would delete  x/first.txt"}
    assert Path("x/old/a").exists()
    cli.ok("sync", "--delete", letters.url("letters"), "x")
    assert files(Path("x")) == {**LETTERS, "big.0123456789ab.part": "half"}


def test_sync_by_content(letters: Served, cli: Cli) -> None:
    cli.ok("sync", letters.url("letters"), "x")
    os.utime("x/first.txt", (1, 1))
    letters.write(letters__deep__z_txt="ZED\n")
    status = Path("x/deep/z.txt").stat()
    os.utime(letters.folder / "letters/deep/z.txt", ns=(status.st_mtime_ns, status.st_mtime_ns))
    records = cli.ok("sync", "--json", "--checksum", letters.url("letters"), "x").records
    assert {record["target"]: record["action"] for record in records} == {
        "x/first.txt": "skipped",
        "x/deep/z.txt": "copied",
    }
    assert Path("x/deep/z.txt").read_text() == "ZED\n"


def test_sync_of_nothing_deletes_nothing(served: Served, cli: Cli) -> None:
    Path("x").mkdir()
    Path("x/a").write_text("a")
    result = cli("sync", "--delete", served.url("none"), "x")
    assert result.code == 1
    assert "there is no such file or folder" in result.err
    assert Path("x/a").exists()


def test_an_unreadable_folder_is_told(
    letters: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = client_places.RemotePlace.entries

    def entries(self: client_places.RemotePlace, folder: str) -> list[Entry]:
        if folder.endswith("deep"):
            raise PermissionError(13, "Permission denied", folder)
        return real(self, folder)

    monkeypatch.setattr(client_places.RemotePlace, "entries", entries)
    result = cli("get", "-r", letters.url("letters"))
    assert result.code == 1
    assert "Permission denied" in result.err
    assert Path("letters/first.txt").exists()


def test_planning_needs_one_target(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = LocalPlace()
    copying = Copying(Output(), Copier(), Wishes())
    with pytest.raises(UserError, match="is a file"):
        copying.plan([(place, "a"), (place, "b")], (place, str(tmp_path / "file")), into=False)
