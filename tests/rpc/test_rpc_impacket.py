"""impacket as an independent peer: its DCE/RPC client over an in-memory transport to `Pipe`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from impacket.dcerpc.v5 import srvs, wkst
from impacket.dcerpc.v5.dtypes import NULL
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.dcerpc.v5.transport import DCERPCTransport
from impacket.uuid import uuidtup_to_bin

from paraph.rpc.pipe import MAX_FRAGMENT_SENT, Pipe, open_pipe
from paraph.rpc.service import (
    ConnectionInfo,
    Environment,
    FileInfo,
    SessionInfo,
    ShareInfo,
    ShareType,
)

SHARES = (
    ShareInfo("IPC$", ShareType.IPC | ShareType.SPECIAL, "Remote IPC"),
    ShareInfo("资料", comment="公司文件"),
    ShareInfo("scratch", path="D:\\scratch", current_uses=3, max_uses=9, flags=0x30),
    ShareInfo("cluster", ShareType.DISKTREE | 0x02000000),
)
SESSIONS = (
    SessionInfo("10.0.0.1", "anna", 5, 100, 10, 0, "Windows", "tcp"),
    SessionInfo("10.0.0.2", "小明", 1, 50, 2, 1),
    SessionInfo("10.0.0.1", "anna"),
)
CONNECTIONS = (
    ConnectionInfo(1, "scratch", "10.0.0.1", "anna", opens=2, seconds=7),
    ConnectionInfo(2, "资料", "10.0.0.2", "小明"),
    ConnectionInfo(3, "scratch", "10.0.0.2", "小明"),
)
FILES = (
    FileInfo(7, "C:\\scratch\\a.txt", "anna", 3, 1),
    FileInfo(8, "C:\\scratch2\\b", "小明", 1),
    FileInfo(9, "C:\\scratch\\sub\\c", "小明", 1),
)


def environment(shares: Sequence[ShareInfo] = SHARES, administrator: bool = True) -> Environment:
    return Environment(
        server_name="PARAPH",
        domain="工作组",
        comment="files and more",
        shares=lambda: shares,
        local_time=lambda: 1_700_000_000,
        user="anna",
        administrator=administrator,
        timezone=-60,
        sessions=lambda: SESSIONS,
        connections=lambda: CONNECTIONS,
        files=lambda: FILES,
    )


class PipeTransport(DCERPCTransport):  # type: ignore[misc]
    """What impacket talks through; reads in pieces of `piece` bytes."""

    def __init__(self, pipe: Pipe, piece: int = 1024) -> None:
        super().__init__("paraph", 445)
        self.pipe = pipe
        self.piece = piece
        self.messages: list[int] = []

    def connect(self) -> int:
        return 1

    def disconnect(self) -> None:
        pass

    def doesSupportNTLMv2(self) -> bool:
        return True

    def send(self, data: bytes, forceWriteAndx: int = 0, forceRecv: int = 0) -> None:
        step = self._max_send_frag or len(data)
        for start in range(0, len(data), step):
            self.pipe.write(data[start : start + step])

    def recv(self, forceRecv: int = 0, count: int = 0) -> bytes:
        message = b""
        more = True
        while more:
            part, more = self.pipe.read(self.piece)
            assert part, "no answer"
            message += part
        self.messages.append(len(message))
        return message


def connected(name: str, interface: Any, environment: Environment) -> Any:
    dce = PipeTransport(open_pipe(name, environment)).get_dce_rpc()
    dce.connect()
    dce.bind(interface)
    return dce


def srvsvc(environment: Environment) -> Any:
    return connected("SrvSvc", srvs.MSRPC_UUID_SRVS, environment)


def wkssvc(environment: Environment) -> Any:
    return connected("wkssvc", wkst.MSRPC_UUID_WKST, environment)


def text(value: str) -> str:
    return value + "\0"


def enumerated(response: Any, union: str, level: int) -> Any:
    return response["InfoStruct"][union][f"Level{level}"]["Buffer"]


@pytest.mark.parametrize("count", [0, 1, 500])
@pytest.mark.parametrize("level", [0, 1, 2, 501, 502, 503])
def test_share_enum(level: int, count: int) -> None:
    shares = [ShareInfo(f"共享{n}", comment="说明" * 9) for n in range(count)]
    dce = srvsvc(environment(shares))
    response = srvs.hNetrShareEnum(dce, level)
    assert response["TotalEntries"] == count
    entries = enumerated(response, "ShareInfo", level) or []
    assert [entry[f"shi{level}_netname"] for entry in entries] == [
        text(f"共享{n}") for n in range(count)
    ]
    if level:
        assert {entry[f"shi{level}_remark"] for entry in entries} <= {text("说明" * 9)}
    sizes = dce.get_rpc_transport().messages[1:]
    assert max(sizes) <= MAX_FRAGMENT_SENT
    assert (len(sizes) > 1) == (count == 500)


def test_share_enum_values() -> None:
    dce = srvsvc(environment())
    response = srvs.hNetrShareEnum(dce, 502, serverName="\\\\10.0.0.9")
    rows = [
        tuple(
            entry[f"shi502_{name}"]
            for name in ("netname", "type", "remark", "max_uses", "current_uses", "path")
        )
        for entry in enumerated(response, "ShareInfo", 502)
    ]
    unlimited = 0xFFFFFFFF
    assert rows == [
        (text("IPC$"), 0x80000003, text("Remote IPC"), unlimited, 0, "\0"),
        (text("资料"), 0, text("公司文件"), unlimited, 0, text("C:\\资料")),
        (text("scratch"), 0, "\0", 9, 3, text("D:\\scratch")),
        (text("cluster"), 0, "\0", unlimited, 0, text("C:\\cluster")),
    ]
    servers = enumerated(srvs.hNetrShareEnum(dce, 503), "ShareInfo", 503)
    assert {entry["shi503_servername"] for entry in servers} == {text("*")}


def test_share_enum_in_pages() -> None:
    shares = [ShareInfo(f"share{n:03}") for n in range(100)]
    dce = srvsvc(environment(shares))
    names: list[str] = []
    resume = 0
    pages = 0
    while True:
        try:
            response = srvs.hNetrShareEnum(dce, 1, resume, preferedMaximumLength=1000)
        except srvs.DCERPCSessionError as error:
            response = error.get_packet()
        assert response["ErrorCode"] in (0, 234)
        assert response["TotalEntries"] == 100 - len(names)
        names += [entry["shi1_netname"] for entry in enumerated(response, "ShareInfo", 1)]
        pages += 1
        if not response["ErrorCode"]:
            break
        resume = response["ResumeHandle"]
    assert names == [text(share.name) for share in shares]
    assert pages > 5
    assert response["ResumeHandle"] == 0
    # past the end there is nothing, and that is no error
    response = srvs.hNetrShareEnum(dce, 1, 100)
    assert (response["TotalEntries"], response["ErrorCode"]) == (0, 0)
    with pytest.raises(srvs.DCERPCSessionError) as raised:
        srvs.hNetrShareEnum(dce, 1, preferedMaximumLength=10)
    assert raised.value.get_error_code() == 2123


def test_share_enum_sticky() -> None:
    dce = srvsvc(environment())
    response = srvs.hNetrShareEnumSticky(dce, 2)
    assert len(enumerated(response, "ShareInfo", 2)) == len(SHARES)
    with pytest.raises(srvs.DCERPCSessionError) as raised:
        srvs.hNetrShareEnumSticky(dce, 501)
    assert raised.value.get_error_code() == 124


@pytest.mark.parametrize("level", [0, 1, 2, 501, 502, 503, 1005])
def test_share_get_info(level: int) -> None:
    dce = srvsvc(environment())
    info = srvs.hNetrShareGetInfo(dce, text("SCRATCH"), level)["InfoStruct"][f"ShareInfo{level}"]
    if level == 1005:
        assert info["shi1005_flags"] == 0x30
        return
    assert info[f"shi{level}_netname"] == text("scratch")
    if level in (2, 502, 503):
        assert info[f"shi{level}_path"] == text("D:\\scratch")
        assert info[f"shi{level}_passwd"] == b""  # impacket's null pointer
    if level == 501:
        assert info["shi501_flags"] == 0x30


@pytest.mark.parametrize(("name", "error"), [("nothing", 2310), ("", 87)])
def test_share_get_info_errors(name: str, error: int) -> None:
    dce = srvsvc(environment())
    with pytest.raises(srvs.DCERPCSessionError) as raised:
        srvs.hNetrShareGetInfo(dce, text(name), 1)
    assert raised.value.get_error_code() == error


@pytest.mark.parametrize("level", [100, 101, 102, 103])
def test_server_get_info(level: int) -> None:
    dce = srvsvc(environment())
    info = srvs.hNetrServerGetInfo(dce, level)["InfoStruct"][f"ServerInfo{level}"]
    assert info[f"sv{level}_platform_id"] == 500
    assert info[f"sv{level}_name"] == text("PARAPH")
    if level > 100:
        assert info[f"sv{level}_version_major"] == 10
        assert info[f"sv{level}_version_minor"] == 0
        assert info[f"sv{level}_type"] == 0x9003
        assert info[f"sv{level}_comment"] == text("files and more")
    if level > 101:
        assert info[f"sv{level}_disc"] & 0xFFFFFFFF == 0xFFFFFFFF  # SV_NODISC
        assert info[f"sv{level}_userpath"] == text("c:\\")


@pytest.mark.parametrize(
    ("given", "name"), [("\\\\nas.example", "nas.example"), ("nas", "nas"), ("", "PARAPH")]
)
def test_server_get_info_tells_the_name_that_was_used(given: str, name: str) -> None:
    request = srvs.NetrServerGetInfo()
    request["ServerName"] = text(given)
    request["Level"] = 100
    response = srvsvc(environment()).request(request)
    assert response["InfoStruct"]["ServerInfo100"]["sv100_name"] == text(name)


@pytest.mark.parametrize("level", [0, 1, 2, 10, 502])
def test_session_enum(level: int) -> None:
    dce = srvsvc(environment())
    response = srvs.hNetrSessionEnum(dce, NULL, NULL, level)
    entries = enumerated(response, "SessionInfo", level)
    assert [entry[f"sesi{level}_cname"] for entry in entries] == [
        text("\\\\10.0.0.1"),
        text("\\\\10.0.0.2"),
        text("\\\\10.0.0.1"),
    ]
    if level:
        assert entries[1][f"sesi{level}_username"] == text("小明")
        assert entries[0][f"sesi{level}_time"] == 100
        assert entries[0][f"sesi{level}_idle_time"] == 10


@pytest.mark.parametrize(
    ("client", "user", "found"),
    [("\\\\10.0.0.1", NULL, 2), ("\\\\10.0.0.2", "小明\0", 1), ("\0", "ANNA\0", 2)],
)
def test_session_enum_qualified(client: str, user: Any, found: int) -> None:
    response = srvs.hNetrSessionEnum(srvsvc(environment()), text(client), user, 10)
    assert response["TotalEntries"] == found
    assert len(enumerated(response, "SessionInfo", 10)) == found


@pytest.mark.parametrize(
    ("client", "user", "error"),
    [
        ("\\\\10.9.9.9\0", NULL, 2312),
        (NULL, "nobody\0", 2221),
        ("10.0.0.1\0", NULL, 2351),
        ("\\\\" + "x" * 1022 + "\0", NULL, 87),
        (NULL, "x" * 1024 + "\0", 87),
    ],
)
def test_session_enum_errors(client: Any, user: Any, error: int) -> None:
    with pytest.raises(srvs.DCERPCSessionError) as raised:
        srvs.hNetrSessionEnum(srvsvc(environment()), client, user, 10)
    assert raised.value.get_error_code() == error


def test_connection_enum() -> None:
    dce = srvsvc(environment())
    by_share = enumerated(srvs.hNetrConnectionEnum(dce, "Scratch\0", 1), "ConnectInfo", 1)
    assert [(row["coni1_id"], row["coni1_netname"]) for row in by_share] == [
        (1, text("10.0.0.1")),
        (3, text("10.0.0.2")),
    ]
    by_client = enumerated(srvs.hNetrConnectionEnum(dce, "\\\\10.0.0.2\0", 1), "ConnectInfo", 1)
    assert [(row["coni1_id"], row["coni1_netname"]) for row in by_client] == [
        (2, text("资料")),
        (3, text("scratch")),
    ]
    identifiers = enumerated(srvs.hNetrConnectionEnum(dce, "资料\0", 0), "ConnectInfo", 0)
    assert [row["coni0_id"] for row in identifiers] == [2]
    for qualifier in (NULL, "\0", "x" * 1024 + "\0"):
        with pytest.raises(srvs.DCERPCSessionError) as raised:
            srvs.hNetrConnectionEnum(dce, qualifier, 1)
        assert raised.value.get_error_code() == 87


@pytest.mark.parametrize(
    ("base", "user", "found"),
    [
        (NULL, NULL, [7, 8, 9]),
        ("c:\\scratch\0", NULL, [7, 9]),
        ("C:\\scratch\\\0", "小明\0", [9]),
        (NULL, "anna\0", [7]),
        ("D:\0", NULL, []),
    ],
)
def test_file_enum(base: Any, user: Any, found: list[int]) -> None:
    dce = srvsvc(environment())
    for level in (2, 3):
        response = srvs.hNetrFileEnum(dce, base, user, level)
        rows = enumerated(response, "FileInfo", level) or []
        assert [row[f"fi{level}_id"] for row in rows] == found
    if found == [7]:
        assert rows[0]["fi3_path_name"] == text("C:\\scratch\\a.txt")
        assert (rows[0]["fi3_permissions"], rows[0]["fi3_num_locks"]) == (3, 1)


def test_what_tells_about_others_is_for_administrators() -> None:
    dce = srvsvc(environment(administrator=False))
    wks = wkssvc(environment(administrator=False))
    calls: list[Callable[[], Any]] = [
        lambda: srvs.hNetrSessionEnum(dce, NULL, NULL, 10),
        lambda: srvs.hNetrConnectionEnum(dce, "scratch\0", 1),
        lambda: srvs.hNetrFileEnum(dce, NULL, NULL, 3),
        lambda: wkst.hNetrWkstaUserEnum(wks, 1),
        lambda: wkst.hNetrWkstaGetInfo(wks, 102),
    ]
    for call in calls:
        with pytest.raises(DCERPCException) as raised:
            call()
        assert raised.value.get_error_code() == 5
    assert len(enumerated(srvs.hNetrShareEnum(dce, 2), "ShareInfo", 2)) == len(SHARES)


def test_what_administers_is_denied() -> None:
    dce = srvsvc(environment())
    share = srvs.SHARE_INFO_2()
    share["shi2_netname"] = "new\0"
    share["shi2_remark"] = share["shi2_passwd"] = "\0"
    share["shi2_path"] = "C:\\new\0"
    share["shi2_max_uses"] = 0xFFFFFFFF
    flags = srvs.SHARE_INFO_1005()
    flags["shi1005_flags"] = 1
    change = srvs.NetrServerSetInfo()
    change["ServerName"] = NULL
    change["Level"] = change["InfoStruct"]["tag"] = 1017
    change["InfoStruct"]["ServerInfo1017"]["sv1017_announce"] = 9
    calls: list[Callable[[], Any]] = [
        lambda: srvs.hNetrShareAdd(dce, 2, share),
        lambda: srvs.hNetrShareSetInfo(dce, "scratch\0", 1005, flags),
        lambda: srvs.hNetrShareDel(dce, "scratch\0"),
        lambda: srvs.hNetrShareDelSticky(dce, "scratch\0"),
        lambda: srvs.hNetrSessionDel(dce, "\\\\10.0.0.1\0", NULL),
        lambda: srvs.hNetrFileClose(dce, 7),
    ]
    for call in calls:
        with pytest.raises(DCERPCException) as raised:
            call()
        assert raised.value.get_error_code() == 5
    with pytest.raises(DCERPCException, match="rpc_s_access_denied"):  # by a fault
        dce.request(change)


def test_remote_time_of_day() -> None:
    tod = srvs.hNetrRemoteTOD(srvsvc(environment()))["BufferPtr"]
    # 1 700 000 000 is Tuesday, 14 November 2023, 22:13:20 UTC
    assert tod["tod_elapsedt"] == 1_700_000_000
    assert (tod["tod_year"], tod["tod_month"], tod["tod_day"]) == (2023, 11, 14)
    assert (tod["tod_hours"], tod["tod_mins"], tod["tod_secs"]) == (22, 13, 20)
    assert (tod["tod_weekday"], tod["tod_timezone"] - (1 << 32)) == (2, -60)


@pytest.mark.parametrize("level", [100, 101, 102])
def test_wksta_get_info(level: int) -> None:
    response = wkst.hNetrWkstaGetInfo(wkssvc(environment()), level)
    info = response["WkstaInfo"][f"WkstaInfo{level}"]
    assert info[f"wki{level}_platform_id"] == 500
    assert info[f"wki{level}_computername"] == text("PARAPH")
    assert info[f"wki{level}_langroup"] == text("工作组")
    assert (info[f"wki{level}_ver_major"], info[f"wki{level}_ver_minor"]) == (10, 0)
    if level == 102:
        assert info["wki102_logged_on_users"] == 2


def test_wksta_user_enum() -> None:
    dce = wkssvc(environment())
    response = wkst.hNetrWkstaUserEnum(dce, 1)
    users = response["UserInfo"]["WkstaUserInfo"]["Level1"]["Buffer"]
    assert [(user["wkui1_username"], user["wkui1_logon_domain"]) for user in users] == [
        (text("anna"), text("工作组")),
        (text("小明"), text("工作组")),
    ]
    assert (
        len(wkst.hNetrWkstaUserEnum(dce, 0)["UserInfo"]["WkstaUserInfo"]["Level0"]["Buffer"]) == 2
    )


def test_join_information() -> None:
    response = wkst.hNetrGetJoinInformation(wkssvc(environment()), "\0")
    assert (response["NameBuffer"], response["BufferType"]) == (text("工作组"), 2)


def test_request_in_fragments() -> None:
    """Fragments of eight bytes of stub data, and writes of ten bytes whatever the PDUs are."""
    dce = srvsvc(environment())
    transport = dce.get_rpc_transport()
    dce.set_max_fragment_size(8)
    assert len(enumerated(srvs.hNetrShareEnum(dce, 1), "ShareInfo", 1)) == len(SHARES)
    transport.set_max_fragment_size(10)
    response = srvs.hNetrShareGetInfo(dce, text("资料"), 1)
    assert response["InfoStruct"]["ShareInfo1"]["shi1_remark"] == text("公司文件")


def test_faults() -> None:
    dce = srvsvc(environment())
    with pytest.raises(DCERPCException, match="nca_s_op_rng_error"):
        srvs.hNetrServerDiskEnum(dce, 0)
    # the pipe goes on
    assert srvs.hNetrShareEnum(dce, 1)["TotalEntries"] == len(SHARES)


def test_bind_refusals() -> None:
    dce = PipeTransport(open_pipe("srvsvc", environment())).get_dce_rpc()
    with pytest.raises(DCERPCException, match="abstract_syntax_not_supported"):
        dce.bind(wkst.MSRPC_UUID_WKST)
    dce = PipeTransport(open_pipe("srvsvc", environment())).get_dce_rpc()
    with pytest.raises(DCERPCException, match="proposed_transfer_syntaxes_not_supported"):
        dce.bind(
            srvs.MSRPC_UUID_SRVS,
            transfer_syntax=("71710533-beba-4937-8319-b5dbef9ccc36", "1.0"),
        )
    dce = PipeTransport(open_pipe("srvsvc", environment())).get_dce_rpc()
    dce.set_credentials("anna", "secret", "")
    with pytest.raises(DCERPCException, match="Authentication type not recognized"):
        dce.bind(srvs.MSRPC_UUID_SRVS)


def test_bogus_contexts_and_alter_context() -> None:
    dce = PipeTransport(open_pipe("srvsvc", environment())).get_dce_rpc()
    dce.bind(srvs.MSRPC_UUID_SRVS, bogus_binds=3)
    assert srvs.hNetrShareEnum(dce, 1)["TotalEntries"] == len(SHARES)
    altered = dce.alter_ctx(srvs.MSRPC_UUID_SRVS)
    assert srvs.hNetrShareEnum(altered, 1)["TotalEntries"] == len(SHARES)
    with pytest.raises(DCERPCException, match="abstract_syntax_not_supported"):
        dce.alter_ctx(uuidtup_to_bin(("12345778-1234-abcd-ef00-0123456789ac", "1.0")))
