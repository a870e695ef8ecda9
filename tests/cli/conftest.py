"""What the tests of the command line share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import paraph
from tests.cli.client_tools import PASSWORD, Cli, Served


@pytest.fixture(autouse=True)
def no_password_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own PARAPH_PASSWORD must not decide a test."""
    monkeypatch.delenv("PARAPH_PASSWORD", raising=False)
    monkeypatch.delenv("PARAPH_USER", raising=False)


@pytest.fixture
def signals() -> Iterator[None]:
    """Put back the signal handlers that `serve` replaces."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to share."""
    path = tmp_path / "photos"
    path.mkdir()
    return path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server with the share "data", and its folder."""
    folder = tmp_path / "served"
    folder.mkdir()
    with paraph.Server({"data": folder}, {"anna": PASSWORD}) as server:
        yield Served(folder, server.port)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `paraph` in a folder and a home of its own, with the password in the environment."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / "state"))
    monkeypatch.setattr("paraph.cli.client_remote.default_state", lambda: tmp_path / "state")
    monkeypatch.setattr("paraph.cli.client_shell.default_state", lambda: tmp_path / "state")
    monkeypatch.chdir(tmp_path / "here")
    return Cli(monkeypatch, capsys)
