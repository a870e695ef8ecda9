"""PDUs laid out by hand after [C706] 12.6 and [MS-RPCE] 2.2.2, and the pipe that takes them."""

from __future__ import annotations

from dataclasses import replace
from struct import pack, unpack_from

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import NTStatusError
from paraph.rpc import pipe as pipe_module
from paraph.rpc.ndr import CONTEXT_HANDLE, STRING, U32
from paraph.rpc.pipe import (
    MAX_QUEUED,
    MAX_REQUEST,
    MAX_RESPONSE,
    PIPES,
    Pipe,
    open_pipe,
)
from paraph.rpc.service import (
    MAX_HANDLES,
    Call,
    Environment,
    Interface,
    RpcFault,
    ShareInfo,
    ShareType,
)
from paraph.rpc.srvsvc import SRVSVC
from paraph.wire.ntstatus import NTStatus

SRVSVC_SYNTAX = "c84f324b 7016 d301 1278 5a47bf6ee188 03000000"
NDR = "045d888a eb1c c911 9fe8 08002b104860 02000000"
NDR64 = "33057171 babe 3749 8319 b5dbef9ccc36 01000000"
FEATURES = "2c1cb76c 1298 4045 {:02x}00 000000000000 01000000"
NOTHING = "00" * 20

FIRST, LAST, OBJECT = 1, 2, 0x80
PROTO_ERROR = 0x1C01000B
BAD_STUB = 0x6F7

ENVIRONMENT = Environment(
    server_name="PARAPH",
    domain="WORKGROUP",
    comment="",
    shares=lambda: [ShareInfo("IPC$", ShareType.IPC | ShareType.SPECIAL), ShareInfo("中", 0, "x")],
    local_time=lambda: 0,
)


def pdu(
    ptype: int,
    body: bytes,
    call_id: int = 1,
    flags: int = FIRST | LAST,
    *,
    version: int = 5,
    minor: int = 0,
    representation: bytes = b"\x10\0\0\0",
    auth_length: int = 0,
) -> bytes:
    order = "<" if representation[0] else ">"
    return (
        pack(
            order + "BBBB4sHHI",
            version,
            minor,
            ptype,
            flags,
            representation,
            16 + len(body),
            auth_length,
            call_id,
        )
        + body
    )


def bind_body(
    *contexts: tuple[int, str, tuple[str, ...]], max_recv: int = 4280, group: int = 0
) -> bytes:
    body = pack("<HHIBxxx", 4280, max_recv, group, len(contexts))
    for context_id, abstract, transfers in contexts:
        body += pack("<HBx", context_id, len(transfers))
        body += bytes.fromhex(abstract) + b"".join(bytes.fromhex(each) for each in transfers)
    return body


PLAIN = (0, SRVSVC_SYNTAX, (NDR,))


def request(
    opnum: int,
    stub: bytes,
    call_id: int = 2,
    flags: int = FIRST | LAST,
    *,
    context: int = 0,
    version: int = 5,
    representation: bytes = b"\x10\0\0\0",
    auth_length: int = 0,
) -> bytes:
    return pdu(
        0,
        pack("<IHH", len(stub), context, opnum) + stub,
        call_id,
        flags,
        version=version,
        representation=representation,
        auth_length=auth_length,
    )


# NetrShareEnum: server name null, level and tag 1, pointer to a container of nothing,
# MAX_PREFERRED_LENGTH, resume handle null
SHARE_ENUM = bytes.fromhex(
    "00000000 01000000 01000000 00000200 00000000 00000000 ffffffff 00000000"
)
# NetrServerGetInfo: server name "\\a", level 100
SERVER_INFO = bytes.fromhex("00000200 04000000 00000000 04000000 5c005c0061000000 64000000")


def messages(pipe: Pipe) -> list[bytes]:
    """All that waits to be read, message by message."""
    found = []
    while pipe.available:
        message, more = pipe.read(0x10000)
        assert not more
        found.append(message)
    return found


