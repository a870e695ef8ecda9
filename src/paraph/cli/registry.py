"""`paraph registry`: the registry in the state directory, of which the settings are a part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paraph.cli.policy_options import JsonOption, StateOption

if TYPE_CHECKING:
    from paraph.policy.registry_value import Data, RegistryValue

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Read and write Paraph's registry, as reg.exe does. A running server sees each change at "
    "the next session.",
)

PathArgument = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        help=r"A key below HKEY_LOCAL_MACHINE, such as "
        r"'HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters'.",
        show_default=False,
    ),
]
ValueOption = Annotated[
    str | None,
    typer.Option(
        "--value", metavar="NAME", help="One value; '' is the default one.", show_default=False
    ),
]


@app.command()
def query(
    key: PathArgument,
    value: ValueOption = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="All keys below it too.")
    ] = False,
    json: JsonOption = False,
    state: StateOption = None,
) -> None:
    r"""Show the values of a key, as reg query does.

    \b
    Examples:
      paraph registry query 'HKLM\SYSTEM' --recursive
      paraph registry query 'HKLM\SOFTWARE\Policies' --recursive --json
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import reading
    from paraph.errors import UserError

    path = _path(key)
    missing = UserError(f"There is no key {_full(path)} in the registry.")
    with reading(state) as registry:
        if registry is None:
            raise missing
        info = registry.info(path)
        if info is None:
            raise missing
        if value is not None:
            one = registry.get(path, value)
            if one is None:
                raise UserError(f"{_full(info.path)} has no value {value or '(Default)'!r}.")
            found = [(info.path, [one])]
            below: list[str] = []
        elif recursive:
            found = [(each.path, values) for each, values in registry.walk(path)]
            below = []
        else:
            found = [(info.path, registry.values(path))]
            below = [each.path for each in registry.subkeys(path)]
    if json:
        tables.say_json(
            {
                "keys": [
                    {"key": _full(each), "values": [value_json(one) for one in values]}
                    for each, values in found
                ],
                "subkeys": [_full(each) for each in below],
            }
        )
        return
    for each, values in found:
        if values or not recursive:
            tables.say(_full(each), bold=True)
            for one in values:
                name = one.name or "(Default)"
                tables.say(f"    {name}    {type_name(one.type)}    {data_text(one)}")
            tables.say()
    for each in below:
        tables.say(_full(each))


@app.command()
def add(
    key: PathArgument,
    value: ValueOption = None,
    type_: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="REG_DWORD, REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ, REG_QWORD, REG_BINARY, REG_NONE.",
        ),
    ] = "REG_DWORD",
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="A number (also 0x...), a text, or hex digits. Repeatable for REG_MULTI_SZ.",
            show_default=False,
        ),
    ] = None,
    state: StateOption = None,
) -> None:
    r"""Write a value, and make its key. Without --value and --data, make the key alone.

    \b
    Example:
      paraph registry add 'HKLM\SOFTWARE\Example' --value Limit --data 5
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import writing
    from paraph.errors import UserError
    from paraph.policy.registry_value import RegistryValue, encode_data

    path = _path(key)
    if value is None and not data:
        with writing(state) as registry:
            made = registry.create_key(path)
        tables.say(f"{_full(path)} {'is made' if made else 'is there already'}.")
        return
    if value is None:
        raise UserError("--data needs --value: which value? --value '' is the default one.")
    number = _type(type_)
    meaning = _meaning(number, data or [])
    one = RegistryValue(path, value, number, encode_data(number, meaning))
    with writing(state) as registry:
        registry.set(one)
    tables.say(f"{_full(path)}\\{value or '(Default)'} is {data_text(one)}.")


@app.command()
def delete(
    key: PathArgument,
    value: ValueOption = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="A key with all keys below it.")
    ] = False,
    state: StateOption = None,
) -> None:
    r"""Delete a value, or without --value a key with its values.

    \b
    Example:
      paraph registry delete 'HKLM\SOFTWARE\Example' --value Limit
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import reading, writing
    from paraph.errors import UserError

    path = _path(key)
    what = _full(path) if value is None else f"{_full(path)}\\{value or '(Default)'}"
    with reading(state) as found:
        if found is not None and value is None and not recursive and found.subkeys(path):
            raise UserError(f"{what} has keys below it: give --recursive to delete them too.")
        there = found is not None and (
            found.info(path) if value is None else found.get(path, value)
        )
    if not there:
        raise UserError(f"There is no {what} in the registry.")
    with writing(state) as registry:
        if value is None:
            registry.delete_key(path, recursive=recursive)
        else:
            registry.delete(path, value)
    tables.say(f"{what} is deleted.")


