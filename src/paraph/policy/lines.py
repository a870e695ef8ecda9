"""Text files line by line, kept so exactly that an unchanged file encodes to the same bytes.

What the policy formats made of text share: which encoding a file is in, its lines with their own
line ends, and the signs of damage that all of them refuse: an empty file, bytes of another
encoding, control characters, and a last line without its line end, which is how a truncated file
looks.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from paraph.errors import UserError

UTF16 = "utf-16-le"  #: with a byte order mark
UTF8_BOM = "utf-8-sig"
UTF8 = "utf-8"
ANSI = "cp1252"

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f]")


@dataclass(slots=True)
class Line:
    """One line: its text, and its line end as it stood in the file."""

    text: str
    end: str


def fail(source: str, line: int, why: str) -> NoReturn:
    """Raise the UserError that names the file, the line (from 1) and the reason."""
    raise UserError(f"{source}, line {line}: {why}")


def decode_text(data: bytes, source: str, encodings: tuple[str, ...]) -> tuple[str, str]:
    """(text, encoding) of a file in one of `encodings`, whose order is that of the attempts
    where there is no byte order mark.

    Raises UserError naming `source` for an empty file and for any other encoding.
    """
    if not data:
        raise UserError(f"{source} is empty.")
    if data.startswith(BOM_UTF16_BE):
        raise UserError(f"{source} is UTF-16 in big-endian order, which Windows does not write.")
    marked = {BOM_UTF16_LE: UTF16, BOM_UTF8: UTF8_BOM}
    for mark, encoding in marked.items():
        if data.startswith(mark):
            if encoding not in encodings:
                raise UserError(f"{source} is {encoding.upper()}, which this format never is.")
            return _decode(data, source, encoding, len(mark) if encoding == UTF16 else 0), encoding
    if 0 in data:
        raise UserError(
            f"{source}, byte {data.index(0)}: a NUL; UTF-16 without its byte order mark, or no "
            "text at all."
        )
    unmarked = [encoding for encoding in encodings if encoding in (UTF8, ANSI)]
    for encoding in unmarked[:-1]:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    if not unmarked:
        raise UserError(f"{source} does not begin with a byte order mark.")
    return _decode(data, source, unmarked[-1], 0), unmarked[-1]


def _decode(data: bytes, source: str, encoding: str, skip: int) -> str:
    try:
        return data[skip:].decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{source}, byte {skip + error.start}: {encoding.upper()} text is damaged there "
            f"({error.reason})."
        ) from None


def check_text(text: str, source: str) -> None:
    """Raise UserError for control characters and for a last line without its line end."""
    match = _CONTROL.search(text.replace("\r\n", "\n"))
    if match:
        line = text.replace("\r\n", "\n").count("\n", 0, match.start()) + 1
        fail(source, line, f"the control character 0x{ord(match[0]):02X} does not belong in text.")
    if not text.endswith("\n"):
        fail(
            source,
            text.count("\n") + 1,
            "the last line has no line end, so the file may have been truncated. If it is whole, "
            "end it with a line break.",
        )


def split_lines(text: str, source: str) -> list[Line]:
    """The lines of `text`, ended by CRLF or LF, each with its own end. Raises UserError as
    `check_text`."""
    check_text(text, source)
    lines = []
    for part in text[:-1].split("\n"):
        if part.endswith("\r"):
            lines.append(Line(part[:-1], "\r\n"))
        else:
            lines.append(Line(part, "\n"))
    return lines


def encode_text(text: str, encoding: str) -> bytes:
    """The bytes of `text`. Raises UserError for characters that `encoding` does not have."""
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError as error:
        raise UserError(
            f"'{text[error.start]}' can not be written in {encoding.upper()}, the encoding of the "
            "file."
        ) from None
    return BOM_UTF16_LE + data if encoding == UTF16 else data


def join_lines(lines: Iterable[Line], encoding: str) -> bytes:
    """The reverse of `decode_text` and `split_lines`."""
    return encode_text("".join(line.text + line.end for line in lines), encoding)


def usual_end(lines: list[Line], fallback: str = "\r\n") -> str:
    """The line end for new lines: that of the first line."""
    return lines[0].end if lines else fallback


def has_control(text: str) -> bool:
    """Whether `text` holds a control character other than a tab: no line can carry it."""
    return any(character < " " and character != "\t" for character in text)
