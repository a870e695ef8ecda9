"""NEGOTIATE on the wire ([MS-SMB2] 3.3.5.3, 3.3.5.4), and what protects it afterwards: the
preauthentication hash of 3.1.1 and FSCTL_VALIDATE_NEGOTIATE_INFO of the others (3.3.5.15.12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from paraph.policy.settings import Policy
from paraph.server.events import ConnectionRefused
from paraph.wire.fsctl import Fsctl
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb1 import negotiate as smb1
from paraph.wire.smb2.header import Command, Flags
from paraph.wire.smb2.ioctl import (
    IoctlResponse,
    ValidateNegotiateInfoRequest,
    ValidateNegotiateInfoResponse,
)
from paraph.wire.smb2.negotiate import (
    Capabilities,
    ContextType,
    NegotiateContext,
    NegotiateRequest,
    NegotiateResponse,
    find_context,
)
from paraph.wire.smb2.negotiate_contexts import (
    EncryptionCapabilities,
    NetnameNegotiateContextId,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from paraph.wire.smb2.simple import EchoRequest
from tests.support.link import Dropped
from tests.support.peer import ALL_DIALECTS, Logon, Offer, Peer
from tests.support.variants import every_dialect
from tests.support.world import World

PREAUTH = NegotiateContext(
    ContextType.PREAUTH_INTEGRITY_CAPABILITIES,
    PreauthIntegrityCapabilities(salt=bytes(32)).encode(),
)


def signing(*ids: int) -> NegotiateContext:
    return NegotiateContext(
        ContextType.SIGNING_CAPABILITIES, SigningCapabilities(list(ids)).encode()
    )


def encryption(*ids: int) -> NegotiateContext:
    return NegotiateContext(
        ContextType.ENCRYPTION_CAPABILITIES, EncryptionCapabilities(list(ids)).encode()
    )


def status_of(contexts: Sequence[NegotiateContext], **settings: Any) -> int:
    """What a server says to a 3.1.1 NEGOTIATE with these contexts; refused, it stays usable."""
    world = World(**settings)
    peer = world.peer(dialects=[0x0311], contexts=contexts)
    status = peer.negotiate_raw(peer.offer.request().encode()).status
    if status != NTStatus.SUCCESS:
        assert peer.negotiate_raw(Offer().request().encode()).status == NTStatus.SUCCESS
    return status


# Dialects


@every_dialect
def test_each_dialect_alone(dialect: int) -> None:
    world = World(encryption="off")
    response = world.ready(dialects=[dialect]).response
    assert response.dialect_revision == dialect
    assert response.server_guid == world.server.guid
    large = dialect != 0x0202
    assert response.capabilities == (Capabilities.LARGE_MTU if large else 0)
    sizes = (response.max_transact_size, response.max_read_size, response.max_write_size)
    assert sizes == ((8 << 20,) * 3 if large else (65536,) * 3)
    assert response.system_time == world.platform.filetime()
    assert response.server_start_time == 0
    assert bytes(response.security_buffer)[:1] == b"\x60"  # an InitialContextToken of RFC 2743


@pytest.mark.parametrize(
    ("offered", "minimum", "maximum", "chosen"),
    [
        (ALL_DIALECTS, 0x0202, 0x0311, 0x0311),
        (tuple(reversed(ALL_DIALECTS)), 0x0202, 0x0311, 0x0311),
        ((0x0311, 0x0202), 0x0202, 0x0302, 0x0202),
        ((0x0202, 0x0210, 0x0300), 0x0202, 0x0311, 0x0300),
        ((0x0202, 0x0210), 0x0300, 0x0311, None),
        ((0x0311,), 0x0202, 0x0302, None),
        ((0x0310, 0x0222), 0x0202, 0x0311, None),
        ((0x02FF,), 0x0202, 0x0311, None),
    ],
)
def test_greatest_common_dialect(
    offered: tuple[int, ...], minimum: int, maximum: int, chosen: int | None
) -> None:
    world = World(min_dialect=minimum, max_dialect=maximum)
    peer = world.peer(dialects=offered)
    reply = peer.negotiate_raw(peer.offer.request().encode())
    if chosen is None:
        assert reply.status == NTStatus.NOT_SUPPORTED
    else:
        assert NegotiateResponse.decode(reply.view).dialect_revision == chosen


def test_no_dialect_at_all() -> None:
    peer = World().peer(dialects=[])
    assert peer.negotiate_raw(peer.offer.request().encode()).status == NTStatus.INVALID_PARAMETER


@every_dialect
def test_second_negotiate_ends_the_connection(dialect: int) -> None:
    peer = World().ready(dialects=[dialect])
    with pytest.raises(Dropped):
        peer.negotiate_raw(peer.offer.request().encode())


@pytest.mark.parametrize("command", [c for c in range(19) if c not in (0, Command.CANCEL)])
def test_anything_else_first(command: int) -> None:
    peer = World().peer()
    with pytest.raises(Dropped):
        peer.call(command, EchoRequest().encode())


def test_cancel_first() -> None:
    peer = World().peer()
    with pytest.raises(Dropped):
        peer.call(Command.CANCEL, EchoRequest().encode())


def test_response_instead_of_a_request() -> None:
    peer = World().peer()
    with pytest.raises(Dropped):
        peer.negotiate_raw(peer.offer.request().encode(), flags=Flags.SERVER_TO_REDIR)


@pytest.mark.parametrize("message_id", [1, 2, 1 << 32, (1 << 64) - 1])
def test_first_message_id_is_zero(message_id: int) -> None:
    peer = World().peer()
    with pytest.raises(Dropped):
        peer.negotiate_raw(peer.offer.request().encode(), message_id=message_id)


# SMB1


def test_wildcard_then_smb2() -> None:
    """0x02FF asks for one SMB2 NEGOTIATE more, with MessageId 1."""
    world = World()
    peer = world.peer()
    response = peer.smb1_negotiate("NT LM 0.12", "SMB 2.002", "SMB 2.???")
    assert response.dialect_revision == 0x02FF
    assert response.capabilities == Capabilities.LARGE_MTU
    peer.negotiate()
    assert peer.row.revision == 0x0311
    assert peer.echo(peer.logon()).status == NTStatus.SUCCESS


@pytest.mark.parametrize(
    ("dialects", "minimum", "maximum", "revision"),
    [
        (("SMB 2.002", "SMB 2.???"), 0x0202, 0x0202, 0x0202),
        (("SMB 2.002", "SMB 2.???"), 0x0300, 0x0311, 0x02FF),
        (("SMB 2.002",), 0x0202, 0x0311, 0x0202),
    ],
)
def test_multi_protocol_within_the_limits(
    dialects: tuple[str, ...], minimum: int, maximum: int, revision: int
) -> None:
    peer = World(min_dialect=minimum, max_dialect=maximum).peer()
    assert peer.smb1_negotiate(*dialects).dialect_revision == revision


@pytest.mark.parametrize(
    ("dialects", "settings"),
    [
        (("NT LM 0.12",), {}),
        (("PC NETWORK PROGRAM 1.0", "LANMAN1.0", "NT LM 0.12"), {}),
        ((), {}),
        (("SMB 2.002",), {"min_dialect": 0x0210}),
        (("SMB 2.???",), {"max_dialect": 0x0202}),
    ],
)
def test_smb1_alone(dialects: tuple[str, ...], settings: dict[str, Any]) -> None:
    world = World(**settings)
    peer = world.peer()
    peer.send(smb1.Header().encode() + smb1.NegotiateRequest(list(dialects)).encode())
    answer = memoryview(peer.link.read())[4:]
    assert smb1.Header.decode(answer).flags & smb1.Flags.REPLY
    assert smb1.NegotiateResponse.decode(answer).dialect_index == smb1.NO_DIALECT
    assert peer.link.closed
    assert peer.link.closed
    (event,) = world.told(ConnectionRefused)
    assert "SMB1" in event.reason


@pytest.mark.parametrize("after", ["smb1", "smb2", "wildcard"])
def test_smb1_negotiate_comes_once_and_first(after: str) -> None:
    peer = World().peer()
    if after == "smb2":
        peer.negotiate()
    else:
        peer.smb1_negotiate("SMB 2.002" if after == "smb1" else "SMB 2.???")
    with pytest.raises(Dropped):
        peer.smb1_negotiate("SMB 2.???")


def test_session_setup_between_the_two_negotiates() -> None:
    peer = World().peer()
    peer.smb1_negotiate("SMB 2.???")
    with pytest.raises(Dropped):
        peer.setup(b"")


# Contexts


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        ([PREAUTH], NTStatus.SUCCESS),
        ([], NTStatus.INVALID_PARAMETER),
        ([signing(2)], NTStatus.INVALID_PARAMETER),
        ([PREAUTH, PREAUTH], NTStatus.INVALID_PARAMETER),
        ([PREAUTH, signing(2), signing(2)], NTStatus.INVALID_PARAMETER),
        ([PREAUTH, encryption(1), encryption(1)], NTStatus.INVALID_PARAMETER),
        ([PREAUTH, signing()], NTStatus.INVALID_PARAMETER),
        (
            [PREAUTH, NegotiateContext(ContextType.SIGNING_CAPABILITIES, b"")],
            NTStatus.INVALID_PARAMETER,
        ),
        (
            [PREAUTH, NegotiateContext(ContextType.SIGNING_CAPABILITIES, b"\2\0\1\0")],
            NTStatus.INVALID_PARAMETER,
        ),
        (
            [NegotiateContext(ContextType.PREAUTH_INTEGRITY_CAPABILITIES, b"\1\0")],
            NTStatus.INVALID_PARAMETER,
        ),
        (
            [
                NegotiateContext(
                    ContextType.PREAUTH_INTEGRITY_CAPABILITIES,
                    PreauthIntegrityCapabilities([2], bytes(32)).encode(),
                )
            ],
            NTStatus.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP,
        ),
        (
            [
                NegotiateContext(
                    ContextType.PREAUTH_INTEGRITY_CAPABILITIES,
                    PreauthIntegrityCapabilities([], bytes(32)).encode(),
                )
            ],
            NTStatus.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP,
        ),
        ([NegotiateContext(0x7777, b"?" * 9), PREAUTH, signing(1)], NTStatus.SUCCESS),
        ([NegotiateContext(0x0100, b""), PREAUTH], NTStatus.SUCCESS),
    ],
)
def test_context_lists(contexts: list[NegotiateContext], expected: int) -> None:
    assert status_of(contexts) == expected


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        ([PREAUTH, encryption(1), encryption(2)], NTStatus.INVALID_PARAMETER),
        (
            [PREAUTH, NegotiateContext(ContextType.ENCRYPTION_CAPABILITIES, b"\1")],
            NTStatus.INVALID_PARAMETER,
        ),
        ([PREAUTH, encryption(9)], NTStatus.SUCCESS),
    ],
)
def test_encryption_context(contexts: list[NegotiateContext], expected: int) -> None:
    assert status_of(contexts, encryption="desired") == expected


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([2, 1, 0], 2),
        ([0, 1, 2], 2),
        ([1, 0], 1),
        ([0], 0),
        ([2], 2),
        ([7], 1),  # no overlap: AES-CMAC, and the client may leave
        ([0xFFFF, 9, 3], 1),
        (None, None),  # no context, no answer to it, AES-CMAC
    ],
)
def test_signing_capabilities(offered: list[int] | None, chosen: int | None) -> None:
    """Exactly one algorithm comes back ([MS-SMB2] 2.2.4.1.7), and that one is then used."""
    peer = World().ready(dialects=[0x0311], signing=offered)
    found = find_context(peer.response.negotiate_contexts, ContextType.SIGNING_CAPABILITIES)
    if chosen is None:
        assert found is None
    else:
        assert found is not None
        assert SigningCapabilities.decode(memoryview(found)).signing_algorithms == [chosen]
    assert peer.signing_id == (1 if chosen is None else chosen)
    reply = peer.echo(peer.logon())
    assert (reply.status, reply.signed) == (NTStatus.SUCCESS, True)


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (0, 1, 2), (1,)])
def test_the_servers_order_decides(order: tuple[int, ...]) -> None:
    peer = World(signing_algorithms=order).ready(dialects=[0x0311], signing=[0, 1, 2])
    assert peer.signing_id == order[0]


def test_stripped_signing_capabilities_are_noticed() -> None:
    """Somebody on the way takes the context out, to have AES-CMAC: the preauthentication hashes of
    the two ends differ, hence the keys, and the client sees a wrong signature."""
    world = World()
    peer = world.peer(dialects=[0x0311])
    whole = peer.offer.request()
    stripped = replace(whole, negotiate_contexts=whole.negotiate_contexts[:-1])
    message = peer.message(Command.NEGOTIATE, stripped.encode())
    peer.send(message)
    meant = bytearray(message[:64]) + whole.encode()
    reply = peer.receive()
    peer.preauth.update(meant)
    peer.preauth.update(reply.data)
    peer.accept(reply)
    assert peer.signing_id == 1
    with pytest.raises(AssertionError, match="wrong signature"):
        peer.logon()


def test_preauth_answer_is_salted() -> None:
    world = World()
    salts = set()
    for _ in range(3):
        response = world.ready(dialects=[0x0311]).response
        data = find_context(response.negotiate_contexts, ContextType.PREAUTH_INTEGRITY_CAPABILITIES)
        assert data is not None
        answer = PreauthIntegrityCapabilities.decode(memoryview(data))
        assert answer.hash_algorithms == [1]
        salts.add(bytes(answer.salt))
    assert {len(salt) for salt in salts} == {32}
    assert len(salts) == 3


def test_netname_is_not_answered() -> None:
    netname = NegotiateContext(
        ContextType.NETNAME_NEGOTIATE_CONTEXT_ID, NetnameNegotiateContextId("SRV").encode()
    )
    peer = World().ready(dialects=[0x0311], contexts=[PREAUTH, netname])
    kinds = [context.type for context in peer.response.negotiate_contexts]
    assert kinds == [ContextType.PREAUTH_INTEGRITY_CAPABILITIES]


@pytest.mark.parametrize("altered", ["request", "response"])
def test_altered_negotiate_of_3_1_1_breaks_the_keys(altered: str) -> None:
    """One bit of NEGOTIATE, changed on its way, in either direction."""
    world = World()
    peer = world.peer(dialects=[0x0311])
    message = peer.message(Command.NEGOTIATE, peer.offer.request().encode())
    peer.send(message)
    reply = peer.receive()
    if altered == "request":
        message[64 + 12] ^= 1  # ClientGuid
        peer.preauth.update(message)
        peer.preauth.update(reply.data)
    else:
        peer.preauth.update(message)
        data = bytearray(reply.data)
        data[64 + 8] ^= 1  # ServerGuid
        peer.preauth.update(data)
    peer.accept(reply)
    with pytest.raises(AssertionError, match="wrong signature"):
        peer.logon()


# FSCTL_VALIDATE_NEGOTIATE_INFO

BELOW_3_1_1 = pytest.mark.parametrize("dialect", ALL_DIALECTS[:-1])


def truth(peer: Peer) -> ValidateNegotiateInfoRequest:
    offer = peer.offer
    return ValidateNegotiateInfoRequest(
        offer.capabilities, offer.guid, offer.security_mode, list(offer.dialects)
    )


def opened(dialect: int, **settings: Any) -> tuple[World, Peer, Logon, int]:
    world = World(**settings)
    peer = world.ready(dialects=[d for d in ALL_DIALECTS if d <= dialect])
    logon = peer.logon()
    return world, peer, logon, peer.tree(logon, "IPC$")


@BELOW_3_1_1
@pytest.mark.parametrize("required", [True, False])
def test_validate_negotiate(dialect: int, required: bool) -> None:
    """Always signed by the client, required or not, and so is the reply."""
    world, peer, logon, tree = opened(dialect, policy=Policy(server_always=required))
    data = truth(peer).encode()
    reply = peer.ioctl(logon, tree, Fsctl.VALIDATE_NEGOTIATE_INFO, data, room=24, sign=True)
    assert (reply.status, reply.signed) == (NTStatus.SUCCESS, True)
    answer = IoctlResponse.decode(reply.view)
    assert (answer.persistent_id, answer.volatile_id) == ((1 << 64) - 1,) * 2
    info = ValidateNegotiateInfoResponse.decode(memoryview(answer.output_buffer))
    assert info.dialect == dialect
    assert info.guid == world.server.guid
    assert info.security_mode == (0x03 if required else 0x01)
    assert info.capabilities == peer.response.capabilities


def test_validate_negotiate_tells_what_was_said() -> None:
    """The policy changed since: the answer is the NEGOTIATE response's, not today's."""
    world, peer, logon, tree = opened(0x0302)
    world.server.settings = replace(world.settings, policy=Policy(server_always=False))
    reply = peer.ioctl(logon, tree, Fsctl.VALIDATE_NEGOTIATE_INFO, truth(peer).encode(), room=24)
    answer = IoctlResponse.decode(reply.view).output_buffer
    assert ValidateNegotiateInfoResponse.decode(memoryview(answer)).security_mode == 0x03


@BELOW_3_1_1
@pytest.mark.parametrize(
    "change",
    [
        {"capabilities": 0x7E},
        {"guid": bytes(16)},
        {"security_mode": 0x03},
        {"security_mode": 0x00},
        {"dialects": [0x0202, 0x0311]},
        {"dialects": []},
        {"dialects": list(ALL_DIALECTS)},
    ],
    ids=str,
)
def test_validate_negotiate_altered(dialect: int, change: dict[str, Any]) -> None:
    """Each field in turn says that NEGOTIATE was altered on its way: the connection ends, without
    an answer."""
    world, peer, logon, tree = opened(dialect)
    data = replace(truth(peer), **change).encode()
    with pytest.raises(Dropped, match="altered"):
        peer.ioctl(logon, tree, Fsctl.VALIDATE_NEGOTIATE_INFO, data, sign=True)
    assert world.told(ConnectionRefused)


def test_validate_negotiate_notices_a_downgrade() -> None:
    """Somebody on the way cut the list of dialects; the client's true list shows it."""
    world = World()
    peer = world.ready(dialects=[0x0202, 0x0210])
    logon = peer.logon()
    tree = peer.tree(logon, "IPC$")
    data = replace(truth(peer), dialects=[0x0202, 0x0210, 0x0300, 0x0302]).encode()
    with pytest.raises(Dropped):
        peer.ioctl(logon, tree, Fsctl.VALIDATE_NEGOTIATE_INFO, data)


