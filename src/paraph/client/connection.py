"""One transport connection of the client: requests in, frames out, answers back; no socket, no
clock ([MS-SMB2] 3.2.1.2, 3.2.4.1, 3.2.5.1).

    connection.submit([request])         # goes out when there are credits for it
    frames = connection.take_outgoing()  # to the transport
    connection.receive(kind, frame)      # from the transport; calls request.on_done
    connection.lose("...")               # the transport is gone

Every byte from the server enters through `receive`, which decrypts, splits, finds the request and
has `verification.objection` judge the answer before anything else sees it. An objection ends the
connection: nothing of that message is used.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from paraph.client.errors import smb_error, violation
from paraph.client.settings import ClientSettings
from paraph.client.steps import Request
from paraph.client.tree import FileId, Session, Tree
from paraph.client.verification import objection
from paraph.core.dialect import DIALECTS
from paraph.core.message import (
    BODY,
    TRANSPORT_HEADER,
    Message,
    Protocol,
    finish_frame,
    join_replies,
    new_reply,
    seal_frame,
    split,
)
from paraph.crypto.preauth import PreauthHash
from paraph.crypto.sealing import BadTag
from paraph.crypto.signing import Signer
from paraph.errors import ConnectionLost, DecodeError, Disconnect, SMBError
from paraph.wire import netbios
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.close import CloseRequest
from paraph.wire.smb2.create import CreateResponse
from paraph.wire.smb2.header import NO_MESSAGE_ID, Command, Flags, Header
from paraph.wire.smb2.negotiate import Dialect
from paraph.wire.smb2.simple import CancelRequest

_MOST_CREDITS = 0xFFFF
_FIRST_FRAME = 1 << 20
"""Largest frame, in bytes, before NEGOTIATE has told what the server may send."""
_WITH_BODY = frozenset(
    (
        NTStatus.SUCCESS,
        NTStatus.BUFFER_OVERFLOW,
        NTStatus.MORE_PROCESSING_REQUIRED,
        NTStatus.NOTIFY_ENUM_DIR,
    )
)
"""Statuses whose answer has the body of the command; with any other it is an ERROR response."""


class Connection:
    """Connection of the abstract data model; attributes carry its names in snake case."""

    def __init__(self, settings: ClientSettings, server: str) -> None:
        self.settings = settings
        self.server = server  #: its name, as the caller knows it
        # What NEGOTIATE leads to
        self.dialect = DIALECTS[Dialect.SMB_2_0_2]
        self.multi_credit = False
        self.client_guid = bytes(16)
        self.client_capabilities = 0
        self.client_security_mode = 0
        self.server_guid = bytes(16)
        self.server_capabilities = 0
        self.server_security_mode = 0
        self.server_requires_signing = False
        self.signing_algorithm_id = 0
        self.cipher_id = 0
        self.max_read_size = self.max_write_size = self.max_transact_size = 1 << 16
        self.preauth: PreauthHash | None = None
        self.session: Session | None = None
        self.maximum_frame = _FIRST_FRAME
        # Credits and requests
        self.credits = 1
        self._next_id = 0
        self._under_way = 0  #: credits of requests that are not answered
        self._outstanding: dict[int, Request] = {}
        self._waiting: deque[Sequence[Request]] = deque()
        self._outgoing: list[bytearray] = []
        # Life
        self.failure: tuple[type[SMBError], int, str, int] | None = None
        self.discarded = 0  #: answers to nothing: replayed, late, or made up
        self.notifications = 0  #: break notifications; we hold nothing that could be broken
        self.run_elsewhere: Callable[[Callable[[], Any], Callable[[Any, Any], None]], None] = (
            run_here
        )

    # Requests out

    @property
    def credit_limit(self) -> int:
        """Credits that we have, free or under way: no request or compound can cost more."""
        return self.credits + self._under_way

    def largest(self, maximum: int) -> int:
        """Bytes of data to move with one request, when the server takes `maximum`: limited by the
        settings, and such that two fit into the credits that there are."""
        if not self.multi_credit:
            return min(maximum, 1 << 16)
        affordable = max(1, self.credit_limit // 2) << 16
        return min(maximum, self.settings.io_size, affordable)

    def submit(self, requests: Sequence[Request]) -> None:
        """Send now or, when credits lack, later; several are one compound of related requests.

        Each one's `on_done` is called when it is answered or has failed. Raises SMBError when the
        connection has ended.
        """
        if self.failure is not None:
            raise self.error()
        if not self._waiting and sum(request.charge for request in requests) <= self.credits:
            self._send(requests)
        elif self._outstanding:
            self._waiting.append(requests)
        else:
            # Nothing is under way that could bring credits.
            raise smb_error(NTStatus.INSUFF_SERVER_RESOURCES, requests[0].path, "too few credits")

    def take_outgoing(self) -> list[bytearray]:
        """The frames to be sent; they are the caller's from now on."""
        frames, self._outgoing = self._outgoing, []
        return frames

    @property
    def has_outgoing(self) -> bool:
        return bool(self._outgoing)

    def cancel(self, request: Request) -> None:
        """Nobody waits for `request` any more: CANCEL it (3.2.4.24). What it opens all the same is
        closed; a late answer is verified, counted and dropped."""
        request.abandoned = True
        request.on_done = None
        if request.message_id < 0:
            self._waiting = deque(
                group for group in self._waiting if not all(one.abandoned for one in group)
            )
        elif self._outstanding.get(request.message_id) is request and self.failure is None:
            self._send_cancel(request)

    def post(self, request: Request) -> None:
        """Send without anybody waiting for the answer."""
        request.abandoned = True
        with suppress(SMBError):
            self.submit([request])

    def post_close(self, tree: Tree, file_id: FileId) -> None:
        """CLOSE, without anybody waiting for the answer."""
        self.post(Request(Command.CLOSE, CloseRequest(0, *file_id).encode(), tree=tree))

    def _send(self, requests: Sequence[Request]) -> None:
        """Build the frame: 3.2.4.1. All requests of a compound are protected alike."""
        session = self.session
        sealed = session is not None and self._seals(requests[0], session)
        frames: list[bytearray] = []
        signers: list[Signer | None] = []
        for index, request in enumerate(requests):
            request.sealed = sealed
            request.compounded = len(requests) > 1
            body = request.body
            frame = body if isinstance(body, bytearray) else new_reply(body)
            request.body = b""  # not needed again, and perhaps large
            self._header(request, index > 0).pack_into(frame, TRANSPORT_HEADER)
            signer = None if sealed else self._signer_for(request)
            request.signed = signer is not None
            frames.append(frame)
            signers.append(signer)
            self._outstanding[request.message_id] = request
        joined = join_replies(frames, signers)
        if requests[0].on_sent is not None:
            requests[0].on_sent(memoryview(joined)[TRANSPORT_HEADER:])
        if sealed and session is not None and session.sealer is not None:
            joined = seal_frame(joined, session.sealer, session.session_id)
        self._outgoing.append(finish_frame(joined))

    def _header(self, request: Request, related: bool) -> Header:
        charge = request.charge
        request.message_id = self._next_id
        self._next_id += charge
        self.credits -= charge
        self._under_way += charge
        asked = charge + max(0, self.settings.credits - self.credit_limit)
        if not request.session_id and self.session is not None:
            request.session_id = self.session.session_id
        return Header(
            charge if self.multi_credit else 0,
            0,
            request.command,
            min(asked, _MOST_CREDITS),
            Flags.RELATED_OPERATIONS if related else 0,
            0,
            request.message_id,
            (request.tree.tree_id << 32) if request.tree is not None else 0,
            request.session_id,
        )

    def _seals(self, request: Request, session: Session) -> bool:
        """3.2.4.1.8."""
        if session.sealer is None:
            return False
        return session.encrypt_data or (request.tree is not None and request.tree.encrypt_data)

    def _signer_for(self, request: Request) -> Signer | None:
        """3.2.4.1.1: who signs this request, if it is to be signed."""
        session = self.session
        if session is None or session.signer is None:
            return None
        wanted = session.signing_required or request.sign
        if wanted or (request.tree is not None and request.tree.sign):
            return session.signer
        return None

    def _send_cancel(self, request: Request) -> None:
        """3.2.4.24: with the MessageId of the request, or its AsyncId, and no credit."""
        flags = Flags.ASYNC_COMMAND if request.async_id else 0
        tree_id = request.tree.tree_id if request.tree is not None else 0
        target = request.async_id or tree_id << 32
        header = Header(
            0, 0, Command.CANCEL, 0, flags, 0, request.message_id, target, request.session_id
        )
        frame = new_reply(CancelRequest().encode())
        header.pack_into(frame, TRANSPORT_HEADER)
        session = self.session
        if request.sealed and session is not None and session.sealer is not None:
            frame = seal_frame(frame, session.sealer, session.session_id)
        else:
            signer = session.signer if session is not None and request.signed else None
            frame = join_replies([frame], [signer])
        self._outgoing.append(finish_frame(frame))

    def _pump(self) -> None:
        """Send what waited for credits."""
        while self._waiting and self.failure is None:
            if sum(request.charge for request in self._waiting[0]) <= self.credits:
                self._send(self._waiting.popleft())
            elif self._outstanding:
                return
            else:
                self.lose("the server grants too few credits to go on")

    # Answers in

    def receive(self, kind: int, frame: memoryview) -> None:
        """One frame: the type byte of its header and the payload (writable, borrowed)."""
        if self.failure is not None:
            return
        try:
            if kind == netbios.SessionPacketType.MESSAGE:
                self._receive_message(frame)
            elif kind != netbios.SessionPacketType.KEEPALIVE:
                raise Disconnect(f"a frame of type {kind:#04x}")
        except (DecodeError, Disconnect) as error:
            self._malformed(error)
        except SMBError as error:
            self.fail(error)

    def _receive_message(self, frame: memoryview) -> None:
        protocol = bytes(frame[:4])
        if protocol == Protocol.SMB2:
            for message in split(frame):
                self._answer(message, False)
        elif protocol == Protocol.TRANSFORM:
            self._receive_sealed(frame)
        elif protocol == Protocol.COMPRESSED:
            raise Disconnect("a compressed message, and compression was not negotiated")
        else:
            raise Disconnect("a frame that is no SMB2 message")

    def _receive_sealed(self, frame: memoryview) -> None:
        """3.2.5.1.1.1."""
        session = self.session
        session_id = int.from_bytes(frame[44:52], "little")
        if session is None or session.sealer is None or session_id != session.session_id:
            raise violation("an encrypted message came for a session that has no keys here")
        try:
            plain = session.sealer.open(frame)
        except BadTag:
            raise violation("an encrypted message was altered on its way") from None
        if bytes(plain[:4]) != Protocol.SMB2:
            raise Disconnect("an encrypted message holds no SMB2 message")
        for message in split(plain):
            header = message.header
            if header.session_id != session_id and header.message_id != NO_MESSAGE_ID:
                raise violation("an encrypted message carries the answer of another session")
            self._answer(message, True)

    def _answer(self, message: Message, sealed: bool) -> None:
        """Find the request, judge the answer, hand it over (3.2.5.1.2 to .5, .8)."""
        header = message.header
        if self.failure is not None:
            return
        if header.message_id == NO_MESSAGE_ID:
            self._notified(header)
            return
        request = self._outstanding.get(header.message_id)
        if request is None:
            self.discarded += 1
            return
        session = self.session
        reason = objection(
            request,
            message,
            sealed=sealed,
            signer=session.signer if session is not None else None,
            signing_required=session is not None and session.signing_required,
            logging_on=session is None and request.command == Command.SESSION_SETUP,
            relaxed=self.settings.relaxed,
        )
        if reason:
            raise violation(reason)
        self.credits = min(self.credits + header.credits, _MOST_CREDITS)
        if header.status == NTStatus.PENDING and header.flags & Flags.ASYNC_COMMAND:
            request.async_id = header.async_or_tree
        else:
            del self._outstanding[header.message_id]
            self._under_way -= request.charge
            request.header = header
            request.status = header.status
            self._complete(request, message.data)
        if self._waiting:
            self._pump()

    def _notified(self, header: Header) -> None:
        """A message that answers nothing (3.2.5.19, 3.2.5.20). It need not be signed, so it may do
        nothing but cost us a cache; we keep none, having asked for no oplock and no lease."""
        if header.command == Command.OPLOCK_BREAK:
            self.notifications += 1
        else:
            self.discarded += 1

    def _complete(self, request: Request, data: memoryview) -> None:
        if request.abandoned:
            self._clean_up(request, data)
            return
        status = request.status
        if status != NTStatus.SUCCESS and status not in request.accepts:
            request.error = smb_error(status, request.path)
        elif request.decode is not None and status in _WITH_BODY:
            try:
                request.result = request.decode(data)
            except DecodeError as error:
                self._malformed(error)
                request.error = self.error(request.path)
            except Exception as error:  # of whoever takes the data: a full disk, for example
                request.error = error
        if request.on_done is not None:
            request.on_done(request)

    def _clean_up(self, request: Request, data: memoryview) -> None:
        """The answer that nobody waits for: close what it opened."""
        if request.command == Command.CREATE and request.status == NTStatus.SUCCESS:
            opened = CreateResponse.decode(data)
            if request.tree is not None and not request.compounded:
                self.post_close(request.tree, (opened.persistent_id, opened.volatile_id))

    # Ends

    def _malformed(self, error: Exception) -> None:
        """3.2.5.1.7: what does not conform ends the connection."""
        reason = f"the server sent what it must not: {error}"
        self.lose(reason, errno.EPROTO, NTStatus.INVALID_NETWORK_RESPONSE)

    def lose(
        self,
        reason: str,
        number: int = errno.ECONNRESET,
        status: int = NTStatus.CONNECTION_DISCONNECTED,
    ) -> None:
        """The transport is gone, or must go: whatever waits fails with `reason`."""
        self.fail(ConnectionLost(number, reason, None, status))

    def fail(self, error: SMBError) -> None:
        """End the connection with `error`; the transport is to be closed."""
        if self.failure is not None:
            return
        self.failure = (type(error), error.errno or 0, error.strerror or str(error), error.status)
        requests = [*self._outstanding.values(), *(one for group in self._waiting for one in group)]
        self._outstanding.clear()
        self._waiting.clear()
        for request in requests:
            request.error = self.error(request.path)
            if request.on_done is not None:
                request.on_done(request)

    def error(self, path: str | None = None) -> SMBError:
        """What ended the connection, as a fresh exception."""
        assert self.failure is not None
        kind, number, text, status = self.failure
        return kind(number, text, path, status)


def run_here(function: Callable[[], Any], done: Callable[[Any, Any], None]) -> None:
    """`run_elsewhere` of a driver that may block."""
    try:
        result = function()
    except Exception as error:
        done(None, error)
    else:
        done(result, None)


__all__ = ["BODY", "Connection", "run_here"]
