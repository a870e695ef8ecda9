"""An NTLMv2 client for tests that can be told to misbehave. Not a test file itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from paraph.auth.accounts import MemoryAccounts
from paraph.auth.ntlm import NTLMServer
from paraph.auth.ntlm_messages import (
    MIC_OFFSET,
    NO_VERSION,
    AuthenticateMessage,
    AvFlags,
    AvId,
    ChallengeMessage,
    ClientChallenge,
    NegotiateFlags,
    NegotiateMessage,
    decode_av_pairs,
)
from paraph.auth.spnego_messages import Mechanism, NegTokenInit, NegTokenResp, encode_mech_types
from paraph.crypto import ntlm

NOW = 133_000_000_000_000_000
DEFAULT_FLAGS = (
    NegotiateFlags.UNICODE
    | NegotiateFlags.REQUEST_TARGET
    | NegotiateFlags.SIGN
    | NegotiateFlags.NTLM
    | NegotiateFlags.ALWAYS_SIGN
    | NegotiateFlags.EXTENDED_SESSIONSECURITY
    | NegotiateFlags.NEGOTIATE_128
    | NegotiateFlags.NEGOTIATE_56
    | NegotiateFlags.KEY_EXCH
    | NegotiateFlags.VERSION
)


def server(
    *,
    allow_guest: bool = False,
    allow_anonymous: bool = False,
    require_mic: bool = False,
    accounts: dict[str, str] | None = None,
) -> NTLMServer:
    """A server that knows Alice, whose challenges are always the same."""
    store = MemoryAccounts({"Alice": "correct horse"} if accounts is None else accounts)
    return NTLMServer(
        store,
        "SERVER",
        dns_server_name="server.example",
        allow_guest=allow_guest,
        allow_anonymous=allow_anonymous,
        require_mic=require_mic,
        clock=lambda: NOW,
        random=lambda size: bytes(range(size)),
    )


@dataclass
class Client:
    """Speaks NTLMv2 as [MS-NLMP] 3.1.5.1 says, unless a field says otherwise."""

    user: str = "alice"
    password: str = "correct horse"
    domain: str = "SERVER"
    flags: int = DEFAULT_FLAGS
    announce_mic: bool = True
    send_mic: bool = True
    wrong_mic: bool = False
    hash_domain: str | None = None
    extra_pairs: list[tuple[int, bytes]] = field(default_factory=list)
    key: bytes = b""
    challenge: ChallengeMessage | None = None
    _negotiate: bytes = b""

    def negotiate(self) -> bytes:
        self._negotiate = NegotiateMessage(self.flags).encode()
        return self._negotiate

    def authenticate(self, token: bytes) -> bytes:
        """The AUTHENTICATE_MESSAGE that answers the CHALLENGE_MESSAGE `token`."""
        challenge = self.challenge = ChallengeMessage.decode(token)
        pairs = decode_av_pairs(memoryview(challenge.target_info)) + self.extra_pairs
        if self.announce_mic:
            pairs.append((AvId.FLAGS, AvFlags.MIC_PRESENT.to_bytes(4, "little")))
        temp = ClientChallenge(NOW, b"\xaa" * 8, pairs).encode()
        domain = self.domain if self.hash_domain is None else self.hash_domain
        response_key = ntlm.ntowf_v2(ntlm.nt_hash(self.password), self.user, domain)
        proof = ntlm.nt_proof(response_key, challenge.server_challenge, temp)
        base_key = ntlm.session_base_key(response_key, proof)
        encrypted = b""
        self.key = base_key
        if challenge.flags & NegotiateFlags.KEY_EXCH:
            self.key = b"sixteen byte key"
            encrypted = ntlm.rc4(base_key, self.key)
        message = AuthenticateMessage(
            challenge.flags,
            self.domain,
            self.user,
            "CLIENT",
            bytes(24),
            proof + temp,
            encrypted,
            NO_VERSION,
            bytes(16) if self.send_mic else b"",
        ).encode()
        if not self.send_mic:
            return message
        mic = ntlm.authenticate_mic(self.key, self._negotiate, token, message)
        if self.wrong_mic:
            mic = bytes(byte ^ 1 for byte in mic)
        return message[:MIC_OFFSET] + mic + message[MIC_OFFSET + 16 :]

    def anonymous(self, token: bytes) -> bytes:
        """An anonymous AUTHENTICATE_MESSAGE as Windows sends it."""
        flags = ChallengeMessage.decode(token).flags | NegotiateFlags.ANONYMOUS
        self.key = b"sixteen byte key"
        return AuthenticateMessage(
            flags,
            workstation="CLIENT",
            lm_response=b"\0",
            encrypted_key=ntlm.rc4(bytes(16), self.key),
            mic=bytes(16),
        ).encode()

    def mic(self, message: bytes, *, from_client: bool = True) -> bytes:
        """The NTLM signature of the first message in that direction."""
        sealing = b""
        if self.flags & NegotiateFlags.KEY_EXCH:
            weak = 7 if self.flags & NegotiateFlags.NEGOTIATE_56 else 5
            strength = 16 if self.flags & NegotiateFlags.NEGOTIATE_128 else weak
            sealing = ntlm.seal_key(self.key, strength, client=from_client)
        signing = ntlm.sign_key(self.key, client=from_client)
        return ntlm.signature(signing, sealing, 0, message)


NTLM_ONLY = [Mechanism.NTLM]
WINDOWS = [Mechanism.NEGOEX, Mechanism.NTLM]
WINDOWS_DOMAIN = [
    Mechanism.MS_KERBEROS,
    Mechanism.KERBEROS,
    Mechanism.NEGOEX,
    Mechanism.NTLM,
]
MACOS = [Mechanism.KERBEROS, Mechanism.MS_KERBEROS, Mechanism.NTLM]


def init(mech_types: list[bytes], token: bytes | None) -> bytes:
    return NegTokenInit(mech_types, token).encode()


def response(token: bytes | None, mic: bytes | None = None, state: int | None = None) -> bytes:
    return NegTokenResp(state, None, token, mic).encode()


def mech_list(mech_types: list[bytes]) -> bytes:
    return encode_mech_types(mech_types)
