"""Tables and paragraphs of at most 80 columns, with colours on a terminal only."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import typer

WIDTH = 80
_GAP = "  "

GOOD, BAD, WARN, HEAD, DIM = "green", "red", "yellow", "cyan", "bright_black"


def say(text: str = "", colour: str = "", *, bold: bool = False, err: bool = False) -> None:
    """A line (or several) of output; colours and bold are left out where nobody sees them."""
    if (colour or bold) and not os.environ.get("NO_COLOR"):
        text = typer.style(text, fg=colour or None, bold=bold)
    typer.echo(text, err=err)


def say_json(data: Any) -> None:
    """`data` as JSON for other programs."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def paragraph(text: str, indent: str = "", first: str | None = None) -> str:
    """`text` wrapped; `first` is the beginning of its first line if it is another."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def notes(sentences: Iterable[str], *, err: bool = True) -> None:
    """Sentences beside the output: on standard error, so that pipes stay clean."""
    for sentence in sentences:
        say(paragraph(sentence, "  ", "Note: "), WARN, err=err)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], wrap: int = -1) -> list[str]:
    """Lines of a table, each column as wide as it needs, `wrap` (the last, if not named) with what
    is left of 80 columns."""
    wrap %= len(head)
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    rest = WIDTH - sum(width for i, width in enumerate(widths) if i != wrap)
    widths[wrap] = min(widths[wrap], max(8, rest - len(_GAP) * (len(head) - 1)))
    lines = _cells(head, widths, wrap)
    lines.append(_GAP.join("-" * width for width in widths))
    for row in rows:
        lines += _cells(row, widths, wrap)
    return lines


def _cells(row: Sequence[str], widths: Sequence[int], wrap: int) -> list[str]:
    parts = textwrap.wrap(row[wrap], widths[wrap], break_on_hyphens=False) or [""]
    lines = []
    for number, part in enumerate(parts):
        cells = [part if i == wrap else (text if number == 0 else "") for i, text in enumerate(row)]
        line = _GAP.join(text.ljust(width) for text, width in zip(cells, widths, strict=True))
        lines.append(line.rstrip())
    return lines


def facts(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of "Label  text", the empty ones left out. Paths are not broken."""
    known = [(label, text) for label, text in pairs if text]
    width = max(len(label) for label, _ in known) + len(_GAP)
    return [paragraph(text, " " * width, label.ljust(width)) for label, text in known]


def some(names: Sequence[str], most: int = 5) -> str:
    """The first of many names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
