"""The policies: looking them up by any of their names, and reading them from a registry.

`Policy` is the four signing policies, what the server and the client of Paraph work with;
`SETTINGS` are these and the modern settings around them (`policy.catalogue`).

To add one of the four: a field of `Policy` and a row of the catalogue whose `key` is the field's
name with hyphens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches

from paraph.errors import UserError
from paraph.policy.catalogue import SETTINGS
from paraph.policy.registry_value import RegistryValue, fold, without_hive
from paraph.policy.setting import (
    DIALECT_PARAMETER,
    DIALECT_TEXT,
    DISABLED,
    ENABLED,
    NOT_DEFINED,
    Setting,
    State,
)

__all__ = [
    "DIALECT_PARAMETER",
    "DIALECT_TEXT",
    "DISABLED",
    "ENABLED",
    "NOT_DEFINED",
    "SETTINGS",
    "SIGNING_SETTINGS",
    "Lookup",
    "Policy",
    "ServerPolicySettings",
    "Setting",
    "State",
    "effective_server_settings",
    "find_setting",
    "setting_at",
    "state_from",
]

Lookup = Callable[[str, str], RegistryValue | None]
"""A registry: (key without hive, value name) -> the value, or None. It ignores case."""

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

    @classmethod
    def from_values(cls, lookup: Lookup, base: Policy | None = None) -> Policy:
        """What the registry says, and `base` (else the defaults) where it says nothing.

        Damaged data are taken for Enabled: see `Setting.read`.
        """
        values = {}
        for setting in SIGNING_SETTINGS:
            state, _ = state_from(setting, lookup)
            if state.defined:
                values[setting.field] = state == ENABLED
        return replace(cls() if base is None else base, **values)

    def state(self, key: str) -> State:
        """Of one of the four, by its key."""
        return ENABLED if getattr(self, key.replace("-", "_")) else DISABLED


SIGNING_SETTINGS = tuple(s for s in SETTINGS if s.field in {f.name for f in fields(Policy)})
"""The four, in the order of the fields of `Policy`."""
_SIGNING = {setting.key: setting for setting in SIGNING_SETTINGS}


def _parse(text: str) -> tuple[Setting, bool]:
    key, equals, value = (part.strip().lower() for part in text.partition("="))
    if not equals:
        raise UserError(f"'{text}' is no policy assignment: write key=enabled or key=disabled.")
    if key not in _SIGNING:
        raise UserError(f"There is no policy '{key}'. {_hint(key, list(_SIGNING))}")
    if value not in _VALUES:
        raise UserError(f"Policy '{key}' can not be '{value}'. {_hint(value, list(_VALUES))}")
    return _SIGNING[key], _VALUES[value]


def _hint(word: str, known: list[str]) -> str:
    nearest = get_close_matches(word, known, n=1)
    if nearest:
        return f"Did you mean '{nearest[0]}'?"
    return f"Use one of: {', '.join(known)}."


# Finding a setting


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _names(setting: Setting) -> Iterable[str]:
    """Every name it goes by; the first is its key."""
    yield setting.key
    yield setting.display_name
    if setting.group_policy_path:
        yield f"{setting.group_policy_path}\\{setting.display_name}"
    if setting.windows_2000_name:
        yield setting.windows_2000_name
    yield setting.registry_value
    for key in (*setting.keys, *(key for _, key in setting.other_keys)):
        yield f"{key}\\{setting.registry_value}"
    if setting.mdm_uri:
        yield setting.mdm_uri
    if setting.powershell:
        yield f"{setting.cmdlet} -{setting.powershell}"


def _index() -> dict[str, list[Setting]]:
    index: dict[str, list[Setting]] = {}
    for setting in SETTINGS:
        for name in _names(setting):
            found = index.setdefault(_fold(name), [])
            if setting not in found:
                found.append(setting)
    return index


_BY_NAME = _index()
_BY_PLACE = {
    (fold(key), fold(setting.registry_value)): setting
    for setting in SETTINGS
    for key in (*setting.keys, *(key for _, key in setting.other_keys))
}


def find_setting(text: str) -> Setting:
    """The setting that a person means: its key, its display name (of any Windows, with or without
    the path of Group Policy), its registry path and value name (with or without hive), its OMA-URI,
    or its cmdlet and parameter. Case and spaces do not count; `_` may stand for `-`.

    Raises UserError with the nearest names, or the candidates where several settings share it.
    """
    word = _fold(text)
    found = (
        _BY_NAME.get(word)
        or _BY_NAME.get(_fold(without_hive(text.strip())))
        or _BY_NAME.get(word.replace("_", "-"))
    )
    if found is None:
        raise UserError(f"There is no setting '{text.strip()}'. {_nearest(word)}")
    if len(found) > 1:
        keys = " or ".join(f"'{setting.key}'" for setting in found)
        raise UserError(f"'{text.strip()}' is the name of several settings: write {keys}.")
    return found[0]


def _nearest(word: str) -> str:
    """Suggestions: whole names that look alike, else keys and value names that do."""
    keys: list[str] = []
    for name in get_close_matches(without_hive(word), list(_BY_NAME), n=5, cutoff=0.7):
        keys += [setting.key for setting in _BY_NAME[name] if setting.key not in keys]
    keys = keys[:3] or get_close_matches(word.replace("_", "-"), list(_BY_KEY), n=3, cutoff=0.5)
    if keys:
        return f"Did you mean {' or '.join(repr(key) for key in keys)}?"
    return f"Use one of: {', '.join(_BY_KEY)}."


def setting_at(key: str, name: str) -> Setting | None:
    """The setting that lives in this registry value (`key` without hive), in any Windows."""
    return _BY_PLACE.get((fold(key), fold(name)))


# What a registry says


def state_from(setting: Setting, lookup: Lookup) -> tuple[State, str]:
    """The state in a registry, and a remark where it is damaged ("" else).

    The policy key wins over the local key where both have the value, damaged or not.
    """
    for key in setting.keys:
        value = lookup(key, setting.registry_value)
        if value is not None:
            return setting.read(value)
    return NOT_DEFINED, ""


@dataclass(frozen=True, slots=True)
class ServerPolicySettings:
    """What the server of Paraph honours of the registry, with what it does without one."""

    policy: Policy = Policy()
    min_dialect: int = 0x0202  #: DialectRevision
    max_dialect: int = 0x0311
    encrypt_data: bool = False
    reject_unencrypted: bool = True  #: matters with `encrypt_data` only
    failed_logon_delay: float = 2.0  #: seconds; 0.0 with the rate limiter off
    audit_signing: bool = False
    audit_encryption: bool = False
    audit_guest: bool = False
    remarks: tuple[str, ...] = ()  #: sentences on damaged or contradicting values, for the log


_FLAGS = {
    "encrypt_data": "server-encrypt-data",
    "reject_unencrypted": "server-reject-unencrypted",
    "audit_signing": "server-audit-signing",
    "audit_encryption": "server-audit-encryption",
    "audit_guest": "server-audit-guest",
}


def effective_server_settings(
    lookup: Lookup, base: ServerPolicySettings | None = None
) -> ServerPolicySettings:
    """`base` (else the defaults) with what the registry says. Damaged values never weaken: they are
    taken for the strongest reading, and `remarks` tells."""
    base = ServerPolicySettings() if base is None else base
    remarks: list[str] = []

    def number(key: str) -> int | None:
        state, remark = state_from(_BY_KEY[key], lookup)
        if remark:
            remarks.append(remark)
        return state.value

    for setting in SIGNING_SETTINGS:
        if setting.side == "server":
            number(setting.key)  # for its remark; the value is read by the policy
    flags = {name: number(key) for name, key in _FLAGS.items()}
    lowest, highest = _dialect_range(
        base, number("server-min-dialect"), number("server-max-dialect"), remarks
    )
    return replace(
        base,
        policy=Policy.from_values(lookup, base.policy),
        min_dialect=lowest,
        max_dialect=highest,
        failed_logon_delay=_delay(base, number("server-auth-rate-limiter"), number),
        remarks=tuple(remarks),
        **{name: bool(value) for name, value in flags.items() if value is not None},
    )


def _dialect_range(
    base: ServerPolicySettings, lowest: int | None, highest: int | None, remarks: list[str]
) -> tuple[int, int]:
    lowest = base.min_dialect if lowest is None else lowest
    highest = base.max_dialect if highest is None else highest
    if lowest > highest:
        remarks.append(
            f"The minimum {DIALECT_TEXT[lowest]} is above the maximum {DIALECT_TEXT[highest]}: "
            "the minimum is kept, and is the only dialect."
        )
        highest = lowest
    return lowest, highest


def _delay(
    base: ServerPolicySettings, enabled: int | None, number: Callable[[str], int | None]
) -> float:
    """Seconds; a limiter that is switched on again waits at least the delay of Windows."""
    milliseconds = number("server-auth-delay")
    if enabled == 0:
        return 0.0
    if milliseconds is not None:
        return milliseconds / 1000
    if enabled == 1 and not base.failed_logon_delay:
        return _BY_KEY["server-auth-delay"].default / 1000
    return base.failed_logon_delay
