"""TREE_CONNECT and TREE_DISCONNECT, [MS-SMB2] 3.3.5.7 and 3.3.5.8; Per Tree Connect 3.3.1.9."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paraph.errors import Disconnect, NTStatusError
from paraph.server.events import RequestRefused
from paraph.server.share import Share
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask
from paraph.wire.smb2.simple import TreeDisconnectRequest, TreeDisconnectResponse
from paraph.wire.smb2.tree import ShareFlags, ShareType, TreeConnectRequest, TreeConnectResponse

if TYPE_CHECKING:
    from paraph.server.request import Request
    from paraph.server.session import Session

IPC = "IPC$"

FULL_ACCESS = 0x001F01FF
READ_ACCESS = (
    AccessMask.FILE_READ_DATA
    | AccessMask.FILE_READ_EA
    | AccessMask.FILE_EXECUTE
    | AccessMask.FILE_READ_ATTRIBUTES
    | AccessMask.READ_CONTROL
    | AccessMask.SYNCHRONIZE
)


class TreeConnect:
    """A session's connection to a share; `share` is None for IPC$."""

    __slots__ = ("maximal_access", "opens", "session", "share", "tree_id")

    def __init__(self, session: Session, tree_id: int, share: Share | None) -> None:
        self.session = session
        self.tree_id = tree_id
        self.share = share
        self.opens = 0  #: TreeConnect.OpenCount
        read_only = share is not None and share.read_only
        self.maximal_access = READ_ACCESS if read_only else FULL_ACCESS

    @property
    def name(self) -> str:
        return IPC if self.share is None else self.share.name

    @property
    def encrypt_data(self) -> bool:
        return self.share is not None and self.share.encrypt

    def disk_share(self) -> Share:
        """The share. Raises INVALID_DEVICE_REQUEST on IPC$."""
        if self.share is None:
            raise NTStatusError(NTStatus.INVALID_DEVICE_REQUEST, "IPC$ holds no files")
        return self.share


def parse_share_path(path: str) -> str:
    r"""The share name of ``\\server\share``. Raises BAD_NETWORK_NAME / INVALID_PARAMETER.

    The server name is not checked: a client may use any alias or address that led it here.
    """
    if not path.startswith("\\\\"):
        raise NTStatusError(NTStatus.INVALID_PARAMETER, r"a share path begins with \\server")
    server, _, share = path[2:].partition("\\")
    share = share.rstrip("\\")
    if not server or not share or "\0" in path:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, "a share path names a server and a share")
    if "\\" in share or len(share) > 80:
        raise NTStatusError(NTStatus.BAD_NETWORK_NAME, "no share has such a name")
    return share


async def tree_connect(request: Request, message: TreeConnectRequest) -> bytes:
    """[MS-SMB2] 3.3.5.7."""
    connection, session = request.connection, request.session
    server = connection.server
    user = not (session.is_guest or session.is_anonymous)
    if connection.dialect.contexts and user and not (request.signed or request.sealed):
        raise Disconnect("a 3.1.1 TREE_CONNECT came neither signed nor encrypted")
    name = parse_share_path(message.path)
    share: Share | None = None
    if name.upper() != IPC:
        share = server.shares.get(name.upper())
        if share is None:
            server.emit(
                RequestRefused(
                    connection.client,
                    str(session.identity),
                    "TREE_CONNECT",
                    f"there is no share {name!r}",
                    NTStatus.BAD_NETWORK_NAME,
                )
            )
            raise NTStatusError(NTStatus.BAD_NETWORK_NAME, f"no share {name!r}")
        _check_entry(request, share)
    elif session.is_guest and not server.settings.allow_guest:
        raise NTStatusError(NTStatus.ACCESS_DENIED, "guests may not use IPC$")
    if len(session.trees) >= server.settings.limits.trees_per_session:
        raise NTStatusError(NTStatus.INSUFFICIENT_RESOURCES, "too many tree connects")
    tree = TreeConnect(session, server.next_id(session.trees, 32), share)
    session.trees[tree.tree_id] = tree
    request.tree = tree
    request.tree_id = tree.tree_id
    flags = ShareFlags.ENCRYPT_DATA if tree.encrypt_data and connection.dialect.encryption else 0
    return TreeConnectResponse(
        share_type=ShareType.PIPE if share is None else ShareType.DISK,
        share_flags=flags | ShareFlags.NO_CACHING if share is None else flags,
        capabilities=0,
        maximal_access=tree.maximal_access,
    ).encode()


def _check_entry(request: Request, share: Share) -> None:
    """Who may connect to `share`, and how."""
    connection, session = request.connection, request.session
    reason = ""
    if share.encrypt and not connection.can_encrypt:
        reason = f"share {share.name!r} requires encryption, which the client does not offer"
    elif session.is_anonymous:
        reason = "anonymous sessions may connect to IPC$ only"
    elif session.is_guest and not (share.allow_guest and share.users is None):
        reason = f"share {share.name!r} does not admit guests"
    elif share.users is not None and session.identity is not None:
        allowed = {user.casefold() for user in share.users}
        if session.identity.user.casefold() not in allowed:
            reason = f"share {share.name!r} does not admit this user"
    if reason:
        connection.server.emit(
            RequestRefused(
                connection.client,
                str(session.identity),
                "TREE_CONNECT",
                reason,
                NTStatus.ACCESS_DENIED,
            )
        )
        raise NTStatusError(NTStatus.ACCESS_DENIED, reason)


async def tree_disconnect(request: Request, message: TreeDisconnectRequest) -> bytes:
    """[MS-SMB2] 3.3.5.8: opens of the tree are closed."""
    request.connection.server.close_tree(request.tree)
    return TreeDisconnectResponse().encode()
