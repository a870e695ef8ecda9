"""The two client policies, against every server setting in every dialect: observed is predicted."""

from __future__ import annotations

from itertools import product

import pytest

from paraph.client import operations
from paraph.client.tree import describe
from paraph.errors import PolicyRefused
from paraph.policy.outcome import client_outcome
from paraph.policy.settings import Policy
from paraph.wire.smb2.header import Command, Flags
from tests.client.joined import Joined, headers, is_plain
from tests.support.world import World

DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)
BOTH = (True, False)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("always", "agrees", "server"), list(product(BOTH, BOTH, BOTH)))
def test_what_is_predicted_happens(dialect: int, always: bool, agrees: bool, server: bool) -> None:
    policy = Policy(client_always=always, client_if_server_agrees=agrees)
    joined = Joined(World(policy=Policy(server_always=server)), policy=policy, max_dialect=dialect)
    tree = joined.log_on()
    predicted = client_outcome(policy, server, dialect, "user", False, anonymous_asked=False)
    info = describe(tree)
    assert (info.signed, info.why) == (predicted.signed, predicted.why)
    assert predicted.signed is (always or server)

    del joined.sent[:], joined.received[:]
    joined.run(operations.stat(tree, "hello.txt"))
    for frame in (*joined.sent, *joined.received):
        for one in headers(frame):
            assert bool(one.flags & Flags.SIGNED) is predicted.signed


@pytest.mark.parametrize("always", BOTH)
@pytest.mark.parametrize("dialect", [0x0300, 0x0302, 0x0311])
def test_an_encrypted_session_is_not_signed(dialect: int, always: bool) -> None:
    world = World(encryption="required")
    joined = Joined(world, policy=Policy(client_always=always), max_dialect=dialect)
    tree = joined.log_on()
    info = describe(tree)
    assert info.encrypted
    assert not info.signed
    assert "encrypted" in info.why
    del joined.sent[:]
    joined.run(operations.stat(tree, "hello.txt"))
    assert not any(is_plain(frame) for frame in joined.sent)


@pytest.mark.parametrize("always", BOTH)
@pytest.mark.parametrize("allowed", BOTH)
def test_being_a_guest(always: bool, allowed: bool) -> None:
    world = World(policy=Policy(server_always=False), allow_guest=True)
    world.server.shares["DATA"].allow_guest = True
    joined = Joined(world, user="nobody", policy=Policy(client_always=always), guest=allowed)
    if allowed:
        tree = joined.log_on()
        info = describe(tree)
        assert (info.identity, info.signed, info.signing_algorithm) == ("guest", False, "")
        assert joined.run(operations.exists(tree, "hello.txt"))
    else:
        with pytest.raises(PolicyRefused):
            joined.log_on()
        assert not any(
            one.command == Command.TREE_CONNECT for f in joined.sent for one in headers(f)
        )


@pytest.mark.parametrize("always", BOTH)
def test_being_anonymous_when_that_was_asked_for(always: bool) -> None:
    world = World(policy=Policy(server_always=False), allow_anonymous=True)
    joined = Joined(world, share="", user="", password=None, policy=Policy(client_always=always))
    tree = joined.log_on()
    info = describe(tree)
    assert (info.identity, info.signed, info.user) == ("anonymous", False, "")


def test_the_security_mode_that_is_sent() -> None:
    for always, mode in ((True, 2), (False, 1)):
        joined = Joined(
            World(policy=Policy(server_always=False)), policy=Policy(client_always=always)
        )
        joined.log_on()
        for frame in joined.sent:
            for one in headers(frame):
                if one.command == Command.NEGOTIATE:
                    assert frame[68] == mode
                if one.command == Command.SESSION_SETUP:
                    assert frame[67] == mode
