"""`python -m paraph serve` as its own process: from the ready line to the exit code."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., tuple["subprocess.Popen[str]", int]]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a server for `folder` on a free port; the process, once it is ready, and the port."""
    running: list[subprocess.Popen[str]] = []

    def call(
        *words: str, path: Path = folder, **variables: str
    ) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-m", "paraph", "serve", str(path)]
        command += ["--listen", "127.0.0.1:0", "--log-format", "json"]
        command += ["--state", str(folder.parent / "state"), *words]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
            start_new_session=True,  # no terminal of the developer's to write a password on
        )
        running.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            try:
                record = json.loads(line)
            except ValueError:
                pytest.fail(f"not a log line: {line + process.stderr.read()}")
            if record["event"] == "ready":
                return process, int(record["addresses"][0].rpartition(":")[2])
        pytest.fail(f"it ended with {process.wait()} before it was ready")

    yield call
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_and_stop(number: int, start: Start) -> None:
    process, port = start("--user", "anna", PARAPH_PASSWORD="correct horse")
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        pass
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"127.0.0.1:{port}" in out
    assert out.endswith("Goodbye.\n")
    assert "correct horse" not in out + err
    assert "Traceback" not in err


def test_a_client_finds_its_files(start: Start, folder: Path) -> None:
    smbclient = pytest.importorskip("smbclient")
    (folder / "hello.txt").write_text("hello")
    process, port = start("--user", "anna", PARAPH_PASSWORD="correct horse")
    smbclient.register_session("127.0.0.1", "anna", "correct horse", port=port)
    try:
        assert smbclient.listdir(r"\\127.0.0.1\photos", port=port) == ["hello.txt"]
    finally:
        smbclient.delete_session("127.0.0.1", port=port)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    sessions = [json.loads(line) for line in err.splitlines()]
    (session,) = [record for record in sessions if record["event"] == "session"]
    assert session["user"].endswith("anna")
    assert session["dialect"] == "3.1.1"
    assert session["signing"]


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everyone can reach; those of pytest are private to root."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name) / "photos"
        path.mkdir()
        yield path


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_is_given_up_and_accounts_stay_readable(start: Start, public: Path) -> None:
    smbclient = pytest.importorskip("smbclient")
    nobody = 65534
    os.chown(public, nobody, nobody)
    process, port = start(path=public, PARAPH_PASSWORD="correct horse")
    status = Path(f"/proc/{process.pid}/status").read_text()
    ids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert ids == [str(nobody)] * 4
    smbclient.register_session("127.0.0.1", "paraph", "correct horse", port=port)
    try:
        with smbclient.open_file(r"\\127.0.0.1\photos\new.txt", "w", port=port) as file:
            file.write("mine")
        assert (public / "new.txt").stat().st_uid == nobody
    finally:
        smbclient.delete_session("127.0.0.1", port=port)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Started as root: running as nobody" in out
