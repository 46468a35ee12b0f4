"""The arrays that every store has, in memory or memory-mapped, and what a graph answers from them alone.

Keys are looked up by 64-bit hashes (MurmurHash, as of spaCy's strings: equal in every process and on every machine).
That a text meets the hash of another key by chance has a probability of some 1e-13 for a million aliases. Ids are
compared as texts as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.strings import hash_string  # type: ignore[attr-defined]

from ..segments import ranges
from .graph import CODE_KINDS, AliasColumns, Entity, Floats, GraphMeta, Hits, Ints
from .name_index import NameIndex
from .word_index import WordIndex

Arrays = Mapping[str, NDArray[Any]]

# Before the names of the arrays of the two indexes of names.
NAME_INDEX, WORD_INDEX = "names.", "words."


class TextColumn(NamedTuple):
    """Texts as one array of UTF-8 (bytes,) and where each begins, and the end: (texts + 1,)."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def take(self, numbers: Sequence[int] | Ints) -> list[str]:
        """The texts of these numbers."""
        places = np.asarray(numbers, dtype=np.int64)
        data = self.data.data
        bounds = zip(self.offsets[places].tolist(), self.offsets[places + 1].tolist())
        return [str(data[start:end], "utf8") for start, end in bounds]


class HashIndex(NamedTuple):
    """Numbers by the hash of their key: hashes, sorted, and the number of each (entries,)."""

    hashes: NDArray[np.uint64]
    numbers: NDArray[np.int32]

    @classmethod
    def of(cls, hashes: NDArray[np.uint64], numbers: NDArray[np.int32]) -> HashIndex:
        """Sort by hash, then number."""
        order = np.lexsort((numbers, hashes))
        return cls(hashes[order], numbers[order])

    def find(self, wanted: NDArray[np.uint64]) -> tuple[Ints, Ints]:
        """Of all entries with a wanted hash the place among those wanted, and the number."""
        starts = np.searchsorted(self.hashes, wanted, side="left")
        counts = np.searchsorted(self.hashes, wanted, side="right") - starts
        return np.repeat(np.arange(len(wanted)), counts), self.numbers[ranges(starts, counts)].astype(np.int64)


def hash_key(key: str) -> int:
    """The hash of a key that an entry has; 0 for an empty one, which none has."""
    return hash_string(key) if key else 0


def hash_keys(keys: Sequence[str]) -> NDArray[np.uint64]:
    """The hash of each key that is looked for: (keys,)."""
    return np.fromiter(map(hash_string, keys), dtype=np.uint64, count=len(keys))


