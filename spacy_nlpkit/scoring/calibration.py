"""Calibration of probabilities: how far confidence is from accuracy, and how to close the gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

IDENTITY = (1.0, 0.0)
# Log-odds are cut at +-27.6: beyond it a probability of 64 bits says no more than "certain".
_SMALLEST = 1e-12
_MAX_STEPS = 100


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """The mean distance of confidence and accuracy over bins of equal width, weighted by their size.

    confidences (n,): Probabilities in 0..1 of the predicted items.
    correct (n,): Whether each of them is right (bool, or 0 and 1).
    bins (int): How many bins divide 0..1; a confidence of 1.0 falls in the last one.
    RETURNS (float): 0 for perfect calibration, at most 1; NaN without any item.
    """
    p = np.asarray(confidences, dtype=np.float64).ravel()
    hit = np.asarray(correct, dtype=np.float64).ravel()
    if not p.size:
        return float("nan")
    index = np.clip((p * bins).astype(np.int64), 0, bins - 1)
    # The size of a bin cancels out: weight n_b/n times |mean confidence - mean accuracy|.
    gap = np.bincount(index, weights=p - hit, minlength=bins)
    return float(np.abs(gap).sum() / p.size)


def log_odds(probabilities: ArrayLike) -> Floats:
    """ln(p / (1 - p)) of each probability, finite for 0 and 1 as well. Shape as given, float64."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), _SMALLEST, 1.0 - _SMALLEST)
    return np.log(p) - np.log1p(-p)


def sigmoid(scores: ArrayLike) -> Floats:
    """1 / (1 + exp(-x)) without overflow. Shape as given, float64."""
    x = np.asarray(scores, dtype=np.float64)
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def fit_platt(scores_logit: ArrayLike, correct: ArrayLike) -> tuple[float, float]:
    """Fit P(correct) = sigmoid(a * score + b) by maximum likelihood (Platt scaling).

    Newton's method with a backtracking line search, on targets smoothed as Platt (1999) proposes,
    (n+ + 1)/(n+ + 2) and 1/(n- + 2), in the numerically safe form of Lin, Lin and Weng (2007).

    scores_logit (n,): Scores of the predicted items on the log-odds scale (see `log_odds`).
    correct (n,): Whether each of them is right.
    RETURNS (a, b): a >= 0, so that the order of the scores is never reversed: where the best slope is
        negative, a is 0 and b the log-odds of the share that is right. Data that say nothing (no items, all
        right, all wrong, one score for all, a score that is not finite) give the identity (1.0, 0.0).
    """
    x = np.asarray(scores_logit, dtype=np.float64).ravel()
    hit = np.asarray(correct, dtype=bool).ravel()
    n_right = int(hit.sum())
    n_wrong = hit.size - n_right
    if not n_right or not n_wrong or not np.isfinite(x).all() or np.ptp(x) == 0.0:
        return IDENTITY
    target = np.where(hit, (n_right + 1.0) / (n_right + 2.0), 1.0 / (n_wrong + 2.0))
    a, b = _newton(x, target)
    if a < 0.0:
        return 0.0, float(log_odds(target.mean()))
    return a, b


def apply_platt(p: ArrayLike, a: float, b: float) -> Floats:
    """Calibrate each probability `p` through its log-odds. Shape as given, float64 in 0..1."""
    return sigmoid(a * log_odds(p) + b)


def fit_temperature(log_probabilities: ArrayLike, truth: ArrayLike) -> float:
    """Fit softmax(log p / T) by maximum likelihood (Guo et al. 2017).

    log_probabilities (n, labels): Natural logarithms of probabilities.
    truth (n, labels): The probability of each label in the annotation; rows sum to 1. It is smoothed as `fit_platt`
        does, by one document that could be anything, so that predictions that are all right give no certainty.
    RETURNS (float): T, between 0.01 and 100: over 1 where the probabilities were too bold. 1 without documents.
    """
    z, t = np.asarray(log_probabilities, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if not z.size:
        return 1.0
    share = 1.0 / (len(z) + 1.0)
    t = (1.0 - share) * t + share / t.shape[1]
    # The loss is convex in 1 / T: its slope, what the model expects of z minus what the truth has, rises.
    low, high = np.log(0.01), np.log(100.0)
    for _ in range(50):
        middle = (low + high) / 2.0
        slope = ((softmax(z * np.exp(middle)) - t) * z).sum()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2.0))


def softmax(scores: ArrayLike) -> Floats:
    """exp(x) over its sum along the last axis, without overflow. Shape as given, float64."""
    x = np.asarray(scores, dtype=np.float64)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def best_threshold(probabilities: ArrayLike) -> float:
    """The threshold of best expected F1 over items whose calibrated probabilities these are.

    It is half of that F1 (Lipton, Elkan, Naryanaswamy 2014), and follows the chances of a few hundred items less than
    the best F1 counted on them. RETURNS (float): 0.5 without items.
    """
    p = np.sort(np.asarray(probabilities, dtype=np.float64).ravel())[::-1]
    if not p.size or not p.sum():
        return 0.5
    f_scores = 2.0 * np.cumsum(p) / (np.arange(1, p.size + 1) + p.sum())
    return float(f_scores.max() / 2.0)


def _newton(x: Floats, target: Floats) -> tuple[float, float]:
    """Minimise the cross-entropy of `target` and sigmoid(a * x + b), which is convex in (a, b)."""
    # Standard scores: the steps and their stopping rule then do not depend on the scale of x.
    mean, scale = x.mean(), x.std()
    features = np.stack([(x - mean) / scale, np.ones_like(x)], axis=1)
    theta = np.array([0.0, float(log_odds(target.mean()))])
    loss = _cross_entropy(features @ theta, target)
    for _ in range(_MAX_STEPS):
        q = sigmoid(features @ theta)
        gradient = features.T @ (q - target)
        if np.abs(gradient).max() < 1e-9 * x.size:
            break
        hessian = (features * (q * (1.0 - q))[:, None]).T @ features + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        rate = 1.0
        while (new_loss := _cross_entropy(features @ (theta - rate * step), target)) > loss and rate > 1e-10:
            rate /= 2.0
        theta, loss = theta - rate * step, new_loss
    a = theta[0] / scale
    return float(a), float(theta[1] - a * mean)


def _cross_entropy(x: Floats, target: Floats) -> float:
    return float((np.logaddexp(0.0, x) - target * x).sum())
