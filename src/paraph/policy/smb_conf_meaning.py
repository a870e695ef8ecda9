"""What the parameters of smb.conf mean as registry values, and the reverse.

The words each parameter takes and their meanings are those of smb.conf(5) of Samba 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from paraph.policy.catalogue import CLIENT_KEY, SERVER_KEY
from paraph.policy.changes import described
from paraph.policy.registry_value import RegistryValue, RegType, encode_data, fold
from paraph.policy.settings import setting_at

Parameters = dict[str, str | None]
"""The parameters of `[global]` by the names of `PARAMETERS`; None where there is none."""

_OFF = ("no", "false", "0", "off", "disabled")
_AUTO = ("if_required", "yes", "true", "1", "on", "enabled", "auto")
_MUST = ("mandatory", "force", "forced", "enforced", "required")

_SIGNING = {
    "default": "default",
    "desired": "desired",
    **dict.fromkeys(_OFF, "off"),
    **dict.fromkeys(_AUTO, "auto"),
    **dict.fromkeys(_MUST, "required"),
}
_ENCRYPTION = _SIGNING

#: Dialects by the number of MinSmb2Dialect; 0 is all that is older than SMB2.
_PROTOCOLS = {
    "smb3": 0x0311,
    "smb3_11": 0x0311,
    "smb3_02": 0x0302,
    "smb3_00": 0x0300,
    "smb2": 0x0210,
    "smb2_10": 0x0210,
    "smb2_02": 0x0202,
    **dict.fromkeys(("nt1", "lanman2", "lanman1", "core", "coreplus", "core+"), 0),
}
_PROTOCOL_NAMES = {
    0x0202: "SMB2_02",
    0x0210: "SMB2_10",
    0x0300: "SMB3_00",
    0x0302: "SMB3_02",
    0x0311: "SMB3_11",
}
_PROTOCOL_WORDS = {**dict.fromkeys(_PROTOCOLS, ""), "default": ""}
_KERBEROS = dict.fromkeys(("desired", "auto", "yes", "required", "no", "disabled", "off"), "")
_GUEST = dict.fromkeys(("never", "bad user", "bad password", "bad uid"), "")
_ANY: dict[str, str] = {}

#: Name -> the words it takes, in lower case; none for any text. Names as `plain` makes them.
PARAMETERS: dict[str, dict[str, str]] = {
    "serversigning": _SIGNING,
    "clientsigning": _SIGNING,
    "clientipcsigning": _SIGNING,
    "serversmbencrypt": _ENCRYPTION,
    "clientsmbencrypt": _ENCRYPTION,
    "serverminprotocol": _PROTOCOL_WORDS,
    "servermaxprotocol": _PROTOCOL_WORDS,
    "clientminprotocol": _PROTOCOL_WORDS,
    "clientmaxprotocol": _PROTOCOL_WORDS,
    "clientusekerberos": _KERBEROS,
    "maptoguest": _GUEST,
    "guestok": _ANY,
    "serversmb3signingalgorithms": _ANY,
    "clientsmb3signingalgorithms": _ANY,
    "serversmb3encryptionalgorithms": _ANY,
    "clientsmb3encryptionalgorithms": _ANY,
    "clientipcminprotocol": _ANY,
    "clientipcmaxprotocol": _ANY,
}
#: How to write the names.
NAMES = {
    "serversigning": "server signing",
    "clientsigning": "client signing",
    "clientipcsigning": "client ipc signing",
    "serversmbencrypt": "server smb encrypt",
    "clientsmbencrypt": "client smb encrypt",
    "serverminprotocol": "server min protocol",
    "servermaxprotocol": "server max protocol",
    "clientminprotocol": "client min protocol",
    "clientmaxprotocol": "client max protocol",
    "clientusekerberos": "client use kerberos",
}
SYNONYMS = {
    "smbencrypt": "serversmbencrypt",
    "minprotocol": "serverminprotocol",
    "maxprotocol": "servermaxprotocol",
    "protocol": "servermaxprotocol",
    "public": "guestok",
}
#: Of shares: what no registry value says.
SHARE_NOTES = {
    "serversmbencrypt": "'server smb encrypt' of a share is a property of the share in Windows "
    "(Set-SmbShare -EncryptData), not one of these settings.",
    "guestok": "'guest ok' is about who may use the share, which the settings here do not say.",
}
_GLOBAL_NOTES = {
    "clientipcsigning": "'client ipc signing' can not be expressed: Windows has no signing "
    "setting of its own for IPC$.",
    "guestok": "'guest ok' is about who may use shares, which the settings here do not say.",
    "serversmb3signingalgorithms": "'server smb3 signing algorithms' can not be expressed: "
    "Windows has no setting for signing algorithms.",
    "clientsmb3signingalgorithms": "'client smb3 signing algorithms' can not be expressed: "
    "Windows has no setting for signing algorithms.",
    "serversmb3encryptionalgorithms": "'server smb3 encryption algorithms' is -EncryptionCiphers "
    "in Windows, which is not one of these settings.",
    "clientsmb3encryptionalgorithms": "'client smb3 encryption algorithms' is -EncryptionCiphers "
    "in Windows, which is not one of these settings.",
    "clientipcminprotocol": "'client ipc min protocol' can not be expressed: Windows has no "
    "setting of its own for IPC$.",
    "clientipcmaxprotocol": "'client ipc max protocol' can not be expressed: Windows has no "
    "setting of its own for IPC$.",
}

_Found = tuple[list[RegistryValue], list[str]]


def plain(name: str) -> str:
    """A parameter or section name for comparison: blanks and case do not count."""
    return "".join(name.split()).casefold()


def _dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, RegType.DWORD, encode_data(RegType.DWORD, number))


# From smb.conf


def meaning(parameters: Parameters) -> _Found:
    """(registry values, sentences on what they do not say) of `[global]`."""
    values: list[RegistryValue] = []
    notes: list[str] = []
    for name, text in parameters.items():
        if text is None:
            continue
        reader = _READERS.get(name)
        if reader is not None:
            more, said = reader(name, text.casefold())
            values += more
            notes += said
        elif name in _GLOBAL_NOTES:
            notes.append(_GLOBAL_NOTES[name])
    guest = parameters.get("maptoguest")
    if guest is not None and guest.casefold() != "never":
        notes.append(
            f"'map to guest = {guest}' can not be expressed: it lets the server take failed "
            "logons for a guest, whose session is never signed."
        )
    return values, notes


def _read_signing(name: str, text: str) -> _Found:
    server = name == "serversigning"
    key = SERVER_KEY if server else CLIENT_KEY
    word = _SIGNING[text]
    shown = NAMES[name]
    if word == "default":
        default = (
            "is 'required' on an Active Directory domain controller and 'disabled' elsewhere"
            if server
            else "is 'desired'"
        )
        return [], [f"'{shown} = default' sets nothing; Samba's default {default}."]
    require, enable = int(word == "required"), int(word != "off")
    values = [
        _dword(key, "RequireSecuritySignature", require),
        _dword(key, "EnableSecuritySignature", enable),
    ]
    if word == "off":
        return values, [
            f"'{shown} = {text}' does not switch signing off for SMB 2 and 3, where it can not be "
            "disabled: Samba takes it for 'auto', and signs when the other side asks for it."
        ]
    return values, []


def _read_server_encryption(name: str, text: str) -> _Found:
    word = _ENCRYPTION[text]
    if word in ("required", "desired"):
        reject = int(word == "required")
        return [
            _dword(SERVER_KEY, "EncryptData", 1),
            _dword(SERVER_KEY, "RejectUnencryptedAccess", reject),
        ], []
    notes = []
    if word == "off":
        notes.append(
            f"'server smb encrypt = {text}' also refuses encryption to clients that ask for it, "
            "which can not be expressed."
        )
    return [_dword(SERVER_KEY, "EncryptData", 0)] if word != "default" else [], notes


def _read_client_encryption(name: str, text: str) -> _Found:
    word = _ENCRYPTION[text]
    notes = []
    if word == "desired":
        notes.append(
            "'client smb encrypt = desired' encrypts where the server can; Windows has no such "
            "setting between required and not required."
        )
    elif word == "off":
        notes.append(
            f"'client smb encrypt = {text}' also refuses encryption that a server demands, which "
            "can not be expressed."
        )
    required = int(word == "required")
    values = [_dword(CLIENT_KEY, "RequireEncryption", required)] if word != "default" else []
    return values, notes


def _read_protocol(name: str, text: str) -> _Found:
    key = SERVER_KEY if name.startswith("server") else CLIENT_KEY
    lower = "min" in name
    if text == "default":
        return [], []
    number = _PROTOCOLS[text]
    if number:
        return [_dword(key, "MinSmb2Dialect" if lower else "MaxSmb2Dialect", number)], []
    if lower:
        return [_dword(key, "MinSmb2Dialect", 0x0202)], [
            f"'{NAMES[name]} = {text.upper()}' allows SMB1; the lower bound of Windows is about "
            "SMB 2 and 3 only, and SMB1 is a feature to install there."
        ]
    return [], [
        f"'{NAMES[name]} = {text.upper()}' switches SMB 2 and 3 off, which can not be expressed."
    ]


def _read_kerberos(name: str, text: str) -> _Found:
    required = text in ("yes", "required")
    return ([_dword(CLIENT_KEY, "BlockNTLM", 1)] if required else []), []


_READERS: dict[str, Callable[[str, str], _Found]] = {
    "serversigning": _read_signing,
    "clientsigning": _read_signing,
    "serversmbencrypt": _read_server_encryption,
    "clientsmbencrypt": _read_client_encryption,
    "serverminprotocol": _read_protocol,
    "servermaxprotocol": _read_protocol,
    "clientminprotocol": _read_protocol,
    "clientmaxprotocol": _read_protocol,
    "clientusekerberos": _read_kerberos,
}


# To smb.conf


class _View:
    """The settings that the values hold, the policy key first, as Windows reads them."""

    def __init__(
        self, values: Mapping[tuple[str, str], RegistryValue], touched: set[tuple[str, str]]
    ) -> None:
        self._values = values
        self._touched = touched
        self.notes: list[str] = []
        self.used: set[tuple[str, str]] = set()

    def get(self, key: str, name: str) -> tuple[int | None, bool]:
        """(number, or None if not defined; whether it is to be written)."""
        setting = setting_at(key, name)
        assert setting is not None
        places = [(fold(each), fold(name)) for each in setting.keys]
        self.used.update(places)
        touched = any(place in self._touched for place in places)
        for place in places:
            if place in self._values:
                state, remark = setting.read(self._values[place])
                if remark and touched:
                    self.notes.append(remark)
                return state.value, touched
        return None, touched


def text_for(
    values: Mapping[tuple[str, str], RegistryValue],
    touched: set[tuple[str, str]],
    before: Parameters,
) -> tuple[dict[str, str | None], list[str]]:
    """(parameters by the names to write, sentences on what can not be expressed) for `values`, of
    which only those in `touched` are to be written into a file that says `before`."""
    view = _View(values, touched)
    after: dict[str, str | None] = {}
    for name in ("serversigning", "clientsigning"):
        _write_signing(view, name, before, after)
    _write_server_encryption(view, before, after)
    required, write = view.get(CLIENT_KEY, "RequireEncryption")
    if write:
        word = _ENCRYPTION.get((before.get("clientsmbencrypt") or "").casefold(), "")
        if required is None:
            after["clientsmbencrypt"] = None
        elif required != (word == "required") or not word:
            after["clientsmbencrypt"] = "required" if required else "if_required"
    for side, key in (("server", SERVER_KEY), ("client", CLIENT_KEY)):
        for bound in ("Min", "Max"):
            number, write = view.get(key, f"{bound}Smb2Dialect")
            name = f"{side}{bound.lower()}protocol"
            said = _PROTOCOLS.get((before.get(name) or "").casefold())
            if write and said == 0 and number == 0x0202 and bound == "Min":
                view.notes.append(
                    f"'{NAMES[name]}' stays, and allows SMB1: the value is not of it."
                )
            elif write and said != (number or -1):
                after[name] = _PROTOCOL_NAMES[number] if number else None
    blocked, write = view.get(CLIENT_KEY, "BlockNTLM")
    if write and bool(blocked) != ((before.get("clientusekerberos") or "").casefold() in _FORCED):
        after["clientusekerberos"] = "required" if blocked else "desired"
    for identity in sorted(touched - view.used):
        value = values.get(identity)
        if value is not None:
            view.notes.append(f"smb.conf has no parameter for {described(value)}.")
    return {NAMES[name]: text for name, text in after.items()}, view.notes


_FORCED = ("yes", "required")


def _write_signing(
    view: _View, name: str, before: Parameters, after: dict[str, str | None]
) -> None:
    key = SERVER_KEY if name == "serversigning" else CLIENT_KEY
    require, write = view.get(key, "RequireSecuritySignature")
    enable, write_enable = view.get(key, "EnableSecuritySignature")
    if not write and not write_enable:
        return
    shown = NAMES[name]
    word = _SIGNING.get((before.get(name) or "").casefold(), "")
    if require is None:
        if enable is not None and not write:
            view.notes.append(
                f"'{shown}' can not say EnableSecuritySignature alone; it is left as it was."
            )
        elif word not in ("", "default"):
            after[name] = None
        return
    if require:
        wanted = "required"
        if enable == 0:
            view.notes.append(
                f"'{shown}' can not require signing without offering it: EnableSecuritySignature "
                "is taken for 1."
            )
    elif enable == 0:
        wanted = "off"
        view.notes.append(
            f"'{shown} = disabled' is about SMB1 only: with SMB 2 and 3 Samba takes it for 'auto'."
        )
    else:
        wanted = "auto"
    if word != wanted and not (wanted == "auto" and word == "desired"):
        words = {"required": "mandatory", "off": "disabled", "auto": "auto"}
        if name == "clientsigning":
            words = {"required": "required", "off": "disabled", "auto": "desired"}
        after[name] = words[wanted]


def _write_server_encryption(view: _View, before: Parameters, after: dict[str, str | None]) -> None:
    encrypt, write = view.get(SERVER_KEY, "EncryptData")
    reject, write_reject = view.get(SERVER_KEY, "RejectUnencryptedAccess")
    if not write and not write_reject:
        return
    word = _ENCRYPTION.get((before.get("serversmbencrypt") or "").casefold(), "")
    if encrypt is None:
        if reject is not None and not write:
            view.notes.append(
                "'server smb encrypt' can not say RejectUnencryptedAccess without EncryptData."
            )
        elif word not in ("", "default"):
            after["serversmbencrypt"] = None
        return
    wanted = ("desired" if reject == 0 else "required") if encrypt else "auto"
    if word != wanted and not (wanted == "auto" and word in ("off", "default")):
        after["serversmbencrypt"] = "if_required" if wanted == "auto" else wanted
