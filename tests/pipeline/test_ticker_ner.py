"""What ticker_ner writes on documents, and what its settings change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.cli.find_threshold import find_threshold
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_nlpkit.errors import NlpkitError

from .small_ner import GOLD, TEXTS, annotate, build, found, make_examples, pipe_of, span_in, train


@pytest.mark.parametrize("listening", [False, True], ids=["own encoder", "listener"])
def test_learns_by_heart_and_reloads(listening: bool, tmp_path: Path) -> None:
    train(build(listening=listening)).to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    assert [(text, found(nlp, text)) for text in TEXTS] == GOLD
    assert nlp.evaluate(make_examples(nlp))["ents_f"] == 1.0


@pytest.mark.parametrize(
    ("text", "symbol", "parts"),
    [
        (TEXTS[0], "DELL.O", {"root": "DELL", "venue": "O", "mic": "XNAS", "notation": "ric"}),
        (TEXTS[1], "AWE", {"root": "AWE", "venue": "NYSE", "mic": "XNYS", "notation": "paren_exchange"}),
        (TEXTS[2], "AAPL", {"root": "AAPL", "venue": None, "mic": None, "notation": "cashtag"}),
        (TEXTS[3], "HD", {"root": "HD", "venue": "NYSE", "mic": "XNYS", "notation": "paren_reversed"}),
    ],
)
def test_symbols_are_taken_apart(nlp: Language, text: str, symbol: str, parts: dict[str, Any]) -> None:
    tickers = {ent.text: ent._.ticker for ent in nlp(text).ents}
    assert tickers.pop(symbol) == {"raw": symbol, "suffix": None, "share_class": None, **parts}
    assert set(tickers.values()) == {None}


def test_a_symbol_is_read_in_its_context_alone(nlp: Language) -> None:
    """At the ends of a document, and far from both."""
    far = " ".join(["again"] * 60)
    for text in ("$AAPL", f"{far} $AAPL {far}", f"NYSE: {far} AAPL {far} :NYSE"):
        doc = nlp.make_doc(text)
        span = span_in(doc, "AAPL")
        pipe_of(nlp).set_annotations([doc], [[(span.start, span.end, "TICKER", 0.9)]])
        expected = ("cashtag", None) if "$" in text else ("bare", None)
        assert (doc.ents[0]._.ticker["notation"], doc.ents[0]._.ticker["venue"]) == expected


def test_any_labels_without_symbols() -> None:
    gold = [("The Orion 5 is out.", [("Orion 5", "PRODUCT")]), ("We saw a red kite.", [("red kite", "Tier-Art")])]
    nlp = build()
    train(nlp, make_examples(nlp, gold))
    assert pipe_of(nlp).labels == ("PRODUCT", "Tier-Art")
    assert [(text, found(nlp, text)) for text, _ in gold] == gold
    assert [ent._.ticker for text, _ in gold for ent in nlp(text).ents] == [None, None]
    assert nlp.evaluate(make_examples(nlp, gold))["ents_f"] == 1.0


def with_ticker(nlp: Language) -> set[str]:
    """Labels of the entities of the first text that were read as symbols."""
    return {ent.label_ for ent in nlp(TEXTS[0]).ents if ent._.ticker}


def test_the_label_of_symbols_is_a_setting(saved: Path) -> None:
    gold = [(text, [(ent, label.replace("TICKER", "SYMBOL")) for ent, label in ents]) for text, ents in GOLD]
    nlp = build(ticker_label="SYMBOL")
    train(nlp, make_examples(nlp, gold))
    assert with_ticker(nlp) == {"SYMBOL"}
    assert with_ticker(spacy.load(saved, config={"components.ticker_ner.ticker_label": "GPE"})) == {"GPE"}
    assert with_ticker(spacy.load(saved, config={"components.ticker_ner.ticker_label": "NONE"})) == set()


# Earlier entities


def with_earlier(nlp: Language) -> list[tuple[str, str, str, str]]:
    """The entities of the first text after an earlier component has set two, which have ids."""
    doc = annotate(nlp.make_doc(TEXTS[0]), [("Inc.", "SUFFIX"), ("opens", "VERB")])
    for ent, kb_id in zip(doc.ents, ["Q1", "Q2"]):
        ent[0].ent_kb_id_ = kb_id
        ent[0].ent_id_ = f"id-{kb_id}"
    doc = nlp(doc)
    return [(ent.text, ent.label_, ent.kb_id_, ent.id_) for ent in doc.ents]


def test_earlier_entities_are_replaced(nlp: Language) -> None:
    assert with_earlier(nlp) == [(text, label, "", "") for text, label in GOLD[0][1]]


def test_earlier_entities_are_kept_on_request(saved: Path) -> None:
    """With their ids; what overlaps them is left out, the rest is added."""
    nlp = spacy.load(saved, config={"components.ticker_ner.overwrite": False})
    assert with_earlier(nlp) == [
        ("Inc.", "SUFFIX", "Q1", "id-Q1"),
        ("DELL.O", "TICKER", "", ""),
        ("opens", "VERB", "Q2", "id-Q2"),
        ("Paris", "GPE", "", ""),
    ]


def test_a_ruler_before_it_decides(saved: Path) -> None:
    nlp = spacy.load(saved, config={"components.ticker_ner.overwrite": False})
    ruler = nlp.add_pipe("entity_ruler", before="ticker_ner")
    ruler.add_patterns([{"label": "CITY", "pattern": "Paris", "id": "paris-fr"}])  # type: ignore[attr-defined]
    doc = nlp(TEXTS[0])
    assert [(ent.label_, ent.id_) for ent in doc.ents] == [("ORG", ""), ("TICKER", ""), ("CITY", "paris-fr")]
    assert doc.ents[2]._.confidence is None


def test_nothing_of_an_earlier_run_is_left(saved: Path) -> None:
    """A symbol that another pipeline read, where this one finds something else."""
    nlp = spacy.load(saved)
    doc = spacy.load(saved, config={"components.ticker_ner.ticker_label": "ORG"})(nlp.make_doc(TEXTS[0]))
    assert doc.ents[0]._.ticker["raw"] == "Dell Inc."
    doc = nlp(doc)
    assert [bool(ent._.ticker) for ent in doc.ents] == [False, True, False]


# Thresholds


def labels_found(path: Path, **settings: Any) -> set[str]:
    """Labels of all entities in the texts, with settings given at load."""
    nlp = spacy.load(path, config={f"components.ticker_ner.{key}": value for key, value in settings.items()})
    return {ent.label_ for doc in nlp.pipe(TEXTS) for ent in doc.ents}


def test_thresholds_at_load(saved: Path) -> None:
    everything = {"ORG", "TICKER", "GPE"}
    assert labels_found(saved) == everything
    assert labels_found(saved, threshold=1.0) == set()
    assert labels_found(saved, thresholds={"TICKER": 1.0}) == everything - {"TICKER"}
    assert labels_found(saved, threshold=1.0, thresholds={"GPE": 0.5, "ORG": 0}) == {"GPE", "ORG"}
    with pytest.warns(UserWarning, match=r"\[NW070\].*UNSEEN.*GPE, ORG, TICKER") as caught:
        assert labels_found(saved, threshold=0.5, thresholds={"UNSEEN": 1.0}) == everything
    assert len(caught) == 1


def test_a_low_threshold_finds_what_is_unlikely(nlp: Language) -> None:
    pipe = pipe_of(nlp)
    unknown = [nlp.make_doc(text) for text in ("Acorn Mills and Borea said", "In Lisbon Carla Mendez bought $DRL")]
    found_at = {}
    for threshold in (0.0, 0.5, 0.99):
        pipe.threshold = threshold
        found_at[threshold] = [entity for entities in pipe.predict(unknown) for entity in entities]
        assert all(confidence >= threshold for *_, confidence in found_at[threshold])
    assert len(found_at[0.0]) > len(found_at[0.99])


def test_find_threshold_of_spacy(saved: Path, tmp_path: Path, nlp: Language) -> None:
    data = tmp_path / "dev.spacy"
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(data)
    best, score, scores = find_threshold(str(saved), data, "ticker_ner", "threshold", "ents_f", n_trials=3, silent=True)
    assert list(scores) == [0.0, 0.5, 1.0]
    assert (scores[0.5], scores[1.0]) == (1.0, 0.0)
    assert (best < 1.0, score) == (True, 1.0)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": 1.5}, "threshold"),
        ({"thresholds": {"ORG": 0.5, "GPE": 2}}, "GPE"),
    ],
)
def test_wrong_thresholds_are_refused(saved: Path, settings: dict[str, Any], named: str) -> None:
    message = rf"\[N006\].*'{named}'.*ticker_ner.*between 0 and 1"
    with pytest.raises(NlpkitError, match=message):
        build(**settings)
    with pytest.raises(NlpkitError, match=message):
        labels_found(saved, **settings)


# Texts


@pytest.mark.parametrize("language", ["de", "xx"])
def test_other_languages(language: str, tmp_path: Path) -> None:
    gold = [("Die Firma Ahrens (AHR.DE) wächst in Köln.", [("Ahrens", "ORG"), ("AHR.DE", "TICKER"), ("Köln", "GPE")])]
    nlp = build(language)
    train(nlp, make_examples(nlp, gold)).to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    assert nlp.lang == language
    assert [(text, found(nlp, text)) for text, _ in gold] == gold
    assert nlp(gold[0][0]).ents[1]._.ticker["mic"] == "XETR"


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\t \u00a0\u3000\n", "\x00\x07\x1b[0m\x7f", "ارتفعت شركة ديل (DELL.O) في باريس", "\u202eDELL.O\u202c"],
    ids=["empty", "blank", "blanks", "control", "arabic", "reversed"],
)
def test_odd_texts_teach_and_are_read(nlp: Language, text: str) -> None:
    """Beside ordinary documents, in training, calibration and prediction."""
    examples = make_examples(nlp, [(text, []), *GOLD, (text, [])])
    nlp.update(examples, sgd=nlp.create_optimizer())
    pipe_of(nlp).calibrate(examples)
    docs = list(nlp.pipe([text, *TEXTS, text]))
    assert [doc.text for doc in docs] == [text, *TEXTS, text]
    assert [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs[1:-1]] == [list(ents) for _, ents in GOLD]


def test_a_million_characters(nlp: Language) -> None:
    """Full of symbols: work for each of them must not grow with the text."""
    size = 1_000_000
    once = " ".join(TEXTS) + " "
    times = size // len(once)
    text = (once * times).ljust(size)
    doc = nlp(text)
    assert len(doc.text) == size
    counts: dict[str, int] = {}
    for ent in doc.ents:
        counts[ent.text] = counts.get(ent.text, 0) + bool(ent._.ticker)
    assert {symbol: counts[symbol] for symbol in ("DELL.O", "AWE", "AAPL", "HD", "Oslo")} == {
        **dict.fromkeys(["DELL.O", "AWE", "AAPL", "HD"], times),
        "Oslo": 0,
    }


@pytest.mark.parametrize("piece", ["a", "A.", "\n", "AAA ", "$ ", "( NYSE : "])
def test_long_runs_of_one_thing(nlp: Language, piece: str) -> None:
    text = (piece * 100_000)[:100_000]
    doc: Doc = nlp(text)
    assert doc.text == text
