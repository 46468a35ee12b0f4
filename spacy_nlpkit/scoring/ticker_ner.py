"""Scores of entities and stock symbols: spaCy's own keys, calibration of confidence, slices of symbols."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from spacy.scorer import PRFScore, get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from .. import symbols
from ..attributes import stored_confidence
from .calibration import expected_calibration_error

# So many characters on either side tell in which notation a symbol stands.

SLICES = ("known_notation", "bare", "word")

# Words that are listed symbols too; what is lower-case in the evaluated texts is added to them.
_COMMON_WORDS = """
a all an and any are as at back be beat best big bid book by can car cash cost day eat ever eye fast five
fly for four free fun game go gold good grow has he help hit home hope host is it job key kids know life
live love low main man new next now on one open or out pay play post real rise rose run safe save see say so
sun team tell the this top true two up via wait we well win wise with work you
"""
COMMON_WORDS = frozenset(_COMMON_WORDS.split())


class _Judged(NamedTuple):
    """Entities of one example, on the tokens of the reference: (label, start, end)."""

    right: list[tuple[tuple[str, int, int], Span]]
    wrong: list[tuple[tuple[str, int, int], Span]]
    missed: list[tuple[str, int, int]]


def make_ticker_ner_scorer() -> Callable[..., dict[str, Any]]:
    """Make the scorer of `ticker_ner`, registered as `spacy_nlpkit.ticker_ner_scorer.v1`."""
    return ticker_ner_score


def ticker_ner_score(examples: Iterable[Example], *, ticker_label: str = "TICKER", **kwargs: Any) -> dict[str, Any]:
    """Score the entities of the predicted documents against those of the references.

    An entity is right where label and both boundaries are. Documents and spans without annotation are neither
    rewarded nor punished.

    examples (Iterable[Example]): Predicted and reference documents.
    ticker_label (str): The label of stock symbols.
    RETURNS (dict): `ents_p`, `ents_r`, `ents_f`, `ents_per_type` as `spacy.scorer.get_ner_prf` gives them;
        `ents_ece`, the expected calibration error of `span._.confidence` over predicted entities; and
        `ticker_{slice}_{p,r,f}` for three slices of symbols: `known_notation` (in a notation that
        `symbols.find` knows), `bare` (in none) and `word` (the lower-cased root is an ordinary word). None
        where there is nothing to score.
    """
    examples = list(examples)
    judged = [_judge(eg) for eg in examples if eg.reference.has_annotation("ENT_IOB")]
    references = [eg.reference for eg in examples if eg.reference.has_annotation("ENT_IOB")]
    return {
        **get_ner_prf(examples),
        "ents_ece": _calibration_error(judged),
        **_slice_scores(references, judged, ticker_label),
    }


def _judge(example: Example) -> _Judged:
    """Sort entities into right, wrong and missed, by the rules of `spacy.scorer.get_ner_prf`."""
    reference = example.reference
    gold = {(ent.label_, ent.start, ent.end) for ent in reference.ents}
    result = _Judged([], [], [])
    x2y = example.alignment.x2y
    for ent in example.predicted.ents:
        indices = x2y[ent.start : ent.end]
        if not len(indices):
            continue
        start, end = int(indices[0]), int(indices[-1]) + 1
        if any(token.ent_iob == 0 for token in reference[start:end]):
            continue
        key = (ent.label_, start, end)
        if key in gold:
            gold.remove(key)
            result.right.append((key, ent))
        else:
            result.wrong.append((key, ent))
    result.missed.extend(sorted(gold))
    return result


def _calibration_error(judged: Iterable[_Judged]) -> Any:
    confidences: list[float] = []
    correct: list[bool] = []
    for entities in judged:
        for is_right, found in ((True, entities.right), (False, entities.wrong)):
            for _, ent in found:
                confidence = stored_confidence(ent)
                if confidence is not None:
                    confidences.append(confidence)
                    correct.append(is_right)
    return expected_calibration_error(confidences, correct) if confidences else None


def _slice_scores(references: list[Doc], judged: list[_Judged], label: str) -> dict[str, Any]:
    scores = {name: PRFScore() for name in SLICES}
    words: frozenset[str] = frozenset()
    for reference, entities in zip(references, judged):
        verdicts = list(_verdicts(entities, label))
        if not verdicts:
            continue
        words = words or _ordinary_words(references)
        matches = symbols.find(reference.text)
        for verdict, start, end in verdicts:
            for name in _slices_of(reference[start:end], matches, words):
                setattr(scores[name], verdict, getattr(scores[name], verdict) + 1)
    result: dict[str, Any] = {}
    for name, score in scores.items():
        figures = score.to_dict() if len(score) else dict.fromkeys("prf")
        result.update({f"ticker_{name}_{key}": value for key, value in figures.items()})
    return result


def _verdicts(entities: _Judged, label: str) -> Iterator[tuple[str, int, int]]:
    """("tp" | "fp" | "fn", start, end) of every entity with the label, on the tokens of the reference."""
    for verdict, keys in (
        ("tp", [key for key, _ in entities.right]),
        ("fp", [key for key, _ in entities.wrong]),
        ("fn", entities.missed),
    ):
        for key_label, start, end in keys:
            if key_label == label:
                yield verdict, start, end


def _slices_of(span: Span, matches: list[symbols.Match], words: frozenset[str]) -> Iterator[str]:
    known = any(match.start < span.end_char and span.start_char < match.end for match in matches)
    yield "known_notation" if known else "bare"
    if symbols.resolve_span(span)["root"].lower() in words:
        yield "word"


def _ordinary_words(references: Iterable[Doc]) -> frozenset[str]:
    """Lower-case words of the texts, and the common ones."""
    words: set[str] = set()
    for doc in references:
        words.update(doc.vocab.strings[orth] for orth in set(doc.to_array("ORTH").tolist()))
    return COMMON_WORDS.union(word for word in words if word.isalpha() and word.islower())
