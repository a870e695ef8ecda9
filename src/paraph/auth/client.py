"""Who we say we are: the client's side of SESSION_SETUP, token by token.

    initiator = Credentials("anna", "secret").initiator("server")
    token = initiator.step(b"")          # goes into the first SESSION_SETUP
    token = initiator.step(answer)       # until the server says that it is enough

NTLMv2 and Kerberos inside SPNEGO are pyspnego's; it verifies the MICs of SPNEGO. Kerberos needs its
optional packages `gssapi` and `krb5`. An anonymous logon, which pyspnego has none of, is made here.
A logon that fails never becomes an anonymous one.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

from paraph.auth.ntlm_messages import (
    AuthenticateMessage,
    ChallengeMessage,
    NegotiateFlags,
    NegotiateMessage,
)
from paraph.auth.spnego_messages import Mechanism, NegState, NegTokenInit, NegTokenResp
from paraph.crypto import ntlm
from paraph.errors import DecodeError, ParaphError, UserError

KerberosUse = Literal["auto", "required", "off"]

_NT_HASH_SIZE = 16
_ANONYMOUS_FLAGS = (
    NegotiateFlags.UNICODE
    | NegotiateFlags.REQUEST_TARGET
    | NegotiateFlags.NTLM
    | NegotiateFlags.ALWAYS_SIGN
    | NegotiateFlags.EXTENDED_SESSIONSECURITY
    | NegotiateFlags.NEGOTIATE_128
    | NegotiateFlags.NEGOTIATE_56
)


class InitiatorError(ParaphError):
    """The authentication can not go on: no credentials, or the server's token is not acceptable."""


class Initiator(ABC):
    """The client's side of one authentication (sans-IO, but for Kerberos, which asks its KDC)."""

    #: The key that the mechanism yields, whole; empty for anonymous, and until it is known.
    session_key: bytes = b""

    @abstractmethod
    def step(self, token: bytes) -> bytes:
        """Consume the server's token (empty at first), return ours (perhaps empty).

        Raises InitiatorError.
        """


@dataclass(frozen=True, slots=True)
class Credentials:
    """What to log on with. Secrets never show in a repr.

    `password` (or `nt_hash`, 16 bytes or 32 hexadecimal digits) serves NTLM, `password`, `ccache`
    (a Kerberos credential cache as TYPE:RESIDUAL) or `keytab` (a path) Kerberos. With
    `kerberos="auto"` Kerberos is tried where it is possible and NTLM otherwise; a ccache or a
    keytab is Kerberos alone. No user and no Kerberos credential: an anonymous logon.
    """

    user: str = ""
    password: str | None = field(default=None, repr=False)
    domain: str = ""
    nt_hash: bytes | str | None = field(default=None, repr=False)
    ccache: str = ""
    keytab: str = ""
    kerberos: KerberosUse = "auto"

    @property
    def anonymous(self) -> bool:
        """Whether nobody in particular is to be logged on."""
        return not (self.user or self.ccache or self.keytab or self.kerberos == "required")

    @property
    def account(self) -> str:
        r"""DOMAIN\user, or what there is of it."""
        return f"{self.domain}\\{self.user}" if self.domain else self.user

    def initiator(self, server: str) -> Initiator:
        """A fresh exchange with the host `server`. Raises UserError for what can not be used and
        InitiatorError when there is no way to log on with it."""
        if self.anonymous:
            if self.password or self.nt_hash:
                raise UserError("There is a password, but no user that it belongs to.")
            return AnonymousInitiator()
        return _SpnegoInitiator(self, server)


class _SpnegoInitiator(Initiator):
    """pyspnego's context."""

    def __init__(self, credentials: Credentials, server: str) -> None:
        import spnego  # takes a tenth of a second, which a server can do without
        from spnego.exceptions import SpnegoError

        self._failure = SpnegoError
        request = spnego.ContextReq.mutual_auth | spnego.ContextReq.integrity
        protocol = "kerberos" if credentials.kerberos == "required" else "negotiate"
        try:
            self._context = spnego.client(
                _credential(credentials),
                hostname=server,
                service="cifs",
                protocol=protocol,
                context_req=request | spnego.ContextReq.sequence_detect,
            )
        except (SpnegoError, ImportError) as error:
            raise InitiatorError(_plain(error)) from error

    def step(self, token: bytes) -> bytes:
        context = self._context
        if context.complete and not token:
            return b""
        try:
            answer = context.step(token or None) or b""
            self.session_key = _key(context)
        except self._failure as error:
            raise InitiatorError(_plain(error)) from error
        except (ValueError, IndexError, KeyError, OverflowError) as error:
            raise InitiatorError(f"the server's token is malformed: {error}") from error
        return answer


def _key(context: Any) -> bytes:
    """The session key as far as it is known: NTLM has it before the server's last word."""
    from spnego.exceptions import NoContextError

    try:
        return bytes(context.session_key)
    except NoContextError:
        return b""


def _credential(credentials: Credentials) -> Any:
    """What pyspnego takes for these credentials."""
    import spnego

    account = credentials.account
    if credentials.ccache:
        return spnego.KerberosCCache(credentials.ccache, credentials.user or None)
    if credentials.keytab:
        return spnego.KerberosKeytab(credentials.keytab, credentials.user or None)
    if credentials.nt_hash is not None:
        return spnego.NTLMHash(account, nt_hash=_hash_digits(credentials.nt_hash))
    if credentials.password is None:
        if credentials.kerberos == "off":
            raise UserError(f"There is no password for {account}.")
        return spnego.CredentialCache(account or None)
    if credentials.kerberos == "off":
        return spnego.NTLMHash(account, nt_hash=ntlm.nt_hash(credentials.password).hex())
    return spnego.Password(account, credentials.password)


def _hash_digits(value: bytes | str) -> str:
    """An NT hash as 32 hexadecimal digits; "LM:NT" is taken too."""
    digits = value.hex() if isinstance(value, bytes) else value.rpartition(":")[2].lower()
    try:
        size = len(bytes.fromhex(digits))
    except ValueError:
        size = 0
    if size != _NT_HASH_SIZE:
        raise UserError("An NT hash has 16 bytes, written as 32 hexadecimal digits.")
    return digits


def _plain(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__


class AnonymousInitiator(Initiator):
    """An anonymous NTLM logon inside SPNEGO, [MS-NLMP] 3.2.5.1.2: no user, no proof, no key."""

    def __init__(self) -> None:
        self._sent_negotiate = False

    def step(self, token: bytes) -> bytes:
        if not self._sent_negotiate:
            self._sent_negotiate = True
            message = NegotiateMessage(_ANONYMOUS_FLAGS).encode()
            return NegTokenInit([Mechanism.NTLM], message).encode()
        if not token:
            return b""
        try:
            answer = NegTokenResp.decode(token)
            if answer.neg_state == NegState.REJECT:
                raise InitiatorError("the server rejects NTLM")
            if not answer.response_token:
                return b""
            challenge = ChallengeMessage.decode(answer.response_token)
        except DecodeError as error:
            raise InitiatorError(f"the server's token is malformed: {error}") from error
        flags = challenge.flags | NegotiateFlags.ANONYMOUS
        key = b""
        if flags & NegotiateFlags.KEY_EXCH:
            key = ntlm.rc4(bytes(16), secrets.token_bytes(16))
        message = AuthenticateMessage(flags, lm_response=b"\0", encrypted_key=key, mic=b"").encode()
        return NegTokenResp(response_token=message).encode()
