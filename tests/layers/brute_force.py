"""What a CRF over BILUO tags means, by listing all tag sequences: slow, and independent of the code under test."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from spacy_nlpkit.layers.crf_potentials import Potentials

Path = tuple[int, ...]
SpanKey = tuple[int, int, int]


def tag_names(n_labels: int) -> list[str]:
    """The tags in the order of their numbers: O, then B, I, L, U of each label."""
    return ["O", *(f"{kind}{label}" for label in range(n_labels) for kind in "BILU")]


@cache
def paths(n_labels: int, length: int) -> list[Path]:
    """All sequences of tags that are segmentations into spans."""
    names = tag_names(n_labels)
    spans = "|".join(f"U{label}|B{label}(?:I{label})*L{label}" for label in range(n_labels))
    valid = re.compile(f"(?:O|{spans})*")
    numbers = itertools.product(range(len(names)), repeat=length)
    return [path for path in numbers if valid.fullmatch("".join(names[tag] for tag in path))]


def spans_of(path: Path) -> list[SpanKey]:
    """The spans of a path: first token, token behind the last, label."""
    found = []
    begin = 0
    for place, tag in enumerate(path):
        kind = "O" if tag == 0 else "BILU"[(tag - 1) % 4]
        if kind in "BU":
            begin = place
        if kind in "LU":
            found.append((begin, place + 1, (tag - 1) // 4))
    return found


def scores_of(one: Potentials) -> np.ndarray:
    """The score of each path of `paths`, for a batch of one document."""
    length, tags = one.emissions.shape
    listed = np.array(paths((tags - 1) // 4, length))
    total = one.emissions[np.arange(length), listed].sum(axis=1) + one.start[listed[:, 0]] + one.end[listed[:, -1]]
    return total + one.transitions[listed[:, :-1], listed[:, 1:]].sum(axis=1)


def split(scores: Potentials) -> list[Potentials]:
    """The documents of a batch, each with the shared transitions; those without tokens left out."""
    stops = np.cumsum(scores.lengths)
    rows = [slice(stop - size, stop) for stop, size in zip(stops, scores.lengths) if size]
    shared = (scores.transitions, scores.start, scores.end)
    return [Potentials(scores.emissions[row], np.array([row.stop - row.start]), *shared) for row in rows]


@dataclass
class Sums:
    """Sums over the paths of one document: their weight, and what is expected of tags, transitions and spans."""

    log_z: float
    posteriors: np.ndarray
    pairs: np.ndarray
    first: np.ndarray
    final: np.ndarray
    spans: dict[SpanKey, float]


def enumerate_document(one: Potentials, allowed: np.ndarray | None = None) -> Sums:
    """Sum over all paths that the mask (tokens, tags) allows."""
    length, tags = one.emissions.shape
    listed = paths((tags - 1) // 4, length)
    weights = np.exp(scores_of(one))
    if allowed is not None:
        weights = weights * allowed[np.arange(length), np.array(listed)].all(axis=1)
    total = weights.sum()
    spans: dict[SpanKey, float] = {}
    sums = Sums(-np.inf, np.zeros((length, tags)), np.zeros((tags, tags)), np.zeros(tags), np.zeros(tags), spans)
    if not total:
        return sums
    sums.log_z = float(np.log(total))
    for path, share in zip(listed, weights / total):
        sums.posteriors[np.arange(length), path] += share
        for before, after in itertools.pairwise(path):
            sums.pairs[before, after] += share
        sums.first[path[0]] += share
        sums.final[path[-1]] += share
        for span in spans_of(path):
            spans[span] = spans.get(span, 0.0) + share
    return sums


def random_scores(lengths: list[int], n_labels: int, seed: int = 0) -> Potentials:
    """Normally distributed scores of a batch."""
    rng = np.random.default_rng(seed)
    tags = 1 + 4 * n_labels
    shapes: list[Any] = [(tags, tags), (tags,), (tags,)]
    return Potentials(
        rng.normal(size=(sum(lengths), tags)), np.array(lengths), *(rng.normal(size=shape) for shape in shapes)
    )
