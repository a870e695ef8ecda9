from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy import reg_file
from paraph.policy.reg_file import Entry, Version
from paraph.policy.registry_value import (
    RegistryDeletion,
    RegistryKey,
    RegistryValue,
    RegType,
    encode_data,
)

PARAMETERS = r"SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters"
HKLM = "HKEY_LOCAL_MACHINE\\"


def value(name: str, type_: int, meaning: int | str | list[str] | bytes) -> RegistryValue:
    return RegistryValue("K", name, type_, encode_data(type_, meaning))


def utf16(*lines: str) -> bytes:
    return b"\xff\xfe" + "".join(line + "\r\n" for line in lines).encode("utf-16-le")


def v5(*lines: str) -> bytes:
    return utf16("Windows Registry Editor Version 5.00", "", f"[{HKLM}K]", *lines, "")


def v4(*lines: str) -> bytes:
    text = "".join(line + "\r\n" for line in ("REGEDIT4", "", f"[{HKLM}K]", *lines, ""))
    # Code page 1252 of Windows has 0x81, Python's has not.
    return b"\x81".join(part.encode("cp1252") for part in text.split("\x81"))


# Each as regedit writes it: (lines, what it means). The wrapping is that of exports by regedit.
CANONICAL: list[tuple[list[str], RegistryValue]] = [
    (['"RequireSecuritySignature"=dword:00000001'], value("RequireSecuritySignature", 4, 1)),
    (['"D"=dword:ffffffff'], value("D", 4, 0xFFFFFFFF)),
    (['@="default"'], value("", 1, "default")),
    (['"e"=""'], value("e", 1, "")),
    (['"nothing"=hex(1):'], value("nothing", 1, b"")),
    ([r'"a\\b\"c"="C:\\x \"y\""'], value('a\\b"c', 1, 'C:\\x "y"')),
    (['"="="; no comment"'], value("=", 1, "; no comment")),
    (['"größe"="Ж"'], value("größe", 1, "Ж")),
    (['"b"=hex:'], value("b", 3, b"")),
    (['"b"=hex:00,ff'], value("b", 3, b"\0\xff")),
    (['"n"=hex(0):'], value("n", 0, b"")),
    (['"short"=hex(4):01,00'], value("short", 4, b"\1\0")),
    (['"be"=hex(5):00,00,00,01'], value("be", 5, 1)),
    (['"q"=hex(b):01,00,00,00,00,00,00,00'], value("q", 11, 1)),
    (['"v"=hex(ffff0001):01'], value("v", 0xFFFF0001, b"\1")),
    (['"m"=hex(7):61,00,00,00,00,00'], value("m", 7, ["a"])),
    (['"no nul"=hex(1):61,00'], value("no nul", 1, b"a\0")),
    (['"two"=hex(1):61,00,00,00,62,00,00,00'], value("two", 1, "a\0b")),
    (['"line"=hex(1):61,00,0d,00,0a,00,00,00'], value("line", 1, "a\r\n")),
    (['"odd"=hex(1):61'], value("odd", 1, b"a")),
    (
        [
            '"ImagePath"=hex(2):25,00,53,00,79,00,73,00,74,00,65,00,6d,00,52,00,6f,00,6f,00,\\',
            "  74,00,25,00,5c,00,53,00,79,00,73,00,74,00,65,00,6d,00,33,00,32,00,5c,00,73,\\",
            "  00,70,00,70,00,73,00,76,00,63,00,2e,00,65,00,78,00,65,00,00,00",
        ],
        value("ImagePath", 2, "%SystemRoot%\\System32\\sppsvc.exe"),
    ),
    (
        [
            '"Windows"=hex(2):25,00,53,00,79,00,73,00,74,00,65,00,6d,00,52,00,6f,00,6f,00,\\',
            "  74,00,00,00",
        ],
        value("Windows", 2, "%SystemRoot"),
    ),
    (
        [
            '"Win32_AutoGameModeDefaultProfile"=hex:00,00,00,00,00,00,00,00,00,00,00,00,00,\\',
            "  00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,\\",
            "  00,00",
        ],
        value("Win32_AutoGameModeDefaultProfile", 3, bytes(40)),
    ),
    (
        [
            '"HelperDllName"=hex(2):25,00,53,00,79,00,73,00,74,00,65,00,6d,00,52,00,6f,00,\\',
            "  6f,00,00,00",
        ],
        value("HelperDllName", 2, "%SystemRoo"),
    ),
    (['"21"=hex:' + ",".join(["00"] * 23)], value("21", 3, bytes(23))),
]


