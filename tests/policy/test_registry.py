from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy.registry import MAX_DATA, MAX_DEPTH, Registry
from paraph.policy.registry_value import (
    RegistryDeletion,
    RegistryKey,
    RegistryValue,
    RegType,
    encode_data,
    fold,
)

SERVER = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"


def dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, RegType.DWORD, encode_data(RegType.DWORD, number))


class Clock:
    """A clock that moves by one at each look."""

    now = 1000

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.db"


@pytest.fixture
def registry(path: Path) -> Iterator[Registry]:
    with Registry(path, Clock()) as registry:
        yield registry


def test_a_new_registry_is_private_whole_and_empty(registry: Registry, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["registry.db"]
    assert registry.snapshot() == []
    assert registry.get(SERVER, "RequireSecuritySignature") is None
    assert registry.info("") is not None


def test_the_umask_does_not_count(path: Path) -> None:
    old = os.umask(0)
    try:
        Registry(path, Clock()).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_value_comes_back_from_another_object(registry: Registry, path: Path) -> None:
    registry.set(dword(SERVER, "RequireSecuritySignature", 1))
    with Registry(path, Clock()) as other:
        assert other.get(SERVER, "RequireSecuritySignature") == dword(
            SERVER, "RequireSecuritySignature", 1
        )


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (RegType.NONE, b""),
        (RegType.SZ, "größer\0".encode("utf-16-le")),
        (RegType.EXPAND_SZ, "%SystemRoot%\0".encode("utf-16-le")),
        (RegType.BINARY, bytes(range(256))),
        (RegType.DWORD, b"\1\0\0\0"),
        (RegType.DWORD_BIG_ENDIAN, b"\0\0\0\1"),
        (RegType.LINK, b"\\\0R\0"),
        (RegType.MULTI_SZ, "a\0b\0\0".encode("utf-16-le")),
        (RegType.RESOURCE_LIST, b"\1"),
        (RegType.FULL_RESOURCE_DESCRIPTOR, b"\2"),
        (RegType.RESOURCE_REQUIREMENTS_LIST, b"\3"),
        (RegType.QWORD, b"\xff" * 8),
        (0xFFFFFFFF, b"vendor"),
        (RegType.DWORD, b"odd"),  # Windows does not judge data either
        (RegType.BINARY, bytes(MAX_DATA)),
    ],
)
def test_every_type_is_kept_to_the_byte(registry: Registry, type_: int, data: bytes) -> None:
    value = RegistryValue("SOFTWARE\\Paraph", "x", type_, data)
    registry.set(value)
    assert registry.get("SOFTWARE\\Paraph", "x") == value


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (("Software\\Paraph", "Name"), ("SOFTWARE\\PARAPH", "NAME")),
        (("Software\\Größe", "Ärger"), ("SOFTWARE\\GRÖSSE".replace("SS", "ß"), "äRGER")),
        (("Σίσυφος", "é"), ("ΣΊΣΥΦΟΣ", "É")),
        (("я", "Ж"), ("Я", "ж")),
        (("\ud800", "\udfff"), ("\ud800", "\udfff")),
    ],
)
def test_case_is_kept_and_does_not_count(
    registry: Registry, first: tuple[str, str], again: tuple[str, str]
) -> None:
    registry.set(dword(*first, 1))
    assert registry.get(*again) == dword(*first, 1)
    registry.set(dword(*again, 2))
    assert registry.snapshot() == [dword(*first, 2)]
    assert registry.delete(*again)
    assert registry.snapshot() == []


def test_letters_that_would_grow_stay_apart(registry: Registry) -> None:
    registry.set(dword("Straße", "ß", 1))
    registry.set(dword("STRASSE", "ss", 2))
    assert registry.get("straße", "ß") == dword("Straße", "ß", 1)
    assert registry.get("strasse", "SS") == dword("STRASSE", "ss", 2)
    assert registry.get("straße", "ss") is None


