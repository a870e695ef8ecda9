"""What the administrator chose: the server's settings, with a default for each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from paraph.errors import UserError
from paraph.policy.settings import Policy
from paraph.wire.smb2.negotiate import Dialect

Encryption = Literal["off", "offered", "desired", "required"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,15}")
_SMALLEST_SIZE = 1 << 16  # bytes; every dialect can carry this much in one message
_DIALECTS = (
    Dialect.SMB_2_0_2,
    Dialect.SMB_2_1,
    Dialect.SMB_3_0,
    Dialect.SMB_3_0_2,
    Dialect.SMB_3_1_1,
)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(right: bool, name: str, value: Any, what: str) -> None:
    if not right:
        raise UserError(f"The setting {name} can not be {value!r}: it must be {what}.")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what peers may make the server keep. Times are seconds."""

    connections: int = 16384  #: transport connections at once
    half_open: int = 1024  #: of these, connections without a valid session
    half_open_per_address: int = 128  #: of these, from one address
    logon_time: float = 45.0  #: from connecting to the first valid session, else dropped
    sessions_per_connection: int = 64
    trees_per_session: int = 256
    opens_per_session: int = 16384
    requests_in_flight: int = 512  #: asynchronous requests of one connection
    credits: int = 8192  #: outstanding credits of one connection
    locks_per_open: int = 8192
    queued_reply_bytes: int = 4 << 20  #: replies the peer has not taken: beyond, reading pauses

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            _check(
                _is_number(value) and value >= 0, f"limits.{item.name}", value, "a number from 0 on"
            )


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Everything but shares and accounts.

    `encryption`: "off" offers none (a client that requires it leaves); "offered" leaves the choice
    to the client, as Windows does; "desired" encrypts each session whose client can; "required"
    refuses clients that can not (EncryptData and RejectUnencryptedAccess, [MS-SMB2] 3.3.1.5).

    Raises UserError for a value that can not be.
    """

    name: str = "PARAPH"  #: NetBIOS computer name, at most 15 characters
    policy: Policy = field(default_factory=Policy)
    min_dialect: int = Dialect.SMB_2_0_2
    max_dialect: int = Dialect.SMB_3_1_1
    encryption: Encryption = "offered"
    #: Cipher and signing algorithm ids in order of preference; the first that the client offers.
    ciphers: tuple[int, ...] = (2, 1, 4, 3)  # AES-128-GCM, AES-128-CCM, AES-256-GCM, AES-256-CCM
    signing_algorithms: tuple[int, ...] = (2, 1, 0)  # AES-GMAC, AES-CMAC, HMAC-SHA256
    allow_guest: bool = False
    allow_anonymous: bool = False
    require_mic: bool = False
    audit_signing: bool = False  #: tell of clients that can not sign (AuditClientDoesNotSupport...)
    audit_encryption: bool = False  #: tell of clients that can not encrypt
    audit_guest: bool = False  #: tell of guests (AuditInsecureGuestLogon)
    failed_logon_delay: float = 2.0  #: seconds (InvalidAuthenticationDelayTimeInMs)
    max_transact_size: int = 8 << 20
    max_read_size: int = 8 << 20
    max_write_size: int = 8 << 20
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        name = self.name
        right = isinstance(name, str) and _NAME.fullmatch(name) is not None
        _check(right, "name", name, "1 to 15 letters, digits, - and _")
        known = ("off", "offered", "desired", "required")
        _check(
            self.encryption in known, "encryption", self.encryption, " or ".join(map(repr, known))
        )
        _check(isinstance(self.policy, Policy), "policy", self.policy, "a paraph.Policy")
        _check(isinstance(self.limits, Limits), "limits", self.limits, "a paraph.Limits")
        for key in ("min_dialect", "max_dialect"):
            value = getattr(self, key)
            _check(value in _DIALECTS, key, value, "one of 0x0202, 0x0210, 0x0300, 0x0302, 0x0311")
        _check(
            self.min_dialect <= self.max_dialect,
            "min_dialect",
            hex(self.min_dialect),
            f"at most max_dialect, which is {self.max_dialect:#06x}",
        )
        self._check_algorithms("ciphers", {1, 2, 3, 4})
        self._check_algorithms("signing_algorithms", {0, 1, 2})
        switches = ("allow_guest", "allow_anonymous", "require_mic")
        audits = ("audit_signing", "audit_encryption", "audit_guest")
        for key in switches + audits:
            value = getattr(self, key)
            _check(isinstance(value, bool), key, value, "True or False")
        delay = self.failed_logon_delay
        right = _is_number(delay) and delay >= 0
        _check(right, "failed_logon_delay", delay, "seconds, from 0 on")
        for key in ("max_transact_size", "max_read_size", "max_write_size"):
            value = getattr(self, key)
            right = _is_number(value) and value >= _SMALLEST_SIZE
            _check(right, key, value, f"bytes, at least {_SMALLEST_SIZE}")

    def _check_algorithms(self, key: str, known: set[int]) -> None:
        value = getattr(self, key)
        right = isinstance(value, tuple) and bool(value) and set(value) <= known
        numbers = ", ".join(map(str, sorted(known)))
        _check(right, key, value, f"a tuple of the ids {numbers}, at least one")
