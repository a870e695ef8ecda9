"""Registry.pol: [MS-GPREG] 2.2.1, the special names of 3.2.5.1.2, and its bounds."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy.registry_pol import Instruction, RegistryPol, create, decode
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryValue, encode_data

SAMPLES = Path(__file__).parent / "samples"
HEADER = b"PReg\1\0\0\0"
BLANK = encode_data(1, " ")


def instruction(key: str, value: str, type_: int, data: bytes, size: int | None = None) -> bytes:
    parts = (
        (key + "\0").encode("utf-16-le"),
        (value + "\0").encode("utf-16-le"),
        pack("<I", type_),
        pack("<I", len(data) if size is None else size),
        data,
    )
    return b"[\0" + b";\0".join(parts) + b"]\0"


def pol(*instructions: bytes) -> RegistryPol:
    return decode(HEADER + b"".join(instructions), "x.pol")


def dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, 4, encode_data(4, number))


def test_the_example_of_the_specification() -> None:
    """[MS-GPREG] 4.1."""
    key = r"Software\Policies\Microsoft\Windows\System"
    data = (SAMPLES / "Registry-example.pol").read_bytes()
    assert decode(data, "x").changes() == [
        dword(key, "LocalProfile", 1),
        dword(key, "GroupPolicyMinTransferRate", 0),
    ]


@pytest.mark.parametrize(
    ("name", "type_", "data", "changes"),
    [
        ("**DeleteValues", 1, encode_data(1, "A;B;"), [("K", "A", False), ("K", "B", False)]),
        ("**deletevalues", 1, encode_data(1, ""), []),
        ("**Del.X", 1, BLANK, [("K", "X", False)]),
        ("**DEL.x;y", 1, BLANK, [("K", "x;y", False)]),
        ("**del.", 1, BLANK, [("K", "", False)]),
        ("**delvals.", 1, BLANK, [("K", None, True)]),
        ("**DelVals", 1, BLANK, [("K", None, True)]),
        ("**DeleteKeys", 1, encode_data(1, "S;T"), [("K\\S", None, False), ("K\\T", None, False)]),
        ("**SecureKey", 4, encode_data(4, 1), []),
        ("**soft.X", 4, encode_data(4, 1), []),
    ],
)
def test_special_names(
    name: str, type_: int, data: bytes, changes: list[tuple[str, str | None, bool]]
) -> None:
    found = pol(instruction("K", name, type_, data)).changes()
    assert found == [RegistryDeletion(*each) for each in changes]


def test_another_name_with_stars_is_a_plain_value() -> None:
    value = RegistryValue("K", "**Other", 1, encode_data(1, "x"))
    assert pol(instruction("K", "**Other", 1, value.data)).changes() == [value]


def test_soft_sets_only_what_is_absent() -> None:
    soft = instruction("K", "**soft.X", 4, encode_data(4, 1))
    value = dword("K", "X", 1)
    assert pol(soft).changes(lambda key, name: False) == [value]
    assert pol(soft).changes(lambda key, name: True) == []
    gone = instruction("K", "**delvals.", 1, BLANK)
    assert pol(gone, soft).changes(lambda key, name: True)[1:] == [value]
    there = instruction("k", "x", 4, encode_data(4, 0))
    assert len(pol(there, soft).changes(lambda key, name: False)) == 1
    assert any("**soft." in note for note in pol(soft).notes())


def test_order_decides() -> None:
    one, zero = (instruction("K", "X", 4, encode_data(4, each)) for each in (1, 0))
    assert pol(one, zero).get("k", "x") == dword("K", "X", 0)
    assert pol(zero, one).get("K", "X") == dword("K", "X", 1)
    assert pol(one, instruction("K", "**del.X", 1, BLANK)).get("K", "X") is None
    assert pol(instruction("K", "**del.X", 1, BLANK), one).get("K", "X") is not None
    assert pol(one, instruction("A", "**DeleteKeys", 1, encode_data(1, "K"))).get("K", "X")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        (b"PReg\1\0\0", "7 bytes"),
        (b"PRag\1\0\0\0", "byte 0: the signature"),
        (b"\xff\xfe" + HEADER, "byte 0: the signature"),
        (b"PReg\2\0\0\0", "byte 4: the version is 2"),
        (HEADER + b"x", r"byte 8: '\[' is missing"),
        (HEADER + b"[\0", "byte 10: the key has no end"),
        (HEADER + instruction("K", "N", 4, b"1234")[:-1], r"'\]' is missing"),
        (HEADER + instruction("K", "N", 4, b"1234")[:-2] + b"}\0", r"'\]' is missing"),
        (HEADER + instruction("K", "N", 4, b"1234", 5), "is missing|do not fit"),
        (HEADER + instruction("K", "N", 3, b"1234", 400), "byte 28: 400 bytes of data do not fit"),
        (HEADER + instruction("K", "N", 3, b"", 0xFFFFFFFF), "above 65535"),
        (HEADER + instruction("K", "N", 3, bytes(65536)), "above 65535"),
        (HEADER + instruction("K", "N", 4, b"123"), "byte 8: 3 bytes are no REG_DWORD"),
        (HEADER + instruction("K", "N", 11, b"123"), "no REG_QWORD"),
        (HEADER + instruction("K", "N", 1, b"123"), "no REG_SZ"),
        (HEADER + instruction("K", "N", 6, b""), "type 6 is not allowed"),
        (HEADER + instruction("K", "N", 0, b""), "type 0 is not allowed"),
        (HEADER + instruction("", "N", 4, b"1234"), "the key is empty"),
        (HEADER + instruction("K\n", "N", 4, b"1234"), "control characters"),
        (HEADER + instruction("K", "N\n", 4, b"1234"), "control characters"),
        (HEADER + instruction("HKLM\\K", "N", 4, b"1234"), "begins with a hive"),
        (HEADER + instruction("K", "**del.N", 4, b"1234"), "is no REG_SZ"),
        (HEADER + instruction("K", "**SecureKey", 1, BLANK), "is no REG_DWORD"),
        (HEADER + instruction("K", "N" * 260, 4, b"1234"), "the value name has no end within 259"),
        (HEADER + b"[\0\0\xd8\0\0;\0", "the key is no UTF-16"),
        (HEADER + b"[\0K\0\0\0;\0N\0\0\0;\0\4\0", "ends inside a number"),
    ],
)
def test_damage_is_named_with_its_offset(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^bad.pol.*(?:{message})"):
        decode(data, "bad.pol")


def test_the_bounds_themselves_are_allowed() -> None:
    value = RegistryValue("K", "N" * 259, 3, bytes(65535))
    document = create()
    document.set(value)
    assert decode(document.encode(), "x").changes() == [value]
    for bad in (
        RegistryValue("K", "N" * 260, 3, b""),
        RegistryValue("K", "N", 3, bytes(65536)),
        RegistryValue("K", "N", 200, b""),
        RegistryValue("", "N", 4, b"1234"),
        RegistryValue("K", "\ud800", 4, b"1234"),
        RegistryValue("K", "**del.X", 1, BLANK),
        RegistryValue("K", "", 0, b""),
    ):
        with pytest.raises(UserError, match=r"Registry\.pol"):
            document.set(bad)
    assert document.changes() == [value]


def test_setting_and_deleting_keep_the_order_that_matters() -> None:
    document = pol(
        instruction("K", "X", 4, encode_data(4, 1)),
        instruction("K", "Y", 4, encode_data(4, 1)),
        instruction("K", "**delvals.", 1, BLANK),
    )
    document.set(dword("K", "X", 5))  # in place, it would be deleted again
    assert [each.value for each in document.instructions] == ["Y", "**delvals.", "X"]
    document.set(dword("k", "x", 6))
    assert document.instructions[-1] == Instruction("K", "X", 4, encode_data(4, 6))
    document.delete("K", "X")
    assert document.instructions[-1].value == "**del.X"
    assert document.remove("K", "x")
    assert not document.remove("K", "X")
    assert [each.value for each in document.instructions] == ["Y", "**delvals."]


def test_deletions_are_written_as_instructions() -> None:
    document = create()
    changes: list[Change] = [
        RegistryDeletion("K", "N"),
        RegistryDeletion("K", None, values_only=True),
        RegistryDeletion("K\\S", None),
    ]
    assert document.apply(changes) == []
    assert decode(document.encode(), "x").changes() == changes
    assert [each.value for each in document.instructions] == [
        "**del.N",
        "**delvals.",
        "**DeleteKeys",
    ]
    assert document.apply([RegistryDeletion("K", None), RegistryDeletion("K\\a;b", None)]) == [
        "Registry.pol can not delete the key K.",
        "Registry.pol can not delete the key K\\a;b.",
    ]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_arbitrary_instructions_are_a_user_error_or_survive(body: bytes) -> None:
    try:
        document = decode(HEADER + body, "fuzz")
    except UserError:
        return
    assert document.encode() == HEADER + body
