"""One policy setting as Windows knows it, and the states it can have.

The rows are in `policy.catalogue`; look them up through `policy.settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from paraph.errors import UserError
from paraph.policy.registry_value import RegistryValue, RegType, encode_data

SideName = Literal["server", "client"]
Kind = Literal["boolean", "integer", "dialect"]

DIALECT_TEXT = {
    0x0202: "SMB 2.0.2",
    0x0210: "SMB 2.1",
    0x0300: "SMB 3.0",
    0x0302: "SMB 3.0.2",
    0x0311: "SMB 3.1.1",
}
"""Values of MinSmb2Dialect and MaxSmb2Dialect, weakest first."""

DIALECT_PARAMETER = {
    0x0202: "SMB202",
    0x0210: "SMB210",
    0x0300: "SMB300",
    0x0302: "SMB302",
    0x0311: "SMB311",
}
"""The same as -Smb2DialectMin and -Smb2DialectMax of PowerShell spell them."""


@dataclass(frozen=True, slots=True)
class State:
    """What an administrator chose: nothing (`value` None) or a number; 1 is Enabled, 0 Disabled."""

    value: int | None = None

    @property
    def defined(self) -> bool:
        return self.value is not None


NOT_DEFINED = State()
DISABLED = State(0)
ENABLED = State(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One policy as people meet it. In the registry it is a REG_DWORD.

    Keys have no hive, like `RegistryValue.key`.
    """

    key: str  #: its name on the command line and in files
    side: SideName
    display_name: str  #: as Group Policy shows it (XP and later)
    group_policy_path: str  #: the folder in the editor, "" if Group Policy does not have it
    registry_value: str  #: the name of the value, the same in every key
    local_key: str  #: where the machine keeps it, and where security templates write it
    policy_key: str = ""  #: where administrative templates write it; wins over `local_key`
    other_keys: tuple[tuple[str, str], ...] = ()  #: (system, its key) where it differs
    windows_2000_name: str = ""  #: display name of Windows 2000
    kind: Kind = "boolean"
    minimum: int = 0  #: of an integer
    maximum: int = 1
    step: int = 1
    default: int  #: when Not Defined, in Windows today (11 24H2 Pro, Server 2025)
    default_note: str = ""  #: where that differs between systems
    strongest: int = 1  #: what damaged data are taken for: never the weaker reading
    since: str  #: the first Windows that has it
    mdm_uri: str = ""  #: OMA-URI, "" if there is none
    powershell: str = ""  #: parameter of `cmdlet`, without hyphen; "" if there is none
    explanation: str  #: one sentence
    impact: str  #: what may happen to others
    best_practice: str
    source: str  #: where this is written

    @property
    def field(self) -> str:
        """The name of its field in `Policy`, for the four that have one."""
        return self.key.replace("-", "_")

    @property
    def registry_key(self) -> str:
        """The local key as people write it."""
        return "HKLM\\" + self.local_key

    @property
    def cmdlet(self) -> str:
        return f"Set-Smb{self.side.capitalize()}Configuration"

    @property
    def deliver_key(self) -> str:
        """The key that Group Policy writes: `policy_key`, or `local_key` where there is none."""
        return self.policy_key or self.local_key

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key where today's Windows looks, the one that wins first."""
        return (self.policy_key, self.local_key) if self.policy_key else (self.local_key,)

    def to_registry(self, state: State, key: str = "") -> RegistryValue | None:
        """The value that stands for `state` below `key` (else `deliver_key`); None if Not Defined.

        Raises UserError for a number that the setting does not take.
        """
        if state.value is None:
            return None
        self._check(state.value)
        data = encode_data(RegType.DWORD, state.value)
        return RegistryValue(key or self.deliver_key, self.registry_value, RegType.DWORD, data)

    def read(self, value: RegistryValue | None) -> tuple[State, str]:
        """The state that a registry value means, and a remark ("" if it is sound).

        No value is Not Defined. What Windows would not have written is taken for the nearest
        setting that is not weaker, and damaged data for the strongest: a damaged value never
        weakens anything.
        """
        if value is None:
            return NOT_DEFINED, ""
        if value.type != RegType.DWORD or len(value.data) != 4:
            state = State(self.strongest)
            return state, self._remark(value, "is no REG_DWORD", state)
        number = int.from_bytes(value.data, "little")
        sound = self._nearest(number)
        state = State(sound)
        return state, "" if sound == number else self._remark(value, f"is {number}", state)

    def _remark(self, value: RegistryValue, what: str, state: State) -> str:
        return f"{value.key}\\{value.name} {what}: taken for {self.describe(state)}."

    def _nearest(self, number: int) -> int:
        """The number itself, or the nearest sound one that is not weaker."""
        if self.kind == "boolean":
            weak = 1 - self.strongest
            return weak if number == weak else self.strongest
        if self.kind == "dialect":
            if number == 0:  # None in PowerShell: no bound of its own
                return min(DIALECT_TEXT) if self.minimum_bound else max(DIALECT_TEXT)
            if number < min(DIALECT_TEXT) and not self.minimum_bound:
                return max(DIALECT_TEXT)
            return min((d for d in DIALECT_TEXT if d >= number), default=max(DIALECT_TEXT))
        rounded = -(-number // self.step) * self.step
        return max(self.minimum, min(rounded, self.maximum))

    @property
    def minimum_bound(self) -> bool:
        """Of a dialect: it is the lower bound."""
        return self.registry_value.casefold().startswith("min")

    def _check(self, number: int) -> None:
        if self.kind == "dialect":
            sound = number in DIALECT_TEXT
        else:
            sound = self.minimum <= number <= self.maximum and number % self.step == 0
        if not sound:
            raise UserError(f"'{self.key}' can not be {number}. Use {self.accepted()}.")

    def accepted(self) -> str:
        """What `parse` takes, for messages."""
        if self.kind == "boolean":
            return "enabled, disabled or not-defined"
        if self.kind == "dialect":
            names = ", ".join(text.removeprefix("SMB ") for text in DIALECT_TEXT.values())
            return f"one of {names}, or not-defined"
        every = f" in steps of {self.step}" if self.step > 1 else ""
        return f"a number from {self.minimum} to {self.maximum}{every}, or not-defined"

    def parse(self, text: str) -> State:
        """The state that a person wrote, case and outer spaces ignored: "enabled", "disabled",
        "not defined"; a dialect as "3.1.1", "SMB311", "785" or "0x0311"; a number.

        Raises UserError naming what is accepted.
        """
        word = text.strip().lower()
        if word in ("not defined", "not-defined", "notdefined", "not configured"):
            return NOT_DEFINED
        number = self._number(word)
        if number is None:
            nearest = get_close_matches(word, ["enabled", "disabled", "not-defined"], n=1)
            hint = f"Did you mean '{nearest[0]}'?" if nearest else f"Use {self.accepted()}."
            raise UserError(f"'{self.key}' can not be '{text.strip()}'. {hint}")
        self._check(number)
        return State(number)

    def _number(self, word: str) -> int | None:
        if self.kind == "boolean":
            return {"enabled": 1, "disabled": 0}.get(word)
        if self.kind == "dialect":
            plain = word.removeprefix("smb").strip()
            for number, name in DIALECT_TEXT.items():
                dotted = name.removeprefix("SMB ")
                if plain in (dotted, DIALECT_PARAMETER[number].removeprefix("SMB")):
                    return number
        try:
            return int(word, 0) if word.isascii() and "_" not in word else None
        except ValueError:
            return None

    def describe(self, state: State) -> str:
        """The state as people read it."""
        if state.value is None:
            return "Not Defined"
        if self.kind == "boolean":
            return "Enabled" if state.value else "Disabled"
        if self.kind == "dialect":
            return DIALECT_TEXT.get(state.value, f"0x{state.value:04X}")
        return str(state.value)
