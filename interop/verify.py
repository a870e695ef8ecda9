"""Check the protection of a captured connection, with nothing of Paraph's.

Everything is computed again from the captured bytes and the session key: the preauthentication
hash, the derived keys, every signature and every decryption ([MS-SMB2] 3.1.4 and 3.1.5).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from interop.capture import CLIENT, SERVER, Capture

NEGOTIATE, SESSION_SETUP, CANCEL = 0, 1, 12
SIGNED = 8
MORE_PROCESSING_REQUIRED = 0xC0000016
HMAC_SHA256, AES_CMAC, AES_GMAC = 0, 1, 2
AES_128_CCM, AES_128_GCM, AES_256_CCM, AES_256_GCM = 1, 2, 3, 4


@dataclass
class Elements:
    """What was found in a connection of one session."""

    dialect: int = 0
    signing: int = HMAC_SHA256
    cipher: int = 0
    session_id: int = 0
    session_key: bytes = b""
    signed: int = 0  #: messages whose signature is right
    sealed: int = 0  #: frames that were decrypted
    plain: int = 0  #: messages that are neither
    commands: list[tuple[int, bool]] = field(default_factory=list)  #: (command, is a response)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _derive(key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """SP800-108 in counter mode with HMAC-SHA256; one block is enough."""
    data = (1).to_bytes(4, "big") + label + b"\0\0" + context + bits.to_bytes(4, "big")
    return hmac.new(key, data, hashlib.sha256).digest()[: bits // 8]


def _members(payload: bytes) -> list[bytes]:
    members = []
    while step := _number(payload, 20, 4):
        members.append(payload[:step])
        payload = payload[step:]
    return [*members, payload]


class _Keys:
    """The keys of one session, and what they are used for."""

    def __init__(self, found: Elements, session_key: bytes, preauth: bytes) -> None:
        key = session_key[:16].ljust(16, b"\0")
        bits = 256 if found.cipher in (AES_256_CCM, AES_256_GCM) else 128
        full = session_key if bits == 256 else key
        self.algorithm, self.cipher = found.signing, found.cipher
        if found.dialect == 0x0311:
            self.signing = _derive(key, b"SMBSigningKey", preauth, 128)
            sealing = [
                _derive(full, b"SMBC2SCipherKey", preauth, bits),
                _derive(full, b"SMBS2CCipherKey", preauth, bits),
            ]
        elif found.dialect >= 0x0300:
            self.signing = _derive(key, b"SMB2AESCMAC", b"SmbSign\0", 128)
            sealing = [
                _derive(key, b"SMB2AESCCM", b"ServerIn \0", 128),
                _derive(key, b"SMB2AESCCM", b"ServerOut\0", 128),
            ]
        else:
            self.signing, sealing = key, []
        ccm = self.cipher in (AES_128_CCM, AES_256_CCM)
        self.sealers = [AESCCM(key) if ccm else AESGCM(key) for key in sealing]

    def signature(self, message: bytes, who: int) -> bytes:
        message = message[:48] + bytes(16) + message[64:]
        if self.algorithm == HMAC_SHA256:
            return hmac.new(self.signing, message, hashlib.sha256).digest()[:16]
        if self.algorithm == AES_CMAC:
            mac = CMAC(AES(self.signing))
            mac.update(message)
            return mac.finalize()
        role = (who == SERVER) | (_number(message, 12, 2) == CANCEL) << 1
        nonce = message[24:32] + role.to_bytes(4, "little")
        return AESGCM(self.signing).encrypt(nonce, b"", message)

    def opened(self, frame: bytes, who: int) -> bytes:
        size = 11 if self.cipher in (AES_128_CCM, AES_256_CCM) else 12
        nonce, tag = frame[20 : 20 + size], frame[4:20]
        return self.sealers[who].decrypt(nonce, frame[52:] + tag, frame[20:52])


def check(capture: Capture, session_keys: dict[int, bytes]) -> Elements:
    """Verify a connection with one session; `session_keys` by SessionId.

    An assertion or `InvalidTag` tells of a wrong byte.
    """
    found = Elements()
    preauth = bytes(64)
    keys: _Keys | None = None
    for who, frame in capture.frames():
        if frame[:4] == b"\xfdSMB":
            assert keys is not None
            assert _number(frame, 44, 8) == found.session_id
            size = _number(frame, 36, 4)
            frame = keys.opened(frame, who)
            assert size == len(frame)
            found.sealed += 1
            for member in _members(frame):
                _note(found, member, who)
                assert not _number(member, 16, 4) & SIGNED
            continue
        assert frame[:4] == b"\xfeSMB"
        for member in _members(frame):
            _note(found, member, who)
            command, status = _number(member, 12, 2), _number(member, 8, 4)
            if command == NEGOTIATE:
                preauth = hashlib.sha512(preauth + member).digest()
                if who == SERVER:
                    _read_negotiate(found, member)
            elif command == SESSION_SETUP and keys is None:
                last = who == SERVER and status != MORE_PROCESSING_REQUIRED
                if last:
                    assert status == 0
                    found.session_id = _number(member, 40, 8)
                    found.session_key = session_keys[found.session_id]
                    keys = _Keys(found, found.session_key, preauth)
                else:
                    preauth = hashlib.sha512(preauth + member).digest()
            if _number(member, 16, 4) & SIGNED:
                assert keys is not None
                assert keys.signature(member, who) == member[48:64], f"command {command} of {who}"
                found.signed += 1
            else:
                assert member[48:64] == bytes(16)
                found.plain += 1
    return found


def _note(found: Elements, member: bytes, who: int) -> None:
    is_response = bool(_number(member, 16, 4) & 1)
    assert is_response == (who != CLIENT)
    found.commands.append((_number(member, 12, 2), is_response))


def _read_negotiate(found: Elements, member: bytes) -> None:
    """DialectRevision, and what the negotiate contexts chose ([MS-SMB2] 2.2.4)."""
    body = member[64:]
    found.dialect = _number(body, 4, 2)
    if found.dialect >= 0x0300:
        found.signing = AES_CMAC
        found.cipher = AES_128_CCM
    if found.dialect != 0x0311:
        return
    at = _number(body, 60, 4)
    for _ in range(_number(body, 6, 2)):
        kind, size = _number(member, at, 2), _number(member, at + 2, 2)
        data = member[at + 8 : at + 8 + size]
        if kind == 2:
            found.cipher = _number(data, 2, 2)
        elif kind == 8:
            found.signing = _number(data, 2, 2)
        at += (8 + size + 7) & ~7
