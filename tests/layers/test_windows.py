"""Windows of tokens: which rows they hold, and that no window reaches over the end of a document."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from thinc.api import Model, chain, list2ragged, reduce_sum
from thinc.types import Ragged

from spacy_nlpkit.layers.windows import token_windows

from .reference import assert_gradients

WIDTH = 2
LENGTHS = {"several": [3, 1, 4], "empty_between": [0, 2, 0, 0, 3, 0], "one": [1], "empty": [0, 0], "none": []}


def vectors_of(lengths: list[int]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, WIDTH)).astype("float32") for length in lengths]


def windows_by_hand(tokens: np.ndarray, size: int) -> list[list[float]]:
    zeros = np.zeros((size - 1, WIDTH), dtype="float32")
    padded = np.concatenate([zeros, tokens, zeros])
    return [padded[first : first + size].ravel().tolist() for first in range(len(tokens) + size - 1)]


def ragged(documents: list[np.ndarray]) -> Ragged:
    lengths: Any = np.array([len(tokens) for tokens in documents], dtype="int32")
    data: Any = np.concatenate([np.zeros((0, WIDTH), dtype="float32"), *documents])
    return Ragged(data, lengths)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_windows(lengths: list[int], size: int) -> None:
    documents = vectors_of(lengths)
    windows = token_windows(size).predict(ragged(documents))
    assert windows.lengths.tolist() == [length + size - 1 for length in lengths]
    expected = [window for tokens in documents for window in windows_by_hand(tokens, size)]
    assert windows.dataXd.shape == (len(expected), size * WIDTH)
    assert windows.dataXd.tolist() == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_gradient(size: int) -> None:
    documents = vectors_of([3, 1, 0, 4])
    _, backprop = token_windows(size).begin_update(ragged(documents))
    # Each number stands in `size` windows, in another column of each.
    parts = [np.full((sum(len(tokens) + size - 1 for tokens in documents), WIDTH), 10.0**k) for k in range(size)]
    lengths: Any = np.array([len(tokens) + size - 1 for tokens in documents], dtype="int32")
    gradient: Any = np.concatenate(parts, axis=1).astype("float32")
    found = backprop(Ragged(gradient, lengths))
    assert found.lengths.tolist() == [3, 1, 0, 4]
    assert found.dataXd.shape == (8, WIDTH)
    assert (found.dataXd == sum(10**k for k in range(size))).all()


@pytest.mark.parametrize("size", [1, 3])
def test_gradient_through_a_sum(size: int) -> None:
    documents = vectors_of([3, 1, 4])
    model: Model[Any, Any] = chain(list2ragged(), token_windows(size), reduce_sum())
    model.initialize(X=documents)
    assert model.layers[1].get_dim("nO") == size * WIDTH
    assert_gradients(model, documents)
