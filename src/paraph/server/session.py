"""Sessions and channels: Per Session and Per Channel, [MS-SMB2] 3.3.1.8 and 3.3.1.14."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from paraph.auth.base import Acceptor, Identity, IdentityKind
from paraph.crypto.kdf import SessionKeys
from paraph.crypto.preauth import PreauthHash
from paraph.crypto.sealing import Sealer
from paraph.crypto.signing import Signer
from paraph.errors import NTStatusError
from paraph.wire.ntstatus import NTStatus

if TYPE_CHECKING:
    from paraph.server.connection import Connection
    from paraph.server.open import Open
    from paraph.server.tree import TreeConnect


class SessionState(Enum):
    """Session.State."""

    IN_PROGRESS = "InProgress"
    VALID = "Valid"
    EXPIRED = "Expired"


class Channel:
    """A connection that carries a session, and the key that signs there."""

    __slots__ = ("connection", "signer")

    def __init__(self, connection: Connection, signer: Signer | None) -> None:
        self.connection = connection
        self.signer = signer


class Session:
    """An authentication, and everything that was opened under it."""

    __slots__ = (
        "acceptor",
        "channels",
        "connection",
        "encrypt_data",
        "expires",
        "identity",
        "keys",
        "opens",
        "preauth",
        "sealer",
        "session_id",
        "session_key",
        "signing_required",
        "state",
        "trees",
    )

    def __init__(
        self, session_id: int, connection: Connection, preauth: PreauthHash | None
    ) -> None:
        self.session_id = session_id
        self.connection = connection
        self.state = SessionState.IN_PROGRESS
        self.acceptor: Acceptor | None = None  #: the exchange that is going on
        self.identity: Identity | None = None
        self.session_key = b""
        self.keys: SessionKeys | None = None
        self.signing_required = False
        self.encrypt_data = False
        self.expires = 0  #: FILETIME, 0 for never
        self.preauth = preauth  #: 3.1.1 only, until the keys are derived
        self.sealer: Sealer | None = None
        self.channels: dict[Connection, Channel] = {}
        self.trees: dict[int, TreeConnect] = {}
        self.opens: dict[int, Open] = {}

    @property
    def is_guest(self) -> bool:
        return self.identity is not None and self.identity.kind is IdentityKind.GUEST

    @property
    def is_anonymous(self) -> bool:
        return self.identity is not None and self.identity.kind is IdentityKind.ANONYMOUS

    def signer(self, connection: Connection) -> Signer | None:
        """Channel.SigningKey's object on `connection`; None when there is no key."""
        channel = self.channels.get(connection)
        return channel.signer if channel is not None else None

    def find_open(self, persistent: int, volatile: int) -> Open:
        """The open of a FileId. Raises FILE_CLOSED."""
        opened = self.opens.get(volatile)
        if opened is None or opened.durable_id != persistent:
            raise NTStatusError(NTStatus.FILE_CLOSED, "no such file id")
        return opened

    def __repr__(self) -> str:
        return f"<Session {self.session_id:#x} {self.identity} {self.state.value}>"
