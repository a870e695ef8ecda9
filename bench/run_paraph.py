"""python -m bench.run_paraph PORT FOLDER, user and password on standard input: serve.

Signing is required. Like smbd, it encrypts for clients that ask for it and leaves others be: a
share that must be encrypted, and that nobody uses, is what makes Paraph offer it.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from paraph import PosixBackend, Server, Share


async def serve() -> None:
    user, password = sys.stdin.read().splitlines()
    port, folder = sys.argv[1:]
    shares = [
        Share(name, PosixBackend(folder), encrypt=name == "sealed") for name in ("data", "sealed")
    ]
    async with Server(shares, {user: password}, listen=f"127.0.0.1:{port}"):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
