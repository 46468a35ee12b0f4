"""How candidates of one document speak for each other: against loops over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from spacy_nlpkit.kg import coherence as module
from spacy_nlpkit.kg.coherence import coherence
from spacy_nlpkit.kg.graph import Entity
from spacy_nlpkit.kg.memory import MemoryGraph

from .random_graphs import random_graph


def by_pairs(graph, doc_of_mention, mention, entity, chance) -> list[float]:
    near = [set(graph.neighbours([number])[1].tolist()) for number in range(graph.meta.n_entities)]
    sums = []
    for place in range(len(mention)):
        met: dict[int, float] = {}
        for other in range(len(mention)):
            together = doc_of_mention[mention[place]] == doc_of_mention[mention[other]]
            others = together and mention[other] != mention[place] and chance[other] >= module._LIKELY
            if others and entity[other] in near[entity[place]]:
                met[entity[other]] = max(met.get(entity[other], 0.0), float(chance[other]))
        sums.append(sum(met.values()))
    return sums


@pytest.mark.parametrize("seed", range(8))
def test_sums_of_likely_neighbours(seed: int) -> None:
    graph, rng = random_graph(seed), np.random.default_rng(seed)
    doc_of_mention = np.sort(rng.integers(0, 4, 25))
    drawn = [np.sort(rng.choice(graph.meta.n_entities, rng.integers(0, 8), replace=False)) for _ in range(25)]
    mention, entity = np.repeat(np.arange(25), [*map(len, drawn)]), np.concatenate(drawn)
    chance = rng.choice([0.0, 0.04, 0.05, 0.3, 0.3, 0.9], len(entity)).astype(np.float32)
    expected = by_pairs(graph, doc_of_mention, mention, entity, chance)
    assert coherence(graph, doc_of_mention, mention, entity, chance) == pytest.approx(expected, abs=1e-6)
    assert max(expected) > 1.0


def test_documents_do_not_see_each_other() -> None:
    graph = MemoryGraph.from_entities([Entity(id="a", label="A", edges=(("of", "b"),)), Entity(id="b", label="B")])
    mention, entity, sure = np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32)
    assert coherence(graph, np.array([0, 1]), mention, entity, sure).tolist() == [0.0, 0.0]
    assert coherence(graph, np.array([0, 0]), mention, entity, sure).tolist() == [1.0, 1.0]
    assert coherence(graph, np.array([0]), np.zeros(2, np.int64), entity, sure).tolist() == [0.0, 0.0]
    nothing = np.zeros(0, np.int64)
    assert coherence(graph, nothing, nothing, nothing, np.zeros(0, np.float32)).shape == (0,)


def test_a_document_of_a_few_names_a_thousand_times() -> None:
    """The work grows with the candidates, not with their pairs: billions here."""
    names = [f"n{number}" for number in range(30)]
    entities = [Entity(id=name, label=name, edges=tuple(("of", other) for other in names)) for name in names]
    graph = MemoryGraph.from_entities(entities)
    mention = np.repeat(np.arange(10_000), 16)
    entity = np.tile(np.arange(30), len(mention) // 30 + 1)[: len(mention)]
    chance = np.full(len(mention), 0.1, np.float32)
    found = coherence(graph, np.zeros(10_000, np.int64), mention, entity, chance)
    assert found == pytest.approx(np.full(len(mention), 2.9), abs=1e-5)


def test_neighbours_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Entity(id="hub", label="Hub", edges=tuple(("part", f"p{n}") for n in range(9)))
    graph = MemoryGraph.from_entities([hub, *(Entity(id=f"p{n}", label=f"P{n}") for n in range(9))])
    monkeypatch.setattr(module, "MAX_NEIGHBOURS", 4)
    found = coherence(graph, np.zeros(10, np.int64), np.arange(10), np.arange(10), np.ones(10, np.float32))
    assert found[0] == 4.0
    assert found[1:].tolist() == [1.0] * 9
