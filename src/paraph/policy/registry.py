"""Paraph's machine registry: HKEY_LOCAL_MACHINE in a file of the state ([MS-RRP] 3.1.1).

Keys and value names are compared ignoring case and keep the case in which they were first written.
A key has a last-write time, as in Windows: it moves when one of its values or direct subkeys is
written or deleted. A value's data are the bytes that Windows would store, of any type.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from paraph.errors import UserError
from paraph.policy.database import Database, Generation, checksum
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryKey, RegistryValue, fold

MAX_KEY = 255
"""UTF-16 units that one component of a key may have."""
MAX_DEPTH = 512
"""Components that a key may have."""
MAX_NAME = 16383
"""UTF-16 units that the name of a value may have."""
MAX_DATA = 1024 * 1024
"""Bytes that a value may have."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key: its path as spelled in the registry, and its last-write time (FILETIME)."""

    path: str
    written: int

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.rpartition("\\")[2]


class Registry:
    """The registry in the file `path`, which is made if it is not there.

    Keys are given below HKEY_LOCAL_MACHINE and without it, "" for the hive itself. Every method may
    be called from any thread; what a method wrote is on disk when it returns. Every method raises
    UserError, naming the file, when it is damaged or can not be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        clock: Callable[[], int],
        *,
        timeout: float = 10.0,
    ) -> None:
        """`clock` returns the time as FILETIME; `timeout`: seconds to wait for another writer."""
        self.database = Database(path, timeout=timeout)
        self._clock = clock

    @property
    def path(self) -> str:
        return self.database.path

    def close(self) -> None:
        """Close the file, which no thread may be using. May be repeated."""
        self.database.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Registry({self.path!r})"

    def generation(self) -> Generation:
        """A mark that differs from the last one when anything was written, by any process.

        It costs microseconds: a server asks at each session, and reads again when it changed.
        """
        return self.database.generation()

    def transaction(self) -> AbstractContextManager[object]:
        """A block whose writes happen together, or not at all if it raises. Blocks nest."""
        return self.database.write()

    # Reading

    def get(self, key: str, name: str = "") -> RegistryValue | None:
        """One value, spelled as in the registry; None if it or its key is not there."""
        with self.database.read() as connection:
            row = connection.execute(
                f"{_SELECT} WHERE key.folded = ? AND value.folded = ?",
                (_folded(key), _folded(name)),
            ).fetchone()
        return None if row is None else self._value(row)

    def info(self, key: str) -> KeyInfo | None:
        """The key, None if it is not there."""
        with self.database.read() as connection:
            row = connection.execute(
                "SELECT path, written FROM key WHERE folded = ?", (_folded(key),)
            ).fetchone()
        return None if row is None else self._info(row)

    def subkeys(self, key: str) -> list[KeyInfo]:
        """The direct subkeys, in the order of their names; empty if the key is not there."""
        with self.database.read() as connection:
            rows = connection.execute(
                "SELECT path, written FROM key "
                "WHERE parent = (SELECT id FROM key WHERE folded = ?) ORDER BY folded",
                (_folded(key),),
            ).fetchall()
        return [self._info(row) for row in rows]

    def values(self, key: str) -> list[RegistryValue]:
        """The values of one key, in the order of their names; empty if the key is not there."""
        with self.database.read() as connection:
            rows = connection.execute(
                f"{_SELECT} WHERE key.folded = ? ORDER BY value.folded", (_folded(key),)
            ).fetchall()
        return [self._value(row) for row in rows]

    def walk(self, key: str = "") -> list[tuple[KeyInfo, list[RegistryValue]]]:
        """The key and all keys below it with their values, a key before its subkeys."""
        with self.database.read() as connection:
            keys = connection.execute(
                f"SELECT path, written FROM key WHERE {_BELOW}",  # noqa: S608  # a constant
                _below(key),
            ).fetchall()
            rows = connection.execute(
                f"{_SELECT} WHERE {_BELOW} ORDER BY value.folded", _below(key)
            ).fetchall()
        found = {info.path: (info, list[RegistryValue]()) for info in map(self._info, keys)}
        for row in rows:
            value = self._value(row)
            if value.key not in found:
                raise self.database.damaged("a value has no key")
            found[value.key][1].append(value)
        return [found[path] for path in sorted(found, key=lambda path: fold(path).split("\\"))]

    def snapshot(self, key: str = "") -> list[RegistryValue]:
        """All values of the key and of all keys below it, at one moment."""
        return [value for _, values in self.walk(key) for value in values]

    # Writing

    def set(self, value: RegistryValue) -> None:
        """Write a value and make its key. Raises UserError for what a registry can not hold."""
        self.apply((value,))

    def create_key(self, key: str) -> bool:
        """Make a key and its parents; False if it was there. Raises UserError for a bad name."""
        check_key(key)
        with self.database.write() as connection:
            before = connection.total_changes
            self._make(connection, key, self._clock())
            return connection.total_changes != before

    def delete(self, key: str, name: str) -> bool:
        """Delete a value; False if it was not there."""
        with self.database.write() as connection:
            return self._delete(connection, key, name, self._clock())

    def delete_key(self, key: str, *, recursive: bool = True) -> bool:
        """Delete a key with its values and all keys below it; False if it was not there.

        Raises UserError for the hive itself and, unless `recursive`, for a key that has subkeys.
        """
        with self.database.write() as connection:
            if not recursive and self.subkeys(key):
                raise UserError(f"The key {key!r} has subkeys.")
            return self._delete_key(connection, key, self._clock())

    def apply(self, changes: Iterable[Change | RegistryKey]) -> None:
        """Make all the changes in their order, or none. What is to be deleted may be missing.

        Raises UserError also when a registry can not hold one of them.
        """
        changes = list(changes)
        for change in changes:
            check(change)
        now = self._clock()
        with self.database.write() as connection:
            for change in changes:
                if isinstance(change, RegistryValue):
                    self._set(connection, change, now)
                elif isinstance(change, RegistryKey):
                    self._make(connection, change.key, now)
                elif change.values_only:
                    for value in self.values(change.key):
                        self._delete(connection, value.key, value.name, now)
                elif change.name is None:
                    self._delete_key(connection, change.key, now)
                else:
                    self._delete(connection, change.key, change.name, now)

    def _set(self, connection: sqlite3.Connection, value: RegistryValue, now: int) -> None:
        key, path = self._make(connection, value.key, now)
        folded, name = _folded(value.name), _bytes(value.name)
        row = connection.execute(
            "SELECT name FROM value WHERE key = ? AND folded = ?", (key, folded)
        ).fetchone()
        if row is not None:
            name = row[0]  # a value keeps the spelling of its first writer
        connection.execute(
            "REPLACE INTO value (key, folded, name, type, data, sum) VALUES (?, ?, ?, ?, ?, ?)",
            (key, folded, name, value.type, value.data, _sum(path, name, value.type, value.data)),
        )
        connection.execute("UPDATE key SET written = ? WHERE id = ?", (now, key))

    def _make(self, connection: sqlite3.Connection, key: str, now: int) -> tuple[int, bytes]:
        """The id and the spelled path of a key, which is made with its parents."""
        missing: list[str] = []
        while (row := _find(connection, key)) is None:
            if not key:
                raise self.database.damaged("its first key is missing")
            missing.append(key)
            key = key.rpartition("\\")[0]
        id_, path = row
        for key in reversed(missing):
            path = path + _bytes(key[key.rfind("\\") :] if path else key)
            connection.execute("UPDATE key SET written = ? WHERE id = ?", (now, id_))
            cursor = connection.execute(
                "INSERT INTO key (parent, folded, path, written) VALUES (?, ?, ?, ?)",
                (id_, _folded(key), path, now),
            )
            id_ = cursor.lastrowid or 0
        return id_, path

    def _delete(self, connection: sqlite3.Connection, key: str, name: str, now: int) -> bool:
        found = _find(connection, key)
        if found is None:
            return False
        deleted = connection.execute(
            "DELETE FROM value WHERE key = ? AND folded = ?", (found[0], _folded(name))
        ).rowcount
        if deleted:
            connection.execute("UPDATE key SET written = ? WHERE id = ?", (now, found[0]))
        return deleted > 0

    def _delete_key(self, connection: sqlite3.Connection, key: str, now: int) -> bool:
        if not key:
            raise UserError("HKEY_LOCAL_MACHINE itself can not be deleted.")
        found = _find(connection, key)
        if found is None:
            return False
        connection.execute(
            "UPDATE key SET written = ? WHERE id = (SELECT parent FROM key WHERE id = ?)",
            (now, found[0]),
        )
        connection.execute("DELETE FROM key WHERE id = ?", (found[0],))
        return True

    def _value(self, row: tuple[object, ...]) -> RegistryValue:
        path, name, type_, data, sum_ = row
        if not isinstance(path, bytes) or not isinstance(name, bytes):
            raise self.database.damaged("a name is missing")
        if not isinstance(type_, int) or not isinstance(data, bytes):
            raise self.database.damaged("a value has no data")
        if _sum(path, name, type_, data) != sum_:
            raise self.database.damaged(f"the check sum of {path!r}, {name!r} is wrong")
        return RegistryValue(self.database.text(path), self.database.text(name), type_, data)

    def _info(self, row: tuple[object, ...]) -> KeyInfo:
        return KeyInfo(self.database.text(row[0]), self.database.integer(row[1]))


_SELECT = (
    "SELECT key.path, value.name, value.type, value.data, value.sum "
    "FROM value JOIN key ON key.id = value.key"
)
_BELOW = "(key.folded = ? OR (key.folded >= ? AND key.folded < ?))"


def _find(connection: sqlite3.Connection, key: str) -> tuple[int, bytes] | None:
    """The id and the spelled path of a key."""
    row: tuple[int, bytes] | None = connection.execute(
        "SELECT id, path FROM key WHERE folded = ?", (_folded(key),)
    ).fetchone()
    return row


def _below(key: str) -> tuple[bytes, bytes, bytes]:
    """The parameters of `_BELOW`: the key, and the range of the keys below it."""
    folded = _folded(key)
    if not folded:
        return folded, b"\0", b"\xff"
    return folded, folded + b"\\", folded + b"]"  # "]" follows the backslash


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _folded(text: str) -> bytes:
    return _bytes(fold(text))


def _sum(path: bytes, name: bytes, type_: int, data: bytes) -> int:
    return checksum(path, name, b"%d" % type_, data)


def check(change: Change | RegistryKey) -> None:
    """Raises UserError if a registry can not hold the change, or the name in it."""
    check_key(change.key)
    if isinstance(change, RegistryKey):
        return
    if not change.key and (change.name is not None or isinstance(change, RegistryValue)):
        raise UserError("HKEY_LOCAL_MACHINE itself has no values.")
    if isinstance(change, RegistryDeletion):
        if change.name is None and not change.key:
            raise UserError("HKEY_LOCAL_MACHINE itself can not be deleted.")
        return
    where = f"{change.key}\\{change.name}"
    if "\0" in change.name:
        raise UserError(f"The value name {where!r} contains a NUL.")
    if _units(change.name) > MAX_NAME:
        raise UserError(f"A value name of {where[:60]!r}... is longer than {MAX_NAME} characters.")
    if not 0 <= change.type < 1 << 32:
        raise UserError(f"{where}: {change.type} is no type of a registry value.")
    if len(change.data) > MAX_DATA:
        raise UserError(
            f"{where}: {len(change.data)} bytes are more than a value may have (1 MiB)."
        )


def check_key(key: str) -> None:
    """Raises UserError unless `key` may name a key; "" names the hive."""
    if not key:
        return
    parts = key.split("\\")
    if len(parts) > MAX_DEPTH:
        raise UserError(f"The key {key[:60]!r}... has more than {MAX_DEPTH} levels.")
    for part in parts:
        if not part:
            raise UserError(f"The key {key!r} has an empty name between its backslashes.")
        if "\0" in part:
            raise UserError(f"The key {key!r} contains a NUL.")
        if _units(part) > MAX_KEY:
            raise UserError(
                f"In the key {key[:60]!r}... a name has more than {MAX_KEY} characters."
            )


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
