"""A linear-chain conditional random field over BILUO tags, in numpy, with exact probabilities of whole spans.

The tags of `n` labels are numbered O = 0 and, for label `k`, B, I, L, U = 1 + 4k ... 4 + 4k. A tag sequence is valid
where B and I are followed by I or L of the same label, so every path is a segmentation into spans.

Sequences of different length are packed time-major, longest first (no padding is computed), and the forward-backward
recursion runs in probability space, rescaled at every step (Rabiner 1989), so that a step is one small matrix product.
Missing annotation is a mask of allowed tags: the loss is then the marginal likelihood of the allowed paths (Tsuboi et
al. 2008, "Training Conditional Random Fields Using Incomplete Annotations").

Everything here runs on the CPU in float64: the arrays are small, and the recursion is a chain of tiny steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

B, I, L, U = 1, 2, 3, 4  # noqa: E741  offsets within a label's block of four tags


def n_tags(n_labels: int) -> int:
    """Number of tags for `n_labels` labels."""
    return 1 + 4 * n_labels


def labels_in(scores: Floats) -> int:
    """Number of labels whose tags are the columns of (tokens, tags): what `n_tags` was given."""
    return (scores.shape[1] - 1) // 4


def valid_transitions(n_labels: int) -> tuple[Bools, Bools, Bools]:
    """Which tag may follow which (tags, tags), which may start and which may end a sequence (tags,)."""
    tags = np.arange(n_tags(n_labels))
    kind = np.where(tags == 0, 0, (tags - 1) % 4 + 1)
    label = np.where(tags == 0, -1, (tags - 1) // 4)
    opens = (kind == B) | (kind == I)
    continues = (kind == I) | (kind == L)
    inside = opens[:, None] & continues[None, :] & (label[:, None] == label[None, :])
    outside = ~opens[:, None] & ~continues[None, :]
    return inside | outside, ~continues, ~opens


@dataclass(frozen=True)
class Packing:
    """How the rows of concatenated sequences are laid out time-major.

    rows: (tokens,) row of the concatenation at each packed place. sizes: (steps,) sequences active at each step.
    offsets: (steps + 1,) where each step begins. last: (sequences,) packed place of each sequence's last token, in
    packed order. order: (sequences,) the sequence at each packed rank.
    """

    rows: Ints
    sizes: Ints
    offsets: Ints
    last: Ints
    order: Ints


def pack(lengths: Ints) -> Packing:
    """Lay out sequences of the given lengths (sequences,), all at least 1, time-major and longest first."""
    order = np.argsort(-lengths, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    starts = np.cumsum(lengths) - lengths
    step = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    rows = np.lexsort((np.repeat(rank, lengths), step))
    sizes = np.bincount(step)
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    last = offsets[lengths[order] - 1] + np.arange(len(order))
    return Packing(rows, sizes, offsets, last, order)


@dataclass(frozen=True)
class Lattice:
    """What forward-backward leaves, in the order of the concatenated rows.

    log_z: (sequences,) log of the summed weight of the allowed paths; -inf where there is none.
    posteriors: (tokens, tags) probability of each tag. pairs: (tags, tags) expected number of transitions.
    first, final: (tags,) expected number of sequences that begin and end with each tag.
    onward: (tokens, tags) weight of each tag and all that follows, given what stands before; backward: (tokens, tags)
    weight of all that follows. Their ratio gives the transition probabilities along the chain.
    """

    log_z: Floats
    posteriors: Floats
    pairs: Floats
    first: Floats
    final: Floats
    onward: Floats
    backward: Floats


def forward_backward(
    emissions: Floats,
    lengths: Ints,
    transitions: Floats,
    start: Floats,
    end: Floats,
    allowed: Bools | None = None,
) -> Lattice:
    """Sum over all valid paths.

    emissions: (tokens, tags) scores of the concatenated sequences. lengths: (sequences,) all at least 1.
    transitions: (tags, tags); start, end: (tags,) scores. allowed: (tokens, tags) tags that the annotation leaves open.
    A sequence without any allowed path has log_z -inf and adds nothing to the expectations.
    """
    packing = pack(lengths)
    follows, starts, ends = valid_transitions(labels_in(emissions))
    weights, begin, finish = np.exp(transitions) * follows, np.exp(start) * starts, np.exp(end) * ends
    peak = emissions.max(axis=1)
    local = np.exp(emissions - peak[:, None])
    if allowed is not None:
        local *= allowed
    local = local[packing.rows]
    alpha, scale = _forward(local, packing, weights, begin)
    total = alpha[packing.last] @ finish
    starts_at = np.cumsum(lengths) - lengths
    smallest = np.minimum.reduceat(_unpack(scale, packing), starts_at)[packing.order]
    alive = (smallest > 0) & (total > 0)
    beta, onward = _backward(local, scale, packing, weights, finish, np.where(alive, total, 1.0))
    posteriors = alpha * beta
    log_z = np.full(len(lengths), -np.inf)
    with np.errstate(divide="ignore"):
        log_scale = np.add.reduceat(_unpack(np.log(scale), packing) + peak, starts_at)[packing.order]
    log_z[packing.order] = np.where(alive, log_scale + np.log(np.where(alive, total, 1.0)), -np.inf)
    if not alive.all():
        dead = np.repeat(~np.isfinite(log_z), lengths)[packing.rows]
        posteriors[dead] = 0.0
        alpha[dead] = 0.0
    before, after = _successors(packing)
    return Lattice(
        log_z=log_z,
        posteriors=_unpack(posteriors, packing),
        pairs=weights * (alpha[before].T @ onward[after]),
        first=posteriors[: packing.sizes[0]].sum(axis=0),
        final=posteriors[packing.last].sum(axis=0),
        onward=_unpack(onward, packing),
        backward=_unpack(beta, packing),
    )


def _forward(local: Floats, packing: Packing, weights: Floats, begin: Floats) -> tuple[Floats, Floats]:
    alpha = np.empty_like(local)
    scale = np.empty(len(local))
    previous = np.empty((0, local.shape[1]))
    for step, size in enumerate(packing.sizes):
        here = slice(packing.offsets[step], packing.offsets[step] + size)
        current = local[here] * (begin if step == 0 else previous[:size] @ weights)
        norm = current.sum(axis=1)
        scale[here] = norm
        # A dead sequence (no allowed path) keeps zeros; it is dropped by its zero scale.
        np.divide(current, np.where(norm > 0, norm, 1.0)[:, None], out=alpha[here])
        previous = alpha[here]
    return alpha, scale


def _backward(
    local: Floats, scale: Floats, packing: Packing, weights: Floats, finish: Floats, total: Floats
) -> tuple[Floats, Floats]:
    safe = np.where(scale > 0, scale, 1.0)[:, None]
    beta = np.empty_like(local)
    onward = np.empty_like(local)
    beta[packing.last] = finish / total[:, None]
    transposed = np.ascontiguousarray(weights.T)
    later = 0
    for step in range(len(packing.sizes) - 1, -1, -1):
        begin = packing.offsets[step]
        if later:
            following = packing.offsets[step + 1]
            beta[begin : begin + later] = onward[following : following + later] @ transposed
        here = slice(begin, packing.offsets[step + 1])
        onward[here] = local[here] * beta[here] / safe[here]
        later = int(packing.sizes[step])
    return beta, onward


def _unpack(packed: Floats, packing: Packing) -> Floats:
    """Values at packed places (tokens, ...) in the order of the concatenation."""
    out = np.empty_like(packed)
    out[packing.rows] = packed
    return out


def _successors(packing: Packing) -> tuple[Ints, Ints]:
    """Packed places of every token that has a successor (tokens - sequences,), and of the successors."""
    following = np.arange(packing.sizes[0], len(packing.rows))
    step = np.repeat(np.arange(1, len(packing.sizes)), packing.sizes[1:])
    return following - packing.offsets[step] + packing.offsets[step - 1], following
