"""One right request of each kind, for those who want to spoil it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paraph.wire.fsctl import Fsctl
from paraph.wire.smb2.change_notify import ChangeNotifyRequest
from paraph.wire.smb2.close import CloseFlags, CloseRequest
from paraph.wire.smb2.create import CreateContext, CreateDisposition, CreateOptions
from paraph.wire.smb2.create_contexts import ContextName
from paraph.wire.smb2.header import Command
from paraph.wire.smb2.info import QueryInfoRequest, SetInfoRequest
from paraph.wire.smb2.io import FlushRequest, ReadRequest, WriteRequest
from paraph.wire.smb2.ioctl import IoctlRequest, ValidateNegotiateInfoRequest
from paraph.wire.smb2.lock import LockElement, LockFlags, LockRequest
from paraph.wire.smb2.oplock import OplockBreakAcknowledgment
from paraph.wire.smb2.query_directory import QueryDirectoryRequest
from paraph.wire.smb2.session import SessionSetupRequest
from paraph.wire.smb2.simple import EchoRequest, LogoffRequest, TreeDisconnectRequest
from paraph.wire.smb2.tree import TreeConnectRequest
from tests.support.peer import FILE_ID, NO_ID, Logon, Peer, client_context, create_body
from tests.support.world import World


@dataclass
class Place:
    """Where requests can be made: a session, a tree connect, a file, a directory, a pipe."""

    world: World
    peer: Peer
    logon: Logon
    tree: int
    ipc: int
    file: FILE_ID
    directory: FILE_ID
    pipe: FILE_ID


def settle(world: World, **offer: Any) -> Place:
    """A new connection of `world` with all that a `Place` has."""
    peer = world.ready(**offer)
    logon = peer.logon()
    tree, ipc = peer.tree(logon), peer.tree(logon, "IPC$")
    peer.echo(logon, credits=512)
    return Place(
        world,
        peer,
        logon,
        tree,
        ipc,
        peer.create(logon, tree, "hello.txt"),
        peer.create(logon, tree, "folder", options=CreateOptions.DIRECTORY_FILE),
        peer.create(logon, ipc, "srvsvc"),
    )


@dataclass(frozen=True)
class Kind:
    """A request: its command, and its body for a place. `ipc`: it goes to IPC$."""

    name: str
    command: int
    body: Callable[[Place], bytes]
    ipc: bool = False

    def message(self, place: Place, **fields: int) -> bytearray:
        tree = place.ipc if self.ipc else place.tree
        return place.peer.message(self.command, self.body(place), place.logon, tree, **fields)


_CONTEXTS = (
    CreateContext(ContextName.QUERY_MAXIMAL_ACCESS),
    CreateContext(ContextName.QUERY_ON_DISK_ID),
    CreateContext(ContextName.DURABLE_HANDLE_REQUEST, bytes(16)),
    CreateContext(ContextName.LEASE, bytes(52)),
    CreateContext(ContextName.ALLOCATION_SIZE, (4096).to_bytes(8, "little")),
)


def _query(info_type: int, info_class: int) -> Callable[[Place], bytes]:
    return lambda p: QueryInfoRequest(
        info_type, info_class, 4096, 7 if info_type == 3 else 0, 0, *p.file
    ).encode()


def _set(info_class: int, data: bytes) -> Callable[[Place], bytes]:
    return lambda p: SetInfoRequest(1, info_class, 0, *p.file, buffer=data).encode()


def _ioctl(code: int, data: bytes, where: Callable[[Place], FILE_ID]) -> Callable[[Place], bytes]:
    return lambda p: IoctlRequest(
        code, *where(p), max_output_response=1024, input_buffer=data
    ).encode()


def _nothing(place: Place) -> FILE_ID:
    return NO_ID, NO_ID


_BIND = bytes.fromhex(
    "05000b03100000004800000001000000b810b8100000000001000000000001"
    "00c84f324b7016d30112785a47bf6ee18803000000045d888aeb1cc9119fe808002b10486002000000"
)
_VALIDATE = ValidateNegotiateInfoRequest(0x7F, bytes(16), 1, [0x0202, 0x0210]).encode()
_RENAME = bytes(16) + (8).to_bytes(4, "little") + "name".encode("utf-16-le")

KINDS = (
    Kind(
        "SESSION_SETUP",
        Command.SESSION_SETUP,
        lambda p: SessionSetupRequest(
            0, 1, 0, 0, client_context("alice", "x", "negotiate").step() or b""
        ).encode(),
    ),
    Kind(
        "TREE_CONNECT",
        Command.TREE_CONNECT,
        lambda p: TreeConnectRequest(0, r"\\server\data").encode(),
    ),
    Kind("CREATE", Command.CREATE, lambda p: create_body("new.txt", contexts=_CONTEXTS)),
    Kind(
        "CREATE directory",
        Command.CREATE,
        lambda p: create_body(
            "folder\\deep",
            disposition=CreateDisposition.OPEN_IF,
            options=CreateOptions.DIRECTORY_FILE,
        ),
    ),
    Kind("CREATE pipe", Command.CREATE, lambda p: create_body("srvsvc"), ipc=True),
    Kind("FLUSH", Command.FLUSH, lambda p: FlushRequest(*p.file).encode()),
    Kind("READ", Command.READ, lambda p: ReadRequest(80, 0, 64, 0, *p.file).encode()),
    Kind("WRITE", Command.WRITE, lambda p: WriteRequest(20, *p.file, data=b"more").encode()),
    Kind(
        "LOCK",
        Command.LOCK,
        lambda p: LockRequest(
            0,
            *p.file,
            locks=[
                LockElement(i * 10, 5, LockFlags.SHARED_LOCK | LockFlags.FAIL_IMMEDIATELY)
                for i in range(3)
            ],
        ).encode(),
    ),
    Kind("IOCTL dfs", Command.IOCTL, _ioctl(Fsctl.DFS_GET_REFERRALS, b"\x04\0\\\0\0\0", _nothing)),
    Kind("IOCTL pipe wait", Command.IOCTL, _ioctl(Fsctl.PIPE_WAIT, bytes(20), _nothing), ipc=True),
    Kind(
        "IOCTL transceive",
        Command.IOCTL,
        _ioctl(Fsctl.PIPE_TRANSCEIVE, _BIND, lambda p: p.pipe),
        ipc=True,
    ),
    Kind("IOCTL sparse", Command.IOCTL, _ioctl(Fsctl.SET_SPARSE, b"\1", lambda p: p.file)),
    Kind(
        "IOCTL validate", Command.IOCTL, _ioctl(Fsctl.VALIDATE_NEGOTIATE_INFO, _VALIDATE, _nothing)
    ),
    Kind("ECHO", Command.ECHO, lambda p: EchoRequest().encode()),
    Kind(
        "QUERY_DIRECTORY",
        Command.QUERY_DIRECTORY,
        lambda p: QueryDirectoryRequest(37, 0, 0, *p.directory, 4096, "*").encode(),
    ),
    Kind(
        "CHANGE_NOTIFY",
        Command.CHANGE_NOTIFY,
        lambda p: ChangeNotifyRequest(0, 4096, *p.directory, 0x17).encode(),
    ),
    *(
        Kind(
            f"QUERY_INFO {info_type}/{info_class}",
            Command.QUERY_INFO,
            _query(info_type, info_class),
        )
        for info_type, info_class in ((1, 18), (1, 34), (1, 22), (1, 15), (2, 3), (2, 5), (3, 0))
    ),
    Kind("SET_INFO basic", Command.SET_INFO, _set(4, bytes(40))),
    Kind("SET_INFO end of file", Command.SET_INFO, _set(20, (100).to_bytes(8, "little"))),
    Kind("SET_INFO rename", Command.SET_INFO, _set(10, _RENAME)),
    Kind(
        "OPLOCK_BREAK",
        Command.OPLOCK_BREAK,
        lambda p: OplockBreakAcknowledgment(0, *p.file).encode(),
    ),
    Kind(
        "CLOSE",
        Command.CLOSE,
        lambda p: CloseRequest(CloseFlags.POSTQUERY_ATTRIB, *p.file).encode(),
    ),
    Kind("TREE_DISCONNECT", Command.TREE_DISCONNECT, lambda p: TreeDisconnectRequest().encode()),
    Kind("LOGOFF", Command.LOGOFF, lambda p: LogoffRequest().encode()),
)
"""Those that end something come last."""
