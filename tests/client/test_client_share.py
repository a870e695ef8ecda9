"""What a share can do, through both faces, against two independent servers."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paraph.errors import SMBError
from paraph.policy.settings import Policy
from paraph.wire.fscc_file import FileAttributes
from paraph.wire.ntstatus import NTStatus
from tests.client.conftest import Place
from tests.client.samba import PASSWORD

MIB = 1 << 20


def test_status(share: Any, folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"12345")
    os.utime(folder / "a.txt", ns=(10**18, 10**18 + 700))
    found = share.stat("a.txt")
    assert found.st_size == 5
    assert found.st_mtime_ns == 10**18 + 700
    assert found.st_ino
    assert found.is_file()
    assert not found.is_dir()
    assert stat.S_ISREG(found.st_mode)
    assert stat.S_ISDIR(share.stat("").st_mode)
    assert share.exists("A.TXT")
    assert not share.exists("b.txt")
    assert not share.exists("a.txt/b")
    assert share.is_file("a.txt")
    assert not share.is_file("nothing")
    assert share.is_dir("")


def test_errors_are_those_of_files(share: Any, folder: Path) -> None:
    (folder / "file").write_bytes(b"x")
    (folder / "full" / "inner").mkdir(parents=True)
    cases: list[tuple[Callable[[], Any], type[OSError], int]] = [
        (lambda: share.stat("missing"), FileNotFoundError, NTStatus.OBJECT_NAME_NOT_FOUND),
        (lambda: share.stat("a/b"), FileNotFoundError, NTStatus.OBJECT_PATH_NOT_FOUND),
        (lambda: share.mkdir("full"), FileExistsError, NTStatus.OBJECT_NAME_COLLISION),
        (lambda: share.remove("full"), IsADirectoryError, NTStatus.FILE_IS_A_DIRECTORY),
        (lambda: share.listdir("file"), NotADirectoryError, NTStatus.NOT_A_DIRECTORY),
        (lambda: share.rename("file", "full"), FileExistsError, NTStatus.OBJECT_NAME_COLLISION),
        (lambda: share.open("missing"), FileNotFoundError, NTStatus.OBJECT_NAME_NOT_FOUND),
        (lambda: share.open("file", "x"), FileExistsError, NTStatus.OBJECT_NAME_COLLISION),
    ]
    for call, kind, status in cases:
        with pytest.raises(kind) as caught:
            call()
        assert isinstance(caught.value, SMBError)
        assert caught.value.status == status
        assert caught.value.errno == kind_errno(kind)
        assert caught.value.filename
    with pytest.raises(SMBError) as not_empty:
        share.rmdir("full")
    assert not_empty.value.errno == errno.ENOTEMPTY


def kind_errno(kind: type[OSError]) -> int:
    return {
        FileNotFoundError: errno.ENOENT,
        FileExistsError: errno.EEXIST,
        IsADirectoryError: errno.EISDIR,
        NotADirectoryError: errno.ENOTDIR,
    }[kind]


def test_folders(share: Any, folder: Path) -> None:
    share.mkdir("one")
    share.makedirs("two/three/four")
    share.makedirs("two/three/four", exist_ok=True)
    share.mkdir("one", exist_ok=True)
    (folder / "two" / "a.txt").write_bytes(b"123")
    assert sorted(share.listdir("")) == ["one", "two"]
    entries = {entry.name: entry for entry in share.scandir("two")}
    assert entries["a.txt"].size == entries["a.txt"].stat().st_size == 3
    assert entries["a.txt"].path == "two/a.txt"
    assert entries["three"].is_dir()
    walked = {level[0]: (level[1], level[2]) for level in share.walk("")}
    assert sorted(walked) == ["", "one", "two", "two/three", "two/three/four"]
    assert walked["two"] == (["three"], ["a.txt"])
    bottom_up = [level[0] for level in share.walk("two", topdown=False)]
    assert bottom_up == ["two/three/four", "two/three", "two"]
    share.rmtree("two")
    share.rmdir("one")
    assert list(folder.iterdir()) == []


def test_a_large_folder(share: Any, folder: Path) -> None:
    names = {f"a rather long name of a file, number {number:05}" for number in range(3000)}
    for name in names:
        (folder / name).touch()
    assert set(share.listdir("")) == names


def test_matching_names(share: Any, folder: Path) -> None:
    for name in ("a.txt", "b.TXT", "c.bin", "d/e.txt", "d/f/g.txt", "d/f/h[1].txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()

    def glob(pattern: str) -> list[str]:
        return sorted(share.glob(pattern))

    assert glob("*.txt") == ["a.txt", "b.TXT"]
    assert glob("**/*.txt") == ["a.txt", "b.TXT", "d/e.txt", "d/f/g.txt", "d/f/h[1].txt"]
    assert glob("d/*/g*") == ["d/f/g.txt"]
    assert glob("d/f/g.txt") == ["d/f/g.txt"]
    assert glob("?.bin") == ["c.bin"]
    assert glob("[ac].*") == ["a.txt", "c.bin"]
    assert glob("nothing/*") == []


def test_renaming_and_removing(share: Any, folder: Path) -> None:
    (folder / "a").write_bytes(b"a")
    (folder / "b").write_bytes(b"b")
    share.rename("a", "c")
    share.replace("c", "b")
    assert (folder / "b").read_bytes() == b"a"
    assert [one.name for one in folder.iterdir()] == ["b"]
    share.remove("b")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, MIB, 3 * MIB + 17, 20 * MIB])
def test_whole_files(share: Any, folder: Path, size: int) -> None:
    data = os.urandom(size)
    assert share.write_bytes("f", data) == size
    assert (folder / "f").read_bytes() == data
    assert share.read_bytes("f") == data
    share.write_bytes("f", b"short")
    assert (folder / "f").read_bytes() == b"short"


def test_text(share: Any, folder: Path) -> None:
    share.write_text("t", "zwölf Boxkämpfer\n")
    assert (folder / "t").read_text("utf-8") == share.read_text("t") == "zwölf Boxkämpfer\n"


@pytest.mark.parametrize(
    "options",
    [{"max_dialect": 0x0202}, {"max_dialect": 0x0210}, {"max_dialect": 0x0302}, {"credits": 3}],
)
def test_large_files_in_small_steps(
    connect: Callable[..., Any], folder: Path, options: dict[str, Any]
) -> None:
    """64 KiB at a time, or with hardly any credits."""
    share = connect(**options)
    data = os.urandom(2 * MIB + 5)
    share.write_bytes("f", data)
    assert (folder / "f").read_bytes() == data
    assert share.read_bytes("f") == data
    assert share.listdir("") == ["f"]
    assert share.stat("f").st_size == len(data)


@pytest.mark.parametrize("cipher", [1, 2, 3, 4])
def test_encryption(connect: Callable[..., Any], folder: Path, cipher: int) -> None:
    share = connect(encryption="required", ciphers=(cipher,))
    assert share.info.encrypted
    data = os.urandom(3 * MIB)
    share.write_bytes("f", data)
    assert (folder / "f").read_bytes() == data
    assert share.read_bytes("f") == data


@pytest.mark.parametrize("algorithm", [0, 1, 2])
def test_signing_algorithms(connect: Callable[..., Any], algorithm: int) -> None:
    share = connect(signing_algorithms=(algorithm,))
    names = ("HMAC-SHA256", "AES-128-CMAC", "AES-128-GMAC")
    assert (share.info.signed, share.info.signing_algorithm) == (True, names[algorithm])
    share.write_bytes("f", b"data")
    assert share.read_bytes("f") == b"data"


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x0300, 0x0302, 0x0311])
@pytest.mark.parametrize("always", [True, False])
def test_every_dialect(connect: Callable[..., Any], dialect: int, always: bool) -> None:
    share = connect(max_dialect=dialect, policy=Policy(client_always=always))
    names = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"}
    info = share.info
    assert info.dialect == names[dialect]
    assert info.signed is (always or info.server_requires_signing)
    assert info.why
    share.write_bytes("f", b"data")
    assert share.read_bytes("f") == b"data"


def test_download_and_upload(share: Any, folder: Path, tmp_path: Path) -> None:
    data = os.urandom(9 * MIB + 3)
    (tmp_path / "up").write_bytes(data)
    moved: list[int] = []
    assert share.upload(tmp_path / "up", "f", progress=moved.append) == len(data)
    assert sum(moved) == len(data)
    assert (folder / "f").read_bytes() == data
    assert share.download("f", tmp_path / "down") == len(data)
    assert (tmp_path / "down").read_bytes() == data


def test_resuming_transfers(share: Any, folder: Path, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    (folder / "f").write_bytes(data)
    (tmp_path / "down").write_bytes(data[:MIB] + b"wrong")
    assert share.download("f", tmp_path / "down", offset=MIB) == len(data)
    assert (tmp_path / "down").read_bytes() == data
    (folder / "g").write_bytes(data + b"too long")
    assert share.upload(tmp_path / "down", "g", offset=MIB) == len(data)
    assert (folder / "g").read_bytes() == data


def test_copying(share: Any, folder: Path) -> None:
    data = os.urandom(21 * MIB + 9)
    (folder / "a").write_bytes(data)
    (folder / "b").write_bytes(b"x" * (22 * MIB))
    assert share.copy("a", "b") == len(data)
    assert (folder / "b").read_bytes() == data
    with pytest.raises(FileExistsError):
        share.copy("a", "b", overwrite=False)
    (folder / "empty").touch()
    assert share.copy("empty", "b") == 0
    assert (folder / "b").read_bytes() == b""


def test_times_and_attributes(share: Any, folder: Path) -> None:
    (folder / "f").write_bytes(b"x")
    share.set_times("f", modified_ns=10**18, accessed_ns=10**18 + 100)
    found = os.stat(folder / "f")
    assert (found.st_mtime_ns, found.st_atime_ns) == (10**18, 10**18 + 100)
    assert not share.attributes("f") & FileAttributes.DIRECTORY
    assert share.attributes("") & FileAttributes.DIRECTORY


def test_disk_usage(share: Any, folder: Path) -> None:
    usage = share.disk_usage()
    real = os.statvfs(folder)
    assert usage.total == real.f_blocks * real.f_frsize
    assert 0 < usage.free <= usage.total
    assert usage.used <= usage.total


def test_shares(share: Any) -> None:
    found = {one.name: one for one in share.shares()}
    assert found["data"].kind == "disk"
    assert found["IPC$"].kind == "pipe"


def test_security(share: Any, folder: Path) -> None:
    (folder / "f").touch()
    descriptor = share.security("f")
    assert str(descriptor.owner).startswith("S-1-")
    assert descriptor.dacl is not None


def test_links(share: Any, folder: Path) -> None:
    """Neither server makes links: the error says so, and nothing is left behind."""
    (folder / "f").touch()
    with pytest.raises(SMBError):
        share.symlink("f", "link")
    with pytest.raises(SMBError):
        share.readlink("f")
    assert [one.name for one in folder.iterdir()] == ["f"]


def test_locks(share: Any, folder: Path) -> None:
    (folder / "f").write_bytes(b"0123456789")
    first = share.open("f", "r+b", 0)
    second = share.open("f", "r+b", 0)
    first.lock(0, 5)
    with pytest.raises(BlockingIOError):
        second.lock(4, 1)
    second.lock(5, 5, exclusive=False)
    first.unlock(0, 5)
    second.lock(0, 5)
    first.close()
    second.close()


def test_watching(share: Any, folder: Path, place: Place) -> None:
    if place.name == "paraph":
        with pytest.raises(OSError) as caught:
            next(iter(share.watch("", timeout=5)))
        assert caught.value.errno in (errno.EOPNOTSUPP, errno.ETIMEDOUT)
        return
    timer = threading.Timer(0.2, lambda: (folder / "new").touch())
    timer.start()
    changes = iter(share.watch("", timeout=10))
    change = next(changes)
    assert (change.action, change.path) == ("added", "new")
    if hasattr(changes, "close"):
        changes.close()
    timer.join()
    assert share.exists("new")


def test_paths(share: Any, folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d" / "a.txt").write_text("text")
    path = share.path("d")
    assert str(path / "a.txt") == "d/a.txt"


def test_a_share_inside_a_folder_stays_there(share: Any) -> None:
    with pytest.raises(ValueError):
        share.stat("../other")


def test_closing(connect: Callable[..., Any]) -> None:
    share = connect()
    assert not share.closed
    share.echo()


# Files


@pytest.mark.parametrize("buffering", [-1, 0, 16])
def test_binary_files(share: Any, folder: Path, buffering: int) -> None:
    file = share.open("f", "w+b", buffering)
    file.write(b"0123456789" * 10)
    file.seek(5)
    assert file.read(7) == b"5678901"
    assert file.tell() == 12
    file.write(b"XY")
    file.seek(-3, os.SEEK_END)
    assert file.read() == b"789"
    assert file.truncate(20) == 20
    file.seek(10)
    block = bytearray(64)
    assert file.readinto(block) == 10
    assert bytes(block[:10]) == b"01XY456789"
    file.close()
    file.close()
    assert (folder / "f").read_bytes() == b"012345678901XY456789"
    with pytest.raises(ValueError):
        file.read()


def test_text_files(share: Any, folder: Path) -> None:
    with share.open("f", "w") as file:
        file.write("erste Zeile\nzweite Zeile: äöü €\n")
        file.write("no end")
    assert (folder / "f").read_text("utf-8") == "erste Zeile\nzweite Zeile: äöü €\nno end"
    with share.open("f") as file:
        assert list(file) == ["erste Zeile\n", "zweite Zeile: äöü €\n", "no end"]
    with share.open("f") as file:
        assert file.readline() == "erste Zeile\n"
        assert file.read() == "zweite Zeile: äöü €\nno end"
    with share.open("f", encoding="utf-8") as file:
        assert file.read(20) == "erste Zeile\nzweite Z"
    with share.open("f", "w", encoding="latin-1", newline="\r\n") as file:
        file.write("ä\n")
    assert (folder / "f").read_bytes() == b"\xe4\r\n"
    with share.open("f", encoding="latin-1") as file:
        assert file.read() == "ä\n"


def test_appending(share: Any, folder: Path) -> None:
    (folder / "f").write_bytes(b"one")
    with share.open("f", "ab") as file:
        assert file.tell() == 3
        file.write(b"two")
    with share.open("f", "a") as file:
        file.write("three")
    assert (folder / "f").read_bytes() == b"onetwothree"


def test_exclusive_creation(share: Any) -> None:
    with share.open("f", "xb") as file:
        file.write(b"1")
    with pytest.raises(FileExistsError):
        share.open("f", "xb")


@pytest.mark.parametrize("mode", ["", "rw", "rb+t", "q", "bt", "rr", "+"])
def test_modes_that_are_none(share: Any, mode: str) -> None:
    with pytest.raises(ValueError):
        share.open("f", mode)


def test_what_a_mode_does_not_allow(share: Any, folder: Path) -> None:
    (folder / "f").write_bytes(b"x")
    with share.open("f", "rb") as file, pytest.raises(io.UnsupportedOperation):
        file.write(b"y")
    with share.open("f", "ab") as file, pytest.raises(io.UnsupportedOperation):
        file.read()


def test_large_files_in_pieces(share: Any, folder: Path) -> None:
    data = os.urandom(5 * MIB)
    with share.open("f", "wb") as file:
        for start in range(0, len(data), 100_000):
            file.write(data[start : start + 100_000])
    assert (folder / "f").read_bytes() == data
    read = bytearray()
    with share.open("f", "rb") as file:
        while piece := file.read(70_000):
            read += piece
    assert bytes(read) == data
    with share.open("f", "rb") as file:
        file.seek(MIB)
        assert file.read(2 * MIB) == data[MIB : 3 * MIB]


# Logging on


def test_wrong_passwords(connect: Callable[..., Any]) -> None:
    with pytest.raises(PermissionError) as caught:
        connect(password="wrong")
    assert isinstance(caught.value, SMBError)
    assert caught.value.status == NTStatus.LOGON_FAILURE


def test_hashes_and_ntlm_alone(connect: Callable[..., Any]) -> None:
    from paraph.crypto.ntlm import nt_hash

    hashed = nt_hash(PASSWORD)
    assert connect(password=None, nt_hash=hashed).exists("")
    assert connect(password=None, nt_hash=hashed.hex()).exists("")
    assert connect(kerberos="off").exists("")


def test_a_file_is_not_copied_onto_itself(share: Any, folder: Path) -> None:
    (folder / "a").write_bytes(b"x" * 300_000)
    os.link(folder / "a", folder / "other name")
    for target in ("a", "A", "other name"):
        with pytest.raises(SMBError, match="same file"):
            share.copy("a", target)
    assert (folder / "a").read_bytes() == b"x" * 300_000


def test_a_copy_replaces_a_longer_file(share: Any, folder: Path) -> None:
    (folder / "short").write_bytes(b"short")
    (folder / "long").write_bytes(b"x" * 300_000)
    share.copy("short", "long")
    assert (folder / "long").read_bytes() == b"short"


def test_a_download_of_nothing_leaves_the_local_file_alone(share: Any, tmp_path: Path) -> None:
    local = tmp_path / "local"
    with pytest.raises(FileNotFoundError):
        share.download("missing", local)
    assert not local.exists()
    local.write_bytes(b"precious")
    with pytest.raises(FileNotFoundError):
        share.download("missing", local)
    assert local.read_bytes() == b"precious"


def test_a_download_replaces_a_longer_file(share: Any, folder: Path, tmp_path: Path) -> None:
    (folder / "short").write_bytes(b"short")
    (folder / "empty").write_bytes(b"")
    local = tmp_path / "local"
    local.write_bytes(b"something longer")
    assert share.download("short", local) == 5
    assert local.read_bytes() == b"short"
    assert share.download("empty", local) == 0
    assert local.read_bytes() == b""
