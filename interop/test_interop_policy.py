"""What the policy engine predicts is what happens: every setting of both ends, every dialect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interop.peers import DIALECTS, SHARE, Served, SmbClient
from paraph import Policy
from paraph.core.dialect import DIALECTS as ROWS
from paraph.policy.defaults import SYSTEMS, defaults
from paraph.policy.predict import Machine, predict

StartServer = Callable[..., Served]
MakeClient = Callable[..., SmbClient]

REVISIONS = {row.name: revision for revision, row in ROWS.items()}

CLIENT_SIGNING = {
    "off": {"client-always": "disabled", "client-if-server-agrees": "disabled"},
    "desired": {"client-always": "disabled", "client-if-server-agrees": "enabled"},
    "required": {"client-always": "enabled", "client-if-server-agrees": "enabled"},
}
"""Samba's `client signing` as the two client policies."""


def predicted(policy: Policy, signing: str, dialect: int) -> str:
    """signed, unsigned or refused: smbclient against a server with this policy."""
    state = {True: "enabled", False: "disabled"}
    client = Machine.named("Samba", settings=CLIENT_SIGNING[signing], dialects=(dialect,))
    server = Machine.named(
        "Paraph",
        settings={
            "server-always": state[policy.server_always],
            "server-if-client-agrees": state[policy.server_if_client_agrees],
        },
    )
    return predict(client, server).outcome.result


def observed(served: Served, client: SmbClient, signing: str, dialect: str) -> str:
    """The same, from smbclient's exit code and from what the session was."""
    before = len(served.sessions())
    outcome = client.run(
        f"//127.0.0.1/{SHARE}",
        *("-c", "ls"),
        client_signing=signing,
        client_ipc_signing=signing,
        client_min_protocol=dialect,
        client_max_protocol=dialect,
    )
    sessions = served.sessions()[before:]
    if outcome.code != 0:
        return "refused"
    assert sessions, outcome.text
    assert {session.dialect for session in sessions} == {DIALECTS[dialect]}
    return "signed" if all(session.signing for session in sessions) else "unsigned"


@pytest.mark.parametrize("always", [True, False], ids=["always", "not-always"])
@pytest.mark.parametrize("if_client_agrees", [True, False], ids=["if-agrees", "not-if-agrees"])
def test_every_setting_of_both_ends_in_every_dialect(
    always: bool, if_client_agrees: bool, server: StartServer, smbclient: MakeClient
) -> None:
    policy = Policy(server_always=always, server_if_client_agrees=if_client_agrees)
    served = server(policy=policy)
    client = smbclient(served)
    cells = [(dialect, signing) for dialect in DIALECTS for signing in CLIENT_SIGNING]
    seen = {cell: observed(served, client, cell[1], cell[0]) for cell in cells}
    wanted = {
        (dialect, signing): predicted(policy, signing, REVISIONS[DIALECTS[dialect]])
        for dialect, signing in cells
    }
    assert seen == wanted


SERVERS = [
    (system.name, role)
    for system in SYSTEMS
    if not system.client_only and set(system.dialects) & set(ROWS)
    for role in system.roles
]
"""Every system that serves SMB 2 or later, in every role."""


@pytest.mark.parametrize(("system", "role"), SERVERS)
def test_the_defaults_of_every_system_and_role(
    system: str, role: str, server: StartServer, smbclient: MakeClient
) -> None:
    """Paraph with the policies that such a system starts with behaves as is predicted of it."""
    machine = Machine.named(system, role)
    served = server(policy=defaults(machine.system, machine.role).policy())
    client = smbclient(served)
    dialect = max(d for d in machine.spoken("server") if d in ROWS)
    samba = next(name for name, row in DIALECTS.items() if row == ROWS[dialect].name)
    for signing in CLIENT_SIGNING:
        theirs = Machine.named("Samba", settings=CLIENT_SIGNING[signing], dialects=(dialect,))
        wanted = predict(theirs, machine).outcome.result
        assert observed(served, client, signing, samba) == wanted
