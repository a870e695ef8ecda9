"""What `paraph serve` was asked to do: command line over TOML file over defaults, in one record.

Both sources use the same names. Values arrive here as plain text and leave it checked; whatever can
not be used is a UserError, a full sentence that names the nearest right word.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from paraph.core.dialect import DIALECTS
from paraph.errors import UserError
from paraph.policy.settings import Policy

Encryption = Literal["off", "offered", "desired", "required"]
ENCRYPTIONS = get_args(Encryption)
LogFormat = Literal["text", "json"]

#: Key of the configuration file -> what its value is. The options have the same names.
KINDS = {
    "path": "text",
    "share": "pairs",
    "listen": "texts",
    "user": "texts",
    "read-only": "flag",
    "min-dialect": "text",
    "max-dialect": "text",
    "encrypt": "text",
    "guest": "flag",
    "policy": "pairs",
    "state": "text",
    "log-format": "text",
    "verbose": "flag",
    "run-as": "text",
}

Given = Mapping[str, object]
"""Option name -> value as given; a name that is absent, None or an empty list was not given."""


@dataclass(frozen=True, slots=True)
class SharePath:
    """A share's name and the absolute path of its folder."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class AllowedUser:
    """A user named by --user; `password` is None when it is to be looked up or asked for."""

    name: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Everything `paraph serve` needs to know, checked."""

    shares: tuple[SharePath, ...]
    listen: tuple[str, ...] = ()  #: empty: all interfaces, port 445 or else 4450
    users: tuple[AllowedUser, ...] = ()  #: empty: every account of the state
    read_only: bool = False
    min_dialect: int = min(DIALECTS)
    max_dialect: int = max(DIALECTS)
    encrypt: Encryption = "offered"
    guest: bool = False
    policy: Policy = field(default_factory=Policy)
    state: Path = Path()
    log_format: LogFormat = "text"
    verbose: bool = False
    run_as: str | None = None
    assignments: tuple[str, ...] = ()  #: the --policy values: they win over the registry
    named: frozenset[str] = frozenset()  #: which options were given: these win over it too


def load(path: Path) -> dict[str, object]:
    """Read a configuration file. Paths in it are relative to its own folder.

    Raises UserError if it can not be read, is no TOML, or holds unknown keys or wrong types.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise UserError(
            f"The configuration file {path} can not be read: {error.strerror}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"The configuration file {path} is not valid TOML: {error}.") from None
    where = f"In {path}: "
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in KINDS:
            raise UserError(f"{where}{unknown(key, KINDS, 'setting')}")
        values[key] = _checked(where, key, value)
    for user in cast("list[str]", values.get("user", [])):
        if ":" in user:
            raise UserError(
                f"{where}'user' takes names only; set the password of {user.partition(':')[0]!r} "
                "with `paraph user add`."
            )
    base = path.absolute().parent
    for key in ("path", "state"):
        if key in values:
            values[key] = str(base / _expand(cast(str, values[key])))
    if "share" in values:
        values["share"] = [_anchor(item, base) for item in cast("list[str]", values["share"])]
    return values


def merge(given: Given, file: Given, *, root: bool | None = None) -> ServeConfig:
    """The command line's values over the file's. Raises UserError."""
    values = {**_present(file), **_present(given)}
    minimum = dialect(str(values.get("min-dialect", "2.0.2")))
    maximum = dialect(str(values.get("max-dialect", "3.1.1")))
    if minimum > maximum:
        raise UserError(
            f"--min-dialect {DIALECTS[minimum].name} is above "
            f"--max-dialect {DIALECTS[maximum].name}."
        )
    encrypt = one_of(str(values.get("encrypt", "offered")), ENCRYPTIONS, "--encrypt")
    if encrypt == "required" and not DIALECTS[maximum].encryption:
        raise UserError(
            f"--encrypt required needs SMB 3, and "
            f"--max-dialect {DIALECTS[maximum].name} rules it out."
        )
    state = values.get("state")
    return ServeConfig(
        shares=shares(_text(values, "path"), _texts(values, "share")),
        listen=tuple(_texts(values, "listen")),
        users=users(_texts(values, "user")),
        read_only=bool(values.get("read-only", False)),
        min_dialect=minimum,
        max_dialect=maximum,
        encrypt=cast(Encryption, encrypt),
        guest=bool(values.get("guest", False)),
        policy=Policy.parse_assignments(_texts(values, "policy")),
        state=_expand(str(state)).absolute() if state is not None else default_state(root=root),
        log_format=cast(
            LogFormat,
            one_of(str(values.get("log-format", "text")), ("text", "json"), "--log-format"),
        ),
        verbose=bool(values.get("verbose", False)),
        run_as=_text(values, "run-as"),
        assignments=tuple(_texts(values, "policy")),
        named=frozenset(values),
    )


def shares(path: str | None, named: Iterable[str]) -> tuple[SharePath, ...]:
    """PATH and the --share values: a bare NAME names PATH, NAME=PATH is one more share."""
    first_name: str | None = None
    more: list[SharePath] = []
    for item in named:
        name, equals, folder = item.partition("=")
        if equals and name and folder:
            more.append(SharePath(name, _expand(folder).absolute()))
        elif equals or not name:
            raise UserError(f"--share {item!r} is neither NAME nor NAME=PATH.")
        elif first_name is not None:
            raise UserError(
                f"--share {first_name} and --share {name} both name PATH; a further share is "
                "--share NAME=PATH."
            )
        else:
            first_name = name
    if path is not None:
        folder_path = _expand(path).absolute()
        name = first_name or folder_path.resolve().name
        if not name:
            raise UserError(f"{path} has no name of its own; give the share one with --share NAME.")
        more.insert(0, SharePath(name, folder_path))
    elif first_name is not None:
        raise UserError(
            f"--share {first_name} names no folder: give PATH, or --share {first_name}=PATH."
        )
    if not more:
        raise UserError("There is nothing to serve: give a folder, as in `paraph serve ~/photos`.")
    seen: set[str] = set()
    for share in more:
        if share.name.upper() in seen:
            raise UserError(
                f"Two shares are named {share.name!r}; the names of shares must differ, and not "
                "only in case."
            )
        seen.add(share.name.upper())
    return tuple(more)


def users(items: Iterable[str]) -> tuple[AllowedUser, ...]:
    """The --user values, NAME or NAME:PASSWORD. The messages never hold the password."""
    found: dict[str, AllowedUser] = {}
    for item in items:
        name, colon, password = item.partition(":")
        if not name:
            raise UserError("--user needs a name: --user NAME or --user NAME:PASSWORD.")
        if colon and not password:
            raise UserError(
                f"--user {name}: has an empty password; leave the colon out to be asked."
            )
        if name.casefold() in found:
            raise UserError(f"The user {name!r} is named twice.")
        found[name.casefold()] = AllowedUser(name, password if colon else None)
    return tuple(found.values())


def dialect(text: str) -> int:
    """A dialect by its name (3.1.1), its Samba name (SMB3_11) or its number (0x0311)."""
    found = _DIALECTS.get(_bare_digits(text.strip().upper()))
    if found is None:
        hint = _nearest(text, [row.name for row in DIALECTS.values()])
        raise UserError(
            f"{text!r} is no dialect of SMB{hint or '.'} The dialects are "
            + ", ".join(row.name for row in DIALECTS.values())
            + "."
        )
    return found


def _bare_digits(text: str) -> str:
    return text.removeprefix("SMB").removeprefix("0X0").replace("_", "").replace(".", "")


_DIALECTS = {_bare_digits(row.name): revision for revision, row in DIALECTS.items()}
_DIALECTS |= {f"{revision:X}": revision for revision in DIALECTS}  # 0x0210 is 2.1 and SMB2_10


def one_of(value: str, choices: Iterable[str], what: str) -> str:
    """`value` in the spelling of `choices`, ignoring case. Raises UserError with the nearest."""
    choices = tuple(choices)
    for choice in choices:
        if value.lower() == choice.lower():
            return choice
    hint = _nearest(value, choices)
    raise UserError(f"{what} can not be {value!r}{hint or '.'} It is one of {', '.join(choices)}.")


def unknown(word: str, choices: Iterable[str], what: str) -> str:
    """A sentence saying that `word` is no known `what`, with the nearest or all that are."""
    choices = tuple(choices)
    hint = _nearest(word, choices)
    return f"there is no {what} {word!r}{hint or ': they are ' + ', '.join(choices) + '.'}"


def default_state(*, root: bool | None = None) -> Path:
    """Where accounts are kept: /var/lib/paraph for root, else the XDG state directory."""
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/lib/paraph")
    base = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification says to ignore a relative path.
    folder = Path(base) if os.path.isabs(base) else Path("~/.local/state").expanduser()
    return folder / "paraph"


def _nearest(word: str, choices: Iterable[str]) -> str:
    close = difflib.get_close_matches(
        word.lower(), {c.lower(): c for c in choices}, n=1, cutoff=0.5
    )
    by_lower = {c.lower(): c for c in choices}
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def _present(values: Given) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None and value != []}


