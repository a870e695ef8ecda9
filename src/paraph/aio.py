"""The client for event loops.

async with paraph.aio.connect("smb://anna@server/data", password="...") as share:
    data = await share.read_bytes("letters/first.txt")
"""

from __future__ import annotations

from paraph.net.aio_file import AsyncFile
from paraph.net.aio_paths import AsyncSMBPath
from paraph.net.client_aio import AsyncShare, connect
from paraph.net.pool import AsyncPool as Pool

__all__ = ["AsyncFile", "AsyncSMBPath", "AsyncShare", "Pool", "connect"]
