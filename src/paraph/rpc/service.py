"""What stands behind a pipe: interfaces, their operations, and what they know of the server.

To add an operation, write a function and decorate it:

    @SRVSVC.operation(28, takes=(UNIQUE_STRING,), gives=(Pointer(TIME_OF_DAY_INFO), U32))
    def remote_tod(call: Call, server_name: str | None) -> tuple[dict[str, int], int]:

`takes` are the types of the [in] parameters, `gives` those of the [out] parameters and of the
return value, both in the order of the interface definition. The function gets the values after the
`Call`, and returns the tuple of its results. It raises `RpcFault` for what has no return value.
To add an interface, make an `Interface` and give it a name in `pipe.PIPES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from paraph.errors import DecodeError, ParaphError
from paraph.rpc.ndr import (
    CONTEXT_HANDLE,
    Array,
    Counted,
    NdrReader,
    NdrType,
    NdrWriter,
    Pointer,
    Switched,
    read_parameter,
    write_parameter,
)
from paraph.rpc.pdu import Nca, Syntax
from paraph.wire.dtyp import guid_from_text

UNLIMITED = 0xFFFF_FFFF
"""MAX_PREFERRED_LENGTH, and the maximum of uses that is none ([MS-SRVS] 2.2.2.2, 2.2.4.26)."""
_NULL_HANDLE = bytes(CONTEXT_HANDLE.minimum)
MAX_HANDLES = 1024
"""Context handles that one pipe may hold open."""


class Win32:
    """Win32 and LAN Manager error codes that operations return, [MS-ERREF] 2.2."""

    SUCCESS = 0
    ACCESS_DENIED = 5
    INVALID_PARAMETER = 87
    INVALID_LEVEL = 124
    MORE_DATA = 234
    NERR_BUF_TOO_SMALL = 2123
    NERR_USER_NOT_FOUND = 2221
    NERR_NET_NAME_NOT_FOUND = 2310
    NERR_CLIENT_NAME_NOT_FOUND = 2312
    NERR_INVALID_COMPUTER = 2351


class ShareType:
    """Share types, [MS-SRVS] 2.2.2.4."""

    DISKTREE = 0
    PRINTQ = 1
    IPC = 3
    CLUSTER = 0x0E00_0000  #: the three cluster bits, which are never told to a client
    SPECIAL = 0x8000_0000


@dataclass(frozen=True, slots=True)
class ShareInfo:
    """One share, as [MS-SRVS] 2.2.4.26 tells of it."""

    name: str
    type: int = ShareType.DISKTREE
    comment: str = ""
    #: What levels 2, 502 and 503 show as the local path. Leave it empty: a share of files is then
    #: said to be at `C:\name`, so that no path of this host is revealed.
    path: str = ""
    current_uses: int = 0  #: tree connects
    max_uses: int = UNLIMITED
    flags: int = 0  #: SHI1005_FLAGS_*, [MS-SRVS] 2.2.4.29


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session, [MS-SRVS] 2.2.4.15."""

    client: str  #: name or address of the client, without backslashes
    user: str
    opens: int = 0
    seconds: int = 0  #: since the session began
    idle_seconds: int = 0
    flags: int = 0  #: SESS_GUEST 1, SESS_NOENCRYPTION 2
    client_type: str = ""
    transport: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """One tree connect, [MS-SRVS] 2.2.4.2."""

    id: int
    share: str
    client: str  #: name or address of the client, without backslashes
    user: str
    type: int = ShareType.DISKTREE
    opens: int = 0
    users: int = 1
    seconds: int = 0  #: since the tree was connected


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One open file or pipe, [MS-SRVS] 2.2.4.7."""

    id: int
    path: str  #: as it shall be shown; nothing is hidden here
    user: str
    permissions: int = 0  #: PERM_FILE_READ 1, PERM_FILE_WRITE 2, PERM_FILE_CREATE 4, ...
    locks: int = 0


@dataclass(slots=True)
class Environment:
    """What the operations of one pipe know of the server and of who is calling.

    The callables are called during an operation, so they tell what is true at that moment; their
    lists keep their order from call to call (resume handles are indexes).
    """

    server_name: str
    domain: str  #: domain or workgroup
    comment: str
    shares: Callable[[], Sequence[ShareInfo]]
    local_time: Callable[[], int]  #: seconds since 1970 UTC
    user: str = ""  #: name of the caller
    #: Whether the caller may see who else is at work here: sessions, connections, open files.
    administrator: bool = False
    version_major: int = 10  #: of the operating system that clients shall take this one for
    version_minor: int = 0
    timezone: int = 0  #: minutes west of Greenwich
    sessions: Callable[[], Sequence[SessionInfo]] = tuple
    connections: Callable[[], Sequence[ConnectionInfo]] = tuple
    files: Callable[[], Sequence[FileInfo]] = tuple


class RpcFault(ParaphError):
    """A call ends with a fault PDU; `status` is a code of `Nca` or a Win32 error."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(f"0x{status:08X} {reason}".rstrip())
        self.status = status


T = TypeVar("T")


