"""What a connected client holds: its session, its tree connects, its opens ([MS-SMB2] 3.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paraph.client.names import wire_name
from paraph.core.dialect import CIPHER_NAMES, SIGNING_NAMES
from paraph.crypto.kdf import SessionKeys
from paraph.crypto.sealing import Sealer
from paraph.crypto.signing import Signer
from paraph.policy.outcome import IdentityName, Outcome
from paraph.wire.smb2.tree import ShareType

if TYPE_CHECKING:
    from paraph.client.connection import Connection

FileId = tuple[int, int]


@dataclass(slots=True)
class Session:
    """Session of [MS-SMB2] 3.2.1.3. `signer` and `sealer` are None for guest and anonymous."""

    session_id: int
    identity: IdentityName
    account: str  #: whom we logged on as
    outcome: Outcome  #: what the policy made of it
    keys: SessionKeys | None = None
    signer: Signer | None = None
    sealer: Sealer | None = None
    signing_required: bool = False
    encrypt_data: bool = False


@dataclass(slots=True)
class Tree:
    """TreeConnect of [MS-SMB2] 3.2.1.4: a share, and the folder in it that paths begin at."""

    connection: Connection
    tree_id: int
    name: str
    share_type: int = ShareType.DISK
    sign: bool = False  #: sign whatever the session demands
    encrypt_data: bool = False
    maximal_access: int = 0
    root: str = ""  #: as on the wire

    def wire(self, path: object) -> str:
        """The name that a CREATE takes for `path`. Raises ValueError."""
        name = wire_name(path)
        if self.root and name:
            return f"{self.root}\\{name}"
        return self.root or name


@dataclass(slots=True)
class Handle:
    """Open of [MS-SMB2] 3.2.1.6."""

    tree: Tree
    file_id: FileId
    path: str  #: as the caller wrote it, for messages
    end_of_file: int = 0  #: when it was opened
    attributes: int = 0
    closed: bool = False

    def discard(self) -> None:
        """Send CLOSE without waiting for the answer; for what was cancelled or has failed."""
        if not self.closed:
            self.closed = True
            self.tree.connection.post_close(self.tree, self.file_id)


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What was agreed with the server, and why."""

    server: str
    share: str
    dialect: str  #: such as "3.1.1"
    user: str  #: whom we logged on as; "" for anonymous
    identity: IdentityName  #: whom the server took us for
    signed: bool  #: every ordinary request and answer carries a signature
    signing_algorithm: str  #: what signs when something is signed; "" without a key
    encrypted: bool  #: everything on this share is encrypted
    cipher: str  #: what encrypts when something is encrypted; "" if nothing can be
    why: str  #: why it is signed or not, in full sentences
    section: str  #: where that rule is written
    server_requires_signing: bool
    max_read: int
    max_write: int
    max_transact: int
    server_guid: bytes


def describe(tree: Tree) -> ConnectionInfo:
    """The facts about a tree connect."""
    connection, session = tree.connection, tree.connection.session
    assert session is not None
    encrypted = session.encrypt_data or tree.encrypt_data
    why = session.outcome.why
    if tree.sign and session.signer is not None and not session.signing_required and not encrypted:
        why += f" But {tree.name} is always signed, as a hardened share or a place of named pipes."
    elif tree.encrypt_data and not session.encrypt_data:
        why += " But this share is encrypted, which proves the integrity of each message too."
    return ConnectionInfo(
        server=connection.server,
        share=tree.name,
        dialect=connection.dialect.name,
        user=session.account,
        identity=session.identity,
        signed=session.signer is not None
        and not encrypted
        and (session.signing_required or tree.sign),
        signing_algorithm=SIGNING_NAMES[connection.signing_algorithm_id] if session.signer else "",
        encrypted=encrypted,
        cipher=CIPHER_NAMES[connection.cipher_id] if connection.cipher_id else "",
        why=why,
        section=session.outcome.section,
        server_requires_signing=connection.server_requires_signing,
        max_read=connection.max_read_size,
        max_write=connection.max_write_size,
        max_transact=connection.max_transact_size,
        server_guid=connection.server_guid,
    )
