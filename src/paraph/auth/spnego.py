"""The server's side of SPNEGO with NTLM as its one mechanism, [RFC4178] and [MS-SPNG] 3.2.

A client may also speak NTLM without SPNEGO around it, from its first token on.
"""

from __future__ import annotations

from collections.abc import Callable

from paraph.auth.base import Acceptor, AccountStore, Authenticator, LogonFailure
from paraph.auth.ntlm import MAX_TOKEN, NTLMAcceptor, NTLMServer, filetime_now
from paraph.auth.ntlm_messages import SIGNATURE
from paraph.auth.spnego_messages import (
    Mechanism,
    NegState,
    NegTokenInit,
    NegTokenResp,
    mechanism_name,
)
from paraph.errors import DecodeError, NTStatusError
from paraph.wire.ntstatus import NTStatus

# What an acceptor waits for. Every step ends it, unless it says otherwise.
_FIRST_DUE, _RESPONSE_DUE, _RAW_DUE, _ENDED = range(4)


class SpnegoAcceptor(Acceptor):
    """One SESSION_SETUP exchange: at most three steps.

    The client's preferred mechanism is its first one. When that is not NTLM, its optimistic token
    is dropped and the list is protected by mechListMIC both ways ([RFC4178] 5): a client that then
    sends none is refused, lest somebody on the way took a stronger mechanism out of its list. When
    NTLM was its choice the MIC is checked and answered if the client sends one.
    """

    def __init__(self, ntlm: NTLMAcceptor) -> None:
        self._ntlm = ntlm
        self._state = _FIRST_DUE
        self._mech_type_list = b""
        self._mic_required = False

    @property
    def target_name(self) -> str:
        """The SPN that the client believes to be talking to, or ""; see `NTLMAcceptor`."""
        return self._ntlm.target_name

    def step(self, token: bytes) -> bytes:
        """Raises LogonFailure, or NTStatusError for a token that is malformed or out of turn."""
        state, self._state = self._state, _ENDED
        if state == _ENDED:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "token after the last one")
        if len(token) > MAX_TOKEN:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, f"token of {len(token)} bytes")
        token = bytes(token)
        try:
            if state == _RESPONSE_DUE:
                return self._on_response(token)
            if state == _RAW_DUE or token.startswith(SIGNATURE):
                return self._on_raw(token)
            return self._on_init(token)
        except DecodeError as error:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, str(error)) from None

    def _on_raw(self, token: bytes) -> bytes:
        answer = self._ntlm.step(token)
        if self._ntlm.complete:
            self._finish()
        else:
            self._state = _RAW_DUE
        return answer

    def _on_init(self, token: bytes) -> bytes:
        """[RFC4178] 4.2.1."""
        init = NegTokenInit.decode(token)
        if Mechanism.NTLM not in init.mech_types:
            offered = ", ".join(dict.fromkeys(map(mechanism_name, init.mech_types[:8])))
            raise LogonFailure(
                NTStatus.NOT_SUPPORTED, f"the client offers only {offered or 'nothing'}"
            )
        self._mech_type_list = init.mech_type_list
        self._mic_required = init.mech_types[0] != Mechanism.NTLM
        answer = NegTokenResp(NegState.ACCEPT_INCOMPLETE, Mechanism.NTLM)
        if self._mic_required:
            answer.neg_state = NegState.REQUEST_MIC
        elif init.mech_token:
            answer.response_token = self._ntlm.step(init.mech_token)
        self._state = _RESPONSE_DUE
        return answer.encode()

    def _on_response(self, token: bytes) -> bytes:
        """[RFC4178] 4.2.2."""
        response = NegTokenResp.decode(token)
        if response.neg_state == NegState.REJECT:
            raise LogonFailure(NTStatus.LOGON_FAILURE, "the client broke off the negotiation")
        if not response.response_token:
            raise DecodeError("NegTokenResp without responseToken")
        answer = self._ntlm.step(response.response_token)
        if not self._ntlm.complete:
            self._state = _RESPONSE_DUE
            return NegTokenResp(NegState.ACCEPT_INCOMPLETE, response_token=answer).encode()
        mic = response.mech_list_mic
        if mic == response.response_token:
            mic = None  # Windows before Vista repeats the token in this field
        our_mic = self._exchange_mic(mic)
        self._finish()
        return NegTokenResp(NegState.ACCEPT_COMPLETED, mech_list_mic=our_mic).encode()

    def _exchange_mic(self, mic: bytes | None) -> bytes | None:
        """Check the client's mechListMIC and return ours, None for none ([RFC4178] 5).

        Without a key of the user's (guest, anonymous) or without signing there is no integrity to
        be had: a MIC is then answered if it makes sense, and ignored if not.
        """
        ntlm = self._ntlm
        if mic is not None and ntlm.verify_mic(self._mech_type_list, mic):
            return ntlm.get_mic(self._mech_type_list)
        if not ntlm.integrity or (mic is None and not self._mic_required):
            return None
        wrong = "is missing" if mic is None else "is wrong: the mechanism list was changed"
        user = ntlm.identity.user if ntlm.identity else ""
        raise LogonFailure(NTStatus.LOGON_FAILURE, f"the mechListMIC {wrong}", user)

    def _finish(self) -> None:
        self.identity = self._ntlm.identity
        self.session_key = self._ntlm.session_key
        self.expires = self._ntlm.expires
        self.complete = True


class NTLMAuthenticator(Authenticator):
    """NTLM logons against an account store, with and without SPNEGO."""

    def __init__(
        self,
        accounts: AccountStore,
        *,
        server_name: str,
        domain: str = "",
        dns_server_name: str = "",
        dns_domain: str = "",
        allow_guest: bool = False,
        allow_anonymous: bool = False,
        require_mic: bool = False,
        clock: Callable[[], int] = filetime_now,
    ) -> None:
        """See `NTLMServer` for the names and `paraph.auth.ntlm` for `require_mic`.

        `allow_guest`: an unknown user becomes guest; a known one with a wrong password never.
        Raises UserError when `server_name` is empty.
        """
        self._server = NTLMServer(
            accounts,
            server_name,
            domain,
            dns_server_name,
            dns_domain,
            allow_guest,
            allow_anonymous,
            require_mic,
            clock,
        )
        self._initial_token = NegTokenInit([Mechanism.NTLM], hints=True).encode()

    def initial_token(self) -> bytes:
        return self._initial_token

    def acceptor(self) -> SpnegoAcceptor:
        return SpnegoAcceptor(NTLMAcceptor(self._server))
