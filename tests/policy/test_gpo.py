from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paraph.errors import UserError
from paraph.policy.gpo import (
    SECURITY_EXTENSION,
    Applied,
    Link,
    PolicyObject,
    PolicyStore,
    Som,
    new_guid,
    parents,
    parse_guid,
    parse_som,
)
from paraph.policy.registry import Registry
from paraph.policy.registry_value import RegistryDeletion, RegistryValue, RegType

DEFAULT_DOMAIN = "{31B2F340-016D-11D2-945F-00C04FB984F9}"
VALUE = RegistryValue(
    "MACHINE\\Größe\ud800", "RequireSecuritySignature", RegType.DWORD, b"\1\0\0\0"
)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry.db", lambda: 1) as registry:
        yield registry


@pytest.fixture
def store(registry: Registry) -> PolicyStore:
    return PolicyStore(registry)


def policy(name: str) -> PolicyObject:
    return PolicyObject(name, new_guid())


@pytest.mark.parametrize(
    ("text", "path", "kind"),
    [
        ("local", "Local", "local"),
        (" SITE ", "Site", "site"),
        ("Domain", "Domain", "domain"),
        ("ou=Servers, OU = HQ ", "OU=Servers,OU=HQ", "ou"),
        (r"OU=a\,b\\,OU=c\ ", r"OU=a\,b\\,OU=c\ ", "ou"),
        ("OU=Größe", "OU=Größe", "ou"),
    ],
)
def test_places(text: str, path: str, kind: str) -> None:
    assert parse_som(text) == (path, kind)
    assert parse_som(path) == (path, kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HQ",
        "OU=",
        "OU=HQ,",
        ",OU=HQ",
        "OU=HQ,DC=example",
        "CN=Computers",
        "OU=HQ;OU=x",
        "OU=\\",
    ],
)
def test_what_is_no_place(text: str) -> None:
    if text == "OU=HQ;OU=x":  # a semicolon is a letter like others
        assert parse_som(text) == (text, "ou")
        return
    with pytest.raises(UserError, match="is no place for policy"):
        parse_som(text)


def test_parents() -> None:
    assert parents(r"OU=Web\,1,OU=Servers,OU=HQ") == ["OU=Servers,OU=HQ", "OU=HQ"]
    assert parents("OU=HQ") == []


def test_guids() -> None:
    assert parse_guid(" 31b2f340-016d-11d2-945f-00c04fb984f9") == DEFAULT_DOMAIN
    with pytest.raises(UserError, match="is no GUID"):
        parse_guid("31b2f340")
    assert new_guid() != new_guid()
    assert parse_guid(new_guid())


def test_an_object_comes_back_whole(store: PolicyStore) -> None:
    one = PolicyObject(
        "Default Domain Policy",
        DEFAULT_DOMAIN.lower(),
        security=(VALUE,),
        registry=(
            VALUE,
            RegistryDeletion("K", "x"),
            RegistryDeletion("K", None),
            RegistryDeletion("K", None, values_only=True),
        ),
        version=0x00020003,
        machine_enabled=False,
        extensions=frozenset({SECURITY_EXTENSION.lower()}),
    )
    two = PolicyObject("empty", new_guid(), security=(), user_enabled=False)
    store.add(one)
    store.add(two)
    assert one.guid == DEFAULT_DOMAIN
    assert store.get(DEFAULT_DOMAIN) == one
    assert store.objects() == [one, two]
    assert store.find("EMPTY") == two
    assert store.find("default domain policy") == store.find(DEFAULT_DOMAIN.lower()) == one


def test_adding_and_replacing(store: PolicyStore) -> None:
    store.add(PolicyObject("a", DEFAULT_DOMAIN))
    with pytest.raises(UserError, match="already"):
        store.add(PolicyObject("b", DEFAULT_DOMAIN))
    store.link(DEFAULT_DOMAIN, "Domain")
    store.put(PolicyObject("c", DEFAULT_DOMAIN, version=2))
    assert [one.name for one in store.objects()] == ["c"]
    assert store.links_of(DEFAULT_DOMAIN) == ["Domain"]
    with pytest.raises(UserError, match="no policy object 'a'"):
        store.find("a")


def test_a_name_of_two_is_not_guessed(store: PolicyStore) -> None:
    first, second = policy("Baseline"), policy("BASELINE")
    store.add(first)
    store.add(second)
    with pytest.raises(UserError, match="several") as caught:
        store.find("baseline")
    assert first.guid in str(caught.value)
    assert second.guid in str(caught.value)


@pytest.mark.parametrize("version", [-1, 1 << 32])
def test_versions_have_32_bits(version: int) -> None:
    with pytest.raises(UserError, match="version"):
        PolicyObject("a", DEFAULT_DOMAIN, version=version)


def names(store: PolicyStore, som: str) -> list[str]:
    objects = {one.guid: one.name for one in store.objects()}
    return [objects[link.guid] for link in store.som(som).links]


