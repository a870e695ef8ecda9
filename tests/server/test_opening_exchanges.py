"""The first messages of Windows 10, Windows 11 24H2 and macOS, put together byte by byte from
[MS-SMB2], [MS-SPNG], [MS-FSCC] and [RFC4178], not by the encoders of Paraph; the server must answer
them as those clients need it.

What is theirs (order of contexts, levels that they ask for, flags) follows the product notes of the
specifications; no capture of anybody's traffic is repeated here.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack, unpack_from
from typing import Any

import pytest

from paraph.policy.settings import Policy
from paraph.server.events import SessionEstablished
from paraph.wire.ntstatus import NTStatus
from tests.support.link import Dropped
from tests.support.peer import Logon, Offer, Peer, Reply, client_context
from tests.support.world import PASSWORD, USER, World

NEGOTIATE, SETUP, TREE_CONNECT, CREATE, CLOSE, IOCTL, DIRECTORY, QUERY = 0, 1, 3, 5, 6, 11, 14, 16
MINUS_ONE = b"\xff" * 16
SIZE = 64  # of the header


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


# SPNEGO, [RFC4178] 4.2


def der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


SPNEGO = der(0x06, bytes.fromhex("2b0601050502"))
KERBEROS = der(0x06, bytes.fromhex("2a864886f712010202"))
MS_KERBEROS = der(0x06, bytes.fromhex("2a864882f712010202"))
NEGOEX = der(0x06, bytes.fromhex("2b06010401823702021e"))
NTLM = der(0x06, bytes.fromhex("2b06010401823702020a"))


def neg_token_init(mechanisms: list[bytes], token: bytes) -> bytes:
    fields = der(0xA0, der(0x30, b"".join(mechanisms))) + der(0xA2, der(0x04, token))
    return der(0x60, SPNEGO + der(0xA0, der(0x30, fields)))


def neg_token_resp(token: bytes, mic: bytes = b"") -> bytes:
    fields = der(0xA2, der(0x04, token))
    if mic:
        fields += der(0xA3, der(0x04, mic))
    return der(0xA1, der(0x30, fields))


def ntlm_in(token: bytes) -> bytes:
    """The NTLM message inside a NegTokenResp."""
    return token[token.index(b"NTLMSSP\0") :]


# NEGOTIATE, [MS-SMB2] 2.2.3


def context(kind: int, data: bytes) -> bytes:
    return pack("<HHI", kind, len(data), 0) + data


PREAUTH = context(1, pack("<HHH", 1, 32, 1) + bytes(range(32)))


def encryption(*ciphers: int) -> bytes:
    return context(2, pack(f"<H{len(ciphers)}H", len(ciphers), *ciphers))


def compression(flags: int, *algorithms: int) -> bytes:
    count = len(algorithms)
    return context(3, pack(f"<HHI{count}H", count, 0, flags, *algorithms))


NETNAME = context(5, utf16("fileserver"))
TRANSPORT = context(6, pack("<I", 0))
RDMA_TRANSFORM = context(7, pack("<HHIHH", 2, 0, 0, 1, 2))
SIGNING = context(8, pack("<HHHH", 3, 2, 1, 0))


def negotiate_body(
    dialects: list[int], mode: int, capabilities: int, guid: bytes, contexts: list[bytes]
) -> bytes:
    count = len(dialects)
    names = pack(f"<{count}H", *dialects)
    start = SIZE + 36 + len(names)
    padding = bytes(-start % 8) if contexts else b""
    blob = bytearray()
    for item in contexts:
        blob += bytes(-len(blob) % 8) + item
    fixed = pack("<HHHHI16s", 36, count, mode, 0, capabilities, guid)
    offset = pack("<IHH", start + len(padding) if contexts else 0, len(contexts), 0)
    return fixed + offset + names + padding + bytes(blob)


SMB1_NEGOTIATE = (
    b"\xffSMB\x72"
    + bytes(4)
    + b"\x18"
    + pack("<H", 0xC853)
    + bytes(12)
    + pack("<HHHH", 0xFFFF, 0xFEFF, 0, 0)
)
SMB1_DIALECTS = b"\x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0"


# The other requests, [MS-SMB2] 2.2.5, 2.2.9, 2.2.13, 2.2.31, 2.2.33, 2.2.37


def setup_body(token: bytes, mode: int) -> bytes:
    return pack("<HBBIIHHQ", 25, 0, mode, 1, 0, SIZE + 24, len(token), 0) + token


def tree_body(path: str) -> bytes:
    return pack("<HHHH", 9, 0, SIZE + 8, len(utf16(path))) + utf16(path)


def create_context(name: bytes, data: bytes, last: bool) -> bytes:
    head = 16 + len(name) + 4
    size = head + len(data)
    padded = size + -size % 8
    fixed = pack("<IHHHHI", 0 if last else padded, 16, len(name), 0, head if data else 0, len(data))
    item = fixed + name + bytes(4) + data
    return item if last else item + bytes(padded - size)


def create_body(
    name: str,
    contexts: list[tuple[bytes, bytes]],
    *,
    access: int = 0x00100081,
    disposition: int = 1,
    options: int = 0,
    oplock: int = 0,
) -> bytes:
    text = utf16(name)
    padding = bytes(-len(text) % 8)
    blob = b"".join(
        create_context(key, data, i == len(contexts) - 1) for i, (key, data) in enumerate(contexts)
    )
    fixed = pack(
        "<HBBIQQIIIIIHH", 57, 0, oplock, 2, 0, 0, access, 0, 7, disposition, options, SIZE + 56,
        len(text),
    )  # fmt: skip
    where = SIZE + 56 + len(text) + len(padding)
    return fixed + pack("<II", where if blob else 0, len(blob)) + text + padding + blob


def ioctl_body(code: int, data: bytes, file: bytes = MINUS_ONE, room: int = 4096) -> bytes:
    fixed = pack("<HHI16sIIIIIIII", 57, 0, code, file, 120, len(data), 0, 120, 0, room, 1, 0)
    return fixed + (data or b"\0")


def query_body(kind: int, level: int, file: bytes, additional: int = 0) -> bytes:
    return pack("<HBBIHHIII16s", 41, kind, level, 65536, 0x68, 0, 0, additional, 0, file) + b"\0"


def directory_body(level: int, flags: int, file: bytes, pattern: str) -> bytes:
    text = utf16(pattern)
    return pack("<HBBI16sHHI", 33, level, flags, 0, file, 96, len(text), 65536) + text


def lease(key: bytes) -> bytes:
    """SMB2_CREATE_REQUEST_LEASE_V2, 2.2.13.2.10: read, write and handle caching."""
    return pack("<16sIIQ16sHH", key, 7, 0, 0, bytes(16), 0, 0)


DURABLE_V2 = pack("<II8s16s", 0, 0, bytes(8), bytes(range(16)))
AAPL = pack("<IIQQ", 1, 0, 7, 0)  # server query: capabilities, volume capabilities, model

# The clients


@dataclass(frozen=True)
class Client:
    """What one of them sends to begin with."""

    name: str
    dialects: list[int]
    mode: int
    capabilities: int
    contexts: list[bytes]
    smb1_first: bool
    mechanisms: list[bytes]
    expected: int


CLIENTS = (
    Client(
        "Windows 10",
        [0x0202, 0x0210, 0x0300, 0x0302, 0x0311],
        0x01,
        0x7F,
        [PREAUTH, encryption(2, 1), compression(0, 2, 3, 1), NETNAME],
        False,
        [NTLM],
        0x0311,
    ),
    Client(
        "Windows 10 with SMB1",
        [0x0202, 0x0210, 0x0300, 0x0302, 0x0311],
        0x01,
        0x7F,
        [PREAUTH, encryption(2, 1), NETNAME],
        True,
        [NEGOEX, NTLM],
        0x0311,
    ),
    Client(
        "Windows 11 24H2",
        [0x0202, 0x0210, 0x0300, 0x0302, 0x0311],
        0x03,
        0xFF,
        [
            PREAUTH,
            encryption(2, 1, 4, 3),
            compression(1, 4, 5, 2, 3, 1),
            RDMA_TRANSFORM,
            SIGNING,
            NETNAME,
            TRANSPORT,
        ],
        False,
        [NEGOEX, NTLM],
        0x0311,
    ),
    Client(
        "Windows 11 of a domain",
        [0x0202, 0x0210, 0x0300, 0x0302, 0x0311],
        0x03,
        0xFF,
        [PREAUTH, encryption(2, 1, 4, 3), SIGNING, NETNAME],
        False,
        [MS_KERBEROS, KERBEROS, NEGOEX, NTLM],
        0x0311,
    ),
    Client("Windows 7", [0x0202, 0x0210], 0x01, 0x07, [], True, [NEGOEX, NTLM], 0x0210),
    Client("Windows 8.1", [0x0202, 0x0210, 0x0300, 0x0302], 1, 0x7F, [], True, [NTLM], 0x0302),
    Client(
        "macOS",
        [0x0202, 0x0210, 0x0300, 0x0302],
        0x01,
        0x46,
        [],
        True,
        [KERBEROS, MS_KERBEROS, NTLM],
        0x0302,
    ),
    Client(
        "macOS with 3.1.1",
        [0x0202, 0x0210, 0x0300, 0x0302, 0x0311],
        0x01,
        0x46,
        [PREAUTH, encryption(4, 2, 3, 1), SIGNING, NETNAME],
        False,
        [KERBEROS, MS_KERBEROS, NTLM],
        0x0311,
    ),
)
every_client = pytest.mark.parametrize("client", CLIENTS, ids=[c.name for c in CLIENTS])
GUID = bytes(range(16))


class Visit:
    """One of them, at a server: everything up to a tree connect."""

    def __init__(self, client: Client, **settings: Any) -> None:
        self.client = client
        self.world = World(**settings)
        self.world.backend.write_bytes("folder.txt", b"x")
        self.peer: Peer = self.world.peer(Offer(security_mode=client.mode))
        if client.smb1_first:
            self._smb1()
        self._negotiate()
        self.logon: Logon = self._log_on()

    def _smb1(self) -> None:
        peer = self.peer
        body = b"\0" + pack("<H", len(SMB1_DIALECTS)) + SMB1_DIALECTS
        peer.send(SMB1_NEGOTIATE + body)
        answer = peer.receive()
        assert answer.header.message_id == 0
        assert unpack_from("<H", answer.data, SIZE + 4) == (0x02FF,)
        peer.next_id = 1

    def _negotiate(self) -> None:
        client, peer = self.client, self.peer
        reply = peer.negotiate_raw(
            negotiate_body(client.dialects, client.mode, client.capabilities, GUID, client.contexts)
        )
        assert reply.status == NTStatus.SUCCESS
        assert unpack_from("<H", reply.data, SIZE + 4) == (client.expected,)
        peer.accept(reply)

    def _log_on(self) -> Logon:
        """[RFC4178] 5, as these clients do it: NTLM is not the first of the list, so its optimistic
        token is for another mechanism, the server asks for a MIC over the list, and gets it."""
        client, peer = self.client, self.peer
        ntlm = client_context(USER, PASSWORD, "ntlm")
        first = ntlm.step()
        preauth = peer.preauth.copy()
        optimistic = client.mechanisms[0] == NTLM
        token = neg_token_init(client.mechanisms, first if optimistic else b"NEGOEXTS" + bytes(88))
        replies: list[Reply] = []
        session_id = 0

        def leg(token: bytes) -> bytes:
            nonlocal session_id
            body = setup_body(token, client.mode)
            message = peer.message(SETUP, body, session_id=session_id)
            preauth.update(message)
            peer.send(message)
            reply = peer.receive()
            replies.append(reply)
            session_id = reply.header.session_id
            if reply.status == NTStatus.MORE_PROCESSING_REQUIRED:
                preauth.update(reply.data)
            offset, length = unpack_from("<HH", reply.data, SIZE + 4)
            return reply.data[offset : offset + length]

        answer = leg(token)
        if not optimistic:
            assert b"\x0a\x01\x03" in answer  # negState request-mic
            assert NTLM in answer
            answer = leg(neg_token_resp(first))
        authenticate = ntlm.step(ntlm_in(answer))
        mic = b"" if optimistic else ntlm.sign(der(0x30, b"".join(client.mechanisms)))
        logon = Logon(session_id)
        peer.logons[session_id] = logon
        body = setup_body(neg_token_resp(authenticate, mic), client.mode)
        message = peer.message(SETUP, body, session_id=session_id)
        preauth.update(message)
        peer.set_keys(logon, ntlm.session_key, preauth)
        peer.send(message)
        last = peer.receive()
        assert last.status == NTStatus.SUCCESS, hex(last.status)
        assert last.signed  # and right: `Peer` has verified it
        offset, length = unpack_from("<HH", last.data, SIZE + 4)
        token = last.data[offset : offset + length]
        assert b"\x0a\x01\x00" in token  # negState accept-completed
        if mic:
            ntlm.verify(der(0x30, b"".join(client.mechanisms)), token[-16:])  # raises if wrong
        logon.sign = True
        return logon

    def call(self, command: int, body: bytes, tree: int = 0, **fields: Any) -> Reply:
        charge = 2 if len(body) > 65000 else 1
        return self.peer.call(command, body, self.logon, tree, charge=charge, **fields)

    def tree(self, share: str) -> int:
        reply = self.call(TREE_CONNECT, tree_body(f"\\\\fileserver\\{share}"))
        assert reply.status == NTStatus.SUCCESS
        kind, flags = unpack_from("<BxI", reply.data, SIZE + 2)
        assert kind == (2 if share == "IPC$" else 1)
        assert not flags & 0x3  # no DFS
        return reply.header.tree_id

    def open(self, tree: int, body: bytes) -> tuple[bytes, dict[bytes, bytes]]:
        """The FileId and the response's contexts."""
        reply = self.call(CREATE, body, tree)
        assert reply.status == NTStatus.SUCCESS, hex(reply.status)
        return reply.data[SIZE + 64 : SIZE + 80], contexts_of(reply)


