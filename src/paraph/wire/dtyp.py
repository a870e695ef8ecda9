"""Security types of [MS-DTYP] 2.4, self-relative and little-endian, and GUIDs, 2.3.4.

Access masks are plain integers; their bits are named where they are used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from struct import Struct
from uuid import UUID

from paraph.errors import DecodeError, UserError
from paraph.wire.record import unpack

MAX_SUB_AUTHORITIES = 15

_SID = Struct(">BBHI")  # Revision, SubAuthorityCount, IdentifierAuthority: the one big-endian field
_SUB_AUTHORITIES = tuple(Struct(f"<{count}I") for count in range(MAX_SUB_AUTHORITIES + 1))
_SID_TEXT = re.compile(r"[Ss]-1-(0[xX][0-9A-Fa-f]{1,12}|[0-9]{1,10})((?:-[0-9]{1,10})*)")


@dataclass(frozen=True, slots=True)
class Sid:
    """A security identifier, [MS-DTYP] 2.4.2. Hashable, so that it can be a key."""

    identifier_authority: int  #: 48 bits
    sub_authorities: tuple[int, ...] = ()  #: at most 15 of 32 bits; the last is the RID

    @classmethod
    def parse(cls, text: str) -> Sid:
        """Read "S-1-5-21-...", 2.4.2.1. Raises UserError."""
        match = _SID_TEXT.fullmatch(text)
        if match is not None:
            authority = match[1]
            base = 16 if authority[:2] in ("0x", "0X") else 10
            sub_authorities = tuple(map(int, match[2].split("-")[1:]))
            if len(sub_authorities) <= MAX_SUB_AUTHORITIES and all(
                value <= 0xFFFF_FFFF for value in sub_authorities
            ):
                return cls(int(authority, base), sub_authorities)
        raise UserError(f"{text!r} is not a security identifier such as S-1-5-32-544.")

    def __str__(self) -> str:
        authority = self.identifier_authority
        head = str(authority) if authority < 0x1_0000_0000 else f"0x{authority:012X}"
        return "-".join(("S-1", head, *map(str, self.sub_authorities)))

    @property
    def size(self) -> int:
        """Length of `encode()` in bytes."""
        return 8 + 4 * len(self.sub_authorities)

    @property
    def rid(self) -> int:
        """The relative identifier; 0 if there are no sub-authorities."""
        return self.sub_authorities[-1] if self.sub_authorities else 0

    def child(self, rid: int) -> Sid:
        """The account or group `rid` of this domain."""
        return Sid(self.identifier_authority, (*self.sub_authorities, rid))

    def encode(self) -> bytes:
        """The packet representation, 2.4.2.2."""
        parts = self.sub_authorities
        authority = self.identifier_authority
        head = _SID.pack(1, len(parts), authority >> 32, authority & 0xFFFF_FFFF)
        return head + _SUB_AUTHORITIES[len(parts)].pack(*parts)

    @classmethod
    def decode(cls, data: memoryview) -> Sid:
        """Read the packet representation from the start of `data`; what follows is ignored.
        Raises DecodeError."""
        revision, count, high, low = unpack(_SID, data, 0, "SID")
        if revision != 1 or count > MAX_SUB_AUTHORITIES:
            raise DecodeError(f"SID of revision {revision} with {count} sub-authorities")
        return cls(high << 32 | low, unpack(_SUB_AUTHORITIES[count], data, 8, "SID"))


class WellKnownSid:
    """[MS-DTYP] 2.4.2.4."""

    NULL = Sid(0, (0,))
    EVERYONE = Sid(1, (0,))
    LOCAL = Sid(2, (0,))
    CONSOLE_LOGON = Sid(2, (1,))
    CREATOR_OWNER = Sid(3, (0,))
    CREATOR_GROUP = Sid(3, (1,))
    OWNER_RIGHTS = Sid(3, (4,))
    NETWORK = Sid(5, (2,))
    BATCH = Sid(5, (3,))
    INTERACTIVE = Sid(5, (4,))
    SERVICE = Sid(5, (6,))
    ANONYMOUS = Sid(5, (7,))
    PRINCIPAL_SELF = Sid(5, (10,))
    AUTHENTICATED_USERS = Sid(5, (11,))
    THIS_ORGANIZATION = Sid(5, (15,))
    LOCAL_SYSTEM = Sid(5, (18,))
    LOCAL_SERVICE = Sid(5, (19,))
    NETWORK_SERVICE = Sid(5, (20,))
    BUILTIN = Sid(5, (32,))
    BUILTIN_ADMINISTRATORS = Sid(5, (32, 544))
    BUILTIN_USERS = Sid(5, (32, 545))
    BUILTIN_GUESTS = Sid(5, (32, 546))
    POWER_USERS = Sid(5, (32, 547))
    ACCOUNT_OPERATORS = Sid(5, (32, 548))
    SERVER_OPERATORS = Sid(5, (32, 549))
    PRINTER_OPERATORS = Sid(5, (32, 550))
    BACKUP_OPERATORS = Sid(5, (32, 551))
    NTLM_AUTHENTICATION = Sid(5, (64, 10))
    LOCAL_ACCOUNT = Sid(5, (113,))
    LOCAL_ACCOUNT_AND_ADMINISTRATOR = Sid(5, (114,))
    ALL_APP_PACKAGES = Sid(15, (2, 1))
    ML_LOW = Sid(16, (4096,))
    ML_MEDIUM = Sid(16, (8192,))
    ML_HIGH = Sid(16, (12288,))
    ML_SYSTEM = Sid(16, (16384,))


class AceType:
    """AceType, [MS-DTYP] 2.4.4.1."""

    ACCESS_ALLOWED = 0x00
    ACCESS_DENIED = 0x01
    SYSTEM_AUDIT = 0x02
    ACCESS_ALLOWED_OBJECT = 0x05
    ACCESS_DENIED_OBJECT = 0x06
    SYSTEM_AUDIT_OBJECT = 0x07
    ACCESS_ALLOWED_CALLBACK = 0x09
    ACCESS_DENIED_CALLBACK = 0x0A
    ACCESS_ALLOWED_CALLBACK_OBJECT = 0x0B
    ACCESS_DENIED_CALLBACK_OBJECT = 0x0C
    SYSTEM_AUDIT_CALLBACK = 0x0D
    SYSTEM_AUDIT_CALLBACK_OBJECT = 0x0F
    SYSTEM_MANDATORY_LABEL = 0x11
    SYSTEM_RESOURCE_ATTRIBUTE = 0x12
    SYSTEM_SCOPED_POLICY_ID = 0x13


class AceFlags:
    """AceFlags, [MS-DTYP] 2.4.4.1."""

    OBJECT_INHERIT = 0x01
    CONTAINER_INHERIT = 0x02
    NO_PROPAGATE_INHERIT = 0x04
    INHERIT_ONLY = 0x08
    INHERITED = 0x10
    SUCCESSFUL_ACCESS = 0x40
    FAILED_ACCESS = 0x80


_ACE = Struct("<BBH")
_MASK = Struct("<I")
_MASK_AND_SID = frozenset(
    (
        AceType.ACCESS_ALLOWED,
        AceType.ACCESS_DENIED,
        AceType.SYSTEM_AUDIT,
        AceType.ACCESS_ALLOWED_CALLBACK,
        AceType.ACCESS_DENIED_CALLBACK,
        AceType.SYSTEM_AUDIT_CALLBACK,
        AceType.SYSTEM_MANDATORY_LABEL,
        AceType.SYSTEM_RESOURCE_ATTRIBUTE,
        AceType.SYSTEM_SCOPED_POLICY_ID,
    )
)


@dataclass(slots=True)
class Ace:
    """An ACE that is a mask and a SID: allowed, denied, audit, their callback forms, label,
    resource attribute and policy ([MS-DTYP] 2.4.4.2 and its like)."""

    ace_type: int
    ace_flags: int
    mask: int
    sid: Sid
    application_data: bytes = b""  #: what follows the SID; its length is a multiple of 4

    def encode(self) -> bytes:
        size = 8 + self.sid.size + len(self.application_data)
        return b"".join(
            (
                _ACE.pack(self.ace_type, self.ace_flags, size),
                _MASK.pack(self.mask),
                self.sid.encode(),
                self.application_data,
            )
        )


@dataclass(slots=True)
class RawAce:
    """An ACE of any other type (object ACEs, reserved types), kept as it came: it takes part in no
    access check, and is given back unchanged."""

    ace_type: int
    ace_flags: int
    body: bytes  #: what follows the header; its length is a multiple of 4

    def encode(self) -> bytes:
        return _ACE.pack(self.ace_type, self.ace_flags, 4 + len(self.body)) + self.body


_ACL = Struct("<BxHH2x")
ACL_REVISION = 2
ACL_REVISION_DS = 4


@dataclass(slots=True)
class Acl:
    """An access control list, [MS-DTYP] 2.4.5."""

    aces: list[Ace | RawAce] = field(default_factory=list)
    acl_revision: int = ACL_REVISION

    def encode(self) -> bytes:
        body = b"".join([ace.encode() for ace in self.aces])
        return _ACL.pack(self.acl_revision, _ACL.size + len(body), len(self.aces)) + body

    @classmethod
    def decode(cls, data: memoryview) -> Acl:
        """Read from the start of `data`; what follows AclSize is ignored, and so is slack between
        the last ACE and AclSize. Raises DecodeError."""
        revision, size, count = unpack(_ACL, data, 0, "ACL")
        if revision not in (ACL_REVISION, ACL_REVISION_DS):
            raise DecodeError(f"ACL of revision {revision}")
        if not _ACL.size <= size <= len(data):
            raise DecodeError(f"AclSize {size}, there are {len(data)} bytes")
        aces: list[Ace | RawAce] = []
        offset = _ACL.size
        data = data[:size]
        for _ in range(count):
            ace_type, ace_flags, ace_size = unpack(_ACE, data, offset, "ACE")
            if ace_size < _ACE.size or ace_size % 4 or offset + ace_size > size:
                raise DecodeError(f"AceSize {ace_size} at {offset} of an ACL of {size} bytes")
            body = data[offset + _ACE.size : offset + ace_size]
            aces.append(_ace(ace_type, ace_flags, body))
            offset += ace_size
        return cls(aces, revision)


def _ace(ace_type: int, ace_flags: int, body: memoryview) -> Ace | RawAce:
    if ace_type not in _MASK_AND_SID:
        return RawAce(ace_type, ace_flags, bytes(body))
    (mask,) = unpack(_MASK, body, 0, "ACE")
    sid = Sid.decode(body[4:])
    return Ace(ace_type, ace_flags, mask, sid, bytes(body[4 + sid.size :]))


class Control:
    """Control of a SECURITY_DESCRIPTOR, [MS-DTYP] 2.4.6."""

    OWNER_DEFAULTED = 0x0001
    GROUP_DEFAULTED = 0x0002
    DACL_PRESENT = 0x0004
    DACL_DEFAULTED = 0x0008
    SACL_PRESENT = 0x0010
    SACL_DEFAULTED = 0x0020
    DACL_TRUSTED = 0x0040
    SERVER_SECURITY = 0x0080
    DACL_COMPUTED_INHERITANCE_REQUIRED = 0x0100
    SACL_COMPUTED_INHERITANCE_REQUIRED = 0x0200
    DACL_AUTO_INHERITED = 0x0400
    SACL_AUTO_INHERITED = 0x0800
    DACL_PROTECTED = 0x1000
    SACL_PROTECTED = 0x2000
    RM_CONTROL_VALID = 0x4000
    SELF_RELATIVE = 0x8000


class SecurityInformation:
    """SECURITY_INFORMATION, [MS-DTYP] 2.4.7."""

    OWNER = 0x00000001
    GROUP = 0x00000002
    DACL = 0x00000004
    SACL = 0x00000008
    LABEL = 0x00000010
    ATTRIBUTE = 0x00000020
    SCOPE = 0x00000040
    BACKUP = 0x00010000
    UNPROTECTED_SACL = 0x10000000
    UNPROTECTED_DACL = 0x20000000
    PROTECTED_SACL = 0x40000000
    PROTECTED_DACL = 0x80000000


WHOLE_DESCRIPTOR = (
    SecurityInformation.OWNER
    | SecurityInformation.GROUP
    | SecurityInformation.DACL
    | SecurityInformation.SACL
    | SecurityInformation.LABEL
)
DESCRIPTOR_HEADER_SIZE = 20

_DESCRIPTOR = Struct("<BBHIIII")
_DACL_CONTROL = (
    Control.DACL_PRESENT
    | Control.DACL_DEFAULTED
    | Control.DACL_COMPUTED_INHERITANCE_REQUIRED
    | Control.DACL_AUTO_INHERITED
    | Control.DACL_PROTECTED
)
_SACL_CONTROL = (
    Control.SACL_PRESENT
    | Control.SACL_DEFAULTED
    | Control.SACL_COMPUTED_INHERITANCE_REQUIRED
    | Control.SACL_AUTO_INHERITED
    | Control.SACL_PROTECTED
)
# The parts of a SACL that can be asked for on their own.
_SACL_PARTS = (
    (SecurityInformation.LABEL, AceType.SYSTEM_MANDATORY_LABEL),
    (SecurityInformation.ATTRIBUTE, AceType.SYSTEM_RESOURCE_ATTRIBUTE),
    (SecurityInformation.SCOPE, AceType.SYSTEM_SCOPED_POLICY_ID),
)
_ANY_SACL = (
    SecurityInformation.SACL
    | SecurityInformation.LABEL
    | SecurityInformation.ATTRIBUTE
    | SecurityInformation.SCOPE
)


@dataclass(slots=True)
class SecurityDescriptor:
    """A security descriptor, [MS-DTYP] 2.4.6.

    `control` has DACL_PRESENT exactly when there is a DACL; if `dacl` is None then, it is the null
    DACL, which allows everything. The same holds for the SACL.
    """

    owner: Sid | None = None
    group: Sid | None = None
    dacl: Acl | None = None
    sacl: Acl | None = None
    control: int = Control.SELF_RELATIVE
    sbz1: int = 0  #: resource manager bits, if control has RM_CONTROL_VALID

    def encode(self, information: int = WHOLE_DESCRIPTOR) -> bytes:
        """The self-relative form of the parts that `information` (bits of `SecurityInformation`)
        asks for, with the control bits that belong to them ([MS-FSA] 2.1.5.14)."""
        control = Control.SELF_RELATIVE | self.control & Control.RM_CONTROL_VALID
        sbz1 = self.sbz1 if self.control & Control.RM_CONTROL_VALID else 0
        owner = group = dacl = sacl = b""
        if information & SecurityInformation.OWNER and self.owner is not None:
            control |= self.control & Control.OWNER_DEFAULTED
            owner = self.owner.encode()
        if information & SecurityInformation.GROUP and self.group is not None:
            control |= self.control & Control.GROUP_DEFAULTED
            group = self.group.encode()
        if information & _ANY_SACL:
            control |= self.control & _SACL_CONTROL
            if self.sacl is not None and control & Control.SACL_PRESENT:
                sacl = _sacl_part(self.sacl, information).encode()
        if information & SecurityInformation.DACL:
            control |= self.control & _DACL_CONTROL
            if self.dacl is not None and control & Control.DACL_PRESENT:
                dacl = self.dacl.encode()
        parts = (owner, group, sacl, dacl)
        offsets = []
        end = DESCRIPTOR_HEADER_SIZE
        for part in parts:
            offsets.append(end if part else 0)
            end += len(part)
        return b"".join((_DESCRIPTOR.pack(1, sbz1, control, *offsets), *parts))

    @classmethod
    def decode(cls, data: memoryview) -> SecurityDescriptor:
        """Read the self-relative form; its parts may lie in any order. Raises DecodeError."""
        fields = unpack(_DESCRIPTOR, data, 0, "SECURITY_DESCRIPTOR")
        revision, sbz1, control, owner, group, sacl, dacl = fields
        if revision != 1 or not control & Control.SELF_RELATIVE:
            raise DecodeError(f"security descriptor of revision {revision}, control 0x{control:X}")
        if not control & Control.SACL_PRESENT:
            sacl = 0
        if not control & Control.DACL_PRESENT:
            dacl = 0
        return cls(
            Sid.decode(_part(data, owner)) if owner else None,
            Sid.decode(_part(data, group)) if group else None,
            Acl.decode(_part(data, dacl)) if dacl else None,
            Acl.decode(_part(data, sacl)) if sacl else None,
            control,
            sbz1,
        )


def _part(data: memoryview, offset: int) -> memoryview:
    if not DESCRIPTOR_HEADER_SIZE <= offset < len(data):
        raise DecodeError(f"security descriptor of {len(data)} bytes has a part at {offset}")
    return data[offset:]


def _sacl_part(sacl: Acl, information: int) -> Acl:
    """The ACEs that were asked for: a label only if named; all others come with SACL."""
    named = {ace_type for bit, ace_type in _SACL_PARTS if information & bit}
    if information & SecurityInformation.SACL:
        label = AceType.SYSTEM_MANDATORY_LABEL
        aces = [ace for ace in sacl.aces if ace.ace_type != label or label in named]
    else:
        aces = [ace for ace in sacl.aces if ace.ace_type in named]
    return Acl(aces, sacl.acl_revision)


def guid_from_text(text: str) -> bytes:
    """The 16 bytes (little-endian, [MS-DTYP] 2.3.4.2) of "xxxxxxxx-xxxx-...", braces allowed.
    Raises UserError."""
    try:
        return UUID(text).bytes_le
    except ValueError:
        raise UserError(f"{text!r} is not a GUID.") from None


def guid_to_text(data: bytes | memoryview) -> str:
    """The lower-case text, without braces, of 16 bytes. Raises DecodeError for another length."""
    if len(data) != 16:
        raise DecodeError(f"a GUID has 16 bytes, not {len(data)}")
    return str(UUID(bytes_le=bytes(data)))
