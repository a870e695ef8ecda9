"""The primitives of NTLM against published values."""

from __future__ import annotations

import pytest

from paraph.crypto import ntlm
from paraph.wire.text import upcase

# RFC 1320 A.5
MD4 = [
    (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
    (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
    (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
    (b"message digest", "d9130a8164549fe818874806e1c7014b"),
    (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
    (
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "043f8582f241db351ce627e153e7f0e4",
    ),
    (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
]


@pytest.mark.parametrize(("data", "digest"), MD4)
def test_md4(data: bytes, digest: str) -> None:
    assert ntlm.md4(data).hex() == digest


def test_md4_pads_every_length() -> None:
    digests = {ntlm.md4(bytes(length)) for length in range(130)}
    assert len(digests) == 130


# [MS-NLMP] 4.2.1 and 4.2.4
SERVER_CHALLENGE = bytes.fromhex("0123456789abcdef")
TEMP = bytes.fromhex(
    "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"
    "02000c0044006f006d00610069006e00"
    "01000c00530065007200760065007200"
    "0000000000000000"
)
RANDOM_SESSION_KEY = b"\x55" * 16


def test_nt_hash() -> None:
    assert ntlm.nt_hash("Password").hex() == "a4f49c406510bdcab6824ee7c30fd852"  # 4.2.2.1.2


def test_ntlmv2_chain() -> None:
    response_key = ntlm.ntowf_v2(ntlm.nt_hash("Password"), "User", "Domain")
    assert response_key.hex() == "0c868a403bfd7a93a3001ef22ef02e3f"  # 4.2.4.1.1
    proof = ntlm.nt_proof(response_key, SERVER_CHALLENGE, TEMP)
    assert proof.hex() == "68cd0ab851e51c96aabc927bebef6a1c"  # 4.2.4.2.2
    base_key = ntlm.session_base_key(response_key, proof)
    assert base_key.hex() == "8de40ccadbc14a82f15cb0ad0de95ca3"  # 4.2.4.1.2
    encrypted = ntlm.rc4(base_key, RANDOM_SESSION_KEY)
    assert encrypted.hex() == "c5dad2544fc9799094ce1ce90bc9d03e"  # 4.2.4.2.3


def test_signature() -> None:
    """[MS-NLMP] 4.2.4.4. There the RC4 state goes on after sealing the message, so the checksum
    is compared before encryption, and the encryption on its own."""
    signing = ntlm.sign_key(RANDOM_SESSION_KEY, client=True)
    sealing = ntlm.seal_key(RANDOM_SESSION_KEY, 16, client=True)
    assert signing.hex() == "4788dc861b4782f35d43fd98fe1a2d39"
    assert sealing.hex() == "59f600973cc4960a25480a7c196e4c58"
    message = "Plaintext".encode("utf-16-le")
    assert ntlm.signature(signing, b"", 0, message).hex() == "0100000070352851f256430900000000"
    stream = ntlm.rc4(sealing, message + bytes.fromhex("70352851f2564309"))
    assert stream.hex() == "54e50165bf1936dc996020c1811b0f06fb5f" + "7fb38ec5c55d4976"


def test_signature_of_a_windows_server() -> None:
    """The mechListMIC over [NTLM] from a published capture of a Windows server, and its key."""
    kx_key = bytes.fromhex("B4CF22566926B1C069ACD80E4D73C814")
    key = ntlm.rc4(kx_key, bytes.fromhex("3B9BDFF38F5EE8F9663F11A0F4C03A78"))
    assert key.hex().upper() == "270E1BA896585EEB7AF3472D3B4C75A7"
    mic = ntlm.signature(
        ntlm.sign_key(key, client=False),
        ntlm.seal_key(key, 16, client=False),
        0,
        bytes.fromhex("300c060a2b06010401823702020a"),
    )
    assert mic.hex().upper() == "010000003B453CDC3524164200000000"


def test_seal_key_strengths_differ() -> None:
    key = bytes(range(16))
    assert len({ntlm.seal_key(key, strength, client=True) for strength in (16, 7, 5)}) == 3
    changed = key[:7] + bytes(9)
    assert ntlm.seal_key(key, 7, client=True) == ntlm.seal_key(changed, 7, client=True)


@pytest.mark.parametrize(
    ("text", "upper"),
    [
        ("user", "USER"),
        ("Jörg", "JÖRG"),
        ("straße", "STRAßE"),
        ("ﬁ", "ﬁ"),
        ("\U00010428", "\U00010428"),  # outside the BMP Windows sees two units without case
        ("Ⅷ-юзер", "Ⅷ-ЮЗЕР"),
    ],
)
def test_upcase(text: str, upper: str) -> None:
    assert upcase(text) == upper


def test_hmac_md5_joins_its_parts() -> None:
    # RFC 2202 2, case 2
    assert ntlm.hmac_md5(b"Jefe", b"what do ya want ", b"for nothing?").hex() == (
        "750c783e6ab0b503eaa86e310a5db738"
    )
