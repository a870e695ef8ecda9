"""SET_INFO over the memory store."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError, NTStatusError
from paraph.rpc.pipe import Pipe
from paraph.server.file_info import mode
from paraph.server.open import Open
from paraph.server.tree import READ_ACCESS
from paraph.storage.memory import MemoryBackend
from paraph.wire.fscc_file import (
    DispositionFlags,
    FileAllocationInformation,
    FileAttributes,
    FileBasicInformation,
    FileDispositionInformation,
    FileDispositionInformationEx,
    FileEndOfFileInformation,
    FileLinkInformation,
    FileModeInformation,
    FileNameInformation,
    FilePipeInformation,
    FilePositionInformation,
    FileRenameInformation,
    FileRenameInformationEx,
    FileValidDataLengthInformation,
    RenameFlags,
)
from paraph.wire.fscc_file import FileInformationClass as Class
from paraph.wire.fscc_list import FileFullEaInformation
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, CreateOptions
from paraph.wire.smb2.info import InfoType, SecurityInformation
from tests.server.handler_env import FULL, World, refuses

PATH = "docs\\a.txt"
FILES = {PATH: b"hello", "docs\\b.txt": b"other", "docs\\sub\\c.txt": b"", "top.txt": b"top"}


@pytest.fixture
def world() -> World:
    return World(FILES)


@pytest.fixture
def file(world: World) -> Open:
    return world.open(PATH)


def attributes(opened: Open) -> int:
    return opened.disk().info().attributes


def mark(opened: Open, bits: int) -> None:
    opened.disk().set_basic_info(attributes=bits)


# Lengths, access, classes

BUFFERS: dict[int, tuple[bytes, int, int]] = {
    # class: a buffer that is accepted or refused for itself, the least length, the access
    Class.BASIC: (bytes(40), 40, AccessMask.FILE_WRITE_ATTRIBUTES),
    Class.RENAME: (FileRenameInformation(False, "x").encode(), 24, AccessMask.DELETE),
    Class.RENAME_EX: (FileRenameInformationEx(0, "x").encode(), 24, AccessMask.DELETE),
    Class.LINK: (FileLinkInformation(False, "x").encode(), 20, 0),
    Class.DISPOSITION: (b"\0", 1, AccessMask.DELETE),
    Class.DISPOSITION_EX: (bytes(4), 4, AccessMask.DELETE),
    Class.POSITION: (bytes(8), 8, 0),
    Class.MODE: (bytes(4), 4, 0),
    Class.ALLOCATION: (bytes(8), 8, AccessMask.FILE_WRITE_DATA),
    Class.END_OF_FILE: (bytes(8), 8, AccessMask.FILE_WRITE_DATA),
    Class.VALID_DATA_LENGTH: ((5).to_bytes(8, "little"), 8, AccessMask.FILE_WRITE_DATA),
    Class.SHORT_NAME: (FileNameInformation("X").encode(), 4, AccessMask.DELETE),
    Class.FULL_EA: (FileFullEaInformation(b"A", b"b").encode(), 1, AccessMask.FILE_WRITE_EA),
}
REFUSED = {
    Class.SHORT_NAME: NTStatus.SHORT_NAMES_NOT_ENABLED_ON_VOLUME,
    Class.FULL_EA: NTStatus.EAS_NOT_SUPPORTED,
}


@pytest.mark.parametrize("number", sorted(BUFFERS))
def test_least_length_and_access(world: World, number: int) -> None:
    buffer, least, access = BUFFERS[number]
    if least > 1:
        with refuses(NTStatus.INFO_LENGTH_MISMATCH):
            world.set(world.open(PATH), number, buffer[: least - 1])
    if access:
        with refuses(NTStatus.ACCESS_DENIED):
            world.set(world.open(PATH, FULL & ~access), number, buffer)
    exact = world.open(PATH, access)
    if number in REFUSED:
        with refuses(REFUSED[number]):
            world.set(exact, number, buffer)
    else:
        world.set(exact, number, buffer)


@pytest.mark.parametrize("number", sorted(BUFFERS))
def test_a_read_only_share_changes_nothing(number: int) -> None:
    world = World(FILES, read_only=True)
    before = world.memory.paths()
    opened = world.open(PATH, READ_ACCESS)
    if number in (Class.POSITION, Class.MODE):  # of the open, not of the file
        world.set(opened, number, BUFFERS[number][0])
    else:
        with refuses(NTStatus.ACCESS_DENIED):
            world.set(opened, number, BUFFERS[number][0])
    assert world.memory.paths() == before
    assert world.memory.read_bytes(PATH) == b"hello"


@pytest.mark.parametrize(
    "number",
    [Class.BASIC, Class.RENAME, Class.RENAME_EX, Class.LINK, Class.DISPOSITION],
)
def test_a_read_only_store(number: int) -> None:
    world = World(backend=_read_only_store())
    opened = world.add(world.backend.open(PATH), FULL, 0)
    buffer = {Class.BASIC: FileBasicInformation(0, 0, 0, 0, 1).encode(), Class.DISPOSITION: b"\1"}
    with refuses(NTStatus.MEDIA_WRITE_PROTECTED):
        world.set(opened, number, buffer.get(number, BUFFERS[number][0]))
    assert opened.file is not None
    assert not opened.file.delete_pending


def _read_only_store() -> MemoryBackend:
    return MemoryBackend(FILES, read_only=True)


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ((1, 2, 3, 5, 6, 7, 8, 9, 12, 17, 18, 21, 22, 24, 25, 28), "INVALID_INFO_CLASS"),
        ((33, 34, 35, 37, 38, 46, 48, 59, 0, 30, 100, 255), "INVALID_INFO_CLASS"),
        ((32,), "NOT_SUPPORTED"),
        ((23,), "INVALID_PARAMETER"),
    ],
)
def test_classes_that_can_not_be_set(
    world: World, file: Open, numbers: tuple[int, ...], status: str
) -> None:
    for number in numbers:
        with refuses(getattr(NTStatus, status)):
            world.set(file, number, bytes(64))


def test_lengths_and_types_of_the_request(world: World, file: Open) -> None:
    world.max_transact_size = 100
    for length in (0, 101):
        with refuses(NTStatus.INVALID_PARAMETER):
            world.set(file, Class.BASIC, bytes(length))
    world.set(file, Class.BASIC, bytes(100))
    for info_type in (0, 5):
        with refuses(NTStatus.INVALID_PARAMETER):
            world.set(file, Class.BASIC, bytes(40), info_type)


def test_volumes_and_quotas_can_not_be_set(world: World, file: Open) -> None:
    for number, status in (
        (1, NTStatus.INVALID_INFO_CLASS),
        (2, NTStatus.NOT_SUPPORTED),
        (6, NTStatus.ACCESS_DENIED),
        (8, NTStatus.ACCESS_DENIED),
        (11, NTStatus.INVALID_INFO_CLASS),
        (99, NTStatus.INVALID_INFO_CLASS),
    ):
        with refuses(status):
            world.set(file, number, bytes(64), InfoType.FILESYSTEM)
    with refuses(NTStatus.NOT_SUPPORTED):
        world.set(file, 0, bytes(64), InfoType.QUOTA)


@pytest.mark.parametrize(
    ("part", "access"),
    [
        (SecurityInformation.OWNER, AccessMask.WRITE_OWNER),
        (SecurityInformation.GROUP, AccessMask.WRITE_OWNER),
        (SecurityInformation.LABEL, AccessMask.WRITE_OWNER),
        (SecurityInformation.DACL, AccessMask.WRITE_DAC),
        (SecurityInformation.ATTRIBUTE, AccessMask.WRITE_DAC),
        (SecurityInformation.SACL, AccessMask.ACCESS_SYSTEM_SECURITY),
        (SecurityInformation.SCOPE, AccessMask.ACCESS_SYSTEM_SECURITY),
        (
            SecurityInformation.BACKUP,
            AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER | AccessMask.ACCESS_SYSTEM_SECURITY,
        ),
    ],
)
def test_security_can_not_be_set(world: World, part: int, access: int) -> None:
    everything = FULL | AccessMask.ACCESS_SYSTEM_SECURITY
    for bit in (1 << shift for shift in range(32)):
        if access & bit:
            with refuses(NTStatus.ACCESS_DENIED):
                opened = world.open(PATH, everything & ~bit)
                world.set(opened, 0, bytes(20), InfoType.SECURITY, additional=part)
    with refuses(NTStatus.INVALID_DEVICE_REQUEST):
        world.set(world.open(PATH, access), 0, bytes(20), InfoType.SECURITY, additional=part)


# Times and attributes


def basic(*fields: int) -> bytes:
    return FileBasicInformation(*fields).encode()


def test_times(world: World, file: Open) -> None:
    base = 130_000_000_000_000_000
    world.set(file, Class.BASIC, basic(base + 1, base + 2, base + 3, base + 4, 0))
    info = file.disk().info()
    assert info.creation_time == base + 1
    assert info.last_access_time == base + 2
    assert info.last_write_time == base + 3
    assert info.change_time == base + 4
    assert info.attributes == FileAttributes.ARCHIVE
    for special in (0, -1, -2):
        world.set(file, Class.BASIC, basic(special, special, special, special, 0))
        assert file.disk().info() == info
    world.set(file, Class.BASIC, basic(0, -1, base + 7, 0, 0))
    info = file.disk().info()
    assert (info.last_access_time, info.last_write_time) == (base + 2, base + 7)


@pytest.mark.parametrize("place", range(4))
def test_negative_times(world: World, file: Open, place: int) -> None:
    fields = [0, 0, 0, 0, 0]
    fields[place] = -3
    with refuses(NTStatus.INVALID_PARAMETER):
        world.set(file, Class.BASIC, basic(*fields))


def test_attributes(world: World, file: Open) -> None:
    settable = FileAttributes.HIDDEN | FileAttributes.READONLY | FileAttributes.TEMPORARY
    others = FileAttributes.COMPRESSED | FileAttributes.SPARSE_FILE | FileAttributes.ENCRYPTED
    world.set(file, Class.BASIC, basic(0, 0, 0, 0, settable | others))
    assert attributes(file) == settable
    world.set(file, Class.BASIC, basic(0, 0, 0, 0, 0))
    assert attributes(file) == settable
    world.set(file, Class.BASIC, basic(0, 0, 0, 0, FileAttributes.NORMAL))
    assert attributes(file) == FileAttributes.NORMAL
    with refuses(NTStatus.INVALID_PARAMETER):
        world.set(file, Class.BASIC, basic(0, 0, 0, 0, FileAttributes.DIRECTORY))


def test_attributes_of_directories(world: World) -> None:
    directory, hidden = world.open("docs"), FileAttributes.HIDDEN
    world.set(directory, Class.BASIC, basic(0, 0, 0, 0, FileAttributes.DIRECTORY | hidden))
    assert attributes(directory) == FileAttributes.DIRECTORY | hidden
    with refuses(NTStatus.INVALID_PARAMETER):
        world.set(directory, Class.BASIC, basic(0, 0, 0, 0, FileAttributes.TEMPORARY))
    root = world.open("")
    world.set(root, Class.BASIC, basic(0, 0, 0, 0, hidden | FileAttributes.ARCHIVE))
    assert attributes(root) == FileAttributes.DIRECTORY | FileAttributes.ARCHIVE


# Sizes


def test_end_of_file(world: World, file: Open) -> None:
    world.set(file, Class.END_OF_FILE, FileEndOfFileInformation(3).encode())
    assert world.memory.read_bytes(PATH) == b"hel"
    world.set(file, Class.END_OF_FILE, FileEndOfFileInformation(6).encode())
    assert world.memory.read_bytes(PATH) == b"hel\0\0\0"


def test_allocation_is_in_clusters(world: World, file: Open) -> None:
    for size, length, allocated in ((1, 5, 4096), (4097, 5, 8192), (0, 0, 0)):
        world.set(file, Class.ALLOCATION, FileAllocationInformation(size).encode())
        info = file.disk().info()
        assert (info.end_of_file, info.allocation_size) == (length, allocated)


@pytest.mark.parametrize("number", [Class.END_OF_FILE, Class.ALLOCATION])
def test_sizes_that_can_not_be(
    world: World, file: Open, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (-1, -4096, (1 << 63) - 1 if number == Class.ALLOCATION else -(1 << 63)):
        with refuses(NTStatus.INVALID_PARAMETER):
            world.set(file, number, size.to_bytes(8, "little", signed=True))
    with refuses(NTStatus.INVALID_PARAMETER):
        world.set(world.open("docs"), number, bytes(8))
    with pytest.raises(OSError, match="space") as caught:
        world.set(file, number, (1 << 40).to_bytes(8, "little"))
    assert caught.value.errno == errno.ENOSPC
    assert world.memory.read_bytes(PATH) == b"hello"

    def too_large(size: int) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(file.disk(), "set_end_of_file", too_large)
    monkeypatch.setattr(file.disk(), "set_allocation_size", too_large)
    with refuses(NTStatus.INVALID_PARAMETER):
        world.set(file, number, (1 << 40).to_bytes(8, "little"))


def test_valid_data_length(world: World, file: Open) -> None:
    for length in (4, 6, -1):
        with refuses(NTStatus.INVALID_PARAMETER):
            data = FileValidDataLengthInformation(length).encode()
            world.set(file, Class.VALID_DATA_LENGTH, data)
    world.set(file, Class.VALID_DATA_LENGTH, FileValidDataLengthInformation(5).encode())
    with refuses(NTStatus.INVALID_PARAMETER):
        world.set(world.open("docs"), Class.VALID_DATA_LENGTH, bytes(8))


# State of the open


def test_position(world: World, file: Open) -> None:
    world.set(file, Class.POSITION, FilePositionInformation(100).encode())
    assert file.position == 100
    with refuses(NTStatus.INVALID_PARAMETER):
        world.set(file, Class.POSITION, FilePositionInformation(-1).encode())
    unbuffered = world.open(PATH, options=CreateOptions.NO_INTERMEDIATE_BUFFERING)
    world.set(unbuffered, Class.POSITION, FilePositionInformation(1024).encode())
    with refuses(NTStatus.INVALID_PARAMETER):
        world.set(unbuffered, Class.POSITION, FilePositionInformation(1025).encode())
    assert (file.position, unbuffered.position) == (100, 1024)


WRITE_THROUGH, SEQUENTIAL, UNBUFFERED, ALERT, NONALERT = 0x02, 0x04, 0x08, 0x10, 0x20


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (0, WRITE_THROUGH | SEQUENTIAL, WRITE_THROUGH | SEQUENTIAL),
        (WRITE_THROUGH | SEQUENTIAL, 0, 0),
        (UNBUFFERED, WRITE_THROUGH, UNBUFFERED),
        (ALERT, NONALERT, NONALERT),
        (NONALERT, NONALERT | SEQUENTIAL, NONALERT | SEQUENTIAL),
        (ALERT, 0, None),
        (0, ALERT, None),
        (ALERT, ALERT | NONALERT, None),
        (0, UNBUFFERED, None),
        (0, CreateOptions.DELETE_ON_CLOSE, None),
        (0, 0x80000000, None),
    ],
)
def test_mode(world: World, before: int, wanted: int, after: int | None) -> None:
    kept = CreateOptions.NON_DIRECTORY_FILE
    opened = world.open(PATH, options=before | kept)
    buffer = FileModeInformation(wanted).encode()
    if after is None:
        with refuses(NTStatus.INVALID_PARAMETER):
            world.set(opened, Class.MODE, buffer)
        after = before
    else:
        world.set(opened, Class.MODE, buffer)
    assert mode(opened) == after
    assert opened.create_options == after | kept


def test_pipe(world: World) -> None:
    pipe = world.open_pipe(cast(Pipe, SimpleNamespace(available=0)))
    for completion in (0, 1):
        world.set(pipe, Class.PIPE, FilePipeInformation(1, completion).encode())
    for read_mode, completion in ((0, 0), (2, 0), (1, 2)):
        with refuses(NTStatus.INVALID_PARAMETER):
            world.set(pipe, Class.PIPE, FilePipeInformation(read_mode, completion).encode())
    with refuses(NTStatus.INFO_LENGTH_MISMATCH):
        world.set(pipe, Class.PIPE, bytes(7))
    for number, (buffer, _, _) in BUFFERS.items():
        with refuses(NTStatus.INVALID_PARAMETER):
            world.set(pipe, number, buffer)
    pipe.granted_access = FULL & ~AccessMask.FILE_WRITE_ATTRIBUTES
    with refuses(NTStatus.ACCESS_DENIED):
        world.set(pipe, Class.PIPE, FilePipeInformation(1, 0).encode())


# Deletion


def delete(world: World, opened: Open, wanted: bool = True) -> None:
    world.set(opened, Class.DISPOSITION, FileDispositionInformation(wanted).encode())


def delete_ex(world: World, opened: Open, flags: int) -> None:
    world.set(opened, Class.DISPOSITION_EX, FileDispositionInformationEx(flags).encode())


def pending(opened: Open) -> bool:
    assert opened.file is not None
    return opened.file.delete_pending


def test_deletion_is_pending_for_all_opens_of_the_file(world: World, file: Open) -> None:
    other = world.open(PATH)
    delete(world, file)
    assert pending(file)
    assert pending(other)
    delete(world, other, False)
    assert not pending(file)
    assert PATH in world.memory.paths()


def test_what_can_not_be_deleted(world: World, file: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with refuses(NTStatus.ACCESS_DENIED):
        delete(world, world.open(""))
    with refuses(NTStatus.DIRECTORY_NOT_EMPTY):
        delete(world, world.open("docs"))
    with refuses(NTStatus.DIRECTORY_NOT_EMPTY):
        delete_ex(world, world.open("docs"), DispositionFlags.DELETE)
    mark(file, FileAttributes.READONLY)
    with refuses(NTStatus.CANNOT_DELETE):
        delete(world, file)
    delete(world, file, False)
    other = world.open("top.txt")
    monkeypatch.setattr(other.disk(), "maximal_access", lambda: FULL & ~AccessMask.DELETE)
    with refuses(NTStatus.ACCESS_DENIED):
        delete(world, other)
    assert not pending(file)
    assert not pending(other)


def test_an_empty_directory(world: World) -> None:
    empty = world.make_directory("docs\\new")
    delete(world, empty)
    assert pending(empty)


def test_disposition_ex(world: World, file: Open) -> None:
    flags = DispositionFlags
    for extra in (0, flags.POSIX_SEMANTICS, flags.FORCE_IMAGE_SECTION_CHECK):
        delete_ex(world, file, flags.DELETE | extra)
        assert pending(file)
        assert PATH in world.memory.paths()
        delete_ex(world, file, extra)
        assert not pending(file)
    for unknown in (0x20, 0x80000000, flags.DELETE | 0x40):
        with refuses(NTStatus.NOT_SUPPORTED):
            delete_ex(world, file, unknown)


def test_a_read_only_file_goes_when_asked_to(world: World, file: Open) -> None:
    mark(file, FileAttributes.READONLY)
    ignore = DispositionFlags.DELETE | DispositionFlags.IGNORE_READONLY_ATTRIBUTE
    with refuses(NTStatus.CANNOT_DELETE):
        delete_ex(world, file, DispositionFlags.DELETE)
    with refuses(NTStatus.CANNOT_DELETE):
        delete_ex(world, world.open(PATH, AccessMask.DELETE), ignore)
    delete_ex(world, file, ignore)
    assert pending(file)


def test_on_close_is_about_the_handle(world: World, file: Open) -> None:
    with refuses(NTStatus.NOT_SUPPORTED):
        delete_ex(world, file, DispositionFlags.ON_CLOSE | DispositionFlags.DELETE)
    opened = world.open(PATH, options=CreateOptions.DELETE_ON_CLOSE)
    opened.delete_on_close = True
    delete_ex(world, opened, DispositionFlags.ON_CLOSE)
    assert (opened.delete_on_close, pending(opened)) == (False, False)
    delete_ex(world, opened, DispositionFlags.ON_CLOSE | DispositionFlags.DELETE)
    assert (opened.delete_on_close, pending(opened)) == (True, False)


# Names


def rename(world: World, opened: Open, name: str, replace: bool = False, root: int = 0) -> None:
    world.set(opened, Class.RENAME, FileRenameInformation(replace, name, root).encode())


def rename_ex(world: World, opened: Open, name: str, flags: int = 0) -> None:
    world.set(opened, Class.RENAME_EX, FileRenameInformationEx(flags, name).encode())


def link(world: World, opened: Open, name: str, replace: bool = False, root: int = 0) -> None:
    world.set(opened, Class.LINK, FileLinkInformation(replace, name, root).encode())


def test_rename_moves_all_opens_of_the_file(world: World, file: Open) -> None:
    other = world.open(PATH)
    rename(world, file, "DOCS\\sub\\New name.txt")
    assert file.path == other.path == other.disk().path == "docs\\sub\\New name.txt"
    assert world.memory.read_bytes("docs\\sub\\New name.txt") == b"hello"
    assert PATH not in world.memory.paths()
    rename(world, other, "a.txt")
    assert file.path == "a.txt"


def test_rename_of_a_directory(world: World) -> None:
    docs = world.open("docs")
    inside = world.open("docs\\sub\\c.txt", AccessMask.FILE_READ_ATTRIBUTES)
    with refuses(NTStatus.ACCESS_DENIED):
        rename(world, docs, "papers")
    world.close(inside)
    neighbour = world.open("top.txt")
    twin = world.open("docs")
    rename(world, docs, "papers")
    assert (docs.path, twin.path, neighbour.path) == ("papers", "papers", "top.txt")
    assert world.memory.read_bytes("papers\\a.txt") == b"hello"
    with refuses(NTStatus.ACCESS_DENIED):
        rename(world, docs, "papers\\sub\\deeper")


def test_rename_onto_itself_and_of_case(world: World, file: Open) -> None:
    before = file.disk().info()
    rename(world, file, PATH)
    assert file.disk().info() == before
    rename(world, file, "docs\\A.TXT")
    assert file.path == "docs\\A.TXT"
    assert "docs\\A.TXT" in world.memory.paths()


def test_rename_onto_another_file(world: World, file: Open) -> None:
    with refuses(NTStatus.OBJECT_NAME_COLLISION):
        rename(world, file, "docs\\B.txt")
    target = world.open("docs\\b.txt", AccessMask.FILE_READ_ATTRIBUTES)
    with refuses(NTStatus.ACCESS_DENIED):
        rename(world, file, "docs\\b.txt", replace=True)
    assert target.file is not None
    target.file.delete_pending = True
    with refuses(NTStatus.DELETE_PENDING):
        rename(world, file, "docs\\b.txt", replace=True)
    mark(target, FileAttributes.READONLY)
    with refuses(NTStatus.ACCESS_DENIED):
        rename(world, file, "docs\\b.txt", replace=True)
    world.close(target)
    with refuses(NTStatus.ACCESS_DENIED):
        rename(world, file, "docs\\b.txt", replace=True)
    with refuses(NTStatus.ACCESS_DENIED):
        rename(world, file, "docs\\sub", replace=True)
    assert world.memory.read_bytes("docs\\b.txt") == b"other"
    rename(world, file, "top.txt", replace=True)
    assert world.memory.read_bytes("top.txt") == b"hello"
    assert file.path == "top.txt"


def test_rename_that_is_refused(world: World, file: Open) -> None:
    for name, status in (
        ("", NTStatus.INVALID_PARAMETER),
        ("\\\\x", NTStatus.INVALID_PARAMETER),
        ("..\\x", NTStatus.OBJECT_PATH_SYNTAX_BAD),
        (":stream", NTStatus.NOT_SUPPORTED),
        ("a:stream", NTStatus.OBJECT_NAME_INVALID),
        ("a*b", NTStatus.OBJECT_NAME_INVALID),
        ("missing\\x", NTStatus.OBJECT_PATH_NOT_FOUND),
        ("top.txt\\x", NTStatus.OBJECT_PATH_NOT_FOUND),
    ):
        with refuses(status):
            rename(world, file, name)
        with refuses(status):
            rename_ex(world, file, name)
        with refuses(status):
            link(world, file, name)
    with refuses(NTStatus.INVALID_PARAMETER):
        rename(world, file, "\\x")
    for action in (rename, link):
        with refuses(NTStatus.INVALID_PARAMETER):
            action(world, file, "x", root=1)
    with refuses(NTStatus.ACCESS_DENIED):
        rename(world, world.open(""), "x")
    delete(world, file)
    with refuses(NTStatus.ACCESS_DENIED):
        rename(world, file, "x")
    with refuses(NTStatus.ACCESS_DENIED):
        link(world, file, "x")
    assert world.memory.paths() == World(FILES).memory.paths()


@pytest.mark.parametrize("number", [Class.RENAME, Class.RENAME_EX, Class.LINK])
def test_a_name_outside_the_buffer(world: World, file: Open, number: int) -> None:
    buffer = bytearray(FileRenameInformation(False, "longer name").encode())
    for length in (len(buffer) - 18, 0xFFFFFFFE, 3):
        buffer[16:20] = length.to_bytes(4, "little")
        with pytest.raises(DecodeError):
            world.set(file, number, bytes(buffer))


def test_rename_ex(world: World, file: Open) -> None:
    with refuses(NTStatus.OBJECT_NAME_COLLISION):
        rename_ex(world, file, "top.txt", RenameFlags.POSIX_SEMANTICS)
    replace = RenameFlags.REPLACE_IF_EXISTS
    wishes = RenameFlags.POSIX_SEMANTICS | RenameFlags.IGNORE_READONLY_ATTRIBUTE
    target = world.open("top.txt")
    with refuses(NTStatus.ACCESS_DENIED):
        rename_ex(world, file, "top.txt", replace | wishes)
    world.close(target)
    with refuses(NTStatus.INVALID_PARAMETER):
        rename_ex(world, file, "top.txt", replace | 0x200)
    rename_ex(world, file, "top.txt", replace | wishes)
    assert world.memory.read_bytes("top.txt") == b"hello"


def test_link(world: World) -> None:
    file = world.open(PATH, AccessMask.FILE_READ_ATTRIBUTES)
    link(world, file, "docs\\sub\\again.txt")
    assert world.memory.read_bytes("docs\\sub\\again.txt") == b"hello"
    assert file.disk().info().number_of_links == 2
    assert file.path == PATH
    with refuses(NTStatus.OBJECT_NAME_COLLISION):
        link(world, file, "docs\\sub\\again.txt")
    with refuses(NTStatus.OBJECT_NAME_COLLISION):
        link(world, file, "top.txt")
    with refuses(NTStatus.FILE_IS_A_DIRECTORY):
        link(world, world.open("docs"), "papers")
    target = world.open("top.txt")
    with refuses(NTStatus.ACCESS_DENIED):
        link(world, file, "top.txt", replace=True)
    world.close(target)
    link(world, file, "\\top.txt", replace=True)
    assert world.memory.read_bytes("top.txt") == b"hello"


def test_rename_to_another_name_of_the_same_file(world: World, file: Open) -> None:
    link(world, file, "second.txt")
    rename(world, file, "second.txt")
    assert file.path == "second.txt"
    assert PATH not in world.memory.paths()
    assert world.memory.read_bytes("second.txt") == b"hello"


# What is not stored


def test_malformed_extended_attributes(world: World, file: Open) -> None:
    for buffer in (b"\1", bytes(7), b"\x04" + bytes(20), b"\0\0\0\0\0\x05\0\0A"):
        with refuses(NTStatus.EA_LIST_INCONSISTENT):
            world.set(file, Class.FULL_EA, buffer)


@given(
    info_type=st.integers(0, 5),
    number=st.one_of(st.sampled_from(sorted(BUFFERS)), st.integers(0, 255)),
    buffer=st.one_of(
        st.binary(max_size=64),
        st.builds(
            lambda text: FileRenameInformation(True, text).encode(),
            st.text(alphabet="ab\\.:*/\0\u00e9", max_size=6),
        ),
    ),
    additional=st.integers(0, (1 << 32) - 1),
    access=st.sampled_from([0, READ_ACCESS, FULL]),
    path=st.sampled_from(["", "docs", "docs\\sub", PATH]),
)
@settings(deadline=None, max_examples=200)
def test_any_buffer_is_applied_or_refused(
    info_type: int, number: int, buffer: bytes, additional: int, access: int, path: str
) -> None:
    world = World(FILES)
    opened = world.open(path, access)
    try:
        world.set(opened, number, buffer, info_type, additional=additional)
    except (NTStatusError, DecodeError):
        pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    assert opened.path == opened.disk().path
