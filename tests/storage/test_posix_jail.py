"""No path leads out of a share, and nothing but files and directories is opened in it."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paraph.errors import NTStatusError
from paraph.storage.jail import Jail
from paraph.storage.posix import PosixBackend
from paraph.wire.ntstatus import NTStatus

DENIED = NTStatus.ACCESS_DENIED
MISSING = NTStatus.OBJECT_NAME_NOT_FOUND


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A share `share` beside a file `secret` and a folder `out`, which are none of its business."""
    root = tmp_path / "share"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_bytes(b"secret")
    (root / "dir").mkdir()
    (root / "dir" / "file").write_bytes(b"inside")
    return root


@pytest.fixture(params=["openat2", "walk"])
def store(request: pytest.FixtureRequest, share: Path) -> Iterator[PosixBackend]:
    descriptors = len(os.listdir("/proc/self/fd"))
    backend = PosixBackend(str(share), use_openat2=request.param == "openat2")
    assert backend._tree.jail.kernel is (request.param == "openat2")
    yield backend
    backend.close()
    backend.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def status(action: Callable[..., object], *arguments: object, **options: object) -> int:
    with pytest.raises(NTStatusError) as caught:
        action(*arguments, **options)
    return caught.value.status


def open_status(store: PosixBackend, path: str) -> int:
    """The status of every way to open; they must agree."""
    results = {
        status(store.open, path, read=read, write=write)
        for read in (False, True)
        for write in (False, True)
    }
    assert len(results) == 1
    return results.pop()


def read(store: PosixBackend, path: str) -> bytes:
    handle = store.open(path, read=True)
    buffer = bytearray(100)
    count = handle.read_into(memoryview(buffer), 0)
    handle.close()
    return bytes(buffer[:count])


def listing(store: PosixBackend, path: str = "") -> list[str]:
    handle = store.open(path, read=True)
    result = sorted(entry.name for entry in handle.scan())
    assert handle.is_empty() is (not result)
    for name in result:
        assert handle.find(name) is not None
    handle.close()
    return result


# ----------------------------------------------------------------------------------------- escape


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "..\\secret",
        "dir\\..\\..\\secret",
        "dir\\..",
        "../secret",
        "/etc/passwd",
        "dir/file",
        ".",
        "\\dir",
        "dir\\",
        "dir\\\\file",
        "a\0b",
        "\udcff",
    ],
)
def test_paths_that_no_client_may_send(store: PosixBackend, path: str) -> None:
    assert open_status(store, path) == NTStatus.OBJECT_NAME_INVALID
    for directory in (False, True):
        result = status(store.create, path, directory=directory, attributes=0)
        assert result in (NTStatus.OBJECT_NAME_INVALID, NTStatus.OBJECT_PATH_NOT_FOUND)
    handle = store.open("dir\\file")
    for replace in (False, True):
        assert status(handle.rename, path, replace=replace) == (NTStatus.OBJECT_NAME_INVALID)
        assert status(handle.link, path, replace=replace) == NTStatus.OBJECT_NAME_INVALID
    handle.close()
    directory_handle = store.open("dir")
    assert directory_handle.find(path) is None
    directory_handle.close()


@pytest.mark.parametrize("dots", ["\uf029\uf029", ".\uf029", "\uf029", "\uf029."])
def test_dots_in_private_use_lead_nowhere(store: PosixBackend, dots: str) -> None:
    assert open_status(store, dots) == MISSING
    assert open_status(store, f"dir\\{dots}\\{dots}\\secret") == NTStatus.OBJECT_PATH_NOT_FOUND
    root = store.open("")
    assert root.find(dots) is None
    root.close()
    store.create(dots, directory=True, attributes=0).close()
    assert len(listing(store)) == 2


