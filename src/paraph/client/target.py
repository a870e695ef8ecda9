"""Whom to connect to, as whom, and how: what `connect` makes of its arguments."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from paraph.auth.client import Credentials, KerberosUse
from paraph.client.connection import Connection
from paraph.client.logon import establish
from paraph.client.names import Location, parse_location, wire_name
from paraph.client.settings import ClientSettings
from paraph.client.steps import Step
from paraph.client.tree import Tree
from paraph.errors import UserError
from paraph.policy.settings import Policy

TIMEOUT = 30.0
"""Seconds without an answer after which an operation fails, if the caller does not say."""


@dataclass(frozen=True, slots=True)
class Target:
    """A share, credentials for it, and settings. Equal targets may share a connection."""

    location: Location
    credentials: Credentials
    settings: ClientSettings

    @property
    def address(self) -> tuple[str, int]:
        return self.location.host, self.location.port

    def connection(self) -> Connection:
        """A connection that has sent nothing yet."""
        return Connection(self.settings, self.location.host)

    def establish(self, connection: Connection) -> Generator[Step, Any, Tree]:
        """The steps that lead to the share."""
        place = self.location
        return establish(connection, self.credentials, place.share, wire_name(place.path))


def make_target(
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    domain: str | None = None,
    nt_hash: bytes | str | None = None,
    ccache: str = "",
    keytab: str = "",
    kerberos: KerberosUse = "auto",
    policy: Policy | None = None,
    settings: ClientSettings | None = None,
    **overrides: Any,
) -> Target:
    r"""The target of a URL or a \\server\share path; arguments go before what the URL says.
    `overrides` are fields of `ClientSettings`. Raises UserError."""
    location = parse_location(url)
    if user is not None and "\\" in user and domain is None:
        domain, _, user = user.partition("\\")
    credentials = Credentials(
        user=location.user if user is None else user,
        password=location.password if password is None else password,
        domain=location.domain if domain is None else domain,
        nt_hash=nt_hash,
        ccache=ccache,
        keytab=keytab,
        kerberos=kerberos,
    )
    if policy is not None:
        overrides["policy"] = policy
    try:
        settings = replace(settings or ClientSettings(), **overrides)
        wire_name(location.path)
    except TypeError as error:
        raise UserError(f"There is no such setting: {error}.") from None
    except ValueError as error:
        raise UserError(f"{location} leads nowhere: {error}.") from None
    return Target(location, credentials, settings)
