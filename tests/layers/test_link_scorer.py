"""Scores of candidates: against loops in plain Python, and their gradients against finite differences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed, set_dropout_rate

from spacy_nlpkit.layers import link_scorer as module
from spacy_nlpkit.layers.link_scorer import LinkBatch, Words, link_scorer, start_from

from .reference import finite_differences, make_docs

WIDTH, HIDDEN, ROWS, FEATURES, NIL_FEATURES, TOKEN_WIDTH = 4, 3, 16, 5, 2, 3
TEXTS = [["a", "b", "c", "d", "e"], [], ["f"], ["g", "h", "i"]]
# Document, first token, end.
MENTIONS = [(0, 0, 2), (0, 3, 5), (2, 0, 1), (3, 1, 2)]
# Of each candidate its mention and entity; the third mention has none.
CANDIDATES = [(0, 0), (0, 2), (0, 1), (1, 2), (3, 1), (3, 0)]


def table_encoder(docs: list[Doc]) -> Model[list[Doc], list[Any]]:
    """Gives each token of these documents, known by its hash, a vector which is a parameter."""
    keys = {token.orth: place for place, token in enumerate(token for doc in docs for token in doc)}

    def forward(model: Model, given: list[Doc], is_train: bool) -> tuple[list[Any], Any]:
        rows = [np.array([keys[token.orth] for token in doc], dtype="i") for doc in given]

        def backprop(gradients: list[Any]) -> list[Doc]:
            total = np.zeros_like(model.get_param("T"))
            for places, gradient in zip(rows, gradients):
                np.add.at(total, places, gradient)
            model.inc_grad("T", total)
            return given

        return [model.get_param("T")[places].reshape(-1, TOKEN_WIDTH) for places in rows], backprop

    table: Any = np.random.default_rng(1).normal(size=(len(keys), TOKEN_WIDTH)).astype("float32")
    return Model("table", forward, params={"T": table})


def words(*texts: list[int]) -> Words:
    rng = np.random.default_rng(len(texts))
    hashes = np.array([number for text in texts for number in text], np.uint64)
    return Words(np.array([*map(len, texts)]), hashes, rng.random(len(hashes)).astype("float32"))


def batch_of(docs: list[Doc]) -> LinkBatch:
    rng = np.random.default_rng(0)
    doc, start, end = np.array(MENTIONS).T
    mention, entity = np.array(CANDIDATES).T
    return LinkBatch(
        docs=docs,
        doc=doc,
        start=start,
        end=end,
        mention=mention,
        entity=entity,
        features=rng.normal(size=(len(CANDIDATES), FEATURES)).astype("float32"),
        nil_features=rng.normal(size=(len(MENTIONS), NIL_FEATURES)).astype("float32"),
        entity_words=words([3, 2**40 + 7, 12], [], [7]),
        doc_words=words([1, 2, 3], [], [2**63 + 5], [1]),
        label=np.array([9, 10, 9, 3], np.uint64),
    )


@pytest.fixture
def docs() -> list[Doc]:
    return make_docs(*TEXTS)


@pytest.fixture(params=[True, False], ids=["encoder", "words alone"])
def model(request: pytest.FixtureRequest, docs: list[Doc]) -> Model:
    """All weights random: they start from zero in part."""
    return initialized(docs, request.param)


def initialized(docs: list[Doc], encodes: bool) -> Model:
    model = link_scorer(table_encoder(docs) if encodes else None, WIDTH, HIDDEN, ROWS)
    start_from(model, [1.0] * FEATURES, [0.5] * NIL_FEATURES)
    fix_random_seed(0)
    model.initialize(X=batch_of(docs))
    rng = np.random.default_rng(5)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, rng.normal(size=node.get_param(name).shape).astype("float32"))
    return model


def row_of(number: int) -> int:
    return (number ^ (number >> 32)) % ROWS


def product(weights: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Of a matrix, or several, with a vector: without BLAS, as the layer has it."""
    return (weights * vector).sum(axis=-1)


def by_hand(model: Model, batch: LinkBatch) -> list[float]:
    """The scores, mention by mention."""
    table = model.get_param("E")
    network, nil_output, *encoder = model.layers
    hidden, output = network.layers[0], network.layers[-1]

    def bag(given: Words) -> list[np.ndarray]:
        bounds = np.concatenate([[0], np.cumsum(given.lengths)])
        pairs = list(zip(given.hashes.tolist(), given.weights.tolist()))
        return [
            sum((table[row_of(number)] * weight for number, weight in pairs[first:last]), np.zeros(WIDTH))
            for first, last in itertools.pairwise(bounds)
        ]

    def encoded(place: int) -> np.ndarray:
        if not encoder:
            return np.zeros(WIDTH)
        project, table_layer = encoder
        tokens = table_layer.predict([batch.docs[batch.doc[place]]])[0]
        start, end = batch.start[place], batch.end[place]
        around = tokens[max(0, start - module.WINDOW) : end + module.WINDOW]
        pooled = np.concatenate([tokens[start:end].mean(axis=0), around.mean(axis=0)])
        return product(project.get_param("W"), pooled) + project.get_param("b")

    texts, entities = bag(batch.doc_words), bag(batch.entity_words)
    by_words = [texts[doc] + table[row_of(label)] for doc, label in zip(batch.doc.tolist(), batch.label.tolist())]
    mentions = [words + module.ENCODED * encoded(place) for place, words in enumerate(by_words)]
    scores = []
    for mention, entity, features in zip(batch.mention, batch.entity, batch.features):
        seen = np.concatenate([features, mentions[mention] * entities[entity]])
        states = (product(hidden.get_param("W"), seen) + hidden.get_param("b")).max(axis=1)
        learned = product(output.get_param("W"), states) + output.get_param("b")
        scores.append(float(product(model.get_param("surface"), features) + learned[0]))
    for mention, features in zip(by_words, batch.nil_features):
        learned = product(nil_output.get_param("W"), mention) + nil_output.get_param("b")
        scores.append(float(product(model.get_param("nil"), features) + learned[0]))
    return scores


def test_scores(model: Model, docs: list[Doc], monkeypatch: pytest.MonkeyPatch) -> None:
    for window in (module.WINDOW, 1):
        monkeypatch.setattr(module, "WINDOW", window)
        batch = batch_of(docs)
        found = model.predict(batch)
        assert found.shape == (len(CANDIDATES) + len(MENTIONS),)
        assert found.dtype == np.float32
        assert found == pytest.approx(by_hand(model, batch), rel=1e-4, abs=1e-4)


def test_gradients(model: Model, docs: list[Doc], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all parameters, the encoder's tokens among them, which have some weight here."""
    monkeypatch.setattr(module, "ENCODED", 1.0)
    set_dropout_rate(model, 0.0)
    batch = batch_of(docs)
    scores, backprop = model.begin_update(batch)
    directions = np.random.default_rng(0).normal(size=scores.shape).astype("float32")

    def loss() -> float:
        return float((directions * model.predict(batch)).sum(dtype="float64"))

    assert backprop(directions) is docs
    checked = set()
    for node in model.walk():
        for name in node.param_names:
            slopes = finite_differences(node.get_param(name), loss, 1e-2)
            assert node.get_grad(name) == pytest.approx(slopes, abs=2e-2), (node.name, name)
            assert np.abs(slopes).max() > 0.1, (node.name, name)
            checked.add(name)
    assert checked == {"surface", "nil", "E", "W", "b"} | ({"T"} if len(model.layers) > 2 else set())


def only(batch: LinkBatch, place: int) -> LinkBatch:
    """One mention of a batch, with its document and candidates alone."""
    doc, rows = int(batch.doc[place]), np.flatnonzero(batch.mention == place)
    bounds = np.concatenate([[0], np.cumsum(batch.doc_words.lengths)])
    part = slice(bounds[doc], bounds[doc + 1])
    text = Words(batch.doc_words.lengths[[doc]], batch.doc_words.hashes[part], batch.doc_words.weights[part])
    one = slice(place, place + 1)
    return batch._replace(
        docs=[batch.docs[doc]],
        doc=np.zeros(1, np.int64),
        start=batch.start[one],
        end=batch.end[one],
        mention=np.zeros(len(rows), np.int64),
        entity=batch.entity[rows],
        features=batch.features[rows],
        nil_features=batch.nil_features[one],
        doc_words=text,
        label=batch.label[one],
    )


def test_each_mention_alone_and_in_a_batch(model: Model, docs: list[Doc]) -> None:
    batch = batch_of(docs)
    together = model.predict(batch)
    for place in range(len(MENTIONS)):
        rows = [*np.flatnonzero(batch.mention == place), len(CANDIDATES) + place]
        assert model.predict(only(batch, place)) == pytest.approx(together[rows], abs=1e-5)


def test_training_and_prediction_see_the_same(model: Model, docs: list[Doc]) -> None:
    set_dropout_rate(model, 0.0)
    batch = batch_of(docs)
    assert model.begin_update(batch)[0] == pytest.approx(model.predict(batch), abs=1e-6)


@pytest.mark.parametrize("left", [[], [2]], ids=["no mentions", "no candidates"])
def test_nothing_to_score(model: Model, docs: list[Doc], left: list[int]) -> None:
    """The gradient goes on to the encoder all the same."""
    batch = batch_of(docs)
    none = np.zeros(0, np.int64)
    empty = batch._replace(
        doc=batch.doc[left],
        start=batch.start[left],
        end=batch.end[left],
        mention=none,
        entity=none,
        features=batch.features[:0],
        nil_features=batch.nil_features[left],
        entity_words=words(),
        label=batch.label[left],
    )
    scores, backprop = model.begin_update(empty)
    assert scores.shape == (len(left),)
    assert backprop(np.ones_like(scores)) is docs
    for node in model.walk():
        for name in node.grad_names:
            assert np.isfinite(node.get_grad(name)).all()
            assert left or not node.get_grad(name).any()
    assert len(model.layers) == 2 or model.layers[3].has_grad("T")


def test_untrained_the_features_decide(docs: list[Doc]) -> None:
    for encoder in (table_encoder(docs), None):
        model = link_scorer(encoder, WIDTH, HIDDEN, ROWS)
        start_from(model, range(FEATURES), range(NIL_FEATURES))
        model.initialize(X=batch_of(docs))
        batch = batch_of(docs)
        expected = [
            *product(batch.features, np.arange(FEATURES)),
            *product(batch.nil_features, np.arange(NIL_FEATURES)),
        ]
        assert model.predict(batch) == pytest.approx(np.array(expected), abs=1e-5)


def test_bytes(docs: list[Doc]) -> None:
    """Into a model that was never initialized: it knows no widths yet."""
    first = initialized(docs, True)
    again = link_scorer(table_encoder(docs), WIDTH, HIDDEN, ROWS)
    start_from(again, [0.0], [0.0])
    again.from_bytes(first.to_bytes())
    assert (again.predict(batch_of(docs)) == first.predict(batch_of(docs))).all()
    assert again.to_bytes() == first.to_bytes()
    copied = first.copy()
    assert (copied.predict(batch_of(docs)) == first.predict(batch_of(docs))).all()