@app.command("export")
def export_(
    key: PathArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The .reg file to write.")],
    version: Annotated[
        int, typer.Option("--version", help="5: UTF-16; 4: ANSI, for Windows 98 and NT 4.0.")
    ] = 5,
    state: StateOption = None,
) -> None:
    r"""Write a key and all keys below it to a .reg file.

    \b
    Example:
      paraph registry export 'HKLM\SYSTEM' system.reg
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import reading
    from paraph.errors import UserError
    from paraph.policy import reg_file
    from paraph.policy.formats import Exported
    from paraph.policy.registry_value import RegistryKey

    if version not in (4, 5):
        raise UserError(f"There is no version {version} of .reg files: use 4 or 5.")
    path = _path(key)
    with reading(state) as registry:
        if registry is None or registry.info(path) is None:
            raise UserError(f"There is no key {_full(path)} in the registry.")
        entries: list[reg_file.Entry] = []
        for info, values in registry.walk(path):
            entries += values or ([RegistryKey(info.path)] if info.path else [])
    encoded = reg_file.encode(entries, 4 if version == 4 else 5)
    Exported("reg", encoded).save(file.expanduser())
    tables.say(f"{file}: {_full(path)} with {len(entries)} values and empty keys.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .reg file, version 4 or 5.")],
    state: StateOption = None,
) -> None:
    """Read a .reg file. One that is damaged, or about another hive, changes nothing.

    \b
    Example:
      paraph registry import system.reg
    """
    from paraph.cli import tables
    from paraph.cli.policy_state import writing
    from paraph.policy import formats, reg_file

    found = formats.read_all(file.expanduser(), "reg")[0]
    assert isinstance(found.document, formats.RegFile)
    entries: list[reg_file.Entry] = found.document.entries
    with writing(state) as registry:
        registry.apply(entries)
    tables.say(f"{file}: {len(entries)} changes made.")


# Text


def _path(key: str) -> str:
    """The key without hive. Raises UserError for another hive."""
    from paraph.errors import UserError
    from paraph.policy.registry import check_key
    from paraph.policy.registry_value import without_hive

    text = key.strip().replace("/", "\\")
    if text.strip("\\").upper().split("\\")[0] in _OTHER_HIVES:
        raise UserError(f"The registry has HKEY_LOCAL_MACHINE only, not {key.strip()!r}.")
    path = without_hive(text)
    check_key(path)
    return path


_OTHER_HIVES = (
    *("HKCU", "HKEY_CURRENT_USER", "HKCR", "HKEY_CLASSES_ROOT", "HKU", "HKEY_USERS", "HKCC"),
    *("HKEY_CURRENT_CONFIG", "HKCU:"),
)


def _full(path: str) -> str:
    return f"HKEY_LOCAL_MACHINE\\{path}" if path else "HKEY_LOCAL_MACHINE"


def type_name(number: int) -> str:
    """REG_DWORD and the like; a number for what has no name."""
    from paraph.policy.registry_value import TYPE_NAMES

    return TYPE_NAMES.get(number, f"0x{number:x}")


def data_text(value: RegistryValue) -> str:
    """The data as reg query shows them; what does not fit its type in hex."""
    from paraph.cli.log import printable
    from paraph.errors import UserError

    try:
        meaning = value.meaning()
    except UserError:
        meaning = value.data
    if isinstance(meaning, int):
        return f"0x{meaning:x}"
    if isinstance(meaning, bytes):
        return meaning.hex().upper()
    if isinstance(meaning, list):
        return printable("\\0".join(meaning), 4096)
    return printable(meaning, 4096)


def value_json(value: RegistryValue) -> dict[str, Any]:
    """One value; numbers and texts as such, other data in hex."""
    from paraph.errors import UserError

    try:
        meaning = value.meaning()
    except UserError:
        meaning = value.data
    return {
        "name": value.name,
        "type": type_name(value.type),
        "data": meaning.hex() if isinstance(meaning, bytes) else meaning,
    }


def _type(text: str) -> int:
    from difflib import get_close_matches

    from paraph.errors import UserError
    from paraph.policy.registry_value import TYPE_NAMES

    names = {name: number for number, name in TYPE_NAMES.items()}
    word = text.strip().upper()
    word = word if word.startswith("REG_") else f"REG_{word}"
    if word not in names:
        near = get_close_matches(word, list(names), n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Use one of: {', '.join(names)}."
        raise UserError(f"There is no type {text!r}. {hint}")
    return names[word]


def _meaning(type_: int, data: list[str]) -> Data:
    """What was typed, as the type has it. Raises UserError."""
    from paraph.errors import UserError
    from paraph.policy.registry_value import RegType

    if type_ == RegType.MULTI_SZ:
        return data
    if len(data) > 1:
        raise UserError("Only REG_MULTI_SZ takes --data more than once.")
    text = data[0] if data else ""
    if type_ in (RegType.SZ, RegType.EXPAND_SZ, RegType.LINK):
        return text
    if type_ in (RegType.DWORD, RegType.DWORD_BIG_ENDIAN, RegType.QWORD):
        try:
            return int(text, 0)
        except ValueError:
            raise UserError(f"{text!r} is no number: write 5 or 0x5.") from None
    try:
        return bytes.fromhex(text.replace(",", " "))
    except ValueError:
        raise UserError(f"{text!r} are no hex digits.") from None
