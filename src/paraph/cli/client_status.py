"""`paraph status`: what was agreed with a server, and why."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from paraph.cli.client_output import Output, sentence, shown, size_text
from paraph.cli.client_remote import Remote
from paraph.client.settings import ClientSettings
from paraph.client.tree import ConnectionInfo
from paraph.errors import PolicyRefused, SecurityViolation
from paraph.policy.settings import SIGNING_SETTINGS, Policy


def status(out: Output, remote: Remote, settings: ClientSettings) -> None:
    """Connect and tell; of a connection that a rule forbids, which rule."""
    try:
        with remote:
            info = remote.share.info
    except (PolicyRefused, SecurityViolation) as error:
        out.failures += 1
        kind = "policy" if isinstance(error, PolicyRefused) else "security"
        why = error.strerror or str(error)
        out.record(
            url=remote.url(),
            connected=False,
            refused_by=kind,
            why=why,
            policy=policy_words(settings.policy),
        )
        out.line(shown(remote.url()))
        _rows(
            out,
            {
                "Connected": "no",
                "Why": shown(sentence(error).removeprefix(f"{error.filename}: ")),
                "Policy": _policy_line(settings.policy),
            },
        )
        return
    out.record(url=remote.url(), connected=True, **record(info, settings))
    out.line(shown(remote.url()))
    _rows(out, rows(info, settings))


def policy_words(policy: Policy) -> dict[str, str]:
    """The client's policies by their keys: "enabled" or "disabled"."""
    return {
        setting.key: "enabled" if getattr(policy, str(setting.field)) else "disabled"
        for setting in SIGNING_SETTINGS
        if setting.side == "client"
    }


def _policy_line(policy: Policy) -> str:
    return ", ".join(f"{key} is {state}" for key, state in policy_words(policy).items())


def record(info: ConnectionInfo, settings: ClientSettings) -> dict[str, Any]:
    """The JSON of a connection."""
    return {
        "server": info.server,
        "share": info.share or None,
        "dialect": info.dialect,
        "user": info.user or None,
        "identity": info.identity,
        "signed": info.signed,
        "signing_algorithm": info.signing_algorithm or None,
        "encrypted": info.encrypted,
        "cipher": info.cipher or None,
        "why": info.why,
        "section": info.section,
        "server_requires_signing": info.server_requires_signing,
        "policy": policy_words(settings.policy),
        "server_guid": str(UUID(bytes_le=info.server_guid)),
        "max_read": info.max_read,
        "max_write": info.max_write,
        "max_transact": info.max_transact,
    }


def rows(info: ConnectionInfo, settings: ClientSettings) -> dict[str, str]:
    """The same for people."""
    if info.signed:
        signed = f"yes, with {info.signing_algorithm}"
    elif info.encrypted:
        signed = "no; encryption takes its place"
    else:
        signed = "no"
    cipher = info.cipher or "none"
    encrypted = f"yes, with {cipher}" if info.encrypted else f"no (cipher agreed on: {cipher})"
    identity = "" if info.identity == "user" else f" (the server took us for {info.identity})"
    sizes = size_text(info.max_read), size_text(info.max_write)
    return {
        "Dialect": f"SMB {info.dialect}",
        "User": f"{shown(info.user) or 'nobody'}{identity}",
        "Signed": signed,
        "Algorithm": info.signing_algorithm or "none",
        "Encrypted": encrypted,
        "Why": f"{info.why} ({info.section})",
        "Server": "requires signing" if info.server_requires_signing else "does not require it",
        "Policy": _policy_line(settings.policy),
        "Largest": f"read {sizes[0]}, write {sizes[1]}",
        "GUID": str(UUID(bytes_le=info.server_guid)),
    }


def _rows(out: Output, found: dict[str, str]) -> None:
    for label, text in found.items():
        out.line(f"  {label:<10} {text}")
