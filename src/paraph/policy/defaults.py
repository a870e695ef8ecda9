"""What each system starts with: the four signing policies by role.

Each value names its source (`SOURCES`); where these contradict each other, the cell has both values
and says which one is applied.
"""

from __future__ import annotations

from dataclasses import dataclass

from paraph.errors import UserError
from paraph.policy.settings import SIGNING_SETTINGS, Policy, State
from paraph.policy.systems import ROLES, SYSTEMS, Role, System, find_role, find_system

__all__ = [
    "ROLES",
    "SOURCES",
    "SOURCE_NAMES",
    "SYSTEMS",
    "Cell",
    "Role",
    "System",
    "SystemDefaults",
    "defaults",
    "find_role",
    "find_system",
]

SOURCES = {
    "CC786681": "TechNet cc786681: Microsoft network server: Digitally sign communications "
    "(always), Windows Server 2003",
    "Q161372": "KB Q161372: how to enable SMB signing in Windows NT",
    "KB887429": "KB887429: overview of Server Message Block signing",
    "CIFS": "[MS-CIFS], product behaviour <191> and <224>",
    "SMB2-90": "[MS-SMB2] 3.1.3, product behaviour <90>",
    "ANATOMY": "Microsoft open specifications blog: SMB 2 and SMB 3 security in Windows 10: the "
    "anatomy of signing and cryptographic keys",
    "LEARN-SRV": "Microsoft Learn, security policy settings: Microsoft network server: Digitally "
    "sign communications (always)",
    "LEARN-SMB1": "Microsoft Learn, security policy settings: SMBv1 Microsoft network server: "
    "Digitally sign communications (always), (if client agrees)",
    "LEARN-SIGN": "Microsoft Learn: control SMB signing behavior",
    "LEARN-HARD": "Microsoft Learn: SMB security hardening",
    "NEDPYLE24": "N. Pyle: SMB security hardening in Windows Server 2025 and Windows 11",
    "SAMBA": "Samba, smb.conf: server signing, client signing",
    "INFERRED": "not stated anywhere: inferred from the rows around it",
    "PARAPH": "Paraph itself",
}
"""Tag -> what it is."""

SOURCE_NAMES = {
    "CC786681": "TechNet cc786681",
    "Q161372": "KB Q161372",
    "KB887429": "KB887429",
    "CIFS": "[MS-CIFS] <191>, <224>",
    "SMB2-90": "[MS-SMB2] <90>",
    "ANATOMY": "blog: the anatomy of signing",
    "LEARN-SRV": "Learn: network server, always",
    "LEARN-SMB1": "Learn: SMBv1 network server",
    "LEARN-SIGN": "Learn: control SMB signing behavior",
    "LEARN-HARD": "Learn: SMB security hardening",
    "NEDPYLE24": "N. Pyle: SMB security hardening",
    "SAMBA": "smb.conf",
    "INFERRED": "inferred from its neighbours",
    "PARAPH": "Paraph",
}
"""Tag -> what to call it in a sentence."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One default: `value` is the one applied, None where the system has no such thing."""

    value: bool | None
    sources: tuple[str, ...]  #: tags of `SOURCES`
    alternative: bool | None = None  #: the other value, where the sources contradict each other
    note: str = ""  #: a sentence

    @property
    def conflict(self) -> bool:
        return self.alternative is not None

    @property
    def source(self) -> str:
        """The sources by name."""
        return ", ".join(SOURCE_NAMES[tag] for tag in self.sources)

    @property
    def text(self) -> str:
        """As a table shows it: 1, 0, - for what is not there, and "0 (or 1)" for a conflict."""
        if self.value is None:
            return "-"
        other = f" (or {int(self.alternative)})" if self.alternative is not None else ""
        return f"{int(self.value)}{other}"


@dataclass(frozen=True, slots=True)
class SystemDefaults:
    """The four cells of one system in one role."""

    system: System
    role: Role
    client_if_server_agrees: Cell
    client_always: Cell
    server_if_client_agrees: Cell
    server_always: Cell

    def cell(self, key: str) -> Cell:
        """By the setting's key, such as "server-always". Raises KeyError for any other."""
        if key not in _FOUR:
            raise KeyError(key)
        cell = getattr(self, key.replace("-", "_"))
        assert isinstance(cell, Cell)
        return cell

    def state(self, key: str) -> State:
        value = self.cell(key).value
        return State(None if value is None else int(value))

    def policy(self) -> Policy:
        """As a machine of that system works: what it does not have is off."""
        return Policy(
            server_always=bool(self.server_always.value),
            server_if_client_agrees=bool(self.server_if_client_agrees.value),
            client_always=bool(self.client_always.value),
            client_if_server_agrees=bool(self.client_if_server_agrees.value),
        )


_FOUR = tuple(setting.key for setting in SIGNING_SETTINGS)

# The defaults


def _c(value: bool | None, *sources: str, note: str = "") -> Cell:
    return Cell(value, sources, None, note)


def _conflict(value: bool, note: str, *sources: str) -> Cell:
    return Cell(value, sources, not value, note)


_NOT_DEFINED_NOTE = "The pages on SMBv1 say Not Defined instead of Disabled, which has one effect."
_OLD = ("KB887429",)
_2003 = ("KB887429", "CC786681")
_NT4 = ("Q161372", "KB887429")
_VISTA_ON = ("ANATOMY", "LEARN-SRV", "SMB2-90")
_DC = ("LEARN-SRV", "LEARN-SMB1")

