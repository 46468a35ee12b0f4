"""What n-grams and gradients are, in plain Python: slow, and independent of the code under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model

from spacy_nlpkit.layers.ngrams import NgramOptions

_STEP = 0x9E3779B97F4A7C15
_BITS = 2**64 - 1
VOCAB = spacy.blank("xx").vocab


class Feature(NamedTuple):
    """One n-gram of a document: its row, first token and number of tokens."""

    row: int
    start: int
    size: int


def make_docs(*texts: list[str]) -> list[Doc]:
    """Documents of given words, of one vocabulary."""
    return [Doc(VOCAB, words=words) for words in texts]


def features_of(doc: Doc, options: NgramOptions) -> Iterator[Feature]:
    """All features of a document; tokens are numbered as they stand in it, blank ones included."""
    strings = [doc.vocab.strings[key] for key in doc.to_array(options.attr).tolist()] if len(doc) else []
    words = [(place, text) for place, text in enumerate(strings) if text.strip()]
    for number, (place, text) in enumerate(words):
        for size in range(1, options.word_ngrams + 1):
            gram = words[number : number + size]
            if len(gram) == size:
                keys = [doc.vocab.strings[word] for _, word in gram]
                yield Feature(_row(keys, size if size > 1 else 0, options), place, size)
        marked = f"\2{text}\3"
        for size in range(options.min_chars, options.max_chars + 1 if options.max_chars else 0):
            for first in range(len(marked) - size + 1):
                codes = [ord(character) for character in marked[first : first + size]]
                yield Feature(_row(codes, 1000 + size, options), place, 1)


def _row(numbers: list[int], kind: int, options: NgramOptions) -> int:
    total = 0
    for number in numbers:
        total = (total * _STEP + number) & _BITS
    total = (total + kind) & _BITS
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        total = ((total ^ (total >> 33)) * multiplier) & _BITS
    return (total ^ (total >> 33)) % options.rows


def randomize(node: Model, *names: str) -> None:
    """Give parameters of a node normally distributed values: an output layer starts from zero."""
    rng = np.random.default_rng(0)
    for name in names:
        values: Any = rng.normal(size=node.get_param(name).shape).astype("float32")
        node.set_param(name, values)


def finite_differences(values: Any, loss: Callable[[], float], step: float) -> np.ndarray:
    """Central differences of a loss in each number of an array, which is changed in place and put back."""
    slopes = np.zeros(values.shape)
    for place in np.ndindex(*values.shape):
        kept = values[place].copy()
        values[place] = kept + step
        above = loss()
        values[place] = kept - step
        slopes[place] = (above - loss()) / (2 * step)
        values[place] = kept
    return slopes


def assert_gradients(model: Model, inputs: list[Any], step: float = 1e-2, tolerance: float = 2e-3) -> None:
    """Compare the gradients of a layer, in its inputs (one array a document) and its parameters, with differences of a
    random sum over its outputs. The layer must not be random in training."""
    outputs, backprop = model.begin_update(inputs)
    directions = np.random.default_rng(0).normal(size=outputs.shape).astype("float32")

    def loss() -> float:
        return float((directions * model.predict(inputs)).sum(dtype="float64"))

    found = backprop(directions)
    assert len(found) == len(inputs)
    for values, gradient in zip(inputs, found):
        assert gradient.shape == values.shape
        if values.size:
            assert gradient == pytest.approx(finite_differences(values, loss, step), abs=tolerance)
    for node in model.walk():
        for name in node.param_names:
            slopes = finite_differences(node.get_param(name), loss, step)
            assert node.get_grad(name) == pytest.approx(slopes, abs=tolerance), (node.name, name)
