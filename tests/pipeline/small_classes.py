"""A small `text_classifier` that learns a few texts by heart, for the tests of the component."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_nlpkit.pipeline.text_classifier import TextClassifier

from ..contract.specs import BAG, TFIDF

Cats = dict[str, float]

LABELS = ("Crops", "Metals", "Rates")
HELD: list[tuple[str, tuple[str, ...]]] = [
    ("Wheat rose after a dry spring.", ("Crops",)),
    ("Maize and soy fell as rains came.", ("Crops",)),
    ("Miners sold copper in Oslo today.", ("Metals",)),
    ("Zinc stocks rose again.", ("Metals",)),
    ("The bank left its key lending unchanged.", ("Rates",)),
    ("Mortgages cost more from today.", ("Rates",)),
]
# Of labels that do not exclude one another any number may hold.
MORE = [("Copper and wheat rose.", ("Crops", "Metals")), ("Mr. Bell retired.", ())]


def cats(*held: str, labels: Iterable[str] = LABELS) -> Cats:
    """Complete annotation."""
    return {label: float(label in held) for label in labels}


GOLD: list[tuple[str, Cats]] = [(text, cats(*held)) for text, held in HELD]
GOLD_INDEPENDENT: list[tuple[str, Cats]] = [*GOLD, *((text, cats(*held)) for text, held in MORE)]
TEXTS = [text for text, _ in GOLD]


def gold(exclusive: bool) -> list[tuple[str, Cats]]:
    """Annotated texts for either kind of labels."""
    return GOLD if exclusive else GOLD_INDEPENDENT


def make_examples(nlp: Language, annotated: Iterable[tuple[str, Cats]]) -> list[Example]:
    """Examples of texts and their `cats`."""
    return [Example.from_dict(nlp.make_doc(text), {"cats": values}) for text, values in annotated]


def build(language: str = "en", *, name: str = "text_classifier", **settings: Any) -> Language:
    """A pipeline of `text_classifier`, not initialized."""
    nlp = spacy.blank(language)
    settings.setdefault("model", BAG)
    nlp.add_pipe("text_classifier", name=name, config=settings)
    return nlp


def build_linear(**settings: Any) -> Language:
    """As `build`, with the model that needs fewest updates and starts without chance."""
    return build(model=TFIDF, **settings)


def update(nlp: Language, examples: list[Example], updates: int = 30, learn_rate: float = 0.02) -> None:
    """Go on training on the whole batch."""
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = learn_rate
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer)


def train(nlp: Language, annotated: Iterable[tuple[str, Cats]], updates: int = 15) -> Language:
    """Learn annotated texts by heart, without being certain."""
    examples = make_examples(nlp, annotated)
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    update(nlp, examples, updates)
    return nlp


def pipe_of(nlp: Language, name: str = "text_classifier") -> TextClassifier:
    """The component."""
    pipe = nlp.get_pipe(name)
    assert isinstance(pipe, TextClassifier)
    return pipe


def prediction_of(doc: Doc, attribute: str = "prediction") -> Any:
    """The decision, without a warning where it was never calibrated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*NW001")
        return doc._.get(attribute)


def chosen(nlp: Language, text: str) -> list[str | None]:
    """The labels that the pipeline decides for; None where it abstains from an exclusive one."""
    found = prediction_of(nlp(text))
    return [each["label"] for each in (found if isinstance(found, list) else [found])]
