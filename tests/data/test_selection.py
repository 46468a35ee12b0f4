"""How unsure and how unlike texts are: against brute force over all answers, and on made-up clusters."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from spacy_nlpkit.data import selection
from spacy_nlpkit.data.selection import (
    STRATEGIES,
    count_candidates,
    rank,
    select_diverse,
    uncertainty,
    word_features,
)

RANDOM = np.random.default_rng(0)


def brute_force(answers: NDArray, strategy: str) -> float:
    """The textbook definitions on one distribution, scaled by what a uniform one gives."""
    best, second = sorted(answers, reverse=True)[:2]
    if strategy == "least-confidence":
        return (1 - best) / (1 - 1 / len(answers))
    if strategy == "margin":
        return 1 - (best - second)
    return -sum(p * np.log(p) for p in answers if p > 0) / np.log(len(answers))


def sets_of_labels(row: NDArray) -> NDArray:
    """The probability of each of the 2 ** labels sets of independent labels."""
    return np.array(
        [np.prod([p if there else 1 - p for p, there in zip(row, s)]) for s in product((0, 1), repeat=len(row))]
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("labels", [2, 3, 7])
def test_exclusive_labels_against_the_definitions(strategy: str, labels: int) -> None:
    probabilities = RANDOM.dirichlet(np.full(labels, 0.3), size=50)
    expected = [brute_force(row, strategy) for row in probabilities]
    np.testing.assert_allclose(STRATEGIES[strategy](probabilities, True), expected, atol=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("labels", [1, 2, 5])
def test_other_labels_against_the_definitions_on_all_sets_of_labels(strategy: str, labels: int) -> None:
    probabilities = RANDOM.beta(0.4, 0.4, size=(50, labels))
    expected = [brute_force(sets_of_labels(row), strategy) for row in probabilities]
    np.testing.assert_allclose(STRATEGIES[strategy](probabilities, False), expected, atol=1e-9)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_ends_of_the_scale(strategy: str) -> None:
    measure = STRATEGIES[strategy]
    np.testing.assert_allclose(measure(np.array([[0.25] * 4, [0.0, 1, 0, 0]]), True), [1, 0], atol=1e-12)
    np.testing.assert_allclose(measure(np.array([[0.5] * 3, [0.0, 1, 1]]), False), [1, 0], atol=1e-12)
    # One label that is always right leaves nothing to be unsure of.
    assert measure(np.ones((2, 1)), True).tolist() == [0, 0]
    assert measure(np.zeros((0, 3)), True).shape == (0,)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_thousand_labels_do_not_wear_the_scale_out(strategy: str) -> None:
    probabilities = np.full((2, 1100), 0.001)
    probabilities[1, 0] = 0.4
    low, high = STRATEGIES[strategy](probabilities, False)
    assert 0 < low < high < 1


def test_strategies_differ_in_what_they_look_at() -> None:
    # Two labels that are close, against three that share what the best one lacks.
    close, shared = [0.49, 0.48, 0.03], [0.4, 0.3, 0.3]
    scores = {name: measure(np.array([close, shared]), True) for name, measure in STRATEGIES.items()}
    assert scores["margin"][0] > scores["margin"][1]
    assert scores["least-confidence"][0] < scores["least-confidence"][1]
    assert scores["entropy"][0] < scores["entropy"][1]


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_blocks_and_single_precision_change_nothing(
    strategy: str, exclusive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    probabilities = RANDOM.dirichlet(np.ones(4), size=25)
    whole = STRATEGIES[strategy](probabilities, exclusive)
    monkeypatch.setattr(selection, "BLOCK", 10)
    scores = uncertainty(probabilities.astype(np.float32), strategy, exclusive)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, whole, atol=1e-5)


def test_rank_is_by_score_and_by_the_seed_among_equals() -> None:
    scores = np.repeat([0.1, 0.9, 0.5], 20)
    first, same, other = (rank(scores, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert scores[first].tolist() == sorted(scores.tolist(), reverse=True)
    assert sorted(first.tolist()) == list(range(60))
    assert first.tolist() == same.tolist() != other.tolist()
    assert first[:20].tolist() != sorted(first[:20].tolist())


def words(*texts: str) -> list[NDArray]:
    """Ids of words, of which the numbers tell nothing."""
    return [
        np.array([int.from_bytes(word.encode(), "big") for word in text.split()], dtype=np.uint64) for text in texts
    ]


def tf_idf(texts: list[NDArray]) -> NDArray:
    """(n, words) of length 1, without hashing."""
    vocabulary = sorted({word for text in texts for word in text.tolist()})
    counts = np.array([[text.tolist().count(word) for word in vocabulary] for text in texts], dtype=float)
    weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * np.log1p(
        len(texts) / (counts > 0).sum(axis=0)
    )
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / np.where(norms > 0, norms, 1)


@pytest.mark.parametrize("block", [7, 8192])
def test_similarities_are_near_those_without_hashing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "BLOCK", block)
    generator = np.random.default_rng(3)
    texts = [generator.zipf(1.5, size=generator.integers(0, 30)).clip(max=500).astype(np.uint64) for _ in range(60)]
    texts[5] = texts[0]
    exact = tf_idf(texts)
    features = word_features(texts)
    assert features.dtype == np.float32
    difference = features @ features.T - exact @ exact.T
    assert np.sqrt((difference**2).mean()) < 0.05
    assert features[5] @ features[0] == pytest.approx(1)


def test_texts_in_common_words_alone_are_less_alike_than_in_rare_ones() -> None:
    common = [f"the of w{number}" for number in range(30)]
    features = word_features(words("the of reactor", "the reactor leaks", "the of bank", *common))
    assert features[0] @ features[1] > 2 * (features[0] @ features[2])


def test_a_text_without_words_is_like_none() -> None:
    features = word_features(words("a b", "", "c"))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), [1, 0, 1], atol=1e-6)
    assert word_features([]).shape == (0, features.shape[1])


def relevance(scores: NDArray, features: NDArray, count: int, diversity: float) -> list[int]:
    """Maximal marginal relevance word by word, for comparison."""
    picks: list[int] = []
    for _ in range(count):
        values = {
            number: (1 - diversity) * scores[number] / scores.max()
            - diversity * max([0.0, *(float(features[number] @ features[pick]) for pick in picks)])
            for number in range(len(scores))
            if number not in picks
        }
        picks.append(max(values, key=lambda number: (values[number], -number)))
    return picks


@pytest.mark.parametrize("diversity", [0.0, 0.25, 0.7, 1.0])
def test_picks_against_a_search_step_by_step(diversity: float) -> None:
    generator = np.random.default_rng(5)
    features = generator.normal(size=(60, 8))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    scores = generator.random(60) / 3
    picks = list(select_diverse(scores, features, 20, diversity))
    assert picks == relevance(scores, features, 20, diversity)


def test_without_diversity_the_best_are_picked_and_no_more_than_there_are() -> None:
    scores = np.array([0.2, 0.9, 0.4])
    features = np.eye(3)
    before = scores.copy()
    assert list(select_diverse(scores, features, 2, 0)) == [1, 2]
    assert list(select_diverse(scores, features, 10, 0.5)) == [1, 2, 0]
    assert list(select_diverse(np.zeros(2), np.eye(2), 2, 0.5)) == [0, 1]
    assert list(select_diverse(np.zeros(0), np.zeros((0, 2)), 5, 0.5)) == []
    assert scores.tolist() == before.tolist()


def test_diversity_picks_from_all_clusters_where_uncertainty_does_not() -> None:
    """Five topics; of the first one every text is a little less sure than any of the others."""
    generator = np.random.default_rng(7)
    topics = np.repeat(np.arange(5), 40)
    texts = [generator.integers(1000 * topic, 1000 * topic + 25, size=15).astype(np.uint64) for topic in topics]
    scores = np.where(topics == 0, 0.9, 0.7) + generator.random(200) / 20
    features = word_features(texts)
    plain = {topics[pick] for pick in select_diverse(scores, features, 10, 0)}
    diverse = {topics[pick] for pick in select_diverse(scores, features, 10, 0.5)}
    assert plain == {0}
    assert diverse == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("count", "diversity", "expected"),
    [(100, 0.0, 100), (100, 0.1, 20_000), (5_000, 0.1, 50_000), (50_000, 1.0, 100_000), (200_000, 1.0, 200_000)],
)
def test_how_many_texts_are_chosen_from(count: int, diversity: float, expected: int) -> None:
    assert count_candidates(count, diversity) == expected
