"""The way from Thinc to torch modules: averaged weights that evaluation and saving really use, and safetensors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import safetensors.torch
import torch
from thinc.api import PyTorchShim, xp2torch

# A forked process has none of its parent's threads: it would wait for them forever where torch shares out its work.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class TorchShim(PyTorchShim):
    """Holds a torch module inside a Thinc model.

    Thinc's own shim looks for averaged weights under names that its optimizer never uses, so that a pipeline would be
    evaluated and saved half averaged; and it stores weights by pickle.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__(module, serialize_model=_to_bytes, deserialize_model=_from_bytes)
        # The weights that training goes on with, while others stand in their place.
        self._own: dict[str, torch.Tensor] = {}

    @contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Swap in the weights that `params` has under (id of the shim, name) while the context lasts."""
        module = self._model
        averaged = {
            name: xp2torch(params[(self.id, name)], device=self.device)
            for name, _ in module.named_parameters()
            if (self.id, name) in params
        }
        backup = {name: weights.detach().clone() for name, weights in module.named_parameters() if name in averaged}
        # An evaluation that ended by an error may never have put back what it swapped out.
        outermost = not self._own
        if outermost:
            self._own = backup
        module.load_state_dict(averaged, strict=False)
        try:
            yield
        finally:
            module.load_state_dict(backup, strict=False)
            if outermost:
                self._own = {}


def _to_bytes(module: torch.nn.Module) -> bytes:
    return safetensors.torch.save({name: value.contiguous() for name, value in module.state_dict().items()})


def _from_bytes(module: torch.nn.Module, data: bytes, device: torch.device) -> torch.nn.Module:
    module.load_state_dict(safetensors.torch.load(data))
    return module.to(device)
