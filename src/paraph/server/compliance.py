"""Sessions and settings that change while they live: who no longer complies, and why.

A change of policy counts from the next session on. A connection whose NEGOTIATE told the client
something milder is ended when it asks for a new session, so that the client asks again and hears
what holds now; sessions that exist go on until they are ended by `SMBServer.close_session`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.server.session import Session, SessionState
from paraph.wire.smb2.negotiate import SecurityMode

if TYPE_CHECKING:
    from paraph.server.connection import Connection
    from paraph.server.settings import ServerSettings

_CAN_SIGN = SecurityMode.SIGNING_ENABLED | SecurityMode.SIGNING_REQUIRED


def outdated(connection: Connection, settings: ServerSettings) -> str:
    """Why the client must negotiate anew before it may log on; empty when it need not."""
    dialect = connection.dialect
    if not settings.min_dialect <= dialect.revision <= settings.max_dialect:
        return f"SMB {dialect.name} is no longer allowed"
    required = connection.server_security_mode & SecurityMode.SIGNING_REQUIRED
    if settings.policy.server_always and not required:
        return "signing became required after NEGOTIATE"
    if settings.encryption != "off" and connection.without_ciphers:
        return "encryption was switched on after NEGOTIATE"
    return ""


def findings(session: Session, settings: ServerSettings) -> list[str]:
    """What the audit settings want told of a session that has just been established."""
    connection = session.connection
    keyless = session.is_guest or session.is_anonymous
    found = []
    if settings.audit_signing and (keyless or not connection.client_security_mode & _CAN_SIGN):
        found.append("it can not sign: it would be refused if signing were required")
    if settings.audit_encryption and (keyless or not connection.client_can_encrypt):
        found.append("it can not encrypt: it would be refused if encryption were required")
    if settings.audit_guest and session.is_guest:
        found.append("it is a guest: anyone may enter so, and nothing of it is signed")
    return found


def complaint(session: Session, settings: ServerSettings) -> str:
    """Why a valid session would not be let in today; empty when it would be."""
    if session.state is not SessionState.VALID:
        return ""
    dialect = session.connection.dialect
    if not settings.min_dialect <= dialect.revision <= settings.max_dialect:
        return f"SMB {dialect.name} is no longer allowed"
    if settings.encryption == "required" and not session.encrypt_data:
        return "it is not encrypted, and encryption is required now"
    protected = session.signing_required or session.encrypt_data
    if settings.policy.server_always and not protected:
        return "it is not signed, and signing is required now"
    if session.is_guest and not settings.allow_guest:
        return "it is a guest's, and guests are refused now"
    return ""
