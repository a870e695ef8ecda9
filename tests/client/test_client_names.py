"""Addresses of shares and names of files."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from paraph.client.names import Location, parse_location, posix_name, wire_name
from paraph.client.path import PureSMBPath
from paraph.client.target import make_target
from paraph.errors import UserError


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", ""),
        ("/", ""),
        (".", ""),
        ("a", "a"),
        ("/a/b/", r"a\b"),
        (r"a\b/c", r"a\b\c"),
        ("a/./b//c", r"a\b\c"),
        ("a/../b", "b"),
        ("file.txt:stream", "file.txt:stream"),
        (PurePosixPath("x/y"), r"x\y"),
        (PureWindowsPath("x/y"), r"x\y"),
        (PureSMBPath("x", "y"), r"x\y"),
        ("ünï/😀", "ünï\\😀"),
    ],
)
def test_names_on_the_wire(path: object, name: str) -> None:
    assert wire_name(path) == name
    assert wire_name(posix_name(name)) == name


@pytest.mark.parametrize("path", ["..", "a/../..", "../a", "a\0b", "x" * 40000])
def test_names_that_can_not_be(path: str) -> None:
    with pytest.raises(ValueError):
        wire_name(path)


@pytest.mark.parametrize("path", [b"bytes", 7, None])
def test_what_is_no_path(path: object) -> None:
    with pytest.raises(TypeError):
        wire_name(path)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("smb://host", Location("host")),
        ("smb://host/", Location("host")),
        ("SMB://host/share", Location("host", share="share")),
        ("smb://host/share/a/b/", Location("host", share="share", path="a/b")),
        ("smb://host:1445/s", Location("host", 1445, "s")),
        ("smb://anna@host/s", Location("host", share="s", user="anna")),
        ("smb://anna:pw@host/s", Location("host", share="s", user="anna", password="pw")),
        ("smb://anna:@host/s", Location("host", share="s", user="anna", password="")),
        ("smb://DOM;anna@host/s", Location("host", share="s", user="anna", domain="DOM")),
        (
            "smb://a%40b:p%3A%2Fw%40@host/My%20share/x%20y",
            Location("host", share="My share", path="x y", user="a@b", password="p:/w@"),
        ),
        ("smb://[::1]:4455/s", Location("::1", 4455, "s")),
        ("smb://[fe80::1]/s", Location("fe80::1", share="s")),
        (r"\\host\share\a b", Location("host", share="share", path="a b")),
        ("//host/share", Location("host", share="share")),
    ],
)
def test_addresses(url: str, location: Location) -> None:
    found = parse_location(url)
    assert found == location
    assert (found.host, found.port, found.share, found.path) == (
        location.host,
        location.port,
        location.share,
        location.path,
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host/share",
        "http://host/x",
        "smb://",
        "smb:///share",
        "smb://h:0/s",
        "smb://h:x/s",
        "//",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UserError):
        parse_location(url)


def test_a_password_is_never_shown() -> None:
    target = make_target("smb://anna:hunter2@host/share", nt_hash="00" * 16)
    assert "hunter2" not in repr(target)
    assert "0000" not in repr(target)
    assert str(target.location) == "smb://anna@host/share"
    with pytest.raises(UserError) as caught:
        parse_location("smb://anna:hunter2@host:x/share")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"no_such": 1}, "no_such"),
        ({"min_dialect": 0x0400}, "dialect"),
        ({"signing_algorithms": ()}, "signing"),
        ({"encryption": "required", "ciphers": ()}, "cipher"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make_target("smb://host/share", **options)  # type: ignore[arg-type]


def test_a_path_that_leads_out_of_the_share() -> None:
    with pytest.raises(UserError):
        make_target("smb://host/share/../..")


def test_pure_paths() -> None:
    path = PureSMBPath("a", r"b\c.tar.gz")
    assert str(path) == "a/b/c.tar.gz"
    assert (path.name, path.stem, path.suffix) == ("c.tar.gz", "c.tar", ".gz")
    assert path.suffixes == [".tar", ".gz"]
    assert path.parent == PureSMBPath("a/b")
    assert [str(one) for one in path.parents] == ["a/b", "a", ""]
    assert path.with_suffix(".txt").name == "c.tar.txt"
    assert path.with_name("d").parts == ("a", "b", "d")
    assert path.with_stem("d").name == "d.gz"
    assert path / "d" == PureSMBPath("A/B/C.TAR.GZ/D")
    assert hash(PureSMBPath("A")) == hash(PureSMBPath("a"))
    assert path != "a/b/c.tar.gz"
    assert path.match("*.GZ")
    assert str(path.relative_to("a")) == "b/c.tar.gz"
    assert path.is_relative_to("a/b")
    assert sorted([PureSMBPath("b"), PureSMBPath("A")])[0].name == "A"
