"""[MS-GPOL] 3.2.5.1.5 worked by hand: what each machine gets, and why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.policy.gpo import (
    REGISTRY_EXTENSION,
    SECURITY_EXTENSION,
    Applied,
    Link,
    PolicyObject,
    PolicyStore,
    Som,
    SomKind,
)
from paraph.policy.registry import Registry
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryValue, RegType
from paraph.policy.resultant import Effective, Resultant, refresh, resultant

SERVER = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"
POLICIES = r"Software\Policies\Microsoft\Windows\LanmanServer"
REQUIRE = "RequireSecuritySignature"


def dword(number: int, key: str = SERVER, name: str = REQUIRE) -> RegistryValue:
    return RegistryValue(key, name, RegType.DWORD, number.to_bytes(4, "little"))


def guid(number: int) -> str:
    return f"{{00000000-0000-0000-0000-{number:012X}}}"


class World:
    """Objects whose names are their order of making, and the chain of one machine."""

    def __init__(self) -> None:
        self.objects: dict[str, PolicyObject] = {}
        self.chain: list[Som] = []

    def template(self, name: str, number: int, **more: object) -> str:
        """An object whose security template sets RequireSecuritySignature."""
        return self.object(name, security=(dword(number),), **more)

    def object(self, name: str, **more: object) -> str:
        made = PolicyObject(name, guid(len(self.objects) + 1), **more)  # type: ignore[arg-type]
        self.objects[made.guid] = made
        return made.guid

    def som(self, path: str, *links: Link, block: bool = False) -> None:
        """The next SOM of the chain, which goes away from the machine."""
        kinds: dict[str, SomKind] = {"Local": "local", "Site": "site", "Domain": "domain"}
        self.chain.append(Som(path, kinds.get(path, "ou"), links, block))

    def resultant(self, applied: Sequence[Applied] = (), **more: dict[str, str]) -> Resultant:
        return resultant(self.chain, self.objects, applied=applied, **more)

    def effective(self, name: str = REQUIRE, key: str = SERVER) -> Effective:
        found = self.resultant().get(key, name)
        assert found is not None
        return found


@pytest.fixture
def world() -> World:
    return World()


def winner(effective: Effective) -> str:
    assert effective.winner is not None
    return effective.winner.step.name


def losers(effective: Effective) -> list[tuple[str, str]]:
    return [(loser.claim.step.name, loser.reason) for loser in effective.losers]


def order(result: Resultant) -> list[str]:
    return [step.name for step in result.order]


def test_local_site_domain_ou(world: World) -> None:
    """3.2.5.2: the nearest wins; the input's order of Local does not matter."""
    names = ("Child", "Parent", "Domain", "Site", "Local")
    paths = ("OU=Servers,OU=HQ", "OU=HQ", "Domain", "Site", "Local")
    for number, (name, path) in enumerate(zip(names, paths, strict=True)):
        world.som(path, Link(world.template(name, number % 2)))
    result = world.resultant()
    assert order(result) == ["Local", "Site", "Domain", "Parent", "Child"]
    effective = world.effective()
    assert effective.state == "defined"
    assert effective.value == dword(0)
    assert winner(effective) == "Child"
    assert losers(effective) == [
        ("Parent", "nearer"),
        ("Domain", "nearer"),
        ("Site", "nearer"),
        ("Local", "nearer"),
    ]
    assert [loser.same for loser in effective.losers] == [False, True, False, True]
    assert effective.losers[0].why == "'Child' (OU=Servers,OU=HQ) is linked nearer to the machine."


def test_the_first_link_of_a_container_wins(world: World) -> None:
    """Each link is prepended, so the first is processed last."""
    a, b, c = world.template("a", 1), world.template("b", 0), world.template("c", 0)
    world.som("OU=HQ", Link(a), Link(b), Link(c))
    assert order(world.resultant()) == ["c", "b", "a"]
    assert winner(world.effective()) == "a"
    assert losers(world.effective()) == [("b", "link-order"), ("c", "link-order")]
    assert world.effective().note == ""


