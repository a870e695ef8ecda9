"""The dialects, signing algorithms and ciphers that tests go through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from paraph.core.dialect import DIALECTS
from tests.support.peer import ALL_DIALECTS

HMAC, CMAC, GMAC = 0, 1, 2


@dataclass(frozen=True)
class Variant:
    """One way to sign."""

    dialect: int
    signing: int

    @property
    def offer(self) -> dict[str, Any]:
        """Fields of `Offer`."""
        return {"dialects": [self.dialect], "signing": [self.signing]}

    @property
    def name(self) -> str:
        return f"{DIALECTS[self.dialect].name}-{('HMAC', 'CMAC', 'GMAC')[self.signing]}"


ALL = (
    Variant(0x0202, HMAC),
    Variant(0x0210, HMAC),
    Variant(0x0300, CMAC),
    Variant(0x0302, CMAC),
    Variant(0x0311, HMAC),
    Variant(0x0311, CMAC),
    Variant(0x0311, GMAC),
)
ONE_EACH = (Variant(0x0210, HMAC), Variant(0x0302, CMAC), Variant(0x0311, GMAC))

every_variant = pytest.mark.parametrize("variant", ALL, ids=[v.name for v in ALL])
each_algorithm = pytest.mark.parametrize("variant", ONE_EACH, ids=[v.name for v in ONE_EACH])
every_dialect = pytest.mark.parametrize(
    "dialect", ALL_DIALECTS, ids=[DIALECTS[d].name for d in ALL_DIALECTS]
)

# (dialect, cipher): what can encrypt
SEALING = ((0x0300, 1), (0x0302, 1), (0x0311, 1), (0x0311, 2), (0x0311, 3), (0x0311, 4))
every_cipher = pytest.mark.parametrize(
    ("dialect", "cipher"),
    SEALING,
    ids=[
        f"{DIALECTS[d].name}-{('', '128-CCM', '128-GCM', '256-CCM', '256-GCM')[c]}"
        for d, c in SEALING
    ],
)