@pytest.mark.parametrize(("lines", "meant"), CANONICAL)
def test_canonical_lines(lines: list[str], meant: RegistryValue) -> None:
    data = v5(*lines)
    assert reg_file.decode(data, "a.reg") == [meant]
    assert reg_file.encode([meant]) == data


EXPORT = utf16(
    "Windows Registry Editor Version 5.00",
    "",
    f"[{HKLM}SYSTEM\\CurrentControlSet\\Services\\LanmanServer]",
    "",
    f"[{HKLM}{PARAMETERS}]",
    '"EnableSecuritySignature"=dword:00000000',
    '"RequireSecuritySignature"=dword:00000001',
    '"NullSessionPipes"=hex(7):00,00',
    '"ServiceDll"=hex(2):25,00,53,00,79,00,73,00,74,00,65,00,6d,00,52,00,6f,00,6f,\\',
    "  00,74,00,25,00,00,00",
    "",
    f"[{HKLM}SOFTWARE\\Policies\\Microsoft\\Windows\\LanmanServer]",
    '"MinSmb2Dialect"=-',
    "@=-",
    "",
    f"[-{HKLM}SOFTWARE\\Gone]",
    "",
    f"[{HKLM}SOFTWARE\\Empty]",
    "",
)


def test_a_whole_export_is_written_again_byte_for_byte() -> None:
    entries = reg_file.decode(EXPORT, "export.reg")
    assert entries[0] == RegistryKey("SYSTEM\\CurrentControlSet\\Services\\LanmanServer")
    assert entries[1:3] == [
        RegistryValue(PARAMETERS, "EnableSecuritySignature", RegType.DWORD, bytes(4)),
        RegistryValue(PARAMETERS, "RequireSecuritySignature", RegType.DWORD, b"\1\0\0\0"),
    ]
    key = "SOFTWARE\\Policies\\Microsoft\\Windows\\LanmanServer"
    assert entries[5:] == [
        RegistryDeletion(key, "MinSmb2Dialect"),
        RegistryDeletion(key, ""),
        RegistryDeletion("SOFTWARE\\Gone", None),
        RegistryKey("SOFTWARE\\Empty"),
    ]
    assert reg_file.encode(entries) == EXPORT


def test_a_file_without_anything() -> None:
    data = utf16("Windows Registry Editor Version 5.00", "")
    assert reg_file.decode(data, "a.reg") == []
    assert reg_file.encode([]) == data


@pytest.mark.parametrize("length", range(1, 90))
def test_no_line_is_longer_than_80(length: int) -> None:
    meant = value("n" * length, 3, bytes(60))
    data = reg_file.encode([meant])
    lines = data[2:].decode("utf-16-le").split("\r\n")
    assert reg_file.decode(data, "a.reg") == [meant]
    # One byte stands beside even the longest name.
    assert all(len(line) <= max(80, length + 11) for line in lines[3:])
    assert all(len(line) >= 78 for line in lines[3:] if line.endswith("\\"))


# Version 4


@pytest.mark.parametrize(
    ("lines", "meant"),
    [
        (['"größe"="€\x81"'], value("größe", 1, "€\x81")),
        (['"e"=hex(2):25,50,25,e4,00'], value("e", 2, "%P%ä")),
        (['"m"=hex(7):61,00,80,00,00'], value("m", 7, ["a", "€"])),
        (['"s"=hex(1):61,00,62,00'], value("s", 1, "a\0b")),
        (['"b"=hex:61,00'], value("b", 3, b"a\0")),
        (['"D"=dword:00000001'], value("D", 4, 1)),
    ],
)
def test_version_4(lines: list[str], meant: RegistryValue) -> None:
    data = v4(*lines)
    assert reg_file.decode(data, "a.reg") == [meant]
    assert reg_file.encode([meant], 4) == data


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (value("s", 1, "Ж"), "code page 1252"),
        (value("Ж", 4, 1), "code page 1252"),
        (value("m", 7, ["Ж"]), r"K\\m: 'Ж' is not in code page 1252"),
        (value("m", 7, b"odd"), "odd number"),
    ],
)
def test_what_version_4_can_not_say(entry: RegistryValue, message: str) -> None:
    with pytest.raises(UserError, match=message):
        reg_file.encode([entry], 4)


# Tolerance


