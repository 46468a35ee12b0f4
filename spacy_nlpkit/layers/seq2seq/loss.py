"""Losses of encoder-decoders, in torch: over the pieces of the target alone, padding left out before the output."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax, nll_loss

from .interface import IGNORED, EncoderDecoder, Memory


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
    logs = log_softmax(logits.float(), dim=1)
    nll = nll_loss(logs, wanted, reduction="sum")
    if smoothing == 0.0:
        return nll, nll.detach()
    return (1.0 - smoothing) * nll - smoothing * logs.mean(dim=1).sum(), nll.detach()


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """Two scorings, each (pieces, vocabulary): the mean of their Kullback-Leibler divergences, summed over pieces."""
    one, other = log_softmax(first.float(), dim=1), log_softmax(second.float(), dim=1)
    forward = kl_div(one, other, reduction="sum", log_target=True)
    return 0.5 * (forward + kl_div(other, one, reduction="sum", log_target=True))
