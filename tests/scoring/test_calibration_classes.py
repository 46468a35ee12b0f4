"""Temperature, softmax and thresholds of classes against data whose true answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as scipy_softmax

from spacy_nlpkit.scoring.calibration import best_threshold, fit_temperature, softmax


def one_hot(numbers, n_labels):
    return np.eye(n_labels)[numbers]


def drawn_from(probabilities, rng):
    """One label a row, by its probability."""
    return (rng.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_made_the_data_is_found(temperature):
    rng = np.random.default_rng(0)
    truth = scipy_softmax(rng.normal(0.0, 2.0, (20_000, 4)), axis=1)
    labels = one_hot(drawn_from(truth, rng), 4)
    assert fit_temperature(temperature * np.log(truth), labels) == pytest.approx(temperature, rel=0.05)


def test_the_optimum_of_a_general_optimiser():
    rng = np.random.default_rng(1)
    z = log_softmax(rng.normal(0.0, 3.0, (50, 3)), axis=1)
    labels = one_hot(rng.integers(0, 3, 50), 3)
    smoothed = labels * 50 / 51 + 1 / 51 / 3

    def loss(log_temperature):
        return -(smoothed * log_softmax(z / np.exp(log_temperature), axis=1)).sum()

    best = np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}).x)
    assert fit_temperature(z, labels) == pytest.approx(best, rel=1e-4)


def test_scores_and_probabilities_give_the_same():
    """A constant on a row moves nothing: the logarithms need not be of normalised probabilities."""
    rng = np.random.default_rng(2)
    scores = rng.normal(0.0, 2.0, (200, 3))
    labels = one_hot(drawn_from(scipy_softmax(scores / 2.0, axis=1), rng), 3)
    found = fit_temperature(scores, labels)
    assert fit_temperature(log_softmax(scores, axis=1), labels) == pytest.approx(found)
    assert fit_temperature(scores + rng.normal(0.0, 50.0, (200, 1)), labels) == pytest.approx(found)


def test_soft_labels_are_matched():
    truth = np.tile([[0.6, 0.3, 0.1]], (5000, 1))
    assert fit_temperature(3.0 * np.log(truth), truth) == pytest.approx(3.0, rel=0.01)


@pytest.mark.parametrize("n", [1, 5, 500])
def test_what_is_all_right_gives_no_certainty(n):
    z = np.log(np.tile([[0.8, 0.1, 0.1]], (n, 1)))
    temperature = fit_temperature(z, np.tile([[1.0, 0.0, 0.0]], (n, 1)))
    calibrated = softmax(z[0] / temperature)[0]
    assert temperature > 0.01
    # As if one more document could have been anything.
    assert calibrated == pytest.approx((n + 1 / 3) / (n + 1), abs=1e-3)


def test_what_is_all_wrong_stays_in_its_bounds_and_order():
    z = np.log(np.tile([[0.8, 0.1, 0.1]], (50, 1)))
    temperature = fit_temperature(z, np.tile([[0.0, 0.5, 0.5]], (50, 1)))
    assert temperature == pytest.approx(100.0)
    assert softmax(z[0] / temperature).argmax() == 0


def test_no_documents_leave_the_temperature():
    assert fit_temperature(np.zeros((0, 3)), np.zeros((0, 3))) == 1.0


def test_softmax():
    rng = np.random.default_rng(3)
    scores = rng.normal(0.0, 5.0, (4, 5, 6))
    assert_allclose(softmax(scores), scipy_softmax(scores, axis=-1))
    assert_allclose(softmax([1e4, 0.0, -1e4]), [1.0, 0.0, 0.0])
    assert_allclose(softmax([-1e4, -1e4]), [0.5, 0.5])


def test_the_threshold_is_best_in_expectation():
    """Drawn labels are named with the best F1 where one names those above the threshold."""
    rng = np.random.default_rng(4)
    p = rng.beta(0.6, 2.0, 4000)
    holds = rng.random((300, p.size)) < p
    tried = np.linspace(0.05, 0.95, 91)
    f_scores = [
        np.mean(2.0 * (holds[:, p >= t]).sum(axis=1) / ((p >= t).sum() + holds.sum(axis=1))) for t in tried.tolist()
    ]
    assert best_threshold(p) == pytest.approx(tried[int(np.argmax(f_scores))], abs=0.03)
    assert best_threshold(p) == pytest.approx(max(f_scores) / 2.0, abs=0.005)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [([], 0.5), ([0.0, 0.0], 0.5), ([1.0, 0.0], 0.5), ([0.2], 1 / 6), ([0.1] * 100, 1 / 11)],
)
def test_thresholds_of_few_items(probabilities, expected):
    """Of equal probabilities p all are named: F1 is 2 p / (1 + p)."""
    assert best_threshold(probabilities) == pytest.approx(expected)
