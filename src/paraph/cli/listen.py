"""Addresses to listen on: what was written, and the bound sockets it becomes.

The sockets are bound here, before the process gives up root, and handed to the server.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from paraph.errors import UserError

SMB_PORT = 445
FALLBACK_PORT = 4450
_BACKLOG = 1024
_ANY = ("0.0.0.0", "::")  # noqa: S104 - binding everywhere is the documented default


@dataclass(slots=True)
class Listening:
    """Bound and listening sockets, and sentences for the person who starts the server."""

    sockets: list[socket.socket] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def addresses(self) -> list[tuple[str, int]]:
        """(host, port) of each socket, with the real port."""
        return [(name[0], name[1]) for name in (s.getsockname() for s in self.sockets)]

    def close(self) -> None:
        """Close every socket."""
        for sock in self.sockets:
            sock.close()


def parse(text: str) -> tuple[str, int | None]:
    """HOST:PORT, [IPv6]:PORT, HOST, IPv6, :PORT, *:PORT or PORT as (host, port).

    The host is "" for all interfaces, the port None if it was left out. Raises UserError.
    """
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UserError(f"--listen {text!r} is not [ADDRESS]:PORT.")
        return host, _port(text, rest[1:]) if rest else None
    if text.count(":") > 1:  # an IPv6 address without brackets has no port
        return text, None
    host, colon, port = text.partition(":")
    if not colon and text.isdecimal():
        host, colon, port = "", ":", text
    if not colon and not text:
        raise UserError("--listen is empty: say HOST:PORT, as in 127.0.0.1:4450.")
    return "" if host == "*" else host, _port(text, port) if colon else None


def _port(text: str, digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal()) or int(digits) > 65535:
        raise UserError(f"--listen {text!r}: {digits!r} is no port number (0 to 65535).")
    return int(digits)


def listen(wanted: Sequence[str]) -> Listening:
    """Bind everything in `wanted`, or all interfaces when it is empty.

    Without a port: 445 if this process may bind it and it is free, else 4450, with a note.
    Raises UserError, with nothing left bound.
    """
    result = Listening()
    try:
        for text in wanted or ("",):
            host, port = parse(text) if text or wanted else ("", None)
            if port is not None:
                result.sockets += _bind(host, port)
            else:
                _bind_default(host, result)
    except BaseException:
        result.close()
        raise
    return result


def _bind_default(host: str, result: Listening) -> None:
    try:
        result.sockets += _bind(host, SMB_PORT)
    except _Unbindable as error:
        if error.code not in (errno.EACCES, errno.EPERM, errno.EADDRINUSE):
            raise
        result.sockets += _bind(host, FALLBACK_PORT)
        why = "is taken by another program" if error.code == errno.EADDRINUSE else "needs root"
        result.notes.append(f"Port {SMB_PORT} {why}: listening on port {FALLBACK_PORT} instead.")


class _Unbindable(UserError):
    def __init__(self, sentence: str, code: int | None) -> None:
        super().__init__(sentence)
        self.code = code


def _bind(host: str, port: int) -> list[socket.socket]:
    """One socket for each address that `host` stands for, all on the same port."""
    sockets: list[socket.socket] = []
    try:
        for family, address in _resolve(host):
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                if host == "" and family == socket.AF_INET6:
                    continue  # a kernel without IPv6: "everywhere" is then IPv4
                raise
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind((address, port))
            except OSError as error:
                if host == "" and family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL:
                    sockets.pop().close()  # IPv6 is switched off
                    continue
                raise
            sock.listen(_BACKLOG)
            sock.setblocking(False)
            port = port or sock.getsockname()[1]  # port 0: the same free one for all
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise _Unbindable(_sentence(host, port, error), error.errno) from None
    return sockets


def _resolve(host: str) -> list[tuple[int, str]]:
    if host == "":
        return [(socket.AF_INET, _ANY[0]), (socket.AF_INET6, _ANY[1])]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise UserError(
            f"--listen: {host!r} is no address of this machine and no known name."
        ) from None
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _sentence(host: str, port: int, error: OSError) -> str:
    where = f"port {port} of {host}" if host else f"port {port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Can not listen on {where}: another program has it already. Choose another one with "
            "--listen HOST:PORT."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"Can not listen on {where}: ports below 1024 need root (see `paraph serve --help`), "
            f"or choose another one, as in --listen {host or '*'}:{FALLBACK_PORT}."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"Can not listen on {where}: this machine has no such address."
    return f"Can not listen on {where}: {error.strerror or error}."


def is_everywhere(host: str) -> bool:
    """Whether `host` means all interfaces."""
    return host in _ANY


def own_address() -> str:
    """The address that other machines most likely reach this one by; 127.0.0.1 without a network.

    Nothing is sent: connecting a UDP socket only asks the routing table.
    """
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return "127.0.0.1"