@pytest.mark.parametrize(
    "target",
    [
        "../secret",
        "../out/file",
        "dir/../../secret",
        "../share/dir/file",
        "dir/../../share/dir/file",
    ],
)
def test_links_that_leave_the_share(store: PosixBackend, share: Path, target: str) -> None:
    (share / "link").symlink_to(target)
    assert open_status(store, "link") == DENIED
    assert open_status(store, "LINK") == DENIED
    assert listing(store) == ["dir"]
    assert status(store.create, "Link", directory=False, attributes=0) == (
        NTStatus.OBJECT_NAME_COLLISION
    )


def test_absolute_links(store: PosixBackend, share: Path) -> None:
    (share / "outside").symlink_to("/etc/passwd")
    (share / "inside").symlink_to(share / "dir")
    assert open_status(store, "outside") == DENIED
    assert open_status(store, "inside") == DENIED
    assert open_status(store, "inside\\file") == DENIED
    assert listing(store) == ["dir"]


@pytest.mark.parametrize("case", ["out", "OUT"])
def test_folder_links_that_leave_the_share(store: PosixBackend, share: Path, case: str) -> None:
    (share / "out").symlink_to("../out")
    assert open_status(store, f"{case}\\file") == DENIED
    # Whether a name exists out there must not be told.
    assert open_status(store, f"{case}\\nothing") == DENIED
    assert open_status(store, f"{case}\\FILE") == DENIED
    for directory in (False, True):
        result = status(store.create, f"{case}\\new", directory=directory, attributes=0)
        assert result == DENIED
    handle = store.open("dir\\file")
    assert status(handle.rename, f"{case}\\new", replace=True) == DENIED
    assert status(handle.link, f"{case}\\file", replace=True) == DENIED
    handle.close()
    assert os.listdir(share.parent / "out") == ["file"]
    assert (share.parent / "out" / "file").read_bytes() == b"secret"


@pytest.mark.parametrize("name", ["root", "cwd", "exe", "root\\etc\\passwd", "fd\\0"])
@pytest.mark.parametrize("use_openat2", [True, False])
def test_magic_links(name: str, use_openat2: bool) -> None:
    backend = PosixBackend("/proc/self", use_openat2=use_openat2)
    assert open_status(backend, name) == DENIED
    backend.close()


def test_root_itself_may_be_a_link(share: Path) -> None:
    (share.parent / "alias").symlink_to("share")
    backend = PosixBackend(str(share.parent / "alias"))
    assert read(backend, "dir\\file") == b"inside"
    backend.close()


def test_directory_that_is_moved_out_while_open(store: PosixBackend, share: Path) -> None:
    (share / "dir" / "up").symlink_to("../dir")
    handle = store.open("dir", read=True)
    (share / "dir").rename(share.parent / "moved")
    assert open_status(store, "dir\\file") == NTStatus.OBJECT_PATH_NOT_FOUND
    assert [entry.name for entry in handle.scan()] == ["file"]
    handle.delete()
    assert status(handle.rename, "x", replace=False) == DENIED
    handle.close()
    assert (share.parent / "moved").is_dir()


