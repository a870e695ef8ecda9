from __future__ import annotations

import pytest

from paraph.errors import UserError
from paraph.policy.explain import explain
from paraph.policy.predict import Machine
from paraph.policy.sides import NT1, IdentityName
from paraph.policy.systems import SYSTEMS


def said(client: Machine, server: Machine, identity: IdentityName = "user") -> str:
    return " ".join(explain(client, server, identity=identity))


def test_signed() -> None:
    client, server = Machine.named("win11 24h2"), Machine.named("2022", "dc")
    sentences = explain(client, server)
    assert sentences[0] == "Established and signed with AES-128-GMAC."
    assert sentences[1].startswith("Client and server require signing")
    assert sentences[1].endswith("([MS-SMB2] 3.3.5.5.3)")
    text = " ".join(sentences)
    assert "'always' of the server is enabled (the default of Windows Server 2022 as " in text
    assert "They speak SMB 3.1.1" in text
    assert "contradict" not in text


def test_what_is_set_is_told_from_what_is_default() -> None:
    server = Machine.named("2022", "", {"server-always": "disabled"})
    text = said(Machine.named("windows 10"), server)
    assert "'always' of the server is disabled (as set)." in text
    assert "'always' of the client is disabled (the default of Windows 10 as workstation" in text
    assert "Signed all the same" in text
    assert "TREE_CONNECT" in text


def test_unsigned_before_3_1_1_validates_the_negotiation() -> None:
    text = said(Machine.named("windows 8"), Machine.named("2012"))
    assert "FSCTL_VALIDATE_NEGOTIATE_INFO ([MS-SMB2] 3.2.5.5)" in text


def test_refused_says_where_and_how() -> None:
    off = {"client-always": "disabled", "client-if-server-agrees": "disabled"}
    sentences = explain(Machine.named("2000", "", off), Machine.named("2003", "dc"))
    assert sentences[0].startswith("Refused: The server refuses the session at TREE_CONNECT_ANDX")
    assert "STATUS_ACCESS_DENIED" in sentences[1]


def test_both_readings_of_smb1() -> None:
    off = {"client-always": "disabled", "client-if-server-agrees": "disabled"}
    client, server = Machine.named("xp", "", off), Machine.named("2003", "dc")
    applied_a = explain(client, server)
    assert applied_a[0] == "Established and signed with MD5."
    assert "Applied is the specification" in applied_a[-1]
    assert "it would be: refused" in applied_a[-1]
    assert "mean Declined" in " ".join(applied_a)
    applied_b = explain(client, server, reading="B")
    assert applied_b[0].startswith("Refused")
    assert "Applied is the help text" in applied_b[-1]
    assert "it would be: signed" in applied_b[-1]


def test_disputed_defaults_are_told() -> None:
    text = said(Machine.named("windows 10"), Machine.named("2025"))
    assert "two against one" in text
    text = said(Machine.named("nt4"), Machine.named("nt4", "dc"))
    assert "Q161372 says 0; 0 is applied" in text
    # but not where the value was set
    server = Machine.named("2025", "", {"server-always": "enabled"})
    assert "two against one" not in said(Machine.named("windows 10"), server)


def test_guests() -> None:
    text = said(Machine.named("windows 10"), Machine.named("samba"), "guest")
    assert "does not allow insecure guest logons" in text
    assert "allowed in Home and Pro" in text
    text = said(Machine.named("windows 7"), Machine.named("paraph"), "guest")
    assert "Applied is Learn: SMB security hardening" in text
    assert "it would be: unsigned" in text


def test_encrypted() -> None:
    server = Machine.named("paraph", "", {"server-encrypt-data": "enabled"})
    sentences = explain(Machine.named("windows 10"), server)
    assert sentences[0].startswith("Established and encrypted; not signed")


def test_old_clients() -> None:
    text = said(Machine.named("98"), Machine.named("2003", "dc"))
    assert "EnableW9xSecuritySignature" in text
    assert "KB887429 only NT 4.0" in text


def test_systems_that_can_not_speak_it() -> None:
    with pytest.raises(UserError):
        explain(Machine.named("xp"), Machine.named("2022"), 0x0311)


def test_every_sentence_is_one() -> None:
    for one in SYSTEMS:
        for two in SYSTEMS:
            client, server = Machine(one, one.roles[0]), Machine(two, two.roles[-1])
            for dialect in (None, NT1):
                sentences = explain(client, server, dialect)
                assert len(sentences) == len(set(sentences))
                for sentence in sentences:
                    assert sentence[-1] in ".)"
                    assert sentence[0].isupper() or sentence[0] in "'["
