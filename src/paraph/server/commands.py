"""THE table: every SMB2 command, what must hold before its handler runs, and the handler.

Preconditions are checked once, in `Connection`, in the order of [MS-SMB2] 3.3.5.2. A handler is a
coroutine `(request, message) -> body`: bytes are the body that follows the header; a bytearray is a
whole reply buffer, made with room for the headers (`core.message.new_reply`), so that READ can have
file data put straight into its place. It fails by raising NTStatusError or OSError.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from paraph.server import (
    close,
    create,
    directory,
    io,
    ioctl,
    lock,
    negotiate,
    notify,
    oplock,
    query_info,
    session_setup,
    set_info,
    tree,
)
from paraph.wire.smb2.change_notify import ChangeNotifyRequest
from paraph.wire.smb2.close import CloseRequest
from paraph.wire.smb2.create import CreateRequest
from paraph.wire.smb2.info import QueryInfoRequest, SetInfoRequest
from paraph.wire.smb2.io import FlushRequest, ReadRequest, WriteRequest
from paraph.wire.smb2.ioctl import IoctlRequest
from paraph.wire.smb2.lock import LockRequest
from paraph.wire.smb2.negotiate import NegotiateRequest
from paraph.wire.smb2.oplock import decode_acknowledgment
from paraph.wire.smb2.query_directory import QueryDirectoryRequest
from paraph.wire.smb2.session import SessionSetupRequest
from paraph.wire.smb2.simple import CancelRequest, EchoRequest, LogoffRequest, TreeDisconnectRequest
from paraph.wire.smb2.tree import TreeConnectRequest

Body = bytes | bytearray


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One command.

    `payload(message)` is the larger of the variable parts of request and response in bytes, for the
    credit charge (3.1.5.2); None where a credit always suffices.
    `on_expired`: goes on when the session is expired or not yet established (3.3.5.2.9).
    """

    name: str
    decode: Callable[[memoryview], Any]
    handler: Callable[[Any, Any], Coroutine[Any, Any, Body]]
    needs_session: bool = False
    needs_tree: bool = False
    needs_open: bool = False
    on_expired: bool = False
    payload: Callable[[Any], int] | None = None


def _row(
    decode: Callable[[memoryview], Any],
    handler: Callable[[Any, Any], Coroutine[Any, Any, Body]],
    needs: str = "",
    *,
    on_expired: bool = False,
    payload: Callable[[Any], int] | None = None,
) -> CommandRow:
    """`needs` is "", "session", "tree" or "open", each including the ones before."""
    depth = ("", "session", "tree", "open").index(needs)
    name = handler.__name__.upper()
    return CommandRow(name, decode, handler, depth > 0, depth > 1, depth > 2, on_expired, payload)


async def _never(request: Any, message: Any) -> bytes:
    """CANCEL has no response and does not come this way."""
    raise AssertionError("CANCEL is not dispatched")


COMMANDS: tuple[CommandRow | None, ...] = (
    _row(NegotiateRequest.decode, negotiate.negotiate),
    _row(SessionSetupRequest.decode, session_setup.session_setup),
    _row(LogoffRequest.decode, session_setup.logoff, "session", on_expired=True),
    _row(TreeConnectRequest.decode, tree.tree_connect, "session"),
    _row(TreeDisconnectRequest.decode, tree.tree_disconnect, "tree"),
    _row(CreateRequest.decode, create.create, "tree"),
    _row(CloseRequest.decode, close.close, "open", on_expired=True),
    _row(FlushRequest.decode, io.flush, "open"),
    _row(ReadRequest.decode, io.read, "open", payload=lambda m: m.length),
    _row(WriteRequest.decode, io.write, "open", payload=lambda m: len(m.data)),
    _row(LockRequest.decode, lock.lock, "open", on_expired=True),
    _row(
        IoctlRequest.decode,
        ioctl.ioctl,
        "tree",
        payload=lambda m: max(len(m.input_buffer), m.max_output_response),
    ),
    _row(CancelRequest.decode, _never),
    _row(EchoRequest.decode, session_setup.echo),
    _row(
        QueryDirectoryRequest.decode,
        directory.query_directory,
        "open",
        payload=lambda m: m.output_buffer_length,
    ),
    _row(
        ChangeNotifyRequest.decode,
        notify.change_notify,
        "open",
        payload=lambda m: m.output_buffer_length,
    ),
    _row(
        QueryInfoRequest.decode,
        query_info.query_info,
        "open",
        payload=lambda m: max(len(m.input_buffer), m.output_buffer_length),
    ),
    _row(SetInfoRequest.decode, set_info.set_info, "open", payload=lambda m: len(m.buffer)),
    _row(decode_acknowledgment, oplock.oplock_break, "tree"),
)
