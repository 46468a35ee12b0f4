"""The scorer of text_classifier where the annotation or the prediction leaves something open."""

from __future__ import annotations

import pytest
from spacy.util import registry

from spacy_nlpkit.errors import NlpkitError

from .classes import LABELS, NOTHING, cats, close, make_examples, random_pairs

SINGLE = ("cats_acc", "cats_ece", "cats_coverage", "cats_acc_covered", "cats_score", "cats_macro_auc", "cats_micro_f")


@pytest.fixture(scope="module")
def score():
    return registry.scorers.get("spacy_nlpkit.text_classifier_scorer.v1")()


@pytest.mark.parametrize("exclusive", [True, False])
def test_texts_without_annotation_change_nothing(score, exclusive):
    known = make_examples(*random_pairs(exclusive, n=30))
    unknown = make_examples(
        (cats(0.9, 0.1, 0), {}), (cats(0.9, 0.1, 0), dict.fromkeys(LABELS)), (cats(0, 1, 0), {"Weather": 1.0})
    )
    settings = {"labels": LABELS, "exclusive": exclusive, "abstain_below": 0.5}
    assert score([*known, *unknown], **settings) == score(known, **settings)
    nothing = score(unknown, **settings)
    assert nothing.pop("cats_score_desc")
    assert nothing.pop("cats_f_per_type") == dict.fromkeys(LABELS, NOTHING)
    assert nothing.pop("cats_auc_per_type") == dict.fromkeys(LABELS)
    assert set(nothing.values()) == {None}


def test_soft_labels_of_one_kind_count_as_the_majority(score):
    predicted = [cats(0.7, 0.2, 0.1), cats(0.1, 0.8, 0.1), cats(0.6, 0.4, 0)]
    soft = [cats(0.6, 0.4, 0), cats(0.4, 0.6, 0), cats(0.2, 0.35, 0.45)]
    hard = [cats(1, 0, 0), cats(0, 1, 0), cats(0, 0, 1)]
    expected = score(make_examples(*zip(predicted, hard)), labels=LABELS)
    assert score(make_examples(*zip(predicted, soft)), labels=LABELS) == expected
    assert (expected["cats_acc"], expected["cats_auc_per_type"]["Business"]) == (close(2 / 3), 1.0)


def test_soft_labels_of_several_kinds_count_as_the_majority(score):
    predicted = [cats(0.7, 0.6, 0.1), cats(0.4, 0.8, 0.1)]
    soft, hard = [cats(0.6, 0.4, 0.2), cats(0.9, 1, 0.1)], [cats(1, 0, 0), cats(1, 1, 0)]
    expected = score(make_examples(*zip(predicted, hard)), labels=LABELS, exclusive=False)
    assert score(make_examples(*zip(predicted, soft)), labels=LABELS, exclusive=False) == expected
    assert expected["cats_f_per_type"]["Sport"]["p"] == 0.5
    # Half of the annotators: neither yes nor no.
    tie = make_examples((cats(0.7, 0.9, 0.1), {"Business": 1.0, "Sport": 0.5}))
    scores = score(tie, labels=LABELS, exclusive=False)
    assert scores["cats_f_per_type"]["Sport"]["p"] is None
    assert (scores["cats_micro_p"], scores["cats_acc"]) == (1.0, None)


@pytest.mark.parametrize(
    "gold",
    [
        cats(0.5, 0.5, 0.0),
        cats(1 / 3, 1 / 3, 1 / 3),
        {"Sport": 0.4},  # the rest may all be of one other label
        {"Sport": 0.5},
        {"Sport": 0.0},
        {"Sport": 0.0, "World": 0.0},
        {"Weather": 0.5, "Sport": 0.5},
        {**cats(0.4, 0, 0), "Weather": 0.6},
        cats(0.3, 0.0, 0.0),
    ],
)
def test_an_open_label_is_no_right_and_no_wrong_decision(score, gold):
    known = make_examples((cats(0.7, 0.2, 0.1), cats(1, 0, 0)), (cats(0.7, 0.2, 0.1), cats(0, 1, 0)))
    open_ = make_examples((cats(0.6, 0.3, 0.1), gold))
    expected, scores = score(known, labels=LABELS), score([*known, *open_], labels=LABELS)
    for key in ("cats_acc", "cats_ece", "cats_coverage", "cats_acc_covered", "cats_f_per_type", "cats_micro_f"):
        assert scores[key] == expected[key], key


