"""A client that is logged on and connected to a share, for the tests of what happens to files: a
call sends one request and gives the status and the decoded answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from paraph.policy.settings import Policy
from paraph.server.share import Share
from paraph.storage.base import Backend
from paraph.storage.memory import MemoryBackend
from paraph.wire.ntstatus import NTStatus, name
from paraph.wire.smb2.close import CloseFlags, CloseRequest, CloseResponse
from paraph.wire.smb2.create import (
    AccessMask,
    CreateContext,
    CreateDisposition,
    CreateRequest,
    CreateResponse,
    ImpersonationLevel,
    ShareAccess,
)
from paraph.wire.smb2.header import Command, Flags, Header
from paraph.wire.smb2.io import (
    FlushRequest,
    ReadRequest,
    ReadResponse,
    WriteRequest,
    WriteResponse,
)
from paraph.wire.smb2.ioctl import IoctlFlags, IoctlRequest, IoctlResponse
from paraph.wire.smb2.lock import LockElement, LockFlags, LockRequest
from paraph.wire.smb2.simple import CancelRequest
from tests.support.link import NoReply
from tests.support.peer import USER, Logon, Peer, Reply
from tests.support.world import PASSWORD, World

FileId = tuple[int, int]

ALL = ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE
READ = AccessMask.FILE_READ_DATA
WRITE = AccessMask.FILE_WRITE_DATA
APPEND = AccessMask.FILE_APPEND_DATA
DELETE = AccessMask.DELETE
READ_WRITE = READ | WRITE | APPEND | AccessMask.FILE_READ_ATTRIBUTES
UNPROTECTED = Policy(server_always=False, server_if_client_agrees=False)

SHARED = LockFlags.SHARED_LOCK
EXCLUSIVE = LockFlags.EXCLUSIVE_LOCK
NOW = LockFlags.FAIL_IMMEDIATELY
UNLOCK = LockFlags.UNLOCK


@contextmanager
def refused(status: int) -> Iterator[None]:
    """`with refused(NTStatus.ACCESS_DENIED):`"""
    with pytest.raises(Refused) as caught:
        yield
    assert name(caught.value.status) == name(status)


class Refused(Exception):
    """The server answered with an error or a warning."""

    def __init__(self, status: int) -> None:
        super().__init__(name(status))
        self.status = status


@dataclass
class Opened:
    """What a successful CREATE gave."""

    id: FileId
    response: CreateResponse

    def context(self, wanted: bytes) -> bytes | None:
        """The data of the response's context of this name."""
        for context in self.response.create_contexts:
            if context.name == wanted:
                return bytes(context.data)
        return None


def make_world(
    files: dict[str, bytes] | None = None, backend: Backend | None = None, **fields: Any
) -> World:
    """A server whose sessions need no signatures; the shares "data" and, read-only, "fixed" lead to
    the same files."""
    store = backend if backend is not None else MemoryBackend(files)
    shares = [Share("data", store), Share("fixed", store, read_only=True)]
    fields.setdefault("policy", UNPROTECTED)
    fields.setdefault("shares", shares)
    world = World(**fields)
    if isinstance(store, MemoryBackend):
        world.backend = store
    return world


