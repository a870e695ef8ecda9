"""SESSION_SETUP, LOGOFF and ECHO, [MS-SMB2] 3.3.5.5, 3.3.5.6 and 3.3.5.17."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.auth.base import Acceptor, Identity, IdentityKind, LogonFailure
from paraph.core.dialect import CIPHER_NAMES, SIGNING_NAMES
from paraph.crypto.kdf import derive_keys
from paraph.crypto.sealing import Sealer, cipher_key_bits
from paraph.crypto.signing import Role, signer
from paraph.errors import Disconnect, NTStatusError
from paraph.policy.outcome import Outcome, server_outcome
from paraph.server.compliance import findings, outdated
from paraph.server.events import LogonRefused, SessionAudited, SessionEstablished
from paraph.server.session import Channel, Session, SessionState
from paraph.server.waiting import Waiter, until
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.negotiate import SecurityMode
from paraph.wire.smb2.session import (
    SessionFlags,
    SessionSetupFlags,
    SessionSetupRequest,
    SessionSetupResponse,
)
from paraph.wire.smb2.simple import EchoRequest, EchoResponse, LogoffRequest, LogoffResponse

if TYPE_CHECKING:
    from paraph.server.request import Request


async def session_setup(request: Request, message: SessionSetupRequest) -> bytes:
    """[MS-SMB2] 3.3.5.5: one leg of an authentication."""
    connection = request.connection
    server = connection.server
    settings = server.refresh()
    if request.session_id == 0 and (reason := outdated(connection, settings)):
        raise Disconnect(reason)
    if settings.encryption == "required" and not connection.can_encrypt:
        reason = "the server requires encryption, which the client does not offer"
        server.emit(LogonRefused(connection.client, "", reason, NTStatus.ACCESS_DENIED))
        raise NTStatusError(NTStatus.ACCESS_DENIED, reason)
    if message.flags & SessionSetupFlags.BINDING:
        # Multichannel is not offered: SMB2_GLOBAL_CAP_MULTI_CHANNEL is never set.
        raise NTStatusError(NTStatus.REQUEST_NOT_ACCEPTED, "multichannel is not supported")
    session = _find_or_create(request)
    if session.preauth is not None and session.state is SessionState.IN_PROGRESS:
        session.preauth.update(request.data)
    if session.acceptor is None:
        session.acceptor = server.authenticator.acceptor()
    acceptor = session.acceptor
    try:
        token = acceptor.step(bytes(message.security_buffer))
        if acceptor.complete:
            outcome = _judge(request, message, acceptor)
    except NTStatusError as error:
        await _refuse(request, session, error)
        raise
    if not acceptor.complete:
        request.status = NTStatus.MORE_PROCESSING_REQUIRED
        if session.preauth is not None and session.state is SessionState.IN_PROGRESS:
            request.on_reply = session.preauth.update
        return SessionSetupResponse(0, token).encode()
    if session.state is SessionState.IN_PROGRESS and not session.channels:
        _establish(request, session, acceptor, outcome)
    else:
        _reauthenticated(request, session, acceptor)
    _close_previous(request, session, message.previous_session_id)
    return SessionSetupResponse(_flags(session), token).encode()


def _find_or_create(request: Request) -> Session:
    connection = request.connection
    server = connection.server
    if request.session_id == 0:
        if len(connection.sessions) >= server.settings.limits.sessions_per_connection:
            raise NTStatusError(NTStatus.INSUFFICIENT_RESOURCES, "too many sessions")
        preauth = connection.preauth.copy() if connection.preauth is not None else None
        session_id = server.next_id(server.sessions, 64)
        session = Session(session_id, connection, preauth)
        server.sessions[session_id] = session
        connection.sessions[session_id] = session
        request.session_id = session_id
    else:
        found = connection.sessions.get(request.session_id)
        if found is None:
            raise NTStatusError(NTStatus.USER_SESSION_DELETED, "no such session")
        session = found
    request.session = session
    return session


def _judge(request: Request, message: SessionSetupRequest, acceptor: Acceptor) -> Outcome:
    """Ask the policy; raises LogonFailure when it refuses."""
    connection = request.connection
    settings = connection.server.settings
    identity = acceptor.identity
    assert identity is not None
    client_requires = connection.should_sign or bool(
        message.security_mode & SecurityMode.SIGNING_REQUIRED
    )
    outcome = server_outcome(
        settings.policy,
        client_requires=client_requires,
        dialect=connection.dialect.revision,
        identity=identity.kind.value,
        encrypted=_will_encrypt(request, identity),
    )
    if not outcome.established:
        raise LogonFailure(NTStatus.ACCESS_DENIED, outcome.why, str(identity))
    if settings.encryption == "required" and identity.kind is not IdentityKind.USER:
        reason = "the server requires encryption, and such a session has no key to encrypt with"
        raise LogonFailure(NTStatus.ACCESS_DENIED, reason, str(identity))
    return outcome


def _will_encrypt(request: Request, identity: Identity) -> bool:
    """Session.EncryptData: the server wishes it, a cipher is agreed, and there is a key."""
    connection = request.connection
    wished = connection.server.settings.encryption in ("desired", "required")
    return wished and connection.can_encrypt and identity.kind is IdentityKind.USER


async def _refuse(request: Request, session: Session, error: NTStatusError) -> None:
    """A failed logon: log it, forget the session, and let the answer wait (the authentication rate
    limiter of Windows: InvalidAuthenticationDelayTimeInMs). Nobody else waits with it."""
    connection = request.connection
    server = connection.server
    user = error.user if isinstance(error, LogonFailure) else ""
    server.emit(LogonRefused(connection.client, user, error.reason, error.status))
    session.acceptor = None
    server.close_session(session, "authentication failed")
    connection.sessions.pop(session.session_id, None)
    delay = server.settings.failed_logon_delay
    if isinstance(error, LogonFailure) and delay > 0:
        await until(Waiter(), server.platform.monotonic() + delay, interim=False)


def _establish(request: Request, session: Session, acceptor: Acceptor, outcome: Outcome) -> None:
    """A new session becomes valid (3.3.5.5.3)."""
    connection = request.connection
    server, row = connection.server, connection.dialect
    identity = acceptor.identity
    assert identity is not None
    session.identity = identity
    session.acceptor = None
    session.session_key = acceptor.session_key[:16].ljust(16, b"\0")
    session.expires = acceptor.expires
    channel = Channel(connection, None)
    if identity.kind is IdentityKind.USER:
        preauth = session.preauth.value if session.preauth is not None else b""
        bits = cipher_key_bits(connection.cipher_id) if connection.cipher_id else 128
        keys = derive_keys(row.key_scheme, acceptor.session_key, bits, preauth)
        session.keys = keys
        channel.signer = signer(connection.signing_algorithm_id, keys.signing, Role.SERVER)
        if connection.cipher_id:
            session.sealer = Sealer(
                connection.cipher_id, keys.server_to_client, keys.client_to_server
            )
        request.signed = True  # the final response always is, required or not
    session.channels[connection] = channel
    session.signing_required = outcome.session_signing_required
    session.encrypt_data = _will_encrypt(request, identity)
    session.preauth = None
    session.state = SessionState.VALID
    connection.authenticated = True
    # One command of the largest size, its header, and the TRANSFORM_HEADER around it (3.3.5.2).
    largest = max(connection.max_transact_size, connection.max_write_size)
    connection.maximum_frame = largest + 256 + 52 if row.multi_credit else 68 * 1024 + 52
    server.emit(
        SessionEstablished(
            connection.client,
            user=str(identity),
            dialect=row.name,
            signing=SIGNING_NAMES[connection.signing_algorithm_id] if outcome.signed else "",
            signing_reason=outcome.why,
            encryption=CIPHER_NAMES[connection.cipher_id] if session.encrypt_data else "",
            session_id=session.session_id,
            workstation=identity.workstation,
        )
    )
    for finding in findings(session, server.settings):
        server.emit(SessionAudited(connection.client, str(identity), finding))


def _reauthenticated(request: Request, session: Session, acceptor: Acceptor) -> None:
    """3.3.5.5.2: keys and requirements stay as they are; the user must stay the same too, since the
    opens were checked against him."""
    session.acceptor = None
    new, old = acceptor.identity, session.identity
    if new is None or old is None or (new.kind, new.user) != (old.kind, old.user):
        request.connection.server.close_session(session, "re-authenticated as somebody else")
        raise NTStatusError(NTStatus.ACCESS_DENIED, "re-authentication as another user")
    session.expires = acceptor.expires
    session.state = SessionState.VALID
    request.signed = session.signer(request.connection) is not None


def _close_previous(request: Request, session: Session, previous_id: int) -> None:
    """PreviousSessionId: a client that reconnects replaces its old session, if it is the same
    user's (3.3.5.5.3)."""
    server = request.connection.server
    if previous_id in (0, session.session_id):
        return
    previous = server.sessions.get(previous_id)
    if previous is None or previous.identity is None or session.identity is None:
        return
    # Anonymous and guest logons prove nothing about who asks.
    if session.identity.kind is not IdentityKind.USER:
        return
    if (previous.identity.kind, previous.identity.user) == (
        session.identity.kind,
        session.identity.user,
    ):
        server.close_session(previous, "the client reconnected")


def _flags(session: Session) -> int:
    if session.is_guest:
        return SessionFlags.IS_GUEST
    if session.is_anonymous:
        return SessionFlags.IS_NULL
    return SessionFlags.ENCRYPT_DATA if session.encrypt_data else 0


async def logoff(request: Request, message: LogoffRequest) -> bytes:
    """[MS-SMB2] 3.3.5.6. The reply is still signed and sealed with the session's keys."""
    request.connection.server.close_session(request.session, "the client logged off")
    return LogoffResponse().encode()


async def echo(request: Request, message: EchoRequest) -> bytes:
    """[MS-SMB2] 3.3.5.17: a sign of life, for those who have a session."""
    sessions = request.connection.sessions
    # 3.3.5.17 would drop a connection whose last session has logged off, too; clients that keep
    # such a connection alive for their next session are there, and do no harm.
    if not request.connection.authenticated:
        raise Disconnect("an ECHO before any session")
    if request.session_id and request.session_id not in sessions:
        raise NTStatusError(NTStatus.USER_SESSION_DELETED, "no such session")
    return EchoResponse().encode()
