"""The server's side of NTLMv2, connection-oriented, [MS-NLMP] 3.2.5.1.

NEGOTIATE comes in, CHALLENGE goes out, AUTHENTICATE comes in and is believed or not. NTLMv1, LM and
"NTLM2 session" responses are never accepted.

About the MIC. Our CHALLENGE carries MsvAvTimestamp, so a client that follows the specification
sends a MIC over the three messages and says so in MsvAvFlags. That announcement is part of what
NTLMv2 proves knowledge of the password with, so nobody on the way can take it out: where it is set,
a missing or wrong MIC refuses the logon, always (dropping the MIC of such a message was
CVE-2019-1040). Some clients know no MIC and announce none; they are accepted unless `require_mic`
is set. Without a MIC somebody on the way could change the negotiated flags, none of which makes us
accept a weaker proof.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct

from paraph.auth.base import Acceptor, AccountStore, Identity, IdentityKind, LogonFailure
from paraph.auth.ntlm_messages import (
    MIC_OFFSET,
    MIC_SIZE,
    NO_VERSION,
    OUR_VERSION,
    AuthenticateMessage,
    AvFlags,
    AvId,
    ChallengeMessage,
    ClientChallenge,
    NegotiateFlags,
    NegotiateMessage,
    av_flags,
    av_text,
    encode_av_pairs,
)
from paraph.crypto import ntlm as crypto
from paraph.errors import DecodeError, NTStatusError, UserError
from paraph.wire.ntstatus import NTStatus
from paraph.wire.text import upcase

MAX_TOKEN = 0x10000
"""Bytes that a token may have; SESSION_SETUP has 16 bits for the length of its buffer."""

GUEST = "Guest"
"""The account that unknown users become, and that nobody is unless guests are allowed."""

# What an acceptor waits for. Every step ends it, unless it says otherwise.
_NEGOTIATE_DUE, _AUTHENTICATE_DUE, _ENDED = range(3)

_PROOF_SIZE = 16
_NTLMV1_SIZE = 24
_FILETIME = Struct("<Q")
_UNIX_EPOCH = 116_444_736_000_000_000  # in FILETIME

# What we do when the client asks for it, and what we do anyway.
_SUPPORTED = (
    NegotiateFlags.SIGN
    | NegotiateFlags.SEAL
    | NegotiateFlags.KEY_EXCH
    | NegotiateFlags.NEGOTIATE_128
    | NegotiateFlags.NEGOTIATE_56
    | NegotiateFlags.VERSION
)
_ALWAYS = (
    NegotiateFlags.UNICODE
    | NegotiateFlags.REQUEST_TARGET
    | NegotiateFlags.NTLM
    | NegotiateFlags.ALWAYS_SIGN
    | NegotiateFlags.TARGET_TYPE_SERVER
    | NegotiateFlags.EXTENDED_SESSIONSECURITY
    | NegotiateFlags.TARGET_INFO
)
_SECURITY = NegotiateFlags.SIGN | NegotiateFlags.SEAL


def filetime_now() -> int:
    """The system's clock as FILETIME (100 ns since 1601), the default clock of `NTLMServer`."""
    return _UNIX_EPOCH + time.time_ns() // 100


@dataclass(frozen=True, slots=True)
class NTLMServer:
    """What all NTLM acceptors of a server share: its names, its accounts, its rules.

    `server_name` is the NetBIOS name, `domain` the NetBIOS domain, by default the server's name as
    on any machine outside a domain. The DNS names are sent when they are not empty. `clock`
    returns a FILETIME, `random` n random bytes.
    """

    accounts: AccountStore = field(repr=False)
    server_name: str
    domain: str = ""
    dns_server_name: str = ""
    dns_domain: str = ""
    allow_guest: bool = False
    allow_anonymous: bool = False
    require_mic: bool = False
    clock: Callable[[], int] = field(default=filetime_now, repr=False)
    random: Callable[[int], bytes] = field(default=secrets.token_bytes, repr=False)
    #: Checked in the place of the hash of a user that there is not, so that it takes as long.
    nobody: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def __post_init__(self) -> None:
        """Raises UserError when the server has no name: clients refuse such a CHALLENGE."""
        if not self.server_name:
            raise UserError("The server needs a name for NTLM.")
        for name in ("domain", "dns_server_name"):
            if not getattr(self, name):
                object.__setattr__(self, name, self.server_name)

    def target_info(self) -> bytes:
        """TargetInfo of a CHALLENGE_MESSAGE, [MS-NLMP] 3.2.5.1.1."""
        names = (
            (AvId.NB_DOMAIN_NAME, self.domain),
            (AvId.NB_COMPUTER_NAME, self.server_name),
            (AvId.DNS_DOMAIN_NAME, self.dns_domain),
            (AvId.DNS_COMPUTER_NAME, self.dns_server_name),
        )
        pairs = [(av_id, name.encode("utf-16-le")) for av_id, name in names if name]
        pairs.append((AvId.TIMESTAMP, _FILETIME.pack(self.clock())))
        return encode_av_pairs(pairs)


