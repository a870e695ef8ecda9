"""Comparing two sets of settings: the registry, a file, a system's defaults, a baseline.

The right side is the yardstick. A registry and a system's defaults are complete: they have an
effective value for all that the system has. A file and a baseline have what they say, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from paraph.policy.baselines import Baseline
from paraph.policy.changes import final_value
from paraph.policy.predict import Machine
from paraph.policy.registry_value import Change, RegistryValue
from paraph.policy.settings import SETTINGS, SIGNING_SETTINGS, Lookup, Setting, State, state_from
from paraph.policy.sides import SMB2_DIALECTS

Verdict = Literal["equal", "weaker", "stronger", "missing", "not comparable"]
"""Of the left side, seen from the right; missing: one side has no value."""

PositionKind = Literal["registry", "file", "defaults", "baseline"]

_SIGNING = {setting.key for setting in SIGNING_SETTINGS}
#: Systems of which the catalogue knows all defaults; of others, the four and what follows from
#: what they speak.
_KNOWN_WHOLE = ("windows-11-24h2", "windows-11-24h2-home", "server-2025", "paraph")
_ENCRYPTION = ("server-encrypt-data", "server-reject-unencrypted")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one side has of one setting."""

    state: State
    origin: str = ""  #: where it comes from, for people
    damaged: str = ""  #: a sentence, where the value is not what a system would have written
    unverified: bool = False


@dataclass(slots=True)
class Position:
    """One side of a comparison."""

    name: str
    kind: PositionKind
    entries: dict[str, Entry] = field(default_factory=dict)  #: by key of the setting
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting in both."""

    setting: Setting
    left: Entry | None
    right: Entry | None
    verdict: Verdict
    why: str = ""  #: a sentence, where the verdict does not speak for itself

    @property
    def complies(self) -> bool:
        """The left side is at least as strong as the right one."""
        return self.verdict in ("equal", "stronger")


@dataclass(slots=True)
class Comparison:
    """All rows, in the order of the catalogue."""

    left: Position
    right: Position
    rows: list[Row]

    @property
    def passes(self) -> bool:
        """Against a baseline: all that it names is as strong or stronger. Else: all is equal."""
        if self.right.kind == "baseline":
            return all(row.complies for row in self.rows)
        return all(row.verdict == "equal" for row in self.rows)

    def failures(self) -> list[Row]:
        """The rows for which it does not pass."""
        if self.right.kind == "baseline":
            return [row for row in self.rows if not row.complies]
        return [row for row in self.rows if row.verdict != "equal"]

    def to_json(self) -> dict[str, Any]:
        """All of it, in what the json module takes."""
        return {
            "left": {"name": self.left.name, "kind": self.left.kind},
            "right": {"name": self.right.name, "kind": self.right.kind},
            "equal": all(row.verdict == "equal" for row in self.rows),
            "passes": self.passes,
            "rows": [_row_json(row) for row in self.rows],
            "notes": [*self.left.notes, *self.right.notes],
        }


# The sides


def of_registry(lookup: Lookup, machine: Machine, name: str = "state") -> Position:
    """The running state: what the registry says, and what `machine` does where it says nothing."""
    position = of_defaults(machine, name)
    position.kind = "registry"
    for setting in SETTINGS:
        state, remark = state_from(setting, lookup)
        if state.defined:
            position.entries[setting.key] = Entry(state, "set", remark)
    return position


def of_changes(changes: Iterable[Change], name: str, notes: Iterable[str] = ()) -> Position:
    """What a file of any format says."""
    listed = list(changes)

    def lookup(key: str, value: str) -> RegistryValue | None:
        return final_value(listed, key, value)

    position = Position(name, "file", notes=list(notes))
    for setting in SETTINGS:
        state, remark = state_from(setting, lookup)
        if state.defined:
            position.entries[setting.key] = Entry(state, name, remark)
    return position


def of_defaults(machine: Machine, name: str = "") -> Position:
    """How a system comes, or how `machine` is set."""
    title = name or f"defaults of {machine.system.name} as {machine.role}"
    position = Position(title, "defaults")
    for setting in SETTINGS:
        if not machine.is_set(setting.key) and not _has_default(machine, setting):
            continue
        value = machine.number(setting.key)
        if value is not None:
            position.entries[setting.key] = Entry(State(value), "default")
    return position


def of_baseline(baseline: Baseline) -> Position:
    """What a baseline wants."""
    position = Position(f"baseline {baseline.key}", "baseline")
    for entry in baseline.entries:
        position.entries[entry.key] = Entry(entry.state, entry.source, unverified=entry.unverified)
    if baseline.unverified:
        position.notes.append(
            f"Values of {baseline.key} that are marked unverified could not be checked against "
            f"{baseline.source}."
        )
    return position


def _has_default(machine: Machine, setting: Setting) -> bool:
    """Whether the system is known to have the setting, so that its default says something."""
    system = machine.system
    if setting.key in _SIGNING or system.key in _KNOWN_WHOLE:
        return True
    if setting.key in _ENCRYPTION:
        return system.encryption
    if setting.key == "client-insecure-guest":
        return system.dialects[-1] > max(SMB2_DIALECTS)
    return setting.key == "server-w9x-signing" and system.key in ("windows-2000", "server-2003")


# Comparing


def compare(left: Position, right: Position) -> Comparison:
    """Each setting that one of them has; against a baseline, those that it names."""
    rows = []
    for setting in SETTINGS:
        ours, theirs = left.entries.get(setting.key), right.entries.get(setting.key)
        if theirs is None and (ours is None or right.kind == "baseline"):
            continue
        rows.append(_row(setting, ours, theirs, left, right))
    return Comparison(left, right, rows)


def _row(
    setting: Setting, ours: Entry | None, theirs: Entry | None, left: Position, right: Position
) -> Row:
    if ours is None or theirs is None:
        lacking = left if ours is None else right
        return Row(setting, ours, theirs, "missing", f"{_begin(lacking.name)} does not define it.")
    damaged = ours.damaged or theirs.damaged
    if damaged:
        return Row(setting, ours, theirs, "not comparable", damaged)
    verdict = strength(setting, ours.state, theirs.state)
    return Row(setting, ours, theirs, verdict)


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]


def strength(setting: Setting, left: State, right: State) -> Verdict:
    """Whether `left` is weaker or stronger than `right`; the setting says which way is strong."""
    if left == right:
        return "equal"
    if left.value is None or right.value is None:
        return "missing"
    stronger = left.value > right.value
    if setting.strongest <= setting.minimum:
        stronger = not stronger  # less is more, as with insecure guests
    return "stronger" if stronger else "weaker"


# JSON and SARIF


def _entry_json(setting: Setting, entry: Entry | None) -> Mapping[str, Any] | None:
    if entry is None:
        return None
    return {
        "value": entry.state.value,
        "text": setting.describe(entry.state),
        "origin": entry.origin,
        "unverified": entry.unverified,
    }


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "setting": row.setting.key,
        "display_name": row.setting.display_name,
        "left": _entry_json(row.setting, row.left),
        "right": _entry_json(row.setting, row.right),
        "verdict": row.verdict,
        "complies": row.complies,
        "why": row.why or None,
    }


_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(comparison: Comparison, version: str, artifact: str = "") -> dict[str, Any]:
    """The comparison as SARIF 2.1.0 (OASIS), for pipelines: one rule for each setting, one result
    for each row. `version` is Paraph's; `artifact`: the URI of the left side if it is a file."""
    rules = [_rule(row.setting) for row in comparison.rows]
    results = [
        _result(number, row, comparison, artifact) for number, row in enumerate(comparison.rows)
    ]
    driver = {"name": "Paraph", "semanticVersion": version, "rules": rules}
    return {
        "$schema": _SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": results,
                "properties": {
                    "left": comparison.left.name,
                    "right": comparison.right.name,
                    "passes": comparison.passes,
                },
            }
        ],
    }


