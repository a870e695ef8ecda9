"""The door that every byte passes: frames to verified requests, replies to sealed frames.

This module knows no session table and no socket. The server (and later the client) looks up whose
keys apply; the rules themselves stand here, once, in the order of [MS-SMB2] 3.3.5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from paraph.crypto.sealing import Sealer
from paraph.crypto.signing import Signer
from paraph.errors import Disconnect
from paraph.wire.record import HEADER_SIZE
from paraph.wire.smb2.header import (
    FLAGS_OFFSET,
    NEXT_COMMAND_OFFSET,
    SIGNATURE_OFFSET,
    Flags,
    Header,
)

TRANSPORT_HEADER = 4
"""Room left in front of each outgoing message for the frame's length."""

_MAX_CHAIN = 64
"""Requests in one compound. Windows and Samba clients send at most about ten."""


class Protocol:
    """The ProtocolId that a frame begins with, [MS-SMB2] 2.2."""

    SMB1 = b"\xffSMB"
    SMB2 = b"\xfeSMB"
    TRANSFORM = b"\xfdSMB"
    COMPRESSED = b"\xfcSMB"


@dataclass(slots=True)
class Message:
    """One request (or response) of a frame: its header and the view of its bytes, with padding."""

    header: Header
    data: memoryview


def split(payload: memoryview) -> list[Message]:
    """The members of a compound, or the one message ([MS-SMB2] 3.3.5.2.7).

    The padding that NextCommand spans belongs to the member before it, and to its signature.
    Raises DecodeError for a bad header and Disconnect where a chain does not add up.
    """
    header = Header.decode(payload)
    if not header.next_command:
        return [Message(header, payload)]
    members = []
    while header.next_command:
        step = header.next_command
        if step < HEADER_SIZE or step % 8 or step > len(payload) - HEADER_SIZE:
            raise Disconnect(f"NextCommand {step} in a message of {len(payload)} bytes")
        members.append(Message(header, payload[:step]))
        if len(members) == _MAX_CHAIN:
            raise Disconnect(f"a compound of more than {_MAX_CHAIN} requests")
        payload = payload[step:]
        header = Header.decode(payload)
    members.append(Message(header, payload))
    return members


def check_sealed_chain(members: list[Message], session_id: int) -> None:
    """What an encrypted frame must be ([MS-SMB2] 3.3.5.2.1.1); raises Disconnect otherwise."""
    for index, member in enumerate(members):
        related = member.header.flags & Flags.RELATED_OPERATIONS
        if index == 0 and related:
            raise Disconnect("an encrypted message begins with a related request")
        if not related and member.header.session_id != session_id:
            raise Disconnect("an encrypted message carries the request of another session")


class Refusal:
    """Why a request's protection is not acceptable; the values are for the log."""

    BAD_SIGNATURE = "its signature is wrong"
    UNSIGNED = "it is not signed and the session requires signing"
    NO_KEY = "it is signed and the session has no signing key"


def check_signature(message: Message, signer: Signer | None, *, required: bool) -> str | None:
    """The verification rules of [MS-SMB2] 3.3.5.2.4 for a request that was not encrypted and whose
    session is known. Returns None when it may go on, else a `Refusal`.

    A signature that is there is always verified, required or not; one that is missing is refused
    when required, whatever the flag says: clearing SIGNED gains an attacker nothing.
    """
    if message.header.flags & Flags.SIGNED:
        if signer is None:
            return Refusal.NO_KEY
        return None if signer.verify(message.data) else Refusal.BAD_SIGNATURE
    return Refusal.UNSIGNED if required else None


def new_reply(body: bytes | bytearray | memoryview) -> bytearray:
    """A reply buffer with room for the frame's and the message's header in front of `body`."""
    reply = bytearray(TRANSPORT_HEADER + HEADER_SIZE + len(body))
    reply[TRANSPORT_HEADER + HEADER_SIZE :] = body
    return reply


BODY = TRANSPORT_HEADER + HEADER_SIZE
"""Offset of the body in a reply buffer."""


def sign_reply(reply: bytearray, signer: Signer) -> None:
    """Set SIGNED and write the signature in place."""
    reply[TRANSPORT_HEADER + FLAGS_OFFSET] |= Flags.SIGNED
    signer.sign(memoryview(reply)[TRANSPORT_HEADER:])


def join_replies(replies: list[bytearray], signers: list[Signer | None]) -> bytearray:
    """Sign each reply on its own and join them to one compound ([MS-SMB2] 3.3.4.1.3, 3.1.4.1).

    Padding and NextCommand are set before signing, because the signature covers both.
    """
    if len(replies) > 1:
        for reply in replies[:-1]:
            reply.extend(bytes(-(len(reply) - TRANSPORT_HEADER) % 8))
            step = len(reply) - TRANSPORT_HEADER
            at = TRANSPORT_HEADER + NEXT_COMMAND_OFFSET
            reply[at : at + 4] = step.to_bytes(4, "little")
    for reply, signer in zip(replies, signers, strict=True):
        if signer is not None:
            sign_reply(reply, signer)
    first = replies[0]
    for reply in replies[1:]:
        first += memoryview(reply)[TRANSPORT_HEADER:]
    return first


def seal_frame(frame: bytearray, sealer: Sealer, session_id: int) -> bytearray:
    """The frame encrypted as one SMB2 TRANSFORM message ([MS-SMB2] 3.1.4.3)."""
    return sealer.seal(memoryview(frame)[TRANSPORT_HEADER:], session_id, headroom=TRANSPORT_HEADER)


def finish_frame(frame: bytearray) -> bytearray:
    """Write the frame's length into the room in front of it."""
    length = len(frame) - TRANSPORT_HEADER
    frame[0:4] = length.to_bytes(4, "big")
    return frame


__all__ = [
    "BODY",
    "SIGNATURE_OFFSET",
    "TRANSPORT_HEADER",
    "Message",
    "Protocol",
    "Refusal",
    "check_sealed_chain",
    "check_signature",
    "finish_frame",
    "join_replies",
    "new_reply",
    "seal_frame",
    "sign_reply",
    "split",
]
