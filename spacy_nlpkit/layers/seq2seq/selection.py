"""The greatest of many scores, the same ones whatever stands beside them."""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 32
_LOW = 0xFFFFFFFF


def _keys(scores: Tensor, numbers: Tensor) -> Tensor:
    """Integers in the order of the scores, and among equal ones against that of their numbers: no two are equal."""
    bits = (scores + 0.0).view(torch.int32)  # adding makes one zero of two
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # negative floats stand in the opposite order of their bits
    return (ordered.to(torch.int64) << 32) | (_LOW - numbers)


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` greatest of each row of float32 (n, size), greatest first, equal ones in the order of their numbers.

    What torch.topk takes among equal scores is left open; and it reads all of them with care, where most blocks are
    out of question by their greatest alone. `count` is at most `size`; no score is NaN.
    RETURNS: The scores (n, count), and their numbers (n, count) int64.
    """
    n, size = scores.shape
    numbers = torch.arange(size, device=scores.device).expand(n, size)
    n_blocks = size // _BLOCK
    if n_blocks > 4 * count:
        whole = n_blocks * _BLOCK
        blocks = scores[:, :whole].view(n, n_blocks, _BLOCK)
        greatest = _keys(blocks.amax(dim=2), numbers[:, :n_blocks])
        # Whatever is among the greatest stands in one of the first `count` blocks: each other has as many before it.
        chosen = _LOW - (greatest.topk(count, dim=1, sorted=False).values & _LOW)
        inside = torch.arange(_BLOCK, device=scores.device)
        candidates = (chosen[:, :, None] * _BLOCK + inside).view(n, count * _BLOCK)
        numbers = torch.cat([candidates, numbers[:, whole:]], dim=1)
        scores = scores.gather(1, numbers)
    keys = _keys(scores.contiguous(), numbers).topk(count, dim=1).values
    ordered = (keys >> 32).to(torch.int32)
    return (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(torch.float32), _LOW - (keys & _LOW)
