"""Random and spoilt bytes for every decoder: none may raise anything but DecodeError.

    python -m fuzz.decoders --seconds 60 --seed 1

The messages are those of `tests.support.requests`; each goes, spoilt, to its own decoder and now
and then to another one's. What the decoder makes of it is encoded again, if it can be.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from paraph.auth.ntlm_messages import AuthenticateMessage, ChallengeMessage, NegotiateMessage
from paraph.auth.spnego_messages import NegTokenInit, NegTokenResp
from paraph.core.message import split
from paraph.errors import DecodeError, Disconnect
from paraph.policy.settings import Policy
from paraph.server.commands import COMMANDS
from paraph.wire.smb1.negotiate import NegotiateRequest as Smb1NegotiateRequest
from paraph.wire.smb2.negotiate import NegotiateResponse
from paraph.wire.smb2.transform import TransformHeader
from tests.support.peer import Offer, client_context
from tests.support.requests import KINDS, settle
from tests.support.world import World


def _tokens(decode: Callable[[bytes], Any]) -> Callable[[memoryview], Any]:
    return lambda view: decode(bytes(view))


def corpus() -> list[tuple[str, bytes, Callable[[memoryview], Any]]]:
    """(name, right bytes, decoder)."""
    place = settle(World(policy=Policy(server_always=False)))
    entries: list[tuple[str, bytes, Callable[[memoryview], Any]]] = []
    for kind in KINDS:
        row = COMMANDS[kind.command]
        assert row is not None
        entries.append((kind.name, bytes(kind.message(place)), row.decode))
    peer = place.peer
    negotiate = bytes(64) + Offer().request().encode()
    row = COMMANDS[0]
    assert row is not None
    entries.append(("NEGOTIATE", negotiate, row.decode))
    entries.append(("NEGOTIATE response", bytes(64) + peer.response.encode(), _response))
    compound = peer.compound([k.message(place) for k in KINDS[:4]], related=True)
    entries.append(("compound", compound, split))
    sealed = b"\xfdSMB" + bytes(32) + (80).to_bytes(4, "little") + b"\0\0\1\0" + bytes(88)
    entries.append(("TRANSFORM", sealed, TransformHeader.decode))
    names = b"\x02NT LM 0.12\0\x02SMB 2.???\0"
    smb1 = bytes(32) + b"\0" + len(names).to_bytes(2, "little") + names
    entries.append(("SMB1 NEGOTIATE", smb1, Smb1NegotiateRequest.decode))
    client = client_context("user", "password", "negotiate")
    entries.append(("NegTokenInit", client.step(), _tokens(NegTokenInit.decode)))
    answer = bytes.fromhex("a1073005a0030a0101")
    entries.append(("NegTokenResp", answer, _tokens(NegTokenResp.decode)))
    raw = client_context("user", "password", "ntlm")
    first = raw.step()
    entries.append(("NTLM NEGOTIATE", first, _tokens(NegotiateMessage.decode)))
    acceptor = place.world.server.authenticator.acceptor()
    challenge = acceptor.step(first)
    entries.append(("NTLM CHALLENGE", challenge, _tokens(ChallengeMessage.decode)))
    entries.append(("NTLM AUTHENTICATE", raw.step(challenge), _tokens(AuthenticateMessage.decode)))
    return entries


def _response(view: memoryview) -> NegotiateResponse:
    return NegotiateResponse.decode(view)


def spoil(data: bytes, source: random.Random) -> bytearray:
    """A few changes at once."""
    message = bytearray(data)
    for _ in range(source.randint(0, 5)):
        if not message:
            break
        at = source.randrange(len(message))
        way = source.randrange(6)
        if way == 0:
            message[at] ^= 1 << source.randrange(8)
        elif way == 1:
            message[at] = source.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif way == 2:
            message[at : at + 2] = source.choice((b"\0\0", b"\xff\xff", b"\0\x80", b"@\0"))
        elif way == 3:
            message[at : at + 4] = source.choice((bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f"))
        elif way == 4:
            del message[at:]
        else:
            message[at:at] = source.randbytes(source.randint(1, 12))
    return message


def run(first: int, *, seconds: float | None = None, count: int | None = None) -> int:
    """Rounds `first`, `first` + 1, ... through the whole corpus; the number of failures."""
    entries = corpus()
    start = time.monotonic()
    failures = number = 0
    while (count is None or number < count) and (
        seconds is None or time.monotonic() - start < seconds
    ):
        source = random.Random(first + number)
        number += 1
        for name, data, decode in entries:
            message = spoil(data, source)
            if source.random() < 0.02:
                decode = source.choice(entries)[2]
            try:
                decode(memoryview(message))
            except (DecodeError, Disconnect):
                pass
            except Exception:
                failures += 1
                where = f"{name} of round {first + number - 1}"
                print(f"--- {where}: {message.hex()}", file=sys.stderr)
                traceback.print_exc()
    took = time.monotonic() - start
    messages = number * len(entries)
    print(f"decoders: {messages} messages from {first} in {took:.1f} s, {failures} failed")
    return failures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.decoders", description=__doc__)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--count", type=int, default=None, help="rounds")
    parser.add_argument("--seed", type=int, default=None, help="of the first; default: the clock")
    options = parser.parse_args(arguments)
    first = options.seed if options.seed is not None else int(time.time()) * 1000
    seconds = options.seconds
    if seconds is None and options.count is None:
        seconds = 60.0
    return 1 if run(first, seconds=seconds, count=options.count) else 0


if __name__ == "__main__":
    sys.exit(main())