def test_race_of_a_folder_with_a_link(store: PosixBackend, share: Path) -> None:
    """While a folder and a link out of the share change places, no open reaches the outside."""
    (share / "a").mkdir()
    (share / "a" / "file").write_bytes(b"inside")
    (share / "link").symlink_to("../out")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(share / "a", share / "b")
            os.rename(share / "link", share / "a")
            os.rename(share / "a", share / "link")
            os.rename(share / "b", share / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(1500):
            try:
                seen.add(read(store, "a\\file"))
            except NTStatusError:
                pass
            try:
                store.create("a\\new", directory=False, attributes=0).close()
            except NTStatusError:
                pass
    finally:
        stop.set()
        thread.join()
    assert seen <= {b"inside"}
    assert os.listdir(share.parent / "out") == ["file"]


# -------------------------------------------------------------------------- links that stay inside


def test_links_inside(store: PosixBackend, share: Path) -> None:
    (share / "dir" / "file-link").symlink_to("file")
    (share / "folder").symlink_to("dir")
    (share / "dir" / "up").symlink_to("../dir/../dir")
    (share / "chain").symlink_to("folder/up/file-link")
    assert read(store, "dir\\file-link") == b"inside"
    assert read(store, "FOLDER\\UP\\up\\FILE") == b"inside"
    assert read(store, "chain") == b"inside"
    target = store.open("dir\\file")
    link = store.open("Chain")
    assert link.path == "chain"
    assert link.key == target.key
    assert link.info() == target.info()
    link.close()
    target.close()
    root = store.open("", read=True)
    entries = {entry.name: entry.info for entry in root.scan()}
    assert entries["chain"].end_of_file == 6
    assert entries["folder"].is_directory
    root.close()
    assert listing(store, "folder") == ["file", "file-link", "up"]
    store.create("folder\\new", directory=False, attributes=0).close()
    assert (share / "dir" / "new").exists()


def test_dangling_and_circular_links(store: PosixBackend, share: Path) -> None:
    (share / "dangling").symlink_to("nothing")
    (share / "one").symlink_to("two")
    (share / "two").symlink_to("one")
    assert open_status(store, "dangling") == MISSING
    assert open_status(store, "DANGLING") == MISSING
    assert open_status(store, "dangling\\x") == NTStatus.OBJECT_PATH_NOT_FOUND
    assert open_status(store, "one") == DENIED
    assert listing(store) == ["dir"]
    for name in ("dangling", "Dangling", "ONE"):
        assert status(store.create, name, directory=False, attributes=0) == (
            NTStatus.OBJECT_NAME_COLLISION
        )
    assert not (share / "nothing").exists()


def test_delete_and_rename_act_on_the_link(store: PosixBackend, share: Path) -> None:
    (share / "link").symlink_to("dir/file")
    (share / "folder").symlink_to("dir")
    handle = store.open("link")
    handle.rename("Link2", replace=False)
    assert os.readlink(share / "Link2") == "dir/file"
    handle.delete()
    handle.close()
    handle = store.open("folder")
    handle.rename("dir\\inner", replace=False)
    assert os.readlink(share / "dir" / "inner") == "dir"
    handle.close()
    (share / "folder").symlink_to("dir")
    handle = store.open("FOLDER")
    handle.delete()
    handle.close()
    assert sorted(os.listdir(share)) == ["dir"]
    assert (share / "dir" / "file").read_bytes() == b"inside"


def test_rename_onto_a_link_replaces_the_link(store: PosixBackend, share: Path) -> None:
    (share / "new").write_bytes(b"new")
    (share / "link").symlink_to("dir/file")
    (share / "folder").symlink_to("dir")
    (share / "away").symlink_to("../secret")
    handle = store.open("new")
    assert status(handle.rename, "folder", replace=True) == DENIED
    assert status(handle.rename, "away", replace=True) == DENIED
    handle.rename("link", replace=True)
    handle.close()
    assert not (share / "link").is_symlink()
    assert read(store, "link") == b"new"
    assert (share / "dir" / "file").read_bytes() == b"inside"
    assert (share.parent / "secret").read_bytes() == b"secret"


def test_hard_link_to_a_file_outside(store: PosixBackend, share: Path) -> None:
    """The host's administrator gave the file a name in the share: it belongs to it."""
    os.link(share.parent / "secret", share / "hard")
    assert read(store, "hard") == b"secret"


# ------------------------------------------------------------------------------------ special files


@pytest.fixture
def special(share: Path) -> Iterator[list[str]]:
    os.mkfifo(share / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(share, os.O_PATH)
        listener.bind(f"/proc/self/fd/{descriptor}/socket")
        os.close(descriptor)
        made = ["fifo", "socket"]
        if os.geteuid() == 0:
            os.mknod(share / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            made.append("device")
        yield made


def test_special_files(store: PosixBackend, share: Path, special: list[str]) -> None:
    assert listing(store) == ["dir"]
    for name in special:
        assert open_status(store, name) == DENIED
        assert open_status(store, name.upper()) == DENIED
        assert status(store.create, name, directory=False, attributes=0) == (
            NTStatus.OBJECT_NAME_COLLISION
        )
        (share / "link").symlink_to(name)
        assert open_status(store, "link") == DENIED
        handle = store.open("dir\\file")
        for replace, expected in [(False, NTStatus.OBJECT_NAME_COLLISION), (True, DENIED)]:
            assert status(handle.rename, name, replace=replace) == expected
        handle.close()
        (share / "link").unlink()
    assert sorted(os.listdir(share)) == sorted(["dir", *special])


def test_folder_with_hidden_entries_only(
    store: PosixBackend, share: Path, special: list[str]
) -> None:
    (share / "dir" / "file").unlink()
    (share / "fifo").rename(share / "dir" / "fifo")
    handle = store.open("dir")
    assert handle.is_empty()
    assert status(handle.delete) == NTStatus.DIRECTORY_NOT_EMPTY
    handle.close()


# ------------------------------------------------------------------------------------------ limits


def test_path_longer_than_the_host_allows(store: PosixBackend) -> None:
    deep = "\\".join(["d" * 250] * 20)
    assert open_status(store, deep) == NTStatus.OBJECT_NAME_INVALID
    result = status(store.create, deep, directory=False, attributes=0)
    assert result == NTStatus.OBJECT_NAME_INVALID
    assert open_status(store, "\\".join(["ü"] * 1300)) == NTStatus.OBJECT_PATH_NOT_FOUND
    assert open_status(store, "\\".join(["ü"] * 1400)) == NTStatus.OBJECT_NAME_INVALID


def test_deep_tree(store: PosixBackend) -> None:
    path = ""
    for _ in range(60):
        path = f"{path}\\Sub" if path else "Sub"
        store.create(path, directory=True, attributes=0).close()
    handle = store.open(path.upper())
    assert handle.path == path
    handle.close()


def test_descriptors_are_close_on_exec(store: PosixBackend) -> None:
    handles = [
        store.open(""),
        store.open("dir", read=True),
        store.open("dir\\file"),
        store.open("dir\\file", read=True, write=True),
        store.create("new", directory=False, attributes=0),
        store.create("newdir", directory=True, attributes=0),
    ]
    assert not os.get_inheritable(store._tree.jail.root)
    for handle in handles:
        assert not os.get_inheritable(handle._descriptor)
        handle.close()


def test_no_descriptor_leaks_from_failures(store: PosixBackend, share: Path) -> None:
    (share / "fifo2").symlink_to("../out")
    before = os.listdir("/proc/self/fd")
    for path in ("no", "no\\x", "dir\\file\\x", "fifo2", "fifo2\\x", "DIR\\NO", "a/b", "x" * 5000):
        for _ in range(3):
            with pytest.raises(NTStatusError):
                store.open(path, read=True)
            with pytest.raises(NTStatusError):
                store.create(f"{path}\\new", directory=False, attributes=0)
    handle = store.open("dir", read=True)
    scan = handle.scan()
    next(scan)
    handle.close()
    assert list(scan) == []
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("use_openat2", [True, False])
def test_jail_alone(share: Path, use_openat2: bool) -> None:
    (share / "self").symlink_to(".")
    (share / "back").symlink_to("dir/..")
    (share / "climb").symlink_to("dir/../..")
    jail = Jail(str(share), use_openat2=use_openat2)
    root = os.stat(share).st_ino
    for path, inode in [
        ("", root),
        ("self", root),
        ("self/self/back", root),
        ("back/dir", os.stat(share / "dir").st_ino),
        ("dir/file", os.stat(share / "dir" / "file").st_ino),
    ]:
        descriptor = jail.open(path)
        assert os.fstat(descriptor).st_ino == inode
        os.close(descriptor)
    for path, directory in [
        ("climb", False),
        ("climb/secret", False),
        ("dir/file/x", False),
        ("dir/file", True),
        ("dir/file/", False),
        ("none", False),
    ]:
        with pytest.raises(OSError):
            jail.open(path, directory=directory)
    jail.close()
    jail.close()
