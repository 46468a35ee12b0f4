"""Forward-backward against the sum over all tag sequences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from spacy_nlpkit.layers.crf import Lattice, forward_backward, n_tags, valid_transitions
from spacy_nlpkit.layers.crf_potentials import Potentials

from .brute_force import enumerate_document, paths, random_scores, split, tag_names


def run(scores: Potentials, allowed: np.ndarray | None = None) -> Lattice:
    return forward_backward(scores.emissions, scores.lengths, scores.transitions, scores.start, scores.end, allowed)


def random_mask(scores: Potentials, share: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(scores.emissions.shape) < share


def assert_equal_to_enumeration(scores: Potentials, allowed: np.ndarray | None) -> list[float]:
    """Compare everything, and return the log weights of the documents."""
    lattice = run(scores, allowed)
    stops = np.cumsum(scores.lengths)
    masks = [None] * len(stops) if allowed is None else np.split(allowed, stops[:-1])
    sums = [enumerate_document(one, mask) for one, mask in zip(split(scores), masks)]
    assert lattice.log_z == pytest.approx([one.log_z for one in sums])
    assert lattice.posteriors == pytest.approx(np.concatenate([one.posteriors for one in sums]))
    assert lattice.pairs == pytest.approx(sum(one.pairs for one in sums))
    assert lattice.first == pytest.approx(sum(one.first for one in sums))
    assert lattice.final == pytest.approx(sum(one.final for one in sums))
    return [one.log_z for one in sums]


@pytest.mark.parametrize("n_labels", [1, 2])
def test_valid_transitions_make_the_segmentations_and_no_others(n_labels: int) -> None:
    follows, starts, ends = valid_transitions(n_labels)
    assert len(starts) == n_tags(n_labels) == len(tag_names(n_labels))
    made = [
        path
        for path in itertools.product(range(n_tags(n_labels)), repeat=3)
        if starts[path[0]] and ends[path[-1]] and all(follows[pair] for pair in itertools.pairwise(path))
    ]
    assert made == paths(n_labels, 3)


@pytest.mark.parametrize("lengths", [[4], [3, 1, 4], [1, 1], [2, 4, 4, 1, 3]])
@pytest.mark.parametrize("n_labels", [1, 2])
def test_free_sums(n_labels: int, lengths: list[int]) -> None:
    assert_equal_to_enumeration(random_scores(lengths, n_labels), None)


@pytest.mark.parametrize("seed", range(8))
def test_masked_sums(seed: int) -> None:
    scores = random_scores([3, 1, 4, 2], 2, seed)
    assert_equal_to_enumeration(scores, random_mask(scores, 0.7, seed))


def test_no_label_at_all() -> None:
    assert_equal_to_enumeration(random_scores([2, 1], 0), None)


@pytest.mark.parametrize("place", range(3))
def test_an_impossible_sequence_gives_minus_infinity_and_nothing_else(place: int) -> None:
    """I after O, in the first, a middle and the last sequence; the others are as they are without it."""
    lengths = [3, 4, 2]
    scores = random_scores(lengths, 1)
    allowed = np.ones(scores.emissions.shape, dtype=bool)
    begin = sum(lengths[:place])
    allowed[begin : begin + 2] = False
    allowed[begin, tag_names(1).index("O")] = True
    allowed[begin + 1, tag_names(1).index("I0")] = True
    log_z = assert_equal_to_enumeration(scores, allowed)
    assert [number for number, weight in enumerate(log_z) if weight == -np.inf] == [place]


def test_a_sequence_that_cannot_end_is_impossible() -> None:
    scores = random_scores([2, 3], 1)
    allowed = np.ones(scores.emissions.shape, dtype=bool)
    allowed[1] = [tag == "B0" for tag in tag_names(1)]
    assert assert_equal_to_enumeration(scores, allowed)[0] == -np.inf


def test_nothing_is_possible() -> None:
    scores = random_scores([2, 1], 1)
    lattice = run(scores, np.zeros(scores.emissions.shape, dtype=bool))
    assert (lattice.log_z == -np.inf).all()
    assert not lattice.posteriors.any()
    assert not lattice.pairs.any()
    assert not lattice.first.any()
    assert not lattice.final.any()


def test_the_order_of_the_sequences_does_not_matter() -> None:
    scores = random_scores([2, 5, 1, 3], 2)
    forward = run(scores)
    stops = np.cumsum(scores.lengths)
    rows = np.concatenate(np.split(np.arange(len(scores.emissions)), stops[:-1])[::-1])
    shared = (scores.transitions, scores.start, scores.end)
    backward = run(Potentials(scores.emissions[rows], scores.lengths[::-1], *shared))
    assert backward.log_z[::-1] == pytest.approx(forward.log_z)
    assert backward.posteriors == pytest.approx(forward.posteriors[rows])


def test_a_constant_on_a_token_moves_only_the_sum() -> None:
    """However large: 1,000 would overflow if it were not taken out first."""
    scores = random_scores([3, 2], 1)
    before = run(scores)
    shift = np.array([1000.0, -1000.0, 0.0, 500.0, 0.0])
    scores.emissions += shift[:, None]
    after = run(scores)
    assert after.log_z == pytest.approx(before.log_z + np.array([0.0, 500.0]))
    assert after.posteriors == pytest.approx(before.posteriors)


def test_a_long_sequence_beside_a_short_one() -> None:
    """The summed weight of 20,000 tokens is beyond the range of floats; the tags of each token still sum to one."""
    scores = random_scores([1, 20_000, 3], 1)
    lattice = run(scores)
    assert np.isfinite(lattice.log_z).all()
    assert lattice.log_z[1] > 10_000
    assert lattice.posteriors.sum(axis=1) == pytest.approx(np.ones(20_004))
    assert lattice.pairs.sum() == pytest.approx(20_004 - 3)
    assert lattice.posteriors[-3:] == pytest.approx(enumerate_document(split(scores)[2]).posteriors)
