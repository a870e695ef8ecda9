"""What happens between two machines, from what they are and how they are set.

`policy.outcome` decides on sides, a dialect and encryption; this works these out from systems,
roles and settings, the way two such machines would negotiate them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from paraph.errors import UserError
from paraph.policy.defaults import defaults
from paraph.policy.outcome import outcome
from paraph.policy.settings import SETTINGS, SIGNING_SETTINGS, State, find_setting
from paraph.policy.sides import (
    DIALECT_NAMES,
    DIALECTS,
    NT1,
    SMB3_DIALECTS,
    IdentityName,
    Outcome,
    Reading,
    Side,
)
from paraph.policy.systems import Role, System, find_role, find_system

_SIGNING = {setting.key for setting in SIGNING_SETTINGS}
_DEFAULT = {setting.key: setting.default for setting in SETTINGS}
_HARDENED_SHARES = ("sysvol", "netlogon")
_DENIED = "error 5, access is denied (STATUS_ACCESS_DENIED 0xC0000022)"


@dataclass(frozen=True, slots=True)
class Machine:
    """One end: what it is, and what differs from what it started with. Hashable."""

    system: System
    role: Role
    settings: tuple[tuple[str, State], ...] = ()  #: (key of a setting, state): see `set_to`
    dialects: tuple[int, ...] | None = None  #: what it speaks, if not what it has as installed

    @classmethod
    def named(
        cls,
        system: str,
        role: str = "",
        settings: Mapping[str, str | State] | None = None,
        dialects: tuple[int, ...] | None = None,
    ) -> Machine:
        """From what people write: "Windows Server 2003", "dc", {"server-always": "disabled"}; keys
        are any name of a setting. Raises UserError for unknown names, roles and values."""
        found = find_system(system)
        chosen = defaults(found, find_role(role) if role.strip() else None).role
        machine = cls(found, chosen, (), None)
        if dialects is not None:
            unknown = [d for d in dialects if d not in DIALECTS]
            if unknown or not dialects:
                known = ", ".join(f"0x{d:04X}" for d in DIALECTS)
                raise UserError(f"A machine speaks one or more of the dialects {known}.")
            machine = replace(machine, dialects=tuple(sorted(set(dialects))))
        return machine.set_to(settings or {})

    def set_to(self, settings: Mapping[str, str | State]) -> Machine:
        """A copy with settings changed; Not Defined is the default of the system again."""
        values = dict(self.settings)
        for name, state in settings.items():
            setting = find_setting(name)
            values[setting.key] = setting.parse(state) if isinstance(state, str) else state
        return replace(self, settings=tuple(sorted(values.items(), key=lambda item: item[0])))

    def number(self, key: str) -> int | None:
        """What is in force: as set, else the default; None where the system has no such thing."""
        for name, state in self.settings:
            if name == key and state.value is not None:
                return state.value
        if key in _SIGNING:
            return defaults(self.system, self.role).state(key).value
        if key == "client-insecure-guest":
            return int(self.system.insecure_guest)
        return _DEFAULT[key]

    def is_set(self, key: str) -> bool:
        """`settings` has a value for it."""
        return any(name == key and state.defined for name, state in self.settings)

    def client(self) -> Side:
        return Side(
            bool(self.number("client-always")),
            bool(self.number("client-if-server-agrees")),
            self.system.generation,
            self.system.can_sign,
        )

    def server(self) -> Side:
        return Side(
            bool(self.number("server-always")),
            bool(self.number("server-if-client-agrees")),
            self.system.generation,
            self.system.can_sign and not self.system.client_only,
            bool(self.number("server-w9x-signing")),
        )

    def spoken(self, side: str) -> tuple[int, ...]:
        """The dialects it speaks as "client" or "server", weakest first."""
        lowest, highest = self.number(f"{side}-min-dialect"), self.number(f"{side}-max-dialect")
        assert lowest is not None
        assert highest is not None
        dialects = self.system.dialects if self.dialects is None else self.dialects
        return tuple(d for d in dialects if d == NT1 or lowest <= d <= highest)


@dataclass(frozen=True, slots=True)
class Prediction:
    """An outcome, and what it was decided on."""

    outcome: Outcome
    dialect: int  #: the one negotiated; 0 if they have none in common
    encrypted: bool
    identity: IdentityName
    client: Side
    server: Side


def predict(
    client: Machine,
    server: Machine,
    dialect: int | None = None,
    identity: IdentityName = "user",
    *,
    encryption: bool | None = None,
    share: str = "",
    reading: Reading = "A",
) -> Prediction:
    """What becomes of a logon of `client` to `server` that succeeds.

    Args:
        dialect: None is the greatest they have in common. Another one is taken as if nothing else
            was spoken; UserError if one of the systems never could.
        identity: whom the server takes the user for.
        encryption: whether the server encrypts the session; None is as it is set.
        share: the share in question: SYSVOL and NETLOGON have rules of their own.
        reading: for SMB1, see `Reading`.
    """
    notes: list[str] = []
    chosen = _dialect(client, server, dialect, notes)
    ours, theirs = client.client(), server.server()
    if not chosen:
        return Prediction(_no_dialect(client, server), 0, False, identity, ours, theirs)
    if share.casefold() in _HARDENED_SHARES and client.system.unc_hardening and chosen != NT1:
        if not ours.required:
            notes.append(
                f"The client wants integrity for {share.upper()}, whatever its other settings say "
                "(UNC hardening: Hardened UNC Paths, RequireIntegrity)."
            )
        ours = replace(ours, required=True)
    wanted = bool(server.number("server-encrypt-data")) if encryption is None else encryption
    required = encryption is not False and bool(client.number("client-require-encryption"))
    able = chosen in SMB3_DIALECTS and client.system.encryption and server.system.encryption
    encrypted = able and (wanted or required)
    result = _without_encryption(server, chosen, wanted, required, able, notes)
    if result is None and encrypted and identity != "user" and required and not wanted:
        result = _refused_by_client(
            "The client requires encryption, and a guest or an anonymous user has no key to "
            "encrypt with.",
            "SESSION_SETUP: the client drops the connection after the final response",
        )
    if result is None:
        gmac = client.system.gmac and server.system.gmac
        guests = bool(client.number("client-insecure-guest"))
        result = _decide(ours, theirs, chosen, identity, encrypted, guests, gmac, reading, notes)
    return Prediction(result.noting(*notes), chosen, encrypted, identity, ours, theirs)


def _decide(
    client: Side,
    server: Side,
    dialect: int,
    identity: IdentityName,
    encrypted: bool,
    guests: bool,
    gmac: bool,
    reading: Reading,
    notes: list[str],
) -> Outcome:
    def ask(exempt: bool) -> Outcome:
        return outcome(
            client,
            server,
            dialect,
            identity,
            encrypted=encrypted,
            guest_rejected=not guests and dialect != NT1,
            server_admits_keyless=exempt,
            gmac=gmac,
            reading=reading,
        )

    result = ask(exempt=False)
    if identity == "user" or dialect == NT1:
        return result
    if identity == "guest" and guests and client.required and not encrypted:
        notes.append(
            "The specification has clients that allow insecure guests accept this all the same "
            "(AllowInsecureGuestAccess); Learn says that requiring signing blocks guests, which is "
            "applied."
        )
    lenient = ask(exempt=True)
    return result if lenient.result == result.result else replace(result, other=lenient)


def _dialect(client: Machine, server: Machine, forced: int | None, notes: list[str]) -> int:
    """The dialect of the connection, 0 for none."""
    ours, theirs = client.spoken("client"), server.spoken("server")
    if forced is not None:
        if forced not in DIALECTS:
            raise UserError(f"0x{forced:04X} is no dialect of SMB.")
        for machine, side in ((client, "client"), (server, "server")):
            if forced > max(machine.system.dialects):
                raise UserError(
                    f"{machine.system.name} does not speak dialect {DIALECT_NAMES[forced]}."
                )
            if forced == NT1 and NT1 not in machine.spoken(side):
                notes.append(f"The {side}, {machine.system.name}, has no SMB1 as installed.")
        if forced == NT1:
            return NT1
        return forced if forced in ours and forced in theirs else 0
    return max((d for d in ours if d in theirs), default=0)


def _no_dialect(client: Machine, server: Machine) -> Outcome:
    ours = ", ".join(DIALECT_NAMES[d] for d in client.spoken("client")) or "none"
    theirs = ", ".join(DIALECT_NAMES[d] for d in server.spoken("server")) or "none"
    only_smb1 = client.spoken("client") == (NT1,)
    return Outcome(
        False,
        False,
        False,
        "server",
        f"They have no dialect in common: the client speaks {ours}, the server {theirs}.",
        "[MS-SMB2] 3.3.5.3" if only_smb1 else "[MS-SMB2] 3.3.5.4",
        fails_at="NEGOTIATE",
        looks_like=(
            "the connection is lost"
            if only_smb1
            else "the request is not supported (STATUS_NOT_SUPPORTED 0xC00000BB)"
        ),
    )


def _without_encryption(
    server: Machine, dialect: int, wanted: bool, required: bool, able: bool, notes: list[str]
) -> Outcome | None:
    """Refusals where encryption is demanded and not possible."""
    if able or not (wanted or required):
        return None
    if required:
        return _refused_by_client(
            "The client requires encryption, which these two can not do"
            f" in dialect {DIALECT_NAMES[dialect]}.",
            "NEGOTIATE: the client goes no further",
        )
    if server.number("server-reject-unencrypted"):
        return Outcome(
            False,
            False,
            False,
            "server",
            "The server encrypts and rejects unencrypted access, and these two can not encrypt "
            f"in dialect {DIALECT_NAMES[dialect]}.",
            "[MS-SMB2] 3.3.5.5",
            fails_at="SESSION_SETUP_ANDX" if dialect == NT1 else "SESSION_SETUP",
            looks_like=f"{_DENIED}; event 1003 of SMBServer/Operational",
        )
    notes.append(
        "The server lets this session in unencrypted (RejectUnencryptedAccess is off), and the "
        "rules of signing hold for it unchanged."
    )
    return None


def _refused_by_client(why: str, fails_at: str) -> Outcome:
    return Outcome(
        False,
        False,
        False,
        "client",
        why,
        "Learn: configure the SMB client to require encryption",
        fails_at=fails_at,
        looks_like="the server does not support encryption",
    )
