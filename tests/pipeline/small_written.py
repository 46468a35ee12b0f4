"""A small `seq2seq` that learns a few texts by heart, for the tests of the component."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_nlpkit.pipeline.seq2seq import Seq2Seq

from ..contract.specs import RECURRENT, TRANSFORMER
from ..contract.written import TARGETS, subwords

__all__ = ["RECURRENT", "TARGETS", "TRANSFORMER", "subwords"]

TEXTS = list(TARGETS)
SEARCH = {"beams": 2, "max_ratio": 0.0, "max_extra": 16}


def pipe_of(nlp: Language, name: str = "seq2seq") -> Seq2Seq:
    """The component, with its type."""
    pipe = nlp.get_pipe(name)
    assert isinstance(pipe, Seq2Seq)
    return pipe


def make_examples(nlp: Language, pairs: Iterable[tuple[str, Any]] = tuple(TARGETS.items())) -> list[Example]:
    """Examples of texts and targets; of documents."""
    examples = []
    for text, target in pairs:
        example = Example.from_dict(nlp.make_doc(text), {})
        example.reference._.target = target
        examples.append(example)
    return examples


def build(*, name: str = "seq2seq", model: dict[str, Any] = TRANSFORMER, **settings: Any) -> Language:
    """A pipeline of `seq2seq` with subwords, not initialized."""
    nlp = spacy.blank("en")
    config = {"search": SEARCH, "label_smoothing": 0.0, **settings}
    nlp.add_pipe("seq2seq", name=name, config={"model": model, **config})
    pipe_of(nlp, name).set_subwords(subwords())
    return nlp


def train(nlp: Language, updates: int = 30, *, seed: int = 0, learn_rate: float = 0.01, drop: float = 0.0) -> Language:
    """Learn `TARGETS` by heart."""
    fix_random_seed(seed)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer, drop=drop)
    return nlp


def load(path: Path, **settings: Any) -> Language:
    """A saved pipeline with other settings."""
    return spacy.load(path, config={f"components.seq2seq.{key}": value for key, value in settings.items()})


def written(nlp: Language, texts: Iterable[str] = TEXTS) -> list[str]:
    """What is written for texts."""
    return [doc._.seq2seq["text"] for doc in nlp.pipe(texts)]
