"""How a mention and the alias of a candidate compare as names, whatever way it was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..normalise import name_key
from .graph import Floats

COLUMNS = ("jaro_winkler", "words_found", "alias_words_found", "lower_case")
MAX_LENGTH = 256


def compare_names(texts: Sequence[str], aliases: Sequence[str]) -> Floats:
    """Of each pair: the Jaro-Winkler similarity of both keys (Winkler 1990); the share of the mention's words that the
    alias has, and of the alias's words that the mention has; and whether the alias is a common noun by its writing, in
    lower case where the mention is not: (pairs, 4)."""
    from rapidfuzz.distance import JaroWinkler
    from rapidfuzz.process import cpdist

    known: dict[str, tuple[str, frozenset[str], bool]] = {}
    for text in (*texts, *aliases):
        if text not in known:
            key = name_key(text[:MAX_LENGTH])
            known[text] = (key, frozenset(key.split()), text.islower())
    left, right = [known[text] for text in texts], [known[text] for text in aliases]
    columns = np.zeros((len(left), len(COLUMNS)), np.float32)
    if left:
        keys = ([key for key, _, _ in side] for side in (left, right))
        columns[:, 0] = cpdist(*keys, scorer=JaroWinkler.similarity, dtype=np.float32)
        shared = np.fromiter((len(a & b) for (_, a, _), (_, b, _) in zip(left, right)), np.float32, len(left))
        for column, side in ((1, left), (2, right)):
            sizes = np.fromiter((max(len(words), 1) for _, words, _ in side), np.float32, len(side))
            columns[:, column] = shared / sizes
        columns[:, 3] = [b and not a for (_, _, a), (_, _, b) in zip(left, right)]
    return columns
