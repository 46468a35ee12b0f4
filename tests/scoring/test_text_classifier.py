"""The scorer of text_classifier on complete annotation, found through its entry point."""

from __future__ import annotations

import json
import time
import warnings

import numpy as np
import pytest
import spacy
from spacy.scorer import Scorer
from spacy.training import Example
from spacy.util import registry

from spacy_nlpkit.scoring.calibration import expected_calibration_error

from .classes import LABELS, NOTHING, cats, close, make_examples, random_pairs


@pytest.fixture(scope="module")
def score():
    return registry.scorers.get("spacy_nlpkit.text_classifier_scorer.v1")()


# spaCy's own keys


@pytest.mark.parametrize("exclusive", [True, False])
def test_on_complete_hard_annotation_the_keys_of_spacy_have_its_values(score, exclusive):
    examples = make_examples(*random_pairs(exclusive))
    expected = Scorer.score_cats(examples, "cats", labels=LABELS, multi_label=not exclusive)
    scores = score(iter(examples), labels=iter(LABELS), exclusive=exclusive, learned_threshold=0.3)
    assert 0.2 < expected["cats_macro_f"] < 0.95
    assert set(expected) <= set(scores)
    for key, value in expected.items():
        if key == "cats_f_per_type":
            assert {label: close(row) for label, row in value.items()} == scores[key]
        else:
            assert scores[key] == (value if isinstance(value, str) else close(value)), key
    assert json.loads(json.dumps(scores)) == scores


@pytest.mark.parametrize("threshold", [0.2, 0.8])
def test_a_threshold_for_all_labels_is_that_of_textcat_multilabel(score, threshold):
    examples = make_examples(*random_pairs(exclusive=False))
    expected = Scorer.score_cats(examples, "cats", labels=LABELS, multi_label=True, threshold=threshold)
    scores = score(examples, labels=LABELS, exclusive=False, threshold=threshold)
    assert scores["cats_f_per_type"] == {label: close(row) for label, row in expected["cats_f_per_type"].items()}
    assert scores["cats_f_per_type"] != score(examples, labels=LABELS, exclusive=False)["cats_f_per_type"]
    own = dict.fromkeys(LABELS, threshold)
    assert score(examples, labels=LABELS, exclusive=False, thresholds=own) == scores


def test_the_threshold_of_textcat_does_not_touch_exclusive_labels(score):
    examples = make_examples(*random_pairs(exclusive=True))
    assert score(examples, labels=LABELS, threshold=0.9) == score(examples, labels=LABELS)


def test_the_main_score_of_two_labels_can_be_that_of_the_positive_one(score):
    pairs = [
        ({"yes": p, "no": 1 - p}, {"yes": float(g), "no": float(not g)}) for p, g in [(0.9, 1), (0.6, 0), (0.2, 0)]
    ]
    scores = score(make_examples(*pairs), labels=["no", "yes"], positive_label="yes")
    assert (scores["cats_score"], scores["cats_score_desc"]) == (close(2 / 3), "F (yes)")
    assert score(make_examples(*pairs), labels=["no", "yes"])["cats_score"] == close((2 / 3 + 2 / 3) / 2)


def test_each_label_has_its_own_threshold(score):
    examples = make_examples((cats(0.4, 0.4, 0.6), cats(1, 1, 0)), (cats(0.1, 0.1, 0.9), cats(0, 0, 1)))
    plain = score(examples, labels=LABELS, exclusive=False)["cats_f_per_type"]
    assert plain["Business"] == plain["Sport"] == {"p": 0.0, "r": 0.0, "f": 0.0}
    assert (plain["World"]["p"], plain["World"]["r"]) == (0.5, 1.0)
    thresholds = {"Business": 0.4, "World": 0.7, "Weather": 0.1}
    own = score(examples, labels=LABELS, exclusive=False, thresholds=thresholds)
    assert own["cats_f_per_type"]["Business"] == own["cats_f_per_type"]["World"] == {"p": 1.0, "r": 1.0, "f": 1.0}
    assert own["cats_f_per_type"]["Sport"] == plain["Sport"]
    assert set(own["cats_f_per_type"]) == set(LABELS)
    every = score(examples, labels=LABELS, exclusive=False, thresholds={**thresholds, "Sport": 0.4})
    assert (own["cats_acc"], every["cats_acc"]) == (0.5, 1.0)


# Area under the curve


