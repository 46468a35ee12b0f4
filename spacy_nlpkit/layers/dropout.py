"""Dropout that is quick on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Values that one random number of 64 bits decides about, each by 16 bits of it.
LANES = 4
LEVELS = 2**16
LOWEST = -(2**15)


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` by `drop`: `p` is the rate, to the next 1/65536 on a CPU."""

    def forward(self, states: Tensor) -> Tensor:
        """Any shape to the same."""
        return drop(states, self.p) if self.training else states


def drop(states: Tensor, rate: float) -> Tensor:
    """Zero a part of the values, `rate` on average, and scale the others so that the mean stays.

    On a CPU torch draws a number for each value; here a number is drawn for four of them, which takes a quarter of the
    time. Either way the draws are those of torch's generator.
    """
    if rate == 0.0 or states.device.type != "cpu":
        return functional.dropout(states, rate)
    threshold = round(rate * LEVELS)
    if threshold == LEVELS:
        return torch.zeros_like(states) * states
    drawn = torch.empty(-(-states.numel() // LANES), dtype=torch.int64).random_(-(2**63), None)
    kept = drawn.view(torch.int16)[: states.numel()].view(states.shape) >= threshold + LOWEST
    return states * kept.to(states.dtype).mul_(LEVELS / (LEVELS - threshold))