@dataclass(slots=True)
class _Response:
    """An NTLMv2_RESPONSE taken apart, [MS-NLMP] 2.2.2.8."""

    proof: bytes = field(repr=False)
    temp: bytes = field(repr=False)
    challenge: ClientChallenge

    @classmethod
    def decode(cls, data: bytes) -> _Response:
        temp = data[_PROOF_SIZE:]
        return cls(data[:_PROOF_SIZE], temp, ClientChallenge.decode(memoryview(temp)))


class NTLMAcceptor(Acceptor):
    """One NTLM exchange: two steps, after the second it is `complete` or has failed.

    `target_name` is what the client believes to be talking to (MsvAvTargetName), empty when it
    did not say or did not know for sure; it is not checked here.
    """

    def __init__(self, server: NTLMServer) -> None:
        self.target_name = ""
        self._server = server
        self._state = _NEGOTIATE_DUE
        self._flags = 0
        self._negotiate = b""
        self._challenge = b""
        self._server_challenge = b""
        self._exported_key = b""

    @property
    def integrity(self) -> bool:
        """Whether `get_mic` protects anything: a user's key, and signing agreed."""
        return bool(self.session_key and self._flags & NegotiateFlags.SIGN)

    def step(self, token: bytes) -> bytes:
        """Raises LogonFailure, or NTStatusError for a token that is malformed or out of turn."""
        state, self._state = self._state, _ENDED
        if state == _ENDED:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "NTLM message after the last one")
        if len(token) > MAX_TOKEN:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, f"token of {len(token)} bytes")
        try:
            if state == _NEGOTIATE_DUE:
                return self._on_negotiate(bytes(token))
            return self._on_authenticate(bytes(token))
        except DecodeError as error:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, str(error)) from None

    def get_mic(self, message: bytes) -> bytes:
        """GSS_GetMIC of the first message to the client, [MS-NLMP] 3.4.8.

        Always from the initial key state and with sequence number 0, as [MS-SPNG] 3.2.5.1 wants
        it for the mechListMIC, the only thing that SMB signs with this. Empty for a guest.
        """
        return self._signature(message, client=False)

    def verify_mic(self, message: bytes, mic: bytes) -> bool:
        """GSS_VerifyMIC of the first message from the client, [MS-NLMP] 3.4.9."""
        expected = self._signature(message, client=True)
        return bool(expected) and hmac.compare_digest(expected, mic)

    def _signature(self, message: bytes, *, client: bool) -> bytes:
        if not self._exported_key:
            return b""
        if not self._flags & NegotiateFlags.SIGN:
            return crypto.NO_SIGNATURE
        signing = crypto.sign_key(self._exported_key, client=client)
        sealing = b""
        if self._flags & NegotiateFlags.KEY_EXCH:
            sealing = crypto.seal_key(self._exported_key, self._strength(), client=client)
        return crypto.signature(signing, sealing, 0, message)

    def _strength(self) -> int:
        if self._flags & NegotiateFlags.NEGOTIATE_128:
            return 16
        return 7 if self._flags & NegotiateFlags.NEGOTIATE_56 else 5

    def _on_negotiate(self, token: bytes) -> bytes:
        """[MS-NLMP] 3.2.5.1.1."""
        asked = NegotiateMessage.decode(token).flags
        if not asked & NegotiateFlags.UNICODE:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "the client speaks no Unicode")
        if not asked & NegotiateFlags.EXTENDED_SESSIONSECURITY:
            raise LogonFailure(NTStatus.NOT_SUPPORTED, "no extended session security")
        self._flags = asked & _SUPPORTED | _ALWAYS
        if not asked & _SECURITY:
            # Without signing and sealing the specification has the key exchange do nothing, and
            # clients differ in what they make of that: so there is none.
            self._flags &= ~NegotiateFlags.KEY_EXCH
        self._server_challenge = self._server.random(8)
        challenge = ChallengeMessage(
            self._flags,
            self._server_challenge,
            self._server.server_name,
            self._server.target_info(),
            OUR_VERSION if self._flags & NegotiateFlags.VERSION else NO_VERSION,
        )
        self._negotiate = token
        self._challenge = challenge.encode()
        self._state = _AUTHENTICATE_DUE
        return self._challenge

    def _on_authenticate(self, token: bytes) -> bytes:
        """[MS-NLMP] 3.2.5.1.2."""
        message = AuthenticateMessage.decode(token)
        self._flags &= message.flags | _ALWAYS
        if self._is_anonymous(message):
            self._accept_anonymous(message)
            return b""
        if len(message.nt_response) <= _NTLMV1_SIZE:
            v1 = len(message.nt_response) == _NTLMV1_SIZE
            reason = "NTLMv1 refused" if v1 else "no NTLMv2 response"
            raise self._failure(message, reason)
        response = _Response.decode(message.nt_response)
        promised = av_flags(response.challenge.pairs)
        target_name = av_text(response.challenge.pairs, AvId.TARGET_NAME)
        self._check_key_length(message)

        name, base_key = self._check_password(message, response)
        if base_key:
            self._exported_key = self._export_key(message, base_key)
            self._check_mic(message, token, bool(promised & AvFlags.MIC_PRESENT))
            if not promised & AvFlags.UNTRUSTED_TARGET:
                self.target_name = target_name
        self._accept(message, name)
        return b""

    @staticmethod
    def _is_anonymous(message: AuthenticateMessage) -> bool:
        return not message.user and not message.nt_response and message.lm_response in (b"", b"\0")

    def _accept_anonymous(self, message: AuthenticateMessage) -> None:
        if not self._server.allow_anonymous:
            raise LogonFailure(NTStatus.ACCESS_DENIED, "anonymous refused")
        if not self._flags & NegotiateFlags.KEY_EXCH or len(message.encrypted_key) == 16:
            # A key that anyone can compute, of use only to answer a mechListMIC.
            self._exported_key = self._export_key(message, bytes(16))
        self.identity = Identity(IdentityKind.ANONYMOUS, workstation=message.workstation)
        self.complete = True

    def _check_password(
        self, message: AuthenticateMessage, response: _Response
    ) -> tuple[str, bytes]:
        """(name as stored, SessionBaseKey), or (GUEST, b"") for an unknown user who may be guest.

        Whether the user is unknown or the password wrong shows neither in the status nor in the
        work done. Raises LogonFailure.
        """
        found = self._find(message.user)
        name, hash_ = found or ("", self._server.nobody)
        base_key = self._matching_key(hash_, message, response)
        guest = upcase(message.user) == upcase(GUEST)
        if guest and not self._server.allow_guest:
            raise self._failure(message, "guest refused")
        if found is None:
            if not self._server.allow_guest:
                raise self._failure(message, "unknown user")
            return GUEST, b""
        if not base_key:
            raise self._failure(message, "wrong password")
        return (GUEST if guest else name), base_key

    def _find(self, user: str) -> tuple[str, bytes] | None:
        try:
            return self._server.accounts.find(user)
        except UserError as error:
            raise NTStatusError(NTStatus.INTERNAL_ERROR, f"no accounts: {error}") from error

    def _matching_key(
        self, hash_: bytes, message: AuthenticateMessage, response: _Response
    ) -> bytes:
        """The SessionBaseKey that goes with the proof, empty when there is none.

        The domain is taken as the client wrote it, and again as empty for clients that leave it
        out of the computation.
        """
        match = b""
        for domain in (message.domain, ""):
            key = crypto.ntowf_v2(hash_, message.user, domain)
            proof = crypto.nt_proof(key, self._server_challenge, response.temp)
            base_key = crypto.session_base_key(key, proof)
            if hmac.compare_digest(proof, response.proof):
                match = base_key
        return match

    def _check_key_length(self, message: AuthenticateMessage) -> None:
        if self._flags & NegotiateFlags.KEY_EXCH and len(message.encrypted_key) != 16:
            raise NTStatusError(
                NTStatus.INVALID_PARAMETER,
                f"EncryptedRandomSessionKey of {len(message.encrypted_key)} bytes",
            )

    def _export_key(self, message: AuthenticateMessage, base_key: bytes) -> bytes:
        """ExportedSessionKey from the KeyExchangeKey, which for NTLMv2 is the SessionBaseKey."""
        if self._flags & NegotiateFlags.KEY_EXCH:
            return crypto.rc4(base_key, message.encrypted_key)
        return base_key

    def _check_mic(self, message: AuthenticateMessage, token: bytes, promised: bool) -> None:
        if not promised:
            if self._server.require_mic:
                raise self._failure(message, "the client announces no MIC, and one is required")
            return
        if not message.mic:
            raise self._failure(message, "the MIC that the client announces is missing")
        zeroed = bytearray(token)
        zeroed[MIC_OFFSET : MIC_OFFSET + MIC_SIZE] = bytes(MIC_SIZE)
        expected = crypto.authenticate_mic(
            self._exported_key, self._negotiate, self._challenge, zeroed
        )
        if not hmac.compare_digest(expected, message.mic):
            raise self._failure(message, "the MIC is wrong: the exchange was changed on its way")

    def _accept(self, message: AuthenticateMessage, name: str) -> None:
        if name == GUEST:
            self._exported_key = b""
            kind = IdentityKind.GUEST
        else:
            self.session_key = self._exported_key
            kind = IdentityKind.USER
        self.identity = Identity(kind, name, self._server.domain, message.workstation)
        self.complete = True

    def _failure(self, message: AuthenticateMessage, reason: str) -> LogonFailure:
        self._exported_key = b""
        return LogonFailure(NTStatus.LOGON_FAILURE, reason, message.user)
