"""From a transport to a tree connect: NEGOTIATE, SESSION_SETUP, TREE_CONNECT, and the proofs that
nobody changed them on their way ([MS-SMB2] 3.2.4.2, 3.2.5.2 to 3.2.5.5, 3.2.5.14.12)."""

from __future__ import annotations

from functools import partial
from typing import Any

from paraph.auth.client import Credentials, Initiator, InitiatorError
from paraph.client import requests
from paraph.client.connection import Connection
from paraph.client.errors import refused, smb_error, violation
from paraph.client.negotiation import client_offer, take_answer
from paraph.client.steps import Offload, Request, Steps
from paraph.client.tree import Session, Tree
from paraph.crypto.kdf import derive_keys
from paraph.crypto.preauth import PreauthHash
from paraph.crypto.sealing import Sealer, cipher_key_bits
from paraph.crypto.signing import Role, signer
from paraph.errors import ConnectionLost, DecodeError, PolicyRefused, SecurityViolation, SMBError
from paraph.policy.outcome import IdentityName, client_outcome
from paraph.wire.fsctl import Fsctl
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import Command, Flags
from paraph.wire.smb2.ioctl import ValidateNegotiateInfoRequest, ValidateNegotiateInfoResponse
from paraph.wire.smb2.negotiate import Dialect, NegotiateResponse
from paraph.wire.smb2.session import SessionFlags, SessionSetupRequest, SessionSetupResponse
from paraph.wire.smb2.simple import LogoffRequest, TreeDisconnectRequest
from paraph.wire.smb2.tree import ShareFlags, ShareType, TreeConnectRequest, TreeConnectResponse

IPC = "IPC$"
_VALIDATE_SIZE = 24
_MOST_LEGS = 16
"""SESSION_SETUP exchanges of one logon; Kerberos and NTLM take two or three."""


def establish(
    connection: Connection, credentials: Credentials, share: str, root: str
) -> Steps[Tree]:
    """Everything up to the first tree connect. What fails ends the connection."""
    try:
        yield from negotiate(connection)
        yield from log_on(connection, credentials)
        return (yield from tree_connect(connection, share, root))
    except (SecurityViolation, PolicyRefused) as error:
        connection.fail(error)
        raise


def negotiate(connection: Connection) -> Steps[None]:
    """3.2.4.2.2.2 and 3.2.5.2. Raises SecurityViolation when the answer is none to our offer."""
    chain = PreauthHash()

    def answered(message: memoryview) -> None:
        chain.update(message)
        take_answer(connection, NegotiateResponse.decode(message))

    request = Request(Command.NEGOTIATE, client_offer(connection).encode(), answered)
    request.on_sent = chain.update
    yield request
    if connection.dialect.contexts:
        connection.preauth = chain


def log_on(connection: Connection, credentials: Credentials) -> Steps[Session]:
    """A new session: 3.2.4.2.3, 3.2.5.3.1. Raises SMBError when the server refuses, PolicyRefused
    when we do, SecurityViolation when the last answer does not prove that the server knows the key.
    """
    chain = connection.preauth.copy() if connection.preauth is not None else PreauthHash()
    try:
        initiator: Initiator = yield Offload(lambda: credentials.initiator(connection.server))
        token: bytes = yield Offload(lambda: initiator.step(b""))
        session_id = 0
        for _ in range(_MOST_LEGS):
            request = _session_setup(connection, token, session_id)
            request.on_sent = chain.update
            answer: bytearray = yield request
            response = SessionSetupResponse.decode(memoryview(answer))
            assert request.header is not None
            if session_id not in (0, request.header.session_id) or not request.header.session_id:
                raise violation("the server changed the SessionId in the middle of a logon")
            session_id = request.header.session_id
            if request.status == NTStatus.MORE_PROCESSING_REQUIRED:
                chain.update(answer)
            token = yield Offload(partial(initiator.step, bytes(response.security_buffer)))
            if request.status == NTStatus.SUCCESS:
                key = initiator.session_key
                return _session(connection, credentials, request, answer, key, chain)
    except InitiatorError as error:
        failure = smb_error(NTStatus.LOGON_FAILURE)
        failure.strerror = f"the logon failed: {error}"
        raise failure from error
    except DecodeError as error:
        raise violation(f"a malformed answer to SESSION_SETUP: {error}") from error
    raise violation(f"the logon has not ended after {_MOST_LEGS} messages")


