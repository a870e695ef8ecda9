"""SESSION_SETUP, [MS-SMB2] 2.2.5 and 2.2.6. LOGOFF has empty bodies, in `simple`."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from paraph.wire.record import HEADER_SIZE, fixed, window


class SessionSetupFlags:
    """Flags of the request, [MS-SMB2] 2.2.5."""

    BINDING = 0x01


class SessionFlags:
    """SessionFlags of the response, [MS-SMB2] 2.2.6."""

    IS_GUEST = 0x0001
    IS_NULL = 0x0002
    ENCRYPT_DATA = 0x0004


# StructureSize, Flags, SecurityMode, Capabilities, Channel (reserved), SecurityBufferOffset,
# SecurityBufferLength, PreviousSessionId
_REQUEST = Struct("<HBBI4xHHQ")
_REQUEST_SIZE = 25
_REQUEST_END = HEADER_SIZE + _REQUEST.size
# StructureSize, SessionFlags, SecurityBufferOffset, SecurityBufferLength
_RESPONSE = Struct("<HHHH")
_RESPONSE_SIZE = 9
_RESPONSE_END = HEADER_SIZE + _RESPONSE.size


@dataclass(slots=True)
class SessionSetupRequest:
    """SMB2 SESSION_SETUP Request, [MS-SMB2] 2.2.5. `flags` is of SessionSetupFlags,
    `security_mode` of SecurityMode, `capabilities` of Capabilities (`negotiate`)."""

    flags: int = 0
    security_mode: int = 0
    capabilities: int = 0
    previous_session_id: int = 0
    security_buffer: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or the buffer lies outside."""
        flags, mode, capabilities, offset, length, previous = fixed(
            _REQUEST, _REQUEST_SIZE, message, "SESSION_SETUP request"
        )
        token = window(message, offset, length, _REQUEST_END, "SecurityBuffer")
        return cls(flags, mode, capabilities, previous, token)

    def encode(self) -> bytes:
        body = _REQUEST.pack(
            _REQUEST_SIZE,
            self.flags,
            self.security_mode,
            self.capabilities,
            _REQUEST_END,
            len(self.security_buffer),
            self.previous_session_id,
        )
        # StructureSize counts one byte of buffer, and some servers insist on it
        return b"".join((body, self.security_buffer or b"\0"))


@dataclass(slots=True)
class SessionSetupResponse:
    """SMB2 SESSION_SETUP Response, [MS-SMB2] 2.2.6. `session_flags` is of SessionFlags."""

    session_flags: int = 0
    security_buffer: memoryview | bytes = b""

    @classmethod
    def decode(cls, message: memoryview) -> Self:
        """Raises DecodeError if too short, StructureSize is wrong or the buffer lies outside."""
        flags, offset, length = fixed(_RESPONSE, _RESPONSE_SIZE, message, "SESSION_SETUP response")
        return cls(flags, window(message, offset, length, _RESPONSE_END, "SecurityBuffer"))

    def encode(self) -> bytes:
        size = len(self.security_buffer)
        body = _RESPONSE.pack(_RESPONSE_SIZE, self.session_flags, _RESPONSE_END, size)
        return b"".join((body, self.security_buffer))
