"""Training of torch modules inside spaCy: mixed precision, one fused optimizer, groups of parameters, averages.

The loss stays in torch: what a decoder scores is never handed to Thinc, where it would be the largest array by far.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from thinc.api import Optimizer, torch2xp
from torch import Tensor, nn

from ..errors import Errors, NlpkitError
from .torch_shim import TorchShim
from .torch_state import Moments, moments_of, pack_state, set_moments, unpack_state, weights_of

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Of the averages, as in Thinc.
MAX_DECAY = 0.9999

# What a shim counts, and goes on counting after an interruption.
COUNTS = ("n_updates", "n_steps")

# The sum of a batch's losses, and over how much it is a sum.
Loss = tuple[Tensor, int]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn in a way of their own.

    pattern: Regular expression that is searched for in their names.
    learn_rate: Factor to the optimizer's learning rate.
    frozen_steps: Updates before they begin to learn; None: they never do.
    RAISES: N006 for a negative number.
    """

    pattern: str
    learn_rate: float = 1.0
    frozen_steps: int | None = 0

    def __post_init__(self) -> None:
        for setting, value in (("learn_rate", self.learn_rate), ("frozen_steps", self.frozen_steps or 0)):
            if value < 0:
                details = {"setting": setting, "name": f"the group {self.pattern!r}", "expected": "0 or more"}
                raise NlpkitError(Errors.N006.format(**details, value=value))


