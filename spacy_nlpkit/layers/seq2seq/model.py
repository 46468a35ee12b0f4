"""The Thinc model around an encoder-decoder: its weights, its loss, what it writes and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from thinc.api import Model
from thinc.types import Floats1d
from torch import Tensor

from ...subwords import END, PAD, START
from ..torch_training import Loss, LossShim, ParameterGroup, autocast
from .interface import IGNORED, EncoderDecoder, Special
from .loss import divergence, scores_of_target, smoothed_cross_entropy
from .padding import pad_pieces
from .search import Hypothesis, SearchOptions, search

# Makes the module for sizes of source and target vocabulary, special pieces, and the config of a pretrained model.
Build = Callable[[int, int, Special, dict[str, Any] | None], EncoderDecoder]
# Sets what changes with the number of updates, before each of them.
Prepare = Callable[[Any, int], None]
Pieces = list[list[int]]
_BUILD, _SHIM, _PREPARE = "build", "shim_settings", "prepare"


@dataclass(frozen=True)
class PairBatch:
    """Sources and what is to be written for them, as numbers of pieces without special ones.

    smoothing: Of the labels. r_drop: Weight of the divergence of two passes with different dropout.
    """

    source: Pieces
    target: Pieces
    smoothing: float = 0.0
    r_drop: float = 0.0


Seq2Seq = Model[PairBatch, Floats1d]


def encoder_decoder(
    build: Build, precision: str, groups: Sequence[ParameterGroup] = (), prepare: Prepare | None = None
) -> Seq2Seq:
    """Losses of pairs: the sum over all pieces of the target, their number, and the sum without smoothing: (3,).

    The module is made when the vocabularies are known: see `set_module`. The backward pass takes no gradient: what is
    minimised is the loss itself, a mean over the pieces of all batches since the last update.
    """
    attrs = {_BUILD: build, _SHIM: (precision, tuple(groups)), _PREPARE: prepare}
    return Model("encoder_decoder", _forward, attrs=attrs)


def build_module(model: Seq2Seq, sizes: Sequence[int], config: dict[str, Any] | None) -> EncoderDecoder:
    """A module of the architecture, with weights drawn by torch's generator, for source and target of these sizes.

    config: Of a pretrained model, else None.
    """
    source_size, target_size = sizes
    return model.attrs[_BUILD](source_size, target_size, Special(PAD, START, END), config)


def set_module(model: Seq2Seq, module: EncoderDecoder) -> None:
    """Train and use this module from now on."""
    precision, groups = model.attrs[_SHIM]
    model.shims[:] = [LossShim(module, precision, groups)]


def module_of(model: Seq2Seq) -> Any:
    """The module. The model must have one: see `set_module`."""
    shim: Any = model.shims[0]
    return shim.module


def _forward(model: Seq2Seq, batch: PairBatch, is_train: bool) -> tuple[Floats1d, Callable[[Any], Any]]:
    shim: Any = model.shims[0]
    plain = [0.0]

    def compute(module: EncoderDecoder) -> Loss:
        total, n_pieces, nll = _loss(module, batch, is_train)
        plain[0] = float(nll)
        return total, n_pieces

    if is_train:
        if model.attrs[_PREPARE] is not None:
            model.attrs[_PREPARE](shim.module, shim.n_updates)
        total, n_pieces, backprop_loss = shim.begin_loss(compute)
    else:
        shim.module.eval()
        with torch.inference_mode():
            loss, n_pieces = compute(shim.module)
        total, backprop_loss = float(loss), lambda: None

    def backprop(d_losses: Any) -> Any:
        backprop_loss()
        return batch

    return model.ops.asarray1f([total, n_pieces, plain[0]]), backprop


def _loss(module: EncoderDecoder, batch: PairBatch, is_train: bool) -> tuple[Tensor, int, Tensor]:
    device = next(module.parameters()).device
    special = module.special
    source, mask = pad_pieces(batch.source, special.pad, device)
    read, _ = pad_pieces([[special.start, *pieces] for pieces in batch.target], special.pad, device)
    written, _ = pad_pieces([[*pieces, special.end] for pieces in batch.target], IGNORED, device)
    twice = is_train and batch.r_drop > 0.0
    if twice:
        # R-Drop (Liang et al. 2021): two passes of one batch, each with its own dropout, should say the same.
        source, mask, read, written = (rows.repeat(2, 1) for rows in (source, mask, read, written))
    logits, wanted = scores_of_target(module, module.encode(source, mask), read, written)
    total, nll = smoothed_cross_entropy(logits, wanted, batch.smoothing)
    if twice:
        total = total + batch.r_drop * divergence(*logits.chunk(2))
    return total, len(wanted), nll


def write(
    model: Seq2Seq, source: Pieces, options: SearchOptions, prefixes: Pieces | None = None, precision: str = "float32"
) -> list[list[Hypothesis]]:
    """The best hypotheses for each source, best first, as `search` finds them, with products in a precision."""
    module = module_of(model)
    with autocast(next(module.parameters()).device.type, precision):
        return search(module, source, options, prefixes)


def attend(model: Seq2Seq, source: list[int], target: list[int]) -> Tensor | None:
    """What the decoder looked at for each piece of `target` and for the end, (target + 1, source), if it can say."""
    module: EncoderDecoder = module_of(model).eval()
    device = next(module.parameters()).device
    with torch.inference_mode():
        rows, mask = pad_pieces([source], module.special.pad, device)
        read, _ = pad_pieces([[module.special.start, *target]], module.special.pad, device)
        weights = module.attention(module.encode(rows, mask), read)
    return None if weights is None else weights[0].float().cpu()


def end_of(model: Seq2Seq) -> int:
    """The number of the piece that ends a target."""
    return module_of(model).special.end
