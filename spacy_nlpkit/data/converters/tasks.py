"""One line of Prodigy's JSONL, checked: what was asked, what was answered, by whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...errors import Errors
from ...files import read_json_lines
from ..cleaning import clean
from .classes import NOT_EXCLUSIVE, exclusive_problem, label_problem
from .records import BadItem, Task, get_date, get_field, get_spans, get_text, malformed
from .report import CONTROL, CONTROL_CHARACTERS, ConvertOptions, Report
from .spans import CharSpan

Parser = Callable[[Any, str, ConvertOptions, int, Report], Task | None]

ANSWERS = ("accept", "reject", "ignore")


def read_tasks(
    path: Path, options: ConvertOptions, max_length: int, report: Report, parse: Parser | None = None
) -> Iterator[Task]:
    """The answered tasks of a file; others are counted and skipped.

    max_length (int): Longest text the tokenizer takes, in characters.
    parse (Callable): Makes a task of a record; Prodigy's own by default.
    """
    parse = parse or parse_task
    for where, record in read_json_lines(path, report):
        try:
            task = parse(record, where, options, max_length, report)
        except BadItem as bad:
            report.skip(bad.reason, bad.message)
            continue
        if task is not None:
            yield task


def parse_task(record: Any, where: str, options: ConvertOptions, max_length: int, report: Report) -> Task | None:
    """Check a record; None where its answer says nothing (then it is counted as skipped)."""
    if not isinstance(record, dict):
        raise malformed(where, f"expected a JSON object, got a {type(record).__name__}")
    answer = record.get("answer", "accept")
    if answer not in ANSWERS:
        raise malformed(where, f"unknown answer {answer!r}, expected accept, reject or ignore")
    report.answers_read[answer] += 1
    if answer == "ignore":
        report.skip("answer ignore")
        return None
    raw = get_text(record, where, max_length)
    spans = get_spans(record, raw, where)
    kind = _get_kind(record, spans, options)
    one_class = kind == "none" and record.get("label") is not None
    if answer == "reject" and kind != "binary" and not one_class:
        report.skip("answer reject")
        return None
    if kind == "binary" and answer == "reject" and len(spans) != 1:
        report.skip("rejected spans, open which")
        return None
    if kind == "none":
        report.notes["spans shown, not annotated"] += len(spans)
        spans = []
    report.spans_read += len(spans)
    meta = get_field(record, "meta", dict, where)
    text = raw
    if options.clean:
        text, spans = _clean(raw, spans, report)
    if not text.strip():
        raise BadItem("blank text", Errors.N030.format(where=where))
    report.notes[CONTROL_CHARACTERS] += bool(CONTROL.search(text))
    cats = _get_cats(record, where, answer == "accept", one_class)
    problem = exclusive_problem(cats, complete=not one_class) if options.exclusive and cats else None
    if problem:
        raise BadItem(NOT_EXCLUSIVE, Errors.N117.format(where=where, problem=problem))
    annotator = record.get("_annotator_id") or record.get("_session_id") or ""
    return Task(
        where=where,
        text=text,
        kind=kind,
        spans=tuple(spans),
        accepted=answer == "accept",
        cats=cats,
        one_class=one_class,
        annotator=str(annotator),
        item_id=None if meta.get("id") is None else str(meta["id"]),
        date=get_date(meta, report),
    )


def _get_kind(record: dict[str, Any], spans: list[CharSpan], options: ConvertOptions) -> str:
    """What the spans of a record say (`Task.kind`), by `_view_id` or, without it, by what is there."""
    view = record.get("_view_id")
    asked_binary = record.get("_is_binary", record.get("_binary"))
    if view in ("choice", "classification") or (view is None and record.get("label") is not None):
        return "none"
    if options.binary is not None and spans:
        return "binary" if options.binary else "complete"
    if view == "ner" or asked_binary is True:
        return "binary"
    if "spans" not in record and "tokens" not in record and view not in ("ner_manual", "spans_manual"):
        return "none"
    return "binary" if view is None and asked_binary is None and _has_score(record, len(spans)) else "complete"


def _has_score(record: dict[str, Any], count: int) -> bool:
    """Whether the one span of a record came with a score or a pattern: only yes/no tasks show these."""
    if count != 1:
        return False
    sources = (record["spans"][0], record.get("meta"))
    return any(isinstance(source, dict) and not source.keys().isdisjoint(("score", "pattern")) for source in sources)


def _get_cats(record: dict[str, Any], where: str, accepted: bool, one_class: bool) -> dict[str, float]:
    """The classes of a record: `label` with the answer, `accept` out of `options`, or `cats` with values."""
    if one_class:
        return {_check_label(record["label"], where): float(accepted)}
    chosen = get_field(record, "accept", list, where)
    options = get_field(record, "options", list, where)
    values = get_field(record, "cats", dict, where)
    if values:
        if chosen:
            raise malformed(where, "'accept' and 'cats' both tell the classes")
        return {_check_label(name, where): _check_value(name, value, where) for name, value in values.items()}
    if "accept" not in record:
        return {}
    ids = [option.get("id") if isinstance(option, dict) else option for option in options]
    cats = {_check_label(name, where): 0.0 for name in ids if name is not None}
    names = [_check_label(name, where) for name in chosen]
    if cats and not cats.keys() >= set(names):
        raise malformed(where, f"'accept' holds {names}, but 'options' {list(cats)}")
    cats.update(dict.fromkeys(names, 1.0))
    return cats


def _check_label(name: Any, where: str) -> str:
    """The name of a label as a string: numbers are names, too."""
    if type(name) is int:
        return str(name)
    problem = label_problem(name)
    if problem:
        raise BadItem("bad label", Errors.N115.format(where=where, problem=problem))
    return str(name)


def _check_value(name: str, value: Any, where: str) -> float:
    if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
        raise malformed(where, f"'cats' gives {name!r} the value {value!r}, expected true, false or 0 to 1")
    return float(value)


def _clean(raw: str, spans: list[CharSpan], report: Report) -> tuple[str, list[CharSpan]]:
    cleaned = clean(raw)
    report.notes["text cleaned"] += cleaned.text != raw
    moved = []
    for span in spans:
        offsets = cleaned.span_to_clean(span.start, span.end)
        if offsets is None:
            report.skip_span("removed by cleaning")
        else:
            moved.append(span._replace(start=offsets[0], end=offsets[1]))
    return cleaned.text, moved
