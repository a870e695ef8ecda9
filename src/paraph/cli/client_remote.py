"""Addresses, and the connections behind them: one for each share and user that a command names."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Self, cast
from urllib.parse import quote

from paraph.cli.client_login import Logins
from paraph.cli.client_options import Options
from paraph.cli.config import default_state, dialect, one_of
from paraph.client.errors import smb_error
from paraph.client.names import Location, parse_location, wire_name
from paraph.client.settings import ClientSettings, Encryption
from paraph.errors import SMBError, UserError
from paraph.net.client_sync import Share, connect
from paraph.policy.settings import Policy, find_setting, state_from
from paraph.wire.ntstatus import NTStatus

_MAGIC = frozenset("*?[")


def is_address(text: str) -> bool:
    """Whether it is meant as one: smb://server/share, //server/share or \\\\server\\share."""
    return "://" in text or text.startswith(("//", "\\\\"))


def address(text: str, *, share: bool = True) -> Location:
    """The parts of an address. Raises UserError, also for a password in it and, with `share`, for
    an address without one."""
    place = parse_location(text)
    if place.password is not None:
        raise UserError(
            f"The address of {place.host} holds a password: other users see it in the list of "
            "processes, and it stays in the history of the shell. Leave it out; you are asked for "
            "it, or it is taken from PARAPH_PASSWORD, --auth-file, ~/.netrc or the keyring."
        )
    if share and not place.share:
        raise UserError(
            f"{place} names no share: `paraph shares {place}` lists what there is, and then it is "
            f"{place}/SHARE."
        )
    return place


def settings_of(options: Options) -> ClientSettings:
    """How to speak: the registry of the state, and over it the options. Raises UserError."""
    settings = _from_registry(options)
    named: dict[str, Any] = {"policy": settings.policy.assign(options.policy or ())}
    if options.guest:
        named["guest"] = True
    if options.encrypt is not None:
        words = ("off", "offered", "required")
        named["encryption"] = cast(Encryption, one_of(options.encrypt, words, "--encrypt"))
    if options.min_dialect is not None:
        named["min_dialect"] = dialect(options.min_dialect)
    if options.max_dialect is not None:
        named["max_dialect"] = dialect(options.max_dialect)
    return replace(settings, **named)


_OF_REGISTRY: dict[str, tuple[str, Callable[[int], object]]] = {
    "client-min-dialect": ("min_dialect", int),
    "client-max-dialect": ("max_dialect", int),
    "client-insecure-guest": ("guest", bool),
    "client-require-encryption": ("encryption", lambda on: "required" if on else "offered"),
}


def _from_registry(options: Options) -> ClientSettings:
    """The defaults, and over them what the registry of the state says to clients."""
    from paraph.cli.live import REGISTRY_NAME, open_registry

    state = options.state.expanduser().absolute() if options.state else default_state()
    if not os.path.lexists(state / REGISTRY_NAME):
        return ClientSettings()
    with open_registry(state) as registry:

        def number(key: str) -> int | None:
            return state_from(find_setting(key), registry.get)[0].value

        if number("client-block-ntlm") and not (options.kerberos or options.anonymous):
            raise UserError(
                "The policy client-block-ntlm of this machine allows Kerberos only: add --kerberos."
            )
        named: dict[str, Any] = {"policy": Policy.from_values(registry.get)}
        for key, (name, convert) in _OF_REGISTRY.items():
            value = number(key)
            if value is not None:
                named[name] = convert(value)
    return ClientSettings(**named)


class Remote:
    """A share that is connected to when it is needed, and again after the connection was lost, as
    the same user and under the same policy."""

    def __init__(self, place: Location, login: dict[str, Any], settings: ClientSettings) -> None:
        self.place = replace(place, path="")
        self.timeout: float | None = None
        self._login = login
        self.settings = settings
        self._share: Share | None = None

    @property
    def share(self) -> Share:
        """The share. Raises SMBError when it can not be connected to."""
        if self._share is None or self._share.closed:
            host = f"[{self.place.host}]" if ":" in self.place.host else self.place.host
            url = f"smb://{host}:{self.place.port}/{quote(self.place.share, safe='')}"
            try:
                self._share = connect(
                    url, timeout=self.timeout, settings=self.settings, **self._login
                )
            except OSError as error:
                error.filename = str(self.place)
                raise
        return self._share

    def drop(self) -> None:
        """Give the connection up; the next use makes another one."""
        if self._share is not None:
            self._share.timeout = min(self.timeout or 1.0, 1.0)
            self._share.close()
            self._share = None

    def url(self, path: str = "") -> str:
        """The address of a path, for messages."""
        return str(replace(self.place, path=path))

    def expand(self, path: str) -> list[str]:
        """The paths that a pattern stands for; a path without a pattern stands for itself. Raises
        FileNotFoundError when nothing matches."""
        if not _MAGIC & set(path):
            return [path]
        # No name holds * or ?, but many hold brackets.
        if not {"*", "?"} & set(path) and self.share.exists(path):
            return [path]
        found = list(self.share.glob(path))
        if not found:
            error = smb_error(NTStatus.NO_SUCH_FILE, path)
            error.strerror = "nothing matches"
            raise error
        return found

    def naming(self, error: BaseException) -> BaseException:
        """`error`, with the address in place of the path on the share."""
        if isinstance(error, SMBError):
            path = error.filename
            if path is None or path == "":
                error.filename = self.url()
            elif isinstance(path, str) and not is_address(path):
                error.filename = self.url(path)
        return error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.naming(error)


class Remotes:
    """The connections of one command; leaving it closes them."""

    def __init__(self, options: Options) -> None:
        if options.timeout <= 0 or options.retries < 0:
            raise UserError("--timeout must be above 0, and --retries not below.")
        self._options = options
        self._settings = settings_of(options)
        self._logins = Logins(options)
        self._known: dict[Location, Remote] = {}

    @property
    def settings(self) -> ClientSettings:
        return self._settings

    def at(self, text: str, *, share: bool = True) -> tuple[Remote, str]:
        """The share that an address leads to, and the path on it. Raises UserError."""
        return self.at_place(address(text, share=share))

    def at_place(self, place: Location) -> tuple[Remote, str]:
        """`at`, for an address that was taken apart already."""
        try:
            path = wire_name(place.path).replace("\\", "/")
        except ValueError as error:
            raise UserError(f"{place} leads nowhere: {error}.") from None
        key = replace(place, path="", host=place.host.casefold(), share=place.share.casefold())
        remote = self._known.get(key)
        if remote is None:
            remote = Remote(place, self._logins.find(place), self._settings)
            remote.timeout = self._options.timeout
            self._known[key] = remote
        return remote, path

    def each(self, texts: list[str]) -> Iterator[tuple[Remote, str]]:
        """`at` for several; all are looked at before the first is used."""
        yield from [self.at(text) for text in texts]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        for remote in self._known.values():
            remote.drop()


def failure(number: int, words: str, path: str) -> OSError:
    """A failure of our own finding, with its place."""
    return OSError(number or errno.EIO, words, path)
