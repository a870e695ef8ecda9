"""A Samba server in a temporary folder: nothing of the machine's own Samba is read or changed."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

PASSWORD = "Pass word 1"


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    return found or _absent(name)


def _absent(name: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI=true makes that a failure")
    pytest.skip(f"{name} is not installed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@dataclass
class Samba:
    """A running smbd."""

    port: int
    user: str
    folder: Path  #: what share "data" shows
    log: Path
    process: subprocess.Popen[bytes]

    def url(self, share: str = "data") -> str:
        return f"smb://{self.user}@127.0.0.1:{self.port}/{share}"

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_samba(home: Path, **options: str) -> Samba:
    """Start smbd; `options` are smb.conf's, with underscores for spaces. Skips the test where there
    is none (fails where CI=true)."""
    smbd, smbpasswd = _program("smbd"), _program("smbpasswd")
    folder = home / "data"
    for name in ("data", "private", "state", "cache", "lock", "pid", "ncalrpc"):
        (home / name).mkdir(parents=True, exist_ok=True)
    port, user = free_port(), getpass.getuser()
    lines = [
        "[global]",
        "workgroup = WORKGROUP",
        "netbios name = SAMBATEST",
        "server role = standalone server",
        "server min protocol = SMB2_02",
        "security = user",
        "passdb backend = tdbsam",
        "interfaces = 127.0.0.1/8",
        "bind interfaces only = yes",
        "load printers = no",
        "printing = bsd",
        "printcap name = /dev/null",
        "disable spoolss = yes",
        "map to guest = never",
        "ea support = no",
        "store dos attributes = no",
        f"smb ports = {port}",
        f"log file = {home}/smbd.log",
        f"private dir = {home}/private",
        f"state directory = {home}/state",
        f"cache directory = {home}/cache",
        f"lock directory = {home}/lock",
        f"pid directory = {home}/pid",
        f"ncalrpc dir = {home}/ncalrpc",
        *(f"{name.replace('_', ' ')} = {value}" for name, value in options.items()),
        "[data]",
        f"path = {folder}",
        "read only = no",
        "guest ok = yes",
        f"force user = {user}",
        "[secret]",
        f"path = {folder}",
        "read only = no",
        "smb encrypt = required",
    ]
    conf = home / "smb.conf"
    conf.write_text("\n".join(lines) + "\n")
    subprocess.run(
        [smbpasswd, "-c", str(conf), "-L", "-a", "-s", user],
        input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
        check=True,
        capture_output=True,
    )
    log = home / "smbd.log"
    process = subprocess.Popen(
        [smbd, "--foreground", "--no-process-group", "-s", str(conf), "-l", str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # smbd ends with a signal to its whole process group
    )
    samba = Samba(port, user, folder, log, process)
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return samba
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                samba.stop()
                pytest.fail(f"smbd did not start: {log.read_text() if log.exists() else ''}")
            time.sleep(0.05)
