"""CREATE: names become opens ([MS-SMB2] 3.3.5.9, [MS-FSA] 2.1.5.1)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from paraph.server.open import conflicts
from paraph.server.settings import Limits
from paraph.server.share import Share
from paraph.storage.memory import MemoryBackend
from paraph.wire.fscc_file import FileAttributes
from paraph.wire.ntstatus import NTStatus, name
from paraph.wire.smb2.create import (
    AccessMask,
    CreateAction,
    CreateContext,
    CreateDisposition,
    CreateOptions,
    ImpersonationLevel,
    ShareAccess,
)
from paraph.wire.smb2.create_contexts import (
    AllocationSize,
    ContextName,
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
    Lease,
    MaximalAccessRequest,
    MaximalAccessResponse,
    OnDiskIdResponse,
    TimewarpToken,
)
from tests.server.file_client import (
    ALL,
    DELETE,
    READ,
    READ_WRITE,
    WRITE,
    Client,
    Refused,
    make_world,
    refused,
)
from tests.support.world import World

SUPERSEDE, OPEN, CREATE, OPEN_IF, OVERWRITE, OVERWRITE_IF = range(6)
DISPOSITIONS = (SUPERSEDE, OPEN, CREATE, OPEN_IF, OVERWRITE, OVERWRITE_IF)
DIRECTORY, NON_DIRECTORY = CreateOptions.DIRECTORY_FILE, CreateOptions.NON_DIRECTORY_FILE
ON_CLOSE = CreateOptions.DELETE_ON_CLOSE
MAXIMUM = AccessMask.MAXIMUM_ALLOWED
ATTRIBUTES = AccessMask.FILE_READ_ATTRIBUTES
GENERIC_READ, GENERIC_WRITE = AccessMask.GENERIC_READ, AccessMask.GENERIC_WRITE
READONLY, HIDDEN = FileAttributes.READONLY, FileAttributes.HIDDEN
SYSTEM, ARCHIVE = FileAttributes.SYSTEM, FileAttributes.ARCHIVE

MISSING = NTStatus.OBJECT_NAME_NOT_FOUND
EXISTS = NTStatus.OBJECT_NAME_COLLISION
DENIED = NTStatus.ACCESS_DENIED
IS_DIR = NTStatus.FILE_IS_A_DIRECTORY
NOT_DIR = NTStatus.NOT_A_DIRECTORY
INVALID = NTStatus.INVALID_PARAMETER
BAD_NAME = NTStatus.OBJECT_NAME_INVALID
VIOLATION = NTStatus.SHARING_VIOLATION

FILES = {
    "file": b"content",
    "folder\\inside": b"x",
    "locked": b"read-only",
    "hidden": b"h",
    "system": b"s",
}


def filled() -> MemoryBackend:
    store = MemoryBackend(FILES)
    for path, attribute in (("locked", READONLY), ("hidden", HIDDEN), ("system", SYSTEM)):
        handle = store.open(path)
        handle.set_basic_info(attributes=attribute | ARCHIVE)
        handle.close()
    return store


@pytest.fixture
def world() -> World:
    return make_world(backend=filled())


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def outcome(client: Client, path: str, *args: Any, **fields: Any) -> str:
    """The CreateAction or the status of a CREATE, in words; what it opened is closed again."""
    try:
        opened = client.create(path, *args, **fields)
    except Refused as error:
        return name(error.status)
    client.close(opened.id)
    return ("SUPERSEDED", "OPENED", "CREATED", "OVERWRITTEN")[opened.response.create_action]


# ---------------------------------------------------------------- dispositions

# target: what SUPERSEDE, OPEN, CREATE, OPEN_IF, OVERWRITE and OVERWRITE_IF come to
NO_OPTION: dict[str, tuple[str | int, ...]] = {
    "new": ("CREATED", MISSING, "CREATED", "CREATED", MISSING, "CREATED"),
    "file": ("SUPERSEDED", "OPENED", EXISTS, "OPENED", "OVERWRITTEN", "OVERWRITTEN"),
    "folder": (EXISTS, "OPENED", EXISTS, "OPENED", EXISTS, EXISTS),
    "locked": (DENIED, DENIED, EXISTS, DENIED, DENIED, DENIED),
    "hidden": (DENIED, "OPENED", EXISTS, "OPENED", DENIED, DENIED),
    "system": (DENIED, "OPENED", EXISTS, "OPENED", DENIED, DENIED),
    "": (EXISTS, "OPENED", EXISTS, "OPENED", EXISTS, EXISTS),
    "FILE": ("SUPERSEDED", "OPENED", EXISTS, "OPENED", "OVERWRITTEN", "OVERWRITTEN"),
    "no\\where": (NTStatus.OBJECT_PATH_NOT_FOUND,) * 6,
    "file\\below": (NTStatus.OBJECT_PATH_NOT_FOUND,) * 6,
}
AS_DIRECTORY: dict[str, tuple[str | int, ...]] = {
    "new": (INVALID, MISSING, "CREATED", "CREATED", INVALID, INVALID),
    "file": (INVALID, NOT_DIR, EXISTS, NOT_DIR, INVALID, INVALID),
    "folder": (INVALID, "OPENED", EXISTS, "OPENED", INVALID, INVALID),
}
AS_FILE: dict[str, tuple[str | int, ...]] = {
    "new": NO_OPTION["new"],
    "file": NO_OPTION["file"],
    "folder": (IS_DIR,) * 6,
    "": (IS_DIR,) * 6,
}


@pytest.mark.parametrize(
    ("options", "table"),
    [(0, NO_OPTION), (DIRECTORY, AS_DIRECTORY), (NON_DIRECTORY, AS_FILE)],
    ids=["no option", "DIRECTORY_FILE", "NON_DIRECTORY_FILE"],
)
def test_every_disposition_of_every_target(
    options: int, table: dict[str, tuple[str | int, ...]]
) -> None:
    for target, expected in table.items():
        for disposition, wanted in zip(DISPOSITIONS, expected, strict=True):
            client = Client(make_world(backend=filled()))
            found = outcome(client, target, READ_WRITE, disposition, options)
            wanted = wanted if isinstance(wanted, str) else name(wanted)
            assert (target, disposition, found) == (target, disposition, wanted)


def test_what_is_refused_changes_nothing(world: World, client: Client) -> None:
    before = {path: world.backend.read_bytes(path) for path in FILES}
    for target, disposition in itertools.product(("locked", "hidden", "system", "folder"), (0, 4)):
        assert "STATUS" in outcome(client, target, READ_WRITE, disposition)
    client.open("file", READ, share=ShareAccess.READ)
    with refused(VIOLATION):
        client.create("file", READ, OVERWRITE)
    assert {path: world.backend.read_bytes(path) for path in FILES} == before


@pytest.mark.parametrize("disposition", [SUPERSEDE, OVERWRITE, OVERWRITE_IF])
def test_an_overwritten_file_is_empty_and_has_the_attributes_of_the_request(
    world: World, client: Client, disposition: int
) -> None:
    wanted = HIDDEN | FileAttributes.NOT_CONTENT_INDEXED
    opened = client.create("hidden", READ_WRITE, disposition, attributes=wanted)
    assert opened.response.end_of_file == 0
    assert opened.response.file_attributes == HIDDEN | ARCHIVE
    assert world.backend.read_bytes("hidden") == b""
    client.create("file", ATTRIBUTES, disposition, attributes=FileAttributes.NORMAL)
    assert client.attributes("file") == ARCHIVE
    assert world.backend.read_bytes("file") == b""


def test_a_new_file_has_the_attributes_of_the_request(client: Client) -> None:
    wanted = READONLY | SYSTEM | FileAttributes.TEMPORARY
    opened = client.create("new", READ_WRITE, CREATE, attributes=wanted)
    assert opened.response.file_attributes == wanted | ARCHIVE
    assert client.write(opened.id, b"still writable through this open") == 32
    opened = client.create("dir", READ, CREATE, DIRECTORY, attributes=HIDDEN)
    assert opened.response.file_attributes == HIDDEN | FileAttributes.DIRECTORY
    assert opened.response.create_action == CreateAction.CREATED
    with refused(INVALID):
        client.create("other", READ, CREATE, DIRECTORY, attributes=FileAttributes.TEMPORARY)


def test_the_response_tells_what_was_opened(client: Client) -> None:
    response = client.create("file").response
    assert (response.end_of_file, response.allocation_size) == (7, 4096)
    assert response.file_attributes == ARCHIVE
    assert response.oplock_level == 0
    assert min(response.creation_time, response.last_write_time, response.change_time) > 0
    assert response.persistent_id != response.volatile_id
    assert client.create("file").id != client.create("file").id


def test_create_of_what_may_not_be_opened_is_a_collision(tmp_path: Any) -> None:
    # The store's own permissions are not the answer to "does it exist?"
    class Guarded(MemoryBackend):
        def open(self, path: str, *, read: bool = False, write: bool = False) -> Any:
            if read or write:
                raise PermissionError(13, "no")
            return super().open(path)

    client = Client(make_world(backend=Guarded({"file": b""})))
    assert outcome(client, "file", READ_WRITE, CREATE) == name(EXISTS)
    assert outcome(client, "file", READ_WRITE, OPEN) == name(DENIED)
    assert outcome(client, "file", ATTRIBUTES, OPEN) == "OPENED"


# ---------------------------------------------------------------- parameters

PARAMETERS: list[tuple[dict[str, Any], int]] = [
    ({"access": 0}, DENIED),
    *[({"access": READ | 1 << bit}, DENIED) for bit in range(32) if 0x0CE0FE00 >> bit & 1],
    ({"access": AccessMask.ACCESS_SYSTEM_SECURITY}, NTStatus.PRIVILEGE_NOT_HELD),
    ({"disposition": 6}, INVALID),
    ({"disposition": 0xFFFFFFFF}, INVALID),
    ({"share": 8}, INVALID),
    ({"share": 0x80000000}, INVALID),
    ({"options": 0x01000000}, INVALID),
    ({"options": 0x80000000}, INVALID),
    ({"attributes": 0x80000000}, INVALID),
    ({"options": DIRECTORY | NON_DIRECTORY}, INVALID),
    ({"options": CreateOptions.OPEN_BY_FILE_ID}, NTStatus.NOT_SUPPORTED),
    ({"options": CreateOptions.RESERVE_OPFILTER}, NTStatus.NOT_SUPPORTED),
    ({"impersonation": ImpersonationLevel.DELEGATE + 1}, NTStatus.BAD_IMPERSONATION_LEVEL),
    ({"options": ON_CLOSE}, INVALID),
    ({"options": ON_CLOSE, "access": GENERIC_READ}, INVALID),
]


@pytest.mark.parametrize(("fields", "status"), PARAMETERS)
def test_invalid_parameters(client: Client, fields: dict[str, Any], status: int) -> None:
    with refused(status):
        client.create("file", **{"access": READ, **fields})


def test_options_that_do_not_go_with_a_directory(client: Client) -> None:
    """[MS-FSA] 2.1.5.1 phase 1, ValidDirectoryCreateOptions; the bits that the server clears."""
    allowed = 0x00000001 | 0x2 | 0x10 | 0x20 | 0x100 | 0x400 | 0x1000 | 0x4000 | 0x8000
    allowed |= 0x10000 | 0x200000 | 0x800000
    for bit in range(24):
        option = 1 << bit
        if option in (DIRECTORY, NON_DIRECTORY, 0x2000, 0x100000, ON_CLOSE):
            continue
        found = outcome(client, "folder", READ, OPEN, DIRECTORY | option)
        assert (hex(option), found) == (
            hex(option),
            "OPENED" if option & allowed else name(INVALID),
        )
        assert outcome(client, "file", READ, OPEN, option) == "OPENED"


def test_unbuffered_opens_lose_the_right_to_append(client: Client) -> None:
    option = CreateOptions.NO_INTERMEDIATE_BUFFERING
    with refused(DENIED):
        client.create("file", AccessMask.FILE_APPEND_DATA, options=option)
    file = client.create("file", READ | AccessMask.FILE_APPEND_DATA, options=option).id
    with refused(DENIED):
        client.write(file, b"x", 7)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("\\file", INVALID),
        ("folder\\..\\file", INVALID),
        ("..", NTStatus.OBJECT_PATH_SYNTAX_BAD),
        ("..\\..\\etc\\passwd", NTStatus.OBJECT_PATH_SYNTAX_BAD),
        (".", BAD_NAME),
        ("folder\\.\\inside", BAD_NAME),
        ("folder\\\\inside", BAD_NAME),
        ("a/b", BAD_NAME),
        ("a*", BAD_NAME),
        ("a?", BAD_NAME),
        ('a"', BAD_NAME),
        ("a<b", BAD_NAME),
        ("a|b", BAD_NAME),
        ("a\0b", BAD_NAME),
        ("file:stream", BAD_NAME),
        ("file:", BAD_NAME),
        ("x" * 256, BAD_NAME),
    ],
)
def test_names_that_are_refused(client: Client, path: str, status: int) -> None:
    for disposition in (OPEN, OPEN_IF):
        assert outcome(client, path, READ, disposition) == name(status)


def test_a_trailing_backslash_says_directory(client: Client) -> None:
    assert outcome(client, "folder\\", READ) == "OPENED"
    assert outcome(client, "folder\\", READ, options=DIRECTORY) == "OPENED"
    assert outcome(client, "folder\\", READ, options=NON_DIRECTORY) == name(BAD_NAME)
    assert outcome(client, "file\\", READ) == name(BAD_NAME)
    assert outcome(client, "new\\", READ, CREATE) == name(BAD_NAME)
    assert outcome(client, "new\\", READ, CREATE, DIRECTORY) == "CREATED"


def test_the_default_stream_is_the_file(client: Client) -> None:
    assert outcome(client, "file::$DATA", READ) == "OPENED"


# ---------------------------------------------------------------- access


def granted(client: Client, access: int, path: str = "file") -> int:
    """Open.GrantedAccess of a fresh open."""
    file = client.open(path, access)
    (session,) = client.world.server.sessions.values()
    opened = session.opens[file[1]]
    client.close(file)
    return opened.granted_access


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (GENERIC_READ, 0x00120089),
        (GENERIC_WRITE, 0x00120116),
        (AccessMask.GENERIC_EXECUTE, 0x001200A0),
        (AccessMask.GENERIC_ALL, 0x001F01FF),
        (GENERIC_READ | GENERIC_WRITE, 0x0012019F),
        (GENERIC_READ | DELETE, 0x00130089),
        (MAXIMUM, 0x001F01FF),
        (MAXIMUM | READ, 0x001F01FF),
        (ATTRIBUTES, ATTRIBUTES),
    ],
)
def test_access_mapping(client: Client, access: int, expected: int) -> None:
    assert hex(granted(client, access)) == hex(expected)


def test_maximum_allowed_depends_on_share_and_attributes(world: World, client: Client) -> None:
    no_write = 0x001F01FF & ~(0x2 | 0x4 | 0x40)
    assert hex(granted(client, MAXIMUM, "locked")) == hex(no_write)
    assert hex(granted(client, MAXIMUM, "folder")) == hex(0x001F01FF)
    client.connect("fixed")
    assert hex(granted(client, MAXIMUM)) == hex(0x001200A9)


@pytest.mark.parametrize(
    ("access", "disposition", "expected"),
    [
        (READ, OPEN, "OPENED"),
        (GENERIC_READ | AccessMask.GENERIC_EXECUTE, OPEN_IF, "OPENED"),
        (WRITE, OPEN, DENIED),
        (AccessMask.FILE_APPEND_DATA, OPEN, DENIED),
        (GENERIC_WRITE, OPEN, DENIED),
        (AccessMask.GENERIC_ALL, OPEN, DENIED),
        (MAXIMUM | WRITE, OPEN, DENIED),
        (AccessMask.FILE_WRITE_ATTRIBUTES, OPEN, DENIED),
        (AccessMask.FILE_WRITE_EA, OPEN, DENIED),
        (AccessMask.WRITE_DAC, OPEN, DENIED),
        (AccessMask.WRITE_OWNER, OPEN, DENIED),
        (DELETE, OPEN, DENIED),
        (READ, OVERWRITE, DENIED),
        (READ, SUPERSEDE, DENIED),
        (READ, CREATE, EXISTS),
    ],
)
def test_a_read_only_share(
    client: Client, access: int, disposition: int, expected: str | int
) -> None:
    client.connect("fixed")
    expected = expected if isinstance(expected, str) else name(expected)
    assert outcome(client, "file", access, disposition) == expected


def test_nothing_is_made_or_deleted_in_a_read_only_share(world: World, client: Client) -> None:
    client.connect("fixed")
    before = world.backend.paths()
    for disposition, options in itertools.product((CREATE, OPEN_IF), (0, DIRECTORY)):
        assert outcome(client, "new", READ, disposition, options) == name(DENIED)
    assert outcome(client, "new", MAXIMUM, OVERWRITE_IF) == name(DENIED)
    # MAXIMUM_ALLOWED must not smuggle in the right to delete.
    assert outcome(client, "file", MAXIMUM, OPEN, ON_CLOSE) == name(DENIED)
    assert outcome(client, "folder", MAXIMUM, OPEN, ON_CLOSE | DIRECTORY) == name(DENIED)
    assert world.backend.paths() == before


def test_who_may_not_write_can_not_lock_readers_out(world: World) -> None:
    reader, writer = Client(world, "fixed"), Client(world)
    reader.open("file", READ, share=0)
    writer.open("file", READ)
    with refused(VIOLATION):
        writer.open("file", WRITE)


def test_a_read_only_store() -> None:
    client = Client(make_world(backend=MemoryBackend({"file": b"x"}, read_only=True)))
    protected = name(NTStatus.MEDIA_WRITE_PROTECTED)
    assert outcome(client, "file", READ) == "OPENED"
    assert outcome(client, "file", MAXIMUM) == "OPENED"
    assert outcome(client, "file", WRITE) == protected
    assert outcome(client, "new", READ, CREATE) == protected
    assert outcome(client, "file", READ, OVERWRITE) == protected


# ---------------------------------------------------------------- share modes

_MODES = (0, 1, 2, 4, 3, 5, 6, 7)
_KINDS = {
    "nothing": ATTRIBUTES,
    "read": READ,
    "execute": AccessMask.FILE_EXECUTE,
    "write": WRITE,
    "append": AccessMask.FILE_APPEND_DATA,
    "delete": DELETE,
    "read and write": READ | WRITE,
    "all": READ | WRITE | DELETE,
}


def violates(access: int, mode: int, existing_access: int, existing_mode: int) -> bool:
    """[MS-FSA] 2.1.5.1.2.2, its sentences one by one."""
    read, write = READ | AccessMask.FILE_EXECUTE, WRITE | AccessMask.FILE_APPEND_DATA
    any_of = read | write | DELETE
    if not access & any_of or not existing_access & any_of:
        return False
    return bool(
        (not existing_mode & ShareAccess.READ and access & read)
        or (not existing_mode & ShareAccess.WRITE and access & write)
        or (not existing_mode & ShareAccess.DELETE and access & DELETE)
        or (not mode & ShareAccess.READ and existing_access & read)
        or (not mode & ShareAccess.WRITE and existing_access & write)
        or (not mode & ShareAccess.DELETE and existing_access & DELETE)
    )


def test_the_share_mode_matrix() -> None:
    combinations = list(itertools.product(_KINDS.values(), _MODES))
    for (first, first_mode), (second, second_mode) in itertools.product(combinations, repeat=2):
        expected = violates(second, second_mode, first, first_mode)
        assert conflicts(second, second_mode, first, first_mode) is expected


# (first: access, share; second: access, share; whether both can be), written out by hand
BY_HAND = [
    (READ, ALL, READ, ALL, True),
    (READ, 0, READ, ALL, False),
    (READ, ALL, READ, 0, False),
    (READ, ShareAccess.READ, WRITE, ALL, False),
    (READ, ShareAccess.READ | ShareAccess.WRITE, WRITE, ShareAccess.READ, True),
    (READ, ShareAccess.WRITE, WRITE, ShareAccess.READ, True),
    (READ, ShareAccess.WRITE, WRITE, ShareAccess.WRITE, False),
    (READ, ShareAccess.READ | ShareAccess.WRITE, DELETE, ALL, False),
    (DELETE, ALL, READ, ShareAccess.READ | ShareAccess.WRITE, False),
    (DELETE, ALL, READ, ALL, True),
    (ATTRIBUTES, 0, READ | WRITE | DELETE, 0, True),
    (READ | WRITE | DELETE, 0, ATTRIBUTES, 0, True),
    (AccessMask.FILE_EXECUTE, 0, READ, ALL, False),
    (AccessMask.FILE_APPEND_DATA, ALL, READ, ShareAccess.READ, False),
]


@pytest.mark.parametrize("row", BY_HAND)
def test_share_modes_between_two_clients(
    world: World, row: tuple[int, int, int, int, bool]
) -> None:
    first_access, first_share, second_access, second_share, together = row
    first, second = Client(world), Client(world)
    file = first.open("file", first_access, share=first_share)
    if together:
        second.close(second.open("file", second_access, share=second_share))
    else:
        with refused(VIOLATION):
            second.open("file", second_access, share=second_share)
    first.close(file)
    second.close(second.open("file", second_access, share=second_share))


def test_share_modes_hold_within_a_session_and_for_directories(client: Client) -> None:
    client.open("folder", READ, share=ShareAccess.READ)
    with refused(VIOLATION):
        client.open("folder", DELETE)
    client.open("folder", READ)


@pytest.mark.parametrize(
    ("disposition", "shared", "allowed"),
    [
        (OVERWRITE, ShareAccess.READ | ShareAccess.WRITE, True),
        (OVERWRITE, ShareAccess.READ | ShareAccess.DELETE, False),
        (SUPERSEDE, ShareAccess.READ | ShareAccess.DELETE, True),
        (SUPERSEDE, ShareAccess.READ | ShareAccess.WRITE, False),
    ],
)
def test_overwriting_takes_part_in_share_modes(
    world: World, disposition: int, shared: int, allowed: bool
) -> None:
    holder, other = Client(world), Client(world)
    holder.open("file", READ, share=shared)
    if allowed:
        other.create("file", ATTRIBUTES, disposition)
        assert world.backend.read_bytes("file") == b""
    else:
        with refused(VIOLATION):
            other.create("file", ATTRIBUTES, disposition)
        assert world.backend.read_bytes("file") == b"content"


def test_opens_end_with_their_connection(world: World) -> None:
    first, second = Client(world), Client(world)
    first.open("file", READ, share=0)
    first.peer.link.close()
    second.open("file", READ, share=0)
    assert len(world.server.files) == 1


# ---------------------------------------------------------------- delete on close


def test_delete_on_close(world: World, client: Client) -> None:
    client.close(client.create("file", DELETE, OPEN, ON_CLOSE).id)
    assert "file" not in world.backend.paths()
    client.close(client.create("new", DELETE, CREATE, ON_CLOSE | DIRECTORY).id)
    assert "new" not in world.backend.paths()


def test_the_file_goes_with_its_last_open(world: World, client: Client) -> None:
    other = client.open("file", READ)
    client.close(client.create("file", DELETE, OPEN, ON_CLOSE).id)
    with refused(NTStatus.DELETE_PENDING):
        client.open("file", READ)
    with refused(NTStatus.DELETE_PENDING):
        client.create("file", READ, OPEN_IF)
    assert client.read(other, 7) == b"content"
    client.close(other)
    assert "file" not in world.backend.paths()
    with refused(MISSING):
        client.open("file", READ)


def test_the_doomed_name_goes_and_other_links_stay(world: World, client: Client) -> None:
    """Whichever of the opens is closed last: Link.IsDeleted is of a name, not of the file."""
    handle = world.backend.open("file")
    handle.link("other name", replace=False)
    handle.close()
    other = client.open("other name", READ)
    client.close(client.create("file", DELETE, OPEN, ON_CLOSE).id)
    client.close(other)
    assert "file" not in world.backend.paths()
    assert world.backend.read_bytes("other name") == b"content"


def test_a_directory_that_is_not_empty_stays(world: World, client: Client) -> None:
    """[MS-FSA] 2.1.5.5 phase 1: the open and the close succeed."""
    client.close(client.create("folder", DELETE, OPEN, ON_CLOSE).id)
    assert "folder\\inside" in world.backend.paths()
    client.open("folder", READ)


@pytest.mark.parametrize("how", ["logoff", "tree disconnect", "disconnect"])
def test_delete_on_close_when_the_session_ends(world: World, how: str) -> None:
    client = Client(world)
    client.create("file", DELETE, OPEN, ON_CLOSE)
    if how == "logoff":
        client.peer.logoff(client.logon)
    elif how == "tree disconnect":
        client.peer.tree_disconnect(client.logon, client.tree)
    else:
        client.peer.link.close()
    assert "file" not in world.backend.paths()
    assert len(world.server.files) == 0


@pytest.mark.parametrize("how", ["logoff", "tree disconnect", "disconnect"])
def test_one_file_that_can_not_be_deleted_does_not_keep_the_others(how: str) -> None:
    class Stubborn(MemoryBackend):
        def check_writable(self) -> None:
            if self.stubborn:
                raise PermissionError(13, "no")

        stubborn = False

    store = Stubborn({"a": b"", "b": b"", "c": b""})
    world = make_world(backend=store)
    client = Client(world)
    client.open("a", READ)
    client.create("b", DELETE, OPEN, ON_CLOSE)
    client.open("c", READ)
    store.stubborn = True
    if how == "logoff":
        client.peer.logoff(client.logon)
    elif how == "tree disconnect":
        client.peer.tree_disconnect(client.logon, client.tree)
    else:
        client.peer.link.close()
    assert len(world.server.files) == 0
    assert store.paths() == ["a", "b", "c"]
    assert not world.server.sessions or how == "tree disconnect"


def test_delete_on_close_of_what_is_marked_read_only(client: Client) -> None:
    cannot = name(NTStatus.CANNOT_DELETE)
    assert outcome(client, "locked", DELETE, OPEN, ON_CLOSE) == cannot
    assert outcome(client, "locked", MAXIMUM, OPEN, ON_CLOSE) == cannot
    assert outcome(client, "locked", WRITE | DELETE, OPEN, ON_CLOSE) == name(DENIED)
    assert outcome(client, "n", DELETE, CREATE, ON_CLOSE, attributes=READONLY) == cannot
    with refused(MISSING):
        client.open("n", READ)


def test_the_root_of_a_share_stays(client: Client) -> None:
    assert outcome(client, "", DELETE, OPEN, ON_CLOSE | DIRECTORY) == name(DENIED)


def test_maximum_allowed_is_enough_to_delete_on_close(world: World, client: Client) -> None:
    assert outcome(client, "file", MAXIMUM, OPEN, ON_CLOSE) == "OPENED"
    assert "file" not in world.backend.paths()


# ---------------------------------------------------------------- contexts


def asking(*contexts: tuple[bytes, bytes]) -> list[CreateContext]:
    return [CreateContext(key, data) for key, data in contexts]


def maximal(client: Client, path: str, data: bytes = b"") -> MaximalAccessResponse:
    contexts = asking((ContextName.QUERY_MAXIMAL_ACCESS, data))
    answer = client.create(path, ATTRIBUTES, contexts=contexts).context(b"MxAc")
    assert answer is not None
    return MaximalAccessResponse.decode(answer)


def test_maximal_access(client: Client) -> None:
    assert maximal(client, "file") == MaximalAccessResponse(0, 0x001F01FF)
    assert maximal(client, "folder") == MaximalAccessResponse(0, 0x001F01FF)
    assert maximal(client, "locked") == MaximalAccessResponse(0, 0x001F01FF & ~0x46)
    client.connect("fixed")
    assert maximal(client, "file") == MaximalAccessResponse(0, 0x001200A9)


def test_maximal_access_of_a_file_that_the_client_knows(client: Client) -> None:
    stamp = client.create("file").response.last_write_time
    known = maximal(client, "file", MaximalAccessRequest(stamp).encode())
    assert known == MaximalAccessResponse(NTStatus.NONE_MAPPED, 0)
    changed = maximal(client, "file", MaximalAccessRequest(stamp - 1).encode())
    assert changed == MaximalAccessResponse(0, 0x001F01FF)


def test_the_id_on_disk(world: World, client: Client) -> None:
    contexts = asking((ContextName.QUERY_ON_DISK_ID, b""))
    ids = []
    for path in ("file", "FILE", "folder"):
        data = client.create(path, ATTRIBUTES, contexts=contexts).context(b"QFid")
        assert data is not None
        ids.append(OnDiskIdResponse.decode(data))
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].volume_id == world.backend.volume().serial_number


def allocation(size: int) -> list[CreateContext]:
    return asking((ContextName.ALLOCATION_SIZE, AllocationSize(size).encode()))


def test_allocation_size(world: World, client: Client) -> None:
    response = client.create("new", WRITE, CREATE, contexts=allocation(100_000)).response
    assert (response.allocation_size, response.end_of_file) == (102_400, 0)
    response = client.create("file", WRITE, OPEN, contexts=allocation(100_000)).response
    assert (response.allocation_size, response.end_of_file) == (4096, 7)
    response = client.create("file", WRITE, OVERWRITE, contexts=allocation(5000)).response
    assert (response.allocation_size, response.end_of_file) == (8192, 0)
    client.create("dir", READ, CREATE, DIRECTORY, contexts=allocation(5000))


def test_a_file_that_would_not_fit_is_not_made() -> None:
    world = make_world(backend=MemoryBackend(capacity=10_000))
    client = Client(world)
    with refused(NTStatus.DISK_FULL):
        client.create("new", WRITE, CREATE, contexts=allocation(10_001))
    assert world.backend.paths() == []
    with refused(NTStatus.DISK_FULL):
        client.create("new", WRITE, CREATE, contexts=allocation(2**64 - 1))
    assert world.backend.paths() == []
    assert len(world.server.files) == 0
    client.create("new", WRITE, CREATE, contexts=allocation(10_000))


def test_extended_attributes_are_refused_only_where_they_would_be_stored(world: World) -> None:
    client = Client(world)
    contexts = asking((ContextName.EA_BUFFER, b"\0" * 16))
    unsupported = name(NTStatus.EAS_NOT_SUPPORTED)
    assert outcome(client, "new", READ, CREATE, contexts=contexts) == unsupported
    assert outcome(client, "file", READ, OVERWRITE, contexts=contexts) == unsupported
    assert outcome(client, "file", READ, OPEN, contexts=contexts) == "OPENED"
    assert outcome(client, "file", READ, OPEN_IF, contexts=contexts) == "OPENED"
    assert world.backend.read_bytes("file") == b"content"
    assert "new" not in world.backend.paths()


def test_previous_versions_and_durable_handles_are_not_there(client: Client) -> None:
    token = asking((ContextName.TIMEWARP_TOKEN, TimewarpToken(1).encode()))
    assert outcome(client, "file", READ, contexts=token) == name(MISSING)
    for context in (
        (ContextName.DURABLE_HANDLE_RECONNECT, DurableHandleReconnect(1, 2).encode()),
        (ContextName.DURABLE_HANDLE_RECONNECT_V2, DurableHandleReconnectV2(1, 2).encode()),
    ):
        assert outcome(client, "file", READ, contexts=asking(context)) == name(MISSING)


def test_leases_and_durable_handles_are_not_granted(client: Client) -> None:
    contexts = asking(
        (ContextName.LEASE, Lease(bytes(16), 7).encode()),
        (ContextName.DURABLE_HANDLE_REQUEST_V2, DurableHandleRequestV2().encode()),
        (ContextName.DURABLE_HANDLE_REQUEST, DurableHandleRequest().encode()),
        (ContextName.SD_BUFFER, b"\0" * 20),
        (b"What", b"is this?"),
        (ContextName.APP_INSTANCE_ID, b"\0" * 20),
    )
    opened = client.create("file", READ, contexts=contexts)
    assert opened.response.create_contexts == []
    assert opened.response.oplock_level == 0


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (ContextName.QUERY_MAXIMAL_ACCESS, b"\0" * 7),
        (ContextName.ALLOCATION_SIZE, b""),
        (ContextName.ALLOCATION_SIZE, b"\0" * 9),
        (ContextName.TIMEWARP_TOKEN, b"\0" * 4),
        (ContextName.LEASE, b"\0" * 33),
        (ContextName.DURABLE_HANDLE_REQUEST, b"\0" * 15),
        (ContextName.DURABLE_HANDLE_REQUEST_V2, b"\0" * 31),
        (ContextName.DURABLE_HANDLE_RECONNECT, b"\0" * 15),
        (ContextName.DURABLE_HANDLE_RECONNECT_V2, b"\0" * 35),
        (b"abc", b""),
    ],
)
def test_malformed_contexts(world: World, client: Client, key: bytes, data: bytes) -> None:
    with refused(INVALID):
        client.create("new", READ, CREATE, contexts=asking((key, data)))
    assert "new" not in world.backend.paths()


# ---------------------------------------------------------------- limits, pipes


def test_the_limit_of_opens() -> None:
    client = Client(make_world(backend=filled(), limits=Limits(opens_per_session=3)))
    opens = [client.open("file", READ) for _ in range(3)]
    with refused(NTStatus.TOO_MANY_OPENED_FILES):
        client.open("file", READ)
    client.close(opens[0])
    client.open("file", READ)
    client.connect("IPC$")
    with refused(NTStatus.TOO_MANY_OPENED_FILES):
        client.create("srvsvc", READ | WRITE)


def test_an_open_belongs_to_its_tree_connect(client: Client) -> None:
    file = client.open("file", READ)
    client.connect("fixed")
    with refused(NTStatus.FILE_CLOSED):
        client.read(file, 1)


@pytest.mark.parametrize("pipe", ["srvsvc", "SRVSVC", "wkssvc", "\\srvsvc"])
def test_pipes(client: Client, pipe: str) -> None:
    client.connect("IPC$")
    opened = client.create(pipe, READ | WRITE)
    assert opened.response.create_action == CreateAction.OPENED
    assert opened.response.file_attributes == FileAttributes.NORMAL
    assert opened.response.end_of_file == 0
    client.close(opened.id)
    with refused(NTStatus.FILE_CLOSED):
        client.read(opened.id, 10)


def test_what_a_pipe_ignores_and_what_not(client: Client) -> None:
    """[MS-FSA] 2.1.5.2: disposition, options and attributes do not count."""
    client.connect("IPC$")
    client.create("srvsvc", READ, 77, 0xFFFFFFFF, share=0xFF, attributes=0xFFFFFFFF)
    rows: list[tuple[dict[str, Any], int]] = [
        ({"impersonation": ImpersonationLevel.DELEGATE}, NTStatus.BAD_IMPERSONATION_LEVEL),
        ({"impersonation": 99}, NTStatus.BAD_IMPERSONATION_LEVEL),
        ({"access": 0}, DENIED),
        ({"access": 0x0CE0FE00}, DENIED),
    ]
    for fields, status in rows:
        with refused(status):
            client.create("srvsvc", fields.pop("access", READ), **fields)


@pytest.mark.parametrize("path", ["file", "", "lsass", "srvsvc\\x", "..", "a*"])
def test_there_are_no_files_on_ipc(client: Client, path: str) -> None:
    client.connect("IPC$")
    with refused(MISSING):
        client.create(path, READ, OPEN_IF)


def test_pipes_are_closed_to_anonymous_users() -> None:
    world = make_world(backend=filled(), allow_anonymous=True)
    client = Client(world)
    logon, reply = client.peer.anonymous()
    assert reply.status == NTStatus.SUCCESS
    client.logon = logon
    client.connect("IPC$")
    with refused(DENIED):
        client.create("srvsvc", READ)


def test_files_of_two_backends_do_not_meet() -> None:
    shares = [Share("data", MemoryBackend({"f": b"1"})), Share("b", MemoryBackend({"f": b"2"}))]
    client = Client(make_world(shares=shares))
    client.open("f", READ, share=0)
    client.connect("b")
    assert client.read(client.open("f", READ, share=0), 1) == b"2"


def test_dispositions_have_the_numbers_of_the_specification() -> None:
    assert DISPOSITIONS == (
        CreateDisposition.SUPERSEDE,
        CreateDisposition.OPEN,
        CreateDisposition.CREATE,
        CreateDisposition.OPEN_IF,
        CreateDisposition.OVERWRITE,
        CreateDisposition.OVERWRITE_IF,
    )
