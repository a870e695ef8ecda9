"""What a change of settings would do to the peers of a machine: who would be refused, who would
start signing, who is not affected, each with its reason.

Every answer is `policy.predict` asked twice, with the machine as it is and as proposed. Peers that
are alike are asked about once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from paraph.errors import UserError
from paraph.policy.peers import Peer
from paraph.policy.predict import Machine, Prediction, predict
from paraph.policy.setting import SideName
from paraph.policy.settings import ENABLED, State, find_setting
from paraph.policy.sides import DIALECT_NAMES, IdentityName, Outcome, Reading

Effect = Literal[
    "refused",  # had a session, would not
    "still-refused",  # has none, would have none
    "starts-signing",
    "starts-encrypting",
    "stops-protection",  # was signed or encrypted, would be neither
    "changes",  # is protected in another way, or by another algorithm or dialect
    "admitted",  # has no session, would have one
    "unaffected",
]
EFFECTS = cast(tuple[Effect, ...], get_args(Effect))
"""In the order in which they matter."""

EFFECT_TITLES: dict[Effect, str] = {
    "refused": "would be refused",
    "still-refused": "are refused already",
    "starts-signing": "would start signing",
    "starts-encrypting": "would start encrypting",
    "stops-protection": "would be neither signed nor encrypted any more",
    "changes": "would be protected otherwise",
    "admitted": "would be let in",
    "unaffected": "are not affected",
}


@dataclass(slots=True)
class Group:
    """Peers that are alike, and what becomes of them."""

    side: SideName  #: what the changed machine is to them: "server", or "client" of theirs
    peer: Machine
    identity: IdentityName
    before: Prediction
    after: Prediction
    effect: Effect
    reason: str  #: full sentences, with the section
    remedy: str = ""  #: what would keep a refused peer, a sentence; "" if nothing is known
    disputed: str = ""  #: where Microsoft's pages contradict each other, a sentence
    names: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.names)


@dataclass(slots=True)
class Forecast:
    """All groups, those that matter most first."""

    now: Machine
    proposed: Machine
    groups: list[Group]
    peers: int  #: how many were read
    #: names of the peers that can not be a server, where the client side is asked about
    no_server: list[str]

    def count(self, effect: Effect, side: SideName | None = None) -> int:
        """How many peers that effect has."""
        return sum(
            group.count
            for group in self.groups
            if group.effect == effect and side in (None, group.side)
        )

    def of(self, effect: Effect) -> list[Group]:
        """The groups with that effect, the largest first."""
        return [group for group in self.groups if group.effect == effect]

    @property
    def breaks_nobody(self) -> bool:
        """Nobody who has a session now would be refused."""
        return not self.count("refused")

    def to_json(self) -> dict[str, Any]:
        """All of it, in what the json module takes."""
        return {
            "peers": self.peers,
            "proposed": {key: state.value for key, state in _changed(self.now, self.proposed)},
            "effects": {effect: self.count(effect) for effect in EFFECTS},
            "groups": [_group_json(group) for group in self.groups],
            "no_server": self.no_server,
        }


def forecast(
    peers: Iterable[Peer],
    now: Machine,
    proposed: Machine,
    sides: Iterable[SideName] = ("server",),
    *,
    share: str = "",
    reading: Reading = "A",
) -> Forecast:
    """What becomes of each peer when `now` is set as `proposed`.

    Args:
        peers: read once, so it may be a generator; only their names are kept.
        sides: "server" takes the peers for clients of the machine, "client" for its servers.
        share: as of `predict`: SYSVOL and NETLOGON have rules of their own.

    Raises UserError as the peers do when they are read.
    """
    wanted = tuple(dict.fromkeys(sides))
    groups: dict[tuple[SideName, Machine, IdentityName], Group] = {}
    # Machines that are the same object are looked up without hashing them: it takes a while.
    quick: dict[tuple[SideName, int, IdentityName], Group] = {}
    no_server: list[str] = []
    count = 0
    for peer in peers:
        count += 1
        for side in wanted:
            if side == "client" and peer.machine.system.client_only:
                no_server.append(peer.name)
                continue
            fast = (side, id(peer.machine), peer.identity)
            group = quick.get(fast)
            if group is None or group.peer is not peer.machine:
                key = (side, peer.machine, peer.identity)
                if key not in groups:
                    groups[key] = _judge(
                        side, peer.machine, peer.identity, now, proposed, share, reading
                    )
                group = quick[fast] = groups[key]
            group.names.append(peer.name)
    ordered = sorted(groups.values(), key=lambda one: (EFFECTS.index(one.effect), -one.count))
    return Forecast(now, proposed, ordered, count, no_server)


def sides_of(keys: Iterable[str]) -> tuple[SideName, ...]:
    """The sides that settings of these names belong to. Raises UserError for unknown ones."""
    found = {find_setting(key).side for key in keys}
    return tuple(side for side in ("server", "client") if side in found)


def _judge(
    side: SideName,
    peer: Machine,
    identity: IdentityName,
    now: Machine,
    proposed: Machine,
    share: str,
    reading: Reading,
) -> Group:
    def ask(machine: Machine, other: Machine = peer) -> Prediction:
        client, server = (other, machine) if side == "server" else (machine, other)
        return predict(client, server, identity=identity, share=share, reading=reading)

    before, after = ask(now), ask(proposed)
    effect = _effect(before, after)
    group = Group(side, peer, identity, before, after, effect, _reason(effect, before, after))
    if effect in ("refused", "still-refused"):
        group.remedy = next(
            (
                sentence
                for machine, other, sentence in _remedies(side, peer, proposed)
                if ask(machine, other).outcome.established
            ),
            "",
        )
    group.disputed = _disputed(before, after, effect)
    return group


def _protection(prediction: Prediction) -> str:
    if not prediction.outcome.established:
        return "refused"
    return "encrypted" if prediction.encrypted else prediction.outcome.result


def _effect(before: Prediction, after: Prediction) -> Effect:
    was, will = _protection(before), _protection(after)
    if will == "refused":
        return "still-refused" if was == "refused" else "refused"
    if was == "refused":
        return "admitted"
    if was != will:
        if will == "unsigned":
            return "stops-protection"
        if was == "unsigned":
            return "starts-signing" if will == "signed" else "starts-encrypting"
        return "changes"
    same = (before.dialect, before.outcome.algorithm) == (after.dialect, after.outcome.algorithm)
    return "unaffected" if same else "changes"


def _reason(effect: Effect, before: Prediction, after: Prediction) -> str:
    result = after.outcome
    reason = f"{result.why} ({result.section})"
    if effect == "changes":
        return f"{_described(before)}, then {_described(after)}. {reason}"
    if result.established:
        return reason
    return f"{reason} It fails at {result.fails_at}; the user sees: {result.looks_like}."


def _described(prediction: Prediction) -> str:
    how = prediction.outcome.algorithm or _protection(prediction)
    return f"Now {how}" if not prediction.dialect else f"{DIALECT_NAMES[prediction.dialect]}, {how}"


def _disputed(before: Prediction, after: Prediction, effect: Effect) -> str:
    """Where the other reading of Microsoft's pages would end otherwise."""
    if before.outcome.other is None and after.outcome.other is None:
        return ""
    other = _other_effect(before, after)
    if other == effect:
        return ""
    return (
        f"By the other reading of Microsoft's pages these {EFFECT_TITLES[other]}; "
        "`paraph policy explain` names both."
    )


