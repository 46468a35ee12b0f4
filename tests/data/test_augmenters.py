"""Augmenters on hand-written examples: what is rewritten, and that every annotation finds its place again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import fix_random_seed, load_config_from_str, registry, resolve_dot_names

from spacy_nlpkit.attributes import register_item_attributes
from spacy_nlpkit.data.augmenters import strip_notation
from spacy_nlpkit.data.readers import make_example
from spacy_nlpkit.errors import NlpkitError

TEXT = "Lexmark (NYSE: LXK), a maker of printers in Kentucky, beat Staples Inc. SPLS.O by far."
ENTS = [
    ("Lexmark", "ORG", "org:lexmark"),
    ("NYSE", "ORG", "org:nyse"),
    ("LXK", "TICKER", "org:lexmark"),
    ("Kentucky", "GPE", "gpe:kentucky"),
    ("Staples Inc.", "ORG", ""),
    ("SPLS.O", "TICKER", "org:staples"),
]


@pytest.fixture
def nlp() -> Language:
    register_item_attributes()
    return spacy.blank("en")


def annotate(nlp: Language, text: str, ents: list[tuple[str, str, str]]) -> Doc:
    doc = nlp.make_doc(text)
    spans = []
    for part, label, kb_id in ents:
        start = text.index(part)
        spans.append(doc.char_span(start, start + len(part), label=label, kb_id=kb_id))
    doc.set_ents(spans)
    return doc


@pytest.fixture
def example(nlp: Language) -> Example:
    doc = annotate(nlp, TEXT, ENTS)
    doc.cats = {"Business": 1.0, "Sports": 0.0}
    doc._.date = "2004-08-16"
    doc.user_data["source"] = "by hand"
    doc.spans["incorrect_spans"] = [doc.char_span(TEXT.index("printers"), TEXT.index("printers") + 8, label="ORG")]
    return make_example(nlp, doc)


def augmenter(name: str, **settings: Any) -> Any:
    return registry.augmenters.get(f"spacy_nlpkit.{name}.v1")(**settings)


def only(examples: Any) -> Example:
    (found,) = list(examples)
    return found


def ents_of(doc: Doc) -> list[tuple[str, str, str]]:
    return [(ent.text, ent.label_, ent.kb_id_) for ent in doc.ents]


def check_the_rest(new: Example) -> None:
    """What no augmenter may lose."""
    assert new.reference.cats == {"Business": 1.0, "Sports": 0.0}
    assert new.reference.user_data["source"] == "by hand"
    assert new.reference._.date == new.predicted._.date == "2004-08-16"
    assert [span.text.lower() for span in new.reference.spans["incorrect_spans"]] == ["printers"]
    assert new.predicted.text == new.reference.text
    assert not new.predicted.ents


def test_strip_notation_drops_brackets_and_exchange(nlp: Language, example: Example) -> None:
    new = only(augmenter("strip_notation", level=1.0)(nlp, example))
    assert new.reference.text == TEXT.replace("(NYSE: LXK)", "LXK")
    assert ents_of(new.reference) == [ent for ent in ENTS if ent[0] != "NYSE"]
    check_the_rest(new)
    assert example.reference.text == TEXT


def test_strip_notation_drops_the_venue_on_request(nlp: Language, example: Example) -> None:
    new = only(augmenter("strip_notation", level=1.0, suffix=True)(nlp, example))
    assert new.reference.text.endswith("Staples Inc. SPLS by far.")
    assert ents_of(new.reference)[-1] == ("SPLS", "TICKER", "org:staples")


@pytest.mark.parametrize(
    ("text", "symbols", "expected"),
    [
        ("Dell (DELL.O: Quote, Profile, Research) fell", ["DELL.O"], "Dell DELL.O fell"),
        ("Home Depot (HD:NYSE - news - research) fell", ["HD"], "Home Depot HD fell"),
        ("Yahoo (nasdaq: YHOO - news - people ) rose", ["YHOO"], "Yahoo YHOO rose"),
        ("Texas Instruments <TXN.N>, said", ["TXN.N"], "Texas Instruments TXN.N, said"),
        ("Corp.(INTC.O)and", ["INTC.O"], "Corp. INTC.O and"),
        ("Shell (NYSE: RD, LSE: SHEL) fell", ["RD", "SHEL"], "Shell RD SHEL fell"),
        ("I buy $AAPL now", ["AAPL"], "I buy AAPL now"),
        ("It (and its symbol LXK was right) fell", ["LXK"], "It (and its symbol LXK was right) fell"),
        ("Pfizer's (PFE:NYSE - news - research", ["PFE"], "Pfizer's PFE"),
        ("LXK) and (MSFT) both", ["LXK", "MSFT"], "LXK) and MSFT both"),
        ("no symbol (NYSE: XYZ) here", [], "no symbol (NYSE: XYZ) here"),
    ],
)
def test_strip_notation_on_characters(text: str, symbols: list[str], expected: str) -> None:
    spans = [
        {
            "start": text.index(symbol),
            "end": text.index(symbol) + len(symbol),
            "label": "TICKER",
            "id": symbol,
        }
        for symbol in symbols
    ]
    new_text, new_spans = strip_notation(text, spans)
    assert new_text == expected
    assert [new_text[span["start"] : span["end"]] for span in new_spans] == symbols
    assert [span["id"] for span in new_spans] == symbols
    # Without its notation a text has nothing left to strip.
    assert strip_notation(new_text, new_spans) == (new_text, new_spans)


def test_strip_notation_on_characters_drops_the_exchange() -> None:
    spans = [{"start": 9, "end": 13, "label": "ORG"}, {"start": 15, "end": 18, "label": "TICKER"}]
    assert strip_notation("Lexmark (NYSE: LXK), a", spans) == (
        "Lexmark LXK, a",
        [{"start": 8, "end": 11, "label": "TICKER"}],
    )


def test_swap_keeps_the_notation_and_drops_the_ids(nlp: Language, example: Example) -> None:
    swap = augmenter("swap_symbols", level=1.0, symbols=["DUK"], names={"ORG": ["Acme & Sons Co."]})
    new = only(swap(nlp, example))
    assert new.reference.text == (
        "Acme & Sons Co. (Acme & Sons Co.: DUK), a maker of printers in Kentucky, beat Acme & Sons Co. DUK.O by far."
    )
    assert ents_of(new.reference) == [
        ("Acme & Sons Co.", "ORG", ""),
        ("Acme & Sons Co.", "ORG", ""),
        ("DUK", "TICKER", ""),
        ("Kentucky", "GPE", "gpe:kentucky"),
        ("Acme & Sons Co.", "ORG", ""),
        ("DUK.O", "TICKER", ""),
    ]
    check_the_rest(new)


def test_swap_takes_what_it_saw_and_the_same_for_the_same(nlp: Language) -> None:
    swap = augmenter("swap_symbols", level=1.0)
    first = make_example(nlp, annotate(nlp, "Dell DELL.O rose", [("Dell", "ORG", ""), ("DELL.O", "TICKER", "")]))
    assert only(swap(nlp, first)).reference.text == "Dell DELL.O rose"
    text = "Nike Inc. NKE.N rose, and the .DJI rose as (NYSE: NKE) did"
    doc = annotate(nlp, text, [("Nike Inc.", "ORG", ""), ("NKE.N", "TICKER", ""), (".DJI", "TICKER", "")])
    doc.set_ents([*doc.ents, doc.char_span(len(text) - 8, len(text) - 5, label="TICKER")])
    new = only(swap(nlp, make_example(nlp, doc)))
    assert new.reference.text == "Dell DELL.N rose, and the .DJI rose as (NYSE: DELL) did"
    assert [ent.text for ent in new.reference.ents] == ["Dell", "DELL.N", ".DJI", "DELL"]


def test_swap_reads_names_from_a_file(nlp: Language, example: Example, tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    srsly.write_json(path, {"GPE": ["New South Wales"]})
    swap = augmenter("swap_symbols", level=1.0, symbols=[], names=str(path))
    new = only(swap(nlp, example))
    assert new.reference.text == TEXT.replace("Kentucky", "New South Wales")
    assert ("New South Wales", "GPE", "") in ents_of(new.reference)
    path.write_text("[1", encoding="utf8")
    with pytest.raises(NlpkitError, match=r"N039.*names\.json"):
        augmenter("swap_symbols", level=1.0, names=str(path))
    with pytest.raises(NlpkitError, match=r"N039.*absent\.json"):
        augmenter("swap_symbols", level=1.0, names=str(tmp_path / "absent.json"))


def test_lower_case_keeps_the_annotations(nlp: Language, example: Example) -> None:
    new = only(augmenter("lower_case_entities", level=1.0)(nlp, example))
    assert new.reference.text == TEXT.lower()
    assert ents_of(new.reference) == [(text.lower(), label, kb_id) for text, label, kb_id in ENTS]
    check_the_rest(new)


def test_lower_case_of_a_letter_that_becomes_two(nlp: Language) -> None:
    doc = annotate(nlp, "In İzmir Acme rose", [("İzmir", "GPE", ""), ("Acme", "ORG", "org:acme")])
    new = only(augmenter("lower_case_entities", level=1.0)(nlp, make_example(nlp, doc)))
    assert ents_of(new.reference) == [("i̇zmir", "GPE", ""), ("acme", "ORG", "org:acme")]


@pytest.mark.parametrize("name", ["lower_case_entities", "strip_notation", "swap_symbols"])
def test_missing_annotation_stays_missing(nlp: Language, name: str) -> None:
    text = "Acme (NYSE: ACM) rose but Bolt fell"
    doc = nlp.make_doc(text)
    unknown = doc.char_span(text.index("but"), text.index(" fell"))
    doc.set_ents([doc.char_span(12, 15, label="TICKER")], missing=[unknown], default="outside")
    settings = {"symbols": ["XX"], "names": {}} if name == "swap_symbols" else {}
    new = only(augmenter(name, level=1.0, **settings)(nlp, make_example(nlp, doc))).reference
    assert new.text != text
    assert [token.lower_ for token in new if token.ent_iob == 0] == ["but", "bolt"]
    # A text that nobody annotated stays one.
    bare = nlp.make_doc(text)
    bare = only(augmenter(name, level=1.0, **settings)(nlp, make_example(nlp, bare))).reference
    assert not bare.has_annotation("ENT_IOB")


def test_tokens_without_edits_keep_their_annotation(nlp: Language) -> None:
    words = ["Lexmark", "(", "NYSE", ":", "LXK", ")", "rose", ".", "It", "paid", "."]
    doc = Doc(
        nlp.vocab,
        words=words,
        spaces=[True, False, False, True, False, True, False, True, True, False, False],
        tags=["NNP", "(", "NNP", ":", "NNP", ")", "VBD", ".", "PRP", "VBD", "."],
        sent_starts=[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
        ents=["O", "O", "O", "O", "B-TICKER", "O", "O", "O", "O", "O", "O"],
    )
    new = only(augmenter("strip_notation", level=1.0)(nlp, make_example(nlp, doc))).reference
    assert [token.text for token in new] == ["Lexmark", "LXK", "rose", ".", "It", "paid", "."]
    assert [token.tag_ for token in new] == ["NNP", "NNP", "VBD", ".", "PRP", "VBD", "."]
    assert [sent.text for sent in new.sents] == ["Lexmark LXK rose.", "It paid."]


@pytest.mark.parametrize("name", ["lower_case_entities", "strip_notation", "swap_symbols"])
def test_level_and_seed(nlp: Language, example: Example, name: str) -> None:
    def run(level: float) -> list[str]:
        augment = augmenter(name, level=level)
        fix_random_seed(3)
        return [only(augment(nlp, example)).reference.text for _ in range(60)]

    assert set(run(0.0)) == {TEXT}
    half = run(0.5)
    assert half == run(0.5)
    assert 15 < half.count(TEXT) < 45
    assert TEXT not in run(1.0)
    with pytest.raises(NlpkitError, match=rf"N006.*{name}.*0 to 1"):
        augmenter(name, level=1.5)


CONFIG = """
[corpora]

