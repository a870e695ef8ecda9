"""Copying one file: what is broken off is continued, and never with a wrong byte."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.cli import client_ends, client_transfer
from paraph.cli.client_ends import LocalSink, LocalSource, part_name
from paraph.cli.client_transfer import Copied, Copier, Facts, Sink, Source
from paraph.errors import ConnectionLost
from tests.cli.client_tools import Cli, CuttingProxy, Served

MIB = 1 << 20


class Wire:
    """Breaks after so many calls, again and again."""

    def __init__(self, breaks: list[int]) -> None:
        self.breaks = list(breaks)
        self.calls = 0

    def pass_one(self) -> None:
        self.calls += 1
        if self.breaks and self.calls >= self.breaks[0]:
            self.breaks.pop(0)
            self.calls = 0
            raise ConnectionLost(errno.ECONNRESET, "cut")


class MemorySource(Source):
    def __init__(self, data: bytes, wire: Wire) -> None:
        self.label = "source"
        self.data = data
        self.mtime_ns = 7
        self.wire = wire

    def facts(self) -> Facts:
        self.wire.pass_one()
        return Facts("source", len(self.data), self.mtime_ns)

    def read(self, at: int, room: memoryview) -> int:
        self.wire.pass_one()
        piece = self.data[at : at + len(room)]
        room[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        pass


class MemorySink(Sink):
    """Keeps parts by name, and may lose the end of a write that is cut off."""

    def __init__(self, wire: Wire) -> None:
        self.label = "sink"
        self.wire = wire
        self.parts: dict[str, bytearray] = {}
        self.target: bytes | None = None
        self.part = bytearray()
        self.name = ""

    def begin(self, facts: Facts, resume: bool) -> int:
        self.wire.pass_one()
        self.name = facts.fingerprint
        self.part = self.parts.setdefault(self.name, bytearray())
        if not resume or len(self.part) > facts.size:
            self.part.clear()
        return len(self.part)

    def read(self, at: int, room: memoryview) -> int:
        self.wire.pass_one()
        piece = self.part[at : at + len(room)]
        room[: len(piece)] = piece
        return len(piece)

    def write(self, at: int, data: memoryview) -> None:
        assert at == len(self.part), "a hole"
        try:
            self.wire.pass_one()
        except ConnectionLost:
            self.part += data[: len(data) // 2]
            raise
        self.part += data

    def cut(self, size: int) -> None:
        self.wire.pass_one()
        del self.part[size:]

    def finish(self, facts: Facts) -> None:
        self.wire.pass_one()
        assert len(self.part) == facts.size

    def commit(self, *, replace: bool) -> None:
        if not replace and self.target is not None:
            raise FileExistsError(errno.EEXIST, "is there already", self.label)
        self.target = bytes(self.parts.pop(self.name))
        self.wire.pass_one()  # it is done, and the answer is lost

    def committed(self, facts: Facts) -> bool:
        self.wire.pass_one()
        return self.name not in self.parts and self.target is not None

    def discard(self) -> None:
        self.parts.pop(self.name, None)

    def close(self) -> None:
        pass


def copier(**options: object) -> Copier:
    return Copier(sleep=lambda _: None, **options)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=150)
@given(
    size=st.integers(0, 5 * MIB),
    breaks=st.lists(st.integers(1, 12), max_size=6),
    verify=st.booleans(),
)
def test_wherever_it_breaks_the_copy_is_right(size: int, breaks: list[int], verify: bool) -> None:
    data = random.Random(size).randbytes(size)
    wire = Wire(breaks)
    sink = MemorySink(wire)
    copier(retries=10, verify=verify).copy(MemorySource(data, wire), sink)
    assert sink.target == data
    assert sink.parts == {}


def test_it_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire([1] * 100)
    waited: list[float] = []
    work = Copier(sleep=waited.append, retries=4)
    with pytest.raises(ConnectionLost):
        work.copy(MemorySource(b"x" * MIB, wire), MemorySink(wire))
    assert waited == [0.5, 1.0, 2.0, 4.0]


def test_progress_earns_more_attempts() -> None:
    wire = Wire([8] * 12)
    sink = MemorySink(wire)
    data = os.urandom(3 * MIB)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_transfer, "MOST", 64 << 10)
        patch.setattr(client_transfer, "_FIRST", 64 << 10)
        patch.setattr(client_transfer, "LEAST", 64 << 10)
        copier(retries=1).copy(MemorySource(data, wire), sink)
    assert sink.target == data
    assert wire.breaks == []


def test_a_refusal_is_not_tried_again() -> None:
    class Refusing(MemorySource):
        def read(self, at: int, room: memoryview) -> int:
            raise PermissionError(errno.EACCES, "no", "source")

    wire = Wire([])
    with pytest.raises(PermissionError):
        copier().copy(Refusing(b"x", wire), MemorySink(wire))
    assert wire.calls == 2


def test_what_is_there_is_continued() -> None:
    data, wire = os.urandom(3 * MIB), Wire([])
    source, sink = MemorySource(data, wire), MemorySink(wire)
    sink.parts[source.facts().fingerprint] = bytearray(data[: 2 * MIB])
    assert copier().copy(source, sink) == Copied(3 * MIB, 2 * MIB)
    sink.parts[source.facts().fingerprint] = bytearray(data[: 2 * MIB])
    assert copier(resume=False).copy(source, sink) == Copied(3 * MIB, 0)


def test_a_part_with_another_tail_is_not_continued() -> None:
    data, wire = os.urandom(3 * MIB), Wire([])
    notes: list[str] = []
    source, sink = MemorySource(data, wire), MemorySink(wire)
    damaged = bytearray(data[: 2 * MIB])
    damaged[-5] ^= 1
    sink.parts[source.facts().fingerprint] = damaged
    assert copier(note=notes.append).copy(source, sink).resumed_at == 0
    assert sink.target == data
    assert notes == ["sink: what is there of it differs: copying it all"]


def test_the_part_of_another_version_is_not_touched() -> None:
    wire = Wire([])
    source, sink = MemorySource(b"new" * MIB, wire), MemorySink(wire)
    source.mtime_ns = 8
    sink.parts[Facts("source", 3 * MIB, 7).fingerprint] = bytearray(b"old" * 1000)
    assert copier().copy(source, sink).resumed_at == 0
    assert sink.target == source.data
    assert len(sink.parts) == 1


def test_a_source_that_changes_is_told() -> None:
    class Changing(MemorySource):
        def read(self, at: int, room: memoryview) -> int:
            self.mtime_ns += 1
            return super().read(at, room)

    sink = MemorySink(Wire([]))
    with pytest.raises(OSError, match="changed while it was copied"):
        copier().copy(Changing(b"x" * 99, Wire([])), sink)
    assert (sink.target, sink.parts) == (None, {})


def test_a_source_that_gets_shorter_is_told() -> None:
    class Shorter(MemorySource):
        def read(self, at: int, room: memoryview) -> int:
            return super().read(at, room[:-1])

    sink = MemorySink(Wire([]))
    with pytest.raises(OSError, match="ends after 98 bytes, and had 99"):
        copier().copy(Shorter(b"x" * 99, Wire([])), sink)
    assert (sink.target, sink.parts) == (None, {})


def test_verification_finds_a_wrong_byte() -> None:
    class Forgetful(MemorySink):
        def finish(self, facts: Facts) -> None:
            self.part[7] ^= 1

    data = os.urandom(99)
    copier().copy(MemorySource(data, Wire([])), Forgetful(Wire([])))
    sink = Forgetful(Wire([]))
    with pytest.raises(OSError, match="the copy differs: SHA-256"):
        copier(verify=True).copy(MemorySource(data, Wire([])), sink)
    assert (sink.target, sink.parts) == (None, {})
    right = copier(verify=True).copy(MemorySource(data, Wire([])), MemorySink(Wire([])))
    assert right.sha256 == hashlib.sha256(data).hexdigest()


# Files of this machine


def test_a_local_copy(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(os.urandom(100_000))
    os.utime(one, ns=(5_000_000_000, 5_000_000_000))
    two.write_text("old")
    two.chmod(0o640)
    copier().copy(LocalSource(str(one)), LocalSink(str(two)))
    assert two.read_bytes() == one.read_bytes()
    assert two.stat().st_mtime_ns == 5_000_000_000
    assert two.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [one, two]


def test_without_replacing(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("new")
    two.write_text("old")
    with pytest.raises(FileExistsError):
        copier(replace=False).copy(LocalSource(str(one)), LocalSink(str(two)))
    assert two.read_text() == "old"


def test_two_processes_do_not_write_the_same_part(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_text("x")
    facts = LocalSource(str(one)).facts()
    first, second = LocalSink(str(tmp_path / "two")), LocalSink(str(tmp_path / "two"))
    first.begin(facts, True)
    with pytest.raises(OSError, match="another process is writing it right now"):
        second.begin(facts, True)
    first.close()
    second.close()


def test_a_part_is_no_link_to_elsewhere(tmp_path: Path) -> None:
    one, precious = tmp_path / "one", tmp_path / "precious"
    one.write_text("x")
    precious.write_text("keep me")
    facts = LocalSource(str(one)).facts()
    (tmp_path / part_name("two", facts)).symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        copier().copy(LocalSource(str(one)), LocalSink(str(tmp_path / "two")))
    assert precious.read_text() == "keep me"


def test_long_names_have_parts_too(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / ("ü" * 127)
    one.write_text("x")
    copier().copy(LocalSource(str(one)), LocalSink(str(two)))
    assert two.read_text() == "x"


# Over a connection that breaks


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few MiB are many segments."""
    monkeypatch.setattr(client_transfer, "MOST", MIB)
    monkeypatch.setattr(client_ends, "MOST", MIB)
    monkeypatch.setattr(client_transfer, "_PATIENCE", 0.0)


