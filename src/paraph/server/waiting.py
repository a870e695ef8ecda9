"""How a handler waits: two awaitables of ours, driven by hand, with no event loop in sight.

A handler is a coroutine. Nearly always it finishes at its first step. One that must wait awaits

* `until(waiter, deadline)`: something that another request, a timer or the storage will tell; this
  is an asynchronous operation of [MS-SMB2] 3.3.4.2 (interim response, AsyncId, CANCEL);
* `offload(function)`: a blocking call made elsewhere. It is short, so it gets no interim response.

`Connection` drives the coroutine; CANCEL, LOGOFF and disconnect throw into it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import coroutine
from typing import Any


class Waiter:
    """A one-shot event. Who causes it calls `wake`; one party waits for it."""

    __slots__ = ("callback", "woken")

    def __init__(self) -> None:
        self.woken = False
        self.callback: Callable[[], None] | None = None

    def wake(self) -> None:
        """Idempotent."""
        if not self.woken:
            self.woken = True
            if self.callback is not None:
                self.callback()


@dataclass(slots=True)
class Until:
    """Suspended until `waiter` is woken or the monotonic clock reaches `deadline` (seconds)."""

    waiter: Waiter
    deadline: float | None
    interim: bool


@dataclass(slots=True)
class Offload:
    """Suspended until `function` has run on another thread."""

    function: Callable[[], Any]


@coroutine
def until(
    waiter: Waiter, deadline: float | None = None, *, interim: bool = True
) -> Generator[Until, None, bool]:
    """True when woken, False when the deadline passed first. `interim` false sends no
    STATUS_PENDING: for delays that the peer should see as a slow answer."""
    if not waiter.woken:
        yield Until(waiter, deadline, interim)
    return waiter.woken


@coroutine
def offload(function: Callable[[], Any]) -> Generator[Offload, Any, Any]:
    """The function's result; its exception is raised here."""
    return (yield Offload(function))