def exchange(pipe: Pipe, data: bytes) -> bytes:
    pipe.write(data)
    (message,) = messages(pipe)
    return message


def bound(max_recv: int = 4280, environment: Environment = ENVIRONMENT) -> Pipe:
    pipe = open_pipe("srvsvc", environment)
    ack = exchange(pipe, pdu(11, bind_body(PLAIN, max_recv=max_recv)))
    assert ack[2] == 12
    return pipe


def status(message: bytes) -> int:
    """The status of a fault PDU of 32 bytes."""
    assert message[2] == 3
    assert len(message) == unpack_from("<H", message, 8)[0] == 32
    return int(unpack_from("<I", message, 24)[0])


def reason(message: bytes) -> int:
    """The reason of a bind_nak that says that we speak 5.0."""
    assert message[2] == 13
    assert len(message) == unpack_from("<H", message, 8)[0] == 24
    assert message[18:21] == b"\1\5\0"
    return int(unpack_from("<H", message, 16)[0])


def test_bind_as_windows_does() -> None:
    pipe = open_pipe("SrvSvc", ENVIRONMENT)
    contexts = (
        (0, SRVSVC_SYNTAX, (NDR,)),
        (1, SRVSVC_SYNTAX, (NDR64,)),
        (2, SRVSVC_SYNTAX, (FEATURES.format(3),)),
    )
    ack = exchange(pipe, pdu(11, bind_body(*contexts, group=0x1234), call_id=9))
    expected = bytes.fromhex(
        "05 00 0c 03 10000000 7400 0000 09000000"
        "b810 b810 34120000"
        "0d00" + b"\\PIPE\\srvsvc\0".hex() + "00"  # and one byte to align
        "03 000000"
        "0000 0000" + NDR + "0200 0200" + NOTHING + "0300 0200" + NOTHING
    )
    assert ack == expected


@pytest.mark.parametrize(("offered", "granted"), [(0, 0), (1, 0), (2, 2), (3, 2), (0xFF, 2)])
def test_features(offered: int, granted: int) -> None:
    pipe = open_pipe("srvsvc", ENVIRONMENT)
    body = bind_body((0, SRVSVC_SYNTAX, (FEATURES.format(offered),)))
    ack = exchange(pipe, pdu(11, body))
    assert ack[-24:] == pack("<HH", 3, granted) + bytes(20)


@pytest.mark.parametrize(
    ("context", "result"),
    [
        ((0, SRVSVC_SYNTAX, (NDR,)), "0000 0000" + NDR),
        ((0, SRVSVC_SYNTAX, (NDR64, NDR)), "0000 0000" + NDR),
        ((0, SRVSVC_SYNTAX, (NDR64,)), "0200 0200" + NOTHING),
        ((0, SRVSVC_SYNTAX, ()), "0200 0200" + NOTHING),
        ((0, SRVSVC_SYNTAX, (NDR[:-8] + "01000000",)), "0200 0200" + NOTHING),
        ((0, SRVSVC_SYNTAX[:-8] + "02000000", (NDR,)), "0200 0100" + NOTHING),
        ((0, SRVSVC_SYNTAX[:-8] + "03000100", (NDR,)), "0200 0100" + NOTHING),
        ((0, NDR, (NDR,)), "0200 0100" + NOTHING),
        # among others a feature negotiation is a transfer syntax that nobody has
        ((0, SRVSVC_SYNTAX, (NDR, FEATURES.format(3))), "0000 0000" + NDR),
    ],
)
def test_negotiation(context: tuple[int, str, tuple[str, ...]], result: str) -> None:
    pipe = open_pipe("srvsvc", ENVIRONMENT)
    ack = exchange(pipe, pdu(11, bind_body(context)))
    assert ack[-24:] == bytes.fromhex(result)


