"""Rows of pieces of different lengths as one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def pad_pieces(rows: Sequence[Sequence[int]], padding: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pieces as (rows, longest) int64, at least one wide, and a mask, true where a piece stands."""
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    width = max(1, int(lengths.max()) if len(rows) else 1)
    flat = np.full((len(rows), width), padding, np.int64)
    mask = torch.arange(width)[None, :] < lengths[:, None]
    flat[mask.numpy()] = [piece for row in rows for piece in row]
    return torch.from_numpy(flat).to(device), mask.to(device)
