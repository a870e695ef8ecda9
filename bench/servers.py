"""The servers that are compared. Each is a process of its own with a folder of its own."""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PASSWORD = "correct horse battery"
SHARE = "data"


class Unavailable(Exception):
    """This server can not run here; the message says why."""


class Server:
    """A running server. `folder` is what its share shows."""

    name = ""
    #: The newest dialect, in Samba's words: what "its best" means in the results.
    best_dialect = "SMB3_11"

    def __init__(self, home: Path) -> None:
        self.home = home / self.name
        self.folder = self.home / SHARE
        self.folder.mkdir(parents=True)
        self.user = getpass.getuser()
        self.port = free_port()
        self._log = (self.home / "log").open("w")
        self._process = self.start()
        self._wait()

    def start(self) -> subprocess.Popen[str]:
        raise NotImplementedError

    def launch(self, command: list[str], text: str = "") -> subprocess.Popen[str]:
        """Start a process in a group of its own, `text` on its standard input."""
        process = subprocess.Popen(
            command,
            # smbd ends when its standard input is a pipe that does.
            stdin=subprocess.PIPE if text else subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        if process.stdin is not None:
            process.stdin.write(text)
            process.stdin.close()
        return process

    def _wait(self) -> None:
        for _ in range(200):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.05)
        self.stop()
        raise Unavailable(f"it does not start: {(self.home / 'log').read_text()[-500:]}")

    def stop(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


class Paraph(Server):
    """Paraph from this tree."""

    name = "paraph"

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bench.run_paraph", str(self.port), str(self.folder)]
        return self.launch(command, f"{self.user}\n{PASSWORD}\n")


class Samba(Server):
    """The smbd that is installed, with a configuration of its own."""

    name = "samba"

    def start(self) -> subprocess.Popen[str]:
        program = shutil.which("smbd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if program is None or shutil.which("smbpasswd") is None:
            raise Unavailable("it is not installed (Debian: apt-get install samba)")
        if os.geteuid() != 0:
            raise Unavailable("smbd must be started as root")
        config = self.home / "smb.conf"
        config.write_text(self._config())
        subprocess.run(
            ["smbpasswd", "-c", str(config), "-L", "-s", "-a", self.user],
            input=f"{PASSWORD}\n{PASSWORD}\n",
            text=True,
            check=True,
            stdout=self._log,
            stderr=self._log,
        )
        command = [program, "-F", "--no-process-group", "-s", str(config)]
        return self.launch([*command, "-l", str(self.home), "-p", str(self.port)])

    def _config(self) -> str:
        lines = ["[global]", "workgroup = WORKGROUP", "server role = standalone"]
        lines += ["interfaces = lo", "bind interfaces only = yes", "disable netbios = yes"]
        lines += ["server signing = mandatory", "server min protocol = SMB2_02"]
        lines += ["load printers = no", "printcap name = /dev/null", "log level = 0"]
        for name in ("lock", "state", "cache", "pid", "ncalrpc", "private"):
            (self.home / name).mkdir()
            lines.append(
                f"{name} {'dir' if name in ('private', 'ncalrpc') else 'directory'} = "
                f"{self.home / name}"
            )
        lines += [f"passdb backend = tdbsam:{self.home}/private/passdb.tdb"]
        lines += [f"[{SHARE}]", f"path = {self.folder}", "read only = no"]
        return "\n".join(lines) + "\n"


class Impacket(Server):
    """impacket's smbserver, the other server in Python. It speaks 2.0.2 only."""

    name = "impacket"
    best_dialect = "SMB2_02"

    def start(self) -> subprocess.Popen[str]:
        if importlib.util.find_spec("impacket") is None:
            raise Unavailable("it is not installed")
        command = [sys.executable, "-m", "bench.run_impacket", str(self.port), str(self.folder)]
        return self.launch(command, f"{self.user}\n{PASSWORD}\n")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