def test_association_groups() -> None:
    pipes = [open_pipe("srvsvc", ENVIRONMENT) for _ in range(2)]
    groups = [unpack_from("<I", exchange(pipe, pdu(11, bind_body(PLAIN))), 20)[0] for pipe in pipes]
    assert 0 not in groups
    assert groups[0] != groups[1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pdu(11, bind_body(PLAIN) + bytes(16), auth_length=8), 8),
        (pdu(11, bind_body(PLAIN), version=4), 4),
        (pdu(11, bind_body(PLAIN), minor=1), 4),
        (pdu(11, bind_body(PLAIN), representation=b"\0\0\0\0"), 4),
        (pdu(11, bind_body(PLAIN), representation=b"\x11\0\0\0"), 4),
        (pdu(11, bind_body(PLAIN)[:-1]), 4),
        (pdu(11, b""), 4),
        (pdu(14, bind_body(PLAIN)), 4),  # alter_context comes after bind
    ],
)
def test_refused_binds(data: bytes, expected: int) -> None:
    pipe = open_pipe("srvsvc", ENVIRONMENT)
    assert reason(exchange(pipe, data)) == expected
    assert exchange(pipe, pdu(11, bind_body(PLAIN)))[2] == 12


def test_every_truncation_of_a_bind() -> None:
    body = bind_body(PLAIN, (1, SRVSVC_SYNTAX, (NDR64, NDR)))
    for length in range(len(body)):
        assert reason(exchange(open_pipe("srvsvc", ENVIRONMENT), pdu(11, body[:length]))) == 4


def test_bind_is_once_alter_context_after_it() -> None:
    pipe = bound()
    assert reason(exchange(pipe, pdu(11, bind_body(PLAIN)))) == 4
    answer = exchange(pipe, pdu(14, bind_body((5, SRVSVC_SYNTAX, (NDR,)), group=7), call_id=3))
    assert answer == bytes.fromhex(
        "05 00 0f 03 10000000 3800 0000 03000000 b810 b810 07000000"
        "0000 0000"  # no secondary address
        "01 000000 0000 0000" + NDR
    )
    assert exchange(pipe, request(21, SERVER_INFO, context=5))[2] == 2
    assert status(exchange(pipe, request(21, SERVER_INFO, context=6))) == 0x1C010003


def test_contexts_are_bounded() -> None:
    pipe = bound()
    for start in range(0, 250, 50):
        body = bind_body(*((start + n, SRVSVC_SYNTAX, (NDR,)) for n in range(50)))
        assert exchange(pipe, pdu(14, body))[2] == 15
    body = bind_body(*((1000 + n, SRVSVC_SYNTAX, (NDR,)) for n in range(50)))
    assert reason(exchange(pipe, pdu(14, body))) == 2


def test_share_enum() -> None:
    response = exchange(bound(), request(15, SHARE_ENUM, call_id=7))
    stub = bytes.fromhex(
        "01000000 01000000 00000200"  # level, tag, container
        "02000000 04000200"  # two entries
        "02000000"
        "08000200 03000080 0c000200"
        "10000200 00000000 14000200"
        "05000000 00000000 05000000 49005000430024000000 0000"
        "01000000 00000000 01000000 0000 0000"
        "02000000 00000000 02000000 2d4e0000"
        "02000000 00000000 02000000 78000000"
        "02000000 00000000"  # TotalEntries, ResumeHandle null
        "00000000"
    )
    header = "05 00 02 03 10000000" + pack("<HHI", 24 + len(stub), 0, 7).hex()
    assert response == bytes.fromhex(header) + pack("<IHBx", len(stub), 0, 0) + stub


def test_object_uuid_is_skipped() -> None:
    body = pack("<IHH", len(SERVER_INFO), 0, 21) + bytes(16) + SERVER_INFO
    answer = exchange(bound(), pdu(0, body, 2, FIRST | LAST | OBJECT))
    assert answer == exchange(bound(), request(21, SERVER_INFO))
    short = pack("<IHH", 0, 0, 21) + bytes(15)
    assert status(exchange(bound(), pdu(0, short, 2, FIRST | LAST | OBJECT))) == PROTO_ERROR


