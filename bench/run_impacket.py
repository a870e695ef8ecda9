"""python -m bench.run_impacket PORT FOLDER, user and password on standard input: serve."""

from __future__ import annotations

import sys

from impacket.ntlm import compute_lmhash, compute_nthash
from impacket.smbserver import SimpleSMBServer


def main() -> None:
    user, password = sys.stdin.read().splitlines()
    server = SimpleSMBServer("127.0.0.1", int(sys.argv[1]))
    server.addShare("DATA", sys.argv[2], "")
    server.setSMB2Support(True)
    hashes = compute_lmhash(password).hex(), compute_nthash(password).hex()
    server.addCredential(user, 0, *hashes)
    server.start()


if __name__ == "__main__":
    main()
