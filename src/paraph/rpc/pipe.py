"""A named pipe that DCE/RPC is spoken over: [MS-RPCE] 2.1.1.2 and 3.3.3, from the server's side.

`open_pipe` gives a `Pipe`; what the client writes goes into `write`, what it reads comes out of
`read`. A pipe has its answer as soon as `write` returns: nothing here waits.

What is taken and what is refused:

* Only the level without authentication: pipes are trusted because the SMB session under them is,
  and Windows binds srvsvc and wkssvc so. A bind with an authentication verifier gets bind_nak
  "authentication type not recognized" ([MS-RPCE] 3.3.3.5.3), a request with one gets a fault.
* Only NDR 2.0 in little-endian. NDR64 is rejected as a transfer syntax, for which every client has
  NDR in reserve; a big-endian client gets bind_nak or a fault, "protocol error".
* Concurrent multiplexing and header signing are not agreed to. Of the features that a bind
  negotiates only "keep connection on orphaned" is ([MS-RPCE] 3.3.1.5.3).
* call_id is compared within a call, not required to grow from call to call.
* Verification trailers ([MS-RPCE] 2.2.2.13) are ignored with all that follows the parameters;
  clients send them on authenticated connections only.
* What is no PDU at all, or none that a client sends here, disconnects the pipe.
"""

from __future__ import annotations

from collections import deque
from itertools import count

from paraph.errors import DecodeError, NTStatusError
from paraph.rpc.pdu import (
    HEADER_SIZE,
    MAX_FRAGMENT,
    MUST_RECEIVE_FRAGMENT,
    NDR,
    Bind,
    BindAck,
    ContextElement,
    ContextResult,
    Header,
    Nca,
    PduFlags,
    PduType,
    ProviderReason,
    RejectReason,
    Request,
    Result,
    bind_nak,
    fault,
    responses,
)
from paraph.rpc.service import Call, Environment, Interface, RpcFault
from paraph.rpc.srvsvc import SRVSVC
from paraph.rpc.wkssvc import WKSSVC
from paraph.wire.ntstatus import NTStatus

PIPES: dict[str, tuple[Interface, ...]] = {"srvsvc": (SRVSVC,), "wkssvc": (WKSSVC,)}
"""The pipes there are, by name in lower case, and the interfaces to which each can be bound."""

MAX_FRAGMENT_SENT = 4280
"""The longest fragment that we offer to send and to receive, in bytes, as Windows does."""
MAX_REQUEST = 1 << 20
"""Stub data of one request, in bytes; more is a fault ([MS-RPCE] 3.3.3.5.4 says how)."""
MAX_RESPONSE = 4 << 20
"""Stub data of one response, in bytes; more is the fault nca_out_args_too_big."""
MAX_QUEUED = 1 << 20
"""Bytes a client may leave unread when it sends the next request; more disconnects the pipe."""
MAX_CONTEXTS = 256
"""Presentation contexts of one pipe."""

_FROM_CLIENTS = (
    PduType.REQUEST,
    PduType.BIND,
    PduType.ALTER_CONTEXT,
    PduType.CO_CANCEL,
    PduType.ORPHANED,
)
_KEEP_ON_ORPHAN = 0x02  # KeepConnectionOnOrphanSupported, [MS-RPCE] 2.2.2.14
_groups = count(1)


def open_pipe(name: str, environment: Environment) -> Pipe:
    """A fresh instance of the pipe `name` (without \\PIPE\\, whatever its case).

    Raises NTStatusError OBJECT_NAME_NOT_FOUND when there is none of that name.
    """
    key = name.lower()
    if key not in PIPES:
        raise NTStatusError(NTStatus.OBJECT_NAME_NOT_FOUND, f"no pipe {name!r}")
    return Pipe(key, PIPES[key], environment)


class _Assembly:
    """A request of which not all fragments have come."""

    __slots__ = ("call_id", "context_id", "opnum", "stub")

    def __init__(self, call_id: int, request: Request) -> None:
        self.call_id = call_id
        self.context_id = request.context_id
        self.opnum = request.opnum
        self.stub = bytearray(request.stub)


