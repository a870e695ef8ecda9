"""PowerShell scripts: literal commands only, both ways; nothing in a value can become a command."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy.powershell import create, decode
from paraph.policy.registry_value import RegistryDeletion, RegistryValue, encode_data
from paraph.policy.settings import SETTINGS

SERVER = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"
CLIENT = r"SYSTEM\CurrentControlSet\Services\LanmanWorkstation\Parameters"
POLICY = r"SOFTWARE\Policies\Microsoft\Windows\LanmanServer"
SET = "Set-SmbServerConfiguration "
ITEM = r"Set-ItemProperty -LiteralPath 'HKLM:\K' -Name N "


def dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, 4, encode_data(4, number))


def test_a_new_script_uses_the_cmdlets_where_there_is_a_parameter() -> None:
    script = create()
    notes = script.apply(
        [
            dword(SERVER, "RequireSecuritySignature", 1),
            dword(CLIENT, "RequireSecuritySignature", 0),
            dword(SERVER, "MinSmb2Dialect", 0x0311),
            dword(SERVER, "InvalidAuthenticationDelayTimeInMs", 3000),
            dword(SERVER, "EnableW9xSecuritySignature", 1),
            dword(POLICY, "MinSmb2Dialect", 0x0311),
            RegistryDeletion(POLICY, "AuditInsecureGuestLogon"),
            RegistryDeletion(CLIENT, "MaxSmb2Dialect"),
        ]
    )
    assert notes == []
    data = script.encode()
    assert data.startswith(b"\xef\xbb\xbf#Requires -RunAsAdministrator\r\n")
    assert data.decode("utf-8-sig").splitlines()[2:] == [
        "Set-SmbServerConfiguration -RequireSecuritySignature $true -Smb2DialectMin SMB311 "
        "-InvalidAuthenticationDelayTimeInMs 3000 -Force",
        "Set-SmbClientConfiguration -RequireSecuritySignature $false -Smb2DialectMax None -Force",
        f"if (-not (Test-Path -LiteralPath 'HKLM:\\{SERVER}')) "
        f"{{ New-Item -Path 'HKLM:\\{SERVER}' -Force | Out-Null }}",
        f"Set-ItemProperty -LiteralPath 'HKLM:\\{SERVER}' -Name 'EnableW9xSecuritySignature' "
        "-Value 1 -Type DWord",
        f"if (-not (Test-Path -LiteralPath 'HKLM:\\{POLICY}')) "
        f"{{ New-Item -Path 'HKLM:\\{POLICY}' -Force | Out-Null }}",
        f"Set-ItemProperty -LiteralPath 'HKLM:\\{POLICY}' -Name 'MinSmb2Dialect' "
        "-Value 785 -Type DWord",
        f"Remove-ItemProperty -LiteralPath 'HKLM:\\{POLICY}' -Name 'AuditInsecureGuestLogon' "
        "-Force -ErrorAction SilentlyContinue",
    ]


@pytest.mark.parametrize(
    "setting", [each for each in SETTINGS if each.powershell], ids=lambda each: each.key
)
def test_every_parameter_goes_both_ways(setting: object) -> None:
    from paraph.policy.setting import State

    row = next(each for each in SETTINGS if each is setting)
    for number in sorted({row.minimum, row.maximum, row.strongest}):
        value = row.to_registry(State(number), row.local_key)
        assert value is not None
        script = create()
        assert script.apply([value]) == []
        assert f"{row.cmdlet} -{row.powershell} " in script.text
        assert decode(script.encode(), "x").changes() == [value]


@pytest.mark.parametrize(
    ("command", "change"),
    [
        (SET + "-RequireSecuritySignature $TRUE", dword(SERVER, "RequireSecuritySignature", 1)),
        (SET + "-requiresecuritysignature:$false", dword(SERVER, "RequireSecuritySignature", 0)),
        (SET + "-EncryptData 1 -Confirm:$false", dword(SERVER, "EncryptData", 1)),
        (SET + "-Smb2DialectMin 'SMB302' -Force", dword(SERVER, "MinSmb2Dialect", 0x0302)),
        (SET + "-Smb2DialectMin none", RegistryDeletion(SERVER, "MinSmb2Dialect")),
        (ITEM + "-Value 5", dword("K", "N", 5)),
        (ITEM + "-Value 0xFFFFFFFF -Type DWord", dword("K", "N", 0xFFFFFFFF)),
        (ITEM + "-Value -1 -Type DWord", dword("K", "N", 0xFFFFFFFF)),
        (ITEM + "-Value 'it''s'", RegistryValue("K", "N", 1, encode_data(1, "it's"))),
        (ITEM + '-Value "a b"', RegistryValue("K", "N", 1, encode_data(1, "a b"))),
        (ITEM + "-Value word -Type String", RegistryValue("K", "N", 1, encode_data(1, "word"))),
        (
            ITEM + "-Value @('a','b') -Type MultiString",
            RegistryValue("K", "N", 7, encode_data(7, ["a", "b"])),
        ),
        (ITEM + "-Value 'a', 'b'", RegistryValue("K", "N", 7, encode_data(7, ["a", "b"]))),
        (ITEM + "-Value ([byte[]](1,0xff))", RegistryValue("K", "N", 3, b"\1\xff")),
        (ITEM + "-Value 7 -Type QWord", RegistryValue("K", "N", 11, encode_data(11, 7))),
        (r"Remove-ItemProperty HKLM:\K N".replace(" HK", " -Path HK").replace(" N", " -Name N"),
         RegistryDeletion("K", "N")),
        (r"Remove-Item -Path 'HKLM:\K\S' -Recurse -Force", RegistryDeletion("K\\S", None)),
        (
            "Set-ItemProperty `\r\n  -Path Registry::HKEY_LOCAL_MACHINE\\K -Name N `\r\n -Value 1",
            dword("K", "N", 1),
        ),
    ],
)  # fmt: skip
def test_literal_commands_are_read(command: str, change: object) -> None:
    script = decode(f"# x\r\n{command}\r\n".encode(), "x.ps1")
    assert script.changes() == [change]


@pytest.mark.parametrize(
    "command",
    [
        SET + "-RequireSecuritySignature $yes",
        SET + "-RequireSecuritySignature $true.x",
        SET + "-RequireSecuritySignature ($true)",
        SET + "-RequireSecuritySignature",
        SET + "-RequireSecuritySignature 2",
        SET + "-RequireSecuritySignature maybe",
        SET + "-RequireSecuritySignatur $true",
        SET + "-Smb2DialectMin SMB1",
        SET + "-InvalidAuthenticationDelayTimeInMs 50",
        SET + "-WhatIf -EncryptData $true",
        SET + "$true",
        SET + "@parameters",
        SET + "-EncryptData $true | Out-Null",
        SET + "-EncryptData $true > file",
        SET + "-EncryptData $true && calc",
        SET + "-EncryptData $true -Force#",
        "& " + SET,
        "$x = 1",
        "Get-SmbServerConfiguration",
        "Invoke-Expression 'calc'",
        "if ($true) { calc }",
        "{",
        ITEM + "-Value $env:X",
        ITEM + '-Value "$env:X"',
        ITEM + '-Value "a`n"',
        ITEM + "-Value 'open",
        ITEM + "-Value 'a'b",
        ITEM + "-Value 'a'-Force",
        ITEM + "-Value 'a','b",
        ITEM + "-Value 1kb",
        ITEM + "-Value 1e3",
        ITEM + "-Value 5 -Type String",
        ITEM + "-Value x -Type DWord",
        ITEM + "-Value 4294967296",
        ITEM + "-Value 1 -Type Unknown",
        ITEM + "-Value 1 -Value 0",
        ITEM + "-Value ([byte[]](256))",
        ITEM,
        "Set-ItemProperty -LiteralPath HKCU:\\K -Name N -Value 1",
        "Set-ItemProperty -LiteralPath HKLM:\\ -Name N -Value 1",
        "Set-ItemProperty -Path HKLM:\\K* -Name N -Value 1",
        "Set-ItemProperty -Path 'HKLM:\\K[1]' -Name N -Value 1",
        "Set-ItemProperty -LiteralPath HKLM:\\K -Value 1",
        "if (-not (Test-Path -LiteralPath 'HKLM:\\A')) "
        "{ New-Item -Path 'HKLM:\\B' -Force | Out-Null }",
        "<# open",
    ],
)
def test_anything_else_is_refused_by_line(command: str) -> None:
    with pytest.raises(UserError, match=r"^x\.ps1, line 3: "):
        decode(f"# one\n# two\n{command}\n".encode(), "x.ps1")


def test_a_near_miss_is_told() -> None:
    with pytest.raises(UserError, match="Did you mean -RequireSecuritySignature"):
        decode((SET + "-RequireSecuritySignatures $true\n").encode(), "x")


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20))
@example("' ; Remove-Item C:\\ -Recurse #")
@example("\u2019; calc; \u2018")
@example("\u201a\u201b''\u2019")
@example('$(calc)`n"')
def test_no_text_gets_out_of_its_quotes(text: str) -> None:
    value = RegistryValue(
        "K" + text.replace("\\", "").replace("/", ""), text + "n", 1, encode_data(1, text)
    )
    script = create()
    assert script.apply([value]) == []
    again = decode(script.encode(), "x")
    assert again.changes() == [value]
    assert len(again.text.splitlines()) == 4


def test_values_are_changed_in_place() -> None:
    text = f"# keep\n{SET}-RequireSecuritySignature $true -EncryptData $false -Force # why\n"
    script = decode(text.encode(), "x")
    assert script.apply([dword(SERVER, "RequireSecuritySignature", 0)]) == []
    assert script.apply([dword(SERVER, "EncryptData", 1)]) == []
    wanted = text.replace("$false", "$?").replace("$true", "$false").replace("$?", "$true")
    assert script.encode() == wanted.encode()
    assert script.remove(SERVER, "encryptdata")
    assert script.encode() == wanted.replace("-EncryptData $true ", "").encode()


def test_a_later_command_that_would_undo_it_is_outdone() -> None:
    undo = f"Set-ItemProperty -LiteralPath 'HKLM:\\{SERVER}' -Name EncryptData -Value 0\n"
    script = decode(f"{SET}-EncryptData $true\n{undo}".encode(), "x")
    assert script.get(SERVER, "EncryptData") == dword(SERVER, "EncryptData", 0)
    script.apply([dword(SERVER, "EncryptData", 1)])
    assert decode(script.encode(), "x").get(SERVER, "EncryptData") == dword(
        SERVER, "EncryptData", 1
    )


def test_what_a_script_can_not_do_is_said() -> None:
    script = create()
    before = script.encode()
    notes = script.apply(
        [
            RegistryValue("K", "a", 1, encode_data(1, "a\nb")),
            RegistryValue("K", "b", 5, b"1234"),
            RegistryValue("K/L", "c", 4, b"1234"),
            RegistryValue("K", "d", 4, b"12"),
            RegistryDeletion("Z", None, values_only=True),
        ]
    )
    assert len(notes) == 5
    assert script.encode() == before
