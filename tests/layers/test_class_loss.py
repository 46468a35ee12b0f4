"""Losses of classes by the formulas written out, their gradients against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spacy_nlpkit.layers.class_loss import exclusive_loss, independent_loss

from .reference import finite_differences

NAN = np.nan
EXCLUSIVE = {
    "hard": [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
    "soft": [[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]],
    "rejected": [[0.0, NAN, NAN], [NAN, 0.0, 0.0]],
    "partly_known": [[0.3, NAN, NAN], [NAN, 0.25, 0.75]],
    "accepted": [[1.0, NAN, NAN], [NAN, 1.0, 0.0]],
    "unknown": [[NAN, NAN, NAN], [0.0, 1.0, 0.0]],
}
INDEPENDENT = {
    "hard": [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]],
    "soft": [[0.7, 0.2, 0.9], [0.5, 1.0, 0.0]],
    "missing": [[1.0, NAN, 0.0], [NAN, NAN, NAN]],
}
SETTINGS: dict[str, dict[str, float]] = {
    "plain": {},
    "smoothed": {"smoothing": 0.2},
    "focal": {"gamma": 2.0},
    "little_focus": {"gamma": 0.5},
    "both": {"smoothing": 0.1, "gamma": 1.5},
}
WEIGHTS = {"equal": np.ones(3), "weighted": np.array([0.5, 2.0, 3.0])}
SCORES = np.array([[0.3, -1.2, 0.8], [2.0, 0.1, -0.4]])


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


def logistic(scores: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-scores))


def exclusive_by_hand(
    p: Any, truth: list[list[float]], weights: Any, smoothing: float = 0.0, gamma: float = 0.0
) -> float:
    """Document by document, label by label."""
    loss = 0.0
    for row, wanted in zip(p, truth):
        unknown = [label for label, value in enumerate(wanted) if np.isnan(value)]
        for label, value in enumerate(wanted):
            if label not in unknown:
                target = value if unknown else (1 - smoothing) * value + smoothing / len(wanted)
                loss -= weights[label] * target * (1 - row[label]) ** gamma * np.log(row[label])
        left = 1.0 - sum(value for value in wanted if not np.isnan(value))
        if unknown and left > 0:
            loss -= left * np.log(sum(row[label] for label in unknown))
    return loss


def independent_by_hand(
    p: Any, truth: list[list[float]], weights: Any, smoothing: float = 0.0, gamma: float = 0.0
) -> float:
    """Document by document, label by label."""
    loss = 0.0
    for row, wanted in zip(p, truth):
        for probability, value, weight in zip(row, wanted, weights):
            if not np.isnan(value):
                target = (1 - smoothing) * value + smoothing / 2
                loss -= weight * target * (1 - probability) ** gamma * np.log(probability)
                loss -= (1 - target) * probability**gamma * np.log(1 - probability)
    return loss


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("truth", EXCLUSIVE.values(), ids=EXCLUSIVE)
def test_exclusive(truth: list[list[float]], settings: dict[str, float], weights: np.ndarray) -> None:
    loss, gradient = exclusive_loss(softmax(SCORES), np.array(truth), weights, **settings)
    assert loss == pytest.approx(exclusive_by_hand(softmax(SCORES), truth, weights, **settings))
    scores = SCORES.copy()
    slopes = finite_differences(
        scores, lambda: exclusive_loss(softmax(scores), np.array(truth), weights, **settings)[0], 1e-5
    )
    assert gradient == pytest.approx(slopes, abs=1e-8)


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("truth", INDEPENDENT.values(), ids=INDEPENDENT)
def test_independent(truth: list[list[float]], settings: dict[str, float], weights: np.ndarray) -> None:
    loss, gradient = independent_loss(logistic(SCORES), np.array(truth), weights, **settings)
    assert loss == pytest.approx(independent_by_hand(logistic(SCORES), truth, weights, **settings))
    scores = SCORES.copy()
    slopes = finite_differences(
        scores, lambda: independent_loss(logistic(scores), np.array(truth), weights, **settings)[0], 1e-5
    )
    assert gradient == pytest.approx(slopes, abs=1e-8)


def test_a_rejected_label_raises_the_others_in_proportion() -> None:
    """A step against the gradient lowers what was rejected, and every other label gains by its own probability."""
    p = softmax(SCORES)
    _, gradient = exclusive_loss(p, np.array(EXCLUSIVE["rejected"]), np.ones(3))
    assert gradient[0, 0] > 0
    assert (gradient[0, 1:] < 0).all()
    assert gradient[0, 1] / gradient[0, 2] == pytest.approx(p[0, 1] / p[0, 2])
    assert gradient[1, 0] < 0
    assert (gradient[1, 1:] > 0).all()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_an_unknown_document_teaches_nothing(settings: dict[str, float]) -> None:
    for p, loss_of in ((softmax(SCORES), exclusive_loss), (logistic(SCORES), independent_loss)):
        loss, gradient = loss_of(p, np.full((2, 3), NAN), WEIGHTS["weighted"], **settings)
        assert loss == pytest.approx(0.0, abs=1e-12)
        assert np.abs(gradient).max() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize(
    ("loss_of", "truth"),
    [(exclusive_loss, [1.0, 0.0]), (exclusive_loss, [0.0, NAN]), (independent_loss, [1.0, NAN])],
    ids=["exclusive", "rejected", "independent"],
)
@pytest.mark.parametrize("p", [[1.0, 0.0], [0.0, 1.0]], ids=["sure_yes", "sure_no"])
def test_certainty_is_finite(
    p: list[float], loss_of: Callable[..., tuple[float, np.ndarray]], truth: list[float], settings: dict[str, float]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, gradient = loss_of(np.array([p]), np.array([truth]), np.ones(2), **settings)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


def test_no_documents() -> None:
    nothing = np.zeros((0, 3))
    for loss_of in (exclusive_loss, independent_loss):
        loss, gradient = loss_of(nothing, nothing, np.ones(3))
        assert (loss, gradient.shape) == (0.0, (0, 3))


def test_focus_is_on_what_is_wrong() -> None:
    """Focal loss leaves a larger share of the gradient of a wrong document than of a right one."""
    p, truth = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    for loss_of in (exclusive_loss, independent_loss):
        plain, focal = (np.abs(loss_of(p, truth, np.ones(2), gamma=gamma)[1][:, 0]) for gamma in (0.0, 2.0))
        assert focal[1] / plain[1] > 10 * focal[0] / plain[0]
