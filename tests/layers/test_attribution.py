"""What tokens contribute to a score: complete for every architecture, checked by brute force where it is exact, and
without a trace in the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam, Model

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.layers.attribution import EXACT, INTEGRATED_GRADIENTS, token_contributions
from spacy_nlpkit.layers.ngrams import extract_ngrams

TEXTS = [
    ("the striker scored a late goal", "Sport"),
    ("the coach praised the goal", "Sport"),
    ("shares of the bank fell late", "Money"),
    ("the bank raised its profit", "Money"),
    ("rain is expected in the north", "Weather"),
    ("late snow fell in the north", "Weather"),
]
LABELS = ("Money", "Sport", "Weather")
SMALL = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 16,
    "depth": 1,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
BAG = {"@architectures": "spacy_nlpkit.EmbeddingBag.v1", "width": 8, "rows": 4096, "ngram_dropout": 0.1}
TFIDF = {"@architectures": "spacy_nlpkit.TfidfLinear.v1", "rows": 4096}
RECURRENT = {"@architectures": "spacy_nlpkit.Recurrent.v1", "tok2vec": SMALL, "input_width": 16, "hidden_width": 16}
CNN = {"@architectures": "spacy_nlpkit.NgramCNN.v1", "tok2vec": SMALL, "filters": 8}
POOLED = {"@architectures": "spacy_nlpkit.Pooled.v1", "tok2vec": SMALL}
ENSEMBLE = "spacy_nlpkit.Ensemble.v1"
LINEAR: dict[str, dict[str, Any]] = {
    "bag": BAG,
    "bag of characters": {**BAG, "min_chars": 2, "max_chars": 4, "word_ngrams": 3},
    "maximum of the bag": {**BAG, "pooling": "max"},
    "tfidf": {**TFIDF, "min_chars": 2, "max_chars": 3},
    "ensemble": {"@architectures": ENSEMBLE, "members": {"a": BAG, "b": TFIDF}, "weights": {"a": 2.0, "b": 0.5}},
}
DEEP: dict[str, dict[str, Any]] = {
    "gru": RECURRENT,
    "lstm": {**RECURRENT, "cell": "lstm", "pooling": ["last"], "depth": 2, "dropout": 0.5},
    "cnn": CNN,
    "pooled": {**POOLED, "pooling": ["mean", "max", "attention"]},
    "behind a normalised layer": {**POOLED, "pooling": ["mean"], "hidden_width": 16},
    "mixed ensemble": {"@architectures": ENSEMBLE, "members": {"a": BAG, "b": CNN}, "stacked": True},
}
NEEDS_TORCH = ("gru", "lstm")


def train(model: dict[str, Any], updates: int = 30) -> tuple[Language, list[Example]]:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("text_classifier", config={"model": model})
    annotation = [(text, {"cats": {label: float(label == right) for label in LABELS}}) for text, right in TEXTS]
    examples = [Example.from_dict(nlp.make_doc(text), cats) for text, cats in annotation]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer, drop=0.1)
    return nlp, examples


def logits_of(nlp: Language) -> Model:
    model: Model = nlp.get_pipe("text_classifier").model  # type: ignore[attr-defined]
    return model.get_ref("logits")


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    return {}


@pytest.fixture
def pipeline(request: pytest.FixtureRequest, trained: dict[str, Any]) -> tuple[Language, list[Example]]:
    """A trained pipeline of each kind, made once."""
    kind = request.param
    if kind in NEEDS_TORCH:
        pytest.importorskip("torch", reason="the extra 'transformers' is not installed")
    if kind not in trained:
        trained[kind] = train({**LINEAR, **DEEP}[kind])
    return trained[kind]


@pytest.mark.parametrize("pipeline", LINEAR, indirect=True)
@pytest.mark.parametrize("text", ["the bank scored a late late goal", "bank", " \n late  \t goal ", "\n ", "zxcv qwer"])
def test_linear_models_are_explained_exactly(pipeline: tuple[Any, ...], text: str) -> None:
    nlp = pipeline[0]
    doc = nlp.make_doc(text)
    for number in range(len(LABELS)):
        found = token_contributions(logits_of(nlp), doc, number)
        assert found is not None
        assert found.method == EXACT
        assert found.contributions.shape == (len(doc),)
        assert found.score == pytest.approx(float(logits_of(nlp).predict([doc])[0, number]), abs=1e-6)
        assert found.gap == pytest.approx(0, abs=1e-5)
        assert not any(value for token, value in zip(doc, found.contributions) if token.is_space)


@pytest.mark.parametrize("pipeline", DEEP, indirect=True)
def test_other_models_are_explained_nearly(pipeline: tuple[Any, ...]) -> None:
    nlp = pipeline[0]
    for text, right in TEXTS:
        found = token_contributions(logits_of(nlp), nlp.make_doc(text), LABELS.index(right))
        assert found is not None
        assert found.method == INTEGRATED_GRADIENTS
        change = abs(found.score - found.baseline)
        assert change > 0.1, "a score that no token changes shows nothing"
        assert abs(found.gap) < 0.03 * change


def test_unigrams_lose_what_a_word_contributed() -> None:
    """Of a mean over n words, n - 1 of them are left, each with n / (n - 1) of its contribution."""
    nlp, _ = train({**BAG, "word_ngrams": 1})
    logits = logits_of(nlp)
    words = ["the", "striker", "of", "the", "bank", "fell"]
    whole = token_contributions(logits, Doc(nlp.vocab, words), 0)
    assert whole is not None
    assert np.ptp(whole.contributions) > 0.1
    for number, value in enumerate(whole.contributions):
        left = Doc(nlp.vocab, words[:number] + words[number + 1 :])
        score = (whole.score - whole.baseline - value) * len(words) / (len(words) - 1) + whole.baseline
        assert float(logits.predict([left])[0, 0]) == pytest.approx(score, abs=1e-4)


def test_words_of_tfidf_have_their_weight_in_the_table() -> None:
    """Without a word, what is left is what the others contributed, on the scale of a shorter vector."""
    nlp, _ = train({**TFIDF, "word_ngrams": 1})
    logits = logits_of(nlp)
    words = ["the", "striker", "of", "the", "bank", "fell"]
    whole = token_contributions(logits, Doc(nlp.vocab, words), 1)
    assert whole is not None
    assert whole.contributions[0] == pytest.approx(whole.contributions[3]), "both are the same word"
    assert np.ptp(whole.contributions) > 0.1
    for number in (1, 2, 4, 5):
        left = token_contributions(logits, Doc(nlp.vocab, words[:number] + words[number + 1 :]), 1)
        assert left is not None
        others = np.delete(whole.contributions, number)
        ratio = left.contributions[0] / others[0]
        assert ratio > 1
        assert left.contributions == pytest.approx(others * ratio, abs=1e-4)
        assert left.score == pytest.approx(others.sum() * ratio + whole.baseline, abs=1e-4)


def test_an_ngram_is_shared_by_its_tokens() -> None:
    nlp, _ = train({**TFIDF, "word_ngrams": 2})
    logits = logits_of(nlp)
    output = next(node for node in logits.walk() if node.name == "tfidf_linear")
    output.set_param("W", output.ops.alloc2f(*output.get_param("W").shape))
    doc = Doc(nlp.vocab, ["late", "\n", "goal", "today"])
    ngrams = extract_ngrams([doc], output.attrs["options"])
    output.get_param("W")[ngrams.gram_rows[0], 0] = 1.0
    found = token_contributions(logits, doc, 0)
    assert found is not None
    assert found.contributions[0] > 0
    assert found.contributions.tolist() == [found.contributions[0], 0, found.contributions[0], 0]


def test_the_maximum_is_credited_to_the_words_that_have_it() -> None:
    nlp, _ = train({**BAG, "word_ngrams": 1, "pooling": "max"})
    logits = logits_of(nlp)
    bag, output = logits.layers[0], logits.layers[-1]
    words = ["goal", "bank", "goal", "rain"]
    vectors = np.concatenate([bag.predict([Doc(nlp.vocab, [word])]) for word in words])
    holds = vectors == vectors.max(axis=0)
    expected = (holds / holds.sum(axis=0) * vectors.max(axis=0)) @ output.get_param("W")[2]
    found = token_contributions(logits, Doc(nlp.vocab, words), 2)
    assert found is not None
    assert found.contributions == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("pipeline", [*LINEAR, *DEEP], indirect=True)
def test_explaining_leaves_no_trace(pipeline: tuple[Any, ...]) -> None:
    """The next update, dropout and all, comes out as if nothing had been explained; so does one half done."""
    nlp, examples = pipeline
    pipe: Any = nlp.get_pipe("text_classifier")
    before = pipe.to_bytes()
    outcomes = []
    for explains in (False, True):
        pipe.from_bytes(before)
        fix_random_seed(1)
        pipe.update(examples[:3], sgd=None, drop=0.3)
        if explains:
            pipe.explain([nlp.make_doc(text) for text, _ in TEXTS[:2]])
        pipe.update(examples[3:], sgd=None, drop=0.3)
        pipe.finish_update(Adam(0.01))
        outcomes.append(pipe.to_bytes())
    assert outcomes[0] != before
    assert outcomes[0] == outcomes[1]


def test_long_texts() -> None:
    nlp, _ = train({**BAG, "min_chars": 3, "max_chars": 4}, updates=3)
    words = [*(["late", "goal", "of", "the", "bank"] * 20_000), "striker"]
    found = token_contributions(logits_of(nlp), Doc(nlp.vocab, words), 1)
    assert found is not None
    assert len(found.contributions) == len(words)
    assert found.gap == pytest.approx(0, abs=1e-4)


def test_long_texts_of_other_models() -> None:
    nlp, _ = train(CNN, updates=10)
    found = token_contributions(
        logits_of(nlp), Doc(nlp.vocab, ["late", "goal", "of", "the", "bank"] * 1000), 1, steps=8
    )
    assert found is not None
    assert abs(found.gap) < 0.1 * abs(found.score - found.baseline)


def test_the_pipe_explains_labels_by_name() -> None:
    nlp, examples = train(BAG)
    pipe: Any = nlp.get_pipe("text_classifier")
    pipe.calibrate(examples)
    docs = [nlp.make_doc(text) for text in ("the striker scored", "", "rain in the north")]
    explained = pipe.explain(docs)
    assert [found["label"] for found in explained] == ["Sport", nlp(docs[1].text)._.prediction["label"], "Weather"]
    assert [found["probability"] for found in explained] == pytest.approx(pipe.predict(docs).max(axis=1).tolist())
    assert [len(found["contributions"]) for found in explained] == [3, 0, 4]
    striker = explained[0]["contributions"]
    assert striker[1] == max(striker)
    assert all(isinstance(value, float) for value in striker)
    assert {key for key, value in explained[1].items() if value == 0} == {"score", "baseline", "gap"}
    chosen = pipe.explain(docs[:1], label="Weather")[0]
    assert chosen["label"] == "Weather"
    assert chosen["score"] == pytest.approx(chosen["baseline"] + sum(chosen["contributions"]), abs=1e-5)
    assert chosen["score"] < explained[0]["score"]
    assert chosen["probability"] == pytest.approx(pipe.predict(docs[:1])[0, LABELS.index("Weather")])
    assert pipe.explain([]) == []


def test_what_cannot_be_explained() -> None:
    nlp, _ = train(BAG, updates=1)
    with pytest.raises(NlpkitError, match=r"N140.*'Nope'.*Money, Sport, Weather"):
        nlp.get_pipe("text_classifier").explain([nlp.make_doc("late")], label="Nope")  # type: ignore[attr-defined]
    stock = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True, "ngram_size": 1, "length": 1000}
    nlp, _ = train({**stock, "no_output_layer": False}, updates=1)
    with pytest.raises(NlpkitError, match=r"N141.*spacy_nlpkit.EmbeddingBag.v1"):
        nlp.get_pipe("text_classifier").explain([nlp.make_doc("late")])  # type: ignore[attr-defined]


def test_a_listener_reads_what_the_encoder_wrote() -> None:
    fix_random_seed(0)
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": SMALL})
    pipe: Any = nlp.add_pipe("text_classifier", config={"model": {**POOLED, "tok2vec": listener}})
    examples = [Example.from_dict(nlp.make_doc(text), {"cats": {right: 1.0}}) for text, right in TEXTS]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    with pytest.raises(NlpkitError, match="N005"):
        pipe.explain([nlp.make_doc("late goal")])
    found = pipe.explain([nlp("late goal of the bank")])[0]
    assert abs(found["score"] - found["baseline"]) > 0.1
    assert abs(found["gap"]) < 0.03 * abs(found["score"] - found["baseline"])
