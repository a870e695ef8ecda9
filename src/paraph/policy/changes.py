"""What the policy formats share about registry values and deletions."""

from __future__ import annotations

from collections.abc import Iterable

from paraph.errors import UserError
from paraph.policy.registry_value import (
    Change,
    RegistryDeletion,
    RegistryValue,
    RegType,
    encode_data,
    fold,
)


def deletes(deletion: RegistryDeletion, identity: tuple[str, str]) -> bool:
    """Whether `deletion` deletes the value of that identity."""
    key, of = identity[0], fold(deletion.key)
    if deletion.name is not None:
        return (of, fold(deletion.name)) == identity
    return key == of or (not deletion.values_only and key.startswith(of + "\\"))


def final_value(changes: Iterable[Change], key: str, name: str) -> RegistryValue | None:
    """The value after all `changes` in order; None if it is deleted or never set."""
    identity = RegistryValue(key, name, 0, b"").identity
    found: RegistryValue | None = None
    for change in changes:
        if isinstance(change, RegistryValue):
            found = change if change.identity == identity else found
        elif deletes(change, identity):
            found = None
    return found


def value_identity(change: Change) -> tuple[str, str] | None:
    """Of the value that `change` sets or deletes; None if it deletes more than one."""
    if change.name is None:
        return None
    return RegistryValue(change.key, change.name, 0, b"").identity


def net(changes: Iterable[Change]) -> list[Change]:
    """`changes` in order, without those that later ones undo."""
    kept: dict[tuple[str, str], Change] = {}
    keys: dict[int, RegistryDeletion] = {}  #: deletions of keys, by their place
    places: dict[tuple[str, str], int] = {}
    for place, change in enumerate(changes):
        identity = value_identity(change)
        if identity is not None:
            kept[identity], places[identity] = change, place
        elif isinstance(change, RegistryDeletion):
            for gone in [each for each in kept if deletes(change, each)]:
                del kept[gone], places[gone]
            keys[place] = change
    ordered = [(places[identity], change) for identity, change in kept.items()]
    ordered += list(keys.items())
    return [change for _, change in sorted(ordered, key=lambda each: each[0])]


def described(change: Change) -> str:
    """`key\\name`, for sentences."""
    return change.key if change.name is None else f"{change.key}\\{change.name}"


def multi_sz(items: list[str]) -> bytes:
    """REG_MULTI_SZ of `items`, of which some may be empty (blank lines of a logon notice)."""
    return encode_data(RegType.MULTI_SZ, items)


def multi_sz_items(value: RegistryValue) -> list[str]:
    """The reverse, empty items kept. Raises UserError for data that are no REG_MULTI_SZ."""
    try:
        text = value.data.decode("utf-16-le")
    except UnicodeDecodeError:
        size = len(value.data)
        raise UserError(f"{described(value)}: {size} bytes are no REG_MULTI_SZ.") from None
    text = text.removesuffix("\0")
    return text.removesuffix("\0").split("\0") if text else []
