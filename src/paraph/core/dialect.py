"""The dialects of SMB 2 and 3, one row each: no handler compares revision numbers.

[MS-SMB2] 1.7 and the sections that its "If Connection.Dialect is ..." sentences stand in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paraph.wire.smb2.negotiate import Dialect
from paraph.wire.smb2.negotiate_contexts import Cipher, SigningAlgorithm


@dataclass(frozen=True, slots=True)
class DialectRow:
    """What a dialect can do."""

    revision: int
    name: str
    key_scheme: Literal["2.x", "3.0", "3.1.1"]  #: how keys come from the session key, 3.1.4.2
    signing: int  #: the algorithm when none is negotiated
    multi_credit: bool  #: SMB2_GLOBAL_CAP_LARGE_MTU possible
    encryption: bool  #: TRANSFORM_HEADER exists
    contexts: bool  #: NEGOTIATE carries contexts, and preauthentication integrity protects it
    largest_io: int  #: bytes, bound of MaxReadSize, MaxWriteSize and MaxTransactSize


SIGNING_NAMES = {
    SigningAlgorithm.HMAC_SHA256: "HMAC-SHA256",
    SigningAlgorithm.AES_CMAC: "AES-128-CMAC",
    SigningAlgorithm.AES_GMAC: "AES-128-GMAC",
}
CIPHER_NAMES = {
    Cipher.AES_128_CCM: "AES-128-CCM",
    Cipher.AES_128_GCM: "AES-128-GCM",
    Cipher.AES_256_CCM: "AES-256-CCM",
    Cipher.AES_256_GCM: "AES-256-GCM",
}

_HMAC = SigningAlgorithm.HMAC_SHA256
_CMAC = SigningAlgorithm.AES_CMAC
_64K, _8M = 1 << 16, 8 << 20

DIALECTS: dict[int, DialectRow] = {
    row.revision: row
    for row in (
        # revision, name, keys, signing, multi-credit, encryption, contexts, largest I/O
        DialectRow(Dialect.SMB_2_0_2, "2.0.2", "2.x", _HMAC, False, False, False, _64K),
        DialectRow(Dialect.SMB_2_1, "2.1", "2.x", _HMAC, True, False, False, _8M),
        DialectRow(Dialect.SMB_3_0, "3.0", "3.0", _CMAC, True, True, False, _8M),
        DialectRow(Dialect.SMB_3_0_2, "3.0.2", "3.0", _CMAC, True, True, False, _8M),
        DialectRow(Dialect.SMB_3_1_1, "3.1.1", "3.1.1", _CMAC, True, True, True, _8M),
    )
}
"""Rows by revision, oldest first."""


def common_dialect(offered: list[int], minimum: int, maximum: int) -> DialectRow | None:
    """The greatest dialect that is offered, known and within [minimum, maximum] (3.3.5.4)."""
    shared = [r for r in offered if r in DIALECTS and minimum <= r <= maximum]
    return DIALECTS[max(shared)] if shared else None
