"""Entity scores by character offsets, independent of any tokenizer.

A gold span that no token boundary fits can never be predicted exactly, and counts as missed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from numpy.typing import NDArray

CharSpan = tuple[int, int, str]
Spans = AbstractSet[CharSpan]


def score_offsets(
    gold: Sequence[Spans], pred: Sequence[Spans], labels: Collection[str] | None = None
) -> dict[str, Any]:
    """Micro and per-label precision, recall and F of exact spans (start, end, label).

    gold, pred: One set of character spans a document, in the same order.
    labels: The labels to score; None for all that occur.
    RETURNS (dict): `ents_p`, `ents_r`, `ents_f` and `ents_per_type` (label to `p`, `r`, `f` and `support`,
        the number of its gold spans); floats in 0..1, all None where neither gold nor prediction has a span.
    RAISES: ValueError where gold and pred differ in length.
    """
    names, counts = _count(gold, pred, labels)
    totals = counts.sum(axis=0)
    p, r, f = _prf(totals.sum(axis=0))
    return {
        "ents_p": p,
        "ents_r": r,
        "ents_f": f,
        "ents_per_type": {
            name: dict(zip("prf", _prf(row)), support=int(row[0] + row[2])) for name, row in zip(names, totals)
        },
    }


def bootstrap_interval(
    gold: Sequence[Spans],
    pred: Sequence[Spans],
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    labels: Collection[str] | None = None,
) -> tuple[float, float] | None:
    """The percentile bootstrap interval of micro F, resampling whole documents.

    samples (int): How many times the documents are drawn, with replacement.
    seed (int): Seed of the draws; equal seeds give equal intervals.
    level (float): The share of draws within the interval.
    labels: The labels to score; None for all that occur.
    RETURNS: (lower, upper), or None where there is nothing to score.
    """
    _, counts = _count(gold, pred, labels)
    per_doc = counts.sum(axis=1)
    if not per_doc.any():
        return None
    # How often a document is drawn is all that matters: one multinomial row a sample.
    n_docs = len(per_doc)
    draws = np.random.default_rng(seed).multinomial(n_docs, np.full(n_docs, 1.0 / n_docs), size=samples)
    tp, fp, fn = (draws @ per_doc).T
    f = 2.0 * tp / np.maximum(2 * tp + fp + fn, 1)
    tail = (1.0 - level) / 2.0
    lower, upper = np.quantile(f, [tail, 1.0 - tail])
    return float(lower), float(upper)


def _count(
    gold: Sequence[Spans], pred: Sequence[Spans], labels: Collection[str] | None
) -> tuple[list[str], NDArray[np.int64]]:
    """Label names, and counts (documents, labels, 3): true positives, false positives, false negatives."""
    if len(gold) != len(pred):
        raise ValueError(f"{len(gold)} documents of gold spans, but {len(pred)} of predicted ones.")
    names = sorted({span[2] for doc in (*gold, *pred) for span in doc} if labels is None else set(labels))
    column = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(gold), len(names), 3), dtype=np.int64)
    for row, (wanted, found) in enumerate(zip(gold, pred)):
        for kind, spans in enumerate((wanted & found, found - wanted, wanted - found)):
            for span in spans:
                if span[2] in column:
                    counts[row, column[span[2]], kind] += 1
    return names, counts


def _prf(counts: NDArray[np.int64]) -> tuple[float | None, float | None, float | None]:
    tp, fp, fn = (int(n) for n in counts)
    if not tp + fp + fn:
        return None, None, None
    return tp / max(tp + fp, 1), tp / max(tp + fn, 1), 2 * tp / (2 * tp + fp + fn)
