"""Mentions of a batch of documents for `kg_linker`: which spans, on which day, and where they stand."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc, Span

from ..attributes import DOC_DATE
from ..errors import Warnings
from ..kg.candidates import Mention
from ..kg.expansion import Marked, expand
from ..kg.graph import day_of
from ..kg.link_features import Marks

# Longer spans are no names; a recognizer that marks them has failed.
MAX_LENGTH = 300


class DocMentions(NamedTuple):
    """The spans of a batch that are linked, each with its mention, and the spans that are passed over."""

    spans: list[Span]
    mentions: list[Mention]
    marks: Marks
    skipped: list[Span]


def spans_of(doc: Doc, spans_key: str | None) -> list[Span]:
    """The entities of a document, or the spans of a group."""
    return list(doc.ents) if spans_key is None else list(doc.spans.get(spans_key, ()))


def collect_mentions(
    docs: Sequence[Doc], groups: Sequence[Sequence[Span]], labels: frozenset[str] | None, default_day: int
) -> DocMentions:
    """The mentions of spans, and what their documents say of them.

    groups: The spans of each document; what is empty, or too long for a name, is passed over. labels: Those that are
        linked; None for all. default_day: Of a document that has no date, or none that can be read (NW219).
    """
    spans: list[Span] = []
    mentions: list[Mention] = []
    skipped: list[Span] = []
    places: list[tuple[int, int, int]] = []
    unreadable: list[Any] = []
    for number, (doc, group) in enumerate(zip(docs, groups)):
        named = []
        for span in group:
            name = _name(span)
            if name is None:
                skipped.append(span)
            else:
                named.append((span, name))
        if not named:
            continue
        named.sort(key=lambda pair: pair[1][2:])
        day = doc_day(doc, unreadable)
        expanded = expand([name for _, name in named], doc.text, default_day if day is None else day)
        for (span, _), mention in zip(named, expanded):
            if labels is not None and span.label_ not in labels:
                skipped.append(span)
                continue
            spans.append(span)
            mentions.append(mention)
            places.append((number, span.start, span.end))
    if unreadable:
        warnings.warn(Warnings.NW219.format(count=len(unreadable), first=unreadable[0]), stacklevel=2)
    columns = np.array(places, dtype=np.int64).reshape(-1, 3).T
    return DocMentions(spans, mentions, Marks(*columns), skipped)


def _name(span: Span) -> Marked | None:
    start, end = span.start_char, span.end_char
    text = span.text if end - start <= MAX_LENGTH else ""
    return Marked(text, span.label_, start, end) if text.strip() else None


def doc_day(doc: Doc, unreadable: list[Any]) -> int | None:
    """The day of a document from `doc._.date`, days since 1970-01-01; None where it has none. What is no ISO date goes
    to `unreadable`."""
    date = doc._.get(DOC_DATE)
    if not date:
        return None
    try:
        return day_of(str(date))
    except ValueError:
        unreadable.append(date)
        return None
