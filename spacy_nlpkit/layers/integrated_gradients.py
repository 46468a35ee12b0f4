"""Integrated gradients (Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks") over token vectors.

The path leads from zero vectors in a straight line to the vectors of a document. By the book gradients are taken at
points in equal distance, which fails here: behind a layer normalisation the score changes almost wholly close to zero,
and that of a recurrent network in sudden steps. So the points stand closer near zero, and where gradients do not
account for the change of the score between two points, the piece is halved.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import Model, set_dropout_rate
from thinc.types import Floats2d

Floats = NDArray[np.float64]
Head = Model[list[Floats2d], Floats2d]

# Pieces that the path is cut into at first, and at most.
STEPS = 32
MAX_STEPS = 512
# What pieces may leave unexplained, together, as a share of the change of the score over the whole path.
TOLERANCE = 0.02
# Pieces are halved so many at a time.
_HALVED = 16
# Token vectors that go through the model at once, and beyond which a path is not cut further.
_MAX_AT_ONCE = 20_000
_MAX_IN_ALL = 2_000_000


@dataclass(frozen=True)
class _Pieces:
    """Pieces of the path, each (pieces,): where it starts and ends, from 0 to 1, and the score at its start, middle and
    end; and (pieces, tokens) the derivative of the score along the path at the middle, by token."""

    starts: Floats
    ends: Floats
    at_start: Floats
    at_middle: Floats
    at_end: Floats
    slopes: Floats

    @property
    def middles(self) -> Floats:
        return (self.starts + self.ends) / 2

    @property
    def errors(self) -> Floats:
        """How much of the change of the score in each piece the gradient does not account for."""
        return np.abs(self.at_end - self.at_start - (self.ends - self.starts) * self.slopes.sum(axis=1))

    def contributions(self) -> Floats:
        return (self.ends - self.starts) @ self.slopes

    def without(self, numbers: NDArray[np.int64], others: _Pieces) -> _Pieces:
        """Some pieces replaced by others."""
        names = [field.name for field in fields(self)]
        return _Pieces(*(np.concatenate([np.delete(getattr(self, n), numbers, 0), getattr(others, n)]) for n in names))


def integrate_gradients(head: Head, vectors: Floats2d, label: int, steps: int = STEPS) -> tuple[Floats, float]:
    """What each token contributed to the score of a label, and the score for zero vectors.

    head (Model): Token vectors to (docs, labels) scores. Gradients go through a copy of it, without dropout: the model
        is left as it was, and nothing is drawn at random.
    vectors (tokens, width): At least one token.
    label (int): The column of the label.
    steps (int): Pieces that the path is cut into at first. It is cut further, up to `MAX_STEPS`, or fewer for texts of
        thousands of tokens, until they account for all but `TOLERANCE` of the change.
    """
    path = _Path(head, vectors, label)
    edges = (np.arange(steps + 1) / steps) ** 3
    scores = path.scores(edges)
    pieces = path.cut(edges[:-1], edges[1:], scores[:-1], scores[1:])
    limit = min(MAX_STEPS, _MAX_IN_ALL // len(vectors))
    while len(pieces.starts) < limit and pieces.errors.sum() > TOLERANCE * abs(scores[-1] - scores[0]):
        worst = np.argsort(-pieces.errors, kind="stable")[:_HALVED]
        pieces = pieces.without(worst, path.halve(pieces, worst))
    return pieces.contributions(), float(scores[0])


class _Path:
    """Scores and gradients on the way from zero vectors to a document's."""

    def __init__(self, head: Head, vectors: Any, label: int) -> None:
        self._head = _without_dropout(head)
        self._vectors = vectors
        self._label = label

    def scores(self, points: Floats) -> Floats:
        return np.concatenate([self._column(self._head.predict(part)) for part in self._parts(points)])

    def cut(self, starts: Floats, ends: Floats, at_start: Floats, at_end: Floats) -> _Pieces:
        """Pieces between points whose scores are known."""
        scores, slopes = [], []
        for part in self._parts((starts + ends) / 2):
            found, backprop = self._head.begin_update(part)
            d_scores: Any = self._head.ops.alloc2f(*found.shape)
            d_scores[:, self._label] = 1.0
            scores.append(self._column(found))
            slopes += [self._to_numpy((self._vectors * gradient).sum(axis=1)) for gradient in backprop(d_scores)]
        return _Pieces(starts, ends, at_start, np.concatenate(scores), at_end, np.stack(slopes))

    def halve(self, pieces: _Pieces, numbers: NDArray[np.int64]) -> _Pieces:
        middles, at_middle = pieces.middles[numbers], pieces.at_middle[numbers]
        return self.cut(
            np.concatenate([pieces.starts[numbers], middles]),
            np.concatenate([middles, pieces.ends[numbers]]),
            np.concatenate([pieces.at_start[numbers], at_middle]),
            np.concatenate([at_middle, pieces.at_end[numbers]]),
        )

    def _parts(self, points: Floats) -> list[list[Any]]:
        size = max(1, _MAX_AT_ONCE // len(self._vectors))
        shares = points.astype("float32").tolist()
        starts = range(0, len(shares), size)
        return [[self._vectors * share for share in shares[start : start + size]] for start in starts]

    def _column(self, scores: Any) -> Floats:
        return self._to_numpy(scores[:, self._label])

    def _to_numpy(self, values: Any) -> Floats:
        return self._head.ops.to_numpy(values).astype(np.float64)


def _without_dropout(head: Head) -> Head:
    """A copy that takes the gradients of its own parameters along to nowhere."""
    copy = head.copy()
    for node, original in zip(copy.walk(), head.walk()):
        node.ops = original.ops
        for shim in node.shims:
            _disable_torch_dropout(shim._model)
    set_dropout_rate(copy, 0.0)
    return copy


def _disable_torch_dropout(module: Any) -> None:
    from torch import nn

    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        elif isinstance(part, nn.RNNBase):
            part.dropout = 0.0
