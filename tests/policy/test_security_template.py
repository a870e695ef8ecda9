"""GptTmpl.inf: [MS-GPSB] 2.2 and 2.2.5, the lossless document, and every kind of damage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy.registry_value import RegistryDeletion, RegistryValue, encode_data
from paraph.policy.security_template import create, decode

SAMPLES = Path(__file__).parent / "samples"
SERVER = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"
SYSTEM = r"Software\Microsoft\Windows\CurrentVersion\Policies\System"
VERSION = '[Version]\nsignature="$CHICAGO$"\nRevision=1\n'


def utf16(text: str) -> bytes:
    return b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le")


def template(lines: str) -> bytes:
    return utf16(f"{VERSION}[Registry Values]\n{lines}\n")


def dword(name: str, number: int) -> RegistryValue:
    return RegistryValue(SERVER, name, 4, encode_data(4, number))


def value_of(data: str) -> RegistryValue:
    """The only value of a template with `MACHINE\\K\\N=` and `data`."""
    (value,) = decode(template(f"MACHINE\\K\\N={data}"), "t.inf").values
    assert (value.key, value.name) == ("K", "N")
    return value


@pytest.mark.parametrize(
    ("data", "meaning"),
    [
        ("4,1", 1),
        ("4,0x10", 16),
        ("4,4294967295", 0xFFFFFFFF),
        ("4,-1", 0xFFFFFFFF),
        ('4,"7"', 7),
        ('1,"text"', "text"),
        ("1,text, with comma", "text, with comma"),
        ('1,"say ""yes"""', 'say "yes"'),
        ('1,""', ""),
        ("1,", ""),
        ('2,"%SystemRoot%"', "%SystemRoot%"),
        ("3,", b""),
        ("3,0", b"\0"),
        ("3,01,fF, 0x7f", b"\x01\xff\x7f"),
        ("7,", []),
        ("7,a", ["a"]),
        ("7,a,b c , d", ["a", "b c", "d"]),
        ('7,one"," two,"three, four"', ["one, two", "three, four"]),
        ('7," kept ","a ""b"""', [" kept ", 'a "b"']),
    ],
)
def test_data_as_text(data: str, meaning: object) -> None:
    assert value_of(data).meaning() == meaning


def test_blank_lines_of_a_logon_notice_stay() -> None:
    value = value_of("7,one,,two")
    assert value.data == "one\0\0two\0\0".encode("utf-16-le")
    document = create()
    document.set(value)
    assert decode(document.encode(), "t.inf").values == [value]


@pytest.mark.parametrize(
    "data",
    [
        "4,",
        "4,x",
        "4,1x",
        "4,4294967296",
        "4,-2147483649",
        "4,0x1ffffffff",
        "3,zz",
        "3,100",
        "3,1,,2",
        '1,"open',
        '1,"a"b"c"',
        '7,a,"b',
        "5,1",
        "11,1",
        "0,",
        "99,1",
        "1",
        "",
        ",1",
        "x,1",
    ],
)
def test_data_that_are_refused(data: str) -> None:
    with pytest.raises(UserError, match=r"t\.inf, line 5: "):
        value_of(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Registry Values]\nMACHINE\\K\\N=4,1\n", "no \\[Version\\] section with signature"),
        ('[Version]\nsignature="$CHICAGO$"\n', "no \\[Version\\] section with revision=1"),
        ('[Version]\nsignature="$WINDOWS NT$"\nRevision=1\n', "line 2: the signature is"),
        ('[Version]\nsignature="$CHICAGO$"\nRevision=2\n', "line 3: the revision is 2"),
        (f"x=1\n{VERSION}", "line 1: text before the first section"),
        (f"{VERSION}[Registry Values\nMACHINE\\K\\N=4,1\n", "line 4: .* is no section header"),
        (f"{VERSION}[]\nx=1\n", "line 4: .* is no section header"),
        (f"{VERSION}[a] b\nx=1\n", "line 4: .* is no section header"),
        (f"{VERSION}[Registry Values]\n", "line 4: the last section is empty"),
        (f"{VERSION}[Registry Values]\nMACHINE\\K\\N=4,1", "line 5: the last line has no line end"),
        (f"{VERSION}[Registry Values]\nnonsense\n", "line 5: .*form name=value"),
        (f"{VERSION}[Registry Values]\nMACHINE\\K\\N 4,1\n", "line 5: .*form name=value"),
        (f"{VERSION}[Registry Values]\nN=4,1\n", "line 5: 'N' is no path"),
        (f"{VERSION}[Registry Values]\nMACHINE\\N=4,1\n", "line 5: .*is no path|names no key"),
        (f'{VERSION}[Registry Values]\n"MACHINE\\K\\N=4,1\n', "line 5: a quotation mark"),
        (f'{VERSION}[Registry Values]\nMA"CH"INE\\K\\N=4,1\n', "line 5: the name before"),
        (f"{VERSION}[System Access]\nMinimumPasswordLength\n", "line 5: .*form name=value"),
        (f"{VERSION}[Registry Keys]\nMACHINE\\K,0\n", "line 5: .*form name,mode,descriptor"),
        (f"{VERSION}[X]\na\x01b\n", "line 5: the control character 0x01"),
        (f"{VERSION}[X]\na\rb\n", "line 5: the control character 0x0D"),
        (
            f"{VERSION}[Registry Values]\nMACHINE\\K\\N=4,1\nmachine\\k\\n=4,0\n",
            "line 6: k.n is set again, to other data than on line 5",
        ),
    ],
)
def test_a_bad_line_is_named(text: str, message: str) -> None:
    for data in (utf16(text), text.replace("\n", "\r\n").encode("cp1252")):
        with pytest.raises(UserError, match=f"(?i)^bad.inf.*{message}"):
            decode(data, "bad.inf")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (utf16(VERSION)[2:], "a NUL"),
        (utf16(VERSION)[:-1], "damaged"),
        (b"\xfe\xff" + VERSION.encode("utf-16-be"), "big-endian"),
        (b"\xef\xbb\xbf" + VERSION.encode(), "UTF-8"),
        (VERSION.encode() + b"; \x81\r\n", "CP1252"),
        (b"\xff\xfe" + VERSION.encode("utf-16-le") + b"\0\xd8\n\0", "damaged"),
    ],
)
def test_another_encoding_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"bad.inf.*{message}"):
        decode(data, "bad.inf")


