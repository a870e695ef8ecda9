"""The XML files of a GPO backup: manifest.xml, bkupInfo.xml, Backup.xml and gpreport.xml.

They have no public specification; their names and forms follow published backups. Reading refuses
a DOCTYPE, and with it every entity that a file could define.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn
from uuid import NAMESPACE_URL, UUID, uuid5
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from paraph.errors import UserError
from paraph.policy.registry_value import Data, RegistryValue
from paraph.policy.settings import setting_at
from paraph.wire.dtyp import (
    Ace,
    AceFlags,
    AceType,
    Acl,
    Control,
    RawAce,
    SecurityDescriptor,
    Sid,
    WellKnownSid,
    guid_from_text,
)

_OPERATIONS = "http://www.microsoft.com/GroupPolicy/GPOOperations"
_MANIFEST = _OPERATIONS + "/Manifest"
_SETTINGS = "http://www.microsoft.com/GroupPolicy/Settings"
_TYPES = "http://www.microsoft.com/GroupPolicy/Types"
_NO_GUID = "{00000000-0000-0000-0000-000000000000}"

#: [MS-GPREG] 1.9 and [MS-GPSB] 1.9: client-side extension and tool extension of the computer.
REGISTRY_EXTENSION = (
    "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}",
    "{D02B1F72-3407-48AE-BA88-E8213C6761F1}",
)
SECURITY_EXTENSION = (
    "{827D319E-6EAC-11D2-A4EA-00C04F79F83A}",
    "{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}",
)

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


@dataclass(slots=True)
class Identity:
    """Of which policy object a backup is. GUIDs are in braces."""

    backup_id: str  #: its folder
    gpo_id: str
    name: str
    domain: str = ""
    domain_id: str = _NO_GUID
    controller: str = ""
    time: str = "2000-01-01T00:00:00"  #: UTC
    comment: str = ""

    @classmethod
    def make(cls, name: str, domain: str = "", **fields: str) -> Identity:
        """One with GUIDs that follow from `name` and `domain` where none are given. Raises
        UserError for what a backup can not carry."""
        base = uuid5(NAMESPACE_URL, f"gpo:{domain.casefold()}/{name}")
        gpo_id = fields.pop("gpo_id", str(base))
        made = str(uuid5(base, fields.get("time", "")))
        backup_id = fields.pop("backup_id", made)
        identity = cls(_guid(backup_id), _guid(gpo_id), name, domain, **fields)
        identity.domain_id = _guid(identity.domain_id)
        if not name or not _TIME.fullmatch(identity.time):
            raise UserError("A backup needs a name, and a time such as 2025-01-31T12:00:00.")
        texts = (name, domain, identity.controller, identity.comment)
        if any(_ILLEGAL.search(text) for text in texts):
            raise UserError("XML can not carry the control characters in the name of the backup.")
        return identity


@dataclass(slots=True)
class Inside:
    """What a new backup holds, for its XML files."""

    has_registry: bool
    has_template: bool
    template_values: list[RegistryValue]
    registry_values: list[RegistryValue]


# Reading


class _NoDoctype(ElementTree.TreeBuilder):
    """A builder that stops at a DOCTYPE, before any entity can be defined."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise ValueError("it has a DOCTYPE, which no backup has")


def parse(data: bytes, source: str) -> ElementTree.Element:
    """The root of an XML file. Raises UserError naming `source` and the reason."""
    parser = ElementTree.XMLParser(target=_NoDoctype())  # noqa: S314 - see _NoDoctype
    try:
        parser.feed(data)
        root: ElementTree.Element = parser.close()
    except ElementTree.ParseError as error:
        line, column = error.position
        raise UserError(f"{source}, line {line}, column {column}: the XML is damaged.") from None
    except (ValueError, LookupError) as error:
        raise UserError(f"{source} is refused: {error}.") from None
    return root


