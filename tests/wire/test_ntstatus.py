"""NT status values against [MS-ERREF] 2.3.1, and their translation to and from errno."""

from __future__ import annotations

import errno

import pytest

from paraph.wire.ntstatus import NTStatus, from_errno, is_error, name, to_errno

VALUES = {key: value for key, value in vars(NTStatus).items() if isinstance(value, int)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SUCCESS", 0x00000000),
        ("PENDING", 0x00000103),
        ("NOTIFY_CLEANUP", 0x0000010B),
        ("NOTIFY_ENUM_DIR", 0x0000010C),
        ("BUFFER_OVERFLOW", 0x80000005),
        ("NO_MORE_FILES", 0x80000006),
        ("EA_LIST_INCONSISTENT", 0x80000014),
        ("STOPPED_ON_SYMLINK", 0x8000002D),
        ("UNSUCCESSFUL", 0xC0000001),
        ("NOT_IMPLEMENTED", 0xC0000002),
        ("INVALID_INFO_CLASS", 0xC0000003),
        ("INFO_LENGTH_MISMATCH", 0xC0000004),
        ("INVALID_HANDLE", 0xC0000008),
        ("INVALID_PARAMETER", 0xC000000D),
        ("NO_SUCH_FILE", 0xC000000F),
        ("INVALID_DEVICE_REQUEST", 0xC0000010),
        ("END_OF_FILE", 0xC0000011),
        ("MORE_PROCESSING_REQUIRED", 0xC0000016),
        ("ACCESS_DENIED", 0xC0000022),
        ("BUFFER_TOO_SMALL", 0xC0000023),
        ("OBJECT_NAME_INVALID", 0xC0000033),
        ("OBJECT_NAME_NOT_FOUND", 0xC0000034),
        ("OBJECT_NAME_COLLISION", 0xC0000035),
        ("OBJECT_PATH_NOT_FOUND", 0xC000003A),
        ("OBJECT_PATH_SYNTAX_BAD", 0xC000003B),
        ("SHARING_VIOLATION", 0xC0000043),
        ("FILE_LOCK_CONFLICT", 0xC0000054),
        ("LOCK_NOT_GRANTED", 0xC0000055),
        ("DELETE_PENDING", 0xC0000056),
        ("PRIVILEGE_NOT_HELD", 0xC0000061),
        ("LOGON_FAILURE", 0xC000006D),
        ("RANGE_NOT_LOCKED", 0xC000007E),
        ("DISK_FULL", 0xC000007F),
        ("INSUFFICIENT_RESOURCES", 0xC000009A),
        ("MEDIA_WRITE_PROTECTED", 0xC00000A2),
        ("FILE_IS_A_DIRECTORY", 0xC00000BA),
        ("NOT_SUPPORTED", 0xC00000BB),
        ("NETWORK_NAME_DELETED", 0xC00000C9),
        ("BAD_NETWORK_NAME", 0xC00000CC),
        ("REQUEST_NOT_ACCEPTED", 0xC00000D0),
        ("NOT_SAME_DEVICE", 0xC00000D4),
        ("INTERNAL_ERROR", 0xC00000E5),
        ("DIRECTORY_NOT_EMPTY", 0xC0000101),
        ("NOT_A_DIRECTORY", 0xC0000103),
        ("CANCELLED", 0xC0000120),
        ("CANNOT_DELETE", 0xC0000121),
        ("FILE_CLOSED", 0xC0000128),
        ("USER_SESSION_DELETED", 0xC0000203),
        ("INSUFF_SERVER_RESOURCES", 0xC0000205),
        ("NOT_FOUND", 0xC0000225),
        ("FS_DRIVER_REQUIRED", 0xC000019C),
        ("NETWORK_SESSION_EXPIRED", 0xC000035C),
        ("FILE_NOT_AVAILABLE", 0xC0000467),
        ("HASH_NOT_SUPPORTED", 0xC000A100),
        ("SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP", 0xC05D0000),
        ("SMB_BAD_UID", 0x005B0002),
    ],
)
def test_values(key: str, value: int) -> None:
    assert VALUES[key] == value
    assert name(value) == f"STATUS_{key}"


def test_no_value_twice() -> None:
    assert len(VALUES) > 150
    assert len(set(VALUES.values())) == len(VALUES)


