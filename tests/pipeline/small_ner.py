"""A small `ticker_ner` that learns a few texts by heart, for the tests of the component."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_nlpkit.pipeline.ticker_ner import TickerNER

from ..contract.specs import ENCODER, LISTENER

Entities = Sequence[tuple[str, str]]

# Sees the shapes of words alone.
SHAPE_ENCODER = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 16,
        "attrs": ["SHAPE"],
        "rows": [100],
        "include_static_vectors": False,
    },
    "encode": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 16,
        "depth": 1,
        "window_size": 1,
        "maxout_pieces": 2,
    },
}
TAGGER = {"@architectures": "spacy_nlpkit.CRFTagger.v1", "tok2vec": ENCODER, "features": {}}
GOLD: list[tuple[str, Entities]] = [
    ("Dell Inc. (DELL.O) opens in Paris.", [("Dell Inc.", "ORG"), ("DELL.O", "TICKER"), ("Paris", "GPE")]),
    ("AT&T Wireless (NYSE: AWE) fell.", [("AT&T Wireless", "ORG"), ("AWE", "TICKER")]),
    ("Traders in Oslo bought $AAPL again.", [("Oslo", "GPE"), ("AAPL", "TICKER")]),
    ("Home Depot (HD:NYSE - news) rose.", [("Home Depot", "ORG"), ("HD", "TICKER")]),
    ("The dollar was little changed on Monday.", []),
]
TEXTS = [text for text, _ in GOLD]


def span_in(doc: Doc, text: str, label: str = "") -> Span:
    """A span of the document, where its text first stands."""
    start = doc.text.index(text)
    span = doc.char_span(start, start + len(text), label=label)
    assert span is not None, text
    return span


def annotate(doc: Doc, entities: Entities, *, default: str = "outside") -> Doc:
    """Set entities, each where its text first stands; the other tokens get the default, as in `Doc.set_ents`."""
    doc.set_ents([span_in(doc, *entity) for entity in entities], default=default)
    return doc


def make_examples(nlp: Language, gold: Iterable[tuple[str, Entities]] = GOLD) -> list[Example]:
    """Completely annotated examples."""
    return [Example(nlp.make_doc(text), annotate(nlp.make_doc(text), entities)) for text, entities in gold]


def build(language: str = "en", *, listening: bool = False, **settings: Any) -> Language:
    """A pipeline of `ticker_ner`, with an encoder of its own or shared, not initialized."""
    nlp = spacy.blank(language)
    settings.setdefault("model", TAGGER)
    if listening:
        nlp.add_pipe("tok2vec", config={"model": ENCODER})
        settings["model"] = {**settings["model"], "tok2vec": LISTENER}
    nlp.add_pipe("ticker_ner", config=settings)
    return nlp


def update(nlp: Language, examples: list[Example], updates: int = 30) -> None:
    """Go on training on the whole batch."""
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer)


def train(nlp: Language, examples: list[Example] | None = None) -> Language:
    """Learn the examples (those of `GOLD` unless given) by heart."""
    examples = make_examples(nlp) if examples is None else examples
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    update(nlp, examples)
    return nlp


def pipe_of(nlp: Language) -> TickerNER:
    """The component."""
    pipe = nlp.get_pipe("ticker_ner")
    assert isinstance(pipe, TickerNER)
    return pipe


def found(nlp: Language, text: str) -> list[tuple[str, str]]:
    """Texts and labels of the entities that the pipeline finds."""
    return [(ent.text, ent.label_) for ent in nlp(text).ents]


def probability(nlp: Language, text: str, entity: str, label: str) -> float:
    """The confidence of one candidate, 0.0 where it is none."""
    doc = nlp.make_doc(text)
    span = span_in(doc, entity)
    (candidates,) = pipe_of(nlp).candidates([doc])
    return {item[:3]: item[3] for item in candidates}.get((span.start, span.end, label), 0.0)
