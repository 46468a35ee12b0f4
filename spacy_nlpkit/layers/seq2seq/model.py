"""The Thinc model around an encoder-decoder: its weights, its loss, what it writes and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from spacy.tokens import Doc
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import Floats1d, Floats2d
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

    smoothing: Of the labels. r_drop: Weight of the divergence of two passes with different dropout. docs: Whose tokens
    the sources are, counted through all of them, where the model listens and is to learn.
    """

    source: Pieces
    target: Pieces
    smoothing: float = 0.0
    r_drop: float = 0.0
    docs: Sequence[Doc] = ()


Tok2Vec = Model[list[Doc], list[Floats2d]]
Seq2Seq = Model[PairBatch, Floats1d]


def encoder_decoder(
    build: Build,
    precision: str,
    groups: Sequence[ParameterGroup] = (),
    prepare: Prepare | None = None,
    tok2vec: Tok2Vec | None = None,
) -> Seq2Seq:
    """Losses of pairs: the sum over all pieces of the target, their number, and the sum without smoothing: (3,).

    The module is made when the vocabularies are known: see `set_module`. The backward pass takes no gradient: what is
    minimised is the loss itself, a mean over the pieces of all batches since the last update; an encoder gets the
    gradient of the mean over those of this batch.

    tok2vec: Encoder whose token vectors the module reads: see `ListenerSeq2Seq`.
    """
    attrs = {_BUILD: build, _SHIM: (precision, tuple(groups)), _PREPARE: prepare}
    return Model("encoder_decoder", _forward, layers=[] if tok2vec is None else [tok2vec], attrs=attrs)


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
    if is_train:
        gradients_heard = _listen(model, batch.docs)

    def compute(module: EncoderDecoder) -> Loss:
        total, n_pieces, nll = _loss(module, batch, is_train)
        plain[0] = float(nll)
        return total, n_pieces

    if is_train:
        if model.attrs[_PREPARE] is not None:
            model.attrs[_PREPARE](shim.module, shim.n_updates)
        # Without a pair there is nothing to learn, but an encoder still waits for gradients.
        total, n_pieces, backprop_loss = shim.begin_loss(compute) if batch.source else (0.0, 0, lambda: None)
    else:
        shim.module.eval()
        with torch.inference_mode():
            loss, n_pieces = compute(shim.module)
        total, backprop_loss = float(loss), lambda: None

    def backprop(d_losses: Any) -> Any:
        backprop_loss()
        gradients_heard(n_pieces)
        return batch

    return model.ops.asarray1f([total, n_pieces, plain[0]]), backprop


@contextmanager
def listening(model: Seq2Seq, docs: Sequence[Doc]) -> Iterator[None]:
    """While it lasts, what is computed without learning reads the tokens of these documents; where the model has an
    encoder of its own or listens to one, else nothing changes."""
    if not model.layers or not model.shims:
        yield
        return
    module = module_of(model)
    module.vectors = _flat(model, model.layers[0].predict(list(docs)))
    try:
        yield
    finally:
        module.vectors = None


def _listen(model: Seq2Seq, docs: Sequence[Doc]) -> Callable[[int], None]:
    """Let the module read the tokens' vectors. RETURNS: What hands their gradients back, for a number of pieces."""
    if not model.layers:
        return lambda n_pieces: None
    shim: Any = model.shims[0]
    vectors, backprop = model.layers[0].begin_update(list(docs))
    flat = _flat(model, vectors).requires_grad_()
    shim.module.vectors = flat

    def hand_back(n_pieces: int) -> None:
        shim.module.vectors = None
        gradient = torch.zeros_like(flat) if flat.grad is None else flat.grad / (n_pieces * shim.loss_scale)
        lengths = model.ops.asarray1i([len(rows) for rows in vectors])
        backprop(model.ops.unflatten(cast(Floats2d, torch2xp(gradient)), lengths))

    return hand_back


def _flat(model: Seq2Seq, vectors: list[Floats2d]) -> Tensor:
    """The vectors of all tokens, (tokens, width): a tensor of its own."""
    return xp2torch(model.ops.flatten(vectors), device=model.shims[0].device).clone()  # type: ignore[attr-defined]


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
