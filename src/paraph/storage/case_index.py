"""Names of directories by their folded form, so that a lookup that ignores case reads no directory.

An index of one directory is built when a name is first missed there, kept while the directory's
times stand still, and updated after our own changes, so a long row of creates in a large directory
costs the same each.

Times have a grain: a change by someone else in the same tick as one that we have seen leaves no
trace in them. An index that may have missed such a change is `suspect`: it is read anew once the
times have settled, but not so often that reading would take more than a fiftieth of the time. What
it says is checked against the file system before it is believed; at worst, for that while, a
name in another case that someone else has just made is not seen.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from dataclasses import dataclass

from paraph.storage.names import fold, from_host_names

_GRAIN = 20_000_000
"""Nanoseconds: the coarsest clock tick (10 ms), twice."""
_REST = 50
"""A suspect index is not read anew before this many times its reading time has passed."""

_Key = tuple[int, int]
_Stamp = tuple[int, int]


@dataclass(slots=True)
class Change:
    """A change of ours that is about to be made: `begin` returns it, `finish` takes it."""

    key: _Key
    stamp: _Stamp


@dataclass(slots=True)
class _Directory:
    names: dict[str, str]  #: folded shown name -> name on the host
    stamp: _Stamp
    ambiguous: bool  #: names that differ only in case
    suspect: bool
    rest: int  #: on the clock of time.monotonic_ns


class CaseIndex:
    """The indexes of recently used directories, bounded in their number and in all their names
    (except that one directory alone may be larger)."""

    def __init__(self, directories: int = 1024, names: int = 500_000) -> None:
        self._indexes: OrderedDict[_Key, _Directory] = OrderedDict()
        self._directories = directories
        self._names = names
        self._total = 0
        self.readings = 0  #: how many directories were read

    def find(self, directory: int, name: str) -> str | None:
        """The host's spelling of a name that clients see as `name` in any case, or None.
        `directory` is a descriptor, which may be O_PATH. Raises OSError."""
        found = os.fstat(directory)
        key = (found.st_dev, found.st_ino)
        stamp = (found.st_mtime_ns, found.st_ctime_ns)
        index = self._indexes.get(key)
        if index is None or index.stamp != stamp or (index.suspect and _may_reread(index)):
            index = self._read(directory, key, stamp)
        else:
            self._indexes.move_to_end(key)
        return index.names.get(fold(name))

    def forget(self, directory: int) -> None:
        """Read the directory anew next time: its index was wrong."""
        found = os.fstat(directory)
        self._drop((found.st_dev, found.st_ino))

    def begin(self, directory: int) -> Change:
        """Call just before a change of ours."""
        found = os.fstat(directory)
        return Change((found.st_dev, found.st_ino), (found.st_mtime_ns, found.st_ctime_ns))

    def finish(
        self,
        directory: int,
        change: Change,
        *,
        added: str | None = None,
        removed: str | None = None,
    ) -> None:
        """Call just after it. Names as on the host."""
        index = self._indexes.get(change.key)
        if index is None:
            return
        if index.stamp != change.stamp or (removed is not None and index.ambiguous):
            self._drop(change.key)
            return
        if removed is not None:
            for shown, _ in from_host_names([removed]):
                self._total -= index.names.pop(fold(shown), None) is not None
        if added is not None:
            for shown, host in from_host_names([added]):
                folded = fold(shown)
                index.ambiguous |= index.names.get(folded, host) != host
                self._total += folded not in index.names
                index.names[folded] = host
        index.stamp = self.begin(directory).stamp
        index.suspect = True

    def _read(self, directory: int, key: _Key, stamp: _Stamp) -> _Directory:
        started = time.monotonic_ns()
        suspect = not _settled(stamp)
        names = _folded_names(directory)
        index, ambiguous = dict(names), False
        if len(index) != len(names):
            # Several names, one key: let the choice not depend on the order of the directory.
            index, ambiguous = dict(sorted(names, reverse=True)), True
        self.readings += 1
        now = time.monotonic_ns()
        rest = now + max(_GRAIN, _REST * (now - started))
        built = _Directory(index, stamp, ambiguous, suspect, rest)
        self._drop(key)
        self._indexes[key] = built
        self._total += len(index)
        while len(self._indexes) > self._directories or (
            self._total > self._names and len(self._indexes) > 1
        ):
            self._drop(next(iter(self._indexes)))
        return built

    def _drop(self, key: _Key) -> None:
        index = self._indexes.pop(key, None)
        if index is not None:
            self._total -= len(index.names)


def _settled(stamp: _Stamp) -> bool:
    return time.time_ns() - max(stamp) > _GRAIN


def _may_reread(index: _Directory) -> bool:
    return time.monotonic_ns() > index.rest and _settled(index.stamp)


def _folded_names(directory: int) -> list[tuple[str, str]]:
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
    try:
        names = os.listdir(descriptor)
    finally:
        os.close(descriptor)
    shown = from_host_names(names)
    if not shown:
        return []
    # Folding keeps lengths and slashes: one call for all is many times faster than one each.
    folded = fold("/".join([name for name, _ in shown])).split("/")
    return list(zip(folded, [host for _, host in shown], strict=True))
