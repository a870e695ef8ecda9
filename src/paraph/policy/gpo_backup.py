r"""GPO backups as the Group Policy Management Console writes them and LGPO.exe /g imports them.

    manifest.xml                     which backups there are
    {backup}\Backup.xml              the policy object: its name, identity, extensions and files
    {backup}\bkupInfo.xml            the same backup's line of the manifest
    {backup}\gpreport.xml            a report for people
    {backup}\DomainSysvol\GPO\Machine\registry.pol
    {backup}\DomainSysvol\GPO\Machine\microsoft\windows nt\SecEdit\GptTmpl.inf

A backup that is read keeps every file as it came, and gives the same bytes back unless something
in it is changed. Of the two machine files the security template wins where both set a value: its
extension runs after the registry extension ([MS-GPOL] 3.2.5.1.10).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paraph.errors import UserError
from paraph.policy import gpo_backup_xml, registry_pol, security_template
from paraph.policy.changes import deletes
from paraph.policy.gpo_backup_xml import Identity, Inside
from paraph.policy.registry_pol import RegistryPol
from paraph.policy.registry_value import Change, RegistryValue, RegType
from paraph.policy.security_template import SecurityTemplate

_GUID_FOLDER = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")

REGISTRY_POL = "DomainSysvol/GPO/Machine/registry.pol"
TEMPLATE = "DomainSysvol/GPO/Machine/microsoft/windows nt/SecEdit/GptTmpl.inf"
MANIFEST = "manifest.xml"
BACKUP = "Backup.xml"
INFO = "bkupInfo.xml"
REPORT = "gpreport.xml"
_OURS = {name.casefold() for name in (REGISTRY_POL, TEMPLATE, BACKUP, INFO, REPORT)}

_MAX_FILES = 10_000
_MAX_FILE = 64 << 20
_MAX_TOTAL = 256 << 20
_MAX_DEPTH = 32

_IN_TEMPLATE = (RegType.SZ, RegType.EXPAND_SZ, RegType.BINARY, RegType.DWORD, RegType.MULTI_SZ)
_POLICIES = "software\\policies\\"


@dataclass(slots=True)
class GpoBackup:
    """One backup. `files` are those that were read, by path below its folder; none if it is new."""

    identity: Identity
    template: SecurityTemplate | None = None
    registry: RegistryPol | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    def changes(self) -> list[Change]:
        """What the policy object does to the registry of a machine, in order."""
        first = self.registry.changes() if self.registry else []
        return first + (self.template.changes() if self.template else [])

    def notes(self) -> list[str]:
        """Sentences about what the backup says and `changes` does not."""
        notes = self.registry.notes() if self.registry else []
        notes += self.template.notes() if self.template else []
        others = [name for name in self.files if name.casefold() not in _OURS]
        if others:
            notes.append(
                f"The backup has {len(others)} more files (such as {min(others)}); they are kept, "
                "and ignored."
            )
        return notes

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write changes into the machine's files: deletions and what lies below
        SOFTWARE\\Policies into registry.pol, the rest into the security template. Returns
        sentences on what could not be said.

        Raises UserError where a backup made elsewhere would need a file that it does not have.
        """
        before = self.changes()
        notes: list[str] = []
        for change in changes:
            if _belongs_in_template(change):
                if self.template is None:
                    self._need_own("security template")
                    self.template = security_template.create()
                notes += self.template.apply([change])
            else:
                if self.registry is None:
                    self._need_own("registry.pol")
                    self.registry = registry_pol.create()
                notes += self.registry.apply([change])
                self._uncover(change)
        if self.files and self.changes() != before:
            notes += self._refresh()
        return notes

    def remove(self, key: str, name: str) -> bool:
        """Make a value Not Defined. False where it was so."""
        removed = self.registry.remove(key, name) if self.registry else False
        if self.template:
            removed |= self.template.remove(key, name)
        if removed and self.files:
            self._refresh()
        return removed

    def encode(self) -> dict[str, bytes]:
        """The files, by path below the folder of the backup, with '/'."""
        files = dict(self.files)
        for name, document in ((REGISTRY_POL, self.registry), (TEMPLATE, self.template)):
            if document is not None:
                files[_spelled(files, name) or name] = document.encode()
        if not self.files:
            inside = self._inside()
            files[BACKUP] = gpo_backup_xml.backup_xml(self.identity, inside)
            files[INFO] = gpo_backup_xml.info_xml(self.identity)
            files[REPORT] = gpo_backup_xml.report_xml(self.identity, inside)
        return files

    def _inside(self) -> Inside:
        values = self.template.values if self.template else []
        changes = self.registry.changes() if self.registry else []
        pol = [change for change in changes if isinstance(change, RegistryValue)]
        return Inside(self.registry is not None, self.template is not None, values, pol)

    def _own(self) -> bool:
        """Nothing is in it that `encode` does not make anew."""
        return all(name.casefold() in _OURS for name in self.files)

    def _uncover(self, change: Change) -> None:
        """Take from the template, which is applied later, what would hide `change`."""
        for value in self.template.values if self.template else []:
            hidden = (
                value.identity == change.identity
                if isinstance(change, RegistryValue)
                else deletes(change, value.identity)
            )
            if hidden and self.template:
                self.template.remove(value.key, value.name)

    def _need_own(self, what: str) -> None:
        if not self._own():
            raise UserError(
                f"The backup '{self.identity.name}' has no {what}, and other files: make a new "
                "backup instead of changing it."
            )

    def _refresh(self) -> list[str]:
        """After a change: the XML files are made anew, or the report, which would lie, goes."""
        if self._own():
            self.files = {}
            return []
        report = _spelled(self.files, REPORT)
        if report is None:
            return []
        del self.files[report]
        return [f"{REPORT} is left out, since it would no longer tell what the backup holds."]


