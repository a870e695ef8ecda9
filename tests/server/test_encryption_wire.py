"""Encrypted sessions and shares ([MS-SMB2] 3.3.5.2.1.1, 3.3.5.2.9, 3.3.5.2.11, 3.1.4.3)."""

from __future__ import annotations

from typing import Any

import pytest

from paraph.policy.settings import Policy
from paraph.server.events import ConnectionRefused, LogonRefused, RequestRefused
from paraph.server.settings import ServerSettings
from paraph.server.share import Share
from paraph.storage.memory import MemoryBackend
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.negotiate import Capabilities
from paraph.wire.smb2.session import SessionFlags
from paraph.wire.smb2.simple import EchoRequest
from paraph.wire.smb2.tree import ShareFlags, TreeConnectResponse
from tests.support.link import Dropped
from tests.support.peer import Logon, Peer, create_body
from tests.support.variants import every_cipher
from tests.support.world import OTHER_PASSWORD, OTHER_USER, World

ECHO = EchoRequest().encode()
OPTIONAL = Policy(server_always=False)


def sealed(
    dialect: int = 0x0311, cipher: int = 2, **settings: Any
) -> tuple[World, Peer, Logon, int]:
    settings.setdefault("encryption", "required")
    world = World(**settings)
    peer = world.ready(dialects=[dialect], ciphers=[cipher])
    assert peer.cipher_id == cipher
    logon = peer.logon()
    return world, peer, logon, peer.tree(logon)


@every_cipher
@pytest.mark.parametrize("encryption", ["desired", "required"])
def test_encrypted_session(dialect: int, cipher: int, encryption: str) -> None:
    _, peer, logon, tree = sealed(dialect, cipher, encryption=encryption)
    assert logon.flags == SessionFlags.ENCRYPT_DATA
    assert logon.seal
    file = peer.create(logon, tree, "hello.txt")
    assert peer.read(logon, tree, file) == b"Hello, world.\n"
    data = bytes(range(256)) * 1024
    assert peer.write(logon, tree, file, data).status == NTStatus.SUCCESS
    assert peer.read(logon, tree, file, len(data)) == data
    assert peer.logoff(logon).sealed


@every_cipher
def test_unencrypted_requests_are_refused(dialect: int, cipher: int) -> None:
    """Signed or not: EncryptData with RejectUnencryptedAccess."""
    world, peer, logon, tree = sealed(dialect, cipher)
    for sign in (True, False):
        reply = peer.call(Command.CREATE, create_body("open"), logon, tree, sign=sign, seal=False)
        assert (reply.status, reply.sealed) == (NTStatus.ACCESS_DENIED, False)
    assert "open" not in world.backend.paths()
    assert peer.try_tree(logon, sign=True, seal=False).status == NTStatus.ACCESS_DENIED
    assert peer.logoff(logon, sign=True, seal=False).status == NTStatus.ACCESS_DENIED
    assert peer.echo(logon).status == NTStatus.SUCCESS
    assert world.told(RequestRefused)


@every_cipher
def test_altered_transform_ends_the_connection(dialect: int, cipher: int) -> None:
    """Each byte of the TRANSFORM_HEADER, and some of what it covers."""
    for offset in (*range(52), 52, 60, 100, 115):
        world, peer, logon, tree = sealed(dialect, cipher)
        assert logon.sealer is not None
        message = peer.message(Command.ECHO, ECHO, logon, tree)
        frame = logon.sealer.seal(message, logon.session_id)
        nonce = 11 if cipher in (1, 3) else 12
        if 20 + nonce <= offset < 36 or not offset < len(frame):
            continue  # bytes of the field that the cipher does not use: see below
        frame[offset] ^= 1
        peer.send(frame)
        with pytest.raises(Dropped):
            peer.receive()
        assert world.told(ConnectionRefused), offset
        other = world.ready()
        assert other.echo(other.logon()).status == NTStatus.SUCCESS


def test_unused_bytes_of_the_nonce_are_authenticated() -> None:
    world, peer, logon, _ = sealed()
    assert logon.sealer is not None
    frame = logon.sealer.seal(peer.message(Command.ECHO, ECHO, logon), logon.session_id)
    frame[35] ^= 1
    peer.send(frame)
    assert peer.link.closed
    assert world.told(ConnectionRefused)


@pytest.mark.parametrize("length", [*range(4, 64, 3), 100])
def test_truncated_transform(length: int) -> None:
    _, peer, logon, _ = sealed()
    assert logon.sealer is not None
    frame = logon.sealer.seal(peer.message(Command.ECHO, ECHO, logon), logon.session_id)
    peer.send(frame[:length])
    assert peer.link.closed


