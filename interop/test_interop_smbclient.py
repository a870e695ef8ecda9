"""Samba's smbclient, in every dialect and with every protection."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from interop.peers import DIALECTS, MIB, SHARE, Served, SmbClient, sha256, write_payload
from paraph import PosixBackend, Share

StartServer = Callable[..., Served]
MakeClient = Callable[..., SmbClient]

PROTECTIONS: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "unsigned": ({"signing": False}, {"client_signing": "off"}),
    "desired": ({"signing": False}, {"client_signing": "desired"}),
    "server requires signing": ({}, {"client_signing": "off"}),
    "client requires signing": ({"signing": False}, {"client_signing": "required"}),
    "both require signing": ({}, {"client_signing": "required"}),
    "sealed": ({"encryption": "desired"}, {"client_smb_encrypt": "required"}),
}
"""What the server and the client are told."""

PAIRS = [
    pytest.param(dialect, protection, id=f"{dialect}-{protection.replace(' ', '-')}")
    for dialect in DIALECTS
    for protection in PROTECTIONS
    if protection != "sealed" or dialect >= "SMB3"
]


@pytest.fixture
def pair(
    server: StartServer, smbclient: MakeClient
) -> Callable[[str, str], tuple[Served, SmbClient, dict[str, str]]]:
    """A server, a client and the client's options."""

    def make(dialect: str, protection: str) -> tuple[Served, SmbClient, dict[str, str]]:
        ours, theirs = PROTECTIONS[protection]
        served = server(**ours)
        options = {"client_min_protocol": dialect, "client_max_protocol": dialect, **theirs}
        return served, smbclient(served), options

    return make


def check_sessions(served: Served, dialect: str, protection: str) -> None:
    """Every session was protected the way it should."""
    assert served.sessions()
    signer = {"2": "HMAC-SHA256", "3.0": "AES-128-CMAC", "3.1": "AES-128-GMAC"}
    name = DIALECTS[dialect]
    signed = "requires" in protection or "require" in protection
    for session in served.sessions():
        assert session.dialect == name
        wanted = signer["2" if name < "3" else name[:3]] if signed else ""
        assert session.signing == wanted
        cipher = "AES-128-GCM" if name == "3.1.1" else "AES-128-CCM"
        assert session.encryption == (cipher if protection == "sealed" else "")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_list_shares(dialect: str, server: StartServer, smbclient: MakeClient) -> None:
    served = server()
    outcome = smbclient(served).run(
        "-g", "-L", "127.0.0.1", client_min_protocol=dialect, client_max_protocol=dialect
    )
    assert outcome.code == 0, outcome.text
    lines = outcome.text.splitlines()
    assert any(line.startswith(f"Disk|{SHARE}|") for line in lines)
    assert any(line.startswith("IPC|IPC$|") for line in lines)


@pytest.mark.parametrize(("dialect", "protection"), PAIRS)
def test_everyday_work(
    dialect: str,
    protection: str,
    pair: Callable[[str, str], tuple[Served, SmbClient, dict[str, str]]],
) -> None:
    served, client, options = pair(dialect, protection)
    text = "Ein Brief\n" * 20_000
    (client.home / "letter.txt").write_text(text)
    client.do(
        "mkdir letters",
        "cd letters",
        "put letter.txt",
        "put letter.txt 会议记录.txt",
        'put letter.txt "🐱 cat \U0001f469\u200d\U0001f4bb.txt"',
        "rename letter.txt Brief.txt",
        "cd \\",
        "rename letters 信件",
        "mkdir empty",
        **options,
    )
    names = ["Brief.txt", "会议记录.txt", "🐱 cat \U0001f469\u200d\U0001f4bb.txt"]
    assert sorted(os.listdir(served.folder)) == sorted(["信件", "empty"])
    assert sorted(os.listdir(served.folder / "信件")) == sorted(names)
    assert all((served.folder / "信件" / name).read_text() == text for name in names)
    listing = client.do("cd 信件", "ls", "get 会议记录.txt back.txt", **options)
    assert all(f"  {name}  " in listing for name in names)
    assert listing.count(f" {len(text)}  ") >= 3
    assert (client.home / "back.txt").read_text() == text
    client.do("rmdir empty", "cd 信件", "del *", "cd \\", "rmdir 信件", **options)
    assert os.listdir(served.folder) == []
    check_sessions(served, dialect, protection)


@pytest.mark.parametrize(("dialect", "protection"), PAIRS)
def test_large_files(
    dialect: str,
    protection: str,
    pair: Callable[[str, str], tuple[Served, SmbClient, dict[str, str]]],
) -> None:
    served, client, options = pair(dialect, protection)
    digest = write_payload(client.home / "large", 1024 * MIB)
    client.do("put large", **options)
    assert sha256(served.folder / "large") == digest
    (client.home / "large").unlink()
    client.do("get large", **options)
    assert sha256(client.home / "large") == digest
    check_sessions(served, dialect, protection)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_many_small_files(dialect: str, server: StartServer, smbclient: MakeClient) -> None:
    served = server()
    client = smbclient(served)
    count = 10_000
    options = {"client_min_protocol": dialect, "client_max_protocol": dialect}
    contents = {f"file {number:05}.txt": f"This is {number}.\n" for number in range(count)}
    (client.home / "many").mkdir()
    for name, text in contents.items():
        (client.home / "many" / name).write_text(text)
    client.do("prompt off", "recurse on", "mput many", **options)
    assert read_folder(served.folder / "many") == contents
    (client.home / "many").rename(client.home / "sent")
    client.do("prompt off", "recurse on", "mget many", **options)
    assert read_folder(client.home / "many") == contents
    assert client.do("ls many\\*", **options).count("file ") == count
    client.do("deltree many", **options)
    assert os.listdir(served.folder) == []


