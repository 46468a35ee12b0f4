"""A bag of hashed n-grams, each with a vector of its own, pooled to one vector a document (fastText's idea: Joulin et
al. 2017, "Bag of Tricks for Efficient Text Classification")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from .ngrams import NgramOptions, Ngrams, drop_ngrams, extract_ngrams, sum_rows

Bag = Model[list[Doc], Floats2d]
# Pooled vectors of one feature start within this of zero.
START = 0.1
Backprop = Callable[[Floats2d, Floats2d], None]


def embedding_bag(width: int, options: NgramOptions, pooling: str, dropout: float, scale: float) -> Bag:
    """Mean or maximum of the vectors of all features of a document: (docs, width); zeros for one without tokens.

    Vectors start uniformly distributed; what is pooled is multiplied by `scale`, which sets how far one step of the
    optimizer moves it. In training a share `dropout` of the words and of the n-grams is left out.
    """
    return Model(
        "embedding_bag",
        _forward,
        init=_init,
        params={"E": None},
        dims={"nO": width},
        attrs={"options": options, "pooling": pooling, "dropout": dropout, "scale": scale},
    )


def _init(model: Bag, X: Any = None, Y: Any = None) -> None:
    if model.has_param("E") is None:
        scale, shape = START / model.attrs["scale"], (model.attrs["options"].rows, model.get_dim("nO"))
        vectors: Any = np.random.uniform(-scale, scale, shape).astype("float32")
        model.set_param("E", model.ops.asarray2f(vectors))


def _forward(model: Bag, docs: list[Doc], is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], list[Doc]]]:
    ngrams = extract_ngrams(docs, model.attrs["options"])
    if is_train:
        ngrams = drop_ngrams(ngrams, model.attrs["dropout"])
    pool = _mean if model.attrs["pooling"] == "mean" else _max
    pooled, backprop_to_table = pool(model, ngrams)
    scale = model.attrs["scale"]

    def backprop(d_pooled: Floats2d) -> list[Doc]:
        d_table = model.ops.alloc2f(*model.get_param("E").shape)
        backprop_to_table(d_pooled * scale, d_table)
        model.inc_grad("E", d_table)
        return docs

    return pooled * scale, backprop


def _mean(model: Bag, ngrams: Ngrams) -> tuple[Floats2d, Backprop]:
    """The vectors of a word and of its characters are summed once for each distinct word of the batch."""
    ops: Any = model.ops
    table: Any = model.get_param("E")
    word_rows, token_word, gram_rows = (
        ops.asarray1i(rows) for rows in (ngrams.word_rows, ngrams.token_word, ngrams.gram_rows)
    )
    word_lengths, doc_lengths, gram_lengths = (
        ops.asarray1i(lengths) for lengths in (ngrams.word_lengths, ngrams.doc_lengths, ngrams.gram_lengths)
    )
    share = ops.asarray2f((1.0 / np.maximum(ngrams.counts, 1)).astype("float32")[:, None])
    words = sum_rows(ops, table[word_rows], word_lengths)
    pooled = sum_rows(ops, words[token_word], doc_lengths) + sum_rows(ops, table[gram_rows], gram_lengths)

    def backprop(d_pooled: Floats2d, d_table: Floats2d) -> None:
        d_sum = d_pooled * share
        d_words = ops.alloc2f(*words.shape)
        ops.scatter_add(d_words, token_word, ops.backprop_reduce_sum(d_sum, doc_lengths))
        ops.scatter_add(d_table, word_rows, ops.backprop_reduce_sum(d_words, word_lengths))
        ops.scatter_add(d_table, gram_rows, ops.backprop_reduce_sum(d_sum, gram_lengths))

    return pooled * share, backprop


def _max(model: Bag, ngrams: Ngrams) -> tuple[Floats2d, Backprop]:
    """The greatest value of every column."""
    ops: Any = model.ops
    table: Any = model.get_param("E")
    rows, owners = ngrams.flat()
    order = np.argsort(owners, kind="stable")
    counts = ngrams.counts
    filled = np.flatnonzero(counts)
    pooled = ops.alloc2f(len(counts), table.shape[1])
    if not len(filled):
        return pooled, lambda d_pooled, d_table: None
    flat_rows, lengths = ops.asarray1i(rows[order]), ops.asarray1i(counts[filled])
    pooled[filled], which = ops.reduce_max(table[flat_rows], lengths)

    def backprop(d_pooled: Any, d_table: Floats2d) -> None:
        ops.scatter_add(d_table, flat_rows, ops.backprop_reduce_max(d_pooled[filled], which, lengths))

    return pooled, backprop
