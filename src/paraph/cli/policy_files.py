"""`paraph policy import` and `export`: settings in the formats that policy travels in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paraph.cli.policy_options import JsonOption, NowOption, StateOption, complete_format

if TYPE_CHECKING:
    from paraph.policy.formats import Imported
    from paraph.policy.gpo import PolicyObject, PolicyStore
    from paraph.policy.registry import Registry
    from paraph.policy.registry_value import Change
    from paraph.policy.settings import State

_FORMATS = "security-template, registry-pol, lgpo, gpo-backup, reg, powershell, intune or smb-conf"


def import_(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER", help="A file, or a folder of GPO backups.", show_default=False
        ),
    ],
    as_: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="PLACE",
            help="Keep it as a policy object linked to Local, Site, Domain, or an OU such as "
            "'OU=Servers,OU=HQ', instead of writing it to the registry once.",
            show_default=False,
        ),
    ] = "",
    name: Annotated[
        str,
        typer.Option("--name", help="With --as: the name of the object.", show_default=False),
    ] = "",
    enforced: Annotated[bool, typer.Option("--enforced", help="With --as: enforce the link.")] = (
        False
    ),
    order: Annotated[
        int | None,
        typer.Option("--order", help="With --as: the link order, 1 for the first."),
    ] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"What it is, if it is not recognised: {_FORMATS}.",
            autocompletion=complete_format,
            show_default=False,
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what it would do, and do nothing.")
    ] = False,
    json: JsonOption = False,
    now: NowOption = False,
    state: StateOption = None,
) -> None:
    """Read policy from a file. A file that is damaged changes nothing.

    \b
    Examples:
      paraph policy import GptTmpl.inf
      paraph policy import backups/ --as "OU=Servers"
      paraph policy import smb.conf --dry-run
    """
    from paraph.cli import tables
    from paraph.cli.policy_settings import say_ended
    from paraph.cli.policy_state import lookup_of, reading, this_machine, writing
    from paraph.errors import UserError
    from paraph.policy import formats

    if not as_ and (name or enforced or order is not None):
        raise UserError("--name, --enforced and --order are about a policy object: give --as too.")
    found = formats.read_all(path.expanduser(), format_)
    if not as_ and len(found) > 1:
        names = ", ".join(f"'{each.name}'" for each in found)
        raise UserError(
            f"{path} has several policy objects: {names}. Keep them as objects with --as, or give "
            "the folder of one."
        )
    if name and len(found) > 1:
        raise UserError(f"{path} has several policy objects, and --name is one name.")
    with reading(state) as registry:
        before = this_machine(lookup_of(registry))
    notes: list[str] = []
    if dry_run:
        done: list[Any] = [_plan(each) for each in found]
    else:
        with writing(state) as registry:
            if as_:
                done = _keep(registry, found, as_, name, enforced, order)
            else:
                registry.apply(found[0].changes)
                done = [_plan(found[0])]
                notes = _decided(registry, done[0]["settings"])
    with reading(state) as registry:
        after = this_machine(lookup_of(registry))
    notes += [note for each in found for note in each.notes]
    changed = [(key, old, new) for key, old, new in _changed(before.settings, after.settings)]
    if json:
        tables.say_json(
            {
                "imported": done,
                "changed": [
                    {"key": key, "before": old.value, "after": new.value}
                    for key, old, new in changed
                ],
                "notes": notes,
            }
        )
    else:
        _tell(done, changed, dry_run)
        tables.notes(notes)
    if now and not dry_run:
        say_ended(state)


def _changed(
    before: tuple[tuple[str, State], ...], after: tuple[tuple[str, State], ...]
) -> list[tuple[str, State, State]]:
    from paraph.policy.settings import NOT_DEFINED, SETTINGS

    was, will = dict(before), dict(after)
    return [
        (setting.key, was.get(setting.key, NOT_DEFINED), will.get(setting.key, NOT_DEFINED))
        for setting in SETTINGS
        if was.get(setting.key) != will.get(setting.key)
    ]


def _plan(found: Imported) -> dict[str, Any]:
    """What one file holds; these are keys of the JSON."""
    from paraph.policy.diff import of_changes
    from paraph.policy.settings import find_setting

    position = of_changes(found.changes, found.name)
    settings = {key: entry.state.value for key, entry in position.entries.items()}
    known = sum(_is_setting(change) for change in found.changes)
    words = {
        key: find_setting(key).describe(entry.state) for key, entry in position.entries.items()
    }
    return {
        "name": found.name,
        "format": found.format,
        "settings": settings,
        "texts": words,
        "other_values": len(found.changes) - known,
    }


def _decided(registry: Registry, keys: Iterable[str]) -> list[str]:
    """What a policy object will take back."""
    from paraph.cli.policy_state import governors

    deciding = governors(registry)
    return [
        f"{key} is decided by the policy object {deciding[key]}, which wins again when policy is "
        "next applied: change it there, or unlink it."
        for key in keys
        if key in deciding
    ]


def _is_setting(change: Change) -> bool:
    from paraph.policy.settings import setting_at

    return change.name is not None and setting_at(change.key, change.name) is not None


def _keep(
    registry: Registry,
    found: list[Imported],
    som: str,
    name: str,
    enforced: bool,
    order: int | None,
) -> list[Any]:
    """Keep each as an object, link it, and apply the resultant set: all of it or nothing."""
    from paraph.cli.policy_state import refreshed
    from paraph.policy.gpo import PolicyStore, parse_som

    policies = PolicyStore(registry)
    place, _ = parse_som(som)
    done = []
    with policies.transaction():
        for number, each in enumerate(found):
            policy = _object(policies, each, name or each.name)
            policies.put(policy)
            at = None if order is None else order + number
            policies.link(policy.guid, place, enforced=enforced, order=at)
            done.append({**_plan(each), "name": policy.name, "guid": policy.guid, "som": place})
        refreshed(registry)
    return done


def _object(policies: PolicyStore, found: Imported, name: str) -> PolicyObject:
    """As an object; one that is there under the same GUID or name is replaced, links and all."""
    from paraph.policy.gpo import PolicyObject, new_guid, parse_guid
    from paraph.policy.gpo_backup import GpoBackup
    from paraph.policy.registry_value import RegistryValue

    security: tuple[RegistryValue, ...] | None = None
    changes: tuple[Change, ...] | None = None
    if isinstance(found.document, GpoBackup):
        backup = found.document
        security = tuple(backup.template.values) if backup.template else None
        changes = tuple(backup.registry.changes()) if backup.registry else None
    elif found.format == "security-template":
        security = tuple(one for one in found.changes if isinstance(one, RegistryValue))
    else:
        changes = tuple(found.changes)
    guid = parse_guid(found.guid) if found.guid else ""
    if not guid:
        same = [one for one in policies.objects() if one.name.casefold() == name.casefold()]
        guid = same[0].guid if same else new_guid()
    return PolicyObject(name, guid, security, changes)


def _tell(done: list[Any], changed: list[tuple[str, State, State]], dry_run: bool) -> None:
    from paraph.cli import tables
    from paraph.policy.formats import FORMATS
    from paraph.policy.settings import find_setting

    for one in done:
        where = f", linked to {one['som']}" if "som" in one else ""
        tables.say(f"{one['name']}: {FORMATS[one['format']]}{where}", bold=True)
        for key, text in one["texts"].items():
            tables.say(f"  {key:<28}{text}")
        if not one["texts"]:
            tables.say("  It defines none of the settings that Paraph knows.")
        others = one["other_values"]
        if others:
            tables.say(f"  {others} other registry value{'s' if others > 1 else ''}")
    tables.say()
    if dry_run:
        tables.say("Nothing was changed (--dry-run).")
    elif not changed:
        tables.say("No setting of this machine changed.")
    else:
        rows = [
            (key, find_setting(key).describe(old), find_setting(key).describe(new))
            for key, old, new in changed
        ]
        for line in tables.table(("Changed here", "Before", "After"), rows):
            tables.say(line)


def export(
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"{_FORMATS}.",
            autocompletion=complete_format,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write; for gpo-backup a new folder.",
            show_default=False,
        ),
    ],
    effective: Annotated[
        bool,
        typer.Option("--effective", help="Every setting as it is in force, defaults too."),
    ] = False,
    object_: Annotated[
        str,
        typer.Option(
            "--object",
            metavar="NAME",
            help="A policy object instead of this machine's settings.",
            show_default=False,
        ),
    ] = "",
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="FILE",
            help="A file of that format: what it says of other things stays as it is.",
            show_default=False,
        ),
    ] = None,
    state: StateOption = None,
) -> None:
    """Write what is defined here to a file, in many formats.

    \b
    Examples:
      paraph policy export --format security-template --output GptTmpl.inf
      paraph policy export --format smb-conf --into smb.conf --output new.conf
      paraph policy export --format gpo-backup --effective --output backup
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import reading
    from paraph.errors import UserError
    from paraph.policy import formats

    key = formats.check_format(format_)
    if object_ and effective:
        raise UserError("--object and --effective are two different things: give one of them.")
    with reading(state) as registry:
        changes = _chosen(registry, effective, object_, key)
    if not changes:
        raise UserError(
            "Nothing is defined here, so there is nothing to write: set something, or give "
            "--effective for the defaults."
        )
    template = formats.read(into.expanduser(), key) if into is not None else None
    written = formats.write(key, changes, template, name=object_ or "SMB settings", time=_time())
    target = output.expanduser()
    written.save(target)
    tables.say(f"{target}: {formats.FORMATS[key]}, {len(changes)} values.")
    tables.notes(written.notes)


def _time() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _chosen(registry: Registry | None, effective: bool, object_: str, format_: str) -> list[Change]:
    from paraph.cli.policy_state import lookup_of, this_machine
    from paraph.errors import UserError
    from paraph.policy.gpo import PolicyStore
    from paraph.policy.settings import SETTINGS, State

    if object_:
        if registry is None:
            raise UserError(f"There is no policy object {object_!r}.")
        policy = PolicyStore(registry).find(object_)
        return [*(policy.registry or ()), *(policy.security or ())]
    machine = this_machine(lookup_of(registry))
    states = dict(machine.settings)
    values = []
    for setting in SETTINGS:
        state = State(machine.number(setting.key)) if effective else states.get(setting.key)
        # The Smb cmdlets write the machine's own keys, Group Policy its own where it has some.
        key = setting.local_key if format_ == "powershell" else ""
        value = setting.to_registry(state, key) if state is not None else None
        if value is not None:
            values.append(value)
    return list(values)
