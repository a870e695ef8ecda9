"""The server service, \\PIPE\\srvsvc: [MS-SRVS]. What lists the shares of this server.

Operations that would change something are refused: this protocol administers nothing here. Lists
of sessions, connections and open files are for administrators ([MS-SRVS] notes 45, 47 and 53); the
shares are for everyone who may open the pipe, in all levels, since the paths that some levels have
are not those of this host (`ShareInfo.path`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from paraph.rpc.ndr import (
    BYTES,
    I32,
    STRING,
    U32,
    UNIQUE_STRING,
    Counted,
    NdrType,
    Pointer,
    Structure,
    Union,
)
from paraph.rpc.pdu import Nca
from paraph.rpc.service import (
    UNLIMITED,
    Call,
    ConnectionInfo,
    FileInfo,
    Interface,
    RpcFault,
    SessionInfo,
    ShareInfo,
    ShareType,
    Win32,
    enumeration,
    failed,
    page,
)

SRVSVC = Interface("srvsvc", "4b324fc8-1670-01d3-1278-5a47bf6ee188", 3)

PLATFORM_NT = 500
"""PLATFORM_ID_NT, [MS-SRVS] 2.2.2.6."""
SERVER_TYPE = 0x0000_9003
"""SV_TYPE_WORKSTATION, _SERVER, _NT and _SERVER_NT, [MS-SRVS] 2.2.2.7."""
_MAX_QUALIFIER = 1023
"""UTF-16 units of a name in a filter, [MS-SRVS] 3.1.4.1, 3.1.4.2, 3.1.4.5."""

# ServerName of most operations: a server ignores it ([MS-SRVS] 2.2.1.1).
_SERVER_NAME = UNIQUE_STRING
# PreferedMaximumLength and ResumeHandle, and what comes back after InfoStruct.
_PAGE = (U32, Pointer(U32))
_PAGE_RESULTS = (U32, Pointer(U32), U32)


def _u32(value: int) -> int:
    return min(max(value, 0), 0xFFFF_FFFF)


# Shares: [MS-SRVS] 2.2.4.22 to 2.2.4.31. The fields lack their prefix shi*_.

_SHARE_1 = {"netname": UNIQUE_STRING, "type": U32, "remark": UNIQUE_STRING}
_SHARE_2 = {
    **_SHARE_1,
    "permissions": U32,
    "max_uses": U32,
    "current_uses": U32,
    "path": UNIQUE_STRING,
    "passwd": UNIQUE_STRING,
}
_DESCRIPTOR = {"security_descriptor": Counted(BYTES)}

SHARE_LEVELS: dict[int, NdrType] = {
    0: Structure(netname=UNIQUE_STRING),
    1: Structure(**_SHARE_1),
    2: Structure(**_SHARE_2),
    501: Structure(**_SHARE_1, flags=U32),
    502: Structure(**_SHARE_2, **_DESCRIPTOR),
    503: Structure(**_SHARE_2, servername=UNIQUE_STRING, **_DESCRIPTOR),
}
_SHARE_INFO_LEVELS: dict[int, NdrType] = {**SHARE_LEVELS, 1005: Structure(flags=U32)}
_SHARE_SET_LEVELS: dict[int, NdrType] = {
    **_SHARE_INFO_LEVELS,
    1004: Structure(remark=UNIQUE_STRING),
    1006: Structure(max_uses=U32),
    1501: Structure(**_DESCRIPTOR),
}
_SHARE_ENUM = enumeration(SHARE_LEVELS)
_SHARE_INFO = Union({level: Pointer(kind) for level, kind in _SHARE_INFO_LEVELS.items()})
_SHARE_SET = Union({level: Pointer(kind) for level, kind in _SHARE_SET_LEVELS.items()})


def _share_record(share: ShareInfo) -> dict[str, Any]:
    is_disk = share.type & 0xFF == ShareType.DISKTREE
    return {
        "netname": share.name,
        "type": share.type & ~ShareType.CLUSTER,
        "remark": share.comment,
        "permissions": 0,
        "max_uses": _u32(share.max_uses),
        "current_uses": _u32(share.current_uses),
        "path": share.path or (f"C:\\{share.name}" if is_disk else ""),
        "passwd": None,
        "servername": "*",
        "security_descriptor": None,
        "flags": share.flags,
    }


@SRVSVC.operation(
    15, takes=(_SERVER_NAME, _SHARE_ENUM, *_PAGE), gives=(_SHARE_ENUM, *_PAGE_RESULTS)
)
def share_enum(
    call: Call, _: str | None, info: tuple[int, Any], preferred: int, resume: int | None
) -> tuple[Any, ...]:
    """NetrShareEnum, [MS-SRVS] 3.1.4.8."""
    level = info[0]
    if level not in SHARE_LEVELS:
        return failed(level, resume, Win32.INVALID_LEVEL)
    records = [_share_record(share) for share in call.environment.shares()]
    return page(SHARE_LEVELS[level], records, preferred, resume).results(level)


@SRVSVC.operation(
    36, takes=(_SERVER_NAME, _SHARE_ENUM, *_PAGE), gives=(_SHARE_ENUM, *_PAGE_RESULTS)
)
def share_enum_sticky(
    call: Call, name: str | None, info: tuple[int, Any], preferred: int, resume: int | None
) -> tuple[Any, ...]:
    """NetrShareEnumSticky, [MS-SRVS] 3.1.4.9: as NetrShareEnum without level 501. All shares count
    as sticky, because all come from the server's settings."""
    if info[0] == 501:
        return failed(501, resume, Win32.INVALID_LEVEL)
    return share_enum(call, name, info, preferred, resume)


