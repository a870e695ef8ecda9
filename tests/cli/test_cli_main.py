"""The `paraph` command as a whole: exit codes, one sentence for each mistake, no traces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import paraph
from paraph.cli import config as config_module
from paraph.cli.main import main


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["paraph", *words])
    return main()


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"paraph {paraph.__version__}\n"


def test_help_teaches_with_examples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(monkeypatch, "serve", "--help") == 0
    text = capsys.readouterr().out
    assert "Examples:\n    paraph serve ~/photos\n" in text
    for key in config_module.KINDS:
        assert key == "path" or f"--{key}" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("serve", "{tmp}/none"), "There is no folder {tmp}/none."),
        (("serve", "{tmp}/file"), "{tmp}/file is not a folder."),
        (("serve",), "There is nothing to serve"),
        (("serve", "{tmp}", "--share", "a/b"), "'a/b' is no name for a share"),
        (("serve", "{tmp}", "--share", "a=/x", "--share", "A=/y"), "Two shares are named 'A'"),
        (("serve", "{tmp}", "--run-as", "no-such-user-here"), "there is no such user"),
        (("serve", "{tmp}", "--state", "{tmp}/file"), "is not a folder"),
        (("serve", "{tmp}", "--listen", "127.0.0.1:x"), "'x' is no port number"),
        (("serve", "{tmp}", "--encrypt", "on"), "--encrypt can not be 'on'"),
        (("serve", "{tmp}", "--min-dialect", "4"), "'4' is no dialect of SMB"),
        (("serve", "{tmp}", "--policy", "server-alway=enabled"), "Did you mean 'server-always'?"),
        (("serve", "--config", "{tmp}/none.toml"), "can not be read: No such file"),
        (("serve", "--config", "{tmp}/file"), "is not valid TOML"),
        (("serve", "{tmp}", "--user", "no/name:x"), "can not be an account name"),
        (("serve", "{tmp}", "--user", "anna"), "There is no terminal to ask for the password"),
    ],
)
def test_each_mistake_is_one_sentence(
    words: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("= what")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    given = [word.format(tmp=tmp_path) for word in words]
    if "--state" not in given:
        monkeypatch.setattr(config_module, "default_state", lambda **_: tmp_path / "state")
    if given[0] == "serve" and "--listen" not in given:
        given += ["--listen", "127.0.0.1:0"]
    assert run(monkeypatch, *given) == 2
    out, err = capsys.readouterr()
    assert sentence.format(tmp=tmp_path) in err
    assert err.startswith("paraph: ")
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("serv",), "'serve'"),
        (("serve", "--encrpt", "off"), "--encrypt"),
    ],
)
def test_unknown_words_suggest_the_nearest(
    words: tuple[str, ...],
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *words) == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize("verbose", [False, True])
def test_a_bug_is_short_unless_asked(
    verbose: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(config_module, "merge", fails)
    words = ["serve", str(tmp_path), "--user", "anna:hidden", *(["-v"] if verbose else [])]
    assert run(monkeypatch, *words) == 1
    err = capsys.readouterr().err
    assert ("Traceback" in err) is verbose
    assert "ZeroDivisionError: oh" in err
    assert "hidden" not in err


def test_help_is_quick() -> None:
    """`paraph --help` imports neither the server nor what it needs."""
    code = (
        "import sys; sys.argv = ['paraph', '--help']\n"
        "from paraph.cli.main import main\n"
        "code = main()\n"
        "heavy = {'cryptography', 'asyncio', 'rich', 'paraph.server', 'paraph.net'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "paraph", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"paraph {paraph.__version__}\n")
