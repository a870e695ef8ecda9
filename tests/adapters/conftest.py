"""The two servers that the file system of fsspec is tried against."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

import paraph
from tests.client.samba import PASSWORD, start_samba

if TYPE_CHECKING:
    from paraph.adapters.fsspec_ import ParaphFileSystem

if find_spec("fsspec") is None and os.environ.get("CI") != "true":
    collect_ignore_glob = ["test_fsspec*"]

USER = "anna"


@dataclass
class Place:
    """A server; `folder` is what its share "data" shows. It has a second share, `other`."""

    kind: str
    port: int
    user: str
    other: str
    folder: Path
    password: str = PASSWORD

    def __repr__(self) -> str:
        return f"<{self.kind}>"

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the file system."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "username": self.user,
            "password": self.password,
        }

    def system(self, **options: Any) -> ParaphFileSystem:
        """A file system that nobody else has."""
        from paraph.adapters.fsspec_ import ParaphFileSystem

        return ParaphFileSystem(**{**self.options, **options}, skip_instance_cache=True)

    def url(self, path: str, protocol: str = "paraph") -> str:
        return f"{protocol}://{self.user}@127.0.0.1:{self.port}{path}"


@pytest.fixture(scope="session")
def paraph_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("shares")
    (home / "data").mkdir()
    (home / "more").mkdir()
    shares = {"data": home / "data", "more": home / "more"}
    with paraph.Server(shares, {USER: PASSWORD}, failed_logon_delay=0) as server:
        yield Place("paraph", server.port, USER, "more", home / "data")


@pytest.fixture(scope="session")
def samba_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    samba = start_samba(tmp_path_factory.mktemp("samba"))
    yield Place("samba", samba.port, samba.user, "secret", samba.folder)
    samba.stop()


@pytest.fixture(scope="session", params=["paraph", "samba"])
def place(request: pytest.FixtureRequest) -> Place:
    """A test that names this runs once with each server."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture(scope="session")
def system(place: Place) -> Iterator[ParaphFileSystem]:
    system = place.system(auto_mkdir=True)
    yield system
    system.close()


@pytest.fixture
def fs(system: ParaphFileSystem) -> ParaphFileSystem:
    """A file system that makes folders as it needs them, and serves all tests."""
    return system


@pytest.fixture
def fs_path(place: Place) -> str:
    """A folder on the server for this test alone."""
    name = uuid4().hex
    (place.folder / name).mkdir()
    return f"/data/{name}"


@pytest.fixture
def local(place: Place, fs_path: str) -> Path:
    """The same folder, as the server's machine sees it."""
    return place.folder / fs_path.removeprefix("/data/")
