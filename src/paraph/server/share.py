"""Per Share, [MS-SMB2] 3.3.1.6."""

from __future__ import annotations

from dataclasses import dataclass

from paraph.errors import UserError
from paraph.storage.base import Backend

_FORBIDDEN = set('"/\\[]:|<>+=;,*?') | {chr(code) for code in range(32)}


def check_share_name(name: str) -> None:
    """Raises UserError unless a share can have this name ([MS-FSCC] 2.1.6)."""
    if not 1 <= len(name) <= 80 or _FORBIDDEN & set(name) or name != name.strip():
        raise UserError(
            f"{name!r} is no name for a share: 1 to 80 characters, none of "
            '" / \\ [ ] : | < > + = ; , * ?'
        )
    if name.upper() in ("IPC$", "ADMIN$", "GLOBAL"):
        raise UserError(f"{name!r} is a name that Windows reserves; choose another one.")


@dataclass(slots=True)
class Share:
    """A name that clients connect to, and the store behind it.

    `encrypt` is Share.EncryptData: tree connects of peers without encryption are refused.
    `users`: the account names that may enter, None for every authenticated user; with names, guests
    may not.
    """

    name: str
    backend: Backend
    comment: str = ""
    read_only: bool = False
    encrypt: bool = False
    users: frozenset[str] | None = None
    allow_guest: bool = True  #: where the server lets guests in at all

    def __post_init__(self) -> None:
        check_share_name(self.name)
