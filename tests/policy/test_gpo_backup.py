"""GPO backups: byte for byte, hostile manifests and XML, and new ones as tools expect them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy import formats
from paraph.policy.gpo_backup import create, decode, read, write
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryValue, encode_data
from paraph.wire.dtyp import SecurityDescriptor

SAMPLE = Path(__file__).parent / "samples" / "gpo-backup"
BACKUP = "{5C0E2AE6-31F4-4E70-9C0D-3E2D1B5A7F10}"
SERVER = r"System\CurrentControlSet\Services\LanManServer\Parameters"
POLICY = r"Software\Policies\Microsoft\Windows\LanmanServer"
SPACE = "{http://www.microsoft.com/GroupPolicy/GPOOperations}"
MANIFEST = "{http://www.microsoft.com/GroupPolicy/GPOOperations/Manifest}"


def dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, 4, encode_data(4, number))


def sample() -> dict[str, bytes]:
    paths = [path for path in SAMPLE.rglob("*") if path.is_file()]
    return {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in paths}


def test_the_sample_is_read_and_written_byte_for_byte(tmp_path: Path) -> None:
    folder = read(SAMPLE)
    (backup,) = folder.backups
    identity = backup.identity
    assert identity.name == "File servers & co"
    assert identity.domain == "contoso.test"
    assert identity.gpo_id == "{31B2F340-016D-11D2-945F-00C04FB984F9}"
    assert identity.backup_id == BACKUP
    assert identity.time == "2025-03-04T05:06:07"
    assert identity.comment == "before the change"
    assert len(folder.changes()) == 5
    assert folder.encode() == sample()
    write(folder.encode(), tmp_path / "copy")
    assert read(tmp_path / "copy").encode() == sample()


def test_the_folder_of_the_backup_itself_will_do() -> None:
    folder = read(SAMPLE / BACKUP)
    assert folder.alone
    assert folder.backups[0].identity.backup_id == BACKUP
    assert formats.read(SAMPLE / BACKUP).changes == formats.read(SAMPLE).changes


def test_names_of_files_are_found_whatever_their_case() -> None:
    files = {name.swapcase(): data for name, data in sample().items()}
    files = {name.replace(BACKUP.swapcase(), BACKUP): data for name, data in files.items()}
    assert len(decode(files, "x").changes()) == 5
    files[f"{BACKUP}/backup.xml"] = b""
    with pytest.raises(UserError, match="has both"):
        decode(files, "x")


@pytest.mark.parametrize("name", sorted(sample()))
def test_every_file_truncated_or_empty_refuses_the_folder(name: str) -> None:
    files = sample()
    data = files[name]
    if name.endswith(("gpreport.xml", "comment.cmtx")):
        return  # kept, never read
    for length in {*range(0, len(data) - 1, 7), len(data) - 1, 0, 1, 2, 8}:
        if name.endswith("registry.pol") and length == 8:
            continue  # a whole file without instructions
        with pytest.raises(UserError):
            decode({**files, name: data[:length]}, "x")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("manifest.xml", "<ID><![CDATA[{5C0E", "<ID><![CDATA[../{5C0E", "is no GUID"),
        ("manifest.xml", "{5C0E2AE6", "{5C0E2AE7", "which is not there"),
        ("manifest.xml", "Backups", "Backup", "is no manifest"),
        (BACKUP + "/bkupInfo.xml", "{5C0E2AE6", "{5C0E2AE7", "belongs to"),
        (BACKUP + "/bkupInfo.xml", "{31B2F340", "{31B2F341", "another policy object"),
        (BACKUP + "/Backup.xml", r"DomainSysvol\GPO\Machine\comment", r"..\x", "leads out"),
        (BACKUP + "/Backup.xml", r"DomainSysvol\GPO\Machine\comment", r"C:\x", "leads out"),
        (BACKUP + "/Backup.xml", r"DomainSysvol\GPO\Machine\comment", r"\\srv\x", "leads out"),
        (
            BACKUP + "/Backup.xml",
            r'Location="DomainSysvol\GPO\Machine\registry',
            'Location="x',
            "lists",
        ),
        (BACKUP + "/Backup.xml", "<![CDATA[File servers & co]]>", "", "no DisplayName"),
        (BACKUP + "/Backup.xml", "GroupPolicyBackupScheme", "Other", "no backup of a policy"),
    ],
)
def test_xml_that_lies_is_refused(name: str, old: str, new: str, message: str) -> None:
    files = sample()
    text = files[name].decode()
    assert old in text
    files[name] = text.replace(old, new).encode()
    with pytest.raises(UserError, match=message):
        decode(files, "x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("name", ["manifest.xml", BACKUP + "/Backup.xml", BACKUP + "/bkupInfo.xml"])
def test_a_doctype_is_refused_before_it_can_expand(name: str, encoding: str) -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    doctype = f'<!DOCTYPE x [<!ENTITY e0 "ha"><!ENTITY f SYSTEM "file:///etc/passwd">{bomb}]>'
    files = sample()
    text = files[name].decode()
    body = text.partition("?>")[2] if text.startswith("<?xml") else text
    files[name] = (doctype + body.replace("</", "&e11;&f;</", 1)).encode(encoding)
    with pytest.raises(UserError, match="DOCTYPE"):
        decode(files, "x")


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_arbitrary_files_are_a_user_error_or_survive(data: st.DataObject) -> None:
    files = sample()
    name = data.draw(st.sampled_from(sorted(files)))
    raw = bytearray(files[name])
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    files[name] = bytes(raw)
    try:
        folder = decode(files, "fuzz")
    except UserError:
        return
    assert folder.encode() == files


def test_links_and_paths_that_lead_away_are_refused(tmp_path: Path) -> None:
    write(sample(), tmp_path)
    machine = tmp_path / BACKUP / "DomainSysvol/GPO/Machine"
    (machine / "registry.pol").unlink()
    os.symlink("/etc/passwd", machine / "registry.pol")
    with pytest.raises(UserError, match="is a link"):
        read(tmp_path)
    for path in ("../x", "/x", "a/../../x", "C:x", "a//b"):
        with pytest.raises(UserError, match="leads out"):
            write({path: b""}, tmp_path / "out")


def test_a_new_backup_is_complete(tmp_path: Path) -> None:
    changes: list[Change] = [
        dword(SERVER, "RequireSecuritySignature", 1),
        dword(POLICY, "MinSmb2Dialect", 785),
        RegistryDeletion(POLICY, "MaxSmb2Dialect"),
    ]
    exported = formats.write(
        "gpo-backup", changes, name="Sign <always> & ]]> co", domain="a.test",
        time="2025-01-02T03:04:05",
    )  # fmt: skip
    assert exported.notes == []
    exported.save(tmp_path / "new")
    with pytest.raises(UserError, match="is not empty"):
        exported.save(tmp_path / "new")
    imported = formats.read(tmp_path / "new")
    assert imported.name == "Sign <always> & ]]> co"
    assert set(imported.changes) == set(changes)
    assert isinstance(exported.data, dict)
    assert exported.data == read(tmp_path / "new").encode()
    manifest = ElementTree.fromstring(exported.data["manifest.xml"])
    backup_id = manifest.findtext(f"{MANIFEST}BackupInst/{MANIFEST}ID")
    assert re.fullmatch(r"\{[0-9A-F-]{36}\}", backup_id or "")
    names = {name.removeprefix(f"{backup_id}/") for name in exported.data}
    assert names == {
        "manifest.xml",
        "Backup.xml",
        "bkupInfo.xml",
        "gpreport.xml",
        "DomainSysvol/GPO/Machine/registry.pol",
        "DomainSysvol/GPO/Machine/microsoft/windows nt/SecEdit/GptTmpl.inf",
    }
    backup = ElementTree.fromstring(exported.data[f"{backup_id}/Backup.xml"])
    core = f"{SPACE}GroupPolicyObject/{SPACE}GroupPolicyCoreSettings/{SPACE}"
    assert backup.findtext(core + "MachineExtensionGuids") == (
        "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]"
        "[{827D319E-6EAC-11D2-A4EA-00C04F79F83A}{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}]"
    )
    descriptor = bytes.fromhex(backup.findtext(core + "SecurityDescriptor") or "")
    found = SecurityDescriptor.decode(memoryview(descriptor))
    assert found.dacl is not None
    assert len(found.dacl.aces) == 5
    locations = {each.get(SPACE + "Location") for each in backup.iter(SPACE + "FSObjectFile")}
    assert {f"{backup_id}/{(each or '').replace(chr(92), '/')}" for each in locations} == {
        name for name in exported.data if "DomainSysvol" in name
    }
    report = ElementTree.fromstring(exported.data[f"{backup_id}/gpreport.xml"])
    texts = [element.text for element in report.iter()]
    assert "Microsoft network server: Digitally sign communications (always)" in texts
    assert f"MACHINE\\{SERVER}\\RequireSecuritySignature" in texts


def test_a_backup_of_others_is_changed_where_it_can_be() -> None:
    imported = formats.read(SAMPLE)
    exported = formats.write("gpo-backup", [dword(SERVER, "RequireSecuritySignature", 0)], imported)
    assert "gpreport.xml is left out" in exported.notes[0]
    assert isinstance(exported.data, dict)
    before = sample()
    template = next(name for name in before if name.endswith("GptTmpl.inf"))
    changed = {name for name, data in exported.data.items() if data != before.get(name)}
    assert changed - {"manifest.xml"} == {template}
    assert set(before) - set(exported.data) == {f"{BACKUP}/gpreport.xml"}


def test_what_comes_later_must_not_hide_a_change() -> None:
    """The security template is applied after registry.pol."""
    backup = create("x").backups[0]
    backup.apply([dword(SERVER, "RequireSecuritySignature", 1)])
    backup.apply([RegistryDeletion(SERVER, "RequireSecuritySignature")])
    assert backup.changes()[-1] == RegistryDeletion(SERVER, "RequireSecuritySignature")


def test_several_backups_are_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        backup = create(name)
        backup.backups[0].apply([dword(SERVER, "RequireSecuritySignature", 1)])
        files = backup.encode()
        del files["manifest.xml"]
        write(files, tmp_path)
    assert {each.name for each in formats.read_all(tmp_path)} == {"one", "two"}
    with pytest.raises(UserError, match="several policy objects"):
        formats.read(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"name": "a\x01"}, {"name": "a", "time": "now"}, {"name": "a", "gpo_id": "x"}],
)
def test_what_xml_can_not_carry_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(UserError):
        create(**fields)
