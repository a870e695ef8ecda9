from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import UserError
from paraph.policy.registry_value import RegistryValue, RegType, fold
from paraph.policy.settings import (
    DISABLED,
    ENABLED,
    NOT_DEFINED,
    SETTINGS,
    SIGNING_SETTINGS,
    Lookup,
    Policy,
    ServerPolicySettings,
    Setting,
    State,
    effective_server_settings,
    find_setting,
    setting_at,
    state_from,
)

LANMAN = r"HKLM\SYSTEM\CurrentControlSet\Services"


def test_paraph_starts_with_everything_enabled() -> None:
    assert Policy() == Policy(True, True, True, True)


def test_every_field_has_its_setting() -> None:
    names = [field.name for field in fields(Policy)]
    assert [setting.field for setting in SIGNING_SETTINGS] == names
    assert SETTINGS[:4] == SIGNING_SETTINGS


@pytest.mark.parametrize(
    ("key", "side", "kind", "registry_key", "value"),
    [
        ("server-always", "server", "always", r"LanManServer", "Require"),
        ("server-if-client-agrees", "server", "if client agrees", r"LanManServer", "Enable"),
        ("client-always", "client", "always", r"LanmanWorkstation", "Require"),
        ("client-if-server-agrees", "client", "if server agrees", r"LanmanWorkstation", "Enable"),
    ],
)
def test_names_and_registry_values(
    key: str, side: str, kind: str, registry_key: str, value: str
) -> None:
    setting = find_setting(key)
    expected = f"Microsoft network {side}: Digitally sign communications ({kind})"
    assert setting.display_name == expected
    assert setting.registry_key == rf"{LANMAN}\{registry_key}\Parameters"
    assert setting.registry_value == f"{value}SecuritySignature"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_explanations_are_one_sentence(setting: Setting) -> None:
    text = setting.explanation
    assert text.endswith(".")
    assert text.count(". ") == 0


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ([], Policy()),
        (["server-always=disabled"], Policy(server_always=False)),
        (["server-always=enabled"], Policy()),
        (["server-if-client-agrees=disabled"], Policy(server_if_client_agrees=False)),
        (["client-always=disabled"], Policy(client_always=False)),
        (["client-if-server-agrees=disabled"], Policy(client_if_server_agrees=False)),
        ([" Server-Always = DISABLED "], Policy(server_always=False)),
        (["server-always=disabled", "client-always=disabled"], Policy(False, True, False, True)),
        (["server-always=disabled", "server-always=disabled"], Policy(server_always=False)),
    ],
)
def test_assignments(assignments: list[str], expected: Policy) -> None:
    assert Policy.parse_assignments(assignments) == expected


def test_assign_changes_only_what_is_named() -> None:
    policy = Policy(False, False, False, False)
    assert policy.assign(["client-always=enabled"]) == Policy(False, False, True, False)
    assert policy == Policy(False, False, False, False)


