"""Splitting: shares, strata, equal texts, and a test of entities that nothing else names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_nlpkit.attributes import register_item_attributes
from spacy_nlpkit.data.split import entity_ids, hold_out_entities, split_docs
from spacy_nlpkit.errors import NlpkitError

SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}


def make_docs(texts: Sequence[str], categories: Sequence[str | None] = ()) -> list[Doc]:
    """Documents whose every token is an entity with the token as its id."""
    register_item_attributes()
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(text) for text in texts]
    for doc in docs:
        doc.ents = [Span(doc, token.i, token.i + 1, "X", kb_id=token.text) for token in doc]
    for doc, category in zip(docs, categories):
        doc._.category = category
    return docs


def test_every_item_is_in_one_part_and_shares_hold() -> None:
    docs = make_docs([f"t{i}" for i in range(103)])
    parts = split_docs(docs, SHARES, seed=1)
    assert sorted(doc.text for part in parts.values() for doc in part) == sorted(doc.text for doc in docs)
    assert {name: len(part) for name, part in parts.items()} == {"train": 83, "dev": 10, "test": 10}


def test_the_seed_decides() -> None:
    docs = make_docs([f"t{i}" for i in range(60)])
    first, same, other = ([d.text for d in split_docs(docs, SHARES, seed)["dev"]] for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_strata_have_the_same_shares() -> None:
    categories = ["A"] * 100 + ["B"] * 50 + [None] * 50
    docs = make_docs([f"t{i}" for i in range(200)], categories)
    parts = split_docs(docs, SHARES, 3, lambda doc: doc._.category)
    for name, share in SHARES.items():
        counts = Counter(doc._.category for doc in parts[name])
        for category, total in Counter(categories).items():
            assert abs(counts[category] - share * total) <= 1


def test_equal_texts_stay_in_one_part() -> None:
    docs = make_docs([f"t{i % 20}" for i in range(60)])
    parts = split_docs(docs, SHARES, 0)
    texts = [{doc.text for doc in part} for part in parts.values()]
    assert sum(len(part) for part in parts.values()) == 60
    assert sum(len(part) for part in texts) == 20


@pytest.mark.parametrize("shares", [{"a": 0.5, "b": 0.4}, {"a": 1.0, "b": 0.0}, {"a": 1.2, "b": -0.2}])
def test_shares_that_are_none(shares: dict[str, float]) -> None:
    with pytest.raises(NlpkitError, match=r"N006.*--split"):
        split_docs(make_docs(["a", "b"]), shares)


def test_a_part_without_items_is_an_error() -> None:
    with pytest.raises(NlpkitError, match=r"N006.*'dev' gets none of 3"):
        split_docs(make_docs(["a", "b", "c"]), SHARES)


# Items name the entity "common", one that two items name, and one of their own.
TEXTS = [f"common pair{i // 2} own{i} NIL" for i in range(100)]


@pytest.mark.parametrize("amount", [0.1, 5])
def test_held_out_entities_are_named_nowhere_else(amount: float) -> None:
    docs = make_docs(TEXTS)
    rest, unseen, entities = hold_out_entities(docs, amount, seed=0)
    assert len(rest) + len(unseen) == 100
    named = set().union(*(entity_ids(doc) for doc in rest))
    assert not named & set(entities)
    assert "common" in named
    for doc in unseen:
        assert doc.user_data["unseen_entities"] == sorted(entity_ids(doc) - named)
        assert doc.user_data["unseen_entities"]
    if amount < 1:
        assert len(unseen) == 10
    else:
        assert 5 <= len(unseen) <= 10


def test_holding_out_is_decided_by_the_seed() -> None:
    first, same, other = (hold_out_entities(make_docs(TEXTS), 0.1, seed).entities for seed in (0, 0, 1))
    assert first == same
    assert first != other


def test_too_few_entities_hold_out_fewer_items() -> None:
    docs = make_docs(["common NIL"] * 50)
    assert hold_out_entities(docs, 0.1) == (docs, [], [])


@pytest.mark.parametrize("amount", [0, -1, 2.5])
def test_amounts_that_are_none(amount: float) -> None:
    with pytest.raises(NlpkitError, match=r"N006.*--unseen-entities"):
        hold_out_entities(make_docs(["a"]), amount)
