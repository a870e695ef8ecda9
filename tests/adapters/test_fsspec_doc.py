"""The examples of docs/fsspec.md do what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.registry import _registry as fsspec_registry

from paraph.adapters.fsspec_ import ParaphFileSystem, register

PAGE = (Path(__file__).parents[2] / "docs" / "fsspec.md").read_text()
_BLOCK = re.compile(
    r"^```python ?(\w*)\n(.*?)^```$(?:\n```\n(.*?)^```$)?", re.MULTILINE | re.DOTALL
)
BLOCKS = [(match[1], match[2], match[3] or "") for match in _BLOCK.finditer(PAGE)]


@pytest.fixture
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    before = dict(fsspec_registry)
    register(["paraph"])  # what the entry point does where the package is installed
    yield
    for system in list(ParaphFileSystem._cache.values()):
        system.close()
    ParaphFileSystem.clear_instance_cache()
    fsspec_registry.clear()
    fsspec_registry.update(before)


@pytest.mark.usefixtures("_clean")
@pytest.mark.parametrize("modules", [(), ("pandas", "pyarrow")])
def test_examples(modules: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Once without pandas and pyarrow, for those who lack them."""
    for module in modules:
        pytest.importorskip(module)
    space: dict[str, Any] = {"__name__": "__main__"}
    for needs, code, printed in BLOCKS:
        if needs and needs not in modules:
            continue
        exec(compile(code, "docs/fsspec.md", "exec"), space)
        assert capsys.readouterr().out == printed, code


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 7
    assert {needs for needs, _, _ in BLOCKS} == {"", "pandas", "pyarrow"}
