"""Whole connections of random and spoilt requests against the server in memory.

    python -m fuzz.connection --seconds 60 --seed 1

An episode is one server and a few clients that do right and wrong things in random order. What
must hold: no handler crashes, nothing but the two link exceptions comes out, a well-behaved client
beside them is served all the time, and when all have gone nothing of them is left. An episode is
made from its number, so a failure can be looked at again with `--seed <number> --count 1`.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
import traceback
from collections.abc import Callable

from spnego.exceptions import SpnegoError

from paraph.errors import DecodeError
from paraph.policy.settings import Policy
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.lock import LockElement, LockFlags, LockRequest
from paraph.wire.smb2.simple import CancelRequest
from tests.support.link import Dropped, NoReply
from tests.support.peer import ALL_DIALECTS, Peer
from tests.support.requests import KINDS, Place, settle
from tests.support.world import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER, World

_LONGEST = 40
_ENDING = ("TREE_DISCONNECT", "LOGOFF", "IOCTL validate")
_LASTING = [kind for kind in KINDS if kind.name not in _ENDING]
_INTERESTING = (0, 1, 2, 7, 8, 63, 64, 65, 120, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF)


class Episode:
    """One server and its visitors."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        choose = self.random.choice
        self.world = World(
            policy=Policy(server_always=choose((True, False))),
            encryption=choose(("off", "off", "desired", "required")),
            allow_guest=choose((True, False)),
            allow_anonymous=choose((True, False)),
        )
        self.dialect = choose(ALL_DIALECTS)
        self.places: list[Place] = []
        self.strangers: list[Peer] = []
        self.done: list[str] = []  #: what was done, for the report
        self.actions: list[Callable[[], None]] = [
            self.arrive,
            self.stranger,
            *[self.request] * 4,
            *[self.spoilt] * 8,
            *[self.compound] * 4,
            *[self.lock] * 3,
            self.cancel,
            self.reauthenticate,
            self.wrong_password,
            self.bytes_at_random,
            self.half_a_frame,
            self.wait,
            self.threads,
            self.leave,
        ]

    def run(self) -> None:
        """Raises whatever should not have happened."""
        neighbour = self.world.ready()
        logon = neighbour.logon()
        self.arrive()
        for _ in range(self.random.randint(1, _LONGEST)):
            action = self.random.choice(self.actions)
            self.done.append(action.__name__)
            try:
                action()
            except (Dropped, NoReply):
                pass
            self.drain()
            assert neighbour.echo(logon).status == NTStatus.SUCCESS
        self.finish(neighbour)

    def finish(self, neighbour: Peer) -> None:
        """All go; nothing may be left."""
        world = self.world
        world.platform.queueing = False
        world.platform.run_queued()
        for peer in (*(place.peer for place in self.places), *self.strangers, neighbour):
            peer.link.close()
        world.advance(100)
        server = world.server
        left = (len(server.connections), len(server.sessions), len(server.files))
        assert left == (0, 0, 0), f"left behind: connections, sessions, opens: {left}"
        assert server.next_deadline() is None

    def drain(self) -> None:
        """Read what has come for anybody; drop those who were dropped."""
        for place in list(self.places):
            try:
                while True:
                    place.peer.receive_frame()
            except NoReply:
                pass
            except Dropped:
                self.places.remove(place)
        self.strangers = [peer for peer in self.strangers if not peer.link.closed][-5:]

    def place(self) -> Place:
        if not self.places:
            self.arrive()
        return self.random.choice(self.places)

    # What they do

    def arrive(self) -> None:
        if len(self.places) < 4:
            sealed = self.world.settings.encryption == "required"
            dialects = [max(self.dialect, 0x0300)] if sealed else [self.dialect]
            place = settle(self.world, dialects=dialects)
            place.peer.verifying = False
            self.places.append(place)

    def stranger(self) -> None:
        """Somebody who gets as far as he likes."""
        peer = self.world.peer(dialects=self.random.sample(ALL_DIALECTS, 2))
        self.strangers.append(peer)
        message = peer.message(Command.NEGOTIATE, peer.offer.request().encode())
        if self.random.random() < 0.5:
            self.mutate(message)
        peer.send(message)
        peer.receive_frame()
        for _ in range(self.random.randint(0, 3)):
            token = self.random.randbytes(self.random.randint(0, 200))
            peer.setup(self.random.choice((b"", b"NTLMSSP\0\1\0\0\0", b"\x60")) + token)

    def message(self, place: Place) -> bytearray:
        # What ends a session, a tree connect or the connection comes less often.
        often = self.random.random() < 0.9
        return self.random.choice(_LASTING if often else KINDS).message(place)

    def send(self, place: Place, payload: bytes | bytearray) -> None:
        """As the session does, or now and then otherwise."""
        seal = place.logon.seal and place.logon.sealer is not None
        if self.random.random() < 0.05:
            seal = not seal and place.logon.sealer is not None
        place.peer.send(payload, place.logon if seal else None)

    def signed(self, place: Place, message: bytearray) -> bytearray:
        wanted = place.logon.sign or self.random.random() < 0.3
        usable = len(message) >= 64 and message[24:32] not in (bytes(8), b"\xff" * 8)
        if wanted and usable and not place.logon.seal and self.random.random() < 0.97:
            place.peer.sign(message, place.logon)
        return message

    def request(self) -> None:
        place = self.place()
        self.send(place, self.signed(place, self.message(place)))

    def spoilt(self) -> None:
        place = self.place()
        message = self.message(place)
        self.mutate(message)
        self.send(place, self.signed(place, message))

    def compound(self) -> None:
        place = self.place()
        members = [self.message(place) for _ in range(self.random.randint(2, 6))]
        if self.random.random() < 0.5:
            self.mutate(self.random.choice(members), body_only=True)
        frame = bytearray(
            place.peer.compound(
                members,
                place.logon,
                related=self.random.random() < 0.6,
                sign=place.logon.sign and not place.logon.seal,
            )
        )
        if self.random.random() < 0.1:
            self.mutate(frame)
        self.send(place, frame)

    def lock(self) -> None:
        """Locks that meet each other, so that some wait."""
        place = self.place()
        flags = self.random.choice((LockFlags.EXCLUSIVE_LOCK, LockFlags.SHARED_LOCK, 4, 0x12))
        elements = [
            LockElement(self.random.randint(0, 3), self.random.randint(0, 3), flags)
            for _ in range(self.random.choice((1, 1, 1, 2)))
        ]
        body = LockRequest(0, *place.file, locks=elements).encode()
        message = place.peer.message(Command.LOCK, body, place.logon, place.tree)
        self.send(place, self.signed(place, message))

    def cancel(self) -> None:
        """Of something, or of nothing, by one id or the other."""
        place = self.place()
        connection = place.peer.link.connection  # type: ignore[attr-defined]
        ids = [*connection.requests, 0, 5]
        async_ids = [*connection.async_requests, 1]
        message = place.peer.message(
            Command.CANCEL,
            CancelRequest().encode(),
            place.logon,
            message_id=self.random.choice(ids),
            async_id=self.random.choice((None, *async_ids)),
        )
        self.send(place, self.signed(place, message))

    def reauthenticate(self) -> None:
        place = self.place()
        user, password = self.random.choice(
            ((USER, PASSWORD), (OTHER_USER, OTHER_PASSWORD), (USER, "wrong"))
        )
        with contextlib.suppress(DecodeError, SpnegoError):  # the reply of something else
            place.peer.reauthenticate(place.logon, user, password)

    def wrong_password(self) -> None:
        place = self.place()
        with contextlib.suppress(DecodeError, SpnegoError):  # the reply of something else
            place.peer.try_logon(USER, self.random.choice(("", "wrong", PASSWORD)))

    def bytes_at_random(self) -> None:
        place = self.place()
        start = self.random.choice((b"\xfeSMB@\0", b"\xfdSMB", b"\xffSMB", b"\xfcSMB", b""))
        place.peer.send(start + self.random.randbytes(self.random.randint(0, 300)))

    def half_a_frame(self) -> None:
        """It is whole when the next one comes, or not."""
        place = self.place()
        frame = place.peer.frame(self.signed(place, self.message(place)))
        place.peer.link.write(frame[: self.random.randint(0, len(frame))])

    def wait(self) -> None:
        self.world.advance(self.random.choice((0.1, 1.0, 3.0)))

    def threads(self) -> None:
        """Worker threads become slow, or catch up."""
        platform = self.world.platform
        platform.queueing = not platform.queueing
        if not platform.queueing:
            platform.run_queued()

    def leave(self) -> None:
        place = self.place()
        place.peer.link.close()

    # How things are spoilt

    def mutate(self, message: bytearray, *, body_only: bool = False) -> None:
        for _ in range(self.random.randint(1, 4)):
            low = 64 if body_only or self.random.random() < 0.8 else 0
            if len(message) <= low + 8:
                return
            at = self.random.randrange(low, len(message) - 8)
            way = self.random.randrange(7)
            if way == 0:
                message[at] ^= 1 << self.random.randrange(8)
            elif way == 1:
                message[at] = self.random.randrange(256)
            elif way in (2, 3, 4):
                size = (2, 4, 8)[way - 2]
                value = self.random.choice((*_INTERESTING, (1 << 8 * size) - 1))
                message[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
            elif way == 5:
                del message[at : at + self.random.randint(1, 20)]
            else:
                message[at:at] = self.random.randbytes(self.random.randint(1, 20))


def run(first: int, *, seconds: float | None = None, count: int | None = None) -> int:
    """Episodes `first`, `first` + 1, ... for so long, or so many; the number that failed."""
    start = time.monotonic()
    failures = number = 0
    while (count is None or number < count) and (
        seconds is None or time.monotonic() - start < seconds
    ):
        seed = first + number
        number += 1
        episode = Episode(seed)
        try:
            episode.run()
        except Exception:
            failures += 1
            print(f"--- episode {seed} ({', '.join(episode.done[-5:])})", file=sys.stderr)
            traceback.print_exc()
    took = time.monotonic() - start
    print(f"connections: {number} episodes from {first} in {took:.1f} s, {failures} failed")
    return failures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.connection", description=__doc__)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--count", type=int, default=None, help="episodes")
    parser.add_argument("--seed", type=int, default=None, help="of the first; default: the clock")
    options = parser.parse_args(arguments)
    first = options.seed if options.seed is not None else int(time.time()) * 1000
    seconds = options.seconds
    if seconds is None and options.count is None:
        seconds = 60.0
    return 1 if run(first, seconds=seconds, count=options.count) else 0


if __name__ == "__main__":
    sys.exit(main())
