"""SMB1: who signs and who is refused, [MS-CIFS] 3.2.4.2.4, [MS-SMB] 3.2.4.2.4 and 3.3.5.3.

Each end has a level; the client looks at both after NEGOTIATE. Where Microsoft's pages contradict
each other about 'off' in Windows XP and later, both readings are worked out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from paraph.policy.sides import MD5, Generation, IdentityName, Outcome, Reading, Side

Level = Literal["Disabled", "Declined", "Enabled", "Required"]

_TABLE = "[MS-SMB] 3.2.4.2.4"

_AT_NEGOTIATE = "NEGOTIATE: the client closes the connection after the response"
_ERROR_1240 = (
    "error 1240 (ERROR_LOGIN_WKSTA_RESTRICTION): the account is not authorized to log on from this "
    "station"
)
_AT_TREE_CONNECT = (
    "TREE_CONNECT_ANDX, or the TRANS2 request for a DFS referral: the logon itself succeeds"
)
_DENIED = "error 5, access is denied (STATUS_ACCESS_DENIED 0xC0000022)"

#: Generations whose SMB1 client sets SMB_FLAGS2_SMB_SECURITY_SIGNATURE_REQUIRED, [MS-SMB] <22>.
_SENDS_REQUIRED: tuple[Generation, ...] = ("xp", "samba")
_NEEDS_BOTH: tuple[Generation, ...] = ("2000", "nt4", "9x")
_DISABLED_IS_OFF: tuple[Generation, ...] = ("2000", "nt4", "9x", "samba")


def level(side: Side, reading: Reading = "A") -> Level:
    """What the two settings mean together: MessageSigningPolicy of [MS-SMB] 3.2.1.1 and 3.3.1.1."""
    if not side.can_sign:
        return "Disabled"
    if side.required and (side.enabled or side.generation not in _NEEDS_BOTH):
        return "Required"
    if side.enabled:
        return "Enabled"
    if side.generation in _DISABLED_IS_OFF or reading == "B":
        return "Disabled"
    return "Declined"


def smb1_outcome(
    client: Side,
    server: Side,
    identity: IdentityName,
    *,
    reading: Reading = "A",
    server_admits_keyless: bool = False,
) -> Outcome:
    """The outcome of a logon that succeeded, in dialect "NT LM 0.12".

    `other` of the result is what the other reading says, where it says something else.
    """
    result = _judge(client, server, identity, reading, server_admits_keyless)
    other_reading: Reading = "B" if reading == "A" else "A"
    other = _judge(client, server, identity, other_reading, server_admits_keyless)
    if other.result == result.result:
        return result
    return replace(result, other=other)


def _judge(
    client: Side, server: Side, identity: IdentityName, reading: Reading, admits_keyless: bool
) -> Outcome:
    ours, theirs = level(client, reading), level(server, reading)
    notes = _notes(client, server)
    announced = server
    if _deaf(client, server):
        # What the server wants stays; what this client is offered is no signing.
        announced = replace(server, required=False, enabled=False, generation="2000")
    offered = level(announced, reading)
    if identity != "user":
        result = _keyless(ours, theirs, offered, identity, admits_keyless)
    elif ours == "Required":
        result = _client_requires(client, offered)
    elif theirs == "Required":
        result = _server_requires(ours, offered, client)
    elif ours == "Enabled" and offered == "Enabled":
        result = _signed("Client and server both have signing enabled.")
    else:
        result = _unsigned(_why_unsigned(ours, offered))
    return result.noting(*notes)


def _client_requires(client: Side, offered: Level) -> Outcome:
    if offered == "Disabled":
        return _refused(
            "client",
            "The client requires signing, and the server does not sign.",
            _TABLE,
            _AT_NEGOTIATE,
            _ERROR_1240,
        )
    if offered == "Declined":
        if client.generation not in _SENDS_REQUIRED:
            return _refused(
                "client",
                "The client requires signing and sees that the server does not offer it; Windows "
                "2000 and before can not ask a server of Windows XP or later to sign all the same.",
                "[MS-SMB] 2.2.3.1 <22>, 3.2.4.2.4",
                _AT_NEGOTIATE,
                _ERROR_1240,
            )
        return _signed(
            "The client requires signing and says so in Flags2 (0x0010); the server, with signing "
            "off, signs because it is asked to, though it did not offer it."
        )
    if offered == "Required":
        return _signed("Client and server require signing.")
    return _signed("The client requires signing, and the server has it enabled.")


def _server_requires(ours: Level, offered: Level, client: Side) -> Outcome:
    if ours == "Disabled" or offered != "Required":
        if not client.can_sign:
            why = "The server requires signing, and the client is not able to sign."
        elif offered != "Required":
            why = (
                "The server requires signing, but negotiates it with clients of Windows NT 4.0 and "
                "Windows 98 only where EnableW9xSecuritySignature is 1."
            )
        else:
            why = "The server requires signing, and the client has it off."
        return _refused("server", why, _TABLE, _AT_TREE_CONNECT, _DENIED)
    if ours == "Declined":
        return _signed(
            "The server requires signing; the client, with signing off, signs because the server "
            "requires it."
        )
    return _signed("The server requires signing, and the client has it enabled.")


def _keyless(
    ours: Level, theirs: Level, offered: Level, identity: IdentityName, admits_keyless: bool
) -> Outcome:
    article = "A guest" if identity == "guest" else "An anonymous user"
    section = "[MS-CIFS] 3.2.1.1, 3.2.5.3"
    if ours == "Required" and offered == "Disabled":
        return _refused(
            "client",
            "The client requires signing, and the server does not sign.",
            _TABLE,
            _AT_NEGOTIATE,
            _ERROR_1240,
        )
    if theirs == "Required" and not admits_keyless:
        return _refused(
            "server",
            f"{article} has no key to sign with, and the server requires signing.",
            section,
            "SESSION_SETUP_ANDX",
            _DENIED,
        )
    if ours == "Required":
        return _refused(
            "client",
            f"{article} has no key to sign with, and the client requires signing.",
            section,
            "SESSION_SETUP_ANDX: the client closes the connection after the response",
            _ERROR_1240,
        )
    return _unsigned(f"{article} has no key, so nothing is signed.", section)


def _why_unsigned(ours: Level, offered: Level) -> str:
    who = []
    if ours != "Enabled":
        who.append("client")
    if offered not in ("Enabled", "Required"):
        who.append("server")
    if len(who) == 2:
        return "Neither side requires signing, and both have it off."
    return f"Neither side requires signing, and the {who[0]} has it off."


def _deaf(client: Side, server: Side) -> bool:
    """The server does not offer signing to so old a client (EnableW9xSecuritySignature)."""
    return (
        client.generation in ("nt4", "9x")
        and server.generation in ("2000", "xp")
        and not server.w9x_signing
        and level(server) in ("Enabled", "Required")
    )


def _notes(client: Side, server: Side) -> tuple[str, ...]:
    notes = []
    for name, side in (("client", client), ("server", server)):
        if not side.can_sign:
            notes.append(f"The {name} is not able to sign, whatever its settings say.")
        elif side.required and not side.enabled and side.generation in _NEEDS_BOTH:
            notes.append(
                f"'always' of the {name} has no effect: Windows 2000 and before need 'if the other "
                "agrees' enabled beside it (TechNet cc786681)."
            )
        elif side.required and not side.enabled:
            notes.append(
                f"'always' of the {name} is enough by itself: only Windows 2000 and before need "
                "the other setting too (TechNet cc786681)."
            )
    if _deaf(client, server):
        notes.append(
            "EnableW9xSecuritySignature of the server is not 1, so it does not negotiate signing "
            "with Windows NT 4.0 and Windows 98. Microsoft's pages differ: TechNet cc786681 names "
            "both clients, KB887429 only NT 4.0 against Windows 2000; this applies it to both."
        )
    return tuple(notes)


def _signed(why: str, section: str = _TABLE) -> Outcome:
    return Outcome(True, True, True, "", why, f"{section}, 3.3.5.3", algorithm=MD5)


def _unsigned(why: str, section: str = _TABLE) -> Outcome:
    return Outcome(True, False, False, "", why, section)


def _refused(
    by: Literal["client", "server"], why: str, section: str, fails_at: str, looks_like: str
) -> Outcome:
    return Outcome(False, False, False, by, why, section, fails_at=fails_at, looks_like=looks_like)
