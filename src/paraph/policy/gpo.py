"""Policy objects and where they are linked: what Active Directory and SYSVOL hold, in the state.

They live in the same SQLite file as the registry (database.py): importing an object, computing what
follows from it and writing that to the registry are one transaction, so a crash leaves either the
old policy or the new one. An object is one row, and so is a SOM with its links; each is packed as
JSON with a check sum.

A scope of management (SOM, [MS-GPOL] 2.2.2) is written "Local", "Site", "Domain", or as the path of
an organizational unit, nearest first as in a distinguished name: "OU=Servers,OU=HQ". OUs need not
be made: one that nothing is linked to is only a part of a path.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

from paraph.errors import UserError
from paraph.policy.database import checksum
from paraph.policy.registry import Registry
from paraph.policy.registry_value import Change, RegistryDeletion, RegistryValue, fold

REGISTRY_EXTENSION = "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}"
"""CSE GUID of the Registry extension ([MS-GPREG] 1.9)."""
SECURITY_EXTENSION = "{827D319E-6EAC-11D2-A4EA-00C04F79F83A}"
"""CSE GUID of the Security extension ([MS-GPSB] 1.9)."""

SomKind = Literal["local", "site", "domain", "ou"]
Extension = Literal["registry", "security"]

LOCAL, SITE, DOMAIN = "Local", "Site", "Domain"
_CONTAINERS: dict[str, tuple[str, SomKind]] = {
    "local": (LOCAL, "local"),
    "site": (SITE, "site"),
    "domain": (DOMAIN, "domain"),
}
_OBJECT = "SELECT sum, CAST(guid AS BLOB), folded, body FROM object"
_USER_OFF, _MACHINE_OFF = 1, 2  # the flags attribute, [MS-GPOL] 2.2.4
_RDN = re.compile(r"\s*([A-Za-z]+)\s*=((?:[^,\\]|\\.)*)(?:,|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PolicyObject:
    """A Group Policy object, as far as computers are concerned. Raises UserError for a bad GUID."""

    name: str  #: displayName
    guid: str  #: curly braced, upper case: "{31B2F340-016D-11D2-945F-00C04FB984F9}"
    security: tuple[RegistryValue, ...] | None = None  #: [Registry Values] of GptTmpl.inf
    registry: tuple[Change, ...] | None = None  #: registry.pol, in its order
    version: int = 1  #: GPO version: low 16 bits the computer's, high 16 the user's
    machine_enabled: bool = True
    user_enabled: bool = True
    #: CSE GUIDs of gPCMachineExtensionNames; None: those whose settings are here.
    extensions: frozenset[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "guid", parse_guid(self.guid))
        if self.extensions is not None:
            guids = frozenset(map(parse_guid, self.extensions))
            object.__setattr__(self, "extensions", guids)
        if not 0 <= self.version < 1 << 32:
            raise UserError(f"{self.version} is no version of a policy object.")

    def names_extension(self, guid: str) -> bool:
        """Whether the client-side extension is to run for this object ([MS-GPOL] 3.2.5.1.10)."""
        return self.extensions is None or guid in self.extensions


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a SOM to an object (gpLink, [MS-GPOL] 2.2.2)."""

    guid: str
    enforced: bool = False
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Som:
    """A scope of management: its links in link order, the first is number 1."""

    path: str
    kind: SomKind
    links: tuple[Link, ...] = ()
    block_inheritance: bool = False  #: gpOptions is 1


@dataclass(frozen=True, slots=True)
class Applied:
    """What policy last wrote to the registry, and on whose behalf."""

    value: RegistryValue
    extension: Extension
    guid: str
    name: str  #: of the object
    som: str


def new_guid() -> str:
    return f"{{{uuid.uuid4()}}}".upper()


def parse_guid(text: str) -> str:
    """A GUID as the store spells it. Raises UserError."""
    try:
        return f"{{{uuid.UUID(text.strip().strip('{}'))}}}".upper()
    except ValueError:
        raise UserError(f"{text!r} is no GUID of a policy object.") from None


