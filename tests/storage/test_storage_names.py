from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.errors import NTStatusError
from paraph.storage import names
from paraph.wire.ntstatus import NTStatus

INVALID = NTStatus.OBJECT_NAME_INVALID


# ------------------------------------------------------------------------------------------ parse


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("", ""),
        ("a", "a"),
        ("a\\b\\c.txt", "a\\b\\c.txt"),
        ("dir\\", "dir"),
        ("a::$DATA", "a"),
        ("d\\a::$data", "d\\a"),
        ("...", "..."),
        (".a", ".a"),
        ("..a\\b..", "..a\\b.."),
        ("a.\\b ", "a.\\b "),
        ("CON", "CON"),
        ("\x7f", "\x7f"),
        ("\uf022", "\uf022"),
        ("\U0001f600", "\U0001f600"),
        ("x" * 255, "x" * 255),
        ("\U0001f600" * 127, "\U0001f600" * 127),
        ("\\".join(["a" * 100] * 320), "\\".join(["a" * 100] * 320)),
    ],
)
def test_parse(name: str, path: str) -> None:
    assert names.parse(name) == path


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("\\", NTStatus.INVALID_PARAMETER),
        ("\\a", NTStatus.INVALID_PARAMETER),
        ("\\\\a", NTStatus.INVALID_PARAMETER),
        ("a\\\\b", INVALID),
        ("a\\\\", INVALID),
        (".", INVALID),
        ("a\\.", INVALID),
        ("a\\.\\b", INVALID),
        (".\\a", INVALID),
        ("..", NTStatus.OBJECT_PATH_SYNTAX_BAD),
        ("..\\a", NTStatus.OBJECT_PATH_SYNTAX_BAD),
        ("a\\..\\..\\b", NTStatus.OBJECT_PATH_SYNTAX_BAD),
        ("a\\..\\b", NTStatus.INVALID_PARAMETER),
        ("a\\..", NTStatus.INVALID_PARAMETER),
        ("..::$DATA", NTStatus.OBJECT_PATH_SYNTAX_BAD),
        *[(f"a{character}b", INVALID) for character in '"*/<>?|\0\x01\x1f\n'],
        ("a:", INVALID),
        ("a::", INVALID),
        ("a:stream", INVALID),
        ("a:stream:$DATA", INVALID),
        ("a::$INDEX_ALLOCATION", INVALID),
        ("a::$DATA:x", INVALID),
        ("::$DATA", INVALID),
        (":s", INVALID),
        ("a::$DATA\\b", INVALID),
        ("a:s\\b", INVALID),
        ("\ud800", INVALID),
        ("a\udfffb", INVALID),
        ("x" * 256, INVALID),
        ("\U0001f600" * 128, INVALID),
        ("d\\" + "ü" * 256, INVALID),
        ("\\".join(["a" * 100] * 325), INVALID),
    ],
)
def test_parse_refuses(name: str, status: int) -> None:
    with pytest.raises(NTStatusError) as caught:
        names.parse(name)
    assert caught.value.status == status


awkward = st.text(
    st.sampled_from('aZ.ß\\/:*"<>? \0\x1f\ud800\udfff\uf020\uf022\uf028\uf029\U0001f600')
)


@given(st.one_of(awkward, st.text(st.characters(codec="utf-16", categories=None))))
@settings(deadline=None, max_examples=400)
def test_what_parse_accepts_is_safe_on_the_host(name: str) -> None:
    try:
        path = names.parse(name)
    except NTStatusError:
        return
    host = names.to_host(path)
    host.encode()
    assert "\0" not in host
    assert not host.startswith("/")
    if host:
        components = host.split("/")
        assert len(components) == len(path.split("\\"))
        assert not {"", ".", ".."} & set(components)
    assert names.parse(path) == path


# ------------------------------------------------------------------------------------------- fold


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("File Name.txt", "FILE NAME.TXT"),
        ("straße", "STRAßE"),
        ("éÿœ", "ÉŸŒ"),
        ("ıİſµ", "ıİſµ"),
        ("σς", "ΣΣ"),
        ("ǆǅ", "Ǆǅ"),
        ("ᾀ", "ᾈ"),
        ("ŉﬁ", "ŉﬁ"),
        ("я", "Я"),
        ("\uff46\uff55", "\uff26\uff35"),
        ("\U00010428", "\U00010428"),
    ],
)
def test_fold(name: str, folded: str) -> None:
    assert names.fold(name) == folded


