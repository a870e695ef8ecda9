"""The defaults of each system and role, cell by cell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy.defaults import (
    ROLES,
    SOURCE_NAMES,
    SOURCES,
    SYSTEMS,
    Role,
    System,
    defaults,
    find_role,
    find_system,
)
from paraph.policy.settings import SIGNING_SETTINGS, Policy
from paraph.policy.sides import DIALECTS, NT1

# system, role: client enable, client require, server enable, server require; "-" is not there
EXPECTED = {
    ("nt-3.51", "workstation"): "----",
    ("nt-3.51", "domain-controller"): "----",
    ("nt-4.0", "workstation"): "1000",
    ("nt-4.0", "member-server"): "1000",
    ("nt-4.0", "stand-alone"): "1000",
    ("nt-4.0", "domain-controller"): "1000",
    ("windows-98", "workstation"): "10--",
    ("windows-98", "stand-alone"): "10--",
    ("windows-2000", "workstation"): "1000",
    ("windows-2000", "member-server"): "1000",
    ("windows-2000", "stand-alone"): "1000",
    ("windows-2000", "domain-controller"): "1010",
    ("windows-xp", "workstation"): "1000",
    ("windows-xp", "stand-alone"): "1000",
    ("server-2003", "member-server"): "1000",
    ("server-2003", "stand-alone"): "1000",
    ("server-2003", "domain-controller"): "1011",
    **{
        (system, role): "1000"
        for system in (
            "windows-vista",
            "windows-7",
            "windows-8",
            "windows-8.1",
            "windows-10",
            "windows-11-23h2",
            "windows-11-24h2-home",
        )
        for role in ("workstation", "stand-alone")
    },
    **{
        (system, role): "1011" if role == "domain-controller" else "1000"
        for system in (
            "server-2008",
            "server-2008-r2",
            "server-2012",
            "server-2012-r2",
            "server-2016",
            "server-2019",
            "server-2022",
        )
        for role in ("member-server", "stand-alone", "domain-controller")
    },
    ("windows-11-24h2", "workstation"): "1101",
    ("windows-11-24h2", "stand-alone"): "1101",
    ("server-2025", "member-server"): "1100",
    ("server-2025", "stand-alone"): "1100",
    ("server-2025", "domain-controller"): "1111",
    ("samba", "member-server"): "1000",
    ("samba", "domain-controller"): "1011",
    **{("paraph", role): "1111" for role in ROLES},
}
ORDER = (
    "client-if-server-agrees",
    "client-always",
    "server-if-client-agrees",
    "server-always",
)


@pytest.mark.parametrize(("place", "expected"), EXPECTED.items(), ids=lambda x: "-".join(x))
def test_defaults(place: tuple[str, Role], expected: str) -> None:
    row = defaults(find_system(place[0]), place[1])
    found = ""
    for key in ORDER:
        value = row.cell(key).value
        found += "-" if value is None else str(int(value))
        assert row.state(key).value == (None if value is None else int(value))
    assert found == expected
    assert row.policy() == Policy(
        client_if_server_agrees=found[0] == "1",
        client_always=found[1] == "1",
        server_if_client_agrees=found[2] == "1",
        server_always=found[3] == "1",
    )


def test_paraph_is_what_paraph_does() -> None:
    for role in ROLES:
        assert defaults(find_system("paraph"), role).policy() == Policy()


CONFLICTS: dict[tuple[str, Role, str], tuple[str, str]] = {
    ("nt-4.0", "domain-controller", "server-if-client-agrees"): ("0 (or 1)", "Q161372"),
    ("windows-2000", "domain-controller", "server-always"): ("0 (or 1)", "KB887429"),
    ("windows-11-24h2", "workstation", "server-always"): ("1 (or 0)", "SMB2-90"),
    ("windows-11-24h2", "stand-alone", "server-always"): ("1 (or 0)", "SMB2-90"),
    ("server-2025", "member-server", "server-always"): ("0 (or 1)", "LEARN-HARD"),
    ("server-2025", "stand-alone", "server-always"): ("0 (or 1)", "LEARN-HARD"),
}


def test_every_cell_has_sources_and_conflicts_are_told() -> None:
    found = {}
    for system in SYSTEMS:
        for role in system.roles:
            row = defaults(system, role)
            for setting in SIGNING_SETTINGS:
                cell = row.cell(setting.key)
                assert cell.sources
                assert set(cell.sources) <= set(SOURCES)
                assert cell.source
                if cell.conflict:
                    assert cell.alternative is (not cell.value)
                    assert "applied" in cell.note
                    found[system.key, role, setting.key] = cell
    assert set(found) == set(CONFLICTS)
    for place, (text, source) in CONFLICTS.items():
        assert found[place].text == text
        assert source in found[place].sources


def test_sources_have_names() -> None:
    assert set(SOURCE_NAMES) == set(SOURCES)


def test_no_other_cell() -> None:
    with pytest.raises(KeyError):
        defaults(SYSTEMS[0]).cell("role")


@pytest.mark.parametrize(
    ("system", "role"),
    [
        ("Windows 98", "domain-controller"),
        ("Windows XP", "member-server"),
        ("Windows 11 24H2 Pro", "domain-controller"),
        ("Windows Server 2022", "workstation"),
    ],
)
def test_roles_that_can_not_be(system: str, role: Role) -> None:
    with pytest.raises(UserError, match=r"can not be a .* Use one of: "):
        defaults(find_system(system), role)


def test_the_first_role_is_the_default() -> None:
    assert defaults(find_system("2003")).role == "member-server"
    assert defaults(find_system("xp")).role == "workstation"


SYSTEM_FACTS = {
    # greatest dialect, SMB1 as installed, encryption, AES-GMAC, able to sign
    "nt-3.51": (NT1, True, False, False, False),
    "nt-4.0": (NT1, True, False, False, True),
    "windows-98": (NT1, True, False, False, True),
    "windows-2000": (NT1, True, False, False, True),
    "windows-xp": (NT1, True, False, False, True),
    "server-2003": (NT1, True, False, False, True),
    "windows-vista": (0x0202, True, False, False, True),
    "server-2008": (0x0202, True, False, False, True),
    "windows-7": (0x0210, True, False, False, True),
    "server-2008-r2": (0x0210, True, False, False, True),
    "windows-8": (0x0300, True, True, False, True),
    "server-2012": (0x0300, True, True, False, True),
    "windows-8.1": (0x0302, True, True, False, True),
    "server-2012-r2": (0x0302, True, True, False, True),
    "windows-10": (0x0311, False, True, False, True),
    "server-2016": (0x0311, True, True, False, True),
    "server-2019": (0x0311, False, True, False, True),
    "server-2022": (0x0311, False, True, True, True),
    "windows-11-23h2": (0x0311, False, True, True, True),
    "windows-11-24h2-home": (0x0311, False, True, True, True),
    "windows-11-24h2": (0x0311, False, True, True, True),
    "server-2025": (0x0311, False, True, True, True),
    "samba": (0x0311, False, True, True, True),
    "paraph": (0x0311, False, True, True, True),
}


def test_what_systems_are_able_to() -> None:
    assert [system.key for system in SYSTEMS] == list(SYSTEM_FACTS)
    for system in SYSTEMS:
        facts = (
            max(system.dialects),
            system.smb1,
            system.encryption,
            system.gmac,
            system.can_sign,
        )
        assert facts == SYSTEM_FACTS[system.key]
        # Nothing in between is missing.
        known = [d for d in DIALECTS if d <= max(system.dialects)]
        assert list(system.dialects) == [d for d in known if d != NT1 or system.smb1]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.key)
def test_found_by_all_names(system: System) -> None:
    for name in (system.key, system.name, *system.aliases):
        assert find_system(name) is system
        assert find_system(f"  {name.upper()} ") is system


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Windows Server 2003", "server-2003"),
        ("2003", "server-2003"),
        ("w2k3", "server-2003"),
        ("Windows Server 2003 R2 Enterprise Edition SP2", "server-2003"),
        ("Microsoft Windows 2000 Professional", "windows-2000"),
        ("win2000", "windows-2000"),
        ("Windows XP Professional SP3", "windows-xp"),
        ("NT4", "nt-4.0"),
        ("nt4 sp3", "nt-4.0"),
        ("Windows NT 4.0 Workstation SP6a", "nt-4.0"),
        ("nt4 SP2", "nt-3.51"),
        ("Windows NT 4.0 Workstation SP1", "nt-3.51"),
        ("win98", "windows-98"),
        ("Windows 7 Ultimate", "windows-7"),
        ("Windows Server 2012 R2 Standard", "server-2012-r2"),
        ("win2008r2", "server-2008-r2"),
        ("Windows 8.1 Pro", "windows-8.1"),
        ("Windows 10 Enterprise 22H2", "windows-10"),
        ("server2019", "server-2019"),
        ("Windows 11 23H2 Pro", "windows-11-23h2"),
        ("win11 24h2 home", "windows-11-24h2-home"),
        ("Windows 11 Home 24H2", "windows-11-24h2-home"),
        ("win11 24h2", "windows-11-24h2"),
        ("Windows 11, version 24H2, Education", "windows-11-24h2"),
        ("Windows Server 2025 Datacenter", "server-2025"),
    ],
)
def test_other_names_of_systems(text: str, key: str) -> None:
    assert find_system(text).key == key


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Windows Servr 2016", "Did you mean 'Windows Server 2016'"),
        ("Windows 12", "Did you mean"),
        ("zzz", "Use one of: nt-3.51"),
        ("", "There is no system ''"),
        ("Windows 11", "'Windows 11 23H2'"),
        ("Windows 11 Home", "is more than one system"),
    ],
)
def test_systems_not_found(text: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        find_system(text)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("DC", "domain-controller"),
        ("Domain Controller", "domain-controller"),
        ("member", "member-server"),
        ("member_server", "member-server"),
        ("standalone", "stand-alone"),
        ("Workstation", "workstation"),
    ],
)
def test_roles(text: str, role: str) -> None:
    assert find_role(text) == role


def test_roles_not_found() -> None:
    with pytest.raises(UserError, match="Did you mean 'workstation'"):
        find_role("worksation")
    with pytest.raises(UserError, match="Use one of: workstation"):
        find_role("")


@given(st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_system_or_a_mistake(text: str) -> None:
    for find in (find_system, find_role):
        message = "?"
        try:
            find(text)
        except UserError as error:
            message = str(error)
        assert message[-1] in ".?"
