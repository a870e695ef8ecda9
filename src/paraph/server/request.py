"""Per Request, [MS-SMB2] 3.3.1.13, and the chain of requests that came in one frame."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from paraph.core.message import Message
from paraph.server.waiting import Waiter
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.header import Flags

if TYPE_CHECKING:
    from paraph.crypto.signing import Signer
    from paraph.server.connection import Connection
    from paraph.server.open import Open
    from paraph.server.session import Session
    from paraph.server.tree import TreeConnect


class Chain:
    """The requests of one frame and the replies that are ready.

    For related requests it carries on what the one before used or made ([MS-SMB2] 3.3.5.2.7.2).
    """

    __slots__ = (
        "connection",
        "file_id",
        "file_status",
        "index",
        "members",
        "replies",
        "sealed_by",
        "session_id",
        "signers",
        "tree_id",
    )

    def __init__(
        self, connection: Connection, members: list[Message], sealed_by: Session | None
    ) -> None:
        self.connection = connection
        self.members = members
        self.index = 0  #: of the next member to start
        self.sealed_by = sealed_by  #: whose keys the frame was encrypted with
        self.replies: list[bytearray] = []
        self.signers: list[Signer | None] = []
        self.session_id = 0
        self.tree_id = 0
        self.file_id: tuple[int, int] | None = None
        self.file_status = NTStatus.SUCCESS  #: of the request that was to provide the FileId

    def detach(self) -> None:
        """Copy what is still to be processed out of the receive buffer."""
        for member in self.members[self.index :]:
            member.data = memoryview(bytearray(member.data))


class Request:
    """One request from its verification to its reply. Handlers begin with everything resolved.

    `session`, `tree` and `open` are what the command's row promises (`server.commands`); reading
    one that it does not promise is a bug and raises. `data` is valid until the handler first
    awaits.
    """

    __slots__ = (
        "_open",
        "_session",
        "_tree",
        "async_id",
        "chain",
        "charge",
        "connection",
        "data",
        "deadline",
        "file_id",
        "header",
        "on_reply",
        "session_id",
        "signed",
        "status",
        "task",
        "tree_id",
        "waiter",
    )

    def __init__(self, chain: Chain, message: Message) -> None:
        header = message.header
        self.chain = chain
        self.connection = chain.connection
        self.header = header
        self.data = message.data
        self.signed = False  #: came with a signature that was verified
        self.status = NTStatus.SUCCESS  #: a handler may set a warning or an informational status
        self.charge = header.credit_charge or 1
        self.session_id = header.session_id
        self.tree_id = 0 if header.flags & Flags.ASYNC_COMMAND else header.tree_id
        self.file_id: tuple[int, int] | None = None
        self.async_id = 0
        #: Sees the reply's message before it is signed (preauthentication integrity).
        self.on_reply: Callable[[memoryview], None] | None = None
        self.task: Coroutine[Any, Any, bytes | bytearray] | None = None
        self.waiter: Waiter | None = None
        self.deadline: float | None = None
        self._session: Session | None = None
        self._tree: TreeConnect | None = None
        self._open: Open | None = None

    @property
    def sealed(self) -> bool:
        """Request.IsEncrypted."""
        return self.chain.sealed_by is not None

    @property
    def related(self) -> bool:
        return bool(self.header.flags & Flags.RELATED_OPERATIONS)

    @property
    def session(self) -> Session:
        if self._session is None:
            raise RuntimeError("this command has no session")
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        self._session = session

    @property
    def has_session(self) -> bool:
        return self._session is not None

    @property
    def tree(self) -> TreeConnect:
        if self._tree is None:
            raise RuntimeError("this command has no tree connect")
        return self._tree

    @tree.setter
    def tree(self, tree: TreeConnect) -> None:
        self._tree = tree

    @property
    def open(self) -> Open:
        if self._open is None:
            raise RuntimeError("this command has no open")
        return self._open

    @open.setter
    def open(self, opened: Open) -> None:
        self._open = opened
        self.file_id = (opened.durable_id, opened.file_id)

    @property
    def has_open(self) -> bool:
        return self._open is not None
