"""Architectures of text_classifier by their names, resolved and initialized."""

from __future__ import annotations

from typing import Any

import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed

from spacy_nlpkit.counting import count_documents, uncounted

from ..layers.reference import randomize
from .classes import GOLD

RIGHT = [label for _, label in GOLD]
# Of so few texts every word has to be known.
EMBEDDING = {"@architectures": "spacy_nlpkit.WordEmbedding.v1", "min_count": 1, "dropout": 0.0, "word_dropout": 0.0}
# Settings of small tables, for tests that need no defaults.
MEMBERS = {
    "cnn": {"@architectures": "spacy_nlpkit.NgramCNN.v1", "windows": [2], "filters": 8, "tok2vec": EMBEDDING},
    "chars": {
        "@architectures": "spacy_nlpkit.TfidfLinear.v1",
        "rows": 2**12,
        "word_ngrams": 0,
        "min_chars": 3,
        "max_chars": 3,
    },
    "words": {"@architectures": "spacy_nlpkit.EmbeddingBag.v1", "rows": 2**12, "word_ngrams": 1},
}
SMALL: dict[str, dict[str, Any]] = {
    "NgramCNN": {"tok2vec": EMBEDDING},
    "Recurrent": {"tok2vec": EMBEDDING},
    "EmbeddingBag": {"rows": 2**12},
    "TfidfLinear": {"rows": 2**12},
    "Ensemble": {"members": {name: MEMBERS[name] for name in ("cnn", "words")}},
}


def architecture(name: str, **settings: Any) -> dict[str, Any]:
    if name == "Recurrent":
        pytest.importorskip("torch", reason="the extra 'transformers' is not installed")
    return {"@architectures": f"spacy_nlpkit.{name}.v1", **settings}


def resolve(block: dict[str, Any]) -> Model:
    return spacy.registry.resolve({"model": block})["model"]


def initialized(name: str, docs: list[Doc], n_labels: int = 3, **settings: Any) -> Model:
    """A model whose output is not zero, as it starts."""
    fix_random_seed(0)
    model = resolve(architecture(name, **settings))
    count_documents(uncounted(model), [*docs, *docs])
    model.attrs["resize_output"](model, n_labels)
    model.initialize(X=[doc for doc in docs if len(doc)])
    for node in model.walk():
        if node.name in ("linear", "tfidf_linear"):
            randomize(node, "W")
    return model
