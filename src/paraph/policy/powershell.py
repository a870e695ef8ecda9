"""PowerShell scripts of Set-SmbServerConfiguration and Set-SmbClientConfiguration.

Written: one command for each side with a parameter for each value of the machine's own
`Parameters` keys that has one, then Set-ItemProperty, Remove-ItemProperty and Remove-Item for the
rest. Read: scripts of these commands with literal arguments. Nothing is ever evaluated: a
variable, an expression, a pipeline or any other command is a UserError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from paraph.errors import UserError
from paraph.policy.changes import (
    described,
    final_value,
    multi_sz,
    multi_sz_items,
    net,
    value_identity,
)
from paraph.policy.lines import (
    ANSI,
    UTF8,
    UTF8_BOM,
    UTF16,
    check_text,
    decode_text,
    encode_text,
    fail,
)
from paraph.policy.powershell_syntax import (
    Array,
    Command,
    Literal,
    Octets,
    has_variable_path,
    parse_script,
    quoted,
)
from paraph.policy.registry_value import (
    TYPE_NAMES,
    Change,
    RegistryDeletion,
    RegistryValue,
    RegType,
    encode_data,
    without_hive,
)
from paraph.policy.setting import DIALECT_PARAMETER, Setting
from paraph.policy.settings import SETTINGS, setting_at

_CMDLETS = {
    name.casefold(): name for name in ("Set-SmbServerConfiguration", "Set-SmbClientConfiguration")
}
#: (cmdlet, parameter), both in lower case -> the setting.
_PARAMETERS = {
    (setting.cmdlet.casefold(), setting.powershell.casefold()): setting
    for setting in SETTINGS
    if setting.powershell
}
_COMMON = {"force", "confirm", "verbose", "erroraction", "cimsession", "throttlelimit"}

#: Parameters of the cmdlets that are about other things than the settings here.
_OTHERS = {
    "set-smbserverconfiguration": (
        "AnnounceComment AnnounceServer AsynchronousCredits AutoDisconnectTimeout AutoShareServer "
        "AutoShareWorkstation CachedOpenLimit DisableCompression "
        "DisableSmbEncryptionOnSecureConnection DurableHandleV2TimeoutInSeconds "
        "EnableAuthenticateUserSharing EnableDirectoryHandleLeasing EnableDownlevelTimewarp "
        "EnableForcedLogoff EnableLeasing EnableMailslots EnableMultiChannel EnableOplocks "
        "EnableSMB1Protocol EnableSMB2Protocol EnableSMBQUIC EnableStrictNameChecking "
        "EncryptionCiphers IrpStackSize KeepAliveTime MaxChannelPerSession MaxMpxCount "
        "MaxSessionPerConnection MaxThreadsPerQueue MaxWorkItems NullSessionPipes "
        "NullSessionShares OplockBreakWait PendingClientTimeoutInSeconds RequestCompression "
        "RestrictNamedpipeAccessViaQuic ServerHidden Smb2CreditsMax Smb2CreditsMin "
        "TreatHostAsStableStorage ValidateAliasNotCircular ValidateShareScope "
        "ValidateShareScopeNotAliased ValidateTargetName"
    ),
    "set-smbclientconfiguration": (
        "CompressibilitySamplingSize CompressibleThreshold ConnectionCountPerRssNetworkInterface "
        "DirectoryCacheEntriesMax DirectoryCacheEntrySizeMax DirectoryCacheLifetime "
        "DisableCompression DormantFileLimit EnableBandwidthThrottling "
        "EnableByteRangeLockingOnReadOnlyFiles EnableCompressibilitySampling EnableLargeMtu "
        "EnableLoadBalanceScaleOut EnableMailslots EnableMultiChannel EnableSMBQUIC "
        "EncryptionCiphers ExtendedSessionTimeout FileInfoCacheEntriesMax FileInfoCacheLifetime "
        "FileNotFoundCacheEntriesMax FileNotFoundCacheLifetime ForceSMBEncryptionOverQuic "
        "KeepConn MaxCmds MaximumConnectionCountPerServer OplocksDisabled RequestCompression "
        "SessionTimeout SkipCertificateCheck UseOpportunisticLocking WindowSizeThreshold"
    ),
}
_OTHER_NAMES = {name: set(text.casefold().split()) for name, text in _OTHERS.items()}

_KINDS = {
    "string": RegType.SZ,
    "expandstring": RegType.EXPAND_SZ,
    "binary": RegType.BINARY,
    "dword": RegType.DWORD,
    "multistring": RegType.MULTI_SZ,
    "qword": RegType.QWORD,
}
_KIND_NAMES = {
    RegType.SZ: "String",
    RegType.EXPAND_SZ: "ExpandString",
    RegType.BINARY: "Binary",
    RegType.DWORD: "DWord",
    RegType.MULTI_SZ: "MultiString",
    RegType.QWORD: "QWord",
}
_PROVIDER = re.compile(
    r"(?:Microsoft\.PowerShell\.Core\\)?(?:Registry::HKEY_LOCAL_MACHINE|HKLM:)[\\/](.+)",
    re.IGNORECASE,
)

_HEADER = (
    "#Requires -RunAsAdministrator\r\n"
    "# SMB settings of this computer. Paraph reads this file back, so keep to literal values.\r\n"
)


@dataclass(slots=True)
class _Effect:
    """What one argument or command does, and where its literal stands, to change it in place."""

    change: Change
    start: int
    end: int
    setting: Setting | None = None  #: of a parameter of a Set-Smb cmdlet


@dataclass(slots=True)
class PowerShellScript:
    """A script as its text, and what it does."""

    text: str
    encoding: str
    effects: list[_Effect] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def changes(self) -> list[Change]:
        """What the script does to the registry, in order."""
        return [effect.change for effect in self.effects]

    def notes(self) -> list[str]:
        """Sentences about what the script says and `changes` does not."""
        return list(self.ignored)

    def get(self, key: str, name: str) -> RegistryValue | None:
        """What the value is after the script, or None."""
        return final_value(self.changes(), key, name)

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write changes into the script: in place where a parameter has the value, else at its
        end. Returns sentences on what a script can not do."""
        notes: list[str] = []
        added: list[str] = []
        open_: dict[str, int] = {}  #: cmdlet -> its line in `added` that takes parameters
        # What deletions of keys were to delete is not among the net changes: they can come first.
        for change in sorted(net(changes), key=lambda each: each.name is not None):
            try:
                self._apply(change, added, open_)
            except UserError as error:
                where = described(change)
                notes.append(str(error) if where in str(error) else f"{where}: {error}")
        for at in open_.values():
            added[at] += " -Force"
        if added:
            end = "\r\n" if "\r\n" in self.text or not self.text else "\n"
            made = self.text + "".join(line + end for line in added)
            self.text = made
            self._again()
        return notes

    def remove(self, key: str, name: str) -> bool:
        """Not Defined: the script says nothing about the value. False where it was so."""
        identity = RegistryValue(key, name, 0, b"").identity
        own = [each for each in self.effects if value_identity(each.change) == identity]
        for effect in reversed(own):
            start, end = effect.start, effect.end
            if effect.setting is not None:
                start = self.text.rfind("-", 0, start)
                while self.text[end : end + 1] == " ":
                    end += 1
            self.text = self.text[:start] + self.text[end:]
            line = self.text.rfind("\n", 0, start) + 1
            after = self.text.find("\n", start) + 1
            if not self.text[line:after].strip():
                self.text = self.text[:line] + self.text[after:]
        if own:
            self._again()
        return bool(own)

    def encode(self) -> bytes:
        """The file. Of a script that was read and not changed: the same bytes."""
        return encode_text(self.text, self.encoding)

    def _apply(self, change: Change, added: list[str], open_: dict[str, int]) -> None:
        setting = setting_at(change.key, change.name) if change.name is not None else None
        text = _argument(setting, change) if setting else None
        if setting is None or text is None:
            if not self._says(change):
                added += _item_property(change)
            return
        own = [each for each in self.effects if each.setting is setting]
        if not own:
            at = open_.get(setting.cmdlet)
            if at is None:
                at = open_[setting.cmdlet] = len(added)
                added.append(setting.cmdlet)
            added[at] += f" -{setting.powershell} {text}"
            return
        effect = own[-1]
        if not _same(effect.change, change):
            self.text = self.text[: effect.start] + text + self.text[effect.end :]
            longer = len(text) - (effect.end - effect.start)
            effect.change = change
            for each in self.effects:
                if each.start > effect.start:
                    each.start += longer
                    each.end += longer
            effect.end += longer
        if isinstance(change, RegistryValue) and not self._says(change):
            added += _item_property(change)  # a later command would undo it

    def _again(self) -> None:
        """After its text changed: what the script does now, and where."""
        again = decode(encode_text(self.text, UTF8), "the script") if self.text else create()
        self.effects, self.ignored = again.effects, again.ignored

    def _says(self, change: Change) -> bool:
        """Whether the script leaves it so already."""
        if not isinstance(change, RegistryValue):
            return False
        found = self.get(change.key, change.name)
        return found is not None and _same(found, change)


