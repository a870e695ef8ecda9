"""`paraph user`, through the command line's own front door."""

from __future__ import annotations

import getpass
import io
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from paraph.auth.accounts import AccountFile, nt_hash
from paraph.cli.main import main

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `paraph user ... --state tmp_path/state`; the exit code."""

    def call(*words: str, stdin: str = "", tty: bool = False) -> int:
        source = io.StringIO(stdin)
        source.isatty = lambda: tty  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", source)
        state = str(tmp_path / "state")
        monkeypatch.setattr(sys, "argv", ["paraph", "user", *words, "--state", state])
        return main()

    return call


def answers(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """What is typed where a password is asked for."""
    left = list(texts)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: left.pop(0))


def test_add_list_passwd_remove(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", "anna", "--password-stdin", stdin="one\n") == 0
    assert run("add", "Ben", "--password-stdin", stdin="two\r\n") == 0
    capsys.readouterr()
    assert run("list") == 0
    assert capsys.readouterr().out == "anna\nBen\n"
    path = tmp_path / "state" / "accounts"
    assert AccountFile(path).find("ben") == ("Ben", nt_hash("two"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert run("passwd", "BEN", "--password-stdin", stdin="three") == 0
    assert AccountFile(path).find("ben") == ("Ben", nt_hash("three"))
    assert run("remove", "anna") == 0
    assert AccountFile(path).names() == ["Ben"]


def test_a_password_from_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARAPH_PASSWORD", "one")
    assert run("add", "anna") == 0
    assert AccountFile(tmp_path / "state" / "accounts").find("anna") == ("anna", nt_hash("one"))


def test_a_password_that_is_typed_twice(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, "one", "two")
    assert run("add", "anna", tty=True) == 2
    assert "The two passwords differ." in capsys.readouterr().err
    answers(monkeypatch, "", "")
    assert run("add", "anna", tty=True) == 2
    assert "The password is empty." in capsys.readouterr().err
    answers(monkeypatch, "one", "one")
    assert run("add", "anna", tty=True) == 0
    assert AccountFile(tmp_path / "state" / "accounts").find("anna") == ("anna", nt_hash("one"))


def test_no_terminal_to_ask_on(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "anna") == 2
    assert "There is no terminal to ask for the password of 'anna' on" in capsys.readouterr().err


def test_an_account_that_exists(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "anna", "--password-stdin", stdin="one\n") == 0
    # Told before any password is asked for.
    assert run("add", "ANNA") == 2
    assert "exists already" in capsys.readouterr().err
    assert run("add", "anna", "--replace", "--password-stdin", stdin="two\n") == 0


@pytest.mark.parametrize("verb", ["remove", "passwd"])
def test_an_account_that_does_not_exist(
    run: Run, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(verb, "eve") == 2
    assert "There is no account 'eve'" in capsys.readouterr().err


def test_no_accounts_at_all(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "There are no accounts in" in err


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "a:b"])
def test_names_that_no_account_can_have(
    run: Run, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", name, "--password-stdin", stdin="one\n") == 2
    assert "can not be an account name" in capsys.readouterr().err


def test_a_damaged_file_is_never_an_empty_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("add", "anna", "--password-stdin", stdin="one\n")
    path = tmp_path / "state" / "accounts"
    path.write_text("what is this\n")
    for words in (("list",), ("add", "ben", "--password-stdin"), ("remove", "anna")):
        assert run(*words, stdin="two\n") == 2
        assert "damaged" in capsys.readouterr().err
    assert path.read_text() == "what is this\n"


def test_a_state_that_others_can_write_to(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "something").touch()
    state.chmod(0o777)
    assert run("add", "anna", "--password-stdin", stdin="one\n") == 2
    assert "Others may write to the state folder" in capsys.readouterr().err
    assert stat.S_IMODE(state.stat().st_mode) == 0o777


def test_a_state_that_is_a_file(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").touch()
    assert run("add", "anna", "--password-stdin", stdin="one\n") == 2
    assert "is not a folder" in capsys.readouterr().err
