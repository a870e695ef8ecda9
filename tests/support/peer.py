"""A small SMB2 client for tests, which can be told to do wrong things.

It waits for nothing and decides nothing: `Peer.call` sends one request and reads one reply, and
each step below that (`message`, `sign`, `frame`, `send`, `receive`) is there to be used, or left
out, by hand. Keys come from an independent implementation of NTLM (pyspnego),
and what is derived from it is derived here, not by the code under test.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import spnego
from spnego import ContextReq, NegotiateOptions

from paraph.core.dialect import DIALECTS, DialectRow
from paraph.crypto.kdf import SessionKeys
from paraph.crypto.preauth import PreauthHash
from paraph.crypto.sealing import Sealer, cipher_key_bits
from paraph.crypto.signing import Role, Signer, signer
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb1 import negotiate as smb1
from paraph.wire.smb2.close import CloseRequest
from paraph.wire.smb2.create import (
    CreateContext,
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    ShareAccess,
)
from paraph.wire.smb2.header import FLAGS_OFFSET, NEXT_COMMAND_OFFSET, Command, Flags, Header
from paraph.wire.smb2.io import ReadRequest, ReadResponse, WriteRequest
from paraph.wire.smb2.ioctl import IoctlRequest
from paraph.wire.smb2.lock import LockElement, LockRequest
from paraph.wire.smb2.negotiate import (
    ContextType,
    Dialect,
    NegotiateContext,
    NegotiateRequest,
    NegotiateResponse,
    SecurityMode,
    find_context,
)
from paraph.wire.smb2.negotiate_contexts import (
    EncryptionCapabilities,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from paraph.wire.smb2.session import SessionFlags, SessionSetupRequest, SessionSetupResponse
from paraph.wire.smb2.simple import EchoRequest, LogoffRequest, TreeDisconnectRequest
from paraph.wire.smb2.tree import TreeConnectRequest
from tests.auth import ntlm_client
from tests.support.link import Link

USER, PASSWORD = "alice", "Wonderland 1"
ALL_DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)
FILE_ID = tuple[int, int]
SHARED = ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE
MAXIMUM_ALLOWED = 0x02000000

TRANSFORM = b"\xfdSMB"
SMB2 = b"\xfeSMB"


@dataclass
class Offer:
    """What NEGOTIATE says. `signing` and `ciphers` None: no such context."""

    dialects: Sequence[int] = ALL_DIALECTS
    security_mode: int = SecurityMode.SIGNING_ENABLED
    capabilities: int = 0x7F
    guid: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    signing: Sequence[int] | None = (2, 1, 0)
    ciphers: Sequence[int] | None = (2, 1, 4, 3)
    contexts: Sequence[NegotiateContext] | None = None  #: instead of the usual ones

    def request(self) -> NegotiateRequest:
        contexts = self.contexts if self.contexts is not None else self._contexts()
        return NegotiateRequest(
            self.security_mode, self.capabilities, self.guid, list(self.dialects), list(contexts)
        )

    def _contexts(self) -> list[NegotiateContext]:
        salt = secrets.token_bytes(32)
        contexts = [
            NegotiateContext(
                ContextType.PREAUTH_INTEGRITY_CAPABILITIES,
                PreauthIntegrityCapabilities(salt=salt).encode(),
            )
        ]
        if self.ciphers is not None:
            data = EncryptionCapabilities(list(self.ciphers)).encode()
            contexts.append(NegotiateContext(ContextType.ENCRYPTION_CAPABILITIES, data))
        if self.signing is not None:
            data = SigningCapabilities(list(self.signing)).encode()
            contexts.append(NegotiateContext(ContextType.SIGNING_CAPABILITIES, data))
        return contexts


@dataclass
class Reply:
    """One response as it came."""

    header: Header
    data: bytes  #: the whole message, with padding
    sealed: bool = False

    @property
    def status(self) -> int:
        return self.header.status

    @property
    def signed(self) -> bool:
        """The flag; whether the signature is right is for `Peer.verify` to say."""
        return bool(self.header.flags & Flags.SIGNED)

    @property
    def view(self) -> memoryview:
        return memoryview(self.data)

    @property
    def is_interim(self) -> bool:
        return self.status == NTStatus.PENDING

    @property
    def async_id(self) -> int:
        assert self.header.flags & Flags.ASYNC_COMMAND
        return self.header.async_or_tree


@dataclass
class Logon:
    """A session as its client sees it."""

    session_id: int
    key: bytes = b""
    keys: SessionKeys | None = None
    signer: Signer | None = None
    sealer: Sealer | None = None
    flags: int = 0
    sign: bool = False  #: sign each request
    seal: bool = False  #: encrypt each request
    setup: list[Reply] = field(default_factory=list)  #: the responses that led here

    @property
    def final(self) -> Reply:
        return self.setup[-1]


class Peer:
    """One connection."""

    def __init__(self, link: Link, offer: Offer) -> None:
        self.link = link
        self.offer = offer
        self.next_id = 0
        self.credits = 1
        self.row: DialectRow = DIALECTS[Dialect.SMB_2_0_2]
        self.response = NegotiateResponse()
        self.signing_id = self.row.signing
        self.cipher_id = 0
        self.preauth = PreauthHash()
        self.logons: dict[int, Logon] = {}
        self.verifying = True  #: fail the test when a signed reply has a wrong signature

    # Messages

    def take_id(self, charge: int = 1) -> int:
        """The MessageId of a request that uses `charge` of them."""
        message_id = self.next_id
        self.next_id += charge
        return message_id

    def message(
        self,
        command: int,
        body: bytes,
        logon: Logon | None = None,
        tree: int = 0,
        *,
        flags: int = 0,
        charge: int = 1,
        credits: int = 32,
        message_id: int | None = None,
        session_id: int | None = None,
        status: int = 0,
        async_id: int | None = None,
        next_command: int = 0,
    ) -> bytearray:
        """A request, not yet signed."""
        if message_id is None:
            message_id = self.take_id(charge)
        if session_id is None:
            session_id = logon.session_id if logon is not None else 0
        header = Header(
            charge if self.row.multi_credit else 0,
            status,
            command,
            credits,
            flags | (Flags.ASYNC_COMMAND if async_id is not None else 0),
            next_command,
            message_id,
            tree << 32 if async_id is None else async_id,
            session_id,
        )
        return bytearray(header.encode() + body)

    def sign(self, message: bytearray, with_: Signer | Logon | None) -> bytearray:
        """Set SIGNED and the signature, with a session's key or another one."""
        key = with_.signer if isinstance(with_, Logon) else with_
        assert key is not None
        message[FLAGS_OFFSET] |= Flags.SIGNED
        key.sign(message)
        return message

    def compound(
        self,
        messages: Sequence[bytearray],
        logon: Logon | None = None,
        *,
        related: bool = False,
        sign: bool | None = None,
        pad_last: bool = False,
    ) -> bytes:
        """Members of one frame: padded, linked, and each signed on its own."""
        sign = (logon.sign if logon is not None else False) if sign is None else sign
        for index, message in enumerate(messages):
            if index < len(messages) - 1 or pad_last:
                message.extend(bytes(-len(message) % 8))
            if index < len(messages) - 1:
                step = len(message).to_bytes(4, "little")
                message[NEXT_COMMAND_OFFSET : NEXT_COMMAND_OFFSET + 4] = step
            if related and index:
                message[FLAGS_OFFSET] |= Flags.RELATED_OPERATIONS
            if sign:
                self.sign(message, logon)
        return b"".join(messages)

    # Frames

    @staticmethod
    def frame(payload: bytes | bytearray, kind: int = 0) -> bytes:
        return bytes((kind,)) + len(payload).to_bytes(3, "big") + payload

    def send(self, payload: bytes | bytearray, seal: Logon | None = None) -> None:
        """One frame, encrypted if `seal` is given."""
        if seal is not None:
            assert seal.sealer is not None
            payload = seal.sealer.seal(payload, seal.session_id)
        self.link.write(self.frame(payload))

    def receive_frame(self) -> list[Reply]:
        """The responses of the next frame. Raises Dropped or NoReply."""
        payload = self.link.read()[4:]
        sealed = payload[:4] == TRANSFORM
        if sealed:
            logon = self.logons[int.from_bytes(payload[44:52], "little")]
            assert logon.sealer is not None
            payload = bytes(logon.sealer.open(payload))
        assert payload[:4] == SMB2, payload[:4]
        replies = []
        while True:
            header = Header.decode(memoryview(payload))
            step = header.next_command or len(payload)
            reply = Reply(header, payload[:step], sealed)
            self._account(reply)
            replies.append(reply)
            payload = payload[step:]
            if not header.next_command:
                return replies

    def _account(self, reply: Reply) -> None:
        self.credits += reply.header.credits
        assert reply.header.flags & Flags.SERVER_TO_REDIR
        if self.verifying and reply.signed:
            assert self.verify(reply), "a reply of the server has a wrong signature"
        if reply.sealed:
            assert not reply.signed
        if not reply.signed:
            assert reply.header.signature == bytes(16)

    def verify(self, reply: Reply) -> bool:
        """Whether a reply is signed with its session's key."""
        logon = self.logons.get(reply.header.session_id)
        return logon is not None and logon.signer is not None and logon.signer.verify(reply.data)

    def receive(self) -> Reply:
        """The next frame, which holds one response."""
        (reply,) = self.receive_frame()
        return reply

    def call(
        self,
        command: int,
        body: bytes,
        logon: Logon | None = None,
        tree: int = 0,
        *,
        sign: bool | None = None,
        seal: bool | None = None,
        **fields: Any,
    ) -> Reply:
        """One request and its reply. `sign` and `seal` None: as the session does."""
        self.post(command, body, logon, tree, sign=sign, seal=seal, **fields)
        return self.receive()

    def post(
        self,
        command: int,
        body: bytes,
        logon: Logon | None = None,
        tree: int = 0,
        *,
        sign: bool | None = None,
        seal: bool | None = None,
        **fields: Any,
    ) -> None:
        """`call` without waiting for the reply."""
        seal = (logon.seal if logon is not None else False) if seal is None else seal
        sign = (logon.sign if logon is not None else False) if sign is None else sign
        message = self.message(command, body, logon, tree, **fields)
        if sign and not seal:
            self.sign(message, logon)
        self.send(message, logon if seal else None)

    # Opening a connection

    def negotiate_raw(self, body: bytes, **fields: Any) -> Reply:
        """NEGOTIATE with a body of the test's own; the preauthentication hash follows."""
        message = self.message(Command.NEGOTIATE, body, **fields)
        self.preauth.update(message)
        self.send(message)
        reply = self.receive()
        self.preauth.update(reply.data)
        return reply

    def negotiate(self) -> NegotiateResponse:
        """NEGOTIATE as offered; it must succeed."""
        reply = self.negotiate_raw(self.offer.request().encode())
        assert reply.status == NTStatus.SUCCESS, hex(reply.status)
        return self.accept(reply)

    def accept(self, reply: Reply) -> NegotiateResponse:
        """Take over what a NEGOTIATE response says."""
        response = self.response = NegotiateResponse.decode(reply.view)
        if response.dialect_revision == Dialect.WILDCARD:
            return response
        self.row = DIALECTS[response.dialect_revision]
        self.signing_id = self.row.signing
        self.cipher_id = 1 if response.capabilities & 0x40 else 0
        if self.row.contexts:
            found = find_context(response.negotiate_contexts, ContextType.SIGNING_CAPABILITIES)
            if found is not None:
                (self.signing_id,) = SigningCapabilities.decode(
                    memoryview(found)
                ).signing_algorithms
            found = find_context(response.negotiate_contexts, ContextType.ENCRYPTION_CAPABILITIES)
            if found is not None:
                (self.cipher_id,) = EncryptionCapabilities.decode(memoryview(found)).ciphers
        return response

    def smb1_negotiate(self, *dialects: str) -> NegotiateResponse:
        """SMB_COM_NEGOTIATE; the answer must be one of SMB2."""
        self.send(smb1.Header().encode() + smb1.NegotiateRequest(list(dialects)).encode())
        self.next_id = 1
        reply = self.receive()
        assert (reply.header.command, reply.header.message_id) == (Command.NEGOTIATE, 0)
        assert reply.status == NTStatus.SUCCESS
        return self.accept(reply)

    # Sessions

    def setup(
        self,
        token: bytes,
        session_id: int = 0,
        *,
        security_mode: int | None = None,
        previous: int = 0,
        flags: int = 0,
        preauth: PreauthHash | None = None,
        sign: Logon | None = None,
        seal: Logon | None = None,
    ) -> Reply:
        """One leg of SESSION_SETUP."""
        self.post_setup(
            token,
            session_id,
            security_mode=security_mode,
            previous=previous,
            flags=flags,
            preauth=preauth,
            sign=sign,
            seal=seal,
        )
        return self.receive()

    def post_setup(
        self,
        token: bytes,
        session_id: int = 0,
        *,
        security_mode: int | None = None,
        previous: int = 0,
        flags: int = 0,
        preauth: PreauthHash | None = None,
        sign: Logon | None = None,
        seal: Logon | None = None,
    ) -> None:
        mode = self.offer.security_mode & 0xFF if security_mode is None else security_mode
        body = SessionSetupRequest(flags, mode, 0, previous, token).encode()
        message = self.message(Command.SESSION_SETUP, body, session_id=session_id)
        if sign is not None:
            self.sign(message, sign)
        if preauth is not None:
            preauth.update(message)
        self.send(message, seal)

    def logon(
        self,
        user: str = USER,
        password: str = PASSWORD,
        *,
        protocol: str = "negotiate",
        security_mode: int | None = None,
        previous: int = 0,
    ) -> Logon:
        """Log on; it must succeed. A client that requires signing then signs, and one that is told
        to encrypt encrypts."""
        logon, reply = self.try_logon(
            user, password, protocol=protocol, security_mode=security_mode, previous=previous
        )
        assert reply.status == NTStatus.SUCCESS, hex(reply.status)
        return logon

    def try_logon(
        self,
        user: str = USER,
        password: str = PASSWORD,
        *,
        protocol: str = "negotiate",
        security_mode: int | None = None,
        previous: int = 0,
    ) -> tuple[Logon, Reply]:
        """Log on; the session (perhaps not valid) and the last response."""
        context = client_context(user, password, protocol)
        preauth = self.preauth.copy()
        token = context.step() or b""
        logon, session_id = Logon(0), 0
        while True:
            self.post_setup(
                token,
                session_id,
                security_mode=security_mode,
                previous=previous,
                preauth=preauth,
            )
            if context.complete or len(logon.setup) == 1:
                # The session key is needed to verify the response that carries its token.
                self._prepare_keys(logon, session_id, context.session_key, preauth)
            reply = self.receive()
            logon.setup.append(reply)
            session_id = logon.session_id = reply.header.session_id
            if reply.status != NTStatus.MORE_PROCESSING_REQUIRED:
                break
            self.logons.pop(session_id, None)
            preauth.update(reply.data)
            answer = SessionSetupResponse.decode(reply.view).security_buffer
            token = context.step(bytes(answer)) or b""
        if reply.status == NTStatus.SUCCESS:
            self._settle(logon, reply)
        return logon, reply

    def _prepare_keys(
        self, logon: Logon, session_id: int, key: bytes, preauth: PreauthHash
    ) -> None:
        logon.session_id = session_id
        self.logons[session_id] = logon
        self.set_keys(logon, key, preauth)

    def set_keys(self, logon: Logon, key: bytes, preauth: PreauthHash) -> None:
        """Derive everything from a session key."""
        bits = cipher_key_bits(self.cipher_id) if self.cipher_id else 128
        logon.key = key
        logon.keys = keys = session_keys(self.row.revision, key, bits, preauth.value)
        logon.signer = signer(self.signing_id, keys.signing, Role.CLIENT)
        if self.cipher_id:
            logon.sealer = Sealer(self.cipher_id, keys.client_to_server, keys.server_to_client)

    def _settle(self, logon: Logon, reply: Reply) -> None:
        logon.flags = SessionSetupResponse.decode(reply.view).session_flags
        if logon.flags & (SessionFlags.IS_GUEST | SessionFlags.IS_NULL):
            logon.signer, logon.sealer = None, None
            return
        modes = self.offer.security_mode | self.response.security_mode
        logon.seal = bool(logon.flags & SessionFlags.ENCRYPT_DATA)
        logon.sign = bool(modes & SecurityMode.SIGNING_REQUIRED) and not logon.seal

    def anonymous(self) -> tuple[Logon, Reply]:
        """Log on as nobody, with NTLM without SPNEGO."""
        client = ntlm_client.Client()
        first = self.setup(client.negotiate())
        assert first.status == NTStatus.MORE_PROCESSING_REQUIRED
        answer = SessionSetupResponse.decode(first.view).security_buffer
        session_id = first.header.session_id
        reply = self.setup(client.anonymous(bytes(answer)), session_id)
        logon = Logon(session_id, setup=[first, reply])
        self.logons[session_id] = logon
        if reply.status == NTStatus.SUCCESS:
            logon.flags = SessionSetupResponse.decode(reply.view).session_flags
        return logon, reply

    def reauthenticate(
        self,
        logon: Logon,
        user: str = USER,
        password: str = PASSWORD,
        *,
        sign: bool | None = None,
    ) -> Reply:
        """Go through SESSION_SETUP again on a session that there is; the last response."""
        sign = logon.sign if sign is None else sign
        context = client_context(user, password, "negotiate")
        token = context.step() or b""
        while True:
            reply = self.setup(
                token,
                logon.session_id,
                sign=logon if sign else None,
                seal=logon if logon.seal else None,
            )
            if reply.status != NTStatus.MORE_PROCESSING_REQUIRED:
                return reply
            answer = SessionSetupResponse.decode(reply.view).security_buffer
            token = context.step(bytes(answer)) or b""

    # Commands

    def echo(self, logon: Logon | None = None, **fields: Any) -> Reply:
        return self.call(Command.ECHO, EchoRequest().encode(), logon, **fields)

    def logoff(self, logon: Logon, **fields: Any) -> Reply:
        return self.call(Command.LOGOFF, LogoffRequest().encode(), logon, **fields)

    def tree(self, logon: Logon, share: str = "data", **fields: Any) -> int:
        """TREE_CONNECT; it must succeed. Signed in 3.1.1, as that dialect wants it."""
        reply = self.try_tree(logon, share, **fields)
        assert reply.status == NTStatus.SUCCESS, hex(reply.status)
        return reply.header.tree_id

    def try_tree(self, logon: Logon, share: str = "data", **fields: Any) -> Reply:
        if self.row.contexts and logon.signer is not None and not logon.seal:
            fields.setdefault("sign", True)
        body = TreeConnectRequest(0, f"\\\\server\\{share}").encode()
        return self.call(Command.TREE_CONNECT, body, logon, **fields)

    def tree_disconnect(self, logon: Logon, tree: int, **fields: Any) -> Reply:
        body = TreeDisconnectRequest().encode()
        return self.call(Command.TREE_DISCONNECT, body, logon, tree, **fields)

    def create(self, logon: Logon, tree: int, name: str, **fields: Any) -> FILE_ID:
        """CREATE; it must succeed."""
        reply = self.try_create(logon, tree, name, **fields)
        assert reply.status == NTStatus.SUCCESS, hex(reply.status)
        response = CreateResponse.decode(reply.view)
        return response.persistent_id, response.volatile_id

    def try_create(
        self,
        logon: Logon,
        tree: int,
        name: str,
        *,
        access: int = MAXIMUM_ALLOWED,
        disposition: int = CreateDisposition.OPEN_IF,
        options: int = 0,
        share: int = SHARED,
        contexts: Sequence[CreateContext] = (),
        **fields: Any,
    ) -> Reply:
        body = create_body(name, access, disposition, options, share, contexts)
        return self.call(Command.CREATE, body, logon, tree, **fields)

    def close(self, logon: Logon, tree: int, file: FILE_ID, **fields: Any) -> Reply:
        return self.call(Command.CLOSE, CloseRequest(0, *file).encode(), logon, tree, **fields)

    def read(
        self, logon: Logon, tree: int, file: FILE_ID, length: int = 64, offset: int = 0
    ) -> bytes:
        """READ; it must succeed."""
        body = read_body(file, length, offset)
        charge = max(1, (length - 1) // 65536 + 1)
        reply = self.call(Command.READ, body, logon, tree, charge=charge, credits=charge + 16)
        assert reply.status == NTStatus.SUCCESS, hex(reply.status)
        return bytes(ReadResponse.decode(reply.view).data)

    def write(
        self, logon: Logon, tree: int, file: FILE_ID, data: bytes, offset: int = 0, **fields: Any
    ) -> Reply:
        body = WriteRequest(offset, *file, data=data).encode()
        charge = max(1, (len(data) - 1) // 65536 + 1)
        fields = {"charge": charge, "credits": charge + 16, **fields}
        return self.call(Command.WRITE, body, logon, tree, **fields)

    def ioctl(self, logon: Logon, tree: int, code: int, data: bytes = b"", **fields: Any) -> Reply:
        """An FSCTL that needs no open, unless `file` is given."""
        file = fields.pop("file", (NO_ID, NO_ID))
        room = fields.pop("room", 4096)
        body = IoctlRequest(
            code, file[0], file[1], max_output_response=room, input_buffer=data
        ).encode()
        return self.call(Command.IOCTL, body, logon, tree, **fields)

    def post_lock(
        self, logon: Logon, tree: int, file: FILE_ID, *elements: LockElement, **fields: Any
    ) -> int:
        """LOCK, without waiting for its reply; its MessageId."""
        message_id = self.next_id
        body = LockRequest(0, *file, locks=list(elements)).encode()
        self.post(Command.LOCK, body, logon, tree, **fields)
        return message_id


NO_ID = 0xFFFF_FFFF_FFFF_FFFF


def create_body(
    name: str,
    access: int = MAXIMUM_ALLOWED,
    disposition: int = CreateDisposition.OPEN_IF,
    options: int = 0,
    share: int = SHARED,
    contexts: Sequence[CreateContext] = (),
) -> bytes:
    return CreateRequest(
        desired_access=access,
        share_access=share,
        create_disposition=disposition,
        create_options=options & ~CreateOptions.OPEN_BY_FILE_ID,
        name=name,
        create_contexts=list(contexts),
    ).encode()


def read_body(file: FILE_ID, length: int, offset: int = 0) -> bytes:
    return ReadRequest(
        length=length, offset=offset, persistent_id=file[0], volatile_id=file[1]
    ).encode()


def session_keys(dialect: int, key: bytes, cipher_bits: int, preauth: bytes) -> SessionKeys:
    """[MS-SMB2] 3.1.4.2: [SP800-108] in counter mode, one round of HMAC-SHA256."""

    def derive(label: bytes, context: bytes, bits: int = 128) -> bytes:
        data = b"\0\0\0\1" + label + b"\0" + context + bits.to_bytes(4, "big")
        return hmac.digest(key, data, "sha256")[: bits // 8]

    if dialect < Dialect.SMB_3_0:
        return SessionKeys(key, key, b"", b"")
    if dialect < Dialect.SMB_3_1_1:
        return SessionKeys(
            derive(b"SMB2AESCMAC\0", b"SmbSign\0"),
            derive(b"SMB2APP\0", b"SmbRpc\0"),
            derive(b"SMB2AESCCM\0", b"ServerIn \0"),
            derive(b"SMB2AESCCM\0", b"ServerOut\0"),
        )
    return SessionKeys(
        derive(b"SMBSigningKey\0", preauth),
        derive(b"SMBAppKey\0", preauth),
        derive(b"SMBC2SCipherKey\0", preauth, cipher_bits),
        derive(b"SMBS2CCipherKey\0", preauth, cipher_bits),
    )


def client_context(user: str, password: str, protocol: str) -> Any:
    """An initiator of pyspnego: "negotiate" is NTLM within SPNEGO, "ntlm" is NTLM alone."""
    raw = protocol == "ntlm"
    return spnego.client(
        user,
        password,
        hostname="server",
        service="cifs",
        protocol=protocol,
        context_req=ContextReq.default,
        options=NegotiateOptions.use_ntlm if raw else NegotiateOptions.use_negotiate,
    )


__all__ = ["NO_ID", "Logon", "Offer", "Peer", "Reply", "client_context", "create_body", "read_body"]
