"""Independent NTLM and SPNEGO clients against our acceptor, in memory."""

from __future__ import annotations

import pytest
import spnego
from impacket import ntlm as impacket_ntlm
from impacket.spnego import SPNEGO_NegTokenInit, SPNEGO_NegTokenResp, TypesMech
from smb import ntlm as pysmb_ntlm
from smb import securityblob
from spnego import ContextReq, NegotiateOptions
from spnego._spnego import NegState as PeerState
from spnego._spnego import NegTokenInit as PeerInit
from spnego._spnego import NegTokenResp as PeerResp
from spnego._spnego import unpack_token

from paraph.auth.accounts import MemoryAccounts
from paraph.auth.base import Acceptor, IdentityKind, LogonFailure
from paraph.auth.spnego import NTLMAuthenticator

USER, PASSWORD = "Älice", "correct horse \u20ac"


@pytest.fixture
def authenticator() -> NTLMAuthenticator:
    accounts = MemoryAccounts({USER: PASSWORD, "plain": "Password1!"})
    return NTLMAuthenticator(
        accounts,
        server_name="SERVER",
        dns_server_name="server.example",
        dns_domain="example",
        require_mic=True,
    )


@pytest.fixture
def lenient() -> NTLMAuthenticator:
    return NTLMAuthenticator(MemoryAccounts({"plain": "Password1!"}), server_name="SERVER")


def peer(
    protocol: str,
    password: str = PASSWORD,
    requests: ContextReq = ContextReq.default,
) -> spnego.ContextProxy:
    ntlm = protocol == "ntlm"
    return spnego.client(
        USER,
        password,
        hostname="server",
        service="cifs",
        protocol=protocol,
        context_req=requests,
        options=NegotiateOptions.use_ntlm if ntlm else NegotiateOptions.use_negotiate,
    )


def next_token(client: spnego.ContextProxy, answer: bytes | None = None) -> bytes:
    token = client.step(answer)
    assert token is not None
    return token


def run(client: spnego.ContextProxy, acceptor: Acceptor, hint: bytes | None = None) -> int:
    """Exchange tokens until both sides are done; how many steps the acceptor took."""
    token = client.step(hint)
    steps = 0
    while token:
        steps += 1
        answer = acceptor.step(token)
        token = client.step(answer) if answer else None
    assert client.complete
    assert acceptor.complete
    return steps


def test_initial_token_is_understood(authenticator: NTLMAuthenticator) -> None:
    token = unpack_token(authenticator.initial_token())
    assert isinstance(token, PeerInit)
    assert token.mech_types == ["1.3.6.1.4.1.311.2.2.10"]
    assert token.hint_name == b"not_defined_in_RFC4178@please_ignore"
    assert token.hint_address is None
    assert token.mech_token is None


def test_spnego_with_mech_list_mic(authenticator: NTLMAuthenticator) -> None:
    client, acceptor = peer("negotiate"), authenticator.acceptor()
    assert run(client, acceptor, authenticator.initial_token()) == 2
    assert acceptor.session_key == client.session_key
    assert len(acceptor.session_key) == 16
    assert acceptor.identity is not None
    assert acceptor.identity.kind is IdentityKind.USER
    assert acceptor.identity.user == USER
    assert acceptor.target_name == "cifs/server"


def test_spnego_final_token_carries_our_mic(authenticator: NTLMAuthenticator) -> None:
    client, acceptor = peer("negotiate"), authenticator.acceptor()
    first = unpack_token(acceptor.step(next_token(client)))
    assert isinstance(first, PeerResp)
    assert first.neg_state == PeerState.accept_incomplete
    assert first.supported_mech == "1.3.6.1.4.1.311.2.2.10"
    authenticate = next_token(client, first.pack())
    sent = unpack_token(authenticate)
    assert isinstance(sent, PeerResp)
    assert sent.mech_list_mic
    last = unpack_token(acceptor.step(authenticate))
    assert isinstance(last, PeerResp)
    assert last.neg_state == PeerState.accept_complete
    assert last.mech_list_mic
    assert last.response_token is None
    broken = bytearray(last.pack())
    broken[-8] ^= 1  # in the checksum
    with pytest.raises(spnego.exceptions.BadMICError):
        client.step(bytes(broken))


def test_spnego_without_hint(authenticator: NTLMAuthenticator) -> None:
    client, acceptor = peer("negotiate"), authenticator.acceptor()
    assert run(client, acceptor) == 2
    assert acceptor.session_key == client.session_key


@pytest.mark.parametrize(
    "requests",
    [
        ContextReq.none,
        ContextReq.integrity,
        ContextReq.confidentiality,
        ContextReq.default,
    ],
)
@pytest.mark.parametrize("protocol", ["ntlm", "negotiate"])
def test_context_requests(
    authenticator: NTLMAuthenticator, protocol: str, requests: ContextReq
) -> None:
    client = peer(protocol, requests=requests)
    acceptor = authenticator.acceptor()
    run(client, acceptor)
    assert acceptor.session_key == client.session_key


