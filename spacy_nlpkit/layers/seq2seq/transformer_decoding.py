"""The decoder of a Transformer as search runs it: one piece at a time, over what it has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .interface import Memory
from .positions import rotate
from .transformer_parts import DecoderLayer, activate, split_heads

if TYPE_CHECKING:
    from .transformer import TransformerSeq2Seq

# Positions that a cache has room for at first; it doubles.
_CAPACITY = 16
Linear = tuple[Tensor, Tensor]


class _LayerView(NamedTuple):
    """The weights of a layer. Queries come scaled, so that no step has to."""

    query_key_value: Linear
    self_output: Linear
    query: Linear
    key_value: Linear
    cross_output: Linear
    inner: Linear
    outer: Linear
    self_norm: nn.Module
    cross_norm: nn.Module
    feed_forward_norm: nn.Module


class DecodingCache:
    """What a search keeps between steps.

    Keys and values of the target, of each layer, are (capacity, hypotheses, width): a step writes one slice, and a
    reordering copies only what is filled. Those of the source are computed once a row, not once a hypothesis.
    """

    def __init__(self, view: DecoderView, memory: Memory, beams: int) -> None:
        self.view = view
        self.beams = beams
        self.length = 0
        hypotheses = len(memory.states) * beams
        shape = (2 * len(view.layers), _CAPACITY, hypotheses, view.width)
        self.target = torch.empty(shape, dtype=view.dtype, device=memory.states.device)
        self._spare: Tensor | None = None
        self.source = view.read_memory(memory.states)
        whole = bool(memory.mask.all())
        hidden = torch.zeros(memory.mask.shape, dtype=view.dtype, device=memory.mask.device)
        self.mask = None if whole else hidden.masked_fill_(~memory.mask, -torch.inf)[:, None, None, :]

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Keep what the step read, (hypotheses, width), or (rows, width) where hypotheses do not differ yet."""
        if self.length == self.target.shape[1]:
            self.target = torch.cat([self.target, torch.empty_like(self.target)], dim=1)
            self._spare = None
        rows = len(keys)
        for number, states in ((2 * layer, keys), (2 * layer + 1, values)):
            self.target[number, self.length].view(rows, -1, states.shape[1]).copy_(states[:, None])

    def reorder(self, parents: Tensor) -> None:
        """As `EncoderDecoder.reorder`. Two stores take turns: none is allocated anew."""
        if self._spare is None:
            self._spare = torch.empty_like(self.target)
        for old, new in zip(self.target, self._spare):
            torch.index_select(old[: self.length], 1, parents, out=new[: self.length])
        self.target, self._spare = self._spare, self.target

    def keep(self, rows: Tensor) -> None:
        """As `EncoderDecoder.keep`."""
        hypotheses = (rows[:, None] * self.beams + torch.arange(self.beams, device=rows.device)).flatten()
        self.target, self._spare = self.target.index_select(2, hypotheses), None
        self.source = [(keys.index_select(0, rows), values.index_select(0, rows)) for keys, values in self.source]
        self.mask = None if self.mask is None else self.mask.index_select(0, rows)