def through(proxy: CuttingProxy, served: Served, path: str) -> str:
    return served.url(path).replace(str(served.port), str(proxy.port))


@pytest.mark.parametrize("cuts", [[500], [100_000, None], [3 * MIB, 4 * MIB, None], [MIB] * 9])
@pytest.mark.usefixtures("small_segments")
def test_get_over_a_bad_line(cuts: list[int | None], served: Served, cli: Cli) -> None:
    cuts = [*cuts, None]
    data = os.urandom(6 * MIB + 5)
    (served.folder / "big.bin").write_bytes(data)
    with CuttingProxy(served.port, cuts) as proxy:
        result = cli("get", through(proxy, served, "big.bin"))
        if cuts[0] == 500:
            assert result.code == 1, "it never came about: planning is not tried again"
            assert not Path("big.bin").exists()
            return
        assert proxy.connections > 1
    assert result.code == 0, result.err
    assert "trying again in" in result.err
    assert Path("big.bin").read_bytes() == data
    assert os.listdir() == ["big.bin"]


@pytest.mark.parametrize("cuts", [[100_000], [3 * MIB, 4 * MIB], [2 * MIB] * 9])
@pytest.mark.usefixtures("small_segments")
def test_put_over_a_bad_line(cuts: list[int | None], served: Served, cli: Cli) -> None:
    data = os.urandom(6 * MIB + 5)
    Path("big.bin").write_bytes(data)
    with CuttingProxy(served.port, [*cuts, None]) as proxy:
        result = cli("put", "big.bin", through(proxy, served, "big.bin"))
        assert proxy.connections > 1
    assert result.code == 0, result.err
    assert "trying again in" in result.err
    assert (served.folder / "big.bin").read_bytes() == data
    assert os.listdir(served.folder) == ["big.bin"]


