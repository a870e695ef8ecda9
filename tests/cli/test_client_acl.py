"""`paraph acl`: security descriptors in words, and changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paraph.cli.client_acl import (
    CHANGE,
    FULL,
    READ,
    changed,
    parse_grant,
    parse_who,
    rights,
    scope,
    who,
)
from paraph.errors import UserError
from paraph.wire.dtyp import Ace, AceFlags, AceType, RawAce, Sid, WellKnownSid
from tests.cli.client_tools import Cli, Served
from tests.client.samba import PASSWORD, Samba, start_samba

EVERYONE = WellKnownSid.EVERYONE
USERS = WellKnownSid.BUILTIN_USERS
ALLOW, DENY = AceType.ACCESS_ALLOWED, AceType.ACCESS_DENIED


@pytest.mark.parametrize(
    ("sid", "name"),
    [
        (EVERYONE, "Everyone"),
        (WellKnownSid.BUILTIN_ADMINISTRATORS, "Administrators"),
        (WellKnownSid.LOCAL_SYSTEM, "SYSTEM"),
        (WellKnownSid.AUTHENTICATED_USERS, "Authenticated users"),
        (Sid(22, (1, 1000)), "Unix user 1000"),
        (Sid(22, (2, 100)), "Unix group 100"),
        (Sid(5, (21, 1, 2, 3, 500)), "S-1-5-21-1-2-3-500"),
    ],
)
def test_who(sid: Sid, name: str) -> None:
    assert who(sid) == name
    assert parse_who(name) == sid
    assert parse_who(str(sid)) == sid
    assert parse_who(name.upper()) == sid


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (0x001F01FF, ["full"]),
        (0x10000000, ["full"]),
        (0x001200A9, ["read"]),
        (0x001301BF, ["change"]),
        (0x00000001, ["read data"]),
        (0x00010000, ["delete"]),
        (0x02000001, ["read data", "0x02000000"]),
        (0, ["nothing"]),
    ],
)
def test_rights(mask: int, words: list[str]) -> None:
    assert rights(mask) == words


def test_rights_that_make_no_difference_to_a_file() -> None:
    assert rights(FULL & ~0x40, folder=False) == ["full"]
    assert rights(FULL & ~0x40)[:2] == ["read data", "write data"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (0, "this"),
        (3, "this, folders and files below"),
        (AceFlags.INHERIT_ONLY | AceFlags.OBJECT_INHERIT, "files below"),
        (
            0x02 | AceFlags.NO_PROPAGATE_INHERIT,
            "this, folders directly in it",
        ),
        (AceFlags.INHERIT_ONLY, "nothing"),
    ],
)
def test_scope(flags: int, words: str) -> None:
    assert scope(flags) == words


def test_grants() -> None:
    assert parse_grant("Everyone:read") == (EVERYONE, READ)
    assert parse_grant("S-1-5-32-545:read,write")[1] == READ | 0x00120116
    assert parse_grant("users:0x1F01FF") == (USERS, FULL)
    for text, words in (
        ("Everyone", "is not WHO:RIGHTS"),
        ("Everyone:reed", "'reed' is no right"),
        ("anna:read", "names of accounts are not looked up"),
    ):
        with pytest.raises(UserError, match=words):
            parse_grant(text)


def test_the_canonical_order() -> None:
    inherited = Ace(DENY, AceFlags.INHERITED, FULL, USERS)
    own = Ace(ALLOW, 0, READ, EVERYONE)
    odd = RawAce(AceType.ACCESS_ALLOWED_OBJECT, 0, b"....")
    result = changed([own, odd, inherited], [(DENY, USERS, READ)], set(), folder=False)
    assert result == [Ace(DENY, 0, READ, USERS), own, odd, inherited]
    result = changed([own, odd, inherited], [(ALLOW, EVERYONE, CHANGE)], set(), folder=True)
    assert result == [Ace(ALLOW, 3, CHANGE, EVERYONE), odd, inherited]
    assert changed([own, odd, inherited], [], {EVERYONE, USERS}, folder=False) == [odd, inherited]


def test_show(served: Served, cli: Cli) -> None:
    served.write(a_txt="a")
    assert cli.ok("acl", served.url("a.txt")).lines == [
        served.url("a.txt"),
        "  Owner  Administrators",
        "  Group  Administrators",
        "  allow  Everyone: full (this)",
    ]
    (record,) = cli.ok("acl", "--json", served.url("a.txt")).records
    assert record == {
        "url": served.url("a.txt"),
        "owner": "S-1-5-32-544",
        "owner_name": "Administrators",
        "group": "S-1-5-32-544",
        "group_name": "Administrators",
        "protected": False,
        "access": [
            {
                "type": "allow",
                "sid": "S-1-1-0",
                "name": "Everyone",
                "rights": ["full"],
                "mask": 0x1F01BF,
                "applies_to": "this",
                "inherited": False,
            }
        ],
    }


def test_a_server_that_stores_none(served: Served, cli: Cli) -> None:
    served.write(a_txt="a")
    result = cli("acl", served.url("a.txt"), "--deny", "Everyone:write")
    assert (result.code, result.out) == (1, "")
    assert served.url("a.txt") in result.err
    assert "STATUS_" in result.err


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = start_samba(tmp_path_factory.mktemp("samba"))
    yield server
    server.stop()


def test_change(samba: Samba, cli: Cli) -> None:
    path = samba.folder / "a.txt"
    path.write_text("a")
    path.chmod(0o600)
    url = f"{samba.url()}/a.txt"
    result = cli("acl", "--json", url, "--allow", "Everyone:read", password=PASSWORD)
    assert (result.code, result.err) == (0, "")
    told, record = result.records
    assert told == {"action": "changed", "url": url}
    (everyone,) = [ace for ace in record["access"] if ace["name"] == "Everyone"]
    assert "read data" in everyone["rights"] or everyone["rights"] == ["read"]
    assert path.stat().st_mode & 0o007 == 0o004 | (path.stat().st_mode & 0o001)
