"""Negotiate contexts, create contexts and error data: [MS-SMB2] 2.2.3.1, 2.2.13.2, 2.2.2.2."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from paraph.errors import DecodeError
from paraph.wire.smb2 import create, negotiate
from paraph.wire.smb2.create import CreateContext, decode_contexts, encode_contexts
from paraph.wire.smb2.create_contexts import (
    AllocationSize,
    AppInstanceId,
    AppInstanceVersion,
    ContextName,
    DurableHandleFlags,
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
    DurableHandleResponse,
    DurableHandleResponseV2,
    Lease,
    LeaseFlags,
    LeaseState,
    MaximalAccessRequest,
    MaximalAccessResponse,
    OnDiskIdResponse,
    TimewarpToken,
)
from paraph.wire.smb2.error import (
    ErrorContext,
    ErrorResponse,
    ShareRedirectError,
    SymbolicLinkError,
    SymlinkFlags,
)
from paraph.wire.smb2.info import QueryQuotaInfo
from paraph.wire.smb2.negotiate import Dialect, NegotiateContext, NegotiateRequest
from paraph.wire.smb2.negotiate_contexts import (
    Cipher,
    CompressionAlgorithm,
    CompressionCapabilities,
    CompressionFlags,
    EncryptionCapabilities,
    HashAlgorithm,
    NetnameNegotiateContextId,
    PreauthIntegrityCapabilities,
    RdmaTransform,
    RdmaTransformCapabilities,
    SigningAlgorithm,
    SigningCapabilities,
    TransportCapabilities,
    TransportFlags,
)

KEY, PARENT = bytes(range(16)), bytes(range(16, 32))
KEY_HEX, PARENT_HEX = KEY.hex(), PARENT.hex()

# (record, hex); every shorter string of bytes is refused
COUNTED: list[tuple[Any, str]] = [
    (
        PreauthIntegrityCapabilities([HashAlgorithm.SHA_512], b"salt"),
        "0100 0400 0100 73616c74",
    ),
    (
        EncryptionCapabilities([Cipher.AES_256_GCM, Cipher.AES_128_CCM]),
        "0200 0400 0100",
    ),
    (
        CompressionCapabilities(
            CompressionFlags.CHAINED, [CompressionAlgorithm.LZ77, CompressionAlgorithm.PATTERN_V1]
        ),
        "0200 0000 01000000 0200 0400",
    ),
    (TransportCapabilities(TransportFlags.ACCEPT_TRANSPORT_LEVEL_SECURITY), "01000000"),
    (
        RdmaTransformCapabilities([RdmaTransform.ENCRYPTION, RdmaTransform.SIGNING]),
        "0200 0000 00000000 0100 0200",
    ),
    (
        SigningCapabilities([SigningAlgorithm.AES_GMAC, SigningAlgorithm.AES_CMAC]),
        "0200 0200 0100",
    ),
    (SigningCapabilities(), "0000"),
    # 2.2.37.1
    (
        QueryQuotaInfo(True, False, 4, 0, 0, b"list"),
        "01 00 0000 04000000 00000000 00000000 6c697374",
    ),
    (QueryQuotaInfo(False, True, 0, 2, 1, b"xab"), "00 01 0000 00000000 02000000 01000000 786162"),
]
# (record, hex); every other length is refused
EXACT: list[tuple[Any, str]] = [
    (MaximalAccessRequest(0x01D0_0000_0000_0001), "010000000000d001"),
    (MaximalAccessResponse(0, 0x001F01FF), "00000000 ff011f00"),
    (OnDiskIdResponse(0x11, 0x22), "1100000000000000 2200000000000000" + "00" * 16),
    (AllocationSize(0x1000), "0010000000000000"),
    (TimewarpToken(0x01D0_0000_0000_0001), "010000000000d001"),
    (DurableHandleRequest(), "00" * 16),
    (DurableHandleResponse(), "00" * 8),
    (DurableHandleReconnect(0x11, 0x22), "1100000000000000 2200000000000000"),
    (
        DurableHandleRequestV2(60000, DurableHandleFlags.PERSISTENT, KEY),
        f"60ea0000 02000000 0000000000000000 {KEY_HEX}",
    ),
    (DurableHandleResponseV2(60000, DurableHandleFlags.PERSISTENT), "60ea0000 02000000"),
    (
        DurableHandleReconnectV2(0x11, 0x22, KEY, DurableHandleFlags.PERSISTENT),
        f"1100000000000000 2200000000000000 {KEY_HEX} 02000000",
    ),
    (
        Lease(KEY, LeaseState.READ_CACHING, LeaseFlags.BREAK_IN_PROGRESS, version=1),
        f"{KEY_HEX} 01000000 02000000 0000000000000000",
    ),
    (
        Lease(KEY, 7, LeaseFlags.PARENT_LEASE_KEY_SET, PARENT, 9),
        f"{KEY_HEX} 07000000 04000000 0000000000000000 {PARENT_HEX} 0900 0000",
    ),
    (AppInstanceId(KEY), f"1400 0000 {KEY_HEX}"),
    (AppInstanceVersion(1, 2), "1800 0000 00000000 0100000000000000 0200000000000000"),
]


@pytest.mark.parametrize(("record", "text"), COUNTED + EXACT)
def test_data_both_ways(record: Any, text: str) -> None:
    data = bytes.fromhex(text)
    assert record.encode().hex() == data.hex()
    assert type(record).decode(memoryview(data)) == record


@pytest.mark.parametrize(("record", "text"), COUNTED)
def test_short_data_is_refused(record: Any, text: str) -> None:
    data = bytes.fromhex(text)
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            type(record).decode(memoryview(data[:length]))


@pytest.mark.parametrize(("record", "text"), EXACT)
def test_other_lengths_are_refused(record: Any, text: str) -> None:
    data = bytes.fromhex(text) + bytes(20)
    size = len(data) - 20
    legal = {size, 0} if isinstance(record, MaximalAccessRequest) else {size}
    legal |= {32, 52} if isinstance(record, Lease) else set()
    for length in set(range(len(data) + 1)) - legal:
        with pytest.raises(DecodeError):
            type(record).decode(memoryview(data[:length]))


def test_maximal_access_request_may_be_empty() -> None:
    assert MaximalAccessRequest.decode(b"") == MaximalAccessRequest(None)
    assert MaximalAccessRequest().encode() == b""


@pytest.mark.parametrize("kind", [AppInstanceId, AppInstanceVersion])
def test_structure_size_inside_a_context(kind: Any) -> None:
    data = bytearray(kind().encode())
    data[0] += 1
    with pytest.raises(DecodeError):
        kind.decode(bytes(data))


def test_netname() -> None:
    assert NetnameNegotiateContextId("sérv").encode() == "sérv".encode("utf-16-le")
    assert NetnameNegotiateContextId.decode(memoryview(b"a\0")).net_name == "a"
    with pytest.raises(DecodeError):
        NetnameNegotiateContextId.decode(memoryview(b"a"))


def test_names_are_the_bytes_of_the_table() -> None:
    """2.2.13.2 gives the four-letter names as numbers in network order."""
    for name, number in [
        (ContextName.EA_BUFFER, 0x45787441),
        (ContextName.SD_BUFFER, 0x53656344),
        (ContextName.DURABLE_HANDLE_REQUEST, 0x44486E51),
        (ContextName.DURABLE_HANDLE_RECONNECT, 0x44486E43),
        (ContextName.ALLOCATION_SIZE, 0x416C5369),
        (ContextName.QUERY_MAXIMAL_ACCESS, 0x4D784163),
        (ContextName.TIMEWARP_TOKEN, 0x54577270),
        (ContextName.QUERY_ON_DISK_ID, 0x51466964),
        (ContextName.LEASE, 0x52714C73),
        (ContextName.DURABLE_HANDLE_REQUEST_V2, 0x44483251),
        (ContextName.DURABLE_HANDLE_RECONNECT_V2, 0x44483243),
    ]:
        assert name == number.to_bytes(4, "big")


# --- the chain of create contexts


def context(following: int, name_at: int, name: int, data_at: int, data: int) -> bytes:
    return struct.pack("<IHHHHI", following, name_at, name, 0, data_at, data)


def test_chain_both_ways() -> None:
    chain = [
        CreateContext(ContextName.QUERY_ON_DISK_ID),
        CreateContext(ContextName.APP_INSTANCE_ID, b"x"),
        CreateContext(ContextName.EA_BUFFER, b"yz"),
    ]
    blob = encode_contexts(chain)
    assert blob == (
        context(24, 16, 4, 0, 0)
        + b"QFid\0\0\0\0"
        + context(40, 16, 16, 32, 1)
        + ContextName.APP_INSTANCE_ID
        + b"x\0\0\0\0\0\0\0"
        + context(0, 16, 4, 24, 2)
        + b"ExtA\0\0\0\0yz"
    )
    assert decode_contexts(memoryview(blob)) == chain


def test_empty_chain() -> None:
    assert encode_contexts([]) == b""
    assert decode_contexts(memoryview(b"")) == []


@pytest.mark.parametrize(
    "blob",
    [
        context(0, 16, 4, 0, 0),  # name missing
        context(0, 16, 4, 0, 0)[:15],
        context(0, 15, 4, 0, 0) + b"MxAc",  # name in the fixed part
        context(0, 0, 4, 0, 0) + b"MxAc",
        context(0, 16, 5, 0, 0) + b"MxAc",
        context(0, 16, 3, 0, 0) + b"MxA",  # too short a name
        context(0, 16, 0, 0, 0),
        context(0, 16, 4, 24, 1) + b"MxAc\0\0\0\0",  # data missing
        context(0, 16, 4, 19, 1) + b"MxAc\0\0\0\0",  # data in the name
        context(0, 16, 4, 16, 1) + b"MxAc\0\0\0\0",
        context(0, 16, 4, 24, 0xFFFFFFFF) + b"MxAc\0\0\0\0x",
        context(8, 16, 4, 0, 0) + b"MxAc\0\0\0\0",  # Next into the same context
        context(1, 16, 4, 0, 0) + b"MxAc\0\0\0\0",
        context(25, 16, 4, 0, 0) + b"MxAc\0\0\0\0",  # Next outside
        context(0xFFFFFFFF, 16, 4, 0, 0) + b"MxAc\0\0\0\0",
        context(24, 16, 4, 24, 1) + b"MxAc\0\0\0\0" + context(0, 16, 4, 0, 0) + b"QFid",
        context(24, 16, 4, 0, 0) + b"MxAc\0\0\0\0" + context(0, 16, 4, 0, 0),
        context(24, 16, 4, 0, 0) + b"MxAc\0\0\0\0" + b"QFid",
    ],
)
def test_malformed_chain(blob: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_contexts(memoryview(blob))


def test_number_of_create_contexts_is_bounded() -> None:
    contexts = [CreateContext(b"QFid")] * 64
    assert decode_contexts(memoryview(encode_contexts(contexts))) == contexts
    with pytest.raises(DecodeError):
        decode_contexts(memoryview(encode_contexts([*contexts, CreateContext(b"QFid")])))


def test_find_create_context() -> None:
    contexts = [CreateContext(b"QFid"), CreateContext(b"RqLs", b"1"), CreateContext(b"RqLs", b"2")]
    assert create.find_context(contexts, ContextName.QUERY_ON_DISK_ID) == b""
    assert create.find_context(contexts, ContextName.LEASE) == b"1"
    assert create.find_context(contexts, ContextName.EA_BUFFER) is None


# --- the list of negotiate contexts


def request(offset: int, count: int, tail: bytes, dialect: int = Dialect.SMB_3_1_1) -> memoryview:
    body = struct.pack("<HHHHI16sIHH", 36, 1, 0, 0, 0, bytes(16), offset, count, 0)
    return memoryview(bytes(64) + body + struct.pack("<HH", dialect, 0) + tail)


ONE = bytes.fromhex("0200 0200 00000000 0100")


@pytest.mark.parametrize(
    ("offset", "count", "tail"),
    [
        (104, 2, ONE),  # the second is missing
        (104, 2, ONE + bytes(13)),
        (104, 1, ONE[:-1]),
        (104, 1, ONE[:7]),
        (104, 1, b""),
        (112, 1, ONE),
        (0, 1, ONE),  # in the header
        (64, 1, ONE),  # in the fixed part
        (96, 1, ONE),  # in the dialects
        (0xFFFFFFF8, 1, ONE),
        (104, 65, (ONE + bytes(6)) * 65),
        (104, 0xFFFF, ONE),
    ],
)
def test_malformed_negotiate_contexts(offset: int, count: int, tail: bytes) -> None:
    with pytest.raises(DecodeError):
        NegotiateRequest.decode(request(offset, count, tail))


def test_negotiate_contexts_are_read_in_3_1_1_alone() -> None:
    assert NegotiateRequest.decode(request(104, 1, ONE)).negotiate_contexts == [
        NegotiateContext(2, b"\x01\0")
    ]
    for dialect in (Dialect.SMB_2_0_2, Dialect.SMB_3_0_2):
        assert NegotiateRequest.decode(request(5, 9, b"", dialect)).negotiate_contexts == []
    assert NegotiateRequest.decode(request(0, 0, b"")).negotiate_contexts == []


def test_first_negotiate_context_out_of_line() -> None:
    message = request(108, 2, bytes(4) + ONE + bytes(6) + ONE)
    assert len(NegotiateRequest.decode(message).negotiate_contexts) == 2


def test_sixty_four_negotiate_contexts() -> None:
    message = request(104, 64, (ONE + bytes(6)) * 64)
    assert len(NegotiateRequest.decode(message).negotiate_contexts) == 64


def test_dialects_beyond_the_message() -> None:
    body = struct.pack("<HHHHI16sQ", 36, 3, 0, 0, 0, bytes(16), 0) + bytes(4)
    with pytest.raises(DecodeError):
        NegotiateRequest.decode(memoryview(bytes(64) + body))


def test_find_negotiate_context() -> None:
    contexts = [NegotiateContext(2, b"a"), NegotiateContext(2, b"b")]
    assert negotiate.find_context(contexts, 2) == b"a"
    assert negotiate.find_context(contexts, 1) is None


# --- error data


def test_symbolic_link_example() -> None:
    """The first example of 2.2.2.2.1.1."""
    link = SymbolicLinkError(
        len("\\DailyDocs\\[MS-SMB].doc") * 2,
        "\\??\\D:\\DonHall\\MiscDocuments\\PDocs",
        "D:\\DonHall\\MiscDocuments\\PDocs",
        SymlinkFlags.ABSOLUTE,
    )
    data = link.encode()
    assert data[:28] == bytes.fromhex(
        "98000000 53594d4c 0c0000a0 8c00 2e00 0000 4400 4400 3c00 00000000"
    )
    assert len(data) == 4 + 0x98
    assert data[28:].decode("utf-16-le") == link.substitute_name + link.print_name
    assert SymbolicLinkError.decode(memoryview(data)) == link


def test_symbolic_link_relative_with_names_in_the_other_order() -> None:
    head = struct.pack("<IIIHHHHHHI", 32, 0x4C4D5953, 0xA000000C, 20, 2, 4, 2, 0, 4, 1)
    data = head + "ab".encode("utf-16-le") + "c".encode("utf-16-le")
    assert SymbolicLinkError.decode(memoryview(data)) == SymbolicLinkError(2, "c", "ab", 1)


@pytest.mark.parametrize(
    ("at", "value"),
    [(4, 0), (8, 0xA), (16, 0xFFFF), (18, 0xFFFF), (20, 0xFFFF), (22, 0xFFFF), (18, 1)],
)
def test_malformed_symbolic_link(at: int, value: int) -> None:
    data = bytearray(SymbolicLinkError(0, "ab", "cd").encode())
    struct.pack_into("<H", data, at, value)
    with pytest.raises(DecodeError):
        SymbolicLinkError.decode(memoryview(data))


def test_share_redirect_both_ways() -> None:
    redirect = ShareRedirectError("s", [bytes((192, 0, 2, 1)), bytes(range(16))])
    data = bytes.fromhex(
        "30000000 03000000 48000000 02000000 0000 0000 02000000"
        "01000000 00000000 c0000201 000000000000000000000000"
        "02000000 00000000 000102030405060708090a0b0c0d0e0f"
        "7300"
    )
    assert redirect.encode() == data
    assert ShareRedirectError.decode(memoryview(data)) == redirect
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            ShareRedirectError.decode(memoryview(data[:length]))
    for at in (0, 24):  # StructureSize, Type
        bad = bytearray(data)
        bad[at] = 9
        with pytest.raises(DecodeError):
            ShareRedirectError.decode(memoryview(bad))


def test_error_contexts_both_ways() -> None:
    contexts = [ErrorContext(0, b"abc"), ErrorContext(1), ErrorContext(2, b"de")]
    response = ErrorResponse.of_contexts(contexts)
    assert response.error_context_count == 3
    assert response.contexts() == contexts
    for length in range(len(response.error_data)):
        with pytest.raises(DecodeError):
            ErrorResponse(response.error_data[:length], 3).contexts()


def test_no_error_contexts() -> None:
    assert ErrorResponse(b"1234").contexts() == []
