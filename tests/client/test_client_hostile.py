"""What a hostile server, or somebody on the way, may try: each is refused, and the exception says
what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from paraph.client import operations, transfer
from paraph.client.tree import Tree
from paraph.errors import ConnectionLost, PolicyRefused, SecurityViolation, SMBError
from paraph.policy.settings import Policy
from paraph.server.events import LogonRefused
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.error import ErrorResponse
from paraph.wire.smb2.header import NO_MESSAGE_ID, Command, Flags, Header
from paraph.wire.smb2.negotiate import (
    ContextType,
    NegotiateContext,
    NegotiateRequest,
    NegotiateResponse,
)
from paraph.wire.smb2.negotiate_contexts import (
    EncryptionCapabilities,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from paraph.wire.smb2.oplock import OplockBreakNotification
from tests.client.joined import Joined, Stalled, clear_signature, flip, headers, is_plain, on
from tests.support.world import World

LAX = Policy(server_always=False, client_always=False)
SERVER_LAX = Policy(server_always=False)
SIGNED_DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)


def ready(**options: Any) -> tuple[Joined, Tree]:
    world = World(**options.pop("world", {}))
    joined = Joined(world, **options)
    return joined, joined.log_on()


def refused(
    joined: Joined, steps: Any, *words: str, kind: type[Exception] = SecurityViolation
) -> None:
    """The operation fails so, says so, and the connection is of no use any more."""
    with pytest.raises(kind) as caught:
        joined.run(steps)
    for word in words:
        assert word in str(caught.value)
    assert joined.connection.failure is not None
    sent = len(joined.sent)
    if joined.tree is not None:
        with pytest.raises(kind):
            joined.run(operations.stat(joined.tree, "hello.txt"))
    assert len(joined.sent) == sent, "something was sent after the refusal"


# Answers on a session


@pytest.mark.parametrize("dialect", SIGNED_DIALECTS)
def test_an_unsigned_answer(dialect: int) -> None:
    joined, tree = ready(max_dialect=dialect)
    joined.on_answer = on(Command.CREATE, clear_signature)
    refused(joined, transfer.read_bytes(tree, "hello.txt"), "CREATE", "not signed")


@pytest.mark.parametrize("algorithm", [0, 1, 2])
def test_a_wrong_signature(algorithm: int) -> None:
    joined, tree = ready(signing_algorithms=(algorithm,))
    joined.on_answer = on(Command.CREATE, flip(50))
    refused(joined, transfer.read_bytes(tree, "hello.txt"), "CREATE", "wrong signature")


@pytest.mark.parametrize("offset", [*range(64), -1])
def test_any_byte_of_an_answer(offset: int) -> None:
    joined, tree = ready()
    joined.on_answer = on(Command.ECHO, flip(offset))
    with pytest.raises((SMBError, Stalled)):
        joined.run(operations.echo(tree))


def test_every_byte_of_file_data_counts() -> None:
    joined, tree = ready()

    def change(payload: bytearray) -> None:
        at = payload.find(b"Hello, world.")
        assert at > 0
        payload[at + 3] ^= 0x20

    joined.on_answer = on(Command.CREATE, change)
    refused(joined, transfer.read_bytes(tree, "hello.txt"), "READ", "wrong signature")


def test_the_padding_in_a_compound_counts() -> None:
    joined, tree = ready()

    def change(payload: bytearray) -> None:
        second = headers(bytes(payload))[0].next_command
        third = second + headers(bytes(payload))[1].next_command
        payload[third - 1] ^= 1  # between the READ's 14 bytes of data and the CLOSE

    joined.on_answer = on(Command.CREATE, change)
    refused(joined, transfer.read_bytes(tree, "hello.txt"), "wrong signature")


def test_a_signature_of_another_session() -> None:
    joined, tree = ready()
    other, _ = ready()
    assert other.connection.session is not None
    key = other.connection.session.signer
    assert key is not None

    def change(payload: bytearray) -> None:
        key.sign(payload)

    joined.on_answer = on(Command.ECHO, change)
    refused(joined, operations.echo(tree), "wrong signature")


def test_a_replayed_answer_is_dropped() -> None:
    joined, tree = ready()
    joined.on_answer = lambda payload: [payload, bytearray(payload)]
    assert joined.run(transfer.read_bytes(tree, "hello.txt")) == b"Hello, world.\n"
    assert joined.connection.discarded == 3


def test_an_old_answer_for_a_new_request() -> None:
    joined, tree = ready()
    joined.run(operations.echo(tree))
    old = bytearray(joined.received[-1])

    def change(payload: bytearray) -> bytearray:
        old[24:32] = payload[24:32]  # the MessageId
        return old

    joined.on_answer = on(Command.ECHO, change)
    refused(joined, operations.echo(tree), "wrong signature")


def test_an_answer_with_an_unknown_message_id_is_dropped() -> None:
    joined, tree = ready()

    def change(payload: bytearray) -> list[bytearray]:
        stray = bytearray(payload)
        stray[24:32] = (999).to_bytes(8, "little")
        return [stray, payload]

    joined.on_answer = on(Command.ECHO, change)
    joined.run(operations.echo(tree))
    assert joined.connection.discarded == 1


def test_our_own_request_sent_back() -> None:
    joined, tree = ready()
    joined.on_answer = lambda payload: bytearray(joined.sent[-1])
    refused(joined, operations.echo(tree), "our own messages")


def test_the_answer_to_another_command() -> None:
    joined, tree = ready(policy=LAX, world={"policy": LAX})
    joined.on_answer = on(Command.ECHO, lambda payload: payload.__setitem__(12, Command.LOGOFF))
    refused(joined, operations.echo(tree), "command")


def test_a_failure_needs_a_signature_too() -> None:
    joined, tree = ready()
    joined.on_answer = on(Command.CREATE, clear_signature)
    refused(joined, operations.stat(tree, "missing.txt"), "OBJECT_NAME_NOT_FOUND", "not signed")


@pytest.mark.parametrize("relaxed", [False, True])
def test_an_unsigned_session_deleted(relaxed: bool) -> None:
    """What Samba's client believes; here only when asked to."""
    joined, tree = ready(relaxed=relaxed)

    def change(payload: bytearray) -> bytearray:
        header = Header.decode(memoryview(payload))
        header.status = NTStatus.USER_SESSION_DELETED
        header.flags &= ~Flags.SIGNED
        header.signature = bytes(16)
        return bytearray(header.encode() + ErrorResponse().encode())

    joined.on_answer = on(Command.ECHO, change)
    if relaxed:
        with pytest.raises(SMBError) as caught:
            joined.run(operations.echo(tree))
        assert caught.value.status == NTStatus.USER_SESSION_DELETED
    else:
        refused(joined, operations.echo(tree), "USER_SESSION_DELETED", "not signed")


