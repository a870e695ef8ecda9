"""Paraph: an SMB file server, client and signing-policy engine.

with paraph.Server({"data": "/srv/data"}, {"alice": "secret"}) as server:
    print(server.port)
with paraph.connect("smb://alice@localhost/data", password="secret") as share:
    print(share.listdir())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from paraph import aio
    from paraph.client.settings import ClientSettings
    from paraph.errors import NTStatusError, ParaphError, SMBError, UserError
    from paraph.net.client_sync import connect
    from paraph.net.paths import SMBPath
    from paraph.net.pool import Pool
    from paraph.net.server import Server
    from paraph.policy.settings import Policy
    from paraph.server.settings import Limits, ServerSettings
    from paraph.server.share import Share
    from paraph.storage.memory import MemoryBackend
    from paraph.storage.posix import PosixBackend

_HOMES = {
    "ClientSettings": "paraph.client.settings",
    "Limits": "paraph.server.settings",
    "MemoryBackend": "paraph.storage.memory",
    "NTStatusError": "paraph.errors",
    "ParaphError": "paraph.errors",
    "Policy": "paraph.policy.settings",
    "Pool": "paraph.net.pool",
    "PosixBackend": "paraph.storage.posix",
    "SMBError": "paraph.errors",
    "SMBPath": "paraph.net.paths",
    "Server": "paraph.net.server",
    "ServerSettings": "paraph.server.settings",
    "Share": "paraph.server.share",
    "UserError": "paraph.errors",
    "connect": "paraph.net.client_sync",
}

__all__ = [
    "ClientSettings",
    "Limits",
    "MemoryBackend",
    "NTStatusError",
    "ParaphError",
    "Policy",
    "Pool",
    "PosixBackend",
    "SMBError",
    "SMBPath",
    "Server",
    "ServerSettings",
    "Share",
    "UserError",
    "aio",
    "connect",
]


def __getattr__(name: str) -> Any:
    # Imported when first used: `paraph --help` need not load the server.
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "aio":
        return import_module("paraph.aio")
    raise AttributeError(f"module 'paraph' has no attribute {name!r}")
