"""Baselines of others: what Microsoft, CIS and DISA want of these settings, with where it is
written.

The data are in data/baselines.toml. A value that could not be confirmed is `unverified`, and is
shown so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from paraph.errors import UserError
from paraph.policy.settings import State, find_setting


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    """What one baseline wants of one setting."""

    key: str  #: of the setting
    state: State
    rule: str  #: its number there, "" if it has none
    source: str  #: the document, its version and the rule
    confirmed: str  #: what the value was checked against; "" if it was not

    @property
    def unverified(self) -> bool:
        return not self.confirmed


@dataclass(frozen=True, slots=True)
class Baseline:
    """One document of one version."""

    key: str
    title: str
    version: str
    source: str
    entries: tuple[BaselineEntry, ...]

    def entry(self, key: str) -> BaselineEntry | None:
        """By the key of the setting."""
        return next((entry for entry in self.entries if entry.key == key), None)

    @property
    def unverified(self) -> bool:
        """At least one value is."""
        return any(entry.unverified for entry in self.entries)


@cache
def baselines() -> dict[str, Baseline]:
    """All of them by key, in the order of the file."""
    text = files("paraph.policy").joinpath("data", "baselines.toml").read_text("utf-8")
    return {key: _baseline(key, table) for key, table in tomllib.loads(text).items()}


def find_baseline(text: str) -> Baseline:
    """By key, ignoring case; also by the beginning of one key only, such as "cis-server-2025".

    Raises UserError with the nearest.
    """
    word = "-".join(text.casefold().split())
    known = baselines()
    if word in known:
        return known[word]
    starting = [key for key in known if word and key.startswith(word)]
    if len(starting) == 1:
        return known[starting[0]]
    near = starting or get_close_matches(word, list(known), n=3, cutoff=0.5)
    if near:
        hint = f"Did you mean {' or '.join(repr(key) for key in near)}?"
    else:
        hint = f"Use one of: {', '.join(known)}."
    raise UserError(f"There is no baseline {text.strip()!r}. {hint}")


def _baseline(key: str, table: Mapping[str, Any]) -> Baseline:
    title, version, source = table["title"], table["version"], table["source"]
    where = f"{source}, {version}"
    entries = tuple(_entry(name, value, where) for name, value in table["settings"].items())
    return Baseline(key, title, version, source, entries)


def _entry(name: str, table: Mapping[str, Any], where: str) -> BaselineEntry:
    setting = find_setting(name)
    rule = table.get("rule", "")
    return BaselineEntry(
        setting.key,
        setting.parse(str(table["value"])),
        rule,
        f"{where}, {rule}" if rule else where,
        table.get("confirmed", ""),
    )
