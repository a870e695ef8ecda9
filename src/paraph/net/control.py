"""A running server's control socket, `control` in its state directory: for the command line.

Whoever may enter the directory (0700) may ask. One line of JSON is a request, one line the answer:
{"do": "sessions"}, {"do": "noncompliant"}, {"do": "end", "sessions": [ids]}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paraph.errors import UserError

if TYPE_CHECKING:
    from paraph.net.server import Server

NAME = "control"
_LINE = 1 << 20
_PATIENCE = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class ControlledSession:
    """A session of a running server; `complaint` says why it does not comply with the policy."""

    session_id: int
    client: str
    user: str
    dialect: str
    signed: bool
    encrypted: bool
    opens: int
    complaint: str


def bind_control(state: Path) -> socket.socket:
    """The listening socket. Raises UserError if another server runs with this state."""
    path = state / NAME
    if path.exists():
        if _answers(path):
            raise UserError(f"A server runs with the state {state} already.")
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as name:
            sock.bind(name)
        os.chmod(path, 0o600)
        sock.listen(8)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise UserError(f"The control socket {path} can not be made: {error.strerror}.") from None
    return sock


def remove_control(state: Path) -> None:
    """Take the socket away at the end. Where that is not permitted any more (root was given up) it
    stays, and the next server finds that nobody answers there."""
    with contextlib.suppress(OSError):
        (state / NAME).unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, _short(path) as name:
        probe.settimeout(_PATIENCE)
        return probe.connect_ex(name) == 0


@contextlib.contextmanager
def _short(path: Path) -> Any:
    """`path` as a name that fits into 108 bytes, however deep the directory lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def serve_control(server: Server, sock: socket.socket) -> asyncio.Server:
    """Answer on `sock` in the running loop."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                writer.write(json.dumps(_answer(server, json.loads(line))).encode() + b"\n")
                await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(talk, sock=sock, limit=_LINE)


def _answer(server: Server, question: Any) -> dict[str, Any]:
    do = question.get("do") if isinstance(question, dict) else None
    if do == "sessions":
        return {"sessions": [asdict(one) for one in server.controlled_sessions()]}
    if do == "noncompliant":
        bad = [one for one in server.controlled_sessions() if one.complaint]
        return {"sessions": [asdict(one) for one in bad]}
    if do == "end":
        return {"ended": server.end_sessions({int(one) for one in question["sessions"]})}
    return {"error": "no such request"}


# For the command line


def sessions(state: Path) -> list[ControlledSession]:
    """The sessions of the server that runs with `state`. Raises UserError if there is none."""
    return _listed(_ask(state, {"do": "sessions"}))


def noncompliant(state: Path) -> list[ControlledSession]:
    """Those that the settings of this moment would not let in. Raises UserError."""
    return _listed(_ask(state, {"do": "noncompliant"}))


def end_sessions(state: Path, session_ids: list[int]) -> int:
    """End sessions; how many there were. Raises UserError."""
    return int(_ask(state, {"do": "end", "sessions": session_ids})["ended"])


def _listed(answer: dict[str, Any]) -> list[ControlledSession]:
    return [ControlledSession(**one) for one in answer["sessions"]]


def _ask(state: Path, question: dict[str, Any]) -> dict[str, Any]:
    path = state / NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_PATIENCE)
            with _short(path) as name:
                sock.connect(name)
            sock.sendall(json.dumps(question).encode() + b"\n")
            with sock.makefile("rb") as lines:
                answer = json.loads(lines.readline())
    except (OSError, ValueError):
        raise UserError(f"No server is running with the state {state}.") from None
    if "error" in answer:
        raise UserError(f"The server says: {answer['error']}.")
    return dict(answer)
