"""Samba's own parsers (python3-samba) and testparm read what Paraph writes, and the reverse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from paraph.policy import formats, registry_pol, security_template
from paraph.policy.registry_value import RegistryValue, encode_data

SAMPLES = Path(__file__).parent / "samples"
SERVER = r"SYSTEM\CurrentControlSet\Services\LanManServer\Parameters"
PYTHON = "/usr/bin/python3"

#: Reads a file with Samba's parser, tells what it found, writes it again.
_SCRIPT = """
import json, sys
kind, source, target = sys.argv[1:]
from samba.gp_parse.gp_inf import GptTmplInfParser
from samba.gp_parse.gp_pol import GPPolParser
parser = GptTmplInfParser() if kind == "inf" else GPPolParser()
with open(source, "rb") as file:
    parser.parse(file.read())
parser.write_binary(target)
if kind == "inf":
    found = parser.sections["Registry Values"].param_list
else:
    found = [[e.keyname, e.valuename, e.type, e.size] for e in parser.pol_file.entries]
print(json.dumps(found))
"""


def _need(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def samba(kind: str, data: bytes, folder: Path) -> tuple[list[object], bytes]:
    """(what Samba's parser finds in `data`, what it writes again)."""
    probe = [PYTHON, "-c", "import samba.gp_parse.gp_inf"]
    if not Path(PYTHON).exists() or subprocess.run(probe, capture_output=True).returncode:
        _need("python3-samba")
    source, target = folder / "in", folder / "out"
    source.write_bytes(data)
    command = [PYTHON, "-c", _SCRIPT, kind, str(source), str(target)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout), target.read_bytes()


def test_samba_reads_a_template_of_ours_and_we_read_its(tmp_path: Path) -> None:
    document = security_template.create()
    values = [
        RegistryValue(SERVER, "RequireSecuritySignature", 4, encode_data(4, 1)),
        RegistryValue(SERVER, "NullSessionPipes", 7, encode_data(7, ["a", "b, c"])),
        RegistryValue("Software\\X", "Größe", 1, encode_data(1, 'a "b"')),
    ]
    for value in values:
        document.set(value)
    found, written = samba("inf", document.encode(), tmp_path)
    lines = document.encode().decode("utf-16").split("[Registry Values]\r\n")[1].splitlines()
    assert found == lines
    assert security_template.decode(written, "samba").values == values


def test_samba_and_we_agree_on_a_domain_controllers_template(tmp_path: Path) -> None:
    data = (SAMPLES / "GptTmpl-domain-controllers.inf").read_bytes()
    ours = security_template.decode(data, "x")
    found, written = samba("inf", data, tmp_path)
    assert len(found) == len(ours.values) == 4
    assert security_template.decode(written, "samba").values == ours.values


@pytest.mark.parametrize("name", ["Registry.pol", "Registry-example.pol"])
def test_samba_and_we_agree_on_a_registry_policy_file(name: str, tmp_path: Path) -> None:
    data = (SAMPLES / name).read_bytes()
    ours = registry_pol.decode(data, name)
    found, written = samba("pol", ours.encode(), tmp_path)
    assert found == [
        [each.key, each.value, each.type, len(each.data)] for each in ours.instructions
    ]
    assert written == data


def test_samba_reads_a_registry_policy_file_of_ours(tmp_path: Path) -> None:
    changes = formats.read(SAMPLES / "lgpo.txt").changes
    exported = formats.write("registry-pol", changes)
    assert exported.notes == []
    assert isinstance(exported.data, bytes)
    found, written = samba("pol", exported.data, tmp_path)
    assert len(found) == len(changes)
    assert registry_pol.decode(written, "samba").changes() == changes


@pytest.mark.parametrize("number", [0, 1])
def test_testparm_accepts_a_configuration_of_ours(number: int, tmp_path: Path) -> None:
    program = shutil.which("testparm")
    if program is None:
        _need("testparm")
    assert program is not None
    client = SERVER.replace("LanManServer", "LanmanWorkstation")
    numbers = {
        (SERVER, "RequireSecuritySignature"): number,
        (SERVER, "EnableSecuritySignature"): 1,
        (SERVER, "EncryptData"): number,
        (SERVER, "MinSmb2Dialect"): 0x0302,
        (SERVER, "MaxSmb2Dialect"): 0x0311,
        (client, "RequireSecuritySignature"): number,
        (client, "RequireEncryption"): number,
        (client, "MinSmb2Dialect"): 0x0210,
        (client, "BlockNTLM"): number,
    }
    changes = [
        RegistryValue(key, name, 4, encode_data(4, each)) for (key, name), each in numbers.items()
    ]
    path = tmp_path / "smb.conf"
    formats.write("smb-conf", changes).save(path)
    command = [program, "-s", "--section-name=global", "-v", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.partition("=") for line in done.stdout.splitlines()]
    said = {name.strip(): value.strip() for name, _, value in lines}
    assert said["server signing"] == ("required" if number else "if_required")
    assert said["client signing"] == ("required" if number else "desired")
    assert said["server smb encrypt"] == ("required" if number else "if_required")
    assert said["client smb encrypt"] == ("required" if number else "if_required")
    assert said["server min protocol"] == "SMB3_02"
    assert said["server max protocol"] in ("SMB3", "SMB3_11")
    assert said["client min protocol"] in ("SMB2", "SMB2_10")
    assert (said["client use kerberos"] in ("yes", "required")) == bool(number)
