"""Which links of a machine's SOMs count, in which order, and why a claim loses ([MS-GPOL] 3.2.5.1).

What is processed later wins: first the Registry extension over all objects, then the Security
extension over all objects, the objects each time in the order of `search`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from paraph.policy.gpo import Extension, Link, PolicyObject, Som
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryValue

Reason = Literal[
    # the link or the object does not count
    "link-disabled",
    "inheritance-blocked",
    "object-missing",
    "machine-disabled",
    "empty",
    "filtered",
    "extension-not-named",
    # it counts, but something is stronger
    "security-extension",
    "enforced",
    "enforced-above",
    "nearer",
    "link-order",
    "same-object",
]


@dataclass(frozen=True, slots=True)
class Step:
    """A link that counts or, with `reason`, does not."""

    guid: str
    name: str  #: of the object; "" if it is not there
    som: str
    order: int  #: the link order, 1 for the first
    enforced: bool
    reason: Reason | None = None
    detail: str = ""  #: which SOM blocks, or why it was filtered

    @property
    def why(self) -> str:
        """Why it does not count, a sentence; "" if it does."""
        return "" if self.reason is None else _WHY[self.reason].format(detail=self.detail)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one object wants of one value."""

    step: Step
    extension: Extension
    change: Change
    #: Set where the object counts, but this extension does not run for it.
    reason: Reason | None = None

    @property
    def excluded(self) -> Reason | None:
        """Why it never took part, None if it did."""
        return self.step.reason or self.reason


@dataclass(frozen=True, slots=True)
class Loser:
    """A claim that did not come through, and why."""

    claim: Claim
    reason: Reason
    why: str  #: a sentence
    same: bool  #: it wanted what the winner wants


def search(
    chain: Sequence[Som], objects: Mapping[str, PolicyObject], filtered: Mapping[str, str]
) -> tuple[list[Step], list[Step]]:
    """The links that count in processing order, and those that do not ([MS-GPOL] 3.2.5.1.5)."""
    local: list[Step] = []
    enforced: list[Step] = []
    others: list[Step] = []  # strongest first, as they are met; the specification prepends
    ignored: list[Step] = []
    blocked_by = ""  # Allow-Enforced-GPOs-Only
    for som in chain:
        for number, link in enumerate(som.links, 1):
            step = _step(som, number, link, objects, filtered, blocked_by)
            if step.reason is not None:
                ignored.append(step)
            elif som.kind == "local":
                local.append(step)
            elif step.enforced:
                enforced.append(step)
            else:
                others.append(step)
        if som.block_inheritance and not blocked_by:
            blocked_by = som.path
    return [*reversed(local), *reversed(others), *enforced], ignored


def _step(
    som: Som,
    number: int,
    link: Link,
    objects: Mapping[str, PolicyObject],
    filtered: Mapping[str, str],
    blocked_by: str,
) -> Step:
    policy = objects.get(link.guid)
    reason: Reason | None = None
    detail = ""
    enforced = link.enforced and som.kind != "local"
    if link.disabled:
        reason, enforced = "link-disabled", False  # the disabled bit hides the other, 2.2.2
    elif blocked_by and not enforced and som.kind != "local":
        reason, detail = "inheritance-blocked", blocked_by
    elif policy is None:
        reason = "object-missing"
    elif not policy.machine_enabled:
        reason = "machine-disabled"
    elif link.guid in filtered:
        reason, detail = "filtered", filtered[link.guid]
    elif not policy.version & 0xFFFF:
        reason = "empty"
    name = policy.name if policy is not None else ""
    return Step(link.guid, name, som.path, number, enforced, reason, detail)


# Why


_WHY: dict[Reason, str] = {
    "link-disabled": "The link is disabled.",
    "inheritance-blocked": "{detail} blocks inheritance, and the link is not enforced.",
    "object-missing": "The object is not there.",
    "machine-disabled": "The computer half of the object is disabled.",
    "empty": "The object's version says that it has no computer settings (0).",
    "filtered": "The object does not apply to this machine: {detail}.",
    "extension-not-named": "The object does not name the extension that would apply it.",
    "security-extension": "The Security extension of {winner} runs after the Registry extension.",
    "enforced": "The link of {winner} is enforced.",
    "enforced-above": "The link of {winner} is enforced too, and further from the machine.",
    "nearer": "{winner} is linked nearer to the machine.",
    "link-order": "{winner} is linked to the same place and processed later.",
    "same-object": "The same object says otherwise further down.",
}


def loser_of(claim: Claim, winner: Claim | None) -> Loser:
    """`claim` against what came of its value; None where nobody has set it."""
    equal = winner is not None and same(claim.change, winner.change)
    reason = claim.excluded
    if reason is not None:
        return Loser(claim, reason, _WHY[reason].format(detail=claim.step.detail), equal)
    if winner is None:
        raise ValueError("a claim took part, and nobody won")
    reason = _beaten(claim, winner)
    by = f"{winner.step.name!r} ({winner.step.som})"
    return Loser(claim, reason, _WHY[reason].format(winner=by), equal)


def _beaten(loser: Claim, winner: Claim) -> Reason:
    """Why `winner`, which was processed later, stands above."""
    if loser.extension != winner.extension:
        return "security-extension"
    ours, theirs = loser.step, winner.step
    if ours == theirs:
        return "same-object"
    if theirs.enforced and not ours.enforced:
        return "enforced"
    if ours.som == theirs.som:
        return "link-order"
    return "enforced-above" if theirs.enforced else "nearer"


def same(one: Change, other: Change) -> bool:
    """Whether two changes of one value come to the same."""
    if isinstance(one, RegistryValue) and isinstance(other, RegistryValue):
        return (one.type, one.data) == (other.type, other.data)
    return isinstance(one, RegistryDeletion) and isinstance(other, RegistryDeletion)
