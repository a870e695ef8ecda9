"""Path objects of a share, for both faces of the client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import IO, Any, Concatenate, ParamSpec, Self, TypeVar

from paraph.client.path import PureSMBPath
from paraph.net.client_sync import Share

P = ParamSpec("P")
T = TypeVar("T")


def _on_share(
    function: Callable[Concatenate[Share, object, P], T],
) -> Callable[Concatenate[SMBPath, P], T]:
    """The method of a path that is a method of its share."""

    @wraps(function)
    def method(self: SMBPath, /, *arguments: P.args, **named: P.kwargs) -> T:
        return function(self._share, self, *arguments, **named)

    return method


class SMBPath(PureSMBPath):
    """A path that can be used as pathlib's: share.path("letters") / "first.txt"."""

    __slots__ = ("_share",)

    def __init__(self, share: Share, *parts: object) -> None:
        super().__init__(*parts)
        self._share = share

    def _with(self, path: Any) -> Self:
        new = super()._with(path)
        new._share = self._share
        return new

    stat = _on_share(Share.stat)
    exists = _on_share(Share.exists)
    is_dir = _on_share(Share.is_dir)
    is_file = _on_share(Share.is_file)
    unlink = _on_share(Share.remove)
    rmdir = _on_share(Share.rmdir)
    rmtree = _on_share(Share.rmtree)
    copy = _on_share(Share.copy)
    readlink = _on_share(Share.readlink)
    read_bytes = _on_share(Share.read_bytes)
    write_bytes = _on_share(Share.write_bytes)
    read_text = _on_share(Share.read_text)
    write_text = _on_share(Share.write_text)
    set_times = _on_share(Share.set_times)

    def open(self, mode: str = "r", buffering: int = -1, **text: str | None) -> IO[Any]:
        """See `Share.open`."""
        return self._share.open(self, mode, buffering, **text)

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Make the folder, with `parents` those above it too."""
        make = self._share.makedirs if parents else self._share.mkdir
        make(self, exist_ok=exist_ok)

    def touch(self) -> None:
        """Make an empty file when there is none."""
        self._share.open(self, "ab").close()

    def rename(self, target: object) -> Self:
        """Rename; the new path. Raises FileExistsError."""
        self._share.rename(self, target)
        return self._with(PureSMBPath(target)._path)

    def replace(self, target: object) -> Self:
        """Rename over what is there; the new path."""
        self._share.replace(self, target)
        return self._with(PureSMBPath(target)._path)

    def iterdir(self) -> Iterator[Self]:
        """The paths in a folder."""
        for name in self._share.listdir(self):
            yield self / name

    def glob(self, pattern: str) -> Iterator[Self]:
        """The paths below that match; see `Share.glob`."""
        for found in self._share.glob(str(self / pattern)):
            yield self._with(PureSMBPath(found)._path)

    def rglob(self, pattern: str) -> Iterator[Self]:
        """`glob` with **/ in front."""
        return self.glob(f"**/{pattern}")