def test_fold_of_every_character() -> None:
    every = "".join(map(chr, range(0x10000)))
    folded = names.fold(every)
    assert len(folded) == len(every)
    assert names.fold(folded) == folded
    # Characters of one file system, two names: no two uppercase letters fall together.
    assert names.fold("K\u212a") == "K\u212a"
    for index, character in enumerate(every[:128]):
        assert folded[index] == character.upper()


@given(st.text())
@settings(deadline=None)
def test_fold_is_stable_and_keeps_lengths(name: str) -> None:
    folded = names.fold(name)
    assert len(folded) == len(name)
    assert names.fold(folded) == folded


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("a", True),
        ("FILENAME.TXT", True),
        ("filename.txt", True),
        ("filenames", False),
        ("a.html", False),
        ("a.b.c", False),
        ("a.", False),
        (".a", False),
        ("a b", False),
        ("é", False),
        ("", False),
        ("a:b", False),
        ("12345678.123", True),
        ("123456789.12", False),
    ],
)
def test_is_8dot3(name: str, short: bool) -> None:
    assert names.is_8dot3(name) is short


# ------------------------------------------------------------------------------ names on the host


@pytest.mark.parametrize(
    ("shown", "host"),
    [
        ("a\\b", "a/b"),
        ("a\uf022b", "a:b"),
        ("\uf020\uf021\uf022\uf023\uf024\uf025\uf026\uf027", '"*:<>?\\|'),
        ("d\\x\uf029", "d/x."),
        ("x\uf028\\y", "x /y"),
        ("\uf001\uf01f", "\x01\x1f"),
        ("a.\uf029", "a.."),
    ],
)
def test_private_use(shown: str, host: str) -> None:
    assert names.to_host(shown) == host
    assert names.from_host(host) == shown


@pytest.mark.parametrize("name", ["\uf029", "\uf029\uf029", ".\uf029"])
def test_private_use_makes_no_dot_names(name: str) -> None:
    assert names.to_host(name) not in (".", "..")
    assert "/.." not in names.to_host(f"a\\{name}")


@pytest.mark.parametrize("name", ["..", "a\\..\\b", ".", "a/b", "a\0b", "\ud800", "a\\\\b", "\\"])
def test_to_host_guards(name: str) -> None:
    with pytest.raises(NTStatusError) as caught:
        names.to_host(name)
    assert caught.value.status == INVALID


posix_name = st.text(
    st.one_of(
        st.sampled_from(' .:*?"<>|\\\x01\x1faA'),
        st.characters(codec="utf-8", exclude_characters="/\0"),
    ),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in (".", "..") and not any("\uf001" <= c <= "\uf029" for c in name))


