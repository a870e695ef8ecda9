"""The exceptions of Paraph: each says whose fault it is.

* `ProtocolError`: the peer sent what the specification forbids.
* `NTStatusError`: a request can not be done; the code is what the peer is told.
* `UserError`: the person at the keyboard (or the calling program) asked for something impossible.

Anything else that escapes is a bug of ours: the server logs it with its trace and answers
STATUS_INTERNAL_ERROR.
"""

from __future__ import annotations


class ParaphError(Exception):
    """Root of every exception that Paraph raises on purpose."""


class ProtocolError(ParaphError):
    """The peer broke the protocol."""


class DecodeError(ProtocolError):
    """Bytes from the peer do not form the record that was expected there."""


class Disconnect(ProtocolError):
    """The specification says: drop the transport connection without an answer.

    The message is the reason, in plain words, for the log.
    """


class NTStatusError(ParaphError):
    """A request fails with an NT status ([MS-ERREF] 2.3).

    Attributes:
        status: the 32-bit code that goes into the response header.
        data: ErrorData of the SMB2 ERROR response ([MS-SMB2] 2.2.2), usually empty.
        reason: plain words for the log; never sent to the peer.
    """

    def __init__(self, status: int, reason: str = "", data: bytes = b"") -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.data = data

    def __str__(self) -> str:
        return f"0x{self.status:08X} {self.reason}".rstrip()


class UserError(ParaphError):
    """A setting, argument or file of the user can not be used; the message is a full sentence."""
