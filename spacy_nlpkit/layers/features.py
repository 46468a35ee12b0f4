"""Layers that turn what stands in the text into columns beside the embeddings, without parameters of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..symbols import N_CODES, notation_codes

NoBackprop = Callable[[list[Floats2d]], list[Doc]]


def symbol_features() -> Model[list[Doc], list[Floats2d]]:
    """One column for each role a token can have in a notation of stock symbols: (tokens, `symbols.N_CODES`)."""
    return Model("symbol_features", _symbols_forward, dims={"nO": N_CODES})


def _symbols_forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], NoBackprop]:
    columns = np.eye(N_CODES, dtype="float32")
    # Most tokens have code 0, and its column would only repeat the bias.
    columns[0, 0] = 0.0
    return [model.ops.asarray2f(columns[notation_codes(doc)]) for doc in docs], no_backprop(docs)


def no_backprop(docs: list[Doc]) -> NoBackprop:
    """The backward pass of a layer without parameters or inputs to learn."""

    def backprop(d_features: list[Floats2d]) -> list[Doc]:
        return docs

    return backprop
