"""QUERY_INFO over the memory store: files, pipes, volumes, security descriptors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import DecodeError, NTStatusError
from paraph.rpc.pipe import Pipe
from paraph.server.file_info import CLASSES
from paraph.server.open import Open
from paraph.server.tree import READ_ACCESS
from paraph.storage.base import VolumeInfo
from paraph.wire.dtyp import Ace, AceFlags, SecurityDescriptor, WellKnownSid
from paraph.wire.fscc_file import (
    MINIMUM_OUTPUT,
    FileAccessInformation,
    FileAlignmentInformation,
    FileAllInformation,
    FileAttributes,
    FileAttributeTagInformation,
    FileBasicInformation,
    FileCompressionInformation,
    FileEaInformation,
    FileIdInformation,
    FileInternalInformation,
    FileModeInformation,
    FileNameInformation,
    FileNetworkOpenInformation,
    FilePipeInformation,
    FilePipeLocalInformation,
    FilePositionInformation,
    FileStandardInformation,
)
from paraph.wire.fscc_file import FileInformationClass as Class
from paraph.wire.fscc_list import FileStreamInformation
from paraph.wire.fscc_volume import MINIMUM_OUTPUT as VOLUME_MINIMUM
from paraph.wire.fscc_volume import (
    NO_QUOTA,
    FileFsAttributeInformation,
    FileFsControlInformation,
    FileFsDeviceInformation,
    FileFsFullSizeInformation,
    FileFsSectorSizeInformation,
    FileFsSizeInformation,
    FileFsVolumeInformation,
    FileSystemAttributes,
    FsInformationClass,
)
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, CreateOptions
from paraph.wire.smb2.info import InfoType, SecurityInformation
from tests.server.handler_env import FULL, World, refuses

READ_ATTRIBUTES = AccessMask.FILE_READ_ATTRIBUTES
PATH = "docs\\Read Me.txt"
ON_DISK = sorted(number for number, row in CLASSES.items() if row.where & 1)
ON_PIPE = sorted(number for number, row in CLASSES.items() if row.where & 2)
ALWAYS_REFUSED = {
    Class.ALTERNATE_NAME: NTStatus.OBJECT_NAME_NOT_FOUND,
    Class.FULL_EA: NTStatus.NO_EAS_ON_FILE,
}


@pytest.fixture
def world() -> World:
    return World({PATH: b"x" * 5000})


@pytest.fixture
def file(world: World) -> Open:
    return world.open("docs\\read me.TXT")


@pytest.fixture
def directory(world: World) -> Open:
    return world.open("docs")


# Files


def test_basic_and_network_open(world: World, file: Open) -> None:
    info = file.disk().info()
    times = (info.creation_time, info.last_access_time, info.last_write_time, info.change_time)
    basic = FileBasicInformation.decode(world.query(file, Class.BASIC))
    assert basic == FileBasicInformation(*times, FileAttributes.ARCHIVE)
    opened = FileNetworkOpenInformation.decode(world.query(file, Class.NETWORK_OPEN))
    assert opened == FileNetworkOpenInformation(*times, 8192, 5000, FileAttributes.ARCHIVE)


def test_directory(world: World, directory: Open) -> None:
    basic = FileBasicInformation.decode(world.query(directory, Class.BASIC))
    assert basic.file_attributes == FileAttributes.DIRECTORY
    standard = FileStandardInformation.decode(world.query(directory, Class.STANDARD))
    assert standard == FileStandardInformation(0, 0, 1, False, True)
    tag = FileAttributeTagInformation.decode(world.query(directory, Class.ATTRIBUTE_TAG))
    assert tag == FileAttributeTagInformation(FileAttributes.DIRECTORY, 0)
    compression = FileCompressionInformation.decode(world.query(directory, Class.COMPRESSION))
    assert compression == FileCompressionInformation(0, 0, 0, 0, 0)
    assert bytes(world.query(directory, Class.STREAM)) == b""


def test_standard_counts_the_link_that_is_to_be_deleted_as_gone(world: World, file: Open) -> None:
    def standard() -> FileStandardInformation:
        return FileStandardInformation.decode(world.query(file, Class.STANDARD))

    assert standard() == FileStandardInformation(8192, 5000, 1, False, False)
    assert file.file is not None
    file.file.delete_pending = True
    assert standard() == FileStandardInformation(8192, 5000, 0, True, False)
    file.disk().link("other", replace=False)
    assert standard() == FileStandardInformation(8192, 5000, 1, True, False)
    file.file.delete_pending = False
    assert standard() == FileStandardInformation(8192, 5000, 2, False, False)


def test_small_classes(world: World) -> None:
    options = CreateOptions.SEQUENTIAL_ONLY | CreateOptions.NON_DIRECTORY_FILE
    file = world.open(PATH, READ_ATTRIBUTES, options=options)
    file.position = 1234
    number = file.disk().info().file_id
    assert FileInternalInformation.decode(world.query(file, Class.INTERNAL)).index_number == number
    assert FileEaInformation.decode(world.query(file, Class.EA)).ea_size == 0
    access = FileAccessInformation.decode(world.query(file, Class.ACCESS))
    assert access.access_flags == READ_ATTRIBUTES
    position = FilePositionInformation.decode(world.query(file, Class.POSITION))
    assert position.current_byte_offset == 1234
    mode = FileModeInformation.decode(world.query(file, Class.MODE))
    assert mode.mode == CreateOptions.SEQUENTIAL_ONLY
    alignment = FileAlignmentInformation.decode(world.query(file, Class.ALIGNMENT))
    assert alignment.alignment_requirement == 0
    compression = FileCompressionInformation.decode(world.query(file, Class.COMPRESSION))
    assert compression == FileCompressionInformation(8192, 0, 0, 0, 0)


def test_ea_size_counts_the_head_of_the_list(
    world: World, file: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = file.disk().info()
    info.ea_size = 10
    monkeypatch.setattr(file.disk(), "info", lambda: info)
    assert FileEaInformation.decode(world.query(file, Class.EA)).ea_size == 14
    assert FileAllInformation.decode(world.query(file, Class.ALL)).ea_size == 14


def test_all(world: World, file: Open) -> None:
    everything = FileAllInformation.decode(world.query(file, Class.ALL))
    assert everything.file_name == "\\" + PATH
    assert everything.end_of_file == 5000
    assert everything.number_of_links == 1
    assert everything.index_number == file.disk().info().file_id
    assert everything.access_flags == FULL
    root = FileAllInformation.decode(world.query(world.open(""), Class.ALL))
    assert (root.file_name, root.directory) == ("\\", True)


@pytest.mark.parametrize("length", [104, 105, 110, 131])
def test_all_with_a_name_that_is_cut(world: World, file: Open, length: int) -> None:
    whole = bytes(world.query(file, Class.ALL))
    assert len(whole) == 100 + 2 * (len(PATH) + 1)
    part = world.query(file, Class.ALL, length, status=NTStatus.BUFFER_OVERFLOW)
    assert bytes(part) == whole[: length & ~1]
    assert bytes(world.query(file, Class.ALL, len(whole))) == whole


def test_streams(world: World, file: Open) -> None:
    data = world.query(file, Class.STREAM)
    (stream,) = FileStreamInformation.decode_list(data)
    assert stream == FileStreamInformation("::$DATA", 5000, 8192)
    assert len(world.query(file, Class.STREAM, len(data))) == len(data)
    cut = world.query(file, Class.STREAM, len(data) - 1, status=NTStatus.BUFFER_OVERFLOW)
    assert bytes(cut) == b""


def test_a_short_name_is_its_own_alternate() -> None:
    world = World({"docs\\SHORT.TXT": b"", PATH: b""})
    for path in ("docs\\short.txt", "docs"):
        data = world.query(world.open(path), Class.ALTERNATE_NAME)
        stored = world.open(path).path.rpartition("\\")[2]
        assert FileNameInformation.decode(data).file_name == stored
    for path in (PATH, ""):
        with refuses(NTStatus.OBJECT_NAME_NOT_FOUND):
            world.query(world.open(path), Class.ALTERNATE_NAME)


def test_identifiers_of_the_dialects() -> None:
    for dialect, has_id, has_name in (
        (0x0202, False, False),
        (0x0210, False, False),
        (0x0300, True, False),
        (0x0302, True, False),
        (0x0311, True, True),
    ):
        world = World({PATH: b""}, dialect=dialect)
        file = world.open(PATH)
        if has_id:
            found = FileIdInformation.decode(world.query(file, Class.ID))
            serial = file.disk().volume().serial_number
            assert found == FileIdInformation(serial, file.disk().info().file_id)
        else:
            with refuses(NTStatus.NOT_SUPPORTED):
                world.query(file, Class.ID)
        if has_name:
            data = world.query(file, Class.NORMALIZED_NAME)
            assert FileNameInformation.decode(data).file_name == PATH
            cut = world.query(file, Class.NORMALIZED_NAME, 9, status=NTStatus.BUFFER_OVERFLOW)
            assert bytes(cut) == bytes(data[:8])
        else:
            with refuses(NTStatus.NOT_SUPPORTED):
                world.query(file, Class.NORMALIZED_NAME)


@pytest.mark.parametrize("number", ON_DISK)
def test_least_length_of_files(world: World, file: Open, number: int) -> None:
    minimum = MINIMUM_OUTPUT.get(number, 0)
    for length in {0, minimum - 1} - {-1}:
        if length < minimum:
            with refuses(NTStatus.INFO_LENGTH_MISMATCH):
                world.query(file, number, length)
    if number in ALWAYS_REFUSED:
        with refuses(ALWAYS_REFUSED[number]):
            world.query(file, number)
    else:
        assert len(world.query(file, number)) >= min(minimum, 24)


@pytest.mark.parametrize("number", ON_DISK)
def test_access_to_files(world: World, number: int) -> None:
    needed = {
        Class.BASIC: READ_ATTRIBUTES,
        Class.ALL: READ_ATTRIBUTES,
        Class.NETWORK_OPEN: READ_ATTRIBUTES,
        Class.ATTRIBUTE_TAG: READ_ATTRIBUTES,
        Class.FULL_EA: AccessMask.FILE_READ_EA,
    }.get(number, 0)
    if needed:
        with refuses(NTStatus.ACCESS_DENIED):
            world.query(world.open(PATH, FULL & ~needed), number)
    if number not in ALWAYS_REFUSED:
        world.query(world.open(PATH, needed), number)


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ((1, 2, 3, 10, 11, 12, 13, 19, 20, 27, 31, 36, 37, 38, 39, 40, 50), "INVALID_INFO_CLASS"),
        ((0, 42, 100, 200, 255), "INVALID_INFO_CLASS"),
        ((9, 25, 26, 29, 32, 33, 44, 45, 46, 54, 60, 64, 65, 78, 79, 80, 81), "NOT_SUPPORTED"),
        ((23, 24), "INVALID_PARAMETER"),
    ],
)
def test_classes_that_are_not_for_files(
    world: World, file: Open, numbers: tuple[int, ...], status: str
) -> None:
    for number in numbers:
        with refuses(getattr(NTStatus, status)):
            world.query(file, number)


def test_lengths_and_types_of_the_request(world: World, file: Open) -> None:
    world.query(file, Class.BASIC, world.max_transact_size)
    with refuses(NTStatus.INVALID_PARAMETER):
        world.query(file, Class.BASIC, world.max_transact_size + 1)
    for info_type in (0, 5, 255):
        with refuses(NTStatus.INVALID_PARAMETER):
            world.query(file, Class.BASIC, info_type=info_type)
    with refuses(NTStatus.NOT_SUPPORTED):
        world.query(file, 0, info_type=InfoType.QUOTA)


# Pipes


@pytest.fixture
def pipe(world: World) -> Open:
    return world.open_pipe(cast(Pipe, SimpleNamespace(available=12)))


@pytest.mark.parametrize("number", ON_PIPE)
def test_pipe_answers(world: World, pipe: Open, number: int) -> None:
    assert len(world.query(pipe, number)) >= MINIMUM_OUTPUT[number] - 4
    with refuses(NTStatus.INFO_LENGTH_MISMATCH):
        world.query(pipe, number, MINIMUM_OUTPUT[number] - 1)


def test_pipe(world: World, pipe: Open) -> None:
    standard = FileStandardInformation.decode(world.query(pipe, Class.STANDARD))
    assert standard == FileStandardInformation(4096, 12, 1, False, False)
    basic = FileBasicInformation.decode(world.query(pipe, Class.BASIC))
    assert basic == FileBasicInformation(0, 0, 0, 0, FileAttributes.NORMAL)
    assert FileAllInformation.decode(world.query(pipe, Class.ALL)).file_name == "\\srvsvc"
    assert FilePipeInformation.decode(world.query(pipe, Class.PIPE)).read_mode == 1
    local = FilePipeLocalInformation.decode(world.query(pipe, Class.PIPE_LOCAL))
    assert (local.named_pipe_type, local.read_data_available) == (1, 12)
    assert (local.named_pipe_state, local.named_pipe_end) == (3, 0)


def test_what_a_pipe_has_not(world: World, pipe: Open) -> None:
    for number in set(ON_DISK) - set(ON_PIPE):
        with refuses(NTStatus.INVALID_PARAMETER):
            world.query(pipe, number)
    with refuses(NTStatus.INVALID_DEVICE_REQUEST):
        world.query(pipe, FsInformationClass.VOLUME, info_type=InfoType.FILESYSTEM)
    pipe.granted_access = 0
    for number in (Class.PIPE, Class.PIPE_LOCAL):
        with refuses(NTStatus.ACCESS_DENIED):
            world.query(pipe, number)


# Volumes


def volume(
    world: World,
    opened: Open,
    number: int,
    length: int = 65536,
    *,
    status: int = NTStatus.SUCCESS,
) -> memoryview:
    return world.query(opened, number, length, InfoType.FILESYSTEM, status=status)


@pytest.fixture
def told(world: World, monkeypatch: pytest.MonkeyPatch) -> VolumeInfo:
    """A volume whose numbers differ from each other, and that boasts."""
    info = VolumeInfo(
        total_units=1000,
        free_units=300,
        available_units=200,
        sectors_per_unit=8,
        bytes_per_sector=512,
        serial_number=0x1234ABCD,
        label="A volume",
        creation_time=132_000_000_000_000_000,
        file_system_name="NTFS",
        maximum_component_length=255,
        attributes=0xFFFFFFFF & ~FileSystemAttributes.READ_ONLY_VOLUME,
    )
    monkeypatch.setattr("paraph.storage.memory.MemoryHandle.volume", lambda handle: info)
    return info


def test_volume_classes(world: World, file: Open, told: VolumeInfo) -> None:
    data = volume(world, file, FsInformationClass.VOLUME)
    assert FileFsVolumeInformation.decode(data) == FileFsVolumeInformation(
        told.creation_time, 0x1234ABCD, "A volume"
    )
    data = volume(world, file, FsInformationClass.SIZE)
    assert FileFsSizeInformation.decode(data) == FileFsSizeInformation(1000, 200, 8, 512)
    data = volume(world, file, FsInformationClass.FULL_SIZE)
    assert FileFsFullSizeInformation.decode(data) == FileFsFullSizeInformation(
        1000, 200, 300, 8, 512
    )
    data = volume(world, file, FsInformationClass.DEVICE)
    assert FileFsDeviceInformation.decode(data) == FileFsDeviceInformation(7, 0x20)
    data = volume(world, file, FsInformationClass.CONTROL)
    assert FileFsControlInformation.decode(data) == FileFsControlInformation(
        0, 0, 0, NO_QUOTA, NO_QUOTA, 0
    )
    data = volume(world, file, FsInformationClass.SECTOR_SIZE)
    sectors = FileFsSectorSizeInformation.decode(data)
    assert sectors.logical_bytes_per_sector == 512
    assert sectors.flags == 0


def test_a_volume_claims_only_what_the_server_can(
    world: World, file: Open, told: VolumeInfo
) -> None:
    data = volume(world, file, FsInformationClass.ATTRIBUTE)
    claimed = FileFsAttributeInformation.decode(data)
    assert claimed.file_system_name == "NTFS"
    assert claimed.maximum_component_name_length == 255
    assert claimed.file_system_attributes == (
        FileSystemAttributes.CASE_PRESERVED_NAMES
        | FileSystemAttributes.UNICODE_ON_DISK
        | FileSystemAttributes.SUPPORTS_HARD_LINKS
    )


def test_a_read_only_share_is_a_read_only_volume() -> None:
    world = World({PATH: b""}, read_only=True)
    file = world.open(PATH, READ_ACCESS)
    data = volume(world, file, FsInformationClass.ATTRIBUTE)
    claimed = FileFsAttributeInformation.decode(data).file_system_attributes
    assert claimed & FileSystemAttributes.READ_ONLY_VOLUME
    data = volume(world, file, FsInformationClass.DEVICE)
    assert FileFsDeviceInformation.decode(data) == FileFsDeviceInformation(7, 0x22)


@pytest.mark.parametrize("number", sorted(VOLUME_MINIMUM))
def test_least_length_of_volumes(world: World, file: Open, number: int) -> None:
    if number == FsInformationClass.OBJECT_ID:
        with refuses(NTStatus.INVALID_PARAMETER):
            volume(world, file, number)
        return
    for length in (0, VOLUME_MINIMUM[number] - 1):
        with refuses(NTStatus.INFO_LENGTH_MISMATCH):
            volume(world, file, number, length)
    assert volume(world, file, number)


@pytest.mark.parametrize(
    ("number", "minimum", "whole"),
    [(FsInformationClass.VOLUME, 24, 18 + 16), (FsInformationClass.ATTRIBUTE, 12, 12 + 8)],
)
def test_names_of_volumes_are_cut(
    world: World, file: Open, told: VolumeInfo, number: int, minimum: int, whole: int
) -> None:
    data = bytes(volume(world, file, number, whole))
    assert len(data) == whole
    for length in (minimum, minimum + 1, whole - 1):
        part = volume(world, file, number, length, status=NTStatus.BUFFER_OVERFLOW)
        assert bytes(part) == data[: length & ~1]


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (FsInformationClass.LABEL, NTStatus.NOT_SUPPORTED),
        (FsInformationClass.DRIVER_PATH, NTStatus.NOT_SUPPORTED),
        (FsInformationClass.VOLUME_FLAGS, NTStatus.NOT_SUPPORTED),
        (0, NTStatus.INVALID_INFO_CLASS),
        (12, NTStatus.INVALID_INFO_CLASS),
        (255, NTStatus.INVALID_INFO_CLASS),
    ],
)
def test_volume_classes_that_are_refused(
    world: World, file: Open, number: int, status: int
) -> None:
    with refuses(status):
        volume(world, file, number)


# Security

EVERYTHING = SecurityInformation.OWNER | SecurityInformation.GROUP | SecurityInformation.DACL


def security(world: World, opened: Open, parts: int, length: int = 65536) -> SecurityDescriptor:
    data = world.query(opened, 0, length, InfoType.SECURITY, additional=parts)
    return SecurityDescriptor.decode(data)


def everyone(descriptor: SecurityDescriptor) -> Ace:
    assert descriptor.dacl is not None
    (ace,) = descriptor.dacl.aces
    assert isinstance(ace, Ace)
    assert (ace.ace_type, ace.sid) == (0, WellKnownSid.EVERYONE)
    return ace


def test_the_descriptor_says_what_is_enforced(world: World, file: Open, directory: Open) -> None:
    found = security(world, file, EVERYTHING)
    assert found.owner == found.group == WellKnownSid.BUILTIN_ADMINISTRATORS
    assert (everyone(found).mask, everyone(found).ace_flags) == (FULL, 0)
    inherited = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT
    assert everyone(security(world, directory, EVERYTHING)).ace_flags == inherited
    read_only = World({PATH: b""}, read_only=True)
    opened = read_only.open(PATH, READ_ACCESS)
    assert everyone(security(read_only, opened, EVERYTHING)).mask == READ_ACCESS


def test_the_descriptor_says_what_the_store_enforces(
    world: World, file: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file.disk(), "maximal_access", lambda: 0x00120089)
    assert everyone(security(world, file, EVERYTHING)).mask == 0x00120089


def test_pipes_have_a_descriptor(world: World, pipe: Open) -> None:
    assert everyone(security(world, pipe, EVERYTHING)).mask == FULL


def test_parts_of_the_descriptor(world: World, file: Open) -> None:
    found = security(world, file, SecurityInformation.GROUP)
    assert (found.owner, found.dacl) == (None, None)
    assert found.group == WellKnownSid.BUILTIN_ADMINISTRATORS
    assert security(world, file, 0x00000F80) == security(world, file, 0)
    assert security(world, file, 0).owner is None


@pytest.mark.parametrize("bit", [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x10000])
def test_access_to_the_descriptor(world: World, bit: int) -> None:
    with refuses(NTStatus.ACCESS_DENIED):
        security(world, world.open(PATH, FULL & ~AccessMask.READ_CONTROL), bit)
    if bit in (SecurityInformation.SACL, SecurityInformation.BACKUP):
        with refuses(NTStatus.ACCESS_DENIED):
            security(world, world.open(PATH, FULL), bit)
    else:
        security(world, world.open(PATH, AccessMask.READ_CONTROL), bit)
    security(world, world.open(PATH, 0), 0)


def test_a_descriptor_is_never_cut(world: World, file: Open) -> None:
    whole = world.query(file, 0, info_type=InfoType.SECURITY, additional=EVERYTHING)
    needed = len(whole)
    for length in (0, 20, needed - 1):
        with refuses(NTStatus.BUFFER_TOO_SMALL, needed.to_bytes(4, "little")):
            security(world, file, EVERYTHING, length)
    security(world, file, EVERYTHING, needed)


@given(
    info_type=st.integers(0, 5),
    number=st.integers(0, 255),
    length=st.one_of(st.integers(0, 200), st.integers(0, 1 << 32)),
    additional=st.integers(0, (1 << 32) - 1),
    access=st.sampled_from([0, READ_ATTRIBUTES, READ_ACCESS, FULL]),
    path=st.sampled_from(["", "docs", PATH]),
)
@settings(deadline=None, max_examples=150)
def test_any_query_is_answered_within_bounds_or_refused(
    info_type: int, number: int, length: int, additional: int, access: int, path: str
) -> None:
    world = World({PATH: b"data"})
    opened = world.open(path, access)
    try:
        world.query(opened, number, length, info_type, additional=additional, status=None)
    except (NTStatusError, DecodeError):
        pass
