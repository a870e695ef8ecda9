"""What an operation can yield. Operations are generators; each `yield` waits for the server:

    def size(tree: Tree, path: str) -> Steps[int]:
        opened: CreateResponse = yield requests.create(tree, path, AccessMask.FILE_READ_ATTRIBUTES)
        ...

* a `Request`: its answer, decoded, is the value of the `yield`; a failure is raised there.
* a list of them: a pipeline. All go out at once, the value is the list of answers. When one fails
  the first failure is raised, once all have been answered.
* `Compound`: the same in one frame, each request related to the one before: one round trip.
* `Stream`: a pipeline without end: requests are drawn from an iterator while others are under way.
* `Offload`: a call that may block, made elsewhere.
* `Emit`, of an operation that is an iterator: hands out one item.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from paraph.client.tree import Tree
    from paraph.wire.smb2.header import Header

T = TypeVar("T")


class Request:
    """One request, and then its answer.

    Args:
        body: what follows the header; a bytearray is a whole frame whose first BODY bytes are room
            for the headers (`paraph.core.message`), so that data need not be copied.
        decode: called with the whole answer, which is only valid during the call; what it returns
            is the value of the `yield`. None: the answer's body does not matter.
        charge: credits, where the connection counts them.
        accepts: statuses that are no failure; `yield` gives None for those that are errors. The
            status itself is in `status`.
        sign: sign although the session does not demand it.
    """

    __slots__ = (
        "abandoned",
        "accepts",
        "async_id",
        "body",
        "charge",
        "command",
        "compounded",
        "decode",
        "error",
        "header",
        "message_id",
        "on_done",
        "on_sent",
        "path",
        "result",
        "sealed",
        "session_id",
        "sign",
        "signed",
        "size",
        "status",
        "tree",
    )

    def __init__(
        self,
        command: int,
        body: bytes | bytearray,
        decode: Callable[[memoryview], Any] | None = None,
        *,
        tree: Tree | None = None,
        charge: int = 1,
        path: str | None = None,
        accepts: Collection[int] = (),
        sign: bool = False,
        size: int = 0,
    ) -> None:
        self.command = command
        self.body = body
        self.decode = decode
        self.tree = tree
        self.charge = charge
        self.path = path
        self.accepts = accepts
        self.sign = sign
        self.size = size  #: bytes of file data that it moves, for the window of a `Stream`
        self.on_sent: Callable[[memoryview], None] | None = None  #: gets the message as it goes out
        # Once it is sent
        self.message_id = -1
        self.session_id = 0
        self.async_id = 0
        self.signed = False
        self.sealed = False
        self.compounded = False
        self.abandoned = False  #: nobody waits for it any more
        self.on_done: Callable[[Request], None] | None = None
        # Once it is answered
        self.header: Header | None = None
        self.status = 0
        self.result: Any = None
        self.error: BaseException | None = None


@dataclass(slots=True)
class Compound:
    """Related requests in one frame ([MS-SMB2] 3.2.4.1.4)."""

    requests: Sequence[Request]


@dataclass(slots=True)
class Stream:
    """Requests drawn from an iterator, with at most `window` bytes of data (by `Request.size`) and
    `depth` requests under way. Their answers go to their `decode` alone; the `yield` gives None
    when all are there, or raises the first failure then. An exception of the iterator is one."""

    requests: Iterable[Request]
    window: int = 8 << 20
    depth: int = 256


@dataclass(slots=True)
class Offload:
    """A call that may block for long; its result is the value of the `yield`."""

    function: Callable[[], Any]


@dataclass(slots=True)
class Emit(Generic[T]):
    """One item of an operation that is an iterator."""

    item: T


Step: TypeAlias = Request | list[Request] | Compound | Stream | Offload
Steps: TypeAlias = Generator[Step, Any, T]
Items: TypeAlias = Generator[Step | Emit[T], Any, None]
