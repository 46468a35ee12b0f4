"""Losses of classification and their gradients: soft and missing labels, class weights, smoothing and focus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SMALLEST = 1e-12


def exclusive_loss(
    probabilities: Floats, truth: Floats, weights: Floats, *, smoothing: float = 0.0, gamma: float = 0.0
) -> tuple[float, Floats]:
    """Cross-entropy of exclusive labels.

    probabilities (docs, labels): What the model gives, by softmax.
    truth (docs, labels): The probability of each label; NaN where it is not known. What is left to one is that of the
        unknown labels together, and how it is shared among them is summed over: "not A" raises all others.
    weights (labels): Of each label's term.
    smoothing (float): This share of the truth of fully known documents is spread over all labels (Szegedy et al. 2016).
    gamma (float): Above 0, terms shrink by (1 - p) ** gamma: focal loss (Lin et al. 2017).
    RETURNS: The sum over documents, and its gradient with respect to the scores under the softmax.
    """
    p = np.clip(probabilities, _SMALLEST, 1.0)
    missing = np.isnan(truth)
    known = np.where(missing, 0.0, truth)
    complete: NDArray[np.bool_] = np.logical_not(missing.any(axis=1))[:, None]
    known = np.where(complete, (1.0 - smoothing) * known + smoothing / truth.shape[1], known)
    left = np.where(complete[:, 0], 0.0, np.clip(1.0 - known.sum(axis=1), 0.0, 1.0))
    p_missing = np.where(missing, p, 0.0).sum(axis=1)
    log_p, focus = np.log(p), (1.0 - p) ** gamma
    loss = -(weights * known * focus * log_p).sum() - (left * np.log(np.where(left > 0, p_missing, 1.0))).sum()
    # p_k times the derivative of the loss by p_k; the softmax then gives this minus p_k times its sum.
    slope = weights * known * (_focal_slope(p, gamma) * log_p - focus)
    slope -= np.where(missing, p * (left / np.maximum(p_missing, _SMALLEST))[:, None], 0.0)
    return float(loss), slope - p * slope.sum(axis=1, keepdims=True)


def independent_loss(
    probabilities: Floats, truth: Floats, weights: Floats, *, smoothing: float = 0.0, gamma: float = 0.0
) -> tuple[float, Floats]:
    """Binary cross-entropy of labels that do not exclude one another; unknown ones (NaN) count nothing.

    weights (labels): Of the term of a label that holds. The rest as in `exclusive_loss`, under the logistic function.
    """
    p = np.clip(probabilities, _SMALLEST, 1.0 - _SMALLEST)
    known = ~np.isnan(truth)
    t = (1.0 - smoothing) * np.where(known, truth, 0.0) + smoothing / 2.0
    positive = np.where(known, weights * t, 0.0)
    negative = np.where(known, 1.0 - t, 0.0)
    log_p, log_q = np.log(p), np.log1p(-p)
    focus_p, focus_q = (1.0 - p) ** gamma, p**gamma
    loss = -(positive * focus_p * log_p + negative * focus_q * log_q).sum()
    gradient = -positive * focus_p * (1.0 - p - gamma * p * log_p)
    gradient += negative * focus_q * (p - gamma * (1.0 - p) * log_q)
    return float(loss), gradient


def _focal_slope(p: Floats, gamma: float) -> Floats:
    """gamma * p * (1 - p) ** (gamma - 1), which is 0 for gamma 0, where p is 1 too."""
    if not gamma:
        return np.zeros_like(p)
    return gamma * p * np.maximum(1.0 - p, _SMALLEST) ** (gamma - 1.0)