def test_parents_are_made_and_listed(registry: Registry) -> None:
    registry.set(dword("A\\B\\C", "", 1))
    registry.set(dword("a\\b2", "", 1))
    registry.set(dword("A-", "", 1))
    assert [info.path for info in registry.subkeys("")] == ["A", "A-"]
    assert [info.path for info in registry.subkeys("a")] == ["A\\B", "A\\b2"]
    assert [info.name for info in registry.subkeys("A\\B")] == ["C"]
    assert registry.subkeys("nothing") == []
    assert registry.values("A") == []
    assert [info.path for info, _ in registry.walk()] == ["", "A", "A\\B", "A\\B\\C", "A\\b2", "A-"]
    assert [info.path for info, _ in registry.walk("a")] == ["A", "A\\B", "A\\B\\C", "A\\b2"]


def test_values_are_listed_by_name(registry: Registry) -> None:
    registry.apply([dword("K", name, 1) for name in ("b", "", "A", "_")])
    assert [value.name for value in registry.values("k")] == ["", "A", "b", "_"]


def test_create_key(registry: Registry) -> None:
    assert registry.create_key("A\\B")
    assert not registry.create_key("a\\b")
    info = registry.info("a\\b")
    assert info is not None
    assert info.path == "A\\B"


def test_deleting(registry: Registry) -> None:
    registry.apply([dword("A\\B", "x", 1), dword("A\\B\\C", "y", 2), dword("A\\B2", "z", 3)])
    assert not registry.delete("A\\B", "y")
    assert not registry.delete("nothing", "y")
    assert registry.delete("A\\B", "x")
    with pytest.raises(UserError, match="has subkeys"):
        registry.delete_key("A\\B", recursive=False)
    assert registry.delete_key("a\\b")
    assert not registry.delete_key("a\\b")
    assert registry.snapshot() == [dword("A\\B2", "z", 3)]
    assert registry.info("A\\B\\C") is None
    with pytest.raises(UserError, match="HKEY_LOCAL_MACHINE"):
        registry.delete_key("")


def test_the_deepest_tree_is_made_and_deleted(registry: Registry) -> None:
    key = "\\".join(["k"] * MAX_DEPTH)
    registry.set(dword(key, "x", 1))
    assert registry.delete_key("k")
    assert registry.walk() == [(registry.info(""), [])]


def test_last_write_times(path: Path) -> None:
    clock = Clock()
    with Registry(path, clock) as registry:

        def written(key: str) -> int:
            info = registry.info(key)
            assert info is not None
            return info.written

        registry.set(dword("A\\B", "x", 1))
        first = clock.now
        assert written("A") == written("A\\B") == written("") == first
        registry.set(dword("A\\B", "x", 2))
        assert (written("A"), written("A\\B")) == (first, first + 1)  # the parent does not move
        registry.create_key("A\\B\\C")
        assert (written("A"), written("A\\B")) == (first, first + 2)  # a new subkey moves it
        registry.delete("A\\B", "gone")
        assert written("A\\B") == first + 2
        registry.delete("A\\B", "x")
        assert written("A\\B") == clock.now
        registry.delete_key("A\\B\\C")
        assert written("A\\B") == clock.now


def test_apply_is_all_or_nothing(registry: Registry) -> None:
    registry.set(dword("A", "x", 1))
    generation = registry.generation()
    with pytest.raises(UserError, match="no type"):
        registry.apply([dword("A", "x", 2), RegistryValue("A", "y", -1, b"")])
    with pytest.raises(ZeroDivisionError), registry.transaction():
        registry.set(dword("A", "x", 3))
        raise ZeroDivisionError
    assert registry.snapshot() == [dword("A", "x", 1)]
    assert registry.generation() == generation


def test_apply_goes_in_order(registry: Registry) -> None:
    registry.apply(
        [
            dword("A", "x", 1),
            dword("A\\B", "x", 1),
            RegistryDeletion("a", None),
            RegistryKey("A\\empty"),
            dword("A", "y", 2),
            dword("A", "z", 3),
            RegistryDeletion("A", "Y"),
            RegistryDeletion("A", "never there"),
        ]
    )
    assert registry.snapshot() == [dword("A", "z", 3)]
    assert registry.info("A\\empty") is not None


