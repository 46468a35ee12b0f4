"""From a lattice of BILUO tags to spans with their exact probabilities, and back to spans that do not overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .crf import Bools, Floats, I, Ints, L, Lattice, U, labels_in, n_tags, valid_transitions


@dataclass(frozen=True)
class SpanArrays:
    """Candidate spans as columns of equal length: first token, token behind the last, label number, probability.

    Token numbers are rows of the concatenated documents.
    """

    start: Ints
    end: Ints
    label: Ints
    probability: Floats


def span_probabilities(lattice: Lattice, lengths: Ints, transitions: Floats, floor: float) -> SpanArrays:
    """All spans whose probability is at least `floor`, exact under the model.

    A span's probability is that of its first tag times the transition probabilities along it: the chain is Markov.
    Partial products only shrink, so the walk from each start ends once it falls below the floor.

    lattice: of `forward_backward`. lengths: (sequences,) all at least 1. transitions: (tags, tags) scores.
    """
    n_labels = labels_in(lattice.posteriors)
    weights = np.exp(transitions) * valid_transitions(n_labels)[0]
    last_row = np.repeat(np.cumsum(lengths) - 1, lengths)
    unit = lattice.posteriors[:, U::4]
    rows, labels = np.nonzero(unit >= floor)
    found = [(rows, rows + 1, labels, unit[rows, labels])]
    begin = lattice.posteriors[:, 1::4]
    rows, labels = np.nonzero(begin >= floor)
    here, reached, tag = rows, begin[rows, labels], 1 + 4 * labels
    while len(rows):
        inner = here < last_row[here]
        rows, labels, here, reached, tag = rows[inner], labels[inner], here[inner], reached[inner], tag[inner]
        per_weight = reached / np.maximum(lattice.backward[here, tag], np.finfo(float).tiny)
        here = here + 1
        closed = per_weight * weights[tag, 4 * labels + L] * lattice.onward[here, 4 * labels + L]
        keep = closed >= floor
        found.append((rows[keep], here[keep] + 1, labels[keep], closed[keep]))
        tag_inside = 4 * labels + I
        reached = per_weight * weights[tag, tag_inside] * lattice.onward[here, tag_inside]
        keep = reached >= floor
        rows, labels, here, reached, tag = (
            rows[keep],
            labels[keep],
            here[keep],
            reached[keep],
            tag_inside[keep],
        )
    start, end, label, probability = (np.concatenate(column) for column in zip(*found))
    return SpanArrays(start, end, label, np.minimum(probability, 1.0))


def select_spans(spans: SpanArrays, keep: Bools, score: Floats) -> Ints:
    """Numbers of the kept spans, best score first chosen, that do not overlap one another, in order of position.

    Ties go to the longer span, then to the earlier one, so that the choice is deterministic.
    """
    candidates = np.nonzero(keep)[0]
    order = candidates[
        np.lexsort(
            (
                spans.label[candidates],
                spans.start[candidates],
                spans.start[candidates] - spans.end[candidates],
                -score[candidates],
            )
        )
    ]
    taken: set[int] = set()
    chosen = []
    for number in order.tolist():
        tokens = range(int(spans.start[number]), int(spans.end[number]))
        if taken.isdisjoint(tokens):
            taken.update(tokens)
            chosen.append(number)
    return np.array(sorted(chosen, key=lambda number: spans.start[number]), dtype=np.int64)


def biluo_tags(iob: Ints, labels: Ints, lengths: Ints) -> tuple[Ints, Bools]:
    """Tag numbers from spaCy's ENT_IOB codes.

    iob: (tokens,) 3 begin, 1 inside, 2 outside, 0 missing. labels: (tokens,) label number, -1 for none or unknown.
    RETURNS: (tokens,) tags and (tokens,) whether the tag is known.
    """
    entity = ((iob == 3) | (iob == 1)) & (labels >= 0)
    begins = entity & (iob == 3)
    continued = np.zeros(len(iob), dtype=bool)
    continued[:-1] = entity[1:] & (iob[1:] == 1)
    continued[np.cumsum(lengths) - 1] = False
    kind = np.where(begins, np.where(continued, 1, 4), np.where(continued, 2, 3))
    tags = np.where(entity, 4 * labels + kind, 0)
    return tags, iob != 0


def allowed_tags(tags: Ints, known: Bools, n_labels: int) -> Bools:
    """(tokens, tags) mask of what the annotation leaves open: the one tag where known, every tag elsewhere."""
    allowed = np.repeat(~known[:, None], n_tags(n_labels), axis=1)
    allowed[np.arange(len(tags)), tags] = True
    return allowed