def test_values_are_found_whatever_their_case_and_changed_in_place() -> None:
    data = (SAMPLES / "GptTmpl-member.inf").read_bytes()
    document = decode(data, "x")
    found = document.get(SERVER.upper(), "RequireSecuritySignature")
    assert found is not None
    assert found.meaning() == 1
    document.set(RegistryValue(SERVER.lower(), "REQUIRESECURITYSIGNATURE", 4, b"\0\0\0\0"))
    old = "requiresecuritysignature = 4 , 0x1\r\n".encode("utf-16-le")
    new = "requiresecuritysignature = 4,0\r\n".encode("utf-16-le")
    assert document.encode() == data.replace(old, new)
    document.set(found)
    assert document.get(SERVER, "RequireSecuritySignature") == found


def test_a_quoted_name_keeps_its_quotes() -> None:
    data = template('"MACHINE\\K\\a=4,9"=4,1')
    document = decode(data, "x")
    document.set(RegistryValue("K", "a=4,9", 4, encode_data(4, 2)))
    assert document.encode() == template('"MACHINE\\K\\a=4,9"=4,2')
    fresh = create()
    fresh.set(RegistryValue("K", "a=4,9", 4, encode_data(4, 2)))
    assert '"MACHINE\\K\\a=4,9"=4,2\r\n' in fresh.encode().decode("utf-16")


def test_a_new_value_comes_after_the_last_of_its_section() -> None:
    data = (SAMPLES / "GptTmpl-domain-controllers.inf").read_bytes()
    document = decode(data, "x")
    document.set(dword("AutoDisconnect", 15))
    text = document.encode().decode("utf-16")
    line = f"MACHINE\\{SERVER}\\AutoDisconnect=4,15\r\n"
    assert text == data.decode("utf-16").replace("[Privilege Rights]", line + "[Privilege Rights]")
    assert document.remove(SERVER, "autodisconnect")
    assert document.encode() == data


def test_a_fresh_template_is_the_preamble_of_the_specification() -> None:
    document = create()
    preamble = '[Unicode]\r\nUnicode=yes\r\n[Version]\r\nsignature="$CHICAGO$"\r\nRevision=1\r\n'
    assert document.encode() == b"\xff\xfe" + preamble.encode("utf-16-le")
    document.set(dword("RequireSecuritySignature", 1))
    line = f"[Registry Values]\r\nMACHINE\\{SERVER}\\RequireSecuritySignature=4,1\r\n"
    assert document.encode().decode("utf-16") == preamble + line
    assert document.remove(SERVER, "RequireSecuritySignature")
    assert document.encode().decode("utf-16") == preamble


def test_what_a_template_can_not_carry_is_said() -> None:
    ansi = decode((SAMPLES / "template-ansi.inf").read_bytes(), "x")
    before = ansi.encode()
    notes = ansi.apply(
        [
            RegistryValue("K", "N", 11, encode_data(11, 1)),
            RegistryValue("K", "a\\b", 4, encode_data(4, 1)),
            RegistryValue("K", 'a"b', 4, encode_data(4, 1)),
            RegistryValue("K", "N", 1, encode_data(1, "two\nlines")),
            RegistryValue("K", "N", 1, encode_data(1, "日本")),
            RegistryValue("K", "N", 1, b"x\0"),
            RegistryValue("K", "N", 4, b"xx"),
            RegistryDeletion("K", "N"),
        ]
    )
    assert len(notes) == 8
    assert all("K" in note for note in notes)
    assert ansi.encode() == before


def test_a_deletion_leaves_not_defined() -> None:
    document = decode(template("MACHINE\\K\\N=4,1\nMACHINE\\K\\S\\M=4,1\nMACHINE\\L\\N=4,1"), "x")
    assert document.apply([RegistryDeletion("k", None, values_only=True)])
    assert [value.key for value in document.values] == ["K\\S", "L"]
    assert document.apply([RegistryDeletion("k", None)])
    assert [value.key for value in document.values] == ["L"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-16", exclude_categories=("Cs", "Cc"))), max_size=5)
)
def test_every_list_of_strings_survives(items: list[str]) -> None:
    value = RegistryValue(SYSTEM, "LegalNoticeText", 7, encode_data(7, list(items)))
    document = create()
    document.set(value)
    assert decode(document.encode(), "t.inf").values == [value]