def parse_som(text: str) -> tuple[str, SomKind]:
    """The canonical path of a SOM, and its kind. Raises UserError."""
    found = _CONTAINERS.get(text.strip().lower())
    if found is not None:
        return found
    parts = _rdns(text)
    for attribute, name in parts:
        if attribute.upper() != "OU" or not name:
            raise UserError(
                f"{text!r} is no place for policy: write Local, Site, Domain, or the path of an "
                'organizational unit, such as "OU=Servers,OU=HQ" (without its domain).'
            )
    return ",".join(f"OU={name}" for _, name in parts), "ou"


def _rdns(text: str) -> list[tuple[str, str]]:
    """(attribute, value still escaped) of each part of a distinguished name (RFC 4514)."""
    parts: list[tuple[str, str]] = []
    position = 0
    while position < len(text) or not parts:
        match = _RDN.match(text, position)
        if match is None or (match.end() == len(text) and text.endswith(",")):
            return [("", "")]
        parts.append((match[1], _trimmed(match[2])))
        position = match.end()
    return parts


def _trimmed(value: str) -> str:
    """Without the spaces around it; one that is escaped belongs to it."""
    value = value.lstrip()
    bare = value.rstrip()
    return bare + " " if bare.endswith("\\") and len(bare) < len(value) else bare


def parents(path: str) -> list[str]:
    """The SOM paths above an OU that are OUs, nearest first."""
    names = [f"OU={name}" for _, name in _rdns(path)]
    return [",".join(names[start:]) for start in range(1, len(names))]


