"""The matrices, rendered; and the documents that are made of them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from paraph.errors import UserError
from paraph.policy import matrix as tables
from paraph.policy import settings_document
from paraph.policy.matrix import FORMATS, Matrix, matrices, render
from paraph.policy.settings import SETTINGS
from paraph.policy.sides import DIALECTS

DOCS = Path(__file__).parents[2] / "docs"


def texts(matrix: Matrix) -> list[list[str]]:
    return [[cell.text for cell in cells] for _, cells in matrix.rows]


def test_5_1_windows_2000() -> None:
    matrix = tables.smb1_2000_matrix()
    assert matrix.columns == ("Disabled", "Enabled", "Required")
    assert texts(matrix) == [
        ["unsigned", "unsigned", "refused"],
        ["unsigned", "signed", "signed"],
        ["refused", "signed", "signed"],
    ]


def test_5_2_windows_xp_and_later() -> None:
    matrix = tables.smb1_matrix("A")
    assert matrix.columns == ("Disabled (2000)", "Declined (off/off)", "Enabled", "Required")
    assert texts(matrix) == [
        ["unsigned", "unsigned", "unsigned", "refused"],
        ["unsigned", "unsigned", "unsigned", "signed +"],
        ["unsigned", "unsigned", "signed", "signed"],
        ["refused", "signed +", "signed", "signed"],
    ]
    assert texts(tables.smb1_matrix("B")) == [
        ["unsigned", "unsigned", "unsigned", "refused"],
        ["unsigned", "unsigned", "unsigned", "refused +"],
        ["unsigned", "unsigned", "signed", "signed"],
        ["refused", "refused +", "signed", "signed"],
    ]


@pytest.mark.parametrize("dialect", DIALECTS[1:], ids=hex)
def test_5_3_smb2(dialect: int) -> None:
    assert texts(tables.smb2_matrix(dialect)) == [
        ["unsigned*", "unsigned*", "signed"],
        ["unsigned*", "unsigned*", "signed"],
        ["signed", "signed", "signed"],
    ]


def test_5_3_special_cases() -> None:
    matrix = tables.smb2_special_matrix()
    expected = {
        ("server requires, client can not sign", "2.1"): "by server",
        ("server requires, client can not sign", "3.1.1"): "by server",
        ("client requires, server can not sign", "3.0"): "by client",
        ("client requires, taken for a guest", "3.1.1"): "by client",
        ("server requires, guest", "3.1.1"): "by server",
        ("server requires, anonymous", "2.1"): "by server",
        ("neither requires, encrypted", "3.0"): "encrypted",
        ("neither requires, encrypted", "2.1"): "-",
        ("client requires, encrypted", "3.1.1"): "encrypted",
    }
    for (row, column), text in expected.items():
        assert matrix.cell(row, column).text == text


def test_cells_by_name() -> None:
    matrix = tables.smb2_matrix()
    found = matrix.cell("Required", "Disabled").outcome
    assert found is not None
    assert found.signed
    with pytest.raises(KeyError):
        matrix.cell("Required", "Other")
    with pytest.raises(KeyError):
        matrix.cell("Other", "Required")


ALL = matrices()


@pytest.mark.parametrize("matrix", ALL, ids=lambda m: m.key)
def test_text_fits_a_terminal(matrix: Matrix) -> None:
    text = render(matrix)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert text.endswith("\n")
    assert lines[0] == matrix.title
    header = lines[2]
    starts = [header.index(column) for column in matrix.columns if header.count(column) == 1]
    for (name, _), line in zip(matrix.rows, lines[4:], strict=False):
        assert line.startswith(name)
        assert all(line[start - 1] == " " for start in starts)


@pytest.mark.parametrize("matrix", ALL, ids=lambda m: m.key)
def test_markdown(matrix: Matrix) -> None:
    lines = [line for line in render(matrix, "markdown").splitlines() if line.startswith("|")]
    assert len(lines) == len(matrix.rows) + 2
    assert {line.count("|") for line in lines} == {len(matrix.columns) + 2}


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


@pytest.mark.parametrize("matrix", ALL, ids=lambda m: m.key)
def test_html(matrix: Matrix) -> None:
    reader = Reader()
    reader.feed(render(matrix, "html"))
    reader.close()
    assert reader.open == []
    assert reader.cells == [text for row in texts(matrix) for text in row]


@pytest.mark.parametrize("matrix", ALL, ids=lambda m: m.key)
def test_json(matrix: Matrix) -> None:
    data = json.loads(render(matrix, "json"))
    assert data["columns"] == list(matrix.columns)
    found = [[cell["text"] for cell in row["cells"]] for row in data["rows"]]
    assert found == texts(matrix)
    for row in data["rows"]:
        for cell in row["cells"]:
            assert ("why" in cell) == ("result" in cell)


def test_json_has_both_readings() -> None:
    data = json.loads(render(tables.smb1_matrix("A"), "json"))
    others = [c["other"] for row in data["rows"] for c in row["cells"] if c["other"]]
    assert others == ["refused", "refused"]


def test_other_formats() -> None:
    with pytest.raises(UserError, match="Use one of: text, markdown, html, json"):
        render(ALL[0], "pdf")
    assert len({render(ALL[0], name) for name in FORMATS}) == 4


# To write them again: DOCS / name .write_text(generate())
DOCUMENTS = {
    "policy-matrices.md": tables.generate_document,
    "policy-settings.md": settings_document.generate_document,
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == DOCUMENTS[name]()


def test_the_documents_are_complete() -> None:
    text = settings_document.generate_document()
    for setting in SETTINGS:
        assert f"### {setting.key}\n" in text
        assert setting.registry_key in text
        assert setting.display_name in text
    text = tables.generate_document()
    for matrix in ALL:
        assert f"## {matrix.title}\n" in text