def test_link_order(store: PolicyStore) -> None:
    guids = {}
    for name in "abc":
        store.add(one := policy(name))
        guids[name] = one.guid
        store.link(one.guid, "ou=hq")
    assert names(store, "OU=HQ") == ["a", "b", "c"]
    store.link(guids["c"], "OU=HQ", order=1)
    assert names(store, "OU=HQ") == ["c", "a", "b"]
    store.link(guids["a"], "OU=HQ", enforced=True)
    assert names(store, "OU=HQ") == ["c", "a", "b"]
    assert store.som("OU=HQ") == Som(
        "OU=hq",
        "ou",
        (Link(guids["c"]), Link(guids["a"], enforced=True), Link(guids["b"])),
    )
    store.link(guids["c"], "OU=HQ", order=99, disabled=True)
    assert names(store, "OU=HQ") == ["a", "b", "c"]
    store.unlink(guids["b"], "OU=hq")
    assert names(store, "OU=HQ") == ["a", "c"]


def test_linking_what_can_not_be(store: PolicyStore) -> None:
    store.add(one := policy("a"))
    with pytest.raises(UserError, match="no policy object"):
        store.link(new_guid(), "Domain")
    with pytest.raises(UserError, match="can not be enforced"):
        store.link(one.guid, "Local", enforced=True)
    with pytest.raises(UserError, match="no link order"):
        store.link(one.guid, "Domain", order=0)
    with pytest.raises(UserError, match="not linked to Domain"):
        store.unlink(one.guid, "Domain")
    with pytest.raises(UserError, match="nothing above"):
        store.block_inheritance("Site", True)
    assert store.soms() == []


def test_removing_an_object_removes_its_links(store: PolicyStore) -> None:
    store.add(one := policy("a"))
    store.add(two := policy("b"))
    store.link(one.guid, "OU=x,OU=HQ")
    store.link(two.guid, "OU=x,OU=HQ")
    store.link(one.guid, "Domain")
    assert store.remove(one.guid) == ["Domain", "OU=x,OU=HQ"]
    assert [som.path for som in store.soms()] == ["OU=x,OU=HQ"]
    with pytest.raises(UserError, match="no policy object"):
        store.remove(one.guid)


def test_soms_are_listed_from_the_top(store: PolicyStore) -> None:
    for path in ("OU=b", "OU=z,OU=a", "OU=a", "Domain"):
        store.block_inheritance(path, True)
    store.add(one := policy("a"))
    store.link(one.guid, "Local")
    store.link(one.guid, "Site")
    found = [som.path for som in store.soms()]
    assert found == ["Local", "Site", "Domain", "OU=a", "OU=z,OU=a", "OU=b"]
    store.block_inheritance("OU=b", False)
    assert [som.path for som in store.soms()][-1] == "OU=z,OU=a"


def test_the_chain_of_a_machine(store: PolicyStore) -> None:
    assert store.location() == "Domain"
    assert [som.path for som in store.chain()] == ["Domain", "Site", "Local"]
    store.move("ou=Web, ou=Servers, ou=HQ")
    store.block_inheritance("OU=Servers,OU=hq", True)
    chain = store.chain()
    assert [(som.path, som.kind, som.block_inheritance) for som in chain] == [
        ("OU=Web,OU=Servers,OU=HQ", "ou", False),
        ("OU=Servers,OU=hq", "ou", True),
        ("OU=HQ", "ou", False),
        ("Domain", "domain", False),
        ("Site", "site", False),
        ("Local", "local", False),
    ]
    assert [som.path for som in store.chain("Local")] == ["Local"]
    for refused in (store.move, store.chain):
        with pytest.raises(UserError, match="Site holds none"):
            refused("Site")


def test_linked_objects(store: PolicyStore) -> None:
    store.add(one := policy("a"))
    store.add(policy("b"))
    store.link(one.guid, "Domain")
    missing = Som("OU=x", "ou", (Link(new_guid()),))
    assert store.linked_objects([*store.chain(), missing]) == {one.guid: one}


def test_what_was_applied_is_remembered(store: PolicyStore, registry: Registry) -> None:
    applied = [
        Applied(VALUE, "security", DEFAULT_DOMAIN, "Größe", "Domain"),
        Applied(VALUE, "registry", DEFAULT_DOMAIN, "b", "OU=x"),
    ]
    store.set_applied(applied)
    assert store.applied() == applied
    generation = registry.generation()
    store.set_applied(applied)
    assert registry.generation() == generation
    store.set_applied([])
    assert store.applied() == []


def test_a_transaction_spans_objects_and_registry(store: PolicyStore, registry: Registry) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.add(policy("a"))
        registry.set(RegistryValue("K", "x", 4, bytes(4)))
        raise ZeroDivisionError
    assert store.objects() == []
    assert registry.snapshot() == []


def test_a_flipped_bit_in_a_link_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with Registry(path, lambda: 1) as registry:
        store = PolicyStore(registry)
        store.add(PolicyObject("a", DEFAULT_DOMAIN, security=(VALUE,)))
        store.link(DEFAULT_DOMAIN, "OU=HQ", enforced=True)
        store.move("OU=HQ")
    whole = path.read_bytes()
    for text in (b"OU=HQ", b"ou=hq".upper(), b"true", b"01000000", b'"a"'):
        start = 0
        while (start := whole.find(text, start)) >= 0:
            damaged = bytearray(whole)
            damaged[start] ^= 4
            path.write_bytes(damaged)
            with pytest.raises(UserError, match="damaged"):
                Registry(path, lambda: 1)
            start += 1
