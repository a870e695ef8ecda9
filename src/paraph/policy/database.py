"""The SQLite file of the state: registry and policy objects, their transactions, and damage.

Several processes (a running server, the command line) and threads use the file at once.

* A rollback journal, not WAL: the file is one file, needs no shared memory, and a copy of it is a
  backup; WAL's gain, readers beside a writer, is worth milliseconds here, and SQLite before 3.51.3
  can corrupt a WAL database when two processes checkpoint and write at the same moment.
* `synchronous=EXTRA`: FULL leaves the removal of the journal unsynced, and a journal that comes
  back after a power loss takes back a change that was acknowledged.
* The file is made beside its place and linked into it whole. So an empty or half-made file is
  damage, and is never taken for a registry without values.
* No other descriptor of the file is ever opened and closed here: POSIX would drop SQLite's locks.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import threading
import weakref
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NewType

from paraph.errors import UserError
from paraph.policy.registry_value import fold

Generation = NewType("Generation", tuple[int, int, int])
"""Compare for equality: another one means that something was written, or the file replaced."""

_APPLICATION = 0x50617268  # "Parh"
_VERSION = 1
_OTHERS = 0o077
_LOCATION = b"Domain"  # where a machine is at first, see gpo.py

# Names and paths are BLOBs of UTF-8 (lone surrogates allowed), `folded` for comparison and `path`
# or `name` as first spelled. `sum` is `checksum` of the row: SQLite notices a broken tree, but not
# a flipped bit in a cell.
_SCHEMA = """
BEGIN;
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL,
    location BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE key (
    id INTEGER PRIMARY KEY, parent INTEGER REFERENCES key (id) ON DELETE CASCADE,
    folded BLOB NOT NULL UNIQUE, path BLOB NOT NULL, written INTEGER NOT NULL);
CREATE INDEX key_parent ON key (parent);
INSERT INTO key VALUES (1, NULL, CAST('' AS BLOB), CAST('' AS BLOB), 0);
CREATE TABLE value (
    key INTEGER NOT NULL REFERENCES key (id) ON DELETE CASCADE, folded BLOB NOT NULL,
    name BLOB NOT NULL, type INTEGER NOT NULL, data BLOB NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (key, folded)) WITHOUT ROWID;