def test_transform_around_something_else() -> None:
    """Another TRANSFORM, an SMB1 message, nothing at all."""
    for content in (b"\xfdSMB" + bytes(60), b"\xffSMB" + bytes(60), b"\xfeSMB", b"x" * 64):
        _, peer, logon, _ = sealed()
        peer.send(content, logon)
        assert peer.link.closed


def test_transform_of_another_session() -> None:
    """The keys of one user around a request that names another one's session."""
    world, peer, alice, tree = sealed()
    bob = peer.logon(OTHER_USER, OTHER_PASSWORD)
    peer.send(peer.message(Command.CREATE, create_body("x"), alice, tree), bob)
    with pytest.raises(Dropped):
        peer.receive()
    assert "x" not in world.backend.paths()


def test_related_member_of_another_session_counts_as_the_first_ones() -> None:
    """In a related chain the later headers' SessionId is not looked at, so it gains nothing."""
    world, peer, alice, tree = sealed()
    bob = peer.logon(OTHER_USER, OTHER_PASSWORD)
    members = [
        peer.message(Command.ECHO, ECHO, bob),
        peer.message(Command.CREATE, create_body("x"), alice, tree),
    ]
    peer.send(peer.compound(members, bob, related=True, sign=False), bob)
    replies = peer.receive_frame()
    assert replies[1].status != NTStatus.SUCCESS
    assert "x" not in world.backend.paths()


@pytest.mark.parametrize("where", ["unknown", "other connection", "zero"])
def test_transform_without_a_session(where: str) -> None:
    world, peer, logon, _ = sealed()
    assert logon.sealer is not None
    other = world.ready()
    other.logon()
    session_id = {"unknown": 77, "other connection": logon.session_id, "zero": 0}[where]
    other.send(logon.sealer.seal(other.message(Command.ECHO, ECHO, logon), session_id))
    assert other.link.closed
    assert peer.echo(logon).status == NTStatus.SUCCESS


def test_replayed_transform() -> None:
    """The sequence window stands behind the encryption too."""
    world, peer, logon, tree = sealed()
    assert logon.sealer is not None
    message = peer.message(Command.CREATE, create_body("once"), logon, tree)
    frame = bytes(logon.sealer.seal(message, logon.session_id))
    peer.send(frame)
    assert peer.receive().status == NTStatus.SUCCESS
    peer.send(frame)
    with pytest.raises(Dropped, match="sequence window"):
        peer.receive()
    assert world.told(ConnectionRefused)


def test_transform_before_3_0() -> None:
    world = World(policy=OPTIONAL)
    peer = world.ready(dialects=[0x0210])
    logon = peer.logon()
    peer.send(b"\xfdSMB" + bytes(40) + logon.session_id.to_bytes(8, "little") + bytes(80))
    assert peer.link.closed


def test_transform_where_no_cipher_was_agreed() -> None:
    world = World(encryption="off")
    peer = world.ready()
    logon = peer.logon()
    assert peer.cipher_id == 0
    peer.send(b"\xfdSMB" + bytes(40) + logon.session_id.to_bytes(8, "little") + bytes(80))
    assert peer.link.closed


# Who can not encrypt


@pytest.mark.parametrize(
    "offer",
    [
        {"dialects": [0x0202]},
        {"dialects": [0x0210]},
        {"dialects": [0x0300], "capabilities": 0x7F & ~Capabilities.ENCRYPTION},
        {"dialects": [0x0311], "ciphers": None},
        {"dialects": [0x0311], "ciphers": [9]},
    ],
)
def test_client_that_can_not(offer: dict[str, Any]) -> None:
    """Refused at its first SESSION_SETUP when required; let in unencrypted when desired."""
    world = World(encryption="required", failed_logon_delay=0)
    peer = world.ready(**offer)
    assert peer.try_logon()[1].status == NTStatus.ACCESS_DENIED
    assert not world.server.sessions
    assert "encryption" in world.told(LogonRefused)[0].reason
    world = World(encryption="desired")
    peer = world.ready(**offer)
    logon = peer.logon()
    assert not logon.flags
    assert peer.echo(logon).signed


@pytest.mark.parametrize("kind", ["guest", "anonymous"])
def test_session_without_key(kind: str) -> None:
    world = World(
        policy=OPTIONAL,
        encryption="required",
        allow_guest=True,
        allow_anonymous=True,
        failed_logon_delay=0,
    )
    peer = world.ready()
    reply = peer.try_logon("nobody")[1] if kind == "guest" else peer.anonymous()[1]
    assert reply.status == NTStatus.ACCESS_DENIED


