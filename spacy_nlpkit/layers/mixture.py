"""Several classifiers as one: a weighted sum of their scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

Layer = Model[list[Doc], Floats2d]
# Attribute of the node: whether the members are to be trained each by its own error.
TRAIN_APART = "train_apart"


def mix_scores(members: list[Layer], weights: list[float], learned: bool, train_apart: bool) -> Layer:
    """The sum of the members' scores, each times its weight: (docs, labels).

    The probabilities are then the weighted geometric mean of the members' own, made to sum to one (Hinton 2002).
    Weights start as given; with `learned` they are trained with the members (stacking). Param weights (members).
    """
    return Model(
        "mix_scores",
        _forward,
        init=_init,
        layers=members,
        params={"weights": None},
        dims={"nO": None},
        attrs={"start": weights, "learned": learned, TRAIN_APART: train_apart},
    )


def _init(model: Layer, X: Any = None, Y: Any = None) -> None:
    for member in model.layers:
        member.initialize(X=X, Y=Y)
    if model.has_param("weights") is None:
        model.set_param("weights", model.ops.asarray1f(model.attrs["start"]))


def _forward(model: Layer, docs: list[Doc], is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], list[Doc]]]:
    weights: Any = model.get_param("weights")
    scores, backprops = zip(*(member(docs, is_train) for member in model.layers))

    def backprop(d_mixed: Floats2d) -> list[Doc]:
        for weight, member_backprop in zip(weights, backprops):
            member_backprop(weight * d_mixed)
        _learn_weights(model, d_mixed, scores)
        return docs

    return _mixed(weights, scores), backprop


def begin_apart(model: Layer, docs: list[Doc]) -> tuple[list[Floats2d], Callable[[Sequence[Floats2d]], None]]:
    """The scores of each member, and last those of the mixture; the backward pass takes a gradient for each.

    That of the mixture changes the weights alone, where they are learned.
    """
    scores, backprops = zip(*(member.begin_update(docs) for member in model.layers))

    def backprop(gradients: Sequence[Floats2d]) -> None:
        *d_members, d_mixed = gradients
        for d_member, member_backprop in zip(d_members, backprops):
            member_backprop(d_member)
        _learn_weights(model, d_mixed, scores)

    return [*scores, _mixed(model.get_param("weights"), scores)], backprop


def _mixed(weights: Any, scores: Sequence[Any]) -> Any:
    return sum(weight * part for weight, part in zip(weights, scores))


def _learn_weights(model: Layer, d_mixed: Floats2d, scores: Sequence[Any]) -> None:
    if model.attrs["learned"]:
        model.inc_grad("weights", model.ops.asarray1f([float((d_mixed * part).sum()) for part in scores]))
