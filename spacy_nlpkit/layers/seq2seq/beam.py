"""Beam search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .constraints import Constraints
from .interface import EncoderDecoder
from .options import Hypothesis, SearchOptions
from .selection import largest

# Rows that are finished leave the batch when they are this share of it: leaving copies what the others keep.
LEAVING_SHARE = 8


def beam_search(
    module: EncoderDecoder, cache: Any, constraints: Constraints, limits: Sequence[int], options: SearchOptions
) -> list[list[Hypothesis]]:
    """The `n_best` hypotheses of each row, best first, by this rule:

    A step ranks all continuations of a row's `beams` hypotheses by their sum of log-probabilities and takes the best 2
    * `beams`. Of those among the first `beams` that end, the hypothesis is finished; the best `beams` that do not end
    go on. A row keeps the `beams` finished hypotheses of the best score, `SearchOptions.normalise`, and is done when it
    has so many, and the best that goes on would not have a better score than the worst of them if it ended as it
    stands; or when it has `limits[row]` pieces: then the first `beams` are finished as they stand. Equal ones are
    ranked by the rank of what they continue, then by number of piece.

    This is the search of Hugging Face with early_stopping=False, do_sample=False, each source alone, max_new_tokens =
    `limits[row]`, min_new_tokens as in `constraints`, and start and padding among its bad words.
    """
    return _Search(module, cache, constraints, limits, options).run()


class _Search:
    """The state of a search: hypotheses of the rows that are left, and what all rows have finished."""

    def __init__(
        self,
        module: EncoderDecoder,
        cache: Any,
        constraints: Constraints,
        limits: Sequence[int],
        options: SearchOptions,
    ) -> None:
        self.module, self.cache, self.constraints, self.options = module, cache, constraints, options
        self.beams, self.end = options.beams, module.special.end
        self.device = constraints.lowest.device
        self.limits = list(limits)
        self.rows = list(range(len(limits)))  # those in the batch, by their number among all
        self.done = [False] * len(limits)  # of those in the batch
        self.limit_of_row = torch.tensor(self.limits, device=self.device)
        self.finished: list[list[Hypothesis]] = [[] for _ in limits]
        # Hypotheses of a row do not differ yet: only the first counts.
        self.running = torch.full((len(limits), self.beams), -torch.inf, device=self.device)
        self.running[:, 0] = 0.0
        self.history = torch.empty((len(limits) * self.beams, 0), dtype=torch.int64, device=self.device)

    def run(self) -> list[list[Hypothesis]]:
        pieces = torch.full((len(self.history),), self.module.special.start, device=self.device)
        while True:
            totals, parents, following = self._continue(pieces)
            self._finish(totals, parents, following)
            parents, following = self._go_on(totals, parents, following)
            self._settle()
            if all(self.done):
                return [found[: self.options.n_best] for found in self.finished]
            if sum(self.done) * LEAVING_SHARE >= len(self.done):
                parents, following = self._leave(parents, following)
            pieces = following.flatten()
            flat = self._flat(parents).flatten()
            self.module.reorder(self.cache, flat)
            self.history = torch.cat([self.history.index_select(0, flat), pieces[:, None]], dim=1)

    def _flat(self, parents: Tensor) -> Tensor:
        """Numbers of hypotheses in the batch, from those within their rows (rows, n)."""
        return parents + torch.arange(len(parents), device=self.device)[:, None] * self.beams

    def _continue(self, pieces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best continuations, each (rows, 2 * beams): totals, hypotheses within their rows, and pieces."""
        scores = self.constraints.rescale(self.module.step(self.cache, pieces), self.history)
        logs = self.constraints.forbid(scores.log_softmax(dim=1, dtype=torch.float32), self.history)
        count = min(2 * self.beams, logs.shape[1])
        values, found = largest(logs, count)
        totals = (values + self.running.view(-1, 1)).view(len(self.rows), -1)
        totals, order = totals.sort(dim=1, descending=True, stable=True)
        order = order[:, : 2 * self.beams]
        return totals[:, : 2 * self.beams], order // count, found.view(len(self.rows), -1).gather(1, order)

    def _finish(self, totals: Tensor, parents: Tensor, following: Tensor) -> None:
        """Put aside what has ended, and all that is at its limit."""
        length = self.history.shape[1] + 1
        best = slice(self.beams)
        ended = (following[:, best] == self.end) | (self.limit_of_row == length)[:, None]
        rows, ranks = (ended & (totals[:, best] > -torch.inf)).nonzero(as_tuple=True)
        histories = self.history.index_select(0, self._flat(parents)[rows, ranks]).tolist()
        last, total = following[rows, ranks].tolist(), totals[rows, ranks].tolist()
        for row, history, piece, log_probability in zip(rows.tolist(), histories, last, total):
            if not self.done[row]:
                written = history if piece == self.end else [*history, piece]
                score = self.options.normalise(log_probability, length)
                found = self.finished[self.rows[row]]
                found.append(Hypothesis(written, score, log_probability))
                found.sort(key=lambda hypothesis: -hypothesis.score)
                del found[self.beams :]

    def _go_on(self, totals: Tensor, parents: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """The best that have not ended: hypotheses within their rows and pieces, each (rows, beams)."""
        ended = following == self.end
        order = ended.sort(dim=1, stable=True).indices[:, : self.beams]
        self.running = totals.masked_fill(ended, -torch.inf).gather(1, order)
        return parents.gather(1, order), following.gather(1, order)

    def _settle(self) -> None:
        """Find out which rows are done."""
        length = self.history.shape[1] + 1
        for row, best in enumerate(self.running[:, 0].tolist()):
            found = self.finished[self.rows[row]]
            beaten = len(found) == self.beams and self.options.normalise(best, length) <= found[-1].score
            self.done[row] |= beaten or best == -float("inf") or length == self.limits[self.rows[row]]

    def _leave(self, parents: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """Take rows that are done out of the batch."""
        left = [row for row, done in enumerate(self.done) if not done]
        rows = torch.tensor(left, device=self.device)
        self.rows, self.done = [self.rows[row] for row in left], [False] * len(left)
        self.module.keep(self.cache, rows)
        self.constraints.keep(rows)
        self.limit_of_row, self.running = self.limit_of_row[rows], self.running[rows]
        self.history = self.history.view(-1, self.beams, self.history.shape[1])[rows].flatten(0, 1)
        return parents[rows], following[rows]
