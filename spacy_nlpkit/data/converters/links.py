"""Links of entities to a graph in other layouts than Prodigy's spans: spaCy's `links`, choices of an id, ELEVANT's.

Each parser makes a task of one record, as those of Prodigy's JSONL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import Errors
from ...ty import NIL
from .records import BadItem, Task, get_date, get_field, get_span, get_text
from .report import ConvertOptions, LinkOptions, Report
from .spans import CharSpan

_OFFSETS = re.compile(r"[(\[]?\s*(\d+)\s*,\s*(\d+)\s*,?\s*[)\]]?")
# What annotators choose where no entity is right; and where the text does not tell which is.
_NO_CHOICE, _UNDECIDED = "NIL", "NIL_ambiguous"
# ELEVANT's ids of what is in no graph, and of what another graph has but Wikidata does not; and what is no entity.
_NOT_IN_GRAPH, _NOT_MAPPED = "<NIL>", "<NO_MAPPING>"
_LITERALS = frozenset({"DATETIME", "QUANTITY"})


def parse_links(record: Any, where: str, options: ConvertOptions, max_length: int, report: Report) -> Task | None:
    """A record of spaCy's `links`: `{"text", "entities": [[start, end, label]], "links": {"(start, end)": {id: 1.0}}}`,
    or the pair of a text and such an object without it.

    Without `entities` the spans are those of the links, and all other tokens are open.
    """
    if isinstance(record, list) and len(record) == 2 and isinstance(record[1], dict):
        record = {**record[1], "text": record[0]}
    if not isinstance(record, dict):
        raise _malformed(where, f"expected a JSON object, or a text and an object, got a {type(record).__name__}")
    report.answers_read["accept"] += 1
    text = get_text(record, where, max_length)
    ids = _get_links(record, where)
    if record.get("entities") is None:
        spans = [_make_span(*bounds, _settings(options).label, kb_id, text, where) for bounds, kb_id in ids.items()]
    else:
        spans = [_get_entity(entity, ids, text, where) for entity in get_field(record, "entities", list, where)]
        for start, end in sorted(ids.keys() - {(span.start, span.end) for span in spans}):
            report.spans_read += 1
            report.skip_span("link without an entity", Errors.N201.format(where=where, start=start, end=end))
    report.spans_read += len(spans)
    is_complete = record.get("entities") is not None if options.binary is None else not options.binary
    return _make_task(record, where, text, spans, is_complete, report)


def _get_links(record: Mapping[str, Any], where: str) -> dict[tuple[int, int], str]:
    """The id of each linked span, "" where every id was refused."""
    ids = {}
    for key, values in get_field(dict(record), "links", dict, where).items():
        offsets = _OFFSETS.fullmatch(str(key).strip())
        if offsets is None:
            raise _malformed(where, f"the key {key!r} of 'links' is not (start, end)")
        if not isinstance(values, dict) or not all(map(_is_share, values.values())):
            raise _malformed(where, f"'links' of {key} is {values!r}, expected ids with values of 0 to 1")
        right = [kb_id for kb_id, value in values.items() if value > 0.5]
        if len(right) > 1:
            raise _malformed(where, f"'links' of {key} has {len(right)} right ids ({', '.join(right)})")
        ids[int(offsets[1]), int(offsets[2])] = right[0] if right else ""
    return ids


def _is_share(value: Any) -> bool:
    return isinstance(value, bool | int | float) and 0 <= value <= 1


def _get_entity(entity: Any, ids: Mapping[tuple[int, int], str], text: str, where: str) -> CharSpan:
    if not isinstance(entity, Sequence) or isinstance(entity, str) or len(entity) not in (3, 4):
        raise _malformed(where, f"an entity is {entity!r}, expected start, end, label and perhaps an id")
    start, end, label, *own_id = entity
    kb_id = ids.get((start, end), "") if isinstance(start, int) and isinstance(end, int) else ""
    return _make_span(start, end, label, kb_id or (own_id[0] if own_id else None), text, where)


def parse_id_choice(record: Any, where: str, options: ConvertOptions, max_length: int, report: Report) -> Task | None:
    """An answer to which of several ids is right for one span, as Prodigy's recipes for entity linking ask: `spans` of
    one, `options` of ids, `accept` of the chosen. An id that starts with NIL says that none is right, NIL_ambiguous
    and an empty `accept` leave it open.
    """
    if not isinstance(record, dict):
        raise _malformed(where, f"expected a JSON object, got a {type(record).__name__}")
    answer = record.get("answer", "accept")
    report.answers_read[str(answer)] += 1
    if answer != "accept":
        report.skip(f"answer {answer}")
        return None
    text = get_text(record, where, max_length)
    spans = get_field(record, "spans", list, where)
    accepted = get_field(record, "accept", list, where)
    if len(spans) != 1 or not isinstance(spans[0], dict):
        raise _malformed(where, f"{len(spans)} spans, expected one whose id was asked for")
    if len(accepted) > 1:
        raise _malformed(where, f"'accept' holds {accepted}, but one id at most is right")
    chosen = str(accepted[0]) if accepted else _UNDECIDED
    kb_id = "" if chosen == _UNDECIDED else NIL if chosen.startswith(_NO_CHOICE) else chosen
    name = spans[0].get("label") or _settings(options).label
    span = get_span({**spans[0], "label": name, "kb_id": kb_id}, text, where)
    report.spans_read += 1
    return _make_task(record, where, text, [span], False, report)


def parse_elevant(record: Any, where: str, options: ConvertOptions, max_length: int, report: Report) -> Task | None:
    """A document of a benchmark in ELEVANT's layout: `{"text", "evaluation_span", "labels": [{"span", "entity_id",
    "type"}]}`.

    Open, so neither entity nor none, are: what lies outside of `evaluation_span`, pronouns and the like (`coref`), and
    what need not be found (`optional`). Of spans that overlap, the longest is kept.
    """
    if not isinstance(record, dict):
        raise _malformed(where, f"expected a JSON object, got a {type(record).__name__}")
    report.answers_read["accept"] += 1
    text = get_text(record, where, max_length)
    first, last = _get_bounds(record.get("evaluation_span") or [0, len(text)], "evaluation_span", where)
    open_ = [bounds for bounds in ((0, first), (last, len(text))) if bounds[0] < bounds[1]]
    spans: list[CharSpan] = []
    for label in get_field(record, "labels", list, where):
        report.spans_read += 1
        span = _get_label(label, text, _settings(options), where)
        reason = _reason_to_skip(label)
        if not reason and not (first <= span.start and span.end <= last):
            reason = "outside of the evaluated part"
        if reason:
            report.skip_span(reason)
            open_.append((span.start, span.end))
        else:
            spans.append(span)
    kept, dropped = _longest(spans, len(text))
    report.spans_skipped["in or across a longer span"] += len(dropped)
    open_ += [(span.start, span.end) for span in dropped]
    return _make_task(record, where, text, kept, options.binary is not True, report, tuple(open_))


def _get_label(label: Any, text: str, settings: LinkOptions, where: str) -> CharSpan:
    if not isinstance(label, dict):
        raise _malformed(where, f"a label is a {type(label).__name__}, expected an object")
    bounds = _get_bounds(label.get("span"), "span", where)
    entity_id = label.get("entity_id")
    kb_id = NIL if entity_id == _NOT_IN_GRAPH else "" if entity_id == _NOT_MAPPED else entity_id
    types = set(str(label.get("type")).split("|"))
    name = next((name for type_, name in settings.type_labels if type_ in types), settings.label)
    return _make_span(*bounds, name, kb_id, text, where)


def _get_bounds(value: Any, name: str, where: str) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2 and all(type(number) is int for number in value):
        return value[0], value[1]
    raise _malformed(where, f"{name!r} is {value!r}, expected start and end")


def _reason_to_skip(label: Mapping[str, Any]) -> str | None:
    if label.get("coref"):
        return "coreference, not a name"
    if label.get("optional"):
        return "optional"
    return "date or quantity" if label.get("entity_id") in _LITERALS or label.get("type") in _LITERALS else None


def _longest(spans: Iterable[CharSpan], length: int) -> tuple[list[CharSpan], list[CharSpan]]:
    """Spans without overlaps, the longer before the shorter, of equal ones that which stands first; and the others."""
    kept: list[CharSpan] = []
    dropped: list[CharSpan] = []
    taken = bytearray(length)
    for span in sorted(spans, key=lambda span: span.start - span.end):
        if taken.find(1, span.start, span.end) >= 0:
            dropped.append(span)
        else:
            taken[span.start : span.end] = b"\x01" * (span.end - span.start)
            kept.append(span)
    return sorted(kept), dropped


def _make_span(start: Any, end: Any, label: Any, kb_id: Any, text: str, where: str) -> CharSpan:
    return get_span({"start": start, "end": end, "label": label, "kb_id": kb_id}, text, where)


def _make_task(
    record: dict[str, Any],
    where: str,
    text: str,
    spans: Sequence[CharSpan],
    is_complete: bool,
    report: Report,
    open_: tuple[tuple[int, int], ...] = (),
) -> Task:
    meta = get_field(record, "meta", dict, where)
    item_id = meta.get("id", record.get("id"))
    return Task(
        where=where,
        text=text,
        kind="complete" if is_complete else "binary",
        spans=tuple(spans),
        accepted=True,
        cats={},
        one_class=False,
        annotator=str(record.get("_annotator_id") or record.get("_session_id") or ""),
        item_id=None if item_id is None else str(item_id),
        date=get_date(meta, report),
        open=open_,
    )


def _settings(options: ConvertOptions) -> LinkOptions:
    return options.links or LinkOptions()


def _malformed(where: str, problem: str) -> BadItem:
    return BadItem("malformed", Errors.N200.format(where=where, problem=problem))
