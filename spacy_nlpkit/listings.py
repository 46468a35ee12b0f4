"""Membership of tokens in a table of names and symbols that the user gives, looked up as arrays.

Nothing of the table is kept as text: a sequence of tokens is one 64-bit hash, the table a sorted array of them, and a
batch of documents is looked up in a few array operations. The token hashes are spaCy's own, stable between runs and
machines, so a saved table needs no vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import srsly
from spacy.attrs import LOWER, ORTH
from spacy.tokens import Doc

from ._listing_build import (
    ALWAYS,
    FORMAT,
    LOWER_SEED,
    ORTH_SEED,
    Arrays,
    Columns,
    Options,
    cache_folder,
    date_span,
    fold,
    load_arrays,
)
from .attributes import DOC_DATE
from .errors import Errors, NlpkitError
from .util import atomic_write

_DTYPES = {"keys": "<u8", "offsets": "<u4", "labels": "u1", "since": "<i4", "until": "<i4", "longest": "<i4"}
_FILTER_BITS = 22


class ListingTable:
    """A table of names and symbols; `features` says where they stand in documents.

    labels (tuple[str, ...]): The labels of the entries, sorted. width (int): Columns of `features`, 4 for each label.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self.labels: tuple[str, ...] = tuple(str(name) for name in arrays.names)
        self.width = 4 * len(self.labels)
        self._dated = bool((arrays.since > ALWAYS[0]).any() or (arrays.until < ALWAYS[1]).any())
        # Most sequences are in no table: one look at a small array of bits spares them the binary search.
        self._filter = np.zeros(1 << _FILTER_BITS, dtype=bool)
        self._filter[self._slots(arrays.keys)] = True

    def __len__(self) -> int:
        """The number of entries: pairs of a token sequence and a label, dated rows counted apart."""
        return len(self._arrays.labels)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        tokenizer: Callable[[str], Any],
        *,
        label: str = "ORG",
        symbol_label: str = "TICKER",
        case_sensitive: Sequence[str] = ("TICKER",),
        stop: Sequence[str] = (),
        min_length: int = 2,
        max_tokens: int = 8,
        short_names: bool = True,
        columns: dict[str, str] | None = None,
        cache: str | Path | None = "default",
    ) -> ListingTable:
        """Read a table from a file: one row a name, a symbol, or a company with both.

        path (str | Path): `.csv`, `.tsv` (with a header) or `.jsonl`, each also with `.gz`; UTF-8.
        tokenizer (Callable): The tokenizer of the pipeline (`nlp.tokenizer`).
        label, symbol_label (str): The label of names, and of symbols, in rows that give none.
        case_sensitive (Sequence[str]): Labels whose entries match as written; all others match in any case.
        stop (Sequence[str]): Names to leave out, such as common words that are names too (`Target`, `Visa`).
        min_length (int): Least characters of an entry that matches in any case.
        max_tokens (int): Most tokens of an entry; longer ones are left out, with a warning.
        short_names (bool): Let `Apple Inc.` match as `Apple` as well.
        columns (dict[str, str]): What the file calls its columns, where that is not `name`, `symbol`, `label`,
            `from`, `to`: such as `{"name": "title", "symbol": "ticker"}`.
        cache (str | Path): Folder in which the built arrays are kept; None keeps nothing, "default" is
            `spacy_nlpkit/listings` in the user's cache folder.
        RAISES: N052 (unreadable file), N053 (missing columns), N054 (bad row, with its line), N055 (no entry), N056
            (too many labels), N057 (unknown key in `columns`).
        """
        fields = {"name": "name", "symbol": "symbol", "label": "label", "from": "since", "to": "until"}
        unknown = sorted(set(columns or {}) - set(fields))
        if unknown:
            raise NlpkitError(Errors.N057.format(found=", ".join(unknown), known=", ".join(fields)))
        named = Columns(**{fields[key]: column for key, column in (columns or {}).items()})
        options = Options(label, symbol_label, tuple(case_sensitive), tuple(stop), min_length, max_tokens, short_names)
        folder = cache_folder() if cache == "default" else Path(cache) if cache is not None else None
        return cls(load_arrays(Path(path), tokenizer, named, options, folder))

    def features(self, docs: Sequence[Doc]) -> np.ndarray:
        """Where entries of the table stand in documents.

        docs (Sequence[Doc]): A batch; documents may be empty. A document with a date (`doc._.date`) sees the rows
            that are valid on some day of it, one without sees all.
        RETURNS (np.ndarray): float32 (total_tokens, width). For each label four columns: the token begins, is
            inside, ends, or is all of an entry. Of overlapping entries of a label the leftmost counts, of those
            with one start the longest; entries of different labels do not disturb each other.
        RAISES: N058 for a date that is no ISO date.
        """
        lengths = np.array([len(doc) for doc in docs], dtype=np.int64)
        total = int(lengths.sum())
        out = np.zeros((total, self.width), dtype=np.float32)
        if total == 0:
            return out
        longest = self._longest_matches(docs, lengths, total)
        for number, row in enumerate(longest):
            _mark(out[:, 4 * number : 4 * number + 4], row)
        return out

    def _longest_matches(self, docs: Sequence[Doc], lengths: np.ndarray, total: int) -> np.ndarray:
        """(labels, tokens) the length of the longest entry that begins at a token, 0 where none does."""
        hashes = np.concatenate([doc.to_array([LOWER, ORTH]) for doc in docs if len(doc)])
        left = np.repeat(np.cumsum(lengths), lengths) - np.arange(total)
        days = self._days(docs, lengths) if self._dated else None
        best = np.zeros((len(self.labels), total), dtype=np.uint8)
        for column, seed in enumerate((LOWER_SEED, ORTH_SEED)):
            state = np.full(total, seed)
            for size in range(1, min(int(self._arrays.longest[column]), total) + 1):
                count = total - size + 1
                state = fold(state[:count], hashes[size - 1 :, column])
                places, keys = self._look_up(state, left[:count] >= size)
                rows, places = self._rows(keys, places, days)
                best[self._arrays.labels[rows], places] = size
        return best

    def _look_up(self, state: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the hashes are in the table: their places, and the numbers of their keys."""
        places = np.flatnonzero(self._filter[self._slots(state)] & inside)
        keys = np.searchsorted(self._arrays.keys, state[places])
        keys = np.minimum(keys, len(self._arrays.keys) - 1)
        found = self._arrays.keys[keys] == state[places]
        return places[found], keys[found]

    def _rows(self, keys: np.ndarray, places: np.ndarray, days: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """All rows of the keys that are valid on the documents' days, and the place of each."""
        first = self._arrays.offsets[keys].astype(np.int64)
        count = self._arrays.offsets[keys + 1] - first
        places = np.repeat(places, count)
        rows = np.repeat(first - np.cumsum(count) + count, count) + np.arange(len(places))
        if days is None:
            return rows, places
        valid = (self._arrays.since[rows] <= days[places, 1]) & (self._arrays.until[rows] >= days[places, 0])
        return rows[valid], places[valid]

    def _days(self, docs: Sequence[Doc], lengths: np.ndarray) -> np.ndarray:
        """(tokens, 2) first and last day of the document's date, or all time."""
        known = Doc.has_extension(DOC_DATE)
        spans = [_doc_days(doc) if known else ALWAYS for doc in docs]
        return np.repeat(np.array(spans, dtype=np.int64).reshape(-1, 2), lengths, axis=0)

    @staticmethod
    def _slots(hashes: np.ndarray) -> np.ndarray:
        return hashes >> np.uint64(64 - _FILTER_BITS)

    def to_bytes(self) -> bytes:
        """The table as msgpack of raw arrays; equal tables give equal bytes."""
        message: dict[str, Any] = {"format": FORMAT, "names": list(self.labels)}
        for field, dtype in _DTYPES.items():
            message[field] = getattr(self._arrays, field).astype(dtype).tobytes()
        return bytes(srsly.msgpack_dumps(message))

    @classmethod
    def from_bytes(cls, data: bytes) -> ListingTable:
        """Read what `to_bytes` gave. RAISES: N059 where the bytes are no table of this format."""
        try:
            message = srsly.msgpack_loads(data)
            found = message.get("format")
        except (ValueError, AttributeError):
            found = None
        if found != FORMAT:
            raise NlpkitError(Errors.N059.format(found=found, expected=FORMAT))
        arrays = {field: np.frombuffer(message[field], dtype=dtype) for field, dtype in _DTYPES.items()}
        return cls(Arrays(**arrays, names=np.array(message["names"])))

    def to_disk(self, path: str | Path) -> None:
        """Write the table to one file."""
        with atomic_write(path, "wb") as file_:
            file_.write(self.to_bytes())

    @classmethod
    def from_disk(cls, path: str | Path) -> ListingTable:
        """Read what `to_disk` wrote. RAISES: as `from_bytes`."""
        return cls.from_bytes(Path(path).read_bytes())

    @property
    def content_hash(self) -> str:
        """SHA-256 of `to_bytes`: equal for equal tables, whatever file they came from."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def _doc_days(doc: Doc) -> tuple[int, int]:
    date = doc._.get(DOC_DATE)
    if date is None:
        return ALWAYS
    try:
        return date_span(date)
    except (ValueError, AttributeError):
        raise NlpkitError(Errors.N058.format(date=date, text=doc.text[:40])) from None


def _mark(columns: np.ndarray, longest: np.ndarray) -> None:
    """Write begin, inside, last and unit of the entries of one label, from the left."""
    starts = np.flatnonzero(longest)
    free = 0
    kept = []
    for place, (start, size) in enumerate(zip(starts.tolist(), longest[starts].tolist())):
        if start >= free:
            kept.append(place)
            free = start + size
    starts = starts[kept]
    sizes = longest[starts].astype(np.int64)
    columns[starts[sizes == 1], 3] = 1.0
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    columns[starts, 0] = 1.0
    columns[starts + sizes - 1, 2] = 1.0
    for offset in range(1, int(sizes.max(initial=0)) - 1):
        columns[starts[sizes > offset + 1] + offset, 1] = 1.0
