"""What an event loop gives the sans-IO server: clocks, threads, a timer; and which loop that is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from paraph.net.clock import filetime_now
from paraph.server.server import SMBServer


class LoopPlatform:
    """The clocks, threads and timer of an event loop, for `SMBServer`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.smb: SMBServer | None = None
        self.threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="paraph-io")
        self._timer: asyncio.TimerHandle | None = None
        self._running = 0

    def monotonic(self) -> float:
        return self.loop.time()

    def filetime(self) -> int:
        return filetime_now()

    def run_elsewhere(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> None:
        self._running += 1
        future = self.loop.run_in_executor(self.threads, function)

        def finished(result: asyncio.Future[Any]) -> None:
            self._running -= 1
            if result.cancelled():
                done(None, OSError("the server is stopping"))
            elif (error := result.exception()) is not None:
                done(None, error)
            else:
                done(result.result(), None)

        future.add_done_callback(finished)

    def deadline_changed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.smb.next_deadline() if self.smb is not None else None
        if deadline is not None:
            self._timer = self.loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self.smb is not None:
            self.smb.expire()
            self.deadline_changed()

    async def close(self) -> None:
        """Wait for the calls that still run, and for what they have to say."""
        if self._timer is not None:
            self._timer.cancel()
        while self._running:
            await asyncio.sleep(0.005)
        self.threads.shutdown(wait=True)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed, else asyncio's."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
