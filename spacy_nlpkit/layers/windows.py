"""Windows of consecutive tokens, the input of a convolution over text (Kim 2014)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from thinc.api import Model
from thinc.types import Floats2d, Ragged

Layer = Model[Ragged, Ragged]


def token_windows(size: int) -> Layer:
    """Every window of `size` tokens as one row, (windows, size * width), those over the ends filled with zeros: a
    document of n tokens has n + size - 1 of them. No window holds tokens of two documents."""
    return Model("token_windows", _forward, attrs={"size": size}, dims={"nI": None, "nO": None}, init=_init)


def narrow_init(ops: Any, shape: tuple[int, ...]) -> Floats2d:
    """Weights (outputs, inputs) that start uniformly distributed within 1 / sqrt(inputs), as torch's convolutions do.

    Thinc's own start is wider for these shapes: filters then begin as noise that a maximum over a text picks up.
    """
    bound = 1.0 / np.sqrt(shape[1])
    return ops.asarray(np.random.uniform(-bound, bound, shape).astype("float32"))


def _init(model: Layer, X: Ragged | None = None, Y: Any = None) -> None:
    if X is not None:
        model.set_dim("nI", X.data.shape[1])
        model.set_dim("nO", X.data.shape[1] * model.attrs["size"])


def _forward(model: Layer, tokens: Ragged, is_train: bool) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    ops, size = model.ops, model.attrs["size"]
    data: Any = tokens.dataXd
    lengths = ops.to_numpy(tokens.lengths)
    # Between documents stand size - 1 rows of zeros: windows reach into them, and not over them.
    place = np.arange(len(data)) + np.repeat(np.arange(1, len(lengths) + 1) * (size - 1), lengths)
    rows = ops.asarray1i(place)
    spaced = ops.alloc2f(len(data) + (size - 1) * (len(lengths) + 1), data.shape[1])
    spaced[rows] = data
    n_windows = len(spaced) - size + 1
    windows = ops.xp.concatenate([spaced[shift : shift + n_windows] for shift in range(size)], axis=1)

    def backprop(d_windows: Ragged) -> Ragged:
        d_spaced = ops.alloc2f(*spaced.shape)
        for shift, part in enumerate(ops.xp.split(d_windows.dataXd, size, axis=1)):
            d_spaced[shift : shift + n_windows] += part
        return Ragged(d_spaced[rows], tokens.lengths)

    return Ragged(windows, ops.asarray1i(lengths + size - 1)), backprop
