"""Weights of `link_features` with which an untrained linker links: fitted on the shipped newswire corpus by
`scripts/fit_surface_weights.py`, so that a candidate's share is the probability that it is meant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .link_features import FEATURES, NIL_FEATURES

SURFACE: dict[str, float] = {
    "similarity": 0.316,
    "exact": 0.915,
    "symbol": 0.689,
    "identifier": 1.604,
    "fuzzy_only": -2.663,
    "partial_only": -0.512,
    "expanded": 0.098,
    "alias_prior": 0.576,
    "entity_prior": 0.576,
    "prior_share": -0.335,
    "valid": 1.088,
    "invalid": -0.842,
    "fits": 1.209,
    "contradicts": -2.917,
    "document_words": 0.662,
    "near_words": 0.14,
    "words_share": 1.231,
    "similarity_margin": 0.551,
    "short_form": 0.0,
    "jaro_winkler": -1.165,
    "words_found": -0.093,
    "alias_words_found": -0.442,
    "lower_case": -0.013,
    "nearness": 2.315,
    "coherence": 1.082,
    "coherence_share": 1.139,
}
NIL: dict[str, float] = {
    "bias": 1.708,
    "none_exact": 0.375,
    "best_similarity": 0.821,
    "no_candidates": 0.0,
    "candidates": 0.205,
    "best_prior": 0.571,
    "best_words": 0.244,
    "best_coherence": 1.171,
    "one_word": -0.538,
    "none_fits": 0.403,
    "none_valid": 0.725,
    "best_name": 1.098,
}


def surface_weights() -> NDArray[np.float32]:
    """The weights of candidates, in the order of `FEATURES`."""
    return np.array([SURFACE.get(name, 0.0) for name in FEATURES], np.float32)


def nil_weights() -> NDArray[np.float32]:
    """The weights of linking to none, in the order of `NIL_FEATURES`."""
    return np.array([NIL.get(name, 0.0) for name in NIL_FEATURES], np.float32)
