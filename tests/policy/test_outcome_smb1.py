"""The tables of SMB1: [MS-CIFS] 3.2.4.2.4, [MS-SMB] 3.2.4.2.4, in both readings."""

from __future__ import annotations

import itertools

import pytest

from paraph.policy.outcome import NT1, outcome
from paraph.policy.outcome_smb1 import level
from paraph.policy.sides import Generation, IdentityName, Reading, Side

OLD: list[Generation] = ["2000", "nt4", "9x"]
OLD_TABLE = {
    ("Disabled", "Disabled"): "unsigned",
    ("Disabled", "Enabled"): "unsigned",
    ("Disabled", "Required"): "refused",
    ("Enabled", "Disabled"): "unsigned",
    ("Enabled", "Enabled"): "signed",
    ("Enabled", "Required"): "signed",
    ("Required", "Disabled"): "refused",
    ("Required", "Enabled"): "signed",
    ("Required", "Required"): "signed",
}
FLAGS = {"Disabled": (False, False), "Enabled": (False, True), "Required": (True, True)}

NEW_LEVELS = {
    "Disabled (2000)": Side(False, False, "2000"),
    "Declined": Side(False, False),
    "Enabled": Side(False, True),
    "Required": Side(True, True),
    "Required alone": Side(True, False),
}
NEW_TABLE = {
    "Disabled (2000)": ("unsigned", "unsigned", "unsigned", "refused"),
    "Declined": ("unsigned", "unsigned", "unsigned", "signed"),
    "Enabled": ("unsigned", "unsigned", "signed", "signed"),
    "Required": ("refused", "signed", "signed", "signed"),
}
NEW_CELLS = [
    (client, server, text)
    for client, row in NEW_TABLE.items()
    for server, text in zip(NEW_TABLE, row, strict=True)
]
DISPUTED = {("Declined", "Required"), ("Required", "Declined")}


@pytest.mark.parametrize("server_generation", ["2000", "nt4"])
@pytest.mark.parametrize("client_generation", OLD)
@pytest.mark.parametrize(("client", "server"), list(OLD_TABLE))
def test_three_levels(
    client: str, server: str, client_generation: Generation, server_generation: Generation
) -> None:
    ours = Side(*FLAGS[client], client_generation)
    theirs = Side(*FLAGS[server], server_generation, w9x_signing=True)
    result = outcome(ours, theirs, NT1, "user")
    assert result.result == OLD_TABLE[client, server]
    assert result.session_signing_required is result.signed
    assert result.algorithm == ("MD5" if result.signed else "")
    assert result.other is None  # nobody disputes these


@pytest.mark.parametrize(("client", "server", "expected"), NEW_CELLS)
def test_four_levels_reading_a(client: str, server: str, expected: str) -> None:
    result = outcome(NEW_LEVELS[client], NEW_LEVELS[server], NT1, "user")
    assert result.result == expected
    assert result.section.startswith("[MS-SMB] 3.2.4.2.4")
    if (client, server) in DISPUTED:
        assert result.other is not None
        assert result.other.result == "refused"
    else:
        assert result.other is None


@pytest.mark.parametrize(("client", "server", "expected"), NEW_CELLS)
def test_four_levels_reading_b(client: str, server: str, expected: str) -> None:
    """As the help text has it: off does not sign, as in Windows 2000."""
    disputed = (client, server) in DISPUTED
    result = outcome(NEW_LEVELS[client], NEW_LEVELS[server], NT1, "user", reading="B")
    assert result.result == ("refused" if disputed else expected)
    if disputed:
        assert result.other is not None
        assert result.other.result == "signed"
    else:
        assert result.other is None


def test_how_refusals_look() -> None:
    """KB887429."""
    off, on = Side(False, False, "2000"), Side(True, True, "2000")
    client_requires = outcome(on, off, NT1, "user")
    assert client_requires.refused_by == "client"
    assert client_requires.fails_at.startswith("NEGOTIATE")
    assert "1240" in client_requires.looks_like
    server_requires = outcome(off, on, NT1, "user")
    assert server_requires.refused_by == "server"
    assert server_requires.fails_at.startswith("TREE_CONNECT_ANDX")
    assert "STATUS_ACCESS_DENIED" in server_requires.looks_like