def contexts_of(reply: Reply) -> dict[bytes, bytes]:
    """The create contexts of a response, [MS-SMB2] 2.2.14."""
    offset, length = unpack_from("<II", reply.data, SIZE + 80)
    found: dict[bytes, bytes] = {}
    blob = reply.data[offset : offset + length]
    while blob:
        step, name_at, name_size, data_at, data_size = unpack_from("<IHHxxHI", blob)
        found[blob[name_at : name_at + name_size]] = blob[data_at : data_at + data_size]
        blob = blob[step:] if step else b""
    return found


@every_client
@pytest.mark.parametrize("required", [True, False])
def test_logon_and_first_look(client: Client, required: bool) -> None:
    """From the first byte to a listing of the share, signed all the way."""
    visit = Visit(client, policy=Policy(server_always=required))
    (event,) = visit.world.told(SessionEstablished)
    assert event.dialect == {0x210: "2.1", 0x302: "3.0.2", 0x311: "3.1.1"}[client.expected]
    assert bool(event.signing) == (required or bool(client.mode & 2))

    ipc, tree = visit.tree("IPC$"), visit.tree("data")
    _fsctls(visit, ipc)
    root, contexts = visit.open(
        tree,
        create_body(
            "",
            [(b"DH2Q", DURABLE_V2), (b"MxAc", b""), (b"QFid", b""), (b"RqLs", lease(GUID))],
            oplock=0xFF,
        ),
    )
    assert unpack_from("<II", contexts[b"MxAc"]) == (0, 0x001F01FF)
    assert len(contexts[b"QFid"]) == 32
    _volume(visit, tree, root)
    _listing(visit, tree, root)
    _file(visit, tree)


