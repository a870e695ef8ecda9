"""Lists of peers for a forecast: who they are, what they are, and how they are set. CSV or JSON.

The columns of a CSV file, whose first line names them in any order; the fields of each object of a
JSON list (or of {"peers": [...]}):

* name: whatever people call it.
* os: any name that `policy.systems` knows, such as "Windows 7" or "server-2022".
* role: workstation, member-server, domain-controller or stand-alone; empty: the system's first one.
* dialects: what it speaks, if not what the system has as installed: "2.1 3.0 3.1.1"; "SMB1" too.
* identity: as whom it logs on here, or one from here there: user (if empty), guest or anonymous.
* settings: what is set on it, as "client-always=enabled; client-min-dialect=3.0".
* any setting by one of its names, such as client-always: its value; empty: Not Defined.

In JSON, dialects may be a list, settings an object, and a value true, false or a number. Peers are
read one after the other, so a file may be long. Read strictly: the first line that can not be
understood ends it, named by line and field.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from paraph.errors import UserError
from paraph.policy.predict import Machine
from paraph.policy.settings import State, find_setting
from paraph.policy.sides import DIALECT_NAMES, NT1, IdentityName

COLUMNS = ("name", "os", "role", "dialects", "identity", "settings")
_IDENTITIES: tuple[IdentityName, ...] = ("user", "guest", "anonymous")
_SEPARATORS = re.compile(r"[\s,;|]+")
_PAIRS = re.compile(r"[;,\n]")
_DIALECTS = {
    re.sub(r"[^0-9a-z]", "", name.casefold()): dialect for dialect, name in DIALECT_NAMES.items()
}
_DIALECTS |= dict.fromkeys(("1", "10", "nt1", "ntlm012", "lm012"), NT1)
_DIALECTS |= {f"{dialect:04x}": dialect for dialect in DIALECT_NAMES}
_DIALECTS |= {f"{dialect:03x}": dialect for dialect in DIALECT_NAMES}


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer. Equal machines are best the same object, as `decode` makes them."""

    name: str
    machine: Machine
    identity: IdentityName = "user"


def decode(data: bytes, source: str) -> Iterator[Peer]:
    """The peers of a file, in its order. `source` names it in errors.

    Raises UserError, at the start or on the way, naming the line and the field.
    """
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{source}, byte {error.start}: this is no UTF-8 text.") from None
    if not text.strip():
        raise UserError(f"{source} is empty.")
    rows = _json_rows(text, source) if text.lstrip()[:1] in "[{" else _csv_rows(text, source)
    return _peers(rows, source)


def parse_dialect(text: str) -> int:
    """The dialect that a person means: "3.1.1", "SMB311", "SMB3_11", "0x0311", "SMB1".

    Raises UserError.
    """
    word = re.sub(r"[^0-9a-z]", "", text.casefold().removeprefix("0x")).removeprefix("smb")
    if word in _DIALECTS:
        return _DIALECTS[word]
    known = ", ".join(DIALECT_NAMES.values())
    raise UserError(f"{text.strip()!r} is no dialect of SMB. Use one of: {known}.")


_Row = tuple[int, Mapping[str, Any]]  # the line, and its fields by name


def _csv_rows(text: str, source: str) -> Iterator[_Row]:
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"{source}, line {line}: a NUL does not belong in text.")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        for number, name in enumerate(header):
            if not name:
                raise UserError(f"{source}, line 1: column {number + 1} has no name.")
            if name.casefold() in (other.casefold() for other in header[:number]):
                raise UserError(f"{source}, line 1: there are two columns {name!r}.")
        last = reader.line_num
        for row in reader:
            line, last = last + 1, reader.line_num
            if not any(field.strip() for field in row):
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{source}, line {line}: {len(row)} fields, but line 1 names {len(header)}."
                )
            yield line, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(f"{source}, line {reader.line_num}: {error}.") from None


_SPACE = re.compile(r"\s*")


def _json_rows(text: str, source: str) -> Iterator[_Row]:
    """The objects of the list one by one: all of them at once would need ten times the memory."""
    decoder = json.JSONDecoder()
    at = _list_start(text, source)
    line, counted = 1, 0

    def fail(where: int, why: str) -> UserError:
        number = text.count("\n", 0, where) + 1
        return UserError(f"{source}, line {number}: {why}.")

    at = _after_space(text, at)
    first = True
    while text[at : at + 1] != "]":
        if not first:
            if text[at : at + 1] != ",":
                raise fail(at, "a comma or the end of the list is missing")
            at = _after_space(text, at + 1)
        try:
            row, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            where = error.pos if isinstance(error, json.JSONDecodeError) else at
            why = error.msg if isinstance(error, json.JSONDecodeError) else "too deep"
            raise fail(where, f"this is no JSON ({why})") from None
        line += text.count("\n", counted, at)
        counted = at
        if not isinstance(row, dict):
            raise fail(at, "a peer must be an object in braces")
        yield line, row
        at = _after_space(text, end)
        first = False
    rest = text[at + 1 :].strip()
    if rest not in (("}",) if text.lstrip()[0] == "{" else ("",)):
        raise fail(at + 1, "there is something after the list of peers")


