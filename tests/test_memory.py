"""How much memory a server takes, seen from outside: another process serves, and /proc tells what
it has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paraph.wire.ntstatus import NTStatus
from tests.support.link import SocketLink
from tests.support.peer import Logon, Offer, Peer

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is read from /proc"
)

_SERVE = """
import sys, paraph
from paraph.server.settings import Limits
limits = Limits(half_open_per_address=1000)
with paraph.Server({"data": sys.argv[1]}, {"alice": "Wonderland 1"}, limits=limits) as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""
_KIB, _MIB = 1 << 10, 1 << 20


class Served:
    """A server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.links: list[SocketLink] = []

    def resident(self) -> int:
        """Bytes."""
        statm = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(statm.split()[1]) * 4096

    def session(self) -> tuple[Peer, Logon, int]:
        link = SocketLink("127.0.0.1", self.port)
        self.links.append(link)
        peer = Peer(link, Offer())
        peer.negotiate()
        logon = peer.logon()
        return peer, logon, peer.tree(logon)

    def close(self) -> None:
        for link in self.links:
            link.close()
        self.process.communicate("", timeout=30)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "large.bin").write_bytes(bytes(8 * _MIB))
    served = Served(tmp_path)
    yield served
    served.close()


def test_idle_sessions(served: Served) -> None:
    """200 connections, each with a session, a tree and an open file: 64 KiB each at most."""
    sessions = [served.session() for _ in range(20)]
    before = served.resident()
    for _ in range(200):
        peer, logon, tree = served.session()
        peer.create(logon, tree, "large.bin")
        sessions.append((peer, logon, tree))
    each = (served.resident() - before) / 200
    assert each <= 64 * _KIB, f"{each / _KIB:.1f} KiB"
    peer, logon, _ = sessions[0]
    assert peer.echo(logon).status == NTStatus.SUCCESS


@pytest.mark.parametrize("what", ["read", "write"])
def test_large_transfers(served: Served, what: str) -> None:
    """A hundred times 8 MiB leave the process as large as ten times did."""
    peer, logon, tree = served.session()
    peer.echo(logon, credits=512)
    file = peer.create(logon, tree, "large.bin")
    data = bytes(8 * _MIB)

    def transfer(rounds: int) -> int:
        for _ in range(rounds):
            if what == "read":
                assert len(peer.read(logon, tree, file, len(data))) == len(data)
            else:
                assert peer.write(logon, tree, file, data).status == NTStatus.SUCCESS
        return served.resident()

    warm = transfer(10)
    grown = transfer(90) - warm
    assert grown < 9 * _MIB, f"{grown / _MIB:.1f} MiB"
    assert warm < 200 * _MIB
