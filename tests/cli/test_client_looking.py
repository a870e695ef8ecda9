"""`paraph ls`, `tree`, `stat`, `cat`, `shares`: what they show, what they say of mistakes."""

from __future__ import annotations

import os

import pytest

from paraph.cli.client_output import iso, moment, shown, size_text
from tests.cli.client_tools import Cli, Served

FILE_KEYS = ["name", "url", "type", "size", "modified", "attributes"]


@pytest.fixture
def letters(served: Served) -> Served:
    served.write(letters__first_txt="hello\n", letters__deep__z_txt="zed\n", a_bin="12345")
    os.utime(served.folder / "a.bin", (1_600_000_000, 1_600_000_000))
    return served


def test_names(letters: Served, cli: Cli) -> None:
    assert cli.ok("ls", letters.url()).lines == ["a.bin", "letters/"]
    assert cli.ok("ls", letters.url("letters"), letters.url("a.bin")).lines == [
        "deep/",
        "first.txt",
        "a.bin",
    ]


def test_all_below(letters: Served, cli: Cli) -> None:
    assert cli.ok("ls", "-r", letters.url()).lines == [
        "a.bin",
        "letters/",
        "letters/deep/",
        "letters/deep/z.txt",
        "letters/first.txt",
    ]
    assert cli.ok("ls", "-r", letters.url("letters")).lines == ["deep/", "deep/z.txt", "first.txt"]


def test_the_long_form(letters: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    file, folder = cli.ok("ls", "-l", letters.url()).lines
    assert file.split()[:2] == ["----A-", "5"]
    assert " 2020-09-1" in file
    assert folder.startswith("D-----  ")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.bin", ["a.bin"]),
        ("**/*.TXT", ["letters/first.txt", "letters/deep/z.txt"]),
        ("letters/f?rst.txt", ["letters/first.txt"]),
        ("[ab].bin", ["a.bin"]),
    ],
)
def test_patterns(pattern: str, names: list[str], letters: Served, cli: Cli) -> None:
    assert cli.ok("ls", letters.url(pattern)).lines == names


def test_a_name_with_brackets_is_a_name_first(served: Served, cli: Cli) -> None:
    (served.folder / "[a].txt").write_text("x")
    (served.folder / "a.txt").write_text("y")
    assert cli.ok("cat", served.url("[a].txt")).out == "x"


def test_a_percent_stands_for_a_byte(served: Served, cli: Cli) -> None:
    (served.folder / "a b.txt").write_text("x")
    assert cli.ok("cat", served.url("a%20b.txt")).out == "x"


def test_json(letters: Served, cli: Cli) -> None:
    file, folder = cli.ok("ls", "--json", letters.url()).records
    assert list(file) == FILE_KEYS
    assert file == {
        "name": "a.bin",
        "url": letters.url("a.bin"),
        "type": "file",
        "size": 5,
        "modified": "2020-09-13T12:26:40Z",
        "attributes": ["archive"],
    }
    assert (folder["type"], folder["size"], folder["attributes"]) == ("folder", 0, ["directory"])


def test_tree(letters: Served, cli: Cli) -> None:
    assert cli.ok("tree", letters.url()).lines == [
        letters.url(),
        "├── a.bin",
        "└── letters/",
        "    ├── deep/",
        "    │   └── z.txt",
        "    └── first.txt",
        "2 folders, 3 files, 15 bytes",
    ]
    assert len(cli.ok("tree", "--depth", 1, letters.url()).lines) == 4
    records = cli.ok("tree", "--json", letters.url()).records
    assert [record["depth"] for record in records] == [1, 1, 2, 3, 2]


def test_stat(letters: Served, cli: Cli) -> None:
    (record,) = cli.ok("stat", "--json", letters.url("a.bin")).records
    extra = ["allocated", "created", "accessed", "changed", "file_id"]
    assert list(record) == FILE_KEYS + extra
    assert record["file_id"] == (letters.folder / "a.bin").stat().st_ino
    lines = cli.ok("stat", letters.url("a.bin")).lines
    assert lines[0] == letters.url("a.bin")
    assert "  Attributes  archive" in lines


