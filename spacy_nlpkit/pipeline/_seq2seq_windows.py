"""What a `seq2seq` component reads of documents: units, and where one is too long for the model, its windows."""

from __future__ import annotations

import itertools
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from spacy.tokens import Doc, Span, Token

from ..errors import Errors, NlpkitError, Warnings

# How many pieces each text has.
Count = Callable[[Sequence[str]], list[int]]
# First character in the document, and the one behind the last.
Bounds = tuple[int, int]
DOC, SENTS, SPANS = "doc", "sents", "spans"
_SENTENCE_ENDS = frozenset(".!?…。！？।॥؟")


@dataclass(frozen=True)
class Window:
    """A piece of text that the model reads at once, and the blanks that follow it within its unit."""

    text: str
    blanks: str = ""


def units_of(doc: Doc, unit: str, spans_key: str, name: str) -> list[Span]:
    """The document as a span, its sentences, or the spans of a group (NW228 without it); none of an empty document.

    RAISES: N226 where sentences are asked for and nothing has found them.
    """
    if not len(doc):
        return []
    if unit == DOC:
        return [doc[:]]
    if unit == SPANS:
        if spans_key not in doc.spans:
            warnings.warn(Warnings.NW228.format(name=name, key=spans_key), stacklevel=2)
        return list(doc.spans.get(spans_key, ()))
    if not doc.has_annotation("SENT_START"):
        raise NlpkitError(Errors.N226.format(name=name))
    return list(doc.sents)


def windows_of(units: Sequence[Span], count: Count, limit: int, name: str) -> list[list[Window]]:
    """The windows of each unit: one with all of its text where that has at most `limit` pieces, else parts that end
    where sentences end. Nothing but blanks is left out, and these stand with the windows. Sentences that are longer
    themselves are cut between tokens, and longer tokens within, with one warning for all (NW226). The document's
    sentences are taken where it has them, else those that punctuation ends.

    RAISES: N006 where the limit leaves no room for a text beside its prefix and special pieces.
    """
    texts = [unit.text.strip() for unit in units]
    lengths = count(texts) if texts else []
    n_cut = 0
    found = []
    for unit, text, length in zip(units, texts, lengths):
        if length <= limit:
            found.append([Window(text)] if text else [])
            continue
        cutter = _Cutter(unit, count, limit, name)
        found.append(cutter.windows())
        n_cut += cutter.n_cut
    warn_of_cuts(n_cut, limit, name)
    return found


def warn_of_cuts(n_cut: int, limit: int, name: str) -> None:
    """Say, if so, how many sentences were cut (NW226)."""
    if n_cut:
        warnings.warn(Warnings.NW226.format(name=name, count=n_cut, limit=limit), stacklevel=3)


def sentence_starts(unit: Span) -> list[Token]:
    """Tokens within the unit, but for its first, that begin sentences: those of the document, where it has any, else
    what follows the punctuation that ends one, or a line break."""
    if unit.doc.has_annotation("SENT_START"):
        return [token for token in unit[1:] if token.is_sent_start]
    tokens = list(unit)
    return [
        token
        for before, token in itertools.pairwise(tokens)
        if before.text[-1] in _SENTENCE_ENDS or "\n" in before.text
    ]


def windows_between(text: str, parts: Iterable[Bounds]) -> list[tuple[Bounds, Window]]:
    """Parts of a text as windows, blank ones left out, each with its bounds without blanks."""
    bounds = [bound for part in parts if (bound := _strip(text, part))]
    after = [start for start, _ in bounds[1:]]
    blanks = [*(text[end:start] for (_, end), start in zip(bounds, after)), ""]
    return [((start, end), Window(text[start:end], blank)) for (start, end), blank in zip(bounds, blanks)]


def _strip(text: str, part: Bounds) -> Bounds | None:
    start, end = part
    inner = text[start:end]
    return (start + len(inner) - len(inner.lstrip()), start + len(inner.rstrip())) if inner.strip() else None


class _Cutter:
    """Cuts a unit that is too long. Bounds of parts are numbers of characters; parts follow one another without gap."""

    def __init__(self, unit: Span, count: Count, limit: int, name: str) -> None:
        self.unit, self.text = unit, unit.doc.text
        self.count, self.limit = count, limit
        # What every window has beside its text: a prefix, special pieces. The prefix alone may have others.
        once, twice = count(["a", "a a"])
        self.overhead = 2 * once - twice
        if self.overhead >= limit:
            expected = f"more than the {self.overhead} pieces of prefix and end"
            raise NlpkitError(Errors.N006.format(setting="max_pieces", name=name, expected=expected, value=limit))
        self.starts = [token.idx for token in unit]
        self.n_cut = 0

    def windows(self) -> list[Window]:
        """The windows, blank ones left out."""
        parts = self._fit(self._sentences(), self._cut_sentence)
        return [window for _, window in windows_between(self.text, parts)]

    def _sizes(self, parts: Sequence[Bounds]) -> list[int]:
        """Pieces that each part has beside the overhead. The blank before a word belongs to its first piece; blank
        lines have pieces of their own."""
        texts = [self.text[start:end].removesuffix(" ") for start, end in parts]
        return [max(0, length - self.overhead) for length in self.count(texts)]

    def _fit(self, parts: Sequence[Bounds], cut: Callable[[Bounds], list[Bounds]]) -> Iterator[Bounds]:
        """As many consecutive parts to a window as fit. Those too long alone are cut. Lengths of parts do not quite add
        up to that of the whole, which is counted again."""
        groups: list[list[Bounds]] = []
        room = 0
        for part, size in zip(parts, self._sizes(parts)):
            if groups and size <= room:
                groups[-1].append(part)
                room -= size
            else:
                groups.append([part])
                room = self.limit - self.overhead - size
        wholes = [(group[0][0], group[-1][1]) for group in groups]
        lengths = self.count([self.text[start:end].strip() for start, end in wholes])
        for group, whole, length in zip(groups, wholes, lengths):
            if length <= self.limit:
                yield whole
            elif len(group) > 1:
                yield from self._fit(group[: len(group) // 2], cut)
                yield from self._fit(group[len(group) // 2 :], cut)
            else:
                smaller = cut(whole)
                if len(smaller) > 1:
                    yield from self._fit(smaller, _halve)
                else:
                    yield whole

    def _sentences(self) -> list[Bounds]:
        starts = [token.idx for token in sentence_starts(self.unit)]
        return _between([self.unit.start_char, *starts, self.unit.end_char])

    def _cut_sentence(self, part: Bounds) -> list[Bounds]:
        """Tokens, and of a single one its halves."""
        self.n_cut += 1
        start, end = part
        tokens = self.starts[bisect_right(self.starts, start) : bisect_left(self.starts, end)]
        return _between([start, *tokens, end]) if tokens else _halve(part)


def _between(places: Sequence[int]) -> list[Bounds]:
    return list(itertools.pairwise(places))


def _halve(part: Bounds) -> list[Bounds]:
    start, end = part
    middle = (start + end) // 2
    return [(start, middle), (middle, end)] if start < middle else [part]


def batches_by_length(lengths: Sequence[int], padded: int) -> Iterator[list[int]]:
    """Numbers of texts, longest first, in batches of at most `padded` pieces with padding (or one text)."""
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    batch: list[int] = []
    for place in order:
        if batch and (len(batch) + 1) * max(1, lengths[batch[0]]) > padded:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
