"""IOCTL ([MS-SMB2] 3.3.5.15): each control code's answer."""

from __future__ import annotations

from typing import Any

import pytest

from paraph.rpc.pdu import HEADER_SIZE
from paraph.wire.fscc_file import PipeState
from paraph.wire.fsctl import Fsctl, PipePeek, PipeWait
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.ioctl import (
    IoctlRequest,
    IoctlResponse,
    ValidateNegotiateInfoRequest,
    ValidateNegotiateInfoResponse,
)
from tests.server.file_client import READ, READ_WRITE, WRITE, Client, make_world, refused
from tests.support.link import Dropped
from tests.support.peer import create_body
from tests.support.world import World

NOT_SUPPORTED = NTStatus.NOT_SUPPORTED
INVALID = NTStatus.INVALID_PARAMETER
INVALID_REQUEST = NTStatus.INVALID_DEVICE_REQUEST
CLOSED = NTStatus.FILE_CLOSED
NOBODY = (2**64 - 1, 2**64 - 1)


@pytest.fixture
def world() -> World:
    return make_world({"file": b"x"})


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


# ---------------------------------------------------------------- each code

WITHOUT_OPEN = {
    Fsctl.DFS_GET_REFERRALS: NTStatus.NOT_FOUND,
    Fsctl.DFS_GET_REFERRALS_EX: NTStatus.NOT_FOUND,
    Fsctl.QUERY_NETWORK_INTERFACE_INFO: NOT_SUPPORTED,
    Fsctl.PIPE_WAIT: NTStatus.OBJECT_NAME_NOT_FOUND,
}
NOT_BUILT = (
    Fsctl.SRV_REQUEST_RESUME_KEY,
    Fsctl.SRV_COPYCHUNK,
    Fsctl.SRV_COPYCHUNK_WRITE,
    Fsctl.SRV_ENUMERATE_SNAPSHOTS,
    Fsctl.SRV_READ_HASH,
    Fsctl.LMR_REQUEST_RESILIENCY,
    Fsctl.OFFLOAD_READ,
    Fsctl.OFFLOAD_WRITE,
)
PIPES = (Fsctl.PIPE_TRANSCEIVE, Fsctl.PIPE_PEEK)


def expected_status(code: int) -> int:
    if code in WITHOUT_OPEN:
        return WITHOUT_OPEN[code]
    if code == Fsctl.GET_REPARSE_POINT:
        return NTStatus.NOT_A_REPARSE_POINT
    return NOT_SUPPORTED if code in NOT_BUILT else INVALID_REQUEST


CODES = sorted(
    code
    for code in vars(Fsctl).values()
    if isinstance(code, int) and code != Fsctl.VALIDATE_NEGOTIATE_INFO
)


def test_every_code(client: Client) -> None:
    file = client.open("file")
    for code in CODES:
        target = NOBODY if code in WITHOUT_OPEN else file
        with refused(expected_status(code)):
            client.ioctl(code, b"", target)


def test_codes_that_nobody_knows(client: Client) -> None:
    file = client.open("file")
    for code in (0, 0xFFFFFFFF, 0x00140079, 0x000900A9):
        with refused(NOT_SUPPORTED):
            client.ioctl(code, b"", file)
        with refused(CLOSED):
            client.ioctl(code, b"")


def test_the_file_id(client: Client) -> None:
    file = client.open("file")
    for code in WITHOUT_OPEN:
        for wrong in (file, (0, 0), (0, NOBODY[1]), (NOBODY[0], 0)):
            with refused(INVALID):
                client.ioctl(code, b"", wrong)
    for code in (*NOT_BUILT, *PIPES, Fsctl.GET_REPARSE_POINT, Fsctl.SET_SPARSE):
        with refused(CLOSED):
            client.ioctl(code, b"")
        with refused(CLOSED):
            client.ioctl(code, b"", (file[0] ^ 1, file[1]))


@pytest.mark.parametrize("flags", [0, 2, 3, 0x80000001])
def test_only_file_system_controls(client: Client, flags: int) -> None:
    with refused(NOT_SUPPORTED):
        client.ioctl(Fsctl.GET_REPARSE_POINT, b"", client.open("file"), flags=flags)


def test_buffers_beyond_the_limit() -> None:
    client = Client(make_world({"file": b""}, max_transact_size=65536))
    file = client.open("file")
    while client.peer.credits < 8:
        client.flush(file)
    for fields in (
        {"room": 65537},
        {"max_input_response": 65537},
        {"data": bytes(65537)},
    ):
        with refused(INVALID):
            client.ioctl(Fsctl.GET_REPARSE_POINT, file=file, **fields)
    with refused(NTStatus.NOT_A_REPARSE_POINT):
        client.ioctl(Fsctl.GET_REPARSE_POINT, b"", file, room=65536)


# ---------------------------------------------------------------- VALIDATE_NEGOTIATE_INFO


