"""The two drivers: sockets, time, threads, tasks; and the pool."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import paraph
from paraph import aio
from paraph.errors import ConnectionLost, SMBError, SMBTimeout
from tests.client.conftest import Place
from tests.client.faces import FACES
from tests.client.samba import PASSWORD, free_port

MIB = 1 << 20
faces = pytest.mark.parametrize("face", ["sync", "aio"])


class Relay:
    """Passes bytes between one client and a server, until it is told to stop doing so."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.open = threading.Event()
        self.open.set()
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            threading.Thread(target=self._copy, args=(client, server), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                self.open.wait()
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self) -> None:
        """End every connection."""
        for one in self._sockets[1:]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self.open.set()
        self.cut()
        for one in self._sockets:
            one.close()


@pytest.fixture
def relay(own_server: Place) -> Iterator[Relay]:
    port = int(own_server.url.split(":")[2].split("/")[0])
    found = Relay(port)
    yield found
    found.close()


def through(relay: Relay, face: str, **options: Any) -> Any:
    options.setdefault("timeout", 10)
    url = f"smb://anna@127.0.0.1:{relay.port}/data"
    return FACES[face](url, password=PASSWORD, **options)


# Time


@faces
def test_a_silent_server(relay: Relay, face: str) -> None:
    share = through(relay, face)
    share.timeout = 0.3
    relay.open.clear()
    began = time.monotonic()
    with pytest.raises(SMBTimeout) as caught:
        share.stat("")
    assert isinstance(caught.value, TimeoutError)
    assert 0.2 < time.monotonic() - began < 3
    relay.open.set()
    share.timeout = 10
    assert share.exists("")  # the late answer is dropped, and the connection still good
    share.close()


