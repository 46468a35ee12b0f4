"""Makes the arrays of a graph from its entities, one after the other in the order of their ids."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, NlpkitError
from ..normalise import name_key, symbol_key
from .columns import HashIndex, hash_key, name_kinds
from .graph import CODE_KINDS, FIRST_DAY, LAST_DAY, Alias, Entity, day_of
from .records import encode
from .report import BuildReport

MAX_KINDS = 255
# What ids of one scheme begin with: up to the last colon, slash or number sign, else the letters before digits.
_SCHEME = re.compile(r"(\S*[:/#])[^:/#\s]+|([A-Za-z]+)\d+")


class Columns(NamedTuple):
    """The arrays of a graph by name, the words that they count, and the hash of the records."""

    arrays: dict[str, NDArray[Any]]
    kinds: tuple[str, ...]
    type_names: tuple[str, ...]
    content_hash: str


def id_scheme(text: str) -> str:
    """What an id has in common with others of its kind: `org:` of `org:nokia`, `Q` of `Q312`; empty if nothing."""
    match = _SCHEME.fullmatch(text)
    return (match[1] or match[2]) if match else ""


class _Texts:
    """A growing text column."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ends = array("q", [0])

    def add(self, text: str) -> None:
        self.data += text.encode()
        self.ends.append(len(self.data))

    def get(self, number: int) -> str:
        return self.data[self.ends[number] : self.ends[number + 1]].decode()

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        data = np.frombuffer(bytes(self.data), dtype=np.uint8)
        return {f"{name}_bytes": data, f"{name}_offsets": np.array(self.ends, dtype=np.int64)}