@pytest.mark.parametrize(
    ("generation", "required", "enabled", "expected_a", "expected_b"),
    [
        ("2000", True, False, "Disabled", "Disabled"),
        ("2000", True, True, "Required", "Required"),
        ("2000", False, True, "Enabled", "Enabled"),
        ("2000", False, False, "Disabled", "Disabled"),
        ("nt4", True, False, "Disabled", "Disabled"),
        ("nt4", False, False, "Disabled", "Disabled"),
        ("9x", True, False, "Disabled", "Disabled"),
        ("9x", False, True, "Enabled", "Enabled"),
        ("xp", True, False, "Required", "Required"),
        ("xp", True, True, "Required", "Required"),
        ("xp", False, True, "Enabled", "Enabled"),
        ("xp", False, False, "Declined", "Disabled"),
        ("samba", True, False, "Required", "Required"),
        ("samba", False, False, "Disabled", "Disabled"),
    ],
)
def test_levels(
    generation: Generation, required: bool, enabled: bool, expected_a: str, expected_b: str
) -> None:
    side = Side(required, enabled, generation)
    assert level(side, "A") == expected_a
    assert level(side, "B") == expected_b


@pytest.mark.parametrize("generation", OLD)
def test_always_alone_has_no_effect_before_xp(generation: Generation) -> None:
    """The Windows 2000 rule: not even the other end's wish is met."""
    alone = Side(True, False, generation)
    for server in (Side(False, True, "2000"), Side(False, False, "2000")):
        result = outcome(alone, server, NT1, "user")
        assert result.result == "unsigned"
        assert any("has no effect" in note for note in result.notes)
    assert outcome(alone, Side(True, True, "2000"), NT1, "user").result == "refused"
    if generation != "9x":
        assert outcome(Side(False, True, "2000"), alone, NT1, "user").result == "unsigned"
        assert outcome(Side(True, True, "2000"), alone, NT1, "user").result == "refused"


@pytest.mark.parametrize("reading", ["A", "B"])
def test_always_alone_is_enough_since_xp(reading: Reading) -> None:
    alone = NEW_LEVELS["Required alone"]
    for other in ("Enabled", "Required", "Required alone"):
        for client, server in ((alone, NEW_LEVELS[other]), (NEW_LEVELS[other], alone)):
            result = outcome(client, server, NT1, "user", reading=reading)
            assert result.result == "signed"
            assert any("is enough by itself" in note for note in result.notes)


@pytest.mark.parametrize("generation", OLD)
def test_an_old_client_can_not_ask_a_declined_server(generation: Generation) -> None:
    """Only Windows XP and later set Flags2 0x0010 ([MS-SMB] <22>), on which 'Declined' hangs."""
    declined = Side(False, False, "xp", w9x_signing=True)
    result = outcome(Side(True, True, generation), declined, NT1, "user")
    assert (result.result, result.refused_by) == ("refused", "client")
    assert "1240" in result.looks_like
    # The other way round nothing hangs on it: the server offers, the client decides.
    declined_client = Side(False, False, "xp")
    assert outcome(declined_client, Side(True, True, "2000"), NT1, "user").result == "signed"


W9X_TABLE = [
    # client, server, EnableW9xSecuritySignature, what happens
    ("Disabled", "Disabled", False, "unsigned"),
    ("Disabled", "Enabled", False, "unsigned"),
    ("Disabled", "Required", False, "refused"),
    ("Enabled", "Disabled", False, "unsigned"),
    ("Enabled", "Enabled", False, "unsigned"),
    ("Enabled", "Required", False, "refused"),
    ("Required", "Disabled", False, "refused"),
    ("Required", "Enabled", False, "refused"),
    ("Required", "Required", False, "refused"),
    ("Enabled", "Enabled", True, "signed"),
    ("Enabled", "Required", True, "signed"),
    ("Required", "Enabled", True, "signed"),
    ("Required", "Required", True, "signed"),
    ("Disabled", "Required", True, "refused"),
    ("Required", "Disabled", True, "refused"),
]


