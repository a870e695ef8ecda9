"""Who you are: the seam between SESSION_SETUP and the authentication mechanisms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from paraph.errors import NTStatusError


class IdentityKind(Enum):
    """What sort of logon this is; guest and anonymous sessions have no key to sign with."""

    USER = "user"
    GUEST = "guest"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Identity:
    """The outcome of an authentication: Session.SecurityContext of [MS-SMB2] 3.3.1.8."""

    kind: IdentityKind
    user: str = ""  #: as the account store spells it
    domain: str = ""
    workstation: str = ""  #: what the client calls itself; unverified

    def __str__(self) -> str:
        if self.kind is IdentityKind.ANONYMOUS:
            return "anonymous"
        name = f"{self.domain}\\{self.user}" if self.domain else self.user
        return f"{name} (guest)" if self.kind is IdentityKind.GUEST else name


class LogonFailure(NTStatusError):
    """The client is not who it says, or may not enter. `reason` says why in plain words, for the
    log only. `user` is the name that was tried, as the peer sent it."""

    def __init__(self, status: int, reason: str, user: str = "") -> None:
        super().__init__(status, reason)
        self.user = user


class AccountStore(Protocol):
    """Where NT hashes come from. Names are compared ignoring case."""

    def find(self, user: str) -> tuple[str, bytes] | None:
        """(name as stored, 16-byte NT hash) or None."""
        ...

    def names(self) -> list[str]:
        """All account names, sorted."""
        ...


class Acceptor(ABC):
    """The server's side of one authentication, fed token by token (sans-IO).

    After `step` returned with `complete` true, `identity` and `session_key` are set.
    """

    complete: bool = False
    identity: Identity | None = None
    #: 16 bytes; empty for anonymous (and for guest, unless one was agreed).
    session_key: bytes = b""
    #: FILETIME after which the session expires, 0 for never (NTLM).
    expires: int = 0

    @abstractmethod
    def step(self, token: bytes) -> bytes:
        """Consume the client's token, return ours (perhaps empty).

        Raises LogonFailure (STATUS_LOGON_FAILURE, ...) or NTStatusError INVALID_PARAMETER for a
        malformed token.
        """


class Authenticator(ABC):
    """Makes acceptors; one per server."""

    @abstractmethod
    def initial_token(self) -> bytes:
        """The NegTokenInit2 of the NEGOTIATE response ([MS-SPNG] 2.2.1)."""

    @abstractmethod
    def acceptor(self) -> Acceptor:
        """A fresh acceptor for one SESSION_SETUP exchange."""