[corpora.train]
@readers = "spacy_nlpkit.Corpus.v1"
path = null

[corpora.train.augmenter]
@augmenters = "spacy_nlpkit.chain_augmenters.v1"

[corpora.train.augmenter.augmenters]

[corpora.train.augmenter.augmenters.swap]
@augmenters = "spacy_nlpkit.swap_symbols.v1"
level = 1.0
symbols = ["DUK"]
names = {"GPE":["Ohio"]}

[corpora.train.augmenter.augmenters.strip]
@augmenters = "spacy_nlpkit.strip_notation.v1"
level = 1.0

[corpora.train.augmenter.augmenters.lower]
@augmenters = "spacy_nlpkit.lower_case_entities.v1"
level = 1.0
"""


def test_chain_from_a_config(nlp: Language, example: Example, tmp_path: Path) -> None:
    path = tmp_path / "train.spacy"
    DocBin(store_user_data=True, docs=[example.reference]).to_disk(path)
    config = load_config_from_str(CONFIG, overrides={"corpora.train.path": str(path)}, interpolate=True)
    (corpus,) = resolve_dot_names(config, ["corpora.train"])
    new = only(corpus(nlp))
    assert new.reference.text == "lexmark duk, a maker of printers in ohio, beat staples inc. duk.o by far."
    assert [ent.text for ent in new.reference.ents] == ["lexmark", "duk", "ohio", "staples inc.", "duk.o"]
    check_the_rest(new)