def test_an_enforced_domain_beats_an_enforced_ou_and_both_beat_the_rest(world: World) -> None:
    world.som("OU=HQ", Link(world.template("ou", 0)), Link(world.template("ou!", 0), enforced=True))
    world.som(
        "Domain",
        Link(world.template("domain!", 1), enforced=True),
        Link(world.template("domain", 0)),
    )
    assert order(world.resultant()) == ["domain", "ou", "ou!", "domain!"]
    effective = world.effective()
    assert effective.value == dword(1)
    assert winner(effective) == "domain!"
    assert losers(effective) == [
        ("ou!", "enforced-above"),
        ("ou", "enforced"),
        ("domain", "enforced"),
    ]
    assert effective.note == ""


def test_the_last_enforced_link_of_a_container_wins_to_the_letter(world: World) -> None:
    """Enforced ones are appended. The definition of link order says otherwise: both are shown."""
    a, b = world.template("a", 1), world.template("b", 0)
    world.som("Domain", Link(a, enforced=True), Link(b, enforced=True))
    assert order(world.resultant()) == ["a", "b"]
    effective = world.effective()
    assert winner(effective) == "b"
    assert losers(effective) == [("a", "link-order")]
    assert "it would be the first, 'a', which wants REG_DWORD 1" in effective.note


def test_where_both_readings_agree_there_is_no_note(world: World) -> None:
    a, b = world.template("a", 1), world.template("b", 1)
    world.som("Domain", Link(a, enforced=True), Link(b, enforced=True))
    assert winner(world.effective()) == "b"
    assert world.effective().note == ""


def test_a_disabled_link(world: World) -> None:
    """2.2.2: the disabled bit hides the enforced one."""
    a, b = world.template("a", 1), world.template("b", 0)
    world.som("OU=HQ", Link(b))
    world.som("Domain", Link(a, enforced=True, disabled=True))
    result = world.resultant()
    assert order(result) == ["b"]
    assert [(step.name, step.reason, step.enforced) for step in result.ignored] == [
        ("a", "link-disabled", False)
    ]
    assert winner(world.effective()) == "b"
    assert losers(world.effective()) == [("a", "link-disabled")]


def test_blocked_inheritance(world: World) -> None:
    """Links to the blocking SOM count, enforced ones from above count, Local does; others not."""
    for number, (path, block) in enumerate(
        [("OU=c,OU=b", False), ("OU=b", True), ("Domain", False), ("Site", False), ("Local", False)]
    ):
        plain = world.template(path, number)
        strong = world.template(path + "!", number)
        world.som(path, Link(plain), Link(strong, enforced=path != "Local"), block=block)
    result = world.resultant()
    assert order(result) == [
        *("Local!", "Local"),
        *("OU=b", "OU=c,OU=b"),
        *("OU=c,OU=b!", "OU=b!", "Domain!", "Site!"),
    ]
    assert [(step.name, step.reason, step.detail) for step in result.ignored] == [
        ("Domain", "inheritance-blocked", "OU=b"),
        ("Site", "inheritance-blocked", "OU=b"),
    ]
    assert result.ignored[0].why == "OU=b blocks inheritance, and the link is not enforced."
    assert winner(world.effective()) == "Site!"


def test_blocking_at_the_domain_shuts_out_the_site(world: World) -> None:
    world.som("Domain", Link(world.template("domain", 1)), block=True)
    world.som("Site", Link(world.template("site", 0)))
    assert order(world.resultant()) == ["domain"]
    assert losers(world.effective()) == [("site", "inheritance-blocked")]


def test_local_is_never_enforced(world: World) -> None:
    world.som("Domain", Link(world.template("domain", 1)))
    world.som("Local", Link(world.template("local", 0), enforced=True))
    assert winner(world.effective()) == "domain"
    assert losers(world.effective()) == [("local", "nearer")]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"machine_enabled": False}, "machine-disabled"),
        ({"version": 0}, "empty"),
        ({"version": 0x00050000}, "empty"),  # user settings only
    ],
)
def test_objects_that_are_denied(world: World, more: dict[str, object], reason: str) -> None:
    world.som("OU=HQ", Link(world.template("out", 0, **more)))
    world.som("Domain", Link(world.template("domain", 1)))
    assert winner(world.effective()) == "domain"
    assert losers(world.effective()) == [("out", reason)]


