"""The architecture of ticker_ner: shapes with and without features, gradients, and room for more labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model, Optimizer, fix_random_seed

from spacy_nlpkit.layers.crf import n_tags
from spacy_nlpkit.layers.crf_loss import likelihood_loss
from spacy_nlpkit.layers.crf_potentials import RARITY, Potentials
from spacy_nlpkit.layers.features import symbol_features
from spacy_nlpkit.models.features import join_features
from spacy_nlpkit.models.ticker_ner import resize_output, set_tags

WIDTH = 16
TEXTS = ["Acorn Mills ( NYSE : ACM ) rose .", "", "Oslo", "Borea Foods fell in Lisbon ."]
FEATURES: list[dict[str, Any]] = [{}, {"symbols": {"@architectures": "spacy_nlpkit.SymbolFeatures.v1"}}]


@pytest.fixture(scope="module")
def docs() -> list[Doc]:
    nlp = spacy.blank("en")
    return [nlp.make_doc(text) for text in TEXTS]


def build(n_labels: int, docs: list[Doc], **settings: Any) -> Model:
    """An initialized model over a small encoder of its own."""
    encoder = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": WIDTH,
        "depth": 1,
        "embed_size": 100,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
    }
    settings = {"features": {}, "hidden_width": None, **settings}
    config = {"@architectures": "spacy_nlpkit.CRFTagger.v1", "tok2vec": encoder, **settings}
    fix_random_seed(0)
    model = spacy.registry.resolve({"model": config})["model"]
    set_tags(model, n_labels)
    model.initialize(X=[doc for doc in docs if len(doc)])
    return model


@pytest.mark.parametrize("features", FEATURES, ids=["plain", "symbols"])
@pytest.mark.parametrize("hidden_width", [None, 8])
def test_shapes(docs: list[Doc], features: dict[str, Any], hidden_width: int | None) -> None:
    model = build(2, docs, features=features, hidden_width=hidden_width)
    scores = model.predict(docs)
    assert scores.lengths.tolist() == [len(doc) for doc in docs]
    assert scores.emissions.shape == (sum(len(doc) for doc in docs), n_tags(2))
    assert scores.emissions.dtype == np.float64
    assert scores.transitions.shape == (n_tags(2), n_tags(2))
    assert scores.start.shape == scores.end.shape == (n_tags(2),)
    nothing = model.predict([docs[1]])
    assert (nothing.emissions.shape, nothing.lengths.tolist()) == ((0, n_tags(2)), [0])


@pytest.mark.parametrize("features", FEATURES, ids=["plain", "symbols"])
def test_weights_learn_from_the_gradient(docs: list[Doc], features: dict[str, Any]) -> None:
    """Every part does, encoder and transitions too: the loss falls with each step along the gradient."""
    model = build(1, docs, features=features, hidden_width=8)
    rng = np.random.default_rng(0)
    allowed = np.ones((sum(len(doc) for doc in docs), n_tags(1)), dtype=bool)
    allowed[:, 1:] = rng.random(len(allowed))[:, None] < 0.3
    before = {(node.id, name): node.get_param(name).copy() for node in model.walk() for name in node.param_names}
    losses = []
    for _ in range(5):
        scores, backprop = model.begin_update(docs)
        loss, gradient = likelihood_loss(scores, allowed)
        backprop(gradient)
        model.finish_update(Optimizer(0.001))
        losses.append(loss)
    assert losses == sorted(losses, reverse=True)
    for node in model.walk():
        for name in node.param_names:
            assert (node.get_param(name) != before[(node.id, name)]).any(), (node.name, name)


def test_gradient_of_the_transitions_is_that_of_the_loss(docs: list[Doc]) -> None:
    model = build(1, docs)
    scores, backprop = model.begin_update(docs)
    ones = Potentials(
        np.zeros_like(scores.emissions),
        scores.lengths,
        np.full_like(scores.transitions, 2.0),
        np.full_like(scores.start, 3.0),
        np.full_like(scores.end, 4.0),
    )
    backprop(ones)
    crf = model.get_ref("crf")
    assert [float(crf.get_grad(name).max()) for name in ("transitions", "start", "end")] == [2.0, 3.0, 4.0]


def test_an_entity_is_rare_before_training(docs: list[Doc]) -> None:
    scores = build(2, docs).predict(docs)
    begins = [1, 4, 5, 8]
    assert (scores.transitions[:, begins] == -RARITY).all()
    assert (scores.start[begins] == -RARITY).all()
    assert not np.delete(scores.transitions, begins, axis=1).any()
    assert not scores.end.any()


def test_features_join_in_the_order_of_their_names(docs: list[Doc]) -> None:
    """So that a saved model fits a config whose blocks stand in another order."""
    encoder, symbols, reversed_symbols = symbol_features(), symbol_features(), with_reversed_columns(symbol_features())
    for features in ({"a": symbols, "b": reversed_symbols}, {"b": reversed_symbols, "a": symbols}):
        columns = join_features(encoder, features).predict(docs)[0]
        own = np.asarray(symbols.predict(docs)[0])
        assert (columns == np.hstack([own, own, own[:, ::-1]])).all()


def with_reversed_columns(layer: Model) -> Model:
    """A layer whose columns stand in the opposite order."""
    return Model("reversed", lambda model, docs, is_train: ([x[:, ::-1] for x in layer.predict(docs)], lambda dX: docs))


def test_embedding_with_features_is_mixed_to_a_width(docs: list[Doc]) -> None:
    config = {
        "@architectures": "spacy_nlpkit.EmbedWithFeatures.v1",
        "width": 24,
        "embed": {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": WIDTH,
            "attrs": ["NORM"],
            "rows": [100],
            "include_static_vectors": False,
        },
        "features": FEATURES[1],
    }
    for settings in (config, {**config, "features": {}}):
        model = spacy.registry.resolve({"model": settings})["model"]
        model.initialize(X=docs)
        assert [found.shape for found in model.predict(docs)] == [(len(doc), 24) for doc in docs]


@pytest.mark.parametrize("hidden_width", [None, 8])
def test_more_labels_leave_what_was_learned(docs: list[Doc], hidden_width: int | None) -> None:
    model = build(2, docs, hidden_width=hidden_width)
    rng = np.random.default_rng(0)
    for node in (model.get_ref("crf"), model.get_ref("output_layer")):
        for name in node.param_names:
            values = node.get_param(name)
            values += rng.normal(size=values.shape).astype("f")
    before = model.predict(docs)
    resize_output(model, 3)
    after = model.predict(docs)
    old = n_tags(2)
    assert after.emissions.shape[1] == n_tags(3)
    assert (after.emissions[:, :old] == before.emissions).all()
    assert not after.emissions[:, old:].any()
    assert (after.transitions[:old, :old] == before.transitions).all()
    assert (after.start[:old] == before.start).all()
    assert (after.end[:old] == before.end).all()
    fresh = build(3, docs, hidden_width=hidden_width).from_bytes(model.to_bytes())
    assert (fresh.predict(docs).emissions == after.emissions).all()
