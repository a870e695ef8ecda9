"""File system controls: the codes of SMB2 IOCTL and the small buffers they carry, [MS-FSCC] 2.3.

The buffers that [MS-SMB2] 2.2.31 defines itself (copy chunk, resume key, negotiate info, network
interfaces) are with its messages. See `fscc` for how records read and write.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from paraph.errors import DecodeError
from paraph.wire.fscc import FixedRecord, decode_utf16, encode_utf16, read_name
from paraph.wire.record import unpack, window


class Fsctl:
    """FSCTL_*, [MS-FSCC] 2.3, [MS-SMB2] 2.2.31 and 3.3.5.15."""

    DFS_GET_REFERRALS = 0x00060194
    DFS_GET_REFERRALS_EX = 0x000601B0
    IS_PATHNAME_VALID = 0x0009002C
    GET_COMPRESSION = 0x0009003C
    QUERY_FAT_BPB = 0x00090058
    FILESYSTEM_GET_STATISTICS = 0x00090060
    GET_NTFS_VOLUME_DATA = 0x00090064
    GET_RETRIEVAL_POINTERS = 0x00090073
    FIND_FILES_BY_SID = 0x0009008F
    SET_OBJECT_ID = 0x00090098
    GET_OBJECT_ID = 0x0009009C
    DELETE_OBJECT_ID = 0x000900A0
    SET_REPARSE_POINT = 0x000900A4
    GET_REPARSE_POINT = 0x000900A8
    DELETE_REPARSE_POINT = 0x000900AC
    SET_OBJECT_ID_EXTENDED = 0x000900BC
    CREATE_OR_GET_OBJECT_ID = 0x000900C0
    SET_SPARSE = 0x000900C4
    SET_ENCRYPTION = 0x000900D7
    READ_FILE_USN_DATA = 0x000900EB
    WRITE_USN_CLOSE_RECORD = 0x000900EF
    MARK_HANDLE = 0x000900FC
    SIS_COPYFILE = 0x00090100
    RECALL_FILE = 0x00090117
    QUERY_SPARING_INFO = 0x00090138
    QUERY_ON_DISK_VOLUME_INFO = 0x0009013C
    SET_ZERO_ON_DEALLOCATION = 0x00090194
    GET_INTEGRITY_INFORMATION = 0x0009027C
    QUERY_FILE_REGIONS = 0x00090284
    GET_REFS_VOLUME_DATA = 0x000902D8
    QUERY_SHARED_VIRTUAL_DISK_SUPPORT = 0x00090300
    SVHDX_SYNC_TUNNEL_REQUEST = 0x00090304
    STORAGE_QOS_CONTROL = 0x00090350
    SVHDX_ASYNC_TUNNEL_REQUEST = 0x00090364
    SET_INTEGRITY_INFORMATION_EX = 0x00090380
    GET_RETRIEVAL_POINTERS_AND_REFCOUNT = 0x000903D3
    GET_RETRIEVAL_POINTER_COUNT = 0x0009042B
    REFS_STREAM_SNAPSHOT_MANAGEMENT = 0x00090440
    QUERY_ALLOCATED_RANGES = 0x000940CF
    OFFLOAD_READ = 0x00094264
    SET_ZERO_DATA = 0x000980C8
    SET_DEFECT_MANAGEMENT = 0x00098134
    FILE_LEVEL_TRIM = 0x00098208
    OFFLOAD_WRITE = 0x00098268
    DUPLICATE_EXTENTS_TO_FILE = 0x00098344
    DUPLICATE_EXTENTS_TO_FILE_EX = 0x000983E8
    SET_COMPRESSION = 0x0009C040
    SET_INTEGRITY_INFORMATION = 0x0009C280
    PIPE_WAIT = 0x00110018
    PIPE_PEEK = 0x0011400C
    PIPE_TRANSCEIVE = 0x0011C017
    SRV_REQUEST_RESUME_KEY = 0x00140078
    LMR_SET_LINK_TRACKING_INFORMATION = 0x001400EC
    LMR_REQUEST_RESILIENCY = 0x001401D4
    QUERY_NETWORK_INTERFACE_INFO = 0x001401FC
    VALIDATE_NEGOTIATE_INFO = 0x00140204
    SRV_ENUMERATE_SNAPSHOTS = 0x00144064
    SRV_COPYCHUNK = 0x001440F2
    SRV_READ_HASH = 0x001441BB
    SRV_COPYCHUNK_WRITE = 0x001480F2


_NAMES = {code: f"FSCTL_{key}" for key, code in vars(Fsctl).items() if isinstance(code, int)}


def name(code: int) -> str:
    """As in FSCTL_PIPE_WAIT, or the number in hexadecimal if it is none of `Fsctl`."""
    return _NAMES.get(code) or f"0x{code:08X}"


class ReparseTag:
    """IO_REPARSE_TAG_*, [MS-FSCC] 2.1.2.1, those that a file server may meet."""

    MOUNT_POINT = 0xA0000003
    HSM = 0xC0000004
    SIS = 0x80000007
    DFS = 0x8000000A
    SYMLINK = 0xA000000C
    DFSR = 0x80000012
    DEDUP = 0x80000013
    NFS = 0x80000014
    WOF = 0x80000017
    CLOUD = 0x9000001A
    APPEXECLINK = 0x8000001B
    LX_SYMLINK = 0xA000001D
    AF_UNIX = 0x80000023
    LX_FIFO = 0x80000024
    LX_CHR = 0x80000025
    LX_BLK = 0x80000026


SYMLINK_FLAG_RELATIVE = 1
DUPLICATE_EXTENTS_SOURCE_ATOMIC = 1

_REPARSE = Struct("<IHxx")
_SYMLINK = Struct("<HHHHI")


@dataclass(slots=True)
class ReparseDataBuffer:
    """REPARSE_DATA_BUFFER, [MS-FSCC] 2.1.2.2: a tag of Microsoft and what belongs to it."""

    reparse_tag: int
    data_buffer: bytes = b""

    def encode(self) -> bytes:
        return _REPARSE.pack(self.reparse_tag, len(self.data_buffer)) + self.data_buffer

    @classmethod
    def decode(cls, data: memoryview) -> ReparseDataBuffer:
        """Raises DecodeError."""
        tag, length = unpack(_REPARSE, data, 0, "REPARSE_DATA_BUFFER")
        return cls(tag, bytes(window(data, _REPARSE.size, length, _REPARSE.size, "DataBuffer")))


@dataclass(slots=True)
class SymbolicLinkReparse:
    """The reparse data of a symbolic link, [MS-FSCC] 2.1.2.4; `encode` and `decode` have the
    header of REPARSE_DATA_BUFFER in front."""

    substitute_name: str
    print_name: str
    flags: int = 0

    def encode(self) -> bytes:
        substitute = encode_utf16(self.substitute_name)
        shown = encode_utf16(self.print_name)
        fixed = _SYMLINK.pack(0, len(substitute), len(substitute), len(shown), self.flags)
        return ReparseDataBuffer(ReparseTag.SYMLINK, fixed + substitute + shown).encode()

    @classmethod
    def decode(cls, data: memoryview) -> SymbolicLinkReparse:
        """Raises DecodeError, also for another tag."""
        reparse = ReparseDataBuffer.decode(data)
        if reparse.reparse_tag != ReparseTag.SYMLINK:
            raise DecodeError(f"reparse tag 0x{reparse.reparse_tag:08X} is no symbolic link")
        body = memoryview(reparse.data_buffer)
        fields = unpack(_SYMLINK, body, 0, "symbolic link")
        path = body[_SYMLINK.size :]
        substitute = window(path, fields[0], fields[1], 0, "SubstituteName")
        shown = window(path, fields[2], fields[3], 0, "PrintName")
        return cls(
            decode_utf16(substitute, "SubstituteName"), decode_utf16(shown, "PrintName"), fields[4]
        )


@dataclass(slots=True)
class FileObjectIdBuffer(FixedRecord):
    """FILE_OBJECTID_BUFFER, [MS-FSCC] 2.1.3: four GUIDs of 16 bytes; the last three together are
    ExtendedInfo in the second form."""

    LAYOUT = Struct("<16s16s16s16s")
    object_id: bytes
    birth_volume_id: bytes = bytes(16)
    birth_object_id: bytes = bytes(16)
    domain_id: bytes = bytes(16)


_PIPE_WAIT = Struct("<qI?x")


@dataclass(slots=True)
class PipeWait:
    """Input of FSCTL_PIPE_WAIT, [MS-FSCC] 2.3.49. `timeout` is in units of 100 ms, if
    timeout_specified, else without end; `name` is without "\\pipe\\"."""

    timeout: int
    timeout_specified: bool
    name: str

    def encode(self) -> bytes:
        text = encode_utf16(self.name)
        return _PIPE_WAIT.pack(self.timeout, len(text), self.timeout_specified) + text

    @classmethod
    def decode(cls, data: memoryview) -> PipeWait:
        """Raises DecodeError."""
        timeout, length, specified = unpack(_PIPE_WAIT, data, 0, "FSCTL_PIPE_WAIT")
        return cls(timeout, bool(specified), read_name(data, _PIPE_WAIT.size, length))


_PIPE_PEEK = Struct("<IIII")


@dataclass(slots=True)
class PipePeek:
    """Output of FSCTL_PIPE_PEEK, [MS-FSCC] 2.3.46. Lengths in bytes; the last two numbers are 0 for
    a pipe that is no message pipe."""

    named_pipe_state: int
    read_data_available: int
    number_of_messages: int
    message_length: int
    data: bytes | memoryview = b""

    def encode(self) -> bytes:
        fixed = _PIPE_PEEK.pack(
            self.named_pipe_state,
            self.read_data_available,
            self.number_of_messages,
            self.message_length,
        )
        return fixed + self.data

    @classmethod
    def decode(cls, data: memoryview) -> PipePeek:
        """Raises DecodeError."""
        fields = unpack(_PIPE_PEEK, data, 0, "FSCTL_PIPE_PEEK")
        return cls(fields[0], fields[1], fields[2], fields[3], data[_PIPE_PEEK.size :])


@dataclass(slots=True)
class FileSetSparseBuffer(FixedRecord):
    """Input of FSCTL_SET_SPARSE, [MS-FSCC] 2.3.83. No input at all means true: test that first."""

    LAYOUT = Struct("<?")
    set_sparse: bool


@dataclass(slots=True)
class FileZeroDataInformation(FixedRecord):
    """Input of FSCTL_SET_ZERO_DATA, [MS-FSCC] 2.3.85."""

    LAYOUT = Struct("<qq")
    file_offset: int
    beyond_final_zero: int


@dataclass(slots=True)
class FileAllocatedRange(FixedRecord):
    """FILE_ALLOCATED_RANGE_BUFFER of FSCTL_QUERY_ALLOCATED_RANGES: one in the request, [MS-FSCC]
    2.3.51, any number in the reply, 2.3.52."""

    LAYOUT = Struct("<qq")
    file_offset: int
    length: int

    @classmethod
    def decode_list(cls, data: memoryview) -> list[FileAllocatedRange]:
        """Raises DecodeError if the length of `data` is no multiple of 16."""
        if len(data) % cls.LAYOUT.size:
            raise DecodeError(f"{len(data)} bytes are no list of allocated ranges")
        return [cls(*fields) for fields in cls.LAYOUT.iter_unpack(data)]


@dataclass(slots=True)
class CompressionState(FixedRecord):
    """Input of FSCTL_SET_COMPRESSION and output of FSCTL_GET_COMPRESSION, [MS-FSCC] 2.3.67 and
    2.3.18: a COMPRESSION_FORMAT_* of `fscc_file`."""

    LAYOUT = Struct("<H")
    compression_state: int


@dataclass(slots=True)
class GetIntegrityInformation(FixedRecord):
    """Output of FSCTL_GET_INTEGRITY_INFORMATION, [MS-FSCC] 2.3.20."""

    LAYOUT = Struct("<HxxIII")
    checksum_algorithm: int
    flags: int
    checksum_chunk_size_in_bytes: int
    cluster_size_in_bytes: int


@dataclass(slots=True)
class SetIntegrityInformation(FixedRecord):
    """Input of FSCTL_SET_INTEGRITY_INFORMATION, [MS-FSCC] 2.3.73."""

    LAYOUT = Struct("<HxxI")
    checksum_algorithm: int
    flags: int


@dataclass(slots=True)
class Smb2DuplicateExtentsData(FixedRecord):
    """Input of FSCTL_DUPLICATE_EXTENTS_TO_FILE over SMB2, [MS-FSCC] 2.3.7.2. The source is an
    SMB2_FILEID in its two halves."""

    LAYOUT = Struct("<QQqqq")
    source_persistent: int
    source_volatile: int
    source_file_offset: int
    target_file_offset: int
    byte_count: int


DUPLICATE_EXTENTS_EX_SIZE = 0x30
"""StructureSize of the next record, as its section says, though its fields make 56 bytes."""


@dataclass(slots=True)
class Smb2DuplicateExtentsDataEx(FixedRecord):
    """Input of FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX over SMB2, [MS-FSCC] 2.3.9.2. Another
    structure_size than DUPLICATE_EXTENTS_EX_SIZE is STATUS_NOT_SUPPORTED ([MS-FSA] 2.1.5.10.5).
    """

    LAYOUT = Struct("<QQQqqqI4x")
    structure_size: int
    source_persistent: int
    source_volatile: int
    source_file_offset: int
    target_file_offset: int
    byte_count: int
    flags: int


_TRIM = Struct("<II")
_TRIM_RANGE = Struct("<QQ")


@dataclass(slots=True)
class FileLevelTrim:
    """Input of FSCTL_FILE_LEVEL_TRIM, [MS-FSCC] 2.3.13; ranges are (offset, length) in bytes."""

    key: int
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def encode(self) -> bytes:
        parts = [_TRIM_RANGE.pack(offset, length) for offset, length in self.ranges]
        return b"".join((_TRIM.pack(self.key, len(parts)), *parts))

    @classmethod
    def decode(cls, data: memoryview) -> FileLevelTrim:
        """Raises DecodeError."""
        key, count = unpack(_TRIM, data, 0, "FILE_LEVEL_TRIM")
        body = window(data, _TRIM.size, count * _TRIM_RANGE.size, _TRIM.size, "Ranges")
        return cls(key, list(_TRIM_RANGE.iter_unpack(body)))


@dataclass(slots=True)
class FileLevelTrimOutput(FixedRecord):
    """Output of FSCTL_FILE_LEVEL_TRIM, [MS-FSCC] 2.3.14."""

    LAYOUT = Struct("<I")
    num_ranges_processed: int


@dataclass(slots=True)
class FileRegion(FixedRecord):
    """FILE_REGION_INPUT and FILE_REGION_INFO of FSCTL_QUERY_FILE_REGIONS, [MS-FSCC] 2.3.55,
    2.3.56.1. desired_usage: 1 valid in the cache, 2 valid on disk."""

    LAYOUT = Struct("<qqI4x")
    file_offset: int
    length: int
    desired_usage: int


_REGIONS = Struct("<4xII4x")


@dataclass(slots=True)
class FileRegionOutput:
    """Output of FSCTL_QUERY_FILE_REGIONS, [MS-FSCC] 2.3.56; total_region_entry_count is how many
    there are, of which `regions` fitted."""

    total_region_entry_count: int
    regions: list[FileRegion]

    def encode(self) -> bytes:
        head = _REGIONS.pack(self.total_region_entry_count, len(self.regions))
        return b"".join((head, *[region.encode() for region in self.regions]))

    @classmethod
    def decode(cls, data: memoryview) -> FileRegionOutput:
        """Raises DecodeError."""
        total, count = unpack(_REGIONS, data, 0, "FILE_REGION_OUTPUT")
        layout = FileRegion.LAYOUT
        body = window(data, _REGIONS.size, count * layout.size, _REGIONS.size, "Region")
        return cls(total, [FileRegion(*fields) for fields in layout.iter_unpack(body)])


_REFERRAL_LEVEL = Struct("<H")


@dataclass(slots=True)
class ReqGetDfsReferral:
    """REQ_GET_DFS_REFERRAL, [MS-DFSC] 2.2.2."""

    max_referral_level: int
    request_file_name: str

    def encode(self) -> bytes:
        return _REFERRAL_LEVEL.pack(self.max_referral_level) + encode_utf16(
            self.request_file_name + "\0"
        )

    @classmethod
    def decode(cls, data: memoryview) -> ReqGetDfsReferral:
        """The name ends at its NUL, or at the end of `data` for want of one. Raises DecodeError."""
        (level,) = unpack(_REFERRAL_LEVEL, data, 0, "REQ_GET_DFS_REFERRAL")
        text = decode_utf16(data[_REFERRAL_LEVEL.size :], "RequestFileName")
        return cls(level, text.partition("\0")[0])


class ReferralHeaderFlags:
    """ReferralHeaderFlags, [MS-DFSC] 2.2.4."""

    REFERRAL_SERVERS = 0x00000001
    STORAGE_SERVERS = 0x00000002
    TARGET_FAILBACK = 0x00000004


@dataclass(slots=True)
class DfsReferralHeader(FixedRecord):
    """The referral header of RESP_GET_DFS_REFERRAL, [MS-DFSC] 2.2.4; path_consumed in bytes."""

    LAYOUT = Struct("<HHI")
    path_consumed: int
    number_of_referrals: int
    referral_header_flags: int