def read_manifest(data: bytes, source: str) -> list[str]:
    """The backups that a manifest lists: their folders. Raises UserError."""
    root = parse(data, source)
    if root.tag != f"{{{_MANIFEST}}}Backups":
        raise UserError(f"{source} is no manifest of backups.")
    found = []
    for element in root.findall(f"{{{_MANIFEST}}}BackupInst"):
        found.append(_guid(_text(element, _MANIFEST, "ID", source), source))
    if not found or len({each.casefold() for each in found}) < len(found):
        raise UserError(f"{source} lists no backup, or one twice.")
    return found


def read_info(data: bytes, source: str, identity: Identity) -> Identity:
    """`identity` completed from bkupInfo.xml. Raises UserError, also where the two disagree."""
    root = parse(data, source)
    if root.tag != f"{{{_MANIFEST}}}BackupInst":
        raise UserError(f"{source} is no description of a backup.")
    gpo_id = _guid(_text(root, _MANIFEST, "GPOGuid", source), source)
    if gpo_id.casefold() != identity.gpo_id.casefold():
        raise UserError(f"{source} is about another policy object, {gpo_id}.")
    return Identity(
        _guid(_text(root, _MANIFEST, "ID", source), source),
        identity.gpo_id,
        identity.name,
        identity.domain,
        root.findtext(f"{{{_MANIFEST}}}GPODomainGuid") or _NO_GUID,
        root.findtext(f"{{{_MANIFEST}}}GPODomainController") or "",
        root.findtext(f"{{{_MANIFEST}}}BackupTime") or "",
        root.findtext(f"{{{_MANIFEST}}}Comment") or "",
    )


def read_backup(data: bytes, source: str) -> tuple[Identity, list[tuple[str, str]]]:
    """(identity without backup_id, [(where the file belongs, where it is in the backup)]) of
    Backup.xml. Raises UserError."""
    root = parse(data, source)
    space = f"{{{_OPERATIONS}}}"
    core = root.find(f"{space}GroupPolicyObject/{space}GroupPolicyCoreSettings")
    if root.tag != space + "GroupPolicyBackupScheme" or core is None:
        raise UserError(f"{source} is no backup of a policy object.")
    gpo_id = _guid(_text(core, _OPERATIONS, "ID", source), source)
    name = _text(core, _OPERATIONS, "DisplayName", source)
    domain = core.findtext(f"{space}Domain") or ""
    locations = []
    for element in root.iter():
        if element.tag in (space + "FSObjectFile", space + "FSObjectDir"):
            location = element.get(space + "Location", "")
            if location:
                locations.append((element.get(space + "Path", ""), location))
    return Identity("", gpo_id, name, domain), locations


def _text(element: ElementTree.Element, space: str, name: str, source: str) -> str:
    text = element.findtext(f"{{{space}}}{name}")
    if not text or not text.strip():
        raise UserError(f"{source} has no {name}.")
    return text.strip()


def _guid(text: str, source: str = "") -> str:
    """In braces and upper case. Raises UserError."""
    try:
        return f"{{{UUID(text)}}}".upper()
    except ValueError:
        where = f"{source}: " if source else ""
        raise UserError(f"{where}'{text}' is no GUID.") from None


# Writing


def manifest_xml(identities: list[Identity]) -> bytes:
    """manifest.xml of these backups."""
    inside = "".join(f"<BackupInst>{_instance(identity)}</BackupInst>" for identity in identities)
    return (
        f'<Backups xmlns="{_MANIFEST}" xmlns:mfst="{_MANIFEST}" mfst:version="1.0">'
        f"{inside}</Backups>"
    ).encode()


def info_xml(identity: Identity) -> bytes:
    """bkupInfo.xml of a backup."""
    return f'<BackupInst xmlns="{_MANIFEST}">{_instance(identity)}</BackupInst>'.encode()


def _instance(identity: Identity) -> str:
    fields = (
        ("GPOGuid", identity.gpo_id),
        ("GPODomain", identity.domain),
        ("GPODomainGuid", identity.domain_id),
        ("GPODomainController", identity.controller),
        ("BackupTime", identity.time),
        ("ID", identity.backup_id),
        ("Comment", identity.comment),
        ("GPODisplayName", identity.name),
    )
    return "".join(f"<{name}>{_cdata(text)}</{name}>" for name, text in fields)


