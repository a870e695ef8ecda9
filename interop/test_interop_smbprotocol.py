"""smbprotocol: a client of its own making, with compound requests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from interop.peers import MIB, PASSWORD, SHARE, USER, Served, need_module, sha256, write_payload
from paraph.server.events import ConnectionRefused

HOST = "127.0.0.1"
TEXT = "Grüße 会议 🐱\n"

StartServer = Callable[..., Served]


class Client:
    """The smbclient module of smbprotocol, logged on to one server."""

    def __init__(self, served: Served, **options: Any) -> None:
        self.module: Any = need_module("smbclient")
        self.cache: dict[str, Any] = {}
        self.where = {"port": served.port, "connection_cache": self.cache}
        self.module.register_session(HOST, USER, PASSWORD, **options, **self.where)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self.module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            return function(*arguments, **options, **self.where)

        return call

    def close(self) -> None:
        self.module.reset_connection_cache(connection_cache=self.cache)


def path(*names: str) -> str:
    return "\\".join([rf"\\{HOST}\{SHARE}", *names])


@pytest.fixture
def login(server: StartServer) -> Iterator[Callable[[str], tuple[Served, Client]]]:
    clients: list[Client] = []

    def make(protection: str) -> tuple[Served, Client]:
        sealed = protection == "sealed"
        served = server(encryption="desired" if sealed else "off")
        clients.append(Client(served, encrypt=sealed))
        return served, clients[-1]

    yield make
    for client in clients:
        client.close()


PROTECTIONS = ("signed", "sealed")


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_everyday_work(protection: str, login: Callable[[str], tuple[Served, Client]]) -> None:
    served, client = login(protection)
    client.makedirs(path("a", "b", "c"))
    with client.open_file(path("a", "b", "信.txt"), mode="w", encoding="utf-8") as file:
        file.write(TEXT)
    with client.open_file(path("a", "b", "信.txt"), mode="a", encoding="utf-8") as file:
        file.write(TEXT)
    with client.open_file(path("a", "b", "信.txt"), encoding="utf-8") as file:
        assert file.read() == TEXT * 2
    assert (served.folder / "a" / "b" / "信.txt").read_text() == TEXT * 2
    assert sorted(client.listdir(path("a", "b"))) == ["c", "信.txt"]
    entries = {entry.name: entry.is_dir() for entry in client.scandir(path("a", "b"))}
    assert entries == {"c": True, "信.txt": False}
    status = client.stat(path("a", "b", "信.txt"))
    disk = (served.folder / "a" / "b" / "信.txt").stat()
    assert (status.st_size, status.st_ino) == (disk.st_size, disk.st_ino)
    assert status.st_mtime_ns // 100 == disk.st_mtime_ns // 100
    client.rename(path("a", "b", "信.txt"), path("a", "🐱.txt"))
    with pytest.raises(OSError, match="0xc0000035"):
        client.rename(path("a", "🐱.txt"), path("a", "b"))
    client.truncate(path("a", "🐱.txt"), 5)
    client.utime(path("a", "🐱.txt"), times=(1_000_000_000, 1_100_000_000))
    changed = (served.folder / "a" / "🐱.txt").stat()
    assert (changed.st_size, changed.st_mtime) == (5, 1_100_000_000)
    volume = client.stat_volume(path())
    assert 0 < volume.caller_available_size <= volume.total_size
    with pytest.raises(OSError, match="0xc0000101"):
        client.rmdir(path("a"))
    client.remove(path("a", "🐱.txt"))
    client.removedirs(path("a", "b", "c"))
    assert list(served.folder.iterdir()) == []
    (session,) = served.sessions()
    assert session.signing == ("AES-128-GMAC" if protection == "signed" else "")
    assert bool(session.encryption) == (protection == "sealed")


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_large_file(protection: str, login: Callable[[str], tuple[Served, Client]]) -> None:
    served, client = login(protection)
    digest = write_payload(served.folder / "large", 64 * MIB)
    with (
        client.open_file(path("large"), mode="rb", buffering=0) as source,
        client.open_file(path("copy"), mode="wb", buffering=0) as target,
    ):
        while piece := source.read(4 * MIB):
            assert target.write(piece) == len(piece)
    assert sha256(served.folder / "copy") == digest


def test_listing_of_many(login: Callable[[str], tuple[Served, Client]]) -> None:
    served, client = login("signed")
    names = {f"a rather long name, so that one response can not hold all {n}" for n in range(2500)}
    for name in names:
        (served.folder / name).touch()
    assert set(client.listdir(path())) == names
    assert len(client.listdir(path(), search_pattern="*all 1?")) == 10


OLD = ("SMB_2_0_2", "SMB_2_1_0")
NEW = ("SMB_3_0_0", "SMB_3_0_2", "SMB_3_1_1")


@pytest.mark.parametrize(
    ("dialect", "sealed"),
    [(name, False) for name in OLD + NEW] + [(name, True) for name in NEW],
)
def test_compounds(dialect: str, sealed: bool, server: StartServer) -> None:
    """CREATE, WRITE, READ, QUERY_INFO and CLOSE in one related chain; then unrelated ones."""
    served = server(encryption="desired" if sealed else "off")
    smb = Compounds(served, dialect, sealed)
    try:
        opened = smb.create("in one go.txt")
        chain = [
            opened.create(*smb.access, send=False),
            opened.write(b"0123456789", send=False),
            opened.read(4, 4, send=False),
            opened.close(get_attributes=True, send=False),
        ]
        _, written, data, closed = smb.run(chain, related=True)
        assert written == 10
        assert data == b"4567"
        assert closed["end_of_file"].get_value() == 10
        assert (served.folder / "in one go.txt").read_bytes() == b"0123456789"

        # A failed CREATE takes the whole chain with it.
        missing = smb.create("nowhere\\file.txt")
        chain = [missing.create(*smb.access, send=False), missing.close(False, send=False)]
        statuses = smb.statuses(chain, related=True)
        assert statuses == ["STATUS_OBJECT_PATH_NOT_FOUND"] * 2

        # Unrelated requests share a frame, nothing else.
        first, second = smb.create("first"), smb.create("second")
        chain = [
            first.create(*smb.access, send=False),
            missing.create(*smb.access, send=False),
            second.create(*smb.access, send=False),
        ]
        statuses = smb.statuses(chain, related=False)
        assert statuses == ["STATUS_SUCCESS", "STATUS_OBJECT_PATH_NOT_FOUND", "STATUS_SUCCESS"]
    finally:
        smb.close()
    assert (served.folder / "second").exists()
    (session,) = served.sessions()
    assert bool(session.encryption) == sealed


def test_unsigned_tree_connect_is_refused(server: StartServer) -> None:
    """3.1.1 wants the first TREE_CONNECT signed, whatever the policies say ([MS-SMB2] 3.3.5.7)."""
    served = server(signing=False)
    client = Client(served, require_signing=False)
    closed = need_module("smbprotocol.exceptions").SMBConnectionClosed
    with pytest.raises(closed):
        client.listdir(path())
    client.close()
    (refused,) = [event for event in served.events if isinstance(event, ConnectionRefused)]
    assert "neither signed nor encrypted" in refused.reason


class Compounds:
    """smbprotocol's lower level: connection, session, tree connect, and chains of requests."""

    def __init__(self, served: Served, dialect: str, sealed: bool) -> None:
        connection: Any = need_module("smbprotocol.connection")
        opens: Any = need_module("smbprotocol.open")
        session: Any = need_module("smbprotocol.session")
        tree: Any = need_module("smbprotocol.tree")
        self.status: Any = need_module("smbprotocol.header")
        self.error: Any = need_module("smbprotocol.exceptions").SMBResponseException
        self.opens = opens
        self.connection = connection.Connection(uuid.uuid4(), HOST, served.port)
        self.connection.connect(getattr(connection.Dialects, dialect), timeout=20)
        self.session = session.Session(self.connection, USER, PASSWORD, require_encryption=sealed)
        self.session.connect()
        self.tree = tree.TreeConnect(self.session, path())
        self.tree.connect(require_secure_negotiate=True)
        self.access = (
            opens.ImpersonationLevel.Impersonation,
            opens.FilePipePrinterAccessMask.GENERIC_READ
            | opens.FilePipePrinterAccessMask.GENERIC_WRITE,
            0,
            opens.ShareAccess.FILE_SHARE_READ,
            opens.CreateDisposition.FILE_OPEN_IF,
            0,
        )

    def create(self, name: str) -> Any:
        return self.opens.Open(self.tree, name)

    def _send(self, chain: list[Any], related: bool) -> list[Any]:
        return list(
            self.connection.send_compound(
                [message for message, _ in chain],
                self.session.session_id,
                self.tree.tree_connect_id,
                related=related,
            )
        )

    def run(self, chain: list[Any], related: bool) -> list[Any]:
        """Send all in one frame; what each of them brings."""
        requests = self._send(chain, related)
        return [receive(request) for (_, receive), request in zip(chain, requests, strict=True)]

    def statuses(self, chain: list[Any], related: bool) -> list[str]:
        """Send all in one frame; how each of them ends."""
        statuses = []
        for request in self._send(chain, related):
            try:
                self.connection.receive(request)
                statuses.append("STATUS_SUCCESS")
            except self.error as error:
                number = error.status
                names = vars(self.status.NtStatus).items()
                statuses.append(next(name for name, value in names if value == number))
        return statuses

    def close(self) -> None:
        self.connection.disconnect()
