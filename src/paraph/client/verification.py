"""Whether an answer may be believed: [MS-SMB2] 3.2.5.1.3, and what it leaves to good sense.

The specification lets a client skip much. Here:

* What was asked signed is answered signed, with the right key. What was asked encrypted is answered
  encrypted. Whatever is signed is verified, asked for or not.
* The one exemption is the interim response: STATUS_PENDING *and* the asynchronous form of the
  header. It carries nothing but an AsyncId and credits. When the request was encrypted even that
  must be.
* Break notifications never come here: they answer nothing (see `Connection`).
* SESSION_SETUP of a session that has no key yet is judged by `log_on`, which makes the key.
"""

from __future__ import annotations

from paraph.client.steps import Request
from paraph.core.message import Message
from paraph.crypto.signing import Signer
from paraph.wire.ntstatus import NTStatus, name
from paraph.wire.smb2.header import COMMAND_NAMES, Command, Flags

_RELAXED_SETUP = frozenset(
    (NTStatus.REQUEST_OUT_OF_SEQUENCE, NTStatus.NOT_SUPPORTED, NTStatus.ACCESS_DENIED)
)


def objection(
    request: Request,
    message: Message,
    *,
    sealed: bool,
    signer: Signer | None,
    signing_required: bool,
    logging_on: bool = False,
    relaxed: bool = False,
) -> str:
    """Why `message` must not be used as the answer to `request`; "" when it may.

    `sealed`: it came encrypted with the session's key. `signer`: of the session the request
    belongs to, None when that has no key. `logging_on`: the key is yet to be made, so signatures
    are left to `log_on`.
    """
    header = message.header
    what = f"the answer to {COMMAND_NAMES[request.command]}"
    if not header.flags & Flags.SERVER_TO_REDIR:
        return f"{what} is a request: somebody sends our own messages back"
    if header.command != request.command:
        return f"{what} is one to command {header.command}"
    if request.session_id and header.session_id != request.session_id:
        return f"{what} belongs to another session"
    if sealed:
        return ""
    if request.sealed:
        return f"{what} is not encrypted, although the request was"
    if header.status == NTStatus.PENDING and header.flags & Flags.ASYNC_COMMAND:
        return ""
    if logging_on:
        return ""
    if header.flags & Flags.SIGNED:
        if signer is None:
            return f"{what} is signed, and the session has no key to sign with"
        return "" if signer.verify(message.data) else f"{what} has a wrong signature"
    if signing_required or request.signed:
        if relaxed and _is_relaxed(request.command, header.status):
            return ""
        return f"{what} ({name(header.status)}) is not signed, although it must be"
    return ""


def _is_relaxed(command: int, status: int) -> bool:
    """What Samba's client takes unsigned on a signing session."""
    if status == NTStatus.USER_SESSION_DELETED:
        return True
    return command == Command.SESSION_SETUP and status in _RELAXED_SETUP
