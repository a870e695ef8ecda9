"""Connections kept for the next one who wants the same: only for who asks for it.

    with Pool() as pool, pool.share("smb://anna@server/data", password="...") as share:
        ...

A connection is lent to one borrower at a time, and only ever to one who asks for the same server,
port, share, credentials and settings: sessions never mix.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from paraph.client.target import TIMEOUT, Target, make_target
from paraph.errors import SMBError
from paraph.net import client_aio, client_sync
from paraph.net.client_aio import AsyncShare
from paraph.net.client_sync import Share


class Pool:
    """For any number of threads. `idle`: how many connections to the same target to keep."""

    def __init__(self, *, idle: int = 8, timeout: float | None = TIMEOUT) -> None:
        self.idle = idle
        self.timeout = timeout
        self._lock = threading.Lock()
        self._free: dict[Target, list[Share]] = {}
        self._closed = False

    @contextmanager
    def share(self, url: str, **options: Any) -> Iterator[Share]:
        """Borrow a share; arguments as of `connect`."""
        target = make_target(url, **options)
        share = self._borrow(target) or client_sync.connect_to(target, self.timeout)
        try:
            yield share
        finally:
            self._give_back(target, share)

    def _borrow(self, target: Target) -> Share | None:
        """A kept connection that still answers."""
        while True:
            with self._lock:
                kept = self._free.get(target)
                if not kept:
                    return None
                share = kept.pop()
            try:
                share.echo()
            except SMBError:
                share.close()
            else:
                return share

    def _give_back(self, target: Target, share: Share) -> None:
        with self._lock:
            kept = self._free.setdefault(target, [])
            if not share.closed and not self._closed and len(kept) < self.idle:
                kept.append(share)
                return
        share.close()

    def close(self) -> None:
        """Close the connections that nobody has borrowed, and keep none from now on."""
        with self._lock:
            self._closed = True
            kept = [share for shares in self._free.values() for share in shares]
            self._free.clear()
        for share in kept:
            share.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


class AsyncPool:
    """`Pool` for the tasks of one event loop."""

    def __init__(self, *, idle: int = 8, timeout: float | None = TIMEOUT) -> None:
        self.idle = idle
        self.timeout = timeout
        self._free: dict[Target, list[AsyncShare]] = {}
        self._closed = False

    @asynccontextmanager
    async def share(self, url: str, **options: Any) -> AsyncIterator[AsyncShare]:
        """Borrow a share; arguments as of `connect`."""
        target = make_target(url, **options)
        share = await self._borrow(target)
        if share is None:
            share = await client_aio.connect_to(target, self.timeout)
        try:
            yield share
        finally:
            await self._give_back(target, share)

    async def _borrow(self, target: Target) -> AsyncShare | None:
        while kept := self._free.get(target):
            share = kept.pop()
            try:
                await share.echo()
            except SMBError:
                await share.close()
            else:
                return share
        return None

    async def _give_back(self, target: Target, share: AsyncShare) -> None:
        kept = self._free.setdefault(target, [])
        if not share.closed and not self._closed and len(kept) < self.idle:
            kept.append(share)
        else:
            await share.close()

    async def close(self) -> None:
        """Close the connections that nobody has borrowed, and keep none from now on."""
        self._closed = True
        kept = [share for shares in self._free.values() for share in shares]
        self._free.clear()
        for share in kept:
            await share.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.close()
