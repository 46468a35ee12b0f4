"""`text_classifier` with spaCy's own architectures of `textcat`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from thinc.api import fix_random_seed

from spacy_nlpkit.errors import NlpkitError

from ..contract.specs import ENCODER
from .small_classes import (
    GOLD,
    LABELS,
    TEXTS,
    build,
    chosen,
    gold,
    make_examples,
    pipe_of,
    train,
    update,
)

TOK2VEC = {**ENCODER, "width": 16}
BOW = {"@architectures": "spacy.TextCatBOW.v3", "length": 4096, "ngram_size": 1, "no_output_layer": False}
# Layers with scores of labels.
CHECKED = {"linear", "softmax", "sparse_linear"}
STOCK = {
    "bow": BOW,
    "ensemble": {
        "@architectures": "spacy.TextCatEnsemble.v2",
        "tok2vec": TOK2VEC,
        "linear_model": BOW,
    },
    "reduce": {
        "@architectures": "spacy.TextCatReduce.v1",
        "tok2vec": TOK2VEC,
        "use_reduce_first": True,
        "use_reduce_last": False,
        "use_reduce_max": True,
        "use_reduce_mean": True,
    },
    "attention": {"@architectures": "spacy.TextCatParametricAttention.v1", "tok2vec": TOK2VEC},
}


def stock(name: str, exclusive: bool) -> dict[str, Any]:
    """The block of an architecture of spaCy's, for either kind of labels."""
    if name == "ensemble":
        return {**STOCK[name], "linear_model": {**BOW, "exclusive_classes": exclusive}}
    return {**STOCK[name], "exclusive_classes": exclusive}


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", sorted(STOCK))
def test_models_of_spacy(name: str, exclusive: bool, tmp_path: Path) -> None:
    nlp = train(build(exclusive=exclusive, model=stock(name, exclusive)), gold(exclusive), updates=40)
    pipe_of(nlp).calibrate(make_examples(nlp, gold(exclusive)))
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        for text, values in gold(exclusive):
            assert sorted(chosen(pipeline, text)) == [label for label, value in values.items() if value]
    optimizer = nlp.resume_training()
    losses = nlp.rehearse(make_examples(nlp, GOLD), sgd=optimizer)
    assert losses["text_classifier"] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", sorted(STOCK))
def test_models_of_spacy_descend_the_loss(name: str, exclusive: bool) -> None:
    """A small step against the gradient lowers the loss by the step times its square: it is that of the loss."""
    fix_random_seed(0)
    nlp = build(exclusive=exclusive, model=stock(name, exclusive))
    examples = make_examples(nlp, gold(exclusive))
    nlp.initialize(lambda: examples)
    pipe = pipe_of(nlp)
    update(nlp, examples, 3)
    before = pipe.update(examples)["text_classifier"]
    pairs = [(node, key) for node in pipe.model.walk() for key in node.grad_names if node.name in CHECKED]
    assert pairs
    step = 1e-3
    gain = 0.0
    for node, key in pairs:
        gradient = node.get_grad(key).copy()
        gain += step * float((gradient.astype("float64") ** 2).sum())
        node.set_param(key, node.get_param(key) - step * gradient)
    assert before - pipe.update(examples)["text_classifier"] == pytest.approx(gain, rel=0.1)


def test_models_of_spacy_take_new_labels_or_say_so() -> None:
    for name in sorted(STOCK):
        nlp = train(build(model=stock(name, True)), GOLD, updates=1)
        if name in ("bow", "reduce"):
            assert pipe_of(nlp).add_label("Rail") == 1
            assert len(pipe_of(nlp).predict([nlp.make_doc(TEXTS[0])])[0]) == 4
        else:
            with pytest.raises(NlpkitError, match=r"\[N008\].*'Rail'"):
                pipe_of(nlp).add_label("Rail")
            assert pipe_of(nlp).labels == LABELS
