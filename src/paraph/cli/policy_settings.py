"""`paraph policy list`, `show`, `set`, `unset` and `defaults`: the settings of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paraph.cli.policy_options import (
    JsonOption,
    KeyArgument,
    NowOption,
    StateOption,
    complete_role,
    complete_system,
)

if TYPE_CHECKING:
    from paraph.policy.predict import Machine
    from paraph.policy.registry import Registry
    from paraph.policy.settings import Setting, State


def list_(
    defined: Annotated[
        bool, typer.Option("--defined", help="Only the settings that are defined.")
    ] = False,
    json: JsonOption = False,
    state: StateOption = None,
) -> None:
    """List the settings: what is defined, in force, and from where.

    \b
    Examples:
      paraph policy list
      paraph policy list --defined --json
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import governors, lookup_of, reading, this_machine
    from paraph.policy.settings import SETTINGS, SIGNING_SETTINGS

    with reading(state) as registry:
        machine, deciding = this_machine(lookup_of(registry)), governors(registry)
        facts = [_facts(setting, registry, machine, deciding) for setting in SETTINGS]
    facts = [one for one in facts if one["value"] is not None or not defined]
    if json:
        tables.say_json(facts)
        return
    signing = {setting.key for setting in SIGNING_SETTINGS}
    for title, wanted in (("Signing", True), ("Related", False)):
        rows = [
            (one["key"], one["state"], one["effective_text"], one["source"])
            for one in facts
            if (one["key"] in signing) is wanted
        ]
        if rows:
            tables.say(title, bold=True)
            for line in tables.table(("Key", "Defined", "In force", "From"), rows):
                tables.say(line)
            tables.say()
    if not facts:
        tables.say("Nothing is defined: every setting has its default (`paraph policy list`).")
    tables.notes(one["remark"] for one in facts if one["remark"])


def _facts(
    setting: Setting, registry: Registry | None, machine: Machine, deciding: dict[str, str]
) -> dict[str, Any]:
    """One setting of this machine; these are the keys of the JSON."""
    from paraph.cli.policy_state import lookup_of
    from paraph.policy.settings import State, state_from

    current, remark = state_from(setting, lookup_of(registry))
    effective = State(machine.number(setting.key))
    source = "default"
    if current.defined:
        source = deciding.get(setting.key, "registry")
    return {
        "key": setting.key,
        "display_name": setting.display_name,
        "side": setting.side,
        "state": setting.describe(current),
        "value": current.value,
        "effective": effective.value,
        "effective_text": setting.describe(effective),
        "source": source,
        "remark": remark,
    }


