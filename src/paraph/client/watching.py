"""Changes in a folder, as they happen: CHANGE_NOTIFY, [MS-SMB2] 3.2.4.18 and [MS-FSCC] 2.7.1."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from paraph.client import requests
from paraph.client.names import posix_name
from paraph.client.operations import open_handle
from paraph.client.records import Change
from paraph.client.steps import Emit, Items
from paraph.client.tree import Tree
from paraph.wire.fscc import ListRecord, read_name
from paraph.wire.record import unpack
from paraph.wire.smb2.change_notify import CompletionFilter
from paraph.wire.smb2.create import AccessMask, CreateOptions

_ACTIONS = {1: "added", 2: "removed", 3: "modified", 4: "renamed from", 5: "renamed to"}
_FILTER = (
    CompletionFilter.FILE_NAME
    | CompletionFilter.DIR_NAME
    | CompletionFilter.ATTRIBUTES
    | CompletionFilter.SIZE
    | CompletionFilter.LAST_WRITE
    | CompletionFilter.CREATION
)
_ROOM = 64 << 10
_ENTRY = Struct("<III")


@dataclass(slots=True)
class FileNotifyInformation(ListRecord):
    """FILE_NOTIFY_INFORMATION, [MS-FSCC] 2.7.1."""

    MINIMUM = _ENTRY.size
    ALIGNMENT = 4
    action: int
    file_name: str

    @classmethod
    def decode(cls, data: memoryview) -> FileNotifyInformation:
        _, action, length = unpack(_ENTRY, data, 0, "FILE_NOTIFY_INFORMATION")
        return cls(action, read_name(data, _ENTRY.size, length))


def watch(tree: Tree, path: object = "", *, recursive: bool = True) -> Items[Change]:
    """Changes in a folder, and below it with `recursive`, without end. Raises OSError (EOPNOTSUPP)
    when the server does not tell."""
    handle = yield from open_handle(
        tree,
        requests.create(
            tree,
            path,
            AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES,
            options=CreateOptions.DIRECTORY_FILE,
        ),
    )
    try:
        while True:
            buffer: bytes = yield requests.change_notify(
                handle, _FILTER, recursive=recursive, room=_ROOM
            )
            if not buffer:
                yield Emit(Change("overflow", ""))
            for event in FileNotifyInformation.decode_list(memoryview(buffer)):
                action = _ACTIONS.get(event.action, f"event {event.action}")
                yield Emit(Change(action, posix_name(event.file_name)))
    finally:
        handle.discard()
