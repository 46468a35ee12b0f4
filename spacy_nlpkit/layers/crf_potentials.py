"""The Thinc layer that holds a CRF's transition scores and hands them on beside the emissions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from thinc.api import Model
from thinc.types import Floats2d

from .crf import Floats, Ints, n_tags


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
    """Start from equal transitions: what the data says of them is learned."""
    if model.has_dim("nO") is not True:
        return
    tags = model.get_dim("nO")
    model.set_param("transitions", model.ops.alloc2f(tags, tags))
    model.set_param("start", model.ops.alloc1f(tags))
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
        model.inc_grad("transitions", ops.asarray2f(d_scores.transitions))
        model.inc_grad("start", ops.asarray1f(d_scores.start))
        model.inc_grad("end", ops.asarray1f(d_scores.end))
        flat = ops.asarray2f(d_scores.emissions)
        return [flat[stop - size : stop] for size, stop in zip(lengths, np.cumsum(lengths))]

    return Potentials(emissions, lengths, *params), backprop


def resize_crf(model: Model[list[Floats2d], Potentials], n_labels: int) -> None:
    """Make room for more labels; the tags there are keep their scores."""
    tags, size = n_tags(n_labels), model.get_dim("nO")
    old: dict[str, Any] = {name: model.get_param(name) for name in ("transitions", "start", "end")}
    model.set_dim("nO", tags, force=True)
    transitions = model.ops.alloc2f(tags, tags)
    transitions[:size, :size] = old["transitions"]
    model.set_param("transitions", transitions)
    for name in ("start", "end"):
        scores = model.ops.alloc1f(tags)
        scores[:size] = old[name]
        model.set_param(name, scores)
