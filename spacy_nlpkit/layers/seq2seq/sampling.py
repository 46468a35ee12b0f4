"""Drawing pieces at random, the same ones for a source in whatever batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .options import SearchOptions
from .selection import largest


def uniform_numbers(seed: int, source: Sequence[int], shape: tuple[int, int], device: torch.device) -> Tensor:
    """Numbers from 0 to 1 for one source, float64 (hypotheses, steps): they depend on seed and source alone, and those
    of a step not on how many steps there are."""
    digest = hashlib.blake2b(np.asarray([seed, *source], np.int64).tobytes(), digest_size=16).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
    drawn = np.empty(shape[::-1])
    generator.random(out=drawn)
    return torch.from_numpy(drawn.T.copy()).to(device)


def draw(scores: Tensor, uniform: Tensor, options: SearchOptions) -> Tensor:
    """Pieces (n,) drawn from the softmax of scores (n, vocab_size), by numbers from 0 to 1 (n,).

    The likeliest pieces come first; what `top_k` and `top_p` leave is drawn from as if there were nothing else.
    """
    count = min(options.top_k or scores.shape[1], scores.shape[1])
    values, pieces = largest(scores.float() / options.temperature, count)
    mass = values.double().softmax(dim=1).cumsum(dim=1)
    # The piece that reaches `top_p` is drawn from too.
    n_left = (mass < options.top_p).sum(dim=1, keepdim=True).clamp(max=count - 1)
    wanted = uniform[:, None] * mass.gather(1, n_left)
    # Rounding may reach the end of the mass: the last is then the last that anything leads to.
    place = torch.searchsorted(mass, wanted, right=True).clamp(max=n_left)
    place = torch.minimum(place, (values > -torch.inf).sum(dim=1, keepdim=True) - 1)
    return pieces.gather(1, place)[:, 0]
