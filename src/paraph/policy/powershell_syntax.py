"""The small part of PowerShell that a policy script needs: commands with literal arguments.

A literal is `$true`, `$false`, a number, a string, a bare word, `@(...)` of strings, or
`([byte[]]@(...))`. The one line with a condition that is known is the one that makes a key where
there is none. Everything else is refused, by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from paraph.errors import UserError
from paraph.policy.lines import fail, has_control


@dataclass(frozen=True, slots=True)
class Array:
    """`@('a','b')`."""

    items: list[str]


@dataclass(frozen=True, slots=True)
class Octets:
    """`([byte[]]@(0x01,0x02))`."""

    data: bytes


Literal = bool | int | str | Array | Octets


@dataclass(slots=True)
class Argument:
    """`-Name value`, or `-Name` alone; `start` and `end` are where the value stands."""

    name: str
    value: Literal | None
    line: int
    start: int
    end: int


@dataclass(slots=True)
class Command:
    """One command, from `start` to `end` of the text."""

    name: str
    line: int
    start: int
    end: int
    arguments: list[Argument] = field(default_factory=list)


# PowerShell takes the typographic quotation marks for the plain ones.
_SINGLE = "'\u2018\u2019\u201a\u201b"
_DOUBLE = '"\u201c\u201d\u201e'
_STRING = f"[{_SINGLE}](?:[^{_SINGLE}]|[{_SINGLE}]{{2}})*+[{_SINGLE}]"
_PLAIN = f"[{_DOUBLE}][^{_DOUBLE}$`]*+[{_DOUBLE}]"

_SKIP = re.compile(r"(?:[ \t]+|`\r?\n)+")
_COMMENT = re.compile(r"#[^\n]*|<#(?:[^#]|#(?!>))*+#>")
_END = re.compile(r"\r?\n|;")
_TEXT = re.compile(f"(?:{_STRING})|(?:{_PLAIN})")
_WORD = re.compile(rf"[^\s{_SINGLE}{_DOUBLE}`$(){{}};,|&<>@#\[\]=*?]+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}|0[xX][0-9a-fA-F]{1,16}")
_CONSTANT = re.compile(r"\$(true|false)(?![\w:])", re.IGNORECASE)
_BYTES = re.compile(r"\(\s*\[byte\[\]\]\s*@?\(([0-9a-fA-FxX,\s]*)\)\s*\)", re.IGNORECASE)
_MAKE_KEY = re.compile(
    rf"if[ ]\(-not[ ]\(Test-Path[ ]-LiteralPath[ ](?P<test>{_STRING})\)\)[ ]"
    rf"\{{[ ]New-Item[ ]-Path[ ](?P<made>{_STRING})[ ]-Force[ ]\|[ ]Out-Null[ ]\}}[ ]*(?=\r?\n)",
    re.IGNORECASE,
)


def quoted(text: str) -> str:
    """`text` as a string between single quotes, where nothing is expanded. Raises UserError for
    control characters, which do not belong on a line of a script."""
    if has_control(text):
        raise UserError("A script can not carry a text with control characters literally.")
    return "'" + "".join(mark * 2 if mark in _SINGLE else mark for mark in text) + "'"


def has_variable_path(value: Literal | None) -> bool:
    """Whether a `-Path` has wildcards."""
    return isinstance(value, str) and any(mark in value for mark in "*?[]`")


def parse_script(text: str, source: str) -> Iterator[Command]:
    """The commands of a script in order. Raises UserError naming `source` and the line."""
    reader = _Reader(text, source)
    while True:
        reader.skip(lines=True)
        if reader.at >= len(text):
            return
        if not reader.make_key():
            yield reader.command()


class _Reader:
    """Takes tokens from `text` at `at`."""

    __slots__ = ("_line", "_line_at", "at", "source", "text")

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.at = 0
        self._line = 1
        self._line_at = 0

    @property
    def line(self) -> int:
        self._line += self.text.count("\n", self._line_at, self.at)
        self._line_at = self.at
        return self._line

    def skip(self, lines: bool = False) -> None:
        """Over blanks, comments and continued lines; with `lines` over ends of commands too."""
        while True:
            match = _SKIP.match(self.text, self.at) or _COMMENT.match(self.text, self.at)
            if match is None and lines:
                match = _END.match(self.text, self.at)
            if match is None:
                return
            self.at = match.end()

    def make_key(self) -> bool:
        """Over the line that makes a key where there is none; it changes no value."""
        match = _MAKE_KEY.match(self.text, self.at)
        if match is None:
            return False
        if _unquoted(match["test"]) != _unquoted(match["made"]):
            fail(self.source, self.line, "another key is tested than is made.")
        self.at = match.end()
        return True

    def command(self) -> Command:
        start, line = self.at, self.line
        match = _WORD.match(self.text, self.at)
        if match is None or match[0].startswith("-"):
            self.refuse()
        self.at = match.end()
        self.end_of_word()
        command = Command(match[0], line, start, self.at)
        while True:
            self.skip()
            if self.at >= len(self.text) or _END.match(self.text, self.at):
                return command
            command.arguments.append(self.argument())
            command.end = self.at

    def argument(self) -> Argument:
        match = _WORD.match(self.text, self.at)
        if match is None or not re.fullmatch(r"-[A-Za-z]\w*:?", match[0], re.ASCII):
            self.refuse()
        line = self.line
        self.at = match.end()
        if not match[0].endswith(":"):
            self.end_of_word()
        name = match[0][1:].removesuffix(":")
        self.skip()
        start = self.at
        word = _WORD.match(self.text, self.at)
        parameter = word is not None and re.match("-[A-Za-z]", word[0]) is not None
        over = self.at >= len(self.text) or _END.match(self.text, self.at) is not None
        if (over or parameter) and not match[0].endswith(":"):
            return Argument(name, None, line, start, start)
        value = self.value()
        return Argument(name, value, line, start, self.at)

    def value(self) -> Literal:
        octets = _BYTES.match(self.text, self.at)
        if octets is not None:
            data = self.octets(octets[1])
            self.at = octets.end()
            return Octets(data)
        if self.text.startswith("@(", self.at):
            self.at += 2
            self.skip()
            if self.text.startswith(")", self.at):
                self.at += 1
                return Array([])
            items = self.items()
            if not self.text.startswith(")", self.at):
                self.refuse()
            self.at += 1
            return Array(items)
        if _TEXT.match(self.text, self.at):
            items = self.items()
            return items[0] if len(items) == 1 else Array(items)
        return self.scalar()

    def scalar(self) -> bool | int | str:
        constant = _CONSTANT.match(self.text, self.at)
        word = _WORD.match(self.text, self.at)
        if constant is not None:
            self.at = constant.end()
            value: bool | int | str = constant[1].casefold() == "true"
        elif word is not None:
            self.at = word.end()
            number = _NUMBER.fullmatch(word[0])
            if number is None and word[0][0] in "0123456789+-.":  # 1kb, 1e3, 1.5: more than text
                self.at = word.start()
                self.refuse()
            base = 16 if word[0][:2] in ("0x", "0X") else 10
            value = int(word[0], base) if number else word[0]
        else:
            self.refuse()
        self.end_of_word()
        return value

    def end_of_word(self, more: str = "") -> None:
        """A token that goes on without a blank is another one to PowerShell than to us."""
        follower = self.text[self.at : self.at + 1]
        if follower and follower not in " \t\r\n;" + more:
            self.refuse()

    def items(self) -> list[str]:
        """Strings between commas."""
        items = []
        while True:
            match = _TEXT.match(self.text, self.at)
            if match is None:
                self.refuse()
            items.append(_unquoted(match[0]))
            self.at = match.end()
            self.end_of_word(",)")
            self.skip()
            if not self.text.startswith(",", self.at):
                return items
            self.at += 1
            self.skip()

    def octets(self, text: str) -> bytes:
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        numbers = [int(part, 0) if re.fullmatch(r"0x\w+|\d+", part) else -1 for part in parts]
        if any(not 0 <= number <= 255 for number in numbers):
            fail(self.source, self.line, "a byte is a number from 0 to 255.")
        return bytes(numbers)

    def refuse(self) -> NoReturn:
        rest = self.text[self.at : self.at + 30].split("\n", 1)[0].strip()
        fail(
            self.source,
            self.line,
            f"only commands with literal values are read, and '{rest}' is none of that.",
        )


def _unquoted(text: str) -> str:
    inside = text[1:-1]
    if text[0] in _DOUBLE:
        return inside
    return re.sub(f"[{_SINGLE}]([{_SINGLE}])", r"\1", inside)
