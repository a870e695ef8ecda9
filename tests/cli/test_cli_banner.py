"""cli/banner.py: what the person at the terminal reads."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from paraph.cli import banner
from paraph.cli.banner import Facts, commands, reachable, render, render_new_user
from paraph.cli.config import ServeConfig, SharePath
from paraph.policy.settings import Policy

CONFIG = ServeConfig((SharePath("photos", Path("/home/anna/photos")),))
FACTS = Facts(CONFIG, ["anna", "ben"], [("192.0.2.5", 4450)])
UNSIGNED = Policy(server_always=False)


def lines_for(facts: Facts, system: str) -> list[str]:
    return dict(commands(facts))[system]


def test_everything_fits_eighty_columns_and_is_plain() -> None:
    shares = (*CONFIG.shares, SharePath("music", Path("/srv/" + "long/" * 20)))
    config = replace(CONFIG, shares=shares, guest=True, encrypt="desired")
    text = render(
        Facts(config, [f"user{n}" for n in range(40)], FACTS.addresses, ["A note. " * 20])
    )
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for user in range(40):
        assert f"user{user}" in text


def test_what_it_tells() -> None:
    text = " ".join(render(FACTS).split())
    assert "serves 1 folder for reading and writing" in text
    assert "photos /home/anna/photos" in text
    assert "anna, ben; no guests" in text
    assert "Signing required" in text
    assert "Sealing off" in text
    assert "SMB 2.0.2 to 3.1.1" in text
    assert "192.0.2.5:4450" in text
    assert "Ctrl-C" in text


def test_read_only_unsigned_one_dialect() -> None:
    config = replace(CONFIG, read_only=True, policy=UNSIGNED, min_dialect=0x0311)
    text = " ".join(render(replace(FACTS, config=config)).split())
    assert "for reading only" in text
    assert "not required: a session is signed only if its client asks" in text
    assert "Dialects SMB 3.1.1 Listening" in text


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Policy(), "all of them will be refused: a guest can not sign"),
        (UNSIGNED, "without a passw"),
    ],
)
def test_guests(policy: Policy, said: str) -> None:
    config = replace(CONFIG, guest=True, policy=policy)
    assert said in " ".join(render(replace(FACTS, config=config)).split())


def test_notes_and_names_can_not_move_the_cursor() -> None:
    config = replace(CONFIG, shares=(SharePath("p\x1b[2J", Path("/x\nShare  evil")),))
    text = render(Facts(config, ["a\x07"], FACTS.addresses, ["n\x1b]0;x"]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\\nShare  evil" in text


def test_commands_with_another_port() -> None:
    assert lines_for(FACTS, "Windows") == [
        r"net use X: \\192.0.2.5\photos /user:anna /tcpport:4450",
        "(/tcpport needs Windows 11 24H2 or Server 2025)",
    ]
    assert lines_for(FACTS, "macOS") == ["smb://anna@192.0.2.5:4450/photos"]
    assert lines_for(FACTS, "Linux") == [
        "smbclient //192.0.2.5/photos -p 4450 -U anna",
        "sudo mount -t cifs //192.0.2.5/photos /mnt \\",
        "  -o user=anna,vers=3.1.1,port=4450",
    ]
    python = "\n".join(lines_for(FACTS, "Python"))
    compile(python, "banner", "exec")
    assert "port=4450" in python
    assert "register_session('192.0.2.5', username='anna'" in python


def test_commands_with_the_standard_port() -> None:
    facts = replace(FACTS, addresses=[("192.0.2.5", 4450), ("192.0.2.6", 445)])
    text = "\n".join(line for _, lines in commands(facts) for line in lines)
    assert "port" not in text.replace("import", "")
    assert "445" not in text
    assert lines_for(facts, "Windows") == [r"net use X: \\192.0.2.6\photos /user:anna"]


def test_names_that_need_quoting() -> None:
    config = replace(CONFIG, shares=(SharePath("my photos", Path("/p")),), max_dialect=0x0302)
    facts = Facts(config, ["anna b"], [("::1", 445)])
    assert lines_for(facts, "Windows") == [
        r'net use X: "\\--1.ipv6-literal.net\my photos" "/user:anna b"'
    ]
    assert lines_for(facts, "macOS") == ["smb://anna%20b@[::1]/my%20photos"]
    smbclient, mount, options = lines_for(facts, "Linux")
    assert shlex.split(smbclient) == ["smbclient", "//::1/my photos", "-U", "anna b"]
    assert shlex.split(mount[:-1] + options)[-1] == "user=anna b,vers=3.0.2"


def test_no_user_yet() -> None:
    facts = replace(FACTS, users=[])
    assert "none yet; no guests" in render(facts)
    assert "/user:USER" in lines_for(facts, "Windows")[0]


def test_everywhere_is_told_by_a_real_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banner, "own_address", lambda: "192.0.2.9")
    addresses = [("0.0.0.0", 4450), ("::", 4450)]
    assert reachable(addresses) == ("192.0.2.9", 4450)
    text = render(replace(FACTS, addresses=addresses))
    assert "port 4450 of all interfaces, open to the whole network" in text
    assert "0.0.0.0" not in text


def test_a_new_user_is_told_how_to_go_on() -> None:
    text = render_new_user("paraph", "aaaa-bbbb", Path("/var/lib/my state"))
    assert text.count("aaaa-bbbb") == 1
    assert "paraph user passwd paraph --state '/var/lib/my state'" in text
