"""The codec of the NTLM messages, [MS-NLMP] 2.2."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraph.auth.ntlm_messages import (
    AuthenticateMessage,
    AvFlags,
    AvId,
    ChallengeMessage,
    ClientChallenge,
    NegotiateFlags,
    NegotiateMessage,
    av_flags,
    av_text,
    decode_av_pairs,
    encode_av_pairs,
    message_type,
)
from paraph.errors import DecodeError

# [MS-NLMP] 4.2.4.3
SPEC_CHALLENGE = bytes.fromhex(
    "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef"
    "00000000000000002400240044000000060070170000000f"
    "530065007200760065007200"
    "02000c0044006f006d00610069006e0001000c005300650072007600650072"
    "0000000000"
)
SPEC_AUTHENTICATE = bytes.fromhex(
    "4e544c4d5353500003000000180018006c00000054005400840000000c000c00"
    "480000000800080054000000100010005c00000010001000d8000000358288e2"
    "0501280a0000000f44006f006d00610069006e00550073006500720043004f00"
    "4d005000550054004500520086c35097ac9cec102554764a57cccc19aaaaaaaa"
    "aaaaaaaa68cd0ab851e51c96aabc927bebef6a1c010100000000000000000000"
    "00000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00"
    "01000c005300650072007600650072000000000000000000c5dad2544fc97990"
    "94ce1ce90bc9d03e"
)


def test_challenge_of_the_specification() -> None:
    """Its flags lack REQUEST_TARGET although it has a name: [MS-NLMP] 2.2.1.2 says to ignore it."""
    message = ChallengeMessage.decode(SPEC_CHALLENGE)
    assert message.flags == 0xE28A_8233
    assert message.server_challenge.hex() == "0123456789abcdef"
    assert message.target_name == ""
    assert message.version.hex() == "060070170000000f"
    assert decode_av_pairs(memoryview(message.target_info)) == [
        (AvId.NB_DOMAIN_NAME, "Domain".encode("utf-16-le")),
        (AvId.NB_COMPUTER_NAME, "Server".encode("utf-16-le")),
    ]
    message.target_name = "Server"
    assert message.encode() == SPEC_CHALLENGE


def test_authenticate_of_the_specification() -> None:
    message = AuthenticateMessage.decode(SPEC_AUTHENTICATE)
    assert (message.domain, message.user, message.workstation) == ("Domain", "User", "COMPUTER")
    assert message.flags == 0xE288_8235
    assert len(message.lm_response) == 24
    assert len(message.nt_response) == 84
    assert message.encrypted_key.hex() == "c5dad2544fc9799094ce1ce90bc9d03e"
    assert message.version.hex() == "0501280a0000000f"
    assert message.mic == b""
    temp = ClientChallenge.decode(memoryview(message.nt_response)[16:])
    assert temp.timestamp == 0
    assert temp.challenge == b"\xaa" * 8
    assert temp.encode() == message.nt_response[16:]
    assert message.encode() == SPEC_AUTHENTICATE


def test_authenticate_with_mic() -> None:
    message = AuthenticateMessage(7, "D", "Ü", "W", b"l", b"n" * 3, b"k", bytes(8), b"m" * 16)
    assert AuthenticateMessage.decode(message.encode()) == message


def test_authenticate_without_version() -> None:
    """As older clients send it: the payload begins at 64."""
    message = AuthenticateMessage(7, "D", "U", "W", b"l", b"n", b"k", version=b"")
    assert message.encode()[64:66] == b"D\0"
    decoded = AuthenticateMessage.decode(message.encode())
    assert (decoded.domain, decoded.user, decoded.mic) == ("D", "U", b"")
    assert decoded.version == bytes(8)


def test_negotiate() -> None:
    flags = (
        NegotiateFlags.UNICODE
        | NegotiateFlags.OEM_DOMAIN_SUPPLIED
        | NegotiateFlags.OEM_WORKSTATION_SUPPLIED
        | NegotiateFlags.VERSION
    )
    message = NegotiateMessage(flags, b"DOMAIN", b"PC", bytes(range(8)))
    data = message.encode()
    assert data[:12] == b"NTLMSSP\0\1\0\0\0"
    assert NegotiateMessage.decode(data) == message
    # Without their flags the fields are not looked at, wherever they point.
    plain = data[:12] + b"\1\0\0\0" + b"\xff" * 24
    assert NegotiateMessage.decode(plain) == NegotiateMessage(1)
    with pytest.raises(DecodeError):
        NegotiateMessage.decode(data[:16] + b"\xff" * 24)


def test_av_pairs() -> None:
    pairs = [(AvId.NB_COMPUTER_NAME, b"S\0"), (AvId.FLAGS, b"\2\0\0\0"), (77, b"")]
    data = encode_av_pairs(pairs)
    assert data.hex() == "01000200530006000400020000004d00000000000000"
    assert decode_av_pairs(memoryview(data + b"anything")) == pairs
    assert av_flags(pairs) == AvFlags.MIC_PRESENT
    assert av_text(pairs, AvId.NB_COMPUTER_NAME) == "S"
    assert av_text(pairs, AvId.TARGET_NAME) == ""
    assert av_flags([(AvId.FLAGS, b"\2\0\0\0"), (AvId.FLAGS, b"\0\0\0\0")]) == 2


@pytest.mark.parametrize("data", ["07", "0700", "070008", "0700080001", "0100020053"])
def test_av_pairs_cut_off(data: str) -> None:
    with pytest.raises(DecodeError):
        decode_av_pairs(memoryview(bytes.fromhex(data)))


def patched(data: bytes, offset: int, hex_: str) -> bytes:
    new = bytes.fromhex(hex_)
    return data[:offset] + new + data[offset + len(new) :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"NTLMSSP",
        SPEC_AUTHENTICATE[:63],
        patched(SPEC_AUTHENTICATE, 0, "6e"),  # signature
        patched(SPEC_AUTHENTICATE, 8, "01"),  # type
        patched(SPEC_AUTHENTICATE, 16, "3f000000"),  # LM response inside the fixed part
        patched(SPEC_AUTHENTICATE, 24, "ffffffff"),  # NT response far away
        patched(SPEC_AUTHENTICATE, 20, "ffff"),  # NT response too long
        patched(SPEC_AUTHENTICATE, 28, "0b00"),  # half a character in the domain
        patched(SPEC_AUTHENTICATE, 36, "0700"),  # in the user
        patched(SPEC_AUTHENTICATE, 44, "0100"),  # in the workstation
        patched(SPEC_AUTHENTICATE, 84, "00d8"),  # a lone surrogate in the user
        patched(SPEC_AUTHENTICATE, 56, "d9000000"),  # key one byte past the end
    ],
)
def test_authenticate_errors(data: bytes) -> None:
    with pytest.raises(DecodeError):
        AuthenticateMessage.decode(data)


@pytest.mark.parametrize(
    "data",
    [
        SPEC_CHALLENGE[:47],
        patched(SPEC_CHALLENGE, 8, "03"),
        patched(SPEC_CHALLENGE, 44, "2f000000"),
        patched(SPEC_CHALLENGE, 40, "2500"),
    ],
)
def test_challenge_errors(data: bytes) -> None:
    with pytest.raises(DecodeError):
        ChallengeMessage.decode(data)


def test_message_type() -> None:
    assert message_type(SPEC_CHALLENGE) == 2
    with pytest.raises(DecodeError):
        message_type(b"NTLMSSP\0\1\0\0")


def test_repr_hides_what_could_be_attacked() -> None:
    shown = repr(AuthenticateMessage.decode(SPEC_AUTHENTICATE))
    assert "response" not in shown
    assert "key" not in shown
    assert "mic" not in shown


DECODERS: list[Callable[[memoryview], object]] = [
    NegotiateMessage.decode,
    ChallengeMessage.decode,
    AuthenticateMessage.decode,
]


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2), st.binary(max_size=150))
def test_arbitrary_messages(kind: int, data: bytes) -> None:
    message = b"NTLMSSP\0" + bytes((kind + 1, 0, 0, 0)) + data
    try:
        DECODERS[kind](memoryview(message))
    except DecodeError:
        pass


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(1, 0xFFFF), st.binary(max_size=20)),
        max_size=8,
    )
)
def test_av_pairs_round_trip(pairs: list[tuple[int, bytes]]) -> None:
    assert decode_av_pairs(memoryview(encode_av_pairs(pairs))) == pairs
