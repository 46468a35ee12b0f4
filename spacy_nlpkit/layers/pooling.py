"""From the vectors of tokens to one vector a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thinc.api import (
    Model,
    ParametricAttention,
    chain,
    concatenate,
    list2ragged,
    reduce_first,
    reduce_max,
    reduce_mean,
    reduce_sum,
)
from thinc.types import Floats2d, Ragged

TokensToDoc = Model[list[Floats2d], Floats2d]

POOLINGS: dict[str, Callable[[], Model[Ragged, Floats2d]]] = {
    "mean": reduce_mean,
    "max": reduce_max,
    "first": reduce_first,
    "attention": lambda: chain(ParametricAttention(), reduce_sum()),
}


def pool_tokens(poolings: list[str]) -> TokensToDoc:
    """One vector a document: the poolings named, side by side. Documents have at least one token.

    mean, max: Of every column. first: The first token. attention: Sum weighted by one learned query (Yang et al. 2016).
    """
    layers = [POOLINGS[name]() for name in poolings]
    pooled: Model = concatenate(*layers) if len(layers) > 1 else layers[0]
    return chain(list2ragged(), pooled)


def skip_empty(layer: TokensToDoc) -> TokensToDoc:
    """Give a layer only the documents that have tokens; the others get zeros."""
    return Model("skip_empty", _forward, init=_init, layers=[layer], dims={"nO": None})


def _init(model: TokensToDoc, X: Any = None, Y: Any = None) -> None:
    layer = model.layers[0]
    filled = [tokens for tokens in X if len(tokens)] if X is not None else None
    layer.initialize(X=filled or None)
    model.set_dim("nO", layer.predict(filled).shape[1] if filled else layer.get_dim("nO"))


def _forward(
    model: TokensToDoc, documents: list[Floats2d], is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Floats2d]]]:
    layer, ops = model.layers[0], model.ops
    filled = [number for number, tokens in enumerate(documents) if len(tokens)]
    pooled: Any = ops.alloc2f(len(documents), model.get_dim("nO"))
    if not filled:
        return pooled, lambda d_pooled: documents
    pooled[filled], backprop_layer = layer([documents[number] for number in filled], is_train)

    def backprop(d_pooled: Floats2d) -> list[Floats2d]:
        found = iter(backprop_layer(d_pooled[filled]))
        return [next(found) if len(tokens) else tokens for tokens in documents]

    return pooled, backprop


def scale_rows(length: float) -> Model[Floats2d, Floats2d]:
    """Every row at one length; a row of zeros stays."""
    return Model("scale_rows", _scale_forward, attrs={"length": length})


def _scale_forward(
    model: Model[Floats2d, Floats2d], rows: Any, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    xp = model.ops.xp
    length = model.attrs["length"]
    scale = length / xp.maximum(xp.sqrt((rows * rows).sum(axis=1, keepdims=True)), 1e-12)
    scaled = rows * scale

    def backprop(d_scaled: Any) -> Floats2d:
        along = (d_scaled * scaled).sum(axis=1, keepdims=True) / length**2
        return (d_scaled - along * scaled) * scale

    return scaled, backprop
