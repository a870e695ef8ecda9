"""The one connection of a file system: made late, made anew, and its own."""

from __future__ import annotations

import gc
import os
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import paraph
from paraph.adapters import fsspec_server
from paraph.adapters.fsspec_ import ParaphFileSystem
from paraph.client.errors import smb_error
from paraph.errors import PolicyRefused
from paraph.policy.settings import Policy
from paraph.wire.ntstatus import NTStatus
from tests.adapters.conftest import USER, Place
from tests.client.samba import PASSWORD, free_port

FREE = Policy(server_always=False, server_if_client_agrees=False)


def info_of(system: ParaphFileSystem, share: str = "data") -> Any:
    return system._server.share(share).info


def sockets_to(port: int) -> int:
    """How many connections there are to a port of this machine, from here."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    remote = f"0100007F:{port:04X}"
    return sum(line.split()[2] == remote and line.split()[3] == "01" for line in lines)


def test_one_connection_for_all_shares(paraph_place: Place) -> None:
    before = sockets_to(paraph_place.port)
    system = paraph_place.system()
    assert sockets_to(paraph_place.port) == before
    for path in ("/", "/data", "/more", "/DATA", "/"):
        system.ls(path)
    assert sockets_to(paraph_place.port) == before + 1
    other = paraph_place.system()
    other.ls("/data")
    assert sockets_to(paraph_place.port) == before + 2
    system.close()
    assert other.exists("/data")
    assert sockets_to(paraph_place.port) == before + 1
    del other
    gc.collect()
    assert sockets_to(paraph_place.port) == before


def test_close_is_not_the_end(place: Place) -> None:
    system = place.system()
    system.close()
    assert system.exists("/data")
    system.close()
    system.close()
    assert system.exists("/data")
    system.close()


def test_an_open_file_keeps_its_connection(place: Place, fs_path: str) -> None:
    system = place.system()
    system.pipe_file(f"{fs_path}/file", b"content")
    file = system.open(f"{fs_path}/file")
    del system
    gc.collect()
    with file:
        assert file.read() == b"content"
    file.fs.close()


def test_encryption_by_samba(samba_place: Place) -> None:
    system = samba_place.system()
    assert not info_of(system).encrypted
    assert info_of(system, "secret").encrypted
    system.close()
    system = samba_place.system(encrypt=True)
    assert info_of(system).encrypted
    assert system.exists("/data")
    system.close()


def test_encryption_by_paraph(tmp_path: Path) -> None:
    shares, accounts = {"data": tmp_path}, {USER: PASSWORD}
    with paraph.Server(shares, accounts, encryption="desired") as server:
        system = Place("paraph", server.port, USER, "", tmp_path).system(encrypt=True)
        system.pipe_file("/data/file", b"content")
        assert info_of(system).encrypted
        system.close()
    assert (tmp_path / "file").read_bytes() == b"content"


def test_policy(tmp_path: Path) -> None:
    with paraph.Server({"data": tmp_path}, {USER: PASSWORD}, policy=FREE) as server:
        place = Place("paraph", server.port, USER, "", tmp_path)
        for policy, signed in (
            (None, True),
            (Policy(client_always=False), False),
            ({"client_always": False, "client_if_server_agrees": False}, False),
        ):
            system = place.system(policy=policy)
            assert info_of(system).signed is signed
            system.close()


def test_a_refusal_of_ours_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits"))
    with paraph.Server({"data": tmp_path}, {USER: PASSWORD}, encryption="off") as server:
        place = Place("paraph", server.port, USER, "", tmp_path)
        with pytest.raises(PolicyRefused, match="no cipher"):
            place.system(encrypt=True).ls("/data")


def test_it_is_tried_again_when_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    place = Place("paraph", port, USER, "", tmp_path)
    started: list[paraph.Server] = []
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            server = paraph.Server({"data": tmp_path}, {USER: PASSWORD}, listen=f"127.0.0.1:{port}")
            server.start()
            started.append(server)

    monkeypatch.setattr("time.sleep", sleep)
    never = place.system(register_session_retries=0)
    with pytest.raises(ConnectionRefusedError):
        never.ls("/data")
    assert pauses == []
    system = place.system(
        register_session_retries=3, register_session_retry_wait=9, register_session_retry_factor=9
    )
    assert system.ls("/data") == []
    assert pauses == pytest.approx([1.0, 3.0])
    system.close()
    started[0].stop()


def test_a_restart_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    place = Place("paraph", port, USER, "", tmp_path)

    def server() -> paraph.Server:
        return paraph.Server({"data": tmp_path}, {USER: PASSWORD}, listen=f"127.0.0.1:{port}")

    with server():
        system = place.system()
        system.pipe_file("/data/file", b"content")
        file = system.open("/data/file")
    with server():
        with pytest.raises(ConnectionError):
            system.cat_file("/data/file")
        assert system.cat_file("/data/file") == b"content"
        with pytest.raises(ConnectionError):
            file.read()
        with pytest.raises(ConnectionError):
            file.close()
    monkeypatch.setattr(fsspec_server, "_TRUSTED_FOR", 0)
    with server():
        assert system.cat_file("/data/file") == b"content"
        system.close()


def test_a_session_that_the_server_ended(place: Place) -> None:
    system = place.system()
    system.ls("/data")
    first = system._server.share("data")
    failures = [NTStatus.NETWORK_SESSION_EXPIRED]

    def action(share: Any) -> Any:
        if failures:
            raise smb_error(failures.pop())
        return share

    assert system._server.run("data", action) is not first
    assert first.closed
    failures += [NTStatus.USER_SESSION_DELETED] * 2
    with pytest.raises(OSError, match="ended the session"):
        system._server.run("data", action)
    assert failures == []
    system.close()


def test_many_threads(place: Place, fs_path: str) -> None:
    system = place.system()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                content = b"%d-%d" % (number, turn) * 20_000
                path = f"{fs_path}/{number}"
                system.pipe_file(path, content)
                with system.open(path) as file:
                    assert file.read() == content
                assert system.info(path)["size"] == len(content)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    system.close()


def in_child(function: Callable[[], None]) -> int:
    """The exit code of a forked child that calls `function`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_connects_for_itself(place: Place, fs_path: str) -> None:
    system = place.system()
    system.pipe_file(f"{fs_path}/file", b"content")

    def child() -> None:
        for _ in range(3):
            assert system.cat_file(f"{fs_path}/file") == b"content"
        system.pipe_file(f"{fs_path}/child", b"from the child")
        system.close()

    def idle_child() -> None:
        system._server.close()
        system._server.abandon()

    for function in (child, idle_child):
        assert in_child(function) == 0
        assert system.cat_file(f"{fs_path}/child") == b"from the child"
    system.close()


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        system = ParaphFileSystem(
            "127.0.0.1", silent.getsockname()[1], timeout=0.2, skip_instance_cache=True
        )
        with pytest.raises(TimeoutError):
            system.exists("/data")
