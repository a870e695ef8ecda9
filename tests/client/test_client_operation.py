"""How operations run: credits, pipelines, compounds, cancellation, short answers. In memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import mul
from typing import Any

import pytest

from paraph.client import operations, requests, transfer
from paraph.client.listing import folder_entries
from paraph.client.operation import Operation
from paraph.client.steps import Compound, Emit, Items, Offload, Request, Steps, Stream
from paraph.client.tree import Tree
from paraph.errors import ConnectionLost, SMBError
from paraph.server.settings import Limits
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask
from paraph.wire.smb2.header import Command, Flags, Header
from paraph.wire.smb2.io import ReadResponse
from paraph.wire.smb2.simple import EchoRequest
from tests.client.joined import Joined, Stalled, headers, on
from tests.support.world import World


def ready(**options: Any) -> tuple[World, Joined, Tree]:
    world = World(**options.pop("world", {}))
    joined = Joined(world, **options)
    return world, joined, joined.log_on()


def echo() -> Request:
    return Request(Command.ECHO, EchoRequest().encode())


def commands(joined: Joined) -> list[list[int]]:
    """The commands of each frame that was sent."""
    return [[one.command for one in headers(frame)] for frame in joined.sent]


# Round trips


@pytest.mark.parametrize(
    ("steps", "frames"),
    [
        (lambda tree: operations.stat(tree, "hello.txt"), [[5, 6]]),
        (lambda tree: transfer.read_bytes(tree, "hello.txt"), [[5, 8, 6]]),
        (lambda tree: transfer.write_bytes(tree, "new", b"data"), [[5, 9, 6]]),
        (lambda tree: operations.remove(tree, "hello.txt"), [[5, 17, 6]]),
        (lambda tree: operations.rename(tree, "hello.txt", "b"), [[5, 17, 6]]),
        (lambda tree: operations.disk_usage(tree), [[5, 16, 6]]),
        (lambda tree: folder_entries(tree, ""), [[5, 14, 14], [6]]),
    ],
)
def test_one_round_trip(steps: Callable[[Tree], Any], frames: list[list[int]]) -> None:
    _, joined, tree = ready()
    del joined.sent[:]
    joined.run(steps(tree))
    joined.pump()
    assert commands(joined) == frames


def test_a_pipeline_goes_out_at_once() -> None:
    _, joined, _ = ready()
    del joined.sent[:], joined.received[:]

    def steps() -> Steps[Any]:
        return (yield [echo() for _ in range(10)])

    operation = Operation(joined.connection, steps())
    operation.start()
    assert len(joined.connection.take_outgoing()) == 10


def test_the_first_failure_of_a_pipeline_is_raised_after_all_answers() -> None:
    _, joined, tree = ready()

    def steps() -> Steps[str]:
        missing = [requests.create(tree, name, 0x80) for name in ("no1", "no2")]
        try:
            yield [echo(), *missing, echo()]
        except FileNotFoundError as error:
            return str(error.filename)
        return ""

    del joined.received[:]
    assert joined.run(steps()) == "no1"
    assert len(joined.received) == 4


def test_an_empty_pipeline() -> None:
    _, joined, _ = ready()

    def steps() -> Steps[Any]:
        return (yield [])

    assert joined.run(steps()) == []


def test_items_and_calls_elsewhere() -> None:
    _, joined, _ = ready()

    def steps() -> Items[int]:
        for number in range(3):
            yield Emit((yield Offload(partial(mul, number, 2))))
            yield echo()

    operation = Operation(joined.connection, steps())
    operation.start()
    found = []
    while not operation.done:
        if operation.item is not None:
            found.append(operation.item.item)
            operation.resume()
        joined.pump()
    assert found == [0, 2, 4]


def test_what_a_call_elsewhere_raises() -> None:
    _, joined, _ = ready()

    def steps() -> Steps[None]:
        yield Offload(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        joined.run(steps())


# Credits


@pytest.mark.parametrize("credits", [1, 2, 3, 5, 64])
def test_few_credits(credits: int) -> None:
    """Compounds that can not be paid go one by one, and reads and writes become smaller."""
    world, joined, tree = ready(world={"limits": Limits(credits=credits)})
    data = bytes(range(256)) * 2000
    assert joined.connection.credit_limit <= credits
    joined.run(transfer.write_bytes(tree, "f", data))
    assert joined.run(transfer.read_bytes(tree, "f")) == data
    assert joined.run(operations.stat(tree, "f")).st_size == len(data)
    assert {one.name for one in joined.run(folder_entries(tree, ""))} == {"f", "hello.txt"}
    joined.run(operations.remove(tree, "f"))
    with pytest.raises(FileNotFoundError):
        joined.run(operations.stat(tree, "f"))
    with pytest.raises(FileNotFoundError):
        joined.run(transfer.read_bytes(tree, "f"))
    joined.pump()
    assert not any(session.opens for session in world.server.sessions.values())


def test_a_pipeline_waits_for_credits() -> None:
    _, joined, _ = ready(world={"limits": Limits(credits=4)})

    def steps() -> Steps[Any]:
        return (yield [echo() for _ in range(50)])

    assert len(joined.run(steps())) == 50


def test_credits_are_kept_at_what_was_asked() -> None:
    _, joined, tree = ready(credits=64)
    for _ in range(5):
        joined.run(operations.echo(tree))
    assert joined.connection.credit_limit == 64


def test_a_server_that_grants_no_credits() -> None:
    _, joined, tree = ready()
    joined.connection.credits = 1

    def change(payload: bytearray) -> None:
        assert joined.connection.session is not None
        assert joined.connection.session.signer is not None
        payload[14:16] = bytes(2)
        sign(joined, payload)

    joined.on_answer = on(Command.ECHO, change)
    joined.run(operations.echo(tree))
    with pytest.raises(SMBError, match="credits"):
        joined.run(operations.echo(tree))


def sign(joined: Joined, payload: bytearray) -> None:
    """Sign a changed answer as the server would."""
    from paraph.crypto.signing import Role, signer

    session = joined.connection.session
    assert session is not None
    assert session.keys is not None
    payload[16] |= Flags.SIGNED
    algorithm = joined.connection.signing_algorithm_id
    signer(algorithm, session.keys.signing, Role.SERVER).sign(payload)


# Transfers


def big(world: World, size: int = 3_000_000) -> bytes:
    data = bytes(number * 7 % 251 for number in range(1000)) * (size // 1000)
    world.backend.write_bytes("big", data)
    return data


def test_reads_that_come_short_are_asked_again() -> None:
    world, joined, tree = ready(io_size=1 << 18)
    data = big(world)

    def shorten(payload: bytearray) -> bytearray:
        response = ReadResponse.decode(memoryview(payload))
        kept = bytes(response.data)[: max(1, len(response.data) * 2 // 3)]
        answer = bytearray(payload[:64] + ReadResponse(data=kept).encode())
        sign(joined, answer)
        return answer

    joined.on_answer = on(Command.READ, shorten, status=NTStatus.SUCCESS)
    assert joined.run(transfer.read_bytes(tree, "big")) == data


def test_more_data_than_was_asked_for() -> None:
    world, joined, tree = ready(io_size=1 << 18)
    big(world)

    def lengthen(payload: bytearray) -> bytearray:
        response = ReadResponse.decode(memoryview(payload))
        answer = bytearray(payload[:64] + ReadResponse(data=bytes(response.data) + b"x").encode())
        sign(joined, answer)
        return answer

    joined.on_answer = on(Command.READ, lengthen, status=NTStatus.SUCCESS)
    with pytest.raises(ConnectionLost, match="READ"):
        joined.run(transfer.read_bytes(tree, "big"))


def test_answers_in_another_order() -> None:
    world, joined, tree = ready(io_size=1 << 18)
    data = big(world)
    held: list[bytearray] = []

    def swap(payload: bytearray) -> list[bytearray]:
        if not held and Header.decode(memoryview(payload)).command == Command.READ:
            held.append(payload)
            return []
        released, held[:] = [*held], []
        return [payload, *released]

    joined.on_answer = swap
    assert joined.run(transfer.read_bytes(tree, "big")) == data


def test_a_write_that_was_not_done_whole() -> None:
    _, joined, tree = ready()

    def change(payload: bytearray) -> None:
        payload[68] ^= 1  # Count
        sign(joined, payload)

    joined.on_answer = on(Command.WRITE, change)
    with pytest.raises(SMBError, match="wrote"):
        joined.run(transfer.write_bytes(tree, "f", bytes(200_000)))


def test_a_file_that_becomes_shorter_during_a_download() -> None:
    world, joined, tree = ready(io_size=1 << 18)
    big(world)

    def shrink(payload: bytearray) -> None:
        world.backend.write_bytes("big", b"short")

    joined.on_answer = on(Command.CREATE, shrink)
    with pytest.raises(SMBError, match="ends after"):
        joined.run(transfer.download(tree, "big", lambda at, data: None))


def test_a_destination_that_fails() -> None:
    world, joined, tree = ready(io_size=1 << 18)
    big(world)

    def full(at: int, data: memoryview) -> None:
        raise OSError(28, "disk full")

    with pytest.raises(OSError, match="disk full"):
        joined.run(transfer.download(tree, "big", full))
    joined.pump()
    assert not any(session.opens for session in world.server.sessions.values())
    assert joined.run(operations.exists(tree, "big"))


def test_a_source_that_fails() -> None:
    world, joined, tree = ready()

    def broken(at: int, room: memoryview) -> int:
        if at:
            raise OSError(5, "read error")
        return len(room)

    with pytest.raises(OSError, match="read error"):
        joined.run(transfer.upload(tree, "f", broken))
    joined.pump()
    assert not any(session.opens for session in world.server.sessions.values())


def test_a_stream_keeps_to_its_window() -> None:
    _, joined, _ = ready()
    most = 0

    def drawn() -> Iterator[Request]:
        nonlocal most
        for _ in range(50):
            most = max(most, len(joined.connection._outstanding))
            request = echo()
            request.size = 10
            yield request

    def steps() -> Steps[None]:
        yield Stream(drawn(), window=50)

    joined.run(steps())
    assert most == 5 - 1


# Ends


def test_a_cancelled_operation_sends_cancel_and_drops_the_late_answer() -> None:
    world, joined, tree = ready()
    operation = Operation(joined.connection, operations.stat(tree, "hello.txt"))
    operation.start()
    frames = joined.connection.take_outgoing()
    operation.cancel()
    (cancel,) = joined.connection.take_outgoing()[:1]
    header = Header.decode(memoryview(cancel)[4:])
    assert header.command == Command.CANCEL
    assert header.flags & Flags.SIGNED
    for frame in frames:
        joined.link.write(bytes(frame))
    joined.pump()
    assert joined.run(transfer.read_bytes(tree, "hello.txt")) == b"Hello, world.\n"
    assert not any(session.opens for session in world.server.sessions.values())


def test_what_opens_late_is_closed() -> None:
    world, joined, tree = ready()
    request = requests.create(tree, "hello.txt", AccessMask.FILE_READ_ATTRIBUTES)
    operation = Operation(joined.connection, operations.open_handle(tree, request))
    operation.start()
    (frame,) = joined.connection.take_outgoing()
    joined.link.write(bytes(frame))
    operation.cancel()
    while joined.pump():
        pass
    assert not any(session.opens for session in world.server.sessions.values())


def test_a_handle_that_nobody_takes_is_closed() -> None:
    world, joined, tree = ready()
    request = requests.create(tree, "hello.txt", AccessMask.FILE_READ_ATTRIBUTES)
    operation = Operation(joined.connection, operations.open_handle(tree, request))
    operation.start()
    while not operation.done:
        joined.pump()
    operation.cancel()
    joined.pump()
    assert not any(session.opens for session in world.server.sessions.values())


def test_cancelled_in_the_middle() -> None:
    world, joined, tree = ready(io_size=1 << 18)
    big(world)
    operation = Operation(joined.connection, transfer.read_bytes(tree, "big"))
    operation.start()
    for _ in range(2):
        joined.pump()
    operation.cancel()
    while joined.pump():
        pass
    assert not any(session.opens for session in world.server.sessions.values())
    assert not joined.connection._outstanding
    assert joined.run(operations.exists(tree, "big"))


def test_cancelled_while_it_waits_for_credits() -> None:
    _, joined, tree = ready(world={"limits": Limits(credits=2)})

    def steps() -> Steps[Any]:
        return (yield [echo() for _ in range(9)])

    operation = Operation(joined.connection, steps())
    operation.start()
    operation.cancel()
    while joined.pump():
        pass
    assert joined.run(operations.exists(tree, "hello.txt"))


def test_a_lost_connection_fails_everything() -> None:
    _, joined, tree = ready()
    running = [Operation(joined.connection, operations.stat(tree, "hello.txt")) for _ in range(3)]
    for operation in running:
        operation.start()
    joined.connection.lose("pulled the plug")
    for operation in running:
        with pytest.raises(ConnectionLost, match="plug"):
            operation.result()
    with pytest.raises(ConnectionLost, match="plug"):
        joined.run(operations.echo(tree))


@pytest.mark.parametrize("frame", [b"", b"x", b"\xfeSMB", b"\xfeSMB" + bytes(60), b"\xffSMB" * 20])
def test_garbage_ends_the_connection(frame: bytes) -> None:
    _, joined, tree = ready()
    joined.on_answer = lambda payload: bytearray(frame)
    with pytest.raises(SMBError):
        joined.run(operations.echo(tree))
    assert joined.connection.failure is not None


def test_a_malformed_body_ends_the_connection() -> None:
    _, joined, tree = ready()

    def change(payload: bytearray) -> bytearray:
        answer = bytearray(payload[:64] + b"\x59\x00")
        answer[20:24] = bytes(4)
        sign(joined, answer)
        return answer

    joined.on_answer = on(Command.CREATE, change)
    with pytest.raises(ConnectionLost, match="must not"):
        joined.run(operations.stat(tree, "hello.txt"))


def test_no_answer_at_all() -> None:
    _, joined, tree = ready()
    joined.on_answer = lambda payload: None
    with pytest.raises(Stalled):
        joined.run(operations.echo(tree))


def test_a_compound_whose_first_request_fails() -> None:
    world, joined, tree = ready(world={"limits": Limits(credits=2)})

    def steps() -> Steps[Any]:
        return (
            yield Compound(
                [
                    requests.create(tree, "missing", 0x80),
                    requests.close(tree),
                    requests.close(tree),
                ]
            )
        )

    with pytest.raises(FileNotFoundError):
        joined.run(steps())
    assert joined.run(operations.exists(tree, "hello.txt"))
    assert not any(session.opens for session in world.server.sessions.values())