class ContextHandles:
    """The context handles of one pipe, and the objects that they stand for ([C706] 5.1.6)."""

    __slots__ = ("_last", "_objects")

    def __init__(self) -> None:
        self._objects: dict[bytes, object] = {}
        self._last = 0

    def open(self, value: object) -> bytes:
        """A new handle for `value`. Raises RpcFault when there are too many."""
        if len(self._objects) >= MAX_HANDLES:
            raise RpcFault(Nca.ACCESS_DENIED, "too many context handles")
        self._last += 1
        handle = self._last.to_bytes(len(_NULL_HANDLE), "big")
        self._objects[handle] = value
        return handle

    def get(self, handle: bytes, kind: type[T]) -> T:
        """What `handle` stands for. Raises RpcFault if that is nothing, or no `kind`."""
        value = self._objects.get(handle)
        if not isinstance(value, kind):
            raise RpcFault(Nca.CONTEXT_MISMATCH, "unknown context handle")
        return value

    def close(self, handle: bytes) -> bytes:
        """Forget `handle`; the null handle, to be returned. Raises RpcFault if it is unknown."""
        if self._objects.pop(handle, None) is None:
            raise RpcFault(Nca.CONTEXT_MISMATCH, "unknown context handle")
        return _NULL_HANDLE


@dataclass(slots=True)
class Call:
    """What every operation gets before its parameters; one per pipe."""

    environment: Environment
    handles: ContextHandles = field(default_factory=ContextHandles)


Operation = Callable[..., tuple[Any, ...]]


class Interface:
    """An RPC interface: its identifier and its table of operations."""

    def __init__(self, name: str, uuid: str, version: int, version_minor: int = 0) -> None:
        self.name = name
        self.syntax = Syntax(guid_from_text(uuid), version, version_minor)
        self._table: dict[int, tuple[tuple[NdrType, ...], tuple[NdrType, ...], Operation]] = {}

    def serves(self, syntax: Syntax) -> bool:
        """Whether a client that knows `syntax` can talk to this interface: same major version,
        minor version not above ours ([C706] 6.1.2.1)."""
        return (
            syntax.uuid == self.syntax.uuid
            and syntax.version == self.syntax.version
            and syntax.version_minor <= self.syntax.version_minor
        )

    def operation(
        self, opnum: int, takes: Sequence[NdrType], gives: Sequence[NdrType]
    ) -> Callable[[Operation], Operation]:
        """Register the decorated function; see the module's text."""

        def register(function: Operation) -> Operation:
            if opnum in self._table:
                raise ValueError(f"{self.name} has an operation {opnum} already")
            self._table[opnum] = (tuple(takes), tuple(gives), function)
            return function

        return register

    def prepare(self, opnum: int, stub: bytes | memoryview) -> Callable[[Call], bytes]:
        """The call that a request asks for, its parameters unmarshalled; run it for the response's
        stub data. What follows the parameters is ignored, as padding is.

        Raises RpcFault: nca_op_rng_error for an opnum that is not served, 0x6F7 for stub data that
        is malformed ([MS-RPCE] 3.1.3.5.2).
        """
        try:
            takes, gives, function = self._table[opnum]
        except KeyError:
            raise RpcFault(Nca.OP_RNG_ERROR, f"{self.name} operation {opnum}") from None
        reader = NdrReader(stub)
        try:
            arguments = [read_parameter(kind, reader) for kind in takes]
        except DecodeError as error:
            raise RpcFault(Nca.BAD_STUB_DATA, str(error)) from error

        def run(call: Call) -> bytes:
            writer = NdrWriter()
            for kind, value in zip(gives, function(call, *arguments), strict=True):
                write_parameter(kind, writer, value)
            return bytes(writer.data)

        return run


def enumeration(levels: Mapping[int, NdrType]) -> Switched:
    """The InfoStruct parameter of an enumeration: an information level and, for each that exists, a
    pointer to a counted array of its structure ([MS-SRVS] 2.2.4.38)."""
    return Switched({level: Pointer(Counted(Array(kind))) for level, kind in levels.items()})


@dataclass(slots=True)
class Page:
    """What an enumeration returns."""

    entries: list[dict[str, Any]]
    total: int  #: entries from where this page begins, whether they fit or not
    resume: int | None  #: the resume handle; None where the client gave none
    status: int

    def results(self, level: int) -> tuple[tuple[int, list[dict[str, Any]]], int, int | None, int]:
        """InfoStruct, TotalEntries, ResumeHandle and the return value."""
        return (level, self.entries), self.total, self.resume, self.status


def page(
    kind: NdrType,
    records: Sequence[dict[str, Any]],
    preferred: int,
    resume: int | None,
    matches: Callable[[dict[str, Any]], bool] | None = None,
) -> Page:
    """As many of `records` as `preferred` bytes hold, from index `resume` ([MS-SRVS] 3.1.4.8).

    The resume handle is the index after the last record that was returned, among all records, not
    only those that match. ERROR_MORE_DATA when not all fitted, NERR_BufTooSmall when not even one
    did. Success sets the handle back to 0.
    """
    start = resume or 0
    found = [
        (index, record)
        for index, record in enumerate(records[start:], start)
        if matches is None or matches(record)
    ]
    fitting = len(found) if preferred == UNLIMITED else _fitting(kind, found, preferred)
    entries = [record for _, record in found[:fitting]]
    if fitting == len(found):
        return Page(entries, len(found), None if resume is None else 0, Win32.SUCCESS)
    if not entries:
        return Page([], len(found), resume, Win32.NERR_BUF_TOO_SMALL)
    following = found[fitting - 1][0] + 1
    return Page(entries, len(found), None if resume is None else following, Win32.MORE_DATA)


def _fitting(kind: NdrType, found: list[tuple[int, dict[str, Any]]], preferred: int) -> int:
    """How many of the first records take no more than `preferred` bytes, strings included."""
    writer = NdrWriter()
    for count, (_, record) in enumerate(found):
        write_parameter(kind, writer, record)
        if len(writer.data) > preferred:
            return count
    return len(found)


def failed(level: int, resume: int | None, status: int) -> tuple[Any, ...]:
    """The results of an enumeration that fails with `status`."""
    return (level, None), 0, resume, status
