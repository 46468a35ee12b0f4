"""The words of entities, and how they agree with a text: against sets and sums in plain Python."""

from __future__ import annotations

import math
import pickle
import threading

import numpy as np
import pytest
import spacy
from spacy.strings import hash_string

from spacy_nlpkit.kg import entity_words
from spacy_nlpkit.kg.entity_words import EntityWords, overlap, words_of
from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.memory import MemoryGraph

from .graphs import ENTITIES
from .random_graphs import WORDS, random_graph


def words_by_entity(graph: MemoryGraph) -> list[set[str]]:
    """What each entity's words are, by its record."""
    entities = list(graph.iterate())
    by_id = {entity.id: entity for entity in entities}
    found = []
    for entity in entities:
        near = {target for _, target in entity.edges if target in by_id}
        near |= {other.id for other in entities if any(target == entity.id for _, target in other.edges)}
        literals = [target for _, target in entity.edges if target not in by_id and (" " in target or target.istitle())]
        texts = [entity.description, *entity.types, *literals, *(by_id[kb_id].label for kb_id in near)]
        own = {word for text in (entity.label, *(a.text for a in entity.aliases)) for word in words_of(text)}
        found.append({word for text in texts for word in words_of(text)} - own)
    return found


def hashes(words: set[str]) -> list[int]:
    return sorted(hash_string(word) for word in words)


@pytest.mark.parametrize("seed", range(3))
def test_words_are_those_of_the_records(seed: int) -> None:
    graph = random_graph(seed)
    lengths, found = EntityWords(graph).of(np.arange(graph.meta.n_entities))
    parts = np.split(found, np.cumsum(lengths)[:-1])
    assert [part.tolist() for part in parts] == [hashes(words) for words in words_by_entity(graph)]


def test_words_are_those_of_tokens() -> None:
    """What spaCy calls a token's lower form has the same hash."""
    graph = MemoryGraph.from_entities([Entity(id="x", label="X", description="Makes Büro chairs in Ürümqi 24")])
    _, found = EntityWords(graph).of(np.array([0]))
    doc = spacy.blank("en")("makes büro chairs IN ürümqi 24")
    assert set(found.tolist()) == {token.lower for token in doc}


def test_an_own_name_is_no_word() -> None:
    words = EntityWords(MemoryGraph.from_entities(ENTITIES))
    _, found = words.of(words.graph.numbers(["org:meta"]))
    assert set(found.tolist()) == set(hashes({"owner", "of", "company", "newsmedia", "menlo", "park"}))


@pytest.mark.parametrize("seed", range(3))
def test_rare_words_weigh_more(seed: int) -> None:
    graph = random_graph(seed)
    words, records = EntityWords(graph), words_by_entity(graph)
    n = graph.meta.n_entities
    frequency = {word: sum(word in record for record in records) for word in (*WORDS, "company", "unheard")}
    found = words.weights(np.array([hash_string(word) for word in frequency], np.uint64))
    assert found == pytest.approx([math.log((1 + n) / (1 + count)) for count in frequency.values()])


@pytest.mark.parametrize("seed", range(5))
def test_overlap_is_a_cosine(seed: int) -> None:
    graph, rng = random_graph(seed), np.random.default_rng(seed)
    words, records = EntityWords(graph), words_by_entity(graph)
    texts = [set(rng.choice([*WORDS, "unheard"], rng.integers(0, 9)).tolist()) for _ in range(12)]
    groups, entities = rng.integers(0, len(texts), 90), rng.integers(0, len(records), 90)

    def idf(word: str) -> float:
        return float(words.weights(np.array([hash_string(word)], np.uint64))[0])

    def cosine(text: set[str], record: set[str]) -> float:
        norms = [math.sqrt(sum(idf(word) ** 2 for word in side)) for side in (text, record)]
        return sum(idf(word) ** 2 for word in text & record) / (norms[0] * norms[1]) if min(norms) else 0.0

    joined = [number for text in texts for number in hashes(text)]
    found = overlap(words, np.array(joined, np.uint64), np.array([*map(len, texts)]), groups, entities)
    assert found.dtype == np.float32
    expected = [cosine(texts[group], records[entity]) for group, entity in zip(groups, entities)]
    assert found == pytest.approx(expected, abs=1e-6)
    assert max(expected) > 0.2


def test_overlap_does_not_depend_on_what_is_asked_beside() -> None:
    """To the last bit, behind a million words of other texts."""
    graph = random_graph(0)
    words = EntityWords(graph)
    text = np.array(sorted(hash_string(word) for word in WORDS[:7]), np.uint64)
    pairs = np.arange(graph.meta.n_entities)
    alone = overlap(words, text, np.array([7]), np.zeros(len(pairs), np.int64), pairs)
    many = np.unique(np.random.default_rng(0).integers(0, 2**63, 1_000_000).astype(np.uint64))
    beside = overlap(
        words, np.concatenate([many, text]), np.array([len(many), 7]), np.ones(len(pairs), np.int64), pairs
    )
    assert (alone == beside).all()


def test_nothing_to_compare() -> None:
    words = EntityWords(random_graph(0))
    nothing, numbers = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    assert overlap(words, nothing, numbers, numbers, numbers).shape == (0,)
    assert overlap(words, nothing, np.zeros(2, np.int64), np.array([0, 1]), np.array([3, 4])).tolist() == [0.0, 0.0]
    bare = EntityWords(MemoryGraph.from_entities([Entity(id="x", label="X", aliases=(Alias("Y"),))]))
    text = np.array([hash_string("y")], np.uint64)
    assert overlap(bare, text, np.array([1]), np.array([0]), np.array([0])).tolist() == [0.0]


def test_many_neighbours_are_bounded() -> None:
    hub = Entity(id="hub", label="Hub", edges=tuple(("part", f"p:{n:03}") for n in range(100)))
    parts = [Entity(id=f"p:{n:03}", label=f"part{n:03}") for n in range(100)]
    words = EntityWords(MemoryGraph.from_entities([hub, *parts]))
    _, found = words.of(words.graph.numbers(["hub"]))
    assert len(found) == entity_words.MAX_NEIGHBOURS


def test_what_is_kept_is_bounded_and_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(0)
    words = EntityWords(graph)
    expected = [words.of(np.array([number]))[1].tolist() for number in range(40)]
    copy = pickle.loads(pickle.dumps(words))
    assert copy._words == {}
    monkeypatch.setattr(entity_words, "_CACHE", 3)
    errors: list[BaseException] = []

    def ask(first: int) -> None:
        try:
            for number in [*range(first, 40), *range(first)] * 20:
                assert copy.of(np.array([number, 7]))[1].tolist() == expected[number] + expected[7]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(first,)) for first in (0, 13, 26)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(copy._words) <= 3 + 2 * len(threads)
