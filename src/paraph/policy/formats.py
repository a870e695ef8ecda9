"""One door to the formats that policy travels in: recognise, read, write.

A damaged file is refused as a whole: `read` raises UserError naming the file, the place and the
reason, and nothing of it is returned.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from paraph.errors import UserError
from paraph.policy import (
    gpo_backup,
    intune,
    lgpo_text,
    powershell,
    reg_file,
    registry_pol,
    security_template,
    smb_conf,
)
from paraph.policy.changes import deletes, final_value, net
from paraph.policy.gpo_backup import BackupFolder, GpoBackup
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryKey, RegistryValue

MAX_FILE = 64 << 20  #: bytes; what is larger is no policy

FORMATS = {
    "security-template": "a security template (GptTmpl.inf)",
    "registry-pol": "a registry policy file (Registry.pol)",
    "lgpo": "LGPO text",
    "gpo-backup": "a folder of GPO backups",
    "reg": "a registration file (.reg)",
    "powershell": "a PowerShell script",
    "intune": "Intune OMA-URI rows, CSV or JSON",
    "smb-conf": "Samba's smb.conf",
}
"""Format keys, with what each is."""

_BY_ENDING = {
    ".inf": "security-template",
    ".pol": "registry-pol",
    ".reg": "reg",
    ".ps1": "powershell",
    ".csv": "intune",
    ".json": "intune",
    ".conf": "smb-conf",
    ".txt": "lgpo",
    ".lgpo": "lgpo",
}
_BY_CONTENT = (
    ("reg", re.compile(r"\A\s*(?:REGEDIT4|Windows Registry Editor Version)")),
    ("security-template", re.compile(r'^[ \t]*signature[ \t]*=[ \t]*"?\$CHICAGO\$', re.M | re.I)),
    ("intune", re.compile(r"\A\s*[{\[].*oma", re.S | re.I)),
    ("intune", re.compile(r"\A[^\n]*\bOMA-?URI\b", re.I)),
    (
        "powershell",
        re.compile(r"^[ \t]*Set-(?:Smb(?:Server|Client)Config|ItemProperty)", re.M | re.I),
    ),
    ("lgpo", re.compile(r"^(?:Computer|User(?::[^\n]*)?)[ \t]*$", re.M | re.I)),
    ("smb-conf", re.compile(r"^[ \t]*\[[ \t]*global[ \t]*\]", re.M | re.I)),
)
_LOOK = 1 << 20  #: bytes of a file that are looked at to recognise it


class Document(Protocol):
    """What every format's document does."""

    def changes(self) -> list[Change]:
        """What it does to the registry of the machine, in order."""
        ...

    def notes(self) -> list[str]:
        """Sentences about what it says and `changes` does not."""
        ...

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write changes into it; sentences on what the format can not say."""
        ...

    def remove(self, key: str, name: str) -> bool:
        """Make a value Not Defined. False where it was so."""
        ...


class FileDocument(Document, Protocol):
    """One that is one file."""

    def encode(self) -> bytes: ...


@dataclass(slots=True)
class RegFile:
    """A registration file; one that is changed is written anew, without its comments."""

    entries: list[reg_file.Entry]
    version: reg_file.Version = 5
    raw: bytes | None = None

    def changes(self) -> list[Change]:
        """As of `Document`."""
        return [entry for entry in self.entries if not isinstance(entry, RegistryKey)]

    def notes(self) -> list[str]:
        """As of `Document`."""
        return []

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """As of `Document`."""
        notes = []
        for change in changes:
            try:
                reg_file.encode([change], self.version)
            except UserError as error:
                notes.append(str(error))
                continue
            if isinstance(change, RegistryValue) and change == final_value(
                self.changes(), change.key, change.name
            ):
                continue
            if change.name is not None:
                self.remove(change.key, change.name)
            self.entries.append(change)
            self.raw = None
        return notes

    def remove(self, key: str, name: str) -> bool:
        """As of `Document`."""
        one = RegistryDeletion(key, name)
        kept = [entry for entry in self.entries if not _about(entry, one)]
        removed = len(kept) < len(self.entries)
        if removed:
            self.entries, self.raw = kept, None
        return removed

    def encode(self) -> bytes:
        """The file. Of one that was read and not changed: the same bytes."""
        return reg_file.encode(self.entries, self.version) if self.raw is None else self.raw


def _about(entry: reg_file.Entry, one: RegistryDeletion) -> bool:
    if isinstance(entry, RegistryKey) or entry.name is None:
        return False
    return deletes(one, RegistryValue(entry.key, entry.name, 0, b"").identity)


def _decode_reg(data: bytes, source: str) -> RegFile:
    version: reg_file.Version = 4 if data.startswith(b"REGEDIT4") else 5
    return RegFile(reg_file.decode(data, source), version, data)


_DECODERS: dict[str, Callable[[bytes, str], FileDocument]] = {
    "security-template": security_template.decode,
    "registry-pol": registry_pol.decode,
    "lgpo": lgpo_text.decode,
    "reg": _decode_reg,
    "powershell": powershell.decode,
    "intune": intune.decode,
    "smb-conf": smb_conf.decode,
}
_MAKERS: dict[str, Callable[[], FileDocument]] = {
    "security-template": security_template.create,
    "registry-pol": registry_pol.create,
    "lgpo": lgpo_text.create,
    "reg": lambda: RegFile([]),
    "powershell": powershell.create,
    "intune": intune.create,
    "smb-conf": smb_conf.create,
}


@dataclass(slots=True)
class Imported:
    """What a file or a backup holds."""

    format: str
    source: str  #: for messages
    name: str  #: of the policy object, or of the file
    changes: list[Change]
    notes: list[str]
    document: FileDocument | GpoBackup
    guid: str = ""  #: of the policy object, in braces; "" where the format has none


@dataclass(slots=True)
class Exported:
    """What was written: the bytes of a file, or of the files of a folder by path with '/'."""

    format: str
    data: bytes | dict[str, bytes]
    notes: list[str] = field(default_factory=list)  #: what could not be said

    def save(self, path: Path) -> None:
        """Write to disk: a file at once or not at all; a folder only where there is none, or an
        empty one. Raises UserError."""
        if isinstance(self.data, bytes):
            _save(self.data, path)
            return
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if os.listdir(path):
                raise UserError(f"{path} is not empty: give a new folder for the backup.")
        gpo_backup.write(self.data, path)


def check_format(key: str) -> str:
    """`key` in lower case. Raises UserError with the nearest one that there is."""
    plain = key.strip().casefold().replace("_", "-")
    if plain in FORMATS:
        return plain
    near = get_close_matches(plain, FORMATS, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Use one of: {', '.join(FORMATS)}."
    raise UserError(f"There is no format '{key}'. {hint}")


def detect(data: bytes, name: str) -> str:
    """The format key of a file, by what is in it, else by its name. Raises UserError."""
    if data.startswith(registry_pol.SIGNATURE):
        return "registry-pol"
    text = _look(data[:_LOOK])
    for key, pattern in _BY_CONTENT:
        if pattern.search(text):
            return key
    ending = "." + name.casefold().rpartition(".")[2]
    if ending in _BY_ENDING:
        return _BY_ENDING[ending]
    raise UserError(f"{name} is none of the formats of policy: {', '.join(FORMATS.values())}.")


def _look(data: bytes) -> str:
    if data.startswith(b"\xff\xfe"):
        return data[2:].decode("utf-16-le", "replace").replace("\r\n", "\n")
    return data.removeprefix(b"\xef\xbb\xbf").decode("cp1252", "replace").replace("\r\n", "\n")


def decode(data: bytes, source: str, format_: str = "") -> Imported:
    """Read the bytes of a file. `format_`: its key; "" to recognise it. Raises UserError."""
    key = check_format(format_) if format_ else detect(data, source)
    if key == "gpo-backup":
        raise UserError(f"{source} is a file; GPO backups are a folder.")
    document = _DECODERS[key](data, source)
    name = source.replace("\\", "/").rpartition("/")[2]
    return Imported(key, source, name, document.changes(), document.notes(), document)


def read_all(path: Path, format_: str = "") -> list[Imported]:
    """Read a file, or every backup of a folder. Raises UserError."""
    if path.is_dir():
        if format_ and check_format(format_) != "gpo-backup":
            raise UserError(f"{path} is a folder, and only GPO backups are folders.")
        return [_imported(backup, path) for backup in gpo_backup.read(path).backups]
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UserError(f"{path} can not be read: {error.strerror or error}.") from None
    if len(data) > MAX_FILE:
        raise UserError(f"{path} has more than {MAX_FILE >> 20} MiB, which no policy has.")
    return [decode(data, str(path), format_)]


def read(path: Path, format_: str = "") -> Imported:
    """Read a file, or a folder with one backup. Raises UserError, for several backups too."""
    found = read_all(path, format_)
    if len(found) > 1:
        names = ", ".join(f"'{each.name}'" for each in found)
        raise UserError(f"{path} has several policy objects: {names}. Give the folder of one.")
    return found[0]


def _imported(backup: GpoBackup, path: Path) -> Imported:
    identity = backup.identity
    source = f"{path} ({identity.name})"
    changes, notes = backup.changes(), backup.notes()
    return Imported("gpo-backup", source, identity.name, changes, notes, backup, identity.gpo_id)


def write(
    format_: str,
    changes: Iterable[Change],
    template: Imported | None = None,
    *,
    name: str = "SMB settings",
    domain: str = "",
    time: str = "",
) -> Exported:
    """Write changes in a format, or into `template`, a file of that format that was read: what they
    do not touch stays as it is there. (Do not use the document of `template` afterwards.)

    `name`, `domain` and `time` (UTC, "2025-01-31T12:00:00") are for a new GPO backup. Raises
    UserError for an unknown format, a template of another one, and where nothing can be said.
    """
    key = check_format(format_)
    wanted = net(changes)
    if template is not None:
        if template.format != key:
            raise UserError(f"{template.source} is {FORMATS[template.format]}, not {FORMATS[key]}.")
        document: FileDocument | GpoBackup = template.document
    elif key == "gpo-backup":
        when = {"time": time} if time else {}
        document = gpo_backup.create(name, domain, **when).backups[0]
    else:
        document = _MAKERS[key]()
    notes = document.apply(wanted)
    if template is None and not document.changes():
        why = " ".join(notes) or "No values were given."
        raise UserError(f"There is nothing to write as {FORMATS[key]}. {why}")
    if isinstance(document, GpoBackup):
        return Exported(key, BackupFolder([document]).encode(), notes)
    return Exported(key, document.encode(), notes)


def _save(data: bytes, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(f"{path} can not be written: {error.strerror or error}.") from None
