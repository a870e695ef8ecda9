"""Several processes on one registry, one of which may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from paraph.policy.registry import Registry
from paraph.policy.registry_value import RegistryValue, RegType

SOURCE = Path(__file__).parent.parent.parent / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE)}

#: Writes numbered values, one transaction of two values each, and acknowledges each on a line.
WRITER = """
import sys
from paraph.policy.registry import Registry
from paraph.policy.registry_value import RegistryValue

path, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Registry(path, lambda: 1, timeout=60) as registry:
    for number in range(count):
        data = number.to_bytes(4, "little")
        registry.apply(
            [RegistryValue(f"{who}\\\\A", f"v{number}", 4, data),
             RegistryValue(f"{who}\\\\B", f"v{number}", 4, data)]
        )
        print(number, flush=True)
"""


def writer(path: Path, who: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), who, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def numbers(registry: Registry, key: str) -> list[int]:
    return sorted(int.from_bytes(value.data, "little") for value in registry.values(key))


@pytest.mark.parametrize("acknowledged", [1, 137, 400])
def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "registry.db"
    last = -1
    with writer(path, "K", 1000) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = int(line)
            if last + 1 == acknowledged:
                process.send_signal(signal.SIGKILL)
        # What was in the pipe when it died was acknowledged too.
    assert process.returncode == -signal.SIGKILL
    assert acknowledged <= last + 1 < 1000
    with Registry(path, lambda: 1) as registry:
        found = numbers(registry, "K\\A")
        assert found == numbers(registry, "K\\B"), "half a transaction"
        # The one in hand may have been finished before it could say so.
        assert found in (list(range(last + 1)), list(range(last + 2)))
        registry.set(RegistryValue("K\\A", "after", RegType.DWORD, b"\xff\xff\0\0"))
        assert numbers(registry, "K\\A") == [*found, 0xFFFF]
    assert os.listdir(tmp_path) == ["registry.db"]


def test_two_processes_make_and_write_one_registry_at_once(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with writer(path, "one", 100) as one, writer(path, "two", 100) as two:
        one.communicate(timeout=120)
        two.communicate(timeout=120)
    assert (one.returncode, two.returncode) == (0, 0)
    with Registry(path, lambda: 1) as registry:
        for key in ("one\\A", "one\\B", "two\\A", "two\\B"):
            assert numbers(registry, key) == list(range(100))
    assert os.listdir(tmp_path) == ["registry.db"]


def test_a_reader_sees_what_another_process_wrote(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with Registry(path, lambda: 1) as registry:
        before = registry.generation()
        with writer(path, "K", 1) as process:
            process.communicate(timeout=60)
        assert registry.generation() != before
        assert numbers(registry, "K\\A") == [0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_writes(tmp_path: Path) -> None:
    """The child has its own connection, holds no lock of the parent's, and both go on."""
    stop = threading.Event()
    with Registry(tmp_path / "registry.db", lambda: 1, timeout=60) as registry:

        def write() -> None:
            number = 0
            while not stop.wait(0.002):  # lets the children in
                number += 1
                registry.set(RegistryValue("parent", f"v{number % 7}", RegType.DWORD, bytes(4)))

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for child in range(3):
                pid = os.fork()
                if pid == 0:
                    code = 1
                    try:
                        value = RegistryValue("child", str(child), RegType.DWORD, bytes(4))
                        registry.set(value)
                        code = 0 if registry.get("child", str(child)) == value else 2
                    finally:
                        os._exit(code)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        finally:
            stop.set()
            thread.join()
        assert len(registry.values("child")) == 3
        assert registry.get("parent", "v1") is not None
