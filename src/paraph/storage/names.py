"""File names: what a client may send, how names compare, and how they are spelled on the host.

* `parse` turns the name of an SMB2 CREATE into the path that `storage.base` speaks of.
* `fold` is the key under which names are equal whatever their case.
* `compile_pattern` and `match` know the wildcards of directory searches.
* `to_host` and `from_host` spell names on a POSIX file system and back.

A POSIX name may hold characters that Windows can not show (`: * ? " < > | \\`, control characters,
a dot or space at the end). They appear to clients as the private-use characters U+F001 to U+F029,
the mapping that macOS and Linux clients use themselves, so such a file made on the host is
reachable, and one made through a client gets its real name on the host. A host name that is not
UTF-8 is not shown at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from paraph.errors import NTStatusError
from paraph.wire.ntstatus import NTStatus

MAXIMUM_COMPONENT = 255
"""UTF-16 code units in one component ([MS-FSCC] 2.1.5.2)."""
MAXIMUM_PATH = 32760
"""UTF-16 code units in a path ([MS-FSCC] 2.1.5)."""

# What a name must not hold, and components that are empty or dot directory names.
_ILLEGAL = re.compile(r'[\x00-\x1f"*/:<>?|\\\ud800-\udfff]')
_SUSPECT = re.compile(
    r'[\x00-\x1f"*/:<>?|\ud800-\udfff]|(?:^|\\)\.{0,2}(?:\\|\Z)',
)
_ILLEGAL_IN_PATTERN = re.compile(r"[\x00-\x1f/:|\\\ud800-\udfff]")


def _invalid(reason: str, status: int = NTStatus.OBJECT_NAME_INVALID) -> NTStatusError:
    return NTStatusError(status, reason)


def utf16_length(text: str) -> int:
    """UTF-16 code units of `text`."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def split_stream(component: str) -> tuple[str, str, str]:
    """The file name, stream name and stream type of `name:stream:type` ([MS-FSCC] 2.1.5).

    Raises NTStatusError OBJECT_NAME_INVALID for a fourth part and for a trailing colon."""
    parts = component.split(":")
    if len(parts) > 3 or (len(parts) > 1 and not parts[-1]):
        raise _invalid("malformed stream name")
    parts += [""] * (3 - len(parts))
    return parts[0], parts[1], parts[2]


def _without_stream(component: str) -> str:
    """The file that `component` names, if it names its default stream ([MS-FSA] 2.1.5.1 phase 6).

    Raises NTStatusError OBJECT_NAME_INVALID for any other stream: that is the answer of a file
    system without FILE_NAMED_STREAMS."""
    name, stream, kind = split_stream(component)
    if stream or kind.upper() not in ("", "$DATA"):
        raise _invalid("named streams are not supported")
    return name


def parse(name: str) -> str:
    """The path, relative to the share, of the name in an SMB2 CREATE or a rename request.

    [MS-SMB2] 2.2.13, 3.3.5.9, [MS-FSCC] 2.1.5, [MS-FSA] 2.1.5.1. One trailing backslash is
    dropped, and `name::$DATA` is `name`. Dot directory names are refused wherever they stand: they
    must not be sent over the wire ([MS-FSCC] 2.1.5.1).

    Raises NTStatusError INVALID_PARAMETER (a leading backslash, `..` within the share),
    OBJECT_PATH_SYNTAX_BAD (`..` above the share), OBJECT_NAME_INVALID (everything else)."""
    if not name:
        return name
    if name[0] == "\\":
        raise _invalid("leading backslash", NTStatus.INVALID_PARAMETER)
    if name[-1] == "\\":
        name = name[:-1]
    if _SUSPECT.search(name) is not None:
        name = _parse_suspect(name)
    # No string of 127 characters has more than 254 code units.
    if len(name) > MAXIMUM_COMPONENT // 2:
        _check_lengths(name)
    return name


def _parse_suspect(name: str) -> str:
    components = name.split("\\")
    components[-1] = _without_stream(components[-1])
    _refuse_dots(components)
    for component in components:
        if not component:
            raise _invalid("empty component")
        if _ILLEGAL.search(component) is not None:
            raise _invalid("illegal character")
    return "\\".join(components)


def _refuse_dots(components: list[str]) -> None:
    depth = 0
    for component in components:
        depth += -1 if component == ".." else 1
        if component == ".":
            raise _invalid("dot directory name")
        if depth < 0:
            raise _invalid("name leads out of the share", NTStatus.OBJECT_PATH_SYNTAX_BAD)
    if ".." in components:
        raise _invalid("dot directory name", NTStatus.INVALID_PARAMETER)