@dataclass(slots=True)
class BackupFolder:
    """A folder of backups. `manifest` is the file as it came, None for none or for a new one."""

    backups: list[GpoBackup]
    manifest: bytes | None = None
    alone: bool = False  #: the folder is that of the one backup itself

    def changes(self) -> list[Change]:
        """Of all backups, in order."""
        return [change for backup in self.backups for change in backup.changes()]

    def encode(self) -> dict[str, bytes]:
        """The files, by path below the folder, with '/'."""
        if self.alone:
            return self.backups[0].encode()
        files = {
            f"{backup.identity.backup_id}/{name}": data
            for backup in self.backups
            for name, data in backup.encode().items()
        }
        made = gpo_backup_xml.manifest_xml([backup.identity for backup in self.backups])
        files[MANIFEST] = made if self.manifest is None else self.manifest
        return files


def create(name: str, domain: str = "", **identity: str) -> BackupFolder:
    """A folder with one new backup. `identity`: more fields of `Identity`, such as `time`; GUIDs
    that are not given follow from the name and the domain. Raises UserError for a GUID or text
    that XML can not carry."""
    return BackupFolder([GpoBackup(Identity.make(name, domain, **identity))])


def decode(files: Mapping[str, bytes], source: str) -> BackupFolder:
    """Read the files of a folder, by path with '/': one with backups in it, or of one backup.

    Raises UserError naming the file and the reason. A manifest or Backup.xml that points outside,
    a backup that lacks a file it lists, and a damaged file all refuse the whole folder.
    """
    tree = _Tree(files, source)
    if tree.spelled(BACKUP) or tree.spelled(INFO):
        return BackupFolder([_decode_one(tree, "")], None, alone=True)
    folders = sorted({name.split("/", 1)[0] for name in files if "/" in name})
    folders = [name for name in folders if _GUID_FOLDER.fullmatch(name)]
    manifest = tree.get(MANIFEST)
    if manifest is not None:
        listed = gpo_backup_xml.read_manifest(manifest, tree.where(MANIFEST))
        known = {folder.casefold(): folder for folder in folders}
        for backup_id in listed:
            if backup_id.casefold() not in known:
                raise UserError(f"{tree.where(MANIFEST)} lists {backup_id}, which is not there.")
        folders = [known[backup_id.casefold()] for backup_id in listed]
    if not folders:
        raise UserError(f"{source} has no backup of a policy object.")
    return BackupFolder([_decode_one(tree, folder) for folder in folders], manifest)


