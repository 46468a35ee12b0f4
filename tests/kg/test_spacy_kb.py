"""To spaCy's own knowledge base and back."""

from __future__ import annotations

import numpy as np
import pytest
from spacy.kb import InMemoryLookupKB
from spacy.vocab import Vocab

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.graph import Alias, Entity
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.kg.spacy_kb import from_lookup_kb, to_lookup_kb

from .graphs import ENTITIES


@pytest.fixture
def kb():
    kb = InMemoryLookupKB(Vocab(), entity_vector_length=2)
    kb.set_entities(["Q2", "Q1", "Q3"], [20, 7, 1], [[2, 0], [1, 0], [3, 0]])
    kb.add_alias("Paris", ["Q1", "Q2"], [0.75, 0.2])
    kb.add_alias("City of Light", ["Q1"], [1.0])
    return kb


def test_from_a_knowledge_base(kb):
    graph = from_lookup_kb(kb, name="mine")
    assert list(graph.iterate()) == [
        Entity(
            "Q1",
            "City of Light",
            prior=0.75,
            aliases=(Alias("City of Light", prior=1.0), Alias("Paris", prior=0.75)),
            edges=(("frequency", "7"),),
        ),
        Entity("Q2", "Paris", prior=0.2, aliases=(Alias("Paris", prior=0.2),), edges=(("frequency", "20"),)),
        Entity("Q3", "Q3", aliases=(Alias("Q3"),)),
    ]
    assert graph.vectors()[:, 0].tolist() == [1, 2, 3]


def test_there_and_back(kb):
    with pytest.warns(UserWarning, match="NW151"):
        again = to_lookup_kb(from_lookup_kb(kb), Vocab())
    for alias in ("Paris", "City of Light"):
        found = [
            {
                c.entity_: (round(c.prior_prob, 4), c.entity_freq, tuple(c.entity_vector))
                for c in source.get_alias_candidates(alias)
            }
            for source in (kb, again)
        ]
        assert found[0] == found[1]


def test_what_has_no_place_there_is_said():
    graph = MemoryGraph.from_entities(ENTITIES)
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    with pytest.warns(UserWarning, match="NW151") as caught:
        kb = to_lookup_kb(graph, Vocab(), vectors)
    message = str(caught[0].message)
    for part in ("3 types", "1 descriptions", "3 dates of aliases", "3 kinds of aliases", "3 exchanges"):
        assert part in message
    assert kb.get_vector("org:meta") == [4.0, 5.0]
    shares = {candidate.entity_: candidate.prior_prob for candidate in kb.get_alias_candidates("META")}
    # 0.9 and 0.4 add up to more than 1.
    assert shares == pytest.approx({"org:meta": 0.9 / 1.3, "org:roundhill": 0.4 / 1.3})
    assert [c.entity_freq for c in kb.get_alias_candidates("Facebook")] == [900]


def test_vectors_that_are_missing():
    graph = MemoryGraph.from_entities(ENTITIES, name="small")
    for vectors in (None, np.zeros(4), np.zeros((3, 2))):
        with pytest.raises(NlpkitError, match=r"N162.*small.*\(4, width\)"):
            to_lookup_kb(graph, Vocab(), vectors)
