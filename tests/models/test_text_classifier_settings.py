"""Settings of the architectures of text_classifier: what is refused, what trains, and how members are mixed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.ml.models.textcat import build_simple_cnn_text_classifier
from spacy.tokens import Doc
from thinc.api import Model

from spacy_nlpkit.errors import NlpkitError

from ..contract.specs import ENCODER
from .architectures import EMBEDDING, MEMBERS, RIGHT, architecture, initialized, resolve
from .classes import answers, build, train

WRONG = {
    "rows": ("EmbeddingBag", {"rows": 1000}, "rows"),
    "one_row": ("EmbeddingBag", {"rows": 1}, "rows"),
    "nothing_taken": ("TfidfLinear", {"word_ngrams": 0}, "word_ngrams"),
    "negative": ("EmbeddingBag", {"word_ngrams": -1}, "word_ngrams"),
    "chars_from_zero": ("TfidfLinear", {"max_chars": 3}, "min_chars"),
    "chars_crossed": ("TfidfLinear", {"min_chars": 5, "max_chars": 3}, "min_chars"),
    "pooling": ("Pooled", {"pooling": ["mean", "median"]}, "pooling"),
    "no_pooling": ("Pooled", {"pooling": []}, "pooling"),
    "no_pooling_of_states": ("Recurrent", {"pooling": []}, "pooling"),
    "no_windows": ("NgramCNN", {"windows": []}, "windows"),
    "window_of_none": ("NgramCNN", {"windows": [2, 0]}, "windows"),
    "weights": ("Ensemble", {"weights": {"bag": 0.5, "other": 0.5}}, "weights"),
}


@pytest.mark.parametrize(("name", "settings", "named"), WRONG.values(), ids=WRONG)
def test_wrong_settings(name: str, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(NlpkitError, match=rf"\[N006\] Setting '{named}' of 'spacy_nlpkit\.{name}\.v1'"):
        resolve(architecture(name, **settings))


def test_an_ensemble_takes_no_foreign_member() -> None:
    foreign = build_simple_cnn_text_classifier(resolve(ENCODER), exclusive_classes=True)
    build_ensemble: Callable[..., Model] = spacy.registry.architectures.get("spacy_nlpkit.Ensemble.v1")
    with pytest.raises(NlpkitError, match=r"\[N006\] Setting 'members\.mine'"):
        build_ensemble(members={"mine": foreign})


@pytest.mark.parametrize("setting", [{"cell": "srn"}, {"pooling": ["first"]}])
def test_unknown_choices_are_refused_by_the_config(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        resolve(architecture("Recurrent", **setting))


VARIANTS = {
    "bag_of_chars": ("EmbeddingBag", {"word_ngrams": 0, "min_chars": 2, "max_chars": 4, "pooling": "max"}),
    "tfidf_of_chars": ("TfidfLinear", {"word_ngrams": 1, "min_chars": 3, "max_chars": 3, "attr": "ORTH", "scale": 2.0}),
    "first": ("Pooled", {"pooling": ["first"]}),
    "attention": ("Pooled", {"pooling": ["attention", "max"], "hidden_width": 8, "scale": 5.0}),
    "one_window": ("NgramCNN", {"windows": [1], "filters": 4, "mean": False, "tok2vec": EMBEDDING}),
    "lstm": (
        "Recurrent",
        {"cell": "lstm", "bidirectional": False, "pooling": ["last"], "depth": 2, "tok2vec": EMBEDDING},
    ),
    "rnn": (
        "Recurrent",
        {"cell": "rnn", "pooling": ["max"], "input_width": 7, "hidden_width": 5, "tok2vec": EMBEDDING},
    ),
}


@pytest.mark.parametrize(("name", "settings"), VARIANTS.values(), ids=VARIANTS)
def test_variants_train(name: str, settings: dict[str, Any], corpus: Path) -> None:
    assert answers(train(build(corpus, architecture(name, **settings)), updates=60)) == RIGHT


# Ensembles


def test_an_ensemble_is_the_weighted_geometric_mean(docs: list[Doc]) -> None:
    weights = {"cnn": 0.5, "chars": 0.2}
    model = initialized("Ensemble", docs, members=MEMBERS, weights=weights)
    mixture = model.get_ref("logits")
    total = 0
    for name, member in zip(sorted(MEMBERS), mixture.layers):
        total = total + weights.get(name, 1 / 3) * member.predict(docs).astype("float64")
    powers = np.exp(total)
    assert model.predict(docs) == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-5)


def test_an_ensemble_of_any_members_trains(corpus: Path) -> None:
    for stacked in (False, True):
        nlp = train(build(corpus, architecture("Ensemble", members=MEMBERS, stacked=stacked)), updates=20)
        assert answers(nlp) == RIGHT
        pipe: Any = nlp.get_pipe("textcat")
        weights = pipe.model.get_ref("logits").get_param("weights")
        assert (weights == pytest.approx([1 / 3] * 3, abs=1e-6)) is not stacked
