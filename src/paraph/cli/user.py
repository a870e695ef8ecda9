"""`paraph user`: the accounts in a state directory. Only NT hashes are stored, in a 0600 file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from paraph.cli.accounts import StateAccounts

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Add, remove and list the accounts that may enter. A running server notices at once.",
)

Name = Annotated[str, typer.Argument(help="The account's name; case does not count.")]
State = Annotated[
    Path | None,
    typer.Option(help="Folder of the accounts [default: as `paraph serve`].", show_default=False),
]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of input.")
]


@app.command()
def add(
    name: Name,
    state: State = None,
    password_stdin: FromStdin = False,
    replace: Annotated[bool, typer.Option(help="Allow NAME to exist already.")] = False,
) -> None:
    """Add an account. The password is asked for twice, or taken from PARAPH_PASSWORD."""
    from paraph.auth.accounts import check_name
    from paraph.cli.accounts import StateAccounts, prepare_state, read_password
    from paraph.errors import UserError

    folder = _folder(state)
    check_name(name)
    prepare_state(folder)
    accounts = StateAccounts(folder)
    if not replace and accounts.find(name) is not None:
        raise UserError(
            f"The account {name!r} exists already; change its password with `paraph user passwd`."
        )
    accounts.file.add(name, read_password(name, from_stdin=password_stdin), replace)
    typer.echo(f"{name} may enter.")


@app.command()
def remove(name: Name, state: State = None) -> None:
    """Remove an account. Sessions that it has open stay open."""
    _existing(name, state).file.remove(name)
    typer.echo(f"{name} may not enter any more.")


@app.command("list")
def list_(state: State = None) -> None:
    """Print the names of all accounts, one on each line."""
    from paraph.cli.accounts import StateAccounts

    folder = _folder(state)
    names = StateAccounts(folder).names()
    for name in names:
        typer.echo(name)
    if not names:
        typer.echo(f"There are no accounts in {folder}.", err=True)


@app.command()
def passwd(name: Name, state: State = None, password_stdin: FromStdin = False) -> None:
    """Set a new password. It is asked for twice, or taken from PARAPH_PASSWORD."""
    from paraph.cli.accounts import read_password

    accounts = _existing(name, state)
    accounts.file.set_password(name, read_password(name, from_stdin=password_stdin))
    typer.echo(f"The password of {name} is changed.")


def _folder(state: Path | None) -> Path:
    from paraph.cli.config import default_state

    return state.expanduser().absolute() if state is not None else default_state()


def _existing(name: str, state: Path | None) -> StateAccounts:
    from paraph.cli.accounts import StateAccounts
    from paraph.errors import UserError

    folder = _folder(state)
    accounts = StateAccounts(folder)
    if accounts.find(name) is None:
        known = ", ".join(accounts.names()) or "none"
        raise UserError(f"There is no account {name!r} in {folder}; there is: {known}.")
    return accounts