def _rule(setting: Setting) -> dict[str, Any]:
    return {
        "id": setting.key,
        "name": setting.registry_value,
        "shortDescription": {"text": setting.display_name},
        "fullDescription": {"text": setting.explanation},
        "help": {"text": f"{setting.impact} {setting.best_practice}"},
        "properties": {"registry": f"{setting.registry_key}\\{setting.registry_value}"},
    }


def _result(number: int, row: Row, comparison: Comparison, artifact: str) -> dict[str, Any]:
    failed = row in comparison.failures()
    if not failed:
        kind, level = "pass", "none"
    elif row.verdict == "not comparable":
        kind, level = "review", "none"
    else:
        kind, level = "fail", "error" if row.verdict == "weaker" else "warning"
    setting = row.setting
    place: dict[str, Any] = {
        "logicalLocations": [
            {
                "name": setting.registry_value,
                "fullyQualifiedName": f"{setting.registry_key}\\{setting.registry_value}",
                "kind": "member",
            }
        ]
    }
    if artifact:
        place["physicalLocation"] = {"artifactLocation": {"uri": artifact}}
    return {
        "ruleId": setting.key,
        "ruleIndex": number,
        "kind": kind,
        "level": level,
        "message": {"text": sentence(row, comparison)},
        "locations": [place],
        "partialFingerprints": {"setting/v1": f"{setting.key}/{row.verdict}"},
    }


def sentence(row: Row, comparison: Comparison) -> str:
    """A row in words."""

    def words(entry: Entry | None) -> str:
        return "not defined" if entry is None else row.setting.describe(entry.state)

    text = (
        f"{row.setting.display_name}: {words(row.left)} in {comparison.left.name}, "
        f"{words(row.right)} in {comparison.right.name}: {row.verdict}."
    )
    return f"{text} {row.why}" if row.why else text
