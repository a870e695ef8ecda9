"""Copying within a share: by the server where it can, by READ and WRITE where not."""

from __future__ import annotations

import errno

from paraph.client import requests
from paraph.client.operations import open_handle, using
from paraph.client.steps import Steps
from paraph.client.transfer import FILE, READ_ACCESS, WRITE_ACCESS, read_into, write
from paraph.client.tree import Handle, Tree
from paraph.errors import SMBError
from paraph.wire.fscc_file import (
    FileEndOfFileInformation,
    FileInformationClass,
    FileInternalInformation,
)
from paraph.wire.fsctl import Fsctl
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import CreateDisposition
from paraph.wire.smb2.ioctl import (
    SrvCopychunk,
    SrvCopychunkCopy,
    SrvCopychunkResponse,
    SrvRequestResumeKeyResponse,
)

_CHUNK = 1 << 20
_CHUNKS = 16
"""What every server takes: pieces of 1 MiB, 16 MiB in one request ([MS-SMB2] 3.3.3)."""
_BLOCK = 8 << 20
_CAN_NOT = frozenset(
    (
        NTStatus.NOT_SUPPORTED,
        NTStatus.NOT_IMPLEMENTED,
        NTStatus.INVALID_DEVICE_REQUEST,
        NTStatus.INVALID_PARAMETER,
        NTStatus.CTL_FILE_NOT_SUPPORTED,
        NTStatus.OBJECT_NAME_NOT_FOUND,
        NTStatus.FILE_LOCK_CONFLICT,
    )
)


def copy(tree: Tree, source: object, target: object, *, overwrite: bool = True) -> Steps[int]:
    """Copy the content of a file to another of the same share; how many bytes. The server does it
    where it can (FSCTL_SRV_COPYCHUNK). With `overwrite` false raises FileExistsError when `target`
    exists."""
    first = yield from open_handle(tree, requests.create(tree, source, READ_ACCESS, options=FILE))
    return (yield from using(first, _copy_from(first, target, overwrite)))


def _copy_from(source: Handle, target: object, overwrite: bool) -> Steps[int]:
    tree = source.tree
    # Opened without cutting it: the target could be the source, by another name.
    disposition = CreateDisposition.OPEN_IF if overwrite else CreateDisposition.CREATE
    access = WRITE_ACCESS | READ_ACCESS  # FSCTL_SRV_COPYCHUNK wants to read the target too
    second = yield from open_handle(tree, requests.create(tree, target, access, disposition, FILE))
    return (yield from using(second, _replace(source, second)))


def _replace(source: Handle, target: Handle) -> Steps[int]:
    if target.end_of_file:
        mine, theirs = (yield from _index(source)), (yield from _index(target))
        if mine == theirs:
            raise SMBError(errno.EINVAL, "source and target are the same file", target.path)
        yield requests.set_info(
            target.tree,
            FileInformationClass.END_OF_FILE,
            FileEndOfFileInformation(0).encode(),
            file_id=target.file_id,
            path=target.path,
        )
    return (yield from _copy(source, target))


def _index(handle: Handle) -> Steps[int]:
    """What tells a file from the others of its volume ([MS-FSCC] 2.4.27)."""
    found: FileInternalInformation = yield requests.query_info(
        handle.tree,
        FileInformationClass.INTERNAL,
        FileInternalInformation.decode,
        file_id=handle.file_id,
        path=handle.path,
    )
    return found.index_number


def _copy(source: Handle, target: Handle) -> Steps[int]:
    size = source.end_of_file
    try:
        done = yield from _by_server(source, target, size)
    except SMBError as error:
        if error.status not in _CAN_NOT:
            raise
        done = 0
    while done < size:
        block = bytearray(min(_BLOCK, size - done))
        view = memoryview(block)
        count = yield from read_into(source, done, view)
        if not count:
            break
        yield from write(target, done, view[:count])
        done += count
    if done < size:
        said = f"the source ends after {done} bytes, it had {size}"
        raise SMBError(errno.EIO, said, source.path, NTStatus.END_OF_FILE)
    return done


def _by_server(source: Handle, target: Handle, size: int) -> Steps[int]:
    """[MS-SMB2] 3.2.4.20.2. Returns how far it came."""
    tree = source.tree
    if not size:
        return 0
    answer: bytes = yield requests.ioctl(
        tree, Fsctl.SRV_REQUEST_RESUME_KEY, file_id=source.file_id, room=32, path=source.path
    )
    key = SrvRequestResumeKeyResponse.decode(memoryview(answer)).resume_key
    done = 0
    while done < size:
        end = min(size, done + _CHUNK * _CHUNKS)
        chunks = [SrvCopychunk(at, at, min(_CHUNK, end - at)) for at in range(done, end, _CHUNK)]
        output: bytes = yield requests.ioctl(
            tree,
            Fsctl.SRV_COPYCHUNK,
            SrvCopychunkCopy(key, chunks).encode(),
            file_id=target.file_id,
            room=12,
            path=target.path,
        )
        written = SrvCopychunkResponse.decode(memoryview(output)).total_bytes_written
        if not 0 < written <= end - done:
            return done
        done += written
    return done
