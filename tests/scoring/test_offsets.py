"""Scores by character offsets, and their bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from spacy_nlpkit.scoring.offsets import bootstrap_interval, score_offsets

ORG, GPE = "ORG", "GPE"


def test_scores_of_a_case_counted_by_hand():
    gold = [{(0, 4, ORG), (10, 14, GPE)}, {(0, 3, ORG)}]
    pred = [{(0, 4, ORG), (10, 14, ORG)}, {(0, 3, ORG), (5, 9, GPE)}]
    scores = score_offsets(gold, pred)
    assert (scores["ents_p"], scores["ents_r"]) == (pytest.approx(2 / 4), pytest.approx(2 / 3))
    assert scores["ents_f"] == pytest.approx(4 / 7)
    assert scores["ents_per_type"][ORG] == {"p": pytest.approx(2 / 3), "r": 1.0, "f": 0.8, "support": 2}
    assert scores["ents_per_type"][GPE] == {"p": 0.0, "r": 0.0, "f": 0.0, "support": 1}


def test_a_span_off_by_one_character_is_both_missed_and_wrong():
    scores = score_offsets([{(4, 9, "TICKER")}], [{(4, 10, "TICKER")}])
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"]) == (0.0, 0.0, 0.0)


def test_labels_limit_what_counts():
    scores = score_offsets([{(0, 4, ORG)}], [{(0, 4, ORG), (5, 9, GPE)}], labels=[ORG, "LAW"])
    assert scores["ents_f"] == 1.0
    assert scores["ents_per_type"]["LAW"] == {"p": None, "r": None, "f": None, "support": 0}
    assert set(scores["ents_per_type"]) == {ORG, "LAW"}


def test_nothing_to_score_is_none():
    assert score_offsets([set(), set()], [set(), set()])["ents_f"] is None
    assert bootstrap_interval([set()], [set()]) is None


def test_documents_must_pair_up():
    with pytest.raises(ValueError, match="2 documents of gold spans, but 1"):
        score_offsets([set(), set()], [set()])


def simulate(n_docs, recall, seed):
    rng = np.random.default_rng(seed)
    gold = [{(10 * i, 10 * i + 4, ORG) for i in range(3)} for _ in range(n_docs)]
    pred = [{span for span in sorted(doc) if rng.random() < recall} for doc in gold]
    return gold, pred


def test_the_interval_holds_the_score_and_narrows_with_the_data():
    widths = []
    for n_docs in (50, 800):
        gold, pred = simulate(n_docs, 0.8, seed=0)
        lower, upper = bootstrap_interval(gold, pred)
        assert lower < score_offsets(gold, pred)["ents_f"] < upper
        widths.append(upper - lower)
    # Sixteen times the documents: a quarter of the width.
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.3)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    recall = 0.8
    truth = 2 * recall / (1 + recall)
    intervals = [bootstrap_interval(*simulate(100, recall, seed), samples=400) for seed in range(150)]
    covered = np.mean([lower <= truth <= upper for lower, upper in intervals])
    assert 0.88 <= covered <= 1.0


def test_the_interval_depends_on_the_seed_alone_and_widens_with_the_level():
    gold, pred = simulate(60, 0.7, seed=1)
    assert bootstrap_interval(gold, pred, seed=3) == bootstrap_interval(gold, pred, seed=3)
    assert bootstrap_interval(gold, pred, seed=3) != bootstrap_interval(gold, pred, seed=4)
    narrow, wide = (bootstrap_interval(gold, pred, level=level) for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_perfect_prediction_has_no_width():
    gold, _ = simulate(20, 1.0, seed=0)
    assert bootstrap_interval(gold, gold) == (1.0, 1.0)
