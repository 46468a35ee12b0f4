"""Reads unlabelled texts from files of lines, JSONL and tables, and keeps texts of an evaluation out of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import Errors, NlpkitError
from ..files import read_json_lines, read_lines, read_rows
from .cleaning import clean
from .converters.report import Report
from .converters.spacy_files import read_docbin

if TYPE_CHECKING:
    from spacy.language import Language

# Where a record stands, its fields, and what else it says of the text.
Fields = Iterator[tuple[str, Sequence[str], dict[str, Any]]]
# What stands between the fields of a row: a token of its own, where the first one ends as a sentence.
JOINT = " . "
# spaCy refuses longer texts; so do the converters.
MAX_LENGTH = 1_000_000


class ExcludedTexts:
    """Texts that must not become training material, known again in their copies.

    Compared are letters and digits alone, cleaned of markup and in one case. A text counts as a copy where it has `RUN`
    of them in a row in common with one of these: copies that were cut off, joined with a title or edited, as news
    agencies do. Texts that are shorter must be equal. Memory grows with the letters of the excluded texts.
    """

    RUN = 40

    def __init__(self, texts: Iterable[str]) -> None:
        self._runs = {run for text in texts for run in self._runs_of(text)}

    def __contains__(self, text: str) -> bool:
        return not self._runs.isdisjoint(self._runs_of(text))

    def _runs_of(self, text: str) -> Iterator[str]:
        letters = "".join(filter(str.isalnum, clean(text).text.casefold()))
        return (letters[start : start + self.RUN] for start in range(max(1, len(letters) - self.RUN + 1)))


@dataclass(frozen=True)
class TextOptions:
    """How to read texts.

    column (str): The column of a table with a header line, or the key of a JSON object, that holds the text.
    columns (tuple[int, ...]): Numbers, from 0, of the columns of a table without a header line, which are joined;
        empty for a table with one.
    clean (bool): Clean the texts of left-over markup (`spacy_nlpkit.data.cleaning`).
    excluded (ExcludedTexts): Texts to leave out, and copies of them.
    """

    column: str = "text"
    columns: tuple[int, ...] = ()
    clean: bool = False
    excluded: ExcludedTexts | None = None


class TextRecord(NamedTuple):
    """A text, and what its file says of it: `meta` of a JSON object, the other columns of a table with a header."""

    text: str
    meta: dict[str, Any]


def read_texts(paths: Iterable[Path], options: TextOptions, report: Report) -> Iterator[str]:
    """The texts alone of what `read_records` reads."""
    return (record.text for record in read_records(paths, options, report))


def read_records(paths: Iterable[Path], options: TextOptions, report: Report) -> Iterator[TextRecord]:
    """The texts of files with their `meta`: .txt (one a line), .jsonl and .csv, each also packed as .gz.

    report (Report): Counts what is read, taken (as converted) and skipped; complete when the iterator ends. A bad line
        costs itself alone.
    RAISES: N020 for a file that is missing or of another kind, N028 where there is no text, N034 where a table has no
        such column, and what `reading` raises for a file that cannot be read.
    """
    paths = list(paths)
    kinds = [_kind_of(path) for path in paths]
    for path, kind in zip(paths, kinds):
        for where, fields, meta in READERS[kind](path, options, report):
            if options.clean:
                fields = [clean(field).text for field in fields]
            text = JOINT.join(field.strip() for field in fields if field.strip())
            if not text:
                report.skip("blank text", Errors.N030.format(where=where))
            elif len(text) > MAX_LENGTH:
                report.skip("too long", Errors.N033.format(where=where, length=len(text), limit=MAX_LENGTH))
            elif not _is_utf8(text):
                report.skip("not UTF-8", Errors.N027.format(where=where, reason="half of a surrogate pair"))
            elif options.excluded is not None and text in options.excluded:
                report.skip("excluded")
            else:
                report.converted += 1
                yield TextRecord(text, meta)
    if not report.converted:
        first = report.problems[0] if report.problems else "no text in the files"
        raise NlpkitError(Errors.N028.format(path=", ".join(map(str, paths)), counts=report.counts(), first=first))


def _is_utf8(text: str) -> bool:
    """Whether spaCy can store a text: JSON can hold what UTF-8 cannot."""
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return False
    return True


def read_excluded(paths: Iterable[Path], nlp: Language) -> ExcludedTexts | None:
    """The texts of .spacy files and of files as `read_texts` takes them; None where there are no files.

    nlp (Language): Gives the vocabulary that .spacy files are read with.
    RAISES: As `read_texts`, N032 where a .spacy file is none, and the error of the first line that cannot be read: its
        text could not be kept out.
    """
    texts: list[str] = []
    report = Report(max_problems=1)
    for path in paths:
        if path.suffix == ".spacy" and path.is_file():
            texts.extend(doc.text for doc in read_docbin(path, nlp))
        else:
            texts.extend(read_texts([path], TextOptions(), report))
    if report.problems:
        raise NlpkitError(report.problems[0])
    return ExcludedTexts(texts) if texts else None


def parse_columns(value: str | None, command: str) -> tuple[int, ...]:
    """Column numbers of an option such as "1,2"; empty where it is not given.

    RAISES: N006, naming the command, where it does not hold numbers from 0.
    """
    if value is None:
        return ()
    try:
        columns = tuple(int(number) for number in value.split(","))
    except ValueError:
        columns = (-1,)
    if min(columns) < 0:
        expected = "numbers of columns, from 0, such as 1,2"
        raise NlpkitError(Errors.N006.format(setting="--columns", name=command, expected=expected, value=value))
    return columns


def _kind_of(path: Path) -> str:
    suffixes = [suffix for suffix in map(str.lower, path.suffixes) if suffix != ".gz"]
    kind = suffixes[-1] if suffixes else ""
    if not path.is_file() or kind not in READERS:
        problem = f"the name ends in none of {', '.join(READERS)}" if path.is_file() else "no such file"
        formats = f"texts ({', '.join(READERS)}, also as .gz)"
        raise NlpkitError(Errors.N020.format(path=path, problem=problem, formats=formats))
    return kind


def _read_text_lines(path: Path, options: TextOptions, report: Report) -> Fields:
    for line in read_lines(path):
        report.read += bool(line.problem or line.text.strip())
        if line.problem:
            report.skip("not UTF-8", line.problem)
        elif line.text.strip():
            yield line.where, [line.text], {}


def _read_json_texts(path: Path, options: TextOptions, report: Report) -> Fields:
    for where, record in read_json_lines(path, report):
        text = record.get(options.column) if isinstance(record, dict) else None
        if isinstance(text, str):
            meta = record.get("meta") or {}
            if not isinstance(meta, dict):
                report.notes["meta that is no JSON object, left out"] += 1
                meta = {}
            yield where, [text], meta
        else:
            problem = f"expected a JSON object with a string {options.column!r}"
            report.skip("malformed", Errors.N023.format(where=where, problem=problem))


def _read_table(path: Path, options: TextOptions, report: Report) -> Fields:
    rows = read_rows(path, report)
    header = [] if options.columns else next(rows, ("", []))[1]
    columns = options.columns or (_find_column(path, header, options.column),)
    for where, row in rows:
        report.read += 1
        if max(columns) < len(row):
            meta = {name: value for name, value in zip(header, row) if name != options.column}
            yield where, [row[number] for number in columns], meta
        else:
            problem = f"{len(row)} fields, where column {max(columns)} (from 0) is asked for"
            report.skip("malformed", Errors.N034.format(path=where, problem=problem))


def _find_column(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        problem = f"no column {name!r}, the first line has {', '.join(map(repr, header))}"
        raise NlpkitError(Errors.N034.format(path=path, problem=problem))
    return header.index(name)


READERS = {".txt": _read_text_lines, ".jsonl": _read_json_texts, ".csv": _read_table}
