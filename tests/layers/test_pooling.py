"""Pooling of token vectors, and documents that have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from thinc.api import Linear, Model, chain

from spacy_nlpkit.layers.pooling import POOLINGS, pool_tokens, scale_rows, skip_empty

from .reference import assert_gradients, finite_differences, randomize

WIDTH = 3
LENGTHS = {"several": [3, 1, 4], "empty_between": [0, 2, 0, 0, 3, 0], "one": [1]}
MIXES = [[name] for name in POOLINGS] + [["mean", "max"], ["first", "attention", "mean"]]


def vectors_of(lengths: list[int]) -> list[Any]:
    """Distinct numbers far enough apart that a small step changes no maximum."""
    numbers = np.random.default_rng(0).permutation(sum(lengths) * WIDTH).astype("float32") / 10
    return np.split(numbers.reshape(-1, WIDTH), np.cumsum(lengths)[:-1])


def build(poolings: list[str], documents: list[Any]) -> Model:
    """With a query for attention that is not zero, as it starts."""
    model = skip_empty(pool_tokens(poolings))
    model.initialize(X=documents)
    for node in model.walk():
        if node.has_param("Q"):
            randomize(node, "Q")
    return model


def pooled_by_hand(model: Model, tokens: np.ndarray, pooling: str) -> np.ndarray:
    if pooling == "attention":
        query = next(node.get_param("Q") for node in model.walk() if node.has_param("Q"))
        weights = np.exp(tokens @ query)
        return (tokens * (weights / weights.sum())[:, None]).sum(axis=0)
    return {"mean": tokens.mean(axis=0), "max": tokens.max(axis=0), "first": tokens[0]}[pooling]


@pytest.mark.parametrize("poolings", MIXES, ids="+".join)
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_pooling(lengths: list[int], poolings: list[str]) -> None:
    documents = vectors_of(lengths)
    model = build(poolings, documents)
    pooled = model.predict(documents)
    assert model.get_dim("nO") == WIDTH * len(poolings)
    assert pooled.shape == (len(lengths), WIDTH * len(poolings))
    for row, tokens in zip(pooled, documents):
        expected = [pooled_by_hand(model, tokens, pooling) for pooling in poolings if len(tokens)]
        assert row == pytest.approx(np.concatenate(expected) if expected else np.zeros_like(row), abs=1e-5)


@pytest.mark.parametrize("poolings", MIXES, ids="+".join)
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_gradient(lengths: list[int], poolings: list[str]) -> None:
    documents = [tokens / 5 for tokens in vectors_of(lengths)] if "attention" in poolings else vectors_of(lengths)
    assert_gradients(build(poolings, documents), documents, step=5e-3)


@pytest.mark.parametrize("lengths", [[0], [0, 0], []], ids=str)
def test_nothing_but_empty_documents(lengths: list[int]) -> None:
    """The width is known from documents before."""
    model = build(["mean", "attention"], vectors_of([2, 1]))
    documents = [np.zeros((0, WIDTH), dtype="float32") for _ in lengths]
    pooled, backprop = model.begin_update(documents)
    assert pooled.shape == (len(lengths), 2 * WIDTH)
    assert not pooled.any()
    assert [gradient.shape for gradient in backprop(np.ones_like(pooled))] == [(0, WIDTH)] * len(lengths)


def test_width_is_known_where_the_sample_is_empty() -> None:
    """If the layer inside says it."""
    inner: Model = chain(pool_tokens(["mean"]), Linear(nO=5, nI=WIDTH))
    model = skip_empty(inner)
    nothing: Any = np.zeros((0, WIDTH), dtype="float32")
    model.initialize(X=[nothing])
    assert model.get_dim("nO") == 5
    assert model.predict(vectors_of([2, 1])).shape == (2, 5)


def test_saved() -> None:
    documents = vectors_of([3, 0, 2])
    model = build(["mean", "attention"], documents)
    copy = skip_empty(pool_tokens(["mean", "attention"])).from_bytes(model.to_bytes())
    assert (copy.predict(documents) == model.predict(documents)).all()


def test_rows_of_one_length() -> None:
    rows: Any = np.array([[3.0, 0.0, 4.0], [-0.01, 0.02, 0.02], [0.0, 0.0, 0.0]], dtype="float32")
    scaled = scale_rows(5.0).predict(rows)
    assert scaled.dtype == np.float32
    assert scaled == pytest.approx(5.0 * np.array([[0.6, 0.0, 0.8], [-1 / 3, 2 / 3, 2 / 3], [0, 0, 0]]), abs=1e-5)
    assert scale_rows(5.0).predict(100 * rows) == pytest.approx(scaled, abs=1e-5)


def test_gradient_of_scaled_rows() -> None:
    both: Any = np.random.default_rng(0).normal(size=(2, 4, WIDTH))
    rows, directions = both
    model = scale_rows(5.0)
    _, backprop = model.begin_update(rows)
    slopes = finite_differences(rows, lambda: float((directions * model.predict(rows)).sum()), 1e-5)
    assert backprop(directions) == pytest.approx(slopes, abs=1e-7)
