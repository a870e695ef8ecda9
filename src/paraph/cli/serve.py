"""`paraph serve`: bind, give up root, serve until told to stop.

The order matters. Everything that needs root (ports, the account file) comes before `drop`, and so
does every import: the user we become may not be able to read the installation.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from paraph.auth.accounts import generate_password
from paraph.auth.base import AccountStore
from paraph.cli import banner, privileges
from paraph.cli.accounts import (
    FIRST_USER,
    OnlyThese,
    StateAccounts,
    prepare_state,
    resolve_users,
    take_variable,
)
from paraph.cli.config import ServeConfig, SharePath
from paraph.cli.listen import listen
from paraph.cli.live import (
    RegistryValues,
    RunningState,
    base_settings,
    effective,
    insist,
    open_registry,
)
from paraph.cli.log import Log
from paraph.errors import UserError
from paraph.net.control import bind_control, remove_control
from paraph.net.live import LiveSettings, ValueSource
from paraph.server.share import Share, check_share_name

if TYPE_CHECKING:
    from paraph.net.server import Server

_LATE_MODULES = (
    "uvloop",
    "concurrent.futures.thread",
    "encodings.ascii",
    "encodings.idna",
    "encodings.unicode_escape",
    "encodings.utf_16_le",
    "linecache",
    "paraph.storage.posix",
    "traceback",
)
_FORCED = 130  # exit code after a second Ctrl-C, as of a shell's job ended by SIGINT


def serve(config: ServeConfig, factory: Callable[..., Server] | None = None) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; the exit code. Raises UserError.

    `factory` makes the server; tests put their own in its place.
    """
    log = Log(json_lines=config.log_format == "json", verbose=config.verbose)
    for share in config.shares:
        check_share_name(share.name)
        check_folder(share)
    runner, said = privileges.choose(config.run_as, config.shares[0].path)
    prepare_state(config.state)
    with ExitStack() as stack:
        state = StateAccounts(config.state)
        hashes, stored = resolve_users(config.users, state) if config.users else ({}, [])
        listening = listen(config.listen)
        stack.callback(listening.close)
        notes = [said] if said else []
        notes += listening.notes
        if any(user.password is not None for user in config.users):
            notes.append("A password on the command line can be seen in the list of processes.")
        if not config.users and not state.names():
            notes += make_first_user(state, config.state)
        if factory is None:
            from paraph.net.server import Server

            factory = Server
        accounts: AccountStore = state
        control = bind_control(config.state)
        stack.callback(remove_control, config.state)
        stack.callback(control.close)
        source: ValueSource
        if runner is not None:
            with open_registry(config.state):
                pass  # made, and found to be usable, while a message about it reaches someone
            helper = privileges.StateHelper.start(
                lambda: RunningState(config.state), [*listening.sockets, control]
            )
            stack.callback(helper.close)
            accounts = source = helper
        else:
            registry = open_registry(config.state)
            stack.callback(registry.close)
            source = RegistryValues(registry)
        if config.users:
            accounts = OnlyThese(hashes, stored, accounts)
        live = LiveSettings(
            source,
            base_settings(config),
            insist=insist(config),
            warn=lambda sentence: log.message("policy", sentence, "warning"),
        )
        config = effective(config, live())
        facts = banner.Facts(config, accounts.names(), listening.addresses(), notes)
        text = banner.render(facts)
        raise_file_limit()
        if runner is not None:
            preload()
            privileges.drop(runner)
        for share in config.shares:
            if runner is not None:
                check_folder(share, f" by {runner}")
            if not config.read_only and not os.access(share.path, os.W_OK):
                log.message("warning", f"{share.path} can only be read, not written.", "warning")
        stop = stop_on_signals()
        server = make_server(factory, config, accounts, listening.sockets, control, live, log)
        server.start()
        stack.callback(server.stop)
        say(text)
        where = [f"{banner.bracket(host)}:{port}" for host, port in facts.addresses]
        log.message("ready", f"ready: listening on {', '.join(where)}", addresses=where)
        stop.wait()
    say("Goodbye.\n")
    return 0


def check_folder(share: SharePath, by: str = "") -> None:
    """Raises UserError unless the folder of `share` is there and can be listed."""
    try:
        is_folder = stat.S_ISDIR(share.path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"There is no folder {share.path}.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"The folder {share.path} can not be read{by}: {reason}.") from None
    if not is_folder:
        raise UserError(f"{share.path} is not a folder.")
    if not os.access(share.path, os.R_OK | os.X_OK):
        raise UserError(f"The folder {share.path} can not be read{by}: Permission denied.")


def make_server(
    factory: Callable[..., Server],
    config: ServeConfig,
    accounts: AccountStore,
    sockets: Sequence[socket.socket],
    control: socket.socket,
    live: LiveSettings,
    log: Log,
) -> Server:
    """The server that `config` describes. Raises UserError for a name that no share can have."""
    from paraph.storage.posix import PosixBackend

    shares = [
        Share(share.name, PosixBackend(str(share.path)), read_only=config.read_only)
        for share in config.shares
    ]
    return factory(
        shares,
        accounts,
        sockets=sockets,
        on_event=log.event,
        settings=live(),
        live=live,
        control=control,
    )


def make_first_user(state: StateAccounts, folder: Path) -> list[str]:
    """Make an account where there is none, and show its password, once.

    On the terminal if there is one, whatever standard output is; else on standard output, since an
    account that nobody knows the password of is of no use. Never in the log. Returns what should
    be said in the banner.
    """
    given = take_variable()
    if given is not None:
        state.file.add(FIRST_USER, given)
        return [f"There was no account: {FIRST_USER!r} was made, with PARAPH_PASSWORD."]
    password = generate_password()
    state.file.add(FIRST_USER, password)
    text = banner.render_new_user(FIRST_USER, password, folder)
    terminal = open_terminal()
    if terminal is None:
        say(text)
    else:
        with terminal:
            terminal.write(text)
    return []


def open_terminal() -> IO[str] | None:
    """The terminal to write to, whatever standard output is; None if there is none."""
    try:
        if sys.stdout.isatty():
            return os.fdopen(os.dup(sys.stdout.fileno()), "w")
        return open("/dev/tty", "w")
    except (OSError, ValueError):
        return None


def say(text: str) -> None:
    """Write to standard output, which may have gone away."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        pass


def preload() -> None:
    """Import what would otherwise be imported while serving: see the head of this module."""
    for name in _LATE_MODULES:
        try:
            import_module(name)
        except ImportError:
            continue


def raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass  # macOS refuses "unlimited"; the old limit serves too


def stop_on_signals() -> threading.Event:
    """An event that the first SIGINT, SIGTERM or SIGHUP sets; the second ends the process."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(_FORCED)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, handle)
    return stop
