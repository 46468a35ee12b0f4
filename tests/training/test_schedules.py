"""The schedules of learning rates, as an optimizer of Thinc and a training config take them."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from spacy.util import load_config_from_str, registry
from thinc.api import Optimizer, get_current_ops

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.training.schedules import create_inverse_sqrt, create_noam

CONFIG = """
[optimizer]
@optimizers = "Adam.v1"

[optimizer.learn_rate]
@schedules = "spacy_nlpkit.{name}.v1"
{settings}
"""


def test_inverse_sqrt_rises_evenly_and_falls_by_the_root() -> None:
    rates = list(islice(create_inverse_sqrt(0.002, 4), 64))
    assert rates[:4] == pytest.approx([0.0005, 0.001, 0.0015, 0.002])
    assert rates[15] == pytest.approx(0.001)
    assert rates[63] == pytest.approx(0.0005)
    assert max(rates) == rates[3]
    assert list(islice(create_inverse_sqrt(0.1, 0), 4)) == pytest.approx([0.1, 0.1 / 2**0.5, 0.1 / 3**0.5, 0.05])


def test_noam_is_the_equation_of_the_paper() -> None:
    rates = list(islice(create_noam(512, 4000), 16000))
    for step in (1, 100, 3999, 4000, 4001, 16000):
        assert rates[step - 1] == pytest.approx(512**-0.5 * min(step**-0.5, step * 4000**-1.5))
    assert int(np.argmax(rates)) == 3999
    assert next(create_noam(512, 4000, 2.0)) == pytest.approx(2 * rates[0])


@pytest.mark.parametrize(
    ("name", "settings", "rates"),
    [
        ("inverse_sqrt", "initial_rate = 0.004\nwarmup_steps = 2", [0.002, 0.004, 0.004 * (2 / 3) ** 0.5]),
        ("noam", "width = 16\nwarmup_steps = 1\nscale = 0.5", [0.125, 0.125 / 2**0.5, 0.125 / 3**0.5]),
    ],
)
def test_an_optimizer_takes_one_rate_a_step(name: str, settings: str, rates: list[float]) -> None:
    config = load_config_from_str(CONFIG.format(name=name, settings=settings))
    optimizer: Optimizer = registry.resolve(config)["optimizer"]
    ops = get_current_ops()
    weights = ops.asarray1f([1.0])
    for rate in rates:
        assert optimizer.learn_rate == pytest.approx(rate)
        gradient = ops.asarray1f([0.5])
        before = float(weights[0])
        weights, _ = optimizer((1, "W"), weights, gradient)
        # The first steps of Adam go by the rate, whatever the size of a gradient that stays the same.
        assert before - float(weights[0]) == pytest.approx(rate, rel=1e-3)
        optimizer.step_schedules()


@pytest.mark.parametrize(("rate", "steps"), [(0.0, 5), (-1.0, 5), (0.1, -1)])
def test_inverse_sqrt_refuses_settings_when_it_is_made(rate: float, steps: int) -> None:
    with pytest.raises(NlpkitError, match=r"N006.*inverse_sqrt"):
        create_inverse_sqrt(rate, steps)


@pytest.mark.parametrize("settings", [(0, 5, 1.0), (16, 0, 1.0), (16, 5, 0.0)])
def test_noam_refuses_settings_when_it_is_made(settings: tuple[int, int, float]) -> None:
    with pytest.raises(NlpkitError, match=r"N006.*noam"):
        create_noam(*settings)
