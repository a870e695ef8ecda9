"""Any sequence of operations has the same outcome in memory and on disk."""

from __future__ import annotations

import shutil
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import NTStatusError
from paraph.storage.base import Backend
from paraph.storage.memory import MemoryBackend
from paraph.storage.posix import PosixBackend
from paraph.wire.fscc_file import FileAttributes

paths = st.sampled_from(
    ["a", "A", "b", "d", "D", "d\\a", "D\\A", "d\\b", "d\\e", "d\\e\\a", "no\\a"]
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("file"), paths, st.sampled_from([0, FileAttributes.READONLY])),
        st.tuples(st.just("folder"), paths, st.just(0)),
        st.tuples(st.just("delete"), paths, st.just(0)),
        st.tuples(st.just("write"), paths, st.integers(0, 9)),
        st.tuples(st.just("rename"), paths, paths, st.booleans()),
        st.tuples(st.just("link"), paths, paths, st.booleans()),
    ),
    max_size=20,
)


def perform(store: Backend, operation: tuple[object, ...]) -> object:
    """The outcome: a status, or what a client would see."""
    kind, path, argument, *rest = operation
    try:
        if kind in ("file", "folder"):
            handle = store.create(
                str(path), directory=kind == "folder", attributes=int(str(argument))
            )
        else:
            handle = store.open(str(path), read=True, write=kind == "write")
    except NTStatusError as error:
        return error.status
    try:
        if kind == "delete":
            handle.delete()
        elif kind == "write" and handle.writable:
            handle.write(memoryview(bytes(int(str(argument)))), 0)
        elif kind == "rename":
            handle.rename(str(argument), replace=bool(rest[0]))
        elif kind == "link":
            handle.link(str(argument), replace=bool(rest[0]))
        info = handle.info()
        links = 0 if info.is_directory else info.number_of_links
        return handle.path, info.attributes, info.end_of_file, links
    except NTStatusError as error:
        return error.status
    finally:
        handle.close()


def tree(store: Backend, path: str = "") -> dict[str, tuple[int, int]]:
    handle = store.open(path, read=True)
    entries = list(handle.scan())
    assert handle.is_empty() is (not entries)
    handle.close()
    result = {}
    for entry in entries:
        full = f"{path}\\{entry.name}" if path else entry.name
        result[full] = (entry.info.attributes, entry.info.end_of_file)
        if entry.info.is_directory:
            result.update(tree(store, full))
    return result


@given(operations, st.booleans())
@settings(deadline=None, max_examples=150)
def test_backends_agree(steps: list[tuple[object, ...]], use_openat2: bool) -> None:
    root = tempfile.mkdtemp()
    memory, disk = MemoryBackend(), PosixBackend(root, use_openat2=use_openat2)
    try:
        for step in steps:
            assert perform(memory, step) == perform(disk, step), step
        assert tree(memory) == tree(disk)
    finally:
        disk.close()
        shutil.rmtree(root)