def test_the_user_half_does_not_matter(world: World) -> None:
    world.som("Domain", Link(world.template("a", 1, user_enabled=False)))
    assert winner(world.effective()) == "a"


def test_filtering(world: World) -> None:
    out = world.template("out", 0)
    world.som("OU=HQ", Link(out))
    result = world.resultant(filtered={out: "WMI filter 'Laptops'"})
    assert [(step.reason, step.why) for step in result.ignored] == [
        ("filtered", "The object does not apply to this machine: WMI filter 'Laptops'.")
    ]


def test_a_link_to_nothing(world: World) -> None:
    world.som("Domain", Link(guid(77)), Link(world.template("a", 1)))
    result = world.resultant()
    assert order(result) == ["a"]
    assert [(step.guid, step.reason) for step in result.ignored] == [(guid(77), "object-missing")]


def test_an_object_linked_twice(world: World) -> None:
    a, b = world.template("a", 1), world.template("b", 0)
    world.som("OU=HQ", Link(b))
    world.som("Domain", Link(a), Link(a, enforced=True))
    assert order(world.resultant()) == ["a", "b", "a"]
    assert winner(world.effective()) == "a"
    assert losers(world.effective()) == [("b", "enforced"), ("a", "enforced")]


# Extensions


def test_the_security_extension_overwrites_the_registry_extension(world: World) -> None:
    """3.2.5.1.10: even an enforced Registry.pol loses to any template."""
    pol = world.object("pol", registry=(dword(0),))
    world.som("OU=HQ", Link(pol, enforced=True))
    world.som("Domain", Link(world.template("template", 1)))
    effective = world.effective()
    assert effective.value == dword(1)
    assert winner(effective) == "template"
    assert losers(effective) == [("pol", "security-extension")]
    assert effective.note == ""


def test_both_in_one_object(world: World) -> None:
    both = world.object("both", registry=(dword(0),), security=(dword(1),))
    world.som("Domain", Link(both))
    assert world.effective().value == dword(1)
    assert losers(world.effective()) == [("both", "security-extension")]


def test_an_extension_that_is_not_named_does_not_run(world: World) -> None:
    deaf = world.object(
        "deaf",
        registry=(dword(3, POLICIES, "x"),),
        security=(dword(0),),
        extensions=frozenset({REGISTRY_EXTENSION}),
    )
    heard = world.template("heard", 1, extensions=frozenset({SECURITY_EXTENSION}))
    world.som("OU=HQ", Link(deaf))
    world.som("Domain", Link(heard))
    assert winner(world.effective()) == "heard"
    assert losers(world.effective()) == [("deaf", "extension-not-named")]
    assert winner(world.effective("x", POLICIES)) == "deaf"


def test_the_last_instruction_of_a_file_wins(world: World) -> None:
    pol = world.object("pol", registry=(dword(0), dword(1)))
    world.som("Domain", Link(pol))
    assert world.effective().value == dword(1)
    assert losers(world.effective()) == [("pol", "same-object")]


def test_case_does_not_count(world: World) -> None:
    lower = world.object("lower", security=(dword(1, SERVER.lower(), REQUIRE.upper()),))
    world.som("OU=HQ", Link(lower))
    world.som("Domain", Link(world.template("domain", 0)))
    assert len(world.resultant().values) == 1
    assert winner(world.effective()) == "lower"


def test_deleting_a_value(world: World) -> None:
    world.som("OU=HQ", Link(world.object("delete", registry=(RegistryDeletion(POLICIES, "x"),))))
    world.som("Domain", Link(world.object("set", registry=(dword(1, POLICIES, "x"),))))
    effective = world.effective("X", POLICIES.upper())
    assert (effective.state, effective.value, winner(effective)) == ("deleted", None, "delete")
    assert losers(effective) == [("set", "nearer")]
    assert world.resultant().changes() == [RegistryDeletion(POLICIES, "x")]
    assert world.resultant().applied() == []


