"""What a `PosixBackend` does on the host, beyond the contract that all backends share."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paraph.errors import NTStatusError, UserError
from paraph.storage import attributes, syscalls
from paraph.storage.attributes import XATTR, pack_dos, unpack_dos
from paraph.storage.posix import PosixBackend
from paraph.wire.fscc_file import FileAttributes as Attr
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask

EPOCH_2020 = 132_223_104_000_000_000


@pytest.fixture
def share(tmp_path: Path) -> Path:
    root = tmp_path / "share"
    root.mkdir()
    return root


@pytest.fixture
def store(share: Path) -> Iterator[PosixBackend]:
    descriptors = len(os.listdir("/proc/self/fd"))
    backend = PosixBackend(str(share))
    yield backend
    backend.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def status(action: Callable[..., object], *arguments: object, **options: object) -> int:
    with pytest.raises(NTStatusError) as caught:
        action(*arguments, **options)
    return caught.value.status


def names(store: PosixBackend, path: str = "") -> list[str]:
    handle = store.open(path, read=True)
    result = [entry.name for entry in handle.scan()]
    handle.close()
    return sorted(result)


def put(store: PosixBackend, path: str, attributes: int = 0) -> None:
    store.create(path, directory=False, attributes=attributes).close()


# ----------------------------------------------------------------------------------------- the root


def test_what_can_not_be_shared(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("nothing", "file"):
        with pytest.raises(UserError, match=name):
            PosixBackend(str(tmp_path / name))


def test_volume(store: PosixBackend, share: Path) -> None:
    volume = store.volume()
    system = os.statvfs(share)
    assert volume.label == "share"
    assert volume.total_units == system.f_blocks * system.f_frsize // 4096
    assert volume.serial_number == store.volume().serial_number != 0


# ------------------------------------------------------------------------------- names on the host


def test_special_characters(store: PosixBackend, share: Path) -> None:
    for name in ("a:b", "what?", 'q"', "back\\slash", "dot.", "space ", "tab\t"):
        (share / name).write_text(name)
    shown = names(store)
    assert "a\uf022b" in shown
    assert "dot\uf029" in shown
    for name in shown:
        handle = store.open(name.upper(), read=True)
        assert handle.path == name
        handle.rename(f"{name}2", replace=False)
        handle.close()
    assert sorted(os.listdir(share)) == sorted(
        ["a:b2", "what?2", 'q"2', "back\\slash2", "dot\uf0292", "space\uf0282", "tab\t2"]
    )
    put(store, "new\uf022file\uf029")
    assert (share / "new:file.").exists()


def test_name_with_a_dot_at_its_end_is_the_same_either_way(store: PosixBackend) -> None:
    made = store.create("dir.", directory=True, attributes=0)
    assert made.path == "dir\uf029"
    made.close()
    put(store, "dir.\\x ")
    assert names(store, "dir\uf029") == ["x\uf028"]
    assert status(store.create, "DIR\uf029", directory=True, attributes=0) == (
        NTStatus.OBJECT_NAME_COLLISION
    )


def test_private_use_characters_of_the_host_itself(store: PosixBackend, share: Path) -> None:
    (share / "a\uf022b").write_text("literal")
    handle = store.open("a\uf022b")
    assert handle.info().end_of_file == 7
    handle.close()
    (share / "a:b").write_text("real colon")
    handle = store.open("a\uf022b")
    assert handle.info().end_of_file == 10
    handle.close()
    assert names(store) == ["a\uf022b"]


def test_undecodable_names_are_hidden(store: PosixBackend, share: Path) -> None:
    os.close(os.open(os.fsencode(share) + b"/caf\xe9", os.O_CREAT))
    assert names(store) == []
    handle = store.open("")
    assert handle.is_empty()
    assert handle.find("caf\udce9") is None
    assert handle.find("caf\xe9") is None
    handle.close()


def test_exact_case_wins(store: PosixBackend, share: Path) -> None:
    for name in ("foo", "Foo"):
        (share / name).write_text(name)
    for name in ("foo", "Foo"):
        handle = store.open(name)
        assert handle.path == name
        handle.close()
    handle = store.open("FOO")
    assert handle.path == "Foo"
    handle.close()
    assert names(store) == ["Foo", "foo"]


# ----------------------------------------------------------------------------- changes from outside


def test_external_changes(store: PosixBackend, share: Path) -> None:
    assert status(store.open, "FILE") == NTStatus.OBJECT_NAME_NOT_FOUND
    for number in range(30):
        (share / f"File{number}").touch()
        os.utime(share, ns=(0, number))
        handle = store.open(f"FILE{number}")
        (share / f"File{number}").rename(share / f"Other{number}")
        os.utime(share, ns=(0, 1000 + number))
        assert status(store.open, f"FILE{number}") == NTStatus.OBJECT_NAME_NOT_FOUND
        handle.close()


def test_stale_index_is_not_believed(store: PosixBackend, share: Path) -> None:
    put(store, "Gone")
    store.open("GONE").close()
    key = next(iter(store._tree.index._indexes))
    (share / "Gone").unlink()
    root = os.stat(share)
    # As if the clock of the file system had not moved.
    store._tree.index._indexes[key].stamp = (root.st_mtime_ns, root.st_ctime_ns)
    assert status(store.open, "GONE") == NTStatus.OBJECT_NAME_NOT_FOUND
    put(store, "gone")
    assert names(store) == ["gone"]


def test_name_of_another_file_is_left_alone(store: PosixBackend, share: Path) -> None:
    put(store, "f")
    handle = store.open("f")
    (share / "f").unlink()
    (share / "f").write_text("other")
    handle.delete()
    assert (share / "f").read_text() == "other"
    (share / "f").rename(share / "F")
    handle.delete()
    assert status(handle.rename, "g", replace=True) == NTStatus.ACCESS_DENIED
    handle.close()
    assert os.listdir(share) == ["F"]


def test_folder_that_vanishes(store: PosixBackend, share: Path) -> None:
    store.create("d", directory=True, attributes=0).close()
    handle = store.open("d", read=True)
    (share / "d").rmdir()
    assert list(handle.scan()) == []
    assert handle.is_empty()
    handle.delete()
    handle.close()
    assert status(store.create, "d\\f", directory=False, attributes=0) == (
        NTStatus.OBJECT_PATH_NOT_FOUND
    )


@pytest.mark.parametrize("count", [3000])
def test_work_in_a_large_directory_does_not_depend_on_its_size(
    store: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Counted, not timed: one reading of the directory however many names we make in it."""
    descriptor = os.open(share, os.O_RDONLY)
    for number in range(count):
        os.mknod(f"File{number}", dir_fd=descriptor)
    os.close(descriptor)
    readings: list[int] = []
    listdir = os.listdir

    def counting(where: int) -> list[str]:
        readings.append(where)
        return listdir(where)

    monkeypatch.setattr(os, "listdir", counting)
    for number in range(300):
        assert status(store.open, f"New{number}") == NTStatus.OBJECT_NAME_NOT_FOUND
        put(store, f"New{number}")
        handle = store.open(f"NEW{number}")
        handle.rename(f"Name{number}", replace=False)
        handle.close()
        if number % 3 == 0:
            handle = store.open(f"NAME{number}")
            handle.delete()
            handle.close()
    assert len(readings) == 1
    handle = store.open("", read=True)
    assert sum(1 for _ in handle.scan()) == count + 200
    assert len(readings) == 2
    assert handle.find("FILE77") is not None
    assert handle.find("nothing") is None
    handle.close()
    assert len(readings) == 2


