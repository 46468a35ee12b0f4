"""The scorer of ticker_ner, found through its entry point."""

from __future__ import annotations

import random

import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import registry

from spacy_nlpkit import attributes

TEXTS = [
    "Dell Inc. (DELL.O) rose on Monday as the market went on .",
    "The shares of Main Street rose; ON and AWE fell .",
    "AT&T Wireless (NYSE: AWE) said it would sell .",
]


@pytest.fixture(scope="module")
def nlp():
    attributes.register_confidence()
    return spacy.blank("en")


@pytest.fixture(scope="module")
def score():
    return registry.scorers.get("spacy_nlpkit.ticker_ner_scorer.v1")()


def annotate(doc, *entities, missing=()):
    """Set entities given as (text, label) or (text, label, confidence), where the text first stands."""
    spans = []
    for text, label, *_ in entities:
        start = doc.text.index(text)
        span = doc.char_span(start, start + len(text), label=label)
        assert span is not None, text
        spans.append(span)
    unknown = [doc.char_span(doc.text.index(text), doc.text.index(text) + len(text)) for text in missing]
    doc.set_ents(spans, missing=unknown)
    for span, (_, _, *confidence) in zip(spans, entities):
        if confidence:
            attributes.set_confidence(span, confidence[0], component="ticker_ner", calibrated=True)
    return doc


def example(nlp, text, gold, predicted, missing=()):
    reference = annotate(nlp.make_doc(text), *gold, missing=missing)
    return Example(annotate(nlp.make_doc(text), *predicted), reference)


def test_entity_scores_are_those_of_spacy_on_random_documents(nlp, score):
    rng = random.Random(0)
    words = "Alpha Beta Gamma NYSE : AWE rose fell".split()  # noqa: SIM905
    examples = []
    for _ in range(60):
        tokens = rng.choices(words, k=8)
        reference, predicted = Doc(nlp.vocab, words=tokens), Doc(nlp.vocab, words=tokens)
        if rng.random() < 0.3:  # another tokenization on the predicted side
            with predicted.retokenize() as retokenizer:
                retokenizer.merge(predicted[2:4])
        if rng.random() < 0.9:
            ends = [rng.randrange(2), rng.randrange(4, 6)]
            spans = [Span(reference, start, start + 2, rng.choice(["ORG", "TICKER"])) for start in ends]
            missing = [reference[7:8]] if rng.random() < 0.5 else []
            reference.set_ents(spans, missing=missing)
        n = len(predicted)
        predicted.ents = [
            Span(predicted, 0, 2, label=rng.choice(["ORG", "TICKER"])),
            Span(predicted, n - rng.choice([1, 3]), n, label="ORG"),
        ]
        examples.append(Example(predicted, reference))
    expected = get_ner_prf(examples)
    assert 0.0 < expected["ents_f"] < 1.0
    scores = score(iter(examples))
    assert {key: scores[key] for key in expected} == expected


def test_calibration_error_is_that_of_predicted_entities(nlp, score):
    text = TEXTS[0]
    right = example(nlp, text, [("Dell Inc.", "ORG")], [("Dell Inc.", "ORG", 0.9), ("Monday", "ORG", 0.6)])
    # Two items: |0.9 - 1| and |0.6 - 0|, each half of all.
    assert score([right])["ents_ece"] == pytest.approx((0.1 + 0.6) / 2)


def test_missing_annotation_is_neither_rewarded_nor_punished(nlp, score):
    predicted = [("Dell Inc.", "ORG", 0.9), ("DELL.O", "TICKER", 0.2)]
    known = example(nlp, TEXTS[0], [("Dell Inc.", "ORG")], predicted[:1])
    unknown = example(nlp, TEXTS[0], [("Dell Inc.", "ORG")], predicted, missing=["DELL.O"])
    # spaCy names the predicted label all the same, without a count.
    single_scores = {key: value for key, value in score([unknown]).items() if key != "ents_per_type"}
    assert single_scores.items() <= score([known]).items()
    unannotated = Example(annotate(nlp.make_doc(TEXTS[0]), *predicted), nlp.make_doc(TEXTS[0]))
    assert score([known, unannotated]) == score([known])
    assert set(map(str, score([unannotated]).values())) == {"None"}


def test_no_confidence_gives_no_calibration_error(nlp, score):
    eg = example(nlp, TEXTS[0], [("Dell Inc.", "ORG")], [("Dell Inc.", "ORG")])
    assert score([eg])["ents_ece"] is None
    assert score([eg])["ents_f"] == 1.0


def test_slices_by_notation(nlp, score):
    found = example(nlp, TEXTS[0], [("DELL.O", "TICKER")], [("DELL.O", "TICKER")])
    missed = example(nlp, TEXTS[2], [("AWE", "TICKER")], [])
    bare = example(nlp, TEXTS[1], [("AWE", "TICKER")], [("AWE", "TICKER"), ("Street", "TICKER")])
    scores = score([found, missed, bare])
    assert [scores[f"ticker_known_notation_{key}"] for key in "pr"] == [1.0, 0.5]
    assert [scores[f"ticker_bare_{key}"] for key in "pr"] == [0.5, 1.0]
    assert scores["ticker_word_f"] is None


def test_the_slice_of_symbols_that_are_words(nlp, score):
    # "on" is written in lower case in the first text; a word of the built-in list needs no such text.
    lower = example(nlp, TEXTS[0], [("DELL.O", "TICKER")], [("DELL.O", "TICKER")])
    symbol = example(nlp, TEXTS[1], [("ON", "TICKER"), ("AWE", "TICKER")], [("AWE", "TICKER")])
    scores = score([lower, symbol])
    assert [scores[f"ticker_word_{key}"] for key in "prf"] == [0.0, 0.0, 0.0]
    rose = example(nlp, "Rosetta (ROSE.O) went up .", [("ROSE.O", "TICKER")], [("ROSE.O", "TICKER")])
    assert score([rose])["ticker_word_f"] == 1.0
    xylem = example(nlp, "Xylem (XYL.N) of xyl .", [("XYL.N", "TICKER")], [("XYL.N", "TICKER")])
    assert score([xylem])["ticker_word_f"] == 1.0
    dell = example(nlp, TEXTS[0], [("DELL.O", "TICKER")], [("DELL.O", "TICKER")])
    assert score([dell])["ticker_word_f"] is None


def test_the_label_of_symbols_can_have_another_name(nlp, score):
    eg = example(nlp, TEXTS[0], [("DELL.O", "SYMBOL")], [("DELL.O", "SYMBOL")])
    assert score([eg])["ticker_known_notation_f"] is None
    assert score([eg], ticker_label="SYMBOL", labels=("SYMBOL",))["ticker_known_notation_f"] == 1.0


def test_no_examples_give_no_scores(score):
    assert set(score([]).values()) == {None}