def test_all_values_of_a_key_but_not_its_subkeys(registry: Registry) -> None:
    registry.apply([dword("A", "x", 1), dword("A", "", 1), dword("A\\B", "x", 1)])
    registry.apply([RegistryDeletion("a", None, values_only=True)])
    assert registry.snapshot() == [dword("A\\B", "x", 1)]


def test_an_inner_block_takes_back_its_own_only(registry: Registry) -> None:
    with registry.transaction():
        registry.set(dword("A", "x", 1))
        with pytest.raises(KeyError), registry.transaction():
            registry.set(dword("A", "x", 2))
            raise KeyError
    assert registry.snapshot() == [dword("A", "x", 1)]


def test_a_write_inside_a_read_is_our_mistake(registry: Registry) -> None:
    with registry.database.read(), pytest.raises(RuntimeError):
        registry.set(dword("A", "x", 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dword("A\\" + "k" * 256, "x", 1), "more than 255"),
        (dword("A\\" + "\U0001f512" * 128, "x", 1), "more than 255"),
        (dword("A\\\\B", "x", 1), "empty name"),
        (dword("\\A", "x", 1), "empty name"),
        (dword("A\0", "x", 1), "NUL"),
        (dword("A", "x\0", 1), "NUL"),
        (dword("A", "x" * 16384, 1), "longer than 16383"),
        (dword("\\".join("k" * 513), "x", 1), "more than 512 levels"),
        (dword("", "x", 1), "HKEY_LOCAL_MACHINE itself"),
        (RegistryValue("A", "x", 1 << 32, b""), "no type"),
        (RegistryValue("A", "x", 3, bytes(MAX_DATA + 1)), "more than a value"),
        (RegistryDeletion("", None), "HKEY_LOCAL_MACHINE itself"),
        (RegistryKey("A\\"), "empty name"),
    ],
)
def test_limits(registry: Registry, change: RegistryValue, message: str) -> None:
    with pytest.raises(UserError, match=message):
        registry.apply([change])
    assert registry.walk() == [(registry.info(""), [])]


def test_limits_are_reached(registry: Registry) -> None:
    value = dword("k" * 255 + "\\" + "\U0001f512" * 127, "x" * 16383, 1)
    registry.set(value)
    assert registry.snapshot() == [value]


def test_the_generation_tells_of_changes_only(registry: Registry, path: Path) -> None:
    first = registry.generation()
    with Registry(path, Clock()) as other:
        assert other.generation() == first
        other.set(dword("A", "x", 1))
        second = registry.generation()
        assert second != first
        assert other.generation() == second
        other.delete("A", "nothing")
        other.apply([])
        registry.get("A", "x")
        assert registry.generation() == second
        registry.delete("A", "x")
        assert other.generation() != second


def test_a_file_put_in_its_place_is_seen(registry: Registry, path: Path) -> None:
    registry.set(dword("A", "x", 1))
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    registry.set(dword("A", "x", 2))
    generation = registry.generation()
    backup.replace(path)
    assert registry.generation() != generation
    assert registry.get("A", "x") == dword("A", "x", 1)
    path.unlink()
    with pytest.raises(UserError, match=r"registry\.db can not be read"):
        registry.get("A", "x")


def test_closed_is_closed(path: Path) -> None:
    registry = Registry(path, Clock())
    registry.close()
    registry.close()
    with pytest.raises(ValueError):
        registry.get("A", "x")


def test_threads_share_it(registry: Registry) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                registry.set(dword(f"K{number}", f"v{step}", step))
                assert registry.get(f"k{number}", f"V{step}") is not None
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(registry.snapshot()) == 40
    gc.collect()
    assert len(registry.database._sessions) == 1, "connections of ended threads stay open"


