"""An index of names by character n-grams: finds misspelt, shortened and rearranged names among millions.

Names are compared by `normalise.name_key`. Each distinct key is a row of a TF-IDF matrix over its character trigrams,
word boundaries included (Salton & Buckley 1988, "Term-weighting approaches in automatic text retrieval"). A search
takes the rows with the highest cosine, and orders them by the mean of that and their Jaro-Winkler similarity (Winkler
1990, "String Comparator Metrics and Enhanced Decision Rules").

All that an index holds are arrays, which may be memory-mapped; keys are packed as UTF-8, and decoded where they are
compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..normalise import name_key
from ..segments import ranges
from .graph import Floats, Hits, Ints

# Longer texts are cut: no name is, and a search takes time in proportion.
MAX_LENGTH = 256
# Names that are compared by edit distance, the most similar by trigrams.
RERANKED = 100
# Occurrences of a text's trigrams that a search looks at, the rarest first.
MAX_POSTINGS = 300_000
# Share of Jaro-Winkler in the score. With it, names misspelt on purpose were found better than with any share of the
# indel similarity beside it, among nine thousand companies and among a million names.
JARO_WINKLER = 0.5
# An index of at most so many names adds up weights in an array over all of them: faster there, slower above.
DENSE_ROWS = 50_000
# Texts that are looked for at a time, so that what lies between is small.
BLOCK = 32
# Keys that are taken apart at a time when an index is built, for the same reason.
BUILT = 50_000
_BLANK = ord(" ")
# Unicode has 21 bits, so that three characters are one number.
_CHARACTER_BITS = 21


class _Trigrams(NamedTuple):
    """Distinct trigrams of a batch of keys, (trigrams,) each: the place of the key, the code; by key, then code."""

    key: Ints
    code: Ints


class NameIndex:
    """Finds the names most similar to a text.

    arrays: As `arrays` of another index gave them. max_postings: Occurrences of a text's trigrams that a search looks
    at, the rarest first: more find more, and take longer.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], max_postings: int = MAX_POSTINGS) -> None:
        # Plain views: every slice of a memory map would be one, which takes far longer to make.
        self._arrays = {name: np.asarray(part) for name, part in arrays.items()}
        self.max_postings = max_postings
        rows = len(arrays["key_offsets"]) - 1
        self._frequency = np.diff(self._arrays["postings_offsets"])
        self._idf = _inverse_frequency(self._frequency, rows)
        # Of a trigram that no row has.
        self._unseen = _inverse_frequency(np.zeros(1), rows)[0]
        self._row_norms = self._arrays["row_norms"]

    @classmethod
    def build(cls, texts: Sequence[str], max_postings: int = MAX_POSTINGS) -> NameIndex:
        """Index names; the place of each is its number as an alias.

        texts: Names, or their keys. One without a letter or digit is never found: give aliases that are no names as "".
        """
        rows: dict[str, int] = {}
        row_of = np.full(len(texts), -1, dtype=np.int32)
        for number, text in enumerate(texts):
            key = _bounded_key(text)
            if key:
                row_of[number] = rows.setdefault(key, len(rows))
        named = np.flatnonzero(row_of >= 0)
        order = named[np.argsort(row_of[named], kind="stable")].astype(np.int32)
        keys = list(rows)
        # Each ends with a line break, which no key has, so that many are decoded at once.
        packed = [f"{key}\n".encode() for key in keys]
        return cls(
            {
                **_matrix(keys),
                "key_bytes": np.frombuffer(b"".join(packed), dtype=np.uint8),
                "key_offsets": _offsets([len(key) for key in packed]),
                "aliases": order,
                "alias_offsets": _offsets(np.bincount(row_of[named], minlength=len(keys))),
            },
            max_postings,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that the index holds, by name, to be stored and given to `from_arrays`."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], max_postings: int = MAX_POSTINGS) -> NameIndex:
        """The index with these arrays; nothing is copied, so that they may be memory-mapped."""
        return cls(arrays, max_postings)

    def search(self, texts: Sequence[str], k: int = 16) -> Hits:
        """All aliases with the `k` names most similar to each text, best first; equal ones by number.

        Only the first `MAX_LENGTH` characters of a text count. One without a letter or digit finds nothing.
        """
        keys = [_bounded_key(text) for text in texts] if len(self._arrays["grams"]) else []
        parts = [self._search(keys[start : start + BLOCK], start, k) for start in range(0, len(keys), BLOCK)]
        if not parts:
            return Hits(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        return Hits(*(np.concatenate(column) for column in zip(*parts)))

    def _search(self, keys: Sequence[str], first: int, k: int) -> Hits:
        scored = [self._rerank(key, *found, k) for key, found in zip(keys, self._most_alike(keys))]
        rows = np.concatenate([rows for rows, _ in scored])
        scores = np.concatenate([scores for _, scores in scored])
        queries = np.repeat(np.arange(first, first + len(keys)), [len(rows) for rows, _ in scored])
        offsets = self._arrays["alias_offsets"]
        counts = offsets[rows + 1] - offsets[rows]
        aliases = self._arrays["aliases"][ranges(offsets[rows], counts)].astype(np.int64)
        queries, scores = np.repeat(queries, counts), np.repeat(scores, counts)
        order = np.lexsort((aliases, -scores, queries))
        return Hits(queries[order], aliases[order], scores[order])

    def _most_alike(self, keys: Sequence[str]) -> list[tuple[Ints, Floats]]:
        """Of each key the rows of highest cosine, at most `RERANKED` in no order, and their cosines."""
        trigrams = _trigrams(keys)
        places, known = self._find(trigrams.code)
        idf = np.where(known, self._idf[places], self._unseen)
        norms = np.sqrt(np.bincount(trigrams.key, weights=idf**2, minlength=len(keys)))
        weights = (idf**2 / norms[trigrams.key]).astype(np.float32)
        key, place, weights = trigrams.key[known], places[known], weights[known]
        chosen = self._rarest(key, place)
        sums = np.zeros(len(self._row_norms), np.float32)
        found = []
        for start, end in pairwise(np.searchsorted(key, np.arange(len(keys) + 1))):
            of_key, picked = slice(start, end), chosen[start:end]
            rows, products = self._multiply(place[of_key][picked], weights[of_key][picked], sums)
            cosines = products / self._row_norms[rows]
            if len(rows) > RERANKED:
                best = np.argpartition(cosines, len(rows) - RERANKED)[-RERANKED:]
                rows, cosines = rows[best], cosines[best]
            if not picked.all():
                cosines = self._cosines(place[of_key], weights[of_key], rows)
            found.append((rows, cosines))
        return found

    def _find(self, codes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Places of trigrams in the index, and whether it has them."""
        grams = self._arrays["grams"]
        places = np.minimum(np.searchsorted(grams, codes), len(grams) - 1)
        return places, grams[places] == codes

    def _rarest(self, key: Ints, place: Ints) -> NDArray[np.bool_]:
        """Which trigrams of each key are looked up: the rarest, while their rows are few enough, and always one."""
        frequency = self._frequency[place]
        order = np.lexsort((place, frequency, key))
        total = np.cumsum(frequency[order])
        ordered = key[order]
        firsts = np.searchsorted(ordered, ordered)
        before = (total - frequency[order])[firsts] if len(order) else total
        chosen = np.zeros(len(key), bool)
        chosen[order] = (total - before <= self.max_postings) | (firsts == np.arange(len(order)))
        return chosen

    def _multiply(self, places: Ints, weights: Floats, sums: Floats) -> tuple[Ints, Floats]:
        """Rows that share trigrams with a key, and the sums of the weights of those.

        sums (rows,): Zeros, before and after.
        """
        offsets = self._arrays["postings_offsets"]
        parts = [self._arrays["postings"][start:end] for start, end in zip(offsets[places], offsets[places + 1])]
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        if len(sums) <= DENSE_ROWS:
            # Of the types that `bincount` works on, so that it makes no copies.
            every = np.repeat(weights.astype(np.float64), self._frequency[places])
            numbers = np.concatenate(parts, dtype=np.intp)
            totals = np.bincount(numbers, weights=every, minlength=len(sums)).astype(np.float32)
            # Of booleans they are found several times faster than of floats.
            rows = np.flatnonzero(totals > 0)
            return rows, totals[rows]
        touched = []
        for part, weight in zip(parts, weights):
            values = sums[part]
            touched.append(part[values == 0])
            sums[part] = values + weight
        rows = np.concatenate(touched).astype(np.int64)
        products = sums[rows]
        sums[rows] = 0
        return rows, products

    def _cosines(self, places: Ints, weights: Floats, rows: Ints) -> Floats:
        """Cosines of a key with some rows, over all trigrams."""
        of_gram = np.zeros(len(self._idf), np.float32)
        of_gram[places] = weights
        offsets = self._arrays["row_offsets"]
        counts = offsets[rows + 1] - offsets[rows]
        values = of_gram[self._arrays["row_grams"][ranges(offsets[rows], counts)]]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)[:-1]])
        return np.add.reduceat(values, starts) / self._row_norms[rows]

    def _rerank(self, key: str, rows: Ints, cosines: Floats, k: int) -> tuple[Ints, Floats]:
        """The `k` rows most similar to a key by cosine and Jaro-Winkler, and the scores."""
        if not len(rows):
            return rows, cosines
        from rapidfuzz.distance import JaroWinkler
        from rapidfuzz.process import cdist

        names = self._decode(rows)
        edits = cdist([key], names, scorer=JaroWinkler.normalized_similarity, dtype=np.float32)[0]
        scores = np.minimum((1 - JARO_WINKLER) * cosines + JARO_WINKLER * edits, 1).astype(np.float32)
        # Rows are numbered by their first aliases, so that equal scores are in the order of those.
        order = np.lexsort((rows, -scores))[:k]
        return rows[order], scores[order]

    def _decode(self, rows: Ints) -> list[str]:
        offsets = self._arrays["key_offsets"]
        starts = offsets[rows]
        packed = self._arrays["key_bytes"][ranges(starts, offsets[rows + 1] - starts)]
        return packed.tobytes().decode().split("\n")[:-1]


def _bounded_key(text: str) -> str:
    return name_key(text[:MAX_LENGTH])[:MAX_LENGTH].strip()


def _trigrams(keys: Sequence[str]) -> _Trigrams:
    padded = [f" {key} " for key in keys]
    characters = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32).astype(np.int64)
    numbers = np.repeat(np.arange(len(keys)), [len(text) for text in padded])
    # A trigram with a blank in the middle would lie in two words.
    middle = np.flatnonzero(characters != _BLANK)
    codes = characters[middle - 1] << 2 * _CHARACTER_BITS | characters[middle] << _CHARACTER_BITS
    codes |= characters[middle + 1]
    numbers = numbers[middle]
    order = np.lexsort((codes, numbers))
    codes, numbers = codes[order], numbers[order]
    new = np.ones(len(codes), bool)
    new[1:] = (codes[1:] != codes[:-1]) | (numbers[1:] != numbers[:-1])
    return _Trigrams(numbers[new], codes[new])


def _matrix(keys: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Which trigrams are in which key: by key, and by trigram; and the length of the vector of each key."""
    from scipy.sparse import csr_array

    vocabularies, numbered, counts = [], [], []
    for start in range(0, len(keys), BUILT):
        block = keys[start : start + BUILT]
        trigrams = _trigrams(block)
        vocabulary, inverse = np.unique(trigrams.code, return_inverse=True)
        vocabularies.append(vocabulary)
        numbered.append(inverse.astype(np.int32))
        counts.append(np.bincount(trigrams.key, minlength=len(block)))
    grams = np.unique(np.concatenate([np.zeros(0, np.int64), *vocabularies]))
    renumbered = [np.searchsorted(grams, vocabulary).astype(np.int32) for vocabulary in vocabularies]
    row_grams = np.concatenate([np.zeros(0, np.int32), *map(np.take, renumbered, numbered)])
    row_offsets = _offsets(np.concatenate([np.zeros(0, np.int64), *counts]))
    parts = (np.ones(len(row_grams), np.int8), row_grams, row_offsets)
    by_gram = csr_array(parts, shape=(len(keys), len(grams))).tocsc()
    squares = _inverse_frequency(np.diff(by_gram.indptr), len(keys)) ** 2
    return {
        "grams": grams,
        "postings": by_gram.indices,
        "postings_offsets": by_gram.indptr,
        "row_grams": row_grams.astype(np.min_scalar_type(len(grams))),
        "row_offsets": row_offsets,
        "row_norms": np.sqrt(_sums(squares, row_grams, row_offsets)),
    }


def _sums(values: Floats, places: NDArray[Any], offsets: NDArray[Any]) -> Floats:
    """The sum of the values at the places of each part, none of which is empty; block by block, to stay small."""
    sums = np.zeros(len(offsets) - 1, np.float32)
    for start in range(0, len(sums), BUILT):
        ends = offsets[start : start + BUILT + 1]
        sums[start : start + BUILT] = np.add.reduceat(values[places[ends[0] : ends[-1]]], ends[:-1] - ends[0])
    return sums


def _inverse_frequency(frequency: NDArray[Any], rows: int) -> Floats:
    """Smoothed: as if one more row had every trigram."""
    return (np.log((1 + rows) / (1 + frequency)) + 1).astype(np.float32)


def _offsets(counts: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
    """Where each of consecutive parts begins, and the end; of 32 bits where that is enough."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return offsets.astype(np.int32) if offsets[-1] < 2**31 else offsets
