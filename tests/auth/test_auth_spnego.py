"""SPNEGO tokens and the acceptor around NTLM, [RFC4178] and [MS-SPNG]."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.auth.accounts import MemoryAccounts
from paraph.auth.base import IdentityKind, LogonFailure
from paraph.auth.der import Tag, encode
from paraph.auth.ntlm import NTLMAcceptor
from paraph.auth.ntlm_messages import NegotiateFlags
from paraph.auth.spnego import NTLMAuthenticator, SpnegoAcceptor
from paraph.auth.spnego_messages import (
    Mechanism,
    NegState,
    NegTokenInit,
    NegTokenResp,
    mechanism_name,
)
from paraph.errors import DecodeError, NTStatusError
from paraph.wire.ntstatus import NTStatus
from tests.auth.ntlm_client import (
    DEFAULT_FLAGS,
    MACOS,
    NTLM_ONLY,
    WINDOWS,
    WINDOWS_DOMAIN,
    Client,
    init,
    mech_list,
    response,
    server,
)

# [MS-SPNG] 4, with the middle of its mechToken left to the lengths around it.
SPEC_HEAD = bytes.fromhex(
    "6082015d06062b0601050502a08201513082014da01a3018"
    "060a2b06010401823702021e060a2b06010401823702020a"
    "a282010104 81fe"
)
SPEC_HINTS = bytes.fromhex("a32a3028a0261b24") + b"not_defined_in_RFC4178@please_ignore"


def acceptor(
    *, allow_guest: bool = False, allow_anonymous: bool = False, require_mic: bool = False
) -> SpnegoAcceptor:
    configuration = server(
        allow_guest=allow_guest, allow_anonymous=allow_anonymous, require_mic=require_mic
    )
    return SpnegoAcceptor(NTLMAcceptor(configuration))


def step(target: SpnegoAcceptor, token: bytes) -> NegTokenResp:
    return NegTokenResp.decode(target.step(token))


def to_authenticate(target: SpnegoAcceptor, client: Client, mech_types: list[bytes]) -> bytes:
    """Negotiate as far as the client's AUTHENTICATE_MESSAGE, and return that."""
    if mech_types[0] == Mechanism.NTLM:
        answer = step(target, init(mech_types, client.negotiate()))
        assert answer.neg_state == NegState.ACCEPT_INCOMPLETE
        assert answer.supported_mech == Mechanism.NTLM
    else:
        answer = step(target, init(mech_types, b"optimistic token of something else"))
        assert answer == NegTokenResp(NegState.REQUEST_MIC, Mechanism.NTLM)
        answer = step(target, response(client.negotiate()))
        assert answer.neg_state == NegState.ACCEPT_INCOMPLETE
        assert answer.supported_mech is None
    assert answer.response_token is not None
    assert not target.complete
    return client.authenticate(answer.response_token)


def test_negtokeninit2_of_the_specification() -> None:
    data = SPEC_HEAD + bytes(254) + SPEC_HINTS
    assert len(data) == 0x161
    token = NegTokenInit.decode(data)
    assert token.mech_types == WINDOWS
    assert token.mech_token == bytes(254)
    assert token.hints
    assert token.mech_list_mic is None
    assert token.mech_type_list == mech_list(WINDOWS)
    assert token.encode() == data


def test_initial_token() -> None:
    authenticator = NTLMAuthenticator(MemoryAccounts(), server_name="SERVER")
    assert authenticator.initial_token().hex() == (
        "604806062b0601050502a03e303c"
        "a00e300c060a2b06010401823702020a"
        "a32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265"
    )


@pytest.mark.parametrize("mic", [None, b"m" * 16])
@pytest.mark.parametrize("hints", [False, True])
def test_init_round_trip(mic: bytes | None, hints: bool) -> None:
    token = NegTokenInit(MACOS, b"token" * 60, mic, hints)
    decoded = NegTokenInit.decode(token.encode())
    token.mech_type_list = mech_list(MACOS)
    assert decoded == token


