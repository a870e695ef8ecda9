"""smb.conf: each parameter both ways, what can not be expressed, and edits that lose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from paraph.errors import UserError
from paraph.policy.registry_value import RegistryDeletion, RegistryValue, encode_data
from paraph.policy.smb_conf import create, decode

SAMPLES = Path(__file__).parent / "samples"
SERVER = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"
CLIENT = r"SYSTEM\CurrentControlSet\Services\LanmanWorkstation\Parameters"
POLICY = r"SOFTWARE\Policies\Microsoft\Windows\LanmanServer"
REQUIRE, ENABLE = "RequireSecuritySignature", "EnableSecuritySignature"
ENCRYPT, REJECT = "EncryptData", "RejectUnencryptedAccess"
MIN, MAX = "MinSmb2Dialect", "MaxSmb2Dialect"


def dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, 4, encode_data(4, number))


def conf(*lines: str) -> bytes:
    return "\n".join(["[global]", *lines, ""]).encode()


def meaning(*lines: str) -> tuple[dict[tuple[bool, str], object], str]:
    """({(server, value name): number}, all notes)."""
    document = decode(conf(*lines), "smb.conf")
    found: dict[tuple[bool, str], object] = {}
    for change in document.changes():
        assert isinstance(change, RegistryValue)
        assert change.key in (SERVER, CLIENT)
        found[change.key == SERVER, change.name] = change.meaning()
    return found, " ".join(document.notes())


@pytest.mark.parametrize(
    ("line", "values", "note"),
    [
        ("server signing = mandatory", {REQUIRE: 1, ENABLE: 1}, ""),
        ("server signing = required", {REQUIRE: 1, ENABLE: 1}, ""),
        ("Server  Signing=FORCED", {REQUIRE: 1, ENABLE: 1}, ""),
        ("server signing = auto", {REQUIRE: 0, ENABLE: 1}, ""),
        ("server signing = yes", {REQUIRE: 0, ENABLE: 1}, ""),
        ("server signing = desired", {REQUIRE: 0, ENABLE: 1}, ""),
        ("server signing = disabled", {REQUIRE: 0, ENABLE: 0}, "Samba takes it for 'auto'"),
        ("server signing = no", {REQUIRE: 0, ENABLE: 0}, "Samba takes it for 'auto'"),
        ("server signing = default", {}, "domain controller"),
        ("server smb encrypt = required", {ENCRYPT: 1, REJECT: 1}, ""),
        ("smb encrypt = mandatory", {ENCRYPT: 1, REJECT: 1}, ""),
        ("server smb encrypt = desired", {ENCRYPT: 1, REJECT: 0}, ""),
        ("server smb encrypt = if_required", {ENCRYPT: 0}, ""),
        ("server smb encrypt = off", {ENCRYPT: 0}, "refuses encryption"),
        ("server smb encrypt = default", {}, ""),
        ("server min protocol = SMB3", {MIN: 0x0311}, ""),
        ("min protocol = smb2", {MIN: 0x0210}, ""),
        ("server min protocol = SMB2_02", {MIN: 0x0202}, ""),
        ("server min protocol = NT1", {MIN: 0x0202}, "allows SMB1"),
        ("protocol = SMB3_00", {MAX: 0x0300}, ""),
        ("max protocol = SMB3_02", {MAX: 0x0302}, ""),
        ("server max protocol = LANMAN1", {}, "switches SMB 2 and 3 off"),
        ("server max protocol = default", {}, ""),
        ("map to guest = Bad User", {}, "map to guest = Bad User"),
        ("map to guest = never", {}, ""),
        ("guest ok = yes", {}, "guest ok"),
        ("server smb3 signing algorithms = AES-128-GMAC", {}, "can not be expressed"),
        ("include = /etc/samba/%m.conf", {}, "is not read"),
        ("workgroup = X", {}, ""),
        ("#server signing = mandatory", {}, ""),
        (";server signing = mandatory", {}, ""),
    ],
)
def test_server_parameters(line: str, values: dict[str, int], note: str) -> None:
    found, notes = meaning("workgroup = X", line)
    assert found == {(True, name): number for name, number in values.items()}
    assert (note in notes) if note else not notes


@pytest.mark.parametrize(
    ("line", "values", "note"),
    [
        ("client signing = required", {REQUIRE: 1, ENABLE: 1}, ""),
        ("client signing = desired", {REQUIRE: 0, ENABLE: 1}, ""),
        ("client signing = disabled", {REQUIRE: 0, ENABLE: 0}, "Samba takes it for 'auto'"),
        ("client signing = default", {}, "'desired'"),
        ("client ipc signing = required", {}, "IPC$"),
        ("client smb encrypt = required", {"RequireEncryption": 1}, ""),
        ("client smb encrypt = desired", {"RequireEncryption": 0}, "no such setting"),
        ("client smb encrypt = off", {"RequireEncryption": 0}, "refuses encryption"),
        ("client min protocol = SMB3_11", {MIN: 0x0311}, ""),
        ("client max protocol = SMB2_10", {MAX: 0x0210}, ""),
        ("client use kerberos = required", {"BlockNTLM": 1}, ""),
        ("client use kerberos = desired", {}, ""),
        ("client smb3 signing algorithms = HMAC-SHA256", {}, "can not be expressed"),
    ],
)
def test_client_parameters(line: str, values: dict[str, int], note: str) -> None:
    found, notes = meaning("workgroup = X", line)
    assert found == {(False, name): number for name, number in values.items()}
    assert (note in notes) if note else not notes


def test_the_last_of_several_counts_and_sections_are_told_apart() -> None:
    found, _ = meaning("server signing = auto", "SERVERSIGNING = mandatory")
    assert found[True, REQUIRE] == 1
    found, _ = meaning("min protocol = SMB3", "server min protocol = SMB2_02")
    assert found == {(True, MIN): 0x0202}
    found, notes = meaning("a = b", "[x]", "server signing = mandatory", "guest ok = yes")
    assert found == {}
    assert "Share [x]: 'guest ok'" in notes
    found, _ = meaning("a = b", "[x]", "c = d", "[ GLOBAL ]", "server signing = mandatory")
    assert found[True, REQUIRE] == 1
    data = b"server signing = mandatory\n[x]\n"
    assert len(decode(data, "x").changes()) == 2  # before any section is [global]


def test_a_line_goes_on_after_a_backslash() -> None:
    found, _ = meaning("server signing = \\", "   mandatory")
    assert found[True, REQUIRE] == 1
    found, _ = meaning("comment = x \\", "server signing = mandatory")
    assert found == {}
    found, _ = meaning("# comment \\", "server signing = mandatory")
    assert found[True, REQUIRE] == 1  # Samba does not continue comments


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"# nothing\n", "neither a section nor a parameter"),
        (conf("server signing = mandatory")[:-1], "line 2: the last line has no line end"),
        (conf("server signing"), "line 2: .*form name = value"),
        (conf("= mandatory"), "line 2: .*form name = value"),
        (conf("server signing = mandatroy"), "line 2: .*can not be 'mandatroy'.*'mandatory'"),
        (conf("server signing ="), "line 2: 'server signing' can not be ''"),
        (conf("server min protocol = SMB4"), "line 2: .*can not be 'SMB4'"),
        (conf("a = b", "[x]", "smb encrypt = maybe"), "line 4: 'smb encrypt'"),
        (conf("[x"), r"line 2: .*no section header"),
        (conf("a = b\\"), "line 2: the last line is to be continued"),
        (conf("a = \x01"), "line 2: the control character"),
    ],
)
def test_damage_is_named_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^bad.*{message}"):
        decode(data, "bad")


@pytest.mark.parametrize(
    ("before", "changes", "after", "note"),
    [
        ("", [(SERVER, REQUIRE, 1)], "server signing = mandatory", ""),
        ("", [(SERVER, REQUIRE, 0)], "server signing = auto", ""),
        ("", [(SERVER, REQUIRE, 0), (SERVER, ENABLE, 0)], "server signing = disabled", "'auto'"),
        ("", [(SERVER, REQUIRE, 1), (SERVER, ENABLE, 0)], "server signing = mandatory", "taken"),
        ("", [(SERVER, ENABLE, 1)], "", "alone"),
        ("server signing = force", [(SERVER, ENABLE, 0)], "server signing = force", "taken"),
        ("server signing = forced", [(SERVER, REQUIRE, 1)], "server signing = forced", ""),
        ("server signing = yes", [(SERVER, REQUIRE, 0)], "server signing = yes", ""),
        ("", [(CLIENT, REQUIRE, 1)], "client signing = required", ""),
        ("client signing=required", [(CLIENT, REQUIRE, 0)], "client signing=desired", ""),
        ("", [(SERVER, ENCRYPT, 1)], "server smb encrypt = required", ""),
        ("", [(SERVER, ENCRYPT, 1), (SERVER, REJECT, 0)], "server smb encrypt = desired", ""),
        ("smb encrypt = required", [(SERVER, REJECT, 0)], "smb encrypt = desired", ""),
        ("smb encrypt = off", [(SERVER, ENCRYPT, 0)], "smb encrypt = off", ""),
        ("", [(SERVER, REJECT, 0)], "", "without EncryptData"),
        ("client smb encrypt = desired", [(CLIENT, "RequireEncryption", 0)],
         "client smb encrypt = desired", ""),
        ("", [(CLIENT, "RequireEncryption", 1)], "client smb encrypt = required", ""),
        ("", [(SERVER, MIN, 0x0311)], "server min protocol = SMB3_11", ""),
        ("min protocol = SMB2", [(SERVER, MIN, 0x0311)], "min protocol = SMB3_11", ""),
        ("max protocol = SMB3", [(SERVER, MAX, 0x0311)], "max protocol = SMB3", ""),
        ("min protocol = NT1", [(SERVER, MIN, 0x0202)], "min protocol = NT1", "allows SMB1"),
        ("", [(POLICY, MIN, 0x0311), (SERVER, MIN, 0x0202)], "server min protocol = SMB3_11", ""),
        ("", [(CLIENT, "BlockNTLM", 1)], "client use kerberos = required", ""),
        ("", [(CLIENT, "BlockNTLM", 0)], "", ""),
        ("", [(SERVER, "AuditSmb1Access", 1)], "", "no parameter"),
        ("", [("Software\\X", "Y", 1)], "", "no parameter"),
    ],
)  # fmt: skip
def test_values_into_a_file(
    before: str, changes: list[tuple[str, str, int]], after: str, note: str
) -> None:
    lines = ["\tworkgroup = X"] + (["\t" + before] if before else [])
    document = decode(conf(*lines), "x")
    notes = " ".join(document.apply([dword(*each) for each in changes]))
    wanted = ["\tworkgroup = X"] + (["\t" + after] if after else [])
    assert document.encode() == conf(*wanted)
    assert (note in notes) if note else not notes


def test_everything_else_of_a_file_stays() -> None:
    data = (SAMPLES / "smb.conf").read_bytes()
    document = decode(data, "x")
    document.apply([dword(SERVER, REQUIRE, 0), dword(CLIENT, MAX, 0x0302)])
    text = data.decode().replace("Server Signing = mandatory", "Server Signing = auto")
    # after the last parameter of [global], which goes on over two lines
    tail = "      AES-128-CMAC\n"
    text = text.replace(tail, tail + "   client max protocol = SMB3_02\n")
    assert document.encode().decode() == text


def test_not_defined_takes_the_parameter_out() -> None:
    document = decode(conf("a = b", "server signing = mandatory", "c = d"), "x")
    assert document.apply([RegistryDeletion(SERVER, REQUIRE)]) == []
    assert document.encode() == conf("a = b", "c = d")
    (note,) = document.apply([RegistryDeletion(SERVER, REQUIRE)])
    assert "nothing to delete" in note


def test_a_damaged_value_is_written_as_the_strongest() -> None:
    document = create()
    notes = document.apply([RegistryValue(SERVER, REQUIRE, 1, b"x\0"), dword(SERVER, MIN, 9999)])
    assert b"server signing = mandatory" in document.encode()
    assert b"server min protocol = SMB3_11" in document.encode()
    assert len(notes) == 2


def test_a_file_without_global_gets_one() -> None:
    document = decode(b"[x]\npath = /x\n", "x")
    document.apply([dword(SERVER, REQUIRE, 1)])
    assert document.encode() == b"[global]\n\tserver signing = mandatory\n[x]\npath = /x\n"
