"""`paraph policy explain`, `matrix`, `forecast`, `diff` and `baselines`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paraph.policy.baselines import baselines
from paraph.policy.matrix import matrices, render
from tests.cli.policy_runner import Cli, cli_for

cli = pytest.fixture(cli_for)


# explain


def test_explain_this_machine(cli: Cli) -> None:
    text = cli("policy", "explain", "--client", "Windows 7")
    assert text.startswith("Established and signed with HMAC-SHA256.\n")
    assert "[MS-SMB2] 3.3.5.5.3" in text
    assert max(map(len, text.splitlines())) <= 80
    cli("policy", "set", "server-always", "disabled")
    assert cli("policy", "explain", "--client", "Windows 7").startswith("Established, not signed")
    assert cli.json("policy", "explain", "--client", "Windows 7")["result"] == "unsigned"


def test_explain_two_others(cli: Cli) -> None:
    words = ["policy", "explain", "--client", "xp", "--server", "2003", "--server-role", "dc"]
    words += ["--client-set", "client-if-server-agrees=disabled"]
    found = cli.json(*words)
    assert (found["result"], found["algorithm"], found["dialect"]) == (
        "signed",
        "MD5",
        "NT LM 0.12",
    )
    assert found["other_reading"] == "refused"
    assert cli.json(*words, "--reading", "B")["result"] == "refused"
    found = cli.json("policy", "explain", "--client", "samba", "--identity", "guest")
    assert (found["result"], found["refused_by"]) == ("refused", "server")
    found = cli.json("policy", "explain", "--client", "2022", "--encrypted", "--dialect", "3.0")
    assert found["encrypted"] is True


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--client", "Windows Servr 2022"), "Did you mean 'Windows Server 2022'"),
        (("--client-role", "dc"), "--client-role needs --client"),
        (("--identity", "gest"), "did you mean 'guest'?"),
        (("--dialect", "9"), "'9' is no dialect of SMB"),
        (("--reading", "C"), "--reading can not be 'C'"),
        (("--client", "XP", "--dialect", "3.1.1"), "Windows XP does not speak dialect 3.1.1"),
        (("--client-set", "client-alway=enabled"), "Did you mean 'client-always'"),
    ],
)
def test_explain_mistakes(cli: Cli, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in cli.fails("policy", "explain", *words)


# matrix


@pytest.mark.parametrize("format_", ["text", "markdown", "html", "json"])
def test_matrix(cli: Cli, format_: str) -> None:
    whole = cli("policy", "matrix", "--format", format_)
    for table in matrices():
        one = cli("policy", "matrix", table.key, "--format", format_)
        assert one == render(table, format_)
        assert one.strip() in whole
    if format_ == "json":
        assert [table["key"] for table in json.loads(whole)] == [table.key for table in matrices()]
    if format_ == "text":
        assert max(map(len, whole.splitlines())) <= 80


def test_matrix_mistakes(cli: Cli) -> None:
    assert "did you mean 'smb2'" in cli.fails("policy", "matrix", "smb")
    assert "did you mean 'markdown'" in cli.fails("policy", "matrix", "--format", "markdwn")


# forecast


@pytest.fixture
def peers(tmp_path: Path) -> str:
    path = tmp_path / "peers.csv"
    path.write_text(
        "name,os,identity,client-if-server-agrees\n"
        "camera,Samba,guest,\n"
        + "".join(f"pc-{number},Windows 7,,\n" for number in range(7))
        + "new,Windows 11 24H2,,\n"
    )
    return str(path)


def test_forecast_for_this_server(cli: Cli, peers: str) -> None:
    cli("policy", "set", "server-always", "disabled")
    words = ("policy", "forecast", "--peers", peers, "--set", "server-always=enabled")
    text = cli(*words)
    assert max(map(len, text.splitlines())) <= 80
    assert "9 peers, if server-always=enabled:" in text
    assert "1  would be refused" in text
    assert "7  would start signing" in text
    assert "1  are not affected" in text
    assert "pc-0, pc-1, pc-2, pc-3, pc-4 and 2 more" in text
    assert "1 would lose their sessions" in text
    assert "new" not in text.replace("Windows 11", "")
    every = cli(*words, "--all")
    assert "pc-6" in every
    assert "new\n" in every
    found = cli.json(*words)
    assert found["effects"]["refused"] == 1
    assert [group["names"] for group in found["groups"] if group["effect"] == "refused"] == [
        ["camera"]
    ]
    assert cli.setting("server-always") == (0, 0)  # nothing was changed


def test_forecast_for_windows(cli: Cli, peers: str) -> None:
    found = cli.json(
        *("policy", "forecast", "--peers", peers, "--os", "2022", "--role", "dc"),
        *("--now-set", "server-always=disabled"),
        *("--set", "server-always=enabled", "--set", "client-always=enabled"),
    )
    assert found["proposed"] == {"client-always": 1, "server-always": 1}
    assert {group["side"] for group in found["groups"]} == {"server", "client"}
    text = cli(
        *("policy", "forecast", "--peers", peers, "--os", "2022"),
        *("--set", "server-always=enabled", "--set", "client-always=enabled"),
    )
    assert "each as our client and as our server" in text
    assert "as our client" in text


def test_nobody_is_refused(cli: Cli, peers: str) -> None:
    text = cli("policy", "forecast", "--peers", peers, "--set", "server-audit-guest=enabled")
    assert "Nobody who has a session today would be refused." in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--peers", "{tmp}/none", "--set", "server-always=enabled"), "none can not be read"),
        (("--peers", "{tmp}/bad", "--set", "server-always=enabled"), "bad, line 3, field 'os'"),
        (("--peers", "{tmp}/bad", "--set", "server-alway=enabled"), "Did you mean 'server-always'"),
        (("--peers", "{tmp}/bad", "--set", "server-always"), "write key=value"),
        (
            ("--peers", "{tmp}/bad", "--set", "server-always=enabled", "--role", "dc"),
            "--role needs --os",
        ),
    ],
)
def test_forecast_mistakes(cli: Cli, tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    (tmp_path / "bad").write_text("name,os\na,Windows 7\nb,Windws 7\n")
    given = [word.format(tmp=tmp_path) for word in words]
    assert sentence in cli.fails("policy", "forecast", *given)


# diff


def test_diff_with_a_baseline(cli: Cli) -> None:
    words = ("policy", "diff", "state", "baseline:disa-stig-windows-11")
    text = cli(*words)
    assert "3 of 3 settings are equal." in text
    assert "A complies with B." in text
    cli("policy", "set", "client-always", "disabled")
    text = cli(*words, code=1)
    assert "client-always  Disabled  weaker" in text
    assert "A does not comply with B." in text
    assert cli.json(*words, code=1)["passes"] is False
    log = json.loads(cli(*words, "--sarif", code=1))
    assert log["version"] == "2.1.0"
    failing = [one["ruleId"] for one in log["runs"][0]["results"] if one["kind"] == "fail"]
    assert failing == ["client-always"]


@pytest.mark.parametrize("key", list(baselines()))
def test_diff_fits_for_every_baseline(cli: Cli, key: str) -> None:
    cli("policy", "set", "server-always", "disabled")
    text = cli("policy", "diff", "state", key, "--all", code=1)
    assert max(map(len, text.splitlines())) <= 80
    assert "server-always " in text
    unverified = baselines()[key].unverified
    assert ("(unverified)" in text) is unverified
    assert ("could not be checked" in cli.err.replace("\n  ", " ")) is unverified


def test_diff_of_files_and_defaults(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "my file.conf"
    path.write_text("[global]\n\tserver signing = mandatory\n")
    assert cli.json("policy", "diff", str(path), str(path))["equal"] is True
    found = cli.json("policy", "diff", str(path), "defaults:Windows Server 2022:dc", code=1)
    rows = {row["setting"]: row["verdict"] for row in found["rows"]}
    assert rows["server-always"] == "equal"
    assert rows["client-always"] == "missing"
    log = json.loads(cli("policy", "diff", str(path), "cis-server-2022-dc", "--sarif", code=1))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("/my%20file.conf")
    assert cli.json("policy", "diff", "defaults:xp", "defaults:xp")["passes"] is True


def test_a_damaged_file_is_no_difference(cli: Cli, tmp_path: Path) -> None:
    """Exit code 2, not 1: whoever asks for compliance must not take it for an answer."""
    path = tmp_path / "Registry.pol"
    path.write_bytes(b"PReg\1\0\0\0[\0x")
    assert str(path) in cli.fails("policy", "diff", str(path), "state")
    assert str(path) in cli.fails("policy", "diff", "state", str(path))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("state", "baseline:cis-sever-2025"), "Did you mean 'cis-server-2025'"),
        (("state", "no-such-file"), "There is no file 'no-such-file'. Besides files there is: sta"),
        (("defaults:xq", "state"), "There is no system 'xq'"),
        (("state", "state", "--json", "--sarif"), "are two formats"),
    ],
)
def test_diff_mistakes(cli: Cli, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in cli.fails("policy", "diff", *words)


def test_baselines_are_listed(cli: Cli) -> None:
    text = cli("policy", "baselines")
    assert max(map(len, text.splitlines())) <= 80
    assert "some unverified" in text
    found = cli.json("policy", "baselines")
    assert [one["key"] for one in found] == list(baselines())
    assert all(one["version"] and one["source"] for one in found)