# Interim answers and notifications


def interim(payload: bytearray, *, flags: int) -> bytearray:
    header = Header.decode(memoryview(payload))
    header.status, header.credits, header.async_or_tree = NTStatus.PENDING, 0, 77
    header.flags, header.signature = Flags.SERVER_TO_REDIR | flags, bytes(16)
    return bytearray(header.encode() + ErrorResponse().encode())


def test_an_interim_answer_need_not_be_signed() -> None:
    joined, tree = ready()
    joined.on_answer = on(
        Command.ECHO, lambda payload: [interim(payload, flags=Flags.ASYNC_COMMAND), payload]
    )
    joined.run(operations.echo(tree))


def test_a_signature_on_an_interim_answer_is_ignored() -> None:
    joined, tree = ready()
    flags = Flags.ASYNC_COMMAND | Flags.SIGNED
    joined.on_answer = on(Command.ECHO, lambda payload: [interim(payload, flags=flags), payload])
    joined.run(operations.echo(tree))


def test_pending_without_the_asynchronous_form_is_no_interim_answer() -> None:
    joined, tree = ready()
    joined.on_answer = on(Command.ECHO, lambda payload: interim(payload, flags=0))
    refused(joined, operations.echo(tree), "PENDING", "not signed")


def test_the_final_answer_after_an_interim_one_is_signed() -> None:
    joined, tree = ready()

    def change(payload: bytearray) -> list[bytearray]:
        first = interim(payload, flags=Flags.ASYNC_COMMAND)
        clear_signature(payload)
        payload[16] |= Flags.ASYNC_COMMAND
        return [first, payload]

    joined.on_answer = on(Command.ECHO, change)
    refused(joined, operations.echo(tree), "ECHO", "not signed")


@pytest.mark.parametrize("command", [Command.OPLOCK_BREAK, Command.READ, Command.LOGOFF])
def test_a_forged_notification_changes_nothing(command: int) -> None:
    joined, tree = ready()
    header = Header(0, 0, command, 999, Flags.SERVER_TO_REDIR, 0, NO_MESSAGE_ID, 0, 0)
    forged = header.encode() + OplockBreakNotification(0, 1, 2).encode()
    credits = joined.connection.credits
    joined.connection.receive(0, memoryview(bytearray(forged)))
    assert joined.connection.credits == credits
    sent = len(joined.sent)
    assert joined.run(transfer.read_bytes(tree, "hello.txt")) == b"Hello, world.\n"
    assert len(joined.sent) == sent + 1