@pytest.mark.parametrize("dialect", [0x0300, 0x0302])
def test_capability_of_3_0(dialect: int) -> None:
    """SMB2_GLOBAL_CAP_ENCRYPTION is answered where the client has it and the server wants it."""
    for encryption, offered, expected in (
        ("required", 0x7F, Capabilities.ENCRYPTION),
        ("off", 0x7F, 0),
        ("required", 0x3F, 0),
    ):
        world = World(encryption=encryption)
        peer = world.ready(dialects=[dialect], capabilities=offered)
        assert peer.response.capabilities & Capabilities.ENCRYPTION == expected


@pytest.mark.parametrize("order", [(2, 1, 4, 3), (4, 3, 2, 1), (1,)])
def test_the_servers_order_of_ciphers_decides(order: tuple[int, ...]) -> None:
    world = World(settings=ServerSettings(ciphers=order, encryption="desired"))
    assert world.ready(ciphers=[1, 2, 3, 4]).cipher_id == order[0]


# Shares


def vault(**settings: Any) -> World:
    """Two shares, of which one is encrypted."""
    backend = MemoryBackend()
    backend.write_bytes("secret.txt", b"secret")
    shares = [Share("vault", backend, encrypt=True), Share("data", MemoryBackend())]
    return World(shares=shares, **settings)


@every_cipher
@pytest.mark.parametrize("required", [True, False])
def test_encrypted_share(dialect: int, cipher: int, required: bool) -> None:
    world = vault(policy=Policy(server_always=required))
    peer = world.ready(dialects=[dialect], ciphers=[cipher])
    logon = peer.logon()
    assert not logon.flags
    reply = peer.try_tree(logon, "vault")
    assert reply.status == NTStatus.SUCCESS
    assert TreeConnectResponse.decode(reply.view).share_flags & ShareFlags.ENCRYPT_DATA
    tree = reply.header.tree_id

    body = create_body("secret.txt")
    for sign in (True, False):
        refused = peer.call(Command.CREATE, body, logon, tree, sign=sign, seal=False)
        assert (refused.status, refused.sealed) == (NTStatus.ACCESS_DENIED, False)
    reply = peer.call(Command.CREATE, body, logon, tree, seal=True)
    assert (reply.status, reply.sealed, reply.signed) == (NTStatus.SUCCESS, True, False)

    # The other share of the same session stays as it was: signed.
    other = peer.tree(logon, "data")
    assert peer.call(Command.CREATE, create_body("x"), logon, other, sign=True).signed
    expected = NTStatus.ACCESS_DENIED if required else NTStatus.SUCCESS
    assert peer.echo(logon, sign=False).status == expected


def test_encrypted_share_for_clients_without_encryption() -> None:
    world = vault()
    for offer in ({"dialects": [0x0210]}, {"dialects": [0x0311], "ciphers": None}):
        peer = world.ready(**offer)
        logon = peer.logon()
        assert peer.try_tree(logon, "vault").status == NTStatus.ACCESS_DENIED
        assert peer.try_tree(logon, "data").status == NTStatus.SUCCESS
    assert len(world.told(RequestRefused)) == 2


def test_encrypted_share_for_guests() -> None:
    """They have no key to encrypt with."""
    world = vault(policy=OPTIONAL, allow_guest=True)
    peer = world.ready()
    logon = peer.logon("nobody")
    reply = peer.try_tree(logon, "vault")
    if reply.status == NTStatus.SUCCESS:
        tree = reply.header.tree_id
        assert peer.try_create(logon, tree, "secret.txt").status == NTStatus.ACCESS_DENIED
    else:
        assert reply.status == NTStatus.ACCESS_DENIED


def test_reauthentication_inside_encryption() -> None:
    _, peer, logon, tree = sealed()
    reply = peer.reauthenticate(logon)
    assert (reply.status, reply.sealed) == (NTStatus.SUCCESS, True)
    assert peer.create(logon, tree, "hello.txt")


def test_open_reauthentication_of_an_encrypted_session() -> None:
    """Neither encrypted nor signed: it must not end or change the session."""
    _, peer, logon, _ = sealed()
    reply = peer.setup(b"", logon.session_id)
    assert reply.status == NTStatus.ACCESS_DENIED
    assert peer.echo(logon).status == NTStatus.SUCCESS


def test_offered_leaves_the_choice_to_the_client() -> None:
    """The default: nothing is encrypted but what the client encrypts, and the answer to that."""
    world = World()
    peer = world.ready()
    logon = peer.logon()
    assert peer.cipher_id
    assert not logon.flags & SessionFlags.ENCRYPT_DATA
    assert peer.echo(logon).status == NTStatus.SUCCESS
    assert peer.echo(logon, seal=True).status == NTStatus.SUCCESS
