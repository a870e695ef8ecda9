"""Policy objects through the command line: import, link, move, resultant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.policy_runner import Cli, cli_for

cli = pytest.fixture(cli_for)

_KEY = r"MACHINE\System\CurrentControlSet\Services\LanManServer\Parameters"


def template(tmp_path: Path, name: str, always: int) -> str:
    path = tmp_path / f"{name}.inf"
    text = (
        '[Unicode]\r\nUnicode=yes\r\n[Version]\r\nsignature="$CHICAGO$"\r\nRevision=1\r\n'
        f"[Registry Values]\r\n{_KEY}\\RequireSecuritySignature=4,{always}\r\n"
    )
    path.write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))
    return str(path)


def keep(cli: Cli, tmp_path: Path, name: str, always: int, place: str, *more: str) -> None:
    path = template(tmp_path, name, always)
    cli("policy", "import", path, "--as", place, "--name", name, *more)


def test_objects_that_reach_this_machine_take_effect(cli: Cli, tmp_path: Path) -> None:
    keep(cli, tmp_path, "Off", 0, "Domain")
    assert cli.setting("server-always") == (0, 0)
    keep(cli, tmp_path, "On", 1, "OU=Servers, OU=HQ")
    assert cli.setting("server-always") == (0, 0)  # this machine is not there
    assert "OU=Servers,OU=HQ." in cli("policy", "move", "OU=Servers,OU=HQ")
    assert cli.setting("server-always") == (1, 1)
    assert cli.json("policy", "show", "server-always")["source"] == "'On' (OU=Servers,OU=HQ)"
    cli("policy", "link", "Off", "Domain", "--enforced")
    assert cli.setting("server-always") == (0, 0)
    cli("policy", "link", "Off", "Domain", "--disabled")
    assert cli.setting("server-always") == (1, 1)


def test_resultant_names_winner_losers_and_reasons(cli: Cli, tmp_path: Path) -> None:
    keep(cli, tmp_path, "Off", 0, "Domain")
    keep(cli, tmp_path, "On", 1, "OU=Servers")
    text = cli("policy", "resultant", "--machine", "OU=Servers")
    assert max(map(len, text.splitlines())) <= 80
    assert "server-always: Enabled\n  won by 'On' (OU=Servers)" in text
    assert "lost: 'Off' (Domain), Disabled: 'On' (OU=Servers) is linked nearer" in text.replace(
        "\n    ", " "
    )
    found = cli.json("policy", "resultant", "--machine", "OU=Servers")
    (value,) = found["values"]
    assert (value["setting"], value["data"], value["winner"]["object"]) == (
        "server-always",
        1,
        "On",
    )
    assert [loser["reason"] for loser in value["losers"]] == ["nearer"]
    # This machine is in the domain only.
    (value,) = cli.json("policy", "resultant")["values"]
    assert value["winner"]["object"] == "Off"


def test_blocked_inheritance(cli: Cli, tmp_path: Path) -> None:
    keep(cli, tmp_path, "Off", 0, "Domain")
    assert "OU=Servers blocks inheritance." in cli("policy", "inheritance", "OU=Servers", "--block")
    assert "OU=Servers blocks inheritance." in cli("policy", "objects")
    found = cli.json("policy", "resultant", "--machine", "OU=Servers")
    assert [step["reason"] for step in found["ignored"]] == ["inheritance-blocked"]
    text = cli("policy", "resultant", "--machine", "OU=Servers")
    assert "No policy object applies." in text
    assert "OU=Servers blocks inheritance" in text
    cli("policy", "inheritance", "OU=Servers", "--allow")
    found = cli.json("policy", "resultant", "--machine", "OU=Servers")
    assert found["ignored"] == []


def test_templates_tattoo_and_registry_policy_does_not(cli: Cli, tmp_path: Path) -> None:
    cli("policy", "set", "server-audit-guest", "enabled")
    pol = tmp_path / "Registry.pol"
    cli("policy", "export", "--format", "registry-pol", "--output", str(pol))
    cli("policy", "unset", "server-audit-guest")
    cli("policy", "import", str(pol), "--as", "Domain", "--name", "Audit")
    keep(cli, tmp_path, "Off", 0, "Domain")
    assert cli.setting("server-audit-guest") == (1, 1)
    cli("policy", "unlink", "Audit", "Domain")
    cli("policy", "unlink", "Off", "Domain")
    assert cli.setting("server-audit-guest") == (None, 0)
    assert cli.setting("server-always") == (0, 0)
    assert "stays in the registry" in cli("policy", "resultant").replace("\n    ", " ")


def test_what_an_object_decides_can_not_be_set_here(cli: Cli, tmp_path: Path) -> None:
    keep(cli, tmp_path, "On", 1, "Domain")
    for words in (("set", "server-always", "disabled"), ("unset", "server-always")):
        sentence = cli.fails("policy", *words)
        assert "server-always is decided by the policy object 'On' (Domain)" in sentence
    assert cli.setting("server-always") == (1, 1)
    cli("policy", "import", template(tmp_path, "once", 0))
    assert "'On' (Domain), which wins again" in cli.err.replace("\n  ", " ")
    cli("policy", "unlink", "On", "Domain")
    cli("policy", "set", "server-always", "disabled")
    assert cli.setting("server-always") == (0, 0)


def test_importing_again_replaces_and_keeps_the_links(cli: Cli, tmp_path: Path) -> None:
    keep(cli, tmp_path, "Signing", 0, "Domain", "--enforced")
    keep(cli, tmp_path, "Signing", 1, "Site")
    (one,) = cli.json("policy", "objects")["objects"]
    links = [(link["som"], link["enforced"]) for link in one["links"]]
    assert sorted(links) == [("Domain", True), ("Site", False)]
    assert cli.setting("server-always") == (1, 1)


def test_order_of_links(cli: Cli, tmp_path: Path) -> None:
    keep(cli, tmp_path, "Off", 0, "Domain")
    keep(cli, tmp_path, "On", 1, "Domain", "--order", "1")
    found = cli.json("policy", "objects")
    orders = {one["name"]: one["links"][0]["order"] for one in found["objects"]}
    assert orders == {"On": 1, "Off": 2}
    assert cli.setting("server-always") == (1, 1)


def test_remove(cli: Cli, tmp_path: Path) -> None:
    assert "There are no policy objects" in cli("policy", "objects")
    keep(cli, tmp_path, "On", 1, "Domain")
    text = cli("policy", "objects")
    assert "On" in text
    assert "Domain (1)" in text
    assert "This machine is in Domain." in text
    assert cli("policy", "remove", "on") == "'On' is removed.\n"
    assert cli.json("policy", "objects")["objects"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("link", "None", "Domain"), "There is no policy object 'None'."),
        (("unlink", "On", "Site"), "is not linked to Site"),
        (("link", "On", "Local", "--enforced"), "A link to Local can not be enforced"),
        (("link", "On", "DC=x"), "is no place for policy"),
        (("move", "Site"), "a Site holds none"),
        (("inheritance", "Site", "--block"), "has nothing above it"),
        (("resultant", "--machine", "Nowhere"), "is no place for policy"),
    ],
)
def test_each_mistake_is_one_sentence(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    keep(cli, tmp_path, "On", 1, "Domain")
    before = cli.json("policy", "objects")
    assert sentence in cli.fails("policy", *words)
    assert cli.json("policy", "objects") == before


def test_values_of_others_are_hidden_at_first(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "more.reg"
    path.write_bytes(
        b'REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Other]\r\n"a"="text"\r\n'
    )
    cli("policy", "import", str(path), "--as", "Domain")
    assert "1 more values are none of Paraph's settings" in cli("policy", "resultant")
    assert "SOFTWARE\\Policies\\Other\\a: text" in cli("policy", "resultant", "--all")
    assert cli.json("policy", "resultant")["values"][0]["setting"] is None
