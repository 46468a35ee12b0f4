"""What a `seq2seq` component reads of documents: units, and where one is too long for the model, its windows."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from spacy.tokens import Doc, Span

from ..errors import Errors, NlpkitError, Warnings

# How many pieces each text has.
Count = Callable[[Sequence[str]], list[int]]
DOC, SENTS, SPANS = "doc", "sents", "spans"
_SENTENCE_ENDS = frozenset(".!?…。！？।॥؟")


@dataclass(frozen=True)
class Window:
    """A piece of text that the model reads at once, and the blanks that follow it within its unit."""

    text: str
    blanks: str = ""


def units_of(doc: Doc, unit: str, spans_key: str, name: str) -> list[Span]:
    """The document as a span, its sentences, or the spans of a group; none of an empty document.

    RAISES: N226 where sentences are asked for and nothing has found them.
    """
    if not len(doc):
        return []
    if unit == DOC:
        return [doc[:]]
    if unit == SPANS:
        return list(doc.spans.get(spans_key, ()))
    if not doc.has_annotation("SENT_START"):
        raise NlpkitError(Errors.N226.format(name=name))
    return list(doc.sents)


def windows_of(units: Sequence[Span], count: Count, limit: int, name: str) -> list[list[Window]]:
    """The windows of each unit: one with all of its text where that has at most `limit` pieces, else parts that end
    where sentences end. Nothing is left out. Sentences that are longer themselves are cut between tokens, with one
    warning for all (NW226); the document's sentences are taken where it has them, else those that punctuation ends."""
    texts = [unit.text.strip() for unit in units]
    lengths = count(texts) if texts else []
    n_cut = 0
    found = []
    for unit, text, length in zip(units, texts, lengths):
        if length <= limit:
            found.append([Window(text)] if text else [])
            continue
        parts: list[Span] = []
        for sentence in _sentences(unit):
            (n_pieces,) = count([sentence.text.strip()])
            parts += _cut(sentence, count, limit) if n_pieces > limit else [sentence]
            n_cut += n_pieces > limit
        found.append(_packed(parts, count, limit))
    if n_cut:
        warnings.warn(Warnings.NW226.format(name=name, count=n_cut, limit=limit), stacklevel=2)
    return found


def _sentences(unit: Span) -> Iterator[Span]:
    if unit.doc.has_annotation("SENT_START"):
        starts = [token.i - unit.start for token in unit[1:] if token.is_sent_start]
    else:
        starts = [
            token.i - unit.start
            for token in unit[1:]
            if unit.doc[token.i - 1].text[-1] in _SENTENCE_ENDS or "\n" in unit.doc[token.i - 1].text
        ]
    bounds = [0, *starts, len(unit)]
    for start, end in itertools.pairwise(bounds):
        yield unit[start:end]


def _cut(sentence: Span, count: Count, limit: int) -> Iterator[Span]:
    """Consecutive parts of at most `limit` pieces, cut between tokens; one token may have more."""
    lengths = count([token.text for token in sentence])
    start = size = 0
    for place, length in enumerate(lengths):
        if place > start and size + length > limit:
            yield sentence[start:place]
            start, size = place, 0
        size += length
    yield sentence[start:]


def _packed(parts: Sequence[Span], count: Count, limit: int) -> list[Window]:
    """As many consecutive parts to a window as fit."""
    lengths = count([part.text.strip() for part in parts])
    groups: list[list[Span]] = []
    size = 0
    for part, length in zip(parts, lengths):
        if groups and size + length <= limit:
            groups[-1].append(part)
            size += length
        else:
            groups.append([part])
            size = length
    doc = parts[0].doc
    spans = [doc[group[0].start : group[-1].end] for group in groups]
    windows = []
    for place, span in enumerate(spans):
        whole = doc.text[span.start_char : spans[place + 1].start_char] if place + 1 < len(spans) else span.text
        text = whole.strip()
        if text:
            windows.append(Window(text, whole[len(whole.rstrip()) :]))
    return windows


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
