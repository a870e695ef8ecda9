"""Registration files (.reg): version 4 (REGEDIT4, ANSI) and version 5 (UTF-16), as of regedit.

Read strictly: a file that is cut short, or has a line that means nothing, is refused as a whole. On
reading, version 5 may also be UTF-8, line ends may be bare LF, and comments and blank lines may
stand anywhere; a value must be on one line, but for the continuation lines of `hex:`.

The ANSI code page of version 4 is 1252. In a version 4 file the text types of `hex(n):` are ANSI
too; in memory all text is UTF-16LE, as a registry has it.

What regedit can not say in quotes (a text without its NUL, or with a line end in it) is written as
`hex(1):`; names with line ends can not be written at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from paraph.errors import UserError
from paraph.policy.registry_value import (
    Change,
    RegistryDeletion,
    RegistryKey,
    RegistryValue,
    RegType,
)

Entry = Change | RegistryKey
Version = Literal[4, 5]

_HEADERS: dict[Version, str] = {4: "REGEDIT4", 5: "Windows Registry Editor Version 5.00"}
_HIVES = ("HKEY_LOCAL_MACHINE", "HKLM")
#: A line of regedit is broken after the byte, with its comma, that reaches this column.
_WRAP = 77
_TEXT_TYPES = (RegType.SZ, RegType.EXPAND_SZ, RegType.MULTI_SZ)

_NAME = re.compile(r'(?:@|"((?:[^"\\]|\\.)*)")[ \t]*=[ \t]*')
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DWORD = re.compile(r"dword:([0-9a-f]{1,8})", re.IGNORECASE)
_HEX = re.compile(r"hex(?:\(([0-9a-f]{1,8})\))?:((?:[0-9a-f]{1,2}(?:,[0-9a-f]{1,2})*)?)", re.I)
_REST = re.compile(r"[ \t]*(?:;.*)?")
_ESCAPE = re.compile(r"\\(.)")


def decode(data: bytes, source: str) -> list[Entry]:
    """The changes of a file, in its order, and its keys that have no values.

    `source` names the file in errors. Raises UserError, which also names the line, unless the
    whole file is understood and below HKEY_LOCAL_MACHINE.
    """
    return _Reader(_text(data, source), source).read()


def encode(changes: Iterable[Entry], version: Version = 5) -> bytes:
    """The file as regedit writes it. Raises UserError for what it can not say."""
    lines = [_HEADERS[version]]
    current: str | None = None
    for change in changes:
        if isinstance(change, RegistryDeletion) and change.name is None:
            if change.values_only:
                raise UserError(
                    f"{change.key}: a .reg file can not say that all values of a key go, but not "
                    "the keys below it."
                )
            lines += ["", f"[-{_key(change.key)}]"]
            current = None
            continue
        if change.key != current:
            lines += ["", f"[{_key(change.key)}]"]
            current = change.key
        if isinstance(change, RegistryValue):
            lines.append(_line(change, version))
        elif isinstance(change, RegistryDeletion):
            lines.append(f"{_name(change.name or '')}=-")
    text = "\r\n".join([*lines, "", ""])
    if version == 5:
        return b"\xff\xfe" + text.encode("utf-16-le", "surrogatepass")
    return _to_ansi(text, "The file")


# Reading


def _text(data: bytes, source: str) -> str:
    """The text of a file, of which the encoding is told by its first bytes."""
    if data.startswith(b"\xff\xfe"):
        if len(data) % 2:
            raise UserError(
                f"{source}: half a character at offset {len(data) - 1}: it is cut short."
            )
        return data[2:].decode("utf-16-le", "surrogatepass")
    if data.startswith(b"\xfe\xff"):
        raise UserError(f"{source}: it is UTF-16 with the high byte first, which regedit refuses.")
    if data.startswith(_HEADERS[4].encode()):
        return _from_ansi(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{source}: offset {error.start}: it is neither UTF-16 nor UTF-8 text."
        ) from None


class _Reader:
    """The lines of one file."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.number = 0
        self.lines = text.split("\n")
        self.ansi = False

    def read(self) -> list[Entry]:
        lines = self._statements()
        header = next(lines, "").rstrip()
        if self.number != 1 or header not in _HEADERS.values():
            self.number = 1
            raise self.error(f"it does not begin with {_HEADERS[5]!r} or {_HEADERS[4]!r}")
        if self.lines[-1]:
            self.number = len(self.lines)
            raise self.error("the last line has no line end: the file is cut short")
        self.ansi = header == _HEADERS[4]
        entries: list[Entry] = []
        key: str | None = None
        empty = False  # the current key has no value yet
        for line in lines:
            if not line.startswith("["):
                if key is None:
                    raise self.error("a value stands outside of a key")
                entries.append(self._value(key, line))
                empty = False
                continue
            if empty and key is not None:
                entries.append(RegistryKey(key))
            path, deleted = self._key(line)
            if deleted:
                entries.append(RegistryDeletion(path, None))
            key, empty = (None, False) if deleted else (path, True)
        if empty and key is not None:
            entries.append(RegistryKey(key))
        return entries

    def error(self, why: str) -> UserError:
        return UserError(f"{self.source}: line {self.number}: {why}.")

    def _statements(self) -> Iterator[str]:
        """The lines that are neither blank nor comments, continuation lines joined."""
        while self.number < len(self.lines):
            line = self._next().lstrip(" \t")
            if line and not line.startswith(";"):
                yield line

    def _next(self) -> str:
        self.number += 1
        line = self.lines[self.number - 1].removesuffix("\r")
        if "\r" in line or "\0" in line:
            raise self.error("there is a control character in it")
        return line

    def _key(self, line: str) -> tuple[str, bool]:
        """The path below the hive, and whether it is to be deleted."""
        path, bracket, rest = line[1:].rpartition("]")
        if not bracket or not _REST.fullmatch(rest):
            raise self.error("the key has no closing bracket")
        deleted = path.startswith("-")
        hive, _, below = path.removeprefix("-").partition("\\")
        if hive.upper() not in _HIVES:
            raise self.error(f"only HKEY_LOCAL_MACHINE can be used, not {hive!r}")
        below = below.rstrip("\\")
        if deleted and not below:
            raise self.error("HKEY_LOCAL_MACHINE itself can not be deleted")
        if "\\\\" in below or below.startswith("\\"):
            raise self.error("a name is empty between two backslashes")
        return below, deleted

    def _value(self, key: str, line: str) -> Change:
        match = _NAME.match(line)
        if match is None:
            raise self.error('a value must look like "name"=data')
        if not key:
            raise self.error("HKEY_LOCAL_MACHINE itself has no values")
        name = _ESCAPE.sub(r"\1", match[1] or "")
        data = line[match.end() :]
        if data[:4].lower() in ("hex:", "hex("):
            return self._hex(key, name, data)
        if data[:1] == "-" and _REST.fullmatch(data, 1):
            return RegistryDeletion(key, name)
        if (found := _STRING.match(data)) and _REST.fullmatch(data, found.end()):
            text = _ESCAPE.sub(r"\1", found[1]) + "\0"
            return RegistryValue(key, name, RegType.SZ, text.encode("utf-16-le", "surrogatepass"))
        if (found := _DWORD.match(data)) and _REST.fullmatch(data, found.end()):
            number = int(found[1], 16).to_bytes(4, "little")
            return RegistryValue(key, name, RegType.DWORD, number)
        raise self.error(f"the data of {name!r} can not be understood")

    def _hex(self, key: str, name: str, data: str) -> RegistryValue:
        first = self.number
        parts = []
        while (part := _continued(data)) is not None:
            parts.append(part)
            if self.number >= len(self.lines):
                raise self.error("the line is continued, but the file ends")
            data = self._next().strip(" \t")
        joined = "".join([*parts, data])
        found = _HEX.match(joined)
        if found is None or not _REST.fullmatch(joined, found.end()):
            raise self.error(f"the data of {name!r}, which begin in line {first}, are no hex bytes")
        type_ = RegType.BINARY if found[1] is None else int(found[1], 16)
        digits = found[2].split(",") if found[2] else []
        value = bytes(int(byte, 16) for byte in digits)
        if self.ansi and type_ in _TEXT_TYPES:
            value = _from_ansi(value).encode("utf-16-le")
        return RegistryValue(key, name, type_, value)