_Four = tuple[Cell, Cell, Cell, Cell]  # client enable, require; server enable, require


def _four(client: tuple[bool, bool], server: tuple[bool, bool], *sources: str) -> _Four:
    enable, require, server_enable, server_require = (
        _c(value, *sources) for value in (*client, *server)
    )
    return enable, require, server_enable, server_require


def _nothing() -> _Four:
    none = Cell(None, ("CIFS",))
    return none, none, none, none


def _nt4(role: Role) -> _Four:
    enable, require, server_enable, server_require = _four((True, False), (False, False), *_NT4)
    if role == "domain-controller":
        server_enable = _conflict(
            False,
            "KB887429 says 0 in one place and 1 in another, Q161372 says 0; 0 is applied.",
            *_NT4,
        )
    return enable, require, server_enable, server_require


def _windows_98(_role: Role) -> _Four:
    none = Cell(None, _OLD, note="Windows 98 signs as a client only.")
    return _c(True, *_OLD), _c(False, *_OLD), none, none


def _windows_2000(role: Role) -> _Four:
    if role != "domain-controller":
        return _four((True, False), (False, False), *_OLD)
    note = "The policy of domain controllers does not define it; this is what the system does then."
    return (
        _c(True, *_OLD, note=note),
        _c(False, *_OLD, note=note),
        _c(True, *_OLD),
        _conflict(
            False,
            "The Default Domain Controllers Policy does not define it, which is 0; the registry "
            "note of the same article says 1; 0 is applied.",
            *_OLD,
        ),
    )


def _xp(role: Role) -> _Four:
    controller = role == "domain-controller"
    return _four((True, False), (controller, controller), *_2003)


def _vista(role: Role) -> _Four:
    if role == "domain-controller":
        return _four((True, False), (True, True), *_DC)
    enable, require, server_enable, _ = _four((True, False), (False, False), *_VISTA_ON)
    always = _c(False, *_VISTA_ON, "LEARN-SMB1", note=_NOT_DEFINED_NOTE)
    return enable, require, server_enable, always


def _11_24h2(_role: Role) -> _Four:
    sources = ("LEARN-SIGN", "NEDPYLE24")
    stale = _conflict(
        True,
        "[MS-SMB2] <90> still says FALSE on all but domain controllers, which is out of date; 1 is "
        "applied.",
        *sources,
        "LEARN-HARD",
        "SMB2-90",
    )
    return _c(True, "INFERRED"), _c(True, *sources), _c(False, "INFERRED"), stale


def _11_24h2_home(_role: Role) -> _Four:
    off = _c(False, "LEARN-SIGN")
    return _c(True, "INFERRED"), off, _c(False, "INFERRED"), off


def _2025(role: Role) -> _Four:
    require = _c(True, "LEARN-SIGN", "NEDPYLE24")
    if role == "domain-controller":
        inferred = ("INFERRED", *_DC)
        return (
            _c(True, "INFERRED"),
            _c(True, "INFERRED", "LEARN-SIGN"),
            _c(True, *inferred),
            _c(True, *inferred),
        )
    inbound = _conflict(
        False,
        "The page on SMB security hardening says that inbound connections must be signed too; the "
        "page on signing and its author say outbound only; 0 is applied, two against one.",
        "LEARN-SIGN",
        "NEDPYLE24",
        "LEARN-HARD",
    )
    return _c(True, "INFERRED"), require, _c(False, "INFERRED"), inbound


def _samba(role: Role) -> _Four:
    controller = role == "domain-controller"
    note = (
        ""
        if controller
        else "'server signing' is 'disabled': not offered in SMB1, on demand in SMB 2 and 3."
    )
    server = _c(controller, "SAMBA", note=note)
    return _c(True, "SAMBA"), _c(False, "SAMBA"), server, server


def _paraph(_role: Role) -> _Four:
    own = Policy()
    return _four(
        (own.client_if_server_agrees, own.client_always),
        (own.server_if_client_agrees, own.server_always),
        "PARAPH",
    )


_ROWS = {
    "nt-3.51": lambda _role: _nothing(),
    "nt-4.0": _nt4,
    "windows-98": _windows_98,
    "windows-2000": _windows_2000,
    "windows-xp": _xp,
    "server-2003": _xp,
    "windows-11-24h2-home": _11_24h2_home,
    "windows-11-24h2": _11_24h2,
    "server-2025": _2025,
    "samba": _samba,
    "paraph": _paraph,
}


def _build() -> dict[tuple[str, Role], SystemDefaults]:
    return {
        (system.key, role): SystemDefaults(system, role, *_ROWS.get(system.key, _vista)(role))
        for system in SYSTEMS
        for role in system.roles
    }


_DEFAULTS = _build()


def defaults(system: System, role: Role | None = None) -> SystemDefaults:
    """Of a system in a role, else in its first one. Raises UserError for a role it can not have."""
    role = role or system.roles[0]
    found = _DEFAULTS.get((system.key, role))
    if found is None:
        known = ", ".join(system.roles)
        raise UserError(f"{system.name} can not be a {role}. Use one of: {known}.")
    return found