@pytest.mark.parametrize("generation", ["nt4", "9x"])
@pytest.mark.parametrize("server_generation", ["2000", "xp"])
@pytest.mark.parametrize(("client", "server", "flag", "expected"), W9X_TABLE)
def test_enable_w9x(
    client: str,
    server: str,
    flag: bool,
    expected: str,
    generation: Generation,
    server_generation: Generation,
) -> None:
    ours = Side(*FLAGS[client], generation)
    theirs = Side(*FLAGS[server], server_generation, w9x_signing=flag)
    result = outcome(ours, theirs, NT1, "user")
    assert result.result == expected
    told = any("EnableW9xSecuritySignature" in note for note in result.notes)
    assert told is (not flag and server != "Disabled")


@pytest.mark.parametrize("generation", ["2000", "xp", "samba"])
def test_enable_w9x_is_about_old_clients_only(generation: Generation) -> None:
    result = outcome(Side(False, True, generation), Side(True, True, "2000"), NT1, "user")
    assert result.result == "signed"
    # NT 4.0 as a server does not have the value.
    result = outcome(Side(False, True, "9x"), Side(True, True, "nt4"), NT1, "user")
    assert result.result == "signed"


@pytest.mark.parametrize("flags", [(False, False), (False, True), (True, True)])
def test_who_can_not_sign(flags: tuple[bool, bool]) -> None:
    """NT 4.0 before SP3, share-level security, plaintext passwords: Disabled whatever is set."""
    can_not = Side(*flags, "nt4", can_sign=False)
    assert level(can_not) == "Disabled"
    for other in (Side(False, True), Side(False, False)):
        assert outcome(can_not, other, NT1, "user").result == "unsigned"
        assert outcome(other, can_not, NT1, "user").result == "unsigned"
    required = Side(True, True)
    refused = outcome(can_not, required, NT1, "user")
    assert (refused.result, refused.refused_by) == ("refused", "server")
    assert "not able to sign" in refused.why
    refused = outcome(required, can_not, NT1, "user")
    assert (refused.result, refused.refused_by) == ("refused", "client")


@pytest.mark.parametrize("identity", ["guest", "anonymous"])
@pytest.mark.parametrize("reading", ["A", "B"])
def test_keyless(identity: IdentityName, reading: Reading) -> None:
    for (client, ours), (server, theirs) in itertools.product(NEW_LEVELS.items(), repeat=2):
        result = outcome(ours, theirs, NT1, identity, reading=reading)
        requires = "Required" in client or "Required" in server
        assert result.result == ("refused" if requires else "unsigned")
        if "Required" in server and "Required" not in client:
            assert result.refused_by == "server"
        elif requires and "Required" not in server:
            assert result.refused_by == "client"


def test_a_server_may_let_null_sessions_in() -> None:
    for client in (Side(False, True), Side(False, False)):
        result = outcome(client, Side(True, True), NT1, "anonymous", server_admits_keyless=True)
        assert result.result == "unsigned"
    result = outcome(Side(True, True), Side(True, True), NT1, "guest", server_admits_keyless=True)
    assert (result.result, result.refused_by) == ("refused", "client")


def test_every_combination_is_told_completely() -> None:
    """Whatever the ends are: a refusal names who, where and how; what is signed names its key."""
    generations: list[Generation] = ["xp", "2000", "nt4", "9x", "samba"]
    sides = [
        Side(required, enabled, generation, can_sign)
        for required in (False, True)
        for enabled in (False, True)
        for generation in generations
        for can_sign in (False, True)
    ]
    identities: list[IdentityName] = ["user", "guest", "anonymous"]
    for client, server, identity in itertools.product(sides, sides, identities):
        result = outcome(client, server, NT1, identity)
        assert result.why.endswith(".")
        assert result.section
        refused = not result.established
        assert bool(result.refused_by) is bool(result.fails_at) is bool(result.looks_like)
        assert bool(result.refused_by) is refused
        assert bool(result.algorithm) is result.signed
        assert not (refused and result.signed)
        if result.signed:
            assert identity == "user"
            assert client.can_sign
            assert server.can_sign
        # Who requires signing, in force, is never served unsigned.
        if level(client) == "Required" or level(server) == "Required":
            assert result.result != "unsigned"