def test_raw_ntlm(authenticator: NTLMAuthenticator) -> None:
    client, acceptor = peer("ntlm"), authenticator.acceptor()
    assert run(client, acceptor) == 2
    assert acceptor.session_key == client.session_key


@pytest.mark.parametrize("protocol", ["ntlm", "negotiate"])
def test_wrong_password(authenticator: NTLMAuthenticator, protocol: str) -> None:
    client, acceptor = peer(protocol, "wrong"), authenticator.acceptor()
    authenticate = next_token(client, acceptor.step(next_token(client)))
    with pytest.raises(LogonFailure) as caught:
        acceptor.step(authenticate)
    assert caught.value.user == USER
    assert not acceptor.complete


@pytest.mark.parametrize("preferred", ["1.3.6.1.4.1.311.2.2.30", "1.2.840.113554.1.2.2"])
def test_ntlm_as_second_choice(authenticator: NTLMAuthenticator, preferred: str) -> None:
    """A client whose optimistic token was of another mechanism and who falls back to NTLM."""
    ntlm_oid = "1.3.6.1.4.1.311.2.2.10"
    inner = peer("ntlm")
    acceptor = authenticator.acceptor()
    init = PeerInit([preferred, ntlm_oid], mech_token=b"another mechanism's token").pack()
    first = unpack_token(acceptor.step(init))
    assert isinstance(first, PeerResp)
    assert first.neg_state == PeerState.request_mic
    assert first.supported_mech == ntlm_oid
    assert first.response_token is None
    second = unpack_token(acceptor.step(PeerResp(response_token=next_token(inner)).pack()))
    assert isinstance(second, PeerResp)
    assert second.neg_state == PeerState.accept_incomplete
    assert second.supported_mech is None
    token = inner.step(second.response_token)
    mech_list = spnego._spnego.pack_mech_type_list([preferred, ntlm_oid])
    mic = inner.sign(mech_list)
    last = unpack_token(acceptor.step(PeerResp(response_token=token, mech_list_mic=mic).pack()))
    assert isinstance(last, PeerResp)
    assert last.neg_state == PeerState.accept_complete
    assert last.mech_list_mic is not None
    inner.verify(mech_list, last.mech_list_mic)
    assert acceptor.session_key == inner.session_key


def test_impacket(lenient: NTLMAuthenticator) -> None:
    """It sends neither MIC nor mechListMIC."""
    acceptor = lenient.acceptor()
    type1 = impacket_ntlm.getNTLMSSPType1("WORKSTATION", "", signingRequired=True)
    init = SPNEGO_NegTokenInit()
    init["MechTypes"] = [TypesMech["NTLMSSP - Microsoft NTLM Security Support Provider"]]
    init["MechToken"] = type1.getData()
    answer = SPNEGO_NegTokenResp(acceptor.step(init.getData()))
    type3, key = impacket_ntlm.getNTLMSSPType3(
        type1, bytes(answer["ResponseToken"]), "plain", "Password1!", "WORKGROUP"
    )
    response = SPNEGO_NegTokenResp()
    response["ResponseToken"] = type3.getData()
    SPNEGO_NegTokenResp(acceptor.step(response.getData()))
    assert acceptor.complete
    assert acceptor.session_key == key


def test_impacket_ntlmv1_is_refused(lenient: NTLMAuthenticator) -> None:
    acceptor = lenient.acceptor()
    type1 = impacket_ntlm.getNTLMSSPType1("", "", signingRequired=True, use_ntlmv2=False)
    challenge = acceptor.step(type1.getData())
    type3, _ = impacket_ntlm.getNTLMSSPType3(
        type1, challenge, "plain", "Password1!", "WORKGROUP", use_ntlmv2=False
    )
    with pytest.raises(LogonFailure, match="NTLMv1 refused"):
        acceptor.step(type3.getData())


def test_pysmb(lenient: NTLMAuthenticator) -> None:
    """Its AUTHENTICATE_MESSAGE has no Version and no MIC field."""
    acceptor = lenient.acceptor()
    token = securityblob.generateNegotiateSecurityBlob(pysmb_ntlm.generateNegotiateMessage())
    result, challenge_token = securityblob.decodeChallengeSecurityBlob(acceptor.step(token))
    assert result == securityblob.RESULT_ACCEPT_INCOMPLETE
    challenge, flags, info = pysmb_ntlm.decodeChallengeMessage(challenge_token)
    nt, lm, key = pysmb_ntlm.generateChallengeResponseV2(
        "Password1!", "plain", challenge, info, "WORKGROUP", b"\x11" * 8
    )
    message, session_key = pysmb_ntlm.generateAuthenticateMessage(
        flags, nt, lm, key, "plain", "WORKGROUP", "WORKSTATION"
    )
    answer = acceptor.step(securityblob.generateAuthSecurityBlob(message))
    assert securityblob.decodeAuthResponseSecurityBlob(answer) == (
        securityblob.RESULT_ACCEPT_COMPLETED
    )
    assert acceptor.complete
    assert acceptor.session_key == session_key
