"""docs/policy-guide.md: every command in it runs, one after the other, and prints what it says.

A `console` block has commands after "$ ", their exit code in a comment if it is not 0, and what
they print; "..." stands for more lines. A `csv` block is a file.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from paraph.net.control import ControlledSession, bind_control, serve_control
from paraph.net.server import Server
from tests.cli.policy_runner import Cli, cli_for

cli = pytest.fixture(cli_for)

GUIDE = Path(__file__).parents[2] / "docs" / "policy-guide.md"
_BLOCK = re.compile(r"^```(\S+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Sessions:
    """What the control socket asks of a server: one session, until it is ended."""

    def __init__(self) -> None:
        self.open = [
            ControlledSession(
                7, "192.168.1.9", "scanner", "2.1", False, False, 0, "the session is not signed"
            )
        ]

    def controlled_sessions(self) -> list[ControlledSession]:
        return self.open

    def end_sessions(self, ids: set[int]) -> int:
        ended = [one for one in self.open if one.session_id in ids]
        self.open = [one for one in self.open if one not in ended]
        return len(ended)


@contextmanager
def controlled(state: Path) -> Iterator[Sessions]:
    """A control socket in `state`, with somebody at its other end."""
    state.mkdir(mode=0o700, exist_ok=True)
    sessions, sock = Sessions(), bind_control(state)
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def answer() -> None:
        server = await serve_control(cast(Server, sessions), sock)
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(answer(),))
    thread.start()
    ready.wait(10)
    try:
        yield sessions
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def commands(block: str) -> Iterator[tuple[list[str], int, list[str]]]:
    """(words, exit code, expected lines) of each command."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        command, _, comment = command.partition("  # ")
        code = int(comment.removeprefix("exit code ")) if comment else 0
        yield shlex.split(command), code, output.splitlines()


def check(said: str, expected: list[str], command: str) -> None:
    """The output begins as it stands there, and is all of it unless "..." follows."""
    lines = said.rstrip("\n").splitlines()
    if expected and expected[-1] == "...":
        expected = expected[:-1]
        lines = lines[: len(expected)]
    assert lines == expected, command


def test_every_command_runs(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    count = 0
    with controlled(cli.state) as sessions:
        for kind, name, body in _BLOCK.findall(GUIDE.read_text("utf-8")):
            assert kind in ("console", "csv"), kind
            if kind == "csv":
                (folder / (name or "peers.csv")).write_text(body)
                continue
            for words, code, expected in commands(body):
                assert words[0] == "paraph"
                said = cli(*words[1:], code=code)
                if expected:
                    check(said, expected, shlex.join(words))
                count += 1
        assert sessions.open == []
    assert count > 25


def test_the_commands_that_it_names_exist(cli: Cli) -> None:
    text = GUIDE.read_text("utf-8")
    known = cli("policy", "--help")
    for name in set(re.findall(r"`?paraph policy ([a-z]+)", text)):
        assert re.search(rf"^  {name} ", known, re.MULTILINE), name


def test_it_is_found_from_the_other_pages() -> None:
    root = GUIDE.parents[1]
    assert "docs/policy-guide.md" in (root / "README.md").read_text("utf-8")
    assert "(policy-guide.md)" in (root / "docs" / "guide.md").read_text("utf-8")
