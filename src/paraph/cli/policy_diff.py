"""`paraph policy diff` and `baselines`: comparing settings, for people and for pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paraph.cli.policy_options import JsonOption, StateOption, complete_side

if TYPE_CHECKING:
    from paraph.policy.diff import Comparison, Position

_SIDE_HELP = "state, a file, defaults:SYSTEM[:ROLE], or baseline:NAME."


def diff(
    left: Annotated[
        str,
        typer.Argument(
            metavar="A", help=_SIDE_HELP, autocompletion=complete_side, show_default=False
        ),
    ],
    right: Annotated[
        str,
        typer.Argument(
            metavar="B",
            help="The yardstick: the same.",
            autocompletion=complete_side,
            show_default=False,
        ),
    ],
    json: JsonOption = False,
    sarif: Annotated[
        bool, typer.Option("--sarif", help="Print SARIF 2.1.0 for pipelines.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Also the rows that are equal.")] = False,
    state: StateOption = None,
) -> None:
    """Compare two sets of settings: is A as strong as B?

    The exit code is 0 if they are equal or A complies with baseline B, else 1.

    \b
    Examples:
      paraph policy diff state baseline:cis-server-2025
      paraph policy diff GptTmpl.inf "defaults:Windows Server 2022:dc"
      paraph policy diff state baseline:disa-stig-server-2022 --sarif > out.sarif
    """
    from urllib.parse import quote

    from paraph import __version__
    from paraph.cli import tables
    from paraph.errors import UserError
    from paraph.policy.diff import compare
    from paraph.policy.diff import sarif as to_sarif

    if json and sarif:
        raise UserError("--json and --sarif are two formats: give one of them.")
    comparison = compare(_position(left, state), _position(right, state))
    if sarif:
        artifact = quote(Path(left).as_posix()) if comparison.left.kind == "file" else ""
        tables.say_json(to_sarif(comparison, __version__, artifact))
    elif json:
        tables.say_json(comparison.to_json())
    else:
        _tell(comparison, every)
    raise typer.Exit(0 if comparison.passes else 1)


def _position(text: str, state: Path | None) -> Position:
    """What one argument names. Raises UserError."""
    from paraph.cli.policy_state import lookup_of, reading, this_machine
    from paraph.errors import UserError
    from paraph.policy import diff as policy_diff
    from paraph.policy.baselines import baselines, find_baseline
    from paraph.policy.formats import read
    from paraph.policy.predict import Machine

    kind, colon, rest = text.partition(":")
    word = kind.strip().casefold()
    if word == "state" and not colon:
        with reading(state) as registry:
            lookup = lookup_of(registry)
            return policy_diff.of_registry(lookup, this_machine(lookup))
    if word == "baseline" and colon:
        return policy_diff.of_baseline(find_baseline(rest))
    if word == "defaults" and colon:
        system, _, role = rest.partition(":")
        return policy_diff.of_defaults(Machine.named(system, role))
    path = Path(text).expanduser()
    if path.exists():
        found = read(path)
        return policy_diff.of_changes(found.changes, text, found.notes)
    if text.strip().casefold() in baselines():
        return policy_diff.of_baseline(find_baseline(text))
    raise UserError(f"There is no file {text!r}. Besides files there is: {_SIDE_HELP}")


def _tell(comparison: Comparison, every: bool) -> None:
    from paraph.cli import tables

    tables.say(f"A: {comparison.left.name}", bold=True)
    tables.say(f"B: {comparison.right.name}", bold=True)
    tables.say()
    shown = [row for row in comparison.rows if every or row.verdict != "equal"]
    rows = []
    for row in shown:
        ours, theirs = (
            "-" if entry is None else row.setting.describe(entry.state)
            for entry in (row.left, row.right)
        )
        if row.right is not None and row.right.unverified:
            theirs += " (unverified)"
        rows.append((row.setting.key, ours, row.verdict, theirs))
    if rows:
        lines = tables.table(("Setting", "A", "Verdict on A", "B"), rows)
        for line in lines[:2]:
            tables.say(line)
        failing = [row.setting.key for row in comparison.failures()]
        for line in lines[2:]:
            tables.say(line, tables.BAD if line.split(" ")[0] in failing else "")
        tables.say()
    equal = len(comparison.rows) - len([row for row in comparison.rows if row.verdict != "equal"])
    tables.say(f"{equal} of {len(comparison.rows)} settings are equal.")
    tables.notes([row.why for row in shown if row.verdict == "not comparable"], err=False)
    tables.notes([*comparison.left.notes, *comparison.right.notes])
    if comparison.right.kind == "baseline":
        if comparison.passes:
            tables.say("A complies with B.", tables.GOOD)
        else:
            tables.say("A does not comply with B.", tables.BAD)


def baselines(json: JsonOption = False) -> None:
    """List the baselines that `diff` knows, with their versions.

    \b
    Example:
      paraph policy baselines
    """
    from paraph.cli import tables
    from paraph.policy.baselines import baselines as all_of_them
    from paraph.policy.settings import find_setting

    known = all_of_them().values()
    if json:
        tables.say_json(
            [
                {
                    "key": one.key,
                    "title": one.title,
                    "version": one.version,
                    "source": one.source,
                    "settings": [
                        {
                            "key": entry.key,
                            "value": entry.state.value,
                            "text": find_setting(entry.key).describe(entry.state),
                            "rule": entry.rule,
                            "confirmed": entry.confirmed or None,
                            "unverified": entry.unverified,
                        }
                        for entry in one.entries
                    ],
                }
                for one in known
            ]
        )
        return
    rows = [
        (
            one.key,
            f"{len(one.entries)}",
            f"{one.title}, {one.version}" + (" (some unverified)" if one.unverified else ""),
        )
        for one in known
    ]
    for line in tables.table(("Baseline", "Values", "What"), rows):
        tables.say(line)
