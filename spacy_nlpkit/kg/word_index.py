"""An index of names by their words and by their initials: finds `Angela Merkel` for `Merkel`, and names for acronyms.

All that an index holds are arrays, which may be memory-mapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.strings import hash_string  # type: ignore[attr-defined]

from ..normalise import name_key
from .graph import Floats, Hits, Ints

# Longer texts have no acronym, and longer names are found by their first words alone.
MAX_WORDS = 12
MAX_LENGTH = 256
# Words that an acronym may leave out.
_SMALL = frozenset(
    {"a", "and", "de", "del", "der", "des", "di", "du", "for", "in", "la", "of", "on", "the", "und", "von"}
)
# Scores: of a name that holds the text's words, from the least to the greatest share; of an acronym.
LEAST, MOST, ACRONYM = 0.55, 0.85, 0.75


class WordIndex:
    """Finds the names that hold all words of a text, or whose initials it is.

    arrays: As `build` gives them: `hashes` (words,) sorted, `offsets` (words + 1,), `aliases` (postings,) of each word
    the likeliest first, `sizes` (aliases,) how many words each name has.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._hashes, self._offsets, self._aliases, self._sizes = (
            np.asarray(arrays[name]) for name in ("hashes", "offsets", "aliases", "sizes")
        )

    @staticmethod
    def build(texts: Sequence[str], priors: Floats) -> dict[str, NDArray[Any]]:
        """The arrays of an index; the place of each name is its number as an alias. One that is "" is never found.

        priors (aliases,): How likely each is meant.
        """
        known: dict[str, int] = {}
        hashes, aliases = [], []
        sizes = np.zeros(len(texts), np.uint8)
        for number, text in enumerate(texts):
            words = words_of(text)
            sizes[number] = len(words)
            for term in {*words, *acronyms_of(words)} if len(words) > 1 else ():
                if term not in known:
                    known[term] = hash_string(term)
                hashes.append(known[term])
                aliases.append(number)
        of_posting, numbers = np.array(hashes, np.uint64), np.array(aliases, np.int32)
        order = np.lexsort((numbers, -priors[numbers], of_posting))
        distinct, counts = np.unique(of_posting, return_counts=True)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return {"hashes": distinct, "offsets": offsets, "aliases": numbers[order], "sizes": sizes}

    def search(self, texts: Sequence[str], k: int) -> Hits:
        """The k likeliest names of each text that hold its words, and are longer; and of an acronym."""
        queries, aliases, scores = [], [], []
        for query, text in enumerate(texts):
            found, score = self._find(text, k)
            queries.append(np.full(len(found), query))
            aliases.append(found.astype(np.int64))
            scores.append(score)
        if not queries:
            return Hits(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        return Hits(np.concatenate(queries), np.concatenate(aliases), np.concatenate(scores).astype(np.float32))

    def _find(self, text: str, k: int) -> tuple[Ints, Floats]:
        words = words_of(text)
        parts, scores = [], []
        if words:
            postings = sorted((self._postings(word) for word in words), key=len)
            found = postings[0]
            for other in postings[1:]:
                found = found[np.isin(found, other)]
            found = found[self._sizes[found] > len(words)][:k]
            parts.append(found)
            scores.append(LEAST + (MOST - LEAST) * len(words) / self._sizes[found])
        letters = "".join(char for char in text if char.isalnum())
        if 2 <= len(letters) <= MAX_WORDS and letters.isupper():
            initials = self._postings(f"{letters.lower()}.")[:k]
            parts.append(initials)
            scores.append(np.full(len(initials), ACRONYM))
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        return np.concatenate(parts), np.concatenate(scores)

    def _postings(self, term: str) -> Ints:
        """The names with a word, the likeliest first."""
        wanted = np.uint64(hash_string(term))
        place = int(np.searchsorted(self._hashes, wanted))
        if place == len(self._hashes) or self._hashes[place] != wanted:
            return self._aliases[:0]
        return self._aliases[self._offsets[place] : self._offsets[place + 1]]


def words_of(text: str) -> list[str]:
    """The distinct words of a name's key, in order."""
    return list(dict.fromkeys(name_key(text[:MAX_LENGTH]).split()[:MAX_WORDS]))


def acronyms_of(words: Sequence[str]) -> set[str]:
    """The initials of a name with and without its small words, each with a dot at its end, apart from all words."""
    every = "".join(word[0] for word in words)
    large = "".join(word[0] for word in words if word not in _SMALL)
    return {f"{initials}." for initials in (every, large) if len(initials) > 1}
