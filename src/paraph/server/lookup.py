"""What a request means before its handler runs: whose it is, whether that is proven, and what it
names ([MS-SMB2] 3.3.5.2.4 to 3.3.5.2.11), in the order of the specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.core.message import Message, Refusal, check_signature
from paraph.errors import Disconnect, NTStatusError
from paraph.server.session import SessionState
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import COMMAND_NAMES, Command, Flags

if TYPE_CHECKING:
    from paraph.server.commands import CommandRow
    from paraph.server.request import Request


def inherit(request: Request) -> None:
    """A related request takes its identifiers from the one before (3.3.5.2.7.2)."""
    chain = request.chain
    if not request.related:
        return
    if chain.index == 1:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "the first request is marked related")
    request.session_id = chain.session_id
    request.tree_id = chain.tree_id


def verify(request: Request) -> None:
    """Signature: 3.3.5.2.4."""
    header, connection = request.header, request.connection
    if request.sealed:
        return
    if header.command == Command.NEGOTIATE:
        if header.flags & Flags.SIGNED:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "a signed NEGOTIATE")
        return
    session = connection.sessions.get(request.session_id)
    if session is None:
        if header.flags & Flags.SIGNED:
            raise NTStatusError(NTStatus.USER_SESSION_DELETED, "signed, session unknown")
        return
    # A re-authentication stands under the requirement that the session had: signed legs only,
    # or encrypted ones, which did not come this far. (Other commands: `resolve_session`.)
    required = session.signing_required
    if header.command == Command.SESSION_SETUP and session.encrypt_data:
        required = True
    message = Message(header, request.data)
    refusal = check_signature(message, session.signer(connection), required=required)
    if refusal is None:
        request.signed = bool(header.flags & Flags.SIGNED)
        return
    status = NTStatus.NOT_SUPPORTED if refusal == Refusal.NO_KEY else NTStatus.ACCESS_DENIED
    connection.report(session, COMMAND_NAMES[header.command], refusal, status)
    tree_connect = header.command == Command.TREE_CONNECT and connection.dialect.contexts
    if tree_connect and refusal == Refusal.UNSIGNED:
        raise Disconnect("a 3.1.1 TREE_CONNECT came neither signed nor encrypted")
    raise NTStatusError(status, refusal)


def resolve_session(request: Request, row: CommandRow) -> None:
    """3.3.5.2.9."""
    connection = request.connection
    session = connection.sessions.get(request.session_id)
    if session is None:
        if request.related and request.session_id == 0:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "no session to relate to")
        raise NTStatusError(NTStatus.USER_SESSION_DELETED, "no such session")
    request.session = session
    state = session.state
    if state is SessionState.VALID and session.expires:
        connection.server.check_expiry(session)
        state = session.state
    if state is not SessionState.VALID and not row.on_expired:
        if state is SessionState.EXPIRED:
            raise NTStatusError(NTStatus.NETWORK_SESSION_EXPIRED, "the session expired")
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "the session is not established")
    if session.encrypt_data and not request.sealed:
        reason = "it is not encrypted and the session requires encryption"
        connection.report(session, row.name, reason, NTStatus.ACCESS_DENIED)
        raise NTStatusError(NTStatus.ACCESS_DENIED, reason)


def resolve_tree(request: Request) -> None:
    """3.3.5.2.11."""
    tree = request.session.trees.get(request.tree_id)
    if tree is None:
        if request.related and request.tree_id == 0:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "no tree connect to relate to")
        raise NTStatusError(NTStatus.NETWORK_NAME_DELETED, "no such tree connect")
    request.tree = tree
    if tree.encrypt_data and not request.sealed:
        reason = f"it is not encrypted and share {tree.name!r} requires encryption"
        name = COMMAND_NAMES[request.header.command]
        request.connection.report(request.session, name, reason, NTStatus.ACCESS_DENIED)
        raise NTStatusError(NTStatus.ACCESS_DENIED, reason)


def resolve_open(request: Request, persistent: int, volatile: int) -> None:
    """The FileId's open, of this tree connect; in a related request the one before's.

    Raises FILE_CLOSED, or for a related request what the one before failed with.
    """
    if request.related:
        chain = request.chain
        if chain.file_id is None:
            status = chain.file_status
            failed = status if status & 0xC0000000 == 0xC0000000 else NTStatus.INVALID_HANDLE
            raise NTStatusError(failed, "the request before has no FileId")
        persistent, volatile = chain.file_id
    opened = request.session.find_open(persistent, volatile)
    if opened.tree is not request.tree:
        raise NTStatusError(NTStatus.FILE_CLOSED, "the open belongs to another tree connect")
    request.open = opened


def check_charge(charge: int, payload: int) -> None:
    """3.3.5.2.5: a credit is worth 64 KiB of request or response, whichever is larger."""
    needed = 1 + (payload - 1) // 65536 if payload > 0 else 1
    if needed > (charge or 1):
        raise NTStatusError(
            NTStatus.INVALID_PARAMETER, f"{payload} bytes need {needed} credits, not {charge}"
        )
