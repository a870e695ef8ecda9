"""cli/config.py: one record out of options, file and defaults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paraph.cli.config import default_state, dialect, load, merge, one_of, shares, users
from paraph.errors import UserError
from paraph.policy.settings import Policy


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "paraph.toml"
    path.write_text(text)
    return path


def test_defaults(tmp_path: Path) -> None:
    config = merge({"path": str(tmp_path / "photos")}, {})
    (share,) = config.shares
    assert (share.name, share.path) == ("photos", tmp_path / "photos")
    assert (config.min_dialect, config.max_dialect) == (0x0202, 0x0311)
    assert config.policy == Policy()
    assert (config.encrypt, config.guest, config.read_only) == ("offered", False, False)
    assert (config.listen, config.users, config.run_as) == ((), (), None)
    assert config.log_format == "text"


def test_command_line_wins_key_by_key(tmp_path: Path) -> None:
    file = load(
        written(
            tmp_path,
            'path = "music"\nread-only = true\nlisten = ["127.0.0.1:1"]\nencrypt = "required"\n'
            'user = "anna"\n[policy]\nserver-always = false\n',
        )
    )
    config = merge({"read-only": False, "listen": ["127.0.0.1:2"], "user": [], "guest": None}, file)
    assert config.shares[0].path == tmp_path / "music"
    assert config.read_only is False
    assert config.listen == ("127.0.0.1:2",)
    assert config.encrypt == "required"
    assert [user.name for user in config.users] == ["anna"]
    assert config.policy == Policy(server_always=False)


def test_every_key_of_the_file(tmp_path: Path) -> None:
    config = merge(
        {},
        load(
            written(
                tmp_path,
                f'path = "{tmp_path}/a"\nlisten = "[::1]:4450"\nuser = ["anna", "ben"]\n'
                'min-dialect = "SMB3_00"\nmax-dialect = "3.0.2"\nencrypt = "desired"\n'
                'guest = true\nstate = "state"\nlog-format = "json"\nverbose = true\n'
                'run-as = "files"\npolicy = ["client-always=disabled"]\n'
                '[share]\nmusic = "m"\nfilms = "/srv/films"\n',
            )
        ),
    )
    assert [(s.name, str(s.path)) for s in config.shares] == [
        ("a", f"{tmp_path}/a"),
        ("music", f"{tmp_path}/m"),
        ("films", "/srv/films"),
    ]
    assert (config.min_dialect, config.max_dialect) == (0x0300, 0x0302)
    assert (config.state, config.run_as) == (tmp_path / "state", "files")
    assert config.guest
    assert config.verbose
    assert config.log_format == "json"
    assert config.policy == Policy(client_always=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("read_only = true", "no setting 'read_only'; did you mean 'read-only'?"),
        ("zzz = 1", "no setting 'zzz': they are path, share,"),
        ("path = ", "is not valid TOML"),
        ("path = 3", "'path' must be a text"),
        ("read-only = 'yes'", "'read-only' must be true or false"),
        ("listen = [1]", "'listen' must be a list of texts"),
        ("share = 4", "'share' must be a list of texts or a table"),
        ("[share]\na = 4", "share.a must be a text"),
        ("[policy]\nserver-always = 1", "policy.server-always must be a text"),
        ("user = ['anna:secret']", "'user' takes names only"),
        ("path = '~nobodyhere/x'", "there is no such user"),
    ],
)
def test_files_that_can_not_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(written(tmp_path, text))
    assert message in str(caught.value)
    assert "paraph.toml" in str(caught.value) or "nobodyhere" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_file_and_one_that_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can not be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not valid TOML"):
        load(tmp_path / "binary")


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        ("2.0.2", 0x0202),
        ("2.02", 0x0202),
        ("SMB2_02", 0x0202),
        ("smb2_10", 0x0210),
        ("2.1", 0x0210),
        ("3.0", 0x0300),
        ("SMB3_00", 0x0300),
        ("3.0.2", 0x0302),
        ("SMB302", 0x0302),
        ("3.1.1", 0x0311),
        ("3.11", 0x0311),
        ("SMB3_11", 0x0311),
        ("SMB_3_1_1", 0x0311),
        ("0x0311", 0x0311),
    ],
)
def test_dialect_names(text: str, revision: int) -> None:
    assert dialect(text) == revision


@pytest.mark.parametrize(("text", "near"), [("3.1.2", "3.1.1"), ("3.0.1", "3.0"), ("x", "")])
def test_unknown_dialects(text: str, near: str) -> None:
    with pytest.raises(UserError, match="is no dialect of SMB") as caught:
        dialect(text)
    assert near in str(caught.value)
    assert "2.0.2, 2.1, 3.0, 3.0.2, 3.1.1" in str(caught.value)


def test_values_that_suggest_the_nearest() -> None:
    assert one_of("DESIRED", ("off", "desired"), "--encrypt") == "desired"
    with pytest.raises(UserError, match=r"can not be 'requird'; did you mean 'required'\?"):
        merge({"path": "/x", "encrypt": "requird"}, {})
    with pytest.raises(UserError, match=r"did you mean 'json'\?"):
        merge({"path": "/x", "log-format": "jsn"}, {})
    with pytest.raises(UserError, match="server-always"):
        merge({"path": "/x", "policy": ["server-alway=enabled"]}, {})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to serve"),
        ({"min-dialect": "3.0", "max-dialect": "2.1", "path": "/x"}, "3.0 is above --max-dialect"),
        ({"encrypt": "required", "max-dialect": "2.1", "path": "/x"}, "needs SMB 3"),
    ],
)
def test_settings_that_contradict(given: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        merge(given, {})


def test_shares() -> None:
    found = shares("/srv/photos", ["pics", "music=/srv/m=1"])
    assert [(s.name, str(s.path)) for s in found] == [
        ("pics", "/srv/photos"),
        ("music", "/srv/m=1"),
    ]
    assert shares(None, ["a=~"])[0].path == Path.home()
    assert shares(".", [])[0].name == Path.cwd().name


@pytest.mark.parametrize(
    ("path", "named", "message"),
    [
        (None, ["music"], "names no folder"),
        ("/a", ["b", "c"], "both name PATH"),
        ("/a", ["=x"], "neither NAME nor NAME=PATH"),
        ("/a", ["x="], "neither NAME nor NAME=PATH"),
        ("/a", [""], "neither NAME nor NAME=PATH"),
        ("/", [], "no name of its own"),
        ("/srv/a", ["A=/other"], "Two shares are named 'A'"),
    ],
)
def test_shares_that_can_not_be(path: str | None, named: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        shares(path, named)


def test_users_keep_passwords_out_of_sight() -> None:
    anna, ben = users(["anna:se:cret", "ben"])
    assert (anna.name, anna.password) == ("anna", "se:cret")
    assert ben.password is None
    assert "cret" not in repr((anna, ben))


@pytest.mark.parametrize("items", [[":hidden"], ["anna:hidden", "ANNA:hidden"]])
def test_bad_users_do_not_show_the_password(items: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        users(items)
    assert "hidden" not in str(caught.value)


def test_a_user_with_an_empty_password() -> None:
    with pytest.raises(UserError, match="empty password"):
        users(["anna:"])


def test_default_state(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_state(root=True) == Path("/var/lib/paraph")
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert default_state(root=False) == Path("/x/paraph")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/anna")
    assert default_state(root=False) == Path("/home/anna/.local/state/paraph")
    assert (default_state() == Path("/var/lib/paraph")) == (os.geteuid() == 0)
