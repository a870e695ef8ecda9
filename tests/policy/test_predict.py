"""From two machines to an outcome."""

from __future__ import annotations

import itertools

import pytest

from paraph.errors import UserError
from paraph.policy.predict import Machine, predict
from paraph.policy.settings import DISABLED, ENABLED, NOT_DEFINED, State
from paraph.policy.sides import DIALECTS, NT1, IdentityName
from paraph.policy.systems import SYSTEMS


def m(system: str, role: str = "", **settings: str) -> Machine:
    """A machine; settings with underscores, as in server_always="disabled"."""
    return Machine.named(system, role, settings)


Settings = dict[str, str | State]

# client, server, what happens, dialect, algorithm: everything as it comes
AS_THEY_COME = [
    (m("nt4 sp2"), m("2003", "dc"), "refused", NT1, ""),
    (m("nt4"), m("nt4", "dc"), "unsigned", NT1, ""),
    (m("nt4"), m("2000", "dc"), "unsigned", NT1, ""),
    (m("nt4"), m("2000", "dc", server_w9x_signing="enabled"), "signed", NT1, "MD5"),
    (m("98"), m("2003", "dc"), "refused", NT1, ""),
    (m("98"), m("2003", "dc", server_w9x_signing="enabled"), "signed", NT1, "MD5"),
    (m("2000"), m("2000", "member"), "unsigned", NT1, ""),
    (m("2000"), m("2000", "dc"), "signed", NT1, "MD5"),
    (m("xp"), m("2003"), "unsigned", NT1, ""),
    (m("xp"), m("2003", "dc"), "signed", NT1, "MD5"),
    (m("vista"), m("2008", "dc"), "signed", 0x0202, "HMAC-SHA256"),
    (m("windows 7"), m("2022"), "unsigned", 0x0210, ""),
    (m("windows 7"), m("2022", "dc"), "signed", 0x0210, "HMAC-SHA256"),
    (m("windows 8"), m("2012", "dc"), "signed", 0x0300, "AES-128-CMAC"),
    (m("windows 8.1"), m("2012 r2", "dc"), "signed", 0x0302, "AES-128-CMAC"),
    (m("windows 10"), m("2016", "dc"), "signed", 0x0311, "AES-128-CMAC"),
    (m("windows 10"), m("2022"), "unsigned", 0x0311, ""),
    (m("windows 11 23h2"), m("2022", "dc"), "signed", 0x0311, "AES-128-GMAC"),
    (m("win11 24h2"), m("2019"), "signed", 0x0311, "AES-128-CMAC"),
    (m("win11 24h2"), m("2022"), "signed", 0x0311, "AES-128-GMAC"),
    (m("win11 24h2 home"), m("2025"), "unsigned", 0x0311, ""),
    (m("2025"), m("samba"), "signed", 0x0311, "AES-128-GMAC"),
    (m("windows 10"), m("paraph"), "signed", 0x0311, "AES-128-CMAC"),
    (m("paraph"), m("win11 24h2"), "signed", 0x0311, "AES-128-GMAC"),
    (m("samba"), m("samba", "dc"), "signed", 0x0311, "AES-128-GMAC"),
    (m("xp"), m("paraph"), "refused", 0, ""),
    (m("windows 10"), m("2003"), "refused", 0, ""),
]


@pytest.mark.parametrize(("client", "server", "result", "dialect", "algorithm"), AS_THEY_COME)
def test_as_they_come(
    client: Machine, server: Machine, result: str, dialect: int, algorithm: str
) -> None:
    found = predict(client, server)
    assert (found.outcome.result, found.dialect) == (result, dialect)
    assert found.outcome.algorithm == algorithm


def test_no_dialect_in_common() -> None:
    smb1_only = predict(m("xp"), m("paraph")).outcome
    assert (smb1_only.fails_at, smb1_only.section) == ("NEGOTIATE", "[MS-SMB2] 3.3.5.3")
    newer = predict(m("windows 7"), m("paraph", server_min_dialect="3.1.1")).outcome
    assert newer.section == "[MS-SMB2] 3.3.5.4"
    assert "0xC00000BB" in newer.looks_like


