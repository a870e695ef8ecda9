"""NEGOTIATE, and the SMB1 form of it, [MS-SMB2] 3.3.5.3 and 3.3.5.4."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from paraph.core.credits import SequenceWindow
from paraph.core.dialect import DIALECTS, DialectRow, common_dialect
from paraph.core.message import TRANSPORT_HEADER, finish_frame, new_reply
from paraph.core.negotiation import cipher_without_contexts, settle
from paraph.crypto.preauth import PreauthHash
from paraph.errors import Disconnect, NTStatusError
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb1 import negotiate as smb1
from paraph.wire.smb2.header import Command, Flags, Header
from paraph.wire.smb2.negotiate import (
    Capabilities,
    ContextType,
    Dialect,
    NegotiateContext,
    NegotiateRequest,
    NegotiateResponse,
    SecurityMode,
    find_context,
)

if TYPE_CHECKING:
    from paraph.server.connection import Connection
    from paraph.server.request import Request

_SALT_SIZE = 32


async def negotiate(request: Request, message: NegotiateRequest) -> bytes:
    """[MS-SMB2] 3.3.5.4."""
    connection = request.connection
    settings = connection.server.refresh()
    if connection.negotiated:
        raise Disconnect("a second NEGOTIATE")
    if not message.dialects:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "NEGOTIATE offers no dialect")
    row = common_dialect(message.dialects, settings.min_dialect, settings.max_dialect)
    if row is None:
        raise NTStatusError(NTStatus.NOT_SUPPORTED, "no common dialect")
    connection.client_capabilities = message.capabilities
    connection.client_security_mode = message.security_mode
    connection.client_guid = bytes(message.client_guid)
    connection.client_dialects = list(message.dialects)
    connection.should_sign = bool(message.security_mode & SecurityMode.SIGNING_REQUIRED)

    connection.without_ciphers = settings.encryption == "off" and not _any_encrypted(connection)
    ciphers = () if connection.without_ciphers else settings.ciphers
    connection.client_can_encrypt = _can_encrypt(row, message)
    contexts: list[NegotiateContext] = []
    if row.contexts:
        agreement = settle(
            message.negotiate_contexts,
            ciphers=ciphers,
            signing_algorithms=settings.signing_algorithms,
            salt=secrets.token_bytes(_SALT_SIZE),
        )
        connection.cipher_id = agreement.cipher_id
        connection.signing_algorithm_id = agreement.signing_algorithm_id
        contexts = agreement.contexts
        connection.preauth = PreauthHash()
        connection.preauth.update(request.data)
        request.on_reply = connection.preauth.update
    else:
        client_can = bool(message.capabilities & Capabilities.ENCRYPTION)
        connection.cipher_id = cipher_without_contexts(row, client_can, ciphers)
        connection.signing_algorithm_id = row.signing
    connection.dialect = row
    connection.negotiated = True
    _set_limits(connection)
    return _response(connection, row.revision, contexts)


def _can_encrypt(row: DialectRow, message: NegotiateRequest) -> bool:
    """Whether the client could encrypt, whatever this server offers today."""
    if row.contexts:
        kind = ContextType.ENCRYPTION_CAPABILITIES
        return find_context(message.negotiate_contexts, kind) is not None
    return row.encryption and bool(message.capabilities & Capabilities.ENCRYPTION)


def multi_protocol_negotiate(connection: Connection, frame: memoryview) -> tuple[bytearray, str]:
    """The answer to SMB_COM_NEGOTIATE: on to SMB2 (3.3.5.3), or that no dialect is common, with the
    reason to drop the connection then. (3.3.5.3.2 would drop it without a word; the word, of
    [MS-CIFS] 2.2.4.52.2, lets a client of SMB1 alone tell its user why.)
    """
    if connection.negotiated or connection.multi_protocol:
        raise Disconnect("an SMB1 message after NEGOTIATE")
    header = smb1.Header.decode(frame)
    if header.command != smb1.COM_NEGOTIATE:
        raise Disconnect("an SMB1 request other than NEGOTIATE")
    offered = smb1.NegotiateRequest.decode(frame).dialects
    settings = connection.server.refresh()
    if smb1.DialectString.SMB_2_WILDCARD in offered and settings.max_dialect > Dialect.SMB_2_0_2:
        revision = Dialect.WILDCARD
        connection.multi_protocol = True
        connection.dialect = DIALECTS[Dialect.SMB_2_1]
    elif smb1.DialectString.SMB_2_002 in offered and settings.min_dialect == Dialect.SMB_2_0_2:
        revision = Dialect.SMB_2_0_2
        connection.dialect = DIALECTS[Dialect.SMB_2_0_2]
        connection.negotiated = True
    else:
        reason = "the client speaks SMB1 only, or no SMB2 dialect that is allowed here"
        return finish_frame(bytearray(TRANSPORT_HEADER) + smb1.refusal(header)), reason
    connection.signing_algorithm_id = connection.dialect.signing
    _set_limits(connection)
    connection.window = SequenceWindow(settings.limits.credits)
    connection.window.consume(0, 1)
    reply = new_reply(_response(connection, revision, []))
    granted = connection.window.grant(1, 1)
    Header(0, 0, Command.NEGOTIATE, granted, Flags.SERVER_TO_REDIR, 0, 0, 0, 0).pack_into(
        reply, TRANSPORT_HEADER
    )
    return finish_frame(reply), ""


def _any_encrypted(connection: Connection) -> bool:
    """Whether a share asks for encryption: then a cipher is negotiated whatever the server's own
    setting."""
    return any(share.encrypt for share in connection.server.shares.values())


def _set_limits(connection: Connection) -> None:
    settings, row = connection.server.settings, connection.dialect
    connection.max_transact_size = min(settings.max_transact_size, row.largest_io)
    connection.max_read_size = min(settings.max_read_size, row.largest_io)
    connection.max_write_size = min(settings.max_write_size, row.largest_io)


def server_security_mode(connection: Connection) -> int:
    """SecurityMode of every NEGOTIATE response, the multi-protocol ones included."""
    mode = SecurityMode.SIGNING_ENABLED
    if connection.server.settings.policy.server_always:
        mode |= SecurityMode.SIGNING_REQUIRED
    return mode


def _response(connection: Connection, revision: int, contexts: list[NegotiateContext]) -> bytes:
    row = connection.dialect
    capabilities = 0
    if row.multi_credit:
        capabilities |= Capabilities.LARGE_MTU
    if connection.cipher_id and not row.contexts:
        capabilities |= Capabilities.ENCRYPTION
    connection.server_capabilities = capabilities
    connection.server_security_mode = server_security_mode(connection)
    return NegotiateResponse(
        security_mode=connection.server_security_mode,
        dialect_revision=revision,
        server_guid=connection.server.guid,
        capabilities=capabilities,
        max_transact_size=connection.max_transact_size,
        max_read_size=connection.max_read_size,
        max_write_size=connection.max_write_size,
        system_time=connection.server.platform.filetime(),
        server_start_time=0,
        security_buffer=connection.server.authenticator.initial_token(),
        negotiate_contexts=contexts,
    ).encode()