def test_deleting_a_key(world: World) -> None:
    below = POLICIES + "\\Sub"
    world.som("OU=c", Link(world.object("last", registry=(dword(3, below, "after"),))))
    world.som(
        "OU=b", Link(world.object("delete", registry=(RegistryDeletion(POLICIES.upper(), None),)))
    )
    before = tuple(dword(1, key, "x") for key in (POLICIES, below, POLICIES + "2"))
    world.som("Domain", Link(world.object("set", registry=before)))
    for key in (POLICIES, below):
        effective = world.effective("x", key)
        assert (effective.state, winner(effective)) == ("deleted", "delete")
        assert losers(effective) == [("set", "nearer")]
    assert world.effective("x", POLICIES + "2").value == before[2]
    assert world.effective("after", below).value == dword(3, below, "after")
    changes = world.resultant().changes()
    assert changes[0] == RegistryDeletion(POLICIES.upper(), None)
    assert changes.index(dword(3, below, "after")) > 0


def test_deleting_all_values_of_a_key(world: World) -> None:
    below = POLICIES + "\\Sub"
    values = tuple(dword(1, key, "x") for key in (POLICIES, below))
    clear = RegistryDeletion(POLICIES, None, values_only=True)
    world.som("OU=b", Link(world.object("clear", registry=(clear,))))
    world.som("Domain", Link(world.object("set", registry=values)))
    assert world.effective("x", POLICIES).state == "deleted"
    assert world.effective("x", below).state == "defined"
    assert world.resultant().changes()[0] == clear


# What stays when its object is gone


def was_applied(change: RegistryValue, extension: str) -> Applied:
    assert extension in ("registry", "security")
    return Applied(change, extension, guid(9), "old", "Domain")  # type: ignore[arg-type]


def test_a_template_tattoos(world: World) -> None:
    world.som("Domain", Link(world.object("emptied", security=())))
    result = world.resultant([was_applied(dword(1), "security")])
    effective = result.get(SERVER, REQUIRE)
    assert effective is not None
    assert (effective.state, effective.value, effective.winner) == ("tattooed", dword(1), None)
    assert "'old'" in effective.note
    assert result.changes() == []
    assert result.applied() == [was_applied(dword(1), "security")]


def test_a_tattoo_of_an_object_that_is_only_switched_off(world: World) -> None:
    world.som("Domain", Link(world.template("off", 0), disabled=True))
    effective = world.resultant([was_applied(dword(1), "security")]).get(SERVER, REQUIRE)
    assert effective is not None
    assert (effective.state, effective.value) == ("tattooed", dword(1))
    assert losers(effective) == [("off", "link-disabled")]


def test_a_new_object_goes_over_the_tattoo(world: World) -> None:
    world.som("Domain", Link(world.template("new", 0)))
    result = world.resultant([was_applied(dword(1), "security")])
    assert [value.state for value in result.values] == ["defined"]
    assert result.applied() == [Applied(dword(0), "security", guid(1), "new", "Domain")]


@pytest.mark.parametrize(
    ("key", "state"),
    [
        (POLICIES, "removed"),
        ("SOFTWARE\\policies", "removed"),
        (r"Software\Microsoft\Windows\CurrentVersion\Policies\System", "removed"),
        (r"Software\PoliciesToo", "tattooed"),
        (SERVER, "tattooed"),
    ],
)
def test_registry_pol_is_taken_back_below_the_policies_keys(
    world: World, key: str, state: str
) -> None:
    result = world.resultant([was_applied(dword(1, key, "x"), "registry")])
    assert [value.state for value in result.values] == [state]
    expected: list[Change] = [RegistryDeletion(key, "x")] if state == "removed" else []
    assert result.changes() == expected
    assert len(result.applied()) == (state == "tattooed")


