"""Names of shares and files as people write them, and as the wire has them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import unquote

from paraph.errors import UserError

PORT = 445
_MAX_NAME = 32760  # characters of UTF-16 in a name, [MS-SMB2] 2.2.13: 16 bits of length in bytes


def wire_name(path: object) -> str:
    """`path` relative to the share, with backslashes and nothing in front: "a/./b" is "a\\b".

    Slash and backslash both separate. ".." goes up, but not beyond the share. Raises ValueError for
    that, for NUL and for a name that is too long; TypeError for what is no path.
    """
    text = os.fspath(path)  # type: ignore[call-overload]
    if not isinstance(text, str):
        raise TypeError(f"a path on a share is text, not {type(text).__name__}")
    if not text or text in ("/", "."):
        return ""
    if "\0" in text:
        raise ValueError("a NUL in a path")
    parts: list[str] = []
    for part in text.replace("/", "\\").split("\\"):
        if part == "..":
            if not parts:
                raise ValueError(f"{text!r} leads out of the share")
            parts.pop()
        elif part and part != ".":
            parts.append(part)
    name = "\\".join(parts)
    if len(name) > _MAX_NAME:
        raise ValueError(f"a path of {len(name)} characters")
    return name


def posix_name(name: str) -> str:
    """A name of the wire with slashes."""
    return name.replace("\\", "/")


def join(folder: str, name: str) -> str:
    """`name` within `folder`, which may be "" for the share itself."""
    return f"{folder.rstrip('/')}/{name}" if folder and folder != "." else name


@dataclass(frozen=True, slots=True)
class Location:
    """Where a URL leads. What it does not say is "" or None."""

    host: str
    port: int = PORT
    share: str = ""
    path: str = ""  #: with slashes
    user: str = ""
    domain: str = ""
    password: str | None = None

    def __repr__(self) -> str:
        return f"Location({self})"

    def __str__(self) -> str:
        """The URL without its password."""
        domain = f"{self.domain};" if self.domain else ""
        user = f"{domain}{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port != PORT else ""
        rest = f"/{self.share}/{self.path}".rstrip("/") if self.share else ""
        return f"smb://{user}{host}{port}{rest}"


def parse_location(text: str) -> Location:
    r"""The parts of smb://[domain;][user[:password]@]host[:port][/share[/path]], percent-encoded,
    or of \\host\share\path or //host/share/path, as they are. Raises UserError."""
    if text.startswith(("\\\\", "//")):
        host, share, path = _split3(text.replace("\\", "/")[2:])
        return Location(_named(host, text), PORT, share, path)
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in ("smb", "cifs", "paraph"):
        raise UserError(f"{_shown(text)} is no address of a share; write smb://server/share.")
    authority, share, path = _split3(rest)
    login, _, place = authority.rpartition("@")
    user, colon, password = login.partition(":")
    domain, _, user = unquote(user).rpartition(";")
    host, port = _host_and_port(place, text)
    return Location(
        _named(unquote(host), text),
        port,
        unquote(share),
        unquote(path),
        user,
        domain,
        unquote(password) if colon else None,
    )


def _split3(text: str) -> tuple[str, str, str]:
    host, _, rest = text.partition("/")
    share, _, path = rest.lstrip("/").partition("/")
    return host, share, path.strip("/")


def _host_and_port(place: str, text: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    if not host or port.endswith("]"):
        host, port = place, ""
    host = host.removeprefix("[").removesuffix("]")
    if not port:
        return host, PORT
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise UserError(f"{_shown(text)} has no usable port: {port!r}.")
    return host, int(port)


def _named(host: str, text: str) -> str:
    if not host:
        raise UserError(f"{_shown(text)} names no server.")
    return host


def _shown(text: str) -> str:
    """The address without what might be a password."""
    scheme, separator, rest = text.partition("://")
    return repr(scheme + separator + rest.rpartition("@")[2] if separator else text)
