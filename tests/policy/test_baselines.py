"""The baselines that come with Paraph: whole, with sources, and found by their names."""

from __future__ import annotations

import pytest

from paraph.errors import UserError
from paraph.policy.baselines import baselines, find_baseline
from paraph.policy.settings import find_setting


@pytest.mark.parametrize("key", list(baselines()))
def test_every_entry_has_a_source_with_a_version(key: str) -> None:
    baseline = baselines()[key]
    assert baseline.key == key
    assert baseline.title
    assert baseline.version
    assert baseline.entries
    assert len({entry.key for entry in baseline.entries}) == len(baseline.entries)
    for entry in baseline.entries:
        setting = find_setting(entry.key)
        assert entry.state.defined
        assert setting.to_registry(entry.state) is not None
        assert baseline.version in entry.source
        assert entry.rule in entry.source
        assert entry.unverified is (entry.confirmed == "")
    assert baseline.unverified is any(entry.unverified for entry in baseline.entries)


def test_all_publishers_want_signing_always() -> None:
    for baseline in baselines().values():
        for key in ("server-always", "client-always"):
            entry = baseline.entry(key)
            assert entry is not None, f"{baseline.key} {key}"
            assert entry.state.value == 1


@pytest.mark.parametrize(
    ("baseline", "key", "value", "rule"),
    [
        ("cis-server-2025", "server-min-dialect", 0x0311, "18.6.7.6"),
        ("cis-server-2025", "server-spn-validation", 1, "2.3.9.4"),
        ("disa-stig-server-2022", "client-insecure-guest", 0, "WN22-CC-000070, V-254339"),
        ("disa-stig-windows-11", "client-always", 1, "WN11-SO-000100, V-253449"),
    ],
)
def test_values(baseline: str, key: str, value: int, rule: str) -> None:
    entry = find_baseline(baseline).entry(key)
    assert entry is not None
    assert (entry.state.value, entry.rule) == (value, rule)
    assert not entry.unverified


def test_names() -> None:
    assert find_baseline("CIS Server 2025").key == "cis-server-2025"
    assert find_baseline("cis-server-2022").key == "cis-server-2022-dc"  # the only one
    assert find_baseline("cis-win").key == "cis-windows-11"
    with pytest.raises(UserError, match="Did you mean 'cis-server-2025' or"):
        find_baseline("cis")
    with pytest.raises(UserError, match="Did you mean 'cis-server-2025'"):
        find_baseline("cis-sever-2025")
    with pytest.raises(UserError, match="Use one of: disa-stig-server-2022"):
        find_baseline("xyzzy")
    with pytest.raises(UserError, match="Use one of"):
        find_baseline(" ")
