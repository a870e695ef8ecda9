"""Who signs, who is refused, and why: one pure function for SMB1, 2 and 3.

The server and the client enforce what it says, and whatever predicts or explains asks it too. It
covers sessions; these messages are signed whatever it says, when the session has a key: the final
SESSION_SETUP response, FSCTL_VALIDATE_NEGOTIATE_INFO, a binding SESSION_SETUP, and TREE_CONNECT in
3.1.1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from paraph.policy.outcome_smb1 import smb1_outcome
from paraph.policy.settings import Policy
from paraph.policy.sides import (
    DIALECTS,
    NT1,
    SMB3_DIALECTS,
    IdentityName,
    Outcome,
    Reading,
    Side,
    algorithm,
)

__all__ = ["NT1", "IdentityName", "Outcome", "Side", "client_outcome", "outcome", "server_outcome"]

_SERVER_SECTION = "[MS-SMB2] 3.3.5.5.3"
_CLIENT_SECTION = "[MS-SMB2] 3.2.5.3.1"

_AT_SETUP = "SESSION_SETUP"
_AT_FINAL_SETUP = "SESSION_SETUP: the client drops the connection after the final response"
_DENIED = "error 5, access is denied (STATUS_ACCESS_DENIED 0xC0000022)"
_INVALID_SIGNATURE = (
    "the cryptographic signature is invalid (STATUS_INVALID_SIGNATURE 0xC000A000, -1073700864)"
)
_GUEST_BLOCKED = (
    "a message that the security policies of the organization block guests, or error 0x80070035; "
    "event 31017 of SMBClient/Security"
)


def outcome(
    client: Side,
    server: Side,
    dialect: int,
    identity: IdentityName,
    *,
    encrypted: bool = False,
    guest_allowed: bool = False,
    guest_rejected: bool = False,
    anonymous_asked: bool = True,
    server_admits_keyless: bool = False,
    gmac: bool = False,
    reading: Reading = "A",
) -> Outcome:
    """The outcome of a logon that succeeded.

    Args:
        dialect: DialectRevision, 0x0202 to 0x0311, or `NT1`.
        identity: whom the server took the client for; guest and anonymous have no key.
        encrypted: the server demands encryption for the whole session (SMB2_SESSION_FLAG_ENCRYPT_
            DATA), and client and server can do it.
        guest_allowed: the client lets itself be a guest though it requires signing
            (AllowInsecureGuestAccess of [MS-SMB2] 3.2.3).
        guest_rejected: the client never lets itself be a guest (RejectGuestAccess, the same).
        anonymous_asked: the client meant to be anonymous; False when the server answered a real
            logon with SMB2_SESSION_FLAG_IS_NULL.
        server_admits_keyless: guest and anonymous sessions are exempt from what the server
            requires, as [MS-SMB2] 3.1.1.1 has it. A Paraph server refuses them instead.
        gmac: both ends know SMB2_SIGNING_CAPABILITIES; names the algorithm of 3.1.1.
        reading: for SMB1, which of Microsoft's two statements about 'off' applies.

    Raises ValueError for another dialect or identity, and for encryption before 3.0.
    """
    if dialect not in DIALECTS:
        raise ValueError(f"0x{dialect:04X} is no dialect of SMB")
    if encrypted and dialect not in SMB3_DIALECTS:
        raise ValueError(f"dialect 0x{dialect:04X} has no encryption")
    if identity not in ("user", "guest", "anonymous"):
        raise ValueError(f"no identity {identity!r}")
    if dialect == NT1:
        return smb1_outcome(
            client,
            server,
            identity,
            reading=reading,
            server_admits_keyless=server_admits_keyless,
        )
    if not server.can_sign:
        server = replace(server, required=False)  # it can not mean it
    if identity == "user":
        return _unable(client, server, dialect, encrypted) or _user(
            client, server, encrypted, algorithm(dialect, gmac)
        )
    admitted = not server.required or server_admits_keyless
    if identity == "guest" and guest_rejected and admitted and not encrypted:
        return _refused(
            "client",
            "The server takes the client for a guest, and the client does not allow insecure guest "
            "logons.",
            _CLIENT_SECTION,
            _AT_FINAL_SETUP,
            _GUEST_BLOCKED,
        )
    return _keyless(client, identity, encrypted, admitted, guest_allowed, anonymous_asked)


def _unable(client: Side, server: Side, dialect: int, encrypted: bool) -> Outcome | None:
    """Peers that do not conform: they can not sign, though each SMB2 peer must be able to."""
    preauth = dialect == 0x0311
    if not server.can_sign and (preauth or (client.required and not encrypted)):
        who = "3.1.1 has the final response signed" if preauth else "The client requires signing"
        return _refused(
            "client",
            f"{who}, and the server, against the specification, does not sign.",
            f"{_CLIENT_SECTION}, 3.2.5.1.3",
            _AT_FINAL_SETUP,
            f"{_INVALID_SIGNATURE}; event 31013 of SMBClient/Security",
        )
    if not server.can_sign and dialect in SMB3_DIALECTS and not encrypted:
        return _refused(
            "client",
            "The client checks the negotiation (RequireSecureNegotiate), whose answer must be "
            "signed, and the server, against the specification, does not sign.",
            "[MS-SMB2] 3.2.5.14.12",
            "FSCTL_VALIDATE_NEGOTIATE_INFO: the client drops the connection",
            "the connection is lost; event 31012 of SMBClient/Security",
        )
    if client.can_sign or encrypted:
        return None
    if preauth:
        return _refused(
            "server",
            "3.1.1 has TREE_CONNECT signed or encrypted, and the client, against the "
            "specification, does neither.",
            "[MS-SMB2] 3.3.5.7",
            "TREE_CONNECT: the server drops the connection",
            "the connection is lost",
        )
    if server.required or client.required:
        who = "The server" if server.required else "The client itself"
        return _refused(
            "server" if server.required else "client",
            f"{who} requires signing, and the client, against the specification, does not sign.",
            "[MS-SMB2] 3.3.5.2.4",
            "TREE_CONNECT, and each request after it: the connection stays",
            _DENIED,
        )
    return None


def _user(client: Side, server: Side, encrypted: bool, method: str) -> Outcome:
    if encrypted:
        return Outcome(
            True,
            False,
            False,
            "",
            "The session is encrypted; each encrypted message proves its own integrity, so "
            "signatures are not used, required or not.",
            "[MS-SMB2] 3.3.5.5.3, 3.2.4.1.1",
        )
    if client.required or server.required:
        if client.required and server.required:
            who = "Client and server require signing"
        else:
            who = (
                "The client requires signing" if client.required else "The server requires signing"
            )
        why = f"{who}, and every SMB 2 or 3 peer is able to sign."
    else:
        why = "Neither side requires signing."
    why += _ignored(client, server)
    signed = client.required or server.required
    return Outcome(
        True, signed, signed, "", why, _SERVER_SECTION, algorithm=method if signed else ""
    )


def _keyless(
    client: Side,
    identity: Literal["guest", "anonymous"],
    encrypted: bool,
    admitted: bool,
    guest_allowed: bool,
    anonymous_asked: bool,
) -> Outcome:
    article = "A guest" if identity == "guest" else "An anonymous"
    if encrypted:
        return _refused(
            "server",
            f"{article} session has no key to encrypt with, and the server demands encryption.",
            _SERVER_SECTION,
            _AT_SETUP,
            _DENIED,
        )
    if not admitted:
        return _refused(
            "server",
            f"{article} session has no key to sign with, and the server requires signing. (The "
            "specification exempts such sessions; Paraph refuses them, as Microsoft's hardening "
            "guide says.)",
            "[MS-SMB2] 3.1.1.1",
            _AT_SETUP,
            _DENIED,
        )
    if client.required and identity == "guest" and not guest_allowed:
        return _refused(
            "client",
            "The client requires signing and was taken for a guest, who has no key to sign with.",
            _CLIENT_SECTION,
            _AT_FINAL_SETUP,
            _GUEST_BLOCKED,
        )
    if client.required and identity == "anonymous" and not anonymous_asked:
        return _refused(
            "client",
            "The client requires signing and logged on as a user, but the server answers that it "
            "is anonymous, and so can not sign.",
            _CLIENT_SECTION,
            _AT_FINAL_SETUP,
            _INVALID_SIGNATURE,
        )
    why = f"{article} session has no key, so nothing is signed"
    if not client.required:
        why += ", and the client does not require it."
    elif identity == "guest":
        why += "; the client requires signing but allows insecure guest logons."
    else:
        why += "; the client requires signing only of users."
    return Outcome(True, False, False, "", why, _CLIENT_SECTION)


def _refused(
    by: Literal["client", "server"], why: str, section: str, fails_at: str, looks_like: str
) -> Outcome:
    return Outcome(False, False, False, by, why, section, fails_at=fails_at, looks_like=looks_like)


def _ignored(client: Side, server: Side) -> str:
    """A sentence where the setting that is ignored might have been thought to matter."""
    if client.enabled and server.enabled:
        if client.required or server.required:
            return ""
        return " SMB 2 and 3 ignore the 'if client agrees' and 'if server agrees' policies."
    which = []
    if not client.enabled:
        which.append("'if server agrees' of the client")
    if not server.enabled:
        which.append("'if client agrees' of the server")
    return f" That {' and '.join(which)} is disabled does not matter: SMB 2 and 3 ignore it."


def server_outcome(
    policy: Policy,
    client_requires: bool,
    dialect: int,
    identity: IdentityName,
    encrypted: bool,
) -> Outcome:
    """What a server decides at the end of SESSION_SETUP.

    `client_requires`: SMB2_NEGOTIATE_SIGNING_REQUIRED was set in the SecurityMode of the client's
    NEGOTIATE or SESSION_SETUP. `encrypted`: the session will be encrypted or, for a guest or an
    anonymous user, would have to be. Not `established` means: fail the logon with
    STATUS_ACCESS_DENIED; else Session.SigningRequired is `session_signing_required`. A guest whose
    client requires signing is let in, unsigned: only the client knows whether it allows that, and
    it will leave if not.
    """
    server = Side(policy.server_always, policy.server_if_client_agrees)
    client = Side(client_requires)
    return outcome(client, server, dialect, identity, encrypted=encrypted, guest_allowed=True)


def client_outcome(
    policy: Policy,
    server_requires: bool,
    dialect: int,
    identity: IdentityName,
    encrypted: bool,
    *,
    anonymous_asked: bool,
    guest_allowed: bool = False,
) -> Outcome:
    """What a client decides on the final SESSION_SETUP response.

    `server_requires`: SMB2_NEGOTIATE_SIGNING_REQUIRED in the NEGOTIATE response. `identity` is what
    SessionFlags say, `encrypted` their SMB2_SESSION_FLAG_ENCRYPT_DATA. Not `established` means:
    drop the connection.
    """
    return outcome(
        Side(policy.client_always, policy.client_if_server_agrees),
        Side(server_requires),
        dialect,
        identity,
        encrypted=encrypted,
        guest_allowed=guest_allowed,
        anonymous_asked=anonymous_asked,
        server_admits_keyless=True,  # it has answered already
    )
