"""The Thinc layer that holds a CRF's transition scores and hands them on beside the emissions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from thinc.api import Model
from thinc.types import Floats2d

from .crf import B, Floats, Ints, U

# Score of the transitions into a new entity before training: about one token in twenty begins one.
RARITY = 5.0


@dataclass
class Potentials:
    """Scores of a CRF for a batch, or the gradient of a loss with respect to them, in numpy float64.

    emissions: (tokens, tags). lengths: (documents,) tokens of each document, 0 allowed. transitions: (tags, tags);
    start, end: (tags,).
    """

    emissions: Floats
    lengths: Ints
    transitions: Floats
    start: Floats
    end: Floats


def crf_potentials(nO: int | None = None) -> Model[list[Floats2d], Potentials]:
    """Join the documents' emissions (tokens, tags) with the transition scores, which are this layer's parameters."""
    return Model(
        "crf",
        forward,
        init=init,
        dims={"nO": nO},
        params={"transitions": None, "start": None, "end": None},
    )


def init(model: Model[list[Floats2d], Potentials], X: object = None, Y: object = None) -> None:
    """Start from what holds of any annotation: entities are rare, so that beginning one costs `RARITY`. All else is
    learned. Without it the first hundreds of steps are spent on learning that most tokens are outside."""
    if model.has_dim("nO") is not True:
        return
    tags = model.get_dim("nO")
    costs: Any = model.ops.alloc1f(tags)
    costs[B::4] = -RARITY
    costs[U::4] = -RARITY
    transitions: Any = model.ops.alloc2f(tags, tags)
    transitions[:] = costs
    model.set_param("transitions", transitions)
    model.set_param("start", costs)
    model.set_param("end", model.ops.alloc1f(tags))


def forward(
    model: Model[list[Floats2d], Potentials], X: list[Floats2d], is_train: bool
) -> tuple[Potentials, Callable[[Potentials], list[Floats2d]]]:
    """Move the scores to the CPU once; the backward pass takes gradients as `Potentials` and stores its own."""
    ops = model.ops
    lengths = np.array([len(x) for x in X], dtype=np.int64)
    emissions = np.zeros((0, model.get_dim("nO")))
    if lengths.sum():
        emissions = ops.to_numpy(ops.xp.concatenate(X)).astype(np.float64)
    params = (ops.to_numpy(model.get_param(name)).astype(np.float64) for name in ("transitions", "start", "end"))

    def backprop(d_scores: Potentials) -> list[Floats2d]:
        for name in model.param_names:
            gradient: Any = getattr(d_scores, name)
            model.inc_grad(name, ops.asarray_f(gradient))
        d_emissions: Any = d_scores.emissions
        flat = ops.asarray2f(d_emissions)
        return [flat[stop - size : stop] for size, stop in zip(lengths, np.cumsum(lengths))]

    return Potentials(emissions, lengths, *params), backprop


def resized_crf(old: Model[list[Floats2d], Potentials], tags: int) -> Model[list[Floats2d], Potentials]:
    """A layer of `tags` tags in place of one with fewer; the tags that were there keep their scores."""
    new = crf_potentials(tags)
    new.ops = old.ops
    init(new)
    size = old.get_dim("nO")
    for name in new.param_names:
        scores: Any = new.get_param(name)
        scores[(slice(size),) * scores.ndim] = old.get_param(name)
    return new
