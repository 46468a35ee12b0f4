"""TF-IDF against the formula written out over a dense table, and the counting of documents."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from spacy.tokens import Doc
from thinc.api import Model

from spacy_nlpkit.counting import count_documents, uncounted
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.layers.ngrams import NgramOptions
from spacy_nlpkit.layers.tfidf import tfidf_linear

from .reference import features_of, finite_differences, make_docs, randomize

ROWS, LABELS, SCALE = 32, 3, 2.5
OPTIONS = {
    "words": NgramOptions(ROWS, word_ngrams=1),
    "pairs": NgramOptions(ROWS, word_ngrams=2),
    "chars": NgramOptions(ROWS, word_ngrams=0, min_chars=2, max_chars=4),
}
TEXTS = [["stocks", "fell", "and", "fell"], [], ["Oslo"], [" "], ["the", "\n", "cup", "final", "the", "cup"], []]


def build(options: NgramOptions, counted: list[Doc]) -> Model[Any, Any]:
    """A model with counts and random weights."""
    model = tfidf_linear(options, SCALE, nO=LABELS)
    count_documents([model], counted)
    model.initialize()
    randomize(model, "W", "b")
    return model


def counts_by_hand(docs: list[Doc], options: NgramOptions) -> np.ndarray:
    table = np.zeros((len(docs), options.rows))
    for row, doc in zip(table, docs):
        for feature, count in Counter(feature.row for feature in features_of(doc, options)).items():
            row[feature] = count
    return table


def idf_by_hand(docs: list[Doc], options: NgramOptions) -> np.ndarray:
    """As scikit-learn has it with smooth_idf."""
    frequencies = (counts_by_hand(docs, options) > 0).sum(axis=0)
    return np.log((1 + len(docs)) / (1 + frequencies)) + 1


def weights_by_hand(docs: list[Doc], counted: list[Doc], options: NgramOptions) -> np.ndarray:
    """As scikit-learn has them with sublinear_tf and norm l2."""
    counts = counts_by_hand(docs, options)
    weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf_by_hand(counted, options)
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    return SCALE * weights / np.where(norms > 0, norms, 1)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("texts", [TEXTS, [[], []], [[" "]], [["unseen", "words"]], []], ids=str)
def test_scores(texts: list[list[str]], options: NgramOptions) -> None:
    counted, docs = make_docs(*TEXTS), make_docs(*texts)
    model = build(options, counted)
    W, b = (model.get_param(name) for name in ("W", "b"))
    scores = model.predict(docs)
    assert scores.shape == (len(docs), LABELS)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(weights_by_hand(docs, counted, options) @ W + b, abs=1e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("texts", [TEXTS, [[], []], []], ids=str)
def test_gradient(texts: list[list[str]], options: NgramOptions) -> None:
    docs = make_docs(*texts)
    model = build(options, make_docs(*TEXTS))
    directions = np.random.default_rng(1).normal(size=(len(docs), LABELS)).astype("float32")
    _, backprop = model.begin_update(docs)
    assert backprop(directions) == docs
    assert not model.has_grad("idf")
    for name in ("W", "b"):
        values: Any = model.get_param(name)
        slopes = finite_differences(values, lambda: float((directions * model.predict(docs)).sum(dtype="float64")), 0.1)
        assert model.get_grad(name) == pytest.approx(slopes, abs=1e-4), name
        assert slopes.any() == any(texts) or name == "b"


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_document_frequencies(options: NgramOptions) -> None:
    docs = make_docs(*TEXTS)
    model = tfidf_linear(options, SCALE)
    assert count_documents([model], iter(docs)) == len(docs)
    assert model.get_param("idf") == pytest.approx(idf_by_hand(docs, options))


def test_more_documents_than_are_counted_at_a_time() -> None:
    """The last batch is not full, and one feature is in documents of all batches."""
    options = NgramOptions(2**12, word_ngrams=1)
    docs = make_docs(*([f"w{number % 700}", "everywhere"] for number in range(2100)))
    model = tfidf_linear(options, SCALE)
    assert count_documents([model], iter(docs)) == 2100
    assert model.get_param("idf") == pytest.approx(idf_by_hand(docs, options))
    assert model.get_param("idf").min() == pytest.approx(1.0)


def test_without_counts_it_is_refused() -> None:
    model: Model[Any, Any] = tfidf_linear(OPTIONS["words"], SCALE, nO=LABELS)
    assert uncounted(model) == [model]
    with pytest.raises(NlpkitError, match=r"\[N128\].*spacy_nlpkit\.document_frequencies\.v1"):
        model.initialize(X=make_docs(*TEXTS), Y=np.zeros((len(TEXTS), LABELS), dtype="float32"))
    assert count_documents([model], []) == 0
    assert uncounted(model) == [model]
    count_documents([model], make_docs(*TEXTS))
    assert uncounted(model) == []
    model.initialize()
    assert not model.get_param("W").any()


def test_number_of_labels_from_the_sample() -> None:
    model: Model[Any, Any] = tfidf_linear(OPTIONS["words"], SCALE)
    docs = make_docs(*TEXTS)
    count_documents([model], docs)
    model.initialize(X=docs, Y=np.zeros((len(docs), 4), dtype="float32"))
    assert model.predict(docs).shape == (len(docs), 4)


def test_counts_are_saved_with_the_weights() -> None:
    docs = make_docs(*TEXTS)
    model = build(OPTIONS["pairs"], docs)
    copy = tfidf_linear(OPTIONS["pairs"], SCALE).from_bytes(model.to_bytes())
    assert uncounted(copy) == []
    assert (copy.predict(docs) == model.predict(docs)).all()
