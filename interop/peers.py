"""The programs that Paraph must get on with, and a server for them to talk to."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from paraph import Policy, Server
from paraph.server.events import Event, HandlerCrashed, SessionEstablished

USER = "anna"
PASSWORD = "correct horse"
SHARE = "data"

DIALECTS = {
    "SMB2_02": "2.0.2",
    "SMB2_10": "2.1",
    "SMB3_00": "3.0",
    "SMB3_02": "3.0.2",
    "SMB3_11": "3.1.1",
}
"""Samba's name of a dialect -> Paraph's."""

MIB = 1 << 20

missing: Counter[str] = Counter()
"""Peers that are not installed -> tests that could not run for it."""


def need(program: str) -> str:
    """The path of a program; without it the test is skipped, or fails where CI=true."""
    path = shutil.which(program) or shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin")
    return path if path is not None else _absent(program)


def need_module(name: str) -> ModuleType:
    """A Python package of a peer; as `need`."""
    try:
        return importlib.import_module(name)
    except ImportError:
        _absent(name)


def _absent(name: str) -> NoReturn:
    missing[name] += 1
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI=true makes that a failure")
    pytest.skip(f"{name} is not installed")


@dataclass
class Served:
    """A running server with one share, `data`, and what it told of itself."""

    server: Server
    folder: Path
    events: list[Event] = field(default_factory=list)
    session_keys: dict[int, bytes] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.server.port

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, SessionEstablished):
            session = self.server.smb.sessions[event.session_id]
            self.session_keys[event.session_id] = session.session_key

    def sessions(self) -> list[SessionEstablished]:
        """Every session that was established so far."""
        return [event for event in self.events if isinstance(event, SessionEstablished)]

    def stop(self) -> None:
        """Stop, and fail if a handler crashed: a peer may not have shown it."""
        self.server.stop()
        crashes = [event.trace for event in self.events if isinstance(event, HandlerCrashed)]
        if crashes:
            pytest.fail("the server had a bug:\n" + "\n".join(crashes))


def serve(folder: Path, **settings: Any) -> Served:
    """Start a server for `folder` on a free port of the loopback interface.

    `signing=False` switches the policies off that require signing; the rest goes to `Server`.
    """
    folder.mkdir(exist_ok=True)
    policy = settings.pop("policy", None) or Policy(server_always=settings.pop("signing", True))
    shares = settings.pop("shares", {SHARE: folder})
    settings.setdefault("failed_logon_delay", 0.1)
    told: list[Served] = []
    server = Server(
        shares,
        {USER: PASSWORD},
        policy=policy,
        on_event=lambda event: told[0].on_event(event),
        **settings,
    )
    served = Served(server, folder)
    told.append(served)
    server.start()
    return served


@dataclass(frozen=True)
class Outcome:
    """How a program ended; `text` is both of its outputs."""

    code: int
    text: str


class SmbClient:
    """Samba's smbclient with a configuration of its own: nothing of the machine's is read."""

    def __init__(
        self, home: Path, port: int, *, user: str = USER, password: str = PASSWORD
    ) -> None:
        self.program = need("smbclient")
        self.home = home
        self.port = port
        home.mkdir(exist_ok=True)
        lines = ["[global]", "workgroup = WORKGROUP", "netbios name = TESTER"]
        lines += ["client min protocol = SMB2_02", "client max protocol = SMB3_11"]
        lines += [f"{name} directory = {home}" for name in ("lock", "state", "cache")]
        lines += [f"private dir = {home}"]
        (home / "smb.conf").write_text("\n".join(lines) + "\n")
        login = home / "login"
        login.touch(0o600)
        login.write_text(f"username = {user}\npassword = {password}\ndomain = WORKGROUP\n")

    def run(self, *words: str, **options: str) -> Outcome:
        """`options` are smb.conf's, with underscores: client_signing="off"."""
        command = [self.program, "-s", str(self.home / "smb.conf"), "-p", str(self.port)]
        command += [f"--option={name.replace('_', ' ')}={value}" for name, value in options.items()]
        if "-N" not in words:
            command += ["-A", str(self.home / "login")]
        done = subprocess.run(
            [*command, *words],
            cwd=self.home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=280,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode())

    def do(self, *commands: str, share: str = SHARE, **options: str) -> str:
        """Run smbclient's own commands in a share; the test fails if one of them does."""
        outcome = self.run(f"//127.0.0.1/{share}", "-c", "; ".join(commands), **options)
        assert outcome.code == 0, outcome.text
        assert "NT_STATUS_" not in outcome.text
        return outcome.text


def write_payload(path: Path, size: int) -> str:
    """Write `size` bytes, a whole number of MiB, none of them like another; the SHA-256.

    Every MiB begins with its number, so blocks that change places change the digest.
    """
    noise = os.urandom(MIB - 16)
    with path.open("wb", buffering=0) as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(16, "big") + noise)
    return sha256(path)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
