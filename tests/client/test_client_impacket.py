"""Against impacket's smbserver, which speaks 2.0.2 and grants few credits."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import paraph
from paraph import Policy
from tests.client.samba import free_port

pytest.importorskip("impacket")

_SERVER = """
import sys
from impacket import smbserver
from impacket.ntlm import compute_lmhash, compute_nthash
server = smbserver.SimpleSMBServer("127.0.0.1", int(sys.argv[1]))
server.addShare("DATA", sys.argv[2], "")
server.setSMB2Support(True)
server.setSMBChallenge("")
server.addCredential("anna", 0, compute_lmhash("secret"), compute_nthash("secret"))
server.start()
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("impacket")
    (folder / "hello.txt").write_bytes(b"Hello")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER, str(port), str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    address = f"smb://anna:secret@127.0.0.1:{port}/DATA"
    deadline = time.monotonic() + 30
    while True:
        try:
            paraph.connect(address, timeout=10).close()
            break
        except ConnectionError:
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                raise
            time.sleep(0.1)
    yield address
    process.kill()
    process.wait()


@pytest.mark.parametrize("always", [True, False])
def test_2_0_2(url: str, always: bool) -> None:
    with paraph.connect(url, policy=Policy(client_always=always), timeout=10) as share:
        assert share.info.dialect == "2.0.2"
        assert share.info.signed is always
        assert share.read_bytes("hello.txt") == b"Hello"
        data = bytes(range(256)) * 1000
        share.write_bytes("new", data)
        assert share.read_bytes("new") == data
        assert sorted(share.listdir()) == ["hello.txt", "new"]
        share.rename("new", "renamed")
        share.remove("renamed")
        share.mkdir("folder")
        share.rmdir("folder")
        assert "DATA" in [one.name for one in share.shares()]
        with pytest.raises(FileNotFoundError):
            share.stat("missing")
