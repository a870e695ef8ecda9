"""`paraph policy import` and `export`; above all: what is damaged changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paraph.policy.formats import FORMATS
from tests.cli.policy_runner import Cli, cli_for

cli = pytest.fixture(cli_for)

#: What smb.conf can say, so that all formats can.
CHOSEN = {"server-always": "enabled", "server-min-dialect": "3.0"}

SIGNED = ("security-template", "registry-pol", "reg")
"""Formats whose files begin with, or contain, a signature."""


def choose(cli: Cli) -> None:
    for key, value in CHOSEN.items():
        cli("policy", "set", key, value)


def export(cli: Cli, format_: str, target: Path) -> Path:
    cli("policy", "export", "--format", format_, "--output", str(target))
    return target


@pytest.mark.parametrize("format_", list(FORMATS))
def test_there_and_back(cli: Cli, tmp_path: Path, format_: str) -> None:
    choose(cli)
    target = export(cli, format_, tmp_path / "out")
    for key in CHOSEN:
        cli("policy", "unset", key)
    found = cli.json("policy", "import", str(target))
    assert found["imported"][0]["format"] == format_
    changed = {row["key"]: row["after"] for row in found["changed"]}
    assert changed["server-always"] == 1
    assert changed["server-min-dialect"] == 0x0300
    assert cli.setting("server-always") == (1, 1)
    # Where nothing has changed, the same bytes come out again.
    again = tmp_path / "again"
    cli("policy", "export", "--format", format_, "--output", str(again), "--into", str(target))
    if target.is_file():
        assert again.read_bytes() == target.read_bytes()


def damaged(data: bytes, format_: str) -> dict[str, bytes]:
    """Ways in which a file of that format arrives broken."""
    found = {"empty": b"", "truncated": data[: len(data) // 2 | 1], "zeros": b"\0" * len(data)}
    found["wrong encoding"] = data.decode("utf-16-le", "replace").encode("utf-16-be")
    if format_ in ("security-template", "reg"):
        found["wrong encoding"] = b"\xfe\xff" + data[2:]
        found["signature"] = data.replace("5.00".encode("utf-16-le"), "9.00".encode("utf-16-le"))
        found["signature"] = found["signature"].replace(
            "CHICAGO".encode("utf-16-le"), "ATHENAE".encode("utf-16-le")
        )
    if format_ == "registry-pol":
        found["signature"] = b"XReg" + data[4:]
        found["truncated"] = data[:-5]
    return found


@pytest.mark.parametrize(
    ("format_", "how"),
    [
        (format_, how)
        for format_ in FORMATS
        for how in ("empty", "truncated", "zeros", "wrong encoding", "signature")
        if format_ != "gpo-backup" and (how != "signature" or format_ in SIGNED)
    ],
)
@pytest.mark.parametrize("where", [(), ("--as", "Domain")])
def test_a_damaged_file_never_weakens_anything(
    cli: Cli, tmp_path: Path, format_: str, how: str, where: tuple[str, ...]
) -> None:
    """MS15-014: the last good values stay, and a sentence says what is wrong, and where."""
    choose(cli)
    whole = export(cli, format_, tmp_path / "whole").read_bytes()
    path = tmp_path / "damaged"
    path.write_bytes(damaged(whole, format_)[how])
    before = cli.json("policy", "list")
    stored = (cli.state / "registry.db").read_bytes()
    sentence = cli.fails("policy", "import", str(path), "--format", format_, *where)
    assert str(path) in sentence
    assert re.search(r"line \d|byte|offset \d|empty|UTF-16", sentence), sentence
    assert cli.json("policy", "list") == before
    assert (cli.state / "registry.db").read_bytes() == stored
    assert cli("policy", "objects").startswith("There are no policy objects")


@pytest.mark.parametrize(
    "name", ["DomainSysvol/GPO/Machine/registry.pol", "manifest.xml", "GptTmpl.inf"]
)
@pytest.mark.parametrize("data", [b"", b"PReg", b"\0" * 100])
def test_a_damaged_backup(cli: Cli, tmp_path: Path, name: str, data: bytes) -> None:
    choose(cli)
    folder = export(cli, "gpo-backup", tmp_path / "backup")
    (path,) = (one for one in folder.rglob("*") if one.as_posix().endswith(name))
    path.write_bytes(data)
    before = cli.json("policy", "list")
    assert path.name in cli.fails("policy", "import", str(folder), "--as", "Domain")
    assert cli.json("policy", "list") == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("import", "{tmp}/none"), "{tmp}/none can not be read: No such file"),
        (("import", "{tmp}/text"), "{tmp}/text is none of the formats of policy"),
        (("import", "{tmp}/text", "--format", "lpgo"), "Did you mean 'lgpo'?"),
        (("import", "{tmp}", "--format", "reg"), "{tmp} is a folder"),
        (("import", "{tmp}/good.reg", "--as", "CN=x"), "is no place for policy"),
        (("import", "{tmp}/good.reg", "--enforced"), "are about a policy object: give --as too"),
        (("export", "--format", "regg", "--output", "{tmp}/x"), "Did you mean 'reg'?"),
        (("export", "--format", "reg", "--output", "{tmp}/x"), "Nothing is defined here"),
        (
            ("export", "--format", "reg", "--output", "{tmp}/x", "--object", "y"),
            "There is no policy object",
        ),
        (
            ("export", "--format", "reg", "--output", "{tmp}/x/y", "--effective"),
            "{tmp}/x/y can not be written",
        ),
        (
            (
                *("export", "--format", "lgpo", "--output", "{tmp}/x", "--effective"),
                *("--into", "{tmp}/good.reg"),
            ),
            "{tmp}/good.reg",
        ),
    ],
)
def test_each_mistake_is_one_sentence(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "text").write_text("What is this?\n")
    (tmp_path / "good.reg").write_bytes(b"REGEDIT4\r\n\r\n")
    given = [word.format(tmp=tmp_path) for word in words]
    assert sentence.format(tmp=tmp_path) in cli.fails("policy", *given)
    assert not cli.state.exists() or cli.json("policy", "list", "--defined") == []


def test_effective_values(cli: Cli, tmp_path: Path) -> None:
    cli("policy", "set", "server-always", "disabled")
    target = tmp_path / "all.inf"
    text = cli(
        *("policy", "export", "--format", "security-template", "--effective"),
        *("--output", str(target)),
    )
    assert "24 values" in text
    assert cli.json("policy", "diff", str(target), "state")["equal"] is True


def test_dry_run_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "smb.conf"
    path.write_text("[global]\n\tserver signing = mandatory\n\tclient ipc signing = no\n")
    text = cli("policy", "import", str(path), "--dry-run", "--now")
    assert "server-always               Enabled" in text
    assert "Nothing was changed (--dry-run)." in text
    assert "'client ipc signing' can not be expressed" in cli.err.replace("\n  ", " ")
    assert not cli.state.exists()


def test_other_values_are_kept_and_counted(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "more.reg"
    path.write_bytes(
        b"REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Other]\r\n"
        b'"a"=dword:00000001\r\n"b"="text"\r\n\r\n'
        b"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\LanmanServer\\Parameters]\r\n"
        b'"requiresecuritysignature"=dword:00000000\r\n'
    )
    text = cli("policy", "import", str(path))
    assert "server-always               Disabled" in text
    assert "2 other registry values" in text
    assert "Not Defined  Disabled" in text
    assert cli.setting("server-always") == (0, 0)
    assert "b    REG_SZ    text" in cli("registry", "query", r"HKLM\SOFTWARE\Other")


def test_several_objects_in_one_folder(cli: Cli, tmp_path: Path) -> None:
    choose(cli)
    folder = export(cli, "gpo-backup", tmp_path / "one")
    cli("policy", "import", str(folder), "--as", "Domain", "--name", "Second")
    cli(
        *("policy", "export", "--format", "gpo-backup", "--object", "Second"),
        *("--output", str(tmp_path / "two")),
    )
    for each in (tmp_path / "two").iterdir():
        if each.is_dir():
            each.rename(folder / each.name)
    (folder / "manifest.xml").unlink()
    sentence = cli.fails("policy", "import", str(folder))
    assert "has several policy objects: " in sentence
    assert "Second" in sentence
    assert "--name is one name" in cli.fails(
        "policy", "import", str(folder), "--as", "Site", "--name", "x"
    )
    found = cli.json("policy", "import", str(folder), "--as", "OU=Pilot", "--enforced")
    assert {one["som"] for one in found["imported"]} == {"OU=Pilot"}
    assert len(found["imported"]) == 2
