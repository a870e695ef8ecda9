"""`paraph policy`: the commands, and in which order `--help` shows them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from paraph.cli import (
    policy_diff,
    policy_files,
    policy_objects,
    policy_predict,
    policy_settings,
)

_HELP = """Read, change and explain the signing policies.

The four of Windows, and the settings around them. They are kept in the state folder; a running
server sees each change at the next session.

\b
Examples:
  paraph policy list
  paraph policy set server-always enabled --now
  paraph policy forecast --peers peers.csv --set server-always=enabled
  paraph policy diff state baseline:cis-server-2025
"""

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=_HELP,
)

_COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("list", policy_settings.list_),
    ("show", policy_settings.show),
    ("set", policy_settings.set_),
    ("unset", policy_settings.unset),
    ("defaults", policy_settings.defaults),
    ("import", policy_files.import_),
    ("export", policy_files.export),
    ("objects", policy_objects.objects),
    ("link", policy_objects.link),
    ("unlink", policy_objects.unlink),
    ("remove", policy_objects.remove),
    ("inheritance", policy_objects.inheritance),
    ("move", policy_objects.move),
    ("resultant", policy_objects.resultant),
    ("explain", policy_predict.explain),
    ("matrix", policy_predict.matrix),
    ("forecast", policy_predict.forecast),
    ("diff", policy_diff.diff),
    ("baselines", policy_diff.baselines),
)

for _name, _command in _COMMANDS:
    app.command(_name)(_command)
