"""Updates of torch modules by the values of a Thinc optimizer, against Thinc's own and against plain formulas."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from thinc.api import SGD, Adam, Model, Optimizer  # noqa: E402

from spacy_nlpkit.errors import NlpkitError  # noqa: E402
from spacy_nlpkit.layers.torch_shim import TorchShim  # noqa: E402
from spacy_nlpkit.layers.torch_training import LossShim, ParameterGroup  # noqa: E402

X = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0], [2.0, 0.0, 1.0]])
Y = torch.tensor([[1.0], [0.0], [-1.0]])


def build() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def loss_of(rows: slice = slice(None)) -> Any:
    """The sum of squares over some rows, and how many they are."""
    return lambda module: (((module(X[rows]) - Y[rows]) ** 2).sum(), len(X[rows]))


def step(shim: LossShim, optimizer: Optimizer, *parts: slice) -> float:
    total = 0.0
    for part in parts or (slice(None),):
        loss, n_items, backprop = shim.begin_loss(loss_of(part))
        assert n_items == len(X[part])
        backprop()
        total += loss
    shim.finish_update(optimizer)
    optimizer.step_schedules()
    return total


def weights(shim: TorchShim) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in shim._model.named_parameters()}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(0.01, L2=0.0, grad_clip=0.0),
        lambda: Adam([0.01, 0.02, 0.03, 0.01, 0.005], L2=0.0, grad_clip=0.0, beta1=0.8, beta2=0.9),
        lambda: SGD(0.1, L2=0.0, grad_clip=0.0, use_averages=True),
    ],
    ids=["adam", "schedule", "sgd"],
)
def test_weights_are_those_of_thinc(make: Any) -> None:
    """Thinc steps parameter by parameter; with the same gradients the weights are the same."""
    module = build()
    ours, theirs = LossShim(copy.deepcopy(module)), TorchShim(module)
    first, second = make(), make()
    for _ in range(5):
        step(ours, first)
        (((theirs._model(X) - Y) ** 2).sum() / 3).backward()
        theirs.finish_update(second)
        second.step_schedules()
    for name, value in weights(theirs).items():
        np.testing.assert_allclose(weights(ours)[name], value, atol=2e-5)


def test_decay_spares_vectors() -> None:
    """Gradients of nothing: what moves is moved by the decay alone."""
    shim = LossShim(build())
    before = weights(shim)
    _, _, backprop = shim.begin_loss(lambda module: (module(X).sum() * 0.0, 3))
    backprop()
    shim.finish_update(Adam(0.1, L2=0.5))
    for name, value in weights(shim).items():
        np.testing.assert_allclose(value, before[name] * (0.95 if value.ndim > 1 else 1.0), rtol=1e-5)


def test_gradients_are_clipped_by_their_global_norm() -> None:
    shim = LossShim(build())
    before = weights(shim)
    step(shim, SGD(1.0, L2=0.0, grad_clip=0.01, use_averages=False))
    moved = np.concatenate([(value - before[name]).ravel() for name, value in weights(shim).items()])
    assert np.linalg.norm(moved) == pytest.approx(0.01, rel=1e-4)


def test_every_item_counts_the_same_however_batches_are_cut() -> None:
    whole, parts = LossShim(build()), LossShim(build())
    step(whole, SGD(0.1, L2=0.0, grad_clip=0.0))
    step(parts, SGD(0.1, L2=0.0, grad_clip=0.0), slice(0, 1), slice(1, 3))
    for name, value in weights(whole).items():
        np.testing.assert_allclose(weights(parts)[name], value, atol=1e-6)


def test_averages_are_what_is_evaluated_and_saved() -> None:
    """As spaCy's loop asks for them: `model.use_params(optimizer.averages)`."""
    shim = LossShim(build())
    model: Model = Model("test", lambda model, X, is_train: (X, lambda d: d), shims=[shim])
    optimizer = Adam(0.05, L2=0.0)
    expected = None
    for number in range(1, 6):
        step(shim, optimizer)
        decay = (1 + number) / (10 + number)
        current = weights(shim)
        expected = expected or current
        expected = {name: decay * expected[name] + (1 - decay) * current[name] for name in current}
    assert optimizer.averages
    current = weights(shim)
    with model.use_params(optimizer.averages):
        saved = model.to_bytes()
        for name, value in weights(shim).items():
            np.testing.assert_allclose(value, expected[name], atol=1e-5)
    for name, value in weights(shim).items():
        assert (value == current[name]).all()
    other = LossShim(build())
    Model("test", lambda model, X, is_train: (X, lambda d: d), shims=[other]).from_bytes(saved)
    for name, value in weights(other).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)


def test_groups_learn_at_their_own_rate_and_time() -> None:
    groups = [
        ParameterGroup(r"^0\.weight", frozen_steps=2), ParameterGroup(r"^0\.bias", frozen_steps=None),
        ParameterGroup(r"^2\.weight", learn_rate=0.5),
    ]  # fmt: skip
    shim, plain = LossShim(build(), groups=groups), LossShim(build())
    start = weights(shim)
    moved = []
    for _ in range(3):
        step(shim, SGD(0.1, L2=0.0, grad_clip=0.0, use_averages=False))
        moved.append({name: (value != start[name]).any() for name, value in weights(shim).items()})
    step(plain, SGD(0.1, L2=0.0, grad_clip=0.0, use_averages=False))
    assert [step["0.weight"] for step in moved] == [False, False, True]
    assert [step["0.bias"] for step in moved] == [False, False, False]
    slow = LossShim(build(), groups=groups[2:])
    step(slow, SGD(0.1, L2=0.0, grad_clip=0.0, use_averages=False))
    moves = [weights(found)["2.weight"] - start["2.weight"] for found in (slow, plain)]
    np.testing.assert_allclose(moves[0], 0.5 * moves[1], rtol=1e-4, atol=1e-7)


def test_what_is_fixed_stays_fixed() -> None:
    module = build()
    module[0].bias.requires_grad_(False)
    shim = LossShim(module)
    before = weights(shim)
    for _ in range(3):
        step(shim, Adam(0.1))
    assert (weights(shim)["0.bias"] == before["0.bias"]).all()
    assert (weights(shim)["0.weight"] != before["0.weight"]).any()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_nearly_the_same(precision: str) -> None:
    half, full = LossShim(build(), precision), LossShim(build())
    assert half.begin_loss(lambda module: (module(X).sum(), 3))[0] == pytest.approx(
        full.begin_loss(lambda module: (module(X).sum(), 3))[0], abs=0.1
    )
    first, second = Adam(0.02, L2=0.0), Adam(0.02, L2=0.0)
    losses = [(step(half, first), step(full, second)) for _ in range(60)]
    assert losses[-1][0] == pytest.approx(losses[-1][1], abs=0.1)
    assert losses[-1][0] < 0.2 * losses[0][0]
    assert all(value.dtype == np.float32 for value in weights(half).values())


def test_an_update_without_gradients_changes_nothing() -> None:
    shim = LossShim(build())
    before = weights(shim)
    shim.finish_update(Adam(0.1))
    assert shim.n_updates == 0
    assert all((value == before[name]).all() for name, value in weights(shim).items())


@pytest.mark.parametrize("pattern", ["encoder", "("])
def test_a_pattern_that_finds_nothing(pattern: str) -> None:
    with pytest.raises(NlpkitError, match=r"\[N225\].*0\.weight"):
        LossShim(build(), groups=[ParameterGroup(pattern)])
