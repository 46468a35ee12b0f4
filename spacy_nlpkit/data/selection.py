"""Which unlabelled texts to annotate first: how unsure a model is of each, and how unlike each other they are.

How unsure (Settles 2009, "Active Learning Literature Survey", section 3.1): least confidence, margin or entropy, each
between 0 (sure) and 1 (as unsure as can be). They are defined on a distribution over answers. With exclusive labels the
answers are the labels; otherwise they are the sets of labels, each label being there or not independently of others.

How unlike: the words of the texts, hashed; see `word_features` and `select_diverse`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

# Texts among which diversity is looked for: so many for each one to pick, but at least and, unless more are to be
# picked, at most so many in all. Ten to one is what Zhdanov (2019, "Diverse mini-batch Active Learning") recommends.
CANDIDATES_PER_PICK = 10
MIN_CANDIDATES, MAX_CANDIDATES = 20_000, 100_000
# Dimensions of the features of words: 512, as the power of 2.
DIMENSION_BITS = 9
# Rows that are worked on at a time, so that what lies between is small.
BLOCK = 8192
# An odd multiplier of 64 bits, the golden ratio: it spreads the few words whose ids are small numbers.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def least_confidence(probabilities: Floats, exclusive: bool) -> Floats:
    """(n,) how far the probability of the likeliest answer is from 1, as a share of how far it can be.

    probabilities (n, labels): Of each label; rows sum to 1 where labels are exclusive.
    """
    if exclusive:
        answers = probabilities.shape[1]
        return _unit((1 - probabilities.max(axis=1)) * answers / max(answers - 1, 1))
    log_best = np.log(_sureness(probabilities)).sum(axis=1)
    return _unit(np.expm1(log_best) / np.expm1(-probabilities.shape[1] * np.log(2)))


def margin(probabilities: Floats, exclusive: bool) -> Floats:
    """(n,) 1 minus what the likeliest answer has before the second; see `least_confidence`."""
    if exclusive:
        if probabilities.shape[1] < 2:
            return np.zeros(len(probabilities))
        second, best = np.partition(probabilities, (-2, -1), axis=1)[:, -2:].T
        return _unit(1 - (best - second))
    sureness = _sureness(probabilities)
    # The second likeliest set is the likeliest with the answer to the least sure label turned.
    least = sureness.min(axis=1)
    best = sureness.prod(axis=1)
    return _unit(1 - best * (1 - (1 - least) / least))


def entropy(probabilities: Floats, exclusive: bool) -> Floats:
    """(n,) the entropy of the answers, as a share of the largest there can be; see `least_confidence`."""
    labels = probabilities.shape[1]
    if exclusive:
        return _unit(_surprise(probabilities).sum(axis=1) / np.log(max(labels, 2)))
    both = _surprise(probabilities) + _surprise(1 - probabilities)
    return _unit(both.sum(axis=1) / (labels * np.log(2)))


def _sureness(probabilities: Floats) -> Floats:
    return np.maximum(probabilities, 1 - probabilities)


def _surprise(probabilities: Floats) -> Floats:
    return -probabilities * np.log(np.where(probabilities > 0, probabilities, 1))


def _unit(values: Floats) -> Floats:
    """Values without what rounding, of the values or of probabilities that should sum to 1, adds at the ends."""
    return np.clip(values, 0, 1)


STRATEGIES: dict[str, Callable[[Floats, bool], Floats]] = {
    "least-confidence": least_confidence,
    "margin": margin,
    "entropy": entropy,
}


def uncertainty(probabilities: Floats, strategy: str, exclusive: bool) -> Floats:
    """(n,) float64 by one of `STRATEGIES`, worked out block by block in double precision."""
    scores = np.zeros(len(probabilities))
    for start in range(0, len(scores), BLOCK):
        block = probabilities[start : start + BLOCK].astype(np.float64)
        scores[start : start + BLOCK] = STRATEGIES[strategy](block, exclusive)
    return scores


def rank(scores: Floats, generator: np.random.Generator) -> Ints:
    """(n,) the numbers of the scores, highest first; equal ones in an order drawn at random."""
    shuffled = generator.permutation(len(scores))
    return shuffled[np.argsort(-scores[shuffled], kind="stable")]


def count_candidates(count: int, diversity: float) -> int:
    """How many of the most uncertain texts `select_diverse` should choose from, to pick `count`.

    Without diversity the picks themselves. The time that picking takes grows with picks times candidates.
    """
    if not diversity:
        return count
    return max(count, MIN_CANDIDATES, min(count * CANDIDATES_PER_PICK, MAX_CANDIDATES))


def word_features(texts: Iterable[NDArray]) -> NDArray[np.float32]:
    """(n, 512) the words of texts as vectors of length 1, or 0 where there is no word: dot products are similarities.

    The weights are TF-IDF: 1 + log(count in the text) times log(1 + texts / texts with the word). The words are hashed
    to dimensions, half of them with the sign turned, so that collisions cancel out on average (Weinberger et al.
    2009, "Feature Hashing for Large Scale Multitask Learning"). Needs nothing of a model, and so suits any pipeline.

    texts: Of each text the ids of its words, such as `doc.to_array("LOWER")`.
    """
    parts = [np.unique(ids.astype(np.uint64), return_counts=True) for ids in texts]
    if not parts:
        return np.zeros((0, 2**DIMENSION_BITS), dtype=np.float32)
    lengths = np.array([len(ids) for ids, _ in parts])
    ends = np.cumsum(lengths)
    words, index, texts_with = np.unique(
        np.concatenate([ids for ids, _ in parts]), return_inverse=True, return_counts=True
    )
    hashes = words * _SPREAD
    columns = (hashes >> np.uint64(64 - DIMENSION_BITS)).astype(np.int64)
    signs = np.where((hashes >> np.uint64(63 - DIMENSION_BITS)) & np.uint64(1), 1.0, -1.0)
    word_weights = signs * np.log1p(len(parts) / texts_with)
    weights = (1 + np.log(np.concatenate([counts for _, counts in parts]))) * word_weights[index]
    features = np.zeros((len(parts), 2**DIMENSION_BITS), dtype=np.float32)
    for first in range(0, len(parts), BLOCK):
        block = features[first : first + BLOCK]
        inside = slice(ends[first] - lengths[first], ends[first + len(block) - 1])
        cells = np.repeat(np.arange(len(block)), lengths[first : first + BLOCK]) << DIMENSION_BITS
        cells |= columns[index[inside]]
        block[:] = np.bincount(cells, weights[inside], minlength=block.size).reshape(block.shape)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    features /= np.where(norms > 0, norms, 1)
    return features


def select_diverse(scores: Floats, features: Floats, count: int, diversity: float) -> Iterator[int]:
    """The numbers of `count` texts (or all there are), the best first: unsure, and unlike those before.

    Maximal marginal relevance (Carbonell and Goldstein 1998): each next text has the highest (1 - diversity) * score -
    diversity * similarity, where the scores are a share of the highest, and the similarity is that to the nearest of
    the texts picked so far. At 0 these are the highest scores; at 1 the first is, and each next one is the farthest
    from all before (the greedy k-center of Sener and Savarese 2018, "Active Learning for Convolutional Neural
    Networks: A Core-Set Approach"). Of equals the first counts.

    scores (n,), features (n, dimensions): Of each text; rows of length 1 or 0. diversity (float): 0 to 1.
    """
    worth = (1 - diversity) * scores / (scores.max(initial=0) or 1)
    nearest = np.zeros(len(scores), dtype=features.dtype)
    for _ in range(min(count, len(scores))):
        pick = int(np.argmax(worth - diversity * nearest))
        yield pick
        worth[pick] = -np.inf
        np.maximum(nearest, features @ features[pick], out=nearest)
