"""The resultant set of policy: what all the objects that reach a machine come to, and why.

`resultant` is a pure function over a chain of SOMs and their objects. It carries out [MS-GPOL]
3.2.5.1.5 (which links count, in which order), 3.2.5.1.6 (which objects are denied) and 3.2.5.1.10
(the Registry extension first, then the others) to the letter; what is processed last wins.

Two places where Microsoft's pages disagree:

* Among enforced links of one container, the steps of 3.2.5.1.5 make the last the winner; the
  definition of "link order" (1.1) says the first. The steps are applied, and `Effective.note` says
  so where it matters.
* A value whose object is gone. [MS-GPREG] 3.2.5.1.1 does not process deleted objects, so by the
  letter everything stays; Windows takes back what is below its two Policies keys before it applies
  Registry.pol. The latter is applied. Values of security templates stay in any case ("tattoo").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from paraph.errors import UserError
from paraph.policy.gpo import (
    REGISTRY_EXTENSION,
    SECURITY_EXTENSION,
    Applied,
    Extension,
    PolicyObject,
    PolicyStore,
    Som,
)
from paraph.policy.precedence import Claim, Loser, Step, loser_of, same, search
from paraph.policy.registry import Registry
from paraph.policy.registry_value import (
    TYPE_NAMES,
    Change,
    RegistryDeletion,
    RegistryValue,
    fold,
)

State = Literal["defined", "deleted", "not defined", "tattooed", "removed"]
_POLICY_KEYS = (
    "SOFTWARE\\POLICIES\\",
    "SOFTWARE\\MICROSOFT\\WINDOWS\\CURRENTVERSION\\POLICIES\\",
)
_EXTENSION_NAMES = {"registry": "Registry.pol", "security": "security template"}


@dataclass(slots=True)
class Effective:
    """One value, or with `name` None one whole key, that at least one object is about."""

    key: str
    name: str | None
    state: State = "not defined"
    value: RegistryValue | None = None  #: for "defined" and "tattooed"
    winner: Claim | None = None
    applied: Applied | None = None  #: who wrote it, for "tattooed" and "removed"
    claims: list[Claim] = field(default_factory=list)  #: all, in the order of processing

    @property
    def losers(self) -> list[Loser]:
        """The claims that lost, the strongest first, those that never took part last."""
        beaten = [claim for claim in self.claims if not claim.excluded and claim is not self.winner]
        out = [claim for claim in self.claims if claim.excluded]
        return [loser_of(claim, self.winner) for claim in [*reversed(beaten), *out]]

    @property
    def note(self) -> str:
        """What else must be known about it, in sentences; mostly ""."""
        if self.state == "tattooed" and self.applied is not None:
            return (
                f"It was set by {self.applied.name!r} and is set by no object any more; a value "
                "that has been written outside of the Policies keys stays in the registry."
            )
        if self.state == "removed" and self.applied is not None:
            return (
                f"It was set by {self.applied.name!r} and is set by no object any more; Windows "
                "takes it back. By the letter of [MS-GPREG] 3.2.5.1.1 it would stay."
            )
        first = self._first_enforced()
        if first is None:
            return ""
        return (
            "By the steps of [MS-GPOL] 3.2.5.1.5, applied here, the last enforced link of a "
            "container wins; by its definition of link order (1.1) it would be the first, "
            f"{first.step.name!r}, which wants {_wanted(first.change)}."
        )

    def _first_enforced(self) -> Claim | None:
        """The claim that would win if the first enforced link of a container were the stronger."""
        winner = self.winner
        if winner is None or not winner.step.enforced:
            return None
        rivals = [
            claim
            for claim in self.claims
            if not claim.excluded
            and claim.extension == winner.extension
            and claim.step.enforced
            and claim.step.som == winner.step.som
            and claim.step.order <= winner.step.order
        ]
        order = min(claim.step.order for claim in rivals)
        first = [claim for claim in rivals if claim.step.order == order][-1]
        return None if same(first.change, winner.change) else first


@dataclass(slots=True)
class Resultant:
    """The resultant set of one machine."""

    location: str  #: the SOM nearest to the machine
    order: list[Step]  #: the links that count, in the order of processing: the last is strongest
    ignored: list[Step]  #: the links that do not, each with its reason
    values: list[Effective]  #: sorted by key and name

    def get(self, key: str, name: str) -> Effective | None:
        """One value; None if no object is about it."""
        wanted = fold(key), fold(name)
        for value in self.values:
            if value.name is not None and (fold(value.key), fold(value.name)) == wanted:
                return value
        return None

    def changes(self) -> list[Change]:
        """What brings a registry to this state."""
        keys = [value for value in self.values if value.name is None]
        result: list[Change] = [value.winner.change for value in keys if value.winner is not None]
        for value in self.values:
            if value.name is None:
                continue
            if value.state == "defined" and value.value is not None:
                result.append(value.value)
            elif value.state in ("deleted", "removed"):
                result.append(RegistryDeletion(value.key, value.name))
        return result

    def applied(self) -> list[Applied]:
        """What to remember once `changes` are made: see `applied` of `resultant`."""
        remembered = []
        for value in self.values:
            if value.state == "tattooed" and value.applied is not None:
                remembered.append(value.applied)
            elif value.state == "defined" and value.winner is not None and value.value is not None:
                step = value.winner.step
                remembered.append(
                    Applied(value.value, value.winner.extension, step.guid, step.name, step.som)
                )
        return remembered

    def to_json(self) -> dict[str, Any]:
        """All of it, in what the json module takes."""
        return {
            "location": self.location,
            "order": [_step_json(step) for step in self.order],
            "ignored": [_step_json(step) for step in self.ignored],
            "values": [_effective_json(value) for value in self.values],
        }


def resultant(
    chain: Sequence[Som],
    objects: Mapping[str, PolicyObject],
    *,
    applied: Iterable[Applied] = (),
    filtered: Mapping[str, str] | None = None,
) -> Resultant:
    """The resultant set for a machine.

    Args:
        chain: its SOMs, the nearest first, as `PolicyStore.chain` has them; a Local one is not
            part of the search and applies before all others.
        objects: GUID -> object; links to others are ignored.
        applied: what policy wrote to the registry the last time.
        filtered: GUID -> why security filtering or the WMI filter denies the object to this
            machine ([MS-GPOL] 3.2.5.1.6, 3.2.5.1.7).
    """
    order, ignored = search(chain, objects, filtered or {})
    table = _Table()
    for step in order:
        _claims(table, step, objects[step.guid], "registry")
    for step in order:
        _claims(table, step, objects[step.guid], "security")
    for step in ignored:
        policy = objects.get(step.guid)
        if policy is not None:
            for extension, changes in _parts(policy):
                for change in changes:
                    table.exclude(Claim(step, extension, change))
    for one in applied:
        table.remember(one)
    return Resultant(chain[0].path if chain else "", order, ignored, table.sorted())


def refresh(policies: PolicyStore, registry: Registry) -> Resultant:
    """Compute this machine's resultant set and write it to the registry, in one transaction.

    Values that are there already are not written, so what did not change does not look changed;
    an object that deletes whole keys is carried out each time.
    `policies` and `registry` are on the same file. Raises UserError.
    """
    with policies.transaction():
        chain = policies.chain()
        applied = [one for one in policies.applied() if _still_there(registry, one)]
        result = resultant(chain, policies.linked_objects(chain), applied=applied)
        changes = result.changes()
        if not any(change.name is None for change in changes):
            changes = [change for change in changes if not _in_place(registry, change)]
        registry.apply(changes)
        policies.set_applied(result.applied())
    return result


def _still_there(registry: Registry, one: Applied) -> bool:
    """Whether what policy wrote is still in the registry. A template's value that somebody has
    changed since is theirs; below the Policies keys all is policy's."""
    found = registry.get(one.value.key, one.value.name)
    if found is None:
        return False
    return _is_taken_back(one) or (found.type, found.data) == (one.value.type, one.value.data)


