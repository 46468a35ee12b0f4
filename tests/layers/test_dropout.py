"""Dropout on a CPU: its rate, its scale, its seed, its gradient."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from spacy_nlpkit.layers.dropout import Dropout, drop  # noqa: E402


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.75])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rate_and_scale(rate: float, dtype: torch.dtype) -> None:
    """Of 999,999 values (no multiple of four) the rate is zero within four deviations; the others share one scale."""
    torch.manual_seed(0)
    states = torch.ones(999, 1001, dtype=dtype)
    found = drop(states, rate)
    deviation = (rate * (1 - rate) / states.numel()) ** 0.5
    assert float((found == 0).double().mean()) == pytest.approx(rate, abs=4 * deviation)
    assert found[found > 0].unique().tolist() == pytest.approx([1 / (1 - rate)], rel=1e-2)
    assert found.dtype == dtype


def test_lanes_are_independent() -> None:
    """Values of one drawn number, and neighbours of two, fall alike no more often than by chance."""
    torch.manual_seed(0)
    zero = drop(torch.ones(2**20), 0.5) == 0
    for distance in range(1, 9):
        alike = float((zero[:-distance] == zero[distance:]).double().mean())
        assert alike == pytest.approx(0.5, abs=0.003), distance
    for lane in range(4):
        assert float(zero[lane::4].double().mean()) == pytest.approx(0.5, abs=0.005), lane


def test_gradient_and_seed() -> None:
    states = torch.randn(7, 5, requires_grad=True)
    torch.manual_seed(3)
    found = drop(states, 0.4)
    found.sum().backward()
    scale = states.grad
    assert torch.allclose(found, states * scale)
    assert 0 < int((scale == 0).sum()) < 35
    torch.manual_seed(3)
    assert torch.equal(drop(states, 0.4), found)
    assert not torch.equal(drop(states, 0.4), found)


def test_ends_of_the_range() -> None:
    states = torch.randn(3, 3)
    assert torch.equal(drop(states, 0.0), states)
    assert torch.equal(drop(states, 1.0), torch.zeros(3, 3))
    assert drop(torch.empty(0, 4), 0.5).shape == (0, 4)
    assert drop(torch.tensor(2.0), 0.5).item() in (0.0, 4.0)


def test_module_drops_in_training_only() -> None:
    module, states = Dropout(0.5), torch.ones(1000)
    assert torch.equal(module.eval()(states), states)
    assert set(module.train()(states).tolist()) == {0.0, 2.0}
