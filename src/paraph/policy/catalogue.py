"""The rows of `policy.settings`: every setting, its names, its places and what to know about it.

The four signing policies are [KB887429] and the Security Options pages of Windows; the others are
the policy CSPs LanmanServer and LanmanWorkstation and the SmbShare cmdlets.
"""

from __future__ import annotations

from typing import Any

from paraph.policy.setting import Setting, SideName

_SERVICES = r"SYSTEM\CurrentControlSet\Services"
CLIENT_KEY = _SERVICES + r"\LanmanWorkstation\Parameters"
SERVER_KEY = _SERVICES + r"\LanManServer\Parameters"
CLIENT_POLICY_KEY = r"SOFTWARE\Policies\Microsoft\Windows\LanmanWorkstation"
SERVER_POLICY_KEY = r"SOFTWARE\Policies\Microsoft\Windows\LanmanServer"

_NT4_KEY = _SERVICES + r"\Rdr\Parameters"
_WINDOWS_98_KEY = _SERVICES + r"\VxD\VNetsup"
_OTHER_CLIENT_KEYS = (("Windows NT 4.0", _NT4_KEY), ("Windows 98", _WINDOWS_98_KEY))

SECURITY_OPTIONS = (
    r"Computer Configuration\Windows Settings\Security Settings\Local Policies\Security Options"
)
_TEMPLATES = r"Computer Configuration\Administrative Templates\Network"
_MDM = "./Device/Vendor/MSFT/Policy/Config"

_24H2 = "Windows 11 24H2, Windows Server 2025"
_SIGNING_AUDIT = f"{_24H2}; back to Windows Server 2008 R2 with the updates of September 2025"
_HERE = {
    "server": (SERVER_KEY, SERVER_POLICY_KEY, "LanmanServer", "Lanman Server"),
    "client": (CLIENT_KEY, CLIENT_POLICY_KEY, "LanmanWorkstation", "Lanman Workstation"),
}
_CSP = {"server": "CSP LanmanServer", "client": "CSP LanmanWorkstation"}


def _signing(
    side: SideName, always: bool, texts: tuple[str, str, str], default: int, note: str
) -> Setting:
    """One of the four; the texts are explanation, impact and best practice."""
    explanation, impact, best_practice = texts
    other = "client" if side == "server" else "server"
    when = "always" if always else f"if {other} agrees"
    suffix = "Always" if always else f"If{other.capitalize()}Agrees"
    area = "LocalPoliciesSecurityOptions"
    name = f"MicrosoftNetwork{side.capitalize()}_DigitallySignCommunications{suffix}"
    verb = "Require" if always else "Enable"
    return Setting(
        key=f"{side}-{when.replace(' ', '-')}",
        side=side,
        display_name=f"Microsoft network {side}: Digitally sign communications ({when})",
        windows_2000_name=(
            f"Digitally sign {side} communication ({'always' if always else 'when possible'})"
        ),
        group_policy_path=SECURITY_OPTIONS,
        registry_value=f"{verb}SecuritySignature",
        local_key=_HERE[side][0],
        other_keys=_OTHER_CLIENT_KEYS if side == "client" else (),
        default=default,
        default_note=note,
        since="Windows NT 4.0 SP3" + (", Windows 98" if side == "client" else ""),
        mdm_uri=f"{_MDM}/{area}/{name}",
        powershell=f"{verb}SecuritySignature",
        source="KB887429; Q161372; [MS-SMB2] 3.1.1.1" if always else "KB887429; Q161372",
        explanation=explanation,
        impact=impact,
        best_practice=best_practice,
    )


def _modern(
    side: SideName,
    key: str,
    display_name: str,
    value: str,
    mdm: str | None = None,
    powershell: str | None = None,
    **rest: Any,
) -> Setting:
    """A setting of the administrative templates. MDM node and PowerShell parameter are named like
    the value unless they say otherwise; "" is none."""
    local, policy, area, folder = _HERE[side]
    node = value if mdm is None else mdm
    rest.setdefault("since", _24H2)
    rest.setdefault("default", 0)
    rest.setdefault("source", _CSP[side])
    return Setting(
        key=f"{side}-{key}",
        side=side,
        display_name=display_name,
        group_policy_path=f"{_TEMPLATES}\\{folder}",
        registry_value=value,
        local_key=local,
        policy_key=policy,
        mdm_uri=f"{_MDM}/{area}/{node}" if node else "",
        powershell=value if powershell is None else powershell,
        **rest,
    )


