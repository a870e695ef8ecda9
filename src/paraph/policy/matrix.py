"""The outcome matrices: who signs with whom, asked of `policy.outcome` cell by cell, as tables.

[MS-CIFS] 3.2.4.2.4 (Windows 2000 and before), [MS-SMB] 3.2.4.2.4 (Windows XP and later, in both of
Microsoft's readings), and SMB 2 and 3, where only 'always' counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Literal

from paraph.errors import UserError
from paraph.policy.defaults import defaults
from paraph.policy.outcome import outcome
from paraph.policy.predict import Machine, predict
from paraph.policy.sides import (
    DIALECT_NAMES,
    DIALECTS,
    NT1,
    SMB3_DIALECTS,
    IdentityName,
    Outcome,
    Reading,
    Side,
    algorithm,
)
from paraph.policy.systems import SYSTEMS, Role, find_system

Format = Literal["text", "markdown", "html", "json"]
FORMATS: tuple[Format, ...] = ("text", "markdown", "html", "json")


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """What a table shows, and the outcome behind it if there is one."""

    text: str
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Matrix:
    """A table with a heading for each row and column."""

    key: str
    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]
    source: str = ""
    notes: tuple[str, ...] = ()

    def cell(self, row: str, column: str) -> MatrixCell:
        """By its headings. Raises KeyError."""
        return dict(self.rows)[row][self._column(column)]

    def _column(self, column: str) -> int:
        if column not in self.columns:
            raise KeyError(column)
        return self.columns.index(column)


# Building

_Levels = dict[str, Side]

_OLD_LEVELS: _Levels = {
    "Disabled": Side(False, False, "2000"),
    "Enabled": Side(False, True, "2000"),
    "Required": Side(True, True, "2000"),
}
_SMB1_LEVELS: _Levels = {
    "Disabled (2000)": Side(False, False, "2000"),
    "Declined (off/off)": Side(False, False),
    "Enabled": Side(False, True),
    "Required": Side(True, True),
}
_SMB2_LEVELS: _Levels = {
    "Disabled": Side(False, False),
    "Enabled": Side(False, True),
    "Required": Side(True, True),
}

_STAR = (
    "* Signed all the same: the final SESSION_SETUP response, TREE_CONNECT in 3.1.1, "
    "FSCTL_VALIDATE_NEGOTIATE_INFO, a binding SESSION_SETUP, and whatever the client chooses to "
    "sign, such as what it does on hardened UNC paths."
)


def _grid(
    clients: _Levels, servers: _Levels, ask: Callable[[Side, Side], Outcome], star: bool = False
) -> tuple[tuple[str, tuple[MatrixCell, ...]], ...]:
    return tuple(
        (name, tuple(_cell(ask(client, server), star) for server in servers.values()))
        for name, client in clients.items()
    )


def _cell(result: Outcome, star: bool = False) -> MatrixCell:
    text = result.result
    mark = "*" if star and text == "unsigned" else ""
    if result.other is not None:
        mark += " +"
    return MatrixCell(f"{text}{mark}", result)


def _levels(
    key: str,
    title: str,
    levels: _Levels,
    ask: Callable[[Side, Side], Outcome],
    source: str,
    *notes: str,
    star: bool = False,
) -> Matrix:
    rows = _grid(levels, levels, ask, star)
    return Matrix(key, title, "client \\ server", tuple(levels), rows, source, notes)


def smb1_2000_matrix() -> Matrix:
    """SMB1 between Windows 2000, NT 4.0 SP3 and Windows 98: three levels."""
    return _levels(
        "smb1-2000",
        "SMB1, Windows 2000 and before",
        _OLD_LEVELS,
        lambda client, server: outcome(client, server, NT1, "user"),
        "[MS-CIFS] 3.2.4.2.4; TechNet cc786681; KB887429",
        "Required is both settings on: 'always' alone has no effect and is Disabled. Disabled is "
        "really off.",
        "Client Required, server Disabled: the client closes the connection after NEGOTIATE, error "
        "1240. Client Disabled, server Required: access is denied at TREE_CONNECT_ANDX.",
    )


def smb1_matrix(reading: Reading = "A") -> Matrix:
    """SMB1 of Windows XP and later, in one of the two readings."""
    other: Reading = "B" if reading == "A" else "A"
    titles = {
        "A": "SMB1, Windows XP and later: reading A, the specification (applied)",
        "B": "SMB1, Windows XP and later: reading B, the help text",
    }
    return _levels(
        f"smb1-{reading.lower()}",
        titles[reading],
        _SMB1_LEVELS,
        lambda client, server: outcome(client, server, NT1, "user", reading=reading),
        "[MS-SMB] 3.2.4.2.4, 3.2.1.1" if reading == "A" else "TechNet cc786681; Microsoft Learn",
        "Declined is both settings off. 'always' alone is Required: only Windows 2000 and before "
        "need the other setting too.",
        f"+ Reading {other} says otherwise. Both are Microsoft's statements.",
    )


def smb1_keyless_matrix() -> Matrix:
    """SMB1 for guests and anonymous users."""
    return _levels(
        "smb1-guest",
        "SMB1, guests and anonymous users",
        _SMB1_LEVELS,
        lambda client, server: outcome(client, server, NT1, "guest"),
        "[MS-CIFS] 3.2.1.1, 3.2.5.3",
        "They have no key. A server that requires signing may let anonymous users in all the same; "
        "the safe reading is applied.",
    )


def smb1_w9x_matrix() -> Matrix:
    """Windows NT 4.0 and 98 clients with servers of Windows 2000 and 2003."""
    clients: _Levels = {
        "NT 4.0, Enabled": Side(False, True, "nt4"),
        "NT 4.0, Required": Side(True, True, "nt4"),
        "98, Enabled": Side(False, True, "9x"),
        "98, Required": Side(True, True, "9x"),
    }
    servers: _Levels = {
        f"{name}, {flag}": Side(name == "Required", True, "2000", w9x_signing=bool(flag))
        for name in ("Enabled", "Required")
        for flag in (0, 1)
    }
    return Matrix(
        "smb1-w9x",
        "SMB1, old clients: EnableW9xSecuritySignature of the server, 0 or 1",
        "client \\ server",
        tuple(servers),
        _grid(clients, servers, lambda c, s: outcome(c, s, NT1, "user")),
        "TechNet cc786681; KB887429",
        (
            "TechNet cc786681 names both clients, KB887429 only NT 4.0; it is applied to both. NT "
            "4.0 before SP3 can not sign at all.",
        ),
    )


def smb2_matrix(dialect: int = 0x0311) -> Matrix:
    """SMB 2 and 3: each dialect has the same."""
    return _levels(
        "smb2",
        "SMB 2 and 3",
        _SMB2_LEVELS,
        lambda client, server: outcome(client, server, dialect, "user"),
        "[MS-SMB2] 3.3.5.5.3, 3.2.5.3.1; Learn: overview of SMB signing",
        "Only 'always' counts: Disabled and Enabled are the same. Nobody is refused.",
        _STAR,
        star=True,
    )


_CAN_NOT = Side(False, True, can_sign=False)
_OFF, _ON = Side(False), Side(True)

_SPECIAL: tuple[tuple[str, Side, Side, IdentityName, bool], ...] = (
    ("server requires, client can not sign", _CAN_NOT, _ON, "user", False),
    ("neither requires, client can not sign", _CAN_NOT, _OFF, "user", False),
    ("client requires, server can not sign", _ON, _CAN_NOT, "user", False),
    ("neither requires, server can not sign", _OFF, _CAN_NOT, "user", False),
    ("client requires, taken for a guest", _ON, _OFF, "guest", False),
    ("server requires, guest", _OFF, _ON, "guest", False),
    ("server requires, anonymous", _OFF, _ON, "anonymous", False),
    ("neither requires, guest", _OFF, _OFF, "guest", False),
    ("client requires, asked to be anonymous", _ON, _OFF, "anonymous", False),
    ("neither requires, encrypted", _OFF, _OFF, "user", True),
    ("client requires, encrypted", _ON, _OFF, "user", True),
    ("server requires, encrypted", _OFF, _ON, "user", True),
    ("guest, server encrypts", _OFF, _OFF, "guest", True),
)


def smb2_special_matrix() -> Matrix:
    """SMB 2 and 3: peers that do not conform, guests, encryption."""
    dialects = (0x0210, 0x0300, 0x0311)
    rows = []
    for title, client, server, identity, encrypted in _SPECIAL:
        cells = []
        for dialect in dialects:
            if encrypted and dialect not in SMB3_DIALECTS:
                cells.append(MatrixCell("-"))
                continue
            result = outcome(client, server, dialect, identity, encrypted=encrypted)
            text = f"by {result.refused_by}" if result.refused_by else result.result
            if encrypted and result.established:
                text = "encrypted"
            cells.append(MatrixCell(text, result))
        rows.append((title, tuple(cells)))
    return Matrix(
        "smb2-special",
        "SMB 2 and 3, special cases",
        "case \\ dialect",
        tuple(DIALECT_NAMES[d] for d in dialects),
        tuple(rows),
        "[MS-SMB2] 3.2.5.3.1, 3.3.5.2.4, 3.3.5.5.3, 3.3.5.7; Learn: SMB security hardening",
        (
            "'by client' and 'by server': who refuses. Encrypted is not signed: encryption proves "
            "integrity too.",
            "Guests and anonymous users where the server requires signing: [MS-SMB2] 3.1.1.1 "
            "exempts them (unsigned), Microsoft's hardening guide has them refused. Refused is "
            "applied.",
        ),
    )


def algorithm_matrix() -> Matrix:
    """Which algorithm signs in which dialect."""
    rows = []
    for dialect in DIALECTS:
        with_it, without = algorithm(dialect, gmac=True), algorithm(dialect, gmac=False)
        rows.append((DIALECT_NAMES[dialect], (MatrixCell(with_it), MatrixCell(without))))
    return Matrix(
        "algorithms",
        "Signing algorithms",
        "dialect",
        ("both know AES-GMAC", "one does not"),
        tuple(rows),
        "[MS-CIFS] 3.1.4.1; [MS-SMB2] 3.1.4.1, 2.2.3.1.7",
        ("Windows 11, Windows Server 2022 and later, Samba 4.15 and later and Paraph know it.",),
    )


_SERVERS: tuple[tuple[str, str, Role], ...] = (
    ("2003 DC", "2003", "domain-controller"),
    ("2022", "2022", "member-server"),
    ("2022 DC", "2022", "domain-controller"),
    ("2025", "2025", "member-server"),
    ("Paraph", "paraph", "stand-alone"),
)


def systems_matrix() -> Matrix:
    """Each system as a client, with some servers, all as they come."""
    rows = []
    for system in SYSTEMS:
        client = Machine(system, system.roles[0])
        cells = []
        for _, name, role in _SERVERS:
            prediction = predict(client, Machine(find_system(name), role))
            result = prediction.outcome
            text = result.result if prediction.dialect else "no dialect"
            cells.append(MatrixCell(text, result))
        rows.append((system.key, tuple(cells)))
    return Matrix(
        "systems",
        "Systems as they come",
        "client \\ server",
        tuple(title for title, _, _ in _SERVERS),
        tuple(rows),
        "the defaults of each system, and the matrices above",
        (
            "A user's session in the greatest dialect that both speak as installed; 'no dialect' "
            "where there is none. DC is a domain controller, the others are members.",
        ),
    )


def defaults_matrix() -> Matrix:
    """The four settings as each system comes, by role."""
    rows = []
    for system in SYSTEMS:
        for role in system.roles:
            row = defaults(system, role)
            cells = (
                row.client_if_server_agrees,
                row.client_always,
                row.server_if_client_agrees,
                row.server_always,
            )
            label = f"{system.key} {role}"
            rows.append((label, tuple(MatrixCell(cell.text) for cell in cells)))
    return Matrix(
        "defaults",
        "Defaults by system and role",
        "system and role",
        ("CE", "CA", "SE", "SA"),
        tuple(rows),
        notes=(
            "CE: client, if server agrees. CA: client, always. SE: server, if client agrees. SA: "
            "server, always. 1 is enabled, 0 disabled, - is not there.",
            "'0 (or 1)': Microsoft's pages contradict each other; the first value is applied.",
        ),
    )


def matrices() -> tuple[Matrix, ...]:
    """All of them, in the order of the document."""
    return (
        smb2_matrix(),
        smb2_special_matrix(),
        algorithm_matrix(),
        smb1_2000_matrix(),
        smb1_matrix("A"),
        smb1_matrix("B"),
        smb1_keyless_matrix(),
        smb1_w9x_matrix(),
        systems_matrix(),
        defaults_matrix(),
    )


# Rendering


def render(matrix: Matrix, format: str = "text") -> str:
    """The table as "text" (at most 80 columns), "markdown", "html" or "json", with its notes and a
    final newline. Raises UserError for another format."""
    writers: dict[str, Callable[[Matrix], str]] = {
        "text": _text,
        "markdown": _markdown,
        "html": _html,
        "json": _json,
    }
    if format not in writers:
        raise UserError(f"There is no table format '{format}'. Use one of: {', '.join(FORMATS)}.")
    return writers[format](matrix)


def _lines(matrix: Matrix) -> list[tuple[str, ...]]:
    return [
        (matrix.corner, *matrix.columns),
        *((name, *(cell.text for cell in cells)) for name, cells in matrix.rows),
    ]


def _text(matrix: Matrix) -> str:
    lines = _lines(matrix)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    table = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    table.insert(1, "  ".join("-" * width for width in widths))
    parts = [matrix.title, "", *table, "", *_wrapped(matrix.notes)]
    if matrix.source:
        parts += _wrapped([f"Source: {matrix.source}."])
    return "\n".join(parts).rstrip() + "\n"


def _wrapped(sentences: Iterable[str]) -> list[str]:
    """Lines of at most 80 columns."""
    lines: list[str] = []
    for sentence in sentences:
        line = ""
        for word in sentence.split():
            if line and len(line) + 1 + len(word) > 80:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return lines


def _pipe(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*")


def _markdown(matrix: Matrix) -> str:
    lines = _lines(matrix)
    table = ["| " + " | ".join(_pipe(text) for text in line) + " |" for line in lines]
    table.insert(1, "|" + " --- |" * len(lines[0]))
    parts = [f"### {matrix.title}", "", *table, ""]
    for note in matrix.notes:
        parts += [_pipe(note), ""]
    if matrix.source:
        parts += [f"Source: {matrix.source}.", ""]
    return "\n".join(parts)


def _html(matrix: Matrix) -> str:
    parts = ["<table>", f"<caption>{escape(matrix.title)}</caption>", "<thead>"]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in _lines(matrix)[0])
    parts += [f"<tr>{head}</tr>", "</thead>", "<tbody>"]
    for name, cells in matrix.rows:
        row = f'<th scope="row">{escape(name)}</th>'
        for cell in cells:
            why = f' title="{escape(cell.outcome.why)}"' if cell.outcome is not None else ""
            row += f"<td{why}>{escape(cell.text)}</td>"
        parts.append(f"<tr>{row}</tr>")
    parts += ["</tbody>", "</table>"]
    parts += [f"<p>{escape(note)}</p>" for note in matrix.notes]
    if matrix.source:
        parts.append(f"<p>Source: {escape(matrix.source)}.</p>")
    return "\n".join(parts) + "\n"


def _json(matrix: Matrix) -> str:
    data = {
        "key": matrix.key,
        "title": matrix.title,
        "columns": list(matrix.columns),
        "rows": [
            {
                "name": name,
                "cells": [
                    {"column": column, **_cell_json(cell)}
                    for column, cell in zip(matrix.columns, cells, strict=True)
                ],
            }
            for name, cells in matrix.rows
        ],
        "notes": list(matrix.notes),
        "source": matrix.source,
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _cell_json(cell: MatrixCell) -> dict[str, object]:
    result = cell.outcome
    if result is None:
        return {"text": cell.text}
    return {
        "text": cell.text,
        "result": result.result,
        "algorithm": result.algorithm,
        "refused_by": result.refused_by,
        "fails_at": result.fails_at,
        "looks_like": result.looks_like,
        "why": result.why,
        "section": result.section,
        "other": result.other.result if result.other is not None else None,
    }


_INTRODUCTION = """\
# Who signs with whom

These tables are made by the function that Paraph itself obeys: its server and its client ask it at
each logon. This file is generated by `paraph.policy.matrix.generate_document`; a test keeps it
current.

*signed*: ordinary requests and responses carry signatures. *unsigned*: they do not. *refused*:
there is no session.
"""


def generate_document() -> str:
    """docs/policy-matrices.md."""
    parts = [_INTRODUCTION]
    parts += [render(matrix, "markdown").replace("### ", "## ", 1) for matrix in matrices()]
    return "\n".join(parts).rstrip() + "\n"
