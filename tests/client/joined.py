"""A client joined to a server in memory, with somebody in the middle who may change anything."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from paraph.client.connection import Connection
from paraph.client.operation import Operation
from paraph.client.target import make_target
from paraph.client.tree import Tree
from paraph.wire.smb2.header import NEXT_COMMAND_OFFSET, Command, Flags, Header
from tests.support.link import Dropped, NoReply
from tests.support.world import PASSWORD, USER, World

T = TypeVar("T")

Tamper = Callable[[bytearray], "bytearray | list[bytearray] | None"]
"""Gets the payload of a frame; gives what is to arrive instead, None for nothing."""


class Stalled(Exception):
    """Nothing more comes, and the operation still waits."""


class Joined:
    """One client on one connection of `world`."""

    def __init__(
        self, world: World, *, share: str = "data", user: str = USER, **options: Any
    ) -> None:
        options.setdefault("password", PASSWORD)
        self.target = make_target(f"smb://server/{share}", user=user, **options)
        self.connection: Connection = self.target.connection()
        self.link = world.link()
        self.on_request: Tamper | None = None
        self.on_answer: Tamper | None = None
        self.sent: list[bytes] = []  #: payloads of the client, before anybody changed them
        self.received: list[bytes] = []  #: payloads of the server, likewise
        self.tree: Tree | None = None

    def log_on(self) -> Tree:
        """Up to the tree connect."""
        self.tree = self.run(self.target.establish(self.connection))
        return self.tree

    def run(self, steps: Generator[Any, Any, T]) -> T:
        """Run an operation to its end."""
        operation = Operation(self.connection, steps)
        operation.start()
        while not operation.settled:
            if not self.pump():
                operation.cancel()
                raise Stalled
        return operation.result()

    def pump(self) -> bool:
        """Carry what there is; whether there was anything."""
        moved = False
        for frame in self.connection.take_outgoing():
            moved = True
            payload = bytearray(frame[4:])
            self.sent.append(bytes(payload))
            for one in _changed(self.on_request, payload):
                self.link.write(len(one).to_bytes(4, "big") + one)
        while self.connection.failure is None:
            try:
                payload = bytearray(self.link.read()[4:])
            except NoReply:
                break
            except Dropped as error:
                self.connection.lose(f"the server closed the connection: {error}")
                return True
            moved = True
            self.received.append(bytes(payload))
            for one in _changed(self.on_answer, payload):
                self.connection.receive(0, memoryview(one))
        return moved


def _changed(tamper: Tamper | None, payload: bytearray) -> list[bytearray]:
    if tamper is None:
        return [payload]
    result = tamper(payload)
    if result is None:
        return []
    return result if isinstance(result, list) else [result]


def headers(payload: bytes) -> list[Header]:
    """The headers of a frame that is not encrypted."""
    found = []
    while True:
        header = Header.decode(memoryview(payload))
        found.append(header)
        if not header.next_command:
            return found
        payload = payload[header.next_command :]


def is_plain(payload: bytes | bytearray) -> bool:
    return payload[:4] == b"\xfeSMB"


def on(command: int, change: Callable[[bytearray], Any], *, status: int | None = None) -> Tamper:
    """Apply `change` to the frames that begin with `command` (and have this status)."""

    def tamper(payload: bytearray) -> bytearray | list[bytearray]:
        if not is_plain(payload):
            return payload
        header = Header.decode(memoryview(payload))
        if header.command == command and (status is None or header.status == status):
            result = change(payload)
            if result is not None:
                return result  # type: ignore[no-any-return]
        return payload

    return tamper


def clear_signature(payload: bytearray) -> None:
    """Take the signature off the first message of a frame."""
    payload[16] &= ~Flags.SIGNED & 0xFF
    payload[48:64] = bytes(16)


def flip(offset: int) -> Callable[[bytearray], None]:
    """Change one bit of a byte."""

    def change(payload: bytearray) -> None:
        payload[offset] ^= 1

    return change


__all__ = [
    "NEXT_COMMAND_OFFSET",
    "Command",
    "Flags",
    "Joined",
    "Stalled",
    "clear_signature",
    "flip",
    "headers",
    "is_plain",
    "on",
]
