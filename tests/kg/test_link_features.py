"""Features of candidates: against what their records, and the texts around the mentions, say one by one."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_nlpkit.kg import link_features
from spacy_nlpkit.kg.candidates import NO_DAY, SOURCES, Candidates, Mention
from spacy_nlpkit.kg.entity_words import EntityWords, overlap
from spacy_nlpkit.kg.graph import INVALID, UNDATED, VALID, Entity
from spacy_nlpkit.kg.label_types import LabelTypes
from spacy_nlpkit.kg.link_features import FEATURES, NIL_FEATURES, Features, Marks, compute_features
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.kg.surface_weights import NIL, SURFACE, nil_weights, surface_weights

from .random_graphs import WORDS, random_graph

VOCAB = spacy.blank("xx").vocab


class Case(NamedTuple):
    """A batch with its features. entities: The records of the graph."""

    graph: MemoryGraph
    entities: list[Entity]
    docs: list[Doc]
    marks: Marks
    mentions: list[Mention]
    found: Candidates
    features: Features

    def column(self, name: str) -> np.ndarray:
        """A feature of the candidates."""
        return self.features.candidate[:, FEATURES.index(name)]

    def nil(self, name: str) -> np.ndarray:
        """A feature of the mentions."""
        return self.features.nil[:, NIL_FEATURES.index(name)]

    def of(self, place: int) -> np.ndarray:
        """The candidates of a mention."""
        return np.flatnonzero(self.found.mention == place)


def make_case(seed: int) -> Case:
    """Mentions at random places of random texts, with random candidates."""
    rng, graph = np.random.default_rng(seed), random_graph(seed)
    docs = [Doc(VOCAB, words=rng.choice(WORDS, length).tolist()) for length in (50, 3, 20)]
    marks, mentions, rows = [], [], []
    for number, doc in [(number, doc) for number, doc in enumerate(docs) for _ in range(6)]:
        start = int(rng.integers(0, len(doc) - 1))
        end = start + int(rng.integers(1, 3))
        marks.append((number, start, end))
        mentions.append(Mention(doc[start:end].text, str(rng.choice(["ORG", "GPE", "X"])), NO_DAY))
        for entity in np.sort(rng.choice(graph.meta.n_entities, rng.integers(0, 6), replace=False)):
            alias = int(rng.choice(np.flatnonzero(graph.aliases.entity == entity)))
            source, timing = rng.choice([1, 8, 9, 17, 2, 4, 32]), rng.choice([UNDATED, VALID, INVALID])
            rows.append((len(mentions) - 1, entity, alias, rng.choice([0.6, 0.8, 1.0]), source, timing))
    mention, entity, alias, score, source, timing = zip(*rows)
    found = Candidates(
        *(np.array(column, np.int64) for column in (mention, entity, alias)),
        np.array(score, np.float32),
        *(np.array(column, np.uint8) for column in (source, timing)),
    )
    columns = Marks(*np.array(marks).T)
    return Case(
        graph, list(graph.iterate()), docs, columns, mentions, found, features(graph, docs, columns, mentions, found)
    )


def features(graph: MemoryGraph, docs: list[Doc], marks: Marks, mentions: list[Mention], found: Candidates) -> Features:
    types = LabelTypes(graph, {})
    return compute_features(graph, EntityWords(graph), types, docs, marks, mentions, found, surface_weights())


@pytest.fixture(params=range(3))
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(request.param)


def test_shapes(case: Case) -> None:
    assert case.features.candidate.shape == (len(case.found.mention), len(FEATURES))
    assert case.features.nil.shape == (len(case.mentions), len(NIL_FEATURES))
    for part in case.features:
        assert part.dtype == np.float32
        assert np.isfinite(part).all()


def test_sources_and_dates(case: Case) -> None:
    for name in ("exact", "symbol", "identifier"):
        assert case.column(name).tolist() == [float(bits & SOURCES[name] > 0) for bits in case.found.source.tolist()]
    assert case.column("fuzzy_only").tolist() == [float(bits == 8) for bits in case.found.source.tolist()]
    assert case.column("expanded").tolist() == [float(bits & 16 > 0) for bits in case.found.source.tolist()]
    assert case.column("valid").tolist() == (case.found.timing == VALID).tolist()
    assert case.column("invalid").tolist() == (case.found.timing == INVALID).tolist()


def test_priors(case: Case) -> None:
    expected = [math.log(max(case.entities[number].prior, 0.01)) for number in case.found.entity.tolist()]
    assert case.column("entity_prior") == pytest.approx(expected, abs=1e-5)
    of_alias = np.exp(case.column("alias_prior"))
    for place in range(len(case.mentions)):
        mine = case.of(place)
        assert case.column("prior_share")[mine] == pytest.approx(of_alias[mine] / of_alias[mine].sum(), abs=1e-5)


def test_margins_over_the_other_candidates(case: Case) -> None:
    for place in range(len(case.mentions)):
        scores = case.found.score[case.of(place)].tolist()
        others = [max([*scores[:number], *scores[number + 1 :], 0.0]) for number in range(len(scores))]
        expected = [score - other for score, other in zip(scores, others)]
        assert case.column("similarity_margin")[case.of(place)] == pytest.approx(expected, abs=1e-6)


def test_words_near_and_far(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mention itself says nothing of what is near."""
    for window in (link_features.WINDOW, 2):
        monkeypatch.setattr(link_features, "WINDOW", window)
        found = features(*case[:1], *case[2:6]).candidate
        words = EntityWords(case.graph)
        for row, (place, entity) in enumerate(zip(case.found.mention.tolist(), case.found.entity.tolist())):
            number, start, end = (int(column[place]) for column in case.marks)
            tokens = [token.lower for token in case.docs[number]]
            near = [*tokens[max(0, start - window) : start], *tokens[end : end + window]]
            for name, text in (("document_words", tokens), ("near_words", near)):
                distinct = np.unique(np.array(text, np.uint64))
                expected = overlap(words, distinct, np.array([len(distinct)]), np.array([0]), np.array([entity]))
                assert found[row, FEATURES.index(name)] == pytest.approx(expected[0], abs=1e-6)
    context = case.column("document_words") + case.column("near_words")
    for place in range(len(case.mentions)):
        mine = context[case.of(place)]
        expected = mine / mine.sum() if mine.sum() else mine
        assert case.column("words_share")[case.of(place)] == pytest.approx(expected, abs=1e-5)


