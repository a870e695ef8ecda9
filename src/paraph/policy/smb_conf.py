"""Samba's smb.conf: the parameters of signing, encryption and protocols, both ways.

Read: what `[global]` says as registry values of the machine's own `Parameters` keys, and sentences
on what Windows has no value for. Written: those values into a file, of which every other line
stays as it stood. The meanings are those of smb.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from paraph.errors import UserError
from paraph.policy.changes import deletes, described, final_value
from paraph.policy.lines import (
    ANSI,
    UTF8,
    Line,
    decode_text,
    fail,
    join_lines,
    split_lines,
    usual_end,
)
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryValue
from paraph.policy.smb_conf_meaning import (
    PARAMETERS,
    SHARE_NOTES,
    SYNONYMS,
    Parameters,
    meaning,
    plain,
    text_for,
)

_GLOBAL = "global"


@dataclass(slots=True)
class _Parameter:
    """One `name = value` in lines `first` to `last` (from 0)."""

    section: str  #: lower case
    name: str  #: as of `plain`, synonyms resolved
    value: str
    first: int
    last: int


class SmbConf:
    """An smb.conf as its lines."""

    __slots__ = ("_headers", "_lines", "_parameters", "_source", "encoding")

    def __init__(self, lines: list[Line], encoding: str, source: str) -> None:
        self._lines = lines
        self._source = source
        self.encoding = encoding
        self._parameters: list[_Parameter] = []
        self._headers: list[int] = []
        self._parse()

    def changes(self) -> list[Change]:
        """What `[global]` means in the registry of a Windows machine."""
        return list(self._meaning()[0])

    def notes(self) -> list[str]:
        """Sentences on what the file says and a registry can not."""
        notes = self._meaning()[1]
        for parameter in self._parameters:
            if parameter.name in ("include", "configbackend", "copy", "configfile"):
                line = f"line {parameter.first + 1}"
                notes.append(f"'{parameter.value}' ({line}) is not read: give it on its own.")
            if parameter.section != _GLOBAL and parameter.name in SHARE_NOTES:
                said = SHARE_NOTES[parameter.name]
                notes.append(f"Share [{parameter.section}]: {said}")
        return list(dict.fromkeys(notes))

    def get(self, key: str, name: str) -> RegistryValue | None:
        """The value that the file means, or None."""
        return final_value(self.changes(), key, name)

    def parameter(self, name: str) -> str | None:
        """The value of a parameter of `[global]`, under any of its names; the last one counts."""
        wanted = SYNONYMS.get(plain(name), plain(name))
        found = None
        for parameter in self._parameters:
            if parameter.section == _GLOBAL and parameter.name == wanted:
                found = parameter.value
        return found

    def set_parameter(self, name: str, value: str | None) -> None:
        """Set a parameter of `[global]` in place, or after the last line of the section; None
        takes it out. One that is the same leaves its line as it is."""
        wanted = SYNONYMS.get(plain(name), plain(name))
        own = [p for p in self._parameters if p.section == _GLOBAL and p.name == wanted]
        if value is None:
            for parameter in reversed(own):
                del self._lines[parameter.first : parameter.last + 1]
        elif not own:
            self._insert(name, value)
        elif own[-1].value != value:
            first, last = own[-1].first, own[-1].last
            head = self._lines[first].text.partition("=")
            space = " " if head[2].startswith(" ") or not head[2] else ""
            end = self._lines[last].end
            self._lines[first : last + 1] = [Line(f"{head[0]}={space}{value}", end)]
        self._parse()

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write changes into `[global]`; returns sentences on what Samba has no parameter for. A
        policy key wins over the machine's own, as in Windows."""
        values = {value.identity: value for value in self._meaning()[0]}
        touched: set[tuple[str, str]] = set()
        notes: list[str] = []
        for change in changes:
            if isinstance(change, RegistryValue):
                values[change.identity] = change
                touched.add(change.identity)
            else:
                gone = {each for each in values if deletes(change, each)}
                for identity in gone:
                    del values[identity]
                touched |= gone
                notes += self._deletion(change, bool(gone))
        before = Parameters({name: self.parameter(name) for name in PARAMETERS})
        after, more = text_for(values, touched, before)
        for name, text in after.items():
            self.set_parameter(name, text)
        return notes + more

    def remove(self, key: str, name: str) -> bool:
        """Not Defined: the parameter goes, as far as it says nothing else. False where it was
        so."""
        if self.get(key, name) is None:
            return False
        self.apply([RegistryDeletion(key, name)])
        return self.get(key, name) is None

    def encode(self) -> bytes:
        """The file. Of one that was read and not changed: the same bytes."""
        return join_lines(self._lines, self.encoding)

    def _meaning(self) -> tuple[list[RegistryValue], list[str]]:
        return meaning(Parameters({name: self.parameter(name) for name in PARAMETERS}))

    def _deletion(self, change: RegistryDeletion, gone: bool) -> list[str]:
        if gone:
            return []
        return [f"smb.conf has nothing to delete for {described(change)}."]

    def _insert(self, name: str, value: str) -> None:
        end = usual_end(self._lines, "\n")
        own = [each for each in self._parameters if each.section == _GLOBAL]
        indent = "\t"
        if own:
            text = self._lines[own[-1].first].text
            indent = text[: len(text) - len(text.lstrip())]
        at = max([each.last for each in own] + self._headers, default=-1)
        if at < 0:
            self._lines.insert(0, Line(f"[{_GLOBAL}]", end))
            at = 0
        self._lines.insert(at + 1, Line(f"{indent}{name} = {value}", end))

    def _parse(self) -> None:
        """Raises UserError naming the file, the line and the reason."""
        self._parameters = []
        self._headers = []
        section = _GLOBAL  # where Samba puts what stands before the first section
        at = 0
        while at < len(self._lines):
            first = at
            text, at = self._logical(at)
            if not text:
                continue
            if text.startswith("["):
                section = self._section(text, first + 1)
                if section == _GLOBAL:
                    self._headers.append(at - 1)
                continue
            name, equals, value = text.partition("=")
            if not equals or not plain(name):
                fail(self._source, first + 1, f"'{text}' does not have the form name = value.")
            known = SYNONYMS.get(plain(name), plain(name))
            parameter = _Parameter(section, known, value.strip(), first, at - 1)
            self._check(parameter, name.strip())
            self._parameters.append(parameter)

    def _logical(self, at: int) -> tuple[str, int]:
        """(the line that begins at `at` with its continuations, "" for a comment; the next)."""
        text = self._lines[at].text.strip()
        if text.startswith(("#", ";")):
            return "", at + 1
        parts = []
        while text.endswith("\\"):
            parts.append(text[:-1])
            at += 1
            if at >= len(self._lines):
                fail(self._source, at, "the last line is to be continued.")
            text = self._lines[at].text.rstrip()
        return "".join([*parts, text]).strip(), at + 1

    def _section(self, text: str, number: int) -> str:
        name, bracket, rest = text[1:].partition("]")
        if not bracket or not name.strip() or rest.strip():
            fail(self._source, number, f"'{text}' is no section header.")
        return _GLOBAL if plain(name) == _GLOBAL else " ".join(name.casefold().split())

    def _check(self, parameter: _Parameter, name: str) -> None:
        values = PARAMETERS.get(parameter.name)
        if not values or parameter.value.casefold() in values:
            return
        near = get_close_matches(parameter.value.casefold(), list(values), n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        why = f"'{name}' can not be '{parameter.value}'.{hint}"
        fail(self._source, parameter.first + 1, why)


def create() -> SmbConf:
    """A file with an empty `[global]`."""
    return SmbConf([Line(f"[{_GLOBAL}]", "\n")], UTF8, "the new smb.conf")


def decode(data: bytes, source: str) -> SmbConf:
    """Read a file in UTF-8 or ANSI. Raises UserError naming `source`, the line and the reason, also
    for a value that one of the parameters understood here does not take."""
    text, encoding = decode_text(data, source, (UTF8, ANSI))
    conf = SmbConf(split_lines(text, source), encoding, source)
    if not conf._parameters and all(not line.text.strip().startswith("[") for line in conf._lines):
        raise UserError(f"{source} has neither a section nor a parameter of smb.conf.")
    return conf