class ColumnBuilder:
    """Takes the checked entities of a graph in the order of their ids."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._ids, self._labels, self._texts = _Texts(), _Texts(), _Texts()
        self._entity_prior, self._id_hash = array("f"), array("Q")
        self._type_numbers: dict[str, int] = {}
        self._types, self._type_ends = array("i"), array("q", [0])
        self._kind_numbers: dict[str, int] = {}
        self._alias_ends = array("q", [0])
        self._entity, self._kind, self._prior = array("i"), array("i"), array("f")
        self._start, self._end, self._key = array("i"), array("i"), array("Q")
        self._source, self._target, self._target_scheme = array("i"), array("Q"), array("Q")
        self._schemes: set[int] = set()

    def add(self, entity: Entity) -> None:
        """Add the next entity."""
        self._hash.update(encode(entity) + b"\n")
        number = len(self._id_hash)
        self._ids.add(entity.id)
        self._labels.add(entity.label)
        self._id_hash.append(hash_key(entity.id))
        self._entity_prior.append(entity.prior)
        self._schemes.add(hash_key(id_scheme(entity.id)))
        for name in entity.types:
            self._types.append(self._type_numbers.setdefault(name, len(self._type_numbers)))
        self._type_ends.append(len(self._types))
        for alias in entity.aliases:
            self._add_alias(number, alias, entity.prior)
        self._alias_ends.append(len(self._entity))
        for _, target in entity.edges:
            self._source.append(number)
            self._target.append(hash_key(target))
            self._target_scheme.append(hash_key(id_scheme(target)))

    def _add_alias(self, entity: int, alias: Alias, prior: float) -> None:
        start, end = day_of(alias.start), day_of(alias.end, last=True)
        self._texts.add(alias.text)
        self._entity.append(entity)
        self._kind.append(self._kind_numbers.setdefault(alias.kind, len(self._kind_numbers)))
        self._prior.append(prior if alias.prior is None else alias.prior)
        self._start.append(FIRST_DAY if start is None else start)
        self._end.append(LAST_DAY if end is None else end)
        self._key.append(hash_key(symbol_key(alias.text) if alias.kind in CODE_KINDS else name_key(alias.text)))

    def finish(self, name: str, report: BuildReport, edges_of: Callable[[int], Sequence[tuple[str, str]]]) -> Columns:
        """The arrays of all that was added; fills in the counts of the report.

        name: Of the graph, for messages. edges_of: The edges of an entity by its number, for messages.
        RAISES: N159 where aliases have too many kinds.
        """
        kinds, kind = _sorted_names(self._kind_numbers, np.array(self._kind, dtype=np.int32))
        if len(kinds) > MAX_KINDS:
            raise NlpkitError(Errors.N159.format(name=name, count=len(kinds), most=MAX_KINDS))
        type_names, types = _sorted_names(self._type_numbers, np.array(self._types, dtype=np.int32))
        aliases: dict[str, NDArray[Any]] = {
            "alias_entity": np.array(self._entity, dtype=np.int32),
            "alias_kind": kind.astype(np.uint8),
            "alias_prior": np.array(self._prior, dtype=np.float32),
            "alias_start": np.array(self._start, dtype=np.int32),
            "alias_end": np.array(self._end, dtype=np.int32),
            "alias_offsets": np.array(self._alias_ends, dtype=np.int64),
        }
        id_hashes = np.array(self._id_hash, dtype=np.uint64)
        by_id = HashIndex.of(id_hashes, np.arange(len(id_hashes), dtype=np.int32))
        keys, ambiguous = self._key_arrays(name_kinds(kinds)[kind] if kinds else kind.astype(bool))
        report.entities, report.aliases, report.ambiguous_aliases = len(id_hashes), len(kind), ambiguous
        arrays = {
            **self._ids.arrays("entity_id"),
            **self._labels.arrays("entity_label"),
            "entity_prior": np.array(self._entity_prior, dtype=np.float32),
            "id_hashes": by_id.hashes,
            "id_entities": by_id.numbers,
            "type_offsets": np.array(self._type_ends, dtype=np.int64),
            "type_entries": types,
            **aliases,
            **self._texts.arrays("alias_text"),
            **keys,
            **self._neighbour_arrays(by_id, report, edges_of),
        }
        return Columns(arrays, kinds, type_names, self._hash.hexdigest())

    def _key_arrays(self, is_name: NDArray[np.bool_]) -> tuple[dict[str, NDArray[Any]], int]:
        """The indexes of keys, and how many keys belong to more than one entity."""
        arrays: dict[str, NDArray[Any]] = {}
        hashes, entity = np.array(self._key, dtype=np.uint64), np.array(self._entity, dtype=np.int32)
        ambiguous = 0
        for name, wanted in (("name", is_name), ("symbol", ~is_name)):
            numbers = np.flatnonzero(wanted & (hashes != 0)).astype(np.int32)
            index = HashIndex.of(hashes[numbers], numbers)
            arrays |= {f"{name}_hashes": index.hashes, f"{name}_aliases": index.numbers}
            pairs = np.unique(np.stack([index.hashes, entity[index.numbers].astype(np.uint64)]), axis=1)
            ambiguous += int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
        return arrays, ambiguous

    def _neighbour_arrays(
        self, by_id: HashIndex, report: BuildReport, edges_of: Callable[[int], Sequence[tuple[str, str]]]
    ) -> dict[str, NDArray[Any]]:
        source, wanted = np.array(self._source, dtype=np.int64), np.array(self._target, dtype=np.uint64)
        edges, target = by_id.find(wanted)
        literal = np.ones(len(wanted), dtype=bool)
        literal[edges] = False
        schemes = np.array(sorted(self._schemes - {0}), dtype=np.uint64)
        dangling = literal & np.isin(np.array(self._target_scheme, dtype=np.uint64), schemes)
        report.edges, report.dangling_edges = len(wanted), int(dangling.sum())
        firsts = np.searchsorted(source, source)
        for edge in np.flatnonzero(dangling)[: report.max_problems].tolist():
            relation, missing = edges_of(int(source[edge]))[edge - int(firsts[edge])]
            report.add_problem(_dangling_problem(self._ids.get(int(source[edge])), relation, missing))
        from_, to = source[edges], target
        both = np.stack([np.concatenate([from_, to]), np.concatenate([to, from_])])
        both = np.unique(both[:, both[0] != both[1]], axis=1)
        counts = np.bincount(both[0], minlength=len(by_id.hashes))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return {"neighbour_offsets": offsets, "neighbour_entries": both[1].astype(np.int32)}


def _dangling_problem(source: str, relation: str, target: str) -> str:
    problem = f"the edge {relation!r} leads to {target[:80]!r}, which looks like an id, but is none of the graph"
    return Errors.N150.format(where=source, problem=problem)


def _sorted_names(numbers: dict[str, int], used: NDArray[np.int32]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Names in order, and their new numbers in place of those in the order of which they came."""
    names = sorted(numbers)
    new = np.zeros(len(names), dtype=np.int32)
    for place, name in enumerate(names):
        new[numbers[name]] = place
    return tuple(names), new[used]