@pytest.mark.parametrize(
    ("token", "hex_"),
    [
        (NegTokenResp(0), "a1073005a0030a0100"),
        (
            NegTokenResp(0, None, None, bytes.fromhex("010000003B453CDC3524164200000000")),
            # as a Windows server sent it in a published capture
            "a11b3019a0030a0100a3120410010000003b453cdc3524164200000000",
        ),
        (NegTokenResp(3, Mechanism.NTLM), "a1153013a0030a0103a10c060a2b06010401823702020a"),
        (NegTokenResp(None, None, b"NTLM"), "a10a3008a20604044e544c4d"),
        (NegTokenResp(), "a1023000"),
    ],
)
def test_resp(token: NegTokenResp, hex_: str) -> None:
    assert token.encode().hex() == hex_
    assert NegTokenResp.decode(bytes.fromhex(hex_)) == token


@pytest.mark.parametrize(
    "data",
    [
        "",
        "a1",
        "a0023000",  # another choice
        "a102300000",  # trailing byte
        "a10430020401",
        "a1073005a0030a0104",  # negState
        "a1083006a0040a020000",
        "a1073005a003020100",  # INTEGER
        "a1093007a2050403010203" + "00",
        "a1063004a2020500",  # NULL for a token
        "a1803000a0000000",  # indefinite length
    ],
)
def test_resp_errors(data: str) -> None:
    with pytest.raises(DecodeError):
        NegTokenResp.decode(bytes.fromhex(data))


def wrapped(content: bytes, oid: bytes = Mechanism.SPNEGO) -> bytes:
    return encode(Tag.APPLICATION_0, encode(Tag.OID, oid), encode(Tag.CONTEXT_0, content))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        wrapped(b""),
        wrapped(encode(Tag.SEQUENCE)),  # no mechTypes
        wrapped(encode(Tag.SEQUENCE, encode(0xA2, encode(Tag.OCTET_STRING, b"x")))),
        wrapped(encode(Tag.SEQUENCE, encode(0xA0, encode(Tag.OID, Mechanism.NTLM)))),
        wrapped(encode(Tag.SEQUENCE, encode(0xA0, encode(0x30, encode(0x04, b"x"))))),
        init(NTLM_ONLY, b"x") + b"\0",
        encode(Tag.APPLICATION_0, init(NTLM_ONLY, None)[2:], b"\4\0"),  # after NegTokenInit
        encode(Tag.APPLICATION_0, encode(Tag.OID, Mechanism.KERBEROS), b"\1\0AP-REQ"),
    ],
)
def test_init_errors(data: bytes) -> None:
    with pytest.raises(NTStatusError) as caught:
        acceptor().step(data)
    assert caught.value.status == NTStatus.INVALID_PARAMETER


def test_ntlm_first() -> None:
    client, target = Client(), acceptor()
    token = to_authenticate(target, client, NTLM_ONLY)
    listed = mech_list(NTLM_ONLY)
    last = step(target, response(token, client.mic(listed)))
    assert last.neg_state == NegState.ACCEPT_COMPLETED
    assert last.mech_list_mic == client.mic(listed, from_client=False)
    assert last.response_token is None
    assert target.complete
    assert target.session_key == client.key
    assert target.identity is not None
    assert target.identity.kind is IdentityKind.USER


@pytest.mark.parametrize(
    "missing",
    [
        NegotiateFlags.KEY_EXCH,
        NegotiateFlags.NEGOTIATE_128,
        NegotiateFlags.NEGOTIATE_128 | NegotiateFlags.NEGOTIATE_56,
    ],
)
def test_mic_with_other_key_strengths(missing: int) -> None:
    client, target = Client(flags=DEFAULT_FLAGS & ~missing), acceptor()
    token = to_authenticate(target, client, WINDOWS)
    listed = mech_list(WINDOWS)
    last = step(target, response(token, client.mic(listed)))
    assert last.mech_list_mic == client.mic(listed, from_client=False)


