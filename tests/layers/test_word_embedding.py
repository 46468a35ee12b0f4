"""Vectors of known words: which are known, what the others get, dropout, gradients, and how all is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spacy.tokens import Doc
from thinc.api import Model

from spacy_nlpkit.counting import count_documents, uncounted
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.layers.word_embedding import word_embedding

from .reference import make_docs

WIDTH = 3
TEXTS = [["the", "cup", "the", "cup"], ["The", "shares", "fell"], [], ["shares", "fell", "the"], ["cup"]]


def build(
    docs: list[Doc],
    min_count: int = 2,
    max_words: int = 100,
    dropout: float = 0.0,
    word_dropout: float = 0.0,
    attr: str = "LOWER",
) -> Model[Any, Any]:
    model = word_embedding(WIDTH, attr, min_count, max_words, dropout, word_dropout)
    count_documents([model], docs)
    model.initialize()
    return model


def known(model: Model[Any, Any], docs: list[Doc]) -> set[str]:
    unknown = model.get_param("E")[0]
    vectors = model.predict(docs)
    return {token.text for doc, rows in zip(docs, vectors) for token, row in zip(doc, rows) if (row != unknown).any()}


def test_known_are_words_of_enough_documents() -> None:
    """Of documents, not occurrences; in lower case where the attribute says so."""
    docs = make_docs(*TEXTS)
    assert known(build(docs), docs) == {"the", "The", "cup", "shares", "fell"}
    assert known(build(docs, min_count=3), docs) == {"the", "The"}
    assert known(build(docs, attr="ORTH"), docs) == {"the", "cup", "shares", "fell"}
    assert known(build(docs, min_count=9), docs) == set()


def test_at_most_so_many_the_most_frequent() -> None:
    docs = make_docs(*TEXTS)
    assert known(build(docs, max_words=1), docs) == {"the", "The"}
    assert len(build(docs, max_words=2).get_param("words")) == 2


def test_one_vector_a_word() -> None:
    docs = make_docs(*TEXTS)
    model = build(docs)
    vectors = model.predict(docs)
    assert [rows.shape for rows in vectors] == [(len(doc), WIDTH) for doc in docs]
    assert (vectors[0][0] == vectors[0][2]).all()
    assert (vectors[0][0] == vectors[1][0]).all()
    assert (vectors[0][0] != vectors[0][1]).any()
    (other,) = model.predict(make_docs(["unseen", "words"]))
    assert (other == model.get_param("E")[0]).all()
    assert [len(rows) for rows in model.predict(make_docs([], []))] == [0, 0]


def test_gradient_is_summed_a_word() -> None:
    docs = make_docs(*TEXTS)
    model = build(docs)
    vectors, backprop = model.begin_update(docs)
    gradient = [np.full_like(rows, 1.0 + place) for place, rows in enumerate(vectors)]
    backprop(gradient)
    table = model.get_grad("E")
    start = model.get_param("E")
    row = {token.lower_: int(np.flatnonzero((start == rows).all(axis=1))[0])
           for doc, matrix in zip(docs, vectors) for token, rows in zip(doc, matrix)}  # fmt: skip
    assert table[row["the"]] == pytest.approx([1 + 1 + 2 + 4] * WIDTH)
    assert table[row["cup"]] == pytest.approx([1 + 1 + 5] * WIDTH)
    assert not table[0].any()


def test_dropout_of_words_and_values_in_training_alone() -> None:
    docs = make_docs(["the"] * 2000, ["the"] * 2000)
    words = build(docs, word_dropout=0.25)
    rows = np.concatenate(words.begin_update(docs)[0])
    share = (rows == words.get_param("E")[0]).all(axis=1).mean()
    assert share == pytest.approx(0.25, abs=0.03)
    values = build(docs, dropout=0.25)
    rows = np.concatenate(values.begin_update(docs)[0])
    assert (rows == 0).mean() == pytest.approx(0.25, abs=0.03)
    whole = values.predict(docs)[0][0]
    assert rows.mean(axis=0) == pytest.approx(whole, rel=0.1)
    for model in (words, values):
        assert (np.concatenate(model.predict(docs)) == model.predict(docs)[0][0]).all()


def test_without_counts_it_is_refused() -> None:
    model = word_embedding(WIDTH, "LOWER", 2, 100, 0.0, 0.0)
    assert uncounted(model) == [model]
    with pytest.raises(NlpkitError, match=r"\[N128\].*WordEmbedding.*spacy_nlpkit\.document_frequencies\.v1"):
        model.initialize(X=make_docs(*TEXTS))


def test_words_are_saved_with_the_vectors() -> None:
    docs = make_docs(*TEXTS)
    model = build(docs)
    copy = word_embedding(WIDTH, "LOWER", 2, 100, 0.0, 0.0).from_bytes(model.to_bytes())
    assert uncounted(copy) == []
    for rows, others in zip(model.predict(docs), copy.predict(docs)):
        assert (rows == others).all()
