"""Addresses to listen at, and their sockets."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from paraph.errors import UserError


def parse_listen(text: str) -> tuple[str, int]:
    """("host", port) of "host:port" or "[::1]:port". Raises UserError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdigit() or int(port) > 65535:
        raise UserError(f"{text!r} is no address to listen at; write HOST:PORT.")
    return host, int(port)


def bind(addresses: Sequence[str]) -> list[socket.socket]:
    """Listening sockets. Raises OSError when an address is taken or not ours."""
    sockets: list[socket.socket] = []
    try:
        for text in addresses:
            host, port = parse_listen(text)
            found = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, kind, protocol, _, address in found:
                sock = socket.socket(family, kind, protocol)
                sockets.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(address)
                sock.listen(512)
                sock.setblocking(False)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets
