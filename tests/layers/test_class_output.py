"""Probabilities of labels, exclusive or not, and room for more labels before and after initialization."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from spacy.tokens import Doc
from thinc.api import Adam, Linear, Model, chain

from spacy_nlpkit.counting import count_documents
from spacy_nlpkit.layers.class_output import (
    CLASS_OUTPUT,
    class_probabilities,
    linear_output,
    resize_output,
    set_exclusive,
)
from spacy_nlpkit.layers.embedding_bag import embedding_bag
from spacy_nlpkit.layers.mixture import mix_scores
from spacy_nlpkit.layers.ngrams import NgramOptions
from spacy_nlpkit.layers.tfidf import tfidf_linear

from .reference import make_docs, randomize
from .ridge import fit_ridge

OPTIONS = NgramOptions(16, word_ngrams=1)
SCORES: Any = np.array([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [30.0, -30.0, 0.0]], dtype="float32")


@pytest.fixture
def docs() -> list[Doc]:
    return make_docs(["stocks", "fell"], [], ["the", "cup", "final"])


def build_bag(exclusive: bool | None = None) -> Model:
    return with_probabilities(chain(embedding_bag(4, OPTIONS, "mean", 0.0, 1.0), linear_output()), exclusive)


def build_tfidf(exclusive: bool | None = None) -> Model:
    layer = tfidf_linear(OPTIONS, 1.0)
    count_documents([layer], make_docs(["stocks", "fell"], ["cup"]))
    return with_probabilities(layer, exclusive)


def build_mixture(exclusive: bool | None = None) -> Model:
    members = [build(None).layers[0] for build in (build_bag, build_tfidf)]
    return with_probabilities(mix_scores(members, [0.5, 0.5], True, True), exclusive)


def with_probabilities(logits: Model, exclusive: bool | None) -> Model:
    model = chain(logits, class_probabilities(exclusive))
    model.attrs["multi_label"] = exclusive is False
    return model


BUILD: dict[str, Callable[[], Model]] = {"bag": build_bag, "tfidf": build_tfidf, "mixture": build_mixture}


def initialized(build: Callable[[], Model], docs: list[Doc], n_labels: int) -> Model:
    """With weights that are not zero, as those of the output start."""
    model = resize_output(build(), n_labels)
    model.initialize(X=docs, Y=np.zeros((len(docs), n_labels), dtype="float32"))
    for node in model.walk():
        randomize(node, *({"W", "b", "E"} & set(node.param_names)))
    return model


def test_exclusive_probabilities() -> None:
    for exclusive in (True, None):
        found = class_probabilities(exclusive).predict(SCORES)
        powers = np.exp(SCORES.astype("float64"))
        assert found == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-6)


def test_independent_probabilities() -> None:
    found = class_probabilities(False).predict(SCORES)
    assert found == pytest.approx(1 / (1 + np.exp(-SCORES.astype("float64"))), abs=1e-6)


@pytest.mark.parametrize("exclusive", [True, False, None])
def test_the_gradient_is_that_of_the_scores(exclusive: bool | None) -> None:
    """As spaCy's `textcat` gives it: probability minus truth."""
    _, backprop = class_probabilities(exclusive).begin_update(SCORES)
    assert (backprop(SCORES) == SCORES).all()


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("configured", [True, False, None])
def test_exclusive_is_set_where_the_config_left_it_open(configured: bool | None, wanted: bool) -> None:
    model = build_bag(configured)
    assert set_exclusive(model, wanted) is (configured in (None, wanted))
    exclusive = wanted if configured is None else configured
    assert model.attrs["multi_label"] is not exclusive
    rows = model.layers[-1].predict(SCORES).sum(axis=1)
    assert (rows == pytest.approx(np.ones(3))) is exclusive
    assert set_exclusive(model, exclusive)
    assert not set_exclusive(model, not exclusive)


@pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)
def test_resized_before_initialization(build: Callable[[], Model], docs: list[Doc]) -> None:
    model = build()
    for n_labels in (2, 4, 3):
        assert resize_output(model, n_labels) is model
    model.initialize(X=docs)
    assert model.predict(docs).shape == (3, 3)


@pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)
def test_what_was_learned_stays(build: Callable[[], Model], docs: list[Doc]) -> None:
    model = initialized(build, docs, 2)
    before = model.layers[0].predict(docs)
    assert resize_output(model, 4) is model
    # No layer says another number than it gives.
    assert model.get_dim("nO") == 4
    assert not model.layers[0].has_dim("nO") or model.layers[0].get_dim("nO") == 4
    after = model.layers[0].predict(docs)
    assert after.shape == (3, 4)
    assert after[:, :2] == pytest.approx(before, abs=1e-6)
    assert before.any()
    assert not after[:, 2:].any()
    assert model.predict(docs).sum(axis=1) == pytest.approx(np.ones(3))


@pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)
def test_new_labels_are_learned(build: Callable[[], Model], docs: list[Doc]) -> None:
    model = resize_output(initialized(build, docs, 2), 3)
    _, backprop = model.begin_update(docs)
    backprop(np.ones((3, 3), dtype="float32"))
    outputs = [node for node in model.walk() if CLASS_OUTPUT in node.attrs]
    assert len(outputs) == (2 if build is build_mixture else 1)
    for node in outputs:
        assert node.get_grad("b")[2] != 0
        assert node.get_grad("W").shape == node.get_param("W").shape


@pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)
def test_bytes_after_resizing_load_into_a_fresh_model(build: Callable[[], Model], docs: list[Doc]) -> None:
    model = resize_output(initialized(build, docs, 2), 4)
    data = model.to_bytes()
    for fresh in (build(), resize_output(build(), 4)):
        fresh.from_bytes(data)
        assert (fresh.predict(docs) == model.predict(docs)).all()
        assert fresh.to_bytes() == data
        assert resize_output(fresh, 5).predict(docs).shape == (3, 5)


@pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)
def test_the_same_number_changes_nothing(build: Callable[[], Model], docs: list[Doc]) -> None:
    model = initialized(build, docs, 3)
    nodes, data = list(model.walk()), model.to_bytes()
    assert list(resize_output(model, 3).walk()) == nodes
    assert model.to_bytes() == data


def test_other_layers_keep_their_width(docs: list[Doc]) -> None:
    model = with_probabilities(
        chain(embedding_bag(2, OPTIONS, "mean", 0.0, 1.0), Linear(nO=2, nI=2), linear_output()), True
    )
    resize_output(model, 2)
    model.initialize(X=docs)
    resize_output(model, 3)
    bag, hidden, output = (node for node in model.walk() if node.has_dim("nO") and node.param_names)
    assert [node.get_dim("nO") for node in (bag, hidden, output)] == [2, 2, 3]
    assert output.get_dim("nI") == 2


# The penalty of the weights


def penalised(l2: float, exclusive: bool) -> Model:
    return with_probabilities(linear_output(l2=l2), exclusive)


def rows_and_truth(exclusive: bool, n_labels: int = 3) -> tuple[Any, Any]:
    """Classes that can be told apart in part: without a penalty weights would stay finite too, but larger."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4)).astype("float32")
    scores = 2 * rows[:, :n_labels] + rng.normal(size=(60, n_labels))
    truth = np.eye(n_labels)[scores.argmax(axis=1)] if exclusive else scores > 0.5
    return rows, truth.astype("float32")


def optimise(model: Model, rows: Any, truth: Any, updates: int = 600) -> Model:
    """By an adaptive optimizer, as in `spacy train`."""
    resize_output(model, truth.shape[1])
    model.initialize(X=rows, Y=truth)
    optimizer = Adam(0.1, L2=0.0, grad_clip=0.0)
    for update in range(updates):
        optimizer.learn_rate = 0.1 * (1 - update / updates)
        probabilities, backprop = model.begin_update(rows)
        backprop((probabilities - truth) / len(rows))
        model.finish_update(optimizer)
    return model


@pytest.mark.parametrize("l2", [0.02, 0.3])
@pytest.mark.parametrize("exclusive", [True, False])
def test_the_optimum_is_that_of_ridge_regression(exclusive: bool, l2: float) -> None:
    rows, truth = rows_and_truth(exclusive)
    model = optimise(penalised(l2, exclusive), rows, truth)
    expected = fit_ridge(rows, truth, l2, exclusive)
    output = model.layers[0]
    assert output.get_param("W") == pytest.approx(expected.weights, abs=2e-3)
    biases: Any = output.get_param("b")
    # One number for all does not change a softmax.
    free = biases.mean() - expected.biases.mean() if exclusive else 0.0
    assert biases - free == pytest.approx(expected.biases, abs=2e-3)
    assert model.predict(rows) == pytest.approx(expected.probabilities, abs=1e-3)
    # The penalty is felt: the optimum without it is elsewhere.
    weights: Any = optimise(penalised(0.0, exclusive), rows, truth).layers[0].get_param("W")
    assert np.linalg.norm(weights) > 1.2 * np.linalg.norm(expected.weights)


def test_the_biases_have_no_penalty() -> None:
    """However large it is, the labels keep their shares."""
    rows, truth = rows_and_truth(True)
    truth[:] = [[1, 0, 0]] * 45 + [[0, 1, 0]] * 12 + [[0, 0, 1]] * 3
    model = optimise(penalised(100.0, True), rows, truth)
    assert model.predict(rows) == pytest.approx(np.tile([0.75, 0.2, 0.05], (60, 1)), abs=0.01)


@pytest.mark.parametrize(
    "copy",
    [
        lambda model: pickle.loads(pickle.dumps(model)),
        Model.copy,
        lambda model: resize_output(penalised(0.3, True), 3).from_bytes(model.to_bytes()),
    ],
    ids=["pickle", "copy", "bytes"],
)
def test_copies_are_penalised(copy: Callable[[Model], Model]) -> None:
    rows, truth = rows_and_truth(True)
    model = optimise(penalised(0.3, True), rows, truth, updates=20)
    copied = copy(model)
    assert copied is not model
    assert (copied.predict(rows) == model.predict(rows)).all()
    assert_penalised(model, rows, 0.3)
    assert_penalised(copied, rows, 0.3)
    assert_penalised(resize_output(copied, 4), rows, 0.3)


def assert_penalised(model: Model, rows: Any, l2: float) -> None:
    """Where the truth is what the model says, the gradient is that of the penalty alone."""
    probabilities, backprop = model.begin_update(rows)
    backprop(np.zeros_like(probabilities))
    output = model.layers[0]
    assert output.get_param("W").any()
    assert output.get_grad("W") == pytest.approx(l2 * output.get_param("W"), abs=1e-6)
    assert not output.get_grad("b").any()


def test_labels_added_to_a_penalised_layer() -> None:
    """What was learned stays; trained on, it reaches the optimum of all labels."""
    rows, truth = rows_and_truth(True)
    model = optimise(penalised(0.1, True), rows, truth[:, :2], updates=50)
    before = model.layers[0].predict(rows)
    assert resize_output(model, 3).layers[0].predict(rows)[:, :2] == pytest.approx(before, abs=1e-6)
    model = optimise(model, rows, truth)
    assert model.predict(rows) == pytest.approx(fit_ridge(rows, truth, 0.1, True).probabilities, abs=1e-3)
