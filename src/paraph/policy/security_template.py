r"""Security templates, GptTmpl.inf ([MS-GPSB] 2.2), without losing a byte.

A template is kept as its lines: what is not touched is written back as it stood, known section or
not, with its comments, blank lines and spacing. Only entries of `[Registry Values]` ([MS-GPSB]
2.2.5) are understood: `MACHINE\key\name=type,data`.

Data as text: REG_SZ and REG_EXPAND_SZ in quotes, a quote doubled; REG_BINARY as bytes in
hexadecimal between commas; REG_DWORD decimal, or hexadecimal after 0x; REG_MULTI_SZ as items
between commas, a comma inside an item in quotes. The specification leaves the texts of binary data
and of commas and quotes open; this is what the editor of Windows does, as far as public files show.

[MS-GPSB] 3.2.5: a file that does not match the format is ignored as a whole; so nothing is ever
returned of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from paraph.errors import UserError
from paraph.policy.changes import deletes, described, multi_sz, multi_sz_items
from paraph.policy.lines import (
    ANSI,
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
)

_REGISTRY_VALUES = "registry values"
_HIVE = "MACHINE\\"
_TYPES = (RegType.SZ, RegType.EXPAND_SZ, RegType.BINARY, RegType.DWORD, RegType.MULTI_SZ)

#: Sections of `key = value` and of `name,mode,ACL` lines, [MS-GPSB] 2.2.
_ASSIGNMENTS = {
    "unicode",
    "version",
    "system access",
    "kerberos policy",
    "system log",
    "security log",
    "application log",
    "event audit",
    "privilege rights",
    "group membership",
    _REGISTRY_VALUES,
}
_ACL_LINES = {"registry keys", "service general setting", "file security"}

_TYPE = re.compile(r"=[ \t]*([0-9]{1,2})[ \t]*,")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,16}|-?[0-9]{1,20}")
_OCTET = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,2})")

_PREAMBLE = '[Unicode]\nUnicode=yes\n[Version]\nsignature="$CHICAGO$"\nRevision=1\n'


@dataclass(slots=True)
class _Line(Line):
    """A line, its section ("" before the first), and in [Registry Values] what it sets."""

    section: str = ""
    value: RegistryValue | None = None


class SecurityTemplate:
    """A security template as a document. `encoding` is what it was read in."""

    __slots__ = ("_foreign", "_lines", "encoding")

    def __init__(self, lines: list[_Line], encoding: str, foreign: list[str]) -> None:
        self._lines = lines
        self._foreign = foreign
        self.encoding = encoding

    @property
    def values(self) -> list[RegistryValue]:
        """The registry values, in the order of the file."""
        return [line.value for line in self._lines if line.value is not None]

    def changes(self) -> list[Change]:
        """What the template does to the registry of the machine."""
        return list(self.values)

    def notes(self) -> list[str]:
        """Sentences about what the file says and `changes` does not."""
        return [
            f"'{name}' lies outside HKEY_LOCAL_MACHINE; it is kept, and ignored."
            for name in self._foreign
        ]

    def get(self, key: str, name: str) -> RegistryValue | None:
        """The value, or None where the template does not define it."""
        line = self._find(RegistryValue(key, name, 0, b"").identity)
        return line.value if line else None

    def set(self, value: RegistryValue) -> None:
        """Define a value, in place where the template has it already. One that is the same leaves
        its line as it is. Raises UserError for what the format can not carry."""
        text = _entry_text(value, self.encoding)
        line = self._find(value.identity)
        if line is None:
            self._append(text, value)
            return
        assert line.value is not None
        if (line.value.type, line.value.data) == (value.type, value.data):
            return
        at = _data_start(line.text)
        line.text = line.text[:at] + text[_data_start(text) :]
        line.value = RegistryValue(line.value.key, line.value.name, value.type, value.data)

    def remove(self, key: str, name: str) -> bool:
        """Make a value Not Defined; its section goes with its last line. False where it was so."""
        line = self._find(RegistryValue(key, name, 0, b"").identity)
        if line is None:
            return False
        self._lines.remove(line)
        inside = [other for other in self._lines if other.section == _REGISTRY_VALUES]
        if all(_is_header(other.text) or not other.text.strip() for other in inside):
            self._lines = [other for other in self._lines if not _in(other, inside)]
        return True

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Set values and remove deleted ones; returns sentences on what could not be said."""
        notes = []
        for change in changes:
            if isinstance(change, RegistryValue):
                try:
                    self.set(change)
                except UserError as error:
                    notes.append(str(error))
            else:
                for value in self.values:
                    if deletes(change, value.identity):
                        self.remove(value.key, value.name)
                notes.append(_no_deletion(change))
        return notes

    def encode(self) -> bytes:
        """The file. Of a template that was read and not changed: the same bytes."""
        return join_lines(self._lines, self.encoding)

    def _find(self, identity: tuple[str, str]) -> _Line | None:
        for line in self._lines:
            if line.value is not None and line.value.identity == identity:
                return line
        return None

    def _append(self, text: str, value: RegistryValue) -> None:
        end = usual_end(list(self._lines))
        line = _Line(text, end, _REGISTRY_VALUES, value)
        last = -1
        for at, other in enumerate(self._lines):
            if other.section == _REGISTRY_VALUES and other.text.strip():
                last = at
        if last < 0:
            self._lines.append(_Line("[Registry Values]", end, _REGISTRY_VALUES))
            last = len(self._lines) - 1
        self._lines.insert(last + 1, line)


