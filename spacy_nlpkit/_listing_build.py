"""Read a listing table (CSV, TSV or JSONL) and turn it into sorted arrays of hashes; keep those between runs."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import srsly
from spacy.attrs import IDX, LOWER, ORTH
from spacy.tokenizer import Tokenizer
from spacy.vocab import Vocab

from .errors import Errors, NlpkitError, Warnings
from .normalise import without_legal_form
from .util import atomic_write

FORMAT = 1
# Two seeds keep names that match in any case and symbols that match as written apart in one table.
LOWER_SEED, ORTH_SEED = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_FACTOR, _SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(32)
ALWAYS = (0, 99999999)
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T.*)?")
_NAMES_AT_ONCE = 2000
MAX_LABELS = 256


class Columns(NamedTuple):
    """What the columns (or JSON keys) of a table are called. A table has `name` or `symbol` or both."""

    name: str = "name"
    symbol: str = "symbol"
    label: str = "label"
    since: str = "from"
    until: str = "to"


class Options(NamedTuple):
    """How the entries of a table match; see `ListingTable.from_file`."""

    label: str = "ORG"
    symbol_label: str = "TICKER"
    case_sensitive: tuple[str, ...] = ("TICKER",)
    stop: tuple[str, ...] = ()
    min_length: int = 2
    max_tokens: int = 8
    short_names: bool = True


class Entry(NamedTuple):
    """One text that a table lists: since and until are whole days as `yyyymmdd`."""

    text: str
    label: str
    since: int
    until: int


class Arrays(NamedTuple):
    """A table ready for look-up.

    keys: uint64, sorted, one for each sequence of tokens. offsets: uint32, rows of key i are offsets[i]:offsets[i+1].
    labels, since, until: one for each row. longest: most tokens of an entry that matches in any case, and of one that
    matches as written. names: the labels that `labels` counts.
    """

    keys: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    since: np.ndarray
    until: np.ndarray
    longest: np.ndarray
    names: np.ndarray


def fold(state: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """The hash of token sequences grown by one token: uint64, elementwise, the order of tokens counts."""
    mixed = (state ^ hashes) * _FACTOR
    return mixed ^ (mixed >> _SHIFT)


@lru_cache(maxsize=65536)
def date_span(date: str) -> tuple[int, int]:
    """First and last day of an ISO date, month or year as `yyyymmdd`; ValueError where it is none."""
    parts = _DATE.fullmatch(date.strip())
    if parts is None or not ("01" <= (parts[2] or "01") <= "12") or not ("01" <= (parts[3] or "01") <= "31"):
        raise ValueError(f"'{date}' is no ISO date (YYYY, YYYY-MM or YYYY-MM-DD)")
    year, month, day = int(parts[1]), parts[2], parts[3]
    first = year * 10000 + int(month or 1) * 100 + int(day or 1)
    return first, year * 10000 + int(month or 12) * 100 + int(day or 31)


def load_arrays(
    path: Path, tokenizer: Callable[[str], Any], columns: Columns, options: Options, cache: Path | None
) -> Arrays:
    """The arrays of a table: from the cache where the same bytes were built before, else built and kept.

    RAISES: N052 to N056 for a file that cannot be read as a table. WARNS: NW050, NW051.
    """
    if not path.is_file():
        raise NlpkitError(Errors.N052.format(path=path, problem="there is no such file"))
    data = path.read_bytes()
    kept = cache / f"{_fingerprint(data, path, tokenizer, columns, options)}.npz" if cache else None
    arrays = _read_kept(kept) if kept is not None else None
    if arrays is None:
        arrays = build_arrays(path, read_entries(path, data, columns, options), tokenizer, options)
        if kept is not None:
            _keep(kept, arrays)
    return arrays


def _fingerprint(data: bytes, path: Path, tokenizer: Any, columns: Columns, options: Options) -> str:
    digest = hashlib.sha256(data)
    # The same bytes read as CSV and as TSV differ, and so do tokens of another tokenizer.
    rules = tokenizer.to_bytes(exclude=["vocab"]) if hasattr(tokenizer, "to_bytes") else b""
    for part in (path.suffixes, type(tokenizer).__qualname__, columns, options, FORMAT):
        digest.update(repr(part).encode("utf8"))
    digest.update(rules)
    return digest.hexdigest()


def _read_kept(path: Path) -> Arrays | None:
    """What an earlier run kept; None where there is nothing or the file is damaged: it is then built again."""
    try:
        with path.open("rb") as file_, np.load(file_, allow_pickle=False) as kept:
            return Arrays(**{field: kept[field] for field in Arrays._fields})
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _keep(path: Path, arrays: Arrays) -> None:
    try:
        with atomic_write(path, "wb") as file_:
            np.savez(file_, **arrays._asdict())
    except OSError as error:
        warnings.warn(Warnings.NW051.format(path=path.parent, problem=error.strerror or error), stacklevel=2)


def cache_folder() -> Path:
    """Where tables are kept between runs: `spacy_nlpkit/listings` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "spacy_nlpkit" / "listings"


