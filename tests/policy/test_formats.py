"""What holds for every format: recognised, byte for byte, refused when damaged, never weakened."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy import formats, gpo_backup
from paraph.policy.changes import final_value
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryValue, encode_data

SAMPLES = Path(__file__).parent / "samples"
SERVER = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"
CLIENT = r"SYSTEM\CurrentControlSet\Services\LanmanWorkstation\Parameters"
POLICY = r"SOFTWARE\Policies\Microsoft\Windows\LanmanServer"

FILES = {
    "GptTmpl-domain-controllers.inf": "security-template",
    "GptTmpl-member.inf": "security-template",
    "template-ansi.inf": "security-template",
    "Registry.pol": "registry-pol",
    "Registry-example.pol": "registry-pol",
    "lgpo.txt": "lgpo",
    "signing.reg": "reg",
    "file-servers.ps1": "powershell",
    "intune.csv": "intune",
    "intune.json": "intune",
    "smb.conf": "smb-conf",
}
FILE_FORMATS = [key for key in formats.FORMATS if key != "gpo-backup"]
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, 4, encode_data(4, number))


def encoded(imported: formats.Imported) -> bytes:
    data = imported.document.encode()
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize(("file", "format_"), FILES.items())
def test_a_sample_is_recognised_and_written_back_byte_for_byte(file: str, format_: str) -> None:
    data = (SAMPLES / file).read_bytes()
    assert formats.detect(data, file) == format_
    assert formats.detect(data, "no-name") == format_
    imported = formats.read(SAMPLES / file)
    assert imported.format == format_
    assert imported.name == file
    assert imported.changes
    assert encoded(imported) == data


@pytest.mark.parametrize("file", FILES)
def test_writing_what_is_there_already_changes_nothing(file: str) -> None:
    imported = formats.read(SAMPLES / file)
    wanted = [change for change in imported.changes if isinstance(change, RegistryValue)]
    exported = formats.write(imported.format, wanted, imported)
    assert exported.data == (SAMPLES / file).read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_a_truncated_file_is_refused_or_is_a_whole_shorter_one(file: str) -> None:
    """A cut between two entries of a text leaves a file that nobody can tell from a whole one; it
    may then say less, but never anything else."""
    data = (SAMPLES / file).read_bytes()
    whole = formats.decode(data, file).changes
    accepted = 0
    for length in range(len(data)):
        try:
            found = formats.decode(data[:length], file, FILES[file]).changes
        except UserError:
            continue
        accepted += 1
        if FILES[file] == "smb-conf":  # in the order of the parameters, not of the file
            assert set(found) <= set(whole)
        else:
            assert found == whole[: len(found)]
    assert accepted <= data.replace(b"\0", b"").count(b"\n") + 20


@pytest.mark.parametrize(
    "file", ["GptTmpl-domain-controllers.inf", "Registry-example.pol", "intune.json"]
)
def test_these_are_refused_at_every_length(file: str) -> None:
    data = (SAMPLES / file).read_bytes()
    whole_instructions = {8, len(data) - 1}
    if file.endswith(".pol"):
        first = data.index(b"]\0[\0") + 2
        whole_instructions = {8, first}  # what has been cut off left a whole file
    for length in range(len(data)):
        if file.endswith(".pol") and length in whole_instructions:
            continue
        if file.endswith(".json") and length == len(data) - 1:
            continue  # its last line end
        with pytest.raises(UserError):
            formats.decode(data[:length], file, FILES[file])


@pytest.mark.parametrize("format_", FILE_FORMATS)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0" * 4096,
        b"\xff\xfe",
        b"\xfe\xff\0[\0x",
        b"\xff",
        b"\x7fELF" + bytes(range(256)),
        b"\xef\xbb\xbf",
        b"<html><body>502 Bad Gateway</body></html>\n",
        b"PReg\2\0\0\0",
        b"PRe",
    ],
)
def test_damage_is_a_user_error_that_names_the_file(format_: str, data: bytes) -> None:
    with pytest.raises(UserError, match=r"some-file"):
        formats.decode(data, "some-file", format_)


@pytest.mark.parametrize("file", FILES)
def test_another_encoding_is_refused_or_means_the_same(file: str) -> None:
    data = (SAMPLES / file).read_bytes()
    if data.startswith(b"PReg"):
        with pytest.raises(UserError):
            formats.decode(data.decode("latin-1").encode("utf-16"), file, FILES[file])
        return
    text = data.decode("utf-16") if data.startswith(b"\xff\xfe") else data.decode("cp1252")
    for encoding in ("utf-16-be", "utf-32", "utf-16-le"):
        with pytest.raises(UserError):
            formats.decode(text.encode(encoding), file, FILES[file])


@pytest.mark.parametrize("format_", FILE_FORMATS)
def test_arbitrary_bytes_are_a_user_error_or_survive(format_: str) -> None:
    sample = next((SAMPLES / file).read_bytes() for file, key in FILES.items() if key == format_)

    @QUICK
    @given(st.data())
    def run(data: st.DataObject) -> None:
        if data.draw(st.booleans()):
            raw = bytearray(data.draw(st.binary(max_size=200)))
        else:
            raw = bytearray(sample)
            for _ in range(data.draw(st.integers(1, 4))):
                at = data.draw(st.integers(0, len(raw) - 1))
                junk = data.draw(st.binary(max_size=3))
                raw[at : at + data.draw(st.integers(0, 3))] = junk
        try:
            imported = formats.decode(bytes(raw), "fuzz", format_)
        except UserError:
            return
        assert encoded(imported) == bytes(raw)

    run()


@QUICK
@given(st.text(max_size=200), st.sampled_from(FILE_FORMATS), st.sampled_from(["utf-8", "utf-16"]))
@example('[Version]\nsignature="$CHICAGO$"\n[Registry Values]\nMACHINE\\=1,\n', "lgpo", "utf-8")
@example("Set-ItemProperty `\n\n", "powershell", "utf-8")
@example('[{"omaUri": {}}]', "intune", "utf-8")
@example("[" * 100_000, "intune", "utf-8")
@example('{"omaSettings": [{"omaUri": "./Device", "value": 1e400}]}', "intune", "utf-8")
@example("a=\\\n", "smb-conf", "utf-8")
def test_arbitrary_text_is_a_user_error_or_survives(text: str, key: str, encoding: str) -> None:
    raw = text.encode(encoding, "replace")
    try:
        imported = formats.decode(raw, "fuzz", key)
    except UserError:
        return
    assert encoded(imported) == raw


# Writing

_name = st.text(
    st.characters(codec="utf-16", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
)
_path = st.lists(_name.filter(lambda part: "\\" not in part), min_size=1, max_size=3)
_texts = st.text(st.characters(codec="utf-16", exclude_categories=["Cs"]), max_size=20)
_data = st.one_of(
    st.tuples(st.just(4), st.integers(0, 0xFFFFFFFF)),
    st.tuples(st.just(11), st.integers(0, (1 << 64) - 1)),
    st.tuples(st.sampled_from([1, 2]), _texts.map(lambda text: text.replace("\0", ""))),
    st.tuples(st.just(7), st.lists(_texts.map(lambda text: text.replace("\0", "")), max_size=4)),
    st.tuples(st.just(3), st.binary(max_size=20)),
    st.tuples(st.sampled_from([0, 1, 4, 5, 7, 200]), st.binary(max_size=9)),
)
_values = st.builds(
    lambda path, name, data: RegistryValue("\\".join(path), name, data[0], encode_data(*data)),
    _path,
    st.one_of(st.just(""), _name),
    _data,
)
_deletions = st.builds(
    lambda path, name: RegistryDeletion("\\".join(path), name),
    _path,
    st.one_of(st.none(), _name),
)
_ours = st.builds(
    lambda place, number: dword(place[0], place[1], number),
    st.sampled_from(
        [
            (SERVER, "RequireSecuritySignature"),
            (SERVER, "EnableSecuritySignature"),
            (CLIENT, "RequireSecuritySignature"),
            (POLICY, "MinSmb2Dialect"),
            (SERVER, "MinSmb2Dialect"),
            (SERVER, "EncryptData"),
        ]
    ),
    st.sampled_from([0, 1, 2, 514, 785]),
)


@pytest.mark.parametrize("format_", [*FILE_FORMATS, "gpo-backup"])
def test_what_is_written_is_read_back_or_said_to_be_left_out(format_: str) -> None:
    @QUICK
    @given(st.lists(st.one_of(_values, _deletions, _ours), min_size=1, max_size=5))
    @example([RegistryValue("K", "*", 1, encode_data(1, "x"))])
    @example([RegistryValue("K", "a=4,1", 7, encode_data(7, ["", ",", '"', " x "]))])
    @example([RegistryValue("K\u2019; Remove-Item x", "n", 1, encode_data(1, "\u2019; calc #"))])
    @example([RegistryValue("K", "(default)", 1, encode_data(1, "x"))])
    @example([RegistryValue("K", "n", 7, b"a\0\0\0")])
    def run(changes: list[Change]) -> None:
        try:
            exported = formats.write(format_, changes)
        except UserError:
            return
        if isinstance(exported.data, bytes):
            again = formats.decode(exported.data, "again", format_).changes
        else:
            again = gpo_backup.decode(exported.data, "again").changes()
        if format_ == "smb-conf":
            return  # says less than the registry: see its own tests
        for change in changes:
            wanted = final_value(changes, change.key, change.name or "")
            found = final_value(again, change.key, change.name or "")
            if (wanted and (wanted.type, wanted.data)) != (found and (found.type, found.data)):
                said = " ".join(exported.notes)
                assert (change.name or change.key) in said or change.key in said

    run()


def test_a_value_is_changed_in_place_and_the_rest_stays(tmp_path: Path) -> None:
    for file, format_ in FILES.items():
        if format_ in ("registry-pol", "lgpo"):
            continue  # signing is not there: see their own tests
        imported = formats.read(SAMPLES / file)
        key = CLIENT if file == "intune.json" else SERVER
        exported = formats.write(format_, [dword(key, "RequireSecuritySignature", 0)], imported)
        before = (SAMPLES / file).read_bytes()
        assert isinstance(exported.data, bytes)
        assert exported.data != before
        assert abs(len(exported.data) - len(before)) <= (
            200 if format_ in ("reg", "intune") else 40
        ), file
        path = tmp_path / file
        exported.save(path)
        after = formats.read(path)
        found = final_value(after.changes, key, "RequireSecuritySignature")
        assert found is not None
        assert found.data == b"\0\0\0\0", file
        assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("format_", FILE_FORMATS)
def test_not_defined_is_defined_and_removed_again(format_: str) -> None:
    value = dword(SERVER, "RequireSecuritySignature", 1)
    exported = formats.write(format_, [value])
    assert isinstance(exported.data, bytes)
    document = formats.decode(exported.data, "x", format_).document
    assert final_value(document.changes(), value.key, value.name) is not None
    assert document.remove(value.key, "REQUIRESECURITYSIGNATURE")
    assert final_value(document.changes(), value.key, value.name) is None
    assert not document.remove(value.key, value.name)


def test_nothing_to_write_is_an_error_that_says_why() -> None:
    with pytest.raises(UserError, match="No values were given"):
        formats.write("lgpo", [])
    with pytest.raises(UserError, match="no OMA-URI for Software"):
        formats.write("intune", [dword("Software\\X", "Y", 1)])


def test_the_messages_of_the_door(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'registry-pol'"):
        formats.write("registry_poll", [])
    with pytest.raises(UserError, match="is none of the formats"):
        formats.detect(b"hello\n", "hello.xyz")
    with pytest.raises(UserError, match="can not be read"):
        formats.read(tmp_path / "missing.inf")
    with pytest.raises(UserError, match="no backup of a policy object"):
        formats.read(tmp_path)
    with pytest.raises(UserError, match="only GPO backups are folders"):
        formats.read(tmp_path, "reg")
    with pytest.raises(UserError, match="are a folder"):
        formats.decode(b"x", "x", "gpo-backup")
    imported = formats.read(SAMPLES / "smb.conf")
    with pytest.raises(UserError, match=r"is Samba's smb\.conf, not LGPO text"):
        formats.write("lgpo", [dword(SERVER, "X", 1)], imported)
    with pytest.raises(UserError, match="can not be written"):
        formats.write("reg", [dword(SERVER, "X", 1)]).save(tmp_path / "none" / "x.reg")


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("GptTmpl.inf", "security-template"),
        ("REGISTRY.POL", "registry-pol"),
        ("x.Reg", "reg"),
        ("x.ps1", "powershell"),
        ("x.csv", "intune"),
        ("smb.conf", "smb-conf"),
        ("lgpo.txt", "lgpo"),
    ],
)
def test_a_damaged_file_is_recognised_by_its_name(name: str, format_: str) -> None:
    assert formats.detect(b"", name) == format_
    with pytest.raises(UserError, match=name):
        formats.decode(b"", name)