def _other_effect(before: Prediction, after: Prediction) -> Effect:
    def as_other(prediction: Prediction) -> Prediction:
        other: Outcome = prediction.outcome.other or prediction.outcome
        return Prediction(
            other,
            prediction.dialect,
            prediction.encrypted,
            prediction.identity,
            prediction.client,
            prediction.server,
        )

    return _effect(as_other(before), as_other(after))


def _remedies(
    side: SideName, peer: Machine, proposed: Machine
) -> Iterator[tuple[Machine, Machine, str]]:
    """(the machine, the peer, what was done to which) to try; none of them weakens the machine."""
    other = "client" if side == "server" else "server"
    for key in ("if-server-agrees" if other == "client" else "if-client-agrees", "always"):
        changed = _with(peer, f"{other}-{key}", ENABLED)
        yield proposed, changed, f"Setting {other}-{key} on the peer to enabled would keep it."
    if side == "server":
        w9x = _with(proposed, "server-w9x-signing", ENABLED)
        yield w9x, peer, "Setting server-w9x-signing to enabled as well would keep it."
        both = _with(peer, "client-if-server-agrees", ENABLED)
        yield (
            w9x,
            both,
            "Setting server-w9x-signing to enabled as well, and client-if-server-agrees on the "
            "peer, would keep it.",
        )


def _with(machine: Machine, key: str, state: State) -> Machine:
    return machine.set_to({key: state})


def _changed(now: Machine, proposed: Machine) -> list[tuple[str, State]]:
    before = dict(now.settings)
    return [(key, state) for key, state in proposed.settings if before.get(key) != state]


def propose(now: Machine, assignments: Iterable[str]) -> tuple[Machine, tuple[SideName, ...]]:
    """(`now` with "key=value" assignments, the sides they are about). Keys are any name of a
    setting. Raises UserError for what can not be understood, and for a key given two values."""
    states: dict[str, State] = {}
    for text in assignments:
        name, equals, value = text.rpartition("=")
        if not equals or not name.strip():
            raise UserError(f"{text!r} is no assignment: write key=value.")
        setting = find_setting(name)
        state = setting.parse(value)
        if states.setdefault(setting.key, state) != state:
            raise UserError(f"{setting.key!r} is given two values.")
    if not states:
        raise UserError("Nothing is proposed: name a change, as in server-always=enabled.")
    return now.set_to(states), sides_of(states)


# JSON


def _group_json(group: Group) -> dict[str, Any]:
    return {
        "side": group.side,
        "effect": group.effect,
        "count": group.count,
        "os": group.peer.system.key,
        "role": group.peer.role,
        "identity": group.identity,
        "settings": {key: state.value for key, state in group.peer.settings if state.defined},
        "before": _prediction_json(group.before),
        "after": _prediction_json(group.after),
        "reason": group.reason,
        "remedy": group.remedy or None,
        "disputed": group.disputed or None,
        "names": group.names,
    }


def _prediction_json(prediction: Prediction) -> dict[str, Any]:
    result = prediction.outcome
    return {
        "result": _protection(prediction),
        "dialect": DIALECT_NAMES.get(prediction.dialect),
        "algorithm": result.algorithm or None,
        "refused_by": result.refused_by or None,
        "fails_at": result.fails_at or None,
        "looks_like": result.looks_like or None,
        "section": result.section,
    }