def _text(values: Given, key: str) -> str | None:
    return cast("str | None", values.get(key))


def _texts(values: Given, key: str) -> list[str]:
    return cast("list[str]", values.get(key, []))


def _expand(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{text!r} can not be expanded: there is no such user.") from None


def _anchor(share: str, base: Path) -> str:
    name, equals, folder = share.partition("=")
    return f"{name}={base / _expand(folder)}" if equals and folder else share


def _checked(where: str, key: str, value: object) -> object:
    """A value of the file in the shape that the command line would have given it."""
    kind = KINDS[key]
    if kind == "flag":
        if isinstance(value, bool):
            return value
        raise UserError(f"{where}{key!r} must be true or false.")
    if isinstance(value, str):
        return value if kind == "text" else [value]
    if kind == "text":
        raise UserError(f"{where}{key!r} must be a text in quotes.")
    if kind == "pairs" and isinstance(value, dict):
        return [_pair(where, key, name, item) for name, item in value.items()]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    shape = "a list of texts or a table" if kind == "pairs" else "a list of texts"
    raise UserError(f"{where}{key!r} must be {shape}.")


def _pair(where: str, key: str, name: str, item: object) -> str:
    if key == "policy" and isinstance(item, bool):
        return f"{name}={'enabled' if item else 'disabled'}"
    if not isinstance(item, str):
        raise UserError(f"{where}{key}.{name} must be a text in quotes.")
    return f"{name}={item}"
