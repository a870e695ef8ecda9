"""`paraph registry`, as reg.exe does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.policy_runner import Cli, cli_for

cli = pytest.fixture(cli_for)

KEY = r"HKLM\SOFTWARE\Example"
FULL = r"HKEY_LOCAL_MACHINE\SOFTWARE\Example"


@pytest.mark.parametrize("command", ["query", "add", "delete", "import", "export"])
def test_help_teaches_with_an_example(cli: Cli, command: str) -> None:
    text = cli("registry", command, "--help")
    assert f"paraph registry {command}" in text.split("Example", 1)[1]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "shown", "data"),
    [
        (("--type", "REG_DWORD", "--data", "5"), "REG_DWORD    0x5", 5),
        (("--data", "0xFF"), "REG_DWORD    0xff", 255),
        (("--type", "qword", "--data", "4294967296"), "REG_QWORD    0x100000000", 1 << 32),
        (("--type", "REG_SZ", "--data", "a text"), "REG_SZ    a text", "a text"),
        (("--type", "REG_SZ"), "REG_SZ    ", ""),
        (("--type", "REG_EXPAND_SZ", "--data", "%x%"), "REG_EXPAND_SZ    %x%", "%x%"),
        (
            ("--type", "REG_MULTI_SZ", "--data", "a", "--data", "b"),
            r"REG_MULTI_SZ    a\0b",
            ["a", "b"],
        ),
        (("--type", "REG_BINARY", "--data", "01 ff"), "REG_BINARY    01FF", "01ff"),
        (("--type", "REG_BINARY", "--data", "01,ff"), "REG_BINARY    01FF", "01ff"),
        (("--type", "REG_NONE"), "REG_NONE    ", ""),
    ],
)
def test_values_of_every_type(cli: Cli, words: tuple[str, ...], shown: str, data: object) -> None:
    cli("registry", "add", KEY, "--value", "Name", *words)
    assert cli("registry", "query", KEY) == f"{FULL}\n    Name    {shown}\n\n"
    assert cli("registry", "query", "software/example", "--value", "name").endswith(f"{shown}\n\n")
    (found,) = cli.json("registry", "query", KEY)["keys"]
    assert found["key"] == FULL
    assert found["values"][0]["data"] == data


def test_keys(cli: Cli) -> None:
    assert "is made" in cli("registry", "add", KEY + r"\One")
    assert "is there already" in cli("registry", "add", KEY + r"\ONE")
    cli("registry", "add", KEY + r"\Two", "--value", "", "--type", "REG_SZ", "--data", "x")
    text = cli("registry", "query", KEY)
    assert text == f"{FULL}\n\n{FULL}\\One\n{FULL}\\Two\n"
    text = cli("registry", "query", "HKLM", "--recursive")
    assert text == f"{FULL}\\Two\n    (Default)    REG_SZ    x\n\n"
    assert cli.json("registry", "query", KEY)["subkeys"] == [f"{FULL}\\One", f"{FULL}\\Two"]
    assert "give --recursive" in cli.fails("registry", "delete", KEY)
    cli("registry", "delete", KEY + r"\Two", "--value", "")
    cli("registry", "delete", KEY, "--recursive")
    assert "There is no key" in cli.fails("registry", "query", KEY)


def test_names_can_not_break_the_terminal(cli: Cli) -> None:
    cli("registry", "add", KEY, "--value", "a", "--type", "REG_SZ", "--data", "x\x1b[31m\ny")
    assert "x\\x1b[31m\\ny" in cli("registry", "query", KEY)


@pytest.mark.parametrize("version", ["4", "5"])
def test_export_and_import(cli: Cli, tmp_path: Path, version: str) -> None:
    cli("registry", "add", KEY, "--value", "a", "--data", "5")
    cli("registry", "add", KEY + r"\Empty")
    path = tmp_path / "out.reg"
    cli("registry", "export", KEY, str(path), "--version", version)
    before = cli.json("registry", "query", KEY, "--recursive")
    cli("registry", "delete", KEY, "--recursive")
    assert "2 changes made" in cli("registry", "import", str(path))
    assert cli.json("registry", "query", KEY, "--recursive") == before
    assert path.read_bytes().startswith(b"REGEDIT4" if version == "4" else b"\xff\xfeW\0")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", ""),
        (b"REGEDIT5\r\n", "line 1"),
        (b'REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\A]\r\n"x"=dword:zz\r\n', "line 4"),
        (b"REGEDIT4\r\n\r\n[HKEY_CURRENT_USER\\A]\r\n", "line 3"),
        (b'REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\A]\r\n"x"=dword:1', "line 4"),
        (b"\xff\xfeW\0i", "offset 4"),
    ],
)
def test_a_damaged_file_changes_nothing(cli: Cli, tmp_path: Path, data: bytes, place: str) -> None:
    cli("registry", "add", KEY, "--value", "a", "--data", "5")
    stored = (cli.state / "registry.db").read_bytes()
    path = tmp_path / "bad.reg"
    path.write_bytes(data)
    sentence = cli.fails("registry", "import", str(path))
    assert str(path) in sentence
    assert place in sentence
    assert (cli.state / "registry.db").read_bytes() == stored


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("query", KEY), f"There is no key {FULL} in the registry."),
        (("query", r"HKCU\Software"), "has HKEY_LOCAL_MACHINE only"),
        (("query", r"A\\B"), "empty name between its backslashes"),
        (("delete", KEY), "There is no"),
        (("delete", KEY, "--value", "x"), "There is no"),
        (("export", KEY, "{tmp}/x.reg"), "There is no key"),
        (("export", KEY, "{tmp}/x.reg", "--version", "6"), "There is no version 6"),
        (("import", "{tmp}/none.reg"), "can not be read"),
        (("add", KEY, "--data", "5"), "--data needs --value"),
        (("add", KEY, "--value", "x", "--data", "five"), "'five' is no number"),
        (("add", KEY, "--value", "x", "--data", "-1"), "is no data for REG_DWORD"),
        (("add", KEY, "--value", "x", "--type", "REG_DWROD"), "Did you mean 'REG_DWORD'?"),
        (("add", KEY, "--value", "x", "--type", "REG_BINARY", "--data", "xx"), "no hex digits"),
        (("add", KEY, "--value", "x", "--data", "1", "--data", "2"), "Only REG_MULTI_SZ"),
        (("add", "HKLM", "--value", "x", "--data", "1"), "itself has no values"),
    ],
)
def test_each_mistake_is_one_sentence(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    given = [word.format(tmp=tmp_path) for word in words]
    assert sentence in cli.fails("registry", *given)


def test_the_settings_live_in_it(cli: Cli) -> None:
    path = r"HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters"
    cli("registry", "add", path, "--value", "RequireSecuritySignature", "--data", "0")
    assert cli.setting("server-always") == (0, 0)
    cli("policy", "set", "server-always", "enabled")
    assert "RequireSecuritySignature    REG_DWORD    0x1" in cli("registry", "query", path)
