"""rclone, nmap and a list of Samba's own conformance tests."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from interop.peers import MIB, PASSWORD, SHARE, USER, Served, need, write_payload
from paraph import PosixBackend, Share

StartServer = Callable[..., Served]


def run(command: list[str], scratch: Path, text: str = "", **variables: str) -> str:
    """Run a program that must succeed; both of its outputs."""
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": str(scratch), "LC_ALL": "C.UTF-8", **variables},
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("signing", [False, True])
def test_rclone(signing: bool, server: StartServer, scratch: Path) -> None:
    program = need("rclone")
    served = server(signing=signing)
    obscured = run([program, "obscure", "-"], scratch, PASSWORD).strip()
    settings = {"TYPE": "smb", "HOST": "127.0.0.1", "PORT": str(served.port), "USER": USER}
    settings["PASS"] = obscured
    variables = {f"RCLONE_CONFIG_PARAPH_{name}": value for name, value in settings.items()}

    def rclone(*words: str) -> str:
        return run([program, "--config", "", *words], scratch, **variables)

    local, back = scratch / "local", scratch / "back"
    (local / "信件" / "🐱").mkdir(parents=True)
    for number in range(50):
        (local / "信件" / f"letter {number}.txt").write_text(f"This is letter {number}.\n")
    write_payload(local / "信件" / "🐱" / "large", 32 * MIB)
    remote = f"paraph:{SHARE}/copy"
    assert f"{SHARE}/" in rclone("lsf", "paraph:").splitlines()
    rclone("copy", str(local), remote)
    assert "0 differences found" in rclone("check", "--download", str(local), remote)
    (local / "信件" / "letter 7.txt").unlink()
    (local / "信件" / "letter 8.txt").write_text("Changed.\n")
    rclone("sync", str(local), remote)
    assert not (served.folder / "copy" / "信件" / "letter 7.txt").exists()
    assert "0 differences found" in rclone("check", "--download", str(local), remote)
    rclone("copy", remote, str(back))
    assert "0 differences found" in rclone("check", str(local), str(back))
    rclone("purge", remote)
    assert list(served.folder.iterdir()) == []
    assert {bool(session.signing) for session in served.sessions()} == {signing}


@pytest.mark.parametrize("required", [False, True])
def test_nmap(required: bool, server: StartServer, scratch: Path) -> None:
    """What its scripts print is what the policy says."""
    served = server(signing=required)
    scripts = "smb2-security-mode,smb2-capabilities,smb-protocols,smb2-time"
    command = [need("nmap"), "-Pn", "-n", "-sT", "-p", str(served.port), "--script", scripts]
    text = run([*command, "--script-args", f"smbport={served.port}", "127.0.0.1"], scratch)
    words = "required" if required else "but not required"
    assert f"Message signing enabled {'and ' * required}{words}" in text
    for dialect in ("202", "210", "300", "302", "311"):
        assert re.search(rf"^\|_? +{dialect}:? ?$", text, re.MULTILINE)
    assert text.count("Multi-credit operations") == 4
    assert "NT LM 0.12" not in text
    assert "date: 20" in text


TORTURE = {
    "async_dosmode": "",
    "check-sharemode": "",
    "connect": "",
    "compound": """
        compound-break create-write-close invalid1 invalid2 invalid3 related1 related2
        related5 related6 related8 related9 unrelated1
    """,
    "compound_async": "flush_close flush_flush",
    "compound_find": "compound_find_related compound_find_unrelated",
    "create": """
        brlocked delete dir-alloc-size dosattr_tmp_dir impersonation leading-slash
        mkdir-dup multi
    """,
    "credits": "session_setup_credits_granted single_req_credits_granted skipped_mid",
    "delete-on-close-perms": "BUG14427 READONLY",
    "deny": "deny1 deny2",
    "dir": "find fixed large-files many sorted",
    "fileid": "unique unique-dir",
    "getinfo": "granted qsec_buffercheck",
    "lock": """
        async auto-unlock cancel cancel-logoff cancel-tdis contend context errorcode lock
        multiple-unlock overlap range rw-exclusive rw-shared stacking truncate unlock
        zerobytelength zerobyteread
    """,
    "mkdir": "",
    "openattr": "",
    "read": "access dir eof",
    "rename": """
        close-full-information msword no_sharing rename_dir_bench rename_dir_openfile
        share_delete_no_delete_access simple simple_nodelete
    """,
    "rw": "rw1 rw2",
    "scan": "find",
    "sdread": "",
    "session": "ntlmssp_bug14932 two_logoff",
    "sharemode": "access-sharemode bug14375 sharemode-access",
    "tcon": "",
    "winattr": "",
}
"""Tests of smbtorture that must stay green: suite -> tests, none for a suite that is one test."""

TORTURE_NAMES = [
    f"smb2.{suite}.{test}".strip(".")
    for suite, tests in TORTURE.items()
    for test in tests.split() or [""]
]


@pytest.mark.parametrize("name", TORTURE_NAMES)
def test_smbtorture(name: str, server: StartServer, scratch: Path) -> None:
    program = need("smbtorture")
    home, folder = scratch / "torture", scratch / "shared"
    home.mkdir()
    folder.mkdir()
    # smbtorture crashes where no cipher is negotiated: a share that must be encrypted has one
    # offered, and nobody made to use it.
    shares = [Share(SHARE, PosixBackend(str(folder)))]
    shares.append(Share("sealed", PosixBackend(str(folder)), encrypt=True))
    served = server(signing=False, shares=shares)
    lines = ["[global]", "workgroup = WORKGROUP", "netbios name = TESTER"]
    lines += [f"{name} directory = {home}" for name in ("lock", "state", "cache")]
    lines += [f"private dir = {home}", "client min protocol = SMB2_02"]
    (home / "smb.conf").write_text("\n".join(lines) + "\n")
    (home / "login").touch(0o600)
    (home / "login").write_text(f"username = {USER}\npassword = {PASSWORD}\n")
    command = [program, "-s", str(home / "smb.conf"), "-A", str(home / "login")]
    command += ["-p", str(served.port), f"--basedir={home}", "--target=samba3"]
    text = run([*command, f"//127.0.0.1/{SHARE}", name], scratch)
    assert re.search("^success: ", text, re.MULTILINE), text
