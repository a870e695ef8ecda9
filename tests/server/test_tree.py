"""TREE_CONNECT and TREE_DISCONNECT ([MS-SMB2] 3.3.5.7, 3.3.5.8), and what a share may be called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from paraph.errors import NTStatusError, UserError
from paraph.server.events import RequestRefused
from paraph.server.settings import Limits, ServerSettings
from paraph.server.share import Share, check_share_name
from paraph.server.tree import parse_share_path
from paraph.storage.memory import MemoryBackend
from paraph.wire.ntstatus import NTStatus, name
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.tree import (
    ShareFlags,
    ShareType,
    TreeConnectFlags,
    TreeConnectRequest,
    TreeConnectResponse,
)
from tests.server.file_client import READ, UNPROTECTED, Client, make_world, refused
from tests.support.link import Dropped
from tests.support.peer import Logon, Peer
from tests.support.world import OTHER_PASSWORD, OTHER_USER, World

BAD_NAME = NTStatus.BAD_NETWORK_NAME
INVALID = NTStatus.INVALID_PARAMETER
DENIED = NTStatus.ACCESS_DENIED


@pytest.fixture
def world() -> World:
    return make_world({"file": b"x"})


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def connect(client: Client, path: str, flags: int = 0, **fields: Any) -> Any:
    body = TreeConnectRequest(flags, path).encode()
    return client.peer.call(Command.TREE_CONNECT, body, client.logon, **fields)


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("path", "share"),
    [
        ("\\\\server\\data", "data"),
        ("\\\\192.0.2.1\\data", "data"),
        ("\\\\[::1]\\data", "data"),
        ("\\\\server\\data\\", "data"),
        ("\\\\SERVER\\IPC$", "IPC$"),
        ("\\\\s\\" + "n" * 80, "n" * 80),
        ("\\\\s\\n\u00e4me with spaces", "n\u00e4me with spaces"),
    ],
)
def test_share_paths(path: str, share: str) -> None:
    assert parse_share_path(path) == share


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", INVALID),
        ("data", INVALID),
        ("\\data", INVALID),
        ("\\server\\data", INVALID),
        ("//server/data", INVALID),
        ("\\\\", INVALID),
        ("\\\\server", INVALID),
        ("\\\\server\\", INVALID),
        ("\\\\\\data", INVALID),
        ("\\\\server\\da\0ta", INVALID),
        ("\\\\server\\data\\folder", BAD_NAME),
        ("\\\\server\\\\data", BAD_NAME),
        ("\\\\server\\" + "n" * 81, BAD_NAME),
    ],
)
def test_paths_that_name_no_share(client: Client, path: str, status: int) -> None:
    with pytest.raises(NTStatusError) as caught:
        parse_share_path(path)
    assert name(caught.value.status) == name(status)
    assert connect(client, path).status == status


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("data", TreeConnectResponse(ShareType.DISK, 0, 0, 0x001F01FF)),
        ("DATA", TreeConnectResponse(ShareType.DISK, 0, 0, 0x001F01FF)),
        ("fixed", TreeConnectResponse(ShareType.DISK, 0, 0, 0x001200A9)),
        ("IPC$", TreeConnectResponse(ShareType.PIPE, ShareFlags.NO_CACHING, 0, 0x001F01FF)),
        ("ipc$", TreeConnectResponse(ShareType.PIPE, ShareFlags.NO_CACHING, 0, 0x001F01FF)),
    ],
)
def test_answers(client: Client, share: str, expected: TreeConnectResponse) -> None:
    reply = client.peer.try_tree(client.logon, share)
    assert reply.status == NTStatus.SUCCESS
    assert reply.header.tree_id not in (0, 0xFFFFFFFF)
    assert TreeConnectResponse.decode(reply.view) == expected


def test_the_extension_only_moves_the_path(client: Client) -> None:
    body = bytearray(TreeConnectRequest(TreeConnectFlags.EXTENSION_PRESENT, "").encode())
    path = "\\\\server\\data".encode("utf-16-le")
    body[4:8] = (64 + 8 + 16).to_bytes(2, "little") + len(path).to_bytes(2, "little")
    body[8:] = bytes(16) + path
    reply = client.peer.call(Command.TREE_CONNECT, bytes(body), client.logon)
    assert reply.status == NTStatus.SUCCESS


def test_a_share_that_is_not_there(world: World, client: Client) -> None:
    assert client.peer.try_tree(client.logon, "nothing").status == BAD_NAME
    (event,) = world.told(RequestRefused)
    assert event.command == "TREE_CONNECT"
    assert "'nothing'" in event.reason
    assert event.user.endswith("alice")
    assert event.status == BAD_NAME


def test_trees_of_a_session_are_apart(client: Client) -> None:
    first = client.tree
    second = client.connect("data")
    assert first != second
    file = client.open("file")
    client.peer.tree_disconnect(client.logon, first)
    assert client.read(file, 1) == b"x"
    client.tree = first
    with refused(NTStatus.NETWORK_NAME_DELETED):
        client.open("file")


def test_tree_disconnect_closes_its_opens(world: World, client: Client) -> None:
    kept = client.connect("data")
    other = client.connect("fixed")
    client.open("file", READ)
    client.tree = kept
    file = client.open("file", READ)
    reply = client.peer.tree_disconnect(client.logon, other)
    assert reply.status == NTStatus.SUCCESS
    assert len(world.server.files) == 1
    assert client.read(file, 1) == b"x"
    reply = client.peer.tree_disconnect(client.logon, other)
    assert reply.status == NTStatus.NETWORK_NAME_DELETED


def test_the_limit_of_trees() -> None:
    client = Client(make_world({"file": b""}, limits=Limits(trees_per_session=2)))
    client.connect("IPC$")
    reply = client.peer.try_tree(client.logon, "data")
    assert reply.status == NTStatus.INSUFFICIENT_RESOURCES
    client.peer.tree_disconnect(client.logon, client.tree)
    client.connect("data")


# ---------------------------------------------------------------- who may enter


def guarded(**share: Any) -> World:
    store = MemoryBackend({"file": b"x"})
    return make_world(shares=[Share("data", store, **share)], allow_guest=True)


def guest(world: World) -> tuple[Peer, Logon]:
    peer = world.ready(dialects=[0x0302])
    logon = peer.logon("nobody I know", "whatever")
    assert logon.flags & 1
    return peer, logon


def test_a_share_for_some_users() -> None:
    world = guarded(users=frozenset({"ALICE"}))
    assert Client(world).tree
    peer = world.ready(dialects=[0x0302])
    reply = peer.try_tree(peer.logon(OTHER_USER, OTHER_PASSWORD))
    assert reply.status == DENIED
    (event,) = world.told(RequestRefused)
    assert "does not admit this user" in event.reason
    assert peer.try_tree(peer.logon(OTHER_USER, OTHER_PASSWORD), "IPC$").status == 0


def test_a_share_for_nobody() -> None:
    world = guarded(users=frozenset())
    peer = world.ready(dialects=[0x0302])
    assert peer.try_tree(peer.logon()).status == DENIED


@pytest.mark.parametrize(
    ("share", "status"),
    [
        ({}, NTStatus.SUCCESS),
        ({"allow_guest": False}, DENIED),
        ({"users": frozenset({"alice"})}, DENIED),
        ({"users": frozenset({"nobody I know"})}, DENIED),
        ({"users": frozenset({"Guest"})}, DENIED),
    ],
)
def test_guests(share: dict[str, Any], status: int) -> None:
    peer, logon = guest(guarded(**share))
    assert name(peer.try_tree(logon).status) == name(status)
    assert peer.try_tree(logon, "IPC$").status == NTStatus.SUCCESS


def test_anonymous_users_see_ipc_only() -> None:
    world = make_world({"file": b"x"}, allow_anonymous=True)
    peer = world.ready(dialects=[0x0302])
    logon, _ = peer.anonymous()
    assert peer.try_tree(logon).status == DENIED
    assert peer.try_tree(logon, "IPC$").status == NTStatus.SUCCESS


# ---------------------------------------------------------------- encryption and signing


def encrypted() -> World:
    store = MemoryBackend({"file": b"x"})
    shares = [Share("data", store, encrypt=True), Share("open", store)]
    return make_world(shares=shares, encryption="desired", policy=UNPROTECTED)


def test_a_share_that_requires_encryption_refuses_who_can_not() -> None:
    world = encrypted()
    for dialect in (0x0202, 0x0210):
        peer = world.ready(dialects=[dialect])
        logon = peer.logon()
        assert peer.try_tree(logon).status == DENIED
        assert peer.try_tree(logon, "open").status == NTStatus.SUCCESS
    peer = world.ready(dialects=[0x0302], capabilities=0x3F)
    assert peer.try_tree(peer.logon()).status == DENIED
    peer = world.ready(dialects=[0x0311], ciphers=None)
    assert peer.try_tree(peer.logon()).status == DENIED
    assert all("encryption" in event.reason for event in world.told(RequestRefused))


@pytest.mark.parametrize("dialect", [0x0300, 0x0302, 0x0311])
def test_a_share_that_requires_encryption(dialect: int) -> None:
    store = MemoryBackend({"file": b"x"})
    world = make_world(shares=[Share("data", store, encrypt=True)], encryption="desired")
    peer = world.ready(dialects=[dialect])
    logon = peer.logon()
    reply = peer.try_tree(logon)
    assert TreeConnectResponse.decode(reply.view).share_flags == ShareFlags.ENCRYPT_DATA
    tree = reply.header.tree_id
    assert peer.create(logon, tree, "file", seal=True)
    assert peer.try_create(logon, tree, "file", seal=False).status == DENIED
    assert peer.try_create(logon, tree, "file", seal=False, sign=True).status == DENIED


def test_an_unprotected_tree_connect_in_3_1_1_ends_the_connection() -> None:
    world = make_world({"file": b"x"})
    peer = world.ready(dialects=[0x0311])
    logon = peer.logon()
    with pytest.raises(Dropped, match="neither signed nor encrypted"):
        peer.try_tree(logon, sign=False)
    peer = world.ready(dialects=[0x0311])
    assert peer.try_tree(peer.logon(), sign=True).status == NTStatus.SUCCESS


# ---------------------------------------------------------------- names and settings


@pytest.mark.parametrize(
    "good", ["data", "a", "n" * 80, "C$", "with space", "\u00fcber", "a.b-c_d"]
)
def test_names_of_shares(good: str) -> None:
    check_share_name(good)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "n" * 81,
        " data",
        "data ",
        "a/b",
        "a\\b",
        "a:b",
        "a*",
        "a?",
        'a"',
        "a|b",
        "a<b",
        "a\tb",
        "a;b",
        "a=b",
        "a,b",
        "a+b",
        "[a]",
        "IPC$",
        "ipc$",
        "ADMIN$",
        "Global",
    ],
)
def test_names_that_no_share_can_have(bad: str) -> None:
    with pytest.raises(UserError, match=r"is (no name for a share|a name that Windows reserves)"):
        Share(bad, MemoryBackend())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "1 to 15 letters"),
        ({"name": "SIXTEEN-LETTERS-"}, "1 to 15 letters"),
        ({"name": "with space"}, "1 to 15 letters"),
        ({"name": None}, "1 to 15 letters"),
        ({"encryption": "on"}, "'off' or 'offered' or 'desired' or 'required'"),
        ({"encryption": True}, "'off' or"),
        ({"policy": "signed"}, "a paraph.Policy"),
        ({"limits": None}, "a paraph.Limits"),
        ({"min_dialect": 3}, "one of 0x0202"),
        ({"max_dialect": 0x02FF}, "one of 0x0202"),
        ({"min_dialect": 0x0311, "max_dialect": 0x0210}, "at most max_dialect, which is 0x0210"),
        ({"ciphers": ()}, "at least one"),
        ({"ciphers": (5,)}, "the ids 1, 2, 3, 4"),
        ({"ciphers": [1]}, "a tuple"),
        ({"signing_algorithms": (3,)}, "the ids 0, 1, 2"),
        ({"allow_guest": "yes"}, "True or False"),
        ({"require_mic": None}, "True or False"),
        ({"failed_logon_delay": -1}, "seconds"),
        ({"max_read_size": 1000}, "at least 65536"),
        ({"max_write_size": "8M"}, "at least 65536"),
        ({"max_transact_size": 0}, "at least 65536"),
    ],
)
def test_settings_that_can_not_be(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        replace(ServerSettings(), **fields)
    text = str(caught.value)
    assert words in text
    assert text.startswith(f"The setting {next(iter(fields))} can not be ")
    assert text.endswith(".")


@pytest.mark.parametrize("value", [-1, "many", None, True])
def test_limits_that_can_not_be(value: Any) -> None:
    with pytest.raises(UserError, match=r"limits\.half_open can not be .*: it must be a number"):
        Limits(half_open=value)
