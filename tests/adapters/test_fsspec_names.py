"""URLs, paths and arguments of the file system: no server is asked."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
from fsspec.registry import _registry as fsspec_registry

from paraph.adapters.fsspec_ import ParaphFileSystem, register
from paraph.adapters.fsspec_file import sharing
from paraph.adapters.fsspec_names import entry_info
from paraph.adapters.fsspec_server import Retries
from paraph.client.errors import smb_error
from paraph.client.records import DirEntry
from paraph.errors import SMBError, UserError
from paraph.net.client_sync import Share
from paraph.policy.settings import Policy
from paraph.wire.fscc_dir import DirRecord
from paraph.wire.fsctl import ReparseTag
from paraph.wire.ntstatus import NTStatus


def system(**options: Any) -> ParaphFileSystem:
    return ParaphFileSystem(**{"host": "server", **options}, skip_instance_cache=True)


@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        ("smb://anna@server:4455/data/a/b.csv", "/data/a/b.csv"),
        ("paraph://server/data", "/data"),
        ("paraph://server/data/", "/data"),
        ("paraph://server", "/"),
        ("paraph://", "/"),
        ("/data/a", "/data/a"),
        ("data//a/", "/data/a"),
        ("data\\a\\b", "/data/a/b"),
        ("", "/"),
        ("smb://server/data/100%20?#[x].csv", "/data/100%20?#[x].csv"),
        ("smb://server/data/user@host", "/data/user@host"),
        ("/data/a://b", "/data/a:/b"),
    ],
)
def test_paths(path: str, stripped: str) -> None:
    assert ParaphFileSystem._strip_protocol(path) == stripped
    assert ParaphFileSystem._strip_protocol([path]) == [stripped]
    assert ParaphFileSystem._strip_protocol(stripped) == stripped


@pytest.mark.parametrize(
    ("path", "parent"),
    [("/data/a/b", "/data/a"), ("/data", "/"), ("/", "/"), ("/data/a/", "/data")],
)
def test_parents(path: str, parent: str) -> None:
    assert ParaphFileSystem._parent(path) == parent


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("smb://server/data", {"host": "server"}),
        ("smb://server:445/data", {"host": "server"}),
        (
            "paraph://anna:s%40crt@server:4455/data/a@b",
            {"host": "server", "port": 4455, "username": "anna", "password": "s@crt"},
        ),
        (
            "smb://WORK;anna@server/data",
            {"host": "server", "username": "anna", "domain": "WORK"},
        ),
        ("smb://anna:@server", {"host": "server", "username": "anna", "password": ""}),
        ("smb://[::1]:4455/data", {"host": "::1", "port": 4455}),
        ("cifs://server/data", {"host": "server"}),
        ("/data/a", {}),
        ("smb:///data/a", {}),
    ],
)
def test_what_a_url_says(url: str, found: dict[str, Any]) -> None:
    assert ParaphFileSystem._get_kwargs_from_urls(url) == found


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "paraph://server/data/a"),
        ({"port": 445}, "paraph://server/data/a"),
        ({"port": 4455, "username": "anna", "password": "x"}, "paraph://server:4455/data/a"),
        ({"host": "::1"}, "paraph://[::1]/data/a"),
    ],
)
def test_urls_of_paths(options: dict[str, Any], url: str) -> None:
    one = system(**options)
    assert one.unstrip_protocol("/data/a") == url
    assert one.unstrip_protocol(url) == url
    assert one._strip_protocol(url) == "/data/a"
    assert one._get_kwargs_from_urls(url)["host"] == one.host


def test_who_logs_on() -> None:
    def credentials(**options: Any) -> tuple[str, str, str | None]:
        found = system(**options)._server._target.credentials
        return found.domain, found.user, found.password

    assert credentials() == ("", "", None)
    assert credentials(username="anna", password="x") == ("", "anna", "x")
    assert credentials(username="WORK\\anna") == ("WORK", "anna", None)
    assert credentials(username="WORK;anna") == ("WORK", "anna", None)
    assert credentials(username="anna", domain="WORK") == ("WORK", "anna", None)


def test_settings() -> None:
    def settings(**options: Any) -> Any:
        return system(**options)._server._target.settings

    assert settings().policy == Policy()
    assert settings().encryption == settings(encrypt=False).encryption == "offered"
    assert settings(encrypt=True).encryption == "required"
    assert settings(encryption="off").encryption == "off"
    assert settings(min_dialect=0x0300).dialects[0] == 0x0300
    lenient = Policy(client_always=False)
    assert settings(policy=lenient).policy == lenient
    assert settings(policy={"client_always": False}).policy == lenient


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"host": ""}, ValueError),
        ({"share_access": "rx"}, ValueError),
        ({"register_session_retry_wait": -1}, ValueError),
        ({"register_session_retry_factor": 0.5}, ValueError),
        ({"ipc_signign": True}, UserError),
        ({"policy": {"client_sometimes": True}}, TypeError),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        system(**options)


def test_sharing() -> None:
    assert [sharing(letters) for letters in ("", "r", "w", "d", "rw", "rwd", None)] == [
        0, 1, 2, 4, 3, 7, 7,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("retries", "pauses"),
    [
        (Retries(), [0.1, 0.2154, 0.4642, 1.0]),
        (Retries(3, 8, 4), [2.0, 4.0, 8.0]),
        (Retries(2, 5, 1), [5.0, 5.0]),
        (Retries(1, 3, 10), [3.0]),
        (Retries(0), []),
        (Retries(-1), []),
    ],
)
def test_pauses(retries: Retries, pauses: list[float]) -> None:
    assert list(retries.pauses()) == pytest.approx(pauses, rel=1e-3)


@pytest.mark.parametrize("name", ["..\\evil", "../evil", "a/b", ""])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(SMBError, match="can not be the name of a file"):
        entry_info("/data", DirEntry("", DirRecord(name, 0)))


def test_a_link_that_the_server_leaves_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    record = DirRecord("Link", 0, file_attributes=0x400, reparse_tag=ReparseTag.SYMLINK)

    def run(_: ParaphFileSystem, path: str, action: object) -> list[DirEntry]:
        if action is Share.stat:
            raise smb_error(NTStatus.STOPPED_ON_SYMLINK, path)
        assert path == "/data/folder"
        return [DirEntry("folder", record)]

    monkeypatch.setattr(ParaphFileSystem, "_run", run)
    assert system().info("/data/folder/link")["type"] == "link"
    assert system().exists("/data/folder/Link")
    assert not system().isfile("/data/folder/Link")
    with pytest.raises(OSError, match="symbolic link"):  # it is a folder above that is one
        system().info("/data/folder/other")


def test_instances_are_cached_by_their_arguments() -> None:
    try:
        one = ParaphFileSystem("server", username="anna")
        assert ParaphFileSystem("server", username="anna") is one
        assert ParaphFileSystem("server", username="otto") is not one
        assert ParaphFileSystem("server", username="anna", policy={"client_always": False}) != one
        assert pickle.loads(pickle.dumps(one)) is one
        assert ParaphFileSystem.from_json(one.to_json()) is one
        assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
    finally:
        ParaphFileSystem.clear_instance_cache()


def test_fsid() -> None:
    assert system().fsid == system(username="anna", port=445).fsid != system(port=4455).fsid


@pytest.fixture
def same_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("smb", "cifs"):
        monkeypatch.delitem(fsspec_registry, name, raising=False)
    yield
    for name in ("smb", "cifs"):
        fsspec_registry.pop(name, None)


@pytest.mark.usefixtures("same_registry")
def test_register() -> None:
    assert "smb" not in fsspec.registry
    register()
    assert fsspec.get_filesystem_class("smb") is ParaphFileSystem
    register(["cifs"])
    system, path = fsspec.url_to_fs("cifs://anna:x@server/data/a", skip_instance_cache=True)
    assert isinstance(system, ParaphFileSystem)
    assert (system.host, system.username, path) == ("server", "anna", "/data/a")
