"""What a knowledge graph is to the rest of the package: entities and aliases by number, all in batches.

Entities are numbered from 0 in the order of their ids, aliases from 0 in the order of their entities. Arrays may be
memory-mapped and are never written to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

# Days of open ends, and whether an alias was in use on the day of a document.
FIRST_DAY, LAST_DAY = -(2**31), 2**31 - 1
UNDATED, VALID, INVALID = 0, 1, 2

# Kinds of aliases that are symbols, compared by `normalise.symbol_key`; and that are identifiers with check digits.
SYMBOL_KINDS = frozenset({"ticker", "ric"})
IDENTIFIER_KINDS = frozenset({"isin", "cusip", "lei", "figi"})
# Aliases of these kinds are found by `lookup(symbols=True)`, all others by their name keys and by `search`.
CODE_KINDS = SYMBOL_KINDS | IDENTIFIER_KINDS


@dataclass(frozen=True, slots=True)
class Alias:
    """One way to write an entity.

    kind: `name`, `short`, `acronym`, `former`, `ticker`, `ric`, `isin`, `cusip`, `lei`, `figi`, or any other word.
    prior: How often the text means this entity, 0 to 1; None where only the entity's own prior is known.
    language: ISO 639 code, empty for any. exchange: of a symbol, as in the source.
    start, end: First and last day of use, YYYY-MM-DD; None for an open end.
    """

    text: str
    kind: str = "name"
    prior: float | None = None
    language: str = ""
    exchange: str = ""
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity with all that is known of it.

    prior: How often it is meant when its most ambiguous alias stands alone, 0 to 1.
    edges: Relation and target, the id of an entity or a plain string. xref: Ids in other graphs, by their names.
    """

    id: str
    label: str
    types: tuple[str, ...] = ()
    description: str = ""
    prior: float = 0.5
    aliases: tuple[Alias, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    xref: dict[str, str] = field(default_factory=dict)


class GraphMeta(NamedTuple):
    """Of a graph as a whole.

    content_hash: SHA-256 (hex) of its records, in their order; equal in every store that holds the same graph.
    uri_template: Of an entity's page, with `{id}`; empty where the graph has none. snapshot: ISO date, or empty.
    """

    name: str
    version: str
    content_hash: str
    n_entities: int
    n_aliases: int
    uri_template: str = ""
    licence: str = ""
    source: str = ""
    snapshot: str = ""


class AliasColumns(NamedTuple):
    """Arrays over all aliases: (aliases,).

    entity: int32, number of the entity. kind: uint8, place in `KnowledgeGraph.kinds`. prior: float32, of the alias, or
    of its entity where it has none. start, end: int32, days since 1970-01-01, both inclusive.
    """

    entity: NDArray[np.int32]
    kind: NDArray[np.uint8]
    prior: Floats
    start: NDArray[np.int32]
    end: NDArray[np.int32]


class Hits(NamedTuple):
    """Aliases found for a batch of queries, those of one query together, in order of the queries: (hits,) each.

    query: Place of the query. alias: Number of the alias. score: float32, similarity 0 to 1; 1 for exact look-ups.
    """

    query: Ints
    alias: Ints
    score: Floats


class KnowledgeGraph(Protocol):
    """What every store gives. All of it survives pickling and works in other processes."""

    meta: GraphMeta
    aliases: AliasColumns
    kinds: tuple[str, ...]
    type_names: tuple[str, ...]

    def numbers(self, ids: Sequence[str]) -> Ints:
        """The number of each id, -1 where the graph has no such entity."""
        ...

    def ids(self, entities: Sequence[int] | Ints) -> list[str]:
        """The id of each entity."""
        ...

    def labels(self, entities: Sequence[int] | Ints) -> list[str]:
        """The label of each entity."""
        ...

    def priors(self) -> Floats:
        """The priors of all entities: (entities,)."""
        ...

    def types(self, entities: Sequence[int] | Ints) -> tuple[Ints, Ints]:
        """The types of each entity as places in `type_names`: how many each has (entities,), and all of them one after
        the other."""
        ...

    def entities(self, entities: Sequence[int] | Ints) -> list[Entity]:
        """Each entity with its aliases and edges."""
        ...

    def lookup(self, keys: Sequence[str], symbols: bool = False) -> Hits:
        """Aliases with exactly these keys: of names (`normalise.name_key`), or of symbols and identifiers
        (`normalise.symbol_key`)."""
        ...

    def search(self, texts: Sequence[str], k: int = 16) -> Hits:
        """The k most similar names of each text, by character n-grams and edit distance, best first."""
        ...

    def containing(self, texts: Sequence[str], k: int = 16) -> Hits:
        """The k likeliest longer names that hold all words of each text, and those whose initials it is."""
        ...

    def neighbours(self, entities: Sequence[int] | Ints) -> tuple[Ints, Ints]:
        """Entities that share an edge with each, in either direction: how many each has (entities,), and all of them
        one after the other."""
        ...

    def alias_texts(self, aliases: Sequence[int] | Ints) -> list[str]:
        """The text of each alias, as in the source."""
        ...

    def vectors(self) -> NDArray[np.floating] | None:
        """Vectors of all entities that came with the graph: (entities, width); None where none came."""
        ...

    def iterate(self) -> Iterator[Entity]:
        """All entities in order."""
        ...


def day_of(text: str | None, last: bool = False) -> int | None:
    """An ISO date (`YYYY`, `YYYY-MM` or `YYYY-MM-DD`) as days since 1970-01-01; None for None.

    last (bool): The last day of the year or month in place of the first.
    RAISES: ValueError where it is no date.
    """
    if text is None:
        return None
    year, month, day = ([int(part) for part in text.split("-")] + [0, 0])[:3]
    if not day and last:
        end = date(year + (month or 12) // 12, (month or 12) % 12 + 1, 1) if year < 9999 else date.max
        return (end - _EPOCH).days - 1
    return (date(year, month or 1, day or 1) - _EPOCH).days


_EPOCH = date(1970, 1, 1)


def timing(columns: AliasColumns, aliases: Ints, days: Ints) -> NDArray[np.uint8]:
    """Whether each alias was in use on a day: VALID, INVALID, or UNDATED where either side has no dates.

    days (n,): Days since 1970-01-01; below `FIRST_DAY` for an unknown one.
    """
    start, end = columns.start[aliases].astype(np.int64), columns.end[aliases].astype(np.int64)
    dated = ((start > FIRST_DAY) | (end < LAST_DAY)) & (days >= FIRST_DAY)
    inside = (start <= days) & (days <= end)
    return np.where(dated, np.where(inside, VALID, INVALID), UNDATED).astype(np.uint8)
