r"""LGPO text, what LGPO.exe reads with /t and writes with /parse, without losing a comment.

A record is four lines: the configuration (`Computer`, `User`, or `User:` and a name), the key
without its hive, the value name, the action. Comments begin with a semicolon and blank lines part
the records. Actions: `DWORD:`, `QWORD:` (decimal, or hexadecimal after 0x), `SZ:`, `EXSZ:`,
`MULTISZ:` (items parted by `\0`), `BINARY:` (hexadecimal), `DELETE`, and with the value name `*`
`DELETEALLVALUES`, `CREATEKEY` and `CLEAR`.

There is no public specification of it; the texts of MULTISZ, BINARY and QWORD follow the tool's
own manual as far as it is quoted publicly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from paraph.errors import UserError
from paraph.policy.changes import deletes, final_value, multi_sz, multi_sz_items
from paraph.policy.lines import (
    ANSI,
    UTF8,
    UTF8_BOM,
    UTF16,
    Line,
    decode_text,
    fail,
    has_control,
    join_lines,
    split_lines,
    usual_end,
)
from paraph.policy.registry_value import (
    TYPE_NAMES,
    Change,
    RegistryDeletion,
    RegistryValue,
    RegType,
    encode_data,
    fold,
    without_hive,
)

_TYPES = {
    "DWORD": RegType.DWORD,
    "QWORD": RegType.QWORD,
    "SZ": RegType.SZ,
    "EXSZ": RegType.EXPAND_SZ,
    "MULTISZ": RegType.MULTI_SZ,
    "BINARY": RegType.BINARY,
}
_WORDS = {type_: word for word, type_ in _TYPES.items()}
_WHOLE_KEY = ("DELETEALLVALUES", "CREATEKEY", "CLEAR")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}")
_USER = re.compile(r"User(?::.+)?", re.IGNORECASE)


@dataclass(slots=True)
class Record:
    """One record: its lines as they stand, comments among them, and what they say."""

    computer: bool
    key: str
    name: str
    action: str  #: "DELETE", "DELETEALLVALUES", "CREATEKEY", "CLEAR", or "" for a value
    value: RegistryValue | None  #: with the action ""
    lines: list[Line] = field(default_factory=list)

    @property
    def identity(self) -> tuple[str, str]:
        """As of RegistryValue."""
        return fold(self.key), fold(self.name)

    def change(self) -> Change | None:
        """What it does to the registry of the machine."""
        if not self.computer or self.action in ("CREATEKEY", "CLEAR"):
            return None
        if self.action == "DELETE":
            return RegistryDeletion(self.key, self.name)
        if self.action == "DELETEALLVALUES":
            return RegistryDeletion(self.key, None, values_only=True)
        return self.value


class LgpoText:
    """An LGPO text: records, and the lines between them, in order."""

    __slots__ = ("_parts", "encoding")  # the encoding "": ASCII, or UTF-16 if that is not enough

    def __init__(self, parts: list[Record | Line], encoding: str) -> None:
        self._parts = parts
        self.encoding = encoding

    @property
    def records(self) -> list[Record]:
        """All of them, those of users too."""
        return [part for part in self._parts if isinstance(part, Record)]

    def changes(self) -> list[Change]:
        """What the records of the computer do to its registry, in order."""
        changes = [record.change() for record in self.records]
        return [change for change in changes if change is not None]

    def notes(self) -> list[str]:
        """Sentences about what the file says and `changes` does not."""
        notes = []
        users = sum(not record.computer for record in self.records)
        if users:
            notes.append(f"{users} records are for users; they are kept, and ignored.")
        for record in self.records:
            if record.computer and record.action == "CLEAR":
                notes.append(f"{record.key} is cleared, that is, left Not Defined by the file.")
        return notes

    def get(self, key: str, name: str) -> RegistryValue | None:
        """What the value is when all records have been carried out, or None."""
        return final_value(self.changes(), key, name)

    def set(self, value: RegistryValue) -> None:
        """Set a value in place, or in a new record. Raises UserError for what can not be said."""
        self._put(value.key, value.name, _action_text(value), value)

    def delete(self, key: str, name: str) -> None:
        """Have a value deleted."""
        self._put(key, name, "DELETE", None)

    def remove(self, key: str, name: str) -> bool:
        """Take out the records about a value. False where there is none."""
        own = self._own(RegistryValue(key, name, 0, b"").identity)
        for record in own:
            at = _index(self._parts, record)
            del self._parts[at]
            if at < len(self._parts):
                after = self._parts[at]
                if isinstance(after, Line) and not after.text.strip():
                    del self._parts[at]
        return bool(own)

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write changes into the text; returns sentences on what it can not say."""
        notes = []
        for change in changes:
            try:
                if isinstance(change, RegistryValue):
                    self.set(change)
                elif change.name is not None:
                    self.delete(change.key, change.name)
                elif change.values_only:
                    self._append(self._made(change.key, "*", "DELETEALLVALUES", None))
                else:
                    for record in [each for each in self.records if each.computer]:
                        if deletes(change, record.identity):
                            self.remove(record.key, record.name)
                    raise UserError(f"LGPO text can not delete the key {change.key}.")
            except UserError as error:
                notes.append(str(error))
        return notes

    def encode(self) -> bytes:
        """The file. Of a text that was read and not changed: the same bytes."""
        lines = self._lines()
        if self.encoding:
            return join_lines(lines, self.encoding)
        plain = all(line.text.isascii() for line in lines)
        return join_lines(lines, UTF8 if plain else UTF16)

    def _lines(self) -> list[Line]:
        lines: list[Line] = []
        for part in self._parts:
            lines += part.lines if isinstance(part, Record) else [part]
        return lines

    def _own(self, identity: tuple[str, str]) -> list[Record]:
        return [
            record
            for record in self.records
            if record.computer and record.identity == identity and record.action in ("", "DELETE")
        ]

    def _put(self, key: str, name: str, action: str, value: RegistryValue | None) -> None:
        made = self._made(key, name, action, value)
        own = self._own(made.identity)
        if not own:
            self._append(made)
            return
        last = own[-1]
        changed = (last.action, last.value and (last.value.type, last.value.data)) != (
            made.action,
            value and (value.type, value.data),
        )
        if changed:
            last.lines[-1].text = action
            last.action, last.value = made.action, value
        if last is not self.records[-1] and any(
            record.computer
            and record.action == "DELETEALLVALUES"
            and fold(record.key) == fold(made.key)
            for record in self._after(last)
        ):
            self.remove(key, name)
            self._append(made)

    def _after(self, record: Record) -> list[Record]:
        at = _index(self._parts, record)
        return [part for part in self._parts[at + 1 :] if isinstance(part, Record)]

    def _made(self, key: str, name: str, action: str, value: RegistryValue | None) -> Record:
        where = f"{key}\\{name}"
        if has_control(where) or not key or key.strip() != key or name.strip() != name:
            raise UserError(f"LGPO text can not carry {where}: its name does not fit on a line.")
        if key.startswith(";") or name.startswith(";"):
            raise UserError(f"LGPO text can not carry {where}: a semicolon begins a comment.")
        if without_hive(key) != key.strip("\\") or (name == "*" and action != "DELETEALLVALUES"):
            raise UserError(f"LGPO text can not carry {where}.")
        end = usual_end(self._lines())
        texts = ("Computer", key, name, action)
        lines = [Line(text, end) for text in texts]
        join_lines(lines, self.encoding or UTF16)  # or UserError
        return Record(True, key, name, "" if value else action, value, lines)

    def _append(self, made: Record) -> None:
        blank = Line("", made.lines[0].end)
        last = max(
            (at for at, part in enumerate(self._parts) if isinstance(part, Record)), default=-1
        )
        if last >= 0:
            self._parts[last + 1 : last + 1] = [blank, made]
        else:
            self._parts += [made, blank]


