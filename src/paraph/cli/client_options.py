"""The options that every command of the client has, written once.

    @command(app)
    def ls(options: Options, address: Address) -> int: ...

puts `paraph ls ADDRESS [options]` into `app`; what the function returns is the exit code. Importing
this loads nothing but typer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

TIMEOUT = 30.0


@dataclass(slots=True)
class Options:
    """Whom to log on as, and how to speak: the values of the common options."""

    user: str | None = None
    domain: str | None = None
    auth_file: Path | None = None
    password_stdin: bool = False
    netrc: Path | None = None
    kerberos: bool = False
    ccache: str | None = None
    keytab: Path | None = None
    anonymous: bool = False
    guest: bool = False
    policy: list[str] | None = None
    state: Path | None = None
    encrypt: str | None = None
    min_dialect: str | None = None
    max_dialect: str | None = None
    timeout: float = TIMEOUT
    retries: int = 5
    json: bool = False
    verbose: bool = False


def _option(help_: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help_, metavar=metavar, show_default=False)


_COMMON: dict[str, Any] = {
    "user": Annotated[
        str | None,
        _option("Whom to log on as, if the address names nobody.", "--user", "-u", metavar="NAME"),
    ],
    "domain": Annotated[str | None, _option("The user's domain.", metavar="NAME")],
    "auth_file": Annotated[
        Path | None,
        _option(
            "A file of 'username = ', 'password = ' and 'domain = ' lines that nobody else may "
            "read.",
            metavar="FILE",
        ),
    ],
    "password_stdin": Annotated[
        bool, _option("Read the password from the first line of input.", "--password-stdin")
    ],
    "netrc": Annotated[
        Path | None, _option("Passwords by server, instead of ~/.netrc.", metavar="FILE")
    ],
    "kerberos": Annotated[
        bool, _option("Log on with the Kerberos tickets of kinit.", "--kerberos", "-k")
    ],
    "ccache": Annotated[
        str | None,
        _option("--kerberos with another credential cache: TYPE:NAME.", metavar="CACHE"),
    ],
    "keytab": Annotated[Path | None, _option("--kerberos with a keytab.", metavar="FILE")],
    "anonymous": Annotated[bool, _option("Log on as nobody.", "--anonymous")],
    "guest": Annotated[
        bool, _option("Go on when the server takes the user for a guest.", "--guest")
    ],
    "policy": Annotated[
        list[str] | None,
        _option(
            "A signing policy for this once: client-always or client-if-server-agrees, =enabled or "
            "=disabled. Else the registry's (`paraph policy`). Repeatable.",
            metavar="KEY=VALUE",
        ),
    ],
    "state": Annotated[
        Path | None, _option("Where the registry is [default: as `paraph serve`].", metavar="DIR")
    ],
    "encrypt": Annotated[
        str | None,
        _option(
            "offered (default): where the server demands it; required: always; off.",
            metavar="WHEN",
        ),
    ],
    "min_dialect": Annotated[
        str | None, _option("Oldest dialect to speak: 2.0.2 (default).", metavar="DIALECT")
    ],
    "max_dialect": Annotated[
        str | None, _option("Newest dialect to speak: 3.1.1 (default).", metavar="DIALECT")
    ],
    "timeout": Annotated[
        float,
        _option(f"How long to wait for an answer ({TIMEOUT:g}).", "--timeout", metavar="SECONDS"),
    ],
    "retries": Annotated[
        int,
        _option(
            "How often to connect again in a row when a transfer breaks (5).",
            "--retries",
            metavar="COUNT",
        ),
    ],
    "json": Annotated[bool, _option("One JSON object on each line.", "--json")],
    "verbose": Annotated[bool, _option("Tell more; show the trace of a bug.", "--verbose", "-v")],
}

_NAMES = [field.name for field in fields(Options)]
_DEFAULTS = Options()


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., int]], None]:
    """Put a function into `app`, with the common options after its own parameters."""

    def register(function: Callable[..., int]) -> None:
        app.command(name or function.__name__, help=function.__doc__)(_with_options(function))

    return register


def _with_options(function: Callable[..., int]) -> Callable[..., None]:
    own = list(signature(function, eval_str=True).parameters.values())[1:]
    common = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=getattr(_DEFAULTS, name),
            annotation=_COMMON[name],
        )
        for name in _NAMES
    ]
    parameters = [
        *(one.replace(kind=Parameter.KEYWORD_ONLY) for one in own),
        *common,
    ]

    def run(**given: Any) -> None:
        from paraph.cli.client_run import run_command

        options = Options(**{name: given.pop(name) for name in _NAMES})
        raise typer.Exit(run_command(options, lambda: function(options, **given)))

    run.__name__ = function.__name__
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return run
