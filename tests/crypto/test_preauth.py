from __future__ import annotations

import json
from pathlib import Path

from paraph.crypto.preauth import HASH_SIZE, PreauthHash

STEPS = json.loads((Path(__file__).parents[1] / "vectors" / "preauth.json").read_text())["steps"]


def test_published_chain_step_by_step() -> None:
    chain = PreauthHash()
    assert chain.value == bytes(HASH_SIZE)
    for step in STEPS:
        chain.update(bytes.fromhex(step["message"]))
        assert chain.value.hex() == step["value"], step["name"]


def test_accepts_views_into_larger_buffers() -> None:
    message = bytes.fromhex(STEPS[0]["message"])
    buffer = bytearray(b"\0\0\0\0" + message + b"next")
    for view in (memoryview(buffer)[4:-4], memoryview(bytes(buffer))[4:-4], buffer[4:-4]):
        chain = PreauthHash()
        chain.update(view)
        assert chain.value.hex() == STEPS[0]["value"]


def test_copy_goes_its_own_way() -> None:
    connection = PreauthHash()
    connection.update(b"negotiate")
    session = connection.copy()
    before = connection.value
    session.update(b"session setup")
    assert connection.value == before != session.value
    again = connection.copy()
    again.update(b"session setup")
    assert again.value == session.value


def test_order_and_boundaries_matter() -> None:
    def chained(*messages: bytes) -> bytes:
        chain = PreauthHash()
        for message in messages:
            chain.update(message)
        return chain.value

    results = [chained(b"a", b"b"), chained(b"b", b"a"), chained(b"ab"), chained(b"ab", b"")]
    assert len(set(results)) == 4
