"""Who signs, who is refused, and why: one pure function for SMB 2 and 3.

The server and the client enforce what it says, and whatever predicts or explains asks it too. It
covers sessions; these messages are signed whatever it says, when the session has a key: the final
SESSION_SETUP response, FSCTL_VALIDATE_NEGOTIATE_INFO, a binding SESSION_SETUP, and TREE_CONNECT in
3.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paraph.policy.settings import Policy

IdentityName = Literal["user", "guest", "anonymous"]

_SMB2 = (0x0202, 0x0210)
_SMB3 = (0x0300, 0x0302, 0x0311)

_SERVER_SECTION = "[MS-SMB2] 3.3.5.5.3"
_CLIENT_SECTION = "[MS-SMB2] 3.2.5.3.1"


@dataclass(frozen=True, slots=True)
class Side:
    """What one end wants."""

    required: bool  #: "always": RequireMessageSigning of [MS-SMB2] 3.1.1.1
    enabled: bool = True  #: "if the other agrees": SMB 2 and 3 ignore it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a session."""

    established: bool
    signed: bool  #: ordinary requests and responses carry signatures
    session_signing_required: bool  #: Session.SigningRequired; False where refused
    refused_by: Literal["", "client", "server"]
    why: str  #: plain words, full sentences
    section: str  #: where the rule is written


def outcome(
    client: Side,
    server: Side,
    dialect: int,
    identity: IdentityName,
    *,
    encrypted: bool = False,
    guest_allowed: bool = False,
    anonymous_asked: bool = True,
    server_admits_keyless: bool = False,
) -> Outcome:
    """The outcome of a logon that succeeded, for SMB 2 and 3 only.

    Args:
        dialect: DialectRevision, 0x0202 to 0x0311.
        identity: whom the server took the client for; guest and anonymous have no key.
        encrypted: the server demands encryption for the whole session (SMB2_SESSION_FLAG_ENCRYPT_
            DATA), and client and server can do it.
        guest_allowed: the client lets itself be a guest though it requires signing
            (AllowInsecureGuestAccess of [MS-SMB2] 3.2.3).
        anonymous_asked: the client meant to be anonymous; False when the server answered a real
            logon with SMB2_SESSION_FLAG_IS_NULL.
        server_admits_keyless: guest and anonymous sessions are exempt from what the server
            requires, as [MS-SMB2] 3.1.1.1 has it. A Paraph server refuses them instead.

    Raises ValueError for another dialect or identity, and for encryption before 3.0.
    """
    if dialect not in _SMB2 and dialect not in _SMB3:
        raise ValueError(f"0x{dialect:04X} is no dialect of SMB 2 or 3")
    if encrypted and dialect not in _SMB3:
        raise ValueError(f"dialect 0x{dialect:04X} has no encryption")
    if identity == "user":
        return _user(client, server, encrypted)
    if identity not in ("guest", "anonymous"):
        raise ValueError(f"no identity {identity!r}")
    admitted = not server.required or server_admits_keyless
    return _keyless(client, identity, encrypted, admitted, guest_allowed, anonymous_asked)


def _user(client: Side, server: Side, encrypted: bool) -> Outcome:
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
    return Outcome(True, signed, signed, "", why, _SERVER_SECTION)


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
        )
    if not admitted:
        return _refused(
            "server",
            f"{article} session has no key to sign with, and the server requires signing. (The "
            "specification exempts such sessions; Paraph refuses them, as Microsoft's hardening "
            "guide says.)",
            "[MS-SMB2] 3.1.1.1",
        )
    if client.required and identity == "guest" and not guest_allowed:
        return _refused(
            "client",
            "The client requires signing and was taken for a guest, who has no key to sign with.",
            _CLIENT_SECTION,
        )
    if client.required and identity == "anonymous" and not anonymous_asked:
        return _refused(
            "client",
            "The client requires signing and logged on as a user, but the server answers that it "
            "is anonymous, and so can not sign.",
            _CLIENT_SECTION,
        )
    why = f"{article} session has no key, so nothing is signed"
    if not client.required:
        why += ", and the client does not require it."
    elif identity == "guest":
        why += "; the client requires signing but allows insecure guest logons."
    else:
        why += "; the client requires signing only of users."
    return Outcome(True, False, False, "", why, _CLIENT_SECTION)


def _refused(by: Literal["client", "server"], why: str, section: str) -> Outcome:
    return Outcome(False, False, False, by, why, section)


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
