"""Texts that belong together, from files: one of pairs (.tsv, .jsonl, .spacy), or two with a text a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from ..attributes import TARGET, register_target
from ..errors import Errors, NlpkitError
from ..files import Line, ReadReport, open_bytes, read_json_lines, read_lines, unpacked_suffix
from .converters.spacy_files import read_docbin

TEXT = "text"
# A table of pairs has no header line: the text stands first, its target second.
COLUMNS = {TEXT: 0, TARGET: 1}
PAIR_FIELDS = (TEXT, TARGET)
PAIR_SUFFIXES = (".tsv", ".jsonl", ".spacy")


class Texts(NamedTuple):
    """Texts of one item.

    where (str): File and line or document, for messages. texts (tuple[str, ...]): One for each field asked for.
    doc (Doc | None): The document of a .spacy file that holds them.
    """

    where: str
    texts: tuple[str, ...]
    doc: Doc | None = None


def read_texts_of(path: Path, fields: Sequence[str], nlp: Language) -> Iterator[Texts]:
    """The texts of every item of a file, of which some may be empty.

    path (Path): .tsv without header line (quotes are text), .jsonl or .spacy; the first two also as .gz or .xz.
    fields (Sequence[str]): Keys of JSON objects or, beside "text", extension attributes of documents (of several texts
        in one, the first); of a table "text" is the first column, "target" the second.
    nlp (Language): Gives the vocabulary that .spacy files are read with.
    RAISES: N020 for a file that is missing or of another kind, N246 for an item without a field, N022 for a line that
        is not JSON, N027 for one that is not UTF-8, N029 for an empty file, N032 for one that cannot be read.
    """
    suffix = unpacked_suffix(path)
    if not path.is_file() or suffix not in PAIR_SUFFIXES:
        problem = f"the name ends in none of {', '.join(PAIR_SUFFIXES)}" if path.is_file() else "no such file"
        formats = f"texts ({', '.join(PAIR_SUFFIXES)})"
        raise NlpkitError(Errors.N020.format(path=path, problem=problem, formats=formats))
    if suffix == ".tsv":
        return _read_table(path, fields)
    if suffix == ".jsonl":
        return _read_json(path, fields)
    return _read_docs(path, fields, nlp)


def read_line_pairs(source: Path, target: Path) -> Iterator[Texts]:
    """The texts of two files of lines, line n of one with line n of the other; both also as .gz or .xz.

    RAISES: N020 where a file is missing, N244 where they differ in length, before anything is read; N027 for a line
        that is not UTF-8, N029 for an empty file, N032 for one that cannot be read.
    """
    for path in (source, target):
        if not path.is_file():
            raise NlpkitError(Errors.N020.format(path=path, problem="no such file", formats="a text a line"))
    counts = [_count_lines(path) for path in (source, target)]
    if counts[0] != counts[1]:
        raise NlpkitError(
            Errors.N244.format(source=source, source_count=counts[0], target=target, target_count=counts[1])
        )
    for of_source, of_target in zip(read_lines(source), read_lines(target)):
        yield Texts(of_source.where, (checked_text(of_source), checked_text(of_target)))


def checked_text(line: Line) -> str:
    """The text of a line. RAISES: N027 where it is not UTF-8."""
    if line.problem:
        raise NlpkitError(line.problem)
    return line.text


def _count_lines(path: Path) -> int:
    """Lines as `read_lines` gives them: the last one may have no line break."""
    count, last = 0, b"\n"
    with open_bytes(path) as file_:
        while block := file_.read(2**20):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


def _read_table(path: Path, fields: Sequence[str]) -> Iterator[Texts]:
    unknown = [field for field in fields if field not in COLUMNS]
    if unknown:
        problem = f"a table has no column {unknown[0]!r}, only {' and '.join(map(repr, COLUMNS))}"
        raise NlpkitError(Errors.N246.format(where=path, problem=problem))
    for line in read_lines(path):
        row = checked_text(line).split("\t")
        # An empty line is an empty pair; one field more or less is a mistake.
        if row != [""] and len(row) != len(COLUMNS):
            problem = f"{len(row)} columns, expected {len(COLUMNS)}: text and target with a tab between"
            raise NlpkitError(Errors.N246.format(where=line.where, problem=problem))
        yield Texts(line.where, tuple("" if row == [""] else row[COLUMNS[field]] for field in fields))


def _read_json(path: Path, fields: Sequence[str]) -> Iterator[Texts]:
    report = ReadReport(max_problems=1)
    for where, record in read_json_lines(path, report):
        _raise_first(report)
        values = [record.get(field) if isinstance(record, dict) else None for field in fields]
        yield Texts(where, _all_texts(values, fields, where, "JSON object"))
    _raise_first(report)


def _read_docs(path: Path, fields: Sequence[str], nlp: Language) -> Iterator[Texts]:
    register_target()
    for number, doc in enumerate(read_docbin(path, nlp), start=1):
        where = f"{path}, document {number}"
        values = [doc.text if field == TEXT else _attribute(doc, field) for field in fields]
        yield Texts(where, _all_texts(values, fields, where, "document"), doc)


def _attribute(doc: Doc, name: str) -> object:
    value = doc._.get(name) if doc.has_extension(name) else None
    return value[0] if isinstance(value, (list, tuple)) and value else value


def _all_texts(values: Sequence[object], fields: Sequence[str], where: str, kind: str) -> tuple[str, ...]:
    for field, value in zip(fields, values):
        problem = None
        if not isinstance(value, str):
            problem = f"expected a {kind} with a text {field!r}"
        else:
            try:
                value.encode("utf8")
            except UnicodeEncodeError:
                # JSON can hold what UTF-8 cannot.
                problem = f"{field!r} holds half of a surrogate pair"
        if problem:
            raise NlpkitError(Errors.N246.format(where=where, problem=problem))
    return tuple(map(str, values))


def _raise_first(report: ReadReport) -> None:
    if report.problems:
        raise NlpkitError(report.problems[0])