@SRVSVC.operation(16, takes=(_SERVER_NAME, STRING, U32), gives=(_SHARE_INFO, U32))
def share_get_info(
    call: Call, _: str | None, net_name: str, level: int
) -> tuple[tuple[int, Any], int]:
    """NetrShareGetInfo, [MS-SRVS] 3.1.4.10."""
    if level not in _SHARE_INFO_LEVELS:
        return (level, None), Win32.INVALID_LEVEL
    if not net_name:
        return (level, None), Win32.INVALID_PARAMETER
    wanted = net_name.casefold()
    for share in call.environment.shares():
        if share.name.casefold() == wanted:
            return (level, _share_record(share)), Win32.SUCCESS
    return (level, None), Win32.NERR_NET_NAME_NOT_FOUND


# Sessions: [MS-SRVS] 2.2.4.11 to 2.2.4.15. The fields lack their prefix sesi*_.

_SESSION_1 = {
    "cname": UNIQUE_STRING,
    "username": UNIQUE_STRING,
    "num_opens": U32,
    "time": U32,
    "idle_time": U32,
    "user_flags": U32,
}
_SESSION_2 = {**_SESSION_1, "cltype_name": UNIQUE_STRING}

SESSION_LEVELS: dict[int, NdrType] = {
    0: Structure(cname=UNIQUE_STRING),
    1: Structure(**_SESSION_1),
    2: Structure(**_SESSION_2),
    10: Structure(cname=UNIQUE_STRING, username=UNIQUE_STRING, time=U32, idle_time=U32),
    502: Structure(**_SESSION_2, transport=UNIQUE_STRING),
}
_SESSION_ENUM = enumeration(SESSION_LEVELS)


def _session_record(session: SessionInfo) -> dict[str, Any]:
    return {
        "cname": f"\\\\{session.client}",
        "username": session.user,
        "num_opens": _u32(session.opens),
        "time": _u32(session.seconds),
        "idle_time": _u32(session.idle_seconds),
        "user_flags": session.flags,
        "cltype_name": session.client_type,
        "transport": session.transport,
    }


def _same(wanted: str, text: str) -> bool:
    return not wanted or wanted.casefold() == text.casefold()