@pytest.mark.parametrize("command", ["get", "put"])
@pytest.mark.usefixtures("small_segments")
def test_a_later_command_continues(command: str, served: Served, cli: Cli) -> None:
    data = os.urandom(8 * MIB)
    here, there = Path("big.bin"), served.folder / "big.bin"
    source, target = (there, here) if command == "get" else (here, there)
    source.write_bytes(data)
    with CuttingProxy(served.port, [5 * MIB, None]) as proxy:
        url = through(proxy, served, "big.bin")
        words = (url, "big.bin") if command == "get" else ("big.bin", url)
        result = cli(command, *words, "--retries", 0)
        assert result.code == 1
        assert not target.exists()
        (part,) = target.parent.glob("big.bin.*.part")
        assert 2 * MIB < part.stat().st_size < 8 * MIB
        (record,) = cli.ok(command, "--json", "--verify", *words).records
    assert 2 * MIB <= record["resumed_at"] < 6 * MIB
    assert record["sha256"] == hashlib.sha256(data).hexdigest()
    assert target.read_bytes() == data
    assert not part.exists()


@pytest.mark.usefixtures("small_segments")
def test_a_remote_part_with_a_hole_is_written_again(served: Served, cli: Cli) -> None:
    data = os.urandom(8 * MIB)
    Path("big.bin").write_bytes(data)
    facts = LocalSource("big.bin").facts()
    part = served.folder / part_name("big.bin", facts)
    holed = bytearray(data[: 5 * MIB])
    holed[4 * MIB + 10 : 4 * MIB + 500] = bytes(490)
    part.write_bytes(holed)
    (record,) = cli.ok("put", "--json", "big.bin", served.url()).records
    assert record["resumed_at"] == 4 * MIB
    assert (served.folder / "big.bin").read_bytes() == data


@pytest.mark.usefixtures("small_segments")
def test_a_part_that_another_connection_writes(served: Served, cli: Cli) -> None:
    from paraph.net.client_sync import connect
    from tests.cli.client_tools import PASSWORD

    Path("big.bin").write_bytes(os.urandom(3 * MIB))
    name = part_name("big.bin", LocalSource("big.bin").facts())
    with connect(served.url(), password=PASSWORD) as share:
        with share.open(name, "w+b", buffering=0) as file:
            file.lock()  # type: ignore[attr-defined]
            result = cli("put", "big.bin", served.url(), "--retries", 1)
            assert result.code == 1
            assert "another connection is still writing it" in result.err
        cli.ok("put", "big.bin", served.url())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.usefixtures("small_segments")
def test_random_cuts(seed: int, served: Served, cli: Cli) -> None:
    chosen = random.Random(seed)
    size = chosen.randrange(3 * MIB)
    data = bytes(size) if seed % 4 == 0 else chosen.randbytes(size)  # zeros look like holes
    cuts: list[int | None] = [chosen.randrange(4000, 2 * MIB) for _ in range(4)]
    here, there = Path("file"), served.folder / "file"
    source, target = (there, here) if seed % 2 else (here, there)
    source.write_bytes(data)
    with CuttingProxy(served.port, [*cuts, None]) as proxy:
        url = through(proxy, served, "file")
        words = ("get", url, "file") if seed % 2 else ("put", "file", url)
        for _ in range(9):  # what breaks while it plans has to be asked for again
            result = cli(*words, "--retries", 9)
            assert target.exists() is (result.code == 0)
            if result.code == 0:
                break
    assert target.read_bytes() == data
    assert not list(target.parent.glob("*.part"))
