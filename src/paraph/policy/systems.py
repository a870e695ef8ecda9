"""The systems that policies are about: what each is able to speak, and finding one by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal

from paraph.errors import UserError
from paraph.policy.sides import NT1, Generation

Role = Literal["workstation", "member-server", "domain-controller", "stand-alone"]
ROLES: tuple[Role, ...] = ("workstation", "member-server", "domain-controller", "stand-alone")


@dataclass(frozen=True, slots=True)
class System:
    """One generation of Windows, or another implementation."""

    key: str
    name: str
    roles: tuple[Role, ...]  #: the first is meant where none is named
    dialects: tuple[int, ...]  #: what it speaks as installed, weakest first
    generation: Generation = "xp"
    can_sign: bool = True
    gmac: bool = False  #: knows SMB2_SIGNING_CAPABILITIES
    encryption: bool = False  #: SMB 3 encryption
    insecure_guest: bool = True  #: its client lets itself be a guest in SMB 2 and 3
    unc_hardening: bool = False  #: its client wants integrity for SYSVOL and NETLOGON
    client_only: bool = False
    aliases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def smb1(self) -> bool:
        """SMB1 is there as installed."""
        return NT1 in self.dialects


_CLIENT: tuple[Role, ...] = ("workstation", "stand-alone")
_SERVER: tuple[Role, ...] = ("member-server", "domain-controller", "stand-alone")
_ANY: tuple[Role, ...] = ROLES

_NT1 = (NT1,)
_VISTA = (NT1, 0x0202)
_7 = (*_VISTA, 0x0210)
_8 = (*_7, 0x0300)
_81 = (*_8, 0x0302)
_10 = (*_81, 0x0311)
_NO_SMB1 = _10[1:]

_GUEST_NOTE = (
    "Insecure guest logons are blocked in Enterprise and Education editions from 1709 on, and "
    "allowed in Home and Pro (Learn: enable insecure guest logons); 'blocked' is applied."
)
_SMB1_NOTE = "SMB1 is not installed from version 1709 on; before it was."


def _system(
    key: str, name: str, roles: tuple[Role, ...], dialects: tuple[int, ...], **rest: Any
) -> System:
    """From Windows 10 on: encryption, no guests, integrity for SYSVOL."""
    modern = 0x0311 in dialects
    rest.setdefault("encryption", 0x0300 in dialects)
    rest.setdefault("insecure_guest", not modern)
    rest.setdefault("unc_hardening", modern)
    return System(key, name, roles, dialects, **rest)


SYSTEMS: tuple[System, ...] = (
    _system(
        "nt-3.51",
        "Windows NT 3.51, NT 4.0 before SP3",
        _ANY,
        _NT1,
        generation="nt4",
        can_sign=False,
        aliases=("NT 3.51", "NT 4.0 SP1", "NT 4.0 SP2", "NT 4.0 RTM", "NT 4.0 before SP3"),
        notes=("It has no signing.",),
    ),
    _system(
        "nt-4.0",
        "Windows NT 4.0 SP3 and later",
        _ANY,
        _NT1,
        generation="nt4",
        aliases=(
            *("NT 4.0", "NT 4.0 Server", "NT Server 4.0"),
            *(f"NT 4.0 SP{n}" for n in ("3", "4", "5", "6", "6a")),
        ),
    ),
    _system(
        "windows-98",
        "Windows 98",
        _CLIENT,
        _NT1,
        generation="9x",
        client_only=True,
        aliases=("98 SE", "98 Second Edition"),
    ),
    _system(
        "windows-2000",
        "Windows 2000",
        _ANY,
        _NT1,
        generation="2000",
        aliases=("2000", "2000 Server", "2000 Advanced Server", "W2K", "NT 5.0"),
    ),
    _system("windows-xp", "Windows XP", _CLIENT, _NT1, aliases=("XP x64", "NT 5.1")),
    _system(
        "server-2003",
        "Windows Server 2003",
        _SERVER,
        _NT1,
        aliases=("2003", "2003 R2", "Server 2003 R2", "W2K3", "NT 5.2"),
    ),
    _system("windows-vista", "Windows Vista", _CLIENT, _VISTA, aliases=("NT 6.0",)),
    _system("server-2008", "Windows Server 2008", _SERVER, _VISTA, aliases=("2008", "W2K8")),
    _system("windows-7", "Windows 7", _CLIENT, _7, aliases=("NT 6.1",)),
    _system(
        "server-2008-r2", "Windows Server 2008 R2", _SERVER, _7, aliases=("2008 R2", "W2K8 R2")
    ),
    _system("windows-8", "Windows 8", _CLIENT, _8, aliases=("NT 6.2",)),
    _system("server-2012", "Windows Server 2012", _SERVER, _8, aliases=("2012", "W2K12")),
    _system("windows-8.1", "Windows 8.1", _CLIENT, _81, aliases=("NT 6.3",)),
    _system(
        "server-2012-r2", "Windows Server 2012 R2", _SERVER, _81, aliases=("2012 R2", "W2K12 R2")
    ),
    _system(
        "windows-10",
        "Windows 10",
        _CLIENT,
        _NO_SMB1,
        aliases=(
            *(f"10 {n}" for n in ("1507", "1511", "1607", "1703", "1709", "1803", "1809", "1903")),
            *(f"10 {n}" for n in ("1909", "2004", "20H2", "21H1", "21H2", "22H2")),
        ),
        notes=(_GUEST_NOTE, _SMB1_NOTE),
    ),
    _system(
        "server-2016",
        "Windows Server 2016",
        _SERVER,
        _10,
        insecure_guest=True,
        aliases=("2016", "W2K16"),
    ),
    _system("server-2019", "Windows Server 2019", _SERVER, _NO_SMB1, aliases=("2019", "W2K19")),
    _system(
        "server-2022",
        "Windows Server 2022",
        _SERVER,
        _NO_SMB1,
        gmac=True,
        aliases=("2022", "W2K22"),
    ),
    _system(
        "windows-11-23h2",
        "Windows 11 before 24H2",
        _CLIENT,
        _NO_SMB1,
        gmac=True,
        aliases=("11 21H2", "11 22H2"),
        notes=(_GUEST_NOTE,),
    ),
    _system(
        "windows-11-24h2-home",
        "Windows 11 24H2 Home",
        _CLIENT,
        _NO_SMB1,
        gmac=True,
        insecure_guest=True,
        aliases=("11 25H2 Home", "11 Home 24H2", "11 Home 25H2"),
    ),
    _system(
        "windows-11-24h2",
        "Windows 11 24H2 Pro, Enterprise, Education",
        _CLIENT,
        _NO_SMB1,
        gmac=True,
        aliases=(
            *(f"11 24H2{e}" for e in ("", " Pro", " Professional", " Enterprise", " Education")),
            *(f"11 25H2{e}" for e in ("", " Pro", " Professional", " Enterprise", " Education")),
        ),
    ),
    _system(
        "server-2025",
        "Windows Server 2025",
        _SERVER,
        _NO_SMB1,
        gmac=True,
        aliases=("2025", "W2K25"),
    ),
    _system(
        "samba",
        "Samba 4",
        _ANY,
        _NO_SMB1,
        generation="samba",
        gmac=True,
        insecure_guest=True,
        unc_hardening=False,
        aliases=("Samba", "smbd", "smbclient"),
    ),
    _system("paraph", "Paraph", _ANY, _NO_SMB1, gmac=True, unc_hardening=False),
)
"""Oldest first, others last."""

_FILLERS = {"microsoft", "ms", "windows", "win", "version", "edition", "the", "release"}
_EDITIONS = frozenset(
    {
        *("standard", "datacenter", "enterprise", "professional", "pro", "home", "ultimate"),
        *("business", "education", "essentials", "foundation", "ltsc", "ltsb", "workstation"),
        *("advanced", "core", "x64", "x86", "sp1", "sp2", "sp3", "sp4", "n"),
    }
)
_SPLIT = re.compile(r"[^a-z0-9.]+")
_GLUED = re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=(?:pro|home|r2|sp|ent)\b)")

_OLD_NT4 = re.compile(r"nt40.*sp[12]")


def _fold(text: str, drop: frozenset[str] = frozenset()) -> str:
    """Letters and digits only, without the words that say nothing."""
    words: list[str] = []
    for word in _SPLIT.split(text.casefold()):
        if word in _EDITIONS or word.startswith("w2k"):
            words.append(word)
        else:
            words += _GLUED.split(word)
    kept = [word for word in words if word and word not in _FILLERS and word not in drop]
    return re.sub(r"^nt4(?!0)", "nt40", "".join(kept).replace(".", ""))


def _index() -> dict[str, System]:
    return {
        _fold(name): system
        for system in SYSTEMS
        for name in (system.key, system.name, *system.aliases)
    }


_BY_NAME = _index()


@lru_cache(1024)
def find_system(text: str) -> System:
    """The system that a person means: "Windows Server 2003", "2003", "win11 24h2 home".

    Case, spaces, "Windows" and "Microsoft" do not count, nor edition and service pack where they
    make no difference. Raises UserError with the nearest names.
    """
    folded = _fold(text)
    if folded in ("11", "11home", "11pro", "11enterprise", "11education"):
        raise UserError(
            f"'{text.strip()}' is more than one system: write 'Windows 11 23H2' for what came "
            "before 24H2, or 'Windows 11 24H2', with 'Home' where it is that edition."
        )
    if _OLD_NT4.match(folded):
        folded = _fold("nt-3.51")
    system = _BY_NAME.get(folded) or _BY_NAME.get(_fold(text, _EDITIONS))
    if system is None:
        nearest = get_close_matches(folded, list(_BY_NAME), n=4, cutoff=0.6)
        names: list[str] = []
        for name in nearest:
            if _BY_NAME[name].name not in names:
                names.append(_BY_NAME[name].name)
        if names:
            hint = f"Did you mean {' or '.join(repr(name) for name in names[:3])}?"
        else:
            hint = f"Use one of: {', '.join(system.key for system in SYSTEMS)}."
        raise UserError(f"There is no system '{text.strip()}'. {hint}")
    return system


_ROLE_NAMES: dict[str, Role] = {
    "workstation": "workstation",
    "client": "workstation",
    "member": "member-server",
    "memberserver": "member-server",
    "domaincontroller": "domain-controller",
    "dc": "domain-controller",
    "standalone": "stand-alone",
    "standaloneserver": "stand-alone",
}


def find_role(text: str) -> Role:
    """The role that a person means: "member-server", "DC", "standalone". Raises UserError."""
    word = re.sub(r"[^a-z]", "", text.casefold())
    if word in _ROLE_NAMES:
        return _ROLE_NAMES[word]
    nearest = get_close_matches(word, list(_ROLE_NAMES), n=1, cutoff=0.6)
    if nearest:
        raise UserError(
            f"There is no role '{text.strip()}'. Did you mean '{_ROLE_NAMES[nearest[0]]}'?"
        )
    raise UserError(f"There is no role '{text.strip()}'. Use one of: {', '.join(ROLES)}.")
