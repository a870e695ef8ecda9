"""Paths, URLs and descriptions of files, as fsspec has them."""

from __future__ import annotations

import errno
import re
from typing import Any

from fsspec.utils import stringify_path

from paraph.client.names import PORT, parse_location
from paraph.client.records import DirEntry, FileStat
from paraph.errors import SMBError
from paraph.wire.ntstatus import NTStatus

Info = dict[str, Any]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def plain_path(path: object) -> str:
    """/share/folder/file of a URL or a path; in neither is anything percent-encoded."""
    text: str = stringify_path(path)
    if url := _URL.match(text):
        text = text[url.end() :].partition("/")[2]
    parts = text.replace("\\", "/").split("/")
    return "/" + "/".join(part for part in parts if part)


def split_path(path: object) -> tuple[str, str]:
    """The share of a path, and what is within it."""
    share, _, name = plain_path(path)[1:].partition("/")
    return share, name


def same_path(path: object, other: object) -> bool:
    """Whether a server finds the same file for both."""
    return plain_path(path).casefold() == plain_path(other).casefold()


def url_options(url: str) -> dict[str, Any]:
    """host, port, username, password and domain, where a URL says them, percent-encoded. Raises
    UserError."""
    authority = url.partition("://")[2].partition("/")[0]
    if not authority:
        return {}
    place = parse_location(f"smb://{authority}")
    found: dict[str, Any] = {"host": place.host}
    if place.port != PORT:
        found["port"] = place.port
    if place.user:
        found["username"] = place.user
    if place.domain:
        found["domain"] = place.domain
    if place.password is not None:
        found["password"] = place.password
    return found


def make_url(protocol: str, host: str, port: int | None, path: str) -> str:
    """The URL of a path, without credentials."""
    place = f"[{host}]" if ":" in host else host
    if port not in (None, PORT):
        place += f":{port}"
    return f"{protocol}://{place}{plain_path(path)}"


def folder_info(path: str) -> Info:
    """Of the server, or of a share as the server lists it."""
    return {"name": path, "size": 0, "type": "directory"}


def file_info(path: str, found: FileStat) -> Info:
    kind = "link" if found.is_symlink() else "directory" if found.is_dir() else "file"
    return {
        "name": path,
        "size": found.st_size if kind != "directory" else 0,
        "type": kind,
        "created": found.st_birthtime,
        "mtime": found.st_mtime,
        "time": found.st_atime,
        "ino": found.st_ino,
        "attributes": found.st_file_attributes,
    }


def entry_info(folder: str, entry: DirEntry) -> Info:
    """Raises SMBError for a name that would lead elsewhere."""
    name = entry.name
    if not name or "/" in name or "\\" in name:
        said = f"the server lists {name!r}, which can not be the name of a file"
        raise SMBError(errno.EPROTO, said, folder, NTStatus.INVALID_NETWORK_RESPONSE)
    return file_info(f"{folder.rstrip('/')}/{name}", entry.stat())
