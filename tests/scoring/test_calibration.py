"""Calibration against data whose true answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from spacy_nlpkit.scoring.calibration import (
    apply_platt,
    expected_calibration_error,
    fit_platt,
    log_odds,
    sigmoid,
)


def test_error_of_one_bin_is_the_gap_of_confidence_and_accuracy():
    # Ten items at 0.9 of which six are right: |0.9 - 0.6|.
    assert expected_calibration_error([0.9] * 10, [1] * 6 + [0] * 4) == pytest.approx(0.3)


def test_error_weighs_the_bins_by_their_size():
    confidences = [0.95] * 30 + [0.05] * 10
    correct = [1] * 30 + [1] * 10
    # 30 items off by 0.05 and 10 items off by 0.95.
    assert expected_calibration_error(confidences, correct) == pytest.approx((30 * 0.05 + 10 * 0.95) / 40)


def test_errors_of_opposite_sign_cancel_within_a_bin_only():
    assert expected_calibration_error([0.42, 0.44], [1, 0], bins=1) == pytest.approx(0.07)
    assert expected_calibration_error([0.30, 0.70], [1, 0], bins=2) == pytest.approx(0.70)
    assert expected_calibration_error([0.30, 0.70], [1, 0], bins=1) == pytest.approx(0.0)


def test_error_takes_the_ends_of_the_range_and_nothing():
    assert expected_calibration_error([0.0, 1.0], [0, 1]) == 0.0
    assert math.isnan(expected_calibration_error([], []))


def test_platt_finds_the_parameters_that_made_the_data():
    rng = np.random.default_rng(0)
    x = rng.normal(0.0, 3.0, 200_000)
    correct = rng.random(x.size) < sigmoid(0.5 * x - 0.7)
    a, b = fit_platt(x, correct)
    assert a == pytest.approx(0.5, abs=0.01)
    assert b == pytest.approx(-0.7, abs=0.02)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_platt_reaches_the_optimum_that_a_general_optimiser_finds(scale):
    rng = np.random.default_rng(1)
    x = rng.normal(1.0, 2.0, 300)
    correct = rng.random(x.size) < sigmoid(1.4 * x + 0.3)
    right, wrong = correct.sum(), (~correct).sum()
    target = np.where(correct, (right + 1) / (right + 2), 1 / (wrong + 2))

    def loss(theta):
        z = theta[0] * x + theta[1]
        return (np.logaddexp(0, z) - target * z).sum()

    best = minimize(loss, [0.0, 0.0], tol=1e-12).x
    a, b = fit_platt(x * scale, correct)
    assert_allclose([a * scale, b], best, rtol=1e-4, atol=1e-4)


def test_calibrated_confidence_has_a_small_error_on_other_data():
    rng = np.random.default_rng(2)

    def sample(n):
        truth = rng.beta(2, 1, n)
        # Over-confident: the log-odds are stretched by three and moved.
        return sigmoid(3.0 * log_odds(truth) + 1.0), rng.random(n) < truth

    p, correct = sample(4000)
    a, b = fit_platt(log_odds(p), correct)
    held_out, held_out_correct = sample(4000)
    before = expected_calibration_error(held_out, held_out_correct)
    after = expected_calibration_error(apply_platt(held_out, a, b), held_out_correct)
    assert before > 0.15
    assert after < 0.04


def test_separable_data_stay_finite():
    a, b = fit_platt([-2.0, -1.0, 1.0, 2.0], [False, False, True, True])
    assert np.isfinite([a, b]).all()
    assert 0.0 < a < 100.0
    assert apply_platt(sigmoid([-2.0, 2.0]), a, b)[1] < 1.0


def test_the_order_is_never_reversed():
    a, b = fit_platt([3.0, 2.0, 1.0, 0.0] * 10, [False, False, False, True] * 10)
    assert a == 0.0
    assert sigmoid(b) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("scores", "correct"),
    [
        ([], []),
        ([1.0, 2.0], [True, True]),
        ([1.0, 2.0], [False, False]),
        ([1.5, 1.5, 1.5], [True, False, True]),
        ([np.inf, 0.0], [True, False]),
    ],
)
def test_data_that_say_nothing_give_the_identity(scores, correct):
    assert fit_platt(scores, correct) == (1.0, 0.0)


def test_applying_the_identity_changes_nothing_and_certainty_stays_finite():
    p = np.array([[0.0, 1e-9], [0.5, 1.0]])
    assert_allclose(apply_platt(p, 1.0, 0.0), p, atol=1e-11)
    assert np.isfinite(log_odds(p)).all()
    assert_allclose(sigmoid([-1000.0, 0.0, 1000.0]), [0.0, 0.5, 1.0])
