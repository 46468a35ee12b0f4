"""Registered reader of pairs of texts: what a component of sequence to sequence learns from.

The target text lives in `doc._.target` of the reference. As a document of its own it would be aligned with the source,
and every other component would take it for the right analysis of that.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from spacy.language import Language
from spacy.training import Example

from ..attributes import TARGET, register_item_attributes, register_target
from ..errors import Errors, NlpkitError, Warnings
from .pair_files import PAIR_FIELDS, Texts, read_line_pairs, read_texts_of
from .readers import find_files, give_spans, make_example

NAME = "spacy_nlpkit.ParallelCorpus.v1"
# How many places of empty pairs the warning names.
MAX_PLACES = 10


def create_parallel_corpus(
    path: str | Path | None = None,
    source: str | Path | None = None,
    target: str | Path | None = None,
    limit: int = 0,
    max_length: int = 0,
    shuffle: bool = False,
    seed: int = 0,
) -> Callable[[Language], Iterable[Example]]:
    """The reader `spacy_nlpkit.ParallelCorpus.v1`: see `ParallelCorpus`. Files are looked at when it is read."""
    return ParallelCorpus(
        path, source=source, target=target, limit=limit, max_length=max_length, shuffle=shuffle, seed=seed
    )


class ParallelCorpus:
    """Examples of a text and the text that belongs to it, which the reference has in `doc._.target`.

    path (str | Path): File of pairs: .tsv (text and target, no header line), .jsonl ({"text": ..., "target": ...}), or
        a .spacy file, or a folder of such, whose documents have `doc._.target`.
    source, target (str | Path): Instead of `path`: two files with a text a line, line n of one for line n of the other.
        All but .spacy files may be packed as .gz or .xz.
    limit (int): Read at most this many pairs, 0 for all. Pairs with an empty side are passed over and do not count.
    max_length (int): Pairs with more words than this on a side are left out: tokens of the text, and parts between
        blanks of the target. 0 for no limit.
    shuffle (bool): Shuffle the pairs at each call; they are held in memory.
    seed (int): Of the order: calls of equal number give the same for equal seeds.
    RAISES: N006 for a negative `limit` or `max_length`, N245 for other than one of the two ways.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        source: str | Path | None = None,
        target: str | Path | None = None,
        limit: int = 0,
        max_length: int = 0,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        for setting, value in (("limit", limit), ("max_length", max_length)):
            if value < 0:
                raise NlpkitError(
                    Errors.N006.format(setting=setting, name=NAME, expected="0 (no limit) or more", value=value)
                )
        named = {"path": path, "source": source, "target": target}
        given = [name for name, value in named.items() if value is not None]
        # Nothing at all is a path of the config that was not filled in, and an error when the corpus is read.
        if given not in ([], ["path"], ["source", "target"]):
            raise NlpkitError(Errors.N245.format(given=", ".join(given)))
        self.path = path
        self.source = source
        self.target = target
        self.limit = limit
        self.max_length = max_length
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        self._warned = False

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the examples; may be called again.

        RAISES: N035 where no file is named, N036 where `path` does not exist, N037 for a folder without .spacy files;
            while reading what `pair_files` raises, N247 where there is no pair.
        """
        register_item_attributes()
        register_target()
        rng = random.Random(f"{self.seed}/{self.epoch}")
        self.epoch += 1
        if self.source is not None and self.target is not None:
            return self._read(nlp, read_line_pairs(Path(self.source), Path(self.target)), rng)
        files = find_files(self.path)
        return self._read(nlp, (pair for file_ in files for pair in read_texts_of(file_, PAIR_FIELDS, nlp)), rng)

    def _read(self, nlp: Language, found: Iterator[Texts], rng: random.Random) -> Iterator[Example]:
        empty: list[str] = []
        pairs: Iterable[Texts] = self._filled(found, empty)
        if self.limit:
            pairs = islice(pairs, self.limit)
        if self.shuffle:
            pairs = list(pairs)
            rng.shuffle(pairs)
        n_pairs = n_long = 0
        for pair in pairs:
            n_pairs += 1
            example = self._make(nlp, pair)
            if example is None:
                n_long += 1
            else:
                yield example
        path = self.path or f"{self.source}, {self.target}"
        if n_pairs == n_long:
            counts = {"count": n_pairs + len(empty), "empty": len(empty), "long": n_long}
            raise NlpkitError(Errors.N247.format(path=path, max_length=self.max_length, **counts))
        if not self._warned:
            self._warned = True
            self._warn(str(path), empty, n_long, n_pairs)

    def _filled(self, pairs: Iterable[Texts], empty: list[str]) -> Iterator[Texts]:
        """The pairs without those that have an empty side, whose places go into `empty`."""
        for pair in pairs:
            if all(text.strip() for text in pair.texts):
                yield pair
            else:
                empty.append(pair.where)

    def _make(self, nlp: Language, pair: Texts) -> Example | None:
        """The example of a pair, None where it is too long."""
        text, target = pair.texts
        if 0 < self.max_length < len(target.split()):
            return None
        if pair.doc is not None:
            reference = pair.doc  # it has its target, and may have others
        else:
            reference = nlp.make_doc(text)
            reference._.set(TARGET, target)
        if 0 < self.max_length < len(reference):
            return None
        example = make_example(nlp, reference)
        for key, group in reference.spans.items():
            if any(span._.get(TARGET) is not None for span in group):
                give_spans(example, key)  # what is written for spans needs to know them
        return example

    def _warn(self, path: str, empty: list[str], n_long: int, n_pairs: int) -> None:
        if empty:
            places = "; ".join(empty[:MAX_PLACES]) + (" ..." if len(empty) > MAX_PLACES else "")
            warnings.warn(Warnings.NW240.format(path=path, count=len(empty), places=places), stacklevel=3)
        if n_long:
            counts = {"count": n_long, "total": n_pairs, "max_length": self.max_length}
            warnings.warn(Warnings.NW241.format(path=path, **counts), stacklevel=3)
