"""What two peers settle on: pure functions over the fields of NEGOTIATE ([MS-SMB2] 3.3.5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paraph.core.dialect import DialectRow
from paraph.errors import DecodeError, NTStatusError
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.negotiate import ContextType, NegotiateContext
from paraph.wire.smb2.negotiate_contexts import (
    Cipher,
    EncryptionCapabilities,
    HashAlgorithm,
    PreauthIntegrityCapabilities,
    SigningAlgorithm,
    SigningCapabilities,
)

_ONCE = (
    ContextType.PREAUTH_INTEGRITY_CAPABILITIES,
    ContextType.ENCRYPTION_CAPABILITIES,
    ContextType.COMPRESSION_CAPABILITIES,
    ContextType.RDMA_TRANSFORM_CAPABILITIES,
    ContextType.SIGNING_CAPABILITIES,
)


@dataclass(slots=True)
class Agreement:
    """What the contexts of a 3.1.1 NEGOTIATE lead to, and the contexts to answer with."""

    cipher_id: int
    signing_algorithm_id: int
    contexts: list[NegotiateContext]


def first_common(preferred: Sequence[int], offered: Sequence[int]) -> int | None:
    """The first of `preferred` that is offered."""
    return next((item for item in preferred if item in offered), None)


def cipher_without_contexts(row: DialectRow, client_can: bool, ciphers: Sequence[int]) -> int:
    """3.0 and 3.0.2 know one cipher, AES-128-CCM, and say so in a capability bit."""
    if row.encryption and not row.contexts and client_can and Cipher.AES_128_CCM in ciphers:
        return Cipher.AES_128_CCM
    return 0


def settle(
    contexts: Sequence[NegotiateContext],
    *,
    ciphers: Sequence[int],
    signing_algorithms: Sequence[int],
    salt: bytes,
) -> Agreement:
    """Choose for the server from a client's context list; both preferences are the server's order.

    `ciphers` empty means that the server does not encrypt: the context is then ignored. Raises
    INVALID_PARAMETER for a duplicate, missing or malformed context and
    SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP. Contexts of unknown type are ignored.
    """
    try:
        return _settle(contexts, ciphers, signing_algorithms, salt)
    except DecodeError as error:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, str(error)) from None


def _settle(
    contexts: Sequence[NegotiateContext],
    ciphers: Sequence[int],
    signing_algorithms: Sequence[int],
    salt: bytes,
) -> Agreement:
    found: dict[int, NegotiateContext] = {}
    for context in contexts:
        if context.type in _ONCE and context.type in found:
            raise NTStatusError(
                NTStatus.INVALID_PARAMETER, f"negotiate context {context.type} comes twice"
            )
        found[context.type] = context
    answers = [_preauth(found, salt)]

    cipher = 0
    asked = found.get(ContextType.ENCRYPTION_CAPABILITIES)
    if asked is not None and ciphers:
        offered = EncryptionCapabilities.decode(memoryview(asked.data)).ciphers
        cipher = first_common(ciphers, offered) or 0
        answer = EncryptionCapabilities([cipher]).encode()
        answers.append(NegotiateContext(ContextType.ENCRYPTION_CAPABILITIES, answer))

    algorithm = SigningAlgorithm.AES_CMAC
    asked = found.get(ContextType.SIGNING_CAPABILITIES)
    if asked is not None:
        offered = SigningCapabilities.decode(memoryview(asked.data)).signing_algorithms
        if not offered:
            raise NTStatusError(NTStatus.INVALID_PARAMETER, "no signing algorithm is offered")
        common = first_common(signing_algorithms, offered)
        algorithm = SigningAlgorithm.AES_CMAC if common is None else common
        answer = SigningCapabilities([algorithm]).encode()
        answers.append(NegotiateContext(ContextType.SIGNING_CAPABILITIES, answer))
    return Agreement(cipher, algorithm, answers)


def _preauth(found: dict[int, NegotiateContext], salt: bytes) -> NegotiateContext:
    asked = found.get(ContextType.PREAUTH_INTEGRITY_CAPABILITIES)
    if asked is None:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "no preauthentication integrity context")
    offered = PreauthIntegrityCapabilities.decode(memoryview(asked.data)).hash_algorithms
    if HashAlgorithm.SHA_512 not in offered:
        raise NTStatusError(
            NTStatus.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP, "the client does not offer SHA-512"
        )
    answer = PreauthIntegrityCapabilities([HashAlgorithm.SHA_512], salt).encode()
    return NegotiateContext(ContextType.PREAUTH_INTEGRITY_CAPABILITIES, answer)
