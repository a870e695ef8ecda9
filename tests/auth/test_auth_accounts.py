"""Account stores."""

from __future__ import annotations

import os
import re
import stat
import threading
from pathlib import Path

import pytest

from paraph.auth.accounts import (
    HEADER,
    AccountFile,
    MemoryAccounts,
    check_name,
    generate_password,
    nt_hash,
)
from paraph.errors import UserError

HASH = nt_hash("password")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts"


def write(path: Path, text: str | bytes) -> None:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("password", "digest"),
    [
        ("Password", "a4f49c406510bdcab6824ee7c30fd852"),  # [MS-NLMP] 4.2.2.1.2
        ("password", "8846f7eaee8fb117ad06bdd830b7586c"),
        ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
    ],
)
def test_nt_hash(password: str, digest: str) -> None:
    assert nt_hash(password).hex() == digest


def test_nt_hash_of_no_text() -> None:
    with pytest.raises(UserError) as caught:
        nt_hash("secret\udcff")
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_generated_passwords() -> None:
    passwords = {generate_password() for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        assert re.fullmatch(r"([2-9a-hjkmnp-z]{5}-){3}[2-9a-hjkmnp-z]{5}", password)


@pytest.mark.parametrize("name", ["a", "Jörg Müßig", "x" * 104, "user@example", "#1", ".x", "O'H"])
def test_names(name: str) -> None:
    check_name(name)
    assert MemoryAccounts({name: "x"}).names() == [name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 105,
        "\U0001f511" * 53,
        ".",
        ". .",
        " ",
        " a",
        "a ",
        "a\nb",
        "a\0",
        "a\u2028b",
        "a\u200bb",
        "a\x7f",
        "\udc80",
        *(f"a{char}b" for char in '"/\\[]:;|=,+*?<>'),
    ],
)
def test_bad_names(name: str, path: Path) -> None:
    with pytest.raises(UserError, match="can not be an account name"):
        check_name(name)
    with pytest.raises(UserError):
        MemoryAccounts({name: "x"})
    with pytest.raises(UserError):
        AccountFile(path).add(name, "x")
    assert not path.exists()


def test_memory() -> None:
    store = MemoryAccounts({"bob": "password", "Alice": "x"})
    assert store.names() == ["Alice", "bob"]
    assert store.find("BOB") == ("bob", HASH)
    assert store.find("alice") == ("Alice", nt_hash("x"))
    assert store.find("carol") is None
    assert MemoryAccounts.from_hashes({"bob": HASH}).find("Bob") == ("bob", HASH)
    assert MemoryAccounts().names() == []


def test_memory_errors() -> None:
    with pytest.raises(UserError, match="two accounts"):
        MemoryAccounts({"bob": "x", "BOB": "y"})
    with pytest.raises(UserError, match="16 bytes"):
        MemoryAccounts.from_hashes({"bob": b"short"})


def test_file(path: Path) -> None:
    store = AccountFile(path)
    store.add("bob", "password")
    store.add("Älice", "x")
    assert path.read_text() == f"{HEADER}\nbob:{HASH.hex()}\nÄlice:{nt_hash('x').hex()}\n"
    assert mode(path) == 0o600
    assert store.names() == ["bob", "Älice"]
    assert store.find("BOB") == ("bob", HASH)
    assert store.find("äLICE") == ("Älice", nt_hash("x"))
    assert store.find("nobody") is None
    assert AccountFile(str(path)).names() == store.names()
    store.set_password("BOB", "new")
    assert store.find("bob") == ("bob", nt_hash("new"))
    store.remove("Bob")
    assert store.names() == ["Älice"]
    store.remove("Älice")
    assert store.names() == []
    assert path.read_text() == f"{HEADER}\n"
    left = {entry.name for entry in path.parent.iterdir()}
    assert left == {"accounts", "accounts.lock"}
    assert mode(path.with_name("accounts.lock")) == 0o600


def test_file_is_private_whatever_the_umask(path: Path) -> None:
    old = os.umask(0)
    try:
        AccountFile(path).add("bob", "password")
    finally:
        os.umask(old)
    assert mode(path) == 0o600
    assert mode(path.with_name("accounts.lock")) == 0o600


def test_replace(path: Path) -> None:
    store = AccountFile(path)
    store.add("bob", "password")
    with pytest.raises(UserError, match="exists already"):
        store.add("BOB", "other")
    assert store.find("bob") == ("bob", HASH)
    store.add("BOB", "other", replace=True)
    assert store.names() == ["BOB"]
    assert store.find("bob") == ("BOB", nt_hash("other"))


def test_unknown_names(path: Path) -> None:
    store = AccountFile(path)
    store.add("bob", "password")
    with pytest.raises(UserError, match="no account 'carol'"):
        store.remove("carol")
    with pytest.raises(UserError, match="no account 'carol'"):
        store.set_password("carol", "x")


def test_empty_password(path: Path) -> None:
    with pytest.raises(UserError, match="empty"):
        AccountFile(path).add("bob", "")
    assert not path.exists()


