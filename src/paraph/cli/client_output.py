"""What the client prints: lines for people, JSON for programs, sentences for what went wrong."""

from __future__ import annotations

import json
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from paraph.cli.log import printable
from paraph.errors import SMBError
from paraph.wire import ntstatus

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LONGEST = 4096
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def shown(text: str) -> str:
    """A name that a server chose, safe for a terminal."""
    return printable(text, _LONGEST)


def sentence(error: BaseException) -> str:
    """What went wrong, where, and the name of its NT status."""
    if not isinstance(error, OSError):
        return str(error)
    words = error.strerror or str(error) or type(error).__name__
    if isinstance(error, SMBError) and error.status:
        name = ntstatus.name(error.status)
        words = words if name in words else f"{words} ({name})"
    return f"{error.filename}: {words}" if error.filename not in (None, "") else words


class Output:
    """Standard output and standard error of one command, and how much has failed."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.failures = 0

    def line(self, text: str = "") -> None:
        """For people; nothing with --json."""
        if not self.json:
            print(text)

    def record(self, **values: Any) -> None:
        """For programs; nothing without --json."""
        if self.json:
            print(json.dumps(values, ensure_ascii=False))

    def note(self, text: str) -> None:
        """A remark on standard error."""
        if not self.json:
            print(f"paraph: {shown(text)}", file=sys.stderr)

    def problem(self, error: BaseException) -> None:
        """A failure, on standard error; the exit code will tell, too."""
        self.failures += 1
        sys.stdout.flush()
        if not self.json:
            print(f"paraph: {shown(sentence(error))}", file=sys.stderr)
            return
        smb = isinstance(error, SMBError)
        status = error.status if isinstance(error, SMBError) else 0
        record = {
            "error": sentence(error),
            "path": error.filename if isinstance(error, OSError) else None,
            "status": ntstatus.name(status) if smb and status else None,
            "errno": error.errno if isinstance(error, OSError) else None,
        }
        print(json.dumps(record, ensure_ascii=False), file=sys.stderr)

    @property
    def code(self) -> int:
        """The exit code."""
        return 1 if self.failures else 0


def size_text(count: int) -> str:
    """Bytes for people: 1.4 MiB."""
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{count} byte{'s' if count != 1 else ''}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def counted(count: int, what: str) -> str:
    """1 file, 2 files."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def moment(ns: int) -> datetime | None:
    """Nanoseconds since 1970 as a time of day; None for what no calendar holds."""
    try:
        return datetime.fromtimestamp(ns / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def iso(ns: int) -> str | None:
    """ISO 8601 in UTC; None for what no calendar holds."""
    found = moment(ns)
    return found.isoformat().replace("+00:00", "Z") if found else None


def local_time(ns: int, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """The time of day where we are."""
    found = moment(ns)
    return found.astimezone().strftime(pattern) if found else "?"


# Progress


class Meter(Protocol):
    """What a transfer tells while it runs."""

    def begin(self, total: int) -> None:
        """So many bytes more are to come."""

    def file(self, name: str) -> None:
        """The next file."""

    def advance(self, count: int) -> None:
        """So many bytes more are there; negative when some have to be moved again."""


class NoMeter:
    """Nobody watches."""

    def begin(self, total: int) -> None:
        pass

    def file(self, name: str) -> None:
        pass

    def advance(self, count: int) -> None:
        pass


class Bar:
    """A bar with amount, rate and time left."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("", total=0)
        self._total = 0

    def begin(self, total: int) -> None:
        self._total += total
        self._progress.update(self._task, total=self._total)

    def file(self, name: str) -> None:
        from rich.markup import escape

        self._progress.update(self._task, description=escape(shown(name)[-40:]))

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)


class _Shown(AbstractContextManager[Meter]):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __enter__(self) -> Meter:
        self._progress.start()
        return Bar(self._progress)

    def __exit__(self, *details: object) -> None:
        self._progress.stop()


def meter(out: Output) -> AbstractContextManager[Meter]:
    """A progress bar on standard error, if that is a terminal."""
    if out.json or not sys.stderr.isatty():
        return nullcontext(NoMeter())
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, highlight=False)
    # What goes to the same terminal is put above the bar; what goes to a file must get there.
    together = sys.stdout.isatty()
    return _Shown(Progress(*columns, console=console, transient=True, redirect_stdout=together))


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start
