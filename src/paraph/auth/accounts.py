"""Where local accounts live: in memory, or in a file of NT hashes.

An NT hash is as good as the password to anyone who speaks NTLM: files are 0600, and no `repr` or
error message shows one.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from paraph.crypto import ntlm
from paraph.errors import UserError
from paraph.wire.text import upcase

HEADER = "paraph-accounts 1"
"""First line of an account file: format and version."""

MAX_NAME = 104
"""UTF-16 units that a name may have."""
MAX_FILE = 16 * 1024 * 1024
"""Bytes that an account file may have."""

_FORBIDDEN = frozenset('"/\\[]:;|=,+*?<>')
_HASH = re.compile(r"[0-9a-fA-F]{32}")
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_OTHERS = 0o077

Accounts = dict[str, tuple[str, bytes]]
"""upper-case name -> (name as stored, NT hash)."""


def nt_hash(password: str) -> bytes:
    """The NT hash: MD4 of the password in UTF-16LE.

    Raises UserError when the password holds what UTF-16 can not say.
    """
    try:
        return ntlm.nt_hash(password)
    except UnicodeEncodeError:
        raise UserError("The password contains bytes that are not text.") from None


def generate_password() -> str:
    """A random password of 20 letters and digits (99 bits), in groups of five, easily typed."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    return "-".join(groups)


def check_name(name: str) -> None:
    """Raises UserError unless `name` may be an account name ([MS-SAMR] 3.1.1.8.4)."""
    problem = _name_problem(name)
    if problem:
        raise UserError(f"{name!r} can not be an account name: {problem}.")


def _name_problem(name: str) -> str:
    if not name:
        return "it is empty"
    if not name.isprintable():
        return "it contains control or invisible characters"
    if len(name.encode("utf-16-le")) > 2 * MAX_NAME:
        return f"it is longer than {MAX_NAME} characters"
    bad = sorted(_FORBIDDEN.intersection(name))
    if bad:
        return f"it contains {' '.join(bad)}"
    if not name.strip(". "):
        return "it consists of dots and spaces"
    if name != name.strip():
        return "it begins or ends with a space"
    return ""


class MemoryAccounts:
    """An account store for tests and for programs that have their own users."""

    def __init__(self, passwords: Mapping[str, str] | None = None) -> None:
        """`passwords`: name -> password. Raises UserError for a bad or doubled name."""
        self._accounts: Accounts = {}
        for name, password in (passwords or {}).items():
            self._put(name, nt_hash(password))

    @classmethod
    def from_hashes(cls, hashes: Mapping[str, bytes]) -> MemoryAccounts:
        """`hashes`: name -> 16-byte NT hash. Raises UserError."""
        store = cls()
        for name, hash_ in hashes.items():
            if len(hash_) != 16:
                raise UserError(f"The NT hash of {name!r} is not 16 bytes long.")
            store._put(name, bytes(hash_))
        return store

    def _put(self, name: str, hash_: bytes) -> None:
        check_name(name)
        if upcase(name) in self._accounts:
            raise UserError(f"There are two accounts {name!r}; names are compared ignoring case.")
        self._accounts[upcase(name)] = (name, hash_)

    def find(self, user: str) -> tuple[str, bytes] | None:
        return self._accounts.get(upcase(user))

    def names(self) -> list[str]:
        return _sorted_names(self._accounts)

    def __repr__(self) -> str:
        return f"MemoryAccounts({self.names()!r})"


