"""Captured connections: tshark decodes them, and every signature and seal is computed again."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from interop import verify
from interop.capture import SERVER, Capture, Recorder
from interop.peers import DIALECTS, Served, SmbClient, need

SIGNING = {
    "HMAC-SHA256": verify.HMAC_SHA256,
    "AES-128-CMAC": verify.AES_CMAC,
    "AES-128-GMAC": verify.AES_GMAC,
}
CIPHERS = {
    "AES-128-CCM": verify.AES_128_CCM,
    "AES-128-GCM": verify.AES_128_GCM,
    "AES-256-CCM": verify.AES_256_CCM,
    "AES-256-GCM": verify.AES_256_GCM,
}
_WARNING = 0x00600000  # PI_WARN of Wireshark's expert information

Work = Callable[..., tuple[Capture, Served]]


@pytest.fixture
def work(
    server: Callable[..., Served], smbclient: Callable[..., SmbClient], scratch: Path
) -> Iterator[Work]:
    """Let smbclient do a bit of everything; the captured connection and the server."""
    recorders: list[Recorder] = []

    def do(**options: str) -> tuple[Capture, Served]:
        sealed = options.get("client_smb_encrypt") == "required"
        served = server(encryption="desired" if sealed else "off")
        recorder = Recorder(served.port)
        recorders.append(recorder)
        client = SmbClient(scratch / "client", recorder.port)
        (client.home / "large").write_bytes(b"0123456789abcdef" * 40_000)
        (client.home / "empty").write_bytes(b"")
        client.do(
            "mkdir a", "cd a", "put large", "put empty", "ls", "rename large moved", "get moved",
            "du", "volume", "del *", "cd \\", "rmdir a",
            **options,
        )  # fmt: skip
        (capture,) = recorder.close()
        return capture, served

    yield do
    for recorder in recorders:
        recorder.close()


class Tshark:
    """tshark on one capture, with the session key that it needs to decrypt and verify."""

    def __init__(self, capture: Capture, found: verify.Elements, folder: Path) -> None:
        self.program = need("tshark")
        self.home = folder
        self.file = folder / "capture.pcap"
        self.signing = found.signing
        capture.write_pcap(self.file)
        session_id = found.session_id.to_bytes(8, "little").hex()
        self.key = f'uat:smb2_seskey_list:{session_id},{found.session_key.hex()},"",""'

    def fields(self, condition: str, *names: str) -> list[list[str]]:
        """The values of fields in every packet that fits."""
        command = [self.program, "-n", "-r", str(self.file), "-o", self.key]
        # Wireshark 4.0 takes GMAC for CMAC: there its word would be wrong.
        command += ["-o", f"smb2.verify_signatures:{self.signing != verify.AES_GMAC}"]
        command += ["-Y", condition, "-T", "fields"]
        for name in names:
            command += ["-e", name]
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=True
        )
        return [line.split("\t") for line in done.stdout.splitlines()]

    def check_decoding(self, found: verify.Elements) -> None:
        """No complaint, and the same messages as `verify` found."""
        complaints = self.fields(
            f"_ws.malformed || _ws.expert.severity >= {_WARNING}",
            "frame.number", "_ws.expert.message", "_ws.col.Info",
        )  # fmt: skip
        assert complaints == []
        seen: Counter[tuple[int, bool]] = Counter()
        for commands, flags in self.fields("smb2.cmd", "smb2.cmd", "smb2.flags.response"):
            pairs = zip(commands.split(","), flags.split(","), strict=True)
            seen.update((int(command), flag in ("1", "True")) for command, flag in pairs)
        assert seen == Counter(found.commands)
        if self.signing != verify.AES_GMAC:
            confirmed = self.fields("smb2.good_signature", "smb2.good_signature")
            assert sum(len(cell.split(",")) for (cell,) in confirmed) == found.signed - 1


def check_signed(capture: Capture, served: Served, found: verify.Elements) -> None:
    """Everything after the logon is signed, and the logon's last response too."""
    assert found.sealed == 0
    logon = [command for command, _ in found.commands if command <= verify.SESSION_SETUP]
    assert found.plain == len(logon) - 1
    assert found.signed == len(found.commands) - found.plain > 20


@pytest.mark.parametrize("name", SIGNING)
def test_signing_algorithms(name: str, work: Work, scratch: Path) -> None:
    capture, served = work(client_smb3_signing_algorithms=name, client_signing="required")
    (session,) = served.sessions()
    assert session.signing == name
    found = verify.check(capture, served.session_keys)
    assert (found.dialect, found.signing) == (0x0311, SIGNING[name])
    check_signed(capture, served, found)
    tshark = Tshark(capture, found, scratch)
    tshark.check_decoding(found)
    answer = "smb2.cmd == 0 && smb2.flags.response == 1 && smb2.negotiate_context.signing_id"
    ((shown,),) = tshark.fields(answer, "smb2.negotiate_context.signing_id")
    assert int(shown, 0) == SIGNING[name]


@pytest.mark.parametrize("name", CIPHERS)
def test_ciphers(name: str, work: Work, scratch: Path) -> None:
    capture, served = work(client_smb3_encryption_algorithms=name, client_smb_encrypt="required")
    (session,) = served.sessions()
    assert session.encryption == name
    found = verify.check(capture, served.session_keys)
    assert (found.dialect, found.cipher) == (0x0311, CIPHERS[name])
    assert found.sealed > 20
    # The logon can not be encrypted, nothing else may go in the clear.
    assert found.plain + found.signed == sum(c <= verify.SESSION_SETUP for c, _ in found.commands)
    tshark = Tshark(capture, found, scratch)
    tshark.check_decoding(found)
    answer = "smb2.cmd == 0 && smb2.flags.response == 1 && smb2.negotiate_context.cipher_id"
    ((shown,),) = tshark.fields(answer, "smb2.negotiate_context.cipher_id")
    assert int(shown, 0) == CIPHERS[name]
    clear = b"".join(piece for _, piece in capture.pieces)
    assert b"0123456789abcdef" not in clear
    assert "moved".encode("utf-16-le") not in clear


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "SMB3_11"])
def test_older_dialects_sign(dialect: str, work: Work, scratch: Path) -> None:
    capture, served = work(
        client_min_protocol=dialect, client_max_protocol=dialect, client_signing="required"
    )
    found = verify.check(capture, served.session_keys)
    assert found.signing == (verify.AES_CMAC if dialect >= "SMB3" else verify.HMAC_SHA256)
    check_signed(capture, served, found)
    Tshark(capture, found, scratch).check_decoding(found)


@pytest.mark.parametrize("dialect", ["SMB3_00", "SMB3_02"])
def test_older_dialects_seal(dialect: str, work: Work, scratch: Path) -> None:
    capture, served = work(
        client_min_protocol=dialect, client_max_protocol=dialect, client_smb_encrypt="required"
    )
    found = verify.check(capture, served.session_keys)
    assert found.sealed > 20
    Tshark(capture, found, scratch).check_decoding(found)


def test_the_check_notices(work: Work) -> None:
    """One flipped bit in a signed or a sealed reply does not pass `verify`."""
    for options in ({"client_signing": "required"}, {"client_smb_encrypt": "required"}):
        capture, served = work(**options)
        verify.check(capture, served.session_keys)
        at = max(index for index, (who, _) in enumerate(capture.pieces) if who == SERVER)
        piece = bytearray(capture.pieces[at][1])
        piece[-1] ^= 1
        capture.pieces[at] = SERVER, bytes(piece)
        with pytest.raises((AssertionError, InvalidTag)):
            verify.check(capture, served.session_keys)