# Damage


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"\0" * 4096, "damaged"),
        (b"no database at all" * 100, "damaged"),
    ],
)
def test_a_damaged_file_is_no_empty_registry(path: Path, content: bytes, message: str) -> None:
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        Registry(path, Clock())
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def _filled(path: Path) -> list[RegistryValue]:
    with Registry(path, Clock()) as registry:
        registry.apply([dword(f"{SERVER}\\{n % 7}", f"Require{n}", 1) for n in range(200)])
        return registry.snapshot()


def test_no_truncation_is_taken_for_a_registry(path: Path) -> None:
    _filled(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 512):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"registry\.db is damaged"):
            Registry(path, Clock())


def test_a_flipped_bit_never_changes_a_value(path: Path) -> None:
    """Bytes all over the file, a different bit each time: damage is reported, or nothing that is
    read is different."""
    values = _filled(path)
    whole = path.read_bytes()
    reported = 0
    for offset in range(0, len(whole), 331):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        try:
            with Registry(path, Clock()) as registry:
                found = registry.snapshot()
                for value in values:
                    assert registry.get(value.key, value.name) == value, f"offset {offset}"
            assert found == values, f"offset {offset}"
        except UserError:
            reported += 1
    assert reported > 10


def test_another_programs_database_is_refused(path: Path) -> None:
    path.touch(0o600)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE key (id)")
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match="does not begin like"):
        Registry(path, Clock())


def test_a_newer_file_is_refused(path: Path) -> None:
    Registry(path, Clock()).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(UserError, match="newer Paraph"):
        Registry(path, Clock())


def test_a_missing_table_is_damage(path: Path) -> None:
    Registry(path, Clock()).close()
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE value")
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match="damaged"):
        Registry(path, Clock())


def test_a_file_open_to_others_is_refused(registry: Registry, path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(UserError, match="chmod 600"):
        registry.get("A", "x")
    with pytest.raises(UserError, match="chmod 600"):
        Registry(path, Clock())


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a regular file"):
        Registry(tmp_path, Clock())
    with pytest.raises(UserError, match="can not be made: No such file"):
        Registry(tmp_path / "missing" / "registry.db", Clock())


def test_a_lonely_journal_is_not_played_into_a_new_file(path: Path) -> None:
    path.with_name("registry.db-journal").write_bytes(b"x")
    with pytest.raises(UserError, match="its journal is there"):
        Registry(path, Clock())
    assert not path.exists()


def test_a_writer_that_does_not_end_is_not_waited_for_for_ever(path: Path) -> None:
    with Registry(path, Clock()) as registry, Registry(path, Clock(), timeout=0.05) as other:
        with registry.transaction():
            registry.set(dword("A", "x", 1))
            with pytest.raises(UserError, match="busy"):
                other.set(dword("A", "x", 2))
            assert other.get("A", "x") is None
        assert other.get("A", "x") == dword("A", "x", 1)


# Against a dictionary

NAMES = st.text(st.sampled_from("aAßsSäÄ\ud800\U0001f512\u0131"), min_size=1, max_size=3)
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("\\".join)
DATA = st.binary(max_size=8)
CHANGES = st.one_of(
    st.builds(RegistryValue, KEYS, NAMES | st.just(""), st.integers(0, 0xFFFFFFFF), DATA),
    st.builds(RegistryDeletion, KEYS, NAMES | st.none()),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(CHANGES, max_size=12))
def test_it_is_a_dictionary_of_folded_names(
    path: Path, changes: list[RegistryValue | RegistryDeletion]
) -> None:
    path.unlink(missing_ok=True)
    model: dict[tuple[str, str], tuple[int, bytes]] = {}
    for change in changes:
        key = fold(change.key)
        if isinstance(change, RegistryValue):
            model[change.identity] = (change.type, change.data)
        elif change.name is not None:
            model.pop((key, fold(change.name)), None)
        else:
            model = {
                each: data
                for each, data in model.items()
                if each[0] != key and not each[0].startswith(key + "\\")
            }
    with Registry(path, Clock()) as registry:
        registry.apply(changes)
        found = registry.snapshot()
        assert {value.identity: (value.type, value.data) for value in found} == model
        for key, name in model:
            assert registry.get(key, name) is not None
