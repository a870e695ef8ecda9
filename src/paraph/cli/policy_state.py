"""The registry and the policy objects in the state directory, for the command line.

Reading makes nothing: a state that does not exist yet is an empty registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paraph.cli.accounts import prepare_state
from paraph.cli.config import default_state
from paraph.cli.live import REGISTRY_NAME, open_registry
from paraph.errors import UserError
from paraph.policy.defaults import find_system
from paraph.policy.gpo import Applied, PolicyStore
from paraph.policy.predict import Machine
from paraph.policy.registry import Registry
from paraph.policy.registry_value import RegistryDeletion, RegistryValue
from paraph.policy.resultant import Resultant, refresh, resultant
from paraph.policy.settings import SETTINGS, Lookup, Setting, State, state_from


def folder_of(state: Path | None) -> Path:
    """The state directory: as given, else the same as of `paraph serve`."""
    return state.expanduser().absolute() if state is not None else default_state()


def nothing(key: str, name: str) -> RegistryValue | None:
    """The lookup of a registry without values."""
    return None


@contextmanager
def reading(state: Path | None) -> Iterator[Registry | None]:
    """The registry, None where there is none yet. Raises UserError if it is damaged."""
    folder = folder_of(state)
    if not (folder / REGISTRY_NAME).exists():
        yield None
        return
    with open_registry(folder) as registry:
        yield registry


@contextmanager
def writing(state: Path | None) -> Iterator[Registry]:
    """The registry, made if there is none. Raises UserError."""
    folder = folder_of(state)
    prepare_state(folder)
    with open_registry(folder) as registry:
        yield registry


def lookup_of(registry: Registry | None) -> Lookup:
    """The registry as the settings look at it."""
    return nothing if registry is None else registry.get


def this_machine(lookup: Lookup) -> Machine:
    """Paraph on this machine, set as its registry says."""
    states = {}
    for setting in SETTINGS:
        state, _ = state_from(setting, lookup)
        if state.defined:
            states[setting.key] = state
    return Machine(find_system("paraph"), "stand-alone").set_to(states)


def own_resultant(registry: Registry) -> Resultant:
    """The resultant set of this machine, computed and not written."""
    policies = PolicyStore(registry)
    chain = policies.chain()
    applied = [one for one in policies.applied() if _stands(registry, one)]
    return resultant(chain, policies.linked_objects(chain), applied=applied)


def _stands(registry: Registry, one: Applied) -> bool:
    """What policy wrote is still there, unchanged."""
    found = registry.get(one.value.key, one.value.name)
    return found is not None and (found.type, found.data) == (one.value.type, one.value.data)


def governors(registry: Registry | None) -> dict[str, str]:
    """Key of a setting -> the policy object that decides it, "'Name' (Domain)"."""
    if registry is None:
        return {}
    result = own_resultant(registry)
    found = {}
    for setting in SETTINGS:
        for key in setting.keys:
            value = result.get(key, setting.registry_value)
            if value is not None and value.state in ("defined", "deleted") and value.winner:
                step = value.winner.step
                found[setting.key] = f"'{step.name}' ({step.som})"
                break
    return found


def set_state(registry: Registry, setting: Setting, state: State) -> State:
    """Set a setting, or with Not Defined take it back; what it was.

    It is written where Group Policy would write it, which wins over the local key. Raises UserError
    where a policy object decides it: it would win at the next refresh.
    """
    with registry.transaction():
        governor = governors(registry).get(setting.key)
        if governor:
            raise UserError(
                f"{setting.key} is decided by the policy object {governor}: change it there and "
                "import it again, or unlink it (`paraph policy unlink`)."
            )
        before, _ = state_from(setting, registry.get)
        value = setting.to_registry(state)
        if value is None:
            registry.apply(RegistryDeletion(key, setting.registry_value) for key in setting.keys)
        else:
            registry.apply([value])
    return before


def refreshed(registry: Registry) -> Resultant:
    """The resultant set of this machine, written to the registry."""
    return refresh(PolicyStore(registry), registry)


def end_now(state: Path | None) -> list[str]:
    """End the sessions of a running server that no longer comply; a line about each.

    Raises UserError if no server runs with this state.
    """
    from paraph.cli.log import printable
    from paraph.net.control import end_sessions, noncompliant

    folder = folder_of(state)
    sessions = noncompliant(folder)
    lines = [
        f"{printable(session.user)} from {printable(session.client)}, SMB {session.dialect}, "
        f"{session.opens} open files: {printable(session.complaint)}"
        for session in sessions
    ]
    if sessions:
        end_sessions(folder, [session.session_id for session in sessions])
    return lines
