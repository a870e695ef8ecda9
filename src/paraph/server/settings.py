"""What the administrator chose: the server's settings, with a default for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from paraph.policy.settings import Policy
from paraph.wire.smb2.negotiate import Dialect

Encryption = Literal["off", "desired", "required"]


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


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Everything but shares and accounts.

    `encryption`: "off" offers none (a session that asks for it stays unencrypted), "desired"
    encrypts each session whose client can, "required" refuses clients that can not
    (Session.EncryptData with RejectUnencryptedAccess, [MS-SMB2] 3.3.1.5).
    """

    name: str = "PARAPH"  #: NetBIOS computer name, at most 15 characters
    policy: Policy = field(default_factory=Policy)
    min_dialect: int = Dialect.SMB_2_0_2
    max_dialect: int = Dialect.SMB_3_1_1
    encryption: Encryption = "off"
    #: Cipher and signing algorithm ids in order of preference; the first that the client offers.
    ciphers: tuple[int, ...] = (2, 1, 4, 3)  # AES-128-GCM, AES-128-CCM, AES-256-GCM, AES-256-CCM
    signing_algorithms: tuple[int, ...] = (2, 1, 0)  # AES-GMAC, AES-CMAC, HMAC-SHA256
    allow_guest: bool = False
    allow_anonymous: bool = False
    require_mic: bool = False
    failed_logon_delay: float = 2.0  #: seconds (InvalidAuthenticationDelayTimeInMs)
    max_transact_size: int = 8 << 20
    max_read_size: int = 8 << 20
    max_write_size: int = 8 << 20
    limits: Limits = field(default_factory=Limits)