def told(client: Client) -> ValidateNegotiateInfoRequest:
    offer = client.peer.offer
    return ValidateNegotiateInfoRequest(
        offer.capabilities, offer.guid, offer.security_mode, list(offer.dialects)
    )


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x0300, 0x0302])
def test_validation(world: World, dialect: int) -> None:
    client = Client(world, dialect=dialect)
    answer = client.ioctl(Fsctl.VALIDATE_NEGOTIATE_INFO, told(client).encode(), room=24)
    assert (answer.persistent_id, answer.volatile_id) == NOBODY
    response = client.peer.response
    assert ValidateNegotiateInfoResponse.decode(memoryview(answer.output_buffer)) == (
        ValidateNegotiateInfoResponse(
            response.capabilities, response.server_guid, response.security_mode, dialect
        )
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("capabilities", 0),
        ("guid", bytes(16)),
        ("security_mode", 2),
        ("dialects", [0x0202, 0x0302]),
        ("dialects", []),
        ("dialects", [0x0311]),
    ],
)
def test_a_negotiation_that_was_altered_ends_the_connection(
    client: Client, field: str, value: Any
) -> None:
    info = told(client)
    setattr(info, field, value)
    with pytest.raises(Dropped, match="altered on its way"):
        client.ioctl(Fsctl.VALIDATE_NEGOTIATE_INFO, info.encode())


@pytest.mark.parametrize(
    ("data", "room"), [(b"", 24), (bytes(23), 24), (bytes(22) + b"\xff\xff", 24), (None, 23)]
)
def test_a_validation_that_is_malformed_ends_the_connection(
    client: Client, data: bytes | None, room: int
) -> None:
    with pytest.raises(Dropped):
        client.ioctl(
            Fsctl.VALIDATE_NEGOTIATE_INFO,
            told(client).encode() if data is None else data,
            room=room,
        )


def test_there_is_no_validation_in_3_1_1(world: World) -> None:
    client = Client(world, dialect=0x0311)
    with pytest.raises(Dropped, match=r"3\.1\.1"):
        client.ioctl(Fsctl.VALIDATE_NEGOTIATE_INFO, told(client).encode())


# ---------------------------------------------------------------- pipes


def bind(fragment: int = 4280) -> bytes:
    """A bind PDU to srvsvc, by hand ([C706] 12.6.4.3)."""
    ndr = bytes.fromhex("045d888aeb1cc9119fe808002b104860") + (2).to_bytes(4, "little")
    interface = bytes.fromhex("c84f324b7016d30112785a47bf6ee188") + (3).to_bytes(4, "little")
    body = fragment.to_bytes(2, "little") * 2 + bytes(4) + b"\1\0\0\0" + b"\0\0\1\0"
    body += interface + ndr
    head = b"\5\0\x0b\3\x10\0\0\0" + (16 + len(body)).to_bytes(2, "little") + bytes(6)
    return head + body


def call(opnum: int, stub: bytes) -> bytes:
    """A request PDU."""
    body = len(stub).to_bytes(4, "little") + bytes(2) + opnum.to_bytes(2, "little") + stub
    head = b"\5\0\0\3\x10\0\0\0" + (16 + len(body)).to_bytes(2, "little") + bytes(6)
    return head + body


@pytest.fixture
def piped(client: Client) -> tuple[Client, tuple[int, int]]:
    client.connect("IPC$")
    return client, client.open("srvsvc", READ | WRITE)


Piped = tuple[Client, tuple[int, int]]


def test_transceive(piped: Piped) -> None:
    client, pipe = piped
    answer = client.ioctl(Fsctl.PIPE_TRANSCEIVE, bind(), pipe)
    assert (answer.persistent_id, answer.volatile_id) == pipe
    assert answer.ctl_code == Fsctl.PIPE_TRANSCEIVE
    data = bytes(answer.output_buffer)
    assert data[2] == 12  # bind_ack
    assert int.from_bytes(data[8:10], "little") == len(data) > HEADER_SIZE


def test_transceive_with_too_little_room(piped: Piped) -> None:
    """BUFFER_OVERFLOW with what fits; the rest is read, or the next transaction is refused."""
    client, pipe = piped
    body = IoctlRequest(
        Fsctl.PIPE_TRANSCEIVE, *pipe, max_output_response=10, input_buffer=bind()
    ).encode()
    reply = client.peer.call(Command.IOCTL, body, client.logon, client.tree)
    assert reply.status == NTStatus.BUFFER_OVERFLOW
    part = bytes(IoctlResponse.decode(reply.view).output_buffer)
    assert len(part) == 10
    size = int.from_bytes(part[8:10], "little")
    with refused(NTStatus.PIPE_BUSY):
        client.ioctl(Fsctl.PIPE_TRANSCEIVE, bind(), pipe)
    assert len(client.read(pipe, 4096)) == size - 10
    with refused(NTStatus.PIPE_EMPTY):
        client.read(pipe, 4096)