def _fsctls(visit: Visit, ipc: int) -> None:
    """What they ask before anything else. An error is an answer to most, if it is the right one."""
    client = visit.client
    count = len(client.dialects)
    validate = pack(
        f"<I16sHH{count}H", client.capabilities, GUID, client.mode, count, *client.dialects
    )
    if client.expected != 0x0311:
        reply = visit.call(IOCTL, ioctl_body(0x00140204, validate, room=24), ipc, sign=True)
        assert (reply.status, reply.signed) == (NTStatus.SUCCESS, True)
        offset, length = unpack_from("<II", reply.data, SIZE + 32)
        capabilities, guid, mode, dialect = unpack_from("<I16sHH", reply.data, offset)
        assert (length, dialect, guid) == (24, client.expected, visit.world.server.guid)
        assert capabilities == visit.peer.response.capabilities
        assert mode == visit.peer.response.security_mode
    # A referral for the share: there is no DFS here. Clients take either for that.
    dfs = pack("<H", 4) + utf16("\\fileserver\\data\0")
    reply = visit.call(IOCTL, ioctl_body(0x00060194, dfs), ipc)
    assert reply.status in (NTStatus.NOT_FOUND, NTStatus.FS_DRIVER_REQUIRED)
    # Interfaces for multichannel, which was not offered.
    reply = visit.call(IOCTL, ioctl_body(0x001401FC, b""), ipc)
    assert reply.status in (NTStatus.NOT_SUPPORTED, NTStatus.INVALID_DEVICE_REQUEST)