def create() -> SecurityTemplate:
    """A template that defines nothing yet: the preamble of [MS-GPSB] 2.2, UTF-16 and CRLF."""
    text = _PREAMBLE.replace("\n", "\r\n")
    return decode("\ufeff".encode("utf-16-le") + text.encode("utf-16-le"), "the new template")


def decode(data: bytes, source: str) -> SecurityTemplate:
    """Read a template in UTF-16LE with its byte order mark, or in ANSI (Windows-1252).

    Raises UserError naming `source`, the line and the reason for anything that does not match the
    format: another encoding, no [Version] with signature="$CHICAGO$" and Revision=1, a line that
    does not belong in its section, a value set twice to different data, and signs of truncation.
    """
    text, encoding = decode_text(data, source, (UTF16, ANSI))
    lines = [_Line(line.text, line.end) for line in split_lines(text, source)]
    section = ""
    preamble: set[str] = set()
    foreign: list[str] = []
    seen: dict[tuple[str, str], tuple[int, RegistryValue]] = {}
    for number, line in enumerate(lines, 1):
        stripped = line.text.strip()
        if stripped.startswith("["):
            section = _section(stripped, source, number)
        line.section = section
        if not stripped or stripped[0] in ";[":
            continue
        if not section:
            fail(source, number, "text before the first section.")
        _check_line(section, stripped, source, number)
        if section == "version":
            preamble.add(_version_entry(stripped, source, number))
        elif section == _REGISTRY_VALUES:
            line.value = _parse_entry(line.text, foreign, source, number)
            if line.value is not None:
                _check_twice(seen, line.value, source, number)
    for name, text in (("signature", '"$CHICAGO$"'), ("revision", "1")):
        if name not in preamble:
            raise UserError(f"{source} has no [Version] section with {name}={text}.")
    last = max(number for number, line in enumerate(lines, 1) if line.text.strip())
    if _is_header(lines[last - 1].text):
        fail(source, last, "the last section is empty, so the file may have been truncated.")
    return SecurityTemplate(lines, encoding, foreign)


def _section(stripped: str, source: str, number: int) -> str:
    name, bracket, rest = stripped[1:].partition("]")
    if not bracket or not name.strip() or (rest.strip() and not rest.strip().startswith(";")):
        fail(source, number, f"'{stripped}' is no section header.")
    return name.strip().casefold()


def _is_header(text: str) -> bool:
    return text.lstrip().startswith("[")


def _in(line: _Line, lines: list[_Line]) -> bool:
    return any(line is other for other in lines)


