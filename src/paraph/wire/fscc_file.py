"""File information classes, [MS-FSCC] 2.4, and file attributes, 2.6.

One record per class that travels in SMB2 QUERY_INFO or SET_INFO, named after it; those that come
in chains (attributes, streams, quotas) are in `fscc_list`, directory listings in `fscc_dir`. See
`fscc` for how records read and write. Times are FILETIMEs, sizes and offsets are bytes; both are
signed on the wire, so a peer can send a negative one: whoever uses it decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

from paraph.errors import DecodeError
from paraph.wire.fscc import FixedRecord, encode_utf16, read_name
from paraph.wire.record import unpack


class FileInformationClass:
    """The Level column of [MS-FSCC] 2.4: FileXxxInformation is XXX."""

    DIRECTORY = 1
    FULL_DIRECTORY = 2
    BOTH_DIRECTORY = 3
    BASIC = 4
    STANDARD = 5
    INTERNAL = 6
    EA = 7
    ACCESS = 8
    NAME = 9
    RENAME = 10
    LINK = 11
    NAMES = 12
    DISPOSITION = 13
    POSITION = 14
    FULL_EA = 15
    MODE = 16
    ALIGNMENT = 17
    ALL = 18
    ALLOCATION = 19
    END_OF_FILE = 20
    ALTERNATE_NAME = 21
    STREAM = 22
    PIPE = 23
    PIPE_LOCAL = 24
    PIPE_REMOTE = 25
    MAILSLOT_QUERY = 26
    MAILSLOT_SET = 27
    COMPRESSION = 28
    OBJECT_ID = 29
    MOVE_CLUSTER = 31
    QUOTA = 32
    REPARSE_POINT = 33
    NETWORK_OPEN = 34
    ATTRIBUTE_TAG = 35
    TRACKING = 36
    ID_BOTH_DIRECTORY = 37
    ID_FULL_DIRECTORY = 38
    VALID_DATA_LENGTH = 39
    SHORT_NAME = 40
    SFIO_RESERVE = 44
    SFIO_VOLUME = 45
    HARD_LINK = 46
    NORMALIZED_NAME = 48
    ID_GLOBAL_TX_DIRECTORY = 50
    STANDARD_LINK = 54
    ID = 59
    ID_EXTD_DIRECTORY = 60
    DISPOSITION_EX = 64
    RENAME_EX = 65
    ID_64_EXTD_DIRECTORY = 78
    ID_64_EXTD_BOTH_DIRECTORY = 79
    ID_ALL_EXTD_DIRECTORY = 80
    ID_ALL_EXTD_BOTH_DIRECTORY = 81


MINIMUM_OUTPUT = {
    FileInformationClass.ACCESS: 4,
    FileInformationClass.ALIGNMENT: 4,
    FileInformationClass.ALL: 104,
    FileInformationClass.ALTERNATE_NAME: 8,
    FileInformationClass.ATTRIBUTE_TAG: 8,
    FileInformationClass.BASIC: 40,
    FileInformationClass.COMPRESSION: 16,
    FileInformationClass.EA: 4,
    FileInformationClass.ID: 24,
    FileInformationClass.INTERNAL: 8,
    FileInformationClass.MODE: 4,
    FileInformationClass.NAME: 8,
    FileInformationClass.NETWORK_OPEN: 56,
    FileInformationClass.NORMALIZED_NAME: 8,
    FileInformationClass.PIPE: 8,
    FileInformationClass.PIPE_LOCAL: 40,
    FileInformationClass.POSITION: 8,
    FileInformationClass.STANDARD: 24,
    FileInformationClass.STREAM: 24,
}
"""Bytes of output buffer below which a query fails with STATUS_INFO_LENGTH_MISMATCH, [MS-FSA]
2.1.5.12 (the pipe classes: the size of the structure). FULL_EA has no such rule."""


class FileAttributes:
    """FILE_ATTRIBUTE_*, [MS-FSCC] 2.6."""

    READONLY = 0x00000001
    HIDDEN = 0x00000002
    SYSTEM = 0x00000004
    DIRECTORY = 0x00000010
    ARCHIVE = 0x00000020
    NORMAL = 0x00000080
    TEMPORARY = 0x00000100
    SPARSE_FILE = 0x00000200
    REPARSE_POINT = 0x00000400
    COMPRESSED = 0x00000800
    OFFLINE = 0x00001000
    NOT_CONTENT_INDEXED = 0x00002000
    ENCRYPTED = 0x00004000
    INTEGRITY_STREAM = 0x00008000
    NO_SCRUB_DATA = 0x00020000
    RECALL_ON_OPEN = 0x00040000
    PINNED = 0x00080000
    UNPINNED = 0x00100000
    RECALL_ON_DATA_ACCESS = 0x00400000


class DispositionFlags:
    """FILE_DISPOSITION_*, [MS-FSCC] 2.4.12."""

    DELETE = 0x00000001
    POSIX_SEMANTICS = 0x00000002
    FORCE_IMAGE_SECTION_CHECK = 0x00000004
    ON_CLOSE = 0x00000008
    IGNORE_READONLY_ATTRIBUTE = 0x00000010


class RenameFlags:
    """FILE_RENAME_*, [MS-FSCC] 2.4.43."""

    REPLACE_IF_EXISTS = 0x00000001
    POSIX_SEMANTICS = 0x00000002
    SUPPRESS_PIN_STATE_INHERITANCE = 0x00000004
    SUPPRESS_STORAGE_RESERVE_INHERITANCE = 0x00000008
    NO_INCREASE_AVAILABLE_SPACE = 0x00000010
    NO_DECREASE_AVAILABLE_SPACE = 0x00000020
    IGNORE_READONLY_ATTRIBUTE = 0x00000040
    FORCE_RESIZE_TARGET_SR = 0x00000080
    FORCE_RESIZE_SOURCE_SR = 0x00000100


class PipeState:
    """NamedPipeState, [MS-FSCC] 2.4.38."""

    DISCONNECTED = 1
    LISTENING = 2
    CONNECTED = 3
    CLOSING = 4


COMPRESSION_FORMAT_NONE = 0
COMPRESSION_FORMAT_DEFAULT = 1
COMPRESSION_FORMAT_LZNT1 = 2


@dataclass(slots=True)
class FileBasicInformation(FixedRecord):
    """Class 4, [MS-FSCC] 2.4.7. In SET_INFO a time of 0 is left alone, -1 is left alone by this
    handle from now on, -2 ends that; file_attributes of 0 are left alone."""

    LAYOUT = Struct("<qqqqI4x")
    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    file_attributes: int


@dataclass(slots=True)
class FileStandardInformation(FixedRecord):
    """Class 5, [MS-FSCC] 2.4.47."""

    LAYOUT = Struct("<qqI??2x")
    allocation_size: int
    end_of_file: int
    number_of_links: int
    delete_pending: bool
    directory: bool


@dataclass(slots=True)
class FileInternalInformation(FixedRecord):
    """Class 6, [MS-FSCC] 2.4.27: the 64-bit file ID."""

    LAYOUT = Struct("<Q")
    index_number: int


@dataclass(slots=True)
class FileEaInformation(FixedRecord):
    """Class 7, [MS-FSCC] 2.4.13."""

    LAYOUT = Struct("<I")
    ea_size: int


@dataclass(slots=True)
class FileAccessInformation(FixedRecord):
    """Class 8, [MS-FSCC] 2.4.1."""

    LAYOUT = Struct("<I")
    access_flags: int


@dataclass(slots=True)
class FileDispositionInformation(FixedRecord):
    """Class 13, [MS-FSCC] 2.4.11."""

    LAYOUT = Struct("<?")
    delete_pending: bool


@dataclass(slots=True)
class FileDispositionInformationEx(FixedRecord):
    """Class 64, [MS-FSCC] 2.4.12; flags of `DispositionFlags`."""

    LAYOUT = Struct("<I")
    flags: int


@dataclass(slots=True)
class FilePositionInformation(FixedRecord):
    """Class 14, [MS-FSCC] 2.4.40."""

    LAYOUT = Struct("<q")
    current_byte_offset: int


@dataclass(slots=True)
class FileModeInformation(FixedRecord):
    """Class 16, [MS-FSCC] 2.4.31; bits of CreateOptions."""

    LAYOUT = Struct("<I")
    mode: int


@dataclass(slots=True)
class FileAlignmentInformation(FixedRecord):
    """Class 17, [MS-FSCC] 2.4.3: the alignment in bytes less one."""

    LAYOUT = Struct("<I")
    alignment_requirement: int


@dataclass(slots=True)
class FileAllocationInformation(FixedRecord):
    """Class 19, [MS-FSCC] 2.4.4."""

    LAYOUT = Struct("<q")
    allocation_size: int


@dataclass(slots=True)
class FileEndOfFileInformation(FixedRecord):
    """Class 20, [MS-FSCC] 2.4.14."""

    LAYOUT = Struct("<q")
    end_of_file: int


@dataclass(slots=True)
class FileValidDataLengthInformation(FixedRecord):
    """Class 39, [MS-FSCC] 2.4.50."""

    LAYOUT = Struct("<q")
    valid_data_length: int


@dataclass(slots=True)
class FilePipeInformation(FixedRecord):
    """Class 23, [MS-FSCC] 2.4.37: read_mode 1 is by message, completion_mode 1 does not block."""

    LAYOUT = Struct("<II")
    read_mode: int
    completion_mode: int


@dataclass(slots=True)
class FilePipeLocalInformation(FixedRecord):
    """Class 24, [MS-FSCC] 2.4.38: named_pipe_type 1 is by message, named_pipe_configuration 2 is
    duplex, named_pipe_state is of `PipeState`, named_pipe_end is 0 at the client, 1 at the server.
    """

    LAYOUT = Struct("<10I")
    named_pipe_type: int
    named_pipe_configuration: int
    maximum_instances: int
    current_instances: int
    inbound_quota: int
    read_data_available: int
    outbound_quota: int
    write_quota_available: int
    named_pipe_state: int
    named_pipe_end: int


@dataclass(slots=True)
class FileCompressionInformation(FixedRecord):
    """Class 28, [MS-FSCC] 2.4.9; compression_format is a COMPRESSION_FORMAT_*."""

    LAYOUT = Struct("<qHBBB3x")
    compressed_file_size: int
    compression_format: int
    compression_unit_shift: int
    chunk_shift: int
    cluster_shift: int


@dataclass(slots=True)
class FileNetworkOpenInformation(FixedRecord):
    """Class 34, [MS-FSCC] 2.4.34."""

    LAYOUT = Struct("<qqqqqqI4x")
    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    file_attributes: int


@dataclass(slots=True)
class FileAttributeTagInformation(FixedRecord):
    """Class 35, [MS-FSCC] 2.4.6."""

    LAYOUT = Struct("<II")
    file_attributes: int
    reparse_tag: int


_ID = Struct("<Q16s")


@dataclass(slots=True)
class FileIdInformation:
    """Class 59, [MS-FSCC] 2.4.26: both numbers identify a file in the world. `file_id` has 128
    bits; one of 64 bits is the low half."""

    volume_serial_number: int
    file_id: int

    def encode(self) -> bytes:
        return _ID.pack(self.volume_serial_number, self.file_id.to_bytes(16, "little"))

    @classmethod
    def decode(cls, data: memoryview) -> FileIdInformation:
        """Raises DecodeError."""
        if len(data) < _ID.size:
            raise DecodeError(f"FileIdInformation needs {_ID.size} bytes, there are {len(data)}")
        serial, file_id = _ID.unpack_from(data)
        return cls(serial, int.from_bytes(file_id, "little"))


_LENGTH = Struct("<I")


@dataclass(slots=True)
class FileNameInformation:
    """FILE_NAME_INFORMATION, [MS-FSCC] 2.1.7: classes 9, 21 (alternate name), 40 (short name) and
    48 (normalized name). A query whose buffer is too small gets the first bytes of `encode()`,
    whose length field tells the whole length, with STATUS_BUFFER_OVERFLOW."""

    file_name: str

    def encode(self) -> bytes:
        name = encode_utf16(self.file_name)
        return _LENGTH.pack(len(name)) + name

    @classmethod
    def decode(cls, data: memoryview) -> FileNameInformation:
        """Raises DecodeError."""
        (length,) = unpack(_LENGTH, data, 0, "FileNameInformation")
        return cls(read_name(data, 4, length))


# BasicInformation, StandardInformation, IndexNumber, EaSize, AccessFlags, CurrentByteOffset, Mode,
# AlignmentRequirement, FileNameLength
_ALL = Struct("<qqqqI4xqqI??2xQIIqIII")


@dataclass(slots=True)
class FileAllInformation:
    """Class 18, [MS-FSCC] 2.4.2: the fields of classes 4, 5, 6, 7, 8, 14, 16, 17 and 9 in a row.
    A query whose buffer is too small for the name gets the first bytes of `encode()`."""

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    file_attributes: int
    allocation_size: int
    end_of_file: int
    number_of_links: int
    delete_pending: bool
    directory: bool
    index_number: int
    ea_size: int
    access_flags: int
    current_byte_offset: int
    mode: int
    alignment_requirement: int
    file_name: str

    def encode(self) -> bytes:
        name = encode_utf16(self.file_name)
        return (
            _ALL.pack(
                self.creation_time,
                self.last_access_time,
                self.last_write_time,
                self.change_time,
                self.file_attributes,
                self.allocation_size,
                self.end_of_file,
                self.number_of_links,
                self.delete_pending,
                self.directory,
                self.index_number,
                self.ea_size,
                self.access_flags,
                self.current_byte_offset,
                self.mode,
                self.alignment_requirement,
                len(name),
            )
            + name
        )

    @classmethod
    def decode(cls, data: memoryview) -> FileAllInformation:
        """Raises DecodeError."""
        *fields, length = unpack(_ALL, data, 0, "FileAllInformation")
        values: tuple[Any, ...] = (*fields, read_name(data, _ALL.size, length))
        return cls(*values)


_RENAME = Struct("<?7xQI")
_RENAME_SMB1 = Struct("<?3xII")
_RENAME_EX = Struct("<I4xQI")
_RENAME_MINIMUM = 24  # Windows takes no less, however short the name


@dataclass(slots=True)
class FileRenameInformation:
    """Class 10, [MS-FSCC] 2.4.42. `root_directory` must be 0 on the network; `file_name` is
    relative to the share."""

    replace_if_exists: bool
    file_name: str
    root_directory: int = 0

    def encode(self) -> bytes:
        """The form of SMB2, 2.4.42.2."""
        name = encode_utf16(self.file_name)
        fixed = _RENAME.pack(self.replace_if_exists, self.root_directory, len(name))
        return (fixed + name).ljust(_RENAME_MINIMUM, b"\0")

    @classmethod
    def decode(cls, data: memoryview) -> FileRenameInformation:
        """The form of SMB2. Raises DecodeError."""
        replace, root, length = unpack(_RENAME, data, 0, cls.__name__)
        return cls(bool(replace), read_name(data, _RENAME.size, length), root)

    def encode_smb1(self) -> bytes:
        """The form of SMB, 2.4.42.1."""
        name = encode_utf16(self.file_name)
        return _RENAME_SMB1.pack(self.replace_if_exists, self.root_directory, len(name)) + name

    @classmethod
    def decode_smb1(cls, data: memoryview) -> FileRenameInformation:
        """The form of SMB. Raises DecodeError."""
        replace, root, length = unpack(_RENAME_SMB1, data, 0, cls.__name__)
        return cls(bool(replace), read_name(data, _RENAME_SMB1.size, length), root)


class FileLinkInformation(FileRenameInformation):
    """Class 11, [MS-FSCC] 2.4.28: laid out as a rename, makes a hard link instead."""

    __slots__ = ()


@dataclass(slots=True)
class FileRenameInformationEx:
    """Class 65, [MS-FSCC] 2.4.43; flags of `RenameFlags`."""

    flags: int
    file_name: str
    root_directory: int = 0

    def encode(self) -> bytes:
        name = encode_utf16(self.file_name)
        fixed = _RENAME_EX.pack(self.flags, self.root_directory, len(name))
        return (fixed + name).ljust(_RENAME_MINIMUM, b"\0")

    @classmethod
    def decode(cls, data: memoryview) -> FileRenameInformationEx:
        """Raises DecodeError."""
        flags, root, length = unpack(_RENAME_EX, data, 0, "FileRenameInformationEx")
        return cls(flags, read_name(data, _RENAME_EX.size, length), root)
