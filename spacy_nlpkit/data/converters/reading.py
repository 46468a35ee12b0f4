"""Finds input files and tells their formats."""

from __future__ import annotations

from pathlib import Path

from ...errors import Errors, NlpkitError
from ...files import ReadReport, read_json_lines, read_start, unpacked_suffix

FORMATS = ("prodigy", "prodigy-links", "links", "elevant", "table", "ag-news", "tagged", "spacy-json", "spacy")
SUFFIXES = {
    ".csv": "table",
    ".iob": "tagged",
    ".bio": "tagged",
    ".conll": "tagged",
    ".tsv": "tagged",
    ".spacy": "spacy",
}


def find_files(path: Path) -> list[Path]:
    """The file itself, or every file under a folder but hidden ones, sorted by path.

    RAISES: N020 where there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise NlpkitError(Errors.N020.format(path=path, problem="no such file or folder", formats="annotations"))
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not files:
        raise NlpkitError(Errors.N020.format(path=path, problem="the folder holds no file", formats="annotations"))
    return files


def detect_format(path: Path, columns_named: bool = False) -> str:
    """The format of a file by its extension (less a `.gz` or `.xz`), for JSON and other names by its content.

    Choices of ids (`prodigy-links`) look like choices of classes: they are never told by themselves.

    columns_named (bool): Whether columns of a table were asked for, so that a .tsv file is one.
    RAISES: N021 where it is unknown, N029 where the file is empty.
    """
    suffix = unpacked_suffix(path)
    if suffix == ".tsv" and columns_named:
        return "table"
    if suffix == ".jsonl":
        return _json_format(path)
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    start = read_start(path)
    if not start:
        raise NlpkitError(Errors.N029.format(path=path))
    if start.startswith((b"[", b"{")):
        return "spacy-json" if b'"paragraphs"' in start else _json_format(path)
    first = start.splitlines()[0].split()
    if len(first) >= 2 and (first[-1] == b"O" or first[-1][:2] in (b"B-", b"I-", b"U-", b"S-")):
        return "tagged"
    raise NlpkitError(Errors.N021.format(path=path, formats=", ".join(FORMATS)))


def _json_format(path: Path) -> str:
    """The format of JSON records by the first one that can be read; what is wrong with the file, its converter says."""
    try:
        record = next(read_json_lines(path, ReadReport()), ("", None))[1]
    except NlpkitError:
        return "prodigy"
    if isinstance(record, list) and len(record) == 2 and isinstance(record[0], str):
        record = record[1]
    if not isinstance(record, dict):
        return "prodigy"
    if isinstance(record.get("links"), dict) and "spans" not in record:
        return "links"
    labels = record.get("labels")
    if "evaluation_span" in record or (isinstance(labels, list) and labels and _has_entity_id(labels[0])):
        return "elevant"
    return "prodigy"


def _has_entity_id(label: object) -> bool:
    return isinstance(label, dict) and "entity_id" in label
