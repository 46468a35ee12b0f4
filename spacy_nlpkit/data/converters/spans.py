"""Puts annotated character spans onto the tokens of a document, and says of each that does not fit why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from spacy.tokens import Doc, Span

from ...errors import Errors
from .report import MISALIGNED, ConvertOptions, Report

QUOTED = 60


class CharSpan(NamedTuple):
    """A span as annotated, in characters; `kb_id` is "" where unknown, "NIL" where not in the graph."""

    start: int
    end: int
    label: str
    kb_id: str


class TokenSpan(NamedTuple):
    """A span on the tokens of a document, `end` exclusive."""

    start: int
    end: int
    label: str
    kb_id: str


class Placed(NamedTuple):
    """What one annotator said of a document: spans that do not overlap, and the tokens left open.

    open_tokens (frozenset[int]): Tokens under a span that was left out: what they are is not known, so not O.
    """

    spans: tuple[TokenSpan, ...]
    open_tokens: frozenset[int]


def place_spans(
    doc: Doc,
    text: str,
    spans: Iterable[CharSpan],
    where: str,
    options: ConvertOptions,
    report: Report,
    open_: Iterable[tuple[int, int]] = (),
) -> Placed:
    """Align spans with tokens; count and report those that fit no token boundary or overlap.

    text (str): `doc.text`, which spaCy makes anew on each call.
    open_: Start and end of characters whose tokens are open, whatever the spans say.
    """
    fitting: list[TokenSpan] = []
    open_tokens: set[int] = set()
    for start, end in open_:
        if text[start:end].strip():
            first, last, _ = align(doc, text, start, end)
            open_tokens.update(range(first, last))
    for span in spans:
        if options.labels is not None and span.label not in options.labels:
            report.skip_span("label not asked for")
            continue
        start, end, fits = align(doc, text, span.start, span.end)
        if fits or options.repair:
            report.notes["span repaired"] += not fits
            fitting.append(TokenSpan(start, end, span.label, span.kb_id))
        else:
            report.skip_span(MISALIGNED, _misaligned(doc, text, span, start, end, where))
            open_tokens.update(range(start, end))
    kept = _without_overlaps(doc, fitting, open_tokens, where, report)
    return Placed(tuple(kept), frozenset(open_tokens))


def align(doc: Doc, text: str, start: int, end: int) -> tuple[int, int, bool]:
    """Tokens (start, end exclusive) of the characters start to end, and whether they fit exactly.

    Where they do not, the nearest: without blanks at the edges, grown to whole tokens.
    """
    exact = doc.char_span(start, end)
    if exact is not None:
        return exact.start, exact.end, True
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    near = cast(Span, doc.char_span(start, start + len(piece.strip()), alignment_mode="expand"))
    return near.start, near.end, False


def _misaligned(doc: Doc, text: str, span: CharSpan, start: int, end: int, where: str) -> str:
    near = doc[start:end]
    return Errors.N025.format(
        where=where,
        text=quote(text[span.start : span.end]),
        start=span.start,
        end=span.end,
        label=span.label,
        near=quote(near.text),
        near_start=near.start_char,
        near_end=near.end_char,
    )


def _without_overlaps(
    doc: Doc, spans: Sequence[TokenSpan], open_tokens: set[int], where: str, report: Report
) -> list[TokenSpan]:
    """Spans that overlap no other: which of two is right is not for a converter to guess, so both go."""
    unique = sorted(set(spans))
    report.notes["same span twice"] += len(spans) - len(unique)
    clashing: set[TokenSpan] = set()
    widest: TokenSpan | None = None
    for span in unique:
        if widest is not None and span.start < widest.end:
            clashing.update((span, widest))
        if widest is None or span.end > widest.end:
            widest = span
    for span in sorted(clashing):
        report_conflict(doc, span, where, report)
        open_tokens.update(range(span.start, span.end))
    return [span for span in unique if span not in clashing]


def report_conflict(
    doc: Doc, span: TokenSpan, where: str, report: Report, reason: str = "overlaps another span"
) -> None:
    """Count a span that contradicts other annotation of its text as left out."""
    tokens = doc[span.start : span.end]
    message = Errors.N026.format(
        where=where,
        text=quote(tokens.text),
        start=tokens.start_char,
        end=tokens.end_char,
        label=span.label,
        problem=f"{reason} of the text",
    )
    report.skip_span(reason, message)


def quote(text: str) -> str:
    """A text as short as a message can bear."""
    return text if len(text) <= QUOTED else text[: QUOTED - 3] + "..."
