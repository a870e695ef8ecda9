"""What `paraph serve` prints when it starts: what is shared, who may enter, how to connect.

Fits 80 columns unless a name or path is too long for that; plain text when not on a terminal.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from paraph import __version__
from paraph.cli.config import ServeConfig
from paraph.cli.listen import SMB_PORT, is_everywhere, own_address
from paraph.cli.log import printable
from paraph.core.dialect import DIALECTS

if TYPE_CHECKING:
    from rich.console import Console

_LABEL = 10  # columns of the left column
_WIDTH = 80


@dataclass(slots=True)
class Facts:
    """What the banner tells."""

    config: ServeConfig
    users: Sequence[str]
    addresses: Sequence[tuple[str, int]]
    notes: list[str] = field(default_factory=list)


def render(facts: Facts) -> str:
    """The whole banner as text for standard output, with its escape codes on a terminal."""
    out = _console()
    with out.capture() as capture:
        _show(facts, out)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def render_new_user(name: str, password: str, state: Path) -> str:
    """What tells the password of the account that was just made; there is no second time."""
    command = f"paraph user passwd {name} --state {shlex.quote(str(state))}"
    return (
        "There was no account yet, so one was made:\n\n"
        f"  user      {name}\n"
        f"  password  {password}\n\n"
        "Write it down: it is not shown again, and only its hash is kept. To change it:\n"
        f"  {command}\n\n"
    )


def _console() -> Console:
    from rich.console import Console

    out = Console(highlight=False, markup=False, emoji=False)
    out.width = min(out.width, _WIDTH) if out.is_terminal else _WIDTH
    return out


def _show(facts: Facts, out: Console) -> None:
    count = len(facts.config.shares)
    what = "1 folder" if count == 1 else f"{count} folders"
    access = "for reading only" if facts.config.read_only else "for reading and writing"
    out.print(f"Paraph {__version__} serves {what} {access}.", style="bold")
    out.print()
    for share in facts.config.shares:
        label = "Share" if share is facts.config.shares[0] else ""
        _row(out, label, f"{printable(share.name)}  {printable(str(share.path), 1000)}")
    _row(out, "Users", _users(facts))
    _row(out, "Signing", _signing(facts))
    _row(out, "Sealing", _SEALING[facts.config.encrypt])
    low, high = DIALECTS[facts.config.min_dialect], DIALECTS[facts.config.max_dialect]
    _row(out, "Dialects", f"SMB {low.name}" + (f" to {high.name}" if low is not high else ""))
    _row(out, "Listening", _listening(facts.addresses))
    for note in facts.notes:
        _row(out, "Note", printable(note, 1000), style="yellow")
    out.print()
    out.print("Connect from", style="bold")
    for label, lines in commands(facts):
        for line in lines:
            # No wrapping: these lines are there to be copied.
            out.print(f"  {label:<{_LABEL}}{line}", soft_wrap=True)
            label = ""
    out.print()
    out.print("Ctrl-C stops the server.")


_SEALING = {
    "off": "off: what travels can be read on the way",
    "offered": "offered: a client that asks for it is sealed (encrypted)",
    "desired": "each client that can seal (encrypt) does; others go unsealed",
    "required": "required: clients that can not seal (encrypt) are refused",
}


def _row(out: Console, label: str, text: str, style: str = "") -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid()
    grid.add_column(width=_LABEL, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, style="cyan"), Text(text, style=style))
    out.print(Padding(grid, (0, 0, 0, 2)))


def _users(facts: Facts) -> str:
    names = ", ".join(printable(name) for name in facts.users) or "none yet"
    if not facts.config.guest:
        return f"{names}; no guests"
    if facts.config.policy.server_always:
        return (
            f"{names}; guests would be let in, but all of them will be refused: a guest can not "
            "sign, and this server requires it (--policy server-always=disabled changes that)"
        )
    return f"{names}; guests, without a password"


def _signing(facts: Facts) -> str:
    if facts.config.policy.server_always:
        return "required: every client signs or is refused (server-always is enabled)"
    return "not required: a session is signed only if its client asks (server-always is disabled)"


def _listening(addresses: Sequence[tuple[str, int]]) -> str:
    everywhere = sorted({port for host, port in addresses if is_everywhere(host)})
    parts = [f"port {port} of all interfaces, open to the whole network" for port in everywhere]
    parts += [f"{bracket(host)}:{port}" for host, port in addresses if not is_everywhere(host)]
    return ", ".join(parts)


def reachable(addresses: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """The (host, port) to tell people: port 445 if there is one, a real address for all."""
    host, port = min(addresses, key=lambda address: address[1] != SMB_PORT)
    return (own_address(), port) if is_everywhere(host) else (host, port)


def commands(facts: Facts) -> list[tuple[str, list[str]]]:
    """(system, lines to type) for each kind of client, with this server's names filled in."""
    host, port = reachable(facts.addresses)
    share = printable(facts.config.shares[0].name)
    user = printable(facts.users[0]) if facts.users else "USER"
    default = port == SMB_PORT
    dialect = DIALECTS[facts.config.max_dialect].name
    unc_host = host.replace(":", "-") + ".ipv6-literal.net" if ":" in host else host
    windows = " ".join(
        ("net use X:", _windows(rf"\\{unc_host}\{share}"), _windows(f"/user:{user}"))
    )
    mac_port = "" if default else f":{port}"
    url = f"smb://{quote(user, safe='')}@{bracket(host)}{mac_port}/{quote(share, safe='')}"
    unix = shlex.quote(f"//{host}/{share}")
    mount = f"user={user},vers={dialect}" + ("" if default else f",port={port}")
    unc = rf"\\{host}\{share}"
    python_port = "" if default else f", port={port}"
    return [
        (
            "Windows",
            [windows]
            if default
            else [f"{windows} /tcpport:{port}", "(/tcpport needs Windows 11 24H2 or Server 2025)"],
        ),
        ("macOS", [url]),
        (
            "Linux",
            [
                f"smbclient {unix}{'' if default else f' -p {port}'} -U {shlex.quote(user)}",
                f"sudo mount -t cifs {unix} /mnt \\",
                f"  -o {shlex.quote(mount)}",
            ],
        ),
        (
            "Python",
            [
                "import smbclient  # pip install smbprotocol",
                f"smbclient.register_session({host!r}, username={user!r},",
                f"    password=...{python_port})",
                f'smbclient.listdir(r"{unc}"{python_port})',
            ],
        ),
    ]


def bracket(host: str) -> str:
    """`host` as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host


def _windows(word: str) -> str:
    return f'"{word}"' if " " in word or "&" in word else word