def _check_lengths(name: str) -> None:
    if utf16_length(name) > MAXIMUM_PATH:
        raise _invalid("path too long")
    for component in name.split("\\"):
        if utf16_length(component) > MAXIMUM_COMPONENT:
            raise _invalid("component too long")


def check_pattern(pattern: str) -> str:
    """`pattern` itself, if it may be searched for ([MS-FSA] 2.1.5.6.3): one component, wildcards,
    `.` and `..` allowed. Raises NTStatusError OBJECT_NAME_INVALID."""
    if _ILLEGAL_IN_PATTERN.search(pattern) is not None:
        raise _invalid("illegal character in search pattern")
    if len(pattern) > MAXIMUM_COMPONENT // 2 and utf16_length(pattern) > MAXIMUM_COMPONENT:
        raise _invalid("search pattern too long")
    return pattern


class _Upcase(dict[int, int]):
    """The upcase table of Windows, filled as characters are met.

    A character of the Basic Multilingual Plane maps to its simple uppercase, provided that this is
    one character there which maps back: so dotless i, long s, micro sign and sharp s stay
    themselves. Final sigma is the exception that Windows makes.
    """

    def __missing__(self, code: int) -> int:
        if code > 0xFFFF:
            return code
        self[code] = upper = _simple_uppercase(code)
        return upper


def _simple_uppercase(code: int) -> int:
    character = chr(code)
    upper = character.upper()
    if len(upper) != 1:
        upper = character.title()
    if len(upper) != 1 or ord(upper) > 0xFFFF:
        return code
    return ord(upper) if upper.lower() == character or character == "\u03c2" else code


_UPCASE = _Upcase()


def fold(name: str) -> str:
    """The key of `name` in a comparison that ignores case ([MS-FSA] 2.1.1.1); as long as `name`."""
    return name.upper() if name.isascii() else name.translate(_UPCASE)


def is_8dot3(name: str) -> bool:
    """Whether `name` is its own short name ([MS-FSCC] 2.1.5.2.1)."""
    base, dot, extension = name.partition(".")
    return (
        name.isascii()
        and 1 <= len(base) <= 8
        and (1 if dot else 0) <= len(extension) <= (3 if dot else 0)
        and "." not in extension
        and " " not in name
        and _ILLEGAL.search(name) is None
    )


# ------------------------------------------------------------------------------ names on the host

_PRIVATE_TO_HOST = {0xF000 + code: code for code in range(1, 0x20)} | {
    0xF020 + index: ord(character) for index, character in enumerate('"*:<>?\\|')
}
_HOST_TO_PRIVATE = {host: private for private, host in _PRIVATE_TO_HOST.items()}
_PRIVATE_LAST = {"\uf028": " ", "\uf029": "."}
_HOST_LAST = {" ": "\uf028", ".": "\uf029"}

_UNUSUAL_FOR_HOST = re.compile(
    r"[\x00/\ud800-\udfff\uf001-\uf029]|(?:^|\\)\.{0,2}(?:\\|\Z)",
)
_UNUSUAL_ON_HOST = re.compile(
    r'[\x01-\x1f"*:<>?\\|\ud800-\udfff\uf001-\uf029]|[ .](?:/|\Z)',
)
_UNDECODABLE = re.compile(r"[\ud800-\udfff]")
_NEVER_ON_HOST = re.compile(r"[\x00/\ud800-\udfff]")


def to_host(path: str) -> str:
    """A path as the host spells it: slashes, private-use characters resolved.

    A second guard behind `parse`: raises NTStatusError OBJECT_NAME_INVALID for what could mean
    another place on the host (dot names, slash, NUL) or can not be spelled there."""
    if _UNUSUAL_FOR_HOST.search(path) is None:
        return path.replace("\\", "/")
    return "/".join(map(_component_to_host, path.split("\\"))) if path else ""


def _component_to_host(component: str) -> str:
    if component in ("", ".", "..") or _NEVER_ON_HOST.search(component) is not None:
        raise _invalid("not a name on the host")
    last = _PRIVATE_LAST.get(component[-1], component[-1])
    name = component[:-1].translate(_PRIVATE_TO_HOST) + last.translate(_PRIVATE_TO_HOST)
    # A dot that is spelled in private use must not turn a name into a dot name.
    return component if name in (".", "..") else name


def from_host(path: str) -> str | None:
    """A path (or one name) of the host as clients see it; None if it can not be shown.

    Two names on the host look alike here only if one of them holds private-use characters itself.
    """
    if _UNUSUAL_ON_HOST.search(path) is None:
        return path.replace("/", "\\")
    if _UNDECODABLE.search(path) is not None:
        return None
    return "\\".join(map(_component_from_host, path.split("/"))) if path else ""


def _component_from_host(name: str) -> str:
    mapped = name.translate(_HOST_TO_PRIVATE)
    return mapped[:-1] + _HOST_LAST.get(mapped[-1], mapped[-1])


