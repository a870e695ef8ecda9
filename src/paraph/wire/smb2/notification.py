"""SERVER_TO_CLIENT_NOTIFICATION, [MS-SMB2] 2.2.44 (3.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import HEADER_SIZE, unpack


class NotificationType:
    """SMB_NOTIFICATION_ID, [MS-SMB2] 2.2.44.1."""

    SESSION_CLOSED = 0x00000000


_LAYOUT = Struct("<H2xI")  # StructureSize, Reserved, NotificationType


@dataclass(slots=True)
class ServerToClientNotification:
    """SMB2 Server to Client Notification, [MS-SMB2] 2.2.44.1. The notification of a closed session
    is 4 bytes of zero (2.2.44.2), the default here."""

    notification_type: int = NotificationType.SESSION_CLOSED
    notification: memoryview | bytes = bytes(4)

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short. StructureSize is not checked: the specification leaves
        open whether it counts the variable part."""
        kind = unpack(_LAYOUT, message, HEADER_SIZE, "SERVER_TO_CLIENT_NOTIFICATION")[1]
        return cls(kind, message[HEADER_SIZE + _LAYOUT.size :])

    def encode(self) -> bytes:
        size = _LAYOUT.size + len(self.notification)
        return b"".join((_LAYOUT.pack(size, self.notification_type), self.notification))
