"""A running `paraph serve` and the registry of its state: changes count from the next session."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import smbprotocol.connection
import smbprotocol.session

from paraph.cli.live import open_registry
from paraph.errors import UserError
from paraph.net import control
from paraph.policy.setting import DISABLED, ENABLED, State
from paraph.policy.settings import find_setting


class Running:
    """The server's process, its port, and the registry beside it."""

    def __init__(self, folder: Path, state: Path, *words: str) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "paraph", "serve", str(folder), "--state", str(state)),
                *("--listen", "127.0.0.1:0", "--log-format", "json", "--user", "anna", *words),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PARAPH_PASSWORD": "correct horse"},
            start_new_session=True,
        )
        self.port = int(self.event("ready")["addresses"][0].rpartition(":")[2])

    def event(self, name: str) -> dict[str, Any]:
        """The next log record of that name."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            record: dict[str, Any] = json.loads(line)
            if record["event"] == name:
                return record
        pytest.fail(f"it ended with {self.process.wait()} before {name!r}")

    def set(self, key: str, state: State) -> None:
        with open_registry(self.state) as registry:
            value = find_setting(key).to_registry(state)
            assert value is not None
            registry.set(value)

    def log_on(self) -> smbprotocol.session.Session:
        """A new connection with a session that does not ask for signing."""
        import uuid

        connection = smbprotocol.connection.Connection(
            uuid.uuid4(), "127.0.0.1", self.port, require_signing=False
        )
        connection.connect(timeout=10)
        session = smbprotocol.session.Session(
            connection, "anna", "correct horse", require_encryption=False
        )
        session.connect()
        return session

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    server = Running(folder, folder.parent / "state", "--max-dialect", "3.0.2")
    yield server
    server.stop()


def signed(session: smbprotocol.session.Session) -> bool:
    return bool(session.signing_required)


def test_a_change_counts_for_the_next_session_and_not_for_this_one(running: Running) -> None:
    first = running.log_on()
    assert running.event("session")["signing"]
    running.set("server-always", DISABLED)
    second = running.log_on()
    assert not running.event("session")["signing"]
    running.set("server-always", ENABLED)
    third = running.log_on()
    assert running.event("session")["signing"]
    shown = {one.session_id: one for one in control.sessions(running.state)}
    assert [shown[s.session_id].signed for s in (first, second, third)] == [True, False, True]
    for session in (first, second, third):
        session.connection.disconnect(close=False)


def test_sessions_that_no_longer_comply_are_told_and_ended(running: Running) -> None:
    good = running.log_on()
    running.set("server-always", DISABLED)
    bad = running.log_on()
    assert control.noncompliant(running.state) == []
    running.set("server-always", ENABLED)
    (found,) = control.noncompliant(running.state)
    assert found.session_id == bad.session_id
    assert found.complaint == "it is not signed, and signing is required now"
    assert control.end_sessions(running.state, [found.session_id]) == 1
    assert [one.session_id for one in control.sessions(running.state)] == [good.session_id]
    for session in (good, bad):
        session.connection.disconnect(close=False)


def test_set_now_tells_and_ends_them(running: Running) -> None:
    running.set("server-always", DISABLED)
    bad = running.log_on()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "paraph", "policy", "set", "server-always", "enabled"),
            *("--now", "--state", str(running.state)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "anna" in done.stdout
    assert "it is not signed" in " ".join(done.stdout.split())
    assert control.sessions(running.state) == []
    again = running.log_on()
    (found,) = control.sessions(running.state)
    assert found.signed
    for session in (bad, again):
        session.connection.disconnect(close=False)


def test_other_settings_are_followed_too(running: Running) -> None:
    running.set("server-min-dialect", State(0x0302))
    running.set("server-encrypt-data", ENABLED)
    session = running.log_on()
    assert session.encrypt_data
    session.connection.disconnect(close=False)


def test_the_command_line_wins(folder: Path) -> None:
    state = folder.parent / "state"
    server = Running(folder, state, "--policy", "server-always=enabled")
    server.set("server-always", DISABLED)
    session = server.log_on()
    assert server.event("session")["signing"]
    session.connection.disconnect(close=False)
    server.stop()


def test_a_damaged_registry_stops_the_start_and_says_so(folder: Path) -> None:
    state = folder.parent / "state"
    state.mkdir(mode=0o700)
    with open_registry(state) as registry:
        registry.create_key("SYSTEM")
    (state / "registry.db").write_bytes(b"no database")
    (state / "registry.db").chmod(0o600)
    process = subprocess.run(
        [sys.executable, "-m", "paraph", "serve", str(folder), "--state", str(state)],
        env={**os.environ, "PARAPH_PASSWORD": "correct horse"},
        capture_output=True,
        text=True,
        timeout=30,
        start_new_session=True,
    )
    assert process.returncode == 2
    assert "registry.db" in process.stderr


def test_one_server_for_one_state(running: Running, folder: Path) -> None:
    process = subprocess.run(
        [
            *(sys.executable, "-m", "paraph", "serve", str(folder), "--state", str(running.state)),
            *("--listen", "127.0.0.1:0"),
        ],
        env={**os.environ, "PARAPH_PASSWORD": "correct horse"},
        capture_output=True,
        text=True,
        timeout=30,
        start_new_session=True,
    )
    assert process.returncode == 2
    assert "A server runs with the state" in process.stderr


def test_nobody_to_control(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No server is running"):
        control.sessions(tmp_path)


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    control.bind_control(tmp_path).close()
    assert (tmp_path / control.NAME).exists()
    control.bind_control(tmp_path).close()
