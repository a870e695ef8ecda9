"""The two ends of an outcome, and the outcome itself: the types of `policy.outcome`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

IdentityName = Literal["user", "guest", "anonymous"]

Generation = Literal["xp", "2000", "nt4", "9x", "samba"]
"""How an end reads its two settings in SMB1:

* xp: Windows XP and later. 'always' alone is enough; off still signs where the other requires it.
* 2000: 'always' counts only where 'if the other agrees' is on too; off is off.
* nt4: Windows NT 4.0 SP3 and later, like 2000; 9x: Windows 98, a client only, like 2000.
* samba: 'always' alone is enough; off is off.
"""

Reading = Literal["A", "B"]
"""What 'off' means to Windows XP and later in SMB1: A, the specification ([MS-SMB] 3.2.1.1,
Declined), signs where the other end requires it; B, the help text of the policies, does not."""

NT1 = 0x0100
"""Stands for the dialect "NT LM 0.12" of SMB1, which has no number of its own."""

SMB2_DIALECTS = (0x0202, 0x0210)
SMB3_DIALECTS = (0x0300, 0x0302, 0x0311)
DIALECTS = (NT1, *SMB2_DIALECTS, *SMB3_DIALECTS)
"""Weakest first."""

DIALECT_NAMES = {
    NT1: "NT LM 0.12",
    0x0202: "2.0.2",
    0x0210: "2.1",
    0x0300: "3.0",
    0x0302: "3.0.2",
    0x0311: "3.1.1",
}

MD5 = "MD5"
HMAC_SHA256 = "HMAC-SHA256"
AES_CMAC = "AES-128-CMAC"
AES_GMAC = "AES-128-GMAC"


@dataclass(frozen=True, slots=True)
class Side:
    """What one end wants, and what it is able to."""

    required: bool  #: "always": RequireMessageSigning of [MS-SMB2] 3.1.1.1
    enabled: bool = True  #: "if the other agrees": SMB 2 and 3 ignore it
    generation: Generation = "xp"  #: matters in SMB1 only
    can_sign: bool = True  #: False: no support at all, share-level security, or plaintext passwords
    w9x_signing: bool = False  #: a server's EnableW9xSecuritySignature


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a session."""

    established: bool
    signed: bool  #: ordinary requests and responses carry signatures
    session_signing_required: bool  #: Session.SigningRequired; False where refused
    refused_by: Literal["", "client", "server"]
    why: str  #: plain words, full sentences
    section: str  #: where the rule is written
    algorithm: str = ""  #: of the signatures, "" where there are none
    fails_at: str = ""  #: the message after which a refused session ends
    looks_like: str = ""  #: what the user and the log of the client see of a refusal
    notes: tuple[str, ...] = ()  #: what else to know, full sentences
    other: Outcome | None = None  #: the other reading's, where it differs: `Reading`

    @property
    def result(self) -> Literal["signed", "unsigned", "refused"]:
        """In a word."""
        if not self.established:
            return "refused"
        return "signed" if self.signed else "unsigned"

    def noting(self, *notes: str) -> Outcome:
        """A copy with notes added."""
        return replace(self, notes=self.notes + notes) if notes else self


def algorithm(dialect: int, gmac: bool) -> str:
    """How a session is signed ([MS-CIFS] 3.1.4.1, [MS-SMB2] 3.1.4.1). `gmac`: client and server
    both know SMB2_SIGNING_CAPABILITIES."""
    if dialect == NT1:
        return MD5
    if dialect in SMB2_DIALECTS:
        return HMAC_SHA256
    return AES_GMAC if gmac and dialect == 0x0311 else AES_CMAC
