"""Registry values: the common tongue of the policy formats ([MS-RRP] 2.2.9, [MS-GPREG] 2.2.1).

Each format (security template, Registry.pol, LGPO text, .reg, ...) is read to, and written from,
a list of `RegistryValue` and `RegistryDeletion`; the store keeps them; the settings look at them.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from paraph.errors import UserError
from paraph.wire.text import upcase

_U32 = Struct("<I")
_U64 = Struct("<Q")


class RegType:
    """REG_*, [MS-RRP] 3.1.1.5."""

    NONE = 0
    SZ = 1
    EXPAND_SZ = 2
    BINARY = 3
    DWORD = 4
    DWORD_BIG_ENDIAN = 5
    LINK = 6
    MULTI_SZ = 7
    RESOURCE_LIST = 8
    FULL_RESOURCE_DESCRIPTOR = 9
    RESOURCE_REQUIREMENTS_LIST = 10
    QWORD = 11


TYPE_NAMES = {
    number: f"REG_{name}" for name, number in vars(RegType).items() if isinstance(number, int)
}

Data = int | str | list[str] | bytes
"""What a value means: DWORD and QWORD are int, SZ and EXPAND_SZ str, MULTI_SZ a list."""


@dataclass(frozen=True, slots=True)
class RegistryValue:
    """One value below HKEY_LOCAL_MACHINE.

    `key` has no hive and no outer backslashes ("SYSTEM\\CurrentControlSet\\..."), spelled as it
    came; keys and names are compared ignoring case. `name` is "" for the default value. `data` are
    the bytes that a registry stores (little-endian numbers, UTF-16LE text with its NUL).
    """

    key: str
    name: str
    type: int
    data: bytes

    @property
    def identity(self) -> tuple[str, str]:
        """What makes two values the same one."""
        return fold(self.key), fold(self.name)

    def meaning(self) -> Data:
        """The data as Python. Raises UserError if they do not fit the type."""
        return decode_data(self.type, self.data, f"{self.key}\\{self.name}")


@dataclass(frozen=True, slots=True)
class RegistryDeletion:
    """An instruction to delete: one value, or with `name` None the whole key with its subkeys; if
    `values_only`, all values of the key, but neither the key nor its subkeys."""

    key: str
    name: str | None
    values_only: bool = False  #: only where `name` is None


Change = RegistryValue | RegistryDeletion


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """A key that is to exist, though it may have no values."""

    key: str


def fold(name: str) -> str:
    """`name` for comparison: upper case one UTF-16 unit at a time, as Windows does it, so that
    nothing grows ("ß" is not "ss")."""
    return upcase(name)


def encode_data(type_: int, meaning: Data) -> bytes:
    """The stored bytes of `meaning`. Raises UserError if it does not fit the type."""
    if type_ == RegType.DWORD and isinstance(meaning, int) and 0 <= meaning < 1 << 32:
        return _U32.pack(meaning)
    if type_ == RegType.DWORD_BIG_ENDIAN and isinstance(meaning, int) and 0 <= meaning < 1 << 32:
        return meaning.to_bytes(4, "big")
    if type_ == RegType.QWORD and isinstance(meaning, int) and 0 <= meaning < 1 << 64:
        return _U64.pack(meaning)
    if type_ in (RegType.SZ, RegType.EXPAND_SZ, RegType.LINK) and isinstance(meaning, str):
        return (meaning + "\0").encode("utf-16-le", "surrogatepass")
    if type_ == RegType.MULTI_SZ and isinstance(meaning, list):
        text = "".join(item + "\0" for item in meaning) + "\0"
        return text.encode("utf-16-le", "surrogatepass")
    if isinstance(meaning, bytes):
        return meaning
    raise UserError(f"{meaning!r} is no data for {TYPE_NAMES.get(type_, type_)}.")


def decode_data(type_: int, data: bytes, where: str) -> Data:
    """The meaning of stored bytes. Raises UserError naming `where` if they do not fit the type."""
    if type_ == RegType.DWORD and len(data) == 4:
        return int.from_bytes(data, "little")
    if type_ == RegType.DWORD_BIG_ENDIAN and len(data) == 4:
        return int.from_bytes(data, "big")
    if type_ == RegType.QWORD and len(data) == 8:
        return int.from_bytes(data, "little")
    if type_ in (RegType.SZ, RegType.EXPAND_SZ, RegType.LINK) and len(data) % 2 == 0:
        return data.decode("utf-16-le", "surrogatepass").split("\0", 1)[0]
    if type_ == RegType.MULTI_SZ and len(data) % 2 == 0:
        text = data.decode("utf-16-le", "surrogatepass")
        items = text.split("\0")
        return items[: items.index("")] if "" in items else items
    known_sizes = (
        RegType.DWORD,
        RegType.DWORD_BIG_ENDIAN,
        RegType.QWORD,
        RegType.SZ,
        RegType.EXPAND_SZ,
        RegType.LINK,
        RegType.MULTI_SZ,
    )
    if type_ in known_sizes:
        raise UserError(f"{where}: {len(data)} bytes are no {TYPE_NAMES[type_]}.")
    return data


_HIVES = ("HKEY_LOCAL_MACHINE", "HKLM:", "HKLM", "MACHINE", "Computer\\HKEY_LOCAL_MACHINE")


def without_hive(path: str) -> str:
    """`path` without its leading HKLM, HKEY_LOCAL_MACHINE or MACHINE and without outer backslashes;
    a path without hive stays as it is."""
    path = path.strip("\\")
    for hive in _HIVES:
        if path.casefold() == hive.casefold():
            return ""
        if path.casefold().startswith(hive.casefold() + "\\"):
            return path[len(hive) :].strip("\\")
    return path