# -------------------------------------------------------------------------------------------- data


def test_modes_follow_the_umask(store: PosixBackend, share: Path) -> None:
    previous = os.umask(0o027)
    try:
        put(store, "f")
        store.create("d", directory=True, attributes=0).close()
    finally:
        os.umask(previous)
    assert stat.S_IMODE((share / "f").stat().st_mode) == 0o640
    assert stat.S_IMODE((share / "d").stat().st_mode) == 0o750


def test_partial_writes_are_continued(store: PosixBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite

    def reluctant(descriptor: int, data: memoryview, offset: int) -> int:
        return pwrite(descriptor, data[:3], offset)

    monkeypatch.setattr(os, "pwrite", reluctant)
    handle = store.create("f", directory=False, attributes=0)
    assert handle.write(memoryview(b"0123456789"), 5) == 10
    buffer = bytearray(15)
    assert handle.read_into(memoryview(buffer), 0) == 15
    assert buffer == bytes(5) + b"0123456789"
    handle.close()


def test_disk_full_keeps_its_errno(store: PosixBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    handle = store.create("f", directory=False, attributes=0)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError) as caught:
        handle.write(memoryview(b"x"), 0)
    assert caught.value.errno == errno.ENOSPC
    handle.close()


Step = int | OSError


@pytest.mark.parametrize(
    ("steps", "expected", "calls"),
    [
        ([10], 10, 1),
        ([4, 6], 10, 2),
        ([4, 0], 4, 2),
        ([0], 0, 1),
        ([OSError(errno.EAGAIN, "")], -1, 1),
        ([4, OSError(errno.EAGAIN, "")], -1, 2),
        ([OSError(errno.EOPNOTSUPP, "")], -1, 1),
    ],
)
def test_read_now(
    store: PosixBackend,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[Step],
    expected: int,
    calls: int,
) -> None:
    handle = store.create("f", directory=False, attributes=0)
    asked: list[tuple[int, int]] = []
    pending = list(steps)

    def preadv(descriptor: int, buffers: list[memoryview], offset: int, flags: int) -> int:
        asked.append((len(buffers[0]), offset))
        assert flags == os.RWF_NOWAIT
        step = pending.pop(0)
        if isinstance(step, OSError):
            raise step
        return step

    monkeypatch.setattr(os, "preadv", preadv)
    assert handle.read_now(memoryview(bytearray(10)), 100) == expected
    assert len(asked) == calls
    assert asked[0] == (10, 100)
    assert asked[1:] in ([], [(6, 104)])
    if isinstance(steps[0], OSError) and steps[0].errno == errno.EOPNOTSUPP:
        assert handle.read_now(memoryview(bytearray(10)), 100) == -1
        assert len(asked) == 1
    handle.close()


def test_reservation_without_fallocate(
    store: PosixBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syscalls, "_fallocate", None)
    handle = store.create("f", directory=False, attributes=0)
    handle.set_allocation_size(5000)
    assert handle.info().allocation_size == 8192
    with pytest.raises(OSError) as caught:
        handle.set_allocation_size(1 << 60)
    assert caught.value.errno == errno.ENOSPC
    handle.close()


# ----------------------------------------------------------------------------------- DOS attributes


def test_usual_files_carry_no_extended_attribute(store: PosixBackend, share: Path) -> None:
    put(store, "usual")
    put(store, "archive", Attr.ARCHIVE)
    put(store, "hidden", Attr.HIDDEN)
    assert os.listxattr(share / "usual") == []
    assert os.listxattr(share / "archive") == []
    assert unpack_dos(os.getxattr(share / "hidden", XATTR)) == (Attr.HIDDEN | Attr.ARCHIVE, 0)


@pytest.mark.parametrize("value", [b"", b"\x02" + bytes(15), b"\x01" + bytes(14), b"0x20"])
def test_foreign_values_are_ignored(store: PosixBackend, share: Path, value: bytes) -> None:
    put(store, "f")
    os.setxattr(share / "f", XATTR, value)
    handle = store.open("f")
    assert handle.info().attributes == Attr.ARCHIVE
    handle.set_basic_info(attributes=Attr.HIDDEN)
    assert handle.info().attributes == Attr.HIDDEN
    handle.close()


def test_unsettable_bits_are_neither_stored_nor_believed(store: PosixBackend, share: Path) -> None:
    assert unpack_dos(pack_dos(0xFFFF_FFFF, 7)) == (attributes.SETTABLE, 7)
    put(store, "f")
    raw = bytearray(pack_dos(0, 0))
    raw[4:8] = b"\xff" * 4
    os.setxattr(share / "f", XATTR, raw)
    handle = store.open("f")
    assert handle.info().attributes == attributes.SETTABLE
    handle.close()


def test_file_nobody_may_write_to_is_read_only(store: PosixBackend, share: Path) -> None:
    put(store, "f")
    (share / "f").chmod(0o444)
    handle = store.open("f")
    assert handle.info().attributes == Attr.READONLY | Attr.ARCHIVE
    handle.set_basic_info(attributes=Attr.READONLY)
    assert stat.S_IMODE((share / "f").stat().st_mode) == 0o444
    handle.set_basic_info(attributes=Attr.HIDDEN)
    assert handle.info().attributes == Attr.HIDDEN
    assert stat.S_IMODE((share / "f").stat().st_mode) == 0o644
    handle.close()


def test_without_extended_attributes(
    store: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object, **__: object) -> bytes:
        raise OSError(errno.ENOTSUP, "unsupported")

    monkeypatch.setattr(os, "getxattr", unsupported)
    monkeypatch.setattr(os, "setxattr", unsupported)
    put(store, "f", Attr.READONLY | Attr.HIDDEN)
    handle = store.open("f")
    assert handle.info().attributes == Attr.READONLY | Attr.ARCHIVE
    assert stat.S_IMODE((share / "f").stat().st_mode) == 0o444
    handle.set_basic_info(attributes=0, creation_time=EPOCH_2020, last_write_time=EPOCH_2020)
    assert handle.info().attributes == Attr.ARCHIVE
    assert handle.info().last_write_time == EPOCH_2020
    handle.close()
    handle = store.open("", read=True)
    entries = list(handle.scan())
    assert [entry.info.attributes for entry in entries] == [Attr.ARCHIVE]
    handle.close()


def test_failure_to_store_attributes_leaves_no_file(
    store: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "setxattr", full)
    with pytest.raises(OSError) as caught:
        put(store, "f", Attr.HIDDEN)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(share) == []


# ------------------------------------------------------------------ kernels that lack a system call


@pytest.fixture(params=["statx", "getxattrat", "renameat2", "openat2"])
def old_kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "getxattrat":
        monkeypatch.setattr(syscalls, "_HAVE_GETXATTRAT", False)
    else:
        monkeypatch.setattr(syscalls, f"_{request.param}", None)
    return str(request.param)


def test_old_kernels(old_kernel: str, share: Path) -> None:
    store = PosixBackend(str(share))
    assert store._tree.jail.kernel is (old_kernel != "openat2")
    put(store, "f", Attr.HIDDEN)
    put(store, "g")
    store.create("d", directory=True, attributes=0).close()
    handle = store.open("F", read=True, write=True)
    before = handle.info()
    handle.set_basic_info(last_write_time=EPOCH_2020)
    handle.write(memoryview(b"x"), 0)
    assert handle.info().creation_time == before.creation_time
    assert status(handle.rename, "G", replace=False) == NTStatus.OBJECT_NAME_COLLISION
    handle.rename("F", replace=False)
    handle.rename("d\\h", replace=False)
    handle.rename("g", replace=True)
    handle.close()
    directory = store.open("d")
    assert status(directory.rename, "d\\e", replace=False) == NTStatus.ACCESS_DENIED
    directory.rename("D", replace=False)
    directory.close()
    root = store.open("", read=True)
    entries = {entry.name: entry.info for entry in root.scan()}
    root.close()
    assert set(entries) == {"D", "g"}
    assert entries["g"].attributes == Attr.HIDDEN | Attr.ARCHIVE
    assert entries["g"].creation_time == before.creation_time
    assert entries["g"].end_of_file == 1
    store.close()


def test_rename_without_renameat2_replaces_nothing(
    store: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that appears after the look-up is still found by the check."""
    monkeypatch.setattr(syscalls, "_renameat2", None)
    put(store, "f")
    handle = store.open("f")
    begin = store._tree.index.begin

    def appears(directory: int) -> object:
        (share / "g").write_text("new")
        return begin(directory)

    monkeypatch.setattr(store._tree.index, "begin", appears)
    assert status(handle.rename, "g", replace=False) == NTStatus.OBJECT_NAME_COLLISION
    handle.close()
    assert (share / "g").read_text() == "new"


# ------------------------------------------------------------------------------------- permissions


def unprivileged(check: Callable[[Path], None]) -> None:
    """Run `check` with an empty folder of a user without privileges, in a child if we are root."""
    root = Path(tempfile.mkdtemp())
    try:
        if os.geteuid() != 0:
            check(root)
            return
        os.chown(root, 65534, 65534)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                check(root)
            except BaseException:
                os.write(writer, traceback.format_exc().encode()[-4000:])
                os._exit(1)
            os._exit(0)
        os.close(writer)
        with open(reader, "rb") as report:
            text = report.read().decode()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, text
    finally:
        shutil.rmtree(root)


def test_permissions_of_files() -> None:
    def check(root: Path) -> None:
        store = PosixBackend(str(root))
        (root / "none").write_text("x")
        (root / "none").chmod(0)
        (root / "read").write_text("x")
        (root / "read").chmod(0o400)
        for read, write in [(True, False), (False, True), (True, True)]:
            result = status(store.open, "none", read=read, write=write)
            assert result == NTStatus.ACCESS_DENIED
        assert status(store.open, "read", write=True) == NTStatus.ACCESS_DENIED
        handle = store.open("none")
        assert handle.info().end_of_file == 1
        assert handle.maximal_access() == (
            AccessMask.FILE_READ_ATTRIBUTES
            | AccessMask.FILE_WRITE_ATTRIBUTES
            | AccessMask.READ_CONTROL
            | AccessMask.WRITE_DAC
            | AccessMask.SYNCHRONIZE
            | AccessMask.DELETE
        )
        handle.set_basic_info(last_write_time=EPOCH_2020)
        assert handle.info().last_write_time == EPOCH_2020
        handle.rename("renamed", replace=False)
        handle.delete()
        handle.close()
        handle = store.open("read", read=True)
        assert handle.maximal_access() & AccessMask.FILE_READ_DATA
        assert not handle.maximal_access() & AccessMask.FILE_WRITE_DATA
        handle.close()
        assert names(store) == ["read"]
        store.close()

    unprivileged(check)


def test_permissions_of_folders() -> None:
    def check(root: Path) -> None:
        store = PosixBackend(str(root))
        for name in ("closed", "search", "list"):
            (root / name).mkdir()
            (root / name / "File").touch()
        (root / "closed").chmod(0)
        (root / "search").chmod(0o100)
        (root / "list").chmod(0o400)
        assert status(store.open, "closed", read=True) == NTStatus.ACCESS_DENIED
        assert status(store.open, "closed\\File") == NTStatus.ACCESS_DENIED
        assert status(store.open, "list\\File") == NTStatus.ACCESS_DENIED
        store.open("search\\File").close()
        # Another case can not be looked for where names can not be listed.
        assert status(store.open, "search\\FILE") == NTStatus.OBJECT_NAME_NOT_FOUND
        assert status(store.open, "search", read=True) == NTStatus.ACCESS_DENIED
        for directory in (False, True):
            result = status(store.create, "search\\new", directory=directory, attributes=0)
            assert result == NTStatus.ACCESS_DENIED
        handle = store.open("search\\File")
        with pytest.raises(PermissionError):
            handle.delete()
        with pytest.raises(PermissionError):
            handle.rename("moved", replace=False)
        assert not handle.maximal_access() & AccessMask.DELETE
        handle.close()
        assert status(store.open, "list", read=True) == NTStatus.ACCESS_DENIED
        for name in ("closed", "search", "list"):
            (root / name).chmod(0o700)
        store.close()

    unprivileged(check)


def test_maximal_access_of_a_folder(store: PosixBackend, share: Path) -> None:
    (share / "d").mkdir()
    handle = store.open("d")
    assert handle.maximal_access() & 0x1FF == 0x1FF
    handle.close()
    root = store.open("")
    assert not root.maximal_access() & AccessMask.DELETE
    root.close()
