"""The one place where a path becomes a file descriptor: resolution beneath a root directory.

No path leads out of the root, whatever it contains and whatever happens to the tree meanwhile: not
through `..`, not through a symbolic link, not through the links of /proc. Symbolic links that stay
beneath the root are followed; one with an absolute target leaves it, even if the target lies inside
again. What comes out is an O_PATH descriptor: to open one starts no device and waits for no FIFO.
"""

from __future__ import annotations

import errno
import os
import stat

from paraph.storage import syscalls

_RESOLVE = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS
_MAXIMUM_LINKS = 40
_PATH_MAX = 4096


class Jail:
    """Owns the descriptor of the root."""

    def __init__(self, root: str, *, use_openat2: bool = True) -> None:
        """Raises OSError if `root` is no directory. `use_openat2=False` chooses the walk that is
        otherwise the fallback of kernels before 5.6 and of sandboxes without openat2."""
        self.root = os.open(root, os.O_PATH | os.O_DIRECTORY)
        self.kernel = use_openat2 and self._has_openat2()

    def _has_openat2(self) -> bool:
        try:
            os.close(syscalls.openat2(self.root, b".", os.O_PATH, _RESOLVE))
        except OSError:
            return False
        return True

    def open(self, path: str, *, directory: bool = False) -> int:
        """A close-on-exec O_PATH descriptor of `path` (host spelling, "" is the root); the last
        component is followed, too.

        Raises OSError: EXDEV if the path leaves the root, ELOOP for too many links or a link of
        /proc, ENOENT, ENOTDIR (also if `directory` and it is none), ENAMETOOLONG, EACCES."""
        encoded = path.encode() or b"."
        if len(encoded) >= _PATH_MAX:
            raise OSError(errno.ENAMETOOLONG, "path is too long")
        if not self.kernel:
            return self._walk(path, directory)
        flags = os.O_PATH | os.O_DIRECTORY if directory else os.O_PATH
        return syscalls.openat2(self.root, encoded, flags, _RESOLVE)

    def _walk(self, path: str, directory: bool) -> int:
        """The same by hand: one component at a time, never following a link of the system's.

        `..` occurs in targets of links only and returns to a directory we came through, held
        open; the kernel is never asked for it, so nothing that is moved meanwhile leads out."""
        trail = [os.open(".", os.O_PATH | os.O_DIRECTORY, dir_fd=self.root)]
        pending = path.split("/")[::-1]
        links = 0
        try:
            while pending:
                component = pending.pop()
                if component == "..":
                    if len(trail) == 1:
                        raise OSError(errno.EXDEV, "link leads out of the root")
                    os.close(trail.pop())
                if component in ("", ".", ".."):
                    continue
                found = os.open(component, os.O_PATH | os.O_NOFOLLOW, dir_fd=trail[-1])
                mode = os.fstat(found).st_mode
                if stat.S_ISLNK(mode):
                    links += 1
                    pending += _target(found, links).split("/")[::-1]
                    continue
                trail.append(found)
                if not stat.S_ISDIR(mode) and (pending or directory):
                    raise OSError(errno.ENOTDIR, "not a directory")
            return trail.pop()
        finally:
            for descriptor in trail:
                os.close(descriptor)

    def close(self) -> None:
        """Idempotent."""
        if self.root >= 0:
            os.close(self.root)
            self.root = -1


def _target(link: int, links: int) -> str:
    """What the link says; closes it."""
    try:
        target = os.readlink("", dir_fd=link)
    finally:
        os.close(link)
    if target.startswith("/"):
        raise OSError(errno.EXDEV, "link leads out of the root")
    if links > _MAXIMUM_LINKS:
        raise OSError(errno.ELOOP, "too many links")
    return target