# Encryption


@pytest.mark.parametrize("cipher", [1, 2, 3, 4])
def test_an_encrypted_answer_that_was_altered(cipher: int) -> None:
    joined, tree = ready(encryption="required", ciphers=(cipher,), world={"encryption": "desired"})
    joined.on_answer = lambda payload: flip(-1)(payload) or payload
    refused(joined, transfer.read_bytes(tree, "hello.txt"), "altered")


def test_a_plain_answer_to_an_encrypted_request() -> None:
    joined, tree = ready(encryption="required", world={"encryption": "desired"})
    session = joined.connection.session
    assert session is not None
    assert session.sealer is not None
    sealer = session.sealer
    joined.on_answer = lambda payload: bytearray(sealer.open(payload))
    refused(joined, transfer.read_bytes(tree, "hello.txt"), "not encrypted")


def test_encryption_that_nobody_agreed_on() -> None:
    joined, tree = ready()
    joined.on_answer = lambda payload: bytearray(b"\xfdSMB" + bytes(60) + payload)
    refused(joined, operations.echo(tree), "no keys")


def test_compression_that_nobody_agreed_on() -> None:
    joined, tree = ready()
    joined.on_answer = lambda payload: bytearray(b"\xfcSMB" + bytes(12) + payload)
    refused(joined, operations.echo(tree), "compressed", kind=ConnectionLost)


def test_required_encryption_and_a_server_without() -> None:
    joined = Joined(World(encryption="off"), encryption="required")
    refused(joined, joined.target.establish(joined.connection), "cipher", kind=PolicyRefused)
    assert len(joined.sent) == 1, "nothing but NEGOTIATE may be sent"


# The logon


def logon_fails(
    joined: Joined, *words: str, kind: type[Exception] = SecurityViolation, legs: int | None = None
) -> None:
    refused(joined, joined.target.establish(joined.connection), *words, kind=kind)
    commands = {one.command for frame in joined.sent if is_plain(frame) for one in headers(frame)}
    assert commands <= {Command.NEGOTIATE, Command.SESSION_SETUP}, "more than the logon was sent"


@pytest.mark.parametrize("policy", [Policy(), LAX])
def test_an_unsigned_final_session_setup_response_in_3_1_1(policy: Policy) -> None:
    joined = Joined(World(policy=SERVER_LAX), policy=policy)
    joined.on_answer = on(Command.SESSION_SETUP, clear_signature, status=NTStatus.SUCCESS)
    logon_fails(joined, "final SESSION_SETUP response is not signed")


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x0300, 0x0302])
def test_an_unsigned_final_session_setup_response(dialect: int) -> None:
    joined = Joined(World(), max_dialect=dialect)
    joined.on_answer = on(Command.SESSION_SETUP, clear_signature, status=NTStatus.SUCCESS)
    logon_fails(joined, "final SESSION_SETUP response is not signed")


@pytest.mark.parametrize("dialect", SIGNED_DIALECTS)
def test_a_wrongly_signed_final_session_setup_response(dialect: int) -> None:
    joined = Joined(World(policy=SERVER_LAX), max_dialect=dialect, policy=LAX)
    joined.on_answer = on(Command.SESSION_SETUP, flip(60), status=NTStatus.SUCCESS)
    logon_fails(joined, "wrong signature")


def _session_flags(flags: int) -> Callable[[bytearray], None]:
    def change(payload: bytearray) -> None:
        payload[66] = flags
        clear_signature(payload)

    return change