@pytest.mark.parametrize(
    "gold",
    [
        {"Sport": 1.0},
        {"Sport": 0.6},
        {"Sport": 0.4, "World": 0.3},
        {"Sport": 0.8, "Weather": 0.2},
        {"Sport": 1.0, "Formal": 1.0},  # a class of another component
    ],
)
def test_one_label_that_leads_for_certain_is_enough(score, gold):
    complete = make_examples((cats(0.7, 0.2, 0.1), cats(0, 1, 0)), (cats(0.1, 0.8, 0.1), cats(0, 1, 0)))
    partial = make_examples((cats(0.7, 0.2, 0.1), gold), (cats(0.1, 0.8, 0.1), gold))
    assert score(partial, labels=LABELS) == score(complete, labels=LABELS)
    assert score(complete, labels=LABELS)["cats_acc"] == 0.5


def test_a_rejected_label_counts_where_it_is_predicted(score):
    accepted, rejected = {"Sport": 1.0}, {"Sport": 0.0}
    examples = make_examples(
        (cats(0.1, 0.8, 0.1), accepted), (cats(0.1, 0.7, 0.2), rejected), (cats(0.7, 0.2, 0.1), rejected)
    )
    scores = score(examples, labels=LABELS)
    assert scores["cats_f_per_type"]["Sport"]["p"] == 0.5
    assert scores["cats_f_per_type"]["Business"] == NOTHING
    assert scores["cats_auc_per_type"]["Sport"] == 1.0
    # Only the accepted text tells the label.
    assert (scores["cats_acc"], scores["cats_coverage"]) == (1.0, 1.0)


@pytest.mark.parametrize("gold", [{**cats(0, 0, 0), "Weather": 1.0}, cats(0, 0, 0)])
def test_a_text_that_has_none_of_the_labels_is_classified_wrong(score, gold):
    examples = make_examples((cats(0.7, 0.2, 0.1), cats(1, 0, 0)), (cats(0.6, 0.2, 0.2), gold))
    scores = score(examples, labels=LABELS)
    assert scores["cats_acc"] == 0.5
    assert scores["cats_f_per_type"]["Business"]["p"] == 0.5
    assert scores["cats_auc_per_type"]["Business"] == 1.0
    assert scores["cats_f_per_type"]["Sport"]["p"] is None
    assert score(examples, labels=LABELS, abstain_below=0.65)["cats_acc_covered"] == 1.0


@pytest.mark.parametrize("predicted", [{}, {"Weather": 1.0}])
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_text_without_prediction_is_missed(score, exclusive, predicted):
    examples = make_examples((cats(0.9, 0.1, 0), cats(1, 0, 0)), (predicted, cats(1, 0, 0)))
    scores = score(examples, labels=LABELS, exclusive=exclusive)
    assert (scores["cats_acc"], scores["cats_coverage"], scores["cats_acc_covered"]) == (0.5, 0.5, 1.0)
    assert (scores["cats_micro_p"], scores["cats_micro_r"]) == (1.0, 0.5)
    alone = score(examples[1:], labels=LABELS, exclusive=exclusive)
    assert (alone["cats_acc"], alone["cats_ece"]) == (0.0, None)
    assert scores["cats_ece"] == score(examples[:1], labels=LABELS, exclusive=exclusive)["cats_ece"]


def test_several_labels_of_which_one_should_hold_are_reported(score):
    examples = make_examples((cats(1, 0, 0), cats(1, 0, 0)), (cats(1, 0, 0), cats(1, 1, 0)))
    with pytest.raises(NlpkitError, match=r"N110.*'Oil rose ?'.*Business, Sport.*exclusive = false"):
        score(examples, labels=LABELS)
    with pytest.raises(NlpkitError, match=r"N110.*Sport, World"):
        score(make_examples((cats(1, 0, 0), {"Sport": 0.9, "World": 0.6})), labels=LABELS)
    assert score(examples, labels=LABELS, exclusive=False)["cats_acc"] == 0.5


@pytest.mark.parametrize("exclusive", [True, False])
def test_no_examples_and_no_labels_give_no_scores(score, exclusive):
    for scores in (
        score([], labels=LABELS, exclusive=exclusive),
        score(make_examples(({}, {})), labels=(), exclusive=exclusive),
    ):
        assert {scores[key] for key in SINGLE} == {None}
        assert set(scores["cats_auc_per_type"].values()) <= {None}
