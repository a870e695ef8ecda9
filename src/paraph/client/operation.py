"""Runs the generator of an operation on a connection: the one place that knows what each `yield`
means. No socket and no event loop here, so the drivers in `paraph.net` stay small:

    operation = Operation(connection, steps)
    operation.start()
    ... carry bytes between the connection and the server until `operation.settled` ...
    return operation.result()

A driver may instead set `on_settled` and be called. Any number of operations share a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from struct import Struct
from typing import Any, Generic, TypeVar

from paraph.client.connection import BODY, Connection
from paraph.client.steps import Compound, Emit, Offload, Request, Step, Stream
from paraph.wire.smb2.header import NO_FILE_ID, Command

T = TypeVar("T")

_WAIT = object()
"""What `_begin` returns when the value of the `yield` is yet to come."""

_FILE_ID_AT = {
    Command.CLOSE: 8,
    Command.FLUSH: 8,
    Command.READ: 16,
    Command.WRITE: 16,
    Command.IOCTL: 8,
    Command.QUERY_DIRECTORY: 8,
    Command.QUERY_INFO: 24,
    Command.SET_INFO: 16,
}
"""Where the FileId stands in a request's body."""
_FILE_ID = Struct("<QQ")
_SAME_FILE = _FILE_ID.pack(NO_FILE_ID, NO_FILE_ID)


