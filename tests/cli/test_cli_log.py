"""cli/log.py: one line for each event, which no peer can forge."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.cli.log import Log, printable, quoted
from paraph.server.events import (
    ConnectionRefused,
    Event,
    HandlerCrashed,
    LogonRefused,
    RequestRefused,
    SessionClosed,
    SessionEstablished,
)

NOON = datetime(2026, 5, 4, 12, 0, 0, 250_000, tzinfo=UTC)
CLIENT = "192.0.2.7:50123"


def logged(event: Event, *, json_lines: bool = False, verbose: bool = False) -> str:
    stream = io.StringIO()
    Log(json_lines=json_lines, verbose=verbose, stream=stream, now=lambda: NOON).event(event)
    return stream.getvalue()


SESSION = SessionEstablished(
    CLIENT, "anna", "3.1.1", "AES-GMAC", "the server always signs", "AES-128-GCM", 7, "LAPTOP"
)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            SESSION,
            "info    session: anna on LAPTOP from 192.0.2.7:50123, SMB 3.1.1, signed with AES-GMAC "
            "(the server always signs), sealed with AES-128-GCM",
        ),
        (
            SessionEstablished(CLIENT, "OFFICE\\ben", "2.1", "", "neither side asks", "", 8),
            "info    session: OFFICE\\ben from 192.0.2.7:50123, SMB 2.1, not signed "
            "(neither side asks), not sealed",
        ),
        (
            LogonRefused(CLIENT, "eve", "the password is wrong", 0xC000006D),
            "warning logon refused: eve from 192.0.2.7:50123: the password is wrong (0xC000006D)",
        ),
        (
            ConnectionRefused(CLIENT, "too many connections"),
            "warning connection refused: 192.0.2.7:50123: too many connections",
        ),
        (
            RequestRefused(CLIENT, "anna", "READ", "the request is not signed", 0xC0000022),
            "warning request refused: anna from 192.0.2.7:50123, READ: the request is not signed "
            "(0xC0000022)",
        ),
        (
            HandlerCrashed(CLIENT, "CREATE", "Traceback\n  File x\x1b[2J\nValueError: 1"),
            "error   a bug in Paraph: CREATE from 192.0.2.7:50123 failed; please report it\n"
            "    | Traceback\n    |   File x\\x1b[2J\n    | ValueError: 1",
        ),
    ],
)
def test_text(event: Event, line: str) -> None:
    assert logged(event) == f"2026-05-04T12:00:00.250Z {line}\n"


def test_the_end_of_a_session_only_when_verbose() -> None:
    event = SessionClosed(CLIENT, "anna", 7, "the client logged off")
    assert logged(event) == ""
    assert logged(event, verbose=True) == (
        "2026-05-04T12:00:00.250Z info    session ended: anna from 192.0.2.7:50123: "
        "the client logged off\n"
    )


def test_json() -> None:
    record = json.loads(logged(SESSION, json_lines=True))
    assert record == {
        "time": "2026-05-04T12:00:00.250Z",
        "level": "info",
        "event": "session",
        "client": CLIENT,
        "user": "anna",
        "dialect": "3.1.1",
        "signing": "AES-GMAC",
        "signing_reason": "the server always signs",
        "encryption": "AES-128-GCM",
        "session_id": 7,
        "workstation": "LAPTOP",
    }


def test_an_event_without_a_row_is_still_told() -> None:
    assert "event: client" in logged(Event(CLIENT))
    assert json.loads(logged(Event(CLIENT), json_lines=True))["event"] == "event"


@settings(deadline=None)
@given(st.text(), st.text())
def test_no_name_breaks_a_line_or_pretends(user: str, workstation: str) -> None:
    event = SessionEstablished(CLIENT, user, "3.1.1", "", "", "", 1, workstation)
    line = logged(event)
    assert line.endswith("\n")
    assert len((line[:-1] + "x").splitlines()) == 1
    assert line[:-1].isprintable()
    assert line.encode()
    record = logged(event, json_lines=True)
    assert record.isascii()
    assert record.count("\n") == 1
    assert json.loads(record)["user"] == user


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("anna", "anna"),
        ("anna@example.org", "anna@example.org"),
        ("W\\anna", "W\\anna"),
        ("", '""'),
        ("anna from 10.0.0.1", '"anna from 10.0.0.1"'),
        ('a" b', '"a\\" b"'),
        ("a\\b\\c", '"a\\\\b\\\\c"'),
        ("a\nb", '"a\\nb"'),
        ("\u202eevil", '"\\u202eevil"'),
        ("\ud800", '"\\ud800"'),
        ("Jörg", '"Jörg"'),
    ],
)
def test_quoted(name: str, shown: str) -> None:
    assert quoted(name) == shown


def test_long_values_are_cut() -> None:
    assert printable("x" * 1000, 10) == "x" * 10 + "..."
    assert len(quoted("x" * 100_000)) < 300


def test_a_closed_stream_does_no_harm() -> None:
    stream = io.StringIO()
    log = Log(stream=stream, now=lambda: NOON)
    stream.close()
    log.event(SESSION)


def test_messages() -> None:
    stream = io.StringIO()
    Log(stream=stream, now=lambda: NOON).message("ready", "ready: on\n1", "info")
    Log(json_lines=True, stream=stream, now=lambda: NOON).message("ready", "x", addresses=["a:1"])
    first, second = stream.getvalue().splitlines()
    assert first == "2026-05-04T12:00:00.250Z info    ready: on\\n1"
    assert json.loads(second)["addresses"] == ["a:1"]
