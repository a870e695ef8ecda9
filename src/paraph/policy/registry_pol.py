"""Registry.pol, the registry policy file ([MS-GPREG] 2.2.1 and 3.2.5.1.2).

`PReg`, the version 1, then instructions `[key;value;type;size;data]` that are carried out in
order. What is read is written back as it stood; some value names, all beginning with `**`, are
instructions to delete, to guard a key, or to set what is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from struct import Struct
from typing import NoReturn

from paraph.errors import UserError
from paraph.policy.changes import deletes, final_value
from paraph.policy.registry_value import (
    TYPE_NAMES,
    Change,
    RegistryDeletion,
    RegistryValue,
    RegType,
    encode_data,
    fold,
    without_hive,
)

SIGNATURE = b"PReg"
VERSION = 1
_HEADER = Struct("<4sI")
_U32 = Struct("<I")
_OPEN, _CLOSE, _SEMICOLON = b"[\0", b"]\0", b";\0"

_MAX_DATA = 0xFFFF
_MAX_NAME = 259
_MAX_KEY = 32767  # of a whole path, in the registry of Windows
_TYPES = (
    RegType.SZ,
    RegType.EXPAND_SZ,
    RegType.BINARY,
    RegType.DWORD,
    RegType.DWORD_BIG_ENDIAN,
    RegType.MULTI_SZ,
    RegType.QWORD,
)
_SIZES = {RegType.DWORD: 4, RegType.DWORD_BIG_ENDIAN: 4, RegType.QWORD: 8}

_BLANK = encode_data(RegType.SZ, " ")  # the data of an instruction that ignores its data

DELETE_VALUES = "**deletevalues"
DELETE_VALUE = "**del."
DELETE_ALL_VALUES = ("**delvals.", "**delvals")  # without the dot in Microsoft's older pages
DELETE_KEYS = "**deletekeys"
SECURE_KEY = "**securekey"
SOFT = "**soft."


@dataclass(frozen=True, slots=True)
class Instruction:
    """One `[key;value;type;size;data]`; `key` has no hive."""

    key: str
    value: str
    type: int
    data: bytes

    @property
    def path(self) -> str:
        """The key without outer backslashes."""
        return self.key.strip("\\")

    @property
    def special(self) -> str:
        """Which of the names of [MS-GPREG] 3.2.5.1.2 it is, in lower case; "" for a plain value."""
        name = self.value.casefold()
        if name in (DELETE_VALUES, DELETE_KEYS, SECURE_KEY):
            return name
        if name in DELETE_ALL_VALUES:
            return DELETE_ALL_VALUES[0]
        for prefix in (DELETE_VALUE, SOFT):
            if name.startswith(prefix):
                return prefix
        return ""

    @property
    def target(self) -> str:
        """The name of the value it is about, for a plain one, `**del.` and `**soft.`."""
        return (
            self.value[len(self.special) :] if self.special in (DELETE_VALUE, SOFT) else self.value
        )

    @property
    def names(self) -> list[str]:
        """The names that `**DeleteValues` and `**DeleteKeys` list."""
        text = self.data.decode("utf-16-le", "replace").split("\0", 1)[0]
        return [name for name in text.split(";") if name]

    @property
    def creates_key(self) -> bool:
        """No value at all: the key alone is made. Not in the specification; tools write it."""
        return self.type == RegType.NONE and not self.value and not self.data


class RegistryPol:
    """A registry policy file: `instructions` in order."""

    __slots__ = ("instructions",)

    def __init__(self, instructions: list[Instruction] | None = None) -> None:
        self.instructions = instructions if instructions is not None else []

    def changes(self, present: Callable[[str, str], bool] | None = None) -> list[Change]:
        """What the file does to the registry, in order.

        `**soft.` sets a value only where there is none: `present(key, name)` says whether there is
        one before the file is applied. Without it, `**soft.` is left out, and `notes` says so.
        """
        changes: list[Change] = []
        for instruction in self.instructions:
            if instruction.special == SOFT:
                value = RegistryValue(
                    instruction.path, instruction.target, instruction.type, instruction.data
                )
                if present is not None and not _there(changes, value, present):
                    changes.append(value)
            else:
                changes += _changes(instruction)
        return changes

    def notes(self) -> list[str]:
        """Sentences about what the file says and `changes()` does not."""
        notes = []
        for instruction in self.instructions:
            if instruction.special == SOFT:
                notes.append(
                    f"{instruction.key}\\{instruction.target} is set only where it does not exist "
                    "yet (**soft.); it is kept, and not taken for a value."
                )
            elif instruction.special == SECURE_KEY:
                notes.append(
                    f"{instruction.key} is to be guarded against users (**SecureKey); it is kept, "
                    "and has no effect here."
                )
        return notes

    def get(self, key: str, name: str) -> RegistryValue | None:
        """What the value is when the file has been carried out; None for deleted or not there."""
        return final_value(self.changes(), key, name)

    def set(self, value: RegistryValue) -> None:
        """Set a value, in place where the file has it. Raises UserError for what does not fit."""
        made = Instruction(value.key, value.name, value.type, value.data)
        if made.creates_key or made.special:
            raise UserError(f"Registry.pol takes {value.key}\\{value.name} for an instruction.")
        self._put(made, value.identity)

    def delete(self, key: str, name: str) -> None:
        """Instruct to delete a value. Raises UserError for a name that does not fit."""
        made = Instruction(key, DELETE_VALUE + name, RegType.SZ, _BLANK)
        self._put(made, RegistryValue(key, name, 0, b"").identity)

    def remove(self, key: str, name: str) -> bool:
        """Make a value Not Defined: no instruction is about it alone. False where it was so."""
        identity = RegistryValue(key, name, 0, b"").identity
        kept = [each for each in self.instructions if _identity(each) != identity]
        removed = len(kept) < len(self.instructions)
        self.instructions = kept
        return removed

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write changes into the file; returns sentences on what it can not hold."""
        notes = []
        for change in changes:
            try:
                self._apply(change)
            except UserError as error:
                notes.append(str(error))
        return notes

    def encode(self) -> bytes:
        """The file. Raises UserError for an instruction that it can not hold."""
        parts = [_HEADER.pack(SIGNATURE, VERSION)]
        parts += [_encode(instruction) for instruction in self.instructions]
        return b"".join(parts)

    def _apply(self, change: Change) -> None:
        if isinstance(change, RegistryValue):
            self.set(change)
        elif change.name is not None:
            self.delete(change.key, change.name)
        else:
            if change.values_only:
                made = Instruction(change.key, "**delvals.", RegType.SZ, _BLANK)
            else:
                parent, _, last = change.key.rpartition("\\")
                made = Instruction(parent, "**DeleteKeys", RegType.SZ, encode_data(1, last))
                if not parent or ";" in last:
                    raise UserError(f"Registry.pol can not delete the key {change.key}.")
            _encode(made)
            self.instructions.append(made)

    def _put(self, made: Instruction, identity: tuple[str, str]) -> None:
        _encode(made)  # or UserError, before anything is changed
        own = [at for at, each in enumerate(self.instructions) if _identity(each) == identity]
        at = own[-1] if own else len(self.instructions)
        if any(_hits(each, identity) for each in self.instructions[at + 1 :]):
            at = len(self.instructions)
        elif own:
            there = self.instructions[at]
            same = there.special == made.special  # and so it stays spelled as it is
            made = Instruction(there.key, there.value if same else made.value, made.type, made.data)
        before = [each for each in self.instructions[:at] if _identity(each) != identity]
        after = [each for each in self.instructions[at:] if _identity(each) != identity]
        self.instructions = [*before, made, *after]


