from __future__ import annotations

import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.crypto.signing import Role, signer
from paraph.wire.smb2.header import NO_MESSAGE_ID, Command, Flags, Header
from paraph.wire.smb2.negotiate_contexts import SigningAlgorithm

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "macs.json").read_text())
KEY = bytes(range(16))
HMAC = SigningAlgorithm.HMAC_SHA256
CMAC = SigningAlgorithm.AES_CMAC
GMAC = SigningAlgorithm.AES_GMAC
ALGORITHMS = [HMAC, CMAC, GMAC]


def make_message(
    body: bytes = b"body", command: int = Command.READ, message_id: int = 7
) -> bytearray:
    header = Header(1, 0, command, 1, Flags.SIGNED, 0, message_id, 5 << 32, 0x1122334455)
    return bytearray(header.encode() + body)


def signature(message: bytes | bytearray) -> bytes:
    return bytes(message[48:64])


# Implementations of nothing but the standards' text, to compare with.


def aes(key: bytes, block: bytes) -> bytes:
    return Cipher(AES(key), ECB()).encryptor().update(block)


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def plain_cmac(key: bytes, data: bytes) -> bytes:
    """[RFC4493] 2.3 and 2.4."""

    def double(block: bytes) -> bytes:
        number = int.from_bytes(block, "big") << 1
        return ((number & (1 << 128) - 1) ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")

    k1 = double(aes(key, bytes(16)))
    blocks = [data[at : at + 16] for at in range(0, len(data), 16)] or [b""]
    last = blocks.pop()
    if len(last) == 16:
        last = xor(last, k1)
    else:
        last = xor((last + b"\x80").ljust(16, b"\0"), double(k1))
    state = bytes(16)
    for block in [*blocks, last]:
        state = aes(key, xor(state, block))
    return state


def plain_gmac(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """[SP800-38D] 6.3, 6.4 and 7.1 with an empty plain text and a nonce of 12 bytes."""
    h = int.from_bytes(aes(key, bytes(16)), "big")

    def multiply(x: int) -> int:
        product, v = 0, h
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                product ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        return product

    padded = data + bytes(-len(data) % 16) + (8 * len(data)).to_bytes(8, "big") + bytes(8)
    state = 0
    for at in range(0, len(padded), 16):
        state = multiply(state ^ int.from_bytes(padded[at : at + 16], "big"))
    return xor(state.to_bytes(16, "big"), aes(key, nonce + b"\0\0\0\1"))


def expected_mac(algorithm: int, message: bytes, role: int) -> bytes:
    zeroed = message[:48] + bytes(16) + message[64:]
    if algorithm == HMAC:
        return hmac.digest(KEY, zeroed, "sha256")[:16]
    if algorithm == CMAC:
        return plain_cmac(KEY, zeroed)
    cancel = 2 if message[12:14] == b"\x0c\0" else 0
    nonce = message[24:32] + bytes([role | cancel, 0, 0, 0])
    return plain_gmac(KEY, nonce, zeroed)


@pytest.mark.parametrize("case", VECTORS["aes_cmac"]["cases"], ids=lambda c: len(c["message"]) // 2)
def test_rfc_4493(case: dict[str, str]) -> None:
    key, message = bytes.fromhex(VECTORS["aes_cmac"]["key"]), bytes.fromhex(case["message"])
    assert plain_cmac(key, message).hex() == case["mac"]
    assert signer(CMAC, key, Role.CLIENT)._mac(memoryview(message), 0).hex() == case["mac"]


@pytest.mark.parametrize("case", VECTORS["gmac"]["cases"])
def test_the_plain_gmac_is_right(case: dict[str, str]) -> None:
    key, nonce, data = (bytes.fromhex(case[name]) for name in ("key", "nonce", "data"))
    assert plain_gmac(key, nonce, data).hex() == case["tag"]


def test_published_session_setup_response() -> None:
    vector = VECTORS["session_setup_response"]
    message = bytearray.fromhex(vector["message"])
    server = signer(vector["algorithm"], bytes.fromhex(vector["key"]), Role.SERVER)
    server.sign(message)
    assert signature(message).hex() == vector["signature"]
    client = signer(vector["algorithm"], bytes.fromhex(vector["key"]), Role.CLIENT)
    assert client.verify(memoryview(message))


@given(
    algorithm=st.sampled_from(ALGORITHMS),
    role=st.sampled_from([Role.CLIENT, Role.SERVER]),
    command=st.sampled_from([Command.SESSION_SETUP, Command.WRITE, Command.CANCEL]),
    message_id=st.integers(1, NO_MESSAGE_ID - 1),
    body=st.binary(max_size=200),
)
@settings(max_examples=150, deadline=None)
def test_agrees_with_the_standards_text(
    algorithm: int, role: int, command: int, message_id: int, body: bytes
) -> None:
    message = make_message(body, command, message_id)
    expected = expected_mac(algorithm, bytes(message), role)
    before = bytes(message)
    signer(algorithm, KEY, role).sign(message)
    assert signature(message) == expected
    assert message[:48] + message[64:] == before[:48] + before[64:]
    assert signer(algorithm, KEY, 1 - role).verify(message)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 65536])
def test_sign_and_verify_in_place_inside_a_larger_buffer(algorithm: int, size: int) -> None:
    buffer = bytearray(b"head" + make_message(b"x" * size) + b"tail")
    view = memoryview(buffer)[4:-4]
    signer(algorithm, KEY, Role.CLIENT).sign(view)
    received = bytes(buffer)
    assert signer(algorithm, KEY, Role.SERVER).verify(view)
    assert buffer == received, "verify must leave the bytes as they came"
    assert buffer[:4] == b"head"
    assert buffer[-4:] == b"tail"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_old_content_of_the_signature_field_does_not_matter(algorithm: int) -> None:
    one, two = make_message(), make_message()
    two[48:64] = b"BSRSPYL BSRSPYL "
    for message in (one, two):
        signer(algorithm, KEY, Role.SERVER).sign(message)
    assert one == two


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_read_only_messages_are_verified_too(algorithm: int) -> None:
    message = make_message()
    signer(algorithm, KEY, Role.CLIENT).sign(message)
    server = signer(algorithm, KEY, Role.SERVER)
    assert server.verify(bytes(message))
    assert server.verify(memoryview(bytes(message)))
    message[-1] ^= 1
    assert not server.verify(bytes(message))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_altered_byte_is_noticed(algorithm: int) -> None:
    message = make_message(b"some body that is signed")
    signer(algorithm, KEY, Role.CLIENT).sign(message)
    server = signer(algorithm, KEY, Role.SERVER)
    assert server.verify(message)
    for at in range(len(message)):
        for bit in (0x01, 0x80):
            message[at] ^= bit
            altered = bytes(message)
            assert not server.verify(message), at
            assert message == altered
            message[at] ^= bit
    assert server.verify(message)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_added_and_missing_bytes_are_noticed(algorithm: int) -> None:
    message = make_message(b"padding follows" + bytes(9))
    signer(algorithm, KEY, Role.CLIENT).sign(message)
    server = signer(algorithm, KEY, Role.SERVER)
    assert not server.verify(message + b"\0")
    assert not server.verify(message[:-1])
    assert not server.verify(message[:64])
    assert server.verify(message)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_zero_signature_and_other_keys_are_refused(algorithm: int) -> None:
    message = make_message()
    server = signer(algorithm, KEY, Role.SERVER)
    assert not server.verify(message)
    signer(algorithm, bytes(16), Role.CLIENT).sign(message)
    assert not server.verify(message)


@pytest.mark.parametrize("signed_with", ALGORITHMS)
def test_another_algorithm_is_refused(signed_with: int) -> None:
    message = make_message()
    signer(signed_with, KEY, Role.CLIENT).sign(message)
    for algorithm in ALGORITHMS:
        accepted = signer(algorithm, KEY, Role.SERVER).verify(message)
        assert accepted == (algorithm == signed_with)


def test_gmac_tells_the_directions_apart() -> None:
    """A message that is sent back to its sender does not verify there."""
    message = make_message()
    client = signer(GMAC, KEY, Role.CLIENT)
    client.sign(message)
    assert not client.verify(message)
    assert signer(GMAC, KEY, Role.SERVER).verify(message)


def test_gmac_nonce_tells_cancel_from_its_target() -> None:
    """Equal but for the command: the tags of one nonce would differ by a GHASH alone."""
    one = make_message(command=Command.CANCEL)
    signer(GMAC, KEY, Role.CLIENT).sign(one)
    zeroed = bytes(one[:48] + bytes(16) + one[64:])
    nonce = zeroed[24:32]
    assert signature(one) == plain_gmac(KEY, nonce + b"\x02\0\0\0", zeroed)
    assert signature(one) != plain_gmac(KEY, nonce + b"\x00\0\0\0", zeroed)


@pytest.mark.parametrize("message_id", [0, NO_MESSAGE_ID])
@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
def test_gmac_never_signs_a_message_without_an_id_of_its_own(message_id: int, role: int) -> None:
    message = make_message(message_id=message_id)
    before = bytes(message)
    with pytest.raises(ValueError):
        signer(GMAC, KEY, role).sign(message)
    assert message == before
    message[48:64] = expected_mac(GMAC, bytes(message), 1 - role)
    assert not signer(GMAC, KEY, role).verify(message)


@pytest.mark.parametrize("algorithm", [HMAC, CMAC])
@pytest.mark.parametrize("message_id", [0, NO_MESSAGE_ID])
def test_the_others_sign_every_id(algorithm: int, message_id: int) -> None:
    message = make_message(message_id=message_id)
    signer(algorithm, KEY, Role.CLIENT).sign(message)
    assert signer(algorithm, KEY, Role.SERVER).verify(message)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 1, 24, 31, 48, 63])