@BELOW_3_1_1
@pytest.mark.parametrize("room", [0, 23])
def test_validate_negotiate_without_room(dialect: int, room: int) -> None:
    _, peer, logon, tree = opened(dialect)
    with pytest.raises(Dropped):
        peer.ioctl(logon, tree, Fsctl.VALIDATE_NEGOTIATE_INFO, truth(peer).encode(), room=room)


@pytest.mark.parametrize("length", [0, 1, 23, 25])
def test_validate_negotiate_cut_short(length: int) -> None:
    _, peer, logon, tree = opened(0x0302)
    with pytest.raises(Dropped):
        peer.ioctl(logon, tree, Fsctl.VALIDATE_NEGOTIATE_INFO, truth(peer).encode()[:length])


def test_validate_negotiate_in_3_1_1() -> None:
    world = World()
    peer = world.ready()
    logon = peer.logon()
    tree = peer.tree(logon, "IPC$")
    with pytest.raises(Dropped):
        peer.ioctl(logon, tree, Fsctl.VALIDATE_NEGOTIATE_INFO, truth(peer).encode())


def test_validate_negotiate_unsigned() -> None:
    """A client that did not sign: refused when signing is required. Where it is not, a true one is
    answered without a signature, by which the client knows that it proves nothing."""
    _, peer, logon, tree = opened(0x0302)
    code, data = Fsctl.VALIDATE_NEGOTIATE_INFO, truth(peer).encode()
    assert peer.ioctl(logon, tree, code, data, sign=False).status == NTStatus.ACCESS_DENIED
    _, peer, logon, tree = opened(0x0302, policy=Policy(server_always=False))
    reply = peer.ioctl(logon, tree, code, truth(peer).encode(), sign=False)
    assert (reply.status, reply.signed) == (NTStatus.SUCCESS, False)


def test_validate_negotiate_has_teeth(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the server compared nothing, the tests above would see an answer."""
    monkeypatch.setattr("paraph.server.ioctl.zip", lambda *lists, strict: (), raising=False)
    for change in ({"capabilities": 0x7E}, {"guid": bytes(16)}, {"security_mode": 0}):
        _, peer, logon, tree = opened(0x0302)
        data = replace(truth(peer), **change).encode()
        reply = peer.ioctl(logon, tree, Fsctl.VALIDATE_NEGOTIATE_INFO, data)
        assert reply.status == NTStatus.SUCCESS


def test_negotiate_request_without_contexts_list() -> None:
    """3.1.1 among the dialects and a context offset of 0: no preauthentication context."""
    request = NegotiateRequest(1, 0, bytes(16), [0x0311])
    peer = World().peer()
    assert peer.negotiate_raw(request.encode()).status == NTStatus.INVALID_PARAMETER