class ColumnGraph:
    """A `KnowledgeGraph` over arrays; a store adds where the records lie.

    arrays: As `ColumnBuilder.finish` gives them, with those of the name index under `NAME_INDEX`, and `vectors` where
    the graph has some.
    """

    def __init__(self, meta: GraphMeta, kinds: tuple[str, ...], type_names: tuple[str, ...], arrays: Arrays) -> None:
        self.meta = meta
        self.kinds = kinds
        self.type_names = type_names
        self._arrays = dict(arrays)
        self.aliases = AliasColumns(*(arrays[f"alias_{name}"] for name in AliasColumns._fields))
        self._ids, self._labels, self._texts = map(self._text_column, ("entity_id", "entity_label", "alias_text"))
        self._by_id = HashIndex(arrays["id_hashes"], arrays["id_entities"])
        self._by_name = HashIndex(arrays["name_hashes"], arrays["name_aliases"])
        self._by_symbol = HashIndex(arrays["symbol_hashes"], arrays["symbol_aliases"])
        self._name_index: NameIndex | None = None
        self._word_index: WordIndex | None = None

    def _text_column(self, name: str) -> TextColumn:
        return TextColumn(self._arrays[f"{name}_bytes"], self._arrays[f"{name}_offsets"])

    def numbers(self, ids: Sequence[str]) -> Ints:
        """See `KnowledgeGraph`."""
        found = np.full(len(ids), -1, dtype=np.int64)
        places, numbers = self._by_id.find(hash_keys(ids))
        equal = [ids[place] == text for place, text in zip(places.tolist(), self.ids(numbers))]
        found[places[equal]] = numbers[equal]
        return found

    def ids(self, entities: Sequence[int] | Ints) -> list[str]:
        """See `KnowledgeGraph`."""
        return self._ids.take(entities)

    def labels(self, entities: Sequence[int] | Ints) -> list[str]:
        """See `KnowledgeGraph`."""
        return self._labels.take(entities)

    def priors(self) -> Floats:
        """See `KnowledgeGraph`."""
        return self._arrays["entity_prior"]

    def types(self, entities: Sequence[int] | Ints) -> tuple[Ints, Ints]:
        """See `KnowledgeGraph`."""
        return self._rows("type", entities)

    def neighbours(self, entities: Sequence[int] | Ints) -> tuple[Ints, Ints]:
        """See `KnowledgeGraph`."""
        return self._rows("neighbour", entities)

    def _rows(self, name: str, entities: Sequence[int] | Ints) -> tuple[Ints, Ints]:
        places = np.asarray(entities, dtype=np.int64)
        offsets = self._arrays[f"{name}_offsets"]
        starts = offsets[places]
        counts = offsets[places + 1] - starts
        return counts, self._arrays[f"{name}_entries"][ranges(starts, counts)].astype(np.int64)

    def alias_range(self, entity: int) -> tuple[int, int]:
        """The number of an entity's first alias, and the number after that of its last."""
        offsets = self._arrays["alias_offsets"]
        return int(offsets[entity]), int(offsets[entity + 1])

    def alias_texts(self, aliases: Sequence[int] | Ints) -> list[str]:
        """See `KnowledgeGraph`."""
        return self._texts.take(aliases)

    def lookup(self, keys: Sequence[str], symbols: bool = False) -> Hits:
        """See `KnowledgeGraph`."""
        queries, aliases = (self._by_symbol if symbols else self._by_name).find(hash_keys(keys))
        return Hits(queries, aliases, np.ones(len(queries), dtype=np.float32))

    def search(self, texts: Sequence[str], k: int = 16) -> Hits:
        """See `KnowledgeGraph`."""
        if self._name_index is None:
            self._name_index = NameIndex.from_arrays(self._index_arrays(NAME_INDEX))
        return self._name_index.search(texts, k)

    def containing(self, texts: Sequence[str], k: int = 16) -> Hits:
        """See `KnowledgeGraph`."""
        if self._word_index is None:
            self._word_index = WordIndex(self._index_arrays(WORD_INDEX))
        return self._word_index.search(texts, k)

    def _index_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The arrays of an index of names, both built where the store came without."""
        if not any(name.startswith(prefix) for name in self._arrays):
            self._arrays.update(index_names(self._texts, self.aliases, self.kinds))
        return {name.removeprefix(prefix): part for name, part in self._arrays.items() if name.startswith(prefix)}

    def vectors(self) -> NDArray[np.floating] | None:
        """See `KnowledgeGraph`."""
        return self._arrays.get("vectors")

    def entities(self, entities: Sequence[int] | Ints) -> list[Entity]:
        """See `KnowledgeGraph`."""
        return [entity for number in entities for entity in self._read(int(number), int(number) + 1)]

    def iterate(self) -> Iterator[Entity]:
        """See `KnowledgeGraph`."""
        return self._read(0, self.meta.n_entities)

    def _read(self, first: int, end: int) -> Iterator[Entity]:
        """The entities of a range of numbers, from the store."""
        raise NotImplementedError


def index_names(texts: TextColumn, aliases: AliasColumns, kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays of both indexes over all aliases that are no codes, under `NAME_INDEX` and `WORD_INDEX`."""
    is_name = name_kinds(kinds)[aliases.kind]
    named = np.flatnonzero(is_name)
    written = [""] * len(is_name)
    for number, text in zip(named.tolist(), texts.take(named)):
        written[number] = text
    words = WordIndex.build(written, aliases.prior)
    return {
        **{f"{NAME_INDEX}{name}": part for name, part in NameIndex.build(written).arrays().items()},
        **{f"{WORD_INDEX}{name}": part for name, part in words.items()},
    }


def name_kinds(kinds: Sequence[str]) -> NDArray[np.bool_]:
    """Of each kind whether its aliases are names, not codes: (kinds,)."""
    return np.array([kind not in CODE_KINDS for kind in kinds], dtype=bool)
