"""Compare Paraph with other servers on this machine: `python -m bench --help`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from bench.servers import Impacket, Paraph, Samba, Server, Unavailable
from bench.workloads import SEALED, SIGNED, SIGNED_OLD, Client, Failed

Results = dict[str, dict[str, list[float]]]
"""What was measured -> server -> MiB or operations per second, one for each round."""


def main() -> int:
    options = _arguments()
    wanted = options.servers.split(",")
    results: Results = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.disk)))
        try:
            client = Client(home / "client", options.size << 20, options.count)
            servers = _start(stack, home, wanted)
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
                _measure(client, servers, results)
        except Failed as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    if options.json:
        json.dump(results, sys.stdout, indent=1)
        print()
    else:
        _print(results, [server.name for server in servers])
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", type=int, default=512, metavar="MIB", help="of the large file")
    parser.add_argument("--count", type=int, default=1000, help="of small files")
    parser.add_argument("--rounds", type=int, default=5, help="of everything, interleaved")
    parser.add_argument("--servers", default="paraph,samba,impacket", help="default: %(default)s")
    parser.add_argument("--disk", metavar="FOLDER", help="where the shares are")
    parser.add_argument("--json", action="store_true", help="every figure of every round")
    return parser.parse_args()


def _start(stack: ExitStack, home: Path, wanted: list[str]) -> list[Server]:
    servers: list[Server] = []
    for kind in (Paraph, Samba, Impacket):
        if kind.name not in wanted:
            continue
        try:
            server = kind(home)
        except Unavailable as error:
            print(f"NOT MEASURED: {kind.name}: {error}", file=sys.stderr)
            continue
        stack.callback(server.stop)
        servers.append(server)
    return servers


def _measure(client: Client, servers: list[Server], results: Results) -> None:
    """One round: each workload on one server after the other."""
    for protection in (SIGNED, SEALED, SIGNED_OLD):
        for server in servers:
            if protection is SEALED and server.best_dialect < "SMB3":
                continue
            if protection is SIGNED_OLD and server.best_dialect == SIGNED_OLD.dialect:
                for way in ("put", "get"):  # that is what it did when its best was asked for
                    known = results[f"{way} {SIGNED.name}"][server.name]
                    results[f"{way} {SIGNED_OLD.name}"][server.name] = known
                continue
            _note(results, server, client.transfer(server, protection))
    for server in servers:
        _note(results, server, client.operations(server, SIGNED))


def _note(results: Results, server: Server, rates: dict[str, float]) -> None:
    for name, rate in rates.items():
        results[name][server.name].append(rate)


def _print(results: Results, names: list[str]) -> None:
    """A table of medians, with the spread from slowest to fastest, and Paraph's ratios."""
    others = [name for name in names if name != "paraph"]
    head = [f"{name:>24}" for name in names]
    head += [f"{'/ ' + name:>11}" for name in others if "paraph" in names]
    print(f"{'MiB/s or operations/s':26}" + "".join(head))
    for row, by_server in results.items():
        cells = [_cell(by_server.get(name)) for name in names]
        if "paraph" in by_server:
            ours = statistics.median(by_server["paraph"])
            for name in others:
                theirs = by_server.get(name)
                ratio = f"{ours / statistics.median(theirs):.2f}" if theirs else "-"
                cells.append(f"{ratio:>11}")
        print(f"{row:26}" + "".join(cells))
    print(
        "\nmedian (slowest - fastest). Signed and small operations: each server's newest dialect,"
        "\n3.1.1 with AES-GMAC, or 2.0.2 with HMAC-SHA256 for impacket. Sealed: AES-128-GCM."
    )


def _cell(rates: list[float] | None) -> str:
    if not rates:
        return f"{'-':>24}"
    spread = f"({min(rates):.0f} - {max(rates):.0f})"
    return f"{statistics.median(rates):>9.0f} {spread:>14}"


if __name__ == "__main__":
    sys.exit(main())
