"""Shares as a file system of fsspec, and so for pandas, pyarrow, dask and all the others that read
and write through it:

    fs = fsspec.filesystem("paraph", host="server", username="anna", password="...")
    fs.ls("/data/letters")
    pandas.read_csv("paraph://anna@server/data/table.csv", storage_options={"password": "..."})

A path is /share/folder/file. `register` makes this the file system of smb:// too.
"""

from __future__ import annotations

import errno
import os
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import fsspec
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import isfilelike

from paraph.adapters.fsspec_file import AnyFile, download, open_file, read_range, sharing, write_new
from paraph.adapters.fsspec_folders import Folders
from paraph.adapters.fsspec_names import (
    make_url,
    plain_path,
    split_path,
    url_options,
)
from paraph.adapters.fsspec_server import Retries, ServerConnection
from paraph.client.files import Mode
from paraph.client.names import PORT
from paraph.client.target import Target, make_target
from paraph.net.client_sync import Share
from paraph.net.local_file import fill_from
from paraph.policy.settings import Policy

T = TypeVar("T")
_BLOCK = 8 << 20
#: Options of every file system of fsspec: they go to the base class.
_OF_FSSPEC = frozenset(
    (
        "asynchronous",
        "batch_size",
        "cache_options",
        "cache_type",
        "listings_expiry_time",
        "loop",
        "max_paths",
        "use_listings_cache",
    )
)