def _session_setup(connection: Connection, token: bytes, session_id: int) -> Request:
    """One leg; answers a copy of the whole message, to be verified once there is a key."""
    body = SessionSetupRequest(
        security_mode=connection.client_security_mode, security_buffer=token
    ).encode()
    request = Request(
        Command.SESSION_SETUP, body, bytearray, accepts=(NTStatus.MORE_PROCESSING_REQUIRED,)
    )
    request.session_id = session_id
    return request


def _session(
    connection: Connection,
    credentials: Credentials,
    request: Request,
    answer: bytearray,
    key: bytes,
    chain: PreauthHash,
) -> Session:
    """The final SESSION_SETUP response: is it from who knows the key, and does our policy agree?"""
    assert request.header is not None
    settings = connection.settings
    flags = SessionSetupResponse.decode(memoryview(answer)).session_flags
    identity = _identity(flags, credentials)
    encrypt = bool(flags & SessionFlags.ENCRYPT_DATA) or settings.encryption == "required"
    if encrypt and not connection.cipher_id:
        if settings.encryption == "required":
            raise refused("Encryption is required, and the server offers no cipher.")
        raise violation("the server demands encryption without having agreed on a cipher")
    if settings.encryption == "required" and identity != "user":
        raise refused(f"Encryption is required, and this {identity} session has no key for it.")
    outcome = client_outcome(
        settings.policy,
        connection.server_requires_signing,
        connection.dialect.revision,
        identity,
        encrypt,
        anonymous_asked=credentials.anonymous,
        guest_allowed=settings.guest,
    )
    if not outcome.established:
        raise refused(outcome.why)
    if identity == "guest" and not settings.guest:
        raise refused("The server took us for a guest, which is not allowed (RejectGuestAccess).")
    session = Session(request.header.session_id, identity, credentials.account, outcome)
    if identity == "user":
        _make_keys(connection, session, key, chain)
        must = connection.dialect.contexts or outcome.session_signing_required or encrypt
        _prove(session, request.header.flags, answer, must=must)
        session.signing_required = outcome.session_signing_required
        session.encrypt_data = encrypt
    connection.session = session
    return session


def _identity(flags: int, credentials: Credentials) -> IdentityName:
    """Whom the server took us for. A guest that is also anonymous is a guest: that is judged more
    strictly."""
    if flags & SessionFlags.IS_GUEST:
        return "guest"
    if flags & SessionFlags.IS_NULL or credentials.anonymous:
        return "anonymous"
    return "user"


def _make_keys(connection: Connection, session: Session, key: bytes, chain: PreauthHash) -> None:
    """3.2.5.3.1: all keys of the session."""
    if not key:
        raise violation("the server ended the logon before a key was agreed")
    cipher = connection.cipher_id
    bits = cipher_key_bits(cipher) if cipher else 128
    preauth = chain.value if connection.dialect.contexts else b""
    keys = session.keys = derive_keys(connection.dialect.key_scheme, key, bits, preauth)
    session.signer = signer(connection.signing_algorithm_id, keys.signing, Role.CLIENT)
    if cipher:
        session.sealer = Sealer(cipher, keys.client_to_server, keys.server_to_client)


def _prove(session: Session, flags: int, answer: bytearray, *, must: bool) -> None:
    """The signature of the final SESSION_SETUP response. In 3.1.1 it also proves that NEGOTIATE and
    every leg arrived unchanged, since the key comes from their hash."""
    if not flags & Flags.SIGNED:
        if must:
            raise violation("the final SESSION_SETUP response is not signed")
        return
    assert session.signer is not None
    if not session.signer.verify(answer):
        raise violation(
            "the final SESSION_SETUP response has a wrong signature: "
            "NEGOTIATE or the logon was altered on its way"
        )


