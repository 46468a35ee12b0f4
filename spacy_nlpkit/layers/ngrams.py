"""Words, n-grams of words and n-grams of characters as rows of a hashed table, for all documents of a batch at once.

The rows depend on the text alone: they are equal in every process and on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..segments import ranges, sum_segments

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

# Odd multipliers of 64 bits: the golden ratio, and the two of MurmurHash3's finalizer.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_SHIFT = np.uint64(33)
# Apart from each other and from n-grams of words, which are numbered from 1 by their size.
_CHARS_FROM = 1000
_WORD_START, _WORD_END = 2, 3


@dataclass(frozen=True)
class NgramOptions:
    """What is taken from a text.

    rows (int): Rows of the table, a power of two: features are hashed into it.
    attr (str): The token attribute that is the word: `LOWER`, `NORM` or `ORTH`.
    word_ngrams (int): N-grams of 1 up to so many words; 0 for none.
    min_chars, max_chars (int): Sizes of the n-grams of characters inside a word and its edges; 0 and 0 for none.
    """

    rows: int
    attr: str = "LOWER"
    word_ngrams: int = 2
    min_chars: int = 0
    max_chars: int = 0


@dataclass(frozen=True)
class Ngrams:
    """The features of a batch of documents; what a distinct word has is held once.

    token_word (tokens,): The number of each token's word among the distinct words; blank tokens are left out.
    token_index (tokens,): The place of each token among all tokens of the batch, blank ones included.
    doc_lengths (docs,): Tokens of each document.
    word_rows (n,), word_lengths (words,): Rows of each distinct word: itself, and its n-grams of characters.
    gram_rows (m,), gram_lengths (docs,): Rows of the n-grams of several words, document by document.
    gram_start (m,), gram_size (m,): The first token of each, as in `token_word`, and of how many tokens it is.
    """

    token_word: Ints
    token_index: Ints
    doc_lengths: Ints
    word_rows: Ints
    word_lengths: Ints
    gram_rows: Ints
    gram_lengths: Ints
    gram_start: Ints
    gram_size: Ints

    @property
    def counts(self) -> Ints:
        """(docs,) how many features each document has, repeated ones included."""
        per_token = self.word_lengths[self.token_word]
        return sum_segments(per_token, self.doc_lengths) + self.gram_lengths

    def flat(self) -> tuple[Ints, Ints]:
        """Row and document of every feature, those of single words before those of several."""
        places, lengths = self._word_places()
        docs = np.arange(len(self.doc_lengths))
        of_words = np.repeat(np.repeat(docs, self.doc_lengths), lengths)
        return (
            np.concatenate([self.word_rows[places], self.gram_rows]),
            np.concatenate([of_words, np.repeat(docs, self.gram_lengths)]),
        )

    def spans(self) -> tuple[Ints, Ints]:
        """First token (as in `token_word`) and number of tokens of every feature, in the order of `flat`."""
        _, lengths = self._word_places()
        starts = np.repeat(np.arange(len(lengths)), lengths)
        return np.concatenate([starts, self.gram_start]), np.concatenate([np.ones_like(starts), self.gram_size])

    def _word_places(self) -> tuple[Ints, Ints]:
        """Where in `word_rows` the features of each token stand, and how many each token has."""
        lengths = self.word_lengths[self.token_word]
        starts = np.cumsum(self.word_lengths) - self.word_lengths
        return ranges(starts[self.token_word], lengths), lengths


def extract_ngrams(docs: Sequence[Doc], options: NgramOptions) -> Ngrams:
    """The features of documents of one vocabulary."""
    doc_lengths = np.array([len(doc) for doc in docs], dtype=np.int64)
    ids = [doc.to_array(options.attr) for doc in docs if len(doc)]
    keys, words = np.unique(np.concatenate(ids) if ids else np.zeros(0, dtype=np.uint64), return_inverse=True)
    texts = [docs[0].vocab.strings[key] for key in keys.tolist()]
    blank = np.array([not text or text.isspace() for text in texts], dtype=bool)[words]
    index = np.flatnonzero(~blank)
    doc_of_token = np.repeat(np.arange(len(docs)), doc_lengths)[index]
    doc_lengths = np.bincount(doc_of_token, minlength=len(docs))
    words = words[index]
    word_rows, word_lengths = _word_features(keys, texts, options)
    start, size, hashes = _word_ngrams(keys[words], doc_lengths, options.word_ngrams)
    return Ngrams(
        token_word=words,
        token_index=index,
        doc_lengths=doc_lengths,
        word_rows=word_rows,
        word_lengths=word_lengths,
        gram_rows=_rows(hashes, options.rows),
        gram_lengths=np.bincount(doc_of_token[start], minlength=len(docs)),
        gram_start=start,
        gram_size=size,
    )


def drop_ngrams(ngrams: Ngrams, rate: float) -> Ngrams:
    """The features without a share `rate` of the tokens and, drawn apart from them, of the n-grams of words."""
    if not rate:
        return ngrams
    docs = np.arange(len(ngrams.doc_lengths))
    tokens = np.random.random(len(ngrams.token_word)) >= rate
    grams = np.random.random(len(ngrams.gram_rows)) >= rate
    return replace(
        ngrams,
        token_word=ngrams.token_word[tokens],
        token_index=ngrams.token_index[tokens],
        doc_lengths=np.bincount(np.repeat(docs, ngrams.doc_lengths)[tokens], minlength=len(docs)),
        gram_rows=ngrams.gram_rows[grams],
        gram_lengths=np.bincount(np.repeat(docs, ngrams.gram_lengths)[grams], minlength=len(docs)),
        gram_start=ngrams.gram_start[grams],  # tokens are numbered as before
        gram_size=ngrams.gram_size[grams],
    )


def _word_features(keys: Hashes, texts: list[str], options: NgramOptions) -> tuple[Ints, Ints]:
    """Rows of each distinct word, and how many it has: itself first, then its n-grams of characters."""
    whole = _rows(_mixed(keys), options.rows)[:, None] if options.word_ngrams else np.zeros((len(keys), 0), np.int64)
    if not options.max_chars:
        return whole.ravel(), np.full(len(keys), whole.shape[1], dtype=np.int64)
    word, hashes = _char_ngrams(texts, options.min_chars, options.max_chars)
    lengths = np.bincount(word, minlength=len(keys)) + whole.shape[1]
    rows = np.empty(lengths.sum(), dtype=np.int64)
    own = np.zeros(len(rows), dtype=bool)
    if options.word_ngrams:
        own[np.cumsum(lengths) - lengths] = True
        rows[own] = whole.ravel()
    rows[~own] = _rows(hashes, options.rows)
    return rows, lengths


def _char_ngrams(texts: list[str], smallest: int, largest: int) -> tuple[Ints, Hashes]:
    """The word and the hash of each n-gram of characters, in the order of the words."""
    marked = "".join(f"{chr(_WORD_START)}{text}{chr(_WORD_END)}" for text in texts)
    codes = np.frombuffer(marked.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) + 2 for text in texts], dtype=np.int64)
    room = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))
    sizes = np.arange(smallest, largest + 1)
    hashes = np.zeros((len(codes), len(sizes)), dtype=np.uint64)
    rolling = np.zeros(len(codes), dtype=np.uint64)
    for size in range(1, largest + 1):
        rolling = rolling * _STEP
        rolling[: max(len(codes) - size + 1, 0)] += codes[size - 1 :]
        if size >= smallest:
            hashes[:, size - smallest] = _mixed(rolling + np.uint64(_CHARS_FROM + size))
    fits = room[:, None] >= sizes
    return np.repeat(np.arange(len(texts)), lengths)[np.nonzero(fits)[0]], hashes[fits]


def _word_ngrams(keys: Hashes, doc_lengths: Ints, largest: int) -> tuple[Ints, Ints, Hashes]:
    """First token, size and hash of each n-gram of two words or more, in the order of the tokens."""
    sizes = np.arange(2, largest + 1)
    ends = np.repeat(np.cumsum(doc_lengths), doc_lengths)
    fits = (ends - np.arange(len(keys)))[:, None] >= sizes
    hashes = np.zeros(fits.shape, dtype=np.uint64)
    rolling = keys.copy()
    for column, size in enumerate(sizes.tolist()):
        rolling = rolling * _STEP
        rolling[: max(len(keys) - size + 1, 0)] += keys[size - 1 :]
        hashes[:, column] = _mixed(rolling + np.uint64(size))
    start, which = np.nonzero(fits)
    return start, sizes[which], hashes[fits]


def _mixed(hashes: Hashes) -> Hashes:
    """Every bit of the result depends on every bit of the input (the finalizer of MurmurHash3)."""
    for multiplier in _MIX:
        hashes = (hashes ^ (hashes >> _SHIFT)) * multiplier
    return hashes ^ (hashes >> _SHIFT)


def _rows(hashes: Hashes, rows: int) -> Ints:
    return (hashes & np.uint64(rows - 1)).astype(np.int64)


def sum_rows(ops: Any, rows: Any, lengths: Any) -> Any:
    """`ops.reduce_sum`, which cannot take no rows at all."""
    return ops.reduce_sum(rows, lengths) if len(rows) else ops.alloc2f(len(lengths), rows.shape[1])
