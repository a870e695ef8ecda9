"""`paraph ls`, `tree`, `stat` and `shares`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paraph.cli.client_output import Output, counted, iso, local_time, shown, size_text
from paraph.cli.client_places import safe_name
from paraph.cli.client_remote import Remote
from paraph.client.records import DirEntry, FileStat
from paraph.wire.fscc_file import FileAttributes

_WORDS = {
    value: name.lower().replace("_", "-")
    for name, value in vars(FileAttributes).items()
    if isinstance(value, int)
}
_LETTERS = (
    (FileAttributes.DIRECTORY, "D"),
    (FileAttributes.READONLY, "R"),
    (FileAttributes.HIDDEN, "H"),
    (FileAttributes.SYSTEM, "S"),
    (FileAttributes.ARCHIVE, "A"),
    (FileAttributes.REPARSE_POINT, "L"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file or folder, where a listing found it."""

    path: str
    name: str
    depth: int
    is_dir: bool
    status: FileStat

    @property
    def kind(self) -> str:
        """ "file", "folder" or "link"."""
        if self.status.is_symlink():
            return "link"
        return "folder" if self.is_dir else "file"


def attribute_words(attributes: int) -> list[str]:
    """FILE_ATTRIBUTE_* as words; NORMAL is none."""
    return [
        word for bit, word in _WORDS.items() if attributes & bit and bit != FileAttributes.NORMAL
    ]


def below(remote: Remote, folder: str, *, deepest: int | None = 0) -> Iterator[Found]:
    """What is in a folder, sorted; then, down to `deepest` (None: all the way), what is in each
    folder in it, right after it. Links are not followed."""
    stack = [iter(_listed(remote, folder, 0))]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        yield found
        further = deepest is None or found.depth < deepest
        if found.is_dir and further and not found.status.is_symlink():
            stack.append(iter(_listed(remote, found.path, found.depth + 1)))


def _listed(remote: Remote, folder: str, depth: int) -> list[Found]:
    entries = sorted(remote.share.scandir(folder), key=lambda entry: entry.name.casefold())
    return [_found(entry, remote.url(folder), depth) for entry in entries]


def _found(entry: DirEntry, folder: str, depth: int) -> Found:
    safe_name(entry.name, folder)
    return Found(entry.path, entry.name, depth, entry.is_dir(), entry.stat())


def _record(remote: Remote, found: Found, **more: Any) -> dict[str, Any]:
    return {
        "name": found.name,
        "url": remote.url(found.path),
        "type": found.kind,
        "size": found.status.st_size,
        "modified": iso(found.status.st_mtime_ns),
        "attributes": attribute_words(found.status.st_file_attributes),
        **more,
    }


def ls(out: Output, remote: Remote, path: str, *, long: bool, recursive: bool) -> None:
    """A folder's names, or one file's."""
    with remote:
        for one in remote.expand(path):
            status = remote.share.stat(one)
            if not status.is_dir():
                name = one.rpartition("/")[2]
                _show(out, remote, Found(one, name, 0, False, status), one, long)
                continue
            for found in below(remote, one, deepest=None if recursive else 0):
                inside = found.path[len(one) :].lstrip("/") if one else found.path
                _show(out, remote, found, inside, long)


def _show(out: Output, remote: Remote, found: Found, name: str, long: bool) -> None:
    out.record(**_record(remote, found))
    ending = "/" if found.is_dir else ""
    if not long:
        out.line(f"{shown(name)}{ending}")
        return
    attributes = found.status.st_file_attributes
    letters = "".join(letter if attributes & bit else "-" for bit, letter in _LETTERS)
    size = "" if found.is_dir else f"{found.status.st_size:,}"
    when = local_time(found.status.st_mtime_ns)
    out.line(f"{letters}  {size:>15}  {when}  {shown(name)}{ending}")


def tree(out: Output, remote: Remote, path: str, *, depth: int | None) -> None:
    """Everything below a folder, as a tree, and how much that is."""
    folders = files = total = 0
    with remote:
        out.line(shown(remote.url(path)))
        deepest = None if depth is None else depth - 1
        for found, branches in _branches(below(remote, path, deepest=deepest)):
            out.record(**_record(remote, found, depth=found.depth + 1))
            out.line(f"{branches}{shown(found.name)}{'/' if found.is_dir else ''}")
            if found.is_dir:
                folders += 1
            else:
                files += 1
                total += found.status.st_size
    out.line(f"{counted(folders, 'folder')}, {counted(files, 'file')}, {size_text(total)}")


def _branches(found: Iterator[Found]) -> Iterator[tuple[Found, str]]:
    """Each with the lines to its left; which of them go on, what follows tells."""
    all_of_it = list(found)
    goes_on: list[bool] = []
    lines: list[str] = []
    for one in reversed(all_of_it):
        del goes_on[one.depth + 1 :]
        goes_on += [False] * (one.depth + 1 - len(goes_on))
        left = "".join("│   " if more else "    " for more in goes_on[: one.depth])
        lines.append(left + ("├── " if goes_on[one.depth] else "└── "))
        goes_on[one.depth] = True
    yield from zip(all_of_it, reversed(lines), strict=True)


def stat(out: Output, remote: Remote, path: str) -> None:
    """All that a server tells of a file or folder."""
    with remote:
        for one in remote.expand(path):
            found = remote.share.stat(one)
            kind = Found(one, one.rpartition("/")[2], 0, found.is_dir(), found)
            record = _record(
                remote,
                kind,
                allocated=found.st_allocated,
                created=iso(found.st_birthtime_ns),
                accessed=iso(found.st_atime_ns),
                changed=iso(found.st_ctime_ns),
                file_id=found.st_ino,
            )
            out.record(**record)
            _facts(out, shown(remote.url(one)), record, found)


def _facts(out: Output, title: str, record: dict[str, Any], found: FileStat) -> None:
    out.line(title)
    pattern = "%Y-%m-%d %H:%M:%S %z"
    rows = {
        "Type": record["type"],
        "Size": f"{found.st_size:,} bytes ({size_text(found.st_allocated)} on disk)",
        "Modified": local_time(found.st_mtime_ns, pattern),
        "Changed": local_time(found.st_ctime_ns, pattern),
        "Accessed": local_time(found.st_atime_ns, pattern),
        "Created": local_time(found.st_birthtime_ns, pattern),
        "Attributes": ", ".join(record["attributes"]) or "none",
        "File id": str(found.st_ino or "not told"),
    }
    for label, text in rows.items():
        out.line(f"  {label:<11} {text}")


def shares(out: Output, remote: Remote) -> None:
    """The shares that a server tells of."""
    with remote:
        found = sorted(remote.share.shares(), key=lambda one: (one.special, one.name.casefold()))
    width = max((len(shown(one.name)) for one in found), default=0)
    for one in found:
        out.record(name=one.name, type=one.kind, comment=one.comment, special=one.special)
        out.line(f"{shown(one.name):<{width}}  {one.kind:<7}  {shown(one.comment)}".rstrip())