@pytest.mark.parametrize("values_only", [True, False])
def test_a_deleted_key_takes_the_tattoo_with_it(world: World, values_only: bool) -> None:
    clear = RegistryDeletion(SERVER.lower(), None, values_only=values_only)
    world.som("Domain", Link(world.object("clear", registry=(clear,))))
    effective = world.resultant([was_applied(dword(1), "security")]).get(SERVER, REQUIRE)
    assert effective is not None
    assert (effective.state, winner(effective)) == ("deleted", "clear")


# JSON


def test_json(world: World) -> None:
    world.som("OU=HQ", Link(world.template("a", 1)), Link(guid(77)))
    world.som("Domain", Link(world.template("b", 0)))
    odd = RegistryValue("K", "odd", RegType.DWORD, b"\1")
    strange = RegistryValue("K", "strange", 0x1234, b"\xff")
    items = RegistryValue("K", "items", RegType.MULTI_SZ, "a\0b\0\0".encode("utf-16-le"))
    gone = RegistryDeletion("K", "gone")
    world.som("Site", Link(world.object("c", registry=(odd, strange, items, gone))))
    found = json.loads(json.dumps(world.resultant().to_json()))
    assert found["location"] == "OU=HQ"
    assert [step["object"] for step in found["order"]] == ["c", "b", "a"]
    assert found["ignored"][0]["reason"] == "object-missing"
    values = {value["name"]: value for value in found["values"]}
    assert (values["odd"]["type"], values["odd"]["data"]) == ("REG_DWORD", "01")
    assert (values["strange"]["type"], values["strange"]["data"]) == ("0x00001234", "ff")
    assert values["items"]["data"] == ["a", "b"]
    assert values["gone"]["state"] == "deleted"
    assert values[REQUIRE] == {
        "key": SERVER,
        "name": REQUIRE,
        "state": "defined",
        "type": "REG_DWORD",
        "data": 1,
        "winner": {
            "object": "a",
            "guid": guid(1),
            "som": "OU=HQ",
            "link_order": 1,
            "enforced": False,
            "extension": "security",
            "from": "security template",
            "type": "REG_DWORD",
            "data": 1,
        },
        "losers": [
            {
                "object": "b",
                "guid": guid(2),
                "som": "Domain",
                "link_order": 1,
                "enforced": False,
                "extension": "security",
                "from": "security template",
                "type": "REG_DWORD",
                "data": 0,
                "reason": "nearer",
                "why": "'a' (OU=HQ) is linked nearer to the machine.",
                "same": False,
            }
        ],
    }


# The specification's steps, written down a second time, against `resultant`


def by_the_steps(chain: Sequence[Som]) -> list[str]:
    """The GPLink list of 3.2.5.1.5, with its lists and its flag by their names."""
    allow_enforced_gpos_only = False
    non_enforced_gplink_list: list[str] = []
    enforced_gplink_list: list[str] = []
    for som in chain:
        som_gplink_list = [(link.guid, link.enforced) for link in som.links if not link.disabled]
        for gpo_dn, enforced in list(som_gplink_list):
            if not enforced:
                if not allow_enforced_gpos_only:
                    non_enforced_gplink_list.insert(0, gpo_dn)
                som_gplink_list.remove((gpo_dn, enforced))
        for gpo_dn, _ in som_gplink_list:
            enforced_gplink_list.append(gpo_dn)
        if som.block_inheritance:
            allow_enforced_gpos_only = True
    return non_enforced_gplink_list + enforced_gplink_list


LINKS = st.lists(
    st.builds(Link, st.integers(1, 6).map(guid), st.booleans(), st.booleans()), max_size=4
).map(tuple)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(LINKS, st.booleans()), min_size=1, max_size=5))
def test_the_order_is_that_of_the_steps(soms: list[tuple[tuple[Link, ...], bool]]) -> None:
    chain = [Som(f"OU={n}", "ou", links, block) for n, (links, block) in enumerate(soms)]
    objects = {guid(n): PolicyObject(str(n), guid(n), security=(dword(n),)) for n in range(1, 7)}
    result = resultant(chain, objects)
    expected = by_the_steps(chain)
    assert [step.guid for step in result.order] == expected
    assert len(result.order) + len(result.ignored) == sum(len(som.links) for som in chain)
    effective = result.get(SERVER, REQUIRE)
    if expected:
        assert effective is not None
        assert effective.winner is not None
        assert effective.winner.step.guid == expected[-1]
        assert len(effective.losers) == len(effective.claims) - 1


