"""`paraph policy explain`, `matrix` and `forecast`: what happens between machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from paraph.cli.policy_options import (
    JsonOption,
    StateOption,
    complete_matrix,
    complete_role,
    complete_system,
)

if TYPE_CHECKING:
    from paraph.policy.forecast import Forecast, Group
    from paraph.policy.predict import Machine

_SetHelp = "A setting of it, as key=value. Repeatable."
_HERE = "here"


def explain(
    client: Annotated[
        str,
        typer.Option(
            "--client",
            metavar="NAME",
            help="The client's system; 'here' is this machine.",
            autocompletion=complete_system,
        ),
    ] = _HERE,
    server: Annotated[
        str,
        typer.Option(
            "--server",
            metavar="NAME",
            help="The server's system; 'here' is this machine.",
            autocompletion=complete_system,
        ),
    ] = _HERE,
    client_role: Annotated[
        str, typer.Option(metavar="ROLE", autocompletion=complete_role, show_default=False)
    ] = "",
    server_role: Annotated[
        str, typer.Option(metavar="ROLE", autocompletion=complete_role, show_default=False)
    ] = "",
    client_set: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help=_SetHelp, show_default=False)
    ] = None,
    server_set: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help=_SetHelp, show_default=False)
    ] = None,
    dialect: Annotated[
        str,
        typer.Option(metavar="DIALECT", help="3.1.1 ... 2.0.2, or SMB1.", show_default=False),
    ] = "",
    identity: Annotated[
        str, typer.Option(metavar="WHO", help="user, guest or anonymous.")
    ] = "user",
    encrypted: Annotated[
        bool | None,
        typer.Option("--encrypted/--not-encrypted", help="Whether the server encrypts."),
    ] = None,
    share: Annotated[
        str,
        typer.Option(metavar="NAME", help="SYSVOL and NETLOGON have rules.", show_default=False),
    ] = "",
    reading: Annotated[
        str,
        typer.Option(metavar="A|B", help="SMB1: which of Microsoft's statements about 'off'."),
    ] = "A",
    json: JsonOption = False,
    state: StateOption = None,
) -> None:
    """Explain who signs or is refused between two machines.

    \b
    Examples:
      paraph policy explain --client "Windows 7"
      paraph policy explain --client xp --server "Windows Server 2003" \\
          --server-role dc --client-set client-if-server-agrees=disabled
    """
    from paraph.cli import tables
    from paraph.cli.config import one_of
    from paraph.policy.explain import explain as sentences_of
    from paraph.policy.peers import parse_dialect
    from paraph.policy.predict import predict
    from paraph.policy.sides import DIALECT_NAMES, IdentityName, Reading

    one = _machine(client, client_role, client_set, state, "client")
    other = _machine(server, server_role, server_set, state, "server")
    number = parse_dialect(dialect) if dialect else None
    names: dict[str, IdentityName] = {"user": "user", "guest": "guest", "anonymous": "anonymous"}
    who = names[one_of(identity, names, "--identity")]
    which: Reading = "B" if one_of(reading, ("A", "B"), "--reading") == "B" else "A"
    sentences = sentences_of(
        one, other, number, who, encryption=encrypted, share=share, reading=which
    )
    if not json:
        tables.say(tables.paragraph(sentences[0]), bold=True)
        for sentence in sentences[1:]:
            tables.say(tables.paragraph(sentence, "  ", "- "))
        return
    found = predict(one, other, number, who, encryption=encrypted, share=share, reading=which)
    result = found.outcome
    tables.say_json(
        {
            "result": result.result,
            "established": result.established,
            "signed": result.signed,
            "encrypted": found.encrypted,
            "dialect": DIALECT_NAMES.get(found.dialect),
            "algorithm": result.algorithm or None,
            "refused_by": result.refused_by or None,
            "fails_at": result.fails_at or None,
            "looks_like": result.looks_like or None,
            "why": result.why,
            "section": result.section,
            "other_reading": result.other.result if result.other is not None else None,
            "sentences": sentences,
        }
    )


def _machine(
    system: str, role: str, assignments: list[str] | None, state: Path | None, side: str
) -> Machine:
    """The machine that the options name; 'here' is Paraph as its registry says."""
    from paraph.cli.policy_state import lookup_of, reading, this_machine
    from paraph.errors import UserError
    from paraph.policy.forecast import propose
    from paraph.policy.predict import Machine

    if system.strip().casefold() != _HERE:
        machine = Machine.named(system, role)
    elif role:
        raise UserError(f"--{side}-role needs --{side}: this machine has no other role.")
    else:
        with reading(state) as registry:
            machine = this_machine(lookup_of(registry))
    return propose(machine, assignments)[0] if assignments else machine


def matrix(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[TABLE]",
            help="One table; all of them if not given.",
            autocompletion=complete_matrix,
            show_default=False,
        ),
    ] = "",
    format_: Annotated[
        str, typer.Option("--format", help="text, markdown, html or json.")
    ] = "text",
) -> None:
    """Print tables of who signs with whom.

    \b
    Examples:
      paraph policy matrix smb2
      paraph policy matrix --format markdown
    """
    from paraph.cli.config import one_of
    from paraph.policy.matrix import FORMATS, matrices, render

    chosen = one_of(format_, FORMATS, "--format")
    tables_ = matrices()
    if name:
        wanted = one_of(name, [table.key for table in tables_], "TABLE")
        typer.echo(render(next(t for t in tables_ if t.key == wanted), chosen), nl=False)
        return
    parts = [render(table, chosen).rstrip("\n") for table in tables_]
    if chosen == "json":
        typer.echo("[\n" + ",\n".join(parts) + "\n]")
    else:
        typer.echo("\n\n".join(parts))


def forecast(
    peers: Annotated[
        Path,
        typer.Option(
            "--peers",
            metavar="FILE",
            help="Who: CSV or JSON with name, os, role, dialects, identity, settings.",
            show_default=False,
        ),
    ],
    set_: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="KEY=VALUE", help="The change. Repeatable.", show_default=False
        ),
    ],
    os: Annotated[
        str,
        typer.Option(
            "--os",
            metavar="NAME",
            help="The system that is to be changed; 'here' is this machine.",
            autocompletion=complete_system,
        ),
    ] = _HERE,
    role: Annotated[
        str,
        typer.Option("--role", metavar="ROLE", autocompletion=complete_role, show_default=False),
    ] = "",
    now_set: Annotated[
        list[str] | None,
        typer.Option(
            "--now-set",
            metavar="KEY=VALUE",
            help="How it is set today, if not as it comes. Repeatable.",
            show_default=False,
        ),
    ] = None,
    share: Annotated[
        str,
        typer.Option(metavar="NAME", help="SYSVOL and NETLOGON have rules.", show_default=False),
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Name every peer, and those not affected too.")
    ] = False,
    json: JsonOption = False,
    state: StateOption = None,
) -> None:
    """Tell whom a change would refuse or have sign, and why.

    A server's setting takes the peers for clients, a client's setting takes them for servers.

    \b
    Examples:
      paraph policy forecast --peers peers.csv --set server-always=enabled
      paraph policy forecast --peers peers.csv --os "Windows Server 2022" \\
          --set server-always=enabled --set client-always=enabled --json
    """
    from paraph.cli import tables
    from paraph.errors import UserError
    from paraph.policy.forecast import forecast as forecast_of
    from paraph.policy.forecast import propose
    from paraph.policy.peers import decode

    if role and os.strip().casefold() == _HERE:
        raise UserError("--role needs --os: this machine has no other role.")
    machine = _machine(os, role, now_set, state, "os")
    proposed, sides = propose(machine, set_)
    path = peers.expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can not be read: {error.strerror or error}.") from None
    found = forecast_of(decode(data, str(path)), machine, proposed, sides, share=share)
    if json:
        tables.say_json(found.to_json())
        return
    _tell(found, set_, every)


def _tell(found: Forecast, change: list[str], every: bool) -> None:
    from paraph.cli import tables
    from paraph.policy.forecast import EFFECT_TITLES, EFFECTS

    both = len({group.side for group in found.groups}) > 1
    as_both = ", each as our client and as our server" if both else ""
    tables.say(
        tables.paragraph(f"{found.peers:,} peers{as_both}, if {' and '.join(change)}:"), bold=True
    )
    tables.say()
    for effect in EFFECTS:
        count = found.count(effect)
        if count:
            colour = _COLOURS.get(effect, "")
            tables.say(f"  {count:>9,}  {EFFECT_TITLES[effect]}", colour)
    if found.no_server:
        tables.say(f"  {len(found.no_server):>9,}  are no servers")
    for effect in EFFECTS:
        groups = found.of(effect)
        if not groups or (effect == "unaffected" and not every):
            continue
        tables.say()
        tables.say(EFFECT_TITLES[effect].capitalize(), _COLOURS.get(effect, ""), bold=True)
        for group in groups:
            _tell_group(group, both, every)
    tables.say()
    if found.breaks_nobody:
        tables.say("Nobody who has a session today would be refused.", tables.GOOD)
    else:
        count = found.count("refused")
        tables.say(f"{count:,} would lose their sessions: see above what would keep them.", "red")


_COLOURS: dict[str, Literal["red", "yellow", "green"]] = {
    "refused": "red",
    "stops-protection": "red",
    "still-refused": "yellow",
    "starts-signing": "green",
    "starts-encrypting": "green",
    "admitted": "yellow",
}


def _tell_group(group: Group, both: bool, every: bool) -> None:
    from paraph.cli import tables

    what = f"{group.peer.system.name} ({group.peer.role})"
    details = [] if group.identity == "user" else [f"as {group.identity}"]
    details += _settings(group)
    if both:
        details.append("as our client" if group.side == "server" else "as our server")
    if details:
        what += ", " + ", ".join(details)
    tables.say(tables.paragraph(what, "           ", f"  {group.count:>7,}  "))
    indent = " " * 11
    tables.say(tables.paragraph(tables.some(group.names, 10**9 if every else 5), indent))
    tables.say(tables.paragraph(group.reason, indent + "  "), tables.DIM)
    for sentence in (group.remedy, group.disputed):
        if sentence:
            tables.say(tables.paragraph(sentence, indent + "  "), tables.WARN)


def _settings(group: Group) -> list[str]:
    from paraph.policy.settings import find_setting

    found: list[Any] = [
        f"{key}={find_setting(key).describe(value).lower()}"
        for key, value in group.peer.settings
        if value.defined
    ]
    return [str(one) for one in found]