class PolicyStore:
    """The policy objects, their links, and where this machine stands, in the file of `registry`.

    Every method raises UserError when the file is damaged or can not be used.
    """

    def __init__(self, registry: Registry) -> None:
        self._database = registry.database

    def transaction(self) -> AbstractContextManager[object]:
        """A block whose writes, also those to the registry, happen together or not at all."""
        return self._database.write()

    # Objects

    def objects(self) -> list[PolicyObject]:
        """All objects, in the order of their names."""
        with self._database.read() as connection:
            rows = connection.execute(f"{_OBJECT} ORDER BY folded, guid")
            return [self._object(row) for row in rows]

    def get(self, guid: str) -> PolicyObject | None:
        with self._database.read() as connection:
            row = connection.execute(f"{_OBJECT} WHERE guid = ?", (guid,)).fetchone()
        return None if row is None else self._object(row)

    def find(self, text: str) -> PolicyObject:
        """The object of that GUID or, ignoring case, that name. Raises UserError, also when two
        have the name."""
        with self._database.read() as connection:
            rows = connection.execute(f"{_OBJECT} WHERE folded = ?", (_folded(text),)).fetchall()
        if len(rows) > 1:
            guids = ", ".join(sorted(self._object(row).guid for row in rows))
            raise UserError(f"There are several policy objects {text!r}: name one of {guids}.")
        if rows:
            return self._object(rows[0])
        try:
            found = self.get(parse_guid(text))
        except UserError:
            found = None
        if found is None:
            raise UserError(f"There is no policy object {text!r}.")
        return found

    def add(self, policy: PolicyObject) -> None:
        """Raises UserError if there is one of that GUID."""
        with self._database.write():
            if self.get(policy.guid) is not None:
                raise UserError(f"There is a policy object {policy.guid} already.")
            self.put(policy)

    def put(self, policy: PolicyObject) -> None:
        """Add the object, or replace that of the same GUID; its links stay."""
        body, folded = _pack(_encode_object(policy)), _folded(policy.name)
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO object (guid, folded, body, sum) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (guid) DO UPDATE SET "
                "folded = excluded.folded, body = excluded.body, sum = excluded.sum",
                (policy.guid, folded, body, checksum(policy.guid.encode(), folded, body)),
            )

    def remove(self, guid: str) -> list[str]:
        """Remove the object and its links. Returns the SOMs it was linked to; raises UserError."""
        with self._database.write() as connection:
            linked = self.links_of(guid)
            for path in linked:
                self.unlink(guid, path)
            if not connection.execute("DELETE FROM object WHERE guid = ?", (guid,)).rowcount:
                raise UserError(f"There is no policy object {guid}.")
        return linked

    # Links

    def links_of(self, guid: str) -> list[str]:
        """The paths of the SOMs that the object is linked to."""
        return [som.path for som in self.soms() if any(link.guid == guid for link in som.links)]

    def link(
        self,
        guid: str,
        som: str,
        *,
        order: int | None = None,
        enforced: bool = False,
        disabled: bool = False,
    ) -> None:
        """Link the object to a SOM, or change its link there.

        `order`: the place among the SOM's links, 1 for the first; None: at the end ([MS-GPOL]
        3.3.5.7), or where it is. Raises UserError, also for an enforced link to Local, which
        Windows does not know.
        """
        path, kind = parse_som(som)
        if kind == "local" and enforced:
            raise UserError("A link to Local can not be enforced: it is always applied, and first.")
        if order is not None and order < 1:
            raise UserError(f"{order} is no link order: the first is 1.")
        with self._database.write():
            if self.get(guid) is None:
                raise UserError(f"There is no policy object {guid}.")
            current = self.som(path)
            links = [link for link in current.links if link.guid != guid]
            if order is None:
                there = [n for n, link in enumerate(current.links) if link.guid == guid]
                order = there[0] + 1 if there else len(links) + 1
            links.insert(order - 1, Link(guid, enforced, disabled))
            self._put_som(replace(current, links=tuple(links)))

    def unlink(self, guid: str, som: str) -> None:
        """Raises UserError if there is no such link."""
        with self._database.write():
            current = self.som(som)
            links = tuple(link for link in current.links if link.guid != guid)
            if len(links) == len(current.links):
                raise UserError(f"The policy object {guid} is not linked to {current.path}.")
            self._put_som(replace(current, links=links))

    def block_inheritance(self, som: str, block: bool) -> None:
        """Set gpOptions. Raises UserError for Local and Site, which have nothing above them."""
        path, kind = parse_som(som)
        if kind in ("local", "site"):
            raise UserError(f"{path} has nothing above it whose inheritance could be blocked.")
        with self._database.write():
            self._put_som(replace(self.som(path), block_inheritance=block))

    def som(self, som: str) -> Som:
        """One SOM, without links if it has none. Raises UserError for what is no SOM."""
        path, kind = parse_som(som)
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT sum, folded, body FROM som WHERE folded = ?", (_folded(path),)
            ).fetchone()
        return Som(path, kind) if row is None else self._som(row)

    def soms(self) -> list[Som]:
        """The SOMs that have links or block inheritance: Local, Site, Domain, OUs from the top."""
        with self._database.read() as connection:
            found = [
                self._som(row) for row in connection.execute("SELECT sum, folded, body FROM som")
            ]
        rank = {"local": 0, "site": 1, "domain": 2, "ou": 3}
        return sorted(found, key=lambda som: (rank[som.kind], _from_the_top(som.path)))

    def _som(self, row: tuple[object, ...]) -> Som:
        path, kind, block, links = self._unpack(row)
        return Som(path, kind, tuple(Link(*link) for link in links), block)

    def _put_som(self, som: Som) -> None:
        folded = _folded(som.path)
        links = [[link.guid, link.enforced, link.disabled] for link in som.links]
        body = _pack([som.path, som.kind, som.block_inheritance, links])
        with self._database.write() as connection:
            if links or som.block_inheritance:
                connection.execute(
                    "REPLACE INTO som (folded, body, sum) VALUES (?, ?, ?)",
                    (folded, body, checksum(folded, body)),
                )
            else:
                connection.execute("DELETE FROM som WHERE folded = ?", (folded,))

    # This machine

    def location(self) -> str:
        """The SOM that holds this machine's account: an OU, "Domain", or "Local" for a machine of
        no domain. "Domain" at first."""
        with self._database.read() as connection:
            row = connection.execute("SELECT sum, location FROM meta").fetchone()
        return self._database.text(self._checked(row))

    def move(self, som: str) -> None:
        """Put this machine elsewhere. Raises UserError for what can not hold it."""
        path, kind = parse_som(som)
        if kind == "site":
            raise UserError("A machine is in an OU, in the Domain, or Local: a Site holds none.")
        with self._database.write() as connection:
            location = path.encode("utf-8", "surrogatepass")
            connection.execute(
                "UPDATE meta SET location = ?, sum = ?", (location, checksum(location))
            )

    def chain(self, location: str | None = None) -> list[Som]:
        """The SOMs of a machine at `location` (None: this machine), the nearest first: its OUs,
        the Domain, the Site ([MS-GPOL] 3.2.5.1.3 and 3.2.5.1.4), and last Local."""
        with self._database.read():
            path, kind = parse_som(self.location() if location is None else location)
            if kind == "site":
                raise UserError(
                    "A machine is in an OU, in the Domain, or Local: a Site holds none."
                )
            paths = [path, *parents(path)] if kind == "ou" else []
            if kind != "local":
                paths += [DOMAIN, SITE]
            return [self.som(path) for path in [*paths, LOCAL]]

    def linked_objects(self, chain: Iterable[Som]) -> dict[str, PolicyObject]:
        """GUID -> object of all links of the chain."""
        guids = {link.guid for som in chain for link in som.links}
        with self._database.read():
            found = [self.get(guid) for guid in guids]
        return {policy.guid: policy for policy in found if policy is not None}

    # What was written to the registry

    def applied(self) -> list[Applied]:
        """What `set_applied` kept."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT sum, body FROM applied ORDER BY id").fetchall()
        found = []
        for row in rows:
            value, *rest = self._unpack(row)
            found.append(Applied(_decode_value(value), *rest))
        return found

    def set_applied(self, applied: Sequence[Applied]) -> None:
        """Replace what is remembered, unless it is the same."""
        bodies = [
            _pack([_encode_change(one.value), one.extension, one.guid, one.name, one.som])
            for one in applied
        ]
        with self._database.write() as connection:
            old = [row[0] for row in connection.execute("SELECT body FROM applied ORDER BY id")]
            if old == bodies:
                return
            connection.execute("DELETE FROM applied")
            connection.executemany(
                "INSERT INTO applied (id, body, sum) VALUES (?, ?, ?)",
                [(number, body, checksum(body)) for number, body in enumerate(bodies)],
            )

    def _object(self, row: tuple[object, ...]) -> PolicyObject:
        guid, name, security, registry, version, flags, extensions = self._unpack(row)
        return PolicyObject(
            name,
            guid,
            None if security is None else tuple(map(_decode_value, security)),
            None if registry is None else tuple(map(_decode_change, registry)),
            version,
            machine_enabled=not flags & _MACHINE_OFF,
            user_enabled=not flags & _USER_OFF,
            extensions=None if extensions is None else frozenset(extensions),
        )

    def _unpack(self, row: tuple[object, ...]) -> list[Any]:
        found: list[Any] = json.loads(self._checked(row))
        return found

    def _checked(self, row: tuple[object, ...] | None) -> bytes:
        """The last column of a row, whose first is the check sum of the others."""
        sum_, *parts = row or (None,)
        columns = [part for part in parts if isinstance(part, bytes)]
        if len(columns) != len(parts) or not columns or checksum(*columns) != sum_:
            raise self._database.damaged("a check sum of the policy objects is wrong")
        return columns[-1]


def _folded(text: str) -> bytes:
    return fold(text).encode("utf-8", "surrogatepass")


def _from_the_top(path: str) -> list[str]:
    return [fold(name) for _, name in reversed(_rdns(path))]


# The packed form


def _pack(content: list[Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _encode_object(policy: PolicyObject) -> list[Any]:
    flags = (not policy.user_enabled) * _USER_OFF | (not policy.machine_enabled) * _MACHINE_OFF
    security, registry, extensions = policy.security, policy.registry, policy.extensions
    return [
        policy.guid,
        policy.name,
        None if security is None else list(map(_encode_change, security)),
        None if registry is None else list(map(_encode_change, registry)),
        policy.version,
        flags,
        None if extensions is None else sorted(extensions),
    ]


def _encode_change(change: Change) -> list[Any]:
    if isinstance(change, RegistryValue):
        return [change.key, change.name, change.type, change.data.hex()]
    return [change.key, change.name, change.values_only]


def _decode_value(packed: list[Any]) -> RegistryValue:
    key, name, type_, data = packed
    return RegistryValue(key, name, type_, bytes.fromhex(data))


def _decode_change(packed: list[Any]) -> Change:
    return RegistryDeletion(*packed) if len(packed) == 3 else _decode_value(packed)
