"""Sessions from their first leg to their end ([MS-SMB2] 3.3.5.5, 3.3.5.6, 3.3.5.2.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paraph.auth.accounts import MemoryAccounts
from paraph.auth.base import Acceptor
from paraph.auth.ntlm import NTLMAcceptor, NTLMServer
from paraph.auth.spnego import NTLMAuthenticator, SpnegoAcceptor
from paraph.policy.settings import Policy
from paraph.server.events import LogonRefused, SessionClosed, SessionEstablished
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.close import CloseRequest
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.lock import LockElement, LockFlags
from paraph.wire.smb2.session import SessionSetupFlags, SessionSetupResponse
from paraph.wire.smb2.simple import CancelRequest
from tests.support.link import Dropped, NoReply
from tests.support.peer import client_context, create_body
from tests.support.variants import every_dialect
from tests.support.world import NAME, OTHER_PASSWORD, OTHER_USER, PASSWORD, USER, World

OPTIONAL = Policy(server_always=False)


# Logon


@every_dialect
@pytest.mark.parametrize("protocol", ["negotiate", "ntlm"])
def test_logon(dialect: int, protocol: str) -> None:
    world = World()
    peer = world.ready(dialects=[dialect])
    logon = peer.logon(protocol=protocol)
    session = world.server.sessions[logon.session_id]
    assert session.session_key == logon.key
    (event,) = world.told(SessionEstablished)
    assert event.user.endswith(USER)
    assert event.session_id == logon.session_id


def test_session_ids_are_not_to_be_guessed() -> None:
    world = World()
    peer = world.ready()
    ids = [peer.logon().session_id for _ in range(16)]
    assert len(set(ids)) == 16
    assert max(ids) > 1 << 48


@pytest.mark.parametrize(
    ("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD), (USER, OTHER_PASSWORD)]
)
def test_failed_logon_waits(user: str, password: str) -> None:
    """2 seconds for an answer, for that connection's request alone."""
    world = World()
    peer, other = world.ready(), world.ready()
    context = client_context(user, password, "negotiate")
    first = peer.setup(context.step() or b"")
    token = context.step(bytes(SessionSetupResponse.decode(first.view).security_buffer)) or b""
    peer.post_setup(token, first.header.session_id)
    with pytest.raises(NoReply):
        peer.receive()
    logon = other.logon()
    assert other.echo(logon).status == NTStatus.SUCCESS  # nobody waits with it
    second = peer.logon()  # not even on the same connection
    world.advance(1.9)
    with pytest.raises(NoReply):
        peer.receive()
    assert peer.echo(second).status == NTStatus.SUCCESS
    world.advance(0.2)
    reply = peer.receive()
    assert (reply.status, reply.signed) == (NTStatus.LOGON_FAILURE, False)
    assert reply.header.command == Command.SESSION_SETUP
    (event,) = world.told(LogonRefused)
    assert event.user.endswith(user)
    assert first.header.session_id not in world.server.sessions


def test_unknown_user_and_wrong_password_look_alike() -> None:
    answers = []
    for user in (USER, "nobody at all"):
        world = World(failed_logon_delay=0)
        reply = world.ready().try_logon(user, "wrong")[1]
        answers.append((reply.status, reply.data[64:]))
    assert answers[0] == answers[1]


def test_cancel_does_not_shorten_the_wait() -> None:
    """Else a guesser would need no patience."""
    world = World()
    peer = world.ready()
    context = client_context(USER, "wrong", "negotiate")
    first = peer.setup(context.step() or b"")
    token = context.step(bytes(SessionSetupResponse.decode(first.view).security_buffer)) or b""
    message_id = peer.next_id
    session_id = first.header.session_id
    peer.post_setup(token, session_id)
    peer.post(
        Command.CANCEL, CancelRequest().encode(), message_id=message_id, session_id=session_id
    )
    with pytest.raises(NoReply):
        peer.receive()
    world.advance(2.1)
    assert peer.receive().status == NTStatus.LOGON_FAILURE


def test_no_delay_when_it_is_switched_off() -> None:
    world = World(failed_logon_delay=0)
    _, reply = world.ready().try_logon(USER, "wrong")
    assert reply.status == NTStatus.LOGON_FAILURE


@pytest.mark.parametrize("token", [b"", b"\x60", b"NTLMSSP\0", b"\x60\x82\xff\xff", b"x" * 300])
def test_malformed_token(token: bytes) -> None:
    world = World(failed_logon_delay=0)
    peer = world.ready()
    reply = peer.setup(token)
    assert reply.status in (NTStatus.INVALID_PARAMETER, NTStatus.LOGON_FAILURE)
    assert not world.server.sessions
    assert peer.logon()


def test_leg_of_a_session_that_is_not_there() -> None:
    world = World()
    peer = world.ready()
    assert peer.setup(b"", 12345).status == NTStatus.USER_SESSION_DELETED
    elsewhere = world.ready().logon()
    assert peer.setup(b"", elsewhere.session_id).status == NTStatus.USER_SESSION_DELETED


