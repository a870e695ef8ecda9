"""The cryptography of NTLMv2, [MS-NLMP] 3.3.2 and 3.4.

MD4, MD5 and RC4 are weak and serve nothing but this protocol. MD4 is written out here because
OpenSSL 3 no longer offers it by default.
"""

from __future__ import annotations

import hashlib
import hmac
from struct import Struct

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher

from paraph.wire.text import upcase

_MASK = 0xFFFF_FFFF
_BLOCK = Struct("<16I")
_STATE = Struct("<4I")
_LENGTH = Struct("<Q")
_SIGNATURE = Struct("<I8sI")
_SEQUENCE = Struct("<I")

# (additive constant, order of the words, shifts) of the three rounds, RFC 1320 3.4.
_MD4_ROUNDS = (
    (0, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), (3, 7, 11, 19)),
    (0x5A82_7999, (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13)),
    (0x6ED9_EBA1, (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15)),
)

_SIGN_CONSTANT = (
    b"session key to server-to-client signing key magic constant\0",
    b"session key to client-to-server signing key magic constant\0",
)
_SEAL_CONSTANT = (
    b"session key to server-to-client sealing key magic constant\0",
    b"session key to client-to-server sealing key magic constant\0",
)

NO_SIGNATURE = b"\x01" + bytes(15)
"""What stands for a signature when NTLMSSP_NEGOTIATE_SIGN was not agreed, [MS-NLMP] 3.4.4.3."""


def _md4_mix(index: int, x: int, y: int, z: int) -> int:
    """F, G and H of RFC 1320 3.4."""
    if index == 0:
        return (x & y) | (~x & z)
    if index == 1:
        return (x & y) | (x & z) | (y & z)
    return x ^ y ^ z


def md4(data: bytes) -> bytes:
    """The 16-byte MD4 digest, RFC 1320."""
    padding = b"\x80" + bytes((55 - len(data)) % 64)
    message = data + padding + _LENGTH.pack((len(data) * 8) & 0xFFFF_FFFF_FFFF_FFFF)
    state: tuple[int, ...] = (0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476)
    for words in _BLOCK.iter_unpack(message):
        a, b, c, d = state
        for index, (constant, order, shifts) in enumerate(_MD4_ROUNDS):
            for step, word in enumerate(order):
                total = (a + _md4_mix(index, b, c, d) + words[word] + constant) & _MASK
                shift = shifts[step & 3]
                turned = ((total << shift) | (total >> (32 - shift))) & _MASK
                a, b, c, d = d, turned, b, c
        state = tuple((old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True))
    return _STATE.pack(*state)


def rc4(key: bytes, data: bytes) -> bytes:
    """RC4K of [MS-NLMP] 6: `data` under a fresh key state."""
    return Cipher(ARC4(key), mode=None).encryptor().update(data)


def hmac_md5(key: bytes, *parts: bytes | bytearray | memoryview) -> bytes:
    """HMAC_MD5 over the concatenation of `parts`."""
    mac = hmac.new(key, digestmod="md5")
    for part in parts:
        mac.update(part)
    return mac.digest()


def nt_hash(password: str) -> bytes:
    """NTOWFv1: the 16-byte NT hash. Raises UnicodeEncodeError for lone surrogates."""
    return md4(password.encode("utf-16-le"))


def ntowf_v2(hash_: bytes, user: str, domain: str) -> bytes:
    """NTOWFv2, [MS-NLMP] 3.3.2, from the NT hash; `user` and `domain` as the client sent them."""
    return hmac_md5(hash_, (upcase(user) + domain).encode("utf-16-le"))


def nt_proof(response_key: bytes, server_challenge: bytes, temp: bytes) -> bytes:
    """NTProofStr, [MS-NLMP] 3.3.2; `temp` is the NTLMv2_CLIENT_CHALLENGE."""
    return hmac_md5(response_key, server_challenge, temp)


def session_base_key(response_key: bytes, proof: bytes) -> bytes:
    """SessionBaseKey, [MS-NLMP] 3.3.2, which is also the KeyExchangeKey of NTLMv2 (3.4.5.1)."""
    return hmac_md5(response_key, proof)


def authenticate_mic(
    exported_key: bytes, negotiate: bytes, challenge: bytes, authenticate: bytes | bytearray
) -> bytes:
    """The MIC over the three messages, [MS-NLMP] 3.1.5.1.2; the MIC field of the last is zero."""
    return hmac_md5(exported_key, negotiate, challenge, authenticate)


def sign_key(exported_key: bytes, *, client: bool) -> bytes:
    """SIGNKEY with extended session security, [MS-NLMP] 3.4.5.2; `client`: from the client."""
    return hashlib.md5(exported_key + _SIGN_CONSTANT[client], usedforsecurity=False).digest()


def seal_key(exported_key: bytes, strength: int, *, client: bool) -> bytes:
    """SEALKEY with extended session security, [MS-NLMP] 3.4.5.3.

    `strength` is 16, 7 or 5: the bytes of the key that the 128, the 56 or neither flag leaves.
    """
    weakened = exported_key[:strength]
    return hashlib.md5(weakened + _SEAL_CONSTANT[client], usedforsecurity=False).digest()


def signature(signing_key: bytes, sealing_key: bytes, sequence: int, message: bytes) -> bytes:
    """NTLMSSP_MESSAGE_SIGNATURE with extended session security, [MS-NLMP] 3.4.4.2.

    The checksum is encrypted from a fresh RC4 state when `sealing_key` is not empty, which it is
    when no key exchange was agreed.
    """
    checksum = hmac_md5(signing_key, _SEQUENCE.pack(sequence), message)[:8]
    if sealing_key:
        checksum = rc4(sealing_key, checksum)
    return _SIGNATURE.pack(1, checksum, sequence)