def show(key: KeyArgument, json: JsonOption = False, state: StateOption = None) -> None:
    """Tell what one setting does, its names and its value here.

    \b
    Examples:
      paraph policy show server-always
      paraph policy show "Digitally sign server communication (always)" --json
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import governors, lookup_of, reading, this_machine
    from paraph.policy.settings import State, find_setting

    setting = find_setting(key)
    with reading(state) as registry:
        machine = this_machine(lookup_of(registry))
        found = _facts(setting, registry, machine, governors(registry))
    if json:
        tables.say_json({**found, **_about(setting)})
        return
    tables.say(setting.display_name, bold=True)
    tables.say()
    tables.say(tables.paragraph(setting.explanation))
    tables.say()
    default = setting.describe(State(setting.default))
    if setting.default_note:
        default = f"{default}; {setting.default_note}"
    pairs = [
        ("Key", setting.key),
        ("In force", f"{found['effective_text']} ({found['source']})"),
        ("Defined", found["state"]),
        ("Takes", setting.accepted()),
        ("Windows", default),
        ("Impact", setting.impact),
        ("Advice", setting.best_practice),
        ("GP folder", setting.group_policy_path),
        ("In 2000", setting.windows_2000_name),
        ("Policy key", f"HKLM\\{setting.policy_key}" if setting.policy_key else ""),
        ("Local key", setting.registry_key),
        ("Value", setting.registry_value),
        ("PowerShell", f"{setting.cmdlet} -{setting.powershell}" if setting.powershell else ""),
        ("OMA-URI", setting.mdm_uri),
        ("Since", setting.since),
        ("Source", setting.source),
    ]
    for line in tables.facts(pairs):
        tables.say(line)
    tables.notes([found["remark"]] if found["remark"] else [])


def _about(setting: Setting) -> dict[str, Any]:
    return {
        "explanation": setting.explanation,
        "impact": setting.impact,
        "best_practice": setting.best_practice,
        "windows_default": setting.default,
        "windows_default_note": setting.default_note,
        "accepted": setting.accepted(),
        "group_policy_path": setting.group_policy_path,
        "windows_2000_name": setting.windows_2000_name,
        "policy_key": setting.policy_key,
        "local_key": setting.local_key,
        "registry_value": setting.registry_value,
        "powershell": f"{setting.cmdlet} -{setting.powershell}" if setting.powershell else "",
        "oma_uri": setting.mdm_uri,
        "since": setting.since,
        "source_of_facts": setting.source,
    }


def set_(
    key: KeyArgument,
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="enabled, disabled, a number, or a dialect such as 3.1.1.",
            show_default=False,
        ),
    ],
    now: NowOption = False,
    state: StateOption = None,
) -> None:
    """Set a setting of this machine. A running server sees it at the next session.

    \b
    Examples:
      paraph policy set server-always enabled
      paraph policy set server-min-dialect 3.0 --now
      paraph policy set server-auth-delay 3000
    """
    from paraph.policy.settings import find_setting

    setting = find_setting(key)
    _change(setting, setting.parse(value), now, state)


def unset(key: KeyArgument, now: NowOption = False, state: StateOption = None) -> None:
    """Take a setting back to Not Defined, which is its default.

    \b
    Example:
      paraph policy unset server-always
    """
    from paraph.policy.settings import NOT_DEFINED, find_setting

    _change(find_setting(key), NOT_DEFINED, now, state)


def _change(setting: Setting, wanted: State, now: bool, state: Path | None) -> None:
    from paraph.cli import tables
    from paraph.cli.policy_state import (
        folder_of,
        lookup_of,
        reading,
        set_state,
        this_machine,
        writing,
    )
    from paraph.policy.settings import State

    exists = folder_of(state).exists()
    before = State()
    if wanted.defined or exists:  # taking back what nobody has set makes no state
        with writing(state) as registry:
            before = set_state(registry, setting, wanted)
    text = f"{setting.key} is {setting.describe(wanted)} (it was {setting.describe(before)})."
    with reading(state) as found:
        effective = State(this_machine(lookup_of(found)).number(setting.key))
    if not wanted.defined:
        text += f" In force is the default, {setting.describe(effective)}."
    tables.say(tables.paragraph(text))
    if now:
        say_ended(state)


def say_ended(state: Path | None) -> None:
    """End the sessions that no longer comply, and tell which. Raises UserError."""
    from paraph.cli import tables
    from paraph.cli.policy_state import end_now

    ended = end_now(state)
    if not ended:
        tables.say("All sessions comply.")
    for line in ended:
        tables.say(tables.paragraph(line, "  ", "Ended: "), tables.WARN)


def defaults(
    os: Annotated[
        str,
        typer.Option(
            "--os",
            metavar="NAME",
            help="A system, such as 'Windows Server 2003'.",
            autocompletion=complete_system,
            show_default=False,
        ),
    ] = "",
    role: Annotated[
        str,
        typer.Option(
            "--role",
            metavar="ROLE",
            help="workstation, member-server, domain-controller or stand-alone.",
            autocompletion=complete_role,
            show_default=False,
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Tell how a system comes: the four signing policies by role.

    Without --os, a table of all systems.

    \b
    Examples:
      paraph policy defaults --os "Windows Server 2003" --role member-server
      paraph policy defaults
    """
    from paraph.cli import tables
    from paraph.errors import UserError
    from paraph.policy.defaults import defaults as look_up
    from paraph.policy.defaults import find_role, find_system
    from paraph.policy.matrix import defaults_matrix, render
    from paraph.policy.settings import SIGNING_SETTINGS
    from paraph.policy.sides import DIALECT_NAMES

    if not os:
        if role:
            raise UserError("--role needs --os: whose role?")
        typer.echo(render(defaults_matrix(), "json" if json else "text"), nl=False)
        return
    system = find_system(os)
    found = look_up(system, find_role(role) if role else None)
    cells = [(setting, found.cell(setting.key)) for setting in SIGNING_SETTINGS]
    spoken = [DIALECT_NAMES[dialect] for dialect in system.dialects]
    if json:
        tables.say_json(
            {
                "os": system.key,
                "name": system.name,
                "role": found.role,
                "dialects": spoken,
                "encryption": system.encryption,
                "settings": [
                    {
                        "key": setting.key,
                        "value": None if cell.value is None else int(cell.value),
                        "alternative": None if cell.alternative is None else int(cell.alternative),
                        "sources": list(cell.sources),
                        "note": cell.note,
                    }
                    for setting, cell in cells
                ],
                "notes": list(system.notes),
            }
        )
        return
    tables.say(f"{system.name} as {found.role}", bold=True)
    tables.say()
    words = {None: "not there", True: "Enabled", False: "Disabled"}
    rows = [
        (setting.key, words[cell.value] + (" (disputed)" if cell.conflict else ""), cell.source)
        for setting, cell in cells
    ]
    for line in tables.table(("Setting", "Default", "Source"), rows):
        tables.say(line)
    tables.say()
    tables.say(tables.paragraph(f"As installed it speaks {', '.join(spoken)}."))
    remarks = [f"{setting.key}: {cell.note}" for setting, cell in cells if cell.note]
    tables.notes(dict.fromkeys([*remarks, *system.notes]), err=False)