def test_binding_is_not_offered() -> None:
    """No SMB2_GLOBAL_CAP_MULTI_CHANNEL: a second connection can not take over a session."""
    world = World()
    logon = world.ready().logon()
    peer = world.ready()
    reply = peer.setup(b"", logon.session_id, flags=SessionSetupFlags.BINDING)
    assert reply.status == NTStatus.REQUEST_NOT_ACCEPTED
    assert peer.setup(b"", 0, flags=SessionSetupFlags.BINDING).status != NTStatus.SUCCESS


def test_requests_of_a_session_in_progress() -> None:
    world = World(policy=OPTIONAL)
    peer = world.ready()
    context = client_context(USER, PASSWORD, "negotiate")
    session_id = peer.setup(context.step() or b"").header.session_id
    for command, body in (
        (Command.TREE_CONNECT, b"\x09\0\0\0\x48\0\x02\0\\\0"),
        (Command.CREATE, create_body("x")),
    ):
        reply = peer.call(command, body, session_id=session_id)
        assert reply.status in (NTStatus.INVALID_PARAMETER, NTStatus.ACCESS_DENIED)
    assert "x" not in world.backend.paths()


def test_two_users_on_one_connection() -> None:
    """Each with its own key, trees and opens."""
    world = World()
    peer = world.ready()
    alice, bob = peer.logon(), peer.logon(OTHER_USER, OTHER_PASSWORD)
    assert alice.key != bob.key
    tree = peer.tree(alice)
    file = peer.create(alice, tree, "hello.txt")
    reply = peer.try_create(bob, tree, "x")
    assert reply.status == NTStatus.NETWORK_NAME_DELETED
    bobs = peer.tree(bob)
    body = CloseRequest(0, *file).encode()
    assert peer.call(Command.CLOSE, body, bob, bobs).status == NTStatus.FILE_CLOSED
    assert peer.close(alice, tree, file).status == NTStatus.SUCCESS


def test_open_belongs_to_its_tree() -> None:
    world = World()
    peer = world.ready()
    logon = peer.logon()
    first, second = peer.tree(logon), peer.tree(logon)
    file = peer.create(logon, first, "hello.txt")
    assert peer.close(logon, second, file).status == NTStatus.FILE_CLOSED
    assert peer.close(logon, first, (file[0] ^ 1, file[1])).status == NTStatus.FILE_CLOSED
    assert peer.close(logon, first, file).status == NTStatus.SUCCESS
    assert peer.close(logon, first, file).status == NTStatus.FILE_CLOSED


# Logoff


@every_dialect
def test_logoff(dialect: int) -> None:
    world = World()
    peer = world.ready(dialects=[dialect])
    logon = peer.logon()
    tree = peer.tree(logon)
    peer.create(logon, tree, "hello.txt")
    reply = peer.logoff(logon)
    assert (reply.status, reply.signed) == (NTStatus.SUCCESS, True)
    assert not world.server.sessions
    assert not world.server.files
    assert peer.logoff(logon).status == NTStatus.USER_SESSION_DELETED
    (event,) = world.told(SessionClosed)
    assert event.session_id == logon.session_id


def test_logoff_of_a_session_in_progress() -> None:
    world = World()
    peer = world.ready()
    context = client_context(USER, PASSWORD, "negotiate")
    session_id = peer.setup(context.step() or b"").header.session_id
    reply = peer.call(Command.LOGOFF, CancelRequest().encode(), session_id=session_id)
    assert reply.status == NTStatus.SUCCESS
    assert not world.server.sessions


def test_echo_before_any_session() -> None:
    peer = World().ready()
    with pytest.raises(Dropped):
        peer.echo()


def test_echo_of_no_session_beside_one() -> None:
    """Allowed: it is a sign of life of the connection (3.3.5.17)."""
    peer = World().ready()
    peer.logon()
    assert peer.echo().status == NTStatus.SUCCESS


# Re-authentication


@every_dialect
def test_reauthentication(dialect: int) -> None:
    """Keys, trees and opens stay ([MS-SMB2] 3.3.5.5.2)."""
    world = World()
    peer = world.ready(dialects=[dialect])
    logon = peer.logon()
    tree = peer.tree(logon)
    file = peer.create(logon, tree, "hello.txt")
    key = world.server.sessions[logon.session_id].session_key
    for _ in range(2):
        reply = peer.reauthenticate(logon)
        assert (reply.status, reply.signed) == (NTStatus.SUCCESS, True)
    assert world.server.sessions[logon.session_id].session_key == key
    assert peer.read(logon, tree, file) == b"Hello, world.\n"
    assert len(world.told(SessionEstablished)) == 1


def test_reauthentication_as_somebody_else() -> None:
    world = World()
    peer = world.ready()
    logon = peer.logon()
    peer.create(logon, peer.tree(logon), "hello.txt")
    reply = peer.reauthenticate(logon, OTHER_USER, OTHER_PASSWORD)
    assert reply.status == NTStatus.ACCESS_DENIED
    assert not world.server.sessions
    assert not world.server.files


