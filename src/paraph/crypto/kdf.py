"""Keys from the session key, [MS-SMB2] 3.1.4.2, 3.2.5.3 and 3.3.5.5.3.

`derive_keys` makes all keys of a new session, `derive_signing_key` the key of one more channel of
it. The labels are listed here and nowhere else.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from struct import Struct
from typing import Literal

from paraph.crypto.preauth import HASH_SIZE

KEY_SIZE = 16
"""Bytes of Session.SessionKey and of every signing and application key."""

_U32 = Struct(">I")


Scheme = Literal["2.x", "3.0", "3.1.1"]
"""How a dialect's keys come from the session key; 3.0.2 goes with 3.0."""

_Names = tuple[bytes, bytes | None]  # label and context; None: the preauthentication hash


@dataclass(frozen=True, slots=True)
class KeyLabels:
    """Label and context of each key of a scheme; both count their terminating NUL."""

    signing: _Names
    application: _Names
    client_to_server: _Names
    server_to_client: _Names


KEY_LABELS: dict[Scheme, KeyLabels | None] = {
    "2.x": None,  # nothing is derived, the session key itself signs
    "3.0": KeyLabels(
        signing=(b"SMB2AESCMAC\0", b"SmbSign\0"),
        application=(b"SMB2APP\0", b"SmbRpc\0"),
        client_to_server=(b"SMB2AESCCM\0", b"ServerIn \0"),
        server_to_client=(b"SMB2AESCCM\0", b"ServerOut\0"),
    ),
    "3.1.1": KeyLabels(
        signing=(b"SMBSigningKey\0", None),
        application=(b"SMBAppKey\0", None),
        client_to_server=(b"SMBC2SCipherKey\0", None),
        server_to_client=(b"SMBS2CCipherKey\0", None),
    ),
}


@dataclass(slots=True, repr=False)
class SessionKeys:
    """The keys of one session. They never show in a repr, so they never reach a log."""

    signing: bytes  #: Session.SigningKey, 16 bytes (2.x: the session key)
    application: bytes  #: what named pipes are given, 16 bytes (2.x: the session key)
    client_to_server: bytes  #: cipher key, 16 or 32 bytes; empty in 2.x
    server_to_client: bytes  #: cipher key, 16 or 32 bytes; empty in 2.x

    def __repr__(self) -> str:
        return "SessionKeys(hidden)"


def derive(key: bytes, label: bytes, context: bytes, bits: int = 128) -> bytes:
    """The key derivation of [SP800-108] 5.1: counter mode, HMAC-SHA256, r = 32.

    `label` and `context` are taken as they are, terminating NUL included. One round of HMAC is
    enough for the two lengths that SMB asks for; raises ValueError when `bits` is another.
    """
    if bits not in (128, 256):
        raise ValueError(f"SMB derives keys of 128 or 256 bits, not {bits}")
    block = b"\0\0\0\1" + label + b"\0" + context + _U32.pack(bits)
    return hmac.digest(key, block, "sha256")[: bits // 8]


def session_key(gss_key: bytes) -> bytes:
    """Session.SessionKey ([MS-SMB2] 3.3.1.8): the first 16 bytes, padded with zeros on the right.

    Raises ValueError when there is no key (an anonymous or guest logon): a session key of zeros
    would let anyone sign.
    """
    if not gss_key:
        raise ValueError("this logon has no session key")
    return gss_key[:KEY_SIZE].ljust(KEY_SIZE, b"\0")


def derive_signing_key(scheme: Scheme, gss_key: bytes, preauth_hash: bytes = b"") -> bytes:
    """The signing key, 16 bytes: of a session, or of the channel that a binding SESSION_SETUP adds.

    For a binding, `gss_key` is the key of *that* authentication and `preauth_hash` the chain of
    *that* connection; the other keys of the session stay.
    """
    key = session_key(gss_key)
    labels = KEY_LABELS[scheme]
    return _derive(key, labels.signing, preauth_hash) if labels else key


def derive_keys(
    scheme: Scheme,
    gss_key: bytes,
    cipher_key_bits: int = 128,
    preauth_hash: bytes = b"",
) -> SessionKeys:
    """All keys of a new session.

    `gss_key` is the whole key that the authentication yielded (Session.FullSessionKey): an
    AES-256 cipher key is derived from all of it, everything else from its first 16 bytes.
    `cipher_key_bits` is 256 when Connection.CipherId is an AES-256 cipher. Signing and application
    keys have 128 bits even then: the text of 3.1.4.2 reads as if L followed the cipher for them
    too, but a GMAC or CMAC key of 256 bits does not exist here and Windows uses 128.
    `preauth_hash` is Session.PreauthIntegrityHashValue, 64 bytes, for 3.1.1.
    Raises ValueError when there is no key or the arguments do not fit the scheme.
    """
    short_key = session_key(gss_key)
    if cipher_key_bits == 256 and scheme != "3.1.1":
        raise ValueError("only 3.1.1 has ciphers with keys of 256 bits")
    labels = KEY_LABELS[scheme]
    if labels is None:
        return SessionKeys(short_key, short_key, b"", b"")
    cipher_input = gss_key if cipher_key_bits == 256 else short_key
    return SessionKeys(
        _derive(short_key, labels.signing, preauth_hash),
        _derive(short_key, labels.application, preauth_hash),
        _derive(cipher_input, labels.client_to_server, preauth_hash, cipher_key_bits),
        _derive(cipher_input, labels.server_to_client, preauth_hash, cipher_key_bits),
    )


def _derive(key: bytes, names: _Names, preauth_hash: bytes, bits: int = 128) -> bytes:
    label, context = names
    if context is None:
        if len(preauth_hash) != HASH_SIZE:
            raise ValueError(f"preauthentication hash of {len(preauth_hash)} bytes, not 64")
        context = preauth_hash
    return derive(key, label, context, bits)