def brute_force_area(p, gold):
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in p[gold] for b in p[~gold]]
    return sum(wins) / len(wins)


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_the_area_is_the_share_of_ordered_pairs(score, decimals):
    pairs = random_pairs(exclusive=False, n=80, decimals=decimals, seed=decimals)
    scores = score(make_examples(*pairs), labels=LABELS, exclusive=False)
    for label in LABELS:
        p = np.array([predicted[label] for predicted, _ in pairs])
        gold = np.array([truth[label] == 1.0 for _, truth in pairs])
        assert scores["cats_auc_per_type"][label] == close(brute_force_area(p, gold))
    assert scores["cats_macro_auc"] == close(np.mean(list(scores["cats_auc_per_type"].values())))


def test_the_area_is_that_of_scikit_learn(score):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = pytest.importorskip("sklearn.metrics")
    pairs = random_pairs(exclusive=True, n=500)
    areas = score(make_examples(*pairs), labels=LABELS)["cats_auc_per_type"]
    p, gold = (np.array([[row[label] for label in LABELS] for row in side]) for side in zip(*pairs))
    assert [areas[label] for label in LABELS] == close(metrics.roc_auc_score(gold, p, average=None).tolist())


def test_a_label_without_both_answers_has_no_area_and_no_part_in_the_mean(score):
    scores = score(
        make_examples((cats(0.7, 0.2, 0.1), cats(1, 0, 0)), (cats(0.6, 0.4, 0), cats(0, 1, 0))), labels=LABELS
    )
    assert scores["cats_auc_per_type"] == {"Business": 1.0, "Sport": 1.0, "World": None}
    assert scores["cats_macro_auc"] == 1.0
    # Never gold, never predicted: nothing to score, and no 0 in the macro average.
    assert scores["cats_f_per_type"]["World"] == NOTHING
    assert scores["cats_macro_r"] == 0.5


# Accuracy, calibration, abstention


def test_accuracy_of_exclusive_labels(score):
    right, wrong = (cats(0.5, 0.3, 0.2), cats(1, 0, 0)), (cats(0.5, 0.3, 0.2), cats(0, 1, 0))
    assert score(make_examples(right, wrong, wrong, wrong), labels=LABELS)["cats_acc"] == 0.25
    assert score(make_examples(right), labels=LABELS)["cats_acc"] == 1.0
    assert score(make_examples(wrong), labels=LABELS)["cats_acc"] == 0.0


def test_accuracy_of_independent_labels_is_the_exact_set(score):
    gold = cats(1, 1, 0)
    examples = make_examples((cats(0.9, 0.5, 0.1), gold), (cats(0.9, 0.4, 0.1), gold), (cats(0.9, 0.9, 0.9), gold))
    assert score(examples, labels=LABELS, exclusive=False)["cats_acc"] == close(1 / 3)
    # A document that lacks a label cannot be an exact match, nor a miss.
    partial = make_examples((cats(0.9, 0.9, 0.9), {"Business": 1.0, "World": 0.0}))
    assert score([*examples, *partial], labels=LABELS, exclusive=False)["cats_acc"] == close(1 / 3)


def test_calibration_error_of_exclusive_labels_is_that_of_the_decision(score):
    pairs = random_pairs(exclusive=True, n=300, decimals=6)
    confidences = [max(predicted.values()) for predicted, _ in pairs]
    right = [max(predicted, key=predicted.get) == max(gold, key=gold.get) for predicted, gold in pairs]
    expected = expected_calibration_error(confidences, right, bins=15)
    assert score(make_examples(*pairs), labels=LABELS)["cats_ece"] == close(expected)
    assert expected > 0.01
    sure = make_examples((cats(1, 0, 0), cats(1, 0, 0)), (cats(0, 1, 0), cats(0, 1, 0)))
    assert score(sure, labels=LABELS)["cats_ece"] == 0.0
    assert score(make_examples((cats(1, 0, 0), cats(0, 1, 0))), labels=LABELS)["cats_ece"] == 1.0


def test_calibration_error_of_independent_labels_is_that_of_annotated_pairs(score):
    # Decisions: yes with 0.9 right, no with 0.7 wrong, no with 0.8 not annotated.
    examples = make_examples((cats(0.9, 0.3, 0.2), {"Business": 1.0, "Sport": 1.0}))
    scores = score(examples, labels=LABELS, exclusive=False)
    assert scores["cats_ece"] == close((0.1 + 0.7) / 2)
    # What a probability means does not depend on the threshold.
    moved = score(examples, labels=LABELS, exclusive=False, thresholds={"Business": 0.95, "Sport": 0.1})
    assert moved["cats_ece"] == scores["cats_ece"]
    assert moved["cats_f_per_type"] != scores["cats_f_per_type"]


