"""Weights of `link_features` with which an untrained linker links: fitted on the shipped newswire corpus by
`scripts/fit_surface_weights.py`, so that a candidate's share is the probability that it is meant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .link_features import FEATURES, NIL_FEATURES

SURFACE: dict[str, float] = {
    "similarity": 1.378,
    "exact": 2.13,
    "symbol": 0.837,
    "identifier": 2.967,
    "fuzzy_only": -2.351,
    "partial_only": -1.312,
    "expanded": 0.34,
    "alias_prior": 0.555,
    "entity_prior": 0.555,
    "prior_share": -0.183,
    "valid": 1.055,
    "invalid": -0.605,
    "fits": 1.419,
    "contradicts": -2.768,
    "document_words": 0.711,
    "near_words": 0.163,
    "words_share": 1.195,
    "similarity_margin": 0.949,
    "short_form": 0.0,
    "jaro_winkler": 0.281,
    "words_found": -0.164,
    "alias_words_found": -0.01,
    "lower_case": -0.011,
    "coherence": 1.119,
    "coherence_share": 1.226,
}
NIL: dict[str, float] = {
    "bias": 1.349,
    "none_exact": 0.8,
    "best_similarity": 0.128,
    "no_candidates": 0.0,
    "candidates": 0.108,
    "best_prior": 0.532,
    "best_words": 0.178,
    "best_coherence": 0.986,
    "one_word": -0.789,
    "none_fits": 0.376,
    "none_valid": 0.606,
    "best_name": 0.269,
}


def surface_weights() -> NDArray[np.float32]:
    """The weights of candidates, in the order of `FEATURES`."""
    return np.array([SURFACE.get(name, 0.0) for name in FEATURES], np.float32)


def nil_weights() -> NDArray[np.float32]:
    """The weights of linking to none, in the order of `NIL_FEATURES`."""
    return np.array([NIL.get(name, 0.0) for name in NIL_FEATURES], np.float32)
