"""Settings that follow the registry of the state while the server runs.

The server asks at each NEGOTIATE and each logon; the question costs microseconds as long as nothing
has changed. A registry that can not be read, or is damaged, weakens nothing: the last good settings
stay, and the listener is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from paraph.errors import UserError
from paraph.policy.registry_value import RegistryValue, fold
from paraph.policy.settings import ServerPolicySettings, effective_server_settings
from paraph.server.settings import Encryption, ServerSettings

Warn = Callable[[str], None]


class ValueSource(Protocol):
    """Where the values of the registry come from."""

    def read(self, last: str) -> tuple[str, Sequence[RegistryValue]] | None:
        """(mark of this state, its values), None if `last` is still its mark.
        Raises UserError, OSError."""
        ...


class LiveSettings:
    """`base` with what the registry says, and over that what `insist` puts on it (the settings that
    the command line named). Call it for the settings of this moment."""

    def __init__(
        self,
        source: ValueSource,
        base: ServerSettings,
        *,
        insist: Callable[[ServerSettings], ServerSettings] = lambda settings: settings,
        warn: Warn = lambda sentence: None,
    ) -> None:
        self._source = source
        self._base = base
        self._insist = insist
        self._warn = warn
        self._mark = ""
        self._trouble = ""
        self._settings = insist(base)

    def __call__(self) -> ServerSettings:
        try:
            found = self._source.read(self._mark)
            if found is not None:
                self._mark, values = found
                self._settings = self._insist(self._with(values))
            self._trouble = ""
        except (UserError, OSError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._warn(f"{error} The last good settings stay in force.")
        return self._settings

    def _with(self, values: Sequence[RegistryValue]) -> ServerSettings:
        table = {value.identity: value for value in values}
        base = self._base
        found = effective_server_settings(
            lambda key, name: table.get((fold(key), fold(name))),
            ServerPolicySettings(
                policy=base.policy,
                min_dialect=base.min_dialect,
                max_dialect=base.max_dialect,
                encrypt_data=base.encryption in ("desired", "required"),
                reject_unencrypted=base.encryption != "desired",
                failed_logon_delay=base.failed_logon_delay,
            ),
        )
        for remark in found.remarks:
            self._warn(remark)
        unforced: Encryption = "off" if base.encryption == "off" else "offered"
        wished: Encryption = "required" if found.reject_unencrypted else "desired"
        return replace(
            base,
            policy=found.policy,
            min_dialect=found.min_dialect,
            max_dialect=found.max_dialect,
            encryption=wished if found.encrypt_data else unforced,
            failed_logon_delay=found.failed_logon_delay,
            audit_signing=found.audit_signing,
            audit_encryption=found.audit_encryption,
            audit_guest=found.audit_guest,
        )
