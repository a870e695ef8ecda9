"""Running `paraph policy` and `paraph registry` through the front door of the command line."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from paraph.cli import main as main_module


@functools.cache
def built() -> Any:
    """The commands, which take typer a while to build: once for all tests."""
    return typer.main.get_command(main_module.app)


class Cli:
    """Runs commands on the state `tmp_path/state`; call it with the words after `paraph`."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: Path
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.state = state
        self.err = ""  #: of the last command
        monkeypatch.setattr(main_module, "app", built())
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("XDG_STATE_HOME", str(state.parent / "elsewhere"))
        # With --state given wherever there is one, nothing may touch the real one.
        monkeypatch.setattr("paraph.cli.config.default_state", lambda **_: state)
        monkeypatch.setattr("paraph.cli.policy_state.default_state", lambda **_: state)

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command, which must end with `code`; its standard output."""
        self._monkeypatch.setattr(sys, "argv", ["paraph", *words])
        self._capsys.readouterr()
        found = main_module.main()
        out, self.err = self._capsys.readouterr()
        assert found == code, f"exit code {found}: {out}{self.err}"
        return out

    def fails(self, *words: str) -> str:
        """Run a command that must end with exit code 2 and one sentence: that sentence."""
        assert self(*words, code=2) == ""
        assert self.err.startswith("paraph: ")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("paraph: ").rstrip("\n")

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self(*words, "--json", code=code))

    def setting(self, key: str) -> tuple[int | None, int]:
        """(what is defined, what is in force) of a setting."""
        found = self.json("policy", "show", key)
        return found["value"], found["effective"]


def cli_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Cli:
    """A runner with a new state; tests have it as a fixture."""
    return Cli(monkeypatch, capsys, tmp_path / "state")
