"""The exceptions of Paraph: each says whose fault it is.

* `ProtocolError`: the peer sent what the specification forbids.
* `NTStatusError`: a request can not be done; the code is what the peer is told.
* `UserError`: the person at the keyboard (or the calling program) asked for something impossible.

* `SMBError`: what the client raises; an OSError, so `except FileNotFoundError` works as for files.

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


class SMBError(ParaphError, OSError):
    """A request of the client failed. What is raised is also the subclass of OSError that belongs
    to its errno: FileNotFoundError, PermissionError, ...

    Attributes:
        status: the NT status ([MS-ERREF] 2.3) that the server answered, or that says it best.
        errno, strerror, filename: those of OSError; `filename` is the path on the share, or None.
    """

    def __init__(self, errno: int, message: str, path: str | None = None, status: int = 0) -> None:
        OSError.__init__(self, errno, message, path)
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.errno, self.strerror, self.filename, self.status)


class ConnectionLost(SMBError, ConnectionError):
    """The connection to the server ended, or was closed by us, before the answer came."""


class SMBTimeout(SMBError, TimeoutError):
    """The server did not answer in time."""


class SecurityViolation(SMBError, ProtocolError):
    """A message from the server broke a rule that protects the session: unsigned where a signature
    was due, wrongly signed, changed on its way, a downgrade. The connection was dropped and nothing
    of that message was used. The text says what happened."""


class PolicyRefused(SMBError, PermissionError):
    """Our own policy forbids to go on with this server; the text says which rule, and why."""
