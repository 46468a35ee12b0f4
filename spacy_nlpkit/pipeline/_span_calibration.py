"""Gold entities as arrays, and the calibration of span probabilities on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, IDX, ORTH
from spacy.training import Example

from ..layers.crf import Bools, Floats, Ints
from ..layers.span_decoding import SpanArrays, select_spans
from ..scoring.calibration import apply_platt, fit_platt, log_odds

# Parameters (a, b) of Platt scaling by label; "*" holds for labels without their own.
Calibration = dict[str, list[float]]

# A label with fewer candidates than this on dev shares the calibration of all.
MIN_CANDIDATES = 30
THRESHOLDS = np.round(np.arange(0.2, 0.71, 0.02), 2)
# Equal words at equal places are the same tokenization.
IDS = [IDX, ORTH]
_CODE_OF = {"B": 3, "U": 3, "I": 1, "L": 1}


@dataclass
class JudgedSpans:
    """Candidate spans of some held-out documents, whether each is right, and how many gold entities there are."""

    spans: SpanArrays
    correct: Bools
    n_gold: int


def gold_entities(example: Example) -> np.ndarray:
    """The gold entities on the tokens of the predicted document.

    RETURNS: uint64 (tokens, 2), spaCy's ENT_IOB code and ENT_TYPE hash; code 0 where the annotation is missing or does
    not fit the tokens.
    """
    predicted, reference = example.predicted, example.reference
    if len(predicted) == len(reference) and (predicted.to_array(IDS) == reference.to_array(IDS)).all():
        return reference.to_array([ENT_IOB, ENT_TYPE])
    codes = np.zeros((len(predicted), 2), dtype=np.uint64)
    for row, tag in enumerate(example.get_aligned_ner()):
        if tag == "O":
            codes[row] = (2, 0)
        elif tag not in (None, "-", ""):
            codes[row] = (_CODE_OF[tag[0]], predicted.vocab.strings[tag[2:]])
    return codes


def is_complete(example: Example) -> bool:
    """Whether every token is annotated, so that what is not marked is known to be no entity."""
    return len(example.predicted) > 0 and bool((gold_entities(example)[:, 0] != 0).all())


def judge(examples: Sequence[Example], spans: SpanArrays, document: Ints, labels: Sequence[str]) -> JudgedSpans:
    """Compare candidates with the gold entities. document: (spans,) the number of the example of each."""
    first_row = np.cumsum([0, *(len(example.predicted) for example in examples)])
    gold = {
        (span.start + int(first_row[number]), span.end + int(first_row[number]), span.label_)
        for number, example in enumerate(examples)
        for span in example.get_aligned_spans_y2x(example.reference.ents)
    }
    columns = zip(spans.start.tolist(), spans.end.tolist(), spans.label.tolist())
    correct = np.array([(start, end, labels[label]) in gold for start, end, label in columns], dtype=bool)
    return JudgedSpans(spans, correct, sum(len(example.reference.ents) for example in examples))


def fit_calibration(judged: Sequence[JudgedSpans], labels: Sequence[str]) -> Calibration:
    """Fit Platt scaling on the log-odds of all candidates, and of each label that has enough, right and wrong."""
    odds = log_odds(np.concatenate([part.spans.probability for part in judged]))
    label = np.concatenate([part.spans.label for part in judged])
    correct = np.concatenate([part.correct for part in judged])
    calibration = {"*": list(fit_platt(odds, correct))}
    for number, name in enumerate(labels):
        rows = label == number
        if rows.sum() >= MIN_CANDIDATES and correct[rows].any() and not correct[rows].all():
            calibration[name] = list(fit_platt(odds[rows], correct[rows]))
    return calibration


def apply_calibration(spans: SpanArrays, calibration: Calibration | None, labels: Sequence[str]) -> Floats:
    """The calibrated confidence of each span; its own probability without a calibration."""
    if not calibration:
        return spans.probability
    confidence = spans.probability.copy()
    for number, label in enumerate(labels):
        rows = spans.label == number
        confidence[rows] = apply_platt(confidence[rows], *calibration.get(label, calibration["*"]))
    return confidence


def best_threshold(judged: Sequence[JudgedSpans], calibration: Calibration, labels: Sequence[str]) -> float:
    """The threshold of best expected F1: right entities are counted by their calibrated confidence.

    Counting those that happen to be right instead would follow the chances of a few hundred entities. The outcome lies
    near half of the best F1, as theory has it (Lipton, Elkan, Naryanaswamy 2014).
    """
    confidences = [apply_calibration(part.spans, calibration, labels) for part in judged]
    n_gold = sum(part.n_gold for part in judged)
    f_scores = []
    for threshold in THRESHOLDS:
        found, right = 0, 0.0
        for part, confidence in zip(judged, confidences):
            chosen = select_spans(part.spans, confidence >= threshold, confidence)
            found += len(chosen)
            right += float(confidence[chosen].sum())
        f_scores.append(2 * right / (found + n_gold))
    return float(THRESHOLDS[int(np.argmax(f_scores))])