class Pipe:
    """One open of a named pipe, in message mode: each PDU that we send is a message."""

    __slots__ = (
        "_assembly",
        "_bound",
        "_call",
        "_call_id",
        "_contexts",
        "_disconnected",
        "_incoming",
        "_interfaces",
        "_max_fragment",
        "_messages",
        "_name",
        "available",
    )

    def __init__(self, name: str, interfaces: tuple[Interface, ...], environment: Environment):
        self._name = name
        self._interfaces = interfaces
        self._call = Call(environment)
        self._contexts: dict[int, Interface] = {}
        self._bound = False
        self._max_fragment = MUST_RECEIVE_FRAGMENT
        self._call_id = 0  # of the last request that began
        self._assembly: _Assembly | None = None
        self._incoming = bytearray()
        self._messages: deque[memoryview] = deque()
        self._disconnected = False
        #: Bytes that wait to be read, of all messages. While it is not 0, FSCTL_PIPE_TRANSCEIVE
        #: fails with STATUS_PIPE_BUSY.
        self.available = 0

    def write(self, data: bytes | memoryview) -> None:
        """Take what the client writes: one PDU as a rule, but a part of one or several will do.

        Raises NTStatusError PIPE_DISCONNECTED for what is no PDU of a client, for a write of more
        than 64 KiB, and ever after.
        """
        self._check_connected()
        if len(self._incoming) + len(data) > MAX_FRAGMENT:
            raise self._disconnect("more than the longest fragment in one write")
        self._incoming += data
        while len(self._incoming) >= HEADER_SIZE:
            try:
                header = Header.decode(memoryview(bytes(self._incoming[:HEADER_SIZE])))
            except DecodeError as error:
                raise self._disconnect(str(error)) from error
            if header.ptype not in _FROM_CLIENTS:
                raise self._disconnect(f"PDU of type {header.ptype}")
            length = header.fragment_length
            if len(self._incoming) < length:
                return
            pdu = memoryview(bytes(self._incoming[:length]))
            del self._incoming[:length]
            self._receive(header, pdu)

    def read(self, maximum: int) -> tuple[bytes, bool]:
        """Up to `maximum` bytes of the current message, and whether more of it remains (which is
        STATUS_BUFFER_OVERFLOW). (b"", False) when there is no message: the client must wait.

        Raises NTStatusError PIPE_DISCONNECTED after `write` has.
        """
        self._check_connected()
        if not self._messages:
            return b"", False
        message = self._messages[0]
        part = bytes(message[:maximum])
        self.available -= len(part)
        if len(part) < len(message):
            self._messages[0] = message[len(part) :]
            return part, True
        self._messages.popleft()
        return part, False

    def peek(self, maximum: int) -> tuple[bytes, int, int]:
        """What `read(maximum)` would give, without taking it; the number of messages; and the bytes
        that the first one still has. Raises as `read`."""
        self._check_connected()
        if not self._messages:
            return b"", 0, 0
        message = self._messages[0]
        return bytes(message[:maximum]), len(self._messages), len(message)

    def _check_connected(self) -> None:
        if self._disconnected:
            raise NTStatusError(NTStatus.PIPE_DISCONNECTED, f"pipe {self._name}")

    def _disconnect(self, reason: str) -> NTStatusError:
        """Drop all state; the error to raise."""
        self._disconnected = True
        self._contexts.clear()
        self._assembly = None
        self._incoming.clear()
        self._messages.clear()
        self.available = 0
        return NTStatusError(NTStatus.PIPE_DISCONNECTED, f"pipe {self._name}: {reason}")

    def _send(self, pdu: bytes) -> None:
        self._messages.append(memoryview(pdu))
        self.available += len(pdu)

    def _receive(self, header: Header, pdu: memoryview) -> None:
        """Process one PDU."""
        if self.available > MAX_QUEUED:
            raise self._disconnect("responses are not read")
        if header.ptype in (PduType.BIND, PduType.ALTER_CONTEXT):
            self._receive_bind(header, pdu)
        elif header.ptype == PduType.REQUEST:
            self._receive_request(header, pdu)
        elif header.ptype == PduType.ORPHANED:
            self._orphan(header.call_id)
        # What is left is co_cancel, and there is nothing to cancel: no call is ever in progress.

    def _orphan(self, call_id: int) -> None:
        """Forget the call of which fragments are missing, if it is this one."""
        if self._assembly is not None and self._assembly.call_id == call_id:
            self._assembly = None

    # bind, alter_context

    def _receive_bind(self, header: Header, pdu: memoryview) -> None:
        """[MS-RPCE] 3.3.1.5.3, 3.3.1.5.6, 3.3.3.5.5."""
        reason = self._bind_error(header)
        if reason is None:
            try:
                bind = Bind.decode(pdu)
            except DecodeError:
                reason = RejectReason.PROTOCOL_ERROR
            else:
                if len(self._contexts) + len(bind.contexts) > MAX_CONTEXTS:
                    reason = RejectReason.LOCAL_LIMIT_EXCEEDED
        if reason is not None:
            self._send(bind_nak(header.call_id, reason))
            return
        first = not self._bound
        results = [self._negotiate(element) for element in bind.contexts]
        if first:
            self._bound = True
            self._max_fragment = max(
                MUST_RECEIVE_FRAGMENT, min(bind.max_recv_frag, MAX_FRAGMENT_SENT)
            )
        ack = BindAck(
            max_xmit_frag=self._max_fragment,
            max_recv_frag=MAX_FRAGMENT_SENT,
            assoc_group_id=bind.assoc_group_id or next(_groups) & 0xFFFF_FFFF,
            secondary_address=f"\\PIPE\\{self._name}" if first else "",
            results=results,
        )
        ptype = PduType.BIND_ACK if first else PduType.ALTER_CONTEXT_RESP
        self._send(ack.encode(ptype, header.call_id))

    def _bind_error(self, header: Header) -> int | None:
        """Why a bind or alter_context is refused before it is looked into."""
        if header.auth_length:
            return RejectReason.AUTHENTICATION_TYPE_NOT_RECOGNIZED
        if not header.little_endian or (header.version, header.version_minor) != (5, 0):
            return RejectReason.PROTOCOL_ERROR
        if (header.ptype == PduType.BIND) == self._bound:  # bind comes first, and once
            return RejectReason.PROTOCOL_ERROR
        return None

    def _negotiate(self, element: ContextElement) -> Result:
        features = element.features()
        if features is not None:
            return Result(ContextResult.NEGOTIATE_ACK, features & _KEEP_ON_ORPHAN)
        for interface in self._interfaces:
            if interface.serves(element.abstract):
                break
        else:
            return Result(
                ContextResult.PROVIDER_REJECTION, ProviderReason.ABSTRACT_SYNTAX_NOT_SUPPORTED
            )
        if NDR not in element.transfers:
            return Result(
                ContextResult.PROVIDER_REJECTION,
                ProviderReason.PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED,
            )
        self._contexts[element.context_id] = interface
        return Result(ContextResult.ACCEPTANCE, ProviderReason.NOT_SPECIFIED, NDR)

    # request

    def _receive_request(self, header: Header, pdu: memoryview) -> None:
        """Collect the fragments of a call, answer it after the last ([MS-RPCE] 3.3.3.5)."""
        context_id = 0
        try:
            if not self._bound or header.auth_length or not header.little_endian:
                raise RpcFault(Nca.PROTO_ERROR)
            if (header.version, header.version_minor) != (5, 0):
                raise RpcFault(Nca.PROTO_ERROR)
            request = Request.decode(pdu, header.flags)
            context_id = request.context_id
            assembly = self._collect(header, request)
        except (DecodeError, RpcFault) as error:
            self._assembly = None
            status = error.status if isinstance(error, RpcFault) else Nca.PROTO_ERROR
            self._send(fault(header.call_id, context_id, status, executed=False))
            return
        if assembly is not None and header.flags & PduFlags.LAST_FRAG:
            self._assembly = None
            self._answer(assembly)

    def _collect(self, header: Header, request: Request) -> _Assembly | None:
        """The call that this fragment belongs to, the fragment included; None for what is left of
        a call that has got its fault already ([MS-RPCE] 3.3.3.5.6)."""
        assembly = self._assembly
        if header.flags & PduFlags.FIRST_FRAG:
            if assembly is not None:
                raise RpcFault(Nca.PROTO_ERROR, "a call begins within another")
            self._call_id = header.call_id
            assembly = self._assembly = _Assembly(header.call_id, request)
        elif assembly is None:
            if not 0 <= self._call_id - header.call_id < 150:
                raise RpcFault(Nca.PROTO_ERROR, "a call without beginning")
            return None
        else:
            if header.call_id != assembly.call_id:
                raise RpcFault(Nca.PROTO_ERROR, "a fragment of another call")
            assembly.stub += request.stub
        if len(assembly.stub) > MAX_REQUEST:
            raise RpcFault(Nca.ACCESS_DENIED, "request too long")
        return assembly

    def _answer(self, assembly: _Assembly) -> None:
        """Run a call and send its response or fault."""
        context_id = assembly.context_id
        executed = False
        try:
            interface = self._contexts.get(context_id)
            if interface is None:
                raise RpcFault(Nca.UNK_IF)
            run = interface.prepare(assembly.opnum, memoryview(assembly.stub))
            executed = True
            stub = run(self._call)
            if len(stub) > MAX_RESPONSE:
                raise RpcFault(Nca.OUT_ARGS_TOO_BIG)
        except RpcFault as error:
            self._send(fault(assembly.call_id, context_id, error.status, executed))
            return
        for pdu in responses(assembly.call_id, context_id, stub, self._max_fragment):
            self._send(pdu)