def create() -> RegistryPol:
    """A file without instructions."""
    return RegistryPol()


def decode(data: bytes, source: str) -> RegistryPol:
    """Read a file. Raises UserError naming `source`, the offset and the reason for anything that
    does not match [MS-GPREG] 2.2.1, to the last byte."""
    if len(data) < _HEADER.size:
        raise UserError(
            f"{source} has {len(data)} bytes; a Registry.pol begins with {_HEADER.size}."
        )
    signature, version = _HEADER.unpack_from(data)
    if signature != SIGNATURE:
        _fail(source, 0, f"the signature is {signature!r} instead of {SIGNATURE!r}")
    if version != VERSION:
        _fail(source, 4, f"the version is {version} instead of {VERSION}")
    reader = _Reader(data, source, _HEADER.size)
    instructions = []
    while reader.at < len(data):
        instructions.append(reader.instruction())
    return RegistryPol(instructions)


class _Reader:
    """Takes instructions from `data`; `at` is the offset of the next byte."""

    __slots__ = ("at", "data", "source")

    def __init__(self, data: bytes, source: str, at: int) -> None:
        self.data = data
        self.source = source
        self.at = at

    def instruction(self) -> Instruction:
        start = self.at
        self._expect(_OPEN)
        key = self._text(_MAX_KEY, "key")
        self._expect(_SEMICOLON)
        value = self._text(_MAX_NAME, "value name")
        self._expect(_SEMICOLON)
        type_ = self._number()
        self._expect(_SEMICOLON)
        size_at = self.at
        size = self._number()
        self._expect(_SEMICOLON)
        if size > _MAX_DATA:
            _fail(self.source, size_at, f"the size {size} is above {_MAX_DATA}")
        if self.at + size > len(self.data):
            _fail(self.source, size_at, f"{size} bytes of data do not fit into the file")
        made = Instruction(key, value, type_, self.data[self.at : self.at + size])
        self.at += size
        self._expect(_CLOSE)
        why = _objection(made)
        if why:
            _fail(self.source, start, why)
        return made

    def _expect(self, mark: bytes) -> None:
        if self.data[self.at : self.at + 2] != mark:
            _fail(self.source, self.at, f"'{mark[:1].decode()}' is missing")
        self.at += 2

    def _number(self) -> int:
        if self.at + 4 > len(self.data):
            _fail(self.source, self.at, "the file ends inside a number")
        number: int = _U32.unpack_from(self.data, self.at)[0]
        self.at += 4
        return number

    def _text(self, most: int, what: str) -> str:
        """Up to and without its NUL."""
        limit = min(len(self.data), self.at + 2 * most + 2)
        end = self.data.find(b"\0\0", self.at, limit)
        while end >= 0 and (end - self.at) % 2:
            end = self.data.find(b"\0\0", end + 1, limit)
        if end < 0:
            _fail(self.source, self.at, f"the {what} has no end within {most} characters")
        return self._decode(end, what)

    def _decode(self, end: int, what: str) -> str:
        try:
            text = self.data[self.at : end].decode("utf-16-le")
        except UnicodeDecodeError:
            _fail(self.source, self.at, f"the {what} is no UTF-16")
        self.at = end + 2
        return text


