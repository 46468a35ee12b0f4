"""The pipeline's word vectors as they are, without parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy.vectors import Mode
from thinc.api import Model
from thinc.types import Floats2d

Layer = Model[list[Doc], list[Floats2d]]


def static_vectors(attr: str) -> Layer:
    """Each token's vector of the vocabulary: (tokens, dimensions) a document; zeros for words without one.

    attr (str): The token attribute that is looked up. What the vectors themselves say of it is not used: spaCy does not
        save it.
    """
    # The name is that of spaCy's layer with weights: components look for it to ask for vectors.
    return Model("static_vectors", _forward, init=_init, dims={"nO": None}, attrs={"attr": attr})


def _init(model: Layer, X: list[Doc] | None = None, Y: Any = None) -> None:
    if X:
        model.set_dim("nO", X[0].vocab.vectors.shape[1])


def _forward(
    model: Layer, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    ops: Any = model.ops
    vectors = docs[0].vocab.vectors
    keys = np.concatenate([doc.to_array(model.attrs["attr"]) for doc in docs])
    if vectors.mode == Mode.default:
        rows = vectors.find(keys=keys)
        found = ops.asarray2f(vectors.data[rows])
        found[ops.asarray(rows < 0)] = 0.0
    else:
        found = ops.asarray2f(vectors.get_batch(keys))
    return ops.unflatten(found, ops.asarray1i([len(doc) for doc in docs])), lambda d_vectors: docs
