"""`paraph policy objects`, `link`, `unlink`, `remove`, `inheritance`, `move`, `resultant`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paraph.cli.policy_options import JsonOption, NowOption, StateOption

if TYPE_CHECKING:
    from paraph.policy.gpo import PolicyStore
    from paraph.policy.resultant import Effective, Resultant

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A policy object, by name or GUID.")
]
PlaceArgument = Annotated[
    str,
    typer.Argument(metavar="PLACE", help="Local, Site, Domain, or an OU: 'OU=Servers,OU=HQ'."),
]


def objects(json: JsonOption = False, state: StateOption = None) -> None:
    """List the policy objects, and where they are linked.

    \b
    Example:
      paraph policy objects
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import reading
    from paraph.policy.gpo import PolicyStore

    with reading(state) as registry:
        if registry is None:
            found, soms, location = [], [], "Domain"
        else:
            policies = PolicyStore(registry)
            found, soms, location = policies.objects(), policies.soms(), policies.location()
    links = [(som, number, link) for som in soms for number, link in enumerate(som.links, start=1)]
    if json:
        tables.say_json(
            {
                "machine": location,
                "objects": [
                    {
                        "name": one.name,
                        "guid": one.guid,
                        "values": len(one.security or ()) + len(one.registry or ()),
                        "enabled": one.machine_enabled,
                        "links": [
                            {
                                "som": som.path,
                                "order": number,
                                "enforced": link.enforced,
                                "disabled": link.disabled,
                            }
                            for som, number, link in links
                            if link.guid == one.guid
                        ],
                    }
                    for one in found
                ],
                "blocked": [som.path for som in soms if som.block_inheritance],
            }
        )
        return
    if not found:
        tables.say(
            "There are no policy objects: `paraph policy import FILE --as Domain` makes one."
        )
        return
    rows = []
    for one in found:
        where = [
            f"{som.path} ({number}"
            + (", enforced" if link.enforced else "")
            + (", disabled" if link.disabled else "")
            + ")"
            for som, number, link in links
            if link.guid == one.guid
        ]
        values = str(len(one.security or ()) + len(one.registry or ()))
        rows.append((one.name[:36], values, "; ".join(where) or "not linked"))
    for line in tables.table(("Object", "Values", "Linked to (order)"), rows):
        tables.say(line)
    tables.say()
    tables.say(f"This machine is in {location}.")
    for som in soms:
        if som.block_inheritance:
            tables.say(f"{som.path} blocks inheritance.")


def link(
    name: NameArgument,
    place: PlaceArgument,
    order: Annotated[
        int | None, typer.Option("--order", help="The place among the links: 1 is the first.")
    ] = None,
    enforced: Annotated[bool, typer.Option("--enforced", help="Nothing nearer wins over it.")] = (
        False
    ),
    disabled: Annotated[bool, typer.Option("--disabled", help="Kept, and not applied.")] = False,
    now: NowOption = False,
    state: StateOption = None,
) -> None:
    """Link a policy object to a place, or change the link.

    \b
    Examples:
      paraph policy link "Signing" "OU=Servers" --enforced
      paraph policy link "Signing" Domain --disabled
    """

    def change(policies: PolicyStore) -> str:
        policy = policies.find(name)
        policies.link(policy.guid, place, order=order, enforced=enforced, disabled=disabled)
        return f"'{policy.name}' is linked to {policies.som(place).path}."

    _change(change, now, state)


def unlink(
    name: NameArgument, place: PlaceArgument, now: NowOption = False, state: StateOption = None
) -> None:
    """Take a link away; the object stays.

    \b
    Example:
      paraph policy unlink "Signing" "OU=Servers"
    """

    def change(policies: PolicyStore) -> str:
        policy = policies.find(name)
        policies.unlink(policy.guid, place)
        return f"'{policy.name}' is not linked to {policies.som(place).path} any more."

    _change(change, now, state)


def remove(name: NameArgument, now: NowOption = False, state: StateOption = None) -> None:
    """Remove a policy object and all links to it.

    \b
    Example:
      paraph policy remove "Signing"
    """

    def change(policies: PolicyStore) -> str:
        policy = policies.find(name)
        policies.remove(policy.guid)
        return f"'{policy.name}' is removed."

    _change(change, now, state)


def inheritance(
    place: PlaceArgument,
    block: Annotated[
        bool,
        typer.Option("--block/--allow", help="Take only enforced links from above, or all."),
    ],
    now: NowOption = False,
    state: StateOption = None,
) -> None:
    """Block or allow what a place inherits from above.

    \b
    Example:
      paraph policy inheritance "OU=Servers" --block
    """

    def change(policies: PolicyStore) -> str:
        policies.block_inheritance(place, block)
        path = policies.som(place).path
        return f"{path} blocks inheritance." if block else f"{path} inherits from above."

    _change(change, now, state)


