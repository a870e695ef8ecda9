"""Copying files and folders from one place to another: get, put, cp and sync are this."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, field

from paraph.cli.client_ends import part_name, same_time
from paraph.cli.client_output import Output, Stopwatch, counted, shown, size_text
from paraph.cli.client_places import Entry, Place, RemotePlace
from paraph.cli.client_remote import failure
from paraph.cli.client_transfer import MOST, Copied, Copier, content_hash
from paraph.errors import PolicyRefused, SecurityViolation, SMBError, UserError

At = tuple[Place, str]
"""A place and a path there."""

_PART = re.compile(r"\.[0-9a-f]{12}\.part")
_DEEPEST = 256
"""Folders within folders: deeper is what nobody makes, but a server might tell."""


@dataclass(slots=True)
class Wishes:
    """What the options of get, put, cp and sync say."""

    recursive: bool = False
    keep: bool = False  #: leave files that are there
    update: bool = False  #: leave files that have the same size and time
    checksum: bool = False  #: ... or rather the same content
    delete: bool = False  #: delete what the source does not have
    dry_run: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    """One file to be copied."""

    source: At
    target: At
    entry: Entry


@dataclass(slots=True)
class Copying:
    """A whole command: plans first, so that the meter knows how much there is."""

    out: Output
    copier: Copier
    wishes: Wishes
    _jobs: list[_Job] = field(default_factory=list)
    _copied: int = 0
    _bytes: int = 0
    _passed: int = 0
    _deleted: int = 0
    _watch: Stopwatch = field(default_factory=Stopwatch)

    # Planning

    def plan(self, sources: list[At], target: At, *, into: bool) -> None:
        """Where everything goes, as `cp` has it: into `target` if that is a folder (or if `into`),
        else `target` is the copy. Raises UserError when several would become one file."""
        place, path = target
        there = place.stat(path)
        is_folder = there is not None and there.is_dir
        if (len(sources) > 1 or into) and there is not None and not is_folder:
            raise UserError(f"{place.label(path)} is a file; several things can not become one.")
        inside = is_folder or len(sources) > 1 or into
        if inside and there is None:
            self._make(target)
        taken: set[str] = set()
        for source in sources:
            with self._reporting(source, target):
                name = source[0].name(source[1])
                if inside and name:
                    self._take(taken, target, name)
                    self._plan(source, (place, place.join(path, name)), None)
                else:
                    self._plan(source, target, there)

    def plan_sync(self, source: At, target: At) -> None:
        """`target` becomes like `source`."""
        with self._reporting(source, target):
            self._plan(source, target, target[0].stat(target[1]), known=True)

    def _plan(self, source: At, target: At, there: Entry | None, *, known: bool = False) -> None:
        """`known`: `there` is what is at the target, also when it is None."""
        place, path = source
        entry = place.stat(path)
        if entry is None:
            raise failure(errno.ENOENT, "there is no such file or folder", place.label(path))
        if not entry.is_dir:
            self._plan_file(source, target, entry, there, known=known)
            return
        if not self.wishes.recursive:
            raise failure(
                errno.EISDIR, "is a folder; --recursive copies folders", place.label(path)
            )
        self._refuse_loop(source, target)
        self._plan_folder(source, target, there if known else target[0].stat(target[1]))

    def _refuse_loop(self, source: At, target: At) -> None:
        """A folder copied into itself would never end."""
        if _is_below(target, source):
            label = source[0].label(source[1])
            raise UserError(f"{label} can not be copied into itself.")

    def _plan_folder(self, source: At, target: At, there: Entry | None) -> None:
        """Make the folder, plan what is in it, delete what is not."""
        from_place, from_path = source
        place, path = target
        if there is not None and not there.is_dir:
            if not self.wishes.delete:
                raise failure(errno.ENOTDIR, "is no folder, and one goes there", place.label(path))
            self._delete(target, there)
            there = None
        if len(_comparable(source)) > _DEEPEST:
            raise failure(errno.ELOOP, "is nested too deeply", from_place.label(from_path))
        entries = from_place.entries(from_path)
        if there is None:
            self._make(target)
        found = place.entries(path) if there is not None else []
        existing = {place.fold(one.name): one for one in found}
        taken: set[str] = set()
        for entry in entries:
            with self._reporting(source, target):
                below = (from_place, from_place.join(from_path, entry.name))
                self._take(taken, target, entry.name)
                goal = (place, place.join(path, entry.name))
                now = existing.get(place.fold(entry.name))
                if entry.is_link:
                    self._pass_over(below, "a link")
                elif entry.is_dir:
                    self._plan_folder(below, goal, now)
                else:
                    self._plan_file(below, goal, entry, now, known=True)
        if self.wishes.delete:
            for name, entry in existing.items():
                if name not in taken and not _PART.search(entry.name):
                    with self._reporting(target):
                        self._delete((place, place.join(path, entry.name)), entry)

    def _take(self, taken: set[str], target: At, name: str) -> None:
        """Names that the target can not tell apart must not overwrite each other."""
        place, path = target
        folded = place.fold(name)
        if folded in taken:
            where = place.label(place.join(path, name))
            raise failure(
                errno.EEXIST, "two of the files have this name, if case does not count", where
            )
        taken.add(folded)

    def _plan_file(
        self, source: At, target: At, entry: Entry, there: Entry | None, *, known: bool
    ) -> None:
        if entry.is_link:
            self._pass_over(source, "a link")
            return
        place, path = target
        if _same(source, target):
            raise failure(errno.EINVAL, "can not be copied onto itself", place.label(path))
        if there is None and not known:
            there = place.stat(path)
        if there is not None and there.is_dir:
            if not self.wishes.delete:
                raise failure(errno.EISDIR, "is a folder, and a file goes there", place.label(path))
            self._delete(target, there)
            there = None
        if there is not None and (
            self.wishes.keep or self._is_current(source, target, entry, there)
        ):
            self._passed += 1
            self._tell("skipped", source, target, size=entry.size)
            return
        self._jobs.append(_Job(source, target, entry))

    def _is_current(self, source: At, target: At, entry: Entry, there: Entry) -> bool:
        wishes = self.wishes
        if not (wishes.update or wishes.checksum) or entry.size != there.size:
            return False
        if not wishes.checksum:
            return same_time(entry.mtime_ns, there.mtime_ns)
        room = self.copier.room(min(MOST, entry.size))
        digests = []
        # The target's file is read as a source: what is there, not a part of it.
        for place, path in (source, target):
            end = place.source(path)
            try:
                digests.append(content_hash(end, entry.size, room))
            finally:
                end.close()
        return digests[0] == digests[1]

    def _pass_over(self, source: At, what: str) -> None:
        self.out.note(f"{source[0].label(source[1])}: {what}, not followed")
        self._passed += 1

    # Doing

    def run(self) -> int:
        """Copy what was planned; the exit code."""
        self._watch = Stopwatch()
        self.copier.meter.begin(sum(job.entry.size for job in self._jobs))
        for job in self._jobs:
            with self._reporting(job.source, job.target):
                self._copy(job)
        self._sum_up()
        return self.out.code

    def _copy(self, job: _Job) -> None:
        if self.wishes.dry_run:
            self._copied += 1
            self._bytes += job.entry.size
            self._tell("would copy", job.source, job.target, size=job.entry.size)
            return
        watch = Stopwatch()
        self.copier.meter.file(job.entry.name)
        result = self._move(job)
        self._copied += 1
        self._bytes += result.size
        self._tell(
            "copied",
            job.source,
            job.target,
            size=result.size,
            resumed_at=result.resumed_at,
            sha256=result.sha256,
            by_server=result.by_server,
            seconds=round(watch.seconds, 3),
        )

    def _move(self, job: _Job) -> Copied:
        (from_place, from_path), (place, path) = job.source, job.target
        if from_place is place and isinstance(place, RemotePlace) and not self.copier.verify:
            return self._by_server(place, from_path, path)
        return self.copier.copy(from_place.source(from_path), place.sink(path))

    def _by_server(self, place: RemotePlace, source: str, target: str) -> Copied:
        """FSCTL_SRV_COPYCHUNK, into a part that then takes the target's place."""
        share = place.remote.share
        facts = place.source(source).facts()
        folder, slash, name = target.rpartition("/")
        part = f"{folder}{slash}{part_name(name, facts)}"
        try:
            size = share.copy(source, part)
            share.set_times(part, modified_ns=facts.mtime_ns)
            (share.replace if self.copier.replace else share.rename)(part, target)
        except SMBError:
            if not share.closed and share.exists(part):
                share.remove(part)
            raise
        self.copier.meter.advance(size)
        return Copied(size, by_server=True)

    def _make(self, target: At) -> None:
        place, path = target
        if not self.wishes.dry_run:
            place.make_folder(path)
        self._tell("would make" if self.wishes.dry_run else "made", None, target)

    def _delete(self, target: At, entry: Entry) -> None:
        place, path = target
        if not self.wishes.dry_run:
            place.remove(path, entry)
        self._deleted += 1
        self._tell("would delete" if self.wishes.dry_run else "deleted", None, target)

    # Telling

    def _reporting(self, *ats: At) -> _Reporting:
        return _Reporting(self.out, ats)

    def _tell(self, action: str, source: At | None, target: At, **facts: object) -> None:
        label = target[0].label(target[1])
        origin = source[0].label(source[1]) if source is not None else None
        self.out.record(action=action, source=origin, target=label, **facts)
        if self.wishes.verbose or (self.wishes.dry_run and action != "skipped"):
            self.out.line(f"{action}  {shown(label)}")

    def _sum_up(self) -> None:
        seconds = self._watch.seconds
        would = "would be " if self.wishes.dry_run else ""
        parts = [f"{counted(self._copied, 'file')} {would}copied, {size_text(self._bytes)}"]
        if not would and seconds >= 1:
            parts[0] += f" in {seconds:.1f} s ({size_text(int(self._bytes / seconds))}/s)"
        if self._passed:
            they = "it is" if self._passed == 1 else "they are"
            parts.append(f"{self._passed:,} left as {they}")
        if self._deleted:
            parts.append(f"{self._deleted:,} {would}deleted")
        if self.out.failures:
            parts.append(f"{self.out.failures:,} failed")
        self.out.line("; ".join(parts) + ".")