@pytest.mark.parametrize(
    ("client", "server", "dialect"),
    [
        ({}, {"server-max-dialect": "3.0"}, 0x0300),
        ({"client-max-dialect": "2.1"}, {}, 0x0210),
        ({"client-min-dialect": "3.0.2"}, {"server-max-dialect": "3.0.2"}, 0x0302),
        ({"client-min-dialect": "3.1.1"}, {"server-max-dialect": "3.0.2"}, 0),
    ],
)
def test_bounds_of_dialects(client: Settings, server: Settings, dialect: int) -> None:
    assert (
        predict(Machine.named("paraph", "", client), Machine.named("paraph", "", server)).dialect
        == dialect
    )


def test_bounds_do_not_touch_smb1() -> None:
    server = m("2012 r2", server_min_dialect="3.0.2")
    assert predict(m("windows 7"), server).dialect == NT1


def test_a_dialect_by_name() -> None:
    assert predict(m("windows 10"), m("2016"), 0x0302).dialect == 0x0302
    smb1 = predict(m("windows 10"), m("2003"), NT1)
    assert smb1.dialect == NT1
    assert any("no SMB1 as installed" in note for note in smb1.outcome.notes)
    assert predict(m("windows 10", server_min_dialect="3.1.1"), m("2016"), 0x0311).dialect
    for dialect in (0x0311, 0x0200):
        with pytest.raises(UserError):
            predict(m("xp"), m("2016"), dialect)


def test_own_dialects() -> None:
    client = Machine.named("xp", dialects=(0x0202, NT1))
    assert client.dialects == (NT1, 0x0202)
    assert predict(client, m("2022")).dialect == 0x0202
    with pytest.raises(UserError):
        Machine.named("xp", dialects=(0x0999,))
    with pytest.raises(UserError):
        Machine.named("xp", dialects=())


def test_settings_by_any_name() -> None:
    names: list[str] = [
        "server-always",
        "Microsoft network server: Digitally sign communications (always)",
        r"HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters\RequireSecuritySignature",
    ]
    plain = Machine.named("2022")
    for name in names:
        for state in ("enabled", ENABLED):
            machine = Machine.named("2022", "", {name: state})
            assert machine.server().required
            assert machine.is_set("server-always")
            assert machine.set_to({name: NOT_DEFINED}).server() == plain.server()
    assert len({Machine.named("2022", "", {name: "enabled"}) for name in names}) == 1  # hashable
    assert plain.set_to({"server-auth-delay": State(500)}).number("server-auth-delay") == 500
    assert plain.number("server-auth-delay") == 2000
    for bad in ({"server-alway": "enabled"}, {"server-always": "on"}):
        with pytest.raises(UserError):
            Machine.named("2022", "", bad)


@pytest.mark.parametrize("dialect", DIALECTS[1:], ids=hex)
def test_smb2_ignores_the_if_agrees_pair(dialect: int) -> None:
    states = ("enabled", "disabled")
    for always, other in itertools.product(states, states):
        seen = {
            predict(
                m("windows 10", client_always=always, client_if_server_agrees=one),
                m("2022", server_always=other, server_if_client_agrees=two),
                dialect,
            ).outcome.result
            for one, two in itertools.product(states, states)
        }
        assert len(seen) == 1


def test_windows_2000_needs_both() -> None:
    """TechNet cc786681: 'always' on a Windows 2000 server does nothing without its companion."""
    alone = m("2000", "member", server_always="enabled")
    assert predict(m("2000"), alone).outcome.result == "unsigned"
    both = m("2000", "member", server_always="enabled", server_if_client_agrees="enabled")
    assert predict(m("2000"), both).outcome.result == "signed"
    xp_like = m("2003", server_always="enabled")
    assert predict(m("2000"), xp_like).outcome.result == "signed"


def test_off_is_not_the_same_off() -> None:
    off: Settings = {"client-always": "disabled", "client-if-server-agrees": "disabled"}
    old, new, dc = Machine.named("2000", "", off), Machine.named("xp", "", off), m("2003", "dc")
    assert predict(old, dc).outcome.result == "refused"
    assert predict(new, dc).outcome.result == "signed"
    assert predict(new, dc, reading="B").outcome.result == "refused"
    other = predict(new, dc).outcome.other
    assert other is not None
    assert other.result == "refused"


# Encryption

ENCRYPTS = m("2022", server_encrypt_data="enabled")
ADMITS = m("2022", server_encrypt_data="enabled", server_reject_unencrypted="disabled")