def test_ntlm_first_without_mic() -> None:
    client, target = Client(), acceptor()
    last = step(target, response(to_authenticate(target, client, [*NTLM_ONLY, *MACOS[:2]])))
    assert last == NegTokenResp(NegState.ACCEPT_COMPLETED)
    assert target.complete


def test_ntlm_first_without_token() -> None:
    client, target = Client(), acceptor()
    answer = step(target, init(NTLM_ONLY, None))
    assert answer == NegTokenResp(NegState.ACCEPT_INCOMPLETE, Mechanism.NTLM)
    answer = step(target, response(client.negotiate(), state=NegState.ACCEPT_INCOMPLETE))
    assert answer.response_token is not None
    step(target, response(client.authenticate(answer.response_token)))
    assert target.complete


@pytest.mark.parametrize("mech_types", [WINDOWS, WINDOWS_DOMAIN, MACOS])
def test_ntlm_later_in_the_list(mech_types: list[bytes]) -> None:
    client, target = Client(), acceptor()
    token = to_authenticate(target, client, mech_types)
    listed = mech_list(mech_types)
    last = step(target, response(token, client.mic(listed)))
    assert last.neg_state == NegState.ACCEPT_COMPLETED
    assert last.mech_list_mic == client.mic(listed, from_client=False)
    assert target.complete


def test_tokens_built_by_hand() -> None:
    """Byte by byte, as a Windows client sends them that prefers NegoEx; nothing of our encoder."""
    client, target = Client(), acceptor()
    negoex = b"NEGOEXTS" + bytes(0x66)
    token = (
        bytes.fromhex("60819c06062b0601050502a08191 30818e a01a3018")
        + bytes.fromhex("060a2b06010401823702021e060a2b06010401823702020a")
        + bytes.fromhex("a270046e")
        + negoex
    )
    assert step(target, token) == NegTokenResp(NegState.REQUEST_MIC, Mechanism.NTLM)
    negotiate = client.negotiate()
    assert len(negotiate) == 40
    answer = step(target, bytes.fromhex("a12e302ca22a0428") + negotiate)
    assert answer.response_token is not None
    authenticate = client.authenticate(answer.response_token)
    listed = token[19:45]
    assert listed[:2].hex() == "3018"
    mic = client.mic(listed)
    last = step(target, response(authenticate, mic, NegState.ACCEPT_INCOMPLETE))
    assert last.neg_state == NegState.ACCEPT_COMPLETED
    assert target.session_key == client.key


@pytest.mark.parametrize("mech_types", [WINDOWS, WINDOWS_DOMAIN, MACOS])
def test_a_list_that_puts_ntlm_later_needs_its_mic(mech_types: list[bytes]) -> None:
    client, target = Client(), acceptor()
    token = to_authenticate(target, client, mech_types)
    with pytest.raises(LogonFailure, match="mechListMIC is missing") as caught:
        target.step(response(token))
    assert caught.value.status == NTStatus.LOGON_FAILURE
    assert not target.complete
    assert target.identity is None
    assert target.session_key == b""


def test_a_shortened_list_is_noticed() -> None:
    """The client offered Kerberos first; somebody on the way left NTLM alone."""
    client, target = Client(), acceptor()
    token = to_authenticate(target, client, NTLM_ONLY)
    with pytest.raises(LogonFailure, match="mechListMIC is wrong"):
        target.step(response(token, client.mic(mech_list(WINDOWS_DOMAIN))))
    assert not target.complete


@pytest.mark.parametrize("mech_types", [NTLM_ONLY, WINDOWS])
@pytest.mark.parametrize("mic", [b"", bytes(16), b"\1" + bytes(15), b"x" * 300])
def test_wrong_mics(mech_types: list[bytes], mic: bytes) -> None:
    client, target = Client(), acceptor()
    token = to_authenticate(target, client, mech_types)
    with pytest.raises(LogonFailure, match="mechListMIC is wrong"):
        target.step(response(token, mic))


