"""SIDs, ACLs, security descriptors and GUIDs against bytes built from [MS-DTYP] 2.3.4 and 2.4."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError, UserError
from paraph.wire.dtyp import (
    Ace,
    AceFlags,
    AceType,
    Acl,
    Control,
    RawAce,
    SecurityDescriptor,
    SecurityInformation,
    Sid,
    WellKnownSid,
    guid_from_text,
    guid_to_text,
)

ADMINISTRATORS = "01020000000000052000000020020000"
EVERYONE = "010100000000000100000000"
SYSTEM = "010100000000000512000000"


def view(text: str) -> memoryview:
    return memoryview(bytes.fromhex(text))


SIDS = [
    ("S-1-5-32-544", ADMINISTRATORS),
    ("S-1-1-0", EVERYONE),
    ("S-1-5", "0100000000000005"),
    (
        "S-1-5-21-1-2-4294967295-1013",
        "0105000000000005150000000100000002000000fffffffff5030000",
    ),
    ("S-1-4294967295-7", "01010000ffffffff07000000"),
    ("S-1-0x123456789ABC-7", "0101123456789abc07000000"),
    ("S-1-5" + "-1" * 15, "010f000000000005" + "01000000" * 15),
]


@pytest.mark.parametrize(("text", "encoded"), SIDS)
def test_sid(text: str, encoded: str) -> None:
    sid = Sid.parse(text)
    assert str(sid) == text
    assert sid.encode() == bytes.fromhex(encoded)
    assert sid.size == len(encoded) // 2
    assert Sid.decode(view(encoded)) == sid
    assert Sid.decode(view(encoded + "ffff")) == sid


@pytest.mark.parametrize(("text", "encoded"), SIDS)
def test_sid_truncated(text: str, encoded: str) -> None:
    data = view(encoded)
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            Sid.decode(data[:length])


@pytest.mark.parametrize("encoded", ["02" + EVERYONE[2:], "0110000000000005" + "01000000" * 16])
def test_sid_refused(encoded: str) -> None:
    with pytest.raises(DecodeError):
        Sid.decode(view(encoded))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S-1",
        "S-2-5-1",
        "S-1-5-",
        "S-1-5-4294967296",
        "S-1-5--1",
        "S-1-5-32-544 ",
        "S-1-5-\u0663",
        "S-1-0x1234567890ABC-1",
        "S-1-5" + "-1" * 16,
    ],
)
def test_sid_text_refused(text: str) -> None:
    with pytest.raises(UserError):
        Sid.parse(text)


def test_sid_parts() -> None:
    assert Sid.parse("s-1-5-21-1-2-3").child(500) == Sid(5, (21, 1, 2, 3, 500))
    assert WellKnownSid.BUILTIN_ADMINISTRATORS.rid == 544
    assert Sid(5).rid == 0
    assert {WellKnownSid.EVERYONE: 1}[Sid.parse("S-1-1-0")] == 1


ALLOWED = "00031400" + "ff011f00" + EVERYONE
DENIED = "01081800" + "00000100" + ADMINISTRATORS
AUDIT = "02c01400" + "01000000" + SYSTEM
LABEL = "11001400" + "01000000" + "010100000000001000200000"
CALLBACK = "09001c00" + "01000000" + EVERYONE + "61727478" + "01000000"
OBJECT = "05001800" + "01000000" + "00000000" + EVERYONE
UNKNOWN = "fe000400"

ACES: list[tuple[str, Ace | RawAce]] = [
    (
        ALLOWED,
        Ace(
            AceType.ACCESS_ALLOWED,
            AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT,
            0x1F01FF,
            WellKnownSid.EVERYONE,
        ),
    ),
    (
        DENIED,
        Ace(
            AceType.ACCESS_DENIED,
            AceFlags.INHERIT_ONLY,
            0x10000,
            WellKnownSid.BUILTIN_ADMINISTRATORS,
        ),
    ),
    (
        AUDIT,
        Ace(
            AceType.SYSTEM_AUDIT,
            AceFlags.SUCCESSFUL_ACCESS | AceFlags.FAILED_ACCESS,
            1,
            WellKnownSid.LOCAL_SYSTEM,
        ),
    ),
    (LABEL, Ace(AceType.SYSTEM_MANDATORY_LABEL, 0, 1, WellKnownSid.ML_MEDIUM)),
    (
        CALLBACK,
        Ace(AceType.ACCESS_ALLOWED_CALLBACK, 0, 1, WellKnownSid.EVERYONE, b"artx" + b"\1\0\0\0"),
    ),
    (OBJECT, RawAce(AceType.ACCESS_ALLOWED_OBJECT, 0, bytes.fromhex(OBJECT)[4:])),
    (UNKNOWN, RawAce(0xFE, 0, b"")),
]


def acl_bytes(*aces: str, revision: int = 2, slack: str = "") -> str:
    body = "".join(aces) + slack
    size = (8 + len(body) // 2).to_bytes(2, "little")
    return (bytes([revision, 0]) + size + len(aces).to_bytes(2, "little") + b"\0\0").hex() + body


@pytest.mark.parametrize(("encoded", "ace"), ACES)
def test_acl_of_one(encoded: str, ace: Ace | RawAce) -> None:
    acl = Acl([ace])
    data = acl_bytes(encoded)
    assert acl.encode().hex() == data
    assert Acl.decode(view(data)) == acl


@pytest.mark.parametrize("revision", [2, 4])
def test_acl(revision: int) -> None:
    data = acl_bytes(*(encoded for encoded, _ in ACES), revision=revision)
    acl = Acl.decode(view(data + "99"))
    assert acl == Acl([ace for _, ace in ACES], revision)
    assert acl.encode().hex() == data
    for length in range(len(data) // 2):
        with pytest.raises(DecodeError):
            Acl.decode(view(data)[:length])


def test_acl_with_slack() -> None:
    assert Acl.decode(view(acl_bytes(ALLOWED, slack="abcdef01"))) == Acl([ACES[0][1]])


@pytest.mark.parametrize(
    "data",
    [
        acl_bytes(ALLOWED, revision=1),
        acl_bytes(ALLOWED, revision=3),
        "0200070000000000",  # AclSize below the header
        "0200080001000000" + ALLOWED,  # one ACE, no room in AclSize
        "0200080001000000",
        "02001c00ffff0000" + ALLOWED,  # AceCount beyond AclSize
        acl_bytes("00000000"),  # AceSize 0
        acl_bytes("fe000300"),
        acl_bytes("fe000600" + "0000", "0000"),  # no multiple of 4
        acl_bytes("00000800" + "00000000"),  # no SID
        acl_bytes("00001000" + "00000000" + "0102000000000005"),  # SID beyond AceSize
        acl_bytes("fe001800"),  # AceSize beyond AclSize
    ],
)
def test_acl_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        Acl.decode(view(data))


DACL = acl_bytes(ALLOWED, DENIED)
SACL = acl_bytes(AUDIT, LABEL)
# Revision, Sbz1, Control SR|SP|DP|DI|PD, owner at 20, group at 36, SACL at 48, DACL at 96
WHOLE = "01001494" + "14000000" + "24000000" + "30000000" + "60000000"
WHOLE += ADMINISTRATORS + SYSTEM + SACL + DACL


def whole() -> SecurityDescriptor:
    return SecurityDescriptor(
        owner=WellKnownSid.BUILTIN_ADMINISTRATORS,
        group=WellKnownSid.LOCAL_SYSTEM,
        dacl=Acl([ACES[0][1], ACES[1][1]]),
        sacl=Acl([ACES[2][1], ACES[3][1]]),
        control=Control.SELF_RELATIVE
        | Control.DACL_PRESENT
        | Control.SACL_PRESENT
        | Control.DACL_AUTO_INHERITED
        | Control.DACL_PROTECTED,
    )


def test_descriptor() -> None:
    assert SecurityDescriptor.decode(view(WHOLE)) == whole()
    assert whole().encode().hex() == WHOLE
    for length in range(len(WHOLE) // 2):
        with pytest.raises(DecodeError):
            SecurityDescriptor.decode(view(WHOLE)[:length])


INFO = SecurityInformation


@pytest.mark.parametrize(
    ("information", "encoded"),
    [
        (0, "01000080" + "00" * 16),
        (INFO.OWNER, "01000080" + "14000000" + "00" * 12 + ADMINISTRATORS),
        (INFO.GROUP, "01000080" + "00000000" + "14000000" + "00" * 8 + SYSTEM),
        (INFO.DACL, "01000494" + "00" * 12 + "14000000" + DACL),
        (INFO.SACL, "01001080" + "00" * 8 + "14000000" + "00" * 4 + acl_bytes(AUDIT)),
        (INFO.LABEL, "01001080" + "00" * 8 + "14000000" + "00" * 4 + acl_bytes(LABEL)),
        (INFO.ATTRIBUTE, "01001080" + "00" * 8 + "14000000" + "00" * 4 + acl_bytes()),
        (INFO.SACL | INFO.LABEL, "01001080" + "00" * 8 + "14000000" + "00" * 4 + SACL),
        (INFO.PROTECTED_DACL | INFO.BACKUP, "01000080" + "00" * 16),
    ],
)
def test_descriptor_parts(information: int, encoded: str) -> None:
    assert whole().encode(information).hex() == encoded


def test_null_and_empty_dacl() -> None:
    null = SecurityDescriptor(control=Control.SELF_RELATIVE | Control.DACL_PRESENT)
    assert null.encode().hex() == "01000480" + "00" * 16
    assert SecurityDescriptor.decode(view("01000480" + "00" * 16)) == null
    empty = SecurityDescriptor(dacl=Acl(), control=Control.SELF_RELATIVE | Control.DACL_PRESENT)
    assert empty.encode().hex() == "01000480" + "00" * 12 + "14000000" + "0200080000000000"
    assert SecurityDescriptor.decode(memoryview(empty.encode())) == empty


def test_acl_without_its_present_bit_is_none() -> None:
    data = "01000080" + "00" * 8 + "ffffffff" + "ffffffff"
    assert SecurityDescriptor.decode(view(data)) == SecurityDescriptor()
    assert SecurityDescriptor(dacl=Acl(), sacl=Acl()).encode().hex() == "01000080" + "00" * 16


def test_parts_in_any_order() -> None:
    data = "01000480" + "34000000" + "34000000" + "00000000" + "14000000"
    data += "0200200001000000" + DENIED + ADMINISTRATORS
    assert SecurityDescriptor.decode(view(data)) == SecurityDescriptor(
        owner=WellKnownSid.BUILTIN_ADMINISTRATORS,
        group=WellKnownSid.BUILTIN_ADMINISTRATORS,
        dacl=Acl([ACES[1][1]]),
        control=Control.SELF_RELATIVE | Control.DACL_PRESENT,
    )


def test_resource_manager_control() -> None:
    data = "015500c0" + "00" * 16
    descriptor = SecurityDescriptor.decode(view(data))
    assert descriptor.sbz1 == 0x55
    assert descriptor.encode().hex() == data
    descriptor.control = Control.SELF_RELATIVE
    assert descriptor.encode().hex() == "01000080" + "00" * 16


@pytest.mark.parametrize(
    "data",
    [
        "02000080" + "00" * 16,  # revision
        "01000000" + "00" * 16,  # absolute
        "01000080" + "13000000" + "00" * 12 + EVERYONE,  # within the header
        "01000080" + "20000000" + "00" * 12 + EVERYONE,  # at the end
        "01000080" + "ffffffff" + "00" * 12 + EVERYONE,
        "01000080" + "14000000" + "00" * 12 + "0102" + EVERYONE[4:],  # SID cut off
        "01000480" + "00" * 12 + "1c000000" + EVERYONE,
        "01001080" + "00" * 8 + "14000000" + "00" * 4 + "0200090000000000",
    ],
)
def test_descriptor_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        SecurityDescriptor.decode(view(data))


def test_guid() -> None:
    text = "00112233-4455-6677-8899-aabbccddeeff"
    data = bytes.fromhex("33221100554477668899aabbccddeeff")
    assert guid_from_text(text) == data
    assert guid_from_text("{" + text.upper() + "}") == data
    assert guid_to_text(data) == text
    assert guid_to_text(memoryview(data)) == text
    with pytest.raises(DecodeError):
        guid_to_text(data[:15])
    with pytest.raises(UserError):
        guid_from_text(text[:-1])


@pytest.mark.parametrize("decode", [Sid.decode, Acl.decode, SecurityDescriptor.decode])
@settings(deadline=None, max_examples=100)
@given(data=st.binary(max_size=96))
def test_any_bytes(decode: Callable[[memoryview], object], data: bytes) -> None:
    try:
        decode(memoryview(data))
    except DecodeError:
        pass


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damaged_descriptor(draw: st.DataObject) -> None:
    data = bytearray.fromhex(WHOLE)
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        descriptor = SecurityDescriptor.decode(memoryview(data))
    except DecodeError:
        return
    again = descriptor.encode()
    assert SecurityDescriptor.decode(memoryview(again)).encode() == again


sids = st.builds(
    Sid,
    st.integers(0, 2**48 - 1),
    st.lists(st.integers(0, 2**32 - 1), max_size=15).map(tuple),
)
padded = st.binary(max_size=12).map(lambda data: data + bytes(-len(data) % 4))
aces = st.one_of(
    st.builds(
        Ace,
        st.sampled_from([0, 1, 2, 9, 10, 13, 17, 18, 19]),
        st.integers(0, 255),
        st.integers(0, 2**32 - 1),
        sids,
        padded,
    ),
    st.builds(RawAce, st.sampled_from([3, 5, 6, 20, 255]), st.integers(0, 255), padded),
)
acls = st.builds(Acl, st.lists(aces, max_size=4), st.sampled_from([2, 4]))


@settings(deadline=None, max_examples=100)
@given(owner=st.none() | sids, group=st.none() | sids, dacl=acls, sacl=acls)
def test_round_trip(owner: Sid | None, group: Sid | None, dacl: Acl, sacl: Acl) -> None:
    descriptor = SecurityDescriptor(owner, group, dacl, sacl, control=0x8014)
    everything = SecurityDescriptor.decode(memoryview(descriptor.encode()))
    assert everything == descriptor
    if owner is not None:
        assert Sid.parse(str(owner)) == owner
