"""An outcome in sentences, each with the section or article that it rests on."""

from __future__ import annotations

from paraph.policy.defaults import defaults
from paraph.policy.outcome_smb1 import level
from paraph.policy.predict import Machine, Prediction, predict
from paraph.policy.settings import SIGNING_SETTINGS
from paraph.policy.sides import DIALECT_NAMES, NT1, SMB3_DIALECTS, IdentityName, Outcome, Reading

_STATES = {None: "not there", 0: "disabled", 1: "enabled"}
_READINGS = {
    "A": "the specification, [MS-SMB] 3.2.1.1: off still signs where the other end requires it",
    "B": "the help text of the policies, TechNet cc786681: off does not sign",
}


def explain(
    client: Machine,
    server: Machine,
    dialect: int | None = None,
    identity: IdentityName = "user",
    *,
    encryption: bool | None = None,
    share: str = "",
    reading: Reading = "A",
) -> list[str]:
    """What `predict` says, and why, in full sentences; the first one is the answer.

    Raises UserError as `predict` does.
    """
    prediction = predict(
        client, server, dialect, identity, encryption=encryption, share=share, reading=reading
    )
    sentences = [
        *_answer(prediction),
        *_because(prediction.outcome),
        *_machine("client", client),
        *_machine("server", server),
        *_guest(client, identity),
        *_dialect(prediction),
        *_levels(prediction, reading),
        *_always_signed(prediction),
        *prediction.outcome.notes,
        *_other(prediction, reading),
    ]
    return list(dict.fromkeys(sentences))  # a note may belong to two settings


def _answer(prediction: Prediction) -> list[str]:
    result = prediction.outcome
    if not result.established:
        who = {"client": "The client refuses", "server": "The server refuses"}[result.refused_by]
        return [
            f"Refused: {who} the session at {result.fails_at}.",
            f"The user sees: {result.looks_like}.",
        ]
    if prediction.encrypted:
        return ["Established and encrypted; not signed, since encryption proves integrity too."]
    if result.signed:
        return [f"Established and signed with {result.algorithm}."]
    return ["Established, not signed: who is on the way can change what passes."]


def _because(result: Outcome) -> list[str]:
    return [f"{result.why} ({result.section})"]


def _machine(side: str, machine: Machine) -> list[str]:
    """The two settings of this end that matter, and where they come from."""
    known = defaults(machine.system, machine.role)
    sentences = []
    for setting in SIGNING_SETTINGS:
        if setting.side != side:
            continue
        cell = known.cell(setting.key)
        short = setting.display_name.rpartition("(")[2].rstrip(")")
        state = _STATES[machine.number(setting.key)]
        if machine.is_set(setting.key):
            origin = "as set"
        else:
            origin = f"the default of {machine.system.name} as {machine.role}"
            origin += f": {cell.source}"
        sentences.append(f"'{short}' of the {side} is {state} ({origin}).")
        if cell.note and not machine.is_set(setting.key):
            sentences.append(cell.note)
    return sentences


def _guest(client: Machine, identity: IdentityName) -> list[str]:
    if identity != "guest" or client.is_set("client-insecure-guest"):
        return []
    return [note for note in client.system.notes if "guest" in note]


def _dialect(prediction: Prediction) -> list[str]:
    if not prediction.dialect:
        return []
    name = DIALECT_NAMES[prediction.dialect]
    if prediction.dialect == NT1:
        return [f"They speak SMB1, dialect {name}; both settings of each end count."]
    return [
        f"They speak SMB {name}; only 'always' counts, the other two settings are ignored "
        "(Learn: overview of SMB signing)."
    ]


def _levels(prediction: Prediction, reading: Reading) -> list[str]:
    """SMB1: what the two settings of each end mean together."""
    if prediction.dialect != NT1:
        return []
    ours, theirs = level(prediction.client, reading), level(prediction.server, reading)
    return [
        f"Together the settings of the client mean {ours}, those of the server {theirs} "
        "([MS-SMB] 3.2.1.1, 3.3.1.1)."
    ]


def _always_signed(prediction: Prediction) -> list[str]:
    """What carries a signature though the session does not."""
    result = prediction.outcome
    if not result.established or result.signed or prediction.dialect == NT1:
        return []
    if prediction.identity != "user":
        return []
    messages = ["the final SESSION_SETUP response ([MS-SMB2] 3.3.5.5.3)"]
    if prediction.encrypted:
        return [f"Signed all the same: {messages[0]}."]
    if prediction.dialect == 0x0311:
        messages.append("TREE_CONNECT ([MS-SMB2] 3.2.4.2.4)")
    elif prediction.dialect in SMB3_DIALECTS:
        messages.append("FSCTL_VALIDATE_NEGOTIATE_INFO ([MS-SMB2] 3.2.5.5)")
    messages.append("whatever else the client chooses to sign ([MS-SMB2] 3.2.4.1.1)")
    return [f"Signed all the same: {'; '.join(messages)}."]


def _other(prediction: Prediction, reading: Reading) -> list[str]:
    """Where Microsoft's pages contradict each other: what the other one would have."""
    other = prediction.outcome.other
    if other is None:
        return []
    if prediction.dialect == NT1 and prediction.identity == "user":
        unapplied = "B" if reading == "A" else "A"
        return [
            f"Microsoft's pages contradict each other here. Applied is {_READINGS[reading]}. "
            f"Not applied is {_READINGS[unapplied]}; then it would be: {other.result}. {other.why}"
        ]
    return [
        "Microsoft's pages contradict each other here. Applied is Learn: SMB security hardening "
        "(guests are refused where signing is required). Not applied is [MS-SMB2] 3.1.1.1, which "
        f"exempts them; then it would be: {other.result}. {other.why}"
    ]
