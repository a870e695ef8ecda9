"""The layers of the house, read from the import statements: see docs/design.md.

A module imports only from rows below its own, never from a neighbour in its row; what comes from
outside is confined to the packages that are there to wrap it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "paraph"

ROWS = (
    {"errors"},
    {"wire"},
    {"crypto", "policy"},
    {"core"},
    {"storage", "auth", "rpc"},
    {"server", "client"},
    {"net"},
    {"audit", "adapters"},
    {"cli", "web"},
)
ROW = {name: number for number, names in enumerate(ROWS) for name in names}

#: The front door may be imported by what is built on both ends, and may import everything.
FRONT_DOOR = {"__init__", "__main__", "aio"}
FRONT_DOOR_FROM = ROW["audit"]

#: Module from outside -> the packages that may import it. Any other third party is refused.
THIRD_PARTIES = {
    "cryptography": {"crypto"},
    "spnego": {"auth"},
    "fsspec": {"storage", "adapters"},
    "pytest": {"adapters"},
    "keyring": {"cli"},
    "typer": {"cli"},
    "rich": {"cli"},
    "uvloop": {"net", "audit", "adapters", "cli", "web"},
}

#: Standard modules that wait, talk or tell the time: refused below this row.
WORLD = {
    "_thread",
    "asyncio",
    "concurrent",
    "multiprocessing",
    "sched",
    "select",
    "selectors",
    "signal",
    "socket",
    "socketserver",
    "ssl",
    "threading",
    "time",
}
WORLD_FROM = ROW["net"]

#: (file, module) -> why it may import it all the same.
EXCEPTIONS = {
    ("auth/ntlm.py", "time"): "the default of a clock that is a parameter",
    ("policy/database.py", "threading"): "a connection for each thread, and forks that wait",
    ("storage/case_index.py", "time"): "judges the age of the file system's own time stamps",
    ("storage/memory.py", "threading"): "a lock of its own: handles read and write on any thread",
    ("storage/memory.py", "time"): "the store is the file system here, and stamps its files",
    ("storage/syscalls.py", "threading"): "one buffer for each thread: handles read on any thread",
}


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of everything that `tree` imports, wherever it stands.

    `package`: the package that holds the module, for relative imports.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            parts = list(package[: len(package) - node.level + 1]) if node.level else []
            base = ".".join([*parts, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                # `from paraph import wire` imports paraph.wire; elsewhere the base is enough.
                yield node.lineno, f"{base}.{alias.name}" if base == "paraph" else base
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("import_module", "__import__") and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield node.lineno, name.value


def objection(file: str, name: str) -> str:
    """Why the module `file` (relative to paraph/) may not import `name`; "" if it may."""
    own = file.split("/")[0].removesuffix(".py")
    if own not in ROW:
        return f"{own} has no row in the house"
    top, _, rest = name.partition(".")
    if (file, top) in EXCEPTIONS:
        return ""
    if top == "paraph":
        return _objection_inside(own, rest.split(".")[0])
    if top in sys.stdlib_module_names:
        if top in WORLD and ROW[own] < WORLD_FROM:
            return f"{top} belongs in net/ and above"
        return ""
    if own not in THIRD_PARTIES.get(top, set()):
        allowed = ", ".join(sorted(THIRD_PARTIES.get(top, set()))) or "nowhere"
        return f"{top} is confined to: {allowed}"
    return ""


def _objection_inside(own: str, other: str) -> str:
    if other not in ROW:
        return "" if ROW[own] >= FRONT_DOOR_FROM else "the front door is above"
    if other == own or ROW[other] < ROW[own]:
        return ""
    return f"{other} is a neighbour in the row" if ROW[other] == ROW[own] else f"{other} is above"


def violations(source: Path) -> list[str]:
    """`file:line: name: why` for every import below `source` that breaks a rule."""
    found = []
    for path in sorted(source.rglob("*.py")):
        file = path.relative_to(source).as_posix()
        if file.removesuffix(".py") in FRONT_DOOR:
            continue
        package = ("paraph", *path.relative_to(source).parent.parts)
        for line, name in imports(ast.parse(path.read_text(), str(path)), package):
            why = objection(file, name)
            if why:
                found.append(f"{file}:{line}: {name}: {why}")
    return found


def test_the_house_stands() -> None:
    assert list(SOURCE.rglob("*.py")), "no source found"
    assert violations(SOURCE) == []


def test_every_exception_is_needed() -> None:
    for (file, module), why in EXCEPTIONS.items():
        tree = ast.parse((SOURCE / file).read_text())
        names = {name.split(".")[0] for _, name in imports(tree, ("paraph",))}
        assert module in names, f"{file} does not import {module} any more"
        assert why


def test_every_package_has_a_row() -> None:
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert packages <= ROW.keys()


@pytest.mark.parametrize(
    ("file", "code", "why"),
    [
        ("wire/a.py", "from paraph.core.message import Frame", "core is above"),
        ("wire/a.py", "import paraph.server.server", "server is above"),
        ("wire/a.py", "from paraph import net", "net is above"),
        ("wire/a.py", "from .. import core", "core is above"),
        ("wire/smb2/a.py", "from ...server import tree", "server is above"),
        ("core/a.py", "def f():\n    import paraph.server", "server is above"),
        ("core/a.py", "if TYPE_CHECKING:\n    from paraph.net import tcp", "net is above"),
        ("core/a.py", "import importlib\nimportlib.import_module('paraph.net')", "net is above"),
        ("core/a.py", "from paraph import Server", "front door"),
        ("errors.py", "import paraph.wire", "wire is above"),
        ("crypto/a.py", "from paraph.policy import outcome", "neighbour"),
        ("auth/a.py", "from paraph.storage.base import Handle", "neighbour"),
        ("client/a.py", "from paraph.server import session", "neighbour"),
        ("web/a.py", "from paraph.cli import main", "neighbour"),
        ("core/a.py", "from cryptography.hazmat import primitives", "confined to: crypto"),
        ("storage/a.py", "import spnego", "confined to: auth"),
        ("net/a.py", "import rich", "confined to: cli"),
        ("server/a.py", "import uvloop", "confined to: adapters"),
        ("cli/a.py", "import requests", "confined to: nowhere"),
        ("server/a.py", "import asyncio", "net/ and above"),
        ("server/a.py", "from socket import inet_aton", "net/ and above"),
        ("server/a.py", "from concurrent.futures import Future", "net/ and above"),
        ("storage/a.py", "import threading", "net/ and above"),
        ("client/a.py", "import time", "net/ and above"),
        ("core/a.py", "from time import sleep", "net/ and above"),
        ("attic/a.py", "import os", "has no row"),
        ("stray.py", "import os", "has no row"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, file: str, code: str, why: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code + "\n")
    (found,) = violations(tmp_path)
    assert found.startswith(f"{file}:")
    assert why in found


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("__init__.py", "from paraph.net.server import Server"),
        ("__main__.py", "from paraph.cli.main import main"),
        ("cli/a.py", "from paraph import __version__"),
        ("cli/a.py", "import time, socket, rich, typer.main, uvloop"),
        ("wire/smb2/a.py", "from paraph.wire import record\nfrom . import header\nimport struct"),
        ("wire/smb2/a.py", "from ..record import Record"),
        ("crypto/a.py", "from cryptography.hazmat import primitives\nimport hmac"),
        ("server/a.py", "from paraph.core import message\nfrom paraph.rpc import srvsvc"),
        ("net/a.py", "import asyncio\nimport time\nfrom paraph.client import connection"),
        ("storage/a.py", "import fsspec\nimport datetime"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, file: str, code: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code + "\n")
    assert violations(tmp_path) == []
