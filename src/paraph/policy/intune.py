"""Intune OMA-URI rows of the policy CSPs LocalPoliciesSecurityOptions, LanmanServer and
LanmanWorkstation, as CSV and as JSON.

CSV: the columns of a custom profile, `Name,Description,OMA-URI,Data type,Value`. JSON: the custom
configuration of Microsoft Graph with its `omaSettings`, or that list alone. A row sets the key
that the CSP writes: the machine's own for the security options, the policy key for the others.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from paraph.errors import UserError
from paraph.policy.changes import described, final_value
from paraph.policy.lines import ANSI, UTF8, UTF8_BOM, UTF16, check_text, decode_text, encode_text
from paraph.policy.registry_value import (
    Change,
    RegistryDeletion,
    RegistryValue,
    RegType,
    encode_data,
    fold,
)
from paraph.policy.setting import Setting
from paraph.policy.settings import SETTINGS

_BY_URI = {setting.mdm_uri.casefold(): setting for setting in SETTINGS if setting.mdm_uri}
_BY_PLACE = {
    (fold(setting.deliver_key), fold(setting.registry_value)): setting
    for setting in _BY_URI.values()
}
_AREA = "./device/vendor/msft/policy/config/"
#: Nodes of the same areas that are about other things.
_OTHERS = {
    "lanmanserver/enablemailslots",
    "lanmanworkstation/enablemailslots",
    "localpoliciessecurityoptions/"
    "microsoftnetworkclient_sendunencryptedpasswordtothirdpartysmbservers",
    "localpoliciessecurityoptions/"
    "microsoftnetworkserver_amountofidletimerequiredbeforesuspendingsession",
    "localpoliciessecurityoptions/microsoftnetworkserver_disconnectclientswhenlogonhoursexpire",
}
_OURS = (
    "lanmanserver/",
    "lanmanworkstation/",
    "localpoliciessecurityoptions/microsoftnetwork",
)

_COLUMNS = ("Name", "Description", "OMA-URI", "Data type", "Value")
_INTEGER = "#microsoft.graph.omaSettingInteger"
_PROFILE = "#microsoft.graph.windows10CustomConfiguration"


@dataclass(slots=True)
class Row:
    """One OMA-URI; `setting` is None for one that is kept and not understood."""

    uri: str
    value: RegistryValue | None
    fields: dict[str, Any] = field(default_factory=dict)  #: of the file


@dataclass(slots=True)
class IntuneRows:
    """A file of rows. `raw` are its bytes as they came, until something is changed."""

    rows: list[Row]
    json: bool
    encoding: str
    raw: bytes | None = None
    columns: list[str] = field(default_factory=lambda: list(_COLUMNS))
    profile: dict[str, Any] | None = None  #: of JSON: what stands around the rows

    def changes(self) -> list[Change]:
        """What the rows set, in order."""
        return [row.value for row in self.rows if row.value is not None]

    def notes(self) -> list[str]:
        """Sentences about what the file says and `changes` does not."""
        return [f"{row.uri} is kept, and ignored." for row in self.rows if row.value is None]

    def get(self, key: str, name: str) -> RegistryValue | None:
        """The value, or None where no row has it."""
        return final_value(self.changes(), key, name)

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write changes into the rows; a deletion takes the row out, which leaves the policy Not
        Defined. Returns sentences on what no OMA-URI can say."""
        notes = []
        for change in changes:
            if isinstance(change, RegistryDeletion):
                if change.name is None or not self.remove(change.key, change.name):
                    notes.append(f"Intune can not delete {described(change)}: no row has it.")
                continue
            setting = _BY_PLACE.get(change.identity)
            if setting is None:
                notes.append(f"Intune has no OMA-URI for {described(change)}.")
            elif setting.read(change)[1]:
                notes.append(f"Intune does not take that value: {setting.read(change)[1]}")
            else:
                self._set(setting, change)
        return notes

    def remove(self, key: str, name: str) -> bool:
        """Take out the row of a value. False where there is none."""
        identity = RegistryValue(key, name, 0, b"").identity
        kept = [row for row in self.rows if not row.value or row.value.identity != identity]
        removed = len(kept) < len(self.rows)
        if removed:
            self.rows, self.raw = kept, None
        return removed

    def encode(self) -> bytes:
        """The file. Of rows that were read and not changed: the same bytes."""
        if self.raw is not None:
            return self.raw
        return encode_text(self._json_text() if self.json else self._csv_text(), self.encoding)

    def _set(self, setting: Setting, value: RegistryValue) -> None:
        number = int.from_bytes(value.data, "little")
        for row in self.rows:
            if row.value is not None and row.value.identity == value.identity:
                if row.value.data != value.data:
                    row.value, self.raw = value, None
                    member = _find(row.fields, "value")
                    text = isinstance(row.fields.get(member), str)
                    row.fields[member] = str(number) if text else number
                return
        fields: dict[str, Any]
        if self.json:
            fields = {
                "@odata.type": _INTEGER,
                "displayName": setting.display_name,
                "description": setting.explanation,
                "omaUri": setting.mdm_uri,
                "value": number,
            }
        else:
            told = (setting.display_name, setting.explanation, setting.mdm_uri, "Integer", number)
            by_name = {_plain(name): str(text) for name, text in zip(_COLUMNS, told, strict=True)}
            fields = {name: by_name.get(_plain(name), "") for name in self.columns}
        self.rows.append(Row(setting.mdm_uri, value, fields))
        self.raw = None

    def _csv_text(self) -> str:
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, self.columns, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(row.fields for row in self.rows)
        return out.getvalue()

    def _json_text(self) -> str:
        rows = [row.fields for row in self.rows]
        whole: Any = rows if self.profile is None else {**self.profile, "omaSettings": rows}
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def create(*, as_json: bool = False, name: str = "SMB settings") -> IntuneRows:
    """A file without rows: CSV, or with `as_json` a profile of Microsoft Graph called `name`."""
    if not as_json:
        return IntuneRows([], False, UTF8_BOM)
    profile = {"@odata.type": _PROFILE, "displayName": name, "description": "", "omaSettings": []}
    return IntuneRows([], True, UTF8, profile=profile)


