"""Paths on a share without a share: what pathlib's pure paths can do, with the rules of SMB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Self


class PureSMBPath:
    """Parts of a path relative to the share; slashes separate, backslashes are taken too. Paths are
    equal when they differ in case alone, since a server finds the same file for both."""

    __slots__ = ("_path",)

    def __init__(self, *parts: object) -> None:
        texts = [str(part).replace("\\", "/").strip("/") for part in parts]
        self._path = PurePosixPath(*(text for text in texts if text))

    def _with(self, path: PurePosixPath) -> Self:
        """A path like this one, elsewhere."""
        new = type(self).__new__(type(self))
        new._path = path
        return new

    def __fspath__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        text = str(self._path)
        return "" if text == "." else text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PureSMBPath):
            return NotImplemented
        return str(self).casefold() == str(other).casefold()

    def __hash__(self) -> int:
        return hash(str(self).casefold())

    def __lt__(self, other: PureSMBPath) -> bool:
        return str(self).casefold() < str(other).casefold()

    def __truediv__(self, other: object) -> Self:
        return self.joinpath(other)

    def joinpath(self, *others: object) -> Self:
        """This path and others below it."""
        return self._with(self._path / PureSMBPath(*others)._path)

    @property
    def parts(self) -> tuple[str, ...]:
        return self._path.parts

    @property
    def name(self) -> str:
        return self._path.name

    @property
    def stem(self) -> str:
        return self._path.stem

    @property
    def suffix(self) -> str:
        return self._path.suffix

    @property
    def suffixes(self) -> list[str]:
        return self._path.suffixes

    @property
    def parent(self) -> Self:
        return self._with(self._path.parent)

    @property
    def parents(self) -> Sequence[Self]:
        return [self._with(path) for path in self._path.parents]

    def with_name(self, name: str) -> Self:
        return self._with(self._path.with_name(name))

    def with_stem(self, stem: str) -> Self:
        return self._with(self._path.with_stem(stem))

    def with_suffix(self, suffix: str) -> Self:
        return self._with(self._path.with_suffix(suffix))

    def match(self, pattern: str) -> bool:
        """As pathlib's, ignoring case."""
        return PurePosixPath(str(self).lower()).match(pattern.lower())

    def relative_to(self, other: object) -> PurePosixPath:
        """Raises ValueError when it is not below `other`."""
        return self._path.relative_to(PureSMBPath(other)._path)

    def is_relative_to(self, other: object) -> bool:
        return self._path.is_relative_to(PureSMBPath(other)._path)