def _in_place(registry: Registry, change: Change) -> bool:
    found = registry.get(change.key, change.name or "")
    if isinstance(change, RegistryDeletion):
        return found is None
    return found is not None and (found.type, found.data) == (change.type, change.data)


def _parts(policy: PolicyObject) -> Iterator[tuple[Extension, Sequence[Change]]]:
    yield "registry", policy.registry or ()
    yield "security", policy.security or ()


def _claims(table: _Table, step: Step, policy: PolicyObject, extension: Extension) -> None:
    changes: Sequence[Change] | None
    if extension == "registry":
        changes, guid = policy.registry, REGISTRY_EXTENSION
    else:
        changes, guid = policy.security, SECURITY_EXTENSION
    if policy.names_extension(guid):
        for change in changes or ():
            table.process(Claim(step, extension, change))
    else:
        for change in changes or ():
            table.exclude(Claim(step, extension, change, "extension-not-named"))


_Identity = tuple[str, str | None, bool]


class _Table:
    """The values while the extensions run."""

    def __init__(self) -> None:
        self._rows: dict[_Identity, Effective] = {}
        #: folded key -> folded names of its values
        self._names: dict[str, dict[str, Effective]] = {}
        #: folded key -> the folded keys below it that have values
        self._below: dict[str, set[str]] = {}

    def process(self, claim: Claim) -> None:
        """The claim comes true, for now."""
        change = claim.change
        if isinstance(change, RegistryDeletion) and change.name is None:
            self._delete_key(claim, change)
        self._win(self._row(change), claim)

    def exclude(self, claim: Claim) -> None:
        """The claim never takes part."""
        if claim.change.name is not None:
            self._row(claim.change).claims.append(claim)

    def remember(self, one: Applied) -> None:
        """What was written by an earlier policy, and is not said by this one."""
        row = self._row(one.value)
        if row.state == "not defined" and (deletion := self._key_deletion(one.value)) is not None:
            self._win(row, deletion)
        elif row.state == "not defined":
            row.applied = one
            row.state = "removed" if _is_taken_back(one) else "tattooed"
            row.value = None if row.state == "removed" else one.value

    def _key_deletion(self, value: RegistryValue) -> Claim | None:
        """The claim that deletes the key of the value, or all of its values."""
        key = fold(value.key)
        row = self._rows.get((key, None, True))
        while row is None and key:
            row = self._rows.get((key, None, False))
            key = key.rpartition("\\")[0]
        return None if row is None else row.winner

    def sorted(self) -> list[Effective]:
        return [self._rows[identity] for identity in sorted(self._rows, key=_sort_key)]

    def _win(self, row: Effective, claim: Claim) -> None:
        row.claims.append(claim)
        row.winner = claim
        row.value = claim.change if isinstance(claim.change, RegistryValue) else None
        row.state = "deleted" if row.value is None else "defined"

    def _delete_key(self, claim: Claim, deletion: RegistryDeletion) -> None:
        key = fold(deletion.key)
        keys = [key] if deletion.values_only else [key, *self._below.get(key, ())]
        for each in keys:
            for row in self._names.get(each, {}).values():
                if row.winner is not None:
                    self._win(row, claim)

    def _row(self, change: Change) -> Effective:
        key = fold(change.key)
        if change.name is None:
            identity: _Identity = (key, None, change.values_only)
        else:
            identity = (key, fold(change.name), False)
        row = self._rows.get(identity)
        if row is None:
            row = self._rows[identity] = Effective(change.key, change.name)
            if identity[1] is not None:
                self._index(key, identity[1], row)
        return row

    def _index(self, key: str, name: str, row: Effective) -> None:
        names = self._names.get(key)
        if names is not None:
            names[name] = row
            return
        self._names[key] = {name: row}
        above = key.rpartition("\\")[0]
        while above:
            self._below.setdefault(above, set()).add(key)
            above = above.rpartition("\\")[0]


