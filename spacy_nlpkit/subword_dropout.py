"""BPE-dropout: texts cut into pieces in many ways, drawn at random, of which a seed gives the same ones again.

Provilkov, Emelianenko and Voita (2020), "BPE-Dropout: simple and effective subword regularization": at every step of
the merging each candidate is dropped with some probability, and the best of those that are left is merged; where none
is left, the word is done. The dropout of the library `tokenizers` cannot be given a seed and is a state of the model
that threads would share, so the draw is made here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

# Words that are remembered with their whole merging; more would only be rare ones.
MAX_WORDS = 2**17


class _Merge(NamedTuple):
    rank: int
    piece: int


class _Merged(NamedTuple):
    """A word after all its merges, and how many they were."""

    pieces: tuple[int, ...]
    steps: int


class BpeDropout:
    """Cuts words into pieces by byte pair encoding, with merges left out at random.

    vocab (Mapping[str, int]): The numbers of the pieces; every character of a word is a piece.
    merges (Iterable[Sequence[str]]): Pairs of pieces that become one, the first merge first.
    """

    def __init__(self, vocab: Mapping[str, int], merges: Iterable[Sequence[str]]) -> None:
        self._vocab = vocab
        self._merges = {
            (vocab[left], vocab[right]): _Merge(rank, vocab[left + right]) for rank, (left, right) in enumerate(merges)
        }
        self._words: dict[str, _Merged] = {}

    def encode(self, words: Iterable[str], dropout: float, rng: random.Random) -> list[int]:
        """The pieces of words, one after the other.

        dropout (float): Probability that a candidate is dropped at a step, above 0 and below 1.
        """
        pieces: list[int] = []
        per_draw = 1 / math.log1p(-dropout)
        for word in words:
            merged = self._words.get(word)
            if merged is None:
                if len(self._words) >= MAX_WORDS:
                    self._words.clear()
                merged = self._words[word] = self._merge(word)
            # Candidates worse than the best do not matter until it is dropped. So the steps before its first drop are
            # those without dropout, and their number is geometric: one draw for most words.
            steps = int(math.log(1.0 - rng.random()) * per_draw)
            if steps >= merged.steps:
                pieces.extend(merged.pieces)
            else:
                pieces.extend(self._merge_at_random(word, steps, dropout, rng))
        return pieces

    def _merge(self, word: str) -> _Merged:
        pieces = [self._vocab[character] for character in word]
        steps = 0
        while candidates := self._candidates(pieces):
            self._apply(pieces, min(candidates))
            steps += 1
        return _Merged(tuple(pieces), steps)

    def _merge_at_random(self, word: str, steps: int, dropout: float, rng: random.Random) -> list[int]:
        """Pieces of a word whose first `steps` steps drop nothing that matters, while the next drops the best."""
        pieces = [self._vocab[character] for character in word]
        for _ in range(steps):
            self._apply(pieces, min(self._candidates(pieces)))
        candidates = sorted(self._candidates(pieces))[1:]
        while kept := next((found for found in candidates if rng.random() >= dropout), None):
            self._apply(pieces, kept)
            candidates = sorted(self._candidates(pieces))
        return pieces

    def _candidates(self, pieces: list[int]) -> list[tuple[int, int, int]]:
        """Rank, place and piece of every merge that could be made."""
        found = []
        for place, pair in enumerate(pairwise(pieces)):
            merge = self._merges.get(pair)
            if merge is not None:
                found.append((merge.rank, place, merge.piece))
        return found

    @staticmethod
    def _apply(pieces: list[int], candidate: tuple[int, int, int]) -> None:
        _, place, piece = candidate
        pieces[place : place + 2] = [piece]
