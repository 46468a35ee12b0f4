"""Registered batcher of pairs of texts: equal lengths together, as many as a padded batch of words may hold."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from spacy.training import Example

from ..attributes import TARGET, register_target
from ..errors import Errors, NlpkitError

NAME = "spacy_nlpkit.batch_by_pair_tokens.v1"
# Signs for a word in targets that write no blanks between words; more than words have where blanks stand.
SIGNS_PER_WORD = 10


class Lengths(NamedTuple):
    """Words of the text and of its target."""

    source: int
    target: int


def create_batch_by_pair_tokens(
    size: int | float | Iterable[int | float],
    buffer: int = 4096,
    seed: int = 0,
    get_length: Callable[[Example], tuple[int, int]] | None = None,
) -> Callable[[Iterable[Example]], Iterator[list[Example]]]:
    """The batcher `spacy_nlpkit.batch_by_pair_tokens.v1`: see `PairBatcher`."""
    return PairBatcher(size, buffer=buffer, seed=seed, get_length=get_length)


class PairBatcher:
    """Batches of pairs whose texts, and whose targets, have at most `size` words when padded to the longest.

    size (int | Iterable): Words of a batch: the larger of sources and targets counts. A schedule gives a size for each
        buffer, goes on from epoch to epoch, and where it ends keeps its last one.
    buffer (int): How many pairs are sorted by length at once. Batches of a buffer are shuffled.
    seed (int): Of the shuffling, also between pairs of equal length: calls of equal number give the same for equal
        seeds.
    get_length (Callable): Gives the two lengths of an example; None for `pair_lengths`.
    A pair that is longer than `size` is a batch of its own; none is left out.
    RAISES: N006 for a size or buffer below 1, those of a schedule when they come up.
    """

    def __init__(
        self,
        size: int | float | Iterable[int | float],
        *,
        buffer: int = 4096,
        seed: int = 0,
        get_length: Callable[[Example], tuple[int, int]] | None = None,
    ) -> None:
        if buffer < 1:
            raise NlpkitError(Errors.N006.format(setting="buffer", name=NAME, expected="1 or more", value=buffer))
        self._size = _checked_size(size) if isinstance(size, (int, float)) else 0.0
        self._sizes = None if isinstance(size, (int, float)) else iter(size)
        self.buffer = buffer
        self.seed = seed
        self.epoch = 0
        self._get_length = get_length or pair_lengths

    def __call__(self, examples: Iterable[Example]) -> Iterator[list[Example]]:
        """The batches of one epoch; each call is the next."""
        rng = random.Random(f"{self.seed}/{self.epoch}")
        self.epoch += 1
        return self._batch(iter(examples), rng)

    def _batch(self, examples: Iterator[Example], rng: random.Random) -> Iterator[list[Example]]:
        while held := list(islice(examples, self.buffer)):
            rng.shuffle(held)
            batches = list(group_by_length(held, self._next_size(), self._get_length))
            rng.shuffle(batches)
            yield from batches

    def _next_size(self) -> float:
        if self._sizes is not None:
            self._size = _checked_size(next(self._sizes, self._size))
        return self._size


def group_by_length(
    examples: Iterable[Example], size: float, get_length: Callable[[Example], tuple[int, int]]
) -> Iterator[list[Example]]:
    """Pairs sorted by their longer side, cut into batches of at most `size` padded words on a side.

    Pairs of equal lengths keep their order.
    """
    # What counts is the larger padded side, so the longer one of a pair leads.
    lengths = [(Lengths(*get_length(example)), example) for example in examples]
    lengths.sort(key=lambda item: (max(item[0]), item[0]))
    batch: list[Example] = []
    longest = 0
    for length, example in lengths:
        # In this order the pair that comes is the longest of the batch.
        longest = max(length)
        if batch and longest * (len(batch) + 1) > size:
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


def pair_lengths(example: Example) -> Lengths:
    """Tokens of the text, and words of `doc._.target` by its blanks, or by its signs where it has hardly any.

    Of several texts in `doc._.target` the longest counts; without one it is 0.
    """
    register_target()
    found = example.reference._.get(TARGET) or ""
    texts = [found] if isinstance(found, str) else list(found)
    words = (max(len(text.split()), len(text) // SIGNS_PER_WORD) for text in texts)
    return Lengths(len(example.predicted), max(words, default=0))


def _checked_size(size: float) -> float:
    if size < 1:
        raise NlpkitError(Errors.N006.format(setting="size", name=NAME, expected="1 or more", value=size))
    return size
