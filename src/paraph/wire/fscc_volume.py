"""File system information classes, [MS-FSCC] 2.5: what SMB2 QUERY_INFO tells of a volume.

See `fscc` for how records read and write. A query whose buffer is too small for the name at the end
gets the first bytes of `encode()`, with STATUS_BUFFER_OVERFLOW.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from paraph.wire.fscc import FixedRecord, encode_utf16, read_name
from paraph.wire.record import unpack


class FsInformationClass:
    """The Level column of [MS-FSCC] 2.5: FileFsXxxInformation is XXX."""

    VOLUME = 1
    LABEL = 2
    SIZE = 3
    DEVICE = 4
    ATTRIBUTE = 5
    CONTROL = 6
    FULL_SIZE = 7
    OBJECT_ID = 8
    DRIVER_PATH = 9
    VOLUME_FLAGS = 10
    SECTOR_SIZE = 11


MINIMUM_OUTPUT = {
    FsInformationClass.VOLUME: 24,
    FsInformationClass.SIZE: 24,
    FsInformationClass.DEVICE: 8,
    FsInformationClass.ATTRIBUTE: 12,
    FsInformationClass.CONTROL: 48,
    FsInformationClass.FULL_SIZE: 32,
    FsInformationClass.OBJECT_ID: 64,
    FsInformationClass.SECTOR_SIZE: 28,
}
"""Bytes of output buffer below which a query fails with STATUS_INFO_LENGTH_MISMATCH, [MS-FSA]
2.1.5.13."""


class FileSystemAttributes:
    """FileSystemAttributes, [MS-FSCC] 2.5.1."""

    CASE_SENSITIVE_SEARCH = 0x00000001
    CASE_PRESERVED_NAMES = 0x00000002
    UNICODE_ON_DISK = 0x00000004
    PERSISTENT_ACLS = 0x00000008
    FILE_COMPRESSION = 0x00000010
    VOLUME_QUOTAS = 0x00000020
    SUPPORTS_SPARSE_FILES = 0x00000040
    SUPPORTS_REPARSE_POINTS = 0x00000080
    SUPPORTS_REMOTE_STORAGE = 0x00000100
    RETURNS_CLEANUP_RESULT_INFO = 0x00000200
    SUPPORTS_POSIX_UNLINK_RENAME = 0x00000400
    VOLUME_IS_COMPRESSED = 0x00008000
    SUPPORTS_OBJECT_IDS = 0x00010000
    SUPPORTS_ENCRYPTION = 0x00020000
    NAMED_STREAMS = 0x00040000
    READ_ONLY_VOLUME = 0x00080000
    SEQUENTIAL_WRITE_ONCE = 0x00100000
    SUPPORTS_TRANSACTIONS = 0x00200000
    SUPPORTS_HARD_LINKS = 0x00400000
    SUPPORTS_EXTENDED_ATTRIBUTES = 0x00800000
    SUPPORTS_OPEN_BY_FILE_ID = 0x01000000
    SUPPORTS_USN_JOURNAL = 0x02000000
    SUPPORT_INTEGRITY_STREAMS = 0x04000000
    SUPPORTS_BLOCK_REFCOUNTING = 0x08000000
    SUPPORTS_SPARSE_VDL = 0x10000000


class DeviceType:
    """DeviceType, [MS-FSCC] 2.5.10."""

    CD_ROM = 0x00000002
    DISK = 0x00000007


class DeviceCharacteristics:
    """Characteristics, [MS-FSCC] 2.5.10."""

    REMOVABLE_MEDIA = 0x00000001
    READ_ONLY_DEVICE = 0x00000002
    FLOPPY_DISKETTE = 0x00000004
    WRITE_ONCE_MEDIA = 0x00000008
    REMOTE_DEVICE = 0x00000010
    DEVICE_IS_MOUNTED = 0x00000020
    VIRTUAL_VOLUME = 0x00000040
    DEVICE_SECURE_OPEN = 0x00000100
    TS_DEVICE = 0x00001000
    WEBDAV_DEVICE = 0x00002000
    PORTABLE_DEVICE = 0x00004000
    ALLOW_APPCONTAINER_TRAVERSAL = 0x00020000


class SectorSizeFlags:
    """Flags of FileFsSectorSizeInformation, [MS-FSCC] 2.5.7."""

    ALIGNED_DEVICE = 0x00000001
    PARTITION_ALIGNED_ON_DEVICE = 0x00000002
    NO_SEEK_PENALTY = 0x00000004
    TRIM_ENABLED = 0x00000008


SECTOR_OFFSET_UNKNOWN = 0xFFFF_FFFF
"""SSINFO_OFFSET_UNKNOWN, for the two byte offsets of FileFsSectorSizeInformation."""
NO_QUOTA = 0xFFFF_FFFF_FFFF_FFFF
"""The default threshold or limit of FileFsControlInformation that means none."""

_VOLUME = Struct("<qII?x")


@dataclass(slots=True)
class FileFsVolumeInformation:
    """Class 1, [MS-FSCC] 2.5.9. volume_creation_time is a FILETIME."""

    volume_creation_time: int
    volume_serial_number: int
    volume_label: str
    supports_objects: bool = False

    def encode(self) -> bytes:
        label = encode_utf16(self.volume_label)
        return (
            _VOLUME.pack(
                self.volume_creation_time,
                self.volume_serial_number,
                len(label),
                self.supports_objects,
            )
            + label
        )

    @classmethod
    def decode(cls, data: memoryview) -> FileFsVolumeInformation:
        """Raises DecodeError."""
        time, serial, length, objects = unpack(_VOLUME, data, 0, "FileFsVolumeInformation")
        return cls(time, serial, read_name(data, _VOLUME.size, length), bool(objects))


_LABEL = Struct("<I")


@dataclass(slots=True)
class FileFsLabelInformation:
    """Class 2, [MS-FSCC] 2.5.5."""

    volume_label: str

    def encode(self) -> bytes:
        label = encode_utf16(self.volume_label)
        return _LABEL.pack(len(label)) + label

    @classmethod
    def decode(cls, data: memoryview) -> FileFsLabelInformation:
        """Raises DecodeError."""
        (length,) = unpack(_LABEL, data, 0, "FileFsLabelInformation")
        return cls(read_name(data, _LABEL.size, length))


@dataclass(slots=True)
class FileFsSizeInformation(FixedRecord):
    """Class 3, [MS-FSCC] 2.5.8; what is there for the caller."""

    LAYOUT = Struct("<qqII")
    total_allocation_units: int
    available_allocation_units: int
    sectors_per_allocation_unit: int
    bytes_per_sector: int


@dataclass(slots=True)
class FileFsDeviceInformation(FixedRecord):
    """Class 4, [MS-FSCC] 2.5.10; values of `DeviceType` and `DeviceCharacteristics`."""

    LAYOUT = Struct("<II")
    device_type: int
    characteristics: int


_ATTRIBUTE = Struct("<IiI")


@dataclass(slots=True)
class FileFsAttributeInformation:
    """Class 5, [MS-FSCC] 2.5.1; bits of `FileSystemAttributes`, the length in characters."""

    file_system_attributes: int
    maximum_component_name_length: int
    file_system_name: str

    def encode(self) -> bytes:
        name = encode_utf16(self.file_system_name)
        return (
            _ATTRIBUTE.pack(
                self.file_system_attributes, self.maximum_component_name_length, len(name)
            )
            + name
        )

    @classmethod
    def decode(cls, data: memoryview) -> FileFsAttributeInformation:
        """Raises DecodeError."""
        attributes, maximum, length = unpack(_ATTRIBUTE, data, 0, "FileFsAttributeInformation")
        return cls(attributes, maximum, read_name(data, _ATTRIBUTE.size, length))


@dataclass(slots=True)
class FileFsControlInformation(FixedRecord):
    """Class 6, [MS-FSCC] 2.5.2; thresholds and limits in bytes, or NO_QUOTA."""

    LAYOUT = Struct("<qqqQQI4x")
    free_space_start_filtering: int
    free_space_threshold: int
    free_space_stop_filtering: int
    default_quota_threshold: int
    default_quota_limit: int
    file_system_control_flags: int


@dataclass(slots=True)
class FileFsFullSizeInformation(FixedRecord):
    """Class 7, [MS-FSCC] 2.5.4."""

    LAYOUT = Struct("<qqqII")
    total_allocation_units: int
    caller_available_allocation_units: int
    actual_available_allocation_units: int
    sectors_per_allocation_unit: int
    bytes_per_sector: int


@dataclass(slots=True)
class FileFsObjectIdInformation(FixedRecord):
    """Class 8, [MS-FSCC] 2.5.6: a GUID of 16 bytes, and 48 bytes."""

    LAYOUT = Struct("<16s48s")
    object_id: bytes
    extended_info: bytes = bytes(48)


@dataclass(slots=True)
class FileFsSectorSizeInformation(FixedRecord):
    """Class 11, [MS-FSCC] 2.5.7; flags of `SectorSizeFlags`."""

    LAYOUT = Struct("<7I")
    logical_bytes_per_sector: int
    physical_bytes_per_sector_for_atomicity: int
    physical_bytes_per_sector_for_performance: int
    file_system_effective_physical_bytes_per_sector_for_atomicity: int
    flags: int
    byte_offset_for_sector_alignment: int
    byte_offset_for_partition_alignment: int