@pytest.mark.parametrize(
    ("opnum", "level"), [(15, 3), (36, 501), (16, 3), (21, 104), (12, 3), (8, 2), (9, 1)]
)
def test_unknown_levels(opnum: int, level: int) -> None:
    number = pack("<I", level).hex()
    name = "02000000 00000000 02000000 78000000"
    pointer = "00000000" if level == 501 else ""  # an arm of the union there is
    enumeration = number * 2 + pointer + "ffffffff 00000000"
    stub = {
        15: "00000000" + enumeration,
        36: "00000000" + enumeration,
        16: "00000000" + name + number,
        21: "00000000" + number,
        12: "00000000" * 3 + enumeration,
        8: "00000000" * 2 + enumeration,
        9: "00000000" * 3 + enumeration,
    }[opnum]
    pipe = bound(environment=replace(ENVIRONMENT, administrator=True))
    response = exchange(pipe, request(opnum, bytes.fromhex(stub)))
    assert response[2] == 2
    assert response[-4:] == pack("<I", 124)


@pytest.mark.parametrize(("opnum", "stub"), [(15, SHARE_ENUM), (21, SERVER_INFO)])
def test_every_truncation_of_a_request(opnum: int, stub: bytes) -> None:
    pipe = bound()
    for length in range(len(stub)):
        message = exchange(pipe, request(opnum, stub[:length]))
        assert status(message) == BAD_STUB
        assert message[3] == FIRST | LAST | 0x20  # did not execute
    assert exchange(pipe, request(opnum, stub + b"trailing"))[2] == 2
    whole = request(opnum, stub)
    for length in range(16, 24):
        cut = whole[:8] + pack("<H", length) + whole[10:length]
        assert status(exchange(pipe, cut)) == PROTO_ERROR


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (request(7, b""), 0x1C010002),
        (request(0xFFFF, b""), 0x1C010002),
        (request(21, SERVER_INFO, context=1), 0x1C010003),
        (request(21, SERVER_INFO + bytes(16), auth_length=8), PROTO_ERROR),
        (request(21, SERVER_INFO, version=6), PROTO_ERROR),
        (request(21, SERVER_INFO, representation=b"\0\0\0\0"), PROTO_ERROR),
        (request(21, SERVER_INFO, representation=b"\x10\1\0\0"), PROTO_ERROR),
        (request(21, SERVER_INFO, call_id=9, flags=LAST), PROTO_ERROR),
        (request(22, b""), 5),
    ],
)
def test_faults(data: bytes, expected: int) -> None:
    pipe = bound()
    assert status(exchange(pipe, data)) == expected
    assert exchange(pipe, request(21, SERVER_INFO, call_id=10))[2] == 2


def test_a_request_before_bind() -> None:
    pipe = open_pipe("srvsvc", ENVIRONMENT)
    assert status(exchange(pipe, request(21, SERVER_INFO))) == PROTO_ERROR


def test_writes_need_not_be_pdus() -> None:
    expected = exchange(bound(), request(15, SHARE_ENUM))
    pipe = bound()
    data = request(15, SHARE_ENUM)
    for index in range(len(data)):
        assert pipe.available == 0
        pipe.write(data[index : index + 1])
    assert messages(pipe) == [expected]
    pipe.write(data * 3)
    assert messages(pipe) == [expected] * 3


def test_reads_in_pieces() -> None:
    pipe = bound()
    whole = exchange(pipe, request(15, SHARE_ENUM))
    pipe.write(request(15, SHARE_ENUM) * 2)
    assert pipe.available == 2 * len(whole)
    assert pipe.read(10) == (whole[:10], True)
    assert pipe.available == 2 * len(whole) - 10
    assert pipe.read(0) == (b"", True)
    assert pipe.read(len(whole) - 10) == (whole[10:], False)  # not into the next message
    assert pipe.read(100_000) == (whole, False)
    assert pipe.available == 0
    assert pipe.read(100) == (b"", False)


