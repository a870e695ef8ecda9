"""`paraph rm`, `mv`, `mkdir` and `watch`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.client_tools import Cli, Served
from tests.client.samba import PASSWORD, Samba, start_samba


def test_mkdir(served: Served, cli: Cli) -> None:
    assert cli.ok("mkdir", served.url("a"), served.url("b")).out == ""
    result = cli("mkdir", served.url("a"))
    assert result.code == 1
    assert "(STATUS_OBJECT_NAME_COLLISION)" in result.err
    cli.ok("mkdir", "-p", served.url("a/b/c"), served.url("a"))
    assert (served.folder / "a/b/c").is_dir()
    assert cli.ok("mkdir", "--json", served.url("d")).records == [
        {"action": "made", "url": served.url("d")}
    ]


def test_rm(served: Served, cli: Cli) -> None:
    served.write(a_txt="", b_txt="", c_bin="", folder__x_txt="")
    cli.ok("rm", served.url("*.txt"))
    result = cli("rm", served.url("folder"))
    assert result.code == 1
    assert "folder: is a folder; --recursive deletes folders" in result.err
    assert sorted(path.name for path in served.folder.iterdir()) == ["c.bin", "folder"]
    assert cli.ok("rm", "-r", "--json", served.url("folder")).records == [
        {"action": "deleted", "url": served.url("folder")}
    ]
    assert [path.name for path in served.folder.iterdir()] == ["c.bin"]


def test_rm_what_is_not_there(served: Served, cli: Cli) -> None:
    assert cli("rm", served.url("none")).code == 1
    cli.ok("rm", "-f", served.url("none"), served.url("*.none"))


@pytest.mark.parametrize("path", ["", ".", "a/.."])
def test_a_whole_share_is_not_deleted(path: str, served: Served, cli: Cli) -> None:
    served.write(a_txt="")
    result = cli("rm", "-r", "-f", served.url() + "/" + path)
    assert result.code == 2
    assert "is a whole share, which is not deleted" in result.err
    assert (served.folder / "a.txt").exists()


def test_mv(served: Served, cli: Cli) -> None:
    served.write(a_txt="a", b_txt="b")
    cli.ok("mv", served.url("a.txt"), served.url("c.txt"))
    result = cli("mv", served.url("c.txt"), served.url("b.txt"))
    assert result.code == 1
    assert "(STATUS_OBJECT_NAME_COLLISION)" in result.err
    assert (served.folder / "b.txt").read_text() == "b"
    cli.ok("mv", "-f", served.url("c.txt"), served.url("b.txt"))
    assert (served.folder / "b.txt").read_text() == "a"


def test_mv_into_a_folder(served: Served, cli: Cli) -> None:
    served.write(a_txt="a", b_txt="b", folder__c_txt="c")
    records = cli.ok("mv", "--json", served.url("*.txt"), served.url("folder")).records
    assert records[0] == {
        "action": "moved",
        "source": served.url("a.txt"),
        "target": served.url("folder/a.txt"),
    }
    assert len(list((served.folder / "folder").iterdir())) == 3
    cli.ok("mv", served.url("folder/a.txt"), served.url())
    assert (served.folder / "a.txt").exists()


def test_mv_changes_the_case_of_a_folder(served: Served, cli: Cli) -> None:
    served.write(letters__a_txt="a")
    cli.ok("mv", served.url("letters"), served.url("Letters"))
    assert [path.name for path in served.folder.iterdir()] == ["Letters"]


def test_mv_makes_no_sense(served: Served, cli: Cli) -> None:
    served.write(a_txt="a", b_txt="b")
    assert "needs two addresses" in cli("mv", served.url("a.txt")).err
    assert "is no folder" in cli("mv", served.url("*.txt"), served.url("c")).err
    other = f"smb://anna@127.0.0.1:{served.port}/other/x"
    result = cli("mv", served.url("a.txt"), other)
    assert result.code == 2
    assert "works within one share" in result.err


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = start_samba(tmp_path_factory.mktemp("samba"))
    yield server
    server.stop()


def test_watch(samba: Samba, cli: Cli, tmp_path: Path) -> None:
    stop = threading.Event()

    def stir() -> None:
        number = 0
        while not stop.wait(0.1):
            number += 1
            (samba.folder / f"new{number}.txt").write_text("x")

    thread = threading.Thread(target=stir)
    thread.start()
    try:
        result = cli("watch", "--count", 1, "--json", samba.url(), password=PASSWORD)
    finally:
        stop.set()
        thread.join()
    assert (result.code, result.err) == (0, "")
    (record,) = result.records
    assert list(record) == ["time", "action", "url"]
    assert record["action"] == "added"
    assert record["url"].startswith(samba.url("data/new"))


def test_watch_ends_when_nothing_comes(samba: Samba, cli: Cli) -> None:
    result = cli("watch", "--for", 0.3, samba.url(), password=PASSWORD)
    assert (result.code, result.out, result.err) == (0, "", "")
