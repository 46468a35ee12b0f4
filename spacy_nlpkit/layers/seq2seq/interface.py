"""What training and search ask of an encoder-decoder, whatever it is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

# Piece of the target that no loss counts and no hypothesis holds, as an index of cross-entropy.
IGNORED = -100


class Special(NamedTuple):
    """Numbers of the target's special pieces. `start` is what the decoder reads first, `end` what it writes last."""

    pad: int
    start: int
    end: int


class Memory(NamedTuple):
    """What the encoder gives: states (rows, length, width), and a mask (rows, length), true where a piece stands."""

    states: Tensor
    mask: Tensor


class EncoderDecoder(torch.nn.Module):
    """Base of all encoder-decoders.

    Rows are sources of a batch; in search a row has `beams` hypotheses, which stand together: hypothesis `b` of row `r`
    is number `r * beams + b`. A cache is whatever the module wants it to be.

    special: Of the target's vocabulary. vocab_size: Of the target. max_length: Positions that the module has, None
        without limit; of source and target alike, special pieces included.
    """

    special: Special
    vocab_size: int
    max_length: int | None = None

    def encode(self, source: Tensor, mask: Tensor) -> Memory:
        """Source pieces (rows, length) int64, with a mask as in `Memory`."""
        raise NotImplementedError(type(self).__name__)

    def decode(self, memory: Memory, target: Tensor) -> Tensor:
        """Training: the states (rows, length, width) after each piece of `target` (rows, length), whose first is
        `special.start`; none sees a later one. Padding stands at the end and needs no mask."""
        raise NotImplementedError(type(self).__name__)

    def project(self, states: Tensor) -> Tensor:
        """Scores (n, vocab_size) of the piece that follows states (n, width), before the softmax."""
        raise NotImplementedError(type(self).__name__)

    def start(self, memory: Memory, beams: int) -> Any:
        """Search: the cache of hypotheses that hold nothing yet, `beams` of each row."""
        raise NotImplementedError(type(self).__name__)

    def step(self, cache: Any, pieces: Tensor) -> Tensor:
        """Search: read the last piece of each hypothesis (rows * beams,), and score the next, (rows * beams,
        vocab_size), before the softmax. The cache is changed in place."""
        raise NotImplementedError(type(self).__name__)

    def reorder(self, cache: Any, parents: Tensor) -> None:
        """Search: hypothesis `i` goes on from what was number `parents[i]`, of the same row."""
        raise NotImplementedError(type(self).__name__)

    def keep(self, cache: Any, rows: Tensor) -> None:
        """Search: go on with these rows alone, in this order; the others are finished."""
        raise NotImplementedError(type(self).__name__)

    def attention(self, memory: Memory, target: Tensor) -> Tensor | None:
        """What each piece of the target looked at: (rows, target length, source length), each row of the last axis
        summing to one; None where the module has no attention. `target` as in `decode`."""
        return None
