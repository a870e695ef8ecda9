"""Options and arguments that the commands of `paraph policy` share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="The state folder [default: as `paraph serve`].",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
NowOption = Annotated[
    bool,
    typer.Option(
        "--now",
        help="Also end the sessions of the running server that no longer comply; tells which.",
    ),
]


def complete_key(incomplete: str) -> Iterator[tuple[str, str]]:
    """Keys of settings for the shell."""
    from paraph.policy.settings import SETTINGS

    for setting in SETTINGS:
        if setting.key.startswith(incomplete.lower()):
            yield setting.key, setting.display_name


def complete_system(incomplete: str) -> Iterator[tuple[str, str]]:
    """Systems for the shell."""
    from paraph.policy.systems import SYSTEMS

    for system in SYSTEMS:
        if system.key.startswith(incomplete.lower()):
            yield system.key, system.name


def complete_role(incomplete: str) -> list[str]:
    """Roles for the shell."""
    from paraph.policy.systems import ROLES

    return [role for role in ROLES if role.startswith(incomplete.lower())]


def complete_format(incomplete: str) -> list[str]:
    """Formats of policy for the shell."""
    from paraph.policy.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete.lower())]


def complete_side(incomplete: str) -> list[str]:
    """What `diff` compares, for the shell: besides files."""
    from paraph.policy.baselines import baselines
    from paraph.policy.systems import SYSTEMS

    words = ["state", *baselines()]  # "baseline:" is two words to bash
    words += [f"defaults:{system.key}" for system in SYSTEMS]
    return [word for word in words if word.startswith(incomplete)]


def complete_matrix(incomplete: str) -> list[str]:
    """Tables for the shell."""
    from paraph.policy.matrix import matrices

    return [matrix.key for matrix in matrices() if matrix.key.startswith(incomplete.lower())]


KeyArgument = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        help="A setting: its key (see `paraph policy list`), its name in Group Policy, or its path "
        "in the registry.",
        autocompletion=complete_key,
        show_default=False,
    ),
]
