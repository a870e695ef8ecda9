"""What is in a folder: listing it, walking below it, matching names in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

from paraph.client import requests
from paraph.client.errors import smb_error
from paraph.client.names import join, posix_name, wire_name
from paraph.client.records import DirEntry
from paraph.client.steps import Compound, Emit, Items, Steps
from paraph.client.tree import Tree
from paraph.errors import SMBError
from paraph.wire.fscc_dir import DirRecord
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.create import AccessMask, CreateOptions, CreateResponse

_PAGE = 1 << 20
_ACCESS = AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES
_MAGIC = re.compile(r"[*?\[]")
_NO_NAME = re.compile(r"[/\\\0]")
_MOST_PAGES = 1 << 16


def folder_entries(tree: Tree, path: object = "", pattern: str = "*") -> Steps[list[DirEntry]]:
    """The entries of a folder, in the server's order, without "." and "..": one round trip for the
    most of them. `pattern`: let the server pick names, with * and ?."""
    folder = str(path)
    room = tree.connection.largest(min(_PAGE, tree.connection.max_transact_size))
    if tree.connection.multi_credit:
        room = min(room, max(1, (tree.connection.credit_limit - 2) // 2) << 16)
    opened: CreateResponse
    first: list[DirRecord] | None
    second: list[DirRecord] | None
    opened, first, second = yield Compound(
        [
            requests.create(tree, path, _ACCESS, options=CreateOptions.DIRECTORY_FILE),
            requests.query_directory(tree, room, pattern=pattern, path=folder),
            requests.query_directory(tree, room, pattern=pattern, path=folder),
        ]
    )
    file_id = (opened.persistent_id, opened.volatile_id)
    records = [*(first or ()), *(second or ())]
    try:
        page = second
        for _ in range(_MOST_PAGES):
            if page is None:
                break
            page = yield requests.query_directory(
                tree, room, file_id=file_id, pattern=pattern, path=folder
            )
            records += page or ()
        else:
            raise smb_error(NTStatus.INVALID_NETWORK_RESPONSE, folder, "a listing without end")
    finally:
        tree.connection.post_close(tree, file_id)
    for record in records:
        # Who joins such a name to a local path would write where the server likes.
        if not record.file_name or _NO_NAME.search(record.file_name):
            said = f"a listing with {record.file_name!r} in it, which is no name"
            raise smb_error(NTStatus.INVALID_NETWORK_RESPONSE, folder, said)
    return [DirEntry(folder, record) for record in records if record.file_name not in (".", "..")]


def scandir(tree: Tree, path: object = "") -> Items[DirEntry]:
    """The entries of a folder, with what the listing tells of each."""
    for entry in (yield from folder_entries(tree, path)):
        yield Emit(entry)


def listdir(tree: Tree, path: object = "") -> Steps[list[str]]:
    """The names in a folder."""
    return [entry.name for entry in (yield from folder_entries(tree, path))]


Level = tuple[str, list[str], list[str]]


def walk(tree: Tree, path: object = "", *, topdown: bool = True) -> Items[Level]:
    """(folder, names of folders, names of files) for a folder and all below it, as os.walk: with
    `topdown` the caller may take folders out of the list. Links are not followed, and folders that
    can not be read are passed over."""
    try:
        entries = yield from folder_entries(tree, path)
    except SMBError:
        return
    folder = str(path)
    folders = [entry.name for entry in entries if entry.is_dir()]
    links = {entry.name for entry in entries if entry.is_symlink()}
    level = (folder, folders, [entry.name for entry in entries if not entry.is_dir()])
    if topdown:
        yield Emit(level)
    for name in folders:
        if name not in links:
            yield from walk(tree, join(folder, name), topdown=topdown)
    if not topdown:
        yield Emit(level)


def glob(tree: Tree, pattern: str) -> Items[str]:
    """The paths that match: * and ? and [abc] within a name, ** for any number of folders. Names
    are compared ignoring case, as the server does it."""
    yield from _glob(tree, "", posix_name(wire_name(pattern)).split("/"))


def _glob(tree: Tree, folder: str, parts: Sequence[str]) -> Items[str]:
    """Matches of `parts` below `folder`. Where a folder can not be listed nothing matches."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _glob_below(tree, folder, rest or ["*"])
        return
    if not _MAGIC.search(part):
        fixed = join(folder, part)
        if rest:
            yield from _glob(tree, fixed, rest)
        elif (yield from _is_there(tree, fixed)):
            yield Emit(fixed)
        return
    matches = re.compile(translate(part), re.IGNORECASE).match
    try:
        entries = yield from folder_entries(tree, folder)
    except SMBError:
        return
    for entry in sorted(entries, key=lambda entry: entry.name):
        if not matches(entry.name):
            continue
        if not rest:
            yield Emit(entry.path)
        elif entry.is_dir():
            yield from _glob(tree, entry.path, rest)


def _glob_below(tree: Tree, folder: str, rest: Sequence[str]) -> Items[str]:
    """`rest` in `folder` and in every folder below it."""
    yield from _glob(tree, folder, rest)
    try:
        entries = yield from folder_entries(tree, folder)
    except SMBError:
        return
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.is_dir() and not entry.is_symlink():
            yield from _glob_below(tree, entry.path, rest)


def _is_there(tree: Tree, path: str) -> Steps[bool]:
    try:
        yield Compound(
            [requests.create(tree, path, AccessMask.FILE_READ_ATTRIBUTES), requests.close(tree)]
        )
    except SMBError:
        return False
    return True
