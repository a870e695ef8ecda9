"""Servers that the client is tested against: Paraph and Samba."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import paraph
from tests.client.faces import FACES
from tests.client.samba import PASSWORD, Samba, start_samba


@dataclass
class Place:
    """A running server and its folder."""

    name: str
    url: str  #: of share "data"
    folder: Path


@pytest.fixture(scope="session")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    running = start_samba(tmp_path_factory.mktemp("samba"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("own")
    with paraph.Server(
        {"data": folder}, {"anna": PASSWORD}, failed_logon_delay=0.05, encryption="desired"
    ) as server:
        yield Place("paraph", f"smb://anna@127.0.0.1:{server.port}/data", folder)


@pytest.fixture(params=["paraph", "samba"])
def place(request: pytest.FixtureRequest) -> Place:
    """Every test that asks for this runs against both servers."""
    if request.param == "samba":
        samba: Samba = request.getfixturevalue("samba")
        return Place("samba", samba.url(), samba.folder)
    own: Place = request.getfixturevalue("own_server")
    return own


@pytest.fixture(params=["sync", "aio"])
def connect(
    request: pytest.FixtureRequest, place: Place, tmp_path: Path
) -> Iterator[Callable[..., Any]]:
    """Connects to `place`, within a folder for this test alone, through both faces."""
    inner = place.folder / tmp_path.name
    inner.mkdir()
    opened: list[Any] = []

    def start(**options: Any) -> Any:
        options.setdefault("password", PASSWORD)
        options.setdefault("timeout", 20)
        options.setdefault("encryption", "off")  # our own server would encrypt whenever it can
        share = FACES[request.param](f"{place.url}/{inner.name}", **options)
        opened.append(share)
        return share

    start.folder = inner  # type: ignore[attr-defined]
    yield start
    for share in opened:
        share.close()


@pytest.fixture
def share(connect: Callable[..., Any]) -> Any:
    return connect()


@pytest.fixture
def folder(connect: Callable[..., Any]) -> Path:
    """The local folder that `share` shows."""
    found: Path = connect.folder  # type: ignore[attr-defined]
    return found
