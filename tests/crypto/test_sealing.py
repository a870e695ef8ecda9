from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.crypto.sealing import BadTag, Sealer, cipher_key_bits
from paraph.errors import DecodeError, ProtocolError
from paraph.wire.smb2.negotiate_contexts import Cipher
from paraph.wire.smb2.transform import TRANSFORM_HEADER_SIZE

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "transforms.json").read_text())
CIPHERS = [Cipher.AES_128_CCM, Cipher.AES_128_GCM, Cipher.AES_256_CCM, Cipher.AES_256_GCM]
SESSION = 0x1122334455667788
SIZES = [1, 15, 16, 17, 35, 36, 37, 51, 52, 64, 1000, 65536]


def keys(cipher: int) -> tuple[bytes, bytes]:
    size = cipher_key_bits(cipher) // 8
    return bytes(range(size)), bytes(range(100, 100 + size))


def pair(cipher: int) -> tuple[Sealer, Sealer]:
    """(client, server) of one session."""
    c2s, s2c = keys(cipher)
    return Sealer(cipher, c2s, s2c), Sealer(cipher, s2c, c2s)


def text(size: int) -> bytes:
    return bytes(at * 7 & 0xFF for at in range(size))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_published_messages_open(vector: dict[str, Any]) -> None:
    key, message = bytes.fromhex(vector["key"]), bytearray.fromhex(vector["transform"])
    plain = Sealer(vector["cipher"], bytes(16), key).open(memoryview(message))
    assert plain.hex() == vector["plain"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_published_messages_are_what_we_would_send(
    vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the unused bytes of Nonce: ours are zero, and the tag covers them."""
    published = bytes.fromhex(vector["transform"])
    used = 12 if vector["cipher"] == Cipher.AES_128_GCM else 11
    sealer = Sealer(vector["cipher"], bytes.fromhex(vector["key"]), bytes(16))
    monkeypatch.setattr(sealer, "_prefix", published[20 : 20 + used - 8])
    number = int.from_bytes(published[20 + used - 8 : 20 + used], "little")
    monkeypatch.setattr(sealer, "_counter", count(number))
    sealed = sealer.seal(bytes.fromhex(vector["plain"]), vector["session_id"])
    assert sealed[52:] == published[52:]
    assert sealed[20 : 20 + used] == published[20 : 20 + used]
    assert sealed[36:52] == published[36:52]
    unused = published[20 + used : 36]
    assert (sealed[4:20] == published[4:20]) == (unused == bytes(len(unused)))
    assert sealed[20 + used : 36] == bytes(len(unused))


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("headroom", [0, 4])
def test_round_trip(cipher: int, size: int, headroom: int) -> None:
    client, server = pair(cipher)
    plain = text(size)
    sealed = client.seal(plain, SESSION, headroom=headroom)
    assert len(sealed) == headroom + TRANSFORM_HEADER_SIZE + size
    assert sealed[:headroom] == bytes(headroom)
    assert sealed[headroom : headroom + 4] == b"\xfdSMB"
    assert sealed[-8:] != plain[-8:] or size < 8
    assert server.open(memoryview(sealed)[headroom:]) == plain
    reply = server.seal(memoryview(plain), SESSION)
    assert client.open(reply) == plain


@pytest.mark.parametrize("cipher", CIPHERS)
def test_agrees_with_the_one_shot_form(cipher: int) -> None:
    """The header is the associated data, the tag is its Signature."""
    client, _ = pair(cipher)
    sealed = bytes(client.seal(text(100), SESSION))
    gcm = cipher in (Cipher.AES_128_GCM, Cipher.AES_256_GCM)
    other = AESGCM(keys(cipher)[0]) if gcm else AESCCM(keys(cipher)[0])
    nonce = sealed[20 : 32 if gcm else 31]
    assert other.decrypt(nonce, sealed[52:] + sealed[4:20], sealed[20:52]) == text(100)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_header_fields(cipher: int) -> None:
    client, _ = pair(cipher)
    sealed = client.seal(text(77), SESSION)
    used = 12 if cipher in (Cipher.AES_128_GCM, Cipher.AES_256_GCM) else 11
    assert sealed[20 + used : 36] == bytes(16 - used)
    assert int.from_bytes(sealed[36:40], "little") == 77
    assert sealed[40:44] == b"\0\0\x01\0"
    assert int.from_bytes(sealed[44:52], "little") == SESSION


@pytest.mark.parametrize("cipher", CIPHERS)
def test_the_plain_text_stays(cipher: int) -> None:
    client, _ = pair(cipher)
    plain = bytearray(text(200))
    client.seal(memoryview(plain), SESSION)
    assert plain == text(200)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_opening_in_place(cipher: int) -> None:
    client, server = pair(cipher)
    buffer = bytearray(b"head") + client.seal(text(300), SESSION) + b"tail"
    plain = server.open(memoryview(buffer)[4:-4])
    assert plain.obj is buffer
    assert not plain.readonly
    assert plain == text(300)
    assert buffer[:4] == b"head"
    assert buffer[-4:] == b"tail"


@pytest.mark.parametrize("cipher", CIPHERS)
def test_opening_what_can_not_be_written(cipher: int) -> None:
    client, server = pair(cipher)
    sealed = bytes(client.seal(text(300), SESSION))
    copy = bytes(bytearray(sealed))
    assert server.open(sealed) == text(300)
    assert server.open(memoryview(sealed)) == text(300)
    assert sealed == copy


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_altered_byte_is_noticed(cipher: int) -> None:
    client, server = pair(cipher)
    sealed = bytes(client.seal(text(40), SESSION))
    malformed = {*range(4), *range(36, 40), 42, 43}  # ProtocolId, OriginalMessageSize, Flags
    for at in range(len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= 1
        with pytest.raises(DecodeError if at in malformed else BadTag):
            server.open(altered)
    assert server.open(sealed) == text(40)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_nothing_of_an_unauthentic_text_is_left(cipher: int) -> None:
    client, server = pair(cipher)
    sealed = client.seal(b"A" * 200, SESSION)
    sealed[4] ^= 1
    with pytest.raises(BadTag):
        server.open(sealed)
    assert b"AAAA" not in sealed
    assert sealed[36:236] == bytes(200)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_own_messages_and_other_keys_are_refused(cipher: int) -> None:
    client, server = pair(cipher)
    sealed = bytes(client.seal(text(40), SESSION))
    with pytest.raises(BadTag):
        client.open(sealed)
    size = cipher_key_bits(cipher) // 8
    with pytest.raises(BadTag):
        Sealer(cipher, bytes(size), bytes(size)).open(sealed)
    assert server.open(sealed) == text(40)


def test_bad_tag_is_the_peers_fault() -> None:
    assert issubclass(BadTag, ProtocolError)
    assert not issubclass(BadTag, DecodeError)


def damaged(at: int, value: bytes) -> bytearray:
    sealed = pair(Cipher.AES_128_GCM)[0].seal(text(64), SESSION)
    sealed[at : at + len(value)] = value
    return sealed


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xfdSMB",
        bytes(51),
        b"\xfdSMB" + bytes(48),  # 52 bytes, nothing encrypted
        damaged(0, b"\xfeSMB"),
        damaged(0, b"\xfcSMB"),
        damaged(36, b"\x3f\0\0\0"),  # one byte less than follows
        damaged(36, b"\x41\0\0\0"),
        damaged(36, b"\xff\xff\xff\xff"),
        damaged(36, b"\0\0\0\0"),
        damaged(42, b"\0\0"),
        damaged(42, b"\x02\0"),
        damaged(42, b"\x01\x01"),
    ],
)
def test_malformed_messages(message: bytes) -> None:
    _, server = pair(Cipher.AES_128_GCM)
    before = bytes(message)
    with pytest.raises(DecodeError):
        server.open(message)
    assert message == before


@given(data=st.binary(max_size=120), framed=st.booleans())
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes(data: bytes, framed: bool) -> None:
    if framed and len(data) > TRANSFORM_HEADER_SIZE:
        size = (len(data) - TRANSFORM_HEADER_SIZE).to_bytes(4, "little")
        data = b"\xfdSMB" + data[4:36] + size + b"\0\0\x01\0" + data[44:]
    for cipher in CIPHERS:
        with pytest.raises((DecodeError, BadTag)):
            pair(cipher)[1].open(data)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_nonces_never_repeat(cipher: int) -> None:
    client, _ = pair(cipher)
    nonces = [bytes(client.seal(b"x", SESSION)[20:36]) for _ in range(1000)]
    assert len(set(nonces)) == 1000


def test_nonces_of_two_sealers_begin_differently() -> None:
    """So that a key that two sessions happen to share is not broken at once."""
    prefixes = {bytes(pair(Cipher.AES_128_GCM)[0].seal(b"x", 1)[20:24]) for _ in range(8)}
    assert len(prefixes) > 1


@pytest.mark.parametrize("cipher", CIPHERS)
def test_the_last_nonce_is_the_last(cipher: int, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = pair(cipher)
    monkeypatch.setattr(client, "_counter", count((1 << 64) - 1))
    assert bytes(server.open(client.seal(b"last", SESSION))) == b"last"
    for _ in range(2):
        with pytest.raises(OverflowError):
            client.seal(b"one more", SESSION)


@pytest.mark.parametrize(("cipher", "bits"), [(1, 128), (2, 128), (3, 256), (4, 256)])
def test_key_lengths(cipher: int, bits: int) -> None:
    assert cipher_key_bits(cipher) == bits
    right, wrong = bytes(bits // 8), bytes(48 - bits // 8)
    Sealer(cipher, right, right)
    for encrypt_key, decrypt_key in ((wrong, right), (right, wrong), (b"", right)):
        with pytest.raises(ValueError):
            Sealer(cipher, encrypt_key, decrypt_key)


@pytest.mark.parametrize("cipher", [0, 5, -1])
def test_no_cipher(cipher: int) -> None:
    with pytest.raises(ValueError):
        cipher_key_bits(cipher)
    with pytest.raises(ValueError):
        Sealer(cipher, bytes(16), bytes(16))