def _volume(visit: Visit, tree: int, root: bytes) -> None:
    """FileFsVolume, Size, Device, Attribute, FullSize, ObjectId, SectorSize information."""
    needed = {1: 18, 3: 24, 4: 8, 5: 12, 7: 32, 11: 28}
    for level in (1, 3, 4, 5, 7, 8, 11):
        reply = visit.call(QUERY, query_body(2, level, root), tree)
        if level in needed:
            assert reply.status == NTStatus.SUCCESS, level
            offset, length = unpack_from("<HI", reply.data, SIZE + 2)
            assert length >= needed[level]
            assert len(reply.data) >= offset + length
        else:  # an object id is something a volume may lack
            assert reply.status & 0xC0000000 in (0, 0xC0000000)
            assert reply.status != NTStatus.INTERNAL_ERROR


def _listing(visit: Visit, tree: int, root: bytes) -> None:
    """FileIdBothDirectoryInformation of "*", to its end."""
    names = []
    flags = 1
    while True:
        reply = visit.call(DIRECTORY, directory_body(37, flags, root, "*"), tree)
        if reply.status == NTStatus.NO_MORE_FILES:
            break
        assert reply.status == NTStatus.SUCCESS
        offset, length = unpack_from("<HI", reply.data, SIZE + 2)
        blob = reply.data[offset : offset + length]
        while True:
            (step,) = unpack_from("<I", blob)
            (size,) = unpack_from("<I", blob, 60)
            names.append(blob[104 : 104 + size].decode("utf-16-le"))
            if not step:
                break
            assert step % 8 == 0
            blob = blob[step:]
        flags = 0
    assert sorted(names) == [".", "..", "folder.txt", "hello.txt"]
    one = visit.call(DIRECTORY, directory_body(37, 1, root, "HELLO.TXT"), tree)
    assert one.status == NTStatus.SUCCESS
    root, _ = visit.open(tree, create_body("", []))
    none = visit.call(DIRECTORY, directory_body(37, 0, root, "desktop.ini"), tree)
    assert none.status == NTStatus.NO_SUCH_FILE


