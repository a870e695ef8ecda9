"""The client policies against Samba with each of its settings of `server signing`: observed is
predicted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from paraph.policy.outcome import client_outcome
from paraph.policy.settings import Policy
from tests.client.faces import FACES
from tests.client.samba import PASSWORD, Samba, start_samba

BOTH = (True, False)


@pytest.fixture(scope="module", params=["disabled", "auto", "mandatory"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Samba]]:
    home: Path = tmp_path_factory.mktemp("signing")
    running = start_samba(home, server_signing=request.param)
    yield request.param, running
    running.stop()


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x0300, 0x0302, 0x0311])
@pytest.mark.parametrize(("always", "agrees"), list(product(BOTH, BOTH)))
def test_what_is_predicted_happens(
    server: tuple[str, Samba], dialect: int, always: bool, agrees: bool
) -> None:
    setting, samba = server
    policy = Policy(client_always=always, client_if_server_agrees=agrees)
    required = setting == "mandatory"
    predicted = client_outcome(policy, required, dialect, "user", False, anonymous_asked=False)
    for face in ("sync", "aio"):
        with FACES[face](
            samba.url(), password=PASSWORD, policy=policy, max_dialect=dialect, timeout=20
        ) as share:
            info = share.info
            assert info.server_requires_signing is required
            assert (info.signed, info.why) == (predicted.signed, predicted.why)
            assert info.signed is (always or required)
            share.write_bytes("f", b"data")
            assert share.read_bytes("f") == b"data"


def test_an_encrypted_share(samba: Samba) -> None:
    for face in ("sync", "aio"):
        with FACES[face](samba.url("secret"), password=PASSWORD, timeout=20) as share:
            assert share.info.encrypted
            share.write_bytes("f", b"data")
            assert share.read_bytes("f") == b"data"
