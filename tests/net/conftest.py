"""Both event loops, and a watch over what they log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.net.net_tools import set_loop


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A test that names this runs once with each."""
    kind: str = request.param
    set_loop(monkeypatch, kind)
    return kind


@pytest.fixture(autouse=True)
def quiet_loops(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An event loop that complains fails the test; one that expects it clears the log."""
    yield
    complaints = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert not complaints
