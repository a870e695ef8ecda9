from __future__ import annotations

import itertools

import pytest

from paraph.policy.outcome import (
    NT1,
    IdentityName,
    Side,
    client_outcome,
    outcome,
    server_outcome,
)
from paraph.policy.settings import Policy

DIALECTS = [0x0202, 0x0210, 0x0300, 0x0302, 0x0311]
SMB3 = [0x0300, 0x0302, 0x0311]

# The levels of the published tables: what "always" and "if the other agrees" say.
LEVELS = {
    "Disabled": Side(required=False, enabled=False),
    "Enabled": Side(required=False, enabled=True),
    "Required": Side(required=True, enabled=True),
    "Required alone": Side(required=True, enabled=False),
}

# client level, then what happens with a server that is Disabled, Enabled, Required
MATRIX = {
    "Disabled": ("unsigned", "unsigned", "signed"),
    "Enabled": ("unsigned", "unsigned", "signed"),
    "Required": ("signed", "signed", "signed"),
}
CELLS = [
    (client, server, expected)
    for client, row in MATRIX.items()
    for server, expected in zip(MATRIX, row, strict=True)
]
KEYLESS: list[IdentityName] = ["guest", "anonymous"]


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
@pytest.mark.parametrize(("client", "server", "expected"), CELLS)
def test_matrix(dialect: int, client: str, server: str, expected: str) -> None:
    result = outcome(LEVELS[client], LEVELS[server], dialect, "user")
    signed = expected == "signed"
    assert (result.established, result.signed, result.refused_by) == (True, signed, "")
    assert result.session_signing_required is signed
    assert result.section == "[MS-SMB2] 3.3.5.5.3"


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
def test_require_alone_is_require(dialect: int) -> None:
    """Only Windows 2000 wanted the other setting too, in SMB1."""
    alone, off = LEVELS["Required alone"], LEVELS["Disabled"]
    for client, server in ((alone, off), (off, alone), (alone, alone)):
        result = outcome(client, server, dialect, "user")
        assert result.established
        assert result.session_signing_required


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
def test_enable_never_changes_anything_but_the_words(dialect: int) -> None:
    flags = (False, True)
    for required, other in itertools.product(flags, flags):
        results = [
            outcome(Side(required, one), Side(other, two), dialect, "user")
            for one, two in itertools.product(flags, flags)
        ]
        assert len({(r.established, r.signed, r.session_signing_required) for r in results}) == 1


@pytest.mark.parametrize(
    ("client", "server", "words"),
    [
        ("Required", "Enabled", ["The client requires signing"]),
        ("Enabled", "Required", ["The server requires signing"]),
        ("Required", "Required", ["Client and server require signing"]),
        ("Enabled", "Enabled", ["Neither side requires signing", "ignore the"]),
        ("Disabled", "Enabled", ["'if server agrees' of the client is disabled", "ignore it"]),
        ("Enabled", "Disabled", ["'if client agrees' of the server is disabled", "ignore it"]),
        ("Disabled", "Disabled", ["of the client and 'if client agrees' of the server"]),
        ("Disabled", "Required", ["The server requires signing", "ignore it"]),
    ],
)
def test_words(client: str, server: str, words: list[str]) -> None:
    why = outcome(LEVELS[client], LEVELS[server], 0x0311, "user").why
    assert why.endswith(".")
    for part in words:
        assert part in why