def test_the_server_encrypts() -> None:
    for client in (m("windows 8"), m("win11 24h2"), m("samba")):
        found = predict(client, ENCRYPTS)
        assert (found.encrypted, found.outcome.result) == (True, "unsigned")
    refused = predict(m("windows 7"), ENCRYPTS).outcome
    assert (refused.result, refused.refused_by) == ("refused", "server")
    assert refused.fails_at == "SESSION_SETUP"
    smb1 = predict(m("xp"), m("2012", server_encrypt_data="enabled")).outcome
    assert (smb1.result, smb1.refused_by) == ("refused", "server")


def test_unencrypted_access_does_not_switch_signing_off() -> None:
    found = predict(m("windows 7"), ADMITS)
    assert (found.encrypted, found.outcome.result) == (False, "unsigned")
    required = ADMITS.set_to({"server-always": ENABLED})
    assert predict(m("windows 7"), required).outcome.result == "signed"
    assert any("RejectUnencryptedAccess" in note for note in found.outcome.notes)


def test_the_client_requires_encryption() -> None:
    client = m("win11 24h2", client_require_encryption="enabled")
    found = predict(client, m("2012"))
    assert (found.encrypted, found.outcome.result) == (True, "unsigned")
    refused = predict(client, m("2008 r2")).outcome
    assert (refused.result, refused.refused_by) == ("refused", "client")
    guest = predict(
        client.set_to({"client-insecure-guest": ENABLED, "client-always": DISABLED}),
        m("samba"),
        identity="guest",
    )
    assert (guest.outcome.result, guest.outcome.refused_by) == ("refused", "client")


def test_encryption_as_asked() -> None:
    client, server = m("windows 10"), m("2022")
    assert predict(client, server, encryption=True).encrypted
    assert not predict(client, ENCRYPTS, encryption=False).encrypted


# Guests and anonymous users


@pytest.mark.parametrize(
    ("client", "result"),
    [
        (m("windows 7"), "unsigned"),
        (m("windows 8.1"), "unsigned"),
        (m("windows 10"), "refused"),
        (m("2019"), "refused"),
        (m("windows 10", client_insecure_guest="enabled"), "unsigned"),
        (m("win11 24h2"), "refused"),
        (m("win11 24h2 home"), "unsigned"),
        # Requiring signing blocks guests even where they are allowed.
        (m("win11 24h2", client_insecure_guest="enabled"), "refused"),
        (
            m("win11 24h2", client_insecure_guest="enabled", client_always="disabled"),
            "unsigned",
        ),
    ],
)
def test_guests_of_a_storage_box(client: Machine, result: str) -> None:
    found = predict(client, m("samba"), identity="guest").outcome
    assert found.result == result
    if result == "refused":
        assert found.refused_by == "client"


@pytest.mark.parametrize("identity", ["guest", "anonymous"])
def test_keyless_where_the_server_requires(identity: IdentityName) -> None:
    """The hardening guide is applied; what the specification would have is shown too."""
    client = m("windows 7")
    found = predict(client, m("2022", "dc"), identity=identity).outcome
    assert (found.result, found.refused_by) == ("refused", "server")
    assert found.other is not None
    assert found.other.result == "unsigned"


# UNC hardening (MS15-011)


@pytest.mark.parametrize("share", ["SYSVOL", "netlogon"])
def test_hardened_shares(share: str) -> None:
    server = m("2022", server_always="disabled")
    assert predict(m("windows 10"), server, share=share).outcome.result == "signed"
    assert predict(m("windows 10"), server, share="data").outcome.result == "unsigned"
    assert predict(m("windows 7"), server, share=share).outcome.result == "unsigned"
    notes = predict(m("windows 10"), server, share=share).outcome.notes
    assert any("UNC hardening" in note for note in notes)


def test_windows_98_as_a_server_does_not_sign() -> None:
    server = m("98")
    assert predict(m("xp"), server).outcome.result == "unsigned"
    assert predict(m("xp", client_always="enabled"), server).outcome.result == "refused"


def test_every_pair_has_an_answer() -> None:
    identities: list[IdentityName] = ["user", "guest", "anonymous"]
    for one, two in itertools.product(SYSTEMS, SYSTEMS):
        for role in two.roles:
            for identity in identities:
                found = predict(Machine(one, one.roles[0]), Machine(two, role), identity=identity)
                result = found.outcome
                assert result.why
                assert result.section
                assert bool(result.fails_at) is not result.established
                required = found.client.required or found.server.required
                if found.dialect not in (0, NT1) and result.established and required:
                    # Nobody who requires signing gets an unsigned session with a user.
                    assert result.signed or identity == "anonymous"