def test_shorter_than_a_header(algorithm: int, size: int) -> None:
    server = signer(algorithm, KEY, Role.SERVER)
    assert server.verify(bytes(size)) is False
    assert server.verify(memoryview(bytearray(size))) is False
    message = bytearray(size)
    with pytest.raises(ValueError):
        server.sign(message)
    assert message == bytes(size)


@given(data=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_arbitrary_bytes_are_refused_without_an_exception(data: bytes) -> None:
    for algorithm in ALGORITHMS:
        assert signer(algorithm, KEY, Role.SERVER).verify(data) is False


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_signer_serves_many_messages(algorithm: int) -> None:
    client, server = signer(algorithm, KEY, Role.CLIENT), signer(algorithm, KEY, Role.SERVER)
    signatures = set()
    for number in range(1, 20):
        request, response = make_message(message_id=number), make_message(b"", message_id=number)
        client.sign(request)
        assert server.verify(request)
        server.sign(response)
        assert client.verify(response)
        signatures |= {signature(request), signature(response)}
    assert len(signatures) == 38


@pytest.mark.parametrize(
    ("algorithm", "key", "role"),
    [
        (3, KEY, Role.SERVER),
        (-1, KEY, Role.SERVER),
        (GMAC, bytes(32), Role.SERVER),
        (CMAC, bytes(32), Role.SERVER),
        (HMAC, b"", Role.SERVER),
        (CMAC, bytes(15), Role.CLIENT),
        (GMAC, KEY, 2),
    ],
)
def test_what_no_signer_is_made_of(algorithm: int, key: bytes, role: int) -> None:
    with pytest.raises(ValueError):
        signer(algorithm, key, role)