def _file(visit: Visit, tree: int) -> None:
    """Open a file, ask all that an Explorer or a Finder asks, close it with its attributes."""
    missing = visit.call(CREATE, create_body("desktop.ini", []), tree)
    assert missing.status == NTStatus.OBJECT_NAME_NOT_FOUND
    body = create_body(
        "hello.txt",
        [(b"MxAc", b""), (b"QFid", b""), (b"RqLs", lease(bytes(16)))],
        access=0x00120089,
        oplock=0xFF,
    )
    file, contexts = visit.open(tree, body)
    assert b"MxAc" in contexts
    needed = {4: 40, 5: 24, 6: 8, 7: 4, 18: 100, 22: 0, 34: 56, 35: 8}
    for level in (4, 5, 6, 7, 18, 22, 34, 35, 48, 54, 59):
        reply = visit.call(QUERY, query_body(1, level, file), tree)
        if level in needed:
            assert reply.status == NTStatus.SUCCESS, level
            assert unpack_from("<I", reply.data, SIZE + 4)[0] >= needed[level]
        else:
            assert reply.status != NTStatus.INTERNAL_ERROR
    reply = visit.call(QUERY, query_body(3, 0, file, 0x07), tree)
    assert reply.status == NTStatus.SUCCESS
    assert unpack_from("<BB", reply.data, SIZE + 8) == (1, 0)  # a self-relative descriptor
    # FSCTL_CREATE_OR_GET_OBJECT_ID, which shortcuts make: an id, or that there are none.
    reply = visit.call(IOCTL, ioctl_body(0x000900C0, b"", file, 64), tree)
    assert reply.status in (
        NTStatus.SUCCESS,
        NTStatus.INVALID_DEVICE_REQUEST,
        NTStatus.NOT_SUPPORTED,
    )
    close = pack("<HHI16s", 24, 1, 0, file)
    reply = visit.call(CLOSE, close, tree)
    assert reply.status == NTStatus.SUCCESS
    assert unpack_from("<Q", reply.data, SIZE + 48) == (14,)  # EndofFile