def test_a_repeated_token_is_no_mic() -> None:
    """Windows before Vista puts the token into mechListMIC again; that protects nothing."""
    client, target = Client(), acceptor()
    token = to_authenticate(target, client, NTLM_ONLY)
    assert step(target, response(token, token)).mech_list_mic is None
    assert target.complete
    target = acceptor()
    token = to_authenticate(target, client, WINDOWS)
    with pytest.raises(LogonFailure, match="missing"):
        target.step(response(token, token))


def test_without_signing_there_is_no_integrity() -> None:
    client = Client(flags=DEFAULT_FLAGS & ~NegotiateFlags.SIGN)
    dummy = b"\1" + bytes(15)
    for mic, ours in ((None, None), (dummy, dummy), (b"junk", None)):
        target = acceptor()
        token = to_authenticate(target, client, WINDOWS)
        assert step(target, response(token, mic)).mech_list_mic == ours
        assert target.complete


def test_guest_has_no_mic() -> None:
    client, target = Client(user="bob"), acceptor(allow_guest=True)
    token = to_authenticate(target, client, WINDOWS)
    last = step(target, response(token, client.mic(mech_list(WINDOWS))))
    assert last == NegTokenResp(NegState.ACCEPT_COMPLETED)
    assert target.identity is not None
    assert target.identity.kind is IdentityKind.GUEST
    assert target.session_key == b""


@pytest.mark.parametrize("with_mic", [False, True])
def test_anonymous(with_mic: bool) -> None:
    client, target = Client(), acceptor(allow_anonymous=True)
    answer = step(target, init(NTLM_ONLY, client.negotiate()))
    assert answer.response_token is not None
    token = client.anonymous(answer.response_token)
    listed = mech_list(NTLM_ONLY)
    last = step(target, response(token, client.mic(listed) if with_mic else None))
    assert last.mech_list_mic == (client.mic(listed, from_client=False) if with_mic else None)
    assert target.identity is not None
    assert target.identity.kind is IdentityKind.ANONYMOUS
    assert target.session_key == b""


@pytest.mark.parametrize(
    ("mech_types", "reason"),
    [
        ([Mechanism.KERBEROS], "the client offers only Kerberos"),
        ([Mechanism.MS_KERBEROS, Mechanism.KERBEROS], "the client offers only Kerberos"),
        ([Mechanism.NEGOEX, Mechanism.KERBEROS], "the client offers only NegoEx, Kerberos"),
        ([], "the client offers only nothing"),
        ([b"\x2a\x03"], "the client offers only OID 2a03"),
    ],
)
def test_no_common_mechanism(mech_types: list[bytes], reason: str) -> None:
    with pytest.raises(LogonFailure) as caught:
        acceptor().step(init(mech_types, b"token"))
    assert caught.value.status == NTStatus.NOT_SUPPORTED
    assert caught.value.reason == reason


def test_raw_ntlm() -> None:
    client, target = Client(), acceptor()
    assert target.step(client.authenticate(target.step(client.negotiate()))) == b""
    assert target.complete
    assert target.session_key == client.key


