"""Nested, stratified subsets: each within the next, each class with its share, equal for equal seeds."""

from __future__ import annotations

from collections import Counter

import pytest
import spacy

from spacy_nlpkit.data.subsets import draw_nested_subsets, given_labels, missing_labels

SIZES = [1, 7, 20, 50, 100]


def make_docs(labels):
    """One document for each set of labels; the text is its number."""
    nlp = spacy.blank("en")
    known = {label for given in labels for label in given}
    for number, given in enumerate(labels):
        doc = nlp.make_doc(str(number))
        doc.cats = {label: float(label in given) for label in known}
        yield doc


@pytest.fixture(scope="module")
def docs():
    return list(make_docs([["a"]] * 60 + [["b"]] * 25 + [["c"]] * 13 + [["d"]] * 2))


@pytest.mark.parametrize("seed", range(5))
def test_every_size_is_nested_and_keeps_the_shares(docs, seed):
    subsets = draw_nested_subsets(docs, SIZES, seed)
    smaller = set()
    for size in SIZES:
        texts = [doc.text for doc in subsets[size]]
        assert len(set(texts)) == len(texts) == size
        assert texts == sorted(texts, key=int)
        assert smaller <= set(texts)
        smaller = set(texts)
        counts = Counter(label for doc in subsets[size] for label in given_labels(doc))
        for label, share in {"a": 0.6, "b": 0.25, "c": 0.13, "d": 0.02}.items():
            assert abs(counts[label] - share * size) < 1.5


def test_the_seed_alone_decides(docs):
    def draw(seed):
        return [doc.text for doc in draw_nested_subsets(docs, [20], seed)[20]]

    assert draw(3) == draw(3)
    assert len({tuple(draw(seed)) for seed in range(6)}) == 6


def test_a_size_does_not_depend_on_the_others(docs):
    alone = draw_nested_subsets(docs, [20], 1)[20]
    assert alone == draw_nested_subsets(docs, [5, 20, 400], 1)[20]
    assert draw_nested_subsets(docs, [400], 1)[400] == docs


def test_of_several_labels_the_rare_one_is_spread():
    labels = [["common"]] * 80 + [["common", "rare"]] * 20
    docs = list(make_docs(labels))
    for seed in range(4):
        for size, subset in draw_nested_subsets(docs, [10, 50], seed).items():
            assert sum("rare" in given_labels(doc) for doc in subset) == pytest.approx(0.2 * size, abs=1)


def test_documents_without_classes_are_drawn_at_random():
    docs = list(make_docs([[]] * 30))
    drawn = [{doc.text for doc in draw_nested_subsets(docs, [10], seed)[10]} for seed in range(3)]
    assert all(len(texts) == 10 for texts in drawn)
    assert drawn[0] != drawn[1] != drawn[2]
    assert draw_nested_subsets([], [10]) == {10: []}


def test_labels_that_no_document_of_a_subset_has_are_named(docs):
    subset = draw_nested_subsets(docs, [7], 0)[7]
    assert missing_labels(docs, subset) == ["d"]
    assert missing_labels(docs, docs) == []
    assert missing_labels(docs, []) == ["a", "b", "c", "d"]