def test_missing_file(path: Path) -> None:
    store = AccountFile(path)
    calls = (
        lambda: store.find("bob"),
        store.names,
        lambda: store.remove("bob"),
        lambda: store.set_password("bob", "x"),
    )
    for call in calls:
        with pytest.raises(UserError, match="No such file") as caught:
            call()
        assert str(path) in str(caught.value)


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        AccountFile(tmp_path / "none" / "accounts").add("bob", "x")


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_open_to_others(path: Path, bits: int) -> None:
    store = AccountFile(path)
    store.add("bob", "password")
    assert store.names() == ["bob"]
    path.chmod(bits)
    calls = (
        store.names,
        lambda: store.find("bob"),
        lambda: store.add("carol", "x"),
        AccountFile(path).names,
    )
    for call in calls:
        with pytest.raises(UserError, match="chmod 600"):
            call()
    path.chmod(0o400)
    assert store.names() == ["bob"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("\n", 1),
        ("paraph-accounts 2\n", 1),
        (f"bob:{HASH.hex()}\n", 1),
        (f"{HEADER}\nbob\n", 2),
        (f"{HEADER}\nbob:\n", 2),
        (f"{HEADER}\nbob:{HASH.hex()[:-1]}\n", 2),
        (f"{HEADER}\nbob:{HASH.hex()}0\n", 2),
        (f"{HEADER}\nbob:{HASH.hex()} \n", 2),
        (f"{HEADER}\r\nbob:{HASH.hex()}\r\n", 1),
        (f"{HEADER}\nbob:{'g' * 32}\n", 2),
        (f"{HEADER}\n\nbob:{HASH.hex()}\n:{HASH.hex()}\n", 4),
        (f"{HEADER}\n # a remark\n", 2),
        (f"{HEADER}\nbob:{HASH.hex()}\nBOB:{HASH.hex()}\n", 3),
        (f"{HEADER}\nb\u2028b:{HASH.hex()}\n", 2),
        (HEADER.encode() + b"\n\nb\xffb:" + HASH.hex().encode() + b"\n", 3),
        (bytes(4096), 1),
    ],
)
def test_damaged(path: Path, text: str | bytes, line: int) -> None:
    write(path, text)
    store = AccountFile(path)
    for call in (store.names, lambda: store.find("bob"), lambda: store.add("carol", "x")):
        with pytest.raises(UserError, match=f"damaged at line {line}: ") as caught:
            call()
        assert str(path) in str(caught.value)
        assert HASH.hex()[:31] not in str(caught.value)
    data = text.encode() if isinstance(text, str) else text
    assert path.read_bytes() == data


def test_damage_while_running_is_not_an_old_list(path: Path) -> None:
    store = AccountFile(path)
    store.add("bob", "password")
    assert store.names() == ["bob"]
    write(path, "")
    for _ in range(2):
        with pytest.raises(UserError, match="line 1"):
            store.names()


def test_hand_written_file(path: Path) -> None:
    write(path, f"{HEADER}\n\nbob:{HASH.hex().upper()}")
    assert AccountFile(path).find("bob") == ("bob", HASH)


def test_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paraph.auth.accounts.MAX_FILE", 60)
    store = AccountFile(path)
    store.add("bob", "x")
    with pytest.raises(UserError, match="too large"):
        store.add("carol", "x")
    write(path, "x" * 61)
    with pytest.raises(UserError, match="larger than"):
        store.names()


def test_changes_by_others_are_seen(path: Path) -> None:
    reader, writer = AccountFile(path), AccountFile(path)
    writer.add("bob", "password")
    assert reader.names() == ["bob"]
    writer.add("carol", "x")
    assert reader.names() == ["bob", "carol"]
    writer.set_password("bob", "changed!")
    assert reader.find("bob") == ("bob", nt_hash("changed!"))
    path.unlink()
    with pytest.raises(UserError):
        reader.find("bob")


def test_unchanged_file_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AccountFile(path)
    store.add("bob", "password")
    store.names()

    def forbidden(*_: object) -> int:
        raise AssertionError("opened")

    monkeypatch.setattr(os, "open", forbidden)
    assert store.find("bob") == ("bob", HASH)


def test_concurrent_writers(path: Path) -> None:
    AccountFile(path).add("first", "x")
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for index in range(5):
                AccountFile(path).add(f"user-{worker}-{index}", "x")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(AccountFile(path).names()) == 21


def test_a_failed_write_leaves_everything(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AccountFile(path)
    store.add("bob", "password")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        store.add("carol", "x")
    monkeypatch.undo()
    assert store.names() == ["bob"]
    assert {entry.name for entry in path.parent.iterdir()} == {"accounts", "accounts.lock"}


def test_symbolic_link_stays(path: Path) -> None:
    link = path.with_name("link")
    AccountFile(path).add("bob", "password")
    link.symlink_to(path)
    AccountFile(link).add("carol", "x")
    assert link.is_symlink()
    assert AccountFile(path).names() == ["bob", "carol"]


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_no_regular_file(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    else:
        path.mkdir(0o700)
    with pytest.raises(UserError, match="not a regular file"):
        AccountFile(path).names()


def test_repr_hides_hashes(path: Path) -> None:
    store = AccountFile(path)
    store.add("bob", "password")
    store.names()
    assert repr(store) == f"AccountFile({str(path)!r})"
    assert repr(MemoryAccounts({"bob": "password"})) == "MemoryAccounts(['bob'])"
