"""TF-IDF of hashed n-grams with a linear layer, as one sparse product (Salton and Buckley 1988; sublinear counts)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..counting import as_counting
from ..errors import Errors, NlpkitError
from ..segments import sum_segments
from .class_output import as_class_output
from .ngrams import Ints, NgramOptions, drop_ngrams, extract_ngrams, sum_rows

Layer = Model[list[Doc], Floats2d]
NAME = "tfidf_linear"


def tfidf_linear(options: NgramOptions, scale: float, dropout: float = 0.0, nO: int | None = None) -> Layer:
    """Scores of labels, linear in the TF-IDF of a document's features: (docs, nO).

    The weight of a feature is (1 + log of its count) times its inverse document frequency; the weights of a document
    have length `scale`, which sets how far one step of the optimizer moves its scores. In training a share `dropout` of
    the words and of the n-grams is left out. Document frequencies come from `DocumentCounter`. Param W (rows, nO),
    b (nO), idf (rows).
    """
    model: Layer = Model(
        NAME,
        _forward,
        init=_init,
        params={"W": None, "b": None, "idf": None},
        dims={"nO": nO},
        attrs={"options": options, "scale": scale, "dropout": dropout},
    )
    as_counting(model, DocumentCounter, "idf")
    return as_class_output(model, partial(tfidf_linear, options, scale, dropout), {"W": 1, "b": 0})


class DocumentCounter:
    """Counts in how many documents each feature is (`counting.Counter`); what it sets are inverse document frequencies,
    log((1 + n) / (1 + documents with the feature)) + 1."""

    def __init__(self, model: Layer) -> None:
        self.model = model
        self.options: NgramOptions = model.attrs["options"]
        self.frequencies = np.zeros(self.options.rows, dtype=np.int64)
        self.total = 0

    def add(self, docs: list[Doc]) -> None:
        """Count some documents."""
        rows, _, _ = count_features(docs, self.options)
        self.frequencies += np.bincount(rows, minlength=len(self.frequencies))
        self.total += len(docs)

    def finish(self) -> None:
        """Give the layer its frequencies, unless there was no document."""
        if self.total:
            idf: Any = np.log((1.0 + self.total) / (1.0 + self.frequencies)) + 1.0
            self.model.set_param("idf", self.model.ops.asarray1f(idf.astype("float32")))


def count_features(docs: list[Doc], options: NgramOptions, dropout: float = 0.0) -> tuple[Ints, Ints, Ints]:
    """Row and count of each distinct feature of each document, and how many distinct ones each document has."""
    rows, owners = drop_ngrams(extract_ngrams(docs, options), dropout).flat()
    keys, counts = np.unique(owners * options.rows + rows, return_counts=True)
    return keys % options.rows, counts, np.bincount(keys // options.rows, minlength=len(docs))


def weigh_features(model: Layer, rows: Ints, counts: Ints, lengths: Ints) -> NDArray[np.float32]:
    """The weight of each feature in its document."""
    idf = model.ops.to_numpy(model.get_param("idf"))
    weights = (1.0 + np.log(counts)) * idf[rows]
    norms = np.sqrt(np.maximum(sum_segments(weights**2, lengths), 1e-12))
    return (weights * np.repeat(model.attrs["scale"] / norms, lengths)).astype("float32")


def _init(model: Layer, X: Any = None, Y: Any = None) -> None:
    if model.has_param("idf") is None:
        raise NlpkitError(Errors.N128.format(layer="spacy_nlpkit.TfidfLinear.v1"))
    if Y is not None and model.has_dim("nO") is None:
        model.set_dim("nO", Y.shape[1])
    nO = model.get_dim("nO")
    model.set_param("W", model.ops.alloc2f(model.attrs["options"].rows, nO))
    model.set_param("b", model.ops.alloc1f(nO))


def _forward(model: Layer, docs: list[Doc], is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], list[Doc]]]:
    ops: Any = model.ops
    W: Any = model.get_param("W")
    found, counts, per_doc = count_features(docs, model.attrs["options"], model.attrs["dropout"] if is_train else 0.0)
    weights = ops.asarray2f(weigh_features(model, found, counts, per_doc)[:, None])
    rows, lengths = ops.asarray1i(found), ops.asarray1i(per_doc)
    scores = sum_rows(ops, W[rows] * weights, lengths) + model.get_param("b")

    def backprop(d_scores: Floats2d) -> list[Doc]:
        d_W = ops.alloc2f(*W.shape)
        ops.scatter_add(d_W, rows, ops.backprop_reduce_sum(d_scores, lengths) * weights)
        model.inc_grad("W", d_W)
        model.inc_grad("b", d_scores.sum(axis=0))
        return docs

    return scores, backprop
