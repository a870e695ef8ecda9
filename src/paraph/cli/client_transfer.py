"""Copying one file, whatever breaks: a part beside the target, checked before it is continued, and
put in the target's place only when it is whole.

The part's name holds a fingerprint of the source (its address, size and time), so that the part of
another version is never continued. Data goes into it from the beginning to the end. Before a part
is continued its tail is compared with the source; when that differs all is copied again.
"""

from __future__ import annotations

import errno
import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from paraph.cli.client_output import Meter, NoMeter, size_text
from paraph.cli.client_remote import failure

LEAST, MOST = 256 << 10, 32 << 20
"""Bytes of a segment: what is read before it is written."""
_FIRST = 1 << 20
TAIL, _LEAST_TAIL = 1 << 20, 64 << 10
"""Bytes at the end of a part that are compared before it is continued."""
_PATIENCE = 30.0  # seconds: the longest wait before another attempt


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a source; when it changes, another file is there."""

    name: str  #: where it is, for the fingerprint
    size: int
    mtime_ns: int

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits."""
        text = f"{self.size} {self.mtime_ns} {self.name}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


class End(ABC):
    """One end of a copy. Everything raises OSError; after ConnectionError or TimeoutError `reset`
    makes it usable again."""

    label: str  #: for people

    @abstractmethod
    def read(self, at: int, room: memoryview) -> int:
        """Fill `room` from `at` on; how many bytes, fewer only at the end."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it; no error."""

    def reset(self) -> None:
        """Let go of it and of the connection behind it."""
        self.close()


class Source(End):
    """A file to be read."""

    @abstractmethod
    def facts(self) -> Facts:
        """Of the file as it is now."""


class Sink(End):
    """A file to be written, through its part. `read` reads the part."""

    @abstractmethod
    def begin(self, facts: Facts, resume: bool) -> int:
        """Open the part for a source; how many bytes of it were surely written."""

    @abstractmethod
    def write(self, at: int, data: memoryview) -> None:
        """Write all of `data` at the end of the part, which is at `at`."""

    @abstractmethod
    def cut(self, size: int) -> None:
        """Make the part so long."""

    @abstractmethod
    def finish(self, facts: Facts) -> None:
        """Give the part the source's time, and make sure that it is as long as the source."""

    @abstractmethod
    def commit(self, *, replace: bool) -> None:
        """Put the part in the target's place. Raises FileExistsError without `replace`."""

    @abstractmethod
    def committed(self, facts: Facts) -> bool:
        """Whether the target is what the part was: asked after a `commit` without an answer."""

    @abstractmethod
    def discard(self) -> None:
        """Delete the part."""


@dataclass(slots=True)
class Copied:
    """What became of a copy."""

    size: int
    resumed_at: int = 0  #: bytes that an earlier attempt had brought
    sha256: str | None = None  #: when both ends were compared
    by_server: bool = False  #: the data never came here


@dataclass(slots=True)
class Copier:
    """Copies files, one at a time."""

    meter: Meter = field(default_factory=NoMeter)
    note: Callable[[str], None] = lambda text: None
    retries: int = 5
    resume: bool = True
    verify: bool = False
    replace: bool = True  #: put the copy in the place of a file that is there
    sleep: Callable[[float], None] = time.sleep
    _room: bytearray = field(default_factory=bytearray)

    def copy(self, source: Source, sink: Sink) -> Copied:
        """Raises OSError when it can not be done; the part, if any, stays for another time."""
        resume, told, failures, best = self.resume, 0, 0, -1
        while True:
            attempt = _Attempt(self, source, sink, told, failures)
            try:
                return attempt.run(resume)
            except (ConnectionError, TimeoutError) as error:
                failures = 1 if attempt.done > best else failures + 1
                best = max(best, attempt.done)
                if failures > self.retries:
                    raise
                told, resume = attempt.told, True
                delay = min(_PATIENCE, 0.25 * 2.0**failures)
                words = error.strerror or str(error)
                self.note(f"{source.label}: {words}; trying again in {delay:g} s")
                source.reset()
                sink.reset()
                self.sleep(delay)
                if attempt.committing and self._was_committed(sink, attempt):
                    return attempt.result
            finally:
                source.close()
                sink.close()

    def _was_committed(self, sink: Sink, attempt: _Attempt) -> bool:
        try:
            return sink.committed(attempt.facts)
        except (ConnectionError, TimeoutError):
            return False  # the next attempt finds out

    def room(self, size: int) -> memoryview:
        """A buffer that is used again and again."""
        if len(self._room) < size:
            self._room = bytearray(size)
        return memoryview(self._room)[:size]


