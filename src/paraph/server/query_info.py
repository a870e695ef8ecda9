"""QUERY_INFO, [MS-SMB2] 3.3.5.20: of files, volumes, security descriptors and quotas.

The classes of files are in `file_info`, those of volumes here, one row each ([MS-FSCC] 2.5,
[MS-FSA] 2.1.5.13).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from paraph.core.message import BODY
from paraph.errors import NTStatusError
from paraph.server import file_info
from paraph.server.security import query_security
from paraph.storage.base import VolumeInfo
from paraph.wire.fscc_volume import (
    MINIMUM_OUTPUT,
    NO_QUOTA,
    SECTOR_OFFSET_UNKNOWN,
    DeviceCharacteristics,
    DeviceType,
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
from paraph.wire.smb2.info import InfoType, QueryInfoRequest, QueryInfoResponse
from paraph.wire.smb2.simple import OUTPUT_BUFFER_FIXED

if TYPE_CHECKING:
    from paraph.server.request import Request

_START = BODY + OUTPUT_BUFFER_FIXED

_PASSED_ON = (
    FileSystemAttributes.CASE_PRESERVED_NAMES
    | FileSystemAttributes.UNICODE_ON_DISK
    | FileSystemAttributes.READ_ONLY_VOLUME
    | FileSystemAttributes.SUPPORTS_HARD_LINKS
)
"""What a store may claim of itself: only what these handlers let clients reach. Access control
lists, streams, extended attributes, sparse files and reparse points are not among it yet."""


async def query_info(request: Request, message: QueryInfoRequest) -> bytearray:
    """Look up InfoType; the answer is its data, with BUFFER_OVERFLOW when they are cut."""
    if message.output_buffer_length > request.connection.max_transact_size:
        length = message.output_buffer_length
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"OutputBufferLength {length}")
    query = _INFO_TYPES.get(message.info_type)
    if query is None:
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"InfoType {message.info_type}")
    data = query(request, message)
    limit = message.output_buffer_length
    if len(data) > limit:
        # Only names are cut, and they lie at even offsets: half a character is of no use.
        data = data[: limit & ~1]
        request.status = NTStatus.BUFFER_OVERFLOW
    reply = bytearray(_START + len(data))
    reply[_START:] = data
    QueryInfoResponse.pack_into(reply, BODY, len(data))
    return reply


def _query_file(request: Request, message: QueryInfoRequest) -> bytes:
    """3.3.5.20.1."""
    number, opened = message.file_info_class, request.open
    row = file_info.CLASSES.get(number)
    if row is None:
        unsupported = number in file_info.NOT_SUPPORTED
        status = NTStatus.NOT_SUPPORTED if unsupported else NTStatus.INVALID_INFO_CLASS
        raise NTStatusError(status, f"query of file information class {number}")
    if not row.where & (file_info.DISK if opened.pipe is None else file_info.PIPE):
        raise NTStatusError(NTStatus.INVALID_PARAMETER, f"class {number} of the wrong kind of open")
    _check_length(message, row.minimum)
    opened.require(row.access)
    return row.read(request, message)


def _check_length(message: QueryInfoRequest, minimum: int) -> None:
    if message.output_buffer_length < minimum:
        raise NTStatusError(NTStatus.INFO_LENGTH_MISMATCH, f"the class needs {minimum} bytes")


# Volumes


def _query_volume(request: Request, message: QueryInfoRequest) -> bytes:
    """3.3.5.20.2. Raises INVALID_DEVICE_REQUEST for a pipe, which lives on no volume."""
    number = message.file_info_class
    handle = request.open.disk()
    read = _VOLUME_CLASSES.get(number)
    if read is None:
        status = _VOLUME_REFUSALS.get(number, NTStatus.INVALID_INFO_CLASS)
        raise NTStatusError(status, f"query of volume information class {number}")
    _check_length(message, MINIMUM_OUTPUT[number])
    return read(request, handle.volume())


def _volume(request: Request, volume: VolumeInfo) -> bytes:
    return FileFsVolumeInformation(
        volume.creation_time, volume.serial_number, volume.label
    ).encode()


def _size(request: Request, volume: VolumeInfo) -> bytes:
    return FileFsSizeInformation(
        volume.total_units, volume.available_units, volume.sectors_per_unit, volume.bytes_per_sector
    ).encode()


def _full_size(request: Request, volume: VolumeInfo) -> bytes:
    return FileFsFullSizeInformation(
        volume.total_units,
        volume.available_units,
        volume.free_units,
        volume.sectors_per_unit,
        volume.bytes_per_sector,
    ).encode()


def _is_read_only(request: Request, volume: VolumeInfo) -> bool:
    """To the client the share is the volume."""
    return volume.read_only or request.tree.disk_share().read_only


def _device(request: Request, volume: VolumeInfo) -> bytes:
    characteristics = DeviceCharacteristics.DEVICE_IS_MOUNTED
    if _is_read_only(request, volume):
        characteristics |= DeviceCharacteristics.READ_ONLY_DEVICE
    return FileFsDeviceInformation(DeviceType.DISK, characteristics).encode()


def _attribute(request: Request, volume: VolumeInfo) -> bytes:
    attributes = volume.attributes & _PASSED_ON
    if _is_read_only(request, volume):
        attributes |= FileSystemAttributes.READ_ONLY_VOLUME
    return FileFsAttributeInformation(
        attributes, volume.maximum_component_length, volume.file_system_name
    ).encode()


def _control(request: Request, volume: VolumeInfo) -> bytes:
    """Quotas are neither tracked nor enforced, and there is no default limit."""
    return FileFsControlInformation(0, 0, 0, NO_QUOTA, NO_QUOTA, 0).encode()


def _sector_size(request: Request, volume: VolumeInfo) -> bytes:
    """What the device is made of is not known: the sector that the volume speaks of stands for the
    physical one, as [MS-FSA] 2.1.5.13.10 says for that case."""
    sector = volume.bytes_per_sector
    return FileFsSectorSizeInformation(
        sector, sector, sector, sector, 0, SECTOR_OFFSET_UNKNOWN, SECTOR_OFFSET_UNKNOWN
    ).encode()


_VOLUME_CLASSES: dict[int, Callable[[Request, VolumeInfo], bytes]] = {
    FsInformationClass.VOLUME: _volume,
    FsInformationClass.SIZE: _size,
    FsInformationClass.DEVICE: _device,
    FsInformationClass.ATTRIBUTE: _attribute,
    FsInformationClass.CONTROL: _control,
    FsInformationClass.FULL_SIZE: _full_size,
    FsInformationClass.SECTOR_SIZE: _sector_size,
}

_VOLUME_REFUSALS = {
    # [MS-FSA] 2.1.5.13.8: the answer of a store without object IDs.
    FsInformationClass.OBJECT_ID: NTStatus.INVALID_PARAMETER,
    FsInformationClass.LABEL: NTStatus.NOT_SUPPORTED,
    FsInformationClass.DRIVER_PATH: NTStatus.NOT_SUPPORTED,
    FsInformationClass.VOLUME_FLAGS: NTStatus.NOT_SUPPORTED,
}


def _query_quota(request: Request, message: QueryInfoRequest) -> bytes:
    """3.3.5.20.4."""
    raise NTStatusError(NTStatus.NOT_SUPPORTED, "there are no quotas")


_INFO_TYPES: dict[int, Callable[[Request, QueryInfoRequest], bytes]] = {
    InfoType.FILE: _query_file,
    InfoType.FILESYSTEM: _query_volume,
    InfoType.SECURITY: query_security,
    InfoType.QUOTA: _query_quota,
}
