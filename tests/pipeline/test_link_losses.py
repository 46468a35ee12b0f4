"""Chances, losses and decisions of links: against loops over mentions, finite differences, and all thresholds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spacy_nlpkit.pipeline._link_scoring import chances_of, distance_loss, link_loss
from spacy_nlpkit.pipeline._link_training import Judged, Truth, fit_decisions

N = 7


@pytest.fixture(params=range(4))
def batch(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Scores, and the mention of each candidate; some mentions have none."""
    rng = np.random.default_rng(request.param)
    mention = np.repeat(np.arange(N), rng.integers(0, 5, N))
    return rng.normal(size=len(mention) + N) * 2, mention, rng


def by_mention(scores: np.ndarray, mention: np.ndarray, place: int) -> tuple[list[float], float]:
    mine = [math.exp(score) for score in scores[: len(mention)][mention == place]]
    none = math.exp(scores[len(mention) + place])
    total = sum(mine) + none
    return [each / total for each in mine], none / total


def test_chances(batch: Any) -> None:
    scores, mention, _ = batch
    for temperature in (1.0, 0.3, 4.0):
        found = chances_of(scores, mention, temperature)
        for place in range(N):
            chances, none = by_mention(scores / temperature, mention, place)
            assert found.candidates[mention == place] == pytest.approx(chances)
            assert found.nil[place] == pytest.approx(none)


def test_no_mentions() -> None:
    nothing, numbers = np.zeros(0), np.zeros(0, np.int64)
    assert [len(part) for part in chances_of(nothing, numbers)] == [0, 0]
    loss, gradient = link_loss(nothing, numbers, nothing.astype(bool), nothing.astype(bool))
    assert (loss, gradient.shape) == (0.0, (0,))
    loss, gradient = distance_loss(nothing, nothing, numbers)
    assert (loss, gradient.shape) == (0.0, (0,))


def slopes(loss: Callable[[np.ndarray], float], scores: np.ndarray) -> np.ndarray:
    steps = np.eye(len(scores)) * 1e-5
    return np.array([(loss(scores + step) - loss(scores - step)) / 2e-5 for step in steps])


def test_cross_entropy(batch: Any) -> None:
    """Over mentions with one right candidate, with several, with none that is known, and NIL."""
    scores, mention, rng = batch
    right, nil = rng.random(len(mention)) < 0.3, rng.random(N) < 0.3
    terms = []
    for place in range(N):
        chances, none = by_mention(scores, mention, place)
        held = sum(np.array(chances)[right[mention == place]]) + nil[place] * none
        if held:
            terms.append(-math.log(held))
    loss, gradient = link_loss(scores, mention, right, nil)
    assert loss == pytest.approx(sum(terms) / len(terms))
    assert gradient.dtype == np.float32
    expected = slopes(lambda changed: link_loss(changed, mention, right, nil)[0], scores)
    assert gradient == pytest.approx(expected, abs=1e-5)


def test_what_teaches_nothing(batch: Any) -> None:
    scores, mention, _ = batch
    loss, gradient = link_loss(scores, mention, np.zeros(len(mention), bool), np.zeros(N, bool))
    assert (loss, np.abs(gradient).max()) == (0.0, 0.0)


@pytest.mark.parametrize("gap", [50.0, 800.0, 1e6])
def test_the_gradient_does_not_vanish_where_all_is_wrong(gap: float) -> None:
    """However improbable the right one is: its exponential is 0 as a number."""
    mention, right = np.zeros(2, np.int64), np.array([True, False])
    loss, gradient = link_loss(np.array([0.0, gap, 0.0]), mention, right, np.zeros(1, bool))
    assert loss == pytest.approx(gap, rel=1e-6)
    assert gradient == pytest.approx([-1.0, 1.0, 0.0])
    loss, gradient = link_loss(np.array([gap, gap, 0.0]), mention, np.zeros(2, bool), np.ones(1, bool))
    assert loss == pytest.approx(gap + math.log(2.0), rel=1e-6)
    assert gradient == pytest.approx([0.5, 0.5, -1.0])


def test_distance_of_a_teacher(batch: Any) -> None:
    scores, mention, rng = batch
    teacher = scores + rng.normal(size=len(scores))
    total = 0.0
    for place in range(N):
        ours, theirs = (by_mention(each, mention, place) for each in (scores, teacher))
        total += sum(q * math.log(q / p) for p, q in zip([*ours[0], ours[1]], [*theirs[0], theirs[1]]))
    loss, gradient = distance_loss(scores, teacher, mention)
    assert loss == pytest.approx(total / N)
    assert gradient == pytest.approx(
        slopes(lambda changed: distance_loss(changed, teacher, mention)[0], scores), abs=1e-5
    )
    assert distance_loss(teacher, teacher, mention)[0] == 0.0


# Calibration


def judged(scores: np.ndarray, mention: np.ndarray, rng: np.random.Generator, warmth: float) -> Judged:
    """Answers drawn from the chances that the scores have at a temperature."""
    right, nil = np.zeros(len(mention), bool), np.zeros(len(scores) - len(mention), bool)
    chances = chances_of(scores, mention, warmth)
    for place in range(len(nil)):
        rows = np.flatnonzero(mention == place)
        drawn = rng.choice(len(rows) + 1, p=[*chances.candidates[rows], chances.nil[place]])
        if drawn < len(rows):
            right[rows[drawn]] = True
        else:
            nil[place] = True
    return Judged(scores, mention, Truth(right, nil))


@pytest.mark.parametrize("warmth", [0.5, 1.0, 3.0])
def test_temperature_is_found_again(warmth: float) -> None:
    rng = np.random.default_rng(0)
    mention = np.repeat(np.arange(4000), 3)
    scores = rng.normal(size=len(mention) + 4000) * 2
    parts = [judged(scores, mention, rng, warmth) for _ in range(2)]
    fitted = fit_decisions(parts)
    assert fitted is not None
    assert fitted[0] == pytest.approx(warmth, rel=0.1)


def test_the_threshold_is_the_best_of_all() -> None:
    """Linking above it makes as many right, by chance, as any other threshold."""
    rng = np.random.default_rng(1)
    mention = np.repeat(np.arange(300), rng.integers(0, 4, 300))
    part = judged(rng.normal(size=len(mention) + 300), mention, rng, 1.0)
    fitted = fit_decisions([part])
    assert fitted is not None
    temperature, threshold = fitted
    chances = chances_of(part.scores, mention, temperature)
    best = np.zeros(300)
    np.maximum.at(best, mention, chances.candidates)

    def expected_right(least: float) -> float:
        return float(np.where(best >= least, best, chances.nil).sum())

    assert expected_right(threshold) == pytest.approx(max(expected_right(least) for least in [*best, 0.0, 1.1]))


def test_nothing_to_fit() -> None:
    mention = np.zeros(2, np.int64)
    unknown = Judged(np.zeros(3), mention, Truth(np.zeros(2, bool), np.zeros(1, bool)))
    assert fit_decisions([]) is None
    assert fit_decisions([unknown]) is None
    only_nil = Judged(np.array([-3.0, -3.0, 3.0]), mention, Truth(np.zeros(2, bool), np.ones(1, bool)))
    fitted = fit_decisions([only_nil, unknown])
    assert fitted is not None
