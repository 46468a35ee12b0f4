"""One line of Prodigy's JSONL, checked: what was asked, what was answered, by whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Errors
from ..cleaning import clean
from .classes import NOT_EXCLUSIVE, exclusive_problem, label_problem
from .reading import read_json_lines
from .report import CONTROL, CONTROL_CHARACTERS, ConvertOptions, Report
from .spans import CharSpan

ANSWERS = ("accept", "reject", "ignore")
ISO_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?\Z")


@dataclass(frozen=True)
class Task:
    """A task with its answer.

    where (str): File and line. text (str): The text, cleaned where that was asked for.
    kind (str): What the spans say: "complete" (whatever is not in a span is no entity), "binary" (the answer
        is about these spans alone), or "none" (the task is not about spans).
    spans (tuple[CharSpan, ...]): The spans, with offsets into `text`.
    accepted (bool): The answer of a binary task.
    cats (dict[str, float]): The classes that the answer decides: 1.0 or 0.0, or a share between.
    one_class (bool): Whether the answer is about one class alone, and open on all others.
    annotator (str): Who answered, "" where the line does not tell.
    item_id, date (str | None): `meta.id` and `meta.date`.
    """

    where: str
    text: str
    kind: str
    spans: tuple[CharSpan, ...]
    accepted: bool
    cats: dict[str, float]
    one_class: bool
    annotator: str
    item_id: str | None
    date: str | None


class _Bad(Exception):
    """A line that is no task: the reason for the table and the coded message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def read_tasks(path: Path, options: ConvertOptions, max_length: int, report: Report) -> Iterator[Task]:
    """The answered tasks of a file; others are counted and skipped.

    max_length (int): Longest text the tokenizer takes, in characters.
    """
    for where, record in read_json_lines(path, report):
        try:
            task = parse_task(record, where, options, max_length, report)
        except _Bad as bad:
            report.skip(bad.reason, bad.message)
            continue
        if task is not None:
            yield task


def parse_task(record: Any, where: str, options: ConvertOptions, max_length: int, report: Report) -> Task | None:
    """Check a record; None where its answer says nothing (then it is counted as skipped)."""
    if not isinstance(record, dict):
        raise _malformed(where, f"expected a JSON object, got a {type(record).__name__}")
    answer = record.get("answer", "accept")
    if answer not in ANSWERS:
        raise _malformed(where, f"unknown answer {answer!r}, expected accept, reject or ignore")
    report.answers_read[answer] += 1
    if answer == "ignore":
        report.skip("answer ignore")
        return None
    raw = _get_text(record, where, max_length)
    spans = _get_spans(record, raw, where)
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
    meta = _get(record, "meta", dict, where)
    text = raw
    if options.clean:
        text, spans = _clean(raw, spans, report)
    if not text.strip():
        raise _Bad("blank text", Errors.N030.format(where=where))
    report.notes[CONTROL_CHARACTERS] += bool(CONTROL.search(text))
    cats = _get_cats(record, where, answer == "accept", one_class)
    problem = exclusive_problem(cats, complete=not one_class) if options.exclusive and cats else None
    if problem:
        raise _Bad(NOT_EXCLUSIVE, Errors.N117.format(where=where, problem=problem))
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
        date=_get_date(meta, report),
    )


def _malformed(where: str, problem: str) -> _Bad:
    return _Bad("malformed", Errors.N023.format(where=where, problem=problem))


def _get(record: dict[str, Any], key: str, type_: type, where: str) -> Any:
    """A list or an object of the record, empty where it is missing or null."""
    value = record.get(key)
    if value is None:
        return type_()
    if not isinstance(value, type_):
        expected = "a list" if type_ is list else "an object"
        raise _malformed(where, f"{key!r} is a {type(value).__name__}, expected {expected}")
    return value


def _get_text(record: dict[str, Any], where: str, max_length: int) -> str:
    text = record.get("text")
    if not isinstance(text, str):
        found = f"is a {type(text).__name__}" if "text" in record else "is missing"
        raise _malformed(where, f"'text' {found}, expected a string")
    if len(text) > max_length:
        message = Errors.N033.format(where=where, length=len(text), limit=max_length)
        raise _Bad("text too long", message)
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        raise _Bad("not UTF-8", Errors.N027.format(where=where, reason=error.reason)) from error
    if not text.strip():
        raise _Bad("blank text", Errors.N030.format(where=where))
    return text


def _get_spans(record: dict[str, Any], text: str, where: str) -> list[CharSpan]:
    """The spans of a record. One that lies wrong casts doubt on the whole line, so the line is skipped."""
    spans = _get(record, "spans", list, where)
    return [_get_span(span, text, where) for span in spans]


def _get_span(span: Any, text: str, where: str) -> CharSpan:
    if not isinstance(span, dict):
        raise _malformed(where, f"a span is a {type(span).__name__}, expected an object")
    start: Any = span.get("start")
    end: Any = span.get("end")
    label, kb_id = span.get("label"), span.get("kb_id")
    problem = None
    if type(start) is not int or type(end) is not int:
        problem = "'start' and 'end' are not whole numbers"
    elif end <= start:
        problem = "'end' is not after 'start'"
    elif start < 0 or end > len(text):
        problem = "offsets outside the text"
    elif text[start:end].isspace():
        problem = "only blanks"
    if problem is not None:
        shown = {key: span[key] for key in ("start", "end", "label") if key in span}
        message = Errors.N024.format(where=where, problem=problem, span=shown, length=len(text))
        raise _Bad("wrong offsets", message)
    if not isinstance(label, str) or not label:
        raise _malformed(where, f"span {start}:{end} has no 'label'")
    if kb_id is not None and not isinstance(kb_id, str):
        raise _malformed(where, f"'kb_id' of span {start}:{end} is a {type(kb_id).__name__}, expected a string")
    return CharSpan(start, end, label, kb_id or "")


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
    chosen = _get(record, "accept", list, where)
    options = _get(record, "options", list, where)
    values = _get(record, "cats", dict, where)
    if values:
        if chosen:
            raise _malformed(where, "'accept' and 'cats' both tell the classes")
        return {_check_label(name, where): _check_value(name, value, where) for name, value in values.items()}
    if "accept" not in record:
        return {}
    ids = [option.get("id") if isinstance(option, dict) else option for option in options]
    cats = {_check_label(name, where): 0.0 for name in ids if name is not None}
    names = [_check_label(name, where) for name in chosen]
    if cats and not cats.keys() >= set(names):
        raise _malformed(where, f"'accept' holds {names}, but 'options' {list(cats)}")
    cats.update(dict.fromkeys(names, 1.0))
    return cats


def _check_label(name: Any, where: str) -> str:
    """The name of a label as a string: numbers are names, too."""
    if type(name) is int:
        return str(name)
    problem = label_problem(name)
    if problem:
        raise _Bad("bad label", Errors.N115.format(where=where, problem=problem))
    return str(name)


def _check_value(name: str, value: Any, where: str) -> float:
    if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
        raise _malformed(where, f"'cats' gives {name!r} the value {value!r}, expected true, false or 0 to 1")
    return float(value)


def _get_date(meta: dict[str, Any], report: Report) -> str | None:
    if meta.get("date") is None:
        return None
    date = str(meta["date"])
    if ISO_DATE.match(date):
        return date
    report.notes["date not YYYY, YYYY-MM or YYYY-MM-DD, left out"] += 1
    return None


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
