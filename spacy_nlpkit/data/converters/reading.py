"""Finds input files, tells their formats, and reads text line by line: a bad line costs itself alone."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import srsly
from tqdm import tqdm

from ...errors import Errors, NlpkitError
from .report import Report

FORMATS = ("prodigy", "tagged", "spacy-json", "spacy")
SUFFIXES = {
    ".jsonl": "prodigy",
    ".iob": "tagged",
    ".bio": "tagged",
    ".conll": "tagged",
    ".tsv": "tagged",
    ".spacy": "spacy",
}


class Line(NamedTuple):
    """A line of a text file, without its line break.

    where (str): File and line number (from 1), for messages.
    text (str): The line, "" where it cannot be read.
    problem (str | None): The coded message of why it cannot.
    """

    where: str
    text: str
    problem: str | None = None


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


def detect_format(path: Path) -> str:
    """The format of a file by its extension (less a `.gz`), for .json and other names by its content.

    RAISES: N021 where it is unknown, N029 where the file is empty, N034 for a table of texts.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix == ".csv":
        raise NlpkitError(Errors.N034.format(path=path, problem="a CSV file holds texts and no annotation of spans"))
    start = _read_start(path)
    if not start:
        raise NlpkitError(Errors.N029.format(path=path))
    if start.startswith((b"[", b"{")):
        return "spacy-json" if b'"paragraphs"' in start else "prodigy"
    first = start.splitlines()[0].split()
    if len(first) >= 2 and (first[-1] == b"O" or first[-1][:2] in (b"B-", b"I-", b"U-", b"S-")):
        return "tagged"
    raise NlpkitError(Errors.N021.format(path=path, formats=", ".join(FORMATS)))


def _read_start(path: Path) -> bytes:
    return read_bytes(path, 4096).removeprefix(b"\xef\xbb\xbf").lstrip()


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked where its name ends in .gz.

    RAISES: N032 where it cannot be opened or, in the block, read or unpacked.
    """
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file_:
            yield cast("IO[bytes]", file_)
    except (OSError, EOFError, zlib.error) as error:
        raise NlpkitError(Errors.N032.format(where=path, what="a readable file", reason=error)) from error


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The bytes of a file, all or the first `size`; raises as `open_bytes`."""
    with open_bytes(path) as file_:
        return file_.read(size)


def read_lines(path: Path, *, keep_breaks: bool = False) -> Iterator[Line]:
    """The lines of a UTF-8 file; one that is not UTF-8 comes with a problem (N027).

    keep_breaks (bool): Leave the line breaks on, as the csv module wants them.
    RAISES: N029 where the file is empty, N032 where a .gz file cannot be unpacked.
    """
    number = 0
    # The bar shows itself on a terminal alone.
    with (
        open_bytes(path) as file_,
        tqdm(desc=path.name, unit="B", unit_scale=True, disable=None, leave=False) as bar,
    ):
        for number, raw in enumerate(file_, start=1):
            bar.update(len(raw))
            where = f"{path}, line {number}"
            try:
                text = raw.decode("utf8")
            except UnicodeDecodeError as error:
                yield Line(where, "", Errors.N027.format(where=where, reason=error))
                continue
            if number == 1:
                text = text.removeprefix("\ufeff")
            yield Line(where, text if keep_breaks else text.rstrip("\r\n"))
    if number == 0:
        raise NlpkitError(Errors.N029.format(path=path))


def read_json_lines(path: Path, report: Report) -> Iterator[tuple[str, Any]]:
    """Every JSON value of a file with where it stands: lines of JSON, or one list over the whole file.

    Counts what it reads; a line that is not JSON is skipped, blank lines count for nothing.
    """
    if ".jsonl" not in path.suffixes and _read_start(path).startswith(b"["):
        values: Iterable[tuple[str, Any]] = (
            (f"{path}, item {number}", value) for number, value in enumerate(read_json(path), start=1)
        )
        for where, value in values:
            report.read += 1
            yield where, value
        return
    for line in read_lines(path):
        if not line.problem and not line.text.strip():
            continue
        report.read += 1
        if line.problem:
            report.skip("not UTF-8", line.problem)
            continue
        try:
            yield line.where, srsly.json_loads(line.text)
        except (ValueError, RecursionError) as error:
            report.skip("not JSON", Errors.N022.format(where=line.where, reason=error))


def read_json(path: Path) -> list[Any]:
    """The list that a whole JSON file holds.

    RAISES: N032 where it is no JSON list, N027 where it is not UTF-8, N029 where it is empty.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NlpkitError(Errors.N027.format(where=path, reason=error)) from error
    if not text.strip():
        raise NlpkitError(Errors.N029.format(path=path))
    try:
        values = srsly.json_loads(text)
    except (ValueError, RecursionError) as error:
        raise NlpkitError(Errors.N032.format(where=path, what="valid JSON", reason=error)) from error
    if not isinstance(values, list):
        found = type(values).__name__
        raise NlpkitError(Errors.N032.format(where=path, what="a JSON list", reason=f"it holds a {found}"))
    return values
