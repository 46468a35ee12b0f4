"""Where a piece stands, told to attention: by added vectors, or by the angles of queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor

_BASE = 10_000.0


def _angles(length: int, size: int) -> Tensor:
    """Position times frequency, (length, size), in float64: float32 would lose the angles of far positions."""
    frequencies = _BASE ** (-torch.arange(size, dtype=torch.float64) / size)
    return torch.arange(length, dtype=torch.float64)[:, None] * frequencies


def sinusoidal_table(length: int, width: int) -> Tensor:
    """Vectors of the first `length` positions (Vaswani et al., 2017), float32 (length, width): the sines of all
    frequencies, then their cosines. `width` is even."""
    angles = _angles(length, width // 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def rotary_table(length: int, width: int) -> Tensor:
    """Cosines and sines of the first `length` positions (Su et al., 2021), float32 (2, length, width): each frequency
    twice, since it turns components `i` and `i + width / 2`. `width` is that of a head, and even."""
    angles = _angles(length, width // 2).repeat(1, 2)
    return torch.stack([angles.cos(), angles.sin()]).float()


def rotate(states: Tensor, table: Tensor) -> Tensor:
    """Turn queries or keys (..., length, width) by the angles of `table` (2, length, width)."""
    half = states.shape[-1] // 2
    turned = torch.cat([-states[..., half:], states[..., :half]], dim=-1)
    return (states * table[0] + turned * table[1]).to(states.dtype)


class GrowingTable(torch.nn.Module):
    """A table over positions that is computed, not learned: it grows on demand, and is never stored.

    rotary: Whether it is a `rotary_table`, or a `sinusoidal_table`. width: As they want it.
    """

    rows: Tensor

    def __init__(self, rotary: bool, width: int) -> None:
        super().__init__()
        self._make = rotary_table if rotary else sinusoidal_table
        self._width = width
        self.register_buffer("rows", self._make(64, width), persistent=False)

    def forward(self, start: int, stop: int) -> Tensor:
        """The table of positions `start` to `stop`: (..., stop - start, width)."""
        if stop > self.rows.shape[-2]:
            self.rows = self._make(2 * stop, self._width).to(self.rows.device)
        return self.rows[..., start:stop, :]
