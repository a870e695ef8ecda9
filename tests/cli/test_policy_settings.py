"""`paraph policy list`, `show`, `set`, `unset`, `defaults`, and what `--help` teaches."""

from __future__ import annotations

import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from paraph.cli import policy, policy_state
from paraph.cli.live import open_registry
from paraph.errors import UserError
from paraph.net.control import ControlledSession
from paraph.policy.registry_value import RegistryValue, RegType
from paraph.policy.settings import SETTINGS, Setting
from tests.cli.policy_runner import Cli, cli_for

cli = pytest.fixture(cli_for)

COMMANDS = [command.name for command in policy.app.registered_commands]


def test_the_commands_of_the_issue_are_there() -> None:
    wanted = (
        "list show set unset defaults import export resultant explain matrix forecast diff "
        "objects link unlink"
    )
    assert set(wanted.split()) <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(cli: Cli, command: str) -> None:
    text = cli("policy", command, "--help")
    assert re.search(rf"Examples?:\n +paraph policy {command}", text)
    assert max(map(len, text.splitlines())) <= 80


def test_the_list_of_commands_is_not_cut_off(cli: Cli) -> None:
    text = cli("policy", "--help")
    assert "paraph policy set server-always enabled --now" in text
    assert "...\n" not in text.partition("Commands:")[2]
    assert cli("registry", "--help")


def test_list_shows_everything(cli: Cli) -> None:
    text = cli("policy", "list")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for setting in SETTINGS:
        assert setting.key in text
    assert not cli.state.exists()  # looking makes nothing
    rows = cli.json("policy", "list")
    assert [row["key"] for row in rows] == [setting.key for setting in SETTINGS]
    assert all(row["value"] is None and row["source"] == "default" for row in rows)
    assert cli.json("policy", "list", "--defined") == []
    assert "Nothing is defined" in cli("policy", "list", "--defined")


def test_set_show_unset(cli: Cli) -> None:
    said = cli("policy", "set", "server-always", "disabled")
    assert said == "server-always is Disabled (it was Not Defined).\n"
    assert cli.setting("server-always") == (0, 0)
    assert stat.S_IMODE(cli.state.stat().st_mode) == 0o700
    assert stat.S_IMODE((cli.state / "registry.db").stat().st_mode) == 0o600
    (row,) = cli.json("policy", "list", "--defined")
    assert (row["key"], row["value"], row["state"], row["source"]) == (
        "server-always",
        0,
        "Disabled",
        "registry",
    )
    said = cli("policy", "unset", "server-always")
    assert "is Not Defined (it was Disabled)" in said
    assert "In force is the default, Enabled." in said.replace("\n", " ")
    assert cli.setting("server-always") == (None, 1)


def test_unset_makes_no_state(cli: Cli) -> None:
    cli("policy", "unset", "server-always")
    assert not cli.state.exists()


@pytest.mark.parametrize(
    "name",
    [
        "SERVER_ALWAYS",
        "Microsoft network server: Digitally sign communications (always)",
        "Digitally sign server communication (always)",
        r"HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters\RequireSecuritySignature",
        r"MACHINE\System\CurrentControlSet\Services\LanManServer\Parameters\RequireSecuritySignature",
        "Set-SmbServerConfiguration -RequireSecuritySignature",
    ],
)
def test_a_setting_has_many_names(cli: Cli, name: str) -> None:
    cli("policy", "set", name, "disabled")
    assert cli.setting(name) == (0, 0)
    assert cli.json("policy", "show", name)["key"] == "server-always"


