"""`paraph shell`: a share, worked on line by line, by a person or a script."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from paraph.cli import client_acl, client_change, client_list
from paraph.cli.client_copy import Copying, Wishes
from paraph.cli.client_jobs import Places, copier
from paraph.cli.client_options import Options
from paraph.cli.client_output import Output, meter, shown, size_text
from paraph.cli.client_remote import Remote, Remotes
from paraph.cli.client_status import status
from paraph.cli.config import default_state
from paraph.errors import SMBError, UserError

_HISTORY = 1000  # lines


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are UserErrors."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; {self.format_usage().strip()}")


def _parser(name: str, text: str) -> _Parser:
    return _Parser(prog=name, description=text, add_help=False)


class Shell:
    """The state between two lines: where we are, there and here."""

    def __init__(self, options: Options, remote: Remote, path: str, places: Places) -> None:
        self.options = options
        self.remote = remote
        self.cwd = path
        self.done = False
        self._places = places
        self._commands: dict[str, tuple[_Parser, Callable[[Output, Any], None]]] = {}
        self._define()

    @property
    def prompt(self) -> str:
        return f"{shown(self.remote.url(self.cwd))}> "

    @property
    def names(self) -> list[str]:
        """All commands."""
        return sorted(self._commands)

    def absolute(self, path: str) -> str:
        """A path as typed, from the top of the share. Raises UserError when it leads out."""
        text = path.replace("\\", "/")
        joined = text if text.startswith("/") else f"/{self.cwd}/{text}"
        parts: list[str] = []
        for part in joined.split("/"):
            if part == "..":
                if not parts:
                    raise UserError(f"{path} leads out of the share.")
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return "/".join(parts)

    def run(self, line: str) -> int:
        """One line; its exit code. Failures are told."""
        out = Output(json=self.options.json)
        try:
            words = shlex.split(line, comments=True)
            if words:
                self._run(out, words)
        except ValueError as error:
            out.problem(UserError(f"{error} in {line.strip()!r}"))
            return 2
        except UserError as error:
            out.problem(error)
            return 2
        except OSError as error:
            if isinstance(error, BrokenPipeError) and not isinstance(error, SMBError):
                raise
            self.remote.naming(error)
            out.problem(error)
        return out.code

    def _run(self, out: Output, words: list[str]) -> None:
        name, *arguments = words
        name = {"exit": "quit", "dir": "ls", "del": "rm", "?": "help"}.get(name, name)
        found = self._commands.get(name)
        if found is None:
            raise UserError(f"There is no command {name!r}; `help` lists them.")
        parser, function = found
        function(out, parser.parse_args(arguments))

    # The commands

    def _define(self) -> None:
        def add(
            name: str, text: str, function: Callable[[Output, Any], None], *arguments: str
        ) -> None:
            parser = _parser(name, text)
            for argument in arguments:
                _add_argument(parser, argument)
            self._commands[name] = parser, function

        add("acl", "Who may do what with a file.", self._acl, "path")
        add("cat", "Show files.", self._cat, "path+")
        add("cd", "Go to a folder.", self._cd, "path?")
        add("cp", "Copy on the server.", self._cp, "path+", "target", "-r")
        add("df", "How much room there is.", self._df)
        add("get", "Fetch files.", self._get, "path+", "-r", "-n", "-o")
        add("help", "List the commands.", self._help)
        add("lcd", "Go to a folder of this machine.", self._lcd, "path?")
        add("lpwd", "Where we are on this machine.", self._lpwd)
        add("ls", "List a folder.", self._ls, "path*", "-l", "-r")
        add("mkdir", "Make folders.", self._mkdir, "path+", "-p")
        add("mv", "Rename or move.", self._mv, "path+", "target", "-f")
        add("put", "Send files.", self._put, "path+", "-r", "-n", "-o")
        add("pwd", "Where we are on the share.", self._pwd)
        add("quit", "Leave.", self._quit)
        add("rm", "Delete files.", self._rm, "path+", "-r", "-f")
        add("shares", "List the server's shares.", self._shares)
        add("stat", "Tell all about files.", self._stat, "path+")
        add("status", "Tell about the connection.", self._status)
        add("tree", "A folder and all below it.", self._tree, "path?")

    def _paths(self, given: Any) -> list[str]:
        paths = [given.path] if isinstance(given.path, str) else given.path
        return [self.absolute(path) for path in paths or ["."]]

    def _acl(self, out: Output, given: Any) -> None:
        for path in self._paths(given):
            client_acl.show(out, self.remote, path)

    def _cat(self, out: Output, given: Any) -> None:
        for path in self._paths(given):
            client_change.cat(self.remote, path)

    def _cd(self, out: Output, given: Any) -> None:
        path = self.absolute(given.path or "/")
        with self.remote:
            next(iter(self.remote.share.scandir(path)), None)  # raises where it is no folder
        self.cwd = path

    def _cp(self, out: Output, given: Any) -> None:
        self._copy(out, given, self._remote_sources(given), self._there(given.target), given.target)

    def _df(self, out: Output, given: Any) -> None:
        with self.remote:
            usage = self.remote.share.disk_usage(self.cwd)
        out.record(total=usage.total, used=usage.used, free=usage.free)
        out.line(f"{size_text(usage.free)} of {size_text(usage.total)} are free")

    def _get(self, out: Output, given: Any) -> None:
        target = given.o or "."
        sources = self._remote_sources(given)
        self._copy(out, given, sources, self._places.at(os.path.expanduser(target)), target)

    def _put(self, out: Output, given: Any) -> None:
        import glob

        paths: list[str] = []
        for path in map(os.path.expanduser, given.path):
            found = [path] if os.path.lexists(path) else sorted(glob.glob(path))
            paths += found or [path]
        target = given.o or "."
        self._copy(
            out, given, [self._places.at(path) for path in paths], self._there(target), target
        )

    def _there(self, path: str) -> Any:
        return self._places.on(self.remote), self.absolute(path)

    def _remote_sources(self, given: Any) -> list[Any]:
        place = self._places.on(self.remote)
        with self.remote:
            return [(place, one) for path in self._paths(given) for one in self.remote.expand(path)]

    def _copy(self, out: Output, given: Any, sources: list[Any], target: Any, text: str) -> None:
        wishes = Wishes(recursive=given.r, keep=getattr(given, "n", False))
        with meter(out) as bar:
            work = copier(self.options, out, wishes, bar, verify=False, fresh=False)
            copying = Copying(out, work, wishes)
            copying.plan(sources, target, into=text.endswith("/"))
            copying.run()

    def _help(self, out: Output, given: Any) -> None:
        for name in self.names:
            parser, _ = self._commands[name]
            usage = parser.format_usage().removeprefix("usage: ").strip()
            out.line(f"  {usage:<44} {parser.description}")

    def _lcd(self, out: Output, given: Any) -> None:
        os.chdir(os.path.expanduser(given.path or "~"))

    def _lpwd(self, out: Output, given: Any) -> None:
        out.record(path=os.getcwd())
        out.line(os.getcwd())

    def _ls(self, out: Output, given: Any) -> None:
        for path in self._paths(given):
            client_list.ls(out, self.remote, path, long=given.l, recursive=given.r)

    def _mkdir(self, out: Output, given: Any) -> None:
        for path in self._paths(given):
            client_change.mkdir(out, self.remote, path, parents=given.p)

    def _mv(self, out: Output, given: Any) -> None:
        target = self.absolute(given.target)
        client_change.mv(out, self.remote, self._paths(given), target, force=given.f)

    def _pwd(self, out: Output, given: Any) -> None:
        out.record(url=self.remote.url(self.cwd))
        out.line(shown(self.remote.url(self.cwd)))

    def _quit(self, out: Output, given: Any) -> None:
        self.done = True

    def _rm(self, out: Output, given: Any) -> None:
        for path in self._paths(given):
            client_change.rm(out, self.remote, path, recursive=given.r, force=given.f)

    def _shares(self, out: Output, given: Any) -> None:
        client_list.shares(out, self.remote)

    def _stat(self, out: Output, given: Any) -> None:
        for path in self._paths(given):
            client_list.stat(out, self.remote, path)

    def _status(self, out: Output, given: Any) -> None:
        status(out, self.remote, self.remote.settings)

    def _tree(self, out: Output, given: Any) -> None:
        client_list.tree(out, self.remote, self._paths(given)[0], depth=None)


def _add_argument(parser: _Parser, argument: str) -> None:
    """ "path+" and the like are positional, "-o" takes a value, other options none."""
    if argument == "-o":
        parser.add_argument("-o", metavar="TARGET")
    elif argument.startswith("-"):
        parser.add_argument(argument, action="store_true")
    elif argument[-1] in "+*?":
        parser.add_argument(argument[:-1], nargs=argument[-1], metavar=argument[:-1].upper())
    else:
        parser.add_argument(argument, metavar=argument.upper())


# Lines


def run(options: Options, address: str, commands: str | None, *, keep_going: bool) -> int:
    """A prompt on a terminal; else a script, which ends at its first failure."""
    with Remotes(options) as remotes:
        remote, path = remotes.at(address)
        shell = Shell(options, remote, path, Places(remotes))
        with remote:
            next(iter(remote.share.scandir(path)), None)  # fail now rather than at the first line
        if commands is not None:
            return _script(shell, _split(commands), keep_going=keep_going)
        if not sys.stdin.isatty():
            return _script(shell, sys.stdin, keep_going=keep_going)
        return _talk(shell)


def _split(text: str) -> Iterator[str]:
    """Lines of "ls; get x": a semicolon in quotes separates nothing."""
    lexer = shlex.shlex(text, posix=False, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    for word in lexer:
        if set(word) == {";"}:
            yield " ".join(words)
            words = []
        else:
            words.append(word)
    yield " ".join(words)


def _script(shell: Shell, lines: Any, *, keep_going: bool) -> int:
    code = 0
    for line in lines:
        failed = shell.run(line)
        code = max(code, min(failed, 1))
        if shell.done or (failed and not keep_going):
            break
    return code


def _talk(shell: Shell) -> int:
    """Until `quit` or the end of input; failures are told and forgotten."""
    history = _Lines(shell)
    try:
        while not shell.done:
            try:
                line = input(shell.prompt)
            except EOFError:
                print()
                break
            except KeyboardInterrupt:
                print()
                continue
            try:
                shell.run(line)
            except KeyboardInterrupt:
                print("\nparaph: stopped.", file=sys.stderr)
                shell.remote.drop()
    finally:
        history.save()
    return 0


class _Lines:
    """History and completion, where Python has readline."""

    def __init__(self, shell: Shell) -> None:
        self._file: Path | None = None
        try:
            import readline
        except ImportError:
            return
        self._readline = readline
        self._file = default_state() / "shell_history"
        with suppress(OSError):
            readline.read_history_file(self._file)
        readline.set_history_length(_HISTORY)
        readline.set_completer_delims(" \t\n")
        readline.set_completer(Completer(shell, lambda: readline.get_line_buffer()).complete)
        readline.parse_and_bind("tab: complete")

    def save(self) -> None:
        """Keep the history, for this user alone."""
        if self._file is None:
            return
        with suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_CREAT | os.O_WRONLY, 0o600))
            os.chmod(self._file, 0o600)
            self._readline.write_history_file(self._file)


_OF_THIS_MACHINE = ("put", "lcd")


class Completer:
    """What Tab offers: commands, then paths; of the share or, for put and lcd, of this machine."""

    def __init__(self, shell: Shell, line: Callable[[], str]) -> None:
        self._shell = shell
        self._line = line
        self._found: list[str] = []

    def complete(self, text: str, number: int) -> str | None:
        """The candidate of that number for the word that ends in `text`; None after the last."""
        if number == 0:
            try:
                self._found = self.candidates(self._line(), text)
            except (OSError, UserError):
                self._found = []
        return self._found[number] if number < len(self._found) else None

    def candidates(self, line: str, text: str) -> list[str]:
        """All candidates for `text`, the end of `line`, each with what stays in front of it."""
        head = line[: len(line) - len(text)] if line.endswith(text) else ""
        if not head.strip():
            return [f"{name} " for name in self._shell.names if name.startswith(text)]
        # A space in a name was typed as "\ ", where readline takes a new word to begin.
        begun = ""
        while head.endswith("\\ "):
            piece = head[:-2].rpartition(" ")[2]
            begun = f"{piece}\\ {begun}"
            head = head[: len(head) - len(piece) - 2]
        typed = f"{begun}{text}".replace("\\ ", " ")
        folder, slash, start = typed.rpartition("/")
        names = (
            _local_names(folder + slash)
            if line.split(None, 1)[0] in _OF_THIS_MACHINE
            else self._remote_names(folder + slash)
        )
        found = [
            f"{folder}{slash}{name}".replace(" ", "\\ ")
            for name in names
            if name.casefold().startswith(start.casefold())
        ]
        return [one[len(begun) :] for one in found if one.startswith(begun)]

    def _remote_names(self, folder: str) -> list[str]:
        path = self._shell.absolute(folder or ".")
        entries = self._shell.remote.share.scandir(path)
        return sorted(f"{one.name}/" if one.is_dir() else f"{one.name}" for one in entries)


def _local_names(folder: str) -> list[str]:
    with os.scandir(os.path.expanduser(folder) or ".") as entries:
        return sorted(f"{one.name}/" if one.is_dir() else one.name for one in entries)
