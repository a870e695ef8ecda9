"""What the server tells whoever listens: one record per fact, never a secret in it.

The server calls `on_event(event)`; the command line turns it into a log line, tests collect it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened on the connection with `client` (address and port as text)."""

    client: str


@dataclass(frozen=True, slots=True)
class SessionEstablished(Event):
    """A session became valid ([MS-SMB2] 3.3.5.5.3)."""

    user: str
    dialect: str  #: "3.1.1"
    signing: str  #: "AES-GMAC", or "" when the session does not require signing
    signing_reason: str  #: the policy's answer in plain words
    encryption: str  #: "AES-128-GCM", or ""
    session_id: int
    workstation: str = ""


@dataclass(frozen=True, slots=True)
class SessionAudited(Event):
    """What one of the audit settings wants told of a session that was established: the events 3021,
    3022 and 3023 of a Windows server."""

    user: str
    finding: str


@dataclass(frozen=True, slots=True)
class SessionClosed(Event):
    """A valid session ended: by LOGOFF, by the connection's end, or because it was replaced."""

    user: str
    session_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class LogonRefused(Event):
    """A SESSION_SETUP failed."""

    user: str
    reason: str
    status: int


@dataclass(frozen=True, slots=True)
class ConnectionRefused(Event):
    """A connection was dropped, or not taken, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class RequestRefused(Event):
    """A request was refused for a reason that an administrator wants to see: an unsigned or
    tampered message, unencrypted access to an encrypted share, a share that is not there."""

    user: str
    command: str
    reason: str
    status: int


@dataclass(frozen=True, slots=True)
class HandlerCrashed(Event):
    """A bug of ours: the peer was answered STATUS_INTERNAL_ERROR; `trace` is the traceback."""

    command: str
    trace: str