def test_reauthentication_with_a_wrong_password() -> None:
    world = World(failed_logon_delay=0)
    peer = world.ready()
    logon = peer.logon()
    assert peer.reauthenticate(logon, USER, "wrong").status == NTStatus.LOGON_FAILURE
    assert peer.echo(logon).status == NTStatus.USER_SESSION_DELETED


# PreviousSessionId


@pytest.mark.parametrize("same_connection", [True, False])
def test_previous_session_is_replaced(same_connection: bool) -> None:
    world = World()
    peer = world.ready()
    old = peer.logon()
    peer.create(old, peer.tree(old), "hello.txt")
    other = peer if same_connection else world.ready()
    new = other.logon(previous=old.session_id)
    assert set(world.server.sessions) == {new.session_id}
    assert not world.server.files
    reply = peer.echo(old) if same_connection else None
    assert reply is None or reply.status == NTStatus.USER_SESSION_DELETED


def test_previous_session_of_somebody_else_stays() -> None:
    world = World()
    peer = world.ready()
    old = peer.logon()
    world.ready().logon(OTHER_USER, OTHER_PASSWORD, previous=old.session_id)
    assert peer.echo(old).status == NTStatus.SUCCESS


@pytest.mark.parametrize("kind", ["guest", "failed"])
def test_previous_session_needs_proof(kind: str) -> None:
    """A guest, or a failed logon, ends nobody's session."""
    world = World(policy=OPTIONAL, allow_guest=True, failed_logon_delay=0)
    peer = world.ready()
    old = peer.logon()
    user = "nobody" if kind == "guest" else USER
    world.ready().try_logon(user, "wrong", previous=old.session_id)
    assert peer.echo(old).status == NTStatus.SUCCESS


# Expiry


class _Expiring(SpnegoAcceptor):
    def __init__(self, ntlm: NTLMAcceptor, until: Callable[[], int]) -> None:
        super().__init__(ntlm)
        self.until = until

    def step(self, token: bytes) -> bytes:
        answer = super().step(token)
        if self.complete:
            self.expires = self.until()
        return answer


class ExpiringAuthenticator(NTLMAuthenticator):
    """Logons that last for 100 seconds, as a Kerberos ticket would."""

    world: World

    def acceptor(self) -> SpnegoAcceptor:
        accounts = MemoryAccounts({USER: PASSWORD})
        ntlm = NTLMAcceptor(NTLMServer(accounts, NAME))
        return _Expiring(ntlm, lambda: self.world.platform.filetime() + 100 * 10**7)


def expiring_world(**settings: Any) -> World:
    authenticator = ExpiringAuthenticator(MemoryAccounts({}), server_name=NAME)
    world = World(authenticator=authenticator, **settings)
    authenticator.world = world
    return world


@pytest.mark.parametrize("required", [True, False])
def test_expired_session(required: bool) -> None:
    """Only LOGOFF, CLOSE and LOCK go on (3.3.5.2.9); the answer is still signed; a signed
    re-authentication brings it back, an unsigned one does not where signing is required."""
    world = expiring_world(policy=Policy(server_always=required))
    peer = world.ready()
    logon = peer.logon()
    tree = peer.tree(logon)
    file, kept = peer.create(logon, tree, "hello.txt"), peer.create(logon, tree, "hello.txt")
    world.advance(99)
    assert peer.read(logon, tree, file) == b"Hello, world.\n"
    world.advance(2)

    reply = peer.try_create(logon, tree, "late", sign=True)
    assert (reply.status, reply.signed) == (NTStatus.NETWORK_SESSION_EXPIRED, True)
    assert peer.try_tree(logon).status == NTStatus.NETWORK_SESSION_EXPIRED
    peer.post_lock(logon, tree, file, LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK))
    assert peer.receive().status == NTStatus.SUCCESS
    assert peer.close(logon, tree, file).status == NTStatus.SUCCESS
    assert "late" not in world.backend.paths()

    if required:
        reply = peer.reauthenticate(logon, sign=False)
        assert (reply.status, reply.signed) == (NTStatus.ACCESS_DENIED, False)
        assert peer.try_tree(logon).status == NTStatus.NETWORK_SESSION_EXPIRED
    assert peer.reauthenticate(logon).status == NTStatus.SUCCESS
    assert peer.read(logon, tree, kept) == b"Hello, world.\n"
    world.advance(99)
    assert peer.read(logon, tree, kept) == b"Hello, world.\n"


def test_logoff_of_an_expired_session() -> None:
    world = expiring_world()
    peer = world.ready()
    logon = peer.logon()
    world.advance(101)
    assert peer.logoff(logon).status == NTStatus.SUCCESS
    assert not world.server.sessions


def test_the_end_of_a_connection_ends_its_sessions() -> None:
    world = World()
    peer = world.ready()
    logons = [peer.logon(), peer.logon(OTHER_USER, OTHER_PASSWORD)]
    peer.create(logons[0], peer.tree(logons[0]), "hello.txt")
    peer.link.close()
    assert not world.server.sessions
    assert not world.server.files
    assert len(world.told(SessionClosed)) == 2
    assert isinstance(world.server.authenticator.acceptor(), Acceptor)
