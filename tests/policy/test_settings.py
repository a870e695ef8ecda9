from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy.settings import SETTINGS, Policy

LANMAN = r"HKLM\SYSTEM\CurrentControlSet\Services"


def test_paraph_starts_with_everything_enabled() -> None:
    assert Policy() == Policy(True, True, True, True)


def test_every_field_has_its_setting() -> None:
    assert [setting.field for setting in SETTINGS] == [field.name for field in fields(Policy)]


@pytest.mark.parametrize(
    ("key", "side", "kind", "registry_key", "value"),
    [
        ("server-always", "server", "always", r"LanManServer", "Require"),
        ("server-if-client-agrees", "server", "if client agrees", r"LanManServer", "Enable"),
        ("client-always", "client", "always", r"LanmanWorkstation", "Require"),
        ("client-if-server-agrees", "client", "if server agrees", r"LanmanWorkstation", "Enable"),
    ],
)
def test_names_and_registry_values(
    key: str, side: str, kind: str, registry_key: str, value: str
) -> None:
    (setting,) = [setting for setting in SETTINGS if setting.key == key]
    expected = f"Microsoft network {side}: Digitally sign communications ({kind})"
    assert setting.display_name == expected
    assert setting.registry_key == rf"{LANMAN}\{registry_key}\Parameters"
    assert setting.registry_value == f"{value}SecuritySignature"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_explanations_are_one_sentence(setting: object) -> None:
    text = setting.explanation  # type: ignore[attr-defined]
    assert text.endswith(".")
    assert text.count(". ") == 0


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ([], Policy()),
        (["server-always=disabled"], Policy(server_always=False)),
        (["server-always=enabled"], Policy()),
        (["server-if-client-agrees=disabled"], Policy(server_if_client_agrees=False)),
        (["client-always=disabled"], Policy(client_always=False)),
        (["client-if-server-agrees=disabled"], Policy(client_if_server_agrees=False)),
        ([" Server-Always = DISABLED "], Policy(server_always=False)),
        (["server-always=disabled", "client-always=disabled"], Policy(False, True, False, True)),
        (["server-always=disabled", "server-always=disabled"], Policy(server_always=False)),
    ],
)
def test_assignments(assignments: list[str], expected: Policy) -> None:
    assert Policy.parse_assignments(assignments) == expected


def test_assign_changes_only_what_is_named() -> None:
    policy = Policy(False, False, False, False)
    assert policy.assign(["client-always=enabled"]) == Policy(False, False, True, False)
    assert policy == Policy(False, False, False, False)


@pytest.mark.parametrize(
    ("assignment", "parts"),
    [
        ("server-alway=enabled", ["no policy 'server-alway'", "Did you mean 'server-always'?"]),
        ("client_always=enabled", ["Did you mean 'client-always'?"]),
        ("server-if-agrees=enabled", ["Did you mean 'server-if-client-agrees'?"]),
        ("zzz=enabled", ["no policy 'zzz'", "server-always, server-if-client-agrees"]),
        ("server-always=enable", ["can not be 'enable'", "Did you mean 'enabled'?"]),
        ("server-always=disable", ["Did you mean 'disabled'?"]),
        ("server-always=1", ["can not be '1'", "enabled, disabled"]),
        ("server-always=true", ["can not be 'true'"]),
        ("server-always=", ["can not be ''"]),
        ("server-always=enabled=disabled", ["can not be 'enabled=disabled'"]),
        ("server-always", ["'server-always' is no policy assignment", "key=enabled"]),
        ("", ["'' is no policy assignment"]),
        ("=enabled", ["no policy ''"]),
    ],
)
def test_mistakes(assignment: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        Policy.parse_assignments([assignment])
    message = str(caught.value)
    assert message[-1] in ".?"
    for part in parts:
        assert part in message


def test_a_contradiction_is_a_mistake() -> None:
    with pytest.raises(UserError, match="'client-always' is set to both"):
        Policy.parse_assignments(["client-always=enabled", "client-always=disabled"])


@given(st.lists(st.text(max_size=40), max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_text_parses_or_is_the_users_mistake(assignments: list[str]) -> None:
    try:
        policy = Policy.parse_assignments(assignments)
    except UserError:
        return
    assert isinstance(policy, Policy)


def test_a_policy_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Policy().server_always = False  # type: ignore[misc]
