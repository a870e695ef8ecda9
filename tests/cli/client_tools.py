"""What the tests of the client's command line share."""

from __future__ import annotations

import io
import json
import socket
import struct
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from paraph.cli.main import main

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Served:
    """A server that runs: what its share "data" shows, and where it is."""

    folder: Path
    port: int

    def url(self, path: str = "", *, share: str = "data") -> str:
        return f"smb://anna@127.0.0.1:{self.port}/{share}/{path}".rstrip("/")

    def write(self, **files: str) -> None:
        """Files by name, with "__" for a slash and "_" for a point."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class Cli:
    """`paraph`, in this process."""

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        self.patch = patch
        self._captured = captured

    def __call__(self, *words: object, stdin: str = "", password: str | None = PASSWORD) -> Result:
        if password is not None:
            self.patch.setenv("PARAPH_PASSWORD", password)
        self.patch.setattr(sys, "argv", ["paraph", *map(str, words)])
        self.patch.setattr(sys, "stdin", io.StringIO(stdin))
        self._captured.readouterr()
        code = main()
        out, err = self._captured.readouterr()
        return Result(code, out, err)

    def ok(self, *words: object, stdin: str = "") -> Result:
        """The same, of what must succeed without a complaint."""
        result = self(*words, stdin=stdin)
        assert (result.code, result.err) == (0, "")
        return result


class CuttingProxy:
    """Stands between client and server, and cuts each connection after so many bytes, which count
    in both directions; the last number holds for all further connections, None is never."""

    def __init__(self, port: int, cuts: Iterable[int | None]) -> None:
        self._target = port
        self._cuts = list(cuts)
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                cut = self._cuts[min(self.connections, len(self._cuts) - 1)]
                self.connections += 1
                self._open += [client, server]
                budget = [cut]
                self._start(self._carry, client, server, budget)
                self._start(self._carry, server, client, budget)

    def _carry(self, one: socket.socket, other: socket.socket, budget: list[int | None]) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                left = budget[0]
                if left is not None:
                    budget[0] = left - len(data)
                    if left <= len(data):
                        other.sendall(data[: max(0, left)])
                        self._cut(one, other)
                        return
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    @staticmethod
    def _cut(*both: socket.socket) -> None:
        for sock in both:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut(*self._open)
        for thread in self._threads:
            thread.join(10)
        for sock in self._open:
            sock.close()
