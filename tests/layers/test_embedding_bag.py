"""Pooled vectors of n-grams against a sum over the features one by one, their gradients against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spacy.tokens import Doc
from thinc.api import Model

from spacy_nlpkit.layers.embedding_bag import embedding_bag
from spacy_nlpkit.layers.ngrams import NgramOptions

from .reference import features_of, finite_differences, make_docs

ROWS, WIDTH, SCALE = 32, 3, 2.0
OPTIONS = {
    "words": NgramOptions(ROWS, word_ngrams=1),
    "pairs": NgramOptions(ROWS, word_ngrams=2),
    "chars": NgramOptions(ROWS, word_ngrams=0, min_chars=3, max_chars=3),
    "all": NgramOptions(ROWS, word_ngrams=3, min_chars=2, max_chars=3),
}
TEXTS = [["stocks", "fell", "and", "fell"], [], ["Oslo"], [" "], ["the", "\n", "cup", "final", "the", "cup"], []]
BATCHES = {"texts": TEXTS, "empty": [[], []], "blank": [[" "], ["\n", " "]], "none": [], "one_word": [["a"]]}
# No word is long enough for any feature.
LONG = NgramOptions(ROWS, word_ngrams=0, min_chars=20, max_chars=21)


def build(options: NgramOptions, pooling: str, dropout: float = 0.0) -> Model:
    np.random.seed(0)
    model = embedding_bag(WIDTH, options, pooling, dropout, SCALE)
    model.initialize()
    return model


def pooled_one_by_one(model: Model, docs: list[Doc], pooling: str) -> np.ndarray:
    vectors: Any = model.get_param("E")
    options = model.attrs["options"]
    pooled = np.zeros((len(docs), WIDTH))
    for row, doc in zip(pooled, docs):
        rows = [feature.row for feature in features_of(doc, options)]
        if rows:
            row[:] = vectors[rows].mean(axis=0) if pooling == "mean" else vectors[rows].max(axis=0)
    return SCALE * pooled


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("options", [*OPTIONS.values(), LONG], ids=[*OPTIONS, "long"])
@pytest.mark.parametrize("texts", BATCHES.values(), ids=BATCHES)
def test_pooling(texts: list[list[str]], options: NgramOptions, pooling: str) -> None:
    model, docs = build(options, pooling), make_docs(*texts)
    pooled = model.predict(docs)
    assert pooled.shape == (len(docs), WIDTH)
    assert pooled.dtype == np.float32
    assert pooled == pytest.approx(pooled_one_by_one(model, docs, pooling), abs=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradient(options: NgramOptions, pooling: str) -> None:
    model, docs = build(options, pooling), make_docs(*TEXTS)
    directions = np.random.default_rng(0).normal(size=(len(docs), WIDTH)).astype("float32")
    vectors: Any = model.get_param("E")
    # Far enough apart that no step changes which is the greatest.
    vectors[:] = np.random.default_rng(1).permutation(vectors.size).reshape(vectors.shape) / 50
    _, backprop = model.begin_update(docs)
    assert backprop(directions) == docs
    slopes = finite_differences(vectors, lambda: float((directions * model.predict(docs)).sum(dtype="float64")), 0.005)
    assert model.get_grad("E") == pytest.approx(slopes, abs=2e-3)
    assert np.abs(slopes).max() > 0.1


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("options", [*OPTIONS.values(), LONG], ids=[*OPTIONS, "long"])
@pytest.mark.parametrize("texts", [BATCHES["empty"], BATCHES["blank"], []], ids=["empty", "blank", "none"])
def test_nothing_gives_no_gradient(texts: list[list[str]], options: NgramOptions, pooling: str) -> None:
    model, docs = build(options, pooling, dropout=0.5), make_docs(*texts)
    pooled, backprop = model.begin_update(docs)
    assert pooled.shape == (len(docs), WIDTH)
    backprop(np.ones((len(docs), WIDTH), dtype="float32"))
    assert not model.get_grad("E").any()


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_dropout_only_in_training(pooling: str) -> None:
    docs = make_docs(["stocks", "fell", "again"])
    model = build(OPTIONS["words"], pooling, dropout=0.5)
    expected = pooled_one_by_one(model, docs, pooling)
    assert model.predict(docs) == pytest.approx(expected, abs=1e-6)
    drawn = {model.begin_update(docs)[0].tobytes() for _ in range(30)}
    assert len(drawn) > 2
    whole = build(OPTIONS["words"], pooling)
    assert whole.begin_update(docs)[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_the_gradient_is_of_what_was_left_in(pooling: str) -> None:
    """All dropped: nothing to change; half dropped: the rest, whose mean it is, takes all of it."""
    docs = make_docs([f"w{number}" for number in range(30)])
    for dropout, moved in ((1.0, 0.0), (0.5, SCALE * WIDTH)):
        model = build(OPTIONS["pairs"], pooling, dropout)
        _, backprop = model.begin_update(docs)
        backprop(np.ones((1, WIDTH), dtype="float32"))
        gradient: Any = model.get_grad("E")
        assert gradient.sum() == pytest.approx(moved, abs=1e-5)


def test_vectors_start_small_and_stay() -> None:
    model = build(OPTIONS["words"], "mean")
    vectors: Any = model.get_param("E").copy()
    assert 0.05 < SCALE * np.abs(vectors).max() <= 0.1
    model.initialize()
    assert (model.get_param("E") == vectors).all()
    copy = embedding_bag(WIDTH, OPTIONS["words"], "mean", 0.0, SCALE).from_bytes(model.to_bytes())
    assert (copy.get_param("E") == vectors).all()
