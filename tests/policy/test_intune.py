"""Intune OMA-URI rows: CSV and JSON, every CSP row, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from paraph.errors import UserError
from paraph.policy.intune import create, decode
from paraph.policy.registry_value import RegistryDeletion, RegistryValue, encode_data
from paraph.policy.setting import Setting, State
from paraph.policy.settings import SETTINGS

SAMPLES = Path(__file__).parent / "samples"
SERVER = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"
AREA = "./Device/Vendor/MSFT/Policy/Config/"
ALWAYS = (
    AREA + "LocalPoliciesSecurityOptions/MicrosoftNetworkServer_DigitallySignCommunicationsAlways"
)


def dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, 4, encode_data(4, number))


def rows(*cells: str) -> bytes:
    return "\n".join(["OMA-URI,Value", *cells, ""]).encode()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "setting", [each for each in SETTINGS if each.mdm_uri], ids=lambda each: each.key
)
def test_every_csp_row_goes_both_ways(setting: Setting, as_json: bool) -> None:
    value = setting.to_registry(State(setting.strongest))
    assert value is not None
    document = create(as_json=as_json)
    assert document.apply([value]) == []
    data = document.encode()
    assert setting.mdm_uri.encode() in data
    assert decode(data, "x").changes() == [value]


def test_a_new_csv_is_what_intune_imports() -> None:
    document = create()
    document.apply([dword(SERVER, "RequireSecuritySignature", 1)])
    (row,) = csv.DictReader(io.StringIO(document.encode().decode("utf-8-sig")))
    assert list(row) == ["Name", "Description", "OMA-URI", "Data type", "Value"]
    assert (row["OMA-URI"], row["Data type"], row["Value"]) == (ALWAYS, "Integer", "1")


def test_a_new_json_is_a_profile_of_graph() -> None:
    document = create(as_json=True, name="Laptops")
    document.apply([dword(SERVER, "RequireSecuritySignature", 1)])
    whole = json.loads(document.encode())
    assert whole["@odata.type"] == "#microsoft.graph.windows10CustomConfiguration"
    assert whole["displayName"] == "Laptops"
    (row,) = whole["omaSettings"]
    assert row["@odata.type"] == "#microsoft.graph.omaSettingInteger"
    assert (row["omaUri"], row["value"]) == (ALWAYS, 1)


@pytest.mark.parametrize("uri", [ALWAYS, ALWAYS.upper(), ALWAYS.replace("./Device", ".")])
def test_a_row_is_found_however_it_is_spelled(uri: str) -> None:
    assert decode(rows(f"{uri},1"), "x").changes() == [dword(SERVER, "RequireSecuritySignature", 1)]


def test_other_rows_are_kept_and_told() -> None:
    for uri in (
        AREA + "LanmanServer/EnableMailslots",
        AREA + "DeviceLock/X",
        AREA + "LocalPoliciesSecurityOptions/Accounts_LimitLocalAccountUseOfBlankPasswords",
        "./Vendor/MSFT/Firewall/X",
    ):
        document = decode(rows(f"{uri},1"), "x")
        assert document.changes() == []
        assert document.notes() == [f"{uri} is kept, and ignored."]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"Name,Value\nx,1\n", "the columns OMA-URI and Value are missing"),
        (b"OMA-URI,Value,VALUE\nx,1,1\n", "the columns"),
        (rows(), "no row with an OMA-URI"),
        (rows(f"{ALWAYS},1")[:-1], "no line end"),
        (rows(f"{ALWAYS}"), "row 1: there are 1 cells instead of 2"),
        (rows(",1"), "row 1: the OMA-URI is missing"),
        (rows(f"{ALWAYS},1", f"{ALWAYS},yes"), "row 2: .* takes an integer, not 'yes'"),
        (rows(f"{ALWAYS},2"), "row 1: .* does not take 2"),
        (rows(f"{ALWAYS},-1"), "row 1: .* takes an integer"),
        (rows(f"{ALWAYS},99999999999"), "row 1: .* takes an integer"),
        (rows(f"{ALWAYS},1", f"{ALWAYS},0"), "row 2: .* is set again"),
        (rows(f"{ALWAYS}s,1"), "row 1: there is no .* Did you mean"),
        (rows(f"{AREA}LanmanServer/MinSmb3Dialect,785"), "there is no .*MinSmb2Dialect"),
        (rows(f'"{ALWAYS},1'), "is no CSV"),
        (b"{", "is no JSON"),
        (b"[" * 50_000, "is no JSON"),
        (b"{}", "no list 'omaSettings'"),
        (b'{"omaSettings": {}}', "no list 'omaSettings'"),
        (b"[1]", "no list 'omaSettings'"),
        (b"[{}]", "row 1: the OMA-URI is missing"),
        (b'[{"omaUri": 1}]', "row 1: the OMA-URI is missing"),
        (json.dumps([{"omaUri": ALWAYS, "value": True}]).encode(), "takes an integer, not True"),
        (json.dumps([{"omaUri": ALWAYS, "value": 1.0}]).encode(), "takes an integer, not 1.0"),
        (json.dumps([{"omaUri": ALWAYS}]).encode(), "takes an integer, not None"),
    ],
)
def test_damage_is_named_with_its_row(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^bad.*{message}"):
        decode(data, "bad")


def test_rows_are_changed_and_taken_out() -> None:
    data = (SAMPLES / "intune.csv").read_bytes()
    document = decode(data, "x")
    document.apply([dword(SERVER, "RequireSecuritySignature", 0)])
    changed = data.replace(b"CommunicationsAlways,Integer,1", b"CommunicationsAlways,Integer,0", 1)
    assert document.encode().replace(b"\r\n", b"\n") == changed
    assert document.apply([RegistryDeletion(SERVER, "RequireSecuritySignature")]) == []
    assert ALWAYS.encode() not in document.encode()


def test_what_no_oma_uri_says_is_said() -> None:
    document = create()
    notes = document.apply(
        [
            dword(SERVER, "EncryptData", 1),
            dword(SERVER, "RequireSecuritySignature", 7),
            RegistryDeletion(SERVER, None),
        ]
    )
    assert [note.split(":")[0][:22] for note in notes] == [
        "Intune has no OMA-URI ",
        "Intune does not take t",
        "Intune can not delete ",
    ]
    assert document.rows == []
