"""impacket's and pysmb's clients."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import pytest

from interop.peers import MIB, PASSWORD, SHARE, USER, Served, need_module

StartServer = Callable[..., Served]


OLD = [(0x0202, "2.0.2"), (0x0210, "2.1")]
NEW = [(0x0300, "3.0"), (0x0311, "3.1.1")]


@pytest.mark.parametrize(
    ("dialect", "name", "sealed"),
    [(*row, False) for row in OLD + NEW] + [(*row, True) for row in NEW],
)
def test_impacket(dialect: int, name: str, sealed: bool, server: StartServer) -> None:
    module: Any = need_module("impacket.smbconnection")
    served = server(encryption="required" if sealed else "off")
    smb = module.SMBConnection(
        "127.0.0.1", "127.0.0.1", sess_port=served.port, preferredDialect=dialect
    )
    smb.login(USER, PASSWORD)
    data = os.urandom(3 * MIB + 17)
    assert SHARE in [share["shi1_netname"][:-1] for share in smb.listShares()]
    smb.createDirectory(SHARE, "信件")
    smb.putFile(SHARE, "信件\\🐱.bin", io.BytesIO(data).read)
    assert (served.folder / "信件" / "🐱.bin").read_bytes() == data
    back = io.BytesIO()
    smb.getFile(SHARE, "信件\\🐱.bin", back.write)
    assert back.getvalue() == data
    smb.rename(SHARE, "信件\\🐱.bin", "信件\\cat.bin")
    entries = {
        entry.get_longname(): entry.get_filesize() for entry in smb.listPath(SHARE, "信件\\*")
    }
    assert entries == {".": 0, "..": 0, "cat.bin": len(data)}
    smb.deleteFile(SHARE, "信件\\cat.bin")
    smb.deleteDirectory(SHARE, "信件")
    with pytest.raises(module.SessionError, match="STATUS_OBJECT_NAME_NOT_FOUND"):
        smb.deleteFile(SHARE, "cat.bin")
    smb.logoff()
    smb.close()
    assert list(served.folder.iterdir()) == []
    (session,) = served.sessions()
    assert session.dialect == name
    assert bool(session.encryption) == sealed
    assert bool(session.signing) != sealed


def test_impacket_wrong_password(server: StartServer) -> None:
    module: Any = need_module("impacket.smbconnection")
    served = server()
    smb = module.SMBConnection("127.0.0.1", "127.0.0.1", sess_port=served.port)
    with pytest.raises(module.SessionError, match="STATUS_LOGON_FAILURE"):
        smb.login(USER, "wrong")
    smb.close()


@pytest.mark.parametrize("signing", [False, True])
def test_pysmb(signing: bool, server: StartServer) -> None:
    module: Any = need_module("smb.SMBConnection").SMBConnection
    served = server(signing=signing)
    smb = module(USER, PASSWORD, "tester", "PARAPH", use_ntlm_v2=True, is_direct_tcp=True)
    assert smb.connect("127.0.0.1", served.port)
    assert smb.isUsingSMB2
    data = os.urandom(3 * MIB + 17)
    assert SHARE in [share.name for share in smb.listShares()]
    smb.createDirectory(SHARE, "/信件")
    assert smb.storeFile(SHARE, "/信件/🐱.bin", io.BytesIO(data)) == len(data)
    back = io.BytesIO()
    smb.retrieveFile(SHARE, "/信件/🐱.bin", back)
    assert back.getvalue() == data
    smb.rename(SHARE, "/信件/🐱.bin", "/信件/cat.bin")
    entries = {entry.filename: entry.file_size for entry in smb.listPath(SHARE, "/信件")}
    assert entries == {".": 0, "..": 0, "cat.bin": len(data)}
    attributes = smb.getAttributes(SHARE, "/信件/cat.bin")
    assert (attributes.file_size, attributes.isDirectory) == (len(data), False)
    smb.deleteFiles(SHARE, "/信件/cat.bin")
    smb.deleteDirectory(SHARE, "/信件")
    smb.close()
    assert list(served.folder.iterdir()) == []
    (session,) = served.sessions()
    assert session.dialect in ("2.0.2", "2.1")
    assert bool(session.signing) == signing
