"""Rewrites annotated texts: edits of characters, and annotations moved to where they lead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from .readers import make_example

# What a token keeps where the edits leave it alone. Heads would point at tokens that may be gone.
_TOKEN_ATTRIBUTES = ("TAG", "POS", "MORPH", "LEMMA", "SENT_START")
_MISSING = 0  # ENT_IOB of a token that nobody annotated


class Edit(NamedTuple):
    """Replace text[start:end] by `text`; an empty `text` removes it."""

    start: int
    end: int
    text: str


class Rewritten(NamedTuple):
    """A text after edits, and where the characters of the old one went.

    text (str): The new text.
    starts, ends (np.ndarray): int64, shape (length of the old text,): the range in the new text of each old
        character; empty for one that was removed, the whole replacement for one that was replaced.
    edited (np.ndarray): bool, same shape: which old characters an edit touched.
    """

    text: str
    starts: np.ndarray
    ends: np.ndarray
    edited: np.ndarray

    def move(self, start: int, end: int) -> tuple[int, int] | None:
        """The new range of the old characters `start` to `end`, without blanks at the edges; None: gone."""
        if start >= end:
            return None
        first, last = int(self.starts[start]), int(self.ends[end - 1])
        piece = self.text[first:last]
        first += len(piece) - len(piece.lstrip())
        last = first + len(piece.strip())
        return (first, last) if first < last else None


def apply_edits(text: str, edits: Iterable[Edit]) -> Rewritten:
    """Apply edits that do not overlap, in any order."""
    pieces: list[str] = []
    starts = np.zeros(len(text), dtype="int64")
    ends = np.zeros(len(text), dtype="int64")
    edited = np.zeros(len(text), dtype=bool)
    old = new = 0
    for edit in [*sorted(edits), Edit(len(text), len(text), "")]:
        kept = edit.start - old
        starts[old : edit.start] = np.arange(new, new + kept)
        ends[old : edit.start] = np.arange(new + 1, new + kept + 1)
        new += kept
        starts[edit.start : edit.end] = new
        ends[edit.start : edit.end] = new + len(edit.text)
        edited[edit.start : edit.end] = True
        pieces += [text[old : edit.start], edit.text]
        new += len(edit.text)
        old = edit.end
    return Rewritten("".join(pieces), starts, ends, edited)


def lower_cased(text: str) -> Rewritten:
    """Lower-case a text; a few characters become two."""
    lowered = [char.lower() for char in text]
    ends = np.cumsum([len(char) for char in lowered], dtype="int64")
    starts = np.concatenate([np.zeros(1, dtype="int64"), ends])[: len(text)]
    return Rewritten("".join(lowered), starts, ends, np.zeros(len(text), dtype=bool))


def rewrite_example(nlp: Language, example: Example, rewritten: Rewritten, renamed: Iterable[Span] = ()) -> Example:
    """The example of a rewritten text, with the annotations of the old reference where they lead.

    nlp (Language): Tokenizes the predicted side and the new text.
    example (Example): The old example; it is not changed.
    rewritten (Rewritten): What became of `example.reference.text`.
    renamed (Iterable[Span]): Entities that have another name now: their entity id is unknown from here on.
    RETURNS (Example): Entities, ids, missing annotation, span groups, classes and user data are kept; tags,
        lemmas and sentence starts are kept on tokens that no edit touched, heads are not.
    """
    old = example.reference
    tokens = list(_tokens(nlp, old, rewritten))
    starts = {start for start, _, _ in tokens}
    spaces = [rewritten.text[end : end + 1] == " " and end not in starts for _, end, _ in tokens]
    doc = Doc(nlp.vocab, words=[rewritten.text[start:end] for start, end, _ in tokens], spaces=spaces)
    _keep_token_attributes(old, doc, [source for _, _, source in tokens])
    _move_entities(old, doc, rewritten, {(span.start, span.end) for span in renamed})
    for key, group in old.spans.items():
        doc.spans[key] = [span for span in (_move_span(doc, span, rewritten) for span in group) if span]
    doc.cats = dict(old.cats)
    doc.user_data.update(_move_user_data(old.user_data, rewritten))
    return make_example(nlp, doc)


def _tokens(nlp: Language, old: Doc, rewritten: Rewritten) -> Iterator[tuple[int, int, int]]:
    """Start and end of each new token, and the index of the old token it was, -1 for what an edit touched."""
    bounds = _boundaries(old, rewritten)
    done = 0
    for token in old:
        place = slice(token.idx, token.idx + len(token))
        if rewritten.edited[place].any():
            continue
        start, end = int(rewritten.starts[place][0]), int(rewritten.ends[place][-1])
        yield from _tokenize_gap(nlp, rewritten.text, done, start, bounds)
        yield start, end, token.i
        done = end
    yield from _tokenize_gap(nlp, rewritten.text, done, len(rewritten.text), bounds)


def _boundaries(old: Doc, rewritten: Rewritten) -> set[int]:
    """Offsets in the new text where an annotated span starts or ends: tokens must, too."""
    spans = [*old.ents, *(span for group in old.spans.values() for span in group)]
    moved = (rewritten.move(span.start_char, span.end_char) for span in spans)
    return {offset for bounds in moved if bounds is not None for offset in bounds}


def _tokenize_gap(nlp: Language, text: str, start: int, end: int, bounds: set[int]) -> Iterator[tuple[int, int, int]]:
    """The tokens of text[start:end]; a first blank belongs to the token before, if there is one."""
    if start and text[start:end].startswith(" "):
        start += 1
    cuts = [start, *sorted(bound for bound in bounds if start < bound < end), end]
    for left, right in pairwise(cuts):
        if left > start and text[left:right].startswith(" "):
            left += 1
        for token in nlp.make_doc(text[left:right]):
            yield left + token.idx, left + token.idx + len(token), -1


def _keep_token_attributes(old: Doc, new: Doc, sources: Sequence[int]) -> None:
    kept = [i for i, source in enumerate(sources) if source >= 0]
    values = np.zeros((len(new), len(_TOKEN_ATTRIBUTES)), dtype="uint64")
    if kept:
        values[kept] = old.to_array(list(_TOKEN_ATTRIBUTES))[[sources[i] for i in kept]]
        new.from_array(list(_TOKEN_ATTRIBUTES), values)  # type: ignore[arg-type]


def _move_entities(old: Doc, new: Doc, rewritten: Rewritten, renamed: set[tuple[int, int]]) -> None:
    if not old.has_annotation("ENT_IOB"):
        return
    moved = [_move_span(new, ent, rewritten, keep_id=(ent.start, ent.end) not in renamed) for ent in old.ents]
    unknown = np.zeros(len(rewritten.text) + 1, dtype=bool)
    for token in old:
        bounds = rewritten.move(token.idx, token.idx + len(token)) if token.ent_iob == _MISSING else None
        if bounds is not None:
            unknown[slice(*bounds)] = True
    missing = [new[token.i : token.i + 1] for token in new if unknown[token.idx : token.idx + len(token)].any()]
    ents = [span for span in moved if span is not None]
    taken = {i for span in ents for i in range(span.start, span.end)}
    new.set_ents(ents, missing=[span for span in missing if span.start not in taken], default="outside")


def _move_span(new: Doc, span: Span, rewritten: Rewritten, keep_id: bool = True) -> Span | None:
    bounds = rewritten.move(span.start_char, span.end_char)
    if bounds is None:
        return None
    kb_id = span.kb_id if keep_id else 0
    return new.char_span(*bounds, label=span.label, kb_id=kb_id, span_id=span.id, alignment_mode="expand")


def _move_user_data(user_data: dict[Any, Any], rewritten: Rewritten) -> dict[Any, Any]:
    """User data of the document as it is; that of a span moves with its offsets, or goes with its text."""
    result = {}
    for key, value in user_data.items():
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "._." and isinstance(key[2], int):
            end = key[3] if key[3] is not None else key[2] + 1
            bounds = rewritten.move(key[2], end)
            if bounds is None:
                continue
            key = (*key[:2], bounds[0], bounds[1] if key[3] is not None else None)
        result[key] = value
    return result
