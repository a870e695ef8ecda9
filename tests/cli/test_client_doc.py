"""The examples of docs/client.md do what it says, and its tables are complete."""

from __future__ import annotations

import doctest
import getpass
import re
import shlex
from pathlib import Path

import pytest

from paraph.cli.main import app
from tests.cli.client_tools import PASSWORD, Cli, Served

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
_KEYS = PAGE.split("| command | keys |")[1].split("\n\n")[0]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = _BLOCK.findall(PAGE)


def steps(block: str) -> list[tuple[str, str]]:
    """(command, what it prints) of each line with a dollar."""
    found: list[tuple[str, str]] = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].strip(), ""))
        else:
            command, output = found[-1]
            found[-1] = command, output + line
    return found


@pytest.fixture
def world(served: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Served:
    """What the page takes for granted."""
    served.write(notes_txt="Buy stamps.\n")
    served.write(letters__first_txt="Hello, Anna.\n", letters__second_txt="Hi again\n")
    for name in ("cat.jpg", "trip/lake.jpg", "trip/sea.jpg"):
        path = served.folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode().ljust(20 << 10))
    auth = Path("anna.auth")
    auth.write_text(f"username = anna\npassword = {PASSWORD}\n")
    auth.chmod(0o600)
    Path("script").write_text("cd photos/trip\npwd\nls\n")

    def prompt(text: str) -> str:
        print(text.strip())
        return PASSWORD

    monkeypatch.setattr(getpass, "getpass", prompt)
    return served


def test_the_examples(world: Served, cli: Cli) -> None:
    same = doctest.OutputChecker().check_output
    host = f"127.0.0.1:{world.port}"
    for number, block in enumerate(BLOCKS):
        for command, wanted in steps(block):
            words = shlex.split(re.sub(r"\bserver(?=/|$)", host, command))
            stdin = ""
            if "<" in words:
                at = words.index("<")
                stdin = Path(words[at + 1]).read_text()
                del words[at : at + 2]
            assert words[0] == "paraph"
            # The first block shows the prompt.
            result = cli(*words[1:], stdin=stdin, password=None if number == 0 else PASSWORD)
            got = (result.out + result.err).replace(host, "server").replace("127.0.0.1", "server")
            assert same(wanted, got, doctest.ELLIPSIS), (
                f"$ {command}\n--- wanted\n{wanted}--- got\n{got}"
            )
            assert result.code == (1 if '"error"' in wanted else 0)


def test_there_are_ten_tasks() -> None:
    tasks = PAGE.split("## Ten tasks")[1]
    assert len(re.findall(r"^### ", tasks, re.MULTILINE)) == 10
    assert len(BLOCKS) == 11


def test_every_command_is_told() -> None:
    table = PAGE.split("| command | |")[1].split("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", table))
    here = {
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
    }
    assert told == here - {"serve"}


def keys(command: str) -> list[str]:
    """Of the table."""
    (row,) = re.findall(rf"^\| {re.escape(command)} \|(.*)\|$", _KEYS, re.MULTILINE)
    found = re.findall(r"`(\w+)`", row)
    return [*keys("`ls`"), *found[1:]] if found[0] == "ls" else found


def test_the_keys(world: Served, cli: Cli) -> None:
    url = world.url
    host = f"smb://anna@127.0.0.1:{world.port}"
    copied = keys("`get`, `put`, `cp`, `sync`")
    for row, words in {
        "`ls`": ("ls", url()),
        "`tree`": ("tree", url()),
        "`stat`": ("stat", url("notes.txt")),
        "`shares`": ("shares", host),
        "`mkdir`, `rm`": ("mkdir", url("x")),
        "`mv`": ("mv", url("x"), url("y")),
        "`acl`": ("acl", url("y")),
        "`status`": ("status", url()),
    }.items():
        record = cli.ok(words[0], "--json", *words[1:]).records[0]
        assert list(record) == keys(row), row
    assert list(cli.ok("rm", "-r", "--json", url("y")).records[0]) == keys("`mkdir`, `rm`")
    assert list(cli.ok("get", "--json", url("notes.txt")).records[0]) == copied
    skipped = cli.ok("get", "-n", "--json", url("notes.txt")).records[0]
    assert list(skipped) == copied[:4]
    refused = cli("status", "--json", url(), "--encrypt", "required", "--max-dialect", "2.1")
    assert list(refused.records[0]) == keys("`status`, refused")
