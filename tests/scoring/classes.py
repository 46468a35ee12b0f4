"""Examples of classes that the tests of scores make."""

from __future__ import annotations

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

LABELS = ("Business", "Sport", "World")
NOTHING = {"p": None, "r": None, "f": None}
VOCAB = spacy.blank("en").vocab


def cats(*values):
    """Probabilities of the labels, in their order."""
    return dict(zip(LABELS, values))


def make_examples(*pairs):
    """Examples of (predicted cats, gold cats)."""
    examples = []
    for predicted, gold in pairs:
        example = Example(Doc(VOCAB, words=["Oil", "rose"]), Doc(VOCAB, words=["Oil", "rose"]))
        example.predicted.cats, example.reference.cats = dict(predicted), dict(gold)
        examples.append(example)
    return examples


def random_pairs(exclusive, n=200, decimals=1, seed=0):
    """Hard gold for every label, and probabilities with many ties."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.7] * 3, n) if exclusive else rng.random((n, 3))
    gold = np.eye(3)[rng.integers(3, size=n)] if exclusive else (rng.random((n, 3)) < p).astype(float)
    return [(cats(*row), cats(*truth)) for row, truth in zip(p.round(decimals).tolist(), gold.tolist())]


def close(expected):
    return pytest.approx(expected, abs=1e-12)
