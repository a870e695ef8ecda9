"""Started as root for port 445, then root no more: who the server runs as, and how accounts stay
readable to it.

Files that clients make belong to the user the server runs as. That user must not read the account
file, which holds the password hashes of everyone, so a small helper process stays root and answers
two questions for the server: which hash belongs to this name, and what does the registry say of the
server. It re-reads both as they change, so `paraph user add` and `paraph policy set` work while the
server runs. The helper never speaks to the network.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from paraph.errors import UserError
from paraph.policy.registry_value import RegistryValue

_ANSWER_TIME = 5.0  # seconds; the helper reads one small local file


@dataclass(frozen=True, slots=True)
class Runner:
    """The user to become. `name` is empty for a uid without an entry in the user database."""

    uid: int
    gid: int
    name: str

    def __str__(self) -> str:
        return self.name or f"uid {self.uid}"


def choose(run_as: str | None, folder: Path) -> tuple[Runner | None, str]:
    """(the user to become or None to stay, a note to say aloud or "").

    As root: `run_as`, else the owner of `folder`, else stay root and say so. Otherwise no change is
    possible, and asking for one is a UserError.
    """
    me = os.geteuid()
    if run_as is not None:
        runner = _by_name(run_as)
        if runner.uid == me:
            return None, ""
        if me != 0:
            raise UserError(
                f"--run-as {run_as} needs root; start the server as root or as {run_as}."
            )
        return runner, f"Started as root: running as {runner}."
    if me != 0:
        return None, ""
    status = folder.stat()
    if status.st_uid == 0:
        return None, (
            f"{folder} belongs to root, so the server stays root: what clients make belongs to "
            "root too. Better: --run-as USER, or give the folder to another user."
        )
    runner = _by_uid(status.st_uid, status.st_gid)
    return runner, f"Started as root: running as {runner}, the owner of {folder}."


def _by_name(text: str) -> Runner:
    try:
        entry = (
            pwd.getpwuid(int(text)) if text.isascii() and text.isdecimal() else pwd.getpwnam(text)
        )
    except (KeyError, OverflowError):
        raise UserError(f"--run-as {text}: there is no such user on this machine.") from None
    return Runner(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _by_uid(uid: int, gid: int) -> Runner:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # common in containers; never keep group 0 for such a user
        return Runner(uid, gid or uid, "")
    return Runner(entry.pw_uid, entry.pw_gid, entry.pw_name)


def drop(runner: Runner) -> None:
    """Become `runner` for good. Raises UserError if that can not be done, or could be undone."""
    try:
        if runner.name:
            os.initgroups(runner.name, runner.gid)
        else:
            os.setgroups([])
        os.setresgid(runner.gid, runner.gid, runner.gid)
        os.setresuid(runner.uid, runner.uid, runner.uid)
    except OSError as error:
        raise UserError(f"Can not become {runner}: {error.strerror}.") from None
    same = os.getresuid() == (runner.uid,) * 3 and os.getresgid() == (runner.gid,) * 3
    if not same or _can_be_root():
        raise UserError(f"Giving up root did not work as {runner}: refusing to serve.")


def _can_be_root() -> bool:
    try:
        os.setresuid(0, 0, 0)
    except PermissionError:
        return False
    return True


class State(Protocol):
    """What the server needs of its state while it runs: accounts, and the registry's values."""

    def find(self, user: str) -> tuple[str, bytes] | None: ...

    def names(self) -> list[str]: ...

    def read(self, last: str) -> tuple[str, Sequence[RegistryValue]] | None: ...


class StateHelper:
    """A `State` whose files only another process can read: see the head of this module.

    For use by one thread at a time.
    """

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self._channel = channel
        self._channel.settimeout(_ANSWER_TIME)
        self._lines = channel.makefile("rb")
        self.pid = pid

    @classmethod
    def start(
        cls, open_state: Callable[[], State], close: Iterable[socket.socket] = ()
    ) -> StateHelper:
        """Fork the helper. It calls `open_state`, and closes its copies of the sockets `close`.

        To be called before any thread exists.
        """
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            for sock in close:
                sock.close()
            _helper(theirs, open_state)
        theirs.close()
        return cls(ours, pid)

    def find(self, user: str) -> tuple[str, bytes] | None:
        """(name as stored, 16-byte NT hash) or None. Raises UserError if there is no answer."""
        answer = self._ask("find", user)
        return (answer[0], bytes.fromhex(answer[1])) if answer else None

    def names(self) -> list[str]:
        """All account names, sorted. Raises UserError if there is no answer."""
        return self._ask("names", "")

    def read(self, last: str) -> tuple[str, Sequence[RegistryValue]] | None:
        """(mark of the registry, its values for the server), None if `last` is still its mark.
        Raises UserError if there is no answer."""
        found = self._ask("read", last)
        if not found:
            return None
        values = [
            RegistryValue(key, name, int(type_), bytes.fromhex(data))
            for key, name, type_, data in (json.loads(item) for item in found[1:])
        ]
        return found[0], values

    def _ask(self, verb: str, argument: str) -> list[str]:
        try:
            self._channel.sendall(json.dumps([verb, argument]).encode() + b"\n")
            line = self._lines.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise UserError("The helper that reads the state has gone: restart the server.")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(answer["error"])
        return [str(item) for item in answer["found"]]

    def close(self) -> None:
        """End the helper and wait for it."""
        self._lines.close()
        self._channel.close()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass


def _helper(channel: socket.socket, open_state: Callable[[], State]) -> NoReturn:
    """The helper's whole life: answer until the server's end of the channel closes."""
    try:
        # Ctrl-C and a service manager's stop reach both processes: the server's end decides.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        state = open_state()
        with channel.makefile("rb") as lines:
            for line in lines:
                verb, argument = json.loads(line)
                channel.sendall(json.dumps(_answer(state, verb, argument)).encode() + b"\n")
        os._exit(0)
    finally:
        os._exit(1)  # never into the caller's code: this is the forked copy


def _answer(state: State, verb: str, argument: str) -> dict[str, str | list[str]]:
    try:
        if verb == "names":
            return {"found": state.names()}
        if verb == "read":
            return {"found": _packed(state.read(argument))}
        account = state.find(argument)
    except (UserError, OSError) as error:
        return {"error": str(error)}
    return {"found": [account[0], account[1].hex()] if account else []}


def _packed(found: tuple[str, Sequence[RegistryValue]] | None) -> list[str]:
    if found is None:
        return []
    mark, values = found
    return [mark] + [json.dumps([v.key, v.name, v.type, v.data.hex()]) for v in values]