def create() -> LgpoText:
    """A text without records."""
    return LgpoText([], "")


def decode(data: bytes, source: str) -> LgpoText:
    """Read a text in UTF-16LE or UTF-8 with a byte order mark, in UTF-8 or in ANSI.

    Raises UserError naming `source`, the line and the reason.
    """
    text, encoding = decode_text(data, source, (UTF16, UTF8_BOM, UTF8, ANSI))
    lines = split_lines(text, source)
    parts: list[Record | Line] = []
    at = 0
    while at < len(lines):
        stripped = lines[at].text.strip()
        if not stripped or stripped.startswith(";"):
            parts.append(lines[at])
            at += 1
        else:
            record, at = _record(lines, at, source)
            parts.append(record)
    if not any(isinstance(part, Record) for part in parts):
        raise UserError(f"{source} has no record of LGPO text.")
    return LgpoText(parts, encoding)


def _record(lines: list[Line], first: int, source: str) -> tuple[Record, int]:
    """The record that begins on line `first`, and the line after it."""
    configuration = lines[first].text.strip()
    computer = configuration.casefold() == "computer"
    if not computer and not _USER.fullmatch(configuration):
        fail(source, first + 1, f"'{configuration}' is neither Computer nor User.")
    fields: list[tuple[int, str]] = []
    at = first + 1
    while at < len(lines) and len(fields) < 3:
        text = lines[at].text
        # A blank line ends a record, but for the name of a key's default value.
        if not text.strip() and len(fields) != 1:
            break
        if not text.lstrip().startswith(";"):
            fields.append((at, text))
        at += 1
    if len(fields) < 3:
        fail(source, first + 1, "the record is cut short: it has four lines.")
    key = fields[0][1].strip()
    if without_hive(key) != key.strip("\\") or not key.strip("\\"):
        fail(source, fields[0][0] + 1, f"'{key}' is no key without its hive.")
    name = fields[1][1].strip()
    number = fields[2][0] + 1
    key = key.strip("\\")
    action, value = _action(fields[2][1], key, name, source, number)
    return Record(computer, key, name, action, value, lines[first:at]), at