def read_folder(folder: Path) -> dict[str, str]:
    return {entry.name: entry.read_text() for entry in folder.iterdir()}


def test_free_space_and_volume(server: StartServer, smbclient: MakeClient) -> None:
    served = server()
    client = smbclient(served)
    (served.folder / "some").write_bytes(bytes(12345))
    text = client.do("du", "volume")
    match = re.search(r"(\d+) blocks of size (\d+)\. (\d+) blocks available", text)
    assert match
    total, unit, free = map(int, match.groups())
    disk = os.statvfs(served.folder)
    assert total * unit == disk.f_blocks * disk.f_frsize
    # Others write to the disk meanwhile.
    assert free * unit == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.05)
    assert "Total number of bytes: 12345" in text
    assert "Volume: |" in text


def test_times_and_attributes(server: StartServer, smbclient: MakeClient) -> None:
    served = server()
    client = smbclient(served)
    path = served.folder / "dated.txt"
    path.write_text("x")
    text = client.do(
        "utimes dated.txt -1 -1 01:02:03-04:05:06 -1", 'setmode dated.txt "+hr"', "ls dated.txt"
    )
    assert re.search(r"dated\.txt +AHR +1  Sat Feb  3 04:05:06 2001", text)
    assert path.stat().st_mtime == 981173106
    client.do('setmode dated.txt "-hr"', "del dated.txt")
    assert not path.exists()


# What people see when it does not work


def test_wrong_password(server: StartServer, smbclient: MakeClient) -> None:
    outcome = smbclient(server(), password="wrong").run(f"//127.0.0.1/{SHARE}", "-c", "ls")
    assert outcome.code == 1
    assert "NT_STATUS_LOGON_FAILURE" in outcome.text


@pytest.mark.parametrize("words", [["-N"], ["-N", "-U", "nobody"], ["-N", "-U", "%"]])
def test_strangers_are_refused(
    words: list[str], server: StartServer, smbclient: MakeClient
) -> None:
    outcome = smbclient(server()).run(f"//127.0.0.1/{SHARE}", "-c", "ls", *words)
    assert outcome.code == 1
    assert re.search("NT_STATUS_(LOGON_FAILURE|ACCESS_DENIED)", outcome.text)


def test_unknown_share(server: StartServer, smbclient: MakeClient) -> None:
    outcome = smbclient(server()).run("//127.0.0.1/nothing", "-c", "ls")
    assert outcome.code == 1
    assert "NT_STATUS_BAD_NETWORK_NAME" in outcome.text


def test_missing_file(server: StartServer, smbclient: MakeClient) -> None:
    outcome = smbclient(server()).run(f"//127.0.0.1/{SHARE}", "-c", "get nothing.txt")
    assert outcome.code == 1
    assert "NT_STATUS_OBJECT_NAME_NOT_FOUND opening remote file \\nothing.txt" in outcome.text


def test_encryption_is_required(server: StartServer, smbclient: MakeClient) -> None:
    """A client that can not encrypt is sent away; one that can needs no option."""
    served = server(encryption="required")
    client = smbclient(served)
    outcome = client.run(f"//127.0.0.1/{SHARE}", "-c", "ls", client_max_protocol="SMB2_10")
    assert outcome.code == 1
    assert "NT_STATUS_ACCESS_DENIED" in outcome.text
    client.do("ls")
    assert {session.encryption for session in served.sessions()} == {"AES-128-GCM"}


def test_one_share_requires_encryption(
    server: StartServer, smbclient: MakeClient, scratch: Path
) -> None:
    folders = [scratch / "open", scratch / "secret"]
    for folder in folders:
        folder.mkdir()
    shares = [Share(folder.name, PosixBackend(str(folder))) for folder in folders]
    shares[1].encrypt = True
    client = smbclient(server(shares=shares))
    (client.home / "letter").write_text("Dear Bob")
    for folder in folders:
        client.do("put letter", share=folder.name)
        assert (folder / "letter").read_text() == "Dear Bob"
    client.do("get letter copy", share="open", client_max_protocol="SMB2_10")
    outcome = client.run("//127.0.0.1/secret", "-c", "ls", client_max_protocol="SMB2_10")
    assert outcome.code == 1
    assert "NT_STATUS_ACCESS_DENIED" in outcome.text


def test_old_dialects_can_be_refused(server: StartServer, smbclient: MakeClient) -> None:
    outcome = smbclient(server(min_dialect=0x0300)).run(
        f"//127.0.0.1/{SHARE}", "-c", "ls", client_max_protocol="SMB2_10"
    )
    assert outcome.code == 1
    assert "NT_STATUS_NOT_SUPPORTED" in outcome.text
