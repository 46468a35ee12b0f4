"""The state of a training in torch as bytes, by safetensors: weights, what the optimizer keeps of them, averages."""

from __future__ import annotations

from typing import Any, NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..errors import Errors, NlpkitError

# By names of parameters: what an optimizer keeps of each, such as moving averages of its gradients.
Moments = dict[str, dict[str, Tensor]]
# Parts of the names of tensors.
WEIGHTS, MOMENTS, AVERAGES, COUNTS, SCALER = "weights", "moments", "averages", "counts", "scaler"


class TrainingState(NamedTuple):
    """What `pack_state` packs."""

    weights: dict[str, Tensor]
    moments: Moments
    averages: dict[str, Tensor]
    counts: dict[str, int]
    scaler: dict[str, float | int]


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a module that are saved with it, those of several names once."""
    saved = module.state_dict().keys()
    buffers = {name: buffer for name, buffer in module.named_buffers() if name in saved}
    return {**{name: parameter.detach() for name, parameter in module.named_parameters()}, **buffers}


def moments_of(optimizer: torch.optim.Optimizer, module: nn.Module) -> Moments:
    """What an optimizer keeps of the parameters of a module, none for those that have not learned yet."""
    found = {name: optimizer.state.get(parameter, {}) for name, parameter in module.named_parameters()}
    return {
        name: {key: value for key, value in kept.items() if isinstance(value, Tensor)}
        for name, kept in found.items()
        if kept
    }


def set_moments(optimizer: torch.optim.Optimizer, module: nn.Module, moments: Moments) -> None:
    """Let an optimizer of the module's parameters go on with what another kept of them."""
    if not moments:
        return
    name_of = {parameter: name for name, parameter in module.named_parameters()}
    names = [name_of[parameter] for group in optimizer.param_groups for parameter in group["params"]]
    state = {number: moments[name] for number, name in enumerate(names) if name in moments}
    # By its own method, which knows where it wants to have what.
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def pack_state(
    weights: dict[str, Tensor],
    moments: Moments,
    averages: dict[str, Tensor],
    counts: dict[str, int],
    scaler: dict[str, Any],
) -> bytes:
    """All of it as the bytes of a safetensors file. scaler: State of a `GradScaler`, empty where none scales."""
    tensors = {f"{WEIGHTS}/{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{MOMENTS}/{key}/{name}": tensor for name, kept in moments.items() for key, tensor in kept.items()}
    tensors |= {f"{AVERAGES}/{name}": tensor for name, tensor in averages.items()}
    tensors |= {f"{COUNTS}/{name}": torch.tensor(count) for name, count in counts.items()}
    tensors |= {f"{SCALER}/{name}": torch.tensor(value, dtype=torch.float64) for name, value in scaler.items()}
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()})


def unpack_state(data: bytes, module: nn.Module, owner: str) -> TrainingState:
    """What `pack_state` packed, on the device of the module. owner: Name of its component, for the message.

    RAISES: N260 where it is something else, or does not have the module's parameters.
    """
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise NlpkitError(Errors.N260.format(name=owner, problem=f"it is not of safetensors ({error})")) from error
    state = TrainingState({}, {}, {}, {}, {})
    device = next(module.parameters()).device
    for path, tensor in tensors.items():
        part, _, name = path.partition("/")
        if part == MOMENTS:
            key, _, name = name.partition("/")
            state.moments.setdefault(name, {})[key] = tensor
        elif part in (COUNTS, SCALER):
            value = tensor.item()
            getattr(state, part)[name] = int(value) if float(value).is_integer() else value
        elif part in (WEIGHTS, AVERAGES):
            getattr(state, part)[name] = tensor.to(device)
    _check(state.weights, module, owner)
    return state


def _check(found: dict[str, Tensor], module: nn.Module, owner: str) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in weights_of(module).items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            there, here = (given.get(name, "none") for given in (shapes, expected))
            problem = f"the parameter '{name}' has the shape {there} there and {here} here"
            raise NlpkitError(Errors.N260.format(name=owner, problem=problem))
