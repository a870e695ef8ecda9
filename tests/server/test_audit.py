"""The audit settings: who could not follow if signing, encryption or accounts were required."""

from __future__ import annotations

from typing import Any

import pytest

from paraph.policy.settings import Policy
from paraph.server.events import SessionAudited
from tests.support.world import World

AUDIT = {"audit_signing": True, "audit_encryption": True, "audit_guest": True}


def findings(world: World) -> list[str]:
    return [event.finding for event in world.events if isinstance(event, SessionAudited)]


def logged_on(offer: dict[str, Any], **settings: Any) -> list[str]:
    world = World(policy=Policy(server_always=False), **settings)
    world.ready(**offer).logon()
    return findings(world)


def test_who_can_everything_is_not_mentioned() -> None:
    assert logged_on({"dialects": [0x0311]}, **AUDIT) == []
    assert logged_on({"dialects": [0x0311]}, **AUDIT, encryption="off") == []


@pytest.mark.parametrize("setting", AUDIT)
def test_nothing_is_told_that_was_not_asked_for(setting: str) -> None:
    assert logged_on({"dialects": [0x0202], "security_mode": 0}) == []
    others = {key: key != setting for key in AUDIT}
    told = logged_on({"dialects": [0x0202], "security_mode": 0}, **others)
    words = {"audit_signing": "sign", "audit_encryption": "encrypt", "audit_guest": "guest"}
    assert not any(words[setting] in finding.split(":")[0] for finding in told)


def test_a_client_without_encryption() -> None:
    (finding,) = logged_on({"dialects": [0x0210]}, **AUDIT)
    assert finding == "it can not encrypt: it would be refused if encryption were required"


def test_a_client_that_claims_no_signing() -> None:
    (finding,) = logged_on({"dialects": [0x0302], "security_mode": 0}, **AUDIT)
    assert finding == "it can not sign: it would be refused if signing were required"