class _Attempt:
    """One attempt at a copy, from opening the ends to the rename."""

    def __init__(
        self, copier: Copier, source: Source, sink: Sink, told: int, failures: int
    ) -> None:
        self.copier = copier
        self.source = source
        self.sink = sink
        self.told = told  #: bytes that the meter was told of
        self.done = 0  #: bytes that the part has
        #: On a line that breaks again and again, small steps are the ones that succeed.
        self._first = max(LEAST, _FIRST >> failures)
        self._tail = max(_LEAST_TAIL, TAIL >> failures)
        self.committing = False
        self.facts = Facts("", 0, 0)
        self.result = Copied(0)

    def run(self, resume: bool) -> Copied:
        self.facts = self.source.facts()
        self.done = self._begin(resume)
        self.result = Copied(self.facts.size, self.done)
        self._tell(self.done)
        self._move()
        if self.source.facts() != self.facts:
            self.sink.discard()
            raise failure(errno.EBUSY, "it changed while it was copied", self.source.label)
        self.sink.finish(self.facts)
        if self.copier.verify:
            self.result.sha256 = self._compare()
        self.committing = True
        self.sink.commit(replace=self.copier.replace)
        return self.result

    def _begin(self, resume: bool) -> int:
        """How much of the part can be kept: as much as is there, if its tail is the source's."""
        done = self.sink.begin(self.facts, resume)
        if not done:
            return 0
        start = max(0, done - self._tail)
        if done <= self.facts.size and self._same(start, done - start):
            return done
        self.copier.note(f"{self.sink.label}: what is there of it differs: copying it all")
        self.sink.cut(0)
        return 0

    def _same(self, start: int, length: int) -> bool:
        ours, theirs = bytearray(length), bytearray(length)
        with memoryview(ours) as one, memoryview(theirs) as other:
            got = self.sink.read(start, one), self.source.read(start, other)
        return got == (length, length) and ours == theirs

    def _move(self) -> None:
        """Segment by segment, each as long as takes about a second, so that the meter moves."""
        segment = self._first
        while self.done < self.facts.size:
            room = self.copier.room(min(segment, self.facts.size - self.done))
            begun = time.monotonic()
            count = self.source.read(self.done, room)
            if count < len(room):
                words = f"it ends after {self.done + count} bytes, and had {self.facts.size}"
                self.sink.discard()
                raise failure(errno.EIO, words, self.source.label)
            self.sink.write(self.done, room)
            self.done += count
            self._tell(self.done)
            spent = time.monotonic() - begun
            if spent < 0.5:
                segment = min(MOST, segment * 2)
            elif spent > 2:
                segment = max(LEAST, segment // 2)

    def _tell(self, done: int) -> None:
        self.copier.meter.advance(done - self.told)
        self.told = done

    def _compare(self) -> str:
        """The SHA-256 that both ends have, each read again. Raises OSError when they differ."""
        here, there = self._hash(self.source), self._hash(self.sink)
        if here != there:
            self.sink.discard()
            words = f"the copy differs: SHA-256 {there} instead of {here}"
            raise failure(errno.EIO, words, self.source.label)
        return here

    def _hash(self, end: End) -> str:
        return content_hash(end, self.facts.size, self.copier.room(min(MOST, self.facts.size)))


def content_hash(end: End, size: int, room: memoryview) -> str:
    """The SHA-256 of the first `size` bytes, in hexadecimal digits. Raises OSError when there are
    fewer."""
    digest, at = hashlib.sha256(), 0
    while at < size:
        piece = room[: min(len(room), size - at)]
        count = end.read(at, piece)
        if count < len(piece):
            words = f"only {size_text(at + count)} of {size_text(size)} can be read"
            raise failure(errno.EIO, words, end.label)
        digest.update(piece)
        at += count
    return digest.hexdigest()
