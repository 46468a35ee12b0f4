"""What `text_classifier` learns from: annotated classes as arrays, and checks of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example

from ..errors import Errors, NlpkitError

Floats = NDArray[np.float64]
# How far the probabilities of exclusive labels may be from one together: they are written with few digits.
TOLERANCE = 0.01
# Tokens of a text that a message shows.
_SHOWN = 12


class Annotation(NamedTuple):
    """The classes of a document, and the start of its text for messages."""

    cats: dict[str, float]
    text: str


def annotation_of(example: Example) -> Annotation:
    """What is annotated."""
    return Annotation(example.reference.cats, example.reference[:_SHOWN].text)


def truth_of(annotations: Iterable[Annotation], labels: Sequence[str], exclusive: bool) -> Floats:
    """(docs, labels) the annotated probability of each label, NaN where there is none.

    Exclusive labels that are not named do not hold where those that are sum to one.
    """
    rows = [[annotation.cats.get(label, np.nan) for label in labels] for annotation in annotations]
    truth = np.array(rows, dtype=np.float64).reshape(-1, len(labels))
    if exclusive:
        full = np.nansum(truth, axis=1, keepdims=True) >= 1.0 - TOLERANCE
        truth = np.where(np.isnan(truth) & full, 0.0, truth)
    return truth


def fits_exclusive(truth: Floats) -> NDArray[np.bool_]:
    """(docs,) whether a row can be that of exclusive labels: it sums to one, or to less where labels are missing."""
    total = np.nansum(truth, axis=1)
    complete = ~np.isnan(truth).any(axis=1)
    return (total <= 1.0 + TOLERANCE) & (~complete | (total >= 1.0 - TOLERANCE))


def fits_range(truth: Floats) -> NDArray[np.bool_]:
    """(docs,) whether all that is annotated is between 0 and 1."""
    return np.logical_and.reduce(np.isnan(truth) | ((truth >= 0.0) & (truth <= 1.0 + TOLERANCE)), axis=1)


def require_probabilities(
    annotations: Sequence[Annotation], truth: Floats, labels: Sequence[str], exclusive: bool, name: str
) -> None:
    """RAISES: N134 for values other than 0 to 1; N130 where exclusive labels do not sum to one."""
    checks = {"N134": fits_range(truth), "N130": fits_exclusive(truth) | (not exclusive)}
    for code, fits in checks.items():
        if not fits.all():
            details = describe_first(annotations, truth, labels, ~fits)
            raise NlpkitError(getattr(Errors, code).format(name=name, **details))


def describe_first(
    annotations: Sequence[Annotation], truth: Floats, labels: Sequence[str], wrong: NDArray[np.bool_]
) -> dict[str, Any]:
    """What a message says of wrong documents: how many of how many, the text of the first and its labels."""
    first = int(wrong.argmax())
    held = {label: value for label, value in zip(labels, truth[first].tolist()) if value and not np.isnan(value)}
    return {
        "count": int(wrong.sum()),
        "total": len(truth),
        "first": repr(annotations[first].text),
        "found": ", ".join(f"{label} {value:g}" for label, value in held.items()) or "none above 0",
    }


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