@SRVSVC.operation(
    12,
    takes=(_SERVER_NAME, UNIQUE_STRING, UNIQUE_STRING, _SESSION_ENUM, *_PAGE),
    gives=(_SESSION_ENUM, *_PAGE_RESULTS),
)
def session_enum(
    call: Call,
    _: str | None,
    client: str | None,
    user: str | None,
    info: tuple[int, Any],
    preferred: int,
    resume: int | None,
) -> tuple[Any, ...]:
    """NetrSessionEnum, [MS-SRVS] 3.1.4.5."""
    level, client, user = info[0], client or "", user or ""
    if not call.environment.administrator:
        return failed(level, resume, Win32.ACCESS_DENIED)
    if level not in SESSION_LEVELS:
        return failed(level, resume, Win32.INVALID_LEVEL)
    if max(len(client), len(user)) > _MAX_QUALIFIER:
        return failed(level, resume, Win32.INVALID_PARAMETER)
    if client and not client.startswith("\\\\"):
        return failed(level, resume, Win32.NERR_INVALID_COMPUTER)
    records = [_session_record(session) for session in call.environment.sessions()]
    found = page(
        SESSION_LEVELS[level],
        records,
        preferred,
        resume,
        lambda record: _same(client, record["cname"]) and _same(user, record["username"]),
    )
    if found.total == 0 and (client or user) and not resume:
        missing = Win32.NERR_CLIENT_NAME_NOT_FOUND if client else Win32.NERR_USER_NOT_FOUND
        return failed(level, resume, missing)
    return found.results(level)


# Tree connects: [MS-SRVS] 2.2.4.1, 2.2.4.2. The fields lack their prefix coni*_.

CONNECTION_LEVELS: dict[int, NdrType] = {
    0: Structure(id=U32),
    1: Structure(
        id=U32,
        type=U32,
        num_opens=U32,
        num_users=U32,
        time=U32,
        username=UNIQUE_STRING,
        netname=UNIQUE_STRING,
    ),
}
_CONNECTION_ENUM = enumeration(CONNECTION_LEVELS)


def _connection_record(connection: ConnectionInfo, by_client: bool) -> dict[str, Any]:
    """`netname` is the one of share and client that was not asked for ([MS-SRVS] 2.2.4.2)."""
    return {
        "id": connection.id & 0xFFFF_FFFF,
        "type": connection.type & ~ShareType.CLUSTER,
        "num_opens": _u32(connection.opens),
        "num_users": _u32(connection.users),
        "time": _u32(connection.seconds),
        "username": connection.user,
        "netname": connection.share if by_client else connection.client,
        "asked": f"\\\\{connection.client}" if by_client else connection.share,
    }


@SRVSVC.operation(
    8,
    takes=(_SERVER_NAME, UNIQUE_STRING, _CONNECTION_ENUM, *_PAGE),
    gives=(_CONNECTION_ENUM, *_PAGE_RESULTS),
)
def connection_enum(
    call: Call,
    _: str | None,
    qualifier: str | None,
    info: tuple[int, Any],
    preferred: int,
    resume: int | None,
) -> tuple[Any, ...]:
    """NetrConnectionEnum, [MS-SRVS] 3.1.4.1."""
    level, wanted = info[0], qualifier or ""
    if not call.environment.administrator:
        return failed(level, resume, Win32.ACCESS_DENIED)
    if level not in CONNECTION_LEVELS:
        return failed(level, resume, Win32.INVALID_LEVEL)
    if not 0 < len(wanted) <= _MAX_QUALIFIER:
        return failed(level, resume, Win32.INVALID_PARAMETER)
    by_client = wanted.startswith("\\\\")
    records = [_connection_record(each, by_client) for each in call.environment.connections()]
    found = page(
        CONNECTION_LEVELS[level],
        records,
        preferred,
        resume,
        lambda record: _same(wanted, record["asked"]),
    )
    return found.results(level)


# Open files: [MS-SRVS] 2.2.4.6, 2.2.4.7. The fields lack their prefix fi*_.