def _cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def backup_xml(identity: Identity, inside: Inside) -> bytes:
    """Backup.xml of a new backup."""
    extensions = []
    parts = []
    if inside.has_registry:
        extensions.append("[" + "".join(REGISTRY_EXTENSION) + "]")
        file = _file(identity, "registry.pol", "")
        parts.append(_extension(REGISTRY_EXTENSION[0], "Registry", file))
    if inside.has_template:
        extensions.append("[" + "".join(SECURITY_EXTENSION) + "]")
        check = ' bkp:ReEvaluateFunction="SecurityValidateSettings"'
        file = _file(identity, r"microsoft\windows nt\SecEdit\GptTmpl.inf", check)
        parts.append(_extension(SECURITY_EXTENSION[0], "Security", file))
    core = (
        f"<ID>{_cdata(identity.gpo_id)}</ID><Domain>{_cdata(identity.domain)}</Domain>"
        f"<SecurityDescriptor>{_descriptor().hex(' ')}</SecurityDescriptor>"
        f"<DisplayName>{_cdata(identity.name)}</DisplayName><Options>{_cdata('0')}</Options>"
        f"<UserVersionNumber>{_cdata('0')}</UserVersionNumber>"
        f"<MachineVersionNumber>{_cdata('65537')}</MachineVersionNumber>"
        f"<MachineExtensionGuids>{_cdata(''.join(extensions))}</MachineExtensionGuids>"
        "<UserExtensionGuids/><WMIFilter/>"
    )
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\r\n'
        '<GroupPolicyBackupScheme bkp:version="2.0" bkp:type="GroupPolicyBackupTemplate" '
        f'xmlns:bkp="{_OPERATIONS}" xmlns="{_OPERATIONS}">\r\n'
        "<GroupPolicyObject><SecurityGroups/><FilePaths/>"
        f"<GroupPolicyCoreSettings>{core}</GroupPolicyCoreSettings>\r\n"
        f"{''.join(parts)}"
        "</GroupPolicyObject>\r\n</GroupPolicyBackupScheme>"
    )
    return text.encode()


def _extension(guid: str, name: str, inside: str) -> str:
    start = f'<GroupPolicyExtension bkp:ID="{guid}" bkp:DescName="{name}">'
    return f"{start}{inside}</GroupPolicyExtension>\r\n"


def _file(identity: Identity, path: str, more: str) -> str:
    server = identity.controller or identity.domain
    share = rf"\\{server}\sysvol\{identity.domain}\Policies\{identity.gpo_id}\Machine"
    return (
        f'<FSObjectFile bkp:Path="%GPO_MACH_FSPATH%\\{path}" '
        f"bkp:SourceExpandedPath={quoteattr(share + chr(92) + path)}{more} "
        f'bkp:Location="DomainSysvol\\GPO\\Machine\\{path}"/>'
    )


def _descriptor() -> bytes:
    """Of the policy object: administrators and the system change it, computers and users read and
    apply it. An import does not use it; a restore would."""
    read, full, apply = 0x0002_0094, 0x000F_00FF, 0x0000_0100
    inherit = AceFlags.CONTAINER_INHERIT
    users = WellKnownSid.AUTHENTICATED_USERS
    enterprise_controllers = Sid(5, (9,))
    apply_group_policy = guid_from_text("edacfd8f-ffb3-11d1-b41d-00a0c968f939")
    body = apply.to_bytes(4, "little") + b"\1\0\0\0" + apply_group_policy + users.encode()
    allowed = [
        (full, WellKnownSid.BUILTIN_ADMINISTRATORS),
        (full, WellKnownSid.LOCAL_SYSTEM),
        (read, users),
        (read, enterprise_controllers),
    ]
    aces: list[Ace | RawAce] = [RawAce(AceType.ACCESS_ALLOWED_OBJECT, inherit, body)]
    aces += [Ace(AceType.ACCESS_ALLOWED, inherit, mask, sid) for mask, sid in allowed]
    control = Control.SELF_RELATIVE | Control.DACL_PRESENT | Control.DACL_PROTECTED
    return SecurityDescriptor(dacl=Acl(aces, acl_revision=4), control=control).encode()


