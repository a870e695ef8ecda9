"""The accounts of one run: those of the state directory and those named by --user.

Passwords come from a prompt, PARAPH_PASSWORD, standard input, or (for tests) the command line; they
are hashed at once and never logged, and no message holds one.
"""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from paraph.auth.accounts import AccountFile, MemoryAccounts, check_name, nt_hash
from paraph.auth.base import AccountStore
from paraph.cli.config import AllowedUser
from paraph.errors import UserError
from paraph.wire.text import upcase

FILE_NAME = "accounts"
FIRST_USER = "paraph"  #: the account that is made when there is none
_VARIABLE = "PARAPH_PASSWORD"


class StateAccounts:
    """The account file of a state directory; one that is not there yet has no accounts.

    The file is followed: what `paraph user` changes counts from the next logon on.
    """

    def __init__(self, state: Path) -> None:
        self.file = AccountFile(state / FILE_NAME)

    def exists(self) -> bool:
        """Whether there is a file, even one that can not be used."""
        return os.path.lexists(self.file.path)

    def find(self, user: str) -> tuple[str, bytes] | None:
        """(name as stored, 16-byte NT hash) or None. Raises UserError if the file is damaged."""
        return self.file.find(user) if self.exists() else None

    def names(self) -> list[str]:
        """All account names, sorted. Raises UserError if the file is damaged."""
        return self.file.names() if self.exists() else []


class OnlyThese:
    """An AccountStore of the users that --user named: nobody else of the state may enter."""

    def __init__(self, hashes: Mapping[str, bytes], stored: Sequence[str], state: AccountStore):
        """`hashes`: accounts of this run only. `stored`: names that `state` is asked for."""
        self._own = MemoryAccounts.from_hashes(hashes)
        self._stored = {upcase(name) for name in stored}
        self._state = state

    def find(self, user: str) -> tuple[str, bytes] | None:
        """(name as stored, 16-byte NT hash) or None."""
        if upcase(user) in self._stored:
            return self._state.find(user)
        return self._own.find(user)

    def names(self) -> list[str]:
        """All names that may enter, sorted."""
        stored = [name for name in self._state.names() if upcase(name) in self._stored]
        return sorted([*self._own.names(), *stored], key=upcase)


def resolve_users(
    users: Sequence[AllowedUser], state: AccountStore
) -> tuple[dict[str, bytes], list[str]]:
    """(hashes of accounts for this run, names that the state has) for the --user values.

    A name without a password is, in this order: the one that PARAPH_PASSWORD is for, an account of
    the state, or asked for on the terminal. Raises UserError.
    """
    hashes: dict[str, bytes] = {}
    stored: list[str] = []
    given = take_variable()
    nameless = [user.name for user in users if user.password is None]
    if given is not None and len(nameless) > 1:
        raise UserError(
            f"{_VARIABLE} is one password, and {' and '.join(nameless)} all lack one: add them "
            "with `paraph user add` first."
        )
    for user in users:
        check_name(user.name)
        if user.password is not None:
            hashes[user.name] = nt_hash(user.password)
        elif given is not None:
            hashes[user.name] = nt_hash(given)
        elif state.find(user.name) is not None:
            stored.append(user.name)
        else:
            hashes[user.name] = nt_hash(ask(user.name))
    return hashes, stored


def take_variable() -> str | None:
    """PARAPH_PASSWORD, removed from the environment so that no child process inherits it."""
    return os.environ.pop(_VARIABLE, None) or None


def ask(name: str) -> str:
    """Ask for a new password twice, without showing it. Raises UserError without a terminal."""
    if not sys.stdin.isatty():
        raise UserError(
            f"There is no terminal to ask for the password of {name!r} on: set {_VARIABLE}, or use "
            "`paraph user add --password-stdin`."
        )
    first = getpass.getpass(f"Password for {name}: ")
    if not first:
        raise UserError("The password is empty.")
    if getpass.getpass("Once more: ") != first:
        raise UserError("The two passwords differ.")
    return first


def read_password(name: str, *, from_stdin: bool) -> str:
    """The password of `paraph user add` and `passwd`. Raises UserError."""
    given = take_variable()
    if from_stdin:
        # One line; its end is not part of it. Bounded: someone may pipe in a whole disk.
        return sys.stdin.readline(4096).rstrip("\r\n")
    return given if given is not None else ask(name)


def prepare_state(state: Path) -> None:
    """Make the state directory, private to this user. Raises UserError if it can not be used."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = state.stat()
        ours = not os.listdir(state) or os.path.lexists(state / FILE_NAME)
        if ours and status.st_uid == os.geteuid():
            state.chmod(0o700)
        elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UserError(
                f"Others may write to the state folder {state}, so they could add accounts: choose "
                "another one with --state, or chmod 700 it."
            )
        if not os.access(state, os.W_OK | os.X_OK):
            raise UserError(f"The state folder {state} can not be written to.")
    except FileExistsError:
        raise UserError(f"The state folder {state} is not a folder.") from None
    except OSError as error:
        raise UserError(f"The state folder {state} can not be used: {error.strerror}.") from None
