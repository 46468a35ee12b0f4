"""What hypotheses may be: their lengths, their first pieces, and what they may not say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .interface import Special
from .options import SearchOptions


class Constraints:
    """The rules of a search; a step asks them twice.

    lowest: Least number of pieces before the end, of each row. prefixes: The first pieces of each row. beams:
    Hypotheses of a row.
    """

    def __init__(
        self,
        options: SearchOptions,
        special: Special,
        lowest: Sequence[int],
        prefixes: Sequence[Sequence[int]],
        beams: int,
        device: torch.device,
    ) -> None:
        self.penalty = options.repetition_penalty
        self.ngram = options.no_repeat_ngram
        self.beams = beams
        self.end = special.end
        # Some models begin with their end piece, or pad with it: it is never forbidden as such.
        forbidden = sorted({special.pad, special.start} - {special.end})
        self.forbidden = torch.tensor(forbidden, dtype=torch.int64, device=device)
        self.lowest = torch.tensor(lowest, device=device)
        self.greatest_lowest = max(lowest, default=0)
        self.n_forced = max(map(len, prefixes), default=0)
        filled = [[*prefix, *[-1] * (self.n_forced - len(prefix))] for prefix in prefixes]
        self.forced = torch.tensor(filled, dtype=torch.int64, device=device).view(len(filled), self.n_forced)

    def rescale(self, scores: Tensor, history: Tensor) -> Tensor:
        """Scores before the softmax (hypotheses, vocab_size), given the pieces so far (hypotheses, length): penalised
        for repetition, in place."""
        if self.penalty != 1.0 and history.shape[1]:
            found = scores.gather(1, history)
            scores.scatter_(1, history, torch.where(found > 0, found / self.penalty, found * self.penalty))
        return scores

    def forbid(self, scores: Tensor, history: Tensor) -> Tensor:
        """Scores or log-probabilities as above: minus infinity where a piece may not be, in place. A hypothesis that
        nothing else may follow ends."""
        length = history.shape[1]
        forced = self.forced[:, length].repeat_interleave(self.beams) if length < self.n_forced else None
        told = None if forced is None else scores.gather(1, forced.clamp(min=0)[:, None])
        ends = scores[:, self.end].clone()
        scores.index_fill_(1, self.forbidden, -torch.inf)
        if length < self.greatest_lowest:
            early = (self.lowest > length).repeat_interleave(self.beams)
            scores[:, self.end].masked_fill_(early, -torch.inf)
        if 0 < self.ngram <= length:
            self._forbid_ngrams(scores, history)
        if length < self.greatest_lowest or self.ngram:
            dead = scores.amax(dim=1) == -torch.inf
            scores[:, self.end] = torch.where(dead, ends, scores[:, self.end])
        if forced is not None and told is not None:
            scores.masked_fill_((forced >= 0)[:, None], -torch.inf)
            chosen = torch.where(forced >= 0, forced, self.end)[:, None]
            scores.scatter_(1, chosen, torch.where(forced[:, None] >= 0, told, scores.gather(1, chosen)))
        return scores

    def _forbid_ngrams(self, scores: Tensor, history: Tensor) -> None:
        windows = history.unfold(1, self.ngram, 1)
        last = history[:, history.shape[1] - self.ngram + 1 :]
        repeated = (windows[:, :, :-1] == last[:, None]).all(dim=2)
        hypotheses, places = repeated.nonzero(as_tuple=True)
        scores[hypotheses, windows[hypotheses, places, -1]] = -torch.inf

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""
        self.lowest = self.lowest.index_select(0, rows)
        self.forced = self.forced.index_select(0, rows)