CREATE TABLE object (
    guid TEXT PRIMARY KEY, folded BLOB NOT NULL, body BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX object_folded ON object (folded);
CREATE TABLE som (
    folded BLOB PRIMARY KEY, body BLOB NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE applied (id INTEGER PRIMARY KEY, body BLOB NOT NULL, sum INTEGER NOT NULL);
COMMIT;
"""


class _Gate:
    """Lets os.fork() wait until no other thread is inside a transaction.

    SQLite keeps its locks in the process: a child forked in the middle of another thread's
    transaction would believe for ever that it holds them.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """In a child: the other threads are gone, whatever they held."""
        self._condition = threading.Condition()
        self._inside = 0
        self._mine = threading.local()

    def enter(self) -> None:
        with self._condition:
            self._inside += 1
        self._mine.inside = getattr(self._mine, "inside", 0) + 1

    def leave(self) -> None:
        self._mine.inside -= 1
        with self._condition:
            self._inside -= 1
            self._condition.notify_all()

    def before_fork(self) -> None:
        self._condition.acquire()
        self._condition.wait_for(lambda: self._inside <= getattr(self._mine, "inside", 0))

    def after_in_parent(self) -> None:
        self._condition.release()


_GATE = _Gate()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_GATE.before_fork,
        after_in_parent=_GATE.after_in_parent,
        after_in_child=_GATE.reset,
    )

#: Connections that came over a fork: never used nor closed, as SQLite demands.
_INHERITED: list[sqlite3.Connection] = []


class _Session:
    """One thread's connection."""

    __slots__ = ("__weakref__", "connection", "depth", "file", "pid", "writing")

    def __init__(self, connection: sqlite3.Connection, file: tuple[int, int]) -> None:
        self.connection = connection
        self.file = file
        self.pid = os.getpid()
        self.depth = 0
        self.writing = False

    def close(self) -> None:
        if self.pid == os.getpid():
            self.connection.close()
        else:
            _INHERITED.append(self.connection)

    def __del__(self) -> None:
        self.close()


class Database:
    """The file, opened. One object serves all threads of a process, and survives a fork."""

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 10.0) -> None:
        """Opens `path`, or makes it if nothing is there.

        `timeout`: seconds to wait for another process that is writing. Raises UserError, naming
        the file, if it is damaged, open to group or others, or can not be used.
        """
        self.path = os.path.abspath(os.fspath(path))
        self._timeout = timeout
        self._local = threading.local()
        self._sessions: weakref.WeakSet[_Session] = weakref.WeakSet()  # a thread ends, its goes
        self._checked: tuple[int, int] | None = None
        self._closed = False
        if not os.path.lexists(self.path):
            self._create()
        self._session()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A consistent view; inside another transaction of this thread, its view."""
        session = self._session()
        if session.depth:
            with _reported(self.path):
                yield session.connection
        else:
            with self._outermost(session, "BEGIN"):
                yield session.connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All that is written in the block, or nothing if it raises; on disk when it ends.

        Blocks nest: an inner one that raises takes back its own changes only.
        """
        session = self._session()
        if not session.depth:
            session.writing = True
            with self._outermost(session, "BEGIN IMMEDIATE"):
                before = session.connection.total_changes
                yield session.connection
                if session.connection.total_changes != before:
                    session.connection.execute("UPDATE meta SET generation = generation + 1")
            return
        if not session.writing:
            raise RuntimeError("a write inside a read")
        with _reported(self.path):
            session.connection.execute("SAVEPOINT inner")
            try:
                yield session.connection
            except BaseException:
                if session.connection.in_transaction:  # a full disk has ended it already
                    session.connection.execute("ROLLBACK TO inner")
                    session.connection.execute("RELEASE inner")
                raise
            session.connection.execute("RELEASE inner")

    @contextmanager
    def _outermost(self, session: _Session, begin: str) -> Iterator[None]:
        connection = session.connection
        _GATE.enter()
        session.depth = 1
        try:
            with _reported(self.path):
                connection.execute(begin)
                try:
                    yield
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        finally:
            session.depth = 0
            session.writing = False
            _GATE.leave()

    def generation(self) -> Generation:
        """Changes with every write of any process, and when the file is replaced (microseconds)."""
        session = self._session()
        with _reported(self.path):
            row = session.connection.execute("SELECT generation FROM meta").fetchone()
        return Generation((*session.file, self.integer(row and row[0])))

    def close(self) -> None:
        """Close the connections of all threads, none of which may be using one. May be repeated."""
        self._closed = True
        for session in list(self._sessions):
            session.close()

    def damaged(self, why: str) -> UserError:
        return _damaged(self.path, why)

    def integer(self, value: object) -> int:
        """A column as int. Raises UserError: the file is damaged."""
        if not isinstance(value, int):
            raise self.damaged("a number is missing")
        return value

    def text(self, value: object) -> str:
        """A BLOB column as text. Raises UserError: the file is damaged."""
        if not isinstance(value, bytes):
            raise self.damaged("a text is missing")
        try:
            return value.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise self.damaged("a text is not UTF-8") from None

    def _session(self) -> _Session:
        """This thread's connection, opened anew after a fork or when the file was replaced."""
        if self._closed:
            raise ValueError("the database is closed")
        session: _Session | None = getattr(self._local, "session", None)
        if session is not None and session.depth and session.pid == os.getpid():
            return session
        file = self._file()
        if session is None or session.file != file or session.pid != os.getpid():
            self._local.session = None
            try:
                session = _Session(self._connect(), file)
                self._sessions.add(session)
                self._local.session = session
                self._check(session)
            except UnicodeDecodeError:  # Python could not even read what SQLite says about it
                self._local.session = None
                raise self.damaged("its tables can not be read") from None
            except BaseException:
                self._local.session = None
                raise
        return session

    def _file(self) -> tuple[int, int]:
        """Which file is there. Raises UserError unless it is a private regular file."""
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise UserError(
                f"The registry {self.path} can not be read: {error.strerror}."
            ) from None
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"The registry {self.path} is not a regular file.")
        if status.st_mode & _OTHERS and os.name == "posix":
            raise UserError(
                f"The registry {self.path} is open to group or others; "
                "it must be private (chmod 600)."
            )
        return status.st_dev, status.st_ino

    def _connect(self) -> sqlite3.Connection:
        with _reported(self.path):
            connection = _connect(self.path, self._timeout)
            try:
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.execute("PRAGMA cell_size_check = ON")
                if connection.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
                    raise UserError(f"The registry {self.path} is in use by another program.")
                _make_durable(connection)
                connection.execute("PRAGMA foreign_keys = ON")
            except BaseException:
                connection.close()
                raise
        return connection

    def _check(self, session: _Session) -> None:
        """The file is one of ours and whole. Once a file: it takes 10 to 20 ms a megabyte."""
        if self._checked == session.file:
            return
        with self.read() as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != _APPLICATION:
                raise self.damaged("it does not begin like a registry of Paraph")
            if version > _VERSION:
                raise UserError(f"The registry {self.path} was written by a newer Paraph.")
            if version != _VERSION:
                raise self.damaged(f"it has the version {version}")
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise self.damaged(" ".join(str(found).split()))
            self._check_rows(connection)
        self._checked = session.file

    def _check_rows(self, connection: sqlite3.Connection) -> None:
        """What is looked up is found where it belongs: without this, a flipped bit in a name would
        read as "not there"."""
        with closing(sqlite3.connect(":memory:")) as model:
            model.executescript(_SCHEMA)
            query = "SELECT name, sql FROM sqlite_master ORDER BY name"
            if connection.execute(query).fetchall() != model.execute(query).fetchall():
                raise self.damaged("its tables are not those of a registry")
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise self.damaged("a value has no key")
        for query in ("SELECT folded, path FROM key", "SELECT folded, name FROM value"):
            for folded, name in connection.execute(query):
                if fold(self.text(name)) != self.text(folded):
                    raise self.damaged(f"{name!r} is not where it belongs")
        for query in (
            "SELECT sum, CAST(guid AS BLOB), folded, body FROM object",
            "SELECT sum, folded, body FROM som",
            "SELECT sum, location FROM meta",
        ):
            for sum_, *parts in connection.execute(query):
                if not all(isinstance(part, bytes) for part in parts) or checksum(*parts) != sum_:
                    raise self.damaged("a check sum of the policy objects is wrong")

    def _create(self) -> None:
        """Make the file beside its place, whole, and link it into it."""
        if os.path.lexists(f"{self.path}-journal"):
            raise UserError(
                f"The registry {self.path} is missing, but its journal is there: put both back, "
                "or remove the journal too."
            )
        temporary = f"{self.path}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        try:
            os.close(os.open(temporary, flags, 0o600))
            try:
                with _reported(self.path):
                    connection = _connect(temporary, self._timeout)
                    try:
                        _make_durable(connection)
                        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                        connection.execute(f"PRAGMA user_version = {_VERSION}")
                        connection.executescript(_SCHEMA)
                        connection.execute(
                            "INSERT INTO meta VALUES (1, 0, ?, ?)",
                            (_LOCATION, checksum(_LOCATION)),
                        )
                    finally:
                        connection.close()
                try:
                    os.link(temporary, self.path)
                except FileExistsError:
                    pass  # another process was first; its file is as good
            finally:
                os.unlink(temporary)
            _sync_folder(os.path.dirname(self.path))
        except OSError as error:
            raise UserError(
                f"The registry {self.path} can not be made: {error.strerror}."
            ) from None


def checksum(*parts: bytes) -> int:
    """CRC-32 over the parts and their lengths."""
    lengths = b"".join(len(part).to_bytes(4, "little") for part in parts)
    found = zlib.crc32(lengths)
    for part in parts:
        found = zlib.crc32(part, found)
    return found


def _connect(path: str, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{Path(path).as_uri()}?mode=rw",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )


def _make_durable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: to the platter, not to the drive's cache


def _sync_folder(path: str) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: str, why: str) -> UserError:
    return UserError(f"The registry {path} is damaged: {why}. Restore it from a backup.")


#: Primary result codes of SQLite that say the file is not what it should be.
_DAMAGE = {
    sqlite3.SQLITE_ERROR,  # a table or column is missing
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_NOTADB,
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@contextmanager
def _reported(path: str) -> Iterator[None]:
    """Turn what SQLite reports about the file into UserError; our own mistakes pass."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise UserError(
                f"The registry {path} is busy: another process is writing. Try again."
            ) from error
        if code in _DAMAGE:
            raise _damaged(path, str(error)) from error
        if isinstance(error, sqlite3.OperationalError):
            raise UserError(f"The registry {path} can not be used: {error}.") from error
        raise