def from_host_names(names: list[str]) -> list[tuple[str, str]]:
    """(name as clients see it, name on the host) of the names of a directory, in their order;
    without those that can not be shown, and without repeating a shown name."""
    if _UNUSUAL_ON_HOST.search("/".join(names)) is None:
        return list(zip(names, names, strict=True))
    shown: dict[str, str] = {}
    for name in names:
        mapped = from_host(name)
        if mapped is not None:
            shown.setdefault(mapped, name)
    return list(shown.items())


# -------------------------------------------------------------------------------------- wildcards
# `*` and `?` are the usual ones. Windows clients turn DOS patterns into three more before they send
# them: DOS_STAR `<`, DOS_QM `>` and DOS_DOT `"`. A pattern is the peer's data: matching takes time
# linear in the length of the name, whatever the pattern.

_WILDCARDS = frozenset('"*<>?')
_DOS_WILDCARDS = frozenset('"<>')


def has_wildcards(pattern: str) -> bool:
    """Whether `pattern` can match more than one name ([MS-FSA] 2.1.4.3)."""
    return not _WILDCARDS.isdisjoint(pattern)


def compile_pattern(pattern: str) -> Callable[[str], bool] | None:
    """A function that says whether a name matches `pattern`, ignoring case; None stands for one
    that is always true (`*` and `*.*`)."""
    if pattern in ("*", "*.*"):
        return None
    folded = fold(pattern)
    if not has_wildcards(folded):
        return lambda name: fold(name) == folded
    if _DOS_WILDCARDS.isdisjoint(folded):
        accepts = _expression(folded).fullmatch
        return lambda name: name != "" and accepts(fold(name)) is not None
    return _Automaton(folded).accepts


def match(pattern: str, name: str) -> bool:
    """Whether `name` matches `pattern`, ignoring case. An empty name matches an empty pattern only,
    or `*`, `*.*`."""
    accepts = compile_pattern(pattern)
    return accepts is None or accepts(name)


def _expression(pattern: str) -> re.Pattern[str]:
    """`*` and `?` as a regular expression that never backtracks past a star: the earliest place for
    each piece between stars is as good as any later one, hence the atomic groups."""
    first, *rest = re.sub(r"\*+", "*", pattern).split("*")
    pieces = [_piece(first)]
    if rest:
        pieces += [f"(?>.*?{_piece(piece)})" for piece in rest[:-1]]
        pieces.append(f".*{_piece(rest[-1])}" if rest[-1] else ".*")
    return re.compile("".join(pieces), re.DOTALL)


def _piece(text: str) -> str:
    return "".join("." if character == "?" else re.escape(character) for character in text)


class _Automaton:
    """A pattern as a set of states in the bits of an int: bit i means that the first i characters
    of the pattern have matched what was read so far.

    For each kind of character (a final dot, another dot, anything else) there are three masks of
    states: `skip`, whose pattern character may match nothing; `take`, which match it and go on;
    `stay`, which match it and remain.
    """

    __slots__ = ("_dot", "_end", "_final", "_last_dot", "_literal", "_other")

    def __init__(self, pattern: str) -> None:
        literal: dict[str, int] = {}
        for position, character in enumerate(pattern):
            literal[character] = literal.get(character, 0) | 1 << position
        star = literal.pop("*", 0)
        dos_star = literal.pop("<", 0)
        question = literal.pop("?", 0)
        dos_question = literal.pop(">", 0)
        dos_dot = literal.pop('"', 0)
        self._literal = literal
        self._final = 1 << len(pattern)
        stars = star | dos_star
        dot = literal.get(".", 0) | question | dos_dot
        self._other = (stars, question | dos_question, stars)
        self._dot = (stars | dos_question, dot, stars)
        # DOS_STAR goes no further than the final dot, which it may match.
        self._last_dot = (stars | dos_question, dot | dos_star, star)
        self._end = stars | dos_question | dos_dot

    def accepts(self, name: str) -> bool:
        """Whether `name`, which is not folded yet, matches."""
        if not name:
            return False
        name = fold(name)
        last_dot = name.rfind(".")
        literal = self._literal
        states = 1
        for position, character in enumerate(name):
            if character != ".":
                skip, take, stay = self._other
                take |= literal.get(character, 0)
            elif position == last_dot:
                skip, take, stay = self._last_dot
            else:
                skip, take, stay = self._dot
            states = _closure(states, skip)
            states = (states & take) << 1 | states & stay
            if not states:
                return False
        return _closure(states, self._end) & self._final != 0


def _closure(states: int, skip: int) -> int:
    """`states` and all that follow them through runs of `skip`: the addition carries each state to
    the end of its run."""
    return states | (skip + (states & skip)) ^ skip
