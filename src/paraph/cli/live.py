"""How `paraph serve` follows the registry of its state while it runs.

What the command line or the configuration file names holds for that run; everything else comes from
the registry, and `paraph policy set` counts from the next session on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from paraph.cli.accounts import StateAccounts
from paraph.cli.config import ServeConfig
from paraph.net.clock import filetime_now
from paraph.policy.registry import Registry
from paraph.policy.registry_value import RegistryValue
from paraph.policy.settings import SETTINGS
from paraph.server.settings import ServerSettings

REGISTRY_NAME = "registry.db"

_KEYS = sorted({key for setting in SETTINGS if setting.side == "server" for key in setting.keys})


def open_registry(state: Path) -> Registry:
    """The registry of a state directory. Raises UserError if it can not be used."""
    return Registry(state / REGISTRY_NAME, filetime_now)


class RegistryValues:
    """The server's part of a registry, as `paraph.net.live.LiveSettings` asks for it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def read(self, last: str) -> tuple[str, Sequence[RegistryValue]] | None:
        """(mark of this state, values), None if `last` is still its mark. Raises UserError."""
        mark = repr(self._registry.generation())
        if mark == last:
            return None
        return mark, [value for key in _KEYS for value in self._registry.values(key)]


class RunningState(StateAccounts):
    """What the helper process of `privileges` answers from: accounts and registry."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self._values = RegistryValues(open_registry(state))

    def read(self, last: str) -> tuple[str, Sequence[RegistryValue]] | None:
        """As `RegistryValues.read`."""
        return self._values.read(last)


def base_settings(config: ServeConfig) -> ServerSettings:
    """Paraph's own defaults, which the registry is laid upon."""
    return ServerSettings(allow_guest=config.guest)


def insist(config: ServeConfig) -> Callable[[ServerSettings], ServerSettings]:
    """What lays the settings that were named for this run upon those of the registry."""

    def lay(settings: ServerSettings) -> ServerSettings:
        named: dict[str, Any] = {}
        if "min-dialect" in config.named:
            named["min_dialect"] = config.min_dialect
        if "max-dialect" in config.named:
            named["max_dialect"] = config.max_dialect
        if "encrypt" in config.named:
            named["encryption"] = config.encrypt
        policy = settings.policy.assign(config.assignments)
        return replace(settings, policy=policy, **named)

    return lay


def effective(config: ServeConfig, settings: ServerSettings) -> ServeConfig:
    """`config` with what holds at this moment, for the banner."""
    return replace(
        config,
        policy=settings.policy,
        min_dialect=settings.min_dialect,
        max_dialect=settings.max_dialect,
        encrypt=settings.encryption,
    )
