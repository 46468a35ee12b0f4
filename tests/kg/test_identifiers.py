"""Identifiers by their check digits. The codes are those of well-known securities and of the standards' examples."""

from __future__ import annotations

import pytest

from spacy_nlpkit.kg.identifiers import identifier_kind, is_cusip, is_isin, same_security

VALID = {
    "US0378331005": "isin",
    "GB0002634946": "isin",
    "AU0000XVGZA3": "isin",
    "037833100": "cusip",
    "17275R102": "cusip",
    "0263494": "sedol",
    "B0YBKJ7": "sedol",
    "HWUPKR0MPOU8FGXBT394": "lei",
    "BBG000B9XRY4": "figi",
    "BBG000BLNNH6": "figi",
}


@pytest.mark.parametrize(("code", "kind"), VALID.items())
def test_kinds(code, kind):
    assert identifier_kind(code) == kind
    assert identifier_kind(f" {code.lower()} ") == kind


@pytest.mark.parametrize("code", VALID)
def test_a_wrong_digit_is_noticed(code):
    for place in range(len(code)):
        if code[place].isdigit():
            wrong = code[:place] + str((int(code[place]) + 1) % 10) + code[place + 1 :]
            assert identifier_kind(wrong) != VALID[code], wrong


@pytest.mark.parametrize(
    "text", ["", "Apple", "BBG", "US037833100", "٠٣٧٨٣٣١٠٠", "0" * 10_000, "US03783310O5", "1234567890"]
)
def test_other_texts_are_none(text):
    assert identifier_kind(text) == ""


def test_isins_hold_national_numbers():
    assert same_security("037833100", "cusip")[:2] == ["037833100", "US0378331005"]
    assert all(map(is_isin, same_security("037833100", "cusip")[1:]))
    assert same_security("US0378331005", "isin") == ["US0378331005", "037833100"]
    assert is_cusip(same_security("US0378331005", "isin")[1])
    assert same_security("0263494", "sedol") == ["0263494", "GB0002634946"]
    assert same_security("GB0002634946", "isin") == ["GB0002634946", "0263494"]
    assert same_security("AU0000XVGZA3", "isin") == ["AU0000XVGZA3"]