# ---- reading ----


def read_entries(path: Path, data: bytes, columns: Columns, options: Options) -> Iterator[Entry]:
    """Every text that the table lists, with label and dates; names too short or in the stop list are left out.

    RAISES: N052 (the file as a whole), N053 (missing column), N054 (one line).
    """
    stop = {name.casefold() for name in options.stop}
    for line, (name, symbol, label, since, until) in _rows(path, data, columns):
        if not name and not symbol:
            wanted = f"neither '{columns.name}' nor '{columns.symbol}' is given"
            raise NlpkitError(Errors.N054.format(path=path, line=line, problem=wanted))
        try:
            days = (
                date_span(since)[0] if since else ALWAYS[0],
                date_span(until)[1] if until else ALWAYS[1],
            )
        except ValueError as error:
            raise NlpkitError(Errors.N054.format(path=path, line=line, problem=error)) from None
        for text, kind in _texts(name, symbol, label, options):
            if kind in options.case_sensitive or (len(text) >= options.min_length and text.casefold() not in stop):
                yield Entry(text, kind, *days)


def _texts(name: str, symbol: str, label: str, options: Options) -> Iterator[tuple[str, str]]:
    """The texts of one row and their labels: a label in the row is the name's, or the symbol's where that is all."""
    if name:
        kind = label or options.label
        yield name, kind
        short = without_legal_form(name) if options.short_names else name
        if short != name and kind not in options.case_sensitive:
            yield short, kind
    if symbol:
        yield symbol, options.symbol_label if name or not label else label