@pytest.mark.parametrize("dialect", SMB3, ids=hex)
@pytest.mark.parametrize(("client", "server", "_expected"), CELLS)
def test_encryption_supersedes_signing(
    dialect: int, client: str, server: str, _expected: str
) -> None:
    result = outcome(LEVELS[client], LEVELS[server], dialect, "user", encrypted=True)
    assert (result.established, result.signed) == (True, False)
    assert result.session_signing_required is False
    assert "encrypted" in result.why


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
@pytest.mark.parametrize("identity", KEYLESS)
@pytest.mark.parametrize("client", list(LEVELS))
def test_a_server_that_requires_refuses_who_has_no_key(
    dialect: int, identity: IdentityName, client: str
) -> None:
    for guest_allowed in (False, True):
        result = outcome(
            LEVELS[client], LEVELS["Required"], dialect, identity, guest_allowed=guest_allowed
        )
        assert (result.established, result.refused_by) == (False, "server")
        assert (result.signed, result.session_signing_required) == (False, False)
        assert identity in result.why
        assert "server requires signing" in result.why


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
@pytest.mark.parametrize("identity", KEYLESS)
@pytest.mark.parametrize("client", ["Disabled", "Enabled"])
@pytest.mark.parametrize("server", ["Disabled", "Enabled"])
def test_who_has_no_key_is_never_signed(
    dialect: int, identity: IdentityName, client: str, server: str
) -> None:
    result = outcome(LEVELS[client], LEVELS[server], dialect, identity)
    assert (result.established, result.signed) == (True, False)
    assert result.session_signing_required is False


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
@pytest.mark.parametrize("server", ["Disabled", "Enabled"])
def test_a_client_that_requires_is_no_guest(dialect: int, server: str) -> None:
    client = LEVELS["Required"]
    result = outcome(client, LEVELS[server], dialect, "guest")
    assert (result.established, result.refused_by) == (False, "client")
    allowed = outcome(client, LEVELS[server], dialect, "guest", guest_allowed=True)
    assert (allowed.established, allowed.signed) == (True, False)
    assert allowed.session_signing_required is False
    assert "insecure guest" in allowed.why


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
@pytest.mark.parametrize("server", ["Disabled", "Enabled"])
def test_a_client_that_requires_may_ask_to_be_anonymous(dialect: int, server: str) -> None:
    client = LEVELS["Required"]
    asked = outcome(client, LEVELS[server], dialect, "anonymous")
    assert (asked.established, asked.session_signing_required) == (True, False)
    forged = outcome(client, LEVELS[server], dialect, "anonymous", anonymous_asked=False)
    assert (forged.established, forged.refused_by) == (False, "client")


@pytest.mark.parametrize("dialect", SMB3, ids=hex)
@pytest.mark.parametrize("identity", KEYLESS)
@pytest.mark.parametrize("required", [False, True])
def test_no_key_no_encryption(dialect: int, identity: IdentityName, required: bool) -> None:
    side = Side(required)
    result = outcome(side, side, dialect, identity, encrypted=True, guest_allowed=True)
    assert (result.established, result.refused_by) == (False, "server")
    assert "encrypt" in result.why


@pytest.mark.parametrize("dialect", [0, 0x0101, 0x02FF, 0x0312, -1])
def test_other_dialects_are_no_question_for_it(dialect: int) -> None:
    with pytest.raises(ValueError):
        outcome(Side(True), Side(True), dialect, "user")


@pytest.mark.parametrize("dialect", [NT1, 0x0202, 0x0210], ids=hex)
def test_no_encryption_before_3_0(dialect: int) -> None:
    with pytest.raises(ValueError):
        outcome(Side(True), Side(True), dialect, "user", encrypted=True)


def test_unknown_identity() -> None:
    with pytest.raises(ValueError):
        outcome(Side(False), Side(False), 0x0311, "root")  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
@pytest.mark.parametrize("client_requires", [False, True])
@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("agrees", [False, True])
def test_server_outcome_of_users(
    dialect: int, client_requires: bool, always: bool, agrees: bool
) -> None:
    # The policies of a client on the same machine have no say.
    for other in (False, True):
        policy = Policy(always, agrees, other, other)
        result = server_outcome(policy, client_requires, dialect, "user", False)
        assert result.established
        assert result.session_signing_required is (client_requires or always)


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
@pytest.mark.parametrize("identity", KEYLESS)
@pytest.mark.parametrize("client_requires", [False, True])
@pytest.mark.parametrize("always", [False, True])
def test_server_outcome_of_the_keyless(
    dialect: int, identity: IdentityName, client_requires: bool, always: bool
) -> None:
    """What the client requires does not make the session require what it has no key for."""
    result = server_outcome(Policy(server_always=always), client_requires, dialect, identity, False)
    assert result.established is not always
    assert result.session_signing_required is False


@pytest.mark.parametrize("dialect", SMB3, ids=hex)
def test_server_outcome_of_encrypted_sessions(dialect: int) -> None:
    result = server_outcome(Policy(), True, dialect, "user", True)
    assert (result.established, result.session_signing_required) == (True, False)
    assert not server_outcome(
        Policy(server_always=False), False, dialect, "guest", True
    ).established


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
@pytest.mark.parametrize("server_requires", [False, True])
@pytest.mark.parametrize("always", [False, True])
def test_client_outcome(dialect: int, server_requires: bool, always: bool) -> None:
    for other in (False, True):
        policy = Policy(other, other, always, other)

        def decide(identity: IdentityName, asked: bool = False, guests: bool = False) -> bool:
            return client_outcome(
                policy,  # noqa: B023
                server_requires,
                dialect,
                identity,
                False,
                anonymous_asked=asked,
                guest_allowed=guests,
            ).established

        user = client_outcome(
            policy, server_requires, dialect, "user", False, anonymous_asked=False
        )
        assert user.established
        assert user.session_signing_required is (server_requires or always)
        # A server that requires signing has exempted its guest: it has answered already.
        assert decide("guest") is not always
        assert decide("guest", guests=True)
        assert decide("anonymous", asked=True)
        assert decide("anonymous", asked=False) is not always


