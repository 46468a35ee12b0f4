"""What `text_classifier` learns from: annotated classes as arrays, and checks of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example

from ..errors import Errors, NlpkitError

Floats = NDArray[np.float64]
# How far the probabilities of exclusive labels may be from one together: they are written with few digits.
TOLERANCE = 0.01
_SHOWN = 60


def truth_of(examples: Iterable[Example], labels: Sequence[str]) -> Floats:
    """(docs, labels) the annotated probability of each label, NaN where there is none."""
    return np.array(
        [[example.reference.cats.get(label, np.nan) for label in labels] for example in examples], dtype=np.float64
    ).reshape(-1, len(labels))


def fits_exclusive(truth: Floats) -> NDArray[np.bool_]:
    """(docs,) whether a row can be that of exclusive labels: it sums to one, or to less where labels are missing."""
    total = np.nansum(truth, axis=1)
    complete = ~np.isnan(truth).any(axis=1)
    return (total <= 1.0 + TOLERANCE) & (~complete | (total >= 1.0 - TOLERANCE))


def require_exclusive(examples: Sequence[Example], truth: Floats, name: str) -> None:
    """RAISES: N130 where documents have labels that do not sum to one."""
    wrong = np.flatnonzero(~fits_exclusive(truth))
    if len(wrong):
        reference = examples[wrong[0]].reference
        first = repr(reference.text[:_SHOWN])
        found = ", ".join(f"{label} {value:g}" for label, value in reference.cats.items() if value) or "none above 0"
        counts = {"count": len(wrong), "total": len(truth)}
        raise NlpkitError(Errors.N130.format(name=name, first=first, found=found, **counts))


def by_vote(truth: Floats, exclusive: bool) -> Floats:
    """Soft labels as hard ones: the label with most votes, or labels with half of them; a tie stays as it is."""
    if not exclusive:
        hard = np.where(truth > 0.5, 1.0, np.where(truth < 0.5, 0.0, truth))
        return np.where(np.isnan(truth), np.nan, hard)
    complete = ~np.isnan(truth).any(axis=1, keepdims=True)
    best = truth == np.nanmax(np.where(np.isnan(truth), -1.0, truth), axis=1, keepdims=True)
    return np.where(complete & (best.sum(axis=1, keepdims=True) == 1), best.astype(np.float64), truth)


def balanced_weights(truth: Floats, exclusive: bool) -> list[float]:
    """Weights that make up for the frequencies of labels.

    Exclusive: documents / (labels * documents of the label). Otherwise: documents without the label / documents with
    it. A label without documents weighs 1.
    """
    positive = np.nansum(truth, axis=0)
    if exclusive:
        weights = positive.sum() / (truth.shape[1] * np.maximum(positive, 1e-9))
    else:
        weights = ((~np.isnan(truth)).sum(axis=0) - positive) / np.maximum(positive, 1e-9)
    return np.where((positive > 0) & (weights > 0), weights, 1.0).tolist()