def read(folder: Path) -> BackupFolder:
    """Read from disk. Raises UserError; links are refused, and so is more than 10,000 files."""
    return decode(_collect(folder), str(folder))


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the result of an `encode` below `folder`. Raises UserError."""
    for name, data in sorted(files.items()):
        parts = _safe_parts(name.replace("\\", "/"), str(folder))
        path = folder.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise UserError(f"{path} can not be written: {error.strerror or error}.") from None


class _Tree:
    """Files by path, found whatever their case."""

    __slots__ = ("_by_fold", "files", "source")

    def __init__(self, files: Mapping[str, bytes], source: str) -> None:
        self.files = files
        self.source = source
        self._by_fold: dict[str, str] = {}
        for name in files:
            other = self._by_fold.setdefault(name.casefold(), name)
            if other != name:
                raise UserError(f"{source} has both {other} and {name}.")

    def spelled(self, name: str) -> str | None:
        return self._by_fold.get(name.casefold())

    def get(self, name: str) -> bytes | None:
        spelled = self.spelled(name)
        return None if spelled is None else self.files[spelled]

    def where(self, name: str) -> str:
        return f"{self.source}/{self.spelled(name) or name}"


def _decode_one(tree: _Tree, folder: str) -> GpoBackup:
    prefix = folder + "/" if folder else ""
    backup = tree.get(prefix + BACKUP)
    if backup is None:
        raise UserError(f"{tree.source}/{prefix}{BACKUP} is not there.")
    identity, locations = gpo_backup_xml.read_backup(backup, tree.where(prefix + BACKUP))
    info = tree.get(prefix + INFO)
    if info is not None:
        identity = gpo_backup_xml.read_info(info, tree.where(prefix + INFO), identity)
    if folder:
        if identity.backup_id and identity.backup_id.casefold() != folder.casefold():
            raise UserError(f"{tree.where(prefix + INFO)} belongs to {identity.backup_id}.")
        identity.backup_id = folder
    elif not identity.backup_id:
        raise UserError(f"{tree.where(INFO)} is not there, so the backup has no identity.")
    for place, location in locations:
        parts = _safe_parts(location.replace("\\", "/"), tree.where(prefix + BACKUP))
        needed = place.rpartition("\\")[2].casefold() in ("registry.pol", "gpttmpl.inf")
        if needed and tree.get(prefix + "/".join(parts)) is None:
            raise UserError(f"{tree.where(prefix + BACKUP)} lists {location}, which is not there.")
    result = GpoBackup(identity)
    pol, template = tree.get(prefix + REGISTRY_POL), tree.get(prefix + TEMPLATE)
    if pol is not None:
        result.registry = registry_pol.decode(pol, tree.where(prefix + REGISTRY_POL))
    if template is not None:
        result.template = security_template.decode(template, tree.where(prefix + TEMPLATE))
    fold = prefix.casefold()
    result.files = {
        name[len(prefix) :]: data
        for name, data in tree.files.items()
        if name.casefold().startswith(fold)
    }
    return result


def _safe_parts(path: str, source: str) -> list[str]:
    """The parts of a relative path. Raises UserError for one that could lead elsewhere."""
    parts = path.split("/")
    for part in parts:
        if not part or part in (".", "..") or part.startswith("~") or set(part) & set(":\0"):
            raise UserError(f"{source}: the path '{path}' leads out of the backup.")
    return parts


def _spelled(files: Mapping[str, bytes], name: str) -> str | None:
    return next((each for each in files if each.casefold() == name.casefold()), None)


def _belongs_in_template(change: Change) -> bool:
    if not isinstance(change, RegistryValue):
        return False
    inside = change.key.casefold().startswith(_POLICIES)
    return change.type in _IN_TEMPLATE and not inside and "\\" not in change.name


def _collect(folder: Path) -> dict[str, bytes]:
    """The manifest and the files of the backups below `folder`, by path with '/'."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UserError(f"{folder} can not be read: {error.strerror or error}.") from None
    files: dict[str, bytes] = {}
    total = 0
    alone = any(name.casefold() in (BACKUP.casefold(), INFO.casefold()) for name in names)
    for name in names:
        if alone or name.casefold() == MANIFEST or _GUID_FOLDER.fullmatch(name):
            for path, data in _walk(folder, name, 0):
                files[path] = data
                total += len(data)
                if len(files) > _MAX_FILES or total > _MAX_TOTAL:
                    raise UserError(f"{folder} is too large for a backup of policy objects.")
    return files


def _walk(folder: Path, name: str, depth: int) -> Iterator[tuple[str, bytes]]:
    path = folder / name
    try:
        if depth > _MAX_DEPTH:
            raise UserError(f"{path} lies deeper than a backup of policy objects goes.")
        if path.is_symlink():
            raise UserError(f"{path} is a link, which a backup never has.")
        if path.is_dir():
            for each in sorted(os.listdir(path)):
                yield from _walk(folder, f"{name}/{each}", depth + 1)
        elif not path.is_file() or path.stat().st_size > _MAX_FILE:
            raise UserError(f"{path} is too large, or no file.")
        else:
            yield name, path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can not be read: {error.strerror or error}.") from None