def _rows(path: Path, data: bytes, columns: Columns) -> Iterator[tuple[int, list[str]]]:
    """Line number and the five fields of every row, blanks squeezed; a field the row has not is empty."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        raw = gzip.decompress(data) if suffixes[-1:] == [".gz"] else data
        text = raw.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise NlpkitError(Errors.N052.format(path=path, problem=error)) from None
    kind = [suffix for suffix in suffixes if suffix != ".gz"][-1:]
    if kind in ([".jsonl"], [".ndjson"]):
        return _json_rows(path, text, columns)
    if kind in ([".csv"], [".tsv"]):
        return _csv_rows(path, text, columns, "\t" if kind == [".tsv"] else ",")
    raise NlpkitError(
        Errors.N052.format(path=path, problem="its name ends in none of .csv, .tsv, .jsonl (or with .gz)")
    )


def _json_rows(path: Path, text: str, columns: Columns) -> Iterator[tuple[int, list[str]]]:
    for line, row in enumerate(io.StringIO(text), start=1):
        if not row.strip():
            continue
        try:
            item = srsly.json_loads(row)
        except ValueError as error:
            raise NlpkitError(Errors.N054.format(path=path, line=line, problem=f"broken JSON: {error}")) from None
        if not isinstance(item, dict) or any(isinstance(item.get(key), (dict, list)) for key in columns):
            problem = "not a JSON object whose fields are texts"
            raise NlpkitError(Errors.N054.format(path=path, line=line, problem=problem))
        if columns.name not in item and columns.symbol not in item:
            raise NlpkitError(_missing(path, line, columns, item))
        yield line, [" ".join(str("" if item.get(key) is None else item[key]).split()) for key in columns]


def _csv_rows(path: Path, text: str, columns: Columns, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        if columns.name not in header and columns.symbol not in header:
            raise NlpkitError(_missing(path, 1, columns, header))
        places = [header.index(column) if column in header else -1 for column in columns]
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                problem = f"{len(row)} fields where the header has {len(header)}"
                raise NlpkitError(Errors.N054.format(path=path, line=reader.line_num, problem=problem))
            yield reader.line_num, [" ".join(row[place].split()) if place >= 0 else "" for place in places]
    except csv.Error as error:
        raise NlpkitError(Errors.N054.format(path=path, line=reader.line_num, problem=error)) from None


def _missing(path: Path, line: int, columns: Columns, found: Iterable[str]) -> str:
    there = ", ".join(found) or "none"
    return Errors.N053.format(path=path, line=line, name=columns.name, symbol=columns.symbol, found=there)


# ---- building ----


def build_arrays(path: Path, entries: Iterable[Entry], tokenizer: Callable[[str], Any], options: Options) -> Arrays:
    """Hash every entry and sort. RAISES: N055 (no entry), N056 (too many labels). WARNS: NW050 (too long)."""
    listed = list(entries)
    names = sorted({entry.label for entry in listed})
    if len(names) > MAX_LABELS:
        raise NlpkitError(Errors.N056.format(path=path, count=len(names), most=MAX_LABELS))
    number = {name: place for place, name in enumerate(names)}
    lower, orth, lengths = _token_hashes([entry.text for entry in listed], tokenizer)
    labels = np.array([number[entry.label] for entry in listed], dtype=np.uint8)
    days = np.array([(entry.since, entry.until) for entry in listed], dtype=np.int32).reshape(-1, 2)
    exact = np.array([name in options.case_sensitive for name in names], dtype=bool)[labels]
    keys = np.where(exact, ORTH_SEED, LOWER_SEED)
    starts = np.cumsum(lengths) - lengths
    for place in range(options.max_tokens):
        rows = np.flatnonzero(lengths > place)
        tokens = starts[rows] + place
        keys[rows] = fold(keys[rows], np.where(exact[rows], orth[tokens], lower[tokens]))
    fits = (lengths > 0) & (lengths <= options.max_tokens)
    too_long = int((lengths > options.max_tokens).sum())
    if too_long:
        text = next(entry.text for entry, length in zip(listed, lengths) if length > options.max_tokens)
        warnings.warn(
            Warnings.NW050.format(path=path, count=too_long, most=options.max_tokens, example=text), stacklevel=2
        )
    if not fits.any():
        raise NlpkitError(Errors.N055.format(path=path, min_length=options.min_length))
    longest = np.array([lengths[fits & (exact == mode)].max(initial=0) for mode in (False, True)], dtype=np.int32)
    return _sorted(keys[fits], labels[fits], days[fits], longest, np.array(names))


def _sorted(keys: np.ndarray, labels: np.ndarray, days: np.ndarray, longest: np.ndarray, names: np.ndarray) -> Arrays:
    order = np.lexsort((days[:, 1], days[:, 0], labels, keys))
    keys, labels, days = keys[order], labels[order], days[order]
    same = (keys[1:] == keys[:-1]) & (labels[1:] == labels[:-1]) & (days[1:] == days[:-1]).all(axis=1)
    new = np.append(True, ~same)
    keys, labels, days = keys[new], labels[new], days[new]
    unique, firsts = np.unique(keys, return_index=True)
    offsets = np.append(firsts, len(keys)).astype(np.uint32)
    since, until = np.ascontiguousarray(days.T)
    return Arrays(unique, offsets, labels, since, until, longest, names)


def _token_hashes(texts: list[str], tokenizer: Callable[[str], Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower-case and exact hashes of the tokens of all texts in a row, and the number of tokens of each text."""
    if isinstance(tokenizer, Tokenizer):
        parts = [
            _hash_lines(texts[start : start + _NAMES_AT_ONCE], own)
            for own in [_private_copy(tokenizer)]
            for start in range(0, len(texts), _NAMES_AT_ONCE)
        ]
    else:
        parts = [_hash_one(text, tokenizer) for text in texts]
    if not parts:
        empty = np.zeros(0, dtype=np.uint64)
        return empty, empty, np.zeros(0, dtype=np.int64)
    lower, orth, lengths = (np.concatenate(column) for column in zip(*parts))
    return lower, orth, lengths


def _private_copy(tokenizer: Tokenizer) -> Tokenizer:
    """The same rules over a vocabulary of its own: half a million names would stay in the pipeline's for good."""
    vocab = Vocab(lex_attr_getters={LOWER: tokenizer.vocab.lex_attr_getters[LOWER]})
    return Tokenizer(vocab).from_bytes(tokenizer.to_bytes(exclude=["vocab"]))


def _hash_lines(texts: list[str], tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Many texts as the lines of one document: blanks part tokens, so each line has the tokens it has alone."""
    lower, orth, idx = tokenizer("\n".join(texts)).to_array([LOWER, ORTH, IDX]).T
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)])
    kept = ~np.isin(idx, starts[1:-1] - 1)
    line = np.searchsorted(starts, idx[kept], side="right") - 1
    return lower[kept], orth[kept], np.bincount(line, minlength=len(texts))


def _hash_one(text: str, tokenizer: Callable[[str], Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lower, orth = tokenizer(text).to_array([LOWER, ORTH]).T
    return lower, orth, np.array([len(lower)])
