"""Scores of classes: spaCy's own keys, accuracy, AUC, calibration of the probabilities, and abstention."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, compress, repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.scorer import Scorer
from spacy.training import Example

from ..errors import Errors, NlpkitError
from .calibration import expected_calibration_error

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Probabilities of annotators that differ by less are equal: shares such as 1/3 are rounded.
_EPSILON = 1e-6
_QUOTED = 60


class _Judged(NamedTuple):
    """Documents as arrays, one column per label.

    p (n, k): predicted probabilities, NaN where there is none. decided (n, k): what the pipe decides for. gold (n, k):
    what holds. known (n, k): where the annotation tells whether the label holds. covered (n,): not abstained.
    """

    p: Floats
    decided: Bools
    gold: Bools
    known: Bools
    covered: Bools


class _Resolved(NamedTuple):
    """What `Scorer.score_cats` reads of an example, decided and without doubt."""

    predicted: dict[str, float]
    reference: dict[str, float]


def make_text_classifier_scorer() -> Callable[..., dict[str, Any]]:
    """Make the scorer of `text_classifier`, registered as `spacy_nlpkit.text_classifier_scorer.v1`."""
    return text_classifier_score


def text_classifier_score(
    examples: Iterable[Example],
    *,
    labels: Iterable[str],
    exclusive: bool = True,
    thresholds: Mapping[str, float] | None = None,
    threshold: float | None = None,
    abstain_below: float = 0.0,
    positive_label: str | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    """Score `doc.cats` of the predicted documents against those of the references.

    What is not annotated is neither rewarded nor punished. Of soft labels the majority counts: exclusive, the single
    most probable label; otherwise a probability above 0.5 is yes, below it no. A tie tells nothing, nor does a label
    whose lead one without annotation could still take. Where the annotation says no to every exclusive label, any
    prediction is wrong.

    examples (Iterable[Example]): Predicted and reference documents. A probability that the prediction lacks counts
        as no.
    labels (Iterable[str]): The labels to score.
    exclusive (bool): Whether exactly one label holds. The most probable one is then the decision.
    thresholds: Label to its least probability; exclusive, below it the document is abstained.
    threshold (float): Least probability of labels without one of their own, 0.5 by default; not for exclusive labels.
    abstain_below (float): The document is abstained where the probability of the decision (exclusive), or of any
        of its decisions of yes and no, is lower.
    positive_label (str): Of two exclusive labels, the one whose F is `cats_score`.
    RETURNS (dict): The keys of `Scorer.score_cats`, and `cats_acc`, `cats_ece`, `cats_coverage`, `cats_acc_covered`
        (see "Scores of classes" in docs/evaluation.md). None where there is nothing to score.
    RAISES: N110 where a reference has several labels that are scored as exclusive.
    """
    examples, names = list(examples), list(labels)
    limits = dict(thresholds or {})
    p = _to_array([eg.predicted.cats for eg in examples], names)
    if exclusive:
        gold, known = _exclusive_gold(examples, names)
        judged = _judge_exclusive(p, gold, known, np.array([limits.get(name, 0.0) for name in names]), abstain_below)
    else:
        default = 0.5 if threshold is None else threshold
        gold, known = _independent_gold(examples, names)
        judged = _judge(p, gold, known, np.array([limits.get(name, default) for name in names]), abstain_below)
    scores = {**_count(judged, names), **_rank(judged, names), **_accuracies(judged), "cats_ece": None}
    confidences, right = _top_decisions(judged) if exclusive else _pair_decisions(judged)
    if confidences.size:
        scores["cats_ece"] = expected_calibration_error(confidences, right)
    return {**scores, **_main_score(scores, names, exclusive, positive_label)}


def _to_array(cats: Sequence[Mapping[str, float]], labels: Sequence[str]) -> Floats:
    """(n, k) probabilities, NaN where a document has none for the label."""
    values = chain.from_iterable(map(each.get, labels, repeat(np.nan)) for each in cats)
    shape = len(cats), len(labels)
    return np.fromiter(values, dtype=np.float64, count=shape[0] * shape[1]).reshape(shape)


def _independent_gold(examples: Sequence[Example], labels: Sequence[str]) -> tuple[Bools, Bools]:
    """`gold` and `known` of labels of which any number may hold."""
    values = _to_array([eg.reference.cats for eg in examples], labels)
    return values > 0.5, np.abs(values - 0.5) > _EPSILON


def _exclusive_gold(examples: Sequence[Example], labels: Sequence[str]) -> tuple[Bools, Bools]:
    """`gold` and `known` of labels of which one holds. RAISES: N110."""
    values = _to_array([eg.reference.cats for eg in examples], labels)
    n, k = values.shape
    # One column more: what is left for all that the annotation does not tell of.
    claims = np.zeros((n, k + 1))
    claims[:, :k] = np.nan_to_num(values)
    claims[:, k] = np.maximum(1.0 - claims.sum(axis=1), 0.0)
    holding = claims[:, :k] > 0.5 + _EPSILON
    for i in np.flatnonzero(holding.sum(axis=1) > 1).tolist():
        found = ", ".join(compress(labels, holding[i].tolist()))
        raise NlpkitError(Errors.N110.format(text=examples[i].reference.text[:_QUOTED], found=found))
    best = claims.argmax(axis=1)
    ranked = np.sort(claims, axis=1)
    is_certain = ((best < k) & (ranked[:, -1] - ranked[:, -2:-1].sum(axis=1) > _EPSILON))[:, None]
    # Where the label is open, a no to another one still stands.
    return is_certain & (np.arange(k) == best[:, None]), is_certain | (values == 0.0)


def _judge_exclusive(p: Floats, gold: Bools, known: Bools, limits: Floats, abstain_below: float) -> _Judged:
    top = np.fmax.reduce(p, axis=1, initial=-np.inf)
    is_top = p == top[:, None]
    decided = is_top & (is_top.cumsum(axis=1) == 1)
    covered = top >= np.maximum(abstain_below, decided @ limits)
    return _Judged(p, decided, gold, known, covered)


def _judge(p: Floats, gold: Bools, known: Bools, limits: Floats, abstain_below: float) -> _Judged:
    covered = _every(np.maximum(p, 1.0 - p) >= abstain_below)
    return _Judged(p, p >= limits, gold, known, covered)


def _count(judged: _Judged, labels: Sequence[str]) -> dict[str, Any]:
    """P, R and F by `Scorer.score_cats`, on resolved examples.

    Alone it takes any soft label above 0 for a yes, the first label of a tie for gold, a text without annotation for
    one without labels, and fails without a prediction. It has one threshold for all labels, and counts labels that
    are neither predicted nor gold as 0 in the macro averages.
    """
    decided, gold, known = judged.decided, judged.gold, judged.known
    counted: Bools = np.logical_or.reduce((decided | gold) & known, axis=0)
    pairs = [
        _Resolved(dict.fromkeys(compress(labels, d), 1.0), dict(compress(zip(labels, g), k)))
        for d, g, k in zip(decided.tolist(), gold.astype(np.float64).tolist(), known.tolist())
    ]
    scores = Scorer.score_cats(
        pairs,  # type: ignore[arg-type]
        "cats",
        getter=lambda cats, attr: cats,
        labels=list(compress(labels, counted)),
        threshold=0.5,
    )
    per_type = {label: scores["cats_f_per_type"].get(label, dict.fromkeys("prf")) for label in labels}
    if not counted.any():
        scores = dict.fromkeys(scores)
    return {**scores, "cats_f_per_type": per_type}


def _rank(judged: _Judged, labels: Sequence[str]) -> dict[str, Any]:
    """Area under the ROC curve of each label, and the mean over those that have one."""
    p = np.nan_to_num(judged.p)
    per_type = {
        label: _area(p[known, j], judged.gold[known, j]) for j, (label, known) in enumerate(zip(labels, judged.known.T))
    }
    defined = [area for area in per_type.values() if area is not None]
    return {"cats_macro_auc": float(np.mean(defined)) if defined else None, "cats_auc_per_type": per_type}


def _area(scores: Floats, gold: Bools) -> float | None:
    """The share of pairs of a yes and a no in which the yes has the higher score; equal scores count half."""
    yes, no = scores[gold], np.sort(scores[~gold])
    if not yes.size or not no.size:
        return None
    twice = np.searchsorted(no, yes, side="left").sum() + np.searchsorted(no, yes, side="right").sum()
    return float(twice / (2 * yes.size * no.size))


def _accuracies(judged: _Judged) -> dict[str, Any]:
    right, scored, covered = _right(judged), _scored(judged), judged.covered
    return {
        "cats_acc": _mean(right[scored]),
        "cats_coverage": _mean(covered[scored]),
        "cats_acc_covered": _mean(right[scored & covered]),
    }


def _top_decisions(judged: _Judged) -> tuple[Floats, Bools]:
    """The probability of each document's decision, and whether it is right."""
    rows = _scored(judged) & judged.decided.any(axis=1)
    return judged.p[rows][judged.decided[rows]], _right(judged)[rows]