def create() -> PowerShellScript:
    """A script that does nothing yet. UTF-8 with a byte order mark, CRLF: Windows PowerShell takes
    a script without one for ANSI."""
    return PowerShellScript(_HEADER, UTF8_BOM)


def decode(data: bytes, source: str) -> PowerShellScript:
    """Read a script. Raises UserError naming `source`, the line and the reason for anything but
    literal commands of this module."""
    text, encoding = decode_text(data, source, (UTF16, UTF8_BOM, UTF8, ANSI))
    check_text(text, source)
    script = PowerShellScript(text, encoding)
    for command in parse_script(text, source):
        name = command.name.casefold()
        if name in _CMDLETS:
            _configuration(script, command, name, source)
        elif name in ("set-itemproperty", "new-itemproperty"):
            _set_value(script, command, source)
        elif name in ("remove-itemproperty", "remove-item"):
            _remove(script, command, name == "remove-item", source)
        else:
            fail(source, command.line, f"'{command.name}' is no command that a policy script has.")
    return script


def _configuration(script: PowerShellScript, command: Command, name: str, source: str) -> None:
    for argument in command.arguments:
        parameter = argument.name.casefold()
        setting = _PARAMETERS.get((name, parameter))
        if setting is not None:
            if argument.value is None:
                fail(source, argument.line, f"-{argument.name} has no value.")
            try:
                change = _change(setting, argument.value)
            except UserError as error:
                fail(source, argument.line, f"-{argument.name}: {error}")
            script.effects.append(_Effect(change, argument.start, argument.end, setting))
        elif parameter in _OTHER_NAMES[name]:
            script.ignored.append(f"-{argument.name} of {command.name} is kept, and ignored.")
        elif parameter not in _COMMON:
            known = [each for cmdlet, each in _PARAMETERS if cmdlet == name]
            near = get_close_matches(parameter, known, n=1)
            hint = f" Did you mean -{_PARAMETERS[name, near[0]].powershell}?" if near else ""
            why = f"{command.name} has no parameter -{argument.name}.{hint}"
            fail(source, argument.line, why)


