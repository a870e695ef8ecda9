"""The examples of docs/library.md do what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paraph.server.settings import ServerSettings
from tests.net.net_tools import nothing_leaks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text()
_BLOCK = re.compile(r"^```python( test)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(bool(match[1]), match[2]) for match in _BLOCK.finditer(PAGE)]
SCRIPTS = [code for is_test, code in BLOCKS if not is_test]
TESTS = [code for is_test, code in BLOCKS if is_test]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


@pytest.mark.parametrize("code", SCRIPTS)
def test_examples(code: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with nothing_leaks():
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(code, "docs/library.md", "exec"), space)
        space.clear()
    if "no/such/folder" in code:
        assert capsys.readouterr().out == (
            "The folder no/such/folder can not be shared: No such file or directory.\n"
        )


@pytest.mark.parametrize("code", TESTS)
def test_the_fixture(code: str, tmp_path: Path) -> None:
    pytest.importorskip("smbclient")
    (tmp_path / "test_example.py").write_text(code)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT / 'src'}\n")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "2 passed" in result.stdout, result.stdout + result.stderr


def test_there_are_examples() -> None:
    assert len(SCRIPTS) >= 7
    assert len(TESTS) == 1


def test_every_setting_is_in_the_table() -> None:
    table = PAGE[PAGE.index("| field |") : PAGE.index("## Events")]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    assert named == set(ServerSettings.__dataclass_fields__) - {"policy"}


def test_links_within_the_page() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line[3:]).lower().replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"\(#([\w-]+)\)", PAGE)) == headings