@pytest.mark.parametrize(
    ("key", "value", "number"),
    [
        ("server-min-dialect", "3.0", 0x0300),
        ("server-min-dialect", "SMB311", 0x0311),
        ("server-auth-delay", "3000", 3000),
        ("server-spn-validation", "2", 2),
        ("client-insecure-guest", "Enabled", 1),
    ],
)
def test_values_that_are_set(cli: Cli, key: str, value: str, number: int) -> None:
    cli("policy", "set", key, value)
    assert cli.setting(key) == (number, number)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("set", "server-alway", "enabled"), "Did you mean 'server-always'"),
        (("show", "serveralways"), "Did you mean 'server-always'"),
        (("unset", "xyzzy"), "There is no setting 'xyzzy'. Use one of"),
        (("set", "server-always", "enable"), "Did you mean 'enabled'?"),
        (("set", "server-always", "maybe"), "Use enabled, disabled or not-defined."),
        (("set", "server-auth-delay", "150"), "a number from 0 to 10000 in steps of 100"),
        (("set", "server-min-dialect", "4.0"), "one of 2.0.2, 2.1, 3.0, 3.0.2, 3.1.1"),
        (
            ("set", "RequireSecuritySignature", "enabled"),
            "write 'server-always' or 'client-always'",
        ),
        (("defaults", "--os", "Windows Sever 2003"), "Did you mean 'Windows Server 2003'"),
        (("defaults", "--os", "XP", "--role", "dc"), "Windows XP can not be a domain-controller"),
        (("defaults", "--role", "dc"), "--role needs --os"),
    ],
)
def test_each_mistake_is_one_sentence(cli: Cli, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in cli.fails("policy", *words)
    assert not cli.state.exists()


def test_an_unknown_command_suggests_the_nearest(cli: Cli) -> None:
    cli("policy", "forcast", code=2)
    assert "'forecast'" in cli.err


def test_a_damaged_registry_is_never_an_empty_one(cli: Cli) -> None:
    cli("policy", "set", "server-always", "enabled")
    path = cli.state / "registry.db"
    data = path.read_bytes()
    for damage in (b"", data[:5000], b"x" * len(data)):
        path.write_bytes(damage)
        for words in (("list",), ("set", "server-always", "disabled"), ("resultant",)):
            assert str(path) in cli.fails("policy", *words)
        assert path.read_bytes() == damage


def test_a_damaged_value_is_told(cli: Cli) -> None:
    cli("policy", "set", "server-always", "disabled")
    key = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"
    with open_registry(cli.state) as registry:
        registry.set(RegistryValue(key, "RequireSecuritySignature", RegType.SZ, b"0\0\0\0"))
    cli("policy", "list")
    assert "is no REG_DWORD: taken for Enabled." in cli.err.replace("\n  ", " ")
    assert cli.setting("server-always") == (1, 1)


def test_now_needs_a_server(cli: Cli) -> None:
    said = cli("policy", "set", "server-always", "enabled", "--now", code=2)
    assert "is Enabled" in said  # it is set all the same
    assert "No server is running with the state" in cli.err
    assert cli.setting("server-always") == (1, 1)


def test_now_tells_whom_it_ends(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[tuple[Path, list[int]]] = []
    sessions = [
        ControlledSession(5, "10.0.0.9", "an\x1bna", "2.1", False, False, 3, "it is not signed")
    ]
    monkeypatch.setattr("paraph.net.control.noncompliant", lambda state: sessions)
    monkeypatch.setattr(
        "paraph.net.control.end_sessions", lambda state, ids: ended.append((state, ids))
    )
    text = cli("policy", "set", "server-always", "enabled", "--now")
    assert "Ended: an\\x1bna from 10.0.0.9, SMB 2.1, 3 open files: it is not signed" in text
    assert ended == [(cli.state, [5])]
    sessions.clear()
    assert "All sessions comply." in cli("policy", "unset", "server-always", "--now")
    assert len(ended) == 1


def test_the_state_is_chosen(cli: Cli, tmp_path: Path) -> None:
    other = tmp_path / "other"
    cli("policy", "set", "server-always", "disabled", "--state", str(other))
    assert not cli.state.exists()
    assert cli.setting("server-always") == (None, 1)
    assert cli.json("policy", "show", "server-always", "--state", str(other))["value"] == 0
    (tmp_path / "file").touch()
    assert "is not a folder" in cli.fails(
        "policy", "set", "server-always", "enabled", "--state", str(tmp_path / "file")
    )


def test_defaults(cli: Cli) -> None:
    found = cli.json("policy", "defaults", "--os", "Windows Server 2003", "--role", "member-server")
    values = {row["key"]: row["value"] for row in found["settings"]}
    assert values == {
        "server-always": 0,
        "server-if-client-agrees": 0,
        "client-always": 0,
        "client-if-server-agrees": 1,
    }
    text = cli("policy", "defaults", "--os", "Windows 2000", "--role", "dc")
    assert "Disabled (disputed)" in text
    assert "the same article says 1" in text.replace("\n  ", " ")
    assert max(map(len, text.splitlines())) <= 80
    table = cli("policy", "defaults")
    assert "server-2003 domain-controller" in table
    assert max(map(len, table.splitlines())) <= 80
    assert cli.json("policy", "defaults")["key"] == "defaults"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_show_fits(cli: Cli, setting: Setting) -> None:
    text = cli("policy", "show", setting.key)
    for line in text.splitlines():
        assert len(line) <= 80 or "./Device/" in line  # one long word
    assert "Advice" in text


@pytest.mark.parametrize(("quiet", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_only(cli: Cli, quiet: str, coloured: bool) -> None:
    assert "\x1b" not in cli("policy", "show", "server-always")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "paraph", "policy", "show", "server-always"],
            env={**os.environ, "NO_COLOR": quiet, "TERM": "xterm"},
            stdout=theirs,
            timeout=60,
        )
        assert done.returncode == 0
        assert (b"\x1b[1m" in os.read(ours, 1 << 16)) is coloured
    finally:
        os.close(ours)
        os.close(theirs)


def test_completion_knows_the_keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from paraph.cli.main import main

    monkeypatch.setattr(sys, "argv", ["paraph"])
    monkeypatch.setenv("_PARAPH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "paraph policy set server-al")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert main() == 0
    assert capsys.readouterr().out.split() == ["server-always"]


def test_end_now_without_a_server(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No server is running"):
        policy_state.end_now(tmp_path)
