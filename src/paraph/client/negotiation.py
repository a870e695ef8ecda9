"""What we offer in NEGOTIATE, and which answers are none to it: [MS-SMB2] 3.2.4.2.2.2, 3.2.5.2."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from paraph.client.connection import Connection
from paraph.client.errors import refused, violation
from paraph.core.dialect import DIALECTS
from paraph.errors import DecodeError
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.negotiate import (
    Capabilities,
    ContextType,
    Dialect,
    NegotiateContext,
    NegotiateRequest,
    NegotiateResponse,
    SecurityMode,
)
from paraph.wire.smb2.negotiate_contexts import (
    Cipher,
    EncryptionCapabilities,
    HashAlgorithm,
    NetnameNegotiateContextId,
    PreauthIntegrityCapabilities,
    SigningAlgorithm,
    SigningCapabilities,
)

_SALT_SIZE = 32
_SMALLEST_IO = 4096
_LARGEST_IO = 8 << 20
_OVERHEAD = 64 << 10
"""Bytes of headers, and of what else is in a frame beside the data of one answer."""


def client_offer(connection: Connection) -> NegotiateRequest:
    """The NEGOTIATE request; what of it is to be confirmed later is kept in the connection."""
    settings = connection.settings
    dialects = settings.dialects
    mode = (
        SecurityMode.SIGNING_REQUIRED
        if settings.policy.client_always
        else SecurityMode.SIGNING_ENABLED
    )
    capabilities = 0
    if dialects[-1] >= Dialect.SMB_3_0:
        capabilities = Capabilities.LARGE_MTU
        if settings.encryption != "off":
            capabilities |= Capabilities.ENCRYPTION
    connection.client_security_mode = mode
    connection.client_capabilities = capabilities
    connection.client_guid = bytes(16)
    if dialects[-1] > Dialect.SMB_2_0_2:
        connection.client_guid = secrets.token_bytes(16)
    contexts = _contexts(connection) if Dialect.SMB_3_1_1 in dialects else []
    return NegotiateRequest(mode, capabilities, connection.client_guid, dialects, contexts)


def _contexts(connection: Connection) -> list[NegotiateContext]:
    settings = connection.settings
    preauth = PreauthIntegrityCapabilities(salt=secrets.token_bytes(_SALT_SIZE))
    offered = [(ContextType.PREAUTH_INTEGRITY_CAPABILITIES, preauth.encode())]
    if settings.encryption != "off":
        data = EncryptionCapabilities(list(settings.ciphers)).encode()
        offered.append((ContextType.ENCRYPTION_CAPABILITIES, data))
    name = NetnameNegotiateContextId(connection.server).encode()
    offered.append((ContextType.NETNAME_NEGOTIATE_CONTEXT_ID, name))
    data = SigningCapabilities(list(settings.signing_algorithms)).encode()
    offered.append((ContextType.SIGNING_CAPABILITIES, data))
    return [NegotiateContext(kind, data) for kind, data in offered]


def take_answer(connection: Connection, response: NegotiateResponse) -> None:
    """3.2.5.2. Raises SecurityViolation for an answer that our offer does not allow, PolicyRefused
    when encryption is required and there is none."""
    settings = connection.settings
    if response.dialect_revision not in settings.dialects:
        raise violation(
            f"the server answers with dialect 0x{response.dialect_revision:04X}, "
            "which was not offered",
            NTStatus.INVALID_NETWORK_RESPONSE,
        )
    row = connection.dialect = DIALECTS[response.dialect_revision]
    connection.server_guid = bytes(response.server_guid)
    connection.server_capabilities = response.capabilities
    connection.server_security_mode = response.security_mode
    connection.server_requires_signing = bool(
        response.security_mode & SecurityMode.SIGNING_REQUIRED
    )
    connection.multi_credit = row.multi_credit and bool(
        response.capabilities & Capabilities.LARGE_MTU
    )
    _take_sizes(connection, response)
    connection.signing_algorithm_id = row.signing
    connection.cipher_id = 0
    try:
        if row.contexts:
            _take_contexts(connection, response.negotiate_contexts)
        elif row.encryption and response.capabilities & Capabilities.ENCRYPTION:
            _take_ccm(connection)
    except DecodeError as error:
        raise violation(
            f"a malformed negotiate context: {error}", NTStatus.INVALID_NETWORK_RESPONSE
        ) from error
    if settings.encryption == "required" and not connection.cipher_id:
        raise refused("Encryption is required, and the server offers no cipher.")


def _take_sizes(connection: Connection, response: NegotiateResponse) -> None:
    sizes = (response.max_read_size, response.max_write_size, response.max_transact_size)
    if min(sizes) < _SMALLEST_IO:
        raise violation(
            f"the server wants to move at most {min(sizes)} bytes at a time",
            NTStatus.INVALID_NETWORK_RESPONSE,
        )
    most = _LARGEST_IO if connection.multi_credit else 1 << 16
    connection.max_read_size, connection.max_write_size, connection.max_transact_size = (
        min(size, most) for size in sizes
    )
    largest = max(connection.max_read_size, connection.max_transact_size)
    connection.maximum_frame = max(connection.maximum_frame, largest + _OVERHEAD)


def _take_ccm(connection: Connection) -> None:
    """3.0 and 3.0.2: a capability bit says AES-128-CCM."""
    if not connection.client_capabilities & Capabilities.ENCRYPTION:
        raise violation("the server claims an encryption that was not offered")
    if Cipher.AES_128_CCM in connection.settings.ciphers:
        connection.cipher_id = Cipher.AES_128_CCM


def _take_contexts(connection: Connection, contexts: Sequence[NegotiateContext]) -> None:
    """The contexts of a 3.1.1 answer: each at most once, each one choice out of our offer."""
    settings = connection.settings
    found: dict[int, memoryview] = {}
    for context in contexts:
        if context.type in found:
            raise violation(f"negotiate context {context.type} comes twice")
        found[context.type] = memoryview(context.data)

    preauth = found.get(ContextType.PREAUTH_INTEGRITY_CAPABILITIES)
    if preauth is None:
        raise violation("the server sends no preauthentication integrity context")
    hashes = PreauthIntegrityCapabilities.decode(preauth).hash_algorithms
    _chosen("preauthentication hash", hashes, (HashAlgorithm.SHA_512,))

    encryption = found.get(ContextType.ENCRYPTION_CAPABILITIES)
    if encryption is not None:
        offered = settings.ciphers if settings.encryption != "off" else ()
        ciphers = EncryptionCapabilities.decode(encryption).ciphers
        connection.cipher_id = _chosen("cipher", ciphers, (0, *offered) if offered else ())

    signing = found.get(ContextType.SIGNING_CAPABILITIES)
    connection.signing_algorithm_id = SigningAlgorithm.AES_CMAC
    if signing is not None:
        algorithms = SigningCapabilities.decode(signing).signing_algorithms
        connection.signing_algorithm_id = _chosen(
            "signing algorithm", algorithms, settings.signing_algorithms
        )
    if ContextType.COMPRESSION_CAPABILITIES in found:
        raise violation("the server answers with compression, which was not offered")


def _chosen(what: str, answer: Sequence[int], offered: Sequence[int]) -> int:
    """The one choice of the server."""
    if len(answer) != 1:
        raise violation(f"the server chooses {len(answer)} of: {what}")
    if answer[0] not in offered:
        raise violation(f"the server chooses {what} {answer[0]}, which was not offered")
    return answer[0]
