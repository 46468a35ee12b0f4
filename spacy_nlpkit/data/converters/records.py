"""What one line of an annotated file comes to, and its fields, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ...errors import Errors
from .classes import label_problem
from .report import Report
from .spans import CharSpan

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
    open (tuple[tuple[int, int], ...]): Start and end of what is not known to be no entity, outside of the spans.
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
    open: tuple[tuple[int, int], ...] = ()


class BadItem(Exception):
    """A line that is no task: the reason for the table and the coded message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def malformed(where: str, problem: str) -> BadItem:
    """A record that does not hold what a line of Prodigy's JSONL does."""
    return BadItem("malformed", Errors.N023.format(where=where, problem=problem))


def get_field(record: dict[str, Any], key: str, type_: type, where: str) -> Any:
    """A list or an object of the record, empty where it is missing or null."""
    value = record.get(key)
    if value is None:
        return type_()
    if not isinstance(value, type_):
        expected = "a list" if type_ is list else "an object"
        raise malformed(where, f"{key!r} is a {type(value).__name__}, expected {expected}")
    return value


def get_text(record: dict[str, Any], where: str, max_length: int) -> str:
    """The text of a record; blank ones, and those that the tokenizer or spaCy cannot take, cost the item."""
    text = record.get("text")
    if not isinstance(text, str):
        found = f"is a {type(text).__name__}" if "text" in record else "is missing"
        raise malformed(where, f"'text' {found}, expected a string")
    if len(text) > max_length:
        message = Errors.N033.format(where=where, length=len(text), limit=max_length)
        raise BadItem("text too long", message)
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        raise BadItem("not UTF-8", Errors.N027.format(where=where, reason=error.reason)) from error
    if not text.strip():
        raise BadItem("blank text", Errors.N030.format(where=where))
    return text


def get_spans(record: dict[str, Any], text: str, where: str) -> list[CharSpan]:
    """The spans of a record. One that lies wrong casts doubt on the whole line, so the line is skipped."""
    spans = get_field(record, "spans", list, where)
    return [get_span(span, text, where) for span in spans]


def get_span(span: Any, text: str, where: str) -> CharSpan:
    """One span in Prodigy's form, checked against its text."""
    if not isinstance(span, dict):
        raise malformed(where, f"a span is a {type(span).__name__}, expected an object")
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
        raise BadItem("wrong offsets", message)
    if not isinstance(label, str) or not label:
        raise malformed(where, f"span {start}:{end} has no 'label'")
    if kb_id is not None and not isinstance(kb_id, str):
        raise malformed(where, f"'kb_id' of span {start}:{end} is a {type(kb_id).__name__}, expected a string")
    if label_problem(label) or (kb_id and label_problem(kb_id)):
        raise malformed(where, f"'label' or 'kb_id' of span {start}:{end} holds characters that cannot be printed")
    return CharSpan(start, end, label, kb_id or "")


def get_date(meta: dict[str, Any], report: Report) -> str | None:
    """`meta.date`, None where there is none that is a date."""
    if meta.get("date") is None:
        return None
    date = str(meta["date"])
    if ISO_DATE.match(date):
        return date
    report.notes["date not YYYY, YYYY-MM or YYYY-MM-DD, left out"] += 1
    return None
