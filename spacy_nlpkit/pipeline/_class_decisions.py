"""From the probabilities of classes to decisions, or to none where they are too close."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..ty import Prediction
from ._class_targets import Floats


def decide_one(
    probabilities: Floats, labels: Sequence[str], thresholds: Sequence[float], abstain_below: float
) -> Iterator[Prediction]:
    """Of exclusive labels the most probable one, unless it is too improbable.

    probabilities (docs, labels). thresholds: The least probability by label, as `abstain_below` is of all.
    """
    least = np.maximum(np.array(thresholds), abstain_below)
    best = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, dtype=np.int64)
    top = probabilities[np.arange(len(best)), best]
    for number, probability, abstained in zip(best.tolist(), top.tolist(), (top < least[best]).tolist()):
        label = None if abstained else labels[number]
        yield {"label": label, "probability": probability, "abstained": abstained}


def decide_each(
    probabilities: Floats, labels: Sequence[str], thresholds: Sequence[float], abstain_below: float
) -> Iterator[list[Prediction]]:
    """Of other labels those that hold and those that are undecided, best first.

    probabilities (docs, labels). thresholds: The least probability by label. abstain_below: A label is undecided where
        neither it nor its opposite is as probable.
    """
    undecided = np.maximum(probabilities, 1.0 - probabilities) < abstain_below
    chosen = (probabilities >= np.array(thresholds)) | undecided
    order = np.argsort(-probabilities, axis=1, kind="stable")
    for row, unsure, named, ranks in zip(probabilities.tolist(), undecided.tolist(), chosen.tolist(), order.tolist()):
        yield [
            {"label": labels[number], "probability": row[number], "abstained": unsure[number]}
            for number in ranks
            if named[number]
        ]
