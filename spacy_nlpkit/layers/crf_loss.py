"""Losses of a CRF and their gradients, as `Potentials` of the same shape as the scores."""

from __future__ import annotations

import numpy as np

from .crf import Bools, Lattice, forward_backward, labels_in
from .crf_potentials import Potentials
from .span_decoding import allowed_tags, biluo_tags

# A span known to be wrong never weighs more than this odds: one bad rejection must not undo a batch.
MAX_ODDS = 100.0


def lattice_of(scores: Potentials, allowed: Bools | None = None) -> Lattice:
    """Forward-backward over a batch, documents without tokens left out; `allowed` (tokens, tags) as annotated."""
    lengths = scores.lengths[scores.lengths > 0]
    return forward_backward(scores.emissions, lengths, scores.transitions, scores.start, scores.end, allowed)


def zeros_like(scores: Potentials) -> Potentials:
    """A gradient of zeros."""
    return Potentials(
        np.zeros_like(scores.emissions),
        scores.lengths,
        np.zeros_like(scores.transitions),
        np.zeros_like(scores.start),
        np.zeros_like(scores.end),
    )


def add_difference(
    gradient: Potentials, rows: slice | Bools, own: Lattice, target: Lattice, weight: float = 1.0
) -> None:
    """Add to the gradient, at the given rows, `weight` times (expectations of `own` minus those of `target`)."""
    gradient.emissions[rows] += weight * (own.posteriors - target.posteriors)
    gradient.transitions += weight * (own.pairs - target.pairs)
    gradient.start += weight * (own.first - target.first)
    gradient.end += weight * (own.final - target.final)


def likelihood_loss(scores: Potentials, allowed: Bools) -> tuple[float, Potentials]:
    """Minus the log of the probability of the allowed paths, summed over documents.

    allowed: (tokens, tags). A document whose annotation no valid path fits (an entity cut by another tokenization)
    teaches nothing: it adds neither loss nor gradient.
    """
    gradient = zeros_like(scores)
    if not len(allowed):
        return 0.0, gradient
    lengths = scores.lengths[scores.lengths > 0]
    target = lattice_of(scores, allowed)
    alive = np.isfinite(target.log_z)
    if alive.all():
        own = lattice_of(scores)
        add_difference(gradient, slice(None), own, target)
        return float((own.log_z - target.log_z).sum()), gradient
    rows = np.repeat(alive, lengths)
    if not alive.any():
        return 0.0, gradient
    living = Potentials(scores.emissions[rows], lengths[alive], scores.transitions, scores.start, scores.end)
    loss, inner = likelihood_loss(living, allowed[rows])
    gradient.emissions[rows] = inner.emissions
    return loss, Potentials(gradient.emissions, scores.lengths, inner.transitions, inner.start, inner.end)


def rejection_loss(scores: Potentials, document: int, start: int, end: int, label: int, gradient: Potentials) -> float:
    """Minus the log of the probability that a span is *not* there; adds to `gradient` in place.

    The gradient of -log(1 - p) is p / (1 - p) times that of log p, which is the difference between the lattice in
    which the span is forced and the free one.

    document: Number of the document in the batch. start, end, label: the span, in tokens of the document.
    """
    first = int(scores.lengths[:document].sum())
    size = int(scores.lengths[document])
    rows = slice(first, first + size)
    alone = Potentials(scores.emissions[rows], np.array([size]), scores.transitions, scores.start, scores.end)
    iob = np.ones(end - start, dtype=np.int64)
    iob[0] = 3
    tags, known = biluo_tags(iob, np.full(end - start, label), np.array([end - start]))
    allowed = np.ones(alone.emissions.shape, dtype=bool)
    allowed[start:end] = allowed_tags(tags, known, labels_in(scores.emissions))
    free, forced = lattice_of(alone), lattice_of(alone, allowed)
    p = float(np.exp(forced.log_z[0] - free.log_z[0]))
    odds = min(p / max(1.0 - p, 1e-12), MAX_ODDS)
    add_difference(gradient, rows, forced, free, odds)
    return float(np.log1p(odds))


def distillation_loss(teacher: Potentials, scores: Potentials) -> tuple[float, Potentials]:
    """Gradient of the cross-entropy against the teacher's distribution of paths; the loss is the mean squared
    difference of tag probabilities, which is zero where they agree. A teacher may know fewer labels: it expects none
    of those added since."""
    gradient = zeros_like(scores)
    if not len(scores.emissions):
        return 0.0, gradient
    target = lattice_of(_widened(teacher, scores.emissions.shape[1]))
    add_difference(gradient, slice(None), lattice_of(scores), target)
    return float((gradient.emissions**2).mean()), gradient


def _widened(scores: Potentials, tags: int) -> Potentials:
    """The scores of so many tags, those that were not there impossible."""
    more = (0, tags - scores.emissions.shape[1])
    emissions = np.pad(scores.emissions, ((0, 0), more), constant_values=-np.inf)
    transitions = np.pad(scores.transitions, (more, more))
    return Potentials(emissions, scores.lengths, transitions, np.pad(scores.start, more), np.pad(scores.end, more))