def report_xml(identity: Identity, inside: Inside) -> bytes:
    """gpreport.xml of a new backup: what the console shows as its settings."""
    extensions = ""
    if inside.template_values:
        options = "".join(map(_security_option, inside.template_values))
        extensions += _report_extension("Security", "SecuritySettings", options)
    if inside.registry_values:
        settings = "".join(map(_registry_setting, inside.registry_values))
        extensions += _report_extension("Registry", "RegistrySettings", settings)
    version = "<VersionDirectory>{0}</VersionDirectory><VersionSysvol>{0}</VersionSysvol>"
    text = (
        '<?xml version="1.0" encoding="utf-16"?>\r\n'
        '<GPO xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xmlns="{_SETTINGS}"><Identifier>'
        f'<Identifier xmlns="{_TYPES}">{identity.gpo_id}</Identifier>'
        f'<Domain xmlns="{_TYPES}">{escape(identity.domain)}</Domain></Identifier>'
        f"<Name>{escape(identity.name)}</Name>"
        f"<Computer>{version.format(1)}<Enabled>true</Enabled>{extensions}</Computer>"
        f"<User>{version.format(0)}<Enabled>true</Enabled></User></GPO>"
    )
    return b"\xff\xfe" + text.encode("utf-16-le")


def _report_extension(name: str, kind: str, inside: str) -> str:
    return (
        f'<ExtensionData><Extension xmlns:q1="{_SETTINGS}/{name}" xsi:type="q1:{kind}">'
        f"{inside}</Extension><Name>{name}</Name></ExtensionData>"
    )


def _security_option(value: RegistryValue) -> str:
    setting = setting_at(value.key, value.name)
    name = setting.display_name if setting else f"{value.key}\\{value.name}"
    path = _legal(f"MACHINE\\{value.key}\\{value.name}")
    meaning = value.meaning()
    shown = f"<q1:DisplayString>{_legal(_plain(meaning))}</q1:DisplayString>"
    setting_text = f"<q1:SettingString>{_legal(_plain(meaning))}</q1:SettingString>"
    if isinstance(meaning, int):
        setting_text = f"<q1:SettingNumber>{meaning}</q1:SettingNumber>"
        shown = f"<q1:DisplayNumber>{meaning}</q1:DisplayNumber>"
        if setting and setting.kind == "boolean":
            shown = f"<q1:DisplayBoolean>{str(meaning != 0).lower()}</q1:DisplayBoolean>"
    return (
        f"<q1:SecurityOptions><q1:KeyName>{path}</q1:KeyName>{setting_text}"
        f"<q1:Display><q1:Name>{_legal(name)}</q1:Name><q1:Units/>{shown}</q1:Display>"
        "</q1:SecurityOptions>"
    )


def _registry_setting(value: RegistryValue) -> str:
    meaning: Data
    try:
        meaning = value.meaning()
    except UserError:
        meaning = value.data
    text = f"<q1:String>{_legal(_plain(meaning))}</q1:String>"
    if isinstance(meaning, int):
        text = f"<q1:Number>{meaning}</q1:Number>"
    return (
        f"<q1:RegistrySetting><q1:KeyPath>{_legal(value.key)}</q1:KeyPath>"
        f"<q1:Value><q1:Name>{_legal(value.name)}</q1:Name>{text}</q1:Value>"
        "</q1:RegistrySetting>"
    )


def _plain(meaning: Data) -> str:
    if isinstance(meaning, bytes):
        return meaning.hex()
    if isinstance(meaning, list):
        return "\n".join(meaning)
    return str(meaning)


def _legal(text: str) -> str:
    """Escaped, with U+FFFD for what XML can not carry."""
    return escape(_ILLEGAL.sub("\ufffd", text))
