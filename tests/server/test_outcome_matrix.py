"""Who signs, seen on the wire: each cell of the client's levels by the server's, in each dialect,
and the special cases ([MS-SMB2] 3.3.5.5.3, 3.3.5.2.4, 3.3.4.1.1). What `policy.outcome` predicts is
compared with what the server does.
"""

from __future__ import annotations

import pytest

from paraph.policy.outcome import Side, outcome
from paraph.policy.settings import Policy
from paraph.server.events import ConnectionRefused, LogonRefused, SessionEstablished
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.session import SessionFlags
from paraph.wire.smb2.simple import EchoRequest, LogoffRequest, TreeDisconnectRequest
from paraph.wire.smb2.tree import TreeConnectRequest
from tests.support.link import Dropped
from tests.support.peer import ALL_DIALECTS, Logon, Peer, create_body
from tests.support.variants import every_dialect
from tests.support.world import World

LEVELS = ("disabled", "enabled", "required")
# The client's levels as SecurityMode; the specification has it set one bit or the other (2.2.3).
CLIENT_MODES = {"disabled": 0x00, "enabled": 0x01, "required": 0x02}
SERVER_POLICIES = {
    "disabled": Policy(server_always=False, server_if_client_agrees=False),
    "enabled": Policy(server_always=False, server_if_client_agrees=True),
    "required": Policy(server_always=True, server_if_client_agrees=True),
}
OPTIONAL = SERVER_POLICIES["enabled"]


def side(level: str) -> Side:
    return Side(required=level == "required", enabled=level != "disabled")


def unsigned_create(peer: Peer, logon: Logon, tree: int, name: str) -> int:
    reply = peer.call(Command.CREATE, create_body(name), logon, tree, sign=False)
    assert not reply.signed
    return reply.status


@every_dialect
@pytest.mark.parametrize("server", LEVELS)
@pytest.mark.parametrize("client", LEVELS)
def test_cell(dialect: int, client: str, server: str) -> None:
    predicted = outcome(side(client), side(server), dialect, "user")
    world = World(policy=SERVER_POLICIES[server])
    peer = world.peer(dialects=[dialect], security_mode=CLIENT_MODES[client])

    # What the server advertises: always 1, and 2 when it requires.
    response = peer.negotiate()
    assert response.dialect_revision == dialect
    assert response.security_mode == (0x03 if server == "required" else 0x01)

    # The final SESSION_SETUP response is signed for users, required or not; earlier ones never.
    logon = peer.logon()
    assert predicted.established
    assert [reply.signed for reply in logon.setup] == [False, True]
    assert logon.sign == predicted.signed
    (event,) = world.told(SessionEstablished)
    assert bool(event.signing) == predicted.signed
    # The wire does not tell a client that is able to sign SMB1 from one that is not.
    as_seen = outcome(Side(client == "required"), side(server), dialect, "user")
    assert event.signing_reason == as_seen.why

    # A signed request is verified and gets a signed reply, whatever the levels.
    tree = peer.tree(logon, sign=True)
    reply = peer.call(Command.CREATE, create_body("signed"), logon, tree, sign=True)
    assert (reply.status, reply.signed) == (NTStatus.SUCCESS, True)
    assert peer.echo(logon, sign=True).signed

    # An unsigned request is served, or refused without effect.
    expected = NTStatus.ACCESS_DENIED if predicted.signed else NTStatus.SUCCESS
    reply = peer.echo(logon, sign=False)
    assert (reply.status, reply.signed) == (expected, False)
    assert unsigned_create(peer, logon, tree, "unsigned") == expected
    assert ("unsigned" in world.backend.paths()) == (not predicted.signed)


@every_dialect
def test_a_client_that_sets_both_bits(dialect: int) -> None:
    """Windows sets ENABLED beside REQUIRED; the server ignores it."""
    world = World(policy=OPTIONAL)
    peer = world.ready(dialects=[dialect], security_mode=0x03)
    assert peer.echo(peer.logon(), sign=False).status == NTStatus.ACCESS_DENIED


@every_dialect
@pytest.mark.parametrize("where", ["negotiate", "setup"])
def test_either_message_can_require(dialect: int, where: str) -> None:
    """Connection.ShouldSign of NEGOTIATE, or SecurityMode of SESSION_SETUP (3.3.5.5.3)."""
    world = World(policy=OPTIONAL)
    peer = world.ready(dialects=[dialect], security_mode=2 if where == "negotiate" else 1)
    logon = peer.logon(security_mode=2 if where == "setup" else 1)
    assert peer.echo(logon, sign=False).status == NTStatus.ACCESS_DENIED
    assert peer.echo(logon, sign=True).status == NTStatus.SUCCESS


@pytest.mark.parametrize("server", LEVELS)
@pytest.mark.parametrize(
    ("dialects", "revision"),
    [
        (("NT LM 0.12", "SMB 2.002"), 0x0202),
        (("NT LM 0.12", "SMB 2.002", "SMB 2.???"), 0x02FF),
        (("SMB 2.???",), 0x02FF),
    ],
)
def test_multi_protocol_answer(server: str, dialects: tuple[str, ...], revision: int) -> None:
    """The same bits where an SMB1 NEGOTIATE is answered, and the same enforcement after it
    (3.3.5.3.1, 3.3.5.3.2): Samba's CVE-2023-3347 was here."""
    world = World(policy=SERVER_POLICIES[server])
    peer = world.peer()
    response = peer.smb1_negotiate(*dialects)
    assert response.dialect_revision == revision
    assert response.security_mode == (0x03 if server == "required" else 0x01)
    if revision == 0x02FF:
        assert peer.negotiate().security_mode == response.security_mode
        assert peer.row.revision == 0x0311
    logon = peer.logon()
    assert logon.final.signed
    expected = NTStatus.ACCESS_DENIED if server == "required" else NTStatus.SUCCESS
    assert peer.echo(logon, sign=False).status == expected