# In the state


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry.db", lambda: 1) as registry:
        yield registry


def test_refresh_writes_what_follows(registry: Registry) -> None:
    store = PolicyStore(registry)
    store.add(PolicyObject("a", guid(1), security=(dword(1),)))
    store.add(PolicyObject("b", guid(2), registry=(dword(770, POLICIES, "MinSmb2Dialect"),)))
    store.link(guid(1), "OU=HQ")
    store.link(guid(2), "Domain")
    registry.set(dword(0))
    refresh(store, registry)
    assert registry.get(SERVER, REQUIRE) == dword(0), "the machine is in no OU yet"
    store.move("OU=HQ")
    refresh(store, registry)
    assert registry.get(SERVER, REQUIRE) == dword(1)
    assert registry.get(POLICIES, "MinSmb2Dialect") == dword(770, POLICIES, "MinSmb2Dialect")
    generation = registry.generation()
    refresh(store, registry)
    assert registry.generation() == generation, "nothing changed, nothing is written"

    store.unlink(guid(1), "OU=HQ")
    store.unlink(guid(2), "Domain")
    for _ in range(2):
        result = refresh(store, registry)
        assert registry.get(SERVER, REQUIRE) == dword(1), "security settings tattoo"
        assert registry.get(POLICIES, "MinSmb2Dialect") is None
        effective = result.get(SERVER, REQUIRE)
        assert effective is not None
        assert effective.state == "tattooed"

    registry.set(dword(0))
    assert refresh(store, registry).values == [], "somebody has changed it: it is theirs now"


def test_refresh_deletes_keys(registry: Registry) -> None:
    store = PolicyStore(registry)
    deletion = RegistryDeletion(POLICIES, None)
    store.add(PolicyObject("a", guid(1), registry=(deletion, dword(2, POLICIES, "y"))))
    store.link(guid(1), "Local")
    registry.set(dword(1, POLICIES + "\\Sub", "x"))
    refresh(store, registry)
    assert registry.snapshot() == [dword(2, POLICIES, "y")]


# 10,000 objects in 1,000 OUs


def test_ten_thousand_objects_in_a_thousand_ous(registry: Registry) -> None:
    """One machine of a wide tree, its objects read from the state; generous for slow machines."""
    store = PolicyStore(registry)
    with store.transaction():
        for number in range(10_000):
            value = dword(number % 2)
            other = dword(number, POLICIES, f"v{number % 50}")
            store.put(PolicyObject(f"p{number}", guid(number), (value, other), (other,)))
            ou = number // 10
            store.link(guid(number), f"OU=c{ou % 10},OU=b{ou // 10 % 10},OU=a{ou // 100}")
    start = time.perf_counter()
    chain = store.chain("OU=c3,OU=b2,OU=a1")
    result = resultant(chain, store.linked_objects(chain))
    seconds = time.perf_counter() - start
    assert [step.name for step in result.order] == [
        f"p{number}" for number in range(1239, 1229, -1)
    ]
    assert seconds < 1


def test_ten_thousand_objects_that_all_reach_one_machine(world: World) -> None:
    """The worst tree: a thousand OUs in each other, with ten links each."""
    for ou in range(1_000):
        links = []
        for number in range(ou * 10, ou * 10 + 10):
            other = dword(number, POLICIES, f"v{number % 50}")
            made = world.object(str(number), security=(dword(number % 2),), registry=(other,))
            links.append(Link(made, enforced=not number % 7))
        world.som(f"OU={ou}", *links)
    start = time.perf_counter()
    result = world.resultant()
    seconds = time.perf_counter() - start
    assert len(result.order) == 10_000
    assert len(result.values) == 51
    assert seconds < 1
    effective = result.get(SERVER, REQUIRE)
    assert effective is not None
    assert winner(effective) == "9996"
    assert len(effective.losers) == 9_999
