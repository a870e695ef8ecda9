"""The tokens of SPNEGO, [RFC4178] 4.2 and [MS-SPNG] 2.2.1.

Mechanisms are named by the content octets of their OBJECT IDENTIFIER.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from paraph.auth.der import Reader, Tag, context_fields, encode, encode_oid, only
from paraph.errors import DecodeError

HINT_NAME = b"not_defined_in_RFC4178@please_ignore"


class Mechanism:
    """OBJECT IDENTIFIERs of [MS-SPNG] 1.9.1 and its note <1>."""

    SPNEGO = encode_oid("1.3.6.1.5.5.2")
    NTLM = encode_oid("1.3.6.1.4.1.311.2.2.10")
    NEGOEX = encode_oid("1.3.6.1.4.1.311.2.2.30")
    KERBEROS = encode_oid("1.2.840.113554.1.2.2")
    MS_KERBEROS = encode_oid("1.2.840.48018.1.2.2")
    KERBEROS_USER_TO_USER = encode_oid("1.2.840.113554.1.2.2.3")


_NAMES = {
    Mechanism.SPNEGO: "SPNEGO",
    Mechanism.NTLM: "NTLM",
    Mechanism.NEGOEX: "NegoEx",
    Mechanism.KERBEROS: "Kerberos",
    Mechanism.MS_KERBEROS: "Kerberos",
    Mechanism.KERBEROS_USER_TO_USER: "Kerberos user-to-user",
}


class NegState:
    """negState, [RFC4178] 4.2.2."""

    ACCEPT_COMPLETED = 0
    ACCEPT_INCOMPLETE = 1
    REJECT = 2
    REQUEST_MIC = 3


def mechanism_name(oid: bytes) -> str:
    """A word for the log."""
    return _NAMES.get(oid) or f"OID {oid[:32].hex()}"


def encode_mech_types(mech_types: list[bytes]) -> bytes:
    """MechTypeList, the message that a mechListMIC is made over."""
    return encode(Tag.SEQUENCE, *(encode(Tag.OID, oid) for oid in mech_types))


def _octets(fields: dict[int, memoryview], number: int, what: str) -> bytes | None:
    content = fields.get(number)
    return None if content is None else bytes(only(Tag.OCTET_STRING, content, what))


def _encode_octets(number: int, value: bytes | None) -> bytes:
    if value is None:
        return b""
    return encode(Tag.CONTEXT_0 + number, encode(Tag.OCTET_STRING, value))


@dataclass(slots=True)
class NegTokenInit:
    """NegTokenInit, [RFC4178] 4.2.1, or NegTokenInit2 when `hints` is set, [MS-SPNG] 2.2.1.

    reqFlags are ignored, as [MS-SPNG] 3.1.5.3 demands. `mech_type_list` is the MechTypeList as it
    was received: a mechListMIC covers those bytes.
    """

    mech_types: list[bytes]
    mech_token: bytes | None = field(default=None, repr=False)
    mech_list_mic: bytes | None = None
    hints: bool = False
    mech_type_list: bytes = field(default=b"", repr=False)

    @classmethod
    def decode(cls, data: bytes | memoryview) -> NegTokenInit:
        """From an InitialContextToken, [RFC2743] 3.1. Raises DecodeError, also when the token is
        of another mechanism than SPNEGO."""
        outer = Reader(only(Tag.APPLICATION_0, memoryview(data), "InitialContextToken"))
        mechanism = bytes(outer.read(Tag.OID, "thisMech"))
        if mechanism != Mechanism.SPNEGO:
            raise DecodeError(f"a token of {mechanism_name(mechanism)} without SPNEGO")
        choice = outer.read(Tag.CONTEXT_0, "NegTokenInit")
        outer.end("InitialContextToken")
        fields = context_fields(only(Tag.SEQUENCE, choice, "NegTokenInit"), "NegTokenInit")
        mech_type_list = fields.get(0)
        if mech_type_list is None:
            raise DecodeError("NegTokenInit without mechTypes")
        mech_types = []
        reader = Reader(only(Tag.SEQUENCE, mech_type_list, "mechTypes"))
        while not reader.at_end:
            mech_types.append(bytes(reader.read(Tag.OID, "mechTypes")))
        # [3] is the mechListMIC of NegTokenInit, but the hints of NegTokenInit2, whose MIC is [4].
        hints = 3 in fields and fields[3][:1] == bytes((Tag.SEQUENCE,))
        return cls(
            mech_types,
            _octets(fields, 2, "mechToken"),
            _octets(fields, 4 if hints else 3, "mechListMIC"),
            hints,
            bytes(mech_type_list),
        )

    def encode(self) -> bytes:
        """The InitialContextToken around it."""
        hint = encode(Tag.CONTEXT_0, encode(Tag.GENERAL_STRING, HINT_NAME))
        sequence = encode(
            Tag.SEQUENCE,
            encode(Tag.CONTEXT_0, encode_mech_types(self.mech_types)),
            _encode_octets(2, self.mech_token),
            encode(Tag.CONTEXT_0 + 3, encode(Tag.SEQUENCE, hint)) if self.hints else b"",
            _encode_octets(4 if self.hints else 3, self.mech_list_mic),
        )
        return encode(
            Tag.APPLICATION_0,
            encode(Tag.OID, Mechanism.SPNEGO),
            encode(Tag.CONTEXT_0, sequence),
        )


@dataclass(slots=True)
class NegTokenResp:
    """NegTokenResp, [RFC4178] 4.2.2; None is a field that is not there."""

    neg_state: int | None = None
    supported_mech: bytes | None = None
    response_token: bytes | None = field(default=None, repr=False)
    mech_list_mic: bytes | None = None

    @classmethod
    def decode(cls, data: bytes | memoryview) -> NegTokenResp:
        """Raises DecodeError."""
        what = "NegTokenResp"
        choice = only(Tag.CONTEXT_0 + 1, memoryview(data), what)
        fields = context_fields(only(Tag.SEQUENCE, choice, what), what)
        token = cls(
            response_token=_octets(fields, 2, "responseToken"),
            mech_list_mic=_octets(fields, 3, "mechListMIC"),
        )
        if 0 in fields:
            state = only(Tag.ENUMERATED, fields[0], "negState")
            if len(state) != 1 or state[0] > NegState.REQUEST_MIC:
                raise DecodeError("negState out of range")
            token.neg_state = state[0]
        if 1 in fields:
            token.supported_mech = bytes(only(Tag.OID, fields[1], "supportedMech"))
        return token

    def encode(self) -> bytes:
        """The token."""
        state = mechanism = b""
        if self.neg_state is not None:
            state = encode(Tag.CONTEXT_0, encode(Tag.ENUMERATED, bytes((self.neg_state,))))
        if self.supported_mech is not None:
            mechanism = encode(Tag.CONTEXT_0 + 1, encode(Tag.OID, self.supported_mech))
        sequence = encode(
            Tag.SEQUENCE,
            state,
            mechanism,
            _encode_octets(2, self.response_token),
            _encode_octets(3, self.mech_list_mic),
        )
        return encode(Tag.CONTEXT_0 + 1, sequence)
