"""`paraph acl`: who may do what with a file, read and changed ([MS-DTYP] 2.4)."""

from __future__ import annotations

import re
from typing import Any

from paraph.cli.client_output import Output, shown
from paraph.cli.client_remote import Remote
from paraph.errors import UserError
from paraph.wire.dtyp import (
    Ace,
    AceFlags,
    AceType,
    Acl,
    Control,
    RawAce,
    SecurityDescriptor,
    SecurityInformation,
    Sid,
    WellKnownSid,
)
from paraph.wire.smb2.create import AccessMask

_NAMED_SIDS = {
    value: name.replace("_", " ").capitalize()
    for name, value in vars(WellKnownSid).items()
    if isinstance(value, Sid)
} | {
    WellKnownSid.LOCAL_SYSTEM: "SYSTEM",
    WellKnownSid.BUILTIN_ADMINISTRATORS: "Administrators",
    WellKnownSid.BUILTIN_USERS: "Users",
    WellKnownSid.BUILTIN_GUESTS: "Guests",
}
_BY_NAME = {name.casefold(): sid for sid, name in _NAMED_SIDS.items()}
_UNIX = Sid(22)  #: S-1-22-1-UID and S-1-22-2-GID: Samba's, for who has no other

FULL = AccessMask.FILE_ALL_ACCESS
READ = AccessMask.FILE_GENERIC_READ | AccessMask.FILE_GENERIC_EXECUTE
CHANGE = READ | AccessMask.FILE_GENERIC_WRITE | AccessMask.DELETE
RIGHTS = {
    "full": FULL,
    "change": CHANGE,
    "read": READ,
    "write": AccessMask.FILE_GENERIC_WRITE,
}
_GENERIC = (
    (AccessMask.GENERIC_ALL, FULL),
    (AccessMask.GENERIC_READ, AccessMask.FILE_GENERIC_READ),
    (AccessMask.GENERIC_WRITE, AccessMask.FILE_GENERIC_WRITE),
    (AccessMask.GENERIC_EXECUTE, AccessMask.FILE_GENERIC_EXECUTE),
)
_BITS = (
    (AccessMask.FILE_READ_DATA, "read data"),
    (AccessMask.FILE_WRITE_DATA, "write data"),
    (AccessMask.FILE_APPEND_DATA, "append"),
    (AccessMask.FILE_READ_EA, "read extended attributes"),
    (AccessMask.FILE_WRITE_EA, "write extended attributes"),
    (AccessMask.FILE_EXECUTE, "execute or traverse"),
    (AccessMask.FILE_DELETE_CHILD, "delete what is inside"),
    (AccessMask.FILE_READ_ATTRIBUTES, "read attributes"),
    (AccessMask.FILE_WRITE_ATTRIBUTES, "write attributes"),
    (AccessMask.DELETE, "delete"),
    (AccessMask.READ_CONTROL, "read permissions"),
    (AccessMask.WRITE_DAC, "change permissions"),
    (AccessMask.WRITE_OWNER, "take ownership"),
    (AccessMask.SYNCHRONIZE, "wait for it"),
)
_TYPES = {
    AceType.ACCESS_ALLOWED: "allow",
    AceType.ACCESS_DENIED: "deny",
    AceType.SYSTEM_AUDIT: "audit",
}


def who(sid: Sid) -> str:
    """A name for a security identifier, where it is one that is the same everywhere."""
    name = _NAMED_SIDS.get(sid)
    if name is not None:
        return name
    if sid.identifier_authority == _UNIX.identifier_authority and len(sid.sub_authorities) == 2:
        kind = {1: "Unix user", 2: "Unix group"}.get(sid.sub_authorities[0])
        if kind:
            return f"{kind} {sid.rid}"
    return str(sid)


def rights(mask: int, *, folder: bool = True) -> list[str]:
    """What an access mask allows: "full", "change" or "read" where it is just that, else one
    phrase for each right."""
    for generic, meaning in _GENERIC:
        if mask & generic:
            mask = mask & ~generic | meaning
    # These make no difference: to anything, and to what is no folder.
    moot = AccessMask.SYNCHRONIZE | (0 if folder else AccessMask.FILE_DELETE_CHILD)
    for name, value in RIGHTS.items():
        if mask | moot == value | moot:
            return [name]
    found = [words for bit, words in _BITS if mask & bit]
    rest = mask & ~sum(bit for bit, _ in _BITS)
    return [*found, *([f"0x{rest:08X}"] if rest else [])] or ["nothing"]


def scope(flags: int) -> str:
    """What an entry of a folder's list holds for."""
    kinds = [
        words
        for bit, words in (
            (AceFlags.CONTAINER_INHERIT, "folders"),
            (AceFlags.OBJECT_INHERIT, "files"),
        )
        if flags & bit
    ]
    parts = [] if flags & AceFlags.INHERIT_ONLY else ["this"]
    deep = " directly in it" if flags & AceFlags.NO_PROPAGATE_INHERIT else " below"
    if kinds:
        parts.append(" and ".join(kinds) + deep)
    return ", ".join(parts) or "nothing"


def _ace_record(ace: Ace | RawAce, folder: bool) -> dict[str, Any]:
    kind = _TYPES.get(ace.ace_type, f"type {ace.ace_type}")
    inherited = bool(ace.ace_flags & AceFlags.INHERITED)
    if isinstance(ace, RawAce):
        return {"type": kind, "sid": None, "inherited": inherited, "raw": ace.body.hex()}
    return {
        "type": kind,
        "sid": str(ace.sid),
        "name": who(ace.sid),
        "rights": rights(ace.mask, folder=folder),
        "mask": ace.mask,
        "applies_to": scope(ace.ace_flags),
        "inherited": inherited,
    }


