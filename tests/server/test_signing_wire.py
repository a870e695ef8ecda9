"""Requests whose signature is missing, wrong or somebody else's ([MS-SMB2] 3.3.5.2.4, 3.1.4.1).

The effect is looked at, not the status alone: a request that must be refused would make a file, and
the file must not be there. The functions named `probe_*` are run a second time with the check taken
out of the server, and must then fail: see `test_probes_have_teeth`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paraph.crypto.signing import Role, signer
from paraph.policy.settings import Policy
from paraph.server.events import RequestRefused
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import (
    FLAGS_OFFSET,
    SIGNATURE_OFFSET,
    Command,
    Flags,
)
from paraph.wire.smb2.simple import EchoRequest
from tests.support.link import Dropped, NoReply
from tests.support.peer import Logon, Peer, create_body
from tests.support.variants import GMAC, ONE_EACH, Variant, each_algorithm, every_variant
from tests.support.world import OTHER_PASSWORD, OTHER_USER, World

OPTIONAL = Policy(server_always=False)
REFUSED = (NTStatus.ACCESS_DENIED, NTStatus.USER_SESSION_DELETED, NTStatus.INVALID_PARAMETER)
ECHO = EchoRequest().encode()


class Desk:
    """A server, and a client that has a session and a tree connect."""

    def __init__(self, variant: Variant, *, required: bool = True, **offer: Any) -> None:
        self.world = World(policy=Policy(server_always=required))
        self.peer = self.world.ready(**{**variant.offer, **offer})
        assert self.peer.signing_id == variant.signing
        self.logon = self.peer.logon()
        self.tree = self.peer.tree(self.logon)

    def create(self, name: str, **fields: Any) -> bytearray:
        """An unsigned CREATE that makes a file."""
        return self.peer.message(Command.CREATE, create_body(name), self.logon, self.tree, **fields)

    def signed(self, name: str, **fields: Any) -> bytearray:
        return self.peer.sign(self.create(name, **fields), self.logon)

    def outcome(self, message: bytes | bytearray) -> int | None:
        """The status of the answer; None when the connection was dropped, or nothing came."""
        self.peer.send(message)
        try:
            reply = self.peer.receive()
        except (Dropped, NoReply):
            return None
        assert not reply.signed, "an answer to a request that was not verified is not signed"
        return reply.status

    def exists(self, name: str) -> bool:
        return name in self.world.backend.paths()

    def expect_refused(self, message: bytes | bytearray, name: str, *statuses: int) -> None:
        status = self.outcome(message)
        assert not self.exists(name), "the request was carried out"
        assert status in (statuses or (None, *REFUSED)), status


# Altered bytes


def probe_altered_byte(variant: Variant, offset: int, mask: int, required: bool = True) -> None:
    desk = Desk(variant, required=required)
    message = desk.signed("altered")
    message[offset] ^= mask
    desk.expect_refused(message, "altered")
    # Somebody else on the server does not notice.
    other = desk.world.ready()
    assert other.echo(other.logon()).status == NTStatus.SUCCESS


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
@each_algorithm
def test_each_byte_of_the_header_and_the_last_of_the_body(variant: Variant, mask: int) -> None:
    length = len(Desk(variant).signed("altered"))
    for offset in (*range(64), 64, length - 1):
        probe_altered_byte(variant, offset, mask)


@every_variant
def test_altered_byte_where_signing_is_not_required(variant: Variant) -> None:
    """A signature that is there counts, required or not."""
    for offset in (8, SIGNATURE_OFFSET, SIGNATURE_OFFSET + 15, 70, 120):
        probe_altered_byte(variant, offset, 0x10, required=False)


def probe_zero_signature(variant: Variant, required: bool = True) -> None:
    desk = Desk(variant, required=required)
    message = desk.signed("zero")
    message[SIGNATURE_OFFSET : SIGNATURE_OFFSET + 16] = bytes(16)
    desk.expect_refused(message, "zero", NTStatus.ACCESS_DENIED)


@pytest.mark.parametrize("required", [True, False])
@every_variant
def test_zero_signature(variant: Variant, required: bool) -> None:
    probe_zero_signature(variant, required)


def probe_cleared_flag(variant: Variant) -> None:
    desk = Desk(variant)
    message = desk.signed("cleared")
    message[FLAGS_OFFSET] &= ~Flags.SIGNED & 0xFF
    desk.expect_refused(message, "cleared", NTStatus.ACCESS_DENIED)
    (event,) = desk.world.told(RequestRefused)
    assert event.command == "CREATE"
    assert "not signed" in event.reason


@every_variant
def test_signed_flag_cleared(variant: Variant) -> None:
    probe_cleared_flag(variant)


def probe_truncated_signature(variant: Variant) -> None:
    """The first bytes right, the last ones not: all 16 are compared."""
    desk = Desk(variant)
    message = desk.signed("half")
    message[SIGNATURE_OFFSET + 8 : SIGNATURE_OFFSET + 16] = bytes(8)
    desk.expect_refused(message, "half", NTStatus.ACCESS_DENIED)


@every_variant
def test_half_a_signature(variant: Variant) -> None:
    probe_truncated_signature(variant)


# Replays


@pytest.mark.parametrize("required", [True, False])
@every_variant
def test_replayed_message(variant: Variant, required: bool) -> None:
    """The sequence window ends the connection ([MS-SMB2] 3.3.5.2.3)."""
    desk = Desk(variant, required=required)
    message = desk.signed("once")
    desk.peer.send(message)
    assert desk.peer.receive().status == NTStatus.SUCCESS
    with pytest.raises(Dropped, match="sequence window"):
        desk.peer.send(message)
        desk.peer.receive()


@each_algorithm
def test_replayed_message_id_with_other_content(variant: Variant) -> None:
    desk = Desk(variant)
    message_id = desk.peer.next_id
    desk.peer.send(desk.signed("first"))
    assert desk.peer.receive().status == NTStatus.SUCCESS
    desk.expect_refused(desk.signed("second", message_id=message_id), "second")
    assert desk.peer.link.closed


@each_algorithm
def test_message_of_another_connection(variant: Variant) -> None:
    """The very bytes of one connection, sent on a second one of the same user."""
    desk = Desk(variant)
    second = desk.world.ready(**variant.offer)
    second.tree(second.logon())
    assert second.next_id == desk.peer.next_id
    second.send(desk.signed("elsewhere"))
    assert second.receive().status == NTStatus.USER_SESSION_DELETED
    assert not desk.exists("elsewhere")


# Keys of others


def probe_other_sessions_key(variant: Variant) -> None:
    desk = Desk(variant)
    other = desk.peer.logon(OTHER_USER, OTHER_PASSWORD)
    message = desk.peer.sign(desk.create("stolen"), other)
    desk.expect_refused(message, "stolen", NTStatus.ACCESS_DENIED)


def probe_other_connections_key(variant: Variant) -> None:
    desk = Desk(variant)
    other = desk.world.ready(**variant.offer).logon()
    message = desk.peer.sign(desk.create("stolen"), other)
    desk.expect_refused(message, "stolen", NTStatus.ACCESS_DENIED)


def probe_own_role(variant: Variant) -> None:
    """Signed as the server would: with GMAC the direction is in the nonce."""
    desk = Desk(variant)
    assert desk.logon.keys is not None
    key = signer(variant.signing, desk.logon.keys.signing, Role.SERVER)
    if variant.signing == GMAC:
        desk.expect_refused(
            desk.peer.sign(desk.create("mirror"), key), "mirror", NTStatus.ACCESS_DENIED
        )


def probe_other_algorithm(variant: Variant) -> None:
    desk = Desk(variant)
    assert desk.logon.keys is not None
    for algorithm in {0, 1, 2} - {variant.signing}:
        name = f"algorithm {algorithm}"
        key = signer(algorithm, desk.logon.keys.signing, Role.CLIENT)
        message = desk.peer.sign(desk.create(name), key)
        desk.expect_refused(message, name, NTStatus.ACCESS_DENIED)


@pytest.mark.parametrize(
    "probe",
    [probe_other_sessions_key, probe_other_connections_key, probe_own_role, probe_other_algorithm],
)
@every_variant
def test_wrong_key(variant: Variant, probe: Callable[[Variant], None]) -> None:
    probe(variant)


@each_algorithm
def test_key_after_reauthentication(variant: Variant) -> None:
    """Re-authentication keeps the keys ([MS-SMB2] 3.3.5.5.2): the old one goes on to sign, one of
    the new exchange does not."""
    desk = Desk(variant)
    assert desk.peer.reauthenticate(desk.logon).status == NTStatus.SUCCESS
    assert desk.peer.echo(desk.logon).status == NTStatus.SUCCESS
    fresh = Logon(desk.logon.session_id)
    desk.peer.set_keys(fresh, bytes(range(16)), desk.peer.preauth)
    message = desk.peer.sign(desk.create("fresh"), fresh)
    desk.expect_refused(message, "fresh", NTStatus.ACCESS_DENIED)


@pytest.mark.parametrize("required", [True, False])
@every_variant
def test_signed_request_of_no_session(variant: Variant, required: bool) -> None:
    """SessionId 0, unknown, logged off, or of another connection: ksmbd once fell over these."""
    desk = Desk(variant, required=required)
    gone = desk.peer.logon()
    assert desk.peer.logoff(gone, sign=True).status == NTStatus.SUCCESS
    elsewhere = desk.world.ready(**variant.offer).logon()
    for session_id in (0, 1, gone.session_id, elsewhere.session_id, (1 << 64) - 1):
        for command, body in ((Command.ECHO, ECHO), (Command.CREATE, create_body("x"))):
            message = desk.peer.message(command, body, session_id=session_id, tree=desk.tree)
            desk.peer.send(desk.peer.sign(message, desk.logon))
            reply = desk.peer.receive()
            assert (reply.status, reply.signed) == (NTStatus.USER_SESSION_DELETED, False)
    assert not desk.exists("x")


@pytest.mark.parametrize("kind", ["guest", "anonymous"])
def test_signed_request_of_a_session_without_key(kind: str) -> None:
    world = World(policy=OPTIONAL, allow_guest=True, allow_anonymous=True)
    peer = world.ready()
    logon = peer.logon("nobody") if kind == "guest" else peer.anonymous()[0]
    assert logon.signer is None
    key = signer(peer.signing_id, bytes(16), Role.CLIENT)
    peer.send(peer.sign(peer.message(Command.ECHO, ECHO, logon), key))
    assert peer.receive().status == NTStatus.NOT_SUPPORTED


def test_signed_leg_of_a_session_in_progress() -> None:
    """There is no key yet, so a signature can not be right."""
    world = World()
    peer = world.ready()
    first = peer.setup(b"NTLMSSP\0" + bytes(40))
    key = signer(peer.signing_id, bytes(16), Role.CLIENT)
    message = peer.message(Command.SESSION_SETUP, bytes(32), session_id=first.header.session_id)
    peer.send(peer.sign(message, key))
    assert peer.receive().status in (NTStatus.NOT_SUPPORTED, NTStatus.USER_SESSION_DELETED)


def test_signed_negotiate() -> None:
    world = World()
    peer = world.peer()
    reply = peer.negotiate_raw(peer.offer.request().encode(), flags=Flags.SIGNED)
    assert reply.status == NTStatus.INVALID_PARAMETER
    assert peer.negotiate_raw(peer.offer.request().encode()).status == NTStatus.SUCCESS


# Re-authentication, expiry


@each_algorithm
@pytest.mark.parametrize("sign", [True, False])
def test_reauthentication_stands_under_the_requirement(variant: Variant, sign: bool) -> None:
    desk = Desk(variant)
    reply = desk.peer.reauthenticate(desk.logon, sign=sign)
    assert reply.status == (NTStatus.SUCCESS if sign else NTStatus.ACCESS_DENIED)
    assert reply.signed == sign
    assert desk.peer.echo(desk.logon).status == NTStatus.SUCCESS


@each_algorithm
def test_reauthentication_does_not_lower_the_requirement(variant: Variant) -> None:
    desk = Desk(variant)
    desk.world.server.settings = replace(desk.world.settings, policy=OPTIONAL)
    assert desk.peer.reauthenticate(desk.logon).status == NTStatus.SUCCESS
    assert desk.peer.echo(desk.logon, sign=False).status == NTStatus.ACCESS_DENIED


# 3.1.1 TREE_CONNECT, policy


@pytest.mark.parametrize("required", [True, False])
def test_unsigned_tree_connect(required: bool) -> None:
    """3.1.1 drops; 2.1 refuses when required, else allows ([MS-SMB2] 3.3.5.7)."""
    desk = Desk(Variant(0x0210, 0), required=required)
    expected = NTStatus.ACCESS_DENIED if required else NTStatus.SUCCESS
    assert desk.peer.try_tree(desk.logon, sign=False).status == expected
    desk = Desk(Variant(0x0311, GMAC), required=required)
    with pytest.raises(Dropped):
        desk.peer.try_tree(desk.logon, sign=False)


def flipped(before: bool) -> tuple[World, Peer, Logon]:
    """A world whose policy is changed behind the back of a session that lives."""
    world = World(policy=Policy(server_always=before))
    peer = world.ready(dialects=[0x0302])
    session = peer.logon()
    world.server.settings = replace(world.settings, policy=Policy(server_always=not before))
    return world, peer, session


@pytest.mark.parametrize("before", [True, False])
def test_sessions_keep_the_policy_under_which_they_were_set_up(before: bool) -> None:
    world, peer, session = flipped(before)
    denied = {True: NTStatus.ACCESS_DENIED, False: NTStatus.SUCCESS}
    assert peer.echo(session, sign=False).status == denied[before]
    assert peer.echo(session, sign=True).status == NTStatus.SUCCESS
    new_peer = world.ready(dialects=[0x0302])
    assert new_peer.response.security_mode == (0x01 if before else 0x03)
    assert new_peer.echo(new_peer.logon(), sign=False).status == denied[not before]


def test_a_milder_policy_counts_for_the_next_session_of_a_connection() -> None:
    _, peer, _ = flipped(before=True)
    assert peer.echo(peer.logon(), sign=False).status == NTStatus.SUCCESS


def test_a_stricter_policy_makes_the_client_negotiate_anew() -> None:
    """It was told that signing is not required, so its next logon must not go on from there."""
    _, peer, _ = flipped(before=False)
    with pytest.raises(Dropped, match="signing became required after NEGOTIATE"):
        peer.logon()


# How it is compared


@each_algorithm
def test_signatures_are_compared_in_constant_time(
    variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def spy(left: bytes, right: bytes) -> bool:
        compared.append((len(left), bytes(right)))
        return hmac.compare_digest(left, right)

    desk = Desk(variant)
    monkeypatch.setattr("paraph.crypto.signing.compare_digest", spy)
    desk.peer.verifying = False  # the client's own comparisons are not meant
    good = desk.signed("good")
    bad = desk.signed("bad")
    bad[SIGNATURE_OFFSET] ^= 1
    for message in (good, bad):
        desk.peer.send(message)
        desk.peer.receive()
    signatures = [bytes(m[SIGNATURE_OFFSET : SIGNATURE_OFFSET + 16]) for m in (good, bad)]
    assert compared == [(16, signature) for signature in signatures]


# AES-256 beside each signing algorithm


@pytest.mark.parametrize("cipher", [1, 2, 3, 4])
@pytest.mark.parametrize("algorithm", [0, 1, 2])
def test_signing_key_beside_each_cipher(cipher: int, algorithm: int) -> None:
    """The signing key has 16 bytes even where the cipher's have 32: ksmbd once mis-signed the
    final SESSION_SETUP response, and macOS left."""
    world = World(policy=OPTIONAL, encryption="required")
    peer = world.ready(dialects=[0x0311], signing=[algorithm], ciphers=[cipher])
    assert (peer.signing_id, peer.cipher_id) == (algorithm, cipher)
    logon = peer.logon()
    assert logon.final.signed
    assert peer.verify(logon.final)
    assert peer.echo(logon).sealed


@every_variant
def test_raw_ntlm_logon(variant: Variant) -> None:
    """Without SPNEGO the key comes out just the same."""
    world = World()
    peer = world.ready(**variant.offer)
    logon = peer.logon(protocol="ntlm")
    assert peer.verify(logon.final)
    assert peer.echo(logon).signed


# Teeth

_PROBES: list[Callable[[Variant], None]] = [
    lambda variant: probe_altered_byte(variant, 64 + 30, 0x40),  # of ShareAccess and around it
    lambda variant: probe_altered_byte(variant, SIGNATURE_OFFSET, 1),
    probe_zero_signature,
    probe_cleared_flag,
    probe_truncated_signature,
    probe_other_sessions_key,
    probe_other_connections_key,
    probe_other_algorithm,
]


@pytest.mark.parametrize("probe", _PROBES)
def test_probes_have_teeth(
    probe: Callable[[Variant], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the server's check gone, each probe notices."""
    monkeypatch.setattr(
        "paraph.server.lookup.check_signature", lambda message, key, *, required: None
    )
    for variant in ONE_EACH:
        with pytest.raises(AssertionError, match=r"carried out|not verified"):
            probe(variant)


def test_direction_probe_has_teeth(monkeypatch: pytest.MonkeyPatch) -> None:
    """The direction's bit gone from the nonce of GMAC."""
    monkeypatch.setattr("paraph.crypto.signing._NONCE_TAIL", (bytes(4),) * 4)
    with pytest.raises(AssertionError):
        probe_own_role(Variant(0x0311, GMAC))


def test_peer_notices_a_wrong_reply() -> None:
    """The client of these tests verifies what it gets."""
    desk = Desk(Variant(0x0311, GMAC))
    reply = desk.peer.echo(desk.logon)
    assert desk.peer.verify(reply)
    for offset in (8, SIGNATURE_OFFSET, len(reply.data) - 1):
        altered = bytearray(reply.data)
        altered[offset] ^= 1
        assert not desk.peer.verify(replace(reply, data=bytes(altered)))