def _action(
    text: str, key: str, name: str, source: str, number: int
) -> tuple[str, RegistryValue | None]:
    word, colon, rest = text.lstrip().partition(":")
    word = word.strip().upper()
    if not colon and word in ("DELETE", *_WHOLE_KEY):
        if word in _WHOLE_KEY and name not in ("*", ""):
            fail(source, number, f"{word} is for a whole key: the line before it is '*'.")
        if word == "DELETE" and name == "*":
            fail(source, number, "DELETE deletes one value; for all write DELETEALLVALUES.")
        return word, None
    if not colon or word not in _TYPES:
        fail(source, number, f"'{text.strip()}' is no action of LGPO text.")
    if name == "*":
        fail(source, number, "a value can not be named '*'.")
    try:
        data = _data(_TYPES[word], rest)
    except ValueError as error:
        fail(source, number, f"{error}.")
    return "", RegistryValue(key, name, _TYPES[word], data)


def _data(type_: int, text: str) -> bytes:
    """Raises ValueError with the reason."""
    if type_ in (RegType.DWORD, RegType.QWORD):
        text = text.strip()
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"'{text}' is no number")
        number = int(text, 16 if text[:2] in ("0x", "0X") else 10)
        bits = 32 if type_ == RegType.DWORD else 64
        if number >= 1 << bits:
            raise ValueError(f"{text} does not fit into {bits} bits")
        return encode_data(type_, number)
    if type_ == RegType.MULTI_SZ:
        return multi_sz(text.removesuffix("\\0").split("\\0") if text else [])
    if type_ == RegType.BINARY:
        digits = re.sub(r"[\s,]", "", text)
        if not re.fullmatch("(?:[0-9a-fA-F]{2})*", digits):
            raise ValueError(f"'{text.strip()}' is not in hexadecimal")
        return bytes.fromhex(digits)
    return encode_data(type_, text)


def _action_text(value: RegistryValue) -> str:
    where = f"{value.key}\\{value.name}"
    word = _WORDS.get(value.type)
    if word is None:
        kind = TYPE_NAMES.get(value.type, f"type {value.type}")
        raise UserError(f"LGPO text can not carry {where}: it has no {kind}.")
    text = _data_text(value)
    if has_control(text) or _data(value.type, text) != value.data:
        raise UserError(f"LGPO text can not carry {where}: its data do not fit on a line.")
    return f"{word}:{text}"


def _data_text(value: RegistryValue) -> str:
    if value.type == RegType.BINARY:
        return value.data.hex()
    if value.type == RegType.MULTI_SZ:
        items = multi_sz_items(value)
        return "\\0".join(items) + ("\\0" if items and not items[-1] else "")
    return str(value.meaning())


def _index(parts: list[Record | Line], record: Record) -> int:
    return next(at for at, part in enumerate(parts) if part is record)
