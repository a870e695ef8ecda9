"""One transport connection: frames in, reply frames out, no socket ([MS-SMB2] 3.3.1.7, 3.3.5.2).

The life of a request, in the order of the specification: decrypt, split, connection state, sequence
window, signature, session, tree connect, decode, credit charge, open, handler, reply, sign, join,
encrypt. Each step that refuses raises; `_reply_to_error` is the only place that turns that into an
answer, and `drop` the only one that ends the connection.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from paraph.core.credits import SequenceWindow
from paraph.core.dialect import DIALECTS
from paraph.core.message import (
    TRANSPORT_HEADER,
    Message,
    Protocol,
    check_sealed_chain,
    check_signature,
    finish_frame,
    join_replies,
    new_reply,
    seal_frame,
    split,
)
from paraph.crypto.preauth import PreauthHash
from paraph.crypto.sealing import BadTag
from paraph.errors import DecodeError, Disconnect, NTStatusError
from paraph.server import commands, lookup
from paraph.server.events import ConnectionRefused, HandlerCrashed, RequestRefused
from paraph.server.negotiate import multi_protocol_negotiate
from paraph.server.request import Chain, Request
from paraph.server.session import Session, SessionState
from paraph.server.waiting import Offload, Until
from paraph.wire import netbios
from paraph.wire.ntstatus import NTStatus, from_errno
from paraph.wire.smb2.error import ErrorContext, ErrorResponse
from paraph.wire.smb2.header import COMMAND_NAMES, Command, Flags
from paraph.wire.smb2.negotiate import Dialect

if TYPE_CHECKING:
    from paraph.server.server import SMBServer

_UNAUTHENTICATED_FRAME = 128 << 10
"""Largest frame, in bytes, before a session is valid: a security token of 64 KiB fits twice."""

_SMALL_REQUEST = 68 * 1024
"""3.3.5.2: requests beyond this are for the commands that carry data."""

_CARRY_DATA = frozenset(
    (
        Command.READ,
        Command.WRITE,
        Command.IOCTL,
        Command.QUERY_DIRECTORY,
        Command.CHANGE_NOTIFY,
        Command.QUERY_INFO,
        Command.SET_INFO,
    )
)


_OFFLOADED = 16
"""Calls elsewhere of one connection; more would only queue up before the threads."""


class Connection:
    """Connection of the abstract data model; attributes carry its names in snake case."""

    def __init__(self, server: SMBServer, client: str) -> None:
        self.server = server
        self.client = client  #: address and port as text, for events
        self.dialect = DIALECTS[Dialect.SMB_2_0_2]
        self.negotiated = False  #: NegotiateDialect is final
        self.multi_protocol = False  #: NegotiateDialect is 0x02FF: one SMB2 NEGOTIATE follows
        self.client_capabilities = 0
        self.client_guid = bytes(16)
        self.client_security_mode = 0
        self.client_dialects: list[int] = []
        self.should_sign = False
        self.server_capabilities = 0
        self.server_security_mode = 0
        self.cipher_id = 0
        self.without_ciphers = False  #: the server offered none
        self.client_can_encrypt = False  #: the client offers encryption at all
        self.signing_algorithm_id = 0
        self.max_transact_size = 0
        self.max_read_size = 0
        self.max_write_size = 0
        self.preauth: PreauthHash | None = None
        self.sessions: dict[int, Session] = {}
        self.authenticated = False  #: a session became valid here once
        self.window = SequenceWindow(server.settings.limits.credits)
        self.requests: dict[int, Request] = {}  #: suspended ones, by MessageId
        self.async_requests: dict[int, Request] = {}  #: those with an interim response, by AsyncId
        self.outgoing: list[bytearray] = []
        self.queued = 0  #: bytes in `outgoing`; whoever takes the frames sets it back to 0
        self.offloaded = 0  #: calls that run elsewhere at this moment
        self.dropped: str | None = None  #: why, once the transport is to be closed
        self.wake: Callable[[], None] = lambda: None  #: tells the transport of new output
        self._inside = False
        self.maximum_frame = _UNAUTHENTICATED_FRAME

    @property
    def can_encrypt(self) -> bool:
        """Whether both sides have agreed on a cipher."""
        return self.cipher_id != 0

    @property
    def throttled(self) -> bool:
        """Enough is under way: read no more requests until `wake` is called. Each call elsewhere
        may hold a buffer of the largest READ."""
        return self.offloaded >= _OFFLOADED

    # Bytes in

    def receive(self, kind: int, frame: memoryview) -> None:
        """One frame: the type byte of its header and the payload (writable, borrowed)."""
        if self.dropped is not None:
            return
        self._inside = True
        try:
            if kind == netbios.SessionPacketType.MESSAGE:
                self._receive_message(frame)
            else:
                self._answer_session_service(kind, frame)
        except (DecodeError, Disconnect) as error:
            self.drop(str(error))
        finally:
            self._inside = False

    def _answer_session_service(self, kind: int, frame: memoryview) -> None:
        """RFC 1002 4.3: a peer that thinks this is port 139. Every called name is ours."""
        packet = bytearray(netbios.FRAME_HEADER_SIZE)
        netbios.pack_frame_header(packet, len(frame))
        packet[0] = kind
        packet += frame
        if kind == netbios.SessionPacketType.REQUEST and not self.negotiated:
            netbios.SessionRequest.decode(memoryview(packet))
            self._send(bytearray(netbios.POSITIVE_SESSION_RESPONSE))
        elif kind != netbios.SessionPacketType.KEEPALIVE:
            raise Disconnect(f"a frame of type {kind:#04x}")

    def _receive_message(self, frame: memoryview) -> None:
        protocol = bytes(frame[:4])
        if protocol == Protocol.SMB2:
            self._run(Chain(self, split(frame), None))
        elif protocol == Protocol.TRANSFORM:
            session, plain = self._decrypt(frame)
            if bytes(plain[:4]) != Protocol.SMB2:
                raise Disconnect("an encrypted message holds no SMB2 message")
            members = split(plain)
            check_sealed_chain(members, session.session_id)
            self._run(Chain(self, members, session))
        elif protocol == Protocol.SMB1:
            reply, refusal = multi_protocol_negotiate(self, frame)
            self._send(reply)
            if refusal:
                self.drop(refusal)
        elif protocol == Protocol.COMPRESSED:
            raise Disconnect("a compressed message, and compression was not negotiated")
        else:
            raise Disconnect("a frame that is no SMB message")

    def _decrypt(self, frame: memoryview) -> tuple[Session, memoryview]:
        """[MS-SMB2] 3.3.5.2.1.1."""
        session_id = int.from_bytes(frame[44:52], "little")
        session = self.sessions.get(session_id)
        if session is None or session.sealer is None:
            raise Disconnect("an encrypted message for a session that has no keys here")
        try:
            return session, session.sealer.open(frame)
        except BadTag:
            self.report(session, "TRANSFORM", "an encrypted message failed authentication", 0)
            raise Disconnect("an encrypted message failed authentication") from None

    # Running requests

    def _run(self, chain: Chain) -> None:
        """Start the members of `chain` from where it stands, until one suspends or all are done."""
        members = chain.members
        while chain.index < len(members):
            message = members[chain.index]
            chain.index += 1
            if message.header.command == Command.CANCEL:
                self._cancel(chain, message)
                continue
            request = Request(chain, message)
            self._admit(message)
            try:
                request.task = self._prepare(request)
            except Disconnect:
                raise
            except Exception as error:
                self._reply_to_error(request, error)
                continue
            if not self._advance(request):
                chain.detach()
                return
        self._flush_chain(chain)

    def _admit(self, message: Message) -> None:
        """What is checked before anything else, and ends the connection (3.3.5.2, .2.2, .2.3)."""
        header = message.header
        command = header.command
        if command >= len(commands.COMMANDS) or commands.COMMANDS[command] is None:
            raise Disconnect(f"unknown command {command}")
        if not self.negotiated and command != Command.NEGOTIATE:
            raise Disconnect("the first request is no NEGOTIATE")
        if header.flags & Flags.SERVER_TO_REDIR:
            raise Disconnect("a response where a request was expected")
        if len(message.data) > _SMALL_REQUEST and command not in _CARRY_DATA:
            raise Disconnect(f"a {COMMAND_NAMES[command]} of {len(message.data)} bytes")
        charge = (header.credit_charge or 1) if self.dialect.multi_credit else 1
        if not self.window.consume(header.message_id, charge):
            raise Disconnect(
                f"MessageId {header.message_id} (charge {charge}) is outside the sequence window"
            )

    def _prepare(self, request: Request) -> Any:
        """Verify, resolve, decode; the handler's coroutine, not yet started."""
        row = commands.COMMANDS[request.header.command]
        assert row is not None
        lookup.inherit(request)
        lookup.verify(request)
        if row.needs_session:
            lookup.resolve_session(request, row)
        if row.needs_tree:
            lookup.resolve_tree(request)
        message = row.decode(request.data)
        if self.dialect.multi_credit and row.payload is not None:
            lookup.check_charge(request.header.credit_charge, row.payload(message))
        if row.needs_open:
            lookup.resolve_open(request, message.persistent_id, message.volatile_id)
        return row.handler(request, message)

    # Driving the coroutine

    def _advance(
        self, request: Request, value: Any = None, error: BaseException | None = None
    ) -> bool:
        """Run the handler on; True when its reply is in the chain, False when it suspended."""
        task = request.task
        assert task is not None
        try:
            step = task.send(value) if error is None else task.throw(error)
        except StopIteration as stop:
            self._reply(request, stop.value)
        except Disconnect:
            raise
        except Exception as failure:
            self._reply_to_error(request, failure)
        else:
            return self._suspend(request, step)
        return True

    def _suspend(self, request: Request, step: Until | Offload) -> bool:
        self.requests[request.header.message_id] = request
        if isinstance(step, Offload):
            self.offloaded += 1
            if request.has_open:
                request.open.begin_call()
            self.server.run_elsewhere(
                step.function, lambda value, error: self._returned(request, value, error)
            )
            return False
        if len(self.requests) > self.server.settings.limits.requests_in_flight:
            del self.requests[request.header.message_id]
            too_many = NTStatusError(NTStatus.INSUFFICIENT_RESOURCES, "too many pending requests")
            return self._advance(request, error=too_many)
        last = request.chain.index == len(request.chain.members)
        if step.interim and last and not request.async_id:
            self._send_interim(request)
        request.waiter = step.waiter
        step.waiter.callback = lambda: self._continue(request, True, None)
        if step.deadline is not None:
            request.deadline = step.deadline
            self.server.schedule(step.deadline, request)
        return False

    def _returned(self, request: Request, value: Any, error: BaseException | None) -> None:
        """A call made elsewhere is done."""
        self.offloaded -= 1
        if request.has_open:
            request.open.end_call()
        self._continue(request, value, error)
        if not self._inside:
            self.wake()

    def _continue(self, request: Request, value: Any, error: BaseException | None) -> None:
        """What a suspended request waited for has come."""
        if self.requests.get(request.header.message_id) is not request:
            return  # cancelled, or the connection is gone
        del self.requests[request.header.message_id]
        if request.waiter is not None:
            request.waiter.callback = None
            request.waiter = None
        request.deadline = None
        outer, self._inside = self._inside, True
        try:
            if self._advance(request, value, error):
                self.async_requests.pop(request.async_id, None)
                self._run(request.chain)
            else:
                request.chain.detach()
        except (DecodeError, Disconnect) as failure:
            self.drop(str(failure))
        finally:
            self._inside = outer
        if not outer and (self.outgoing or self.dropped):
            self.wake()

    def expire(self, request: Request) -> None:
        """The deadline of a suspended request has passed."""
        if request.waiter is not None:
            self._continue(request, False, None)

    def _cancel(self, chain: Chain, message: Message) -> None:
        """[MS-SMB2] 3.3.5.16. There is no response; a CANCEL that is not the session's own is a
        no-op."""
        header = message.header
        if not self.negotiated:
            raise Disconnect("the first request is no NEGOTIATE")
        session = self.sessions.get(header.session_id)
        if chain.sealed_by is not None:
            if session is not chain.sealed_by:
                return  # the keys of one session do not speak for another one
        elif session is not None:
            if session.encrypt_data:
                reason = "it is not encrypted and the session requires encryption"
                self.report(session, "CANCEL", reason, NTStatus.ACCESS_DENIED)
                return
            required = session.signing_required and session.state is SessionState.VALID
            refusal = check_signature(message, session.signer(self), required=required)
            if refusal is not None:
                self.report(session, "CANCEL", refusal, NTStatus.ACCESS_DENIED)
                return
        if header.flags & Flags.ASYNC_COMMAND:
            request = self.async_requests.get(header.async_or_tree)
        else:
            request = self.requests.get(header.message_id)
        if request is None or request.waiter is None or request.session_id != header.session_id:
            return
        if request.header.command != Command.SESSION_SETUP:  # a failed logon waits to the end
            self.cancel(request)

    def cancel(self, request: Request, status: int = NTStatus.CANCELLED) -> None:
        """End a suspended request with `status`."""
        self._continue(request, None, NTStatusError(status, "cancelled"))

    def cancel_all(self) -> None:
        """Refuse every request that waits; the server is going down."""
        for request in list(self.requests.values()):
            if request.waiter is not None:
                self.cancel(request)

    # Replies out

    def _reply(self, request: Request, body: bytes | bytearray) -> None:
        """Add the reply to the chain. A bytearray is a reply buffer with its room in front."""
        reply = body if isinstance(body, bytearray) else new_reply(body)
        chain = request.chain
        chain.session_id = request.session_id
        chain.tree_id = request.tree_id
        if request.file_id is not None:
            chain.file_id = request.file_id
            chain.file_status = NTStatus.SUCCESS
        self._add(request, reply, request.status)

    def _reply_to_error(self, request: Request, error: BaseException) -> None:
        """Whose fault was it? The one place that translates exceptions to NT statuses."""
        data = b""
        if isinstance(error, NTStatusError):
            status, data = error.status, error.data
        elif isinstance(error, DecodeError):
            status = NTStatus.INVALID_PARAMETER
        elif isinstance(error, OSError):
            status = from_errno(error.errno or 0)
        else:
            status = NTStatus.INTERNAL_ERROR
            trace = "".join(traceback.format_exception(error))
            name = COMMAND_NAMES[request.header.command]
            self.server.emit(HandlerCrashed(self.client, name, trace))
        chain = request.chain
        command = request.header.command
        row = commands.COMMANDS[command]
        assert row is not None
        # To a session that was not found nothing can be related.
        found = request.has_session or not row.needs_session
        chain.session_id = request.session_id if found else 0
        chain.tree_id = request.tree_id
        own_file_id = row.needs_open or command == Command.IOCTL
        if request.related and chain.index > 1:
            own_file_id = False
        if command == Command.CREATE or (own_file_id and request.file_id is None):
            chain.file_id, chain.file_status = None, status
        elif request.file_id is not None:
            chain.file_id = request.file_id
        response = ErrorResponse(data)
        if data and self.dialect.contexts:
            response = ErrorResponse.of_contexts([ErrorContext(data=data)])
        self._add(request, new_reply(response.encode()), status)

    def _add(self, request: Request, reply: bytearray, status: int) -> None:
        """Write the header in front of a reply and put it into the chain."""
        header = request.header
        flags = Flags.SERVER_TO_REDIR | header.flags & Flags.RELATED_OPERATIONS
        flags |= header.flags & (Flags.PRIORITY_MASK | Flags.REPLAY_OPERATION)
        if request.async_id:
            flags |= Flags.ASYNC_COMMAND
            header.async_or_tree = request.async_id
            header.credits = 0  # granted with the interim response
        else:
            header.async_or_tree = request.tree_id << 32
            header.credits = self.window.grant(header.credits, request.charge)
        header.flags = flags
        header.status = status
        header.next_command = 0
        header.session_id = request.session_id
        header.signature = bytes(16)
        header.pack_into(reply, TRANSPORT_HEADER)
        if request.on_reply is not None:
            request.on_reply(memoryview(reply)[TRANSPORT_HEADER:])
        request.chain.replies.append(reply)
        request.chain.signers.append(self._reply_signer(request))

    def _reply_signer(self, request: Request) -> Any:
        """A signed request gets a signed reply (3.3.4.1.1); an encrypted one is sealed instead."""
        if not request.signed or request.sealed:
            return None
        session = request.session if request.has_session else self.sessions.get(request.session_id)
        return session.signer(self) if session is not None else None

    def _send_interim(self, request: Request) -> None:
        """STATUS_PENDING, 3.3.4.2: never signed (with GMAC it would use up the nonce of the final
        response). Replies of earlier members of the chain go out now."""
        self._flush_chain(request.chain)
        request.async_id = self.server.next_async_id()
        self.async_requests[request.async_id] = request
        header = request.header
        asked = (header.flags, header.credits)
        header.flags = Flags.SERVER_TO_REDIR | Flags.ASYNC_COMMAND
        header.flags |= asked[0] & Flags.RELATED_OPERATIONS
        header.credits = self.window.grant(header.credits, request.charge)
        header.status = NTStatus.PENDING
        header.next_command = 0
        header.async_or_tree = request.async_id
        header.session_id = request.session_id
        header.signature = bytes(16)
        interim = new_reply(ErrorResponse().encode())
        header.pack_into(interim, TRANSPORT_HEADER)
        header.flags, header.credits = asked
        self._send_sealed(interim, request.chain.sealed_by)

    def _flush_chain(self, chain: Chain) -> None:
        """Send the replies that are ready, as one frame."""
        if not chain.replies:
            return
        frame = join_replies(chain.replies, chain.signers)
        chain.replies, chain.signers = [], []
        self._send_sealed(frame, chain.sealed_by)

    def _send_sealed(self, frame: bytearray, sealed_by: Session | None) -> None:
        if sealed_by is not None and sealed_by.sealer is not None:
            frame = seal_frame(frame, sealed_by.sealer, sealed_by.session_id)
        self._send(finish_frame(frame))

    def _send(self, frame: bytearray) -> None:
        """Hand a complete frame to the transport."""
        if self.dropped is None:
            self.outgoing.append(frame)
            self.queued += len(frame)
            if not self._inside:
                self.wake()

    # Ends

    def drop(self, reason: str) -> None:
        """End the connection; what is in `outgoing` may still go out."""
        if self.dropped is None:
            self.dropped = reason
            if reason:
                self.server.emit(ConnectionRefused(self.client, reason))
            if not self._inside:
                self.wake()

    def abandon(self) -> None:
        """The transport is gone (3.3.7.1): suspended requests end unanswered."""
        self.dropped = self.dropped or ""
        for request in list(self.requests.values()):
            self.requests.pop(request.header.message_id, None)
            if request.waiter is not None:
                request.waiter.callback = None
            if request.task is not None:
                request.task.close()
        self.requests.clear()
        self.async_requests.clear()
        self.outgoing.clear()

    def report(self, session: Session, command: str, reason: str, status: int) -> None:
        self.server.emit(
            RequestRefused(self.client, str(session.identity), command, reason, status)
        )