def autocast(device: str, precision: str) -> torch.autocast:
    """The context of a forward pass on a kind of device in a precision, one of `PRECISIONS`."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


class LossShim(TorchShim):
    """Trains a torch module whose loss is computed in torch, with the values of the config's optimizer.

    Gradients of several batches add up until `finish_update`, and are divided there by the number of items of all: with
    gradient accumulation every item counts the same, however many stood in its batch.
    """

    def __init__(self, module: nn.Module, precision: str = "float32", groups: Sequence[ParameterGroup] = ()) -> None:
        """precision: Of the forward pass in training: float32, bfloat16 or float16, on CPU and GPU.
        groups: A parameter belongs to the first whose pattern its name has; all others learn as the optimizer says.

        RAISES: N225 for a pattern that finds no parameter, or is none.
        """
        super().__init__(module)
        self.precision = precision
        self.groups = tuple(groups)
        self.n_updates = 0
        # Calls of `finish_update`, also those without gradients: a training loop steps its schedules as often.
        self.n_steps = 0
        self._n_behind = 0
        # Batches that were learned from, and the learning rate of the last update, which loggers show.
        self.n_batches = 0
        self.learn_rate: float | None = None
        self._n_items = 0
        self._torch_optimizer: Any = None
        self._moments: Moments = {}
        self._averages: dict[str, Tensor] = {}
        # Gradients of float16 underflow unless the loss is scaled up; the range of bfloat16 is that of float32.
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "float16")
        # What is fixed by nature, such as tables of sinusoidal positions, belongs to no group and never learns.
        learning = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        self._group_of = {name: self._find_group(name, learning[0]) for name in learning}
        for number, group in enumerate(self.groups):
            if number not in self._group_of.values():
                raise NlpkitError(Errors.N225.format(pattern=group.pattern, first=next(iter(self._group_of), "none")))
        self._thaw()

    def _find_group(self, name: str, first: str) -> int | None:
        try:
            return next((n for n, group in enumerate(self.groups) if re.search(group.pattern, name)), None)
        except re.error as error:
            raise NlpkitError(Errors.N225.format(pattern=str(error.pattern), first=first)) from error

    @property
    def module(self) -> Any:
        """The module that the shim holds."""
        return self._model

    @property
    def loss_scale(self) -> float:
        """What gradients have been multiplied by since the last update, that those of float16 do not underflow."""
        return self._scaler.get_scale()

    def begin_loss(self, compute: Callable[[Any], Loss]) -> tuple[float, int, Callable[[], None]]:
        """Compute a loss in training mode.

        RETURNS: Its sum, over how many items, and the backward pass, which adds to the gradients.
        """
        self._model.train()
        with autocast(self.device.type, self.precision):
            total, n_items = compute(self._model)

        def backprop() -> None:
            self._n_items += n_items
            self.n_batches += 1
            if total.requires_grad:
                self._scaler.scale(total).backward()

        return float(total.detach()), n_items, backprop

    # Updates

    def finish_update(self, optimizer: Optimizer) -> None:
        """One step with the gradients since the last: mean over items, clipped by their global norm.

        From the optimizer: learning rate, betas, eps, `grad_clip`, `L2` (decoupled or not; biases and norms have none),
        and whether weights are averaged.
        """
        self.n_steps += 1
        for _ in range(self._n_behind):
            optimizer.step_schedules()
        self._n_behind = 0
        if self._n_items == 0:
            return
        inner = self._follow(optimizer)
        self._scaler.unscale_(inner)
        gradients = [p.grad for p in self._model.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, 1.0 / self._n_items)
        if optimizer.grad_clip:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), optimizer.grad_clip, foreach=True)
        self._scaler.step(inner)
        self._scaler.update()
        inner.zero_grad(set_to_none=True)
        self._n_items = 0
        self.n_updates += 1
        if optimizer.averages is not None:
            self._average(optimizer.averages)
        self._thaw()

    def _follow(self, optimizer: Optimizer) -> Any:
        """The torch optimizer, with the values that the config's has at this step."""
        if self._torch_optimizer is None:
            self._torch_optimizer = self._build_optimizer(optimizer)
            set_moments(self._torch_optimizer, self._model, self._moments)
            self._moments = {}
        self.learn_rate = float(optimizer.learn_rate)
        for group in self._torch_optimizer.param_groups:
            group["lr"] = optimizer.learn_rate * group["factor"]
            group["weight_decay"] = optimizer.L2 if group["decays"] else 0.0
            group["eps"] = optimizer.eps
            if "betas" in group:
                group["betas"] = (optimizer.b1, optimizer.b2)
        return self._torch_optimizer

    def _build_optimizer(self, optimizer: Optimizer) -> Any:
        parts: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for name, parameter in self._learning():
            group = self._group_of[name]
            factor = 1.0 if group is None else self.groups[group].learn_rate
            parts.setdefault((factor, parameter.ndim > 1), []).append(parameter)
        groups = [{"params": found, "factor": factor, "decays": decays} for (factor, decays), found in parts.items()]
        if optimizer.use_radam:
            return torch.optim.RAdam(groups, decoupled_weight_decay=optimizer.L2_is_weight_decay)
        if optimizer.b1 > 0.0 and optimizer.b2 > 0.0:
            adam = torch.optim.AdamW if optimizer.L2_is_weight_decay else torch.optim.Adam
            return adam(groups, fused=True)
        return torch.optim.SGD(groups)

    def _average(self, averages: dict[Any, Any]) -> None:
        """Moving averages of the weights, where the training loop looks for them when it evaluates and saves."""
        for name, parameter in self._model.named_parameters():
            if parameter.requires_grad and name not in self._averages:
                self._averages[name] = parameter.detach().clone()
        for name, average in self._averages.items():
            if (self.id, name) not in averages:
                averages[(self.id, name)] = torch2xp(average)  # the same memory
        weights = dict(self._model.named_parameters())
        decay = min((1.0 + self.n_updates) / (10.0 + self.n_updates), MAX_DECAY)
        current = [weights[name].detach() for name in self._averages]
        torch._foreach_lerp_(list(self._averages.values()), current, 1.0 - decay)

    # Going on with a training

    def state_bytes(self) -> bytes:
        """All that a training needs to go on: weights as they are learned, even while averages stand in their place,
        what the optimizer keeps of them, their averages and the counts; as safetensors."""
        moments = self._moments if self._torch_optimizer is None else moments_of(self._torch_optimizer, self._model)
        counts = {name: getattr(self, name) for name in COUNTS}
        weights = {**weights_of(self._model), **self._own}
        return pack_state(weights, moments, self._averages, counts, self._scaler.state_dict())

    def load_state(self, data: bytes, owner: str, *, step_schedules: bool = True) -> None:
        """Go on from what `state_bytes` gave.

        owner: Name of the component, for the message.
        step_schedules: Whether the optimizer of the next update is one of a new training, whose schedules are at their
            beginning: they are then brought to where they were. Of shims with one optimizer, one may do that.
        RAISES: N260 where it is no such state, or that of a module with other parameters.
        """
        state = unpack_state(data, self._model, owner)
        self._model.load_state_dict(state.weights, strict=False)
        self._torch_optimizer, self._moments, self._averages = None, state.moments, state.averages
        for name in COUNTS:
            setattr(self, name, state.counts[name])
        if self._scaler.is_enabled() and state.scaler:
            self._scaler.load_state_dict({**self._scaler.state_dict(), **state.scaler})
        self._n_behind = self.n_steps if step_schedules else 0
        self._thaw()

    def _learning(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that learn at some time."""
        return [(name, value) for name, value in self._model.named_parameters() if name in self._group_of]

    def _thaw(self) -> None:
        """Let the parameters learn whose time has come."""
        for name, parameter in self._learning():
            number = self._group_of[name]
            frozen = 0 if number is None else self.groups[number].frozen_steps
            parameter.requires_grad_(frozen is not None and self.n_updates >= frozen)