_FATAL = (ConnectionError, TimeoutError, SecurityViolation, PolicyRefused)
"""What would befall every other file, too."""


class _Reporting:
    """A block whose failure is told and counted, and stops what comes after it only if it is fatal.
    `ats`: what the block is about."""

    def __init__(self, out: Output, ats: tuple[At, ...]) -> None:
        self._out = out
        self._ats = ats

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, OSError):
            return False
        self._name(error)
        if isinstance(error, _FATAL):
            return False
        self._out.problem(error)
        return True

    def _name(self, error: OSError) -> None:
        """The address in place of the path on a share."""
        places = [(place, path) for place, path in self._ats if isinstance(place, RemotePlace)]
        for place, path in places:
            if isinstance(error, SMBError) and (
                len(places) == 1 or str(error.filename).startswith(path)
            ):
                place.remote.naming(error)
                return


def _same(one: At, other: At) -> bool:
    """Whether it is the same file, as far as its name tells."""
    return _comparable(one) == _comparable(other)


def _is_below(inner: At, outer: At) -> bool:
    """Whether `inner` is `outer` or in it, as far as names tell."""
    ours, theirs = _comparable(inner), _comparable(outer)
    return ours[: len(theirs)] == theirs


def _comparable(at: At) -> tuple[str, ...]:
    place, path = at
    if isinstance(place, RemotePlace):
        where = place.remote.place
        host = (where.host.casefold(), str(where.port), where.share.casefold())
        return ("share", *host, *(part for part in path.casefold().split("/") if part))
    return ("here", *os.path.realpath(path).split(os.sep))
