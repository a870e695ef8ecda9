"""`paraph status`, and the settings that every command speaks with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import paraph
from paraph.cli.live import REGISTRY_NAME, open_registry
from paraph.policy.registry_value import RegistryValue
from paraph.policy.settings import find_setting
from tests.cli.client_tools import PASSWORD, Cli, Served

KEYS = [
    "url",
    "connected",
    "server",
    "share",
    "dialect",
    "user",
    "identity",
    "signed",
    "signing_algorithm",
    "encrypted",
    "cipher",
    "why",
    "section",
    "server_requires_signing",
    "policy",
    "server_guid",
    "max_read",
    "max_write",
    "max_transact",
]
REFUSED_KEYS = ["url", "connected", "refused_by", "why", "policy"]
_DWORD = 4
OFF = ("--policy", "client-always=disabled")


@pytest.fixture
def lax(tmp_path: Path) -> Iterator[Served]:
    """A server that requires nothing, and lets guests in."""
    policy = paraph.Policy(server_always=False)
    with paraph.Server(
        {"data": tmp_path}, {"anna": PASSWORD}, policy=policy, allow_guest=True
    ) as server:
        yield Served(tmp_path, server.port)


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Served]:
    """A server that encrypts everything."""
    with paraph.Server({"data": tmp_path}, {"anna": PASSWORD}, encryption="required") as server:
        yield Served(tmp_path, server.port)


def test_signed_and_why(served: Served, cli: Cli) -> None:
    (record,) = cli.ok("status", "--json", served.url()).records
    assert list(record) == KEYS
    assert record["dialect"] == "3.1.1"
    assert (record["signed"], record["signing_algorithm"]) == (True, "AES-128-GMAC")
    assert (record["encrypted"], record["identity"]) == (False, "user")
    assert record["why"].startswith("Client and server require signing")
    assert record["policy"] == {
        "client-always": "enabled",
        "client-if-server-agrees": "enabled",
    }
    lines = cli.ok("status", served.url()).lines
    assert lines[0] == served.url()
    assert "  Signed     yes, with AES-128-GMAC" in lines
    assert any(line.startswith("  Why        Client and server require signing") for line in lines)


def test_without_a_share(served: Served, cli: Cli) -> None:
    (record,) = cli.ok("status", "--json", f"smb://anna@127.0.0.1:{served.port}").records
    assert record["share"] is None
    assert record["connected"] is True


@pytest.mark.parametrize(
    ("dialect", "algorithm"),
    [("2.0.2", "HMAC-SHA256"), ("3.0", "AES-128-CMAC"), ("3.1.1", "AES-128-GMAC")],
)
def test_dialects(dialect: str, algorithm: str, served: Served, cli: Cli) -> None:
    words = ("--min-dialect", dialect, "--max-dialect", dialect)
    (record,) = cli.ok("status", "--json", served.url(), *words).records
    assert (record["dialect"], record["signing_algorithm"]) == (dialect, algorithm)


def test_the_policy_of_the_command_line(lax: Served, cli: Cli) -> None:
    (signed,) = cli.ok("status", "--json", lax.url()).records
    (unsigned,) = cli.ok("status", "--json", lax.url(), *OFF).records
    assert (signed["signed"], unsigned["signed"]) == (True, False)
    assert signed["why"] != unsigned["why"]
    assert unsigned["policy"]["client-always"] == "disabled"


def test_encrypted(sealed: Served, cli: Cli) -> None:
    (record,) = cli.ok("status", "--json", sealed.url()).records
    assert (record["signed"], record["encrypted"]) == (False, True)
    assert record["cipher"].startswith("AES-")
    assert "  Signed     no; encryption takes its place" in cli.ok("status", sealed.url()).lines


def test_encryption_that_is_wanted(tmp_path: Path, cli: Cli) -> None:
    with paraph.Server({"data": tmp_path}, {"anna": PASSWORD}, encryption="off") as server:
        url = Served(tmp_path, server.port).url()
        result = cli("status", "--json", url, "--encrypt", "required")
    assert result.code == 1
    (record,) = result.records
    assert list(record) == REFUSED_KEYS
    assert (record["connected"], record["refused_by"]) == (False, "policy")
    assert record["why"] == "Encryption is required, and the server offers no cipher."


def test_a_guest_is_refused(lax: Served, cli: Cli) -> None:
    url = lax.url().replace("anna", "nobody")
    result = cli("status", url, *OFF)
    assert result.code == 1
    assert result.lines[1] == "  Connected  no"
    assert "guest" in result.lines[2]
    (record,) = cli.ok("status", "--json", url, "--guest", *OFF).records
    assert (record["identity"], record["signed"]) == ("guest", False)


def write_registry(state: Path, **settings: int) -> None:
    state.mkdir(exist_ok=True)
    with open_registry(state) as registry:
        for name, value in settings.items():
            setting = find_setting(name.replace("_", "-"))
            registry.set(
                RegistryValue(
                    setting.keys[-1], setting.registry_value, _DWORD, value.to_bytes(4, "little")
                )
            )


def test_the_policy_of_the_registry(lax: Served, cli: Cli, tmp_path: Path) -> None:
    write_registry(tmp_path / "state", client_always=0)
    (record,) = cli.ok("status", "--json", lax.url()).records
    assert record["signed"] is False
    always = ("--policy", "client-always=enabled")
    (record,) = cli.ok("status", "--json", lax.url(), *always).records
    assert record["signed"] is True
    elsewhere = ("--state", str(tmp_path / "none"))
    (record,) = cli.ok("status", "--json", lax.url(), *elsewhere).records
    assert record["signed"] is True
    assert not (tmp_path / "none").exists(), "looking makes no registry"


def test_the_rest_of_the_registry(sealed: Served, cli: Cli, tmp_path: Path) -> None:
    write_registry(tmp_path / "state", client_max_dialect=0x0302, client_require_encryption=1)
    (record,) = cli.ok("status", "--json", sealed.url()).records
    assert (record["dialect"], record["encrypted"]) == ("3.0.2", True)
    write_registry(tmp_path / "state", client_block_ntlm=1)
    result = cli("status", sealed.url())
    assert result.code == 2
    assert "allows Kerberos only: add --kerberos" in result.err
    assert REGISTRY_NAME in {path.name for path in (tmp_path / "state").iterdir()}