def test_coherence_is_a_share_too(case: Case) -> None:
    near = np.expm1(case.column("coherence"))
    assert near.max() > 0.0
    for place in range(len(case.mentions)):
        mine = near[case.of(place)]
        expected = mine / mine.sum() if mine.sum() else mine
        assert case.column("coherence_share")[case.of(place)] == pytest.approx(expected, abs=1e-4)


def test_what_speaks_for_none(case: Case) -> None:
    for place, mention in enumerate(case.mentions):
        mine = case.of(place)

        def best(name: str, start: float = 0.0, mine: Any = mine) -> float:
            return max([start, *case.column(name)[mine].tolist()])

        sure = max(best("exact"), best("symbol"), best("identifier"))
        expected = {
            "bias": 1.0,
            "none_exact": 1.0 - sure,
            "best_similarity": best("similarity"),
            "no_candidates": float(not len(mine)),
            "candidates": math.log1p(len(mine)),
            "best_prior": best("entity_prior", math.log(0.01)),
            "best_words": best("near_words"),
            "best_coherence": best("coherence"),
            "one_word": float(" " not in mention.text),
            "none_fits": 1.0 - best("fits"),
            "none_valid": 1.0 - best("valid"),
        }
        found = {name: float(case.nil(name)[place]) for name in expected}
        assert found == pytest.approx(expected, abs=1e-5)


def test_each_document_by_itself(case: Case) -> None:
    """To the last bit."""
    for number, doc in enumerate(case.docs):
        places = np.flatnonzero(case.marks.doc == number)
        rows = np.isin(case.found.mention, places)
        found = case.found.take(rows)
        found = found._replace(mention=found.mention - places[0])
        marks = Marks(np.zeros(len(places), np.int64), case.marks.start[places], case.marks.end[places])
        alone = features(case.graph, [doc], marks, [case.mentions[place] for place in places], found)
        assert (alone.candidate == case.features.candidate[rows]).all()
        assert (alone.nil == case.features.nil[places]).all()


def test_nothing_found() -> None:
    graph = random_graph(0)
    none = np.zeros(0, np.int64)
    found = Candidates(none, none, none, np.zeros(0, np.float32), np.zeros(0, np.uint8), np.zeros(0, np.uint8))
    empty = features(graph, [], Marks(none, none, none), [], found)
    assert [part.shape for part in empty] == [(0, len(FEATURES)), (0, len(NIL_FEATURES))]
    one = np.zeros(1, np.int64)
    alone = features(graph, [Doc(VOCAB, words=["x"])], Marks(one, one, one + 1), [Mention("x", "ORG")], found)
    assert alone.nil[0, NIL_FEATURES.index("no_candidates")] == 1.0


def test_every_weight_is_that_of_a_feature() -> None:
    assert set(SURFACE) <= set(FEATURES)
    assert set(NIL) <= set(NIL_FEATURES)
    assert dict(zip(FEATURES, surface_weights().tolist())) == pytest.approx(dict.fromkeys(FEATURES, 0.0) | SURFACE)
    assert dict(zip(NIL_FEATURES, nil_weights().tolist())) == pytest.approx(dict.fromkeys(NIL_FEATURES, 0.0) | NIL)