class AccountFile:
    """An account store in a file of mode 0600.

    Format, in UTF-8: the line `paraph-accounts 1`, then one line `name:nthash` per account, where
    nthash is 32 hexadecimal digits and the name ends at the first colon (names have none). Empty
    lines are skipped; there are no comments.

    The file is replaced as a whole (written beside, synced, renamed), under an advisory lock on
    `<path>.lock`, so a reader sees the old or the new one and writers do not lose each other's
    changes. It is read again whenever it changed. A file that is missing, damaged, or open to
    group or others raises UserError from every method but `add`, which makes a missing one: it
    never looks like a list without accounts.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self._accounts: Accounts = {}
        self._seen: tuple[int, ...] = ()

    def find(self, user: str) -> tuple[str, bytes] | None:
        """Raises UserError when the file can not be used."""
        return self._current().get(upcase(user))

    def names(self) -> list[str]:
        """Raises UserError when the file can not be used."""
        return _sorted_names(self._current())

    def add(self, name: str, password: str, replace: bool = False) -> None:
        """Add an account, and make the file if there is none.

        `replace` allows the name to exist already. Raises UserError.
        """
        check_name(name)
        hash_ = _hash_to_store(password)
        with self._locked():
            accounts = dict(self._current()) if os.path.lexists(self.path) else {}
            if not replace and upcase(name) in accounts:
                raise UserError(f"The account {name!r} exists already.")
            accounts[upcase(name)] = (name, hash_)
            self._write(accounts)

    def set_password(self, name: str, password: str) -> None:
        """Raises UserError, also when there is no such account."""
        hash_ = _hash_to_store(password)
        with self._locked():
            accounts = dict(self._current())
            stored, _ = self._existing(accounts, name)
            accounts[upcase(name)] = (stored, hash_)
            self._write(accounts)

    def remove(self, name: str) -> None:
        """Raises UserError, also when there is no such account."""
        with self._locked():
            accounts = dict(self._current())
            self._existing(accounts, name)
            del accounts[upcase(name)]
            self._write(accounts)

    def __repr__(self) -> str:
        return f"AccountFile({self.path!r})"

    def _existing(self, accounts: Accounts, name: str) -> tuple[str, bytes]:
        found = accounts.get(upcase(name))
        if found is None:
            raise UserError(f"There is no account {name!r} in {self.path}.")
        return found

    def _current(self) -> Accounts:
        """The accounts, read again if the file is another one than last time."""
        with _reported(self.path, "read"):
            if self._seen and _fingerprint(os.stat(self.path)) == self._seen:
                return self._accounts
            self._seen = ()
            status, data = _read_private(self.path)
        self._accounts = _parse(data, self.path)
        self._seen = _fingerprint(status)
        return self._accounts

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock file. It stays behind: removing it would let two writers in."""
        import fcntl  # not on Windows, where reading passwords must still be possible

        with _reported(f"{self.path}.lock", "lock"):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(f"{self.path}.lock", flags, 0o600)
        try:
            with _reported(f"{self.path}.lock", "lock"):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, accounts: Accounts) -> None:
        lines = [f"{name}:{hash_.hex()}" for _, (name, hash_) in sorted(accounts.items())]
        data = "\n".join([HEADER, *lines, ""]).encode()
        if len(data) > MAX_FILE:
            raise UserError(f"The account file {self.path} would become too large.")
        with _reported(self.path, "write"):
            _replace(os.path.realpath(self.path), data)
        self._seen = ()


def _hash_to_store(password: str) -> bytes:
    if not password:
        raise UserError("The password is empty.")
    return nt_hash(password)


def _sorted_names(accounts: Accounts) -> list[str]:
    return [name for _, (name, _) in sorted(accounts.items())]


def _read_private(path: str) -> tuple[os.stat_result, bytes]:
    """Status and content of a file that is ours alone. Raises UserError, OSError."""
    # Non-blocking, so that a pipe of this name can not hang the caller.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"The account file {path} is not a regular file.")
        if status.st_mode & _OTHERS:
            raise UserError(
                f"The account file {path} is open to group or others; "
                "it must be private (chmod 600)."
            )
        with open(descriptor, "rb", closefd=False) as file:
            return status, file.read(MAX_FILE + 1)
    finally:
        os.close(descriptor)


def _fingerprint(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is replaced, edited or given other rights."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _replace(path: str, data: bytes) -> None:
    """Put a 0600 file with `data` in the place of `path`, keeping its owner."""
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            _keep_owner(descriptor, path)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _keep_owner(descriptor: int, path: str) -> None:
    """root may edit the file of the user that the server runs as; it must stay that user's."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)


@contextmanager
def _reported(path: str, action: str) -> Iterator[None]:
    """Turn an OSError into a UserError that says which file it was."""
    try:
        yield
    except OSError as error:
        raise UserError(f"Can not {action} {path}: {error.strerror or error}.") from None


def _parse(data: bytes, path: str) -> Accounts:
    """Raises UserError with path and line number for anything that is not as `_write` writes."""
    if len(data) > MAX_FILE:
        raise UserError(f"The account file {path} is larger than {MAX_FILE} bytes.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise _damaged(path, number, "not UTF-8 text") from None
    first, *lines = text.split("\n")
    if first != HEADER:
        raise _damaged(path, 1, f"the file does not begin with the line {HEADER!r}")
    accounts: Accounts = {}
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        name, colon, digits = line.partition(":")
        problem = _name_problem(name)
        if not colon or not _HASH.fullmatch(digits):
            problem = "not of the form name:32-hexadecimal-digits"
        elif upcase(name) in accounts:
            problem = "the name occurs twice"
        if problem:
            raise _damaged(path, number, problem)
        accounts[upcase(name)] = (name, bytes.fromhex(digits))
    return accounts


def _damaged(path: str, line: int, problem: str) -> UserError:
    return UserError(f"The account file {path} is damaged at line {line}: {problem}.")
