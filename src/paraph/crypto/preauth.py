"""The preauthentication integrity hash of SMB 3.1.1, [MS-SMB2] 3.3.5.4 and 3.3.5.5.3."""

from __future__ import annotations

from hashlib import sha512

HASH_SIZE = 64
"""Length of the SHA-512 value in bytes."""


class PreauthHash:
    """A chain of SHA-512 over messages exactly as they were on the wire, padding included.

    The Connection's chain takes the NEGOTIATE request and response. Each Session starts from a
    `copy` of it and takes every SESSION_SETUP request and every response with
    STATUS_MORE_PROCESSING_REQUIRED; the final response is not hashed, because it is signed with
    the key that comes out of the chain.
    """

    __slots__ = ("value",)

    def __init__(self, value: bytes = bytes(HASH_SIZE)) -> None:
        self.value = value  #: 64 bytes, all zero at the start

    def update(self, message: bytes | bytearray | memoryview) -> None:
        """value = SHA-512(value || message); `message` starts at the SMB2 header."""
        chain = sha512(self.value)
        chain.update(message)
        self.value = chain.digest()

    def copy(self) -> PreauthHash:
        """A chain of its own that goes on from here."""
        return PreauthHash(self.value)
