"""Weights of `link_features` with which an untrained linker links: fitted on the shipped newswire corpus by
`scripts/fit_surface_weights.py`, so that a candidate's share is the probability that it is meant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .link_features import FEATURES, NIL_FEATURES

SURFACE: dict[str, float] = {
    "similarity": 0.512,
    "exact": 1.861,
    "symbol": 0.746,
    "identifier": 2.607,
    "fuzzy_only": -2.114,
    "expanded": 0.357,
    "alias_prior": 0.401,
    "entity_prior": 0.401,
    "prior_share": 0.488,
    "valid": 0.76,
    "invalid": -0.306,
    "fits": 1.308,
    "contradicts": -1.636,
    "document_words": 0.167,
    "near_words": 0.021,
    "words_share": 0.805,
    "similarity_margin": 0.205,
    "short_form": 0.0,
    "coherence": 0.676,
    "coherence_share": 0.764,
}
NIL: dict[str, float] = {
    "bias": 0.328,
    "none_exact": 2.102,
    "best_similarity": -0.281,
    "no_candidates": 0.0,
    "candidates": 0.507,
    "best_prior": 0.361,
    "best_words": 0.119,
    "best_coherence": 0.474,
    "one_word": -0.394,
    "none_fits": 0.211,
    "none_valid": 0.448,
}


def surface_weights() -> NDArray[np.float32]:
    """The weights of candidates, in the order of `FEATURES`."""
    return np.array([SURFACE.get(name, 0.0) for name in FEATURES], np.float32)


def nil_weights() -> NDArray[np.float32]:
    """The weights of linking to none, in the order of `NIL_FEATURES`."""
    return np.array([NIL.get(name, 0.0) for name in NIL_FEATURES], np.float32)
