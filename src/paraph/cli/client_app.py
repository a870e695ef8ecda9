"""The commands of the client: their arguments, and where they are done. See docs/client.md."""

from __future__ import annotations

from typing import Annotated

import typer

from paraph.cli.client_options import Options, command

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="smb://[USER@]SERVER/SHARE[/PATH]")]
Addresses = Annotated[
    list[str],
    typer.Argument(metavar="ADDRESS", help="smb://[USER@]SERVER/SHARE/PATH, with * ? [] **"),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Folders, with all in them.")]
Keep = Annotated[bool, typer.Option("--keep", "-n", help="Leave files that are there already.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Read both ends again and compare their SHA-256.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Begin anew, though there is a part to continue.")
]


def register(app: typer.Typer) -> None:
    """Put all commands of the client into `app`."""
    for add in (_looking, _changing, _copying, _others):
        add(app)


def _looking(app: typer.Typer) -> None:
    @command(app)
    def ls(
        options: Options,
        addresses: Addresses,
        long: Annotated[
            bool, typer.Option("--long", "-l", help="Attributes, size and time, too.")
        ] = False,
        recursive: Recursive = False,
    ) -> int:
        """List folders and files of a share."""
        from paraph.cli import client_list
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            for remote, path in remotes.each(addresses):
                client_list.ls(out, remote, path, long=long, recursive=recursive)
        return out.code

    @command(app)
    def tree(
        options: Options,
        address: Address,
        depth: Annotated[
            int | None, typer.Option(min=1, help="How many levels down.", show_default=False)
        ] = None,
    ) -> int:
        """Show everything below a folder as a tree."""
        from paraph.cli import client_list
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            client_list.tree(out, *remotes.at(address), depth=depth)
        return out.code

    @command(app)
    def stat(options: Options, addresses: Addresses) -> int:
        """Tell size, times and attributes of files and folders."""
        from paraph.cli import client_list
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            for remote, path in remotes.each(addresses):
                client_list.stat(out, remote, path)
        return out.code

    @command(app)
    def cat(options: Options, addresses: Addresses) -> int:
        """Write files to standard output."""
        from paraph.cli import client_change
        from paraph.cli.client_remote import Remotes

        with Remotes(options) as remotes:
            for remote, path in remotes.each(addresses):
                client_change.cat(remote, path)
        return 0

    @command(app)
    def shares(options: Options, address: Address) -> int:
        """List the shares of a server: smb://SERVER."""
        from paraph.cli import client_list
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            client_list.shares(out, remotes.at(address, share=False)[0])
        return out.code


def _changing(app: typer.Typer) -> None:
    @command(app)
    def rm(
        options: Options,
        addresses: Addresses,
        recursive: Recursive = False,
        force: Annotated[
            bool, typer.Option("--force", "-f", help="What is not there is no failure.")
        ] = False,
    ) -> int:
        """Delete files, and with -r folders. There is no way back."""
        from paraph.cli import client_change
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            for remote, path in remotes.each(addresses):
                client_change.rm(out, remote, path, recursive=recursive, force=force)
        return out.code

    @command(app)
    def mv(
        options: Options,
        addresses: Addresses,
        force: Annotated[
            bool, typer.Option("--force", "-f", help="Replace a file that is there.")
        ] = False,
    ) -> int:
        """Rename, or move into a folder of the same share; the last address says where to."""
        from paraph.cli import client_change
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes
        from paraph.errors import UserError

        if len(addresses) < 2:
            raise UserError("mv needs two addresses: from where, and where to.")
        out = Output(json=options.json)
        with Remotes(options) as remotes:
            *sources, (remote, target) = remotes.each(addresses)
            if any(source is not remote for source, _ in sources):
                raise UserError(
                    "mv works within one share; `paraph cp` and then `paraph rm` do it across two."
                )
            paths = [path for _, path in sources]
            client_change.mv(out, remote, paths, target, force=force)
        return out.code

    @command(app)
    def mkdir(
        options: Options,
        addresses: Addresses,
        parents: Annotated[
            bool,
            typer.Option("--parents", "-p", help="Those above too; none is made twice."),
        ] = False,
    ) -> int:
        """Make folders."""
        from paraph.cli import client_change
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            for remote, path in remotes.each(addresses):
                client_change.mkdir(out, remote, path, parents=parents)
        return out.code

    @command(app)
    def acl(
        options: Options,
        address: Address,
        allow: Annotated[
            list[str] | None,
            typer.Option(
                metavar="WHO:RIGHTS",
                help="Permit: Everyone:read. WHO: a SID or a well-known name. RIGHTS: full, "
                "change, read, write, or a mask such as 0x120089. Repeatable.",
                show_default=False,
            ),
        ] = None,
        deny: Annotated[
            list[str] | None,
            typer.Option(metavar="WHO:RIGHTS", help="Forbid. Repeatable.", show_default=False),
        ] = None,
        revoke: Annotated[
            list[str] | None,
            typer.Option(
                metavar="WHO", help="Take the entries away. Repeatable.", show_default=False
            ),
        ] = None,
        owner: Annotated[
            str | None, typer.Option(metavar="WHO", help="The new owner.", show_default=False)
        ] = None,
    ) -> int:
        """Show who may do what with a file or folder; with options, change it first."""
        from paraph.cli import client_acl
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            remote, path = remotes.at(address)
            if allow or deny or revoke or owner:
                client_acl.change(
                    out,
                    remote,
                    path,
                    allow=allow or [],
                    deny=deny or [],
                    revoke=revoke or [],
                    owner=owner,
                )
            client_acl.show(out, remote, path)
        return out.code


def _copying(app: typer.Typer) -> None:
    @command(app)
    def get(
        options: Options,
        addresses: Annotated[
            list[str],
            typer.Argument(
                metavar="ADDRESS", help="What to fetch; after it, where to put it (here)."
            ),
        ],
        recursive: Recursive = False,
        keep: Keep = False,
        verify: Verify = False,
        fresh: Fresh = False,
    ) -> int:
        """Fetch files, and with -r folders, from a share. What was broken off is continued."""
        from paraph.cli.client_copy import Wishes
        from paraph.cli.client_jobs import get as run

        wishes = Wishes(recursive=recursive, keep=keep, verbose=options.verbose)
        return run(options, addresses, wishes, verify=verify, fresh=fresh)

    @command(app)
    def put(
        options: Options,
        files: Annotated[
            list[str],
            typer.Argument(metavar="FILE", help="What to send; after it, the address where to."),
        ],
        recursive: Recursive = False,
        keep: Keep = False,
        verify: Verify = False,
        fresh: Fresh = False,
    ) -> int:
        """Send files, and with -r folders, to a share. What was broken off is continued."""
        from paraph.cli.client_copy import Wishes
        from paraph.cli.client_jobs import put as run

        wishes = Wishes(recursive=recursive, keep=keep, verbose=options.verbose)
        return run(options, files, wishes, verify=verify, fresh=fresh)

    @command(app)
    def cp(
        options: Options,
        addresses: Addresses,
        recursive: Recursive = False,
        keep: Keep = False,
        verify: Verify = False,
        fresh: Fresh = False,
    ) -> int:
        """Copy from share to share; within one share the server does it. The last address says
        where to."""
        from paraph.cli.client_copy import Wishes
        from paraph.cli.client_jobs import cp as run

        wishes = Wishes(recursive=recursive, keep=keep, verbose=options.verbose)
        return run(options, addresses, wishes, verify=verify, fresh=fresh)

    @command(app)
    def sync(
        options: Options,
        source: Annotated[str, typer.Argument(help="A folder, here or on a share.")],
        target: Annotated[str, typer.Argument(help="The folder that becomes like it.")],
        delete: Annotated[
            bool, typer.Option("--delete", help="Delete in TARGET what SOURCE does not have.")
        ] = False,
        checksum: Annotated[
            bool,
            typer.Option("--checksum", "-c", help="Compare contents, not size and time."),
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", "-n", help="Only tell what would be done.")
        ] = False,
        verify: Verify = False,
    ) -> int:
        """Make a folder like another one: copy what is new or differs in size or time."""
        from paraph.cli.client_copy import Wishes
        from paraph.cli.client_jobs import sync as run

        wishes = Wishes(
            recursive=True,
            update=True,
            checksum=checksum,
            delete=delete,
            dry_run=dry_run,
            verbose=options.verbose,
        )
        return run(options, source, target, wishes, verify=verify)


def _others(app: typer.Typer) -> None:
    @command(app)
    def watch(
        options: Options,
        address: Address,
        only_here: Annotated[
            bool, typer.Option("--only-here", help="Not what happens in folders below.")
        ] = False,
        count: Annotated[
            int | None, typer.Option(min=1, help="Stop after so many.", show_default=False)
        ] = None,
        seconds: Annotated[
            float | None,
            typer.Option("--for", help="Stop when none came for SECONDS.", metavar="SECONDS"),
        ] = None,
    ) -> int:
        """Tell the changes in a folder as they happen, until Ctrl-C."""
        from paraph.cli import client_change
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            remote, path = remotes.at(address)
            client_change.watch(
                out, remote, path, recursive=not only_here, count=count, seconds=seconds
            )
        return out.code

    @command(app)
    def status(options: Options, address: Address) -> int:
        """Connect and tell dialect, cipher, signing algorithm, whether the session is signed, and
        why."""
        from paraph.cli.client_output import Output
        from paraph.cli.client_remote import Remotes
        from paraph.cli.client_status import status as run

        out = Output(json=options.json)
        with Remotes(options) as remotes:
            run(out, remotes.at(address, share=False)[0], remotes.settings)
        return out.code

    @command(app)
    def shell(
        options: Options,
        address: Address,
        commands: Annotated[
            str | None,
            typer.Option(
                "--command",
                "-c",
                help="Commands to run instead of reading them, separated by ';'.",
                show_default=False,
            ),
        ] = None,
        keep_going: Annotated[
            bool, typer.Option("--keep-going", help="A script goes on after a failure.")
        ] = False,
    ) -> int:
        """Work on a share with cd, ls, get, put and so on. Reads a script from standard input, if
        that is no terminal."""
        from paraph.cli.client_shell import run

        return run(options, address, commands, keep_going=keep_going)
