"""Handlers of opens, called without a connection: real opens over a real store, and a stand-in for
the request that has just what handlers may look at."""

from __future__ import annotations

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest

from paraph.core.dialect import DIALECTS
from paraph.core.message import TRANSPORT_HEADER
from paraph.errors import NTStatusError
from paraph.rpc.pipe import Pipe
from paraph.server.directory import query_directory
from paraph.server.open import FileTable, Open
from paraph.server.query_info import query_info
from paraph.server.request import Request
from paraph.server.session import Session
from paraph.server.set_info import set_info
from paraph.server.share import Share
from paraph.server.tree import FULL_ACCESS, TreeConnect
from paraph.storage.base import Backend
from paraph.storage.memory import MemoryBackend
from paraph.wire.fscc_dir import DirRecord, decode_entries
from paraph.wire.fscc_file import FileInformationClass
from paraph.wire.ntstatus import NTStatus, name
from paraph.wire.smb2.info import InfoType, QueryInfoRequest, QueryInfoResponse, SetInfoRequest
from paraph.wire.smb2.query_directory import QueryDirectoryRequest, QueryDirectoryResponse

FULL = FULL_ACCESS


def run(handler: Coroutine[Any, Any, bytes | bytearray]) -> bytes | bytearray:
    """What a handler that need not wait returns."""
    try:
        handler.send(None)
    except StopIteration as stop:
        return cast("bytes | bytearray", stop.value)
    raise AssertionError("the handler waits")


class refuses:  # reads as a sentence where it is used
    """`with refuses(NTStatus.ACCESS_DENIED):`"""

    def __init__(self, status: int, data: bytes = b"") -> None:
        self.status, self.data = status, data
        self._raises: Any = pytest.raises(NTStatusError)

    def __enter__(self) -> None:
        self._caught = self._raises.__enter__()

    def __exit__(self, *details: Any) -> bool:
        suppressed = bool(self._raises.__exit__(*details))
        if suppressed:
            assert name(self._caught.value.status) == name(self.status)
            assert self._caught.value.data == self.data
        return suppressed


class World:
    """A share, its opens and its connection."""

    def __init__(
        self,
        files: dict[str, bytes] | None = None,
        *,
        dialect: int = 0x0311,
        read_only: bool = False,
        backend: Backend | None = None,
    ) -> None:
        self.memory = MemoryBackend(files)
        self.backend: Backend = backend if backend is not None else self.memory
        self.files = FileTable()
        session = cast(Session, SimpleNamespace())
        share = Share("data", self.backend, read_only=read_only)
        self.tree = TreeConnect(session, 1, share)
        self.ipc = TreeConnect(session, 2, None)
        self.max_transact_size = 1 << 20
        self.dialect = DIALECTS[dialect]

    def open(self, path: str, access: int = FULL, *, options: int = 0) -> Open:
        """An open as CREATE would leave it."""
        return self.add(self.backend.open(path, read=True, write=True), access, options)

    def make_directory(self, path: str) -> Open:
        handle = self.backend.create(path, directory=True, attributes=0)
        return self.add(handle, FULL, 0)

    def add(self, handle: Any, access: int, options: int) -> Open:
        opened = Open(
            self.tree.session,
            self.tree,
            path=handle.path,
            granted_access=access,
            share_access=7,
            create_options=options,
            handle=handle,
        )
        self.files.add(self.backend, opened)
        return opened

    def open_pipe(self, pipe: Pipe) -> Open:
        opened = Open(self.ipc.session, self.ipc, path="srvsvc", granted_access=FULL, pipe=pipe)
        opened.file_id = 77
        return opened

    def close(self, opened: Open) -> None:
        self.files.remove(opened)
        opened.disk().close()

    def request(self, opened: Open) -> Request:
        connection = SimpleNamespace(
            max_transact_size=self.max_transact_size,
            dialect=self.dialect,
            server=SimpleNamespace(files=self.files),
        )
        stand_in = SimpleNamespace(
            open=opened, tree=opened.tree, connection=connection, status=NTStatus.SUCCESS
        )
        return cast(Request, stand_in)

    def query(
        self,
        opened: Open,
        number: int,
        length: int = 65536,
        info_type: int = InfoType.FILE,
        *,
        additional: int = 0,
        status: int | None = NTStatus.SUCCESS,
    ) -> memoryview:
        """The data of QUERY_INFO, whose status must be `status` (None: whatever it is)."""
        request = self.request(opened)
        message = QueryInfoRequest(info_type, number, length, additional)
        reply = run(query_info(request, message))
        assert isinstance(reply, bytearray)
        assert status is None or name(request.status) == name(status)
        data = QueryInfoResponse.decode(memoryview(reply)[TRANSPORT_HEADER:]).buffer
        assert len(data) <= length
        return memoryview(data)

    def set(
        self,
        opened: Open,
        number: int,
        buffer: bytes,
        info_type: int = InfoType.FILE,
        *,
        additional: int = 0,
    ) -> None:
        """SET_INFO."""
        message = SetInfoRequest(info_type, number, additional, buffer=buffer)
        assert run(set_info(self.request(opened), message)) == b"\2\0"

    def page(
        self,
        opened: Open,
        pattern: str = "*",
        level: int = FileInformationClass.ID_BOTH_DIRECTORY,
        length: int = 65536,
        flags: int = 0,
        *,
        status: int = NTStatus.SUCCESS,
    ) -> memoryview:
        """The data of one QUERY_DIRECTORY, whose status must be `status`."""
        request = self.request(opened)
        message = QueryDirectoryRequest(
            level, flags, output_buffer_length=length, file_name=pattern
        )
        reply = run(query_directory(request, message))
        assert isinstance(reply, bytearray)
        assert name(request.status) == name(status)
        data = QueryDirectoryResponse.decode(memoryview(reply)[TRANSPORT_HEADER:]).buffer
        assert len(data) <= length
        return memoryview(data)

    def entries(
        self,
        opened: Open,
        pattern: str = "*",
        level: int = FileInformationClass.ID_BOTH_DIRECTORY,
        length: int = 65536,
        flags: int = 0,
    ) -> list[DirRecord]:
        """The entries of one page."""
        return decode_entries(level, self.page(opened, pattern, level, length, flags))
