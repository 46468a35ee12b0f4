"""A learned vector for each known word, and one for all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..counting import as_counting
from ..errors import Errors, NlpkitError

Layer = Model[list[Doc], list[Floats2d]]
# Standard deviation of the vectors at the start.
START = 0.1
# The row of words that are not known.
UNKNOWN = 0


def word_embedding(width: int, attr: str, min_count: int, max_words: int, dropout: float, word_dropout: float) -> Layer:
    """The vector of each token's word: (tokens, width) a document.

    Known are the words of at least `min_count` training documents, the most frequent first, at most `max_words`; all
    others share one vector. Of what is known a share `word_dropout` is taken for unknown in training, so that this
    vector learns what a word means of which only the place is known; a share `dropout` of all values is left out.
    Param words (words,) uint64, sorted; E (words + 1, width), row 0 for unknown words.
    """
    model: Layer = Model(
        "word_embedding",
        _forward,
        init=_init,
        params={"words": None, "E": None},
        dims={"nO": width},
        attrs={
            "attr": attr,
            "min_count": min_count,
            "max_words": max_words,
            "dropout": dropout,
            "word_dropout": word_dropout,
        },
    )
    return as_counting(model, WordCounter, "words")


class WordCounter:
    """Counts in how many documents each word is (`counting.Counter`)."""

    def __init__(self, model: Layer) -> None:
        self.model = model
        self.frequencies: dict[int, int] = {}
        self.total = 0

    def add(self, docs: list[Doc]) -> None:
        """Count some documents."""
        attr = self.model.attrs["attr"]
        found = [np.unique(doc.to_array(attr)) for doc in docs]
        words, counts = np.unique(np.concatenate(found), return_counts=True)
        for word, count in zip(words.tolist(), counts.tolist()):
            self.frequencies[word] = self.frequencies.get(word, 0) + count
        self.total += len(docs)

    def finish(self) -> None:
        """Give the layer its words, unless there was no document."""
        if self.total:
            known = [word for word, count in self.frequencies.items() if count >= self.model.attrs["min_count"]]
            known.sort(key=lambda word: (-self.frequencies[word], word))
            words: Any = np.array(sorted(known[: self.model.attrs["max_words"]]), dtype=np.uint64)
            self.model.set_param("words", words)


def _init(model: Layer, X: Any = None, Y: Any = None) -> None:
    if model.has_param("words") is None:
        raise NlpkitError(Errors.N128.format(layer="spacy_nlpkit.WordEmbedding.v1"))
    shape = (len(model.get_param("words")) + 1, model.get_dim("nO"))
    vectors: Any = np.random.normal(0.0, START, shape).astype("float32")
    model.set_param("E", model.ops.asarray2f(vectors))


def _forward(
    model: Layer, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    ops: Any = model.ops
    table: Any = model.get_param("E")
    found = _rows(ops.to_numpy(model.get_param("words")), docs, model.attrs["attr"])
    if is_train:
        found[np.random.random(len(found)) < model.attrs["word_dropout"]] = UNKNOWN
    rows, lengths = ops.asarray1i(found), ops.asarray1i([len(doc) for doc in docs])
    vectors = table[rows]
    mask = ops.get_dropout_mask(vectors.shape, model.attrs["dropout"] if is_train else 0.0)

    def backprop(d_vectors: list[Floats2d]) -> list[Doc]:
        d_table = ops.alloc2f(*table.shape)
        ops.scatter_add(d_table, rows, ops.flatten(d_vectors) * mask)
        model.inc_grad("E", d_table)
        return docs

    return ops.unflatten(vectors * mask, lengths), backprop


def _rows(words: np.ndarray, docs: list[Doc], attr: str) -> np.ndarray:
    """The row of each token's word in the table: (tokens of all documents,)."""
    keys = np.concatenate([doc.to_array(attr) for doc in docs] or [np.zeros(0, dtype=np.uint64)])
    if not len(words):
        return np.full(len(keys), UNKNOWN)
    places = np.minimum(np.searchsorted(words, keys), len(words) - 1)
    return np.where(words[places] == keys, places + 1, UNKNOWN)
