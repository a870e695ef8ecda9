"""The fuzzers run, find nothing in a few rounds that are always the same, and do find what is
there to be found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz import connection, decoders
from paraph.server import commands
from paraph.wire.smb2.header import Command


def test_a_few_connections(capsys: pytest.CaptureFixture[str]) -> None:
    assert connection.main(["--seed", "1", "--count", "40"]) == 0
    assert "40 episodes from 1" in capsys.readouterr().out


def test_a_few_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert decoders.main(["--seed", "1", "--count", "80"]) == 0
    assert "0 failed" in capsys.readouterr().out


def test_a_crash_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a bug in one command, connections and decoders both tell of it, with the number to look
    at it again."""
    table = list(commands.COMMANDS)
    row = table[Command.LOCK]
    assert row is not None

    def decode(message: memoryview) -> object:
        if message[66] > 3 or message[67]:  # LockCount of more than the right requests have
            raise IndexError("a bug")
        return row.decode(message)

    table[Command.LOCK] = replace(row, decode=decode)
    monkeypatch.setattr(commands, "COMMANDS", tuple(table))
    monkeypatch.setattr(decoders, "COMMANDS", tuple(table))
    assert decoders.main(["--seed", "1", "--count", "100"]) == 1
    assert "--- LOCK of round " in capsys.readouterr().err
    assert connection.main(["--seed", "1", "--count", "60"]) == 1
    assert "--- episode " in capsys.readouterr().err
