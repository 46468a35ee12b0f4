"""Calibration of the probabilities of classes: what is fitted on held-out documents, and its use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..scoring.calibration import apply_platt, best_threshold, fit_platt, fit_temperature, log_odds, softmax
from ._class_targets import Floats, fits_exclusive

# What is stored is rounded when it is written and when it is used: spaCy's JSON does not keep the last digits, and a
# reloaded pipe must predict the same.
DIGITS = 6


def fit_calibration(
    probabilities: Floats, truth: Floats, labels: Sequence[str], exclusive: bool
) -> dict[str, Any] | None:
    """Fit a temperature for exclusive labels, or Platt scaling and the threshold of best F1 for each other one.

    probabilities (docs, labels): As the model gives them. truth (docs, labels): In the annotation, NaN where missing.
    RETURNS: JSON data: `temperature`, or `platt` and `thresholds` by label. None where the annotation tells nothing.
    """
    if exclusive:
        usable = fits_exclusive(truth) & ~np.isnan(truth).any(axis=1)
        if not usable.any():
            return None
        temperature = fit_temperature(_log(probabilities[usable]), truth[usable])
        return {"temperature": round(temperature, DIGITS)}
    platt, thresholds = {}, {}
    for number, label in enumerate(labels):
        known = ~np.isnan(truth[:, number])
        p, holds = probabilities[known, number], truth[known, number] >= 0.5
        if holds.any():
            platt[label] = [round(value, DIGITS) for value in fit_platt(log_odds(p), holds)]
            thresholds[label] = round(best_threshold(apply_platt(p, *platt[label])), DIGITS)
    return {"platt": platt, "thresholds": thresholds} if platt else None


def apply_calibration(calibration: dict[str, Any], probabilities: Floats, labels: Sequence[str]) -> Floats:
    """(docs, labels) calibrated probabilities; those of labels that nothing was fitted for stay."""
    if "temperature" in calibration:
        return softmax(_log(probabilities) / round(calibration["temperature"], DIGITS))
    columns = [
        apply_platt(probabilities[:, number], *(round(value, DIGITS) for value in calibration["platt"][label]))
        if label in calibration["platt"]
        else probabilities[:, number]
        for number, label in enumerate(labels)
    ]
    return np.stack(columns, axis=1)


def _log(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, 1e-38))
