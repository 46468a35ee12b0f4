"""Small `kg_linker` pipelines and marked documents, for the tests of the component."""

from __future__ import annotations

from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_nlpkit.kg.graph import Alias, Entity, KnowledgeGraph
from spacy_nlpkit.kg.memory import MemoryGraph
from spacy_nlpkit.pipeline.kg_linker import KgLinker

from ..contract import links

URI = "https://kb.example.org/{id}"
COMPANIES = MemoryGraph.from_entities(
    [
        Entity(
            id="org:meta",
            label="Meta Platforms",
            types=("Company",),
            description="Owner of Facebook",
            prior=0.9,
            aliases=(
                Alias("Facebook", prior=0.9),
                Alias("FB", "ticker", exchange="NASDAQ", start="2012-05-18", end="2022-06-08"),
                Alias("META", "ticker", exchange="NASDAQ", start="2022-06-09"),
            ),
            edges=(("headquartered_in", "gpe:menlo-park"),),
        ),
        Entity(
            id="org:roundhill",
            label="Roundhill Ball Metaverse",
            types=("Fund",),
            prior=0.4,
            aliases=(Alias("META", "ticker", exchange="NYSE", start="2021-06-30", end="2022-01-31"),),
        ),
        Entity(
            id="org:fibra",
            label="Fibra Danhos",
            types=("Company",),
            prior=0.3,
            aliases=(Alias("FB", "ticker", exchange="NYSE", start="2022-06-09"),),
        ),
        Entity(id="gpe:menlo-park", label="Menlo Park", types=("City",), description="City in California"),
        Entity(id="gpe:georgia", label="Georgia", types=("Country",), aliases=(Alias("Sakartvelo"),)),
        Entity(id="per:georgia", label="Georgia", types=("Person",), description="A painter"),
        Entity(id="odd/1 <b>", label="Odd Works", types=("Company",)),
    ],
    name="companies",
    uri_template=URI,
)


def linker(graph: KnowledgeGraph | None = COMPANIES, **settings: Any) -> Language:
    """A pipeline of an untrained `kg_linker` over a graph."""
    nlp = spacy.blank("en")
    nlp.add_pipe("kg_linker", config=settings)
    if graph is not None:
        pipe_of(nlp).set_kb(graph)
    return nlp


def pipe_of(nlp: Language) -> KgLinker:
    """The component."""
    pipe = nlp.get_pipe("kg_linker")
    assert isinstance(pipe, KgLinker)
    return pipe


def mark(nlp: Language, text: str, *entities: tuple[str, str], date: Any = None, key: str | None = None) -> Doc:
    """A document with entities, or with spans of a group: texts, each where it first stands, and labels."""
    doc = nlp.make_doc(text)
    spans = []
    for name, label in entities:
        start = text.index(name)
        span = doc.char_span(start, start + len(name), label=label)
        assert span is not None, name
        spans.append(span)
    if key is None:
        doc.set_ents(spans)
    else:
        doc.spans[key] = spans
    if date is not None:
        doc._.date = date
    return doc


def link(nlp: Language, text: str, *entities: tuple[str, str], date: Any = None) -> list[Span]:
    """The linked entities of a text."""
    return list(nlp(mark(nlp, text, *entities, date=date)).ents)


def link_one(nlp: Language, text: str, label: str = "ORG", date: Any = None) -> Span:
    """The entity of a text that is nothing but its name."""
    (ent,) = link(nlp, text, (text, label), date=date)
    return ent


def twin_examples(nlp: Language, gold: list[tuple[str, dict[str, Any]]] = links.GOLD) -> list[Example]:
    """Annotated examples of the twins."""
    return [Example.from_dict(nlp.make_doc(text), annotation) for text, annotation in gold]


def update(nlp: Language, examples: list[Example], updates: int = 30) -> None:
    """Go on training on the whole batch."""
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer)


def train(nlp: Language, examples: list[Example], seed: int = 0, updates: int = 30) -> Language:
    """Learn the examples by heart."""
    fix_random_seed(seed)
    nlp.initialize(lambda: examples)
    update(nlp, examples, updates)
    return nlp
