"""A recurrent network over the tokens of each document, in torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats2d
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .dropout import Dropout
from .torch_shim import TorchShim

CELLS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
Layer = Model[list[Floats2d], Floats2d]


class RecurrentPooling(nn.Module):
    """Padded token vectors (docs, tokens, width) and lengths (docs,) to one vector a document; padding is masked."""

    def __init__(
        self,
        cell: str,
        width: int,
        hidden: int,
        depth: int,
        bidirectional: bool,
        pooling: Sequence[str],
        dropout: float,
    ) -> None:
        super().__init__()
        self.pooling = tuple(pooling)
        self.depth = depth
        self.rnn = CELLS[cell](
            width, hidden, depth, batch_first=True, bidirectional=bidirectional, dropout=dropout if depth > 1 else 0.0
        )
        self.dropout = Dropout(dropout)
        if "attention" in pooling:
            self.attention = nn.Linear(hidden * (1 + bidirectional), 1)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """RETURNS: (docs, hidden), times two in two directions, times the number of poolings."""
        packed = pack_padded_sequence(self.dropout(tokens), lengths, batch_first=True, enforce_sorted=False)
        states, last = self.rnn(packed)
        padded, _ = pad_packed_sequence(states, batch_first=True)
        mask = torch.arange(padded.shape[1], device=padded.device) >= lengths.to(padded.device)[:, None]
        pool = {
            "last": lambda: self._last(last),
            "attention": lambda: self._attend(padded, mask),
            "max": lambda: padded.masked_fill(mask[:, :, None], -torch.inf).amax(dim=1),
        }
        return torch.cat([pool[name]() for name in self.pooling], dim=1)

    def _last(self, last: torch.Tensor | tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        hidden = last[0] if isinstance(last, tuple) else last  # an lstm gives its cells too
        directions = hidden.view(self.depth, -1, *hidden.shape[1:])[-1]
        return torch.cat(tuple(directions), dim=1)

    def _attend(self, padded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        weights = self.attention(padded).squeeze(2).masked_fill(mask, -torch.inf).softmax(dim=1)
        return torch.einsum("dt,dtw->dw", weights, padded)


def recurrent_pooling(
    cell: str, width: int, hidden: int, depth: int, bidirectional: bool, pooling: Sequence[str], dropout: float
) -> Layer:
    """The layer of `RecurrentPooling`: token vectors of each document, at least one, to (docs, nO)."""
    module = RecurrentPooling(cell, width, hidden, depth, bidirectional, pooling, dropout)
    dims: dict[str, int | None] = {"nI": width, "nO": hidden * (1 + bidirectional) * len(pooling)}
    return Model("recurrent_pooling", _forward, init=_init, dims=dims, shims=[TorchShim(module)])


def _init(model: Layer, X: Any = None, Y: Any = None) -> None:
    """Draw the weights anew, as Thinc's layers do: torch has drawn them when the model was built."""
    module: nn.Module = model.shims[0]._model
    for part in module.modules():
        if isinstance(part, (nn.RNNBase, nn.Linear)):
            part.reset_parameters()


# Padded tokens of one pass at prediction: one long document among many short ones would pad them all to its length.
_MAX_PADDED = 100_000


def _batches(documents: list[Floats2d]) -> Iterator[list[Floats2d]]:
    """Consecutive documents of at most `_MAX_PADDED` padded tokens together, or one."""
    part: list[Floats2d] = []
    longest = 0
    for tokens in documents:
        longest = max(longest, len(tokens))
        if part and longest * (len(part) + 1) > _MAX_PADDED:
            yield part
            part, longest = [], len(tokens)
        part.append(tokens)
    if part:
        yield part


def _forward(
    model: Layer, documents: list[Floats2d], is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Floats2d]]]:
    if is_train:
        return _run(model, documents, True)
    pooled: Any = model.ops.xp.concatenate([_run(model, part, False)[0] for part in _batches(documents)])
    return pooled, lambda d_pooled: documents


def _run(
    model: Layer, documents: list[Floats2d], is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Floats2d]]]:
    ops: Any = model.ops
    shim = model.shims[0]
    lengths = [len(tokens) for tokens in documents]
    padded: Any = ops.alloc3f(len(lengths), max(lengths), model.get_dim("nI"))
    for row, tokens in zip(padded, documents):
        row[: len(tokens)] = tokens
    inputs = ArgsKwargs((xp2torch(padded, requires_grad=is_train), torch.tensor(lengths)), {})
    pooled, torch_backprop = shim(inputs, is_train)

    def backprop(d_pooled: Floats2d) -> list[Floats2d]:
        gradient = xp2torch(d_pooled)
        d_inputs = torch_backprop(ArgsKwargs(((pooled,),), {"grad_tensors": (gradient,)}))
        d_padded: Any = torch2xp(d_inputs.args[0])
        return [row[:length] for row, length in zip(d_padded, lengths)]

    output: Any = torch2xp(pooled)
    return output, backprop