class ParaphFileSystem(Folders):
    """A server's shares, with the arguments of fsspec's own SMBFileSystem and some more.

    Nothing is sent before it is needed. An instance has one connection, for all its shares, and
    makes a new one when it has broken. Instances are cached by fsspec, one for each thread and set
    of arguments; they share nothing.

    Args:
        host, port: of the server.
        username, password: `username` may be DOMAIN\\user or domain;user. Without one the logon is
            anonymous.
        timeout: seconds that the server may take for an answer.
        encrypt: True refuses servers that can not encrypt. None and False encrypt where the server
            demands it.
        share_access: what others may do with a file while it is open: letters of "rwd", "" for
            nothing. None is "rwd", as it is with local files.
        register_session_retries: how often to try again to connect, where nobody answers.
        register_session_retry_wait, register_session_retry_factor: seconds before the last try, and
            how much shorter the first pause is.
        auto_mkdir: make the folders that lack above a file that is written or copied.
        temppath: the folder of the share that takes what is written in a transaction, until it
            ends. None: the folder where the file will be.
        block_size: bytes of a file's buffer, where `open` does not say it.
        domain, nt_hash, ccache, keytab, kerberos: see `paraph.auth.client.Credentials`.
        policy: a `Policy`, or a mapping of its fields such as {"client_always": False}.
        options: those of any file system of fsspec (`use_listings_cache` is off if nothing is
            said), and the fields of `paraph.client.settings.ClientSettings`.

    Raises UserError for options that there are not, ValueError for values that make no sense.
    """

    protocol: ClassVar[tuple[str, ...]] = ("paraph", "smb")
    root_marker = "/"

    def __init__(
        self,
        host: str,
        port: int | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout: float | None = 60,
        encrypt: bool | None = None,
        share_access: str | None = None,
        register_session_retries: int = 4,
        register_session_retry_wait: float = 1,
        register_session_retry_factor: float = 10,
        auto_mkdir: bool = False,
        *,
        temppath: str | None = None,
        block_size: int | None = None,
        domain: str | None = None,
        policy: Policy | Mapping[str, bool] | None = None,
        **options: Any,
    ) -> None:
        base = {"use_listings_cache": False}
        base |= {name: options.pop(name) for name in _OF_FSSPEC & options.keys()}
        super().__init__(**base)
        self.host = host
        self.port = port
        self.username = username
        self.timeout = timeout
        self.encrypt = encrypt
        self.share_access = share_access
        self.auto_mkdir = auto_mkdir
        self.temppath = temppath
        self.block_size = block_size
        self._others = sharing(share_access)
        if encrypt:
            options["encryption"] = "required"
        if isinstance(policy, Mapping):
            policy = Policy(**policy)
        if username is not None and ";" in username and domain is None:
            domain, _, username = username.partition(";")
        target = make_target(
            "smb://host",
            user=username or "",
            password=password,
            domain=domain,
            policy=policy,
            **options,
        )
        retries = Retries(
            register_session_retries, register_session_retry_wait, register_session_retry_factor
        )
        self._server = ServerConnection(_at(target, host, port), timeout, retries)
        weakref.finalize(self, self._server.abandon)

    # URLs and paths

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        """/share/folder/file of a URL or a path; in neither is anything percent-encoded."""
        if isinstance(path, list):
            return [plain_path(one) for one in path]
        return plain_path(path)

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        """host, port, username, password and domain, where a URL says them, percent-encoded."""
        return url_options(path)

    def unstrip_protocol(self, name: str) -> str:
        """The URL of a path, without credentials."""
        return make_url(self.protocol[0], self.host, self.port, name)

    @property
    def fsid(self) -> str:
        """The same for all instances that lead to the same server."""
        return f"smb_{self.host}:{self.port or PORT}"

    def close(self) -> None:
        """Log off; open files end with it. Whatever is done next connects again."""
        self._server.close()

    # Files

    def touch(self, path: str, truncate: bool = True, **options: Any) -> None:
        """Make an empty file; with `truncate` false only tell an existing one that it was modified
        now."""
        if truncate:
            super().touch(path, truncate=True, **options)
            return
        self.open(path, "ab", autocommit=True).close()
        now = time.time_ns()
        self._run(path, lambda share, name: share.set_times(name, modified_ns=now))

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        share_access: str | None = None,
        cache_type: str | None = None,
        size: int | None = None,
    ) -> AnyFile:
        """`block_size`: bytes to read ahead or to gather before they are written; 0 for neither.
        `cache_type`, `cache_options` and `size` are hints for other file systems."""
        parsed = Mode.parse(mode)
        others = self._others if share_access is None else sharing(share_access)
        block = self.block_size if block_size is None else block_size

        def opened(at: str) -> AnyFile:
            def action(share: Share, name: str) -> AnyFile:
                return open_file(
                    self, at, share, name, parsed, -1 if block is None else block, others
                )

            if "r" in mode:
                return self._run(at, action)
            return self._run_in_folder(at, action)

        if autocommit or "r" in mode:
            file = opened(path)
        else:
            file = opened(self._prepare(path, mode))
            file.final_path = path
        if parsed.writable:
            self.forget(path)
        return file

    def _prepare(self, path: str, mode: str) -> str:
        """Where to write in a transaction what is to become `path`."""
        share, _ = split_path(path)
        folder = self._parent(path) if self.temppath is None else f"/{share}/{self.temppath}"
        temporary: str = plain_path(f"{folder}/.{uuid4().hex}.tmp")
        if "w" not in mode and self.exists(path):
            if "x" in mode:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            self.cp_file(path, temporary)
        return temporary

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        """The content of a file, or the part that the slice start:end names."""
        if start is None and end is None:
            return self._run(path, Share.read_bytes)
        return self._run(
            path,
            lambda share, name: share._driver.run(read_range(share._tree, name, start, end)),
        )

    def pipe_file(self, path: str, value: Any, mode: str = "overwrite", **options: Any) -> None:
        """Make `value` the content of a file. With mode "create" raises FileExistsError when there
        is one."""
        if self._intrans or options:
            super().pipe_file(path, value, mode=mode, **options)
            return
        view = memoryview(value).cast("B")

        def fill(at: int, room: memoryview) -> int:
            piece = view[at : at + len(room)]
            room[: len(piece)] = piece
            return len(piece)

        def write(share: Share, name: str) -> int:
            if mode == "create":
                return share._driver.run(write_new(share._tree, name, fill))
            return share.write_bytes(name, view)

        self._run_in_folder(path, write)
        self.forget(path)

    def get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        **options: Any,
    ) -> None:
        """Copy a file to a local path (an open file goes too). A local file that did not become
        whole is removed."""
        if outfile is not None or isfilelike(lpath) or options:
            super().get_file(rpath, lpath, callback=callback, outfile=outfile, **options)
            return
        found = self.info(rpath, refresh=True)
        local = Path(lpath)
        if found["type"] == "directory":
            local.mkdir(parents=True, exist_ok=True)
            return
        local.parent.mkdir(parents=True, exist_ok=True)
        size: int = found["size"]
        callback.set_size(size)
        self._run(rpath, lambda share, name: download(share, name, local, size, callback))

    def put_file(
        self,
        lpath: Any,
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **options: Any,
    ) -> None:
        """Copy a local file; folders above it that lack are made. With mode "create" raises
        FileExistsError when there is one of that name."""
        local = Path(lpath)
        if local.is_dir():
            self.makedirs(rpath, exist_ok=True)
            return
        if self._intrans or options:
            super().put_file(lpath, rpath, callback=callback, mode=mode, **options)
            return
        with local.open("rb") as file:
            callback.set_size(os.fstat(file.fileno()).st_size)

            def send(share: Share, name: str) -> int:
                callback.absolute_update(0)
                if mode != "create":
                    return share.upload(file, name, progress=callback.relative_update)
                fill = fill_from(file.fileno())
                steps = write_new(share._tree, name, fill, callback.relative_update)
                return share._driver.run(steps)

            self._run_in_folder(rpath, send, make=True)
        self.forget(rpath)


def _at(target: Target, host: str, port: int | None) -> Target:
    """The target on that server. Raises ValueError."""
    if not host:
        raise ValueError("no host is given")
    return replace(target, location=replace(target.location, host=host, port=port or PORT))


def register(protocols: Iterable[str] = ("smb",)) -> None:
    """Make this the file system of fsspec for these protocols, instead of the one they had."""
    for protocol in protocols:
        fsspec.register_implementation(protocol, ParaphFileSystem, clobber=True)