def test_coverage_and_its_accuracy_of_exclusive_labels(score):
    gold = cats(1, 0, 0)
    examples = make_examples(
        (cats(0.9, 0.1, 0), gold), (cats(0.6, 0.4, 0), gold), (cats(0, 0.8, 0.2), gold), (cats(0, 0.5, 0.5), gold)
    )
    keys = ("cats_acc", "cats_coverage", "cats_acc_covered")

    def get(**settings):
        scores = score(examples, labels=LABELS, **settings)
        return tuple(scores[key] for key in keys)

    assert get() == (0.5, 1.0, 0.5)
    assert get(abstain_below=0.6) == (0.5, 0.75, close(2 / 3))
    assert get(abstain_below=0.85) == (0.5, 0.25, 1.0)
    assert get(abstain_below=0.95) == (0.5, 0.0, None)
    # A label's own threshold abstains as well; the decision itself stays.
    assert get(thresholds={"Sport": 0.9}) == (0.5, 0.5, 1.0)
    assert get(thresholds={"Sport": 0.7}, abstain_below=0.7) == (0.5, 0.5, 0.5)
    assert score(examples, labels=LABELS, abstain_below=0.95)["cats_micro_f"] == close(0.5)


def test_coverage_and_its_accuracy_of_independent_labels(score):
    gold = cats(1, 0, 0)
    examples = make_examples((cats(0.9, 0.1, 0.1), gold), (cats(0.9, 0.1, 0.6), gold), (cats(0.2, 0.1, 0.1), gold))

    def get(**settings):
        scores = score(examples, labels=LABELS, exclusive=False, **settings)
        return scores["cats_acc"], scores["cats_coverage"], scores["cats_acc_covered"]

    assert get() == (close(1 / 3), 1.0, close(1 / 3))
    assert get(abstain_below=0.7) == (close(1 / 3), close(2 / 3), 0.5)
    assert get(abstain_below=0.85) == (close(1 / 3), close(1 / 3), 1.0)
    assert get(abstain_below=0.95) == (close(1 / 3), 0.0, None)


# Pipelines


@pytest.mark.parametrize(("pipe", "exclusive"), [("textcat", True), ("textcat_multilabel", False)])
def test_stock_pipes_can_be_scored(score, pipe, exclusive):
    nlp = spacy.blank("en")
    component = nlp.add_pipe(pipe)
    texts = {
        "oil prices rose": "Business",
        "the match ended": "Sport",
        "stocks fell": "Business",
        "a late goal": "Sport",
    }
    examples = [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {"Business": float(label == "Business"), "Sport": float(label == "Sport")}}
        )
        for text, label in texts.items()
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    stock = nlp.evaluate(examples)
    component.scorer = lambda examples, **settings: score(examples, exclusive=exclusive, **settings)
    scores = nlp.evaluate(examples)
    assert (scores["cats_acc"], scores["cats_macro_auc"], scores["cats_macro_f"]) == (1.0, 1.0, 1.0)
    assert 0.0 <= scores["cats_ece"] < 0.5
    for key in ("cats_score", "cats_macro_f", "cats_macro_auc", "cats_auc_per_type"):
        assert scores[key] == close(stock[key])


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_text_is_covered_where_the_pipe_does_not_abstain(exclusive):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("text_classifier", config={"exclusive": exclusive})
    texts = {"oil prices rose": "Business", "the match ended": "Sport", "stocks fell": "Business", "a goal": "Sport"}
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": {name: float(name == gold) for name in ("Business", "Sport")}})
        for text, gold in texts.items()
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    pipe.calibrate(examples)
    p = pipe.predict([nlp.make_doc(text) for text in texts])
    sure = p.max(axis=1) if exclusive else np.maximum(p, 1 - p).min(axis=1)
    pipe.abstain_below = float(np.median(sure))
    decisions = [doc._.prediction for doc in nlp.pipe(texts)]
    abstained = [d["abstained"] if exclusive else any(each["abstained"] for each in d) for d in decisions]
    assert 0 < sum(abstained) < len(texts)
    assert nlp.evaluate(examples)["cats_coverage"] == 1 - sum(abstained) / len(texts)


def test_a_hundred_thousand_documents_are_scored_in_seconds(score):
    examples = make_examples(*random_pairs(exclusive=True, n=1000, decimals=6)) * 100
    started = time.perf_counter()
    scores = score(examples, labels=LABELS)
    assert time.perf_counter() - started < 15.0
    once = score(examples[:1000], labels=LABELS)
    assert scores["cats_acc"] == close(once["cats_acc"])
    assert scores["cats_macro_auc"] == close(once["cats_macro_auc"])
