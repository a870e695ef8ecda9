"""The Python blocks of docs/client.md, run as they stand against a server of ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import paraph

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_runs(number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letters").mkdir()
    with paraph.Server({"data": tmp_path}, {"anna": "correct horse"}) as server:
        text = BLOCKS[number].replace("@server/", f"@127.0.0.1:{server.port}/")
        exec(compile(text, "docs/client.md", "exec"), {"__name__": "page"})
    out = capsys.readouterr().out
    assert ("sent.txt" in [p.name for p in (tmp_path / "letters").iterdir()]) is (number == 0)
    assert ("AES" in out and "missing 0xc0000034" in out) if number == 0 else ("65 files" in out)


def test_there_are_blocks() -> None:
    assert len(BLOCKS) == 2
