"""Reads text files of any size line by line, row by row or record by record: a bad line costs itself alone."""

from __future__ import annotations

import csv
import gzip
import lzma
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import srsly
from tqdm import tqdm

from .errors import Errors, NlpkitError

PACKED: dict[str, Callable[..., IO[bytes]]] = {".gz": gzip.open, ".xz": lzma.open}  # type: ignore[dict-item]
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
JOINED_LINES = "row over several lines"


@dataclass
class ReadReport:
    """Counts of one run over files.

    read (int): Items: lines, rows, records.
    skipped (Counter[str]): Items left out, by reason.
    notes (Counter[str]): What else happened to an item that was kept.
    problems (list[str]): The first `max_problems` coded messages, each with file and line.
    problem_count (int): How many there were in all.
    """

    max_problems: int = 10
    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    def skip(self, reason: str, message: str | None = None) -> None:
        """Count an item as left out. A message makes it a problem."""
        self.skipped[reason] += 1
        self.add_problem(message)

    def add_problem(self, message: str | None) -> None:
        """Count a problem, and keep its message where it is one of the first; None is no problem."""
        if message is None:
            return
        self.problem_count += 1
        if len(self.problems) < self.max_problems:
            self.problems.append(message)

    def counts(self) -> str:
        """The counts of the items in one line."""
        parts = [f"read {self.read}"]
        parts += [f"{count} {reason}" for reason, count in self.skipped.most_common()]
        return ", ".join(parts)


class Line(NamedTuple):
    """A line of a text file, without its line break.

    where (str): File and line number (from 1), for messages.
    text (str): The line, with U+FFFD in place of what cannot be read.
    problem (str | None): The coded message of why it cannot.
    """

    where: str
    text: str
    problem: str | None = None


def unpacked_suffix(path: Path) -> str:
    """The extension of a file in lower case, less a `.gz` or `.xz`; "" where there is none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in PACKED), "")


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


def read_start(path: Path) -> bytes:
    """The first bytes of a file, without a byte order mark and blanks before them; raises as `open_bytes`."""
    return read_bytes(path, 4096).removeprefix(b"\xef\xbb\xbf").lstrip()


def read_json_lines(path: Path, report: ReadReport) -> Iterator[tuple[str, Any]]:
    """Every JSON value of a file with where it stands: lines of JSON, or one list over the whole file.

    Counts what it reads; a line that is not JSON is skipped, blank lines count for nothing.
    """
    if ".jsonl" not in path.suffixes and read_start(path).startswith(b"["):
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


class _Lines:
    """The lines of a file, some of which can be put back to be read again."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: list[Line] = []

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return self._again.pop() if self._again else next(self._lines)

    def put_back(self, lines: Sequence[Line]) -> None:
        self._again.extend(reversed(lines))


def read_rows(
    source: Path, report: ReadReport, delimiter: str = ",", quotes: bool = True
) -> Iterator[tuple[str, list[str]]]:
    """The rows of a table with file and line where each starts, a header line among them, but no empty ones.

    report (ReadReport): Counts rows that cannot be read as read and skipped; good rows are the caller's to count.
    quotes (bool): Whether a field may stand in double quotes; otherwise quotes are text.
    A row whose quotes do not match costs its first line alone: reading goes on with the next.
    RAISES: N029 where the file is empty, N032 where it cannot be unpacked.
    """
    lines = _Lines(read_lines(source, keep_breaks=True))
    while True:
        taken: list[Line] = []
        # Strict: else `"Up" and away` would lose its quotes without a word.
        reader = csv.reader(
            _texts(lines, taken),
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
            strict=True,
        )
        try:
            with _long_fields():
                row = next(reader, None)
        except csv.Error as error:
            report.read += 1
            if taken[0].problem:
                report.skip("not UTF-8", taken[0].problem)
            else:
                problem = f"no row of a table ({str(error).encode('unicode_escape').decode()})"
                report.skip("malformed", Errors.N113.format(where=taken[0].where, problem=problem))
            lines.put_back(taken[1:])
            continue
        if row is None:
            return
        unreadable = next((line.problem for line in taken if line.problem), None)
        if unreadable:
            report.read += 1
            report.skip("not UTF-8", unreadable)
        elif row:
            report.notes[JOINED_LINES] += len(taken) > 1
            yield taken[0].where, row


def _texts(lines: Iterable[Line], taken: list[Line]) -> Iterator[str]:
    """The texts of lines for the csv module, which takes as many as the next row has; `taken` says which."""
    for line in lines:
        taken.append(line)
        yield line.text


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let the csv module read fields of any length; it takes 131,072 characters by default."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
