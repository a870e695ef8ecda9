"""`paraph cat`, `rm`, `mv`, `mkdir` and `watch`."""

from __future__ import annotations

import errno
import sys
from contextlib import suppress

from paraph.cli.client_output import Output, iso, local_time, shown
from paraph.cli.client_remote import Remote, failure
from paraph.cli.client_transfer import LEAST
from paraph.errors import SMBTimeout, UserError

_BLOCK = 4 << 20


def cat(remote: Remote, path: str) -> None:
    """Files, to standard output."""
    sys.stdout.flush()
    with remote:
        for one in remote.expand(path):
            with remote.share.open(one, "rb", buffering=0) as file:
                buffer = bytearray(LEAST)
                while count := file.readinto(buffer):  # type: ignore[attr-defined]
                    with memoryview(buffer) as view:
                        sys.stdout.buffer.write(view[:count])
                    if count == len(buffer) < _BLOCK:
                        buffer = bytearray(_BLOCK)
    sys.stdout.buffer.flush()


def rm(out: Output, remote: Remote, path: str, *, recursive: bool, force: bool) -> None:
    """Files, and with `recursive` folders."""
    if not path:
        raise UserError(f"{remote.url()} is a whole share, which is not deleted.")
    with remote:
        try:
            found = remote.expand(path)
        except FileNotFoundError:
            if force:
                return
            raise
        for one in found:
            _remove(remote, one, recursive=recursive, force=force)
            out.record(action="deleted", url=remote.url(one))


def _remove(remote: Remote, path: str, *, recursive: bool, force: bool) -> None:
    share = remote.share
    try:
        try:
            share.remove(path)
        except (IsADirectoryError, PermissionError):
            # Some servers say of a folder that access is denied.
            if not share.is_dir(path):
                raise
            if not recursive:
                words = "is a folder; --recursive deletes folders"
                raise failure(errno.EISDIR, words, remote.url(path)) from None
            share.rmtree(path)
    except FileNotFoundError:
        if not force:
            raise


def mv(out: Output, remote: Remote, sources: list[str], target: str, *, force: bool) -> None:
    """Rename within a share, or move into a folder of it."""
    with remote:
        share = remote.share
        found = [one for source in sources for one in remote.expand(source)]
        inside = share.is_dir(target) if target else True
        if len(found) > 1 and not inside:
            raise UserError(f"{remote.url(target)} is no folder; several things go into one only.")
        for one in found:
            if not one:
                raise UserError(f"{remote.url()} is a whole share, which can not be moved.")
            name = one.rpartition("/")[2]
            goal = f"{target}/{name}".lstrip("/") if inside else target
            # Of a name that changes in case only the folder itself is found at the target.
            if inside and one.casefold() == target.casefold():
                goal = target
            (share.replace if force else share.rename)(one, goal)
            out.record(action="moved", source=remote.url(one), target=remote.url(goal))


def mkdir(out: Output, remote: Remote, path: str, *, parents: bool) -> None:
    """A folder, with `parents` those above it too."""
    with remote:
        if parents:
            remote.share.makedirs(path, exist_ok=True)
        else:
            remote.share.mkdir(path)
    out.record(action="made", url=remote.url(path))


def watch(
    out: Output,
    remote: Remote,
    path: str,
    *,
    recursive: bool,
    count: int | None,
    seconds: float | None,
) -> None:
    """Changes in a folder, until `count` of them came, or none for `seconds`."""
    import time

    told = 0
    with (
        remote,
        suppress(SMBTimeout),
        remote.share.watch(path, recursive=recursive, timeout=seconds) as changes,
    ):
        for change in changes:
            now = time.time_ns()
            where = f"{path}/{change.path}".strip("/")
            out.record(time=iso(now), action=change.action, url=remote.url(where))
            out.line(f"{local_time(now, '%H:%M:%S')}  {change.action:<12}  {shown(change.path)}")
            sys.stdout.flush()
            told += 1
            if told == count:
                break