def test_unknown_name() -> None:
    assert name(0xC0001234) == "0xC0001234"
    assert name(0x7) == "0x00000007"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (NTStatus.SUCCESS, False),
        (NTStatus.PENDING, False),
        (NTStatus.LOCAL_USER_SESSION_KEY, False),
        (NTStatus.BUFFER_OVERFLOW, False),
        (NTStatus.STOPPED_ON_SYMLINK, False),
        (NTStatus.MORE_PROCESSING_REQUIRED, True),
        (NTStatus.ACCESS_DENIED, True),
        (0xFFFFFFFF, True),
    ],
)
def test_is_error(status: int, error: bool) -> None:
    assert is_error(status) is error


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOENT, NTStatus.OBJECT_NAME_NOT_FOUND),
        (errno.EACCES, NTStatus.ACCESS_DENIED),
        (errno.EPERM, NTStatus.ACCESS_DENIED),
        (errno.EEXIST, NTStatus.OBJECT_NAME_COLLISION),
        (errno.ENOTEMPTY, NTStatus.DIRECTORY_NOT_EMPTY),
        (errno.ENOSPC, NTStatus.DISK_FULL),
        (errno.EDQUOT, NTStatus.DISK_FULL),
        (errno.EROFS, NTStatus.MEDIA_WRITE_PROTECTED),
        (errno.ENAMETOOLONG, NTStatus.OBJECT_NAME_INVALID),
        (errno.EMFILE, NTStatus.TOO_MANY_OPENED_FILES),
        (errno.ENFILE, NTStatus.TOO_MANY_OPENED_FILES),
        (errno.EISDIR, NTStatus.FILE_IS_A_DIRECTORY),
        (errno.ENOTDIR, NTStatus.OBJECT_PATH_NOT_FOUND),
        (errno.EXDEV, NTStatus.NOT_SAME_DEVICE),
        (errno.EIO, NTStatus.UNEXPECTED_IO_ERROR),
        (errno.EINVAL, NTStatus.INVALID_PARAMETER),
        (errno.EBUSY, NTStatus.SHARING_VIOLATION),
        (errno.ENOMEM, NTStatus.INSUFFICIENT_RESOURCES),
        (errno.EOPNOTSUPP, NTStatus.NOT_SUPPORTED),
        (0, NTStatus.UNSUCCESSFUL),
        (99999, NTStatus.UNSUCCESSFUL),
    ],
)
def test_from_errno(number: int, status: int) -> None:
    assert from_errno(number) == status


def test_every_errno_is_an_error() -> None:
    for number in errno.errorcode:
        assert is_error(from_errno(number))


@pytest.mark.parametrize(
    ("status", "number"),
    [
        (NTStatus.SUCCESS, 0),
        (NTStatus.PENDING, 0),
        (NTStatus.OBJECT_NAME_NOT_FOUND, errno.ENOENT),
        (NTStatus.OBJECT_PATH_NOT_FOUND, errno.ENOENT),
        (NTStatus.BAD_NETWORK_NAME, errno.ENOENT),
        (NTStatus.ACCESS_DENIED, errno.EACCES),
        (NTStatus.LOGON_FAILURE, errno.EACCES),
        (NTStatus.OBJECT_NAME_COLLISION, errno.EEXIST),
        (NTStatus.DIRECTORY_NOT_EMPTY, errno.ENOTEMPTY),
        (NTStatus.DISK_FULL, errno.ENOSPC),
        (NTStatus.MEDIA_WRITE_PROTECTED, errno.EROFS),
        (NTStatus.FILE_IS_A_DIRECTORY, errno.EISDIR),
        (NTStatus.NOT_A_DIRECTORY, errno.ENOTDIR),
        (NTStatus.NOT_SAME_DEVICE, errno.EXDEV),
        (NTStatus.SHARING_VIOLATION, errno.EBUSY),
        (NTStatus.FILE_CLOSED, errno.EBADF),
        (NTStatus.STOPPED_ON_SYMLINK, errno.ELOOP),
        (NTStatus.SMB_BAD_UID, 0),
        (NTStatus.INTERNAL_ERROR, errno.EIO),
        (0x80001234, errno.EIO),
        (0xC0001234, errno.EIO),
    ],
)
def test_to_errno(status: int, number: int) -> None:
    assert to_errno(status) == number


def test_what_an_oserror_means_survives_the_trip() -> None:
    same = [
        "ENOENT", "EACCES", "EEXIST", "ENOTEMPTY", "ENOSPC", "EROFS", "EMFILE", "EISDIR", "EXDEV",
        "EINVAL", "EBUSY", "ENOMEM", "ESTALE", "EBADF", "EFBIG", "EMLINK", "EPIPE", "EOPNOTSUPP",
        "ECONNRESET", "ETIMEDOUT",
    ]  # fmt: skip
    for key in same:
        number = getattr(errno, key)
        assert to_errno(from_errno(number)) == number, key