FILE_LEVELS: dict[int, NdrType] = {
    2: Structure(id=U32),
    3: Structure(
        id=U32, permissions=U32, num_locks=U32, pathname=UNIQUE_STRING, username=UNIQUE_STRING
    ),
}
_FILE_ENUM = enumeration(FILE_LEVELS)


def _file_record(file: FileInfo) -> dict[str, Any]:
    return {
        "id": file.id & 0xFFFF_FFFF,
        "permissions": file.permissions,
        "num_locks": _u32(file.locks),
        "pathname": file.path,
        "username": file.user,
    }


def _below(base: str, path: str) -> bool:
    """Whether `base` is `path` or one of the directories above it; "" is above everything."""
    base, path = base.casefold().rstrip("\\"), path.casefold()
    return not base or path == base or path.startswith(base + "\\")


@SRVSVC.operation(
    9,
    takes=(_SERVER_NAME, UNIQUE_STRING, UNIQUE_STRING, _FILE_ENUM, *_PAGE),
    gives=(_FILE_ENUM, *_PAGE_RESULTS),
)
def file_enum(
    call: Call,
    _: str | None,
    base: str | None,
    user: str | None,
    info: tuple[int, Any],
    preferred: int,
    resume: int | None,
) -> tuple[Any, ...]:
    """NetrFileEnum, [MS-SRVS] 3.1.4.2."""
    level, base, user = info[0], base or "", user or ""
    if not call.environment.administrator:
        return failed(level, resume, Win32.ACCESS_DENIED)
    if level not in FILE_LEVELS:
        return failed(level, resume, Win32.INVALID_LEVEL)
    if max(len(base), len(user)) > _MAX_QUALIFIER:
        return failed(level, resume, Win32.INVALID_PARAMETER)
    found = page(
        FILE_LEVELS[level],
        [_file_record(file) for file in call.environment.files()],
        preferred,
        resume,
        lambda record: _below(base, record["pathname"]) and _same(user, record["username"]),
    )
    return found.results(level)


# The server: [MS-SRVS] 2.2.4.40 to 2.2.4.43. The fields lack their prefix sv*_.

_SERVER_101 = {
    "platform_id": U32,
    "name": UNIQUE_STRING,
    "version_major": U32,
    "version_minor": U32,
    "type": U32,
    "comment": UNIQUE_STRING,
}
_SERVER_102 = {
    **_SERVER_101,
    "users": U32,
    "disc": I32,
    "hidden": U32,
    "announce": U32,
    "anndelta": U32,
    "licenses": U32,
    "userpath": UNIQUE_STRING,
}
SERVER_LEVELS: dict[int, NdrType] = {
    100: Structure(platform_id=U32, name=UNIQUE_STRING),
    101: Structure(**_SERVER_101),
    102: Structure(**_SERVER_102),
    103: Structure(**_SERVER_102, capabilities=U32),
}
_SERVER_INFO = Union({level: Pointer(kind) for level, kind in SERVER_LEVELS.items()})


@SRVSVC.operation(21, takes=(UNIQUE_STRING, U32), gives=(_SERVER_INFO, U32))
def server_get_info(call: Call, server_name: str | None, level: int) -> tuple[tuple[int, Any], int]:
    """NetrServerGetInfo, [MS-SRVS] 3.1.4.17. A client that names the server is told that name."""
    if level not in SERVER_LEVELS:
        return (level, None), Win32.INVALID_LEVEL
    if server_name and len(server_name) > _MAX_QUALIFIER:
        return (level, None), Win32.INVALID_PARAMETER
    environment = call.environment
    record = {
        "platform_id": PLATFORM_NT,
        "name": (server_name or "").lstrip("\\") or environment.server_name,
        "version_major": environment.version_major,
        "version_minor": environment.version_minor,
        "type": SERVER_TYPE,
        "comment": environment.comment,
        "users": UNLIMITED,
        "disc": -1,  # SV_NODISC
        "hidden": 0,
        "announce": 240,  # seconds; nothing is announced, but 0 is not allowed
        "anndelta": 3000,
        "licenses": 0,
        "userpath": "c:\\",
        "capabilities": 0,
    }
    return (level, record), Win32.SUCCESS