def _change(setting: Setting, value: object) -> Change:
    """What a parameter's literal does. Raises UserError."""
    number: int | None = None
    if isinstance(value, bool):
        number = int(value) if setting.kind == "boolean" else None
    elif isinstance(value, int):
        number = value
    elif isinstance(value, str) and setting.kind == "dialect":
        if value.casefold() == "none":
            return RegistryDeletion(setting.local_key, setting.registry_value)
        named = {text.casefold(): number for number, text in DIALECT_PARAMETER.items()}
        number = named.get(value.casefold())
    sound = number is not None and setting.read(_dword(setting, number))[1] == ""
    if number is None or not sound:
        raise UserError(f"the value is not one that '{setting.key}' takes.")
    return _dword(setting, number)


def _dword(setting: Setting, number: int) -> RegistryValue:
    if not 0 <= number < 1 << 32:
        raise UserError(f"{number} does not fit into 32 bits.")
    data = encode_data(RegType.DWORD, number)
    return RegistryValue(setting.local_key, setting.registry_value, RegType.DWORD, data)


def _argument(setting: Setting, change: Change) -> str | None:
    """The literal that makes `change` with the setting's parameter; None if there is none."""
    if not setting.powershell or change.key.casefold() != setting.local_key.casefold():
        return None
    if isinstance(change, RegistryDeletion):
        return "None" if setting.kind == "dialect" else None
    if setting.read(change)[1]:
        return None  # not sound: Set-ItemProperty writes it as it is
    number = int.from_bytes(change.data, "little")
    if setting.kind == "boolean":
        return "$true" if number else "$false"
    return DIALECT_PARAMETER[number] if setting.kind == "dialect" else str(number)


def _same(one: Change, other: Change) -> bool:
    if isinstance(one, RegistryValue) and isinstance(other, RegistryValue):
        return (one.type, one.data) == (other.type, other.data)
    return isinstance(one, RegistryDeletion) and isinstance(other, RegistryDeletion)


# Set-ItemProperty and its like


def _arguments(command: Command, allowed: str, source: str) -> dict[str, Literal | None]:
    """By lower-case name; `-Path` and `-LiteralPath` as "path", `-PropertyType` as "type"."""
    found: dict[str, Literal | None] = {}
    for argument in command.arguments:
        name = argument.name.casefold()
        name = {"literalpath": "path", "propertytype": "type"}.get(name, name)
        if name not in allowed.split() or name in found:
            fail(source, argument.line, f"-{argument.name} does not belong here, or stands twice.")
        if argument.name.casefold() == "path" and has_variable_path(argument.value):
            fail(source, argument.line, "-Path takes wildcards: use -LiteralPath.")
        found[name] = argument.value
    return found


def _key(value: Literal | None, command: Command, source: str) -> str:
    match = _PROVIDER.fullmatch(value) if isinstance(value, str) else None
    key = match[1].replace("/", "\\").strip("\\") if match else ""
    if not key:
        fail(source, command.line, r"the path is not below HKLM:\, so it is no machine setting.")
    return key