def _continued(line: str) -> str | None:
    """The line without its backslash, None if it has none."""
    line = line.rstrip(" \t")
    return line[:-1].rstrip(" \t") if line.endswith("\\") else None


# Writing


def _key(key: str) -> str:
    if "\n" in key or "\r" in key or "\0" in key:
        raise UserError(f"The key {key!r} has a line end in it: a .reg file can not say it.")
    return f"HKEY_LOCAL_MACHINE\\{key}" if key else "HKEY_LOCAL_MACHINE"


def _name(name: str) -> str:
    if "\n" in name or "\r" in name or "\0" in name:
        raise UserError(f"The name {name!r} has a line end in it: a .reg file can not say it.")
    return _quoted(name) if name else "@"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _line(value: RegistryValue, version: Version) -> str:
    start = f"{_name(value.name)}="
    if value.type == RegType.DWORD and len(value.data) == 4:
        return f"{start}dword:{int.from_bytes(value.data, 'little'):08x}"
    if value.type == RegType.SZ:
        text = _plain_text(value.data)
        if text is not None:
            return start + _quoted(text)
    data = value.data
    if version == 4 and value.type in _TEXT_TYPES:
        data = _text_to_ansi(value)
    kind = "hex:" if value.type == RegType.BINARY else f"hex({value.type:x}):"
    return _wrapped(start + kind, data)


def _plain_text(data: bytes) -> str | None:
    """The text of a REG_SZ that quotes can say: on one line, with one NUL, which is at its end."""
    if len(data) % 2:
        return None
    text = data.decode("utf-16-le", "surrogatepass")
    if not text or text.find("\0") != len(text) - 1 or "\n" in text or "\r" in text:
        return None
    return text[:-1]


def _wrapped(line: str, data: bytes) -> str:
    lines = []
    for number, byte in enumerate(data, 1):
        line += f"{byte:02x}"
        if number < len(data):
            line += ","
            if len(line) >= _WRAP:
                lines.append(line + "\\")
                line = "  "
    return "\r\n".join([*lines, line])


def _text_to_ansi(value: RegistryValue) -> bytes:
    where = f"{value.key}\\{value.name}"
    if len(value.data) % 2:
        raise UserError(f"{where}: an odd number of bytes is no text: use version 5.")
    return _to_ansi(value.data.decode("utf-16-le", "surrogatepass"), where)


# Code page 1252 as Windows has it: the five bytes without a character are control characters.


def _from_ansi(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return "".join(_CHARACTERS[byte] for byte in data)


def _to_ansi(text: str, where: str) -> bytes:
    try:
        return text.encode("cp1252")
    except UnicodeEncodeError:
        pass
    data = bytearray()
    for char in text:
        byte = _BYTES.get(char)
        if byte is None:
            raise UserError(f"{where}: {char!r} is not in code page 1252: use version 5.")
        data.append(byte)
    return bytes(data)


_CHARACTERS = [
    chr(byte) if byte in b"\x81\x8d\x8f\x90\x9d" else bytes([byte]).decode("cp1252")
    for byte in range(256)
]
_BYTES = {char: byte for byte, char in enumerate(_CHARACTERS)}