def move(place: PlaceArgument, now: NowOption = False, state: StateOption = None) -> None:
    """Say in which OU or domain this machine is.

    Local is for a machine of no domain.

    \b
    Example:
      paraph policy move "OU=Servers,OU=HQ"
    """

    def change(policies: PolicyStore) -> str:
        policies.move(place)
        return f"This machine is in {policies.location()}."

    _change(change, now, state)


def _change(change: Callable[[PolicyStore], str], now: bool, state: Path | None) -> None:
    """Change what is linked where, and apply what follows from it, in one transaction."""
    from paraph.cli import tables
    from paraph.cli.policy_settings import say_ended
    from paraph.cli.policy_state import refreshed, writing
    from paraph.policy.gpo import PolicyStore

    with writing(state) as registry:
        policies = PolicyStore(registry)
        with policies.transaction():
            said = change(policies)
            refreshed(registry)
    tables.say(said)
    if now:
        say_ended(state)


def resultant(
    machine: Annotated[
        str,
        typer.Option(
            "--machine",
            metavar="PLACE",
            help="For a machine in that place, such as 'OU=Servers', instead of this one.",
            show_default=False,
        ),
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Also values that are none of Paraph's settings.")
    ] = False,
    json: JsonOption = False,
    state: StateOption = None,
) -> None:
    """Tell which policy object wins, which loses, and why.

    \b
    Examples:
      paraph policy resultant
      paraph policy resultant --machine "OU=Servers,OU=HQ" --json
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import own_resultant, reading
    from paraph.policy import resultant as policy_resultant
    from paraph.policy.gpo import PolicyStore, parse_som

    if machine:
        parse_som(machine)
    with reading(state) as registry:
        if registry is None:
            found = policy_resultant.resultant((), {})
        elif machine:
            policies = PolicyStore(registry)
            chain = policies.chain(machine)
            found = policy_resultant.resultant(chain, policies.linked_objects(chain))
        else:
            found = own_resultant(registry)
    if json:
        tables.say_json(_json(found))
        return
    tables.say(f"A machine in {found.location or 'Domain'}", bold=True)
    tables.say()
    for number, step in enumerate(found.order, start=1):
        enforced = ", enforced" if step.enforced else ""
        tables.say(f"  {number}. {step.name} ({step.som}{enforced})")
    if not found.order:
        tables.say("  No policy object applies.")
    for step in found.ignored:
        name = step.name or step.guid
        tables.say(tables.paragraph(step.why, "     ", f"  -  {name} ({step.som}): "), tables.DIM)
    if found.order:
        tables.say("  (Applied in this order: the last one wins.)")
    tables.say()
    shown = [value for value in found.values if every or _setting(value)]
    for value in shown:
        _tell(value)
    hidden = len(found.values) - len(shown)
    if hidden:
        tables.say(f"{hidden} more values are none of Paraph's settings (--all shows them).")


def _setting(value: Effective) -> Any:
    from paraph.policy.settings import setting_at

    return setting_at(value.key, value.name) if value.name is not None else None


def _words(value: Effective, change: Any) -> str:
    """What a change wants, in words."""
    from paraph.policy.registry_value import RegistryValue

    if not isinstance(change, RegistryValue):
        return "deleted"
    setting = _setting(value)
    if setting is not None:
        return str(setting.describe(setting.read(change)[0]))
    from paraph.cli.registry import data_text

    return data_text(change)


def _tell(value: Effective) -> None:
    from paraph.cli import tables

    setting = _setting(value)
    name = setting.key if setting else f"{value.key}\\{value.name or '(whole key)'}"
    words = _words(value, value.value) if value.value is not None else value.state
    tables.say(f"{name}: {words}", bold=True)
    if value.winner is not None:
        step = value.winner.step
        tables.say(tables.paragraph(f"won by '{step.name}' ({step.som})", "    ", "  "))
    for loser in value.losers:
        step = loser.claim.step
        first = f"  lost: '{step.name}' ({step.som}), {_words(value, loser.claim.change)}: "
        tables.say(tables.paragraph(first + loser.why, "    ", ""), tables.DIM)
    if value.note:
        tables.say(tables.paragraph(value.note, "    ", "  "), tables.WARN)
    tables.say()


def _json(found: Resultant) -> dict[str, Any]:
    data = found.to_json()
    for one, value in zip(data["values"], found.values, strict=True):
        setting = _setting(value)
        one["setting"] = None if setting is None else setting.key
    return data
