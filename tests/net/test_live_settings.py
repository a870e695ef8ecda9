"""Settings that follow a registry: read when they change, never weakened by damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from paraph.errors import UserError
from paraph.net.live import LiveSettings
from paraph.policy.registry_value import RegistryValue, RegType, encode_data
from paraph.policy.setting import DISABLED, ENABLED, State
from paraph.policy.settings import Policy, find_setting
from paraph.server.settings import ServerSettings


class Values:
    """A registry in memory."""

    def __init__(self) -> None:
        self.values: dict[str, RegistryValue] = {}
        self.mark = 0
        self.readings = 0
        self.trouble = ""

    def set(self, key: str, state: State) -> None:
        value = find_setting(key).to_registry(state)
        assert value is not None
        self.put(key, value)

    def put(self, key: str, value: RegistryValue) -> None:
        self.values[key] = value
        self.mark += 1

    def read(self, last: str) -> tuple[str, Sequence[RegistryValue]] | None:
        if self.trouble:
            raise UserError(self.trouble)
        if last == str(self.mark):
            return None
        self.readings += 1
        return str(self.mark), list(self.values.values())


@pytest.fixture
def values() -> Values:
    return Values()


def test_without_values_it_is_the_base(values: Values) -> None:
    base = ServerSettings(policy=Policy(server_always=False), failed_logon_delay=0.5)
    assert LiveSettings(values, base)() == base


def test_a_change_counts_at_once_and_is_read_once(values: Values) -> None:
    live = LiveSettings(values, ServerSettings())
    assert live().policy.server_always
    values.set("server-always", DISABLED)
    assert not live().policy.server_always
    live()
    live()
    assert values.readings == 2
    values.set("server-always", ENABLED)
    assert live().policy.server_always


def test_what_the_command_line_insists_on_wins(values: Values) -> None:
    live = LiveSettings(
        values,
        ServerSettings(),
        insist=lambda settings: replace(
            settings, policy=settings.policy.assign(["server-always=enabled"])
        ),
    )
    values.set("server-always", DISABLED)
    assert live().policy.server_always


def test_every_setting_that_the_server_honours(values: Values) -> None:
    live = LiveSettings(values, ServerSettings())
    values.set("server-encrypt-data", ENABLED)
    assert live().encryption == "required"
    values.set("server-reject-unencrypted", DISABLED)
    assert live().encryption == "desired"
    values.set("server-min-dialect", State(0x0300))
    values.set("server-max-dialect", State(0x0302))
    assert (live().min_dialect, live().max_dialect) == (0x0300, 0x0302)
    for key in ("signing", "encryption", "guest"):
        values.set(f"server-audit-{key}", ENABLED)
    assert (live().audit_signing, live().audit_encryption, live().audit_guest) == (True,) * 3
    values.set("server-auth-delay", State(500))
    assert live().failed_logon_delay == 0.5
    values.set("server-auth-rate-limiter", DISABLED)
    assert live().failed_logon_delay == 0


def test_damaged_data_are_read_as_the_strongest(values: Values) -> None:
    said: list[str] = []
    live = LiveSettings(
        values, ServerSettings(policy=Policy(server_always=False)), warn=said.append
    )
    good = find_setting("server-always").to_registry(DISABLED)
    assert good is not None
    values.put("server-always", replace(good, type=RegType.SZ, data=encode_data(RegType.SZ, "0")))
    assert live().policy.server_always
    assert said


def test_a_registry_that_can_not_be_read_leaves_the_last_good_settings(values: Values) -> None:
    said: list[str] = []
    live = LiveSettings(values, ServerSettings(), warn=said.append)
    values.set("server-min-dialect", State(0x0311))
    assert live().min_dialect == 0x0311
    values.trouble = "The registry r.db is damaged."
    assert live().min_dialect == 0x0311
    live()
    assert said == ["The registry r.db is damaged. The last good settings stay in force."]
    values.trouble = ""
    values.set("server-min-dialect", State(0x0300))
    assert live().min_dialect == 0x0300


def test_settings_that_contradict_the_command_line_change_nothing(values: Values) -> None:
    said: list[str] = []
    live = LiveSettings(
        values,
        ServerSettings(max_dialect=0x0302),
        insist=lambda settings: replace(settings, max_dialect=0x0302),
        warn=said.append,
    )
    before = live()
    values.set("server-min-dialect", State(0x0311))
    assert live() == before
    assert any("min_dialect" in sentence for sentence in said)