# The clock: [MS-SRVS] 2.2.4.105. The fields lack their prefix tod_.

TIME_OF_DAY_INFO = Structure(
    elapsedt=U32,
    msecs=U32,
    hours=U32,
    mins=U32,
    secs=U32,
    hunds=U32,
    timezone=I32,
    tinterval=U32,
    day=U32,
    month=U32,
    year=U32,
    weekday=U32,
)


@SRVSVC.operation(28, takes=(_SERVER_NAME,), gives=(Pointer(TIME_OF_DAY_INFO), U32))
def remote_tod(call: Call, _: str | None) -> tuple[dict[str, int], int]:
    """NetrRemoteTOD, [MS-SRVS] 3.1.4.21. The date and hour are Greenwich's, as Windows tells."""
    seconds = call.environment.local_time()
    now = datetime.fromtimestamp(seconds, UTC)
    return {
        "elapsedt": seconds & 0xFFFF_FFFF,
        "msecs": seconds * 1000 & 0xFFFF_FFFF,
        "hours": now.hour,
        "mins": now.minute,
        "secs": now.second,
        "hunds": 0,
        "timezone": call.environment.timezone,
        "tinterval": 10_000,  # our clock gives whole seconds; the unit is 0.0001 s
        "day": now.day,
        "month": now.month,
        "year": now.year,
        "weekday": now.isoweekday() % 7,
    }, Win32.SUCCESS


# What administers a server is refused.


@SRVSVC.operation(
    14, takes=(_SERVER_NAME, U32, _SHARE_SET, Pointer(U32)), gives=(Pointer(U32), U32)
)
def share_add(
    call: Call, _: str | None, level: int, info: tuple[int, Any], parameter: int | None
) -> tuple[int | None, int]:
    """NetrShareAdd, [MS-SRVS] 3.1.4.7: ERROR_ACCESS_DENIED."""
    return parameter, Win32.ACCESS_DENIED


@SRVSVC.operation(
    17, takes=(_SERVER_NAME, STRING, U32, _SHARE_SET, Pointer(U32)), gives=(Pointer(U32), U32)
)
def share_set_info(
    call: Call, _: str | None, name: str, level: int, info: tuple[int, Any], parameter: int | None
) -> tuple[int | None, int]:
    """NetrShareSetInfo, [MS-SRVS] 3.1.4.11: ERROR_ACCESS_DENIED."""
    return parameter, Win32.ACCESS_DENIED


@SRVSVC.operation(11, takes=(_SERVER_NAME, U32), gives=(U32,))
@SRVSVC.operation(13, takes=(_SERVER_NAME, UNIQUE_STRING, UNIQUE_STRING), gives=(U32,))
@SRVSVC.operation(18, takes=(_SERVER_NAME, STRING, U32), gives=(U32,))
@SRVSVC.operation(19, takes=(_SERVER_NAME, STRING, U32), gives=(U32,))
def denied(call: Call, *parameters: Any) -> tuple[int]:
    """NetrFileClose, NetrSessionDel, NetrShareDel, NetrShareDelSticky, [MS-SRVS] 3.1.4.4, 3.1.4.6,
    3.1.4.12, 3.1.4.13: ERROR_ACCESS_DENIED."""
    return (Win32.ACCESS_DENIED,)


@SRVSVC.operation(22, takes=(), gives=())
def server_set_info(call: Call) -> tuple[()]:
    """NetrServerSetInfo, [MS-SRVS] 3.1.4.18: access denied, as a fault, which clients turn into the
    same error code, so that its fifty levels need not be read."""
    raise RpcFault(Nca.ACCESS_DENIED, "NetrServerSetInfo")
