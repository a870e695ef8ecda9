"""cli/listen.py: addresses as written, and the sockets they become."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from paraph.cli import listen as module
from paraph.cli.listen import listen, own_address, parse
from paraph.errors import UserError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:4450", "127.0.0.1", 4450),
        ("127.0.0.1", "127.0.0.1", None),
        ("server.example:445", "server.example", 445),
        (":4450", "", 4450),
        ("*:4450", "", 4450),
        ("*", "", None),
        ("4450", "", 4450),
        ("0", "", 0),
        ("[::1]:4450", "::1", 4450),
        ("[::1]", "::1", None),
        ("::1", "::1", None),
        ("::", "::", None),
    ],
)
def test_parse(text: str, host: str, port: int | None) -> None:
    assert parse(text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "host:", "host:x", "host:70000", "host:-1", "[::1", "[::1]4450", "h:\u0664"]
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(UserError, match="--listen"):
        parse(text)


def test_port_zero_becomes_a_real_one() -> None:
    found = listen(["127.0.0.1:0"])
    ((host, port),) = found.addresses()
    assert host == "127.0.0.1"
    assert port > 0
    with socket.create_connection((host, port), timeout=5):
        pass
    found.close()
    assert found.notes == []


def test_everywhere_is_one_port_of_both_families() -> None:
    found = listen([":0"])
    addresses = found.addresses()
    found.close()
    assert ("0.0.0.0", addresses[0][1]) in addresses
    assert len({port for _, port in addresses}) == 1
    assert all(module.is_everywhere(host) for host, _ in addresses)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def test_a_port_in_use(taken: int) -> None:
    with pytest.raises(UserError, match=f"port {taken} of 127.0.0.1: another program has it"):
        listen([f"127.0.0.1:{taken}"])


def test_nothing_stays_bound_after_a_failure(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    with pytest.raises(UserError, match="another program"):
        listen([f"127.0.0.1:{free}", f"127.0.0.1:{taken}"])
    again = listen([f"127.0.0.1:{free}"])
    again.close()


def test_addresses_that_are_not_ours() -> None:
    with pytest.raises(UserError, match="this machine has no such address"):
        listen(["192.0.2.1:0"])
    with pytest.raises(UserError, match="no known name"):
        listen(["host.invalid:0"])


def refuse(port: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make binding `port` fail with `code`, and the fallback port be any free one."""
    bind = module._bind

    def fake(host: str, wanted: int) -> list[socket.socket]:
        if wanted == port:
            error = OSError(code, "refused")
            raise module._Unbindable(module._sentence(host, wanted, error), code)
        return bind(host, 0)

    monkeypatch.setattr(module, "_bind", fake)


@pytest.mark.parametrize(
    ("code", "why"),
    [(errno.EACCES, "needs root"), (errno.EADDRINUSE, "is taken by another program")],
)
def test_445_or_else_4450_said_aloud(code: int, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(445, code, monkeypatch)
    found = listen(["127.0.0.1"])
    found.close()
    (note,) = found.notes
    assert f"Port 445 {why}: listening on port 4450 instead." == note


def test_an_explicit_445_has_no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(445, errno.EACCES, monkeypatch)
    with pytest.raises(UserError, match=r"port 445: ports below 1024 need root.*--listen \*:4450"):
        listen([":445"])


def test_own_address_is_an_address() -> None:
    socket.getaddrinfo(own_address(), 445, flags=socket.AI_NUMERICHOST)