class Client:
    """One session with one tree connect. `world.peer` makes its connection."""

    def __init__(
        self,
        world: World,
        share: str = "data",
        *,
        user: str = USER,
        password: str = PASSWORD,
        dialect: int = 0x0302,
    ) -> None:
        self.world = world
        self.peer: Peer = world.ready(dialects=[dialect])
        self.logon: Logon = self.peer.logon(user, password)
        self.tree: int = self.peer.tree(self.logon, share)

    def connect(self, share: str) -> int:
        """Another tree connect of this session; the one in use from now on."""
        self.tree = self.peer.tree(self.logon, share)
        return self.tree

    def _call(self, command: int, body: bytes, size: int = 0, **fields: Any) -> Reply:
        fields.setdefault("charge", max(1, -(-size // 65536)))
        fields.setdefault("credits", 256)
        reply = self.peer.call(command, body, self.logon, self.tree, **fields)
        if reply.status != NTStatus.SUCCESS:
            raise Refused(reply.status)
        return reply

    # Opens

    def create(
        self,
        path: str,
        access: int = READ_WRITE,
        disposition: int = CreateDisposition.OPEN,
        options: int = 0,
        *,
        share: int = ALL,
        attributes: int = 0,
        contexts: Sequence[CreateContext] = (),
        impersonation: int = ImpersonationLevel.IMPERSONATION,
    ) -> Opened:
        """CREATE. Raises Refused."""
        body = CreateRequest(
            impersonation_level=impersonation,
            desired_access=access,
            file_attributes=attributes,
            share_access=share,
            create_disposition=disposition,
            create_options=options,
            name=path,
            create_contexts=list(contexts),
        ).encode()
        response = CreateResponse.decode(self._call(Command.CREATE, body).view)
        return Opened((response.persistent_id, response.volatile_id), response)

    def open(self, path: str, access: int = READ_WRITE, **fields: Any) -> FileId:
        """CREATE of what exists."""
        return self.create(path, access, **fields).id

    def close(self, file: FileId, flags: int = 0) -> CloseResponse:
        body = CloseRequest(flags, *file).encode()
        return CloseResponse.decode(self._call(Command.CLOSE, body).view)

    def attributes(self, path: str) -> int:
        """FileAttributes of a path, by opening it for nothing else."""
        opened = self.create(path, AccessMask.FILE_READ_ATTRIBUTES)
        response = self.close(opened.id, CloseFlags.POSTQUERY_ATTRIB)
        assert response.file_attributes == opened.response.file_attributes
        return response.file_attributes

    # Data

    def read(self, file: FileId, length: int, offset: int = 0, **fields: Any) -> bytes:
        size = fields.pop("size", length)
        body = ReadRequest(
            length=length, offset=offset, persistent_id=file[0], volatile_id=file[1], **fields
        ).encode()
        return bytes(ReadResponse.decode(self._call(Command.READ, body, size).view).data)

    def write(self, file: FileId, data: bytes, offset: int = 0, **fields: Any) -> int:
        body = WriteRequest(offset, *file, data=data, **fields).encode()
        return WriteResponse.decode(self._call(Command.WRITE, body, len(data)).view).count

    def flush(self, file: FileId) -> None:
        self._call(Command.FLUSH, FlushRequest(*file).encode())

    # Locks

    def lock(self, file: FileId, *elements: tuple[int, int, int]) -> None:
        """LOCK with elements of (offset, length, flags)."""
        self._call(Command.LOCK, lock_body(file, *elements))

    def post_lock(self, file: FileId, *elements: tuple[int, int, int]) -> Header:
        """LOCK that must wait; the header of its interim response."""
        self.peer.post(Command.LOCK, lock_body(file, *elements), self.logon, self.tree, credits=8)
        reply = self.peer.receive()
        assert reply.is_interim
        assert reply.header.flags & Flags.ASYNC_COMMAND
        return reply.header

    def cancel(self, header: Header) -> None:
        """CANCEL of what `post_lock` began."""
        message = self.peer.message(
            Command.CANCEL,
            CancelRequest().encode(),
            self.logon,
            async_id=header.async_or_tree,
            message_id=header.message_id,
        )
        self.peer.send(message)

    def waits(self) -> bool:
        """Whether the server has said nothing more."""
        try:
            reply = self.peer.receive()
        except NoReply:
            return True
        raise AssertionError(f"{name(reply.status)} came")

    def status(self) -> int:
        """The status of the reply that has come meanwhile."""
        return self.peer.receive().status

    # Controls

    def ioctl(
        self,
        code: int,
        data: bytes = b"",
        file: FileId = (2**64 - 1, 2**64 - 1),
        room: int = 4096,
        flags: int = IoctlFlags.IS_FSCTL,
        **fields: Any,
    ) -> IoctlResponse:
        body = IoctlRequest(
            code, *file, max_output_response=room, flags=flags, input_buffer=data, **fields
        ).encode()
        reply = self._call(Command.IOCTL, body, max(len(data), room))
        return IoctlResponse.decode(reply.view)


def lock_body(file: FileId, *elements: tuple[int, int, int]) -> bytes:
    return LockRequest(0, *file, locks=[LockElement(*element) for element in elements]).encode()
