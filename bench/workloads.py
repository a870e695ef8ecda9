"""What is measured: transfers by smbclient, small operations by `smbops` on libsmbclient."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.servers import PASSWORD, SHARE, Server


class Failed(Exception):
    """A client did not do its work; the message holds what it said."""


@dataclass(frozen=True)
class Protection:
    """How the client is told to protect its messages; None for the server's newest dialect."""

    name: str
    dialect: str | None
    options: tuple[str, ...]


_SIGNED = ("client signing = required",)

SIGNED = Protection("signed", None, _SIGNED)
SEALED = Protection("sealed", "SMB3_11", ("client smb encrypt = required",))
SIGNED_OLD = Protection("signed, 2.0.2", "SMB2_02", _SIGNED)


class Client:
    """Samba's clients, with settings and files in a folder of their own."""

    def __init__(self, home: Path, size: int, count: int) -> None:
        self.home = home
        self.size = size
        self.count = count
        (home / ".smb").mkdir(parents=True)
        self.login = home / "login"
        self.source = home / "source"
        with self.source.open("wb") as file:
            block = os.urandom(1 << 20)
            for _ in range(size >> 20):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())  # or it is written out while the first server is measured
        self.smbops = home / "smbops"
        self._compile()

    def _compile(self) -> None:
        source = Path(__file__).with_name("smbops.c")
        flags = _run(["pkg-config", "--cflags", "--libs", "smbclient"], {}).split()
        _run(["gcc", "-O2", "-o", str(self.smbops), str(source), *flags], {})

    def _configure(self, server: Server, protection: Protection) -> dict[str, str]:
        """Write the settings; the environment to run a client in."""
        dialect = protection.dialect or server.best_dialect
        lines = ["[global]", "workgroup = WORKGROUP", "netbios name = BENCH", *protection.options]
        lines += [f"client min protocol = {dialect}", f"client max protocol = {dialect}"]
        lines += [f"{name} directory = {self.home}" for name in ("lock", "state", "cache")]
        lines += [f"private dir = {self.home}"]
        (self.home / ".smb" / "smb.conf").write_text("\n".join(lines) + "\n")
        self.login.touch(0o600)
        self.login.write_text(f"username = {server.user}\npassword = {PASSWORD}\n")
        return {"HOME": str(self.home), "SMB_USER": server.user, "SMB_PASSWORD": PASSWORD}

    def _smbclient(self, server: Server, protection: Protection, words: str) -> float:
        """Run smbclient in the share; the seconds that it took, logon included."""
        environment = self._configure(server, protection)
        command = ["smbclient", "-s", str(self.home / ".smb" / "smb.conf"), "-A", str(self.login)]
        command += ["-p", str(server.port), f"//127.0.0.1/{SHARE}", "-c", words]
        started = time.perf_counter()
        text = _run(command, environment)
        taken = time.perf_counter() - started
        if "NT_STATUS_" in text:
            raise Failed(text)
        return taken

    def _warm(self, folder: Path) -> None:
        """Have the memory for the page cache at hand: a virtual machine gives freed memory back to
        its host, and to take it again can cost four times what the transfer does."""
        copies = [folder / f"scratch{number}" for number in range(3)]
        for copy in copies:
            shutil.copyfile(self.source, copy)
        for copy in copies:
            copy.unlink()

    def transfer(self, server: Server, protection: Protection) -> dict[str, float]:
        """MiB per second of one put and one get."""
        self._warm(server.folder)
        target = server.folder / "large"
        put = self._smbclient(server, protection, f"put {self.source} large")
        if target.stat().st_size != self.size:
            raise Failed(f"{server.name} holds {target.stat().st_size} bytes of {self.size}")
        get = self._smbclient(server, protection, "get large /dev/null")
        target.unlink()
        amount = self.size / (1 << 20)
        return {f"put {protection.name}": amount / put, f"get {protection.name}": amount / get}

    def operations(self, server: Server, protection: Protection) -> dict[str, float]:
        """Operations per second, by operation."""
        environment = self._configure(server, protection)
        folder = server.folder / "small"
        folder.mkdir()
        url = f"smb://127.0.0.1/{SHARE}/small"
        command = [str(self.smbops), url, str(server.port), str(self.count)]
        rates = {}
        for line in _run(command, environment).splitlines():
            name, times, seconds = line.split()
            key = f"list {self.count} files" if name == "list" else name
            rates[key] = int(times) / float(seconds)
        folder.rmdir()
        return rates


def _run(command: list[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except FileNotFoundError:
        raise Failed(f"{command[0]} is not installed") from None
    if done.returncode:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