@pytest.mark.parametrize("flags", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("dialect", SIGNED_DIALECTS)
def test_forged_guest_and_null_flags(dialect: int, flags: int) -> None:
    """CVE-2016-2119."""
    joined = Joined(World(policy=SERVER_LAX), max_dialect=dialect)
    joined.on_answer = on(Command.SESSION_SETUP, _session_flags(flags), status=NTStatus.SUCCESS)
    kind = SMBError if flags & 4 else PolicyRefused
    logon_fails(joined, kind=kind)


def test_guests_are_refused_even_without_signing() -> None:
    """RejectGuestAccess."""
    joined = Joined(World(policy=SERVER_LAX), policy=LAX)
    joined.on_answer = on(Command.SESSION_SETUP, _session_flags(1), status=NTStatus.SUCCESS)
    logon_fails(joined, "RejectGuestAccess", kind=PolicyRefused)


def test_a_failed_logon_stays_a_failed_logon() -> None:
    """CVE-2017-12150: no second try as nobody."""
    world = World(failed_logon_delay=0.0, allow_anonymous=True, policy=SERVER_LAX)
    joined = Joined(world, password="wrong")
    with pytest.raises(PermissionError) as caught:
        joined.log_on()
    assert isinstance(caught.value, SMBError)
    assert caught.value.status == NTStatus.LOGON_FAILURE
    assert len(world.told(LogonRefused)) == 1
    assert sum(one.command == Command.SESSION_SETUP for f in joined.sent for one in headers(f)) == 2


def test_a_session_id_that_changes_during_the_logon() -> None:
    joined = Joined(World())
    joined.on_answer = on(Command.SESSION_SETUP, flip(40), status=NTStatus.SUCCESS)
    logon_fails(joined, "session")


# NEGOTIATE


def rewrite(change: Callable[[NegotiateResponse], None]) -> Callable[[bytearray], bytearray]:
    """Decode the NEGOTIATE response, change it, encode it again."""

    def apply(payload: bytearray) -> bytearray:
        response = NegotiateResponse.decode(memoryview(payload))
        change(response)
        return bytearray(payload[:64] + response.encode())

    return apply


def contexts(kind: int, *replacements: bytes) -> Callable[[NegotiateResponse], None]:
    """Put these contexts of a kind in the place of the server's."""

    def change(response: NegotiateResponse) -> None:
        kept = [one for one in response.negotiate_contexts if one.type != kind]
        new = [NegotiateContext(kind, data) for data in replacements]
        response.negotiate_contexts = [*kept, *new]

    return change


_SIGNING, _CIPHERS = ContextType.SIGNING_CAPABILITIES, ContextType.ENCRYPTION_CAPABILITIES
_PREAUTH, _COMPRESSION = (
    ContextType.PREAUTH_INTEGRITY_CAPABILITIES,
    ContextType.COMPRESSION_CAPABILITIES,
)
_GMAC = SigningCapabilities([2]).encode()
_SHA512 = PreauthIntegrityCapabilities(salt=bytes(32)).encode()


@pytest.mark.parametrize(
    ("kind", "replacements", "words"),
    [
        (_SIGNING, [_GMAC, _GMAC], "twice"),
        (_SIGNING, [SigningCapabilities([]).encode()], "signing algorithm"),
        (_SIGNING, [SigningCapabilities([2, 1]).encode()], "signing algorithm"),
        (_SIGNING, [SigningCapabilities([0]).encode()], "not offered"),
        (_SIGNING, [SigningCapabilities([99]).encode()], "not offered"),
        (_SIGNING, [b"\x01"], "malformed"),
        (_CIPHERS, [EncryptionCapabilities([1]).encode()], "not offered"),
        (_CIPHERS, [EncryptionCapabilities([2, 4]).encode()], "cipher"),
        (_CIPHERS, [EncryptionCapabilities([]).encode()], "cipher"),
        (_PREAUTH, [], "preauthentication"),
        (_PREAUTH, [_SHA512, _SHA512], "twice"),
        (_PREAUTH, [PreauthIntegrityCapabilities([7]).encode()], "hash"),
        (_PREAUTH, [PreauthIntegrityCapabilities([1, 1]).encode()], "hash"),
        (_COMPRESSION, [bytes(10)], "compression"),
    ],
)
def test_contexts_that_are_no_answer(kind: int, replacements: Sequence[bytes], words: str) -> None:
    joined = Joined(World(), signing_algorithms=(2, 1), ciphers=(2, 4))
    joined.on_answer = on(Command.NEGOTIATE, rewrite(contexts(kind, *replacements)))
    logon_fails(joined, words)
    assert len(joined.sent) == 1


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x02FF, 0x0300, 0x0312, 0])
def test_a_dialect_that_was_not_offered(dialect: int) -> None:
    joined = Joined(World(), min_dialect=0x0302)
    change = rewrite(lambda response: setattr(response, "dialect_revision", dialect))
    joined.on_answer = on(Command.NEGOTIATE, change)
    logon_fails(joined, "not offered")


@pytest.mark.parametrize(
    "change",
    [
        lambda response: setattr(response, "security_mode", response.security_mode ^ 2),
        lambda response: setattr(response, "capabilities", response.capabilities ^ 1),
        lambda response: setattr(response, "server_guid", b"somebody else..."),
        lambda response: setattr(response, "system_time", 1),
        contexts(_SIGNING, SigningCapabilities([1]).encode()),
        contexts(_SIGNING),
        contexts(_PREAUTH, _SHA512),
        contexts(0x0100, b"anything"),
    ],
)
@pytest.mark.parametrize("policy", [Policy(), LAX])
def test_any_change_of_the_answer_breaks_the_preauthentication_hash(
    change: Callable[[NegotiateResponse], None], policy: Policy
) -> None:
    joined = Joined(World(policy=SERVER_LAX), policy=policy)
    joined.on_answer = on(Command.NEGOTIATE, rewrite(change))
    logon_fails(joined, "wrong signature", "altered")