@every_client
def test_apple_extensions_are_left_out(client: Client) -> None:
    """AAPL in the first CREATE: no such context in the answer means that there are none."""
    visit = Visit(client)
    tree = visit.tree("data")
    _, contexts = visit.open(tree, create_body("", [(b"AAPL", AAPL), (b"MxAc", b"")]))
    assert b"AAPL" not in contexts
    assert b"MxAc" in contexts


@every_client
def test_compound_of_explorer(client: Client) -> None:
    """CREATE, QUERY_INFO, CLOSE, related, ids of -1, in one frame."""
    visit = Visit(client)
    tree = visit.tree("data")
    peer, logon = visit.peer, visit.logon
    members = [
        peer.message(CREATE, create_body("hello.txt", [(b"MxAc", b"")]), logon, tree),
        peer.message(QUERY, query_body(1, 34, MINUS_ONE), logon, tree),
        peer.message(CLOSE, pack("<HHI16s", 24, 0, 0, MINUS_ONE), logon, tree),
    ]
    peer.send(peer.compound(members, logon, related=True))
    assert [(r.status, r.signed) for r in peer.receive_frame()] == [(0, True)] * 3


@every_client
def test_named_pipe_of_the_share_list(client: Client) -> None:
    """\\PIPE\\srvsvc on IPC$: WRITE of a BIND is left to others; that it opens is seen here."""
    visit = Visit(client)
    ipc = visit.tree("IPC$")
    pipe, _ = visit.open(ipc, create_body("srvsvc", [], access=0x0012019F))
    reply = visit.call(QUERY, query_body(1, 5, pipe), ipc)
    assert reply.status != NTStatus.INTERNAL_ERROR
    reply = visit.call(CREATE, create_body("nothing such", []), ipc)
    assert reply.status == NTStatus.OBJECT_NAME_NOT_FOUND


@pytest.mark.parametrize("fault", ["none", "wrong", "of another list"])
def test_mic_over_the_mechanisms_is_needed(fault: str) -> None:
    """Somebody on the way took the stronger mechanisms out of the list, or put some in."""
    client = next(c for c in CLIENTS if c.name == "Windows 11 of a domain")
    world = World(failed_logon_delay=0)
    peer = world.ready()
    ntlm = client_context(USER, PASSWORD, "ntlm")
    first = ntlm.step()
    reply = peer.setup(neg_token_init(client.mechanisms, b"\x60\x03abc"))
    session_id = reply.header.session_id
    reply = peer.setup(neg_token_resp(first), session_id)
    authenticate = ntlm.step(ntlm_in(reply.data))
    mechanisms = client.mechanisms if fault == "wrong" else [NTLM]
    mic = ntlm.sign(der(0x30, b"".join(mechanisms)))
    if fault == "wrong":
        mic = mic[:5] + bytes((mic[5] ^ 1,)) + mic[6:]
    token = neg_token_resp(authenticate, b"" if fault == "none" else mic)
    assert peer.setup(token, session_id).status == NTStatus.LOGON_FAILURE
    assert not world.told(SessionEstablished)


def test_client_that_speaks_smb1_only() -> None:
    peer = World().peer()
    dialects = b"\x02PC NETWORK PROGRAM 1.0\0\x02LANMAN1.0\0\x02NT LM 0.12\0"
    peer.send(SMB1_NEGOTIATE + b"\0" + pack("<H", len(dialects)) + dialects)
    try:
        answer = peer.link.read()
    except Dropped:
        return
    assert answer[4:8] == b"\xffSMB"
    assert unpack_from("<H", answer, 4 + 33) == (0xFFFF,)  # DialectIndex: none of these
    assert peer.link.closed