@pytest.mark.parametrize(
    ("assignment", "parts"),
    [
        ("server-alway=enabled", ["no policy 'server-alway'", "Did you mean 'server-always'?"]),
        ("client_always=enabled", ["Did you mean 'client-always'?"]),
        ("server-if-agrees=enabled", ["Did you mean 'server-if-client-agrees'?"]),
        ("zzz=enabled", ["no policy 'zzz'", "server-always, server-if-client-agrees"]),
        ("server-always=enable", ["can not be 'enable'", "Did you mean 'enabled'?"]),
        ("server-always=disable", ["Did you mean 'disabled'?"]),
        ("server-always=1", ["can not be '1'", "enabled, disabled"]),
        ("server-always=true", ["can not be 'true'"]),
        ("server-always=", ["can not be ''"]),
        ("server-always=enabled=disabled", ["can not be 'enabled=disabled'"]),
        ("server-always", ["'server-always' is no policy assignment", "key=enabled"]),
        ("", ["'' is no policy assignment"]),
        ("=enabled", ["no policy ''"]),
    ],
)
def test_mistakes(assignment: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        Policy.parse_assignments([assignment])
    message = str(caught.value)
    assert message[-1] in ".?"
    for part in parts:
        assert part in message


def test_a_contradiction_is_a_mistake() -> None:
    with pytest.raises(UserError, match="'client-always' is set to both"):
        Policy.parse_assignments(["client-always=enabled", "client-always=disabled"])


@given(st.lists(st.text(max_size=40), max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_text_parses_or_is_the_users_mistake(assignments: list[str]) -> None:
    try:
        policy = Policy.parse_assignments(assignments)
    except UserError:
        return
    assert isinstance(policy, Policy)


def test_a_policy_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Policy().server_always = False  # type: ignore[misc]


# The catalogue

SERVICES = r"SYSTEM\CurrentControlSet\Services"
CLIENT, SERVER = SERVICES + r"\LanmanWorkstation\Parameters", SERVICES + r"\LanManServer\Parameters"
POLICIES = r"SOFTWARE\Policies\Microsoft\Windows"
SECURITY = "./Device/Vendor/MSFT/Policy/Config/LocalPoliciesSecurityOptions/"


@pytest.mark.parametrize(
    ("key", "windows_2000", "mdm"),
    [
        (
            "client-always",
            "Digitally sign client communication (always)",
            "MicrosoftNetworkClient_DigitallySignCommunicationsAlways",
        ),
        (
            "client-if-server-agrees",
            "Digitally sign client communication (when possible)",
            "MicrosoftNetworkClient_DigitallySignCommunicationsIfServerAgrees",
        ),
        (
            "server-always",
            "Digitally sign server communication (always)",
            "MicrosoftNetworkServer_DigitallySignCommunicationsAlways",
        ),
        (
            "server-if-client-agrees",
            "Digitally sign server communication (when possible)",
            "MicrosoftNetworkServer_DigitallySignCommunicationsIfClientAgrees",
        ),
    ],
)
def test_older_and_newer_names(key: str, windows_2000: str, mdm: str) -> None:
    setting = find_setting(key)
    assert setting.windows_2000_name == windows_2000
    assert setting.mdm_uri == SECURITY + mdm
    assert setting.group_policy_path.endswith(r"Local Policies\Security Options")
    assert setting.policy_key == ""
    others = dict(setting.other_keys)
    if setting.side == "client":
        assert others == {
            "Windows NT 4.0": SERVICES + r"\Rdr\Parameters",
            "Windows 98": SERVICES + r"\VxD\VNetsup",
        }
    else:
        assert others == {}


# Section 6.1 of the facts: value, local and policy key, default, parameter, where it is a template.
MODERN = [
    ("server-audit-signing", "AuditClientDoesNotSupportSigning", 0, True),
    ("server-audit-encryption", "AuditClientDoesNotSupportEncryption", 0, True),
    ("server-audit-guest", "AuditInsecureGuestLogon", 0, True),
    ("client-audit-signing", "AuditServerDoesNotSupportSigning", 0, True),
    ("client-audit-encryption", "AuditServerDoesNotSupportEncryption", 0, True),
    ("client-audit-guest", "AuditInsecureGuestLogon", 0, True),
    ("client-insecure-guest", "AllowInsecureGuestAuth", 0, True),
    ("client-require-encryption", "RequireEncryption", 0, True),
    ("server-min-dialect", "MinSmb2Dialect", 514, True),
    ("server-max-dialect", "MaxSmb2Dialect", 785, True),
    ("client-min-dialect", "MinSmb2Dialect", 514, True),
    ("client-max-dialect", "MaxSmb2Dialect", 785, True),
    ("server-auth-rate-limiter", "EnableAuthRateLimiter", 1, True),
    ("server-auth-delay", "InvalidAuthenticationDelayTimeInMs", 2000, True),
    ("client-block-ntlm", "BlockNTLM", 0, True),
    ("server-encrypt-data", "EncryptData", 0, False),
    ("server-reject-unencrypted", "RejectUnencryptedAccess", 1, False),
    ("server-spn-validation", "SmbServerNameHardeningLevel", 0, False),
    ("server-audit-smb1", "AuditSmb1Access", 0, False),
    ("server-w9x-signing", "EnableW9xSecuritySignature", 0, False),
]


@pytest.mark.parametrize(("key", "value", "default", "template"), MODERN)
def test_modern_settings(key: str, value: str, default: int, template: bool) -> None:
    setting = find_setting(key)
    server = key.startswith("server")
    area = "LanmanServer" if server else "LanmanWorkstation"
    assert setting.registry_value == value
    assert setting.default == default
    assert setting.local_key == (SERVER if server else CLIENT)
    assert setting.policy_key == (rf"{POLICIES}\{area}" if template else "")
    assert setting.deliver_key == (setting.policy_key or setting.local_key)
    assert setting.since


def test_every_setting_is_listed_here() -> None:
    assert [row[0] for row in MODERN] != []
    assert {s.key for s in SETTINGS} == {s.key for s in SIGNING_SETTINGS} | {m[0] for m in MODERN}
    assert len({s.key for s in SETTINGS}) == len(SETTINGS)


@pytest.mark.parametrize(
    ("key", "parameter"),
    [
        ("server-always", "Set-SmbServerConfiguration -RequireSecuritySignature"),
        ("client-if-server-agrees", "Set-SmbClientConfiguration -EnableSecuritySignature"),
        ("client-insecure-guest", "Set-SmbClientConfiguration -EnableInsecureGuestLogons"),
        ("server-min-dialect", "Set-SmbServerConfiguration -Smb2DialectMin"),
        ("client-max-dialect", "Set-SmbClientConfiguration -Smb2DialectMax"),
        ("server-auth-delay", "Set-SmbServerConfiguration -InvalidAuthenticationDelayTimeInMs"),
    ],
)
def test_cmdlets(key: str, parameter: str) -> None:
    setting = find_setting(key)
    assert f"{setting.cmdlet} -{setting.powershell}" == parameter
    assert find_setting(parameter) is setting


@pytest.mark.parametrize("key", ["server-auth-rate-limiter", "server-w9x-signing"])
def test_no_cmdlet(key: str) -> None:
    assert find_setting(key).powershell == ""


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_every_setting_says_everything(setting: Setting) -> None:
    for text in (setting.explanation, setting.impact, setting.best_practice):
        assert text.endswith(".")
    assert setting.source
    assert setting.side in setting.key
    # What is damaged is taken for something that is sound.
    setting.to_registry(State(setting.strongest))
    setting.to_registry(State(setting.default))


# Finding


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_found_by_key_and_place(setting: Setting) -> None:
    value = setting.registry_value
    assert find_setting(setting.key.upper()) is setting
    assert find_setting(setting.key.replace("-", "_")) is setting
    for key in setting.keys:
        for hive in ("HKLM\\", "HKEY_LOCAL_MACHINE\\", "MACHINE\\", "HKLM:\\", ""):
            assert find_setting(f"{hive}{key}\\{value}".upper()) is setting
        assert setting_at(key.lower(), value.upper()) is setting
    if setting.group_policy_path:
        assert find_setting(f"{setting.group_policy_path}\\{setting.display_name}") is setting
    if setting.mdm_uri:
        assert find_setting(setting.mdm_uri) is setting


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("microsoft network server:  digitally sign communications (ALWAYS)", "server-always"),
        ("Digitally sign client communication (when possible)", "client-if-server-agrees"),
        ("Require Encryption", "client-require-encryption"),
        ("encryptdata", "server-encrypt-data"),
        (r"HKLM\System\CurrentControlSet\Services\Rdr\Parameters\RequireSecuritySignature",
         "client-always"),
        (r"HKLM\System\CurrentControlSet\Services\VxD\VNetsup\EnableSecuritySignature",
         "client-if-server-agrees"),
        ("  server-always ", "server-always"),
    ],
)  # fmt: skip
def test_other_names(text: str, key: str) -> None:
    assert find_setting(text).key == key


def test_nt4_server_key_is_not_rdr() -> None:
    """One support article says so; two others, which are trusted, do not."""
    server = find_setting("server-always")
    assert all("Rdr" not in key for key in server.keys)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("RequireSecuritySignature", ["several settings", "'server-always' or 'client-always'"]),
        ("Audit insecure guest logon", ["'server-audit-guest' or 'client-audit-guest'"]),
        ("server-alway", ["Did you mean 'server-always'"]),
        ("Microsoft network servr: Digitally sign communications (always)", ["'server-always'"]),
        (r"HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters\RequireSignature",
         ["Did you mean", "'server-always'"]),
        ("zzz", ["There is no setting 'zzz'", "Use one of: server-always"]),
        ("", ["There is no setting ''"]),
        ("HKLM", ["There is no setting"]),
    ],
)  # fmt: skip
def test_not_found(text: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        find_setting(text)
    for part in parts:
        assert part in str(caught.value)


def test_no_setting_there() -> None:
    assert setting_at(SERVER, "Other") is None
    assert setting_at(CLIENT + "\\Deeper", "RequireSecuritySignature") is None


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_found_or_the_users_mistake(text: str) -> None:
    message = "?"
    try:
        assert find_setting(text) in SETTINGS
    except UserError as error:
        message = str(error)
    assert message[-1] in ".?"


# States


@pytest.mark.parametrize(
    ("key", "text", "state", "shown"),
    [
        ("server-always", " Enabled ", ENABLED, "Enabled"),
        ("server-always", "DISABLED", DISABLED, "Disabled"),
        ("server-always", "Not Defined", NOT_DEFINED, "Not Defined"),
        ("server-always", "not-defined", NOT_DEFINED, "Not Defined"),
        ("server-min-dialect", "3.1.1", State(785), "SMB 3.1.1"),
        ("server-min-dialect", "SMB 3.0.2", State(770), "SMB 3.0.2"),
        ("server-min-dialect", "SMB300", State(768), "SMB 3.0"),
        ("server-min-dialect", "528", State(528), "SMB 2.1"),
        ("server-min-dialect", "0x0202", State(514), "SMB 2.0.2"),
        ("server-min-dialect", "not defined", NOT_DEFINED, "Not Defined"),
        ("server-auth-delay", "0", State(0), "0"),
        ("server-auth-delay", "10000", State(10000), "10000"),
        ("server-spn-validation", "2", State(2), "2"),
    ],
)
def test_states(key: str, text: str, state: State, shown: str) -> None:
    setting = find_setting(key)
    assert setting.parse(text) == state
    assert setting.describe(state) == shown


@pytest.mark.parametrize(
    ("key", "text", "part"),
    [
        ("server-always", "enable", "Did you mean 'enabled'?"),
        ("server-always", "1", "Use enabled, disabled or not-defined"),
        ("server-always", "2", "can not be '2'"),
        ("server-min-dialect", "3.2", "one of 2.0.2, 2.1, 3.0, 3.0.2, 3.1.1"),
        ("server-min-dialect", "1", "can not be 1"),
        ("server-auth-delay", "150", "from 0 to 10000 in steps of 100"),
        ("server-auth-delay", "-100", "from 0 to 10000"),
        ("server-auth-delay", "10100", "from 0 to 10000"),
        ("server-auth-delay", "\u0661\u0660\u0660", "can not be"),
        ("server-spn-validation", "3", "from 0 to 2"),
    ],
)
def test_no_states(key: str, text: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        find_setting(key).parse(text)
    assert part in str(caught.value)


def test_to_registry() -> None:
    setting = find_setting("server-always")
    assert setting.to_registry(NOT_DEFINED) is None
    expected = RegistryValue(SERVER, "RequireSecuritySignature", RegType.DWORD, b"\1\0\0\0")
    assert setting.to_registry(ENABLED) == expected
    audit = find_setting("server-audit-signing")
    value = audit.to_registry(DISABLED)
    assert value is not None
    assert value.key == rf"{POLICIES}\LanmanServer"
    local = audit.to_registry(DISABLED, audit.local_key)
    assert local is not None
    assert local.key == SERVER
    with pytest.raises(UserError):
        setting.to_registry(State(2))


# Reading a registry


def registry(*values: RegistryValue) -> Lookup:
    table = {value.identity: value for value in values}
    return lambda key, name: table.get((fold(key), fold(name)))


def dword(key: str, name: str, number: int) -> RegistryValue:
    return RegistryValue(key, name, RegType.DWORD, number.to_bytes(4, "little"))


DAMAGED = [
    (RegType.SZ, "0".encode("utf-16-le")),
    (RegType.SZ, b""),
    (RegType.BINARY, bytes(4)),
    (RegType.DWORD, b""),
    (RegType.DWORD, bytes(3)),
    (RegType.DWORD, bytes(8)),
    (RegType.QWORD, bytes(8)),
    (RegType.DWORD_BIG_ENDIAN, bytes(4)),
    (RegType.NONE, b""),
    (999, bytes(4)),
]


def test_an_empty_registry_changes_nothing() -> None:
    for base in (Policy(), Policy(False, False, False, False)):
        assert Policy.from_values(registry(), base) == base
    assert Policy.from_values(registry()) == Policy()
    assert effective_server_settings(registry()) == ServerPolicySettings()


@pytest.mark.parametrize("setting", SIGNING_SETTINGS, ids=lambda s: s.key)
@pytest.mark.parametrize("base", [Policy(), Policy(False, False, False, False)])
def test_policy_from_values(setting: Setting, base: Policy) -> None:
    for number, expected in ((0, False), (1, True), (2, True), (0xFFFFFFFF, True)):
        value = dword(setting.local_key.upper(), setting.registry_value.lower(), number)
        policy = Policy.from_values(registry(value), base)
        assert getattr(policy, setting.field) is expected
        others = {f.name for f in fields(Policy)} - {setting.field}
        assert all(getattr(policy, name) == getattr(base, name) for name in others)


@pytest.mark.parametrize(("type_", "data"), DAMAGED)
def test_damaged_never_weakens(type_: int, data: bytes) -> None:
    """MS15-014 in small."""
    for setting in SETTINGS:
        value = RegistryValue(setting.local_key, setting.registry_value, type_, data)
        state, remark = state_from(setting, registry(value))
        assert state == State(setting.strongest)
        assert setting.registry_value in remark
        assert setting.describe(state) in remark
    off = Policy(False, False, False, False)
    all_damaged = registry(
        *(RegistryValue(s.local_key, s.registry_value, type_, data) for s in SIGNING_SETTINGS)
    )
    assert Policy.from_values(all_damaged, off) == Policy()


@pytest.mark.parametrize("key", ["server-min-dialect", "client-insecure-guest"])
def test_the_policy_key_wins(key: str) -> None:
    setting = find_setting(key)
    weak, strong = (514, 785) if key == "server-min-dialect" else (1, 0)
    name = setting.registry_value
    for local, policy in ((weak, strong), (strong, weak)):
        both = registry(
            dword(setting.local_key, name, local), dword(setting.policy_key, name, policy)
        )
        assert state_from(setting, both) == (State(policy), "")
    # A damaged policy does not make way for the local value.
    broken = RegistryValue(setting.policy_key, name, RegType.DWORD, b"x")
    state, remark = state_from(setting, registry(dword(setting.local_key, name, weak), broken))
    assert state == State(strong)
    assert setting.policy_key in remark


@pytest.mark.parametrize(
    ("key", "number", "taken"),
    [
        ("client-insecure-guest", 1, 1),
        ("client-insecure-guest", 2, 0),  # only what clearly allows guests does
        ("server-encrypt-data", 2, 1),
        ("server-reject-unencrypted", 0, 0),
        ("server-min-dialect", 0, 514),  # None of PowerShell
        ("server-min-dialect", 1, 514),
        ("server-min-dialect", 0x0301, 0x0302),
        ("server-min-dialect", 0x0312, 0x0311),
        ("server-max-dialect", 0, 785),
        ("server-max-dialect", 0x0100, 785),
        ("server-max-dialect", 0x0211, 0x0300),
        ("server-max-dialect", 0xFFFF, 785),
        ("server-auth-delay", 0, 0),
        ("server-auth-delay", 1, 100),
        ("server-auth-delay", 101, 200),
        ("server-auth-delay", 10001, 10000),
        ("server-auth-delay", 0xFFFFFFFF, 10000),
        ("server-spn-validation", 9, 2),
    ],
)
def test_odd_numbers(key: str, number: int, taken: int) -> None:
    setting = find_setting(key)
    state, remark = setting.read(dword(setting.local_key, setting.registry_value, number))
    assert state == State(taken)
    assert bool(remark) is (number != taken)


def test_effective_server_settings() -> None:
    policies = POLICIES + r"\LanmanServer"
    lookup = registry(
        dword(SERVER, "RequireSecuritySignature", 0),
        dword(SERVER, "EncryptData", 1),
        dword(SERVER, "RejectUnencryptedAccess", 0),
        dword(policies, "MinSmb2Dialect", 0x0300),
        dword(SERVER, "MaxSmb2Dialect", 0x0302),
        dword(policies, "InvalidAuthenticationDelayTimeInMs", 300),
        dword(policies, "AuditClientDoesNotSupportSigning", 1),
        dword(CLIENT, "RequireSecuritySignature", 0),
    )
    assert effective_server_settings(lookup) == ServerPolicySettings(
        policy=Policy(server_always=False, client_always=False),
        min_dialect=0x0300,
        max_dialect=0x0302,
        encrypt_data=True,
        reject_unencrypted=False,
        failed_logon_delay=0.3,
        audit_signing=True,
    )


@pytest.mark.parametrize(
    ("limiter", "delay", "base", "expected"),
    [
        (None, None, 2.0, 2.0),
        (None, None, 0.0, 0.0),
        (0, None, 2.0, 0.0),
        (0, 5000, 2.0, 0.0),
        (1, None, 0.0, 2.0),
        (1, None, 3.0, 3.0),
        (1, 5000, 0.0, 5.0),
        (None, 0, 2.0, 0.0),
        (7, 500, 2.0, 0.5),
    ],
)
def test_rate_limiter(limiter: int | None, delay: int | None, base: float, expected: float) -> None:
    values = []
    if limiter is not None:
        values.append(dword(SERVER, "EnableAuthRateLimiter", limiter))
    if delay is not None:
        values.append(dword(SERVER, "InvalidAuthenticationDelayTimeInMs", delay))
    start = ServerPolicySettings(failed_logon_delay=base)
    result = effective_server_settings(registry(*values), start)
    assert result.failed_logon_delay == expected


def test_a_minimum_above_the_maximum_is_kept() -> None:
    lookup = registry(
        dword(SERVER, "MinSmb2Dialect", 0x0311), dword(SERVER, "MaxSmb2Dialect", 0x0210)
    )
    result = effective_server_settings(lookup)
    assert (result.min_dialect, result.max_dialect) == (0x0311, 0x0311)
    assert "SMB 3.1.1 is above the maximum SMB 2.1" in result.remarks[0]


def test_remarks_name_what_is_damaged() -> None:
    lookup = registry(
        RegistryValue(SERVER, "RequireSecuritySignature", RegType.SZ, b""),
        RegistryValue(SERVER, "MinSmb2Dialect", RegType.BINARY, b"\0"),
    )
    start = ServerPolicySettings(policy=Policy(server_always=False))
    result = effective_server_settings(lookup, start)
    assert result.policy.server_always
    assert result.min_dialect == 0x0311
    assert len(result.remarks) == 2
    assert "RequireSecuritySignature is no REG_DWORD: taken for Enabled." in result.remarks[0]


@given(st.integers(0, 20), st.binary(max_size=9))
@settings(max_examples=100, deadline=None)
def test_any_data_reads_as_something_sound(type_: int, data: bytes) -> None:
    for setting in SETTINGS:
        value = RegistryValue(setting.local_key, setting.registry_value, type_, data)
        state, _ = setting.read(value)
        again = setting.to_registry(state, setting.local_key)
        assert setting.read(again) == (state, "")
