"""The four signing policies: their names, where Windows keeps them, and what Paraph starts with.

To add a setting: a field of `Policy` and a row of `SETTINGS` whose `key` is the field's name with
hyphens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from paraph.errors import UserError

_SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
_CLIENT_KEY = _SERVICES + r"\LanmanWorkstation\Parameters"
_SERVER_KEY = _SERVICES + r"\LanManServer\Parameters"


@dataclass(frozen=True, slots=True)
class Setting:
    """One policy as people meet it. The registry value is a REG_DWORD, 1 for enabled."""

    key: str  #: its name on the command line and in files
    display_name: str  #: as Group Policy shows it (XP and later)
    registry_key: str
    registry_value: str
    explanation: str  #: one sentence

    @property
    def field(self) -> str:
        """The name of its field in `Policy`."""
        return self.key.replace("-", "_")


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "server-always",
        "Microsoft network server: Digitally sign communications (always)",
        _SERVER_KEY,
        "RequireSecuritySignature",
        "The server serves only clients that sign, and signs what it answers.",
    ),
    Setting(
        "server-if-client-agrees",
        "Microsoft network server: Digitally sign communications (if client agrees)",
        _SERVER_KEY,
        "EnableSecuritySignature",
        "The server signs with SMB1 clients that ask for it; SMB 2 and 3 ignore this setting.",
    ),
    Setting(
        "client-always",
        "Microsoft network client: Digitally sign communications (always)",
        _CLIENT_KEY,
        "RequireSecuritySignature",
        "The client talks only to servers that sign, and signs what it asks.",
    ),
    Setting(
        "client-if-server-agrees",
        "Microsoft network client: Digitally sign communications (if server agrees)",
        _CLIENT_KEY,
        "EnableSecuritySignature",
        "The client signs with SMB1 servers that offer it; SMB 2 and 3 ignore this setting.",
    ),
)

_BY_KEY = {setting.key: setting for setting in SETTINGS}
_VALUES = {"enabled": True, "disabled": False}


@dataclass(frozen=True, slots=True)
class Policy:
    """The four policies of one machine, True for enabled.

    Paraph starts with all enabled, like a client of Windows 11 24H2 Pro: both ends require signing.
    """

    server_always: bool = True
    server_if_client_agrees: bool = True
    client_always: bool = True
    client_if_server_agrees: bool = True

    def assign(self, assignments: Iterable[str]) -> Policy:
        """A copy with "key=enabled" or "key=disabled" applied, such as "server-always=disabled".

        Spaces around the parts and case do not count. Raises UserError for an unknown key or value
        (with the nearest known one), a missing "=", and a key that is given two values.
        """
        values: dict[str, bool] = {}
        for text in assignments:
            setting, value = _parse(text)
            if values.setdefault(setting.field, value) != value:
                raise UserError(f"Policy '{setting.key}' is set to both enabled and disabled.")
        return replace(self, **values)

    @classmethod
    def parse_assignments(cls, assignments: Iterable[str]) -> Policy:
        """The defaults with `assign` applied."""
        return cls().assign(assignments)


def _parse(text: str) -> tuple[Setting, bool]:
    key, equals, value = (part.strip().lower() for part in text.partition("="))
    if not equals:
        raise UserError(f"'{text}' is no policy assignment: write key=enabled or key=disabled.")
    if key not in _BY_KEY:
        raise UserError(f"There is no policy '{key}'. {_hint(key, list(_BY_KEY))}")
    if value not in _VALUES:
        raise UserError(f"Policy '{key}' can not be '{value}'. {_hint(value, list(_VALUES))}")
    return _BY_KEY[key], _VALUES[value]


def _hint(word: str, known: list[str]) -> str:
    nearest = get_close_matches(word, known, n=1)
    if nearest:
        return f"Did you mean '{nearest[0]}'?"
    return f"Use one of: {', '.join(known)}."
