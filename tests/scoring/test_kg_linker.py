"""The scorer of kg_linker, found through its entry point: what counts, what does not, and what is null."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import spacy
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import registry

from spacy_nlpkit.attributes import register_links, set_link
from spacy_nlpkit.ty import Candidate, Link

from .classes import close

NLP = spacy.blank("en")
WORDS = [f"w{i}" for i in range(12)]


@pytest.fixture(scope="module")
def score():
    register_links()
    return registry.scorers.get("spacy_nlpkit.kg_linker_scorer.v1")()


class Mention(NamedTuple):
    """A mention from a token on; `id` "" for none."""

    token: int
    id: str
    label: str = "ORG"
    score: float | None = None
    candidates: Sequence[str] | None = None
    status: str = "linked"


class Graph:
    """A graph of a few ids, as far as the scorer asks it."""

    def __init__(self, *ids: str) -> None:
        self.known = list(ids)

    def numbers(self, ids: Sequence[str]) -> np.ndarray:
        return np.array([self.known.index(kb_id) if kb_id in self.known else -1 for kb_id in ids], dtype=np.int64)


def make_doc(mentions: Sequence[Mention], key: str | None = None, default: str = "outside") -> Doc:
    """Mentions of one token among the entities, or of two tokens in a span group."""
    doc = Doc(NLP.vocab, words=WORDS)
    length = 1 if key is None else 2
    spans = [Span(doc, m.token, m.token + length, m.label, kb_id=m.id) for m in mentions]
    if key is None:
        doc.set_ents(spans, default=default)
    else:
        doc.spans[key] = spans
    for mention, span in zip(mentions, spans):
        if mention.candidates is not None or mention.score is not None:
            set_link(span, make_link(mention), in_group=key is not None)
    return doc


def make_link(mention: Mention) -> Link:
    candidates: list[Candidate] = [
        {"id": kb_id, "label": kb_id, "score": 0.5, "source": "exact", "alias": kb_id}
        for kb_id in mention.candidates or ()
    ]
    return Link(
        candidates=candidates,
        score=mention.score,
        uri=None,
        types=[],
        description=None,
        status=mention.status,  # type: ignore[typeddict-item]
    )


def make_example(gold: Sequence[Mention], predicted: Sequence[Mention], **settings: Any) -> Example:
    default = settings.pop("gold_default", "outside")
    return Example(make_doc(predicted, **settings), make_doc(gold, default=default, **settings))


GOLD = [Mention(0, "Q1"), Mention(2, "Q2"), Mention(4, "NIL"), Mention(6, "", "GPE"), Mention(8, "Q3", "GPE")]
PREDICTED = [
    Mention(0, "Q1", score=0.9, candidates=("Q1", "Q7")),
    Mention(2, "Q9", score=0.8, candidates=("Q9", "Q2")),
    Mention(4, "NIL", score=0.6, candidates=(), status="no_candidates"),
    Mention(6, "Q5", "GPE", score=0.7, candidates=("Q5",)),
    Mention(10, "Q6", "GPE", score=0.5, candidates=("Q6",)),
]


def test_every_figure_by_hand(score):
    scores = score([make_example(GOLD, PREDICTED)])
    assert scores == {
        "links_acc": close(2 / 3),  # Q1 right, Q2 wrong, NIL right; Q3 was not found, the GPE without an id is unknown
        "links_acc_in_graph": close(1 / 2),
        "links_acc_nil": 1.0,
        "links_mention_recall": close(3 / 4),
        "links_coverage": None,
        "links_micro_p": close(2 / 4),  # right: Q1, NIL; wrong: Q9, Q6 at a place without an entity
        "links_micro_r": close(2 / 4),
        "links_micro_f": close(2 / 4),
        "links_nil_p": 1.0,
        "links_nil_r": 1.0,
        "links_nil_f": 1.0,
        "nel_micro_p": close(1 / 2),
        "nel_micro_r": close(1 / 2),
        "nel_micro_f": close(1 / 2),
        "links_recall_at_1": close(1 / 2),
        "links_recall_at_10": 1.0,
        "links_recall_at_k": 1.0,
        "links_ece": close((0.1 + 0.8 + 0.4) / 3),
        "links_per_label": {
            "GPE": {"p": 0.0, "r": 0.0, "f": 0.0, "acc": None, "support": 1},
            "ORG": {"p": close(2 / 3), "r": close(2 / 3), "f": close(2 / 3), "acc": close(2 / 3), "support": 3},
        },
        "links_per_status": {
            "linked": {"acc": close(1 / 2), "support": 2},
            "no_candidates": {"acc": 1.0, "support": 1},
        },
    }
    assert json.loads(json.dumps(scores)) == scores


def test_missing_gold_is_unknown_whatever_is_predicted(score):
    gold = [Mention(0, "Q1"), Mention(2, "")]
    results = [
        score([make_example(gold, [Mention(0, "Q1"), *extra])])
        for extra in ([], [Mention(2, "NIL")], [Mention(2, "Q5")])
    ]
    assert results[0] == results[1] == results[2]
    assert results[0]["links_micro_f"] == 1.0


def test_entities_on_tokens_without_annotation_are_unknown(score):
    gold, predicted = [Mention(0, "Q1")], [Mention(0, "Q1"), Mention(2, "Q2")]
    assert score([make_example(gold, predicted, gold_default="missing")])["links_micro_p"] == 1.0
    assert score([make_example(gold, predicted)])["links_micro_p"] == 0.5
    nothing = Example(make_doc(predicted), Doc(NLP.vocab, words=WORDS))
    assert set(flat(score([nothing]))) == {None}


def test_an_undecided_mention_is_wrong_where_an_id_is_right_and_nothing_elsewhere(score):
    scores = score([make_example([Mention(0, "Q1")], [Mention(0, ""), Mention(2, "")])])
    assert (scores["links_acc"], scores["links_micro_r"], scores["nel_micro_r"]) == (0.0, 0.0, 0.0)
    scores = score([make_example([Mention(0, "Q1")], [Mention(0, "Q1"), Mention(2, "")])])
    assert scores["links_micro_p"] == 1.0


def test_ids_that_the_graph_lacks_are_nil(score):
    gold = [Mention(0, "Q1"), Mention(2, "Q2"), Mention(4, "Q3"), Mention(6, "NIL"), Mention(8, "")]
    predicted = [Mention(0, "Q1"), Mention(2, "NIL"), Mention(4, "Q1"), Mention(6, "NIL"), Mention(8, "Q1")]
    examples = [make_example(gold, predicted)]
    scores = score(examples, graph=Graph("Q1"))
    assert scores["links_coverage"] == close(1 / 3)
    assert (scores["links_acc_in_graph"], scores["links_acc_nil"]) == (1.0, close(2 / 3))
    assert scores["links_acc"] == close(3 / 4)
    assert (scores["links_nil_p"], scores["links_nil_r"]) == (1.0, close(2 / 3))
    assert score(examples)["links_acc_in_graph"] == close(1 / 3)
    assert score(examples, graph=Graph("Q9"))["links_acc_in_graph"] is None
    assert score([make_example([Mention(0, "NIL")], [])], graph=Graph("Q1"))["links_coverage"] is None


def test_recall_at_ranks_counts_in_graph_mentions_with_a_list_alone(score):
    many = [f"Q{i}" for i in range(100, 111)]
    gold = [Mention(i, "Q1") for i in range(5)] + [Mention(5, "NIL")]
    predicted = [
        Mention(0, "Q1", candidates=["Q1", *many]),
        Mention(1, "Q1", candidates=[*many[:9], "Q1"]),
        Mention(2, "Q1", candidates=[*many[:10], "Q1"]),
        Mention(3, "NIL", candidates=[], status="no_candidates"),
        Mention(4, "Q1"),
        Mention(5, "NIL", candidates=["Q1"]),
    ]
    scores = score([make_example(gold, predicted)])
    recall = [scores[f"links_recall_at_{k}"] for k in (1, 10, "k")]
    assert recall == [close(1 / 4), close(2 / 4), close(3 / 4)]


def test_labels_restrict_what_counts(score):
    scores = score([make_example(GOLD, PREDICTED)], labels=["GPE"])
    assert set(scores["links_per_label"]) == {"GPE"}
    assert (scores["links_micro_p"], scores["links_acc"]) == (0.0, None)


def test_overlapping_spans_of_a_group_are_told_apart_by_label(score):
    gold = [Mention(0, "Q1", "ORG"), Mention(0, "Q2", "GPE"), Mention(1, "Q3", "ORG")]
    predicted = [
        Mention(0, "Q1", "ORG", score=1.0, candidates=["Q1"]),
        Mention(0, "Q9", "GPE", score=1.0, candidates=["Q9"]),
        Mention(1, "Q3", "ORG", score=1.0, candidates=["Q3"]),
        Mention(5, "Q3", "ORG"),
    ]
    examples = [make_example(gold, predicted, key="names")]
    scores = score(examples, spans_key="names")
    assert scores["links_acc"] == close(2 / 3)
    assert (scores["links_micro_p"], scores["links_recall_at_k"], scores["links_ece"]) == (
        0.5,
        close(2 / 3),
        close(1 / 3),
    )
    assert set(flat(score(examples, spans_key="others"))) == {None}
    assert set(flat(score(examples))) == {None}


def test_other_tokens_of_the_same_text_are_no_difference(score):
    reference = Doc(NLP.vocab, words=["BRK", ".", "A"], spaces=[False, False, False])
    reference.set_ents([Span(reference, 0, 3, "TICKER", kb_id="Q1")])
    predicted = Doc(NLP.vocab, words=["BRK.A"], spaces=[False])
    predicted.set_ents([Span(predicted, 0, 1, "TICKER", kb_id="Q1")])
    assert score([Example(predicted, reference)])["links_micro_f"] == 1.0


def test_the_keys_of_spacy_are_those_of_its_own_scorer_where_every_id_is_annotated(score):
    rng = np.random.default_rng(0)
    ids = ["Q1", "Q2", "Q3", "NIL"]
    examples = []
    for _ in range(50):
        gold = [Mention(i, ids[rng.integers(4)]) for i in range(0, 12, 2) if rng.random() < 0.8]
        predicted = [m._replace(id=ids[rng.integers(4)]) for m in gold if rng.random() < 0.8]
        examples.append(make_example(gold, predicted))
    expected = Scorer.score_links(examples, negative_labels=["NIL"])
    scores = score(examples)
    for key in ("nel_micro_p", "nel_micro_r", "nel_micro_f"):
        assert 0.1 < expected[key] < 0.9
        assert scores[key] == close(expected[key])


def test_nothing_to_score_is_null(score):
    for examples in ([], [make_example([], [])], [make_example([Mention(0, "")], [Mention(0, "Q1")])]):
        scores = score(examples, graph=Graph("Q1"))
        assert set(flat(scores)) <= {None}
        assert set(scores) == set(score([make_example(GOLD, PREDICTED)]))


def flat(scores: dict[str, Any]) -> list[Any]:
    return [leaf for value in scores.values() for leaf in (flat(value) if isinstance(value, dict) else [value])]
