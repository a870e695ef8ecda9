"""For every record: arbitrary bytes raise DecodeError or nothing, and what was encoded decodes to
the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError
from paraph.wire.smb2 import (
    change_notify,
    close,
    create,
    create_contexts,
    error,
    info,
    io,
    ioctl,
    lock,
    negotiate,
    negotiate_contexts,
    notification,
    oplock,
    query_directory,
    session,
    simple,
    transform,
    tree,
)
from paraph.wire.smb2.header import Header

U8, U16 = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
U32, U64 = st.integers(0, 0xFFFF_FFFF), st.integers(0, (1 << 64) - 1)
DATA = st.binary(max_size=40)
KEY = st.binary(min_size=16, max_size=16)
NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CONTEXTS = st.lists(
    st.builds(create.CreateContext, st.binary(min_size=4, max_size=16), DATA), max_size=4
)
NEGOTIATE_CONTEXTS = st.lists(st.builds(negotiate.NegotiateContext, U16, DATA), max_size=4)
IDS = st.lists(U16, max_size=5)
ADDRESS = KEY | st.binary(min_size=4, max_size=4)

# widths of the fields that are not 64 bits, by name
WIDTHS: dict[str, st.SearchStrategy[Any]] = {
    "allocation_size": U64,
    "client_guid": KEY,
    "server_guid": KEY,
    "guid": KEY,
    "create_guid": KEY,
    "lease_key": KEY,
    "parent_lease_key": KEY,
    "app_instance_id": KEY,
    "signature": KEY,
    "nonce": KEY,
    "create_contexts": CONTEXTS,
    "dialects": st.lists(U16.filter(lambda d: d != 0x311), max_size=5),
    "negotiate_contexts": st.just([]),
    "name": NAME,
    "path": NAME,
    "file_name": NAME,
    "net_name": NAME,
    "substitute_name": NAME,
    "print_name": NAME,
    "resource_name": NAME,
    "addresses": st.lists(ADDRESS, max_size=3),
    "error_data": DATA,
    "locks": st.lists(st.builds(lock.LockElement, U64, U64, U32), max_size=4),
    "chunks": st.lists(st.builds(ioctl.SrvCopychunk, U64, U64, U32), max_size=4),
    "source_key": st.binary(min_size=24, max_size=24),
    "resume_key": st.binary(min_size=24, max_size=24),
    "hash_algorithms": IDS,
    "ciphers": IDS,
    "compression_algorithms": IDS,
    "rdma_transform_ids": IDS,
    "signing_algorithms": IDS,
    "version": st.just(2),
    "channel": st.just(0),
    "timestamp": U64,
    "return_single": st.booleans(),
    "restart_scan": st.booleans(),
    "sid_list_length": st.just(0),
    "start_sid_length": st.just(0),
    "read_channel_info": st.just(b""),
    "write_channel_info": st.just(b""),
}
WIDTHS |= dict.fromkeys(
    (
        "security_buffer",
        "buffer",
        "data",
        "input_buffer",
        "output_buffer",
        "salt",
        "notification",
        "sid_buffer",
        "uncompressed",
        "compressed",
    ),
    DATA,
)
WIDE = {
    "offset", "persistent_id", "volatile_id", "creation_time", "last_access_time",
    "last_write_time", "change_time", "end_of_file", "previous_session_id", "system_time",
    "server_start_time", "disk_file_id", "volume_id", "session_id", "high", "low",
}  # fmt: skip
HALF = {"lock_sequence", "length", "desired_access"}

# those whose data is the whole of what they read, no header before it
BARE_MODULES = (create_contexts, negotiate_contexts, transform)
BARE_CLASSES = {
    error.SymbolicLinkError,
    error.ShareRedirectError,
    info.QueryQuotaInfo,
    ioctl.SrvCopychunkCopy,
    ioctl.SrvCopychunkResponse,
    ioctl.SrvRequestResumeKeyResponse,
    ioctl.SrvSnapshotArray,
    ioctl.NetworkResiliencyRequest,
    ioctl.ValidateNegotiateInfoRequest,
    ioctl.ValidateNegotiateInfoResponse,
}
MODULES = (
    change_notify, close, create, error, info, io, ioctl, lock, negotiate, notification, oplock,
    query_directory, session, simple, tree, *BARE_MODULES,
)  # fmt: skip


def records() -> list[type[Any]]:
    """Every class of the package that has `decode`."""
    return [
        thing
        for module in MODULES
        for thing in vars(module).values()
        if isinstance(thing, type)
        and thing.__module__ == module.__name__
        and hasattr(thing, "decode")
        and thing not in (simple.EmptyBody, oplock.OplockBreak, oplock.LeaseBreak)
    ]


RECORDS = records()


def is_bare(kind: type[Any]) -> bool:
    return kind in BARE_CLASSES or any(kind.__module__ == m.__name__ for m in BARE_MODULES)


def read(kind: type[Any], data: bytes) -> Any:
    return kind.decode(memoryview(data if is_bare(kind) else bytes(64) + data))


def width(name: str) -> st.SearchStrategy[Any]:
    """Enough bits to be wrong if a field were read from elsewhere, never too many to be packed."""
    if name in WIDTHS:
        return WIDTHS[name]
    return U64 if name in WIDE else U32 if name in HALF else U8


def some(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{field.name: width(field.name) for field in fields(kind)})


def test_records_are_all_there() -> None:
    assert len(RECORDS) > 60


def structure_size(kind: type[Any]) -> bytes:
    """The first two bytes of a body; nothing for the records that have required fields."""
    if kind in REQUIRED_FIELDS:
        return b""
    body: bytes = kind().encode()
    return body[:2]


REQUIRED_FIELDS = {
    info.QueryQuotaInfo,
    transform.TransformHeader,
    transform.CompressionTransformUnchained,
    transform.CompressionTransformChained,
    transform.PatternPayload,
}


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_arbitrary_bytes(kind: type[Any]) -> None:
    """With the right StructureSize in front, to get further, and without."""
    size = structure_size(kind)

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.binary(max_size=200), st.booleans())
    def check(data: bytes, begin: bool) -> None:
        try:
            decoded = read(kind, size + data if begin else data)
            if isinstance(decoded, error.ErrorResponse):
                decoded.contexts()
        except DecodeError:
            pass

    check()


# whose fields hang together: their round trip is below or in the tests of their module
DEPENDENT = (ioctl.SrvSnapshotArray, transform.CompressionTransformChained)


@pytest.mark.parametrize(
    "kind", [k for k in RECORDS if k not in DEPENDENT], ids=lambda kind: kind.__name__
)
def test_round_trip(kind: type[Any]) -> None:
    @settings(max_examples=25, deadline=None, database=None)
    @given(some(kind))
    def check(record: Any) -> None:
        assert read(kind, record.encode()) == record

    check()


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.builds(
        negotiate.NegotiateRequest,
        dialects=st.lists(U16, max_size=6).map(lambda some: [*some, 0x311]),
        negotiate_contexts=NEGOTIATE_CONTEXTS,
    )
)
def test_round_trip_of_a_3_1_1_request(request: negotiate.NegotiateRequest) -> None:
    assert read(negotiate.NegotiateRequest, request.encode()) == request


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.builds(
        negotiate.NegotiateResponse,
        dialect_revision=st.just(0x311),
        security_buffer=DATA,
        negotiate_contexts=NEGOTIATE_CONTEXTS,
    )
)
def test_round_trip_of_a_3_1_1_response(response: negotiate.NegotiateResponse) -> None:
    assert read(negotiate.NegotiateResponse, response.encode()) == response


PAYLOADS = st.lists(
    st.builds(transform.CompressionPayload, st.sampled_from([0, 4]), st.just(1), DATA)
    | st.builds(transform.CompressionPayload, st.sampled_from([1, 2, 3, 5]), st.just(1), DATA, U32),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None, database=None)
@given(st.builds(transform.CompressionTransformChained, U32, PAYLOADS))
def test_round_trip_of_a_compression_chain(chain: transform.CompressionTransformChained) -> None:
    assert transform.decode_compression(memoryview(chain.encode())) == chain


FUNCTIONS: list[Callable[[memoryview], Any]] = [
    Header.decode,
    create.decode_contexts,
    ioctl.decode_interfaces,
    oplock.decode_notification,
    oplock.decode_acknowledgment,
    oplock.decode_response,
    transform.decode_compression,
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_on_arbitrary_bytes(function: Callable[[memoryview], Any]) -> None:
    @settings(max_examples=60, deadline=None, database=None)
    @given(st.binary(max_size=200))
    def check(data: bytes) -> None:
        try:
            function(memoryview(data))
        except DecodeError:
            pass

    check()


@settings(max_examples=300, deadline=None, database=None)
@given(st.data())
def test_bent_messages(data: st.DataObject) -> None:
    """Valid messages with a few bytes changed get deeper than random ones."""
    kind = data.draw(st.sampled_from([k for k in RECORDS if k in _BENDABLE]))
    message = bytearray(data.draw(some(kind)).encode())
    for at in data.draw(st.lists(st.integers(0, max(0, len(message) - 1)), max_size=4)):
        message[at] = data.draw(U8)
    try:
        read(kind, bytes(message))
    except DecodeError:
        pass


_BENDABLE = {
    create.CreateRequest,
    create.CreateResponse,
    negotiate.NegotiateRequest,
    negotiate.NegotiateResponse,
    lock.LockRequest,
    ioctl.IoctlResponse,
    ioctl.SrvCopychunkCopy,
    error.SymbolicLinkError,
    error.ShareRedirectError,
    transform.CompressionTransformUnchained,
}
