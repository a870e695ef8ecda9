"""The workstation service, \\PIPE\\wkssvc: [MS-WKST]. Who this computer is, for who asks.

What tells about users is for administrators ([MS-WKST] notes 29 and 35). Level 502 describes the
redirector of a Windows client; there is none here, so it is answered as a level that is unknown.
"""

from __future__ import annotations

from typing import Any

from paraph.rpc.ndr import ENUM, U32, UNIQUE_STRING, NdrType, Pointer, Structure, Union
from paraph.rpc.service import (
    Call,
    Environment,
    Interface,
    Win32,
    enumeration,
    failed,
    page,
)

WKSSVC = Interface("wkssvc", "6bffd098-a112-3610-9833-46c3f87e345a", 1)

PLATFORM_NT = 500
"""[MS-WKST] 2.2.5.1."""
SETUP_WORKGROUP_NAME = 2
"""NetSetupWorkgroupName, [MS-WKST] 2.2.3.1."""

# The computer: [MS-WKST] 2.2.5.1 to 2.2.5.3. The fields lack their prefix wki*_.

_WKSTA_100 = {
    "platform_id": U32,
    "computername": UNIQUE_STRING,
    "langroup": UNIQUE_STRING,
    "ver_major": U32,
    "ver_minor": U32,
}
_WKSTA_101 = {**_WKSTA_100, "lanroot": UNIQUE_STRING}

WKSTA_LEVELS: dict[int, NdrType] = {
    100: Structure(**_WKSTA_100),
    101: Structure(**_WKSTA_101),
    102: Structure(**_WKSTA_101, logged_on_users=U32),
}
_WKSTA_INFO = Union({level: Pointer(kind) for level, kind in WKSTA_LEVELS.items()})


def _users(environment: Environment) -> list[str]:
    """The names of those who have a session, each once, in the order of their first."""
    return list(dict.fromkeys(session.user for session in environment.sessions()))


@WKSSVC.operation(0, takes=(UNIQUE_STRING, U32), gives=(_WKSTA_INFO, U32))
def wksta_get_info(call: Call, _: str | None, level: int) -> tuple[tuple[int, Any], int]:
    """NetrWkstaGetInfo, [MS-WKST] 3.2.4.1."""
    environment = call.environment
    if level not in WKSTA_LEVELS:
        return (level, None), Win32.INVALID_LEVEL
    if level == 102 and not environment.administrator:
        return (level, None), Win32.ACCESS_DENIED
    record = {
        "platform_id": PLATFORM_NT,
        "computername": environment.server_name,
        "langroup": environment.domain,
        "ver_major": environment.version_major,
        "ver_minor": environment.version_minor,
        "lanroot": None,
        "logged_on_users": len(_users(environment)),
    }
    return (level, record), Win32.SUCCESS


# Users: [MS-WKST] 2.2.5.9, 2.2.5.10. The fields lack their prefix wkui*_.

USER_LEVELS: dict[int, NdrType] = {
    0: Structure(username=UNIQUE_STRING),
    1: Structure(
        username=UNIQUE_STRING,
        logon_domain=UNIQUE_STRING,
        oth_domains=UNIQUE_STRING,
        logon_server=UNIQUE_STRING,
    ),
}
_USER_ENUM = enumeration(USER_LEVELS)


@WKSSVC.operation(
    2,
    takes=(UNIQUE_STRING, _USER_ENUM, U32, Pointer(U32)),
    gives=(_USER_ENUM, U32, Pointer(U32), U32),
)
def wksta_user_enum(
    call: Call, _: str | None, info: tuple[int, Any], preferred: int, resume: int | None
) -> tuple[Any, ...]:
    """NetrWkstaUserEnum, [MS-WKST] 3.2.4.3. Logged on are those who have a session."""
    level, environment = info[0], call.environment
    if not environment.administrator:
        return failed(level, resume, Win32.ACCESS_DENIED)
    if level not in USER_LEVELS:
        return failed(level, resume, Win32.INVALID_LEVEL)
    records = [
        {
            "username": user,
            "logon_domain": environment.domain,
            "oth_domains": "",
            "logon_server": environment.server_name,
        }
        for user in _users(environment)
    ]
    return page(USER_LEVELS[level], records, preferred, resume).results(level)


@WKSSVC.operation(20, takes=(UNIQUE_STRING, UNIQUE_STRING), gives=(UNIQUE_STRING, ENUM, U32))
def get_join_information(call: Call, _: str | None, name: str | None) -> tuple[str, int, int]:
    """NetrGetJoinInformation, [MS-WKST] 3.2.4.12. There is no domain SID here: a workgroup."""
    return call.environment.domain, SETUP_WORKGROUP_NAME, Win32.SUCCESS
