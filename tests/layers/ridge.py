"""Ridge-penalised logistic regression by Newton's method, in plain numpy: independent of the code under test."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Fit(NamedTuple):
    """The optimum: weights (labels, columns), biases (labels) and the probabilities of the rows (rows, labels)."""

    weights: np.ndarray
    biases: np.ndarray
    probabilities: np.ndarray


def fit_ridge(rows: Any, truth: Any, l2: float, exclusive: bool, steps: int = 30) -> Fit:
    """Minimise the mean cross-entropy over rows plus half of `l2` times the sum of squared weights, biases left out."""
    with_one = np.column_stack([rows, np.ones(len(rows))]).astype("float64")
    (n_rows, n_columns), n_labels = with_one.shape, truth.shape[1]
    parameters = np.zeros((n_labels, n_columns))
    penalty = np.full(n_columns, l2)
    penalty[-1] = 0.0
    for _ in range(steps):
        p = probabilities_of(with_one @ parameters.T, exclusive)
        gradient = (p - truth).T @ with_one / n_rows + penalty * parameters
        # The derivative of each probability by each score, for each row.
        slopes = p[:, :, None] * (np.eye(n_labels) - (p[:, None, :] if exclusive else p[:, :, None]))
        slopes *= 1.0 if exclusive else np.eye(n_labels)
        hessian = np.einsum("nkl,ni,nj->kilj", slopes, with_one, with_one) / n_rows
        hessian = hessian.reshape(gradient.size, gradient.size) + np.diag(np.tile(penalty, n_labels))
        # Least squares: one number added to all biases of a softmax changes nothing.
        step = np.linalg.lstsq(hessian, gradient.ravel(), rcond=None)[0]
        parameters -= step.reshape(parameters.shape)
    assert np.abs(gradient).max() < 1e-9, "Newton's method has not converged"
    return Fit(parameters[:, :-1], parameters[:, -1], probabilities_of(with_one @ parameters.T, exclusive))


def probabilities_of(scores: np.ndarray, exclusive: bool) -> np.ndarray:
    if not exclusive:
        return 1 / (1 + np.exp(-scores))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
