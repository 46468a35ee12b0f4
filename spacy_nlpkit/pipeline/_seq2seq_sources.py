"""How a `seq2seq` component reads its units: as pieces of their text, or as tokens whose vectors an encoder gives."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from spacy.tokens import Doc, Span

from ._seq2seq_store import Vocabulary, encode_sources
from ._seq2seq_windows import Window, sentence_starts, warn_of_cuts, windows_between, windows_of


class Sources(NamedTuple):
    """The windows of each unit, and what the model reads for each of them, one unit after the other."""

    windows: list[list[Window]]
    rows: list[list[int]]


class Reader(Protocol):
    """Makes sources of units."""

    def read(self, units: Sequence[Span], limit: int, name: str) -> Sources:
        """Windows of at most `limit` pieces; `name` is the component's, for warnings."""
        ...

    def names_of(self, row: Sequence[int]) -> list[str]:
        """The pieces of a source, as people read them."""
        ...


class Pieces:
    """Reads texts, with a prefix, as subwords."""

    def __init__(self, subwords: Vocabulary, prefix: str) -> None:
        self.subwords = subwords
        self.prefix = prefix
        # What is counted for the windows is read by the model afterwards.
        self._known: dict[str, list[int]] = {}

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, encode_sources(self.subwords, [f"{self.prefix}{text}" for text in new])))
        return [self._known[text] for text in texts]

    def read(self, units: Sequence[Span], limit: int, name: str) -> Sources:
        """See `Reader`, and `windows_of`."""
        windows = windows_of(units, lambda texts: [len(row) for row in self._encode(texts)], limit, name)
        rows = self._encode([window.text for group in windows for window in group])
        return Sources(windows, rows)

    def names_of(self, row: Sequence[int]) -> list[str]:
        """See `Reader`."""
        return self.subwords.pieces_of(row)


class Tokens:
    """Reads tokens: the numbers that they have among those of all documents."""

    def __init__(self, docs: Sequence[Doc]) -> None:
        self.docs = docs
        firsts = itertools.accumulate((len(doc) for doc in docs), initial=0)
        self._first = {id(doc): first for doc, first in zip(docs, firsts)}

    def row_of(self, span: Span) -> list[int]:
        """The tokens of a span, without blank ones at its ends."""
        start, end = span.start, span.end
        while start < end and span.doc[start].is_space:
            start += 1
        while start < end and span.doc[end - 1].is_space:
            end -= 1
        first = self._first[id(span.doc)]
        return list(range(first + start, first + end))

    def read(self, units: Sequence[Span], limit: int, name: str) -> Sources:
        """See `Reader`: windows end where sentences end; a longer sentence is cut, with one warning for all (NW226)."""
        windows: list[list[Window]] = []
        rows: list[list[int]] = []
        n_cut = 0
        for unit in units:
            parts, cuts = _cut(unit, limit)
            n_cut += cuts
            found = windows_between(unit.doc.text, [(part.start_char, part.end_char) for part in parts])
            windows.append([window for _, window in found])
            rows.extend(row for part in parts if (row := self.row_of(part)))
        warn_of_cuts(n_cut, limit, name)
        return Sources(windows, rows)

    def names_of(self, row: Sequence[int]) -> list[str]:
        """See `Reader`."""
        tokens = itertools.chain.from_iterable(self.docs)
        return [token.text for token in itertools.islice(tokens, row[0], row[-1] + 1)]


def _cut(unit: Span, limit: int) -> tuple[list[Span], int]:
    """Parts of a unit with at most `limit` tokens, and how many sentences had to be cut for them."""
    ends = [*(token.i for token in sentence_starts(unit)), unit.end] if len(unit) > limit else [unit.end]
    parts: list[Span] = []
    start, last, n_cut = unit.start, unit.start, 0
    for end in ends:
        if end - start > limit and last > start:
            parts.append(unit.doc[start:last])
            start = last
        n_cut += end - start > limit
        while end - start > limit:
            parts.append(unit.doc[start : start + limit])
            start += limit
        last = end
    return [*parts, unit.doc[start : unit.end]], n_cut
