"""Writing piece after piece, without beams: the best one each time, or one drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .beam import LEAVING_SHARE
from .constraints import Constraints
from .interface import EncoderDecoder
from .options import Hypothesis, SearchOptions
from .sampling import draw


def write_straight(
    module: EncoderDecoder,
    cache: Any,
    constraints: Constraints,
    limits: Sequence[int],
    options: SearchOptions,
    uniform: Tensor | None,
) -> list[list[Hypothesis]]:
    """`constraints.beams` hypotheses of each row, which know nothing of one another, best first.

    Each step takes the piece of the greatest score, among equal ones that of the least number; with `uniform`
    (hypotheses, steps), numbers from 0 to 1, a drawn one. A hypothesis is over when it ends, or has `limits[row]`
    pieces.
    """
    device, beams, end = constraints.lowest.device, constraints.beams, module.special.end
    limit = torch.tensor(limits, device=device).repeat_interleave(beams)
    place = torch.arange(len(limit), device=device)  # of what is left, among all
    history = torch.empty((len(limit), 0), dtype=torch.int64, device=device)
    total = torch.zeros(len(limit), device=device)
    length = torch.zeros_like(limit)
    over = torch.zeros_like(limit, dtype=torch.bool)
    pieces = torch.full_like(limit, module.special.start)
    written: list[Hypothesis | None] = [None] * len(limit)
    while True:
        # On a CPU the greatest of numbers of half precision takes several times as long to find.
        scores = constraints.rescale(module.step(cache, pieces).float(), history)
        logs = scores.log_softmax(dim=1, dtype=torch.float32)
        scores = constraints.forbid(scores, history)
        pieces = scores.argmax(dim=1) if uniform is None else draw(scores, uniform[:, history.shape[1]], options)
        history = torch.cat([history, pieces[:, None]], dim=1)
        total += torch.where(over, 0.0, logs.gather(1, pieces[:, None])[:, 0])
        length += ~over
        over |= (pieces == end) | (limit == length)
        done = over.view(-1, beams).all(dim=1)
        n_done = int(done.sum())
        if n_done * LEAVING_SHARE < len(done):
            continue
        leaving = done.repeat_interleave(beams)
        found = (tensor[leaving].tolist() for tensor in (place, history, length, total))
        for number, row, size, log_probability in zip(*found):
            row = row[: size - 1] if row[size - 1] == end else row[:size]
            score = options.normalise(log_probability, size)
            written[number] = Hypothesis(row, score, log_probability)
        if n_done == len(done):
            whole = [hypothesis for hypothesis in written if hypothesis is not None]
            groups = (whole[first : first + beams] for first in range(0, len(whole), beams))
            return [sorted(group, key=lambda hypothesis: -hypothesis.score) for group in groups]
        rows = (~done).nonzero()[:, 0]
        module.keep(cache, rows)
        constraints.keep(rows)
        staying = (~leaving).nonzero()[:, 0]
        limit, place, history, total, length, over, pieces = (
            tensor[staying] for tensor in (limit, place, history, total, length, over, pieces)
        )
        uniform = None if uniform is None else uniform[staying]
