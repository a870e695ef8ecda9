"""The NTLM acceptor, [MS-NLMP] 3.2.5.1, against a client that can misbehave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.auth.accounts import MemoryAccounts, nt_hash
from paraph.auth.base import IdentityKind, LogonFailure
from paraph.auth.ntlm import NTLMAcceptor, NTLMServer, filetime_now
from paraph.auth.ntlm_messages import (
    MIC_OFFSET,
    AuthenticateMessage,
    AvId,
    ChallengeMessage,
    NegotiateFlags,
    NegotiateMessage,
    decode_av_pairs,
)
from paraph.errors import NTStatusError, UserError
from paraph.wire.ntstatus import NTStatus
from tests.auth.ntlm_client import DEFAULT_FLAGS, NOW, Client, server


def logon(client: Client, acceptor: NTLMAcceptor) -> NTLMAcceptor:
    answer = acceptor.step(client.authenticate(acceptor.step(client.negotiate())))
    assert answer == b""
    assert acceptor.complete
    return acceptor


def refusal(client: Client, acceptor: NTLMAcceptor) -> LogonFailure:
    challenge = acceptor.step(client.negotiate())
    with pytest.raises(LogonFailure) as caught:
        acceptor.step(client.authenticate(challenge))
    assert not acceptor.complete
    assert acceptor.identity is None
    assert acceptor.session_key == b""
    return caught.value


# [MS-NLMP] 4.2.4.3
SPEC_AUTHENTICATE = bytes.fromhex(
    "4e544c4d5353500003000000180018006c00000054005400840000000c000c00"
    "480000000800080054000000100010005c00000010001000d8000000358288e2"
    "0501280a0000000f44006f006d00610069006e00550073006500720043004f00"
    "4d0050005500540045005200"
    "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
    "68cd0ab851e51c96aabc927bebef6a1c"
    "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"
    "02000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000"
    "c5dad2544fc9799094ce1ce90bc9d03e"
)


def spec_server(require_mic: bool = False) -> NTLMServer:
    accounts = MemoryAccounts({"user": "Password"})
    challenge = bytes.fromhex("0123456789abcdef")
    return NTLMServer(
        accounts, "Server", "Domain", require_mic=require_mic, random=lambda size: challenge
    )


def test_the_example_of_the_specification() -> None:
    acceptor = NTLMAcceptor(spec_server())
    acceptor.step(NegotiateMessage(0xE288_8235).encode())
    assert acceptor.step(SPEC_AUTHENTICATE) == b""
    assert acceptor.session_key == b"\x55" * 16
    assert acceptor.identity is not None
    assert acceptor.identity.kind is IdentityKind.USER
    assert acceptor.identity.user == "user"
    assert acceptor.identity.workstation == "COMPUTER"


def test_the_example_announces_no_mic() -> None:
    acceptor = NTLMAcceptor(spec_server(require_mic=True))
    acceptor.step(NegotiateMessage(0xE288_8235).encode())
    with pytest.raises(LogonFailure, match="no MIC"):
        acceptor.step(SPEC_AUTHENTICATE)


def test_logon() -> None:
    client = Client()
    acceptor = logon(client, NTLMAcceptor(server()))
    assert acceptor.session_key == client.key
    assert acceptor.expires == 0
    assert acceptor.integrity
    assert acceptor.identity is not None
    assert str(acceptor.identity) == "SERVER\\Alice"
    assert acceptor.identity.workstation == "CLIENT"


def test_challenge() -> None:
    client = Client()
    logon(client, NTLMAcceptor(server()))
    challenge = client.challenge
    assert challenge is not None
    expected = DEFAULT_FLAGS | NegotiateFlags.TARGET_INFO | NegotiateFlags.TARGET_TYPE_SERVER
    assert challenge.flags == expected
    assert challenge.target_name == "SERVER"
    assert challenge.server_challenge == bytes(range(8))
    pairs = dict(decode_av_pairs(memoryview(challenge.target_info)))
    assert pairs == {
        AvId.NB_DOMAIN_NAME: "SERVER".encode("utf-16-le"),
        AvId.NB_COMPUTER_NAME: "SERVER".encode("utf-16-le"),
        AvId.DNS_COMPUTER_NAME: "server.example".encode("utf-16-le"),
        AvId.TIMESTAMP: NOW.to_bytes(8, "little"),
    }


def test_challenge_flags_are_ours_and_what_was_asked() -> None:
    acceptor = NTLMAcceptor(server())
    challenge = ChallengeMessage.decode(acceptor.step(NegotiateMessage(0xFFFF_FFFF).encode()))
    assert challenge.flags & NegotiateFlags.SEAL
    for never in ("OEM", "LM_KEY", "DATAGRAM", "TARGET_TYPE_DOMAIN", "REQUEST_NON_NT_SESSION_KEY"):
        assert not challenge.flags & getattr(NegotiateFlags, never), never


def test_challenges_differ_by_default() -> None:
    configuration = NTLMServer(MemoryAccounts(), "SERVER")
    negotiate = Client().negotiate()
    challenges = {
        ChallengeMessage.decode(NTLMAcceptor(configuration).step(negotiate)).server_challenge
        for _ in range(8)
    }
    assert len(challenges) == 8


@pytest.mark.parametrize(
    "missing",
    [
        NegotiateFlags.KEY_EXCH,
        NegotiateFlags.NEGOTIATE_128,
        NegotiateFlags.NEGOTIATE_128 | NegotiateFlags.NEGOTIATE_56,
        NegotiateFlags.VERSION,
        NegotiateFlags.SIGN,
        NegotiateFlags.SIGN | NegotiateFlags.KEY_EXCH,
    ],
)
def test_without_optional_flags(missing: int) -> None:
    client = Client(flags=DEFAULT_FLAGS & ~missing)
    acceptor = logon(client, NTLMAcceptor(server()))
    assert acceptor.session_key == client.key
    assert acceptor.integrity is not bool(missing & NegotiateFlags.SIGN)


def test_no_key_exchange_without_signing() -> None:
    client = Client(flags=DEFAULT_FLAGS & ~NegotiateFlags.SIGN)
    logon(client, NTLMAcceptor(server()))
    assert client.challenge is not None
    assert not client.challenge.flags & NegotiateFlags.KEY_EXCH


@pytest.mark.parametrize(
    ("missing", "status"),
    [
        (NegotiateFlags.UNICODE, NTStatus.INVALID_PARAMETER),
        (NegotiateFlags.EXTENDED_SESSIONSECURITY, NTStatus.NOT_SUPPORTED),
    ],
)
def test_required_flags(missing: int, status: int) -> None:
    with pytest.raises(NTStatusError) as caught:
        NTLMAcceptor(server()).step(Client(flags=DEFAULT_FLAGS & ~missing).negotiate())
    assert caught.value.status == status


@pytest.mark.parametrize("domain", ["", "SERVER", "elsewhere", "WORKGROUP"])
@pytest.mark.parametrize("hash_domain", [None, ""])
def test_any_domain(domain: str, hash_domain: str | None) -> None:
    client = Client(domain=domain, hash_domain=hash_domain)
    acceptor = logon(client, NTLMAcceptor(server()))
    assert acceptor.session_key == client.key
    assert acceptor.identity is not None
    assert acceptor.identity.domain == "SERVER"


def test_a_third_domain_in_the_hash_is_refused() -> None:
    client = Client(domain="ONE", hash_domain="TWO")
    assert refusal(client, NTLMAcceptor(server())).reason == "wrong password"


def test_name_and_password_outside_ascii() -> None:
    configuration = server(accounts={"Jörg Müßig": "pässwörd \U0001f511"})
    client = Client(user="JÖRG müßig", password="pässwörd \U0001f511")
    acceptor = logon(client, NTLMAcceptor(configuration))
    assert acceptor.identity is not None
    assert acceptor.identity.user == "Jörg Müßig"


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (Client(password="wrong"), "wrong password"),
        (Client(password=""), "wrong password"),
        (Client(user="bob"), "unknown user"),
        (Client(user="guest"), "guest refused"),
        (Client(wrong_mic=True), "the MIC is wrong"),
        (Client(send_mic=False), "the MIC that the client announces is missing"),
    ],
)
def test_refusals_look_alike(client: Client, reason: str) -> None:
    failure = refusal(client, NTLMAcceptor(server()))
    assert failure.status == NTStatus.LOGON_FAILURE
    assert failure.data == b""
    assert failure.reason.startswith(reason)
    assert failure.user == client.user


def test_unknown_users_cost_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from paraph.crypto import ntlm

    calls: list[tuple[int, ...]] = []
    original = ntlm.hmac_md5

    def counted(key: bytes, *parts: bytes | bytearray | memoryview) -> bytes:
        calls.append(tuple(len(part) for part in parts))
        return original(key, *parts)

    counts = []
    for client in (Client(user="alice", password="x"), Client(user="nobod", password="x")):
        acceptor = NTLMAcceptor(server())
        token = client.authenticate(acceptor.step(client.negotiate()))
        monkeypatch.setattr(ntlm, "hmac_md5", counted)
        with pytest.raises(LogonFailure):
            acceptor.step(token)
        monkeypatch.undo()
        counts.append(list(calls))
        calls.clear()
    assert counts[0] == counts[1]
    assert len(counts[0]) == 6


def test_absent_mic_is_a_matter_of_policy() -> None:
    client = Client(announce_mic=False, send_mic=False)
    assert logon(client, NTLMAcceptor(server())).session_key == client.key
    failure = refusal(client, NTLMAcceptor(server(require_mic=True)))
    assert failure.status == NTStatus.LOGON_FAILURE
    assert "one is required" in failure.reason


def test_zeroed_mic_is_wrong() -> None:
    client = Client()
    acceptor = NTLMAcceptor(server())
    token = bytearray(client.authenticate(acceptor.step(client.negotiate())))
    token[MIC_OFFSET : MIC_OFFSET + 16] = bytes(16)
    with pytest.raises(LogonFailure, match="MIC"):
        acceptor.step(bytes(token))


def test_mic_covers_negotiate() -> None:
    client = Client()
    acceptor = NTLMAcceptor(server())
    sent = client.negotiate()
    weakened = NegotiateMessage(DEFAULT_FLAGS & ~NegotiateFlags.NEGOTIATE_128).encode()
    assert len(sent) == len(weakened)
    with pytest.raises(LogonFailure, match="MIC"):
        acceptor.step(client.authenticate(acceptor.step(weakened)))


def test_mic_covers_challenge() -> None:
    client = Client()
    acceptor = NTLMAcceptor(server())
    challenge = ChallengeMessage.decode(acceptor.step(client.negotiate()))
    changed = replace(challenge, flags=challenge.flags & ~NegotiateFlags.NEGOTIATE_56)
    with pytest.raises(LogonFailure, match="MIC"):
        acceptor.step(client.authenticate(changed.encode()))


def test_flipping_any_byte_is_noticed() -> None:
    """The MIC covers the whole AUTHENTICATE_MESSAGE, and what it does not find is malformed."""
    client = Client()
    acceptor = NTLMAcceptor(server())
    token = client.authenticate(acceptor.step(client.negotiate()))
    for position in range(len(token)):
        acceptor = NTLMAcceptor(server())
        acceptor.step(client.negotiate())
        changed = token[:position] + bytes((token[position] ^ 0x10,)) + token[position + 1 :]
        with pytest.raises(NTStatusError):
            acceptor.step(changed)
        assert not acceptor.complete, position


def test_every_truncation_is_refused() -> None:
    client = Client()
    acceptor = NTLMAcceptor(server())
    token = client.authenticate(acceptor.step(client.negotiate()))
    for length in range(len(token)):
        acceptor = NTLMAcceptor(server())
        acceptor.step(client.negotiate())
        with pytest.raises(NTStatusError):
            acceptor.step(token[:length])
    negotiate = client.negotiate()
    for length in range(16):
        with pytest.raises(NTStatusError) as caught:
            NTLMAcceptor(server()).step(negotiate[:length])
        assert caught.value.status == NTStatus.INVALID_PARAMETER
    assert NTLMAcceptor(server()).step(negotiate[:16])  # flags are all that is needed


def authenticate_with(nt_response: bytes, lm_response: bytes = b"", user: str = "alice") -> bytes:
    return AuthenticateMessage(
        DEFAULT_FLAGS,
        "SERVER",
        user,
        "CLIENT",
        lm_response,
        nt_response,
        bytes(16),
    ).encode()


@pytest.mark.parametrize("allow_guest", [False, True])
@pytest.mark.parametrize(
    ("nt_response", "lm_response", "user", "reason"),
    [
        (bytes(24), bytes(24), "alice", "NTLMv1 refused"),
        (bytes(24), b"\xaa" * 8 + bytes(16), "bob", "NTLMv1 refused"),  # NTLM2 session response
        (b"", bytes(24), "alice", "no NTLMv2 response"),  # LM alone
        (b"", b"", "alice", "no NTLMv2 response"),
        (b"", bytes(24), "", "no NTLMv2 response"),  # not anonymous: there is an LM response
        (bytes(24), b"", "", "NTLMv1 refused"),
    ],
)
def test_old_responses(
    allow_guest: bool, nt_response: bytes, lm_response: bytes, user: str, reason: str
) -> None:
    acceptor = NTLMAcceptor(server(allow_guest=allow_guest, allow_anonymous=True))
    acceptor.step(Client().negotiate())
    with pytest.raises(LogonFailure) as caught:
        acceptor.step(authenticate_with(nt_response, lm_response, user))
    assert caught.value.status == NTStatus.LOGON_FAILURE
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "nt_response",
    [
        bytes(16) + b"\x02\x01" + bytes(30),  # version
        bytes(16) + b"\x01\x01" + bytes(20),  # too short
        bytes(16) + b"\x01\x01" + bytes(26) + b"\x06\x00\x04\x00\x02",  # value cut off
        bytes(16) + b"\x01\x01" + bytes(26) + b"\x06\x00\x02\x00\x02\x00",  # MsvAvFlags of 2 bytes
        bytes(16) + b"\x01\x01" + bytes(26) + b"\x09\x00\x01\x00\x41",  # half a character
    ],
)
def test_malformed_responses(nt_response: bytes) -> None:
    acceptor = NTLMAcceptor(server())
    acceptor.step(Client().negotiate())
    with pytest.raises(NTStatusError) as caught:
        acceptor.step(authenticate_with(nt_response))
    assert caught.value.status == NTStatus.INVALID_PARAMETER


def test_key_must_be_16_bytes_whoever_asks() -> None:
    for user in ("alice", "bob"):
        client = Client(user=user)
        acceptor = NTLMAcceptor(server())
        message = AuthenticateMessage.decode(client.authenticate(acceptor.step(client.negotiate())))
        message.encrypted_key = bytes(15)
        with pytest.raises(NTStatusError) as caught:
            acceptor.step(message.encode())
        assert caught.value.status == NTStatus.INVALID_PARAMETER


def test_anonymous() -> None:
    client = Client()
    acceptor = NTLMAcceptor(server(allow_anonymous=True))
    acceptor.step(client.anonymous(acceptor.step(client.negotiate())))
    assert acceptor.complete
    assert acceptor.identity is not None
    assert acceptor.identity.kind is IdentityKind.ANONYMOUS
    assert acceptor.identity.user == ""
    assert acceptor.session_key == b""
    assert not acceptor.integrity


@pytest.mark.parametrize("lm_response", [b"", b"\0"])
def test_anonymous_refused(lm_response: bytes) -> None:
    acceptor = NTLMAcceptor(server(allow_guest=True))
    acceptor.step(Client().negotiate())
    with pytest.raises(LogonFailure) as caught:
        acceptor.step(authenticate_with(b"", lm_response, ""))
    assert caught.value.status == NTStatus.ACCESS_DENIED
    assert caught.value.reason == "anonymous refused"


@pytest.mark.parametrize("user", ["bob", "guest", "GUEST", ""])
def test_unknown_users_become_guest_where_allowed(user: str) -> None:
    acceptor = logon(Client(user=user), NTLMAcceptor(server(allow_guest=True)))
    assert acceptor.identity is not None
    assert acceptor.identity.kind is IdentityKind.GUEST
    assert acceptor.identity.user == "Guest"
    assert acceptor.session_key == b""
    assert not acceptor.integrity
    assert acceptor.get_mic(b"list") == b""
    assert not acceptor.verify_mic(b"list", b"")


def test_a_wrong_password_never_becomes_guest() -> None:
    failure = refusal(Client(password="wrong"), NTLMAcceptor(server(allow_guest=True)))
    assert failure.reason == "wrong password"


def test_guest_with_a_password() -> None:
    accounts = {"guest": "visitor"}
    client = Client(user="Guest", password="visitor")
    acceptor = logon(client, NTLMAcceptor(server(allow_guest=True, accounts=accounts)))
    assert acceptor.identity is not None
    assert acceptor.identity.kind is IdentityKind.GUEST
    assert acceptor.session_key == b""
    assert acceptor.get_mic(b"list") == b""
    wrong = Client(user="Guest", password="wrong")
    failure = refusal(wrong, NTLMAcceptor(server(allow_guest=True, accounts=accounts)))
    assert failure.reason == "wrong password"
    failure = refusal(client, NTLMAcceptor(server(accounts=accounts)))
    assert failure.reason == "guest refused"


def test_target_name() -> None:
    spn = "cifs/server.example"
    pair = (AvId.TARGET_NAME, spn.encode("utf-16-le"))
    assert logon(Client(extra_pairs=[pair]), NTLMAcceptor(server())).target_name == spn
    untrusted = [pair, (AvId.FLAGS, b"\4\0\0\0")]
    assert logon(Client(extra_pairs=untrusted), NTLMAcceptor(server())).target_name == ""


def test_steps_out_of_turn() -> None:
    client = Client()
    acceptor = NTLMAcceptor(server())
    challenge = acceptor.step(client.negotiate())
    token = client.authenticate(challenge)
    first = NTLMAcceptor(server())
    with pytest.raises(NTStatusError):
        first.step(token)
    with pytest.raises(NTStatusError):
        first.step(client.negotiate())  # it has failed for good
    acceptor.step(token)
    with pytest.raises(NTStatusError) as caught:
        acceptor.step(token)
    assert caught.value.status == NTStatus.INVALID_PARAMETER
    assert acceptor.complete


def test_a_second_try_is_a_new_exchange() -> None:
    client = Client()
    acceptor = NTLMAcceptor(server())
    challenge = acceptor.step(client.negotiate())
    with pytest.raises(LogonFailure):
        acceptor.step(replace(client, password="wrong").authenticate(challenge))
    with pytest.raises(NTStatusError):
        acceptor.step(client.authenticate(challenge))
    assert not acceptor.complete


def test_oversized_token() -> None:
    with pytest.raises(NTStatusError) as caught:
        NTLMAcceptor(server()).step(Client().negotiate() + bytes(0x10000))
    assert caught.value.status == NTStatus.INVALID_PARAMETER


def test_unusable_account_store() -> None:
    class Broken:
        def find(self, user: str) -> tuple[str, bytes] | None:
            raise UserError("The account file x is damaged at line 3.")

        def names(self) -> list[str]:
            return []

    client = Client()
    acceptor = NTLMAcceptor(replace(server(allow_guest=True), accounts=Broken()))
    challenge = acceptor.step(client.negotiate())
    with pytest.raises(NTStatusError) as caught:
        acceptor.step(client.authenticate(challenge))
    assert caught.value.status == NTStatus.INTERNAL_ERROR
    assert "line 3" in caught.value.reason
    assert not acceptor.complete


def test_server_needs_a_name() -> None:
    with pytest.raises(UserError):
        NTLMServer(MemoryAccounts(), "")


def test_default_clock_is_this_century() -> None:
    year_2020, year_2100 = 132_223_104_000_000_000, 157_469_184_000_000_000
    assert year_2020 < filetime_now() < year_2100


def test_nothing_secret_in_repr() -> None:
    client = Client()
    configuration = server()
    acceptor = logon(client, NTLMAcceptor(configuration))
    message = AuthenticateMessage.decode(
        client.authenticate(NTLMAcceptor(configuration).step(client.negotiate()))
    )
    shown = f"{configuration!r} {acceptor!r} {acceptor.identity!r} {message!r}"
    shown += repr(refusal(Client(password="wrong secret"), NTLMAcceptor(server())))
    secrets = [
        nt_hash("correct horse"),
        acceptor.session_key,
        message.nt_response[:16],
        message.encrypted_key,
        configuration.nobody,
    ]
    for secret in secrets:
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
    assert "correct horse" not in shown
    assert "wrong secret" not in shown


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_first_token(data: bytes, prefixed: bool) -> None:
    token = b"NTLMSSP\0\1\0\0\0" + data if prefixed else data
    try:
        NTLMAcceptor(server()).step(token)
    except NTStatusError:
        pass


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300), st.booleans())
def test_arbitrary_second_token(data: bytes, prefixed: bool) -> None:
    acceptor = NTLMAcceptor(server())
    acceptor.step(Client().negotiate())
    with pytest.raises(NTStatusError):
        acceptor.step(b"NTLMSSP\0\3\0\0\0" + data if prefixed else data)
    assert not acceptor.complete


@settings(deadline=None, max_examples=150)
@given(st.binary(min_size=25, max_size=200))
def test_arbitrary_nt_response(data: bytes) -> None:
    acceptor = NTLMAcceptor(server())
    acceptor.step(Client().negotiate())
    with pytest.raises(NTStatusError):
        acceptor.step(authenticate_with(data))