def tree_connect(connection: Connection, share: str, root: str = "") -> Steps[Tree]:
    """3.2.4.2.4 and 3.2.5.5, and before 3.1.1 the proof that NEGOTIATE was not altered."""
    settings, session = connection.settings, connection.session
    assert session is not None
    name = share or IPC
    is_pipe = name.upper() == IPC
    hardened = name.upper() in {one.upper() for one in settings.hardened_shares}
    path = f"\\\\{connection.server}\\{name}"
    request = Request(
        Command.TREE_CONNECT,
        TreeConnectRequest(0, path).encode(),
        TreeConnectResponse.decode,
        path=path,
        sign=True,
    )
    response: TreeConnectResponse = yield request
    assert request.header is not None
    tree = Tree(
        connection,
        request.header.tree_id,
        share,
        response.share_type,
        maximal_access=response.maximal_access,
        root=root,
    )
    is_pipe = is_pipe or response.share_type == ShareType.PIPE
    tree.sign = hardened or (is_pipe and settings.ipc_signing)
    if tree.sign and session.signer is None and (hardened or session.identity != "anonymous"):
        raise refused(f"{name} must be signed, and a {session.identity} session can not sign.")
    if response.share_flags & ShareFlags.ENCRYPT_DATA and connection.dialect.encryption:
        if session.sealer is None:
            raise refused(f"{name} must be encrypted, and this session can not encrypt.")
        tree.encrypt_data = True
    yield from _validate_negotiate(tree)
    return tree


def _validate_negotiate(tree: Tree) -> Steps[None]:
    """FSCTL_VALIDATE_NEGOTIATE_INFO, 3.2.5.5 and 3.2.5.14.12. The request is signed, so whatever
    answers it is too, or is not believed: a server of 2.x that knows no such control says so with a
    signature, which proves that it is one."""
    connection, session = tree.connection, tree.connection.session
    settings = connection.settings
    assert session is not None
    if (
        connection.dialect.contexts
        or not settings.secure_negotiate
        or settings.max_dialect < Dialect.SMB_3_0
        or session.signer is None
    ):
        return
    told = ValidateNegotiateInfoRequest(
        connection.client_capabilities,
        connection.client_guid,
        connection.client_security_mode,
        settings.dialects,
    )
    try:
        output: bytes = yield requests.ioctl(
            tree, Fsctl.VALIDATE_NEGOTIATE_INFO, told.encode(), room=_VALIDATE_SIZE, sign=True
        )
    except SecurityViolation:
        raise
    except ConnectionLost as error:
        raise violation(
            "the server ended the connection when asked to confirm NEGOTIATE: "
            f"what it saw is not what we sent ({error.strerror})"
        ) from error
    except SMBError as error:
        if error.status == NTStatus.ACCESS_DENIED:
            raise violation("the server refuses to confirm NEGOTIATE") from error
        return
    seen = ValidateNegotiateInfoResponse.decode(memoryview(output))
    agreed: dict[str, tuple[Any, Any]] = {
        "capabilities": (seen.capabilities, connection.server_capabilities),
        "server GUID": (seen.guid, connection.server_guid),
        "security mode": (seen.security_mode, connection.server_security_mode),
        "dialect": (seen.dialect, connection.dialect.revision),
    }
    for what, (sent, received) in agreed.items():
        if sent != received:
            raise violation(f"NEGOTIATE was altered on its way: the server sent another {what}")


def post_tree_disconnect(tree: Tree) -> None:
    """TREE_DISCONNECT, without anybody waiting for the answer."""
    body = TreeDisconnectRequest().encode()
    tree.connection.post(Request(Command.TREE_DISCONNECT, body, tree=tree))


def log_off(tree: Tree) -> Steps[None]:
    """TREE_DISCONNECT and LOGOFF; what the server says to that does not matter."""
    yield [
        Request(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode(), tree=tree),
        Request(Command.LOGOFF, LogoffRequest().encode()),
    ]
