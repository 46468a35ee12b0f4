"""Mixtures of classifiers: their scores, who learns from which error, and learned weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spacy.tokens import Doc
from thinc.api import Linear, Model, chain, fix_random_seed

from spacy_nlpkit.layers.embedding_bag import embedding_bag
from spacy_nlpkit.layers.mixture import TRAIN_APART, begin_apart, mix_scores
from spacy_nlpkit.layers.ngrams import NgramOptions

from .reference import finite_differences, make_docs

LABELS = 3
WEIGHTS = [0.2, 0.5, 0.9]


@pytest.fixture
def docs() -> list[Doc]:
    return make_docs(["stocks", "fell"], [], ["the", "cup", "final"], ["Oslo"])


def build(learned: bool = False) -> Model:
    """Of three small members, linear in their vectors."""
    bags = [embedding_bag(2, NgramOptions(8, word_ngrams=size), "mean", 0.0, 1.0) for size in (1, 2, 3)]
    members = [chain(bag, Linear(nO=LABELS, nI=2)) for bag in bags]
    model = mix_scores(members, WEIGHTS, learned, train_apart=True)
    fix_random_seed(0)
    model.initialize()
    return model


def gradients_of(model: Model) -> dict[tuple[str, str], Any]:
    return {(node.name, name): node.get_grad(name).copy() for node in model.walk() for name in node.grad_names}


@pytest.mark.parametrize("learned", [False, True], ids=["fixed", "learned"])
def test_scores_are_the_weighted_sum(docs: list[Doc], learned: bool) -> None:
    model = build(learned)
    expected = sum(weight * part.predict(docs) for weight, part in zip(WEIGHTS, model.layers))
    assert model.predict(docs) == pytest.approx(expected, abs=1e-6)
    assert model.begin_update(docs)[0] == pytest.approx(expected, abs=1e-6)
    only_second: Any = np.array([0.0, 1.0, 0.0], dtype="float32")
    model.set_param("weights", only_second)
    assert model.predict(docs) == pytest.approx(model.layers[1].predict(docs), abs=1e-6)


@pytest.mark.parametrize("learned", [False, True], ids=["fixed", "learned"])
def test_gradient_of_the_sum(docs: list[Doc], learned: bool) -> None:
    model = build(learned)
    directions = np.random.default_rng(0).normal(size=(len(docs), LABELS)).astype("float32")
    _, backprop = model.begin_update(docs)
    assert backprop(directions) == docs
    for node in model.walk():
        for name in node.param_names:
            slopes = finite_differences(
                node.get_param(name), lambda: float((directions * model.predict(docs)).sum(dtype="float64")), 0.05
            )
            if node is model and not learned:
                assert not model.has_grad("weights")
                assert slopes.any()
            else:
                assert node.get_grad(name) == pytest.approx(slopes, abs=1e-3), (node.name, name)


@pytest.mark.parametrize("learned", [False, True], ids=["fixed", "learned"])
def test_members_apart_learn_as_if_alone(docs: list[Doc], learned: bool) -> None:
    model = build(learned)
    alone = [part.copy() for part in model.layers]
    rng = np.random.default_rng(0)
    directions: list[Any] = [rng.normal(size=(len(docs), LABELS)).astype("float32") for _ in range(4)]
    scores, backprop = begin_apart(model, docs)
    backprop(directions)
    assert len(scores) == 4
    assert scores[-1] == pytest.approx(model.predict(docs), abs=1e-6)
    for part, single, found, direction in zip(model.layers, alone, scores, directions):
        own, backprop_alone = single.begin_update(docs)
        backprop_alone(direction)
        assert (found == own).all()
        gradients, expected = gradients_of(part), gradients_of(single)
        assert gradients.keys() == expected.keys()
        assert len(expected) == 3
        assert all((gradients[key] == expected[key]).all() for key in expected)
    if learned:
        slopes = [float((directions[-1] * part).sum()) for part in scores[:-1]]
        assert model.get_grad("weights") == pytest.approx(slopes, rel=1e-5)
    else:
        assert not model.has_grad("weights")


def test_the_error_of_the_mixture_does_not_reach_members_apart(docs: list[Doc]) -> None:
    model = build(learned=True)
    scores, backprop = begin_apart(model, docs)
    nothing: Any = np.zeros_like(scores[0])
    backprop([nothing, nothing, nothing, nothing + 1])
    assert not any(gradient.any() for part in model.layers for gradient in gradients_of(part).values())
    assert model.get_grad("weights").all()


def test_learned_weights_are_saved(docs: list[Doc]) -> None:
    model = build(learned=True)
    model.initialize()
    learned: Any = np.array([0.3, 0.1, 0.6], dtype="float32")
    model.set_param("weights", learned)
    model.initialize()
    assert model.get_param("weights") == pytest.approx([0.3, 0.1, 0.6])
    copy = build(learned=True).from_bytes(model.to_bytes())
    assert copy.get_param("weights") == pytest.approx([0.3, 0.1, 0.6])
    assert (copy.predict(docs) == model.predict(docs)).all()
    assert copy.attrs[TRAIN_APART]
