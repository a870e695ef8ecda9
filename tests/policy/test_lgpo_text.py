"""LGPO text: records, actions, comments that stay, and lines that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from paraph.errors import UserError
from paraph.policy.lgpo_text import create, decode
from paraph.policy.registry_value import RegistryDeletion, RegistryValue, encode_data

SAMPLES = Path(__file__).parent / "samples"


def record(action: str, name: str = "N", key: str = "K", who: str = "Computer") -> bytes:
    return f"{who}\r\n{key}\r\n{name}\r\n{action}\r\n".encode()


@pytest.mark.parametrize(
    ("action", "type_", "meaning"),
    [
        ("DWORD:1", 4, 1),
        ("dword: 0xFF", 4, 255),
        ("QWORD:18446744073709551615", 11, (1 << 64) - 1),
        ("SZ:text", 1, "text"),
        ("SZ:", 1, ""),
        ("SZ: a:b ", 1, " a:b "),
        ("EXSZ:%x%", 2, "%x%"),
        ("MULTISZ:", 7, []),
        (r"MULTISZ:a\0b", 7, ["a", "b"]),
        (r"MULTISZ:a\0b\0", 7, ["a", "b"]),
        ("BINARY:", 3, b""),
        ("BINARY:00,01 fF", 3, b"\0\1\xff"),
    ],
)
def test_values(action: str, type_: int, meaning: object) -> None:
    (change,) = decode(record(action), "x").changes()
    assert isinstance(change, RegistryValue)
    assert (change.key, change.name, change.type) == ("K", "N", type_)
    assert change.meaning() == meaning
    fresh = create()
    fresh.set(change)
    assert decode(fresh.encode(), "x").changes() == [change]


def test_other_actions() -> None:
    assert decode(record("DELETE"), "x").changes() == [RegistryDeletion("K", "N")]
    found = decode(record("DELETEALLVALUES", "*"), "x").changes()
    assert found == [RegistryDeletion("K", None, values_only=True)]
    assert decode(record("CREATEKEY", "*"), "x").changes() == []
    cleared = decode(record("CLEAR", "*"), "x")
    assert cleared.changes() == []
    assert "Not Defined" in cleared.notes()[0]


def test_records_of_users_are_kept_and_are_no_changes() -> None:
    for who in ("User", "user", "User:Administrators", "User:Non-Administrators", "User:anna"):
        document = decode(record("DWORD:1", who=who), "x")
        assert document.changes() == []
        assert "1 records are for users" in document.notes()[0]
        document.set(RegistryValue("K", "N", 4, encode_data(4, 2)))
        assert document.encode().startswith(record("DWORD:1", who=who))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"; only a comment\r\n", "no record"),
        (b"Machine\r\nK\r\nN\r\nDWORD:1\r\n", "line 1: 'Machine' is neither"),
        (b"Computer\r\n", "line 1: the record is cut short"),
        (b"Computer\r\nK\r\nN\r\n", "line 1: the record is cut short"),
        (b"\r\nComputer\r\n\r\nK\r\nN\r\nDWORD:1\r\n", "line 2: the record is cut short"),
        (record("DWORD:1")[:-2], "line 4: the last line has no line end"),
        (record("DWORD:"), "line 4: '' is no number"),
        (record("DWORD:x"), "line 4: 'x' is no number"),
        (record("DWORD:4294967296"), "line 4: .* does not fit into 32 bits"),
        (record("DWORD:-1"), "line 4"),
        (record("BINARY:0"), "line 4: .* hexadecimal"),
        (record("NONE:1"), "line 4: .* no action"),
        (record("DELETE:x"), "line 4: .* no action"),
        (record("DELETE", "*"), "line 4: DELETE deletes one value"),
        (record("DELETEALLVALUES"), "line 4: DELETEALLVALUES is for a whole key"),
        (record("DWORD:1", "*"), "line 4: a value can not be named"),
        (record("DWORD:1", key="HKLM\\K"), "line 2: .* without its hive"),
        (record("SZ:a\x07"), "line 4: the control character 0x07"),
        (record("DWORD:1") + b"x\r\n", "line 5: 'x' is neither"),
    ],
)
def test_damage_is_named_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^bad.txt.*{message}"):
        decode(data, "bad.txt")


def test_comments_stay_when_values_change() -> None:
    data = (SAMPLES / "lgpo.txt").read_bytes()
    document = decode(data, "x")
    key = r"software\policies\microsoft\windows\lanmanworkstation"
    document.set(RegistryValue(key, "BlockNTLMServerExceptionList", 7, encode_data(7, ["nas9"])))
    document.set(RegistryValue(key, "AllowInsecureGuestAuth", 4, encode_data(4, 0)))
    wanted = data.replace(b"MULTISZ:nas1\\0nas2", b"MULTISZ:nas9")
    wanted = wanted.replace(
        b"AllowInsecureGuestAuth\r\nDELETE", b"AllowInsecureGuestAuth\r\nDWORD:0"
    )
    assert document.encode() == wanted
    document.delete(key, "AllowInsecureGuestAuth")
    assert document.remove(key, "blockntlmserverexceptionlist")
    assert b"; who may be an exception" not in document.encode()
    document.set(RegistryValue("New", "N", 1, encode_data(1, "x")))
    tail = b"\r\n\r\nComputer\r\nNew\r\nN\r\nSZ:x\r\n\r\n; PARSING COMPLETED.\r\n"
    assert tail in document.encode()


def test_a_value_that_would_be_deleted_again_moves_to_the_end() -> None:
    document = decode(record("DWORD:1") + record("DELETEALLVALUES", "*"), "x")
    assert document.get("K", "N") is None
    document.set(RegistryValue("K", "N", 4, encode_data(4, 1)))
    assert document.get("K", "N") is not None


def test_a_new_text_is_ascii_or_utf16() -> None:
    document = create()
    document.set(RegistryValue("K", "N", 1, encode_data(1, "plain")))
    assert document.encode() == record("SZ:plain") + b"\r\n"
    document.set(RegistryValue("K", "N", 1, encode_data(1, "größer")))
    assert document.encode().startswith(b"\xff\xfe")
    assert decode(document.encode(), "x").changes() == document.changes()


@pytest.mark.parametrize(
    "value",
    [
        RegistryValue("K", "*", 4, encode_data(4, 1)),
        RegistryValue("K", ";N", 4, encode_data(4, 1)),
        RegistryValue("K", " N", 4, encode_data(4, 1)),
        RegistryValue("K", "N", 5, b"1234"),
        RegistryValue("K", "N", 1, encode_data(1, "a\r\nb")),
        RegistryValue("K", "N", 7, encode_data(7, ["a\\0b"])),
        RegistryValue("HKLM\\K", "N", 4, encode_data(4, 1)),
    ],
)
def test_what_the_text_can_not_carry_is_said(value: RegistryValue) -> None:
    document = create()
    (note,) = document.apply([value])
    assert "LGPO text can not carry" in note
    assert document.records == []
