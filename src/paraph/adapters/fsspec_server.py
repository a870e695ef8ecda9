"""The connection of a file system of fsspec: made when it is first needed, and made anew when it
has broken in the meantime, since such a file system lives as long as the process does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from errno import EHOSTUNREACH
from typing import TypeVar

from paraph.client.logon import tree_connect
from paraph.client.target import Target
from paraph.errors import SMBError
from paraph.net.client_sync import Share, connect_to
from paraph.wire.ntstatus import NTStatus

T = TypeVar("T")

_TRUSTED_FOR = 15.0
"""Seconds without use after which a connection is asked whether it is still alive."""

_SESSION_GONE = frozenset(
    (
        NTStatus.NETWORK_SESSION_EXPIRED,
        NTStatus.USER_SESSION_DELETED,
        NTStatus.NETWORK_NAME_DELETED,
    )
)
"""The server forgot us, and has done nothing of what it was asked."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to try again to connect. The pauses grow by `factor` from the first to the last,
    which is `wait` seconds. Raises ValueError for numbers that make no sense."""

    count: int = 4
    wait: float = 1.0
    factor: float = 10.0

    def __post_init__(self) -> None:
        if self.wait < 0:
            raise ValueError("register_session_retry_wait can not be negative")
        if self.factor < 1:
            raise ValueError("register_session_retry_factor can not be less than 1")

    def pauses(self) -> Iterator[float]:
        """The seconds to wait, one for each further attempt."""
        last = max(self.count - 1, 1)
        for number in range(self.count):
            steps_before_last = self.count - 1 - number
            yield self.wait * self.factor ** (-steps_before_last / last)


class ServerConnection:
    """One connection to one server, with a tree connect for each share that was used. For any
    number of threads; in a forked child it begins anew, and leaves that of the parent alone."""

    def __init__(self, target: Target, timeout: float | None, retries: Retries) -> None:
        self._target = target
        self._timeout = timeout
        self._retries = retries
        self._start()

    def _start(self) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._first: Share | None = None  # the share that the connection was made for
        self._shares: dict[str, Share] = {}
        self._used = 0.0

    def run(self, name: str, action: Callable[[Share], T]) -> T:
        """What `action` makes of a share. Once more on a new connection when the server has ended
        the session; a connection that breaks in the middle is an error, for nobody knows what the
        server has done of it."""
        try:
            return action(self.share(name))
        except SMBError as error:
            if error.status not in _SESSION_GONE:
                raise
        self.close()
        return action(self.share(name))

    def share(self, name: str) -> Share:
        """A share, "" for the server itself. Raises SMBError."""
        if self._pid != os.getpid():
            self._start()
        with self._lock:
            self._drop_if_dead()
            key = name.casefold()
            share = self._shares.get(key)
            if share is None:
                share = self._shares[key] = self._open(name)
            self._used = time.monotonic()
            return share

    def shares(self) -> list[str]:
        """The names of the shares that hold files, but for administrative ones."""
        found = self.run(self._known_share(), Share.shares)
        return [one.name for one in found if one.kind == "disk" and not one.special]

    def _known_share(self) -> str:
        """Any share will do to ask the server something."""
        return next(iter(self._shares), "")

    def _drop_if_dead(self) -> None:
        if self._first is None:
            return
        if not self._first.closed and time.monotonic() - self._used > _TRUSTED_FOR:
            try:
                self._first.echo()
            except SMBError:
                self._first._driver.close()
        if self._first.closed:
            self._first, self._shares = None, {}

    def _open(self, name: str) -> Share:
        if self._first is None:
            self._first = self._connect(name)
            return self._first
        driver = self._first._driver
        return Share(driver, driver.run(tree_connect(driver.connection, name)))

    def _connect(self, name: str) -> Share:
        target = replace(self._target, location=replace(self._target.location, share=name))
        for pause in self._retries.pauses():
            try:
                return connect_to(target, self._timeout)
            except SMBError as error:
                # Not what the server answered, nor what we refuse: neither would be different.
                if not isinstance(error, ConnectionError) and error.errno != EHOSTUNREACH:
                    raise
            time.sleep(pause)
        return connect_to(target, self._timeout)

    def close(self) -> None:
        """Log off and disconnect; the next one who needs it connects again."""
        if self._pid != os.getpid():
            return
        with self._lock:
            share, self._first, self._shares = self._first, None, {}
            if share is not None:
                with suppress(SMBError):
                    share.close()

    def abandon(self) -> None:
        """Disconnect without a word, so without waiting for anybody."""
        if self._pid == os.getpid() and self._first is not None:
            self._first._driver.close()