class DecoderView:
    """The decoder's weights in the type that is computed with, and one step of it."""

    def __init__(self, module: TransformerSeq2Seq, device: torch.device) -> None:
        self.device_type = device.type
        autocast = torch.is_autocast_enabled(self.device_type)
        self.dtype = torch.get_autocast_dtype(self.device_type) if autocast else module.output_bias.dtype
        self.module = module
        self.settings = module.settings
        self.width = self.settings.width
        self.scale = (self.width // self.settings.heads) ** -0.5
        self.layers = [self._layer(layer) for layer in module.decoder]
        self.output = self._cast(module.output_table, module.output_bias)

    def read_memory(self, states: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of each layer for memory (rows, length, width): (rows, heads, length, width / heads)."""
        heads = self.settings.heads
        with torch.autocast(self.device_type, enabled=False):
            both = (functional.linear(states.to(self.dtype), *layer.key_value) for layer in self.layers)
            split = ([split_heads(part, heads).contiguous() for part in pair.chunk(2, dim=2)] for pair in both)
            return [(keys, values) for keys, values in split]

    def step(self, cache: DecodingCache, pieces: Tensor) -> Tensor:
        """As `EncoderDecoder.step`: the first step computes each row once, since its hypotheses do not differ yet."""
        first = cache.length == 0
        if first:
            pieces = pieces[:: cache.beams]
        with torch.autocast(self.device_type, enabled=False):
            scores = functional.linear(self._run(cache, pieces).to(self.dtype), *self.output)
        cache.length += 1
        return scores.repeat_interleave(cache.beams, dim=0) if first and cache.beams > 1 else scores

    def _run(self, cache: DecodingCache, pieces: Tensor) -> Tensor:
        module, length = self.module, cache.length
        states = functional.embedding(pieces, module.target_embedding) * self.width**0.5
        vectors = module.position_vectors(module.target_positions, length, length + 1)
        if vectors is not None:
            states = states + vectors
        angles = module.angles(length, length + 1)
        for number, layer in enumerate(self.layers):
            seen = self._look_back(cache, number, self._before(layer.self_norm, states), angles)
            states = self._after(layer.self_norm, states, seen)
            seen = self._look_over(cache, number, self._before(layer.cross_norm, states))
            states = self._after(layer.cross_norm, states, seen)
            inner = functional.linear(self._before(layer.feed_forward_norm, states), *layer.inner)
            outer = functional.linear(activate(inner, self.settings.activation), *layer.outer)
            states = self._after(layer.feed_forward_norm, states, outer)
        return states if module.decoder_norm is None else module.decoder_norm(states)

    def _before(self, norm: nn.Module, states: Tensor) -> Tensor:
        return (norm(states) if self.settings.pre_norm else states).to(self.dtype)

    def _after(self, norm: nn.Module, states: Tensor, added: Tensor) -> Tensor:
        return states + added if self.settings.pre_norm else norm(states + added)

    def _look_back(self, cache: DecodingCache, number: int, states: Tensor, angles: Tensor | None) -> Tensor:
        layer, heads = self.layers[number], self.settings.heads
        query, key, value = functional.linear(states, *layer.query_key_value).split(self.width, dim=1)
        if angles is not None:
            query, key = (rotate(part.unflatten(1, (heads, 1, -1)), angles).flatten(1) for part in (query, key))
        cache.write(number, key, value)
        if cache.length == 0:
            return functional.linear(value, *layer.self_output)  # attention to one piece gives its value
        filled = slice(cache.length + 1)
        # (length, hypotheses, width) to (hypotheses, heads, length, width of a head), without a copy
        keys, values = (
            cache.target[2 * number + i, filled].unflatten(2, (heads, -1)).permute(1, 2, 0, 3) for i in (0, 1)
        )
        weights = torch.matmul(query.unflatten(1, (heads, 1, -1)), keys.transpose(2, 3)).softmax(dim=-1)
        return functional.linear(torch.matmul(weights, values).flatten(1), *layer.self_output)

    def _look_over(self, cache: DecodingCache, number: int, states: Tensor) -> Tensor:
        """Hypotheses of a row stand as so many queries of it."""
        layer = self.layers[number]
        keys, values = cache.source[number]
        query = split_heads(functional.linear(states, *layer.query).view(len(keys), -1, self.width), keys.shape[1])
        scores = torch.matmul(query, keys.transpose(2, 3))
        if cache.mask is not None:
            scores += cache.mask
        attended = torch.matmul(scores.softmax(dim=-1), values).transpose(1, 2).reshape(len(states), self.width)
        return functional.linear(attended, *layer.cross_output)

    def _layer(self, layer: DecoderLayer) -> _LayerView:
        fused, cross, feed = layer.self_attention.query_key_value, layer.cross_attention, layer.feed_forward
        scales = torch.ones(3 * self.width, device=fused.weight.device)
        scales[: self.width] = self.scale
        return _LayerView(
            query_key_value=self._cast(fused.weight * scales[:, None], fused.bias * scales),
            self_output=self._cast(layer.self_attention.output.weight, layer.self_attention.output.bias),
            query=self._cast(cross.query.weight * self.scale, cross.query.bias * self.scale),
            key_value=self._cast(cross.key_value.weight, cross.key_value.bias),
            cross_output=self._cast(cross.output.weight, cross.output.bias),
            inner=self._cast(feed.inner.weight, feed.inner.bias),
            outer=self._cast(feed.outer.weight, feed.outer.bias),
            self_norm=layer.self_attention_norm,
            cross_norm=layer.cross_attention_norm,
            feed_forward_norm=layer.feed_forward_norm,
        )

    def _cast(self, weight: Tensor, bias: Tensor) -> Linear:
        return weight.to(self.dtype), bias.to(self.dtype)
