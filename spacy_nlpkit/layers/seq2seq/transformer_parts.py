"""The sublayers of a Transformer, as training runs them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..dropout import Dropout, drop
from .positions import rotate
from .transformer_settings import TransformerSettings


def make_norm(settings: TransformerSettings) -> nn.Module:
    """The normalisation of states (..., width)."""
    return nn.RMSNorm(settings.width, eps=1e-6) if settings.norm == "rms" else nn.LayerNorm(settings.width)


def fused_linear(width: int, parts: int, part_width: int) -> nn.Linear:
    """One product for several maps of the same input, drawn as if each had a matrix of its own (Glorot and Bengio,
    2010): (..., width) to (..., parts * part_width)."""
    linear = nn.Linear(width, parts * part_width)
    for part in linear.weight.data.chunk(parts):
        nn.init.xavier_uniform_(part)
    nn.init.zeros_(linear.bias)
    return linear


def split_heads(states: Tensor, heads: int) -> Tensor:
    """(rows, length, width) to (rows, heads, length, width / heads), without a copy."""
    return states.unflatten(2, (heads, -1)).transpose(1, 2)


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, rate: float = 0.0, causal: bool = False
) -> Tensor:
    """Attention of queries to keys: (rows, heads, length, width of a head). mask: True where a key may be looked at.

    rate: Of the dropout of the weights. On a CPU the gradient of torch's fused kernel takes several times as long as
    these plain steps in half precision, at the lengths that sentences have.
    """
    if query.device.type != "cpu" or query.dtype == torch.float32 or not query.requires_grad:
        return functional.scaled_dot_product_attention(query, key, value, mask, rate, is_causal=causal)
    scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    if causal:
        allowed = torch.ones(scores.shape[2:], dtype=torch.bool, device=scores.device).tril()
        mask = allowed if mask is None else mask & allowed
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return drop(scores.softmax(dim=-1), rate) @ value


class SelfAttention(nn.Module):
    """Attention among the pieces of one side (Vaswani et al., 2017). `query_key_value` maps to queries, keys and
    values, in this order; `output` maps what all heads give."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.dropout = settings.attention_dropout
        self.query_key_value = fused_linear(settings.width, 3, settings.width)
        self.output = fused_linear(settings.width, 1, settings.width)

    def forward(self, states: Tensor, mask: Tensor | None, causal: bool, angles: Tensor | None) -> Tensor:
        """(rows, length, width) to the same. mask: (rows, 1, 1, length), true where a piece stands, None where all do.
        causal: Whether none sees a later one. angles: Of rotary positions, (2, length, width of a head)."""
        query, key, value = (split_heads(part, self.heads) for part in self.query_key_value(states).chunk(3, dim=2))
        if angles is not None:
            query, key = rotate(query, angles), rotate(key, angles)
        rate = self.dropout if self.training else 0.0
        return self.output(attend(query, key, value, mask, rate, causal).transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention of the target to the source. `key_value` maps the memory to keys and values, in this order."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.dropout = settings.attention_dropout
        self.query = fused_linear(settings.width, 1, settings.width)
        self.key_value = fused_linear(settings.width, 2, settings.width)
        self.output = fused_linear(settings.width, 1, settings.width)

    def forward(self, states: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """States (rows, target length, width) and memory (rows, source length, width) to the shape of the states.
        mask: As in `SelfAttention`, of the source."""
        query = split_heads(self.query(states), self.heads)
        key, value = (split_heads(part, self.heads) for part in self.key_value(memory).chunk(2, dim=2))
        rate = self.dropout if self.training else 0.0
        return self.output(attend(query, key, value, mask, rate).transpose(1, 2).flatten(2))

    def weights(self, states: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """The mean of the heads' attention: (rows, target length, source length)."""
        query = split_heads(self.query(states), self.heads)
        key = split_heads(self.key_value(memory).chunk(2, dim=2)[0], self.heads)
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return scores.softmax(dim=-1).mean(dim=1)


class FeedForward(nn.Module):
    """Two maps with an activation between them. For "swiglu" `inner` has two halves: the activation of the first
    multiplies the second (Shazeer, 2020)."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.activation = settings.activation
        self.dropout = Dropout(settings.activation_dropout)
        parts = 2 if settings.activation == "swiglu" else 1
        self.inner = fused_linear(settings.width, parts, settings.hidden_width)
        self.outer = fused_linear(settings.hidden_width, 1, settings.width)

    def forward(self, states: Tensor) -> Tensor:
        """(..., width) to the same."""
        return self.outer(self.dropout(activate(self.inner(states), self.activation)))


def activate(inner: Tensor, activation: str) -> Tensor:
    """What stands between the two maps of `FeedForward`; "relu" writes over `inner`."""
    if activation == "swiglu":
        gate, values = inner.chunk(2, dim=-1)
        return functional.silu(gate) * values
    return functional.gelu(inner) if activation == "gelu" else functional.relu(inner, inplace=True)


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each added to its input."""

    def __init__(self, settings: TransformerSettings, dropout: nn.Dropout) -> None:
        super().__init__()
        self.pre_norm = settings.pre_norm
        self.dropout = dropout
        self.self_attention = SelfAttention(settings)
        self.self_attention_norm = make_norm(settings)
        self.feed_forward = FeedForward(settings)
        self.feed_forward_norm = make_norm(settings)

    def forward(self, states: Tensor, mask: Tensor | None, angles: Tensor | None) -> Tensor:
        """As `SelfAttention`."""
        if self.pre_norm:
            normed = self.self_attention_norm(states)
            states = states + self.dropout(self.self_attention(normed, mask, False, angles))
            return states + self.dropout(self.feed_forward(self.feed_forward_norm(states)))
        added = states + self.dropout(self.self_attention(states, mask, False, angles))
        states = self.self_attention_norm(added)
        return self.feed_forward_norm(states + self.dropout(self.feed_forward(states)))


class DecoderLayer(nn.Module):
    """Self-attention, attention to the source and a feed-forward network, each added to its input."""

    def __init__(self, settings: TransformerSettings, dropout: nn.Dropout) -> None:
        super().__init__()
        self.pre_norm = settings.pre_norm
        self.dropout = dropout
        self.self_attention = SelfAttention(settings)
        self.self_attention_norm = make_norm(settings)
        self.cross_attention = CrossAttention(settings)
        self.cross_attention_norm = make_norm(settings)
        self.feed_forward = FeedForward(settings)
        self.feed_forward_norm = make_norm(settings)

    def forward(self, states: Tensor, memory: Tensor, mask: Tensor | None, angles: Tensor | None) -> Tensor:
        """As `CrossAttention`; angles are of the target."""
        states, query = self.look_back(states, angles)
        added = states + self.dropout(self.cross_attention(query, memory, mask))
        if self.pre_norm:
            return added + self.dropout(self.feed_forward(self.feed_forward_norm(added)))
        states = self.cross_attention_norm(added)
        return self.feed_forward_norm(states + self.dropout(self.feed_forward(states)))

    def look_back(self, states: Tensor, angles: Tensor | None) -> tuple[Tensor, Tensor]:
        """Self-attention alone. RETURNS: The states after it, and what attention to the source reads."""
        if self.pre_norm:
            normed = self.self_attention_norm(states)
            states = states + self.dropout(self.self_attention(normed, None, True, angles))
            return states, self.cross_attention_norm(states)
        added = states + self.dropout(self.self_attention(states, None, True, angles))
        states = self.self_attention_norm(added)
        return states, states