def _local(side: SideName, key: str, display_name: str, value: str, **rest: Any) -> Setting:
    """A setting that no administrative template has."""
    rest.setdefault("group_policy_path", "")
    rest.setdefault("powershell", value)
    return Setting(
        key=f"{side}-{key}",
        side=side,
        display_name=display_name,
        registry_value=value,
        local_key=_HERE[side][0],
        **rest,
    )


def _dialects(side: SideName) -> tuple[Setting, Setting]:
    other = "clients" if side == "server" else "servers"
    source = f"{_CSP[side]}; Learn: manage SMB dialects"
    minimum = _modern(
        side,
        "min-dialect",
        "Mandate the minimum version of SMB",
        "MinSmb2Dialect",
        powershell="Smb2DialectMin",
        kind="dialect",
        minimum=0x0202,
        maximum=0x0311,
        default=0x0202,
        strongest=0x0311,
        explanation=f"The {side} speaks no dialect of SMB 2 or 3 below this one; SMB1 is not "
        "touched by it.",
        impact=f"Older {other} have no dialect in common with it and can not connect: 3.1.1 "
        "excludes everything before Windows 10 and Windows Server 2016.",
        best_practice="3.1.1 where no older system is left, since only it protects the "
        "negotiation itself; else 3.0.",
        source=source,
    )
    maximum = _modern(
        side,
        "max-dialect",
        "Mandate the maximum version of SMB",
        "MaxSmb2Dialect",
        powershell="Smb2DialectMax",
        kind="dialect",
        minimum=0x0202,
        maximum=0x0311,
        default=0x0311,
        strongest=0x0311,
        explanation=f"The {side} speaks no dialect of SMB 2 or 3 above this one.",
        impact="Below 3.1.1 the negotiation is no longer protected by preauthentication "
        "integrity, and AES-GMAC signing is lost; below 3.0 encryption too.",
        best_practice="Leave it at 3.1.1; lower it only to find the cause of a fault.",
        source=source,
    )
    return minimum, maximum


