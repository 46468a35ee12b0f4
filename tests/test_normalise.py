"""Keys of names and symbols."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_nlpkit.normalise import name_key, symbol_key, without_legal_form

TEXT = st.one_of(st.text(max_size=40), st.text("THEtheCoInc.&' -ÅßİﬁǅN.V., ", max_size=30))


@pytest.mark.parametrize(
    ("key", "spellings"),
    [
        ("coca cola", ["The Coca-Cola Co.", "COCA COLA COMPANY", "Coca  Cola", "coca-cola"]),
        ("philips", ["Philips N.V.", "Philips NV", "PHILIPS"]),
        ("at and t", ["AT&T Inc.", "AT & T Corp", "AT and T"]),
        ("nestle", ["Nestlé S.A.", "Nestle SA", "NESTLÉ"]),
        ("moller maersk", ["Møller-Mærsk AS", "MOLLER MAERSK"]),
        ("mcdonalds", ["McDonald's Corp.", "McDonald’s"]),
        ("amazon com", ["Amazon.com, Inc.", "AMAZON COM INC"]),
        ("eni", ["Eni S.p.A.", "ENI SpA"]),
        ("merck", ["Merck & Co., Inc.", "Merck"]),
        ("fuji", ["ＦＵＪＩ", "Fuji KK"]),
        ("strasse", ["Straße", "STRASSE"]),
    ],
)
def test_spellings_share_a_key(key, spellings):
    assert {name_key(spelling) for spelling in spellings} == {key}


@pytest.mark.parametrize("text", ["The", "Inc.", "Co", "SE"])
def test_a_name_that_is_a_dropped_word_stays(text):
    assert name_key(text) == text.lower().rstrip(".")


@pytest.mark.parametrize("text", ["", "  ", "...", "—"])
def test_no_letters_no_key(text):
    assert name_key(text) == symbol_key(text) == ""


def test_different_names_keep_apart():
    names = ["First Data", "First Union", "Ford", "Fox", "Sea Ltd", "SE"]
    assert len({name_key(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("BRK.B", "BRK.B"),
        ("brk/b", "BRK.B"),
        ("$BRK-B", "BRK.B"),
        ("^GSPC", "GSPC"),
        (".IXIC", "IXIC"),
        ("DELL.O", "DELL.O"),
    ],
)
def test_symbols(text, key):
    assert symbol_key(text) == key


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Apple Inc.", "Apple"),
        ("Merck & Co., Inc.", "Merck"),
        ("Amazon.com, Inc.", "Amazon.com"),
        ("Inc.", "Inc."),
        ("Ford Motor", "Ford Motor"),
    ],
)
def test_name_without_legal_form(text, short):
    assert without_legal_form(text) == short


@given(TEXT)
def test_keys_are_idempotent(text):
    for key in (name_key, symbol_key):
        assert key(key(text)) == key(text)


@given(TEXT)
def test_blanks_around_do_not_matter(text):
    assert name_key(f" {text}\t ") == name_key(text)