def _list_start(text: str, source: str) -> int:
    """Where the first peer may stand."""
    found = re.match(r'\s*(?:\{\s*"peers"\s*:\s*)?\[', text)
    if found is None:
        raise UserError(f'{source}: the JSON must be a list of peers, or {{"peers": [...]}}.')
    return found.end()


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _peers(rows: Iterable[_Row], source: str) -> Iterator[Peer]:
    """Peers, with one machine for all that are alike."""
    columns: dict[str, str] = {}  # as written -> as `COLUMNS` has it, or the key of a setting
    machines: dict[tuple[tuple[str, str], ...], Machine] = {}
    for line, row in rows:
        name, identity = "", _IDENTITIES[0]
        rest: list[tuple[str, str]] = []
        field = "name"
        try:
            for field, value in row.items():
                column = columns.get(field) or columns.setdefault(field, _column(field))
                if column == "name":
                    name = _word(value)
                elif column == "identity":
                    identity = _identity(_word(value))
                elif value not in ("", None):
                    rest.append((field, value if isinstance(value, str) else json.dumps(value)))
            if not name:
                field = "name"
                raise UserError("It is empty.")
            key = tuple(rest)
            machine = machines.get(key)
            if machine is None:
                described = _Described()
                for field, value in row.items():
                    if value not in ("", None):
                        described.take(columns[field], value)
                for field in ("os", "dialects", "role"):  # named in the error
                    machine = described.machine(field)
                assert machine is not None
                machines[key] = machine
        except UserError as error:
            raise UserError(f"{source}, line {line}, field {field!r}: {error}") from None
        yield Peer(name, machine, identity)


def _column(field: str) -> str:
    """What a column is. Raises UserError with the nearest name."""
    word = field.strip().casefold()
    if word in COLUMNS:
        return word
    if word in ("system", "operating system", "operatingsystem"):
        return "os"
    try:
        return find_setting(field).key
    except UserError as error:
        near = get_close_matches(word, COLUMNS, n=1, cutoff=0.7)
        if near:
            raise UserError(f"There is no such column. Did you mean {near[0]!r}?") from None
        raise UserError(f"A column is one of {', '.join(COLUMNS)}, or a setting. {error}") from None


def _word(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError("It must be a text.")
    return value.strip()


def _identity(text: str) -> IdentityName:
    word = text.casefold() or "user"
    if word not in _IDENTITIES:
        raise UserError(f"{text!r} is none of {', '.join(_IDENTITIES)}.")
    return word


@dataclass(slots=True)
class _Described:
    """What the fields of one row say about its machine."""

    system: str = ""
    role: str = ""
    dialects: tuple[int, ...] | None = None
    states: dict[str, State] = field(default_factory=dict)

    def take(self, column: str, value: Any) -> None:
        """One field that is not empty. Raises UserError."""
        if column == "os":
            self.system = _word(value)
        elif column == "role":
            self.role = _word(value)
        elif column == "dialects":
            self.dialects = _dialects(value)
        elif column == "settings":
            for key, text in _pairs(value):
                self._set(key, text)
        elif column not in ("name", "identity"):
            self._set(column, value)

    def machine(self, checked: str) -> Machine:
        """With the fields up to `checked` (os, dialects, role). Raises UserError."""
        if not self.system:
            raise UserError("It is empty: which system is this peer?")
        dialects = None if checked == "os" else self.dialects
        return Machine.named(
            self.system, self.role if checked == "role" else "", self.states, dialects
        )

    def _set(self, name: str, value: Any) -> None:
        setting = find_setting(name)
        if value not in ("", None):
            if setting.kind == "boolean" and str(value).strip().lower() in _BOOLEANS:
                value = _BOOLEANS[str(value).strip().lower()]
            self.states[setting.key] = setting.parse(str(value))


_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), "enabled"),
    **dict.fromkeys(("0", "false", "no", "off"), "disabled"),
}


def _dialects(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, str):
        # "NT LM 0.12" is the one name with spaces in it.
        text = re.sub(r"nt\s+lm\s+0\.12", "nt1", value, flags=re.IGNORECASE)
        words: list[Any] = [word for word in _SEPARATORS.split(text) if word]
    elif isinstance(value, list):
        words = value
    else:
        raise UserError("It must be a text or a list.")
    found = []
    for word in words:
        if isinstance(word, int) and not isinstance(word, bool) and word in DIALECT_NAMES:
            found.append(word)
        elif isinstance(word, str):
            found.append(parse_dialect(word))
        else:
            raise UserError(f"{word!r} is no dialect of SMB.")
    return tuple(found) or None


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
        return
    if not isinstance(value, str):
        raise UserError("It must be a text or an object.")
    for part in _PAIRS.split(value):
        key, equals, text = part.partition("=")
        if equals:
            yield key, text
        elif part.strip():
            raise UserError(f"{part.strip()!r} is no setting: write key=value.")
