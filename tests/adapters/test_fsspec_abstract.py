"""fsspec's own tests of file systems, against Paraph's server and Samba's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fsspec.tests import abstract


def _join(*parts: str) -> str:
    return "/".join(parts)


class Joined(abstract.AbstractFixtures):  # type: ignore[misc]
    """`fs` and `fs_path` are those of conftest."""

    fs: object = None  # the fixtures of that name in the base class raise
    fs_path: object = None

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return _join


class TestCopy(abstract.AbstractCopyTests, Joined):  # type: ignore[misc]
    pass


class TestGet(abstract.AbstractGetTests, Joined):  # type: ignore[misc]
    pass


class TestPut(abstract.AbstractPutTests, Joined):  # type: ignore[misc]
    pass


class TestOpen(abstract.AbstractOpenTests, Joined):  # type: ignore[misc]
    pass


class TestPipe(abstract.AbstractPipeTests, Joined):  # type: ignore[misc]
    pass