@faces
def test_a_server_that_never_says_anything(face: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"smb://anna@127.0.0.1:{listener.getsockname()[1]}/data"
        with pytest.raises(SMBTimeout):
            FACES[face](url, password="x", timeout=0.2)


@faces
def test_nobody_listens(face: str) -> None:
    with pytest.raises(ConnectionRefusedError) as caught:
        FACES[face](f"smb://anna@127.0.0.1:{free_port()}/data", password="x", timeout=2)
    assert isinstance(caught.value, SMBError)


@faces
def test_no_such_host(face: str) -> None:
    with pytest.raises(SMBError):
        FACES[face]("smb://anna@host.invalid/data", password="x", timeout=5)


# Loss


@faces
def test_a_connection_that_is_cut(relay: Relay, face: str) -> None:
    share = through(relay, face)
    relay.cut()
    with pytest.raises(ConnectionLost):
        share.stat("")
    assert share.closed
    with pytest.raises(ConnectionLost):
        share.stat("")
    share.close()


@faces
def test_a_connection_that_is_cut_during_a_transfer(
    relay: Relay, own_server: Place, face: str, tmp_path: Path
) -> None:
    (own_server.folder / "cut").write_bytes(os.urandom(64 * MIB))
    share = through(relay, face)
    threading.Timer(0.03, relay.cut).start()
    with pytest.raises(ConnectionLost):
        for _ in range(100):
            share.download("cut", tmp_path / "cut")
    share.close()
    (own_server.folder / "cut").unlink()


# Threads and tasks


def test_threads_share_a_connection(own_server: Place) -> None:
    (own_server.folder / "threads").mkdir()
    failures: list[BaseException] = []
    with paraph.connect(own_server.url + "/threads", password=PASSWORD) as share:

        def work(number: int) -> None:
            try:
                for turn in range(10):
                    data = os.urandom(1000 * number + turn)
                    share.write_bytes(f"f{number}", data)
                    assert share.read_bytes(f"f{number}") == data
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_iterating_while_doing_something_else(own_server: Place) -> None:
    inner = own_server.folder / "iterating"
    inner.mkdir()
    for number in range(20):
        (inner / f"f{number}").write_bytes(b"x" * number)
    with paraph.connect(own_server.url + "/iterating", password=PASSWORD) as share:
        sizes = {entry.name: share.stat(entry.name).st_size for entry in share.scandir("")}
        assert sizes == {f"f{number}": number for number in range(20)}
        with share.walk("") as levels:
            next(levels)


def test_many_tasks_on_one_connection(own_server: Place) -> None:
    (own_server.folder / "tasks").mkdir()

    async def main() -> None:
        async with aio.connect(own_server.url + "/tasks", password=PASSWORD) as share:

            async def work(number: int) -> None:
                data = os.urandom(number * 5000)
                await share.write_bytes(f"f{number}", data)
                assert await share.read_bytes(f"f{number}") == data
                assert (await share.stat(f"f{number}")).st_size == len(data)

            await asyncio.gather(*(work(number) for number in range(64)))
            assert len(await share.listdir()) == 64

    asyncio.run(main())


def test_cancelled_tasks(own_server: Place) -> None:
    """Whenever it comes: nothing stays open, and the connection stays good."""
    (own_server.folder / "cancelled").write_bytes(os.urandom(4 * MIB))

    async def main() -> None:
        async with aio.connect(own_server.url, password=PASSWORD) as share:
            for turn in range(40):
                task = asyncio.create_task(share.read_bytes("cancelled"))
                for _ in range(turn % 8):
                    await asyncio.sleep(0)
                await asyncio.sleep(turn * 0.0003)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            for _ in range(10):
                opening = asyncio.create_task(share.open("cancelled", "rb")._coroutine)
                await asyncio.sleep(0)
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
            async with asyncio.timeout(5):
                assert await share.exists("cancelled")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await share.read_bytes("cancelled")
            await share.echo()
            async with asyncio.timeout(5):  # answers to what was cancelled still come
                while share._protocol.connection._outstanding:
                    await share.echo()

    asyncio.run(main())
    (own_server.folder / "cancelled").unlink()


def test_the_asynchronous_share_is_awaited_or_entered(own_server: Place) -> None:
    async def main() -> None:
        share = await aio.connect(own_server.url, password=PASSWORD)
        path = share / "made"
        await path.mkdir()
        await (path / "a.txt").write_text("text")
        assert [str(one) async for one in path.iterdir()] == ["made/a.txt"]
        assert [str(one) async for one in path.rglob("*.txt")] == ["made/a.txt"]
        assert await (path / "a.txt").read_text() == "text"
        renamed = await (path / "a.txt").rename(path / "b.txt")
        assert renamed.name == "b.txt"
        async with renamed.open("rb") as file:
            assert await file.read() == b"text"
        await path.rmtree()
        await share.close()
        await share.close()
        with pytest.raises(ConnectionLost):
            await share.stat("")

    asyncio.run(main())


def test_paths_of_the_blocking_share(own_server: Place) -> None:
    with paraph.connect(own_server.url, password=PASSWORD) as share:
        path = share / "blocking"
        (path / "deep").mkdir(parents=True)
        (path / "a.txt").touch()
        assert (path / "a.txt").stat().st_size == 0
        (path / "a.txt").write_bytes(b"text")
        assert sorted(str(one) for one in path.iterdir()) == ["blocking/a.txt", "blocking/deep"]
        assert [one.name for one in path.glob("*.txt")] == ["a.txt"]
        assert (path / "a.txt").read_text() == "text"
        moved = (path / "a.txt").replace(path / "deep" / "b.txt")
        assert [str(one) for one in path.rglob("b.*")] == [str(moved)]
        with moved.open() as file:
            assert file.read() == "text"
        path.rmtree()
        assert not path.exists()


# The pool


def test_the_pool_lends_a_connection_again(own_server: Place) -> None:
    with paraph.Pool() as pool:
        with (
            pool.share(own_server.url, password=PASSWORD) as first,
            pool.share(own_server.url, password=PASSWORD) as second,
        ):
            assert second is not first
        with pool.share(own_server.url, password=PASSWORD) as third:
            assert third in (first, second)
        with pool.share(own_server.url, password=PASSWORD, encryption="required") as other:
            assert other not in (first, second)
            assert other.info.encrypted
    assert first.closed
    assert second.closed


def test_the_pool_does_not_lend_what_is_broken(relay: Relay) -> None:
    url = f"smb://anna@127.0.0.1:{relay.port}/data"
    with paraph.Pool() as pool:
        with pool.share(url, password=PASSWORD) as first:
            pass
        relay.cut()
        with pool.share(url, password=PASSWORD) as second:
            assert second is not first
            assert second.exists("")


def test_the_asynchronous_pool(own_server: Place) -> None:
    async def main() -> None:
        async with aio.Pool(idle=1) as pool:
            async with pool.share(own_server.url, password=PASSWORD) as first:
                assert await first.exists("")
            async with pool.share(own_server.url, password=PASSWORD) as second:
                assert second is first
        assert first.closed

    asyncio.run(main())
