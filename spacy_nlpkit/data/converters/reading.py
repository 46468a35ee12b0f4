"""Finds input files, tells their formats, and reads text line by line: a bad line costs itself alone."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import srsly
from tqdm import tqdm

from ...errors import Errors, NlpkitError
from .report import Report

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
PACKED: dict[str, Callable[..., IO[bytes]]] = {".gz": gzip.open, ".xz": lzma.open}  # type: ignore[dict-item]
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Line(NamedTuple):
    """A line of a text file, without its line break.

    where (str): File and line number (from 1), for messages.
    text (str): The line, with U+FFFD in place of what cannot be read.
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


def unpacked_suffix(path: Path) -> str:
    """The extension of a file in lower case, less a `.gz` or `.xz`; "" where there is none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in PACKED), "")


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
    """Open a file for reading, unpacked where its name ends in .gz or .xz.

    RAISES: N032 where it cannot be opened or, in the block, read or unpacked.
    """
    try:
        with PACKED.get(path.suffix.lower(), open)(path, "rb") as file_:
            yield file_
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise NlpkitError(Errors.N032.format(where=path, what="a readable file", reason=error)) from error


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The bytes of a file, all or the first `size`; raises as `open_bytes`."""
    with open_bytes(path) as file_:
        return file_.read(size)


def read_lines(path: Path, *, keep_breaks: bool = False) -> Iterator[Line]:
    """The lines of a UTF-8 file; one that is not UTF-8 comes with a problem (N027).

    keep_breaks (bool): Leave the line breaks on, as the csv module wants them.
    RAISES: N029 where the file is empty, N032 where it cannot be unpacked, N027 where all of it is UTF-16.
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
            if number == 1 and raw.startswith(UTF_16_MARKS):
                raise NlpkitError(Errors.N027.format(where=path, reason="it starts as UTF-16 does"))
            try:
                text = raw.decode("utf8")
            except UnicodeDecodeError as error:
                text = raw.decode("utf8", errors="replace")
                problem: str | None = Errors.N027.format(where=where, reason=error)
            else:
                problem = None
            if number == 1:
                text = text.removeprefix("\ufeff")
            yield Line(where, text if keep_breaks else text.rstrip("\r\n"), problem)
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