def _fail(source: str, offset: int, why: str) -> NoReturn:
    raise UserError(f"{source}, byte {offset}: {why}.")


def _objection(instruction: Instruction) -> str:
    """Why the specification forbids `instruction`; "" if it does not."""
    if not instruction.path or any(character < " " for character in instruction.key):
        return "the key is empty or has control characters"
    if without_hive(instruction.key) != instruction.path:
        return f"the key '{instruction.key}' begins with a hive"
    if any(character < " " for character in instruction.value):
        return "the value name has control characters"
    special = instruction.special
    if special == SECURE_KEY and instruction.type != RegType.DWORD:
        return "**SecureKey is no REG_DWORD"
    if special not in ("", SOFT, SECURE_KEY) and instruction.type != RegType.SZ:
        return f"{instruction.value} is no REG_SZ"
    if instruction.type not in _TYPES and not instruction.creates_key:
        return f"the type {instruction.type} is not allowed"
    size = _SIZES.get(instruction.type, len(instruction.data))
    if len(instruction.data) != size:
        return f"{len(instruction.data)} bytes are no {TYPE_NAMES[instruction.type]}"
    texts = (RegType.SZ, RegType.EXPAND_SZ, RegType.MULTI_SZ)
    if instruction.type in texts and len(instruction.data) % 2:
        return f"{len(instruction.data)} bytes are no {TYPE_NAMES[instruction.type]}"
    return ""


def _encode(instruction: Instruction) -> bytes:
    where = f"{instruction.key}\\{instruction.value}"
    why = _objection(instruction)
    if not why and len(instruction.value) > _MAX_NAME:
        why = f"the name has more than {_MAX_NAME} characters"
    if not why and len(instruction.key) > _MAX_KEY:
        why = f"the key has more than {_MAX_KEY} characters"
    if not why and len(instruction.data) > _MAX_DATA:
        why = f"{len(instruction.data)} bytes of data are too many"
    try:
        key = (instruction.key + "\0").encode("utf-16-le")
        value = (instruction.value + "\0").encode("utf-16-le")
    except UnicodeEncodeError:
        why = why or "the name is no Unicode text"
    if why:
        raise UserError(f"Registry.pol can not hold {where}: {why}.")
    numbers = _U32.pack(instruction.type), _U32.pack(len(instruction.data))
    fields = (key, value, *numbers, instruction.data)
    return _OPEN + _SEMICOLON.join(fields) + _CLOSE


def _changes(instruction: Instruction) -> list[Change]:
    """What one instruction other than `**soft.` does."""
    key, special = instruction.path, instruction.special
    if special == DELETE_VALUES:
        return [RegistryDeletion(key, name) for name in instruction.names]
    if special == DELETE_VALUE:
        return [RegistryDeletion(key, instruction.target)]
    if special == DELETE_ALL_VALUES[0]:
        return [RegistryDeletion(key, None, values_only=True)]
    if special == DELETE_KEYS:
        return [RegistryDeletion(f"{key}\\{name}", None) for name in instruction.names]
    if special == SECURE_KEY or instruction.creates_key:
        return []
    return [RegistryValue(key, instruction.value, instruction.type, instruction.data)]


def _there(
    changes: list[Change], value: RegistryValue, present: Callable[[str, str], bool]
) -> bool:
    """Whether `value` exists after `changes`."""
    for change in reversed(changes):
        if isinstance(change, RegistryValue):
            if change.identity == value.identity:
                return True
        elif deletes(change, value.identity):
            return False
    return present(value.key, value.name)


def _identity(instruction: Instruction) -> tuple[str, str] | None:
    """The one value that `instruction` is about."""
    if instruction.special in ("", DELETE_VALUE, SOFT) and not instruction.creates_key:
        return fold(instruction.path), fold(instruction.target)
    return None


def _hits(instruction: Instruction, identity: tuple[str, str]) -> bool:
    """Whether `instruction` deletes that value among others."""
    return _identity(instruction) is None and any(
        isinstance(change, RegistryDeletion) and deletes(change, identity)
        for change in _changes(instruction)
    )
