"""The SMB2 packet header, [MS-SMB2] 2.2.1, and the numbers that live in it."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from paraph.errors import DecodeError
from paraph.wire.record import HEADER_SIZE

PROTOCOL_ID = b"\xfeSMB"
NO_MESSAGE_ID = 0xFFFF_FFFF_FFFF_FFFF
"""MessageId of a break notification."""
NO_FILE_ID = 0xFFFF_FFFF_FFFF_FFFF
"""Each half of a FileId that means "the one of the previous request in this compound"."""

SIGNATURE_OFFSET = 48
FLAGS_OFFSET = 16
NEXT_COMMAND_OFFSET = 20


class Command:
    """The Command field, [MS-SMB2] 2.2.1.2."""

    NEGOTIATE = 0
    SESSION_SETUP = 1
    LOGOFF = 2
    TREE_CONNECT = 3
    TREE_DISCONNECT = 4
    CREATE = 5
    CLOSE = 6
    FLUSH = 7
    READ = 8
    WRITE = 9
    LOCK = 10
    IOCTL = 11
    CANCEL = 12
    ECHO = 13
    QUERY_DIRECTORY = 14
    CHANGE_NOTIFY = 15
    QUERY_INFO = 16
    SET_INFO = 17
    OPLOCK_BREAK = 18
    SERVER_TO_CLIENT_NOTIFICATION = 19


COMMAND_NAMES = tuple(
    name
    for name, _ in sorted(
        ((n, v) for n, v in vars(Command).items() if isinstance(v, int)), key=lambda item: item[1]
    )
)


class Flags:
    """The Flags field, [MS-SMB2] 2.2.1.2."""

    SERVER_TO_REDIR = 0x00000001
    ASYNC_COMMAND = 0x00000002
    RELATED_OPERATIONS = 0x00000004
    SIGNED = 0x00000008
    PRIORITY_MASK = 0x00000070
    DFS_OPERATIONS = 0x10000000
    REPLAY_OPERATION = 0x20000000


# ProtocolId, StructureSize, CreditCharge, Status, Command, Credit, Flags, NextCommand, MessageId,
# Reserved+TreeId (together the AsyncId), SessionId, Signature
_LAYOUT = Struct("<4sHHIHHIIQQQ16s")
_NO_SIGNATURE = bytes(16)


@dataclass(slots=True)
class Header:
    """One header, SYNC or ASYNC form ([MS-SMB2] 2.2.1.1, 2.2.1.2).

    `status` holds ChannelSequence in its low 16 bits in a request of 3.x. `async_or_tree` is the
    AsyncId when flags has ASYNC_COMMAND, else Reserved (low 32 bits) and TreeId (high 32).
    """

    credit_charge: int
    status: int
    command: int
    credits: int
    flags: int
    next_command: int
    message_id: int
    async_or_tree: int
    session_id: int
    signature: bytes = _NO_SIGNATURE

    @property
    def tree_id(self) -> int:
        return self.async_or_tree >> 32

    @classmethod
    def decode(cls, message: memoryview) -> Header:
        """Raises DecodeError if shorter than 64 bytes, or ProtocolId or StructureSize is wrong."""
        if len(message) < HEADER_SIZE:
            raise DecodeError(f"SMB2 header needs 64 bytes, message has {len(message)}")
        fields = _LAYOUT.unpack_from(message)
        if fields[0] != PROTOCOL_ID or fields[1] != HEADER_SIZE:
            raise DecodeError("not an SMB2 header")
        return cls(*fields[2:])

    def pack_into(self, buffer: bytearray | memoryview, offset: int = 0) -> None:
        """Write the 64 bytes at `offset`."""
        _LAYOUT.pack_into(
            buffer,
            offset,
            PROTOCOL_ID,
            HEADER_SIZE,
            self.credit_charge,
            self.status,
            self.command,
            self.credits,
            self.flags,
            self.next_command,
            self.message_id,
            self.async_or_tree,
            self.session_id,
            self.signature,
        )

    def encode(self) -> bytes:
        """The 64 bytes."""
        data = bytearray(HEADER_SIZE)
        self.pack_into(data)
        return bytes(data)
