"""Path objects of a share, for the asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from paraph.client.path import PureSMBPath
from paraph.net.client_aio import AsyncShare, Opening

P = ParamSpec("P")
T = TypeVar("T")


def _on_share(
    function: Callable[Concatenate[AsyncShare, object, P], T],
) -> Callable[Concatenate[AsyncSMBPath, P], T]:
    """The method of a path that is a method of its share."""

    @wraps(function)
    def method(self: AsyncSMBPath, /, *arguments: P.args, **named: P.kwargs) -> T:
        return function(self._share, self, *arguments, **named)

    return method


class AsyncSMBPath(PureSMBPath):
    """`SMBPath` with awaitable methods."""

    __slots__ = ("_share",)

    def __init__(self, share: AsyncShare, *parts: object) -> None:
        super().__init__(*parts)
        self._share = share

    def _with(self, path: Any) -> Self:
        new = super()._with(path)
        new._share = self._share
        return new

    stat = _on_share(AsyncShare.stat)
    exists = _on_share(AsyncShare.exists)
    is_dir = _on_share(AsyncShare.is_dir)
    is_file = _on_share(AsyncShare.is_file)
    unlink = _on_share(AsyncShare.remove)
    rmdir = _on_share(AsyncShare.rmdir)
    rmtree = _on_share(AsyncShare.rmtree)
    copy = _on_share(AsyncShare.copy)
    readlink = _on_share(AsyncShare.readlink)
    read_bytes = _on_share(AsyncShare.read_bytes)
    write_bytes = _on_share(AsyncShare.write_bytes)
    read_text = _on_share(AsyncShare.read_text)
    write_text = _on_share(AsyncShare.write_text)
    set_times = _on_share(AsyncShare.set_times)

    def open(self, mode: str = "r", buffering: int = -1, **text: str | None) -> Opening:
        """See `AsyncShare.open`."""
        return self._share.open(self, mode, buffering, **text)

    async def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Make the folder, with `parents` those above it too."""
        make = self._share.makedirs if parents else self._share.mkdir
        await make(self, exist_ok=exist_ok)

    async def touch(self) -> None:
        """Make an empty file when there is none."""
        await (await self._share.open(self, "ab")).close()

    async def rename(self, target: object) -> Self:
        """Rename; the new path. Raises FileExistsError."""
        await self._share.rename(self, target)
        return self._with(PureSMBPath(target)._path)

    async def replace(self, target: object) -> Self:
        """Rename over what is there; the new path."""
        await self._share.replace(self, target)
        return self._with(PureSMBPath(target)._path)

    async def iterdir(self) -> AsyncIterator[Self]:
        """The paths in a folder."""
        for name in await self._share.listdir(self):
            yield self / name

    async def glob(self, pattern: str) -> AsyncIterator[Self]:
        """The paths below that match; see `Share.glob`."""
        async for found in self._share.glob(str(self / pattern)):
            yield self._with(PureSMBPath(found)._path)

    def rglob(self, pattern: str) -> AsyncIterator[Self]:
        """`glob` with **/ in front."""
        return self.glob(f"**/{pattern}")
