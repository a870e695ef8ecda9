"""`paraph shell`: scripts, and what Tab offers."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paraph.cli.client_jobs import Places
from paraph.cli.client_options import Options
from paraph.cli.client_remote import Remotes
from paraph.cli.client_shell import Completer, Shell, _split
from tests.cli.client_tools import PASSWORD, Cli, Served


@pytest.fixture
def letters(served: Served) -> Served:
    served.write(letters__first_txt="hello\n", letters__deep__z_txt="zed\n", a_txt="12345")
    (served.folder / "my files").mkdir()
    (served.folder / "my files" / "b c.txt").write_text("b")
    return served


def test_a_script(letters: Served, cli: Cli) -> None:
    script = """
    # what there is
    pwd
    ls
    cd letters
    ls -r
    cat first.txt
    cd ..
    cd "/my files"
    ls
    """
    assert cli.ok("shell", letters.url(), stdin=script).lines == [
        letters.url(),
        "a.txt",
        "letters/",
        "my files/",
        "deep/",
        "deep/z.txt",
        "first.txt",
        "hello",
        "b c.txt",
    ]


def test_every_command(letters: Served, cli: Cli) -> None:
    Path("put me.txt").write_text("p")
    script = """
    mkdir -p new/deep
    put "put me.txt" -o new/
    put *.txt
    cp a.txt b.txt new
    mv new/put\\ me.txt new/moved.txt
    get new/moved.txt -o got.txt
    get -r letters
    rm -f none
    rm b.txt
    stat a.txt
    df
    shares
    acl a.txt
    tree letters
    lcd letters
    lpwd
    help
    quit
    nonsense
    """.replace("cp a.txt b.txt new", "cp a.txt b.txt\ncp a.txt new")
    out = cli.ok("shell", letters.url(), stdin=script).out
    assert Path.cwd().name == "letters"
    assert str(Path.cwd()) in out.splitlines()
    os.chdir("..")
    assert Path("got.txt").read_text() == "p"
    assert Path("letters/deep/z.txt").exists()
    assert sorted(os.listdir(letters.folder / "new")) == ["a.txt", "deep", "moved.txt"]
    assert (letters.folder / "put me.txt").exists()
    assert not (letters.folder / "b.txt").exists()
    for word in ("are free", "IPC$", "Everyone: full", "└── first.txt", "Attributes  archive"):
        assert word in out


def test_a_script_stops_where_it_fails(letters: Served, cli: Cli) -> None:
    script = "cd none\nrm a.txt\n"
    result = cli("shell", letters.url("letters"), stdin=script)
    assert (result.code, result.out) == (1, "")
    assert "letters/none: No such file or directory (STATUS_OBJECT_NAME_NOT_FOUND)" in result.err
    result = cli("shell", "--keep-going", letters.url(), stdin=script)
    assert result.code == 1
    assert not (letters.folder / "a.txt").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("frob", "There is no command 'frob'; `help` lists them."),
        ("cat", "the following arguments are required: PATH; usage: cat"),
        ("ls --nope", "unrecognized arguments: --nope"),
        ("ls 'x", "No closing quotation"),
        ("cd ../..", "leads out of the share"),
        ("rm -r /", "is a whole share"),
    ],
)
def test_each_mistake_is_one_sentence(line: str, words: str, letters: Served, cli: Cli) -> None:
    result = cli("shell", letters.url(), stdin=f"{line}\n")
    assert result.code == 1
    assert words in result.err
    assert result.err.count("\n") == 1


def test_commands_as_an_argument(letters: Served, cli: Cli) -> None:
    result = cli.ok("shell", letters.url(), "-c", "cd 'my files'; ls; pwd")
    assert result.lines == ["b c.txt", letters.url("my files")]
    assert list(_split("ls; cat 'a;b' ;pwd")) == ["ls", "cat 'a;b'", "pwd"]


def test_a_share_that_is_not_there(letters: Served, cli: Cli) -> None:
    assert cli("shell", letters.url("none"), stdin="pwd").code == 1


def test_talking(letters: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a failure is told, and the prompt comes again."""
    lines = iter(["frob", "cd letters", "ls"])
    prompts: list[str] = []

    def read(prompt: str) -> str:
        prompts.append(prompt)
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr("tests.cli.client_tools.io.StringIO", Terminal)
    result = cli("shell", letters.url())
    assert result.code == 0
    assert result.lines == ["deep/", "first.txt", ""]
    assert "There is no command 'frob'" in result.err
    assert prompts == [f"{letters.url()}> "] * 2 + [f"{letters.url('letters')}> "] * 2


@pytest.fixture
def shell(letters: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.setenv("PARAPH_PASSWORD", PASSWORD)
    with Remotes(Options(state=tmp_path / "state")) as remotes:
        remote, path = remotes.at(letters.url())
        yield Shell(Options(), remote, path, Places(remotes))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("l", ["lcd ", "lpwd ", "ls "]),
        ("", None),
        ("ls le", ["letters/"]),
        ("ls LE", ["letters/"]),
        ("cat letters/", ["letters/deep/", "letters/first.txt"]),
        ("cat letters/f", ["letters/first.txt"]),
        ("ls my", ["my\\ files/"]),
        ("ls my\\ f", ["files/"]),
        ("cat my\\ files/b", ["files/b\\ c.txt"]),
        ("cat my\\ files/b\\ ", ["c.txt"]),
        ("cat none/", []),
        ("get a.txt le", ["letters/"]),
    ],
)
def test_completion(line: str, found: list[str] | None, shell: Shell) -> None:
    completer = Completer(shell, lambda: line)
    text = "" if line.endswith(" ") else line.rpartition(" ")[2]
    results: list[str] = []
    while (one := completer.complete(text, len(results))) is not None:
        results.append(one)
    assert results == ([f"{name} " for name in shell.names] if found is None else found)


def test_completion_of_this_machine(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.txt").write_text("")
    line = f"put {tmp_path}/in/"
    completer = Completer(shell, lambda: line)
    assert completer.complete(f"{tmp_path}/in/", 0) == f"{tmp_path}/in/x.txt"


def test_history_is_private(letters: Served, tmp_path: Path, shell: Shell) -> None:
    readline = pytest.importorskip("readline")
    from paraph.cli import client_shell

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_shell, "default_state", lambda: tmp_path / "private")
        lines = client_shell._Lines(shell)
        readline.add_history("ls")
        lines.save()
    readline.clear_history()
    readline.set_completer(None)
    path = tmp_path / "private" / "shell_history"
    assert path.read_text().splitlines()[-1] == "ls"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sys.stdin is not None