def _sort_key(identity: _Identity) -> tuple[list[str], bool, str]:
    key, name, _ = identity
    return key.split("\\"), name is not None, name or ""


def _is_taken_back(one: Applied) -> bool:
    """Whether Windows takes the value back when its object is gone."""
    return one.extension == "registry" and (fold(one.value.key) + "\\").startswith(_POLICY_KEYS)


def _wanted(change: Change) -> str:
    if isinstance(change, RegistryDeletion):
        return "it deleted"
    data = _data_json(change)
    return f"{TYPE_NAMES.get(change.type, change.type)} {data!r}"


# JSON


def _step_json(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {
        "object": step.name,
        "guid": step.guid,
        "som": step.som,
        "link_order": step.order,
        "enforced": step.enforced,
    }
    if step.reason is not None:
        found |= {"reason": step.reason, "why": step.why}
    return found


def _claim_json(claim: Claim) -> dict[str, Any]:
    step = claim.step
    return {
        "object": step.name,
        "guid": step.guid,
        "som": step.som,
        "link_order": step.order,
        "enforced": step.enforced,
        "extension": claim.extension,
        "from": _EXTENSION_NAMES[claim.extension],
        **_change_json(claim.change),
    }


def _effective_json(value: Effective) -> dict[str, Any]:
    found: dict[str, Any] = {"key": value.key, "name": value.name, "state": value.state}
    if value.value is not None:
        found |= _change_json(value.value)
    found["winner"] = None if value.winner is None else _claim_json(value.winner)
    if value.applied is not None:
        one = value.applied
        found["applied_by"] = {"object": one.name, "guid": one.guid, "som": one.som}
    found["losers"] = [
        {**_claim_json(loser.claim), "reason": loser.reason, "why": loser.why, "same": loser.same}
        for loser in value.losers
    ]
    if note := value.note:
        found["note"] = note
    return found


def _change_json(change: Change) -> dict[str, Any]:
    if isinstance(change, RegistryDeletion):
        return {"type": None, "data": None}
    name = TYPE_NAMES.get(change.type, f"0x{change.type:08X}")
    return {"type": name, "data": _data_json(change)}


def _data_json(value: RegistryValue) -> int | str | list[str]:
    """Numbers and texts as such, other bytes, and those that do not fit their type, in hex."""
    try:
        meaning = value.meaning()
    except UserError:
        meaning = value.data
    return meaning.hex() if isinstance(meaning, bytes) else meaning