@pytest.mark.parametrize(
    ("max_recv", "longest"), [(0, 1432), (1432, 1432), (1500, 1496), (4280, 4280), (65535, 4280)]
)
def test_fragments_of_a_response(max_recv: int, longest: int) -> None:
    shares = [ShareInfo(f"share {n}", comment="some words") for n in range(500)]
    pipe = bound(max_recv, replace(ENVIRONMENT, shares=lambda: shares))
    pipe.write(request(15, SHARE_ENUM, call_id=5))
    fragments = messages(pipe)
    left = sum(len(fragment) - 24 for fragment in fragments)
    for index, fragment in enumerate(fragments):
        flags = FIRST * (index == 0) | LAST * (index == len(fragments) - 1)
        assert fragment[:4] == bytes((5, 0, 2, flags))
        assert unpack_from("<HHII", fragment, 8) == (len(fragment), 0, 5, left)
        left -= len(fragment) - 24
    assert {len(fragment) for fragment in fragments[:-1]} == {longest}
    stub = b"".join(fragment[24:] for fragment in fragments)
    assert "share 499".encode("utf-16-le") in stub
    assert stub[-12:] == pack("<III", 500, 0, 0)


def test_fragments_of_a_request() -> None:
    expected = exchange(bound(), request(15, SHARE_ENUM, call_id=4))
    pipe = bound()
    for start in range(0, len(SHARE_ENUM), 3):
        flags = FIRST * (start == 0) | LAST * (start + 3 >= len(SHARE_ENUM))
        assert pipe.available == 0
        pipe.write(request(15, SHARE_ENUM[start : start + 3], 4, flags))
    assert messages(pipe) == [expected]


def test_a_broken_sequence_of_fragments() -> None:
    pipe = bound()
    pipe.write(request(15, SHARE_ENUM[:8], 4, FIRST))
    assert status(exchange(pipe, request(15, SHARE_ENUM[8:], 5, LAST))) == PROTO_ERROR
    pipe.write(request(15, SHARE_ENUM[8:], 4, LAST))  # the rest of a call that is gone
    assert pipe.available == 0
    pipe.write(request(15, SHARE_ENUM[:8], 6, FIRST))
    assert status(exchange(pipe, request(15, SHARE_ENUM, 7))) == PROTO_ERROR
    assert exchange(pipe, request(15, SHARE_ENUM, 8))[2] == 2
    far = pack("<I", 1000)
    whole = request(15, SHARE_ENUM, 1000)
    assert whole[12:16] == far
    assert exchange(pipe, whole)[2] == 2
    assert status(exchange(pipe, request(15, b"", 850, LAST))) == PROTO_ERROR
    pipe.write(request(15, b"", 851, LAST))
    assert pipe.available == 0


def test_orphaned_and_cancel() -> None:
    pipe = bound()
    pipe.write(request(15, SHARE_ENUM[:8], 4, FIRST))
    pipe.write(pdu(18, b"", 4))  # cancel: nothing to cancel
    pipe.write(pdu(19, b"", 3))  # orphaned: another call
    pipe.write(request(15, SHARE_ENUM[8:], 4, LAST))
    assert messages(pipe)[0][2] == 2
    pipe.write(request(15, SHARE_ENUM[:8], 5, FIRST))
    pipe.write(pdu(19, b"", 5))
    pipe.write(request(15, SHARE_ENUM[8:], 5, LAST))
    assert pipe.available == 0