def _check_line(section: str, stripped: str, source: str, number: int) -> None:
    """Only sections of the specification are checked; others are anybody's."""
    if section not in _ASSIGNMENTS | _ACL_LINES:
        return
    if stripped.count('"') % 2:
        fail(source, number, "a quotation mark is not closed.")
    if section in _ASSIGNMENTS:
        name, equals, _ = stripped.partition("=")
        if not equals or not name.strip():
            fail(source, number, f"'{stripped}' does not have the form name=value.")
    elif re.sub('"[^"]*"', "", stripped).count(",") < 2:
        fail(source, number, f"'{stripped}' does not have the form name,mode,descriptor.")


def _version_entry(stripped: str, source: str, number: int) -> str:
    """Check a line of [Version]; returns its name in lower case."""
    name, _, value = (part.strip() for part in stripped.partition("="))
    if name.casefold() == "signature" and value.strip('"').casefold() != "$chicago$":
        fail(source, number, f'the signature is {value} instead of "$CHICAGO$".')
    if name.casefold() == "revision" and value != "1":
        fail(source, number, f"the revision is {value} instead of 1.")
    return name.casefold()


def _check_twice(
    seen: dict[tuple[str, str], tuple[int, RegistryValue]],
    value: RegistryValue,
    source: str,
    number: int,
) -> None:
    first, other = seen.setdefault(value.identity, (number, value))
    if (other.type, other.data) != (value.type, value.data):
        fail(
            source,
            number,
            f"{value.key}\\{value.name} is set again, to other data than on line {first}.",
        )


def _parse_entry(text: str, foreign: list[str], source: str, number: int) -> RegistryValue | None:
    """The value of one line; None (and its name in `foreign`) for one of another hive."""
    name_end, type_, data_start = _split_entry(text, source, number)
    path = text[:name_end].strip()
    if path.startswith('"'):
        path = path[1:-1] if len(path) > 1 and path.endswith('"') else ""
    if not path or '"' in path:
        fail(source, number, "the name before '=' is not quoted as it should be.")
    key, backslash, name = path.rpartition("\\")
    if not backslash or not key.strip("\\"):
        fail(source, number, f"'{path}' is no path of a registry value.")
    if type_ not in _TYPES:
        known = ", ".join(str(number) for number in _TYPES)
        fail(source, number, f"the type {type_} is none of {known}.")
    try:
        data = _data_from_text(type_, text[data_start:].strip(" \t"))
    except ValueError as error:
        fail(source, number, f"{error}.")
    if not (key + "\\").casefold().startswith(_HIVE.casefold()):
        foreign.append(path)
        return None
    key = key[len(_HIVE) :].strip("\\")
    if not key:
        fail(source, number, f"'{path}' names no key.")
    return RegistryValue(key, name, type_, data)


def _split_entry(text: str, source: str, number: int) -> tuple[int, int, int]:
    """(end of the name, type, start of the data). A quoted name may hold '='."""
    start = len(text) - len(text.lstrip())
    if text[start] == '"':
        start = text.index('"', start + 1)  # quotes were counted: there is another
    match = _TYPE.search(text, start)
    if match is None:
        fail(source, number, f"'{text.strip()}' does not have the form name=type,data.")
    return match.start(), int(match[1]), match.end()


def _data_start(text: str) -> int:
    """Where `type,data` begins in a line that was parsed or made here."""
    start = len(text) - len(text.lstrip())
    if text[start] == '"':
        start = text.index('"', start + 1)
    match = _TYPE.search(text, start)
    assert match is not None
    return match.start(1)


def _data_from_text(type_: int, text: str) -> bytes:
    """Raises ValueError with the reason."""
    if type_ == RegType.DWORD:
        return encode_data(type_, _dword(_unquoted(text)))
    if type_ == RegType.BINARY:
        return _octets(text)
    if type_ == RegType.MULTI_SZ:
        return multi_sz(_items(text))
    return encode_data(type_, _unquoted(text))