def _pair_decisions(judged: _Judged) -> tuple[Floats, Bools]:
    """The probability of the more probable answer, yes or no, to each annotated label, and whether it is right.

    A threshold moves what is decided, not what the probability means: it has no part in this.
    """
    pairs = judged.known & ~np.isnan(judged.p)
    p = judged.p[pairs]
    return np.maximum(p, 1.0 - p), (p >= 0.5) == judged.gold[pairs]


def _right(judged: _Judged) -> Bools:
    return _every(judged.decided == judged.gold)


def _scored(judged: _Judged) -> Bools:
    """Documents of which every label is known."""
    return _every(judged.known) & judged.known.any(axis=1)


def _every(flags: Bools) -> Bools:
    return np.logical_and.reduce(flags, axis=1)


def _mean(flags: Bools) -> float | None:
    return float(flags.mean()) if flags.size else None


def _main_score(
    scores: Mapping[str, Any], labels: Sequence[str], exclusive: bool, positive_label: str | None
) -> dict[str, Any]:
    """`cats_score` and its description, by the rules of `Scorer.score_cats`."""
    if not exclusive:
        return {"cats_score": scores["cats_macro_auc"], "cats_score_desc": "macro AUC"}
    if len(labels) == 2 and positive_label:
        f = scores["cats_f_per_type"][positive_label]["f"]
        return {"cats_score": f, "cats_score_desc": f"F ({positive_label})"}
    return {"cats_score": scores["cats_macro_f"], "cats_score_desc": "macro F"}