@pytest.mark.parametrize("dialect", ALL_DIALECTS[:-1])
def test_server_requires_and_the_client_does_not_sign(dialect: int) -> None:
    """A client that does not conform: each of its requests is refused, the connection stays."""
    world = World()
    peer = world.ready(dialects=[dialect])
    logon = peer.logon()
    tree = peer.tree(logon)
    bodies = {
        Command.TREE_CONNECT: TreeConnectRequest(0, "\\\\server\\data").encode(),
        Command.CREATE: create_body("new"),
        Command.ECHO: EchoRequest().encode(),
        Command.TREE_DISCONNECT: TreeDisconnectRequest().encode(),
        Command.LOGOFF: LogoffRequest().encode(),
    }
    for command, body in bodies.items():
        reply = peer.call(command, body, logon, tree, sign=False)
        assert (reply.status, reply.signed) == (NTStatus.ACCESS_DENIED, False)
    assert peer.reauthenticate(logon, sign=False).status == NTStatus.ACCESS_DENIED
    assert "new" not in world.backend.paths()
    assert peer.echo(logon, sign=True).status == NTStatus.SUCCESS


@pytest.mark.parametrize("server", LEVELS)
def test_unsigned_tree_connect_of_3_1_1_ends_the_connection(server: str) -> None:
    world = World(policy=SERVER_POLICIES[server])
    peer = world.ready(dialects=[0x0311])
    logon = peer.logon()
    with pytest.raises(Dropped):
        peer.try_tree(logon, sign=False)
    assert peer.link.closed
    assert world.told(ConnectionRefused)


@every_dialect
@pytest.mark.parametrize("client", LEVELS)
def test_guest_where_the_server_does_not_require(dialect: int, client: str) -> None:
    """No key, no signature, not even on the final response (ksmbd once signed it)."""
    world = World(policy=OPTIONAL, allow_guest=True)
    peer = world.ready(dialects=[dialect], security_mode=CLIENT_MODES[client])
    logon = peer.logon("nobody in particular")
    assert logon.flags == SessionFlags.IS_GUEST
    assert not logon.final.signed
    assert not peer.echo(logon).signed
    tree = peer.tree(logon)
    assert unsigned_create(peer, logon, tree, "hello.txt") == NTStatus.SUCCESS
    predicted = outcome(side(client), side("enabled"), dialect, "guest", guest_allowed=True)
    assert (predicted.established, predicted.signed) == (True, False)


@every_dialect
def test_anonymous_where_the_server_does_not_require(dialect: int) -> None:
    world = World(policy=OPTIONAL, allow_anonymous=True)
    peer = world.ready(dialects=[dialect])
    logon, reply = peer.anonymous()
    assert (reply.status, reply.signed) == (NTStatus.SUCCESS, False)
    assert logon.flags == SessionFlags.IS_NULL
    assert not peer.echo(logon).signed
    peer.tree(logon, "IPC$")
    assert peer.try_tree(logon, "data").status == NTStatus.ACCESS_DENIED


@every_dialect
@pytest.mark.parametrize("kind", ["guest", "anonymous"])
def test_keyless_logon_where_the_server_requires(dialect: int, kind: str) -> None:
    """Refused, as the hardening guide of Microsoft says."""
    world = World(allow_guest=True, allow_anonymous=True, failed_logon_delay=0)
    peer = world.ready(dialects=[dialect])
    if kind == "guest":
        _, reply = peer.try_logon("nobody in particular")
    else:
        _, reply = peer.anonymous()
    assert (reply.status, reply.signed) == (NTStatus.ACCESS_DENIED, False)
    assert not world.server.sessions
    (event,) = world.told(LogonRefused)
    predicted = outcome(side("enabled"), side("required"), dialect, kind)  # type: ignore[arg-type]
    assert not predicted.established
    assert event.reason == predicted.why


@pytest.mark.parametrize("client", LEVELS)
@pytest.mark.parametrize("server", LEVELS)
@pytest.mark.parametrize("dialect", [0x0300, 0x0302, 0x0311])
def test_encrypted_session(dialect: int, client: str, server: str) -> None:
    """Encryption takes the place of signatures, required or not; only the final SESSION_SETUP
    response, which comes before it, is signed."""
    world = World(policy=SERVER_POLICIES[server], encryption="required")
    peer = world.ready(dialects=[dialect], security_mode=CLIENT_MODES[client])
    logon = peer.logon()
    assert logon.final.signed
    assert not logon.final.sealed
    assert logon.flags == SessionFlags.ENCRYPT_DATA
    predicted = outcome(side(client), side(server), dialect, "user", encrypted=True)
    assert (predicted.established, predicted.signed) == (True, False)
    tree = peer.tree(logon)
    reply = peer.call(Command.CREATE, create_body("sealed"), logon, tree, seal=True)
    assert (reply.status, reply.signed, reply.sealed) == (NTStatus.SUCCESS, False, True)
    (event,) = world.told(SessionEstablished)
    assert (event.signing, bool(event.encryption)) == ("", True)
