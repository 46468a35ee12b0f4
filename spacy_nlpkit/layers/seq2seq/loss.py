"""Losses of encoder-decoders, in torch: over the pieces of the target alone, padding left out before the output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import kl_div, log_softmax

from .interface import IGNORED, EncoderDecoder, Memory

# Pieces whose scores are handled at once: on a CPU so few that they stay in its cache.
ROWS = {"cpu": 32}
ROWS_ELSEWHERE = 4096


def scores_of_target(module: EncoderDecoder, memory: Memory, read: Tensor, written: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of the pieces of all targets.

    read (rows, length): What the decoder is told, `special.start` first. written (rows, length): What it is to say,
        `IGNORED` for padding. The array of all scores, (rows, length, vocabulary), is never made.
    RETURNS: (pieces, vocabulary) before the softmax, and the wanted pieces (pieces,), row after row.
    """
    states = module.decode(memory, read)
    known = written != IGNORED
    return module.project(states[known]), written[known]


def smoothed_cross_entropy(logits: Tensor, wanted: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Sums over the pieces, in float32: the loss with label smoothing (Szegedy et al. 2016), and without, detached."""
    return _SmoothedCrossEntropy.apply(logits, wanted, smoothing)


class _SmoothedCrossEntropy(Function):
    """The gradient is known in closed form (what the softmax gives less what is wanted), so it is computed along with
    the loss. No array of all scores in float32 is made beside it, let alone the four of autograd."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, wanted: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        # What a scaler makes of it must fit, so float16 is for later: see `backward`.
        kept = torch.bfloat16 if logits.dtype == torch.bfloat16 else torch.float32
        gradient = torch.empty_like(logits, dtype=kept) if ctx.needs_input_grad[0] else None
        rows = ROWS.get(logits.device.type, ROWS_ELSEWHERE)
        # The part of the wish that all pieces get.
        uniform = smoothing / logits.shape[1]
        nll = others = torch.zeros((), device=logits.device)
        for start in range(0, len(logits), rows):
            part = slice(start, start + rows)
            logs = log_softmax(logits[part], dim=1, dtype=torch.float32)
            piece = wanted[part, None]
            nll = nll - logs.gather(1, piece).sum()
            if smoothing:
                others = others - uniform * logs.sum()
            if gradient is not None:
                chances = logs.exp_()
                if smoothing:
                    chances -= uniform
                chances.scatter_add_(1, piece, torch.full_like(chances[:, :1], smoothing - 1.0))
                gradient[part] = chances
        ctx.save_for_backward(gradient)
        ctx.dtype = logits.dtype
        ctx.mark_non_differentiable(nll)
        return (1.0 - smoothing) * nll + others, nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_total: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient if float(d_total) == 1.0 else gradient * d_total).to(ctx.dtype), None, None


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """Two scorings, each (pieces, vocabulary): the mean of their Kullback-Leibler divergences, summed over pieces."""
    one, other = log_softmax(first.float(), dim=1), log_softmax(second.float(), dim=1)
    forward = kl_div(one, other, reduction="sum", log_target=True)
    return 0.5 * (forward + kl_div(other, one, reduction="sum", log_target=True))
