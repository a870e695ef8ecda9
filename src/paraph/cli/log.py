"""One line on standard error for each event, as text or as JSON.

Peers choose their user names, workstation names and what makes us fail: nothing of theirs can break
a line, colour a terminal or pass for another field. Secrets are not in events.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import IO

from paraph.server.events import (
    ConnectionRefused,
    Event,
    HandlerCrashed,
    LogonRefused,
    RequestRefused,
    SessionAudited,
    SessionClosed,
    SessionEstablished,
)

_LONGEST = 256  # characters of one value in a text line
_BARE = re.compile(r"[A-Za-z0-9_.@$-]+(\\[A-Za-z0-9_.@$-]+)?")


def printable(text: str, limit: int = _LONGEST) -> str:
    """`text` on one line: whatever is not printable is escaped, and it is cut at `limit`."""
    if len(text) > limit:
        text = text[:limit] + "..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(name: str) -> str:
    """A name that a peer chose: bare if it can not be mistaken for our words, else in quotes."""
    if _BARE.fullmatch(name) and len(name) <= _LONGEST:
        return name
    return '"' + printable(name.replace("\\", "\\\\").replace('"', '\\"')) + '"'


class Log:
    """Writes events to `stream`; callable from any thread, one write for each line."""

    def __init__(
        self,
        *,
        json_lines: bool = False,
        verbose: bool = False,
        stream: IO[str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._json = json_lines
        self._verbose = verbose
        self._stream = stream if stream is not None else sys.stderr
        self._now = now

    def event(self, event: Event) -> None:
        """Log one event of the server. The end of a session only when verbose."""
        if isinstance(event, SessionClosed) and not self._verbose:
            return
        level, name = _NAMES.get(type(event), ("info", type(event).__name__.lower()))
        if self._json:
            self._write_json(level, name, asdict(event))
        else:
            render = _TEXTS.get(type(event), _generic)
            self._write(level, render(event))

    def message(self, name: str, text: str, level: str = "info", **fields: object) -> None:
        """Log something that the command line itself has to say."""
        if self._json:
            self._write_json(level, name, {"message": text, **fields})
        else:
            self._write(level, printable(text, 2000))

    def _write_json(self, level: str, name: str, fields: dict[str, object]) -> None:
        # ASCII only: every control, separator and direction mark is an escape.
        self._put(json.dumps({"time": self._time(), "level": level, "event": name, **fields}))

    def _write(self, level: str, text: str) -> None:
        self._put(f"{self._time()} {level:<7} {text}")

    def _time(self) -> str:
        return self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _put(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a closed terminal or full disk must not stop the service


def _status(status: int) -> str:
    return f"(0x{status:08X})"


def _session(event: SessionEstablished) -> str:
    signed = f"signed with {event.signing}" if event.signing else "not signed"
    why = f" ({printable(event.signing_reason).rstrip('.')})" if event.signing_reason else ""
    sealed = f"sealed with {event.encryption}" if event.encryption else "not sealed"
    computer = f" on {quoted(event.workstation)}" if event.workstation else ""
    return (
        f"session: {quoted(event.user)}{computer} from {printable(event.client)}, "
        f"SMB {event.dialect}, {signed}{why}, {sealed}"
    )


def _audited(event: SessionAudited) -> str:
    return f"audit: {quoted(event.user)} from {printable(event.client)}: {event.finding}"


def _closed(event: SessionClosed) -> str:
    return (
        f"session ended: {quoted(event.user)} from {printable(event.client)}: "
        f"{printable(event.reason)}"
    )


def _logon(event: LogonRefused) -> str:
    return (
        f"logon refused: {quoted(event.user)} from {printable(event.client)}: "
        f"{printable(event.reason)} {_status(event.status)}"
    )


def _connection(event: ConnectionRefused) -> str:
    return f"connection refused: {printable(event.client)}: {printable(event.reason)}"


def _request(event: RequestRefused) -> str:
    return (
        f"request refused: {quoted(event.user)} from {printable(event.client)}, "
        f"{printable(event.command)}: {printable(event.reason)} {_status(event.status)}"
    )


def _crash(event: HandlerCrashed) -> str:
    # The trace may quote a peer's text: each of its lines is escaped and marked as ours.
    trace = "".join(f"\n    | {printable(line, 1000)}" for line in event.trace.splitlines())
    return (
        f"a bug in Paraph: {printable(event.command)} from {printable(event.client)} failed; "
        f"please report it{trace}"
    )


def _generic(event: Event) -> str:
    name = _NAMES.get(type(event), ("", type(event).__name__.lower()))[1]
    fields = ", ".join(f"{key} {quoted(str(value))}" for key, value in asdict(event).items())
    return f"{name}: {fields}"


_NAMES: dict[type[Event], tuple[str, str]] = {
    SessionEstablished: ("info", "session"),
    SessionAudited: ("warning", "audit"),
    SessionClosed: ("info", "session-ended"),
    LogonRefused: ("warning", "logon-refused"),
    ConnectionRefused: ("warning", "connection-refused"),
    RequestRefused: ("warning", "request-refused"),
    HandlerCrashed: ("error", "bug"),
}

# mypy can not see that each key's function takes that key; the tests call every row.
_TEXTS: dict[type[Event], Callable[..., str]] = {
    SessionEstablished: _session,
    SessionAudited: _audited,
    SessionClosed: _closed,
    LogonRefused: _logon,
    ConnectionRefused: _connection,
    RequestRefused: _request,
    HandlerCrashed: _crash,
}
