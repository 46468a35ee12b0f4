"""Prodigy's JSONL the other way: tasks from tables of texts and from documents, and tables from tasks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc

from ...errors import Errors, NlpkitError
from ...files import read_json_lines
from ...util import atomic_write
from .report import Report
from .spacy_files import read_docbin
from .tables import read_rows

# Classes with at least this share of the votes count as chosen.
CHOSEN = 0.5
PARTIAL = "tokens without annotation"
REJECTED = "rejected spans"
SPANS_IN_TABLE = "spans"


def export_csv(source: Path, target: Path, text_column: str, report: Report, limit: int | None = None) -> None:
    """Write a table of texts (CSV with a header line) as tasks: the other columns go to `meta`.

    RAISES: N034 where the column is missing, N028 where there is no text, N029 where the file is empty.
    """
    with atomic_write(target) as file_:
        for task in islice(_tasks_of_table(source, text_column, report), limit):
            file_.write(srsly.json_dumps(task) + "\n")
            report.converted += 1
        _require_any(source, report)


def _tasks_of_table(source: Path, text_column: str, report: Report) -> Iterator[dict[str, Any]]:
    columns: list[str] | None = None
    for where, row in read_rows(source, report):
        if columns is None:
            columns = _check_header(source, row, text_column)
            continue
        report.read += 1
        task = _task_of_row(row, columns, text_column, where, report)
        if task is not None:
            yield task


def _check_header(source: Path, row: list[str], text_column: str) -> list[str]:
    if text_column not in row:
        problem = f"no column {text_column!r}, the first line has {', '.join(map(repr, row))}"
        raise NlpkitError(Errors.N034.format(path=source, problem=problem))
    return row


def _task_of_row(
    row: list[str], columns: list[str], text_column: str, where: str, report: Report
) -> dict[str, Any] | None:
    if len(row) != len(columns):
        problem = f"{len(row)} fields where the first line has {len(columns)}"
        report.skip("malformed", Errors.N034.format(path=where, problem=problem))
        return None
    record = dict(zip(columns, row))
    text = record.pop(text_column)
    if not text.strip():
        report.skip("blank text", Errors.N030.format(where=where))
        return None
    return {"text": text, "meta": record}


def export_jsonl(source: Path, target: Path, text_column: str, report: Report, limit: int | None = None) -> None:
    """Write tasks as a table: the text, every key of `meta`, and `accept` and `answer` where there are any.

    The file is read twice, first for the columns, and never held in memory.
    RAISES: N028 where there is no text, N029 where the file is empty.
    """
    columns: dict[str, None] = {text_column: None}
    for record in islice(_records(source, Report()), limit):
        columns.update(dict.fromkeys(_row_of_task(record, text_column)))
    with atomic_write(target) as file_:
        table = csv.DictWriter(file_, list(columns), restval="", lineterminator="\n")
        table.writeheader()
        for record in islice(_records(source, report), limit):
            report.notes[SPANS_IN_TABLE] += bool(record.get("spans"))
            table.writerow(_row_of_task(record, text_column))
            report.converted += 1
        _require_any(source, report)


def _records(source: Path, report: Report) -> Iterator[dict[str, Any]]:
    for where, record in read_json_lines(source, report):
        if isinstance(record, dict) and isinstance(record.get("text"), str):
            yield record
        else:
            problem = "expected a JSON object with a string 'text'"
            report.skip("malformed", Errors.N023.format(where=where, problem=problem))


def _row_of_task(record: dict[str, Any], text_column: str) -> dict[str, Any]:
    meta = record.get("meta")
    row = {text_column: record["text"]}
    if isinstance(meta, dict):
        row.update({key: value for key, value in meta.items() if key != text_column})
    if isinstance(record.get("accept"), list):
        row["accept"] = "|".join(map(str, record["accept"]))
    if "answer" in record:
        row["answer"] = record["answer"]
    return row


def export_docbin(source: Path, target: Path, nlp: Language, report: Report, limit: int | None = None) -> None:
    """Write documents as tasks with tokens, spans and classes, for people to correct.

    RAISES: N028 where there is no document, N029 and N032 where the file cannot be read.
    """
    with atomic_write(target) as file_:
        for doc in islice(read_docbin(source, nlp), limit):
            report.read += 1
            report.converted += 1
            report.notes[PARTIAL] += any(token.ent_iob == 0 for token in doc)
            report.notes[REJECTED] += bool(doc.spans.get("incorrect_spans"))
            report.labels.update(ent.label_ for ent in doc.ents)
            file_.write(srsly.json_dumps(make_task(doc)) + "\n")
        _require_any(source, report)


def make_task(doc: Doc) -> dict[str, Any]:
    """The task that shows a document: what `convert` makes of it is the document again."""
    task: dict[str, Any] = {"text": doc.text}
    task["tokens"] = [
        {"text": t.text, "start": t.idx, "end": t.idx + len(t), "id": t.i, "ws": bool(t.whitespace_)} for t in doc
    ]
    task["spans"] = []
    for ent in doc.ents:
        span = {
            "start": ent.start_char,
            "end": ent.end_char,
            "token_start": ent.start,
            "token_end": ent.end - 1,
        }
        task["spans"].append({**span, "label": ent.label_, **({"kb_id": ent.kb_id_} if ent.kb_id_ else {})})
    if doc.cats:
        task["options"] = [{"id": name, "text": name} for name in doc.cats]
        task["accept"] = [name for name, value in doc.cats.items() if value >= CHOSEN]
    meta = {"id": doc._.item_id, "date": doc._.date}
    task["meta"] = {key: value for key, value in meta.items() if value is not None}
    return task


def _require_any(source: Path, report: Report) -> None:
    if not report.converted:
        first = report.problems[0] if report.problems else "no text in the file"
        raise NlpkitError(Errors.N028.format(path=source, counts=report.counts(), first=first))