class Operation(Generic[T]):
    """One running operation."""

    __slots__ = (
        "_answers",
        "_connection",
        "_error",
        "_generator",
        "_iterator",
        "_left",
        "_result",
        "_single",
        "_stream",
        "_under_way",
        "done",
        "item",
        "on_settled",
        "progress",
    )

    def __init__(
        self, connection: Connection, generator: Generator[Step | Emit[Any], Any, T]
    ) -> None:
        self._connection = connection
        self._generator = generator
        self._result: Any = None
        self._error: BaseException | None = None
        self._answers: Sequence[Request] = ()  # those that the `yield` waits for
        self._left = 0  # of them
        self._single = False
        self._stream: Stream | None = None
        self._iterator: Iterator[Request] | None = None
        self._under_way = 0  # bytes of the stream
        self.done = False
        self.item: Emit[Any] | None = None  #: what an iterating operation hands out
        self.progress = 0  #: grows with every answer
        self.on_settled: Callable[[], None] | None = None

    @property
    def settled(self) -> bool:
        """Nothing goes on until the driver looks: it is done, or has an item."""
        return self.done or self.item is not None

    def start(self) -> None:
        """Run to the first wait."""
        self._advance(None, None)

    def resume(self) -> None:
        """The item was taken: go on to the next."""
        self.item = None
        self._advance(None, None)

    def result(self) -> T:
        """What the operation returned; raises what it raised."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # no cycle with its traceback
        result: T = self._result
        return result

    def cancel(self) -> None:
        """End it here: CANCEL what is under way, close what it has opened."""
        if self.done:
            discard = getattr(self._result, "discard", None)
            if discard is not None:
                discard()
            return
        self.done = True
        self.on_settled = None
        for request in self._pending():
            self._connection.cancel(request)
        self._generator.close()

    def _pending(self) -> list[Request]:
        return [request for request in self._answers if request.on_done is not None]

    # The generator

    def _advance(self, value: Any, error: BaseException | None) -> None:
        """Feed the generator until it waits, hands out an item, or ends."""
        generator = self._generator
        while True:
            try:
                step = generator.send(value) if error is None else generator.throw(error)
            except StopIteration as stop:
                self._settle(stop.value, None)
                return
            except Exception as failure:
                self._settle(None, failure)
                return
            value = error = None
            if isinstance(step, Emit):
                self.item = step
                if self.on_settled is not None:
                    self.on_settled()
                return
            try:
                value = self._begin(step)
            except Exception as failure:
                error = failure
            if value is _WAIT:
                return

    def _settle(self, result: Any, error: BaseException | None) -> None:
        self._result, self._error = result, error
        self.done = True
        if self.on_settled is not None:
            self.on_settled()

    def _begin(self, step: Step) -> Any:
        """Start what a `yield` asks for; its value, or `_WAIT`."""
        if isinstance(step, Request):
            self._expect([step], single=True)
            self._connection.submit([step])
        elif isinstance(step, Compound):
            return self._begin_compound(step.requests)
        elif isinstance(step, Stream):
            return self._begin_stream(step)
        elif isinstance(step, Offload):
            self._answers = ()
            self._connection.run_elsewhere(step.function, self._returned)
        elif not step:
            return []
        else:
            self._expect(step)
            for request in step:
                self._connection.submit([request])
        return _WAIT

    def _returned(self, value: Any, error: BaseException | None) -> None:
        """A call made elsewhere is over."""
        if not self.done:
            self.progress += 1
            self._advance(value, error)

    # Requests and pipelines

    def _expect(self, requests: Sequence[Request], single: bool = False) -> None:
        self._answers = requests
        self._left = len(requests)
        self._single = single
        for request in requests:
            request.on_done = self._answered

    def _answered(self, request: Request) -> None:
        request.on_done = None
        self.progress += 1
        self._left -= 1
        if self._left:
            return
        answers, self._answers = self._answers, ()
        failed = next((one.error for one in answers if one.error is not None), None)
        if failed is not None:
            self._advance(None, failed)
        elif self._single:
            self._advance(request.result, None)
        else:
            self._advance([one.result for one in answers], None)

    # Compounds

    def _begin_compound(self, requests: Sequence[Request]) -> Any:
        self._expect(requests)
        if sum(request.charge for request in requests) <= self._connection.credit_limit:
            self._connection.submit(requests)
        else:
            self._one_by_one(0)
        return _WAIT

    def _one_by_one(self, index: int) -> None:
        """A compound for a server whose credits it exceeds: each request after the answer to the
        one before, with the FileId that the first one brought."""
        request = self._answers[index]
        first = self._answers[0]
        if index and first.command == Command.CREATE and first.result is not None:
            request.body = _with_file_id(request, first.result)
        request.on_done = lambda answered: self._next_in_compound(index, answered)
        self._connection.submit([request])

    def _next_in_compound(self, index: int, request: Request) -> None:
        answers = self._answers
        if index + 1 == len(answers):
            self._answered(request)
            return
        request.on_done = None
        self._left -= 1
        if request is answers[0] and request.error is not None:
            for other in answers[1:]:
                other.on_done, other.error = None, request.error
            self._left = 1
            self._answered(request)
            return
        try:
            self._one_by_one(index + 1)
        except Exception as failure:
            for other in answers[index + 1 :]:
                other.on_done, other.error = None, failure
            self._left = 1
            self._answered(request)

    # Streams

    def _begin_stream(self, stream: Stream) -> Any:
        self._stream = stream
        self._iterator = iter(stream.requests)
        self._answers = []
        self._under_way = 0
        self._error = None
        self._refill()
        return self._end_of_stream() if not self._answers else _WAIT

    def _refill(self) -> None:
        """Keep the window full, until the iterator ends or something fails."""
        stream, answers = self._stream, self._answers
        assert stream is not None
        assert isinstance(answers, list)
        while (
            self._iterator is not None
            and len(answers) < stream.depth
            and (self._under_way < stream.window or not answers)
        ):
            try:
                request = next(self._iterator)
                request.on_done = self._streamed
                self._connection.submit([request])
            except StopIteration:
                self._iterator = None
            except Exception as failure:
                self._stop_stream(failure)
            else:
                answers.append(request)
                self._under_way += request.size

    def _stop_stream(self, failure: BaseException) -> None:
        self._iterator = None
        if self._error is None:
            self._error = failure

    def _streamed(self, request: Request) -> None:
        request.on_done = None
        self.progress += 1
        answers = self._answers
        assert isinstance(answers, list)
        answers.remove(request)
        self._under_way -= request.size
        if request.error is not None:
            self._stop_stream(request.error)
        self._refill()
        if answers:
            return
        try:
            self._end_of_stream()
        except Exception as failure:
            self._advance(None, failure)
        else:
            self._advance(None, None)

    def _end_of_stream(self) -> None:
        error, self._error = self._error, None
        self._stream = self._iterator = None
        self._answers = ()
        if error is not None:
            raise error


def _with_file_id(request: Request, created: Any) -> bytes | bytearray:
    """The body with the FileId that a CREATE response brought, in the place of "the same one"."""
    file_id = created.persistent_id.to_bytes(8, "little") + created.volatile_id.to_bytes(
        8, "little"
    )
    at = _FILE_ID_AT.get(request.command)
    if at is None:
        return request.body
    body = bytearray(request.body) if isinstance(request.body, bytes) else request.body
    start = at if isinstance(request.body, bytes) else at + BODY
    if body[start : start + 16] == _SAME_FILE:
        body[start : start + 16] = file_id
    return bytes(body) if isinstance(request.body, bytes) else body
