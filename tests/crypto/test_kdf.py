from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.crypto.kdf import (
    KEY_LABELS,
    Scheme,
    derive,
    derive_keys,
    derive_signing_key,
    session_key,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "keys.json").read_text())
PREAUTH = bytes(range(64))


@pytest.mark.parametrize("vector", VECTORS["sessions"], ids=lambda v: v["name"])
def test_published_session_keys(vector: dict[str, Any]) -> None:
    keys = derive_keys(
        vector["scheme"],
        bytes.fromhex(vector["session_key"]),
        preauth_hash=bytes.fromhex(vector["preauth_hash"]),
    )
    fields = asdict(keys)
    expected = {name: value for name, value in vector.items() if name in fields}
    assert len(expected) >= 2
    assert {name: fields[name].hex() for name in expected} == expected


def test_published_key_of_a_second_channel() -> None:
    vector = VECTORS["channel"]
    key = derive_signing_key(vector["scheme"], bytes.fromhex(vector["session_key"]))
    assert key.hex() == vector["signing"]


def test_channel_key_of_311_uses_its_own_chain() -> None:
    vector = VECTORS["sessions"][1]
    gss_key = bytes.fromhex(vector["session_key"])
    preauth = bytes.fromhex(vector["preauth_hash"])
    assert derive_signing_key("3.1.1", gss_key, preauth).hex() == vector["signing"]
    assert derive_signing_key("3.1.1", gss_key, bytes(64)).hex() != vector["signing"]


@given(
    key=st.binary(min_size=1, max_size=64),
    label=st.binary(min_size=1, max_size=20),
    context=st.binary(max_size=64),
    bits=st.sampled_from([128, 256]),
)
@settings(max_examples=50, deadline=None)
def test_agrees_with_another_implementation(
    key: bytes, label: bytes, context: bytes, bits: int
) -> None:
    other = KBKDFHMAC(
        algorithm=SHA256(),
        mode=Mode.CounterMode,
        length=bits // 8,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label,
        context=context,
        fixed=None,
    )
    assert derive(key, label, context, bits) == other.derive(key)


@pytest.mark.parametrize("bits", [0, 1, 127, 192, 512])
def test_no_other_lengths(bits: int) -> None:
    with pytest.raises(ValueError):
        derive(b"key", b"label\0", b"context\0", bits)


@pytest.mark.parametrize(
    ("gss_key", "expected"),
    [
        (b"\x01", b"\x01" + bytes(15)),
        (bytes(range(16)), bytes(range(16))),
        (bytes(range(32)), bytes(range(16))),
    ],
)
def test_session_key_is_cut_or_padded(gss_key: bytes, expected: bytes) -> None:
    assert session_key(gss_key) == expected
    keys = derive_keys("2.x", gss_key)
    assert (keys.signing, keys.application) == (expected, expected)
    assert (keys.client_to_server, keys.server_to_client) == (b"", b"")
    assert derive_signing_key("2.x", gss_key) == expected


def test_aes_256_uses_the_full_key_but_keeps_short_signing_keys() -> None:
    full = bytes(range(32))
    wide = derive_keys("3.1.1", full, 256, PREAUTH)
    narrow = derive_keys("3.1.1", full, 128, PREAUTH)
    assert wide.signing == narrow.signing == derive(full[:16], b"SMBSigningKey\0", PREAUTH)
    assert wide.application == narrow.application == derive(full[:16], b"SMBAppKey\0", PREAUTH)
    assert wide.client_to_server == derive(full, b"SMBC2SCipherKey\0", PREAUTH, 256)
    assert wide.server_to_client == derive(full, b"SMBS2CCipherKey\0", PREAUTH, 256)
    assert len(wide.client_to_server) == len(wide.server_to_client) == 32
    assert narrow.client_to_server == derive(full[:16], b"SMBC2SCipherKey\0", PREAUTH)
    # L is hashed too, so the short key is not the beginning of the long one.
    assert not wide.client_to_server.startswith(narrow.client_to_server)


def test_aes_256_with_a_key_of_16_bytes() -> None:
    """NTLM yields 16 bytes; they are not padded to 32."""
    key = bytes(range(16))
    keys = derive_keys("3.1.1", key, 256, PREAUTH)
    assert keys.server_to_client == derive(key, b"SMBS2CCipherKey\0", PREAUTH, 256)


def test_all_keys_of_a_session_differ() -> None:
    schemes: list[Scheme] = ["3.0", "3.1.1"]
    for scheme in schemes:
        keys = asdict(derive_keys(scheme, bytes(16), preauth_hash=PREAUTH))
        assert len(set(keys.values())) == 4


@pytest.mark.parametrize("scheme", list(KEY_LABELS))
def test_a_logon_without_a_key_has_no_keys(scheme: Scheme) -> None:
    with pytest.raises(ValueError):
        derive_keys(scheme, b"", preauth_hash=PREAUTH)
    with pytest.raises(ValueError):
        derive_signing_key(scheme, b"", PREAUTH)


@pytest.mark.parametrize("preauth", [b"", bytes(63), bytes(65)])
def test_311_needs_the_whole_hash(preauth: bytes) -> None:
    with pytest.raises(ValueError):
        derive_keys("3.1.1", bytes(16), preauth_hash=preauth)


@pytest.mark.parametrize(("scheme", "bits"), [("2.x", 256), ("3.0", 256), ("3.1.1", 192)])
def test_cipher_key_lengths_are_checked(scheme: Scheme, bits: int) -> None:
    with pytest.raises(ValueError):
        derive_keys(scheme, bytes(16), bits, PREAUTH)


def test_labels_count_their_nul() -> None:
    sizes = {}
    for scheme, labels in KEY_LABELS.items():
        if labels is not None:
            pairs = asdict(labels).values()
            sizes[scheme] = [(len(name), context and len(context)) for name, context in pairs]
    assert sizes == {
        "3.0": [(12, 8), (8, 7), (11, 10), (11, 10)],
        "3.1.1": [(14, None), (10, None), (16, None), (16, None)],
    }


def test_keys_do_not_show() -> None:
    keys = derive_keys("3.1.1", bytes(range(32)), 256, PREAUTH)
    for value in asdict(keys).values():
        for shown in (repr(keys), str(keys), f"{keys}"):
            assert value.hex() not in shown.lower()
            assert repr(value)[2:-1] not in shown