@pytest.mark.parametrize(
    "data",
    [
        v5('"D"=dword:00000001')[2:].decode("utf-16-le").encode(),
        b"\xef\xbb\xbf" + v5('"D"=dword:00000001')[2:].decode("utf-16-le").encode(),
        v5('"D"=dword:00000001').replace(b"\r\0", b""),
        v5("; a comment", "", '  "D" = dword:1 ; and another', ";"),
        v5('"D"=DWORD:00000001\t'),
        v5('"D"=hex(4):1,0,\\', "00, \\ ".replace(" ", ""), "  0"),
        v5('"D"=hex(04):01,00,\\  ', "\t00,00 ; done"),
        v5('"D"=dword:00000001').replace(HKLM.encode("utf-16-le"), "hklm\\".encode("utf-16-le")),
        v4('"D"=dword:00000001').replace(b"\r\n", b"\n"),
        utf16("REGEDIT4", f"[{HKLM}K\\] ; note", '"D"=dword:00000001'),
    ],
)
def test_what_else_is_understood(data: bytes) -> None:
    assert reg_file.decode(data, "a.reg") == [value("D", 4, 1)]


# Errors


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: it does not begin with"),
        (b"\xff\xfe", "line 1: it does not begin with"),
        (b"Windows Registry Editor Version 6.00\r\n", "line 1: it does not begin with"),
        (b"\r\nREGEDIT4\r\n", "line 1: it does not begin with"),
        (b"REGEDIT\r\n", "line 1: it does not begin with"),
        (v5()[:-1], "half a character at offset"),
        ("\ufeffWindows".encode("utf-16-be"), "high byte first"),
        (b"Windows Registry Editor Version 5.00\r\n;\xe4\r\n", "offset 39: it is neither"),
        (v5('"D"=dword:00000001')[:-10], "line 4: the last line has no line end"),
        (v5("D=dword:00000001"), 'line 4: a value must look like "name"=data'),
        (v5('"D"'), 'line 4: a value must look like "name"=data'),
        (v5('"D=dword:1'), 'line 4: a value must look like "name"=data'),
        (v5('"D"=dword:'), "line 4: the data of 'D' can not be understood"),
        (v5('"D"=dword:000000001'), "line 4: the data of 'D'"),
        (v5('"D"=dword:0000000g'), "line 4: the data of 'D'"),
        (v5('"D"=1'), "line 4: the data of 'D'"),
        (v5('"D"="open'), "line 4: the data of 'D'"),
        (v5('"D"="x" y'), "line 4: the data of 'D'"),
        (v5('"D"=-1'), "line 4: the data of 'D'"),
        (v5('"D"="a\rb"'), "line 4: there is a control character"),
        (v5('"D\0"=dword:1'), "line 4: there is a control character"),
        (
            v5("", '"D"=hex:00,', '"E"=dword:00000001'),
            "line 5: the data of 'D', which begin in line 5",
        ),
        (
            v5('"D"=hex:00,\\', '"E"=dword:00000001'),
            "line 5: the data of 'D', which begin in line 4",
        ),
        (v5('"D"=hex:000'), "no hex bytes"),
        (v5('"D"=hex(100000000):00'), "no hex bytes"),
        (v5('"D"=hex(x):00'), "no hex bytes"),
        (v5('"D"=hex:00,\\')[:-4], "line 5: the data of 'D'"),
        (utf16("REGEDIT4", '"D"=dword:00000001'), "line 2: a value stands outside of a key"),
        (utf16("REGEDIT4", f"[-{HKLM}K]", '"D"=-'), "line 3: a value stands outside of a key"),
        (utf16("REGEDIT4", f"[{HKLM}K"), "line 2: the key has no closing bracket"),
        (utf16("REGEDIT4", f"[{HKLM}K] x"), "line 2: the key has no closing bracket"),
        (
            utf16("REGEDIT4", "[HKEY_CURRENT_USER\\K]"),
            "line 2: only HKEY_LOCAL_MACHINE can be used",
        ),
        (utf16("REGEDIT4", "[-HKEY_USERS\\K]"), "line 2: only HKEY_LOCAL_MACHINE can be used"),
        (utf16("REGEDIT4", "[K]"), "line 2: only HKEY_LOCAL_MACHINE can be used, not 'K'"),
        (utf16("REGEDIT4", "[-HKEY_LOCAL_MACHINE]"), "line 2: HKEY_LOCAL_MACHINE itself"),
        (utf16("REGEDIT4", "[HKEY_LOCAL_MACHINE]", "@=-"), "line 3: HKEY_LOCAL_MACHINE itself"),
        (utf16("REGEDIT4", f"[{HKLM}K\\\\L]"), "line 2: a name is empty"),
    ],
)
def test_errors_name_the_file_and_the_line(data: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        reg_file.decode(data, "bad.reg")
    assert str(caught.value).startswith("bad.reg: ")
    assert message in str(caught.value)


def test_a_cut_file_is_never_half_read() -> None:
    """A cut inside a line is refused; one between lines can not be told from a shorter file."""
    whole = reg_file.decode(EXPORT, "a.reg")
    for size in range(len(EXPORT)):
        try:
            found = reg_file.decode(EXPORT[:size], "a.reg")
        except UserError:
            continue
        assert EXPORT[:size].endswith("\r\n".encode("utf-16-le")) or EXPORT[:size].endswith(b"\n\0")
        head = [entry for entry in found if not isinstance(entry, RegistryKey)]
        assert head == [entry for entry in whole if not isinstance(entry, RegistryKey)][: len(head)]


@pytest.mark.parametrize(
    "entry",
    [
        RegistryKey("a\nb"),
        RegistryDeletion("a\rb", None),
        value("a\nb", 4, 1),
        value("a\0b", 4, 1),
        RegistryDeletion("K", None, values_only=True),
    ],
)
def test_what_no_version_can_say(entry: Entry) -> None:
    with pytest.raises(UserError, match=r"\.reg file can not say"):
        reg_file.encode([entry])


# Properties

NAMES = st.text(st.characters(exclude_characters="\r\n\0"), max_size=5)
KEYS = st.text(st.characters(exclude_characters="\r\n\0\\"), min_size=1, max_size=4)
ENTRIES = st.one_of(
    st.builds(RegistryValue, KEYS, NAMES, st.integers(0, 12), st.binary(max_size=80)),
    st.builds(
        lambda key, name, text: RegistryValue(key, name, 1, text),
        KEYS,
        NAMES,
        NAMES.map(lambda text: encode_data(1, text)),
    ),
    st.builds(RegistryDeletion, KEYS, NAMES | st.none()),
    st.builds(RegistryKey, KEYS),
)


def changes(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if not isinstance(entry, RegistryKey)]


def keys(entries: list[Entry]) -> set[str]:
    """What is made, if only for a value of it to be deleted: a .reg file makes that key too."""
    return {
        entry.key
        for entry in entries
        if not isinstance(entry, RegistryDeletion) or entry.name is not None
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(ENTRIES, max_size=6))
def test_what_is_written_is_read(entries: list[Entry]) -> None:
    data = reg_file.encode(entries)
    found = reg_file.decode(data, "a.reg")
    assert changes(found) == changes(entries)
    assert keys(found) == keys(entries)
    assert reg_file.encode(found) == data


ANSI = st.characters(codec="cp1252", exclude_characters="\r\n\0")


@settings(max_examples=100, deadline=None)
@given(
    st.text(ANSI, max_size=5),
    st.sampled_from([RegType.SZ, RegType.EXPAND_SZ]),
    st.text(ANSI, max_size=60),
    st.sampled_from([4, 5]),
)
def test_ansi_text_survives_both_versions(
    name: str, type_: int, text: str, version: Version
) -> None:
    meant = value(name, type_, text)
    assert reg_file.decode(reg_file.encode([meant], version), "a.reg") == [meant]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xfe", b"REGEDIT4\r\n", v5('"a"=')]))
def test_arbitrary_bytes_raise_only_user_errors(data: bytes, start: bytes) -> None:
    try:
        reg_file.decode(start + data, "a.reg")
    except UserError:
        pass


# Samba's reader of .reg files (which wants version 5 in UTF-8), where python3-samba is installed

SAMBA_READS = """
import sys
from samba import registry

hive, source = sys.argv[1:]
tree = registry.Registry()
store = registry.open_ldb(hive)  # must outlive the tree
tree.mount_hive(store, registry.HKEY_LOCAL_MACHINE)
tree.diff_apply(source)
"""
SAMBA_SHOWS = """
import sys
import ldb

for entry in ldb.Ldb(sys.argv[1]).search("", ldb.SCOPE_SUBTREE):
    if "value" in entry:
        print(entry["value"][0].decode(), entry["type"][0].decode(), bytes(entry["data"][0]).hex())
"""


def samba(code: str, *arguments: Path) -> str:
    python = "/usr/bin/python3"
    if (
        not Path(python).exists()
        or subprocess.run([python, "-c", "import samba.registry"]).returncode
    ):
        pytest.skip("python3-samba is not installed")
    command = [python, "-c", code, *map(str, arguments)]
    return subprocess.check_output(command, text=True)


def test_samba_reads_what_is_written(tmp_path: Path) -> None:
    path, hive = tmp_path / "a.reg", tmp_path / "hive.ldb"
    long = bytes(range(100))
    data = reg_file.encode([value("D", 4, 1), value("S", 1, "x y"), value("B", 3, long)])
    path.write_bytes(data[2:].decode("utf-16-le").encode())
    samba(SAMBA_READS, hive, path)
    text, number = b"x y\0".hex(), b"0x00000001".hex()
    found = sorted(samba(SAMBA_SHOWS, hive).splitlines())
    assert found == [f"B 3 {long.hex()}", f"D 4 {number}", f"S 1 {text}"]
