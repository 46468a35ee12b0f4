"""The recurrent layer: padding never counts, gradients, averaged weights, and how it is stored."""

from __future__ import annotations

import pickle
import pickletools
from typing import Any

import numpy as np
import pytest
import srsly
from thinc.api import Model, Optimizer, fix_random_seed

from .reference import assert_gradients

torch = pytest.importorskip("torch", reason="the extra 'transformers' is not installed")
safetensors_torch = pytest.importorskip("safetensors.torch")

from spacy_nlpkit.layers.recurrent import recurrent_pooling  # noqa: E402

WIDTH, HIDDEN = 3, 4
LENGTHS = [3, 1, 6, 2]
CELLS = ["rnn", "lstm", "gru"]
POOLINGS = ["last", "attention", "max"]


def vectors_of(lengths: list[int]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, WIDTH)).astype("float32") for length in lengths]


def build(
    cell: str = "gru", pooling: str = "attention", depth: int = 1, bidirectional: bool = True, dropout: float = 0.0
) -> Model:
    fix_random_seed(0)
    return recurrent_pooling(cell, WIDTH, HIDDEN, depth, bidirectional, [pooling], dropout)


def weights_of(model: Model) -> dict[str, np.ndarray]:
    module = model.shims[0]._model
    return {name: weights.detach().numpy().copy() for name, weights in module.named_parameters()}


def averages_of(optimizer: Optimizer) -> dict[tuple[int, str], Any]:
    assert optimizer.averages
    return dict(optimizer.averages)


def state_of(data: bytes) -> bytes:
    """The weights of the torch module within the bytes of the model."""
    ((shim,),) = srsly.msgpack_loads(data)["shims"]
    return srsly.msgpack_loads(shim)["state"]


def train(model: Model, optimizer: Optimizer, steps: int = 3) -> None:
    documents = vectors_of(LENGTHS)
    for _ in range(steps):
        pooled, backprop = model.begin_update(documents)
        backprop(pooled - 1)
        model.finish_update(optimizer)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(("depth", "bidirectional"), [(1, False), (1, True), (2, True)])
def test_padding_is_masked(cell: str, pooling: str, depth: int, bidirectional: bool) -> None:
    """A batch gives what each of its documents gives alone, without any padding."""
    model, documents = build(cell, pooling, depth, bidirectional), vectors_of(LENGTHS)
    pooled = model.predict(documents)
    assert pooled.shape == (len(documents), HIDDEN * (1 + bidirectional)) == (len(documents), model.get_dim("nO"))
    alone = np.concatenate([model.predict([tokens]) for tokens in documents])
    assert pooled == pytest.approx(alone, abs=1e-6)
    assert len({row.tobytes() for row in pooled}) == len(documents)