def _dword(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"'{text}' is no number")
    number = int(text, 16 if text[:2] in ("0x", "0X") else 10)
    if not -(1 << 31) <= number < 1 << 32:
        raise ValueError(f"{text} does not fit into 32 bits")
    return number & 0xFFFFFFFF


def _octets(text: str) -> bytes:
    if not text:
        return b""
    octets = bytearray()
    for part in text.split(","):
        match = _OCTET.fullmatch(part.strip().strip('"'))
        if match is None:
            raise ValueError(f"'{part.strip()}' is no byte in hexadecimal")
        octets.append(int(match[1], 16))
    return bytes(octets)


def _unquoted(text: str) -> str:
    """A text in quotes without them; one without is taken literally."""
    if not text.startswith('"'):
        return text
    if len(text) < 2 or not text.endswith('"'):
        raise ValueError("a quotation mark is not closed")
    inside = text[1:-1]
    if '"' in inside.replace('""', ""):
        raise ValueError("text after a closing quotation mark")
    return inside.replace('""', '"')


def _items(text: str) -> list[str]:
    """The items between commas that are not in quotes; spaces around them do not count."""
    if not text:
        return []
    items: list[str] = []
    item: list[tuple[str, bool]] = []  #: characters, and whether they stood in quotes
    quoted = False
    at = 0
    while at < len(text):
        character = text[at]
        if character == '"' and quoted and text[at + 1 : at + 2] == '"':
            item.append(('"', True))
            at += 1
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            items.append(_stripped(item))
            item = []
        else:
            item.append((character, quoted))
        at += 1
    if quoted:
        raise ValueError("a quotation mark is not closed")
    items.append(_stripped(item))
    return items


_BLANKS = ((" ", False), ("\t", False))


def _stripped(item: list[tuple[str, bool]]) -> str:
    """The text of `item` without blanks at its ends, unless they stood in quotes."""
    start, end = 0, len(item)
    while start < end and item[start] in _BLANKS:
        start += 1
    while end > start and item[end - 1] in _BLANKS:
        end -= 1
    return "".join(character for character, _ in item[start:end])


def _entry_text(value: RegistryValue, encoding: str) -> str:
    """The line for `value`. Raises UserError for what the format can not carry."""
    where = f"{value.key}\\{value.name}"
    if value.type not in _TYPES:
        kind = TYPE_NAMES.get(value.type, f"type {value.type}")
        raise UserError(f"A security template can not carry {where}: it has no {kind}.")
    path = _HIVE + where
    if "\\" in value.name or '"' in path or has_control(path) or not value.key:
        raise UserError(f"A security template can not carry {where}: its name does not fit.")
    if _TYPE.search(path + "=") or path != path.strip():
        path = f'"{path}"'
    text = f"{path}={value.type},{_data_text(value, where)}"
    if has_control(text):
        raise UserError(f"A security template can not carry {where}: its data have line breaks.")
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        raise UserError(f"{where} can not be written in the encoding of the template.") from None
    return text


def _data_text(value: RegistryValue, where: str) -> str:
    if value.type == RegType.BINARY:
        return ",".join(f"{octet:02x}" for octet in value.data)
    if value.type == RegType.MULTI_SZ:
        items = multi_sz_items(value)
        items = ['""'] if items == [""] else [_item_text(item) for item in items]
        text = ",".join(items)
        if multi_sz(_items(text)) != value.data:
            raise UserError(f"{where}: a list of strings that does not end as REG_MULTI_SZ does.")
        return text
    meaning = value.meaning()
    if isinstance(meaning, int):
        return str(meaning)
    assert isinstance(meaning, str)
    if encode_data(value.type, meaning) != value.data:
        raise UserError(f"{where}: a string that does not end with one NUL.")
    return '"' + meaning.replace('"', '""') + '"'


def _item_text(item: str) -> str:
    if '"' in item or item != item.strip(" \t"):
        return '"' + item.replace('"', '""') + '"'
    return item.replace(",", '","')


def _no_deletion(deletion: RegistryDeletion) -> str:
    name = described(deletion)
    return f"A security template can not delete {name}; it is left Not Defined."
