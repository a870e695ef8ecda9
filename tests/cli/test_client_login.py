"""Where passwords come from, in which order, and that none is ever shown."""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paraph.cli import client_login
from paraph.cli.client_login import Logins, find_in_netrc, read_auth_file
from paraph.cli.client_options import Options
from paraph.client.names import parse_location
from paraph.errors import UserError
from tests.cli.client_tools import PASSWORD, Cli, Served

SECRET = "s3cret = word "


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def login(url: str = "smb://server/data", **options: Any) -> dict[str, Any]:
    return Logins(Options(**options)).find(parse_location(url))


@pytest.fixture(autouse=True)
def nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No netrc, no keyring, no terminal."""

    def no_terminal(_: str) -> str:
        warnings.warn("it would be echoed", getpass.GetPassWarning, stacklevel=1)
        raise AssertionError("asked, and shown")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(getpass, "getpass", no_terminal)
    monkeypatch.setattr(getpass, "getuser", lambda: "me")
    monkeypatch.setitem(sys.modules, "keyring", None)


@pytest.mark.parametrize(
    "url",
    ["smb://anna:pw@server/data", "smb://anna:@server/data", "smb://d;anna:p%40w@server/data"],
)
@pytest.mark.parametrize("command", ["ls", "status", "shares", "get", "shell", "sync"])
def test_an_address_holds_no_password(url: str, command: str, cli: Cli) -> None:
    words = [url, "here"] if command == "sync" else [url]
    result = cli(command, *words)
    assert result.code == 2
    assert "The address of server holds a password: other users see it" in result.err
    assert "pw" not in result.err.replace("holds a password", "")
    assert "p@w" not in result.err
    assert "p%40w" not in result.err


def test_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAPH_PASSWORD", SECRET)
    assert login() == {"user": "me", "password": SECRET, "domain": None}
    assert "PARAPH_PASSWORD" not in os.environ


def test_the_variable_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAPH_PASSWORD", SECRET)
    monkeypatch.setenv("PARAPH_USER", "anna")
    logins = Logins(Options())
    assert logins.find(parse_location("smb://server/data"))["user"] == "anna"
    assert logins.find(parse_location("smb://Anna@server/data"))["password"] == SECRET
    with pytest.raises(UserError, match="no terminal"):
        logins.find(parse_location("smb://ben@server/data"))


def test_user_and_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAPH_PASSWORD", SECRET)
    assert login("smb://d;anna@server/x")["domain"] == "d"
    monkeypatch.setenv("PARAPH_PASSWORD", SECRET)
    assert login(user="anna", domain="e") == {"user": "anna", "password": SECRET, "domain": "e"}
    with pytest.raises(UserError, match="says 'ben', and --user says 'anna'"):
        login("smb://ben@server/x", user="anna")


def test_auth_file(tmp_path: Path) -> None:
    text = f"# who\nusername = anna\r\npassword = {SECRET}\n\nDomain= home \n"
    path = private(tmp_path / "auth", text)
    found = {"user": "anna", "password": SECRET, "domain": "home"}
    assert login(auth_file=path) == found
    assert login("smb://ANNA@server/x", auth_file=path) == {**found, "user": "ANNA"}
    with pytest.raises(UserError, match="is for 'anna', not for 'ben'"):
        login("smb://ben@server/x", auth_file=path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_an_auth_file_that_others_may_read(mode: int, tmp_path: Path) -> None:
    path = private(tmp_path / "auth", "username = anna\npassword = x\n", mode)
    with pytest.raises(UserError, match="others may read or write it: chmod 600"):
        login(auth_file=path)


@pytest.mark.parametrize("line", [SECRET, "pasword = " + SECRET, "just words"])
def test_a_damaged_auth_file_stays_secret(line: str, tmp_path: Path) -> None:
    path = private(tmp_path / "auth", f"username = anna\n{line}\n")
    with pytest.raises(UserError, match=r"Line 2 of .*auth is none of") as caught:
        read_auth_file(path)
    assert "s3cret" not in str(caught.value)


def test_an_auth_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can not be read: No such file"):
        read_auth_file(tmp_path / "none")
    with pytest.raises(UserError, match=r"can not be read|is not a file"):
        read_auth_file(tmp_path)
    path = private(tmp_path / "auth", "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not text"):
        read_auth_file(path)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter([f"{SECRET}\n", ""])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(readline=lambda _: next(lines)))
    assert login(password_stdin=True)["password"] == SECRET
    with pytest.raises(UserError, match="found no line"):
        login(password_stdin=True)


NETRC = f"""
machine server login anna password {SECRET.split()[0]}
machine other login ben password y
default login anonymous password z
"""


def test_netrc(tmp_path: Path) -> None:
    path = private(tmp_path / ".netrc", NETRC)
    assert find_in_netrc(None, "SERVER", "") == ("anna", "s3cret")
    assert login()["password"] == "s3cret"
    assert login("smb://anna@server/x")["user"] == "anna"
    assert find_in_netrc(None, "server", "ben") is None
    assert find_in_netrc(None, "unknown", "") is None, "the default entry is for FTP"
    elsewhere = private(tmp_path / "elsewhere", NETRC.replace("anna", "carl"))
    assert login(netrc=elsewhere)["user"] == "carl"
    assert path.exists()


def test_a_netrc_that_others_may_read(tmp_path: Path) -> None:
    private(tmp_path / ".netrc", NETRC, 0o644)
    with pytest.raises(UserError, match="others may read or write it: chmod 600"):
        find_in_netrc(None, "server", "")
    assert find_in_netrc(None, "unknown", "") is None, "it is not needed"


def test_a_damaged_netrc_stays_secret(tmp_path: Path) -> None:
    path = private(tmp_path / ".netrc", "machine server login anna passwort s3cret\n")
    assert find_in_netrc(None, "server", "") is None
    with pytest.raises(UserError, match="is no netrc file") as caught:
        find_in_netrc(path, "server", "")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(UserError, match="No such file"):
        find_in_netrc(tmp_path / "none", "server", "")


def test_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {("smb://server", "me"): SECRET}

    def get_password(service: str, user: str) -> str | None:
        return known.get((service, user))

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=get_password))
    assert login()["password"] == SECRET
    with pytest.raises(UserError, match="no terminal"):
        login("smb://ben@server/x")


def test_a_broken_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_password(service: str, user: str) -> str | None:
        raise RuntimeError("no desktop")

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=get_password))
    with pytest.raises(UserError, match="no terminal"):
        login()


def test_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return SECRET

    monkeypatch.setattr(getpass, "getpass", answer)
    logins = Logins(Options(user="anna"))
    for path in ("x", "y"):
        assert logins.find(parse_location(f"smb://server/{path}"))["password"] == SECRET
    assert asked == ["Password of anna on server: "]


def test_without_a_terminal_nothing_is_asked() -> None:
    with pytest.raises(UserError, match="no terminal to ask for the password of 'me'"):
        login()


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = private(tmp_path / "auth", "password = from the file\n")
    private(tmp_path / ".netrc", "machine server login me password netrc\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(readline=lambda _: "from input\n"))
    found: list[str] = []
    for options in ({"auth_file": auth, "password_stdin": True}, {"password_stdin": True}, {}, {}):
        if len(found) < 3:
            monkeypatch.setenv("PARAPH_PASSWORD", "from the variable")
        found.append(login(**options)["password"])
    assert found == ["from the file", "from input", "from the variable", "netrc"]


def test_anonymous() -> None:
    assert login(anonymous=True) == {"user": "", "domain": ""}
    with pytest.raises(UserError, match="somebody is named"):
        login("smb://anna@server/x", anonymous=True)


def test_kerberos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_login, "find_spec", lambda name: object())
    assert login(kerberos=True) == {
        "user": "",
        "domain": None,
        "kerberos": "required",
        "ccache": "",
        "keytab": "",
    }
    assert login(ccache="FILE:/tmp/x")["ccache"] == "FILE:/tmp/x"
    assert login(keytab=Path("/k"), user="anna")["keytab"] == "/k"
    monkeypatch.setattr(client_login, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gssapi krb5"):
        login(kerberos=True)


def test_every_source_logs_on(served: Served, cli: Cli, tmp_path: Path) -> None:
    served.write(a_txt="")
    url = served.url().replace("anna@", "")
    auth = private(tmp_path / "auth", f"username=anna\npassword={PASSWORD}\n")
    assert cli("ls", url, "--auth-file", auth, password=None).out == "a.txt\n"
    named = cli("ls", url, "-u", "anna", "--password-stdin", stdin=PASSWORD, password=None)
    assert named.out == "a.txt\n"
    private(tmp_path / "rc", f'machine 127.0.0.1 login anna password "{PASSWORD}"\n')
    assert cli("ls", url, "--netrc", tmp_path / "rc", password=None).out == "a.txt\n"


def test_a_wrong_password_is_not_shown(served: Served, cli: Cli) -> None:
    result = cli("ls", served.url(), "-v", password=SECRET)
    assert result.code == 1
    assert "the user is unknown or the password is wrong (STATUS_LOGON_FAILURE)" in result.err
    assert "s3cret" not in result.err + result.out