def test_a_request_that_is_too_long() -> None:
    pipe = bound()
    fragment = bytes(60_000)
    flags = FIRST
    for _ in range(MAX_REQUEST // len(fragment)):
        pipe.write(request(15, fragment, 4, flags))
        flags = 0
        assert pipe.available == 0
    assert status(exchange(pipe, request(15, fragment, 4, 0))) == 5
    pipe.write(request(15, fragment, 4, LAST))
    assert pipe.available == 0
    assert exchange(pipe, request(15, SHARE_ENUM, 5))[2] == 2


def test_a_response_that_is_too_long() -> None:
    shares = [ShareInfo("x", comment="y" * 10_000)] * (MAX_RESPONSE // 20_000 + 1)
    pipe = bound(environment=replace(ENVIRONMENT, shares=lambda: shares))
    assert status(exchange(pipe, request(15, SHARE_ENUM))) == 0x1C010013


def test_unread_responses_are_bounded() -> None:
    shares = [ShareInfo(f"share {n}", comment="some words" * 10) for n in range(5000)]
    pipe = bound(environment=replace(ENVIRONMENT, shares=lambda: shares))
    with pytest.raises(NTStatusError) as raised:
        for _ in range(100):
            pipe.write(request(15, SHARE_ENUM))
            assert pipe.available < MAX_QUEUED + MAX_RESPONSE * 2
    assert raised.value.status == NTStatus.PIPE_DISCONNECTED
    assert pipe.available == 0


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        pdu(2, bytes(8))[:16],  # the header will do
        pdu(2, bytes(8)),  # a response
        pdu(12, bytes(8)),
        pdu(16, bytes(12), auth_length=4),  # rpc_auth_3, when no authentication is going on
        pdu(17, b""),
        pdu(200, b""),
        pdu(0, b"")[:8] + b"\x0f\0" + pdu(0, b"")[10:],  # shorter than its header
        pdu(11, b"", auth_length=1),  # no room for the verifier
        bytes(0x10000),
    ],
)
def test_what_disconnects(data: bytes) -> None:
    pipe = bound()
    pipe.write(request(15, SHARE_ENUM))
    for action in (
        lambda: pipe.write(data),
        lambda: pipe.write(b""),
        lambda: pipe.write(request(15, SHARE_ENUM)),
        lambda: pipe.read(100),
    ):
        with pytest.raises(NTStatusError) as raised:
            action()
        assert raised.value.status == NTStatus.PIPE_DISCONNECTED
    assert pipe.available == 0


@pytest.mark.parametrize("name", ["", "spoolss", "\\srvsvc", "srvsvc ", "PIPE\\srvsvc", "srvsvc\0"])
def test_pipes_that_there_are_not(name: str) -> None:
    with pytest.raises(NTStatusError) as raised:
        open_pipe(name, ENVIRONMENT)
    assert raised.value.status == NTStatus.OBJECT_NAME_NOT_FOUND


# Adding an interface, and context handles

TOY = Interface("toy", "00112233-4455-6677-8899-aabbccddeeff", 1, 2)


@TOY.operation(0, takes=(STRING,), gives=(CONTEXT_HANDLE, U32))
def toy_open(call: Call, text: str) -> tuple[bytes, int]:
    return call.handles.open([text]), 0


@TOY.operation(1, takes=(CONTEXT_HANDLE,), gives=(STRING, U32))
def toy_read(call: Call, handle: bytes) -> tuple[str, int]:
    return call.handles.get(handle, list)[0], 0


@TOY.operation(2, takes=(CONTEXT_HANDLE,), gives=(CONTEXT_HANDLE, U32))
def toy_close(call: Call, handle: bytes) -> tuple[bytes, int]:
    return call.handles.close(handle), 0


def test_an_interface_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PIPES, "toys", (SRVSVC, TOY))
    pipe = pipe_module.open_pipe("Toys", ENVIRONMENT)
    syntax = "33221100 5544 7766 8899 aabbccddeeff 0100{:02x}00"
    contexts = [(0, syntax.format(1), (NDR,)), (1, SRVSVC_SYNTAX, (NDR,))]
    contexts.append((2, syntax.format(3), (NDR,)))  # a minor version that we have not
    ack = exchange(pipe, pdu(11, bind_body(*contexts)))
    assert [unpack_from("<H", ack, len(ack) - 24 * n)[0] for n in (3, 2, 1)] == [0, 0, 2]
    word = bytes.fromhex("03000000 00000000 03000000 680069000000")
    opened = exchange(pipe, request(0, word))[24:]
    assert opened[20:] == bytes(4)
    assert any(opened[4:20])
    assert exchange(pipe, request(1, opened[:20]))[24:] == word + bytes(6)
    other = bytes([opened[0] ^ 1]) + opened[1:20]
    assert status(exchange(pipe, request(1, other))) == 0x1C00001A
    assert status(exchange(pipe, request(2, other))) == 0x1C00001A
    assert exchange(pipe, request(2, opened[:20]))[24:] == bytes(24)
    assert status(exchange(pipe, request(1, opened[:20]))) == 0x1C00001A
    assert exchange(pipe, request(21, SERVER_INFO, context=1))[2] == 2


