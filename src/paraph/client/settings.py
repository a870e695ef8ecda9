"""How the client behaves: one frozen record, with a default for each setting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from paraph.core.dialect import DIALECTS
from paraph.errors import UserError
from paraph.policy.settings import Policy
from paraph.wire.smb2.negotiate import Dialect

Encryption = Literal["off", "offered", "required"]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Everything but whom to connect to as whom.

    `encryption`: "offered" encrypts where the server demands it, "required" encrypts everything and
    refuses servers that can not, "off" offers none.
    """

    policy: Policy = field(default_factory=Policy)
    min_dialect: int = Dialect.SMB_2_0_2
    max_dialect: int = Dialect.SMB_3_1_1
    encryption: Encryption = "offered"
    #: Cipher and signing algorithm ids, the preferred first.
    ciphers: tuple[int, ...] = (2, 4, 1, 3)  # AES-128-GCM, AES-256-GCM, AES-128-CCM, AES-256-CCM
    signing_algorithms: tuple[int, ...] = (2, 1, 0)  # AES-GMAC, AES-CMAC, HMAC-SHA256
    #: Sign what goes through named pipes even where the session does not demand it.
    ipc_signing: bool = True
    #: Sign on these shares whatever the policy says (the hardened UNC paths of Windows).
    hardened_shares: tuple[str, ...] = ("SYSVOL", "NETLOGON")
    #: Go on when the server takes us for a guest. False is RejectGuestAccess of [MS-SMB2] 3.2.3;
    #: True also allows it though signing is required (AllowInsecureGuestAccess).
    guest: bool = False
    #: Confirm the NEGOTIATE exchange before 3.1.1 (RequireSecureNegotiate).
    secure_negotiate: bool = True
    #: Accept the few unsigned failures on a signing session that Samba's client accepts: that the
    #: session was deleted, and of SESSION_SETUP some refusals. They deny service, no more.
    relaxed: bool = False
    credits: int = 512  #: how many to hold, if the server grants them
    io_size: int = 1 << 20  #: bytes of one READ or WRITE, if the server takes so many
    io_window: int = 8 << 20  #: bytes of READs or WRITEs under way in one transfer

    def __post_init__(self) -> None:
        """Raises UserError for what makes no sense together."""
        if not self.dialects:
            raise UserError("No dialect lies between min_dialect and max_dialect.")
        if self.encryption == "required" and not self.ciphers:
            raise UserError("Encryption is required, and no cipher is allowed.")
        if not self.signing_algorithms:
            raise UserError("At least one signing algorithm must be allowed.")

    @property
    def dialects(self) -> list[int]:
        """The dialects to offer, oldest first."""
        return [r for r in DIALECTS if self.min_dialect <= r <= self.max_dialect]