def test_transceive_of_rubbish(piped: Piped) -> None:
    client, pipe = piped
    with refused(NTStatus.PIPE_DISCONNECTED):
        client.ioctl(Fsctl.PIPE_TRANSCEIVE, b"\x99" * 100, pipe)
    with refused(NTStatus.PIPE_DISCONNECTED):
        client.ioctl(Fsctl.PIPE_PEEK, b"", pipe)


def test_transceive_in_a_compound(client: Client) -> None:
    """CREATE and IOCTL in one frame: the answer names the open, not what the request had."""
    client.connect("IPC$")
    peer = client.peer
    control = IoctlRequest(
        Fsctl.PIPE_TRANSCEIVE, *NOBODY, max_output_response=4096, input_buffer=bind()
    )
    messages = [
        peer.message(Command.CREATE, create_body("srvsvc"), client.logon, client.tree),
        peer.message(Command.IOCTL, control.encode(), client.logon, client.tree),
    ]
    peer.send(peer.compound(messages, related=True))
    created, answered = peer.receive_frame()
    assert created.status == answered.status == NTStatus.SUCCESS
    answer = IoctlResponse.decode(answered.view)
    assert (answer.persistent_id, answer.volatile_id) != NOBODY
    client.close((answer.persistent_id, answer.volatile_id))


def peek(client: Client, pipe: tuple[int, int], room: int = 4096) -> tuple[int, PipePeek]:
    body = IoctlRequest(Fsctl.PIPE_PEEK, *pipe, max_output_response=room).encode()
    reply = client.peer.call(Command.IOCTL, body, client.logon, client.tree)
    return reply.status, PipePeek.decode(memoryview(IoctlResponse.decode(reply.view).output_buffer))


def test_peek(piped: Piped) -> None:
    client, pipe = piped
    empty = PipePeek(PipeState.CONNECTED, 0, 0, 0, b"")
    assert peek(client, pipe) == (NTStatus.SUCCESS, empty)
    client.write(pipe, bind())
    status, seen = peek(client, pipe)
    size = seen.message_length
    assert (status, seen.named_pipe_state, seen.number_of_messages) == (0, PipeState.CONNECTED, 1)
    assert seen.read_data_available == size == len(seen.data)
    for room in (16, 17, 16 + size - 1):
        status, part = peek(client, pipe, room)
        assert status == NTStatus.BUFFER_OVERFLOW
        assert (part.message_length, bytes(part.data)) == (size, bytes(seen.data)[: room - 16])
    assert client.read(pipe, 4096) == bytes(seen.data)
    assert peek(client, pipe) == (NTStatus.SUCCESS, empty)


def test_peek_tells_messages_apart(piped: Piped) -> None:
    client, pipe = piped
    client.write(pipe, bind())
    first = len(peek(client, pipe)[1].data)
    client.write(pipe, call(99, b""))  # no such operation: a fault
    _, seen = peek(client, pipe)
    assert (seen.number_of_messages, seen.message_length) == (2, first)
    assert seen.read_data_available > first == len(seen.data)


def test_peek_without_room(piped: Piped) -> None:
    client, pipe = piped
    assert bytes(client.ioctl(Fsctl.PIPE_PEEK, b"", pipe, room=0).output_buffer) == b""
    for room in (1, 15):
        with refused(NTStatus.BUFFER_TOO_SMALL):
            client.ioctl(Fsctl.PIPE_PEEK, b"", pipe, room=room)


@pytest.mark.parametrize("pipe", ["srvsvc", "SrvSvc", "wkssvc"])
def test_wait(piped: Piped, pipe: str) -> None:
    client, _ = piped
    answer = client.ioctl(Fsctl.PIPE_WAIT, PipeWait(1, True, pipe).encode(), room=0)
    assert (answer.persistent_id, answer.volatile_id) == NOBODY
    assert bytes(answer.output_buffer) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(5),
        PipeWait(1, True, "spoolss").encode(),
        PipeWait(1, True, "srvsvc").encode()[:-1],
        PipeWait(0, False, "").encode(),
    ],
)
def test_wait_for_what_is_no_pipe(piped: Piped, data: bytes) -> None:
    client, _ = piped
    with refused(NTStatus.OBJECT_NAME_NOT_FOUND):
        client.ioctl(Fsctl.PIPE_WAIT, data)


def test_pipe_controls_of_files_and_file_controls_of_pipes(client: Client, piped: Piped) -> None:
    _, pipe = piped
    with refused(INVALID_REQUEST):
        client.ioctl(Fsctl.GET_REPARSE_POINT, b"", pipe)
    client.connect("data")
    file = client.open("file", READ_WRITE | AccessMask.DELETE)
    for code in PIPES:
        with refused(INVALID_REQUEST):
            client.ioctl(code, bind(), file)
    with refused(NTStatus.FILE_CLOSED):  # it belongs to the other tree connect
        client.ioctl(Fsctl.PIPE_TRANSCEIVE, bind(), pipe)