def show(out: Output, remote: Remote, path: str) -> None:
    """Owner, group and access control list."""
    with remote:
        for one in remote.expand(path):
            found = remote.share.security(one)
            folder = remote.share.is_dir(one)
            dacl = found.dacl
            aces = [_ace_record(ace, folder) for ace in dacl.aces] if dacl else None
            present = bool(found.control & Control.DACL_PRESENT)
            out.record(
                url=remote.url(one),
                owner=str(found.owner) if found.owner else None,
                owner_name=who(found.owner) if found.owner else None,
                group=str(found.group) if found.group else None,
                group_name=who(found.group) if found.group else None,
                protected=bool(found.control & Control.DACL_PROTECTED),
                access=aces,
            )
            out.line(shown(remote.url(one)))
            out.line(f"  Owner  {who(found.owner) if found.owner else 'nobody'}")
            out.line(f"  Group  {who(found.group) if found.group else 'nobody'}")
            if found.control & Control.DACL_PROTECTED:
                out.line("  Nothing is inherited from the folder above.")
            if aces is None:
                words = "there is no list: everybody may do everything"
                out.line(f"  Access {words if present else 'the server tells no list'}")
            for ace in aces or ():
                out.line(f"  {_ace_line(ace)}")


def _ace_line(ace: dict[str, Any]) -> str:
    if ace["sid"] is None:
        return f"{ace['type']:<6} {ace['raw']}"
    inherited = ", inherited" if ace["inherited"] else ""
    words = ", ".join(ace["rights"])
    return f"{ace['type']:<6} {ace['name']}: {words} ({ace['applies_to']}{inherited})"


# Changing


def parse_who(text: str) -> Sid:
    """A SID, or one of the names that `who` gives. Raises UserError."""
    unix = re.fullmatch(r"unix (user|group) (\d{1,10})", text.strip().casefold())
    if unix is not None:
        return Sid(22, (1 if unix[1] == "user" else 2, int(unix[2])))
    found = _BY_NAME.get(text.strip().casefold())
    if found is not None:
        return found
    if not text.upper().startswith("S-1-"):
        raise UserError(
            f"{text!r} is neither a SID nor a name known everywhere, such as Everyone, Users or "
            "Administrators; names of accounts are not looked up."
        )
    return Sid.parse(text)


def parse_grant(text: str) -> tuple[Sid, int]:
    """WHO:RIGHTS. Raises UserError."""
    name, colon, words = text.rpartition(":")
    if not colon:
        raise UserError(f"{text!r} is not WHO:RIGHTS, such as Everyone:read.")
    mask = 0
    for word in words.split(","):
        wanted = word.strip().lower()
        if wanted in RIGHTS:
            mask |= RIGHTS[wanted]
        elif re.fullmatch(r"0x[0-9a-f]{1,8}", wanted):
            mask |= int(wanted, 16)
        else:
            raise UserError(
                f"{word!r} is no right: they are {', '.join(RIGHTS)}, or 0x and digits."
            )
    return parse_who(name), mask


def change(
    out: Output,
    remote: Remote,
    path: str,
    *,
    allow: list[str],
    deny: list[str],
    revoke: list[str],
    owner: str | None,
) -> None:
    """Replace the entries of the named, and the owner, on what the path stands for."""
    grants = [(AceType.ACCESS_ALLOWED, *parse_grant(text)) for text in allow]
    grants += [(AceType.ACCESS_DENIED, *parse_grant(text)) for text in deny]
    gone = {parse_who(text) for text in revoke}
    new_owner = parse_who(owner) if owner is not None else None
    with remote:
        for one in remote.expand(path):
            folder = remote.share.is_dir(one)
            if grants or gone:
                found = remote.share.security(one, SecurityInformation.DACL)
                if found.dacl is None:
                    if gone and not grants:
                        raise UserError(f"{remote.url(one)} has no list to take anybody from.")
                    found.dacl = Acl([])
                found.dacl.aces = changed(found.dacl.aces, grants, gone, folder=folder)
                found.control |= Control.DACL_PRESENT
                remote.share.set_security(one, found, SecurityInformation.DACL)
            if new_owner is not None:
                descriptor = SecurityDescriptor(owner=new_owner)
                remote.share.set_security(one, descriptor, SecurityInformation.OWNER)
            out.record(action="changed", url=remote.url(one))


def changed(
    aces: list[Ace | RawAce], grants: list[tuple[int, Sid, int]], gone: set[Sid], *, folder: bool
) -> list[Ace | RawAce]:
    """The list without the own entries of `gone` and of who is granted something, and with the
    grants, in the canonical order: own denials, own permissions, what was inherited."""
    inherit = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT if folder else 0
    replaced = {(kind, sid) for kind, sid, _ in grants}
    kept = [
        ace
        for ace in aces
        if not isinstance(ace, Ace)
        or ace.ace_flags & AceFlags.INHERITED
        or (ace.sid not in gone and (ace.ace_type, ace.sid) not in replaced)
    ]
    new: list[Ace | RawAce] = [Ace(kind, inherit, mask, sid) for kind, sid, mask in grants]

    def rank(ace: Ace | RawAce) -> int:
        if ace.ace_flags & AceFlags.INHERITED:
            return 2
        return 0 if ace.ace_type == AceType.ACCESS_DENIED else 1

    return sorted([*new, *kept], key=rank)
