"""cli/privileges.py: whom the server runs as, and the helper that keeps reading the accounts."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from paraph.auth.accounts import AccountFile, MemoryAccounts, nt_hash
from paraph.cli.live import RunningState
from paraph.cli.privileges import Runner, StateHelper, choose, drop
from paraph.errors import UserError
from paraph.policy.registry_value import RegistryValue

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="needs a user who is not root")


def in_a_child(work: Callable[[], object]) -> object:
    """What `work` returns in a forked copy of this process, which then ends."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result = work()
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(answer)


@as_root
def test_root_becomes_the_owner_of_the_folder(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    runner, note = choose(None, folder)
    assert runner is not None
    assert runner.uid == NOBODY
    assert f"running as {runner.name}, the owner of {folder}" in note


@as_root
def test_an_owner_without_an_entry_never_keeps_group_root(folder: Path) -> None:
    os.chown(folder, 54321, 0)
    runner, note = choose(None, folder)
    assert runner == Runner(54321, 54321, "")
    assert "uid 54321" in note


@as_root
def test_root_stays_for_a_folder_of_root_and_says_so(folder: Path) -> None:
    runner, note = choose(None, folder)
    assert runner is None
    assert "stays root" in note


@as_root
@pytest.mark.parametrize("name", ["root", "0"])
def test_run_as_root_is_silent(folder: Path, name: str) -> None:
    assert choose(name, folder) == (None, "")


@as_root
def test_run_as(folder: Path) -> None:
    name = pwd.getpwuid(NOBODY).pw_name
    for text in (name, str(NOBODY)):
        runner, note = choose(text, folder)
        assert runner is not None
        assert (runner.uid, runner.name) == (NOBODY, name)
        assert f"running as {name}" in note


@pytest.mark.parametrize("name", ["no-such-user-here", "4294967294", "99999999999999999999"])
def test_run_as_nobody_known(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="there is no such user"):
        choose(name, folder)


@as_user
def test_without_root_nothing_can_change(folder: Path) -> None:
    assert choose(None, folder) == (None, "")
    assert choose(str(os.geteuid()), folder) == (None, "")
    with pytest.raises(UserError, match="needs root"):
        choose("root", folder)


@as_root
def test_drop_is_for_good(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)

    def work() -> object:
        drop(Runner(NOBODY, NOBODY, ""))
        facts: list[object] = [os.getresuid(), os.getresgid(), os.getgroups()]
        for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), secret.read_text):
            try:
                facts.append(str(attempt()))
            except PermissionError:
                facts.append("refused")
        return facts

    three = [NOBODY] * 3
    assert in_a_child(work) == [three, three, [], "refused", "refused", "refused"]


@as_root
def test_a_named_user_gets_the_groups_of_its_own() -> None:
    entry = pwd.getpwuid(NOBODY)

    def work() -> object:
        drop(Runner(NOBODY, entry.pw_gid, entry.pw_name))
        return sorted(os.getgroups())

    assert in_a_child(work) == sorted(os.getgrouplist(entry.pw_name, entry.pw_gid))


def test_drop_without_the_right_is_an_error() -> None:
    def work() -> object:
        if os.geteuid() == 0:
            drop(Runner(NOBODY, NOBODY, ""))
        drop(Runner(1, 1, ""))
        return "done"

    assert in_a_child(work) == "UserError: Can not become uid 1: Operation not permitted."


class MemoryState(MemoryAccounts):
    """Accounts, and a registry of one value."""

    def read(self, last: str) -> tuple[str, Sequence[RegistryValue]] | None:
        return None if last == "one" else ("one", [VALUE])


VALUE = RegistryValue("SYSTEM\\ключ", "имя;", 4, b"\1\0\0\0")


@pytest.fixture
def helper() -> Iterator[StateHelper]:
    state = MemoryState({"Anna": "one", "ben": "two"})
    helper = StateHelper.start(lambda: state)
    yield helper
    helper.close()


def test_the_helper_answers(helper: StateHelper) -> None:
    assert helper.names() == ["Anna", "ben"]
    assert helper.find("ANNA") == ("Anna", nt_hash("one"))
    assert helper.find("eve\n\ud800") is None
    assert helper.find("") is None
    assert helper.read("") == ("one", [VALUE])
    assert helper.read("one") is None


def test_the_helper_outlives_ctrl_c(helper: StateHelper) -> None:
    helper.names()  # its handlers are in place once it has answered
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(helper.pid, number)
    assert helper.names() == ["Anna", "ben"]


def test_the_helper_ends_with_the_server(helper: StateHelper) -> None:
    helper.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(helper.pid, 0)


def test_a_helper_that_has_gone_is_told(helper: StateHelper) -> None:
    os.kill(helper.pid, signal.SIGKILL)
    os.waitpid(helper.pid, 0)
    with pytest.raises(UserError, match="has gone"):
        helper.find("anna")


def test_the_helper_leaves_the_port_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = sock.getsockname()
        helper = StateHelper.start(MemoryState, [sock])
        assert helper.names() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
    helper.close()


def test_the_helper_sees_changes_and_damage(tmp_path: Path) -> None:
    file = AccountFile(tmp_path / "accounts")
    helper = StateHelper.start(lambda: RunningState(tmp_path))
    assert helper.find("anna") is None
    file.add("anna", "one")
    assert helper.find("anna") == ("anna", nt_hash("one"))
    (tmp_path / "accounts").write_text("nonsense")
    with pytest.raises(UserError, match="is damaged at line 1"):
        helper.find("anna")
    helper.close()


@as_root
def test_the_helper_reads_what_the_server_can_not(tmp_path: Path) -> None:
    file = AccountFile(tmp_path / "accounts")
    file.add("anna", "one")

    def work() -> object:
        helper = StateHelper.start(lambda: RunningState(tmp_path))
        drop(Runner(NOBODY, NOBODY, ""))
        try:
            Path(file.path).read_bytes()
        except PermissionError:
            found = helper.find("anna")
            assert found is not None
            return [found[0], found[1].hex()]
        return "the file can be read"

    assert in_a_child(work) == ["anna", nt_hash("one").hex()]
