"""Both faces of the client behind one: the asynchronous share, driven by a loop of its own, looks
like the other one, so that every test of behaviour is written once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import paraph
from paraph import aio


class _Driven:
    """An object whose awaitable methods wait."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def _finish(self, value: Any) -> Any:
        if isinstance(value, aio.AsyncFile):
            return _Driven(value, self._runner)
        if inspect.isawaitable(value):

            async def wait() -> Any:
                return await value

            return self._finish(self._runner.run(wait()))
        if isinstance(value, AsyncIterator) or hasattr(value, "__anext__"):
            return self._items(value)
        return value

    def _items(self, items: Any) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(items)

        try:
            while True:
                try:
                    yield self._finish(self._runner.run(following()))
                except StopAsyncIteration:
                    return
        finally:
            if hasattr(items, "aclose"):
                self._runner.run(items.aclose())

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value):
            return value
        return lambda *arguments, **named: self._finish(value(*arguments, **named))

    def __iter__(self) -> Iterator[Any]:
        return self._items(self._target)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


class AsyncFace(_Driven):
    """An `AsyncShare`."""

    def __init__(self, url: str, **options: Any) -> None:
        runner = asyncio.Runner()

        async def start() -> Any:
            return await aio.connect(url, **options)

        try:
            super().__init__(runner.run(start()), runner)
        except BaseException:
            runner.close()
            raise

    @property
    def timeout(self) -> float | None:
        found: float | None = self._target.timeout
        return found

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._target.timeout = seconds

    def close(self) -> None:
        self._runner.run(self._target.close())
        self._runner.close()


FACES: dict[str, Callable[..., Any]] = {"sync": paraph.connect, "aio": AsyncFace}
