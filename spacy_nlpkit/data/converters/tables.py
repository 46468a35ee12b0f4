"""Tables of texts with their classes (CSV, TSV): a bad row costs itself alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ... import attributes
from ...errors import Errors, NlpkitError
from ...files import read_rows, unpacked_suffix
from ..cleaning import clean
from .classes import label_problem
from .report import CONTROL, CONTROL_CHARACTERS, ConvertOptions, Report, TableOptions

AG_NEWS = TableOptions(text_columns=(1, 2), label_column=0, label_names=("World", "Sports", "Business", "Sci_Tech"))
# Every text gets a value for every label, and a column of more values than this is none of labels.
MAX_LABELS = 1000


class LabelledText(NamedTuple):
    """A row of a table: its text and its label."""

    text: str
    label: str


def convert_table(paths: Sequence[Path], nlp: Language, options: ConvertOptions, report: Report) -> Iterator[Doc]:
    """One document for each row, with every label of the tables in `cats` and its own in `doc._.category`.

    All rows are read before the first document comes: the labels stand anywhere in the files. The labels are those of
    `options.table.label_names`, else those in the files, sorted.
    RAISES: N112 where the labels are too many to be any.
    """
    table = options.table or TableOptions()
    rows = [row for path in paths for row in read_labelled(path, table, options.clean, nlp.max_length, report)]
    labels = table.label_names or tuple(sorted({row.label for row in rows}))
    if len(labels) > MAX_LABELS:
        problem = f"column {table.label_column!r} holds {len(labels):,} different labels, more than {MAX_LABELS:,}"
        raise NlpkitError(Errors.N112.format(path=", ".join(map(str, paths)), problem=problem))
    # The bar shows itself on a terminal alone.
    for row in tqdm(rows, desc="Converting", unit="text", disable=None, leave=False):
        doc = nlp.make_doc(row.text)
        doc.cats = {label: float(label == row.label) for label in labels}
        doc._.set(attributes.DOC_CATEGORY, row.label)
        yield doc


def convert_ag_news(paths: Sequence[Path], nlp: Language, options: ConvertOptions, report: Report) -> Iterator[Doc]:
    """The rows of AG News: class index, title, description, and columns that are not read."""
    return convert_table(paths, nlp, replace(options, table=AG_NEWS), report)


def read_labelled(
    path: Path, table: TableOptions, cleaned: bool, max_length: int, report: Report
) -> Iterator[LabelledText]:
    """The good rows of a table: of the width of the first, with a text and a known label.

    cleaned (bool): Clean the texts of left-over markup.
    max_length (int): Longest text the tokenizer takes, in characters.
    A table that lacks a column is counted as one skipped item.
    """
    rows = read_rows(path, report, "," if unpacked_suffix(path) == ".csv" else "\t", table.quotes)
    try:
        wanted, width = _find_columns(path, table, rows)
    except NlpkitError as error:
        report.read += 1
        report.skip("wrong columns", str(error))
        return
    for where, row in rows:
        report.read += 1
        if width is None and len(row) > max(wanted):
            width = len(row)
        problem = _width_problem(len(row), width, max(wanted))
        if problem:
            report.skip("malformed", Errors.N113.format(where=where, problem=problem))
            continue
        report.answers_read["accept"] += 1
        *fields, label = (row[number].strip() for number in wanted)
        raw = " ".join(filter(None, fields))
        text = clean(raw).text if cleaned else raw
        label, reason, message = _check_row(text, label, table.label_names, where, max_length)
        if message:
            report.skip(reason, message)
            continue
        report.notes["text cleaned"] += text != raw
        report.notes[CONTROL_CHARACTERS] += bool(CONTROL.search(text))
        report.answers_kept["accept"] += 1
        yield LabelledText(text, label)


def _find_columns(
    path: Path, table: TableOptions, rows: Iterator[tuple[str, list[str]]]
) -> tuple[list[int], int | None]:
    """The numbers of the columns of the text and, last, of the label; the width of the header where there is one."""
    columns = [*table.text_columns, table.label_column]
    numbers = [column for column in columns if isinstance(column, int)]
    if len(numbers) == len(columns):
        return numbers, None
    header = next(rows, ("", []))[1]
    for name in columns:
        if header.count(str(name)) != 1:
            problem = f"{'no column' if name not in header else 'more than one column'} {name!r}"
            shown = ", ".join(map(repr, header)) or "no row"
            raise NlpkitError(Errors.N112.format(path=path, problem=f"{problem}, the first line has {shown}"))
    return [header.index(str(name)) for name in columns], len(header)


def _width_problem(found: int, width: int | None, last: int) -> str | None:
    if width is None:
        return f"{found} fields, where column {last} (from 0) is asked for"
    return f"{found} fields, where the first row has {width}" if found != width else None


def _check_row(text: str, label: str, names: Sequence[str], where: str, max_length: int) -> tuple[str, str, str | None]:
    """The name of the label, and what speaks against the row: a reason for the table and the coded message."""
    if not text:
        return label, "blank text", Errors.N030.format(where=where)
    if len(text) > max_length:
        return label, "text too long", Errors.N033.format(where=where, length=len(text), limit=max_length)
    problem = label_problem(label)
    if problem:
        return label, "no label", Errors.N115.format(where=where, problem=problem)
    if names and label not in names:
        index = int(label) if label.isascii() and label.isdecimal() else 0
        if not 1 <= index <= len(names):
            return label, "unknown class", Errors.N116.format(where=where, label=label, names=", ".join(names))
        label = names[index - 1]
    return label, "", None