def test_a_change_of_our_offer_breaks_the_preauthentication_hash() -> None:
    joined = Joined(World(policy=SERVER_LAX), policy=LAX)

    def change(payload: bytearray) -> bytearray:
        request = NegotiateRequest.decode(memoryview(payload))
        request.security_mode ^= 3
        return bytearray(payload[:64] + request.encode())

    joined.on_request = on(Command.NEGOTIATE, change)
    logon_fails(joined, "wrong signature")


def test_a_change_of_a_leg_of_the_logon_breaks_the_preauthentication_hash() -> None:
    joined = Joined(World(policy=SERVER_LAX), policy=LAX)
    joined.on_request = on(Command.SESSION_SETUP, flip(67))  # SecurityMode
    logon_fails(joined, "wrong signature")


def downgrade(*dialects: int) -> Callable[[bytearray], bytearray]:
    """Take dialects out of our offer."""

    def change(payload: bytearray) -> bytearray:
        request = NegotiateRequest.decode(memoryview(payload))
        request.dialects = list(dialects)
        return bytearray(payload[:64] + request.encode())

    return change


@pytest.mark.parametrize("dialects", [(0x0202,), (0x0202, 0x0210), (0x0210, 0x0300), (0x0302,)])
@pytest.mark.parametrize("policy", [Policy(), LAX])
def test_a_downgrade_of_the_dialect_is_found_out(dialects: Sequence[int], policy: Policy) -> None:
    """FSCTL_VALIDATE_NEGOTIATE_INFO: the server drops the connection, and we say why."""
    joined = Joined(World(policy=SERVER_LAX), policy=policy)
    joined.on_request = on(Command.NEGOTIATE, downgrade(*dialects))
    refused(joined, joined.target.establish(joined.connection), "NEGOTIATE", "confirm")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: setattr(r, "security_mode", r.security_mode ^ 2), "security mode"),
        (lambda r: setattr(r, "capabilities", r.capabilities ^ 2), "capabilities"),
        (lambda r: setattr(r, "server_guid", b"somebody else..."), "GUID"),
    ],
)
@pytest.mark.parametrize("dialect", [0x0300, 0x0302])
def test_a_change_of_the_answer_before_3_1_1_is_found_out(
    dialect: int, change: Callable[[NegotiateResponse], None], word: str
) -> None:
    joined = Joined(World(policy=SERVER_LAX), policy=LAX, max_dialect=dialect)
    joined.on_answer = on(Command.NEGOTIATE, rewrite(change))
    refused(joined, joined.target.establish(joined.connection), "altered", word)


def test_an_unsigned_confirmation_of_negotiate() -> None:
    joined = Joined(World(policy=SERVER_LAX), policy=LAX, max_dialect=0x0302)
    joined.on_answer = on(Command.IOCTL, clear_signature)
    refused(joined, joined.target.establish(joined.connection), "IOCTL", "not signed")


# What must be signed whatever the policies say


def test_tree_connect_is_signed_in_3_1_1_though_nobody_requires_it() -> None:
    joined, tree = ready(policy=LAX, world={"policy": LAX})
    joined.run(operations.stat(tree, "hello.txt"))
    flags = {one.command: one.flags & Flags.SIGNED for f in joined.sent for one in headers(f)}
    assert flags[Command.TREE_CONNECT]
    assert not flags[Command.CREATE]


@pytest.mark.parametrize("ipc_signing", [True, False])
def test_named_pipes_are_signed_though_nobody_requires_it(ipc_signing: bool) -> None:
    """CVE-2016-2115."""
    from paraph.client.rpc import shares

    joined, tree = ready(policy=LAX, world={"policy": LAX}, ipc_signing=ipc_signing)
    del joined.sent[:]
    assert [one.name for one in joined.run(shares(tree))] == ["data", "IPC$"]
    flags = [
        bool(one.flags & Flags.SIGNED)
        for frame in joined.sent
        for one in headers(frame)
        if one.command in (Command.CREATE, Command.IOCTL)
    ]
    assert flags == [ipc_signing] * len(flags)


def test_an_unsigned_answer_from_a_named_pipe() -> None:
    from paraph.client.rpc import shares

    joined, tree = ready(policy=LAX, world={"policy": LAX})
    joined.on_answer = on(Command.IOCTL, clear_signature)
    refused(joined, shares(tree), "IOCTL", "not signed")
