"""Paraph: an SMB file server, client and signing-policy engine.

with paraph.Server({"data": "/srv/data"}, {"alice": "secret"}) as server:
    print(server.port)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from paraph.errors import NTStatusError, ParaphError, UserError
    from paraph.net.server import Server
    from paraph.policy.settings import Policy
    from paraph.server.settings import Limits, ServerSettings
    from paraph.server.share import Share
    from paraph.storage.memory import MemoryBackend
    from paraph.storage.posix import PosixBackend

_HOMES = {
    "Limits": "paraph.server.settings",
    "MemoryBackend": "paraph.storage.memory",
    "NTStatusError": "paraph.errors",
    "ParaphError": "paraph.errors",
    "Policy": "paraph.policy.settings",
    "PosixBackend": "paraph.storage.posix",
    "Server": "paraph.net.server",
    "ServerSettings": "paraph.server.settings",
    "Share": "paraph.server.share",
    "UserError": "paraph.errors",
}

__all__ = [
    "Limits",
    "MemoryBackend",
    "NTStatusError",
    "ParaphError",
    "Policy",
    "PosixBackend",
    "Server",
    "ServerSettings",
    "Share",
    "UserError",
]


def __getattr__(name: str) -> Any:
    # Imported when first used: `paraph --help` need not load the server.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'paraph' has no attribute {name!r}")