SETTINGS: tuple[Setting, ...] = (
    _signing(
        "server",
        True,
        (
            "The server serves only clients that sign, and signs what it answers.",
            "Clients that can not sign, guests and anonymous users are refused; SMB1 "
            "clients of Windows 2000 and before with signing off too. Signing costs processor "
            "time, least with AES-GMAC of SMB 3.1.1, and SMB Direct loses direct placement.",
            "Enable it on every server, domain controllers first: it is what "
            "stops relayed logons. See with the audit settings who could not follow.",
        ),
        1,
        "disabled on Windows Server 2025 members and on Windows 11 Home; enabled on domain "
        "controllers since Windows Server 2003",
    ),
    _signing(
        "server",
        False,
        (
            "The server signs with SMB1 clients that ask for it; SMB 2 and 3 ignore this setting.",
            "None with SMB 2 and 3. Windows 2000 and NT 4.0 servers need it for "
            "'always' to have any effect.",
            "Enable it where SMB1 lives, with 'always'; without SMB1 leave it alone.",
        ),
        0,
        "enabled on domain controllers",
    ),
    _signing(
        "client",
        True,
        (
            "The client talks only to servers that sign, and signs what it asks.",
            "Servers that can not sign, and servers that take the user for a guest, can "
            "not be used any more: often cheap storage boxes and printers.",
            "Enable it on every client; it protects against servers that are "
            "not who they say. See with the audit settings which servers could not follow.",
        ),
        1,
        "disabled on Windows 11 Home and before Windows 11 24H2 and Windows Server 2025",
    ),
    _signing(
        "client",
        False,
        (
            "The client signs with SMB1 servers that offer it; SMB 2 and 3 ignore this setting.",
            "None with SMB 2 and 3. Disabled, Windows warns with event 31016.",
            "Leave it enabled, as it has always been.",
        ),
        1,
        "",
    ),
    _modern(
        "server",
        "audit-signing",
        "Audit client does not support signing",
        "AuditClientDoesNotSupportSigning",
        since=_SIGNING_AUDIT,
        explanation="The server notes each client that can not sign (events 3021 and, for SMB1, "
        "3027).",
        impact="More events, nothing else.",
        best_practice="Enable it some weeks before 'always'.",
        source="CSP LanmanServer; KB5066913",
    ),
    _modern(
        "server",
        "audit-encryption",
        "Audit client does not support encryption",
        "AuditClientDoesNotSupportEncryption",
        explanation="The server notes each client that can not encrypt (event 3022).",
        impact="More events, nothing else.",
        best_practice="Enable it some weeks before encryption is required.",
    ),
    _modern(
        "server",
        "audit-guest",
        "Audit insecure guest logon",
        "AuditInsecureGuestLogon",
        explanation="The server notes each client that was let in as guest (event 3023).",
        impact="More events, nothing else.",
        best_practice="Enable it: a guest can neither sign nor encrypt.",
    ),
    _modern(
        "client",
        "audit-signing",
        "Audit server does not support signing",
        "AuditServerDoesNotSupportSigning",
        since=_SIGNING_AUDIT,
        explanation="The client notes each server that can not sign (event 31998).",
        impact="More events, nothing else.",
        best_practice="Enable it some weeks before 'always'.",
        source="CSP LanmanWorkstation; KB5066913",
    ),
    _modern(
        "client",
        "audit-encryption",
        "Audit server does not support encryption",
        "AuditServerDoesNotSupportEncryption",
        explanation="The client notes each server that can not encrypt (event 31999).",
        impact="More events, nothing else.",
        best_practice="Enable it some weeks before encryption is required.",
    ),
    _modern(
        "client",
        "audit-guest",
        "Audit insecure guest logon",
        "AuditInsecureGuestLogon",
        explanation="The client notes each server that let it in as guest (event 31997).",
        impact="More events, nothing else.",
        best_practice="Enable it: a guest can neither sign nor encrypt.",
    ),
    _modern(
        "client",
        "insecure-guest",
        "Enable insecure guest logons",
        "AllowInsecureGuestAuth",
        mdm="EnableInsecureGuestLogons",
        powershell="EnableInsecureGuestLogons",
        strongest=0,
        since="Windows 10 1709, Windows Server 2019",
        default_note="allowed on Home editions, and on Pro before Windows 11 24H2",
        explanation="The client lets a server of SMB 2 or 3 take it for a guest, without "
        "signatures and without encryption.",
        impact="Enabled, whoever answers in place of the server is believed. Requiring signing "
        "or encryption blocks guests even so.",
        best_practice="Leave it disabled, and give the storage box a user and a password.",
        source="CSP LanmanWorkstation; Learn: enable insecure guest logons",
    ),
    _modern(
        "client",
        "require-encryption",
        "Require Encryption",
        "RequireEncryption",
        explanation="The client talks only to servers that encrypt, in SMB 3 and later; then "
        "encryption takes the place of signatures.",
        impact="Servers without SMB 3 and encryption can not be used.",
        best_practice="Enable it where every server is Windows Server 2012, Samba 4 or newer.",
        source="CSP LanmanWorkstation; Learn: configure the SMB client to require encryption",
    ),
    _local(
        "server",
        "encrypt-data",
        "Encrypt data access",
        "EncryptData",
        default=0,
        since="Windows 8, Windows Server 2012",
        explanation="The server encrypts every session with clients of SMB 3 and later; then "
        "encryption takes the place of signatures.",
        impact="Clients that can not encrypt are refused, unless unencrypted access is let in.",
        best_practice="Enable it for shares that are worth reading in transit.",
        source="[MS-SMB2] 3.3.1.5; Set-SmbServerConfiguration",
    ),
    _local(
        "server",
        "reject-unencrypted",
        "Reject unencrypted access",
        "RejectUnencryptedAccess",
        default=1,
        since="Windows 8, Windows Server 2012",
        explanation="Where the server encrypts, it refuses clients that can not, instead of "
        "letting them in unencrypted.",
        impact="None unless encryption is on; then clients before SMB 3 can not connect.",
        best_practice="Leave it enabled: let in unencrypted, an attacker only has to ask.",
        source="[MS-SMB2] 3.3.1.5, 3.3.3 <227>",
    ),
    *_dialects("server"),
    *_dialects("client"),
    _modern(
        "server",
        "auth-rate-limiter",
        "Enable authentication rate limiter",
        "EnableAuthRateLimiter",
        default=1,
        powershell="",
        explanation="The server lets each failed logon wait before it answers.",
        impact="None to who knows the password.",
        best_practice="Leave it enabled.",
        source="CSP LanmanServer; Learn: configure the SMB authentication rate limiter",
    ),
    _modern(
        "server",
        "auth-delay",
        "Set authentication rate limiter delay (milliseconds)",
        "InvalidAuthenticationDelayTimeInMs",
        mdm="AuthRateLimiterDelayInMs",
        kind="integer",
        maximum=10000,
        step=100,
        default=2000,
        strongest=10000,
        explanation="How many milliseconds a failed logon waits; 0 is none.",
        impact="At 2000, tries that would have taken five minutes take fifty hours.",
        best_practice="Leave it at 2000 or above.",
        source="CSP LanmanServer; Learn: configure the SMB authentication rate limiter",
    ),
    _modern(
        "client",
        "block-ntlm",
        "Block NTLM (LM, NTLM, NTLMv2)",
        "BlockNTLM",
        mdm="",
        explanation="The client logs on to servers with Kerberos only.",
        impact="Servers outside the domain, and servers reached by address, can not be used.",
        best_practice="Enable it where all servers are in the domain: what is never sent can not "
        "be relayed.",
        source="Learn: block NTLM connections on SMB",
    ),
    _local(
        "server",
        "spn-validation",
        "Microsoft network server: Server SPN target name validation level",
        "SmbServerNameHardeningLevel",
        group_policy_path=SECURITY_OPTIONS,
        kind="integer",
        maximum=2,
        default=0,
        strongest=2,
        since="Windows 7, Windows Server 2008 R2",
        mdm_uri=f"{_MDM}/LocalPoliciesSecurityOptions/"
        "MicrosoftNetworkServer_ServerSPNTargetNameValidationLevel",
        explanation="Whether the server checks the service name that the client wanted to reach: "
        "0 does not, 1 does if the client sent one, 2 always.",
        impact="At 2 clients that send no name, such as old ones, are refused.",
        best_practice="1, or 2 where the audit of missing names is silent; it stops relayed "
        "logons that signing does not see.",
        source="Set-SmbServerConfiguration; KB5066913",
    ),
    _local(
        "server",
        "audit-smb1",
        "Audit SMB1 access",
        "AuditSmb1Access",
        default=0,
        since="Windows 8.1, Windows Server 2012 R2",
        explanation="The server notes each client that speaks SMB1 (event 3000).",
        impact="More events, nothing else.",
        best_practice="Enable it where SMB1 is still installed, before it is removed.",
        source="Set-SmbServerConfiguration",
    ),
    _local(
        "server",
        "w9x-signing",
        "Sign SMB1 with Windows NT 4.0 and Windows 98 clients",
        "EnableW9xSecuritySignature",
        powershell="",
        default=0,
        since="Windows 2000",
        explanation="A server of Windows 2000 or 2003 negotiates SMB1 signing with clients of "
        "Windows NT 4.0 and Windows 98 only if this is 1.",
        impact="Where the server requires signing and this is 0, those clients are refused.",
        best_practice="Let those clients go; until then, 1 beside 'always'.",
        source="TechNet cc786681; KB887429 (names NT 4.0 only)",
    ),
)
"""The four signing policies first, in the order of the fields of `Policy`."""
