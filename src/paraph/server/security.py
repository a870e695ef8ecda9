"""Security descriptors in QUERY_INFO and SET_INFO, [MS-SMB2] 3.3.5.20.3 and 3.3.5.21.3.

Access control lists are not stored. A query is answered with a descriptor that says what holds
anyway: everybody who has entered the share may do what the share and the store permit, and nobody
can change that over the network. Volumes do not claim FILE_PERSISTENT_ACLS, so Windows hides its
security page and programs that copy files leave the lists alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.errors import NTStatusError
from paraph.server.open import Open
from paraph.wire.dtyp import Ace, AceFlags, AceType, Acl, Control, SecurityDescriptor, WellKnownSid
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask
from paraph.wire.smb2.info import QueryInfoRequest, SecurityInformation, SetInfoRequest

if TYPE_CHECKING:
    from paraph.server.request import Request

_TO_QUERY = (
    (SecurityInformation.OWNER, AccessMask.READ_CONTROL),
    (SecurityInformation.GROUP, AccessMask.READ_CONTROL),
    (SecurityInformation.DACL, AccessMask.READ_CONTROL),
    (SecurityInformation.SACL, AccessMask.ACCESS_SYSTEM_SECURITY),
    (SecurityInformation.LABEL, AccessMask.READ_CONTROL),
    (SecurityInformation.ATTRIBUTE, AccessMask.READ_CONTROL),
    (SecurityInformation.SCOPE, AccessMask.READ_CONTROL),
    (SecurityInformation.BACKUP, AccessMask.READ_CONTROL | AccessMask.ACCESS_SYSTEM_SECURITY),
)
"""What must have been granted to read each part, [MS-FSA] 2.1.5.14."""

_TO_SET = (
    (SecurityInformation.OWNER, AccessMask.WRITE_OWNER),
    (SecurityInformation.GROUP, AccessMask.WRITE_OWNER),
    (SecurityInformation.DACL, AccessMask.WRITE_DAC),
    (SecurityInformation.SACL, AccessMask.ACCESS_SYSTEM_SECURITY),
    (SecurityInformation.LABEL, AccessMask.WRITE_OWNER),
    (SecurityInformation.ATTRIBUTE, AccessMask.WRITE_DAC),
    (SecurityInformation.SCOPE, AccessMask.ACCESS_SYSTEM_SECURITY),
    (
        SecurityInformation.BACKUP,
        AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER | AccessMask.ACCESS_SYSTEM_SECURITY,
    ),
)
"""What must have been granted to write each part, [MS-SMB2] 3.3.5.21.3."""

_KNOWN = sum(part for part, _ in _TO_SET)


def query_security(request: Request, message: QueryInfoRequest) -> bytes:
    """The parts of the descriptor that AdditionalInformation names; other bits are ignored.

    Raises NTStatusError ACCESS_DENIED, and BUFFER_TOO_SMALL with the length that is needed as its
    data: a descriptor is never cut."""
    opened, wanted = request.open, message.additional_information & _KNOWN
    _require(opened, wanted, _TO_QUERY)
    encoded = descriptor(opened).encode(wanted)
    if len(encoded) > message.output_buffer_length:
        needed = len(encoded).to_bytes(4, "little")
        raise NTStatusError(NTStatus.BUFFER_TOO_SMALL, "security descriptor", needed)
    return encoded


def descriptor(opened: Open) -> SecurityDescriptor:
    """Everyone has what the share and the store allow. The owner is the administrators of the
    server: files belong to the account that it runs as, whoever made them."""
    mask = opened.tree.maximal_access
    if opened.handle is not None:
        mask &= opened.handle.maximal_access()
    inherit = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT if opened.is_directory else 0
    everyone = Ace(AceType.ACCESS_ALLOWED, inherit, mask, WellKnownSid.EVERYONE)
    return SecurityDescriptor(
        owner=WellKnownSid.BUILTIN_ADMINISTRATORS,
        group=WellKnownSid.BUILTIN_ADMINISTRATORS,
        dacl=Acl([everyone]),
        control=Control.SELF_RELATIVE | Control.DACL_PRESENT,
    )


def set_security(request: Request, message: SetInfoRequest) -> None:
    """Refused: saying yes and forgetting it would leave somebody with files that he believes to be
    protected. Always raises NTStatusError.

    INVALID_DEVICE_REQUEST is what [MS-FSA] 2.1.5.17 has a store without security answer. Clients
    take it for "not supported" (EOPNOTSUPP on Linux, ERROR_INVALID_FUNCTION on Windows) and go on
    without the list, where ACCESS_DENIED would make them give up on the file."""
    _require(request.open, message.additional_information & _KNOWN, _TO_SET)
    raise NTStatusError(NTStatus.INVALID_DEVICE_REQUEST, "access control lists are not stored")


def _require(opened: Open, wanted: int, rights: tuple[tuple[int, int], ...]) -> None:
    for part, access in rights:
        if wanted & part:
            opened.require(access)