def test_raw_stays_raw_and_wrapped_stays_wrapped() -> None:
    client, target = Client(), acceptor()
    token = client.authenticate(target.step(client.negotiate()))
    with pytest.raises(NTStatusError):
        target.step(response(token))
    target = acceptor()
    token = to_authenticate(target, client, NTLM_ONLY)
    with pytest.raises(NTStatusError):
        target.step(token)
    assert not target.complete


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (b"", NTStatus.INVALID_PARAMETER),
        (init(NTLM_ONLY, b"NTLMSSP\0"), NTStatus.INVALID_PARAMETER),
        (response(None), NTStatus.INVALID_PARAMETER),
        (response(b""), NTStatus.INVALID_PARAMETER),
        (response(b"x", state=NegState.REJECT), NTStatus.LOGON_FAILURE),
        (response(b"x" * 100), NTStatus.INVALID_PARAMETER),
    ],
)
def test_unexpected_second_tokens(token: bytes, status: int) -> None:
    target = acceptor()
    target.step(init(NTLM_ONLY, Client().negotiate()))
    with pytest.raises(NTStatusError) as caught:
        target.step(token)
    assert caught.value.status == status
    with pytest.raises(NTStatusError) as caught:  # and nothing makes up for it
        target.step(init(NTLM_ONLY, Client().negotiate()))
    assert caught.value.status == NTStatus.INVALID_PARAMETER


def test_no_step_after_the_last() -> None:
    client, target = Client(), acceptor()
    token = response(to_authenticate(target, client, NTLM_ONLY))
    target.step(token)
    with pytest.raises(NTStatusError) as caught:
        target.step(token)
    assert caught.value.status == NTStatus.INVALID_PARAMETER


def test_oversized() -> None:
    with pytest.raises(NTStatusError, match="token of 65") as caught:
        acceptor().step(init(NTLM_ONLY, bytes(0x10000)))
    assert caught.value.status == NTStatus.INVALID_PARAMETER


def test_every_truncation() -> None:
    client, target = Client(), acceptor()
    first = init(NTLM_ONLY, client.negotiate())
    for length in range(len(first)):
        with pytest.raises(NTStatusError):
            acceptor().step(first[:length])
    token = response(to_authenticate(target, client, NTLM_ONLY), client.mic(mech_list(NTLM_ONLY)))
    for length in range(len(token)):
        target = acceptor()
        to_authenticate(target, client, NTLM_ONLY)
        with pytest.raises(NTStatusError):
            target.step(token[:length])
        assert not target.complete


def test_acceptors_are_independent() -> None:
    authenticator = NTLMAuthenticator(
        MemoryAccounts({"alice": "correct horse"}), server_name="SERVER", domain="GROUP"
    )
    first, second = authenticator.acceptor(), authenticator.acceptor()
    client = Client()
    challenges = [
        NegTokenResp.decode(target.step(init(NTLM_ONLY, client.negotiate()))).response_token
        for target in (first, second)
    ]
    assert challenges[0] != challenges[1]
    assert challenges[1] is not None
    token = response(client.authenticate(challenges[1]))
    with pytest.raises(LogonFailure):
        first.step(token)
    second.step(token)
    assert str(second.identity) == "GROUP\\alice"
    assert second.target_name == ""


def test_mechanism_names() -> None:
    assert mechanism_name(Mechanism.NTLM) == "NTLM"
    assert mechanism_name(b"\x01" * 5000) == "OID " + "01" * 32


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=120), st.integers(0, 3))
def test_arbitrary_tokens(data: bytes, stage: int) -> None:
    target = acceptor(allow_guest=True)
    if stage == 1:
        data = wrapped(data)
    elif stage == 2:
        target.step(init(WINDOWS, data))
    elif stage == 3:
        target.step(init(NTLM_ONLY, Client().negotiate()))
        data = response(data)
    with pytest.raises(NTStatusError):
        target.step(data)
    assert not target.complete


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10_000), st.integers(1, 255), st.booleans())
def test_damaged_tokens(position: int, mask: int, last: bool) -> None:
    """One byte of a good exchange is changed: whatever happens, it is an answer or a status."""
    client, target = Client(), acceptor()
    token = init(WINDOWS, b"token")
    if last:
        token = response(
            to_authenticate(target, client, NTLM_ONLY), client.mic(mech_list(NTLM_ONLY))
        )
    position %= len(token)
    changed = token[:position] + bytes((token[position] ^ mask,)) + token[position + 1 :]
    try:
        target.step(changed)
    except NTStatusError:
        assert not target.complete
