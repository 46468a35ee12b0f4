"""Losses against the sum over all tag sequences, their gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spacy_nlpkit.layers.crf_loss import (
    MAX_ODDS,
    distillation_loss,
    likelihood_loss,
    rejection_loss,
    zeros_like,
)
from spacy_nlpkit.layers.crf_potentials import Potentials

from .brute_force import enumerate_document, paths, random_scores, scores_of, split, tag_names

PARTS = ("emissions", "transitions", "start", "end")
STEP = 1e-5


def assert_is_gradient(gradient: Potentials, loss: Callable[[Potentials], float], scores: Potentials) -> None:
    """Compare with central differences of the loss in every score."""
    assert (gradient.lengths == scores.lengths).all()
    for part in PARTS:
        values = getattr(scores, part)
        expected = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            kept = values[place]
            values[place] = kept + STEP
            above = loss(scores)
            values[place] = kept - STEP
            expected[place] = (above - loss(scores)) / (2 * STEP)
            values[place] = kept
        assert getattr(gradient, part) == pytest.approx(expected, abs=1e-6), part


def is_zero(gradient: Potentials) -> bool:
    return not any(getattr(gradient, part).any() for part in PARTS)


def mask_of(*tags: str | None, n_labels: int = 1) -> np.ndarray:
    """One tag a token, None where every tag is allowed."""
    names = tag_names(n_labels)
    return np.array([[wanted in (None, name) for name in names] for wanted in tags])


COMPLETE = mask_of("B0", "L0", "O", "U0", "O", "U0")
PARTIAL = mask_of("B0", None, "O", None, "O", None)
# The second document's I has nothing to go on with.
IMPOSSIBLE = mask_of("B0", "L0", "O", "U0", "I0", "U0")


@pytest.mark.parametrize("lengths", [[3, 2, 1], [0, 3, 0, 2, 1, 0], [6]])
@pytest.mark.parametrize("allowed", [COMPLETE, PARTIAL], ids=["complete", "partial"])
def test_likelihood(allowed: np.ndarray, lengths: list[int]) -> None:
    scores = random_scores(lengths, 1)
    loss, gradient = likelihood_loss(scores, allowed)
    stops = np.cumsum([size for size in lengths if size])
    expected = [
        enumerate_document(one).log_z - enumerate_document(one, mask).log_z
        for one, mask in zip(split(scores), np.split(allowed, stops[:-1]))
    ]
    assert loss == pytest.approx(sum(expected))
    assert_is_gradient(gradient, lambda moved: likelihood_loss(moved, allowed)[0], scores)


def test_a_document_that_no_path_fits_teaches_nothing() -> None:
    lengths = [3, 2, 0, 1]
    scores = random_scores(lengths, 1)
    loss, gradient = likelihood_loss(scores, IMPOSSIBLE)
    assert_is_gradient(gradient, lambda moved: likelihood_loss(moved, IMPOSSIBLE)[0], scores)
    assert not gradient.emissions[3:5].any()
    alone = Potentials(scores.emissions[[0, 1, 2, 5]], np.array([3, 1]), scores.transitions, scores.start, scores.end)
    expected, without = likelihood_loss(alone, IMPOSSIBLE[[0, 1, 2, 5]])
    assert loss == pytest.approx(expected)
    assert gradient.transitions == pytest.approx(without.transitions)


def test_where_nothing_fits_or_nothing_is_known_there_is_no_loss() -> None:
    scores = random_scores([2], 1)
    loss, gradient = likelihood_loss(scores, mask_of("O", "I0"))
    assert (loss, is_zero(gradient)) == (0.0, True)
    loss, gradient = likelihood_loss(scores, mask_of(None, None))
    assert loss == pytest.approx(0.0)
    assert np.abs(gradient.emissions).max() == pytest.approx(0.0)
    empty = random_scores([0, 0], 1)
    loss, gradient = likelihood_loss(empty, np.zeros((0, 5), dtype=bool))
    assert (loss, is_zero(gradient)) == (0.0, True)


@pytest.mark.parametrize("span", [(0, 1, 0), (1, 3, 1), (0, 3, 0), (2, 3, 1)])
def test_rejection(span: tuple[int, int, int]) -> None:
    """The middle document of three; the others do not matter."""
    scores = random_scores([2, 3, 1], 2)

    def loss_of(moved: Potentials) -> float:
        return rejection_loss(moved, 1, *span, zeros_like(moved))

    gradient = zeros_like(scores)
    loss = rejection_loss(scores, 1, *span, gradient)
    probability = enumerate_document(split(scores)[1]).spans[span]
    assert loss == pytest.approx(-np.log1p(-probability))
    assert_is_gradient(gradient, loss_of, scores)
    assert not gradient.emissions[[0, 1, 5]].any()


def test_rejection_adds_to_the_gradient() -> None:
    scores = random_scores([3, 0, 2], 1)
    alone = zeros_like(scores)
    rejection_loss(scores, 2, 0, 2, 0, alone)
    loss, gradient = likelihood_loss(scores, mask_of("O", "O", "U0", None, None))
    before = gradient.emissions.copy()
    rejection_loss(scores, 2, 0, 2, 0, gradient)
    assert loss > 0
    assert gradient.emissions == pytest.approx(before + alone.emissions)


def test_a_certain_span_is_rejected_with_bounded_force() -> None:
    scores = random_scores([1], 1)
    scores.emissions[0, tag_names(1).index("U0")] = 60.0
    gradient = zeros_like(scores)
    loss = rejection_loss(scores, 0, 0, 1, 0, gradient)
    assert loss == pytest.approx(np.log1p(MAX_ODDS))
    assert np.isfinite(gradient.emissions).all()
    assert np.abs(gradient.emissions).max() <= MAX_ODDS


def cross_entropy(teacher: Potentials, scores: Potentials) -> float:
    """Of the paths of one document; the teacher may know fewer labels, whose tags come first."""
    n_labels, length = (scores.emissions.shape[1] - 1) // 4, len(scores.emissions)
    known = dict(zip(paths((teacher.emissions.shape[1] - 1) // 4, length), np.exp(scores_of(teacher))))
    target = np.array([known.get(path, 0.0) for path in paths(n_labels, length)])
    own = scores_of(scores)
    return float(target @ (np.log(np.exp(own).sum()) - own) / target.sum())


@pytest.mark.parametrize("labels_of_teacher", [1, 2])
def test_distillation_descends_the_cross_entropy_of_paths(labels_of_teacher: int) -> None:
    teacher, scores = random_scores([3, 0, 2], labels_of_teacher, seed=1), random_scores([3, 0, 2], 2)
    loss, gradient = distillation_loss(teacher, scores)
    assert loss > 0

    def loss_of(moved: Potentials) -> float:
        return sum(cross_entropy(one, other) for one, other in zip(split(teacher), split(moved)))

    assert_is_gradient(gradient, loss_of, scores)


def test_distillation_rests_where_both_agree() -> None:
    loss, gradient = distillation_loss(random_scores([3, 2], 1), random_scores([3, 2], 1))
    assert (loss, is_zero(gradient)) == (0.0, True)
    empty = random_scores([0], 1)
    loss, gradient = distillation_loss(empty, empty)
    assert (loss, is_zero(gradient)) == (0.0, True)
