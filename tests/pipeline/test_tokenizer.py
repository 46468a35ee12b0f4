"""Tokens that stock symbols fit."""

import re
from functools import cache

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.tokenizer import Tokenizer

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.pipeline.tokenizer import add_symbol_rules

NEWS = {"nlp": {"tokenizer": {"@tokenizers": "spacy_nlpkit.NewsTokenizer.v1"}}}
# A text, and the symbols and names in it that must be cut out, in order.
CASES = [
    ("Merck & Co.(MRK.N: Quote)", ["Merck & Co.", "MRK.N"]),
    ("shares of Microsoft MSFT.O.", ["MSFT.O"]),
    ("Intel Corp.INTC.O)", ["Intel Corp.", "INTC.O"]),
    ("(NYSE:AWE) (Nasdaq:AAPL - message board)", ["NYSE", "AWE", "AAPL"]),
    ("(HD:NYSE - news)", ["HD", "NYSE"]),
    ("the cashtag $AAPL, $MSFT,$GOOG.", ["AAPL", "MSFT", "GOOG"]),
    ("up: .IXIC and ^GSPC (.DJI)", [".IXIC", "^GSPC", ".DJI"]),
    ("Berkshire BRK.B. Brown-Forman BF-B. Class BRK/A.", ["BRK.B", "BF-B", "BRK/A"]),
    ("Toyota 7203.T, (0700.HK). TYO:7203", ["7203.T", "0700.HK", "7203"]),
    ("Exxon (XOM) sold to AWE.", ["XOM", "AWE"]),
    ("Viacom VIAb.N. and Bayer (BAYGn.DE)", ["VIAb.N", "BAYGn.DE"]),
    ("Ford Motor Co. F.N.", ["Ford Motor Co.", "F.N"]),
    ("PSFT.O;ORCL.O (GM.N/F.N)", ["PSFT.O", "ORCL.O", "GM.N", "F.N"]),
    ("(NYSE:GFI)(NYSE:AU)", ["NYSE", "GFI", "NYSE", "AU"]),
    ("the U.S.-led force, U.N.-imposed", ["U.S.", "U.N."]),
    ("he said of the U.S...", ["U.S."]),
    ("Ill. (BP)--Maybe --(Business Wire)--", ["BP", "Business Wire"]),
    ("/PRNewswire-FirstCall/ -The Washington Post", ["PRNewswire-FirstCall", "The Washington Post"]),
]
# What the language's own rules do well stays as it is.
UNCHANGED = [
    "The U.S. and the U.N. met in the U.K. at 5 p.m. (U.S.)",
    "George W. Bush and J.P. Morgan spoke to V.N. Annadurai.",
    "The plan ended. It was Inc. against Ltd., e.g. in Jan.",
    "A Ph.D. costs $5 or US$5, says http://example.com/a(b)c?d=1.",
    "person(s) with H5N1-B and AT&T's (888)555-1212, at 10:30 :-) :)",
]
LANGUAGES = ["en", "de", "fr", "tr", "xx"]


def build(lang: str, door: str) -> Language:
    if door == "config":
        return spacy.blank(lang, config=NEWS)
    nlp = spacy.blank(lang)
    add_symbol_rules(nlp)
    return nlp


@cache
def shared(lang: str, door: str) -> Language:
    """A pipeline for tests that only cut texts with it."""
    return spacy.blank(lang) if door == "stock" else build(lang, door)


def unfit(nlp: Language, text: str, wanted: list[str]) -> list[str]:
    doc, at, missing = nlp.make_doc(text), 0, []
    for surface in wanted:
        start = text.index(surface, at)
        at = start + len(surface)
        if doc.char_span(start, at) is None:
            missing.append(surface)
    return missing


@pytest.mark.parametrize("door", ["config", "call"])
@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_notations_fit(text, wanted, door):
    nlp = shared("en", door)
    assert unfit(nlp, text, wanted) == []
    assert nlp.make_doc(text).text == text


def test_stock_rules_do_not_fit_them_all():
    assert any(unfit(shared("en", "stock"), text, wanted) for text, wanted in CASES)


@pytest.mark.parametrize("text", UNCHANGED)
def test_ordinary_text_is_cut_as_before(text):
    ours, stock = shared("en", "config"), shared("en", "stock")
    assert [token.text for token in ours.make_doc(text)] == [token.text for token in stock.make_doc(text)]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_other_languages(lang):
    nlp = shared(lang, "call")
    for text, wanted in [("Siemens (SIE.DE: Quote) SAPG.F.", ["SIE.DE", "SAPG.F"]), ("Ford F.N. (NYSE:AWE)", ["AWE"])]:
        assert unfit(nlp, text, wanted) == []
        assert nlp.make_doc(text).text == text


def test_flags_of_the_language_do_not_reach_the_rules():
    # French matches whole tokens in any case; our whole tokens are capitals with one small letter.
    assert [token.text for token in shared("fr", "call").make_doc("viab.n VIAb.N")][-1] == "VIAb.N"
    stock = [token.text for token in shared("fr", "stock").make_doc("Aix-en-provence est-ce aujourd'hui")]
    assert [token.text for token in shared("fr", "call").make_doc("Aix-en-provence est-ce aujourd'hui")] == stock


@pytest.mark.parametrize(("lang", "door"), [("en", "config"), ("en", "call"), ("fr", "config"), ("xx", "call")])
def test_saved_pipeline_cuts_the_same(tmp_path, lang, door):
    nlp = build(lang, door)
    nlp.to_disk(tmp_path / "model")
    texts = [text for text, _ in CASES] + UNCHANGED
    again = [spacy.load(tmp_path / "model"), spacy.blank(lang).from_bytes(nlp.to_bytes())]
    for text in texts:
        tokens = [token.text for token in nlp.make_doc(text)]
        assert all([token.text for token in loaded.make_doc(text)] == tokens for loaded in again)


def test_saved_pipeline_needs_no_rule_of_the_package(tmp_path):
    nlp = build("en", "call")
    nlp.to_disk(tmp_path / "model")
    assert "spacy_nlpkit" not in srsly.read_json(tmp_path / "model" / "meta.json").get("requirements", [])
    assert "spacy_nlpkit" not in (tmp_path / "model" / "config.cfg").read_text()


def test_second_call_changes_nothing():
    nlp = build("en", "config")
    before = nlp.tokenizer.to_bytes()
    add_symbol_rules(nlp)
    assert nlp.tokenizer.to_bytes() == before


def test_bare_tokenizer_takes_the_rules():
    nlp = spacy.blank("en")
    nlp.tokenizer = Tokenizer(nlp.vocab)
    add_symbol_rules(nlp)
    assert [token.text for token in nlp.make_doc("at MSFT.O.")] == ["at", "MSFT.O", "."]


def test_other_kind_of_tokenizer():
    nlp = spacy.blank("zh")
    with pytest.raises(NlpkitError, match=r"N050.*'zh'.*ChineseTokenizer"):
        add_symbol_rules(nlp)
    with pytest.raises(NlpkitError, match=r"N050.*'zh'.*spacy\.zh\.ChineseTokenizer"):
        spacy.blank("zh", config=NEWS)


def test_pattern_that_is_a_function():
    nlp = spacy.blank("en")
    nlp.tokenizer.prefix_search = lambda text: re.search(r"^\(", text)
    with pytest.raises(NlpkitError, match=r"N051.*prefix_search"):
        add_symbol_rules(nlp)
