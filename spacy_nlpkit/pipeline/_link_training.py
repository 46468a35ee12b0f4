"""What `kg_linker` learns from: annotated mentions on the predicted side, right candidates, and its calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..kg.graph import Ints, KnowledgeGraph
from ..ty import NIL
from ._link_mentions import spans_of
from ._link_scoring import Found, chances_of, link_loss

Bools = NDArray[np.bool_]
_DIGITS = 6
# Temperatures that are tried, and the share of their range that the best is narrowed to.
_COLDEST, _HOTTEST = 0.05, 20.0
_SPREAD = 0.5


class Truth(NamedTuple):
    """Which candidates are right (candidates,), and which mentions mean none of the graph's entities (mentions,)."""

    right: Bools
    nil: Bools


def gold_groups(
    examples: Sequence[Example], spans_key: str | None
) -> tuple[list[list[Span]], dict[tuple[int, int, int, str], str]]:
    """The annotated spans of each example on the tokens of its predicted side, and the id of each, by its document's
    number, first token, end and label. Spans that fit no tokens there are left out."""
    groups: list[list[Span]] = []
    ids: dict[tuple[int, int, int, str], str] = {}
    for number, example in enumerate(examples):
        doc: Doc = example.predicted
        spans = []
        for gold in spans_of(example.reference, spans_key):
            aligned = doc.char_span(gold.start_char, gold.end_char, label=gold.label_)
            if aligned is not None:
                spans.append(aligned)
                ids[(number, aligned.start, aligned.end, gold.label_)] = gold.kb_id_
        groups.append(spans)
    return groups, ids


def truth_of(graph: KnowledgeGraph, found: Found, gold: Sequence[str], missing_as_nil: bool) -> Truth:
    """What is right.

    gold: Of each mention the id, NIL, or "" where it is not known. missing_as_nil: Take for NIL what is not among the
        candidates.
    """
    numbers: Ints = graph.numbers(gold)
    right = found.candidates.entity == numbers[found.candidates.mention]
    nil = np.array([kb_id == NIL for kb_id in gold], bool)
    if missing_as_nil:
        known = np.array([bool(kb_id) for kb_id in gold], bool)
        nil |= known & (np.bincount(found.candidates.mention, right, minlength=len(gold)) == 0)
    return Truth(right, nil)


class Judged(NamedTuple):
    """Scores of a part of the dev corpus, the mention of each candidate, and what is right."""

    scores: NDArray[Any]
    mention: Ints
    truth: Truth


def fit_decisions(parts: Sequence[Judged]) -> tuple[float, float] | None:
    """The temperature of least cross-entropy (Guo et al. 2017), and the threshold of best expected accuracy under the
    chances that it gives. A few mentions that are all right would make every chance 1: the logarithm of the temperature
    is held near 0, by what hundreds of mentions overrule (a normal prior, `_SPREAD` its deviation).

    RETURNS: None where no mention teaches anything.
    """
    if not any(part.truth.right.any() or part.truth.nil.any() for part in parts):
        return None
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        likelihood = (
            link_loss(part.scores / temperature, part.mention, *part.truth)[0] * _taught(part) for part in parts
        )
        return sum(likelihood) + 0.5 * (log_temperature / _SPREAD) ** 2

    bounds = (np.log(_COLDEST), np.log(_HOTTEST))
    temperature = float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
    best, none = [], []
    for part in parts:
        chances = chances_of(part.scores, part.mention, temperature)
        top = np.zeros(len(part.truth.nil))
        np.maximum.at(top, part.mention, chances.candidates)
        best.append(top)
        none.append(chances.nil)
    return round(temperature, _DIGITS), round(_best_threshold(np.concatenate(best), np.concatenate(none)), _DIGITS)


def _taught(part: Judged) -> int:
    has = np.bincount(part.mention, part.truth.right, minlength=len(part.truth.nil)) > 0
    return int((has | part.truth.nil).sum())


def _best_threshold(best: NDArray[np.float64], none: NDArray[np.float64]) -> float:
    """Linking every mention whose best candidate has at least this chance makes the most mentions right, by chance."""
    order = np.argsort(-best, kind="stable")
    gains = np.cumsum(best[order] - none[order])
    last = int(np.argmax(gains))
    if gains[last] <= 0:
        return 1.0
    following = best[order[last + 1]] if last + 1 < len(order) else 0.0
    return float((best[order[last]] + following) / 2.0)