@given(st.lists(posix_name, min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
def test_every_host_name_is_reachable(components: list[str]) -> None:
    host = "/".join(components)
    shown = names.from_host(host)
    assert shown is not None
    assert names.to_host(shown) == host
    for component in shown.split("\\"):
        if len(component) <= 127:
            assert names.parse(component) == component


def test_undecodable_names_are_hidden() -> None:
    undecodable = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert names.from_host(undecodable) is None
    assert names.from_host_names(["a", undecodable, "b:"]) == [("a", "a"), ("b\uf022", "b:")]
    assert names.from_host_names(["a", "b"]) == [("a", "a"), ("b", "b")]
    assert names.from_host_names([]) == []


def test_names_that_look_alike_are_shown_once() -> None:
    assert names.from_host_names(["a:b", "a\uf022b"]) == [("a\uf022b", "a:b")]


# -------------------------------------------------------------------------------------- wildcards

CASES = [
    ("*", "", True),
    ("*.*", "noextension", True),
    ("", "", True),
    ("", "a", False),
    ("a", "", False),
    ("?", "", False),
    ("abc", "ABC", True),
    ("É*", "école", True),
    ("a*", "abc", True),
    ("*c", "abc", True),
    ("*b*", "abc", True),
    ("*x*", "abc", False),
    ("a?c", "abc", True),
    ("a?c", "ac", False),
    ("???", "ab", False),
    ("?.?", "a.b", True),
    ("*.txt", "a.txt", True),
    ("*.txt", "atxt", False),
    ("*.t", "a.txt", False),
    ("a*b*c", "aXbXbXc", True),
    ("a*b*c", "aXbXbXcd", False),
    ("[a]", "a", False),
    ("[a]*", "[a]b", True),
    # what cmd.exe makes of *.txt, *., ???.t??, *.*
    ("<.txt", "x.txt", True),
    ("<.txt", "x.y.txt", True),
    ("<.txt", "x.txt.y", False),
    ("<", "noextension", True),
    ("<", "x.txt", False),
    ("<", "x.", True),
    (">>>.t>>", "ab.txt", True),
    (">>>.t>>", "abcd.txt", False),
    (">>>.t>>", "abc.t", True),
    ('<">>>', "abc", True),
    ('<"*', "abc", True),
    ('<"*', "abc.d", True),
    ('abc"', "abc", True),
    ('abc"', "abc.", True),
    ('abc"', "abcd", False),
    ('abc"def', "abc.def", True),
    ('abc"def', "abcdef", False),
    (">", "a", True),
    (">", "", False),
    (">>>>", "ab", True),
    ("a>b", "ab", False),
    ("a>.b", "a.b", True),
    ("<", "", False),
    ("*<.b", "a.c.b", True),
]


@pytest.mark.parametrize(("pattern", "name", "expected"), CASES)
def test_match(pattern: str, name: str, expected: bool) -> None:
    assert names.match(pattern, name) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("abc", False), ("", False), *[(f"a{c}", True) for c in '*?<>"']],
)
def test_has_wildcards(pattern: str, expected: bool) -> None:
    assert names.has_wildcards(pattern) is expected


@pytest.mark.parametrize("pattern", ["*", "*.*"])
def test_patterns_that_match_everything(pattern: str) -> None:
    assert names.compile_pattern(pattern) is None


def reference(pattern: str, name: str) -> bool:
    """[MS-FSA] 2.1.4.4 as a recursion, straight from its sentences."""
    if pattern in ("*", "*.*"):
        return True
    if not name or not pattern:
        return name == pattern
    last_dot = name.rfind(".")

    @cache
    def rest(p: int, n: int) -> bool:
        if p == len(pattern):
            return n == len(name)
        wildcard, end = pattern[p], n == len(name)
        character = None if end else name[n]
        if wildcard == "*":
            return rest(p + 1, n) or (not end and rest(p, n + 1))
        if wildcard == "<":
            if rest(p + 1, n):
                return True
            return not end and (rest(p + 1, n + 1) if n == last_dot else rest(p, n + 1))
        if wildcard == ">":
            return rest(p + 1, n) if end or character == "." else rest(p + 1, n + 1)
        if wildcard == '"':
            return rest(p + 1, n) if end else character == "." and rest(p + 1, n + 1)
        return not end and wildcard in ("?", character) and rest(p + 1, n + 1)

    return rest(0, 0)


@given(
    st.text(st.sampled_from('ab.*?<>"'), max_size=9), st.text(st.sampled_from("ab."), max_size=9)
)
@settings(deadline=None, max_examples=2000)
def test_match_equals_the_reference(pattern: str, name: str) -> None:
    assert names.match(pattern, name) is reference(pattern.upper(), name.upper())


@pytest.mark.parametrize(
    "pattern",
    [
        "*" * 255,
        "*" * 254 + "x",
        "*a" * 127 + "x",
        "*?" * 127 + "x",
        "*a<" * 85,
        "<" * 254 + "x",
        "<*" * 127 + "x",
        ">" * 255,
        '<>"*' * 63 + "x",
    ],
)
@pytest.mark.parametrize("name", ["a" * 255, "a." * 127, "." * 255])
def test_hostile_patterns_are_quick(pattern: str, name: str) -> None:
    started = time.process_time()
    names.match(pattern, name)
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize("pattern", ["*", "a?b", '<>"', ".", "..", "", "x" * 255])
def test_check_pattern(pattern: str) -> None:
    assert names.check_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["a\\b", "a/b", "a:b", "a|b", "a\0", "\ud800", "x" * 256])
def test_check_pattern_refuses(pattern: str) -> None:
    with pytest.raises(NTStatusError) as caught:
        names.check_pattern(pattern)
    assert caught.value.status == INVALID
