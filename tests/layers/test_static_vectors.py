"""Word vectors as they are: each token its own, zeros for unknown words, in documents of every length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.vectors import Mode
from spacy.vocab import Vocab

from spacy_nlpkit.layers.static_vectors import static_vectors

WIDTH = 3
WORDS = {"stocks": [1.0, 2.0, 3.0], "fell": [-1.0, 0.5, 0.0]}


@pytest.fixture(params=["table", "pruned", "floret"])
def vocab(request: pytest.FixtureRequest) -> Vocab:
    vocab = spacy.blank("xx").vocab
    if request.param == "floret":
        rng = np.random.default_rng(0)
        settings = {"hash_count": 2, "minn": 2, "maxn": 3, "bow": "<", "eow": ">"}
        vocab.vectors = spacy.vectors.Vectors(
            strings=vocab.strings, mode=Mode.floret, data=rng.normal(size=(50, WIDTH)).astype("float32"), **settings
        )
        return vocab
    words = {**WORDS, **({"shares": [0.9, 2.1, 3.0]} if request.param == "pruned" else {})}
    for word, numbers in words.items():
        vector: Any = np.array(numbers, dtype="float32")
        vocab.set_vector(word, vector)
    if request.param == "pruned":
        vocab.prune_vectors(2)
    return vocab


def test_each_token_has_its_vector(vocab: Vocab) -> None:
    texts = [["stocks", "unknown", "fell"], [], ["shares"], ["fell", "unknown"], []]
    docs = [Doc(vocab, words=words) for words in texts]
    model = static_vectors("ORTH")
    model.initialize(X=docs)
    assert model.get_dim("nO") == WIDTH
    found, backprop = model.begin_update(docs)
    for vectors, doc in zip(found, docs):
        assert vectors.shape == (len(doc), WIDTH)
        assert vectors.tolist() == [token.vector.tolist() for token in doc]
    assert found[0][0].any()
    assert vocab.vectors.mode == Mode.floret or not found[0][1].any()
    assert backprop(found) == docs


@pytest.mark.parametrize("attr", ["ORTH", "LOWER", "NORM"])
def test_words_are_looked_up_by_the_attribute(vocab: Vocab, attr: str) -> None:
    doc = Doc(vocab, words=["Stocks", "FELL", "stocks", "Unknown"])
    doc[3].norm_ = "fell"
    model = static_vectors(attr)
    model.initialize(X=[doc])
    keys = {
        "ORTH": ["Stocks", "FELL", "stocks", "Unknown"],
        "LOWER": ["stocks", "fell", "stocks", "unknown"],
        "NORM": ["stocks", "fell", "stocks", "fell"],
    }
    expected = [vocab.get_vector(word).tolist() for word in keys[attr]]
    (found,) = model.predict([doc])
    assert found.tolist() == expected
    # A saved layer keeps its attribute, whatever the config would say.
    loaded = static_vectors("ORTH").from_bytes(model.to_bytes())
    assert loaded.predict([doc])[0].tolist() == expected


@pytest.mark.parametrize("texts", [[[]], [[], []]], ids=str)
def test_documents_without_tokens(vocab: Vocab, texts: list[list[str]]) -> None:
    docs = [Doc(vocab, words=words) for words in texts]
    assert [vectors.shape for vectors in static_vectors("ORTH").predict(docs)] == [(0, WIDTH)] * len(texts)


def test_the_table_stays_as_it_was(vocab: Vocab) -> None:
    before = vocab.vectors.data.copy()
    static_vectors("ORTH").predict([Doc(vocab, words=["unknown", "stocks"])])
    assert (vocab.vectors.data == before).all()
