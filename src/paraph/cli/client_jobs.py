"""`paraph get`, `put`, `cp` and `sync`: which places, and what goes where."""

from __future__ import annotations

from paraph.cli.client_copy import At, Copying, Wishes
from paraph.cli.client_options import Options
from paraph.cli.client_output import Meter, Output, meter
from paraph.cli.client_places import LocalPlace, RemotePlace
from paraph.cli.client_remote import Remote, Remotes, is_address
from paraph.cli.client_transfer import Copier
from paraph.errors import UserError


class Places:
    """The places of one command: the same share is always the same place."""

    def __init__(self, remotes: Remotes) -> None:
        self._remotes = remotes
        self._local = LocalPlace()
        self._known: dict[int, RemotePlace] = {}

    def at(self, text: str) -> At:
        """Of an address, or of a path on this machine. Raises UserError."""
        if not is_address(text):
            return self._local, text
        remote, path = self._remotes.at(text)
        return self.on(remote), path

    def on(self, remote: Remote) -> RemotePlace:
        """The place that a share is."""
        return self._known.setdefault(id(remote), RemotePlace(remote))

    def expand(self, text: str) -> list[At]:
        """The same, with patterns of an address expanded; the shell has done it for paths."""
        place, path = self.at(text)
        if not isinstance(place, RemotePlace):
            return [(place, path)]
        with place.remote:
            return [(place, one) for one in place.remote.expand(path)]


def copier(
    options: Options, out: Output, wishes: Wishes, shown: Meter, *, verify: bool, fresh: bool
) -> Copier:
    """What copies single files."""
    return Copier(
        meter=shown,
        note=out.note,
        retries=options.retries,
        resume=not fresh,
        verify=verify,
        replace=not wishes.keep,
    )


def get(options: Options, texts: list[str], wishes: Wishes, *, verify: bool, fresh: bool) -> int:
    """Addresses, and perhaps a path at the end."""
    target = "." if is_address(texts[-1]) else texts[-1]
    sources = texts if is_address(texts[-1]) else texts[:-1]
    for text in sources:
        if not is_address(text):
            raise UserError(f"{text} is no address of a share; `paraph put` sends files.")
    if not sources:
        raise UserError("get needs the address of what to fetch: smb://SERVER/SHARE/PATH.")
    return _copy(options, sources, target, wishes, verify=verify, fresh=fresh)


def put(options: Options, texts: list[str], wishes: Wishes, *, verify: bool, fresh: bool) -> int:
    """Paths, and an address at the end."""
    *sources, target = texts
    if not is_address(target):
        raise UserError("put needs an address as its last argument: smb://SERVER/SHARE/PATH.")
    for text in sources:
        if is_address(text):
            raise UserError(f"{text} is on a share; `paraph cp` copies from share to share.")
    if not sources:
        raise UserError(f"put needs files to send to {target}.")
    return _copy(options, sources, target, wishes, verify=verify, fresh=fresh)


def cp(options: Options, texts: list[str], wishes: Wishes, *, verify: bool, fresh: bool) -> int:
    """Two addresses or more."""
    *sources, target = texts
    for text in texts:
        if not is_address(text):
            raise UserError(
                f"{text} is no address of a share; `paraph get` fetches and `paraph put` sends "
                "files."
            )
    if not sources:
        raise UserError("cp needs two addresses: from where, and where to.")
    return _copy(options, sources, target, wishes, verify=verify, fresh=fresh)


def _copy(
    options: Options,
    sources: list[str],
    target: str,
    wishes: Wishes,
    *,
    verify: bool,
    fresh: bool,
) -> int:
    out = Output(json=options.json)
    with Remotes(options) as remotes:
        places = Places(remotes)
        goal = places.at(target)
        found = [at for text in sources for at in places.expand(text)]
        into = target.endswith(("/", "\\"))
        with meter(out) as shown:
            work = copier(options, out, wishes, shown, verify=verify, fresh=fresh)
            copying = Copying(out, work, wishes)
            copying.plan(found, goal, into=into)
            return copying.run()


def sync(options: Options, source: str, target: str, wishes: Wishes, *, verify: bool) -> int:
    """A folder, and the one that becomes like it."""
    if not is_address(source) and not is_address(target):
        raise UserError("One of the two must be the address of a share: smb://SERVER/SHARE/PATH.")
    out = Output(json=options.json)
    with Remotes(options) as remotes:
        places = Places(remotes)
        with meter(out) as shown:
            work = copier(options, out, wishes, shown, verify=verify, fresh=False)
            copying = Copying(out, work, wishes)
            copying.plan_sync(places.at(source), places.at(target))
            return copying.run()
