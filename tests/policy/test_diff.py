"""Comparing settings of any two places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.policy.baselines import baselines, find_baseline
from paraph.policy.diff import (
    Entry,
    Position,
    compare,
    of_baseline,
    of_changes,
    of_defaults,
    of_registry,
    sarif,
    strength,
)
from paraph.policy.predict import Machine
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryValue, RegType
from paraph.policy.settings import NOT_DEFINED, SETTINGS, State, find_setting

PARAPH = Machine.named("paraph")


def value(key: str, number: int) -> RegistryValue:
    found = find_setting(key).to_registry(State(number))
    assert found is not None
    return found


def file(**numbers: int) -> Position:
    return of_changes([value(key.replace("_", "-"), n) for key, n in numbers.items()], "a file")


def verdicts(left: Position, right: Position) -> Mapping[str, str]:
    return {row.setting.key: row.verdict for row in compare(left, right).rows}


def test_verdicts() -> None:
    left = file(server_always=1, client_always=0, server_min_dialect=0x0311, server_auth_delay=100)
    right = file(server_always=1, client_always=1, server_min_dialect=0x0300, server_audit_guest=1)
    assert verdicts(left, right) == {
        "server-always": "equal",
        "client-always": "weaker",
        "server-min-dialect": "stronger",
        "server-auth-delay": "missing",
        "server-audit-guest": "missing",
    }
    comparison = compare(left, right)
    assert not comparison.passes
    assert len(comparison.failures()) == 4
    why = {row.setting.key: row.why for row in comparison.rows}
    assert why["server-audit-guest"] == "A file does not define it."
    assert compare(left, left).passes


@pytest.mark.parametrize(
    ("key", "weak", "strong"),
    [
        ("server-always", 0, 1),
        ("client-insecure-guest", 1, 0),
        ("client-min-dialect", 0x0202, 0x0311),
        ("server-max-dialect", 0x0300, 0x0311),
        ("server-auth-delay", 0, 2000),
        ("server-spn-validation", 1, 2),
        ("server-reject-unencrypted", 0, 1),
    ],
)
def test_which_way_is_strong(key: str, weak: int, strong: int) -> None:
    setting = find_setting(key)
    assert strength(setting, State(strong), State(weak)) == "stronger"
    assert strength(setting, State(weak), State(strong)) == "weaker"
    assert strength(setting, State(weak), State(weak)) == "equal"
    assert strength(setting, State(weak), NOT_DEFINED) == "missing"


def test_every_setting_agrees_with_its_strongest() -> None:
    """What damaged data are taken for must never be the weaker one here."""
    for setting in SETTINGS:
        for number in (setting.minimum, setting.maximum):
            verdict = strength(setting, State(setting.strongest), State(number))
            assert verdict in ("equal", "stronger"), setting.key


def test_a_baseline_asks_only_for_what_it_names() -> None:
    baseline = of_baseline(find_baseline("disa-stig-windows-11"))
    left = file(server_always=1, client_always=1, client_insecure_guest=0, server_min_dialect=0x202)
    assert set(verdicts(left, baseline)) == {
        "server-always",
        "client-always",
        "client-insecure-guest",
    }
    assert compare(left, baseline).passes


def test_stronger_than_a_baseline_complies() -> None:
    wanted = file(server_auth_delay=2000)
    wanted.kind = "baseline"
    assert compare(file(server_auth_delay=3000), wanted).passes
    assert not compare(file(server_auth_delay=1000), wanted).passes
    assert not compare(file(server_always=1), wanted).passes
    # Between two files it is a difference.
    assert not compare(file(server_auth_delay=3000), file(server_auth_delay=2000)).passes


def test_the_running_state_is_complete() -> None:
    position = of_registry(lambda key, name: None, PARAPH)
    assert set(position.entries) == {setting.key for setting in SETTINGS}
    assert position.entries["server-always"] == Entry(State(1), "default")
    off = value("server-always", 0)

    def lookup(key: str, name: str) -> RegistryValue | None:
        wanted = RegistryValue(key, name, 0, b"").identity
        return off if wanted == off.identity else None

    set_position = of_registry(lookup, PARAPH.set_to({"server-always": State(0)}))
    assert set_position.entries["server-always"] == Entry(State(0), "set")
    assert verdicts(set_position, position)["server-always"] == "weaker"


def test_defaults_of_systems() -> None:
    old, new = (of_defaults(Machine.named(name, "member-server")) for name in ("2022", "2025"))
    found = compare(old, new)
    assert {row.setting.key for row in found.rows if row.verdict == "weaker"} == {"client-always"}
    assert old.name == "defaults of Windows Server 2022 as member-server"
    # Windows 98 is no server, and NT 3.51 does not sign at all.
    assert "server-always" not in of_defaults(Machine.named("Windows 98")).entries
    assert of_defaults(Machine.named("NT 3.51")).entries == {}
    # A setting that came later says nothing about an older system.
    assert "server-audit-signing" not in old.entries
    assert "server-audit-signing" in new.entries


def test_damaged_values_are_not_compared() -> None:
    setting = find_setting("server-always")
    bad = RegistryValue(setting.local_key, setting.registry_value, RegType.SZ, b"1\0\0\0")
    comparison = compare(of_changes([bad], "bad.reg"), file(server_always=1))
    (row,) = comparison.rows
    assert row.verdict == "not comparable"
    assert "is no REG_DWORD" in row.why
    assert not comparison.passes
    wanted = of_baseline(find_baseline("microsoft-server-2022"))
    assert not compare(of_changes([bad], "bad.reg"), wanted).passes


def test_the_last_word_of_a_file_counts() -> None:
    on, off = value("server-always", 1), value("server-always", 0)
    assert of_changes([off, on], "x").entries["server-always"].state == State(1)
    gone: list[Change] = [on, RegistryDeletion(on.key, on.name)]
    assert of_changes(gone, "x").entries == {}
    # The policy key wins over the local one, whatever the order.
    setting = find_setting("server-audit-guest")
    local = setting.to_registry(State(0), setting.local_key)
    policy = setting.to_registry(State(1))
    assert local is not None
    assert policy is not None
    for changes in ([local, policy], [policy, local]):
        assert of_changes(changes, "x").entries["server-audit-guest"].state == State(1)


_STATES = st.dictionaries(
    st.sampled_from([setting.key for setting in SETTINGS if setting.kind == "boolean"]),
    st.integers(0, 1),
    max_size=6,
)


@given(_STATES, _STATES)
@settings(deadline=None, max_examples=60)
def test_turning_around_turns_the_verdicts(one: dict[str, int], other: dict[str, int]) -> None:
    left, right = (of_changes([value(k, n) for k, n in d.items()], "x") for d in (one, other))
    turned = {"weaker": "stronger", "stronger": "weaker"}
    there, back = verdicts(left, right), verdicts(right, left)
    assert {key: turned.get(v, v) for key, v in there.items()} == back
    assert compare(left, right).passes is (one == other)


def test_json() -> None:
    comparison = compare(
        of_registry(lambda key, name: None, PARAPH), of_baseline(find_baseline("cis-windows-11"))
    )
    data = json.loads(json.dumps(comparison.to_json()))
    assert data["left"] == {"name": "state", "kind": "registry"}
    assert data["right"] == {"name": "baseline cis-windows-11", "kind": "baseline"}
    assert data["passes"] is comparison.passes is False
    row = next(row for row in data["rows"] if row["setting"] == "server-always")
    assert row["verdict"] == "equal"
    assert row["complies"] is True
    assert row["left"]["value"] == row["right"]["value"] == 1
    assert row["right"]["unverified"] is True
    assert any("could not be checked" in note for note in data["notes"])


@pytest.mark.parametrize(("key", "artifact"), list(product(baselines(), ["", "a/GptTmpl.inf"])))
def test_sarif_2_1_0(key: str, artifact: str) -> None:
    """What the schema of OASIS asks of the parts that are there."""
    left = file(server_always=0, client_always=1)
    comparison = compare(left, of_baseline(find_baseline(key)))
    log = json.loads(json.dumps(sarif(comparison, "1.2.3", artifact)))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("Paraph", "1.2.3")
    rules = driver["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == len(run["results"])
    kinds = {}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"].endswith(".")
        assert result["kind"] in ("pass", "fail", "review")
        # 3.27.10: where kind is not "fail", level is "none".
        assert (result["level"] == "none") is (result["kind"] != "fail")
        (location,) = result["locations"]
        physical = location.get("physicalLocation", {"artifactLocation": {"uri": ""}})
        assert physical["artifactLocation"]["uri"] == artifact
        kinds[result["ruleId"]] = (result["kind"], result["level"])
    assert kinds["server-always"] == ("fail", "error")
    assert kinds["client-always"] == ("pass", "none")
    assert set(kinds.values()) <= {("fail", "error"), ("pass", "none"), ("fail", "warning")}
