"""What two peers settle on, [MS-SMB2] 3.3.5.4."""

from __future__ import annotations

import pytest

from paraph.core.dialect import DIALECTS, common_dialect
from paraph.core.negotiation import Agreement, cipher_without_contexts, settle
from paraph.errors import NTStatusError
from paraph.wire.ntstatus import NTStatus
from paraph.wire.smb2.negotiate import ContextType, NegotiateContext
from paraph.wire.smb2.negotiate_contexts import (
    Cipher,
    EncryptionCapabilities,
    PreauthIntegrityCapabilities,
    SigningAlgorithm,
    SigningCapabilities,
)

PREAUTH = NegotiateContext(
    ContextType.PREAUTH_INTEGRITY_CAPABILITIES,
    PreauthIntegrityCapabilities([1], b"s" * 32).encode(),
)
SERVER_CIPHERS = (2, 1, 4, 3)
SERVER_SIGNING = (2, 1, 0)


def ciphers(*offered: int) -> NegotiateContext:
    data = EncryptionCapabilities(list(offered)).encode()
    return NegotiateContext(ContextType.ENCRYPTION_CAPABILITIES, data)


def signing(*offered: int) -> NegotiateContext:
    data = SigningCapabilities(list(offered)).encode()
    return NegotiateContext(ContextType.SIGNING_CAPABILITIES, data)


def agree(*contexts: NegotiateContext, can_encrypt: bool = True) -> Agreement:
    return settle(
        contexts,
        ciphers=SERVER_CIPHERS if can_encrypt else (),
        signing_algorithms=SERVER_SIGNING,
        salt=b"salt" * 8,
    )


def kinds(agreement: Agreement) -> list[int]:
    return [context.type for context in agreement.contexts]


@pytest.mark.parametrize(
    ("offered", "minimum", "maximum", "chosen"),
    [
        ([0x0202, 0x0210, 0x0300, 0x0302, 0x0311], 0x0202, 0x0311, 0x0311),
        ([0x0311, 0x0202], 0x0202, 0x0302, 0x0202),
        ([0x0202, 0x0210], 0x0300, 0x0311, None),
        ([0x0300, 0x0999], 0x0202, 0x0311, 0x0300),
        ([0x02FF], 0x0202, 0x0311, None),
    ],
)
def test_the_greatest_common_dialect(
    offered: list[int], minimum: int, maximum: int, chosen: int | None
) -> None:
    row = common_dialect(offered, minimum, maximum)
    assert (row.revision if row else None) == chosen


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [((2, 1), 2), ((1, 2), 2), ((1,), 1), ((3, 4), 4), ((3,), 3), ((9,), 0), ((), 0)],
)
def test_cipher(offered: tuple[int, ...], chosen: int) -> None:
    agreement = agree(PREAUTH, ciphers(*offered))
    assert agreement.cipher_id == chosen
    answer = agreement.contexts[1]
    assert answer.type == ContextType.ENCRYPTION_CAPABILITIES
    assert EncryptionCapabilities.decode(memoryview(answer.data)).ciphers == [chosen]


def test_a_server_that_does_not_encrypt_ignores_the_ciphers() -> None:
    agreement = agree(PREAUTH, ciphers(2), can_encrypt=False)
    assert agreement.cipher_id == 0
    assert kinds(agreement) == [ContextType.PREAUTH_INTEGRITY_CAPABILITIES]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [((2, 1, 0), 2), ((0, 1), 1), ((0,), 0), ((7, 9), SigningAlgorithm.AES_CMAC)],
)
def test_signing_algorithm(offered: tuple[int, ...], chosen: int) -> None:
    agreement = agree(PREAUTH, signing(*offered))
    assert agreement.signing_algorithm_id == chosen
    answer = SigningCapabilities.decode(memoryview(agreement.contexts[1].data))
    assert answer.signing_algorithms == [chosen]


def test_without_signing_capabilities_it_is_cmac_and_no_context_answers() -> None:
    agreement = agree(PREAUTH)
    assert agreement.signing_algorithm_id == SigningAlgorithm.AES_CMAC
    assert kinds(agreement) == [ContextType.PREAUTH_INTEGRITY_CAPABILITIES]


def test_unknown_contexts_are_ignored() -> None:
    netname = NegotiateContext(ContextType.NETNAME_NEGOTIATE_CONTEXT_ID, "x".encode("utf-16-le"))
    unknown = NegotiateContext(0x7777, b"\xff")
    agreement = agree(netname, unknown, PREAUTH, unknown)
    assert kinds(agreement) == [ContextType.PREAUTH_INTEGRITY_CAPABILITIES]


@pytest.mark.parametrize(
    ("contexts", "status"),
    [
        ([], NTStatus.INVALID_PARAMETER),
        ([PREAUTH, PREAUTH], NTStatus.INVALID_PARAMETER),
        ([PREAUTH, ciphers(2), ciphers(2)], NTStatus.INVALID_PARAMETER),
        ([PREAUTH, signing(2), signing(2)], NTStatus.INVALID_PARAMETER),
        ([PREAUTH, signing()], NTStatus.INVALID_PARAMETER),
        (
            [PREAUTH, NegotiateContext(ContextType.SIGNING_CAPABILITIES, b"\x02\x00\x01\x00")],
            NTStatus.INVALID_PARAMETER,
        ),
        (
            [PREAUTH, NegotiateContext(ContextType.ENCRYPTION_CAPABILITIES, b"\x01")],
            NTStatus.INVALID_PARAMETER,
        ),
        (
            [NegotiateContext(1, PreauthIntegrityCapabilities([2], b"").encode())],
            NTStatus.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP,
        ),
    ],
)
def test_refused(contexts: list[NegotiateContext], status: int) -> None:
    with pytest.raises(NTStatusError) as caught:
        agree(*contexts)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("revision", "client_can", "expected"),
    [
        (0x0210, True, 0),
        (0x0300, True, Cipher.AES_128_CCM),
        (0x0302, True, Cipher.AES_128_CCM),
        (0x0302, False, 0),
    ],
)
def test_cipher_before_3_1_1(revision: int, client_can: bool, expected: int) -> None:
    assert cipher_without_contexts(DIALECTS[revision], client_can, SERVER_CIPHERS) == expected
