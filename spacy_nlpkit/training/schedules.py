"""Registered schedules of learning rates that sequence to sequence is trained with.

They are generators, as Thinc 8 takes them: an optimizer reads the first rate when it is made, and the next after each
step. The first step is number 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from ..errors import Errors, NlpkitError


def create_inverse_sqrt(initial_rate: float, warmup_steps: int) -> Iterator[float]:
    """The schedule `spacy_nlpkit.inverse_sqrt.v1`: up to a rate in even steps, then down by the root of the steps.

    initial_rate (float): The highest rate, reached at step `warmup_steps`.
    warmup_steps (int): 0 starts at the highest rate, as 1 does.
    The form is that of Vaswani et al. (2017), with the highest rate named in place of the width of the model.
    RAISES: N006 for a rate that is not above 0, or a negative number of steps.
    """
    name = "spacy_nlpkit.inverse_sqrt.v1"
    _check(name, "initial_rate", initial_rate, initial_rate > 0, "above 0")
    _check(name, "warmup_steps", warmup_steps, warmup_steps >= 0, "0 or more")
    warmup = max(warmup_steps, 1)
    return _rates(lambda step: initial_rate * min(step / warmup, (warmup / step) ** 0.5))


def create_noam(width: int, warmup_steps: int, scale: float = 1.0) -> Iterator[float]:
    """The schedule `spacy_nlpkit.noam.v1` of Vaswani et al. (2017), "Attention is all you need", equation 3.

    width (int): Of the model. The highest rate is scale / sqrt(width * warmup_steps).
    RAISES: N006 for a width, steps or scale that is not above 0.
    """
    for setting, value in (("width", width), ("warmup_steps", warmup_steps), ("scale", scale)):
        _check("spacy_nlpkit.noam.v1", setting, value, value > 0, "above 0")
    return _rates(lambda step: scale * width**-0.5 * min(step**-0.5, step * warmup_steps**-1.5))


def _rates(rate: Callable[[int], float]) -> Iterator[float]:
    # A generator expression, so that the settings above are looked at when the schedule is made, not at the first step.
    return (rate(step) for step in count(1))


def _check(name: str, setting: str, value: float, right: bool, expected: str) -> None:
    if not right:
        raise NlpkitError(Errors.N006.format(setting=setting, name=name, expected=expected, value=value))
