"""Finds input files and tells their formats."""

from __future__ import annotations

from pathlib import Path

from ...errors import Errors, NlpkitError
from ...files import read_start, unpacked_suffix

FORMATS = ("prodigy", "table", "ag-news", "tagged", "spacy-json", "spacy")
SUFFIXES = {
    ".jsonl": "prodigy",
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
    """The format of a file by its extension (less a `.gz` or `.xz`), for .json and other names by its content.

    columns_named (bool): Whether columns of a table were asked for, so that a .tsv file is one.
    RAISES: N021 where it is unknown, N029 where the file is empty.
    """
    suffix = unpacked_suffix(path)
    if suffix == ".tsv" and columns_named:
        return "table"
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    start = read_start(path)
    if not start:
        raise NlpkitError(Errors.N029.format(path=path))
    if start.startswith((b"[", b"{")):
        return "spacy-json" if b'"paragraphs"' in start else "prodigy"
    first = start.splitlines()[0].split()
    if len(first) >= 2 and (first[-1] == b"O" or first[-1][:2] in (b"B-", b"I-", b"U-", b"S-")):
        return "tagged"
    raise NlpkitError(Errors.N021.format(path=path, formats=", ".join(FORMATS)))
