"""Where the client's passwords come from. None is ever printed, logged, or taken from an address.

The first of these that has one: --auth-file, --password-stdin, PARAPH_PASSWORD, netrc, the keyring
(if the package `keyring` is installed), a prompt. --kerberos, --anonymous need none.
"""

from __future__ import annotations

import getpass
import netrc
import os
import stat
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from paraph.cli.accounts import take_variable
from paraph.cli.client_options import Options
from paraph.client.names import Location
from paraph.errors import UserError

_USER_VARIABLE = "PARAPH_USER"
_KEYS = {"username": "username", "user": "username", "password": "password", "domain": "domain"}
_LARGEST = 64 << 10


class Logins:
    """Answers who logs on to a server, and asks no question twice."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._variable = take_variable()
        self._known: dict[tuple[str, str, str], dict[str, Any]] = {}

    def find(self, place: Location) -> dict[str, Any]:
        """The arguments of `connect` that say who logs on. Raises UserError."""
        key = (place.host.casefold(), place.domain.casefold(), place.user.casefold())
        if key not in self._known:
            self._known[key] = self._find(place)
        return dict(self._known[key])

    def _find(self, place: Location) -> dict[str, Any]:
        options = self._options
        kerberos = options.kerberos or options.ccache or options.keytab
        if options.anonymous:
            if kerberos or options.user or place.user or options.auth_file:
                raise UserError("--anonymous is to log on as nobody, and somebody is named.")
            return {"user": "", "domain": ""}
        user = place.user or options.user or ""
        if place.user and options.user and place.user.casefold() != options.user.casefold():
            raise UserError(f"The address says {place.user!r}, and --user says {options.user!r}.")
        domain = place.domain or options.domain
        if kerberos:
            if sys.platform != "win32" and find_spec("gssapi") is None:
                raise UserError("Kerberos needs two more packages: pip install gssapi krb5.")
            keytab = str(options.keytab.expanduser()) if options.keytab else ""
            return {
                "user": user,
                "domain": domain,
                "kerberos": "required",
                "ccache": options.ccache or "",
                "keytab": keytab,
            }
        user, password, domain = self._password(place.host, user, domain)
        return {"user": user, "password": password, "domain": domain}

    def _password(self, host: str, user: str, domain: str | None) -> tuple[str, str, str | None]:
        """(user, password, domain) from the first source that knows a password."""
        options = self._options
        if options.auth_file is not None:
            found = read_auth_file(options.auth_file.expanduser())
            named = found.get("username", "")
            if user and named and user.casefold() != named.casefold():
                raise UserError(f"{options.auth_file} is for {named!r}, not for {user!r}.")
            user = user or named
            domain = domain or found.get("domain")
            if "password" in found:
                return _somebody(user), found["password"], domain
        if options.password_stdin:
            line = sys.stdin.readline(_LARGEST)
            if not line:
                raise UserError("--password-stdin found no line of input.")
            return _somebody(user), line.rstrip("\r\n"), domain
        listed = os.environ.get(_USER_VARIABLE, "")
        if self._variable and (not user or not listed or user.casefold() == listed.casefold()):
            return _somebody(user or listed), self._variable, domain
        entry = find_in_netrc(options.netrc, host, user)
        if entry is not None:
            return entry[0] or _somebody(user), entry[1], domain
        user = _somebody(user or listed)
        password = find_in_keyring(host, user)
        return user, ask(user, host) if password is None else password, domain


def _somebody(user: str) -> str:
    """`user`, or who is at this machine."""
    try:
        return user or getpass.getuser()
    except (OSError, KeyError):
        raise UserError("Nobody is named to log on as: add --user NAME.") from None


def ask(user: str, host: str) -> str:
    """Ask for a password, without showing it. Raises UserError where that is not possible."""
    with warnings.catch_warnings():
        # Rather not at all than echoed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"Password of {user} on {host}: ")
        except (getpass.GetPassWarning, EOFError):
            raise UserError(
                f"There is no terminal to ask for the password of {user!r} on: set "
                "PARAPH_PASSWORD, or use --auth-file, --password-stdin or --kerberos."
            ) from None


def read_private(path: Path) -> str:
    """The text of a file that only its owner, who is us or root, may read. Raises UserError."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{path} is not a file.")
            if status.st_mode & 0o077:
                raise UserError(
                    f"{path} holds passwords, and others may read or write it: chmod 600 it first."
                )
            if status.st_uid not in (0, os.geteuid()):
                raise UserError(f"{path} holds passwords, and belongs to somebody else.")
            return file.read(_LARGEST).decode()
    except OSError as error:
        raise UserError(f"{path} can not be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text in UTF-8.") from None


def read_auth_file(path: Path) -> dict[str, str]:
    """`username`, `password` and `domain` of a file as smbclient's -A takes it. Raises UserError,
    which never holds a line of the file."""
    found: dict[str, str] = {}
    for number, line in enumerate(read_private(path).split("\n"), 1):
        line = line.rstrip("\r")
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        name, equals, value = line.partition("=")
        key = _KEYS.get(name.strip().lower())
        if not equals or key is None:
            raise UserError(
                f"Line {number} of {path} is none of 'username = ', 'password = ', 'domain = '."
            )
        # A password may end in a space, and does not begin with one: as smbclient has it.
        found[key] = value.lstrip() if key == "password" else value.strip()
    return found


def find_in_netrc(named: Path | None, host: str, user: str) -> tuple[str, str] | None:
    """(user, password) for a server. Its `default` entry does not count: it is for anonymous FTP.
    Raises UserError when the file could be read by others, or can not be understood."""
    path = (named or Path("~/.netrc")).expanduser()
    try:
        known = netrc.netrc(str(path)).hosts
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError) as error:
        if named is None:
            return None
        # Not the parser's own words: they repeat what it stumbled over, which may be a password.
        reason = error.strerror if isinstance(error, OSError) else "it is no netrc file"
        raise UserError(f"{path} can not be used: {reason}.") from None
    entry = next((known[name] for name in known if name.casefold() == host.casefold()), None)
    if entry is None or (user and entry[0] and entry[0].casefold() != user.casefold()):
        return None
    read_private(path)
    return entry[0] or user, entry[2] or ""


def find_in_keyring(host: str, user: str) -> str | None:
    """What `keyring set smb://HOST USER` has stored; None without the package, or an entry."""
    try:
        keyring = import_module("keyring")
        found = keyring.get_password(f"smb://{host}", user)
    except ImportError:
        return None
    except Exception:
        return None  # a locked or broken keyring of the desktop; there are other sources
    return found if isinstance(found, str) else None
