"""NT statuses as the exceptions that Python programs expect."""

from __future__ import annotations

import errno
import os

from paraph.errors import PolicyRefused, SecurityViolation, SMBError, SMBTimeout
from paraph.wire import ntstatus
from paraph.wire.ntstatus import NTStatus

_CLASSES: dict[type[OSError], type[SMBError]] = {}

_SENTENCES = {
    NTStatus.LOGON_FAILURE: "the user is unknown or the password is wrong",
    NTStatus.BAD_NETWORK_NAME: "the server has no such share",
    NTStatus.STOPPED_ON_SYMLINK: "the path leads through a symbolic link, which is not followed",
    NTStatus.SHARING_VIOLATION: "somebody else has it open in a way that excludes this",
    NTStatus.FILE_LOCK_CONFLICT: "the bytes are locked by somebody else",
    NTStatus.LOCK_NOT_GRANTED: "the bytes are locked by somebody else",
    NTStatus.DELETE_PENDING: "it is being deleted",
    NTStatus.USER_SESSION_DELETED: "the server has ended the session",
    NTStatus.NETWORK_SESSION_EXPIRED: "the session has expired",
    NTStatus.INVALID_NETWORK_RESPONSE: "the server's answer is malformed",
}


def smb_error(status: int, path: str | None = None, doing: str = "") -> SMBError:
    """The exception for a status: an SMBError that is also FileNotFoundError, PermissionError, ...
    when its errno has such a class. `doing` is what was tried, in a word, for the message."""
    number = ntstatus.to_errno(status) or errno.EIO
    words = _SENTENCES.get(status) or os.strerror(number)
    message = f"{words} ({ntstatus.name(status)}{f' on {doing}' if doing else ''})"
    return _class_for(number)(number, message, path, status)


def _class_for(number: int) -> type[SMBError]:
    """SMBError, joined with the class that OSError(number) would have."""
    base = type(OSError(number, ""))
    if base is OSError:
        return SMBError
    found = _CLASSES.get(base)
    if found is None:
        name = f"SMB{base.__name__}"
        found = _CLASSES[base] = type(name, (SMBError, base), {"__module__": __name__})
        globals()[name] = found  # so that it can be pickled
    return found


def violation(reason: str, status: int = NTStatus.INVALID_SIGNATURE) -> SecurityViolation:
    """The server, or somebody on the way, broke a protecting rule."""
    return SecurityViolation(errno.EPROTO, reason, None, status)


def refused(reason: str) -> PolicyRefused:
    """Our own policy says no."""
    return PolicyRefused(errno.EACCES, reason, None, NTStatus.ACCESS_DENIED)


def connect_error(error: OSError, host: str) -> SMBError:
    """No connection came about."""
    number = error.errno if error.errno and error.errno > 0 else errno.EHOSTUNREACH  # of names
    message = f"no connection to {host}: {error.strerror or error}"
    return _class_for(number)(number, message, None, ntstatus.from_errno(number))


def timed_out(seconds: float, path: str | None = None) -> SMBTimeout:
    """The server let us wait for `seconds` without an answer."""
    message = f"the server did not answer within {seconds:g} seconds"
    return SMBTimeout(errno.ETIMEDOUT, message, path, NTStatus.IO_TIMEOUT)
