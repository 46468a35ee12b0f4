"""Which types of entities fit a label: by words in their names, and by the setting."""

from __future__ import annotations

import numpy as np
import pytest

from spacy_nlpkit.kg.graph import Entity
from spacy_nlpkit.kg.label_types import LabelTypes
from spacy_nlpkit.kg.memory import MemoryGraph

TYPES = {
    "bank": ("Bank",),
    "camel": ("PublicCompany",),
    "city": ("city of the United States",),
    "both": ("human", "FootballClub"),
    "none": (),
    "other": ("Drug", "Thing"),
}
IDS = sorted(TYPES)


@pytest.fixture(scope="module")
def graph() -> MemoryGraph:
    return MemoryGraph.from_entities([Entity(id=kb_id, label=kb_id, types=TYPES[kb_id]) for kb_id in IDS])


def compare(graph: MemoryGraph, label: str) -> dict[str, float]:
    found = LabelTypes(graph, {}).compare(["other", label], np.ones(len(IDS), np.int64), np.arange(len(IDS)))
    return {kb_id: value for kb_id, value in zip(IDS, found.tolist()) if value}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("ORG", {"bank": 1, "camel": 1, "city": -1, "both": 1}),
        ("org", {"bank": 1, "camel": 1, "city": -1, "both": 1}),
        ("TICKER", {"bank": 1, "camel": 1, "city": -1, "both": 1}),
        ("PERSON", {"bank": -1, "camel": -1, "city": -1, "both": 1}),
        ("GPE", {"bank": -1, "camel": -1, "city": 1, "both": -1}),
        ("NORP", {"bank": 1, "camel": 1, "city": 1, "both": 1}),
        ("DRUG", {}),
        ("", {}),
    ],
)
def test_labels_and_types(graph: MemoryGraph, label: str, expected: dict[str, float]) -> None:
    assert compare(graph, label) == expected


def test_each_pair_by_its_own_label(graph: MemoryGraph) -> None:
    types = LabelTypes(graph, {})
    labels = ["GPE", "ORG", "PERSON"]
    rng = np.random.default_rng(0)
    of_label, entities = rng.integers(0, 3, 200), rng.integers(0, len(IDS), 200)
    expected = [compare(graph, labels[a]).get(IDS[b], 0.0) for a, b in zip(of_label.tolist(), entities.tolist())]
    assert types.compare(labels, of_label, entities).tolist() == expected
    nothing = np.zeros(0, np.int64)
    assert types.compare([], nothing, nothing).shape == (0,)


def test_only_types_of_the_setting(graph: MemoryGraph) -> None:
    types = LabelTypes(graph, {"ORG": ["Bank", "FootballClub"], "DRUG": []})
    labels = ["DRUG", "GPE", "ORG"]
    of_label = np.repeat([0, 1, 2], len(IDS))
    found = types.permitted(labels, of_label, np.tile(np.arange(len(IDS)), 3)).reshape(3, -1)
    assert not found[0].any()
    assert found[1].all()
    assert [kb_id for kb_id, held in zip(IDS, found[2]) if held] == ["bank", "both"]


def test_a_graph_without_types() -> None:
    types = LabelTypes(MemoryGraph.from_entities([Entity(id="x", label="X")]), {"ORG": ["Bank"]})
    assert types.compare(["ORG"], np.array([0]), np.array([0])).tolist() == [0.0]
    assert types.permitted(["ORG"], np.array([0]), np.array([0])).tolist() == [False]
