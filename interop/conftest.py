"""Fixtures of the tests against real peers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.peers import Served, SmbClient, missing, serve


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder that is gone after the test: pytest keeps its own for a while, and these are big."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.fixture
def server(scratch: Path) -> Iterator[Callable[..., Served]]:
    """Start a server: `server(signing=False, encryption="required", ...)`."""
    running: list[Served] = []

    def start(**settings: Any) -> Served:
        running.append(serve(scratch / f"served{len(running)}", **settings))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def smbclient(scratch: Path) -> Callable[..., SmbClient]:
    """Make an smbclient for a server."""

    def make(served: Served, **login: str) -> SmbClient:
        return SmbClient(scratch / "client", served.port, **login)

    return make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud what was not tested."""
    if missing:
        lines = (f"{name} ({count} tests)" for name, count in sorted(missing.items()))
        terminalreporter.section("MISSING PEERS", red=True, bold=True)
        terminalreporter.line(", ".join(lines))