def _name(value: Literal | None, command: Command, source: str) -> str:
    if not isinstance(value, str) or not value:
        fail(source, command.line, "-Name and the name of a value are missing.")
    return "" if value.casefold() == "(default)" else value


def _set_value(script: PowerShellScript, command: Command, source: str) -> None:
    found = _arguments(command, "path name value type force", source)
    key = _key(found.get("path"), command, source)
    name = _name(found.get("name"), command, source)
    value, kind = found.get("value"), found.get("type")
    if value is None or (kind is None and "type" in found):
        fail(source, command.line, "a value is missing.")
    if isinstance(kind, str) and kind.casefold() in _KINDS:
        type_ = _KINDS[kind.casefold()]
    elif kind is None and not isinstance(value, bool):
        guessed = {int: RegType.DWORD, Array: RegType.MULTI_SZ, Octets: RegType.BINARY}
        type_ = guessed.get(type(value), RegType.SZ)
    else:
        fail(source, command.line, f"'{kind}' is no type of a registry value.")
    data = _data(type_, value)
    if data is None:
        fail(source, command.line, f"the value is no {TYPE_NAMES[type_]}.")
    change = RegistryValue(key, name, type_, data)
    script.effects.append(_Effect(change, command.start, command.end))


def _data(type_: int, value: Literal) -> bytes | None:
    if isinstance(value, int) and not isinstance(value, bool):
        bits = {RegType.DWORD: 32, RegType.QWORD: 64}.get(type_, 0)
        fits = bits and -(1 << (bits - 1)) <= value < 1 << bits
        return encode_data(type_, value & ((1 << bits) - 1)) if fits else None
    if isinstance(value, str) and type_ in (RegType.SZ, RegType.EXPAND_SZ):
        return encode_data(type_, str(value))
    if isinstance(value, Octets):
        return value.data if type_ == RegType.BINARY else None
    if type_ == RegType.MULTI_SZ and isinstance(value, str):
        return multi_sz([value])
    if type_ == RegType.MULTI_SZ and isinstance(value, Array):
        return multi_sz(value.items)
    return None


def _remove(script: PowerShellScript, command: Command, whole: bool, source: str) -> None:
    allowed = "path recurse force confirm" if whole else "path name force confirm"
    found = _arguments(command, allowed + " erroraction", source)
    key = _key(found.get("path"), command, source)
    name = None if whole else _name(found.get("name"), command, source)
    change = RegistryDeletion(key, name)
    script.effects.append(_Effect(change, command.start, command.end))


def _item_property(change: Change) -> list[str]:
    """The lines that make `change`. Raises UserError for what a script can not do."""
    path = quoted("HKLM:\\" + change.key)
    name = "" if change.name is None else quoted(change.name or "(default)")
    ignore = "-Force -ErrorAction SilentlyContinue"
    if "/" in change.key or without_hive(change.key) != change.key:
        raise UserError(f"PowerShell can not name the key {change.key}.")
    if change.name is not None and change.name.casefold() == "(default)":
        raise UserError(f"PowerShell takes the name of {described(change)} for another value.")
    if isinstance(change, RegistryDeletion):
        if change.values_only:
            raise UserError(f"A script can not delete all values of {change.key} literally.")
        if change.name is None:
            return [f"Remove-Item -LiteralPath {path} -Recurse {ignore}"]
        return [f"Remove-ItemProperty -LiteralPath {path} -Name {name} {ignore}"]
    if change.type not in _KIND_NAMES:
        kind = TYPE_NAMES.get(change.type, f"type {change.type}")
        raise UserError(f"PowerShell can not write {described(change)}: it has no {kind}.")
    return [
        f"if (-not (Test-Path -LiteralPath {path})) {{ New-Item -Path {path} -Force | Out-Null }}",
        f"Set-ItemProperty -LiteralPath {path} -Name {name} -Value {_value_text(change)} "
        f"-Type {_KIND_NAMES[change.type]}",
    ]


def _value_text(value: RegistryValue) -> str:
    if value.type == RegType.BINARY:
        return f"([byte[]]@({','.join(f'0x{octet:02X}' for octet in value.data)}))"
    if value.type == RegType.MULTI_SZ:
        items = multi_sz_items(value)
        if multi_sz(items) != value.data:
            raise UserError(f"{described(value)} is a list of strings without its end.")
        return f"@({','.join(map(quoted, items))})"
    meaning = value.meaning()
    if isinstance(meaning, int):
        signed = 31 if value.type == RegType.DWORD else 63
        digits = (signed + 1) // 4
        return str(meaning) if meaning < 1 << signed else f"0x{meaning:0{digits}X}"
    assert isinstance(meaning, str)
    if encode_data(value.type, meaning) != value.data:
        raise UserError(f"{described(value)} is a string that does not end with one NUL.")
    return quoted(meaning)