def test_handles_are_typed_and_bounded() -> None:
    handles = Call(ENVIRONMENT).handles
    handle = handles.open("text")
    assert handles.get(handle, str) == "text"
    with pytest.raises(RpcFault) as raised:
        handles.get(handle, int)
    assert raised.value.status == 0x1C00001A
    for number in range(MAX_HANDLES - 1):
        handles.open(number)
    with pytest.raises(RpcFault) as raised:
        handles.open(0)
    assert raised.value.status == 5


def test_an_opnum_is_taken_once() -> None:
    with pytest.raises(ValueError, match="already"):
        TOY.operation(0, takes=(), gives=())(lambda call: ())


# Whatever comes


def drained(pipe: Pipe, data: bytes) -> None:
    """Write, then read all: nothing but NTStatusError, and answers are PDUs."""
    outcome = NTStatus.SUCCESS
    try:
        pipe.write(data)
    except NTStatusError as error:
        outcome = error.status
    if outcome != NTStatus.SUCCESS:
        assert outcome == NTStatus.PIPE_DISCONNECTED
        assert pipe.available == 0
        return
    assert pipe.available <= 64 * len(data) + 0x10000
    for message in messages(pipe):
        assert message[2] in (2, 3, 12, 13, 15)
        assert unpack_from("<H", message, 8)[0] == len(message)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.binary(max_size=100), max_size=4))
def test_arbitrary_writes(writes: list[bytes]) -> None:
    pipe = open_pipe("srvsvc", ENVIRONMENT)
    for data in writes:
        drained(pipe, data)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([0, 11, 14, 18, 19]),
    st.integers(0, 255),
    st.binary(max_size=120),
    st.integers(0, 3),
)
def test_arbitrary_bodies(ptype: int, flags: int, body: bytes, call_id: int) -> None:
    pipe = bound()
    drained(pipe, pdu(ptype, body, call_id, flags))
    drained(pipe, request(15, SHARE_ENUM, 4))


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 21, 28, 36]),
    st.lists(
        st.sampled_from(
            [pack("<I", n) for n in (0, 1, 2, 3, 10, 100, 501, 502, 0x20000, 0xFFFFFFFF)]
            + [bytes.fromhex("02000000 00000000 02000000 78000000")]
        )
        | st.binary(max_size=6),
        max_size=16,
    ),
    st.booleans(),
)
def test_arbitrary_stub_data(opnum: int, words: list[bytes], administrator: bool) -> None:
    pipe = bound(environment=replace(ENVIRONMENT, administrator=administrator))
    pipe.write(request(opnum, b"".join(words)))
    answer = messages(pipe)[0]
    assert answer[2] == 2 or status(answer) == BAD_STUB


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_mutated_conversation(data: st.DataObject) -> None:
    conversation = bytearray(
        pdu(11, bind_body(PLAIN, (1, SRVSVC_SYNTAX, (NDR64,))))
        + request(15, SHARE_ENUM[:12], 2, FIRST)
        + request(15, SHARE_ENUM[12:], 2, LAST)
        + request(21, SERVER_INFO, 3)
    )
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(conversation) - 1))
        conversation[position] = data.draw(st.integers(0, 255))
    drained(open_pipe("srvsvc", ENVIRONMENT), bytes(conversation))
