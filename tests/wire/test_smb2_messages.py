"""Every body against bytes written by hand from [MS-SMB2] 2.2, both ways, and every way to cut or
bend it."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from paraph.errors import DecodeError
from paraph.wire.smb2.change_notify import (
    ChangeNotifyFlags,
    ChangeNotifyRequest,
    ChangeNotifyResponse,
    CompletionFilter,
)
from paraph.wire.smb2.close import CloseFlags, CloseRequest, CloseResponse
from paraph.wire.smb2.create import (
    AccessMask,
    CreateAction,
    CreateContext,
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)
from paraph.wire.smb2.error import ErrorContext, ErrorId, ErrorResponse
from paraph.wire.smb2.info import (
    InfoType,
    QueryInfoRequest,
    QueryInfoResponse,
    SecurityInformation,
    SetInfoRequest,
    SetInfoResponse,
)
from paraph.wire.smb2.io import (
    Channel,
    FlushRequest,
    ReadFlags,
    ReadRequest,
    ReadResponse,
    WriteFlags,
    WriteRequest,
    WriteResponse,
)
from paraph.wire.smb2.ioctl import IoctlRequest, IoctlResponse
from paraph.wire.smb2.lock import LockElement, LockFlags, LockRequest
from paraph.wire.smb2.negotiate import (
    Capabilities,
    ContextType,
    Dialect,
    NegotiateContext,
    NegotiateRequest,
    NegotiateResponse,
    SecurityMode,
)
from paraph.wire.smb2.notification import ServerToClientNotification
from paraph.wire.smb2.oplock import (
    LeaseBreakAcknowledgment,
    LeaseBreakFlags,
    LeaseBreakNotification,
    LeaseBreakResponse,
    OplockBreakAcknowledgment,
    OplockBreakNotification,
    OplockBreakResponse,
    decode_acknowledgment,
    decode_notification,
    decode_response,
)
from paraph.wire.smb2.query_directory import (
    QueryDirectoryFlags,
    QueryDirectoryRequest,
    QueryDirectoryResponse,
)
from paraph.wire.smb2.session import (
    SessionFlags,
    SessionSetupFlags,
    SessionSetupRequest,
    SessionSetupResponse,
)
from paraph.wire.smb2.simple import (
    OUTPUT_BUFFER_FIXED,
    CancelRequest,
    EchoRequest,
    EchoResponse,
    FlushResponse,
    LockResponse,
    LogoffRequest,
    LogoffResponse,
    TreeDisconnectRequest,
    TreeDisconnectResponse,
)
from paraph.wire.smb2.tree import (
    ShareCapabilities,
    ShareFlags,
    ShareType,
    TreeConnectFlags,
    TreeConnectRequest,
    TreeConnectResponse,
)

HEADER = bytes(64)
GUID = bytes(range(16))
GUID_HEX = "000102030405060708090a0b0c0d0e0f"
P, V = 0x0807060504030201, 0x1817161514131211
IDS: dict[str, Any] = {"persistent_id": P, "volatile_id": V}
ID_HEX = "0102030405060708 1112131415161718"
TIMES: dict[str, Any] = {
    "creation_time": 0x01D0_0000_0000_0001,
    "last_access_time": 0x01D0_0000_0000_0002,
    "last_write_time": 0x01D0_0000_0000_0003,
    "change_time": 0x01D0_0000_0000_0004,
}
TIMES_HEX = "010000000000d001 020000000000d001 030000000000d001 040000000000d001"
EMPTY = "0400 0000"

# (record, body in hex, bytes of the body that suffice if not all)
ROWS: list[tuple[Any, str, int | None]] = [
    (LogoffRequest(), EMPTY, None),
    (LogoffResponse(), EMPTY, None),
    (TreeDisconnectRequest(), EMPTY, None),
    (TreeDisconnectResponse(), EMPTY, None),
    (FlushResponse(), EMPTY, None),
    (LockResponse(), EMPTY, None),
    (EchoRequest(), EMPTY, None),
    (EchoResponse(), EMPTY, None),
    (CancelRequest(), EMPTY, None),
    # 2.2.2: the byte of ErrorData is there even when ByteCount is 0
    (ErrorResponse(), "0900 00 00 00000000 00", 8),
    (ErrorResponse(b"\x10\x00\x00\x00"), "0900 00 00 04000000 10000000", None),
    (
        ErrorResponse.of_contexts(
            [ErrorContext(ErrorId.DEFAULT, b"abc"), ErrorContext(ErrorId.SHARE_REDIRECT, b"\x01")]
        ),
        "0900 02 00 19000000 03000000 00000000 616263 0000000000 01000000 53526472 01",
        None,
    ),
    # 2.2.3: the request of section 4.10 (multichannel)
    (
        NegotiateRequest(
            SecurityMode.SIGNING_ENABLED,
            0x7F,
            GUID,
            [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0],
        ),
        f"2400 0300 0100 0000 7f000000 {GUID_HEX} 0000000000000000 0202 1002 0003",
        None,
    ),
    (
        NegotiateRequest(
            SecurityMode.SIGNING_REQUIRED,
            Capabilities.DFS | Capabilities.LEASING,
            GUID,
            [Dialect.SMB_3_0_2, Dialect.SMB_3_1_1],
            [
                NegotiateContext(ContextType.SIGNING_CAPABILITIES, bytes.fromhex("01000200")),
                NegotiateContext(ContextType.NETNAME_NEGOTIATE_CONTEXT_ID, b"a\0"),
            ],
        ),
        # the dialects end at 104, a multiple of 8
        f"2400 0200 0200 0000 03000000 {GUID_HEX} 68000000 0200 0000 0203 1103"
        "0800 0400 00000000 01000200 00000000 0500 0200 00000000 6100",
        None,
    ),
    (
        NegotiateRequest(0, 0, GUID, [Dialect.SMB_3_1_1], [NegotiateContext(1, b"\x01")]),
        f"2400 0100 0000 0000 00000000 {GUID_HEX} 68000000 0100 0000 1103 0000"
        "0100 0100 00000000 01",
        None,
    ),
    (
        NegotiateResponse(
            SecurityMode.SIGNING_ENABLED | SecurityMode.SIGNING_REQUIRED,
            Dialect.SMB_2_1,
            GUID,
            Capabilities.LARGE_MTU,
            0x100000,
            0x200000,
            0x300000,
            0x01D0_0000_0000_0001,
            0x01D0_0000_0000_0002,
            b"token",
        ),
        f"4100 0300 1002 0000 {GUID_HEX} 04000000 00001000 00002000 00003000"
        "010000000000d001 020000000000d001 8000 0500 00000000 746f6b656e",
        None,
    ),
    (
        NegotiateResponse(
            1,
            Dialect.SMB_3_1_1,
            GUID,
            security_buffer=b"token",
            negotiate_contexts=[NegotiateContext(2, b"\x01\0\x02\0"), NegotiateContext(3)],
        ),
        f"4100 0100 1103 0200 {GUID_HEX} 00000000 00000000 00000000 00000000"
        "0000000000000000 0000000000000000 8000 0500 88000000 746f6b656e 000000"
        "0200 0400 00000000 01000200 00000000 0300 0000 00000000",
        None,
    ),
    (
        SessionSetupRequest(
            SessionSetupFlags.BINDING,
            SecurityMode.SIGNING_REQUIRED,
            Capabilities.DFS,
            0x1122334455667788,
            b"spnego",
        ),
        "1900 01 02 01000000 00000000 5800 0600 8877665544332211 73706e65676f",
        None,
    ),
    (
        SessionSetupRequest(),
        "1900 00 00 00000000 00000000 5800 0000 0000000000000000 00",
        24,
    ),
    (
        SessionSetupResponse(SessionFlags.IS_GUEST | SessionFlags.ENCRYPT_DATA, b"tok"),
        "0900 0500 4800 0300 746f6b",
        None,
    ),
    (SessionSetupResponse(), "0900 0000 4800 0000", None),
    (
        TreeConnectRequest(TreeConnectFlags.REDIRECT_TO_OWNER, "\\\\s\\é"),
        "0900 0200 4800 0a00 5c00 5c00 7300 5c00 e900",
        None,
    ),
    (
        TreeConnectResponse(
            ShareType.PIPE,
            ShareFlags.NO_CACHING | ShareFlags.ENCRYPT_DATA,
            ShareCapabilities.DFS,
            AccessMask.FILE_ALL_ACCESS,
        ),
        "1000 02 00 30800000 08000000 ff011f00",
        None,
    ),
    (
        CreateRequest(
            OplockLevel.BATCH,
            ImpersonationLevel.IMPERSONATION,
            AccessMask.GENERIC_READ | AccessMask.DELETE,
            0x80,
            ShareAccess.READ | ShareAccess.DELETE,
            CreateDisposition.OPEN_IF,
            CreateOptions.NON_DIRECTORY_FILE,
            "a\\b",
            [CreateContext(b"MxAc"), CreateContext(b"AlSi", b"\x00\x10\0\0\0\0\0\0")],
        ),
        "3900 00 09 02000000 0000000000000000 0000000000000000 00000180 80000000 05000000"
        "03000000 40000000 7800 0600 80000000 38000000"
        "6100 5c00 6200 0000"
        "18000000 1000 0400 0000 0000 00000000 4d784163 00000000"
        "00000000 1000 0400 0000 1800 08000000 416c5369 00000000 0010000000000000",
        None,
    ),
    (
        CreateRequest(name=""),
        "3900 00 00 02000000 0000000000000000 0000000000000000 00000000 00000000 00000000"
        "01000000 00000000 7800 0000 00000000 00000000 00",
        56,
    ),
    (
        CreateResponse(
            OplockLevel.LEASE,
            0,
            CreateAction.CREATED,
            **TIMES,
            allocation_size=0x1000,
            end_of_file=0x800,
            file_attributes=0x20,
            **IDS,
            create_contexts=[CreateContext(b"MxAc", bytes.fromhex("00000000ff011f00"))],
        ),
        f"5900 ff 00 02000000 {TIMES_HEX} 0010000000000000 0008000000000000 20000000 00000000"
        f"{ID_HEX} 98000000 20000000"
        "00000000 1000 0400 0000 1800 08000000 4d784163 00000000 00000000 ff011f00",
        None,
    ),
    (
        CreateResponse(**IDS),
        "5900 00 00 01000000" + "00" * 56 + f"{ID_HEX} 00000000 00000000",
        None,
    ),
    (CloseRequest(CloseFlags.POSTQUERY_ATTRIB, **IDS), f"1800 0100 00000000 {ID_HEX}", None),
    (
        CloseResponse(
            CloseFlags.POSTQUERY_ATTRIB,
            **TIMES,
            allocation_size=0x1000,
            end_of_file=0x800,
            file_attributes=0x20,
        ),
        f"3c00 0100 00000000 {TIMES_HEX} 0010000000000000 0008000000000000 20000000",
        None,
    ),
    (FlushRequest(**IDS), f"1800 0000 00000000 {ID_HEX}", None),
    (
        ReadRequest(
            0x50,
            ReadFlags.READ_UNBUFFERED,
            0x10000,
            0x1_0000_0000,
            **IDS,
            minimum_count=1,
            remaining_bytes=2,
        ),
        f"3100 50 01 00000100 0000000001000000 {ID_HEX} 01000000 00000000 02000000 0000 0000 00",
        48,
    ),
    (
        ReadRequest(
            **IDS, channel=Channel.RDMA_V1, remaining_bytes=8, read_channel_info=b"descript"
        ),
        f"3100 50 00 00000000 0000000000000000 {ID_HEX} 00000000 01000000 08000000 7000 0800"
        "6465736372697074",
        None,
    ),
    (ReadResponse(0, 0, b"data"), "1100 50 00 04000000 00000000 00000000 64617461", None),
    (ReadResponse(8, 1), "1100 50 00 00000000 08000000 01000000", None),
    (
        WriteRequest(0x1_0000_0000, **IDS, flags=WriteFlags.WRITE_THROUGH, data=b"data"),
        f"3100 7000 04000000 0000000001000000 {ID_HEX} 00000000 00000000 0000 0000 01000000"
        "64617461",
        None,
    ),
    (
        WriteRequest(**IDS),
        f"3100 7000 00000000 0000000000000000 {ID_HEX} 00000000 00000000 0000 0000 00000000 00",
        48,
    ),
    (
        WriteRequest(
            **IDS, channel=Channel.RDMA_V1, remaining_bytes=8, write_channel_info=b"descript"
        ),
        f"3100 0000 00000000 0000000000000000 {ID_HEX} 01000000 08000000 7000 0800 00000000"
        "6465736372697074",
        None,
    ),
    (WriteResponse(0x10000), "1100 0000 00000100 00000000 0000 0000", None),
    (
        LockRequest(
            0x0000_0123,
            **IDS,
            locks=[
                LockElement(1, 2, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY),
                LockElement(1 << 63, 0, LockFlags.UNLOCK),
            ],
        ),
        f"3000 0200 23010000 {ID_HEX} 0100000000000000 0200000000000000 12000000 00000000"
        "0000000000000080 0000000000000000 04000000 00000000",
        None,
    ),
    (LockRequest(**IDS), f"3000 0000 00000000 {ID_HEX}", None),
    # 2.2.31: the request of section 4.10
    (
        IoctlRequest(
            0x00140204, (1 << 64) - 1, (1 << 64) - 1, max_output_response=24, input_buffer=b"in"
        ),
        "3900 0000 04021400" + "ff" * 16 + "78000000 02000000 00000000 78000000 00000000 18000000"
        "01000000 00000000 696e",
        None,
    ),
    (
        IoctlRequest(0x0011400C, **IDS),
        f"3900 0000 0c401100 {ID_HEX} 78000000 00000000 00000000 78000000 00000000 00000000"
        "01000000 00000000 00",
        56,
    ),
    (
        IoctlResponse(0x0011400C, **IDS, output_buffer=b"out"),
        f"3100 0000 0c401100 {ID_HEX} 70000000 00000000 70000000 03000000 00000000 00000000 6f7574",
        None,
    ),
    (
        IoctlResponse(0x0011400C, **IDS, output_buffer=b"out", input_buffer=b"in"),
        f"3100 0000 0c401100 {ID_HEX} 70000000 02000000 78000000 03000000 00000000 00000000"
        "696e 000000000000 6f7574",
        None,
    ),
    (
        QueryDirectoryRequest(
            0x25,
            QueryDirectoryFlags.RESTART_SCANS,
            7,
            **IDS,
            output_buffer_length=0x10000,
            file_name="*",
        ),
        f"2100 25 01 07000000 {ID_HEX} 6000 0200 00000100 2a00",
        None,
    ),
    (
        QueryDirectoryRequest(1, **IDS),
        f"2100 01 00 00000000 {ID_HEX} 0000 0000 00000000 00",
        32,
    ),
    (QueryDirectoryResponse(b"list"), "0900 4800 04000000 6c697374", None),
    (
        ChangeNotifyRequest(
            ChangeNotifyFlags.WATCH_TREE, 0x1000, **IDS, completion_filter=CompletionFilter.SIZE
        ),
        f"2000 0100 00100000 {ID_HEX} 08000000 00000000",
        None,
    ),
    (ChangeNotifyResponse(), "0900 4800 00000000", None),
    (
        QueryInfoRequest(
            InfoType.SECURITY,
            0,
            0x400,
            SecurityInformation.OWNER | SecurityInformation.DACL,
            0,
            **IDS,
        ),
        f"2900 03 00 00040000 0000 0000 00000000 05000000 00000000 {ID_HEX} 00",
        40,
    ),
    (
        QueryInfoRequest(InfoType.FILE, 15, 0x400, 0, 3, **IDS, input_buffer=b"list"),
        f"2900 01 0f 00040000 6800 0000 04000000 00000000 03000000 {ID_HEX} 6c697374",
        None,
    ),
    (QueryInfoResponse(b"info"), "0900 4800 04000000 696e666f", None),
    (
        SetInfoRequest(InfoType.FILE, 20, 0, **IDS, buffer=bytes(8)),
        f"2100 01 14 08000000 6000 0000 00000000 {ID_HEX} 0000000000000000",
        None,
    ),
    (SetInfoResponse(), "0200", None),
    (OplockBreakNotification(OplockLevel.II, **IDS), f"1800 01 00 00000000 {ID_HEX}", None),
    (OplockBreakAcknowledgment(OplockLevel.NONE, **IDS), f"1800 00 00 00000000 {ID_HEX}", None),
    (OplockBreakResponse(OplockLevel.EXCLUSIVE, **IDS), f"1800 08 00 00000000 {ID_HEX}", None),
    (
        LeaseBreakNotification(5, LeaseBreakFlags.ACK_REQUIRED, GUID, 7, 1),
        f"2c00 0500 01000000 {GUID_HEX} 07000000 01000000 00000000 00000000 00000000",
        None,
    ),
    (
        LeaseBreakAcknowledgment(GUID, 3),
        f"2400 0000 00000000 {GUID_HEX} 03000000 0000000000000000",
        None,
    ),
    (
        LeaseBreakResponse(GUID, 3),
        f"2400 0000 00000000 {GUID_HEX} 03000000 0000000000000000",
        None,
    ),
    (ServerToClientNotification(), "0c00 0000 00000000 00000000", 8),
]
NAMES = [f"{type(row[0]).__name__}-{number}" for number, row in enumerate(ROWS)]
by_row = pytest.mark.parametrize(("record", "text", "enough"), ROWS, ids=NAMES)


def decode(kind: Any, body: bytes) -> Any:
    return kind.decode(memoryview(HEADER + body))


@by_row
def test_encode(record: Any, text: str, enough: int | None) -> None:
    assert record.encode().hex() == bytes.fromhex(text).hex()


@by_row
def test_decode(record: Any, text: str, enough: int | None) -> None:
    assert decode(type(record), bytes.fromhex(text)) == record


@by_row
def test_truncated_at_every_length(record: Any, text: str, enough: int | None) -> None:
    body = bytes.fromhex(text)
    if enough is None:
        enough = len(body)
    for length in range(-64, enough):
        with pytest.raises(DecodeError):
            type(record).decode(memoryview((HEADER + body)[: 64 + length]))
    if not isinstance(record, ServerToClientNotification):
        for length in range(enough, len(body) + 1):
            assert decode(type(record), body[:length]) == record


@by_row
def test_wrong_structure_size(record: Any, text: str, enough: int | None) -> None:
    body = bytearray.fromhex(text)
    body[0] ^= 0x80
    if isinstance(record, ServerToClientNotification):
        assert decode(type(record), bytes(body)) == record
    else:
        with pytest.raises(DecodeError):
            decode(type(record), bytes(body))


@by_row
def test_bytes_behind_the_message_are_ignored(record: Any, text: str, enough: int | None) -> None:
    """The padding of a compound ends up there."""
    if not isinstance(record, ServerToClientNotification):
        assert decode(type(record), bytes.fromhex(text) + bytes(7)) == record


# (record, where in the body its offset and length fields are, as struct formats)
BUFFERS: list[tuple[Any, int, str, int, str]] = [
    (NegotiateResponse(security_buffer=b"token"), 56, "<H", 58, "<H"),
    (SessionSetupRequest(security_buffer=b"token"), 12, "<H", 14, "<H"),
    (SessionSetupResponse(security_buffer=b"token"), 4, "<H", 6, "<H"),
    (TreeConnectRequest(path="\\\\a\\b"), 4, "<H", 6, "<H"),
    (CreateRequest(name="name"), 44, "<H", 46, "<H"),
    (CreateRequest(create_contexts=[CreateContext(b"MxAc")]), 48, "<I", 52, "<I"),
    (CreateResponse(create_contexts=[CreateContext(b"MxAc")]), 80, "<I", 84, "<I"),
    (ReadRequest(channel=1, read_channel_info=b"info"), 44, "<H", 46, "<H"),
    (ReadResponse(data=b"data"), 2, "<B", 4, "<I"),
    (WriteRequest(data=b"data"), 2, "<H", 4, "<I"),
    (WriteRequest(channel=1, write_channel_info=b"info"), 40, "<H", 42, "<H"),
    (IoctlRequest(input_buffer=b"data"), 24, "<I", 28, "<I"),
    (IoctlResponse(output_buffer=b"data"), 32, "<I", 36, "<I"),
    (IoctlResponse(input_buffer=b"datadata"), 24, "<I", 28, "<I"),
    (QueryDirectoryRequest(file_name="**"), 24, "<H", 26, "<H"),
    (QueryDirectoryResponse(b"data"), 2, "<H", 4, "<I"),
    (ChangeNotifyResponse(b"data"), 2, "<H", 4, "<I"),
    (QueryInfoRequest(input_buffer=b"data"), 8, "<H", 12, "<I"),
    (QueryInfoResponse(b"data"), 2, "<H", 4, "<I"),
    (SetInfoRequest(buffer=b"data"), 8, "<H", 4, "<I"),
]


@pytest.mark.parametrize(
    ("record", "offset_at", "offset_as", "length_at", "length_as"),
    BUFFERS,
    ids=[f"{type(row[0]).__name__}-{number}" for number, row in enumerate(BUFFERS)],
)
def test_buffers_stay_within_the_message(
    record: Any, offset_at: int, offset_as: str, length_at: int, length_as: str
) -> None:
    good = record.encode()
    (offset,) = struct.unpack_from(offset_as, good, offset_at)
    (length,) = struct.unpack_from(length_as, good, length_at)
    for field, layout, value in [
        (offset_at, offset_as, offset - 1),  # into the fixed part
        (offset_at, offset_as, 0),
        (offset_at, offset_as, 64),
        (offset_at, offset_as, offset + 2),
        (offset_at, offset_as, (1 << 8 * struct.calcsize(offset_as)) - 1),
        (length_at, length_as, length + 2),
        (length_at, length_as, (1 << 8 * struct.calcsize(length_as)) - 1),
    ]:
        bad = bytearray(good)
        struct.pack_into(layout, bad, field, value)
        with pytest.raises(DecodeError):
            decode(type(record), bytes(bad))


@pytest.mark.parametrize(
    ("kind", "offset_at", "offset_as"),
    [(type(row[0]), row[1], row[2]) for row in BUFFERS],
)
def test_offset_of_an_empty_buffer_is_ignored(kind: Any, offset_at: int, offset_as: str) -> None:
    body = bytearray(kind().encode())
    if kind is WriteRequest:  # 3.3.5.13 limits DataOffset even then
        return
    struct.pack_into(offset_as, body, offset_at, (1 << 8 * struct.calcsize(offset_as)) - 1)
    assert decode(kind, bytes(body)) == kind()


def test_channel_info_is_ignored_without_a_channel() -> None:
    read = bytearray(ReadRequest().encode())
    read[44:48] = b"\xff\xff\xff\xff"
    assert decode(ReadRequest, bytes(read)) == ReadRequest()
    write = bytearray(WriteRequest(data=b"x").encode())
    write[40:44] = b"\xff\xff\xff\xff"
    assert decode(WriteRequest, bytes(write)) == WriteRequest(data=b"x")


def test_write_data_begins_at_0x100_at_the_latest() -> None:
    body = bytearray(WriteRequest().encode() + bytes(256))
    struct.pack_into("<HI", body, 2, 0x100, 1)
    assert decode(WriteRequest, bytes(body)).data == b"\0"
    struct.pack_into("<HI", body, 2, 0x101, 1)
    with pytest.raises(DecodeError):
        decode(WriteRequest, bytes(body))


def test_write_data_is_a_view_of_the_message() -> None:
    message = bytearray(HEADER + WriteRequest(data=b"data").encode())
    request = WriteRequest.decode(memoryview(message))
    message[-1] = 0x21
    assert request.data == b"dat!"


def test_read_response_pack_into_is_encode_without_data() -> None:
    buffer = bytearray(b"\xaa" * 40)
    ReadResponse.pack_into(buffer, 4, 4, 9)
    assert buffer[4:20] == ReadResponse(9, 0, b"data").encode()[:16]
    assert buffer[:4] == b"\xaa" * 4
    assert buffer[20:] == b"\xaa" * 20


@pytest.mark.parametrize("kind", [QueryDirectoryResponse, ChangeNotifyResponse, QueryInfoResponse])
def test_output_buffer_pack_into_is_encode_without_data(kind: Any) -> None:
    buffer = bytearray(b"\xaa" * 20)
    kind.pack_into(buffer, 4, 4)
    assert buffer == b"\xaa" * 4 + kind(b"data").encode()[:OUTPUT_BUFFER_FIXED] + b"\xaa" * 8


def test_ioctl_input_is_aligned() -> None:
    body = bytearray(IoctlRequest(input_buffer=b"data").encode() + bytes(8))
    struct.pack_into("<I", body, 24, 124)
    with pytest.raises(DecodeError):
        decode(IoctlRequest, bytes(body))
    struct.pack_into("<I", body, 24, 128)
    assert decode(IoctlRequest, bytes(body)).input_buffer == bytes(4)


def test_ioctl_output_of_a_request_is_ignored() -> None:
    body = bytearray(IoctlRequest(**IDS).encode())
    struct.pack_into("<II", body, 36, 0xFFFFFFFF, 0xFFFFFFFF)
    assert decode(IoctlRequest, bytes(body)).output_count == 0xFFFFFFFF


def test_lock_sequence_halves() -> None:
    request = LockRequest(lock_sequence=0x0000_0405)
    assert (request.lock_sequence_number, request.lock_sequence_index) == (5, 0x40)


@pytest.mark.parametrize(
    ("record", "decoder"),
    [
        (OplockBreakNotification(1, **IDS), decode_notification),
        (LeaseBreakNotification(1, 1, GUID, 7, 3), decode_notification),
        (OplockBreakAcknowledgment(1, **IDS), decode_acknowledgment),
        (LeaseBreakAcknowledgment(GUID, 3), decode_acknowledgment),
        (OplockBreakResponse(1, **IDS), decode_response),
        (LeaseBreakResponse(GUID, 3), decode_response),
    ],
)
def test_structure_size_tells_lease_from_oplock(record: Any, decoder: Any) -> None:
    decoded = decoder(memoryview(HEADER + record.encode()))
    assert type(decoded) is type(record)
    assert decoded == record
    for length in range(64 + len(record.encode())):
        with pytest.raises(DecodeError):
            decoder(memoryview((HEADER + record.encode())[:length]))


@pytest.mark.parametrize(
    ("record", "at"),
    [
        (CreateRequest(name="ab"), 46),
        (TreeConnectRequest(path="ab"), 6),
        (QueryDirectoryRequest(file_name="ab"), 26),
    ],
)
def test_strings_of_odd_length_are_refused(record: Any, at: int) -> None:
    body = bytearray(record.encode())
    struct.pack_into("<H", body, at, 3)
    with pytest.raises(DecodeError):
        decode(type(record), bytes(body))


def test_lone_surrogate_survives() -> None:
    request = CreateRequest(name="a\ud800b")
    assert decode(CreateRequest, request.encode()).name == "a\ud800b"


def test_generic_rights_are_the_sum_of_the_table() -> None:
    """2.2.13.1.1."""
    m = AccessMask
    common = m.SYNCHRONIZE | m.READ_CONTROL | m.FILE_READ_ATTRIBUTES
    assert common | m.FILE_READ_DATA | m.FILE_READ_EA == m.FILE_GENERIC_READ
    assert common | m.FILE_EXECUTE == m.FILE_GENERIC_EXECUTE
    assert m.FILE_GENERIC_WRITE == (
        m.FILE_WRITE_DATA
        | m.FILE_APPEND_DATA
        | m.FILE_WRITE_ATTRIBUTES
        | m.FILE_WRITE_EA
        | m.SYNCHRONIZE
        | m.READ_CONTROL
    )
    everything = (
        m.FILE_GENERIC_READ | m.FILE_GENERIC_WRITE | m.FILE_GENERIC_EXECUTE | m.FILE_DELETE_CHILD
    )
    assert everything | m.DELETE | m.WRITE_DAC | m.WRITE_OWNER == m.FILE_ALL_ACCESS


def test_tree_connect_with_extension() -> None:
    """2.2.9.1: the extension stands first in the buffer, the path behind it."""
    path = "\\\\s\\share".encode("utf-16-le")
    body = bytes.fromhex("0900 0400 5800 1200 2c000000 0100") + bytes(10) + path
    request = decode(TreeConnectRequest, body)
    assert request == TreeConnectRequest(TreeConnectFlags.EXTENSION_PRESENT, "\\\\s\\share")
