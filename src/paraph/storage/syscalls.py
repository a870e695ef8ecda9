"""System calls that Python's `os` does not have: openat2, statx, getxattrat, renameat2, fallocate.

Each function raises OSError as `os` does. Where the kernel or the C library lacks a call, the
function either falls back on what `os` has (`statx`, `getxattrat`) or raises OSError(ENOSYS), and
its caller knows another way. Linux only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Any

from paraph.wire.filetime import filetime_from_ns

AT_EMPTY_PATH = 0x1000
AT_SYMLINK_NOFOLLOW = 0x100
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_BENEATH = 0x08
RENAME_NOREPLACE = 1
FALLOC_FL_KEEP_SIZE = 1

# The same number on every architecture of Linux but alpha.
_SYS_OPENAT2 = 437
_SYS_GETXATTRAT = 464

_OPEN_HOW = Struct("=QQQ")  # flags, mode, resolve
_XATTR_ARGS = Struct("=QII")  # value, size, flags
_STATX_BASIC_AND_BTIME = 0xFFF
_STATX_BTIME = 0x800
# mask, nlink, uid, mode, ino, size, atime, btime, ctime, mtime (seconds and ns each), dev
_STATX = Struct("=I12x2I4xH2x2Q16xqI4xqI4xqI4xqI4x8x2I")
_LARGEST_XATTR = 64

_libc = ctypes.CDLL(None, use_errno=True)


def _function(name: str, *arguments: Any) -> Callable[..., int] | None:
    function = getattr(_libc, name, None)
    if function is None:
        return None
    # An instance of its own, as the argument types belong to the instance.
    function = _libc[name]
    function.argtypes = arguments
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    result: Callable[..., int] = function
    return result


_char_p, _int, _uint, _long = ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_long
_size_t, _void_p, _int64 = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int64
_openat2 = _function("syscall", _long, _int, _char_p, _char_p, _size_t)
_getxattrat = _function("syscall", _long, _int, _char_p, _uint, _char_p, _void_p, _size_t)
_statx = _function("statx", _int, _char_p, _int, _uint, _void_p)
_renameat2 = _function("renameat2", _int, _char_p, _int, _char_p, _uint)
_fallocate = _function("fallocate64", _int, _int, _int64, _int64) or _function(
    "fallocate", _int, _int, _int64, _int64
)


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def _unavailable(name: str) -> OSError:
    return OSError(errno.ENOSYS, f"{name} is not available")


class _Buffers(threading.local):
    """What the kernel writes to, one set for each thread."""

    def __init__(self) -> None:
        self.statx = ctypes.create_string_buffer(256)
        self.statx_address = ctypes.addressof(self.statx)
        self.value = ctypes.create_string_buffer(_LARGEST_XATTR)
        packed = _XATTR_ARGS.pack(ctypes.addressof(self.value), _LARGEST_XATTR, 0)
        self._arguments = ctypes.create_string_buffer(packed, len(packed))
        self.arguments_address = ctypes.addressof(self._arguments)


_buffers = _Buffers()
_how: dict[tuple[int, int], bytes] = {}


def openat2(directory: int, path: bytes, flags: int, resolve: int) -> int:
    """A close-on-exec descriptor of what exists at `path`; retries when the kernel asks for it."""
    if _openat2 is None:
        raise _unavailable("openat2")
    how = _how.get((flags, resolve))
    if how is None:
        how = _how[flags, resolve] = _OPEN_HOW.pack(flags | os.O_CLOEXEC, 0, resolve)
    for _ in range(64):
        descriptor = _openat2(_SYS_OPENAT2, directory, path, how, _OPEN_HOW.size)
        if descriptor >= 0:
            return descriptor
        # EAGAIN: something was renamed while the kernel walked through `..`.
        if ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR):
            break
    raise _failure()


@dataclass(slots=True)
class Stat:
    """What `statx` says; times are FILETIMEs, `birth` is 0 where the file system keeps none."""

    mode: int
    inode: int
    device: int
    links: int
    owner: int
    size: int
    access: int
    birth: int
    change: int
    write: int

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_regular(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def key(self) -> tuple[int, int]:
        return (self.device, self.inode)


def statx(directory: int, path: str = "") -> Stat:
    """Of `path`, not followed if it is a symbolic link, or of `directory` itself if empty."""
    if _statx is None:
        return _stat(directory, path)
    buffers = _buffers
    flags = AT_SYMLINK_NOFOLLOW if path else AT_EMPTY_PATH
    if _statx(directory, path.encode(), flags, _STATX_BASIC_AND_BTIME, buffers.statx_address):
        raise _failure()
    (mask, links, owner, mode, inode, size, access, access_ns, birth, birth_ns, change, change_ns,
     write, write_ns, major, minor) = _STATX.unpack_from(buffers.statx)  # fmt: skip
    return Stat(
        mode,
        inode,
        os.makedev(major, minor),
        links,
        owner,
        size,
        filetime_from_ns(access * 1_000_000_000 + access_ns),
        filetime_from_ns(birth * 1_000_000_000 + birth_ns) if mask & _STATX_BTIME else 0,
        filetime_from_ns(change * 1_000_000_000 + change_ns),
        filetime_from_ns(write * 1_000_000_000 + write_ns),
    )


def _stat(directory: int, path: str) -> Stat:
    found = os.stat(path, dir_fd=directory, follow_symlinks=False) if path else os.fstat(directory)
    return Stat(
        found.st_mode,
        found.st_ino,
        found.st_dev,
        found.st_nlink,
        found.st_uid,
        found.st_size,
        filetime_from_ns(found.st_atime_ns),
        0,
        filetime_from_ns(found.st_ctime_ns),
        filetime_from_ns(found.st_mtime_ns),
    )


def _probe_getxattrat() -> bool:
    if _getxattrat is None:
        return False
    address = _buffers.arguments_address
    _getxattrat(_SYS_GETXATTRAT, -1, b"", AT_EMPTY_PATH, b"user.x", address, _XATTR_ARGS.size)
    return ctypes.get_errno() == errno.EBADF


_HAVE_GETXATTRAT = _probe_getxattrat()


def getxattrat(directory: int, name: str, attribute: str) -> bytes:
    """An extended attribute of at most 64 bytes of an entry that is no symbolic link."""
    if not _HAVE_GETXATTRAT or _getxattrat is None:
        path = f"/proc/self/fd/{directory}/{name}"
        return os.getxattr(path, attribute, follow_symlinks=False)
    buffers = _buffers
    length = _getxattrat(
        _SYS_GETXATTRAT,
        directory,
        name.encode(),
        AT_SYMLINK_NOFOLLOW,
        attribute.encode(),
        buffers.arguments_address,
        _XATTR_ARGS.size,
    )
    if length < 0:
        raise _failure()
    return buffers.value.raw[:length]


def rename_no_replace(
    source_directory: int, source: str, target_directory: int, target: str
) -> None:
    """Rename within or between directories; OSError(EEXIST) if `target` exists, EINVAL or ENOSYS
    if the system can not promise that."""
    if _renameat2 is None:
        raise _unavailable("renameat2")
    if _renameat2(
        source_directory, source.encode(), target_directory, target.encode(), RENAME_NOREPLACE
    ):
        raise _failure()


def reserve(descriptor: int, size: int) -> None:
    """Allocate the first `size` bytes of a file without changing its length."""
    if _fallocate is None:
        raise _unavailable("fallocate")
    while _fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, size):
        if ctypes.get_errno() != errno.EINTR:
            raise _failure()
