"""Scores of links: accuracy on gold mentions, end to end, recall of candidates, NIL, calibration."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray
from spacy.scorer import PRFScore
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..attributes import register_links
from ..ty import NIL
from .calibration import expected_calibration_error

# Ranks at which the recall of candidates is given, beside that of all of them.
RANKS = (1, 10)


class HoldsEntities(Protocol):
    """What the scorer asks of a graph."""

    def numbers(self, ids: Sequence[str]) -> NDArray[Any]:
        """The number of each id, -1 where the graph has no such entity."""
        ...


class _Mention(NamedTuple):
    """A mention that is annotated, predicted or both.

    gold: The id that is right, "" where it is unknown; None where no such mention is annotated.
    predicted: The id, "" where nothing was decided; None where no such mention was found. span: As predicted.
    """

    label: str
    gold: str | None
    predicted: str | None
    span: Span | None


def make_kg_linker_scorer() -> Callable[..., dict[str, Any]]:
    """Make the scorer of `kg_linker`, registered as `spacy_nlpkit.kg_linker_scorer.v1`."""
    return kg_linker_score


def kg_linker_score(
    examples: Iterable[Example],
    *,
    graph: HoldsEntities | None = None,
    spans_key: str | None = None,
    labels: Iterable[str] | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    """Score the ids of predicted entities, or of the spans of a group, against those of the references.

    A mention is the same in both where its bounds are, in characters; in a span group its label as well. An annotated
    mention without an id is unknown: whatever is predicted for it counts nowhere. A predicted mention that is not
    annotated is wrong, unless it touches a token without annotation of entities (or the reference has no such span
    group). A predicted mention without an id is no decision: it is wrong where an id is right, and otherwise nothing.

    An id that the graph does not hold cannot be found. What is right then is `NIL`, as for entities annotated so; which
    share of the annotated ids the graph holds is `links_coverage`. Without a graph, every id counts as one that it
    holds.

    examples (Iterable[Example]): Predicted and reference documents.
    graph: The graph of the linker.
    spans_key (str): The span group of the mentions; None for `doc.ents`.
    labels: The labels that are linked; mentions with others count nowhere. None for all.
    RETURNS (dict): Keys of `docs/evaluation.md`, "Scores of links"; None where there is nothing to score.
    """
    register_links()
    wanted = None if labels is None else set(labels)
    mentions = [m for eg in examples for m in _mentions(eg, spans_key) if wanted is None or m.label in wanted]
    mentions, coverage = _within(mentions, graph)
    found = [mention for mention in mentions if mention.gold and mention.span is not None]
    in_graph = [mention for mention in found if mention.gold != NIL]
    return {
        "links_acc": _accuracy(found),
        "links_acc_in_graph": _accuracy(in_graph),
        "links_acc_nil": _accuracy([mention for mention in found if mention.gold == NIL]),
        "links_mention_recall": _share(mention.span is not None for mention in mentions if mention.gold),
        "links_coverage": coverage,
        **_named("links_micro", _count(mentions)),
        **_named("links_nil", _count_nil(found)),
        **_named("nel_micro", _count_as_stock(found)),
        **_recall(in_graph),
        "links_ece": _calibration_error(found),
        "links_per_label": _per_label(mentions),
        "links_per_status": _per_status(found),
    }


def _mentions(example: Example, spans_key: str | None) -> Iterator[_Mention]:
    """The mentions of one example that the annotation says anything of, each once."""
    reference = example.reference
    if spans_key is None:
        annotated, found = reference.ents, example.predicted.ents
        is_annotated = reference.has_annotation("ENT_IOB")
    else:
        annotated, found = (tuple(doc.spans.get(spans_key, ())) for doc in (reference, example.predicted))
        is_annotated = spans_key in reference.spans
    gold = {_key(span, spans_key): span for span in annotated}
    for span in found:
        match = gold.pop(_key(span, spans_key), None)
        if match is not None:
            yield _Mention(match.label_, match.kb_id_, span.kb_id_, span)
        elif is_annotated and not (spans_key is None and _is_open(span, reference)):
            yield _Mention(span.label_, None, span.kb_id_, span)
    for span in gold.values():
        yield _Mention(span.label_, span.kb_id_, None, None)


def _key(span: Span, spans_key: str | None) -> tuple[int, int, str]:
    return span.start_char, span.end_char, "" if spans_key is None else span.label_


def _is_open(span: Span, reference: Doc) -> bool:
    """Whether a predicted span touches a token of which the reference does not say if it is in an entity."""
    tokens = reference.char_span(span.start_char, span.end_char, alignment_mode="expand")
    return tokens is None or any(token.ent_iob == 0 for token in tokens)


def _within(mentions: list[_Mention], graph: HoldsEntities | None) -> tuple[list[_Mention], float | None]:
    """The mentions as the graph can link them, with `NIL` for ids that it lacks; and the share of ids that it holds."""
    linked = [mention.gold for mention in mentions if mention.gold and mention.gold != NIL]
    if graph is None or not linked:
        return mentions, None
    ids = sorted(set(linked))
    held = {kb_id for kb_id, number in zip(ids, graph.numbers(ids).tolist()) if number >= 0} | {NIL}
    within = [m._replace(gold=NIL) if m.gold and m.gold not in held else m for m in mentions]
    return within, _share(kb_id in held for kb_id in linked)


def _accuracy(mentions: Iterable[_Mention]) -> float | None:
    return _share(mention.predicted == mention.gold for mention in mentions)


def _share(flags: Iterable[bool]) -> float | None:
    values = list(flags)
    return sum(values) / len(values) if values else None


def _count(mentions: Iterable[_Mention]) -> PRFScore:
    """Strict, end to end: bounds and id are right; `NIL` is an id as any other."""
    score = PRFScore()
    for mention in mentions:
        if mention.gold != "":
            is_right = mention.gold == mention.predicted
            score.tp += is_right
            score.fp += bool(mention.predicted) and not is_right
            score.fn += bool(mention.gold) and not is_right
    return score


def _count_nil(mentions: Iterable[_Mention]) -> PRFScore:
    score = PRFScore()
    for mention in mentions:
        right, said = mention.gold == NIL, mention.predicted == NIL
        score.tp += right and said
        score.fp += said and not right
        score.fn += right and not said
    return score


def _count_as_stock(mentions: Iterable[_Mention]) -> PRFScore:
    """As `Scorer.score_links`, but for mentions without an annotated id: `NIL` is no prediction and nothing to find."""
    score = PRFScore()
    for mention in mentions:
        gold, predicted = (None if kb_id in ("", NIL) else kb_id for kb_id in (mention.gold, mention.predicted))
        is_right = gold == predicted
        score.tp += gold is not None and is_right
        score.fp += predicted is not None and not is_right
        score.fn += gold is not None and not is_right
    return score


def _figures(score: PRFScore) -> dict[str, float | None]:
    return {"p": score.precision, "r": score.recall, "f": score.fscore} if len(score) else dict.fromkeys("prf")


def _named(name: str, score: PRFScore) -> dict[str, float | None]:
    return {f"{name}_{key}": value for key, value in _figures(score).items()}


def _recall(mentions: Iterable[_Mention]) -> dict[str, float | None]:
    """How often the right entity is among the first candidates, over the mentions that were given any list of them."""
    places: list[int | None] = []
    for mention in mentions:
        candidates = mention.span._.kb_candidates if mention.span is not None else None
        if candidates is not None:
            ids = [candidate["id"] for candidate in candidates]
            places.append(ids.index(mention.gold) if mention.gold in ids else None)
    recall = {f"links_recall_at_{k}": _share(place is not None and place < k for place in places) for k in RANKS}
    return {**recall, "links_recall_at_k": _share(place is not None for place in places)}


def _calibration_error(mentions: Iterable[_Mention]) -> float | None:
    judged = [
        (mention.span._.kb_score, mention.predicted == mention.gold)
        for mention in mentions
        if mention.span is not None and mention.predicted and mention.span._.kb_score is not None
    ]
    if not judged:
        return None
    scores, right = zip(*judged)
    return expected_calibration_error(scores, right)


def _per_label(mentions: Iterable[_Mention]) -> dict[str, dict[str, float | None]]:
    groups: defaultdict[str, list[_Mention]] = defaultdict(list)
    for mention in mentions:
        if mention.gold != "":
            groups[mention.label].append(mention)
    return {
        label: {
            **_figures(_count(group)),
            "acc": _accuracy(m for m in group if m.gold and m.span is not None),
            "support": sum(bool(m.gold) for m in group),
        }
        for label, group in sorted(groups.items())
    }


def _per_status(mentions: Iterable[_Mention]) -> dict[str, dict[str, float | None]]:
    groups: defaultdict[str, list[_Mention]] = defaultdict(list)
    for mention in mentions:
        status = mention.span._.kb_status if mention.span is not None else None
        if status is not None:
            groups[status].append(mention)
    return {status: {"acc": _accuracy(group), "support": len(group)} for status, group in sorted(groups.items())}