def test_poolings_side_by_side() -> None:
    documents = vectors_of(LENGTHS)
    alone = [build(pooling=pooling) for pooling in POOLINGS]
    model = recurrent_pooling("gru", WIDTH, HIDDEN, 1, True, POOLINGS, 0.0)
    assert model.get_dim("nO") == 3 * 2 * HIDDEN
    state = {
        name: torch.from_numpy(weights) for name, weights in weights_of(alone[POOLINGS.index("attention")]).items()
    }
    model.shims[0]._model.load_state_dict(state)
    for single in alone:
        single.shims[0]._model.load_state_dict(state, strict=False)
    expected = np.concatenate([single.predict(documents) for single in alone], axis=1)
    assert model.predict(documents) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_against_torch_step_by_step(pooling: str) -> None:
    """A plain network, its two directions run by hand, the second one from the last token of each document."""
    model = build("rnn", pooling)
    weights, documents = weights_of(model), vectors_of(LENGTHS)
    for row, tokens in zip(model.predict(documents), documents):
        directions = []
        for suffix, order in (("", 1), ("_reverse", -1)):
            w_in, w_state, b_in, b_state = (
                weights[f"rnn.{name}_l0{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            states = [np.zeros(HIDDEN)]
            for token in tokens[::order]:
                states.append(np.tanh(w_in @ token + b_in + w_state @ states[-1] + b_state))
            directions.append(np.array(states[1:])[::order])
        both = np.concatenate(directions, axis=1)
        if pooling == "last":
            expected = np.concatenate([both[-1, :HIDDEN], both[0, HIDDEN:]])
        elif pooling == "max":
            expected = both.max(axis=0)
        else:
            powers = np.exp(both @ weights["attention.weight"][0] + weights["attention.bias"])
            expected = (powers / powers.sum()) @ both
        assert row == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradient_of_the_inputs(cell: str, pooling: str) -> None:
    """In both directions; that of one document does not depend on how long the others are."""
    model, documents = build(cell, pooling), vectors_of(LENGTHS)
    assert_gradients(model, documents)


@pytest.mark.parametrize("cell", CELLS)
def test_learns(cell: str) -> None:
    """All weights of the network move, and the loss falls."""
    model, documents = build(cell, depth=2), vectors_of(LENGTHS)
    before = weights_of(model)
    losses = []
    optimizer = Optimizer(0.01)
    for _ in range(10):
        pooled, backprop = model.begin_update(documents)
        losses.append(float(((pooled - 0.3) ** 2).sum()))
        backprop(pooled - 0.3)
        model.finish_update(optimizer)
    assert losses == sorted(losses, reverse=True)
    # The bias of attention shifts all tokens alike: its gradient is nothing but rounding.
    assert all(
        (weights != before[name]).any() for name, weights in weights_of(model).items() if "attention.b" not in name
    )


def test_dropout_only_in_training() -> None:
    documents = vectors_of(LENGTHS)
    model, whole = build(dropout=0.5), build(dropout=0.0)
    assert (model.predict(documents) == whole.predict(documents)).all()
    assert (model.begin_update(documents)[0] != model.begin_update(documents)[0]).any()
    assert (model.predict(documents) == whole.predict(documents)).all()


def test_averaged_weights_are_used_and_put_back() -> None:
    """Thinc's own shim looks for them under other names than its optimizer gives them, and leaves them out."""
    model, documents = build(), vectors_of(LENGTHS)
    optimizer = Optimizer(0.1, use_averages=True)
    train(model, optimizer, steps=5)
    last, averages = weights_of(model), averages_of(optimizer)
    assert len(averages) == len(last)
    plain = model.predict(documents)
    with model.use_params(averages):
        used = weights_of(model)
        for (_, name), weights in averages.items():
            assert (used[name] == weights).all()
        averaged, stored = model.predict(documents), model.to_bytes()
    assert any((used[name] != weights).any() for name, weights in last.items())
    assert (averaged != plain).any()
    assert (model.predict(documents) == plain).all()
    assert all((weights == last[name]).all() for name, weights in weights_of(model).items())
    assert (build().from_bytes(stored).predict(documents) == averaged).all()


def test_averaged_weights_are_put_back_after_an_error() -> None:
    model, documents = build(), vectors_of(LENGTHS)
    optimizer = Optimizer(0.1, use_averages=True)
    train(model, optimizer)
    plain = model.predict(documents)
    with pytest.raises(RuntimeError, match="evaluation failed"), model.use_params(averages_of(optimizer)):
        raise RuntimeError("evaluation failed")
    assert (model.predict(documents) == plain).all()


def test_weights_of_others_change_nothing() -> None:
    model, other, documents = build(), build("rnn"), vectors_of(LENGTHS)
    optimizer = Optimizer(0.1, use_averages=True)
    train(other, optimizer)
    plain = model.predict(documents)
    with model.use_params(averages_of(optimizer)):
        assert (model.predict(documents) == plain).all()


@pytest.mark.parametrize("cell", CELLS)
def test_bytes_are_safetensors(cell: str) -> None:
    model, documents = build(cell, depth=2), vectors_of(LENGTHS)
    train(model, Optimizer(0.01))
    data = model.to_bytes()
    stored = safetensors_torch.load(state_of(data))
    assert {name: weights.numpy().tolist() for name, weights in stored.items()} == {
        name: weights.tolist() for name, weights in weights_of(model).items()
    }
    copy = build(cell, depth=2).from_bytes(data)
    assert (copy.predict(documents) == model.predict(documents)).all()
    assert copy.to_bytes() == data
    train(model, Optimizer(0.01))
    train(copy, Optimizer(0.01))
    assert (copy.predict(documents) == model.predict(documents)).all()


def test_no_pickle_in_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither written nor read."""
    model = build()
    with monkeypatch.context() as patch:
        for module, name in ((pickle, "loads"), (pickle, "load"), (pickle, "dumps"), (torch, "load"), (torch, "save")):
            patch.setattr(module, name, None)
        data = model.to_bytes()
        build().from_bytes(data)
    with pytest.raises(ValueError, match="opcode"):
        list(pickletools.genops(state_of(data)))


def test_copies_do_not_share_weights() -> None:
    model, documents = build(), vectors_of(LENGTHS)
    plain = model.predict(documents)
    for copy in (model.copy(), pickle.loads(pickle.dumps(model))):
        assert (copy.predict(documents) == plain).all()
        train(copy, Optimizer(0.1))
        assert (copy.predict(documents) != plain).any()
        assert (model.predict(documents) == plain).all()