def test_cat(letters: Served, cli: Cli) -> None:
    big = os.urandom(300_000).hex()
    letters.write(big_txt=big)
    assert cli.ok("cat", letters.url("letters/first.txt"), letters.url("big.txt")).out == (
        f"hello\n{big}"
    )


def test_shares(letters: Served, cli: Cli) -> None:
    url = f"smb://anna@127.0.0.1:{letters.port}"
    assert [line.split() for line in cli.ok("shares", url).lines] == [
        ["data", "disk"],
        ["IPC$", "pipe", "Remote", "IPC"],
    ]
    assert cli.ok("shares", "--json", url).records[0] == {
        "name": "data",
        "type": "disk",
        "comment": "",
        "special": False,
    }


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("ls", "{}/nope"), 1, "{}/nope: No such file or directory (STATUS_OBJECT_NAME_NOT_FOUND)"),
        (("cat", "{}/a.bin/x"), 1, "(STATUS_OBJECT_PATH_NOT_FOUND)"),
        (("ls", "{}/*.nope"), 1, "{}/*.nope: nothing matches (STATUS_NO_SUCH_FILE)"),
        (("cat", "{}/letters"), 1, "{}/letters: Is a directory (STATUS_FILE_IS_A_DIRECTORY)"),
        (("ls", "{host}/none"), 1, "{host}/none: the server has no such share (STATUS_BAD_NETWORK"),
        (("ls", "{host}"), 2, "names no share"),
        (("ls", "{}/../x"), 2, "leads out of the share"),
        (("ls", "data"), 2, "'data' is no address of a share"),
        (("ls", "{}", "--timeout", "0"), 2, "--timeout must be above 0"),
        (("ls", "{}", "--policy", "client-allways=enabled"), 2, "Did you mean 'client-always'?"),
        (("ls", "{}", "--encrypt", "on"), 2, "--encrypt can not be 'on'"),
        (("ls", "{}", "--max-dialect", "4"), 2, "'4' is no dialect of SMB"),
        (("ls", "{}", "--min-dialect", "3.1.1", "--max-dialect", "2.1"), 2, "No dialect lies"),
    ],
)
def test_each_mistake_is_one_sentence(
    words: tuple[str, ...], code: int, sentence: str, letters: Served, cli: Cli
) -> None:
    host = f"smb://anna@127.0.0.1:{letters.port}"
    url = letters.url()
    result = cli(*(word.format(url, host=host) for word in words))
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("paraph: ")
    assert sentence.format(url, host=host) in result.err
    assert result.err.count("\n") == 1


def test_a_mistake_in_json(letters: Served, cli: Cli) -> None:
    import json

    result = cli("stat", "--json", letters.url("nope"))
    assert (result.code, result.out) == (1, "")
    record = json.loads(result.err)
    assert list(record) == ["error", "path", "status", "errno"]
    assert record["path"] == letters.url("nope")
    assert (record["status"], record["errno"]) == ("STATUS_OBJECT_NAME_NOT_FOUND", 2)


def test_nobody_listens(cli: Cli) -> None:
    import socket

    with socket.socket() as silent:  # bound, but not listening
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        result = cli("ls", f"smb://anna@127.0.0.1:{port}/data")
    assert result.code == 1
    assert "no connection to 127.0.0.1: Connection refused" in result.err


def test_ctrl_c(letters: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("paraph.cli.client_list.ls", stop)
    result = cli("ls", letters.url())
    assert (result.code, result.err) == (130, "\nparaph: stopped.\n")


def test_what_a_server_names_is_safe_for_a_terminal() -> None:
    assert shown("a\x1b[31mb\n") == "a\\x1b[31mb\\n"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size_text(count) == text


def test_times_that_no_calendar_holds() -> None:
    assert moment(1 << 80) is None
    assert iso(1 << 80) is None
    assert iso(0) == "1970-01-01T00:00:00Z"
