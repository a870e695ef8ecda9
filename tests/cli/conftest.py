"""What the tests of the command line share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_password_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own PARAPH_PASSWORD must not decide a test."""
    monkeypatch.delenv("PARAPH_PASSWORD", raising=False)


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