def decode(data: bytes, source: str) -> IntuneRows:
    """Read CSV or JSON in UTF-8 or UTF-16LE (CSV in ANSI too).

    Raises UserError naming `source`, the row and the reason, also for an OMA-URI of these areas
    that is unknown, and for a value that it does not take.
    """
    text, encoding = decode_text(data, source, (UTF16, UTF8_BOM, UTF8, ANSI))
    is_json = text.lstrip()[:1] in ("{", "[")
    rows = _read_json(text, encoding, source) if is_json else _read_csv(text, encoding, source)
    rows.raw = data
    seen: dict[tuple[str, str], RegistryValue] = {}
    for number, row in enumerate(rows.rows, 1):
        value = row.value
        if value is not None and seen.setdefault(value.identity, value).data != value.data:
            _fail(source, number, f"{row.uri} is set again, to another value.")
    if not rows.rows:
        raise UserError(f"{source} has no row with an OMA-URI.")
    return rows


def _fail(source: str, number: int, why: str) -> None:
    raise UserError(f"{source}, row {number}: {why}")


def _plain(name: str) -> str:
    """A column or member name for comparison."""
    return "".join(each for each in name.casefold() if each.isalnum())


def _find(fields: dict[str, Any], wanted: str) -> str:
    """The name that `fields` have for `wanted`; `wanted` itself if they have none."""
    return next((name for name in fields if _plain(name) == wanted), wanted)


def _read_csv(text: str, encoding: str, source: str) -> IntuneRows:
    check_text(text, source)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise UserError(f"{source} is no CSV: {error}.") from None
    columns = lines[0] if lines else []
    plain = [_plain(name) for name in columns]
    if "omauri" not in plain or "value" not in plain or len(set(plain)) < len(plain):
        raise UserError(f"{source}, line 1: the columns OMA-URI and Value are missing.")
    rows = IntuneRows([], False, encoding, columns=columns)
    for number, cells in enumerate(lines[1:], 1):
        if not cells:
            continue
        if len(cells) != len(columns):
            _fail(source, number, f"there are {len(cells)} cells instead of {len(columns)}.")
        fields: dict[str, Any] = dict(zip(columns, cells, strict=True))
        rows.rows.append(_row(fields, source, number))
    return rows


def _read_json(text: str, encoding: str, source: str) -> IntuneRows:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source} is no JSON: {error}.") from None
    profile = whole if isinstance(whole, dict) else None
    listed = whole.get("omaSettings") if isinstance(whole, dict) else whole
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UserError(f"{source} has no list 'omaSettings'.")
    rows = IntuneRows([], True, encoding, profile=profile)
    for number, fields in enumerate(listed, 1):
        rows.rows.append(_row(fields, source, number))
    return rows


def _row(fields: dict[str, Any], source: str, number: int) -> Row:
    uri = fields.get(_find(fields, "omauri"))
    if not isinstance(uri, str) or not uri.strip():
        _fail(source, number, "the OMA-URI is missing.")
    uri = str(uri).strip()
    plain = uri.casefold()
    for prefix in ("./vendor/", "/device/vendor/"):  # older ways to write ./Device/Vendor
        if plain.startswith(prefix):
            plain = "./device/vendor/" + plain.removeprefix(prefix)
    setting = _BY_URI.get(plain)
    if setting is None:
        node = plain.removeprefix(_AREA)
        if plain.startswith(_AREA) and node.startswith(_OURS) and node not in _OTHERS:
            near = get_close_matches(plain, list(_BY_URI), n=1)
            hint = f" Did you mean {_BY_URI[near[0]].mdm_uri}?" if near else ""
            _fail(source, number, f"there is no {uri}.{hint}")
        return Row(uri, None, fields)
    given = fields.get(_find(fields, "value"))
    value = _number(given)
    if value is None:
        _fail(source, number, f"{uri} takes an integer, not {given!r}.")
    made = RegistryValue(
        setting.deliver_key,
        setting.registry_value,
        RegType.DWORD,
        encode_data(RegType.DWORD, value or 0),
    )
    if setting.read(made)[1]:
        _fail(source, number, f"{uri} does not take {value}.")
    return Row(uri, made, fields)


def _number(given: object) -> int | None:
    """As 32 bits, or None."""
    if isinstance(given, bool):
        return None
    if isinstance(given, str) and given.strip().isascii() and given.strip().isdigit():
        given = int(given) if len(given.strip()) <= 10 else None
    return given if isinstance(given, int) and 0 <= given < 1 << 32 else None