@pytest.mark.parametrize("dialect", SMB3, ids=hex)
def test_client_outcome_of_encrypted_sessions(dialect: int) -> None:
    result = client_outcome(Policy(), True, dialect, "user", True, anonymous_asked=False)
    assert (result.established, result.signed) == (True, False)


# The algorithm, the message that fails, and peers that do not conform


@pytest.mark.parametrize(
    ("dialect", "gmac", "expected"),
    [
        (NT1, True, "MD5"),
        (0x0202, True, "HMAC-SHA256"),
        (0x0210, True, "HMAC-SHA256"),
        (0x0300, True, "AES-128-CMAC"),
        (0x0302, True, "AES-128-CMAC"),
        (0x0311, True, "AES-128-GMAC"),
        (0x0311, False, "AES-128-CMAC"),
    ],
)
def test_algorithm(dialect: int, gmac: bool, expected: str) -> None:
    signed = outcome(Side(True), Side(False), dialect, "user", gmac=gmac)
    assert (signed.signed, signed.algorithm) == (True, expected)
    unsigned = outcome(Side(False), Side(False, False), dialect, "user", gmac=gmac)
    assert (unsigned.signed, unsigned.algorithm) == (False, "")


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
def test_refusals_say_where_and_how(dialect: int) -> None:
    on, off = Side(True), Side(False)
    cases = [
        outcome(off, on, dialect, "guest"),
        outcome(on, off, dialect, "guest"),
        outcome(on, off, dialect, "anonymous", anonymous_asked=False),
        outcome(off, off, dialect, "guest", guest_rejected=True),
    ]
    for result in cases:
        assert result.result == "refused"
        assert result.fails_at.startswith("SESSION_SETUP")
        assert result.looks_like
    assert "0xC0000022" in cases[0].looks_like
    assert "31017" in cases[1].looks_like
    established = outcome(on, on, dialect, "user")
    assert (established.fails_at, established.looks_like) == ("", "")


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
def test_a_client_that_rejects_guests(dialect: int) -> None:
    for required in (False, True):
        result = outcome(Side(required), Side(False), dialect, "guest", guest_rejected=True)
        assert (result.established, result.refused_by) == (False, "client")
    # Users and anonymous sessions are not guests.
    for identity in ("user", "anonymous"):
        assert outcome(Side(False), Side(False), dialect, identity, guest_rejected=True).established


CAN_NOT = Side(False, True, can_sign=False)


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
def test_a_client_that_can_not_sign(dialect: int) -> None:
    """Each request is denied where the server requires; 3.1.1 drops TREE_CONNECT anyway."""
    required = outcome(CAN_NOT, Side(True), dialect, "user")
    assert (required.established, required.refused_by) == (False, "server")
    assert required.fails_at.startswith("TREE_CONNECT")
    if dialect == 0x0311:
        assert "drops" in required.fails_at
        assert required.section == "[MS-SMB2] 3.3.5.7"
    else:
        assert "0xC0000022" in required.looks_like
        assert "the connection stays" in required.fails_at
    optional = outcome(CAN_NOT, Side(False), dialect, "user")
    assert optional.established is (dialect != 0x0311)
    assert not optional.signed


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
def test_a_server_that_can_not_sign(dialect: int) -> None:
    required = outcome(Side(True), CAN_NOT, dialect, "user")
    assert (required.established, required.refused_by) == (False, "client")
    assert "0xC000A000" in required.looks_like
    assert "-1073700864" in required.looks_like
    optional = outcome(Side(False), CAN_NOT, dialect, "user")
    assert optional.established is (dialect in (0x0202, 0x0210))
    if dialect in (0x0300, 0x0302):
        assert optional.fails_at.startswith("FSCTL_VALIDATE_NEGOTIATE_INFO")


@pytest.mark.parametrize("dialect", DIALECTS, ids=hex)
def test_it_can_not_require_what_it_can_not_do(dialect: int) -> None:
    server = Side(True, can_sign=False)
    result = outcome(Side(False), server, dialect, "user")
    assert not result.signed


@pytest.mark.parametrize("dialect", SMB3, ids=hex)
def test_encryption_helps_a_client_that_can_not_sign(dialect: int) -> None:
    result = outcome(CAN_NOT, Side(True), dialect, "user", encrypted=True)
    assert (result.established, result.signed) == (True, False)
